"""The scanner's private state: what lets an unchanged file go unread, and where a file really is.

Three files in the site's state: ``manifest`` (real paths and change keys: a cache), ``headers``
(the outcome and header row of every version that a cut may still ask for) and ``first_seen`` (the
ledger: data to back up). Identifiers stand in none of them but as pseudonyms; real paths stand in
the manifest only. What does not belong here: what the rows mean (``scanner``, ``ledger``).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import io
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final

import polars as pl

from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.dicom import fields, ledger
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.identity import NORMALISATION
from vpack_pipeline.io.warehouse import write_durably

_PARSER: Final = ("structure.py", "values.py", "fields.py", "header.py")
FOLDER: Final = "images"

CHANGE_KEY: Final = ("dev", "inode", "path", "bytes", "mtime_ns", "ctime_ns")
MANIFEST: Final[Mapping[str, Any]] = {
    "file_id": pl.String,
    "source": pl.Int64,
    "path": pl.Binary,
    "dev": pl.UInt64,
    "inode": pl.UInt64,
    "bytes": pl.Int64,
    "mtime_ns": pl.Int64,
    "ctime_ns": pl.Int64,
    "version": pl.String,
    "parser": pl.String,
    "is_settled": pl.Boolean,
}
"""``is_settled`` is false where the file must be read again at the next scan."""

HEADERS: Final[Mapping[str, Any]] = {
    "file_id": pl.String,
    "version": pl.String,
    "source": pl.Int64,
    "outcome": pl.String,
    "detail": pl.String,
    "field": pl.String,
    "bytes": pl.Int64,
    "header_digest": pl.String,
    "content_sha256": pl.String,
    "instance_id": pl.String,
    "series_id": pl.String,
    "study_id": pl.String,
    "patient_id": pl.String,
    "device_id": pl.String,
    "accession_id": pl.String,
    "default_case_id": pl.String,
    "sop_class_uid": pl.String,
    "transfer_syntax_uid": pl.String,
    **dict(fields.columns()),
}


@dataclass(frozen=True, slots=True)
class State:
    """What earlier scans left."""

    manifest: pl.DataFrame
    headers: pl.DataFrame
    ledger: pl.DataFrame


def parser_of(edge: Edge) -> str:
    """Digest all that a header row depends on beside the file itself."""
    forms = sorted((k, f.zero_pad, f.case) for k, f in edge.site.identifiers.items())
    # The secret is part of it: pseudonyms of another secret must never be mixed with these.
    given = (NORMALISATION, forms, edge.site.issuer, edge.pseudonyms.fingerprint)
    return hashlib.sha256(f"{_code_digest()} {given!r}".encode()).hexdigest()[:32]


@functools.cache
def _code_digest() -> str:
    """Digest the reader itself and the tables of character sets that it takes from pydicom."""
    made = hashlib.sha256(metadata.version("pydicom").encode())
    for name in _PARSER:
        made.update((resources.files(__package__) / name).read_bytes())
    return made.hexdigest()


@contextlib.contextmanager
def locked(state: Path) -> Iterator[Path]:
    """Hold the scanner's folder for one scan; made with mode 700."""
    folder = state / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(stat.S_IRWXU)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)


def load(folder: Path, *, is_published: bool) -> State:
    """Read what earlier scans left.

    Raises
    ------
    InputError
        The ledger is damaged, or gone although other state or a published pack needs it.
    """
    manifest = _read(folder / "manifest.parquet", MANIFEST)
    headers = _read(folder / "headers.parquet", HEADERS)
    path = folder / "first_seen.parquet"
    known = _read(path, ledger.SCHEMA)
    if known is None and (path.exists() or is_published or headers is not None):
        what = "is damaged" if path.exists() else "is gone"
        raise InputError(
            Problem(
                f"state/{FOLDER}/{path.name}",
                f"the ledger of first-seen image files {what}",
                "restore it from the backup of the state: it says which file each cut knew",
            )
        )
    return State(
        pl.DataFrame(schema=MANIFEST) if manifest is None else manifest,
        pl.DataFrame(schema=HEADERS) if headers is None else headers,
        ledger.empty() if known is None else known,
    )


def save(folder: Path, old: State, new: State) -> None:
    """Write what has changed; the ledger last, so that it never names what has no header row."""
    parts = (
        ("headers.parquet", old.headers, new.headers),
        ("manifest.parquet", old.manifest, new.manifest),
        ("first_seen.parquet", old.ledger, new.ledger),
    )
    for name, before, after in parts:
        if not before.equals(after):
            buffer = io.BytesIO()
            after.write_parquet(buffer, compression="zstd")
            write_durably(folder / name, buffer.getvalue())


def scan_headers(state: Path) -> pl.LazyFrame:
    """Give the header rows that the last scan left, unread; none if there was no scan."""
    path = state / FOLDER / "headers.parquet"
    return pl.scan_parquet(path) if path.exists() else pl.LazyFrame(schema=HEADERS)


def read_headers(state: Path) -> pl.DataFrame:
    """Read the header rows that the last scan left; none if there was no scan."""
    found = _read(state / FOLDER / "headers.parquet", HEADERS)
    return pl.DataFrame(schema=HEADERS) if found is None else found


def resolve_path(state: Path, file_id: str) -> Path | None:
    """Find where a file lies, for its operator; None if no scan has it or it is gone.

    Parameters
    ----------
    state : the site's private folder
    file_id : the path's pseudonym, as quarantine and logs name it
    """
    manifest = _read(state / FOLDER / "manifest.parquet", MANIFEST)
    if manifest is None:
        return None
    found = manifest.filter(pl.col("file_id") == file_id)["path"].to_list()
    return Path(os.fsdecode(found[0])) if found else None


def _read(path: Path, schema: Mapping[str, Any]) -> pl.DataFrame | None:
    """Read a part of the state; None if it is absent, damaged or of another version."""
    if not path.exists():
        return None
    try:
        found = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        return None
    return found if found.schema == pl.Schema(schema) else None
