"""Compile the protocol's rules to the SELECT of ``eligibility/flags``.

The SQL is printed from the checked syntax tree, never from the protocol's text. What does not
belong here: what a rule may say (``grammar``), who is removed in which order (the model ``flow``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlglot import exp

from vpack_pipeline.core.eligibility.rules import Views, check_rules, columns_of, parse
from vpack_pipeline.errors import DocumentError
from vpack_pipeline.protocol import Covariate, Eligibility, Rule

VIEWS: Final[Mapping[str, str]] = {
    "patient": "eligibility/patients",
    "study": "eligibility/studies",
    "case": "eligibility/cases",
}
"""The view that rules of a level read."""

_SQL_TYPES: Final[Mapping[str, str]] = {
    "string": "varchar",
    "int": "bigint",
    "float": "double",
    "bool": "boolean",
}

_HEADER: Final = """\
-- Decides: is each eligibility rule true, false or unknown of each unit of its level, and does it
-- remove the unit? Generated from the protocol. An include rule removes where it is not true, an
-- exclude rule where it is true; if_unknown decides where it is unknown. A study rule is unknown of
-- a case whose index study is not in the cohort.
"""


def compile_flags(eligibility: Eligibility, covariates: Sequence[Covariate], views: Views) -> str:
    """Compile the rules to one SELECT over ``eligibility.patients``, ``studies`` and ``cases``.

    Parameters
    ----------
    eligibility : the protocol's rules, numbered from 1 in their order
    covariates : read, typed, from the JSON column ``covariates``; a value that does not parse is
        unknown
    views : level → column → contract type

    Returns
    -------
    DuckDB SQL giving ``level, unit_id, rule_order, rule, value, removes, stops``

    Raises
    ------
    DocumentError
        Every problem of :func:`check_rules`.
    """
    problems = check_rules(eligibility, covariates, views)
    if problems:
        raise DocumentError(problems)
    trees = {r.id: parse(r, columns_of(r.level, covariates, views)) for r in eligibility.rules}
    named = {c.name for tree in trees.values() for c in tree.find_all(exp.Column)}
    used = [c for c in covariates if c.name in named]
    judged = "\n  union all\n".join(
        part
        for order, rule in enumerate(eligibility.rules, start=1)
        for part in _selects(order, rule, _printed(trees[rule.id]))
    )
    return (
        f"{_HEADER}with case_rows as (\n  select *{_columns(used)}\n  from eligibility.cases\n),\n"
        f"judged as (\n{judged}\n)\n"
        "select\n  level, unit_id, rule_order, rule,\n"
        "  case when met then 'true' when not met then 'false' else 'unknown' end as value,\n"
        "  coalesce(met <> keeps, if_unknown = 'exclude') as removes,\n"
        "  met is null and if_unknown = 'stop' as stops\n"
        "from judged\n"
    )


def _columns(covariates: Sequence[Covariate]) -> str:
    return "".join(
        f",\n    try_cast(json_extract_string(covariates, '$.{c.name}') as {_SQL_TYPES[c.type]})"
        f' as "{c.name}"'
        for c in covariates
    )


def _selects(order: int, rule: Rule, condition: str) -> list[str]:
    view = "case_rows" if rule.level == "case" else f"{VIEWS[rule.level].replace('/', '.')}"
    found = [_select(order, rule, rule.level, f"({condition})", view)]
    if rule.level == "study":
        without = "case_rows where study_id is null"
        found.append(_select(order, rule, "case", "cast(null as boolean)", without))
    return found


def _select(order: int, rule: Rule, level: str, condition: str, source: str) -> str:
    keeps = "true" if rule.kind == "include" else "false"
    return (
        f"  select '{level}' as level, {level}_id as unit_id, {order} as rule_order,"
        f" '{rule.id}' as rule,\n    {condition} as met,\n"
        f"    {keeps} as keeps, '{rule.if_unknown}' as if_unknown\n  from {source}"
    )


def _printed(tree: exp.Expression) -> str:
    """Print a rule; a division by zero is unknown, not infinite."""

    def guarded(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Div | exp.Mod):
            divisor = exp.Nullif(this=node.expression, expression=exp.Literal.number(0))
            node.set("expression", divisor)
        return node

    return str(tree.copy().transform(guarded).sql("duckdb", identify=True, comments=False))
