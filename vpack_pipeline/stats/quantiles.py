"""Quantiles of what is measured a unit, with an interval that holds where patients give several.

What does not belong here: what is measured, and quantiles of replicates (``resampling``).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr

from vpack_pipeline.stats.arguments import clusters, numbers, positive_number
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray, normal_quantile, undefined
from vpack_pipeline.stats.proportions.intervals import NO_CASES, effective_size

METHOD: Final = coded("order_statistic")
RANKS: Final = Code("binomial_ranks_on_effective_size")
FEW: Final = Code("few_cases_for_quantile")


def quantile_by_patient(
    values: FloatArray,
    cluster: npt.NDArray[np.generic],
    share: float,
    level: float = 0.95,
) -> Estimate:
    """Quantile as an order statistic, between order statistics by binomial ranks.

    The bounds need no law of the values (David & Nagaraja 2003): of n independent
    ones, those below the quantile are binomial. Where patients give several, n is the effective
    size of the share of values that do not exceed the quantile, and ranks are stretched to the
    values that there are.

    Parameters
    ----------
    values : (M,) measured on each unit
    cluster : (M,) patient of each unit
    share : of values that lie at or below the quantile, within (0, 1)

    Returns
    -------
    n counts units. No interval, with a code, where no order statistic of so few reaches the level.

    Raises
    ------
    ValueError
        A value is none, a patient is missing, or the share is not within (0, 1).

    >>> found = quantile_by_patient(np.arange(1.0, 21.0), np.arange(20), 0.5)
    >>> found.value, found.lower, found.upper
    (10.0, 6.0, 15.0)
    """
    normal_quantile(level)
    ordered = np.sort(numbers("values", values))
    if positive_number("share", share, 1.0) == 1:
        raise ValueError("share is below 1")
    n = int(ordered.size)
    clusters("cluster", cluster, n)
    if n == 0:
        return undefined(NO_CASES, method=METHOD, n=0)
    value = float(np.quantile(ordered, share, method="inverted_cdf"))
    size = math.floor(effective_size(np.asarray(values) <= value, cluster))
    tail = (1 - level) / 2
    at_most = bdtr(np.arange(size), size, share)
    low, high = int((at_most <= tail).sum()), int((at_most < 1 - tail).sum()) + 1
    if low < 1 or high > size:
        return undefined(FEW, method=METHOD, n=n, value=value)
    lower = ordered[math.floor((low - 1) * n / size)]
    upper = ordered[math.ceil(high * n / size) - 1]
    return Estimate(value, float(lower), float(upper), n, None, coded(METHOD, RANKS))
