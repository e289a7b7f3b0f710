"""The archive as it lies on disk: which files there are, and the bytes of one of them.

No link is followed, no path is ever built from a header, and only regular files count. What does
not belong here: what a file holds (``header``), what was known before (``scanner``).
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import polars as pl

from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.dicom.outcomes import HeaderError
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.site import FolderSource

_CHUNK: Final = 1024 * 1024
OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})
_REMOTE: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "gpfs", "beegfs", "9p", "afs", "glusterfs"}
)
_ROWS: Final = 50_000
_OWNED: Final = 3
"""Levels below a source at which a folder belongs to one part of the archive."""

LISTED: Final[Mapping[str, Any]] = {
    "source": pl.Int64,
    "path": pl.Binary,
    "dev": pl.UInt64,
    "inode": pl.UInt64,
    "bytes": pl.Int64,
    "mtime_ns": pl.Int64,
    "ctime_ns": pl.Int64,
}
"""One row per regular file: the number of its source (from 1), where it lies, its change key."""
_Row = tuple[bytes, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """One of ``count`` parts of an archive, by number from 1, for a scheduler of one's own.

    A folder three levels below a source belongs to one part with all that it holds; a file that
    lies higher belongs to a part by itself.
    """

    number: int
    count: int

    def holds(self, path: bytes) -> bool:
        """Say whether a folder or file of this path below its source belongs to the part."""
        return zlib.crc32(path) % self.count == self.number - 1


def roots(edge: Edge) -> list[Path]:
    """Name the folders of a site's sources.

    Raises
    ------
    InputError
        A source is no folder, or cannot be listed.
    """
    problems = []
    found = []
    for number, source in enumerate(edge.site.sources, start=1):
        if not isinstance(source, FolderSource):
            problems.append(
                Problem(
                    f"sources[{number}]",
                    "this version reads DICOM from folders only, not from DICOMweb",
                    "export the studies to a folder and name it with `kind: folder`",
                )
            )
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
        found.append(root)
    if problems:
        raise InputError(problems)
    return found


def walk(root: Path, source: int, part: Part | None = None) -> Iterator[pl.DataFrame]:
    """List the regular files below a folder, or those of one part, in frames of :data:`LISTED`.

    Raises
    ------
    InputError
        A folder cannot be listed: what it holds would be missing without a trace.
    """
    mounts = Path("/proc/self/mountinfo")
    remote = remote_devices(mounts.read_text(errors="replace") if mounts.exists() else "")
    nothing = pl.lit(0, pl.UInt64)
    is_remote = pl.col("dev").is_in(sorted(remote))
    numbers = [
        pl.when(is_remote).then(nothing).otherwise(pl.col(n)).alias(n) for n in ("inode", "dev")
    ]
    try:
        for frame in _framed(_walk(os.fsencode(root), part), source):
            yield frame.with_columns(numbers) if remote else frame
    except PermissionError:
        problem = Problem(
            f"sources[{source}]",
            "a folder below it cannot be listed",
            "let the account that builds packs list every folder of the archive",
        )
        raise InputError(problem) from None


def remote_devices(mountinfo: str) -> frozenset[int]:
    """Give the device numbers of network shares: they change when a share is mounted again.

    Parameters
    ----------
    mountinfo : as the kernel's proc(5) writes it

    Examples
    --------
    >>> line = "36 35 0:52 / /mnt/pacs rw,noatime - nfs4 server:/pacs rw"
    >>> remote_devices(line) == {os.makedev(0, 52)}
    True
    """
    found = set()
    for line in mountinfo.splitlines():
        mount, _, kind = line.partition(" - ")
        if kind.split(" ")[0] in _REMOTE or kind.startswith("fuse."):
            major, _, minor = mount.split(" ")[2].partition(":")
            found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)


def _framed(rows: Iterator[_Row], source: int) -> Iterator[pl.DataFrame]:
    while chunk := list(itertools.islice(rows, _ROWS)):
        path, dev, inode, size, mtime, ctime = zip(*chunk, strict=True)
        columns = (path, dev, inode, size, mtime, ctime)
        names = ("path", *(n for n in LISTED if n not in {"source", "path"}))
        yield pl.DataFrame(
            [pl.Series(n, c, LISTED[n]) for n, c in zip(names, columns, strict=True)]
        ).select(pl.lit(source, LISTED["source"]).alias("source"), *names)


def _walk(root: bytes, part: Part | None) -> Iterator[_Row]:
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            # Opened before it is listed: a folder that became a link is not followed.
            handle = os.open(folder, OPEN | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in _GONE and folder != root:
                continue  # what it held has vanished with it
            raise
        try:
            yield from _list(handle, folder, depth, root, part, folders)
        finally:
            os.close(handle)


def _list(
    handle: int,
    folder: bytes,
    depth: int,
    root: bytes,
    part: Part | None,
    folders: list[tuple[bytes, int]],
) -> Iterator[_Row]:
    """Give the files of one folder, and add its folders to those still to be listed."""
    start = folder.rstrip(b"/") + b"/"
    below = len(root.rstrip(b"/")) + 1
    is_shared = part is not None and depth < _OWNED
    with os.scandir(handle) as entries:
        for entry in entries:
            path = start + entry.name.encode("utf-8", "surrogateescape")
            if entry.is_dir(follow_symlinks=False):
                if depth + 1 != _OWNED or part is None or part.holds(path[below:]):
                    folders.append((path, depth + 1))
            elif entry.is_file(follow_symlinks=False):
                if is_shared and part is not None and not part.holds(path[below:]):
                    continue
                try:
                    seen = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # it goes on as a file that cannot be opened: VANISHED
                    yield path, 0, 0, 0, 0, 0
                    continue
                yield (
                    path,
                    seen.st_dev,
                    seen.st_ino,
                    seen.st_size,
                    seen.st_mtime_ns,
                    seen.st_ctime_ns,
                )


def change_key(path: bytes) -> tuple[int, int, int, int, int] | None:
    """Give dev, inode, bytes, mtime_ns and ctime_ns of a path as it is now; None if it is gone."""
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


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
            self._handle = os.open(path, OPEN)
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
        try:
            made = os.pread(self._handle, count, start)
            while len(made) < count and start + len(made) < self.size:
                part = os.pread(self._handle, count - len(made), start + len(made))
                if not part:
                    break
                made += part
        except OSError as error:
            raise failure(error) from None
        return made

    def stream(self) -> BinaryIO:
        """Open the same file again as a stream, from its start; closing it leaves this one open."""
        os.lseek(self._handle, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self._handle), "rb")


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
