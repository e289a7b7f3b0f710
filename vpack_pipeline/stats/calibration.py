"""Calibration of probabilities: slope, intercept, Brier score, reliability, with its null band.

For outputs that are probabilities only. What does not belong here: recalibration of a model (a
pack reports, it does not repair), smoothed curves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit, ndtr

from vpack_pipeline.stats.arguments import amounts, clusters, labels, number, numbers, whole
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    HypothesisTest,
    IntArray,
    symmetric,
    undefined,
)
from vpack_pipeline.stats.logistic import fit_logistic, is_separated
from vpack_pipeline.stats.proportions import wilson_bounds
from vpack_pipeline.stats.resampling import patient_codes

EPSILON = 1e-6
ONE_CLASS = Code("one_class")
ONE_VALUE = Code("one_probability")
ONE_PATIENT = Code("one_patient")
SEPARATED = Code("classes_separated")
NOT_UNDER_WEIGHTS = HypothesisTest(
    None, None, coded("spiegelhalter"), reason=Code("not_computed_weighted")
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of one set of probabilities.

    ``slope`` and ``intercept`` are the joint logistic fit on the log odds; ``citl`` (calibration in
    the large) is the intercept with the slope fixed at 1. ``observed_expected`` is the ratio of
    positives to the sum of probabilities, None where that is 0. ``n_clipped`` counts probabilities
    that were moved to [EPSILON, 1 - EPSILON], for the log odds only.
    """

    slope: Estimate
    intercept: Estimate
    citl: Estimate
    brier: Estimate
    observed_expected: float | None
    spiegelhalter: HypothesisTest
    n_clipped: int


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """One entry a non-empty bin, in increasing order of probability.

    ``lower`` and ``upper`` bound the bin's probabilities, ``observed_lower`` and ``observed_upper``
    are Wilson's interval of the observed rate, which takes cases as independent.
    """

    lower: FloatArray
    upper: FloatArray
    n: IntArray
    events: IntArray
    mean_prob: FloatArray
    observed: FloatArray
    observed_lower: FloatArray
    observed_upper: FloatArray

    def expected_error(self) -> float:
        """Expected calibration error: mean distance of observed rate and mean probability.

        Naeini, Cooper & Hauskrecht 2015. Biased upwards: above 0 for a perfectly calibrated model.
        Print ``calibration_null`` beside it. nan never occurs: there is at least one bin.
        """
        return _expected_error(self.n, self.observed, self.mean_prob)


def calibration(
    prob: FloatArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic] | None = None,
    level: float = 0.95,
    weights: FloatArray | None = None,
) -> Calibration:
    """Calibration slope, intercepts, Brier score and Spiegelhalter's test.

    Slope and intercepts: Cox 1958; Steyerberg 2009.

    Parameters
    ----------
    prob : (n,) in [0, 1]; 0 and 1 are moved by EPSILON for the log odds, and counted
    positive : (n,)
    cluster : (n,) patient of each case; gives standard errors by patient (sandwich, Liang & Zeger
        1986, with P/(P-1)) in place of the model's. Spiegelhalter's test takes cases as independent
        either way.
    weights : (n,) > 0, of a sample in which cases were not drawn alike: inverse sampling fractions.
        The likelihood is weighted, and with a cluster the sandwich holds (Binder 1983);
        Spiegelhalter's test is not weighted, and undefined

    Returns
    -------
    Slope and intercepts are undefined, with a reason, with one class, with equal probabilities
    (slope and joint intercept), and with perfect separation.
    """
    p, outcome = _checked(prob, positive)
    y = outcome.astype(np.float64)
    n = y.size
    w = np.ones(n) if weights is None else amounts("weights", weights)
    if w.shape != y.shape or (w == 0).any():
        raise ValueError("weights: one weight above 0 is needed for each case")
    clipped = np.clip(p, EPSILON, 1 - EPSILON)
    log_odds = np.asarray(logit(clipped), dtype=np.float64)
    codes = None if cluster is None else patient_codes(clusters("cluster", cluster, n))[0]
    slope, intercept = _joint_fit(log_odds, y, codes, level, w)
    citl = _offset_fit(log_odds, y, codes, level, w)
    expected = float((w * p).sum())
    return Calibration(
        slope=slope,
        intercept=intercept,
        citl=citl,
        brier=_brier(p, y, codes, level, w),
        observed_expected=float((w * y).sum()) / expected if expected > 0 else None,
        spiegelhalter=_spiegelhalter(p, y) if weights is None else NOT_UNDER_WEIGHTS,
        n_clipped=int(n - ((p >= EPSILON) & (p <= 1 - EPSILON)).sum()),
    )


