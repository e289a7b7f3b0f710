from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import chi2_contingency

from vpack_pipeline.stats.auc_interval import Area, area
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.heterogeneity import areas_differ, proportions_differ
from vpack_pipeline_tests.stats import plain_intervals


def made(value, m, n, observed=0.0):
    return Area(value, m, n, observed, None, m + n, m)


def test_q_of_proportions_is_the_chi_squared_of_their_table():
    hits, sizes = np.array([81, 40, 12]), np.array([100, 60, 15])
    found = proportions_differ(hits / sizes, sizes)
    want = chi2_contingency(np.array([hits, sizes - hits]), correction=False)
    assert (found.q, found.df, found.p) == pytest.approx(
        (want.statistic, want.dof, want.pvalue), rel=1e-9
    )


def test_q_of_areas_has_the_variances_of_the_common_area():
    areas = [made(0.95, 12, 40), made(0.8, 30, 90), made(0.86, 20, 50)]
    found = areas_differ(areas)
    common = found.fixed
    variances = [plain_intervals.hanley_mcneil(common, a.positives, a.negatives) for a in areas]
    weights = [1 / v for v in variances]
    mean = sum(w * a.value for w, a in zip(weights, areas, strict=True)) / sum(weights)
    assert common == pytest.approx(mean, abs=1e-9)
    q = sum(w * (a.value - common) ** 2 for w, a in zip(weights, areas, strict=True))
    assert found.q == pytest.approx(q)
    # What is observed above what is expected inflates all alike.
    expected = sum(a.variance() for a in areas)
    wide = [a._replace(observed=expected) for a in areas]
    assert areas_differ(wide).q == pytest.approx(q / 3)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_subgroups_that_all_reach_an_end_of_the_scale_do_not_differ(value):
    found = proportions_differ(np.array([value, value]), np.array([10.0, 20.0]))
    assert (found.q, found.p) == (0.0, 1.0)
    assert areas_differ([made(value, 10, 20), made(value, 10, 30)]).p == 1.0


def test_one_subgroup_has_nothing_to_differ_from():
    for found in (areas_differ([made(0.9, 10, 10)]), proportions_differ(np.ones(0), np.ones(0))):
        assert found.reason == Code("one_subgroup_with_error")
        assert found.q is None


def test_subgroups_without_a_difference_seldom_seem_to_differ():
    """A few runs of the nightly simulation (``benchmarks/simulations.py``)."""
    rng, delta, found = np.random.default_rng(1954), math.sqrt(2) * ndtri(0.9), 0
    for _ in range(300):
        areas = []
        for m, n in ((10, 40), (20, 60), (40, 100)):
            positive = np.arange(m + n) < m
            score = rng.normal(size=m + n) + delta * positive
            areas.append(area(score, positive, np.arange(m + n)))
        found += areas_differ(areas).p < 0.05
    # 300 runs at .05: more than 25 have a probability of one in 200.
    assert found <= 25
