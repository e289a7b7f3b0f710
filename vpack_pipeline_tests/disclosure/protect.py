"""Which further counts must be hidden so that a small one cannot be computed from the others.

Counts are variables of a linear system: a hidden small count is safe while the printed counts leave
it more than one value. Both attacks are tried: solving the equations, and narrowing intervals from
what is known of a hidden count (1 to the smallest cell less one, where printed as such). What does
not belong here: which equations hold in which table (``relations``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Variable = tuple[str | int, ...]

DEAR: Final = 2
_PRIME: Final = 2**61 - 1
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

    def __contains__(self, variable: Variable) -> bool:
        """Whether a count is hidden."""
        return variable in self.small or variable in self.complement


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
    hidden = Hidden(secret - absent, set(absent))
    search = _Search(values, known, hidden, smallest_cell, ranks or {})
    queue = sorted(secret, key=_order, reverse=True)
    done: set[Variable] = set()
    while queue:
        start = queue.pop()
        if start in done:
            continue
        members = search.reach(start)
        found = search.single_valued(members) & secret
        # Each step hides a count or gives up a range, so that the search ends.
        if found and search.hide_more(found, members):
            done -= members
            queue.append(start)
        else:
            done |= members
    search.show_needless(secret, absent)
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
        found, queue = {start}, [start]
        while queue:
            for i in self._uses.get(queue.pop(), ()):
                for _, variable in self.equations[i].terms:
                    if variable not in found and variable in self.hidden:
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

    def hide_more(self, found: set[Variable], members: set[Variable]) -> bool:
        """Hide one count more for each that is found, but one only for those side by side."""
        touched: set[Variable] = set()
        helped = False
        for target in sorted(found, key=_order):
            near = {v for e in self._around([target]) for _, v in e.terms}
            if near.isdisjoint(touched):
                before = set(self.hidden.complement)
                helped |= self.hide_one(target, members)
                touched |= (self.hidden.complement - before) | {target}
        return helped

    def hide_one(self, target: Variable, members: set[Variable]) -> bool:
        """Hide one count more: the least needed in reach, then a printed range, then a dear count.

        Giving up a range does not help where the equations alone have one solution.
        """
        hidden = self.hidden
        reach = [
            {v for e in self._around(start) for _, v in e.terms} for start in ([target], members)
        ]
        for near in reach:
            visible = [v for v in near if v not in hidden and self.ranks.get(v, 1) < DEAR]
            if visible:
                hidden.complement.add(min(visible, key=self._need))
                return True
        for near in () if target in self._solved else reach:
            ranges = near & hidden.small
            if ranges:
                hidden.small -= ranges
                hidden.complement |= ranges
                return True
        left = [sorted((v for v in near if v not in hidden), key=self._need) for near in reach]
        last = [v for near in left for v in near][:1]
        hidden.complement |= set(last)
        return bool(last)

    def show_needless(self, secret: set[Variable], absent: set[Variable]) -> None:
        """Show again what was hidden on the way and guards nothing, the most needed first."""
        hidden = self.hidden
        told: set[Variable] = set()
        for members in self._apart(hidden.complement - absent):
            told |= self.single_valued(members) & secret
            # What follows from the printed counts anyhow is no secret to keep.
            hidden.complement -= self._solved - secret - absent
        spare = hidden.complement - secret - absent
        for variable in sorted(spare, key=self._need, reverse=True):
            if self._is_only_guard(variable, secret):
                continue
            hidden.complement.discard(variable)
            near = {v for e in self._around([variable]) for _, v in e.terms if v in hidden}
            for members in self._apart(near):
                if self.single_valued(members) & secret - told:
                    hidden.complement.add(variable)
                    break

    def _apart(self, starts: Iterable[Variable]) -> Iterator[set[Variable]]:
        """Give the hidden counts that hang together with some, once each."""
        seen: set[Variable] = set()
        for start in sorted(starts, key=_order):
            if start not in seen:
                members = self.reach(start)
                seen |= members
                yield members

    def _is_only_guard(self, variable: Variable, secret: set[Variable]) -> bool:
        """Whether a secret stands alone with it in a sum, and would follow at once."""
        for equation in self._around([variable]):
            others = {v for _, v in equation.terms if v in self.hidden} - {variable}
            if len(others) == 1 and others <= secret:
                return True
        return False

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
    rows, rest = [], []
    for equation in equations:
        row: dict[Variable, int] = {}
        total = equation.total
        for coefficient, variable in equation.terms:
            if variable in hidden:
                row[variable] = row.get(variable, 0) + coefficient
            else:
                total -= coefficient * values[variable]
        if row:
            rows.append({v: c for v, c in row.items() if c})
            rest.append(total)
    unknown = sorted({v for row in rows for v in row}, key=_order)
    low = {v: 1 if v in hidden.small else 0 for v in unknown}
    high = {v: smallest_cell - 1 if v in hidden.small else _UNBOUNDED for v in unknown}
    _narrow(rows, rest, low, high)
    return Determined(_solved(rows), {v for v in unknown if high[v] <= low[v]})


def _order(variable: Variable) -> tuple[str, ...]:
    return tuple(map(str, variable))


def _solved(rows: Sequence[Mapping[Variable, int]]) -> set[Variable]:
    """Find the unknowns of one solution: Gauss-Jordan on sparse rows, modulo a large prime.

    A rank is lost only where a minor is a multiple of the prime, which then hides too little by
    a chance of the order of 1 in 10^18.
    """
    pivots: dict[Variable, dict[Variable, int]] = {}
    uses: dict[Variable, set[Variable]] = {}
    for given in rows:
        row = {v: c % _PRIME for v, c in given.items()}
        for variable in [v for v in row if v in pivots]:
            _subtract(row, pivots[variable], row[variable])
        if not row:
            continue
        pivot = min(row, key=lambda v: len(uses.get(v, ())))
        scale = pow(row[pivot], -1, _PRIME)
        row = {v: c * scale % _PRIME for v, c in row.items()}
        for other in list(uses.get(pivot, ())):
            before = set(pivots[other])
            _subtract(pivots[other], row, pivots[other][pivot])
            for variable in before - pivots[other].keys():
                uses[variable].discard(other)
            for variable in pivots[other].keys() - before:
                uses.setdefault(variable, set()).add(other)
        pivots[pivot] = row
        for variable in row:
            uses.setdefault(variable, set()).add(pivot)
    return {v for v, row in pivots.items() if len(row) == 1}


def _subtract(row: dict[Variable, int], other: Mapping[Variable, int], factor: int) -> None:
    for variable, coefficient in other.items():
        left = (row.get(variable, 0) - factor * coefficient) % _PRIME
        if left:
            row[variable] = left
        else:
            row.pop(variable, None)


def _narrow(
    rows: Sequence[Mapping[Variable, int]],
    rest: Sequence[int],
    low: dict[Variable, int],
    high: dict[Variable, int],
) -> None:
    """Tighten bounds, equation by equation, until nothing moves (at most 50 visits to each)."""
    uses: dict[Variable, list[int]] = {}
    for i, row in enumerate(rows):
        for variable in row:
            uses.setdefault(variable, []).append(i)
    queue, visits = deque(range(len(rows))), [0] * len(rows)
    waiting = set(queue)
    while queue:
        i = queue.popleft()
        waiting.discard(i)
        visits[i] += 1
        for variable in _tighten(rows[i], rest[i], low, high):
            for j in uses[variable]:
                if j not in waiting and visits[j] < 50:
                    waiting.add(j)
                    queue.append(j)


def _tighten(
    row: Mapping[Variable, int], total: int, low: dict[Variable, int], high: dict[Variable, int]
) -> list[Variable]:
    """Give the unknowns of an equation whose bounds it moves."""
    ends = {
        v: (c * low[v], c * high[v]) if c > 0 else (c * high[v], c * low[v]) for v, c in row.items()
    }
    least, most = sum(e[0] for e in ends.values()), sum(e[1] for e in ends.values())
    moved = []
    for variable, factor in row.items():
        one, other = total - (most - ends[variable][1]), total - (least - ends[variable][0])
        if factor < 0:
            one, other = -other, -one
        size = abs(factor)
        bottom, top = -(-one // size), other // size
        if bottom > low[variable] or top < high[variable]:
            low[variable] = max(low[variable], bottom)
            high[variable] = min(high[variable], top)
            moved.append(variable)
    return moved
