"""The header fields that are read: element, column, type, unit, coalescing, and what misleads.

The single place: the scanner's wanted tags, the columns of the header rows and the documentation
(``docs/header-fields.md``) come from here. What does not belong here: how bytes become values
(``values``, ``conversion``).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import polars as pl

from vpack_pipeline.io.dicom.structure import Wanted

Word = Literal["text", "code", "concept", "view", "flag", "sex"]
Kind = Word | Literal["number", "count", "integer", "age", "date", "time", "zone", "instant"]
Path = tuple[int, ...]

SHARED: Final = 0x52009229
PER_FRAME: Final = 0x52009230
CODE: Final = 0x00080100
SCHEME: Final = 0x00080102

# The identifiers: they become pseudonyms and are stored in no other form.
CHARSET: Final = 0x00080005
SOP_CLASS: Final = 0x00080016
SOP_INSTANCE: Final = 0x00080018
STUDY: Final = 0x0020000D
SERIES: Final = 0x0020000E
PATIENT: Final = 0x00100020
ISSUER: Final = 0x00100021
ACCESSION: Final = 0x00080050
DEVICE_SERIAL: Final = 0x00181000
STATION: Final = 0x00081010
PIXEL_REPRESENTATION: Final = 0x00280103
_PLAIN: Final[tuple[int, ...]] = (
    *(CHARSET, SOP_CLASS, SOP_INSTANCE, STUDY, SERIES, PATIENT, ISSUER, ACCESSION),
    *(DEVICE_SERIAL, STATION, PIXEL_REPRESENTATION),
)

_TYPES: Final[Mapping[str, Any]] = {
    **dict.fromkeys(get_args(Word), pl.String),
    **dict.fromkeys(("number", "age", "time"), pl.Float64),
    **dict.fromkeys(("count", "integer", "zone"), pl.Int64),
    "date": pl.Date,
    "instant": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """One place that a column may come from; ``factor`` turns its unit into the column's."""

    keyword: str
    path: Path
    factor: float = 1.0
    is_double: bool = False
    """A binary number (FD), where the column's other sources are text."""
    is_concept: bool = False
    """A sequence of coded concepts: each item's scheme and code are read, never its meaning."""
    part: Literal["date", "time", "zone"] | None = None
    """Only this part of a DT counts."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column: the first source that holds a value fills it.

    ``is_tracked``: the column is followed by ``<column>_raw`` and ``<column>_status``.
    ``is_free_text``: it may name somebody and is stored nowhere. The header row holds a keyed
    digest of it (``<column>_key``), by which a site's value map finds what the text means; the
    table holds that meaning or nothing. All other fields are marked as non-identifying hereby.
    ``misleads``: what a reader of the figures has to know; empty if nothing.
    """

    column: str
    kind: Kind
    sources: tuple[Source, ...]
    description: str
    is_tracked: bool = False
    is_free_text: bool = False
    unit: str | None = None
    least: float = 0.0
    is_open: bool = True
    """A number has to lie above ``least``, not on it: zero stands for unknown."""
    most: float = math.inf
    misleads: str = ""

    @property
    def polars(self) -> Any:
        """Type of the value's column."""
        return _TYPES[self.kind]

    @property
    def is_mappable(self) -> bool:
        """Whether a site's value map may name it."""
        return self.kind in get_args(Word)

    @property
    def per_frame(self) -> Source | None:
        """The source that differs from frame to frame, of a number; else None."""
        found = (s for s in self.sources if s.path[0] == PER_FRAME)
        return next(found, None) if self.kind == "number" else None

    @property
    def stored(self) -> dict[str, Any]:
        """Columns that the field has in a header row, with their types."""
        if self.is_free_text:
            return {f"{self.column}_key": pl.String, f"{self.column}_status": pl.String}
        return self.shown

    @property
    def shown(self) -> dict[str, Any]:
        """Columns that the field has in ``cohort/instances``, with their types."""
        made = {self.column: self.polars}
        if self.per_frame is not None:
            made |= dict.fromkeys((f"{self.column}_min", f"{self.column}_max"), pl.Float64)
            made[f"{self.column}_n_distinct"] = pl.Int64
        if self.is_tracked:
            made[f"{self.column}_raw"] = pl.String
        if self.is_tracked or self.is_free_text:
            made[f"{self.column}_status"] = pl.String
        return made


