"""Predictive values over prevalence: Mercaldo's interval on effective sizes, and which prevalence."""

from __future__ import annotations

import datetime
import math

import numpy as np
import polars as pl
import pytest
from evaluation_world import (
    AFTER,
    BEFORE,
    EVALUATION,
    INDEX_TEST,
    LOOK,
    Case,
    World,
    cases_of,
    figure,
    value,
)
from pydantic import ValidationError

from vpack_pipeline.protocol import Evaluation, Output, Sampling, StatedPrevalence, Stratum
from vpack_pipeline.stats.proportions import effective_size

Z = 1.959963984540054
STATED = (StatedPrevalence(finding="nodule", prevalence=0.03, source="A registry."),)
MIXED = [
    *cases_of(8, "positive", 0.8),
    *cases_of(2, "positive", 0.3),
    *cases_of(15, "negative", 0.1),
    *cases_of(5, "negative", 0.9),
]


def paired(cases):
    """The same cases, two of them a patient."""
    return [Case(c.label, c.score, patient=f"p{i // 2}") for i, c in enumerate(cases)]


def mercaldo(sensitivity, specificity, prevalence, positives, negatives):
    """Value and bounds of PPV and NPV from the equations of the paper."""
    hit, alarm = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    clear, miss = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    of_ppv = (1 - sensitivity) / sensitivity / positives + specificity / (
        1 - specificity
    ) / negatives
    of_npv = (
        sensitivity / (1 - sensitivity) / positives + (1 - specificity) / specificity / negatives
    )
    found = []
    for right, wrong, variance in ((hit, alarm, of_ppv), (clear, miss, of_npv)):
        log_odds, reach = math.log(right / wrong), Z * math.sqrt(variance)
        found.append([1 / (1 + math.exp(-(log_odds + s * reach))) for s in (0, -1, 1)])
    return found


@pytest.mark.parametrize("cases", [MIXED, paired(MIXED)], ids=["one a patient", "two a patient"])
def test_predictive_values_equal_mercaldo_on_effective_sizes(cases):
    frame = World(cases).evaluated(stated_prevalence=STATED).run("predictive_values")
    flagged = np.array([c.score >= 0.5 for c in cases])
    positive = np.array([c.label == "positive" for c in cases])
    patient = np.array([c.patient or f"p{i}" for i, c in enumerate(cases)])
    sizes = [effective_size(flagged[s] == positive[s], patient[s]) for s in (positive, ~positive)]
    kinds = [("prevalence", f"{p:.3f}", p) for p in (0.005, 0.03, 0.5)]
    for kind, name, prevalence in [*kinds, ("stated", "stated", 0.03), ("own", "own", 1 / 3)]:
        keys = {"stratum_kind": kind, "stratum": name}
        expected = mercaldo(0.8, 0.75, prevalence, *sizes)
        assert value(frame, "prevalence", **keys) == pytest.approx(prevalence)
        for metric, numbers in zip(("ppv", "npv"), expected, strict=True):
            row = figure(frame, metric, **keys)
            assert [row["estimate"], row["lower"], row["upper"]] == pytest.approx(numbers)
            assert (row["n"], row["events"]) == (30, 10)
            assert row["notes"] == "same_spectrum_assumed"
            is_clustered = "design_effect_with_pseudo_patients" in row["method"]
            assert is_clustered == (len(set(patient)) < 30)


def test_values_at_the_sets_own_prevalence_are_those_of_its_cases():
    world = World(MIXED)
    own = world.run("predictive_values")
    there = world.run("operating_points")
    for metric in ("ppv", "npv"):
        observed = value(there, metric, analysis="intention_to_diagnose")
        assert value(own, metric, stratum="own") == pytest.approx(observed)


def test_failed_inferences_count_as_the_protocol_says_and_undecided_cases_do_not():
    cases = [*MIXED, Case("positive", None, status="failed"), Case(None, 0.9)]
    row = figure(World(cases).run("predictive_values"), "ppv", stratum="0.500")
    assert (row["n"], row["events"]) == (31, 11)
    assert row["estimate"] == pytest.approx((8 / 11) / (8 / 11 + 0.25))


def test_a_target_and_a_protocol_that_state_no_prevalence_are_refused():
    frame = World(MIXED).run("predictive_values").filter(window="retrospective")
    refused = frame.filter(status="refused")
    reasons = set(zip(refused["stratum_kind"], refused["reason"], strict=True))
    assert reasons == {
        ("stated", "no_stated_prevalence"),
        ("target", "target_without_prevalence"),
    }


