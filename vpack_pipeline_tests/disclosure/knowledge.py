"""What a reader of a pack knows of how many people are in which level of which set.

For each personal variable one system (``integers``): cases and patients by level and set are
unknown, every printed count, share and statistic is a sum or a bound. Results (labels, calls,
failures) and the participant flow are such sums and never what is sought. What does not belong
here: what results (``results``), rules (``rules``) and floats (``floats``) tell, and solving.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.protocol import Protocol
from vpack_pipeline_tests.disclosure import inversion
from vpack_pipeline_tests.disclosure.integers import Integers, Name

LEVELS, PROFILE = "representativeness/levels", "representativeness/profile"
MATCH, FLOW = "representativeness/match", "eligibility/flow"
PERFORMANCE = "evaluation/performance"
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
FOLDED: Final = frozenset({"level_has_few_patients"})
"""Codes that say: in some core set a level of this part has few patients, or nobody in any."""
LEFT_OUT: Final = "cases_outside_windows_left_out"

Row = Mapping[str, Any]
Tables = Mapping[str, pl.DataFrame]


def smallest_group(protocol: Protocol) -> int:
    """The fewest patients that a pack may describe, as the protocol has it."""
    return protocol.disclosure.smallest_group


def most_people(tables: Tables) -> int:
    """The most that any count of a pack can be."""
    most = [tables[PROFILE]["n_total"].max(), tables[FLOW]["total"].max()]
    return max(int(m or 1) for m in most)


@dataclass(slots=True)
class OneVariable:
    """All that is known of one variable, or of several that are described together.

    Attributes
    ----------
    printed : level → its printed level, and why if it is another
    """

    tables: Tables
    protocol: Protocol
    name: str
    printed: dict[str, tuple[str, str]]
    known: Integers

    @classmethod
    def of(
        cls,
        tables: Tables,
        protocol: Protocol,
        name: str,
        printed: dict[str, tuple[str, str]],
        known: Integers | None = None,
    ) -> OneVariable:
        """Begin with what its levels, the profile and the participant flow say.

        Parameters
        ----------
        known : what other packs have said already
        """
        made = cls(tables, protocol, name, printed, known or Integers(most_people(tables)))
        made._sets()
        made._profile()
        made._cohort()
        made._folding()
        return made

    @property
    def labels(self) -> list[str]:
        """Printed levels, in order."""
        return list(dict.fromkeys(p for p, _ in self.printed.values()))

    def parts(self, printed: str) -> list[str]:
        """Levels that are printed as this one."""
        return [x for x, (p, _) in self.printed.items() if p == printed]

    def cases(self, levels: Iterable[str], of_set: str) -> list[Name]:
        """Cases of some levels in a set."""
        return [("cases", x, part) for x in levels for part in SETS[of_set]]

    def counted(self, levels: Iterable[str], of_set: str) -> list[Name]:
        """What is counted of a set: persons of the target and of a reference, else cases."""
        if of_set in ("target", "reference"):
            return [("patients", x, of_set) for x in levels]
        return self.cases(levels, of_set)

    def rows(self, asset: str, **where: str) -> list[dict[str, Any]]:
        """Rows of a table; none where the pack has no such table."""
        if asset not in self.tables:
            return []
        return [
            row
            for row in self.tables[asset].iter_rows(named=True)
            if all(row[name] == value for name, value in where.items())
        ]

    def _sets(self) -> None:
        """Patients of a set are at most its cases, somebody where there is any, and in its parts."""
        for x in self.printed:
            for of_set, parts in SETS.items():
                if of_set in ("target", "reference"):
                    continue
                patients = ("patients", x, of_set)
                cases = dict.fromkeys(self.cases([x], of_set), 1)
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
        for row in self.rows(PROFILE, variable=self.name):
            n, total = row["n"], row["n_total"]
            if n is None and row["share"] is not None and total:
                n = inversion.events_of(row["share"], total)
            members = self.parts(row["bin"])
            if not members:
                raise LookupError(f"{self.name}: {row['bin']} is printed and is no printed level")
            if n is not None:
                self._equal_in(members, row, n)
            if total is not None:
                self._equal_in(self.printed, row, total)

    def _equal_in(self, levels: Iterable[str], row: Row, n: int) -> None:
        """So many of a set; where a note says so, without the included that are left out.

        A cohort that is too small to describe is without them too, and has no note.
        """
        levels = list(levels)
        notes = {r.get("notes") for r in self.rows(PROFILE, variable=self.name, set="included")}
        is_short = any(LEFT_OUT in codes.names(note) for note in notes)
        if not is_short or row["set"] not in ("included", "cohort"):
            self.known.equal(self.counted(levels, row["set"]), n)
            return
        # Those without a value stand in no level, and none of them is left out.
        always = [("cases", x, "excluded") for x in levels if x != MISSING]
        always = always if row["set"] == "cohort" else []
        always += self.cases([MISSING] if MISSING in levels else [], row["set"])
        for is_certain in (True, False):
            windows = [w for w in WINDOWS if self._is_described(w, is_certain=is_certain)]
            inside = [("cases", x, w) for x in levels if x != MISSING for w in windows]
            limits = (None, n) if is_certain else (n, None)
            self.known.between(dict.fromkeys([*inside, *always], 1), *limits)

    def _is_described(self, window: str, *, is_certain: bool) -> bool:
        """Whether a window has enough patients, or may have: a window of a few is left out too.

        How many patients are printed of those alone whose label is due, of others how many cases.
        """
        smallest = smallest_group(self.protocol)
        counts = dict.fromkeys(("n_patients", "n_cases", "n_immature"), 0)
        for metric in counts:
            rows = self.rows(PERFORMANCE, metric=metric, stratum="all", window=window)
            # What is not printed may be any number.
            counts[metric] = max((r["estimate"] or 0 for r in rows), default=smallest)
        if is_certain:
            return counts["n_patients"] >= smallest
        return counts["n_cases"] + counts["n_immature"] >= smallest

    def _cohort(self) -> None:
        """The flow begins with the cohort and ends with the included."""
        rows = self.rows(FLOW, unit="case")
        last = max(rows, key=lambda r: r["rule_order"])
        self.known.equal(self.cases(self.printed, "cohort"), last["total"])
        self.known.equal(self.cases(self.printed, "included"), last["remaining"])

    def _folding(self) -> None:
        """Of levels that were folded together, one at least was small in some core set."""
        smallest, most = smallest_group(self.protocol), self.known.most
        for printed in self.labels:
            members = self.parts(printed)
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
