"""The distribution of scores, against a loop over cases."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest
from evaluation_world import AFTER, BEFORE, INDEX_TEST, LOOK, Case, World, figure, value

from vpack_pipeline.core.evaluation.score_grid import score_bins, threshold_grid
from vpack_pipeline.protocol import Output
from vpack_pipeline.stats.proportions import clustered_proportion

LABELS = {
    "share_of_positives": "positive",
    "share_of_negatives": "negative",
    "share_of_indeterminate": "indeterminate",
    "share_of_unlabelled": None,
}


def with_output(**output):
    return INDEX_TEST.model_copy(update={"output": Output(**output)})


def made_up(low, high, n=120, seed=1):
    rng = np.random.default_rng(seed)
    cases = []
    for i in range(n):
        label = ["positive", "negative", "indeterminate", None][int(rng.integers(4))]
        failed = rng.random() < 0.1
        score = None if failed else float(low + (high - low) * rng.integers(0, 41) / 40)
        status = "failed" if failed else "ok"
        cases.append(Case(label, score, status=status, patient=f"p{i // 3}"))
    return cases


@pytest.mark.parametrize("higher_is", ["positive", "negative"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-40.0, 60.0)])
def test_shares_equal_a_loop_over_cases(low, high, higher_is):
    kind = "probability" if high == 1 else "ordinal"
    cases = made_up(low, high)
    index_test = with_output(kind=kind, minimum=low, maximum=high, higher_is=higher_is)
    frame = World(cases, index_test=index_test).run("scores").filter(window="retrospective")
    width = (high - low) / 20
    for k in range(20):
        keys = {"stratum_kind": "score", "stratum": f"{k + 1:02d}"}
        start, end = low + k * width, low + (k + 1) * width
        assert value(frame, "score_from", **keys) == pytest.approx(start)
        assert value(frame, "score_to", **keys) == pytest.approx(end)
        for metric, label in LABELS.items():
            of_label = [c for c in cases if c.label == label]
            is_last = k == 19
            inside = [
                c.score is not None
                and round(start, 9) <= round(c.score, 9)
                and (round(c.score, 9) < round(end, 9) or is_last)
                for c in of_label
            ]
            patients = np.array([c.patient for c in of_label])
            expected = clustered_proportion(np.array(inside), patients)
            row = figure(frame, metric, **keys)
            assert (row["events"], row["n"]) == (expected.events, expected.n)
            assert [row["estimate"], row["lower"], row["upper"]] == pytest.approx(
                [expected.value, expected.lower, expected.upper]
            )
    for metric, label in LABELS.items():
        failed = sum(c.score is None for c in cases if c.label == label)
        assert figure(frame, metric, stratum_kind="no_score")["events"] == failed


def test_steps_of_an_ordinal_output_are_bins_of_their_own():
    index_test = with_output(kind="ordinal", minimum=1, maximum=5)
    cases = [Case("positive", s) for s in (1, 5, 5, 4, 7, -1)]
    frame = World(cases, index_test=index_test).run("scores").filter(window="retrospective")
    shares = frame.filter(metric="share_of_positives")
    found = {(r["stratum_kind"], r["stratum"]): r["events"] for r in shares.iter_rows(named=True)}
    assert found == {
        **{("score", str(k)): n for k, n in zip(range(1, 6), (1, 0, 0, 1, 2), strict=True)},
        ("beyond_range", "below"): 1,
        ("beyond_range", "above"): 1,
        ("no_score", "no_score"): 0,
    }
    ends = frame.filter(pl.col("metric").is_in(["score_from", "score_to"]))
    assert ends["estimate"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize(
    ("output", "n_bins", "n_thresholds"),
    [
        ({"kind": "ordinal", "minimum": 1, "maximum": 5}, 5, 5),
        ({"kind": "ordinal", "minimum": 0, "maximum": 100}, 20, 101),
        ({"kind": "ordinal", "minimum": 0, "maximum": 101}, 20, 101),
        ({"kind": "ordinal", "minimum": 0, "maximum": 30}, 20, 31),
        ({"kind": "ordinal", "minimum": 0, "maximum": 2.5}, 20, 101),
        ({"kind": "probability", "minimum": 0, "maximum": 1}, 20, 101),
    ],
)
def test_places_follow_from_the_protocol_and_are_named_in_their_order(output, n_bins, n_thresholds):
    made = Output(**output)
    names, tried = score_bins(made).names, threshold_grid(made)
    assert (len(names), len(tried)) == (n_bins, n_thresholds)
    assert sorted(names) == list(names)
    assert sorted(tried) == list(tried)
    assert [tried[0][1], tried[-1][1]] == [made.minimum, made.maximum]
    assert [t for _, t in tried] == sorted(t for _, t in tried)


def test_a_binary_output_has_no_scores():
    index_test = with_output(kind="binary", minimum=0, maximum=1)
    frame = World([Case("positive", None, call=True)], index_test=index_test).run("scores")
    shares = frame.filter(pl.col("metric").is_in(list(LABELS)))
    assert set(shares["reason"]) == {"binary_without_score"}


def test_a_label_without_a_case_has_no_shares_and_nothing_is_shown_before_a_look():
    dates = [Case("positive", 0.5, date=date) for date in (BEFORE, AFTER)]
    frame = World(dates, cut=LOOK - datetime.timedelta(days=1)).run("scores")
    assert set(frame.filter(window="prospective")["status"]) == {"withheld"}
    none = frame.filter(window="retrospective", metric="share_of_negatives")
    assert set(none["reason"]) == {"no_cases"}
