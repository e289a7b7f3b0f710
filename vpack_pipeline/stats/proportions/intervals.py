"""Intervals of one proportion, and the sample size that a half-width asks for.

What does not belong here: comparisons of two proportions, figures of a whole 2×2 table.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from vpack_pipeline.stats.arguments import amounts, clusters, labels, number, whole
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


def wilson_bounds(proportion: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion on ``n`` > 0 cases, whole or effective."""
    z2 = normal_quantile(level) ** 2
    number("proportion", proportion, 0.0, 1.0)
    if not number("n", n, 0.0):
        raise ValueError("n is above 0")
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
    counted("k", k, "n", n)
    normal_quantile(level)
    method = coded("wilson")
    if n == 0:
        return undefined(NO_CASES, method=method, n=0, events=0)
    return Estimate(k / n, *wilson_bounds(k / n, n, level), round(n), round(k), method)


def clopper_pearson(k: int, n: int, level: float = 0.95) -> Estimate:
    """Exact binomial interval of k of n (Clopper & Pearson 1934); n = 0 is undefined."""
    counted("k", whole_count("k", k), "n", whole_count("n", n))
    normal_quantile(level)
    method = coded("clopper_pearson")
    if n == 0:
        return undefined(NO_CASES, method=method, n=0, events=0)
    tail = (1 - level) / 2
    lower = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    upper = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return Estimate(k / n, lower, upper, int(n), int(k), method)


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
    outcome, codes, n_patients = _units(success, cluster)
    n, events = int(outcome.size), int(outcome.sum())
    normal_quantile(level)
    if n == 0:
        return undefined(NO_CASES, method=WILSON_CLUSTERED, n=0, events=0)
    if events in (0, n):
        exact = clopper_pearson(n_patients if events else 0, n_patients, level)
        method = coded("clopper_pearson_on_patients")
        return Estimate(exact.value, exact.lower, exact.upper, n, events, method)
    proportion = events / n
    bounds = wilson_bounds(proportion, effective_size(outcome, codes), level)
    method = coded(WILSON_CLUSTERED, None if n_patients == n else PSEUDO_PATIENTS)
    return Estimate(proportion, *bounds, n, events, method)


def effective_size(success: BoolArray, cluster: npt.NDArray[np.generic]) -> float:
    """Units over their design effect: as many as independent ones would tell as much.

    Parameters
    ----------
    success, cluster : as of :func:`clustered_proportion`; one unit or more
    """
    outcome, codes, _ = _units(success, cluster)
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
    units, hits = amounts("sizes", sizes), amounts("successes", successes)
    if not units.size or units.min() < 1:
        raise ValueError("sizes: one patient or more has a unit or more each")
    if units.shape != hits.shape or (hits > units).any():
        raise ValueError("successes and sizes: of each patient, no more successes than units")
    most = float(units @ units / units.sum())
    if units.size == 1:
        return most
    m, k = np.append(units, [most, most]), np.append(hits, [most, 0.0])
    n, n_patients = float(m.sum()), m.size
    proportion = float(k.sum()) / n
    residual = k - proportion * m
    variance = n_patients / (n_patients - 1) * float(residual @ residual) / n**2
    return min(max(variance / (proportion * (1 - proportion) / n), 1.0), most)


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
    if not (number("half_width", half_width, 0.0) and number("share", share, 0.0, 1.0)):
        raise ValueError("half_width and share are above 0")
    return math.ceil(normal_quantile(level) ** 2 * p * (1 - p) / half_width**2 / share)


def _units(
    success: BoolArray, cluster: npt.NDArray[np.generic]
) -> tuple[BoolArray, npt.NDArray[np.intp], int]:
    """Give outcomes, the code of each unit's patient, and the number of patients."""
    outcome = labels("success", success)
    codes, n_patients = patient_codes(clusters("cluster", cluster))
    if outcome.shape != codes.shape:
        raise ValueError("success and cluster: one patient code is needed for each unit")
    return outcome, codes, n_patients


def counted(k_name: str, k: float, n_name: str, n: float) -> None:
    """Check a count, whole or effective, of another.

    Raises
    ------
    ValueError
        One is negative, not finite, or of an integer type that overflows, or k is above n.
    """
    if float(amounts(k_name, k)) > float(amounts(n_name, n)):
        raise ValueError(f"{k_name} is at most {n_name}: a proportion needs 0 <= k <= n")


def whole_count(name: str, value: int) -> int:
    """Give a whole number from 0 on, of a type that does not overflow."""
    return whole(name, float(amounts(name, value)), 0)
