"""The scan: every file of the archive with one outcome, unchanged files without reading them.

A full and an incremental scan give the same rows. What does not belong here: what a header means
(``header``), what a cut knows (``ledger``), the tables (``cohort.images``).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.deliveries import published_cuts
from vpack_pipeline.io.dicom import archive, fields, ledger
from vpack_pipeline.io.dicom import state as states
from vpack_pipeline.io.dicom.archive import Entry, OpenFile
from vpack_pipeline.io.dicom.dicomweb import feed
from vpack_pipeline.io.dicom.dicomweb.source import Connected, Refreshed, connected
from vpack_pipeline.io.dicom.header import Header, HeaderReader
from vpack_pipeline.io.dicom.outcomes import (
    COPY,
    NO_IMAGE_ARCHIVE,
    PARSED,
    READ_FAILURES,
    SET_ASIDE,
    HeaderError,
)
from vpack_pipeline.io.dicom.state import CHANGE_KEY, HEADERS, MANIFEST, State
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.site import DicomwebSource

LARGEST_LOSS: Final = 0.5
"""Share of a source's known files that may be gone before the scan stops."""
ACCEPT_LOSS: Final = "accept-vanished"
"""A file of this name in the scanner's state lets one scan take any loss for a clean-up."""
SETTLING_NS: Final = 120 * 10**9
"""What was modified so shortly before the walk may have been written to since in the same tick."""
KEY: Final = ["file_id", "version"]

Contents = Callable[[int, bytes], str | None]
"""Number of a source and place in it → sha256 of the whole object; None if it cannot be had."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan, as one cut knows it.

    ``files``: the columns of the state's header rows and ``first_seen`` (a cut), one row per file.
    ``deferred``: files or new versions that came after the cut was closed. ``read``: files opened.
    """

    files: pl.DataFrame
    deferred: int
    read: int


def scan(edge: Edge, *, clock: Callable[[], int] = time.time_ns, is_deep: bool = False) -> Scan:
    """Bring the site's state up to the archive and give what the edge's cut knows.

    Parameters
    ----------
    edge : gives sources, state, pseudonyms and cut
    clock : nanoseconds; decides only whether a file is read again, never what a table says
    is_deep : read all that DICOMweb servers hold again, whatever their numbers say

    Raises
    ------
    InputError
        A source is missing, unreadable, without DICOM or has lost most of its files; a server
        cannot be asked; the ledger is damaged; the cut knows no file, or one whose header the
        state has lost.
    """
    if edge.cut is None:
        raise ValueError("the cut is not fixed yet")
    published = published_cuts(edge)
    with states.locked(edge.state) as folder, connected(edge, os.environ) as servers:
        old = states.load(folder, is_published=bool(published))
        started = clock()
        entries = _entries(edge)
        changes = feed.load(folder)
        asked = {n: s.ask(edge, old, changes.get(s.feed_name), is_deep) for n, s in servers.items()}
        there = [entries.select("file_id"), *(r.manifest.select("file_id") for r in asked.values())]
        _refuse_loss(folder, old.ledger, pl.concat(there))
        stored, read = _refresh(edge, old, entries, started)
        stored = _with_servers(stored, list(asked.values()))
        _refuse_no_dicom(stored, edge)
        seen = stored.manifest.select("file_id", "source", "version")
        known = stored.ledger
        if not ledger.is_closed(edge.cut, published):
            known = ledger.record(known, seen, edge.cut)
        deferred = seen.join(ledger.current(known), on=KEY, how="anti").height
        visible = ledger.visible(known, edge.cut).select(*KEY, "first_seen")
        files, headers = _settle(visible, stored.headers, stored.manifest, _contents(servers))
        states.save(folder, old, _trimmed(State(stored.manifest, headers, known)))
        reached = {servers[n].feed_name: r.change for n, r in asked.items()}
        feed.save(folder, {n: c for n, c in reached.items() if c is not None})
        (folder / ACCEPT_LOSS).unlink(missing_ok=True)
    _refuse_none(files, visible, edge.cut, deferred)
    read += sum(r.headers.height for r in asked.values())
    return Scan(files.sort("file_id"), deferred, read)


