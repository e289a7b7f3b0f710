from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.proportions import (
    clopper_pearson,
    clustered_proportion,
    diagnostic_table,
    farrington_manning,
    mcnemar,
    newcombe_difference,
    predictive_values,
    sample_size_proportion,
    wilson,
    wilson_bounds,
)
from vpack_pipeline.stats.proportions.comparisons import restricted_proportions
from vpack_pipeline_tests.stats import plain_intervals

EPIR = {
    "ap": "apparent_prevalence",
    "tp": "true_prevalence",
    "se": "sensitivity",
    "sp": "specificity",
    "diag.ac": "accuracy",
    "diag.or": "diagnostic_odds_ratio",
    "nndx": "number_needed_to_diagnose",
    "youden": "youden",
    "pv.pos": "ppv",
    "pv.neg": "npv",
    "lr.pos": "lr_positive",
    "lr.neg": "lr_negative",
    "p.rout": "share_ruled_out",
    "p.rin": "share_ruled_in",
    "p.tpdn": "false_positive_rate",
    "p.tndp": "false_negative_rate",
    "p.dntp": "false_discovery_rate",
    "p.dptn": "false_omission_rate",
}


def bounds(estimate):
    return [estimate.lower, estimate.upper]


def test_wilson_and_clopper_pearson_equal_base_r(gold):
    case = gold("prop_ci_newcombe")
    inputs = zip(case["inputs"]["x"], case["inputs"]["n"], strict=True)
    for (k, n), want in zip(inputs, case["expected"]["cases"], strict=True):
        for estimate, key in ((wilson(k, n), "wilson"), (clopper_pearson(k, n), "clopper_pearson")):
            assert estimate.value == pytest.approx(want["est"], abs=case["tolerance"])
            assert bounds(estimate) == pytest.approx(want[key], abs=case["tolerance"])
            assert (estimate.n, estimate.events) == (n, k)


def test_wilson_takes_effective_sizes_that_are_not_whole():
    between = wilson(4.5, 5.5)
    assert wilson(4.5, 5.0).upper > between.upper
    assert wilson_bounds(4.5 / 5.5, 5.5) == (between.lower, between.upper)


def test_the_bounds_at_0_and_n_are_exactly_0_and_1():
    assert wilson(0, 7).lower == clopper_pearson(0, 7).lower == 0.0
    assert wilson(7, 7).upper == clopper_pearson(7, 7).upper == 1.0


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_no_cases_means_undefined_and_impossible_counts_are_refused(interval):
    estimate = interval(0, 0)
    assert estimate.value is None
    assert estimate.reason == Code("no_cases")
    with pytest.raises(ValueError, match="0 <= k <= n"):
        interval(3, 2)


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.8, 0.9, 0.99]))
def test_every_interval_holds_its_estimate_within_0_and_1(k, rest, level):
    n = k + rest
    if n == 0:
        return
    for estimate in (wilson(k, n, level), clopper_pearson(k, n, level)):
        assert 0 <= estimate.lower <= estimate.value <= estimate.upper <= 1


def test_one_unit_a_patient_gives_wilson_itself_or_a_design_effect_kept_at_1():
    success = np.arange(40) < 30
    estimate = clustered_proportion(success, np.arange(40))
    plain = wilson(30, 40)
    # With single units the ratio estimator is binomial up to P/(P-1); the size may not exceed Kish.
    assert bounds(estimate) == pytest.approx(bounds(plain), abs=1e-12)


def test_repeating_each_patients_units_adds_no_information():
    success = np.arange(40) < 30
    once = clustered_proportion(success, np.arange(40))
    again = clustered_proportion(np.tile(success, 4), np.tile(np.arange(40), 4))
    assert bounds(again) == pytest.approx(bounds(once), abs=1e-12)
    assert again.n == 160


def test_patients_whose_units_differ_by_design_do_not_narrow_the_interval():
    success = np.tile([True, False], 20)
    estimate = clustered_proportion(success, np.repeat(np.arange(20), 2))
    assert bounds(estimate) == pytest.approx(bounds(wilson(20, 40)), abs=1e-12)


