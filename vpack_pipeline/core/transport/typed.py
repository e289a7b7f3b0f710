"""A reviewer's counts in levels of their own, brought to the printed levels of a pack.

A typed level is a level of the protocol, a printed one, a numeric bin, or several levels joined by
*or*. Finer ones are added up; coarser ones stay and the pack's cells are added up to them. What
does not belong here: the file that they are typed into (``cli``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vpack_pipeline.core.level_words import MISSING, OTHER
from vpack_pipeline.core.target import Target as Stated
from vpack_pipeline.core.transport.cells import Target
from vpack_pipeline.core.transport.rows import Places, PrintedVariables, target_of
from vpack_pipeline.errors import InputError, Problem

Bin = tuple[float, float]
_BINS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"<\s*(?P<high>-?\d+(?:\.\d+)?)",
        r"(?:≥|>=)\s*(?P<low>-?\d+(?:\.\d+)?)",
        r"(?P<low>-?\d+(?:\.\d+)?)\s*[–-]\s*(?P<high>-?\d+(?:\.\d+)?)",
    )
)
_OR: Final = " or "


@dataclass(frozen=True, slots=True)
class TypedRow:
    """One row of counts: where it stands, the level of each variable that it states, persons."""

    line: int
    levels: Mapping[str, str]
    n: int


def typed_target(
    rows: Sequence[TypedRow], variables: PrintedVariables, where: str
) -> tuple[Target, list[str]]:
    """Bring typed counts to the levels that they have in common with the printed ones.

    Parameters
    ----------
    where : names the file in errors

    Returns
    -------
    the target, and the variables of the cells that the counts do not state

    Raises
    ------
    InputError
        A level is unknown, lies across printed ones or overlaps another; nobody is counted; or
        margins and joint cells do not agree.
    """
    places: dict[str, Places] = {}
    problems: list[Problem] = []
    for name, printed, all_levels in zip(
        variables.names, variables.levels, variables.printed_of, strict=True
    ):
        stated = {row.levels[name]: row.line for row in reversed(rows) if name in row.levels}
        of = _Levels(printed, all_levels)
        found = {level: of.places(level) for level in sorted(stated, key=lambda s: stated[s])}
        known = {level: at for level, at in found.items() if at is not None}
        unknown = [stated[level] for level in found if level not in known]
        if unknown:
            problems.append(_unknown(f"{where}, {_lines(unknown)}, column {name}", of))
        problems += _overlaps(known, stated, f"{where}, column {name}", of)
        places[name] = known
    if problems:
        raise InputError(sorted(problems, key=str))
    kept = [row for row in rows if any(name in row.levels for name in variables.names)]
    if not any(row.n for row in kept):
        remedy = f"count persons by {', '.join(variables.names)}; --template writes the file"
        raise InputError(Problem(where, "counts nobody in any cell of the pack", remedy))
    stated_levels = {name: tuple(known) for name, known in places.items() if known}
    target = Stated.of(((_of(row, variables.names), row.n) for row in kept), stated_levels, where)
    lacking = [name for name in variables.names if name not in stated_levels]
    return target_of(target, variables, places), lacking


def _of(row: TypedRow, names: Iterable[str]) -> dict[str, str | None]:
    return {name: row.levels.get(name) for name in names if name in row.levels}


@dataclass(frozen=True, slots=True)
class _Levels:
    """The printed levels of one variable, and every level of the protocol with its printed one."""

    printed: Sequence[str]
    all_levels: Mapping[str, str]

    def places(self, typed: str) -> tuple[int, ...] | None:
        """Give the printed levels that a typed one is, by place; None where it is unknown."""
        if typed == MISSING:
            return ()
        if typed in self.printed:
            return (self.printed.index(typed),)
        if typed in self.all_levels:
            return self.places(self.all_levels[typed])
        same = [level for level in self._known if level.lower() == typed.lower()]
        if len(same) == 1:
            return self.places(same[0])
        if _OR in typed:
            parts = [self.places(part.strip()) for part in typed.split(_OR)]
            known = [part for part in parts if part]
            found = {at for part in known for at in part}
            return tuple(sorted(found)) if len(known) == len(parts) else None
        return self._of_bin(typed)

    def _of_bin(self, typed: str) -> tuple[int, ...] | None:
        wanted, bins = bin_of(typed), [bin_of(label) for label in self.printed]
        known = [one for one in bins if one is not None]
        if wanted is None or len(known) < len(bins):
            return None
        low, high = wanted
        touched = [k for k, (a, b) in enumerate(known) if a < high and low < b]
        is_finer = len(touched) == 1
        is_coarser = (known[touched[0]][0], known[touched[-1]][1]) == wanted if touched else False
        return tuple(touched) if is_finer or is_coarser else None

    @property
    def _known(self) -> Iterable[str]:
        """Every level of the protocol and every printed one, each once."""
        return dict.fromkeys([*self.all_levels, *self.printed])

    @property
    def remedy(self) -> str:
        """What can be typed."""
        finer = ", finer bins of these" if all(map(bin_of, self.printed)) else ""
        text = f"use {', '.join(self._known)}{finer}, or several joined by “or”"
        return (
            f"{text}; “{OTHER}” is for values that mean none of these"
            if OTHER in self._known
            else text
        )


def bin_of(label: str) -> Bin | None:
    """Read a numeric bin, which holds its lower edge.

    >>> bin_of("<50"), bin_of("50-70"), bin_of(">=70"), bin_of("other")
    ((-inf, 50.0), (50.0, 70.0), (70.0, inf), None)
    """
    for pattern in _BINS:
        found = pattern.fullmatch(label.strip())
        if found is not None:
            edges = found.groupdict()
            low, high = float(edges.get("low", "-inf")), float(edges.get("high", "inf"))
            return (low, high) if low < high else None
    return None


def _lines(numbers: Sequence[int]) -> str:
    """Name lines of a file.

    >>> _lines([2]), _lines([2, 4, 5])
    ('line 2', 'lines 2, 4, 5')
    """
    return f"line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _unknown(where: str, of: _Levels) -> Problem:
    what = "is no level of the pack, and no part or sum of its levels"
    return Problem(where, what, of.remedy)


def _overlaps(
    known: Mapping[str, tuple[int, ...]], lines: Mapping[str, int], where: str, of: _Levels
) -> list[Problem]:
    """Find levels that share some printed ones without being parts of the same."""
    owner: dict[int, tuple[int, ...]] = {}
    found = []
    for level, at in known.items():
        if any(owner.setdefault(place, at) != at for place in at):
            what = f"the level of line {lines[level]} overlaps that of another line"
            found.append(Problem(where, what, f"let levels part the persons; {of.remedy}"))
    return found
