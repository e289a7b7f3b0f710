"""Which delivered row of a key counts at this cut: files that replace, files that add, revisions.

What does not belong here: which deliveries the cut counts (``deliveries``), and which rows could
not be taken (``loading``).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def supersede(
    rows: pl.DataFrame,
    sequence: Sequence[tuple[str, str]],
    key: Sequence[str],
    revision: str | None = None,
) -> pl.DataFrame:
    """Say of each row whether it is in force, and otherwise which delivery took its place.

    A ``full`` file stands for everything: no row from before it is in force. Since the last one,
    a later delivery of a key supersedes the earlier. Where ``revision`` names a time, the latest
    time counts, and the later delivery where times are equal or one of them is unknown.

    Parameters
    ----------
    rows : accepted rows with ``delivery``, ``line``, the key and the revision's time; without a
        revision, a key stands once in a delivery
    sequence : every delivery of this kind, in order, with its mode: ``full`` or ``append``
    key : what identifies a fact
    revision : column of the time at which a fact was stated

    Returns
    -------
    ``rows`` in their order, with ``in_force`` and ``superseded_by`` (null exactly where in force)
    """
    epochs = _epochs(sequence)
    placed = rows.join(epochs, on="delivery", how="left", maintain_order="left")
    decided = placed.with_row_index("_place").with_columns(superseded_by="_closed_by")
    if revision is not None or epochs["_epoch"].is_duplicated().any():
        group = ["_epoch", *key]
        # Most keys stand once in an epoch: nothing but the next full file can take their place.
        is_rival = decided.select(group).is_duplicated()
        rivals = _supersede_rivals(decided.filter(is_rival), group, revision)
        decided = pl.concat([decided.filter(~is_rival), rivals]).sort("_place")
    in_force = pl.col("superseded_by").is_null().alias("in_force")
    return decided.select(*rows.columns, in_force, "superseded_by")


def _supersede_rivals(
    rows: pl.DataFrame, group: Sequence[str], revision: str | None
) -> pl.DataFrame:
    """Decide between rows of one epoch and key."""
    by = ["_generation", revision, "_order"] if revision else ["_order"]
    ordered = rows.sort("_order", "line")
    if revision:
        # A row whose time is unknown cannot be compared: by order of delivery it ends what was.
        unknown = pl.col(revision).is_null().cast(pl.Int64)
        ordered = ordered.with_columns(unknown.cum_sum().over(group).alias("_generation"))
    ordered = ordered.sort(*by, "line", nulls_last=False).select(rows.columns)
    is_last = pl.int_range(pl.len()).over(group) == pl.len().over(group) - 1
    took_over = pl.col("delivery").last().over(group)
    return ordered.with_columns(
        superseded_by=pl.when(is_last).then("_closed_by").otherwise(took_over)
    )


def _epochs(sequence: Sequence[tuple[str, str]]) -> pl.DataFrame:
    """Number deliveries; each ``full`` opens an epoch and closes the one before."""
    epochs: list[int] = []
    opened_by: dict[int, str] = {}
    epoch = 0
    for delivery, mode in sequence:
        if mode == "full":
            epoch += 1
            opened_by[epoch] = delivery
        epochs.append(epoch)
    return pl.DataFrame(
        {
            "delivery": [d for d, _ in sequence],
            "_order": range(len(sequence)),
            "_epoch": epochs,
            "_closed_by": [opened_by.get(e + 1) for e in epochs],
        },
        schema={
            "delivery": pl.String,
            "_order": pl.Int64,
            "_epoch": pl.Int64,
            "_closed_by": pl.String,
        },
    )
