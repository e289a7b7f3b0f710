"""Monitors of what describes people see printed levels, and say where too few would be shown."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from drift_bench import AGE, BEDSIDE, DEVICE, TECHNICAL, Site, monitor, plan_of

from vpack_pipeline.core.drift.monitors import MONITORS, level_encoding
from vpack_pipeline.document import Window
from vpack_pipeline.protocol import Disclosure

AGES = (
    monitor("mix", "psi", "age_years"),
    monitor("shape", "ks", "age_years"),
    monitor("new", "new_category", "age_years"),
    monitor("gaps", "missing_rate", "age_years"),
    monitor("devices", "jensen_shannon", "model"),
)


def site(*monitors: Any, **more: Any) -> Site:
    given = {"variables": (AGE, DEVICE, BEDSIDE), "drift": plan_of(*(monitors or AGES)), **more}
    return Site(**given)


def labels(table: pl.DataFrame, name: str) -> list[str]:
    return table.filter(pl.col("monitor") == name)["bin"].to_list()


def reasons(table: pl.DataFrame, name: str) -> set[str | None]:
    return set(table.filter(pl.col("monitor") == name)["reason"])


def test_bins_are_the_printed_levels_and_no_quantile_of_a_person() -> None:
    made = site().baseline()
    assert labels(made, "mix") == ["<50", "50–60", "60–70", "≥70", "missing"]
    assert labels(made, "shape") == labels(made, "mix")
    assert labels(made, "new") == ["<50", "50–60", "60–70", "≥70", "not seen before", "missing"]
    assert labels(made, "gaps") == ["missing", "present"]
    few = site(disclosure=Disclosure(smallest_group=120)).baseline()
    assert len(labels(few, "mix")) < 5


def test_a_change_of_age_is_found_in_printed_levels_and_nothing_without_one() -> None:
    for changes, expected in (({}, {"none"}), ({"age": 25}, {"action"})):
        made = site(changes=changes)
        status = made.status()
        for name in ("mix", "shape"):
            signals = status.filter(pl.col("monitor") == name)["signal"]
            assert set(signals.drop_nulls()) == expected


def test_values_within_a_printed_level_are_not_seen() -> None:
    """The same ages but for their place within a level: every table is the same."""
    made = site()
    moved = site()
    levels = [0.0, 50.0, 60.0, 70.0]
    moved.cases = moved.cases.with_columns(
        pl.col("age_years").map_elements(
            lambda age: levels[sum(age >= edge for edge in levels[1:])] + 1, pl.Float64
        )
    )
    assert moved.baseline().equals(made.baseline())
    limits = made.limits()
    assert moved.limits().equals(limits)
    assert moved.status(limits=limits).equals(made.status(limits=limits))


def test_a_window_of_a_few_is_too_small_to_describe_and_devices_are_seen() -> None:
    made = site(drift=plan_of(*AGES, minimum_cases=10), disclosure=Disclosure(smallest_group=30))
    limits = made.limits()
    assert {None} >= reasons(limits, "devices")
    status = made.status(limits=limits)
    assert "set_too_small" in reasons(status, "mix") & reasons(status, "new")
    assert reasons(status, "gaps") == reasons(status, "devices") == {None}
    refused = status.filter(pl.col("reason") == "set_too_small")
    assert set(refused["status"]) == {"refused"}
    assert refused["value"].null_count() == refused.height > 0


def test_a_reference_that_cannot_be_described_has_no_amounts_and_no_limits() -> None:
    """One day more than the retrospective window: the difference is a few patients."""
    drift = plan_of(*AGES, reference=Window(start=date(2024, 1, 1), end=date(2025, 1, 1)))
    made = site(drift=drift, until=date(2025, 12, 31))
    baseline, limits = made.baseline(), made.limits()
    mix = baseline.filter(pl.col("monitor") == "mix")
    assert mix.select("amount", "share", "events").null_count().row(0) == (5, 5, 5)
    assert baseline.filter(pl.col("monitor") == "devices")["amount"].null_count() == 0
    assert reasons(limits, "mix") == {"set_too_small"}
    assert limits.row(by_predicate=pl.col("monitor") == "devices", named=True)["status"] == "given"
    assert reasons(made.status(limits=limits), "mix") == {"set_too_small"}
    alone = site(drift=drift.model_copy(update={"monitors": AGES[:1]}), until=date(2025, 12, 31))
    whole = alone.limits().filter(pl.col("monitor") == "(whole plan)")
    assert (whole["status"][0], whole["reason"][0]) == ("refused", "no_reference_described")


def test_a_rate_of_people_needs_its_levels_to_stand_for_themselves() -> None:
    bedside = monitor("bedside", "rate", "bedside")
    made = site(bedside)
    assert labels(made.baseline(), "bedside") == ["yes", "no"]
    assert made.limits()["status"].to_list() == ["given", "given"]
    folded = site(bedside, disclosure=Disclosure(smallest_group=300))
    assert reasons(folded.limits(), "bedside") == {"level_folded"}
    declared = TECHNICAL.model_copy(update={"technical": ("size_mm", "bedside")})
    assert site(bedside, disclosure=declared).limits()["status"][0] == "given"


@pytest.mark.parametrize("name", ["psi", "jensen_shannon", "ks"])
def test_the_change_to_be_detected_moves_the_most_frequent_level(name: str) -> None:
    values = ["a"] * 2 + ["b"] * 10 + [None] * 3
    made = level_encoding(("a", "b"), values, MONITORS[name])
    assert made.encode(values, 0.0).sum(axis=0).tolist() == [2, 10, 3]
    moved = made.encode(values, float(np.log(2))).sum(axis=0).tolist()
    assert moved == [7, 5, 3]
    one = level_encoding(("all values",), ["all values", None], MONITORS[name])
    assert one.encode(["all values", None], 1.0).sum(axis=0).tolist() == [1, 1]
