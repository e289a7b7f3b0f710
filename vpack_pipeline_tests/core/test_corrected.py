"""Figures corrected for the panel's error on sites of known truth, and the fit they rest on."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from vpack_pipeline.core.adjudication import common_factor, panel_error
from vpack_pipeline.core.adjudication.basis import included_reads, read_basis
from vpack_pipeline.core.adjudication.label_noise import label_noise
from vpack_pipeline.core.evaluation.corrected import (
    ASSUMED,
    BY_READS,
    BY_SOURCES,
    over_assumptions,
)
from vpack_pipeline.core.evaluation.error_attribution import error_attribution
from vpack_pipeline.core.evaluation.label_sensitivity import label_sensitivity
from vpack_pipeline.core.evaluation.unanimous_doubt import Panels
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import Estimate, undefined
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.core.label_worlds import (
    CORRELATED,
    EVALUATION,
    correlated,
    noise_row,
    row,
    simulated,
    small,
)


def test_range_over_correlations_holds_the_share_that_independence_alone_misses() -> None:
    told = simulated(12000, readers=3, correlation=0.5).run(error_attribution)
    # The model is never wrong: all of its disagreements are the labels'.
    least = row(told, "share_not_separable", assumption="none")
    alone = row(told, "share_not_separable", assumption="0")
    most = row(told, "share_not_separable", assumption="0.5")
    assert row(told, "share_of_disagreements", panel_state="unanimous")["estimate"] == (
        pytest.approx(0.22, abs=0.03)
    )
    assert least["estimate"] <= alone["estimate"] < alone["upper"] < 0.95
    assert most["estimate"] > 0.95
    assert most["upper"] == pytest.approx(1)


def corrected(figures: pl.DataFrame, metric: str, source: str) -> list[dict[str, Any]]:
    """What is given of a corrected figure, over all that is assumed."""
    return (
        figures.filter(
            window="retrospective",
            metric=metric,
            variation=f"corrected_by_{source}",
            status="given",
        )
        .filter(pl.col("level") != "range")
        .to_dicts()
    )


def test_range_over_assumptions_holds_the_accuracy_that_independence_alone_misses() -> None:
    site = simulated(12000, readers=3, model=(0.85, 0.9), correlation=0.5, verified=0.2)
    found = site.run(label_sensitivity)
    independent = {**correlated("0")}
    for metric, truth in (("sensitivity_corrected", 0.85), ("specificity_corrected", 0.9)):
        for source in ("independent_sources", "reads"):
            planted = row(found, metric, variation=f"corrected_by_{source}", **correlated("0.5"))
            assert planted["lower"] <= truth <= planted["upper"], source
            rows = corrected(found, metric, source)
            whole = row(found, metric, variation=f"corrected_by_{source}", level="range")
            assert whole["lower"] == min(r["lower"] or r["estimate"] for r in rows)
            assert whole["upper"] == max(r["upper"] or r["estimate"] for r in rows)
            assert "assumptions_refused" in whole["method"].split(";")
            assert (whole["n"], whole["events"]) == (planted["n"], planted["events"])
            assert all("error_correlation_" in r["method"] for r in rows)
            assert all("correlation_assumed" in r["notes"].split(";") for r in rows)
        by_sources = {"variation": "corrected_by_independent_sources"} | independent
        assert row(found, metric, **by_sources)["reason"] == "counts_contradict_errors"
    alone = row(found, "specificity_corrected", variation="corrected_by_reads", **independent)
    assert truth < alone["lower"]


def test_range_holds_the_accuracy_of_a_model_that_errs_apart_from_the_readers() -> None:
    site = simulated(12000, readers=3, model=(0.85, 0.9), correlation=0.5, is_apart=True, seed=13)
    found = site.run(label_sensitivity)
    for metric, truth in (("sensitivity_corrected", 0.85), ("specificity_corrected", 0.9)):
        whole = row(found, metric, variation="corrected_by_reads", level="range")
        assert whole["lower"] <= truth <= whole["upper"]
        assert whole["method"].endswith("shared_by_model_or_not;assumptions_refused")
        detail = json.loads(whole["detail"])
        assert [detail[f"assumptions_refused.{n}"] for n in ("refused", "of")] == [0, 5]
        right = {
            "variation": "corrected_by_reads",
            "level_kind": "error_correlation_of_readers",
            "level": "0.5",
        }
        assert row(found, metric, **right)["lower"] <= truth <= row(found, metric, **right)["upper"]
    alone = row(
        found,
        "sensitivity_corrected",
        variation="corrected_by_reads",
        **correlated("0"),
    )
    apart = row(
        found,
        "sensitivity_corrected",
        variation="corrected_by_reads",
        level_kind="error_correlation_of_readers",
        level="0.5",
    )
    assert alone["upper"] < 0.85
    assert apart["lower"] <= 0.85 <= apart["upper"]


def test_correction_recovers_the_accuracy_that_one_reader_hides() -> None:
    site = simulated(12000, readers=1, model=(0.9, 0.92), verified=1.0)
    found = site.run(label_sensitivity)
    for metric, apparent, truth in (
        ("sensitivity", 0.616, 0.9),
        ("specificity", 0.906, 0.92),
    ):
        plain = row(found, metric, variation="panel_labels")
        assert plain["estimate"] == pytest.approx(apparent, abs=0.02)
        corrected = row(
            found,
            f"{metric}_corrected",
            variation="corrected_by_independent_sources",
            **correlated("0"),
        )
        assert corrected["estimate"] == pytest.approx(truth, abs=0.04)
        assert corrected["lower"] <= truth <= corrected["upper"]


def test_correction_holds_where_who_is_verified_follows_the_call_of_the_panel() -> None:
    """Half of positive and 15% of negative majorities: among these the panel is .981/.976."""
    site = simulated(
        20_000, readers=3, model=(0.9, 0.92), by_call=(0.5, 0.15), is_apart=True, seed=17
    )
    panel = site.run(label_noise)
    at = {"stratum": "independent_reference"}
    for metric, planted in (("panel_sensitivity", 0.939), ("panel_specificity", 0.993)):
        plain, standing = (
            noise_row(panel, f"{metric}{end}", **at) for end in ("", "_begg_greenes")
        )
        assert not plain["lower"] < planted < plain["upper"]
        assert "verified_are_selected" in plain["notes"].split(";")
        assert standing["lower"] < planted < standing["upper"]
        assert "if_verified_by_call" in standing["notes"].split(";")
        # It shows no count that the plain one does not.
        assert (standing["n"], standing["events"]) == (plain["n"], plain["events"])
    found = site.run(label_sensitivity)
    independent = {"variation": "corrected_by_independent_sources", **correlated("0")}
    for metric, planted in (("sensitivity", 0.9), ("specificity", 0.92)):
        figure = row(found, f"{metric}_corrected", **independent)
        assert figure["lower"] < planted < figure["upper"]
        assert "panel_error_by_sources" in figure["method"].split(";")
        assert "if_verified_by_call" in figure["notes"].split(";")


def test_a_handful_of_verified_misses_of_the_panel_corrects_nothing() -> None:
    site = simulated(1500, readers=3, by_call=(0.5, 0.15), seed=17)
    at = {"variation": "corrected_by_independent_sources", **correlated("0")}
    figure = row(site.run(label_sensitivity), "sensitivity_corrected", **at)
    assert figure["reason"] == "few_false_negatives_verified"
    assert figure["notes"] == "held_against_sources"
    panel = noise_row(
        site.run(label_noise),
        "panel_sensitivity_begg_greenes",
        stratum="independent_reference",
    )
    assert (panel["status"], panel["reason"]) == (
        "refused",
        "few_false_negatives_verified",
    )


def test_most_cases_without_a_panel_of_three_are_not_corrected_by_one() -> None:
    site = simulated(1500, readers=3, model=(0.9, 0.92), seed=19)
    is_third = (pl.col("reader_id") == "r2") & (pl.col("case_id") >= "c000500")
    pairs = site.reads.filter(~is_third)
    at = {"variation": "corrected_by_reads", **correlated("0")}
    alone = replace(site, reads=pairs)
    refused = row(alone.run(label_sensitivity), "specificity_corrected", **at)
    assert refused["reason"] == "panel_unusual"
    # With a further reader where two differ a pair is a panel of three.
    rules = made.adjudication(precedence=("third_reader", "majority"))
    role = pl.when(is_third).then(pl.lit("tiebreak")).otherwise("role")
    tied = site.reads.with_columns(role.alias("role"))
    broken = replace(site, reads=tied, adjudication=rules).run(label_sensitivity)
    figure = row(broken, "specificity_corrected", **at)
    assert figure["status"] == "given"
    assert json.loads(figure["detail"])["panel_error_of_majority.readers"] == 3


def test_rates_are_those_that_made_the_votes_and_chance_has_none() -> None:
    votes = panel_error.Votes(np.full(4, 3), np.arange(4))
    for rho in common_factor.CORRELATIONS:
        ill, well = (panel_error.chances(votes, np.array([r]), rho) for r in (0.85, 0.05))
        found = common_factor.reader_rates(votes, (0.1 * ill + 0.9 * well) * 5000, rho)
        assert np.concatenate(found) == pytest.approx([0.1, 0.85, 0.95], abs=1e-4)
    split = common_factor.reader_rates(votes, np.array([[0.0, 50.0, 50.0, 0.0]]), 0.0)
    assert np.isnan(split.prevalence).all()
    pairs = panel_error.Votes(np.full(3, 2), np.arange(3))
    assert np.isnan(common_factor.reader_rates(pairs, np.ones((1, 3)), 0.0).prevalence).all()


def test_both_sections_rest_on_one_fit_of_the_readers() -> None:
    site = simulated(600, readers=3, correlation=0.3)
    # Some cases with two votes, on which no panel of three rests.
    reads = site.reads.filter((pl.col("reader_id") != "r2") | (pl.col("case_id") > "c000099"))
    included = made.included_of(site.cases)
    # Others with one vote: the most of all, and no panel.
    reads = reads.filter((pl.col("reader_id") == "r0") | (pl.col("case_id") < "c000240"))
    noise = replace(site, reads=reads).run(label_noise)
    patient = (included["patient_id"].rank("dense") - 1).alias("patient_id")
    numbered = included.with_columns(patient)
    basis = read_basis(included_reads(reads, numbered, (made.PLAIN,)), "nodule")
    known = SimpleNamespace(n_patients=patient.n_unique())
    panels = Panels.of(basis, "nodule", known, EVALUATION)  # type: ignore[arg-type]
    for rates, rho in zip(panels.rates, CORRELATED, strict=True):
        at = {"stratum_kind": "error_correlation", "stratum": rho}
        for metric, values in zip(("sensitivity", "specificity"), rates[1:], strict=True):
            figure = noise_row(noise, f"reader_{metric}", **at)
            assert figure["estimate"] == pytest.approx(values[0])
            assert figure["n"] == 140
    assert panels.size == noise_row(noise, "panel_size", stratum="all")["estimate"] == 3


def test_readers_at_chance_have_no_error_to_correct_for() -> None:
    panels = {f"c{i:02d}": said for i, said in enumerate(["+ + -", "+ - -"] * 10)}
    reads = made.reads_of([r for c, said in panels.items() for r in made.panel(c, said)])
    site = small(cases=made.cases_of(sorted(panels)), reads=reads, score=[0.9, 0.2] * 10)
    told = row(site.run(error_attribution), "share_not_separable", assumption="0")
    assert told["status"] == "refused"
    found = site.run(label_sensitivity)
    at = {"variation": "corrected_by_reads", **correlated("0")}
    assert row(found, "sensitivity_corrected", **at)["reason"] == "readers_by_chance"


def given(value: float, lower: float | None = None, upper: float | None = None) -> Estimate:
    return Estimate(value, lower, upper, 10, None, ())


def test_the_range_reaches_from_the_lowest_bound_to_the_highest() -> None:
    refused = undefined("contradicted", method=(), n=10)
    found = over_assumptions([refused, given(0.8, 0.7, 0.85), given(0.9, 0.75, 0.95)], BY_SOURCES)
    assert (found.value, found.lower, found.upper) == (0.8, 0.7, 0.95)
    assert found.method == (
        code("range_over_assumptions", correlations=(0.0, 0.3, 0.5)),
        code("assumptions_refused", refused=1, of=3),
    )
    assert found.notes == coded("range_of_intervals", ASSUMED)


def test_a_figure_without_an_interval_counts_with_its_value_and_the_range_says_so() -> None:
    found = over_assumptions([given(0.8, 0.7, 0.85), given(0.9)], BY_READS)
    assert (found.lower, found.upper) == (0.7, 0.9)
    assert found.notes[0] == code("intervals_missing_in_range", bare=1, of=2)
    assert Code("shared_by_model_or_not") in found.method


def test_where_all_is_refused_there_is_no_range() -> None:
    none = over_assumptions([undefined("contradicted", method=(), n=10)] * 3, BY_SOURCES)
    assert (none.value, none.reason) == (None, Code("contradicted"))
