"""A table read back from a pack is the one that was written; anything else is none."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.io.packs.csv_tables import from_csv
from vpack_pipeline.io.packs.payload import to_csv

CONTRACT = contracts.load()["drift/status"]
ROW = {
    "monitor": "mix",
    "window_start": dt.date(2026, 1, 1),
    "window_end": dt.date(2026, 1, 28),
    "n": 62,
    "value": 0.1 + 0.2,
    "warning_limit": None,
    "action_limit": 1e-300,
    "signal": "none",
    "status": "given",
    "reason": None,
    "detail": None,
}


def table(**changes: object) -> pl.DataFrame:
    return pl.DataFrame([ROW | changes], schema=CONTRACT.polars_schema)


@pytest.mark.parametrize("text", ["=1+1", "-", "@a", "'quoted'", 'a "b", c', "ü × –", "a\nb"])
def test_a_table_is_read_as_it_was_written(text: str) -> None:
    made = pl.concat([table(monitor=text), table(n=None, value=-0.0)])
    found = from_csv(to_csv(made), CONTRACT)
    assert found is not None
    assert found.equals(made)
    assert found.schema == made.schema


def test_a_table_without_rows_keeps_its_columns() -> None:
    found = from_csv(to_csv(table().clear()), CONTRACT)
    assert found is not None
    assert found.is_empty()
    assert found.schema == table().schema


WRITTEN = to_csv(table())
OTHERS = {
    "no file": b"",
    "other columns": WRITTEN.replace(b"window_end", b"window_last"),
    "a column fewer": to_csv(table().drop("detail")),
    "a cell more": WRITTEN.replace(b"given,,", b"given,,,"),
    "a text for a number": WRITTEN.replace(b",62,", b",many,"),
    "no date": WRITTEN.replace(b"2026-01-28", b"2026-01-32"),
    "a number written otherwise": WRITTEN.replace(b"0.30000000000000004", b"0.300000000000000044"),
    "lines of another system": WRITTEN.replace(b"\n", b"\r\n"),
    "no UTF-8": WRITTEN.replace(b"mix", b"m\xefx"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_not_of_the_contract_to_the_byte_is_no_table(other: str) -> None:
    assert OTHERS[other] != WRITTEN
    assert from_csv(OTHERS[other], CONTRACT) is None


def test_a_yes_or_no_is_read_from_its_two_words() -> None:
    contract = contracts.load()["representativeness/levels"]
    row = {
        "variable": "sex",
        "level_order": 1,
        "level": "F",
        "printed_level": "F",
        "is_personal": True,
    }
    made = pl.DataFrame([row], schema=contract.polars_schema)
    found = from_csv(to_csv(made), contract)
    assert found is not None
    assert found.equals(made)
    assert from_csv(to_csv(made).replace(b"true", b"True"), contract) is None