def test_with_unequal_patients_the_size_may_fall_below_their_number():
    # One patient gives 30 of 40 units: two pseudo-patients of (30² + 10)/40 = 22.75 units, a
    # proportion of 52.75/85.5 = .617, squared residuals of 11.49² + 10 · .617² + 8.71² + 14.04², and
    # (13/12) · 408.8/85.5² over .236/85.5 is a design effect of 21.92: 1.8 effective patients of 11.
    cluster = np.concatenate([np.zeros(30, int), np.arange(1, 11)])
    success = np.concatenate([np.ones(30, bool), np.zeros(10, bool)])
    estimate = clustered_proportion(success, cluster)
    effect = plain_intervals.design_effect(success, cluster)
    assert effect == pytest.approx(21.92, abs=0.01)
    assert bounds(estimate) == pytest.approx(wilson_bounds(0.75, 40 / effect), abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=30))
def test_the_clustered_interval_equals_straight_loops_over_patients(units):
    success = np.array([right for right, _ in units])
    patient = np.array([who for _, who in units])
    estimate = clustered_proportion(success, patient)
    want = plain_intervals.proportion(success, patient)
    assert [estimate.value, *bounds(estimate)] == pytest.approx(want, abs=1e-9)
    repeated = len(set(patient)) < patient.size
    is_named = Code("design_effect_with_pseudo_patients") in estimate.method
    assert is_named == (repeated and 0 < estimate.value < 1)


def test_pseudo_patients_widen_what_one_error_says_and_leave_the_estimate():
    cluster, success = np.repeat(np.arange(25), 4), np.arange(100) > 0
    estimate = clustered_proportion(success, cluster)
    # One error in 25 patients of 4 units seems to say that units are unrelated.
    assert estimate.value == 0.99
    assert estimate.lower < wilson_bounds(0.99, 100 / 2)[0]
    assert estimate.lower > wilson_bounds(0.99, 25)[0] - 1e-12


def test_a_single_patient_counts_as_one():
    estimate = clustered_proportion(np.array([True, True, False]), np.zeros(3, int))
    assert bounds(estimate) == pytest.approx(wilson_bounds(2 / 3, 1), abs=1e-12)


def test_no_event_or_events_only_give_the_exact_interval_on_patients():
    cluster = np.repeat(np.arange(20), 3)
    none = clustered_proportion(np.zeros(60, bool), cluster)
    every = clustered_proportion(np.ones(60, bool), cluster)
    assert bounds(none) == bounds(clopper_pearson(0, 20))
    assert bounds(every) == bounds(clopper_pearson(20, 20))
    assert (every.value, every.n, every.events) == (1.0, 60, 60)


def test_a_clustered_proportion_of_nothing_is_undefined_and_lengths_must_agree():
    assert clustered_proportion(np.array([], bool), np.array([], int)).value is None
    with pytest.raises(ValueError, match="one patient code"):
        clustered_proportion(np.ones(3, bool), np.arange(2))


@pytest.mark.parametrize(("icc", "plain_covers"), [(0.2, 0.87), (0.5, 0.78), (0.8, 0.71)])
def test_the_clustered_interval_covers_where_plain_wilson_does_not(icc, plain_covers):
    rng = np.random.default_rng(5)
    shape = (1 - icc) / icc
    cluster = np.repeat(np.arange(100), 4)
    plain = clustered = 0
    for _ in range(600):
        success = rng.random(400) < np.repeat(rng.beta(0.9 * shape, 0.1 * shape, 100), 4)
        low, high = bounds(clustered_proportion(success, cluster))
        clustered += low <= 0.9 <= high
        low, high = bounds(wilson(int(success.sum()), 400))
        plain += low <= 0.9 <= high
    assert clustered / 600 > 0.92
    assert plain / 600 == pytest.approx(plain_covers, abs=0.06)