def reliability_bins(
    prob: FloatArray,
    positive: BoolArray,
    n_bins: int = 10,
    *,
    by: str = "mass",
    level: float = 0.95,
) -> ReliabilityBins:
    """Observed rate against mean probability, in bins.

    Parameters
    ----------
    by : 'mass' (cases in order of probability, in parts of equal size; equal probabilities stay
        together, so that the order of rows decides nothing) or 'width' (equal parts of [0, 1])
    """
    p, outcome = _checked(prob, positive)
    codes = _bins(p, n_bins, by)
    n = np.bincount(codes).astype(np.int64)
    events = np.bincount(codes, weights=outcome).astype(np.int64)
    mean = np.bincount(codes, weights=p) / n
    lower, upper = np.full(n.size, np.inf), np.full(n.size, -np.inf)
    np.minimum.at(lower, codes, p)
    np.maximum.at(upper, codes, p)
    bounds = np.array([wilson_bounds(k / m, m, level) for k, m in zip(events, n, strict=True)])
    return ReliabilityBins(lower, upper, n, events, mean, events / n, bounds[:, 0], bounds[:, 1])


def calibration_null(
    prob: FloatArray,
    replicates: int,
    rng: np.random.Generator,
    n_bins: int = 10,
    *,
    quantile: float = 0.95,
) -> float:
    """The expected calibration error that perfect calibration would stay below, by simulation.

    Outcomes are drawn from the probabilities themselves (consistency resampling: Bröcker & Smith
    2007); the quantile of the resulting errors over equal-mass bins is returned.
    """
    p, _ = _checked(prob, np.zeros(np.shape(prob), dtype=np.bool_))
    whole("replicates", replicates)
    number("quantile", quantile, 0.0, 1.0)
    codes = _bins(p, n_bins, "mass")
    n = np.bincount(codes).astype(np.int64)
    mean = np.bincount(codes, weights=p) / n
    errors = np.empty(replicates)
    for b in range(replicates):
        events = np.bincount(codes[rng.random(p.size) < p], minlength=n.size)
        errors[b] = _expected_error(n, events / n, mean)
    return float(np.quantile(errors, quantile))


def _bins(p: FloatArray, n_bins: int, by: str) -> npt.NDArray[np.intp]:
    """Give the bin of each case, from 0, without the empty ones."""
    whole("n_bins", n_bins)
    if by == "width":
        codes = np.searchsorted(np.arange(1, n_bins) / n_bins, p, side="left")
    elif by == "mass":
        order = np.sort(p)
        codes = np.searchsorted(order, p, side="left") * n_bins // p.size
    else:
        raise ValueError("bins are by 'mass' or by 'width'")
    return np.unique(codes, return_inverse=True)[1].reshape(-1)


def _expected_error(n: IntArray, observed: FloatArray, mean: FloatArray) -> float:
    return float(n @ np.abs(observed - mean) / n.sum())


def _checked(prob: FloatArray, positive: BoolArray) -> tuple[FloatArray, BoolArray]:
    p, outcome = numbers("prob", prob, 0.0, 1.0), labels("positive", positive)
    if p.shape != outcome.shape or p.size == 0:
        raise ValueError("prob and positive: one probability is needed for each reference label")
    return p, outcome


