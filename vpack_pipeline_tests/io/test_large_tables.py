"""The image tables with more rows than one batch: nothing is lost, and no trace of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline_tests.once import copy, once

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "cohort_tables.py"
SIZES = [(55_000, 365), pytest.param((110_000, 3650), marks=pytest.mark.nightly)]
"""Rows, of a table that is too large for one file, and days: a year and two batches, or more."""


def run(folder: Path, step: str, **environment: str) -> None:
    command = [sys.executable, str(SCRIPT), str(folder), step]
    env = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1]), **environment}
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)


def tables(folder: Path) -> dict[str, Any]:
    """Table → its digest and the names of its files."""
    made: dict[str, Any] = json.loads((folder / "made.json").read_text())
    return made


def read(folder: Path, table: str) -> pl.DataFrame:
    place = folder / "warehouse" / "cohort" / table / "site=simulated"
    return pl.concat([pl.read_parquet(place / f"{n}.parquet") for n in tables(folder)[table][1]])


def named(headers: pl.DataFrame) -> pl.DataFrame:
    """Apply the value map of the simulated site."""
    is_mapped = pl.col("manufacturer_raw") == "manufacturer_raw 1"
    return headers.with_columns(
        manufacturer=pl.when(is_mapped).then(pl.lit("Maker")).otherwise("manufacturer"),
        manufacturer_status=pl.when(is_mapped)
        .then(pl.lit("mapped"))
        .otherwise("manufacturer_status"),
    )


@pytest.fixture(scope="session", params=SIZES, ids=["year", "decade"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows, days = request.param

    def make(folder: Path) -> None:
        folder.mkdir()
        run(folder, f"simulate={rows},{days}")
        run(folder, "made", POLARS_MAX_THREADS="2")

    return once(tmp_path_factory, f"simulated {rows}", make)


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    return copy(made, tmp_path / "own")


def test_no_row_is_lost_and_each_month_is_in_the_keys_order(made: Path) -> None:
    given = named(pl.read_parquet(sorted(made.glob("day-*.parquet"))))
    contract = contracts.load()["cohort/instances"]
    found = read(made, "instances")
    shared = [name for name in contract.polars_schema if name in given.columns]
    month = pl.col("study_date").dt.strftime("%Y-%m").fill_null("undated")
    assert found.select(shared).equals(given.sort(month, "instance_id").select(shared))
    assert read(made, "files")["file_id"].sort().equals(given["file_id"].sort())
    for table, key in (("series", "series_id"), ("studies", "study_id")):
        counted = given.group_by(key).agg(n_instances=pl.len().cast(pl.Int64)).sort(key)
        assert read(made, table).select(key, "n_instances").sort(key).equals(counted)


def test_one_thread_and_two_give_the_same_bytes(made: Path, own: Path) -> None:
    run(own, "made", POLARS_MAX_THREADS="1")
    assert tables(own) == tables(made)


def test_a_night_rewrites_the_months_of_its_studies_only(made: Path, own: Path) -> None:
    before = tables(made)
    run(own, "night")
    after = tables(own)
    days = pl.read_parquet(own / "*[0-9t].parquet", columns=["study_date"])
    months = days["study_date"].dt.strftime("%Y-%m").n_unique()
    for table in ("files", "instances"):
        new = set(after[table][1]) - set(before[table][1])
        assert 1 <= len(new) <= 3
        assert len(after[table][1]) == months >= 12
