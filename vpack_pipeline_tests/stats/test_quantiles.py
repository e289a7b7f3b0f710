"""Quantiles by patient: against tabled ranks and straight loops, and as they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from vpack_pipeline.stats.quantiles import FEW, quantile_by_patient


@pytest.mark.parametrize(("n", "ranks"), [(6, (1, 6)), (10, (2, 9)), (20, (6, 15)), (50, (18, 33))])
def test_bounds_of_a_median_are_those_of_the_sign_test(n, ranks):
    """The tabled ranks of the 95% interval of a median."""
    found = quantile_by_patient(np.arange(1.0, n + 1), np.arange(n), 0.5)
    assert (found.lower, found.upper) == ranks
    assert found.value == n / 2


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [40, 41, 200])
def test_bounds_are_the_nearest_ranks_that_reach_the_level(n, share):
    rng = np.random.default_rng(n)
    values = rng.permutation(np.arange(1.0, n + 1))
    found = quantile_by_patient(values, np.arange(n), share, 0.9)
    law = binom(n, share)
    low = max(r for r in range(1, n + 1) if law.cdf(r - 1) <= 0.05)
    high = min(s for s in range(1, n + 1) if law.cdf(s - 1) >= 0.95)
    assert (found.lower, found.upper) == (low, high)
    assert found.value == math.ceil(n * share)


@pytest.mark.parametrize(("n", "share"), [(5, 0.5), (35, 0.9)])
def test_of_too_few_no_order_statistic_reaches_the_level(n, share):
    few = quantile_by_patient(np.arange(float(n)), np.arange(n), share)
    assert (few.lower, few.upper, few.notes) == (None, None, (FEW,))
    assert few.value is not None
    more = quantile_by_patient(np.arange(float(n + 1)), np.arange(n + 1), share)
    assert more.upper is not None


def test_one_patient_has_no_interval_and_alike_units_tell_what_patients_do():
    one = quantile_by_patient(np.arange(60.0), np.zeros(60), 0.5)
    assert (one.value, one.notes) == (29.0, (FEW,))
    values = np.random.default_rng(2).exponential(size=80)
    single = quantile_by_patient(values, np.arange(80), 0.5)
    alike = quantile_by_patient(np.repeat(values, 4), np.repeat(np.arange(80), 4), 0.5)
    assert alike.value == single.value
    assert alike.n == 320
    # Pseudo-patients, which enter the design effect, leave it a little below complete dependence.
    ranks = [np.searchsorted(np.sort(values), (e.lower, e.upper)) for e in (single, alike)]
    assert np.abs(ranks[0] - ranks[1]).max() <= 1


def test_nothing_has_no_quantile():
    found = quantile_by_patient(np.array([]), np.array([]), 0.5)
    assert (found.value, found.reason.name, found.n) == (None, "no_cases", 0)


@pytest.mark.parametrize(("share", "each"), [(0.5, 1), (0.9, 1), (0.9, 4)])
def test_intervals_cover_the_quantile_of_clustered_times(share, each):
    """A few runs of the nightly simulation (``benchmarks/simulations.py``)."""
    held = []
    for seed in range(200):
        rng = np.random.default_rng([1899, seed])
        patient = np.repeat(np.arange(80), each)
        shared = np.repeat(rng.standard_normal(80), each) * math.sqrt(0.5)
        values = np.exp(shared + rng.standard_normal(patient.size) * math.sqrt(0.5))
        found = quantile_by_patient(values, patient, share)
        # The quantile of a lognormal is that of its normal, exponentiated.
        truth = math.exp({0.5: 0.0, 0.9: 1.2815515655446004}[share])
        held.append(found.lower <= truth <= found.upper)
    # Of 200 at .95 fewer than 179 held has a probability of less than one in 1,000.
    assert sum(held) >= 179


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5])
def test_a_quantile_lies_between_the_ends(share):
    with pytest.raises(ValueError, match="share"):
        quantile_by_patient(np.arange(9.0), np.arange(9), share)