def _refusal(y: FloatArray, codes: npt.NDArray[np.intp] | None) -> Code | None:
    if y.min() == y.max():
        return ONE_CLASS
    return ONE_PATIENT if codes is not None and codes.max() == 0 else None


def _joint_fit(
    x: FloatArray,
    y: FloatArray,
    codes: npt.NDArray[np.intp] | None,
    level: float,
    w: FloatArray,
) -> tuple[Estimate, Estimate]:
    method, n, events = "logistic_recalibration", y.size, int(y.sum())
    reason = _refusal(y, codes)
    if reason is None and np.ptp(x) < 1e-9:
        reason = ONE_VALUE
    if reason is None and is_separated(x, y == 1):
        reason = SEPARATED
    if reason is not None:
        nothing = undefined(reason, method=method, n=n, events=events)
        return nothing, nothing
    # Fitted on the standardised log odds, for the sake of the condition number, and carried back.
    centre, spread = x.mean(), x.std()
    design = np.column_stack([np.ones(n), (x - centre) / spread])
    back = np.array([[1.0, -centre / spread], [0.0, 1 / spread]])
    beta, covariance = fit_logistic(design, y, np.zeros(n), codes, w)
    beta, covariance = back @ beta, back @ covariance @ back.T
    intercept, slope = (
        symmetric(
            float(beta[i]),
            _root(covariance[i, i]),
            n=n,
            events=events,
            method=method,
            level=level,
        )
        for i in (0, 1)
    )
    return slope, intercept


def _offset_fit(
    x: FloatArray,
    y: FloatArray,
    codes: npt.NDArray[np.intp] | None,
    level: float,
    w: FloatArray,
) -> Estimate:
    method, n, events = "logistic_intercept", y.size, int(y.sum())
    reason = _refusal(y, codes)
    if reason is not None:
        return undefined(reason, method=method, n=n, events=events)
    beta, covariance = fit_logistic(np.ones((n, 1)), y, x, codes, w)
    se = _root(covariance[0, 0])
    return symmetric(float(beta[0]), se, n=n, events=events, method=method, level=level)


def _root(variance: float) -> float:
    # Scores that cancel within each patient leave a sandwich of ±1e-20.
    return math.sqrt(variance) if variance > 1e-18 else 0.0


def _brier(
    p: FloatArray,
    y: FloatArray,
    codes: npt.NDArray[np.intp] | None,
    level: float,
    w: FloatArray,
) -> Estimate:
    """Brier (1950), with a normal interval over cases, or patients (ratio estimator)."""
    method, n, events = "brier", y.size, int(y.sum())
    error = (p - y) ** 2
    whole = float(w.sum())
    value = float((w * error).sum()) / whole
    deviations = w * (error - value)
    if codes is not None:
        deviations = np.bincount(codes, weights=deviations).astype(np.float64)
    m = deviations.size
    if m < 2:
        return undefined("one_case_or_patient", method=method, n=n, events=events, value=value)
    se = math.sqrt(m / (m - 1) * float(deviations @ deviations)) / whole
    return symmetric(value, se, n=n, events=events, method=method, level=level, bounds=(0.0, 1.0))


def _spiegelhalter(p: FloatArray, y: FloatArray) -> HypothesisTest:
    """Spiegelhalter's z test of calibration (1986), two-sided."""
    method = coded("spiegelhalter")
    variance = float(((1 - 2 * p) ** 2 * p * (1 - p)).sum())
    if variance == 0:
        return HypothesisTest(None, None, method, reason=Code("probabilities_without_variance"))
    z = float(((y - p) * (1 - 2 * p)).sum()) / math.sqrt(variance)
    return HypothesisTest(z, float(2 * ndtr(-abs(z))), method)
