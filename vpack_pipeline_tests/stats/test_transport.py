"""Figures carried to a target by counts of cells: definitions, bounds, prevalence, margins."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import interval_designs, transport_designs
from vpack_pipeline.stats.estimate import normal_quantile
from vpack_pipeline.stats.proportions import wilson_bounds
from vpack_pipeline.stats.transport import (
    FIGURES,
    Cell,
    JointCell,
    odds_factor,
    pooled,
    range_over_tables,
    shares_of,
    transported,
)
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

TWO = [Cell(1, 9, 1, 30, 4, 2, 1), Cell(3, 5, 5, 2, 10, 0, 3)]
counts = st.integers(0, 30).map(float)
cells = st.lists(
    st.builds(Cell, st.integers(0, 50).map(float), *[counts] * 6), min_size=1, max_size=6
)


def by_definition(given_cells, success, failure, deff=1.0):
    """θ and its variance, as they are defined, without a typed prevalence."""
    q = np.array([c.persons for c in given_cells]) / sum(c.persons for c in given_cells)
    n = np.array([sum(c[1:]) for c in given_cells])
    k = np.array([sum(c[i] for i in success) for c in given_cells])
    m = k + np.array([sum(c[i] for i in failure) for c in given_cells])
    theta = (q * k / n).sum() / (q * m / n).sum()
    p, b = (k + 1) / (m + 2), (m + 1) / (n + 2)
    each = (b * p * (1 - p) + (p - theta) ** 2 * b * (1 - b)) / n
    variance = deff * (q**2 * each).sum() / (q * m / n).sum() ** 2
    smooth = (q * b * p).sum() / (q * b).sum()
    return theta, smooth * (1 - smooth) / variance


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_and_bounds_are_those_of_the_definition(figure):
    theta, size = by_definition(TWO, *FIGURES[figure], deff=1.7)
    found = transported(TWO, figure, 1.7, 0.9)
    assert found.value == pytest.approx(theta, abs=1e-14)
    z = normal_quantile(0.9)
    for bound in (found.lower, found.upper):
        # Wilson's bounds are where the distance is z standard errors at the bound itself.
        assert (theta - bound) ** 2 == pytest.approx(z**2 * bound * (1 - bound) / size)
    assert found.lower < theta < found.upper


def test_a_target_that_is_this_set_gives_its_own_figures():
    own = [cell._replace(persons=cell.cases) for cell in TWO]
    assert transported(own, "sensitivity").value == pytest.approx(14 / 20)
    assert transported(own, "specificity").value == pytest.approx(32 / 46)
    assert transported(own, "ppv").value == pytest.approx(14 / 28)
    assert transported(own, "npv").value == pytest.approx(32 / 38)
    assert transported(own, "prevalence").value == pytest.approx(20 / 66)
    assert transported(own, "flagged_per_1000").value == pytest.approx(30 / 72)
    found = transported(own, "missed_per_1000")
    assert found.value == pytest.approx(6 / 66)
    assert (found.n, found.events) == (66, 6)


def test_cells_without_case_or_person_do_not_count():
    more = [*TWO, Cell(50, 0, 0, 0, 0, 0, 0), Cell(0, 8, 8, 8, 8, 8, 8)]
    assert transported(more, "ppv") == transported(TWO, "ppv")


def test_nobody_in_the_denominator_is_no_figure():
    none = transported([Cell(1, 0, 0, 5, 1, 0, 0)], "sensitivity")
    assert (none.value, none.reason.name) == (None, "nobody_in_denominator")
    assert transported([], "ppv").value is None
    assert pooled([Cell(1, 0, 0, 5, 1, 0, 0)], "sensitivity").value is None
    with pytest.raises(ValueError, match="one case or more"):
        shares_of(Cell(1, 0, 0, 0, 0, 0, 0), "ppv")


def test_this_sets_own_figures_have_wilsons_interval_on_its_cases():
    found = pooled(TWO, "sensitivity", 1.5)
    assert found.value == 14 / 20
    assert (found.lower, found.upper) == wilson_bounds(14 / 20, 20 / 1.5)


@given(cells, st.sampled_from(sorted(FIGURES)), st.floats(0.05, 20))
@examples_drawn(60)
def test_any_figure_is_a_share_within_its_bounds(drawn, figure, odds):
    found = transported(drawn, figure, odds=odds)
    if found.value is not None:
        assert 0 <= found.lower <= found.value <= found.upper <= 1
        assert found.events <= found.n


def test_a_typed_prevalence_multiplies_every_cells_odds_alike():
    odds = odds_factor(TWO, 0.05)
    assert transported(TWO, "prevalence", odds=odds).value == pytest.approx(0.05, abs=1e-12)
    # By hand: shares of positives and negatives among the decided, each so multiplied.
    hits = all_sick = 0.0
    for cell in TWO:
        decided = cell.positives + cell.negatives
        before = cell.positives / decided
        after = odds * before / (1 - before + odds * before)
        hits += cell.persons * decided / cell.cases * after * cell.true_positives / cell.positives
        all_sick += cell.persons * decided / cell.cases * after
    assert transported(TWO, "sensitivity", odds=odds).value == pytest.approx(hits / all_sick)
    assert odds_factor(TWO, transported(TWO, "prevalence").value) == pytest.approx(1.0)


@pytest.mark.parametrize("prevalence", [0.0, 1.0])
def test_a_prevalence_of_nobody_or_everybody_is_refused(prevalence):
    with pytest.raises(ValueError, match="prevalence is above 0 and below 1"):
        odds_factor(TWO, prevalence)


def test_a_prevalence_that_no_factor_reaches_has_none():
    half = [Cell(1, 5, 5, 10, 0, 0, 0), Cell(1, 0, 0, 20, 0, 0, 0)]
    assert odds_factor(half, 0.6) is None
    assert odds_factor(half, 0.4) is not None
    assert odds_factor([Cell(1, 5, 5, 0, 0, 0, 0), TWO[0]], 0.1) is None
    assert odds_factor([Cell(1, 0, 0, 0, 0, 5, 0)], 0.1) is None


JOINT = list(itertools.product((0, 1), (0, 1)))
ALPHA, BETA = (0.09, 0.05, 0.02, 0.16), (0.1, 0.1, 0.05, 0.2)


def two_by_two(*has_cases):
    has = has_cases or (True,) * 4
    rows = zip(JOINT, ALPHA, BETA, has, strict=True)
    return [JointCell(at, a * h, b * h, h) for at, a, b, h in rows]


def test_the_range_is_that_of_every_table_with_these_margins():
    low, high = range_over_tables(two_by_two(), [(60, 40), (30, 70)], 0.1)
    found = []
    for first in np.linspace(0, 30, 3001):
        table = np.array([first, 60 - first, 30 - first, 10 + first])
        found.append(table @ ALPHA / (table @ BETA))
    assert (low, high) == (pytest.approx(min(found)), pytest.approx(max(found)))


def test_few_of_a_table_may_lie_in_cells_without_a_case():
    thin = two_by_two(True, True, False, True)
    # All 60 of the first level and at most 10 of the second in the cell without a case.
    found = [
        ((c * 0.09 + (60 - c) * 0.05 + (10 + c) * 0.16), (60 * 0.1 + (10 + c) * 0.2))
        for c in np.linspace(20, 30, 1001)
    ]
    ratios = [a / b for a, b in found]
    low, high = range_over_tables(thin, [(60, 40), (30, 70)], 0.1)
    assert (low, high) == (pytest.approx(min(ratios)), pytest.approx(max(ratios)))
    assert (
        range_over_tables(two_by_two(False, True, False, True), [(60, 40), (30, 70)], 0.1) is None
    )


FEW = list(transport_designs.sensitivities())[4::36]


@pytest.mark.parametrize("design", FEW, ids=lambda d: d.name)
def test_a_truth_on_the_goal_is_seldom_met(design):
    found = interval_designs.rates(design, 200, seed=1)
    # 200 runs at .035: more than 14 have a probability of one in a hundred.
    assert found.lower_above <= 14 / 200
    assert found.lower_above + found.upper_below + found.without < 0.15


def test_the_plain_delta_method_claims_far_more():
    """What the designs are for: on the same studies the simpler interval is caught."""
    plain = transport_designs.sensitivities(transport_designs.by_delta_method)
    thin = [d for d in plain if d.name.startswith("rare here, one cell there, prevalence rising")]
    assert len(thin) == 5
    assert interval_designs.rates(thin[-1], 200, seed=1).lower_above > 0.2


def test_a_typed_prevalence_claims_no_more():
    for figure in ("sensitivity", "ppv"):
        for design in list(transport_designs.typed_prevalences(figure))[7::60]:
            assert interval_designs.rates(design, 200, seed=3).lower_above <= 14 / 200, design.name
