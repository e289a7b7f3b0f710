"""The scan: one outcome a file, what was seen when, and that nothing identifying is kept."""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dicom_bench import CUT, LONG_AGO, Bench, image, part_10, put, settle, write
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from vpack_pipeline.errors import InputError
from vpack_pipeline.io.dicom import ledger, reading, scanner, state
from vpack_pipeline.io.dicom.header import HeaderReader
from vpack_pipeline.io.dicom.outcomes import COPY, PARSED, REASONS, SET_ASIDE
from vpack_pipeline.site import FolderSource, IdentifierForm

LATER, LATEST = "2026-02-05", "2026-03-05"


def refusal(bench: Bench, cut: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        bench.scan(cut)
    return str(caught.value)


# --- one outcome a file -------------------------------------------------------------------------


def test_every_delivered_file_has_one_outcome_and_they_add_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("good.dcm", 1)
    bench.add("sub/copy.dcm", 1)
    bench.add("sr.dcm", 2, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
    bench.add("nobody.dcm", 3, PatientID=None)
    put(bench.archive / "empty", b"")
    put(bench.archive / "notes.txt", b"hello, this is a text")
    put(bench.archive / "cut.dcm", (bench.archive / "good.dcm").read_bytes()[:400])
    loaded = bench.call("files", deliveries=pl.DataFrame())
    counts = dict(loaded.table.group_by("outcome").len().iter_rows())
    good = sum(counts.get(o, 0) for o in (PARSED, COPY, SET_ASIDE))
    assert loaded.table.height == 7 == good + loaded.quarantine.height
    assert counts == {
        "PARSED": 1, "COPY": 1, "SET_ASIDE": 1,
        "MISSING_UID": 1, "EMPTY": 1, "NOT_DICOM": 1, "TRUNCATED": 1,
    }  # fmt: skip
    refused = {r["reason"]: r for r in loaded.quarantine.iter_rows(named=True)}
    assert refused["MISSING_UID"]["field"] == "PatientID"
    assert refused["MISSING_UID"]["position"] == bench.file_id("nobody.dcm")
    assert all(
        r["kind"] == "image" and r["remedy"] == REASONS[c].remedy for c, r in refused.items()
    )


def test_links_pipes_and_sockets_are_not_files(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm")
    outside = write(tmp_path / "outside" / "b.dcm", image(2))
    (bench.archive / "link.dcm").symlink_to(outside)
    (bench.archive / "folder").symlink_to(outside.parent)
    os.mkfifo(bench.archive / "pipe.dcm")
    assert bench.outcomes() == {"a.dcm": "PARSED"}


def test_a_file_that_becomes_a_pipe_or_link_before_it_is_opened_has_vanished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    for name in ("a.dcm", "b.dcm", "c.dcm", "d.dcm"):
        bench.add(name, ord(name[0]))
    walked = scanner.archive.walk

    def swap(*given: Any) -> Any:
        entries = list(walked(*given))
        for name in ("b.dcm", "c.dcm", "d.dcm"):
            (bench.archive / name).unlink()
        os.mkfifo(bench.archive / "b.dcm")
        (bench.archive / "c.dcm").symlink_to("a.dcm")
        return entries

    monkeypatch.setattr(scanner.archive, "walk", swap)
    files = bench.scan().files
    outcomes = dict(files.select("file_id", "outcome").iter_rows())
    assert outcomes[bench.file_id("a.dcm")] == "PARSED"
    assert [outcomes[bench.file_id(n)] for n in ("b.dcm", "c.dcm", "d.dcm")] == ["VANISHED"] * 3


def test_a_file_that_may_not_be_read_is_read_again_at_the_next_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1)
    closed = os.fsencode(bench.add("b.dcm", 2))
    opened = os.open

    def refuse(path: Any, *rest: Any, **more: Any) -> int:
        if path == closed:
            raise PermissionError(errno.EACCES, "no", path)
        return opened(path, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert bench.outcomes() == {"a.dcm": "PARSED", "b.dcm": "PERM"}
    assert bench.outcomes() == {"a.dcm": "PARSED", "b.dcm": "PARSED"}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RecursionError(), ("DEPTH", None)),
        (MemoryError(), ("OOM", None)),
        (ValueError("CANARY-1"), ("CRASH", "ValueError")),
    ],
)
def test_no_failure_of_the_reader_stops_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: Any
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm")

    def fail(*_: Any) -> None:
        raise raised

    monkeypatch.setattr(HeaderReader, "read", fail)
    row = bench.row()
    assert (row["outcome"], row["detail"]) == expected


