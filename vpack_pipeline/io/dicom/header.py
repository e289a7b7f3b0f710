"""From the wanted elements of one file to its header row: outcome, pseudonyms, typed values.

Identifiers and free text leave this module as pseudonyms only, dates of birth not at all. What does
not belong here: which elements are wanted (``fields``), how bytes become values (``conversion``),
what a site calls a manufacturer (``cohort.images``).
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.contracts.header_fields import PER_FRAME, Source
from vpack_pipeline.io.dicom import charsets, fields, values
from vpack_pipeline.io.dicom.charsets import Charset
from vpack_pipeline.io.dicom.conversion import Given, convert, spread
from vpack_pipeline.io.dicom.fields import BY_COLUMN, FIELDS, Field
from vpack_pipeline.io.dicom.outcomes import PARSED, SET_ASIDE, HeaderError
from vpack_pipeline.io.dicom.structure import MEDIA_SOP_CLASS, Elements, Structure
from vpack_pipeline.io.identity import Pseudonyms

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_CLASSES: Final[tuple[tuple[str, str], ...]] = (
    ("1.2.840.10008.1.3.10", "DICOMDIR"),
    (f"{_STORAGE}88.59", "KO"),
    (f"{_STORAGE}88.", "SR"),
    (f"{_STORAGE}11.", "PR"),
    (f"{_STORAGE}66.4", "SEG"),
    (f"{_STORAGE}66.7", "SEG"),
    (f"{_STORAGE}66", "OTHER_NON_IMAGE"),
    (f"{_STORAGE}481.", "RT"),
    (f"{_STORAGE}9.", "WAVEFORM"),
    (f"{_STORAGE}104.", "ENCAPSULATED"),
    (f"{_STORAGE}4.2", "OTHER_NON_IMAGE"),
    (f"{_STORAGE}30", "OTHER_NON_IMAGE"),
    (f"{_STORAGE}7", "SECONDARY_CAPTURE"),
)
"""Start of a SOP class UID (a whole part of it) → why such an object is set aside; first wins."""

_IMAGE_CLASSES: Final = tuple(
    f"{_STORAGE}{tail}" for tail in ("1", "2", "3", "4", "6", "12", "13", "14", "20", "77", "128")
)

# Storage "for processing": digital X-ray, mammography, intra-oral.
_FOR_PROCESSING: Final = frozenset(f"{_STORAGE}{tail}" for tail in ("1.1.1", "1.2.1", "1.3.1"))

_TOO_LONG: Final = b"\x80"
"""In the place of a value longer than any that is wanted: no character set holds this byte."""


PLACES: Final = (
    *("instance_id", "series_id", "study_id", "patient_id", "device_id", "accession_id"),
    *("accession_series", "accession_place"),
    *("default_case_id", "sop_class_uid", "transfer_syntax_uid"),
)
"""The columns of a header row that come from no field."""
_COLUMNS: Final = tuple(name for name, _ in fields.columns())
ROW: Final = (*PLACES, *_COLUMNS)
_ABSENT: Final[Sequence[Any]] = (None,) * len(_COLUMNS)


@dataclass(frozen=True, slots=True)
class Header:
    """What one file gives.

    ``places``: pseudonyms and UIDs by the names of :data:`PLACES`. ``fields``: the columns of
    :func:`fields.columns`, in order; all of them null unless the file holds an image to be read.
    """

    outcome: str
    detail: str | None = None
    field: str | None = None
    places: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fields: Sequence[Any] = _ABSENT

    def row(self) -> tuple[Any, ...]:
        """Give the columns of :data:`ROW`."""
        return (*map(self.places.get, PLACES), *self.fields)


class HeaderReader:
    """Turns structures into header rows, for one site.

    Headers of an archive repeat each other, so what was made of some bytes is kept and used again,
    for a bounded number of them.

    Parameters
    ----------
    pseudonyms : the site's
    """

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._study = functools.lru_cache(4096)(pseudonyms.study)
        self._series = functools.lru_cache(4096)(pseudonyms.series)
        self._case = functools.lru_cache(4096)(pseudonyms.case)
        self._made: dict[tuple[Charset | None, str], _Kept] = {}
        self._owners: dict[Any, dict[str, Any]] = {}

    def keyed(self, digest: bytes) -> str:
        """Key a digest of bytes that may identify someone."""
        return self._pseudonyms.content(digest)

    def read(self, found: Structure) -> Header:
        """Judge one file that was walked to its pixel data."""
        view = _View(found)
        classified = values.uid(found.elements.get(fields.SOP_CLASS)) or values.uid(
            found.meta.get(MEDIA_SOP_CLASS)
        )
        places = self._placed(view)
        if is_cut(classified, found):
            return Header("TRUNCATED", "HEADER", None, places)
        if classified is None and not found.has_pixels:
            return Header("MISSING_UID", None, "SOPClassUID", places)
        kind = set_aside(classified, view)
        if kind is not None:
            return Header(SET_ASIDE, kind, None, places)
        try:
            places |= self._identified(places, view)
        except HeaderError as error:
            return Header(error.code, error.detail, error.field, places)
        places["sop_class_uid"] = values.public_uid(classified)
        places["transfer_syntax_uid"] = values.public_uid(found.transfer_syntax)
        return Header(PARSED, None, None, places, self._fields(view))

    def _fields(self, view: _View) -> tuple[Any, ...]:
        """Give the columns of all fields."""
        kept = self._made.get((view.charset, view.order))
        if kept is None:
            kept = self._made[view.charset, view.order] = _Kept()
        get = view.elements.get
        roots = _ROOTS & view.elements.keys()
        made: list[Any] = []
        for block, known in zip(_BLOCKS, kept.blocks, strict=True):
            given = tuple(map(get, block.tags))
            columns = known.get(given)
            if columns is None:
                columns = []
                for plan in block.plans:
                    columns += self._kept(plan, plan.given(view.elements), kept, view)
                _keep(known, given, columns)
            made += columns
        for root in roots:
            for plan in _NESTED[root]:
                made[plan.start : plan.end] = self._nested(plan, kept, view)
        found: tuple[Any, ...] = _in_order(made)
        return found

    def _kept(self, plan: _Plan, given: Given, kept: _Kept, view: _View) -> Sequence[Any]:
        """Give the columns of a field, made at most once of the same bytes."""
        known = kept.fields[plan.start]
        columns = known.get(given)
        if columns is None:
            columns = self._columns(plan, given, view)
            _keep(known, given, columns)
        return columns

    def _nested(self, plan: _Plan, kept: _Kept, view: _View) -> Sequence[Any]:
        """Give the columns of a field that may stand in a sequence of this file."""
        entry = plan.entry
        columns = self._kept(plan, view.given(entry), kept, view)
        if entry.per_frame is None or not view.has_frames:
            return columns
        value, *rest = columns
        found = spread(entry, view.frames(entry.per_frame), view.order)
        return (value, *(found or rest[:3]), *rest[3:])

    def _columns(self, plan: _Plan, given: Given, view: _View) -> tuple[Any, ...]:
        """Convert one field; the summary over frames is left empty."""
        entry = plan.entry
        value, *rest = convert(entry, given, view.charset, view.order)
        if entry.is_free_text:
            value = self._pseudonyms.text(entry.column, value) if value else None
        return (value, *((None,) * 3 if entry.per_frame else ()), *rest)

    def _placed(self, view: _View) -> dict[str, Any]:
        """Give the pseudonyms of the UIDs that are there."""
        instance = values.uid(view.elements.get(fields.SOP_INSTANCE))
        series = values.uid(view.elements.get(fields.SERIES))
        study = values.uid(view.elements.get(fields.STUDY))
        return {
            "instance_id": self._pseudonyms.instance(instance) if instance else None,
            "series_id": self._series(series) if series else None,
            "study_id": self._study(study) if study else None,
            "default_case_id": self._case(study) if study else None,
        }

    def _identified(self, places: Mapping[str, Any], view: _View) -> dict[str, Any]:
        """Give the pseudonyms of patient, device and accession.

        Raises
        ------
        HeaderError
            MISSING_UID or BAD_CHARSET, naming the element.
        """
        for column, keyword in _UIDS.items():
            if places[column] is None:
                raise HeaderError("MISSING_UID", None, keyword)
        given = tuple(map(view.elements.get, _IDENTIFIERS.values()))
        known = self._owners.get((given, view.charset))
        if known is None:
            if len(self._owners) >= _KEPT:
                self._owners.clear()
            known = self._owners[given, view.charset] = self._owner(view)
        return known

    def _owner(self, view: _View) -> dict[str, Any]:
        named = {k: view.identifier(k, tag) for k, tag in _IDENTIFIERS.items()}
        patient, accession = named["PatientID"], named["AccessionNumber"]
        device = named["DeviceSerialNumber"] or named["StationName"]
        if patient is None:
            raise HeaderError("MISSING_UID", None, "PatientID")
        ids = self._pseudonyms
        running = ids.running_number(accession) if accession else None
        series, place = running or (None, None)
        return {
            "patient_id": ids.patient(patient, named["IssuerOfPatientID"]),
            "accession_id": ids.accession(accession) if accession else None,
            "accession_series": series,
            "accession_place": place,
            "device_id": ids.device(device) if device else None,
        }


_KEPT: Final = 2048
_IDENTIFIERS: Final = {
    "PatientID": fields.PATIENT,
    "IssuerOfPatientID": fields.ISSUER,
    "AccessionNumber": fields.ACCESSION,
    "DeviceSerialNumber": fields.DEVICE_SERIAL,
    "StationName": fields.STATION,
}
_UIDS: Final = {
    "instance_id": "SOPInstanceUID",
    "series_id": "SeriesInstanceUID",
    "study_id": "StudyInstanceUID",
}


class _Kept:
    """What was made of some bytes, by block and by field, under one character set and order."""

    def __init__(self) -> None:
        self.blocks: list[dict[Any, Sequence[Any]]] = [{} for _ in _BLOCKS]
        self.fields: dict[int, dict[Any, Sequence[Any]]] = {
            plan.start: {} for block in _BLOCKS for plan in block.plans
        }


def _keep(known: dict[Any, Sequence[Any]], given: Any, made: Sequence[Any]) -> None:
    if len(known) >= _KEPT:
        known.clear()
    known[given] = made


@dataclass(frozen=True, slots=True)
class _Plan:
    """A field, and where its columns stand among those of all blocks.

    ``tags``: of its sources at the top level; None in the place of one inside a sequence.
    ``roots``: the sequences in which a source may stand.
    """

    entry: Field
    start: int
    tags: tuple[int | None, ...]
    roots: frozenset[int]

    @property
    def end(self) -> int:
        """Where the next field's columns start."""
        return self.start + len(self.entry.stored)

    def given(self, elements: Elements) -> tuple[bytes | None, ...]:
        """Find the bytes of the sources that stand at the top level."""
        return tuple(map(elements.get, self.tags))  # type: ignore[arg-type]  # no element is None


