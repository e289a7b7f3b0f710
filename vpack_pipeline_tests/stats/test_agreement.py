from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import stdtrit

from vpack_pipeline.stats import agreement
from vpack_pipeline.stats.agreement.coefficients import NO_PAIR, ONE_CATEGORY, ONE_DECLARED
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import NO_WIDTH
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

Z = 1.959963984540054
NAN = float("nan")


def matrix(ratings):
    return np.array(ratings, dtype=float)


def from_table(table):
    rows = [(i + 1, j + 1) for i, r in enumerate(table) for j, k in enumerate(r) for _ in range(k)]
    return matrix(rows)


def standard_error(estimate, df):
    """Read back from the unclipped lower bound."""
    return (estimate.value - estimate.lower) / stdtrit(df, 0.975)


def by_name(ratings, categories, weights):
    interval = "nominal" if weights is None else "interval"
    return {
        "pa.coeff": agreement.percent_agreement(ratings, categories, weights=weights),
        "gwet.ac1": agreement.gwet_ac(ratings, categories, weights=weights),
        "fleiss.kappa": agreement.fleiss_kappa(ratings, categories, weights=weights),
        "bp.coeff": agreement.brennan_prediger(ratings, categories, weights=weights),
        # Interval distance is quadratic weighting.
        "krippen.alpha": agreement.krippendorff_alpha(
            ratings, categories, level_of_measurement=interval
        ),
    }


@pytest.mark.parametrize("name", ["agree_raw4raters_missing", "agree_raw4raters_quadratic"])
def test_four_raters_with_missing_ratings_equal_irrcac(gold, name):
    case = gold(name)
    estimates = by_name(
        matrix(case["inputs"]["ratings"]), [1, 2, 3, 4, 5], case["inputs"].get("weights")
    )
    for coefficient, estimate in estimates.items():
        want = case["expected"][coefficient]
        df = 10 if coefficient == "krippen.alpha" else 11
        assert estimate.value == pytest.approx(want["coef"], abs=case["tolerance"])
        assert standard_error(estimate, df) == pytest.approx(want["se"], abs=case["tolerance"])
        lower, upper = (float(x) for x in want["ci"].strip("()").split(","))
        assert [estimate.lower, estimate.upper] == pytest.approx([lower, upper], abs=6e-4)


@pytest.mark.parametrize("name", ["agree_2rater_table3", "kappa_paradox"])
def test_two_raters_equal_irrcac(gold, name):
    case = gold(name)
    table, tolerance = case["inputs"]["table"], case["tolerance"]
    ratings = from_table(table)
    categories, n = range(1, len(table) + 1), len(ratings)
    kappa = agreement.cohen_kappa(ratings[:, 0], ratings[:, 1], categories)
    want = case["expected"]["kappa2.table"]
    assert kappa.value == pytest.approx(want["coef"], abs=tolerance)
    assert (kappa.value - kappa.lower) / Z == pytest.approx(want["se"], abs=tolerance)
    estimates = by_name(ratings, categories, None)
    pairs = {
        "scott2.table": "fleiss.kappa",
        "gwet.ac1.table": "gwet.ac1",
        "bp2.table": "bp.coeff",
        "krippen2.table": "krippen.alpha",
        "pa2.table": "pa.coeff",
    }
    for theirs, ours in pairs.items():
        want, estimate = case["expected"][theirs], estimates[ours]
        assert estimate.value == pytest.approx(want["coef"], abs=tolerance)
        # irrCAC divides by n for a table, and by n - 1 for raw ratings, as here.
        se = standard_error(estimate, n - 1) * np.sqrt((n - 1) / n)
        assert se == pytest.approx(want["se"], abs=tolerance)


