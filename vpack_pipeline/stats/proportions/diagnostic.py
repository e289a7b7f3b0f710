"""Figures of one 2×2 table, and predictive values at another prevalence.

What does not belong here: where the counts come from, and whether they may be shown.
"""

from __future__ import annotations

import math

from scipy.special import expit, logit

from vpack_pipeline.stats.arguments import count, number, positive_number
from vpack_pipeline.stats.codes import Code, Codes, coded
from vpack_pipeline.stats.estimate import Estimate, normal_quantile, undefined
from vpack_pipeline.stats.proportions.intervals import clopper_pearson

EMPTY_CELL = Code("ratio_with_empty_cell")
AT_EDGE = Code("logit_at_edge")


def diagnostic_table(
    tp: int, fp: int, fn: int, tn: int, level: float = 0.95
) -> dict[str, Estimate]:
    """All figures of a 2×2 table of independent cases, intervals as in epiR's ``epi.tests``.

    Parameters
    ----------
    tp, fp, fn, tn : counts of index test (positive, negative) against reference standard

    Returns
    -------
    by name. Proportions carry Clopper–Pearson intervals. Youden's index and the number needed to
    diagnose take the exact bounds of sensitivity and specificity together. Likelihood ratios and
    the odds ratio carry log intervals (Simel, Samsa & Matchar 1991; Woolf 1955); an empty cell
    leaves them, or their interval, undefined with a reason: no 0.5 is added. Where patients give
    several cases use ``clustered_proportion`` instead.
    """
    tp, fp, fn, tn = count("tp", tp), count("fp", fp), count("fn", fn), count("tn", tn)
    positives, negatives = tp + fn, fp + tn
    flagged, cleared, total = tp + fp, fn + tn, tp + fp + fn + tn
    shares = {
        "apparent_prevalence": (flagged, total),
        "true_prevalence": (positives, total),
        "sensitivity": (tp, positives),
        "specificity": (tn, negatives),
        "ppv": (tp, flagged),
        "npv": (tn, cleared),
        "accuracy": (tp + tn, total),
        "share_ruled_out": (cleared, total),
        "share_ruled_in": (flagged, total),
        "false_positive_rate": (fp, negatives),
        "false_negative_rate": (fn, positives),
        "false_discovery_rate": (fp, flagged),
        "false_omission_rate": (fn, cleared),
    }
    table = {name: clopper_pearson(k, n, level) for name, (k, n) in shares.items()}
    table["youden"] = _youden(table["sensitivity"], table["specificity"])
    table["number_needed_to_diagnose"] = _inverse(table["youden"])
    table["lr_positive"] = _risk_ratio(tp, positives, fp, negatives, level)
    table["lr_negative"] = _risk_ratio(fn, positives, tn, negatives, level, complement=True)
    table["diagnostic_odds_ratio"] = _odds_ratio(tp, fp, fn, tn, level)
    return table


def predictive_values(
    sensitivity: float,
    specificity: float,
    prevalence: float,
    n_pos: float,
    n_neg: float,
    *,
    level: float = 0.95,
) -> tuple[Estimate, Estimate]:
    """PPV and NPV at a known prevalence, standard logit intervals (Mercaldo, Lau & Zhou 2007).

    Parameters
    ----------
    sensitivity, specificity, prevalence : in [0, 1]
    n_pos, n_neg : cases behind sensitivity and specificity, whole or effective, > 0

    Returns
    -------
    (ppv, npv). With a sensitivity or specificity of 0 or 1 the values stand without an interval;
    a value whose denominator is 0 is undefined. ``n`` is n_pos + n_neg.
    """
    number("sensitivity", sensitivity, 0.0, 1.0)
    number("specificity", specificity, 0.0, 1.0)
    number("prevalence", prevalence, 0.0, 1.0)
    n = round(positive_number("n_pos", n_pos) + positive_number("n_neg", n_neg))
    flagged = (sensitivity * prevalence, (1 - specificity) * (1 - prevalence))
    cleared = (specificity * (1 - prevalence), (1 - sensitivity) * prevalence)
    variances: tuple[float, float] | None = None
    if 0 < sensitivity < 1 and 0 < specificity < 1:
        odds, against = sensitivity / (1 - sensitivity), specificity / (1 - specificity)
        variances = (1 / (odds * n_pos) + against / n_neg, odds / n_pos + 1 / (against * n_neg))
    ppv, npv = (
        _logit_estimate(*masses, None if variances is None else variances[i], n, level)
        for i, masses in enumerate((flagged, cleared))
    )
    return ppv, npv


def _logit_estimate(
    right: float, wrong: float, variance: float | None, n: int, level: float
) -> Estimate:
    method = coded("mercaldo_logit")
    if right + wrong == 0:
        return undefined("no_such_result", method=method, n=n)
    value = right / (right + wrong)
    if variance is None or not 0 < value < 1:
        return undefined(AT_EDGE, method=method, n=n, value=value)
    reach = normal_quantile(level) * math.sqrt(variance)
    lower, upper = (float(expit(logit(value) + sign * reach)) for sign in (-1, 1))
    return Estimate(value, lower, upper, n, None, method)


def _youden(sensitivity: Estimate, specificity: Estimate) -> Estimate:
    method = coded("exact_bounds_combined")
    n = sensitivity.n + specificity.n
    parts = [
        (s, c)
        for s, c in zip(_three(sensitivity), _three(specificity), strict=True)
        if s is not None and c is not None
    ]
    if not parts:
        return undefined("class_without_cases", method=method, n=n)
    value, lower, upper = (s + c - 1 for s, c in parts)
    return Estimate(value, lower, upper, n, None, method)


def _inverse(youden: Estimate) -> Estimate:
    """Number needed to diagnose: the reciprocal of Youden's index, where that is positive."""
    method = coded("reciprocal_of_youden")
    if youden.value is None or youden.value <= 0:
        return undefined("youden_not_positive", method=method, n=youden.n)
    upper = None if youden.lower is None or youden.lower <= 0 else 1 / youden.lower
    lower = None if youden.upper is None else 1 / youden.upper
    notes = coded("no_upper_bound" if upper is None else None)
    return Estimate(1 / youden.value, lower, upper, youden.n, None, method, notes=notes)


def _three(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    return estimate.value, estimate.lower, estimate.upper


def _risk_ratio(
    k1: int, n1: int, k2: int, n2: int, level: float, *, complement: bool = False
) -> Estimate:
    """LR+ from (tp, fp), LR− from (fn, tn): a ratio of proportions with its log interval."""
    method = coded("log_simel")
    n = n1 + n2
    if not (n1 and n2 and k2):
        return undefined(EMPTY_CELL, method=method, n=n)
    value = (k1 / n1) / (k2 / n2)
    if not k1:
        return undefined(EMPTY_CELL, method=method, n=n, value=value)
    return _log_interval(value, 1 / k1 - 1 / n1 + 1 / k2 - 1 / n2, n, method, level)


def _odds_ratio(tp: int, fp: int, fn: int, tn: int, level: float) -> Estimate:
    method = coded("log_woolf")
    cells = (tp, fp, fn, tn)
    if not all(cells):
        return undefined(EMPTY_CELL, method=method, n=sum(cells))
    variance = sum(1 / cell for cell in cells)
    return _log_interval(tp * tn / (fp * fn), variance, sum(cells), method, level)


def _log_interval(value: float, variance: float, n: int, method: Codes, level: float) -> Estimate:
    reach = normal_quantile(level) * math.sqrt(variance)
    return Estimate(value, value * math.exp(-reach), value * math.exp(reach), n, None, method)
