from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from vpack_pipeline.stats import calibration as cal
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import NO_WIDTH

Z = 1.959963984540054


@pytest.fixture
def simulated(gold):
    case = gold("calibration_sim")
    prob, positive = np.array(case["inputs"]["p"]), np.array(case["inputs"]["y"]) == 1
    return prob, positive, case["expected"], case["tolerance"]


def se_of(estimate):
    return (estimate.upper - estimate.value) / Z


def glm_standard_error(x, y):
    """Slope error as R's glm prints it: from the weights of the step before it stops."""
    design, beta, deviance = np.column_stack([np.ones_like(x), x]), None, np.inf
    mean = (y + 0.5) / 2
    eta = logit(mean)
    while True:
        w = mean * (1 - mean)
        information = (design.T * w) @ design
        beta = np.linalg.solve(information, design.T @ (w * (eta + (y - mean) / w)))
        eta = design @ beta
        mean = expit(eta)
        now = -2 * np.sum(np.where(y == 1, np.log(mean), np.log(1 - mean)))
        if abs(now - deviance) / (abs(now) + 0.1) < 1e-8:
            return np.sqrt(np.linalg.inv(information)[1, 1])
        deviance = now


def test_slope_intercepts_and_brier_equal_rms_and_glm(simulated):
    prob, positive, expected, tolerance = simulated
    result = cal.calibration(prob, positive)
    assert result.slope.value == pytest.approx(expected["slope"], abs=tolerance)
    assert result.intercept.value == pytest.approx(expected["intercept_joint"], abs=tolerance)
    assert result.citl.value == pytest.approx(expected["intercept_large"], abs=tolerance)
    assert se_of(result.citl) == pytest.approx(expected["intercept_large_se"], abs=tolerance)
    assert result.brier.value == pytest.approx(expected["brier"], abs=tolerance)
    assert result.observed_expected == pytest.approx(expected["oe"], abs=tolerance)
    assert result.spiegelhalter.statistic == pytest.approx(
        expected["spiegelhalter_z"], abs=tolerance
    )
    assert result.n_clipped == 0
    assert (result.slope.n, result.slope.events) == (300, 141)


def test_the_slope_error_is_that_of_the_maximum_where_glm_stops_one_step_short(simulated):
    prob, positive, expected, tolerance = simulated
    theirs = glm_standard_error(logit(prob), positive.astype(float))
    assert theirs == pytest.approx(expected["slope_se"], abs=tolerance)
    ours = se_of(cal.calibration(prob, positive).slope)
    assert ours == pytest.approx(expected["slope_se"], abs=2e-6)
    # At the maximum: the inverse of the observed information, by finite differences.
    result = cal.calibration(prob, positive)
    at = np.array([result.intercept.value, result.slope.value])
    x, y, h = logit(prob), positive.astype(float), 1e-4

    def gradient(beta):
        residual = y - expit(beta[0] + beta[1] * x)
        return np.array([residual.sum(), residual @ x])

    assert np.abs(gradient(at)).max() < 1e-8
    hessian = np.column_stack(
        [(gradient(at + h * e) - gradient(at - h * e)) / (2 * h) for e in np.eye(2)]
    )
    assert ours == pytest.approx(np.sqrt(np.linalg.inv(-hessian)[1, 1]), abs=1e-7)


def test_expected_calibration_error_equals_the_reference(simulated):
    prob, positive, expected, tolerance = simulated
    for by, key in (("width", "ece_width10"), ("mass", "ece_mass10")):
        bins = cal.reliability_bins(prob, positive, 10, by=by)
        assert bins.expected_error() == pytest.approx(expected[key], abs=tolerance)
        assert bins.n.sum() == 300
        assert bins.events.sum() == 141
        assert (bins.lower <= bins.mean_prob).all()
        assert (bins.mean_prob <= bins.upper).all()
        assert (bins.observed_lower <= bins.observed).all()
        assert (bins.observed <= bins.observed_upper).all()


def test_the_error_of_a_calibrated_model_lies_below_its_null_band_and_a_bad_one_above():
    rng = np.random.default_rng(4)
    prob = rng.beta(1, 4, 400)
    band = cal.calibration_null(prob, 200, rng)
    below = [
        cal.reliability_bins(prob, rng.random(400) < prob).expected_error() <= band
        for _ in range(100)
    ]
    assert np.mean(below) > 0.88
    shifted = rng.random(400) < expit(logit(prob) + 1)
    assert cal.reliability_bins(prob, shifted).expected_error() > band
    # Above 0 though nothing is wrong: the error is biased.
    assert band > 0.02


def test_equal_probabilities_stay_in_one_bin_whatever_the_order():
    prob = np.array([0.2] * 6 + [0.8] * 4)
    positive = np.array([1, 0, 0, 0, 0, 0, 1, 1, 1, 0]) == 1
    order = np.random.default_rng(0).permutation(10)
    bins = cal.reliability_bins(prob, positive, 5)
    again = cal.reliability_bins(prob[order], positive[order], 5)
    assert bins.n.tolist() == again.n.tolist() == [6, 4]
    assert bins.events.tolist() == again.events.tolist() == [1, 3]


