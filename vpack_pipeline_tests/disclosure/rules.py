"""What the participant flow says of a level: whom a rule can have removed, and whom it must have.

A rule's condition is read in every level of a variable, other columns taken for anything: AND, OR
and NOT over comparisons, lists and nulls. What does not belong here: counts of sets (``knowledge``).
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import exp

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.core.representativeness.profiled import with_people
from vpack_pipeline.core.variables import MISSING, OTHER, bin_labels
from vpack_pipeline.protocol import Rule, Variable
from vpack_pipeline_tests.disclosure.integers import Name
from vpack_pipeline_tests.disclosure.knowledge import FLOW, OneVariable

TIMES: Final = " × "
Outcome = bool | None
Outcomes = frozenset[Outcome]
"""What a condition may be of a level: true, false, unknown."""
ANY: Final[Outcomes] = frozenset({True, False, None})

_SIGNS: Final[Mapping[type[exp.Expression], Callable[[float, float], bool]]] = {
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
}
_TURNED: Final[Mapping[type[exp.Expression], type[exp.Expression]]] = {
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}
"""Comparisons that turn round where the number stands first."""


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one level: numbers from ``low`` up to ``high``, one text, others, or none."""

    low: float | None = None
    high: float | None = None
    text: str | None = None
    listed: frozenset[str] = frozenset()
    """Of *other*: the texts that are levels of their own."""
    is_missing: bool = False

    def compared(self, sign: type[exp.Expression], to: str | float) -> Outcomes:
        """What ``value sign to`` may be."""
        if self.is_missing:
            return frozenset({None})
        if isinstance(to, str):
            found = self._equal(to)
            return {exp.EQ: found, exp.NEQ: _negated(found)}.get(sign, ANY)
        if self.low is None or self.high is None:
            return ANY
        # The bin holds its lower edge and not its upper one; between them lies any value.
        inside = [x for x in (self.low, to) if self.low <= x < self.high]
        nearby = [x for x in (to - 1e-6, to + 1e-6) if self.low <= x < self.high]
        ends = [max(self.low, -1e300), min(self.high, 1e300) - 1e-6]
        return frozenset(_SIGNS[sign](x, to) for x in (*inside, *nearby, *ends))

    def _equal(self, to: str) -> Outcomes:
        if self.text is not None:
            return frozenset({self.text == to})
        return frozenset({False}) if to in self.listed else frozenset({True, False})

    @property
    def truth(self) -> Outcomes:
        """Of a yes or no: what it is."""
        if self.is_missing:
            return frozenset({None})
        if self.listed == {"true", "false"}:
            return frozenset()  # A yes or no is nothing else.
        return frozenset({self.text == "true"}) if self.text in ("true", "false") else ANY


def values_of(variable: Variable) -> dict[str, Values]:
    """Give the values of each level of a variable."""
    labels = bin_labels(variable)
    found = {MISSING: Values(is_missing=True)}
    if variable.kind == "numeric":
        edges = (-float("inf"), *variable.edges, float("inf"))
        bins = zip(labels[:-1], itertools.pairwise(edges), strict=True)
        return found | {label: Values(low, high) for label, (low, high) in bins}
    listed = frozenset(labels) - {OTHER, MISSING}
    return found | {x: Values(text=x) for x in listed} | {OTHER: Values(listed=listed)}


Domain = Mapping[str, Iterable[Values]]
"""Column → what its value may be."""


def outcomes(node: exp.Expression, domain: Domain) -> Outcomes:
    """Say what a condition may be where columns have these values, and any other column any.

    >>> ward = {"ward": [Values(text="a")]}
    >>> said = "ward = 'b' and kvp > 80"
    >>> outcomes(sqlglot.parse_one(said, read="duckdb"), ward)
    frozenset({False})
    """
    if isinstance(node, exp.Paren):
        return outcomes(node.this, domain)
    if isinstance(node, exp.Not):
        return _negated(outcomes(node.this, domain))
    if isinstance(node, exp.And | exp.Or):
        both = itertools.product(outcomes(node.this, domain), outcomes(node.expression, domain))
        join = _both if isinstance(node, exp.And) else _either
        return frozenset(join(a, b) for a, b in both)
    return _predicate(node, domain)


