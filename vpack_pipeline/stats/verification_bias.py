"""Sensitivity and specificity where the disease was verified in some cases only.

Begg & Greenes (1983): the verified cases of a test result stand for the unverified ones of the same
result, so that whether a case was verified may depend on the result and on nothing else that has to
do with the disease. ``verification_bounds`` assumes nothing. What does not belong here: who counts
as verified, and bounds of figures over all thresholds.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from scipy.special import expit, logit

from vpack_pipeline.stats.arguments import amounts, whole
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray, normal_quantile, undefined

METHOD: Final = coded("begg_greenes")
UNVERIFIED_RESULT: Final = Code("result_never_verified")
NO_DISEASE: Final = Code("verified_of_one_class")
AT_EDGE: Final = Code("figure_at_edge")


class VerifiedCounts(NamedTuple):
    """Verified cases by test result and disease, and unverified cases by test result."""

    tp: int
    fp: int
    fn: int
    tn: int
    unverified_positive: int
    unverified_negative: int


class FigureBounds(NamedTuple):
    """Smallest and largest value over all the unverified may be; None without a denominator."""

    worst: float | None
    best: float | None


def begg_greenes(
    counts: VerifiedCounts, *, minimum_false_negatives: int = 10, level: float = 0.95
) -> tuple[Estimate, Estimate]:
    """Corrected (sensitivity, specificity) with delta-method intervals on the logit scale.

    Parameters
    ----------
    counts : independent cases
    minimum_false_negatives : among the verified, below which both are refused: a handful of them,
        weighted up, would decide the sensitivity

    Returns
    -------
    n counts all cases, verified or not. Refused, with a reason, also where no case of a test
    result is verified. A figure of 0 or 1 has no interval.
    """
    normal_quantile(level)
    _check_each(counts)
    whole("minimum_false_negatives", minimum_false_negatives, 0)
    n = sum(counts)
    if reason := _refused(counts, minimum_false_negatives):
        refused = undefined(reason, method=METHOD, n=n)
        return refused, refused
    tp, fp, fn, tn, more_positive, more_negative = counts
    flagged, cleared = tp + fp + more_positive, fn + tn + more_negative
    among_flagged, among_cleared = tp / (tp + fp), fn / (fn + tn)
    ill = (flagged * among_flagged, cleared * among_cleared)
    well = (cleared * (1 - among_cleared), flagged * (1 - among_flagged))
    # The variance of log(flagged / cleared), and of the logarithms of the shares among verified.
    split = n / (flagged * cleared)
    pairs = ((ill, (tp, fp), (fn, tn)), (well, (tn, fn), (fp, tp)))
    sensitivity, specificity = (
        _estimate(masses, split, shares, n, level) for masses, *shares in pairs
    )
    return sensitivity, specificity


def corrected_shares(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Corrected (sensitivity, specificity), (B,) each; nan where a denominator is 0.

    The figures of :func:`begg_greenes` without its refusals, for replicates of one that is not
    refused.

    Parameters
    ----------
    counts : (B, 6) in the order of ``VerifiedCounts``
    """
    tp, fp, fn, tn, more_positive, more_negative = amounts("counts", counts).T
    with np.errstate(invalid="ignore", divide="ignore"):
        flagged, cleared = 1 + more_positive / (tp + fp), 1 + more_negative / (fn + tn)
        return (
            tp * flagged / (tp * flagged + fn * cleared),
            tn * cleared / (tn * cleared + fp * flagged),
        )


def verification_bounds(counts: VerifiedCounts) -> tuple[FigureBounds, FigureBounds]:
    """Bounds of (sensitivity, specificity) over every disease status of the unverified.

    Worst where each unverified case is an error of the test; best where none is.
    """
    _check_each(counts)
    tp, fp, fn, tn, more_positive, more_negative = counts
    return (
        FigureBounds(_share(tp, fn + more_negative), _share(tp + more_positive, fn)),
        FigureBounds(_share(tn, fp + more_positive), _share(tn + more_negative, fp)),
    )


def _check_each(counts: VerifiedCounts) -> None:
    for name, count in zip(counts._fields, counts, strict=True):
        amounts(f"counts: {name}", count)


def _refused(counts: VerifiedCounts, minimum: int) -> Code | None:
    if counts.tp + counts.fp == 0 or counts.fn + counts.tn == 0:
        return UNVERIFIED_RESULT
    if counts.fn < minimum:
        return code("few_false_negatives_verified", fewest=minimum)
    if counts.tp + counts.fn == 0 or counts.fp + counts.tn == 0:
        return NO_DISEASE
    return None


def _estimate(
    masses: tuple[float, float],
    split: float,
    shares: list[tuple[int, int]],
    n: int,
    level: float,
) -> Estimate:
    """Right and wrong masses to a proportion; ``shares`` are (of the kind, other) per result."""
    value = masses[0] / sum(masses)
    if not all(kind for kind, _ in shares):
        return undefined(AT_EDGE, method=METHOD, n=n, value=value)
    variance = split + sum(other / (kind * (kind + other)) for kind, other in shares)
    reach = normal_quantile(level) * math.sqrt(variance)
    lower, upper = (float(expit(logit(value) + sign * reach)) for sign in (-1, 1))
    return Estimate(value, lower, upper, n, None, METHOD)


def _share(right: int, wrong: int) -> float | None:
    return right / (right + wrong) if right + wrong else None
