"""The sets that are compared, seen through one variable, or several, in printed levels.

What does not belong here: which sets can be described (``core.levels``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from vpack_pipeline.core.levels import TOO_SMALL, Description, PrintedLevels
from vpack_pipeline.core.variables import MISSING, OTHER, bin_labels
from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.protocol import Variable

SETS: Final = ("cohort", "included", "excluded", "target")
OUTSIDE_LEFT_OUT: Final = (
    "included cases outside of both windows are left out: too few to describe beside the others"
)
Cell = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Every set in the printed levels of one variable, or of several together.

    Attributes
    ----------
    cases : of each set but the target, its rows of the case view with ``printed``
    target : persons by printed level
    reasons : set → why it cannot be described; those that can are not in it
    cautions : set → what to know of one that is described
    """

    levels: PrintedLevels
    cases: Mapping[str, pl.DataFrame]
    target: Counter[str]
    reasons: Mapping[str, str]
    cautions: Mapping[str, str]

    def counts(self, name: str) -> Counter[str]:
        """Count cases (target: persons) by printed level."""
        return self.target if name == "target" else Counter(self.cases[name]["printed"])


def view_of(
    description: Description,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    excluded: pl.DataFrame,
    target: Mapping[Cell, int],
    variables: Sequence[Variable],
) -> View:
    """See every set through a variable, or several.

    Where the included cases outside of both windows are too few to be described beside the
    others, they are left out.

    Parameters
    ----------
    cases : the case view
    included, excluded : which of them are in and out, by ``case_id``
    target : cells of all ``variables``, as :func:`read_target` gives them
    """
    placed = cases.join(description.cases.select("case_id", "printed"), on="case_id")
    chosen = {
        "cohort": frozenset(cases["case_id"]),
        "included": _described(description, frozenset(included["case_id"])),
        "excluded": frozenset(excluded["case_id"]),
    }
    reasons: dict[str, str] = {}
    printed: list[frozenset[str]] = []
    for name in ("included", "cohort", "excluded"):
        if description.is_allowed(chosen[name], *printed):
            printed.append(chosen[name])
        else:
            reasons[name] = TOO_SMALL
    persons = margin(target, description.levels, variables)
    if description.levels.is_personal and any(
        0 < n < description.smallest for level, n in persons.items() if level != MISSING
    ):
        reasons["target"] = TOO_SMALL
    frames = {
        name: placed.filter(pl.col("case_id").is_in(list(ids))).sort("case_id")
        for name, ids in chosen.items()
    }
    is_whole = chosen["included"] == frozenset(included["case_id"])
    cautions = {} if is_whole or "included" in reasons else {"included": OUTSIDE_LEFT_OUT}
    return View(description.levels, frames, persons, reasons, cautions)


def _described(description: Description, included: frozenset[str]) -> frozenset[str]:
    if description.is_allowed(included) or not description.core:
        return included
    lacking = description.cases.filter(pl.col("printed") == MISSING)["case_id"]
    return description.core | (included & frozenset(lacking))


def read_target(population: pl.DataFrame, variables: Sequence[Variable]) -> dict[Cell, int]:
    """Read the target's cells; cells that come to the same levels are added up.

    Raises
    ------
    InputError
        A label is none of a numeric variable's bins.
    """
    found: Counter[Cell] = Counter()
    for row in population.filter("in_force").iter_rows(named=True):
        stated = json.loads(row["cell"])
        found[tuple(_label(stated.get(v.name), v) for v in variables)] += row["n"]
    return {cell: n for cell, n in sorted(found.items()) if n > 0}


def _label(stated: str | None, variable: Variable) -> str:
    labels = bin_labels(variable)
    if stated is None:
        return MISSING
    if stated in labels:
        return stated
    if variable.kind == "categorical":
        return OTHER
    raise InputError(
        Problem(
            f"population, column {variable.name}",
            "a label is none of the variable's bins",
            f"use {', '.join(labels)}",
        )
    )


def margin(
    target: Mapping[Cell, int], levels: PrintedLevels, variables: Sequence[Variable]
) -> Counter[str]:
    """Add up the target's cells by printed level."""
    names = [v.name for v in variables]
    places = [names.index(v.name) for v in levels.variables]
    counts: Counter[str] = Counter()
    for cell, n in target.items():
        counts[levels.of([cell[place] for place in places])] += n
    return counts
