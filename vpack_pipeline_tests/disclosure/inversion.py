"""Counts back from floats, by brute force: what a share, a divergence or an index gives away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb, log

import numpy as np

from vpack_pipeline.stats.estimate import normal_quantile
from vpack_pipeline.stats.proportions import clopper_pearson, wilson_bounds

FLOOR = 1e-4
"""What a share counts as at least, in an index of stability."""
MOST_TRIED = 2_000_000
"""Ways to part a whole that are still tried."""
_ALIKE = 1e-9
_SAME = 1e-12
"""Floats of one statistic differ by less, in whatever order it is summed up."""


def events_of(share: float, n: int) -> int | None:
    """Find the count behind an exact share of n; None where there is none.

    >>> events_of(0.8125, 32), events_of(0.8, 32)
    (26, None)
    """
    events = round(share * n)
    return events if abs(events / n - share) < _ALIKE else None


def denominators_of(share: float, most: int) -> list[int]:
    """List the wholes, up to ``most``, of which an exact share can be.

    >>> denominators_of(0.8125, 60)
    [16, 32, 48]
    """
    smallest = Fraction(share).limit_denominator(most)
    if abs(float(smallest) - share) > _ALIKE:
        return []
    return list(range(smallest.denominator, most + 1, smallest.denominator))


def events_of_text(text: str, n: int) -> tuple[int, int]:
    """Give the fewest and most events of n whose share is printed so.

    >>> events_of_text("0.812", 32), events_of_text("81%", 200)
    ((26, 26), (161, 163))
    """
    scale = 100 if text.endswith("%") else 1
    plain = text.removesuffix("%")
    half = 0.5 * 10.0 ** -len(plain.partition(".")[2])
    low, high = ((float(plain) + side * half) / scale for side in (-1, 1))
    fewest, most = int(np.ceil(low * n - _ALIKE)), int(np.floor(high * n + _ALIKE))
    return max(0, fewest), min(n, most)


def effective_size(share: float, lower: float, upper: float, level: float = 0.95) -> float | None:
    """Find the size behind Wilson's interval of a share: no more than were counted.

    >>> round(effective_size(0.3, 0.1456, 0.5190) or 0)
    20
    """
    z = normal_quantile(level)

    def width(n: float) -> float:
        return float(2 * z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))

    low, high = 1e-3, 1e9
    if not width(high) < upper - lower < width(low):
        return None
    for _ in range(200):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if width(middle) > upper - lower else (low, middle)
    return low


def wholes_of(
    share: float,
    bounds: tuple[float | None, float | None],
    methods: Sequence[str],
    most: int,
    level: float,
) -> list[int]:
    """List the wholes, up to ``most``, of which a share with its interval can be.

    >>> bounds = wilson_bounds(0.8125, 32)
    >>> wholes_of(0.8125, bounds, ["wilson"], 200, 0.95)
    [32]
    >>> wholes_of(0.8125, wilson_bounds(0.8125, 20), ["wilson_on_effective_size"], 60, 0.95)
    [32, 48]
    """
    wholes = denominators_of(share, most)
    lower, upper = bounds
    if lower is None or upper is None:
        return wholes
    exact: dict[str, Callable[[int], tuple[float | None, float | None]]] = {
        "wilson": lambda n: wilson_bounds(share, n, level),
        "clopper_pearson": lambda n: _exact(round(share * n), n, level),
    }
    for method, interval in exact.items():
        if method in methods:
            return [n for n in wholes if _are_alike(interval(n), bounds)]
    fewest: float | None = 1
    if "wilson_on_effective_size" in methods:
        fewest = effective_size(share, lower, upper, level)
    elif "clopper_pearson_on_patients" in methods:
        fewest = patients_behind(lower, upper, most, level)
    return [n for n in wholes if n >= (fewest or 1) - _ALIKE]


def _exact(events: int, n: int, level: float) -> tuple[float | None, float | None]:
    found = clopper_pearson(events, n, level)
    return found.lower, found.upper


def _are_alike(ours: tuple[float | None, ...], theirs: tuple[float | None, ...]) -> bool:
    pairs = zip(ours, theirs, strict=True)
    return all(a is not None and b is not None and abs(a - b) < _ALIKE for a, b in pairs)


def patients_behind(lower: float, upper: float, most: int, level: float) -> int | None:
    """Find the patients behind the exact interval of a share of 0 or 1.

    >>> patients_behind(*_exact(0, 17, 0.95), 100, 0.95), patients_behind(*_exact(9, 9, 0.95), 100, 0.95)
    (17, 9)
    """
    inner = 1 - upper if lower == 0 else lower
    if not 0 < inner < 1:
        return None
    n = round(log((1 - level) / 2) / log(inner))
    events = 0 if lower == 0 else n
    fits = 0 < n <= most and _are_alike(_exact(events, n, level), (lower, upper))
    return n if fits else None


def stratum_behind(
    q: float, known: Sequence[tuple[float, float]], most: int
) -> list[tuple[int, int]]:
    """Find n and events of the one share that Cochran's Q takes in and that is not printed.

    Parameters
    ----------
    known : share and effective size of each that is printed
    """
    values, sizes = np.array(known).T
    n, events = (a.ravel() for a in np.meshgrid(np.arange(2, most + 1), np.arange(1, most)))
    n, events = n[events < n], events[events < n]
    total, hits = sizes.sum() + n, sizes @ values + events
    common = hits / total
    squares = sizes @ values**2 + events**2 / n - hits**2 / total
    found = np.abs(squares / (common * (1 - common)) - q) < _ALIKE * max(1.0, q)
    return [(int(a), int(b)) for a, b in zip(n[found], events[found], strict=True)]


def partings(n: int, parts: int) -> np.ndarray | None:
    """List every way in which counts come to at most n, one a row; None where there are too many.

    >>> partings(1, 2).tolist()
    [[0, 0], [0, 1], [1, 0]]
    """
    if comb(n + parts, parts) > MOST_TRIED:
        return None
    found = np.zeros((1, 0), dtype=np.int64)
    for _ in range(parts):
        left = n - found.sum(axis=1)
        found = np.repeat(found, left + 1, axis=0)
        steps = np.concatenate([np.arange(k + 1) for k in left])
        found = np.column_stack([found, steps])
    return found


def stability(first: np.ndarray, second: float) -> np.ndarray:
    """What a share adds to the index of stability, against the share of the reference."""
    ours, theirs = np.maximum(first, FLOOR), max(second, FLOOR)
    added: np.ndarray = (ours - theirs) * np.log(ours / theirs)
    return added


def divergence(first: np.ndarray, second: float) -> np.ndarray:
    """What a share adds to the Jensen–Shannon divergence in bits."""
    middle = (first + second) / 2
    made = np.zeros_like(first)
    for shares in (first, np.full_like(first, second)):
        some = shares > 0
        made[some] += shares[some] * np.log2(shares[some] / middle[some]) / 2
    return made


Statistic = Callable[[np.ndarray, float], np.ndarray]


def value_of(counts: Sequence[int], reference: Sequence[float], statistic: Statistic) -> float:
    """Compute a statistic that is a sum over levels."""
    shares = np.asarray(counts) / sum(counts)
    theirs = np.asarray(reference) / sum(reference)
    return float(sum(statistic(np.array([a]), b)[0] for a, b in zip(shares, theirs, strict=True)))


def counts_behind(
    value: float, n: int, reference: Sequence[float], statistic: Statistic
) -> list[tuple[int, int]] | None:
    """Find which counts of n have a statistic: the fewest and most of each.

    Half of the levels is tried against the other half, so that six levels of some hundred cases
    are no obstacle. None where there are more, or only one, or where no counts have it.
    """
    half = (len(reference) + 1) // 2
    sides = [partings(n, half), partings(n, len(reference) - half)]
    if n == 0 or len(reference) < 2 or any(side is None for side in sides):
        return None
    shares = np.asarray(reference) / sum(reference)
    known = [statistic(np.arange(n + 1) / n, share) for share in shares]
    left, right = (side for side in sides if side is not None)
    ours = sum(known[i][left[:, i]] for i in range(half))
    theirs = sum(known[half + i][right[:, i]] for i in range(right.shape[1]))
    pairs = _pairs(left.sum(axis=1), np.asarray(ours), n - right.sum(axis=1), value - theirs)
    if not pairs:
        return None
    found = np.array([[*left[i], *right[j]] for i, j in pairs])
    return [(int(c.min()), int(c.max())) for c in found.T]


def _pairs(
    sums: np.ndarray, values: np.ndarray, wanted_sums: np.ndarray, wanted: np.ndarray
) -> list[tuple[int, int]]:
    order = np.lexsort((values, sums))
    starts = np.searchsorted(sums[order], np.arange(sums.max() + 2))
    found: list[tuple[int, int]] = []
    for total in np.unique(wanted_sums):
        rows = order[starts[total] : starts[total + 1]]
        others = np.flatnonzero(wanted_sums == total)
        low = np.searchsorted(values[rows], wanted[others] - _SAME)
        high = np.searchsorted(values[rows], wanted[others] + _SAME)
        for at in np.flatnonzero(high > low):
            found += [(int(rows[k]), int(others[at])) for k in range(low[at], high[at])]
    return found


Values = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(shares of many sets, one a row; shares of the one that is known) → a statistic of each."""


