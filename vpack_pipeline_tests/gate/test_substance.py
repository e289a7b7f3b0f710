"""Every expectation of substance passes a sound table and is tripped by a corrupted one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract, Expectation
from vpack_pipeline.gate import check
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


def evaluated(contract: Contract, table: pl.DataFrame, folder: Path) -> list[check.Checked]:
    path = folder / "table.parquet"
    table.write_parquet(path, statistics=False)
    return check.run(contract, [path], table.height)


@pytest.mark.parametrize("contract", TABLES, ids=[c.asset for c in TABLES])
def test_a_sound_table_meets_its_whole_contract(contract: Contract, tmp_path: Path) -> None:
    found = evaluated(contract, corruptions.sound(contract), tmp_path)
    tolerated = {e.id for e in contract.expectations if e.may_be_vacuous}
    outcomes = [(c.id, c.outcome) for c in found if c.outcome != "pass"]
    assert [(i, o) for i, o in outcomes if (i, o) not in {(t, "vacuous") for t in tolerated}] == []


@pytest.mark.parametrize(
    ("contract", "expectation"), EVERY, ids=[f"{c.asset}:{e.id}" for c, e in EVERY]
)
def test_the_smallest_corrupted_table_trips_its_expectation(
    contract: Contract, expectation: Expectation | Planned, tmp_path: Path
) -> None:
    table = corruptions.corrupted(contract, expectation)
    assert table is not None, "write a corruption for this expectation"
    (found,) = [c for c in evaluated(contract, table, tmp_path) if c.id == expectation.id]
    assert found.outcome == "fail"
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
