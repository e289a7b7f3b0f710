"""Where the primary model errs, by stratum."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from evaluation_world import (
    LOOK,
    Case,
    World,
    cases_of,
    figure,
    printed_words,
    reads,
    references,
    value,
)
from evaluation_world import at as moment

from vpack_pipeline.protocol import FindingDetail, Subgroups
from vpack_pipeline.stats.simultaneous import level_of
from vpack_pipeline_tests.stats import plain_intervals

# Misses: 1 of 30 of F, 18 of 30 of M, 2 of 4 unknown; false alarms: 4 of 40, 5 of 40.
MIXED = [
    *cases_of(29, "positive", 0.9, sex="F"),
    *cases_of(1, "positive", 0.1, sex="F"),
    *cases_of(12, "positive", 0.9, sex="M"),
    *cases_of(18, "positive", 0.1, sex="M"),
    *cases_of(2, "positive", 0.9, sex=None),
    *cases_of(2, "positive", 0.1, sex=None),
    *cases_of(36, "negative", 0.2, sex="F"),
    *cases_of(4, "negative", 0.8, sex="F"),
    *cases_of(35, "negative", 0.2, sex="M"),
    *cases_of(5, "negative", 0.8, sex="M"),
    Case("indeterminate", 0.1, sex="F"),
]
STRICT = Subgroups(variables=("sex",), minimum_positives=10, minimum_negatives=10)


def at(stratum, kind="sex"):
    return {"stratum_kind": kind, "stratum": stratum}


@pytest.fixture(scope="module")
def mixed():
    return World(MIXED).evaluated(subgroups=STRICT).run("errors")


def test_each_stratum_has_its_rates_and_shares(mixed):
    expected = {
        ("F", "miss_rate"): (1 / 30, 30, 1),
        ("M", "miss_rate"): (18 / 30, 30, 18),
        ("F", "false_alarm_rate"): (4 / 40, 40, 4),
        ("M", "share_of_misses"): (18 / 21, 21, 18),
        ("M", "share_of_positives"): (30 / 64, 64, 30),
        ("F", "share_of_false_alarms"): (4 / 9, 9, 4),
        ("F", "share_of_negatives"): (40 / 80, 80, 40),
        ("M", "miss_ratio"): ((18 / 30) / (3 / 34), 64, 21),
        ("M", "false_alarm_ratio"): (5 / 4, 80, 9),
    }
    for (stratum, metric), (estimate, n, events) in expected.items():
        row = figure(mixed, metric, **at(stratum))
        assert row["estimate"] == pytest.approx(estimate), (stratum, metric)
        assert (row["n"], row["events"]) == (n, events), (stratum, metric)


def test_intervals_hold_together_over_the_strata(mixed):
    row = figure(mixed, "miss_rate", **at("M"))
    detail = json.loads(row["detail"])
    assert detail["max_t_over_levels.levels"] == 2
    level = level_of(detail["max_t_over_levels.quantile"])
    want = plain_intervals.proportion([True] * 18 + [False] * 12, range(30), level)
    assert (row["lower"], row["upper"]) == pytest.approx(want[1:])
    assert level > 0.95


def test_strata_are_named_only_where_chance_does_not_explain_them(mixed):
    row = figure(mixed, "miss_p", **at("*"))
    assert row["estimate"] < 0.001
    detail = json.loads(row["detail"])
    assert detail["errors_more_in.strata"] == ["M"]
    assert detail["errors_fewer_in.strata"] == ["F"]
    calm = figure(mixed, "false_alarm_p", **at("*"))
    assert calm["notes"] == "no_difference_beyond_chance"
    assert calm["estimate"] > 0.5


def test_stratum_with_few_of_a_class_is_refused_for_that_class(mixed):
    row = figure(mixed, "miss_rate", **at("missing"))
    assert row["reason"] == "few_positives"
    assert json.loads(row["detail"]) == {"few_positives.fewest": 10}
    assert figure(mixed, "false_alarm_ratio", **at("missing"))["reason"] == "few_negatives"


def test_one_stratum_with_enough_is_compared_with_none():
    frame = World(cases_of(30, "positive", 0.9) + cases_of(2, "negative", 0.2)).run("errors")
    row = figure(frame, "miss_p", **at("*"))
    assert (row["reason"], row["n"]) == ("one_level_with_enough", 30)
    assert figure(frame, "miss_ratio", **at("F"))["status"] == "refused"
    assert value(frame, "miss_rate", **at("F")) == 0.0


def headed(world, **columns):
    """The world with header fields, and words for all of their texts but lower-case ones."""
    cases = world.argument("cases").with_columns(
        pl.Series(name, values, dtype=pl.String) for name, values in columns.items()
    )
    words = {
        name: {text: text if text.istitle() else "unlisted 1" for text in values if text}
        for name, values in columns.items()
    }
    return world.but(given={"cases": cases, "printed_words": printed_words(words)})


def test_what_headers_say_of_the_acquisition_parts_errors_in_printed_words():
    made = ["Rover" if i % 2 else "rover" for i in range(len(MIXED) - 3)] + [None] * 3
    frame = headed(World(MIXED), manufacturer=made).run("errors")
    of_maker = frame.filter(stratum_kind="manufacturer")
    assert set(of_maker["stratum"]) == {"Rover", "unlisted 1", "missing", "*"}
    missed = [c.label == "positive" and c.score < 0.5 for c in MIXED]
    positive = [c.label == "positive" for c in MIXED]
    own = [m for m, y, maker in zip(missed, positive, made, strict=True) if y and maker == "Rover"]
    row = figure(frame, "miss_rate", **at("Rover", "manufacturer"))
    assert (row["n"], row["events"]) == (len(own), sum(own))


def test_people_are_described_in_printed_levels_alone():
    few = [
        *MIXED,
        *cases_of(2, "positive", 0.9, sex="other"),
        *cases_of(2, "negative", 0.2, sex="other"),
    ]
    folded = World(few, are_people=True).run("errors")
    other = figure(folded, "miss_rate", **at("other"))
    assert other["reason"] == "level_folded"
    assert figure(folded, "miss_rate", **at("missing"))["reason"] == "missing_has_no_results"
    mostly = [*MIXED, *cases_of(400, "positive", 0.9, sex="F")]
    row = figure(World(mostly, are_people=True).run("errors"), "miss_rate", **at("F"))
    assert row["reason"] == "mostly_positive"


def test_without_calls_there_is_no_error_to_look_at():
    silent = World([Case("positive", None, status="failed") for _ in range(20)]).run("errors")
    assert set(silent.filter(window="retrospective")["reason"]) == {"no_usable_inference"}
    bare = World(MIXED).evaluated(operating_points=()).run("errors")
    assert set(bare.filter(window="retrospective")["reason"]) == {"no_operating_point"}


def test_errors_after_the_lock_are_withheld_before_the_look():
    early = World(MIXED, cut=LOOK.replace(month=2)).run("errors")
    assert set(early.filter(window="prospective")["status"]) == {"withheld"}


def test_planted_difference_is_found_among_many_strata():
    rng = np.random.default_rng(1)
    makers = [str(m) for m in rng.choice(["Aa", "Bb", "Cc", "Dd"], 800)]
    cases = [
        Case("positive", 0.9 if rng.random() > (0.5 if maker == "Cc" else 0.15) else 0.1)
        for maker in makers
    ]
    frame = headed(World(cases), manufacturer=makers).run("errors")
    detail = json.loads(figure(frame, "miss_p", **at("*", "manufacturer"))["detail"])
    assert detail["errors_more_in.strata"] == ["Cc"]


# --- what reads and reference labels tell of the finding

SIZE = FindingDetail(
    name="size_mm", title="Size", kind="numeric", edges=(6.0, 10.0), source="reads"
)
LOBE = FindingDetail(
    name="lobe", title="Lobe", kind="categorical", levels=("upper", "lower"), source="reads"
)
STAGE = FindingDetail(
    name="stage", title="Stage", kind="categorical", levels=("I", "II"), source="reference"
)


def told(world, inputs):
    """The world with reads and reference rows of what each case is told to have."""
    rows = {"reads": [], "reference": []}
    for (case_id, source), details in inputs.items():
        purpose = {"purpose": "reference", "reader_id": source}
        more = purpose if source.startswith("r") and source != "registry" else {"source": source}
        kind = "reads" if more is purpose else "reference"
        rows[kind].append(({"case_id": case_id, **more}, json.dumps(details)))
    frames = {
        kind: make(*(row for row, _ in rows[kind])).with_columns(
            pl.Series("details", [text for _, text in rows[kind]], dtype=pl.String)
        )
        for kind, make in (("reads", reads), ("reference", references))
    }
    return world.but(given=frames)


def named(i):
    return f"c{i:05d}"


def test_misses_are_parted_by_the_median_size_of_all_reads():
    inputs = {}
    for i, case in enumerate(MIXED[:60]):
        small = case.score < 0.5
        for reader, size in (("r1", 3.0), ("r2", 5.0), ("r3", 30.0)):
            inputs[named(i), reader] = {"size_mm": size if small else size + 6}
    frame = told(World(MIXED, finding_details=(SIZE,)), inputs).run("errors")
    small = figure(frame, "miss_rate", **at("<6", "size_mm"))
    assert (small["estimate"], small["n"]) == (1.0, 19)
    assert value(frame, "miss_rate", **at("≥10", "size_mm")) == 0.0
    assert value(frame, "share_of_misses", **at("<6", "size_mm")) == pytest.approx(19 / 21)
    assert figure(frame, "false_alarm_rate", **at("<6", "size_mm"))["reason"] == "few_negatives"


def test_readers_who_tell_different_sites_leave_it_missing():
    inputs = {}
    for i in range(60):
        second = "upper" if i < 20 else "lower"
        inputs |= {(named(i), "r1"): {"lobe": "upper"}, (named(i), "r2"): {"lobe": second}}
        if i >= 40:
            inputs[named(i), "r3"] = {"lobe": "lower"}
    frame = told(World(MIXED, finding_details=(LOBE,)), inputs).run("errors")
    counts = {s: figure(frame, "miss_rate", **at(s, "lobe"))["n"] for s in ("upper", "lower")}
    assert counts == {"upper": 20, "lower": 20}
    # Twenty on whom they differ, and four positives without a read.
    assert figure(frame, "miss_rate", **at("missing", "lobe"))["n"] == 24


def test_label_tells_of_the_source_that_gave_it_or_else_of_the_latest():
    cases = [Case(c.label, c.score, sex=c.sex, source="pathology") for c in MIXED[:30]]
    cases += MIXED[30:]
    inputs = {}
    for i in range(60):
        inputs[named(i), "pathology"] = {"stage": "I"}
        inputs[named(i), "registry"] = {"stage": "II"}
    world = told(World(cases, finding_details=(STAGE,)), inputs)
    later = world.given["reference"].with_columns(
        pl.when(pl.col("source") == "registry")
        .then(pl.lit(moment("2025-09-01")))
        .otherwise(pl.lit(moment("2025-08-01")))
        .cast(pl.Datetime("us", "UTC"))
        .alias("established_at")
    )
    frame = world.but(given={**world.given, "reference": later}).run("errors")
    counts = {s: figure(frame, "miss_rate", **at(s, "stage"))["n"] for s in ("I", "II")}
    assert counts == {"I": 30, "II": 30}


def test_detail_that_few_patients_have_is_shown_by_no_level():
    inputs = {(named(i), "r1"): {"lobe": "upper" if i < 57 else "lower"} for i in range(60)}
    frame = told(World(MIXED, finding_details=(LOBE,)), inputs).run("errors")
    for level in ("upper", "lower", "missing"):
        assert figure(frame, "miss_rate", **at(level, "lobe"))["reason"] == "set_too_small"
