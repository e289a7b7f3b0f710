"""Every expectation of substance passes a sound table and is tripped by a corrupted one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract, Expectation
from vpack_pipeline.gate import check
from vpack_pipeline.gate.fold import fold
from vpack_pipeline.gate.suite import Planned, plan
from vpack_pipeline.strict_yaml import validate
from vpack_pipeline_tests.gate import corruptions
from vpack_pipeline_tests.gate.test_check import CONTRACT

TABLES = list(contracts.load().values())
OF_CODES = {"codes_declared", "detail_of_codes"}
"""What is derived for every table with codes, and is of substance all the same."""
EVERY: list[tuple[Contract, Expectation | Planned]] = [
    *((c, e) for c in TABLES for e in c.expectations),
    *((c, p) for c in TABLES for p in plan(c) if p.id in OF_CODES),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of all these tables: the gate opens a DuckDB a folder, the most of what it takes."""
    return tmp_path_factory.mktemp("tables")


def written(table: pl.DataFrame, folder: Path) -> list[Path]:
    path = folder / "table.parquet"
    table.write_parquet(path, statistics=False)
    return [path]


@pytest.mark.parametrize("contract", TABLES, ids=[c.asset for c in TABLES])
def test_a_sound_table_meets_its_whole_contract_which_is_asked_in_one_question(
    contract: Contract, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = check._results

    def results(files: Sequence[Path], folder: Path, planned: Sequence[Planned]) -> Any:
        asked.extend(p.id for p in planned)
        return real(files, folder, planned)

    monkeypatch.setattr(check, "_results", results)
    table = corruptions.sound(contract)
    found = check.run(contract, written(table, folder), table.height)
    tolerated = {e.id for e in contract.expectations if e.may_be_vacuous}
    outcomes = [(c.id, c.outcome) for c in found if c.outcome != "pass"]
    assert [(i, o) for i, o in outcomes if (i, o) not in {(t, "vacuous") for t in tolerated}] == []
    if not outcomes:
        assert asked == ["all_at_once"]


@pytest.mark.parametrize(
    ("contract", "expectation"), EVERY, ids=[f"{c.asset}:{e.id}" for c, e in EVERY]
)
def test_the_smallest_corrupted_table_trips_its_expectation(
    contract: Contract, expectation: Expectation | Planned, folder: Path
) -> None:
    """It is folded with one that passes; what more the whole contract asks can only find more."""
    table = corruptions.corrupted(contract, expectation)
    assert table is not None, "write a corruption for this expectation"
    planned = [p for p in plan(contract) if p.id in {"table_columns", expectation.id}]
    assert fold(planned)[1] == planned
    columns, found = check.evaluate(
        planned,
        written(table, folder),
        table.height,
        may_be_empty=contract.may_be_empty is not None,
    )
    assert (columns.outcome, found.outcome) == ("pass", "fail")
    assert found.closes == (expectation.severity == "critical")


def test_every_corruption_is_of_an_expectation_that_exists() -> None:
    known = {(c.asset, e.id) for c, e in EVERY}
    assert set(corruptions.CORRUPT) <= known
    assert set(corruptions.SOUND) <= {c.asset for c in TABLES}
    assert set(corruptions.ANY_TABLE) <= {e.id for _, e in EVERY}


def test_an_expectation_without_a_corruption_is_found() -> None:
    expectations = (
        "[{id: odd, type: unexpected_rows, kwargs: {query: 'select case_id from {batch}'},"
        " severity: critical, why: nobody wrote a corruption}]"
    )
    made = validate(CONTRACT.format(expectations=expectations, empty="null"), "demo", Contract)
    assert corruptions.corrupted(made, made.expectations[0]) is None
