"""What a header field becomes: spec tables that a radiographer can read."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from dicom_bench import CT, Bench, element, image, part_10, put, write
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.io.dicom import charsets, conversion, values
from vpack_pipeline.io.dicom.fields import BY_COLUMN, CODE, FIELDS, wanted
from vpack_pipeline.io.dicom.outcomes import SET_ASIDE_KINDS

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
    ({"Exposure": None, "ExposureInmAs": 31.25}, "exposure_mas", 31.25, "31.25", "ok"),
    ({"Exposure": None, "ExposureInmAs": math.nan}, "exposure_mas", None, None, "invalid"),
    ({"ExposureIndex": "400"}, "exposure_index", 400.0, "400", "ok"),
    ({"DeviationIndex": "-1.5"}, "deviation_index", -1.5, "-1.5", "ok"),
    ({"DeviationIndex": "0"}, "deviation_index", 0.0, "0", "ok"),
    ({"SpacingBetweenSlices": "-3"}, "spacing_between_slices_mm", None, "-3", "invalid"),
    ({"ManufacturerModelName": "AXIOM Luminos"}, "model", "AXIOM Luminos", "AXIOM Luminos", "ok"),
    ({"TargetExposureIndex": "250"}, "target_exposure_index", 250.0, "250", "ok"),
    ({"TargetExposureIndex": "0"}, "target_exposure_index", None, "0", "invalid"),
    ({"EchoTime": "4.6"}, "echo_time_ms", 4.6, "4.6", "ok"),
    ({"EchoTime": "0"}, "echo_time_ms", None, "0", "invalid"),
    ({"PositionerSecondaryAngle": "30"}, "positioner_secondary_angle_deg", 30.0, "30", "ok"),
    ({"SeriesDate": "20251203"}, "series_date", date(2025, 12, 3), "20251203", "ok"),
    ({"SeriesTime": "000001"}, "series_time_s", 1.0, "000001", "ok"),
    ({"ContentDate": "20251204"}, "content_date", date(2025, 12, 4), "20251204", "ok"),
    ({"ContentTime": "2359"}, "content_time_s", 86340.0, "2359", "ok"),
    ({"MagneticFieldStrength": "1.5"}, "magnetic_field_strength_t", 1.5, "1.5", "ok"),
    ({"MagneticFieldStrength": "15000"}, "magnetic_field_strength_t", None, "15000", "invalid"),
    ({"RepetitionTime": "8.6"}, "repetition_time_ms", 8.6, "8.6", "ok"),
    ({"PositionerPrimaryAngle": "-180"}, "positioner_primary_angle_deg", -180.0, "-180", "ok"),
    ({"PositionerPrimaryAngle": "181"}, "positioner_primary_angle_deg", None, "181", "invalid"),
    ({"LossyImageCompressionRatio": ["10", "2"]}, "lossy_image_compression_ratio", 10.0, "10\\2",
     "ok"),
    ({"StudyTime": "101500.25"}, "study_time_s", 36900.25, "101500.25", "ok"),
    ({"StudyTime": "10"}, "study_time_s", 36000.0, "10", "ok"),
    ({"StudyTime": "235960"}, "study_time_s", 86400.0, "235960", "ok"),
    ({"StudyTime": "2500"}, "study_time_s", None, "2500", "invalid"),
    ({"AcquisitionDateTime": "20251202101500.5+0100"}, "acquisition_time_s", 36900.5, "101500.5",
     "ok"),
    ({"TimezoneOffsetFromUTC": "-0330"}, "timezone_offset_min", -210, "-0330", "ok"),
    ({"TimezoneOffsetFromUTC": "+9900"}, "timezone_offset_min", None, "+9900", "invalid"),
    ({"AcquisitionDateTime": "20251202003000+0100"}, "timezone_offset_min", 60, "+0100", "ok"),
    ({"AcquisitionDateTime": "20251202003000+0100"}, "acquisition_datetime",
     datetime(2025, 12, 1, 23, 30, tzinfo=UTC), "20251202003000+0100", "ok"),
    ({"AcquisitionDateTime": "20251202003000", "TimezoneOffsetFromUTC": "+0100"},
     "acquisition_datetime", datetime(2025, 12, 1, 23, 30, tzinfo=UTC), "20251202003000",
     "computed"),
    ({"AcquisitionTime": "1015", "TimezoneOffsetFromUTC": "+0000"}, "acquisition_datetime",
     datetime(2025, 12, 1, 10, 15, tzinfo=UTC), None, "computed"),
    # No zone is assumed.
    ({"AcquisitionDateTime": "20251202003000"}, "acquisition_datetime", None, "20251202003000",
     "missing"),
    ({"AcquisitionDateTime": "20251302003000+0100"}, "acquisition_datetime", None,
     "20251302003000+0100", "invalid"),
    ({"AcquisitionTime": "9915", "TimezoneOffsetFromUTC": "+0000"}, "acquisition_datetime", None,
     None, "invalid"),
)  # fmt: skip

PLAIN_SPEC: tuple[tuple[dict[str, Any], str, Any], ...] = (
    ({"BurnedInAnnotation": "YES"}, "burned_in_annotation", "yes"),
    ({"BurnedInAnnotation": "NO"}, "burned_in_annotation", "no"),
    ({}, "burned_in_annotation", "absent"),
    ({"ViewPosition": "PA"}, "view_position", "PA"),
    ({"Laterality": "L"}, "laterality", "L"),
    ({"Laterality": "L", "ImageLaterality": "R"}, "laterality", "R"),
    ({}, "modality", "CT"),
    ({}, "photometric_interpretation", "MONOCHROME2"),
    ({"PresentationIntentType": "FOR PRESENTATION"}, "presentation_intent", "FOR PRESENTATION"),
    ({"SequenceVariant": ["SK", "SP"]}, "sequence_variant", "SK\\SP"),
    ({}, "image_type", "ORIGINAL\\PRIMARY\\AXIAL"),
    ({}, "instance_number", 1),
    ({}, "rows", 4),
    ({}, "columns", 6),
    ({}, "bits_allocated", 16),
    ({}, "bits_stored", 12),
    ({}, "n_frames", None),
    ({"NumberOfFrames": "3"}, "n_frames", 3),
    ({"NumberOfFrames": "0"}, "n_frames", None),
    ({"InstanceNumber": "-2"}, "instance_number", -2),
    ({"LossyImageCompression": "01"}, "lossy_image_compression", "yes"),
    ({"LossyImageCompression": "00"}, "lossy_image_compression", "no"),
    ({}, "lossy_image_compression", "absent"),
    ({"LossyImageCompressionMethod": "ISO_10918_1"}, "lossy_image_compression_method",
     "ISO_10918_1"),
    ({"BreastImplantPresent": "YES"}, "breast_implant_present", "yes"),
    ({"PatientPosition": "HFS"}, "patient_position", "HFS"),
    ({"ScanningSequence": ["GR", "IR"]}, "scanning_sequence", "GR\\IR"),
    ({"DetectorType": "DIRECT"}, "detector_type", "DIRECT"),
    ({"TransducerType": "LINEAR"}, "transducer_type", "LINEAR"),
    # A code is written in seven bits, in parts of sixteen characters.
    ({"BodyPartExamined": "THORAX^ANNA"}, "body_part", None),
    ({"BodyPartExamined": "THORAX OF MRS ANNA"}, "body_part", None),
    ({"BodyPartExamined": "KÖRPER"}, "body_part", None),
)  # fmt: skip


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


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom.*")
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


def concept(scheme: str, code: str, **inner: Sequence) -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = code, scheme, "named Anna"
    for keyword, items in inner.items():
        setattr(ds, keyword, items)
    return ds


@pytest.mark.parametrize(
    ("named", "scheme", "code", "view", "coded"),
    [
        ("", "SCT", "272479007", "PA", "SCT:272479007"),
        ("", "SRT", "R-10242", "CC", "SRT:R-10242"),
        ("AP", "SCT", "272479007", "AP", "SCT:272479007"),
        ("", "SCT", "999", "SCT:999", "SCT:999"),
        ("", "99LOCAL", "R-10242", "99LOCAL:R-10242", "99LOCAL:R-10242"),
        ("", "99LOCAL", "Anna, lying", None, None),
    ],
)
def test_a_view_comes_from_its_code_where_view_position_is_empty(
    tmp_path: Path, named: str, scheme: str, code: str, view: str | None, coded: str | None
) -> None:
    bench = Bench(tmp_path)
    bench.add("a.dcm", ViewPosition=named, ViewCodeSequence=Sequence([concept(scheme, code)]))
    row = bench.row()
    assert (row["view_position"], row["view_code"]) == (view, coded)
    assert not any("Anna" in str(v) for v in row.values())


def test_all_modifiers_of_a_view_are_kept(tmp_path: Path) -> None:
    modifiers = Sequence([concept("SCT", "399163009"), concept("SCT", "399055006")])
    view = concept("SCT", "399162004", ViewModifierCodeSequence=modifiers)
    bench = Bench(tmp_path)
    bench.add("a.dcm", ViewCodeSequence=Sequence([view]))
    assert bench.row()["view_modifiers"] == "SCT:399163009\\SCT:399055006"


def test_short_names_of_views_are_those_of_the_standards_codes() -> None:
    from pydicom.sr._snomed_dict import mapping
    from pydicom.sr.codedict import codes

    known = {c.value for cid in (codes.cid4010, codes.cid4014) for c in cid.concepts.values()}
    for code, name in conversion.VIEWS.items():
        sct = mapping["SRT"].get(code, code)
        assert sct in known
        assert conversion.VIEWS[sct] == name


def test_a_radiopharmaceutical_is_known_by_its_code(tmp_path: Path) -> None:
    tracer = Dataset()
    tracer.Radiopharmaceutical = "FDG for Anna"
    tracer.RadiopharmaceuticalCodeSequence = Sequence([concept("SCT", "35321007")])
    tracer.RadionuclideCodeSequence = Sequence([concept("SCT", "77004003")])
    bench = Bench(tmp_path)
    bench.add("a.dcm", RadiopharmaceuticalInformationSequence=Sequence([tracer]))
    row = bench.row()
    assert (row["radiopharmaceutical_code"], row["radionuclide_code"]) == (
        "SCT:35321007",
        "SCT:77004003",
    )
    assert row["radiopharmaceutical_status"] == "withheld"


# element                              → column
FREE_TEXT_SPEC: tuple[tuple[str, str], ...] = (
    ("ContrastBolusAgent", "contrast_agent"),
    ("RadiopharmaceuticalInformationSequence/Radiopharmaceutical", "radiopharmaceutical"),
    ("StudyDescription", "study_description"),
    ("SeriesDescription", "series_description"),
    ("ProtocolName", "protocol_name"),
    ("SequenceName", "sequence_name"),
    ("PulseSequenceName", "sequence_name"),
    ("ReceiveCoilName", "receive_coil_name"),
    ("TransmitCoilName", "transmit_coil_name"),
)


def test_every_free_text_is_in_the_table() -> None:
    assert {column for _, column in FREE_TEXT_SPEC} == {f.column for f in FIELDS if f.is_free_text}


@pytest.mark.parametrize(("element", "column"), FREE_TEXT_SPEC)
def test_free_text_leaves_the_reader_as_a_keyed_digest_only(
    tmp_path: Path, element: str, column: str
) -> None:
    outer, _, keyword = element.rpartition("/")
    given: dict[str, Any] = {keyword: "THORAX of Anna"}
    if outer:
        holder = Dataset()
        setattr(holder, keyword, "THORAX of Anna")
        given = {outer: Sequence([holder])}
    bench = Bench(tmp_path)
    bench.add("a.dcm", **given)
    bench.add("b.dcm", 2)
    row, without = bench.row("a.dcm"), bench.row("b.dcm")
    assert row[f"{column}_key"] == bench.ids.text(column, " THORAX of Anna")
    assert row[f"{column}_status"] == "withheld"
    assert not any("Anna" in str(v) for v in row.values())
    assert (without[f"{column}_key"], without[f"{column}_status"]) == (None, "missing")


def test_text_inside_a_sequence_counts_only_in_ascii(tmp_path: Path) -> None:
    # An item may declare a character set of its own.
    shared, coil = Dataset(), Dataset()
    coil.ReceiveCoilName = "KÖPF"
    shared.MRReceiveCoilSequence = Sequence([coil])
    bench = Bench(tmp_path)
    bench.add("a.dcm", SharedFunctionalGroupsSequence=Sequence([shared]))
    row = bench.row()
    assert (row["receive_coil_name_key"], row["receive_coil_name_status"]) == (None, "invalid")


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
    varies = place.startswith("PerFrame")
    summary = (row["kvp_min"], row["kvp_max"], row["kvp_n_distinct"])
    assert summary == ((100.0, 140.0, 2) if varies else (None, None, None))
    assert row["slice_thickness_mm_n_distinct"] is None


def test_frames_are_summarised_over_what_they_hold(tmp_path: Path) -> None:
    frames = []
    for thickness in ("2.5", "1", "2.50", "0", None, "5"):
        frame, measures = Dataset(), Dataset()
        if thickness is not None:
            measures.SliceThickness = thickness
            frame.PixelMeasuresSequence = Sequence([measures])
        frames.append(frame)
    bench = Bench(tmp_path)
    bench.add("a.dcm", SliceThickness=None, PerFrameFunctionalGroupsSequence=Sequence(frames))
    row = bench.row()
    found = [row[f"slice_thickness_mm{tail}"] for tail in ("", "_min", "_max", "_n_distinct")]
    assert found == [2.5, 1.0, 5.0, 3]


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


def test_a_value_longer_than_any_that_is_wanted_is_invalid_not_missing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    long = element("00181030", "UT", b"P" * 70_000)
    whole = write(tmp_path / "made" / "x.dcm", image()).read_bytes()
    at = whole.index(b"\x18\x00\x52\x11")
    put(bench.archive / "a.dcm", whole[:at] + long + whole[at:])
    assert bench.row()["protocol_name_status"] == "invalid"


def test_a_field_depends_on_nothing_but_the_bytes_of_its_sources() -> None:
    # What is kept by these bytes must be what a second conversion would give.
    latin, none = charsets.declared(b"ISO_IR 100"), charsets.declared(b"ISO_IR 999")
    samples = (None, b"", b"12", b"042Y", b"20250101", b"YES", b"SCT:1", b"M\xfcller", bytes(8))
    for field in FIELDS:
        for value in samples:
            given = (value,) * len(field.sources)
            for charset in (latin, none):
                made = conversion.convert(field, given, charset, "<")
                assert made == conversion.convert(field, given, charset, "<")
                width = 2 if field.is_free_text else 3 if field.is_tracked else 1
                assert len(made) == width
                if width > 1:
                    assert made[-1] in conversion.STATUSES


def test_every_kind_that_can_be_declared_has_a_converter() -> None:
    assert set(conversion._KINDS) == set(header_fields.TYPES) == {f.kind for f in FIELDS}


def test_the_elements_of_every_field_are_what_they_are_called() -> None:
    from pydicom.datadict import dictionary_keyword, dictionary_VR

    assert len(BY_COLUMN) == len(FIELDS)
    for field in FIELDS:
        for source in field.sources:
            assert source.keyword.rpartition("/")[2] == dictionary_keyword(source.path[-1])
            assert source.is_double == (dictionary_VR(source.path[-1]) == "FD")
            assert source.is_concept == (dictionary_VR(source.path[-1]) == "SQ")
            node: Any = wanted()
            for tag in (*source.path, CODE) if source.is_concept else source.path:
                assert tag in node
                node = node[tag]
    assert CT.startswith(STORAGE)


def test_what_people_type_is_free_text() -> None:
    # PS3.15 table E.1-1 removes or cleans these; of the rest, makers and the standard decide.
    from pydicom.datadict import dictionary_VR

    typed = {
        *("ContrastBolusAgent", "StudyDescription", "SeriesDescription", "ProtocolName"),
        *("ReceiveCoilName", "TransmitCoilName", "Radiopharmaceutical", "SequenceName"),
        "PulseSequenceName",
    }
    by_makers = {
        *("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "ConvolutionKernel"),
        "TimezoneOffsetFromUTC",
    }
    for field in FIELDS:
        for source in field.sources:
            keyword = source.keyword.rpartition("/")[2]
            assert field.is_free_text == (keyword in typed)
            if dictionary_VR(source.path[-1]) in {"LO", "SH", "LT", "ST", "UT", "UC", "PN"}:
                assert keyword in typed | by_makers
