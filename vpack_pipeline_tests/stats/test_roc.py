from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.stats import roc
from vpack_pipeline.stats.estimate import NO_WIDTH
from vpack_pipeline.stats.resampling import patient_codes, patient_weights, percentile_interval

Z = 1.959963984540054


def labelled(case, y="y", x="x"):
    return np.array(case["inputs"][x], float), np.array(case["inputs"][y]) == 1


def by_pairs(score, positive, weights):
    """The definition: weighted share of pairs in the right order, ties one half."""
    wins = total = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            w = weights[i] * weights[j]
            total += w
            wins += w * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    return wins / total if total else None


@pytest.mark.parametrize("other", ["ndka", "wfns"])
def test_delong_on_the_subarachnoid_data_equals_proc(gold, other):
    case = gold("auc_delong_aSAH")
    expected, tolerance = case["expected"][f"s100b_vs_{other}"], case["tolerance"]
    a, positive = labelled(case, x="s100b")
    b, _ = labelled(case, x=other)
    for score, want in ((a, expected["a"]), (b, expected["b"])):
        estimate = roc.auc_delong(score, positive)
        assert estimate.value == pytest.approx(want["auc"], abs=tolerance)
        assert estimate.lower == pytest.approx(want["ci_lo"], abs=tolerance)
        assert estimate.upper == pytest.approx(want["ci_hi"], abs=tolerance)
        half_width = Z * math.sqrt(want["var_delong"])
        assert estimate.upper - estimate.value == pytest.approx(half_width, abs=tolerance)
        assert (estimate.n, estimate.events) == (113, 41)
    test = roc.delong_paired_test(a, b, positive)
    assert test.statistic == pytest.approx(expected["z"], abs=tolerance)
    assert test.p == pytest.approx(expected["p"], abs=tolerance)
    assert [test.lower, test.upper] == pytest.approx(expected["diff_ci"], abs=tolerance)


def test_the_unpaired_test_equals_proc(gold):
    case = gold("auc_delong_unpaired_aSAH")
    expected, tolerance = case["expected"], case["tolerance"]
    test = roc.delong_unpaired_test(*labelled(case, "y1", "x1"), *labelled(case, "y2", "x2"))
    assert test.statistic == pytest.approx(expected["D"], abs=tolerance)
    assert test.df == pytest.approx(expected["df"], abs=1e-8)
    assert test.p == pytest.approx(expected["p"], abs=tolerance)
    assert test.difference == pytest.approx(expected["auc1"] - expected["auc2"], abs=tolerance)
    assert test.lower < test.difference < test.upper


def test_the_clustered_interval_equals_the_naive_obuchowski(gold):
    case = gold("auc_cluster_obuchowski")
    expected, tolerance = case["expected"], case["tolerance"]
    cluster = np.array(case["inputs"]["cluster"])
    estimate = roc.auc_clustered(*labelled(case), cluster)
    assert estimate.value == pytest.approx(expected["auc"], abs=tolerance)
    assert estimate.lower == pytest.approx(expected["ci_lo"], abs=tolerance)
    assert estimate.upper == pytest.approx(expected["ci_hi"], abs=tolerance)


def test_with_one_case_a_patient_the_clustered_interval_is_delongs(gold):
    score, positive = labelled(gold("auc_delong_aSAH"), x="s100b")
    plain = roc.auc_delong(score, positive)
    clustered = roc.auc_clustered(score, positive, np.arange(score.size))
    assert clustered.value == plain.value
    assert clustered.lower == pytest.approx(plain.lower, abs=1e-12)


def test_repeating_every_case_leaves_the_clustered_interval_and_narrows_delongs(gold):
    score, positive = labelled(gold("auc_delong_aSAH"), x="s100b")
    once = roc.auc_clustered(score, positive, np.arange(113))
    again = np.tile(score, 3), np.tile(positive, 3)
    assert roc.auc_clustered(*again, np.tile(np.arange(113), 3)).lower == pytest.approx(once.lower)
    assert roc.auc_delong(*again).lower > once.lower + 0.03


def test_the_clustered_interval_covers_where_delongs_does_not():
    rng = np.random.default_rng(11)
    truth, covered = 0.7602, {"delong": 0, "clustered": 0}  # Φ(1/√2)
    patient = np.repeat(np.arange(60), 4)
    for _ in range(300):
        positive = np.repeat(np.arange(60) < 30, 4)
        score = positive + np.repeat(rng.normal(size=60), 4) * 0.8 + rng.normal(size=240) * 0.6
        for name, estimate in (
            ("delong", roc.auc_delong(score, positive)),
            ("clustered", roc.auc_clustered(score, positive, patient)),
        ):
            covered[name] += estimate.lower <= truth <= estimate.upper
    assert covered["clustered"] / 300 > 0.90
    assert covered["delong"] / 300 < 0.82


