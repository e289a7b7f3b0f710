"""The curve of weighted cases: against repeated cases, straight loops, and known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import curve_designs
from vpack_pipeline.stats.roc_curve import roc_band
from vpack_pipeline.stats.weighted import weighted_proportion
from vpack_pipeline.stats.weighted_curve import weighted_roc_band

GRID = np.arange(101) / 100


def study(seed=1, n=120, weights=(1, 3)):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    # Steps, so that scores tie within and between classes.
    score = np.round(rng.normal(size=n) + 1.5 * positive, 1)
    return score, positive, rng.choice(weights, n), np.arange(n) // 2


def test_a_case_of_weight_three_is_three_cases():
    score, positive, weight, patient = study()
    found = weighted_roc_band(score, positive, weight, patient, GRID)
    three = [np.repeat(a, weight) for a in (score, positive, patient)]
    assert found.value == pytest.approx(roc_band(*three, GRID).value, abs=1e-12)
    assert found.flagged[-1] == positive.sum()


def test_the_band_is_that_of_a_straight_loop():
    score, positive, weight, patient = study()
    found = weighted_roc_band(score, positive, weight, patient, GRID, 0.9, heaviest=4)
    cuts = [-math.inf, *sorted(set(score))]
    mass = {side: weight[positive == side].sum() for side in (True, False)}

    def rate(side, cut):
        return weight[(positive == side) & (score > cut)].sum() / mass[side]

    def limits(side, cut):
        among = positive == side
        made = weighted_proportion(
            score[among] > cut, np.ones(among.sum(), bool), weight[among], patient[among], 0.9,
            heaviest=4,
        )  # fmt: skip
        return made.lower, made.upper

    at = [max((c for c in cuts if rate(False, c) <= t + 1e-9), key=lambda c: -c) for t in GRID]
    value = [rate(True, cut) for cut in at]
    rates, shares = [limits(False, c) for c in at], [limits(True, c) for c in at]
    for k, t in enumerate(GRID):
        before = [j for j in range(101) if rates[j][1] < t]
        after = [j for j in range(101) if rates[j][0] > t]
        left = value[max(before)] if before else 0.0
        right = value[min(after)] if after else 1.0
        low = value[k] - math.hypot(value[k] - min(left, value[k]), value[k] - shares[k][0])
        high = value[k] + math.hypot(max(right, value[k]) - value[k], shares[k][1] - value[k])
        assert found.value[k] == pytest.approx(value[k])
        assert found.flagged[k] == ((score > at[k]) & positive).sum()
        assert found.upper[k] == pytest.approx(min(high, 1.0))
        expected = {0: 0.0, 100: 1.0}.get(k, max(low, 0.0))
        assert found.lower[k] == pytest.approx(expected)


def test_only_how_weights_compare_matters_and_none_leaves_a_case_out():
    score, positive, weight, patient = study()
    found = weighted_roc_band(score, positive, weight, patient, GRID)
    for part, other in zip(
        found, weighted_roc_band(score, positive, weight * 1e-3, patient, GRID), strict=True
    ):
        assert part == pytest.approx(other, abs=1e-9)
    more = [
        np.append(a, extra)
        for a, extra in zip((score, positive, weight, patient), (9, 0, 0, 7), strict=True)
    ]
    more[1] = more[1].astype(bool)
    for part, other in zip(found, weighted_roc_band(*more, GRID), strict=True):
        assert part == pytest.approx(other, abs=1e-12)


def test_one_class_alone_has_no_curve():
    score, positive, weight, patient = study()
    assert weighted_roc_band(score, np.ones(120, bool), weight, patient, GRID) is None
    assert weighted_roc_band(score, positive, np.where(positive, 0, weight), patient, GRID) is None


def test_what_is_asked_is_checked():
    score, positive, weight, patient = study()
    with pytest.raises(ValueError, match="weight"):
        weighted_roc_band(score, positive, weight[1:], patient, GRID)
    with pytest.raises(ValueError, match="fpr_grid"):
        weighted_roc_band(score, positive, weight, patient, GRID[::-1])


def test_the_truth_of_a_two_phase_sample_lies_in_the_band():
    """A few runs of the nightly simulation (``benchmarks/simulations.py``)."""
    design = next(iter(curve_designs.two_phase_curves()))
    below, above = curve_designs.missed_weighted(design, 40, 1976)
    # At .035 more than 5 of 40 have a probability of less than .005.
    assert max(below, above) <= 0.125
