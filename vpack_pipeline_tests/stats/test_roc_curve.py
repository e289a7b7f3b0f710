"""The curve with its band, partial areas and average precision, against pROC and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from vpack_pipeline.stats.auc_interval import auc_by_inversion
from vpack_pipeline.stats.proportions import clustered_proportion, design_effect
from vpack_pipeline.stats.roc_curve import average_precision, partial_auc, roc_band

GRID = np.linspace(0, 1, 11)
Z = 1.959963984540054


def labelled(case):
    return np.array(case["inputs"]["x"], float), np.array(case["inputs"]["y"]) == 1


def test_partial_areas_on_the_subarachnoid_data_equal_proc(gold):
    case = gold("auc_partial_aSAH")
    expected, tolerance = case["expected"], case["tolerance"]
    score, positive = labelled(case)
    cluster = np.arange(score.size)
    specific = partial_auc(score, positive, cluster, 0.1)
    sensitive = partial_auc(-score, ~positive, cluster, 0.2)
    for name, found in (("spec_90_100", specific), ("sens_80_100", sensitive)):
        assert found.area.value == pytest.approx(expected[name], abs=tolerance)
        standardised = expected[f"{name}_mcclish"]
        assert found.standardised.value == pytest.approx(standardised, abs=tolerance)


def test_average_precision_on_the_subarachnoid_data(gold):
    case = gold("pr_auc_average_precision_aSAH")
    score, positive = labelled(case)
    found = average_precision(score, positive, np.arange(score.size))
    assert found.value == pytest.approx(case["expected"]["ap"], abs=case["tolerance"])
    assert (found.n, found.events) == (113, 41)


def test_the_interval_of_average_precision_counts_the_patients_with_positives():
    score, positive = np.arange(40.0), np.arange(40) % 3 > 0
    events = int(positive.sum())
    for cluster in (np.arange(40), np.arange(40) // 4):
        found = average_precision(score, positive, cluster)
        given = np.array([positive[cluster == c].sum() for c in np.unique(cluster)])
        size = events**2 / (given**2).sum()
        odds = np.log(found.value / (1 - found.value))
        reach = Z / np.sqrt(size * found.value * (1 - found.value))
        ends = [1 / (1 + np.exp(-(odds + sign * reach))) for sign in (-1, 1)]
        assert [found.lower, found.upper] == pytest.approx(ends)


def test_the_whole_area_is_the_auc_and_no_class_alone_has_one():
    rng = np.random.default_rng(3)
    score, positive = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    cluster = np.arange(60) // 2
    found = partial_auc(score, positive, cluster, 1.0)
    assert found.area.value == pytest.approx(auc_by_inversion(score, positive, cluster).value)
    assert found.standardised.value == pytest.approx(found.area.value)
    for label in (np.ones(60, bool), np.zeros(60, bool)):
        for part in partial_auc(score, label, cluster, 0.1):
            assert (part.value, part.reason.name) == (None, "one_class")
        assert average_precision(score, label, cluster).reason.name == "one_class"
        assert roc_band(score, label, cluster, GRID) is None
    with pytest.raises(ValueError, match="fpr_grid: values rise"):
        roc_band(score, positive, cluster, GRID[::-1])
    with pytest.raises(ValueError, match="most_false_positive is above 0"):
        partial_auc(score, positive, cluster, 0.0)


def test_a_perfect_ranking_has_a_band_but_its_average_precision_no_interval():
    score, positive, cluster = np.arange(40.0), np.arange(40) >= 20, np.arange(40)
    found = average_precision(score, positive, cluster)
    assert (found.value, found.lower) == (1.0, None)
    assert [note.name for note in found.notes] == ["figure_at_edge"]
    area = partial_auc(score, positive, cluster, 0.1).standardised
    assert area.value == 1.0
    assert area.lower < 0.8
    assert area.upper == 1.0


def straight_loop(score, positive, cluster, t):
    """Curve and band at one point, from the definitions, threshold by threshold."""

    def attained(rate):
        best = 0.0
        for threshold in [*np.unique(score), np.inf]:
            if (score[~positive] >= threshold).mean() <= rate + 1e-9:
                best = max(best, (score[positive] >= threshold).mean())
        return best

    def cut(rate):
        kept = [
            c for c in [*np.unique(score), np.inf] if (score[~positive] >= c).mean() <= rate + 1e-9
        ]
        return min(kept)

    at = score >= cut(t)
    patients = np.unique(cluster[~positive])
    sizes = np.array([((cluster == p) & ~positive).sum() for p in patients], float)
    hits = np.array([((cluster == p) & ~positive & at).sum() for p in patients], float)
    size = sizes.sum() / design_effect(hits, sizes)
    reach = Z * np.sqrt(t * (1 - t) / size)
    vertical = clustered_proportion(at[positive], cluster[positive])
    value = attained(t)
    left = attained(t - reach) if 0 < reach <= t else 0.0
    right = attained(min(t + reach, 1.0))
    lower = value - np.hypot(value - left, value - vertical.lower)
    upper = value + np.hypot(right - value, vertical.upper - value)
    return value, max(lower, 0.0), min(upper, 1.0)


@pytest.mark.parametrize("per_patient", [1, 3])
@pytest.mark.parametrize("steps", [5, 1000])
def test_curve_and_band_equal_a_straight_loop(per_patient, steps):
    rng = np.random.default_rng(per_patient * steps)
    positive = rng.random(90) < 0.4
    score = np.floor(ndtr(rng.normal(positive * 1.2)) * steps)
    cluster = np.arange(90) // per_patient
    inner = GRID[1:-1]
    found = roc_band(score, positive, cluster, inner)
    expected = np.array([straight_loop(score, positive, cluster, t) for t in inner])
    np.testing.assert_allclose(np.column_stack(found), expected, atol=1e-12)


def test_points_of_the_curve_are_attainable_and_known_at_both_ends():
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    positive = np.array([True, False, True, True, False])
    grid = np.array([0.0, 0.4, 0.5, 0.9, 1.0])
    found = roc_band(score, positive, np.arange(5), grid)
    assert found.value.tolist() == pytest.approx([1 / 3, 1 / 3, 1.0, 1.0, 1.0])
    assert (found.lower[0], found.lower[-1], found.upper[-1]) == (0.0, 1.0, 1.0)
    tied = roc_band(np.ones(4), np.arange(4) < 2, np.arange(4), np.array([0.0, 0.5, 1.0]))
    assert tied.value.tolist() == [0.0, 0.0, 1.0]
    many = np.arange(1000.0)
    outcome = np.arange(1000) % 10 == 9
    rates = np.array([0.3, 0.1 + 0.2])
    same = roc_band(many, outcome, np.arange(1000), rates).value
    assert same[0] == same[1]


@given(st.data())
def test_the_band_holds_the_curve_which_never_falls(data):
    n = data.draw(st.integers(2, 40))
    score = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)), float)
    positive = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    cluster = np.array(data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)))
    found = roc_band(score, positive, cluster, GRID)
    if found is None:
        assert positive.all() or not positive.any()
        return
    assert (np.diff(found.value) >= 0).all()
    assert (found.lower <= found.value).all()
    assert (found.value <= found.upper).all()
    assert found.lower.min() >= 0
    assert found.upper.max() <= 1


@pytest.mark.parametrize("per_patient", [1, 4])
def test_the_band_covers_near_the_corners(per_patient):
    """Binormal, AUC .9; the truth lies below the lower limit in no more runs than it should."""
    rng = np.random.default_rng(per_patient)
    grid = np.array([0.0, 0.01, 0.05, 0.1, 0.5])
    shift = ndtri(0.9) * np.sqrt(2)
    truth = np.where(grid > 0, ndtr(shift + ndtri(np.maximum(grid, 1e-12))), 0.0)
    missed = np.zeros((2, grid.size))
    positive, cluster = np.arange(160) < 40, np.arange(160) // per_patient
    for _ in range(300):
        alike = np.repeat(rng.normal(size=160 // per_patient), per_patient)
        noise = np.sqrt(0.5) * (alike + rng.normal(size=160))
        found = roc_band(noise + shift * positive, positive, cluster, grid)
        missed += [found.lower > truth, found.upper < truth]
    # Nominal .025 and two Monte Carlo errors; on the other side what Wilson's interval reaches.
    assert missed[0].max() / 300 <= 0.043
    assert missed[1].max() / 300 <= 0.06