# --- copies and conflicts -----------------------------------------------------------------------


def test_of_copies_the_smallest_pseudonym_counts(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    names = ["a.dcm", "b.dcm", "c/d.dcm"]
    for name in names:
        bench.add(name, 1)
    first = min(names, key=bench.file_id)
    assert bench.outcomes() == {n: PARSED if n == first else COPY for n in names}


@pytest.mark.parametrize("change", [{"KVP": "100"}, {"PixelData": b"\1" * 48}])
def test_the_same_uid_with_other_content_is_a_conflict_on_both_sides(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1)
    bench.add("b.dcm", 1, **change)
    bench.add("c.dcm", 2)
    tables = bench.tables()
    conflicts = tables["quarantine"].filter(reason="DUP_SOP_CONFLICT")
    assert sorted(conflicts["position"]) == sorted(bench.file_id(n) for n in ("a.dcm", "b.dcm"))
    assert tables["instances"]["file_id"].to_list() == [bench.file_id("c.dcm")]
    assert tables["studies"]["n_conflicts"].to_list() == [2]


def test_a_pixel_edit_in_place_turns_a_copy_into_a_conflict(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1)
    bench.add("b.dcm", 1)
    assert sorted(bench.outcomes().values()) == [COPY, PARSED]
    settle(bench.add("b.dcm", 1, PixelData=b"\1" * 48), LONG_AGO + 5)
    assert set(bench.outcomes().values()) == {"DUP_SOP_CONFLICT"}


def test_two_files_that_are_not_duplicates_are_never_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1)
    bench.add("b.dcm", 2)
    monkeypatch.setattr(scanner.archive, "digest_content", lambda _: pytest.fail("read whole"))
    assert set(bench.outcomes().values()) == {PARSED}


# --- increments ---------------------------------------------------------------------------------


def stored(bench: Bench) -> list[Path]:
    """All files of the scanner's state."""
    return [p for p in (bench.root / "state" / "images").rglob("*") if p.is_file()]


def shards_of(bench: Bench) -> list[Path]:
    return [p for p in stored(bench) if p.parent.parent.name == "headers" and p.stem != "index"]


def forget(bench: Bench) -> None:
    """Lose what may be lost: the next scan reads everything."""
    (bench.root / "state" / "images" / "manifest.parquet").unlink()
    shutil.rmtree(bench.root / "state" / "images" / "headers")


def grow(bench: Bench) -> None:
    for number in range(1, 7):
        bench.add(f"s{number % 2}/{number}.dcm", number, KVP=str(100 + number))
    put(bench.archive / "junk", b"junk")


def test_an_unchanged_archive_is_not_read_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    grow(bench)
    first = bench.scan()
    before = {p: p.stat().st_mtime_ns for p in stored(bench)}
    second = bench.scan()
    assert (first.read, second.read) == (7, 0)
    assert second.files.equals(first.files)
    after = {p: p.stat().st_mtime_ns for p in stored(bench)}
    assert after == before