def mahalanobis(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Standardised difference of categories from a known set (Yang & Dalton)."""
    # Any one category can be left out that is used, and one of the known set's is.
    kept = np.arange(reference.size) != int(np.argmax(reference))
    p, q = shares[:, kept], reference[kept]
    covariance = -(p[:, :, None] * p[:, None, :] + q[:, None] * q[None, :])
    at = np.arange(q.size)
    # What nobody is in has no variance and no difference.
    covariance[:, at, at] += p + q + 2 * ((p + q) == 0)
    solved = np.linalg.pinv(covariance / 2) @ (p - q)[:, :, None]
    squared = ((p - q)[:, None, :] @ solved)[:, 0, 0]
    made: np.ndarray = np.sqrt(np.maximum(squared, 0))
    return made


def largest_gap(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Kolmogorov and Smirnov's statistic over ordered levels."""
    gaps = np.cumsum(shares, axis=1) - np.cumsum(reference)
    made: np.ndarray = np.abs(gaps).max(axis=1)
    return made


def first_share_gap(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """How far a share has moved."""
    made: np.ndarray = np.abs(shares[:, 0] - reference[0])
    return made


def effective_share(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Kish's effective size of the known set, weighted to each other, as a share of its size."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(shares > 0, shares**2 / reference, 0.0)
        made: np.ndarray = 1 / parts.sum(axis=1)
    return made


def counts_tried(
    value: float, n: int, reference: Sequence[float], values: Values
) -> list[tuple[int, int]] | None:
    """Find which counts of n have a statistic that is no sum over levels: fewest and most of each.

    Every way to part n is tried. None where there are too many, or where no counts have it.
    """
    tried = partings(n, len(reference) - 1)
    if n == 0 or tried is None or not sum(reference):
        return None
    counts = np.column_stack([tried, n - tried.sum(axis=1)])
    shares = np.asarray(reference, dtype=float) / sum(reference)
    made = values(counts / n, shares)
    found = counts[np.abs(made - value) < _ALIKE]
    return [(int(c.min()), int(c.max())) for c in found.T] if found.size else None
