"""What of an archive has to be read, given what earlier scans left: joins, and no file.

What does not belong here: how files are listed and read (``archive``, ``shards``), what the cut
makes of them (``ledger``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from vpack_pipeline.io.dicom.shards import LISTED as LISTED_KEY
from vpack_pipeline.io.dicom.state import CHANGE_KEY, INDEX, KEY, MANIFEST, State, shared
from vpack_pipeline.io.identity import Pseudonyms

SLOTS: Final = 90
"""Into so many parts the deep check divides the archive: one is read again at each new cut."""
_CHUNK: Final = 50_000

FRESH: Final[Mapping[str, Any]] = {**INDEX, "is_settled": pl.Boolean}
"""One row per file that was read: what the index holds, and whether it lay still."""


def looked_up(rows: pl.DataFrame, known: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Add what is known of the same versions: null where nothing is.

    What the state holds is in the order of its key, so that of an archive at rest the rows lie
    side by side already, and to see that is cheaper than to join them.
    """
    if known.is_empty():
        return rows.with_columns(pl.lit(None, known.schema[n]).alias(n) for n in columns)
    if rows.height == known.height and rows.select(*KEY).equals(known.select(*KEY)):
        return rows.hstack(known.select(*columns))
    return rows.join(known.select(*KEY, *columns), on=KEY, how="left", maintain_order="left")


@dataclass(frozen=True, slots=True)
class Deep:
    """Which files a scan reads again although nothing tells that they changed."""

    is_whole: bool = False
    slot: int | None = None

    def due(self) -> pl.Expr:
        """Select the files, by their pseudonym, which is a keyed digest already."""
        if self.is_whole or self.slot is None:
            return pl.lit(self.is_whole)
        number = pl.col("file_id").str.slice(0, 8).str.to_integer(base=16)
        return number % SLOTS == self.slot


@dataclass(frozen=True, slots=True)
class Plan:
    """The archive as it lies, held against what is known of it.

    ``files``: one row per file: the columns of the listing, ``file_id``, ``version`` (null: not
    known), ``is_unaltered`` (the file lies as it lay when it was last read, and had settled),
    ``is_current`` (it was read by the parser in force) and ``is_kept``. ``kept``: source, outcome
    and n, the number of kept files that ended so.
    """

    files: pl.DataFrame
    kept: pl.DataFrame

    @property
    def to_read(self) -> pl.DataFrame:
        """Select what has to be read."""
        return self.files.filter(~pl.col("is_kept"))


def identified(
    listed: pl.DataFrame,
    manifest: pl.DataFrame,
    roots: Mapping[int, bytes],
    pseudonyms: Pseudonyms,
    parser: str,
) -> pl.DataFrame:
    """Give every listed file its pseudonym: from the manifest, or made where it is new there.

    Parameters
    ----------
    listed : as ``archive.LISTED``
    manifest : as :data:`MANIFEST`
    roots : number of a source → its folder
    parser : in force

    Returns
    -------
    the listing with ``file_id``, ``version``, ``is_unaltered`` and ``is_current``
    """
    earlier = manifest.lazy().select(
        *("source", "path", "file_id", "version", "is_settled"),
        *(pl.col(n).alias(f"old_{n}") for n in CHANGE_KEY),
        is_current=pl.col("parser") == parser,
    )
    same = pl.all_horizontal(pl.col(n) == pl.col(f"old_{n}") for n in CHANGE_KEY)
    known = (
        earlier.join(listed.lazy(), on=["source", "path"], how="left", maintain_order="left")
        .filter(pl.col("bytes").is_not_null())
        .select(
            *("file_id", *listed.columns, "version", "is_current"),
            is_unaltered=(same & pl.col("is_settled")).fill_null(False),
        )
        .collect()
    )
    if known.height == listed.height:
        return known
    if known.is_empty():
        return _named(listed, manifest, roots, pseudonyms).select(*known.columns)
    new = listed.join(known, on=["source", "path"], how="anti")
    return pl.concat([known, _named(new, manifest, roots, pseudonyms).select(*known.columns)])


def _named(
    new: pl.DataFrame, manifest: pl.DataFrame, roots: Mapping[int, bytes], pseudonyms: Pseudonyms
) -> pl.DataFrame:
    """Name files by their path; one whose root was moved keeps its name and its version."""
    ids = [
        pl.Series(
            [
                pseudonyms.path(f"{source}:{_relative(path, roots[source])}")
                for source, path in rows.iter_rows()
            ],
            dtype=pl.String,
        )
        for rows in new.select("source", "path").iter_slices(_CHUNK)
    ]
    no = pl.lit(False)
    named = new.with_columns(file_id=pl.concat(ids), is_unaltered=no, is_current=no)
    if manifest.is_empty():
        return named.with_columns(version=pl.lit(None, pl.String))
    moved = manifest.select("file_id", "version")
    return named.join(moved, on="file_id", how="left", maintain_order="left")


