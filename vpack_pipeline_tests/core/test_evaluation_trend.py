"""The primary model from period to period."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest
from evaluation_world import (
    LOOK,
    Case,
    World,
    at,
    cases_of,
    figure,
    printed_words,
    value,
)

from vpack_pipeline.core.evaluation.trend import merged_months
from vpack_pipeline.protocol import IndexTestModel, Output, Sampling
from vpack_pipeline.stats.proportions import clustered_proportion
from vpack_pipeline.stats.trend import odds_ratio_per_quarter


def plain_months(rows, positives, patients):
    """Merge months one by one: rows are (month, is positive, patient)."""
    found, start, last = [], min(m for m, _, _ in rows), max(m for m, _, _ in rows)
    held = []
    for month in range(start, last + 1):
        held += [row for row in rows if row[0] == month]
        if sum(y for _, y, _ in held) >= positives and len({w for _, _, w in held}) >= patients:
            found.append([start, month])
            start, held = month + 1, []
    if not found:
        return [(start, last)]
    if start <= last:
        found[-1][1] = last
    return [tuple(one) for one in found]


@pytest.mark.parametrize("seed", range(12))
def test_months_are_merged_as_by_hand(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 300))
    month, positive = rng.integers(0, 9, n), rng.random(n) < 0.4
    patient = rng.integers(0, 1 + n // 2, n)
    found = merged_months(month, positive, patient, positives=30, patients=11)
    assert found == plain_months(list(zip(month, positive, patient, strict=True)), 30, 11)


def test_no_case_makes_no_period():
    none = np.zeros(0, dtype=np.int64)
    assert merged_months(none, none == 1, none, positives=30, patients=11) == []


def month(number):
    return datetime.date(2025, number, 10)


BY_MONTH = [
    case
    for number in range(1, 13)
    for case in (
        *cases_of(13, "positive", 0.9, date=month(number)),
        *cases_of(number // 3, "positive", 0.1, date=month(number)),
        *cases_of(10, "negative", 0.25, date=month(number)),
        *cases_of(1, "negative", 0.75, date=month(number)),
        *cases_of(1, "negative", None, status="failed", date=month(number)),
        Case("indeterminate", 0.75, date=month(number)),
    )
]


def at_period(window, period, kind="all", stratum="all"):
    return {"window": window, "period": period, "stratum_kind": kind, "stratum": stratum}


@pytest.fixture(scope="module")
def yearly():
    return World(BY_MONTH).run("trend")


def test_each_period_has_its_own_figures(yearly):
    periods = yearly.filter(pl.col("period") != "all")["period"].unique().sort().to_list()
    # Two months of 13 positives and more are 30 only with what is missed.
    assert periods == [
        "2025-01–2025-03",
        "2025-04–2025-06",
        "2025-07–2025-08",
        "2025-09–2025-10",
        "2025-11–2025-12",
    ]
    where = at_period("retrospective", "2025-01–2025-03")
    assert value(yearly, "n_cases", **where) == 3 * 26 + 1
    assert value(yearly, "n_positive", **where) == 40
    found = figure(yearly, "sensitivity", **where)
    want = clustered_proportion(np.arange(40) < 39, np.arange(40))
    assert (found["estimate"], found["lower"]) == pytest.approx((want.value, want.lower))
    assert value(yearly, "specificity", **where) == pytest.approx(33 / 36)
    assert value(yearly, "flagged_share", **where) == pytest.approx((39 + 3 + 3) / 79)
    assert value(yearly, "failure_share", **where) == pytest.approx(3 / 79)
    assert value(yearly, "mean_score", **where) == pytest.approx(
        (39 * 0.9 + 0.1 + 30 * 0.25 + 3 * 0.75 + 3 * 0.75) / 76
    )


def test_time_is_tested_from_the_lock_on(yearly):
    rows = [c for c in BY_MONTH if c.date.month >= 7 and c.label == "positive"]
    want, p = odds_ratio_per_quarter(
        np.array([c.score > 0.5 for c in rows]),
        np.array([c.date.month for c in rows]),
        np.arange(len(rows)),
    )
    where = at_period("prospective", "all")
    found = figure(yearly, "trend_odds_ratio_sensitivity", **where)
    assert (found["estimate"], found["upper"]) == pytest.approx((want.value, want.upper))
    assert found["estimate"] < 1
    assert value(yearly, "trend_p_sensitivity", **where) == pytest.approx(p)
    # Everybody is a woman: there is nothing to adjust for.
    same = value(yearly, "trend_odds_ratio_adjusted_sensitivity", **where)
    assert same == pytest.approx(want.value)
    late = IndexTestModel(
        id="m-2", version="2", digest="sha256:" + "0" * 64, locked_at=at("2025-09-01"), primary=True
    )
    world = World(BY_MONTH)
    moved = world.but(index_test=world.index_test.model_copy(update={"models": (late,)}))
    row = figure(moved.run("trend"), "trend_odds_ratio_sensitivity", **where)
    assert row["reason"] == "few_months"


def test_lock_is_an_event_of_its_period(yearly):
    row = yearly.filter(metric="cases_since_lock").row(0, named=True)
    # The lock of the model is on 1 June.
    assert (row["period"], row["stratum_kind"], row["stratum"]) == (
        "2025-04–2025-06",
        "lock",
        "m-2",
    )
    assert (row["n"], row["events"]) == (sum(c.date.month in (4, 5, 6) for c in BY_MONTH), 28)


def test_devices_have_their_shares_and_changes_of_them_are_events():
    world = World(BY_MONTH)
    model = ["Old" if c.date.month < 8 else "New" for c in BY_MONTH]
    cases = world.argument("cases").with_columns(pl.Series("model", model))
    words = printed_words({"model": {"Old": "Old", "New": "New"}})
    frame = world.but(given={"cases": cases, "printed_words": words}).run("trend")
    july = sum(c.date.month == 7 for c in BY_MONTH)
    both = sum(c.date.month in (7, 8) for c in BY_MONTH)
    where = at_period("prospective", "2025-07–2025-08", "model", "New")
    assert value(frame, "case_share", **where) == pytest.approx((both - july) / both)
    assert value(frame, "cases_of_new_level", **where) == both - july
    last = at_period("prospective", "2025-07–2025-08", "model", "Old")
    assert value(frame, "cases_of_last_level", **last) == july
    seen = frame.filter(pl.col("metric").is_in(["cases_of_new_level", "cases_of_last_level"]))
    assert seen.height == 2
    assert set(frame.filter(stratum_kind="model")["stratum"]) == {"Old", "New", "missing"}


def test_mix_is_adjusted_for_in_printed_levels():
    rng = np.random.default_rng(1)
    cases = [
        Case(
            "positive",
            0.9 if rng.random() < (0.9 if sex == "F" else 0.5) else 0.1,
            sex=sex,
            date=month(number),
        )
        for number in range(7, 13)
        for sex in rng.choice(["F", "M"], 80, p=[1.3 - number / 10, number / 10 - 0.3])
    ]
    frame = World(cases, are_people=True).run("trend")
    where = at_period("prospective", "all")
    plain = figure(frame, "trend_odds_ratio_sensitivity", **where)
    adjusted = figure(frame, "trend_odds_ratio_adjusted_sensitivity", **where)
    assert plain["upper"] < 1
    assert plain["estimate"] < adjusted["estimate"]
    right = np.array([c.score > 0.5 for c in cases])
    want, p = odds_ratio_per_quarter(
        right,
        np.array([c.date.month for c in cases]),
        np.arange(len(cases)),
        [np.array([c.sex == "M" for c in cases], dtype=int)],
    )
    assert adjusted["estimate"] == pytest.approx(want.value)
    assert value(frame, "trend_p_adjusted_sensitivity", **where) == pytest.approx(p)


def of_one_model(world):
    cases = world.argument("cases").with_columns(model=pl.lit("Old"))
    words = printed_words({"model": {"Old": "Old"}})
    return world.but(given={"cases": cases, "printed_words": words})


def test_few_patients_are_no_period():
    frame = of_one_model(World(cases_of(3, "positive", 0.9))).run("trend")
    share = figure(frame, "case_share", **at_period("retrospective", "2025-03", "model", "Old"))
    assert share["reason"] == "set_too_small"
    row = figure(frame, "n_cases", **at_period("retrospective", "2025-03"))
    assert (row["status"], row["reason"], row["n"]) == ("refused", "set_too_small", None)
    assert frame.filter(metric="cases_since_lock").is_empty()


def test_the_share_of_a_device_is_not_that_of_a_sample_drawn_by_score():
    drawn = Sampling(method="random", depends_on=("score",))
    frame = of_one_model(World(BY_MONTH, sampling=drawn)).run("trend")
    shares = frame.filter(metric="case_share")
    assert set(shares["reason"]) == {"drawn_without_fractions"}


def test_before_the_look_no_label_parts_the_months():
    frame = World(BY_MONTH, cut=LOOK.replace(month=2)).run("trend")
    late = frame.filter(window="prospective")
    assert set(late["period"]) == {"2025-07–2025-12", "all"}
    given = set(late.filter(status="given")["metric"])
    assert given == {"n_cases", "n_patients", "failure_share"}
    assert set(late.filter(~pl.col("metric").is_in(list(given)))["status"]) == {"withheld"}


def test_output_without_score_or_call_says_so():
    world = World([Case(c.label, None, call=(c.score or 0) > 0.5, date=c.date) for c in BY_MONTH])
    binary = world.index_test.model_copy(
        update={"output": Output(kind="binary", minimum=0.0, maximum=1.0)}
    )
    frame = world.but(index_test=binary).run("trend")
    where = at_period("retrospective", "2025-01–2025-03")
    assert figure(frame, "mean_score", **where)["reason"] == "no_score"
    assert value(frame, "sensitivity", **where) == pytest.approx(39 / 40)
    silent = World([Case(c.label, None, status="failed", date=c.date) for c in BY_MONTH])
    dumb = silent.run("trend")
    assert figure(dumb, "mean_score", **where)["reason"] == "no_usable_inference"
    row = figure(dumb, "trend_p_specificity", **at_period("prospective", "all"))
    assert row["reason"] == "no_usable_inference"
    bare = World(BY_MONTH).evaluated(operating_points=()).run("trend")
    assert figure(bare, "sensitivity", **where)["reason"] == "no_operating_point"
    names = ("trend_odds_ratio_specificity", "trend_p_adjusted_specificity")
    for name in names:
        row = figure(bare, name, **at_period("prospective", "all"))
        assert row["reason"] == "no_operating_point"