@dataclass(frozen=True, slots=True)
class _Block:
    """Fields that mostly repeat together: made and kept as one. ``tags``: of their sources."""

    plans: tuple[_Plan, ...]
    tags: tuple[int, ...]


def _is_top(source: Source) -> bool:
    return len(source.path) == 1 and not source.is_concept


def _blocks() -> tuple[_Block, ...]:
    """Part the fields by what they are mostly the same for."""
    made, start = [], 0
    grouped = (*_SAME_FOR, {e.column for e in FIELDS} - frozenset().union(*_SAME_FOR))
    for names in grouped:
        plans = []
        for entry in (e for e in FIELDS if e.column in names):
            tops = tuple(s.path[0] if _is_top(s) else None for s in entry.sources)
            roots = frozenset(s.path[0] for s in entry.sources if not _is_top(s))
            plans.append(_Plan(entry, start, tops, roots))
            start = plans[-1].end
        tags = {s.path[0] for p in plans for s in p.entry.sources if _is_top(s)}
        made.append(_Block(tuple(plans), tuple(sorted(tags))))
    return tuple(made)


_SAME_FOR: Final[tuple[frozenset[str], ...]] = (
    # an image
    frozenset({"instance_number", "exposure_mas", "exposure_index", "deviation_index"})
    | {"acquisition_date", "acquisition_time_s", "content_date", "content_time_s"}
    | {"acquisition_datetime", "lossy_image_compression_ratio"},
    # an examination; all others: a device and its settings
    frozenset({"study_date", "study_time_s", "series_date", "series_time_s", "age_years", "sex"})
    | {"study_description", "series_description", "timezone_offset_min"},
)
_BLOCKS: Final = _blocks()
_ROOTS: Final = frozenset().union(*(plan.roots for b in _BLOCKS for plan in b.plans))
_NESTED: Final = {
    root: tuple(plan for b in _BLOCKS for plan in b.plans if root in plan.roots) for root in _ROOTS
}
"""Sequence → the fields that may stand in it."""
_STORED: Final = [name for b in _BLOCKS for plan in b.plans for name in plan.entry.stored]
_in_order: Final = operator.itemgetter(*map(_STORED.index, _COLUMNS))
"""Brings the columns of the blocks into the order of :func:`fields.columns`."""


