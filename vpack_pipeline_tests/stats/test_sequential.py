from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from vpack_pipeline.stats.sequential import (
    look_levels,
    obrien_fleming_spend,
    power_noninferiority,
    sample_size_noninferiority,
)


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("alpha", [0.025, 0.05])
def test_the_last_look_has_spent_exactly_alpha(alpha, sides):
    assert obrien_fleming_spend(alpha, 1.0, sides=sides) == pytest.approx(alpha, abs=1e-12)
    assert sum(look_levels(alpha, [0.2, 0.5, 1.0], sides=sides)) == pytest.approx(alpha)


def test_the_spending_follows_lan_and_demets():
    # One-sided .025, five equal looks: the cumulative error of the Lan-DeMets tables.
    spent = [obrien_fleming_spend(0.025, t / 5) for t in range(1, 6)]
    np.testing.assert_allclose(spent, [0.0000005, 0.00039, 0.00381, 0.01221, 0.025], atol=1e-5)
    # A two-sided test spends what a one-sided one of half alpha does, twice.
    assert obrien_fleming_spend(0.05, 0.5, sides=2) == pytest.approx(
        2 * obrien_fleming_spend(0.025, 0.5)
    )


def test_little_is_spent_early_and_the_first_look_may_spend_all():
    assert obrien_fleming_spend(0.025, 0.01) < 1e-12
    assert look_levels(0.025, [1.0]) == (pytest.approx(0.025),)


def test_the_looks_together_err_less_than_alpha():
    rng = np.random.default_rng(0)
    fractions = np.array([0.25, 0.5, 0.75, 1.0])
    steps = rng.standard_normal((200_000, 4)) * np.sqrt(np.diff(fractions, prepend=0))
    z = np.cumsum(steps, axis=1) / np.sqrt(fractions)
    cut = -ndtri(np.array(look_levels(0.025, fractions)))
    rate = (z > cut).any(axis=1).mean()
    assert 0.015 < rate < 0.025
    # Testing each look at .025 does not.
    assert (z > 1.96).any(axis=1).mean() > 0.045


@pytest.mark.parametrize("fractions", [[], [0.5, 0.5], [0.8, 0.4]])
def test_looks_must_bring_information(fractions):
    with pytest.raises(ValueError, match="increase"):
        look_levels(0.025, fractions)


@pytest.mark.parametrize(
    ("alpha", "t", "sides"), [(0, 0.5, 1), (0.05, 0, 1), (0.05, 1.1, 1), (0.05, 0.5, 3)]
)
def test_impossible_spending_is_refused(alpha, t, sides):
    with pytest.raises(ValueError, match="information fraction"):
        obrien_fleming_spend(alpha, t, sides=sides)


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
