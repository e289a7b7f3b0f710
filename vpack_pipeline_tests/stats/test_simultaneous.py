from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr

from vpack_pipeline.stats.difference import proportion_side
from vpack_pipeline.stats.estimate import normal_quantile
from vpack_pipeline.stats.simultaneous import (
    deviations_from_whole,
    level_of,
    simultaneous_quantile,
)


def rng():
    return np.random.default_rng(7)


def simultaneous_level(sides, level):
    return level_of(simultaneous_quantile(sides, level, rng()))


def side(first, n=200, hits=150):
    return proportion_side(np.arange(n) < hits, np.arange(first, first + n))


def test_one_figure_or_none_keeps_its_level():
    assert simultaneous_quantile([], 0.95, rng()) == normal_quantile(0.95)
    assert simultaneous_level([side(0)], 0.9) == pytest.approx(0.9, abs=1e-12)


def test_figures_of_disjoint_patients_share_the_error_as_independent_ones():
    disjoint = [side(1000 * k) for k in range(8)]
    # All eight cover together with .95 where each covers with the eighth root of it.
    level = simultaneous_level(disjoint, 0.95)
    assert level == pytest.approx(0.95 ** (1 / 8), abs=0.0007)
    assert level <= 1 - 0.05 / 8 + 0.0005


def test_the_same_figure_twice_costs_nothing():
    assert simultaneous_level([side(0), side(0)], 0.95) == pytest.approx(0.95, abs=0.003)


def test_levels_of_two_variables_of_the_same_cases_cover_together():
    """A subgroup's own truth, and all of them at once."""
    draws, held, alone = np.random.default_rng(5), 0, 0
    n = 400
    groups = [np.arange(n) % 2, np.arange(n) // 4 % 3, np.arange(n) // 12 % 4]
    for _ in range(200):
        right = draws.random(n) < 0.8
        masks = [g == k for g in groups for k in range(int(g.max()) + 1)]
        sides = [proportion_side(right[m], np.flatnonzero(m)) for m in masks]
        level = simultaneous_level(sides, 0.95)
        found = [proportion_side(right[m], np.flatnonzero(m), level).estimate for m in masks]
        held += all(e.lower <= 0.8 <= e.upper for e in found)
        alone += all(s.estimate.lower <= 0.8 <= s.estimate.upper for s in sides)
    # 200 runs at .95: fewer than 181 have a probability of one in 200.
    assert held >= 181
    assert alone < 165


# --- deviations from the whole


def test_a_deviation_is_the_score_statistic_of_its_group():
    rng = np.random.default_rng(8)
    success = rng.random(400) < 0.2
    groups = [np.arange(100), np.arange(100, 400), np.arange(0), np.arange(400)]
    z, p = deviations_from_whole(success, np.arange(400), groups, rng)
    common, own = success.mean(), success[:100].mean()
    want = (own - common) / math.sqrt(common * (1 - common) * (1 / 100 - 1 / 400))
    assert z == pytest.approx([want, -want, 0, 0])
    # Of two groups that make up the whole there is one deviation, whose p is that of a normal one.
    assert p[:2] == pytest.approx(2 * ndtr(-abs(want)), abs=0.01)
    assert p[2:].tolist() == [1.0, 1.0]


def test_deviations_of_patients_with_many_units_count_for_less():
    success = np.arange(100) < 30
    groups = [np.arange(40), np.arange(40, 100)]
    rng = np.random.default_rng(1)
    single, _ = deviations_from_whole(success, np.arange(100), groups, rng)
    copied, _ = deviations_from_whole(
        np.repeat(success, 4),
        np.repeat(np.arange(100), 4),
        [np.arange(160), np.arange(160, 400)],
        rng,
    )
    assert copied == pytest.approx(single, rel=0.02)


def test_where_all_are_alike_nothing_deviates():
    rng = np.random.default_rng(1)
    for success in (np.ones(20, bool), np.zeros(20, bool), np.zeros(0, bool)):
        n = success.size
        z, p = deviations_from_whole(success, np.arange(n), [np.arange(n // 2)], rng)
        assert (z.tolist(), p.tolist()) == ([0.0], [1.0])


def test_largest_of_many_deviations_of_chance_is_rarely_significant():
    """Of 300 studies without any difference about one in twenty names a group."""
    found = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        success = rng.random(300) < 0.3
        groups = [np.flatnonzero(rng.integers(0, 4, 300) == k) for k in range(4) for _ in (0, 1)]
        found += deviations_from_whole(success, np.arange(300), groups, rng)[1].min() <= 0.05
    assert found <= 15 + 2 * math.sqrt(300 * 0.05 * 0.95)
