"""Intervals of the package a second time: straight loops over patients and pairs, for tests alone.

Written from the definitions (docs/statistics.md) and not from the code, so that a number in a test
is never what the code once gave.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist

from scipy.stats import t as student

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


Cases = Sequence[tuple[float, bool, Hashable]]
"""Score, reference label and patient of each case."""


def placement(score: float, others: Sequence[float]) -> float:
    """Share of the others that lie below a score, ties one half."""
    return sum((score > x) + (score == x) / 2 for x in others) / len(others)


def placements(cases: Cases) -> list[float]:
    """Of each case: share of the other class on its right side."""
    ill, well = ([s for s, y, _ in cases if y is side] for side in (True, False))
    return [placement(s, well) if y else 1 - placement(s, ill) for s, y, _ in cases]


def auc(cases: Cases) -> float:
    placed = [p for p, (_, y, _) in zip(placements(cases), cases, strict=True) if y]
    return sum(placed) / len(placed)


def by_patient(values: Sequence[float], patient: Sequence[Hashable]) -> dict[Hashable, list[float]]:
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for value, who in zip(values, patient, strict=True):
        groups[who].append(value)
    return groups


def intraclass_correlation(values: Sequence[float], patient: Sequence[Hashable]) -> float:
    """One-way analysis of variance with groups of unlike size, kept in [0, 1]; 1 if undefined."""
    groups = list(by_patient(values, patient).values())
    n, k = len(values), len(groups)
    grand = sum(values) / n
    means = [sum(g) / len(g) for g in groups]
    between = sum(len(g) * (m - grand) ** 2 for g, m in zip(groups, means, strict=True)) / (k - 1)
    within = sum((x - m) ** 2 for g, m in zip(groups, means, strict=True) for x in g) / (n - k)
    typical = (n - sum(len(g) ** 2 for g in groups) / n) / (k - 1)
    total = between + (typical - 1) * within
    return 1.0 if total < 1e-12 else min(max((between - within) / total, 0.0), 1.0)


def independent_cases(
    scores: Sequence[float], placed: Sequence[float], patient: Sequence[Hashable]
) -> float:
    """Cases of a class over their design effect."""
    n = len(scores)
    sizes = [len(g) for g in by_patient(scores, patient).values()]
    alike = sum(k * k for k in sizes) / n
    if alike == 1:
        return float(n)
    ranks = [sum(x < s for x in scores) + (sum(x == s for x in scores) + 1) / 2 for s in scores]
    normal = [NormalDist().inv_cdf(r / (n + 1)) for r in ranks]
    rho = max(intraclass_correlation(v, patient) for v in (normal, placed))
    return n / (1 + rho * (alike - 1))


def obuchowski(cases: Cases) -> float:
    """Variance of the area over patients, by its three sums (Obuchowski 1997)."""
    a, placed = auc(cases), placements(cases)
    deviation = {}
    for side in (True, False):
        rows = [(p - a, w) for p, (_, y, w) in zip(placed, cases, strict=True) if y is side]
        sums = by_patient([d for d, _ in rows], [w for _, w in rows])
        deviation[side] = {who: sum(d) / len(rows) for who, d in sums.items()}
    everyone = {w for _, _, w in cases}
    variance = 0.0
    for side in (True, False):
        k = len(deviation[side])
        variance += k / (k - 1) * sum(d * d for d in deviation[side].values())
    both = sum(deviation[True].get(w, 0.0) * deviation[False].get(w, 0.0) for w in everyone)
    return max(variance + 2 * len(everyone) / (len(everyone) - 1) * both, 0.0)


def hanley_mcneil(a: float, m: float, n: float) -> float:
    """Variance of an area as published: with Q1 = A/(2 − A) and Q2 = 2A²/(1 + A)."""
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    return (a * (1 - a) + (m - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (m * n)


def sizes(cases: Cases) -> tuple[float, float]:
    """Positives and negatives as of independent cases."""
    placed = placements(cases)
    found = []
    for side in (True, False):
        rows = [(s, p, w) for p, (s, y, w) in zip(placed, cases, strict=True) if y is side]
        found.append(independent_cases(*map(list, zip(*rows, strict=True))))
    return found[0], found[1]


def area(cases: Cases, level: float = 0.95) -> tuple[float, float, float]:
    """AUC, lower and upper bound, by the score test that is just not significant."""
    a, (m, n) = auc(cases), sizes(cases)
    expected = hanley_mcneil(a, m, n)
    inflation = max(1.0, obuchowski(cases) / expected) if expected > 1e-15 else 1.0
    patients = [len({w for _, y, w in cases if y is side}) for side in (True, False)]
    if len({w for _, _, w in cases}) == len(cases):
        q = normal_quantile(level)
    else:
        q = float(student.ppf(0.5 + level / 2, min(patients) - 1))

    def rejected(truth: float) -> bool:
        return (a - truth) ** 2 > q * q * inflation * hanley_mcneil(truth, m, n)

    return a, _edge(rejected, a, 0.0), _edge(rejected, a, 1.0)


def proportion_influence(success: Sequence[bool]) -> list[float]:
    p = sum(map(bool, success)) / len(success)
    return [(bool(x) - p) / len(success) for x in success]


def area_influence(cases: Cases) -> list[float]:
    a, placed = auc(cases), placements(cases)
    n = {side: sum(y is side for _, y, _ in cases) for side in (True, False)}
    return [(p - a) / n[y] for p, (_, y, _) in zip(placed, cases, strict=True)]


Parts = tuple[tuple[float, float, float], Sequence[float], Sequence[Hashable]]
"""Value and bounds of a figure; influence and patient of each of its cases."""


def correlation(first: Parts, second: Parts) -> float:
    """Of what patients add to two figures, over all patients of both."""
    totals = [by_patient(influence, who) for _, influence, who in (first, second)]
    everyone = {*totals[0], *totals[1]}
    x, y = ([sum(t.get(w, [])) for w in everyone] for t in totals)
    spread = math.sqrt(sum(v * v for v in x) * sum(v * v for v in y))
    return sum(a * b for a, b in zip(x, y, strict=True)) / spread if spread > 1e-20 else 0.0


def difference(first: Parts, second: Parts) -> tuple[float, float, float]:
    """First less second with MOVER's limits."""
    (p, low, up), (q, below, above) = first[0], second[0]
    r = correlation(first, second)

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(a * a - 2 * r * a * b + b * b, 0.0))

    return p - q, p - q - reach(p - low, above - q), p - q + reach(up - p, q - below)
