"""Figures under other labels, and attribution at error correlations, on sites of known truth."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from vpack_pipeline.core.adjudication import common_factor, panel_error
from vpack_pipeline.core.adjudication.latent import CAUTION, TOO_FEW
from vpack_pipeline.core.evaluation.corrected import TOO_FEW_VERIFIED
from vpack_pipeline.core.evaluation.error_attribution import error_attribution
from vpack_pipeline.core.evaluation.label_sensitivity import label_sensitivity
from vpack_pipeline.stats.roc import auc
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.core.label_worlds import (
    CORRELATED,
    correlated,
    row,
    simulated,
    small,
)


def test_one_reader_makes_a_perfect_model_look_poor_and_nothing_is_attributed() -> None:
    site = simulated(8000, readers=1)
    found = site.run(label_sensitivity)
    headline = row(found, "sensitivity", variation="as_labelled")
    assert headline["estimate"] == pytest.approx(0.654, abs=0.02)
    told = site.run(error_attribution)
    share = row(told, "share_not_separable", assumption="none")
    assert share["estimate"] == 1
    for rho in CORRELATED:
        refused = row(told, "share_not_separable", assumption=rho)
        assert refused["reason"] == "no_case_with_three_votes"
        by_reads = row(
            found, "sensitivity_corrected", variation="corrected_by_reads", **correlated(rho)
        )
        assert by_reads["reason"] == refused["reason"]


def test_three_readers_make_it_look_nearly_perfect_and_few_disagreements_unanimous() -> None:
    site = simulated(8000, readers=3)
    found = row(site.run(label_sensitivity), "sensitivity", variation="as_labelled")
    assert found["estimate"] == pytest.approx(0.935, abs=0.02)
    told = site.run(error_attribution)
    assert row(told, "share_of_disagreements", panel_state="unanimous")["estimate"] <= 0.05
    assert row(told, "share_not_separable", assumption="none")["estimate"] >= 0.95


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_another_panel_gives_what_new_readers_of_the_same_cases_would_have_given(rho) -> None:
    """Readers drawn from a case's own three made .63 of what new panels give as .81 at ρ = 0."""
    world = {"readers": 3, "model": (0.9, 0.92), "correlation": rho, "is_apart": True, "seed": 12}
    site = simulated(4000, **world)  # type: ignore[arg-type]
    found = site.run(label_sensitivity)
    wrong_level = {"0": "0.5", "0.5": "0"}[f"{rho:g}"]
    flagged = np.array(site.score) > 0.5
    for metric in ("sensitivity", "specificity"):
        new = []
        for panel in range(1, 11):
            reads = simulated(4000, panel=panel, **world).reads  # type: ignore[arg-type]
            votes = reads.group_by("case_id").agg(pl.col("rating").median()).sort("case_id")
            is_ill = votes["rating"].to_numpy() == 5
            new.append(flagged[is_ill].mean() if metric == "sensitivity" else None)
            if metric == "specificity":
                new[-1] = (~flagged)[~is_ill].mean()
        at = {"variation": "resampled_panel", **correlated(f"{rho:g}")}
        drawn = row(found, metric, **at)
        assert drawn["lower"] <= np.mean(new) <= drawn["upper"]
        assert drawn["estimate"] == pytest.approx(np.mean(new), abs=0.015)
        headline = row(found, metric, variation="as_labelled")
        assert drawn["lower"] <= headline["estimate"] <= drawn["upper"]
        assert drawn["notes"] == "sensitivity_analysis;another_panel"
    elsewhere = row(found, "sensitivity", variation="resampled_panel", **correlated(wrong_level))
    assert elsewhere["estimate"] != drawn["estimate"]


def test_other_readers_leave_what_an_independent_source_settled() -> None:
    """A test that agrees with each pathology agrees with any panel of cases all verified."""
    site = simulated(600, readers=3, verified=1.0)
    found = site.run(label_sensitivity)
    for level in CORRELATED:
        drawn = row(found, "sensitivity", variation="resampled_panel", **correlated(level))
        assert (drawn["lower"], drawn["estimate"], drawn["upper"]) == (1, 1, 1)
    assert row(found, "sensitivity", variation="posterior")["estimate"] == 1


