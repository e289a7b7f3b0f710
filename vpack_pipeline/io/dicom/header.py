"""From the wanted elements of one file to its header row: outcome, pseudonyms, typed values.

Identifiers leave this module as pseudonyms only, dates of birth not at all. What does not belong
here: which elements are wanted (``fields``), how bytes become values (``values``), what a site
calls a manufacturer (``cohort.images``).
"""

from __future__ import annotations

import dataclasses
import functools
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from vpack_pipeline.io.dicom import fields, values
from vpack_pipeline.io.dicom.fields import FIELDS, VIEWS, Field, Source
from vpack_pipeline.io.dicom.outcomes import PARSED, SET_ASIDE, HeaderError
from vpack_pipeline.io.dicom.structure import Elements, Structure
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

LARGEST_AGE_GAP: Final = 1.5
_OLDEST: Final = 130.0
_CAPPED_AGES: Final = frozenset({"089Y", "090Y"})
_PLACEHOLDER_BIRTHS: Final = frozenset({date(1900, 1, 1)})
_BURNED_IN: Final = {"YES": "yes", "NO": "no"}


@dataclass(frozen=True, slots=True)
class Header:
    """What one file gives: ``columns`` holds pseudonyms and, for an image, the header fields."""

    outcome: str
    detail: str | None = None
    field: str | None = None
    columns: dict[str, Any] = dataclasses.field(default_factory=dict)


class HeaderReader:
    """Turns structures into header rows, for one site.

    Parameters
    ----------
    pseudonyms : the site's
    """

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._study = functools.lru_cache(4096)(pseudonyms.study)
        self._series = functools.lru_cache(4096)(pseudonyms.series)
        self._patient = functools.lru_cache(4096)(pseudonyms.patient)
        self._case = functools.lru_cache(4096)(pseudonyms.case)

    def keyed(self, digest: bytes) -> str:
        """Key a digest of bytes that may identify someone."""
        return self._pseudonyms.content(digest)

    def read(self, found: Structure) -> Header:
        """Judge one file that was walked to its pixel data."""
        view = _View(found)
        classified = values.uid(found.elements.get(fields.SOP_CLASS)) or values.uid(
            found.meta.get(0x00020002)
        )
        columns = self._placed(view)
        if is_cut(classified, found):
            return Header("TRUNCATED", "HEADER", None, columns)
        if classified is None and not found.has_pixels:
            return Header("MISSING_UID", None, "SOPClassUID", columns)
        kind = set_aside(classified, view)
        if kind is not None:
            return Header(SET_ASIDE, kind, None, columns)
        try:
            columns |= self._identified(view)
        except HeaderError as error:
            return Header(error.code, error.detail, error.field, columns)
        columns["sop_class_uid"] = values.public_uid(classified)
        columns["transfer_syntax_uid"] = values.public_uid(found.transfer_syntax)
        for entry in FIELDS:
            columns |= _READERS[entry.kind](entry, view)
        return Header(PARSED, None, None, columns)

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

    def _identified(self, view: _View) -> dict[str, Any]:
        """Give the pseudonyms of patient, device and accession.

        Raises
        ------
        HeaderError
            MISSING_UID or BAD_CHARSET, naming the element.
        """
        for keyword, tag in _UIDS.items():
            if values.uid(view.elements.get(tag)) is None:
                raise HeaderError("MISSING_UID", None, keyword)
        patient = view.identifier("PatientID", fields.PATIENT)
        if patient is None:
            raise HeaderError("MISSING_UID", None, "PatientID")
        issuer = view.identifier("IssuerOfPatientID", fields.ISSUER)
        accession = view.identifier("AccessionNumber", fields.ACCESSION)
        device = view.identifier("DeviceSerialNumber", fields.DEVICE_SERIAL)
        device = device or view.identifier("StationName", fields.STATION)
        return {
            "patient_id": self._patient(patient, issuer),
            "accession_id": self._pseudonyms.accession(accession) if accession else None,
            "device_id": self._pseudonyms.device(device) if device else None,
        }


_UIDS: Final = {
    "SOPInstanceUID": fields.SOP_INSTANCE,
    "SeriesInstanceUID": fields.SERIES,
    "StudyInstanceUID": fields.STUDY,
}


