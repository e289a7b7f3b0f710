"""The target: a population that is stated as counts, in margins and joint cells of the profile.

It is read from the table that a site delivered, and from rows that a reviewer typed. What does not
belong here: how far the cases are from it (``representativeness``), and figures in it
(``evaluation.transport``).
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from vpack_pipeline.core.level_words import MISSING, OTHER, TIMES
from vpack_pipeline.errors import InputError, Problem

if TYPE_CHECKING:
    import polars as pl

    from vpack_pipeline.core.levels import PrintedLevels
    from vpack_pipeline.protocol import Variable

Cell = tuple[str, ...]
"""A level of each of some variables."""
Row = tuple[Mapping[str, str | None], float]
"""The level of each variable that a row states, and how many persons."""

_NOT_A_COUNT: Final = "the count is no whole number of 0 or more"
_COUNT_PERSONS: Final = "give persons, no shares or percentages"
_MAKE_THEM_AGREE: Final = (
    f"make them agree; where a value is not known write `{MISSING}`: a row does not state a"
    " variable whose cell is empty"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A population: a table of counts for each set of variables that rows state together.

    All tables count the same persons: a table of one variable is a margin, one of several holds
    joint cells, one of none the total.

    Attributes
    ----------
    tables : variables, in the order of the profile → the cells with anybody in them
    """

    tables: Mapping[tuple[str, ...], Mapping[Cell, int]]

    @classmethod
    def of(
        cls, rows: Iterable[Row], levels: Mapping[str, Sequence[str]], where: str = "population"
    ) -> Self:
        """Add rows up by the variables that they state, and hold the tables against each other.

        Parameters
        ----------
        rows : a variable with no level, or not named, is not stated by the row
        levels : the levels of each variable, ``missing`` among them where it can be stated
        where : names the rows in errors

        Raises
        ------
        InputError
            A variable or level is unknown, a count is none, or two tables do not agree.

        Examples
        --------
        >>> levels = {"sex": ("F", "M"), "age": ("<50", "≥50")}
        >>> joint = [({"sex": "F", "age": "<50"}, 3), ({"sex": "M", "age": "<50"}, 4)]
        >>> target = Target.of([*joint, ({"sex": "F"}, 3), ({"sex": "M"}, 4)], levels)
        >>> target.margin("sex"), target.margin("age"), target.total
        ({'F': 3, 'M': 4}, {'<50': 7}, 7)
        """
        found: dict[tuple[str, ...], Counter[Cell]] = {}
        for number, (stated, n) in enumerate(rows, start=1):
            if isinstance(n, bool) or n < 0 or not float(n).is_integer():
                raise InputError(Problem(f"{where}, row {number}", _NOT_A_COUNT, _COUNT_PERSONS))
            known = {name: level for name, level in stated.items() if level is not None}
            _check_names(known, levels, where)
            names = tuple(name for name in levels if name in known)
            cells = found.setdefault(names, Counter())
            cells[tuple(known[name] for name in names)] += int(n)
        order = {name: place for place, name in enumerate(levels)}
        sets = sorted(found, key=lambda names: (len(names), [order[n] for n in names]))
        made = cls({names: _occupied(found[names]) for names in sets})
        problems = list(made._disagreements(where))
        if problems:
            raise InputError(problems)
        return made

    @property
    def total(self) -> int:
        """All persons; 0 where there is no target."""
        return sum(next(iter(self.tables.values()), {}).values())

    @property
    def names(self) -> list[str]:
        """The variables that are stated, alone or with others."""
        return list(dict.fromkeys(name for names in self.tables for name in names))

    def cells(self, names: Sequence[str]) -> dict[Cell, int] | None:
        """Give the joint cells of some variables; None where no rows state them all together.

        Returns
        -------
        cells with anybody in them, levels in the order of ``names``
        """
        of = next((table for table in self.tables if set(names) <= set(table)), None)
        return None if of is None else self._summed(of, names)

    def margin(self, name: str) -> dict[str, int]:
        """Give the persons in each level of a variable; empty where it is not stated."""
        return {level: n for (level,), n in (self.cells([name]) or {}).items()}

    def in_levels(self, levels: PrintedLevels) -> Counter[str]:
        """Add the persons up by printed level; empty where the variables are not stated together.

        Parameters
        ----------
        levels : of variables whose levels the target states as the protocol has them
        """
        counts: Counter[str] = Counter()
        for cell, n in (self.cells(levels.names) or {}).items():
            counts[levels.of(cell)] += n
        return counts

    def _summed(self, of: tuple[str, ...], names: Sequence[str]) -> dict[Cell, int]:
        places = [of.index(name) for name in names]
        counts: Counter[Cell] = Counter()
        for cell, n in self.tables[of].items():
            counts[tuple(cell[place] for place in places)] += n
        return _occupied(counts)

    def _disagreements(self, where: str) -> Iterator[Problem]:
        """Name each two tables that do not count the same persons."""
        totals = {names: sum(cells.values()) for names, cells in self.tables.items()}
        for one, other in itertools.combinations(self.tables, 2):
            shared = [name for name in one if name in other]
            if totals[one] != totals[other]:
                what = f"rows {_by(one)} add up to {totals[one]} persons, rows {_by(other)} to"
                yield Problem(where, f"{what} {totals[other]}", _MAKE_THEM_AGREE)
                continue
            here, there = self._summed(one, shared), self._summed(other, shared)
            apart = sorted({cell for cell, _ in here.items() ^ there.items()})
            if apart:
                what = f"rows {_by(one)} and rows {_by(other)} do not agree on"
                at = ", ".join(f"{n} {level}" for n, level in zip(shared, apart[0], strict=True))
                yield Problem(where, f"{what} {at}", _MAKE_THEM_AGREE)


def _by(names: Sequence[str]) -> str:
    return f"by {TIMES.join(names)}" if names else "of the total"


def _occupied(counts: Counter[Cell]) -> dict[Cell, int]:
    return {cell: n for cell, n in sorted(counts.items()) if n > 0}


def _check_names(
    stated: Mapping[str, str], levels: Mapping[str, Sequence[str]], where: str
) -> None:
    for name, level in stated.items():
        if name not in levels:
            remedy = f"use {', '.join(levels)}"
            raise InputError(Problem(f"{where}, column {name}", "is not profiled", remedy))
        if level not in levels[name]:
            what, remedy = "a label is none of the variable's levels", ", ".join(levels[name])
            raise InputError(Problem(f"{where}, column {name}", what, f"use {remedy}"))


def read_target(population: pl.DataFrame, variables: Sequence[Variable]) -> Target:
    """Read the target that a site delivered.

    Parameters
    ----------
    population : cohort/population; rows not in force do not count

    Raises
    ------
    InputError
        A label is none of a numeric variable's bins, or margins and joint cells do not agree.
    """
    # A reviewer's command reads targets without frames.
    from vpack_pipeline.core.variables import bin_labels

    unlisted = {v.name: set(bin_labels(v)) for v in variables if v.kind == "categorical"}
    rows: list[Row] = []
    for row in population.filter("in_force").iter_rows(named=True):
        stated: dict[str, str | None] = json.loads(row["cell"])
        for name, known in unlisted.items():
            if stated.get(name) is not None and stated[name] not in known:
                stated[name] = OTHER
        rows.append((stated, row["n"]))
    return Target.of(rows, {v.name: bin_labels(v) for v in variables})
