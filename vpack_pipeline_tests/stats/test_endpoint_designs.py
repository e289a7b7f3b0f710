"""A few designs and runs of the nightly simulations of endpoints (``benchmarks/simulations.py``)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks import endpoint_designs as designs
from vpack_pipeline.stats.several_endpoints import RULES

RUNS = 400
# Of 400 runs at .025, more than this many have a probability of one in a thousand.
MOST = int(binom.isf(0.001, RUNS, designs.ALPHA)) / RUNS


@pytest.mark.parametrize("looks", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_a_study_seldom_claims_too_much(rule, looks):
    for family in list(designs.families(rule, looks))[::3]:
        assert designs.error(family, RUNS, seed=1) <= MOST, family.name


def test_each_claim_at_the_whole_alpha_would_claim_too_much_where_one_is_enough():
    """What the designs are for: the rule for all claims, asked about any of them, is caught."""
    family = designs.Family("all_must_be_met", 3, (False, False, False))
    single = designs.Family("holm", 3, (False, False, False))
    rng = np.random.default_rng(2)

    def any_met() -> bool:
        is_above = designs._means(family, rng)
        levels = designs._levels(designs.ALPHA, 3)
        return any(is_above(i, look, levels[look]) for i in range(3) for look in range(3))

    assert np.mean([any_met() for _ in range(RUNS)]) > MOST
    assert designs.error(single, RUNS, seed=2) <= MOST


def test_a_true_claim_is_met_and_sets_its_part_free():
    found = designs.error(designs.Family("fixed_sequence", 2, (True, True, False)), 2000, seed=3)
    assert 0.017 < found < 0.034
