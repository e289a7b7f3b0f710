from __future__ import annotations

import dataclasses

import pytest

from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import NO_WIDTH, normal_quantile, symmetric, undefined


def test_the_normal_quantile_is_two_sided():
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054, abs=1e-12)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95])
def test_a_confidence_level_outside_0_to_1_is_refused(level):
    with pytest.raises(ValueError, match="confidence level"):
        normal_quantile(level)


def test_an_undefined_estimate_has_a_reason_and_no_bounds():
    estimate = undefined("why", method="m", n=3)
    assert (estimate.value, estimate.lower, estimate.upper) == (None, None, None)
    assert estimate.reason == Code("why")


def test_an_estimate_cannot_be_altered():
    with pytest.raises(dataclasses.FrozenInstanceError):
        undefined("why", method="m", n=3).n = 4


def test_a_symmetric_interval_is_clipped_and_wider_with_few_degrees_of_freedom():
    normal = symmetric(0.9, 0.1, n=5, method="m", level=0.95, bounds=(0.0, 1.0))
    student = symmetric(0.9, 0.1, n=5, method="m", level=0.95, bounds=(0.0, 1.0), df=4)
    assert normal.upper == student.upper == 1.0
    assert student.lower < normal.lower
    assert normal.notes == ()


def test_an_interval_without_width_is_flagged():
    assert symmetric(1.0, 0.0, n=5, method="m", level=0.95).notes == (NO_WIDTH,)
