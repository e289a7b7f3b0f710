"""The blocks of curves: some rows of long tables, readers beside the model, what is stated."""

from __future__ import annotations

import re

import pytest

BLOCKS = ("roc", "scores", "predictive-values", "thresholds", "decision-curve")


def table(page: str, name: str) -> list[list[str]]:
    """The cells of a table's body, without their markup."""
    after = page.partition(f'id="{name}-caption"')[2]
    body = after.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row] for row in cells]


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_has_a_place_in_the_page(page, block):
    assert page.count(f'id="{block}"') == 1


def test_a_long_table_is_printed_in_part_and_rises(page):
    curve = table(page, "roc-nodule_or_mass")
    assert [row[0] for row in curve] == ["0.01", "0.02", "0.05", "0.10", "0.20", "0.50"]
    tried = [float(row[0]) for row in table(page, "thresholds-nodule_or_mass")]
    assert tried == sorted(tried)
    assert len(tried) == 11
    assert len(table(page, "scores-nodule_or_mass")) == 20 + 3


def test_the_locked_threshold_is_marked_among_those_of_net_benefit(page):
    for kind in ("own", "stated"):
        names = [row[0] for row in table(page, f"net-benefit-nodule_or_mass-{kind}")]
        assert [name for name in names if "locked" in name] == ["0.120 (locked)"]
        assert names.index("0.120 (locked)") == len(names) // 2


def test_a_stated_prevalence_is_printed_with_its_source_and_the_sets_own_beside_it(page):
    lines = [row[0] for row in table(page, "predictive-nodule_or_mass")]
    assert lines[-2:] == ["As among these cases", "As stated: 0.02A registry of 2024."]
    assert re.search(r"Prevalence among these cases: \w+ <span[^>]*>0\.\d+", page)


def test_readers_stand_together_before_one_by_one_and_below_the_model(page):
    lines = [row[0] for row in table(page, "roc-readers-nodule_or_mass")]
    assert [name.startswith("nodule-2: ") for name in lines[:3]] == [True, True, False]
    assert lines[2] == "Readers together"
    assert all(re.fullmatch(r"Reader [0-9a-f]{8}", name) for name in lines[3:])
