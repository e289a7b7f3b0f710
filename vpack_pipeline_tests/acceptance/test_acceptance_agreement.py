"""Readers who hardly agree, and cases that nobody decides, are results: published, and said first."""

from __future__ import annotations

import polars as pl
import pytest

from vpack_pipeline_tests.acceptance.conftest import PackOf
from vpack_pipeline_tests.acceptance.site_bench import Copied, Packed, Row

OPPOSITE = {"absent": "present", "present": "absent"}
ONE, OTHER = "R-ALDER", "R-BIRCH"


def against_each_other(rows: list[Row]) -> list[Row]:
    """Leave two readers, one of them with ratings turned round, and no third to decide."""
    return [
        row | {"Nodule or mass": OPPOSITE.get(row["Nodule or mass"], row["Nodule or mass"])}
        if row["Reader"] == ONE
        else row
        for row in rows
        if row["Reader"] in {ONE, OTHER}
    ]


def turn_round(copied: Copied) -> None:
    copied.without_broken_files()
    for delivery in sorted((copied.data / "deliveries").iterdir()):
        if (delivery / "reads.csv").is_file():
            copied.rows(delivery / "reads.csv", against_each_other)
        if (delivery / "befunde.csv").is_file():
            copied.rows(delivery / "befunde.csv", lambda _rows: [], ";")


@pytest.fixture
def pack(pack_of: PackOf) -> Packed:
    return pack_of("against each other", turn_round)


def test_low_agreement_and_many_undecided_cases_close_nothing(pack: Packed) -> None:
    labels = pack.built.table("adjudication/reference_standard")
    assert labels["label"].null_count() > labels.height / 2
    assert labels.filter(pl.col("label").is_null())["reason"].null_count() == 0
    assert pack.path.is_dir()
    assert pack.built.receipt("adjudication/reference_standard").passed


def test_the_first_page_says_that_the_floor_was_not_reached(pack: Packed) -> None:
    floor = pack.built.figure("adjudication/agreement", metric="prespecified_floor", stratum="all")
    assert "floor_not_reached" in str(floor["notes"]).split(";")
    assert float(str(floor["estimate"])) < 0.6
    asked, _, found = pack.first_page.partition(", at least 0.6 asked for: ")
    assert asked.endswith("Agreement of readers (agreement on positives)")
    assert ", prespecified floor not reached ." in found
