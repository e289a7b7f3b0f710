"""The range of a corrected figure over all that is assumed."""

from __future__ import annotations

from vpack_pipeline.core.evaluation.corrected import BY_READS, BY_SOURCES, over_assumptions
from vpack_pipeline.stats.estimate import Estimate, undefined


def given(value: float, lower: float | None = None, upper: float | None = None) -> Estimate:
    return Estimate(value, lower, upper, 10, None, "some")


def test_the_range_reaches_from_the_lowest_bound_to_the_highest() -> None:
    refused = undefined("contradicted", method="some", n=10)
    found = over_assumptions([refused, given(0.8, 0.7, 0.85), given(0.9, 0.75, 0.95)], BY_SOURCES)
    assert (found.value, found.lower, found.upper) == (0.8, 0.7, 0.95)
    assert found.method == (
        "range over the assumptions: error correlations 0, 0.3, 0.5; 1 of 3 refused"
    )
    assert str(found.reason).startswith("bounds from the lowest to the highest")


def test_a_figure_without_an_interval_counts_with_its_value_and_the_range_says_so() -> None:
    found = over_assumptions([given(0.8, 0.7, 0.85), given(0.9)], BY_READS)
    assert (found.lower, found.upper) == (0.7, 0.9)
    assert str(found.reason).startswith("1 of 2 have no interval: the range is at least so wide")
    assert "shared by the model or not" in found.method


def test_where_all_is_refused_there_is_no_range() -> None:
    none = over_assumptions([undefined("contradicted", method="some", n=10)] * 3, BY_SOURCES)
    assert (none.value, none.reason) == (None, "contradicted")
