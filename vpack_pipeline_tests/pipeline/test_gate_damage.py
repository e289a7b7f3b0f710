"""Receipts, records and ledgers that are damaged, and disks that refuse: a sentence each time."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import sqlalchemy

from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.assets.standing import lock_problems, standing
from vpack_pipeline.assets.unchanged import unchanged
from vpack_pipeline.cli import main
from vpack_pipeline.errors import DiskError, GateClosedError, InputError, TableError, disk_error
from vpack_pipeline.io.deliveries import LEDGER, PUBLISHED, choose_cut
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.io.warehouse import Warehouse
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE

NESTED = "[" * 100_000
SOME = "eligibility/included"
PLAN = "drift/plan"


def with_fields(**fields: Any) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return damage


def written(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def a_pipe(path: Path) -> None:
    """Who opens it waits for ever."""
    path.unlink()
    os.mkfifo(path)


def a_link_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "MAC null": with_fields(mac=None),
    "MAC a list": with_fields(mac=["0"]),
    "MAC a number": with_fields(mac=1),
    "MAC in other letters": with_fields(mac="ü" * 64),
    "format a text": with_fields(format="3"),
    "rows a text": with_fields(rows="many"),
    "rows true": with_fields(rows=True),
    "files null": with_fields(files=None),
    "files of numbers": with_fields(files=[1]),
    "a file of a path": with_fields(files=[{"sha256": 1, "role": "table", "rows": 1, "bytes": 1}]),
    "checks null": with_fields(checks=None),
    "checks of nothing": with_fields(checks=[{}]),
    "checks of texts": with_fields(checks=["pass"]),
    "inputs a list": with_fields(inputs=[]),
    "outcome null": with_fields(outcome=None),
    "a field more": with_fields(more=1),
    "nested": written(NESTED),
    "nothing": written(""),
    "a list": written("[]"),
    "null": written("null"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00") and None,
    "a pipe": a_pipe,
    "a link to nowhere": a_link_to_nowhere,
}


@pytest.fixture(scope="module")
def mended(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the built root; what a test damages in it is made again in it."""
    root = bench.copy(built, tmp_path_factory.mktemp("mended") / "root")
    yield root
    assert lock_problems(bench.bench(root, cut=LOOK)) == []


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_receipt_closes_with_what_to_do_and_is_made_again(
    mended: Path, assume: Callable[..., None], name: str
) -> None:
    assume()
    DAMAGES[name](bench.receipt_path(mended, SOME, LOOK))
    with pytest.raises(GateClosedError) as closed:
        publish(bench.bench(mended, cut=LOOK))
    assert closed.value.problems[0].where == SOME
    assert "materialize" in closed.value.problems[0].remedy
    assert unchanged(bench.bench(mended, cut=LOOK)) is None
    assert standing(ProjectFolder(mended), SITE)["closed_by"]
    bench.bench(mended).warehouse.clean(SOME, SITE, 9)
    assert steps.materialize(bench.bench(mended, cut=LOOK), SOME).receipt.passed
    assert lock_problems(bench.bench(mended, cut=LOOK)) == []


@pytest.mark.parametrize("name", ["MAC null", "nested", "a list"])
def test_a_damaged_receipt_of_the_pack_itself_is_made_again(mended: Path, name: str) -> None:
    before = bench.versions(mended)
    DAMAGES[name](bench.receipt_path(mended, benches.LAST, LOOK))
    assert "the same pack was there" in publish(bench.bench(mended, cut=LOOK)).note
    assert bench.versions(mended) == before


def test_a_folder_in_the_place_of_a_receipt_is_told_and_left(own: Path) -> None:
    """Nobody knows whose it is."""
    at = bench.bench(own, cut=LOOK)
    for asset in (SOME, benches.FIRST, benches.LAST):
        path = bench.receipt_path(own, asset, LOOK)
        a_folder(path)
        with pytest.raises(GateClosedError, match=f"{asset}: a folder lies where .* move it away"):
            at.warehouse.write_receipt(asset, SITE, LOOK, {})
        assert path.is_dir()
    with pytest.raises(GateClosedError, match=r"cohort/deliveries: a folder lies where"):
        steps.materialize(at, benches.FIRST)


def test_files_that_are_no_receipts_are_overlooked(own: Path) -> None:
    folder = bench.receipt_path(own, benches.FIRST, LOOK).parent
    for name in ("notes.json", "2026-07-20.x.json", "2026-99-99.01.json"):
        (folder / name).write_text("{}")
    assert lock_problems(bench.bench(own, cut=LOOK)) == []


