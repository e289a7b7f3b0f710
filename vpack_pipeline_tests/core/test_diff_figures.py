"""Which figures and verdicts of two packs are held against one another, and with what interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from vpack_pipeline.core.diff import figures
from vpack_pipeline.core.diff.figures import (
    NOT_ASKED,
    Difference,
    Pair,
    Tables,
    Value,
    Verdict,
    pairs,
    shared_findings,
    verdicts,
)
from vpack_pipeline.stats.difference import difference, proportion_side
from vpack_pipeline_tests.documents import data_of

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
PROTOCOL = data_of("protocol.yaml")
FINDING = PROTOCOL["findings"][0]["name"]
POINT = next(p for p in PROTOCOL["evaluation"]["operating_points"] if p["finding"] == FINDING)
AT = {
    "finding": FINDING,
    "model_id": POINT["model"],
    "window": "prospective",
    "operating_point": POINT["name"],
    "analysis": "intention_to_diagnose",
    "metric": "sensitivity",
}


def row(estimate: float | None = 0.9, half: float | None = 0.1, **named: Any) -> dict[str, Any]:
    given = estimate is not None and half is not None
    lower, upper = (estimate - half, estimate + half) if given else (None, None)  # type: ignore[operator]
    figure = {"estimate": estimate, "lower": lower, "upper": upper, "n": 50, "events": 45}
    return {**named, **figure, "reason": None if given else "few"}


def tables(rows: Rows, protocol: Mapping[str, Any] = PROTOCOL) -> Tables:
    return Tables(protocol, lambda asset: rows.get(asset, ()), lambda r: f"too {r['reason']}")


def point_rows(*estimates: float | None, **changes: Any) -> Tables:
    return tables({figures.POINTS: [row(e, **{**AT, **changes}) for e in estimates]})


def only(a: Tables, b: Tables, *, is_same_site: bool = False) -> Pair:
    (found,) = pairs(a, b, is_same_site=is_same_site)
    return found


def test_the_primary_points_figures_are_paired_with_an_interval_between_sites() -> None:
    pair = only(point_rows(0.9), point_rows(0.8))
    assert (pair.asset, pair.group, pair.window) == (figures.POINTS, "performance", "prospective")
    assert pair.subject == PROTOCOL["findings"][0]["title"]
    assert pair.is_changed
    less = pair.difference
    assert less is not None
    assert less.value == pytest.approx(-0.1)
    # Both figures have half a width of 0.1: MOVER of independent ones is its root of two.
    assert less.lower == pytest.approx(-0.1 - 0.1 * 2**0.5)
    assert less.upper == pytest.approx(-0.1 + 0.1 * 2**0.5)


def test_the_interval_is_that_of_the_difference_of_separate_patients() -> None:
    sides = [
        proportion_side([True] * k + [False] * (n - k), range(start, start + n))  # type: ignore[arg-type]
        for k, n, start in ((38, 48, 0), (10, 35, 100))
    ]
    known = difference(sides[1], sides[0])
    made = []
    for side in sides:
        e = side.estimate
        figure = {"estimate": e.value, "lower": e.lower, "upper": e.upper, "n": e.n, "events": 1}
        made.append(tables({figures.POINTS: [{**AT, **figure, "reason": None}]}))
    less = only(made[0], made[1]).difference
    assert less == Difference(
        pytest.approx(known.value), pytest.approx(known.lower), pytest.approx(known.upper), None
    )


def test_there_is_no_interval_where_patients_are_shared_or_a_figure_has_none() -> None:
    a, b = point_rows(0.9), point_rows(0.8)
    assert only(a, b, is_same_site=True).difference == Difference(
        pytest.approx(-0.1), None, None, "same_site"
    )
    bare = tables({figures.POINTS: [{**row(0.8, **AT), "lower": None}]})
    assert only(a, bare).difference == Difference(
        pytest.approx(-0.1), None, None, "without_interval"
    )
    evaluation = {**PROTOCOL["evaluation"], "interval": {"level": 0.9}}
    other = tables({figures.POINTS: [row(0.8, **AT)]}, {**PROTOCOL, "evaluation": evaluation})
    assert only(a, other).difference == Difference(pytest.approx(-0.1), None, None, "other_level")


def test_a_figure_that_a_pack_does_not_give_is_told_with_its_reason() -> None:
    pair = only(point_rows(0.9), point_rows(None))
    assert pair.b == Value(None, None, None, 50, 45, "too few")
    assert (pair.difference, pair.is_changed) == (None, True)
    pair = only(point_rows(0.9), point_rows())
    assert (pair.b, pair.difference, pair.is_changed) == (None, None, True)
    assert only(point_rows(), point_rows(0.9)).a is None
    # Another denominator, or another reason, is no change.
    other = tables({figures.POINTS: [{**row(None, **AT), "n": 7, "reason": "old"}]})
    assert not only(point_rows(None), other).is_changed


def test_each_pack_is_asked_at_its_own_primary_model_and_point() -> None:
    other = {**POINT, "name": "newer", "threshold": 0.3}
    evaluation = {**PROTOCOL["evaluation"], "operating_points": [other]}
    b = tables(
        {figures.POINTS: [row(0.8, **{**AT, "operating_point": "newer"})]},
        {**PROTOCOL, "evaluation": evaluation},
    )
    pair = only(point_rows(0.9), b)
    assert pair.a is not None
    assert pair.b is not None
    assert (pair.a.estimate, pair.b.estimate) == (0.9, 0.8)
    nowhere = tables({}, {**PROTOCOL, "evaluation": {**evaluation, "operating_points": []}})
    assert only(point_rows(0.9), nowhere).b is None


def test_areas_counts_change_and_agreement_are_found_where_they_stand() -> None:
    here = {"finding": FINDING, "model_id": POINT["model"]}
    change = {**here, "window": "prospective_minus_retrospective"}
    every = {
        figures.PERFORMANCE: [
            row(0.9, **here, window="retrospective", stratum="all", metric="auc"),
            row(100, **here, window="retrospective", stratum="all", metric="n_cases"),
            row(0.5, **here, window="retrospective", stratum="reader 1", metric="auc"),
        ],
        figures.CHANGE: [
            row(-0.1, **change, operating_point="none", metric="auc_difference"),
            row(-0.2, **change, operating_point=POINT["name"], metric="sensitivity_difference"),
        ],
        figures.AGREEMENT: [row(0.7, finding=FINDING, stratum="all", metric="gwet_ac1")],
        figures.MATCH: [
            row(0.2, variable="sex", comparison="included_target", metric="smd_unsigned"),
            row(0.3, variable="sex", comparison="included_excluded", metric="smd_unsigned"),
            row(0.3, variable="sex", comparison="included_target", metric="unmatched_share"),
        ],
        figures.FLOW: [
            flow("start", "In the cohort", 100, 0, 100),
            flow("include", "Adults", 100, 10, 90),
            {**flow("include", "Adults", 70, 5, 65), "unit": "patient"},
        ],
    }
    found = [
        (p.group, p.subject, p.metric) for p in pairs(tables(every), tables({}), is_same_site=True)
    ]
    title = PROTOCOL["findings"][0]["title"]
    assert found == [
        ("performance", title, "auc"),
        ("counts", title, "n_cases"),
        ("change", title, "sensitivity_difference"),
        ("change", title, "auc_difference"),
        ("agreement", title, "gwet_ac1"),
        ("match", "sex", "smd_unsigned"),
        ("exclusions", None, "entered"),
        ("exclusions", "Adults", "removed"),
        ("exclusions", None, "remaining"),
    ]


def flow(kind: str, title: str, entered: int, removed: int, remaining: int) -> dict[str, Any]:
    counts = {"entered": entered, "removed": removed, "remaining": remaining}
    return {"kind": kind, "title": title, "unit": "case", **counts}


def test_findings_of_both_protocols_are_shared() -> None:
    assert shared_findings(PROTOCOL, PROTOCOL)[0][0] == FINDING
    assert shared_findings(PROTOCOL, {"findings": []}) == []


def endpoint(look: str, verdict: str | None, **changes: Any) -> dict[str, Any]:
    claim = PROTOCOL["evaluation"]["endpoints"][0]
    named = {"endpoint": claim["id"], "metric": claim["metric"], "is_headline": True}
    return row(0.9, **{**named, "look": look, "verdict": verdict, **changes})


def judged(a: Rows, b: Rows) -> list[Verdict]:
    return list(verdicts(tables(a), tables(b)))


def test_an_endpoint_is_told_at_its_last_judged_look() -> None:
    looks = [
        endpoint("2027-03-01", "inconclusive"),
        endpoint("2027-06-01", "met"),
        endpoint("2027-09-01", None),
        endpoint("2027-06-01", "not_met", is_headline=False),
    ]
    (found,) = judged({figures.ENDPOINTS: looks[:1]}, {figures.ENDPOINTS: looks})
    assert (found.kind, found.a, found.b, found.is_changed) == (
        "endpoint", "inconclusive", "met", True,
    )  # fmt: skip
    assert found.title == PROTOCOL["evaluation"]["endpoints"][0]["title"]
    assert found.b_figure is not None
    assert found.b_figure.estimate == 0.9
    (unknown,) = judged({figures.ENDPOINTS: [endpoint("2027-03-01", "met", endpoint="x")]}, {})
    assert (unknown.title, unknown.b, unknown.b_figure) == ("x", NOT_ASKED, None)


def test_all_endpoints_and_rules_of_conduct_are_told() -> None:
    rule = {"rule": "blind", "title": "Readers were blind.", "verdict": "held"}
    both = {figures.OVERALL: [{"verdict": "not_met"}], figures.CONDUCT: [rule]}
    other = {**both, figures.CONDUCT: [{**rule, "verdict": "broken"}]}
    overall, conduct = judged(both, other)
    assert (overall.kind, overall.a, overall.is_changed) == ("overall", "not_met", False)
    assert (conduct.title, conduct.a, conduct.b) == ("Readers were blind.", "held", "broken")
    (_, late) = judged({figures.OVERALL: both[figures.OVERALL]}, both)
    assert (late.a, late.b, late.title) == (NOT_ASKED, "held", "Readers were blind.")


def test_the_gravest_signal_of_each_monitor_is_told() -> None:
    plan = [{"monitor": "age", "title": "Age"}, {"monitor": "calls", "title": "Calls"}]

    def signals(*of_age: str | None) -> Rows:
        return {
            figures.MONITORS: plan,
            figures.SIGNALS: [{"monitor": "age", "signal": signal} for signal in of_age],
        }

    age, calls = judged(signals("none", "warning", "none", None), signals("action", "warning"))
    assert (age.title, age.a, age.b) == ("Age", "warning", "action")
    assert (calls.a, calls.b, calls.is_changed) == (None, None, False)
    unplanned = {figures.SIGNALS: [{"monitor": "age", "signal": "none"}]}
    assert judged(unplanned, {})[0].title == "age"


def test_every_table_that_is_read_is_named() -> None:
    read = set()

    def rows(asset: str) -> Sequence[Mapping[str, Any]]:
        read.add(asset)
        return ()

    pack = Tables(PROTOCOL, rows, lambda _: None)
    assert [*pairs(pack, pack, is_same_site=True), *verdicts(pack, pack)] == []
    assert read == set(figures.ASSETS)
