"""Discrimination: area under the ROC curve, its variance, tests and fast bootstrap replicates.

All areas are Mann–Whitney probabilities, ties counted one half. Obuchowski's variance holds where a
patient gives several units; DeLong's assumes that none does. The normal intervals on either claim
too much near 1 and are not printed. What does not belong here: the interval that is printed
(``auc_interval``), thresholds and what follows from them (``proportions``), calibration.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr

from vpack_pipeline.stats.arguments import (
    amounts,
    clusters,
    labelled_scores,
    labels,
    numbers,
    positions,
)
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    HypothesisTest,
    normal_quantile,
    symmetric,
    undefined,
)
from vpack_pipeline.stats.resampling import patient_codes

ONE_CLASS = Code("one_class")
ONE_IN_CLASS = Code("one_case_in_class")
ONE_PATIENT_IN_CLASS = Code("one_patient_in_class")
NO_VARIANCE = Code("difference_without_variance")
_UNIT = (0.0, 1.0)


def auc(score: FloatArray, positive: BoolArray, weights: FloatArray | None = None) -> float | None:
    """Area under the ROC curve; None where only one class is present (or carries weight).

    Parameters
    ----------
    score : (n,) finite, higher means more suspicious
    positive : (n,) reference standard
    weights : (n,) non-negative importance weights; always print ``kish_ess`` beside the result

    Notes
    -----
    The Mann–Whitney statistic (Hanley & McNeil 1982); weighted as sklearn's ``sample_weight``.
    """
    score, positive = labelled_scores(score, positive)
    if weights is None:
        if positive.all() or not positive.any():
            return None
        return float(placements(score, positive)[0].mean())
    row = amounts("weights", weights)
    if row.shape != score.shape:
        raise ValueError("weights: one weight is needed for each score")
    value = float(auc_replicates(score, positive, row[None, :])[0])
    return None if math.isnan(value) else value


def placements(score: FloatArray, positive: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Placement values: V10 of each positive among negatives, V01 of each negative among positives.

    Both classes must be present. By midranks (Sun & Xu 2014), in order of the input.
    """
    score, positive = labelled_scores(score, positive)
    if positive.all() or not positive.any():
        raise ValueError("positive: both classes must be present")
    cases, controls = score[positive], score[~positive]
    among_controls, among_cases = np.sort(controls), np.sort(cases)
    v10 = _midrank(among_controls, cases) / controls.size
    v01 = 1 - _midrank(among_cases, controls) / cases.size
    return v10, v01


def auc_delong(score: FloatArray, positive: BoolArray, level: float = 0.95) -> Estimate:
    """AUC with DeLong's interval, clipped to [0, 1] (DeLong, DeLong & Clarke-Pearson 1988).

    Holds only where each patient gives one case. An AUC of 1 gives the interval [1, 1], flagged in
    ``reason``; a class with a single case has no variance, so no interval, and says so.
    """
    method = "delong"
    score, positive = labelled_scores(score, positive)
    n, events = int(score.size), int(positive.sum())
    value = auc(score, positive)
    if value is None:
        return undefined(ONE_CLASS, method=method, n=n, events=events)
    if min(events, n - events) < 2:
        return undefined(ONE_IN_CLASS, method=method, n=n, events=events, value=value)
    variance = _covariance(*placements(score, positive))
    return symmetric(
        value, math.sqrt(variance), n=n, events=events, method=method, level=level, bounds=_UNIT
    )


def auc_clustered(
    score: FloatArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
) -> Estimate:
    """AUC with an interval that holds where patients give several cases (Obuchowski 1997).

    Parameters
    ----------
    score, positive : (n,)
    cluster : (n,) patient of each case

    Returns
    -------
    n and events count cases. The interval is normal and clipped to [0, 1]; None, with a reason,
    where fewer than two patients hold positives, or negatives. An interval without width is
    flagged.
    """
    method = "obuchowski"
    score, positive = labelled_scores(score, positive)
    n, events = int(score.size), int(positive.sum())
    value = auc(score, positive)
    if value is None:
        return undefined(ONE_CLASS, method=method, n=n, events=events)
    codes, _ = patient_codes(clusters("cluster", cluster, n))
    if min(np.unique(codes[side]).size for side in (positive, ~positive)) < 2:
        return undefined(ONE_PATIENT_IN_CLASS, method=method, n=n, events=events, value=value)
    se = math.sqrt(obuchowski_variance(placements(score, positive), positive, codes))
    return symmetric(value, se, n=n, events=events, method=method, level=level, bounds=_UNIT)


