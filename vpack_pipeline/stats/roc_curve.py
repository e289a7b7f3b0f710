"""The ROC curve on a fixed grid with its band, areas below a part of it, and average precision.

A fixed grid, because an empirical curve gives away every case. What does not belong here: the whole
area (``roc``, ``auc_interval``), and how a failed inference ranks.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from vpack_pipeline.stats.arguments import clusters, labelled_scores, number, numbers
from vpack_pipeline.stats.codes import coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
    undefined,
)
from vpack_pipeline.stats.proportions import flagged_among_all, proportion_of_sums
from vpack_pipeline.stats.resampling import patient_codes
from vpack_pipeline.stats.roc import ONE_CLASS

POINTWISE: Final = coded("attainable_sensitivity", "score_limits_on_both_axes")
BAND_AREA: Final = coded("trapezoid_below_curve", "limits_by_area_of_band")
_STEPS: Final = 51
_ROUNDING: Final = 1e-9


class CurveBand(NamedTuple):
    """Sensitivity at each point of a grid, with limits that hold at each point alone."""

    value: FloatArray
    lower: FloatArray
    upper: FloatArray


def roc_band(
    score: FloatArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic],
    fpr_grid: FloatArray,
    level: float = 0.95,
) -> CurveBand | None:
    """Sensitivity at fixed false positive rates, with a pointwise band by patient.

    The highest sensitivity that some threshold reaches at a false positive rate of at most the grid
    value: a step function without interpolation, so that each point is attainable.

    Two things are uncertain at a false positive rate t: which threshold has it, and the sensitivity
    there. The first has the limits of the score test: thresholds whose observed rate lies within
    z·√(t(1 − t)/n₀) of t, n₀ the negatives over their design effect; the curve at both ends gives
    the distances a. The second has those of :func:`clustered_proportion`, at distances b. The
    limits lie at √(a² + b²) (as of a difference: Zou & Donner 2008). So the lower limit is 0 where
    no observed rate shows that one is t or less, as at t = 0; at t = 1 both limits are 1, since
    whoever flags everything misses nothing.

    Parameters
    ----------
    score, positive : (n,)
    cluster : (n,) patient of each case
    fpr_grid : (g,) values in [0, 1], rising

    Returns
    -------
    None where only one class is present
    """
    score, positive = labelled_scores(score, positive)
    grid = numbers("fpr_grid", fpr_grid, 0.0, 1.0)
    if (np.diff(grid) < 0).any():
        raise ValueError("fpr_grid: values rise")
    codes, _ = patient_codes(clusters("cluster", cluster, score.size))
    z = normal_quantile(level)
    if positive.all() or not positive.any():
        return None
    curve = _Curve.of(score, positive)
    cuts = curve.cuts(grid)
    # Cuts fall along the grid: at the first, fewest lie above.
    at = [
        flagged_among_all(np.searchsorted(cuts[::-1], score[side]), codes[side], grid.size)[::-1]
        for side in (~positive, positive)
    ]
    size = np.array([sums.units / sums.design_effect() for sums in at[0]])
    limits = [proportion_of_sums(sums, level) for sums in at[1]]
    value = curve.above(cuts)
    reach = z * np.sqrt(grid * (1 - grid) / size)
    left = np.where((grid > 0) & (grid >= reach), curve.at(np.clip(grid - reach, 0, 1)), 0.0)
    right = curve.at(np.clip(grid + reach, 0, 1))
    below = np.hypot(value - left, value - _known([found.lower for found in limits]))
    above = np.hypot(right - value, _known([found.upper for found in limits]) - value)
    lower = np.where(grid == 0, 0.0, np.clip(value - below, 0.0, 1.0))
    lower = np.where(grid == 1, 1.0, lower)
    return CurveBand(value, lower, np.clip(value + above, 0.0, 1.0))


class PartialArea(NamedTuple):
    """Area below a part of the ROC curve, as it is and standardised to .5 (chance) and 1 (best)."""

    area: Estimate
    standardised: Estimate


def partial_auc(
    score: FloatArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic],
    most_false_positive: float,
    level: float = 0.95,
) -> PartialArea:
    """Area below the ROC curve up to a false positive rate (McClish 1989), patients as clusters.

    The curve of all thresholds, joined by straight lines, so that up to 1 it is the AUC. The limits
    lie as far off as the area between the curve and its pointwise band (:func:`roc_band`) is large:
    more than enough, since a sum varies by no more than its parts do together.

    Parameters
    ----------
    score, positive : (n,)
    cluster : (n,) patient of each case
    most_false_positive : in (0, 1]; for the area where sensitivity is high, turn the scores around
        and swap the classes

    Returns
    -------
    standardised by (1 + (A − e²/2)/(e − e²/2))/2, e the rate; n and events count cases
    """
    score, positive = labelled_scores(score, positive)
    end = number("most_false_positive", most_false_positive, 0.0, 1.0)
    if end == 0:
        raise ValueError("most_false_positive is above 0")
    clusters("cluster", cluster, score.size)
    n, events = int(score.size), int(positive.sum())
    if events in (0, n):
        normal_quantile(level)
        none = undefined(ONE_CLASS, method=BAND_AREA, n=n, events=events)
        return PartialArea(none, none)
    value = _area_up_to(score, positive, end)
    grid = np.linspace(0.0, end, _STEPS)
    band = roc_band(score, positive, cluster, grid, level)
    assert band is not None
    below, above = (
        float(np.trapezoid(part, grid))
        for part in (band.value - band.lower, band.upper - band.value)
    )
    lower, upper = max(value - below, 0.0), min(value + above, end)
    area = Estimate(value, lower, upper, n, events, BAND_AREA)
    chance = end**2 / 2
    value, lower, upper = ((1 + (v - chance) / (end - chance)) / 2 for v in (value, lower, upper))
    return PartialArea(area, Estimate(value, lower, upper, n, events, BAND_AREA))


def average_precision(
    score: FloatArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
) -> Estimate:
    """Mean precision over the positives, each at the threshold that just flags it.

    Σ (R_k − R_{k−1})·P_k over all thresholds, equal scores together: no interpolation between them.
    The interval is Boyd, Eng and Page's (2013) on the logit, τ = (n·θ(1 − θ))^−½, where n is not
    the positives but (Σk)²/Σk² of the k that each patient gives, as if those of a patient were one.

    Parameters
    ----------
    score, positive : (n,)
    cluster : (n,) patient of each case

    Returns
    -------
    n and events count cases; no value without a positive, and no interval, with a note, at 1. It
    holds at the share of positives that the cases have.
    """
    method = coded("average_precision", "logit_on_positive_patients")
    score, positive = labelled_scores(score, positive)
    codes, _ = patient_codes(clusters("cluster", cluster, score.size))
    z = normal_quantile(level)
    n, events = int(score.size), int(positive.sum())
    if events in (0, n):
        return undefined(ONE_CLASS, method=method, n=n, events=events)
    hits, flagged = _counts(score, positive)
    value = float(np.diff(hits, prepend=0) @ (hits / flagged)) / events
    if value >= 1 - _ROUNDING:
        return undefined("figure_at_edge", method=method, n=n, events=events, value=1.0)
    given = np.bincount(codes[positive]).astype(np.float64)
    size = events**2 / float(given @ given)
    reach = z / math.sqrt(size * value * (1 - value))
    lower, upper = (float(expit(logit(value) + sign * reach)) for sign in (-1, 1))
    return Estimate(value, lower, upper, n, events, method)


class _Curve(NamedTuple):
    """Scores of both classes, positives rising and negatives falling."""

    positives: FloatArray
    negatives: FloatArray

    @classmethod
    def of(cls, score: FloatArray, positive: BoolArray) -> _Curve:
        return cls(np.sort(score[positive]), np.sort(score[~positive])[::-1])

    def cuts(self, grid: FloatArray) -> FloatArray:
        """The score above which at most each share of negatives lies, and as few as need be."""
        n = self.negatives.size
        # A grid value computed as 0.30000000000000004 must still find the threshold at 0.3.
        places = np.floor(grid * n + _ROUNDING).astype(np.int64)
        return np.append(self.negatives, -np.inf)[places]

    def above(self, cuts: FloatArray) -> FloatArray:
        """Share of positives above each score."""
        n = self.positives.size
        return np.asarray((n - np.searchsorted(self.positives, cuts, side="right")) / n)

    def at(self, grid: FloatArray) -> FloatArray:
        return self.above(self.cuts(grid))


def _known(limits: list[float | None]) -> FloatArray:
    """Limits of shares of at least one case, which are all there."""
    return np.array(limits, dtype=np.float64)


def _area_up_to(score: FloatArray, positive: BoolArray, end: float) -> float:
    true, false = _rates(score, positive)
    inside = false < end
    x = np.append(false[inside], end)
    # Of points above one another at the end, the lowest is left of it.
    return float(np.trapezoid(np.append(true[inside], np.interp(end, false, true)), x))


def _rates(score: FloatArray, positive: BoolArray) -> tuple[FloatArray, FloatArray]:
    """True and false positive rates of all thresholds, from (0, 0) to (1, 1)."""
    hits, flagged = _counts(score, positive)
    true, false = (np.append(0.0, k / k[-1]) for k in (hits, flagged - hits))
    return true, false


def _counts(score: FloatArray, positive: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Positives and cases at or above each score that occurs, from the highest on."""
    order = np.argsort(-score, kind="stable")
    falling, outcome = score[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(falling)), falling.size - 1)
    return np.cumsum(outcome)[last].astype(np.float64), last + 1.0
