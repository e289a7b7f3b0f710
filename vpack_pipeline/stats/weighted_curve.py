"""The ROC curve of weighted cases on a fixed grid, with its band.

What does not belong here: the curve of cases that count alike, and areas below a part of it
(``roc_curve``); the whole area of weighted cases (``weighted``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.arguments import amounts, clusters, labelled_scores, numbers
from vpack_pipeline.stats.codes import coded
from vpack_pipeline.stats.estimate import BoolArray, FloatArray, IntArray, normal_quantile
from vpack_pipeline.stats.resampling import patient_codes
from vpack_pipeline.stats.weighted import gamma_limits, proportion_limits

WEIGHTED_POINTWISE: Final = coded("attainable_sensitivity", "weighted_limits_on_both_axes")
_ROUNDING: Final = 1e-9


class WeightedBand(NamedTuple):
    """Sensitivity at each point of a grid, with limits that hold at each point alone.

    ``flagged`` counts the positives, each once, that the sensitivity is of.
    """

    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    flagged: IntArray


def weighted_roc_band(
    score: FloatArray,
    positive: BoolArray,
    weight: FloatArray,
    cluster: npt.NDArray[np.generic],
    fpr_grid: FloatArray,
    level: float = 0.95,
    *,
    heaviest: float = 0.0,
) -> WeightedBand | None:
    """Sensitivity at fixed false positive rates of weighted cases, with a pointwise band.

    The highest sensitivity that some threshold reaches at a false positive rate of at most the grid
    value, both shares of weight: a step function, as :func:`roc_curve.roc_band` gives of cases
    that count alike.

    Of a threshold with a false positive rate t the sensitivity is unsure in two ways. Which
    threshold it is: one whose own rate has limits that hold t, of the thresholds that the grid
    leads to; the curve at the first on either side that has not, or at its ends, gives the
    distances a. And the sensitivity there, at distances b. Limits of both shares are those of
    :func:`weighted.weighted_proportion`, and the band lies at √(a² + b²). At 0 the lower limit is
    0, and at 1 both are 1.

    Parameters
    ----------
    score, positive, weight, cluster : (n,) of cases with a label; a weight of 0 leaves a case out
    fpr_grid : (g,) values in [0, 1], rising
    heaviest : the largest weight that a case could have had, where none of those drawn has it

    Returns
    -------
    None where only one class carries weight
    """
    score, positive = labelled_scores(score, positive)
    w, patient = amounts("weight", weight), clusters("cluster", cluster, score.size)
    if w.shape != score.shape:
        raise ValueError("weight: one weight is needed for each score")
    (most,) = amounts("heaviest", [heaviest])
    grid = numbers("fpr_grid", fpr_grid, 0.0, 1.0)
    if (np.diff(grid) < 0).any():
        raise ValueError("fpr_grid: values rise")
    normal_quantile(level)
    used = w > 0
    score, positive, w, patient = score[used], positive[used], w[used], patient[used]
    if positive.all() or not positive.any():
        return None
    w = w / max(float(w.max()), most)
    negatives, positives = (
        _Class(score[side], w[side], patient_codes(patient[side])[0])
        for side in (~positive, positive)
    )
    cuts = negatives.cuts(grid)
    value = positives.above(cuts)
    rates, limits = negatives.limits(cuts, level), positives.limits(cuts, level)
    left, right = _reached(grid, value, rates)
    below = np.hypot(value - left, value - limits[0])
    above = np.hypot(right - value, limits[1] - value)
    lower = np.where(grid == 0, 0.0, np.clip(value - below, 0.0, 1.0))
    lower = np.where(grid == 1, 1.0, lower)
    places = np.searchsorted(np.sort(positives.score), cuts, side="right")
    flagged = (positives.score.size - places).astype(np.int64)
    return WeightedBand(value, lower, np.clip(value + above, 0.0, 1.0), flagged)


def _reached(
    grid: FloatArray, value: FloatArray, rates: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """The curve at the nearest points whose rate is surely below, and above, each grid value."""
    low, high = rates
    # Limits rise along the grid but for rounding.
    before = np.searchsorted(np.maximum.accumulate(high), grid, side="left") - 1
    after = np.searchsorted(np.maximum.accumulate(low), grid, side="right")
    left = np.where(before >= 0, value[np.maximum(before, 0)], 0.0)
    right = np.where(after < grid.size, value[np.minimum(after, grid.size - 1)], 1.0)
    return np.minimum(left, value), np.maximum(right, value)


class _Class(NamedTuple):
    """Cases of one class; the largest weight that a case could have is 1."""

    score: FloatArray
    weight: FloatArray
    patient: npt.NDArray[np.intp]

    def cuts(self, grid: FloatArray) -> FloatArray:
        """The score above which at most each share of weight lies, and as little as need be."""
        order = np.argsort(-self.score, kind="stable")
        falling, mass = self.score[order], np.cumsum(self.weight[order])
        last = np.append(np.flatnonzero(np.diff(falling)), falling.size - 1)
        # Where a share of the weight is reached at or above a score, the cut is that below it.
        flagged = mass[last] / mass[-1]
        places = np.searchsorted(flagged, grid + _ROUNDING, side="right")
        return np.append(falling[last], -np.inf)[places]

    def above(self, cuts: FloatArray) -> FloatArray:
        """Share of weight above each score."""
        order = np.argsort(self.score, kind="stable")
        mass = np.append(0.0, np.cumsum(self.weight[order]))
        places = np.searchsorted(self.score[order], cuts, side="right")
        return np.asarray(np.clip((mass[-1] - mass[places]) / mass[-1], 0.0, 1.0))

    def limits(self, cuts: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """Limits of the share above each cut."""
        sizes = np.bincount(self.patient).astype(np.float64)
        unseen = float(sizes @ sizes / sizes.sum())
        distinct, place = np.unique(cuts, return_inverse=True)
        found = np.array([self._limits(cut, unseen, level) for cut in distinct])
        value = self.above(cuts)
        low, high = found[place.reshape(-1)].T
        # Rounding must not carry a limit across the value.
        return np.minimum(low, value), np.maximum(high, value)

    def _limits(self, cut: float, unseen: float, level: float) -> tuple[float, float]:
        is_above = self.score > cut
        parts = (gamma_limits(self._totals(side), unseen, level) for side in (is_above, ~is_above))
        return proportion_limits(*parts)

    def _totals(self, among: BoolArray) -> FloatArray:
        totals = np.bincount(self.patient[among], weights=self.weight[among])
        return np.asarray(totals[totals > 0])
