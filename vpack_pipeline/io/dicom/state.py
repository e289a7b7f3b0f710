"""The scanner's private state: what lets an unchanged file go unread, and where a file really is.

``headers/<layout>`` holds the header rows in append-only shards (``shards``) and ``index``, which
says in which shard the row of a version stands; ``manifest`` the real paths and change keys;
``contents`` the digests of whole files that were taken; ``last.json`` where the deep check stands.
All these are caches: what is lost is read again. ``first_seen`` (``ledger``) is not: it is data to
back up. Identifiers stand in none of them but as pseudonyms; real paths, and of a server the UIDs
by which an instance is asked for, stand in the manifest only. What does not belong here: what the
rows mean (``scanner``, ``ledger``).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from vpack_pipeline import source_digest
from vpack_pipeline.contracts import header_fields
from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.dicom import fields, ledger
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.identity import NORMALISATION
from vpack_pipeline.io.warehouse import write_durably

PARSER: Final = ("vpack_pipeline.io.dicom.reading", "vpack_pipeline.io.dicom.dicomweb.model")
"""The modules that make a header row of a file, and of a server's metadata."""
FOLDER: Final = "images"
KEY: Final = ["file_id", "version"]

CHANGE_KEY: Final = ("dev", "inode", "bytes", "mtime_ns", "ctime_ns")
"""With its path, what tells that a file is as it was; dev and inode are 0 on a network share."""
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
    "engine": pl.String,
    "checked": pl.String,
    "instance_id": pl.String,
    "series_id": pl.String,
    "study_id": pl.String,
    "patient_id": pl.String,
    "device_id": pl.String,
    "accession_id": pl.String,
    "accession_series": pl.String,
    "accession_place": pl.Int64,
    "default_case_id": pl.String,
    "sop_class_uid": pl.String,
    "transfer_syntax_uid": pl.String,
    **dict(fields.columns()),
}
"""One row per version of a file. ``engine`` read the header: walker, pydicom or dicomweb, null
where the file could not be read. ``checked``: what a second reading said: same or differs, null
where the file was not drawn for one. ``accession_place`` is a number shifted by a secret amount,
from which gaps are reckoned (``io.cohort.accession_gaps``): it stands in no table.
"""
THIN: Final[Mapping[str, Any]] = {
    name: HEADERS[name]
    for name in (
        *(*KEY, "source", "outcome", "detail", "field", "bytes", "header_digest"),
        *("engine", "checked", "instance_id", "study_id", "study_date"),
    )
}
"""What a scan holds of every file in memory; the rest of a header row stays on disk."""
_DIGEST: Final = 32
_FEW: Final = ("outcome", "detail", "field", "engine", "checked", "shard")
INDEX: Final[Mapping[str, Any]] = {
    **{n: t for n, t in THIN.items() if n != "header_digest"},
    **dict.fromkeys(_FEW, pl.Categorical()),
}
"""The header's digest, which the version says already, is not held twice; what takes few values is
held as numbers.
"""
CONTENTS: Final[Mapping[str, Any]] = {**dict.fromkeys(KEY, pl.String), "content_sha256": pl.String}

