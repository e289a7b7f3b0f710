"""How soon the index test answered and somebody looked: against straight loops over the cases."""

from __future__ import annotations

import datetime
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from evaluation_world import AFTER, LOOK, Case, World, at, figure

from vpack_pipeline.core.evaluation.timeliness import CALLS, QUANTILES, SPANS

START = at("2025-03-01T08:00")


def later(seconds: float | None) -> datetime.datetime | None:
    return None if seconds is None else START + datetime.timedelta(seconds=seconds)


def many(n: int = 120) -> list[Case]:
    """Two cases a patient; one in four flagged, one in ten failed, one in eight never opened."""
    rng = np.random.default_rng(12)
    made = []
    for i in range(n):
        is_failed, is_flagged = i % 10 == 9, i % 4 == 0
        produced = float(rng.exponential(60))
        opened = None if i % 8 == 7 else float(rng.exponential(600 if is_flagged else 3000))
        made.append(
            Case(
                None,
                None if is_failed else (0.9 if is_flagged else 0.1),
                status="failed" if is_failed else "ok",
                patient=f"p{i // 2:04}",
                received_at=START,
                produced_at=None if is_failed else later(produced),
                opened_at=later(opened),
                is_watched=i % 6 != 5,
            )
        )
    return made


def call_of(case: Case) -> str:
    if case.status != "ok":
        return "none"
    return "positive" if case.score is not None and case.score >= 0.5 else "negative"


@pytest.fixture(scope="module")
def found() -> pl.DataFrame:
    return World(many()).run("timeliness")


@pytest.mark.parametrize("call", ["all", *CALLS])
def test_spans_are_the_order_statistics_of_the_cases_that_have_both_times(
    found: pl.DataFrame, call: str
) -> None:
    cases = [c for c in many() if call in ("all", call_of(c))]
    assert figure(found, "n_cases", call_kind=call)["events"] == len(cases)
    assert figure(found, "n_cases", call_kind=call)["n"] == 120
    for span, (begin, end) in SPANS.items():
        seconds = []
        for case in cases:
            times = {name: getattr(case, name) for name in (begin, end)}
            if not case.is_watched:
                times = {n: None if n == "opened_at" else t for n, t in times.items()}
            if None not in times.values():
                seconds.append((times[end] - times[begin]).total_seconds())
        for name, share in QUANTILES.items():
            row = figure(found, f"{span}_{name}", call_kind=call)
            if not seconds:
                assert (row["status"], row["reason"]) == ("refused", "not_delivered")
                continue
            ordered = sorted(seconds)
            assert row["estimate"] == pytest.approx(ordered[math.ceil(share * len(ordered)) - 1])
            assert row["n"] == len(ordered)
            left_out = "cases_without_times_left_out" in (row["notes"] or "")
            assert left_out == (len(ordered) < len(cases))
            if row["lower"] is not None:
                for bound in (row["lower"], row["upper"]):
                    assert min(abs(bound - value) for value in ordered) < 1e-6
                assert row["lower"] <= row["estimate"] <= row["upper"]


def test_every_call_has_every_figure(found: pl.DataFrame) -> None:
    here = found.filter(window="retrospective").group_by("call_kind").agg("metric")
    assert {tuple(sorted(names)) for names in here["metric"]} == {
        (
            "n_cases",
            "never_opened_share",
            "opened_before_output_share",
            "produced_to_opened_median",
            "produced_to_opened_p90",
            "received_to_opened_median",
            "received_to_opened_p90",
            "received_to_produced_median",
            "received_to_produced_p90",
        )
    }


def test_flagged_cases_are_looked_at_sooner_and_the_bounds_say_so(found: pl.DataFrame) -> None:
    flagged, cleared = (
        figure(found, "received_to_opened_median", call_kind=call)
        for call in ("positive", "negative")
    )
    assert flagged["upper"] < cleared["lower"]


@pytest.mark.parametrize("call", ["all", *CALLS])
def test_who_was_never_opened_or_opened_too_soon_is_counted_among_the_watched(
    found: pl.DataFrame, call: str
) -> None:
    watched = [c for c in many() if c.is_watched and call in ("all", call_of(c))]
    never = [c for c in watched if c.opened_at is None]
    row = figure(found, "never_opened_share", call_kind=call)
    assert (row["events"], row["n"]) == (len(never), len(watched))
    both = [c for c in watched if c.opened_at and c.produced_at]
    before = [c for c in both if c.opened_at < c.produced_at]
    row = figure(found, "opened_before_output_share", call_kind=call)
    if both:
        assert (row["events"], row["n"]) == (len(before), len(both))
    else:
        assert row["reason"] == "not_delivered"
    assert before or call == "none"


