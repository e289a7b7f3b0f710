"""Scales of charts: where values lie, and which of them are written."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vpack_pipeline.report.charts.axes import CHARACTER, Scale, written


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (-0.03, 0.15), (0.2, 0.8), (0.0, 1e6), (-3.2, 0.0004)]
)
@pytest.mark.parametrize("most", [1, 3, 6, 8])
def test_ticks_are_multiples_of_one_step_within_the_scale(low, high, most):
    ticks = Scale(low, high, 0, 100).ticks(most)
    steps = {round(b - a, 9) for a, b in pairwise(ticks)}
    assert len(steps) <= 1
    assert len(ticks) <= most + 1
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)


def test_zero_is_a_tick_where_the_scale_holds_it():
    assert 0.0 in Scale(-0.07, 0.4, 0, 100).ticks()


@pytest.mark.parametrize("high", [0.5, 0.0004, 100_000.0, 4e9])
@pytest.mark.parametrize("width", [128.0, 180.0, 292.0])
def test_fitting_ticks_have_room_beside_one_another(high, width):
    scale = Scale(0.0, high, 0, width)
    ticks = scale.fitting()
    assert len(ticks) > 1
    for a, b in pairwise(ticks):
        needed = CHARACTER * (len(written(a)) + len(written(b))) / 2
        assert scale.at(b) - scale.at(a) > needed


def test_a_logarithmic_scale_gives_equal_room_to_equal_ratios():
    scale = Scale(0.001, 1.0, 0, 300, is_log=True)
    assert [round(scale.at(v)) for v in (0.001, 0.01, 0.1, 1.0)] == [0, 100, 200, 300]
    assert scale.ticks() == [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]


def test_a_scale_may_run_upwards():
    assert Scale(0.0, 1.0, 300, 20).at(0.25) == 230
