"""The sweep of thresholds, against the table of locked points and a loop over cases."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest
from evaluation_world import (
    AFTER,
    BEFORE,
    INDEX_TEST,
    LOOK,
    POINT,
    Case,
    World,
    figure,
    value,
)

from vpack_pipeline.protocol import Output, Sampling, Stratum

METRICS = ("sensitivity", "specificity", "ppv", "npv")
SAID = ("estimate", "n", "events", "status", "reason")


def made_up(seed=3, n=90):
    rng = np.random.default_rng(seed)
    labels = ["positive", "negative", "indeterminate", None]
    cases = []
    for i in range(n):
        label = labels[int(rng.choice(4, p=[0.3, 0.5, 0.1, 0.1]))]
        failed = rng.random() < 0.08
        score = (
            None
            if failed
            else round(float(rng.beta(*((4, 2) if label == "positive" else (2, 4)))), 2)
        )
        stratum = "ward" if i % 2 else "clinic"
        status = "failed" if failed else "ok"
        cases.append(Case(label, score, status=status, patient=f"p{i // 3}", stratum=stratum))
    return cases


@pytest.mark.parametrize("counts_as", ["negative", "positive", "incorrect"])
@pytest.mark.parametrize("higher_is", ["positive", "negative"])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_each_threshold_gives_what_it_would_give_as_a_locked_one(counts_as, higher_is, is_weighted):
    output = Output(kind="probability", minimum=0, maximum=1, higher_is=higher_is)
    index_test = INDEX_TEST.model_copy(update={"output": output, "failed_counts_as": counts_as})
    strata = (Stratum(name="ward", fraction=0.5), Stratum(name="clinic", fraction=1.0))
    sampling = Sampling(method="random", strata=strata if is_weighted else ())
    world = World(made_up(), index_test=index_test, sampling=sampling)
    swept = world.run("thresholds")
    places = {"001": 0.0, "013": 0.12, "051": 0.5, "101": 1.0}
    points = tuple(
        POINT.model_copy(update={"name": f"at{place}", "threshold": threshold})
        for place, threshold in places.items()
    )
    locked = world.evaluated(operating_points=points).run("operating_points")
    for place, threshold in places.items():
        keys = {"stratum_kind": "threshold", "stratum": place}
        assert value(swept, "threshold", **keys) == threshold
        there = {"operating_point": f"at{place}", "analysis": "intention_to_diagnose"}
        for metric in METRICS:
            here, other = figure(swept, metric, **keys), figure(locked, metric, **there)
            assert {k: here[k] for k in SAID} == {k: other[k] for k in SAID}
            for bound in ("lower", "upper"):
                assert here[bound] == pytest.approx(other[bound], abs=1e-12)
        burden = figure(locked, "flagged_per_1000", **there)
        flagged = figure(swept, "flagged_share", **keys)
        assert flagged["estimate"] == pytest.approx(burden["estimate"] / 1000)
        assert (flagged["events"], flagged["n"]) == (burden["events"], burden["n"])


def test_every_row_says_that_it_is_exploratory_and_none_that_it_is_best():
    frame = World(made_up()).run("thresholds").filter(window="retrospective", status="given")
    rates = frame.filter(pl.col("metric") != "threshold")
    assert rates["notes"].str.contains("thresholds_exploratory").all()
    assert rates["stratum"].n_unique() == 101
    assert set(frame["metric"]) == {*METRICS, "flagged_share", "threshold"}


def test_an_ordinal_output_is_swept_step_by_step():
    output = Output(kind="ordinal", minimum=1, maximum=5)
    index_test = INDEX_TEST.model_copy(update={"output": output})
    cases = [Case("positive", s) for s in (5, 4, 1)] + [Case("negative", s) for s in (1, 2)]
    frame = World(cases, index_test=index_test).run("thresholds").filter(window="retrospective")
    sensitivity = frame.filter(metric="sensitivity")
    assert sensitivity["stratum"].to_list() == ["1", "2", "3", "4", "5"]
    assert sensitivity["events"].to_list() == [3, 2, 2, 2, 1]
    assert frame.filter(metric="specificity")["events"].to_list() == [0, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("cases", "kind", "why"),
    [
        ([Case("positive", None, call=True)], "binary", "no_roc_curve"),
        ([Case("positive", None, status="failed")], "probability", "no_usable_inference"),
    ],
)
def test_without_a_score_nothing_is_swept(cases, kind, why):
    index_test = INDEX_TEST.model_copy(update={"output": Output(kind=kind, minimum=0, maximum=1)})
    frame = World(cases, index_test=index_test).run("thresholds").filter(window="retrospective")
    assert set(frame.filter(pl.col("metric") != "threshold")["reason"]) == {why}


@pytest.mark.parametrize(
    ("drawn", "why", "refused"),
    [
        ({"strata": (Stratum(name="ward", fraction=0.5),)}, "no_sampling_fraction", METRICS),
        ({"depends_on": ("label",)}, "drawn_without_fractions", ("ppv", "npv")),
        ({"depends_on": ("score",)}, "drawn_without_fractions", ("sensitivity", "specificity")),
    ],
)
def test_without_fractions_what_the_draw_decides_is_refused(drawn, why, refused):
    frame = World(made_up(), sampling=Sampling(method="random", **drawn)).run("thresholds")
    at = frame.filter(window="retrospective", stratum="051")
    assert set(at.filter(status="refused", reason=why)["metric"]) == {*refused, "flagged_share"}


def test_the_prospective_window_waits_for_its_look():
    dates = [Case("positive", 0.5, date=date) for date in (BEFORE, AFTER)]
    frame = World(dates, cut=LOOK - datetime.timedelta(days=1)).run("thresholds")
    assert set(frame.filter(window="prospective")["status"]) == {"withheld"}
