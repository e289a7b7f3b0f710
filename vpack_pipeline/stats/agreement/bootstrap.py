"""Bootstrap intervals of agreement by patient, all coefficients in one pass.

Every coefficient is a function of sums over units, so that a replicate is one product of patient
counts and per-patient sums, and no unit is copied. What does not belong here: point estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.agreement.coefficients import unit_agreement
from vpack_pipeline.stats.agreement.counts import rating_counts
from vpack_pipeline.stats.agreement.krippendorff import alpha, distances
from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.resampling import patient_codes, patient_weights, percentile_interval

Bounds = tuple[float | None, float | None]


def agreement_bootstrap(
    ratings: FloatArray,
    categories: Sequence[float],
    cluster: npt.NDArray[np.generic],
    replicates: int,
    rng: np.random.Generator,
    *,
    level_of_measurement: str = "nominal",
    level: float = 0.95,
) -> dict[str, Bounds]:
    """Percentile intervals of the unweighted coefficients, drawing whole patients.

    Parameters
    ----------
    ratings : (units, readers), nan = no rating
    categories : the declared categories; positive and negative agreement are given where they are
        two, the higher being positive
    cluster : (units,) patient of each unit
    level_of_measurement : of ``alpha``: 'nominal', 'ordinal' or 'interval'

    Returns
    -------
    (lower, upper) by name: percent_agreement, positive_agreement, negative_agreement,
    fleiss_kappa, gwet_ac1, krippendorff_alpha. (None, None) where most replicates are undefined.
    """
    counts = rating_counts(ratings, categories)
    codes, n_patients = patient_codes(cluster)
    if codes.size != len(counts):
        raise ValueError("one patient code is needed for each unit")
    distances(np.zeros(len(categories)), categories, level_of_measurement)
    blocks = _unit_sums(counts)
    sums = np.zeros((n_patients, sum(block.shape[1] for block in blocks.values())))
    np.add.at(sums, codes, np.hstack(list(blocks.values())))
    edges = np.cumsum([block.shape[1] for block in blocks.values()])[:-1]
    draws = [w.astype(np.float64) @ sums for w in patient_weights(n_patients, replicates, rng)]
    parts = np.split(np.concatenate(draws), edges, axis=1)
    totals = dict(zip(blocks, parts, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {name: statistic(totals) for name, statistic in _STATISTICS.items()}
    if len(categories) != 2:
        del values["positive_agreement"], values["negative_agreement"]
    values["krippendorff_alpha"] = _alpha(totals, categories, level_of_measurement)
    intervals = {name: percentile_interval(v, level) for name, v in values.items()}
    return {name: (i.lower, i.upper) for name, i in intervals.items()}


def _unit_sums(counts: FloatArray) -> dict[str, FloatArray]:
    """What each unit adds to every sum that a coefficient needs; a column each."""
    raters = counts.sum(axis=1, keepdims=True)
    q = counts.shape[1]
    rated, paired = raters > 0, raters >= 2
    others = np.where(paired, raters - 1, 1)
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs[:, np.arange(q), np.arange(q)] -= counts
    return {
        "rated": rated.astype(np.float64),
        "paired": paired.astype(np.float64),
        "agreement": unit_agreement(counts, np.eye(q))[:, None],
        "shares": counts / np.where(rated, raters, 1),
        "same": counts * (counts - 1),
        "met": counts * (raters - 1),
        "totals": counts * paired,
        "coincidences": pairs.reshape(len(counts), -1) / others,
    }


Totals = dict[str, FloatArray]


def _percent(totals: Totals) -> FloatArray:
    return (totals["agreement"] / totals["paired"])[:, 0]


def _fleiss(totals: Totals) -> FloatArray:
    shares = totals["shares"] / totals["rated"]
    return _corrected(_percent(totals), (shares**2).sum(axis=1))


def _ac1(totals: Totals) -> FloatArray:
    shares = totals["shares"] / totals["rated"]
    q = shares.shape[1]
    # One declared category has no chance agreement to correct for: 0/0, undefined.
    chance = (shares * (1 - shares)).sum(axis=1) / (q - 1) if q > 1 else np.ones(len(shares))
    return _corrected(_percent(totals), chance)


def _corrected(observed: FloatArray, chance: FloatArray) -> FloatArray:
    # A replicate in one category has chance agreement 1 up to rounding: undefined.
    return np.where(chance < 1 - 1e-12, (observed - chance) / (1 - chance), np.nan)


def _specific(column: int) -> Callable[[Totals], FloatArray]:
    return lambda totals: totals["same"][:, column] / totals["met"][:, column]


def _alpha(totals: Totals, categories: Sequence[float], level_of_measurement: str) -> FloatArray:
    q = len(categories)
    values = np.empty(len(totals["totals"]))
    for b, (marginal, row) in enumerate(zip(totals["totals"], totals["coincidences"], strict=True)):
        distance = distances(marginal, categories, level_of_measurement)
        values[b] = alpha(float((row.reshape(q, q) * distance).sum()), marginal, distance)
    return values


_STATISTICS: dict[str, Callable[[Totals], FloatArray]] = {
    "percent_agreement": _percent,
    "positive_agreement": _specific(-1),
    "negative_agreement": _specific(0),
    "fleiss_kappa": _fleiss,
    "gwet_ac1": _ac1,
}
