"""The ledger of first-seen cuts: which version of which image file a cut knows.

It is data to back up: nothing else says what was known when. A file is known by the pseudonym of
its path and a version (digest of its header, size); a version is known from the cut whose scan
first saw it until the cut whose scan no longer found it. A cut is closed once a pack was published
at it or after it: what is seen in a closed cut waits for the next. What does not belong here: how
files are found and read (``archive``, ``scanner``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from vpack_pipeline.io.deliveries import moment

SCHEMA: Final = {
    "file_id": pl.String,
    "source": pl.Int64,
    "version": pl.String,
    "first_seen": pl.String,
    "vanished": pl.String,
}
KEY: Final = ["file_id", "version"]


def empty() -> pl.DataFrame:
    """Give a ledger that knows nothing."""
    return pl.DataFrame(schema=SCHEMA)


def is_closed(cut: str, published: Sequence[str]) -> bool:
    """Say whether a pack was published at this cut or a later one.

    Examples
    --------
    >>> is_closed("2026-01-05", ["2026-01-05"]), is_closed("2026-01-05.2", ["2026-01-05"])
    (True, False)
    """
    return any(moment(name) >= moment(cut) for name in published)


def current(ledger: pl.DataFrame) -> pl.DataFrame:
    """Select the versions that the last scan of an open cut still found."""
    return ledger.filter(pl.col("vanished").is_null())


def visible(ledger: pl.DataFrame, cut: str) -> pl.DataFrame:
    """Select the versions that a cut knows: first seen by then, and not vanished by then."""
    began = pl.col("first_seen").is_in(_until(ledger["first_seen"], cut))
    ended = pl.col("vanished").is_in(_until(ledger["vanished"], cut))
    return ledger.filter(began & ~ended.fill_null(False))


def record(ledger: pl.DataFrame, seen: pl.DataFrame, cut: str) -> pl.DataFrame:
    """Record one scan of an open cut.

    Parameters
    ----------
    ledger : what was known
    seen : file_id, source, version of every file that the scan found
    cut : the cut of the scan; no pack is published at it or after it

    Returns
    -------
    The ledger in which what is gone or altered ends at this cut and what is new starts at it. What
    began at this cut or later and is gone already falls away: no published pack knew it.
    """
    open_now = current(ledger)
    if open_now.select(*KEY).equals(seen.select(*KEY)):
        return ledger
    if ledger.is_empty():
        return _started(seen, cut).sort("file_id")
    gone = open_now.join(seen, on=KEY, how="anti").select(*KEY, gone=pl.lit(True))
    new = seen.join(open_now, on=KEY, how="anti")
    # A file that is back: an end that a later cut had recorded may not overlap its new start.
    back = new.select("file_id", back=pl.lit(True)).unique()
    at = _order(cut)
    closed = (
        ledger.join(gone, on=KEY, how="left", maintain_order="left")
        .join(back, on="file_id", how="left", maintain_order="left")
        .with_columns(
            vanished=pl.when(
                (pl.col("vanished").is_null() & pl.col("gone"))
                | (pl.col("back") & (_ordered("vanished") > at))
            )
            .then(pl.lit(cut))
            .otherwise(pl.col("vanished"))
        )
        .select(*SCHEMA)
    )
    is_sound = pl.col("vanished").is_null() | (_ordered("vanished") > _ordered("first_seen"))
    return pl.concat([closed.filter(is_sound), _started(new, cut)]).sort(*KEY, "first_seen")


def _started(new: pl.DataFrame, cut: str) -> pl.DataFrame:
    end = pl.lit(None, pl.String)
    return new.select("file_id", "source", "version", first_seen=pl.lit(cut), vanished=end)


def _until(cuts: pl.Series, cut: str) -> list[str]:
    """Select the cuts up to one of them: there are few, however many files they know."""
    return [c for c in cuts.drop_nulls().unique().to_list() if moment(c) <= moment(cut)]


def _ordered(column: str) -> pl.Expr:
    """Bring cuts to a form whose order as text is the order of cuts."""
    parts = pl.col(column).str.split_exact(".", 1)
    number = parts.struct.field("field_1").fill_null("1").str.zfill(4)
    return pl.concat_str(parts.struct.field("field_0"), pl.lit("."), number)


def _order(cut: str) -> str:
    day, number = moment(cut)
    return f"{day.isoformat()}.{number:04d}"
