"""What is read of an image's header: every field, declared once in ``cohort/header_fields.yaml``.

Its columns are fields like any other (``fields``), where they are not written again. What does not
belong here: how bytes become a value, and how a kind is stored (``io.dicom``).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from vpack_pipeline.document import Document, Name, Text, digest_of, refuse_repeated
from vpack_pipeline.strict_yaml import validate

FILE: Final = "contracts/cohort/header_fields.yaml"
"""It lies among the contracts of its section, and is none."""
PROFILE: Final = f"{FILE}#profile"
"""The part of it that says what Table 1 shows."""
Word = Literal["text", "code", "concept", "view", "flag", "sex"]
Kind = Word | Literal["number", "count", "integer", "age", "date", "time", "zone", "instant"]
TYPES: Final[Mapping[Kind, str]] = {
    "text": "string",
    "code": "string",
    "concept": "string",
    "view": "string",
    "flag": "string",
    "sex": "string",
    "number": "float",
    "age": "float",
    "time": "float",
    "count": "int",
    "integer": "int",
    "zone": "int",
    "date": "date",
    "instant": "timestamp",
}
"""Type of the value's column, as contracts have it."""
Entity = Literal["series", "study"]
SHARED: Final = 0x52009229
PER_FRAME: Final = 0x52009230
_GROUPS: Final = (
    ("SharedFunctionalGroupsSequence", SHARED),
    ("PerFrameFunctionalGroupsSequence[1]", PER_FRAME),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One place that a column may come from; ``factor`` turns its unit into the column's."""

    keyword: str
    path: tuple[int, ...]
    factor: float = 1.0
    is_double: bool = False
    """A binary number (FD), where the column's other sources are text."""
    is_concept: bool = False
    """A sequence of coded concepts: each item's scheme and code are read, never its meaning."""
    part: Literal["date", "time", "zone"] | None = None
    """Only this part of a DT counts."""


class Element(Document):
    """An element by its keywords and tags, from the outermost sequence inwards."""

    element: Annotated[
        str,
        StringConstraints(
            pattern=r"^[A-Za-z]+(/[A-Za-z]+)? \([0-9A-F]{4},[0-9A-F]{4}\)"
            r"(/\([0-9A-F]{4},[0-9A-F]{4}\))*\z"
        ),
    ]
    per_frame: bool = False
    """It stands in the functional groups of an enhanced multi-frame image."""
    holds: Literal["text", "double", "concept"] = "text"
    factor: Annotated[float, Field(gt=0)] = 1.0
    part: Literal["date", "time", "zone"] | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The places that it names: one, or the shared groups and those of the first frame."""
        keyword, _, tags = self.element.partition(" ")
        path = tuple(int(tag.strip("()").replace(",", ""), 16) for tag in tags.split("/"))
        places = [(keyword, path)]
        if self.per_frame:
            places = [(f"{name}/{keyword}", (group, *path)) for name, group in _GROUPS]
        is_double, is_concept = self.holds == "double", self.holds == "concept"
        return tuple(
            Source(name, at, self.factor, is_double, is_concept, self.part) for name, at in places
        )


def _named(said: Any) -> Any:
    return {"element": said} if isinstance(said, str) else said


class Beside(Document):
    """One column beside those of some fields."""

    suffix: Annotated[str, StringConstraints(pattern=r"^_[a-z][a-z_]*\z")]
    of: Annotated[tuple[Literal["per_frame", "tracked", "free_text"], ...], Field(min_length=1)]
    also_of: tuple[Entity, ...] = ()
    type: Literal["string", "int"] | None = None
    """Without it, type and unit are those of the field."""
    unit: Text | None = None
    description: Text


class Profiled(Document):
    """How a field stands in Table 1."""

    title: Text
    of: Literal["all"] | tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}\z")], ...] = ()
    """The modalities whose images it is shown of unasked; of others where a rule or a monitor
    reads it."""
    edges: tuple[float, ...] = ()
    """Of a number: the rising inner edges of its bins."""
    levels: tuple[Text, ...] = ()
    """Of what holds no text: its levels; a text has the words in which it is printed."""


class HeaderField(Document):
    """One header field: the first element that holds a value fills its column."""

    name: Name
    kind: Kind
    unit: Text | None = None
    above: float | None = None
    """What a number must exceed."""
    least: float | None = None
    most: float | None = None
    tracked: bool = False
    free_text: bool = False
    """It may name somebody and is stored nowhere; of all others it is said hereby that they do
    not."""
    personal: bool
    acquisition: bool = False
    """It says with what or how an image was made."""
    device: Literal["machine", "program"] | None = None
    """It names what made the image, or what ran on it: a change of it is an event."""
    also_of: tuple[Entity, ...] = ()
    profile: Profiled | None = None
    elements: Annotated[
        tuple[Annotated[Element, BeforeValidator(_named)], ...], Field(min_length=1)
    ]
    description: Text
    misleads: Text | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The places that its column may come from, first to last."""
        return tuple(source for element in self.elements for source in element.sources)

    @property
    def is_per_frame(self) -> bool:
        """Whether it is a number that may differ from frame to frame."""
        return self.kind == "number" and any(e.per_frame for e in self.elements)

    @property
    def told(self) -> str:
        """What it is, and what misleads."""
        return f"{self.description} {self.misleads}" if self.misleads else self.description

    def has(self, beside: Beside) -> bool:
        """Tell whether a column stands beside that of this field."""
        traits = {
            "per_frame": self.is_per_frame,
            "tracked": self.tracked,
            "free_text": self.free_text,
        }
        return any(traits[trait] for trait in beside.of)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.free_text and (self.tracked or self.kind != "text"):
            raise ValueError(f"{self.name} is free text: its kind is text, and it is not tracked")
        bounds = [b for b in (self.above, self.least, self.most) if b is not None]
        if bounds and self.kind not in {"number", "integer"}:
            raise ValueError(f"{self.name} has bounds and is no number")
        if self.kind == "integer" and (self.above is not None or self.most is not None):
            raise ValueError(f"{self.name} is an integer: it may have a least value alone")
        if bounds != sorted(set(bounds)) or None not in (self.above, self.least):
            raise ValueError(f"{self.name} has bounds that contradict each other")
        if self.profile is not None and bool(self.profile.edges) != (TYPES[self.kind] == "float"):
            raise ValueError(f"{self.name} is profiled: a number, and it alone, has edges")
        if self.kind != "number" and any(e.factor != 1.0 for e in self.elements):
            raise ValueError(f"{self.name} has a factor and is no number")
        return self


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a header field, as ``fields`` has it."""

    name: str
    type: str
    unit: str | None
    personal: bool
    description: str
    also_of: frozenset[Entity]
    """What carries it beside an image."""


class _File(Document):
    beside: tuple[Beside, ...]
    header_fields: Annotated[tuple[HeaderField, ...], Field(min_length=1)]

    def columns_of(self, field: HeaderField) -> Iterator[Column]:
        """Give the column of the value, then those beside it."""
        type_, unit, also_of = TYPES[field.kind], field.unit, frozenset(field.also_of)
        yield Column(field.name, type_, unit, field.personal, field.told, also_of)
        for beside in self.beside:
            if field.has(beside):
                yield Column(
                    f"{field.name}{beside.suffix}",
                    beside.type or type_,
                    beside.unit if beside.type else unit,
                    field.personal,
                    beside.description,
                    also_of & frozenset(beside.also_of),
                )

    @property
    def digest(self) -> str:
        """sha256 of what decides a header row: no words, no units, not what else carries it."""
        spared = {"description", "misleads", "personal", "acquisition", "device", "unit", "also_of"}
        spared |= {"profile"}
        parts = (*self.beside, *self.header_fields)
        return digest_of([part.model_dump(mode="json", exclude=spared) for part in parts])

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeated(
            [column.name for field in self.header_fields for column in self.columns_of(field)]
        )
        return self


@functools.cache
def _file() -> _File:
    text = resources.files("vpack_pipeline").joinpath(FILE).read_text("utf-8")
    return validate(text, FILE, _File)


def load() -> tuple[HeaderField, ...]:
    """Load every header field, in order, once a process.

    Raises
    ------
    DocumentError
        The file does not fit its model.
    """
    return _file().header_fields


@functools.cache
def columns() -> Mapping[str, tuple[Column, ...]]:
    """Give the columns of each field by its name: that of its value, then those beside it."""
    return {field.name: tuple(_file().columns_of(field)) for field in load()}


@functools.cache
def digest() -> str:
    """Digest what decides a header row: no words, no units, not what else carries a column."""
    return _file().digest


@functools.cache
def profile_digest() -> str:
    """Digest what decides which fields Table 1 shows, and how."""
    shown = {"name", "kind", "personal", "also_of", "profile"}
    return digest_of([field.model_dump(mode="json", include=shown) for field in load()])
