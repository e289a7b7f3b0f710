"""Which further counts must be hidden so that a small one cannot be computed from the others.

Counts are variables of a linear system: a hidden small count is safe while the printed counts leave
it more than one value. Both attacks are tried: solving the equations, and narrowing intervals from
what is known of a hidden count (1 to the smallest cell less one, where printed as such). What does
not belong here: which equations hold in which table (``relations``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

Variable = tuple[str | int, ...]

_TOLERANCE: Final = 1e-9
_UNBOUNDED: Final = 10**12


@dataclass(frozen=True, slots=True)
class Equation:
    """A sum that an attacker knows: Σ coefficient × variable = ``total``."""

    terms: tuple[tuple[int, Variable], ...]
    total: int = 0

    def holds(self, values: Mapping[Variable, int]) -> bool:
        """Whether every count is known and the sum is so in the data."""
        if any(v not in values for _, v in self.terms):
            return False
        return sum(c * values[v] for c, v in self.terms) == self.total


@dataclass(slots=True)
class Hidden:
    """What is hidden: ``small`` is printed as a range, ``complement`` as nothing at all."""

    small: set[Variable]
    complement: set[Variable] = field(default_factory=set)

    @property
    def all(self) -> set[Variable]:
        """Every hidden count."""
        return self.small | self.complement


def protect(
    values: Mapping[Variable, int],
    equations: Iterable[Equation],
    small: Iterable[Variable],
    *,
    smallest_cell: int,
    unprinted: Iterable[Variable] = (),
    dear: frozenset[Variable] = frozenset(),
) -> Hidden:
    """Hide counts until no small one can be computed.

    Parameters
    ----------
    values : every count, those that are never printed too
    equations : candidate sums; only those that hold in ``values`` are known to an attacker
    small : counts of 1 to ``smallest_cell`` - 1
    unprinted : counts that stand in no cell, such as those without the event
    dear : counts that are hidden last, since a reader needs them most

    Returns
    -------
    the hidden counts

    Examples
    --------
    >>> a, b, c = ("a",), ("b",), ("c",)
    >>> rows = Equation(((1, a), (1, b), (1, c)), 103)
    >>> hidden = protect({a: 3, b: 40, c: 60}, [rows], [a], smallest_cell=11)
    >>> hidden.small, hidden.complement
    ({('a',)}, {('b',)})
    """
    known = [e for e in equations if e.holds(values)]
    secret, absent = set(small), set(unprinted)
    hidden = Hidden(secret - absent, absent)
    for part in _components(known):
        _protect_part(values, part, hidden, secret, smallest_cell, dear)
    return hidden


def _protect_part(
    values: Mapping[Variable, int],
    equations: Sequence[Equation],
    hidden: Hidden,
    secret: set[Variable],
    smallest_cell: int,
    dear: frozenset[Variable],
) -> None:
    members = {v for e in equations for _, v in e.terms}
    while True:
        # A small count stays secret even where its printed range was given up.
        found = determined(values, equations, hidden, smallest_cell) & secret
        if not found:
            return
        target = min(found)
        near = {v for e in equations if any(v == target for _, v in e.terms) for _, v in e.terms}
        if not _hide_one(values, (near, members), hidden, dear):
            return


def _hide_one(
    values: Mapping[Variable, int],
    reach: Sequence[set[Variable]],
    hidden: Hidden,
    dear: frozenset[Variable],
) -> bool:
    """Hide one count more: the smallest in reach, else a printed range, else a dear count."""
    for members in reach:
        visible = members - hidden.all - dear
        if visible:
            # A zero is hidden last: it is often known to be none.
            hidden.complement.add(min(visible, key=lambda v: (values[v] == 0, values[v], v)))
            return True
    for members in reach:
        ranges = members & hidden.small
        if ranges:
            hidden.small -= ranges
            hidden.complement |= ranges
            return True
    left = sorted(reach[-1] & dear - hidden.all)
    hidden.complement |= set(left[:1])
    return bool(left)


def determined(
    values: Mapping[Variable, int],
    equations: Sequence[Equation],
    hidden: Hidden,
    smallest_cell: int,
) -> set[Variable]:
    """Find the hidden counts that the printed ones leave a single value."""
    unknown = sorted({v for e in equations for _, v in e.terms} & hidden.all)
    if not unknown:
        return set()
    position = {v: i for i, v in enumerate(unknown)}
    matrix = np.zeros((len(equations), len(unknown)))
    rest = np.zeros(len(equations))
    for i, equation in enumerate(equations):
        rest[i] = equation.total
        for coefficient, variable in equation.terms:
            if variable in position:
                matrix[i, position[variable]] += coefficient
            else:
                rest[i] -= coefficient * values[variable]
    low = np.array([1.0 if v in hidden.small else 0.0 for v in unknown])
    high = np.array(
        [smallest_cell - 1.0 if v in hidden.small else _UNBOUNDED for v in unknown], dtype=float
    )
    _narrow(matrix, rest, low, high)
    solved = _solved(matrix) | (high - low < 0.5)
    return {v for v, is_solved in zip(unknown, solved, strict=True) if is_solved}


def _solved(matrix: np.ndarray) -> np.ndarray:
    """Tell which unknowns have no freedom: their row of the null space is zero."""
    _, singular, right = np.linalg.svd(matrix, full_matrices=True)
    rank = int((singular > _TOLERANCE * max(matrix.shape)).sum())
    freedom = right[rank:].T
    solved: np.ndarray = (np.abs(freedom) < 1e-7).all(axis=1)
    return solved


def _narrow(matrix: np.ndarray, rest: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Tighten bounds, equation by equation, until nothing moves (at most 50 rounds)."""
    for _ in range(50):
        before = (low.copy(), high.copy())
        for row, total in zip(matrix, rest, strict=True):
            for j in np.flatnonzero(row):
                others = row.copy()
                others[j] = 0.0
                least = np.where(others > 0, others * low, others * high).sum()
                most = np.where(others > 0, others * high, others * low).sum()
                bounds = sorted(((total - most) / row[j], (total - least) / row[j]))
                low[j] = max(low[j], np.ceil(bounds[0] - 1e-6))
                high[j] = min(high[j], np.floor(bounds[1] + 1e-6))
        if np.array_equal(before[0], low) and np.array_equal(before[1], high):
            return


def _components(equations: Sequence[Equation]) -> list[list[Equation]]:
    """Split a system into parts that share no variable."""
    group: dict[Variable, int] = {}
    parts: dict[int, list[Equation]] = {}
    for i, equation in enumerate(equations):
        met = sorted({group[v] for _, v in equation.terms if v in group})
        parts[i] = [e for g in met for e in parts.pop(g)] + [equation]
        for member in parts[i]:
            for _, variable in member.terms:
                group[variable] = i
    return list(parts.values())
