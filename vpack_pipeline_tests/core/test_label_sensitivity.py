"""Figures under other labels, and attribution at error correlations, on sites of known truth."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtri

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication import (
    common_factor,
    label_noise,
    panel_error,
    reference_standard,
)
from vpack_pipeline.core.adjudication.basis import included_reads, read_basis
from vpack_pipeline.core.adjudication.latent import CAUTION, TOO_FEW
from vpack_pipeline.core.evaluation import error_attribution, label_sensitivity
from vpack_pipeline.core.evaluation.corrected import TOO_FEW_VERIFIED
from vpack_pipeline.core.evaluation.time_split import time_split
from vpack_pipeline.core.evaluation.unanimous_doubt import Panels
from vpack_pipeline.protocol import Adjudication, Evaluation, IndexTest
from vpack_pipeline.stats.roc import auc
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.core.evaluation_world import published_looks
from vpack_pipeline_tests.core.test_adjudication_attribution import INDEX_TEST, POINT

CUT = datetime.date(2026, 7, 20)
ONE_MODEL = INDEX_TEST.model_copy(update={"models": INDEX_TEST.models[:1]})
EVALUATION = made.evaluation(operating_points=(POINT,), replicates=200)
CORRELATED = ("0", "0.3", "0.5")


@dataclass(frozen=True)
class Site:
    """Frames of a site; ``score`` None of a case is a failed inference."""

    cases: pl.DataFrame
    reads: pl.DataFrame
    reference: pl.DataFrame
    score: list[float | None]
    adjudication: Adjudication
    evaluation: Evaluation = EVALUATION
    index_test: IndexTest = ONE_MODEL
    cut: datetime.date = CUT

    def run(self, function: Any) -> pl.DataFrame:
        included = made.included_of(self.cases)
        shared = {"findings": (made.PLAIN,), "adjudication": self.adjudication}
        labels = reference_standard(
            cases=self.cases, reads=self.reads, reference=self.reference, **shared
        )
        arguments: dict[str, Any] = {
            **shared,
            "reference_standard": labels,
            "cases": self.cases,
            "reads": self.reads,
            "reference": self.reference,
            "included": included,
            "index_test": self.index_test,
            "evaluation": self.evaluation,
            "published_looks": published_looks(),
            "cut": self.cut,
            "inferences": self._inferences(),
        }
        arguments["time_split"] = time_split(
            cases=self.cases,
            reference_standard=labels,
            included=included,
            adjudication=self.adjudication,
            evaluation=self.evaluation,
            cut=self.cut,
        )
        section = "adjudication" if function is label_noise else "evaluation"
        contract = contracts.load()[f"{section}/{function.__name__}"]
        asked = {*contract.inputs, *contract.protocol, *contract.outside}
        asked |= {"cut"} if contract.uses_cut else set()
        found = function(**{name: arguments[name] for name in asked})
        assert found.sort(contract.key).equals(found)
        return contracts.conform(found, contract)

    def _inferences(self) -> pl.DataFrame:
        return self.cases.select(
            "case_id",
            pl.lit("nodule").alias("finding"),
            pl.lit("new").alias("model_id"),
            pl.Series("status", ["failed" if s is None else "ok" for s in self.score]),
            pl.Series("score", self.score, dtype=pl.Float64),
            pl.lit(None, pl.Boolean).alias("call"),
        )


def simulated(
    n: int,
    *,
    readers: int,
    model: tuple[float, float] = (1.0, 1.0),
    correlation: float = 0.0,
    verified: float = 0.0,
    is_apart: bool = False,
    seed: int = 11,
    panel: int = 0,
    by_call: tuple[float, float] | None = None,
) -> Site:
    """10% prevalence, readers of 85/95; latent errors share one factor a case.

    The model's too, unless it is apart. Another panel of such readers sees the same cases.
    ``by_call`` has the shares of positive and of negative majorities that are verified.
    """
    rng = np.random.default_rng(seed)
    is_ill = rng.random(n) < 0.1
    factor = rng.standard_normal(n)

    others = np.random.default_rng([seed, panel])

    def said(
        sensitivity: float, specificity: float, rho: float = correlation, *, is_reader: bool = True
    ) -> Any:
        own = rng.standard_normal(n)
        if panel and is_reader:
            own = others.standard_normal(n)
        noise = np.sqrt(rho) * factor + np.sqrt(1 - rho) * own
        is_right = ndtri(np.where(is_ill, sensitivity, specificity)) + noise > 0
        return np.where(is_right, is_ill, ~is_ill)

    names = [f"c{i:06d}" for i in range(n)]
    plain = made.read("", "", "+")
    parts = [
        pl.DataFrame(
            {"case_id": names, "rating": np.where(said(0.85, 0.95), 5.0, 1.0)}
        ).with_columns(reader_id=pl.lit(f"r{reader}"))
        for reader in range(readers)
    ]
    rest = {k: v for k, v in plain.items() if k not in ("case_id", "rating", "reader_id")}
    reads = pl.concat(parts).with_columns(
        pl.lit(v, made.READS[k]).alias(k)
        for k, v in rest.items()  # type: ignore[arg-type]
    )
    sought = rng.random(n) < verified
    if by_call is not None:
        votes = reads.group_by("case_id").agg(pl.col("rating").median()).sort("case_id")
        sought = rng.random(n) < np.where(votes["rating"].to_numpy() == 5, *by_call)
    truth = [
        (name, "pathology", "positive" if ill else "negative", 5)
        for name, ill, has in zip(names, is_ill, sought, strict=True)
        if has
    ]
    return Site(
        cases=made.cases_of(names),
        reads=reads.select(list(made.READS)),
        reference=made.reference_of(truth),
        score=np.where(
            said(*model, 0.0 if is_apart else correlation, is_reader=False), 0.9, 0.1
        ).tolist(),
        adjudication=made.adjudication(precedence=("independent_reference", "majority")),
    )


def row(figures: pl.DataFrame, metric: str, **where: str) -> dict[str, Any]:
    return figures.row(
        by_predicate=pl.all_horizontal(
            pl.col(k) == v
            for k, v in {"window": "retrospective", "metric": metric, **where}.items()
        ),
        named=True,
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
        at = f"error_correlation={rho}"
        refused = row(told, "share_not_separable", assumption=at)
        assert (
            refused["reason"] == "no included case has three positive or negative independent reads"
        )
        by_reads = row(found, "sensitivity_corrected", variation="corrected_by_reads", level=at)
        assert by_reads["reason"] == refused["reason"]


def test_three_readers_make_it_look_nearly_perfect_and_few_disagreements_unanimous() -> None:
    site = simulated(8000, readers=3)
    found = row(site.run(label_sensitivity), "sensitivity", variation="as_labelled")
    assert found["estimate"] == pytest.approx(0.935, abs=0.02)
    told = site.run(error_attribution)
    assert row(told, "share_of_disagreements", panel_state="unanimous")["estimate"] <= 0.05
    assert row(told, "share_not_separable", assumption="none")["estimate"] >= 0.95


def test_range_over_correlations_holds_the_share_that_independence_alone_misses() -> None:
    told = simulated(12000, readers=3, correlation=0.5).run(error_attribution)
    # The model is never wrong: all of its disagreements are the labels'.
    least = row(told, "share_not_separable", assumption="none")
    alone = row(told, "share_not_separable", assumption="error_correlation=0")
    most = row(told, "share_not_separable", assumption="error_correlation=0.5")
    assert row(told, "share_of_disagreements", panel_state="unanimous")["estimate"] == (
        pytest.approx(0.22, abs=0.03)
    )
    assert least["estimate"] <= alone["estimate"] < alone["upper"] < 0.95
    assert most["estimate"] > 0.95
    assert most["upper"] == pytest.approx(1)


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_another_panel_gives_what_new_readers_of_the_same_cases_would_have_given(rho) -> None:
    """Readers drawn from a case's own three made a figure of .696 where new panels give .85."""
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
        at = {"variation": "resampled_panel", "level": f"error_correlation={rho:g}"}
        drawn = row(found, metric, **at)
        assert drawn["lower"] <= np.mean(new) <= drawn["upper"]
        assert drawn["estimate"] == pytest.approx(np.mean(new), abs=0.015)
        headline = row(found, metric, variation="as_labelled")
        assert drawn["lower"] <= headline["estimate"] <= drawn["upper"]
        assert "is assumed" in drawn["reason"]
    elsewhere = row(
        found,
        "sensitivity",
        variation="resampled_panel",
        level=f"error_correlation={wrong_level}",
    )
    assert elsewhere["estimate"] != drawn["estimate"]


