"""Intraclass correlation of one reader's numeric ratings, absolute agreement.

ICC(2,1) of Shrout & Fleiss (1979), which McGraw & Wong (1996) call ICC(A,1): readers are a sample
of those who might have read, and a reader who always rates higher counts as disagreeing. What does
not belong here: the other forms, which answer questions that a pack does not ask; categories.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import fdtri

from vpack_pipeline.stats.arguments import numbers
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import (
    NO_WIDTH,
    Estimate,
    FloatArray,
    normal_quantile,
    undefined,
)

METHOD = coded("icc_a1")
FEW_READERS = Code("one_reader")
FEW_UNITS = Code("one_unit_rated_by_all")
NO_VARIANCE = Code("ratings_without_variance")
NO_DEGREES = Code("few_degrees_of_freedom")
_ROUNDING = 1e-9


class MeanSquares(NamedTuple):
    """Of the two-way table without repeats: between units, between readers, residual."""

    units: FloatArray
    readers: FloatArray
    residual: FloatArray


def icc_agreement(ratings: FloatArray, level: float = 0.95) -> Estimate:
    """ICC(A,1) with McGraw & Wong's interval (1996, table 7; Satterthwaite degrees of freedom).

    Parameters
    ----------
    ratings : (units, readers) numeric, nan = no rating. Only units that every reader rated enter,
        so that a reader with few ratings takes units away: leave such a reader out, or see ``n``

    Returns
    -------
    n counts the units that entered. Undefined, with a reason, with fewer than two of them or of
    readers, and without variance between units and readers. Negative where units differ less than
    the readers' error would make them, at least −1 / (k − 1 − k/n), which two readers of two units
    leave without limit; its interval may then be missing, with a reason. Full
    agreement gives an interval without width, flagged.
    """
    normal_quantile(level)
    values = complete_units(ratings)
    n, k = values.shape
    if k < 2:
        return undefined(FEW_READERS, method=METHOD, n=n)
    if n < 2:
        return undefined(FEW_UNITS, method=METHOD, n=n)
    sums = unit_sums(values).sum(axis=0, keepdims=True)
    squares = mean_squares(sums, k)
    value = float(icc(squares, np.array([float(n)]), k)[0])
    if np.isnan(value):
        return undefined(NO_VARIANCE, method=METHOD, n=n)
    return _with_interval(value, squares, n, k, level)


def complete_units(ratings: FloatArray) -> FloatArray:
    """The units that every reader rated, less their mean; the ICC is the same wherever 0 lies."""
    values = numbers("ratings", ratings, missing=True)
    if values.ndim != 2:
        raise ValueError("ratings need the shape (units, readers)")
    values = values[~np.isnan(values).any(axis=1)]
    # Without the mean the squares below do not cancel to rounding noise.
    centred: FloatArray = values - values.mean() if values.size else values
    return centred


def unit_sums(values: FloatArray) -> FloatArray:
    """What each complete unit adds to the sums behind the mean squares.

    Returns
    -------
    (units, 3 + k): 1, sum of squares, squared sum, and the rating of each of the k readers
    """
    each = (values**2).sum(axis=1), values.sum(axis=1) ** 2
    return np.column_stack([np.ones(len(values)), *each, values])


def mean_squares(sums: FloatArray, readers: int) -> MeanSquares:
    """Two-way analysis of variance from sums over units.

    Parameters
    ----------
    sums : (B, 3 + k) as ``unit_sums`` added up; a row of fewer than two units gives nan or inf
    """
    n, k = sums[:, 0], readers
    correction = sums[:, 3:].sum(axis=1) ** 2 / (n * k)
    units = sums[:, 2] / k - correction
    between = (sums[:, 3:] ** 2).sum(axis=1) / n - correction
    residual = sums[:, 1] - correction - units - between
    # Sums that are 0 in exact arithmetic come out as ± rounding of the total.
    noise = 1e-12 * sums[:, 1]
    units, between, residual = (np.where(s > noise, s, 0.0) for s in (units, between, residual))
    return MeanSquares(units / (n - 1), between / (k - 1), residual / ((n - 1) * (k - 1)))


def icc(squares: MeanSquares, units: FloatArray, readers: int) -> FloatArray:
    """ICC(A,1) of each row; nan with no more than one unit, or without variance."""
    k = readers
    spread = squares.units + (k - 1 - k / units) * squares.residual + k * squares.readers / units
    defined = (units > 1 + _ROUNDING) & (spread > 0)
    values: FloatArray = np.divide(
        squares.units - squares.residual, spread, out=np.full(len(units), np.nan), where=defined
    )
    return values


def _with_interval(value: float, squares: MeanSquares, n: int, k: int, level: float) -> Estimate:
    units, readers, residual = (float(square[0]) for square in squares)
    if residual == readers == 0:
        return Estimate(value, value, value, n, None, METHOD, notes=(NO_WIDTH,))
    # McGraw & Wong's a and b, both times 1 − ICC: the degrees of freedom do not feel a scale.
    a = k * value / n * readers
    b = (1 - value + k * value * (n - 1) / n) * residual
    parts = a**2 / (k - 1) + b**2 / ((n - 1) * (k - 1))
    # Below 1, at a negative ICC of few units, the bounds need not even hold the value.
    if (a + b) ** 2 < parts or parts == 0:
        return undefined(NO_DEGREES, method=METHOD, n=n, value=value)
    df, tail = (a + b) ** 2 / parts, 0.5 + level / 2
    over, under = float(fdtri(n - 1, df, tail)), float(fdtri(df, n - 1, tail))
    rest = k * readers + (k * n - k - n) * residual
    lower = n * (units - over * residual) / (over * rest + n * units)
    upper = n * (under * units - residual) / (rest + n * under * units)
    return Estimate(value, float(lower), float(upper), n, None, METHOD)