def test_an_incremental_scan_gives_what_a_full_scan_gives(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    grow(bench)
    bench.scan()
    bench.add("s1/1.dcm", 1, KVP="140")  # altered
    bench.add("s1/new.dcm", 9)
    bench.add("s1/twin.dcm", 2, KVP="102")  # a copy of s0/2.dcm
    (bench.archive / "s1" / "3.dcm").unlink()
    incremental = bench.tables()
    forget(bench)
    assert bench.scan().read == 8
    full = bench.tables()
    assert all(full[name].equals(incremental[name]) for name in full)
    fresh = Bench(tmp_path / "fresh")
    (tmp_path / "fresh").mkdir()
    (tmp_path / "dicom").rename(tmp_path / "fresh" / "dicom")
    assert all(frame.equals(incremental[name]) for name, frame in fresh.tables().items())


def test_a_change_of_any_part_of_the_change_key_is_noticed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = bench.add("a.dcm", 1, KVP="100")
    bench.add("b.dcm", 2)
    assert bench.row()["kvp"] == 100.0
    # Same size, same mtime: only inode and ctime tell.
    write(tmp_path / "dicom" / "x", image(1, KVP="140")).replace(path)
    assert path.stat().st_mtime == LONG_AGO
    assert bench.row()["kvp"] == 140.0


def test_a_file_modified_shortly_before_the_walk_is_read_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, now=(LONG_AGO + 60) * 10**9)
    bench.add("a.dcm")
    assert [bench.scan().read, bench.scan().read] == [1, 1]
    bench.now += 120 * 10**9
    assert [bench.scan().read, bench.scan().read] == [1, 0]


def test_another_identifier_rule_reads_everything_again_and_nothing_is_new(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    grow(bench)
    bench.scan()
    bench.publish(CUT)
    bench.identifiers = {"patient": IdentifierForm(case="lower")}
    found = bench.scan()
    assert (found.read, found.deferred, found.files.height) == (7, 0, 7)
    headers = state.read_headers(tmp_path / "state")
    assert set(headers.drop_nulls("patient_id")["patient_id"]) == {bench.ids.patient("p1")}


def test_another_parser_under_which_a_header_ends_elsewhere_makes_no_file_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    grow(bench)
    bench.scan()
    bench.publish(CUT)
    monkeypatch.setattr(scanner.states, "parser_of", lambda _: "another")
    digest = reading._digest
    monkeypatch.setattr(reading, "_digest", lambda file, head, _: digest(file, head, 99)[::-1])
    found = bench.scan()
    assert (found.read, found.deferred, found.files.height) == (7, 0, 7)


# --- what was seen when -------------------------------------------------------------------------


def test_a_file_counts_from_the_cut_that_first_saw_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1)
    bench.scan(CUT)
    bench.add("b.dcm", 2)
    assert bench.outcomes(LATER) == {"a.dcm": PARSED, "b.dcm": PARSED}
    assert bench.outcomes(CUT) == {"a.dcm": PARSED}
    table = bench.call("files", LATER, deliveries=pl.DataFrame()).table
    seen = dict(table.select("file_id", "first_seen").iter_rows())
    assert str(seen[bench.file_id("b.dcm")]) == LATER


def test_a_file_that_comes_after_the_cut_is_closed_waits_for_the_next(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1)
    bench.scan(CUT)
    bench.publish(CUT)
    bench.add("b.dcm", 2)
    found = bench.scan(CUT)
    assert (found.files.height, found.deferred) == (1, 1)
    # A cut before the published one is closed too.
    assert bench.scan("2026-01-05").deferred == 1
    found = bench.scan(f"{CUT}.2")
    assert (found.files.height, found.deferred) == (2, 0)


