"""Compile the protocol's rules to the SELECT of ``eligibility/flags``.

The SQL is printed from the checked syntax tree, never from the protocol's text. What does not
belong here: what a rule may say (``grammar``), who is removed in which order (the model ``flow``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
-- Decides: which eligibility rules remove a patient, study or case, and which are unknown of it.
-- Generated from the protocol. Bit r - 1 of a mask stands for rule r. An include rule removes where
-- it is not true, an exclude rule where it is true; if_unknown decides where it is unknown. A study
-- rule is unknown of a case whose index study is not in the cohort.
"""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A rule with its place in the protocol, from 1, and its condition as SQL."""

    place: int
    rule: Rule
    condition: str

    @property
    def bit(self) -> int:
        return 1 << (self.place - 1)

    @property
    def removes(self) -> str:
        keeps = self.rule.kind == "include"
        assumed = keeps ^ (self.rule.if_unknown == "exclude")
        value = f"coalesce(rule_{self.place}, {'true' if assumed else 'false'})"
        return f"not {value}" if keeps else value


def compile_flags(eligibility: Eligibility, covariates: Sequence[Covariate], views: Views) -> str:
    """Compile the rules to one SELECT over ``eligibility.patients``, ``studies`` and ``cases``.

    It gives a row a unit and no row a rule: with one, fifty rules make 150 million rows of a
    million cases.

    Parameters
    ----------
    eligibility : the protocol's rules, numbered from 1 in their order
    covariates : read, typed, from the JSON column ``covariates``; a value that does not parse is
        unknown
    views : level → column → contract type

    Returns
    -------
    DuckDB SQL giving ``level, unit_id, removing_rules, unknown_rules, stopping_rules``

    Raises
    ------
    DocumentError
        Every problem of :func:`check_rules`.
    """
    problems = check_rules(eligibility, covariates, views)
    if problems:
        raise DocumentError(problems)
    trees = [parse(r, columns_of(r.level, covariates, views)) for r in eligibility.rules]
    named = {c.name for tree in trees for c in tree.find_all(exp.Column)}
    used = [c for c in covariates if c.name in named]
    placed = [
        _Placed(place, rule, _printed(tree))
        for place, (rule, tree) in enumerate(zip(eligibility.rules, trees, strict=True), start=1)
    ]
    masks = "\n  union all\n".join(_masks(level, placed, used) for level in VIEWS)
    stopping = _mask(p for p in placed if p.rule.if_unknown == "stop")
    return (
        f"{_HEADER}with masks as (\n{masks}\n)\n"
        "select\n  level, unit_id, removing_rules, unknown_rules,\n"
        f"  unknown_rules & {stopping} as stopping_rules\nfrom masks\n"
    )


def _masks(level: str, placed: Sequence[_Placed], covariates: Sequence[Covariate]) -> str:
    """Give the masks of one level's units, each rule read once a unit."""
    own = [p for p in placed if p.rule.level == level]
    removing = [f"case when {p.removes} then {p.bit} else 0 end" for p in own]
    unknown = [f"case when rule_{p.place} is null then {p.bit} else 0 end" for p in own]
    judged = [f"{level}_id as unit_id", *(f"({p.condition}) as rule_{p.place}" for p in own)]
    source = VIEWS[level].replace("/", ".")
    if level == "case":
        of_study = [p for p in placed if p.rule.level == "study"]
        excluding = _mask(p for p in of_study if p.rule.if_unknown == "exclude")
        removing.append(f"case when study_id is null then {excluding} else 0 end")
        unknown.append(f"case when study_id is null then {_mask(of_study)} else 0 end")
        judged.append("study_id")
        source = f"(select *{_columns(covariates)} from {source})"
    columns = ",\n      ".join(judged)
    return (
        f"  select\n    '{level}' as level,\n    unit_id,\n"
        f"    {_united(removing)} as removing_rules,\n    {_united(unknown)} as unknown_rules\n"
        f"  from (\n    select\n      {columns}\n    from {source}\n  )"
    )


def _mask(placed: Iterable[_Placed]) -> int:
    return sum(p.bit for p in placed)


def _united(masks: Sequence[str]) -> str:
    return "\n    | ".join(masks) or "0"


def _columns(covariates: Sequence[Covariate]) -> str:
    return "".join(
        f", try_cast(json_extract_string(covariates, '$.{c.name}') as {_SQL_TYPES[c.type]})"
        f' as "{c.name}"'
        for c in covariates
    )


def _printed(tree: exp.Expression) -> str:
    """Print a rule; a division by zero is unknown, not infinite."""

    def guarded(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Div | exp.Mod):
            divisor = exp.Nullif(this=node.expression, expression=exp.Literal.number(0))
            node.set("expression", divisor)
        return node

    return str(tree.copy().transform(guarded).sql("duckdb", identify=True, comments=False))
