"""Small cells: hidden once, here, so that none can be read or computed from a pack.

Warehouse tables are whole; ``pack/report`` and the exported ``tables/`` are not. Counts of 1 to the
smallest cell less one are printed as ``<11``; further counts are hidden where a small one would
follow from them, within a table (``relations``) or over several (``joint``); a figure that rests
on a hidden count is hidden with it. What does not belong here: texts (``text``).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from vpack_pipeline.contracts import Contract
from vpack_pipeline.core.pack.disclosure.joint import Joint
from vpack_pipeline.core.pack.disclosure.links import differences, join
from vpack_pipeline.core.pack.disclosure.protect import Hidden, protect
from vpack_pipeline.core.pack.disclosure.relations import build, rest_of
from vpack_pipeline.core.pack.disclosure.system import System

SMALL: Final = "small"
"""The count lies between 1 and the smallest cell less one, and is printed so."""
HIDDEN: Final = "hidden"
"""A small count could be computed from it."""
STATUS: Final = "hidden"
"""The status of a figure that is given in the warehouse and hidden in print."""
REASON: Final = "a count below {smallest} is hidden or could be computed"


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
    """Hide small cells of one table that stands alone; see :func:`suppress_all`."""
    return suppress_all({contract.asset: frame}, {contract.asset: contract}, smallest_cell)[
        contract.asset
    ]


def suppress_all(
    tables: Mapping[str, pl.DataFrame], contracts: Mapping[str, Contract], smallest_cell: int
) -> Mapping[str, Suppressed]:
    """Hide small cells of a pack's tables, and what they could be computed from.

    Within each table, and where one quantity stands in two; sums over several tables stay open.

    Parameters
    ----------
    tables : whole tables by asset; those that travel together must be given together
    contracts : those of the tables, at least
    smallest_cell : the fewest patients or cases that may be printed, >= 1; 0 is always printed

    Returns
    -------
    each table with hidden cells null, in the same order, and its marks; ``status`` of a figure
    that is hidden says so, and ``reason`` why
    """
    return _suppress(
        tuple(
            _Whole(frame, contracts[asset], smallest_cell)
            for asset, frame in sorted(tables.items())
        )
    )


class _Whole:
    """A table to be suppressed, equal to another of the same content.

    The report and the exported tables ask for the same tables in one run; what takes seconds is
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

    def columns(self, disclosure: str) -> list[str]:
        return [c.name for c in self.contract.columns if c.disclosure == disclosure]


Marks = dict[str, list[str | None]]


@functools.lru_cache(maxsize=128)
def _suppress(wholes: tuple[_Whole, ...]) -> Mapping[str, Suppressed]:
    marks: dict[str, Marks] = {
        w.contract.asset: {c: [None] * w.frame.height for c in w.frame.columns} for w in wholes
    }
    ranges: dict[str, Mapping[int, tuple[int, int]]] = {}
    smallest = wholes[0].smallest_cell if wholes else 1
    counted = {w.contract.asset: w for w in wholes if w.columns("count")}
    if counted and smallest > 1:
        systems = {
            asset: build(w.frame, w.columns("count"), asset, w.contract.key, smallest)
            for asset, w in counted.items()
        }
        rows = {asset: w.frame.to_dicts() for asset, w in counted.items()}
        joint = join(systems, rows, smallest)
        hidden = _hide(joint, smallest)
        for asset, system in systems.items():
            _mark_counts(joint, asset, system, hidden, marks[asset])
        for asset, system in systems.items():
            ranges[asset] = _ranges(joint, asset, system, hidden)
            whole = counted[asset]
            _mark_figures(
                rows[asset], whole.columns("count"), whole.columns("figure"), marks[asset]
            )
        _mark_differences(joint, marks)
    return {
        w.contract.asset: _shown(w, marks[w.contract.asset], ranges.get(w.contract.asset, {}))
        for w in wholes
    }


