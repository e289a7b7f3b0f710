"""The walker against pydicom, and against files that pydicom takes without a word."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_bench import DEFLATED, deflated, element, image, part_10, put, write
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.io.dicom import by_pydicom, fields, structure, walker
from vpack_pipeline.io.dicom.outcomes import HeaderError

SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"
READABLE = sorted(
    str(p.relative_to(SAMPLES))
    for p in [*SAMPLES.glob("*.dcm"), *SAMPLES.glob("dicomdirtests/DICOMDIR*")]
    # The first bytes are no DICOM tag; the other two end within their pixels or header.
    if p.name not in {"no_meta.dcm", "MR_truncated.dcm", "rtplan_truncated.dcm"}
)
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
WANTED = fields.wanted()
SYNTAXES = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    DEFLATED,
)


def walk(path: Path) -> structure.Structure:
    """Read as the scanner does, but for the process of its own."""
    data = path.read_bytes()
    try:
        return walked(data)
    except walker.Declined:
        return again(data)


def walked(data: bytes) -> structure.Structure:
    return walker.walk(lambda start, count: data[start : start + count], len(data), WANTED)


def again(data: bytes) -> structure.Structure:
    return by_pydicom.read(BytesIO(data), len(data), WANTED)


def code(data: bytes, tmp_path: Path) -> tuple[str, str | None]:
    with pytest.raises(HeaderError) as caught:
        walk(put(tmp_path / "broken.dcm", data))
    return caught.value.code, caught.value.detail


def stored(ds: Dataset, syntax: str = "1.2.840.10008.1.2.1") -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "x.dcm", ds, syntax).read_bytes()


def flat(elements: structure.Elements, path: tuple[int, ...] = ()) -> dict[Any, bytes]:
    found: dict[Any, bytes] = {}
    for tag, value in elements.items():
        if isinstance(value, list):
            for number, item in enumerate(value):
                found |= flat(item, (*path, tag, number))
        else:
            found[*path, tag] = value
    return found


def plainly(path: Path, wanted: structure.Wanted) -> dict[Any, bytes]:
    """Read as anyone reads with pydicom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        return _raw(ds, wanted, ())


def _raw(ds: Dataset, wanted: structure.Wanted, path: tuple[int, ...]) -> dict[Any, bytes]:
    found: dict[Any, bytes] = {}
    for tag, inner in wanted.items():
        if tag not in ds:
            continue
        if inner is not None:
            for number, item in enumerate(ds[tag].value):
                found |= _raw(item, inner, (*path, tag, number))
        else:
            value = ds.get_item(tag).value
            if tag == fields.CHARSET and not isinstance(value, bytes):  # pydicom has converted it
                parts = [value] if isinstance(value, str) else value or []
                value = "\\".join(parts).encode()
            found[*path, tag] = value or b""
    return found


@pytest.mark.parametrize("name", READABLE)
def test_the_walker_finds_what_pydicom_finds(name: str) -> None:
    # Two implementations: every wanted element of pydicom's own sample files, byte for byte.
    found = flat(walk(SAMPLES / name).elements)
    if (fields.CHARSET,) in found:
        found[fields.CHARSET,] = found[fields.CHARSET,].strip()
    assert found == plainly(SAMPLES / name, WANTED)


def test_the_samples_are_many_enough_to_mean_something() -> None:
    values = sum(len(flat(walk(SAMPLES / name).elements)) for name in READABLE)
    assert len(READABLE) > 70
    assert values > 1400


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_encoding_of_a_data_set_gives_the_same_header(tmp_path: Path, syntax: str) -> None:
    ds = image()
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([Dataset()])
    shared.PixelMeasuresSequence[0].SliceThickness = "3"
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    if syntax == "1.2.840.10008.1.2.2":
        ds.PixelData = bytes(48)
    found = walk(write(tmp_path / "x.dcm", ds, syntax))
    assert found.transfer_syntax == syntax
    assert found.has_pixels
    assert found.elements[header_fields.SHARED][0][0x00289110][0][0x00180050].strip() == b"3"
    assert found.elements[fields.PATIENT].strip() == b"P1"


def test_a_data_set_without_the_mark_is_read_where_both_sop_uids_result(tmp_path: Path) -> None:
    whole = stored(image())
    assert walk(put(tmp_path / "meta.dcm", whole[132:])).elements[fields.PATIENT] == b"P1"
    body = whole[whole.index(b"\x08\x00\x05\x00CS") :]
    assert walk(put(tmp_path / "bare.dcm", body)).transfer_syntax is None
    nameless = element("00080005", "CS", b"ISO_IR 100") + element("00100020", "LO", b"P1")
    assert code(nameless, tmp_path) == ("NO_PREAMBLE", None)
    assert code(whole[132:400], tmp_path) == ("NO_PREAMBLE", "TRUNCATED")


