from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from vpack_pipeline.stats.sequential import (
    look_levels,
    obrien_fleming_spend,
    power_noninferiority,
    sample_size_noninferiority,
    share_of_information,
)


@pytest.mark.parametrize("alpha", [0.0125, 0.025, 0.05])
def test_the_last_look_has_spent_exactly_alpha(alpha):
    assert obrien_fleming_spend(alpha, 1.0) == alpha
    assert look_levels(alpha, [1.0]) == (alpha,)


def test_the_spending_follows_lan_and_demets():
    # One-sided .025, five equal looks: the cumulative error of the Lan-DeMets tables.
    spent = [obrien_fleming_spend(0.025, t / 5) for t in range(1, 6)]
    np.testing.assert_allclose(spent, [0.0000005, 0.00039, 0.00381, 0.01221, 0.025], atol=1e-5)
    assert obrien_fleming_spend(0.025, 0.01) < 1e-12


# Bounds of equal looks, one-sided .025, as they are tabled for this spending.
EQUAL = {
    2: [2.9626, 1.9686],
    3: [3.7103, 2.5114, 1.9930],
    4: [4.3326, 2.9631, 2.3590, 2.0141],
    5: [4.8769, 3.3569, 2.6803, 2.2898, 2.0310],
}


@pytest.mark.parametrize("looks", EQUAL)
def test_equal_looks_have_the_tabled_bounds(looks):
    levels = look_levels(0.025, [(i + 1) / looks for i in range(looks)])
    np.testing.assert_allclose(-ndtri(np.array(levels)), EQUAL[looks], atol=2e-4)


def test_bounds_equal_those_of_another_program():
    # SeqBounds.jl, bounds([0.25, 0.5, 0.75, 1.0], 0.05), as its page prints them.
    levels = look_levels(0.05, [0.25, 0.5, 0.75, 1.0])
    printed = [3.74955, 2.53993, 2.01604, 1.72014]
    np.testing.assert_allclose(-ndtri(np.array(levels)), printed, atol=5e-5)


def together(levels, information):
    """One-sided error of looks of these levels: a quadrature of another law, over the first."""
    amounts = np.asarray(information, dtype=float)
    low, high = np.minimum.outer(amounts, amounts), np.maximum.outer(amounts, amounts)
    law = multivariate_normal(
        cov=np.sqrt(low / high), seed=1, maxpts=400_000, abseps=1e-7, releps=1e-7
    )
    return 1 - float(law.cdf(-ndtri(np.array(levels))))


PLANS = [
    [1.0],
    [0.5, 1.0],
    [0.9, 1.0],
    [0.3, 0.6, 1.0],
    [0.3, 0.35, 0.9, 1.0],
    [0.3, 0.4, 0.6, 0.8, 1.0],
    [0.3, 0.35, 0.4, 0.95, 1.0],
]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("alpha", [0.0125, 0.025])
def test_the_looks_together_err_as_often_as_alpha_says(plan, alpha):
    levels = look_levels(alpha, plan)
    error = levels[0] if len(plan) == 1 else together(levels, plan)
    assert 0.99 * alpha <= error <= alpha + 2e-6


def test_what_was_observed_and_not_what_was_planned_makes_the_correlation():
    # Half was planned, but the last look brings only a little more.
    few = look_levels(0.025, [0.5, 1.0], [50, 55])
    assert few[1] > look_levels(0.025, [0.5, 1.0])[1]
    assert together(few, [50, 55]) == pytest.approx(0.025, abs=2e-6)
    # No more, or fewer since a label was withdrawn, is taken as a little more: never above alpha.
    for last in (50, 40):
        same = look_levels(0.025, [0.5, 1.0], [50, last])
        assert 0.0245 < same[1] <= 0.025 + 1e-12


def test_differences_of_the_spending_as_levels_waste_what_the_joint_law_uses():
    spent = [obrien_fleming_spend(0.025, t) for t in (1 / 3, 2 / 3, 1.0)]
    differences = np.diff(spent, prepend=0.0)
    levels = look_levels(0.025, [1 / 3, 2 / 3, 1.0])
    assert together(levels, [1, 2, 3]) > together(differences, [1, 2, 3])
    assert together(differences, [1, 2, 3]) < 0.0231


