"""The archive as it lies on disk: which files there are, and the bytes of one of them.

No link is followed, no path is ever built from a header, and only regular files count. What does
not belong here: what a file holds (``header``), what was known before (``scanner``).
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.dicom import structure
from vpack_pipeline.io.dicom.outcomes import HeaderError
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.site import FolderSource

MAX_DIGESTED: Final = 16 * 1024 * 1024
_UNPARSED: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})


@dataclass(frozen=True, slots=True)
class Entry:
    """One regular file: the number of its source (from 1), its path in it, and its change key."""

    source: int
    relative: str
    path: bytes
    dev: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def roots(edge: Edge) -> list[tuple[int, Path]]:
    """Name the folders among a site's sources, each with the number of its source.

    Raises
    ------
    InputError
        A folder is not there.
    """
    problems = []
    found = []
    for number, source in enumerate(edge.site.sources, start=1):
        if not isinstance(source, FolderSource):
            continue
        root = edge.resolve(source.path)
        if not root.is_dir():
            problems.append(
                Problem(
                    f"sources[{number}]",
                    "there is no such folder",
                    "mount the share, or correct `path` in site.yaml",
                )
            )
        found.append((number, root))
    if problems:
        raise InputError(problems)
    return found


def walk(root: Path, source: int) -> list[Entry]:
    """List the regular files below a folder, sorted by path.

    Raises
    ------
    InputError
        A folder cannot be listed: what it holds would be missing without a trace.
    """
    try:
        found = list(_walk(root, source))
    except PermissionError:
        problem = Problem(
            f"sources[{source}]",
            "a folder below it cannot be listed",
            "let the account that builds packs list every folder of the archive",
        )
        raise InputError(problem) from None
    return sorted(found, key=lambda e: e.path)


def _walk(root: Path, source: int) -> Iterator[Entry]:
    base = os.fspath(root)
    folders = [base]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield _entry(entry, base, source)


def _entry(entry: os.DirEntry[str], base: str, source: int) -> Entry:
    relative = entry.path[len(base) :].lstrip("/")
    try:
        seen = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # it goes on as a file that cannot be opened: VANISHED
        return Entry(source, relative, os.fsencode(entry.path), 0, 0, 0, 0, 0)
    return Entry(
        source,
        relative,
        os.fsencode(entry.path),
        seen.st_dev,
        seen.st_ino,
        seen.st_size,
        seen.st_mtime_ns,
        seen.st_ctime_ns,
    )


class OpenFile:
    """A regular file, opened without following a link and without waiting on a pipe.

    Raises
    ------
    HeaderError
        PERM or VANISHED.
    """

    def __init__(self, path: bytes) -> None:
        self._handle = -1
        try:
            self._handle = os.open(path, _OPEN)
            seen = os.fstat(self._handle)
        except OSError as error:
            self.close()
            raise failure(error) from None
        if not stat.S_ISREG(seen.st_mode):
            self.close()
            raise HeaderError("VANISHED")
        self.size = seen.st_size

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def read(self, start: int, count: int) -> bytes:
        """Read at a place; fewer bytes only at the file's end."""
        parts = []
        while count > 0:
            try:
                part = os.pread(self._handle, count, start)
            except OSError as error:
                raise failure(error) from None
            if not part:
                break
            parts.append(part)
            start += len(part)
            count -= len(part)
        return b"".join(parts)

    def walk(self, wanted: structure.Wanted) -> structure.Structure:
        """Walk the file's structure; see :func:`structure.walk`."""
        return structure.walk(structure.FileBytes(self.read, self.size), wanted)

    def digest(self, end: int | None) -> bytes:
        """sha256 of the header, or of a file's start where nobody knows where the header ends."""
        made = hashlib.sha256()
        left = min(_UNPARSED if end is None else end, self.size, MAX_DIGESTED)
        at = 0
        while left > at:
            part = self.read(at, min(_CHUNK, left - at))
            if not part:
                break
            made.update(part)
            at += len(part)
        return made.digest()


def digest_content(path: bytes) -> str | None:
    """sha256 of a whole file; None if it cannot be read."""
    made = hashlib.sha256()
    try:
        with OpenFile(path) as file:
            at = 0
            while part := file.read(at, _CHUNK):
                made.update(part)
                at += len(part)
    except HeaderError:
        return None
    return made.hexdigest()


def failure(error: OSError) -> HeaderError:
    """Name a failure to read."""
    return HeaderError("VANISHED" if error.errno in _GONE else "PERM")