def test_what_was_not_delivered_is_refused_and_not_taken_for_never() -> None:
    times = World([replace(c, opened_at=None) for c in many()]).run("timeliness")
    assert figure(times, "never_opened_share", call_kind="all")["reason"] == "not_delivered"
    assert figure(times, "received_to_produced_p90", call_kind="all")["status"] == "given"
    nothing = World([Case(None, 0.9), Case(None, 0.1)]).run("timeliness")
    rows = nothing.filter(pl.col("metric") != "n_cases", call_kind="all", window="retrospective")
    assert set(rows["reason"]) == {"not_delivered"}
    empty = nothing.filter(pl.col("metric") != "n_cases", call_kind="none", window="retrospective")
    assert set(empty["reason"]) == {"no_case_of_call"}


def opened_by_study(patients: int) -> World:
    """One case a patient, number i of whose index studies in force is opened first after 70 + i."""
    case = Case(None, 0.9, received_at=START, produced_at=later(10), is_watched=True)
    studies = [
        {"case_id": f"c{i:05d}", "study_id": f"{name}{i}", "role": role, "in_force": is_in_force}
        for i in range(patients)
        for name, role, is_in_force in (
            ("a", "index", True),
            ("b", "index", True),
            ("prior", "prior", True),
            ("gone", "index", False),
        )
    ]
    opened = [
        {"study_id": f"{name}{i}", "opened_at": later(seconds + i), "in_force": is_in_force}
        for i in range(patients)
        for name, seconds, is_in_force in (
            ("a", 90, True),
            ("b", 70, True),
            ("prior", 20, True),
            ("gone", 30, True),
            ("b", 5, False),
        )
    ]
    given = {"case_studies": pl.DataFrame(studies), "operations": pl.DataFrame(opened)}
    return World([case] * patients, given=given)


def test_the_first_opening_of_any_index_study_counts_and_no_other_study() -> None:
    found = opened_by_study(5).run("timeliness")
    row = figure(found, "received_to_opened_median", call_kind="positive")
    assert (row["estimate"], row["n"]) == (72, 5)
    assert row["notes"] == "few_cases_for_quantile"


def test_a_quantile_is_never_the_time_of_one_of_a_few() -> None:
    found = opened_by_study(4).run("timeliness")
    for name in QUANTILES:
        row = figure(found, f"received_to_opened_{name}", call_kind="positive")
        assert (row["estimate"], row["n"]) == (None, None)
        assert row["reason"] == "few_patients_for_quantile"


def test_an_index_test_that_was_run_after_the_fact_kept_nobody_waiting() -> None:
    cases = [replace(c, received_at=later(10**6), produced_at=later(10**6 + 5)) for c in many()]
    frame = World(cases).run("timeliness")
    for call in ("all", "positive", "negative"):
        for span in ("produced_to_opened", "received_to_opened"):
            for name in QUANTILES:
                row = figure(frame, f"{span}_{name}", call_kind=call)
                assert (row["status"], row["reason"]) == ("refused", "run_after_opening")
                assert row["n"] > 0
        assert figure(frame, "received_to_produced_median", call_kind=call)["estimate"] == 5
        assert figure(frame, "opened_before_output_share", call_kind=call)["estimate"] == 1


def test_no_label_is_read_so_that_nothing_waits_for_a_look() -> None:
    cases = [replace(c, date=AFTER) for c in many()]
    early = World(cases, cut=LOOK - datetime.timedelta(days=30)).run("timeliness")
    prospective = early.filter(window="prospective")
    assert "withheld" not in set(prospective["status"])
    relabelled = World([replace(c, label="positive") for c in cases], cut=LOOK).run("timeliness")
    assert relabelled.equals(World(cases).run("timeliness"))


def test_a_window_without_cases_says_so() -> None:
    found = World(many()).run("timeliness").filter(window="prospective")
    assert set(found.filter(pl.col("metric") != "n_cases")["reason"]) == {"no_case_of_call"}
