"""Questions from the rows of the tables that travel: ``levels`` and ``transport_cells``.

The pipeline hands in its own rows, a command those of a pack. What does not belong here: how a
reviewer's counts are read (``typed``), and figures (``answer``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from vpack_pipeline.core.level_words import MISSING, TIMES, joined
from vpack_pipeline.core.target import Target as Stated
from vpack_pipeline.core.transport.cells import COUNTS, Group, PrintedCell, Target, TargetCell

Row = Mapping[str, Any]
EVERY: Final = "*"
"""Stands where a cell does, for all cells together."""
WEIGHTED: Final = "weighted_"
"""Begins the name of a count under sampling weights."""
DESIGN_EFFECT: Final = "design_effect_"
DESIGN_EFFECTS: Final = ("positives", "negatives", "cases")
Places = Mapping[str, Sequence[int]]
"""A stated level → the printed levels that it is, by their place; none for one not printed."""


@dataclass(frozen=True, slots=True)
class PrintedVariables:
    """The variables that cells are made by, with the levels that are printed of each.

    Attributes
    ----------
    levels : of each variable, its printed levels in order, without ``missing``
    printed_of : of each variable, every level that the protocol has → its printed level
    cell_of : the printed levels of all variables, by place → the cell's label
    is_personal : whether some variable describes people
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    printed_of: tuple[Mapping[str, str], ...]
    cell_of: Mapping[tuple[int, ...], str]
    is_personal: bool

    @classmethod
    def of(cls, rows: Iterable[Row], kind: str) -> Self:
        """Read the table of levels.

        Parameters
        ----------
        rows : of ``representativeness/levels``
        kind : the variables, as ``transport_cells`` names them in ``stratum_kind``
        """
        printed: dict[str, dict[str, str]] = {}
        is_personal = False
        for row in sorted(rows, key=lambda r: (r["variable"], r["level_order"])):
            printed.setdefault(row["variable"], {})[row["level"]] = row["printed_level"]
            is_personal |= row["variable"] == kind and row["is_personal"]
        names = tuple(kind.split(TIMES))
        levels = tuple(_labels(printed[name]) for name in names)
        cell_of = {}
        for at in itertools.product(*(range(len(known)) for known in levels)):
            shown = joined([known[place] for known, place in zip(levels, at, strict=True)])
            # Before missing, the last, stands what is not printed by itself.
            rest = list(printed[kind].values())[-2]
            cell_of[at] = shown if len(names) == 1 else printed[kind].get(shown, rest)
        return cls(names, levels, tuple(printed[name] for name in names), cell_of, is_personal)

    @property
    def labels(self) -> list[str]:
        """Labels of the cells."""
        return list(dict.fromkeys(self.cell_of.values()))

    def places(self) -> dict[str, Places]:
        """Give the printed level of each level that the protocol has."""
        found: dict[str, Places] = {}
        for name, levels, printed in zip(self.names, self.levels, self.printed_of, strict=True):
            found[name] = {
                level: () if shown == MISSING else (levels.index(shown),)
                for level, shown in printed.items()
            }
        return found


def _labels(printed: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for label in printed.values() if label != MISSING))


@dataclass(frozen=True, slots=True)
class Counted:
    """What the table of cells says at one place: finding, model, window and locked point."""

    cells: list[PrintedCell]
    missing: float
    design_effects: dict[str, float]
    refusal: Row | None
    """The row that says why there are no figures at all, such as before a look."""

    @classmethod
    def of(cls, rows: Sequence[Row], variables: PrintedVariables) -> Self:
        """Read the rows of one place."""
        of_cell: dict[str, dict[str, Row]] = {}
        for row in rows:
            of_cell.setdefault(row["stratum"], {})[row["metric"]] = row
        combinations: dict[str, list[tuple[int, ...]]] = {}
        for at, label in variables.cell_of.items():
            combinations.setdefault(label, []).append(at)
        cells = [
            PrintedCell(
                label=label,
                combinations=combinations[label],
                counts=_counts(of_cell[label], ""),
                weighted=_counts(of_cell[label], WEIGHTED),
            )
            for label in variables.labels
        ]
        missing = _estimate(of_cell.get(MISSING, {}).get(COUNTS[0]))
        effects = {
            name: _estimate(of_cell[EVERY].get(f"{DESIGN_EFFECT}{name}")) or 1.0
            for name in DESIGN_EFFECTS
        }
        return cls(cells, missing or 0.0, effects, _refusal(of_cell, variables.labels))


def _counts(rows: Mapping[str, Row], start: str) -> dict[str, float] | None:
    found = {name: _estimate(rows.get(f"{start}{name}")) for name in COUNTS}
    known = {name: n for name, n in found.items() if n is not None}
    return known if len(known) == len(COUNTS) else None


def _estimate(row: Row | None) -> float | None:
    return None if row is None or row["status"] != "given" else float(row["estimate"])


def _refusal(of_cell: Mapping[str, Mapping[str, Row]], labels: Sequence[str]) -> Row | None:
    """Find why no cell at all has results, or why none can be weighted."""
    for start in ("", WEIGHTED):
        rows = [of_cell[label].get(f"{start}{COUNTS[1]}") for label in labels]
        stated = [row for row in rows if row is not None]
        if stated and all(row["status"] != "given" for row in stated):
            return stated[0]
    return None


def _label(at: tuple[int, ...] | str, levels: Sequence[str]) -> str:
    return at if isinstance(at, str) else " or ".join(levels[place] for place in at)


def target_of(stated: Stated, variables: PrintedVariables, places: Mapping[str, Places]) -> Target:
    """Write a target in the levels that it has in common with the printed ones.

    Levels that are the same printed ones are added up; a variable that is not stated has one level,
    which is all printed ones.

    Parameters
    ----------
    places : of each variable that the target states, what its levels are
    """
    known = [name for name in variables.names if name in stated.names]
    made: list[list[Group]] = []
    group_of: dict[str, dict[str, int]] = {}
    for name, levels in zip(variables.names, variables.levels, strict=True):
        if name not in known:
            everything = Group(
                label="all", levels=list(range(len(levels))), persons=float(stated.total)
            )
            made.append([everything])
            continue
        groups: dict[tuple[int, ...] | str, int] = {}
        group_of[name] = {}
        for level, at in places[name].items():
            # What no case here has is a level of its own; others that are the same are added up.
            which = groups.setdefault(tuple(at) or level, len(groups))
            group_of[name][level] = which
        persons = [0.0] * len(groups)
        for level, n in stated.margin(name).items():
            persons[group_of[name][level]] += n
        made.append(
            [
                Group(
                    label=_label(at, levels),
                    levels=list(() if isinstance(at, str) else at),
                    persons=n,
                )
                for at, n in zip(groups, persons, strict=True)
            ]
        )
    joint = stated.cells(known) if stated.total else {}
    if joint is None:
        return Target(levels=made, cells=None)
    cells = []
    for cell, n in joint.items():
        level_of = dict(zip(known, cell, strict=True))
        groups_at = [
            group_of[name][level_of[name]] if name in level_of else 0 for name in variables.names
        ]
        cells.append(TargetCell(groups=groups_at, persons=float(n)))
    return Target(levels=made, cells=cells)
