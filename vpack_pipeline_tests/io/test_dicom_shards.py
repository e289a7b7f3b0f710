"""How a scan reads: shards that survive it, files that do not lie still, parts, the deep check."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dicom_bench import CUT, LONG_AGO, Bench, image, put, settle, write
from scan_readers import Simulated

from vpack_pipeline.io.dicom import archive, increment, scanner, shards, state
from vpack_pipeline.io.dicom.archive import Part
from vpack_pipeline.io.dicom.outcomes import PARSED
from vpack_pipeline.io.dicom.reading import FileReader

LATER, LATEST = "2026-01-06", "2026-01-07"


def filled(root: Path, n: int = 12) -> Bench:
    bench = Bench(root)
    for number in range(n):
        bench.add(f"s{number % 3}/{number}.dcm", number + 1, KVP=str(80 + number))
    return bench


def shard_files(bench: Bench) -> set[Path]:
    folder = state.shard_folder(bench.root / "state" / state.FOLDER)
    return {folder / f"{name}.parquet" for name in shards.names(folder)}


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four files a shard."""
    monkeypatch.setattr(shards, "SMALLEST", 4)
    monkeypatch.setattr(shards, "LARGEST", 4)


# --- what lies in a folder ----------------------------------------------------------------------


def test_only_regular_files_are_listed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm")
    (bench.archive / "loop").symlink_to(bench.archive)
    (bench.archive / "self").symlink_to("self")
    os.mkfifo(bench.archive / "pipe.dcm")
    heard = socket.socket(socket.AF_UNIX)
    heard.bind(str(bench.archive / "socket.dcm"))
    heard.close()
    with contextlib.suppress(PermissionError):  # only root makes devices
        os.mknod(bench.archive / "null.dcm", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    assert bench.outcomes() == {"a.dcm": PARSED}


@pytest.mark.parametrize("name", [b"new\nline.dcm", b"M\xfcller\xff.dcm", b"tab\t\x01.dcm", b" "])
def test_any_name_is_a_name(tmp_path: Path, name: bytes) -> None:
    bench = Bench(tmp_path)
    named = os.fsdecode(name)
    os.rename(bench.add("folder/a.dcm"), bench.archive / "folder" / named)
    bench.add("b.dcm", 2)
    assert bench.scan().files["outcome"].to_list() == [PARSED, PARSED]
    found = state.resolve_path(tmp_path / "state", bench.file_id(f"folder/{named}"))
    assert found == bench.archive / "folder" / named
    assert bench.scan().read == 0


def test_a_folder_of_a_hundred_thousand_files_is_one_like_any_other(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    folder = bench.archive / "flat"
    folder.mkdir(parents=True)
    for number in range(100_000):
        os.close(os.open(folder / f"{number}", os.O_CREAT, 0o600))
    bench.now = time.time_ns() + 10**12
    found = scanner.scan(bench.edge(), clock=bench.tick, reader=Simulated)
    assert found.files.height == found.files["file_id"].n_unique() == found.read == 100_000
    assert scanner.scan(bench.edge(), clock=bench.tick, reader=Simulated).read == 0


def test_a_folder_that_goes_away_or_becomes_a_link_while_the_archive_is_listed_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1)
    write(tmp_path / "outside" / "secret.dcm", image(9))
    for name in ("gone", "link"):
        bench.add(f"{name}/x.dcm", 2)
    opened = os.open

    def change(path: Any, *rest: Any, **more: Any) -> int:
        folder = Path(os.fsdecode(path))
        if folder.name in {"gone", "link"} and folder.is_dir() and not folder.is_symlink():
            (folder / "x.dcm").unlink()
            folder.rmdir()
            if folder.name == "link":
                folder.symlink_to(tmp_path / "outside")
        return opened(path, *rest, **more)

    monkeypatch.setattr(os, "open", change)
    assert bench.scan().files["file_id"].to_list() == [bench.file_id("a.dcm")]


def test_on_a_network_share_device_and_inode_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    path = bench.add("a.dcm", 1)
    here = path.stat().st_dev
    monkeypatch.setattr(archive, "remote_devices", lambda _: frozenset({here}))
    bench.scan()
    manifest = pl.read_parquet(tmp_path / "state" / "images" / "manifest.parquet")
    assert manifest.select("dev", "inode").row(0) == (0, 0)
    assert bench.scan().read == 0
    settle(path, LONG_AGO + 1)
    assert bench.scan().read == 1


# --- a file that does not lie still -------------------------------------------------------------


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0" * 10)
    settle(path)


def _shrink(path: Path) -> None:
    os.truncate(path, 600)
    settle(path)


def _replace(path: Path) -> None:
    settle(write(path.with_name("other"), image(1, KVP="140"))).replace(path)


@pytest.mark.parametrize("change", [_grow, _shrink, _replace, Path.unlink])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, moment: str
) -> None:
    bench = filled(tmp_path)
    path = bench.add("restless.dcm", 99)
    read = FileReader.row

    def disturb(self: FileReader, file_id: str, source: int, where: bytes, size: int) -> Any:
        if where != os.fsencode(path):
            return read(self, file_id, source, where, size)
        if moment == "before":
            change(path)
        made = read(self, file_id, source, where, size)
        if moment == "after":
            change(path)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(FileReader, "row", disturb)
        first = bench.scan()
    assert first.files.height == first.read == 13
    second = bench.scan()
    is_there = path.exists()
    assert second.read == (1 if is_there else 0)
    assert second.files.height == (13 if is_there else 12)
    fresh = Bench(tmp_path / "fresh", now=bench.now)
    (tmp_path / "fresh").mkdir()
    bench.archive.rename(fresh.archive)
    assert fresh.scan().files.equals(second.files)


