"""Calibration read from a curve: distances of a smooth one, parts of the Brier score, a picture.

What does not belong here: calibration in numbers that need no curve (``calibration``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from vpack_pipeline.stats.arguments import clusters, labelled_scores, number, numbers, whole
from vpack_pipeline.stats.calibration import EPSILON, ONE_CLASS, ONE_PATIENT, SEPARATED
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray, FloatArray, normal_quantile
from vpack_pipeline.stats.loess import Loess
from vpack_pipeline.stats.logistic import fit_logistic, is_separated
from vpack_pipeline.stats.resampling import patient_codes

FEW_PLACES: Final = Code("few_distinct_probabilities")
MOST_PLACES: Final = 10_000
"""Of more cases, a null takes neighbours in order of probability together."""
_KNOTS: Final = (0.05, 0.35, 0.65, 0.95)
_RANGE: Final = (0.05, 0.95)
_EXTREME: Final = 30.0


class CurveDistance(NamedTuple):
    """How far the smooth curve lies from the probabilities: mean, percentiles, largest."""

    ici: float
    e50: float
    e90: float
    emax: float


class BrierParts(NamedTuple):
    """Brier score = miscalibration − discrimination + uncertainty."""

    miscalibration: float
    discrimination: float
    uncertainty: float


class SmoothCurve(NamedTuple):
    """Observed rate at each probability of a grid with a pointwise band; nan where not drawn."""

    rate: FloatArray
    lower: FloatArray
    upper: FloatArray


def curve_distance(prob: FloatArray, positive: BoolArray) -> CurveDistance | None:
    """Distances of the loess curve from the probabilities, over the cases.

    ICI, E50, E90 and Emax of Austin & Steyerberg 2019. They are above 0 under perfect calibration:
    print :func:`ici_null` beside them.

    Parameters
    ----------
    prob, positive : (n,) prob in [0, 1]

    Returns
    -------
    None where probabilities are too few, or too alike, for a curve
    """
    p, y = _checked(prob, positive)
    smooth = Loess.at(p)
    if smooth is None:
        return None
    apart = np.abs(smooth.curve(smooth.basis(p), smooth.through(y.astype(np.float64))) - p)
    e50, e90 = np.quantile(apart, [0.5, 0.9])
    return CurveDistance(float(apart.mean()), float(e50), float(e90), float(apart.max()))


def ici_null(
    prob: FloatArray,
    replicates: int,
    rng: np.random.Generator,
    *,
    quantile: float = 0.95,
) -> float | None:
    """The ICI that perfect calibration would stay below, by simulation.

    Outcomes are drawn from the probabilities themselves (consistency resampling: Bröcker & Smith
    2007). Of more than ``MOST_PLACES`` cases, neighbours are taken together until about that many
    places are left; it moves the result by less than a thousandth of it.

    Returns
    -------
    None as in :func:`curve_distance`
    """
    p, _ = _checked(prob, np.zeros(np.shape(prob), dtype=np.bool_))
    whole("replicates", replicates)
    number("quantile", quantile, 0.0, 1.0)
    smooth = Loess.at(p)
    if smooth is None:
        return None
    # In order, neighbours have next to the same share in the curve: their mean stands for each.
    order = np.argsort(p, kind="stable")
    step = max(1, p.size // MOST_PLACES)
    starts = np.arange(0, p.size, step)
    sizes = np.diff(starts, append=p.size)
    ordered, places = p[order], p[order][starts + sizes // 2]
    solved = np.add.reduceat(smooth.solved[:, order], starts, axis=1) / sizes
    basis = smooth.basis(places)
    found = np.empty(replicates)
    for b in range(replicates):
        drawn = np.add.reduceat((rng.random(p.size) < ordered).astype(np.float64), starts)
        found[b] = sizes @ np.abs(smooth.curve(basis, solved @ drawn) - places) / p.size
    return float(np.quantile(found, quantile))


def brier_parts(prob: FloatArray, positive: BoolArray) -> BrierParts:
    """Part the Brier score exactly, by isotonic regression (CORP: Dimitriadis et al. 2021).

    Parameters
    ----------
    prob, positive : (n,) prob in [0, 1]. The recalibrated probability rises with ``prob`` and is
        the same where that is

    >>> parts = brier_parts(np.array([0.1, 0.1, 0.8, 0.8]), np.array([0, 1, 1, 1]))
    >>> [round(part, 4) for part in parts]
    [0.1, 0.0625, 0.1875]
    """
    p, y = _checked(prob, positive)
    _, of_case, n = np.unique(p, return_inverse=True, return_counts=True)
    rate = np.bincount(of_case, weights=y) / n
    fitted = isotonic_regression(rate, weights=n.astype(np.float64)).x[of_case]
    mean = float(y.mean())
    score, own = float(((p - y) ** 2).mean()), float(((fitted - y) ** 2).mean())
    uncertainty = mean * (1 - mean)
    # Neither is negative: probabilities as they are, and one for all, rise as the best ones do.
    return BrierParts(max(score - own, 0.0), max(uncertainty - own, 0.0), uncertainty)


def smooth_curve(
    prob: FloatArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic],
    grid: FloatArray,
    level: float = 0.95,
) -> SmoothCurve | Code:
    """Draw the observed rate over the probability, for a picture.

    Logistic regression on a restricted cubic spline of the log odds, four knots (Harrell 2015,
    section 2.4), errors by patient (sandwich). The band is pointwise: it does not hold over the
    whole curve.

    Parameters
    ----------
    prob, positive, cluster : (n,) prob in [0, 1]; 0 and 1 are moved by EPSILON
    grid : (g,) probabilities; drawn from the 5th to the 95th percentile of ``prob``

    Returns
    -------
    or why there is no curve
    """
    p, y = _checked(prob, positive)
    points = numbers("grid", grid, 0.0, 1.0)
    z = normal_quantile(level)
    codes, n_patients = patient_codes(clusters("cluster", cluster, p.size))
    reason = _no_curve(p, y, n_patients)
    if reason is not None:
        return reason
    log_odds = _log_odds(p)
    knots = np.quantile(log_odds, _KNOTS)
    centre, spread = float(log_odds.mean()), float(log_odds.std())
    design = _spline((log_odds - centre) / spread, (knots - centre) / spread)
    try:
        beta, covariance = fit_logistic(design, y.astype(np.float64), np.zeros(y.size), codes)
    except np.linalg.LinAlgError:
        return SEPARATED
    if np.abs(design @ beta).max() > _EXTREME:
        return SEPARATED
    at = _spline((_log_odds(points) - centre) / spread, (knots - centre) / spread)
    eta = at @ beta
    reach = z * np.sqrt(np.maximum(((at @ covariance) * at).sum(axis=1), 0.0))
    low, high = np.quantile(p, _RANGE)
    drawn = np.where((points >= low) & (points <= high), 1.0, np.nan)
    return SmoothCurve(*(expit(eta + side * reach) * drawn for side in (0, -1, 1)))


def _checked(prob: FloatArray, positive: BoolArray) -> tuple[FloatArray, BoolArray]:
    p, y = labelled_scores(prob, positive, ("prob", "positive"))
    numbers("prob", p, 0.0, 1.0)
    if p.size == 0:
        raise ValueError("prob and positive: one case or more is needed")
    return p, y


def _no_curve(p: FloatArray, y: BoolArray, n_patients: int) -> Code | None:
    if y.all() or not y.any():
        return ONE_CLASS
    if n_patients < 2:
        return ONE_PATIENT
    knots = np.quantile(_log_odds(p), _KNOTS)
    if (np.diff(knots) < 1e-9).any():
        return FEW_PLACES
    return SEPARATED if is_separated(p, y) else None


def _log_odds(p: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(p, EPSILON, 1 - EPSILON)), dtype=np.float64)


def _spline(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Give the basis of a cubic spline that is straight beyond the first and the last knot."""
    first, last, before = knots[0], knots[-1], knots[-2]
    columns = [np.ones(x.size), x]
    for knot in knots[:-2]:
        bent = np.maximum(x - knot, 0) ** 3
        bent -= np.maximum(x - before, 0) ** 3 * (last - knot) / (last - before)
        bent += np.maximum(x - last, 0) ** 3 * (before - knot) / (last - before)
        columns.append(bent / (last - first) ** 2)
    return np.column_stack(columns)
