from __future__ import annotations

import numpy as np
import pytest

from vpack_pipeline.stats.difference import proportion_side
from vpack_pipeline.stats.estimate import normal_quantile
from vpack_pipeline.stats.simultaneous import level_of, simultaneous_quantile


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
