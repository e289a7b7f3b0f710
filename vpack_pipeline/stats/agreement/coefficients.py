"""Percent agreement, Fleiss' kappa, Gwet's AC and Brennan–Prediger, with missing ratings.

The generalisation to missing ratings and the standard errors are Gwet's (Handbook of Inter-Rater
Reliability, 4th ed. 2014, chapters 2 and 5), as in R's irrCAC: chance agreement is taken over all
rated units, observed agreement over units with two ratings or more, and the interval is Student's t
on the number of units less one. It treats units as independent, and serves the comparison with
other software: ``jackknife`` has the interval to print.

Percent and specific agreement lie in [0, 1], AC1 in [−1, 1]: its chance agreement is 1/q at most.
Fleiss' kappa and AC2 have no lowest value: ratings of units that a single reader rated enter chance
agreement and not the observed one, so that this may be 0 and that near 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vpack_pipeline.stats.agreement.counts import agreement_weights, rating_counts
from vpack_pipeline.stats.codes import Code, Coded, code
from vpack_pipeline.stats.estimate import (
    Estimate,
    FloatArray,
    symmetric,
    undefined,
)

NO_PAIR = Code("no_pair_of_ratings")
ONE_CATEGORY = Code("one_category_used")
ONE_DECLARED = Code("one_category_declared")
ONE_UNIT = Code("one_unit")
_UNIT = (0.0, 1.0)
_BELOW_ONE = (-math.inf, 1.0)


def percent_agreement(
    ratings: FloatArray,
    categories: Sequence[float],
    *,
    weights: str | None = None,
    level: float = 0.95,
) -> Estimate:
    """Share of a unit's pairs of ratings that agree, averaged over units with two or more.

    Parameters
    ----------
    ratings : (units, readers), nan = no rating
    weights : None, 'linear' or 'quadratic' partial credit

    Returns
    -------
    n counts the units with two ratings or more
    """
    counts = _rated(ratings, categories)
    credit = agreement_weights(categories, weights)
    return _coefficient(
        counts, credit, 0.0, np.zeros(len(counts)), method="percent_agreement", level=level
    )


def specific_agreement(ratings: FloatArray, level: float = 0.95) -> tuple[Estimate, Estimate]:
    """Positive and negative agreement for binary ratings (Cicchetti & Feinstein 1990).

    Over any number of readers: of all the ratings of one kind, paired with each other rating of the
    same unit, the share met by the same kind (de Vet et al. 2017). The interval is that of a ratio
    over units, linearised, normal and clipped to [0, 1].

    Parameters
    ----------
    ratings : (units, readers) of 0 and 1, nan = no rating

    Returns
    -------
    (positive, negative); n counts units with two ratings or more, events the ratings of the kind in
    them. Undefined, with a reason, where no rating in a pair is of the kind.
    """
    counts = rating_counts(ratings, (0.0, 1.0))
    counts = counts[counts.sum(axis=1) >= 2]
    raters = counts.sum(axis=1)
    negative, positive = (
        _ratio_over_units(kind * (kind - 1), kind * (raters - 1), int(kind.sum()), name, level)
        for kind, name in zip(counts.T, ("negative_agreement", "positive_agreement"), strict=True)
    )
    return positive, negative


def fleiss_kappa(
    ratings: FloatArray,
    categories: Sequence[float],
    *,
    weights: str | None = None,
    level: float = 0.95,
) -> Estimate:
    """Fleiss' kappa (1971), generalised to missing ratings and weights (Gwet 2014).

    Undefined where all ratings fall in one category. Parameters as ``percent_agreement``.
    """
    method = "fleiss_kappa"
    counts = _rated(ratings, categories)
    credit = agreement_weights(categories, weights)
    if _one_category(counts):
        return undefined(ONE_CATEGORY, method=method, n=_paired(counts))
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares.sum(axis=0) / max(1, len(shares))
    chance = float(mean @ credit @ mean)
    return _coefficient(
        counts, credit, chance, shares @ (credit @ mean), method=method, level=level
    )


def gwet_ac(
    ratings: FloatArray,
    categories: Sequence[float],
    *,
    weights: str | None = None,
    level: float = 0.95,
) -> Estimate:
    """Gwet's AC1 (2008), or AC2 with weights (2014).

    Defined where all ratings fall in one of two or more declared categories. Parameters as
    ``percent_agreement``.
    """
    method = Code("gwet_ac1") if weights is None else code("gwet_ac2", weights=weights)
    counts = _rated(ratings, categories)
    q = counts.shape[1]
    if q < 2:
        return undefined(ONE_DECLARED, method=method, n=_paired(counts))
    credit = agreement_weights(categories, weights)
    factor = float(credit.sum()) / (q * (q - 1))
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares.sum(axis=0) / max(1, len(shares))
    chance = factor * float(mean @ (1 - mean))
    return _coefficient(
        counts, credit, chance, factor * (shares @ (1 - mean)), method=method, level=level
    )


def brennan_prediger(
    ratings: FloatArray,
    categories: Sequence[float],
    *,
    weights: str | None = None,
    level: float = 0.95,
) -> Estimate:
    """Brennan & Prediger's kappa (1981): chance agreement 1/q. As ``percent_agreement``."""
    method = "brennan_prediger"
    counts = _rated(ratings, categories)
    q = counts.shape[1]
    if q < 2:
        return undefined(ONE_DECLARED, method=method, n=_paired(counts))
    credit = agreement_weights(categories, weights)
    chance = float(credit.sum()) / q**2
    return _coefficient(
        counts, credit, chance, np.full(len(counts), chance), method=method, level=level
    )


