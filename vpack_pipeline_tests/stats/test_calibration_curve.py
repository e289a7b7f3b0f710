"""Calibration read from a curve."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from vpack_pipeline.stats import calibration_curve as curves
from vpack_pipeline.stats.loess import Loess


@pytest.fixture
def simulated(gold):
    case = gold("calibration_sim")
    prob, positive = np.array(case["inputs"]["p"]), np.array(case["inputs"]["y"]) == 1
    return prob, positive, case["expected"], case["tolerance"]


# --- loess


def test_distances_equal_those_of_rs_loess(simulated):
    prob, positive, expected, tolerance = simulated
    found = curves.curve_distance(prob, positive)
    want = [expected[name] for name in ("ici_loess", "e50", "e90", "emax_loess")]
    assert list(found) == pytest.approx(want, abs=tolerance)


def plain_local(x, y, at):
    """Local quadratic regression at one place, by least squares over cases."""
    nearest = sorted(abs(v - at) for v in x)[math.floor(0.75 * len(x)) - 1]
    rows, values = [], []
    for v, outcome in zip(x, y, strict=True):
        if abs(v - at) < nearest:
            root = math.sqrt((1 - (abs(v - at) / nearest) ** 3) ** 3)
            rows.append([root, root * (v - at), root * (v - at) ** 2])
            values.append(root * outcome)
    return np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0][0]


def test_the_direct_curve_is_that_of_the_reference_and_passes_through_the_vertices(simulated):
    prob, positive, expected, tolerance = simulated
    direct = np.array([plain_local(prob, positive, v) for v in prob])
    assert np.abs(direct - prob).mean() == pytest.approx(
        expected["ici_loess_direct"], abs=tolerance
    )
    smooth = Loess.at(prob)
    at_vertices = smooth.curve(
        smooth.basis(smooth.vertices), smooth.through(positive.astype(float))
    )
    want = [plain_local(prob, positive, v) for v in smooth.vertices]
    assert at_vertices == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_quadratic_is_its_own_curve(seed):
    rng = np.random.default_rng(seed)
    x = rng.random(60)
    a, b, c = rng.normal(size=3)
    smooth = Loess.at(x)
    # Between vertices goes the cubic of values and slopes, which a quadratic is too.
    assert smooth.curve(smooth.basis(x), smooth.through(a + b * x + c * x * x)) == pytest.approx(
        a + b * x + c * x * x, abs=1e-8
    )


@pytest.mark.parametrize(
    "prob", [np.full(50, 0.3), np.repeat([0.2, 0.8], 40), np.array([0.1, 0.5, 0.9])]
)
def test_few_distinct_probabilities_have_no_curve(prob):
    positive = np.arange(prob.size) % 2 == 0
    assert curves.curve_distance(prob, positive) is None
    assert curves.ici_null(prob, 5, np.random.default_rng(1)) is None


def test_ties_part_cells_where_values_change():
    prob = np.repeat([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [5, 60, 5, 5, 90, 5, 30, 10])
    smooth = Loess.at(prob)
    assert set(np.round(smooth.vertices[1:-1], 9)) <= set(np.unique(prob))
    found = curves.curve_distance(prob, np.arange(prob.size) % 3 == 0)
    assert 0 < found.e50 <= found.e90 <= found.emax


def test_null_of_ici_is_that_of_200_calibrated_cases():
    """Definition document: at 200 cases the mean is .042 and the 95th percentile .073."""
    rng = np.random.default_rng(3)
    prob = expit(rng.normal(-1, 1.2, 200))
    assert curves.ici_null(prob, 400, rng) == pytest.approx(0.073, abs=0.008)
    drawn = [curves.curve_distance(prob, rng.random(200) < prob).ici for _ in range(200)]
    assert np.mean(drawn) == pytest.approx(0.042, abs=0.006)
    assert np.mean(np.array(drawn) > curves.ici_null(prob, 400, rng)) < 0.1


def test_neighbours_taken_together_leave_the_null_as_it_is(monkeypatch):
    prob = np.random.default_rng(1).beta(1, 5, 4000)
    whole = curves.ici_null(prob, 40, np.random.default_rng(2))
    monkeypatch.setattr(curves, "MOST_PLACES", 800)
    together = curves.ici_null(prob, 40, np.random.default_rng(2))
    assert together == pytest.approx(whole, rel=5e-3)
    assert together != whole


# --- parts of the Brier score


def plain_pool(prob, positive):
    """Pool adjacent violators, by loops over values."""
    blocks = []
    for value in sorted(set(prob)):
        own = [y for p, y in zip(prob, positive, strict=True) if p == value]
        blocks.append([sum(own), len(own), [value]])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] > blocks[-1][0] * blocks[-2][1]:
            k, n, values = blocks.pop()
            blocks[-1] = [blocks[-1][0] + k, blocks[-1][1] + n, blocks[-1][2] + values]
    return {value: k / n for k, n, values in blocks for value in values}


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_parts_are_those_of_pooled_violators_and_add_up(seed, n):
    rng = np.random.default_rng(seed)
    prob, positive = np.round(rng.random(n), 1), rng.random(n) < 0.4
    found = curves.brier_parts(prob, positive)
    fitted = plain_pool(prob, positive)
    own = np.mean([(fitted[p] - y) ** 2 for p, y in zip(prob, positive, strict=True)])
    brier = float(((prob - positive) ** 2).mean())
    assert found.miscalibration == pytest.approx(brier - own, abs=1e-12)
    assert found.uncertainty == pytest.approx(positive.mean() * (1 - positive.mean()))
    assert found.miscalibration - found.discrimination + found.uncertainty == pytest.approx(brier)


def test_parts_equal_those_by_scikit_learn(simulated):
    prob, positive, expected, _ = simulated
    fitted = IsotonicRegression().fit(prob, positive).predict(prob)
    found = curves.brier_parts(prob, positive)
    own = ((fitted - positive) ** 2).mean()
    assert found.miscalibration == pytest.approx(expected["brier"] - own)
    assert found.uncertainty == pytest.approx(expected["brier_decomp_rounded01"]["unc"])
    assert found.miscalibration > expected["brier_decomp_rounded01"]["rel"]


# --- the smooth curve


def test_curve_is_the_likeliest_spline():
    """Its log odds, by a general optimiser, on truncated powers written from Harrell's formula."""
    rng = np.random.default_rng(4)
    prob = expit(rng.normal(-0.5, 1.3, 500))
    positive = rng.random(500) < prob**1.5
    grid = np.linspace(0.2, 0.6, 5)
    found = curves.smooth_curve(prob, positive, np.arange(500), grid)
    x = logit(prob)
    k = np.quantile(x, [0.05, 0.35, 0.65, 0.95])

    def basis(v):
        def bent(j):
            return (
                max(v - k[j], 0) ** 3
                - max(v - k[2], 0) ** 3 * (k[3] - k[j]) / (k[3] - k[2])
                + max(v - k[3], 0) ** 3 * (k[2] - k[j]) / (k[3] - k[2])
            ) / (k[3] - k[0]) ** 2

        return [1.0, v, bent(0), bent(1)]

    design = np.array([basis(v) for v in x])
    best = minimize(
        lambda b: np.logaddexp(0, design @ b).sum() - positive @ (design @ b),
        np.zeros(4),
        method="BFGS",
        options={"gtol": 1e-7},
    ).x
    want = [expit(float(np.dot(basis(float(logit(g))), best))) for g in grid]
    assert found.rate == pytest.approx(want, abs=1e-4)


