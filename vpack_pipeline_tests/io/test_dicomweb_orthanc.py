"""A real Orthanc: what it holds gives the tables that the same files in a folder give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from dicom_bench import Bench, image, write
from dicomweb_bench import BASIC, Orthanc, orthanc, why_no_orthanc
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from vpack_pipeline.errors import InputError
from vpack_pipeline.io.dicom.fields import FIELDS
from vpack_pipeline.site import FolderSource

WHY = why_no_orthanc()
pytestmark = pytest.mark.skipif(WHY is not None, reason=str(WHY))

LATER, LATEST = "2026-02-05", "2026-03-05"
RAW_NUMBERS = [f"{f.column}_raw" for f in FIELDS if f.kind == "number" and f.is_tracked]
DIFFERS = ("file_id", "transfer_syntax_uid", *RAW_NUMBERS)
"""All that may differ: the place, what metadata do not hold, how a decimal number was spelt."""


def item(**elements: object) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def studies() -> dict[str, Dataset]:
    """Ten files of three patients, as hard as Orthanc takes them."""
    made: dict[str, Dataset] = {}
    for n in range(1, 5):
        made[f"ct/{n}.dcm"] = image(
            n, SliceThickness="1.250000", PixelSpacing=["0.70312500", "0.1"]
        )
    for n in range(5, 7):
        made[f"other/{n}.dcm"] = image(
            n, StudyInstanceUID="1.2.2", SeriesInstanceUID="1.2.2.1", PatientID="Jörg-7",
            PatientName="Müller^Jörg", AccessionNumber="A2", KVP="", Exposure="0",
            ExposureInuAs="80500", PatientAge=None, PatientSex="", Manufacturer="Ärzte 株式会社",
        )  # fmt: skip
    shared = item(
        CTExposureSequence=[item(ExposureInmAs=81.25)],
        PixelMeasuresSequence=[item(SliceThickness="2.50", PixelSpacing=["0.70", "0.80"])],
    )
    frames = [item(CTXRayDetailsSequence=[item(KVP=f"{kv}.0")]) for kv in (100, 120)]
    made["enhanced.dcm"] = image(
        7, SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1", StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.3.1", PatientID="P3", KVP=None, Exposure=None, SliceThickness=None,
        PixelSpacing=None, NumberOfFrames="2", PixelData=bytes(96),
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )  # fmt: skip
    place = {"StudyInstanceUID": "1.2.3", "PatientID": "P3"}
    made["latin.dcm"] = image(
        8, SeriesInstanceUID="1.2.3.2", SpecificCharacterSet="ISO_IR 100",
        Manufacturer="Köhler", ViewPosition="", ImageLaterality="R",
        ViewCodeSequence=Sequence([item(CodeValue="399348003", CodeMeaning="antero")]), **place,
    )  # fmt: skip
    made["sr.dcm"] = image(
        9, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Rows=None, Columns=None, PixelData=None,
        SeriesInstanceUID="1.2.3.3", Modality="SR", **place,
    )  # fmt: skip
    made["localizer.dcm"] = image(
        10, SeriesInstanceUID="1.2.3.4", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **place
    )
    return made


def assert_same(server: Bench, folder: Bench, cut: str) -> dict[str, pl.DataFrame]:
    """Both benches give the same tables but for the listed columns."""
    one, other = server.tables(cut), folder.tables(cut)
    for table in ("instances", "series", "studies"):
        found, expected = (t[table].drop(DIFFERS, strict=False) for t in (one, other))
        assert found.equals(expected), table
    for column in RAW_NUMBERS:
        pairs = zip(one["instances"][column], other["instances"][column], strict=True)
        assert [numbers(a) for a, _ in pairs] == [numbers(b) for b in other["instances"][column]]
    counted = [
        t["files"]
        .group_by("outcome", "outcome_part", "first_seen")
        .len()
        .sort("outcome", "outcome_part", "first_seen")
        for t in (one, other)
    ]
    assert counted[0].equals(counted[1])
    return one


def numbers(raw: str | None) -> list[float] | None:
    return [float(v) for v in raw.split("\\")] if raw else None


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as made:
        yield made


@pytest.fixture
def pacs(running: Orthanc, monkeypatch: pytest.MonkeyPatch) -> Orthanc:
    running.clear()
    monkeypatch.setenv("PACS_AUTH", BASIC)
    return running


@pytest.mark.parametrize("has_feed", [False, True])
def test_scans_of_an_orthanc_follow_what_it_holds(
    tmp_path: Path, pacs: Orthanc, has_feed: bool
) -> None:
    folder = Bench(tmp_path / "folder")
    server = Bench(tmp_path / "server", sources=(pacs.source(has_feed),))
    names = {}
    for number, (name, ds) in enumerate(studies().items()):
        syntax = {"syntax": ImplicitVRLittleEndian} if number % 2 else {}
        names[name] = pacs.store(write(folder.archive / name, ds, **syntax))
    first = assert_same(server, folder, server.cut)
    assert (first["files"].height, first["instances"].height) == (10, 8)
    assert server.scan().read == 0

    pacs.store(folder.add("ct/11.dcm", 11))
    (folder.archive / "other" / "5.dcm").unlink()
    pacs.delete(names["other/5.dcm"])
    if has_feed:  # an instance that is replaced leaves its series' number alone
        place = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.2", "PatientID": "P3"}
        pacs.store(folder.add("latin.dcm", 8, KVP="90", **place))
    assert server.scan(LATER).read == (7 if has_feed else 6)
    assert_same(server, folder, LATER)
    assert server.scan(LATER).read == 0
    assert server.tables()["files"].equals(first["files"])


def test_without_a_feed_the_deep_check_finds_what_was_replaced(
    tmp_path: Path, pacs: Orthanc
) -> None:
    bench = Bench(tmp_path, sources=(pacs.source(),))
    pacs.store(write(tmp_path / "a.dcm", image(1)))
    bench.scan()
    pacs.store(write(tmp_path / "a.dcm", image(1, KVP="90")))
    assert bench.with_headers(bench.scan(LATER))["kvp"].to_list() == [120.0]
    deep = bench.scan(LATEST, is_deep=True)
    assert bench.with_headers(deep).select("kvp", "first_seen").rows() == [(90.0, LATEST)]


def test_a_copy_in_a_folder_is_known_by_its_bytes(tmp_path: Path, pacs: Orthanc) -> None:
    bench = Bench(tmp_path, sources=(FolderSource(path="dicom"), pacs.source()))
    pacs.store(bench.add("same.dcm", 1))
    pacs.store(bench.add("differs.dcm", 2))
    bench.add("differs.dcm", 2, KVP="90")
    found = sorted(bench.scan().files["outcome"].to_list())
    assert found == ["COPY", "DUP_SOP_CONFLICT", "DUP_SOP_CONFLICT", "PARSED"]


def test_who_is_not_let_in_is_told(
    tmp_path: Path, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, sources=(pacs.source(),))
    monkeypatch.setenv("PACS_AUTH", "Basic bm9ib2R5Om5v")
    with pytest.raises(InputError, match="the server answered 401 — set the environment"):
        bench.scan()