def _predicate(node: exp.Expression, domain: Domain) -> Outcomes:
    column = node if isinstance(node, exp.Column) else node.this
    sign = type(node)
    if isinstance(node.args.get("expression"), exp.Column):
        column, sign = node.expression, _TURNED.get(sign, sign)
        literal = _literal(node.this)
    else:
        literal = _literal(node.args.get("expression"))
    if not isinstance(column, exp.Column) or column.name not in domain:
        return ANY
    values = list(domain[column.name])
    if isinstance(node, exp.Column):
        return _union(v.truth for v in values)
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
        return frozenset(v.is_missing for v in values)
    if isinstance(node, exp.In) and node.expressions:
        each = [_literal(e) for e in node.expressions]
        if all(isinstance(e, str) for e in each):
            return _union(_among(v, [str(e) for e in each]) for v in values)
    if sign in _SIGNS and literal is not None:
        return _union(v.compared(sign, literal) for v in values)
    return ANY


def _among(values: Values, texts: list[str]) -> Outcomes:
    found = _union(values.compared(exp.EQ, text) for text in texts)
    # One of them is enough.
    return frozenset({True}) if values.text in texts else found


def _literal(node: exp.Expression | None) -> str | float | None:
    if isinstance(node, exp.Neg):
        inner = _literal(node.this)
        return -inner if isinstance(inner, float) else None
    if not isinstance(node, exp.Literal):
        return None
    return str(node.this) if node.is_string else float(node.this)


def _union(found: Iterable[Outcomes]) -> Outcomes:
    return frozenset[Outcome]().union(*found)


def _negated(found: Outcomes) -> Outcomes:
    return frozenset(None if x is None else not x for x in found)


def _both(a: Outcome, b: Outcome) -> Outcome:
    return False if a is False or b is False else None if None in (a, b) else True


def _either(a: Outcome, b: Outcome) -> Outcome:
    return True if a is True or b is True else None if None in (a, b) else False


