"""Counting, ranking and thresholds, on cases that can be computed by hand."""

from __future__ import annotations

import datetime
import itertools

import numpy as np
import polars as pl
import pytest
from evaluation_world import (
    AFTER,
    EVALUATION,
    INDEX_TEST,
    LOOK,
    MODEL,
    POINT,
    Case,
    World,
    cases_of,
    figure,
    reads,
    value,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from vpack_pipeline.core.evaluation.bounds import auc_bounds, best_with_errors
from vpack_pipeline.errors import InputError
from vpack_pipeline.protocol import Output, Sampling, Stratum
from vpack_pipeline.stats.proportions import clopper_pearson, clustered_proportion, wilson_bounds
from vpack_pipeline.stats.roc import auc
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn
from vpack_pipeline_tests.stats import plain_intervals

BINARY = INDEX_TEST.model_copy(update={"output": Output(kind="binary", minimum=0, maximum=1)})
ITD = {"analysis": "intention_to_diagnose"}


def with_failures(counts_as: str):
    return INDEX_TEST.model_copy(update={"failed_counts_as": counts_as})


# --- windows and maturity


@pytest.mark.parametrize(
    ("date", "window"),
    [
        ("2024-12-31", "outside"),
        ("2025-01-01", "retrospective"),
        ("2025-06-30", "retrospective"),
        ("2025-07-01", "prospective"),
        ("2025-12-31", "prospective"),
        ("2026-01-01", "outside"),
    ],
)
def test_both_ends_of_a_window_belong_to_it(date, window):
    case = Case("positive", 0.9, date=datetime.date.fromisoformat(date))
    assert World([case]).argument("time_split")["window"].to_list() == [window]


def test_a_case_is_mature_when_its_source_was_due_before_the_cut():
    due = AFTER + datetime.timedelta(days=30)
    for cut, is_mature in ((due, False), (due + datetime.timedelta(days=1), True)):
        split = World([Case(None, date=AFTER)], cut=cut).argument("time_split")
        assert split["is_mature"].to_list() == [is_mature]
        assert split["mature_on"].to_list() == [due]


@pytest.mark.parametrize("source", ["panel", "pathology"])
def test_every_case_matures_with_the_slowest_source_whichever_labels_it(source):
    slow = EVALUATION.model_copy(update={"maturity": {"panel": 30, "pathology": 90}})
    case = Case("positive", 0.9, date=AFTER, expected_source=source)
    split = World([case], cut=AFTER, evaluation=slow).argument("time_split")
    assert split["mature_on"][0] == AFTER + datetime.timedelta(days=90)


def test_a_source_without_maturity_is_an_error_that_names_it():
    incomplete = EVALUATION.model_copy(update={"maturity": {"panel": 30}})
    with pytest.raises(InputError, match=r"evaluation.maturity: 'pathology' is missing"):
        World([Case(None)], evaluation=incomplete).argument("time_split")


def test_an_early_label_does_not_make_a_case_mature():
    cases = [
        *cases_of(2, "positive", 0.9, date=AFTER),
        *cases_of(3, "positive", 0.9, date=LOOK - datetime.timedelta(days=61)),
    ]
    late = [Case("positive", 0.9, date=datetime.date(2025, 12, 31), expected_source="pathology")]
    slow = EVALUATION.model_copy(update={"maturity": {"panel": 30, "pathology": 60}})
    frame = World([*cases, *late], evaluation=slow).run("performance")
    assert value(frame, "n_cases", window="prospective") == 5
    assert value(frame, "n_immature", window="prospective") == 1
    assert value(frame, "n_positive", window="prospective") == 5


# --- counts and AUC


HAND = [
    Case("positive", 0.9, patient="a"),
    Case("positive", 0.4, patient="a"),
    Case("positive", 0.6, patient="b"),
    Case("negative", 0.1, patient="b"),
    Case("negative", 0.4, patient="c"),
    Case("negative", 0.7, patient="d"),
    Case("indeterminate", 0.8, patient="d"),
    Case(None, 0.2, patient="e"),
    Case("positive", 0.9, excluded_by=("blurred",)),
]


def test_counts_reconcile_and_patients_are_counted_once():
    frame = World(HAND).run("performance")
    counts = {
        "n_cases": 8,
        "n_patients": 5,
        "n_positive": 3,
        "n_negative": 3,
        "n_indeterminate": 1,
        "n_undecided": 1,
        "n_failed": 0,
        "n_immature": 0,
    }
    assert {name: value(frame, name, model_id="m-2") for name in counts} == counts


def test_auc_of_decided_cases_has_the_score_interval_by_patient():
    frame = World(HAND).run("performance")
    score = [0.9, 0.4, 0.6, 0.1, 0.4, 0.7]
    cases = list(zip(score, [True] * 3 + [False] * 3, [0, 0, 1, 1, 2, 3], strict=True))
    row = figure(frame, "auc")
    # Pairs won: 0.9 beats 3, 0.4 beats 1 and ties 1, 0.6 beats 2.
    assert row["estimate"] == pytest.approx((3 + 1.5 + 2) / 9)
    assert (row["estimate"], row["lower"], row["upper"]) == pytest.approx(
        plain_intervals.area(cases)
    )
    assert row["method"] == "hanley_mcneil_score;sizes_by_patient_and_t"
    assert (row["n"], row["events"]) == (6, 3)


def test_auc_bounds_enclose_what_any_labels_could_give():
    frame = World(HAND).run("performance")
    score = np.array([0.9, 0.4, 0.6, 0.1, 0.4, 0.7, 0.8, 0.2])
    known = [True, True, True, False, False, False]
    seen = [
        auc(score, np.array([*known, *labels]))
        for labels in itertools.product([True, False], repeat=2)
    ]
    assert value(frame, "auc_worst_case") == pytest.approx(min(seen))
    assert value(frame, "auc_best_case") == pytest.approx(max(seen))


@examples_drawn(150)
@given(
    labelled=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=4),
    unlabelled=st.lists(st.integers(0, 3), max_size=4),
    n_free=st.integers(0, 2),
)
def test_auc_bounds_are_those_of_trying_everything(labelled, unlabelled, n_free):
    score = np.array([s for s, _ in labelled], dtype=float)
    positive = np.array([p for _, p in labelled], dtype=bool)
    open_scores = np.array(unlabelled, dtype=float)
    seen = []
    for labels in itertools.product([False, True], repeat=len(unlabelled) + n_free):
        for ends in itertools.product([-9.0, 9.0], repeat=n_free):
            tried = auc(
                np.concatenate([score, open_scores, ends]),
                np.concatenate([positive, np.array(labels, dtype=bool)]),
            )
            seen += [] if tried is None else [tried]
    found = auc_bounds(score, positive, open_scores, n_free)
    if not seen:
        assert found == (None, None)
    else:
        assert found.worst == pytest.approx(min(seen), abs=1e-12)
        assert found.best == pytest.approx(max(seen), abs=1e-12)


