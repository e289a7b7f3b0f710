"""The counts of a table as variables, and the sums that every table of figures has.

Metrics of one two-by-two table share its counts. What does not belong here: the sums of one table
alone (``own_sums``), what is hidden (``protect``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

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


def difference(system: System, one: Variable, other: Variable) -> None:
    """Say that two counts of much the same cases differ by a count that may be small."""
    larger, smaller = sorted((one, other), key=lambda v: system.values[v], reverse=True)
    apart: Variable = ("apart", *larger, *smaller)
    system.values[apart] = system.values[larger] - system.values[smaller]
    system.add([(1, smaller), (1, apart), (-1, larger)])


FIGURE_ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "sensitivity": ("positives", "tp"),
    "specificity": ("negatives", "tn"),
    "ppv": ("flagged", "tp"),
    "npv": ("unflagged", "tn"),
    "prevalence": ("decided", "positives"),
    "missed_per_1000": ("decided", "fn"),
    "false_alarms_per_1000": ("decided", "fp"),
    "auc": ("decided", "positives"),
    "tp": ("decided", "tp"),
    "fp": ("decided", "fp"),
    "fn": ("decided", "fn"),
    "tn": ("decided", "tn"),
    "n_positive": ("mature", "positives"),
    "n_negative": ("mature", "negatives"),
    "n_indeterminate": ("mature", "indeterminates"),
    "n_undecided": ("mature", "undecided"),
    "n_cases": ("included", "mature"),
    "n_immature": ("included", "immature"),
    "n_failed": ("mature", "failed"),
    "flagged_per_1000": ("mature", "all_flagged"),
    "indeterminate_flagged": ("mature", "indeterminate_flagged"),
    "indeterminate_unflagged": ("mature", "indeterminate_unflagged"),
    "unlabelled_flagged": ("mature", "unlabelled_flagged"),
    "unlabelled_unflagged": ("mature", "unlabelled_unflagged"),
}
"""Metric → what its ``n`` and its ``events`` count; cells that disagree stay on their own."""

_TWO_BY_TWO: Final = (
    ("positives", "tp", "fn"),
    ("negatives", "tn", "fp"),
    ("flagged", "tp", "fp"),
    ("unflagged", "fn", "tn"),
    ("decided", "positives", "negatives"),
    ("included", "mature", "immature"),
    ("mature", "all_flagged", "all_unflagged"),
    ("indeterminates", "indeterminate_flagged", "indeterminate_unflagged"),
    ("undecided", "unlabelled_flagged", "unlabelled_unflagged"),
)
_PARTED: Final = (
    ("mature", "positives", "negatives", "indeterminates", "undecided"),
    ("all_flagged", "flagged", "indeterminate_flagged", "unlabelled_flagged"),
    ("all_unflagged", "unflagged", "indeterminate_unflagged", "unlabelled_unflagged"),
)
_RANKS: Final = {
    "positives": 4,
    "negatives": 4,
    "decided": 4,
    "mature": 3,
    "tp": 2,
    "tn": 2,
    "fn": 2,
    "fp": 2,
    "immature": 0,
    "undecided": 0,
    "indeterminates": 0,
    "all_flagged": 3,
}
"""How much a reader needs a count; see ``protect``."""


def bind_figures(system: System, rows: Sequence[Row], keys: Sequence[str]) -> None:
    """Share the counts of a two-by-two table between the metrics that rest on it."""
    groups: set[Variable] = set()
    for i, row in enumerate(rows):
        group: Variable = tuple(str(row[k]) for k in keys)
        roles = FIGURE_ROLES.get(row["metric"], ())
        for column, role in zip(("n", "events"), roles, strict=False):
            if row[column] is not None:
                groups.add(group)
                system.bind((i, column), (*group, role), int(row[column]))
                system.ranks[(*group, role)] = _RANKS.get(role, 1)
    for group in sorted(groups):
        infer(system.values, group)
        for total, *parts in (*_TWO_BY_TWO, *_PARTED):
            system.add([*((1, (*group, part)) for part in parts), (-1, (*group, total))])


def infer(values: dict[Variable, int], group: Variable) -> None:
    """Work out the cells that are not printed: a reader can."""
    for _ in _TWO_BY_TWO:
        for total, one, other in _TWO_BY_TWO:
            a, b, c = ((*group, role) for role in (total, one, other))
            known = [v in values for v in (a, b, c)]
            if known == [True, True, False]:
                values[c] = values[a] - values[b]
            elif known == [True, False, True]:
                values[b] = values[a] - values[c]
            elif known == [False, True, True]:
                values[a] = values[b] + values[c]