def test_newcombe_equals_the_direct_formula(gold):
    case = gold("prop_diff_newcombe")
    columns = (case["inputs"][key] for key in ("x1", "n1", "x2", "n2"))
    for counts, want in zip(zip(*columns, strict=True), case["expected"]["cases"], strict=True):
        estimate = newcombe_difference(*counts)
        assert estimate.value == pytest.approx(want["diff"], abs=case["tolerance"])
        assert bounds(estimate) == pytest.approx(want["newcombe10"], abs=case["tolerance"])
        assert bounds(estimate) == pytest.approx(want["score"], abs=case["tolerance"])
    assert newcombe_difference(1, 2, 0, 0).value is None


def test_the_2x2_table_equals_epir(gold):
    case = gold("diag_2x2_epiR")
    table = diagnostic_table(**case["inputs"])
    assert set(table) == set(EPIR.values())
    for theirs, ours in EPIR.items():
        want, got = case["expected"][theirs], table[ours]
        assert [got.value, *bounds(got)] == pytest.approx(
            [want["est"], want["lo"], want["hi"]], abs=case["tolerance"]
        ), ours


def test_empty_cells_leave_ratios_undefined_with_a_reason():
    perfect = diagnostic_table(tp=10, fp=0, fn=0, tn=10)
    assert perfect["lr_positive"].value is None
    assert perfect["lr_negative"].value == 0.0
    assert perfect["lr_negative"].lower is None
    assert perfect["lr_negative"].notes == (Code("ratio_with_empty_cell"),)
    assert perfect["diagnostic_odds_ratio"].value is None
    assert perfect["youden"].value == 1.0
    no_cases = diagnostic_table(tp=0, fp=3, fn=0, tn=7)
    assert no_cases["sensitivity"].value is None
    assert no_cases["youden"].reason == Code("class_without_cases")
    assert no_cases["number_needed_to_diagnose"].value is None


def test_a_test_near_chance_has_no_upper_bound_on_the_number_needed():
    table = diagnostic_table(tp=6, fp=5, fn=5, tn=6)
    number = table["number_needed_to_diagnose"]
    assert number.value == pytest.approx(11.0)
    assert number.upper is None
    assert number.notes == (Code("no_upper_bound"),)
    worse = diagnostic_table(tp=1, fp=9, fn=9, tn=1)["number_needed_to_diagnose"]
    assert worse.value is None
    assert worse.reason == Code("youden_not_positive")


def test_predictive_values_at_another_prevalence_equal_mercaldo(gold):
    case = gold("ppv_npv_prevalence_adjusted")
    i, expected, tolerance = case["inputs"], case["expected"], case["tolerance"]
    n_pos, n_neg = i["tp"] + i["fn"], i["tn"] + i["fp"]
    ppv, npv = predictive_values(i["tp"] / n_pos, i["tn"] / n_neg, i["prevalence"], n_pos, n_neg)
    assert [ppv.value, *bounds(ppv)] == pytest.approx(
        [expected["ppv"], *expected["ppv_ci"]], abs=tolerance
    )
    assert [npv.value, *bounds(npv)] == pytest.approx(
        [expected["npv"], *expected["npv_ci"]], abs=tolerance
    )


def test_predictive_values_at_the_edge_stand_without_an_interval():
    ppv, npv = predictive_values(1.0, 0.8, 0.1, 20, 80)
    assert ppv.value == pytest.approx(0.1 / (0.1 + 0.2 * 0.9))
    assert npv.value == 1.0
    assert ppv.lower is None
    assert npv.upper is None
    assert ppv.notes == (Code("logit_at_edge"),)
    nothing, _ = predictive_values(0.0, 1.0, 0.1, 20, 80)
    assert nothing.value is None
    assert nothing.reason == Code("no_such_result")
    at_zero, _ = predictive_values(0.9, 0.8, 0.0, 20, 80)
    assert (at_zero.value, at_zero.lower) == (0.0, None)


