"""Whom the sets hold: every printed level of every variable, in every set.

What does not belong here: distances between the sets (``match``).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.representativeness.profiled import table_one
from vpack_pipeline.core.representativeness.sets import NOT_STATED, SETS
from vpack_pipeline.core.target import read_target
from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Drift,
    Eligibility,
    Evaluation,
    Representativeness,
)
from vpack_pipeline.stats.codes import coded

PACKAGE_DATA: Final = ("contracts/codes",)

_PROFILE: Final[dict[str, type[pl.DataType]]] = {
    "variable": pl.String,
    "title": pl.String,
    "bin": pl.String,
    "bin_order": pl.Int64,
    "set": pl.String,
    "n": pl.Int64,
    "n_total": pl.Int64,
    "share": pl.Float64,
    "reason": pl.String,
    "notes": pl.String,
    "detail": pl.String,
}


def profile(
    *,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    excluded: pl.DataFrame,
    population: pl.DataFrame,
    levels: pl.DataFrame,
    printed_words: pl.DataFrame,
    eligibility: Eligibility,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    evaluation: Evaluation,
    disclosure: Disclosure,
    drift: Drift,
) -> pl.DataFrame:
    """Count every printed level of every variable in each set.

    The variables are the protocol's, those of ``profiled.with_people``, and of how images were made
    those of ``profiled.acquisition_variables``.

    Parameters
    ----------
    cases : the case view; the cohort
    included : which of them are in, by ``case_id``
    excluded : which are out, and by which rules
    population : cells of the target; rows not in force do not count
    levels : representativeness/levels
    printed_words : cohort/printed_words
    drift : what its monitors read is profiled

    Returns
    -------
    one row per variable, printed level and set, zero counts too; ``share`` is null in an empty
    set, ``n`` too in one that is too small to describe, but for how many lack a value

    Raises
    ------
    InputError
        A population label is none of a numeric variable's bins, or its counts do not agree.
    """
    target = read_target(population, representativeness.variables)
    views = table_one(
        cases=cases,
        included=included,
        excluded=excluded,
        target=target,
        levels=levels,
        printed_words=printed_words,
        eligibility=eligibility,
        representativeness=representativeness,
        covariates=covariates,
        evaluation=evaluation,
        disclosure=disclosure,
        drift=drift,
    )
    rows = []
    for view in views:
        variable = view.levels.variables[0]
        counts = {name: view.counts(name) for name in SETS}
        is_stated = counts["target"].total() > 0 or not target.total
        for order, label in enumerate(view.levels.labels, start=1):
            for name in SETS:
                n, total = counts[name][label], counts[name].total()
                # How many lack the value describes nobody.
                reason = view.reasons.get(name) if label != MISSING else None
                if name == "target" and not is_stated:
                    reason = NOT_STATED
                said = codes.cells(reason, coded(view.cautions.get(name)))
                share = n / total if total and reason is None else None
                shown = n if reason is None else None
                keys = (variable.name, variable.title, label, order, name)
                told = (said[column] for column in ("reason", "notes", "detail"))
                rows.append((*keys, shown, total, share, *told))
    frame = pl.DataFrame(rows, schema=_PROFILE, orient="row")
    return frame.sort("variable", "bin_order", "set")