FAILED = [
    Case("positive", 0.9),
    Case("positive", 0.6),
    Case("negative", 0.5),
    Case("negative", 0.2),
    Case("positive", None, status="failed"),
    Case("negative", None, status="missing"),
    Case(None, None, status="refused"),
]


@pytest.mark.parametrize(
    ("counts_as", "expected"),
    [
        # The failed positive loses two pairs and ties one; the failed negative loses to two.
        ("negative", (2 * 3 + 0.5) / 9),
        ("positive", (2 * 2 + 2 + 0.5) / 9),
        ("incorrect", (2 * 2 + 0) / 9),
    ],
)
def test_failed_inferences_rank_as_the_protocol_says(counts_as, expected):
    frame = World(FAILED, index_test=with_failures(counts_as)).run("performance")
    assert value(frame, "auc") == pytest.approx(expected)
    assert value(frame, "auc_completed_only") == 1.0
    assert value(frame, "n_failed") == 3


def test_failure_that_is_always_wrong_lowers_the_worst_case_and_the_best_alike():
    frame = World(FAILED, index_test=with_failures("incorrect")).run("performance")
    assert value(frame, "auc_worst_case") == pytest.approx(4 / 12)
    # Whatever its label, the failure adds a class of four and no pair won: 4/9 is out of reach.
    assert value(frame, "auc_best_case") == pytest.approx(4 / 12)