def test_a_published_cut_is_built_again_byte_for_byte_after_anything(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    grow(bench)
    bench.add("copy.dcm", 2, KVP="102")
    before = bench.tables(CUT)
    bench.publish(CUT)
    (bench.archive / "s0" / "2.dcm").unlink()  # the original of a copy
    (bench.archive / "s1" / "3.dcm").unlink()
    bench.add("s1/1.dcm", 1, KVP="80")
    bench.add("s1/99.dcm", 99)
    at_once = bench.tables(CUT)
    assert all(at_once[n].equals(before[n]) for n in before)
    later = bench.tables(LATER)
    assert later["instances"].height == 6
    assert 80.0 in later["instances"]["kvp"]
    again = bench.tables(CUT)
    assert all(again[n].equals(before[n]) for n in before)


def test_a_file_that_vanishes_and_returns_is_unknown_in_between(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in (1, 2, 3):
        bench.add(f"{number}.dcm", number)
    bench.scan(CUT)
    bench.publish(CUT)
    data = (bench.archive / "2.dcm").read_bytes()
    (bench.archive / "2.dcm").unlink()
    assert bench.scan(LATER).files.height == 2
    bench.publish(CUT, LATER)
    put(bench.archive / "2.dcm", data)
    assert bench.scan(LATEST).files.height == 3
    assert [bench.scan(c).files.height for c in (CUT, LATER, LATEST)] == [3, 2, 3]


def test_the_ledger_never_knows_two_versions_of_a_file_at_one_cut(tmp_path: Path) -> None:
    import random

    rng = random.Random(11)
    cuts = [f"2026-{month:02d}-01" for month in range(1, 10)]
    known = ledger.empty()
    published: list[str] = []
    frozen: dict[str, list[tuple[str, str]]] = {}
    for _ in range(300):
        cut = rng.choice(cuts)
        seen = pl.DataFrame(
            [(f"f{i}", 1, f"v{rng.randrange(2)}") for i in range(5) if rng.random() < 0.7],
            schema={"file_id": pl.String, "source": pl.Int64, "version": pl.String},
            orient="row",
        )
        if not ledger.is_closed(cut, published):
            known = ledger.record(known, seen, cut)
            assert set(ledger.current(known).select("file_id", "version").iter_rows()) == set(
                seen.select("file_id", "version").iter_rows()
            )
            if rng.random() < 0.05:
                published.append(cut)
                frozen[cut] = sorted(ledger.visible(known, cut)[["file_id", "version"]].rows())
        for at in cuts:
            rows = sorted(ledger.visible(known, at)[["file_id", "version"]].rows())
            assert len({file_id for file_id, _ in rows}) == len(rows)
            assert rows == frozen.get(at, rows)
        if len(published) == 3:
            break
    assert published


def test_a_cut_before_the_first_scan_is_refused_with_what_to_do(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm")
    bench.scan(LATER)
    assert "no image file was known at it" in refusal(bench, CUT)


# --- what stops a scan --------------------------------------------------------------------------


def test_a_missing_folder_names_the_source_and_not_the_path(tmp_path: Path) -> None:
    sources = (FolderSource(path="dicom"), FolderSource(path="CANARY-FOLDER"))
    bench = Bench(tmp_path, sources=sources)
    bench.add("a.dcm")
    message = refusal(bench)
    assert "sources[2]: there is no such folder" in message
    assert "CANARY" not in message


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.archive.mkdir()
    assert "sources[1]: no DICOM file: 0 files" in refusal(bench)
    put(bench.archive / "notes.txt", b"some notes here")
    put(bench.archive / "empty", b"")
    assert "2 files, 1 EMPTY, 1 NOT_DICOM" in refusal(bench)


def test_a_folder_that_cannot_be_listed_stops_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm")
    bench.add("closed/b.dcm", 2)
    opened = os.open

    def refuse(path: Any, *rest: Any, **more: Any) -> int:
        if os.fsencode(path).endswith(b"closed"):
            raise PermissionError(errno.EACCES, "no", path)
        return opened(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert "cannot be listed" in refusal(bench)


def test_an_unmounted_share_stops_the_scan_and_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in range(1, 6):
        bench.add(f"{number}.dcm", number)
    before = bench.scan().files
    for number in (1, 2, 3):
        (bench.archive / f"{number}.dcm").unlink()
    assert "sources[1]: 3 of 5 known image files have vanished" in refusal(bench, LATER)
    assert bench.file_id("1.dcm") in refusal_free(bench, before)
    (tmp_path / "state" / "images" / scanner.ACCEPT_LOSS).touch()
    assert bench.scan(LATER).files.height == 2
    assert not (tmp_path / "state" / "images" / scanner.ACCEPT_LOSS).exists()


def refusal_free(bench: Bench, before: pl.DataFrame) -> list[str]:
    stored = pl.read_parquet(bench.root / "state" / "images" / "first_seen.parquet")
    assert stored["vanished"].null_count() == stored.height == before.height
    return stored["file_id"].to_list()


def test_a_lost_or_damaged_ledger_is_never_made_anew_in_silence(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm")
    bench.scan()
    path = tmp_path / "state" / "images" / "first_seen.parquet"
    data = path.read_bytes()
    path.unlink()
    assert "ledger of first-seen image files is gone" in refusal(bench)
    path.write_bytes(data[:50])
    assert "is damaged" in refusal(bench)
    path.write_bytes(data)
    assert bench.scan().files.height == 1


def test_a_published_cut_whose_headers_are_lost_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in (1, 2, 3):
        bench.add(f"{number}.dcm", number)
    bench.scan(CUT)
    bench.publish(CUT)
    (bench.archive / "1.dcm").unlink()
    bench.scan(LATER)
    shutil.rmtree(tmp_path / "state" / "images" / "headers")
    assert "1 image files that it knew are gone" in refusal(bench, CUT)
    assert bench.scan(LATER).files.height == 2


@pytest.mark.parametrize("lost", ["manifest.parquet", "headers/*/index.parquet"])
def test_a_damaged_cache_is_made_anew_from_the_shards(tmp_path: Path, lost: str) -> None:
    bench = Bench(tmp_path)
    grow(bench)
    before = bench.tables()
    (path,) = (tmp_path / "state" / "images").glob(lost)
    path.write_bytes(b"PAR1 nonsense")
    found = bench.scan()
    assert (found.read, found.taken_up) == ((0, 7) if "manifest" in lost else (0, 0))
    after = bench.tables()
    assert all(after[n].equals(frame) for n, frame in before.items())
    assert bench.scan().taken_up == 0


def test_a_damaged_shard_costs_the_reading_of_its_files(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    grow(bench)
    before = bench.scan().files
    (shard,) = shards_of(bench)
    shard.unlink()
    found = bench.scan()
    assert found.read == 7
    assert found.files.equals(before)


def test_a_lost_index_does_not_lose_what_a_closed_cut_knew(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    grow(bench)
    before = bench.tables(CUT)
    bench.publish(CUT)
    (bench.archive / "s1" / "3.dcm").unlink()
    bench.add("s1/1.dcm", 1, KVP="80")
    bench.scan(LATER)
    (index,) = (tmp_path / "state" / "images").glob("headers/*/index.parquet")
    index.unlink()
    again = bench.tables(CUT)
    assert all(again[n].equals(before[n]) for n in before)


# --- privacy ------------------------------------------------------------------------------------


def test_an_operator_finds_the_file_behind_a_pseudonym(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    path = bench.add("sub/a.dcm")
    assert state.resolve_path(tmp_path / "state", bench.file_id("sub/a.dcm")) is None
    bench.scan()
    assert state.resolve_path(tmp_path / "state", bench.file_id("sub/a.dcm")) == path
    assert state.resolve_path(tmp_path / "state", "0" * 32) is None


def test_a_path_that_is_no_utf_8_is_a_path_like_any_other(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.archive.mkdir()
    name = os.fsdecode(b"M\xfcller.dcm")
    os.rename(bench.add("a.dcm"), bench.archive / name)
    assert bench.scan().files["outcome"].to_list() == [PARSED]
    assert state.resolve_path(tmp_path / "state", bench.file_id(name)) == bench.archive / name


def test_the_state_is_for_its_owner_only(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm")
    bench.scan()
    folder = tmp_path / "state" / "images"
    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.rglob("*"))}
    assert len(modes) > 6
    assert all(mode == (0o700 if p.is_dir() else 0o600) for p, mode in modes.items())


def canary_image(number: int, **elements: Any) -> Dataset:
    inner = Dataset()
    inner.PatientName, inner.CodeMeaning = "CANARY-NESTED", "CANARY-NESTED"
    given = {
        "PatientID": "CANARY-PATIENT",
        "PatientName": "CANARY-NAME^ANNA",
        "OtherPatientNames": "CANARY-NAME2",
        "IssuerOfPatientID": "CANARY-ISSUER",
        "PatientBirthDate": "19831109",
        "AccessionNumber": "CANARY-ACC",
        "StudyInstanceUID": "1.9.77777.1",
        "SeriesInstanceUID": "1.9.77777.2",
        "SOPInstanceUID": f"1.9.77777.3.{number}",
        "FrameOfReferenceUID": "1.9.77777.4",
        "StudyDescription": "CANARY-DESCRIPTION",
        "SeriesDescription": "CANARY-DESCRIPTION",
        "ReferringPhysicianName": "CANARY-DOCTOR",
        "InstitutionName": "CANARY-HOSPITAL",
        "StudyID": "CANARY-STUDY",
        "DeviceSerialNumber": "CANARY-SERIAL",
        "StationName": "CANARY-STATION",
        "PatientComments": "CANARY-COMMENT",
        "ReferencedStudySequence": Sequence([inner]),
    }
    return image(number, **{**given, **elements})


CANARIES = ("CANARY", "1.9.77777", "19831109")


def test_no_identifier_leaves_the_first_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    bench = Bench(tmp_path)
    good = write(bench.archive / "CANARY-FOLDER" / "CANARY-FILE.dcm", canary_image(1))
    write(bench.archive / "copy.dcm", canary_image(1))
    write(bench.archive / "conflict-a.dcm", canary_image(2))
    write(bench.archive / "conflict-b.dcm", canary_image(2, KVP="99"))
    write(bench.archive / "sr.dcm", canary_image(3, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"))
    data = good.read_bytes()
    put(bench.archive / "cut.dcm", data[:900])
    put(bench.archive / "charset.dcm", data.replace(b"CANARY-PATIENT", b"CANARY-PATI\xfcNT"))
    # Free text where a code or number belongs.
    put(
        bench.archive / "date.dcm",
        data.replace(b"20251201", b"CANARY 1").replace(b"77777.3.1", b"77777.3.9"),
    )
    put(
        bench.archive / "sex.dcm",
        data.replace(b"CS\x02\x00F ", b"CS\x0a\x00CANARY-SEX").replace(b"77777.3.1", b"77777.3.8"),
    )
    put(bench.archive / "junk.dcm", part_10(b"CANARY-JUNK" * 20))
    bench.scan()
    tables = bench.tables()
    outcomes = set(tables["files"]["outcome"])
    assert {
        "PARSED",
        "COPY",
        "DUP_SOP_CONFLICT",
        "SET_ASIDE",
        "TRUNCATED",
        "BAD_CHARSET",
    } <= outcomes
    written = [frame.write_csv() for frame in tables.values()]
    for path in (tmp_path / "state" / "images").rglob("*.parquet"):
        frame = pl.read_parquet(path)
        if "path" in frame.columns:  # the only place where a real path stands
            assert path.name == "manifest.parquet"
            frame = frame.drop("path")
        buffer = io.BytesIO()
        frame.write_csv(buffer)
        written.append(buffer.getvalue().decode())
    printed = capfd.readouterr()
    written += [caplog.text, printed.out, printed.err]
    # A positive control: the scan has seen the canaries, and the search finds them where they are.
    patient = bench.ids.patient("CANARY-PATIENT", "CANARY-ISSUER")
    assert patient in tables["instances"]["patient_id"]
    paths = pl.read_parquet(tmp_path / "state" / "images" / "manifest.parquet")["path"]
    assert b"CANARY" in b"".join(paths)
    assert not [c for text in written for c in CANARIES if c in text]


def test_an_exception_never_carries_a_value(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    write(bench.archive / "CANARY.dcm", canary_image(1))
    bench.scan()
    (bench.archive / "CANARY.dcm").unlink()
    assert not [c for c in CANARIES if c in refusal(bench)]
