"""SQL models: what they read is found, they run locked to their files, in the order of their key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract
from vpack_pipeline.errors import ContractError
from vpack_pipeline.io import models
from vpack_pipeline.strict_yaml import validate

CONTRACT = """
asset: eligibility/demo
description: A table for this test.
grain: one row per case
key: [case_id]
may_be_empty: null
computed_by: sql
columns:
  - case_id
  - {name: n, null: true, level: row}
  - {name: read_at, null: true}
"""
SQL = "-- doubles n\nselect read_at, case_id, n * $factor as n from cohort.cases where n < 9;\n"


@pytest.fixture
def contract() -> Contract:
    return validate(CONTRACT, "demo", Contract)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = []
    for name, cases in (("one", ["c", "a"]), ("two", ["b", "z"])):
        folder = tmp_path / "warehouse/it's cases"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.parquet"
        at = [datetime(2026, 1, 5, 8, tzinfo=UTC)] * 2
        numbers = [1, 2] if name == "one" else [3, 9]
        pl.DataFrame({"case_id": cases, "n": numbers, "read_at": at}).write_parquet(path)
        made.append(path)
    return made


def run(sql: str, contract: Contract, files: list[Path], tmp_path: Path, **more: Any) -> Path:
    destination = tmp_path / "out"
    destination.mkdir(exist_ok=True)
    path = destination / "made.parquet"
    rows = models.run(sql, contract, {"cohort/cases": files}, more or {"factor": 2}, path)
    assert rows == pl.read_parquet(path).height
    return path


def test_a_model_runs_over_all_its_files_with_types_and_order_of_the_contract(
    contract: Contract, files: list[Path], tmp_path: Path
) -> None:
    made = pl.read_parquet(run(SQL, contract, files, tmp_path))
    assert made.columns == ["case_id", "n", "read_at"]
    assert made.rows() == [(c, n, made["read_at"][0]) for c, n in (("a", 4), ("b", 6), ("c", 2))]
    contracts.conform(made, contract)


def test_two_runs_give_the_same_bytes(
    contract: Contract, files: list[Path], tmp_path: Path
) -> None:
    first = run(SQL, contract, files, tmp_path).read_bytes()
    assert run(SQL, contract, files, tmp_path).read_bytes() == first


@pytest.mark.parametrize(
    ("rows", "memory"),
    [(300_000, "40MB"), pytest.param(3_000_000, "200MB", marks=pytest.mark.nightly)],
)
def test_a_model_larger_than_its_memory_gives_the_same_bytes(
    contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, memory: str
) -> None:
    given = tmp_path / "given.parquet"
    row = "md5(cast(i % 3 * 7 + i // 2 as varchar)) as case_id, i as n"
    duckdb.sql(f"copy (select {row} from range({rows}) as r(i)) to '{given}'")
    sql = (
        "select a.case_id, sum(b.n) * $factor as n, null as read_at"
        " from cohort.cases as a join cohort.cases as b using (case_id) group by a.case_id"
    )
    path = run(sql, contract, [given], tmp_path)
    roomy = path.read_bytes()
    monkeypatch.setattr(models, "MEMORY", memory)
    assert run(sql, contract, [given], tmp_path).read_bytes() == roomy
    assert list(path.parent.iterdir()) == [path]
    # It did not fit: where nothing can be written beside the destination, it fails.
    path.with_suffix(".spill").touch()
    with pytest.raises(duckdb.IOException, match="spill"):
        run(sql, contract, [given], tmp_path)


def test_a_model_that_is_split_sees_some_keys_at_a_time_and_gives_all_rows_in_order(
    contract: Contract, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "SPLIT_ROWS", 1)
    sql = "select case_id, n * $factor + count(*) over () as n, read_at from cohort.cases"
    whole = pl.read_parquet(run(sql, contract, files, tmp_path))
    assert whole["n"].to_list() == [8, 10, 6, 22]
    split = contract.model_copy(update={"split_by": "case_id"})
    path = run(sql, split, files, tmp_path)
    found = pl.read_parquet(path)
    assert found["case_id"].to_list() == whole["case_id"].to_list() == ["a", "b", "c", "z"]
    read_at_a_time = found["n"] - whole["n"] + 4
    assert 1 <= read_at_a_time.min() <= read_at_a_time.max() < 4
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("asset", [a for a, c in contracts.load().items() if c.split_by])
def test_every_input_of_a_model_that_may_be_split_has_the_column(asset: str) -> None:
    known = contracts.load()
    split_by = known[asset].split_by
    assert all(split_by in known[i].polars_schema for i in models.load()[asset].inputs)


def test_a_parameter_is_bound_and_never_pasted(
    contract: Contract, files: list[Path], tmp_path: Path
) -> None:
    sql = "select case_id, 1 as n, null as read_at from cohort.cases where case_id = $wanted"
    made = run(sql, contract, files, tmp_path, wanted="a' or 'a' = 'a")
    assert pl.read_parquet(made).is_empty()


@pytest.mark.parametrize(
    "reach",
    [
        "read_csv('/etc/passwd')",
        "read_text('/etc/hostname')",
        "glob('/*')",
        "read_parquet('https://example.org/x.parquet')",
    ],
)
def test_a_model_reaches_no_other_file(
    contract: Contract, files: list[Path], tmp_path: Path, reach: str
) -> None:
    sql = f"select '1' as case_id, 1 as n, null as read_at from {reach}"
    with pytest.raises(duckdb.Error):
        run(sql, contract, files, tmp_path)


def test_a_model_that_lacks_a_column_fails(
    contract: Contract, files: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(duckdb.BinderException):
        run("select case_id, n from cohort.cases", contract, files, tmp_path)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("select 1 as x", []),
        ("select * from cohort.reads", ["cohort/reads"]),
        ("select * from cohort.reads r join cohort.cases c using (case_id)", ["cohort/cases", "cohort/reads"]),
        ("with a as (select * from cohort.reads) select * from a", ["cohort/reads"]),
        ("select * from cohort.cases where x in (select x from cohort.reads)", ["cohort/cases", "cohort/reads"]),
        ("select * from cohort.cases union all select * from cohort.reads", ["cohort/cases", "cohort/reads"]),
    ],
)  # fmt: skip
def test_what_a_model_reads_is_found_wherever_it_stands(sql: str, found: list[str]) -> None:
    assert sorted(models.references(sql, "eligibility/demo")) == found


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("select from where", r"dbt_like_sql/eligibility/demo\.sql:1: not DuckDB SQL"),
        ("select 1; select 2", "a model is exactly one SELECT"),
        ("drop table cohort.reads", "a model is exactly one SELECT"),
        ("copy cohort.reads to 'x'", "a model is exactly one SELECT"),
        ("select * from reads", "reads must be named as section.table"),
    ],
)
def test_what_is_no_single_select_over_named_tables_is_refused(sql: str, what: str) -> None:
    with pytest.raises(ContractError, match=what):
        models.references(sql, "eligibility/demo")


@pytest.mark.parametrize("asset", sorted(models.load()))
def test_every_column_of_every_model_comes_from_columns_that_exist(asset: str) -> None:
    known = {(name, column.name) for name, c in contracts.load().items() for column in c.columns}
    lineage = models.column_lineage(asset)
    assert list(lineage) == [c.name for c in contracts.load()[asset].columns]
    sources = set().union(*lineage.values())
    assert sources
    assert sources <= known


@pytest.mark.parametrize("asset", sorted(models.load()))
def test_every_model_has_a_contract_and_says_first_what_it_decides(asset: str) -> None:
    assert contracts.load()[asset].computed_by == "sql"
    assert models.load()[asset].sql.startswith("--")


def test_a_column_that_no_input_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "select case_id, patient_id, study_idd as study_id from eligibility.cases"
    broken = models.Model("eligibility/included", sql, frozenset({"eligibility/cases"}))
    monkeypatch.setattr(models, "load", lambda: {"eligibility/included": broken})
    models.column_lineage.cache_clear()
    with pytest.raises(ContractError, match=r"eligibility/included\.sql: .*study_idd"):
        models.column_lineage("eligibility/included")


def test_lineage_passes_through_ctes_to_the_table_that_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sql = (
        "with a as (select case_id, upper(patient_id) as p from eligibility.cases)"
        " select case_id, p as patient_id, null as study_id from a"
    )
    made = models.Model("eligibility/included", sql, frozenset({"eligibility/cases"}))
    monkeypatch.setattr(models, "load", lambda: {"eligibility/included": made})
    models.column_lineage.cache_clear()
    found = models.column_lineage("eligibility/included")
    assert found["patient_id"] == {("eligibility/cases", "patient_id")}
    assert found["study_id"] == frozenset()
    models.column_lineage.cache_clear()
