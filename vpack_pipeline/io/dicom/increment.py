"""What of an archive has to be read, given what earlier scans left: joins, and no file.

What does not belong here: how files are listed and read (``archive``, ``shards``), what the cut
makes of them (``ledger``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from vpack_pipeline.io.dicom.archive import LISTED
from vpack_pipeline.io.dicom.shards import LISTED as LISTED_KEY
from vpack_pipeline.io.dicom.state import CHANGE_KEY, INDEX, KEY, MANIFEST, State, ordered, shared
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
    ``is_current`` (it was read by the parser in force) and ``is_kept``; in the order of
    ``file_id``. ``kept``: source, outcome and n, the number of kept files that ended so.
    ``n_before``: files that the manifest held.
    """

    files: pl.DataFrame
    kept: pl.DataFrame
    n_before: int

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
    the listing with ``file_id``, ``version``, ``is_unaltered`` and ``is_current``, in the order of
    ``file_id``, which is the manifest's
    """
    earlier = manifest.select(
        *("source", "path", "file_id", "version", "is_settled"),
        *(pl.col(n).alias(f"old_{n}") for n in CHANGE_KEY),
        is_current=pl.col("parser") == parser,
    )
    # A path alone is found faster, and names a file where there is one source.
    sources = {*listed["source"].unique(), *manifest["source"].unique()}
    place = ["path"] if len(sources) == 1 else ["source", "path"]
    known = earlier.join(listed, on=place, how="left", maintain_order="left")
    if known["bytes"].null_count():
        known = known.filter(pl.col("bytes").is_not_null())
    same = pl.all_horizontal(pl.col(n) == pl.col(f"old_{n}") for n in CHANGE_KEY)
    known = known.select(
        *("file_id", *LISTED, "version", "is_current"), is_unaltered=same & pl.col("is_settled")
    )
    if known.height == listed.height:
        return known
    new = listed if known.is_empty() else listed.join(known, on=place, how="anti")
    return ordered(known, _named(new, manifest, roots, pseudonyms).select(*known.columns))


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


def plan(files: pl.DataFrame, index: pl.DataFrame, deep: Deep, n_before: int) -> Plan:
    """Say which of the identified files are kept as they were read."""
    is_kept = (
        pl.col("is_unaltered")
        & pl.col("is_current")
        & pl.col("outcome").is_not_null()
        & ~deep.due()
    )
    held = looked_up(files, index, ["outcome"]).with_columns(is_kept=is_kept)
    kept = held.select("source", "outcome", "is_kept").filter("is_kept")
    kept = kept.group_by("source", "outcome").agg(n=pl.len())
    return Plan(held.drop("outcome"), kept, n_before)


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


def renamed(unaltered: pl.DataFrame) -> pl.DataFrame:
    """Find, of unaltered files, those to which another parser gives another version: none is new.

    Under the same parser another version is an edit that left size and times alone: that is new.
    """
    return unaltered.filter(
        ~pl.col("is_current") & (pl.col("version") != pl.col("new_version"))
    ).select(*KEY, "new_version")


def advance(old: State, planned: Plan, fresh: pl.DataFrame, parser: str, *, whole: bool) -> State:
    """Put what was read in the place of what was known.

    Parameters
    ----------
    old : its manifest is in the plan
    fresh : as :data:`FRESH`, one row per file of ``planned.to_read``, in the order of ``file_id``
    whole : every file was read again: digests of whole files are taken again too

    Returns
    -------
    the state with the archive as it lies; the ledger only follows a change of parser
    """
    news = fresh.select("file_id", "is_settled", new_version="version")
    manifest = _lying(planned.files, news, parser)
    if fresh.is_empty():
        return replace(old, manifest=manifest)
    unaltered = planned.files.filter(pl.col("is_unaltered") & ~pl.col("is_kept"))
    if unaltered.is_empty():
        news = news.clear()
    moved = renamed(unaltered.join(news, on="file_id"))
    index = fresh.select(*INDEX)
    if not old.index.is_empty():
        replaced = pl.concat([fresh.select(*KEY), moved.select(*KEY)])
        index = ordered(old.index.join(replaced, on=KEY, how="anti", maintain_order="left"), index)
    contents = old.contents
    if not contents.is_empty():
        stale = fresh if whole else fresh.join(unaltered, on="file_id", how="anti")
        contents = contents.join(stale, on=KEY, how="anti")
    known = old.ledger
    if not moved.is_empty():
        known = (
            known.join(moved, on=KEY, how="left", maintain_order="left")
            .with_columns(version=pl.coalesce("new_version", "version"))
            .select(*known.columns)
            .sort(*KEY, "first_seen")
        )
    return State(shared(manifest, index), index, contents, known, old.last)


def _lying(files: pl.DataFrame, news: pl.DataFrame, parser: str) -> pl.DataFrame:
    """Make the manifest of the archive as it lies: what was not read is as it was."""
    if news.is_empty():
        files = files.with_columns(is_settled=pl.lit(True), new_version=pl.lit(None, pl.String))
    elif files["file_id"].equals(news["file_id"]):  # everything was read
        files = files.hstack(news.drop("file_id"))
    else:
        files = files.join(news, on="file_id", how="left", maintain_order="left")
    return files.with_columns(
        version=pl.coalesce("new_version", "version"),
        parser=pl.lit(parser),
        is_settled=pl.col("is_settled").fill_null(True),
    ).select(*MANIFEST)


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
