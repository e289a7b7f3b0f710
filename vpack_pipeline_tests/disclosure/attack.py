"""Every described group of a pack that is certain to be small, found from what the pack prints.

What does not belong here: what is known of one variable (``knowledge``, ``results``, ``rules``,
``floats``), how a pack is read (``pack``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from vpack_pipeline.contracts import fields
from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.protocol import Protocol
from vpack_pipeline_tests.disclosure.floats import (
    BASELINE,
    PLAN,
    STATUS,
    add_baselines,
    add_distances,
    windows_behind,
)
from vpack_pipeline_tests.disclosure.integers import Name
from vpack_pipeline_tests.disclosure.knowledge import (
    FLOW,
    LEVELS,
    MATCH,
    PROFILE,
    SETS,
    OneVariable,
    Tables,
    smallest_group,
)
from vpack_pipeline_tests.disclosure.results import RESULTS, add_results
from vpack_pipeline_tests.disclosure.rules import ByRules, add_rules

READ = frozenset({LEVELS, PROFILE, MATCH, FLOW, *RESULTS, PLAN, BASELINE, STATUS})
"""The tables that are attacked; the others that travel say nothing of a level."""
BY_RULES = ("cohort", "excluded")
"""Sets that hold whom rules removed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A described group of certainly 1 to ``smallest`` - 1 patients (target: persons)."""

    variable: str
    level: str
    set: str
    fewest: int
    most: int


def attack(tables: Tables, protocol: Protocol) -> list[Found]:
    """Find every described group that is certain to be small, from what a pack prints.

    Parameters
    ----------
    tables : the exported tables, by asset

    Raises
    ------
    ContradictionError
        What is taken for known cannot be true.
    """
    smallest = smallest_group(protocol)
    found: list[Found] = []
    for variable, printed in printed_levels(tables).items():
        found += small_groups(OneVariable.of(tables, protocol, variable, printed), smallest)
    found += small_strays(tables, protocol, smallest)
    return found + small_windows(tables, smallest)


def printed_levels(tables: Tables) -> dict[str, dict[str, tuple[str, str]]]:
    """Give each personal variable's levels: its printed level, and why if it is another."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for row in tables[LEVELS].filter("is_personal").iter_rows(named=True):
        said = (row["printed_level"], row["reason"] or "")
        found.setdefault(row["variable"], {})[row["level"]] = said
    return found


def small_groups(one: OneVariable, smallest: int) -> list[Found]:
    """Find the groups of one variable, by level and by printed level, that are certain to be small."""
    by_rules = learn(one)
    return certainly_small(one, by_rules, smallest)


def learn(one: OneVariable) -> ByRules:
    """Add all that a pack says of a variable beside its levels, profile and flow."""
    add_results(one)
    by_rules = add_rules(one)
    add_baselines(one)
    add_distances(one)
    return by_rules


def certainly_small(one: OneVariable, by_rules: ByRules, smallest: int) -> list[Found]:
    """Find the groups that are certain to be small by all that is known."""
    found = []
    for members, label in groups_of(one).items():
        for of_set, counts in _sets(members, by_rules.groups):
            if any(name not in one.known for name in counts):
                continue
            limits = one.known.certain_range(counts, smallest)
            if limits is not None and not _is_told(one, by_rules, members, of_set):
                found.append(Found(one.name, label, of_set, *limits))
    return found


def groups_of(one: OneVariable) -> dict[tuple[str, ...], str]:
    """Give the levels, alone and as they are printed together, with the label of each."""
    levels = [x for x in one.printed if x != MISSING]
    groups = {(x,): x for x in levels}
    groups |= {tuple(one.parts(p)): p for p in one.labels if p != MISSING}
    # All of a set are no group of a level: how many there are is the participant flow's to say.
    groups.pop(tuple(levels), None)
    return groups


def _sets(
    members: tuple[str, ...], by_rules: list[tuple[str, list[Name]]]
) -> Iterator[tuple[str, list[Name]]]:
    for of_set in SETS:
        yield of_set, [("patients", x, of_set) for x in members]
    for removed_by, counts in by_rules:
        chosen = [name for name in counts if name[1] in members]
        yield f"removed by {removed_by}", chosen


def _is_told(one: OneVariable, by_rules: ByRules, members: tuple[str, ...], of_set: str) -> bool:
    """Whether a group may be no more than whom a rule on its levels says that it removed."""
    told = by_rules.told(members)
    if of_set not in BY_RULES or not told:
        return False
    whole = dict.fromkeys(one.cases(members, of_set), 1)
    return one.known.least_of(whole | dict.fromkeys(told, -1)) <= 0


def _is_personal(variable: str, protocol: Protocol) -> bool:
    if variable in {c.name for c in protocol.covariates}:
        return variable not in protocol.disclosure.technical
    return bool(fields.find(variable).personal)


def small_strays(tables: Tables, protocol: Protocol, smallest: int) -> list[Found]:
    """Find counts of people in levels that are not those of the table of levels.

    Of a covariate that it does not have, or of bins that a monitor made for itself.
    """
    known = {v: {p for p, _ in told.values()} for v, told in printed_levels(tables).items()}
    counted: list[tuple[str, str, str, int | None]] = []
    for asset in RESULTS:
        for row in tables[asset].iter_rows(named=True) if asset in tables else ():
            variable, level = row.get("stratum_kind", "all"), row["stratum"]
            if row["metric"] == "n_cases" and variable != "all":
                counted.append((variable, level, row["window"], row["events"]))
    for monitor, variable in _monitors(tables):
        for row in tables["drift/baseline"].filter(monitor=monitor).iter_rows(named=True):
            counted.append((variable, row["bin"], f"reference of {monitor}", row["events"]))
    return [
        Found(variable, level, of_set, n, n)
        for variable, level, of_set, n in dict.fromkeys(counted)
        if n is not None and 0 < n < smallest and level != MISSING
        if _is_field(variable, protocol) and _is_personal(variable, protocol)
        if level not in known.get(variable, ())
    ]


def _is_field(name: str, protocol: Protocol) -> bool:
    return name in fields.load() or name in {c.name for c in protocol.covariates}


def _monitors(tables: Tables) -> list[tuple[str, str]]:
    if "drift/plan" not in tables:
        return []
    plan = tables["drift/plan"].filter(pl.col("variable").is_not_null())
    return list(plan.select("monitor", "variable").iter_rows())


def small_windows(tables: Tables, smallest: int) -> list[Found]:
    """Find few people of a level in a window of a monitor."""
    return [
        Found(variable, level, told, low, high)
        for variable, level, told, (low, high) in windows_behind(
            tables, set(printed_levels(tables))
        )
        if level != MISSING and low > 0 and high < smallest
    ]
