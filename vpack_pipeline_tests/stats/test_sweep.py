"""Sums over patients at every threshold, against counting each threshold anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.stats.proportions import (
    PatientSums,
    clustered_proportion,
    flagged_among_all,
    proportion_of_sums,
    right_among_flagged,
)

N_PLACES = 4
units = st.lists(
    st.tuples(st.integers(0, N_PLACES), st.booleans(), st.integers(0, 5)), min_size=1, max_size=30
)


def same(found, expected):
    assert (found.n, found.events, found.method) == (expected.n, expected.events, expected.method)
    assert found.value == expected.value
    assert (found.lower is None) == (expected.lower is None)
    if found.lower is not None:
        assert found.lower == pytest.approx(expected.lower, abs=1e-12)
        assert found.upper == pytest.approx(expected.upper, abs=1e-12)


@given(units)
def test_shares_at_every_threshold_equal_those_of_cases_one_threshold_after_another(drawn):
    place, success, patient = (np.array(column) for column in zip(*drawn, strict=True))
    of_all = flagged_among_all(place, patient, N_PLACES)
    of_flagged = right_among_flagged(place, success, patient, N_PLACES)
    assert len(of_all) == len(of_flagged) == N_PLACES
    for demand in range(N_PLACES):
        flagged = place > demand
        same(proportion_of_sums(of_all[demand]), clustered_proportion(flagged, patient))
        among = clustered_proportion(success[flagged], patient[flagged])
        same(proportion_of_sums(of_flagged[demand]), among)


def test_nobody_flagged_is_no_case_and_sums_have_to_agree():
    assert proportion_of_sums(PatientSums(0, 0, 0, 0, 0, 0)).reason.name == "no_cases"
    with pytest.raises(ValueError, match="sums: there are at most as many successes as units"):
        proportion_of_sums(PatientSums(2, 2, 3, 3, 3, 2))
    with pytest.raises(ValueError, match="one outcome is needed for each unit"):
        right_among_flagged(np.array([0, 1]), np.array([True]), np.arange(2), N_PLACES)