@examples_drawn(60)
@given(
    labelled=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=4),
    unlabelled=st.lists(st.integers(0, 3), max_size=3),
    n_errors=st.integers(0, 2),
)
def test_best_case_with_errors_is_attained_by_some_labels(labelled, unlabelled, n_errors):
    score = np.array([s for s, _ in labelled], dtype=float)
    positive = np.array([p for _, p in labelled], dtype=bool)
    seen = []
    for labels in itertools.product([False, True], repeat=len(unlabelled) + n_errors):
        errors = [0.0 if p else 3.0 for p in labels[len(unlabelled) :]]
        tried = auc(
            np.concatenate([score, np.array(unlabelled, dtype=float), errors]),
            np.concatenate([positive, np.array(labels, dtype=bool)]),
        )
        seen += [] if tried is None else [tried]
    made = best_with_errors(
        score, positive, np.array(unlabelled, dtype=float), n_errors, (0.0, 3.0)
    )
    assert made == (pytest.approx(max(seen), abs=1e-12) if seen else None)


def test_included_cases_of_neither_window_are_counted():
    n_included = sum(not case.excluded_by for case in HAND)
    beyond = Case("positive", 0.9, date=datetime.date(2024, 5, 1), patient="x")
    frame = World([*HAND, beyond, beyond], cut=datetime.date(2025, 7, 1)).run("performance")
    keys = {"window": "outside", "model_id": "m-2"}
    row = figure(frame, "n_cases", **keys)
    assert (row["estimate"], row["n"], row["status"]) == (2, n_included + 2, "given")
    assert figure(frame, "n_patients", **keys)["events"] == 1
    assert frame.filter(window="outside").height == 2


def test_lower_scores_may_be_the_suspicious_ones():
    output = Output(kind="probability", minimum=0, maximum=1, higher_is="negative")
    turned = INDEX_TEST.model_copy(update={"output": output})
    frame = World([Case(c.label, 1 - c.score) for c in HAND[:6]], index_test=turned)
    assert value(frame.run("performance"), "auc") == pytest.approx(6.5 / 9)
    table = frame.run("operating_points")
    # Flagged at or below 0.5: scores turned around to 0.1, 0.4 and 0.3, and the two at 0.6 are not.
    assert value(table, "tp", **ITD) == 2
    assert value(table, "fp", **ITD) == 1


def test_all_failed_gives_counts_and_no_figure():
    world = World(
        cases_of(3, "positive", None, status="failed")
        + cases_of(3, "negative", None, status="failed")
    )
    frame = world.run("performance")
    assert value(frame, "n_failed") == 6
    for metric in ("auc", "auc_completed_only", "auc_worst_case"):
        assert figure(frame, metric)["reason"] == "no_usable_inference"
    table = world.run("operating_points")
    assert value(table, "fn", **ITD) == 3
    assert figure(table, "sensitivity", **ITD)["status"] == "refused"
    assert figure(table, "ppv", **ITD)["status"] == "refused"


def test_one_class_only_has_no_auc_but_a_sensitivity():
    world = World(cases_of(4, "positive", 0.9))
    frame = world.run("performance")
    assert figure(frame, "auc")["reason"] == "one_class"
    assert figure(frame, "auc_worst_case")["reason"] == "one_class"
    table = world.run("operating_points")
    assert value(table, "sensitivity", **ITD) == 1.0
    assert figure(table, "specificity", **ITD)["status"] == "refused"


def test_one_patient_has_no_interval_for_the_auc():
    cases = cases_of(3, "positive", 0.9, patient="a") + cases_of(3, "negative", 0.6, patient="a")
    row = figure(World(cases).run("performance"), "auc")
    assert (row["status"], row["estimate"], row["lower"]) == ("given", 1.0, None)
    table = World(cases).run("operating_points")
    exact = clopper_pearson(1, 1)
    row = figure(table, "sensitivity", **ITD)
    assert (row["lower"], row["upper"]) == (exact.lower, exact.upper)


def test_binary_output_has_calls_but_no_auc_and_no_calibration():
    cases = [
        Case("positive", None, call=True),
        Case("positive", None, call=False),
        Case("negative", None, call=False),
        Case("negative", None, call=None),
    ]
    world = World(cases, index_test=BINARY)
    frame = world.run("performance")
    assert figure(frame, "auc")["reason"] == "no_roc_curve"
    assert figure(frame, "auc_best_case")["reason"] == "no_roc_curve"
    assert value(frame, "n_failed") == 1
    table = world.run("operating_points")
    assert [value(table, m, **ITD) for m in ("tp", "fn", "tn", "fp")] == [1, 1, 2, 0]
    assert set(world.run("calibration")["reason"]) == {"no_probability"}


