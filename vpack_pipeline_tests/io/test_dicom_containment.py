"""pydicom in a process of its own: a file that fells it costs that file and no other."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dicom_bench import Bench, deflated, element, image, part_10, put, write

from vpack_pipeline.io.dicom import by_pydicom, containment, fields, reading
from vpack_pipeline.io.dicom.containment import Contained
from vpack_pipeline.io.dicom.outcomes import HeaderError
from vpack_pipeline.io.dicom.structure import Structure

BIG_ENDIAN = "1.2.840.10008.1.2.2"


@pytest.fixture
def contained() -> Iterator[Contained]:
    made = Contained(memory=300 * 1024**2, seconds=10.0)
    yield made
    made.close()


def sound(folder: Path) -> bytes:
    return os.fsencode(write(folder / "sound.dcm", image(), BIG_ENDIAN))


def refused(contained: Contained, path: Path) -> str:
    with pytest.raises(HeaderError) as caught:
        contained.read(os.fsencode(path))
    return caught.value.code


def test_it_gives_what_pydicom_gives(tmp_path: Path, contained: Contained) -> None:
    path = sound(tmp_path)
    with Path(os.fsdecode(path)).open("rb") as file:
        assert contained.read(path) == by_pydicom.read(file, os.path.getsize(path), fields.wanted())


def test_a_refusal_comes_out_with_its_code(tmp_path: Path, contained: Contained) -> None:
    assert refused(contained, put(tmp_path / "a.dcm", deflated(b"\xff")[:170])) == "TRUNCATED"
    assert refused(contained, tmp_path / "gone.dcm") == "VANISHED"


def test_past_its_memory_a_file_is_oom_and_the_next_is_read(tmp_path: Path) -> None:
    bomb = deflated(element("00091001", "OB", bytes(60_000_000)))
    small = Contained(memory=30 * 1024**2, seconds=60.0)
    try:
        assert refused(small, put(tmp_path / "bomb.dcm", bomb)) == "OOM"
        assert isinstance(small.read(sound(tmp_path)), Structure)
    finally:
        small.close()


def test_past_the_deadline_a_file_is_timeout_and_the_next_is_read(tmp_path: Path) -> None:
    items = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" * 1_000_000
    body = element("00080060", "CS", b"CT") + element("00091010", "SQ", items, 0xFFFFFFFF)
    path = put(tmp_path / "items.dcm", part_10(body))
    hasty = Contained(memory=4 * 1024**3, seconds=10.0)
    try:
        assert isinstance(hasty.read(sound(tmp_path)), Structure)
        hasty._seconds = 0.2
        assert refused(hasty, path) == "TIMEOUT"
        hasty._seconds = 30.0
        assert isinstance(hasty.read(sound(tmp_path)), Structure)
    finally:
        hasty.close()


@pytest.mark.parametrize(("by", "code"), [(signal.SIGSEGV, "CRASH"), (signal.SIGKILL, "OOM")])
def test_a_killed_process_costs_one_file(
    tmp_path: Path, contained: Contained, by: signal.Signals, code: str
) -> None:
    path = sound(tmp_path)
    contained.read(path)
    process = contained._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)  # so that the request waits
    threading.Thread(target=_kill_soon, args=(process.pid, by)).start()
    assert refused(contained, Path(os.fsdecode(path))) == code
    assert isinstance(contained.read(path), Structure)


def _kill_soon(pid: int, by: signal.Signals) -> None:
    time.sleep(0.3)
    os.kill(pid, by)
    os.kill(pid, signal.SIGCONT)


def test_a_hostile_file_costs_the_scan_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1)
    write(bench.archive / "b.dcm", image(2), BIG_ENDIAN)
    write(bench.archive / "c.dcm", image(3), BIG_ENDIAN)
    lost = os.fsencode(bench.archive / "b.dcm")
    real = containment.read_contained

    def fell(path: bytes) -> Structure:
        if path == lost:
            raise HeaderError("CRASH")
        return real(path)

    monkeypatch.setattr(reading, "read_contained", fell)
    assert bench.outcomes() == {"a.dcm": "PARSED", "b.dcm": "CRASH", "c.dcm": "PARSED"}
    assert bench.row("a.dcm")["engine"] == "walker"
    assert bench.row("c.dcm")["engine"] == "pydicom"


def test_what_may_be_another_time_is_read_again_at_the_next_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", 1)
    write(bench.archive / "b.dcm", image(2), BIG_ENDIAN)

    def late(path: bytes) -> Structure:
        raise HeaderError("TIMEOUT")

    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_contained", late)
        assert bench.outcomes()["b.dcm"] == "TIMEOUT"
    assert bench.outcomes()["b.dcm"] == "PARSED"


def test_a_keyed_sample_of_what_the_walker_parsed_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_DRAWN_BELOW", 2**31)
    bench = Bench(tmp_path)
    for number in range(30):
        bench.add(f"{number}.dcm", number)
    first = bench.scan().files
    drawn = first.filter(first["checked"].is_not_null())
    assert set(drawn["checked"]) == {"same"}
    assert 5 < drawn.height < 25
    # The same files are drawn whatever the history.
    again = Bench(tmp_path / "again")
    for number in reversed(range(30)):
        again.add(f"{number}.dcm", number)
        again.scan()
    second = again.scan().files
    assert second.sort("file_id")["checked"].equals(first.sort("file_id")["checked"])


def test_a_difference_is_kept_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_DRAWN_BELOW", 2**32)
    real = by_pydicom.read

    def other(*given: object) -> Structure:
        found = real(*given)  # type: ignore[arg-type]
        found.elements[fields.PATIENT] = b"043Y"
        return found

    monkeypatch.setattr(by_pydicom, "read", other)
    bench = Bench(tmp_path)
    bench.add("a.dcm")
    assert bench.row("a.dcm")["checked"] == "differs"
