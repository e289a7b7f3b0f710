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
    search = _Search(values, known, hidden, smallest_cell, ranks or {})
    queue = sorted(secret, key=_order, reverse=True)
    done: set[Variable] = set()
    while queue:
        start = queue.pop()
        if start in done:
            continue
        members = search.reach(start)
        found = search.single_valued(members) & secret
        # Each step hides one count or gives up one range, so that the search ends.
        if found and search.hide_one(min(found, key=_order), members):
            done -= members
            queue.append(start)
        else:
            done |= members
    return hidden


class _Search:
    """Hidden counts that hang together, and the printed ones around them."""

    def __init__(
        self,
        values: Mapping[Variable, int],
        equations: Sequence[Equation],
        hidden: Hidden,
        smallest_cell: int,
        ranks: Mapping[Variable, int],
    ) -> None:
        self.values, self.equations, self.hidden = values, equations, hidden
        self.smallest_cell, self.ranks = smallest_cell, ranks
        self._uses: dict[Variable, list[int]] = {}
        for i, equation in enumerate(equations):
            for _, variable in equation.terms:
                self._uses.setdefault(variable, []).append(i)

    def reach(self, start: Variable) -> set[Variable]:
        """Find the hidden counts that share equations with this one, directly or not.

        Equations whose other counts are printed say nothing of anything else.
        """
        everything = self.hidden.all
        found, queue = {start}, [start]
        while queue:
            for i in self._uses.get(queue.pop(), ()):
                for _, variable in self.equations[i].terms:
                    if variable in everything and variable not in found:
                        found.add(variable)
                        queue.append(variable)
        return found

    def single_valued(self, members: set[Variable]) -> set[Variable]:
        """Find those of the hidden counts that the printed ones leave a single value."""
        known = determined(self.values, self._around(members), self.hidden, self.smallest_cell)
        self._solved = known.solved
        return known.solved | known.narrowed

    def _around(self, members: Iterable[Variable]) -> list[Equation]:
        uses = sorted({i for v in members for i in self._uses.get(v, ())})
        return [self.equations[i] for i in uses]

    def hide_one(self, target: Variable, members: set[Variable]) -> bool:
        """Hide one count more: the least needed in reach, then a printed range, then a dear count.

        Giving up a range does not help where the equations alone have one solution.
        """
        hidden = self.hidden
        everything = hidden.all
        reach = [
            {v for e in self._around(start) for _, v in e.terms} for start in ([target], members)
        ]
        for near in reach:
            visible = [v for v in near - everything if self.ranks.get(v, 1) < DEAR]
            if visible:
                hidden.complement.add(min(visible, key=self._need))
                return True
        for near in () if target in self._solved else reach:
            ranges = near & hidden.small
            if ranges:
                hidden.small -= ranges
                hidden.complement |= ranges
                return True
        left = [sorted(near - everything, key=self._need) for near in reach]
        last = [v for near in left for v in near][:1]
        hidden.complement |= set(last)
        return bool(last)

    def _need(self, variable: Variable) -> tuple[int, bool, int, tuple[str, ...]]:
        # Of equal rank a zero is hidden last: it is often known to be none.
        value = self.values[variable]
        return self.ranks.get(variable, 1), value == 0, value, _order(variable)


def determined(
    values: Mapping[Variable, int],
    equations: Sequence[Equation],
    hidden: Hidden,
    smallest_cell: int,
) -> Determined:
    """Find the hidden counts that the printed ones leave a single value."""
    everything = hidden.all
    equations = [e for e in equations if any(v in everything for _, v in e.terms)]
    unknown = sorted({v for e in equations for _, v in e.terms} & everything, key=_order)
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


def _order(variable: Variable) -> tuple[str, ...]:
    return tuple(map(str, variable))


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
