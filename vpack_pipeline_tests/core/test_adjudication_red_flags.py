"""What may speak against a reader's reads: change over time, pace, a jump after the index test."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication.reader_performance import reader_performance
from vpack_pipeline_tests.core import adjudication_cases as made

FLAGS = (
    "agreement_with_others_first_half",
    "agreement_with_others_second_half",
    "agreement_with_others_change",
    "agreement_jump_after_index_test",
)


def figures(
    reads: list[dict[str, Any]], readers: pl.DataFrame | None = None
) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows by reader and metric."""
    cases = made.cases_of(sorted({r["case_id"] for r in reads}))
    names = sorted({r["reader_id"] for r in reads})
    roster = made.roster(*names) if readers is None else readers
    frame = reader_performance(
        reads=made.reads_of(reads),
        readers=roster,
        printed_words=made.words_of(roster),
        cases=cases,
        reference=made.reference_of([]),
        included=made.included_of(cases),
        findings=(made.NODULE,),
        adjudication=made.adjudication(),
        evaluation=made.EVALUATION,
        readers_agreed=True,
    )
    shaped = contracts.conform(frame, contracts.load()["adjudication/reader_performance"])
    return {(r["reader_id"], r["metric"]): r for r in shaped.iter_rows(named=True)}


def over_days(n: int, wrong: set[int], **changes: Any) -> list[dict[str, Any]]:
    """One case a day; r0 and r1 say what is so, r2 the opposite on the days named."""
    found = []
    for day in range(n):
        said = "+" if day % 3 == 0 else "-"
        other = {"+": "-", "-": "+"}[said]
        marks = (said, said, other if day in wrong else said)
        at = made.WHEN + datetime.timedelta(days=day)
        found += [
            made.read(f"c{day:04}", f"r{j}", mark, read_at=at, **changes)
            for j, mark in enumerate(marks)
        ]
    return found


def test_a_reader_who_drifts_is_seen_in_the_second_half() -> None:
    found = figures(over_days(100, set(range(50, 100, 2))))
    first, second = (found["r2", metric] for metric in FLAGS[:2])
    assert (first["events"], first["n"]) == (50, 50)
    assert (second["events"], second["n"]) == (25, 50)
    change = found["r2", "agreement_with_others_change"]
    assert (change["estimate"], change["n"]) == (-0.5, 100)
    assert change["lower"] < -0.5 < change["upper"] < 0
    assert "second_half_less_first" in made.said_of(change)
    # Where r2 says otherwise the others of r0 and of r1 are divided.
    steady = found["r0", "agreement_with_others_change"]
    assert (steady["estimate"], steady["n"]) == (0, 75)
    pooled = found["all", "agreement_with_others_second_half"]
    assert pooled["n"] == sum(found[f"r{j}", FLAGS[1]]["n"] for j in range(3))


def test_reads_of_the_middle_moment_are_of_one_half_whatever_their_order() -> None:
    reads = over_days(90, set(range(0, 90, 7)))
    at_once = [r | {"read_at": made.WHEN} if i < 240 else r for i, r in enumerate(reads)]
    found = figures(at_once)
    assert found == figures(at_once[::-1])
    assert found["r2", FLAGS[0]]["n"] == 80
    assert found["r2", FLAGS[1]]["n"] == 10
    change = found["r2", "agreement_with_others_change"]
    assert change["status"] == "refused"
    assert change["reason"] == "few_reads_on_a_side"
    every = figures([r | {"read_at": made.WHEN} for r in reads])
    assert every["r2", FLAGS[1]]["reason"] == "no_read_of_known_time"


def test_reads_of_unknown_time_are_of_no_half() -> None:
    found = figures([r | {"read_at": None} for r in over_days(70, set())])
    assert {found["r0", metric]["status"] for metric in FLAGS} == {"refused"}
    assert found["r0", FLAGS[0]]["n"] == 0


def test_a_jump_after_sight_of_the_index_test_is_measured() -> None:
    before, after = over_days(80, set(range(0, 80, 4))), over_days(160, set())
    seen = [r | {"saw_index_test": True} for r in after if r["case_id"] >= "c0080"]
    found = figures(before + seen)
    jump = found["r2", "agreement_jump_after_index_test"]
    assert (jump["estimate"], jump["n"]) == (pytest.approx(0.25), 160)
    assert jump["lower"] > 0
    assert "index_test_seen_less_not" in made.said_of(jump)
    blind = figures(before)["r2", "agreement_jump_after_index_test"]
    assert blind["reason"] == "few_reads_on_a_side"


def test_pace_is_counted_where_it_was_recorded() -> None:
    reads = over_days(10, set())
    seconds = [2.9 if i < 6 else 40.0 + i for i in range(len(reads))]
    timed = [r | {"duration_s": s} for r, s in zip(reads, seconds, strict=True)]
    found = figures(timed)
    quick = found["all", "n_implausibly_quick"]
    assert (quick["estimate"], quick["events"], quick["n"]) == (6, 6, 30)
    assert json.loads(quick["detail"]) == {"reads_shorter_than.seconds": 3.0}
    assert found["all", "seconds_per_read"]["estimate"] == np.median(seconds)
    assert found["r0", "n_implausibly_quick"]["events"] == 2
    none = figures(reads)
    for metric in ("seconds_per_read", "n_implausibly_quick"):
        assert none["r0", metric]["status"] == "refused"
        assert none["r0", metric]["reason"] == "no_duration"


def test_flags_that_compare_readers_need_independent_reads_and_pace_does_not() -> None:
    seen = over_days(70, set(), saw_peers=True, duration_s=20.0)
    found = figures(seen)
    assert {found["r0", metric]["reason"] for metric in FLAGS} == {"reads_followed_peers"}
    assert found["r0", "seconds_per_read"]["estimate"] == 20
    assert found["r0", "sensitivity_dawid_skene"]["status"] == "refused"


def test_a_reader_who_took_part_in_development_is_named() -> None:
    readers = pl.concat([made.roster("r0", "r2"), made.roster("r1", in_development=True)])
    found = figures(over_days(5, set()), readers)
    assert found["r1", "n_reads"]["notes"] == "reader_developed"
    assert found["r0", "n_reads"]["notes"] is None
    told = {"readers_developed.developers": 1, "readers_developed.readers": 3}
    assert json.loads(found["all", "n_reads"]["detail"]) == told


def test_rates_without_a_reference_stand_beside_each_reader() -> None:
    """Planted .9/.95, .8/.97, .85/.9; independent errors; three standard errors of 1,500 cases."""
    rng = np.random.default_rng(4)
    rates = ((0.9, 0.95), (0.8, 0.97), (0.85, 0.9))
    truth = rng.random(1500) < 0.2
    reads = [
        made.read(f"c{i:04}", f"r{j}", "+" if rng.random() < (se if ill else 1 - sp) else "-")
        for i, ill in enumerate(truth)
        for j, (se, sp) in enumerate(rates)
    ]
    unsure = made.read("c0000", "r9", "?")
    found = figures([*reads, unsure])
    for j, (sensitivity, specificity) in enumerate(rates):
        for metric, planted in (
            ("sensitivity_dawid_skene", sensitivity),
            ("specificity_dawid_skene", specificity),
        ):
            figure = found[f"r{j}", metric]
            assert figure["n"] == 1500
            assert figure["lower"] - 0.01 < planted < figure["upper"] + 0.01
            assert figure["notes"] == "errors_as_independent"
    assert found["all", "sensitivity_dawid_skene"]["n"] == 4500
    assert found["r9", "sensitivity_dawid_skene"]["reason"] == "no_vote_of_reader"
