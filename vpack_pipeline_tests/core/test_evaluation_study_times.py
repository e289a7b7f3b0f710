"""When studies began, by day and part of the day: counted as a loop would, and of nobody of few."""

from __future__ import annotations

import datetime

import polars as pl
import pytest
from evaluation_world import Case, World, figure, value

from vpack_pipeline.core.time_bands import BANDS, with_bands

HOUR = 3600.0
MONDAY = datetime.date(2025, 3, 3)


def case(day, hour, *, out=False, patient=None):
    date = MONDAY + datetime.timedelta(days=day)
    excluded = ("blurred",) if out else ()
    return Case(
        "negative",
        0.1,
        date=date,
        study_time_s=hour * HOUR,
        excluded_by=excluded,
        patient=patient,
    )


WEEK = [case(day, hour) for day in range(7) for hour in (1, 7, 7, 13, 19)]


def band_of(day, hour):
    return {
        "weekday": BANDS["weekday"][day],
        "part_of_week": "monday_to_friday" if day < 5 else "saturday_and_sunday",
        "quarter_of_day": BANDS["quarter_of_day"][hour // 6],
        "half_of_day": "06_to_18" if 6 <= hour < 18 else "18_to_06",
    }


def test_cases_are_counted_as_a_loop_over_them_counts():
    excluded = [case(day, 8, out=True) for day in range(7) for _ in range(5)]
    frame = World([*WEEK, *excluded]).run("study_times")
    everyone = [(day, hour, True) for day in range(7) for hour in (1, 7, 7, 13, 19)]
    everyone += [(day, 8, False) for day in range(7) for _ in range(5)]
    for kind, bands in BANDS.items():
        for band in bands:
            own = [one for one in everyone if band_of(*one[:2])[kind] == band]
            row = figure(frame, "n_begun", stratum_kind=kind, stratum=band)
            assert (row["estimate"], row["n"]) == (len(own), 70)
            row = figure(frame, "n_begun_included", stratum_kind=kind, stratum=band)
            assert (row["estimate"], row["n"]) == (sum(one[2] for one in own), 35)


@pytest.mark.parametrize(
    ("more", "kinds"),
    [
        ([], set(BANDS)),
        # Four excluded on one day, five in the part of the week.
        ([case(0, 8, out=True)] * 4, set()),
        ([case(0, 8, out=True)] * 4 + [case(1, 8, out=True)] * 4, set(BANDS) - {"weekday"}),
        ([case(0, 8, out=True)] * 5, set(BANDS)),
        # Five cases of one patient are one patient.
        ([case(0, 8, out=True, patient="a")] * 5, set()),
    ],
)
def test_a_kind_by_which_few_would_be_described_has_no_counts(more, kinds):
    frame = World([*WEEK, *more]).run("study_times").filter(window="retrospective")
    assert set(frame.filter(status="given")["stratum_kind"]) == kinds
    refused = frame.filter(pl.col("status") != "given")
    assert set(refused["reason"]) <= {"set_too_small"}
    assert refused["n"].null_count() == refused.height


def test_cases_without_a_time_are_not_among_those_counted():
    cases = World(WEEK)
    frame = cases.argument("cases").with_columns(study_time_s=pl.lit(None, pl.Float64))
    made = cases.but(given={"cases": frame}).run("study_times")
    assert value(made, "n_begun", stratum_kind="weekday", stratum="sunday") == 5
    row = figure(made, "n_begun", stratum_kind="half_of_day", stratum="06_to_18")
    assert (row["estimate"], row["n"]) == (0, 0)


def test_counts_are_open_before_the_look():
    early = World(WEEK, cut=datetime.date(2025, 4, 1)).run("study_times")
    assert not (early["status"] == "withheld").any()


@pytest.mark.parametrize(
    ("hour", "quarter", "half"),
    [
        (0.0, "00_to_06", "18_to_06"),
        (5.999, "00_to_06", "18_to_06"),
        (6.0, "06_to_12", "06_to_18"),
        (17.999, "12_to_18", "06_to_18"),
        (18.0, "18_to_24", "18_to_06"),
        (24.0, "18_to_24", "18_to_06"),
        (None, None, None),
    ],
)
def test_a_band_holds_its_first_moment(hour, quarter, half):
    seconds = None if hour is None else hour * HOUR
    frame = pl.DataFrame(
        {"study_date": [MONDAY], "study_time_s": [seconds]},
        schema={"study_date": pl.Date, "study_time_s": pl.Float64},
    )
    assert with_bands(frame).select("quarter_of_day", "half_of_day").row(0) == (quarter, half)
