"""Small cells: hidden once, here, so that none can be read or computed from a pack.

Warehouse tables are whole; ``pack/report`` and the exported ``tables/`` are not. Counts of 1 to the
smallest cell less one are printed as ``<11``; further counts are hidden where a small one would
follow from them; a figure that rests on a hidden count is hidden with it. Sums *between* tables are
guarded only as far as totals go (see ``relations``). What does not belong here: texts (``text``).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from vpack_pipeline.contracts import Contract
from vpack_pipeline.core.pack.disclosure.protect import Hidden, protect
from vpack_pipeline.core.pack.disclosure.relations import System, build, rest_of

SMALL: Final = "small"
"""The count lies between 1 and the smallest cell less one, and is printed so."""
HIDDEN: Final = "hidden"
"""A small count could be computed from it."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A table fit for print: hidden cells are null, and ``marks`` says which and why.

    ``marks`` has the frame's rows and columns: ``small``, ``hidden`` or null. ``ranges`` holds, by
    row number, the fewest and most events that a hidden share may rest on.
    """

    frame: pl.DataFrame
    marks: pl.DataFrame
    ranges: Mapping[int, tuple[int, int]]


def suppress(frame: pl.DataFrame, contract: Contract, smallest_cell: int) -> Suppressed:
    """Hide small cells, and what they could be computed from.

    Parameters
    ----------
    frame : a whole table of the contract
    smallest_cell : the fewest patients or cases that may be printed, >= 1; 0 is always printed

    Returns
    -------
    the table with hidden cells null, in the same order, and its marks
    """
    return _suppress(_Whole(frame, contract, smallest_cell))


class _Whole:
    """A table to be suppressed, equal to another of the same content.

    The report and the exported tables ask for the same table in one run; what takes seconds is
    done once.
    """

    def __init__(self, frame: pl.DataFrame, contract: Contract, smallest_cell: int) -> None:
        self.frame, self.contract, self.smallest_cell = frame, contract, smallest_cell
        content = hashlib.sha256(frame.write_ipc(None).getvalue()).hexdigest()
        self._identity = (contract.digest, smallest_cell, content)

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Whole) and self._identity == other._identity


@functools.lru_cache(maxsize=128)
def _suppress(whole: _Whole) -> Suppressed:
    frame, contract, smallest_cell = whole.frame, whole.contract, whole.smallest_cell
    marks: dict[str, list[str | None]] = {c: [None] * frame.height for c in frame.columns}
    counts = [c.name for c in contract.columns if c.disclosure == "count"]
    figures = [c.name for c in contract.columns if c.disclosure == "figure"]
    ranges: Mapping[int, tuple[int, int]] = {}
    if counts and smallest_cell > 1:
        system = build(frame, counts, contract.asset, contract.key, smallest_cell)
        hidden = _hide(system, smallest_cell)
        _mark_counts(system, hidden, marks)
        ranges = _ranges(system, hidden, smallest_cell)
        _mark_figures(frame, counts, figures, marks)
    marked = pl.DataFrame(marks, schema=dict.fromkeys(frame.columns, pl.String))
    shown = [
        pl.when(marked[name].is_null()).then(frame[name]).otherwise(None).alias(name)
        for name in frame.columns
    ]
    return Suppressed(frame.select(shown), marked, ranges)


def _hide(system: System, smallest_cell: int) -> Hidden:
    small = {
        v
        for v, count in system.values.items()
        if 0 < count < smallest_cell and v[0] != "slack"
    }
    printed = set(system.cells.values())
    # That few are without the event is said by the range of the share.
    ranged = {v for v in small if v[0] == "rest"}
    return protect(
        system.values,
        system.equations,
        small,
        smallest_cell=smallest_cell,
        unprinted=set(system.values) - printed - ranged,
        ranks=system.ranks,
    )


def _mark_counts(system: System, hidden: Hidden, marks: dict[str, list[str | None]]) -> None:
    for (i, column), variable in system.cells.items():
        if variable in hidden.small:
            marks[column][i] = SMALL
        elif variable in hidden.complement:
            marks[column][i] = HIDDEN
    for i, column in system.barred:
        marks[column][i] = HIDDEN


def _ranges(system: System, hidden: Hidden, smallest_cell: int) -> dict[int, tuple[int, int]]:
    found = {}
    for (i, column), variable in system.cells.items():
        n = system.cells.get((i, "n"))
        if column != "events" or n is None or n in hidden.all or (i, "n") in system.barred:
            continue
        whole = system.values[n]
        if variable in hidden.small:
            found[i] = (1, smallest_cell - 1)
        elif variable in hidden.complement and rest_of(i) in hidden.small:
            found[i] = (whole - smallest_cell + 1, whole - 1)
    return found


def _mark_figures(
    frame: pl.DataFrame,
    counts: Sequence[str],
    figures: Iterable[str],
    marks: dict[str, list[str | None]],
) -> None:
    """Hide a row's figures where a count of the row is hidden: they could give it away.

    A count that stands as a figure is its row's ``events`` and hidden with those alone.
    """
    has_events = {"estimate", "events"} <= set(frame.columns)
    for i in range(frame.height):
        is_count = has_events and frame["estimate"][i] == frame["events"][i]
        rests_on = ("events",) if is_count else counts
        for name in figures:
            if any(marks[c][i] is not None for c in rests_on):
                marks[name][i] = HIDDEN


__all__ = ["HIDDEN", "SMALL", "Suppressed", "suppress"]
