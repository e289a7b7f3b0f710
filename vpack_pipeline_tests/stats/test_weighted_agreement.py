"""Agreement of units that stand for more or fewer: against repeated units, and straight loops."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from scipy.stats import t as student

from vpack_pipeline.stats import agreement
from vpack_pipeline.stats.agreement.coefficients import NO_PAIR
from vpack_pipeline.stats.agreement.jackknife import AT_EDGE
from vpack_pipeline_tests.stats.test_jackknife import POINTS, SCALE, binary, panel

NAN = float("nan")
RATIOS = [name for name in POINTS if not name.startswith("krippendorff") and name != "icc"]
"""Coefficients without a term for small samples."""


def weighted(ratings, categories, cluster, names, weight):
    return agreement.agreement_jackknife(ratings, categories, cluster, names, weight)


def once_or_thrice(units, seed=4):
    return np.random.default_rng(seed).choice([1, 3], units)


def repeated(weight, *arrays):
    """Each unit as often as it weighs."""
    return [np.repeat(array, weight, axis=0) for array in arrays]


@pytest.mark.parametrize("name", RATIOS)
def test_a_unit_of_weight_three_is_three_units(name):
    ratings, cluster = panel()
    weight = once_or_thrice(90)
    (thrice,) = repeated(weight, ratings)
    found = weighted(ratings, SCALE, cluster, [name], weight)[name]
    assert found.weighted.value == pytest.approx(POINTS[name](thrice, SCALE).value, abs=1e-12)


def test_specific_agreement_of_weighted_units_is_that_of_repeated_ones():
    ratings, cluster = binary(np.random.default_rng(2), 90, 0.3), np.arange(90)
    weight = once_or_thrice(90)
    names = ("positive_agreement", "negative_agreement")
    found = weighted(ratings, [0, 1], cluster, names, weight)
    expected = agreement.specific_agreement(*repeated(weight, ratings))
    for name, estimate in zip(names, expected, strict=True):
        assert found[name].weighted.value == pytest.approx(estimate.value, abs=1e-12)


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_alpha_of_weighted_units_differs_from_repeated_ones_by_its_term_for_small_samples(scale):
    ratings, cluster = panel()
    weight = once_or_thrice(90)
    name = f"krippendorff_alpha_{scale}"
    found = weighted(ratings, SCALE, cluster, [name], weight)[name].weighted.value
    raters = (~np.isnan(ratings)).sum(axis=1)
    raters[raters < 2] = 0
    total = (weight * raters).sum()
    kish = total**2 / (weight**2 * raters).sum()
    whole = 1 - POINTS[name](np.repeat(ratings, weight, axis=0), SCALE).value
    assert 1 - found == pytest.approx(whole / (1 - 1 / total) * (1 - 1 / kish), abs=1e-12)


def test_the_icc_of_weighted_units_has_unbiased_mean_squares():
    """A straight loop: sums of squares by weight, degrees of freedom by Kish's size."""
    ratings, cluster = panel(missing=0.0)
    weight = once_or_thrice(90).astype(float)
    w = weight * weight.sum() / (weight**2).sum()
    n, k = w.sum(), 3
    middle = sum(w[i] * ratings[i].mean() for i in range(90)) / n
    of_reader = [sum(w[i] * ratings[i, r] for i in range(90)) / n for r in range(k)]
    units = sum(w[i] * k * (ratings[i].mean() - middle) ** 2 for i in range(90)) / (n - 1)
    readers = sum(n * (m - middle) ** 2 for m in of_reader) / (k - 1)
    residual = sum(
        w[i] * (ratings[i, r] - ratings[i].mean() - of_reader[r] + middle) ** 2
        for i in range(90)
        for r in range(k)
    ) / ((n - 1) * (k - 1))
    expected = (units - residual) / (units + (k - 1) * residual + k * (readers - residual) / n)
    found = weighted(ratings, SCALE, cluster, ["icc"], weight)["icc"]
    assert found.weighted.value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", list(POINTS))
def test_weights_that_are_alike_change_nothing(name):
    ratings, cluster = panel()
    plain = agreement.agreement_jackknife(ratings, SCALE, cluster, [name])[name]
    alike = weighted(ratings, SCALE, cluster, [name], np.full(90, 3.7))[name]
    assert alike.weighted is None
    np.testing.assert_array_equal(plain.left_out, alike.left_out)
    # What is alike but for rounding goes the other way, to the same figure.
    nearly = np.full(90, 3.7)
    nearly[::2] = np.nextafter(3.7, 4)
    found = weighted(ratings, SCALE, cluster, [name], nearly)[name]
    assert found.weighted.value == pytest.approx(POINTS[name](ratings, SCALE).value, abs=1e-12)
    assert found.left_out[:30] != pytest.approx(plain.left_out)


