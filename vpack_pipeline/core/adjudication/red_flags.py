"""Signs that a reader did not read as planned: drifting, too quick, or leaning on the index test.

A flag is a figure with its counts, and no verdict: it closes nothing. Two readers who are too much
alike stand in ``pairs``. What does not belong here: how well a reader did (``reader_performance``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.figures import Figures
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.difference import difference, proportion_side
from vpack_pipeline.stats.estimate import Estimate, undefined
from vpack_pipeline.stats.proportions.intervals import clustered_proportion

QUICKEST: Final = 3.0
"""Seconds; a read that took less was hardly a look at the images."""
MINIMUM_READS: Final = 30
"""Reads on each side, below which no difference between the sides is given."""
FIRST, SECOND = "first", "second"
HALVES: Final = {
    FIRST: "agreement_with_others_first_half",
    SECOND: "agreement_with_others_second_half",
}
CHANGE: Final = "agreement_with_others_change"
JUMP: Final = "agreement_jump_after_index_test"
_AGREES: Final = "agreement_with_majority"


def with_halves(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``half``: whether a read is of the first or the second half of its reader's, by time.

    Parameters
    ----------
    rows : of :func:`basis.against_others`, one per case and reader

    Returns
    -------
    ``half`` is null for a read of unknown time, and for one without ``others``. Reads of the middle
    moment are of the first half, all of them, so that no order of rows decides.
    """
    counted = pl.col("others").is_not_null() & pl.col("read_at").is_not_null()
    times = pl.col("read_at").sort()
    middle = (
        rows.filter(counted)
        .group_by("reader_id")
        .agg(times.get((pl.len() - 1) // 2).alias("middle"))
    )
    return (
        rows.join(middle, on="reader_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(counted & (pl.col("read_at") <= pl.col("middle")))
            .then(pl.lit(FIRST))
            .when(counted)
            .then(pl.lit(SECOND))
            .alias("half")
        )
        .drop("middle")
    )


@dataclass(frozen=True, slots=True)
class Flagging:
    """How the flags of one finding are given: basis of its reads, refusal and interval level."""

    basis: Code
    refusal: Code | None
    level: float


def put_flags(figures: Figures, how: Flagging, rows: pl.DataFrame, **keys: Any) -> None:
    """Add change over time, pace, and the jump after sight of the index test, of one reader or all.

    Parameters
    ----------
    figures : of ``reader_performance``
    rows : of :func:`with_halves`
    """
    _put_pace(figures, how, rows, **keys)
    if how.refusal is not None:
        for metric in (*HALVES.values(), CHANGE, JUMP):
            figures.refuse(metric, how.refusal, **keys)
        return
    timed = rows.drop_nulls("half")
    for half, metric in HALVES.items():
        figures.give(metric, _agreement(timed.filter(pl.col("half") == half), how), **keys)
    later = _difference(timed, pl.col("half") == SECOND, how, "second_half_less_first")
    figures.give(CHANGE, later, **keys)
    seen = rows.drop_nulls("saw_index_test").drop_nulls("others")
    jump = _difference(seen, pl.col("saw_index_test"), how, "index_test_seen_less_not")
    figures.give(JUMP, jump, **keys)


def _agreement(rows: pl.DataFrame, how: Flagging) -> Estimate:
    estimate = clustered_proportion(_agrees(rows), _patients(rows), how.level)
    if not rows.height:
        return replace(estimate, reason=Code("no_read_of_known_time"))
    return replace(estimate, method=coded(_AGREES, estimate.method, how.basis))


def _difference(rows: pl.DataFrame, later: pl.Expr, how: Flagging, which: str) -> Estimate:
    is_later = rows.select(later.alias("later"))["later"].to_numpy().astype(np.bool_)
    sides = int(is_later.sum()), int((~is_later).sum())
    method = coded(_AGREES, which)
    if min(sides) < MINIMUM_READS:
        reason = code("few_reads_on_a_side", fewest=MINIMUM_READS)
        return undefined(reason, method=method, n=rows.height)
    agrees, patient = _agrees(rows), _patients(rows)
    found = difference(
        *(proportion_side(agrees[side], patient[side], how.level) for side in (is_later, ~is_later))
    )
    return replace(found, method=coded(method, found.method, how.basis))


def _agrees(rows: pl.DataFrame) -> Any:
    return (rows["class"] == rows["others"]).to_numpy().astype(np.bool_)


def _patients(rows: pl.DataFrame) -> Any:
    return np.asarray(rows["patient_id"].to_list(), dtype=np.str_)


def _put_pace(figures: Figures, how: Flagging, rows: pl.DataFrame, **keys: Any) -> None:
    seconds = rows["duration_s"].drop_nulls()
    n = len(seconds)
    if not n:
        for metric in ("seconds_per_read", "n_implausibly_quick"):
            figures.refuse(metric, "no_duration", n=0, **keys)
        return
    middle = float(np.median(seconds.to_numpy()))
    figures.give("seconds_per_read", middle, n=n, method=coded("median", how.basis), **keys)
    quick = int((seconds < QUICKEST).sum())
    figures.give(
        "n_implausibly_quick",
        quick,
        n=n,
        events=quick,
        method=coded("count", code("reads_shorter_than", seconds=QUICKEST), how.basis),
        **keys,
    )