def test_farrington_manning_equals_the_closed_form_in_r(gold):
    case = gold("noninferiority_farrington_manning")
    i, expected, tolerance = case["inputs"], case["expected"], case["tolerance"]
    test = farrington_manning(i["x1"], i["n1"], i["x2"], i["n2"], i["margin"])
    assert test.statistic == pytest.approx(expected["z"], abs=tolerance)
    assert test.p == pytest.approx(expected["p_noninferior"], abs=tolerance)
    restricted = restricted_proportions(
        i["x1"] / i["n1"], i["n1"], i["x2"] / i["n2"], i["n2"], i["margin"]
    )
    want = [expected["p1_tilde"], expected["p2_tilde"]]
    assert list(restricted) == pytest.approx(want, abs=tolerance)


@given(
    st.integers(0, 20),
    st.integers(1, 20),
    st.integers(0, 20),
    st.integers(1, 20),
    st.sampled_from([-0.3, -0.05, 0.0, 0.1]),
)
def test_the_restricted_proportions_maximise_the_likelihood(k1, rest1, k2, rest2, margin):
    n1, n2 = k1 + rest1, k2 + rest2

    def log_likelihood(p1):
        terms = ((k1, p1), (rest1, 1 - p1), (k2, p1 - margin), (rest2, 1 - p1 + margin))
        return sum(k * math.log(max(p, 1e-300)) for k, p in terms if k)

    r1, r2 = restricted_proportions(k1 / n1, n1, k2 / n2, n2, margin)
    assert r1 - r2 == pytest.approx(margin)
    grid = np.linspace(max(0, margin), min(1, 1 + margin), 2001)
    best = max(log_likelihood(p) for p in grid)
    assert log_likelihood(r1) >= best - 1e-6


def test_farrington_manning_refuses_what_is_undefined():
    assert farrington_manning(0, 0, 1, 2, -0.05).reason == Code("no_cases")
    sure = farrington_manning(10, 10, 10, 10, 0.0)
    assert sure.p is None
    assert sure.reason == Code("null_without_variance")
    with pytest.raises(ValueError, match="margin"):
        farrington_manning(1, 2, 1, 2, -1)


def test_mcnemar_equals_base_r(gold):
    case = gold("mcnemar_agresti")
    (_, b), (c, _) = case["inputs"]["table"]
    expected, tolerance = case["expected"], case["tolerance"]
    assert mcnemar(b, c).p == pytest.approx(expected["p_exact"], abs=tolerance)
    for method, suffix in (("chi2", ""), ("chi2_corrected", "_cc")):
        test = mcnemar(b, c, method=method)
        assert test.statistic == pytest.approx(expected[f"chi2{suffix}"], abs=tolerance)
        assert test.p == pytest.approx(expected[f"p{suffix}"], abs=tolerance)


def test_mcnemar_needs_discordant_pairs_and_a_known_method():
    assert mcnemar(0, 0).reason == Code("no_discordant_pairs")
    assert mcnemar(3, 3).p == 1.0
    assert mcnemar(3, 3, method="chi2_corrected").statistic == 0.0
    with pytest.raises(ValueError, match="exact, chi2, chi2_corrected"):
        mcnemar(1, 2, method="asymptotic")


def test_sample_sizes_equal_buderer(gold):
    case = gold("sample_size_precision")
    i, expected = case["inputs"], case["expected"]
    assert sample_size_proportion(i["se"], i["d_se"]) == expected["n_pos"]
    assert sample_size_proportion(i["sp"], i["d_sp"]) == expected["n_neg"]
    of_all = sample_size_proportion(i["se"], i["d_se"], share=i["prev"])
    assert of_all == expected["n_total_for_se"]
    of_all = sample_size_proportion(i["sp"], i["d_sp"], share=1 - i["prev"])
    assert of_all == expected["n_total_for_sp"]
    with pytest.raises(ValueError, match="half_width is above 0"):
        sample_size_proportion(0.9, 0)
