"""Which counts of which table add up to which, so that hiding one alone would hide nothing.

A table's count cells are variables; cells that always hold the same count share one. Sums are only
candidates: those that do not hold in the data are no help to an attacker and are left out. Totals
that stand elsewhere in a pack are taken as known. What does not belong here: the sums that a single
table has (``own_sums``), what is hidden (``protect``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from vpack_pipeline.core.pack.disclosure.own_sums import OWN_VARIABLES, RELATIONS
from vpack_pipeline.core.pack.disclosure.protect import Variable
from vpack_pipeline.core.pack.disclosure.system import Cell, Row, System, totals

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
}
"""Metric → what its ``n`` and its ``events`` count; cells that disagree stay on their own."""

_TWO_BY_TWO: Final = (
    ("positives", "tp", "fn"),
    ("negatives", "tn", "fp"),
    ("flagged", "tp", "fp"),
    ("unflagged", "fn", "tn"),
    ("decided", "positives", "negatives"),
    ("included", "mature", "immature"),
)
_LABELS: Final = ("mature", "positives", "negatives", "indeterminates", "undecided")
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
}
"""How much a reader needs a count; see ``protect``."""


def build(
    frame: pl.DataFrame, counts: Sequence[str], asset: str, keys: Sequence[str], smallest_cell: int
) -> System:
    """Describe a table's counts.

    Parameters
    ----------
    counts : the columns that hold counts
    keys : the table's key
    """
    rows = frame.to_dicts()
    system = System(smallest_cell)
    is_figure = {"metric", "n", "events"} <= set(frame.columns)
    if is_figure and asset not in OWN_VARIABLES:
        _figures(system, rows, [k for k in keys if k != "metric"])
    if asset in RELATIONS:
        RELATIONS[asset](system, rows)
    for i, row in enumerate(rows):
        for column in counts:
            if (i, column) not in system.cells and row[column] is not None:
                system.bind((i, column), ("cell", i, column), int(row[column]))
    if is_figure:
        _complements(system, rows)
        _strata(system, rows, [k for k in keys if k != "stratum"])
    return system


def _figures(system: System, rows: Sequence[Row], keys: Sequence[str]) -> None:
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
        _infer(system.values, group)
        for total, *parts in (*_TWO_BY_TWO, _LABELS):
            system.add([*((1, (*group, part)) for part in parts), (-1, (*group, total))])


def _infer(values: dict[Variable, int], group: Variable) -> None:
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


def _complements(system: System, rows: Sequence[Row]) -> None:
    """Those without the event: never printed, and there by subtraction."""
    for i in range(len(rows)):
        n, events = system.cells.get((i, "n")), system.cells.get((i, "events"))
        if n is None or events is None or n == events or system.values[n] < system.values[events]:
            continue
        rest = rest_of(i)
        system.values[rest] = system.values[n] - system.values[events]
        system.add([(1, events), (1, rest), (-1, n)])


def rest_of(row: int) -> Variable:
    """Name those of a row's ``n`` who are not among its ``events``."""
    return ("rest", row)


def _strata(system: System, rows: Sequence[Row], keys: Sequence[str]) -> None:
    """The levels of a variable make up a whole that other tables print."""
    parts: dict[tuple[str, ...], list[Cell]] = {}
    for i, row in enumerate(rows):
        variable, _, level = str(row.get("stratum", "")).partition("=")
        for column in ("n", "events"):
            if level not in ("", "*") and (i, column) in system.cells:
                group = (variable, column, *(str(row[k]) for k in keys))
                parts.setdefault(group, []).append((i, column))
    totals(system, parts.values())
