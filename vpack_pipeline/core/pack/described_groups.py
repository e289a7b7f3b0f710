"""Whom a pack describes, case by case: what a later release is held against.

Of each variable that describes people: the level of every case, the level in which it is printed,
and every set of cases that is described in these levels. It is row-level and never travels. What
does not belong here: whether a group has changed too little (``group_changes``), where it is kept
(``io.releases``).
"""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from vpack_pipeline.core.drift.people import People
from vpack_pipeline.core.levels import Description, describe, joined
from vpack_pipeline.core.representativeness.profiled import with_people
from vpack_pipeline.core.representativeness.sets import by_window, view_of
from vpack_pipeline.core.rules_on_people import personal_columns
from vpack_pipeline.core.target import Target, read_target
from vpack_pipeline.core.time_bands import BANDS, described_kinds, with_bands
from vpack_pipeline.core.variables import MISSING, binned
from vpack_pipeline.core.windows import (
    WINDOWS,
    closed_windows,
    is_mature,
    lies_within,
    mature_on,
    window_of,
)
from vpack_pipeline.document import Window
from vpack_pipeline.protocol import Protocol

DUE: Final = ", label due"
"""How the names of sets end that hold the cases of a window whose label is due.

Results are of these, and how many of a window's cases are not due is a result."""
REFERENCE: Final = "monitoring, reference"
REMOVED: Final = "removed by it alone"
"""The level of a rule on people: the cases that no other rule removes."""
_OTHERS: Final = "all others"


@dataclass(frozen=True, slots=True)
class DescribedVariable:
    """One variable, or several that are described together; or a rule on people.

    Attributes
    ----------
    printed : level of the protocol → the level in which it is printed, in order, without missing
    levels : case → its level; cases without a value are not in it
    sets : name of each set that is described → its cases
    persons : persons of the target by level; empty where it is not described
    """

    name: str
    printed: Mapping[str, str]
    levels: Mapping[str, str]
    sets: Mapping[str, frozenset[str]]
    persons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DescribedPeople:
    """All groups of people that the tables of one pack describe.

    Attributes
    ----------
    cases : one row per case of the case view: ``case_id``, ``patient_id``, ``index_date``
    smallest : the fewest patients that the protocol lets a pack describe
    """

    cases: pl.DataFrame
    variables: tuple[DescribedVariable, ...]
    smallest: int


@dataclass(frozen=True, slots=True)
class _Sets:
    """The included cases of a cut by what they are described in: windows, and monitoring's."""

    windows: Mapping[str, frozenset[str]]
    due: frozenset[str]
    monitored: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, included: pl.DataFrame, protocol: Protocol, cut: datetime.date) -> _Sets:
        date = pl.col("index_date")
        evaluation, drift = protocol.evaluation, protocol.drift
        due = mature_on(date, protocol.adjudication, evaluation)
        spans: dict[str, Window] = {REFERENCE: drift.reference}
        spans |= {_monitoring(w.start): w for w in closed_windows(drift, cut)}
        return cls(
            {w: _ids(included.filter(window_of(date, evaluation) == w)) for w in WINDOWS},
            _ids(included.filter(is_mature(due, cut))),
            {name: _ids(included.filter(lies_within(date, w))) for name, w in spans.items()},
        )


def described_people(
    *,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    excluded: pl.DataFrame,
    population: pl.DataFrame,
    levels: pl.DataFrame,
    baseline: pl.DataFrame,
    status: pl.DataFrame,
    protocol: Protocol,
    cut: datetime.date,
) -> DescribedPeople:
    """List every group of people that the exported tables of a cut describe.

    Parameters
    ----------
    cases : the case view
    included : eligibility/included
    excluded : eligibility/excluded; ``all_rules``
    population : cohort/population
    levels : representativeness/levels
    baseline : drift/baseline
    status : drift/status
    """
    profiled = with_people(protocol.representativeness, protocol.covariates, cases.columns)
    study = profiled, protocol.covariates, protocol.evaluation
    known = describe(levels, cases, included, *study, protocol.disclosure)
    personal = {name: one for name, one in known.items() if one.levels.is_personal}
    inside = cases.filter(pl.col("case_id").is_in(included["case_id"].to_list()))
    sets = _Sets.of(inside, protocol, cut)
    watched = _watched(protocol, People(known), baseline, status)
    target = read_target(population, protocol.representativeness.variables)
    rules = personal_columns(protocol.eligibility, protocol.covariates, protocol.disclosure)
    windows = by_window(cases, included, protocol.evaluation)
    made = []
    for name, one in personal.items():
        view = view_of(one, cases, included, excluded, target, rules, windows)
        found = {s: _ids(frame) for s, frame in view.cases.items() if s not in view.reasons}
        found |= dict(_by_window(one, sets))
        found |= {of: ids for of, ids in sets.monitored.items() if of in watched.get(name, ())}
        persons = {} if "target" in view.reasons else _persons(one, target)
        placed = _levels(one, cases, protocol)
        made.append(DescribedVariable(name, _printed(one), placed, _some(found), persons))
    made += _rules(rules, excluded, cases, protocol, cut)
    made += _times(cases, frozenset(included["case_id"].to_list()), protocol)
    return DescribedPeople(
        cases.select("case_id", "patient_id", "index_date"),
        tuple(made),
        protocol.disclosure.smallest_group,
    )


