"""Whether a pack is what it says: every file, no other file, every digest, and all of one mind.

It reads nothing but the pack.
Digests and agreement prove that a pack is whole and consistent, not who made it: compare the
printed digest with the one that the site sent by another way, or ask for signatures. Files that
have the names of signatures are accepted here and not judged. What does not belong here: what has
to agree (``agreement``), who signed (``signatures``), repair, or publishing (``io.packs.store``).
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpack_pipeline.errors import Problem
from vpack_pipeline.pack_format import agreement, bag
from vpack_pipeline.pack_format.contents import ASK

REQUIRED: Final = {
    "claim.json": 1,
    "codes.csv": 3,
    "drift/plan.json": 1,
    "protocol.yaml": 1,
    "report.html": 1,
    "summary.pdf": 6,
}
"""Payload files without which a bag is no pack, each with the format from which on it is one."""
PAGE: Final = f"{bag.DATA}report.html"
LATEST: Final = "latest"
"""The link beside a site's packs that leads to the newest one."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a pack says of itself.

    ``digest`` is the sha256 of the tag manifest: the one value from which every file follows.
    """

    identifier: str
    cut: str
    files: int
    bytes: int
    digest: str
    payload_digest: str
    format: int
    """Which ``Vpack-Format`` it has."""


def summary(path: Path) -> Summary:
    """Describe a pack that :func:`verify` found whole."""
    info = bag.parse_info((path / bag.INFO).read_bytes())
    size, _, count = info["Payload-Oxum"].partition(".")
    return Summary(
        identifier=info["External-Identifier"],
        cut=info["Bagging-Date"],
        files=int(count),
        bytes=int(size),
        digest=_digest(path / bag.TAG_MANIFEST),
        payload_digest=_digest(path / bag.MANIFEST),
        format=bag.format_of(info),
    )


def is_like_a_pack(path: Path) -> bool:
    """Tell whether a folder has one of the files by which a pack is known."""
    return any(os.path.lexists(path / name) for name in (bag.DECLARATION, bag.MANIFEST))


def nearest_pack(path: Path) -> Path | None:
    """Find the first newest pack of a site at most two folders below one that is no pack."""
    below = sorted(p for depth in ("", "*/", "*/*/") for p in path.glob(f"{depth}{LATEST}"))
    return next((p for p in below if p.is_dir() and is_like_a_pack(p)), None)


def newer_format(path: Path) -> Problem | None:
    """Say that a pack has a format that only a newer version of vpack can read, if it has."""
    info = path / bag.INFO
    if info.is_symlink() or not info.is_file():
        return None
    stated = bag.format_of(bag.parse_info(info.read_bytes()))
    if stated <= bag.FORMAT:
        return None
    what = f"the pack was made by a newer vpack: its format is {stated}, not 1 to {bag.FORMAT}"
    return Problem(bag.INFO, what, "update vpack")


def verify(path: Path) -> list[Problem]:
    """Hold a pack against its manifests and, where these hold, its parts against one another.

    Parameters
    ----------
    path : the pack's folder (the folder itself may be reached through a link, such as ``latest``)

    Returns
    -------
    everything that is wrong; empty means whole, complete and consistent
    """
    return whole(path) or agreement.find(path.resolve(), payload(path))


def payload(path: Path) -> list[str]:
    """Name the files below ``data/`` of a pack whose manifests hold, by their path from there."""
    listed = bag.parse_manifest((path / bag.MANIFEST).read_bytes())
    return [entry.path.removeprefix(bag.DATA) for entry in listed or ()]


def whole(path: Path) -> list[Problem]:
    """Hold a pack against its manifests alone.

    It is the pack that was published if its digest is the one that was noted then.

    Parameters
    ----------
    path : as for :func:`verify`

    Returns
    -------
    everything that is wrong; empty means that every file is there, and no other, as it was listed
    """
    if not path.is_dir():
        return [Problem(path.name, "is no folder", "give the folder of a pack")]
    newer = newer_format(path)
    if newer is not None:
        return [newer]
    files, found = _walk(path)
    missing = [t for t in (*bag.TAGGED, bag.TAG_MANIFEST) if t not in files]
    if missing:
        return [*found, *(Problem(t, "is missing: this is no whole pack", ASK) for t in missing)]
    if (path / bag.DECLARATION).read_bytes() != bag.DECLARATION_TEXT:
        found.append(Problem(bag.DECLARATION, "does not declare a BagIt 1.0 bag", ASK))
    payload = bag.parse_manifest((path / bag.MANIFEST).read_bytes())
    tags = bag.parse_manifest((path / bag.TAG_MANIFEST).read_bytes())
    if payload is None or tags is None:
        broken = bag.MANIFEST if payload is None else bag.TAG_MANIFEST
        return [*found, Problem(broken, "is not a list of digests and plain paths", ASK)]
    if [e.path for e in tags] != list(bag.TAGGED):
        found.append(Problem(bag.TAG_MANIFEST, "does not cover exactly the tag files", ASK))
    listed = {e.path for e in (*payload, *tags)} | {bag.TAG_MANIFEST}
    files = {path for path in files if path in listed or not bag.is_signature(path)}
    found += [Problem(p, "is not part of the pack", "remove it") for p in sorted(files - listed)]
    found += [Problem(p, "is missing", ASK) for p in sorted(listed - files)]
    found += [
        Problem(e.path, "was changed", ASK)
        for e in (*tags, *payload)
        if e.path in files and _digest(path / e.path) != e.sha256
    ]
    return found + _contents(path, payload, files)


def _contents(path: Path, payload: list[bag.Entry], files: set[str]) -> list[Problem]:
    """Compare the bag's own description with what is there."""
    listed = {e.path for e in payload}
    found = [
        Problem(e.path, "lies outside the payload", ASK)
        for e in payload
        if not e.path.startswith(bag.DATA)
    ]
    told = (path / bag.INFO).read_bytes()
    info = bag.parse_info(told)
    if bag.has_other_lines(told):
        found.append(Problem(bag.INFO, "has a line that no pack has, or one twice", ASK))
    found += [
        Problem(f"{bag.DATA}{name}", "is required and not listed", ASK)
        for name, since in REQUIRED.items()
        if since <= (bag.format_of(info) or 1) and f"{bag.DATA}{name}" not in listed
    ]
    size = sum((path / p).stat().st_size for p in listed & files)
    if info.get("Payload-Oxum") != f"{size}.{len(listed)}":
        found.append(Problem(bag.INFO, "states another size or number of files", ASK))
    if not info.get("External-Identifier", "").endswith(f"-{_digest(path / bag.MANIFEST)[:12]}"):
        found.append(Problem(bag.INFO, "names another version than the payload gives", ASK))
    if bag.format_of(info) == 0:
        found.append(Problem(bag.INFO, "states no valid format", ASK))
    if not info.get("Bagging-Date"):
        found.append(Problem(bag.INFO, "states no data cut", ASK))
    return found


def _walk(root: Path) -> tuple[set[str], list[Problem]]:
    """List regular files by path below ``root``.

    A link or device is a problem, never followed; so is a folder with nothing in it.
    """
    files: set[str] = set()
    found: list[Problem] = []
    for folder, names, entries in os.walk(root, followlinks=False):
        names.sort()
        if not names and not entries:
            where = Path(folder).relative_to(root).as_posix()
            found.append(Problem(where, "is an empty folder", "remove it"))
        for name in sorted([*names, *entries]):
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                files.add(relative)
            elif not stat.S_ISDIR(mode):
                found.append(Problem(relative, "is a link or no regular file", "remove it"))
    return files, found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
