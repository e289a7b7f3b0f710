"""The contracts of evaluation, held by the gate itself against tables that its functions made."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path

import polars as pl
import pytest
from evaluation_world import AFTER, BEFORE, LOOK, Case, World, cases_of, endpoint

from vpack_pipeline import contracts
from vpack_pipeline.gate import check
from vpack_pipeline.gate.suite import plan

MINE = {
    "calibration",
    "change",
    "comparison",
    "decision_curve",
    "endpoints",
    "errors",
    "exclusion_audit",
    "failures",
    "integrity",
    "label_sensitivity",
    "operating_points",
    "overall_verdict",
    "paired",
    "performance",
    "predictive_values",
    "roc",
    "scores",
    "subgroups",
    "thresholds",
    "time_split",
    "transport",
    "transport_cells",
    "trend",
    "verification",
}
RICH = [
    *(
        Case(c.label, c.score, date=date, sex=sex, patient=f"p{i // 2}")
        for date in (BEFORE, AFTER)
        for sex in ("F", "M")
        for i, c in enumerate(cases_of(6, "positive", 0.8) + cases_of(9, "negative", 0.3))
    ),
    Case("positive", 0.2, date=AFTER),
    Case("negative", None, status="failed", date=AFTER),
    Case("indeterminate", 0.4, date=AFTER),
    Case(None, 0.6, date=BEFORE, excluded_by=("blurred",)),
]
ENDPOINTS = (
    endpoint(),
    endpoint(
        id="kept",
        comparison="non_inferiority",
        rank="secondary",
        goal=None,
        margin=0.05,
        margin_rationale="Why.",
    ),
)
WORLDS = {
    "rich": World(RICH).evaluated(endpoints=ENDPOINTS),
    "before the look": World(RICH, cut=LOOK - datetime.timedelta(days=1)),
    "empty": World([Case(None, None, status="missing", date=datetime.date(2020, 1, 1))]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of all that is checked here: the gate opens a DuckDB a folder."""
    return tmp_path_factory.mktemp("checked")


@functools.cache
def made_in(world: str, table: str) -> pl.DataFrame:
    made = WORLDS[world]
    return made.argument("time_split") if table == "time_split" else made.run(table)


def outcomes(frame: pl.DataFrame, table: str, folder: Path, *asked: str) -> dict[str, str]:
    """Check a table: its whole contract, or the expectations that are named."""
    path = folder / f"{table}.parquet"
    frame.write_parquet(path)
    contract = contracts.load()[f"evaluation/{table}"]
    planned = [p for p in plan(contract) if not asked or p.id in asked]
    may_be_empty = contract.may_be_empty is not None
    checks = check.evaluate(planned, [path], frame.height, may_be_empty=may_be_empty)
    return {c.id: c.outcome for c in checks}


def test_every_table_that_core_computes_has_its_function_and_contract():
    here = {
        c.table
        for c in contracts.load().values()
        if c.section == "evaluation" and c.computed_by == "core"
    }
    assert here >= MINE


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("table", sorted(MINE))
def test_what_the_functions_make_passes_the_gate(table, world, folder):
    found = outcomes(made_in(world, table), table, folder)
    assert {k: v for k, v in found.items() if v != "pass"} == {}


