"""Few labels: where no nodule is left out for want of readers, most have no label, and all say so."""

from __future__ import annotations

import re

import pytest

from vpack_pipeline_tests.acceptance.site_bench import Packed, Row

SHARE = re.compile(r"lies between ([\d.]+)% and ([\d.]+)%")


def row(pack: Packed, asset: str, **keys: str) -> Row:
    (found,) = [r for r in pack.exported(asset) if keys.items() <= r.items()]
    return found


def test_no_nodule_is_left_out_for_want_of_readers_and_most_have_no_label(
    few_labels: Packed,
) -> None:
    flow = row(few_labels, "eligibility/flow", rule="three_readers", unit="case")
    assert flow["removed"] == "0"
    usable, none = (
        row(few_labels, "adjudication/agreement", stratum="all", metric=metric)
        for metric in ("label_usable", "label_none")
    )
    assert int(none["events"]) > int(usable["events"])
    assert int(none["events"]) + int(usable["events"]) == int(usable["n"])
    said = f"Usable labels {usable['events']} of {usable['n']} ( {float(usable['estimate']):.1%} )"
    assert said in few_labels.words


@pytest.mark.parametrize("metric", ["sensitivity", "specificity"])
def test_bounds_are_wide_and_hold_what_stands_among_labelled_cases(
    few_labels: Packed, metric: str
) -> None:
    at = {"window": "prospective", "operating_point": "suspicious", "metric": metric}
    worst, best, labelled = (
        float(row(few_labels, "evaluation/operating_points", analysis=a, **at)["estimate"])
        for a in ("worst_case", "best_case", "intention_to_diagnose")
    )
    assert worst <= labelled <= best
    assert best - worst > 0.3
    verdict = row(few_labels, "evaluation/endpoints", is_headline="true", **at)
    assert {"few_labelled", "verdict_on_bounds"} <= set(verdict["notes"].split(";"))
    assert verdict["verdict"] == "inconclusive"
    assert float(verdict["lower"]) < worst
    assert float(verdict["upper"]) >= best
    page = few_labels.first_page
    assert f"{metric} lies between {worst:.1%} and {best:.1%}" in page
    assert f"{worst:.1%} to {best:.1%} labelled {labelled:.1%}" in page


def test_no_interval_of_chance_alone_stands_for_all_cases(few_labels: Packed) -> None:
    assert len(SHARE.findall(few_labels.first_page)) == 2
    area = row(few_labels, "evaluation/endpoints", is_headline="true", metric="auc")
    assert {"few_labelled", "no_interval_for_verdict"} <= set(area["notes"].split(";"))
    assert (area["lower"], area["upper"], area["verdict"]) == ("", "", "inconclusive")
    before, after = (
        row(few_labels, "evaluation/performance", metric="auc", stratum="all", window=window)
        for window in ("retrospective", "prospective")
    )
    labelled = [f"labelled {float(r['estimate']):.3f}" for r in (before, after)]
    assert f"AUC above 0.800 {' '.join(labelled)}" in few_labels.first_page
