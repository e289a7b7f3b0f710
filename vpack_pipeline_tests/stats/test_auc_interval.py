from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import ndtri

from vpack_pipeline.stats.auc_interval import SCORE, Area, area, auc_by_inversion
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.roc import (
    ONE_CLASS,
    ONE_IN_CLASS,
    ONE_PATIENT_IN_CLASS,
    auc_clustered,
    auc_influence,
    obuchowski_variance,
    placements,
)
from vpack_pipeline_tests.stats import plain_intervals

BY_PATIENT = Code("sizes_by_patient_and_t")


def arrays(cases):
    score, positive, patient = zip(*cases, strict=True)
    return np.array(score, float), np.array(positive), np.array(patient)


def drawn(rng, m, n, delta, most=1, alike=0.5):
    """Patients of a class each, with 1 to ``most`` cases whose scores are alike."""
    cases = rng.integers(1, most + 1, m + n)
    patient = np.repeat(np.arange(m + n), cases)
    positive = patient < m
    own = math.sqrt(alike) * rng.normal(size=m + n)[patient]
    return own + math.sqrt(1 - alike) * rng.normal(size=patient.size) + delta * positive, (
        positive,
        patient,
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 9)), min_size=4, max_size=30
    ),
    st.sampled_from([0.9, 0.95, 0.99]),
)
def test_the_interval_equals_straight_loops_over_pairs_and_patients(cases, level):
    patients = [len({w for _, y, w in cases if y is side}) for side in (True, False)]
    assume(min(patients) > 1)
    found = auc_by_inversion(*arrays(cases), level)
    want = plain_intervals.area(cases, level)
    assert [found.value, found.lower, found.upper] == pytest.approx(want, abs=1e-8)
    repeats = len({w for _, _, w in cases}) < len(cases)
    assert found.method == ((*SCORE, BY_PATIENT) if repeats else SCORE)
    assert (found.n, found.events) == (len(cases), sum(y for _, y, _ in cases))


def test_the_area_carries_obuchowskis_variance(gold):
    case = gold("auc_cluster_obuchowski")
    score = np.array(case["inputs"]["x"], float)
    positive, patient = np.array(case["inputs"]["y"]) == 1, np.array(case["inputs"]["cluster"])
    found = area(score, positive, patient)
    normal = auc_clustered(score, positive, patient)
    assert found.value == normal.value == pytest.approx(case["expected"]["auc"])
    se = (case["expected"]["ci_hi"] - case["expected"]["auc"]) / 1.959963984540054
    assert math.sqrt(found.observed) == pytest.approx(se, abs=case["tolerance"])


def test_with_one_case_a_patient_sizes_are_whole_and_the_law_is_normal(gold):
    case = gold("auc_delong_aSAH")
    score, positive = np.array(case["inputs"]["s100b"], float), np.array(case["inputs"]["y"]) == 1
    found = area(score, positive, np.arange(113))
    assert (found.positives, found.negatives, found.df) == (41, 72, None)
    # The published variance at the published area (Hanley & McNeil 1982).
    want = plain_intervals.hanley_mcneil(found.value, 41, 72)
    assert found.variance() == pytest.approx(want)
    assert found.estimate(0.95).method == SCORE


def test_at_the_bounds_the_score_test_is_just_significant():
    found = Area(0.9, 20.0, 60.0, 0.0, None, 80, 20)
    estimate = found.estimate(0.95)
    for bound in (estimate.lower, estimate.upper):
        z = (0.9 - bound) / math.sqrt(plain_intervals.hanley_mcneil(bound, 20, 60))
        assert abs(z) == pytest.approx(1.959963984540054)
    wide = found._replace(observed=4 * found.variance()).estimate(0.95)
    assert wide.lower < estimate.lower < estimate.upper < wide.upper


