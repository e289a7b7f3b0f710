"""Performance by source of the label, and what stands in for it where labels were sought unlike."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from evaluation_world import World, cases_of, references

from vpack_pipeline.stats.verification_bias import VerifiedCounts, begg_greenes


def world(unflagged_labelled: int) -> World:
    """100 flagged cases, all labelled; of 200 unflagged ones as many as are asked for."""
    return World(
        [
            *cases_of(60, "positive", 0.9, source="pathology"),
            *cases_of(40, "negative", 0.9),
            *cases_of(12, "positive", 0.1),
            *cases_of(unflagged_labelled - 12, "negative", 0.1),
            *cases_of(200 - unflagged_labelled, None, 0.1, n_independent=0),
            *cases_of(3, "negative", None, status="failed"),
        ]
    )


def figure(frame: pl.DataFrame, metric: str, source: str = "any", **where: str) -> dict[str, Any]:
    keys = {"window": "retrospective", "call": "all", "source": source, **where}
    found = frame.filter(metric=metric, **keys)
    assert found.height == 1
    return found.row(0, named=True)


def test_performance_stands_by_source_of_the_label():
    found = world(200).run("verification")
    assert figure(found, "sensitivity", "pathology")["estimate"] == 1
    panel = figure(found, "sensitivity", "panel")
    assert (panel["events"], panel["n"]) == (0, 12)
    whole = figure(found, "sensitivity")
    assert (whole["events"], whole["n"]) == (60, 72)
    # By intention to diagnose a failed inference counts as negative.
    assert figure(found, "specificity")["events"] == 188 + 3


def test_naive_figure_is_the_headline_where_labels_were_sought_alike():
    found = world(185).run("verification")
    difference = figure(found, "difference_labelled")
    assert difference["estimate"] == pytest.approx(1 - 185 / 200)
    assert difference["lower"] < difference["estimate"] < difference["upper"]
    alone = figure(found, "naive_is_headline")
    assert (alone["estimate"], "naive figure is the headline" in alone["reason"]) == (1, True)
    assert figure(found, "sensitivity_begg_greenes")["reason"].startswith("not needed")


def test_bounds_are_the_headline_where_they_were_not():
    found = world(100).run("verification")
    alone = figure(found, "naive_is_headline")
    assert (alone["estimate"], "bounds are the headline" in alone["reason"]) == (0, True)
    bounded = figure(found, "sensitivity_bounds")
    assert (bounded["lower"], bounded["estimate"], bounded["upper"]) == pytest.approx(
        (60 / 172, 60 / 72, 60 / 72)
    )
    assert bounded["reason"].endswith("no interval")
    expected = begg_greenes(VerifiedCounts(60, 40, 12, 88, 0, 100))
    for metric, estimate in zip(("sensitivity", "specificity"), expected, strict=True):
        given = figure(found, f"{metric}_begg_greenes")
        assert given["estimate"] == pytest.approx(estimate.value)
        assert "holds only if" in given["reason"]


def test_few_false_negatives_decide_nothing():
    few = World(
        [
            *cases_of(30, "positive", 0.9),
            *cases_of(9, "positive", 0.1),
            *cases_of(40, "negative", 0.1),
            *cases_of(60, None, 0.1),
        ]
    )
    found = few.run("verification")
    refused = figure(found, "sensitivity_begg_greenes")
    assert refused["reason"] == "fewer than 10 false negatives among the verified cases"
    assert figure(found, "specificity_bounds")["estimate"] == 1


def test_what_cannot_be_given_says_why():
    one_call = World(cases_of(5, "positive", 0.9)).run("verification")
    for metric in ("naive_is_headline", "sensitivity_bounds", "difference_labelled"):
        assert "flagged and unflagged" in figure(one_call, metric)["reason"]
    no_negative = World([*cases_of(5, "positive", 0.9), *cases_of(5, "positive", 0.1)])
    lacking = figure(no_negative.run("verification"), "specificity_bounds")
    assert "no case of this class" in lacking["reason"]
    pointless = world(200).evaluated(operating_points=(), endpoints=()).run("verification")
    for metric in ("sensitivity", "naive_is_headline", "difference_verified"):
        assert "operating point" in figure(pointless, metric)["reason"]


def test_differences_of_each_source_count_what_has_come():
    made = world(200).but(given={"reference": references({"case_id": "c00000"})})
    difference = figure(made.run("verification"), "difference_verified", "pathology")
    assert difference["estimate"] == pytest.approx(0.01)
    assert (difference["events"], difference["n"]) == (1, 300)
