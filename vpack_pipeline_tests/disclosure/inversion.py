"""Counts back from floats, by brute force: what a share, a divergence or an index gives away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

FLOOR = 1e-4
"""What a share counts as at least, in an index of stability."""
MOST_TRIED = 2_000_000
"""Ways to part a whole that are still tried."""
_ALIKE = 1e-9
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
    """List every way to part n into that many counts, one a row; None where there are too many."""
    ways = 1
    for k in range(1, parts):
        ways = ways * (n + k) // k
    if ways > MOST_TRIED:
        return None
    found = np.zeros((1, 0), dtype=np.int64)
    for _ in range(parts - 1):
        left = n - found.sum(axis=1)
        found = np.repeat(found, left + 1, axis=0)
        steps = np.concatenate([np.arange(k + 1) for k in left])
        found = np.column_stack([found, steps])
    return np.column_stack([found, n - found.sum(axis=1)])


def stability_index(counts: np.ndarray, reference: Sequence[float]) -> np.ndarray:
    """Index of each row of counts against the shares of a reference."""
    first = np.maximum(counts / counts.sum(axis=1, keepdims=True), FLOOR)
    second = np.maximum(np.asarray(reference) / np.sum(reference), FLOOR)
    index: np.ndarray = ((first - second) * np.log(first / second)).sum(axis=1)
    return index


def divergence(counts: np.ndarray, reference: Sequence[float]) -> np.ndarray:
    """Jensen–Shannon divergence in bits of each row of counts from the shares of a reference."""
    first = counts / counts.sum(axis=1, keepdims=True)
    second = np.broadcast_to(np.asarray(reference) / np.sum(reference), first.shape)
    middle = (first + second) / 2

    def half(shares: np.ndarray) -> np.ndarray:
        logs = np.log2(shares, where=shares > 0, out=np.zeros_like(middle))
        return (shares * (logs - np.log2(middle, where=middle > 0, out=np.zeros_like(middle)))).sum(
            axis=1
        )

    both: np.ndarray = (half(first) + half(np.ascontiguousarray(second))) / 2
    return both


def counts_behind(
    value: float,
    n: int,
    reference: Sequence[float],
    statistic: Callable[[np.ndarray, Sequence[float]], np.ndarray],
) -> list[tuple[int, int]] | None:
    """Find which counts of n have a statistic: the fewest and most of each; None if not tried."""
    tried = partings(n, len(reference))
    if tried is None or n == 0:
        return None
    fitting = tried[np.abs(statistic(tried, reference) - value) <= _ALIKE * max(1.0, abs(value))]
    if not len(fitting):
        return None
    return [(int(c.min()), int(c.max())) for c in fitting.T]
