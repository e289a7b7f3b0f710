"""A few designs and runs of the nightly simulations of intervals (``benchmarks/simulations.py``)."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import coverage_table
from benchmarks import interval_designs as designs
from benchmarks import sampling_designs as sampled

RUNS = 200
# 200 runs at .04: more than 16 have a probability of one in 200.
MOST = 16 / RUNS

FEW = {
    "share": list(designs.proportions())[5::60],
    "area": list(designs.areas_one_case())[7::30],
    "area by patient": list(designs.areas_by_patient())[9::60],
    "difference of shares": list(designs.proportion_differences())[1::14],
    "difference of areas": list(designs.area_differences())[1::7],
    "sensitivity of a two-phase sample": list(sampled.two_phase_shares())[4::24],
    "sensitivity of three strata": list(sampled.three_strata_shares())[0:16:5],
    "predictive value, drawn by label": list(sampled.enriched_predictive_values())[3:24:7],
    "weighted area": list(sampled.weighted_areas())[9:160:50],
    "difference of weighted shares": list(sampled.two_phase_differences())[:6:2],
}


@pytest.mark.parametrize("of", FEW)
def test_a_truth_on_the_goal_is_seldom_met(of):
    assert len(FEW[of]) > 2
    for design in FEW[of]:
        found = designs.rates(design, RUNS, seed=1)
        assert found.lower_above <= MOST, design.name
        assert found.lower_above + found.upper_below + found.without < 0.15, design.name


def test_the_normal_interval_of_an_area_claims_far_more():
    """What the designs are for: on the same studies the interval before this one is caught."""
    pairs = zip(
        designs.areas_one_case(), designs.areas_one_case(designs.normal_interval), strict=True
    )
    small = [pair for pair in pairs if pair[0].truth == 0.95 and "10/10" in pair[0].name]
    assert len(small) == 3
    for now, before in small:
        assert designs.rates(now, RUNS, seed=2).lower_above <= MOST
        assert designs.rates(before, RUNS, seed=2).lower_above > 0.15


def test_kishs_size_claims_far_more_of_a_thin_sample():
    pairs = zip(
        sampled.two_phase_shares(), sampled.two_phase_shares(sampled.on_kish_size), strict=True
    )
    of = ("4000, prevalence=0.05", "0.0150 of the cleared")
    thin = [pair for pair in pairs if all(words in pair[0].name for words in of)]
    assert len(thin) == 2
    for now, before in thin:
        assert designs.rates(now, RUNS, seed=2).lower_above <= MOST
        assert designs.rates(before, RUNS, seed=2).lower_above > 0.15


@pytest.mark.parametrize("sensitivity", [0.8, 0.95])
def test_a_two_phase_sample_is_of_the_sensitivity_that_it_says(sensitivity):
    service = sampled.Service.of_sensitivity(40_000, 0.2, sensitivity, 3)
    drawn = service.draw(np.random.default_rng(4), lambda _, y: np.ones(y.size))
    assert drawn.flagged[drawn.positive].mean() == pytest.approx(sensitivity, abs=0.02)
    assert drawn.flagged[~drawn.positive].mean() == pytest.approx(0.1, abs=0.01)
    assert service.sensitivity == pytest.approx(sensitivity)


def test_like_strata_seldom_seem_to_differ():
    for alike in list(designs.strata())[::6]:
        assert designs.false_alarms(alike, RUNS, seed=3) <= 18 / RUNS, alike.name


@pytest.mark.parametrize("kind", designs.KINDS)
def test_a_design_has_the_area_that_it_says(kind):
    from vpack_pipeline.stats.roc import auc

    scores = designs.Scores(kind, 0.85, 0.5, (1, 3))
    score, positive, patient = scores.draw(np.random.default_rng(4), 15_000, 15_000)
    assert auc(score, positive) == pytest.approx(scores.truth(), abs=0.01)
    assert np.bincount(patient).max() == 3


@pytest.mark.parametrize("patients", coverage_table.PATIENTS[:3])
def test_a_share_of_patients_with_one_case_each_misses_no_more_than_is_said(patients):
    """Exactly: at the truths of the printed table, and as much as the page says between them."""
    for truth in coverage_table.TRUTHS:
        assert coverage_table.enumerated(patients, truth).lower_above <= coverage_table.FALSE_MET
    between = [coverage_table.enumerated(patients, t) for t in np.linspace(0.5, 0.99, 197)]
    assert max(found.lower_above for found in between) < 0.045
    assert all(found.without == 0 for found in between)


def test_the_printed_table_says_where_an_interval_misses_too_often():
    (share, area, *_) = coverage_table.PRINTED
    held = designs.Rates(0.03, 0.03, 0.0, 1.0)
    for printed, found, is_met in (
        (share, held, True),
        (area, held._replace(lower_above=0.039), True),
        (share, held._replace(lower_above=0.039), False),
        (share, held._replace(upper_below=0.06), False),
        (share, held._replace(without=0.5), False),
        (share, designs.Rates(0.01, 0.01, 0.5, 1.0), True),
    ):
        assert coverage_table.is_met(printed, 15, found, np.inf) == is_met
    assert coverage_table.is_met(share, 10, held._replace(upper_below=0.09), np.inf)
