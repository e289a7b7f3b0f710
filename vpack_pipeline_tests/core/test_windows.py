"""Dates and windows: both ends count, windows of monitoring have ended, names are the contract's."""

from __future__ import annotations

import datetime
from typing import get_args

import polars as pl
import pytest
from drift_bench import plan_of
from evaluation_world import ADJUDICATION, EVALUATION

from vpack_pipeline import contracts
from vpack_pipeline.core.windows import (
    OUTSIDE,
    PROSPECTIVE,
    RETROSPECTIVE,
    WINDOWS,
    closed_windows,
    is_mature,
    lies_within,
    mature_on,
    slowest_days,
    window_of,
)
from vpack_pipeline.errors import InputError
from vpack_pipeline.protocol import Endpoint

DAY = datetime.timedelta(days=1)
BEFORE, AFTER = EVALUATION.retrospective, EVALUATION.prospective


def asked(date: datetime.date, expression: pl.Expr) -> object:
    return pl.DataFrame({"date": [date]}).select(expression).item()


@pytest.mark.parametrize(
    ("date", "window"),
    [
        (BEFORE.start - DAY, OUTSIDE),
        (BEFORE.start, RETROSPECTIVE),
        (BEFORE.end, RETROSPECTIVE),
        (AFTER.start, PROSPECTIVE),
        (AFTER.end, PROSPECTIVE),
        (AFTER.end + DAY, OUTSIDE),
    ],
)
def test_a_window_holds_both_of_its_ends(date: datetime.date, window: str) -> None:
    assert asked(date, window_of(pl.col("date"), EVALUATION)) == window
    spans = {RETROSPECTIVE: BEFORE, PROSPECTIVE: AFTER}
    inside = [
        name for name, span in spans.items() if asked(date, lies_within(pl.col("date"), span))
    ]
    assert inside == ([window] if window in spans else [])


def test_a_label_is_due_when_the_slowest_source_is_and_mature_the_day_after() -> None:
    date = datetime.date(2025, 3, 1)
    due = asked(date, mature_on(pl.col("date"), ADJUDICATION, EVALUATION))
    assert due == date + slowest_days(ADJUDICATION, EVALUATION) * DAY
    on_time = [asked(due, is_mature(pl.col("date"), due + days * DAY)) for days in (-1, 0, 1)]
    assert on_time == [False, False, True]


def test_a_source_without_a_maturity_is_named() -> None:
    lacking = EVALUATION.model_copy(update={"maturity": {"panel": 30}})
    with pytest.raises(InputError, match="'pathology' is missing"):
        slowest_days(ADJUDICATION, lacking)


def test_windows_of_monitoring_follow_the_reference_and_have_ended_before_the_cut() -> None:
    plan = plan_of(window_days=30, cadence_days=10)
    first = plan.reference.end + DAY
    assert closed_windows(plan, first + 30 * DAY - DAY) == []
    (one,) = closed_windows(plan, first + 30 * DAY)
    assert (one.start, one.end) == (first, first + 29 * DAY)
    starts = [w.start for w in closed_windows(plan, first + 50 * DAY)]
    assert starts == [first, first + 10 * DAY, first + 20 * DAY]


def test_protocol_contract_and_function_know_the_same_windows() -> None:
    assert get_args(Endpoint.model_fields["window"].annotation) == WINDOWS
    contract = contracts.load()["evaluation/time_split"]
    (known,) = (e.kwargs["value_set"] for e in contract.expectations if e.id == "window_known")
    assert known == [*WINDOWS, OUTSIDE]