def _relative(path: bytes, root: bytes) -> str:
    return path[len(root) :].lstrip(b"/").decode("utf-8", "surrogateescape")


def plan(files: pl.DataFrame, index: pl.DataFrame, deep: Deep) -> Plan:
    """Say which of the identified files are kept as they were read."""
    is_kept = (
        pl.col("is_unaltered")
        & pl.col("is_current")
        & pl.col("outcome").is_not_null()
        & ~deep.due()
    )
    held = looked_up(files, index, ["outcome"]).with_columns(is_kept=is_kept)
    kept = held.filter("is_kept").group_by("source", "outcome").agg(n=pl.len())
    return Plan(held.drop("outcome"), kept)


def taken_up(found: pl.DataFrame, to_read: pl.DataFrame, parser: str) -> pl.DataFrame:
    """Select, from shards that no index names, the rows of files that lie as they were read.

    Parameters
    ----------
    found : rows of ``shards.FOUND`` with ``shard``
    to_read : files that would be read otherwise

    Returns
    -------
    as :data:`FRESH`; where two shards hold a file, that which was read last
    """
    there = to_read.select("file_id", *(pl.col(n).alias(f"listed_{n}") for n in CHANGE_KEY))
    return (
        found.filter((pl.col("parser") == parser) & pl.col("is_settled"))
        .join(there, on=["file_id", *LISTED_KEY], how="semi")
        .sort("file_id", "read_ns", "shard")
        .unique("file_id", keep="last", maintain_order=True)
        .select(*FRESH)
    )


def reindexed(found: pl.DataFrame, ledger: pl.DataFrame, parser: str) -> pl.DataFrame:
    """Make an index from the shards: of each version in the ledger the row that was read last.

    A row of the parser in force comes before one that an earlier parser read.
    """
    return (
        found.join(ledger.select(*KEY), on=KEY, how="semi")
        .sort(pl.col("parser") == parser, "read_ns", "shard")
        .unique(KEY, keep="last")
        .sort(*KEY)
        .select(*INDEX)
    )


def renamed(read: pl.DataFrame) -> pl.DataFrame:
    """Find unaltered files to which another parser gives another version: they are not new.

    Under the same parser another version is an edit that left size and times alone: that is new.
    """
    return read.filter(
        pl.col("is_unaltered")
        & ~pl.col("is_current")
        & (pl.col("version") != pl.col("new_version"))
    ).select(*KEY, "new_version")


def advance(old: State, planned: Plan, fresh: pl.DataFrame, parser: str, *, whole: bool) -> State:
    """Put what was read in the place of what was known.

    Parameters
    ----------
    fresh : as :data:`FRESH`, one row per file of ``planned.to_read``
    whole : every file was read again: digests of whole files are taken again too

    Returns
    -------
    the state with the archive as it lies, to be brought into order by :func:`ordered`; the ledger
    only follows a change of parser; ``old`` itself where nothing has changed
    """
    if fresh.is_empty() and planned.files.height == old.manifest.height:
        return old
    news = fresh.select("file_id", "is_settled", new_version="version")
    read = planned.to_read.join(news, on="file_id", how="left")
    moved = renamed(read)
    kept = planned.files.filter("is_kept").with_columns(is_settled=pl.lit(True))
    seen = read.with_columns(version=pl.col("new_version"))
    manifest = pl.concat(
        [part.with_columns(parser=pl.lit(parser)).select(*MANIFEST) for part in (kept, seen)]
    )
    replaced = pl.concat([fresh.select(*KEY), moved.select(*KEY)])
    index = pl.concat([old.index.join(replaced, on=KEY, how="anti"), fresh.select(*INDEX)])
    altered = read if whole else read.filter(~pl.col("is_unaltered"))
    stale = altered.select("file_id", version="new_version")
    contents = old.contents.join(stale, on=KEY, how="anti")
    known = old.ledger
    if not moved.is_empty():
        known = (
            known.join(moved, on=KEY, how="left", maintain_order="left")
            .with_columns(version=pl.coalesce("new_version", "version"))
            .select(*known.columns)
        )
    return State(manifest, index, contents, known, old.last)


def ordered(state: State) -> State:
    """Bring manifest and index into the order of their key."""
    index = state.index.sort(*KEY)
    return replace(state, manifest=shared(state.manifest.sort(*KEY), index), index=index)


def trimmed(state: State) -> State:
    """Drop what neither the archive nor any cut knows any more."""
    index = state.index
    if not index.select(*KEY).equals(state.manifest.select(*KEY)):
        asked = pl.concat([state.ledger.select(*KEY), state.manifest.select(*KEY)])
        index = index.join(asked, on=KEY, how="semi", maintain_order="left")
    contents = state.contents.join(index.select(*KEY), on=KEY, how="semi")
    if contents.height == state.contents.height:
        contents = state.contents
    return replace(state, index=index, contents=contents)
