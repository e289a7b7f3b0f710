"""Typed rows of closed deliveries, kept so that each delivered file is read once.

Under ``typed_rows/<kind>`` in the site's private state lie the rows of one kind of input: parquet
files named by their digest, each with the rows of some deliveries, and ``index.json``, which says
of which delivered files they are and how those were read. All of it may be deleted at any time:
what is lost is read again from the deliveries. The index is authenticated with the site's secret
and names each parquet file by its digest, so that rows of anybody else's making are never taken.

A night's rows are merged with earlier ones in parts that grow: there are few parts however many
deliveries, and a row is seldom written again. What does not belong here: how a file is read
(``forms``, ``form_rows``), and what follows from its rows (``loading``).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import io
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from vpack_pipeline.io.identity import Pseudonyms, is_code
from vpack_pipeline.io.warehouse import DRAFT

if TYPE_CHECKING:
    from vpack_pipeline.site import InputKind

FOLDER: Final = "typed_rows"
INDEX: Final = "index.json"
FORMAT: Final = 1
_LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A delivered file that was read: the digest of its bytes, and how many rows it gave."""

    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Part:
    """A parquet file: its digest, and by delivery the delivered files whose rows it holds."""

    sha256: str
    files: Mapping[str, ReadFile]


@dataclass(frozen=True, slots=True)
class KeptRows:
    """The kept rows of one kind of input at one site.

    Parameters
    ----------
    state : the site's private folder
    kind : of input
    reading : digest of all that decides the rows beside the delivered file and its delivery
    pseudonyms : give the key that authenticates the index
    """

    state: Path
    kind: InputKind
    reading: str
    pseudonyms: Pseudonyms

    def counts(self, files: Mapping[str, str]) -> dict[str, int]:
        """Give the number of rows of those delivered files that were read before.

        Parameters
        ----------
        files : delivery → digest of its file
        """
        with self._locked(fcntl.LOCK_SH):
            known = {name: file for part in self._parts() for name, file in part.files.items()}
        return {
            name: known[name].rows
            for name, sha256 in files.items()
            if name in known and known[name].sha256 == sha256
        }

    def take(
        self, files: Mapping[str, str], columns: Sequence[str] | None = None
    ) -> tuple[list[pl.DataFrame], set[str]]:
        """Take the rows of those delivered files that were read before.

        Parameters
        ----------
        files : delivery → digest of its file
        columns : those wanted, ``delivery`` among them; None: all

        Returns
        -------
        frames of rows with their ``delivery``, in the order of each file; and the deliveries whose
        rows they hold
        """
        frames: list[pl.DataFrame] = []
        taken: set[str] = set()
        with self._locked(fcntl.LOCK_SH):
            for part in self._parts():
                names = {n for n, file in part.files.items() if files.get(n) == file.sha256}
                rows = self._rows(part, names, columns)
                if rows is not None:
                    frames.append(rows)
                    taken |= names
        return frames, taken

    def keep(self, files: Mapping[str, str], read: Mapping[str, pl.DataFrame]) -> None:
        """Keep the rows of delivered files that were read.

        Parameters
        ----------
        files : delivery → digest of its file
        read : delivery → all rows of its file with their ``delivery``, in the order of the file
        """
        if not read:
            return
        held = {name: ReadFile(files[name], frame.height) for name, frame in read.items()}
        rows = pl.concat(read.values())
        with self._locked(fcntl.LOCK_EX):
            parts = [_without(part, held) for part in self._parts()]
            parts = [part for part in parts if part.files]
            while parts and _size(parts[-1].files) < 2 * _size(held):
                last = parts.pop()
                earlier = self._rows(last, set(last.files))
                if earlier is not None:
                    rows, held = pl.concat([earlier, rows]), {**last.files, **held}
            parts.append(Part(self._write(rows), held))
            self._put(self._folder / INDEX, self._signed(parts))
            self._drop_others(parts)

    def clean(self) -> int:
        """Remove what is of no use: rows that were read in another way, and unfinished files.

        Returns
        -------
        how many files were removed
        """
        with self._locked(fcntl.LOCK_EX):
            parts = self._parts()
            return self._drop_others(parts, () if parts else (INDEX,))

    @property
    def _folder(self) -> Path:
        return self.state / FOLDER / self.kind

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Hold the folder, made with mode 700: with others that read, or alone."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for folder in (self._folder.parent, self._folder):
            folder.chmod(stat.S_IRWXU)
        handle = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)

    def _parts(self) -> list[Part]:
        """Read the index; nothing where it is absent, damaged, not ours, or of another reading."""
        try:
            told = json.loads((self._folder / INDEX).read_bytes())
            mac = told.pop("mac")
            if not is_code(mac, self._mac(told)) or told["reading"] != self.reading:
                return []
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return []
        return [
            Part(part["sha256"], {n: ReadFile(**file) for n, file in part["files"].items()})
            for part in told["parts"]
        ]

    def _signed(self, parts: Sequence[Part]) -> bytes:
        told = {
            "format": FORMAT,
            "kind": self.kind,
            "reading": self.reading,
            "parts": [asdict(part) for part in parts],
        }
        return json.dumps({**told, "mac": self._mac(told)}, indent=1).encode()

    def _mac(self, told: Mapping[str, Any]) -> str:
        text = json.dumps([FORMAT, self.kind, told], sort_keys=True, separators=(",", ":"))
        key = self.pseudonyms.derive("typed rows")
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def _rows(
        self, part: Part, names: set[str], columns: Sequence[str] | None = None
    ) -> pl.DataFrame | None:
        """Read the rows of some deliveries of a part; None where there are none, or it is lost."""
        if not names:
            return None
        try:
            data = self._path(part.sha256).read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(data).hexdigest() != part.sha256:
            return None
        wanted = None if columns is None else list(columns)
        rows = pl.read_parquet(io.BytesIO(data), columns=wanted, hive_partitioning=False)
        if rows.height == sum(part.files[name].rows for name in names):
            return rows
        return rows.filter(pl.col("delivery").is_in(sorted(names)))

    def _write(self, rows: pl.DataFrame) -> str:
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
        sha256 = hashlib.sha256(buffer.getbuffer()).hexdigest()
        self._put(self._path(sha256), buffer.getbuffer())
        return sha256

    def _put(self, path: Path, data: bytes | memoryview) -> None:
        """Replace a file as a whole; what a crash leaves torn fits no digest, and is read again."""
        handle, draft = tempfile.mkstemp(prefix=DRAFT, dir=self._folder)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(draft).replace(path)

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.parquet"

    def _drop_others(self, parts: Iterable[Part], also: Iterable[str] = ()) -> int:
        kept = {_LOCK, INDEX, *(self._path(part.sha256).name for part in parts)} - set(also)
        others = [path for path in self._folder.iterdir() if path.name not in kept]
        for path in others:
            path.unlink()
        return len(others)


def clean(state: Path, kinds: Iterable[KeptRows]) -> int:
    """Remove from a site's state what is of no use: see :meth:`KeptRows.clean`.

    Parameters
    ----------
    kinds : one for each input of the site; the rows of any other kind are removed

    Returns
    -------
    how many files were removed
    """
    root = state / FOLDER
    if not root.is_dir():
        return 0
    known = {rows.kind: rows for rows in kinds}
    removed = 0
    for folder in root.iterdir():
        if folder.name in known:
            removed += known[folder.name].clean()
        else:
            removed += sum(path.name != _LOCK for path in folder.iterdir())
            shutil.rmtree(folder)
    return removed


def _without(part: Part, files: Mapping[str, ReadFile]) -> Part:
    """Forget the rows of deliveries that were read again."""
    return Part(part.sha256, {n: file for n, file in part.files.items() if n not in files})


def _size(files: Mapping[str, ReadFile]) -> int:
    """Count rows, and one more: parts without rows are merged too."""
    return 1 + sum(file.rows for file in files.values())
