"""Sizes of a test of acceptance, held to published sizes, to enumeration and to simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from vpack_pipeline.stats.acceptance import (
    LARGEST,
    acceptance_power,
    acceptance_size,
    highest_goal,
    least_right,
    share_to_label,
    two_phase_power,
)
from vpack_pipeline.stats.proportions import clopper_pearson, wilson_bounds
from vpack_pipeline.stats.weighted import weighted_proportion


def bound(k: int, n: int) -> float:
    """Lower bound of the interval that judges: exact where nobody is wrong, else Wilson's."""
    return (clopper_pearson(k, n).lower or 0.0) if k == n else wilson_bounds(k / n, n)[0]


@pytest.mark.parametrize(
    ("goal", "truth", "at_80", "at_90"),
    [(0.85, 0.90, 378, 483), (0.90, 0.95, 254, 315), (0.95, 0.99, 173, 202)],
)
def test_sizes_are_those_of_an_independent_enumeration(
    goal: float, truth: float, at_80: int, at_90: int
) -> None:
    """Figures that were enumerated apart from this code when the sheet was designed."""
    assert acceptance_size(goal, truth, 0.8) == at_80
    assert acceptance_size(goal, truth, 0.9) == at_90


@pytest.mark.parametrize("goal", [0.5, 0.85, 0.97])
def test_the_least_that_must_be_right_is_found_by_the_bound_itself(goal: float) -> None:
    for n in (1, 2, 7, 23, 24, 100, 137):
        enough = [k for k in range(n + 1) if bound(k, n) > goal]
        assert least_right(goal, n) == (enough[0] if enough else n + 1)


def test_power_is_the_sum_of_the_binomial_law() -> None:
    goal, truth, n = 0.8, 0.9, 60
    expected = sum(
        math.comb(n, k) * truth**k * (1 - truth) ** (n - k)
        for k in range(n + 1)
        if bound(k, n) > goal
    )
    assert acceptance_power(goal, truth, n) == pytest.approx(expected, abs=1e-12)
    assert acceptance_power(0.9, 0.95, 10) == 0.0


def test_power_stays_from_the_size_on_and_not_before() -> None:
    size = acceptance_size(0.85, 0.9, 0.8)
    assert size is not None
    later = [acceptance_power(0.85, 0.9, n) for n in range(size - 1, size + 200)]
    assert later[0] < 0.8
    assert min(later[1:]) >= 0.8
    # The power goes up and down: some smaller number reaches it, and the next does not keep it.
    assert any(acceptance_power(0.85, 0.9, n) >= 0.8 for n in range(size - 40, size - 1))


@pytest.mark.parametrize("power", [0.5, 0.3])
def test_a_power_of_one_half_or_less_is_reached_and_stays(power: float) -> None:
    size = acceptance_size(0.85, 0.9, power)
    assert size is not None
    assert acceptance_power(0.85, 0.9, size - 1) < power
    assert all(acceptance_power(0.85, 0.9, n) >= power for n in range(size, size + 400))


def test_patients_with_several_cases_need_more_of_them() -> None:
    assert acceptance_size(0.85, 0.9, design_effect=1.5) == math.ceil(1.5 * 378)


def test_more_cases_than_anyone_collects_are_not_looked_for() -> None:
    assert acceptance_size(0.9, 0.9001) is None
    assert acceptance_size(0.5, 0.502, design_effect=3.0) is None
    assert (acceptance_size(0.5, 0.51) or 0) < LARGEST


def test_the_highest_goal_is_shown_with_its_power_and_nothing_above_it() -> None:
    goal = highest_goal(0.9, 200, 0.8)
    assert goal is not None
    assert acceptance_power(goal - 1e-9, 0.9, 200) >= 0.8
    assert acceptance_power(goal + 1e-9, 0.9, 200) < 0.8
    assert highest_goal(0.9, 400, 0.8, design_effect=2.0) == goal
    # All right of few: the exact bound.
    assert highest_goal(0.999, 20, 0.8) == clopper_pearson(20, 20).lower
    assert highest_goal(0.9, 0) is None
    assert highest_goal(0.1, 2, 0.9) is None


@pytest.mark.parametrize("sampled", ["failures", "successes"])
def test_two_phase_power_is_that_of_the_interval_of_two_strata(sampled: str) -> None:
    """Enumerated over both counts with the interval that judges such a sample."""
    goal, truth, n, share = 0.7, 0.9, 25, 0.4
    is_failure = sampled == "failures"
    among_flagged = truth if is_failure else 1 - truth
    power = 0.0
    for k in range(n + 1):
        for x in range(n - k + 1):
            chance = math.comb(n, k) * among_flagged**k * (1 - among_flagged) ** (n - k)
            chance *= math.comb(n - k, x) * share**x * (1 - share) ** (n - k - x)
            if chance < 1e-9 or k + x == 0:
                continue
            # One case of the other class in either stratum shows its weight.
            weight = np.r_[np.ones(k + 1), np.full(x + 1, 1 / share)]
            is_flagged = np.arange(weight.size) <= k
            is_counted = np.ones(weight.size, dtype=bool)
            is_counted[[k, weight.size - 1]] = False
            may_succeed = is_flagged if is_failure else ~is_flagged
            found = weighted_proportion(
                may_succeed & is_counted,
                is_counted,
                weight,
                np.arange(weight.size),
                may_succeed=may_succeed,
            )
            power += chance * ((found.lower or 0.0) > goal)
    got = two_phase_power(goal, truth, n, share, sampled=sampled)  # type: ignore[arg-type]
    assert got == pytest.approx(power, abs=1e-6)


def test_labelling_everyone_is_the_plain_test() -> None:
    assert two_phase_power(0.85, 0.9, 378, 1.0) == acceptance_power(0.85, 0.9, 378)


def test_the_share_to_label_is_the_smallest_that_does() -> None:
    share = share_to_label(0.75, 0.9, 300)
    assert share is not None
    assert two_phase_power(0.75, 0.9, 300, share) >= 0.8
    assert two_phase_power(0.75, 0.9, 300, share - 0.01) < 0.8
    assert share_to_label(0.75, 0.9, 600, design_effect=2.0) == share
    assert share_to_label(0.85, 0.9, 100) is None
    assert share_to_label(0.85, 0.9, 0) is None


def test_more_labels_never_cost_power() -> None:
    """Halving rests on it."""
    powers = [two_phase_power(0.8, 0.9, 200, step / 20) for step in range(1, 20)]
    assert all(later > earlier for earlier, later in itertools.pairwise(powers))


@pytest.mark.parametrize("arguments", [(0.9, 0.9), (0.0, 0.5), (0.5, 1.0), (0.9, 0.8)])
def test_a_goal_that_the_truth_does_not_exceed_is_refused(arguments: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="the truth above the goal"):
        acceptance_size(*arguments)


def test_power_of_0_or_1_is_refused() -> None:
    with pytest.raises(ValueError, match="power lies in"):
        acceptance_size(0.8, 0.9, 1.0)
