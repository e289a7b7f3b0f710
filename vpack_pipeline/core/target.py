"""The target: the population that a site stated as counts, in cells of the profile's variables.

What does not belong here: how far the cases are from it (``representativeness``), and figures
weighted to it (``evaluation.transport``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from vpack_pipeline.core.levels import PrintedLevels
from vpack_pipeline.core.variables import MISSING, OTHER, bin_labels
from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.protocol import Variable

Cell = tuple[str, ...]
"""A level of each variable, as the protocol has them."""


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