def test_the_weighted_area_equals_the_direct_double_sum(gold):
    case = gold("auc_weighted_aSAH")
    score, positive = labelled(case)
    weights = np.array(case["inputs"]["w"])
    tolerance = case["tolerance"]
    assert roc.auc(score, positive) == pytest.approx(case["expected"]["auc"], abs=tolerance)
    weighted = roc.auc(score, positive, weights)
    assert weighted == pytest.approx(case["expected"]["auc_w"], abs=tolerance)


def test_edge_cases_follow_proc_and_say_why_an_interval_is_missing(gold):
    case = gold("auc_edge_cases")
    estimates = {
        name: roc.auc_delong(np.array(i["x"], float), np.array(i["y"]) == 1)
        for name, i in case["inputs"].items()
    }
    for name in ("perfect", "constant", "tiny"):
        want = case["expected"][name]
        got = estimates[name]
        assert [got.value, got.lower, got.upper] == pytest.approx(
            [want["auc"], want["ci_lo"], want["ci_hi"]], abs=case["tolerance"]
        )
    assert estimates["perfect"].notes == estimates["constant"].notes == (NO_WIDTH,)
    assert estimates["tiny"].notes == ()
    assert estimates["one_class"].value is None
    assert estimates["one_class"].reason == roc.ONE_CLASS
    assert estimates["one_pos"].value == case["expected"]["one_pos"]["auc"]
    assert (estimates["one_pos"].lower, estimates["one_pos"].upper) == (None, None)
    assert estimates["one_pos"].notes == (roc.ONE_IN_CLASS,)


def test_the_clustered_area_refuses_what_it_cannot_estimate():
    score, positive = np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, False, True, True])
    one_patient = roc.auc_clustered(score, positive, np.array([1, 2, 3, 3]))
    assert one_patient.value == 1.0
    assert one_patient.lower is None
    assert one_patient.notes == (roc.ONE_PATIENT_IN_CLASS,)
    one_class = roc.auc_clustered(score, np.ones(4, bool), np.arange(4))
    assert one_class.value is None
    assert one_class.reason == roc.ONE_CLASS
    assert roc.auc_clustered(score, positive, np.arange(4)).notes == (NO_WIDTH,)


def test_tests_refuse_one_class_a_single_case_and_equal_scores():
    score = np.array([1.0, 2.0, 3.0, 4.0])
    two = np.array([False, True, False, True])
    one = np.array([False, True, False, False])
    none = np.zeros(4, bool)
    assert roc.delong_paired_test(score, -score, none).reason == roc.ONE_CLASS
    assert roc.delong_paired_test(score, -score, one).reason == roc.ONE_IN_CLASS
    same = roc.delong_paired_test(score, score, two)
    assert (same.statistic, same.p, same.difference) == (None, None, 0.0)
    assert same.reason == roc.NO_VARIANCE
    assert roc.delong_unpaired_test(score, two, score, one).reason == roc.ONE_IN_CLASS
    split = np.array([False, False, True, True])
    perfect = roc.delong_unpaired_test(score, split, score, split)
    assert perfect.reason == roc.NO_VARIANCE


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=2, max_size=25
    )
)
def test_replicates_equal_the_definition_under_any_weights_and_ties(rows):
    score = np.array([r[0] for r in rows], float)
    positive = np.array([r[1] for r in rows])
    weights = np.array([r[2] for r in rows])
    got = roc.auc_replicates(score, positive, weights[None, :])[0]
    want = by_pairs(score, positive, weights)
    assert (want is None and math.isnan(got)) or got == pytest.approx(want)
    assert (roc.auc(score, positive, weights) is None) == (want is None)
    plain = by_pairs(score, positive, np.ones(len(rows)))
    assert roc.auc(score, positive) == (None if plain is None else pytest.approx(plain))


def test_the_bootstrap_standard_error_agrees_with_obuchowski(gold):
    case = gold("auc_cluster_obuchowski")
    score, positive = labelled(case)
    codes, n_patients = patient_codes(np.array(case["inputs"]["cluster"]))
    drawn = patient_weights(n_patients, 2000, np.random.default_rng(3))
    weights = (of_patients[:, codes] for of_patients in drawn)
    values = np.concatenate([roc.auc_replicates(score, positive, w) for w in weights])
    # The reference case notes a bootstrap standard error of 0.0277.
    assert values.std() == pytest.approx(0.0277, abs=0.002)
    assert percentile_interval(values).n_undefined == 0


@pytest.mark.parametrize(
    ("score", "why"),
    [
        ([1.0, np.nan], "score: every value is a finite number"),
        ([1.0], "score and positive: one score is needed for each"),
    ],
)
def test_scores_must_be_finite_and_as_many_as_labels(score, why):
    with pytest.raises(ValueError, match=why):
        roc.auc(np.array(score), np.array([True, False]))
