"""What is declared is emitted, and what is emitted is declared: figures and codes of both demos."""

from __future__ import annotations

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts import codes, metrics
from vpack_pipeline.contracts.shapes import CODES, DETAIL, FIGURE
from vpack_pipeline_tests.acceptance.conftest import Lakeside
from vpack_pipeline_tests.acceptance.site_bench import Built
from vpack_pipeline_tests.recipes import NOT_ASKED_FOR, lacking


@pytest.fixture(scope="module")
def builds(lakeside: Lakeside, lidc: Built) -> list[Built]:
    return [lakeside.before, lakeside.at_look, lidc]


def test_every_declared_figure_is_emitted(builds: list[Built]) -> None:
    missing = set()
    for asset, contract in contracts.load().items():
        if contract.shape == FIGURE:
            emitted = {name for b in builds for name in b.table(asset)["metric"].unique()}
            missing |= {(asset, name) for name in lacking(metrics.of(asset), emitted)}
    # Of the demonstration sites one describes nodules by numbers.
    assert missing == NOT_ASKED_FOR.keys() - {("representativeness/match", "smd")}


def test_a_figure_that_nothing_emits_is_found() -> None:
    names = {name for m in metrics.of("evaluation/comparison") for name in m.names}
    declared = metrics.of("evaluation/comparison")
    assert lacking(declared, names) == set()
    assert lacking(declared, names - {"auc_difference"}) == {"auc_difference"}


def test_every_emitted_code_is_declared_and_says_its_sentence(builds: list[Built]) -> None:
    said: set[str] = set()
    for asset, contract in contracts.load().items():
        columns = [c.name for c in contract.columns]
        if not contract.export or DETAIL not in columns:
            continue
        for column in CODES.keys() & set(columns):
            for built in builds:
                for cell, detail in built.table(asset).select(column, DETAIL).unique().iter_rows():
                    assert all(codes.load()[n].kind == CODES[column] for n in codes.names(cell))
                    assert "{" not in codes.sentences(cell, detail)
                    said |= set(codes.names(cell))
    assert {codes.load()[name].kind for name in said} == {"reason", "method"}


@pytest.mark.parametrize("site", range(3), ids=["lakeside before its look", "lakeside", "lidc"])
def test_at_most_one_row_in_fifty_has_no_figure_for_the_sake_of_people(
    site: int, builds: list[Built]
) -> None:
    why = {name for name, declared in codes.load().items() if declared.protects_people}
    known = contracts.load()
    tables = [builds[site].table(asset) for asset in contracts.exported(known, known)]
    reasons = [table["reason"] for table in tables if "reason" in table.columns]
    n_without = sum(column.is_in(list(why)).sum() for column in reasons)
    assert 0 < n_without <= 0.02 * sum(table.height for table in tables)