def test_prevalence_is_of_decided_cases():
    row = figure(World(HAND).run("performance"), "prevalence")
    assert (row["estimate"], row["n"], row["events"]) == (0.5, 6, 3)


# --- unaided readers


def test_unaided_readers_stand_beside_the_model():
    cases = [Case("positive", 0.9), Case("negative", 0.1), Case(None, 0.5)]
    comparator = {"purpose": "comparator"}
    given = reads(
        {"case_id": "c00000", "rating": 2.0, **comparator},
        {"case_id": "c00000", "rating": 0.0, "reader_id": "r2", **comparator},
        {"case_id": "c00001", "rating": 0.0, **comparator},
        {"case_id": "c00002", "rating": 2.0, **comparator},
        {"case_id": "c00000", "rating": 1.0, "reader_id": "r3", **comparator},
        {
            "case_id": "c00000",
            "rating": 0.0,
            "reader_id": "r4",
            "saw_index_test": True,
            **comparator,
        },
        {"case_id": "c00000", "rating": 0.0, "reader_id": "r5", "in_force": False, **comparator},
        {
            "case_id": "c00000",
            "rating": 0.0,
            "reader_id": "r6",
            "is_diagnostic": False,
            **comparator,
        },
        {"case_id": "c00000", "rating": 0.0, "reader_id": "r7"},
    )
    frame = World(cases, given={"reads": given}).run("performance")
    keys = {"model_id": "unaided_readers", "stratum": "all"}
    assert value(frame, "n_reads", **keys) == 4
    assert value(frame, "sensitivity", **keys) == 0.5
    assert value(frame, "specificity", **keys) == 1.0
    assert figure(frame, "sensitivity", **keys)["notes"] == "these_readers_only"
    # One by one too: these agreed, and are two.
    each = frame.filter(model_id="unaided_readers", metric="sensitivity", window="retrospective")
    shown = each.filter(pl.col("stratum") != "all").select("stratum", "estimate", "n")
    assert shown.rows() == [("r1", 1.0, 1), ("r2", 0.0, 1)]


def test_without_comparator_reads_the_readers_rows_are_refused():
    row = figure(World(HAND).run("performance"), "sensitivity", model_id="unaided_readers")
    assert row["reason"] == "no_comparator_reads"


# --- operating points


CROSSED = [
    *cases_of(8, "positive", 0.9),
    *cases_of(2, "positive", 0.1),
    *cases_of(3, "negative", 0.5),
    *cases_of(17, "negative", 0.4),
    *cases_of(1, "indeterminate", 0.9),
    *cases_of(2, "indeterminate", 0.1),
    *cases_of(3, None, 0.9),
    *cases_of(4, None, 0.1),
]


def cells(frame, analysis):
    return [value(frame, m, analysis=analysis) for m in ("tp", "fp", "fn", "tn")]


def test_three_by_two_table_keeps_what_has_no_decided_label():
    frame = World(CROSSED).run("operating_points")
    assert cells(frame, "intention_to_diagnose") == [8, 3, 2, 17]
    counts = {
        "indeterminate_flagged": 1,
        "indeterminate_unflagged": 2,
        "unlabelled_flagged": 3,
        "unlabelled_unflagged": 4,
    }
    assert {name: value(frame, name, **ITD) for name in counts} == counts


def test_worst_and_best_case_set_undecided_cases_against_and_for_the_model():
    frame = World(CROSSED).run("operating_points")
    assert cells(frame, "worst_case") == [8, 3 + 4, 2 + 6, 17]
    assert cells(frame, "best_case") == [8 + 4, 3, 2, 17 + 6]
    assert value(frame, "sensitivity", analysis="worst_case") == 8 / 16
    assert value(frame, "sensitivity", analysis="best_case") == 12 / 14
    assert value(frame, "ppv", analysis="worst_case") == 8 / 15