def _top(keyword: str, tag: int, **given: Any) -> Source:
    return Source(keyword, (tag,), **given)


def _grouped(keyword: str, group: int, tag: int, is_double: bool = False) -> tuple[Source, ...]:
    """Name an element in the functional groups of an enhanced multi-frame image."""
    shared = "SharedFunctionalGroupsSequence"
    per_frame = "PerFrameFunctionalGroupsSequence[1]"
    return (
        Source(f"{shared}/{keyword}", (SHARED, group, tag), is_double=is_double),
        Source(f"{per_frame}/{keyword}", (PER_FRAME, group, tag), is_double=is_double),
    )


_NOT_EACH_OTHER: Final = (
    "Study, series, acquisition and content dates differ; none stands in for another."
)
_LOCAL: Final = "Local time of the device; timezone_offset_min says its distance from UTC."
_TYPED: Final = "Typed by people: a site's value map says what it means, else it stays out."
_ABSENT: Final = "Absent is not no."
_STUDY_DATE: Final = _top("StudyDate", 0x00080020)
_ACQUISITION_DATE_TIME: Final = 0x0008002A
_VIEW: Final = Source("ViewCodeSequence", (0x00540220,), is_concept=True)
_TRACER: Final = 0x00540016

FIELDS: Final[tuple[Field, ...]] = (
    # what the image is
    Field("modality", "code", (_top("Modality", 0x00080060),), "Kind of equipment",
          misleads="CR and DX are mixed up; the SOP class says what the image is."),
    Field("image_type", "code", (_top("ImageType", 0x00080008),), "Values joined by \\"),
    Field("instance_number", "integer", (_top("InstanceNumber", 0x00200013),),
          "Number of the image in its series", least=-math.inf),
    Field("n_frames", "integer", (_top("NumberOfFrames", 0x00280008),), "Frames of the image",
          unit="frames", least=1.0,
          misleads="Absent from an image of one frame. A field that may differ from frame to frame"
          " has the value of the first one, and its least, greatest and number of distinct values"
          " where they differ."),
    Field("rows", "count", (_top("Rows", 0x00280010),), "Height", unit="pixels"),
    Field("columns", "count", (_top("Columns", 0x00280011),), "Width", unit="pixels"),
    Field("bits_allocated", "count", (_top("BitsAllocated", 0x00280100),), "Bits a pixel takes"),
    Field("bits_stored", "count", (_top("BitsStored", 0x00280101),), "Bits of a pixel in use"),
    Field("photometric_interpretation", "code",
          (_top("PhotometricInterpretation", 0x00280004),), "Meaning of pixel values",
          misleads="MONOCHROME1 shows small values bright."),
    Field("lossy_image_compression", "flag", (_top("LossyImageCompression", 0x00282110),),
          "yes, no or absent: whether the image was ever compressed with loss",
          misleads=f"{_ABSENT} It stays yes after decompression, whatever the transfer syntax."),
    Field("lossy_image_compression_method", "code",
          (_top("LossyImageCompressionMethod", 0x00282114),), "How it was compressed with loss"),
    Field("burned_in_annotation", "flag", (_top("BurnedInAnnotation", 0x00280301),),
          "yes, no or absent", misleads=_ABSENT),
    Field("presentation_intent", "code", (_top("PresentationIntentType", 0x00080068),),
          "FOR PRESENTATION or FOR PROCESSING"),
    # what it shows
    Field("body_part", "code", (_top("BodyPartExamined", 0x00180015),),
          "Body part as the operator set it", misleads="Often the default of a protocol."),
    Field("view_position", "view", (_top("ViewPosition", 0x00185101), _VIEW),
          "View of a projection image",
          misleads="May be empty while ViewCodeSequence is filled: known codes become AP, PA …,"
          " another is given as scheme:code."),
    Field("view_code", "concept", (_VIEW,), "Coded view, as scheme:code",
          misleads="May differ from ViewPosition, which comes first in view_position."),
    Field("view_modifiers", "concept",
          (Source("ViewCodeSequence/ViewModifierCodeSequence", (0x00540220, 0x00540222),
                  is_concept=True),),
          "Coded modifiers of the view, such as magnification, as scheme:code joined by \\"),
    Field("laterality", "code",
          (_top("ImageLaterality", 0x00200062), _top("Laterality", 0x00200060),
           *_grouped("FrameLaterality", 0x00209071, 0x00209072)),
          "Side", misleads="Laterality is of the series, ImageLaterality of the image."),
    Field("patient_position", "code", (_top("PatientPosition", 0x00185100),),
          "Position of the patient in the device, such as HFS"),
    Field("breast_implant_present", "flag", (_top("BreastImplantPresent", 0x00281300),),
          "yes, no or absent", misleads=_ABSENT),
    # how it was taken
    Field("scanning_sequence", "code", (_top("ScanningSequence", 0x00180020),),
          "MR: kind of pulse sequence (SE, IR, GR, EP, RM), joined by \\",
          misleads="Enhanced MR images do not have it."),
    Field("sequence_variant", "code", (_top("SequenceVariant", 0x00180021),),
          "MR: variant of the pulse sequence, joined by \\",
          misleads="Enhanced MR images do not have it."),
    Field("transducer_type", "code", (_top("TransducerType", 0x00186031),),
          "US: kind of transducer"),
    Field("radiopharmaceutical_code", "concept",
          (Source("RadiopharmaceuticalInformationSequence/RadiopharmaceuticalCodeSequence",
                  (_TRACER, 0x00540304), is_concept=True),),
          "PT, NM: coded radiopharmaceutical, as scheme:code"),
    Field("radionuclide_code", "concept",
          (Source("RadiopharmaceuticalInformationSequence/RadionuclideCodeSequence",
                  (_TRACER, 0x00540300), is_concept=True),),
          "PT, NM: coded radionuclide, as scheme:code"),
    Field("kvp", "number",
          (_top("KVP", 0x00180060), *_grouped("KVP", 0x00189325, 0x00180060)),
          "Peak tube voltage", is_tracked=True, unit="kV"),
    Field("exposure_mas", "number",
          (_top("Exposure", 0x00181152),
           _top("ExposureInuAs", 0x00181153, factor=0.001),
           _top("ExposureInmAs", 0x00189332, is_double=True),
           *_grouped("ExposureInmAs", 0x00189321, 0x00189332, True)),
          "Tube current × time", is_tracked=True, unit="mAs",
          misleads="Exposure is rounded to whole mAs; where it is 0, ExposureInuAs decides. CT"
          " scanners with dose modulation change it from slice to slice."),
    Field("exposure_index", "number", (_top("ExposureIndex", 0x00181411),),
          "Exposure at the detector (IEC 62494-1)", is_tracked=True,
          misleads="Older devices write their own scale into it; compare within one model."),
    Field("target_exposure_index", "number", (_top("TargetExposureIndex", 0x00181412),),
          "Exposure index that was aimed at", is_tracked=True,
          misleads="A setting of the site, which may be changed over time."),
    Field("deviation_index", "number", (_top("DeviationIndex", 0x00181413),),
          "10 · log10 of exposure index over target", is_tracked=True, least=-math.inf,
          misleads="0 is on target, +3 is twice the dose; it moves when the target is set anew."),
    Field("slice_thickness_mm", "number",
          (_top("SliceThickness", 0x00180050),
           *_grouped("SliceThickness", 0x00289110, 0x00180050)),
          "Nominal thickness of a slice", is_tracked=True, unit="mm",
          misleads="Not the distance between slices."),
    Field("spacing_between_slices_mm", "number",
          (_top("SpacingBetweenSlices", 0x00180088),
           *_grouped("SpacingBetweenSlices", 0x00289110, 0x00180088)),
          "Distance between the centres of adjacent slices", is_tracked=True, unit="mm",
          misleads="Absent from most CT images. NM writes it negative to say a direction: invalid"
          " here, and the raw value says so."),
    Field("pixel_spacing_mm", "number",
          (_top("PixelSpacing", 0x00280030),
           *_grouped("PixelSpacing", 0x00289110, 0x00280030)),
          "Distance between rows, in the patient", is_tracked=True, unit="mm",
          misleads="The first of two values; never filled from ImagerPixelSpacing."),
    Field("imager_pixel_spacing_mm", "number", (_top("ImagerPixelSpacing", 0x00181164),),
          "Distance between rows, at the detector", is_tracked=True, unit="mm",
          misleads="Larger than in the patient by the magnification."),
    Field("convolution_kernel", "text",
          (_top("ConvolutionKernel", 0x00181210),
           *_grouped("ConvolutionKernel", 0x00189314, 0x00181210)),
          "Reconstruction kernel", is_tracked=True,
          misleads="Names differ by maker; several values are joined by \\."),
    Field("magnetic_field_strength_t", "number", (_top("MagneticFieldStrength", 0x00180087),),
          "MR: nominal field strength", is_tracked=True, unit="T", most=30.0,
          misleads="Some scanners write gauss, such as 15000: invalid here, and the raw value"
          " says so."),
    Field("repetition_time_ms", "number",
          (_top("RepetitionTime", 0x00180080),
           *_grouped("RepetitionTime", 0x00189112, 0x00180080)),
          "MR: time from one excitation to the next", is_tracked=True, unit="ms"),
    Field("echo_time_ms", "number",
          (_top("EchoTime", 0x00180081),
           *_grouped("EffectiveEchoTime", 0x00189114, 0x00189082, True)),
          "MR: time from excitation to echo", is_tracked=True, unit="ms",
          misleads="Enhanced images say the effective one."),
    Field("positioner_primary_angle_deg", "number", (_top("PositionerPrimaryAngle", 0x00181510),),
          "XA: RAO (negative) to LAO (positive)", is_tracked=True, unit="degrees",
          least=-180.0, is_open=False, most=180.0),
    Field("positioner_secondary_angle_deg", "number",
          (_top("PositionerSecondaryAngle", 0x00181511),),
          "XA: caudal (negative) to cranial (positive)", is_tracked=True, unit="degrees",
          least=-180.0, is_open=False, most=180.0),
    Field("lossy_image_compression_ratio", "number",
          (_top("LossyImageCompressionRatio", 0x00282112),), "Ratio of lossy compression",
          is_tracked=True, misleads="The first of several compressions; the raw value has all."),
    # what people call it
    Field("contrast_agent", "text", (_top("ContrastBolusAgent", 0x00180010),),
          "Contrast agent", is_free_text=True,
          misleads=f"{_TYPED} Absent does not say that none was given."),
    Field("radiopharmaceutical", "text",
          (Source("RadiopharmaceuticalInformationSequence/Radiopharmaceutical",
                  (_TRACER, 0x00180031)),),
          "PT, NM: name of the radiopharmaceutical", is_free_text=True, misleads=_TYPED),
    Field("study_description", "text", (_top("StudyDescription", 0x00081030),),
          "What the study is called", is_free_text=True, misleads=_TYPED),
    Field("series_description", "text", (_top("SeriesDescription", 0x0008103E),),
          "What the series is called", is_free_text=True, misleads=_TYPED),
    Field("protocol_name", "text", (_top("ProtocolName", 0x00181030),),
          "What the scanner's protocol is called", is_free_text=True, misleads=_TYPED),
    Field("sequence_name", "text",
          (_top("SequenceName", 0x00180024), _top("PulseSequenceName", 0x00189005)),
          "MR: what the pulse sequence is called", is_free_text=True,
          misleads=f"{_TYPED} Names differ by maker."),
    Field("receive_coil_name", "text",
          (_top("ReceiveCoilName", 0x00181250),
           *_grouped("ReceiveCoilName", 0x00189042, 0x00181250)),
          "MR: what the receive coil is called", is_free_text=True, misleads=_TYPED),
    Field("transmit_coil_name", "text",
          (_top("TransmitCoilName", 0x00181251),
           *_grouped("TransmitCoilName", 0x00189049, 0x00181251)),
          "MR: what the transmit coil is called", is_free_text=True, misleads=_TYPED),
    # when
    Field("study_date", "date", (_STUDY_DATE,), "Start of the study", is_tracked=True,
          misleads=_NOT_EACH_OTHER),
    Field("study_time_s", "time", (_top("StudyTime", 0x00080030),),
          "Start of the study, after midnight", is_tracked=True, unit="s", misleads=_LOCAL),
    Field("series_date", "date", (_top("SeriesDate", 0x00080021),), "Start of the series",
          is_tracked=True, misleads=_NOT_EACH_OTHER),
    Field("series_time_s", "time", (_top("SeriesTime", 0x00080031),),
          "Start of the series, after midnight", is_tracked=True, unit="s", misleads=_LOCAL),
    Field("acquisition_date", "date",
          (_top("AcquisitionDate", 0x00080022),
           _top("AcquisitionDateTime", _ACQUISITION_DATE_TIME, part="date")),
          "Day of the acquisition", is_tracked=True, misleads="Local time of the scanner."),
    Field("acquisition_time_s", "time",
          (_top("AcquisitionTime", 0x00080032),
           _top("AcquisitionDateTime", _ACQUISITION_DATE_TIME, part="time")),
          "Start of the acquisition, after midnight", is_tracked=True, unit="s",
          misleads=_LOCAL),
    Field("content_date", "date", (_top("ContentDate", 0x00080023),),
          "Day on which the pixels were made", is_tracked=True, misleads=_NOT_EACH_OTHER),
    Field("content_time_s", "time", (_top("ContentTime", 0x00080033),),
          "When the pixels were made, after midnight", is_tracked=True, unit="s",
          misleads=f"{_LOCAL} Of a reconstruction it is later than the acquisition."),
    Field("timezone_offset_min", "zone",
          (_top("TimezoneOffsetFromUTC", 0x00080201),
           _top("AcquisitionDateTime", _ACQUISITION_DATE_TIME, part="zone")),
          "Local time minus UTC", is_tracked=True, unit="min",
          misleads="Absent from most images, and then no time can be compared between devices."),
    Field("acquisition_datetime", "instant",
          (_top("AcquisitionDateTime", _ACQUISITION_DATE_TIME),
           _top("AcquisitionDate", 0x00080022), _top("AcquisitionTime", 0x00080032),
           _top("TimezoneOffsetFromUTC", 0x00080201)),
          "Start of the acquisition, UTC", is_tracked=True,
          misleads="AcquisitionDateTime with its own offset, else (computed) it, or AcquisitionDate"
          " and AcquisitionTime, with TimezoneOffsetFromUTC. Missing where no offset is written:"
          " none is assumed."),
    # who
    Field("age_years", "age",
          (_top("PatientAge", 0x00101010), _STUDY_DATE, _top("PatientBirthDate", 0x00100030)),
          "Age at the study", is_tracked=True, unit="years",
          misleads="PatientAge, else StudyDate − PatientBirthDate (computed); where both are there"
          " and differ by more than 1.5 years, neither counts (invalid). 090Y may stand for any"
          " higher age. 000Y, and a birth date of 1900-01-01 or of the study date, are"
          " placeholders. Computed ages are completed"
          " years, or months below two years, so that no date of birth can be reckoned back."),
    Field("sex", "sex", (_top("PatientSex", 0x00100040),), "F, M or O", is_tracked=True,
          misleads="Administrative sex as registered."),
    # with what
    Field("manufacturer", "text", (_top("Manufacturer", 0x00080070),), "Maker of the device",
          is_tracked=True, misleads="Spelt in many ways, and makers change their names."),
    Field("model", "text", (_top("ManufacturerModelName", 0x00081090),), "Model of the device",
          is_tracked=True),
    Field("software", "text", (_top("SoftwareVersions", 0x00181020),), "Software versions",
          is_tracked=True, misleads="Several values are joined by \\."),
)  # fmt: skip

BY_COLUMN: Final[Mapping[str, Field]] = {f.column: f for f in FIELDS}


def columns() -> Iterator[tuple[str, Any]]:
    """List the columns of a header row that come from fields, in order, with their types."""
    for field in FIELDS:
        yield from field.stored.items()


@functools.cache
def wanted() -> Wanted:
    """Give the tree of wanted tags, always the same one: what is learnt stays with it."""
    tree: dict[int, Any] = dict.fromkeys(_PLAIN)
    for field in FIELDS:
        for source in field.sources:
            path = (*source.path, CODE) if source.is_concept else source.path
            node = tree
            for tag in path[:-1]:
                node = node.setdefault(tag, {})
            node[path[-1]] = None
            if source.is_concept:
                node[SCHEME] = None
    return tree