def _shown(whole: _Whole, marks: Marks, ranges: Mapping[int, tuple[int, int]]) -> Suppressed:
    frame = whole.frame
    marked = pl.DataFrame(marks, schema=dict.fromkeys(frame.columns, pl.String))
    shown = frame.select(
        pl.when(marked[name].is_null()).then(frame[name]).otherwise(None).alias(name)
        for name in frame.columns
    )
    if {"estimate", "status", "reason"} <= set(frame.columns):
        lost = marked["estimate"].is_not_null() & (frame["status"] == "given")
        why = pl.concat_str(
            [pl.col("reason"), pl.lit(REASON.format(smallest=whole.smallest_cell))],
            separator="; ",
            ignore_nulls=True,
        )
        shown = shown.with_columns(
            status=pl.when(lost).then(pl.lit(STATUS)).otherwise(pl.col("status")),
            reason=pl.when(lost).then(why).otherwise(pl.col("reason")),
        )
    return Suppressed(shown, marked, ranges)


def _hide(joint: Joint, smallest_cell: int) -> Hidden:
    small = {
        v for v, count in joint.values.items() if 0 < count < smallest_cell and "slack" not in v[:2]
    }
    printed = set(joint.cells.values())
    # That few are without the event is said by the range of the share.
    ranged = {v for v in small if v[1] == "rest"}
    hidden = protect(
        joint.values,
        joint.equations,
        small,
        smallest_cell=smallest_cell,
        unprinted=set(joint.values) - printed - ranged,
        ranks=joint.ranks,
    )
    hidden.complement |= joint.copies(hidden.all & printed)
    return hidden


def _mark_counts(joint: Joint, asset: str, system: System, hidden: Hidden, marks: Marks) -> None:
    for i, column in system.cells.keys() - system.barred:
        variable = joint.cells[asset, i, column]
        if variable in hidden.small:
            marks[column][i] = SMALL
        elif variable in hidden.complement:
            marks[column][i] = HIDDEN
    for i, column in system.barred:
        marks[column][i] = HIDDEN


def _ranges(joint: Joint, asset: str, system: System, hidden: Hidden) -> dict[int, tuple[int, int]]:
    found = {}
    everything = hidden.all
    for i, column in sorted(system.cells.keys() - system.barred):
        n = joint.cells.get((asset, i, "n"))
        if column != "events" or n is None or n in everything or (i, "n") in system.barred:
            continue
        variable, whole = joint.cells[asset, i, column], joint.values[n]
        if variable in hidden.small:
            found[i] = (1, joint.smallest_cell - 1)
        elif variable in hidden.complement and (asset, *rest_of(i)) in hidden.small:
            found[i] = (whole - joint.smallest_cell + 1, whole - 1)
    return found


def is_count_row(row: Mapping[str, Any]) -> bool:
    """Tell whether a figure is a count: its method or its metric's name says so."""
    if not {"metric", "events"} <= row.keys():
        return False
    metric = str(row["metric"])
    return row.get("method") == "count" or metric.startswith("n_") or metric == "violations"


def _mark_figures(
    rows: Sequence[Mapping[str, Any]], counts: Sequence[str], figures: Sequence[str], marks: Marks
) -> None:
    """Hide a row's figures where a count of the row is hidden: they could give it away.

    A count that stands as a figure is its row's ``events`` and hidden with those alone.
    """
    for i, row in enumerate(rows):
        is_count = is_count_row(row) and row["events"] is not None
        rests_on = ("events",) if is_count else counts
        if any(marks[c][i] is not None for c in rests_on):
            for name in figures:
                marks[name][i] = HIDDEN


def _mark_differences(joint: Joint, marks: Mapping[str, Marks]) -> None:
    """Hide a difference with either of its sides."""
    for (asset, i, _), sides in differences(joint):
        columns = ("n", "events", "estimate", "lower", "upper")
        if any(marks[a][c][j] is not None for a, j, _ in sides for c in columns):
            for column in columns:
                marks[asset][column][i] = HIDDEN


__all__ = [
    "HIDDEN",
    "REASON",
    "SMALL",
    "STATUS",
    "Suppressed",
    "is_count_row",
    "suppress",
    "suppress_all",
]