def test_proportions_have_wilson_intervals_where_patients_are_distinct():
    frame = World(CROSSED).run("operating_points")
    row = figure(frame, "sensitivity", **ITD)
    assert (row["lower"], row["upper"]) == pytest.approx(wilson_bounds(0.8, 10))
    assert value(frame, "specificity", **ITD) == 0.85
    assert value(frame, "ppv", **ITD) == pytest.approx(8 / 11)
    assert value(frame, "npv", **ITD) == pytest.approx(17 / 19)


def test_burden_is_per_thousand_of_its_own_denominator():
    frame = World(CROSSED).run("operating_points")
    assert value(frame, "flagged_per_1000", **ITD) == pytest.approx(1000 * 15 / 40)
    assert value(frame, "missed_per_1000", **ITD) == pytest.approx(1000 * 2 / 30)
    assert value(frame, "false_alarms_per_1000", **ITD) == pytest.approx(100)
    assert value(frame, "missed_per_1000", analysis="worst_case") == pytest.approx(1000 * 8 / 40)


@pytest.mark.parametrize(
    ("counts_as", "expected"),
    [("negative", [2, 0, 1, 3]), ("positive", [3, 1, 0, 2]), ("incorrect", [2, 1, 1, 2])],
)
def test_failed_inferences_are_called_as_the_protocol_says(counts_as, expected):
    low = [Case(c.label, 0.4 if c.score == 0.5 else c.score, c.status) for c in FAILED]
    frame = World(low, index_test=with_failures(counts_as)).run("operating_points")
    assert cells(frame, "intention_to_diagnose") == expected
    assert cells(frame, "completed_only") == [2, 0, 0, 2]


def test_failure_that_is_always_wrong_is_a_miss_and_a_false_alarm_in_the_worst_case():
    frame = World(FAILED, index_test=with_failures("incorrect")).run("operating_points")
    # 0.5 lies at the threshold and is flagged.
    assert cells(frame, "worst_case") == [2, 3, 2, 1]
    assert figure(frame, "tp", analysis="worst_case")["n"] == 7
    assert cells(frame, "best_case") == [2, 2, 1, 1]


def test_predictive_values_are_weighted_by_inverse_sampling_fraction():
    cases = [
        *cases_of(8, "positive", 0.9, stratum="all taken"),
        *cases_of(2, "positive", 0.1, stratum="all taken"),
        *cases_of(2, "negative", 0.9, stratum="a tenth"),
        *cases_of(18, "negative", 0.1, stratum="a tenth"),
    ]
    strata = (Stratum(name="all taken", fraction=1.0), Stratum(name="a tenth", fraction=0.1))
    world = World(cases, sampling=Sampling(method="random", strata=strata))
    frame = world.run("operating_points")
    assert value(frame, "ppv", **ITD) == pytest.approx(8 / 28)
    assert value(frame, "flagged_per_1000", **ITD) == pytest.approx(1000 * 28 / 210)
    assert value(frame, "sensitivity", **ITD) == 0.8
    assert figure(frame, "ppv", **ITD)["n"] == 10
    missing = world.but(sampling=Sampling(method="random", strata=strata[:1]))
    row = figure(missing.run("operating_points"), "ppv", **ITD)
    assert row["reason"] == "no_sampling_fraction"


def test_coverage_holds_where_patients_repeat():
    rng = np.random.default_rng(3)
    covered, trials = 0, 300
    for _ in range(trials):
        rate = rng.beta(0.9 * 1.5, 0.1 * 1.5, size=60)
        scores = np.where(rng.random((60, 4)) < rate[:, None], 0.9, 0.1)
        table = clustered_proportion((scores > 0.5).ravel(), np.repeat(np.arange(60), 4), 0.95)
        covered += table.lower <= 0.9 <= table.upper
    assert covered / trials > 0.9


# --- calibration