@pytest.mark.parametrize("file", [LEDGER, PUBLISHED])
@pytest.mark.parametrize(
    "text", [NESTED, "", "null", "1", '{"2026-01-15": 1}', '{"a": {}}', '["x", 1]', '[["x"]]']
)
def test_a_damaged_ledger_is_to_be_restored(own: Path, file: str, text: str) -> None:
    """It says what was closed and published: nothing may be built on a guess of it."""
    state = ProjectFolder(own).state(SITE)
    (state / file).write_text(text)
    folder = ProjectFolder(own)
    with pytest.raises(InputError, match=f"state/{file}: cannot be read — restore it from"):
        choose_cut(folder.edge(folder.study(SITE), None))


@pytest.mark.parametrize("text", [NESTED, "", "[]", '{"sequence": "1", "build": {}}'])
def test_a_damaged_record_of_a_publication_is_to_be_restored(
    own: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = bench.latest(own)
    (own / "data" / "packs" / SITE / "versions" / f"{name}.build.json").write_text(text)
    with pytest.raises(SystemExit) as left:
        main(["--root", str(own), "build", SITE, "--as-of", LOOK])
    assert left.value.code == 1
    assert "is missing or damaged — restore it from a backup" in capsys.readouterr().err


def test_a_record_of_a_publication_in_other_letters_is_told(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = bench.latest(own)
    with_fields(mac="ü" * 64)(own / "data" / "packs" / SITE / "versions" / f"{name}.build.json")
    with pytest.raises(SystemExit) as left:
        main(["--root", str(own), "build", SITE, "--as-of", LOOK])
    assert left.value.code == 1
    assert "the record of its publication was edited" in capsys.readouterr().err


REFUSING = {
    errno.ENOSPC: "No space left on device — free some space",
    errno.EROFS: "Read-only file system — mount the disk so that it can be written",
    errno.EACCES: "Permission denied — let this account read and write there",
}


@pytest.mark.parametrize("number", REFUSING)
@pytest.mark.parametrize("where", ["adopt", "write_receipt", "staging", "read_receipt"])
def test_a_disk_that_refuses_a_table_is_told_with_what_to_do(
    mended: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "CANARY-77")

    known = {p: p.read_bytes() for p in bench.receipt_path(mended, PLAN, LOOK).parent.iterdir()}
    for path in known:
        path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, where, refuse)
        with pytest.raises(DiskError, match=REFUSING[number]) as told:
            steps.materialize(bench.bench(mended, cut=LOOK), PLAN)
    assert "CANARY" not in str(told.value)
    for path, content in known.items():
        path.write_bytes(content)


@pytest.mark.parametrize("number", REFUSING)
def test_a_disk_that_refuses_a_command_is_told_with_what_to_do(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "CANARY-77")

    reads = own / "data" / "demo" / SITE / "deliveries" / LOOK / "reads.csv"
    more = own / "reads.csv"
    more.write_bytes(reads.read_bytes() + b"\n")
    monkeypatch.setattr("shutil.copyfile", refuse)
    with pytest.raises(SystemExit) as left:
        main(["--root", str(own), "deliver", SITE, str(more), "--force"])
    assert left.value.code == 3
    said = capsys.readouterr().err
    assert said.startswith(f"stopped: the disk: {REFUSING[number]}")
    assert "CANARY" not in said


def full_sqlite(folder: Path) -> None:
    with sqlite3.connect(folder / "full.db") as record:
        record.execute("pragma max_page_count = 1")
        record.execute("create table a (b)")


def read_only_sqlite(folder: Path) -> None:
    path = folder / "kept.db"
    sqlite3.connect(path).execute("create table a (b)")
    engine = sqlalchemy.create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("insert into a values (1)"))


def full_polars(_: Path) -> None:
    pl.DataFrame({"a": range(100_000)}).write_parquet("/dev/full", compression="uncompressed")


def full_duckdb(_: Path) -> None:
    duckdb.sql("copy (select * from range(100000)) to '/dev/full' (format csv)")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (full_sqlite, "No space left on device"),
        (read_only_sqlite, "Read-only file system"),
        (full_polars, "No space left on device"),
        (full_duckdb, "No space left on device"),
    ],
)
def test_a_full_disk_is_known_behind_what_a_library_makes_of_it(
    tmp_path: Path, write: Callable[[Path], None], words: str
) -> None:
    """Dagster's record lies in SQLite; tables are written by polars and DuckDB."""
    with pytest.raises(DiskError, match=words), steps.only_foreseen("drift/plan"):
        write(tmp_path)


def test_any_other_error_is_no_matter_of_the_disk() -> None:
    assert disk_error("drift/plan", ValueError("no space")) is None
    assert disk_error("drift/plan", FileNotFoundError(errno.ENOENT, "no")) is None
    with pytest.raises(TableError), steps.only_foreseen("drift/plan"):
        raise ValueError("no space")
