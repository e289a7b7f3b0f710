"""Which variables Table 1 shows beside those of the protocol, and in which bins.

They are profiled and nothing else: the target does not state them and no distance is taken. Of a
header field its declaration says how it is shown. What does not belong here: how sets are counted
(``profile``), how levels are folded (``levels``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import polars as pl

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.contracts.header_fields import HeaderField, Profiled
from vpack_pipeline.core.eligibility import meaning
from vpack_pipeline.core.levels import (
    Description,
    PrintedLevels,
    describe,
    patients_in_order,
    rows_of,
)
from vpack_pipeline.core.personal import is_personal
from vpack_pipeline.core.printed_words import Words, words_of_cases
from vpack_pipeline.core.representativeness.sets import View, by_window, view_of
from vpack_pipeline.core.rules_on_people import personal_columns
from vpack_pipeline.core.target import Target
from vpack_pipeline.core.variables import OTHER, bin_labels
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Drift,
    Eligibility,
    Evaluation,
    Representativeness,
    Variable,
)

PACKAGE_DATA: Final = ("contracts/cohort/header_fields.yaml#profile",)
MOST_WORDS: Final = 8
"""Of a text, the words with most cases have a level each; all others are ``other``."""


def table_one(
    *,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    excluded: pl.DataFrame,
    target: Target,
    levels: pl.DataFrame,
    printed_words: pl.DataFrame,
    eligibility: Eligibility,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    evaluation: Evaluation,
    disclosure: Disclosure,
    drift: Drift,
) -> Iterator[View]:
    """See every set through each variable of Table 1.

    Parameters
    ----------
    cases : the case view
    included, excluded : which of them are in and out, by ``case_id``
    levels : representativeness/levels
    printed_words : cohort/printed_words
    """
    whole = with_people(representativeness, covariates, cases.columns)
    known = describe(levels, cases, included, whole, covariates, evaluation, disclosure)
    words = words_of_cases(printed_words, representativeness, covariates, disclosure)
    seen = in_words(cases, words, whole.variables)
    described = [known[v.name] for v in whole.variables]
    is_in, in_order = rows_of(cases, included["case_id"]), patients_in_order(cases)
    for variable in acquisition_variables(
        seen, words, whole, eligibility, drift, covariates, disclosure
    ):
        plain = PrintedLevels((variable,), {x: x for x in bin_labels(variable)}, is_personal=False)
        described.append(
            Description.of(plain, seen, is_in, in_order, covariates, evaluation, disclosure)
        )
    rules = personal_columns(eligibility, covariates, disclosure)
    windows = by_window(cases, included, evaluation)
    for one in described:
        yield view_of(one, cases, included, excluded, target, rules, windows)


def with_people(
    representativeness: Representativeness,
    covariates: Iterable[Covariate],
    columns: Collection[str],
) -> Representativeness:
    """Add to the profile's variables whatever else is described in printed levels.

    These are the protocol's ``also_profiled``, header fields that describe people and that Table 1
    shows unasked, and covariates that are true or false: their levels are the same at every site.

    Parameters
    ----------
    columns : of the case view
    """
    people = [
        _levelled(field.name, field.profile)
        for field in header_fields.load()
        if field.profile is not None
        if field.personal and _is_default(field, ()) and field.name in columns
    ]
    flags = [
        Variable(name=c.name, title=c.title, kind="categorical", levels=("true", "false"))
        for c in covariates
        if c.type == "bool"
    ]
    made = {v.name: v for v in representativeness.variables}
    for variable in (*representativeness.also_profiled, *people, *flags):
        if variable.name not in representativeness.not_profiled:
            made.setdefault(variable.name, variable)
    return representativeness.model_copy(update={"variables": tuple(made.values())})


def variable_titles(
    representativeness: Representativeness, covariates: Iterable[Covariate]
) -> dict[str, str]:
    """Give the title of every variable that Table 1 can show."""
    fields = {f.name: f.profile.title for f in header_fields.load() if f.profile is not None}
    own = {c.name: c.title for c in covariates}
    profiled = (*representativeness.also_profiled, *representativeness.variables)
    return fields | own | {v.name: v.title for v in profiled}


def acquisition_variables(
    cases: pl.DataFrame,
    words: Words,
    profiled: Representativeness,
    eligibility: Eligibility,
    drift: Drift,
    covariates: Sequence[Covariate],
    disclosure: Disclosure,
) -> list[Variable]:
    """Say what else is profiled of how images were made: defaults, and what rules or monitors read.

    Defaults are those of every modality that a case has. A text's levels are its printed words, so
    that they are this site's own.

    Parameters
    ----------
    cases : the case view, its texts in printed words
    words : column → text → printed word
    profiled : what :func:`with_people` gives
    """
    modalities = {*cases["modality"]} if "modality" in cases.columns else set()
    read = {name for rule in eligibility.rules for name in meaning(rule.when)[1]}
    read |= {str(m.variable) for m in drift.monitors}
    apart = {v.name for v in profiled.variables} | {c.name for c in covariates}
    apart |= {*profiled.not_profiled}
    return [
        variable
        for field in header_fields.load()
        if field.name in read or _is_default(field, modalities)
        if field.name in cases.columns and field.name not in apart
        if not is_personal(field.name, covariates, disclosure)
        if field.profile is not None
        for variable in _of_field(field.name, field.profile, cases, words)
    ]


def _is_default(field: HeaderField, modalities: Collection[str | None]) -> bool:
    of = field.profile.of if field.profile is not None else ()
    return of == "all" or any(modality in modalities for modality in of)


def _of_field(name: str, shown: Profiled, cases: pl.DataFrame, words: Words) -> Iterator[Variable]:
    if shown.edges or shown.levels:
        yield _levelled(name, shown)
    elif name in words:
        counted = Counter(cases[name].drop_nulls())
        most = sorted(counted, key=lambda word: (-counted[word], word))[:MOST_WORDS]
        yield Variable(
            name=name, title=shown.title, kind="categorical", levels=tuple(most) or (OTHER,)
        )


def _levelled(name: str, shown: Profiled) -> Variable:
    """Give a field whose bins or levels its declaration has."""
    return Variable(
        name=name,
        title=shown.title,
        kind="numeric" if shown.edges else "categorical",
        edges=shown.edges,
        levels=shown.levels,
    )


def in_words(cases: pl.DataFrame, words: Words, variables: Iterable[Variable]) -> pl.DataFrame:
    """Write texts of the case view in printed words, but for those whose levels are declared.

    Parameters
    ----------
    words : column → text → printed word
    """
    declared = {v.name for v in variables}
    return cases.with_columns(
        pl.col(name).replace_strict(pairs, default=None, return_dtype=pl.String)
        for name, pairs in words.items()
        if pairs and name in cases.columns and name not in declared
    )
