"""Net benefit near the locked threshold, against a loop over cases."""

from __future__ import annotations

import datetime
from dataclasses import replace

import polars as pl
import pytest
from evaluation_world import (
    AFTER,
    BEFORE,
    INDEX_TEST,
    LOOK,
    POINT,
    Case,
    World,
    cases_of,
    figure,
    value,
)

from vpack_pipeline.core.evaluation.decision_curve import thresholds_near
from vpack_pipeline.protocol import Output, Sampling, StatedPrevalence, Stratum

STATED = (StatedPrevalence(finding="nodule", prevalence=0.02, source="A registry."),)
NET = ("net_benefit", "net_benefit_treat_all", "net_benefit_treat_none")
MIXED = [
    *(Case("positive", s) for s in (0.9, 0.8, 0.5, 0.35, 0.2)),
    *(Case("negative", s) for s in (0.85, 0.55, 0.4, 0.3, 0.2, 0.1, 0.1, 0.05)),
    Case("positive", None, status="failed"),
    Case("negative", None, status="failed"),
    Case(None, 0.9),
]


def loop(cases, t, counts_as, prevalence=None):
    """Net benefit of the model and of treating all, case by case."""
    hits = alarms = positives = negatives = 0
    for case in cases:
        if case.label is None:
            continue
        is_positive = case.label == "positive"
        flagged = case.score is not None and case.score >= t - 1e-12
        if case.status == "failed":
            flagged = {"negative": False, "positive": True}.get(counts_as, not is_positive)
        positives, negatives = positives + is_positive, negatives + (not is_positive)
        hits, alarms = hits + (flagged and is_positive), alarms + (flagged and not is_positive)
    n, odds = positives + negatives, t / (1 - t)
    pi = positives / n if prevalence is None else prevalence
    model = pi * hits / positives - (1 - pi) * alarms / negatives * odds
    return model, pi - (1 - pi) * odds


@pytest.mark.parametrize("counts_as", ["negative", "positive", "incorrect"])
@pytest.mark.parametrize("higher_is", ["positive", "negative"])
def test_net_benefit_equals_a_loop_over_cases(counts_as, higher_is):
    output = Output(kind="probability", minimum=0, maximum=1, higher_is=higher_is)
    index_test = INDEX_TEST.model_copy(update={"output": output, "failed_counts_as": counts_as})
    given = [
        Case(
            c.label,
            c.score if c.score is None or higher_is == "positive" else 1 - c.score,
            c.status,
        )
        for c in MIXED
    ]
    world = World(given, index_test=index_test).evaluated(stated_prevalence=STATED)
    frame = world.run("decision_curve")
    for place in range(17):
        odds = 2 ** ((place - 8) / 4)
        t = odds / (1 + odds)
        for kind, prevalence in (("own", None), ("stated", 0.02)):
            keys = {"stratum_kind": kind, "stratum": f"{place + 1:02d}"}
            model, everyone = loop(MIXED, t, counts_as, prevalence)
            assert value(frame, "threshold_probability", **keys) == pytest.approx(t)
            assert value(frame, "net_benefit", **keys) == pytest.approx(model)
            assert value(frame, "net_benefit_treat_all", **keys) == pytest.approx(everyone)
            assert value(frame, "net_benefit_treat_none", **keys) == 0
    row = figure(frame, "net_benefit", stratum_kind="own", stratum="09")
    assert row["lower"] < row["estimate"] < row["upper"]
    assert row["n"] == 15


@pytest.mark.parametrize("locked", [0.1, 0.29, 0.7])
@pytest.mark.parametrize("higher_is", ["positive", "negative"])
def test_the_locked_threshold_is_in_the_middle_and_exactly_itself(locked, higher_is):
    output = Output(kind="probability", minimum=0, maximum=1, higher_is=higher_is)
    index_test = INDEX_TEST.model_copy(update={"output": output})
    near = thresholds_near(POINT.model_copy(update={"threshold": locked}), index_test)
    assert len(near) == 17
    assert near[8].output == locked
    as_probability = locked if higher_is == "positive" else 1 - locked
    assert near[8].probability == pytest.approx(as_probability)
    assert [t.probability for t in near] == sorted(t.probability for t in near)
    odds = [t.probability / (1 - t.probability) for t in near]
    assert odds[-1] / odds[8] == pytest.approx(4)
    assert odds[8] / odds[0] == pytest.approx(4)


DRAWN = [replace(case, stratum="ab"[i % 2]) for i, case in enumerate(MIXED)]
TWO_STRATA = Sampling(
    method="random",
    depends_on=("score",),
    strata=(Stratum(name="a", fraction=0.5), Stratum(name="b", fraction=1.0)),
)


def at_end(threshold):
    return (POINT.model_copy(update={"threshold": threshold}),)


@pytest.mark.parametrize(
    ("world", "why"),
    [
        (World(MIXED).evaluated(operating_points=at_end(0.0)), "threshold_at_end"),
        (World(MIXED).evaluated(operating_points=at_end(1.0)), "threshold_at_end"),
        (World([Case("positive", None, status="failed")]), "no_usable_inference"),
        (World([*MIXED, Case("positive", 1.5)]), "probability_out_of_range"),
        (World(MIXED, sampling=Sampling(method="random", depends_on=("label",))), "drawn_without_fractions"),
        (
World(DRAWN, sampling=TWO_STRATA),
            "not_computed_weighted",
        ),
    ],
)  # fmt: skip
def test_where_there_is_no_net_benefit_it_is_said_why(world, why):
    frame = world.run("decision_curve").filter(window="retrospective", stratum_kind="own")
    assert set(frame["reason"]) == {why}
    assert set(frame["metric"]) == {"threshold_probability", *NET}


@pytest.mark.parametrize("kind", ["ordinal", "binary"])
def test_an_output_that_is_no_probability_has_no_net_benefit(kind):
    index_test = INDEX_TEST.model_copy(update={"output": Output(kind=kind, minimum=0, maximum=1)})
    cases = [Case("positive", 0.9, call=True), Case("negative", 0.1, call=False)]
    frame = World(cases, index_test=index_test).run("decision_curve")
    assert set(frame.filter(window="retrospective")["reason"]) == {"no_probability"}


def test_a_stated_prevalence_serves_cases_that_were_drawn_by_label():
    by_label = Sampling(method="random", depends_on=("label",))
    world = World(MIXED, sampling=by_label).evaluated(stated_prevalence=STATED)
    frame = world.run("decision_curve").filter(window="retrospective")
    assert set(frame.filter(stratum_kind="stated")["status"]) == {"given"}
    unstated = World(MIXED).run("decision_curve").filter(window="retrospective")
    assert set(unstated.filter(stratum_kind="stated")["reason"]) == {"no_stated_prevalence"}


def test_one_class_alone_has_a_net_benefit_only_at_its_own_prevalence():
    world = World(cases_of(3, "positive", 0.9)).evaluated(stated_prevalence=STATED)
    frame = world.run("decision_curve").filter(window="retrospective", stratum="09")
    assert value(frame, "net_benefit", stratum_kind="own") == 1.0
    assert figure(frame, "net_benefit", stratum_kind="stated")["reason"] == "one_class"


def test_the_prospective_window_waits_for_its_look():
    dates = [Case("positive", 0.5, date=date) for date in (BEFORE, AFTER)]
    frame = World(dates, cut=LOOK - datetime.timedelta(days=1)).run("decision_curve")
    assert set(frame.filter(pl.col("window") == "prospective")["status"]) == {"withheld"}
