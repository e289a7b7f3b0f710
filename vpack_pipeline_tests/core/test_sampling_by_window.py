"""A draw of its own for each window: each figure is given by that of its cases."""

from __future__ import annotations

import polars as pl
import pytest

from vpack_pipeline.core.sampling import SampledCases, Weighing, draw_in_words
from vpack_pipeline.protocol import Sampling, SamplingByWindow, Stratum
from vpack_pipeline_tests.core.evaluation_world import (
    AFTER,
    BEFORE,
    EVALUATION,
    World,
    cases_of,
    figure,
)

ENRICHED = Sampling(
    method="random",
    strata=(Stratum(name="flagged", fraction=1.0), Stratum(name="cleared", fraction=0.1)),
    depends_on=("score",),
)
CONSECUTIVE = Sampling(method="consecutive")
ARCHIVE = SamplingByWindow(retrospective=ENRICHED, prospective=CONSECUTIVE)


def of_both_windows():
    """All flagged and a tenth of the cleared of an archive; then all that came."""
    archive = [
        *cases_of(40, "positive", 0.9, date=BEFORE, stratum="flagged"),
        *cases_of(2, "positive", 0.1, date=BEFORE, stratum="cleared"),
        *cases_of(30, "negative", 0.9, date=BEFORE, stratum="flagged"),
        *cases_of(80, "negative", 0.1, date=BEFORE, stratum="cleared"),
    ]
    to_come = [
        *cases_of(40, "positive", 0.9, date=AFTER),
        *cases_of(4, "positive", 0.1, date=AFTER),
        *cases_of(20, "negative", 0.9, date=AFTER),
        *cases_of(80, "negative", 0.1, date=AFTER),
    ]
    return World([*archive, *to_come])


def test_each_window_is_given_by_its_own_draw():
    by_window = of_both_windows().but(sampling=ARCHIVE).run("operating_points")
    enriched = of_both_windows().but(sampling=ENRICHED).run("operating_points")
    alike = of_both_windows().but(sampling=CONSECUTIVE).run("operating_points")
    before, after = pl.col("window") == "retrospective", pl.col("window") == "prospective"
    assert by_window.filter(before).equals(enriched.filter(before))
    assert by_window.filter(after).equals(alike.filter(after))
    # 40 found; each of the 2 missed stands for ten.
    found = figure(
        by_window, window="retrospective", metric="sensitivity", analysis="intention_to_diagnose"
    )
    assert found["estimate"] == pytest.approx(40 / 60)
    assert "weighted_for_sampling" in found["method"]
    # One draw of both windows has no fraction for cases that came without a stratum.
    refused = figure(
        enriched, window="prospective", metric="sensitivity", analysis="intention_to_diagnose"
    )
    assert refused["reason"] == "no_sampling_fraction"


def test_a_comparison_of_windows_says_how_each_was_drawn():
    found = of_both_windows().but(sampling=ARCHIVE).run("comparison")
    change = figure(found, metric="sensitivity_difference")
    assert change["estimate"] == pytest.approx(40 / 44 - 40 / 60)
    assert "weighted" in change["method"]
    weighted = {
        window: "weighted_for_sampling" in figure(found, metric=f"sensitivity_{window}")["method"]
        for window in ("retrospective", "prospective")
    }
    assert weighted == {"retrospective": True, "prospective": False}
    assert change["lower"] < change["estimate"] < change["upper"]


def test_one_draw_stated_twice_is_that_draw():
    for draw in (ENRICHED, CONSECUTIVE):
        twice = SamplingByWindow(retrospective=draw, prospective=draw)
        for table in ("operating_points", "comparison", "predictive_values"):
            world = of_both_windows()
            assert (
                world.but(sampling=twice).run(table).equals(world.but(sampling=draw).run(table))
            ), (draw, table)


def test_cases_of_both_windows_weigh_as_each_window_was_drawn():
    cases = pl.DataFrame(
        {
            "case_id": ["a", "b", "c"],
            "stratum": ["flagged", "cleared", "all"],
            "index_date": [BEFORE, BEFORE, AFTER],
        }
    )
    sampled = SampledCases(cases, ARCHIVE, EVALUATION)
    assert not sampled.are_all_alike
    made = sampled.weigh("label", "nodule", cases["case_id"])
    assert made.weight.tolist() == [1.0, 10.0, 1.0]
    unknown = ARCHIVE.model_copy(
        update={"retrospective": Sampling(method="random", depends_on=("label",))}
    )
    sampled = SampledCases(cases, unknown, EVALUATION)
    # Within its window a draw by the label leaves the sensitivity as it is; over both it does not.
    assert sampled.weigh("label", "nodule", cases["case_id"][:2]) == Weighing(None)
    assert sampled.weigh("label", "nodule", cases["case_id"]).reason.name == (
        "drawn_without_fractions"
    )
    both = SamplingByWindow(retrospective=CONSECUTIVE, prospective=Sampling(method="convenience"))
    assert SampledCases(cases, both, EVALUATION).are_all_alike


def test_a_draw_reads_in_words():
    assert draw_in_words(ARCHIVE) == [
        "retrospective: random; drawn by score; taken of flagged 1, cleared 0.1",
        "prospective: consecutive",
    ]
    unknown = Sampling(method="random", depends_on=("label",))
    assert draw_in_words(unknown) == ["both windows: random; drawn by label; fractions not stated"]