@given(
    st.lists(st.floats(0.05, 0.4), min_size=1, max_size=5),
    st.floats(0.005, 0.05),
)
def test_levels_rise_with_alpha_and_lie_between_what_is_new_and_all_that_is_spent(steps, alpha):
    plan = list(np.cumsum(steps) / np.sum(steps))
    plan[-1] = 1.0
    levels = look_levels(alpha, plan)
    spent = [obrien_fleming_spend(alpha, t) for t in plan]
    for level, new, whole in zip(levels, np.diff(spent, prepend=0.0), spent, strict=True):
        assert new - 1e-10 <= level <= whole + 1e-10
    more = look_levels(alpha * 1.2, plan)
    assert all(a <= b for a, b in zip(levels, more, strict=True))
    # A look is not changed by one after it.
    assert levels[:-1] == look_levels(alpha, plan[:-1]) if len(plan) > 1 else True


@pytest.mark.parametrize("fractions", [[], [0.5, 0.5], [0.8, 0.4]])
def test_looks_must_bring_information(fractions):
    with pytest.raises(ValueError, match="increase"):
        look_levels(0.025, fractions)


@pytest.mark.parametrize("information", [[1.0], [0.0, 1.0]])
def test_each_look_has_information(information):
    with pytest.raises(ValueError, match="one amount above 0"):
        look_levels(0.025, [0.5, 1.0], information)


@pytest.mark.parametrize(("alpha", "t"), [(0, 0.5), (0.05, 0), (0.05, 1.1), (1, 0.5)])
def test_impossible_spending_is_refused(alpha, t):
    with pytest.raises(ValueError, match="information fraction"):
        obrien_fleming_spend(alpha, t)


@pytest.mark.parametrize(
    ("observed", "taken", "is_last", "share"),
    [
        (29, [], False, None),
        (30, [], False, 0.3),
        (34, [0.3], False, None),
        (35, [0.3], False, 0.35),
        (36, [0.3], False, 0.36),
        (120, [], False, 1.0),
        (97, [0.96], False, None),
        (0, [], True, 1.0),
        (97, [0.96], True, 1.0),
        (130, [1.0], True, None),
        (130, [1.0], False, None),
    ],
)
def test_the_share_at_which_a_look_spends(observed, taken, is_last, share):
    assert share_of_information(observed, 100, taken, is_last=is_last) == share


def test_the_power_of_a_prospective_window_is_what_planning_says():
    assert power_noninferiority(0.9, 0.05, 125) == pytest.approx(0.26, abs=0.005)
    assert power_noninferiority(0.9, 0.05, 565) == pytest.approx(0.80, abs=0.001)
    assert sample_size_noninferiority(0.9, 0.05) == 566
    assert power_noninferiority(0.9, 0.05, 125, n_reference=1e9) > 0.4


def test_simulated_power_agrees():
    rng = np.random.default_rng(1)
    a, b = rng.binomial(565, 0.9, (2, 20_000)) / 565
    se = np.sqrt((a * (1 - a) + b * (1 - b)) / 565)
    assert ((a - b - 1.96 * se) > -0.05).mean() == pytest.approx(0.80, abs=0.015)


@pytest.mark.parametrize(
    "call",
    [
        lambda: power_noninferiority(1.0, 0.05, 100),
        lambda: power_noninferiority(0.9, 0, 100),
        lambda: power_noninferiority(0.9, 0.05, 0),
        lambda: power_noninferiority(0.9, 0.05, 10, n_reference=0),
        lambda: sample_size_noninferiority(0.9, 0.05, power=1),
        lambda: sample_size_noninferiority(0.9, 0.05, alpha=0),
    ],
)
def test_impossible_plans_are_refused(call):
    with pytest.raises(ValueError, match=r"margin|cases|power"):
        call()