def test_kappa_and_its_weighted_forms_equal_vcd(gold):
    case = gold("kappa_weighted_ase")
    ratings = from_table(case["inputs"]["table"])
    for weights in (None, "linear", "quadratic"):
        want = case["expected"][weights or "unweighted"]
        kappa = agreement.cohen_kappa(ratings[:, 0], ratings[:, 1], [1, 2, 3, 4], weights)
        assert kappa.value == pytest.approx(want["k"], abs=case["tolerance"])
        assert (kappa.upper - kappa.value) / Z == pytest.approx(want["ase"], abs=case["tolerance"])


def test_kappa_and_its_interval_equal_psych(gold):
    case = gold("kappa_weighted_ase")
    ratings = from_table(case["inputs"]["table"])
    want = case["expected"]["psych"]
    plain = agreement.cohen_kappa(ratings[:, 0], ratings[:, 1], [1, 2, 3, 4])
    found = [plain.lower, plain.value, plain.upper]
    assert found == pytest.approx(want["ci"][0], abs=case["tolerance"])
    assert plain.value == pytest.approx(want["kappa"], abs=case["tolerance"])
    quadratic = agreement.cohen_kappa(ratings[:, 0], ratings[:, 1], [1, 2, 3, 4], "quadratic")
    assert quadratic.value == pytest.approx(want["weighted_kappa"], abs=case["tolerance"])


def test_pairwise_kappa_uses_the_units_that_both_rated(gold):
    case = gold("pairwise_kappa_missing")
    ratings = matrix(case["inputs"]["ratings"])
    for pair, want in case["expected"].items():
        i, j = (int(reader) - 1 for reader in pair.split("-"))
        kappa = agreement.cohen_kappa(ratings[:, i], ratings[:, j], [0, 1])
        both = agreement.percent_agreement(ratings[:, [i, j]], [0, 1])
        assert kappa.n == both.n == want["n"]
        assert kappa.value == pytest.approx(want["kappa"], abs=case["tolerance"])
        assert (kappa.upper - kappa.value) / Z == pytest.approx(want["ase"], abs=case["tolerance"])
        assert both.value == pytest.approx(want["pa"], abs=case["tolerance"])


def test_fleiss_kappa_equals_irr(gold):
    case = gold("fleiss_diagnoses")
    kappa = agreement.fleiss_kappa(matrix(case["inputs"]["ratings"]), [1, 2, 3, 4, 5])
    assert kappa.value == pytest.approx(case["expected"]["kappa"], abs=1e-9)


def test_kappa_of_a_category_against_the_rest_equals_irr(gold):
    case = gold("fleiss_diagnoses")
    ratings = matrix(case["inputs"]["ratings"])
    for category, want in enumerate(case["expected"]["per_category_kappa"], start=1):
        kappa = agreement.fleiss_kappa((ratings == category).astype(float), [0, 1])
        assert kappa.value == pytest.approx(want, abs=case["tolerance"])


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_alpha_equals_the_published_values(gold, scale):
    case = gold("krippendorff_classic")
    ratings = matrix(case["inputs"]["raters_x_units"]).T
    alpha = agreement.krippendorff_alpha(ratings, [1, 2, 3, 4, 5], level_of_measurement=scale)
    assert alpha.value == pytest.approx(case["expected"][scale], abs=case["tolerance"])
    assert alpha.n == 11


RATINGS = st.lists(
    st.lists(st.sampled_from([1.0, 2.0, 4.0, NAN]), min_size=3, max_size=3), min_size=2, max_size=12
)


