"""Several endpoints and several looks: rules, spending by information, looks that are not taken."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from evaluation_world import AFTER, BEFORE, LOOK, World, cases_of, endpoint, figure, published_looks
from scipy.stats import binom

from vpack_pipeline.core.evaluation.verdicts import MOST_WRONGLY_DENIED, verdict_of_all
from vpack_pipeline.protocol import Amendment, Information, Look
from vpack_pipeline.stats.sequential import look_levels

DAY = datetime.timedelta(days=1)
LATER = LOOK + 30 * DAY
LAST = LATER + 30 * DAY
# Sensitivity 95 of 100, specificity 190 of 200, after the lock.
CASES = [
    *cases_of(95, "positive", 0.9, date=AFTER),
    *cases_of(5, "positive", 0.1, date=AFTER),
    *cases_of(190, "negative", 0.2, date=AFTER),
    *cases_of(10, "negative", 0.8, date=AFTER),
    *cases_of(18, "positive", 0.9, date=BEFORE),
    *cases_of(2, "positive", 0.1, date=BEFORE),
]
POSITIVES, NEGATIVES = Information(positives=200), Information(negatives=400)


def claims(sensitivity: float, specificity: float, **further: Any) -> tuple[Any, ...]:
    return (
        endpoint(goal=sensitivity, information_max=POSITIVES, **further),
        endpoint(
            id="specificity_after",
            metric="specificity",
            goal=specificity,
            information_max=NEGATIVES,
            **further,
        ),
    )


def judged(world: World, look: datetime.date = LOOK) -> dict[str, dict[str, Any]]:
    """Give the rows of one look by metric."""
    frame = world.run("endpoints")
    return {m: figure(frame, m, look=str(look)) for m in ("sensitivity", "specificity")}


def verdicts(world: World, look: datetime.date = LOOK) -> list[tuple[str, float | None]]:
    return [(row["verdict"], row["alpha"]) for row in judged(world, look).values()]


def published(metric: str, look: datetime.date, verdict: str, **changes: Any) -> dict[str, Any]:
    return {
        "endpoint": f"{metric}_after",
        "look": str(look),
        "pack_version": "1.0-x",
        "pack_digest": "abc",
        "estimate": 0.9,
        "lower": 0.8,
        "upper": 0.95,
        "n": 60,
        "events": 54,
        "verdict": verdict,
        "alpha": 0.001,
        "information": 60.0,
        "information_share": 0.3,
        **changes,
    }


# --- rules --------------------------------------------------------------------------------------


def test_where_all_must_be_met_each_has_the_whole_alpha():
    world = World(CASES).evaluated(several_endpoints="all_must_be_met", endpoints=claims(0.8, 0.97))
    assert verdicts(world) == [("met", 0.025), ("inconclusive", 0.025)]
    assert judged(world)["sensitivity"]["method"].endswith(";two_sided_level;judged_by")


@pytest.mark.parametrize(
    ("goals", "expected"),
    [
        ((0.8, 0.9), [("met", 0.0125), ("met", 0.0125)]),
        # The second is met at what the first sets free, and would not be at half of alpha.
        ((0.8, 0.907), [("met", 0.0125), ("met", 0.025)]),
        ((0.885, 0.8), [("met", 0.025), ("met", 0.0125)]),
        # Without one that is met nothing is set free: alone each would be met.
        ((0.885, 0.907), [("inconclusive", 0.0125), ("inconclusive", 0.0125)]),
    ],
)
def test_holm_divides_alpha_and_what_is_met_sets_its_part_free(goals, expected):
    world = World(CASES).evaluated(several_endpoints="holm", endpoints=claims(*goals))
    assert verdicts(world) == expected
    alone = world.evaluated(several_endpoints="all_must_be_met")
    assert [verdict for verdict, _ in verdicts(alone)] == ["met", "met"]


def test_the_interval_of_a_claim_is_that_of_the_level_at_which_it_was_tested():
    world = World(CASES).evaluated(several_endpoints="holm", endpoints=claims(0.8, 0.907))
    rows = judged(world)
    whole = judged(world.evaluated(several_endpoints="all_must_be_met"))
    assert rows["sensitivity"]["lower"] < whole["sensitivity"]["lower"]
    assert rows["specificity"]["lower"] == whole["specificity"]["lower"]
    assert json.loads(rows["sensitivity"]["detail"]) == {
        "judged_by.rule": "holm",
        "two_sided_level.level": 0.975,
    }


def test_in_a_sequence_what_stands_behind_one_that_is_not_met_is_not_tested():
    world = World(CASES).evaluated(several_endpoints="fixed_sequence", endpoints=claims(0.8, 0.9))
    assert verdicts(world) == [("met", 0.025), ("met", 0.025)]
    waiting = world.evaluated(endpoints=claims(0.93, 0.9))
    assert [verdict for verdict, _ in verdicts(waiting)] == ["inconclusive", "not_tested"]
    row = judged(waiting)["specificity"]
    assert (row["status"], row["notes"]) == ("given", "not_tested_yet")
    # That a goal is missed spends nothing and need not wait.
    missed = world.evaluated(endpoints=claims(0.93, 0.99))
    assert [verdict for verdict, _ in verdicts(missed)] == ["inconclusive", "not_met"]


def test_a_secondary_endpoint_has_alpha_of_its_own_whatever_the_rule():
    both = (*claims(0.885, 0.907), endpoint(id="more", rank="secondary", goal=0.885))
    frame = World(CASES).evaluated(several_endpoints="holm", endpoints=both).run("endpoints")
    row = figure(frame, "sensitivity", endpoint="more", look=str(LOOK))
    assert (row["verdict"], row["alpha"]) == ("met", 0.025)
    assert row["method"].endswith("judged_alone")


def test_a_retrospective_primary_endpoint_shares_alpha_at_every_cut():
    before = endpoint(id="before", window="retrospective", goal=0.6)
    world = World(CASES).evaluated(
        several_endpoints="holm", endpoints=(before, claims(0.8, 0.9)[0])
    )
    early = world.but(cut=LOOK - DAY).run("endpoints")
    assert figure(early, "sensitivity", look="none")["alpha"] == 0.0125
    at_look = world.run("endpoints")
    assert figure(at_look, "sensitivity", look="none")["alpha"] == 0.0125
    row = figure(at_look, "sensitivity", look=str(LOOK), window="prospective")
    assert (row["verdict"], row["alpha"]) == ("met", 0.0125)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["met", "met"], "met"),
        (["met", "not_met"], "not_met"),
        (["void", "not_met"], "not_met"),
        ([], "not_shown"),
        *((["met", other], "not_shown") for other in ("inconclusive", "not_tested", "not_taken")),
        *((["met", other], "not_shown") for other in ("withheld", "refused", "void", None)),
    ],
)
def test_endpoints_are_met_together_only_where_each_is(found, expected):
    assert verdict_of_all(found) == expected


def test_the_table_of_all_says_the_rule_and_counts_primary_endpoints():
    more = endpoint(id="more", rank="secondary", goal=0.99)
    world = World(CASES).evaluated(several_endpoints="holm", endpoints=(*claims(0.8, 0.9), more))
    row = figure(world.run("overall_verdict"), "n_endpoints_met")
    assert (row["several_endpoints"], row["verdict"]) == ("holm", "met")
    assert (row["estimate"], row["n"], row["events"]) == (2, 2, 2)
    single = World(CASES).evaluated(endpoints=claims(0.97, 0.9)[:1]).run("overall_verdict")
    row = figure(single, "n_endpoints_met")
    assert (row["several_endpoints"], row["verdict"], row["estimate"]) == (
        "single_endpoint",
        "not_shown",
        0,
    )


# --- looks --------------------------------------------------------------------------------------

LOOKS = (Look(cut=LOOK), Look(cut=LATER), Look(cut=LAST))
SEVERAL = World(CASES).evaluated(
    several_endpoints="all_must_be_met", looks=LOOKS, endpoints=claims(0.8, 0.9)
)


def at(cut: datetime.date, *rows: dict[str, Any], **changes: Any) -> World:
    given = {"published_looks": published_looks(*rows)}
    return SEVERAL.but(cut=cut, given=given).evaluated(**changes)


def test_a_look_spends_what_its_share_of_the_planned_information_allows():
    rows = judged(SEVERAL)
    assert {m: r["information"] for m, r in rows.items()} == {
        "sensitivity": 100.0,
        "specificity": 200.0,
    }
    assert {r["information_share"] for r in rows.values()} == {0.5}
    assert {r["alpha"] for r in rows.values()} == set(look_levels(0.025, [0.5]))


def test_the_level_of_a_later_look_follows_from_the_information_of_those_before():
    before = [published(m, LOOK, "inconclusive") for m in ("sensitivity", "specificity")]
    found = judged(at(LATER, *before), LATER)["sensitivity"]
    expected = look_levels(0.025, [0.3, 0.5], [60, 100])[-1]
    assert (found["alpha"], found["information_share"]) == (expected, 0.5)
    rows = [
        *before,
        *(
            published(m, LATER, "inconclusive", information=100.0, information_share=0.5)
            for m in ("sensitivity", "specificity")
        ),
    ]
    last = judged(at(LAST, *rows), LAST)["sensitivity"]
    assert last["alpha"] == look_levels(0.025, [0.3, 0.5, 1.0], [60, 100, 100])[-1]
    assert last["information_share"] == 1.0


@pytest.mark.parametrize(
    ("planned", "before", "reason"),
    [
        (400, [], "look_too_early"),
        (200, [{"information": 92.0, "information_share": 0.46}], "look_adds_little"),
        (200, [{"information": 210.0, "information_share": 1.0}], "information_complete"),
        (None, [], "no_information_planned"),
    ],
)
def test_a_look_that_brings_too_little_is_not_taken_and_spends_nothing(planned, before, reason):
    rows = [published("sensitivity", LOOK, "inconclusive", **one) for one in before]
    information = None if planned is None else Information(positives=planned)
    claim = endpoint(goal=0.8, information_max=information)
    frame = at(LATER, *rows, endpoints=(claim,)).run("endpoints")
    row = figure(frame, "sensitivity", look=str(LATER))
    assert (row["verdict"], row["status"], row["alpha"]) == ("not_taken", "refused", None)
    assert row["reason"] == reason


def test_the_last_look_is_taken_with_whatever_there_is_and_spends_all():
    claim = endpoint(goal=0.8, information_max=Information(positives=10_000))
    row = figure(at(LAST, endpoints=(claim,)).run("endpoints"), "sensitivity", look=str(LAST))
    assert (row["verdict"], row["alpha"], row["information_share"]) == ("met", 0.025, 1.0)


def test_more_information_than_was_planned_spends_all_and_later_looks_have_none():
    claim = endpoint(goal=0.8, information_max=Information(positives=90))
    row = figure(at(LOOK, endpoints=(claim,)).run("endpoints"), "sensitivity", look=str(LOOK))
    assert (row["alpha"], row["information_share"], row["information"]) == (0.025, 1.0, 100.0)


def test_an_endpoint_behind_another_in_a_sequence_has_its_own_spending():
    rows = [
        published("sensitivity", LOOK, "met"),
        published("specificity", LOOK, "not_tested", information=120.0),
    ]
    sequence = {"several_endpoints": "fixed_sequence", "endpoints": claims(0.8, 0.88)}
    found = judged(at(LATER, *rows, **sequence), LATER)
    assert found["sensitivity"]["reason"] == "met_at_earlier_look"
    # As if it had been tested at the first look: what was not used there is not had later.
    expected = look_levels(0.025, [0.3, 0.5], [120, 200])[-1]
    assert (found["specificity"]["verdict"], found["specificity"]["alpha"]) == ("met", expected)


def test_alpha_that_a_claim_set_free_is_used_at_later_looks():
    rows = [published("sensitivity", LOOK, "met"), published("specificity", LOOK, "inconclusive")]
    found = judged(at(LATER, *rows, several_endpoints="holm"), LATER)["specificity"]
    assert found["alpha"] == look_levels(0.025, [0.3, 0.5], [60, 200])[-1]
    none = [published(m, LOOK, "inconclusive") for m in ("sensitivity", "specificity")]
    goals = claims(0.99, 0.99)
    still = judged(at(LATER, *none, several_endpoints="holm", endpoints=goals), LATER)
    assert still["specificity"]["alpha"] == look_levels(0.0125, [0.3, 0.5], [60, 200])[-1]


def test_a_void_look_spends_nothing_and_sets_nothing_free():
    gone = dict.fromkeys(("estimate", "lower", "upper", "n", "events", "alpha", "information"))
    void = published(
        "sensitivity", LOOK, "void", information_share=None, changed=["findings"], **gone
    )
    found = judged(at(LATER, void, several_endpoints="holm"), LATER)["sensitivity"]
    assert found["alpha"] == look_levels(0.0125, [0.5])[-1]
    at_void = at(LOOK, void, several_endpoints="holm", endpoints=claims(0.8, 0.907))
    assert verdicts(at_void)[1] == ("inconclusive", look_levels(0.0125, [0.5])[-1])


def test_a_look_of_before_information_was_kept_has_spent_its_level():
    old = published(
        "sensitivity", LOOK, "inconclusive", alpha=0.005, information=None, information_share=None
    )
    found = judged(at(LATER, old), LATER)["sensitivity"]
    assert found["alpha"] == look_levels(0.02, [0.5])[-1]
    spent = {**old, "alpha": None}
    row = judged(at(LATER, spent), LATER)["sensitivity"]
    assert (row["verdict"], row["reason"]) == ("not_taken", "error_spent")


def test_a_look_that_was_not_taken_is_quoted_as_such():
    gone = dict.fromkeys(("estimate", "lower", "upper", "n", "events", "alpha", "information"))
    row = published("sensitivity", LOOK, "not_taken", information_share=None, **gone)
    found = judged(at(LATER, row))["sensitivity"]
    assert (found["verdict"], found["reason"]) == ("not_taken", "not_taken_in_pack")


# --- few patients, and a goal that is missed ----------------------------------------------------


@pytest.mark.parametrize(("n", "expected"), [(9, "inconclusive"), (10, "met")])
def test_a_class_with_too_few_patients_decides_nothing(n, expected):
    few = [*cases_of(n, "positive", 0.9, date=AFTER), *cases_of(50, "negative", 0.1, date=AFTER)]
    for claim in (endpoint(), endpoint(id="auc", metric="auc", operating_point=None)):
        frame = World(few).evaluated(endpoints=(claim,)).run("endpoints")
        row = figure(frame, claim.metric, look=str(LOOK))
        assert row["verdict"] == expected
        assert (row["notes"] == "few_patients_for_verdict") == (n < 10)


def test_patients_are_counted_and_not_their_cases():
    """Nine patients and one of twenty cases are ten; without the one they are nine."""
    nine = cases_of(9, "positive", 0.9, date=AFTER)
    many = cases_of(20, "positive", 0.9, date=AFTER, patient="many")
    for cases, expected in ((nine + many, "met"), (nine[1:] + many, "inconclusive")):
        row = figure(World(cases).run("endpoints"), "sensitivity", look=str(LOOK))
        assert row["verdict"] == expected


def test_an_endpoint_of_a_class_without_a_case_is_refused():
    only = cases_of(20, "negative", 0.1, date=AFTER)
    row = figure(World(only).run("endpoints"), "sensitivity", look=str(LOOK))
    assert (row["verdict"], row["status"]) == ("refused", "refused")


@pytest.mark.parametrize("goal", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("n", [10, 15, 20])
def test_a_goal_that_is_reached_is_seldom_said_to_be_missed(n, goal):
    said = 0.0
    for right in range(n + 1):
        cases = cases_of(right, "positive", 0.9, date=AFTER)
        cases += cases_of(n - right, "positive", 0.1, date=AFTER)
        frame = World(cases).evaluated(endpoints=(endpoint(goal=goal),)).run("endpoints")
        verdict = figure(frame, "sensitivity", look=str(LOOK))["verdict"]
        said += binom.pmf(right, n, goal) * (verdict == "not_met")
    assert 0 < said <= MOST_WRONGLY_DENIED


@pytest.mark.parametrize(("goal", "expected"), [(0.95, "not_met"), (0.96, "inconclusive")])
def test_an_area_is_said_to_miss_only_goals_for_which_that_was_simulated(goal, expected):
    cases = [*cases_of(40, "positive", 0.5, date=AFTER), *cases_of(40, "negative", 0.5, date=AFTER)]
    claim = endpoint(id="auc", metric="auc", operating_point=None, goal=goal)
    row = figure(World(cases).evaluated(endpoints=(claim,)).run("endpoints"), "auc", look=str(LOOK))
    assert (row["verdict"], row["notes"] == "denial_not_shown") == (expected, goal > 0.95)


# --- amendments ---------------------------------------------------------------------------------


def test_a_void_look_names_the_amendments_of_its_day_and_later():
    gone = dict.fromkeys(("estimate", "lower", "upper", "n", "events"))
    void = published("sensitivity", LOOK, "void", changed=["findings"], **gone)
    dates = [LOOK - DAY, LOOK, LATER]
    made = [Amendment(date=day, what="A.", why="B.", seen="C.") for day in dates]
    world = SEVERAL.but(cut=LATER, given={"published_looks": published_looks(void)})
    row = judged(world.but(amendments=tuple(made)))["sensitivity"]
    assert row["reason"] == "look_void_amended"
    assert json.loads(row["detail"])["look_void_amended.amended"] == [str(LOOK), str(LATER)]
    assert judged(world.but(amendments=tuple(made[:1])))["sensitivity"]["reason"] == "look_void"
