from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.multiplicity import METHODS, cochran_q, p_adjust


def test_heterogeneity_equals_metafor(gold):
    case = gold("subgroup_heterogeneity")
    expected = case["expected"]
    result = cochran_q(np.array(case["inputs"]["est"]), np.array(case["inputs"]["se"]))
    names = {
        "q": "Q",
        "p": "Q_p",
        "i2": "I2",
        "fixed": "fixed",
        "fixed_se": "fixed_se",
        "tau2": "dl_tau2",
        "random": "dl",
        "random_se": "dl_se",
    }
    for ours, theirs in names.items():
        assert getattr(result, ours) == pytest.approx(expected[theirs], abs=case["tolerance"])
    assert (result.k, result.df) == (5, 4)


def test_equal_subgroups_show_no_heterogeneity():
    result = cochran_q(np.array([0.8, 0.8]), np.array([0.1, 0.2]))
    assert (result.q, result.i2, result.tau2) == (0.0, 0.0, 0.0)
    assert result.p == 1.0


def test_subgroups_without_a_standard_error_are_left_out_and_one_is_not_enough():
    result = cochran_q(np.array([0.9, 1.0, np.nan]), np.array([0.02, 0.0, 0.1]))
    assert (result.k, result.q) == (1, None)
    assert result.reason == Code("one_subgroup_with_error")


@pytest.mark.parametrize("method", METHODS)
def test_adjusted_p_values_equal_r(gold, method):
    case = gold("p_adjust")
    theirs = {"bh": "BH", "by": "BY"}.get(method, method)
    p = np.array(case["inputs"]["p"])
    np.testing.assert_allclose(
        p_adjust(p, method), case["expected"][theirs], atol=case["tolerance"]
    )
    shuffled = np.random.default_rng(0).permutation(p.size)
    np.testing.assert_allclose(p_adjust(p[shuffled], method), p_adjust(p, method)[shuffled])


def test_benjamini_hochberg_agrees_with_scipy():
    p = np.random.default_rng(1).random(40) ** 2
    np.testing.assert_allclose(p_adjust(p, "bh"), false_discovery_control(p), atol=1e-12)


def test_no_p_values_give_none_back():
    assert p_adjust(np.array([]), "holm").size == 0


def test_unknown_methods_and_impossible_p_values_are_refused():
    with pytest.raises(ValueError, match="bonferroni, holm, hochberg, bh, by"):
        p_adjust(np.array([0.1]), "sidak")
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        p_adjust(np.array([0.1, np.nan]))
