"""Bucketed tables: one file a month, written from a stream, the same bytes whatever came before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from vpack_pipeline.contracts import Contract
from vpack_pipeline.errors import ContractError, DocumentError
from vpack_pipeline.gate import check
from vpack_pipeline.io import buckets
from vpack_pipeline.io.warehouse import TableFile, Warehouse, digest_table
from vpack_pipeline.strict_yaml import validate

CONTRACT = """
asset: cohort/demo
description: A table for this test.
grain: one row per study
key: [study_id]
may_be_empty: null
bucket: study_date
computed_by: sql
columns:
  - study_id
  - {name: study_date, null: true}
expectations: []
"""
TABLE = validate(CONTRACT, "demo", Contract)
JANUARY, FEBRUARY = date(2025, 1, 31), date(2025, 2, 1)
Row = tuple[str, date | None]


def frame(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=TABLE.polars_schema, orient="row")


@pytest.fixture
def store(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bucket even the few rows of a test, in batches of two."""
    monkeypatch.setattr(buckets, "ONE_FILE", 2)


def write(store: Warehouse, *rows: Row) -> list[TableFile]:
    return store.write_buckets(frame(*rows).lazy(), TABLE, "harbour")


def paths(store: Warehouse, files: Sequence[TableFile]) -> list[Path]:
    return store.paths("cohort/demo", "harbour", files, "table")


def rows_of(store: Warehouse, files: Sequence[TableFile]) -> list[list[Row]]:
    return [pl.read_parquet(path).rows() for path in paths(store, files)]


@pytest.mark.usefixtures("small")
def test_a_month_is_a_file_in_the_keys_order_and_the_undated_come_last(store: Warehouse) -> None:
    files = write(store, ("d", None), ("c", FEBRUARY), ("b", JANUARY), ("a", FEBRUARY))
    assert rows_of(store, files) == [
        [("b", JANUARY)],
        [("a", FEBRUARY), ("c", FEBRUARY)],
        [("d", None)],
    ]
    folder = store.folder("cohort/demo", "harbour")
    assert sorted(p.name for p in folder.iterdir()) == sorted(f.name for f in files)


def test_a_small_table_is_one_file_whatever_its_months(store: Warehouse) -> None:
    files = write(store, ("c", None), ("b", JANUARY), ("a", FEBRUARY))
    assert rows_of(store, files) == [[("a", FEBRUARY), ("b", JANUARY), ("c", None)]]


def test_a_table_without_rows_is_one_empty_file(store: Warehouse) -> None:
    files = write(store)
    assert [f.rows for f in files] == [0]
    assert store.read(TABLE, "harbour", files).equals(frame())
    assert store.scan(TABLE, "harbour", files).collect().equals(frame())


@pytest.mark.usefixtures("small")
def test_dates_that_no_scanner_had_make_one_file_together(store: Warehouse) -> None:
    odd = [(f"s{year:04}", date(year, 6, 1)) for year in (1, 1899, 1979, 2080, 9999)]
    edges = [("early", date(1980, 1, 1)), ("late", date(2079, 12, 31))]
    files = write(store, *odd, *edges, ("undated", None))
    assert rows_of(store, files) == [edges[:1], edges[1:], [*odd, ("undated", None)]]


@pytest.mark.usefixtures("small")
def test_the_order_in_which_rows_come_leaves_no_trace(store: Warehouse) -> None:
    rows = [(f"s{n}", date(2025, 1 + n % 3, 1 + n)) for n in range(9)]
    once, again = write(store, *rows), write(store, *reversed(rows))
    assert once == again
    assert digest_table(once) == digest_table(again)


@pytest.mark.usefixtures("small")
def test_a_new_study_rewrites_its_own_month_and_no_other_file(store: Warehouse) -> None:
    rows = [("a", JANUARY), ("b", FEBRUARY), ("c", None)]
    before = write(store, *rows)
    stamps = {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in paths(store, before)}
    after = write(store, *rows, ("d", FEBRUARY))
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    for path in paths(store, [after[0], after[2]]):
        assert stamps[path.name] == (path.stat().st_ino, path.stat().st_mtime_ns)


@pytest.mark.usefixtures("small")
def test_a_damaged_bucket_is_written_anew(store: Warehouse) -> None:
    files = write(store, ("a", JANUARY), ("b", FEBRUARY), ("c", None))
    victim = paths(store, files)[1]
    sound = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(bytes(len(sound)))
    assert write(store, ("a", JANUARY), ("b", FEBRUARY), ("c", None)) == files
    assert victim.read_bytes() == sound


@pytest.mark.usefixtures("small")
def test_readers_get_the_keys_order_across_buckets(store: Warehouse) -> None:
    rows: list[Row] = [("a", None), ("b", FEBRUARY), ("c", JANUARY), ("d", FEBRUARY)]
    files = write(store, *rows)
    assert store.read(TABLE, "harbour", files).rows() == rows
    lazily = store.scan(TABLE, "harbour", files).filter(pl.col("study_id") > "b")
    assert sorted(lazily.select("study_id").collect()["study_id"]) == ["c", "d"]


@pytest.mark.usefixtures("small")
def test_the_gate_sees_all_buckets_as_one_table(store: Warehouse) -> None:
    def failed(*rows: Row) -> list[str]:
        files = write(store, *rows)
        assert len(files) == 3
        found = check.run(TABLE, paths(store, files), len(rows))
        return [c.id for c in found if c.outcome != "pass"]

    assert failed(("a", JANUARY), ("b", FEBRUARY), ("c", None)) == []
    assert failed(("a", JANUARY), ("a", FEBRUARY), ("c", None)) == ["key_unique"]


@pytest.mark.usefixtures("small")
def test_what_is_not_as_the_contract_says_leaves_no_draft(store: Warehouse) -> None:
    wrong = frame(("a", JANUARY), ("b", FEBRUARY), ("c", None)).rename({"study_id": "study"})
    with pytest.raises(ContractError, match="columns differ from the contract"):
        store.write_buckets(wrong.lazy(), TABLE, "harbour")
    assert list(store.folder("cohort/demo", "harbour").iterdir()) == []


def test_cleaning_removes_what_a_killed_run_left(store: Warehouse) -> None:
    (file,) = write(store, ("a", JANUARY))
    store.write_receipt("cohort/demo", "harbour", "2026-01-05", {"files": [file.as_dict()]})
    folder = store.folder("cohort/demo", "harbour")
    left = folder / ".writing-x" / "2025-01"
    left.parent.mkdir()
    left.touch()
    assert store.clean("cohort/demo", "harbour", keep=1) == 0
    assert sorted(p.name for p in folder.iterdir()) == sorted([file.name, "receipts"])


@pytest.mark.parametrize("bucket", ["study_id", "seen"])
def test_a_bucket_is_a_column_of_dates(bucket: str) -> None:
    text = CONTRACT.replace("bucket: study_date", f"bucket: {bucket}")
    with pytest.raises(DocumentError, match=f"bucket {bucket} is no column of dates"):
        validate(text, "demo", Contract)
