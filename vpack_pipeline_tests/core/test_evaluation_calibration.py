"""Curves, and the parts of the Brier score, in the table of calibration."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from evaluation_world import Case, World, cases_of, figure, value

from vpack_pipeline.stats.calibration_curve import (
    brier_parts,
    curve_distance,
    smooth_curve,
)

WHOLE = {"stratum": "all"}
RNG = np.random.default_rng(11)
PROB = np.round(RNG.beta(2, 4, 600), 3)
POSITIVE = RNG.random(600) < PROB**1.3
CASES = [
    Case("positive" if y else "negative", float(p), patient=f"p{i // 2:04d}")
    for i, (p, y) in enumerate(zip(PROB, POSITIVE, strict=True))
]


@pytest.fixture(scope="module")
def found():
    rest = [Case("positive", None, status="failed"), Case(None, 0.5)]
    return World([*CASES, *rest]).run("calibration")


def test_distances_of_the_curve_stand_beside_what_calibration_would_give(found):
    want = curve_distance(PROB, POSITIVE)
    for metric in ("ici", "e50", "e90", "emax"):
        row = figure(found, metric, **WHOLE)
        assert row["estimate"] == pytest.approx(want._asdict()[metric])
        assert (row["n"], row["events"], row["method"]) == (600, POSITIVE.sum(), "loess_curve")
    assert 0.01 < value(found, "ici_null95", **WHOLE) < value(found, "ici", **WHOLE)


def test_brier_score_is_made_of_its_parts(found):
    want = brier_parts(PROB, POSITIVE)
    made = {
        name: value(found, f"brier_{name}", **WHOLE)
        for name in ("miscalibration", "discrimination", "uncertainty")
    }
    assert made == pytest.approx(want._asdict())
    whole = made["miscalibration"] - made["discrimination"] + made["uncertainty"]
    assert whole == pytest.approx(value(found, "brier", **WHOLE))
    assert value(found, "brier_uncertainty", **WHOLE) == pytest.approx(
        POSITIVE.mean() * (1 - POSITIVE.mean())
    )
    assert "brier_miscalibration" in found["metric"]
    assert "brier_discrimination" in found["metric"]


def test_curve_stands_on_a_fixed_grid_between_percentiles(found):
    rows = found.filter(metric="smoothed_rate", window="retrospective").sort("stratum")
    assert rows["stratum"].to_list() == [f"{i / 50:.2f}" for i in range(51)]
    low, high = np.quantile(PROB, [0.05, 0.95])
    inside = [low <= i / 50 <= high for i in range(51)]
    assert (rows["status"] == "given").to_list() == inside
    assert set(rows.filter(status="refused")["reason"]) == {"outside_percentiles"}
    want = smooth_curve(PROB, POSITIVE, np.arange(600) // 2, np.array([0.3]))
    row = rows.filter(stratum="0.30").row(0, named=True)
    assert (row["estimate"], row["lower"], row["upper"]) == pytest.approx(
        (want.rate[0], want.lower[0], want.upper[0])
    )


def test_few_probabilities_have_no_curve():
    cases = [
        *cases_of(20, "positive", 0.8),
        *cases_of(5, "negative", 0.8),
        *cases_of(5, "positive", 0.2),
        *cases_of(30, "negative", 0.2),
    ]
    frame = World(cases).run("calibration").filter(window="retrospective")
    for metric in ("ici", "e50", "e90", "emax", "ici_null95"):
        assert figure(frame, metric, **WHOLE)["reason"] == "few_distinct_probabilities"
    reasons = set(frame.filter(metric="smoothed_rate")["reason"])
    assert reasons == {"few_distinct_probabilities"}
    assert value(frame, "brier_uncertainty", **WHOLE) == pytest.approx(25 / 60 * 35 / 60)


def test_without_a_probability_every_new_figure_is_refused_alike(found):
    late = found.filter(window="prospective")
    told = late.filter(pl.col("metric").is_in(["ici", "brier_miscalibration", "smoothed_rate"]))
    assert set(told["reason"]) == {"no_probability_with_label"}
    assert told.height == 53
