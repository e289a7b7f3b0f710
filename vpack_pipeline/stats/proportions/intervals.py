"""Intervals of one proportion, and the sample size that a half-width asks for.

What does not belong here: comparisons of two proportions, figures of a whole 2×2 table.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from vpack_pipeline.stats.arguments import (
    amount,
    amounts,
    clusters,
    count,
    labels,
    number,
    numbers,
    positive_number,
)
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
    undefined,
)
from vpack_pipeline.stats.resampling import patient_codes

NO_CASES = Code("no_cases")
WILSON_CLUSTERED = coded("wilson_on_effective_size")
PSEUDO_PATIENTS = Code("design_effect_with_pseudo_patients")


def share_of(k: float, n: float, names: tuple[str, str] = ("k", "n")) -> float | None:
    """Give k of n, with 0 <= k <= n, and None of no cases; ``names`` are those of the arguments."""
    part, total = amount(names[0], k), amount(names[1], n)
    if part > total:
        raise ValueError(f"{names[0]} of {names[1]}: a proportion needs 0 <= k <= n")
    return part / total if total else None


def wilson_bounds(proportion: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion on ``n`` > 0 cases, whole or effective."""
    number("proportion", proportion, 0.0, 1.0)
    positive_number("n", n)
    z2 = normal_quantile(level) ** 2
    centre = proportion + z2 / (2 * n)
    reach = math.sqrt(z2 * (proportion * (1 - proportion) / n + z2 / (4 * n * n)))
    scale = 1 + z2 / n
    # At 0 and n the bound is the proportion itself, which rounding would miss by 1e-17.
    lower = 0.0 if proportion == 0 else max((centre - reach) / scale, 0.0)
    upper = 1.0 if proportion == 1 else min((centre + reach) / scale, 1.0)
    return lower, upper


def wilson(k: float, n: float, level: float = 0.95) -> Estimate:
    """Wilson's score interval of k of n, without continuity correction.

    Parameters
    ----------
    k, n : 0 <= k <= n; need not be whole, so that weighted counts and effective sizes serve

    Returns
    -------
    ``n`` and ``events`` are rounded; n = 0 is undefined with a reason

    >>> estimate = wilson(81, 263)
    >>> round(estimate.lower, 4), round(estimate.upper, 4)
    (0.2553, 0.3662)
    """
    share = share_of(k, n)
    method = coded("wilson")
    if share is None:
        return undefined(NO_CASES, method=method, n=0, events=0)
    return Estimate(share, *wilson_bounds(share, n, level), round(n), round(k), method)


def clopper_pearson(k: int, n: int, level: float = 0.95) -> Estimate:
    """Exact binomial interval of k of n (Clopper & Pearson 1934); n = 0 is undefined."""
    k, n = count("k", k), count("n", n)
    share = share_of(k, n)
    normal_quantile(level)
    method = coded("clopper_pearson")
    if share is None:
        return undefined(NO_CASES, method=method, n=0, events=0)
    tail = (1 - level) / 2
    lower = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    upper = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return Estimate(share, lower, upper, n, k, method)


def clustered_proportion(
    success: BoolArray, cluster: npt.NDArray[np.generic], level: float = 0.95
) -> Estimate:
    """Proportion of units, with an interval that holds where patients give several units.

    Wilson's interval on the effective sample size M / deff (Franco, Little, Louis & Slud 2019). The
    design effect is the variance of the ratio estimator over patients (Cochran 1977, section 3.12;
    Rao & Scott 1992) divided by the binomial variance. Few errors in few patients give it too low,
    and then the interval is too narrow. So two pseudo-patients of Σm² / M units (m units a
    patient) enter its estimate, one with successes alone and one with none. They enter nothing
    else, and where each patient gives one unit they change nothing.

    The design effect is kept between two limits. Not below 1: units of a patient are alike or
    unrelated, so a smaller value is noise of few patients and would narrow the interval. Not above
    Σm² / M, what complete dependence within patients gives: the effective size is then the number
    of patients where all give equally many units, and less where they do not.

    With no success, or nothing else, the variance is 0 and cannot speak: the interval is the exact
    one on the number of patients, as if each patient's units were one.

    Parameters
    ----------
    success : (M,) outcome of each unit
    cluster : (M,) patient of each unit

    Returns
    -------
    n and events count units
    """
    outcome = labels("success", success)
    codes, _ = patient_codes(clusters("cluster", cluster, outcome.size))
    successes = np.bincount(codes, weights=outcome).astype(np.float64)
    return proportion_by_patient(successes, np.bincount(codes).astype(np.float64), level)


def proportion_by_patient(
    successes: FloatArray, sizes: FloatArray, level: float = 0.95
) -> Estimate:
    """Give the same of patients' counts, for who has them already.

    Parameters
    ----------
    successes, sizes : (P,) as of :func:`design_effect`; whole numbers
    """
    successes, sizes = _checked_patients(successes, sizes)
    n, events = int(sizes.sum()), int(successes.sum())
    if events in (0, n):
        return _at_edge(events, n, sizes.size, level)
    return _inside(events, n, sizes.size, design_effect(successes, sizes), level)


