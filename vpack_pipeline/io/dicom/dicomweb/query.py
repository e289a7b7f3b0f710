"""What there is at a server, and the metadata of one series: QIDO-RS and WADO-RS (PS3.18 10).

No page is taken twice, no list ends before the server's own count does, and what cannot be asked
for by its UID is named instead of passed over. What does not belong here: HTTP (``server``), what
is already known (``incremental``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

from vpack_pipeline.errors import InputError
from vpack_pipeline.io.dicom.dicomweb import model
from vpack_pipeline.io.dicom.dicomweb.model import Item, MalformedError
from vpack_pipeline.io.dicom.dicomweb.server import NotFoundError, Server

PAGE: Final = 500
JSON: Final = "application/dicom+json"
_JSON_TYPES: Final = frozenset({JSON, "application/json"})
_STUDY: Final = "0020000D"
_SERIES: Final = "0020000E"
_N_SERIES: Final = "00201206"
_N_INSTANCES: Final = "00201209"
_LARGEST_HEAD: Final = 64 * 1024
_LARGEST_END: Final = 1024
"""Bytes before and after the content of a multipart body's one part."""
_UNASKABLE: Final = frozenset({"", ".", ".."})
"""As a segment of a path these name another resource."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Series:
    """One series that a server lists; ``instances``: as it counts them, None if it does not."""

    study: str
    uid: str
    instances: int | None

    @property
    def place(self) -> str:
        """Where it is below the server's address, quoted."""
        return f"/studies/{segment(self.study)}/series/{segment(self.uid)}"


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A row of a list whose UID cannot be asked for: ``field`` says which UID that is."""

    field: str
    place: str


def segment(uid: str) -> str:
    """Quote a UID whole, so that it stays one segment of a path whatever stands in it.

    Examples
    --------
    >>> segment("1.2.840"), segment("../admin?x=1")
    ('1.2.840', '..%2Fadmin%3Fx%3D1')
    """
    return quote(uid.encode("utf-8", "surrogatepass"), safe="")


def text_of(item: Item, tag: str) -> str:
    """Give the one value of a text, stripped; empty if there is none, or several."""
    cell = item.get(tag)
    values = cell.get("Value") if isinstance(cell, dict) else None
    one = values[0] if isinstance(values, list) and len(values) == 1 else None
    return one.strip(" \x00") if isinstance(one, str) else ""


def _count_of(item: Item, tag: str) -> int | None:
    cell = item.get(tag)
    values = cell.get("Value") if isinstance(cell, dict) else None
    one = values[0] if isinstance(values, list) and len(values) == 1 else None
    try:
        return int(one) if isinstance(one, int | str) and not isinstance(one, bool) else None
    except ValueError:
        return None


def list_series(server: Server, known: frozenset[str] = frozenset()) -> list[Series | Unnamed]:
    """List every series of a server.

    Parameters
    ----------
    known : studies of the last scan; one that the list lacks is asked for by name, because a list
        that grows or shrinks while it is paged may pass over a study

    Raises
    ------
    InputError
        A list cannot be had, is no DICOM JSON, or repeats itself.
    """
    found: list[Series | Unnamed] = []
    listed = set()
    for row in _paged(server, "/studies", _N_SERIES, _STUDY, "the list of studies", None):
        study = text_of(row, _STUDY)
        listed.add(study)
        if study in _UNASKABLE:
            found.append(Unnamed("StudyInstanceUID", _told_apart("", row)))
        else:
            found += _series_of(server, study, _count_of(row, _N_SERIES))
    for study in sorted(known - listed):
        found += series_of(server, study)
    return found


def series_of(server: Server, study: str) -> list[Series | Unnamed]:
    """List the series of one study; none if the server no longer knows it."""
    try:
        return _series_of(server, study, None)
    except NotFoundError:
        return []


def _series_of(server: Server, study: str, count: int | None) -> list[Series | Unnamed]:
    path = f"/studies/{segment(study)}/series"
    found: list[Series | Unnamed] = []
    for row in _paged(server, path, _N_INSTANCES, _SERIES, "the list of series", count):
        uid = text_of(row, _SERIES)
        if uid in _UNASKABLE:
            found.append(Unnamed("SeriesInstanceUID", _told_apart(study, row)))
        else:
            found.append(Series(study, uid, _count_of(row, _N_INSTANCES)))
    return found


def _told_apart(study: str, row: Item) -> str:
    """Tell rows without a UID apart by what else they say, and keep none of it."""
    return f"/studies/{segment(study)}/unnamed/{model.digest(row)[0].hex()}"


def _paged(
    server: Server, path: str, wanted: str, key: str, of: str, expected: int | None
) -> Iterator[Item]:
    """Page through a list until it is complete by the server's own count, else until it is empty.

    A short page alone proves nothing: a server may give fewer rows than it was asked for.
    """
    seen: set[str] = set()
    offset = 0
    while True:
        query = f"?includefield={wanted}&limit={PAGE}&offset={offset}"
        rows = list(objects(server, path + query, of))
        fresh = {text_of(row, key) or model.digest(row)[0].hex(): row for row in rows}
        fresh = {k: row for k, row in fresh.items() if k not in seen}
        if rows and not fresh:
            raise server.refusal(
                f"{of}: the server gives the same page again and again",
                "let it honour `limit` and `offset` of QIDO-RS",
            )
        yield from fresh.values()
        seen |= set(fresh)
        offset += len(rows)
        is_complete = expected is not None and len(seen) >= expected and len(rows) < PAGE
        if not rows or is_complete:
            return


def read_series(server: Server, series: Series, take: Callable[[Item], T]) -> list[T]:
    """Take what is wanted of every instance of a series; nothing if it is gone meanwhile.

    Parameters
    ----------
    take : is given one instance's metadata at a time, so that never all are held at once; a series
        that is asked for again is taken again from its start

    Raises
    ------
    InputError
        They cannot be had, are no DICOM JSON, or are fewer than the server counts.
    """
    for _ in range(2):
        try:
            items = objects(server, f"{series.place}/metadata", "the metadata of a series")
            found = [take(item) for item in items]
        except NotFoundError:
            found = []
        if len(found) >= (series.instances or 0):
            return found
        # It may have lost instances since it was listed; then the server counts fewer now.
        now = [s for s in series_of(server, series.study) if isinstance(s, Series)]
        counted = {s.uid: s.instances or 0 for s in now}
        if series.uid not in counted:
            return []
        if len(found) >= counted[series.uid]:
            return found
    raise server.refusal(
        "the metadata of a series hold fewer instances than the server counts",
        "let WADO-RS give the metadata of all instances (of Orthanc: SeriesMetadata Full)",
    )


def objects(server: Server, path: str, of: str) -> Iterator[Item]:
    """Ask for a list of DICOM JSON.

    Raises
    ------
    InputError
        It cannot be had, or is no DICOM JSON.
    """
    content_type, body = server.get(path, of, JSON)
    if body and content_type.partition(";")[0].strip() not in _JSON_TYPES:
        raise server.refusal(
            f"{of}: the server answers in another type than {JSON}",
            "let it give DICOM JSON, and correct `url` if it is another service's",
        )
    try:
        yield from model.objects(body)
    except MalformedError:
        raise server.refusal(f"{of}: the reply is no DICOM JSON, or is cut short") from None


def digest_content(server: Server, place: str) -> str | None:
    """sha256 of an instance's whole file as the server stores it; None if it cannot be had.

    Parameters
    ----------
    place : of the instance, below the server's address, quoted
    """
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    try:
        return server.fetch(place, "an instance", accept, _digest_part)
    except InputError:
        return None


def _digest_part(_content_type: str, parts: Iterator[bytes]) -> str | None:
    """Digest the one part of a multipart body as it comes; None if it is no such body."""
    held = b""
    for part in parts:
        held += part
        if b"\r\n\r\n" in held or len(held) > _LARGEST_HEAD:
            break
    head, blank, held = held.partition(b"\r\n\r\n")
    boundary = head.lstrip(b"\r\n").partition(b"\r\n")[0]
    if not blank or not boundary.startswith(b"--"):
        return None
    end = b"\r\n" + boundary + b"--"
    made = hashlib.sha256()
    for part in parts:
        held += part
        made.update(held[:-_LARGEST_END])
        held = held[-_LARGEST_END:]
    content, mark, _ = held.rpartition(end)
    if not mark:
        return None
    made.update(content)
    return made.hexdigest()
