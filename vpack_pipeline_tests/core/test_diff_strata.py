"""Strata of two packs at the levels that both can be brought to."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.core.diff.figures import Tables
from vpack_pipeline.core.diff.strata import (
    LEVELS,
    SUBGROUPS,
    CommonLevel,
    Incomparable,
    StratumPair,
    common_levels,
    strata,
)
from vpack_pipeline_tests.documents import data_of

PROTOCOL = data_of("protocol.yaml")
FINDING = PROTOCOL["findings"][0]["name"]
MODEL = PROTOCOL["index_test"]["models"][0]["id"]
FINE = {"<50": "<50", "50–70": "50–70", "≥70": "≥70", "missing": "missing"}
FOLDED = FINE | {"50–70": "≥50", "≥70": "≥50"}


def planned(*variables: str) -> dict[str, Any]:
    evaluation = PROTOCOL["evaluation"]
    return {**PROTOCOL, "evaluation": {**evaluation, "subgroups": {"variables": variables}}}


def figure(stratum: str, metric: str, estimate: float | None, **changes: Any) -> dict[str, Any]:
    told = {"finding": FINDING, "model_id": MODEL, "window": "prospective"}
    told |= {"stratum_kind": "age", "stratum": stratum, "metric": metric}
    numbers = {"estimate": estimate, "lower": None, "upper": None, "n": None, "events": None}
    return {**told, **numbers, "reason": "few", **changes}


def share(stratum: str, events: int, n: int, **changes: Any) -> dict[str, Any]:
    return {**figure(stratum, "sensitivity", events / n, n=n, events=events), **changes}


def pack(
    printed: Mapping[str, str] | None,
    figures: Sequence[Mapping[str, Any]],
    protocol: Mapping[str, Any] | None = None,
) -> Tables:
    levels = [
        {"variable": "age", "level": level, "printed_level": shown}
        for level, shown in (printed or {}).items()
    ]
    rows = {LEVELS: levels, SUBGROUPS: figures}
    return Tables(protocol or planned("age"), lambda asset: rows[asset], lambda r: r["reason"])


def test_levels_that_one_pack_folded_are_brought_together() -> None:
    found = common_levels(FINE, FOLDED)
    assert found == [
        CommonLevel("<50", ("<50",), ("<50",)),
        CommonLevel("≥50", ("50–70", "≥70"), ("≥50",)),
        CommonLevel("missing", ("missing",), ("missing",)),
    ]
    assert [level.is_coarser for level in found] == [False, True, False]


def test_levels_that_overlap_are_named_by_their_parts() -> None:
    a = {"1": "1–2", "2": "1–2", "3": "3", "4": "4"}
    b = {"1": "1", "2": "2–3", "3": "2–3", "4": "4"}
    assert common_levels(a, b) == [
        CommonLevel("1–2 + 3", ("1–2", "3"), ("1", "2–3")),
        CommonLevel("4", ("4",), ("4",)),
    ]
    assert common_levels(a, {"1": "1"}) is None


NAMES = [str(n) for n in range(7)]
PRINTED = st.lists(st.sampled_from("abcd"), min_size=7, max_size=7).map(
    lambda shown: dict(zip(NAMES, shown, strict=True))
)


@given(PRINTED, PRINTED)
def test_common_levels_are_the_finest_that_both_add_up_to(a, b):
    """Against the definition: two levels belong together if a chain of printed ones links them."""
    linked = {(x, y) for x in NAMES for y in NAMES if a[x] == a[y] or b[x] == b[y]}
    for middle, x, y in itertools.product(NAMES, repeat=3):
        if (x, middle) in linked and (middle, y) in linked:
            linked.add((x, y))
    expected = {
        (
            frozenset(a[y] for y in NAMES if (x, y) in linked),
            frozenset(b[y] for y in NAMES if (x, y) in linked),
        )
        for x in NAMES
    }
    found = common_levels(a, b)
    assert found is not None
    assert {(frozenset(level.a), frozenset(level.b)) for level in found} == expected
    assert len(found) == len(expected)


def test_counts_and_shares_are_added_up_and_areas_are_not() -> None:
    fine = [
        figure("50–70", "n_cases", 60.0),
        figure("≥70", "n_cases", 40.0),
        share("50–70", 9, 10, lower=0.5, upper=1.0),
        share("≥70", 15, 30),
        figure("50–70", "auc", 0.9),
        figure("≥70", "auc", 0.8),
    ]
    folded = [figure("≥50", "n_cases", 90.0), share("≥50", 30, 50), figure("≥50", "auc", 0.7)]
    found = {s.pair.metric: s.pair for s in strata(pack(FINE, fine), pack(FOLDED, folded))}
    cases, sensitivity, auc = (found[m] for m in ("n_cases", "sensitivity", "auc"))
    assert cases.a is not None
    assert cases.a.estimate == 100
    assert cases.difference is not None
    assert cases.difference.value == -10
    assert sensitivity.a is not None
    assert (sensitivity.a.estimate, sensitivity.a.lower) == (24 / 40, None)
    assert (sensitivity.a.n, sensitivity.a.events) == (40, 24)
    assert sensitivity.difference is not None
    assert sensitivity.difference.value == pytest.approx(0)
    assert sensitivity.difference.why_no_interval == "simultaneous"
    assert auc.a is None
    assert auc.b is not None
    assert auc.difference is None


@pytest.mark.parametrize(
    "second",
    [
        None,
        figure("≥70", "sensitivity", None),
        share("≥70", 15, 30, estimate=0.6),
        figure("≥70", "sensitivity", 0.5),
    ],
    ids=["missing", "refused", "weighted", "without counts"],
)
def test_what_does_not_add_up_is_not_given(second: dict[str, Any] | None) -> None:
    fine = [share("50–70", 9, 10), *([second] if second else [])]
    a, b = pack(FINE, fine), pack(FOLDED, [share("≥50", 30, 50)])
    (found,) = strata(a, b)
    assert isinstance(found, StratumPair)
    assert found.pair.a is None
    assert found.pair.b is not None


def test_equal_levels_keep_their_figures_with_intervals() -> None:
    a = pack(FINE, [share("<50", 9, 10, lower=0.6, upper=0.99)])
    b = pack(FINE, [share("<50", 8, 10, lower=0.5, upper=0.95)])
    (found,) = strata(a, b)
    assert isinstance(found, StratumPair)
    assert (found.variable, found.level.label) == ("age", "<50")
    assert found.pair.a is not None
    assert found.pair.a.lower == 0.6
    assert found.pair.is_changed
    assert found.pair.difference is not None
    assert found.pair.difference.lower is None


def test_a_missing_value_is_counted_and_has_no_results() -> None:
    a = pack(FINE, [figure("missing", "n_cases", 3.0), figure("missing", "n_positive", 0.0)])
    assert [s.pair.metric for s in strata(a, a) if isinstance(s, StratumPair)] == ["n_cases"]


def test_variables_that_both_plan_are_compared_or_said_not_to_be() -> None:
    both = planned("age", "sex")
    found = list(strata(pack(FINE, [], both), pack(FINE, [], both)))
    assert found == [Incomparable("sex", "levels_not_told")]
    assert list(strata(pack(FINE, [], both), pack(FINE, []))) == []
    assert list(strata(pack(None, []), pack(FINE, []))) == [Incomparable("age", "levels_not_told")]
    other = {level: level for level in ("<60", "≥60")}
    assert list(strata(pack(FINE, []), pack(other, []))) == [
        Incomparable("age", "levels_defined_otherwise")
    ]


def test_figures_of_other_models_and_variables_are_left_out() -> None:
    rows = [share("<50", 9, 10, model_id="another"), share("<50", 9, 10, stratum_kind="sex")]
    assert list(strata(pack(FINE, rows), pack(FINE, rows))) == []
