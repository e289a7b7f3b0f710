"""Performance by source of the label, and what stands in for it where labels were sought unlike."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from evaluation_world import ADJUDICATION, AFTER, World, cases_of, endpoint, references

from vpack_pipeline.stats.verification_bias import VerifiedCounts, begg_greenes


def world(unflagged_labelled: int) -> World:
    """100 flagged cases, all labelled; of 200 unflagged ones as many as are asked for."""
    return World(
        [
            *cases_of(60, "positive", 0.9, source="pathology"),
            *cases_of(40, "negative", 0.9),
            *cases_of(12, "positive", 0.1),
            *cases_of(unflagged_labelled - 12, "negative", 0.1),
            *cases_of(200 - unflagged_labelled, None, 0.1, n_independent=0),
            *cases_of(3, "negative", None, status="failed"),
        ],
        adjudication=ADJUDICATION.model_copy(update={"labelled_minimum": 0.6}),
    )


def figure(frame: pl.DataFrame, metric: str, source: str = "any", **where: str) -> dict[str, Any]:
    keys = {"window": "retrospective", "call": "all", "source": source, **where}
    found = frame.filter(metric=metric, **keys)
    assert found.height == 1
    return found.row(0, named=True)


def test_performance_stands_by_source_of_the_label():
    found = world(200).run("verification")
    assert figure(found, "sensitivity", "pathology")["estimate"] == 1
    panel = figure(found, "sensitivity", "panel")
    assert (panel["events"], panel["n"]) == (0, 12)
    whole = figure(found, "sensitivity")
    assert (whole["events"], whole["n"]) == (60, 72)
    # By intention to diagnose a failed inference counts as negative.
    assert figure(found, "specificity")["events"] == 188 + 3


def test_naive_figure_is_the_headline_where_labels_were_sought_alike():
    found = world(185).run("verification")
    difference = figure(found, "difference_labelled")
    assert difference["estimate"] == pytest.approx(1 - 185 / 200)
    assert difference["lower"] < difference["estimate"] < difference["upper"]
    alone = figure(found, "naive_is_headline")
    assert alone["estimate"] == 1
    assert alone["notes"] == "naive_is_headline"
    beside = figure(found, "sensitivity_begg_greenes")["notes"]
    assert beside == "beside_headline;if_labelled_by_call"


def test_bounds_are_the_headline_where_they_were_not():
    found = world(100).run("verification")
    alone = figure(found, "naive_is_headline")
    assert (alone["estimate"], alone["notes"]) == (0, "labelled_unlike;bounds_are_headline")
    bounded = figure(found, "sensitivity_bounds")
    assert (bounded["lower"], bounded["estimate"], bounded["upper"]) == pytest.approx(
        (60 / 172, 60 / 72, 60 / 72)
    )
    assert bounded["notes"] == "bounds_no_interval"
    expected = begg_greenes(VerifiedCounts(60, 40, 12, 88, 0, 100))
    for metric, estimate in zip(("sensitivity", "specificity"), expected, strict=True):
        given = figure(found, f"{metric}_begg_greenes")
        assert given["estimate"] == pytest.approx(estimate.value)
        assert given["notes"] == "if_labelled_by_call"


def test_the_figure_of_a_small_part_is_no_headline_though_flagged_and_cleared_came_alike():
    # A quarter of either call is labelled, and it is the easy quarter.
    part = World(
        [
            *cases_of(22, "positive", 0.9),
            *cases_of(3, "negative", 0.9),
            *cases_of(75, None, 0.9),
            *cases_of(3, "positive", 0.1),
            *cases_of(72, "negative", 0.1),
            *cases_of(225, None, 0.1),
        ]
    )
    found = part.run("verification")
    assert figure(found, "difference_labelled")["estimate"] == 0
    alone = figure(found, "naive_is_headline")
    assert alone["estimate"] == 0
    assert alone["notes"] == "few_labelled;bounds_are_headline"
    verdict = judged(part)
    assert verdict["verdict"] == "inconclusive"
    assert verdict["lower"] < 22 / 250
    assert verdict["notes"] == "few_labelled;verdict_on_bounds"
    enough = part.but(adjudication=part.adjudication.model_copy(update={"labelled_minimum": 0.25}))
    assert judged(enough)["verdict"] == "met"


def test_few_false_negatives_decide_nothing():
    few = World(
        [
            *cases_of(30, "positive", 0.9),
            *cases_of(9, "positive", 0.1),
            *cases_of(40, "negative", 0.1),
            *cases_of(60, None, 0.1),
        ]
    )
    found = few.run("verification")
    refused = figure(found, "sensitivity_begg_greenes")
    assert refused["reason"] == "few_false_negatives_verified"
    assert json.loads(refused["detail"]) == {"few_false_negatives_verified.fewest": 10}
    assert figure(found, "specificity_bounds")["estimate"] == 1


def test_what_cannot_be_given_says_why():
    one_call = World(cases_of(5, "positive", 0.9)).run("verification")
    for metric in ("naive_is_headline", "sensitivity_bounds", "difference_labelled"):
        assert figure(one_call, metric)["reason"] == "not_both_calls"
    no_negative = World([*cases_of(5, "positive", 0.9), *cases_of(5, "positive", 0.1)])
    lacking = figure(no_negative.run("verification"), "specificity_bounds")
    assert lacking["reason"] == "none_labelled_and_completed"
    pointless = world(200).evaluated(operating_points=(), endpoints=()).run("verification")
    for metric in ("sensitivity", "naive_is_headline", "difference_verified"):
        assert figure(pointless, metric)["reason"] == "no_operating_point"


def test_differences_of_each_source_count_what_has_come():
    made = world(200).but(given={"reference": references({"case_id": "c00000"})})
    difference = figure(made.run("verification"), "difference_verified", "pathology")
    assert difference["estimate"] == pytest.approx(0.01)
    assert (difference["events"], difference["n"]) == (1, 300)


BEFORE_LOCK = {"window": "retrospective", "goal": 0.5}


def judged(made: World, **changes: Any) -> dict[str, Any]:
    chosen = endpoint(id="judged", **(BEFORE_LOCK | changes))
    found = made.evaluated(endpoints=(chosen,)).run("endpoints")
    return found.filter(is_headline=True).row(0, named=True)


@pytest.mark.parametrize("metric", ["sensitivity", "specificity", "ppv", "npv"])
def test_a_verdict_rests_on_the_bounds_where_labels_were_sought_unlike(metric):
    unlike = world(100)
    alike = judged(world(200), metric=metric)
    assert (alike["verdict"], alike["notes"]) == ("met", None)
    found = judged(unlike, metric=metric)
    points = unlike.run("operating_points").filter(window="retrospective")
    bound = {a: points.filter(analysis=a, metric=metric).row(0, named=True) for a in ENDS}
    naive = points.filter(analysis="intention_to_diagnose", metric=metric).row(0, named=True)
    assert found["estimate"] == naive["estimate"]
    assert found["lower"] == min(bound["worst_case"]["lower"], naive["lower"])
    assert found["upper"] == max(bound["best_case"]["upper"], naive["upper"])
    assert found["notes"] == "labelled_unlike;verdict_on_bounds"
    is_safe = bound["worst_case"]["lower"] > 0.5
    assert found["verdict"] == ("met" if is_safe else "inconclusive")


ENDS = ("worst_case", "best_case")


def test_an_auc_or_a_difference_has_no_interval_that_a_verdict_could_rest_on():
    unlike = world(100)
    assert judged(world(200), metric="auc", operating_point=None)["verdict"] == "met"
    auc = judged(unlike, metric="auc", operating_point=None)
    assert auc["verdict"] == "inconclusive"
    assert auc["estimate"] is not None
    assert (auc["lower"], auc["upper"]) == (None, None)
    later = [replace(case, date=AFTER) for case in world(200).cases]
    both = unlike.but(cases=[*unlike.cases, *later])
    margin = {
        "comparison": "non_inferiority",
        "margin": 0.9,
        "margin_rationale": "Wide enough to be met.",
        "goal": None,
        "rank": "secondary",
        "window": "prospective",
    }
    assert judged(both, **margin)["verdict"] == "inconclusive"
    same = world(200)
    both = same.but(cases=[*same.cases, *later])
    assert judged(both, **margin)["verdict"] == "met"


def test_where_every_case_is_flagged_no_call_could_have_moved_a_label():
    flagged = World([*cases_of(60, "positive", 0.9), *cases_of(9, None, 0.9)])
    found = judged(flagged)
    assert (found["verdict"], found["notes"]) == ("met", None)


def test_without_any_labelled_case_of_a_class_nothing_is_judged():
    none = World([*cases_of(20, "negative", 0.9), *cases_of(20, None, 0.1)])
    assert judged(none)["verdict"] == "refused"
    assert judged(none, metric="auc", operating_point=None)["verdict"] == "refused"