DAMAGE = {
    "given_has_figure": ("performance", pl.lit(None, pl.Float64).alias("estimate")),
    "absence_has_reason": ("performance", pl.lit("refused").alias("status")),
    "withheld_shows_nothing": ("performance", pl.lit("withheld").alias("status")),
    "bounds_in_order": ("performance", (pl.col("upper") - 2).alias("upper")),
    "events_within_n": ("performance", (pl.col("n") + 1).alias("events")),
    "metric_declared": ("performance", pl.lit("of_nothing").alias("metric")),
    "figure_in_range": ("performance", (-pl.col("estimate") - 1).alias("estimate")),
    "classes_sum": (
        "performance",
        pl.when(pl.col("metric") == "n_positive")
        .then(pl.col("estimate") + 1)
        .otherwise("estimate")
        .alias("estimate"),
    ),
    "status_known": ("performance", pl.lit("perhaps").alias("status")),
    "cells_sum": ("operating_points", (pl.col("n") + 1).alias("n")),
    "analysis_known": ("operating_points", pl.lit("kind").alias("analysis")),
    "curve_whole": (
        "roc",
        pl.when(pl.col("stratum") == "0.50")
        .then(pl.lit("of", pl.String))
        .otherwise("stratum_kind")
        .alias("stratum_kind"),
    ),
    "curve_never_falls": ("roc", (1 - pl.col("estimate")).alias("estimate")),
    "curve_ends_at_one": (
        "roc",
        pl.when(pl.col("stratum") == "1.00").then(0.9).otherwise("estimate").alias("estimate"),
    ),
    "parts_make_up_label": (
        "scores",
        pl.when(pl.col("stratum") == "01")
        .then(pl.col("events") + 1)
        .otherwise("events")
        .alias("events"),
    ),
    "bins_adjoin": ("scores", (-pl.col("estimate")).alias("estimate")),
    "thresholds_rise": ("thresholds", (-pl.col("estimate")).alias("estimate")),
    "one_costs_the_other": (
        "thresholds",
        pl.when(pl.col("metric").is_in(["sensitivity", "specificity"]))
        .then(pl.col("stratum").cast(pl.Float64) / 200)
        .otherwise("estimate")
        .alias("estimate"),
    ),
    "values_follow_prevalence": ("predictive_values", (1 - pl.col("estimate")).alias("estimate")),
    "has_prevalence": (
        "predictive_values",
        pl.when(pl.col("metric") != "prevalence").then("estimate").alias("estimate"),
    ),
    "treating_all_loses_value": ("decision_curve", (-pl.col("estimate")).alias("estimate")),
    "treating_none_is_nothing": ("decision_curve", (pl.col("estimate") + 1).alias("estimate")),
    "statuses_sum": ("failures", (pl.col("estimate") + 1).alias("estimate")),
    "verdict_fits": ("integrity", pl.lit("held").alias("verdict")),
    "verdict_known": ("endpoints", pl.lit("fine").alias("verdict")),
    "one_headline": ("endpoints", pl.lit(value=True).alias("is_headline")),
    "headline_has_verdict": ("endpoints", pl.lit(None, pl.String).alias("verdict")),
    "alpha_of_what_was_judged": ("endpoints", pl.lit(0.5).alias("alpha")),
    "not_taken_shows_nothing": ("endpoints", pl.lit("not_taken").alias("verdict")),
    "verdict_of_all_known": ("overall_verdict", pl.lit("inconclusive").alias("verdict")),
    "met_is_all_met": ("overall_verdict", pl.lit("met").alias("verdict")),
    "verdict_fits_bounds": ("endpoints", pl.lit("met").alias("verdict")),
    "matures_later": ("time_split", pl.date(2020, 1, 1).alias("mature_on")),
    "window_known": ("time_split", pl.lit("soon").alias("window")),
}


@pytest.mark.parametrize("expectation", DAMAGE)
def test_damage_is_caught_by_the_expectation_that_is_for_it(expectation, folder):
    table, damage = DAMAGE[expectation]
    damaged = made_in("rich", table).with_columns(damage)
    assert outcomes(damaged, table, folder, expectation) == {expectation: "fail"}


def test_case_that_is_included_for_one_finding_only_is_caught(folder):
    frame = made_in("rich", "time_split")
    other = frame.with_columns(
        pl.lit("other").alias("finding"), (~pl.col("is_included")).alias("is_included")
    )
    found = outcomes(pl.concat([frame, other]), "time_split", folder)
    assert found["included_whole"] == "fail"
