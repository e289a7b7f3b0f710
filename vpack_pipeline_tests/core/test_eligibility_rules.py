"""What a rule may say, and what the refusal of another one tells its author."""

from __future__ import annotations

from datetime import date

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.eligibility import VIEWS, bounded_rules, check_rules
from vpack_pipeline.core.eligibility.grammar import FUNCTIONS
from vpack_pipeline.protocol import Covariate, Eligibility, Rule

COVARIATES = (Covariate(name="bmi", title="Body mass index", type="float"),)


def views():
    known = contracts.load()
    return {level: {c.name: c.type for c in known[a].columns} for level, a in VIEWS.items()}


def eligibility(*whens, level="case"):
    rules = [
        Rule(
            id=f"r{i}",
            title="A rule",
            kind="include",
            level=level,
            when=when,
            if_unknown="exclude",
            decided_at=date(2024, 1, 1),
            rationale="as the protocol says",
        )
        for i, when in enumerate(whens, start=1)
    ]
    return Eligibility(rules=tuple(rules))


def refusal(when, level="case"):
    (problem,) = check_rules(eligibility(when, level=level), COVARIATES, views())
    assert problem.where == "eligibility rule r1"
    return f"{problem.what} — {problem.remedy}"


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("agee_years > 18", "did you mean age_years?"),
        ("bmii > 18", "did you mean bmi?"),
        ("zzzz > 18", "the view has age_years, bmi"),
        ("now() > index_date", "function now — allowed functions: abs"),
        ("current_date > index_date", "function current_date"),
        ("random() > 0.5", "function rand"),
        ("regexp_matchs(sex, 'F')", "did you mean regexp_matches?"),
        ("read_csv('x') = 1", "function read_csv"),
        ("count(*) > 1", "function count"),
        ("row_number() over () = 1", "Window"),
        ("age_years = (select 1)", "a sub-select"),
        ("exists (select 1)", "a sub-select"),
        ("age_years in (select 1)", "in without a list"),
        ("case_id = 'x'", "no column case_id"),
        ("covariates = '{}'", "no column covariates"),
        ("cases.sex = 'F'", "write sex: a rule reads one view"),
        ("sex similar to 'F'", "SimilarTo"),
        ("sex ~ 'F'", "the operator ~"),
        ("sex = 'F' and", "not a SQL expression"),
        ("sex = 'F'; drop table x", "not a SQL expression"),
        ("sex = 'F", "not a SQL expression"),
        ("age_years", "the rule gives number"),
        ("sex > 5", "number with text"),
        ("not sex", "not needs bool, found text"),
        ("sex like 5", "like needs text, found number"),
        ("sex = null", "nothing equals null: write is null"),
        ("sex is 3", "is takes null, true or false"),
        ("sex is true", "is true needs bool, found text"),
        ("1 < age_years < 3", "a chain of comparisons"),
        ("sex = 'F' = true", "a chain of comparisons"),
        ("index_date > '2024-13-01'", "a date that is none"),
        ("index_date > '20240101'", "a date that is none"),
        ("index_date > lower('2024-01-01')", "a date that is none"),
        ("index_date > DATE '2024-02-30'", "a date that is none"),
        ("index_date - study_date > 3", "use date_diff"),
        ("date_diff('month', study_date, index_date) > 3", "count days"),
        ("date_diff('day', sex, index_date) > 3", "date_diff needs date, found text"),
        ("cast(sex as int) = 1", "use try_cast"),
        ("try_cast(sex as time) = 1", "try_cast to this type"),
        ("round(age_years, 1, 2) > 1", "arguments of round"),
        ("abs(sex) > 1", "abs needs number, found text"),
        ("regexp_matches(sex, sex)", "a pattern that is not a literal"),
        ("regexp_matches(sex, '(')", "a pattern that does not compile"),
        ("regexp_matches(sex, '(?=F)')", "a look-around"),
        ("case sex when 'F' then true end", "case with an operand"),
        ("case when sex then true end", "case when needs bool"),
    ],
)
def test_rule_is_refused_with_its_reason(when, says):
    assert says in refusal(when)


def test_rule_of_another_level_is_told_where_it_stands():
    assert refusal("kvp > 100", level="patient").endswith("set level: study")
    assert refusal("bmi > 20", level="study").endswith("set level: case")


def test_a_tilde_within_a_literal_is_no_operator():
    assert check_rules(eligibility("sex = '~'"), (), views()) == []


def test_all_rules_at_fault_are_listed_at_once():
    problems = check_rules(eligibility("agee > 1", "age_years > 1", "now() > 1"), (), views())
    assert [p.where for p in problems] == ["eligibility rule r1", "eligibility rule r3"]


def test_a_covariate_may_not_hide_a_column_of_the_case_view():
    taken = (Covariate(name="sex", title="Sex", type="string"),)
    (problem,) = check_rules(eligibility("sex = 'F'"), taken, views())
    assert problem.where == "covariates.sex"


def test_the_mask_has_room_for_62_rules():
    assert check_rules(eligibility(*["true"] * 62), (), views()) == []
    (problem,) = check_rules(eligibility(*["true"] * 63), (), views())
    assert problem.where == "eligibility.rules"


def test_rules_on_what_can_be_evaluated_are_allowed_but_listed():
    rules = eligibility("has_prediction", "age_years > 18", "has_reference", "n_reads > 2", "(")
    assert bounded_rules(rules) == ("r1", "r3", "r4")
    assert [p.where for p in check_rules(rules, (), views())] == ["eligibility rule r5"]


def test_scores_and_labels_are_no_columns_of_any_view():
    assert not {"score", "call", "label", "rating"} & {c for v in views().values() for c in v}


def test_every_function_of_the_grammar_is_called_by_its_own_name():
    names = [f.name for f in FUNCTIONS.values()]
    assert len(set(names)) == len(names)