# --- shards -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_shards")
def test_only_what_is_new_is_written(tmp_path: Path) -> None:
    bench = filled(tmp_path)
    bench.scan()
    before = {p: p.stat().st_mtime_ns for p in shard_files(bench)}
    assert len(before) == 3
    bench.add("new.dcm", 50)
    assert bench.scan().read == 1
    after = {p: p.stat().st_mtime_ns for p in shard_files(bench)}
    assert len(after) == 4
    assert after.items() > before.items()


@pytest.mark.usefixtures("small_shards")
def test_small_and_dead_shards_are_put_together_and_no_row_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MANY_SMALL", 3)
    bench = filled(tmp_path)
    bench.scan()
    for number in range(3):
        bench.add(f"night{number}.dcm", 50 + number)
        bench.scan()
    assert len(shard_files(bench)) == 4  # three nights became one shard
    for number in range(3):  # three of four rows of each first shard die
        for other in (0, 3, 6):
            bench.add(f"s{number}/{number + other}.dcm", number + other + 1, KVP="140")
    found = bench.scan()
    names = set(pl.read_parquet(index_of(bench))["shard"].unique())
    assert names == {p.stem for p in shard_files(bench)}
    rows = state.read_headers(tmp_path / "state")
    assert rows.height == found.files.height == 15
    assert sum(pl.read_parquet(p).height for p in shard_files(bench)) == 15
    fresh = Bench(tmp_path / "fresh", now=bench.now)
    (tmp_path / "fresh").mkdir()
    bench.archive.rename(fresh.archive)
    assert fresh.scan().files.equals(found.files)
    assert state.read_headers(tmp_path / "fresh" / "state").equals(rows)


def test_shards_of_other_columns_are_read_again_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = filled(tmp_path)
    bench.scan()
    old = shard_files(bench)
    monkeypatch.setattr(state, "_LAYOUT", "another")
    assert bench.scan().read == 12
    assert not [p for p in old if p.exists()]
    assert state.read_headers(tmp_path / "state").height == 12


def index_of(bench: Bench) -> Path:
    return state.shard_folder(bench.root / "state" / state.FOLDER) / "index.parquet"


KILLED = """
import sys
from pathlib import Path
from dicom_bench import Bench
from scan_readers import Slow
from vpack_pipeline.io.dicom import scanner, shards
shards.SMALLEST = shards.LARGEST = 4
bench = Bench(Path(sys.argv[1]))
scanner.scan(bench.edge(), reader=Slow)
"""