class _View:
    """The elements of one file, with its character set and byte order."""

    def __init__(self, found: Structure) -> None:
        self.elements: Elements = found.elements
        if None in found.elements.values():
            self.elements = {t: _TOO_LONG if v is None else v for t, v in found.elements.items()}
        self.order = "<" if found.little else ">"
        self.charset = charsets.declared(found.elements.get(fields.CHARSET))
        self.has_frames = bool(found.elements.get(PER_FRAME))

    def given(self, entry: Field) -> tuple[bytes | None, ...]:
        """Find the bytes of each source of a field."""
        return tuple(_bytes(self.elements, source) for source in entry.sources)

    def frames(self, source: Source) -> set[bytes]:
        """Find the distinct bytes of a source over all frames."""
        _, group, tag = source.path
        items = (frame.get(group) for frame in self.elements[PER_FRAME])
        return {v for i in items if i and (v := i[0].get(tag)) is not None}

    def identifier(self, keyword: str, tag: int) -> str | None:
        """Read an identifier whole: where it has several values, none of them is preferred.

        Raises
        ------
        HeaderError
            BAD_CHARSET, naming the element.
        """
        try:
            return values.text(self.elements.get(tag), self.charset)
        except HeaderError as error:
            raise HeaderError(error.code, None, keyword) from None

    def count(self, column: str) -> int | None:
        """Read a binary number at the top level."""
        return values.short(self.elements.get(BY_COLUMN[column].sources[0].path[0]), self.order)

    def codes(self, column: str) -> list[str]:
        """Read codes in upper case, whatever else stands among them."""
        return _codes(self.elements.get(BY_COLUMN[column].sources[0].path[0]))