@pytest.mark.parametrize(
    ("sampling", "prevalence", "reason"),
    [
        (Sampling(method="random", depends_on=("label",)), None, "drawn_without_fractions"),
        (
            Sampling(method="random", strata=(Stratum(name="ward", fraction=0.5),)),
            None,
            "no_sampling_fraction",
        ),
        (
            Sampling(
                method="random",
                depends_on=("label",),
                strata=(Stratum(name="ill", fraction=1.0), Stratum(name="well", fraction=0.1)),
            ),
            10 / 210,
            None,
        ),
    ],
)
def test_the_own_prevalence_is_that_of_those_from_whom_cases_were_drawn(
    sampling, prevalence, reason
):
    drawn = [
        Case(c.label, c.score, stratum="ill" if c.label == "positive" else "well") for c in MIXED
    ]
    row = figure(
        World(drawn, sampling=sampling).run("predictive_values"), "prevalence", stratum="own"
    )
    assert row["reason"] == reason
    assert row["estimate"] == (None if prevalence is None else pytest.approx(prevalence))


def test_values_stand_where_each_class_was_drawn_alike_and_are_refused_elsewhere():
    drawn_by_call = [
        Case(c.label, c.score, stratum="flagged" if c.score >= 0.5 else "cleared") for c in MIXED
    ]
    known = (Stratum(name="flagged", fraction=1.0), Stratum(name="cleared", fraction=0.5))
    at = {"metric": "ppv", "stratum": "0.100", "window": "retrospective"}
    plain = World(MIXED).run("predictive_values").filter(**at)
    for by, strata, why in (
        (("label",), (), None),
        (("score",), (), "drawn_without_fractions"),
        (("score",), known, "not_computed_weighted"),
    ):
        drawn = Sampling(method="random", depends_on=by, strata=strata)
        found = World(drawn_by_call, sampling=drawn).run("predictive_values")
        ppv = found.filter(**at)
        assert ppv["reason"][0] == why
        assert why is not None or ppv.equals(plain)


@pytest.mark.parametrize(
    ("cases", "why"),
    [
        (cases_of(3, "positive", 0.9), "one_class"),
        ([], "no_usable_inference"),
        ([Case("positive", None, status="failed"), Case("negative", None, status="failed")],
         "no_usable_inference"),
    ],
)  # fmt: skip
def test_without_both_classes_or_an_inference_no_value_is_given(cases, why):
    frame = World([*cases, Case(None, date=datetime.date(2020, 1, 1))]).run("predictive_values")
    values = frame.filter(pl.col("metric") != "prevalence", window="retrospective")
    assert set(values.filter(stratum_kind="prevalence")["reason"]) == {why}


def test_a_perfect_specificity_has_values_without_an_interval():
    perfect = [*cases_of(5, "positive", 0.9), Case("positive", 0.1), *cases_of(9, "negative", 0.1)]
    row = figure(World(perfect).run("predictive_values"), "ppv", stratum="0.100")
    assert (row["estimate"], row["lower"]) == (1.0, None)
    assert row["notes"] == "logit_at_edge;same_spectrum_assumed"


def test_a_binary_output_has_predictive_values_too():
    binary = INDEX_TEST.model_copy(update={"output": Output(kind="binary", minimum=0, maximum=1)})
    calls = [("positive", True), ("positive", False), ("negative", True), ("negative", False)]
    cases = [Case(label, None, call=call) for label, call in calls]
    frame = World(cases, index_test=binary).run("predictive_values")
    assert value(frame, "ppv", stratum="0.500") == pytest.approx(0.5)


def test_the_prospective_window_waits_for_its_look():
    dates = [Case("positive", 0.5, date=date) for date in (BEFORE, AFTER)]
    frame = World(dates, cut=LOOK - datetime.timedelta(days=1)).run("predictive_values")
    assert set(frame.filter(window="prospective")["status"]) == {"withheld"}


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ([{"finding": "nodule", "prevalence": 0, "source": "x"}], "greater than 0"),
        ([{"finding": "nodule", "prevalence": 1, "source": "x"}], "less than 1"),
        ([{"finding": "nodule", "prevalence": 0.1}], "Field required"),
        ([{"finding": "nodule", "prevalence": 0.1, "source": "x"}] * 2, "declared twice: nodule"),
    ],
)
def test_a_stated_prevalence_is_a_share_with_a_source_once_a_finding(stated, why):
    data = EVALUATION.model_dump(mode="json") | {"stated_prevalence": stated}
    with pytest.raises(ValidationError, match=why):
        Evaluation.model_validate(data)