def test_a_tie_is_broken_by_one_more_reader_where_the_protocol_has_one() -> None:
    votes = panel_error.Votes(np.array([2, 2, 2]), np.arange(3))
    open_, broken = (
        common_factor.another_panel(votes, 0.85, 0.0, is_tie_broken=broken)
        for broken in (False, True)
    )
    assert open_.positive == pytest.approx(np.full(3, 0.85**2))
    assert open_.negative == pytest.approx(np.full(3, 0.15**2))
    # With its third reader a pair is a majority of three.
    assert broken.positive == pytest.approx(np.full(3, 0.85**3 + 3 * 0.85**2 * 0.15))
    assert broken.positive + broken.negative == pytest.approx(np.ones(3))
    hard = common_factor.another_panel(votes, 0.85, 0.5, is_tie_broken=True).positive
    # A case that two readers missed is a hard one.
    assert hard[0] < hard[1] < hard[2]


def test_belief_gives_back_the_accuracy_that_the_reads_alone_take_from_a_test() -> None:
    """Weighted by their reads alone, cases made a test of .90 one of .79 and a perfect one .87."""
    fair = simulated(6000, readers=3, model=(0.9, 0.92), seed=14).run(label_sensitivity)
    for metric, planted, tolerance in (("sensitivity", 0.9, 0.035), ("specificity", 0.92, 0.01)):
        found = row(fair, metric, variation="posterior")
        assert found["estimate"] == pytest.approx(planted, abs=tolerance)
        assert CAUTION.name in found["notes"].split(";")
        assert "settled_by_source" in found["method"].split(";")
    # Two values of the score are one threshold.
    both = [row(fair, m, variation="posterior")["estimate"] for m in ("sensitivity", "specificity")]
    assert row(fair, "auc", variation="posterior")["estimate"] == pytest.approx(sum(both) / 2)
    perfect = simulated(6000, readers=3, seed=14).run(label_sensitivity)
    for metric in ("sensitivity", "specificity", "auc"):
        assert row(perfect, metric, variation="posterior")["estimate"] > 0.985


def test_belief_finds_the_area_of_a_score_of_many_values() -> None:
    site = simulated(6000, readers=3, seed=15)
    rng = np.random.default_rng(5)
    is_ill = np.array(site.score) > 0.5
    latent = rng.standard_normal(6000) + 1.5 * is_ill
    site = replace(site, score=(1 / (1 + np.exp(-latent))).tolist())
    found = row(site.run(label_sensitivity), "auc", variation="posterior")
    assert found["estimate"] == pytest.approx(auc(latent, is_ill), abs=0.015)


def test_every_variation_stands_beside_the_headline() -> None:
    found = small().run(label_sensitivity)
    headline = row(found, "sensitivity", variation="as_labelled")
    assert (headline["n"], headline["events"]) == (7, 6)
    assert headline["notes"] == "prespecified_rule"
    # Without r2, c is undecided and leaves; so it does without r0.
    for reader, sensitivity in (("r0", 1.0), ("r1", 6 / 7), ("r2", 1.0)):
        dropped = row(found, "sensitivity", variation="drop_reader", level=reader)
        assert dropped["estimate"] == pytest.approx(sensitivity)
        assert (dropped["n"], dropped["events"]) == (7, 6)
        assert dropped["level_kind"] == "reader"
        assert "sensitivity_analysis" in dropped["notes"].split(";")
    # d is undecided and flagged.
    flipped = {
        level: row(found, metric, variation="undecided", level=level)
        for level, metric in (("positive", "sensitivity"), ("negative", "specificity"))
    }
    assert (flipped["positive"]["events"], flipped["positive"]["n"]) == (7, 8)
    assert (flipped["negative"]["events"], flipped["negative"]["n"]) == (42, 43)
    independent = correlated("0")
    drawn = row(found, "sensitivity", variation="resampled_panel", **independent)
    assert 6 / 8 <= drawn["lower"] <= drawn["estimate"] <= drawn["upper"] <= 1
    assert (drawn["n"], drawn["events"]) == (7, 6)
    belief = row(found, "specificity", variation="posterior")
    assert 0.9 < belief["estimate"] <= 1
    assert row(found, "auc", variation="resampled_panel", **independent)["status"] == "given"
    few = row(
        found,
        "sensitivity_corrected",
        variation="corrected_by_independent_sources",
        **independent,
    )
    assert few["reason"] == TOO_FEW_VERIFIED.name


