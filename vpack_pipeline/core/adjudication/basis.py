"""Which reads speak of readers one by one: independent, and made without sight of peers.

Where a site has none, agreement uses the independent reads there are and says so; what needs
independence refuses. What does not belong here: any coefficient, any label of the standard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.core.adjudication.evidence import (
    NEGATIVE,
    NON_DIAGNOSTIC,
    POSITIVE,
    UNIT,
    classified,
    first_of_reader,
)
from vpack_pipeline.protocol import Finding
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import FloatArray, IntArray

INDEPENDENT: Final = Code("independent_reads")
AFTER_PEERS: Final = Code("reads_after_sight_of_peers")
UNRECORDED: Final = Code("sight_of_peers_not_recorded")

REFUSALS: Final = {
    AFTER_PEERS: Code("reads_followed_peers"),
    UNRECORDED: Code("independence_not_recorded"),
}
CAUTIONS: Final = {
    AFTER_PEERS: Code("agreement_after_peers"),
    UNRECORDED: Code("agreement_peers_not_recorded"),
}
NOT_AGREED: Final = Code("readers_not_agreed")
"""Why no reader stands alone: the site does not state that the readers agreed to it."""


@dataclass(frozen=True)
class ReadBasis:
    """Independent reference reads of included cases and one finding, and what they rest on.

    ``reads`` has ``patient_id`` and ``class``, repeats included; ``name`` is the basis that every
    method carries; ``refusal`` says why a method that needs independence cannot be given.
    """

    reads: pl.DataFrame
    name: Code

    @cached_property
    def first(self) -> pl.DataFrame:
        """Each reader's first read of a case, as ``evidence.first_of_reader`` gives it."""
        return first_of_reader(self.reads)

    @property
    def refusal(self) -> Code | None:
        """None where the reads are independent."""
        return REFUSALS.get(self.name)

    @property
    def caution(self) -> Code | None:
        """Say where agreement of the reads says less than that of independent ones."""
        return CAUTIONS.get(self.name)


def included_reads(
    reads: pl.DataFrame, included: pl.DataFrame, findings: Sequence[Finding]
) -> pl.DataFrame:
    """Give the reads in force of included cases, classified, with ``patient_id``.

    Parameters
    ----------
    reads : cohort/reads
    included : eligibility/included
    """
    return classified(reads, findings).join(
        included.select("case_id", "patient_id"), on="case_id", maintain_order="left"
    )


def read_basis(reads: pl.DataFrame, finding: str) -> ReadBasis:
    """Choose the reads that agreement rests on.

    Parameters
    ----------
    reads : of :func:`included_reads`
    """
    role = reads.filter(
        (pl.col("finding") == finding)
        & (pl.col("purpose") == "reference")
        & (pl.col("role") == "independent")
    )
    blind = role.filter(pl.col("saw_peers") == pl.lit(value=False))
    if blind.height or not role.height:
        return ReadBasis(blind, INDEPENDENT)
    seen = role.filter("saw_peers")
    return ReadBasis(role, AFTER_PEERS if seen.height else UNRECORDED)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Ratings (units, most reads of a unit), nan = none; ``case_id`` and ``patient`` of each."""

    ratings: FloatArray
    case_id: pl.Series
    patient: npt.NDArray[np.str_]


def matrix(reads: pl.DataFrame, value: pl.Expr, units: Sequence[str] = ("case_id",)) -> Matrix:
    """Lay out the diagnostic reads of each unit side by side; which column holds which is nothing.

    Agreement counts the readers of a unit and category and does not ask who they were, so that
    columns are as many as a unit has reads, not as many as there are readers.

    Parameters
    ----------
    reads : of one finding, with ``class`` and ``patient_id``
    value : what is rated, a number
    units : ``case_id``, or that followed by ``reader_id`` and ``arm``
    """
    kept = (
        reads.filter(pl.col("class") != NON_DIAGNOSTIC)
        .sort(*UNIT, "reader_id", "arm", "session")
        .select(
            "patient_id",
            "case_id",
            pl.struct(units).rle_id().cast(pl.Int64).alias("unit"),
            value.alias("value"),
        )
        .with_columns(pl.int_range(pl.len()).over("unit").alias("slot"))
    )
    first = kept.unique("unit", keep="first", maintain_order=True)
    width = int(kept["slot"].max() or 0) + 1 if kept.height else 0  # type: ignore[arg-type]
    ratings = np.full((first.height, width), np.nan)
    ratings[kept["unit"].to_numpy(), kept["slot"].to_numpy()] = kept["value"].cast(pl.Float64)
    patients = np.asarray(first["patient_id"].to_list(), dtype=np.str_)
    return Matrix(ratings, first["case_id"], patients)


@dataclass(frozen=True, slots=True)
class ReaderMatrix:
    """Ratings of shape (cases, readers), nan = none, with the names of both and patients' codes.

    Readers stand in the order of their pseudonyms and cases in theirs, whatever the order of rows.
    """

    ratings: FloatArray
    cases: pl.Series
    patient: IntArray
    readers: tuple[str, ...]


def reader_matrix(first: pl.DataFrame, value: pl.Expr) -> ReaderMatrix:
    """Lay out one finding's reads with a column for each reader: for what asks who read.

    Parameters
    ----------
    first : one read per case and reader, with ``patient_id``
    value : what is rated, a number; where it is null the read is left out

    Returns
    -------
    only cases and readers with a value
    """
    kept = (
        first.select("case_id", "patient_id", "reader_id", value.cast(pl.Float64).alias("value"))
        .drop_nulls("value")
        .sort("case_id", "reader_id")
    )
    units = kept.unique("case_id", keep="first", maintain_order=True)
    readers = kept["reader_id"].unique().sort()
    columns = kept["reader_id"].cast(pl.Enum(readers)).to_physical().to_numpy()
    ratings = np.full((units.height, len(readers)), np.nan)
    rows = kept["case_id"].rle_id().to_numpy()
    ratings[rows, columns] = kept["value"].to_numpy()
    patient = (units["patient_id"].rank("dense") - 1).cast(pl.Int64).to_numpy()
    return ReaderMatrix(ratings, units["case_id"], patient, tuple(readers))


def against_others(reads: pl.DataFrame) -> pl.DataFrame:
    """Add ``others``: what the other readers of the case say, the read itself left out.

    Parameters
    ----------
    reads : one row per case and reader (no repeats), of one finding

    Returns
    -------
    ``others`` is positive or negative where two or more others said one or the other, and more
    than half of them this one; else null. ``n_votes`` counts the case's positive and negative reads
    """
    positive, negative = pl.col("class") == POSITIVE, pl.col("class") == NEGATIVE
    other_positive = positive.sum().over(UNIT).cast(pl.Int64) - positive.cast(pl.Int64)
    other_negative = negative.sum().over(UNIT).cast(pl.Int64) - negative.cast(pl.Int64)
    others = other_positive + other_negative
    return reads.with_columns(
        pl.when((others >= 2) & (2 * other_positive > others))
        .then(pl.lit(POSITIVE))
        .when((others >= 2) & (2 * other_negative > others))
        .then(pl.lit(NEGATIVE))
        .alias("others"),
        (positive | negative).sum().over(UNIT).cast(pl.Int64).alias("n_votes"),
    )
