from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2

from vpack_pipeline.stats import distances as dist
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.distances import Moments
from vpack_pipeline.stats.monitoring import bin_counts, quantile_edges


@pytest.fixture
def match(gold):
    case = gold("distribution_match")
    ref, new = np.array(case["inputs"]["ref"]), np.array(case["inputs"]["new"])
    return ref, new, case["expected"], case["tolerance"]


def moments(x):
    return Moments(x.mean(), x.std(ddof=1), x.size)


def test_standardised_differences_equal_the_reference(match):
    ref, new, expected, tolerance = match
    numeric = dist.smd(moments(ref), moments(new))
    assert numeric.value == pytest.approx(expected["smd"], abs=tolerance)
    assert numeric.n == 240
    categorical = dist.smd_categorical(*expected["table"])
    assert categorical.value == pytest.approx(expected["smd_categorical"], abs=tolerance)
    assert (categorical.lower, categorical.upper) == (None, None)


def test_binned_distances_equal_the_reference(match):
    ref, new, expected, tolerance = match
    edges = quantile_edges(ref, 10)
    a, b = bin_counts(ref, edges), bin_counts(new, edges)
    assert dist.psi(a, b) == pytest.approx(expected["psi_decile_ref"], abs=tolerance)
    assert dist.jensen_shannon(a, b) == pytest.approx(
        expected["jsd_bits_decile_ref"], abs=tolerance
    )


def test_kolmogorov_smirnov_equals_the_limiting_distribution(match):
    ref, new, expected, tolerance = match
    test = dist.kolmogorov_smirnov(ref, new)
    assert test.statistic == pytest.approx(expected["ks_D"], abs=tolerance)
    assert test.p == pytest.approx(expected["ks_p_asymptotic"], abs=tolerance)
    assert dist.kolmogorov_smirnov(ref, np.array([])).reason == Code("set_empty")


def test_the_interval_of_the_smd_covers_without_any_difference():
    rng = np.random.default_rng(6)
    covered = large = 0
    for _ in range(1000):
        estimate = dist.smd(moments(rng.normal(size=100)), moments(rng.normal(size=100)))
        covered += estimate.lower <= 0 <= estimate.upper
        large += abs(estimate.value) > 0.1
    assert covered / 1000 == pytest.approx(0.95, abs=0.025)
    # Which is why |SMD| > 0.1 passes and fails nothing.
    assert large / 1000 > 0.3


def test_the_smd_is_undefined_where_nothing_varies_or_a_sample_is_empty():
    for a, b in (
        (Moments(1, 0, 5), Moments(2, 0, 5)),
        (Moments(1, 1, 0), Moments(2, 1, 5)),
    ):
        estimate = dist.smd(a, b)
        assert estimate.value is None
        assert estimate.reason


def test_two_categories_give_the_difference_of_two_proportions():
    estimate = dist.smd_categorical([30, 70], [50, 50])
    want = 0.2 / np.sqrt((0.3 * 0.7 + 0.5 * 0.5) / 2)
    assert estimate.value == pytest.approx(want)


def test_the_categorical_smd_does_not_depend_on_order_or_unused_categories():
    plain = dist.smd_categorical([30, 50, 20], [20, 40, 40]).value
    assert dist.smd_categorical([20, 0, 30, 50], [40, 0, 20, 40]).value == pytest.approx(plain)


@pytest.mark.parametrize("categories", [2, 4, 7])
def test_the_null_of_the_categorical_smd_follows_the_chi_distribution(categories):
    """Of large sets alike, d²·n_a·n_b/(n_a + n_b) is χ² on one degree less than categories."""
    n_a, n_b = 4000, 2500
    shares = np.arange(1.0, categories + 1)
    null = dist.smd_categorical_null(shares, n_a, n_b, 4000, np.random.default_rng(2))
    want = np.sqrt(chi2.ppf(0.95, categories - 1) * (1 / n_a + 1 / n_b))
    assert null == pytest.approx(want, rel=0.03)


def test_the_null_of_small_sets_counts_draws_without_overlap_as_infinitely_far():
    rng = np.random.default_rng(0)
    assert dist.smd_categorical_null([5, 5], 1, 1, 500, rng) is None
    assert dist.smd_categorical_null([5, 5], 1, 1, 500, rng, quantile=0.3) == 0.0
    assert dist.smd_categorical_null([1, 0], 3, 3, 50, rng) == 0.0


@given(
    st.integers(2, 5).flatmap(
        lambda k: st.lists(
            st.lists(st.integers(0, 9), min_size=k, max_size=k).filter(any), min_size=2, max_size=2
        )
    )
)
def test_many_distances_at_once_are_those_one_by_one(pair):
    a, b = (np.array(counts, dtype=np.float64) for counts in pair)
    (many,) = dist._mahalanobis_rows(a[None] / a.sum(), b[None] / b.sum())
    one = dist.smd_categorical(a, b)
    if one.value is None and one.reason == Code("no_category_in_common"):
        assert many == np.inf
    else:
        assert many == pytest.approx(one.value or 0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ([0, 0], [1, 2], "set_empty"),
        ([3, 0], [5, 0], "one_category"),
        ([3, 0, 2], [0, 5, 0], "no_category_in_common"),
    ],
)
def test_the_categorical_smd_says_why_it_is_undefined(a, b, reason):
    estimate = dist.smd_categorical(a, b)
    assert estimate.value is None
    assert estimate.reason == Code(reason)