def removes(rule: Rule, of_level: Outcomes) -> frozenset[bool]:
    """Say whether a rule can remove, and can leave in, cases of a level."""
    removing = rule.kind == "exclude"
    found = {outcome is removing for outcome in of_level if outcome is not None}
    if None in of_level:
        # A rule on studies leaves in a case that has no index study.
        out = {True} if rule.level == "case" else {True, False}
        found |= out if rule.if_unknown == "exclude" else {False}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one rule does in each level."""

    rule: Rule
    known: Mapping[str, Outcomes]

    @property
    def possible(self) -> list[str]:
        """Levels of which it can have removed somebody."""
        return [x for x, found in self.known.items() if True in removes(self.rule, found)]

    @property
    def certain(self) -> list[str]:
        """Levels that it removes whole."""
        whole = frozenset({True})
        return [x for x, found in self.known.items() if removes(self.rule, found) == whole]


@dataclass(frozen=True, slots=True)
class ByRules:
    """What the rules on one variable say of whom they remove.

    Attributes
    ----------
    levels : rule → the levels of which it can have removed somebody
    groups : groups that are described by a level and the rules: their name and counts by level
    """

    levels: Mapping[str, frozenset[str]]
    groups: list[tuple[str, list[Name]]]

    def told(self, members: Iterable[str]) -> list[Name]:
        """Count whom rules remove that can remove of these levels alone.

        Such a rule says who they are, and the flow how many.
        """
        among = frozenset(members)
        rules = [rule for rule, levels in self.levels.items() if levels <= among]
        return [("marginal", x, rule) for rule in rules for x in sorted(among)]


def add_rules(one: OneVariable) -> ByRules:
    """Add how many cases of each level a rule can have removed."""
    rows = {r["rule"]: r for r in one.rows(FLOW, unit="case")}
    domains = _domains(one)
    read: list[_Reading] = []
    n_others = 0
    for rule in one.protocol.eligibility.rules:
        if rule.id not in rows:
            continue
        node = sqlglot.parse_one(rule.when, read="duckdb")
        reading = _Reading(rule, {x: outcomes(node, domains[x]) for x in one.printed})
        if reading.certain or len(reading.possible) < len(one.printed):
            read.append(reading)
            _rule(one, reading, rows[rule.id])
        else:
            n_others += rows[rule.id]["removed"]
    for x in one.printed:
        removed = [("removed", x, r.rule.id) for r in read] + [("removed", x, EVERY_OTHER)]
        one.known.same(("cases", x, "excluded"), removed)
    one.known.equal([("removed", x, EVERY_OTHER) for x in one.printed], n_others)
    groups = [(EVERY_OTHER, _unnamed(one, read))] if read else []
    # Whom a rule on one level removed is no group of its own: rule and flow say it.
    groups += [
        (r.rule.id, [("removed", x, r.rule.id) for x in one.printed])
        for r in read
        if len(r.possible) > 1
    ]
    return ByRules({r.rule.id: frozenset(r.possible) for r in read}, groups)


EVERY_OTHER: Final = "rules on something else"


def _unnamed(one: OneVariable, read: list[_Reading]) -> list[Name]:
    """Count whom no rule on this variable removes, though another does."""
    found: list[Name] = []
    for x in one.printed:
        unnamed, excluded = ("unnamed", x), ("cases", x, "excluded")
        named = [("marginal", x, r.rule.id) for r in read]
        one.known.within(unnamed, ("removed", x, EVERY_OTHER))
        for each in named:
            one.known.between({excluded: 1, each: -1, unnamed: -1}, 0, None)
        # Some are removed by several of them.
        one.known.between({excluded: -1, unnamed: 1} | dict.fromkeys(named, 1), 0, None)
        found.append(unnamed)
    return found


def _rule(one: OneVariable, reading: _Reading, row: Mapping[str, int]) -> None:
    """Whom it removed first, alone and uniquely stand in the levels in which they can."""
    rule, known = reading.rule.id, one.known
    for x in one.printed:
        first, marginal, unique = ((kind, x, rule) for kind in ("removed", "marginal", "unique"))
        known.within(first, marginal)
        known.within(unique, first)
        known.within(marginal, ("cases", x, "excluded"))
        if x not in reading.possible:
            known.equal([marginal], 0)
        if x in reading.certain:
            known.equal(one.cases([x], "included"), 0)
            known.same(marginal, one.cases([x], "cohort"))
    for kind, total in (
        ("removed", "removed"),
        ("marginal", "marginal"),
        ("unique", "unique_to_rule"),
    ):
        known.equal([(kind, x, rule) for x in one.printed], row[total])
    unknown = {x for x, found in reading.known.items() if None in found}
    known.between(dict.fromkeys(one.cases(unknown, "cohort"), 1), row["unknown"], None)
    if reading.rule.level == "case":
        surely = {x for x, found in reading.known.items() if found == {None}}
        known.between(dict.fromkeys(one.cases(surely, "cohort"), 1), None, row["unknown"])


def _domains(one: OneVariable) -> dict[str, Domain]:
    """Give each level's values, of each variable that is described together."""
    protocol = one.protocol
    every = [field.name for field in header_fields.load()]
    profiled = with_people(protocol.representativeness, protocol.covariates, every)
    variables = {v.name: values_of(v) for v in profiled.variables}
    names = one.name.split(TIMES)
    if len(names) == 1:
        return {x: {one.name: [variables[one.name][x]]} for x in one.printed}
    return {x: _cell(one, names, x, variables) for x in one.printed}


def _cell(
    one: OneVariable, names: list[str], level: str, variables: Mapping[str, Mapping[str, Values]]
) -> Domain:
    """Give what the values may be of a cell, which is named by printed levels."""
    labels = level.split(TIMES)
    if len(labels) != len(names):
        return {}
    found = {}
    for name, label in zip(names, labels, strict=True):
        rows = one.rows("representativeness/levels", variable=name, printed_level=label)
        found[name] = [variables[name][row["level"]] for row in rows]
    return found
