"""Two proportions of the same units: their difference, its interval, and McNemar's test.

Both rest on the units on which the two differ, and both ask whether these are split evenly. Where
patients give several units, counts are divided by the difference's design effect. What does not
belong here: differences of sets that share some patients only (``difference``).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from vpack_pipeline.stats.arguments import amount, clusters, labels, positive_number
from vpack_pipeline.stats.codes import Code, Codes, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    HypothesisTest,
    normal_quantile,
    undefined,
)
from vpack_pipeline.stats.proportions.comparisons import mcnemar
from vpack_pipeline.stats.proportions.intervals import NO_CASES
from vpack_pipeline.stats.resampling import patient_codes

TANGO: Final = Code("tango")
BY_DESIGN_EFFECT: Final = Code("counts_by_design_effect")
_APART: Final = 1e-12


class Paired(NamedTuple):
    """Two proportions of the same units, compared.

    ``difference`` is the first less the second; its ``events`` are the units on which the two
    differ. ``only_first`` and ``only_second`` count units that succeed in one alone.
    """

    difference: Estimate
    test: HypothesisTest
    only_first: int
    only_second: int


def paired_proportions(
    first: BoolArray,
    second: BoolArray,
    cluster: npt.NDArray[np.generic],
    level: float = 0.95,
) -> Paired:
    """Compare two proportions of the same units.

    The interval is Tango's (1998), the test McNemar's: exact where each patient gives one unit;
    else chi-squared. Then counts are divided by the difference's design effect in either.

    Parameters
    ----------
    first, second : (n,) success of each unit by either
    cluster : (n,) patient of each unit

    Returns
    -------
    no difference, with a reason, without units; no test without a unit on which the two differ

    >>> found = paired_proportions(
    ...     np.array([1, 1, 1, 0, 1]), np.array([1, 0, 0, 0, 1]), np.arange(5)
    ... )
    >>> found.difference.value, round(found.difference.lower, 3), found.test.p
    (0.4, -0.208, 0.5)
    """
    one, two = labels("first", first), labels("second", second)
    if one.shape != two.shape:
        raise ValueError("first and second: both are of the same units")
    n = int(one.size)
    codes, n_patients = patient_codes(clusters("cluster", cluster, n))
    b, c = int((one & ~two).sum()), int((two & ~one).sum())
    is_clustered = n_patients < n
    method: Codes = coded(TANGO, BY_DESIGN_EFFECT if is_clustered else None)
    if n == 0:
        reason = undefined(NO_CASES, method=method, n=0, events=0)
        return Paired(reason, HypothesisTest(None, None, method, reason=NO_CASES), 0, 0)
    if not is_clustered:
        bounds = tango_bounds(b, c, n, level)
        made = Estimate((b - c) / n, *bounds, n, b + c, method)
        return Paired(made, mcnemar(b, c), b, c)
    differs = one.astype(np.float64) - two.astype(np.float64)
    effect = _design_effect(
        np.bincount(codes, weights=differs).astype(np.float64),
        np.bincount(codes).astype(np.float64),
        b + c,
    )
    bounds = tango_bounds(b / effect, c / effect, n / effect, level)
    made = Estimate((b - c) / n, *bounds, n, b + c, method)
    return Paired(made, _by_design_effect(b, c, effect), b, c)


def _by_design_effect(b: int, c: int, effect: float) -> HypothesisTest:
    method = coded("mcnemar_chi2", BY_DESIGN_EFFECT)
    if b + c == 0:
        return HypothesisTest(None, None, method, reason=Code("no_discordant_pairs"))
    statistic = (b - c) ** 2 / (b + c) / effect
    return HypothesisTest(statistic, float(chdtrc(1, statistic)), method, df=1.0)


def _design_effect(totals: FloatArray, sizes: FloatArray, discordant: int) -> float:
    """Factor by which patients with several units widen the variance of a paired difference.

    As of one proportion (``design_effect``): the variance over patients by that of independent
    units, with two pseudo-patients of Σm² / M units, whose every unit succeeds in the first alone,
    or in the second alone; from 1 to Σm² / M.

    Parameters
    ----------
    totals : (P,) of each patient, units that succeed in the first alone less those in the second
    sizes : (P,) units of each patient
    discordant : units that succeed in one alone, over all patients
    """
    most = float(sizes @ sizes / sizes.sum())
    if sizes.size == 1:
        return most
    d, m = np.append(totals, [most, -most]), np.append(sizes, [most, most])
    n, patients = float(m.sum()), m.size
    mean = float(d.sum()) / n
    residual = d - mean * m
    clustered = patients / (patients - 1) * float(residual @ residual) / n**2
    independent = ((discordant + 2 * most) / n - mean**2) / n
    return min(max(clustered / independent, 1.0), most)


def tango_bounds(
    only_first: float, only_second: float, n: float, level: float = 0.95
) -> tuple[float, float]:
    """Tango's score interval (1998) of a difference of paired proportions.

    Parameters
    ----------
    only_first, only_second : units that succeed in one alone; whole or effective
    n : all units, whole or effective, > 0

    >>> low, high = tango_bounds(7, 12, 300)
    >>> round(low, 4), round(high, 4)
    (-0.0485, 0.0129)
    """
    b, c = amount("only_first", only_first), amount("only_second", only_second)
    if b + c > positive_number("n", n) * (1 + 1e-12):
        raise ValueError("only_first, only_second and n: no more units differ than there are")
    z = normal_quantile(level)
    value = (b - c) / n

    # Not with the module: a check of documents imports it, and never solves.
    from scipy.optimize import brentq

    def beyond(delta: float, sign: float) -> float:
        # z times the standard error where the difference is delta, less the distance to it.
        return z * math.sqrt(_tango_variance(b, c, n, delta)) - sign * (delta - value) * n

    # At the difference itself the variance can be 0, which would pass for a limit.
    below, above = max(value - _APART, -1.0), min(value + _APART, 1.0)
    lower = -1.0 if below <= -1 else float(brentq(beyond, -1.0, below, args=(-1.0,)))
    upper = 1.0 if above >= 1 else float(brentq(beyond, above, 1.0, args=(1.0,)))
    return lower, upper


def _tango_variance(b: float, c: float, n: float, delta: float) -> float:
    """Variance of b − c where the difference is ``delta``, at the likeliest share of the second."""
    first = (2 * n - b + c) * delta - b - c
    root = math.sqrt(max(first * first + 8 * n * c * delta * (1 - delta), 0.0))
    share = max((root - first) / (4 * n), 0.0)
    return max(n * (2 * share + delta * (1 - delta)), 0.0)
