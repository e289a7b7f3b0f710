"""The table of the ROC curve: who is counted, how failures rank, locked points, readers."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest
from evaluation_world import (
    AFTER,
    INDEX_TEST,
    LOOK,
    POINT,
    Case,
    World,
    cases_of,
    figure,
    reads,
    value,
)

from vpack_pipeline.core.evaluation.roc import fraction_name
from vpack_pipeline.protocol import Output, Sampling, Stratum

CURVE = {"stratum_kind": "false_positive_fraction"}
ALL = {"stratum_kind": "all"}
AREAS = (
    "partial_auc_high_specificity",
    "partial_auc_high_specificity_standardised",
    "partial_auc_high_sensitivity",
    "partial_auc_high_sensitivity_standardised",
    "average_precision",
)
STEPS = [
    *(Case("positive", s, patient=f"p{i}") for i, s in enumerate((5, 5, 4, 4, 3, 2, 1))),
    *(Case("negative", s, patient=f"p{i}") for i, s in enumerate((4, 3, 3, 2, 2, 1, 1, 1, 1, 1))),
]
ORDINAL = INDEX_TEST.model_copy(update={"output": Output(kind="ordinal", minimum=1, maximum=5)})


def loop(cases, counts_as):
    """Best sensitivity of any threshold on at most each fraction, failures as they count."""
    lowest, highest = 1.0, 5.0
    scored = []
    for case in (c for c in cases if c.label in ("positive", "negative")):
        as_failed = {"negative": lowest, "positive": highest}.get(counts_as)
        if as_failed is None:
            as_failed = highest if case.label == "negative" else lowest
        scored.append((case.label, case.score if case.status == "ok" else as_failed))
    positives = [s for label, s in scored if label == "positive"]
    negatives = [s for label, s in scored if label == "negative"]
    found = []
    for k in range(101):
        best = 0.0
        for threshold in (*{s for _, s in scored}, 7.0):
            false = sum(s >= threshold for s in negatives) / len(negatives)
            if false <= k / 100 + 1e-9:
                best = max(best, sum(s >= threshold for s in positives) / len(positives))
        found.append(best)
    return found


@pytest.mark.parametrize("counts_as", ["negative", "positive", "incorrect"])
def test_curve_of_an_ordinal_output_counts_failures_as_the_protocol_says(counts_as):
    failed = [
        Case(label, None, status="failed") for label in ("positive", "negative", "indeterminate")
    ]
    index_test = ORDINAL.model_copy(update={"failed_counts_as": counts_as})
    cases = [*STEPS, *failed, Case(None, 5.0)]
    frame = World(cases, index_test=index_test).run("roc").filter(window="retrospective", **CURVE)
    assert frame["stratum"].to_list() == [fraction_name(k) for k in range(101)]
    assert frame["estimate"].to_list() == pytest.approx(loop(cases, counts_as))
    assert set(frame["n"]) == {8}
    assert (frame["events"] / frame["n"]).to_list() == pytest.approx(frame["estimate"].to_list())
    assert set(frame["notes"]) == {"band_is_pointwise"}
    assert (frame["lower"] <= frame["estimate"]).all()
    assert (frame["estimate"] <= frame["upper"]).all()


def test_scores_that_fall_with_suspicion_give_the_same_curve():
    turned = INDEX_TEST.model_copy(
        update={"output": Output(kind="ordinal", minimum=1, maximum=5, higher_is="negative")}
    )
    mirrored = [Case(c.label, 6 - c.score, patient=c.patient) for c in STEPS]
    one = (
        World(STEPS, index_test=ORDINAL)
        .run("roc")
        .filter(pl.col("stratum_kind") != "operating_point")
    )
    other = (
        World(mirrored, index_test=turned)
        .run("roc")
        .filter(pl.col("stratum_kind") != "operating_point")
    )
    assert one.equals(other)


def test_locked_points_are_those_of_operating_points():
    cases = [
        *cases_of(6, "positive", 0.8),
        *cases_of(2, "positive", 0.3),
        *cases_of(9, "negative", 0.1),
    ]
    world = World([*cases, Case("negative", None, status="failed"), Case(None, 0.9)])
    own, others = world.run("roc"), world.run("operating_points")
    for metric in ("sensitivity", "specificity"):
        here = figure(own, metric, stratum_kind="operating_point", stratum="locked")
        there = figure(others, metric, analysis="intention_to_diagnose")
        shared = ("estimate", "lower", "upper", "n", "events", "method", "status")
        assert {k: here[k] for k in shared} == {k: there[k] for k in shared}


def test_a_binary_output_has_points_but_no_curve():
    binary = INDEX_TEST.model_copy(update={"output": Output(kind="binary", minimum=0, maximum=1)})
    cases = [Case("positive", None, call=True), Case("negative", None, call=False)]
    frame = World(cases, index_test=binary).run("roc").filter(window="retrospective")
    shaped = frame.filter(pl.col("stratum_kind").is_in(["false_positive_fraction", "all"]))
    assert set(shaped["reason"]) == {"no_roc_curve"}
    assert set(shaped["metric"]) == {"sensitivity", *AREAS}
    assert value(frame, "sensitivity", stratum_kind="operating_point") == 1.0


@pytest.mark.parametrize(
    ("cases", "why"),
    [
        (cases_of(3, "positive", 0.8), "one_class"),
        ([], "no_usable_inference"),
        ([Case("positive", None, status="failed")], "no_usable_inference"),
    ],
)
def test_curve_that_cannot_be_drawn_says_why(cases, why):
    frame = World([*cases, Case(None, 0.5, date=datetime.date(2020, 1, 1))]).run("roc")
    shaped = frame.filter(window="retrospective").filter(
        pl.col("stratum_kind").is_in(["false_positive_fraction", "all"])
    )
    assert set(shaped["reason"]) == {why}
    assert shaped.height == 101 + len(AREAS)


def test_tied_scores_and_a_single_positive_have_a_curve():
    tied = World([*cases_of(3, "positive", 0.5), *cases_of(4, "negative", 0.5)]).run("roc")
    curve = tied.filter(window="retrospective", **CURVE)["estimate"].to_list()
    assert curve == [*[0.0] * 100, 1.0]
    one = World([Case("positive", 0.9), *cases_of(20, "negative", 0.1)]).run("roc")
    first = figure(one, "sensitivity", stratum="0.00", **CURVE)
    assert (first["estimate"], first["lower"], first["n"]) == (1.0, 0.0, 1)


def test_the_curve_of_cases_drawn_by_call_counts_each_as_often_as_it_stands_for():
    """All flagged ones and one in five of the cleared, beside the same cases five times."""
    strata = (Stratum(name="all", fraction=1.0), Stratum(name="cleared", fraction=0.2))
    sampling = Sampling(method="random", depends_on=("score",), strata=strata)
    flagged = [*cases_of(9, "positive", 0.9), *cases_of(5, "negative", 0.8)]
    cleared = [("positive", 0.15), *[("negative", score / 100) for score in range(10, 30)]]
    drawn = [*flagged, *(Case(label, score, stratum="cleared") for label, score in cleared)]
    whole = [*flagged, *(Case(label, score) for label, score in cleared for _ in range(5))]
    found, plain = (
        world.run("roc").filter(window="retrospective", **CURVE)
        for world in (World(drawn, sampling=sampling), World(whole))
    )
    assert found["estimate"].to_list() == pytest.approx(plain["estimate"].to_list(), abs=1e-12)
    middle = figure(found, "sensitivity", stratum="0.10", **CURVE)
    assert (middle["n"], middle["events"]) == (10, 9)
    assert middle["estimate"] == pytest.approx(9 / 14)
    beside = figure(plain, "sensitivity", stratum="0.10", **CURVE)
    assert middle["lower"] < beside["lower"] < middle["estimate"] < beside["upper"]
    for code in ("weighted_limits_on_both_axes", "weighted_for_sampling"):
        assert code in middle["method"]
    assert middle["notes"] == "band_is_pointwise"
    # Without a case of the cleared, nothing says how many were missed.
    lacking = World(flagged, sampling=sampling).run("roc")
    refused = figure(lacking, "sensitivity", stratum="0.10", **CURVE)
    assert (refused["status"], refused["reason"]) == ("refused", "sampled_stratum_without_case")


def test_average_precision_holds_at_the_prevalence_of_the_set():
    cases = [*cases_of(6, "positive", 0.8), *cases_of(9, "negative", 0.1), Case("negative", 0.9)]
    by_label = Sampling(method="random", depends_on=("label",))
    alike = figure(World(cases).run("roc"), "average_precision", **ALL)
    assert alike["estimate"] == pytest.approx(6 / 7)
    unknown = figure(World(cases, sampling=by_label).run("roc"), "average_precision", **ALL)
    assert (unknown["status"], unknown["reason"]) == ("refused", "drawn_without_fractions")
    strata = (Stratum(name="all", fraction=0.5), Stratum(name="well", fraction=0.1))
    weighted = Sampling(method="random", depends_on=("label",), strata=strata)
    cases = [*cases, *cases_of(2, "negative", 0.1, stratum="well")]
    refused = figure(World(cases, sampling=weighted).run("roc"), "average_precision", **ALL)
    assert (refused["status"], refused["reason"]) == ("refused", "not_computed_weighted")


# --- readers beside the model

SETTLED = [
    Case("positive", 0.9, source="pathology"),
    Case("positive", 0.2, source="pathology"),
    Case("negative", 0.7, source="follow_up"),
    Case("negative", 0.1, source="follow_up"),
    Case("negative", 0.1),
]


def read(case, reader, rating, **changes):
    return {"case_id": f"c{case:05d}", "reader_id": reader, "rating": rating, "arm": "standard",
            "session": 1, "purpose": "comparator", "saw_index_test": False, **changes}  # fmt: skip


READS = [
    *(read(case, "a", 2.0) for case in range(5)),
    read(0, "b", 2.0, purpose="reference", saw_peers=False),
    read(2, "b", 0.0, purpose="reference", saw_peers=False),
    # None of these is an unaided read.
    read(3, "b", 2.0, purpose="reference", saw_peers=True),
    read(3, "b", 2.0, purpose="reference"),
    read(1, "c", 2.0, purpose="reference", saw_peers=False, role="consensus"),
    read(1, "c", 2.0, saw_index_test=True),
    read(1, "c", 1.0),
    read(1, "c", 2.0, is_diagnostic=False),
    read(0, "a", 0.0, session=2),
]


def beside(readers_agreed=True, cases=SETTLED, rows=READS):
    world = World(cases, readers_agreed=readers_agreed, given={"reads": reads(*rows)})
    return world.run("roc").filter(window="retrospective")


def test_readers_stand_on_cases_that_an_independent_source_labelled():
    frame = beside()
    readers = frame.filter(model_id="unaided_readers")
    pairs = {
        (r["stratum_kind"], r["stratum"], r["metric"]): (r["events"], r["n"])
        for r in readers.iter_rows(named=True)
    }
    assert pairs == {
        ("readers", "all", "sensitivity"): (3, 3),
        ("readers", "all", "specificity"): (1, 3),
        ("reader", "a", "sensitivity"): (2, 2),
        ("reader", "a", "specificity"): (0, 2),
        ("reader", "b", "sensitivity"): (1, 1),
        ("reader", "b", "specificity"): (1, 1),
    }
    assert set(readers["notes"]) == {"only_with_reference;read_may_know_source"}
    where = {"stratum_kind": "operating_point_where_read", "model_id": "m-2"}
    assert value(frame, "sensitivity", **where) == 0.5
    assert value(frame, "specificity", **where) == 0.5


def test_single_readers_stand_only_where_they_agreed():
    several = beside(readers_agreed=False).filter(model_id="unaided_readers")
    assert set(several["stratum_kind"]) == {"readers"}
    assert value(several, "sensitivity") == 1.0
    one = beside(readers_agreed=False, rows=[r for r in READS if r["reader_id"] == "a"])
    alone = one.filter(model_id="unaided_readers")
    assert set(alone["reason"]) == {"readers_not_agreed"}
    assert alone["n"].null_count() == alone.height


@pytest.mark.parametrize(
    ("cases", "rows", "why"),
    [
        (SETTLED[4:], READS, "no_case_of_independent_source"),
        (SETTLED, READS[7:8], "no_unaided_read"),
    ],
)
def test_readers_without_a_reference_of_their_own_are_refused(cases, rows, why):
    frame = beside(cases=cases, rows=rows)
    kinds = ["readers", "operating_point_where_read"]
    refused = frame.filter(pl.col("stratum_kind").is_in(kinds))
    assert set(refused["reason"]) == {why}
    assert refused.height == 4


def test_nothing_of_the_prospective_window_is_shown_before_the_look():
    world = World(
        [Case("positive", 0.9, date=AFTER, source="pathology")], cut=LOOK - datetime.timedelta(1)
    )
    frame = world.but(given={"reads": reads(read(0, "a", 2.0))}).run("roc")
    assert set(frame.filter(window="prospective")["status"]) == {"withheld"}


def test_two_findings_and_a_second_model_have_curves_of_their_own():
    second = INDEX_TEST.models[0].model_copy(update={"id": "m-1", "primary": False})
    two = INDEX_TEST.model_copy(update={"models": (*INDEX_TEST.models, second)})
    point = POINT.model_copy(update={"name": "of-the-other", "model": "m-1"})
    cases = [
        *(Case("positive", 0.9, second_score=0.1) for _ in range(3)),
        *(Case("negative", 0.1, second_score=0.9) for _ in range(3)),
    ]
    world = World(cases, index_test=two).evaluated(operating_points=(POINT, point))
    frame = world.run("roc")
    middle = [
        value(frame, "sensitivity", model_id=m, stratum="0.50", **CURVE) for m in ("m-2", "m-1")
    ]
    assert middle == [1.0, 0.0]
    points = frame.filter(stratum_kind="operating_point", window="retrospective")
    assert points["stratum"].unique().sort().to_list() == ["locked", "of-the-other"]
    assert np.isclose(value(frame, "sensitivity", stratum="of-the-other", model_id="m-1"), 0.0)
