"""The fewest patients that can meet a goal, and how low a share speaks against one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from vpack_pipeline.stats.auc_interval import auc_by_inversion
from vpack_pipeline.stats.goals import (
    bound_without_a_miss,
    bound_without_an_error,
    chance_of_so_few,
    fewest_without_a_miss,
    fewest_without_an_error,
)
from vpack_pipeline.stats.proportions import clustered_proportion, wilson


@pytest.mark.parametrize(
    ("goal", "fewest", "by_wilson"), [(0.8, 17, 16), (0.85, 23, 22), (0.9, 36, 35), (0.95, 72, 73)]
)
def test_the_fewest_patients_are_those_whose_interval_clears_the_goal(goal, fewest, by_wilson):
    """By the interval that judges, which is exact where nobody is missed; Wilson's beside it."""
    lower = {
        n: clustered_proportion(np.ones(n, bool), np.arange(n)).lower for n in (fewest, fewest - 1)
    }
    assert lower[fewest] > goal >= lower[fewest - 1]
    assert fewest_without_a_miss(goal) == fewest
    assert wilson(by_wilson, by_wilson).lower > goal >= wilson(by_wilson - 1, by_wilson - 1).lower


@pytest.mark.parametrize("goal", [0.8, 0.9, 0.95])
def test_no_result_of_fewer_patients_clears_the_goal(goal):
    for n in range(1, fewest_without_a_miss(goal)):
        lowers = [
            clustered_proportion(np.arange(n) < right, np.arange(n)).lower for right in range(n + 1)
        ]
        assert max(lowers) <= goal


@pytest.mark.parametrize("goal", [0.8, 0.9, 0.95])
def test_an_area_without_an_error_clears_the_goal_from_so_many_on(goal):
    n = fewest_without_an_error(goal)
    for size, clears in ((n, True), (n - 1, False)):
        positive = np.arange(2 * size) >= size
        found = auc_by_inversion(positive.astype(float), positive, np.arange(2 * size))
        assert (found.lower > goal) == clears
        assert found.lower == bound_without_an_error(size, size)


def test_a_higher_level_asks_for_more():
    assert fewest_without_a_miss(0.9, 0.99) > fewest_without_a_miss(0.9)
    assert fewest_without_an_error(0.9, 0.99) > fewest_without_an_error(0.9)
    assert bound_without_a_miss(40, 0.99) < bound_without_a_miss(40)


@pytest.mark.parametrize("find", [fewest_without_a_miss, fewest_without_an_error])
def test_no_bound_lies_above_one(find):
    with pytest.raises(ValueError, match="goal"):
        find(1.0)


@pytest.mark.parametrize("n", [1, 10, 37])
def test_the_chance_of_so_few_is_binomial(n):
    for k in range(n + 1):
        assert chance_of_so_few(k / n, n, 0.9) == pytest.approx(binom.cdf(k, n, 0.9), abs=1e-12)
    assert chance_of_so_few(1.0, n, 0.9) == 1.0


def test_the_upper_bound_of_wilson_misses_a_high_truth_too_often():
    """Ten patients at .95: why a verdict against the goal asks for this chance too."""
    below = max(k for k in range(11) if wilson(k, 10).upper < 0.95)
    assert chance_of_so_few(below / 10, 10, 0.95) == pytest.approx(0.0861, abs=1e-4)
