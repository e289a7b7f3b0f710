"""Two readers: Cohen's kappa with its large-sample standard error.

What does not belong here: coefficients for any number of readers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vpack_pipeline.stats.agreement.coefficients import NO_PAIR, ONE_CATEGORY
from vpack_pipeline.stats.agreement.counts import agreement_weights
from vpack_pipeline.stats.arguments import numbers
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    symmetric,
    undefined,
)


def cohen_kappa(
    a: FloatArray,
    b: FloatArray,
    categories: Sequence[float],
    weights: str | None = None,
    level: float = 0.95,
) -> Estimate:
    """Cohen's kappa (1960, weighted 1968), standard error of Fleiss, Cohen & Everitt (1969).

    Parameters
    ----------
    a, b : (units,) ratings of two readers, nan = none; a unit counts where both rated
    weights : None, 'linear' or 'quadratic'

    Returns
    -------
    n counts units rated by both. Undefined, with a reason, where chance agreement is 1: both
    readers used one and the same category only. The interval is normal, clipped to [-1, 1].
    """
    method = (
        Code("cohen_kappa") if weights is None else code("cohen_kappa_weighted", weights=weights)
    )
    credit = agreement_weights(categories, weights)
    _, x, y = both_rated(a, b, categories)
    n = len(x)
    if n == 0:
        return undefined(NO_PAIR, method=method, n=0)
    joint = x.T.astype(np.float64) @ y / n
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    observed = float((credit * joint).sum())
    chance = float(rows @ credit @ columns)
    if np.array_equal(rows, columns) and np.count_nonzero(rows) == 1:
        return undefined(ONE_CATEGORY, method=method, n=n)
    value = (observed - chance) / (1 - chance)
    row_credit, column_credit = credit @ columns, rows @ credit
    marginal = row_credit[:, None] + column_credit[None, :]
    spread = float((joint * (credit - marginal * (1 - value)) ** 2).sum())
    variance = (spread - (value - chance * (1 - value)) ** 2) / (n * (1 - chance) ** 2)
    # Full agreement has variance 0, which rounding turns into ±1e-17.
    se = math.sqrt(variance) if variance > 1e-15 else 0.0
    return symmetric(value, se, n=n, method=method, level=level, bounds=(-1.0, 1.0))


def both_rated(
    a: FloatArray, b: FloatArray, categories: Sequence[float]
) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Find the units that both readers rated, and each reader's category of these.

    Returns
    -------
    (units,) whether both rated it; and of those units (n, q) of a and of b

    Raises
    ------
    ValueError
        The ratings differ in number, or one is none of the categories.
    """
    first, second = numbers("a", a, missing=True), numbers("b", b, missing=True)
    if first.shape != second.shape:
        raise ValueError("a and b need one rating each for each unit")
    both = ~(np.isnan(first) | np.isnan(second))
    levels = np.asarray(categories, dtype=np.float64)
    x, y = first[both, None] == levels, second[both, None] == levels
    if not x.sum() == y.sum() == both.sum():
        raise ValueError("a or b: a rating is none of the declared categories")
    return both, x, y
