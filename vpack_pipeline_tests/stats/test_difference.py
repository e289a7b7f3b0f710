from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.difference import (
    Side,
    auc_side,
    correlations,
    difference,
    independent_difference,
    proportion_side,
    without_figure,
)
from vpack_pipeline.stats.estimate import NO_WIDTH, Estimate, undefined
from vpack_pipeline.stats.proportions import newcombe_difference, wilson
from vpack_pipeline.stats.roc import ONE_IN_CLASS
from vpack_pipeline_tests.stats import plain_intervals

units = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=25)
cases = st.lists(
    st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 9)), min_size=4, max_size=25
)


def bounds(estimate):
    return [estimate.value, estimate.lower, estimate.upper]


def of_units(rows):
    success, patient = zip(*rows, strict=True)
    plain = plain_intervals.proportion(success, patient)
    side = proportion_side(np.array(success), np.array(patient))
    return side, (plain, plain_intervals.proportion_influence(success), patient)


def of_cases(rows):
    score, positive, patient = zip(*rows, strict=True)
    side = auc_side(np.array(score, float), np.array(positive), np.array(patient))
    return side, (plain_intervals.area(rows), plain_intervals.area_influence(rows), patient)


@given(units, units)
def test_a_difference_of_proportions_equals_straight_loops(one, two):
    (first, plain_first), (second, plain_second) = of_units(one), of_units(two)
    found = difference(first, second)
    want = plain_intervals.difference(plain_first, plain_second)
    # A root near 0 turns rounding of 1e-16 into 1e-8.
    assert bounds(found) == pytest.approx(want, abs=1e-6)
    assert found.n == len(one) + len(two)
    assert -1 <= found.lower <= found.value <= found.upper <= 1


@given(cases, cases)
def test_a_difference_of_areas_equals_straight_loops(one, two):
    for rows in (one, two):
        patients = [len({w for _, y, w in rows if y is side}) for side in (True, False)]
        assume(min(patients) > 1)
    (first, plain_first), (second, plain_second) = of_cases(one), of_cases(two)
    want = plain_intervals.difference(plain_first, plain_second)
    assert bounds(difference(first, second)) == pytest.approx(want, abs=1e-6)


def test_independent_proportions_have_newcombes_interval(gold):
    case = gold("prop_diff_newcombe")
    columns = (case["inputs"][key] for key in ("x1", "n1", "x2", "n2"))
    for k1, n1, k2, n2 in zip(*columns, strict=True):
        if k1 in (0, n1) or k2 in (0, n2):
            continue  # There a single proportion is exact, and Newcombe's is Wilson's.
        found = difference(
            proportion_side(np.arange(n1) < k1, np.arange(n1)),
            proportion_side(np.arange(n2) < k2, np.arange(n1, n1 + n2)),
        )
        assert bounds(found) == pytest.approx(bounds(newcombe_difference(k1, n1, k2, n2)))


def test_no_miss_in_either_window_leaves_the_doubt_of_the_smaller_one():
    before = proportion_side(np.ones(40, bool), np.arange(40))
    after = proportion_side(np.ones(3, bool), np.arange(40, 43))
    found = difference(after, before)
    assert found.value == 0
    # All of 3 succeed with probability .025 where one does in .292.
    assert found.lower == pytest.approx(0.025 ** (1 / 3) - 1)
    assert found.notes == ()


def test_the_same_patients_in_both_windows_are_pairs():
    rng = np.random.default_rng(3)
    patient = rng.random((60, 1)) < 0.6
    alike = np.where(rng.random((60, 2)) < 0.9, patient, ~patient)
    both = [proportion_side(side, np.arange(60)) for side in alike.T]
    apart = [both[0], both[1]._replace(cluster=np.arange(60, 120))]
    paired, unpaired = difference(*both), difference(*apart)
    assert paired.upper - paired.lower < 0.8 * (unpaired.upper - unpaired.lower)
    assert correlations(both)[0, 1] == pytest.approx(np.corrcoef(alike.T)[0, 1])
    assert correlations(apart)[0, 1] == 0


def test_a_limit_that_is_the_figure_itself_is_noted():
    side = proportion_side(np.arange(20) < 10, np.arange(20))
    same = difference(side, side)
    assert bounds(same) == pytest.approx([0, 0, 0], abs=1e-9)
    assert same.notes == (NO_WIDTH,)
    most = Side(Estimate(1.0, 0.7, 1.0, 9, 9, ()), np.zeros(9), np.arange(9))
    least = Side(Estimate(0.0, 0.0, 0.3, 9, 0, ()), np.zeros(9), np.arange(9))
    # At the end of the scale it is right.
    ends = difference(most, least)
    assert (ends.value, ends.upper, ends.notes) == (1.0, 1.0, ())


def test_independent_figures_have_newcombes_published_limits():
    """Newcombe 1998, table II, example (a), method 10: 56/70 less 48/80."""
    found = independent_difference(wilson(56, 70), wilson(48, 80))
    assert bounds(found) == pytest.approx([0.2, 0.0524, 0.3339], abs=5e-5)
    assert (found.n, found.events) == (150, 104)
    lacking = undefined("no_cases", method=(), n=0)
    assert independent_difference(wilson(56, 70), lacking).reason == Code("no_cases")


def test_a_side_without_figure_or_interval_leaves_none():
    side = proportion_side(np.arange(20) < 10, np.arange(20))
    nothing = without_figure(undefined("no_cases", method=(), n=0))
    for pair in ((side, nothing), (nothing, side)):
        found = difference(*pair)
        assert (found.value, found.lower, found.reason) == (None, None, Code("no_cases"))
        assert found.n == 20
    empty = proportion_side(np.zeros(0, bool), np.zeros(0, int))
    assert difference(side, empty).reason == Code("no_cases")
    assert auc_side(np.arange(3.0), np.ones(3, bool), np.arange(3)).estimate.value is None
    single = auc_side(np.arange(9.0), np.arange(9) == 8, np.arange(9))
    bare = difference(single, auc_side(np.arange(9.0), np.arange(9) > 4, np.arange(9)))
    assert (bare.value, bare.lower, bare.upper, bare.notes) == (0, None, None, (ONE_IN_CLASS,))


def test_correlations_are_of_patients_totals_and_none_where_nothing_varies():
    rng = np.random.default_rng(1)
    patient = rng.integers(0, 15, 80)
    sides = [proportion_side(rng.random(80) < p, patient) for p in (0.3, 0.6)]
    sides.append(proportion_side(np.ones(80, bool), patient))
    parts = [((0.0, 0.0, 0.0), side.influence.tolist(), patient.tolist()) for side in sides]
    want = [[plain_intervals.correlation(a, b) for b in parts] for a in parts]
    want[2][2] = 1.0
    np.testing.assert_allclose(correlations(sides), want, atol=1e-12)
