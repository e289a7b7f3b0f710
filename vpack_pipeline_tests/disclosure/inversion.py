"""Counts back from floats, by brute force: what a share, a divergence or an index gives away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb

import numpy as np

FLOOR = 1e-4
"""What a share counts as at least, in an index of stability."""
MOST_TRIED = 2_000_000
"""Ways to part a whole that are still tried."""
_ALIKE = 1e-9
_SAME = 1e-12
"""Floats of one statistic differ by less, in whatever order it is summed up."""
_Z = 1.959963984540054


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


def effective_size(share: float, lower: float, upper: float) -> float | None:
    """Find the size behind Wilson's 95% interval of a share: no more than were counted.

    >>> round(effective_size(0.3, 0.1456, 0.5190) or 0)
    20
    """

    def width(n: float) -> float:
        return float(
            2 * _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
        )

    low, high = 1e-3, 1e9
    if not width(high) < upper - lower < width(low):
        return None
    for _ in range(200):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if width(middle) > upper - lower else (low, middle)
    return low


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
