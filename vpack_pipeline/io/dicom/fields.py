"""The header fields that are read: element, column, type, unit, coalescing, and what misleads.

The single place: the scanner's wanted tags, the columns of the header rows and the documentation
come from here. What does not belong here: how bytes become values (``values``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl

from vpack_pipeline.io.dicom.structure import Wanted

Kind = Literal["text", "code", "number", "count", "integer", "date", "age", "sex"]
Path = tuple[int, ...]

SHARED: Final = 0x52009229
PER_FRAME: Final = 0x52009230
MEANING: Final = 0x00080104
CODE: Final = 0x00080100

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
BIRTH_DATE: Final = 0x00100030
PATIENT_AGE: Final = 0x00101010
PIXEL_REPRESENTATION: Final = 0x00280103
_PLAIN: Final[tuple[int, ...]] = (
    *(CHARSET, SOP_CLASS, SOP_INSTANCE, STUDY, SERIES, PATIENT, ISSUER, ACCESSION),
    *(DEVICE_SERIAL, STATION, BIRTH_DATE, PIXEL_REPRESENTATION),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One place that a column may come from; ``factor`` turns its unit into the column's."""

    keyword: str
    path: Path
    factor: float = 1.0
    is_double: bool = False
    """A binary number (FD), where the column's other sources are text."""
    first: int | None = None
    """Only so many characters count, such as the day of a date and time."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column: the first source that holds a value fills it.

    ``is_tracked``: the column is followed by ``<column>_raw`` and ``<column>_status``.
    ``misleads``: what a reader of the figures has to know; empty if nothing.
    """

    column: str
    kind: Kind
    sources: tuple[Source, ...]
    description: str
    is_tracked: bool = False
    unit: str | None = None
    least: float = 0.0
    is_open: bool = True
    """A number has to lie above ``least``, not on it: zero stands for unknown."""
    misleads: str = ""

    @property
    def polars(self) -> Any:
        """Type of the value's column."""
        return _TYPES[self.kind]


_TYPES: Final[Mapping[str, Any]] = {
    "text": pl.String,
    "code": pl.String,
    "sex": pl.String,
    "number": pl.Float64,
    "age": pl.Float64,
    "count": pl.Int64,
    "integer": pl.Int64,
    "date": pl.Date,
}


def _grouped(keyword: str, group: int, tag: int, is_double: bool = False) -> tuple[Source, ...]:
    """Name an element in the functional groups of an enhanced multi-frame image."""
    shared = "SharedFunctionalGroupsSequence"
    per_frame = "PerFrameFunctionalGroupsSequence[1]"
    return (
        Source(f"{shared}/{keyword}", (SHARED, group, tag), is_double=is_double),
        Source(f"{per_frame}/{keyword}", (PER_FRAME, group, tag), is_double=is_double),
    )


