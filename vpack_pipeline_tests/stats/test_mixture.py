from __future__ import annotations

import numpy as np
import pytest

from vpack_pipeline.stats.mixture import class_chances


def test_each_group_has_the_share_that_its_units_make_most_likely():
    """Expected counts of reads of .85/.95 at prevalences of .05 and .8 give these back."""
    n, rates = 10_000, np.array([[0.85, 0.15], [0.05, 0.95]])
    odds, group, weight = [], [], []
    for g, prevalence in enumerate((0.05, 0.8)):
        counts = np.round(n * (prevalence * rates[0] + (1 - prevalence) * rates[1])).astype(int)
        odds += [rates[0, k] / rates[1, k] for k in (0, 1) for _ in range(counts[k])]
        group += [g] * counts.sum()
        weight.append(prevalence)
    found = class_chances(np.array(odds), np.array(group))
    means = [found[np.array(group) == g].mean() for g in (0, 1)]
    assert means == pytest.approx(weight, abs=2e-4)


def test_settled_units_are_what_they_are_and_count_for_their_group():
    odds = np.array([np.inf, np.inf, np.inf, 0.0, 1.0])
    found = class_chances(odds, np.zeros(5, dtype=np.int64))
    assert found[:4].tolist() == [1, 1, 1, 0]
    # The unit of which nothing is known is as the others of its group.
    assert found[4] == pytest.approx(0.75, abs=1e-6)


def test_nothing_has_no_chance():
    assert class_chances(np.empty(0), np.empty(0, dtype=np.int64)).size == 0


def test_no_chance_is_above_1_by_rounding():
    """In a group of positives alone: 1 less a chance is a weight, and none is negative."""
    high, settled = 3866.741010205154, np.inf
    odds = [1.0424732044292002, high, 4.045044445006067, settled, settled, high]
    odds += [settled, settled, high, settled, 63.489951107292306]
    # A second group that takes longer to settle.
    found = class_chances(np.array([*odds, 1.2, 0.9]), np.repeat([0, 1], [11, 2]))
    assert found.max() <= 1.0
