"""What the reader of two packs of the same patients finds by holding one against the other.

Both are read into one system of integers; what links them is that cases come and none goes. Beside
the groups of each, those are sought by which they differ. What does not belong here: what one pack
says (``attack``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.protocol import Protocol, Variable
from vpack_pipeline_tests.disclosure.attack import (
    BY_RULES,
    Found,
    certainly_small,
    groups_of,
    learn,
    printed_levels,
)
from vpack_pipeline_tests.disclosure.floats import windows_behind
from vpack_pipeline_tests.disclosure.integers import Integers, Name
from vpack_pipeline_tests.disclosure.knowledge import (
    LEVELS,
    PROFILE,
    SETS,
    OneVariable,
    Tables,
    most_people,
    smallest_group,
)
from vpack_pipeline_tests.disclosure.rules import ByRules

EARLIER, LATER = "earlier", "later"
SOUGHT = tuple(name for name in SETS if name not in ("target", "reference"))
"""Sets of cases; of these it is known that they grow."""


@dataclass(frozen=True, slots=True)
class Handed:
    """One pack as it was handed out: which of its tables are those of the pack before it."""

    tables: Tables
    protocol: Protocol
    quoted: frozenset[str] = frozenset()

    @property
    def own(self) -> Tables:
        """What is new in it; nothing is said of whom its people are where that is quoted."""
        if not self.quoted:
            return self.tables
        left = {a: t for a, t in self.tables.items() if a not in self.quoted}
        # That a level was folded then says nothing of who is in it now.
        levels = self.tables[LEVELS].with_columns(reason=pl.lit(None, pl.String))
        return left | {PROFILE: self.tables[PROFILE].clear(), LEVELS: levels}


def attack_two(earlier: Handed, later: Handed) -> list[Found]:
    """Find every group that is certain to be small to whoever holds both packs."""
    limits = [smallest_group(pack.protocol) for pack in (earlier, later)]
    handed_out, smallest = min(limits), max(limits)
    levels = [printed_levels(pack.own) for pack in (earlier, later)]
    found: list[Found] = []
    for name in [n for n in levels[1] if n in levels[0]]:
        known = Integers(max(most_people(pack.tables) for pack in (earlier, later)))
        ones = [
            OneVariable.of(pack.own, pack.protocol, name, printed[name], known.said_by(when))
            for pack, printed, when in zip((earlier, later), levels, (EARLIER, LATER), strict=True)
        ]
        by_rules = [learn(one) for one in ones]
        pairs = list(_pairs(*ones))
        _link(known, ones, pairs)
        for one, said, when in zip(ones, by_rules, (EARLIER, LATER), strict=True):
            # What was large enough by the one protocol has been handed out, and is known.
            groups = certainly_small(one, said, handed_out)
            found += [replace(f, set=f"{f.set}, {when}") for f in groups]
        found += _gaps(known, ones, by_rules, pairs, smallest)
    return [*found, *_windows(earlier, later, smallest)]


Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""Levels of the earlier pack, and levels of the later that hold everybody who is in them."""


def _pairs(before: OneVariable, after: OneVariable) -> Iterator[Pair]:
    """Give groups of which the later holds the earlier: the same levels, or a wider range."""
    if [*before.printed] == [*after.printed]:
        yield from ((members, members) for members in {**groups_of(before), **groups_of(after)})
        return
    variables = [
        {v.name: v for v in one.protocol.representativeness.variables}.get(one.name)
        for one in (before, after)
    ]
    if all(v is not None and v.kind == "numeric" for v in variables):
        runs = [_runs(one, v) for one, v in zip((before, after), variables, strict=True) if v]
        for (inner, (a, b)), (outer, (c, d)) in itertools.product(*(r.items() for r in runs)):
            if c <= a and b <= d:
                yield inner, outer


def _runs(one: OneVariable, variable: Variable) -> dict[tuple[str, ...], tuple[float, float]]:
    """Give each range of levels that follow one another, with its ends."""
    edges = (-float("inf"), *variable.edges, float("inf"))
    labels = [x for x in one.printed if x != MISSING]
    return {
        tuple(labels[low:high]): (edges[low], edges[high])
        for low, high in itertools.combinations(range(len(labels) + 1), 2)
        if high - low < len(labels)
    }


def _named(when: str, names: list[Name]) -> list[Name]:
    return [(when, *name) for name in names]


def _link(known: Integers, ones: list[OneVariable], pairs: list[Pair]) -> None:
    """Cases come and none goes: whoever is in a group once is in it later."""
    before, after = ones
    for inner, outer in pairs:
        for of_set in SOUGHT:
            ours = _named(EARLIER, before.cases(inner, of_set))
            theirs = _named(LATER, after.cases(outer, of_set))
            gap = _gap(inner, outer, of_set)
            known.between({gap: -1} | dict.fromkeys(theirs, 1) | dict.fromkeys(ours, -1), 0, 0)
            if inner == outer:
                for x in inner:
                    known.within((EARLIER, "patients", x, of_set), (LATER, "patients", x, of_set))


def _gap(inner: tuple[str, ...], outer: tuple[str, ...], of_set: str) -> Name:
    return ("gap", "|".join(inner), "|".join(outer), of_set)


def _gaps(
    known: Integers,
    ones: list[OneVariable],
    by_rules: list[ByRules],
    pairs: list[Pair],
    smallest: int,
) -> list[Found]:
    found = []
    for inner, outer in pairs:
        for of_set in SOUGHT:
            gap = _gap(inner, outer, of_set)
            limits = known.certain_range([gap], smallest)
            if limits is not None and not _is_told(known, by_rules, gap, inner, outer):
                label = " or ".join(outer) + (f" but {' or '.join(inner)}" * (inner != outer))
                found.append(Found(ones[0].name, label, f"{of_set}, joined since", *limits))
    return found


def _is_told(
    known: Integers,
    by_rules: list[ByRules],
    gap: Name,
    inner: tuple[str, ...],
    outer: tuple[str, ...],
) -> bool:
    """Whether they may be no more than those whom a rule on their level removed since."""
    if gap[-1] not in BY_RULES:
        return False
    then = _named(EARLIER, by_rules[0].told(inner))
    now = _named(LATER, by_rules[1].told(outer))
    if not now:
        return False
    terms = {gap: 1} | dict.fromkeys(now, -1) | dict.fromkeys(then, 1)
    return known.least_of(terms) <= 0


def _windows(earlier: Handed, later: Handed, smallest: int) -> Iterator[Found]:
    """Find few who joined a window of a monitor that both packs show."""
    behind = []
    for pack in (earlier, later):
        variables = set(printed_levels(pack.own))
        behind.append({tuple(key): limits for *key, limits in windows_behind(pack.own, variables)})
    for key in behind[0].keys() & behind[1].keys():
        (low, high), (least, most) = behind[0][key], behind[1][key]
        if least - high > 0 and most - low < smallest and key[1] != MISSING:
            yield Found(*key, least - high, most - low)
