"""Soft labels by the Dawid-Skene model, and what they say of the standard and its readers."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from vpack_pipeline.core.adjudication.latent import TOO_FEW, case_posteriors
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
    return case_posteriors(made.reads_of(reads), made.included_of(cases), made.NODULE)


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
    assert seen == "the reads followed sight of peers; this needs independent reads"
    chance = posteriors([r for i in range(40) for r in made.panel(f"c{i}", "+ + - -")])
    assert isinstance(chance, str)
    assert "which class is which cannot be told" in chance
