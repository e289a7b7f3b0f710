"""What distances between sets, and the monitors of a plan, give away: counts behind their floats.

A distance is inverted where one of its sets is printed and the other is not; where both are, it
says nothing more. What does not belong here: how one float is inverted (``inversion``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from vpack_pipeline.core.variables import MISSING
from vpack_pipeline_tests.disclosure import inversion
from vpack_pipeline_tests.disclosure.knowledge import MATCH, PROFILE, OneVariable, Row, Tables

BASELINE, PLAN, STATUS = "drift/baseline", "drift/plan", "drift/status"

Limits = list[tuple[int, int]] | None
Inverse = Callable[[float, int, Sequence[float]], Limits]
"""(value, how many, counts of the known set) → the fewest and most in each level."""


def _of_sum(statistic: inversion.Statistic) -> Inverse:
    return lambda value, n, known: inversion.counts_behind(value, n, known, statistic)


def _of_trial(values: inversion.Values) -> Inverse:
    return lambda value, n, known: inversion.counts_tried(value, n, known, values)


DISTANCES: Final[Mapping[str, Inverse]] = {
    "jensen_shannon": _of_sum(inversion.divergence),
    "smd_unsigned": _of_trial(inversion.mahalanobis),
    "kolmogorov_smirnov": _of_trial(inversion.largest_gap),
    "effective_sample_size": lambda value, n, known: inversion.counts_tried(
        value / sum(known), n, known, inversion.effective_share
    ),
}
"""Statistic of two sets → how the one that is not printed follows from the other."""
MONITORS: Final[Mapping[str, Inverse]] = {
    "psi": _of_sum(inversion.stability),
    "jensen_shannon": _of_sum(inversion.divergence),
    "ks": _of_trial(inversion.largest_gap),
    "rate": _of_trial(inversion.first_share_gap),
}
"""Statistic of a monitor → how a window follows from the baseline."""


def add_distances(one: OneVariable) -> None:
    """Add what each distance says of the set that is not printed."""
    labels = [p for p in one.labels if p != MISSING]
    ours = _printed(one, "included", labels)
    if None in ours:
        return
    known = [n for n in ours if n is not None]
    for row in one.rows(MATCH, variable=one.name):
        other = row["comparison"].removeprefix("included_")
        if row["estimate"] is not None and None in _printed(one, other, labels):
            _distance(one, row, other, dict(zip(labels, known, strict=True)))


def _printed(one: OneVariable, of_set: str, labels: Sequence[str]) -> list[int | None]:
    counts = {r["bin"]: r["n"] for r in one.rows(PROFILE, variable=one.name, set=of_set)}
    return [counts.get(p) for p in labels]


def _distance(one: OneVariable, row: Row, other: str, ours: Mapping[str, int]) -> None:
    metric = row["metric"]
    if metric == "unsupported_share":
        # Those of the other set who stand where no included case does.
        bare = [x for p, n in ours.items() if n == 0 for x in one.parts(p)]
        one.known.equal(one.counted(bare, other), row["events"])
    if metric in DISTANCES:
        limits = DISTANCES[metric](
            row["estimate"], _n_other(one, row, other, ours), [*ours.values()]
        )
        for printed, (low, high) in zip(ours, limits or (), strict=False):
            names = one.counted(one.parts(printed), other)
            one.known.between(dict.fromkeys(names, 1), low, high)


def _n_other(one: OneVariable, row: Row, other: str, ours: Mapping[str, int]) -> int:
    """How many the other set has with a known value: the row counts both sets, or ours alone."""
    if row["metric"] != "effective_sample_size":
        return int(row["n"]) - sum(ours.values())
    rows = one.rows(PROFILE, variable=one.name, set=other)
    lacking = sum(r["n"] or 0 for r in rows if r["bin"] == MISSING)
    return int(rows[0]["n_total"]) - lacking


def add_baselines(one: OneVariable) -> None:
    """Add the reference of each monitor: by its bins it is part of the retrospective window."""
    for monitor in one.rows(PLAN, variable=one.name):
        for row in one.rows(BASELINE, monitor=monitor["monitor"]):
            members = one.parts(row["bin"])
            if not members or row["events"] is None:
                continue
            one.known.equal(one.counted(members, "reference"), row["events"])
            retrospective = one.cases(members, "retrospective")
            one.known.between(dict.fromkeys(retrospective, 1), row["events"], None)


def windows_behind(
    tables: Tables, variables: set[str]
) -> Iterator[tuple[str, str, str, tuple[int, int]]]:
    """Find how many people of a level a window of a monitor holds, from its index and baseline.

    Yields
    ------
    variable, level, the window in words, the fewest and most
    """
    for plan in tables[PLAN].iter_rows(named=True) if PLAN in tables else ():
        inverse = MONITORS.get(plan["statistic"])
        if plan["variable"] not in variables or inverse is None:
            continue
        rows = tables[BASELINE].filter(monitor=plan["monitor"]).sort("bin_order").to_dicts()
        if plan["statistic"] == "ks":
            rows = [row for row in rows if row["bin"] != MISSING]
        if any(row["amount"] is None for row in rows):
            continue
        amounts = [row["amount"] for row in rows]
        for row in tables[STATUS].filter(monitor=plan["monitor"]).iter_rows(named=True):
            if row["value"] is None or not row["n"]:
                continue
            limits = inverse(row["value"], row["n"], amounts)
            told = f"{plan['monitor']} from {row['window_start']}"
            for found, limit in zip(rows, limits or (), strict=False):
                yield plan["variable"], found["bin"], told, limit
