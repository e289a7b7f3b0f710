"""Why the checks close a gate: the input that lost its rows first, and what only follows from it.

One wrong date format empties a table and, through it, every expectation of every table after it.
What does not belong here: reading what a loader refused (``assets.standing``), and whether a
receipt may be trusted (``lock``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.errors import Problem
from vpack_pipeline.gate.receipts import Receipt
from vpack_pipeline.site import ACCEPT_AT_LEAST

NEARLY_ALL: Final = 0.9
"""Share of an input's rows from which on their loss explains that what follows met nothing."""
ACCEPTED: Final = "accepted"
"""The check of an input that enough of its rows were accepted."""
REASONS_TOLD: Final = 3
POINTING: Final = frozenset({"UNKNOWN_CASE", "UNKNOWN_READER", "UNMATCHED_KEY", "AMBIGUOUS_KEY"})
"""Reasons of a row that names what another table lacks: where that one is lost, so are these.

PATIENT_MISMATCH is none of them: case and study were both found."""
FOLLOWS: Final = "it follows from what stands above"
NONE: Final = "has none"


@dataclass(frozen=True, slots=True)
class Refusal:
    """How many rows of an input were refused for one reason in one field; no value.

    ``positions``: the first of them, as ``delivery/file:row``.
    """

    reason: str
    field: str | None
    rows: int
    remedy: str
    positions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of the rows that count of one input: those since its last full delivery.

    ``since`` names that delivery; None where every delivery counts, and for an image archive.
    ``refusals``: most rows first. ``accept_at_least``: the share below which the input is lost.
    """

    asset: str
    unit: str
    since: str | None
    delivered: int
    refusals: tuple[Refusal, ...]
    accept_at_least: float = ACCEPT_AT_LEAST

    @property
    def refused(self) -> int:
        """How many were refused, for whatever reason."""
        return sum(r.rows for r in self.refusals)

    @property
    def is_short(self) -> bool:
        """Whether less of it was accepted than has to be."""
        left = max(self.delivered - self.refused, 0)
        return self.is_gone or left < self.accept_at_least * self.delivered

    @property
    def is_gone(self) -> bool:
        """Whether (nearly) nothing of it is left."""
        return self.refused >= NEARLY_ALL * self.delivered

    def as_problem(self) -> Problem:
        """Say what was lost, for which reasons, and what the sender can do about the first."""
        when = "" if self.since is None else f" since {self.since}"
        if not self.delivered:
            return Problem(self.asset, f"nothing was delivered{when}", "deliver it")
        first = [f"{r.rows} {r.reason}{_in(r.field)}" for r in self.refusals[:REASONS_TOLD]]
        rest = self.refusals[REASONS_TOLD:]
        more = [f"{sum(r.rows for r in rest)} for other reasons"] if rest else []
        what = f"{self.refused} of {self.delivered} {self.unit} delivered{when} were refused"
        return Problem(self.asset, f"{what}: {', '.join([*first, *more])}", self.refusals[0].remedy)

    def reasons(self) -> list[Problem]:
        """Say of each reason where its first rows stand, and what can be done about it."""
        return [
            Problem(self.asset, f"{r.reason}{_in(r.field)}{_at(r)}", r.remedy)
            for number, r in enumerate(self.refusals[:REASONS_TOLD])
            if number or r.positions
        ]

    @property
    def left(self) -> str:
        """Say how much is left."""
        if not self.delivered:
            return NONE
        return f"kept {self.delivered - self.refused} of {self.delivered} {self.unit}"


def _in(field: str | None) -> str:
    return "" if field is None else f" in {field}"


def _at(refusal: Refusal) -> str:
    if not refusal.positions:
        return ""
    more = refusal.rows - len(refusal.positions)
    return f": {', '.join(refusal.positions)}{f' and {more} more' if more > 0 else ''}"


def ancestors(asset: str, dependencies: Mapping[str, Collection[str]]) -> set[str]:
    """List every table that a table is computed from, at any remove."""
    found: set[str] = set()
    left = [asset]
    while left:
        new = set(dependencies[left.pop()]) - found
        found |= new
        left += new
    return found


def losses(intakes: Sequence[Intake], dependencies: Mapping[str, Collection[str]]) -> list[Problem]:
    """List the inputs that lost too many of their rows for a reason of their own, and where.

    One whose rows point to a table that another lost input feeds stands in that one's second line.
    """
    lost = _by_root(intakes, dependencies)
    found: list[Problem] = []
    for root, with_it in lost.items():
        found.append(root.as_problem())
        if with_it:
            names = ", ".join(i.asset for i in with_it)
            what = f"inputs that point to it lost their rows with it: {names}"
            found.append(Problem(root.asset, what, FOLLOWS))
        found += root.reasons()
    return found


def _by_root(
    intakes: Sequence[Intake], dependencies: Mapping[str, Collection[str]]
) -> dict[Intake, list[Intake]]:
    lost = {i.asset: i for i in intakes if i.is_short}
    gone = {asset: intake for asset, intake in lost.items() if intake.is_gone}
    above = {name: [gone[a] for a in gone if a in ancestors(name, dependencies)] for name in lost}
    followers = {n for n in lost if above[n] and lost[n].refusals[:1] and _points(lost[n])}
    return {
        lost[root]: [lost[f] for f in lost if f in followers and lost[root] in above[f]]
        for root in lost
        if root not in followers
    }


def _points(intake: Intake) -> bool:
    return intake.refusals[0].reason in POINTING


def closing(
    receipts: Mapping[str, Receipt | None],
    intakes: Sequence[Intake],
    dependencies: Mapping[str, Collection[str]],
) -> list[Problem]:
    """Say why checks close the gate: causes, what follows from each in one line, then the rest.

    Parameters
    ----------
    receipts : by table, in the order of computation or not; None where there is none
    intakes : what became of each input, as far as it is known
    dependencies : table → its inputs

    Returns
    -------
    no problem exactly if no expectation closes. An expectation that met nothing is counted with
    the cause above it: an input that lost its rows, else the first empty table; without one, it is
    listed like one that failed.
    """
    closed = [(r.asset, check) for r in receipts.values() if r for check in _closing(r)]
    if not closed:
        return []
    empty = {a for a, check in closed if _met_nothing(check) and _rows(receipts[a]) == 0}
    symptoms = {a for a, check in closed if _met_nothing(check)}
    above = {a: ancestors(a, dependencies) | {a} for a in symptoms}
    short = {asset for asset, check in closed if check["id"] == ACCEPTED}
    gone = {i.asset for i in intakes if i.is_gone and any(i.asset in n for n in above.values())}
    told = [i for i in intakes if i.asset in gone | short]
    left = {i.asset: i.left for i in _by_root(told, dependencies) if i.asset in gone}
    first = {a for a in empty if not above[a] & (set(left) | (empty - {a}))}
    found = [*losses(told, dependencies)]
    found += [Problem(a, "has no row", "deliver what it is made of") for a in sorted(first)]
    left |= dict.fromkeys(sorted(first), NONE)
    cause = {a: next((root for root in left if root in above[a]), None) for a in symptoms}
    met_nothing = [(a, cause[a]) for a, check in closed if _met_nothing(check) and cause[a]]
    for root, words in left.items():
        tables = Counter(a for a, its_cause in met_nothing if its_cause == root)
        if tables:
            counted = f"{_n(tables.total(), 'expectation')} of {_n(len(tables), 'table')}"
            what = f"{counted} met no rows because {root} {words}"
            found.append(Problem(root, what, FOLLOWS))
    # What the line of a loss has said in full.
    said = {i.asset for i in told if i.is_short}
    rest = [
        (a, check)
        for a, check in closed
        if not (check["id"] == ACCEPTED and a in said) and not (_met_nothing(check) and cause[a])
    ]
    return [*found, *(_as_problem(asset, check) for asset, check in rest)]


def _closing(receipt: Receipt) -> list[Mapping[str, Any]]:
    return [] if receipt.passed else [check for check in receipt.checks if check["closes"]]


def _rows(receipt: Receipt | None) -> int | None:
    return None if receipt is None else receipt.rows


def _met_nothing(check: Mapping[str, Any]) -> bool:
    """Tell whether an expectation met nothing, or is the one that asks for a row."""
    is_count = check["id"] == "table_rows" and check["element_count"] == 0
    return is_count or bool(check["outcome"] == "vacuous")


def _as_problem(asset: str, check: Mapping[str, Any]) -> Problem:
    verb = {
        "fail": "failed",
        "error": "could not be evaluated",
        "vacuous": "met no value at all",
    }[check["outcome"]]
    counts = (
        ""
        if check["unexpected_count"] is None
        else f" for {check['unexpected_count']} of {check['element_count']} rows"
    )
    return Problem(asset, f"expectation {check['id']} {verb}{counts}", str(check["why"]))


def _n(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
