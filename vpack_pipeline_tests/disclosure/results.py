"""What results tell of a level: mature cases of a window, and what became of them.

Tables that part nobody by a level (agreement, readers, labels, errors, calibration) hold results of
all cases alone: beside their totals, which stand in ``evaluation/performance`` too, they say nothing
of a level. What does not belong here: counts of people in sets (``knowledge``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.pack.headline import READERS
from vpack_pipeline.stats.simultaneous import level_of
from vpack_pipeline_tests.disclosure import inversion
from vpack_pipeline_tests.disclosure.integers import Name
from vpack_pipeline_tests.disclosure.knowledge import PERFORMANCE, WINDOWS, OneVariable, Row

SUBGROUPS: Final = "evaluation/subgroups"
FAILURES: Final = "evaluation/failures"
ERRORS: Final = "evaluation/errors"
RESULTS: Final = (PERFORMANCE, SUBGROUPS, FAILURES, ERRORS)
RATES: Final = {"miss_rate": "sensitivity", "false_alarm_rate": "specificity"}
"""Rate of an error → the share of what is right beside it."""
REPEATED: Final = frozenset(
    f"share_of_{what}" for what in ("misses", "positives", "false_alarms", "negatives")
) | {"miss_ratio", "false_alarm_ratio", "miss_p", "false_alarm_p"}
"""What is made of the rates of all strata, and counts nobody whom they do not."""
ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "n_cases": ("", "mature"),
    "n_immature": ("", "immature"),
    "n_patients": ("", "patients"),
    "n_positive": ("mature", "positives"),
    "n_negative": ("mature", "negatives"),
    "n_indeterminate": ("mature", "indeterminate"),
    "n_undecided": ("mature", "undecided"),
    "prevalence": ("decided", "positives"),
    "sensitivity": ("positives", "hits"),
    "specificity": ("negatives", "cleared"),
    "auc": ("decided", "positives"),
}
"""Metric → what its ``n`` and its ``events`` count of mature cases; empty: of others as well."""
SHARES: Final = ("sensitivity", "specificity", "prevalence", "failure_share")
SOME: Final = ("some", "some")
EVERY: Final = "*"
ON_PATIENTS: Final = "clopper_pearson_on_patients"
"""The interval of a share of 0 or 1, which is that of as many patients."""


def add_results(one: OneVariable) -> None:
    """Add mature cases of a window and what became of them, by level and of all."""
    for asset in RESULTS:
        for row in filter(None, map(_counted, one.rows(asset))):
            levels = _levels_of(one, row)
            if levels is not None:
                (_failure if asset == FAILURES else _result)(one, row, levels)
    for row in one.rows(SUBGROUPS):
        if _is_of(one, row) and row["stratum"] == EVERY:
            _compared(one, row)


def _counted(row: Row) -> Row | None:
    """Read a rate of errors as the share of those who are right; None of what repeats it."""
    if row["metric"] in REPEATED:
        return None
    if row["metric"] not in RATES:
        return row
    turned = {
        new: None if row[old] is None else 1 - row[old]
        for new, old in (("estimate", "estimate"), ("lower", "upper"), ("upper", "lower"))
    }
    events = None if row["events"] is None else row["n"] - row["events"]
    return {**row, **turned, "metric": RATES[row["metric"]], "events": events}


def _is_of(one: OneVariable, row: Row) -> bool:
    return bool(row.get("stratum_kind") == one.name)


def _levels_of(one: OneVariable, row: Row) -> list[str] | None:
    level = row["stratum"]
    if row.get("stratum_kind", "all") == "all":
        return list(one.printed)
    if not _is_of(one, row) or level == EVERY:
        return None
    return one.parts(level) or ([level] if level in one.printed else None)


def _failure(one: OneVariable, row: Row, levels: list[str]) -> None:
    """Cases of a window, mature or not: of those who fail as many at least as did."""
    n, events = row["n"], _events(row)
    if row["metric"] == "n_cases":
        n = events
    if n is not None:
        one.known.equal(one.cases(levels, row["window"]), n)
    elif events is not None:
        one.known.between(dict.fromkeys(one.cases(levels, row["window"]), 1), events, None)
    _patients(one, row, levels, [("patients", x, row["window"]) for x in levels])


def _level(one: OneVariable, row: Row) -> float:
    """The level of a row's interval: the quantile of intervals that hold together is printed."""
    quantile = json.loads(row.get("detail") or "{}").get("max_t_over_levels.quantile")
    return one.protocol.evaluation.interval.level if quantile is None else level_of(quantile)


def _effective_size(one: OneVariable, row: Row) -> float | None:
    """How many independent cases a share's interval speaks of."""
    share, lower, upper, level = row["estimate"], row["lower"], row["upper"], _level(one, row)
    if 0 < share < 1:
        return inversion.effective_size(share, lower, upper, level)
    return inversion.patients_behind(lower, upper, one.known.most, level)


def _patients(one: OneVariable, row: Row, levels: list[str], names: list[Name]) -> None:
    """The interval of a share of 0 or 1 gives the number of patients away."""
    if ON_PATIENTS not in codes.names(row.get("method")) or row["lower"] is None:
        return
    n = inversion.patients_behind(row["lower"], row["upper"], one.known.most, _level(one, row))
    if n is not None:
        # A patient may stand in several levels, and of a class only some patients are.
        is_all = len(levels) == 1 and row["metric"] == "failure_share"
        one.known.between(dict.fromkeys(names, 1), n, n if is_all else None)


