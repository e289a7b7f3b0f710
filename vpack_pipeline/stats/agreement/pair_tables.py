"""Cohen's kappa of every pair of readers, and its bootstrap by patient in one pass.

A kappa is a function of the pair's joint table, and tables add up over patients, so that a
replicate of all pairs is one product. What does not belong here: a summary over pairs, which is
what Fleiss' kappa and alpha are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.agreement.bootstrap import Bounds
from vpack_pipeline.stats.agreement.counts import agreement_weights, rating_counts
from vpack_pipeline.stats.agreement.pairs import cohen_kappa
from vpack_pipeline.stats.arguments import clusters, numbers
from vpack_pipeline.stats.estimate import Estimate, FloatArray
from vpack_pipeline.stats.resampling import patient_codes, patient_weights, percentile_interval

Pair = tuple[int, int]


def pairwise_kappas(
    ratings: FloatArray,
    categories: Sequence[float],
    *,
    weights: str | None = None,
    level: float = 0.95,
) -> dict[Pair, Estimate]:
    """``cohen_kappa`` of each pair of columns (i, j), i < j.

    Parameters
    ----------
    ratings : (units, readers), nan = no rating; a unit counts for a pair where both rated it
    """
    values = numbers("ratings", ratings, missing=True)
    rating_counts(values, categories)
    return {
        (i, j): cohen_kappa(values[:, i], values[:, j], categories, weights, level)
        for i, j in combinations(range(values.shape[1]), 2)
    }


def pairwise_kappa_bootstrap(
    ratings: FloatArray,
    categories: Sequence[float],
    cluster: npt.NDArray[np.generic],
    replicates: int,
    rng: np.random.Generator,
    *,
    weights: str | None = None,
    level: float = 0.95,
) -> dict[Pair, Bounds]:
    """Percentile intervals (Efron 1981) of each pair's Cohen's kappa, drawing whole patients.

    Parameters
    ----------
    ratings : (units, readers), nan = no rating
    cluster : (units,) patient of each unit
    weights : None, 'linear' or 'quadratic'

    Returns
    -------
    (lower, upper) by pair; (None, None) where most replicates are undefined
    """
    values = numbers("ratings", ratings, missing=True)
    rating_counts(values, categories)
    codes, n_patients = patient_codes(clusters("cluster", cluster, len(values)))
    pairs = list(combinations(range(values.shape[1]), 2))
    if not pairs:
        return {}
    q = len(categories)
    tables = _patient_tables(values, categories, codes, n_patients, pairs)
    draws = [w.astype(np.float64) @ tables for w in patient_weights(n_patients, replicates, rng)]
    joint = np.concatenate(draws).reshape(-1, len(pairs), q, q)
    kappas = _kappas(joint, agreement_weights(categories, weights))
    intervals = [percentile_interval(column, level) for column in kappas.T]
    return {pair: (i.lower, i.upper) for pair, i in zip(pairs, intervals, strict=True)}


def _patient_tables(
    ratings: FloatArray,
    categories: Sequence[float],
    codes: npt.NDArray[np.intp],
    n_patients: int,
    pairs: list[Pair],
) -> FloatArray:
    """(patients, pairs × q × q): how often a patient's units fell in each cell of each table."""
    q = len(categories)
    place = np.searchsorted(np.asarray(categories, dtype=np.float64), ratings)
    rated = ~np.isnan(ratings)
    tables = np.empty((n_patients, len(pairs) * q * q))
    for number, (i, j) in enumerate(pairs):
        both = rated[:, i] & rated[:, j]
        cell = codes[both] * (q * q) + place[both, i] * q + place[both, j]
        counted = np.bincount(cell, minlength=n_patients * q * q).reshape(n_patients, -1)
        tables[:, number * q * q : (number + 1) * q * q] = counted
    return tables


def _kappas(joint: FloatArray, credit: FloatArray) -> FloatArray:
    """Kappa of each table (..., q, q) of counts; nan if empty, or if chance agreement is 1."""
    n = joint.sum(axis=(-2, -1))
    rows, columns = joint.sum(axis=-1), joint.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = (joint * credit).sum(axis=(-2, -1)) / n
        chance = ((rows @ credit) * columns).sum(axis=-1) / n**2
        kappa: FloatArray = (observed - chance) / (1 - chance)
    # Counts are whole, so that a table in one cell is seen exactly.
    alone = np.diagonal(joint, axis1=-2, axis2=-1).max(axis=-1) == n
    return np.where(alone, np.nan, kappa)