def unit_agreement(counts: FloatArray, credit: FloatArray) -> FloatArray:
    """Share of agreeing pairs of each unit; 0 where it has fewer than two ratings."""
    raters = counts.sum(axis=1)
    pairs = raters * (raters - 1)
    agreeing = (counts * (counts @ credit.T - 1)).sum(axis=1)
    shares: FloatArray = np.divide(agreeing, pairs, out=np.zeros(len(counts)), where=pairs > 0)
    return shares


def _coefficient(
    counts: FloatArray,
    credit: FloatArray,
    chance: float,
    unit_chance: FloatArray,
    *,
    method: Coded,
    level: float,
) -> Estimate:
    """(pa − pe) / (1 − pe) with Gwet's linearised standard error over units."""
    eligible = counts.sum(axis=1) >= 2
    n, n_paired = len(counts), int(eligible.sum())
    if n_paired == 0:
        return undefined(NO_PAIR, method=method, n=0)
    agreement = unit_agreement(counts, credit)
    value = (float(agreement.sum()) / n_paired - chance) / (1 - chance)
    bounds = _UNIT if chance == 0 else _BELOW_ONE
    if n < 2:
        return undefined(ONE_UNIT, method=method, n=n_paired, value=value)
    share = (n / n_paired) * (agreement - chance * eligible) / (1 - chance)
    influence = share - 2 * (1 - value) * (unit_chance - chance) / (1 - chance)
    se = standard_error(influence - value)
    return symmetric(value, se, n=n_paired, method=method, level=level, bounds=bounds, df=n - 1)


def standard_error(deviations: FloatArray) -> float:
    """Standard error of a mean from its deviations; rounding noise counts as 0."""
    n = deviations.size
    se = math.sqrt(float(deviations @ deviations) / (n * (n - 1)))
    return 0.0 if se < 1e-12 else se


def _ratio_over_units(
    numerator: FloatArray, denominator: FloatArray, events: int, method: Coded, level: float
) -> Estimate:
    n, total = numerator.size, float(denominator.sum())
    if total == 0:
        reason = NO_PAIR if n == 0 else Code("no_pair_of_this_kind")
        return undefined(reason, method=method, n=n, events=events)
    value = float(numerator.sum()) / total
    if n < 2:
        return undefined(ONE_UNIT, method=method, n=n, events=events, value=value)
    se = standard_error((numerator - value * denominator) * n / total)
    return symmetric(value, se, n=n, events=events, method=method, level=level, bounds=_UNIT)


def _rated(ratings: FloatArray, categories: Sequence[float]) -> FloatArray:
    counts = rating_counts(ratings, categories)
    rated: FloatArray = counts[counts.sum(axis=1) > 0]
    return rated


def _paired(counts: FloatArray) -> int:
    return int((counts.sum(axis=1) >= 2).sum())


def _one_category(counts: FloatArray) -> bool:
    return int(np.count_nonzero(counts.sum(axis=0))) == 1