@pytest.mark.usefixtures("small_shards")
def test_a_killed_scan_goes_on_where_it_was(tmp_path: Path) -> None:
    bench = filled(tmp_path, 40)
    here = os.pathsep.join(sys.path)
    running = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ, "PYTHONPATH": here}
    )
    while not (tmp_path / "state").exists() or len(shard_files(bench)) < 3:
        assert running.poll() is None
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    finished = len(shard_files(bench))
    assert 3 <= finished < 10
    assert not index_of(bench).exists()
    bench.add("late.dcm", 77)  # what comes in between does not spoil what was read
    bench.now = time.time_ns()
    found = bench.scan()
    assert (found.taken_up, found.read) == (4 * finished, 41 - 4 * finished)
    assert bench.scan().read == 0
    fresh = Bench(tmp_path / "fresh", now=bench.now)
    (tmp_path / "fresh").mkdir()
    bench.archive.rename(fresh.archive)
    assert fresh.scan().files.equals(found.files)


def test_an_unfinished_shard_is_not_taken_up_where_the_file_has_changed_since(
    tmp_path: Path,
) -> None:
    bench = filled(tmp_path)
    scanner.scan_part(bench.edge(), Part(1, 1), clock=bench.tick)
    settle(bench.add("s0/0.dcm", 1, KVP="55"), LONG_AGO + 9)
    found = bench.scan()
    assert (found.taken_up, found.read) == (11, 1)
    assert 55.0 in state.read_headers(tmp_path / "state")["kvp"]


# --- parts --------------------------------------------------------------------------------------


def test_parts_together_are_the_archive_and_a_scan_takes_them_up(tmp_path: Path) -> None:
    bench = filled(tmp_path, 30)
    for number in range(12):
        bench.add(f"a/b/{number % 5}/d/{number}.dcm", 100 + number)
    read = [scanner.scan_part(bench.edge(), Part(n, 4), clock=bench.tick) for n in range(1, 5)]
    assert sum(read) == 42
    assert sum(n > 0 for n in read) > 1
    assert scanner.scan_part(bench.edge(), Part(2, 4), clock=bench.tick) == 0
    found = bench.scan()
    assert (found.read, found.taken_up, found.files.height) == (0, 42, 42)
    assert scanner.scan_part(bench.edge(), Part(1, 1), clock=bench.tick) == 0


def test_a_deep_folder_belongs_to_one_part_with_all_that_it_holds(tmp_path: Path) -> None:
    for number in range(40):
        put(tmp_path / f"a/b/{number % 8}/d/{number}", b"x")
    owners: dict[bytes, set[int]] = {}
    for part in range(1, 4):
        for frame in archive.walk(tmp_path, 1, Part(part, 3)):
            for path in frame["path"]:
                owners.setdefault(path.split(b"/d/")[0], set()).add(part)
    assert len(owners) == 8
    assert all(len(parts) == 1 for parts in owners.values())


# --- the deep check -----------------------------------------------------------------------------


def silently(bench: Bench, relative: str, number: int, **elements: Any) -> None:
    """Change a file so that its size and its times, as the manifest knows them, stay."""
    path = bench.archive / relative
    before = path.stat()
    bench.add(relative, number, **elements)
    assert path.stat().st_size == before.st_size
    frame = pl.read_parquet(bench.root / "state/images/manifest.parquet")
    now = path.stat()
    is_it = pl.col("file_id") == bench.file_id(relative)
    known = {"inode": now.st_ino, "mtime_ns": now.st_mtime_ns, "ctime_ns": now.st_ctime_ns}
    frame = frame.with_columns(
        pl.when(is_it).then(pl.lit(v, frame.schema[n])).otherwise(pl.col(n)).alias(n)
        for n, v in known.items()
    )
    state.write_frame(bench.root / "state/images/manifest.parquet", frame)


def kvp_of(bench: Bench, cut: str, relative: str) -> float:
    rows = bench.tables(cut)["instances"].filter(file_id=bench.file_id(relative))
    return float(rows["kvp"].item())


