"""Soft labels by the Dawid-Skene model, and what they say of the standard and its readers."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication.basis import included_reads, read_basis
from vpack_pipeline.core.adjudication.label_noise import label_noise
from vpack_pipeline.core.adjudication.latent import (
    CAUTION,
    METRICS,
    TOO_FEW,
    case_posteriors,
    wider,
)
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import undefined
from vpack_pipeline.stats.proportions.intervals import clustered_proportion
from vpack_pipeline_tests.core import adjudication_cases as made


def simulated(
    n: int, seed: int = 3, rates: tuple[tuple[float, float], ...] = ((0.9, 0.95),) * 3
) -> tuple[list[dict[str, Any]], list[bool]]:
    """Reads of readers of these sensitivities and specificities, 20% prevalence; and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.2
    reads = [
        made.read(f"c{i:04}", f"r{j}", "+" if rng.random() < (se if ill else 1 - sp) else "-")
        for i, ill in enumerate(truth)
        for j, (se, sp) in enumerate(rates)
    ]
    return reads, list(truth)


def posteriors(reads: list[dict[str, Any]]) -> pl.DataFrame | str:
    cases = made.cases_of(sorted({r["case_id"] for r in reads} | {"unread"}))
    known = included_reads(made.reads_of(reads), made.included_of(cases), (made.NODULE,))
    return case_posteriors(read_basis(known, made.NODULE.name))


def test_each_case_with_a_vote_has_the_probability_of_being_positive() -> None:
    reads, truth = simulated(400)
    found = posteriors([*reads, *made.panel("only-unsure", "? x"), *made.panel("one", "+")])
    assert isinstance(found, pl.DataFrame)
    assert found["case_id"].to_list() == [*(f"c{i:04}" for i in range(400)), "one"]
    assert found["p_positive"].is_between(0, 1).all()
    hard = (found["p_positive"][:400] > 0.5).to_numpy()
    assert (hard == np.array(truth)).mean() > 0.95


def test_neither_row_order_nor_reader_names_move_a_posterior() -> None:
    reads, _ = simulated(60)
    plain = posteriors(reads)
    swap = {"r0": "z", "r1": "r0", "r2": "a"}
    other = posteriors([r | {"reader_id": swap[r["reader_id"]]} for r in reads[::-1]])
    assert isinstance(plain, pl.DataFrame)
    assert isinstance(other, pl.DataFrame)
    assert plain["case_id"].equals(other["case_id"])
    assert plain["p_positive"].to_list() == pytest.approx(other["p_positive"].to_list(), abs=1e-9)


def test_what_the_reads_cannot_tell_is_refused_with_its_reason() -> None:
    few, _ = simulated(29)
    assert posteriors(few) == TOO_FEW
    assert posteriors([]) == TOO_FEW
    enough, _ = simulated(40)
    seen = posteriors([r | {"saw_peers": True} for r in enough])
    assert seen == Code("reads_followed_peers")
    chance = posteriors([r for i in range(40) for r in made.panel(f"c{i}", "+ + - -")])
    assert chance == Code("classes_not_told_apart")


def noise(
    reads: list[dict[str, Any]], reference: list[tuple[str, str, str, int | None]] | None = None
) -> dict[str, dict[str, Any]]:
    """What the model says, by metric."""
    cases = made.cases_of(sorted({r["case_id"] for r in reads}))
    known: dict[str, Any] = {
        "cases": cases,
        "reads": made.reads_of(reads),
        "reference": made.reference_of(reference or []),
        "findings": (made.NODULE,),
        "adjudication": made.adjudication(),
    }
    figures = label_noise(
        **known,
        included=made.included_of(cases),
        reference_standard=reference_standard(**known),
        evaluation=made.EVALUATION,
    )
    frame = contracts.conform(figures, contracts.load()["adjudication/label_noise"])
    rows = frame.filter(pl.col("stratum") == "dawid_skene").iter_rows(named=True)
    return {row["metric"]: row for row in rows}