def test_other_readers_leave_what_an_independent_source_settled() -> None:
    """A test that agrees with each pathology agrees with any panel of cases all verified."""
    site = simulated(600, readers=3, verified=1.0)
    found = site.run(label_sensitivity)
    for level in CORRELATED:
        drawn = row(
            found, "sensitivity", variation="resampled_panel", level=f"error_correlation={level}"
        )
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
    """Weighted by their reads alone, cases made a test of .90 one of .77 and a perfect one .84."""
    fair = simulated(6000, readers=3, model=(0.9, 0.92), seed=14).run(label_sensitivity)
    for metric, planted, tolerance in (("sensitivity", 0.9, 0.035), ("specificity", 0.92, 0.01)):
        found = row(fair, metric, variation="posterior")
        assert found["estimate"] == pytest.approx(planted, abs=tolerance)
        assert CAUTION in found["reason"]
        assert "independent source settled" in found["method"]
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
    independent = {"level": "error_correlation=0"}
    for metric, truth in (("sensitivity_corrected", 0.85), ("specificity_corrected", 0.9)):
        for source in ("independent_sources", "reads"):
            planted = row(
                found, metric, variation=f"corrected_by_{source}", level="error_correlation=0.5"
            )
            assert planted["lower"] <= truth <= planted["upper"], source
            rows = corrected(found, metric, source)
            whole = row(found, metric, variation=f"corrected_by_{source}", level="range")
            assert whole["lower"] == min(r["lower"] or r["estimate"] for r in rows)
            assert whole["upper"] == max(r["upper"] or r["estimate"] for r in rows)
            assert "refused" in whole["method"]
            assert (whole["n"], whole["events"]) == (planted["n"], planted["events"])
            assert all("error correlation" in r["method"] for r in rows)
            assert all("assumed and not measured" in r["reason"] for r in rows)
        by_sources = {"variation": "corrected_by_independent_sources"} | independent
        assert "contradict" in row(found, metric, **by_sources)["reason"]
    alone = row(found, "specificity_corrected", variation="corrected_by_reads", **independent)
    assert truth < alone["lower"]


