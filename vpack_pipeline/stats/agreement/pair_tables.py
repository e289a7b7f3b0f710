"""Cohen's kappa of every pair of readers, and the kappa of two without each patient.

A kappa is a function of the pair's joint table, and tables add up over patients, so that leaving
each patient out takes one subtraction. What does not belong here: a summary over pairs, which is
what Fleiss' kappa and alpha are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.agreement.counts import agreement_weights, rating_counts
from vpack_pipeline.stats.agreement.jackknife import Jackknife, Weighted, expected_minority
from vpack_pipeline.stats.agreement.pairs import both_rated, cohen_kappa
from vpack_pipeline.stats.agreement.sums import unit_weights
from vpack_pipeline.stats.agreement.unseen import UNSEEN, two_commonest
from vpack_pipeline.stats.arguments import clusters, numbers
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray
from vpack_pipeline.stats.resampling import patient_codes

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


def pair_jackknife(
    a: FloatArray,
    b: FloatArray,
    categories: Sequence[float],
    cluster: npt.NDArray[np.generic],
    weights: str | None = None,
    weight: FloatArray | None = None,
) -> Jackknife:
    """Cohen's kappa of two readers without each patient.

    Parameters
    ----------
    a, b : (units,) ratings of two readers, nan = none; a unit counts where both rated
    cluster : (units,) patient of each unit
    weights : of categories that lie apart: None, 'linear' or 'quadratic'
    weight : (units,) above 0, the inverse of each unit's sampling fraction

    Raises
    ------
    ValueError
        Ratings and patients or weights differ in number, a weight is not above 0, or a rating is
        none of the categories.
    """
    both, x, y = both_rated(a, b, categories)
    codes, n_patients = patient_codes(clusters("cluster", cluster, len(both))[both])
    q, credit = len(categories), agreement_weights(categories, weights)
    cell = codes * (q * q) + x.argmax(axis=1) * q + y.argmax(axis=1)
    tables = np.bincount(cell, minlength=n_patients * q * q).reshape(n_patients, q, q)
    of_category = (x.sum(axis=0) + y.sum(axis=0)).astype(np.float64)
    minority = expected_minority(of_category, len(x))
    weighing = unit_weights(weight, len(both))
    if weighing is None or not len(x):
        left_out = _kappas(tables.sum(axis=0) - tables, credit)
        return Jackknife(left_out, n_patients, minority, is_share=False)
    own = weighing[both]
    mass = np.bincount(cell, own, n_patients * q * q).reshape(n_patients, q, q)
    unseen = _unseen_pairs(own, x, y)
    counts = np.concatenate([tables, unseen > 0])
    masses = np.concatenate([mass, unseen])
    rest, left = (of.sum(axis=0) - of for of in (counts, masses))
    # Where no unit is left, none is left of its weight, whatever rounding says.
    left_out = _kappas(np.where(rest > 0, left, 0.0), credit)
    value, raised = (float(_kappas(of.sum(axis=0), credit)) for of in (mass, masses))
    return Jackknife(left_out, n_patients, minority, False, Weighted(value, raised))


def _unseen_pairs(own: FloatArray, x: BoolArray, y: BoolArray) -> FloatArray:
    """Two units of the largest weight: on one the readers part, the other both rate as rarer."""
    common, rarer = two_commonest(own @ x + own @ y)
    tables = np.zeros((UNSEEN, x.shape[1], x.shape[1]))
    tables[0, rarer, common] = tables[1, rarer, rarer] = own.max()
    return tables


def _kappas(joint: npt.NDArray[np.number], credit: FloatArray) -> FloatArray:
    """Kappa of each table (..., q, q) of counts or weights; nan if empty or of chance 1."""
    n = joint.sum(axis=(-2, -1))
    rows, columns = joint.sum(axis=-1), joint.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = (joint * credit).sum(axis=(-2, -1)) / n
        chance = ((rows @ credit) * columns).sum(axis=-1) / n**2
        kappa: FloatArray = (observed - chance) / (1 - chance)
    # Cells without a unit are exactly 0, so that a table in one cell is seen as such.
    alone = np.diagonal(joint, axis1=-2, axis2=-1).max(axis=-1) == n
    return np.where(alone, np.nan, kappa)
