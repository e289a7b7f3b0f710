"""Whether the groups that two packs of the same patients describe differ by too few people.

Whoever holds both packs can subtract one from the other. What is compared are cases, not counts:
five who came and five who went are ten people. What does not belong here: which groups a pack
describes (``described_groups``), what follows from a change (``assets.release``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Self

import numpy as np
import polars as pl

from vpack_pipeline.core.pack.described_groups import DUE, DescribedPeople, DescribedVariable
from vpack_pipeline.stats.estimate import BoolArray, IntArray

NOBODY: Final = -1
"""The code of a case that is in none of the groups."""
TARGET: Final = "target"


@dataclass(frozen=True, slots=True)
class Change:
    """A described group that differs between two packs by too few people, or may not be told apart.

    Attributes
    ----------
    kind : ``few``: by 1 to the smallest group less one; ``parted``: a level stands by itself that
        was printed as part of another
    """

    variable: str
    level: str
    set: str
    kind: Literal["few", "parted"]


def share_patients(earlier: DescribedPeople, now: DescribedPeople) -> bool:
    """Say whether two packs are of the same patients, in part at least."""
    return not set(earlier.cases["patient_id"]).isdisjoint(now.cases["patient_id"])


def group_changes(
    earlier: DescribedPeople, now: DescribedPeople, *, may_part: bool
) -> list[Change]:
    """List the groups by whose difference two packs would describe too few people.

    Of a variable in both packs, each printed level of either is looked at in both, in each set that
    both describe, and in each set of the one that holds a set of the other. Where the protocol's
    own levels differ, so is each run of printed levels that holds, or lies within, another.

    Parameters
    ----------
    earlier : of the pack that was handed out
    may_part : whether a level that was printed as part of another may stand by itself again

    Returns
    -------
    each group once, in the order of variables; empty where both can be held by the same reader
    """
    both = _Both.of(earlier, now)
    before = {v.name: v for v in earlier.variables}
    found: list[Change] = []
    for variable in now.variables:
        if variable.name in before:
            pair = _Variable.of(both, before[variable.name], variable)
            found += pair.changes(may_part=may_part)
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class _Both:
    """The cases of both packs, in the order of time; where both have one, as the later has it."""

    place: Mapping[str, int]
    patient: IntArray
    smallest: int

    @classmethod
    def of(cls, earlier: DescribedPeople, now: DescribedPeople) -> Self:
        cases = (
            pl.concat([now.cases, earlier.cases])
            .unique("case_id", keep="first", maintain_order=True)
            .sort("index_date", "case_id")
        )
        patient = cases["patient_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
        place = {case: i for i, case in enumerate(cases["case_id"])}
        return cls(place, patient, max(earlier.smallest, now.smallest))

    def mask(self, cases: Iterable[str]) -> BoolArray:
        made = np.zeros(len(self.place), dtype=np.bool_)
        made[[self.place[case] for case in cases]] = True
        return made

    def codes(self, levels: Mapping[str, str], code: Mapping[str, int]) -> IntArray:
        """Give the code of each case's level."""
        made = np.full(len(self.place), NOBODY, dtype=np.int64)
        places = [self.place[case] for case in levels]
        made[places] = [code[level] for level in levels.values()]
        return made

    def few(self, chosen: BoolArray, codes: IntArray, n: int) -> set[int]:
        """Give the groups that hold too few patients of some cases: by first case, or by any."""
        at = np.flatnonzero(chosen & (codes != NOBODY))
        patient, group = self.patient[at], codes[at]
        _, first = np.unique(patient, return_index=True)
        pairs = np.unique(patient * n + group)
        found: set[int] = set()
        for groups in (group[first], pairs % n):
            counts = np.bincount(groups, minlength=n)
            found |= set(np.flatnonzero((counts > 0) & (counts < self.smallest)).tolist())
        return found

    def counts(self, chosen: BoolArray, codes: IntArray, n: int) -> tuple[IntArray, IntArray]:
        """Count the cases, and the patients, of each group."""
        at = np.flatnonzero(chosen & (codes != NOBODY))
        pairs = np.unique(self.patient[at] * n + codes[at])
        cases = np.bincount(codes[at], minlength=n)
        return cases, np.bincount(pairs % n, minlength=n)