class _View:
    """The elements of one file, with its character set and byte order."""

    def __init__(self, found: Structure) -> None:
        self.elements: Elements = found.elements
        self.order = "<" if found.little else ">"
        charset = found.elements.get(fields.CHARSET)
        self._charset: Sequence[str] | None = values.encodings(charset)

    def bytes(self, source: Source) -> bytes | None:
        """Find the bytes of a source; None if it is absent or longer than any value we want."""
        node: Any = self.elements
        for tag in source.path:
            if isinstance(node, list):
                node = node[0] if node else None
            node = node.get(tag) if isinstance(node, dict) else None
        return node if isinstance(node, bytes) else None

    def text(self, source: Source) -> str | None:
        """Read a source as text.

        Raises
        ------
        HeaderError
            BAD_CHARSET.
        """
        found = self.bytes(source)
        if found and source.is_double:
            return repr(struct.unpack(f"{self.order}d", found[:8])[0]) if len(found) >= 8 else None
        written = values.text(found, self._charset)
        return written[: source.first] if written else None

    def identifier(self, keyword: str, tag: int) -> str | None:
        """Read an identifier whole: where it has several values, none of them is preferred.

        Raises
        ------
        HeaderError
            BAD_CHARSET, naming the element.
        """
        try:
            return values.text(self.elements.get(tag), self._charset)
        except HeaderError as error:
            raise HeaderError(error.code, None, keyword) from None

    def first_text(self, sources: Sequence[Source]) -> tuple[str | None, bool]:
        """Read the first source that holds a text, and say whether one could not be decoded."""
        is_broken = False
        for source in sources:
            try:
                written = self.text(source)
            except HeaderError:
                is_broken = True
                continue
            if written is not None:
                return written, False
        return None, is_broken

    def integer(self, source: Source) -> int | None:
        """Read a US."""
        found = self.bytes(source)
        if not found or len(found) < 2:
            return None
        return int(struct.unpack(f"{self.order}H", found[:2])[0])


def is_cut(sop_class: str | None, found: Structure) -> bool:
    """Say whether an image ends between two elements, before its pixel data.

    Rows to PixelRepresentation are mandatory in an image and stand just before the pixels: a file
    that has them all and no pixels was stripped of them on purpose, and its header is whole.
    """
    is_image = fields.BY_COLUMN["rows"].sources[0].path[0] in found.elements or (
        sop_class is not None
        and not any(_is_under(sop_class, start) for start, _ in _CLASSES)
        and any(_is_under(sop_class, start) for start in _IMAGE_CLASSES)
    )
    has_module = fields.PIXEL_REPRESENTATION in found.elements
    return is_image and not found.has_pixels and not has_module


def set_aside(sop_class: str | None, view: _View) -> str | None:
    """Say why a sound file is no image to be read; None if it is one."""
    for start, kind in _CLASSES:
        if sop_class is not None and _is_under(sop_class, start):
            return kind
    if not all(view.integer(fields.BY_COLUMN[c].sources[0]) for c in ("rows", "columns")):
        return "OTHER_NON_IMAGE"
    written, _ = view.first_text(fields.BY_COLUMN["image_type"].sources)
    kinds = [v.upper() for v in values.parts(written)] if written else []
    if "LOCALIZER" in kinds[2:]:
        return "LOCALIZER"
    intent, _ = view.first_text(fields.BY_COLUMN["presentation_intent"].sources)
    if sop_class in _FOR_PROCESSING or intent == "FOR PROCESSING":
        return "FOR_PROCESSING"
    return "DERIVED_SECONDARY" if kinds[:2] == ["DERIVED", "SECONDARY"] else None


def _is_under(uid: str, start: str) -> bool:
    return uid.startswith(start) and (start.endswith(".") or uid[len(start) :][:1] in ("", "."))


def _tracked(entry: Field, value: Any, raw: str | None, status: str) -> dict[str, Any]:
    return {
        entry.column: value,
        f"{entry.column}_raw": raw,
        f"{entry.column}_status": status,
    }


def _text(entry: Field, view: _View) -> dict[str, Any]:
    written, is_broken = view.first_text(entry.sources)
    joined = "\\".join(values.parts(written)) if written else None
    kept = values.raw(joined or None, "text")
    if kept is None:
        return _tracked(entry, None, None, "invalid" if joined or is_broken else "missing")
    return _tracked(entry, kept, kept, "ok")


def _code(entry: Field, view: _View) -> dict[str, Any]:
    if entry.column == "view_position":
        return {entry.column: _view_position(entry, view)}
    written, _ = view.first_text(entry.sources)
    if entry.column == "burned_in_annotation":
        return {entry.column: _BURNED_IN.get((written or "").upper(), "absent")}
    joined = "\\".join(values.parts(written)) if written else None
    return {entry.column: values.raw(joined or None, "text")}


def _view_position(entry: Field, view: _View) -> str | None:
    plain, code, meaning = entry.sources
    named, _ = view.first_text([plain])
    if named is None:
        coded, _ = view.first_text([code])
        named = VIEWS.get(coded or "") or view.first_text([meaning])[0]
    return values.raw(named, "text")


