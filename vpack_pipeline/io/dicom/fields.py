"""The header fields as they are read, and every tag that is wanted.

What each field is stands in ``contracts/cohort/header_fields.yaml``: the scanner's wanted tags and
the columns of the header rows come from there. What does not belong here: how bytes become values
(``values``, ``conversion``).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

import polars as pl

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.contracts.header_fields import PER_FRAME, HeaderField, Kind, Source, Word
from vpack_pipeline.io.dicom.structure import Wanted

PACKAGE_DATA: Final = ("contracts/cohort/header_fields.yaml",)
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

_POLARS: Final[Mapping[str, Any]] = {
    "string": pl.String,
    "float": pl.Float64,
    "int": pl.Int64,
    "date": pl.Date,
    "timestamp": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One header field, as far as it is read: the first source that holds a value fills it.

    Of free text (``is_free_text``), the header row holds a keyed digest (``<column>_key``), by
    which a site's value map finds what the text means; the table holds that meaning or nothing.
    """

    column: str
    kind: Kind
    sources: tuple[Source, ...]
    is_tracked: bool
    is_free_text: bool
    least: float
    is_open: bool
    """A number has to lie above ``least``, not on it."""
    most: float
    columns: tuple[tuple[str, str], ...]
    """Name and type of each column in ``cohort/instances``, its own first."""

    @property
    def polars(self) -> Any:
        """Type of the value's column."""
        return self.shown[self.column]

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
        return {name: _POLARS[type_] for name, type_ in self.columns}


def _read_as(declared: HeaderField) -> Field:
    least = declared.above if declared.above is not None else declared.least
    return Field(
        column=declared.name,
        kind=declared.kind,
        sources=declared.sources,
        is_tracked=declared.tracked,
        is_free_text=declared.free_text,
        least=-math.inf if least is None else least,
        is_open=declared.least is None,
        most=math.inf if declared.most is None else declared.most,
        columns=tuple((c.name, c.type) for c in header_fields.columns()[declared.name]),
    )


FIELDS: Final[tuple[Field, ...]] = tuple(_read_as(field) for field in header_fields.load())
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
