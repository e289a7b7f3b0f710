"""The DICOM JSON model: the same judge gives the same row of a file and of its metadata."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from dicom_bench import image, write
from dicomweb_bench import cell, metadata
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.io.dicom import fields, walker
from vpack_pipeline.io.dicom.archive import OpenFile
from vpack_pipeline.io.dicom.dicomweb import model
from vpack_pipeline.io.dicom.fields import FIELDS
from vpack_pipeline.io.dicom.header import ROW, Header, HeaderReader
from vpack_pipeline.io.dicom.outcomes import HeaderError
from vpack_pipeline.io.identity import Pseudonyms

IDS = Pseudonyms(b"s" * 32, {}, None)
RAW_NUMBERS = {f"{f.column}_raw" for f in FIELDS if f.kind == "number" and f.is_tracked}
MAY_DIFFER = RAW_NUMBERS | {"transfer_syntax_uid"}


def of_file(path: Path) -> Header:
    with OpenFile(str(path).encode()) as file:
        return HeaderReader(IDS).read(walker.walk(file.read, file.size, fields.wanted()))


def of_item(item: dict[str, Any]) -> Header:
    return HeaderReader(IDS).read(model.structure(item, fields.wanted()))


def columns_of(header: Header) -> dict[str, Any]:
    return dict(zip(ROW, header.row(), strict=True))


def same(header: Header) -> dict[str, Any]:
    columns = {k: v for k, v in columns_of(header).items() if k not in MAY_DIFFER}
    return {**columns, "outcome": header.outcome, "detail": header.detail, "field": header.field}


def nested(**elements: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def enhanced() -> Dataset:
    shared = nested(
        CTExposureSequence=[nested(ExposureInmAs=81.25)],
        PixelMeasuresSequence=[nested(SliceThickness="2.50", PixelSpacing=["0.70", "0.80"])],
    )
    frames = [nested(CTXRayDetailsSequence=[nested(KVP=f"{kv}.0")]) for kv in (100, 120)]
    return image(
        1, KVP=None, Exposure=None, SliceThickness=None, PixelSpacing=None, NumberOfFrames="2",
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )  # fmt: skip


@pytest.mark.parametrize(
    "ds",
    [
        image(1),
        image(1, KVP="120.000", SliceThickness="1.250000", PixelSpacing=["7.03125e-1", "0.1"]),
        image(1, KVP="", Exposure="0", ExposureInuAs="80500", PatientAge=None),
        image(1, PatientID="Jörg Müller", Manufacturer="Ärzte 株式会社"),
        image(1, ConvolutionKernel=["Br40d", "3"], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        image(1, Rows=None, PixelData=None),
        image(1, PatientID=None),
        image(1, SeriesInstanceUID=None),
        image(1, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"),
        image(1, ImageType=["DERIVED", "SECONDARY"]),
        image(1, PatientAge="001Y", PatientBirthDate="19830601"),
        image(
            1,
            ViewPosition="",
            ViewCodeSequence=Sequence([nested(CodeValue="399348003", CodeMeaning="antero")]),
        ),
        image(1, ContrastBolusAgentSequence=Sequence([])),
        enhanced(),
    ],
)
def test_a_file_and_its_metadata_are_judged_alike(tmp_path: Path, ds: Dataset) -> None:
    item = metadata(ds)
    held, found = of_file(write(tmp_path / "a.dcm", ds)), of_item(item)
    assert same(found) == same(held)
    for column in RAW_NUMBERS:
        one, other = columns_of(held)[column], columns_of(found)[column]
        assert (one is None) == (other is None)
        if one:
            assert [float(v) for v in one.split("\\")] == [float(v) for v in other.split("\\")]


def test_all_items_of_a_wanted_sequence_are_kept() -> None:
    found = model.structure(metadata(enhanced()), fields.wanted())
    frames = found.elements[header_fields.PER_FRAME]
    assert [f[0x00189325][0][0x00180060] for f in frames] == [b"100", b"120"]
    exposure = found.elements[header_fields.SHARED][0][0x00189321][0][0x00189332]
    assert struct.unpack("<d", exposure) == (81.25,)


@pytest.mark.parametrize(
    ("given", "bytes_"),
    [
        (cell("DS", 1.25, 120, 120.0, "1.50"), b"1.25\\120\\120\\1.50"),
        (cell("DS", 0.10000000000000001, None, 1e-7), b"0.1\\\\1e-07"),
        (cell("IS", 80, "81"), b"80\\81"),
        (cell("LO", "a", None, "ü"), "a\\\\ü".encode()),
        (cell("LO"), b""),
        (cell("US", 4, "5", 6.0), struct.pack("<3H", 4, 5, 6)),
        (cell("SS", -4), struct.pack("<h", -4)),
        (cell("FD", 1.5), struct.pack("<d", 1.5)),
        (cell("FL", "NaN"), struct.pack("<f", float("nan"))),
        (cell("SV", "-9007199254740993"), struct.pack("<q", -9007199254740993)),
        (cell("AT", "00100020"), b"\x10\x00\x20\x00"),
        (cell("PN", {"Alphabetic": "A^B", "Phonetic": "x"}, {}), b"A^B==x\\"),
        (cell("LO", "a\ufffdb"), b"a\xed\xb3\xbfb"),
        ({"vr": "UN", "InlineBinary": "QUJD"}, b"ABC"),
        ({"vr": "OB", "BulkDataURI": "http://far"}, None),
        ({"vr": "UT", "Value": ["x" * 65_537]}, None),
        ({"vr": "SQ", "Value": [{}]}, None),
    ],
)
def test_values_become_the_bytes_of_explicit_vr_little_endian(given: Any, bytes_: Any) -> None:
    assert model.structure({"00181000": given}, {0x00181000: None}).elements[0x00181000] == bytes_


@pytest.mark.parametrize(
    "given",
    [
        "text", 4, [], {"vr": "LO", "Value": "text"}, {"Value": ["a"]}, cell("ZZ", "a"),
        cell("US", 65_536), cell("US", -1), cell("US", 1.5), cell("US", "four"), cell("US", True),
        cell("FL", 1e300), cell("LO", {}), cell("LO", ["a"]), cell("LO", True), cell("AT", "0010"),
        cell("PN", {"Alphabetic": 4.5, "Phonetic": []}), cell("FD", None, {}),
        {"vr": "UN", "InlineBinary": "!"}, {"vr": "UN", "InlineBinary": 4},
    ],
)  # fmt: skip
def test_what_is_not_of_the_model_is_bad_vr(given: Any) -> None:
    with pytest.raises(HeaderError, match="BAD_VR"):
        model.structure({"00181000": given}, {0x00181000: None})


def test_items_that_are_no_objects_are_bad_vr() -> None:
    wanted = fields.wanted()
    tag = f"{header_fields.SHARED:08X}"
    assert model.structure({tag: cell("SQ", None)}, wanted).elements[header_fields.SHARED] == [{}]
    with pytest.raises(HeaderError, match="BAD_VR"):
        model.structure({tag: cell("SQ", "item")}, wanted)


@pytest.mark.parametrize("broken", ["\ufffd", chr(0xDCE4)])
def test_an_identifier_that_the_server_could_not_decode_is_bad_charset(broken: str) -> None:
    item = {**metadata(image(1)), "00100020": cell("LO", f"M{broken}ller")}
    found = of_item(item)
    assert (found.outcome, found.field) == ("BAD_CHARSET", "PatientID")


def test_bytes_that_are_no_utf_8_cost_one_instance() -> None:
    good, bad = metadata(image(1)), {**metadata(image(2)), "00100020": cell("LO", "M@ller")}
    body = json.dumps([good, bad]).encode().replace(b"@", b"\xfc")
    assert [of_item(dict(i)).outcome for i in model.objects(body)] == ["PARSED", "BAD_CHARSET"]


def deep(levels: int) -> str:
    start, end = '{"00082112": {"vr": "SQ", "Value": [', "]}}"
    return start * levels + '{"00080100": {"vr": "SH", "Value": ["]}"]}}' + end * levels


@pytest.mark.parametrize("levels", [65, 400, 20_000])
def test_deep_nesting_costs_one_instance(levels: int) -> None:
    placed = (
        json.dumps(metadata(image(2)))[:-1]
        + f', "00082112": {{"vr": "SQ", "Value": [{deep(levels)}]}}}}'
    )
    body = f"[{json.dumps(metadata(image(1)))}, {placed}, {json.dumps(metadata(image(3)))}]"
    items = list(model.objects(body.encode()))
    assert [i["00080018"]["Value"] for i in items] == [["1.2.3.1"], ["1.2.3.2"], ["1.2.3.3"]]
    assert of_item(dict(items[0])).outcome == of_item(dict(items[2])).outcome == "PARSED"
    with pytest.raises(HeaderError, match="DEPTH"):
        of_item(dict(items[1]))


def test_a_real_depth_is_read() -> None:
    item = {**metadata(image(1)), "00082112": json.loads(deep(63))["00082112"]}
    assert of_item(item).outcome == "PARSED"


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[",
        b"[{}",
        b"[{},",
        b"[{},]",
        b"[{} {}]",
        b"[4]",
        b"[{}] x",
        b"null",
        b"<a/>",
        b'[{"a": 1',
        b'[{"a',
    ],
)
def test_what_is_no_array_of_objects_is_malformed(body: bytes) -> None:
    with pytest.raises(model.MalformedError):
        list(model.objects(body))


def test_no_body_is_no_object() -> None:
    assert list(model.objects(b"")) == list(model.objects(b" [ ] \n")) == []
    assert list(model.objects(b'\xef\xbb\xbf[{"a":{}},\n{"b":{}}]')) == [{"a": {}}, {"b": {}}]


def test_the_digest_is_of_the_object_and_not_of_the_server() -> None:
    item = metadata(image(1, KVP="120.0"))
    other = json.loads(
        json.dumps(dict(reversed(item.items()))).replace("http://far", "https://near")
    )
    other["00081190"] = cell("UR", "https://near/studies/1")
    assert model.digest(item) == model.digest(other)
    assert model.digest(item) != model.digest(metadata(image(1, KVP="121")))


def test_the_transfer_syntax_is_known_where_the_server_names_one() -> None:
    item = metadata(image(1))
    assert columns_of(of_item(item))["transfer_syntax_uid"] is None
    item["00083002"] = cell("UI", "1.2.840.10008.1.2.4.70")
    assert columns_of(of_item(item))["transfer_syntax_uid"] == "1.2.840.10008.1.2.4.70"
    item["00083002"] = cell("UI", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
    assert columns_of(of_item(item))["transfer_syntax_uid"] is None
