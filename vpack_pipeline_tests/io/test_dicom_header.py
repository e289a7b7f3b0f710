"""What a header field becomes: spec tables that a radiographer can read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dicom_bench import CT, Bench, image, part_10, put, write
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from vpack_pipeline.io.dicom import values
from vpack_pipeline.io.dicom.fields import BY_COLUMN, FIELDS, wanted
from vpack_pipeline.io.dicom.outcomes import SET_ASIDE_KINDS, HeaderError

STORAGE = "1.2.840.10008.5.1.4.1.1."

# what stands in the file                          → column, value, raw, status
FIELD_SPEC: tuple[tuple[dict[str, Any], str, Any, str | None, str], ...] = (
    ({"KVP": "120"}, "kvp", 120.0, "120", "ok"),
    ({"KVP": "0"}, "kvp", None, "0", "invalid"),
    ({"KVP": ""}, "kvp", None, None, "missing"),
    ({"KVP": None}, "kvp", None, None, "missing"),
    ({"KVP": ["100", "140"]}, "kvp", 100.0, "100\\140", "ok"),
    ({"Exposure": "80"}, "exposure_mas", 80.0, "80", "ok"),
    ({"Exposure": None, "ExposureInuAs": "1500"}, "exposure_mas", 1.5, "1500", "computed"),
    ({"Exposure": "0", "ExposureInuAs": "400"}, "exposure_mas", 0.4, "400", "computed"),
    ({"Exposure": "0"}, "exposure_mas", None, "0", "invalid"),
    ({"PixelSpacing": ["0.7", "0.5"]}, "pixel_spacing_mm", 0.7, "0.7\\0.5", "ok"),
    # Spacing at the detector never stands in for spacing in the patient.
    ({"PixelSpacing": None, "ImagerPixelSpacing": ["0.15", "0.15"]}, "pixel_spacing_mm", None, None,
     "missing"),
    ({"ImagerPixelSpacing": ["0.15", "0.15"]}, "imager_pixel_spacing_mm", 0.15, "0.15\\0.15", "ok"),
    ({"StudyDate": "20251201"}, "study_date", date(2025, 12, 1), "20251201", "ok"),
    ({"AcquisitionDate": None, "AcquisitionDateTime": "20251202101500"}, "acquisition_date",
     date(2025, 12, 2), "20251202", "ok"),
    # No date stands in for another.
    ({"AcquisitionDate": None, "ContentDate": "20251202"}, "acquisition_date", None, None,
     "missing"),
    ({"PatientAge": "042Y"}, "age_years", 42.0, "042Y", "ok"),
    ({"PatientAge": "018M", "PatientBirthDate": None}, "age_years", 1.5, "018M", "ok"),
    ({"PatientAge": "042Y", "PatientBirthDate": "20010101"}, "age_years", None, "042Y", "invalid"),
    ({"PatientAge": None}, "age_years", 42.0, None, "computed"),
    ({"PatientAge": None, "PatientBirthDate": "20250301"}, "age_years", 0.75, None, "computed"),
    ({"PatientAge": None, "PatientBirthDate": None}, "age_years", None, None, "missing"),
    ({"PatientAge": None, "PatientBirthDate": "19000101"}, "age_years", None, None, "missing"),
    ({"PatientAge": None, "PatientBirthDate": "20251201"}, "age_years", None, None, "missing"),
    ({"PatientAge": "000Y", "PatientBirthDate": "20251201"}, "age_years", None, "000Y", "invalid"),
    ({"PatientAge": "003D", "PatientBirthDate": "20251128"}, "age_years", 3 / 365.25, "003D", "ok"),
    ({"PatientAge": None, "PatientBirthDate": "20300101"}, "age_years", None, None, "invalid"),
    ({"PatientAge": "090Y", "PatientBirthDate": "19280101"}, "age_years", 90.0, "090Y", "ok"),
    ({"PatientAge": "095Y", "PatientBirthDate": None}, "age_years", 95.0, "095Y", "ok"),
    ({"PatientSex": "F"}, "sex", "F", "F", "ok"),
    ({"PatientSex": ""}, "sex", None, None, "missing"),
    ({"PatientSex": "0000"}, "sex", None, "0000", "invalid"),
    ({"Manufacturer": "SIEMENS"}, "manufacturer", "SIEMENS", "SIEMENS", "ok"),
    ({"SoftwareVersions": ["VA48A", "2"]}, "software", "VA48A\\2", "VA48A\\2", "ok"),
    ({"ConvolutionKernel": None}, "convolution_kernel", None, None, "missing"),
    ({"ContrastBolusAgent": "Iohexol"}, "contrast_agent", "Iohexol", "Iohexol", "ok"),
)  # fmt: skip

PLAIN_SPEC: tuple[tuple[dict[str, Any], str, Any], ...] = (
    ({"BurnedInAnnotation": "YES"}, "burned_in_annotation", "yes"),
    ({"BurnedInAnnotation": "NO"}, "burned_in_annotation", "no"),
    ({}, "burned_in_annotation", "absent"),
    ({"ViewPosition": "PA"}, "view_position", "PA"),
    ({"Laterality": "L"}, "laterality", "L"),
    ({"Laterality": "L", "ImageLaterality": "R"}, "laterality", "R"),
    ({}, "image_type", "ORIGINAL\\PRIMARY\\AXIAL"),
    ({}, "instance_number", 1),
    ({}, "rows", 4),
    ({}, "columns", 6),
    ({}, "bits_stored", 12),
)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom.*")
@pytest.mark.parametrize(("given", "column", "value", "raw", "status"), FIELD_SPEC)
def test_a_tracked_field(
    tmp_path: Path, given: dict[str, Any], column: str, value: Any, raw: str | None, status: str
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", **given)
    row = bench.row()
    assert (row["outcome"], row[f"{column}_status"]) == ("PARSED", status)
    assert row[column] == (pytest.approx(value) if isinstance(value, float) else value)
    assert row[f"{column}_raw"] == raw


@pytest.mark.parametrize(("given", "column", "value"), PLAIN_SPEC)
def test_a_plain_field(tmp_path: Path, given: dict[str, Any], column: str, value: Any) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", **given)
    assert bench.row()[column] == value


def with_bytes(ds: Dataset, old: bytes, new: bytes, tmp_path: Path) -> bytes:
    data = write(tmp_path / "made" / "x.dcm", ds).read_bytes()
    assert data.count(old) == 1
    assert len(old) == len(new)
    return data.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "column", "raw"),
    [
        (b"AS\x04\x00042Y", b"AS\x04\x00N-A ", "age_years", "N-A"),
        (b"AS\x04\x00042Y", b"AS\x04\x0064  ", "age_years", "64"),
        (b"DS\x04\x001.25", b"DS\x04\x001,25", "slice_thickness_mm", "1,25"),
        (b"DS\x04\x001.25", b"DS\x04\x00ANNA", "slice_thickness_mm", None),
        (b"\x20\x00DA\x08\x0020251201", b"\x20\x00DA\x08\x0020251399", "study_date", "20251399"),
        (b"\x20\x00DA\x08\x0020251201", b"\x20\x00DA\x08\x00SMITH, J", "study_date", None),
    ],
)
def test_a_wrong_value_is_invalid_and_kept_only_if_it_looks_like_its_kind(
    tmp_path: Path, old: bytes, new: bytes, column: str, raw: str | None
) -> None:
    bench = Bench(tmp_path)
    ds = image(PatientBirthDate=None)
    put(bench.archive / "a.dcm", with_bytes(ds, old, new, tmp_path))
    row = bench.row()
    assert (row[column], row[f"{column}_raw"], row[f"{column}_status"]) == (None, raw, "invalid")


def test_a_date_of_the_old_form_is_read(tmp_path: Path) -> None:
    assert values.day("2025.12.01") == date(2025, 12, 1)
    assert values.day("18491231") is None


def test_long_text_is_free_text_and_dropped(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    data = write(tmp_path / "made" / "x.dcm", image(Manufacturer="S" * 64)).read_bytes()
    put(bench.archive / "a.dcm", data)
    assert bench.row()["manufacturer"] == "S" * 64
    long = data.replace(b"LO\x40\x00" + b"S" * 64, b"LO\x42\x00" + b"S" * 66)
    put(bench.archive / "a.dcm", long)
    row = bench.row()
    assert (row["manufacturer"], row["manufacturer_raw"]) == (None, None)
    assert row["manufacturer_status"] == "invalid"


def test_a_view_comes_from_its_code_where_view_position_is_empty(tmp_path: Path) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "272479007", "SCT"
    code.CodeMeaning = "postero-anterior"
    bench = Bench(tmp_path)
    bench.add("a.dcm", ViewPosition="", ViewCodeSequence=Sequence([code]))
    assert bench.row()["view_position"] == "PA"
    code.CodeValue = "999"
    bench.add("a.dcm", ViewPosition="", ViewCodeSequence=Sequence([code]))
    assert bench.row()["view_position"] == "postero-anterior"


@pytest.mark.parametrize(
    "place", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"]
)
def test_an_enhanced_image_keeps_its_fields_in_functional_groups(
    tmp_path: Path, place: str
) -> None:
    def item(**elements: Any) -> Sequence:
        ds = Dataset()
        for keyword, value in elements.items():
            setattr(ds, keyword, value)
        return Sequence([ds])

    group = Dataset()
    group.PixelMeasuresSequence = item(PixelSpacing=["0.6", "0.6"], SliceThickness="2.5")
    group.CTXRayDetailsSequence = item(KVP="100")
    group.CTExposureSequence = item(ExposureInmAs=31.25)
    group.CTReconstructionSequence = item(ConvolutionKernel="STANDARD")
    other = Dataset()
    other.CTXRayDetailsSequence = item(KVP="140")
    bench = Bench(tmp_path)
    bench.add(
        "a.dcm",
        SOPClassUID=f"{STORAGE}2.1",
        **dict.fromkeys(("KVP", "Exposure", "SliceThickness", "PixelSpacing", "ConvolutionKernel")),
        **{place: Sequence([group, other])},
    )
    row = bench.row()
    assert row["outcome"] == "PARSED"
    assert (row["kvp"], row["slice_thickness_mm"], row["pixel_spacing_mm"]) == (100.0, 2.5, 0.6)
    assert (row["exposure_mas"], row["convolution_kernel"]) == (31.25, "STANDARD")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"SOPClassUID": f"{STORAGE}88.11"}, "SR"),
        ({"SOPClassUID": f"{STORAGE}88.59"}, "KO"),
        ({"SOPClassUID": f"{STORAGE}11.1"}, "PR"),
        ({"SOPClassUID": f"{STORAGE}66.4"}, "SEG"),
        ({"SOPClassUID": f"{STORAGE}66.7"}, "SEG"),
        ({"SOPClassUID": f"{STORAGE}66"}, "OTHER_NON_IMAGE"),
        ({"SOPClassUID": f"{STORAGE}481.3"}, "RT"),
        ({"SOPClassUID": f"{STORAGE}9.1.1"}, "WAVEFORM"),
        ({"SOPClassUID": f"{STORAGE}104.1"}, "ENCAPSULATED"),
        ({"SOPClassUID": "1.2.840.10008.1.3.10"}, "DICOMDIR"),
        ({"SOPClassUID": f"{STORAGE}7"}, "SECONDARY_CAPTURE"),
        ({"SOPClassUID": f"{STORAGE}7.4"}, "SECONDARY_CAPTURE"),
        ({"SOPClassUID": f"{STORAGE}1.1.1"}, "FOR_PROCESSING"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "FOR_PROCESSING"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "LOCALIZER"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "DERIVED_SECONDARY"),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, None),
        ({"SOPClassUID": f"{STORAGE}77.1.6"}, None),
        ({"Modality": "CR", "SOPClassUID": f"{STORAGE}1.1"}, None),
    ],
)
def test_what_is_no_image_to_be_read_is_set_aside(
    tmp_path: Path, given: dict[str, Any], kind: str | None
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", **given)
    row = bench.row()
    assert (row["outcome"], row["detail"]) == (("SET_ASIDE", kind) if kind else ("PARSED", None))
    assert kind is None or kind in SET_ASIDE_KINDS


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"PatientID": None}, "PatientID"),
        ({"PatientID": "  "}, "PatientID"),
        ({"StudyInstanceUID": None}, "StudyInstanceUID"),
        ({"SeriesInstanceUID": None}, "SeriesInstanceUID"),
        ({"StudyInstanceUID": ["1.2.1", "1.2.2"]}, "StudyInstanceUID"),
    ],
)
def test_an_image_that_cannot_be_placed_is_missing_a_uid(
    tmp_path: Path, given: dict[str, Any], field: str
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", **given)
    row = bench.row()
    assert (row["outcome"], row["field"]) == ("MISSING_UID", field)


def test_a_name_that_the_character_set_cannot_hold(tmp_path: Path) -> None:
    assert values.text("Müller".encode("latin-1"), ("latin_1",)) == "Müller"
    with pytest.raises(HeaderError, match="BAD_CHARSET"):
        values.text("Müller".encode("latin-1"), ("utf-8",))
    with pytest.raises(HeaderError, match="BAD_CHARSET"):
        values.text("Müller".encode("latin-1"), None)
    assert values.encodings(b"ISO_IR 999") is None
    assert values.encodings(b"ISO_IR 192 ") == ("UTF8",)


def test_code_extensions_are_followed() -> None:
    # PS3.5 annex H.3.1: Yamada Tarou, in kanji after an escape sequence.
    charset = values.encodings(b"\\ISO 2022 IR 87")
    assert values.text(b"Yamada=\x1b$B;3ED\x1b(B", charset) == "Yamada=山田"
    with pytest.raises(HeaderError, match="BAD_CHARSET"):
        values.text(b"Yamada=\x1b$B;3ED\x1b(B", ("latin_1",))


def test_a_patient_id_that_cannot_be_decoded_is_quarantined_a_maker_only_invalid(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    whole = write(tmp_path / "made" / "x.dcm", image(PatientID="Muller", Manufacturer="Sumens"))
    data = whole.read_bytes()
    put(bench.archive / "a.dcm", data.replace(b"Muller", b"M\xfcller"))
    row = bench.row()
    assert (row["outcome"], row["field"]) == ("BAD_CHARSET", "PatientID")
    put(bench.archive / "a.dcm", data.replace(b"Sumens", b"S\xfcmens"))
    row = bench.row()
    assert (row["outcome"], row["manufacturer"]) == ("PARSED", None)
    assert row["manufacturer_status"] == "invalid"


def test_the_patient_is_scoped_by_its_issuer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, issuer="LAKESIDE")
    bench.add("a.dcm", 1)
    bench.add("b.dcm", 2, IssuerOfPatientID="ELSEWHERE")
    assert bench.row("a.dcm")["patient_id"] == bench.ids.patient("P1", "LAKESIDE")
    assert bench.row("b.dcm")["patient_id"] == bench.ids.patient("P1", "ELSEWHERE")


def test_an_image_cut_between_two_elements_is_truncated_one_without_pixels_is_not(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    whole = write(tmp_path / "made" / "x.dcm", image()).read_bytes()
    put(bench.archive / "cut.dcm", whole[: whole.index(b"\x28\x00\x30\x00")])
    put(bench.archive / "early.dcm", whole[: whole.index(b"\x18\x00\x60\x00")])
    put(bench.archive / "stripped.dcm", whole[: whole.index(b"\xe0\x7f\x10\x00")])
    assert bench.outcomes() == {
        "cut.dcm": "TRUNCATED",
        "early.dcm": "TRUNCATED",
        "stripped.dcm": "PARSED",
    }


def test_an_image_without_any_sop_class_is_missing_a_uid(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    put(bench.archive / "a.dcm", part_10(b"\x08\x00\x60\x00CS\x02\x00CT"))
    row = bench.row()
    assert (row["outcome"], row["field"]) == ("MISSING_UID", "SOPClassUID")


def test_every_field_is_documented_and_its_elements_are_what_they_are_called() -> None:
    from pydicom.datadict import dictionary_keyword

    assert len(BY_COLUMN) == len(FIELDS)
    for field in FIELDS:
        assert field.description
        for source in field.sources:
            assert source.keyword.rpartition("/")[2] == dictionary_keyword(source.path[-1])
            node: Any = wanted()
            for tag in source.path:
                assert tag in node
                node = node[tag]
    assert CT.startswith(STORAGE)
