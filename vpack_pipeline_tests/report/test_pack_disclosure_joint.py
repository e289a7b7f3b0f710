"""Small cells over all tables of a pack: what one hides, another does not show."""

from __future__ import annotations

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.pack.disclosure import REASON, STATUS, suppress_all


@pytest.fixture(scope="module")
def shown(study):
    known = contracts.load()
    tables = {a: f for a, f in study.tables.items() if a in known and known[a].export}
    return suppress_all(tables, known, 11), tables


def test_a_hidden_figure_says_that_it_is_hidden_and_why(shown):
    made, tables = shown
    seen = 0
    for asset, table in made.items():
        if {"estimate", "status"} <= set(table.frame.columns):
            for row, whole in zip(table.frame.to_dicts(), tables[asset].to_dicts(), strict=True):
                lost = whole["estimate"] is not None and row["estimate"] is None
                assert (row["status"] == STATUS) == lost
                seen += lost
                assert not lost or REASON.format(smallest=11) in row["reason"]
    assert seen


def test_no_bound_stands_beside_a_hidden_count_that_it_could_be_inverted_to(shown):
    for table in shown[0].values():
        if {"lower", "upper", "n"} <= set(table.frame.columns):
            for row, marks in zip(table.frame.to_dicts(), table.marks.to_dicts(), strict=True):
                if marks["n"] is not None or marks["events"] is not None:
                    assert (row["lower"], row["upper"]) == (None, None)


def test_a_comparison_shows_no_count_that_the_operating_point_hides(shown):
    made, tables = shown
    points, compared = "evaluation/operating_points", "evaluation/comparison"
    hidden = {
        (w["window"], w["n"], w["events"])
        for w, m in zip(tables[points].to_dicts(), made[points].marks.to_dicts(), strict=True)
        if w["analysis"] == "intention_to_diagnose" and m["events"] == "hidden"
    }
    for row in made[compared].frame.to_dicts():
        window = row["metric"].rpartition("_")[2]
        assert row["events"] is None or (window, row["n"], row["events"]) not in hidden


def test_a_difference_is_hidden_with_either_of_its_sides(shown):
    made = shown[0]["evaluation/comparison"].frame
    sides = {(r["model_id"], r["operating_point"], r["metric"]): r for r in made.to_dicts()}
    for (model, point, metric), row in sides.items():
        if metric.endswith("_difference") and row["status"] == "given":
            stem = metric.removesuffix("_difference")
            for window in ("retrospective", "prospective"):
                assert sides[model, point, f"{stem}_{window}"]["status"] == "given"