def test_a_deep_scan_finds_an_edit_that_leaves_size_and_times_alone(tmp_path: Path) -> None:
    bench = filled(tmp_path)
    before = bench.tables(CUT)
    bench.publish(CUT)
    silently(bench, "s0/0.dcm", 1, KVP="71")
    assert bench.scan(CUT, is_deep=True).deferred == 1  # a closed cut keeps what it knew
    closed = bench.tables(CUT)
    assert all(closed[n].equals(f) for n, f in before.items())
    found = bench.scan(LATER, is_deep=True)
    assert found.read == 12
    assert kvp_of(bench, LATER, "s0/0.dcm") == 71.0
    seen = dict(bench.scan(LATER).files.select("file_id", "first_seen").iter_rows())
    assert [c for c in seen.values() if c == LATER] == [seen[bench.file_id("s0/0.dcm")]]
    closed = bench.tables(CUT)
    assert all(closed[n].equals(f) for n, f in before.items())


def test_a_deep_scan_of_an_untouched_archive_changes_nothing(tmp_path: Path) -> None:
    bench = filled(tmp_path)
    first = bench.scan()
    again = bench.scan(is_deep=True)
    assert (again.read, again.taken_up) == (12, 0)
    assert again.files.equals(first.files)
    assert state.read_headers(tmp_path / "state").height == 12


def test_each_file_is_read_again_once_in_as_many_cuts_as_there_are_slots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(increment, "SLOTS", 5)
    monkeypatch.setattr(scanner, "SLOTS", 5)
    bench = filled(tmp_path, 20)
    assert bench.scan(CUT).read == 20
    assert bench.scan(CUT).read == 0  # the same cut
    read: dict[str, int] = {}
    seen = FileReader.row

    def count(self: FileReader, file_id: str, *rest: Any) -> Any:
        read[file_id] = read.get(file_id, 0) + 1
        return seen(self, file_id, *rest)

    monkeypatch.setattr(FileReader, "row", count)
    cuts = [f"2026-02-{day:02d}" for day in range(1, 11, 2)]
    for cut in cuts:
        bench.scan(cut)
        bench.scan(cut)
    assert sorted(read.values()) == [1] * 20


def test_the_rotating_check_finds_a_silent_edit_and_counts_it_from_that_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(increment, "SLOTS", 1)
    monkeypatch.setattr(scanner, "SLOTS", 1)
    bench = filled(tmp_path)
    bench.scan(CUT)
    bench.publish(CUT)
    silently(bench, "s1/1.dcm", 2, KVP="72")
    bench.scan(LATER)
    assert (kvp_of(bench, CUT, "s1/1.dcm"), kvp_of(bench, LATER, "s1/1.dcm")) == (81.0, 72.0)


# --- prefetch and progress ----------------------------------------------------------------------


def test_heads_read_ahead_change_nothing(tmp_path: Path) -> None:
    bench = filled(tmp_path, 30)
    bench.archive.joinpath("gone.dcm").symlink_to("nowhere")
    first = bench.scan().files
    fresh = Bench(tmp_path / "fresh")
    (tmp_path / "fresh").mkdir()
    bench.archive.rename(fresh.archive)
    assert fresh.scan(prefetch=3).files.equals(first)


def test_each_head_is_read_ahead_once_and_not_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    touched: list[bytes] = []
    monkeypatch.setattr(shards, "_warm", touched.append)
    paths = [str(n).encode() for n in range(200)]
    most = 0
    for done, _ in enumerate(shards._warmed(paths, 2), start=1):
        most = max(most, len(touched) - done)
    assert sorted(touched) == sorted(paths)
    assert 0 < most <= 2 * 16 + 1


def test_progress_tells_counts_and_no_path(tmp_path: Path) -> None:
    bench = filled(tmp_path)
    put(bench.archive / "CANARY", b"")
    told: list[Any] = []
    bench.scan(listener=told.append)
    last = told[-1]
    assert (last.files, last.to_read, last.read) == (13, 13, 13)
    assert last.outcomes == {"EMPTY": 1, "PARSED": 12}
    assert last.bytes == sum(p.stat().st_size for p in bench.archive.rglob("*.dcm"))
    assert told[0].to_read is None
    assert told[0].seconds_left is None
    assert "CANARY" not in repr(told)
    told.clear()
    bench.scan(listener=told.append)
    assert (told[-1].files, told[-1].to_read) == (13, 0)
