"""Orthanc's feed of changes: which series were written to, where their number stayed the same.

Orthanc counts every change (``/changes?since=N`` of its REST interface) and names what is new or
replaced; what was deleted it names no more, and the number of instances tells. The last number that
was read is kept in the scanner's folder. What does not belong here: DICOMweb (``query``).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from vpack_pipeline.io.dicom.dicomweb.server import NotFoundError, Server
from vpack_pipeline.io.warehouse import write_durably

FILE: Final = "feeds.json"
_PAGE: Final = 1000
_OF: Final = "the feed of changes"


def last(server: Server) -> int:
    """Give the number of the newest change.

    Raises
    ------
    InputError
        There is no such feed.
    """
    return _number(server, _asked(server, "/changes?last").get("Last"))


def modified(server: Server, since: int) -> frozenset[str]:
    """Give the SeriesInstanceUIDs of series to which something was written after a change.

    Raises
    ------
    InputError
        There is no such feed, or it does not move on.
    """
    parents: dict[str, str] = {}
    series = set()
    is_done = False
    while not is_done:
        page = _asked(server, f"/changes?since={since}&limit={_PAGE}")
        changes = page.get("Changes")
        for change in changes if isinstance(changes, list) else ():
            if not isinstance(change, dict):
                continue
            kind, name = change.get("ResourceType"), str(change.get("ID"))
            if kind == "Series":
                series.add(name)
            elif kind == "Instance" and name not in parents:
                parents[name] = _said(server, f"/instances/{quote(name, safe='')}", "ParentSeries")
        is_done = page.get("Done") is not False
        reached = _number(server, page.get("Last"))
        if not is_done and reached <= since:
            raise server.refusal(f"{_OF} gives the same page again and again")
        since = reached
    series |= {name for name in parents.values() if name}
    uids = (
        _said(server, f"/series/{quote(name, safe='')}", "SeriesInstanceUID") for name in series
    )
    return frozenset(uid for uid in uids if uid)


def _said(server: Server, path: str, key: str) -> str:
    """Ask for one text of a resource; empty if it is gone meanwhile."""
    try:
        found = _asked(server, path)
    except NotFoundError:
        return ""
    tags = found.get("MainDicomTags")
    value = found.get(key) or (tags.get(key) if isinstance(tags, dict) else None)
    return value if isinstance(value, str) else ""


def _asked(server: Server, path: str) -> dict[str, Any]:
    try:
        found = json.loads(server.get(path, _OF, "application/json")[1])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise server.refusal(f"{_OF}: the reply is no JSON object", "correct `orthanc_url`")
    return found


def _number(server: Server, given: Any) -> int:
    if not isinstance(given, int):
        raise server.refusal(f"{_OF}: it does not count its changes", "correct `orthanc_url`")
    return given


def load(folder: Path) -> dict[str, int]:
    """Give the last change read of every feed; none if that is lost."""
    try:
        found = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    pairs = found.items() if isinstance(found, dict) else ()
    return {k: v for k, v in pairs if isinstance(v, int)}


def save(folder: Path, read: dict[str, int]) -> None:
    """Keep the last change read of every feed, once what it led to is kept."""
    if read != load(folder):
        write_durably(folder / FILE, json.dumps(read, sort_keys=True).encode())


def name(source: int, url: str) -> str:
    """Name a feed: another address has another numbering."""
    return f"{source}:{hashlib.sha256(url.encode()).hexdigest()[:16]}"
