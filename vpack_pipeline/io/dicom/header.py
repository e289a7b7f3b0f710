"""From the wanted elements of one file to its header row: outcome, pseudonyms, typed values.

Identifiers and free text leave this module as pseudonyms only, dates of birth not at all. What does
not belong here: which elements are wanted (``fields``), how bytes become values (``conversion``),
what a site calls a manufacturer (``cohort.images``).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.io.dicom import charsets, fields, values
from vpack_pipeline.io.dicom.conversion import convert, spread
from vpack_pipeline.io.dicom.fields import BY_COLUMN, FIELDS, PER_FRAME, Field, Source
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

_TOO_LONG: Final = b"\x80"
"""In the place of a value longer than any that is wanted: no character set holds this byte."""


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
        self._text = functools.lru_cache(4096)(pseudonyms.text)

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
            columns.update(self._columns(entry, view))
        return Header(PARSED, None, None, columns)

    def _columns(self, entry: Field, view: _View) -> Iterator[tuple[str, Any]]:
        """Give the columns of one field; a summary over frames only where they vary."""
        name = entry.column
        made = convert(entry, view.given(entry), view.charset, view.order)
        if entry.is_free_text:
            written, status = made
            yield f"{name}_key", self._text(name, written) if written else None
            yield f"{name}_status", status
            return
        yield from zip((name, f"{name}_raw", f"{name}_status"), made, strict=False)
        if view.has_frames and entry.per_frame is not None:
            found = spread(entry, view.frames(entry.per_frame), view.order)
            summary = (f"{name}_min", f"{name}_max", f"{name}_n_distinct")
            yield from zip(summary, found or (), strict=False)

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

    def value(self, column: str) -> Any:
        """Convert one field for its value alone."""
        entry = BY_COLUMN[column]
        return convert(entry, self.given(entry), self.charset, self.order)[0]

    def codes(self, column: str) -> list[str]:
        """Read codes in upper case, whatever else stands among them."""
        (found,) = self.given(BY_COLUMN[column])
        return [v.upper() for v in values.parts((found or b"").decode("latin_1"))]


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
    if not (view.value("rows") and view.value("columns")):
        return "OTHER_NON_IMAGE"
    kinds = view.codes("image_type")
    if "LOCALIZER" in kinds[2:]:
        return "LOCALIZER"
    if sop_class in _FOR_PROCESSING or view.codes("presentation_intent") == ["FOR PROCESSING"]:
        return "FOR_PROCESSING"
    return "DERIVED_SECONDARY" if kinds[:2] == ["DERIVED", "SECONDARY"] else None


def _is_under(uid: str, start: str) -> bool:
    return uid.startswith(start) and (start.endswith(".") or uid[len(start) :][:1] in ("", "."))