def _with_servers(stored: State, asked: Sequence[Refreshed]) -> State:
    manifest = pl.concat([stored.manifest, *(r.manifest for r in asked)]).sort("file_id")
    fresh = pl.concat([stored.headers.clear(), *(r.headers for r in asked)])
    kept = stored.headers.join(fresh, on=KEY, how="anti")
    return replace(stored, manifest=manifest, headers=pl.concat([kept, fresh]).sort(*KEY))


def _contents(servers: dict[int, Connected]) -> Contents:
    """Say where the content of an object is to be had."""

    def digest(source: int, place: bytes) -> str | None:
        if source in servers:
            return servers[source].digest_content(place)
        return archive.digest_content(place)

    return digest


def _entries(edge: Edge) -> pl.DataFrame:
    """List the archive: the manifest's columns that a walk can fill."""
    rows: list[tuple[Any, ...]] = []
    for number, root in archive.roots(edge):
        rows.extend(_entry_row(edge.pseudonyms, e) for e in archive.walk(root, number))
    columns = {n: t for n, t in MANIFEST.items() if n in {"file_id", "source", *CHANGE_KEY}}
    return pl.DataFrame(rows, schema=columns, orient="row")


def _entry_row(pseudonyms: Pseudonyms, e: Entry) -> tuple[Any, ...]:
    file_id = pseudonyms.path(f"{e.source}:{e.relative}")
    return (file_id, e.source, e.path, e.dev, e.inode, e.size, e.mtime_ns, e.ctime_ns)


def _refuse_loss(folder: Path, known: pl.DataFrame, entries: pl.DataFrame) -> None:
    """Stop where most of a source has vanished: that is an unmounted share, not a clean-up."""
    counted = (
        ledger.current(known)
        .join(entries.select("file_id", is_there=pl.lit(True)), on="file_id", how="left")
        .group_by("source")
        .agg(known=pl.len(), lost=pl.col("is_there").is_null().sum())
        .filter(pl.col("lost") > LARGEST_LOSS * pl.col("known"))
        .sort("source")
    )
    if counted.height and not (folder / ACCEPT_LOSS).exists():
        raise InputError(
            [
                Problem(
                    f"sources[{row['source']}]",
                    f"{row['lost']} of {row['known']} known image files have vanished",
                    "mount the share; if they were removed on purpose, put an empty file"
                    f" {ACCEPT_LOSS} into the site's state/{states.FOLDER} for one build",
                )
                for row in counted.iter_rows(named=True)
            ]
        )


def _refresh(edge: Edge, old: State, entries: pl.DataFrame, started: int) -> tuple[State, int]:
    """Read what is new or altered; keep the rest."""
    parser = states.parser_of(edge)
    earlier = old.manifest.select(
        "file_id", *(pl.col(n).alias(f"old_{n}") for n in CHANGE_KEY),
        "version", old_parser="parser", was_settled="is_settled",
    )  # fmt: skip
    same = pl.all_horizontal(pl.col(n) == pl.col(f"old_{n}") for n in CHANGE_KEY)
    joined = entries.join(earlier, on="file_id", how="left", maintain_order="left").with_columns(
        is_same=same.fill_null(False)
    )
    has_row = old.headers.select(*KEY, has_row=pl.lit(True))
    joined = joined.join(has_row, on=KEY, how="left", maintain_order="left")
    is_kept = (
        pl.col("is_same")
        & pl.col("was_settled").fill_null(False)
        & pl.col("has_row").fill_null(False)
        & (pl.col("old_parser") == parser)
    )
    kept = joined.filter(is_kept)
    to_read = joined.filter(~is_kept)
    rows = _read_all(edge.pseudonyms, to_read)
    fresh = pl.DataFrame(rows, schema=HEADERS, orient="row")
    read = to_read.drop("version", "bytes").with_columns(
        fresh["version"], fresh["outcome"], fresh["bytes"]
    )
    is_settled = (pl.col("mtime_ns") < started - SETTLING_NS) & ~pl.col("outcome").is_in(
        list(READ_FAILURES)
    )
    manifest = pl.concat(
        [
            kept.with_columns(parser=pl.lit(parser), is_settled=pl.lit(True)).select(*MANIFEST),
            read.with_columns(parser=pl.lit(parser), is_settled=is_settled).select(*MANIFEST),
        ]
    ).sort("file_id")
    renamed = _renamed(to_read, fresh)
    unaltered = to_read.filter(pl.col("is_same") & pl.col("was_settled").fill_null(False))
    headers = _upserted(old.headers, fresh, renamed, unaltered)
    return State(manifest, headers, _moved(old, renamed)), len(rows)