def test_range_holds_the_accuracy_of_a_model_that_errs_apart_from_the_readers() -> None:
    site = simulated(12000, readers=3, model=(0.85, 0.9), correlation=0.5, is_apart=True, seed=13)
    found = site.run(label_sensitivity)
    for metric, truth in (("sensitivity_corrected", 0.85), ("specificity_corrected", 0.9)):
        whole = row(found, metric, variation="corrected_by_reads", level="range")
        assert whole["lower"] <= truth <= whole["upper"]
        assert whole["method"].endswith("shared by the model or not; 0 of 5 refused")
        right = {
            "variation": "corrected_by_reads",
            "level": "error_correlation=0.5;model_independent",
        }
        assert row(found, metric, **right)["lower"] <= truth <= row(found, metric, **right)["upper"]
    alone = row(
        found,
        "sensitivity_corrected",
        variation="corrected_by_reads",
        level="error_correlation=0",
    )
    apart = row(
        found,
        "sensitivity_corrected",
        variation="corrected_by_reads",
        level="error_correlation=0.5;model_independent",
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
            level="error_correlation=0",
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
        assert "among verified cases" in plain["reason"]
        assert standing["lower"] < planted < standing["upper"]
        assert "depends on the panel's call and on nothing else" in standing["reason"]
        # It shows no count that the plain one does not.
        assert (standing["n"], standing["events"]) == (plain["n"], plain["events"])
    found = site.run(label_sensitivity)
    independent = {
        "variation": "corrected_by_independent_sources",
        "level": "error_correlation=0",
    }
    for metric, planted in (("sensitivity", 0.9), ("specificity", 0.92)):
        figure = row(found, f"{metric}_corrected", **independent)
        assert figure["lower"] < planted < figure["upper"]
        assert "Begg and Greenes" in figure["method"]
        assert "on nothing else" in figure["reason"]


def test_a_handful_of_verified_misses_of_the_panel_corrects_nothing() -> None:
    site = simulated(1500, readers=3, by_call=(0.5, 0.15), seed=17)
    at = {"variation": "corrected_by_independent_sources", "level": "error_correlation=0"}
    figure = row(site.run(label_sensitivity), "sensitivity_corrected", **at)
    assert figure["reason"].endswith("fewer than 10 false negatives among the verified cases")
    panel = noise_row(
        site.run(label_noise),
        "panel_sensitivity_begg_greenes",
        stratum="independent_reference",
    )
    assert (panel["status"], panel["reason"]) == (
        "refused",
        "fewer than 10 false negatives among the verified cases",
    )


def test_most_cases_without_a_panel_of_three_are_not_corrected_by_one() -> None:
    site = simulated(1500, readers=3, model=(0.9, 0.92), seed=19)
    is_third = (pl.col("reader_id") == "r2") & (pl.col("case_id") >= "c000500")
    pairs = site.reads.filter(~is_third)
    at = {"variation": "corrected_by_reads", "level": "error_correlation=0"}
    alone = replace(site, reads=pairs)
    refused = row(alone.run(label_sensitivity), "specificity_corrected", **at)
    assert "most cases have fewer than three votes" in refused["reason"]
    # With a further reader where two differ a pair is a panel of three.
    rules = made.adjudication(precedence=("third_reader", "majority"))
    role = pl.when(is_third).then(pl.lit("tiebreak")).otherwise("role")
    tied = site.reads.with_columns(role.alias("role"))
    broken = replace(site, reads=tied, adjudication=rules).run(label_sensitivity)
    figure = row(broken, "specificity_corrected", **at)
    assert figure["status"] == "given"
    assert "majority of 3" in figure["method"]


def noise_row(figures: pl.DataFrame, metric: str, **where: str) -> dict[str, Any]:
    wanted = [pl.col(k) == v for k, v in {"metric": metric, **where}.items()]
    return figures.row(by_predicate=pl.all_horizontal(wanted), named=True)


def small(**changes: Any) -> Site:
    """Fifty cases of three readers; r2 alone makes c a positive, d is undecided."""
    panels = {
        "a": ("+ + +", 0.9),
        "b": ("- - -", 0.1),
        "c": ("+ - +", 0.1),
        "d": ("+ -", 0.9),
        "e": ("- - x", None),
    } | {f"f{i:02}": ("+ + +" if i < 5 else "- - -", 0.8 if i < 5 else 0.2) for i in range(45)}
    settings: dict[str, Any] = {
        "cases": made.cases_of(sorted(panels)),
        "reads": made.reads_of([r for c, (said, _) in panels.items() for r in made.panel(c, said)]),
        "reference": made.reference_of([]),
        "score": [panels[c][1] for c in sorted(panels)],
        "adjudication": made.adjudication(minimum_readers=2, quorum=2),
    }
    return Site(**(settings | changes))


def test_every_variation_stands_beside_the_headline() -> None:
    found = small().run(label_sensitivity)
    headline = row(found, "sensitivity", variation="as_labelled")
    assert (headline["n"], headline["events"]) == (7, 6)
    assert headline["reason"].endswith("which the other rows do not replace")
    # Without r2, c is undecided and leaves; so it does without r0.
    for reader, sensitivity in (("r0", 1.0), ("r1", 6 / 7), ("r2", 1.0)):
        dropped = row(found, "sensitivity", variation="drop_reader", level=reader)
        assert dropped["estimate"] == pytest.approx(sensitivity)
        assert (dropped["n"], dropped["events"]) == (7, 6)
        assert "sensitivity analysis" in dropped["reason"]
    # d is undecided and flagged.
    flipped = {
        level: row(found, metric, variation="undecided", level=level)
        for level, metric in (("positive", "sensitivity"), ("negative", "specificity"))
    }
    assert (flipped["positive"]["events"], flipped["positive"]["n"]) == (7, 8)
    assert (flipped["negative"]["events"], flipped["negative"]["n"]) == (42, 43)
    independent = {"level": "error_correlation=0"}
    drawn = row(found, "sensitivity", variation="resampled_panel", **independent)
    assert 6 / 8 <= drawn["lower"] <= drawn["estimate"] <= drawn["upper"] == 1
    assert (drawn["n"], drawn["events"]) == (7, 6)
    belief = row(found, "specificity", variation="posterior")
    assert 0.9 < belief["estimate"] <= 1
    assert row(found, "auc", variation="resampled_panel", **independent)["status"] == "given"
    few = row(
        found,
        "sensitivity_corrected",
        variation="corrected_by_independent_sources",
        level="error_correlation=0",
    )
    assert few["reason"] == TOO_FEW_VERIFIED


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
        assert rows["reason"].str.contains("sight of peers").all()
    assert row(found, "sensitivity", variation="as_labelled")["status"] == "given"


def test_what_cannot_be_given_says_why() -> None:
    none = small(evaluation=made.evaluation()).run(label_sensitivity)
    level = "error_correlation=0"
    drawn = row(none, "sensitivity", variation="resampled_panel", level=level)
    assert "operating point" in drawn["reason"]
    assert row(none, "auc", variation="posterior")["status"] == "given"
    corrected = row(none, "specificity_corrected", variation="corrected_by_reads", level=level)
    assert "operating point" in corrected["reason"]
    failed = small(score=[None] * 50).run(label_sensitivity)
    assert row(failed, "auc", variation="posterior")["reason"] == "no case has a usable inference"
    nobody = small(reads=small().reads.clear()).run(label_sensitivity)
    refused = row(nobody, "auc", variation="resampled_panel", level=level)
    assert refused["status"] == "refused"
    two = small().reads.filter(pl.col("reader_id") != "r2")
    lone = small(reads=two).run(label_sensitivity)
    assert row(lone, "auc", variation="posterior")["reason"] == TOO_FEW
    sources = made.adjudication(precedence=("independent_reference",))
    alone = small(adjudication=sources).run(label_sensitivity)
    at = {"variation": "corrected_by_independent_sources", "level": level}
    assert "no rule" in row(alone, "sensitivity_corrected", **at)["reason"]
    unnamed = made.adjudication(precedence=("majority",), reference_sources=())
    assert (
        "no independent source"
        in (
            row(small(adjudication=unnamed).run(label_sensitivity), "sensitivity_corrected", **at)[
                "reason"
            ]
        )
    )


def test_prospective_window_is_withheld_before_the_first_look() -> None:
    found = small(cut=datetime.date(2026, 1, 10)).run(label_sensitivity)
    assert set(found.filter(window="prospective")["status"]) == {"withheld"}


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
    basis = read_basis(included_reads(reads, included, (made.PLAIN,)), "nodule")
    patients = included.select("patient_id").unique().sort("patient_id").with_row_index("patient")
    panels = Panels.of(basis, "nodule", SimpleNamespace(patients=patients), EVALUATION)  # type: ignore[arg-type]
    for rates, rho in zip(panels.rates, CORRELATED, strict=True):
        at = {"stratum": f"error_correlation={rho}"}
        for metric, values in zip(("sensitivity", "specificity"), rates[1:], strict=True):
            figure = noise_row(noise, f"reader_{metric}", **at)
            assert figure["estimate"] == pytest.approx(values[0])
            assert figure["n"] == 140
    assert panels.size == noise_row(noise, "panel_size", stratum="all")["estimate"] == 3


def test_readers_at_chance_have_no_error_to_correct_for() -> None:
    panels = {f"c{i:02d}": said for i, said in enumerate(["+ + -", "+ - -"] * 10)}
    reads = made.reads_of([r for c, said in panels.items() for r in made.panel(c, said)])
    site = small(cases=made.cases_of(sorted(panels)), reads=reads, score=[0.9, 0.2] * 10)
    level = "error_correlation=0"
    chance = "against one another the readers do no better than chance"
    told = row(site.run(error_attribution), "share_not_separable", assumption=level)
    assert told["status"] == "refused"
    found = site.run(label_sensitivity)
    figure = row(found, "sensitivity_corrected", variation="corrected_by_reads", level=level)
    assert figure["reason"] == chance


def test_below_thirty_cases_with_three_votes_nothing_is_weighted_by_belief() -> None:
    """As of the soft labels of the reference standard, whose model this is."""
    site = small()
    few = site.cases["case_id"].head(29)
    reads = site.reads.filter(pl.col("case_id").is_in(few.implode()))
    found = small(reads=reads).run(label_sensitivity)
    belief = found.filter(variation="posterior", window="retrospective")
    assert set(belief["reason"]) == {TOO_FEW}
    assert row(found, "sensitivity", variation="drop_reader", level="r0")["status"] == "given"