class PatientSums(NamedTuple):
    """Sums over patients who give m >= 1 units each, of which k are successes."""

    patients: float
    units: float
    successes: float
    squared_successes: float
    """Σk²."""
    products: float
    """Σkm."""
    squared_units: float
    """Σm²."""

    def design_effect(self) -> float:
        """Give that of :func:`design_effect`, but for rounding; of one unit or more."""
        most = self.squared_units / self.units
        if self.patients == 1:
            return most
        n, n_patients = self.units + 2 * most, self.patients + 2
        p = (self.successes + most) / n
        squared = self.squared_successes + most**2
        residual = squared - 2 * p * (self.products + most**2)
        residual += p**2 * (self.squared_units + 2 * most**2)
        variance = n_patients / (n_patients - 1) * residual / n**2
        return min(max(variance / (p * (1 - p) / n), 1.0), most)


def proportion_of_sums(sums: PatientSums, level: float = 0.95) -> Estimate:
    """Give the same of sums over patients, for who asks for many shares of the same cases."""
    numbers("sums", sums, 0.0)
    if sums.successes > sums.units:
        raise ValueError("sums: there are at most as many successes as units")
    n, events, n_patients = int(sums.units), int(sums.successes), int(sums.patients)
    if events in (0, n):
        return _at_edge(events, n, n_patients, level)
    return _inside(events, n, n_patients, sums.design_effect(), level)


def _at_edge(events: int, n: int, n_patients: int, level: float) -> Estimate:
    if n == 0:
        return undefined(NO_CASES, method=WILSON_CLUSTERED, n=0, events=0)
    exact = clopper_pearson(n_patients if events else 0, n_patients, level)
    method = coded("clopper_pearson_on_patients")
    return Estimate(exact.value, exact.lower, exact.upper, n, events, method)


def _inside(events: int, n: int, n_patients: int, effect: float, level: float) -> Estimate:
    bounds = wilson_bounds(events / n, n / effect, level)
    method = coded(WILSON_CLUSTERED, None if n_patients == n else PSEUDO_PATIENTS)
    return Estimate(events / n, *bounds, n, events, method)


def effective_size(success: BoolArray, cluster: npt.NDArray[np.generic]) -> float:
    """Units over their design effect: as many as independent ones would tell as much.

    Parameters
    ----------
    success, cluster : as of :func:`clustered_proportion`; one unit or more
    """
    outcome = labels("success", success)
    codes, n_patients = patient_codes(clusters("cluster", cluster, outcome.size))
    if n_patients == 0:
        raise ValueError("success and cluster: one unit or more is needed")
    return _effective_size(outcome, codes)


def _effective_size(outcome: BoolArray, codes: npt.NDArray[np.intp]) -> float:
    successes = np.bincount(codes, weights=outcome).astype(np.float64)
    return codes.size / design_effect(successes, np.bincount(codes).astype(np.float64))


def design_effect(successes: FloatArray, sizes: FloatArray) -> float:
    """Factor by which patients with several units widen the variance of a proportion.

    Estimated with two pseudo-patients, as :func:`clustered_proportion` says.

    Parameters
    ----------
    successes, sizes : (P,) successes and units of each patient; 0 <= successes <= sizes, sizes >= 1

    Returns
    -------
    between 1 and Σm² / M; the latter where there is one patient alone

    >>> design_effect(np.array([1.0, 0.0, 1.0]), np.ones(3))
    1.0
    """
    successes, sizes = _checked_patients(successes, sizes)
    if not sizes.size:
        raise ValueError("successes and sizes: one patient or more is needed")
    most = float(sizes @ sizes / sizes.sum())
    if sizes.size == 1:
        return most
    m, k = np.append(sizes, [most, most]), np.append(successes, [most, 0.0])
    n, n_patients = float(m.sum()), m.size
    proportion = float(k.sum()) / n
    residual = k - proportion * m
    variance = n_patients / (n_patients - 1) * float(residual @ residual) / n**2
    return min(max(variance / (proportion * (1 - proportion) / n), 1.0), most)


def _checked_patients(successes: FloatArray, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
    successes, sizes = amounts("successes", successes), amounts("sizes", sizes)
    if successes.shape != sizes.shape or (successes > sizes).any():
        raise ValueError("successes and sizes: each patient has at most as many as units")
    if (sizes < 1).any():
        raise ValueError("sizes: each patient has one unit or more")
    return successes, sizes


def sample_size_proportion(
    p: float, half_width: float, *, share: float = 1.0, level: float = 0.95
) -> int:
    """Cases needed to know a proportion to ± half_width (normal approximation).

    Parameters
    ----------
    p : the expected proportion, in [0, 1]
    share : fraction of all cases that enter the denominator: the prevalence for a sensitivity, its
        complement for a specificity (Buderer 1996)

    >>> sample_size_proportion(0.9, 0.05), sample_size_proportion(0.9, 0.05, share=0.1)
    (139, 1383)
    """
    number("p", p, 0.0, 1.0)
    positive_number("half_width", half_width)
    positive_number("share", share, 1.0)
    return math.ceil(normal_quantile(level) ** 2 * p * (1 - p) / half_width**2 / share)
