"""Which counts of which table add up to which, so that hiding one alone would hide nothing.

A table's count cells are variables; cells that always hold the same count share one. Sums are only
candidates: those that do not hold in the data are no help to an attacker and are left out. Totals
that stand elsewhere in a pack are taken as known. What does not belong here: the sums that a single
table has (``own_sums``), what is hidden (``protect``).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from vpack_pipeline.core.pack.disclosure.own_sums import OWN_VARIABLES, RELATIONS
from vpack_pipeline.core.pack.disclosure.protect import Variable
from vpack_pipeline.core.pack.disclosure.system import Cell, Row, System, bind_figures, totals

_OVERLAPPING = ("cut", "pair", "without", "error_correlation")
"""Strata on readers that hold the same cases over and over: they make up no whole."""

_OF_COUNTED_REST = ("label_usable",)
"""Metrics whose rest is made up of counts that are rows of their own, each guarded as such."""


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
        bind_figures(system, rows, [k for k in keys if k != "metric"])
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


def _complements(system: System, rows: Sequence[Row]) -> None:
    """Those without the event: never printed, and there by subtraction."""
    for i in range(len(rows)):
        n, events = system.cells.get((i, "n")), system.cells.get((i, "events"))
        if n is None or events is None or n == events or system.values[n] < system.values[events]:
            continue
        if rows[i]["metric"] in _OF_COUNTED_REST:
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
            is_part = level not in ("", "*") and variable not in _OVERLAPPING
            if is_part and (i, column) in system.cells:
                group = (variable, column, *(str(row[k]) for k in keys))
                parts.setdefault(group, []).append((i, column))
    totals(system, parts.values())
