"""How a named variable is read from the case view, and how its values fall into bins.

Representativeness, subgroups and drift share it, so that one bin means one thing everywhere. What
does not belong here: counts or distances over bins (``representativeness``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.level_words import MISSING, OTHER
from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.protocol import Covariate, Variable

__all__ = ["MISSING", "OTHER", "bin_labels", "binned", "codes_of", "labels_of", "value_of"]

_TYPES: Final[dict[str, type[pl.DataType]]] = {
    "string": pl.String,
    "int": pl.Int64,
    "float": pl.Float64,
    "bool": pl.Boolean,
}


def value_of(cases: pl.DataFrame, name: str, covariates: Sequence[Covariate]) -> pl.Series:
    """Read a variable: a covariate, typed as the protocol says, or a column of the case view.

    Parameters
    ----------
    cases : one row per case, with the JSON column ``covariates`` where ``name`` is a covariate
    name : a covariate of the protocol or a column of ``cases``
    covariates : the protocol's covariates

    Returns
    -------
    one value per row of ``cases``, in its order, named ``name``; null = missing

    Raises
    ------
    InputError
        The name is neither a covariate nor a column.

    Examples
    --------
    >>> cases = pl.DataFrame({"sex": ["F", None], "covariates": ['{"bmi":21.5}', "{}"]})
    >>> value_of(cases, "bmi", [Covariate(name="bmi", title="BMI", type="float")]).to_list()
    [21.5, None]
    """
    declared = {c.name: c for c in covariates}
    if name in declared:
        kind = _TYPES[declared[name].type]
        decoded = cases["covariates"].str.json_decode(pl.Struct({name: kind}))
        return decoded.struct.field(name).alias(name)
    if name not in cases.columns:
        known = sorted({*cases.columns, *declared} - {"covariates"})
        raise InputError(
            Problem(f"variable {name}", "no such column or covariate", f"use one of {known}")
        )
    return cases[name]


def bin_labels(variable: Variable) -> list[str]:
    """All labels that :func:`binned` can give, in print order; ``missing`` is the last.

    >>> bin_labels(Variable(name="age_years", title="Age", kind="numeric", edges=(40, 65)))
    ['<40', '40–65', '≥65', 'missing']
    >>> bin_labels(Variable(name="sex", title="Sex", kind="categorical", levels=("F", "M")))
    ['F', 'M', 'other', 'missing']
    """
    if variable.kind == "numeric":
        edges = _printed(variable.edges)
        inner = [f"{low}–{high}" for low, high in itertools.pairwise(edges)]
        return [f"<{edges[0]}", *inner, f"≥{edges[-1]}", MISSING]
    levels = [level for level in variable.levels if level not in (OTHER, MISSING)]
    return [*levels, OTHER, MISSING]


def binned(cases: pl.DataFrame, variable: Variable, covariates: Sequence[Covariate]) -> pl.Series:
    """Label each case with its bin.

    Parameters
    ----------
    cases : one row per case
    variable : numeric: a bin holds its lower edge; categorical: a level or ``other``

    Returns
    -------
    one label per row, named as the variable, each of :func:`bin_labels`; null and NaN are
    ``missing``

    Raises
    ------
    InputError
        The variable is unknown, or a numeric one is read from text.
    """
    return labels_of(value_of(cases, variable.name, covariates), variable).alias(variable.name)


def labels_of(values: pl.Series, variable: Variable) -> pl.Series:
    """Label values that were read already; see :func:`binned`."""
    labels = bin_labels(variable)
    if variable.kind == "numeric":
        if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
            raise InputError(
                Problem(
                    f"variable {variable.name}",
                    f"is numeric in the protocol but {values.dtype} in the case view",
                    "make it categorical with levels",
                )
            )
        numbers = values.cast(pl.Float64).fill_null(math.nan).to_numpy()
        place = np.searchsorted(variable.edges, numbers, side="right")
        # ``missing`` is the last label.
        return pl.Series(labels, dtype=pl.String).gather(
            np.where(np.isnan(numbers), len(labels) - 1, place)
        )
    known = set(labels)
    # Each value is written once, however many cases have it.
    codes, found = codes_of(values)
    return pl.Series([_level(v, known) for v in found], dtype=pl.String).gather(codes)


def codes_of(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Number the distinct values of a series: the number of each row, and the value of each number.

    >>> codes, found = codes_of(pl.Series(["b", None, "b"]))
    >>> codes.to_list(), found.to_list()
    ([0, 1, 0], ['b', None])
    """
    rows = values.alias("value").to_frame()
    found = rows.unique(maintain_order=True)
    numbered = found.with_row_index("code")
    joined = rows.join(numbered, on="value", how="left", nulls_equal=True, maintain_order="left")
    return joined["code"], found["value"]


def _printed(edges: Sequence[float]) -> list[str]:
    short = [f"{e:g}" for e in edges]
    # Two edges that print alike would merge their bins.
    return short if len(set(short)) == len(short) else [repr(float(e)) for e in edges]


def _level(value: Any, known: set[str]) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if text in known else OTHER
