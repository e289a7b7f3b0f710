"""Proportions and areas of weighted cases, against closed forms, straight loops and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.metrics import roc_auc_score

from benchmarks import interval_designs, sampling_designs
from vpack_pipeline.stats.calibration import calibration
from vpack_pipeline.stats.proportions import clustered_proportion
from vpack_pipeline.stats.weighted import (
    Part,
    gamma_limits,
    proportion_limits,
    weighted_auc,
    weighted_auc_side,
    weighted_paired_difference,
    weighted_proportion,
    weighted_proportion_side,
)

EVERY = np.ones(400, dtype=np.bool_)
"""Mask of the cases of the two-phase study: as many as it has."""


def two_phase(hits=38, false_alarms=62, misses=1, cleared=299):
    """All flagged cases, and one in 50 of the cleared ones: flagged, positive, weight."""
    flagged = np.repeat([True, False], [hits + false_alarms, misses + cleared])
    positive = np.repeat([True, False, True, False], [hits, false_alarms, misses, cleared])
    return flagged, positive, np.where(flagged, 1.0, 50.0)


# --- a proportion


def test_equal_weights_give_the_unweighted_interval():
    success = np.array([True, False, True, True, False])
    patient = np.array([0, 0, 1, 2, 3])
    everyone = np.ones(5, dtype=np.bool_)
    found = weighted_proportion(success, everyone, np.full(5, 3.0), patient)
    assert found == clustered_proportion(success, patient)
    assert weighted_proportion(success, everyone, np.full(5, 3.0), patient, heaviest=3.0) == found


def test_two_strata_give_the_ratio_of_their_shares():
    flagged, positive, weight = two_phase()
    patient = np.arange(weight.size)
    found = weighted_proportion(flagged, positive, weight, patient, may_succeed=flagged)
    assert found.value == pytest.approx(38 / (38 + 50))
    assert (found.n, found.events) == (39, 38)
    # Donner and Zou's two formulas for R = F/S, as they are printed, of either stratum's count.
    s, s_low, s_up = gamma_limits(np.ones(38), 1.0)
    f, f_low, f_up = gamma_limits(np.full(1, 50.0), 50.0)
    inner = [
        (f * s) ** 2 - a * b * (2 * f - a) * (2 * s - b) for a, b in ((f_low, s_up), (f_up, s_low))
    ]
    low = (f * s - np.sqrt(inner[0])) / (s_up * (2 * s - s_up))
    up = (f * s + np.sqrt(inner[1])) / (s_low * (2 * s - s_low))
    assert (found.lower, found.upper) == pytest.approx((1 / (1 + up), 1 / (1 + low)))
    assert [c.name for c in found.method] == ["ratio_of_two_strata"]


def test_a_miss_that_was_not_drawn_still_weighs():
    """Of 300 cleared cases none was missed: by Kish's size the sensitivity would be known well."""
    flagged, positive, weight = two_phase(misses=0, cleared=300)
    found = weighted_proportion(flagged, positive, weight, np.arange(400), may_succeed=flagged)
    assert (found.value, found.upper) == (1.0, 1.0)
    # Up to 3.7 of 300 may be missed, and each stands for 50.
    assert found.lower == pytest.approx(38 / (38 + 50 * -np.log(0.025)), abs=0.03)
    of_positives = clustered_proportion(flagged[positive], np.arange(38))
    assert found.lower < 0.25
    assert of_positives.lower > 0.9


def test_a_stratum_of_which_no_case_was_seen_still_weighs():
    flagged, positive, weight = two_phase()
    among = positive & flagged
    here = weighted_proportion(
        flagged[flagged],
        among[flagged],
        weight[flagged],
        np.arange(100),
        may_succeed=flagged[flagged],
        heaviest=50.0,
    )
    assert here.value == 1.0
    assert here.lower < 0.25
    assert [c.name for c in here.method] == ["ratio_of_weighted_sums"]


def test_a_proportion_and_its_complement_mirror_one_another():
    rng = np.random.default_rng(1)
    weight, patient = rng.choice([1.0, 4.0, 9.0], 400), rng.integers(0, 150, 400)
    success = rng.random(400) < 0.7
    one = weighted_proportion(success, EVERY, weight, patient)
    other = weighted_proportion(~success, EVERY, weight, patient)
    assert one.value == pytest.approx(weight[success].sum() / weight.sum())
    assert (one.value, one.lower, one.upper) == pytest.approx(
        (1 - other.value, 1 - other.upper, 1 - other.lower)
    )


def test_weights_far_apart_leave_an_interval_and_only_their_ratio_matters():
    success, everyone = np.array([True, True, False]), np.ones(3, dtype=np.bool_)
    for weights in ([1e16, 1e16, 1.0], [1.0, 1.0, 1e16], [1e-200, 1e100, 1.0]):
        found = weighted_proportion(success, everyone, np.array(weights), np.arange(3))
        assert 0 <= found.lower <= found.value <= found.upper <= 1
        assert found.lower < found.upper
    weight = np.array([1.0, 2.0, 3.0])
    assert weighted_proportion(success, everyone, 1e9 * weight, np.arange(3)).lower == (
        pytest.approx(weighted_proportion(success, everyone, weight, np.arange(3)).lower)
    )