def test_only_how_weights_compare_matters():
    ratings, cluster = panel()
    weight = once_or_thrice(90)
    found, tenfold = (
        weighted(ratings, SCALE, cluster, list(POINTS), w) for w in (weight, 1e-3 * weight)
    )
    for name in POINTS:
        assert tenfold[name].weighted == pytest.approx(found[name].weighted, abs=1e-12)
        assert tenfold[name].left_out == pytest.approx(found[name].left_out, abs=1e-12)


UNSEEN = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
"""Of a panel whose ratings are mostly 0, and else 1."""


@pytest.mark.parametrize(
    ("name", "there", "back", "slope"),
    [
        ("fleiss_kappa", math.atanh, math.tanh, lambda v: 1 - v * v),
        (
            "percent_agreement",
            lambda v: math.log(v / (1 - v)),
            lambda x: 1 / (1 + math.exp(-x)),
            lambda v: v * (1 - v),
        ),
    ],
)
def test_limits_are_those_of_a_straight_loop(name, there, back, slope):
    ratings, cluster = binary(np.random.default_rng(6), 90, 0.3), np.repeat(np.arange(45), 2)
    weight = once_or_thrice(90)
    point = POINTS[name](ratings, (0, 1))
    found = weighted(ratings, [0, 1], cluster, [name], weight)[name]
    made = agreement.jackknifed(point, found, 0.9)

    def of(said, count):
        return POINTS[name](np.repeat(said, count, axis=0), (0, 1)).value

    value = of(ratings, weight)
    said, count = np.vstack([ratings, UNSEEN]), np.append(weight, [3, 3])
    patient = np.append(cluster, [45, 46])
    middle = of(said, count)
    without = [of(said[patient != p], count[patient != p]) for p in range(47)]
    mean = sum(without) / 47
    se = math.sqrt(46 / 47 * sum((v - mean) ** 2 for v in without)) / slope(middle)
    reach = float(student.ppf(0.95, 44)) * se
    assert made.value == pytest.approx(value)
    assert made.lower == pytest.approx(back(there(min(value, middle)) - reach))
    assert made.upper == pytest.approx(back(there(max(value, middle)) + reach))
    assert made.n == 90
    assert made.method[-1].name == "unseen_units_of_largest_weight"


def test_least_numbers_count_units_that_were_drawn():
    ratings, cluster = binary(np.random.default_rng(6), 59, 0.3), np.arange(59)
    weight = np.full(59, 100)
    weight[:5] = 1
    found = weighted(ratings, [0, 1], cluster, ["fleiss_kappa"], weight)["fleiss_kappa"]
    made = agreement.jackknifed(POINTS["fleiss_kappa"](ratings, (0, 1)), found)
    assert [note.name for note in made.notes] == ["few_units_for_interval"]
    assert found.patients == 59


def test_where_no_unit_of_a_weight_was_rated_twice_there_is_no_figure():
    ratings, cluster = binary(np.random.default_rng(6), 80, 0.3), np.arange(80)
    weight = np.repeat([1.0, 9.0], 40)
    ratings[40:, 1:] = NAN
    found = weighted(ratings, [0, 1], cluster, ["gwet_ac1", "icc"], weight)
    for name, point in (("gwet_ac1", agreement.gwet_ac(ratings, (0, 1))), ("icc", None)):
        made = agreement.jackknifed(point or agreement.icc_agreement(ratings), found[name])
        assert (made.value, made.reason.name) == (None, "sampled_stratum_without_case")
    ratings[79, 1:] = [0, NAN]
    found = weighted(ratings, [0, 1], cluster, ["gwet_ac1", "icc"], weight)
    assert not found["gwet_ac1"].weighted.lacks_weight
    assert found["icc"].weighted.lacks_weight


def test_without_a_pair_there_is_nothing_to_weigh():
    ratings = np.column_stack([np.zeros(4), np.full(4, NAN)])
    found = weighted(ratings, [0, 1], np.arange(4), ["gwet_ac1"], np.arange(1.0, 5))["gwet_ac1"]
    assert found.weighted is None
    made = agreement.jackknifed(agreement.gwet_ac(ratings, (0, 1)), found)
    assert (made.value, made.reason) == (None, NO_PAIR)


