from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from vpack_pipeline.stats import label_error
from vpack_pipeline.stats.codes import code
from vpack_pipeline.stats.label_error import (
    Replicates,
    conditional_covariance,
    corrected_accuracy,
    corrected_estimates,
)
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn


def table(prevalence, test, reference, correlation=0.0, n=1.0):
    """Expected tp, fp, fn, tn of a test against a reference, each (sensitivity, specificity)."""
    ill, well = (
        conditional_covariance(np.array([a]), np.array([b]), correlation)[0]
        for a, b in zip(test, reference, strict=True)
    )
    (se, sp), (rse, rsp) = test, reference
    among_ill = np.array([se * rse + ill, se * (1 - rse) - ill, (1 - se) * rse - ill])
    among_well = np.array(
        [(1 - sp) * (1 - rsp) + well, (1 - sp) * rsp - well, sp * (1 - rsp) - well]
    )
    cells = prevalence * among_ill + (1 - prevalence) * among_well
    return n * np.append(cells, 1 - cells.sum())


def solve(counts, reference, correlation=0.0):
    found = corrected_accuracy(
        np.atleast_2d(counts), *(np.array([r]) for r in reference), correlation
    )
    return found.sensitivity[0], found.specificity[0]


def test_the_published_correction_recovers_the_accuracy_behind_an_apparent_one():
    """Prevalence 10%, a reader of .85/.95 as reference, an index test of .90/.92."""
    tp, fp, fn, tn = table(0.1, (0.9, 0.92), (0.85, 0.95))
    assert tp / (tp + fn) == pytest.approx(0.616, abs=5e-4)
    assert tn / (fp + tn) == pytest.approx(0.906, abs=5e-4)
    assert solve([tp, fp, fn, tn], (0.85, 0.95)) == pytest.approx((0.9, 0.92), abs=1e-12)


def test_a_perfect_reference_changes_nothing():
    assert solve([30, 10, 20, 140], (1.0, 1.0)) == pytest.approx((0.6, 140 / 150))


def test_independence_is_staquets_formula_to_the_bit():
    tp, fp, fn, tn = np.array([60.0, 30.0, 25.0, 885.0]) / 1000
    se, sp = 0.8, 0.98
    sensitivity = ((tp + fp) * sp - fp) / (tp + fn - (1 - sp))
    specificity = ((fn + tn) * se - fn) / (fp + tn - (1 - se))
    assert solve(np.array([60.0, 30.0, 25.0, 885.0]), (se, sp)) == (sensitivity, specificity)


@examples_drawn(40)
@given(
    st.floats(0.05, 0.6),
    st.tuples(st.floats(0.6, 0.96), st.floats(0.7, 0.97)),
    st.tuples(st.floats(0.75, 0.97), st.floats(0.85, 0.99)),
    st.sampled_from([0.0, 0.3, 0.5]),
)
def test_a_planted_accuracy_is_recovered_or_refused(prevalence, test, reference, correlation):
    counts = table(prevalence, test, reference, correlation)
    found = solve(counts, reference, correlation)
    if np.isnan(found[0]):
        # Only correlated errors leave two solutions so close that neither is given.
        assert correlation > 0
        return
    # Whatever is given must yield the counts.
    if found != pytest.approx(test, abs=1e-6):
        assert correlation > 0
        tp, _fp, fn, _tn = counts
        youden = sum(reference) - 1
        found_prevalence = (tp + fn - (1 - reference[1])) / youden
        again = table(found_prevalence, found, reference, correlation)
        assert again == pytest.approx(counts, abs=1e-9)


@pytest.mark.parametrize("correlation", [0.3, 0.5])
def test_correlated_errors_flatter_a_test_and_the_correction_takes_it_back(correlation):
    test, reference = (0.9, 0.92), (0.85, 0.95)
    counts = table(0.1, test, reference, correlation)
    naive = solve(counts, reference)
    assert np.isnan(naive[0]) or naive[0] > test[0]
    assert solve(counts, reference, correlation) == pytest.approx(test, abs=1e-9)


