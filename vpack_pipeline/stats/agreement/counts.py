"""From ratings to counts a unit and category, and the weights of partial agreement.

What does not belong here: any coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vpack_pipeline.stats.arguments import numbers
from vpack_pipeline.stats.estimate import FloatArray


def rating_counts(ratings: FloatArray, categories: Sequence[float]) -> FloatArray:
    """How many readers put each unit in each category.

    Parameters
    ----------
    ratings : (units, readers), nan = no rating
    categories : the declared categories, increasing; used or not, they decide chance agreement

    Returns
    -------
    (units, q) whole numbers as floats; a unit without ratings has a row of zeros

    Raises
    ------
    ValueError
        A rating is none of the categories, or the categories do not increase.

    >>> rating_counts(np.array([[0, 1, 1], [0, np.nan, 0]]), [0, 1])
    array([[1., 2.],
           [2., 0.]])
    """
    values = numbers("ratings", ratings, missing=True)
    if values.ndim != 2:
        raise ValueError("ratings need the shape (units, readers)")
    levels = _increasing(categories)
    counts = np.stack([(values == level).sum(axis=1) for level in levels], axis=1)
    if counts.sum() != (~np.isnan(values)).sum():
        raise ValueError("ratings: a rating is none of the declared categories")
    return np.asarray(counts, dtype=np.float64)


def agreement_weights(categories: Sequence[float], weights: str | None) -> FloatArray:
    """Partial credit of a pair of categories: (q, q), 1 on the diagonal.

    None gives credit to identity only; 'linear' and 'quadratic' give 1 − (distance / range) and
    1 − (distance / range)², on the category values (Cohen 1968; Gwet 2014).
    """
    levels = _increasing(categories)
    powers = {"linear": 1, "quadratic": 2}
    if weights is None or levels.size < 2:
        return np.eye(levels.size)
    if weights not in powers:
        raise ValueError(f"weights are None or one of {', '.join(powers)}")
    distance = np.abs(levels[:, None] - levels[None, :]) / (levels[-1] - levels[0])
    return np.asarray(1 - distance ** powers[weights], dtype=np.float64)


def _increasing(categories: Sequence[float]) -> FloatArray:
    levels = numbers("categories", categories)
    if levels.size == 0 or (np.diff(levels) <= 0).any():
        raise ValueError("categories must be given, in increasing order")
    return levels
