"""Read the protocol's rules: every problem at once, before anything runs.

What does not belong here: which functions are allowed (``grammar``), the SQL made of a rule
(``compiler``).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from vpack_pipeline.core.eligibility.grammar import KINDS, Kind, RefusedError, kind_of
from vpack_pipeline.errors import Problem
from vpack_pipeline.protocol import Covariate, Eligibility, Rule

Views = Mapping[str, Mapping[str, str]]
"""Contract types by column, by level (patient, study, case)."""

MOST_RULES: Final = 62
"""A mask of rules holds one bit a rule in a signed 64-bit integer."""

_NOT_FOR_RULES: Final = frozenset({"patient_id", "study_id", "case_id", "covariates"})
_BOUNDED: Final = frozenset({"has_prediction", "has_reference", "n_reads"})


def check_rules(
    eligibility: Eligibility, covariates: Sequence[Covariate], views: Views
) -> list[Problem]:
    """Find everything that keeps the rules from being compiled.

    Parameters
    ----------
    eligibility : the protocol's rules
    covariates : the protocol's covariates; rules of level ``case`` may name them
    views : level → column → contract type (see ``VIEWS`` for the tables)

    Returns
    -------
    one problem per rule or covariate at fault, naming it, with the nearest right name
    """
    problems = [
        Problem(
            f"covariates.{c.name}",
            "the case view has a column of this name",
            "rename the covariate and map the site's column to it",
        )
        for c in covariates
        if c.name in views["case"]
    ]
    if len(eligibility.rules) > MOST_RULES:
        problems.append(
            Problem("eligibility.rules", f"more than {MOST_RULES} rules", "merge some of them")
        )
    for rule in eligibility.rules:
        refused = _refusal(rule.when, tuple(columns_of(rule.level, covariates, views).items()))
        if refused is not None:
            what, remedy = refused
            remedy = _elsewhere(rule, covariates, views) or remedy
            problems.append(Problem(f"eligibility rule {rule.id}", what, remedy))
    return problems


def columns_of(level: str, covariates: Sequence[Covariate], views: Views) -> dict[str, Kind]:
    """List what a rule of this level may name, with its kind."""
    columns = {
        name: KINDS[kind]
        for name, kind in views[level].items()
        if kind in KINDS and name not in _NOT_FOR_RULES
    }
    if level == "case":
        columns |= {c.name: KINDS[c.type] for c in covariates}
    return columns


def parse(rule: Rule, columns: Mapping[str, Kind]) -> exp.Expression:
    """Parse a rule and hold it to the grammar.

    Raises
    ------
    RefusedError
        It is no SQL expression, names something that it may not, or is not true or false.
    """
    return _condition(rule.when, columns)


def _condition(when: str, columns: Mapping[str, Kind]) -> exp.Expression:
    node = _expression(when)
    kind = kind_of(node, columns)
    if kind != "bool":
        raise RefusedError(f"the rule gives {kind}", "a rule is true, false or unknown")
    return node


@functools.lru_cache(maxsize=256)
def _refusal(when: str, columns: tuple[tuple[str, Kind], ...]) -> tuple[str, str] | None:
    """Say what is wrong with a condition and the remedy; every table of a run asks again."""
    try:
        _condition(when, dict(columns))
    except RefusedError as refusal:
        return refusal.what, refusal.remedy
    return None


def bounded_rules(eligibility: Eligibility) -> tuple[str, ...]:
    """Ids of the rules that look at whether a prediction, a reference or reads exist, in order.

    They are allowed, since a study may be limited to what can be evaluated, but they can flatter:
    their effect is always bounded in ``evaluation/exclusion_audit``. A rule that does not parse is
    left to :func:`check_rules`.
    """
    found = []
    for rule in eligibility.rules:
        try:
            node = _expression(rule.when)
        except RefusedError:
            continue
        if any(column.name in _BOUNDED for column in node.find_all(exp.Column)):
            found.append(rule.id)
    return tuple(found)


@functools.lru_cache(maxsize=256)
def meaning(when: str) -> tuple[str, frozenset[str]]:
    """Give a rule's condition without how it is written, and the columns that it names.

    Spaces, comments and the case of keywords say nothing. A condition that does not parse stands
    as it is written and names nothing.
    """
    try:
        node = _expression(when)
    except RefusedError:
        return when, frozenset()
    names = frozenset(column.name for column in node.find_all(exp.Column))
    return node.sql("duckdb", comments=False), names


def _expression(when: str) -> exp.Expression:
    try:
        tokens = sqlglot.tokenize(when, read="duckdb")
        node: exp.Expression = sqlglot.parse_one(when, read="duckdb", into=exp.Condition)
    except SqlglotError:
        raise RefusedError(
            "not a SQL expression", "write a condition such as age_years >= 18"
        ) from None
    # sqlglot reads ~ as a search, DuckDB as a full match.
    if any("~" in token.text and token.token_type.name != "STRING" for token in tokens):
        raise RefusedError("the operator ~", "use regexp_matches or regexp_full_match")
    return node


def _elsewhere(rule: Rule, covariates: Sequence[Covariate], views: Views) -> str | None:
    """Say at which other level the rule would stand as it is written."""
    for level in views:
        try:
            parse(rule, columns_of(level, covariates, views))
        except RefusedError:
            continue
        return f"it stands at level {level}: set level: {level}"
    return None
