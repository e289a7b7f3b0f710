"""Krippendorff's alpha from coincidences, with missing ratings.

Computed from the counts a unit and category, so that the jackknife can subtract the same sums; the
tests hold it against the ``krippendorff`` package. Alpha is above −1 at each of the three levels: a
unit of m ratings adds m/(m − 1) ≤ 2 times its sum of squares to the observed disagreement, and
these sums are at most the total one (a nominal distance is half of that of indicators). What does
not belong here: the ratio level, which asks for a zero that ratings of suspicion do not have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vpack_pipeline.stats.agreement.coefficients import (
    NO_PAIR,
    ONE_CATEGORY,
    ONE_UNIT,
    standard_error,
)
from vpack_pipeline.stats.agreement.counts import rating_counts
from vpack_pipeline.stats.codes import code
from vpack_pipeline.stats.estimate import Estimate, FloatArray, symmetric, undefined


def krippendorff_alpha(
    ratings: FloatArray,
    categories: Sequence[float],
    *,
    level_of_measurement: str = "nominal",
    level: float = 0.95,
) -> Estimate:
    """Krippendorff's alpha (2011) with Gwet's standard error (2014, chapter 5).

    Parameters
    ----------
    ratings : (units, readers), nan = no rating
    level_of_measurement : 'nominal', 'ordinal' or 'interval'

    Returns
    -------
    n counts the units with two ratings or more; the others do not enter. Undefined, with a reason,
    where all their ratings fall in one category, or there are none (a single reader). The interval
    is Student's t on n − 1, and takes the ordinal distances, which depend on the ratings, as fixed.
    """
    method = code("krippendorff_alpha", level=level_of_measurement)
    counts = rating_counts(ratings, categories)
    counts = counts[counts.sum(axis=1) >= 2]
    n = len(counts)
    totals = counts.sum(axis=0)
    distance = distances(totals, categories, level_of_measurement)
    if n == 0:
        return undefined(NO_PAIR, method=method, n=0)
    if np.count_nonzero(totals) == 1:
        return undefined(ONE_CATEGORY, method=method, n=n)
    observed = unit_disagreement(counts, distance)
    value = alpha(float(observed.sum()), totals, distance)
    if n < 2:
        return undefined(ONE_UNIT, method=method, n=n, value=value)
    se = _standard_error(counts, distance)
    bounds = (-1.0, 1.0)
    return symmetric(value, se, n=n, method=method, level=level, bounds=bounds, df=n - 1)


def alpha(observed: float, totals: FloatArray, distance: FloatArray) -> float:
    """1 − observed / expected disagreement; nan where the ratings fall in one category.

    Parameters
    ----------
    observed : sum over units of ``unit_disagreement``
    totals : (q,) ratings in each category, of units with two or more
    """
    expected = float(totals @ distance @ totals)
    return 1 - observed * (float(totals.sum()) - 1) / expected if expected > 0 else float("nan")


def alphas(
    totals: FloatArray,
    coincidences: FloatArray,
    categories: Sequence[float],
    level_of_measurement: str,
    mean_weight: FloatArray,
) -> FloatArray:
    """``alpha`` of B sets of units at once, each with distances of its own.

    Parameters
    ----------
    totals : (B, q) ratings in each category, of units with two or more
    coincidences : (B, q × q) pairs of ratings of a unit, each unit's over its raters less one
    mean_weight : (B,) Σw² / Σw over ratings, both sums of which may be weighted: a rating is not
        paired with itself in the expected disagreement
    """
    q = len(categories)
    if level_of_measurement == "ordinal":
        values = np.cumsum(totals, axis=1) - totals / 2
        distance = (values[:, :, None] - values[:, None, :]) ** 2
    else:
        distance = distances(totals, categories, level_of_measurement)[None]
    observed = (coincidences.reshape(-1, q, q) * distance).sum(axis=(1, 2))
    expected = (totals[:, :, None] * distance * totals[:, None, :]).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = observed * (totals.sum(axis=1) - mean_weight) / expected
    found: FloatArray = np.where(expected > 0, 1 - ratio, np.nan)
    return found


def unit_disagreement(counts: FloatArray, distance: FloatArray) -> FloatArray:
    """Each unit's share of the observed disagreement; 0 where it has fewer than two ratings."""
    others = counts.sum(axis=1) - 1
    apart = ((counts @ distance) * counts).sum(axis=1)
    shares: FloatArray = np.divide(apart, others, out=np.zeros(len(counts)), where=others > 0)
    return shares


def distances(
    totals: FloatArray, categories: Sequence[float], level_of_measurement: str
) -> FloatArray:
    """Squared distance of each pair of categories: (q, q), 0 on the diagonal."""
    values = np.asarray(categories, dtype=np.float64)
    if level_of_measurement == "ordinal":
        # A category's place is the mean rank of the ratings in it.
        values = np.cumsum(totals) - totals / 2
    elif level_of_measurement == "nominal":
        return 1 - np.eye(values.size)
    elif level_of_measurement != "interval":
        raise ValueError("level_of_measurement is one of nominal, ordinal, interval")
    return np.asarray((values[:, None] - values[None, :]) ** 2, dtype=np.float64)


def _standard_error(counts: FloatArray, distance: FloatArray) -> float:
    """Gwet's linearisation of alpha, on agreement weights 1 − distance / largest distance."""
    credit = 1 - distance / distance.max()
    raters = counts.sum(axis=1)
    mean_raters = float(raters.mean())
    agreeing = (counts * (counts @ credit - 1)).sum(axis=1) / (mean_raters * (raters - 1))
    observed = float(agreeing.mean())
    shares = counts.mean(axis=0) / mean_raters
    chance = float(shares @ credit @ shares)
    prime = (observed - chance) / (1 - chance)
    excess = (raters - mean_raters) / mean_raters
    unit_chance = counts @ (credit @ shares) / mean_raters - chance * excess
    # irrCAC 1.0 takes the small-sample observed agreement here, and not below.
    corrected = observed + (1 - observed) / float(raters.sum())
    value = (agreeing - corrected * excess - chance) / (1 - chance)
    influence = value - 2 * (1 - prime) * (unit_chance - chance) / (1 - chance)
    return standard_error(influence - prime)
