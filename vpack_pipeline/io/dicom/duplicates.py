"""Files with the same SOPInstanceUID: copies where all their bytes agree, else conflicts.

What does not belong here: how a header is read (``header``), which files a cut knows (``ledger``).
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from vpack_pipeline.io.dicom.outcomes import COPY, PARSED, SET_ASIDE
from vpack_pipeline.io.dicom.state import CONTENTS, KEY


def settle(
    files: pl.DataFrame,
    contents: pl.DataFrame,
    manifest: pl.DataFrame,
    digest: Callable[[int, bytes], str | None],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tell copies from conflicts among the files that a cut knows.

    Parameters
    ----------
    files : file_id, version, outcome, detail, instance_id of every file that the cut knows
    contents : digests of whole files that were taken before; only a twin is ever read whole
    manifest : where the files lie
    digest : (source, place) → sha256 of the whole object; None if it cannot be had

    Returns
    -------
    the files with their final outcome, and the digests with those that were taken now
    """
    is_object = pl.col("outcome").is_in([PARSED, SET_ASIDE]) & pl.col("instance_id").is_not_null()
    twins = (
        files.lazy()
        .filter(is_object & pl.col("instance_id").hash().is_duplicated())  # numbers are faster
        .select(*KEY, "instance_id")
        .filter(pl.col("instance_id").is_duplicated())
        .collect()
        .join(contents, on=KEY, how="left")
    )
    if twins.is_empty():
        return files, contents
    taken = _digests(twins.filter(pl.col("content_sha256").is_null()), manifest, digest)
    twins = twins.update(taken, on=KEY)
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
    settled = files.join(judged, on=KEY, how="left").with_columns(
        detail=pl.when(judgement == pl.col("outcome")).then(pl.col("detail")), outcome=judgement
    )
    kept = contents if taken.is_empty() else pl.concat([contents, taken])
    return settled.drop("is_copy", "is_first"), kept


def _digests(
    twins: pl.DataFrame, manifest: pl.DataFrame, digest: Callable[[int, bytes], str | None]
) -> pl.DataFrame:
    """Take the digest of whole files, of those that are still there as they were."""
    there = twins.select(*KEY).join(manifest.select(*KEY, "source", "path"), on=KEY, how="inner")
    made = [digest(*row) for row in there.select("source", "path").iter_rows()]
    taken = there.select(*KEY).with_columns(content_sha256=pl.Series(made, dtype=pl.String))
    return taken.drop_nulls().select(*CONTENTS)