def test_band_covers_a_point_as_often_as_it_says_with_patients_who_repeat():
    """A point inside, of 150 patients with two cases each that are alike."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        of_patient = rng.normal(-0.5, 1.0, 150)
        prob = expit(np.repeat(of_patient, 2) + rng.normal(0, 0.1, 300))
        alike = np.repeat(rng.random(150), 2)
        found = curves.smooth_curve(prob, alike < prob, np.arange(300) // 2, np.array([0.4]))
        held += found.lower[0] <= 0.4 <= found.upper[0]
    assert held >= 190 - 2 * math.sqrt(200 * 0.95 * 0.05) - 2


def test_curve_is_drawn_between_percentiles_alone():
    rng = np.random.default_rng(6)
    prob = rng.uniform(0.2, 0.6, 400)
    found = curves.smooth_curve(
        prob, rng.random(400) < prob, np.arange(400), np.array([0.0, 0.1, 0.3, 0.5, 0.7, 1.0])
    )
    assert np.isnan(found.rate).tolist() == [True, True, False, False, True, True]
    assert (found.lower[2:4] < found.rate[2:4]).all()
    assert (found.upper[2:4] > found.rate[2:4]).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p, y, w: (p, y | True, w), "one_class"),
        (lambda p, y, w: (p, y, w * 0), "one_patient"),
        (lambda p, y, w: (np.round(p), y, w), "few_distinct_probabilities"),
        (lambda p, y, w: (p, p > 0.5, w), "classes_separated"),
        (lambda p, y, w: (p, np.abs(p - 0.5) < 0.25, w), "classes_separated"),
    ],
)
def test_why_there_is_no_curve_is_said(change, reason):
    rng = np.random.default_rng(7)
    prob = rng.random(120)
    given_ = change(prob, rng.random(120) < prob, np.arange(120))
    found = curves.smooth_curve(*given_, np.array([0.5]))
    assert found.name == reason
    with pytest.raises(ValueError, match="one case or more is needed"):
        curves.curve_distance(np.zeros(0), np.zeros(0, bool))


@pytest.mark.parametrize(
    "place",
    [
        np.r_[np.full(80, 0.3), np.linspace(0.1, 0.9, 20)],
        # Three quarters lie at a vertex themselves.
        np.r_[np.linspace(0.19, 0.2, 20), np.full(75, 0.5), np.linspace(0.85, 0.9, 5)],
    ],
)
def test_places_that_are_mostly_one_have_no_curve(place):
    assert Loess.at(place) is None
