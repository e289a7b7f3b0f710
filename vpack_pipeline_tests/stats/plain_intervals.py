"""Intervals of the package a second time: straight loops over patients and pairs, for tests alone.

Written from the definitions (docs/statistics.md) and not from the code, so that a number in a test
is never what the code once gave.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist

Bounds = tuple[float, float]


def normal_quantile(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(p: float, n: float, level: float = 0.95) -> Bounds:
    """The two proportions that a score test at the level just does not reject, by bisection."""
    z = normal_quantile(level)

    def rejected(truth: float) -> bool:
        return (p - truth) ** 2 > z * z * truth * (1 - truth) / n

    return _edge(rejected, p, 0.0), _edge(rejected, p, 1.0)


def exact_at_edge(patients: int, level: float = 0.95) -> float:
    """The lower bound of a share of 1: the chance that all succeed is half of what is left."""
    return float(((1 - level) / 2) ** (1 / patients))


def design_effect(success: Sequence[bool], patient: Sequence[Hashable]) -> float:
    """Variance of the ratio over patients against that of single units; two pseudo-patients."""
    sizes: dict[Hashable, float] = defaultdict(float)
    hits: dict[Hashable, float] = defaultdict(float)
    for right, who in zip(success, patient, strict=True):
        sizes[who] += 1
        hits[who] += bool(right)
    most = sum(m * m for m in sizes.values()) / sum(sizes.values())
    if len(sizes) == 1:
        return most
    pairs = [(hits[who], m) for who, m in sizes.items()] + [(most, most), (0.0, most)]
    n = sum(m for _, m in pairs)
    p = sum(k for k, _ in pairs) / n
    between = sum((k - p * m) ** 2 for k, m in pairs) * len(pairs) / (len(pairs) - 1)
    return min(max(between / n**2 / (p * (1 - p) / n), 1.0), most)


def proportion(
    success: Sequence[bool], patient: Sequence[Hashable], level: float = 0.95
) -> tuple[float, float, float]:
    """Value, lower and upper bound of a proportion of units of patients."""
    n, k = len(success), sum(map(bool, success))
    if k == n:
        return 1.0, exact_at_edge(len(set(patient)), level), 1.0
    if k == 0:
        return 0.0, 0.0, 1 - exact_at_edge(len(set(patient)), level)
    return k / n, *wilson(k / n, n / design_effect(success, patient), level)


def _edge(rejected: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where, between a truth that stands and one that is rejected, the one turns into the other."""
    for _ in range(200):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
    return inside
