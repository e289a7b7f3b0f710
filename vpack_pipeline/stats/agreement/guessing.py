"""What a statistic of agreement comes to for readers who guess: answers drawn by their shares.

A figure that such readers would reach too says nothing of the readers. What does not belong here:
how a coefficient is computed of ratings (``coefficients``, ``krippendorff``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from vpack_pipeline.stats.agreement.counts import rating_counts
from vpack_pipeline.stats.agreement.sums import unit_weights
from vpack_pipeline.stats.arguments import numbers
from vpack_pipeline.stats.estimate import FloatArray

BEYOND_CHANCE: Final = (
    "fleiss_kappa",
    "krippendorff_alpha",
    "krippendorff_alpha_nominal",
    "krippendorff_alpha_interval",
)
"""Statistics whose zero is just this: both readers answer at random, by the same shares."""


def mean_shares(
    ratings: FloatArray, categories: tuple[float, ...], weight: FloatArray | None = None
) -> FloatArray:
    """Share of each category, averaged over the units that are rated (as Gwet's chance agreement).

    Parameters
    ----------
    ratings : (units, readers), nan = no rating; one rating at least
    weight : (units,) above 0, the inverse of each unit's sampling fraction
    """
    counts = rating_counts(ratings, categories)
    is_rated = counts.sum(axis=1) > 0
    shares = counts[is_rated] / counts[is_rated].sum(axis=1, keepdims=True)
    own = unit_weights(weight, len(counts))
    if own is None:
        return np.asarray(shares.mean(axis=0))
    return np.asarray(own[is_rated] @ shares / own[is_rated].sum())


def guessed(statistic: str, shares: Mapping[str, float]) -> float | None:
    """Give what readers reach who answer at random, independently, each class by its share.

    Two such readers agree on a case with probability pa = Σ πk². Percent agreement is that;
    agreement on a class is its share πk; AC1 is (pa − pe) / (1 − pe) with Gwet's pe =
    Σ πk (1 − πk) / (q − 1), and is not zero where shares are unequal (Gwet 2008); kappa and alpha
    are zero.

    Parameters
    ----------
    statistic : as in a protocol's floor
    shares : of each class, summing to one; ``positive`` and ``negative`` among them

    Returns
    -------
    None for a statistic of which this is not known

    Examples
    --------
    >>> round(guessed("gwet_ac1", {"negative": 0.9, "positive": 0.1}), 3)
    0.78
    >>> guessed("fleiss_kappa", {"negative": 0.9, "positive": 0.1})
    0.0
    """
    each = numbers("shares", list(shares.values()), 0.0, 1.0)
    alike = float(each @ each)
    if statistic in BEYOND_CHANCE:
        return 0.0
    if statistic == "percent_agreement":
        return alike
    if statistic in ("positive_agreement", "negative_agreement"):
        return shares[statistic.removesuffix("_agreement")]
    if statistic == "gwet_ac1":
        chance = float(each @ (1 - each)) / (each.size - 1)
        return (alike - chance) / (1 - chance)
    return None
