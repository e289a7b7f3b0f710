"""The drift section: limits keep their budget, planted changes are found, nothing else is said."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from drift_bench import EVERY_KIND, LOOK, Site, index_test, monitor, plan_of

from vpack_pipeline import contracts
from vpack_pipeline.contracts import codes
from vpack_pipeline.core.drift.plan import plan
from vpack_pipeline.core.drift.tables import WHOLE_PLAN
from vpack_pipeline.document import Window
from vpack_pipeline.protocol import FalseAlarms

AFTER_LOOK = date(2025, 12, 15)


def row(table: pl.DataFrame, name: str) -> dict[str, Any]:
    return table.row(by_predicate=pl.col("monitor") == name, named=True)


def first_window(status: pl.DataFrame, name: str) -> dict[str, Any]:
    return status.filter(pl.col("monitor") == name).row(0, named=True)


@pytest.fixture(scope="module")
def quiet() -> Site:
    return Site(until=date(2025, 12, 31))


@pytest.fixture(scope="module")
def quiet_limits(quiet: Site) -> pl.DataFrame:
    return quiet.limits()


def test_every_table_has_its_contracts_columns_and_key(
    quiet: Site, quiet_limits: pl.DataFrame
) -> None:
    made = {
        "baseline": quiet.baseline(),
        "limits": quiet_limits,
        "status": quiet.status(limits=quiet_limits),
        "plan": plan(limits=quiet_limits, drift=quiet.drift),
    }
    for name, table in made.items():
        contract = contracts.load()[f"drift/{name}"]
        assert contracts.conform(table, contract).equals(table)
        assert table.select(pl.struct(contract.key).is_unique().all()).item()
        filled = [c.name for c in contract.columns if not c.null]
        assert table.select(filled).null_count().transpose().to_series().sum() == 0


def test_a_second_run_gives_the_same_tables(quiet: Site, quiet_limits: pl.DataFrame) -> None:
    assert quiet.limits().equals(quiet_limits)
    assert quiet.baseline().equals(quiet.baseline())


def test_rows_in_another_order_give_the_same_tables(
    quiet: Site, quiet_limits: pl.DataFrame
) -> None:
    turned = Site(until=quiet.until)
    turned.cases = quiet.cases.reverse()
    turned.scores = quiet.scores.reverse()
    turned.included = quiet.included.reverse()
    assert turned.limits().equals(quiet_limits)


def test_another_seed_draws_other_windows(quiet: Site, quiet_limits: pl.DataFrame) -> None:
    other = Site(until=quiet.until, drift=plan_of(seed=6))
    assert not other.limits().equals(quiet_limits)


@pytest.fixture(scope="module")
def many() -> pl.DataFrame:
    """Plan-wide rates on held-out patients, and signals in fresh windows, of sites without drift."""
    rows = []
    for seed in range(40):
        site = Site(seed=1000 + seed, until=date(2025, 12, 31))
        limits = site.limits()
        whole = row(limits, WHOLE_PLAN)
        status = site.status(date(2025, 12, 31), limits)
        n = status["window_start"].n_unique()
        for level, signals in (("warning", ["warning", "action"]), ("action", ["action"])):
            hit = status.filter(pl.col("signal").is_in(signals))["window_start"].n_unique()
            rows.append((level, whole[f"{level}_rate"], hit / n))
    return pl.DataFrame(rows, schema=["level", "held_out", "fresh"], orient="row")


@pytest.mark.parametrize("level", ["warning", "action"])
@pytest.mark.parametrize("tried_on", ["held_out", "fresh"])
def test_without_drift_the_whole_plan_keeps_its_budget(
    many: pl.DataFrame, level: str, tried_on: str
) -> None:
    budget = {"warning": 0.15 * 60 / (365.25 / 4), "action": 0.6 * 60 / (2 * 365.25)}[level]
    rates = many.filter(pl.col("level") == level)[tried_on].to_numpy()
    error = rates.std(ddof=1) / np.sqrt(rates.size)
    assert rates.mean() <= budget + 2.6 * error
    # A rank less would go beyond the budget, and limits that never signal would keep any.
    assert rates.mean() >= budget / 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"age": 9}, {"ages"}),
        ({"missing": 0.35}, {"age_missing"}),
        ({"model": "C"}, {"devices"}),
        ({"model": "D"}, {"device", "devices"}),
        ({"size": 0.7}, {"sizes"}),
        ({"score": 1.5}, {"score_level", "flags"}),
        ({"failure": 0.3}, {"failures"}),
        ({"volume": 0.5}, {"cases"}),
        ({"volume": 2}, {"cases"}),
    ],
)
def test_a_planted_change_starts_an_action_in_its_first_window(
    changes: dict[str, Any], expected: set[str]
) -> None:
    site = Site(changes=changes)
    status = site.status()
    found = {n for n in expected if first_window(status, n)["signal"] == "action"}
    assert found == expected
    untouched = {"bedside"} - expected
    assert all(first_window(status, n)["signal"] == "none" for n in untouched)


def test_power_and_delay_say_that_a_large_change_is_found_and_a_small_one_is_not() -> None:
    large = row(Site(drift=plan_of(minimum_detectable_change=2.0)).limits(), "ages")
    small = row(Site(drift=plan_of(minimum_detectable_change=0.001)).limits(), "ages")
    assert large["action_power"] == 1
    assert (large["reason"], large["notes"]) == (None, None)
    assert large["median_delay_days"] == large["p90_delay_days"] == 60
    assert small["action_power"] < 0.2
    assert small["median_delay_days"] is None or small["median_delay_days"] > 60


def test_a_change_that_no_window_shows_is_called_undetectable() -> None:
    limits = Site(drift=plan_of(minimum_detectable_change=0.001)).limits()
    silent = limits.filter((pl.col("action_power") == 0) & (pl.col("monitor") != WHOLE_PLAN))
    assert silent.height > 0
    assert silent["median_delay_days"].null_count() == silent.height
    assert set(silent["notes"]) == {"change_not_detectable"}


def moved(change: float, **given: Any) -> dict[str, Any]:
    ages = monitor("ages", "psi", "age_years")
    drift = plan_of(ages, minimum_detectable_change=change, cadence_days=30, **given)
    return row(Site(drift=drift).limits(), "ages")


def test_a_change_seen_in_few_windows_has_a_delay_of_several_cadences() -> None:
    found = moved(0.2)
    power = found["action_power"]
    assert 0 < power < 0.5
    windows = int(np.ceil(np.log(0.5) / np.log(1 - power)))
    assert found["median_delay_days"] == 60 + (windows - 1) * 30
    assert found["p90_delay_days"] > found["median_delay_days"]
    assert found["notes"] == "change_not_detectable_in_one_window"


def test_a_delay_beyond_ten_years_is_not_printed() -> None:
    rare = FalseAlarms(actions_per_two_years=0.06)
    found = moved(0.15, false_alarms=rare, replicates=2000)
    assert 0 < found["action_power"] < 0.005
    assert found["median_delay_days"] is None
    assert found["cases_before_signal"] is None


def test_a_site_of_too_few_cases_is_refused_with_both_numbers() -> None:
    site = Site(per_day=0.3)
    limits = site.limits()
    assert set(limits["status"]) == {"refused"}
    assert set(limits["reason"]) == {"window_below_minimum"}
    assert {json.loads(d)["window_below_minimum.minimum"] for d in limits["detail"]} == {50}
    assert limits["warning_limit"].null_count() == limits.height
    status = site.status(limits=limits)
    assert set(status["status"]) == {"refused", "withheld"}
    refused = status.filter(status="refused").select("reason", "detail").unique()
    assert refused.equals(limits.select("reason", "detail").unique())
    assert status["signal"].null_count() == status.height
    planned = plan(limits=limits, drift=site.drift)
    assert set(planned["status"]) == {"refused"}


def test_an_empty_reference_gives_rows_that_say_so() -> None:
    nobody = Window(start=date(2020, 1, 1), end=date(2020, 12, 31))
    site = Site(drift=plan_of(reference=nobody))
    limits = site.limits()
    assert set(limits["reason"]) == {"no_case_in_reference"}
    baseline = site.baseline()
    assert set(baseline["monitor"]) == {name for name, _, _ in EVERY_KIND}
    assert baseline["amount"].sum() == 0
    assert baseline["share"].null_count() == baseline.height
    status = site.status(date(2020, 12, 31), limits)
    assert status.is_empty()
    assert set(site.status(date(2021, 4, 1), limits)["status"]) <= {"refused", "withheld"}


def test_one_patient_cannot_be_held_out() -> None:
    site = Site(per_day=2)
    site.cases = site.cases.with_columns(pl.lit("patient-1").alias("patient_id"))
    assert set(site.limits()["reason"]) == {"few_patients_to_hold_out"}


def test_a_budget_finer_than_the_replicates_is_refused() -> None:
    site = Site(drift=plan_of(replicates=200, false_alarms=FalseAlarms(actions_per_two_years=0.1)))
    (found,) = site.limits().select("reason", "detail").unique().iter_rows()
    assert found == (
        "few_replicates_for_budget",
        '{"few_replicates_for_budget.monitors":11,"few_replicates_for_budget.rate":0.0082,'
        '"few_replicates_for_budget.replicates":200}',
    )


def test_a_plan_that_breaks_its_budget_on_held_out_patients_says_so() -> None:
    site = Site(drift=plan_of(monitor("devices", "jensen_shannon", "model")))
    # No two patients share a category: the reference stands for nobody but its own.
    site.cases = site.cases.with_columns(pl.col("patient_id").alias("model"))
    whole = row(site.limits(), WHOLE_PLAN)
    assert whole["notes"].split(";")[-1] == "budget_exceeded"
    assert json.loads(whole["detail"])["budget_exceeded.levels"] == ["warning", "action"]
    assert whole["warning_rate"] > 0.9


def test_a_window_that_no_split_can_fill_is_said_to_try_the_plan_too_hard(
    quiet_limits: pl.DataFrame,
) -> None:
    caveat = "split_below_window"
    assert caveat in row(Site(drift=plan_of(window_days=240)).limits(), WHOLE_PLAN)["notes"]
    assert caveat not in row(quiet_limits, WHOLE_PLAN)["notes"]


def test_rates_come_with_their_budget_and_the_splits_behind_them(
    quiet_limits: pl.DataFrame,
) -> None:
    whole = row(quiet_limits, WHOLE_PLAN)
    assert codes.sentences(whole["notes"], whole["detail"]) == (
        "budget per window: 0.0986 warning, 0.0493 action;"
        " mean of 10 splits that hold out each reference patient 2 times"
    )
    rates = quiet_limits.filter(pl.col("status") == "given")
    assert rates.select("warning_rate_spread", "action_rate_spread").null_count().row(0) == (0, 0)


def test_a_window_of_too_few_cases_gives_no_signal_but_for_volume_and_events() -> None:
    site = Site(changes={"volume": 0.1, "model": "D"})
    status = site.status()
    refused = status.filter(pl.col("status") == "refused")
    assert set(status["monitor"]) - set(refused["monitor"]) == {"cases", "device", "expected"}
    assert set(refused["reason"]) == {"few_cases_in_window"}
    assert first_window(status, "cases")["signal"] == "action"
    assert first_window(status, "device")["signal"] == "action"


def test_the_first_case_of_a_new_category_is_an_action() -> None:
    site = Site()
    last = site.cases.filter(pl.col("index_date") == date(2025, 2, 1))["case_id"][0]
    planted = pl.when(pl.col("case_id") == last).then(pl.lit("D")).otherwise("model")
    site.cases = site.cases.with_columns(planted.alias("model"))
    status = site.status()
    windows = status.filter(pl.col("monitor") == "device")["signal"].to_list()
    assert windows == ["action", "none", "none"]


def test_a_category_of_one_reference_patient_was_seen_by_the_plan_but_not_by_every_split() -> None:
    site = Site(drift=plan_of(monitor("device", "new_category", "model")))
    twice = [site.cases["case_id"][0], site.cases["case_id"][-5]]
    rare = pl.when(pl.col("case_id").is_in(twice)).then(pl.lit("R")).otherwise("model")
    site.cases = site.cases.with_columns(rare.alias("model"))
    assert "unlisted 1" in site.baseline()["bin"].to_list()
    limits = site.limits()
    assert set(site.status(limits=limits)["signal"]) == {"none"}
    # The one fold in five that holds the patient draws it into most of its windows.
    found = row(limits, "device")
    assert 0.1 < found["action_rate"] < 0.2
    assert found["action_rate_spread"] > 0.2


def test_values_missing_throughout_are_refused_not_compared() -> None:
    site = Site()
    site.cases = site.cases.with_columns(pl.lit(None, dtype=pl.Float64).alias("age_years"))
    drift = plan_of(monitor("ages", "mean_shift", "age_years"), monitor("cases", "volume", None))
    site.drift = drift
    limits = site.limits()
    assert row(limits, "ages")["reason"] == "monitor_undefined"
    assert row(limits, "cases")["status"] == "given"
    assert set(site.status(limits=limits).filter(pl.col("monitor") == "ages")["status"]) == {
        "refused"
    }


def test_only_monitors_that_are_defined_are_calibrated() -> None:
    site = Site(drift=plan_of(monitor("ages", "mean_shift", "age_years")))
    site.cases = site.cases.with_columns(pl.lit(0.1).alias("age_years"))
    assert row(site.limits(), "ages")["status"] == "refused"


def test_a_monitor_that_is_mostly_undefined_gets_no_limit() -> None:
    site = Site(drift=plan_of(monitor("ages", "mean_shift", "age_years"), minimum_cases=10))
    kept = site.cases["case_id"][:400:100].to_list()
    site.cases = site.cases.with_columns(
        pl.when(pl.col("case_id").is_in(kept)).then("age_years").alias("age_years")
    )
    found = row(site.limits(), "ages")
    assert found["warning_limit"] is None or np.isfinite(found["warning_limit"])


def test_a_value_missing_only_in_one_window_is_refused_there() -> None:
    site = Site(drift=plan_of(monitor("ages", "mean_shift", "age_years")))
    gone = pl.col("index_date").is_between(date(2025, 1, 1), date(2025, 3, 1))
    site.cases = site.cases.with_columns(pl.when(~gone).then("age_years").alias("age_years"))
    status = site.status()
    assert status["status"].to_list() == ["refused", "given", "given"]
    assert status["reason"][0] == "undefined_in_window"


def test_proxies_are_withheld_before_the_first_look_and_shown_after(quiet: Site) -> None:
    before = quiet.status(date(2025, 11, 30))
    hidden = before.filter(pl.col("status") == "withheld")
    assert set(hidden["monitor"]) == {"expected"}
    assert set(hidden["reason"]) == {"no_look_yet"}
    assert json.loads(hidden["detail"][0]) == {"no_look_yet.first": str(LOOK)}
    assert hidden["value"].null_count() == hidden.height
    after = quiet.status(AFTER_LOOK).filter(pl.col("monitor") == "expected")
    assert set(after["status"]) == {"given"}


def test_a_proxy_is_withheld_whatever_layer_it_claims() -> None:
    site = Site(drift=plan_of(monitor("expected", "cbpe", None, layer="output")))
    assert set(site.status()["status"]) == {"withheld"}


def test_windows_follow_the_reference_without_a_gap_and_have_ended(quiet: Site) -> None:
    status = quiet.status(date(2025, 5, 1)).filter(pl.col("monitor") == "cases")
    assert status["window_start"].to_list() == [date(2025, 1, 1), date(2025, 3, 2)]
    assert status["window_end"].to_list() == [date(2025, 3, 1), date(2025, 4, 30)]
    # A window that ends on the cut has not ended before it.
    assert quiet.status(date(2025, 4, 30))["window_start"].n_unique() == 1


def test_volume_falls_as_planned_once_the_study_has_taken_its_last_case(
    quiet: Site, quiet_limits: pl.DataFrame
) -> None:
    goes_on = Site(until=date(2026, 1, 5))
    ended, stopped = (
        site.status(date(2026, 3, 1), quiet_limits)
        .filter(pl.col("monitor") == "cases", pl.col("window_end") > date(2025, 12, 31))
        .row(0, named=True)
        for site in (quiet, goes_on)
    )
    assert (ended["status"], ended["reason"], ended["signal"]) == ("refused", "accrual_over", None)
    # Where cases go on to come after the study, a feed that stops is one that stops.
    assert (stopped["status"], stopped["signal"]) == ("given", "action")


def test_cases_that_are_not_included_are_not_monitored() -> None:
    site = Site(excluded_share=0.5)
    reference = site.cases.join(site.included, on="case_id", how="semi").filter(
        pl.col("index_date").dt.year() == 2024
    )
    assert set(site.limits()["reference_n"]) == {reference.height}


def test_a_case_without_a_prediction_counts_as_a_failure() -> None:
    site = Site(drift=plan_of(monitor("failures", "rate", "failure")))
    absent = site.cases.filter(pl.col("index_date") >= date(2025, 1, 1))["case_id"]
    site.scores = site.scores.filter(~pl.col("case_id").is_in(absent.implode()))
    assert first_window(site.status(), "failures")["value"] > 0.9


def test_a_call_is_made_at_the_primary_operating_point() -> None:
    site = Site(drift=plan_of(monitor("flags", "rate", "call", finding="nodule")))
    scored = site.scores.filter(pl.col("score").is_not_null())
    shares = {t: (scored["score"] >= t).mean() for t in (0.1, 0.5)}
    yes = site.baseline().filter(pl.col("bin") == "yes")["share"][0]
    assert yes == pytest.approx(shares[0.5], abs=0.05)
    assert abs(yes - shares[0.1]) > 0.3


def test_where_low_scores_are_positive_the_call_turns_round() -> None:
    drift = plan_of(monitor("flags", "rate", "call"))
    high = Site(drift=drift).baseline().filter(pl.col("bin") == "yes")["share"][0]
    low = Site(drift=drift, index_test=index_test(higher_is="negative")).baseline()
    assert low.filter(pl.col("bin") == "yes")["share"][0] == pytest.approx(1 - high, abs=1e-9)


def test_a_binary_index_test_gives_its_own_call() -> None:
    site = Site(drift=plan_of(monitor("flags", "rate", "call")), index_test=index_test("binary"))
    shares = site.scores.filter(pl.col("call").is_not_null())["call"].mean()
    yes = site.baseline().filter(pl.col("bin") == "yes")["share"][0]
    assert yes == pytest.approx(shares, abs=0.05)


def test_the_plan_names_who_answers_and_what_each_monitor_cannot_see(quiet: Site) -> None:
    planned = plan(limits=quiet.limits(), drift=quiet.drift)
    assert planned.height == len(EVERY_KIND)
    assert set(planned["owner"]) == {"Data owner"}
    assert row(planned, "cases")["minimum_cases"] == row(planned, "device")["minimum_cases"] == 0
    assert row(planned, "ages")["minimum_cases"] == 50
    assert WHOLE_PLAN not in planned["monitor"].to_list()


def test_a_level_that_nobody_describes_is_printed_as_such() -> None:
    drift = plan_of(monitor("cases", "volume", None, level="L3"))
    planned = plan(limits=Site(drift=drift).limits(), drift=drift)
    assert planned["owner"].to_list() == ["nobody named"]