@pytest.mark.parametrize("readers", [1, 3, 5])
@pytest.mark.parametrize("correlation", [0.3, 0.5])
def test_a_majority_of_readers_who_share_a_factor_is_corrected_exactly(readers, correlation):
    """Expected counts by integrating over the factor on a grid: prevalence .2, readers .85/.95."""
    test, reader = (0.85, 0.9), (0.85, 0.95)
    factor = np.linspace(-9, 9, 20_001)
    density = np.exp(-(factor**2) / 2)
    density /= density.sum()
    right, known = [], []
    for mine, theirs in zip(test, reader, strict=True):
        given = [
            ndtr((ndtri(r) + np.sqrt(correlation) * factor) / np.sqrt(1 - correlation))
            for r in (mine, theirs)
        ]
        panel = binom.sf(readers // 2, readers, given[1])
        known.append(density @ panel)
        right.append([density @ (given[0] * panel), density @ given[0]])
    (both, se), (clear, sp) = right
    ill, well = (
        [both, se - both, known[0] - both],
        [1 - sp - known[1] + clear, known[1] - clear, sp - clear],
    )
    cells = 0.2 * np.array(ill) + 0.8 * np.array(well)
    counts = np.append(cells, 1 - cells.sum())
    found = corrected_accuracy(counts[None], *(np.array([k]) for k in known), correlation, readers)
    assert (found.sensitivity[0], found.specificity[0]) == pytest.approx(test, abs=1e-4)
    if readers > 1:
        # Ties of one more, broken at random, change nothing.
        even = [np.array([k]) for k in known]
        again = corrected_accuracy(counts[None], *even, correlation, readers + 1)
        assert again.sensitivity[0] == found.sensitivity[0]


def test_small_correlations_pass_into_independence():
    counts, reference = [80.1, 78.6, 49.9, 791.4], (0.85, 0.95)
    assert solve(counts, reference, 1e-9) == pytest.approx(solve(counts, reference), abs=1e-6)


def test_the_covariance_is_that_of_drawn_normal_errors():
    rng = np.random.default_rng(0)
    latent = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 400_000)
    right = latent < [1.2815515655446004, 0.8416212335729143]
    covariance = conditional_covariance(np.array([0.9]), np.array([0.8]), 0.5)[0]
    assert covariance == pytest.approx(np.cov(right.T)[0, 1], abs=5e-4)
    # Φ₂(0, 0; ρ) − 1/4 = asin(ρ) / 2π (Sheppard 1899).
    half = conditional_covariance(np.array([0.5]), np.array([0.5]), 0.7)[0]
    assert half == pytest.approx(np.arcsin(0.7) / (2 * np.pi), abs=1e-14)
    edge = conditional_covariance(np.array([0.0, 1.0]), np.array([0.9, 1.0]), 0.5)
    assert edge == pytest.approx([0, 0], abs=1e-12)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize(
    ("counts", "reference"),
    [
        ([30, 10, 20, 140], (0.5, 0.5)),
        ([30, 10, 20, 140], (0.3, 0.6)),
        ([3, 10, 2, 185], (0.9, 0.9)),
        ([178, 2, 15, 5], (0.9, 0.99)),
        ([0, 60, 30, 10], (0.9, 0.99)),
        ([0, 0, 0, 0], (0.9, 0.9)),
    ],
)
def test_counts_that_contradict_the_reference_are_refused(counts, reference, correlation):
    found = solve(np.array(counts, dtype=float), reference, correlation)
    assert np.isnan(found).all()
    for estimate in corrected_estimates(
        np.array(counts, dtype=float), *reference, correlation=correlation
    ):
        assert estimate.value is None
        assert estimate.reason in {
            label_error.NO_INFORMATION,
            label_error.CONTRADICTED,
            label_error.NO_CASES,
        }


def test_a_correlation_outside_its_range_is_an_error():
    with pytest.raises(ValueError, match="correlation"):
        solve([1, 1, 1, 1], (0.9, 0.9), 1.0)


def drawn(rng, counts, b=400):
    return rng.multinomial(int(sum(counts)), np.array(counts) / sum(counts), b).astype(float)


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_replicates_give_an_interval_that_holds_both_uncertainties(correlation):
    rng = np.random.default_rng(1)
    counts = table(0.3, (0.85, 0.9), (0.9, 0.95), correlation, n=2000)
    known = np.full(400, 0.9), np.full(400, 0.95)
    unsure = rng.beta(90, 10, 400), rng.beta(190, 10, 400)
    tables = drawn(rng, counts)
    widths = []
    for reference in (known, unsure):
        sensitivity, specificity = corrected_estimates(
            counts, 0.9, 0.95, correlation=correlation, replicates=Replicates(tables, *reference)
        )
        assert sensitivity.value == pytest.approx(0.85)
        assert specificity.value == pytest.approx(0.9)
        assert sensitivity.lower < 0.85 < sensitivity.upper
        assert sensitivity.n == 2000
        widths.append(sensitivity.upper - sensitivity.lower)
    assert widths[1] > widths[0]


def test_refused_replicates_are_counted_and_more_than_a_few_leave_no_interval():
    """Those that are refused would have made a tail of the interval."""
    counts = np.array([49.0, 10.0, 11.0, 430.0])
    shares = np.tile(counts, (100, 1))
    for refused in (5, 6):
        some = Replicates(
            shares, np.array([0.9] * (100 - refused) + [0.0] * refused), np.full(100, 0.99)
        )
        sensitivity, _ = corrected_estimates(counts, 0.9, 0.99, replicates=some)
        assert (sensitivity.lower is None) == (refused == 6)
        few = code("replicates_contradict_errors", left_out=5, of=100)
        assert sensitivity.notes == (label_error.MANY_REFUSED if refused == 6 else few,)
    most = Replicates(shares, np.full(100, 0.4), np.full(100, 0.5))
    sensitivity, specificity = corrected_estimates(counts, 0.9, 0.99, replicates=most)
    assert sensitivity.value is not None
    assert sensitivity.lower is None
    assert specificity.notes == (label_error.MANY_REFUSED,)
    alone, _ = corrected_estimates(counts, 0.9, 0.99)
    assert (alone.lower, alone.notes) == (None, (label_error.NO_REPLICATES,))
