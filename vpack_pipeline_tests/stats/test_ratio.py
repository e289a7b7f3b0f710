"""The ratio of two proportions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vpack_pipeline.stats.difference import proportion_side, without_figure
from vpack_pipeline.stats.estimate import Estimate, undefined
from vpack_pipeline.stats.ratio import ratio
from vpack_pipeline_tests.stats import plain_intervals


def side(k, n, start=0):
    return proportion_side(np.arange(n) < k, np.arange(start, start + n))


@pytest.mark.parametrize(
    ("one", "two"), [((10, 50), (20, 200)), ((3, 30), (40, 90)), ((0, 9), (5, 60))]
)
def test_limits_are_those_of_donner_and_zou_for_strangers(one, two):
    found = ratio(side(*one), side(*two, start=1000))
    (p1, p2), ((l1, u1), (l2, u2)) = (
        (one[0] / one[1], two[0] / two[1]),
        (
            plain_intervals.proportion([i < k for i in range(n)], range(n))[1:]
            for k, n in (one, two)
        ),
    )
    b = p1 * p2
    low = (b - math.sqrt(b * b - l1 * u2 * (2 * p1 - l1) * (2 * p2 - u2))) / (u2 * (2 * p2 - u2))
    high = (b + math.sqrt(b * b - u1 * l2 * (2 * p1 - u1) * (2 * p2 - l2))) / (l2 * (2 * p2 - l2))
    assert found.value == pytest.approx(p1 / p2)
    assert (found.lower, found.upper) == pytest.approx((low, high))


def test_limits_are_where_the_difference_from_a_multiple_of_the_other_is_lost():
    """MOVER-R is MOVER of x − R·y: at a limit R, the interval of that difference ends at 0."""
    rng = np.random.default_rng(2)
    patient = np.repeat(np.arange(60), 3)
    hard = rng.random(60)[patient]
    one = proportion_side(rng.random(180) < 0.4 * hard, patient)
    two = proportion_side(rng.random(180) < 0.5 * hard, patient)
    found = ratio(one, two)
    r = plain_correlation(one, two)
    x, y = one.estimate, two.estimate
    assert abs(r) > 0.05
    for limit, a, b in (
        (found.lower, x.value - x.lower, y.upper - y.value),
        (found.upper, x.upper - x.value, y.value - y.lower),
    ):
        gap = abs(x.value - limit * y.value)
        assert gap == pytest.approx(math.sqrt(a * a - 2 * r * a * limit * b + (limit * b) ** 2))


def plain_correlation(one, two):
    totals = [{}, {}]
    for total, made in zip(totals, (one, two), strict=True):
        for value, who in zip(made.influence, made.cluster, strict=True):
            total[who] = total.get(who, 0.0) + value
    everyone = set(totals[0]) | set(totals[1])
    xy, xx, yy = (
        sum(a.get(w, 0.0) * b.get(w, 0.0) for w in everyone)
        for a, b in ((totals[0], totals[1]), (totals[0], totals[0]), (totals[1], totals[1]))
    )
    return xy / math.sqrt(xx * yy)


def test_what_cannot_be_divided_says_why():
    some, none = side(3, 20), side(0, 20, start=50)
    assert ratio(some, none).reason.name == "ratio_with_empty_cell"
    zero = ratio(none, some)
    assert (zero.value, zero.lower) == (0.0, 0.0)
    assert zero.upper > 0
    lacking = without_figure(undefined("no_cases", method=(), n=0, events=0))
    for pair in ((some, lacking), (lacking, some)):
        assert ratio(*pair).reason.name == "no_cases"
    bare = without_figure(undefined("one_patient", method=(), n=3, events=1, value=0.5))
    found = ratio(bare, some)
    assert (found.value, found.lower, found.notes[0].name) == (0.5 / 0.15, None, "one_patient")
    wide = without_figure(Estimate(0.1, 0.0, 0.5, 10, 1, ()))
    open_above = ratio(some, wide)
    assert (open_above.upper, open_above.notes[0].name) == (None, "ratio_without_upper_bound")
    below = without_figure(Estimate(0.1, -0.1, 0.5, 10, 1, ()))
    with pytest.raises(ValueError, match="no limit is below 0"):
        ratio(below, some)
