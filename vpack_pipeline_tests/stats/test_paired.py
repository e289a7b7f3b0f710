"""Two proportions of the same units: interval and test."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from vpack_pipeline.stats.proportions import paired_proportions, tango_bounds
from vpack_pipeline.stats.roc import delong_paired_test, obuchowski_paired_test

Z = NormalDist().inv_cdf(0.975)


def test_tango_equals_ratesci(gold):
    case = gold("paired_diff_tango_open")
    given_, want = case["inputs"], case["expected"]
    n = sum(given_.values())
    cells = [(1, 1), (1, 0), (0, 1), (0, 0)]
    counts = [given_[f"n{a}{b}"] for a, b in cells]
    first, second = (
        np.repeat([cell[side] for cell in cells], counts).astype(bool) for side in (0, 1)
    )
    found = paired_proportions(first, second, np.arange(n)).difference
    assert (found.lower, found.value, found.upper) == pytest.approx(
        (want["lo"], want["est"], want["hi"]), abs=case["tolerance"]
    )
    assert (found.n, found.events) == (n, given_["n10"] + given_["n01"])


def likelihood_share(b, c, n, delta):
    """The likeliest share of the second alone at a difference, by golden section."""

    def loss(q):
        p, rest = q + delta, 1 - 2 * q - delta
        told = 0.0
        for k, share in ((b, p), (c, q), (n - b - c, rest)):
            if k:
                told += k * math.log(share) if share > 0 else -math.inf
        return -told

    low, high = max(0.0, -delta), (1 - delta) / 2
    for _ in range(200):
        one, two = low + 0.382 * (high - low), low + 0.618 * (high - low)
        low, high = (low, two) if loss(one) <= loss(two) else (one, high)
    return (low + high) / 2


@pytest.mark.parametrize(("b", "c", "n"), [(7, 12, 300), (3, 0, 20), (1, 6, 25), (10, 2, 14)])
def test_each_limit_is_where_the_score_test_just_does_not_reject(b, c, n):
    for limit in tango_bounds(b, c, n):
        q = likelihood_share(b, c, n, limit)
        variance = n * (2 * q + limit * (1 - limit))
        assert abs(b - c - n * limit) / math.sqrt(variance) == pytest.approx(Z, rel=1e-4)


def test_units_that_never_differ_leave_doubt():
    low, high = tango_bounds(0, 0, 10)
    assert (low, high) == pytest.approx((-(Z**2) / (10 + Z**2), Z**2 / (10 + Z**2)))
    assert tango_bounds(10, 0, 10)[1] == 1.0
    assert tango_bounds(0, 10, 10)[0] == -1.0


def test_more_units_that_differ_than_there_are_are_refused():
    with pytest.raises(ValueError, match="no more units differ"):
        tango_bounds(6, 5, 10)
    with pytest.raises(ValueError, match="of the same units"):
        paired_proportions(np.ones(3, bool), np.ones(2, bool), np.arange(3))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_interval_holds_its_difference_and_turns_with_it(b, c, rest):
    if not b + c + rest:
        return
    low, high = tango_bounds(b, c, b + c + rest)
    assert low <= (b - c) / (b + c + rest) <= high
    assert tango_bounds(c, b, b + c + rest) == pytest.approx((-high, -low), abs=1e-9)


def test_exact_test_stands_where_each_patient_gives_one_unit():
    first = np.array([1] * 12 + [0] * 8, bool)
    second = np.array([1] * 4 + [0] * 8 + [1] * 2 + [0] * 6, bool)
    found = paired_proportions(first, second, np.arange(20))
    assert (found.only_first, found.only_second) == (8, 2)
    assert found.test.p == pytest.approx(binomtest(2, 10).pvalue)


def plain_effect(first, second, patient):
    """The design effect of a paired difference by loops over patients."""
    who = sorted(set(patient))
    m = [sum(p == w for p in patient) for w in who]
    d = [
        sum(int(a) - int(b) for a, b, p in zip(first, second, patient, strict=True) if p == w)
        for w in who
    ]
    most = sum(k * k for k in m) / sum(m)
    discordant = sum(a != b for a, b in zip(first, second, strict=True)) + 2 * most
    m, d = [*m, most, most], [*d, most, -most]
    n, mean = sum(m), sum(d) / sum(m)
    between = (
        sum((x - mean * k) ** 2 for x, k in zip(d, m, strict=True)) * len(m) / (len(m) - 1) / n**2
    )
    return min(max(between / ((discordant / n - mean**2) / n), 1.0), most)


def test_units_of_a_patient_count_for_less():
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(30), 4)
    hard = rng.random(30)[patient]
    first, second = rng.random(120) > hard, rng.random(120) > 0.9 * hard
    found = paired_proportions(first, second, patient)
    effect = plain_effect(first, second, patient)
    b, c = found.only_first, found.only_second
    assert 1 < effect < 4
    assert (found.difference.lower, found.difference.upper) == pytest.approx(
        tango_bounds(b / effect, c / effect, 120 / effect)
    )
    assert found.test.p == pytest.approx(chi2.sf((b - c) ** 2 / (b + c) / effect, 1))


def test_units_that_are_copies_count_once():
    first = np.array([1, 1, 0, 1, 0, 0, 1, 1], bool)
    second = np.array([0, 1, 0, 0, 1, 0, 1, 0], bool)
    single = paired_proportions(first, second, np.arange(8)).difference
    copied = paired_proportions(
        np.repeat(first, 5), np.repeat(second, 5), np.repeat(np.arange(8), 5)
    ).difference
    assert copied.value == single.value
    assert (copied.lower, copied.upper) == pytest.approx((single.lower, single.upper))


def test_without_units_there_is_no_difference_and_without_discordance_no_test():
    none = np.zeros(0, bool)
    found = paired_proportions(none, none, np.arange(0))
    assert (found.difference.value, found.difference.reason.name) == (None, "no_cases")
    assert found.test.reason.name == "no_cases"
    alike = np.ones(6, bool)
    for patient in (np.arange(6), np.repeat(np.arange(3), 2), np.zeros(6, int)):
        found = paired_proportions(alike, alike, patient)
        assert found.difference.value == 0
        assert found.difference.lower < 0 < found.difference.upper
        assert found.test.reason.name == "no_discordant_pairs"


# --- areas


def test_test_by_patient_is_delongs_where_each_patient_gives_one_case(gold):
    case = gold("auc_delong_aSAH")["inputs"]
    positive = np.array(case["y"], bool)
    names = [name for name in case if name != "y"][:2]
    a, b = (np.array(case[name], float) for name in names)
    want = delong_paired_test(a, b, positive)
    found = obuchowski_paired_test(a, b, positive, np.arange(positive.size))
    assert (found.statistic, found.p) == pytest.approx((want.statistic, want.p), rel=1e-12)
    copied = obuchowski_paired_test(
        np.repeat(a, 3), np.repeat(b, 3), np.repeat(positive, 3), np.repeat(np.arange(a.size), 3)
    )
    assert copied.p == pytest.approx(want.p, rel=1e-9)


def test_test_of_areas_says_why_there_is_none():
    score, positive = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0, 0, 1, 1], bool)
    patient = np.arange(4)
    one_class = obuchowski_paired_test(score, score, np.ones(4, bool), patient)
    assert one_class.reason.name == "one_class"
    one_patient = obuchowski_paired_test(score, score, positive, np.array([0, 1, 2, 2]))
    assert one_patient.reason.name == "one_patient_in_class"
    same = obuchowski_paired_test(score, score, positive, patient)
    assert (same.reason.name, same.difference) == ("difference_without_variance", 0.0)