def test_what_stands_in_the_file_counts_not_the_declared_syntax(tmp_path: Path) -> None:
    implicit = stored(image(), "1.2.840.10008.1.2")
    lying = implicit.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1\0"[:18])
    explicit = stored(image()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")
    assert walk(put(tmp_path / "a.dcm", explicit)).elements[fields.PATIENT] == b"P1"
    assert walk(put(tmp_path / "b.dcm", lying)).elements[fields.PATIENT] == b"P1"


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_a_file_cut_anywhere_before_its_end_is_never_taken_whole(
    tmp_path: Path, syntax: str
) -> None:
    whole = stored(image(), syntax)
    taken, codes = [], set()
    for end in range(133, len(whole) - 1):
        try:
            taken.append(walk(put(tmp_path / "cut.dcm", whole[:end])))
        except HeaderError as error:
            codes.add(error.code)
    assert codes == {"TRUNCATED"}
    # What passes the walk was cut between two elements; the header then knows it as cut, unless
    # nothing but the pixel data are missing.
    assert not any(found.has_pixels for found in taken)
    assert 0 < len(taken) < 40


def test_a_damaged_stream_is_bad_deflate(tmp_path: Path) -> None:
    assert code(part_10(b"\xff" * 200, DEFLATED), tmp_path) == ("BAD_DEFLATE", None)


def test_a_deflated_stream_cut_short_is_truncated(tmp_path: Path) -> None:
    body = b"".join(
        element("00080070", "LO", os.urandom(64).hex()[:64].encode()) for _ in range(60)
    )
    whole = deflated(body)
    assert code(whole[: len(whole) // 2], tmp_path) == ("TRUNCATED", "HEADER")


def test_a_deflate_bomb_stops_at_the_cap(tmp_path: Path) -> None:
    bomb = deflated(element("00091001", "OB", bytes(100_000_000)))
    assert len(bomb) < 150_000
    assert code(bomb, tmp_path) == ("INFLATE_CAP", None)


def test_an_unknown_vr_is_said_so(tmp_path: Path) -> None:
    body = element("00080005", "CS", b"ISO_IR 100") + element("00080060", "ZZ", b"CT")
    assert code(part_10(body), tmp_path) == ("BAD_VR", None)


def test_sequences_nested_too_deep_are_refused(tmp_path: Path) -> None:
    opened = b""
    for _ in range(300):
        opened += element("00091010", "SQ", b"", 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    body = element("00080060", "CS", b"CT") + opened
    assert code(part_10(body), tmp_path) == ("DEPTH", None)


def test_a_million_empty_items_end_at_the_budget(tmp_path: Path) -> None:
    items = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" * 1_000_000
    body = element("00080060", "CS", b"CT") + element("00091010", "SQ", items, 0xFFFFFFFF)
    assert code(part_10(body), tmp_path) == ("TIMEOUT", None)


def test_an_unwanted_sequence_leaves_nothing_in_memory() -> None:
    item = b"\xfe\xff\x00\xe0" + b"\x0c\0\0\0" + element("00091011", "LO", b"held")
    data = part_10(element("00091010", "SQ", item * 2_000, 0xFFFFFFFF) + SEQUENCE_END)
    walked(data)
    tracemalloc.start()
    walked(data)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 50_000


def test_bytes_of_undefined_length_without_an_end_are_truncated(tmp_path: Path) -> None:
    body = element("00080060", "CS", b"CT") + element("00091010", "OB", b"", 0xFFFFFFFF)
    assert code(part_10(body), tmp_path) == ("TRUNCATED", "HEADER")


def test_a_length_past_the_end_is_truncated(tmp_path: Path) -> None:
    body = element("00080060", "CS", b"CT") + element("00091010", "OB", b"xx", 5_000)
    assert code(part_10(body), tmp_path) == ("TRUNCATED", "HEADER")


def test_pixels_shorter_than_declared_are_truncated(tmp_path: Path) -> None:
    assert code(stored(image())[:-10], tmp_path) == ("TRUNCATED", "PIXEL_DATA")


def test_a_sequence_of_garbage_is_refused(tmp_path: Path) -> None:
    # Its first item seems to reach far past the file's end.
    body = element("00080060", "CS", b"CT") + element("00091010", "SQ", b"\1" * 64, 0xFFFFFFFF)
    assert code(part_10(body), tmp_path) == ("TRUNCATED", "HEADER")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "EMPTY"),
        (b"\x89PNG\r\n\x1a\n" + bytes(300), "NOT_DICOM"),
        (b"hello, this is a text", "NOT_DICOM"),
        (bytes(500), "NOT_DICOM"),
        (b"\x08", "NOT_DICOM"),
        (bytes(128) + b"DICM", "TRUNCATED"),
    ],
)
def test_what_is_no_dicom_file_is_said_so(tmp_path: Path, data: bytes, expected: str) -> None:
    assert code(data, tmp_path)[0] == expected


def test_a_large_element_before_the_header_ends_is_passed_over_unread(tmp_path: Path) -> None:
    whole = stored(image())
    at = whole.index(b"\x10\x00\x20\x00LO")
    big = whole[:at] + element("00091010", "OB", bytes(3_000_000)) + whole[at:]
    reads: list[int] = []
    stream = BytesIO(big)

    def read(start: int, count: int) -> bytes:
        reads.append(count)
        stream.seek(start)
        return stream.read(count)

    found = walker.walk(read, len(big), WANTED)
    assert found.elements[fields.PATIENT] == b"P1"
    assert sum(reads) < 100_000


def test_what_is_learnt_of_elements_is_kept_once_however_many_readers_there_are() -> None:
    # A reader of its own for every shard must not leave a memory of its own behind.
    assert fields.wanted() is fields.wanted()
