from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.stats.agreement.icc import (
    FEW_READERS,
    FEW_UNITS,
    NO_DEGREES,
    NO_VARIANCE,
    icc_agreement,
)
from vpack_pipeline.stats.estimate import NO_WIDTH
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

NAN = float("nan")


def test_icc_and_its_interval_equal_psych(gold):
    case = gold("icc_shrout_fleiss")
    want, tolerance = case["expected"]["ICC2"], case["tolerance"]
    found = icc_agreement(np.array(case["inputs"]["ratings"], dtype=float))
    assert found.value == pytest.approx(want["icc"], abs=tolerance)
    assert found.lower == pytest.approx(want["lo"], abs=tolerance)
    assert found.upper == pytest.approx(want["hi"], abs=tolerance)
    assert found.n == 6


def test_only_units_that_every_reader_rated_enter(gold):
    ratings = np.array(gold("icc_shrout_fleiss")["inputs"]["ratings"], dtype=float)
    partial = np.vstack([ratings, [[NAN, 1, 2, 3], [9, 9, 9, NAN], [NAN] * 4]])
    assert icc_agreement(partial) == icc_agreement(ratings)
    assert icc_agreement(partial).n == 6


@examples_drawn(50)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=2, max_size=9),
    st.integers(-1000, 1000),
    st.randoms(use_true_random=False),
)
def test_icc_feels_neither_order_nor_where_zero_lies(rows, shift, random):
    ratings = np.array(rows, dtype=float)
    found = icc_agreement(ratings)
    units, readers = list(range(len(rows))), [0, 1, 2]
    random.shuffle(units)
    random.shuffle(readers)
    moved = icc_agreement(ratings[units][:, readers] * 2 + shift)
    assert (found.value is None) == (moved.value is None)
    if found.lower is not None and moved.lower is not None:
        assert (found.value, found.lower, found.upper) == pytest.approx(
            (moved.value, moved.lower, moved.upper), abs=1e-6
        )
        assert found.lower - 1e-9 <= found.value <= found.upper + 1e-9
    assert found.value is not None or found.reason


def test_a_reader_who_always_rates_higher_disagrees():
    unit = np.arange(10.0)
    shifted = icc_agreement(np.column_stack([unit, unit + 3]))
    assert shifted.value == pytest.approx(np.var(unit, ddof=1) / (np.var(unit, ddof=1) + 4.5))
    assert shifted.lower < shifted.value < shifted.upper


def test_full_agreement_is_1_without_width():
    unit = np.arange(5.0)
    full = icc_agreement(np.column_stack([unit, unit, unit]))
    assert (full.value, full.lower, full.upper, full.notes) == (1.0, 1.0, 1.0, (NO_WIDTH,))


@pytest.mark.parametrize(
    ("ratings", "why", "n"),
    [
        ([[1], [2]], FEW_READERS, 2),
        ([[1, 2], [NAN, 1]], FEW_UNITS, 1),
        ([[NAN, 1]], FEW_UNITS, 0),
        ([[0.1, 0.1, 0.1]] * 7, NO_VARIANCE, 7),
        ([[0, 1], [1, 0]], NO_VARIANCE, 2),
    ],
)
def test_icc_is_undefined_with_a_reason(ratings, why, n):
    found = icc_agreement(np.array(ratings, dtype=float))
    assert (found.value, found.lower, found.reason, found.n) == (None, None, why, n)


def test_an_interval_without_degrees_of_freedom_is_not_given():
    found = icc_agreement(np.array([[0, 0, 4], [0, 3, 2]], dtype=float))
    assert found.value == pytest.approx(-6 / 17)
    assert (found.lower, found.upper, found.notes) == (None, None, (NO_DEGREES,))


def test_icc_needs_a_matrix():
    with pytest.raises(ValueError, match="units, readers"):
        icc_agreement(np.arange(3.0))
