"""Whom the sets hold: every printed level of every variable, in every set.

What does not belong here: distances between the sets (``match``).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.levels import (
    Description,
    PrintedLevels,
    describe,
    patients_in_order,
    rows_of,
)
from vpack_pipeline.core.printed_words import words_of_cases
from vpack_pipeline.core.representativeness.profiled import (
    acquisition_variables,
    in_words,
    with_people,
)
from vpack_pipeline.core.representativeness.sets import SETS, by_window, view_of
from vpack_pipeline.core.rules_on_people import personal_columns
from vpack_pipeline.core.target import read_target
from vpack_pipeline.core.variables import MISSING, bin_labels
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

    The variables are the protocol's, those of :func:`with_people`, and of how images were made
    those of :func:`acquisition_variables`.

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
    whole = with_people(representativeness, covariates, cases.columns)
    known = describe(levels, cases, included, whole, covariates, evaluation, disclosure)
    words = words_of_cases(printed_words, representativeness, covariates, disclosure)
    seen = in_words(cases, words, whole.variables)
    rules = personal_columns(eligibility, covariates, disclosure)
    windows = by_window(cases, included, evaluation)
    described = [known[v.name] for v in whole.variables]
    acquired = acquisition_variables(seen, words, whole, eligibility, drift, covariates, disclosure)
    is_in = rows_of(cases, included["case_id"])
    in_order = patients_in_order(cases)
    for variable in acquired:
        plain = PrintedLevels((variable,), {x: x for x in bin_labels(variable)}, is_personal=False)
        described.append(
            Description.of(plain, seen, is_in, in_order, covariates, evaluation, disclosure)
        )
    rows = []
    for one in described:
        variable = one.levels.variables[0]
        view = view_of(one, cases, included, excluded, target, rules, windows)
        counts = {name: view.counts(name) for name in SETS}
        for order, label in enumerate(view.levels.labels, start=1):
            for name in SETS:
                n, total = counts[name][label], counts[name].total()
                # How many lack the value describes nobody.
                reason = view.reasons.get(name) if label != MISSING else None
                said = codes.cells(reason, coded(view.cautions.get(name)))
                share = n / total if total and reason is None else None
                shown = n if reason is None else None
                keys = (variable.name, variable.title, label, order, name)
                told = (said[column] for column in ("reason", "notes", "detail"))
                rows.append((*keys, shown, total, share, *told))
    frame = pl.DataFrame(rows, schema=_PROFILE, orient="row")
    return frame.sort("variable", "bin_order", "set")