def test_the_model_finds_what_was_planted_where_readers_err_independently() -> None:
    """Tolerances are three standard errors of 1,500 cases."""
    rates = ((0.9, 0.95), (0.8, 0.97), (0.85, 0.9))
    reads, truth = simulated(1500, seed=9, rates=rates)
    found = noise(reads)
    assert set(found) == set(METRICS)
    for metric, planted in (
        ("prevalence", np.mean(truth)),
        ("reader_sensitivity", np.mean([se for se, _ in rates])),
        ("reader_specificity", np.mean([sp for _, sp in rates])),
    ):
        figure = found[metric]
        assert figure["lower"] < planted < figure["upper"], metric
        assert figure["upper"] - figure["lower"] < 0.1
        assert made.said_of(figure) >= {CAUTION.name, "independent_reads"}
    assert (found["n_cases"]["events"], found["n_cases"]["n"]) == (1500, 1500)
    assert "mean_of_readers" in made.said_of(found["reader_sensitivity"])


def test_uncertain_cases_and_contradicted_labels_are_shares_of_cases() -> None:
    reads, _ = simulated(300, seed=2)
    posterior = posteriors(reads)
    assert isinstance(posterior, pl.DataFrame)
    p = posterior["p_positive"]
    found = noise(reads)
    assert found["share_uncertain"]["events"] == int((p.is_between(0.1, 0.9)).sum())
    assert found["share_uncertain"]["n"] == 300
    # Pathology contradicts the soft label of every case that it settles.
    turned = [
        (f"c{i:04}", "pathology", "negative" if p[i] > 0.5 else "positive", 5) for i in range(40)
    ]
    differs = noise(reads, turned)["share_label_differs"]
    votes = np.array([r["rating"] == 5.0 for r in reads]).reshape(300, 3).sum(axis=1) >= 2
    others = int(((p.to_numpy() > 0.5) != votes)[40:].sum())
    assert (differs["events"], differs["n"]) == (40 + others, 300)
    how = {"dawid_skene", "percentile_bootstrap_by_patient", "wilson_on_effective_size"}
    assert made.said_of(differs) == how | {"wider_bounds", "independent_reads", CAUTION.name}
    assert found["share_label_differs"]["events"] < 10


def test_shares_are_in_doubt_as_the_model_is() -> None:
    found = noise(simulated(300, seed=0)[0])
    share, differs = found["share_uncertain"], found["share_label_differs"]
    n, events = share["n"], share["events"]
    known = clustered_proportion(np.arange(n) < events, np.arange(n))
    assert known.lower is not None
    assert share["lower"] < known.lower
    assert share["upper"] == known.upper
    # Where no label differs, no replicate has one that does: that is no proof.
    assert differs["events"] == 0
    assert differs["lower"] == 0
    assert differs["upper"] > 0.005
    lost = undefined("replicates_not_told_apart", method=(), n=300, value=0.1)
    assert wider(lost, known).lower is None


def test_where_no_case_has_both_labels_none_can_differ() -> None:
    split = [r for i in range(40) for r in made.panel(f"c{i}", "+ + - -" if i % 2 else "- - - -")]
    more = [r for i in range(40, 60) for r in made.panel(f"c{i}", "+ + + +")]
    cases = made.cases_of(sorted({r["case_id"] for r in split + more}))
    unlabelled = pl.DataFrame(
        {"case_id": cases["case_id"], "finding": "nodule", "label": None},
        schema_overrides={"label": pl.String},
    ).with_columns(
        pl.lit("none").alias("panel_state"),
    )
    figures = label_noise(
        reads=made.reads_of(split + more),
        cases=cases,
        reference=made.reference_of([]),
        included=made.included_of(cases),
        reference_standard=unlabelled,
        findings=(made.NODULE,),
        adjudication=made.adjudication(),
        evaluation=made.EVALUATION,
    )
    wanted = (pl.col("stratum") == "dawid_skene") & (pl.col("metric") == "share_label_differs")
    row = figures.row(by_predicate=wanted, named=True)
    assert (row["status"], row["n"]) == ("refused", 0)
    assert row["reason"] == "no_hard_and_soft_label"


def test_the_stratum_is_refused_as_a_whole() -> None:
    few, _ = simulated(29)
    found = noise(few)
    assert {row["status"] for row in found.values()} == {"refused"}
    assert {row["reason"] for row in found.values()} == {TOO_FEW.name}
    enough, _ = simulated(40)
    seen = noise([r | {"saw_peers": True} for r in enough])
    assert {row["reason"] for row in seen.values()} == {"reads_followed_peers"}