def test_one_who_holds_all_of_a_kind_leaves_none_of_it_whatever_rounding_says():
    ratings = np.array([[0, 0]] * 40 + [[1, 1], [1, 0]], dtype=float)
    cluster = np.append(np.arange(40), [40, 40])
    weight = np.append(np.full(40, 1 / 3), [1 / 7, 1 / 7])
    found = weighted(ratings, [0, 1], cluster, ["positive_agreement"], weight)
    # The units that were not seen have ratings of the kind.
    assert not np.isnan(found["positive_agreement"].left_out).any()
    perfect = weighted(ratings[:41], [0, 1], cluster[:41], ["fleiss_kappa"], weight[:41])
    made = agreement.jackknifed(
        agreement.fleiss_kappa(ratings[:41], (0, 1)), perfect["fleiss_kappa"]
    )
    assert made.value == pytest.approx(1.0)
    assert made.lower is None


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_the_kappa_of_two_is_that_of_repeated_units(weights):
    rng = np.random.default_rng(8)
    ratings = np.array([0.0, 1.0, 4.0])[rng.integers(0, 3, (30, 2))]
    ratings[rng.random((30, 2)) < 0.2] = NAN
    cluster, weight = np.repeat(np.arange(10), 3), once_or_thrice(30)
    kappa = partial(agreement.cohen_kappa, categories=(0, 1, 4), weights=weights)
    found = agreement.pair_jackknife(*ratings.T, [0, 1, 4], cluster, weights, weight)
    (thrice,) = repeated(weight, ratings)
    assert found.weighted.value == pytest.approx(kappa(*thrice.T).value, abs=1e-12)
    both = ~np.isnan(ratings).any(axis=1)
    mass = [(weight[both, None] * (ratings[both] == c)).sum() for c in (0, 1, 4)]
    common, rarer = (np.array([0.0, 1.0, 4.0])[k] for k in np.argsort(mass)[::-1][:2])
    said = np.vstack([ratings, [[rarer, common], [rarer, rarer]]])
    count, patient = np.append(weight, [3, 3]), np.append(cluster, [10, 11])
    slow = [
        kappa(*np.repeat(said[patient != p], count[patient != p], axis=0).T).value
        for p in range(12)
        if p in patient[np.append(both, [True, True])]
    ]
    assert found.left_out == pytest.approx(slow)
    assert found.weighted.with_unseen == pytest.approx(
        kappa(*np.repeat(said, count, axis=0).T).value
    )
    assert found.patients == len(np.unique(cluster[both]))


def test_the_kappa_of_two_on_no_unit_or_one_category():
    none = agreement.pair_jackknife(
        np.array([1, NAN]), np.array([NAN, 1]), [0, 1], np.arange(2), None, np.array([1.0, 2.0])
    )
    assert none.weighted is None
    one = np.ones(70)
    found = agreement.pair_jackknife(one, one, [0, 1], np.arange(70), None, np.arange(1.0, 71))
    assert np.isnan(found.weighted.value)
    assert agreement.jackknifed(agreement.cohen_kappa(one, one, [0, 1]), found).value is None


def test_shares_of_weighted_units_are_those_of_repeated_ones():
    ratings = np.array([[0, 1, NAN], [1, 1, 1], [NAN, NAN, NAN], [0, 0, 0]])
    weight = np.array([1, 3, 3, 1])
    found = agreement.mean_shares(ratings, (0.0, 1.0), weight)
    (thrice,) = repeated(weight, ratings)
    assert found == pytest.approx(agreement.mean_shares(thrice, (0.0, 1.0)))


@pytest.mark.parametrize("weight", [np.ones(89), np.zeros(90), np.full(90, NAN), -np.ones(90)])
def test_weights_are_checked(weight):
    ratings, cluster = panel()
    with pytest.raises(ValueError, match="weight"):
        weighted(ratings, SCALE, cluster, ["icc"], weight)
    with pytest.raises(ValueError, match="weight"):
        agreement.pair_jackknife(*ratings.T[:2], SCALE, cluster, None, weight)
    with pytest.raises(ValueError, match="weight"):
        agreement.mean_shares(ratings, SCALE, weight)


def test_a_weighted_figure_that_is_none_is_refused_by_its_name():
    kappa = agreement.fleiss_kappa(binary(np.random.default_rng(6), 90, 0.3), (0, 1))
    found = weighted(*panel()[:1], SCALE, panel()[1], ["fleiss_kappa"], once_or_thrice(90))
    spoilt = found["fleiss_kappa"]
    spoilt = spoilt._replace(weighted=spoilt.weighted._replace(value=NAN))
    with pytest.raises(ValueError, match="weighted"):
        agreement.jackknifed(kappa, spoilt)
    edge = found["fleiss_kappa"]
    edge = edge._replace(weighted=edge.weighted._replace(with_unseen=-1.5))
    assert agreement.jackknifed(kappa, edge).notes == (AT_EDGE,)