def obuchowski_variance(
    placed: tuple[FloatArray, FloatArray], positive: BoolArray, codes: npt.NDArray[np.intp]
) -> float:
    """Variance of an area over patients (Obuchowski 1997).

    Parameters
    ----------
    placed : of :func:`placements`
    positive : (n,) reference standard
    codes : (n,) patient of each case, 0 to P-1; two or more hold positives, and negatives
    """
    placed = numbers("placed", placed[0], 0.0, 1.0), numbers("placed", placed[1], 0.0, 1.0)
    positive, codes = labels("positive", positive), positions("codes", codes)
    sizes = placed[0].size, placed[1].size, codes.size
    if sizes != (positive.sum(), (~positive).sum(), positive.size):
        raise ValueError("placed, positive and codes: one of each is needed for each case")
    return _variance_by_patient(placed, positive, codes)


def _variance_by_patient(
    placed: tuple[FloatArray, FloatArray], positive: BoolArray, codes: npt.NDArray[np.intp]
) -> float:
    """Variance of a mean placement value, or of a difference of two, over patients."""
    n_patients = int(codes.max()) + 1
    value = float(placed[0].mean())
    deviations, factors = [], []
    for side, values in zip((positive, ~positive), placed, strict=True):
        k = np.bincount(codes[side], minlength=n_patients)
        total = np.bincount(codes[side], weights=values, minlength=n_patients)
        patients = int((k > 0).sum())
        deviations.append((total - k * value) / values.size)
        factors.append(patients / (patients - 1))
    d10, d01 = deviations
    shared = n_patients / (n_patients - 1) * float(d10 @ d01)
    variance = factors[0] * float(d10 @ d10) + factors[1] * float(d01 @ d01) + 2 * shared
    # The covariance term can carry a small sample's estimate below zero.
    return max(variance, 0.0)


def auc_influence(score: FloatArray, positive: BoolArray) -> FloatArray:
    """What each case adds to the deviation of the area from its truth, to first order.

    Both classes must be present. The influences of each class add up to 0 (DeLong et al.
    1988): placement value less area, over the cases of the class.

    Parameters
    ----------
    score, positive : (n,)
    """
    score, positive = labelled_scores(score, positive)
    v10, v01 = placements(score, positive)
    influence = np.empty(score.size)
    influence[positive] = (v10 - v10.mean()) / v10.size
    influence[~positive] = (v01 - v01.mean()) / v01.size
    return influence


def delong_paired_test(
    score_a: FloatArray, score_b: FloatArray, positive: BoolArray, level: float = 0.95
) -> HypothesisTest:
    """Two-sided z test of AUC(a) − AUC(b) on the same cases (DeLong et al. 1988)."""
    method = coded("delong_paired")
    score_a, _ = labelled_scores(score_a, positive, ("score_a", "positive"))
    score_b, positive = labelled_scores(score_b, positive, ("score_b", "positive"))
    reason = _refusal(positive)
    if reason is not None:
        return HypothesisTest(None, None, method, reason=reason)
    a, b = placements(score_a, positive), placements(score_b, positive)
    difference = float(a[0].mean() - b[0].mean())
    variance = _covariance(a[0] - b[0], a[1] - b[1])
    if variance <= 0:
        return HypothesisTest(None, None, method, difference=difference, reason=NO_VARIANCE)
    se = math.sqrt(variance)
    z = difference / se
    reach = normal_quantile(level) * se
    return HypothesisTest(
        z,
        float(2 * ndtr(-abs(z))),
        method,
        difference=difference,
        lower=max(difference - reach, -1.0),
        upper=min(difference + reach, 1.0),
    )


def obuchowski_paired_test(
    score_a: FloatArray,
    score_b: FloatArray,
    positive: BoolArray,
    cluster: npt.NDArray[np.generic],
) -> HypothesisTest:
    """Two-sided z test of AUC(a) − AUC(b) on the same cases, by patient (Obuchowski 1997).

    Where each patient gives one case it is DeLong's. The interval of the difference that is printed
    is made of those of both areas (``difference``), and may say otherwise near an area of 1.

    Parameters
    ----------
    score_a, score_b, positive : (n,)
    cluster : (n,) patient of each case
    """
    method = coded("obuchowski_paired")
    score_a, _ = labelled_scores(score_a, positive, ("score_a", "positive"))
    score_b, positive = labelled_scores(score_b, positive, ("score_b", "positive"))
    codes, _ = patient_codes(clusters("cluster", cluster, positive.size))
    if positive.all() or not positive.any():
        return HypothesisTest(None, None, method, reason=ONE_CLASS)
    if min(np.unique(codes[side]).size for side in (positive, ~positive)) < 2:
        return HypothesisTest(None, None, method, reason=ONE_PATIENT_IN_CLASS)
    a, b = placements(score_a, positive), placements(score_b, positive)
    difference = float(a[0].mean() - b[0].mean())
    variance = _variance_by_patient((a[0] - b[0], a[1] - b[1]), positive, codes)
    if variance <= 0:
        return HypothesisTest(None, None, method, difference=difference, reason=NO_VARIANCE)
    z = difference / math.sqrt(variance)
    return HypothesisTest(z, float(2 * ndtr(-abs(z))), method, difference=difference)