@examples_drawn(60)
@given(RATINGS, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_agrees_with_the_krippendorff_package(rows, scale):
    ratings = matrix(rows)
    ours = agreement.krippendorff_alpha(ratings, [1, 2, 4], level_of_measurement=scale)
    paired = ratings[(~np.isnan(ratings)).sum(axis=1) >= 2]
    used = np.unique(paired[~np.isnan(paired)])
    if used.size < 2:
        assert ours.value is None
        return
    theirs = krippendorff.alpha(paired.T, value_domain=[1.0, 2.0, 4.0], level_of_measurement=scale)
    assert ours.value == pytest.approx(theirs, abs=1e-9)


@examples_drawn(60)
@given(RATINGS)
@example([[NAN, NAN, NAN], [NAN, NAN, NAN]])
def test_no_coefficient_is_ever_nan(rows):
    ratings = matrix(rows)
    estimates = [
        *by_name(ratings, [1, 2, 4], None).values(),
        *by_name(ratings, [1, 2, 4], "quadratic").values(),
        agreement.cohen_kappa(ratings[:, 0], ratings[:, 1], [1, 2, 4], "linear"),
        *agreement.specific_agreement(np.where(ratings > 1, 1.0, np.where(ratings == 1, 0.0, NAN))),
    ]
    for e in estimates:
        for x in (e.value, e.lower, e.upper):
            assert x is None or np.isfinite(x)
        assert e.value is not None or e.reason


def test_one_used_category_leaves_kappa_and_alpha_undefined_and_never_1(gold):
    ratings = matrix(gold("edge_unanimous")["inputs"]["one_category"])
    estimates = by_name(ratings, [1, 2], None)
    cohen = agreement.cohen_kappa(ratings[:, 0], ratings[:, 1], [1, 2])
    for estimate in (estimates["fleiss.kappa"], estimates["krippen.alpha"], cohen):
        assert estimate.value is None
        assert estimate.reason == ONE_CATEGORY
        assert estimate.n == 10
    assert estimates["pa.coeff"].value == 1.0
    assert estimates["gwet.ac1"].value == 1.0


def test_full_agreement_over_two_categories_is_1_with_a_flagged_interval(gold):
    case = gold("edge_unanimous")
    ratings = matrix(case["inputs"]["two_category"])
    cohen = agreement.cohen_kappa(ratings[:, 0], ratings[:, 1], [1, 2])
    for estimate in (*by_name(ratings, [1, 2], None).values(), cohen):
        assert estimate.value == pytest.approx(1.0, abs=case["tolerance"])
        assert estimate.notes == (NO_WIDTH,)


def test_two_readers_who_each_use_one_category_but_not_the_same_have_kappa_0():
    kappa = agreement.cohen_kappa(matrix([1, 1]), matrix([2, 2]), [1, 2])
    assert kappa.value == 0.0


def test_a_single_reader_makes_no_pair():
    single = matrix([[1, NAN], [2, NAN], [NAN, 1]])
    for estimate in (
        *by_name(single, [1, 2], None).values(),
        agreement.cohen_kappa(single[:, 0], single[:, 1], [1, 2]),
    ):
        assert estimate.value is None
        assert estimate.reason == NO_PAIR
        assert estimate.n == 0


def test_a_single_unit_has_a_value_and_no_interval():
    one = matrix([[1, 2, 1]])
    for estimate in by_name(one, [1, 2], None).values():
        assert estimate.value is not None
        assert estimate.lower is None
        assert estimate.notes == (Code("one_unit"),)
    positive, _ = agreement.specific_agreement(matrix([[1, 0, 1]]))
    assert positive.value == 0.5
    assert positive.notes == (Code("one_unit"),)


def test_one_declared_category_leaves_the_chance_corrected_undefined():
    one = matrix([[1, 1], [1, 1]])
    for coefficient in (agreement.gwet_ac, agreement.brennan_prediger):
        assert coefficient(one, [1]).reason == ONE_DECLARED


def test_specific_agreement_of_two_readers_is_that_of_the_2x2_table():
    # a = 20 both positive, 5 + 10 discordant, 65 both negative: 2a/(2a+b+c), 2d/(2d+b+c).
    ratings = from_table([[65, 5], [10, 20]]) - 1
    positive, negative = agreement.specific_agreement(ratings)
    assert positive.value == pytest.approx(40 / 55)
    assert negative.value == pytest.approx(130 / 145)
    assert positive.events == 55
    # Delta method of 2a/(2a+b+c) under a multinomial.
    discordant, both, n = 15, 20, 100
    gradient = 2 / 55**2 * np.array([discordant * 1.0, -both])
    share = np.array([both, discordant]) / n
    covariance = n * (np.diag(share) - np.outer(share, share))
    se = np.sqrt(gradient @ covariance @ gradient) * np.sqrt(n / (n - 1))
    assert (positive.upper - positive.value) / Z == pytest.approx(se)


def test_specific_agreement_of_more_readers_pools_the_pairs():
    ratings = matrix([[1, 1, 0], [0, 0, NAN], [1, 1, 1], [0, 1, NAN]])
    positive, negative = agreement.specific_agreement(ratings)
    assert positive.value == pytest.approx((2 + 6) / (4 + 6 + 1))
    assert negative.value == pytest.approx(2 / (2 + 2 + 1))


def test_specific_agreement_without_such_ratings_or_pairs_is_undefined():
    positive, negative = agreement.specific_agreement(matrix([[0, 0], [0, 0]]))
    assert positive.value is None
    assert positive.reason == Code("no_pair_of_this_kind")
    assert negative.value == 1.0
    assert agreement.specific_agreement(matrix([[0, NAN]]))[0].reason == NO_PAIR


def test_at_low_prevalence_agreement_is_high_and_kappa_is_not():
    # Two independent readers of sensitivity .85 and specificity .97 at a prevalence of 5%.
    rng = np.random.default_rng(7)
    diseased = rng.random(40_000) < 0.05
    rate = np.where(diseased, 0.85, 0.03)[:, None]
    ratings = (rng.random((40_000, 2)) < rate).astype(float)
    figures = by_name(ratings, [0, 1], None)
    positive, _ = agreement.specific_agreement(ratings)
    assert figures["pa.coeff"].value == pytest.approx(0.93, abs=0.01)
    assert figures["fleiss.kappa"].value == pytest.approx(0.48, abs=0.02)
    assert figures["gwet.ac1"].value == pytest.approx(0.92, abs=0.01)
    assert positive.value == pytest.approx(0.52, abs=0.02)


def test_the_expected_table_of_two_independent_readers_gives_the_quoted_figures():
    """Sensitivity .85, specificity .97, prevalence 5%: exact shares of 100,000 cases."""
    ill, well = np.array([0.15, 0.85]), np.array([0.97, 0.03])
    shares = 0.05 * np.outer(ill, ill) + 0.95 * np.outer(well, well)
    ratings = from_table(np.rint(shares * 100_000).astype(int)) - 1
    assert len(ratings) == 100_000
    kappa = agreement.cohen_kappa(ratings[:, 0], ratings[:, 1], [0, 1])
    assert kappa.value == pytest.approx(0.484, abs=5e-4)
    assert agreement.percent_agreement(ratings, [0, 1]).value == pytest.approx(0.932, abs=5e-4)
    assert agreement.gwet_ac(ratings, [0, 1]).value == pytest.approx(0.922, abs=5e-4)
    assert agreement.specific_agreement(ratings)[0].value == pytest.approx(0.52, abs=5e-3)


def test_ratings_and_categories_are_checked_without_repeating_a_value():
    with pytest.raises(ValueError, match="none of the declared categories") as caught:
        agreement.rating_counts(matrix([[1, 7.25]]), [1, 2])
    assert "7.25" not in str(caught.value)
    with pytest.raises(ValueError, match="none of the declared"):
        agreement.cohen_kappa(matrix([3]), matrix([1]), [1, 2])
    with pytest.raises(ValueError, match="units, readers"):
        agreement.rating_counts(matrix([1, 2]), [1, 2])
    with pytest.raises(ValueError, match="increasing"):
        agreement.rating_counts(matrix([[1, 2]]), [2, 1])
    with pytest.raises(ValueError, match="linear, quadratic"):
        agreement.agreement_weights([1, 2], "cubic")
    with pytest.raises(ValueError, match="nominal, ordinal, interval"):
        agreement.krippendorff_alpha(matrix([[1, 2]]), [1, 2], level_of_measurement="ratio")
