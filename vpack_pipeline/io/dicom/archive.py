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
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import polars as pl

from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.dicom.outcomes import HeaderError

if TYPE_CHECKING:
    # What the parser imports decides whether an archive is read again.
    from vpack_pipeline.io.edge import Edge

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
_NOTHING: Final = os.stat_result((0,) * 10, {"st_mtime_ns": 0, "st_ctime_ns": 0})
"""Of a file that went away at once: it goes on as one that cannot be opened, VANISHED."""
_NUMBERS: Final = ("dev", "inode", "bytes", "mtime_ns", "ctime_ns")


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
        if source.kind != "folder":
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
        for rows in _walk(os.fsencode(root), part):
            frame = rows.frame(source)
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


class _Rows:
    """Listed files, column by column: no object a file is left behind for the collector."""

    def __init__(self) -> None:
        self.path: list[bytes] = []
        self.dev, self.inode = array("Q"), array("Q")
        self.bytes, self.mtime_ns, self.ctime_ns = array("q"), array("q"), array("q")

    def frame(self, source: int) -> pl.DataFrame:
        """Give them as :data:`LISTED`."""
        given = {name: getattr(self, name) for name in ("path", *_NUMBERS)}
        numbers = {n: np.frombuffer(given[n], given[n].typecode) for n in _NUMBERS}
        frame = pl.DataFrame({"path": pl.Series(given["path"], dtype=pl.Binary), **numbers})
        return frame.with_columns(source=pl.lit(source, pl.Int64)).select(*LISTED)


def _walk(root: bytes, part: Part | None) -> Iterator[_Rows]:
    folders = [(root.rstrip(b"/"), 0)]
    below = len(folders[0][0]) + 1
    rows = _Rows()
    while folders:
        folder, depth = folders.pop()
        owner = part if depth < _OWNED else None
        for batch in _batches(folder or b"/", is_root=not depth):
            for path in _add(rows, batch, folder + b"/", below, owner):
                if owner is None or depth + 1 < _OWNED or owner.holds(path[below:]):
                    folders.append((path, depth + 1))
            if len(rows.path) >= _ROWS:
                yield rows
                rows = _Rows()
    yield rows


def _batches(folder: bytes, *, is_root: bool) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Open a folder without following a link, and give its entries, some at a time."""
    try:
        handle = os.open(folder, OPEN | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in _GONE and not is_root:
            return  # what it held has vanished with it
        raise
    try:
        with os.scandir(handle) as entries:
            for first in entries:
                yield itertools.chain((first,), itertools.islice(entries, _ROWS))
    finally:
        os.close(handle)


def _add(
    rows: _Rows, entries: Iterable[os.DirEntry[str]], start: bytes, below: int, part: Part | None
) -> list[bytes]:
    """Add files to ``rows``; give the folders among the entries."""
    folders = []
    dev, inode, size = rows.dev.append, rows.inode.append, rows.bytes.append
    mtime, ctime, paths = rows.mtime_ns.append, rows.ctime_ns.append, rows.path.append
    for entry in entries:
        path = start + entry.name.encode("utf-8", "surrogateescape")
        if entry.is_file(follow_symlinks=False):
            if part is not None and not part.holds(path[below:]):
                continue
            try:
                seen = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                seen = _NOTHING
            paths(path)
            dev(seen.st_dev)
            inode(seen.st_ino)
            size(seen.st_size)
            mtime(seen.st_mtime_ns)
            ctime(seen.st_ctime_ns)
        elif entry.is_dir(follow_symlinks=False):
            folders.append(path)
    return folders


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
