"""Proportions and areas of cases that carry sampling weights, with intervals by patient.

A case of a stratum of which one in 50 was taken stands for 50. What was not seen in such a stratum
weighs as much: Kish's effective size knows only the weights of the cases that were seen, so that no
bound here rests on it. What does not belong here: where weights come from
(``core.sampling``), cases of equal weight (``proportions``, ``auc_interval``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, gammainccinv, gammaincinv, logit

from vpack_pipeline.stats.arguments import amounts, clusters, labelled_scores, labels
from vpack_pipeline.stats.codes import coded
from vpack_pipeline.stats.difference import Side, difference, without_figure
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
    undefined,
)
from vpack_pipeline.stats.proportions.intervals import clustered_proportion
from vpack_pipeline.stats.ratio import lowest_ratio
from vpack_pipeline.stats.resampling import patient_codes
from vpack_pipeline.stats.roc import ONE_CLASS, ONE_PATIENT_IN_CLASS, auc_replicates

OF_TWO_STRATA: Final = coded("ratio_of_two_strata")
OF_SUMS: Final = coded("ratio_of_weighted_sums")
WEIGHTED_AREA: Final = coded("weighted_area", "pseudo_case_in_each_class")


class Part(NamedTuple):
    """A total with its limits, all at least 0."""

    total: float
    lower: float
    upper: float


def weighted_proportion(
    success: BoolArray,
    among: BoolArray,
    weight: FloatArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
    *,
    may_succeed: BoolArray | None = None,
    heaviest: float = 0.0,
) -> Estimate:
    """Proportion of weight: successes S over S + F, F the weight of failures.

    The limits are those of 1/(1 + R), R = F/S, by the method of variance estimates recovery for a
    ratio (MOVER-R: Donner & Zou 2012) from limits of S and F, taken as independent.

    These are the gamma limits of weighted sums of Poisson counts (Fay & Feuer 1997), whose upper
    limit has one count more, that of a patient who was not seen. A patient's cases are one count;
    the one more is of Σk²/Σk cases, k those that a patient gives, of the largest weight. Where all
    cases that may succeed have one weight, and all that may fail another, S and F come from one
    stratum each, and the one more has the weight of the stratum. Equal weights of all cases give
    :func:`clustered_proportion`.

    Parameters
    ----------
    success : (n,) cases with the outcome; only those ``among`` are counted
    among : (n,) cases that the proportion is of
    weight, cluster : (n,) weight >= 0 and patient of each case, of all cases that were drawn: those
        that are not ``among`` say how much an unseen one of their stratum would weigh. A weight of
        0 leaves a case out
    may_succeed : (n,) which cases could succeed if they were ``among``, as flagged ones of a
        sensitivity; the others could fail
    heaviest : the largest weight that a case could have had, where none of those drawn has it

    Returns
    -------
    ``n`` and ``events`` count cases of positive weight; no interval where they are of one patient
    """
    outcome, counted = labels("success", success), labels("among", among)
    n = outcome.size
    w, patient = amounts("weight", weight), clusters("cluster", cluster, n)
    sides = None if may_succeed is None else labels("may_succeed", may_succeed)
    if any(a.shape != (n,) for a in (counted, w, *(() if sides is None else (sides,)))):
        raise ValueError("success, among, weight and may_succeed: one of each for each case")
    used = w > 0
    outcome, counted, w, patient = outcome[used], counted[used], w[used], patient[used]
    (most,) = amounts("heaviest", [heaviest])
    if not counted.any() or (np.ptp(w) == 0 and most <= w[0]):
        return clustered_proportion(outcome[counted], patient[counted], level)
    value = float(w[counted] @ outcome[counted] / w[counted].sum())
    if np.unique(patient[counted]).size == 1:
        n, events = int(counted.sum()), int(outcome[counted].sum())
        return undefined("one_patient", method=OF_SUMS, n=n, events=events, value=value)
    # Only how weights compare matters; the largest is 1, so that squares stay within range.
    most = max(float(w.max()), most)
    sample = _Sample(outcome & counted, ~outcome & counted, w / most, patient)
    return sample.estimate(value, None if sides is None else sides[used], level)


class _Sample(NamedTuple):
    """Successes, failures, weights and patients of the cases that were drawn.

    The largest weight that a case could have is 1.
    """

    success: BoolArray
    failure: BoolArray
    weight: FloatArray
    patient: npt.NDArray[np.generic]

    def estimate(self, value: float, may_succeed: BoolArray | None, level: float) -> Estimate:
        """Give the proportion with the limits that its two sums give."""
        has_two = may_succeed is not None and self._has_two_strata(may_succeed)
        sides = (may_succeed, ~may_succeed) if has_two and may_succeed is not None else ()
        unseen = [float(self.weight[side][0]) for side in sides] or [1.0, 1.0]
        method = OF_TWO_STRATA if has_two else OF_SUMS
        parts = map(self._of_sum, (self.success, self.failure), unseen, (level, level))
        succeeded, failed = parts
        lower, upper = proportion_limits(succeeded, failed)
        n, events = int((self.success | self.failure).sum()), int(self.success.sum())
        # Rounding must not carry a limit across the value.
        return Estimate(value, min(lower, value), max(upper, value), n, events, method)

    def _has_two_strata(self, may_succeed: BoolArray) -> bool:
        """Whether either outcome can come from cases of one weight alone."""
        sides = (may_succeed, ~may_succeed)
        if self.weight.max() < 1 or not all(
            side.any() and np.ptp(self.weight[side]) == 0 for side in sides
        ):
            return False
        return not ((self.success & ~may_succeed).any() or (self.failure & may_succeed).any())

    def _of_sum(self, outcome: BoolArray, unseen: float, level: float) -> Part:
        codes, _ = patient_codes(self.patient[self.success | self.failure])
        sizes = np.bincount(codes).astype(np.float64)
        own, _ = patient_codes(self.patient[outcome])
        totals = np.bincount(own, weights=self.weight[outcome]).astype(np.float64)
        return gamma_limits(totals, unseen * float(sizes @ sizes / sizes.sum()), level)


def gamma_limits(weights: FloatArray, unseen: float, level: float = 0.95) -> Part:
    """Limits of a weighted sum of Poisson counts (Fay & Feuer 1997).

    Parameters
    ----------
    weights : (k,) weight > 0 of each count of one
    unseen : the largest weight that a count could have, > 0

    Returns
    -------
    the sum with its limits. With equal weights they are those of one Poisson count (Garwood 1936)

    >>> found = gamma_limits(np.ones(3), 1.0)
    >>> round(found.lower, 3), round(found.upper, 3)
    (0.619, 8.767)
    """
    w = amounts("weights", weights)
    (most,) = amounts("unseen", [unseen])
    if (w == 0).any() or most == 0:
        raise ValueError("weights and unseen: every weight is above 0")
    normal_quantile(level)
    tail = (1 - level) / 2
    lower = _gamma_limit(w, tail, gammaincinv) if w.size else 0.0
    upper = _gamma_limit(np.append(w, most), tail, gammainccinv)
    return Part(float(w.sum()), lower, upper)


def _gamma_limit(
    weights: FloatArray, tail: float, inverse: Callable[[float, float], float]
) -> float:
    """Limit of the gamma law that has the sum as its mean, and the sum of squares as variance."""
    # Squares of small weights must not vanish.
    unit = float(weights.max())
    w = weights / unit
    total, variance = float(w.sum()), float(w @ w)
    return unit * variance / total * float(inverse(total**2 / variance, tail))


def proportion_limits(succeeded: Part, failed: Part) -> tuple[float, float]:
    """Limits of S/(S + F), which is 1/(1 + R), from those of the ratio R = F/S.

    Parameters
    ----------
    succeeded, failed : S and F with their limits; not both are 0
    """
    for name, part in (("succeeded", succeeded), ("failed", failed)):
        total, lower, upper = amounts(name, np.array(part))
        if not lower <= total <= upper or upper == 0:
            raise ValueError(f"{name}: the total lies between its limits, the upper one above 0")
    if succeeded.total + failed.total == 0:
        raise ValueError("succeeded and failed: one of them is above 0")
    odds, against = (
        lowest_ratio(above.total, above.lower, below.total, below.upper)
        for above, below in ((succeeded, failed), (failed, succeeded))
    )
    return odds / (1 + odds), 1 / (1 + against)


def weighted_proportion_side(
    success: BoolArray,
    among: BoolArray,
    weight: FloatArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
    *,
    may_succeed: BoolArray | None = None,
    heaviest: float = 0.0,
) -> Side:
    """One side of a difference of proportions; see :func:`weighted_proportion`."""
    estimate = weighted_proportion(
        success, among, weight, cluster, level, may_succeed=may_succeed, heaviest=heaviest
    )
    counted = labels("among", among)
    outcome, w = labels("success", success)[counted], amounts("weight", weight)[counted]
    patient = clusters("cluster", cluster)[counted]
    if estimate.value is None:
        return without_figure(estimate)
    return Side(estimate, w * (outcome - estimate.value) / w.sum(), patient)


def weighted_paired_difference(
    first: BoolArray,
    second: BoolArray,
    among: BoolArray,
    weight: FloatArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
    *,
    heaviest: float = 0.0,
) -> Estimate:
    """Difference of two proportions of the same weighted units.

    The weight of units that succeed in the first alone, less that of those that succeed in the
    second alone, each as :func:`weighted_proportion` of all; limits as of any difference. Where no
    unit tells the two apart, one that was not seen may, and weigh much: its share has an upper
    limit, of which the difference of two proportions that move as one would not know.

    Parameters
    ----------
    first, second : (n,) success of each unit by either; only those ``among`` are counted
    among, weight, cluster, heaviest : as of :func:`weighted_proportion`

    Returns
    -------
    ``n`` counts units of positive weight, ``events`` those of them on which the two differ
    """
    one, two = labels("first", first), labels("second", second)
    if one.shape != two.shape:
        raise ValueError("first and second: both are of the same units")
    alone, other = (
        weighted_proportion_side(mask, among, weight, cluster, level, heaviest=heaviest)
        for mask in (one & ~two, two & ~one)
    )
    found = difference(alone, other)
    method = coded("shares_of_discordant_units", found.method)
    return replace(found, n=alone.estimate.n, method=method)


def weighted_auc(
    score: FloatArray,
    positive: BoolArray,
    weight: FloatArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
) -> Estimate:
    """Area under the ROC curve of weighted cases: Σ wᵢwⱼψ / (W₁W₀) over pairs of the two classes.

    A stratum of which few were taken may show no case on the wrong side, though one would weigh
    much. So for the limits one more case of the largest weight enters each class, at the median
    score of that weight's cases, each as a patient of its own. With these cases, the variance is
    P/(P − 1) · Σ over patients of their squared influence, which is that of DeLong et al. (1988)
    and Obuchowski (1997) with weights; the limits are normal on the log odds, the lower one about
    the smaller of the areas with and without them, the upper one about the larger. The area itself
    is without them.

    Parameters
    ----------
    score, positive, weight, cluster : (n,) of cases with a label; a weight of 0 leaves a case out

    Returns
    -------
    ``n`` and ``events`` count cases of positive weight; no interval where fewer than two patients
    hold positives, or negatives
    """
    return weighted_auc_side(score, positive, weight, cluster, level).estimate


def weighted_auc_side(
    score: FloatArray,
    positive: BoolArray,
    weight: FloatArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
) -> Side:
    """One side of a difference of areas; see :func:`weighted_auc`."""
    score, positive = labelled_scores(score, positive)
    w, patient = amounts("weight", weight), clusters("cluster", cluster, score.size)
    if w.shape != score.shape:
        raise ValueError("weight: one weight is needed for each score")
    used = w > 0
    score, positive, w, patient = score[used], positive[used], w[used], patient[used]
    n, events = score.size, int(positive.sum())
    if events in (0, n):
        return without_figure(undefined(ONE_CLASS, method=WEIGHTED_AREA, n=n, events=events))
    # Only how weights compare matters; a power of two keeps products in range, and every digit.
    w = np.ldexp(w, -math.frexp(float(w.max()))[1])
    value = float(auc_replicates(score, positive, w[None, :])[0])
    _, influence = _influence(score, positive, w)
    if min(np.unique(patient[side]).size for side in (positive, ~positive)) < 2:
        why = ONE_PATIENT_IN_CLASS
        return without_figure(undefined(why, method=WEIGHTED_AREA, n=n, events=events, value=value))
    lower, upper = _area_limits(value, _with_pseudo_cases(score, positive, w, patient), level)
    estimate = Estimate(value, lower, upper, n, events, WEIGHTED_AREA)
    return Side(estimate, influence, patient)


def _influence(score: FloatArray, positive: BoolArray, w: FloatArray) -> tuple[float, FloatArray]:
    """The area, and what each case adds to its deviation from the truth."""
    placed = np.empty(score.size)
    for side, sign in ((positive, 1.0), (~positive, -1.0)):
        placed[side] = _placed(sign * score[~side], w[~side], sign * score[side])
    masses = np.where(positive, w[positive].sum(), w[~positive].sum())
    value = float(w[positive] @ placed[positive] / w[positive].sum())
    return value, w * (placed - value) / masses


def _placed(others: FloatArray, w: FloatArray, at: FloatArray) -> FloatArray:
    """Share of the others' weight that lies below each value, half of it where they are equal."""
    order = np.argsort(others, kind="stable")
    ordered = others[order]
    mass = np.concatenate([[0.0], np.cumsum(w[order])])
    below = mass[np.searchsorted(ordered, at, side="left")]
    not_above = mass[np.searchsorted(ordered, at, side="right")]
    share: FloatArray = (below + not_above) / (2 * mass[-1])
    return share


def _with_pseudo_cases(
    score: FloatArray, positive: BoolArray, w: FloatArray, patient: npt.NDArray[np.generic]
) -> tuple[float, float]:
    """The area with one more case in each class, and its standard error."""
    heaviest = float(w.max())
    middle = float(np.median(score[w == heaviest]))
    area, influence = _influence(
        np.append(score, [middle, middle]),
        np.append(positive, [True, False]),
        np.append(w, [heaviest, heaviest]),
    )
    codes, n_patients = patient_codes(patient)
    by_patient = np.bincount(np.append(codes, [n_patients, n_patients + 1]), weights=influence)
    factor = by_patient.size / (by_patient.size - 1)
    return area, math.sqrt(factor * float(by_patient @ by_patient))


def _area_limits(
    value: float, with_pseudo_cases: tuple[float, float], level: float
) -> tuple[float, float]:
    area, se = with_pseudo_cases
    reach = normal_quantile(level) * se / (area * (1 - area))
    lower = float(expit(logit(min(value, area)) - reach))
    upper = float(expit(logit(max(value, area)) + reach))
    return lower, upper