_LAYOUT: Final = hashlib.sha256(repr(list(HEADERS.items())).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Last:
    """The last scan of an open cut: at which cut, and which slot of the deep check it read."""

    cut: str
    slot: int


@dataclass(frozen=True, slots=True)
class State:
    """What earlier scans left."""

    manifest: pl.DataFrame
    index: pl.DataFrame
    contents: pl.DataFrame
    ledger: pl.DataFrame
    last: Last | None


def reading() -> str:
    """Digest how a header is read: the code, and what is declared of header fields."""
    return f"{source_digest.digest_of(PARSER)} {header_fields.digest()}"


def parser_of(edge: Edge) -> str:
    """Digest all that a header row depends on beside the file itself."""
    forms = sorted((k, f.zero_pad, f.case) for k, f in edge.site.identifiers.items())
    # The secret is part of it: pseudonyms of another secret must never be mixed with these.
    given = (NORMALISATION, forms, edge.site.issuer, edge.pseudonyms.fingerprint)
    return hashlib.sha256(f"{reading()} {given!r}".encode()).hexdigest()[:32]


@contextlib.contextmanager
def locked(state: Path, *, is_shared: bool = False) -> Iterator[Path]:
    """Hold the scanner's folder, made with mode 700: alone, or with others that only add shards."""
    folder = _made(state / FOLDER)
    _made(folder / "headers")
    _made(shard_folder(folder))
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(stat.S_IRWXU)
    return folder


def shard_folder(folder: Path) -> Path:
    """Name the folder of the shards of this version's columns."""
    return folder / "headers" / _LAYOUT


def load_cache(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the manifest and the index; empty where they are lost. A row whose shard is gone is."""
    manifest = _or_empty(_read(folder / "manifest.parquet", MANIFEST), MANIFEST)
    index = _read(shard_folder(folder) / "index.parquet", INDEX)
    if index is None:
        return manifest, pl.DataFrame(schema=INDEX)
    there = {p.stem for p in shard_folder(folder).iterdir()}
    if gone := set(index["shard"].unique()) - there:
        index = index.filter(~pl.col("shard").is_in(sorted(gone)))
    return shared(manifest, index), index


def shared(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Let two tables of the same versions in the same order hold the key once."""
    if frame.height == other.height and frame.select(*KEY).equals(other.select(*KEY)):
        return frame.with_columns(other.select(*KEY))
    return frame


def ordered(*frames: pl.DataFrame) -> pl.DataFrame:
    """Put tables together in the order of ``file_id``, column by column.

    To sort a table whole takes it twice, and a large archive's tables are large: who calls this
    should not keep what it gives.
    """
    frame = pl.concat(frames)
    del frames
    if frame["file_id"].is_sorted():
        return frame
    at = frame["file_id"].arg_sort()
    return pl.DataFrame([frame.drop_in_place(name).gather(at) for name in frame.columns])


def load(folder: Path, *, is_published: bool) -> State:
    """Read what earlier scans left.

    Raises
    ------
    InputError
        The ledger is damaged, or gone although other state or a published pack needs it.
    """
    manifest, index = load_cache(folder)
    path = folder / "first_seen.parquet"
    known = _read(path, ledger.SCHEMA)
    if known is None and (path.exists() or is_published or not index.is_empty()):
        what = "is damaged" if path.exists() else "is gone"
        raise InputError(
            Problem(
                f"state/{FOLDER}/{path.name}",
                f"the ledger of first-seen image files {what}",
                "restore it from the backup of the state: it says which file each cut knew",
            )
        )
    return State(
        manifest,
        index,
        _or_empty(_read(folder / "contents.parquet", CONTENTS), CONTENTS),
        ledger.empty() if known is None else shared(known, index),
        _last(folder / "last.json"),
    )


def _last(path: Path) -> Last | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Last(str(found["cut"]), int(found["slot"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # only the deep check starts anew


def save(folder: Path, new: State, changed: Collection[str]) -> None:
    """Write the parts that have changed, by their names in :class:`State`.

    The ledger comes last, so that it never names what has no header row.
    """
    parts = {
        "contents": folder / "contents.parquet",
        "index": shard_folder(folder) / "index.parquet",
        "manifest": folder / "manifest.parquet",
        "ledger": folder / "first_seen.parquet",
    }
    for name, path in parts.items():
        if name in changed:
            write_frame(path, getattr(new, name))
    if "last" in changed and new.last is not None:
        told = {"cut": new.last.cut, "slot": new.last.slot}
        write_durably(folder / "last.json", json.dumps(told).encode())


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a part of the state so that a reader sees it whole or not at all."""
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            frame.write_parquet(file, compression="zstd", compression_level=1, statistics=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def scan_headers(state: Path) -> pl.LazyFrame:
    """Give the header rows that the last scan left, unread: one per version that is in the index.

    The columns are those of :data:`HEADERS`; the order is not defined.
    """
    folder = shard_folder(state / FOLDER)
    index = _read(folder / "index.parquet", INDEX)
    if index is None or index.is_empty():
        return pl.LazyFrame(schema=HEADERS)
    live = index.select(*KEY, pl.col("shard").cast(pl.String)).lazy()
    parts = [
        pl.scan_parquet(folder / f"{name}.parquet", hive_partitioning=False)
        .select(*HEADERS)
        .with_columns(shard=pl.lit(name))
        for name in index["shard"].unique().sort()
    ]
    # A version may stand in two shards, once as an earlier parser read it: the index says which.
    return pl.concat(parts).join(live, on=[*KEY, "shard"], how="semi").select(*HEADERS)


def spelt_out(index: pl.DataFrame) -> pl.DataFrame:
    """Give rows of the index as :data:`THIN`: the version begins with the header's digest.

    Where no header could be read, the outcome, which is shorter, stands for its digest.
    """
    words = [pl.col(n).cast(pl.String) for n in _FEW if n != "shard"]
    has_digest = pl.col("version").str.len_bytes() > _DIGEST
    digest = pl.when(has_digest).then(pl.col("version").str.head(_DIGEST))
    return index.with_columns(*words, header_digest=digest)


def read_headers(state: Path) -> pl.DataFrame:
    """Read the header rows that the last scan left, in the order of file and version."""
    return scan_headers(state).collect().sort(*KEY)


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


def _or_empty(frame: pl.DataFrame | None, schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(schema=schema) if frame is None else frame


def _read(path: Path, schema: Mapping[str, Any]) -> pl.DataFrame | None:
    """Read a part of the state; None if it is absent, damaged or of another version."""
    if not path.exists():
        return None
    try:
        found = pl.read_parquet(path, hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError):
        return None
    return found if found.schema == pl.Schema(schema) else None
