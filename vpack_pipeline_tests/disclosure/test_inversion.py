"""A figure in full gives its counts, as the pipeline computes it: what is tried is what is printed."""

from __future__ import annotations

import numpy as np
import pytest

from vpack_pipeline.stats import distances
from vpack_pipeline.stats.heterogeneity import proportions_differ
from vpack_pipeline.stats.proportions import (
    clopper_pearson,
    clustered_proportion,
    wilson,
    wilson_bounds,
)
from vpack_pipeline_tests.disclosure import inversion

LEVEL = 0.95


@pytest.mark.parametrize("counts", [[30, 17, 3], [41, 2, 0, 60, 19], [12, 30, 8, 22, 5, 40]])
def test_a_statistic_in_full_gives_its_counts(counts):
    """As the pipeline computes it, so that what is tried here is what a pack prints."""
    reference = [318.0, 326.0, 300.0, 301.0, 341.0, 90.0][: len(counts)]
    ours, theirs = np.array(counts, dtype=float), np.array(reference)
    for made, statistic in (
        (distances.psi(ours, theirs), inversion.stability),
        (distances.jensen_shannon(ours, theirs), inversion.divergence),
    ):
        assert made is not None
        assert made == pytest.approx(inversion.value_of(counts, reference, statistic), abs=1e-14)
        found = inversion.counts_behind(made, sum(counts), reference, statistic)
        assert found == [(n, n) for n in counts]


@pytest.mark.parametrize(("share", "n"), [(26 / 32, 32), (3 / 122, 122), (0.0, 7)])
def test_a_share_in_full_gives_its_count(share, n):
    assert inversion.events_of(share, n) == round(share * n)
    assert n in inversion.denominators_of(share, 200)


@pytest.mark.parametrize(
    ("text", "n", "events"), [("0.812", 32, (26, 26)), ("2.5%", 122, (3, 3)), ("0.0%", 900, (0, 0))]
)
def test_a_share_as_printed_gives_its_count(text, n, events):
    assert inversion.events_of_text(text, n) == events


@pytest.mark.parametrize("counts", [[3, 47], [30, 17, 3], [0, 9, 11], [14, 3, 0, 8]])
def test_a_difference_of_categories_gives_the_counts_of_the_other_set(counts):
    reference = [318.0, 326.0, 90.0, 41.0][: len(counts)]
    made = distances.smd_categorical(np.array(reference), np.array(counts, dtype=float))
    assert made.value is not None
    n = sum(counts)
    found = inversion.counts_tried(made.value, n, reference, inversion.mahalanobis)
    assert found is not None
    assert all(low <= n <= high for n, (low, high) in zip(counts, found, strict=True))
    assert sum(high - low for low, high in found) <= 2 * len(counts), "nearly all are known"


def test_an_effective_size_gives_the_target_behind_its_weights():
    ours, target = np.array([80.0, 66.0, 30.0]), np.array([12, 7, 3])
    size = distances.kish_ess(np.repeat(target / ours, ours.astype(int)))
    found = inversion.counts_tried(size / ours.sum(), 22, list(ours), inversion.effective_share)
    assert found == [(12, 12), (7, 7), (3, 3)]


def test_the_interval_of_a_share_says_of_how_many_it_is():
    for interval, method in ((wilson, "wilson"), (clopper_pearson, "clopper_pearson")):
        made = interval(6, 8, LEVEL)
        bounds = (made.lower, made.upper)
        assert inversion.wholes_of(0.75, bounds, [method], 60, LEVEL) == [8]
        assert inversion.wholes_of(0.75, (None, None), [method], 12, LEVEL) == [4, 8, 12]
    clustered = clustered_proportion(np.arange(40) >= 10, np.arange(40) // 2)
    wholes = inversion.wholes_of(
        0.75, (clustered.lower, clustered.upper), ["wilson_on_effective_size"], 60, LEVEL
    )
    assert 40 in wholes
    assert min(wholes) >= 20, "as many as there are patients"


@pytest.mark.parametrize("is_right", [True, False])
def test_the_interval_of_none_or_all_gives_the_patients(is_right):
    made = clustered_proportion(np.full(13, is_right), np.arange(13) // 2)
    assert made.lower is not None
    assert made.upper is not None
    assert made.method[0].name == "clopper_pearson_on_patients"
    assert inversion.patients_behind(made.lower, made.upper, 100, LEVEL) == 7
    assert inversion.patients_behind(made.lower, made.upper, 6, LEVEL) is None
    assert inversion.patients_behind(0.2, 0.7, 100, LEVEL) is None


def test_q_gives_the_one_share_that_is_not_printed():
    counts = np.array([(30, 41), (50, 90), (7, 9)])
    shares, sizes = counts[:, 0] / counts[:, 1], counts[:, 1].astype(float)
    q = proportions_differ(shares, sizes).q
    assert q is not None
    known = []
    for share, n in zip(shares[:2], sizes[:2], strict=True):
        size = inversion.effective_size(share, *wilson_bounds(share, n, LEVEL), LEVEL)
        assert size == pytest.approx(n)
        known.append((share, size))
    assert (9, 7) in inversion.stratum_behind(q, known, 60)
    assert len(inversion.stratum_behind(q, known, 60)) < 5
