"""Intervals of agreement by patient: against straight loops, at their limits, and as they cover."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import t as student

from vpack_pipeline.stats import agreement
from vpack_pipeline.stats.agreement.coefficients import ONE_CATEGORY, ONE_UNIT
from vpack_pipeline.stats.agreement.jackknife import (
    AT_EDGE,
    FEWEST_UNITS,
    NO_DIFFERENCE,
    ONE_PATIENT,
    SHARE_AT_EDGE,
    UNDEFINED_WITHOUT,
    Jackknife,
)
from vpack_pipeline.stats.agreement.sums import STATISTICS
from vpack_pipeline.stats.codes import code

NAN = float("nan")
SCALE = (0.0, 1.0, 3.0)
POINTS = {
    "percent_agreement": agreement.percent_agreement,
    "fleiss_kappa": agreement.fleiss_kappa,
    "gwet_ac1": agreement.gwet_ac,
    "gwet_ac2_linear": partial(agreement.gwet_ac, weights="linear"),
    "gwet_ac2_quadratic": partial(agreement.gwet_ac, weights="quadratic"),
    **{
        f"krippendorff_alpha_{scale}": partial(
            agreement.krippendorff_alpha, level_of_measurement=scale
        )
        for scale in ("nominal", "ordinal", "interval")
    },
    "icc": lambda ratings, _: agreement.icc_agreement(ratings),
}
"""Statistic → its point estimate, from ratings and categories."""


def panel(seed=5, units=90, patients=30, missing=0.1):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 3, (units, 1))
    said = np.array(SCALE)[np.clip(base + rng.integers(-1, 2, (units, 3)), 0, 2)]
    said[rng.random(said.shape) < missing] = NAN
    return said, np.repeat(np.arange(patients), units // patients)


def binary(rng, units=60, prevalence=0.1, readers=3):
    rate = np.where(rng.random((units, 1)) < prevalence, 0.85, 0.03)
    return (rng.random((units, readers)) < rate).astype(float)


def test_every_statistic_has_a_point_estimate_here():
    assert {*POINTS, "positive_agreement", "negative_agreement"} == set(STATISTICS)


def test_a_figure_without_a_patient_is_that_of_the_other_patients_units():
    ratings, cluster = panel()
    found = agreement.agreement_jackknife(ratings, SCALE, cluster, list(POINTS))
    for name, point in POINTS.items():
        slow = [point(ratings[cluster != patient], SCALE).value for patient in range(30)]
        assert found[name].left_out == pytest.approx(slow, abs=1e-9), name
    paired = (~np.isnan(ratings)).sum(axis=1) >= 2
    of_category = [(ratings[paired] == c).sum() for c in SCALE]
    rare = (sum(of_category) - max(of_category)) / sum(of_category)
    assert found["fleiss_kappa"].minority == pytest.approx(rare * paired.sum())
    whole = ~np.isnan(ratings).any(axis=1)
    assert found["icc"].patients == len(np.unique(cluster[whole]))


def test_specific_agreement_without_a_patient_is_that_of_the_other_patients_units():
    ratings = binary(np.random.default_rng(10), 40, 0.3)
    cluster = np.repeat(np.arange(20), 2)
    names = ("positive_agreement", "negative_agreement")
    found = agreement.agreement_jackknife(ratings, [0, 1], cluster, names)
    for side, name in enumerate(names):
        slow = [
            agreement.specific_agreement(ratings[cluster != patient])[side].value
            for patient in range(20)
        ]
        assert found[name].left_out == pytest.approx(slow)
        assert found[name].is_share


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
def test_the_interval_is_students_t_on_fishers_z_or_the_logit(name, there, back, slope):
    ratings, cluster = panel()
    point = POINTS[name](ratings, SCALE)
    found = agreement.agreement_jackknife(ratings, SCALE, cluster, [name])[name]
    made = agreement.jackknifed(point, found, 0.9)
    without = [POINTS[name](ratings[cluster != p], SCALE).value for p in range(30)]
    mean = sum(without) / 30
    se = math.sqrt(29 / 30 * sum((v - mean) ** 2 for v in without)) / slope(point.value)
    reach = float(student.ppf(0.95, 29)) * se
    assert made.lower == pytest.approx(back(there(point.value) - reach))
    assert made.upper == pytest.approx(back(there(point.value) + reach))
    assert (made.value, made.n) == (point.value, point.n)
    assert made.notes == ()
    assert "jackknife_by_patient" in made.method[-1].name


def interval(name, ratings, cluster, categories=(0, 1)):
    found = agreement.agreement_jackknife(ratings, categories, cluster, [name])[name]
    return agreement.jackknifed(POINTS[name](ratings, categories), found)


def test_patients_with_repeated_units_widen_the_interval():
    ratings = binary(np.random.default_rng(3), 60, 0.3)

    def width(cluster):
        found = interval("fleiss_kappa", np.tile(ratings, (4, 1)), cluster)
        return found.upper - found.lower

    assert width(np.tile(np.arange(60), 4)) > 1.6 * width(np.arange(240))


COMMON = np.array([[0, 0]] * 40 + [[1, 1]] * 20 + [[0, 1]] * 10, dtype=float)


@pytest.mark.parametrize(
    ("name", "ratings", "cluster", "why"),
    [
        ("fleiss_kappa", [[0, 1]], None, ONE_UNIT),
        ("percent_agreement", [[0, 1]] + [[0, NAN]] * 9, None, ONE_UNIT),
        ("fleiss_kappa", COMMON, np.zeros(70), ONE_PATIENT),
        ("percent_agreement", COMMON, np.zeros(70), ONE_PATIENT),
        ("fleiss_kappa", COMMON[11:], None, code("few_units_for_interval", fewest=60)),
        (
            "gwet_ac1",
            [[0, 0]] * 60 + [[1, 1]] * 5 + [[0, 1]],
            None,
            code("few_minority_ratings", fewest=6),
        ),
        ("fleiss_kappa", COMMON[:60], None, AT_EDGE),
        ("gwet_ac1", np.zeros((60, 2)), None, AT_EDGE),
        ("percent_agreement", COMMON[:60], None, SHARE_AT_EDGE),
        ("percent_agreement", COMMON[60:], None, SHARE_AT_EDGE),
        # Without the one patient of all other ratings a single category is left.
        (
            "fleiss_kappa",
            COMMON[:69],
            np.repeat([*range(40), 40], [1] * 40 + [29]),
            UNDEFINED_WITHOUT,
        ),
        ("percent_agreement", [[0, 0], [0, 1]] * 2, [0, 0, 1, 1], NO_DIFFERENCE),
    ],
)
def test_where_an_interval_would_not_hold_there_is_none(name, ratings, cluster, why):
    ratings = np.array(ratings, dtype=float)
    made = interval(
        name, ratings, np.arange(len(ratings)) if cluster is None else np.array(cluster)
    )
    assert made.value is not None
    assert (made.lower, made.upper, made.notes) == (None, None, (why,))


def test_just_as_many_units_and_minority_ratings_as_are_asked_for_are_enough():
    ratings = np.array([[0, 0]] * 53 + [[1, 1]] * 5 + [[0, 1]] * 2, dtype=float)
    assert len(ratings) == FEWEST_UNITS
    assert interval("fleiss_kappa", ratings, np.arange(60)).lower is not None


def test_a_figure_that_is_undefined_stays_so():
    made = interval("fleiss_kappa", np.zeros((60, 2)), np.arange(60))
    assert (made.value, made.lower, made.reason) == (None, None, ONE_CATEGORY)
    single = np.zeros((60, 1))
    assert np.isnan(
        agreement.agreement_jackknife(single, [0], np.arange(60), ["icc"])["icc"][0]
    ).all()
    only = agreement.agreement_jackknife(np.zeros((60, 2)), [0], np.arange(60), ["gwet_ac1"])
    assert np.isnan(only["gwet_ac1"].left_out).all()
    assert only["gwet_ac1"].minority == 0
    none = agreement.agreement_jackknife(np.full((3, 2), NAN), [0, 1], np.arange(3), ["icc"])["icc"]
    assert (none.patients, none.minority) == (0, 0)


def test_patients_are_evaluated_in_parts_that_bound_memory(monkeypatch):
    ratings, cluster = panel()
    whole = agreement.agreement_jackknife(ratings, SCALE, cluster, list(POINTS))
    monkeypatch.setattr("vpack_pipeline.stats.agreement.jackknife._CHUNK", 7)
    parts = agreement.agreement_jackknife(ratings, SCALE, cluster, list(POINTS))
    for name in POINTS:
        np.testing.assert_array_equal(whole[name].left_out, parts[name].left_out)


def test_what_is_asked_is_checked():
    ratings, cluster = panel()
    with pytest.raises(ValueError, match="statistics are of percent_agreement"):
        agreement.agreement_jackknife(ratings, SCALE, cluster, ["charm"])
    with pytest.raises(ValueError, match="one patient code"):
        agreement.agreement_jackknife(ratings, SCALE, cluster[1:], ["icc"])
    kappa = agreement.fleiss_kappa(ratings, SCALE)
    with pytest.raises(ValueError, match="left_out"):
        agreement.jackknifed(kappa, Jackknife(np.array([math.inf]), 1, 1.0, is_share=False))
    found = Jackknife(np.array([0.1, 0.2]), 2, 9.0, is_share=False)
    with pytest.raises(ValueError, match="level"):
        agreement.jackknifed(kappa, found, 1.0)
    with pytest.raises(ValueError, match="minority"):
        agreement.jackknifed(kappa, found._replace(minority=NAN))


# --- true ranges ----------------------------------------------------------------------------------


def singles(pairs, alone):
    """Units of two ratings, and units that one reader alone rated."""
    return np.array([*pairs, *([value, NAN] for value in alone)], dtype=float)


def test_coefficients_with_chance_from_single_ratings_have_no_lowest_value():
    kappa = agreement.fleiss_kappa(singles([[0, 1]], [0] * 30), (0, 1))
    assert kappa.value < -10
    assert kappa.lower is None or kappa.lower <= kappa.value
    # Three ratings a value: chance 2/3 by quadratic weights, observed 0.
    values = singles([[0, 2]] * 2, [0] + [1] * 3 + [2])
    ac2 = agreement.gwet_ac(values, (0, 1, 2), weights="quadratic")
    assert ac2.value == pytest.approx(-2.0, abs=0.2)
    assert ac2.lower <= ac2.value <= ac2.upper
    made = agreement.jackknifed(
        replace(ac2, n=60), Jackknife(np.array([-1.9, -2.1]), 2, 9.0, is_share=False)
    )
    assert made.notes == (AT_EDGE,)


def test_an_intraclass_correlation_of_few_units_may_lie_far_below_minus_one():
    # Two readers of three units: the least is -1 / (1 - 2/3).
    icc = agreement.icc_agreement(np.array([[0, 1], [1, 0], [0.5, 0.5]]))
    assert icc.value == pytest.approx(-3.0)


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_alpha_and_ac1_never_pass_minus_one(scale):
    rng = np.random.default_rng(11)
    lowest = []
    for _ in range(300):
        units, readers = rng.integers(1, 6), rng.integers(2, 5)
        said = np.array(SCALE)[rng.integers(0, 3, (units, readers))]
        said[:, :2] = [0, 3]
        said[:, 2:][rng.random((units, readers - 2)) < 0.7] = NAN
        alpha = agreement.krippendorff_alpha(said, SCALE, level_of_measurement=scale)
        ac1 = agreement.gwet_ac(said, SCALE)
        lowest.append(min(alpha.value, ac1.value))
    assert -1 < min(lowest) < -0.4
    apart = np.tile([0.0, 3.0], (400, 1))
    alpha = agreement.krippendorff_alpha(apart, SCALE, level_of_measurement=scale).value
    assert alpha == pytest.approx(-1 + 1 / 400)
    assert agreement.gwet_ac(apart, (0, 3)).value == -1


# --- coverage -------------------------------------------------------------------------------------


def test_intervals_cover_the_kappa_of_three_readers():
    """A few runs of the nightly simulation (``benchmarks/simulations.py``)."""
    joint = 0.1 * np.outer([0.15, 0.85], [0.15, 0.85]) + 0.9 * np.outer([0.97, 0.03], [0.97, 0.03])
    share = joint.sum(axis=0)
    kappa = (np.trace(joint) - share @ share) / (1 - share @ share)
    held = []
    for seed in range(150):
        ratings = binary(np.random.default_rng([5, seed]), 60)
        made = interval("fleiss_kappa", ratings, np.arange(60))
        if made.lower is None:
            assert {n.name for n in made.notes} <= {"few_minority_ratings", AT_EDGE.name}
        else:
            held.append(made.lower <= kappa <= made.upper)
    assert len(held) > 75
    # At .95 fewer than 85% held of these has a probability of less than one in 10,000.
    assert np.mean(held) >= 0.85