def test_draws_do_not_depend_on_the_order_or_the_names_of_readers() -> None:
    site = small()
    names = {"r0": "z", "r1": "y", "r2": "x"}
    renamed = site.reads.with_columns(pl.col("reader_id").replace(names)).reverse()
    wanted = ~pl.col("variation").is_in(["drop_reader"])
    found = [s.run(label_sensitivity).filter(wanted) for s in (site, small(reads=renamed))]
    assert found[0].equals(found[1])


def test_reads_after_sight_of_peers_are_no_ground_for_dropping_readers() -> None:
    seen = small(reads=small().reads.with_columns(saw_peers=pl.lit(value=True)))
    found = seen.run(label_sensitivity)
    for variation in ("drop_reader", "resampled_panel", "posterior", "corrected_by_reads"):
        rows = found.filter(
            (pl.col("variation") == variation) & (pl.col("window") == "retrospective")
        )
        assert set(rows["status"]) == {"refused"}
        assert set(rows["reason"]) == {"reads_followed_peers"}
    assert row(found, "sensitivity", variation="as_labelled")["status"] == "given"


def test_what_cannot_be_given_says_why() -> None:
    none = small(evaluation=made.evaluation()).run(label_sensitivity)
    level = correlated("0")
    drawn = row(none, "sensitivity", variation="resampled_panel", **level)
    assert drawn["reason"] == "no_operating_point"
    assert row(none, "auc", variation="posterior")["status"] == "given"
    corrected = row(none, "specificity_corrected", variation="corrected_by_reads", **level)
    assert corrected["reason"] == "no_operating_point"
    failed = small(score=[None] * 50).run(label_sensitivity)
    assert row(failed, "auc", variation="posterior")["reason"] == "no_usable_inference"
    nobody = small(reads=small().reads.clear()).run(label_sensitivity)
    refused = row(nobody, "auc", variation="resampled_panel", **level)
    assert refused["status"] == "refused"
    two = small().reads.filter(pl.col("reader_id") != "r2")
    lone = small(reads=two).run(label_sensitivity)
    assert row(lone, "auc", variation="posterior")["reason"] == TOO_FEW.name
    sources = made.adjudication(precedence=("independent_reference",))
    alone = small(adjudication=sources).run(label_sensitivity)
    at = {"variation": "corrected_by_independent_sources", **level}
    assert row(alone, "sensitivity_corrected", **at)["reason"] == "no_panel_rule"
    unnamed = made.adjudication(precedence=("majority",), reference_sources=())
    found = small(adjudication=unnamed).run(label_sensitivity)
    assert row(found, "sensitivity_corrected", **at)["reason"] == "no_independent_source"


def test_prospective_window_is_withheld_before_the_first_look() -> None:
    found = small(cut=datetime.date(2026, 1, 10)).run(label_sensitivity)
    assert set(found.filter(window="prospective")["status"]) == {"withheld"}


def test_below_thirty_cases_with_three_votes_nothing_is_weighted_by_belief() -> None:
    """As of the soft labels of the reference standard, whose model this is."""
    site = small()
    few = site.cases["case_id"].head(29)
    reads = site.reads.filter(pl.col("case_id").is_in(few.implode()))
    found = small(reads=reads).run(label_sensitivity)
    belief = found.filter(variation="posterior", window="retrospective")
    assert set(belief["reason"]) == {TOO_FEW.name}
    assert row(found, "sensitivity", variation="drop_reader", level="r0")["status"] == "given"


def test_where_every_read_is_negative_no_case_is_weighted_as_positive() -> None:
    site = simulated(60, readers=3)
    all_negative = site.reads.with_columns(pl.lit(made.RATINGS["-"]).alias("rating"))
    found = replace(site, reads=all_negative).run(label_sensitivity)
    posterior = {"variation": "posterior", "level": "dawid_skene"}
    sensitivity = row(found, "sensitivity", **posterior)
    assert (sensitivity["status"], sensitivity["reason"]) == ("refused", "class_without_cases")
    assert row(found, "specificity", **posterior)["status"] == "given"
