"""What a reader of a pack knows of how many people are in which level of which set.

For each personal variable one system (``integers``): cases and patients by level and set are
unknown, every printed count, share and statistic is a sum or a bound. Results (labels, calls,
failures) and the participant flow are such sums and never what is sought. Tables that part nobody
by a level (agreement, readers, labels, errors, calibration) hold results of all cases alone: beside
their totals, which stand in ``evaluation/performance`` too, they say nothing of a level, and no
sum over them is taken up. Nor is what only many variables at once would tell (weights to the
target). What does not belong here: solving (``integers``), floats (``inversion``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.pack.headline import READERS
from vpack_pipeline.core.variables import MISSING, bin_labels
from vpack_pipeline.protocol import Protocol
from vpack_pipeline_tests.disclosure import inversion
from vpack_pipeline_tests.disclosure.integers import Integers, Name

LEVELS, PROFILE = "representativeness/levels", "representativeness/profile"
MATCH, FLOW = "representativeness/match", "eligibility/flow"
WINDOWS: Final = ("retrospective", "prospective")
INCLUDED: Final = (*WINDOWS, "outside")
SETS: Final[Mapping[str, tuple[str, ...]]] = {
    **{part: (part,) for part in (*INCLUDED, "excluded")},
    "included": INCLUDED,
    "cohort": (*INCLUDED, "excluded"),
    "target": ("target",),
    "reference": ("reference",),
}
"""Set → the parts that it is made of."""
CORE: Final = ("included", *WINDOWS)
"""The sets that decide which level is folded."""
FAILURES: Final = "evaluation/failures"
RESULTS: Final = ("evaluation/performance", "evaluation/subgroups", FAILURES)
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
FOLDED: Final = frozenset({"level_has_few_patients"})
"""Codes that say: in some core set a level of this part has few patients, or nobody in any."""
EVERY: Final = "*"
LEFT_OUT: Final = "cases_outside_windows_left_out"
_TIMES: Final = "×"
_RULE: Final = re.compile(r"\s*(\w+)\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)\s*")

Row = Mapping[str, Any]
Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Found:
    """A described group of certainly 1 to ``smallest`` - 1 patients (target: persons)."""

    variable: str
    level: str
    set: str
    fewest: int
    most: int


def smallest_group(protocol: Protocol) -> int:
    """The fewest patients that a pack may describe, as the protocol has it."""
    return protocol.disclosure.smallest_group


@dataclass(slots=True)
class OneVariable:
    """All that is known of one variable, or of several that are described together."""

    tables: Tables
    protocol: Protocol
    name: str
    printed: dict[str, tuple[str, str]]
    known: Integers
    named_by_rule: set[str] = field(default_factory=set)
    """Levels that a rule removes whole: who they are is said by the rule and its count."""

    @classmethod
    def of(
        cls,
        tables: Tables,
        protocol: Protocol,
        name: str,
        printed: dict[str, tuple[str, str]],
    ) -> OneVariable:
        most = [tables[PROFILE]["n_total"].max(), tables[FLOW]["total"].max()]
        made = cls(tables, protocol, name, printed, Integers(max(int(m or 1) for m in most)))
        made._sets()
        made._profile()
        made._cohort()
        made._results()
        made._folding()
        made._rules()
        made._baseline()
        made._distances()
        return made

    def found(self, smallest: int) -> list[Found]:
        """Find the groups of this variable that are certain to be small."""
        levels = [x for x in self.printed if x != MISSING]
        groups = {(x,): x for x in levels}
        groups |= {tuple(self._parts(p)): p for p in self._labels() if p != MISSING}
        # All of a set are no group of a level: how many there are is the participant flow's to say.
        groups.pop(tuple(levels), None)
        found = []
        for members, label in groups.items():
            for of_set in SETS:
                if self.named_by_rule.issuperset(members) and of_set in ("cohort", "excluded"):
                    continue
                counts = [("patients", x, of_set) for x in members]
                if any(name not in self.known for name in counts):
                    continue
                limits = self.known.certain_range(counts, smallest)
                if limits is not None:
                    found.append(Found(self.name, label, of_set, *limits))
        return found

    def _labels(self) -> list[str]:
        return list(dict.fromkeys(p for p, _ in self.printed.values()))

    def _parts(self, printed: str) -> list[str]:
        return [x for x, (p, _) in self.printed.items() if p == printed]

    def _cases(self, levels: Iterable[str], of_set: str) -> list[Name]:
        return [("cases", x, part) for x in levels for part in SETS[of_set]]

    def _sets(self) -> None:
        """Patients of a set are at most its cases, somebody where there is any, and in its parts."""
        for x in self.printed:
            for of_set, parts in SETS.items():
                if of_set in ("target", "reference"):
                    continue
                patients = ("patients", x, of_set)
                cases = dict.fromkeys(self._cases([x], of_set), 1)
                self.known.between(cases | {patients: -1}, 0, None)
                many = dict.fromkeys(cases, -1) | {patients: self.known.most}
                self.known.between(many, 0, None)
                for part in parts:
                    self.known.within(("patients", x, part), patients)
                together = {("patients", x, part): 1 for part in parts}
                if len(parts) > 1:
                    self.known.between(together | {patients: -1}, 0, None)

    def _profile(self) -> None:
        """Printed levels of a set, or their shares of a printed total; all of them are the set."""
        for row in self._rows(PROFILE, variable=self.name):
            n, total = row["n"], row["n_total"]
            if n is None and row["share"] is not None and total:
                n = inversion.events_of(row["share"], total)
            members = self._parts(row["bin"])
            if not members:
                raise LookupError(f"{self.name}: {row['bin']} is printed and is no printed level")
            if n is not None:
                self._equal_in(members, row, n)
            if total is not None:
                self._equal_in(self.printed, row, total)

    def _equal_in(self, levels: Iterable[str], row: Row, n: int) -> None:
        """So many of a set; where its note says so, without the included that are left out."""
        levels = list(levels)
        if LEFT_OUT not in codes.names(row.get("notes")):
            self.known.equal(self._counted(levels, row["set"]), n)
            return
        # Those without a value stand in no level, and none of them is left out.
        inside = [name for x in levels if x != MISSING for name in self._within_windows(x)]
        if row["set"] == "cohort":
            inside += [("cases", x, "excluded") for x in levels if x != MISSING]
        inside += self._cases([MISSING] if MISSING in levels else [], row["set"])
        self.known.equal(inside, n)

    def _within_windows(self, level: str) -> list[Name]:
        """A window of a few patients is left out too, whose size is printed."""
        patients = {
            r["window"]: r["estimate"]
            for r in self._rows("evaluation/performance", metric="n_patients", stratum="all")
        }
        smallest = smallest_group(self.protocol)
        kept = [w for w in WINDOWS if (patients.get(w) or smallest) >= smallest]
        return [("cases", level, w) for w in kept]

    def _counted(self, levels: Iterable[str], of_set: str) -> list[Name]:
        if of_set in ("target", "reference"):
            return [("patients", x, of_set) for x in levels]
        return self._cases(levels, of_set)

    def _cohort(self) -> None:
        """The flow begins with the cohort and ends with the included."""
        rows = self._rows(FLOW, unit="case")
        last = max(rows, key=lambda r: r["rule_order"])
        self.known.equal(self._cases(self.printed, "cohort"), last["total"])
        self.known.equal(self._cases(self.printed, "included"), last["remaining"])

    def _results(self) -> None:
        """Mature cases of a window and what became of them, by level and of all."""
        for asset in RESULTS:
            for row in self._rows(asset):
                levels = self._levels_of(row)
                if levels is not None:
                    (self._failure if asset == FAILURES else self._result)(row, levels)
        for row in self._rows("evaluation/subgroups"):
            if self._is_of(row) and row["stratum"] == EVERY and row["n"] is not None:
                self._compared(row)

    def _is_of(self, row: Row) -> bool:
        return row.get("stratum_kind") == self.name

    def _levels_of(self, row: Row) -> list[str] | None:
        level = row["stratum"]
        if row.get("stratum_kind", "all") == "all":
            return list(self.printed)
        if not self._is_of(row) or level == EVERY:
            return None
        return self._parts(level) or ([level] if level in self.printed else None)

    def _failure(self, row: Row, levels: list[str]) -> None:
        """Cases of a window, mature or not: of those who fail as many at least as did."""
        n, events = row["n"], self._events(row)
        if row["metric"] == "n_cases":
            n = events
        if n is not None:
            self.known.equal(self._cases(levels, row["window"]), n)
        elif events is not None:
            self.known.between(dict.fromkeys(self._cases(levels, row["window"]), 1), events, None)

    def _result(self, row: Row, levels: list[str]) -> None:
        window, at = row["window"], self._of(row)
        if window == "outside":
            if row["metric"] == "n_cases" and row["events"] is not None:
                self.known.equal(self._cases(levels, "outside"), row["events"])
        elif window in WINDOWS:
            self._window(window, at)
            counts = zip(_roles(row), (row["n"], self._events(row)), strict=True)
            for role, count in counts:
                if count is not None and role:
                    self._counts(role, [(role, x, *at) for x in levels], count)
            if row["n"] is None:
                self._at_least(row, [("mature", x, *at) for x in levels])

    def _at_least(self, row: Row, mature: list[Name]) -> None:
        """A share without its n, or its interval, tells how many there are at least."""
        share, interval = row["estimate"], (row["lower"], row["upper"])
        if share is None or row["metric"] not in SHARES:
            return
        wholes = inversion.denominators_of(share, self.known.most)
        fewest = min(wholes, default=1)
        if None not in interval and "wilson_on_effective_size" in codes.names(row["method"]):
            size = inversion.effective_size(share, *interval)
            fewest = max(fewest, int(size or 1))
        self.known.between(dict.fromkeys(mature, 1), fewest, None)

    def _counts(self, role: str, names: list[Name], count: int) -> None:
        if role == "patients":
            # A patient may stand in several levels: all are at most the sum, each at most all.
            self.known.between(dict.fromkeys(names, 1), count, None)
            for name in names:
                self.known.between({name: 1}, None if len(names) > 1 else count, count)
        elif role == "some":
            # Some of the mature cases, whichever.
            mature = dict.fromkeys([("mature", *name[1:]) for name in names], 1)
            self.known.between(mature, count, None)
        else:
            self.known.equal(names, count)

    def _events(self, row: Row) -> int | None:
        is_share = row["events"] is None and row["estimate"] is not None and row["n"]
        if is_share and row["metric"] in SHARES:
            return inversion.events_of(row["estimate"], row["n"])
        events: int | None = row["events"]
        return events

    def _of(self, row: Row) -> tuple[str, str, str]:
        return row["window"], row["finding"], row["model_id"]

    def _window(self, window: str, at: tuple[str, str, str]) -> None:
        """What mature cases of a level are made of, and that they are its cases of the window."""
        if ("mature", next(iter(self.printed)), *at) in self.known:
            return
        for x in self.printed:
            part = {r: (r, x, *at) for r in (
                "mature", "immature", "patients", "positives", "negatives", "indeterminate",
                "undecided", "decided", "failed", "hits", "cleared",
            )}  # fmt: skip
            self.known.same(("cases", x, window), [part["mature"], part["immature"]])
            own = ("positives", "negatives", "indeterminate", "undecided")
            self.known.same(part["mature"], [part[r] for r in own])
            self.known.same(part["decided"], [part["positives"], part["negatives"]])
            self.known.within(part["failed"], part["mature"])
            self.known.within(part["hits"], part["positives"])
            self.known.within(part["cleared"], part["negatives"])
            self.known.within(part["patients"], part["mature"])
            self.known.within(part["patients"], ("patients", x, window))
            more = {part["patients"]: 1, part["immature"]: 1, ("patients", x, window): -1}
            self.known.between(more, 0, None)

    def _compared(self, row: Row) -> None:
        """A comparison of levels counts those whose own figure is given."""
        metric = row["metric"].rpartition("_")[2]
        roles = ROLES.get(metric)
        given = [
            r
            for r in self._rows("evaluation/subgroups", metric=metric, window=row["window"])
            if self._of(r) == self._of(row) and r["estimate"] is not None
        ]
        names = [
            (roles[0], x, *self._of(row))
            for r in given
            for x in (self._levels_of(r) or ())
            if self._is_of(r)
        ] if roles else []  # fmt: skip
        if names:
            self.known.equal(names, row["n"])

    def _folding(self) -> None:
        """Of levels that were folded together, one at least was small in some core set."""
        smallest, most = smallest_group(self.protocol), self.known.most
        for printed in self._labels():
            members = self._parts(printed)
            if len(members) == 1 or not any(self.printed[x][1] in FOLDED for x in members):
                continue
            choices: list[Name] = []
            for x in members:
                choices += [("small", x, s) for s in CORE] + [("nobody", x)]
                for s in CORE:
                    patients, small = ("patients", x, s), ("small", x, s)
                    self.known.between({patients: 1, small: most}, None, most + smallest - 1)
                    self.known.within(small, patients)
                empty = {("patients", x, "included"): 1, ("nobody", x): most}
                self.known.between(empty, None, most)
            for choice in choices:
                self.known.between({choice: 1}, 0, 1)
            self.known.between(dict.fromkeys(choices, 1), 1, None)

    def _rules(self) -> None:
        """Nobody whom a rule on this variable removes is included, and their number is known."""
        rows = {r["rule"]: r for r in self._rows(FLOW, unit="case")}
        variable = next(
            (v for v in self.protocol.representativeness.variables if v.name == self.name), None
        )
        for rule in self.protocol.eligibility.rules:
            told = _RULE.fullmatch(rule.when)
            if told is None or told[1] != self.name or variable is None or not variable.edges:
                continue
            low, high = removed_values(rule.kind, told[2], float(told[3]))
            edges = (-float("inf"), *variable.edges, float("inf"))
            bins = dict(zip(bin_labels(variable)[:-1], itertools.pairwise(edges), strict=True))
            gone = {x for x, (a, b) in bins.items() if x in self.printed and low <= a and b <= high}
            self.named_by_rule |= gone
            for name in self._cases(gone, "included"):
                self.known.between({name: 1}, 0, 0)
            marginal = rows[rule.id]["marginal"]
            if gone and marginal is not None:
                self.known.between(dict.fromkeys(self._cases(gone, "cohort"), 1), None, marginal)

    def _baseline(self) -> None:
        """The reference of a monitor, by its bins, is part of the retrospective window."""
        for monitor in self._rows("drift/plan", variable=self.name):
            rows = self._rows("drift/baseline", monitor=monitor["monitor"])
            for row in rows:
                members = self._parts(row["bin"])
                if not members or row["events"] is None:
                    continue
                self.known.equal(self._counted(members, "reference"), row["events"])
                retrospective = self._cases(members, "retrospective")
                self.known.between(dict.fromkeys(retrospective, 1), row["events"], None)

    def _distances(self) -> None:
        """A divergence whose one side is printed gives the other away, where few are parted."""
        for row in self._rows(MATCH, variable=self.name, metric="jensen_shannon"):
            other = row["comparison"].removeprefix("included_")
            labels = [p for p in self._labels() if p != MISSING]
            ours = {
                r["bin"]: r["n"] for r in self._rows(PROFILE, variable=self.name, set="included")
            }
            reference = [ours.get(p) for p in labels]
            if row["estimate"] is None or None in reference:
                continue
            numbers = [n for n in reference if n is not None]
            limits = inversion.counts_behind(
                row["estimate"], row["n"] - sum(numbers), numbers, inversion.divergence
            )
            for printed, (low, high) in zip(labels, limits or (), strict=False):
                names = self._counted(self._parts(printed), other)
                self.known.between(dict.fromkeys(names, 1), low, high)

    def _rows(self, asset: str, **where: str) -> list[dict[str, Any]]:
        if asset not in self.tables:
            return []
        return [
            row
            for row in self.tables[asset].iter_rows(named=True)
            if all(row[name] == value for name, value in where.items())
        ]


def _roles(row: Row) -> tuple[str, str]:
    """Say what ``n`` and ``events`` of a row of results count."""
    if row["model_id"] == READERS:
        return SOME
    if row["status"] != "given":
        # A subgroup's refused figure stands beside its cases and its positives.
        return ("mature", "positives") if row["stratum"] != "all" else SOME
    return ROLES.get(row["metric"], SOME)


def removed_values(kind: str, sign: str, edge: float) -> tuple[float, float]:
    """Give the range of values that a rule removes.

    >>> removed_values("include", ">=", 18), removed_values("exclude", ">", 90)
    ((-inf, 18), (90, inf))
    """
    is_above = sign.startswith(">") == (kind == "exclude")
    return (edge, float("inf")) if is_above else (-float("inf"), edge)