def _renamed(to_read: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """Find unchanged files to which another parser gives another version: they are not new."""
    return (
        to_read.select("file_id", "version", "is_same", "was_settled")
        .with_columns(new_version=fresh["version"])
        .filter(
            pl.col("is_same")
            & pl.col("was_settled").fill_null(False)
            & (pl.col("version") != pl.col("new_version"))
        )
        .select(*KEY, "new_version")
    )


def _moved(old: State, renamed: pl.DataFrame) -> pl.DataFrame:
    return (
        old.ledger.join(renamed, on=KEY, how="left", maintain_order="left")
        .with_columns(version=pl.coalesce("new_version", "version"))
        .select(*ledger.SCHEMA)
    )


def _upserted(
    headers: pl.DataFrame, fresh: pl.DataFrame, renamed: pl.DataFrame, unaltered: pl.DataFrame
) -> pl.DataFrame:
    """Put fresh rows in the place of old ones; of an unaltered file the content digest stays."""
    digests = headers.join(unaltered, on=KEY, how="semi").select(*KEY, known="content_sha256")
    fresh = (
        fresh.join(digests, on=KEY, how="left", maintain_order="left")
        .with_columns(content_sha256=pl.col("known"))
        .drop("known")
    )
    kept = headers.join(fresh, on=KEY, how="anti").join(renamed, on=KEY, how="anti")
    return pl.concat([kept, fresh]).sort(*KEY)


def _read_all(pseudonyms: Pseudonyms, to_read: pl.DataFrame) -> list[tuple[Any, ...]]:
    reader, wanted = HeaderReader(pseudonyms), fields.wanted()
    columns = to_read.select("file_id", "source", "path", "bytes")
    return [_read_one(reader, wanted, *row) for row in columns.iter_rows()]


def _read_one(
    reader: HeaderReader, wanted: Any, file_id: str, source: int, path: bytes, size: int
) -> tuple[Any, ...]:
    """Read one file; whatever happens, it has one outcome."""
    digest: str | None = None
    try:
        with OpenFile(path) as file:
            size = file.size
            header, end = _read_header(reader, wanted, file)
            digest = reader.keyed(file.digest(end))
    except HeaderError as error:
        header = Header(error.code, error.detail, error.field)
    version = f"{digest or header.outcome}:{size}"
    given = {
        **header.columns,
        "file_id": file_id,
        "version": version,
        "source": source,
        "outcome": header.outcome,
        "detail": header.detail,
        "field": header.field,
        "bytes": size,
        "header_digest": digest,
    }
    return tuple(given.get(name) for name in HEADERS)


def _read_header(reader: HeaderReader, wanted: Any, file: OpenFile) -> tuple[Header, int | None]:
    """Walk and judge an open file; give where its header ends, None where nobody knows."""
    try:
        found = file.walk(wanted)
        return reader.read(found), found.header_end
    except HeaderError as error:
        if error.code in READ_FAILURES:
            raise
        return Header(error.code, error.detail, error.field), None
    except RecursionError:
        return Header("DEPTH"), None
    except MemoryError:
        return Header("OOM"), None
    except Exception as error:  # noqa: BLE001  one file never stops a scan; it is quarantined
        return Header("CRASH", type(error).__name__), None


def _refuse_no_dicom(stored: State, edge: Edge) -> None:
    """Stop where a source holds no DICOM file at all: it is another one than was meant."""
    outcomes = stored.manifest.join(stored.headers, on=KEY, how="left").select("source", "outcome")
    problems = []
    for number, source in enumerate(edge.site.sources, start=1):
        found = Counter(outcomes.filter(pl.col("source") == number)["outcome"].to_list())
        if set(found) <= NO_IMAGE_ARCHIVE:
            counts = "".join(f", {n} {code}" for code, n in sorted(found.items()))
            what = f"no DICOM file: {found.total()} files{counts}"
            remedy = "correct `path` in site.yaml, or mount the archive"
            if isinstance(source, DicomwebSource):
                what = "the server lists no study"
                remedy = "correct `url` in site.yaml, or let this account search all studies"
            problems.append(Problem(f"sources[{number}]", what, remedy))
    if problems:
        raise InputError(problems)


def _settle(
    visible: pl.DataFrame, headers: pl.DataFrame, manifest: pl.DataFrame, contents: Contents
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tell copies from conflicts among the files that a cut knows; keep the digests it took."""
    files = visible.join(headers, on=KEY, how="inner")
    is_object = pl.col("outcome").is_in([PARSED, SET_ASIDE]) & pl.col("instance_id").is_not_null()
    twins = files.filter(is_object).filter(pl.len().over("instance_id") > 1)
    if not twins.height:
        return files, headers
    taken = _digests(twins.filter(pl.col("content_sha256").is_null()), manifest, contents)
    headers = _with_digests(headers, taken)
    twins = _with_digests(twins, taken)
    # What cannot be shown to be a copy is a conflict: a file that is gone, or cannot be read.
    is_copy = (pl.col("content_sha256").n_unique() == 1) & (
        pl.col("content_sha256").null_count() == 0
    )
    judged = twins.select(
        *KEY,
        is_copy=is_copy.over("instance_id"),
        is_first=(pl.col("file_id") == pl.col("file_id").min()).over("instance_id"),
    )
    judgement = (
        pl.when(pl.col("is_copy").is_null() | (pl.col("is_copy") & pl.col("is_first")))
        .then(pl.col("outcome"))
        .when(pl.col("is_copy"))
        .then(pl.lit(COPY))
        .otherwise(pl.lit("DUP_SOP_CONFLICT"))
    )
    files = _with_digests(files, taken).join(judged, on=KEY, how="left")
    files = files.with_columns(
        detail=pl.when(judgement == pl.col("outcome")).then(pl.col("detail")), outcome=judgement
    )
    return files.drop("is_copy", "is_first"), headers


def _digests(twins: pl.DataFrame, manifest: pl.DataFrame, contents: Contents) -> pl.DataFrame:
    """Take the digest of whole files, of those that are still there as they were."""
    places = manifest.select(*KEY, "source", "path")
    there = twins.select(*KEY).join(places, on=KEY, how="inner", maintain_order="left")
    made = [contents(*row) for row in there.select("source", "path").iter_rows()]
    return there.select(*KEY).with_columns(taken=pl.Series(made, dtype=pl.String))


def _with_digests(frame: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    return (
        frame.join(taken, on=KEY, how="left", maintain_order="left")
        .with_columns(content_sha256=pl.coalesce("content_sha256", "taken"))
        .drop("taken")
    )


def _trimmed(new: State) -> State:
    """Drop header rows that neither the archive nor any cut knows any more."""
    asked = pl.concat([new.ledger.select(*KEY), new.manifest.select(*KEY)]).unique()
    return replace(new, headers=new.headers.join(asked, on=KEY, how="semi").sort(*KEY))


def _refuse_none(files: pl.DataFrame, visible: pl.DataFrame, cut: str, deferred: int) -> None:
    """Stop where the cut knows no file, or one whose header row is lost."""
    problems: Sequence[Problem] = ()
    if not visible.height:
        problems = [
            Problem(
                f"the cut {cut}",
                f"no image file was known at it ({deferred} came after it was closed)",
                "build a later cut: a file counts from the first cut whose scan saw it",
            )
        ]
    elif files.height < visible.height:
        problems = [
            Problem(
                f"the cut {cut}",
                f"{visible.height - files.height} image files that it knew are gone,"
                " and so are their headers in the scanner's state",
                f"restore state/{states.FOLDER}/headers.parquet from a backup, or build a later"
                " cut",
            )
        ]
    if problems:
        raise InputError(problems)
