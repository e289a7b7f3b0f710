"""What a rule can have removed of a level, and what it must have: AND, OR, NOT, lists and nulls."""

from __future__ import annotations

import pytest
import sqlglot

from vpack_pipeline.protocol import Rule, Variable
from vpack_pipeline_tests.disclosure.rules import outcomes, removes, values_of
from vpack_pipeline_tests.report.pack_sample import documents

AGE = Variable(name="age_years", title="Age", kind="numeric", edges=(50, 70))
WARD = Variable(name="ward", title="Ward", kind="categorical", levels=("a", "b"))
T, F, N = True, False, None

TABLE = [
    # condition, level → what it may be
    ("age_years >= 50", {"<50": {F}, "50–70": {T}, "≥70": {T}, "missing": {N}}),
    ("age_years > 50", {"<50": {F}, "50–70": {T, F}, "≥70": {T}}),
    ("age_years < 18", {"<50": {T, F}, "50–70": {F}, "≥70": {F}}),
    ("18 <= age_years", {"<50": {T, F}, "50–70": {T}}),
    ("age_years = 60", {"<50": {F}, "50–70": {T, F}, "≥70": {F}}),
    ("not age_years >= 50", {"<50": {T}, "50–70": {F}, "missing": {N}}),
    ("age_years < 18 or age_years > 90", {"<50": {T, F}, "50–70": {F}, "≥70": {T, F}}),
    ("age_years is null", {"<50": {F}, "missing": {T}}),
    ("age_years is not null", {"<50": {T}, "missing": {F}}),
    ("ward = 'a'", {"a": {T}, "b": {F}, "other": {F}, "missing": {N}}),
    ("ward <> 'a'", {"a": {F}, "b": {T}, "other": {T}, "missing": {N}}),
    ("ward = 'c'", {"a": {F}, "other": {T, F}}),
    ("ward in ('a', 'c')", {"a": {T}, "b": {F}, "other": {T, F}, "missing": {N}}),
    ("ward = 'a' and kvp > 80", {"a": {T, F, N}, "b": {F}, "missing": {F, N}}),
    ("ward = 'a' or kvp > 80", {"a": {T}, "b": {T, F, N}, "missing": {T, N}}),
    ("ward = 'a' and age_years < 18", {"a": {T, F, N}, "b": {F}}),
    ("length(ward) > 1", {"a": {T, F, N}, "b": {T, F, N}}),
    ("kvp > 80", {"a": {T, F, N}, "missing": {T, F, N}}),
]


@pytest.mark.parametrize(("when", "expected"), TABLE, ids=[when for when, _ in TABLE])
def test_a_condition_is_read_in_every_level(when, expected):
    variable = AGE if "<50" in expected else WARD
    node = sqlglot.parse_one(when, read="duckdb")
    levels = values_of(variable)
    found = {x: set(outcomes(node, {variable.name: [levels[x]]})) for x in expected}
    assert found == expected


def rule(**changes) -> Rule:
    return documents()[0].eligibility.rules[0].model_copy(update=changes)


@pytest.mark.parametrize(
    ("kind", "if_unknown", "level", "outcome", "expected"),
    [
        ("include", "include", "case", T, {False}),
        ("include", "include", "case", F, {True}),
        ("include", "include", "case", N, {False}),
        ("include", "exclude", "case", N, {True}),
        # A case without an index study is left in.
        ("include", "exclude", "study", N, {True, False}),
        ("exclude", "include", "case", T, {True}),
        ("exclude", "include", "case", F, {False}),
        ("exclude", "exclude", "case", N, {True}),
        ("exclude", "stop", "case", N, {False}),
    ],
)
def test_a_rule_removes_what_it_says(kind, if_unknown, level, outcome, expected):
    made = rule(kind=kind, if_unknown=if_unknown, level=level)
    assert removes(made, frozenset({outcome})) == expected