def test_calibration_of_a_calibrated_model_recovers_slope_one():
    rng = np.random.default_rng(11)
    prob = np.clip(rng.beta(1, 3, 4000), 0.01, 0.99)
    outcome = rng.random(4000) < prob
    cases = [
        Case("positive" if y else "negative", float(p)) for p, y in zip(prob, outcome, strict=True)
    ]
    frame = World(cases).run("calibration")
    assert value(frame, "slope", stratum="all") == pytest.approx(1.0, abs=0.12)
    assert value(frame, "citl", stratum="all") == pytest.approx(0.0, abs=0.12)
    assert value(frame, "observed_expected", stratum="all") == pytest.approx(1.0, abs=0.1)
    error = value(frame, "expected_calibration_error", stratum="all")
    assert error < value(frame, "expected_calibration_error_null95", stratum="all")
    z = value(frame, "spiegelhalter_z", stratum="all")
    p = value(frame, "spiegelhalter_p", stratum="all")
    assert p == pytest.approx(2 * ndtr(-abs(z)))
    assert p > 0.05


def test_reliability_bins_have_fixed_borders_and_hold_their_ends():
    cases = [
        Case("positive", 1.0),
        Case("negative", 0.95),
        Case("negative", 0.1),
        Case("negative", 0.0),
    ]
    frame = World(cases).run("calibration")
    top = figure(frame, "observed_rate", stratum_kind="probability", stratum="0.9–1.0")
    assert (top["estimate"], top["n"]) == (0.5, 2)
    assert figure(frame, "observed_rate", stratum_kind="probability", stratum="0.1–0.2")["n"] == 1
    assert value(
        frame, "mean_probability", stratum_kind="probability", stratum="0.9–1.0"
    ) == pytest.approx(0.975)
    empty = figure(frame, "mean_probability", stratum_kind="probability", stratum="0.4–0.5")
    assert (empty["status"], empty["reason"]) == ("refused", "no_cases")
    assert value(frame, "n_clipped", stratum="all") == 2


def test_probability_of_a_negative_is_turned_around():
    output = Output(kind="probability", minimum=0, maximum=1, higher_is="negative")
    turned = INDEX_TEST.model_copy(update={"output": output})
    cases = [Case("positive", 0.25), Case("negative", 0.75)]
    frame = World(cases, index_test=turned).run("calibration")
    assert value(frame, "brier", stratum="all") == pytest.approx(0.0625)
    assert value(frame, "observed_rate", stratum_kind="probability", stratum="0.7–0.8") == 1.0


def test_calibration_is_refused_with_its_reason():
    assert set(World([Case(None, 0.4)]).run("calibration")["reason"]) == {
        "no_probability_with_label"
    }
    outside = World([Case("positive", 1.5), Case("negative", 0.5)]).run("calibration")
    retrospective = outside.filter(pl.col("window") == "retrospective")
    assert set(retrospective["reason"]) == {"probability_out_of_range"}
    zero = World([Case("negative", 0.0), Case("negative", 0.0)]).run("calibration")
    assert figure(zero, "observed_expected", stratum="all")["reason"] == "probabilities_zero"
    assert figure(zero, "slope", stratum="all")["reason"] == "one_class"


# --- two models, determinism


def test_every_model_has_its_rows_and_only_its_own_operating_points():
    second = MODEL.model_copy(update={"id": "m-1", "primary": False})
    both = INDEX_TEST.model_copy(update={"models": (MODEL, second)})
    cases = [Case("positive", 0.9, second_score=0.1), Case("negative", 0.1, second_score=0.9)]
    world = World(cases, index_test=both)
    frame = world.run("performance")
    assert value(frame, "auc", model_id="m-2") == 1.0
    assert value(frame, "auc", model_id="m-1") == 0.0
    assert set(world.run("operating_points")["model_id"]) == {"m-2"}
    table = world.evaluated(
        operating_points=(POINT, POINT.model_copy(update={"name": "old", "model": "m-1"}))
    ).run("operating_points")
    assert value(table, "tp", operating_point="old", **ITD) == 0
    compared = world.run("comparison")
    assert set(compared.filter(pl.col("operating_point") == "locked")["model_id"]) == {"m-2"}


def test_order_of_rows_decides_nothing():
    world = World([*HAND, *(Case(c.label, c.score, date=AFTER, patient=c.patient) for c in HAND)])
    names = ["time_split", "reference_standard", "inferences", "cases"]
    given = {name: world.argument(name) for name in names}
    shuffled = {name: frame.reverse() for name, frame in given.items()}
    for table in ("performance", "operating_points", "calibration", "comparison", "subgroups"):
        assert world.but(given=shuffled).run(table).equals(world.but(given=given).run(table))
