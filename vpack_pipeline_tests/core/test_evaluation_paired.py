"""The primary model beside others on the same cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from evaluation_world import (
    AFTER,
    INDEX_TEST,
    LOOK,
    MODEL,
    POINT,
    Case,
    World,
    at,
    cases_of,
    figure,
    reads,
    value,
)
from scipy.stats import binomtest

from vpack_pipeline.protocol import IndexTest, IndexTestModel, Output, Sampling, Stratum
from vpack_pipeline.stats.proportions import clustered_proportion, tango_bounds
from vpack_pipeline_tests.stats import plain_intervals

OLD = IndexTestModel(
    id="m-1", version="1", digest="sha256:" + "1" * 64, locked_at=at("2024-06-01"), primary=False
)
BOTH = INDEX_TEST.model_copy(update={"models": (MODEL, OLD)})
OLD_POINT = POINT.model_copy(
    update={"name": "old", "model": "m-1", "threshold": 0.4, "primary": False}
)


def world(cases, **changes):
    made = World(cases, index_test=BOTH, **changes)
    return made.evaluated(operating_points=(POINT, OLD_POINT))


def case_of(label, primary, other, **rest):
    return Case(label, 0.9 if primary else 0.1, second_score=0.8 if other else 0.2, **rest)


MIXED = [
    *(case_of("positive", True, True) for _ in range(20)),
    *(case_of("positive", True, False) for _ in range(7)),
    *(case_of("positive", False, True) for _ in range(2)),
    *(case_of("positive", False, False) for _ in range(4)),
    *(case_of("negative", False, False) for _ in range(30)),
    *(case_of("negative", False, True) for _ in range(5)),
    *(case_of("negative", True, False) for _ in range(3)),
    Case("indeterminate", 0.9, second_score=0.9),
    Case(None, 0.9, second_score=0.9),
]


def test_models_are_compared_on_the_same_cases():
    frame = world(MIXED).run("paired")
    assert frame["comparator"].unique().sort().to_list() == ["m-1", "unaided_readers"]
    at_old = {"comparator": "m-1"}
    for metric, counts in {"sensitivity": (7, 2, 33), "specificity": (5, 3, 38)}.items():
        b, c, n = counts
        row = figure(frame, f"paired_difference_{metric}", **at_old)
        assert row["estimate"] == pytest.approx((b - c) / n)
        assert (row["lower"], row["upper"]) == pytest.approx(tango_bounds(b, c, n))
        assert (row["n"], row["events"], row["method"]) == (n, b + c, "tango")
        assert value(frame, f"only_primary_right_{metric}", **at_old) == b
        assert value(frame, f"only_comparator_right_{metric}", **at_old) == c
        want = binomtest(c, b + c).pvalue
        assert value(frame, f"paired_p_{metric}", **at_old) == pytest.approx(want)
    assert value(frame, "primary_sensitivity", **at_old) == pytest.approx(27 / 33)
    assert value(frame, "comparator_specificity", **at_old) == pytest.approx(33 / 38)


STRATA = (Stratum(name="all", fraction=1.0), Stratum(name="cleared", fraction=0.2))
TWO_PHASE = Sampling(method="random", depends_on=("score",), strata=STRATA)


def drawn(cases):
    """All that the primary model flagged; the others stand for five each."""
    return [replace(c, stratum="cleared" if c.score == 0.1 else "all") for c in cases]


def test_of_cases_drawn_by_call_each_counts_as_often_as_it_stands_for():
    frame = world(drawn(MIXED), sampling=TWO_PHASE).run("paired")
    apart = figure(frame, "paired_difference_sensitivity", comparator="m-1")
    assert apart["estimate"] == pytest.approx((7 - 5 * 2) / (27 + 5 * 6))
    assert (apart["n"], apart["events"]) == (33, 9)
    assert apart["lower"] < apart["estimate"] < apart["upper"]
    for code in ("shares_of_discordant_units", "weighted_for_sampling"):
        assert code in apart["method"]
    assert value(frame, "only_comparator_right_sensitivity", comparator="m-1") == 2
    specificity = (5 * 5 - 3) / (3 + 5 * 35)
    assert value(frame, "paired_difference_specificity", comparator="m-1") == pytest.approx(
        specificity
    )
    areas = value(frame, "primary_auc", comparator="m-1") - value(
        frame, "comparator_auc", comparator="m-1"
    )
    assert value(frame, "paired_difference_auc", comparator="m-1") == pytest.approx(areas)
    for metric in ("paired_p_sensitivity", "paired_p_auc"):
        assert figure(frame, metric, comparator="m-1")["reason"] == "not_computed_weighted"


def test_two_that_never_part_leave_the_doubt_of_one_that_was_not_seen():
    alike = [
        c
        for c in MIXED
        if c.label in ("positive", "negative") and (c.score > 0.5) == (c.second_score > 0.5)
    ]
    apart = figure(
        world(drawn(alike), sampling=TWO_PHASE).run("paired"),
        "paired_difference_sensitivity",
        comparator="m-1",
    )
    assert apart["estimate"] == 0
    # One of five in 20 + 5 * 4 of weight.
    assert apart["lower"] < -0.1
    assert apart["upper"] > 0.1


def test_without_fractions_a_difference_is_refused():
    unknown = Sampling(method="random", depends_on=("score",))
    frame = world(MIXED, sampling=unknown).run("paired")
    for metric in ("paired_difference_sensitivity", "paired_difference_auc", "paired_p_auc"):
        assert figure(frame, metric, comparator="m-1")["reason"] == "drawn_without_fractions", (
            metric
        )


def test_difference_of_areas_is_that_of_straight_loops_over_pairs():
    rng = np.random.default_rng(4)
    cases = [
        Case(
            "positive" if y else "negative",
            round(float(rng.random() * 0.6 + 0.4 * y), 2),
            second_score=round(float(rng.random() * 0.7 + 0.3 * y), 2),
            patient=f"p{i // 2}",
        )
        for i, y in enumerate(rng.random(80) < 0.4)
    ]
    frame = world(cases).run("paired")
    sides = []
    for score in ("score", "second_score"):
        rows = [(getattr(c, score), c.label == "positive", c.patient) for c in cases]
        influence = plain_intervals.area_influence(rows)
        sides.append((plain_intervals.area(rows), influence, [p for _, _, p in rows]))
    row = figure(frame, "paired_difference_auc", comparator="m-1")
    want = plain_intervals.difference(*sides)
    assert (row["estimate"], row["lower"], row["upper"]) == pytest.approx(want)
    parts = [value(frame, m, comparator="m-1") for m in ("primary_auc", "comparator_auc")]
    assert parts == pytest.approx([side[0][0] for side in sides])
    assert 0 < value(frame, "paired_p_auc", comparator="m-1") < 1


def read_of(cases, reader, rated):
    """One read of each case for which ``rated`` gives a rating."""
    return [
        {
            "case_id": f"c{i:05d}",
            "reader_id": reader,
            "purpose": "comparator",
            "saw_index_test": False,
            "rating": float(rating),
        }
        for i, case in enumerate(cases)
        if (rating := rated(i, case)) is not None
    ]


def by_pathology(cases):
    return [
        Case(c.label, c.score, second_score=c.second_score, source="pathology", patient=c.patient)
        for c in cases
    ]


def right_but_every_fourth(i, case):
    is_positive = (case.label == "positive") == (i % 4 > 0)
    return 2 if is_positive else 0


def test_readers_are_compared_read_by_read_with_patients_as_clusters():
    cases = by_pathology(MIXED[:-2])
    rows = [*read_of(cases, "r1", right_but_every_fourth), *read_of(cases, "r2", lambda i, _: 0)]
    given = {"reads": reads(*rows)}
    frame = world(cases, given=given).run("paired")
    assert set(frame["comparator"]) == {"m-1", "unaided_readers", "r1", "r2"}
    pooled = figure(frame, "comparator_sensitivity", comparator="unaided_readers")
    right = [i % 4 > 0 for i in range(33)] + [False] * 33
    want = clustered_proportion(np.array(right), np.tile(np.arange(33), 2))
    assert (pooled["estimate"], pooled["n"]) == (pytest.approx(want.value), 66)
    assert pooled["lower"] == pytest.approx(want.lower)
    row = figure(frame, "paired_difference_sensitivity", comparator="unaided_readers")
    assert row["method"] == "tango;counts_by_design_effect"
    hits = [c.score > 0.5 for c in cases[:33]] * 2
    assert row["estimate"] == pytest.approx(np.mean(hits) - np.mean(right))
    assert value(frame, "comparator_sensitivity", comparator="r2") == 0.0
    assert "primary_auc" not in frame.filter(comparator="r1")["metric"].to_list()


def test_single_readers_have_no_rows_unless_they_agreed():
    cases = by_pathology(MIXED[:-2])
    two = {
        "reads": reads(
            *read_of(cases, "r1", right_but_every_fourth), *read_of(cases, "r2", lambda i, _: 0)
        )
    }
    frame = world(cases, given=two, readers_agreed=False).run("paired")
    assert set(frame["comparator"]) == {"m-1", "unaided_readers"}
    assert figure(frame, "paired_difference_sensitivity", comparator="unaided_readers")["estimate"]
    one = {"reads": reads(*read_of(cases, "r1", right_but_every_fourth))}
    assert "r1" not in world(cases, given=one).run("paired")["comparator"]
    alone = world(cases, given=one, readers_agreed=False).run("paired")
    row = figure(alone, "comparator_sensitivity", comparator="unaided_readers")
    assert row["reason"] == "readers_not_agreed"


def test_readers_who_made_the_labels_are_not_held_against_them():
    rows = read_of(MIXED, "r1", right_but_every_fourth)
    frame = world(MIXED, given={"reads": reads(*rows)}).run("paired")
    row = figure(frame, "paired_difference_sensitivity", comparator="unaided_readers")
    assert row["reason"] == "readers_made_labels"
    none = figure(world(MIXED).run("paired"), "primary_sensitivity", comparator="unaided_readers")
    assert none["reason"] == "no_unaided_read"


def test_what_a_model_lacks_is_said():
    at_old = {"comparator": "m-1"}
    no_point = World(MIXED, index_test=BOTH).run("paired")
    assert figure(no_point, "primary_sensitivity", **at_old)["reason"] == "no_operating_point"
    assert figure(no_point, "paired_difference_auc", **at_old)["status"] == "given"
    silent = [Case(c.label, c.score) for c in MIXED]
    frame = world(silent).run("paired")
    for metric in ("paired_difference_sensitivity", "paired_difference_auc"):
        assert figure(frame, metric, **at_old)["reason"] == "no_usable_inference"
    binary = IndexTest(
        models=(MODEL, OLD),
        output=Output(kind="binary", minimum=0.0, maximum=1.0),
        failed_counts_as="negative",
    )
    called = [Case(c.label, None, call=(c.score or 0) > 0.5) for c in MIXED]
    made = World(called, index_test=binary).run("paired")
    assert value(made, "paired_difference_sensitivity", **at_old) == 0
    assert figure(made, "paired_p_sensitivity", **at_old)["reason"] == "no_discordant_pairs"
    assert figure(made, "primary_auc", **at_old)["reason"] == "no_roc_curve"


def test_prospective_comparison_is_withheld_before_the_look():
    cases = [*MIXED, *cases_of(5, "positive", 0.9, date=AFTER)]
    early = world(cases, cut=LOOK.replace(month=2)).run("paired").filter(window="prospective")
    assert set(early["status"]) == {"withheld"}
    assert early.filter(pl.col("n").is_not_null()).is_empty()