@functools.lru_cache(4096)
def _codes(value: bytes | None) -> list[str]:
    return [v.upper() for v in values.parts((value or b"").decode("latin_1"))]


def _bytes(elements: Elements, source: Source) -> bytes | None:
    """Find the bytes of a source, in the first item of each sequence on its way.

    Of coded concepts, all items of the sequence are written as ``scheme:code`` joined by ``\\``.
    """
    node = elements
    *way, last = source.path
    for tag in way:
        items = node.get(tag)
        if not items:
            return None
        node = items[0]
    found: Any = node.get(last)
    if source.is_concept:
        return b"\\".join(_concepts(found or ())) or None
    return _TOO_LONG if found is None and last in node else found


def _concepts(items: Iterable[Elements]) -> Iterator[bytes]:
    for item in items:
        code, scheme = item.get(fields.CODE), item.get(fields.SCHEME)
        if code and scheme:
            yield scheme.strip(b" \x00") + b":" + code.strip(b" \x00")


def is_cut(sop_class: str | None, found: Structure) -> bool:
    """Say whether an image ends between two elements, before its pixel data.

    Rows to PixelRepresentation are mandatory in an image and stand just before the pixels: a file
    that has them all and no pixels was stripped of them on purpose, and its header is whole.
    """
    is_image = BY_COLUMN["rows"].sources[0].path[0] in found.elements or (
        sop_class is not None
        and _kind_of(sop_class) is None
        and any(_is_under(sop_class, start) for start in _IMAGE_CLASSES)
    )
    has_module = fields.PIXEL_REPRESENTATION in found.elements
    return is_image and not found.has_pixels and not has_module


def set_aside(sop_class: str | None, view: _View) -> str | None:
    """Say why a sound file is no image to be read; None if it is one."""
    kind = _kind_of(sop_class)
    if kind is not None:
        return kind
    if not (view.count("rows") and view.count("columns")):
        return "OTHER_NON_IMAGE"
    kinds = view.codes("image_type")
    if "LOCALIZER" in kinds[2:]:
        return "LOCALIZER"
    if sop_class in _FOR_PROCESSING or view.codes("presentation_intent") == ["FOR PROCESSING"]:
        return "FOR_PROCESSING"
    return "DERIVED_SECONDARY" if kinds[:2] == ["DERIVED", "SECONDARY"] else None


@functools.lru_cache(256)
def _kind_of(sop_class: str | None) -> str | None:
    """Say why objects of a class are set aside; None if they are not."""
    if sop_class is None:
        return None
    return next((kind for start, kind in _CLASSES if _is_under(sop_class, start)), None)


def _is_under(uid: str, start: str) -> bool:
    return uid.startswith(start) and (start.endswith(".") or uid[len(start) :][:1] in ("", "."))
