"""What the author declared, beside what the data say: a broken rule stands right there."""

from __future__ import annotations

import re

import polars as pl
import pytest
from report_bench import rendered, retold, words_of

from vpack_pipeline.core.evaluation.integrity import RULES
from vpack_pipeline.report import words
from vpack_pipeline.report.contradictions import RESTS_ON, declared, rules_of

UNDECLARED = {"readers_not_in_development", "training_apart_from_tuning"}
"""Rules of conduct on which no declared field rests."""
SAYS = "The data contradict this:"


def breaking(report: pl.DataFrame, *rules: str) -> pl.DataFrame:
    """Print these rules as broken in 7 units and all others as held."""
    told = retold(report, "evaluation/integrity", {}, verdict="held")
    for rule in rules:
        told = retold(
            told,
            "evaluation/integrity",
            {"rule": rule},
            verdict="broken",
            estimate="77",
            method="count of scores",
            detail='{"count_of.unit":"scores"}',
            status="given",
        )
    return told


def lines(page: str) -> list[str]:
    found = re.findall(r'<span class="contradiction">(.*?\.)</span>', page, re.DOTALL)
    assert len(found) == page.count(SAYS)
    return found


def near(page: str, statement: str) -> str:
    """What follows a statement of the author, up to the end of its place in the page."""
    rest = page[page.index(statement) :]
    return rest[: min(rest.index(end) for end in ("</dd>", "</caption>", "</p>") if end in rest)]


def test_every_rule_of_conduct_is_rested_on_or_named_as_undeclared():
    used = {rule for values in RESTS_ON.values() for rules in values.values() for rule in rules}
    assert used | UNDECLARED == set(RULES)
    assert not used & UNDECLARED
    assert set(words.BREACHES) >= used


def test_every_declared_field_is_in_the_protocol_and_its_value_is_known(study):
    for field in RESTS_ON:
        assert declared(study.protocol, field) is not None
        assert set(rules_of(study.protocol, field)) <= set(RULES)


@pytest.mark.parametrize("field", ["about.evidence_kind", "sampling.prospective.method"])
def test_every_value_that_an_author_can_declare_is_known(study, field):
    *way, name = field.split(".")
    model = type(declared(study.protocol, ".".join(way)))
    assert set(RESTS_ON[field]) == set(model.model_fields[name].annotation.__args__)


def test_nothing_is_contradicted_while_every_rule_is_held(study):
    assert lines(rendered(study, report=breaking(study.report))) == []


PLACES = {
    "scored_before_labelled": ["Silent prospective, as planned:"],
    "consecutive": ["As planned: consecutive"],
    "readers_blind_to_peers": ["As planned: readers blind"],
    "reference_blind_to_index_test": [
        "As planned: readers blind",
        "Silent prospective, as planned:",
    ],
    "rules_blind": ["eligibility rules as planned"],
    "model_locked": [
        "as planned before the window below",
        "A verdict after the lock is given once",
    ],
    "thresholds_fixed": [
        "as planned before the window below",
        "A verdict after the lock is given once",
    ],
    "protocol_registered": ["A verdict after the lock is given once"],
    "verification_alike": ["Tolerated beforehand"],
}


@pytest.mark.parametrize("rule", sorted(PLACES))
def test_a_broken_rule_stands_beside_what_the_author_declared(study, rule):
    page = rendered(study, report=breaking(study.report, rule))
    link = f'<a href="#rule-{rule}">scores {words.BREACHES[rule]}</a>'
    for statement in PLACES[rule]:
        beside = near(page, statement)
        assert SAYS in beside
        assert link in beside
        assert "77" in words_of(beside)
    assert all(link in line for line in lines(page))
    assert f'<tr id="rule-{rule}">' in page


def test_what_was_not_declared_is_not_contradicted(study):
    sampling = study.protocol.sampling.model_copy(update={"method": "convenience"})
    adjudication = study.protocol.adjudication.model_copy(update={"blind_to_peers": False})
    protocol = study.protocol.model_copy(
        update={"sampling": sampling, "adjudication": adjudication}
    )
    told = breaking(study.report, "consecutive", "readers_blind_to_peers")
    assert lines(rendered(study, report=told, protocol=protocol)) == []


def test_free_prose_is_not_parsed_and_says_where_broken_rules_stand(page):
    chapter = page[page.index('<section id="limitations"') :]
    assert (
        '<a href="#integrity">rules of conduct broken: <span data-anchor="first.conduct.broken">'
        in (chapter[: chapter.index("Limitations, in order of weight")])
    )