def _number(entry: Field, view: _View) -> dict[str, Any]:
    first: str | None = None
    is_broken = False
    for source in entry.sources:
        written, broken = view.first_text([source])
        is_broken = is_broken or broken
        made = values.number(written, least=entry.least, is_open=entry.is_open)
        if made is not None:
            raw = values.raw(written, "number")
            return _tracked(entry, made * source.factor, raw, _status(source))
        first = first or written
    status = "invalid" if first or is_broken else "missing"
    return _tracked(entry, None, values.raw(first, "number"), status)


def _status(source: Source) -> str:
    return "ok" if source.factor == 1.0 else "computed"


def _date(entry: Field, view: _View) -> dict[str, Any]:
    written, is_broken = view.first_text(entry.sources)
    if written is None:
        return _tracked(entry, None, None, "invalid" if is_broken else "missing")
    made = values.day(_first(written))
    status = "invalid" if made is None else "ok"
    return _tracked(entry, made, values.raw(written, "date"), status)


def _first(written: str | None) -> str | None:
    found = values.parts(written) if written else []
    return found[0] if found else None


def _sex(entry: Field, view: _View) -> dict[str, Any]:
    written, is_broken = view.first_text(entry.sources)
    if written is None:
        return _tracked(entry, None, None, "invalid" if is_broken else "missing")
    coded = (_first(written) or "").upper()
    is_known = coded in {"F", "M", "O"}
    kept = values.raw(written, "sex")
    return _tracked(entry, coded if is_known else None, kept, "ok" if is_known else "invalid")


def _age(entry: Field, view: _View) -> dict[str, Any]:
    written, is_broken = view.first_text(entry.sources)
    study = _day_of(view, Source("StudyDate", (0x00080020,)))
    birth = _day_of(view, Source("PatientBirthDate", (fields.BIRTH_DATE,)))
    reckoned = None
    # Anonymisers write the study date, or the start of the century, as the date of birth.
    if study and birth and birth != study and birth not in _PLACEHOLDER_BIRTHS:
        reckoned = (study - birth).days / 365.25
    written = _first(written)
    value, status = decide_age(written, reckoned, is_broken)
    return _tracked(entry, value, values.raw(written, "age"), status)


def decide_age(
    written: str | None, reckoned: float | None, is_broken: bool = False
) -> tuple[float | None, str]:
    """Decide the age at the study from PatientAge and from the two dates.

    Parameters
    ----------
    written : PatientAge as written, such as 042Y
    reckoned : StudyDate − PatientBirthDate, years; None if one is missing or a placeholder
    is_broken : PatientAge is there and cannot be decoded

    Returns
    -------
    years and status: ok (as written), computed (from the dates), missing, invalid

    Examples
    --------
    >>> decide_age("042Y", 42.7), decide_age("042Y", 24.7)
    ((42.0, 'ok'), (None, 'invalid'))
    >>> decide_age("090Y", 95.0), decide_age("64", 64.2), decide_age(None, 0.4)
    ((90.0, 'ok'), (64.0, 'computed'), (0.3333333333333333, 'computed'))
    """
    stated = values.age(written)
    stated = stated if stated is not None and stated <= _OLDEST else None
    if reckoned is not None and not 0 <= reckoned <= _OLDEST:
        return None, "invalid"
    if stated is None and reckoned is not None:
        return _completed(reckoned), "computed"
    if stated is None:
        return None, "invalid" if written or is_broken else "missing"
    is_capped = written in _CAPPED_AGES and reckoned is not None and reckoned >= stated
    if reckoned is None or is_capped or abs(stated - reckoned) <= LARGEST_AGE_GAP:
        return stated, "ok"
    return None, "invalid"


def _completed(years: float) -> float:
    """Coarsen to completed years, or months below two years: with the study date, a finer age
    would give the date of birth away.
    """
    return float(int(years)) if years >= 2 else int(years * 12) / 12


def _day_of(view: _View, source: Source) -> date | None:
    return values.day(_first(view.first_text([source])[0]))


def _count(entry: Field, view: _View) -> dict[str, Any]:
    return {entry.column: view.integer(entry.sources[0])}


def _integer(entry: Field, view: _View) -> dict[str, Any]:
    return {entry.column: values.integer(view.first_text(entry.sources)[0])}


_READERS: Final[dict[str, Callable[[Field, _View], dict[str, Any]]]] = {
    "text": _text,
    "code": _code,
    "number": _number,
    "date": _date,
    "age": _age,
    "sex": _sex,
    "count": _count,
    "integer": _integer,
}