def _watched(
    protocol: Protocol, people: People, baseline: pl.DataFrame, status: pl.DataFrame
) -> dict[str, set[str]]:
    """Give the windows of which a monitor of each variable shows anything."""
    found: dict[str, set[str]] = {}
    for monitor in protocol.drift.monitors:
        if people.description(monitor) is None:
            continue
        shown = found.setdefault(str(monitor.variable), set())
        own = pl.col("monitor") == monitor.name
        if not baseline.filter(own & pl.col("amount").is_not_null()).is_empty():
            shown.add(REFERENCE)
        starts = status.filter(own & pl.col("value").is_not_null())["window_start"]
        shown.update(_monitoring(start) for start in starts)
    return found


def _monitoring(start: datetime.date) -> str:
    return f"monitoring from {start}"


def _by_window(one: Description, sets: _Sets) -> Iterator[tuple[str, frozenset[str]]]:
    """Give a window's cases, and those whose label is due, where the window is described."""
    for window, ids in sets.windows.items():
        if one.too_small(ids) is None:
            yield window, ids
            yield f"{window}{DUE}", ids & sets.due


def _printed(one: Description) -> dict[str, str]:
    """Map every level, or cell of the protocol's levels, to the level in which it is printed."""
    each = one.levels.singly or (one.levels.printed,)
    names = [[level for level in levels if level != MISSING] for levels in each]
    return {joined(cell): one.levels.of(cell) for cell in itertools.product(*names)}


def _levels(one: Description, cases: pl.DataFrame, protocol: Protocol) -> dict[str, str]:
    columns = [binned(cases, v, protocol.covariates).to_list() for v in one.levels.variables]
    cells = zip(*columns, strict=True)
    named = zip(cases["case_id"], cells, strict=True)
    return {case: joined(cell) for case, cell in named if MISSING not in cell}


def _persons(one: Description, target: Target) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for cell, n in (target.cells(one.levels.names) or {}).items():
        counts[joined(cell)] += n
    del counts[MISSING]
    return dict(counts)


def _rules(
    rules: Iterable[str],
    excluded: pl.DataFrame,
    cases: pl.DataFrame,
    protocol: Protocol,
    cut: datetime.date,
) -> Iterator[DescribedVariable]:
    """Give the people whom a rule on people alone removed: the rule says who they are."""
    smallest = protocol.disclosure.smallest_group
    for rule in rules:
        removed = excluded.filter(pl.col("all_rules") == rule)["case_id"].to_list()
        own = cases.filter(pl.col("case_id").is_in(removed))
        sets = _Sets.of(own, protocol, cut)
        found: dict[str, frozenset[str]] = {}
        for window, ids in sets.windows.items():
            if own.filter(pl.col("case_id").is_in(list(ids)))["patient_id"].n_unique() >= smallest:
                found |= {window: ids, f"{window}{DUE}": ids & sets.due}
        printed = {REMOVED: REMOVED, _OTHERS: _OTHERS}
        levels = dict.fromkeys(own["case_id"].to_list(), REMOVED)
        yield DescribedVariable(f"rule {rule}", printed, levels, _some(found))


def _times(
    cases: pl.DataFrame, included: frozenset[str], protocol: Protocol
) -> Iterator[DescribedVariable]:
    """Give the cases of each window by when their studies began, where that is described."""
    banded = with_bands(cases).with_columns(
        pl.col("case_id").is_in(list(included)).alias("is_included"),
        window_of(pl.col("index_date"), protocol.evaluation).alias("window"),
    )
    windows = {window: banded.filter(pl.col("window") == window) for window in WINDOWS}
    smallest = protocol.disclosure.smallest_group
    given = {window: described_kinds(own, smallest) for window, own in windows.items()}
    for kind, bands in BANDS.items():
        levels = dict(banded.select("case_id", kind).drop_nulls().iter_rows())
        found: dict[str, frozenset[str]] = {}
        for window, own in windows.items():
            if kind in given[window]:
                ids = _ids(own)
                found |= {f"{window}, all cases": ids, f"{window}, included": ids & included}
        yield DescribedVariable(
            f"time {kind}", {band: band for band in bands}, levels, _some(found)
        )


def _ids(cases: pl.DataFrame) -> frozenset[str]:
    return frozenset(cases["case_id"].to_list())


def _some(sets: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {name: ids for name, ids in sets.items() if ids}
