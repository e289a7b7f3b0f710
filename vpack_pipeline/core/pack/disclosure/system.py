"""The counts of a table as variables and the sums between them: what an attacker may know.

What does not belong here: which sums there are (``relations``, ``own_sums``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vpack_pipeline.core.pack.disclosure.protect import Equation, Variable

Cell = tuple[int, str]
"""Row number and column."""
Row = Mapping[str, Any]


@dataclass(slots=True)
class System:
    """The counts of a table as variables, and the sums between them."""

    smallest_cell: int
    cells: dict[Cell, Variable] = field(default_factory=dict)
    values: dict[Variable, int] = field(default_factory=dict)
    equations: list[Equation] = field(default_factory=list)
    ranks: dict[Variable, int] = field(default_factory=dict)
    barred: set[Cell] = field(default_factory=set)
    """Cells that are hidden whatever their count: a small one follows from them beside others."""

    def bind(self, cell: Cell, variable: Variable, value: int) -> None:
        """Say that a cell shows a variable; one that shows another value stays on its own."""
        if self.values.setdefault(variable, value) != value:
            variable = ("cell", *cell)
            self.values[variable] = value
        self.cells[cell] = variable

    def add(self, terms: Sequence[tuple[int, Variable]], total: int = 0) -> None:
        """Add a sum that an attacker may know."""
        self.equations.append(Equation(tuple(terms), total))


Relation = Callable[[System, Sequence[Row]], None]


def totals(system: System, parts: Iterable[list[Cell]]) -> None:
    """Add the sums of cells whose total a reader finds elsewhere."""
    for cells in parts:
        total = sum(system.values[system.cells[c]] for c in cells)
        system.add([(1, system.cells[c]) for c in cells], total)