def _result(one: OneVariable, row: Row, levels: list[str]) -> None:
    window, at = row["window"], _of(row)
    if window == "outside":
        if row["metric"] == "n_cases" and row["events"] is not None:
            one.known.equal(one.cases(levels, "outside"), row["events"])
    elif window in WINDOWS:
        _window(one, window, at)
        counts = zip(_roles(row), (row["n"], _events(row)), strict=True)
        for role, count in counts:
            if count is not None and role:
                _counts(one, role, [(role, x, *at) for x in levels], count)
        if row["n"] is None:
            _whole(one, row, [("mature", x, *at) for x in levels])
        _patients(one, row, levels, [("patients", x, *at) for x in levels])


def _whole(one: OneVariable, row: Row, mature: list[Name]) -> None:
    """A share and its interval say of how many it can be, where its n is not printed."""
    if row["estimate"] is None or row["metric"] not in SHARES:
        return
    wholes = inversion.wholes_of(
        row["estimate"],
        (row["lower"], row["upper"]),
        codes.names(row["method"]),
        one.known.most,
        _level(one, row),
    )
    if not wholes:
        return
    role = _roles(row)[0]
    if role == "some":
        one.known.between(dict.fromkeys(mature, 1), min(wholes), None)
    else:
        names = [(role, *name[1:]) for name in mature]
        one.known.between(dict.fromkeys(names, 1), min(wholes), max(wholes))


def _counts(one: OneVariable, role: str, names: list[Name], count: int) -> None:
    if role == "patients":
        # A patient may stand in several levels: all are at most the sum, each at most all.
        one.known.between(dict.fromkeys(names, 1), count, None)
        for name in names:
            one.known.between({name: 1}, None if len(names) > 1 else count, count)
    elif role == "some":
        # Some of the mature cases, whichever.
        mature = dict.fromkeys([("mature", *name[1:]) for name in names], 1)
        one.known.between(mature, count, None)
    else:
        one.known.equal(names, count)


def _events(row: Row) -> int | None:
    is_share = row["events"] is None and row["estimate"] is not None and row["n"]
    if is_share and row["metric"] in SHARES:
        return inversion.events_of(row["estimate"], row["n"])
    events: int | None = row["events"]
    return events


def _of(row: Row) -> tuple[str, str, str]:
    return row["window"], row["finding"], row["model_id"]


def _window(one: OneVariable, window: str, at: tuple[str, str, str]) -> None:
    """What mature cases of a level are made of, and that they are its cases of the window."""
    if ("mature", next(iter(one.printed)), *at) in one.known:
        return
    for x in one.printed:
        part = {r: (r, x, *at) for r in (
            "mature", "immature", "patients", "positives", "negatives", "indeterminate",
            "undecided", "decided", "failed", "hits", "cleared",
        )}  # fmt: skip
        one.known.same(("cases", x, window), [part["mature"], part["immature"]])
        own = ("positives", "negatives", "indeterminate", "undecided")
        one.known.same(part["mature"], [part[r] for r in own])
        one.known.same(part["decided"], [part["positives"], part["negatives"]])
        one.known.within(part["failed"], part["mature"])
        one.known.within(part["hits"], part["positives"])
        one.known.within(part["cleared"], part["negatives"])
        one.known.within(part["patients"], part["mature"])
        one.known.within(part["patients"], ("patients", x, window))
        more = {part["patients"]: 1, part["immature"]: 1, ("patients", x, window): -1}
        one.known.between(more, 0, None)


def _compared(one: OneVariable, row: Row) -> None:
    """A comparison of levels counts those whose own figure is given, and one that is not."""
    metric = row["metric"].rpartition("_")[2]
    roles = ROLES.get(metric)
    if roles is None:
        return
    rows = [
        r
        for r in one.rows(SUBGROUPS, metric=metric, window=row["window"])
        if _of(r) == _of(row) and _is_of(one, r) and r["stratum"] != EVERY
    ]
    given = [r for r in rows if r["estimate"] is not None]
    names = [(roles[0], x, *_of(row)) for r in given for x in (_levels_of(one, r) or ())]
    if names and row["n"] is not None:
        one.known.equal(names, row["n"])
    without = [r for r in rows if r["estimate"] is None]
    if row["n"] is None and row["estimate"] is not None and len(without) == 1:
        _hidden(one, row, given, without[0], roles[0])


def _hidden(one: OneVariable, row: Row, given: list[Row], without: Row, role: str) -> None:
    """Q beside the figures of all levels but one tells how many that one has, of a share."""
    if not row["metric"].startswith("heterogeneity_q_") or role == "decided":
        return
    shares = [(r["estimate"], _effective_size(one, r)) for r in given]
    known = [(share, size) for share, size in shares if size is not None]
    if len(known) < max(1, len(shares)):
        return
    found = inversion.stratum_behind(row["estimate"], known, one.known.most)
    if found:
        names = {(role, x, *_of(row)): 1 for x in _levels_of(one, without) or ()}
        numbers = [n for n, _ in found]
        one.known.between(names, min(numbers), max(numbers))


def _roles(row: Row) -> tuple[str, str]:
    """Say what ``n`` and ``events`` of a row of results count."""
    if row["model_id"] == READERS:
        return SOME
    if row["status"] != "given":
        # A subgroup's refused figure stands beside its cases and its positives.
        return ("mature", "positives") if row["stratum"] != "all" else SOME
    return ROLES.get(row["metric"], SOME)