FIELDS: Final[tuple[Field, ...]] = (
    Field("modality", "code", (Source("Modality", (0x00080060,)),), "Kind of equipment",
          misleads="CR and DX are mixed up; the SOP class says what the image is."),
    Field("image_type", "code", (Source("ImageType", (0x00080008,)),), "Values joined by \\"),
    Field("instance_number", "integer", (Source("InstanceNumber", (0x00200013,)),),
          "Number of the image in its series"),
    Field("rows", "count", (Source("Rows", (0x00280010,)),), "Height", unit="pixels"),
    Field("columns", "count", (Source("Columns", (0x00280011,)),), "Width", unit="pixels"),
    Field("bits_stored", "count", (Source("BitsStored", (0x00280101,)),), "Bits of a pixel in use"),
    Field("photometric_interpretation", "code",
          (Source("PhotometricInterpretation", (0x00280004,)),), "Meaning of pixel values"),
    Field("burned_in_annotation", "code", (Source("BurnedInAnnotation", (0x00280301,)),),
          "yes, no or absent", misleads="Absent is not no."),
    Field("presentation_intent", "code", (Source("PresentationIntentType", (0x00080068,)),),
          "FOR PRESENTATION or FOR PROCESSING"),
    Field("body_part", "code", (Source("BodyPartExamined", (0x00180015,)),),
          "Body part as the operator set it", misleads="Often the default of a protocol."),
    Field("view_position", "code",
          (Source("ViewPosition", (0x00185101,)),
           Source("ViewCodeSequence/CodeValue", (0x00540220, CODE)),
           Source("ViewCodeSequence/CodeMeaning", (0x00540220, MEANING))),
          "View of a projection image",
          misleads="May be empty while ViewCodeSequence is filled; known codes become AP, PA …"),
    Field("laterality", "code",
          (Source("ImageLaterality", (0x00200062,)), Source("Laterality", (0x00200060,)),
           *_grouped("FrameLaterality", 0x00209071, 0x00209072)),
          "Side", misleads="Laterality is of the series, ImageLaterality of the image."),
    Field("kvp", "number",
          (Source("KVP", (0x00180060,)), *_grouped("KVP", 0x00189325, 0x00180060)),
          "Peak tube voltage", is_tracked=True, unit="kV"),
    Field("exposure_mas", "number",
          (Source("Exposure", (0x00181152,)),
           Source("ExposureInuAs", (0x00181153,), 0.001),
           *_grouped("ExposureInmAs", 0x00189321, 0x00189332, True)),
          "Tube current × time", is_tracked=True, unit="mAs",
          misleads="Exposure is rounded to whole mAs; where it is 0, ExposureInuAs decides. CT"
          " scanners with dose modulation change it from slice to slice."),
    Field("slice_thickness_mm", "number",
          (Source("SliceThickness", (0x00180050,)),
           *_grouped("SliceThickness", 0x00289110, 0x00180050)),
          "Nominal thickness of a slice", is_tracked=True, unit="mm",
          misleads="Not the distance between slices."),
    Field("pixel_spacing_mm", "number",
          (Source("PixelSpacing", (0x00280030,)),
           *_grouped("PixelSpacing", 0x00289110, 0x00280030)),
          "Distance between rows, in the patient", is_tracked=True, unit="mm",
          misleads="The first of two values; never filled from ImagerPixelSpacing."),
    Field("imager_pixel_spacing_mm", "number", (Source("ImagerPixelSpacing", (0x00181164,)),),
          "Distance between rows, at the detector", is_tracked=True, unit="mm",
          misleads="Larger than in the patient by the magnification."),
    Field("convolution_kernel", "text",
          (Source("ConvolutionKernel", (0x00181210,)),
           *_grouped("ConvolutionKernel", 0x00189314, 0x00181210)),
          "Reconstruction kernel", is_tracked=True,
          misleads="Names differ by maker; several values are joined by \\."),
    Field("contrast_agent", "text",
          (Source("ContrastBolusAgent", (0x00180010,)),
           Source("ContrastBolusAgentSequence/CodeMeaning", (0x00180012, MEANING))),
          "Contrast agent", is_tracked=True, misleads="Absent does not say that none was given."),
    Field("study_date", "date", (Source("StudyDate", (0x00080020,)),), "Start of the study",
          is_tracked=True,
          misleads="Study, series, acquisition and content dates differ; none stands in for"
          " another."),
    Field("acquisition_date", "date",
          (Source("AcquisitionDate", (0x00080022,)),
           Source("AcquisitionDateTime", (0x0008002A,), first=8)),
          "Day of the acquisition", is_tracked=True, misleads="Local time of the scanner."),
    Field("age_years", "age", (Source("PatientAge", (PATIENT_AGE,)),), "Age at the study",
          is_tracked=True, unit="years",
          misleads="PatientAge, else StudyDate − PatientBirthDate (computed); where both are there"
          " and differ by more than 1.5 years, neither counts (invalid). 090Y may stand for any"
          " higher age. 000Y, and a birth date of 1900-01-01 or of the study date, are"
          " placeholders. Computed ages are completed"
          " years, or months below two years, so that no date of birth can be reckoned back."),
    Field("sex", "sex", (Source("PatientSex", (0x00100040,)),), "F, M or O", is_tracked=True,
          misleads="Administrative sex as registered."),
    Field("manufacturer", "text", (Source("Manufacturer", (0x00080070,)),), "Maker of the device",
          is_tracked=True, misleads="Spelt in many ways, and makers change their names."),
    Field("model", "text", (Source("ManufacturerModelName", (0x00081090,)),), "Model of the device",
          is_tracked=True),
    Field("software", "text", (Source("SoftwareVersions", (0x00181020,)),), "Software versions",
          is_tracked=True, misleads="Several values are joined by \\."),
)  # fmt: skip

BY_COLUMN: Final[Mapping[str, Field]] = {f.column: f for f in FIELDS}

VIEWS: Final[Mapping[str, str]] = {
    "399348003": "AP", "R-10206": "AP",
    "272479007": "PA", "R-40888": "PA",
    "399173006": "LL", "R-10236": "LL",
    "399198007": "RL", "R-10232": "RL",
    "399162004": "CC", "R-10242": "CC",
    "399368009": "MLO", "R-10226": "MLO",
}  # fmt: skip
"""Code of a view (SNOMED CT, or SRT as written before 2017; CID 4010 and 4014) → its short name."""


def columns() -> Iterator[tuple[str, Any]]:
    """List the columns of a header row that come from fields, in order, with their types."""
    for field in FIELDS:
        yield field.column, field.polars
        if field.is_tracked:
            yield f"{field.column}_raw", pl.String
            yield f"{field.column}_status", pl.String


def wanted() -> Wanted:
    """Give the tree of wanted tags."""
    tree: dict[int, Any] = dict.fromkeys(_PLAIN)
    for field in FIELDS:
        for source in field.sources:
            node = tree
            for tag in source.path[:-1]:
                node = node.setdefault(tag, {})
            node[source.path[-1]] = None
    return tree