def delong_unpaired_test(
    score_a: FloatArray,
    positive_a: BoolArray,
    score_b: FloatArray,
    positive_b: BoolArray,
    level: float = 0.95,
) -> HypothesisTest:
    """Two-sided test of AUC(a) − AUC(b) on two independent sets of cases.

    Student's t with Satterthwaite's degrees of freedom, as pROC's ``roc.test`` (Robin et al. 2011);
    the interval of the difference is normal.
    """
    method = coded("delong_unpaired")
    score_a, positive_a = labelled_scores(score_a, positive_a, ("score_a", "positive_a"))
    score_b, positive_b = labelled_scores(score_b, positive_b, ("score_b", "positive_b"))
    reason = _refusal(positive_a) or _refusal(positive_b)
    if reason is not None:
        return HypothesisTest(None, None, method, reason=reason)
    a, b = placements(score_a, positive_a), placements(score_b, positive_b)
    difference = float(a[0].mean() - b[0].mean())
    variance_a, variance_b = _covariance(*a), _covariance(*b)
    total = variance_a + variance_b
    if total <= 0:
        return HypothesisTest(None, None, method, difference=difference, reason=NO_VARIANCE)
    t = difference / math.sqrt(total)
    df = total**2 / (variance_a**2 / (score_a.size - 1) + variance_b**2 / (score_b.size - 1))
    reach = normal_quantile(level) * math.sqrt(total)
    return HypothesisTest(
        t,
        float(2 * stdtr(df, -abs(t))),
        method,
        df=float(df),
        difference=difference,
        lower=max(difference - reach, -1.0),
        upper=min(difference + reach, 1.0),
    )


def auc_replicates(
    score: FloatArray, positive: BoolArray, weight_matrix: npt.NDArray[Any]
) -> FloatArray:
    """AUC under each row of weights, by cumulative sums over the scores sorted once.

    Parameters
    ----------
    score, positive : (n,)
    weight_matrix : (B, n) counts or weights; those of a bootstrap are each patient's, for each case

    Returns
    -------
    (B,); NaN where a replicate holds one class only, for ``percentile_interval`` to count
    """
    score, positive = labelled_scores(score, positive)
    rows = _weight_rows(weight_matrix, score.size)
    case_index, control_index = np.flatnonzero(positive), np.flatnonzero(~positive)
    control_index = control_index[np.argsort(score[control_index], kind="stable")]
    controls, cases = score[control_index], score[case_index]
    below = np.searchsorted(controls, cases, side="left")
    through = np.searchsorted(controls, cases, side="right")
    result = np.full(len(rows), np.nan)
    cumulative = np.zeros(control_index.size + 1)
    for b, row in enumerate(rows):
        np.cumsum(row[control_index], dtype=np.float64, out=cumulative[1:])
        case_weights = row[case_index].astype(np.float64)
        total = case_weights.sum() * cumulative[-1]
        if total > 0:
            wins = case_weights @ (cumulative[below] + cumulative[through])
            # Sums of weights that are no integers can round to a hair above the whole.
            result[b] = min(wins / (2 * total), 1.0)
    return result


def midranks(values: FloatArray) -> FloatArray:
    """Rank of each value among all, from one half on, those that are equal alike."""
    given = numbers("values", values)
    return _midrank(np.sort(given), given)


def _midrank(ordered: FloatArray, values: FloatArray) -> FloatArray:
    """How many of ``ordered`` lie below each value, ties counted one half."""
    below = np.searchsorted(ordered, values, side="left")
    through = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + through) / 2, dtype=np.float64)


def _covariance(v10: FloatArray, v01: FloatArray) -> float:
    return float(v10.var(ddof=1) / v10.size + v01.var(ddof=1) / v01.size)


def _refusal(positive: BoolArray) -> Code | None:
    events = int(positive.sum())
    smaller = min(events, positive.size - events)
    if smaller == 0:
        return ONE_CLASS
    return ONE_IN_CLASS if smaller == 1 else None


def _weight_rows(weight_matrix: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """Give weights as they are: small integers are counts of draws, and cast before they add up."""
    rows = np.asarray(weight_matrix)
    if rows.ndim != 2 or rows.shape[1] != n:
        raise ValueError("weight_matrix: each row needs one weight for each score")
    if rows.size and not (np.isfinite(rows).all() and rows.min() >= 0):
        raise ValueError("weight_matrix holds a weight that is negative or not finite")
    return rows