def test_equal_distributions_have_distance_0():
    assert dist.smd_categorical([10, 20], [5, 10]).value == pytest.approx(0, abs=1e-12)
    assert dist.jensen_shannon([10, 20], [5, 10]) == 0.0
    assert dist.psi([10, 20], [5, 10]) == 0.0


COUNTS = st.lists(st.integers(0, 30), min_size=4, max_size=4)


@pytest.mark.parametrize(("a", "b"), [([0, 0], [3, 4]), ([3, 4], [0, 0]), ([0, 0], [0, 0])])
def test_an_empty_set_has_no_distance_to_any(a, b):
    assert dist.jensen_shannon(a, b) is None
    assert dist.psi(a, b) is None


@given(COUNTS.filter(any), COUNTS.filter(any))
def test_the_divergence_is_the_square_of_scipys_distance_and_symmetric(a, b):
    got = dist.jensen_shannon(a, b)
    assert got == pytest.approx(jensenshannon(a, b, base=2) ** 2, abs=1e-7)
    assert got == pytest.approx(dist.jensen_shannon(b, a))
    assert 0 <= got <= 1 + 1e-12
    assert dist.psi(a, b) == pytest.approx(dist.psi(b, a))


def test_the_null_divergence_is_the_chi_squared_limit():
    # 2 n ln2 · JSD → (1/4)χ² on k - 1 against a known target, so 8 n ln2 · JSD is χ².
    rng = np.random.default_rng(1)
    known = dist.jensen_shannon_null(np.full(5, 20), 2000, 4000, rng)
    assert known == pytest.approx(9.488 / (8 * 2000 * np.log(2)), rel=0.06)
    both = dist.jensen_shannon_null(np.full(5, 0.2), 2000, 4000, rng, n_target=2000)
    assert both == pytest.approx(2 * known, rel=0.1)


def test_distances_need_the_same_categories_and_no_negative_count():
    for a, b, message in (([1, 2], [1, 2, 3], "same categories"), ([1, -1], [1, 1], "counts_a")):
        with pytest.raises(ValueError, match=message):
            dist.psi(a, b)


def test_raking_equals_the_survey_package(gold):
    case = gold("raking_survey")
    i, expected, tolerance = case["inputs"], case["expected"], case["tolerance"]
    margins, targets = [], []
    for variable in ("sex", "age"):
        names = sorted(i[f"target_{variable}"])
        margins.append(np.array([names.index(value) for value in i[variable]]))
        targets.append(np.array([i[f"target_{variable}"][name] for name in names]))
    result = dist.raking(margins, targets, i["total"])
    assert result.reason is None
    np.testing.assert_allclose(result.weights, expected["w"], atol=tolerance)
    ess = dist.kish_ess(result.weights)
    assert ess == pytest.approx(expected["ess"], abs=tolerance)
    assert 60 / ess == pytest.approx(expected["deff"], abs=tolerance)


def test_raking_of_cells_from_their_counts_equals_that_of_cases(gold):
    """The survey package weights cases: their counts by cell as base weights give its sums."""
    case = gold("raking_survey")
    i = case["inputs"]
    cells = sorted(set(zip(i["sex"], i["age"], strict=True)))
    counts = np.array([list(zip(i["sex"], i["age"], strict=True)).count(c) for c in cells])
    margins, targets = [], []
    for variable, name in enumerate(("sex", "age")):
        names = sorted(i[f"target_{name}"])
        margins.append(np.array([names.index(cell[variable]) for cell in cells]))
        targets.append(np.array([i[f"target_{name}"][level] for level in names]))
    result = dist.raking(margins, targets, i["total"], base=counts.astype(float), tolerance=1e-13)
    weight_of = zip(zip(i["sex"], i["age"], strict=True), case["expected"]["w"], strict=True)
    sums = dict.fromkeys(cells, 0.0)
    for cell, weight in weight_of:
        sums[cell] += weight
    np.testing.assert_allclose(result.weights, list(sums.values()), atol=1e-6)
    empty = dist.raking([np.array([0, 1])], [np.array([0.5, 0.5])], base=np.array([1.0, 0.0]))
    assert empty.weights is None


def test_kish_equals_the_reference(gold):
    case = gold("auc_weighted_aSAH")
    ess = dist.kish_ess(np.array(case["inputs"]["w"]))
    assert ess == pytest.approx(case["expected"]["ess_kish"], abs=1e-9)
    assert dist.kish_ess(np.zeros(3)) == 0.0


def test_raking_refuses_a_target_without_cases():
    result = dist.raking([np.array([0, 0, 1])], [np.array([0.5, 0.3, 0.2])])
    assert result.weights is None
    assert result.reason == Code("target_without_case")


def test_raking_refuses_margins_that_contradict_one_another():
    # The same variable twice, with different targets.
    codes = np.array([0, 1, 0, 1])
    result = dist.raking([codes, codes], [np.array([0.5, 0.5]), np.array([0.2, 0.8])])
    assert result.weights is None
    assert result.reason == Code("margins_contradict")


def test_raking_says_when_it_does_not_settle():
    sex, age = np.array([0, 0, 1]), np.array([0, 1, 1])
    result = dist.raking([sex, age], [np.array([0.3, 0.7]), np.array([0.7, 0.3])], max_iterations=5)
    assert (result.weights, result.iterations) == (None, 5)


def test_a_target_of_0_gives_weight_0():
    result = dist.raking([np.array([0, 1, 1])], [np.array([0.0, 1.0])])
    assert result.weights.tolist() == [0.0, 1.5, 1.5]