@pytest.mark.parametrize(("turned", "value"), [(1, 1.0), (-1, 0.0)])
def test_an_area_of_1_or_0_has_an_interval(turned, value):
    score, positive = turned * np.arange(30.0), np.arange(30) >= 20
    found = auc_by_inversion(score, positive, np.arange(30))
    assert found.value == value
    assert found.notes == ()
    width = found.upper - found.lower
    assert 0.1 < width < 0.3
    assert (found.upper if turned > 0 else found.lower) == value
    few = auc_by_inversion(score[15:25], positive[15:25], np.arange(10))
    assert few.upper - few.lower > 1.5 * width


def test_without_two_patients_in_each_class_there_is_no_interval():
    score = np.arange(6.0)
    none = auc_by_inversion(score, np.zeros(6, bool), np.arange(6))
    assert (none.value, none.reason, none.n, none.events) == (None, ONE_CLASS, 6, 0)
    one = auc_by_inversion(score, np.arange(6) == 5, np.arange(6))
    assert (one.value, one.lower, one.upper, one.notes) == (1.0, None, None, (ONE_IN_CLASS,))
    alone = auc_by_inversion(score, np.arange(6) > 3, np.array([0, 1, 2, 3, 4, 4]))
    assert (alone.value, alone.lower, alone.notes) == (1.0, None, (ONE_PATIENT_IN_CLASS,))
    with pytest.raises(ValueError, match="one patient code is needed for each"):
        area(score, score > 2, np.arange(5))


def test_repeated_cases_tell_no_more_than_one_and_cost_the_t_quantile():
    rng = np.random.default_rng(4)
    score, (positive, patient) = drawn(rng, 20, 40, 1.2)
    once = area(score, positive, patient)
    again = area(np.tile(score, 3), np.tile(positive, 3), np.tile(patient, 3))
    assert (again.positives, again.negatives) == pytest.approx((20, 40))
    assert again.observed == pytest.approx(once.observed)
    assert again.df == 19
    assert again.estimate(0.95).lower < once.estimate(0.95).lower


def test_cases_that_are_unrelated_within_patients_keep_their_number():
    rng = np.random.default_rng(8)
    score, (positive, patient) = drawn(rng, 300, 300, 1.0, most=4, alike=0.0)
    found = area(score, positive, patient)
    assert found.positives > 0.85 * positive.sum()
    alike, (positive, patient) = drawn(rng, 300, 300, 1.0, most=4, alike=0.9)
    assert area(alike, positive, patient).positives < 0.6 * positive.sum()


def test_influences_add_up_to_0_and_give_the_variance_over_patients():
    rng = np.random.default_rng(6)
    score, (positive, patient) = drawn(rng, 30, 60, 1.0, most=4)
    influence = auc_influence(score, positive)
    assert influence[positive].sum() == pytest.approx(0, abs=1e-12)
    assert influence[~positive].sum() == pytest.approx(0, abs=1e-12)
    total = np.bincount(patient, weights=influence)
    placed = placements(score, positive)
    # But for P/(P − 1) in each class.
    assert total @ total == pytest.approx(obuchowski_variance(placed, positive, patient), rel=0.04)


@pytest.mark.parametrize(("m", "n", "auc", "most"), [(10, 40, 0.95, 1), (15, 60, 0.9, 5)])
def test_the_lower_bound_is_seldom_above_the_truth(m, n, auc, most):
    """A few runs of the nightly simulation (``benchmarks/simulations.py``)."""
    rng = np.random.default_rng([2006, m, most])
    delta, above, below = math.sqrt(2) * ndtri(auc), 0, 0
    for _ in range(400):
        score, (positive, patient) = drawn(rng, m, n, delta, most)
        found = auc_by_inversion(score, positive, patient)
        above += found.lower > auc
        below += found.upper < auc
    # 400 runs at .035: more than 24 have a probability of one in 200.
    assert above <= 24
    assert below <= 40


def test_a_hundred_thousand_cases_take_no_table_of_pairs():
    rng = np.random.default_rng(0)
    n = 100_000
    positive, patient = rng.random(n) < 0.1, rng.integers(0, 40_000, n)
    start = time.process_time()
    auc_by_inversion(rng.normal(size=n) + positive, positive, patient)
    assert time.process_time() - start < 0.5
