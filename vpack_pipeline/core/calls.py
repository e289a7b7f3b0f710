"""The call of an output at an operating point: flagged or not, whichever way its scores point.

What does not belong here: how a failed inference counts (``evaluation.analysis``).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from vpack_pipeline.protocol import Evaluation, IndexTest, OperatingPoint
from vpack_pipeline.stats.estimate import BoolArray, FloatArray


def rises_with_suspicion(index_test: IndexTest) -> bool:
    """Whether higher scores are more suspicious: those at or above a threshold are flagged."""
    return index_test.output.higher_is == "positive"


def oriented(score: FloatArray, index_test: IndexTest) -> FloatArray:
    """Turn scores so that a higher one is more suspicious."""
    sign = 1.0 if rises_with_suspicion(index_test) else -1.0
    return np.asarray(score, dtype=np.float64) * sign


def most_suspicious(index_test: IndexTest) -> pl.Expr:
    """Choose among the scores of a group: the highest, or the lowest where low ones are suspicious.

    Where a case has several findings, it is watched by the one that looks worst.
    """
    score = pl.col("score")
    return score.max() if rises_with_suspicion(index_test) else score.min()


def primary_point(
    evaluation: Evaluation, finding: str | None, model_id: str
) -> OperatingPoint | None:
    """The operating point that speaks for a model: the primary one, else the first.

    Parameters
    ----------
    finding : whose points are asked for; None for those of all findings
    """
    points = [
        p
        for p in evaluation.operating_points
        if p.model == model_id and finding in (None, p.finding)
    ]
    return next((p for p in points if p.primary), points[0] if points else None)


def own_threshold(point: OperatingPoint) -> float:
    """The score at which an operating point flags, as the output has it."""
    return point.threshold


def calls_at(
    point: OperatingPoint | None, score: FloatArray, own_call: FloatArray, index_test: IndexTest
) -> FloatArray:
    """Call every output at an operating point.

    Parameters
    ----------
    point : None where the model has none: then its own call stands, as that of a binary output does
    score : turned by :func:`oriented`; nan where there is none
    own_call : the output's own call: 1, 0, or nan where there is none

    Returns
    -------
    1 where flagged, 0 where not, nan where there is no output to call
    """
    if point is None or index_test.output.kind == "binary":
        return own_call
    reached = reaches(own_threshold(point), score, index_test)
    return np.where(np.isnan(score), np.nan, reached.astype(np.float64))


def reaches(threshold: float, score: FloatArray, index_test: IndexTest) -> BoolArray:
    """Whether each score lies at a threshold or beyond it; never where there is no score.

    Parameters
    ----------
    threshold : as the output has it
    score : turned by :func:`oriented`; nan where there is none
    """
    return np.asarray(score >= oriented(np.asarray(threshold), index_test))
