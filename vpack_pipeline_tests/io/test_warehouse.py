"""The warehouse: files named by their digest, receipts last, nothing half written, nothing lost."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.errors import GateClosedError
from vpack_pipeline.io import warehouse as module
from vpack_pipeline.io.warehouse import (
    TableFile,
    Warehouse,
    cut_order,
    digest_file,
    digest_table,
    write_durably,
)

ASSET = "eligibility/included"
CONTRACT = contracts.load()[ASSET]


def frame(*cases: str) -> pl.DataFrame:
    rows = {"case_id": list(cases), "patient_id": list(cases), "study_id": [None] * len(cases)}
    return pl.DataFrame(rows, schema=CONTRACT.polars_schema)


@pytest.fixture
def store(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


def test_a_written_table_reads_back_and_is_named_by_its_digest(store: Warehouse) -> None:
    file = store.write(frame("a", "b"), ASSET, "harbour")
    path = store.folder(ASSET, "harbour") / file.name
    assert digest_file(path) == file.sha256
    assert (file.rows, file.role, file.bytes) == (2, "table", path.stat().st_size)
    assert store.read(CONTRACT, "harbour", [file]).equals(frame("a", "b"))


def test_a_file_cannot_be_written_to_and_no_draft_remains(store: Warehouse) -> None:
    file = store.write(frame("a"), ASSET, "harbour")
    folder = store.folder(ASSET, "harbour")
    assert stat.S_IMODE((folder / file.name).stat().st_mode) == 0o400
    assert [p.name for p in folder.iterdir()] == [file.name]


def test_the_same_rows_give_the_same_file(store: Warehouse) -> None:
    assert store.write(frame("a"), ASSET, "harbour") == store.write(frame("a"), ASSET, "harbour")
    assert len(list(store.folder(ASSET, "harbour").iterdir())) == 1
    assert store.write(frame("b"), ASSET, "harbour") != store.write(frame("a"), ASSET, "harbour")


def test_a_frame_that_cannot_be_written_leaves_nothing(store: Warehouse) -> None:
    unwritable = pl.DataFrame({"a": [object()]})
    with pytest.raises(pl.exceptions.PolarsError):
        store.write(unwritable, ASSET, "harbour")
    assert list(store.folder(ASSET, "harbour").iterdir()) == []


def test_sites_and_tables_lie_apart(store: Warehouse) -> None:
    file = store.write(frame("a"), ASSET, "harbour")
    with pytest.raises(GateClosedError, match=f"materialize {ASSET} again"):
        store.read(CONTRACT, "other", [file])


def test_several_files_read_in_their_order_and_roles_apart(store: Warehouse) -> None:
    table = [store.write(frame(name), ASSET, "harbour") for name in ("b", "a")]
    rejected = store.write(frame("x"), ASSET, "harbour", "quarantine")
    files = [*table, rejected]
    assert store.read(CONTRACT, "harbour", files)["case_id"].to_list() == ["b", "a"]
    assert store.read(CONTRACT, "harbour", files, "quarantine")["case_id"].to_list() == ["x"]


def test_a_table_without_files_is_empty_with_its_columns(store: Warehouse) -> None:
    assert store.read(CONTRACT, "harbour", []).schema == pl.Schema(CONTRACT.polars_schema)


def test_a_table_digest_depends_on_order_and_role() -> None:
    a, b = TableFile("a" * 64, "table", 1, 9), TableFile("b" * 64, "table", 1, 9)
    rejected = TableFile("b" * 64, "quarantine", 1, 9)
    assert len({digest_table(f) for f in ([a, b], [b, a], [a], [a, rejected])}) == 4
    assert a.as_dict() == {"sha256": "a" * 64, "role": "table", "rows": 1, "bytes": 9}


def test_a_model_stages_beside_the_table_that_adopts_it(store: Warehouse) -> None:
    staged = store.staging(ASSET, "harbour")
    frame("a").write_parquet(staged)
    file = store.adopt(staged, ASSET, "harbour", 1)
    assert not staged.exists()
    assert store.read(CONTRACT, "harbour", [file])["case_id"].to_list() == ["a"]


def test_a_receipt_is_read_as_written_and_absent_ones_are_none(store: Warehouse) -> None:
    assert store.read_receipt(ASSET, "harbour", "2026-01-05") is None
    assert store.receipts(ASSET, "harbour") == {}
    store.write_receipt(ASSET, "harbour", "2026-01-05", {"b": 1, "a": [2]})
    assert store.read_receipt(ASSET, "harbour", "2026-01-05") == {"a": [2], "b": 1}


def test_receipts_come_in_the_order_of_their_cuts(store: Warehouse) -> None:
    cuts = ["2026-01-05.10", "2026-01-05.2", "2026-02-01", "2026-01-05"]
    for cut in cuts:
        store.write_receipt(ASSET, "harbour", cut, {"cut": cut})
    found = store.receipts(ASSET, "harbour")
    assert list(found) == ["2026-01-05", "2026-01-05.2", "2026-01-05.10", "2026-02-01"]
    assert all(cut == receipt["cut"] for cut, receipt in found.items())
    assert list(found) == sorted(cuts, key=cut_order)


def test_cleaning_keeps_the_newest_receipts_and_every_file_that_they_name(
    store: Warehouse,
) -> None:
    files = {}
    for cut in ("2026-01-05.10", "2026-01-05.2", "2026-01-04"):
        files[cut] = store.write(frame(cut), ASSET, "harbour")
        receipt = {"files": [files[cut].as_dict()]}
        store.write_receipt(ASSET, "harbour", cut, receipt)
    store.write(frame("orphan"), ASSET, "harbour")
    assert store.clean(ASSET, "harbour", keep=2) == 3
    assert list(store.receipts(ASSET, "harbour")) == ["2026-01-05.2", "2026-01-05.10"]
    left = {p.name for p in store.folder(ASSET, "harbour").glob("*.parquet")}
    assert left == {files[c].name for c in ("2026-01-05.2", "2026-01-05.10")}
    assert store.clean(ASSET, "harbour", keep=0) == 2
    assert list(store.receipts(ASSET, "harbour")) == ["2026-01-05.10"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\x00"])
def test_a_damaged_receipt_closes_and_says_what_to_do(store: Warehouse, text: str) -> None:
    store.write_receipt(ASSET, "harbour", "2026-01-05", {})
    (store.folder(ASSET, "harbour") / "receipts/2026-01-05.json").write_text(text)
    with pytest.raises(GateClosedError, match=r"2026-01-05\.json is damaged — materialize"):
        store.read_receipt(ASSET, "harbour", "2026-01-05")


def test_an_interrupted_replacement_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "receipt.json"
    write_durably(path, b"old")

    def fails(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["receipt.json"]


def test_bytes_are_synced_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(module.os, "fsync", lambda h: (happened.append("sync"), sync(h))[1])
    monkeypatch.setattr(
        module.os, "replace", lambda a, b: (happened.append("rename"), replace(a, b))[1]
    )
    write_durably(tmp_path / "receipt.json", b"x")
    assert happened == ["sync", "rename", "sync"]
