"""The counts of all tables of a pack as one system: what one table hides, no other gives away.

Cells of several tables that hold the same count become one variable; differences between tables
that come to a few cases become secrets of their own. What does not belong here: the sums within a
table (``relations``), which counts of which tables are one (``links``), what is hidden
(``protect``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vpack_pipeline.core.pack.disclosure.protect import Equation, Variable
from vpack_pipeline.core.pack.disclosure.system import Row

Place = tuple[str, int, str]
"""Asset, row number and column."""
BASES: Final = ("evaluation/performance", "evaluation/operating_points", "evaluation/subgroups")
"""Tables whose counts the others repeat, the first named first."""


@dataclass(slots=True)
class Joint:
    """The variables of all tables, those of equal meaning made one."""

    smallest_cell: int
    rows: Mapping[str, Sequence[Row]]
    cells: dict[Place, Variable] = field(default_factory=dict)
    values: dict[Variable, int] = field(default_factory=dict)
    equations: list[Equation] = field(default_factory=list)
    ranks: dict[Variable, int] = field(default_factory=dict)
    _same: dict[Variable, Variable] = field(default_factory=dict)

    def find(self, variable: Variable) -> Variable:
        """Give the variable that stands for all of the same meaning."""
        while variable in self._same:
            variable = self._same[variable]
        return variable

    def unite(self, one: Variable, other: Variable) -> None:
        """Say that two variables are the same count; unlike values stay apart."""
        one, other = self.find(one), self.find(other)
        if one != other and self.values[one] == self.values[other]:
            self._same[other] = one
            self.ranks[one] = max(self.ranks.get(one, 1), self.ranks.get(other, 1))

    def add(self, terms: Sequence[tuple[int, Variable]], total: int = 0) -> None:
        """Add a sum that a reader of several tables may know."""
        self.equations.append(Equation(tuple(terms), total))

    def apart(self, one: Variable, other: Variable) -> None:
        """Guard the difference of two counts where it is small."""
        larger, smaller = sorted((one, other), key=lambda v: self.values[v], reverse=True)
        gap = self.values[larger] - self.values[smaller]
        if 0 < gap < self.smallest_cell:
            rest: Variable = ("apart", *larger, *smaller)
            self.values[rest] = gap
            self.add([(1, smaller), (1, rest), (-1, larger)])

    def copies(self, hidden: set[Variable]) -> set[Variable]:
        """Find the counts that show in another table what is hidden in one."""
        known = {self.find(v) for v in hidden if v[0] in BASES}
        # Other tables copy the primary analysis: what that prints is no secret in them.
        printed = {
            v
            for (asset, i, _), v in self.cells.items()
            if asset in BASES and v not in hidden and _is_primary(self.rows[asset][i])
        }
        known -= {self.find(v) for v in printed}
        return {
            v
            for v in self.values
            if v not in hidden and v[0] not in BASES and self.find(v) in known
        }

    def close(self) -> None:
        """Write every sum in the variables that stand for the others."""
        self.cells = {place: self.find(v) for place, v in self.cells.items()}
        self.ranks = {self.find(v): self.ranks.get(self.find(v), r) for v, r in self.ranks.items()}
        written = dict.fromkeys(
            Equation(tuple((c, self.find(v)) for c, v in e.terms), e.total) for e in self.equations
        )
        self.equations = list(written)
        self.values = {v: n for v, n in self.values.items() if v not in self._same}
        self._same = {}


def _is_primary(row: Row) -> bool:
    is_whole = str(row.get("stratum", "all")) == "all"
    return is_whole and row.get("analysis", "intention_to_diagnose") == "intention_to_diagnose"
