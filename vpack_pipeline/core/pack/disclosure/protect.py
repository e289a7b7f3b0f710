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

DEAR: Final = 2
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


@dataclass(frozen=True, slots=True)
class Determined:
    """Hidden counts of a single value: by the equations alone, or by what else is known of them."""

    solved: set[Variable]
    narrowed: set[Variable]


def protect(
    values: Mapping[Variable, int],
    equations: Iterable[Equation],
    small: Iterable[Variable],
    *,
    smallest_cell: int,
    unprinted: Iterable[Variable] = (),
    ranks: Mapping[Variable, int] | None = None,
) -> Hidden:
    """Hide counts until no small one can be computed.

    Parameters
    ----------
    values : every count, those that are never printed too
    equations : candidate sums; only those that hold in ``values`` are known to an attacker
    small : counts of 1 to ``smallest_cell`` - 1
    unprinted : counts that stand in no cell, such as those without the event
    ranks : how much a reader needs a count: lower ranks are hidden first, :data:`DEAR` and above
        only where nothing else helps; 1 where it is not said

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
        _protect_part(values, part, hidden, secret, smallest_cell, ranks or {})
    return hidden


def _protect_part(
    values: Mapping[Variable, int],
    equations: Sequence[Equation],
    hidden: Hidden,
    secret: set[Variable],
    smallest_cell: int,
    ranks: Mapping[Variable, int],
) -> None:
    members = {v for e in equations for _, v in e.terms}
    while not secret.isdisjoint(members):
        # A small count stays secret even where its printed range was given up.
        known = determined(values, equations, hidden, smallest_cell)
        found = (known.solved | known.narrowed) & secret
        if not found:
            return
        target = min(found)
        near = {v for e in equations if any(v == target for _, v in e.terms) for _, v in e.terms}
        if not _hide_one(values, (near, members), hidden, ranks, is_solved=target in known.solved):
            return


def _hide_one(
    values: Mapping[Variable, int],
    reach: Sequence[set[Variable]],
    hidden: Hidden,
    ranks: Mapping[Variable, int],
    *,
    is_solved: bool,
) -> bool:
    """Hide one count more: the least needed in reach, then a printed range, then a dear count.

    Giving up a range does not help where the equations alone have one solution.
    """

    def need(variable: Variable) -> tuple[int, bool, int, Variable]:
        # Of equal rank a zero is hidden last: it is often known to be none.
        return ranks.get(variable, 1), values[variable] == 0, values[variable], variable

    for members in reach:
        visible = [v for v in members - hidden.all if ranks.get(v, 1) < DEAR]
        if visible:
            hidden.complement.add(min(visible, key=need))
            return True
    for members in () if is_solved else reach:
        ranges = members & hidden.small
        if ranges:
            hidden.small -= ranges
            hidden.complement |= ranges
            return True
    left = [sorted(members - hidden.all, key=need) for members in reach]
    last = [v for members in left for v in members][:1]
    hidden.complement |= set(last)
    return bool(last)


def determined(
    values: Mapping[Variable, int],
    equations: Sequence[Equation],
    hidden: Hidden,
    smallest_cell: int,
) -> Determined:
    """Find the hidden counts that the printed ones leave a single value."""
    equations = [e for e in equations if any(v in hidden.all for _, v in e.terms)]
    unknown = sorted({v for e in equations for _, v in e.terms} & hidden.all)
    if not unknown:
        return Determined(set(), set())
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
    return Determined(
        {v for v, is_solved in zip(unknown, _solved(matrix), strict=True) if is_solved},
        {v for v, width in zip(unknown, high - low, strict=True) if width < 0.5},
    )


def _solved(matrix: np.ndarray) -> np.ndarray:
    """Tell which unknowns have no freedom: their row of the null space is zero."""
    _, singular, right = np.linalg.svd(matrix, full_matrices=True)
    rank = int((singular > _TOLERANCE * max(matrix.shape)).sum())
    freedom = right[rank:].T
    solved: np.ndarray = (np.abs(freedom) < 1e-7).all(axis=1)
    return solved


def _narrow(matrix: np.ndarray, rest: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Tighten bounds, equation by equation, until nothing moves (at most 50 rounds)."""
    rows = [(np.flatnonzero(row), row[np.flatnonzero(row)]) for row in matrix]
    for _ in range(50):
        before = (low.copy(), high.copy())
        for (where, factors), total in zip(rows, rest, strict=True):
            ends = np.sort(np.stack([factors * low[where], factors * high[where]]), axis=0)
            least, most = ends[0].sum() - ends[0], ends[1].sum() - ends[1]
            bounds = np.sort(
                np.stack([(total - most) / factors, (total - least) / factors]), axis=0
            )
            low[where] = np.maximum(low[where], np.ceil(bounds[0] - 1e-6))
            high[where] = np.minimum(high[where], np.floor(bounds[1] + 1e-6))
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
