"""The acceptance sheet: what a hospital must collect to see a pack's figures hold there.

From a pack's sensitivity and specificity at one locked point, and from the hospital's own volume
and prevalence: how many cases of either kind a test of acceptance needs, what those of a year can
show, and what labelling fewer would cost. What does not belong here: the statistics
(``stats.acceptance``), how the sheet is laid out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.stats.acceptance import acceptance_size, highest_goal, share_to_label


@dataclass(frozen=True, slots=True)
class Stated:
    """A share that a pack states, with its bounds; in [0, 1]."""

    metric: str
    estimate: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Hospital:
    """What the hospital says of itself, and of the test that it wants to make."""

    cases_a_week: float
    prevalence: float
    """Share of its cases that have the finding, in (0, 1)."""
    weeks: int = 52
    margin: float = 0.05
    """By how much a figure may lie below the pack's."""
    power: float = 0.8
    level: float = 0.95
    """Two-sided level of the interval whose lower bound must clear the goal."""
    design_effect: float = 1.0
    """By how much several cases of a patient make the sample count for less."""

    def cases(self, weeks: float | None = None) -> float:
        """Cases in so many weeks; in those stated where not given."""
        return self.cases_a_week * (self.weeks if weeks is None else weeks)

    def share_of_cases(self, metric: str) -> float:
        """Share of the cases that a figure is of: with the finding, or without."""
        return self.prevalence if metric == "sensitivity" else 1 - self.prevalence


@dataclass(frozen=True, slots=True)
class Asked:
    """What one figure asks of the hospital."""

    stated: Stated
    goal: float
    truth: float
    alone: int | None
    """Cases with (sensitivity) or without the finding that this figure needs by itself; None where
    they are more than a million."""
    together: int | None
    """Those needed where both figures are to clear their goals, with the power in all."""
    local: int
    """Those that come in the stated weeks."""
    weeks: int | None
    """Weeks until ``together`` have come."""
    highest_goal: float | None
    """The highest goal that the local ones can show with the power that ``together`` asks for."""

    @property
    def can_be_shown(self) -> bool:
        """Whether the stated weeks bring enough."""
        return self.together is not None and self.together <= self.local

    @property
    def margin_that_can(self) -> float | None:
        """The smallest margin that the local cases can rule out; None where they show nothing."""
        return None if self.highest_goal is None else self.stated.estimate - self.highest_goal


@dataclass(frozen=True, slots=True)
class TwoPhase:
    """Labelling all flagged cases and a share of the cleared ones."""

    share: float
    labels_a_week: float
    all_a_week: float


@dataclass(frozen=True, slots=True)
class AcceptanceSheet:
    """What a test of acceptance needs here."""

    asked: tuple[Asked, ...]
    power_of_each: float
    two_phase: TwoPhase | None
    """None where not even a label for every case of the stated weeks would do."""

    @property
    def can_be_shown(self) -> bool:
        """Whether the stated weeks bring enough for both figures."""
        return all(asked.can_be_shown for asked in self.asked)

    @property
    def weeks(self) -> int | None:
        """Weeks until there is enough for both; None where that cannot be foreseen."""
        weeks = [asked.weeks for asked in self.asked]
        known = [w for w in weeks if w is not None]
        return max(known) if len(known) == len(weeks) else None


def acceptance_sheet(
    stated: tuple[Stated, ...],
    hospital: Hospital,
    truths: dict[str, float] | None = None,
) -> AcceptanceSheet:
    """Say what a test of acceptance needs at a hospital.

    The goal of a figure is the pack's estimate less the margin, a fixed number: the uncertainty of
    the estimate is not carried. Both figures together have the stated power where each has its
    square root.

    Parameters
    ----------
    stated : the pack's sensitivity and specificity
    truths : by metric, what the figure is assumed to be here; the pack's estimate where not given

    Raises
    ------
    UsageError
        Names the argument and the remedy: out of range, no margin left, an estimate of 1 without an
        assumed truth.
    """
    check_hospital(hospital)
    each = math.sqrt(hospital.power)
    asked = tuple(_asked(s, hospital, truths or {}, each) for s in stated)
    return AcceptanceSheet(asked, each, _two_phase(asked, hospital, each))


def _asked(stated: Stated, hospital: Hospital, truths: dict[str, float], each: float) -> Asked:
    goal = stated.estimate - hospital.margin
    truth = truths.get(stated.metric, stated.estimate)
    _check_truth(stated, goal, truth, hospital.margin)
    level, effect = hospital.level, hospital.design_effect
    together = acceptance_size(goal, truth, each, level, effect)
    local = math.floor(hospital.cases() * hospital.share_of_cases(stated.metric))
    a_week = hospital.cases_a_week * hospital.share_of_cases(stated.metric)
    return Asked(
        stated,
        goal,
        truth,
        acceptance_size(goal, truth, hospital.power, level, effect),
        together,
        local,
        None if together is None else math.ceil(together / a_week),
        highest_goal(truth, local, each, level, effect),
    )


def _two_phase(asked: tuple[Asked, ...], hospital: Hospital, each: float) -> TwoPhase | None:
    """Find the share of cleared cases to label; flagged ones are those that the truths give."""
    shares = [
        share_to_label(
            one.goal,
            one.truth,
            one.local,
            each,
            hospital.level,
            hospital.design_effect,
            sampled="failures" if one.stated.metric == "sensitivity" else "successes",
        )
        for one in asked
    ]
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        return None
    flagged = sum(
        hospital.share_of_cases(one.stated.metric)
        * (one.truth if one.stated.metric == "sensitivity" else 1 - one.truth)
        for one in asked
    )
    labelled = hospital.cases_a_week * (flagged + max(known) * (1 - flagged))
    return TwoPhase(max(known), labelled, hospital.cases_a_week)


def check_hospital(hospital: Hospital) -> None:
    """Refuse what no hospital can say.

    Raises
    ------
    UsageError
        Every problem's argument and remedy.
    """
    ranges = (
        ("cases a week", hospital.cases_a_week, 0.0, math.inf, "give a number above 0"),
        ("prevalence", hospital.prevalence, 0.0, 1.0, "write 3% as 0.03 or as 3%"),
        ("weeks", hospital.weeks, 0.0, 1000.0, "give 1 to 999 weeks"),
        ("margin", hospital.margin, 0.0, 1.0, "write 5 points as 0.05 or as 5%"),
        ("power", hospital.power, 0.0, 1.0, "give a share such as 0.8"),
        ("level", hospital.level, 0.0, 1.0, "give a share such as 0.95"),
    )
    for name, value, low, high, remedy in ranges:
        if not low < value < high:
            raise UsageError(
                Problem(name, f"{value:g} is not between {low:g} and {high:g}", remedy)
            )
    if not 1 <= hospital.design_effect < math.inf:
        what = f"{hospital.design_effect:g} is below 1"
        remedy = "give 1 where each patient has one case, else the ratio that a pack shows"
        raise UsageError(Problem("design effect", what, remedy))


def _check_truth(stated: Stated, goal: float, truth: float, margin: float) -> None:
    name = stated.metric
    if goal <= 0:
        what = f"nothing is left of {stated.estimate:.3f} less a margin of {margin:g}"
        raise UsageError(Problem(name, what, "give a smaller margin"))
    if not truth < 1:
        what = "is 1 in this pack, which no test can assume"
        raise UsageError(Problem(name, what, f"say what {name} you assume, such as 0.98"))
    if truth <= goal:
        what = f"assumed to be {truth:g}, which does not lie above the goal, {goal:.3f}"
        raise UsageError(Problem(name, what, "assume a higher figure, or give a larger margin"))
