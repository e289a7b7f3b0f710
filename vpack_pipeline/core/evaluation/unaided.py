"""Which reads say what readers do without the index test.

Two questions, two answers: whether readers are held against any label (``comparator_reads``), or
only where an independent source settled it (``unaided_reads``), so that reads for the reference
count too: they did not make that label. What does not belong here: figures of readers.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from vpack_pipeline.core.adjudication.evidence import (
    NEGATIVE,
    POSITIVE,
    UNIT,
    classified,
    first_of_reader,
)
from vpack_pipeline.protocol import Finding

READERS: Final = "unaided_readers"
"""Stands where a model id does; no model can have it, since ids hold no underscore."""


def comparator_reads(reads: pl.DataFrame, finding: Finding) -> pl.DataFrame:
    """Diagnostic, determinate comparator reads made without sight of the index test."""
    return (
        classified(reads, [finding])
        .filter(
            (pl.col("purpose") == "comparator")
            & ~pl.col("saw_index_test").fill_null(value=False)
            & pl.col("class").is_in([POSITIVE, NEGATIVE])
        )
        .select("case_id", "reader_id", "class")
    )


def unaided_reads(reads: pl.DataFrame, finding: Finding) -> pl.DataFrame:
    """Give one read a reader and case that neither the index test nor a peer can have swayed.

    Comparators' reads, and independent ones for the reference that were made without sight of
    peers; of these the determinate ones of a diagnostic image.

    Returns
    -------
    ``case_id``, ``reader_id``, ``is_flagged``, in this order
    """
    is_blind = (pl.col("role") == "independent") & (pl.col("saw_peers") == pl.lit(value=False))
    is_used = (pl.col("purpose") == "comparator") | is_blind
    used = classified(reads, [finding]).filter(
        is_used
        & ~pl.col("saw_index_test").fill_null(value=False)
        & pl.col("class").is_in([POSITIVE, NEGATIVE])
    )
    return (
        first_of_reader(used.select(*UNIT, "role", "reader_id", "arm", "session", "class"))
        .unique(["case_id", "reader_id"], keep="first", maintain_order=True)
        .select("case_id", "reader_id", (pl.col("class") == POSITIVE).alias("is_flagged"))
        .sort("case_id", "reader_id")
    )