@dataclass(frozen=True, slots=True)
class _Variable:
    """One variable of both packs, with the masks of its sets."""

    both: _Both
    earlier: DescribedVariable
    later: DescribedVariable
    before: Mapping[str, BoolArray]
    after: Mapping[str, BoolArray]

    @classmethod
    def of(cls, both: _Both, earlier: DescribedVariable, later: DescribedVariable) -> Self:
        masks = (
            {name: both.mask(ids & v.levels.keys()) for name, ids in v.sets.items()}
            for v in (earlier, later)
        )
        return cls(both, earlier, later, *masks)

    def changes(self, *, may_part: bool) -> Iterator[Change]:
        if list(self.earlier.printed) != list(self.later.printed):
            yield from self._runs()
            return
        yield from self._parted(may_part=may_part)
        for printed in (self.later.printed, self.earlier.printed):
            groups = _Groups.of(printed)
            # All in one level: how many have a value describes nobody.
            if len(groups.labels) > 1:
                yield from self._levels(groups)
                yield from self._persons(groups)

    def _change(self, level: str, of_set: str) -> Change:
        return Change(self.later.name, level, of_set, "few")

    def _pairs(self) -> Iterator[tuple[str, BoolArray, BoolArray, bool]]:
        """Give the sets to compare: of one name, or of which one holds the other."""
        for (a, before), (b, after) in itertools.product(self.before.items(), self.after.items()):
            if a == b:
                yield a, before, after, True
            elif not (a.endswith(DUE) or b.endswith(DUE)) and _is_nested(before, after):
                yield f"{b} beside {a}", before, after, False

    def _levels(self, groups: _Groups) -> Iterator[Change]:
        n = len(groups.labels)
        was = self.both.codes(self.earlier.levels, groups.code)
        now = self.both.codes(self.later.levels, groups.code)
        moved = was != now
        for name, before, after, is_same in self._pairs():
            added, removed = after & (~before | moved), before & (~after | moved)
            found = self.both.few(added, now, n) | self.both.few(removed, was, n)
            if is_same:
                found |= self._few_net(before, was, after, now, n)
            for group in sorted(found):
                yield self._change(groups.labels[group], name)

    def _few_net(
        self, before: BoolArray, was: IntArray, after: BoolArray, now: IntArray, n: int
    ) -> set[int]:
        """Give the groups whose printed size differs by too few, whoever came and went."""
        found: set[int] = set()
        counted = zip(
            self.both.counts(before, was, n), self.both.counts(after, now, n), strict=True
        )
        for then, later in counted:
            size = np.abs(later - then)
            found |= set(np.flatnonzero((size > 0) & (size < self.both.smallest)).tolist())
        return found

    def _persons(self, groups: _Groups) -> Iterator[Change]:
        """Compare the counts of the target, where both packs describe it."""
        if not self.earlier.persons or not self.later.persons:
            return
        then, later = (groups.add_up(v.persons) for v in (self.earlier, self.later))
        for label in groups.labels:
            if 0 < abs(then[label] - later[label]) < self.both.smallest:
                yield self._change(label, TARGET)

    def _parted(self, *, may_part: bool) -> Iterator[Change]:
        """Find levels that were printed as one and stand by themselves now."""
        for whole in dict.fromkeys(self.earlier.printed.values()):
            levels = [x for x, p in self.earlier.printed.items() if p == whole]
            parts = list(dict.fromkeys(self.later.printed[x] for x in levels))
            if len(parts) == 1:
                continue
            if not may_part:
                yield Change(self.later.name, whole, "all", "parted")
                continue
            for part in parts:
                inside = {x for x in levels if self.later.printed[x] == part}
                yield from self._shown_small(part, inside, set(levels) - inside)

    def _shown_small(self, part: str, inside: set[str], others: set[str]) -> Iterator[Change]:
        """Find a part that was small then, and must have been: nobody joined what it stood with."""
        group = dict.fromkeys(inside, 0) | dict.fromkeys(others, 1)
        code = {x: group.get(x, NOBODY) for x in self.later.printed}
        was = self.both.codes(self.earlier.levels, code)
        now = self.both.codes(self.later.levels, code)
        for name in sorted(self.before.keys() & self.after.keys()):
            before, after = self.before[name], self.after[name]
            _, then = self.both.counts(before, was, 2)
            joined = after & (now == 1) & ~(before & (was == 1))
            if 0 < then[0] < self.both.smallest and not joined.any():
                yield self._change(part, name)

    def _runs(self) -> Iterator[Change]:
        """Compare runs of printed levels where the protocol's own levels are not the same."""
        then, later = _runs_of(self.both, self.earlier), _runs_of(self.both, self.later)
        for name, before, after, _ in self._pairs():
            for (_, first), (label, second) in itertools.product(then.items(), later.items()):
                ours, theirs = before & first, after & second
                if not _is_nested(ours, theirs):
                    continue
                gap = np.where(ours ^ theirs, 0, NOBODY)
                if self.both.few(ours ^ theirs, gap, 1):
                    yield self._change(label, name)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Printed levels, and which of them each level of the protocol is printed as."""

    labels: Sequence[str]
    code: Mapping[str, int]
    printed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, printed: Mapping[str, str]) -> Self:
        labels = list(dict.fromkeys(printed.values()))
        return cls(labels, {x: labels.index(p) for x, p in printed.items()}, printed)

    def add_up(self, persons: Mapping[str, int]) -> dict[str, int]:
        """Count persons by printed level."""
        made = dict.fromkeys(self.labels, 0)
        for level, n in persons.items():
            made[self.printed[level]] += n
        return made


def _is_nested(first: BoolArray, second: BoolArray) -> bool:
    """Say whether one of two sets, neither of them empty, holds the other."""
    shared = int(np.count_nonzero(first & second))
    return shared > 0 and shared in (np.count_nonzero(first), np.count_nonzero(second))


def _runs_of(both: _Both, variable: DescribedVariable) -> dict[str, BoolArray]:
    """Give the cases of each run of printed levels, by the labels of its ends, but of all."""
    groups = _Groups.of(variable.printed)
    codes = both.codes(variable.levels, groups.code)
    n = len(groups.labels)
    found = {}
    for low, high in itertools.combinations_with_replacement(range(n), 2):
        if high - low + 1 < n:
            ends = dict.fromkeys((groups.labels[low], groups.labels[high]))
            found[" to ".join(ends)] = (codes >= low) & (codes <= high)
    return found
