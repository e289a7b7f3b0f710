"""Two proportions against each other: difference, non-inferiority, paired change.

What does not belong here: margins, which only a protocol can justify.
"""

from __future__ import annotations

import math

from scipy.special import bdtr, chdtrc, ndtr

from vpack_pipeline.stats.arguments import count
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import (
    Estimate,
    HypothesisTest,
    undefined,
)
from vpack_pipeline.stats.proportions.intervals import NO_CASES, share_of, wilson_bounds


def newcombe_difference(
    k1: float, n1: float, k2: float, n2: float, level: float = 0.95
) -> Estimate:
    """Difference k1/n1 − k2/n2 of independent proportions (Newcombe 1998, method 10).

    The sizes may be effective ones, with ``k`` = proportion × size. ``n`` is n1 + n2.

    >>> estimate = newcombe_difference(56, 70, 48, 80)
    >>> round(estimate.lower, 4), round(estimate.upper, 4)
    (0.0524, 0.3339)
    """
    method = coded("newcombe")
    p1, p2 = share_of(k1, n1, ("k1", "n1")), share_of(k2, n2, ("k2", "n2"))
    n = round(n1 + n2)
    if p1 is None or p2 is None:
        return undefined(NO_CASES, method=method, n=n)
    (l1, u1), (l2, u2) = wilson_bounds(p1, n1, level), wilson_bounds(p2, n2, level)
    lower = p1 - p2 - math.hypot(p1 - l1, u2 - p2)
    upper = p1 - p2 + math.hypot(u1 - p1, p2 - l2)
    return Estimate(p1 - p2, lower, upper, n, None, method)


def farrington_manning(k1: float, n1: float, k2: float, n2: float, margin: float) -> HypothesisTest:
    """One-sided score test that p1 is not worse than p2 by more than a margin.

    Farrington & Manning (1990): H0 p1 − p2 <= ``margin``, variance at the maximum likelihood under
    p1 − p2 = margin.

    Parameters
    ----------
    margin : the null difference, in (-1, 1); -0.05 asks whether p1 is at most .05 lower
    """
    method = coded("farrington_manning")
    p1, p2 = share_of(k1, n1, ("k1", "n1")), share_of(k2, n2, ("k2", "n2"))
    if p1 is None or p2 is None:
        return HypothesisTest(None, None, method, reason=NO_CASES)
    r1, r2 = restricted_proportions(p1, n1, p2, n2, margin)
    variance = r1 * (1 - r1) / n1 + r2 * (1 - r2) / n2
    difference = p1 - p2
    if variance <= 0:
        reason = Code("null_without_variance")
        return HypothesisTest(None, None, method, difference=difference, reason=reason)
    z = (difference - margin) / math.sqrt(variance)
    return HypothesisTest(z, float(ndtr(-z)), method, difference=difference)


def restricted_proportions(
    p1: float, n1: float, p2: float, n2: float, margin: float
) -> tuple[float, float]:
    """Maximum likelihood of (p1, p2) under p1 − p2 = margin in closed form.

    The middle root of a cubic (Farrington & Manning 1990), by the trigonometric solution.
    """
    if not -1 < margin < 1:
        raise ValueError("the margin lies strictly between -1 and 1")
    ratio = n2 / n1
    a = 1 + ratio
    b = -(1 + ratio + p1 + ratio * p2 + margin * (ratio + 2))
    c = margin**2 + margin * (2 * p1 + ratio + 1) + p1 + ratio * p2
    d = -p1 * margin * (1 + margin)
    v = (b / (3 * a)) ** 3 - b * c / (6 * a**2) + d / (2 * a)
    u = math.copysign(math.sqrt(max((b / (3 * a)) ** 2 - c / (3 * a), 0.0)), v)
    cosine = 0.0 if u == 0 else min(max(v / u**3, -1.0), 1.0)
    root = 2 * u * math.cos((math.pi + math.acos(cosine)) / 3) - b / (3 * a)
    r1 = min(max(root, 0.0, margin), 1.0, 1 + margin)
    return r1, r1 - margin


def mcnemar(b: int, c: int, *, method: str = "exact") -> HypothesisTest:
    """Two-sided test that two paired proportions are equal, from the discordant pairs.

    Parameters
    ----------
    b, c : pairs positive in the first only, and in the second only
    method : 'exact' (binomial), 'chi2' (McNemar 1947) or 'chi2_corrected' (Edwards 1948)
    """
    named = {"exact": 0, "chi2": 0, "chi2_corrected": 1}
    if method not in named:
        raise ValueError(f"method is one of {', '.join(named)}")
    label = coded(f"mcnemar_{method}")
    b, c = count("b", b), count("c", c)
    if b + c == 0:
        return HypothesisTest(None, None, label, reason=Code("no_discordant_pairs"))
    if method == "exact":
        p = min(1.0, 2 * float(bdtr(float(min(b, c)), b + c, 0.5)))
        return HypothesisTest(float(min(b, c)), p, label)
    statistic = max(abs(b - c) - named[method], 0) ** 2 / (b + c)
    return HypothesisTest(statistic, float(chdtrc(1, statistic)), label, df=1.0)