def test_bins_of_equal_width_are_closed_on_the_right():
    prob = np.array([0.0, 0.1, 0.3, 0.7, 0.71, 1.0])
    bins = cal.reliability_bins(prob, prob > 0.5, 10, by="width")
    assert bins.upper.tolist() == [0.1, 0.3, 0.7, 0.71, 1.0]
    with pytest.raises(ValueError, match="'mass' or by 'width'"):
        cal.reliability_bins(prob, prob > 0.5, by="count")


def test_probabilities_of_0_and_1_are_clipped_for_the_log_odds_and_counted(simulated):
    prob, positive, _, _ = simulated
    edged = np.concatenate([prob, [0.0, 1.0]])
    result = cal.calibration(edged, np.concatenate([positive, [False, True]]))
    assert result.n_clipped == 2
    assert np.isfinite(result.slope.value)
    assert result.brier.value == pytest.approx(
        float(np.mean((edged - np.concatenate([positive, [0, 1]])) ** 2))
    )


def test_patients_with_repeated_cases_keep_their_interval(simulated):
    prob, positive, _, _ = simulated
    once = cal.calibration(prob, positive, np.arange(300))
    again = cal.calibration(np.tile(prob, 3), np.tile(positive, 3), np.tile(np.arange(300), 3))
    naive = cal.calibration(np.tile(prob, 3), np.tile(positive, 3))
    for name in ("slope", "citl", "brier"):
        assert se_of(getattr(again, name)) == pytest.approx(se_of(getattr(once, name)), rel=1e-6)
        assert se_of(getattr(naive, name)) < 0.65 * se_of(getattr(once, name))


def test_perfect_separation_leaves_the_slope_undefined_in_either_direction():
    prob = np.array([0.1, 0.2, 0.6, 0.9])
    for positive in (prob > 0.5, prob < 0.5):
        result = cal.calibration(prob, positive)
        assert result.slope.value is None
        assert result.slope.reason == result.intercept.reason == cal.SEPARATED
        assert result.citl.value is not None


def test_one_class_equal_probabilities_and_one_patient_are_undefined_with_a_reason():
    prob = np.array([0.1, 0.2, 0.6, 0.9])
    one_class = cal.calibration(prob, np.ones(4, bool))
    assert one_class.slope.reason == one_class.citl.reason == cal.ONE_CLASS
    assert one_class.brier.value is not None
    flat = cal.calibration(np.full(4, 0.3), np.array([True, False, False, True]))
    assert flat.slope.reason == cal.ONE_VALUE
    assert flat.citl.value == pytest.approx(-logit(0.3))
    mixed = np.array([True, False, True, False])
    single = cal.calibration(prob, mixed, np.zeros(4, int))
    assert single.slope.reason == single.citl.reason == cal.ONE_PATIENT
    assert single.brier.lower is None
    assert single.brier.notes == (Code("one_case_or_patient"),)


def test_residuals_that_cancel_within_patients_give_a_flagged_interval():
    # Both patients hold the same cases, so that the joint fit leaves each of them a score of 0.
    prob = np.tile([0.2, 0.2, 0.7, 0.7, 0.7], 2)
    positive = np.tile([True, False, True, False, True], 2)
    result = cal.calibration(prob, positive, np.repeat([0, 1], 5))
    assert result.slope.notes == (NO_WIDTH,)
    assert result.slope.lower == result.slope.upper == result.slope.value


def test_certain_probabilities_have_no_spiegelhalter_test_or_expected_count():
    result = cal.calibration(np.zeros(3), np.array([False, True, False]))
    assert result.spiegelhalter.p is None
    assert result.spiegelhalter.reason == Code("probabilities_without_variance")
    assert result.observed_expected is None
    assert result.n_clipped == 3


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1e-9, 0.1, 0.5, 0.5001, 0.9, 1.0]), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_calibration_is_finite_or_undefined_for_any_data(rows):
    result = cal.calibration(np.array([r[0] for r in rows]), np.array([r[1] for r in rows]))
    for e in (result.slope, result.intercept, result.citl, result.brier):
        for x in (e.value, e.lower, e.upper):
            assert x is None or np.isfinite(x)
        assert e.value is not None or e.reason


@pytest.mark.parametrize(
    ("prob", "message"),
    [([0.1], "one probability"), ([0.1, 1.2], r"\[0, 1\]"), ([0.1, np.nan], r"\[0, 1\]")],
)
def test_values_that_are_no_probabilities_are_refused(prob, message):
    with pytest.raises(ValueError, match=message):
        cal.calibration(np.array(prob), np.array([True, False]))


def test_extreme_probabilities_still_reach_the_maximum():
    rng = np.random.default_rng(1)
    for _ in range(100):
        prob = rng.choice([0, 1e-7, 0.001, 0.5, 0.50001, 0.999, 1], 12)
        positive = rng.random(12) < 0.5
        result = cal.calibration(prob, positive)
        x = logit(np.clip(prob, cal.EPSILON, 1 - cal.EPSILON))
        if result.slope.value is not None:
            residual = positive - expit(result.intercept.value + result.slope.value * x)
            assert abs(residual.sum()) + abs(residual @ x) < 1e-6
        if result.citl.value is not None:
            assert abs((positive - expit(result.citl.value + x)).sum()) < 1e-6