def test_cases_of_one_patient_have_no_interval_and_none_has_no_value():
    success, everyone = np.array([True, False]), np.ones(2, dtype=np.bool_)
    one = weighted_proportion(success, everyone, np.array([3.0, 1.0]), np.zeros(2))
    assert (one.value, one.lower) == (0.75, None)
    assert [note.name for note in one.notes] == ["one_patient"]
    for among, weight in ((~everyone, [3.0, 1.0]), (everyone, [0.0, 0.0])):
        none = weighted_proportion(success, among, np.array(weight), np.arange(2))
        assert (none.value, none.n) == (None, 0)
        side = weighted_proportion_side(success, among, np.array(weight), np.arange(2))
        assert side.influence.size == 0


def test_cases_of_a_patient_are_one_count():
    weight = np.repeat([1.0, 5.0], 20)
    success = np.arange(40) % 4 > 0
    everyone = np.ones(40, dtype=np.bool_)
    alone = weighted_proportion(success, everyone, weight, np.arange(40))
    together = weighted_proportion(success, everyone, weight, np.arange(40) // 4)
    assert together.value == alone.value
    assert together.upper - together.lower > alone.upper - alone.lower


def test_the_influence_of_a_weighted_side_adds_up_to_nothing():
    flagged, positive, weight = two_phase()
    side = weighted_proportion_side(flagged, positive, weight, np.arange(400), may_succeed=flagged)
    assert side.influence.sum() == pytest.approx(0)
    assert side.influence.shape == side.cluster.shape == (39,)


# --- a weighted sum of counts


@pytest.mark.parametrize(
    ("succeeded", "failed", "told"),
    [
        ((0, 0, 2), (0, 0, 1), "one of them is above 0"),
        ((3, 4, 6), (1, 0, 2), "succeeded: the total lies between"),
        ((3, 1, 6), (3, 1, 2), "failed: the total lies between"),
    ],
)
def test_limits_that_do_not_hold_their_total_are_refused(succeeded, failed, told):
    with pytest.raises(ValueError, match=told):
        proportion_limits(Part(*succeeded), Part(*failed))


@pytest.mark.parametrize("n", [1, 3, 25])
def test_equal_weights_give_garwoods_limits_of_one_count(n):
    found = gamma_limits(np.full(n, 2.5), 2.5)
    assert found.total == 2.5 * n
    assert found.lower == pytest.approx(2.5 * chi2.ppf(0.025, 2 * n) / 2)
    assert found.upper == pytest.approx(2.5 * chi2.ppf(0.975, 2 * n + 2) / 2)


def test_unequal_weights_give_fay_and_feuers_limits():
    weights, most = np.array([1.0, 1.0, 4.0]), 6.0
    y, v = weights.sum(), (weights**2).sum()
    found = gamma_limits(weights, most, 0.9)
    assert found.lower == pytest.approx(v / (2 * y) * chi2.ppf(0.05, 2 * y**2 / v))
    y, v = y + most, v + most**2
    assert found.upper == pytest.approx(v / (2 * y) * chi2.ppf(0.95, 2 * y**2 / v))
    nothing = gamma_limits(np.zeros(0), 2.0)
    assert (nothing.total, nothing.lower) == (0.0, 0.0)
    assert nothing.upper == pytest.approx(2 * -np.log(0.025))


# --- an area


def ranked(seed=3, n=120):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    score = np.round(rng.normal(size=n) + positive, 1)
    return score, positive, rng.choice([1.0, 3.0, 20.0], n), rng.integers(0, n // 2, n)


def test_a_weighted_area_is_that_of_sklearn():
    score, positive, weight, patient = ranked()
    found = weighted_auc(score, positive, weight, patient)
    expected = roc_auc_score(positive, score, sample_weight=weight)
    assert found.value == pytest.approx(expected)
    assert 0 < found.lower < found.value < found.upper < 1
    assert (found.n, found.events) == (120, int(positive.sum()))


def test_its_limits_are_those_of_a_straight_loop():
    score, positive, weight, patient = ranked(n=40)
    found = weighted_auc(score, positive, weight, patient, 0.9)
    heavy = weight == weight.max()
    s = [*score, np.median(score[heavy]), np.median(score[heavy])]
    y, w = [*positive, True, False], [*weight, weight.max(), weight.max()]
    p = [*patient, 1000, 1001]
    area, influence = 0.0, dict.fromkeys(p, 0.0)
    masses = [sum(w[i] for i in range(42) if y[i] == label) for label in (True, False)]
    for i in range(42):
        for j in range(42):
            if y[i] and not y[j]:
                area += w[i] * w[j] * ((s[i] > s[j]) + (s[i] == s[j]) / 2) / masses[0] / masses[1]
    for i in range(42):
        others = [j for j in range(42) if y[j] != y[i]]
        won = [((s[i] > s[j]) if y[i] else (s[i] < s[j])) + (s[i] == s[j]) / 2 for j in others]
        mass = sum(w[j] for j in others)
        placed = sum(w[j] * x for j, x in zip(others, won, strict=True)) / mass
        influence[p[i]] += w[i] * (placed - area) / masses[0 if y[i] else 1]
    n = len(influence)
    se = np.sqrt(n / (n - 1) * sum(v**2 for v in influence.values()))
    reach = 1.6448536269514722 * se / (area * (1 - area))
    centre = [np.log(a / (1 - a)) for a in sorted((found.value, area))]
    expected = [1 / (1 + np.exp(-c)) for c in (centre[0] - reach, centre[1] + reach)]
    assert (found.lower, found.upper) == pytest.approx(tuple(expected))


def test_a_perfect_area_of_a_thin_sample_is_not_known_well():
    flagged, positive, weight = two_phase(false_alarms=0, misses=0, cleared=30)
    score = np.where(flagged, 0.9, 0.1)
    found = weighted_auc(score, positive, weight, np.arange(score.size))
    assert (found.value, found.upper) == (1.0, 1.0)
    assert found.lower < 0.8


def test_only_how_weights_compare_matters_to_an_area():
    score, positive, weight, patient = ranked()
    found = weighted_auc(score, positive, weight, patient)
    for scale in (2.0**-600, 2.0**600):
        assert weighted_auc(score, positive, scale * weight, patient) == found
    assert weighted_auc(score, positive, 1e16**positive * weight, patient).value is not None


def test_an_area_needs_both_classes_and_two_patients_in_each():
    score, positive, weight, _ = ranked()
    one = weighted_auc(
        score[positive], positive[positive], weight[positive], np.arange(120)[positive]
    )
    assert one.value is None
    assert one.reason.name == "one_class"
    patient = np.where(positive, 0, np.arange(120) + 1)
    alone = weighted_auc_side(score, positive, weight, patient)
    assert alone.estimate.value is not None
    assert (alone.estimate.lower, alone.influence.size) == (None, 0)


# --- calibration


def test_a_weighted_calibration_is_that_of_cases_as_often_as_they_weigh():
    rng = np.random.default_rng(5)
    prob = rng.uniform(0.05, 0.95, 150)
    positive = rng.random(150) < prob**1.5
    weights, patient = rng.integers(1, 4, 150), rng.integers(0, 60, 150)
    found = calibration(prob, positive, patient, weights=weights.astype(np.float64))
    often = [np.repeat(part, weights) for part in (prob, positive, patient)]
    expected = calibration(*often)
    for name in ("slope", "intercept", "citl", "brier"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one.value, one.lower, one.upper) == pytest.approx(
            (other.value, other.lower, other.upper)
        ), name
        assert one.n == 150
    assert found.observed_expected == pytest.approx(expected.observed_expected)
    assert found.spiegelhalter.reason.name == "not_computed_weighted"


# --- two proportions of the same units


def test_a_paired_difference_is_of_the_units_that_tell_two_apart():
    rng = np.random.default_rng(3)
    first, second, among = rng.random((3, 80)) < np.array([[0.8], [0.7], [0.6]])
    weight, patient = rng.choice([1.0, 5.0], 80), np.arange(80) // 2
    found = weighted_paired_difference(first, second, among, weight, patient, 0.9, heaviest=7)
    shares = [
        weighted_proportion(mask, among, weight, patient, 0.9, heaviest=7)
        for mask in (first & ~second, second & ~first)
    ]
    own = weighted_proportion(first, among, weight, patient)
    other = weighted_proportion(second, among, weight, patient)
    assert found.value == pytest.approx(own.value - other.value, abs=1e-12)
    totals = np.zeros((2, 40))
    for k, mask in enumerate((first & ~second, second & ~first)):
        np.add.at(totals[k], patient[among], (weight * (mask - shares[k].value))[among])
    r = totals[0] @ totals[1] / np.sqrt((totals[0] @ totals[0]) * (totals[1] @ totals[1]))
    a, b = shares[0].value - shares[0].lower, shares[1].upper - shares[1].value
    assert found.lower == pytest.approx(found.value - np.sqrt(a * a + b * b - 2 * r * a * b))
    a, b = shares[0].upper - shares[0].value, shares[1].value - shares[1].lower
    assert found.upper == pytest.approx(found.value + np.sqrt(a * a + b * b - 2 * r * a * b))
    assert (found.n, found.events) == (among.sum(), ((first != second) & among).sum())


def test_a_paired_difference_is_of_the_same_units():
    with pytest.raises(ValueError, match="same units"):
        weighted_paired_difference(EVERY[:3], EVERY[:2], EVERY[:3], np.ones(3), np.arange(3))


def test_paired_differences_of_two_phase_samples_hold_the_truth():
    """A few runs of the nightly simulation (``benchmarks/simulations.py``)."""
    for design in list(sampling_designs.two_phase_pairs())[::9]:
        found = interval_designs.rates(design, 60, 1954)
        # At .035 more than 7 of 60 have a probability of less than .003.
        assert max(found.lower_above, found.upper_below) <= 7 / 60, design.name
