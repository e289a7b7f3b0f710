"""The acceptance sheet in words: the same sentences in a terminal and on a page.

What does not belong here: what the numbers are (``core.acceptance``), which pack they are of (the
command).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vpack_pipeline.core.acceptance import AcceptanceSheet, Asked, Hospital
from vpack_pipeline.pack_format.text import count, percent
from vpack_pipeline.stats.acceptance import LARGEST

WHO: Final = {"sensitivity": "with the finding", "specificity": "without it"}
HEAD: Final = ("Figure", "In the pack", "Goal here", "Assumed here", "Cases needed", "Cases here")
BEFORE: Final = (
    "Index test, version and operating point",
    "Goals of sensitivity and of specificity, and their interval",
    "Cases with and without the finding that are planned",
    "Cases taken from … to …, consecutive or by which draw",
    "Reference standard: who decides, by what rule, without sight of the output",
)
AFTER: Final = (
    "Cases with the finding, and of these flagged",
    "Cases without the finding, and of these not flagged",
    "Failed, and left undecided by the reference standard",
    "Lower bounds of sensitivity and of specificity",
    "Accepted or not, and why",
)
"""What is filled in before the first case is read, and after the last."""
SIGNATURES: Final = ("Clinical lead", "Medical physics or informatics", "Vendor")


@dataclass(frozen=True, slots=True)
class Subject:
    """What the sheet is about: one locked point of one pack."""

    pack: str
    cut: str
    finding: str
    model: str
    operating_point: str
    window: str
    synthetic: str
    """What of the pack was made up; empty where nothing was."""

    @property
    def title(self) -> str:
        """Name the finding, the model and the point."""
        return f"{self.finding}: {self.model} at {self.operating_point}"

    @property
    def source(self) -> str:
        """Say where the pack's figures come from."""
        return f"Figures of {self.pack}, data cut {self.cut}, {self.window} window."


def table(sheet: AcceptanceSheet, hospital: Hospital) -> list[tuple[str, ...]]:
    """Give a row a figure, under ``HEAD``."""
    return [
        (
            asked.stated.metric.capitalize(),
            _with_bounds(asked),
            f"above {percent(asked.goal)}",
            percent(asked.truth),
            f"{_number(asked.together)} {WHO[asked.stated.metric]}",
            f"{count(asked.local)} in {count(hospital.weeks)} weeks",
        )
        for asked in sheet.asked
    ]


def answer(sheet: AcceptanceSheet, hospital: Hospital) -> list[str]:
    """Say whether it can be shown here, and if not what can."""
    chance = f"a chance of {_short(hospital.power)} that both lower bounds clear their goals"
    if sheet.can_be_shown:
        when = "a week" if sheet.weeks == 1 else f"{count(sheet.weeks or 0)} weeks"
        said = [f"This can be shown here within {when}: then there is {chance}."]
    else:
        weeks = sheet.weeks
        when = (
            f"It would take {count(weeks)} weeks."
            if weeks is not None
            else "No number of weeks that can be foreseen would do."
        )
        said = [f"This cannot be shown here in {count(hospital.weeks)} weeks. {when}"]
        said += [_what_can(asked, hospital) for asked in sheet.asked if not asked.can_be_shown]
    two = sheet.two_phase
    if two is not None and two.share < 1:
        said.append(
            f"Fewer labels: every flagged case and {_short(two.share)} of the others, drawn at "
            f"random, are enough over the {count(hospital.weeks)} weeks. That is "
            f"{count(round(two.labels_a_week))} labels a week in place of "
            f"{count(round(two.all_a_week))}. Flagged and other cases must then be counted apart, "
            "and the others weighted."
        )
    return said


def assumptions(sheet: AcceptanceSheet, hospital: Hospital) -> list[str]:
    """Say what the numbers rest on."""
    effect = (
        "Each patient is taken to have one case."
        if hospital.design_effect == 1
        else f"Several cases of a patient make the number needed {hospital.design_effect:g} times "
        "what it would be with one case a patient."
    )
    return [
        f"A goal is the pack's figure less {_short(hospital.margin).removesuffix('%')} points. It "
        "is a fixed number: the uncertainty of the pack's figure is not carried over.",
        f"The lower bound is that of a {_short(hospital.level)} interval (Wilson's; exact where "
        "nobody is wrong). Power is counted over all results that the assumed figure can give; "
        "cases needed are those from which on it stays. Each figure has a power of "
        f"{percent(sheet.power_of_each)}, so that both together have {_short(hospital.power)}.",
        effect,
        "Cases whose label stays undecided must be made up for: they count for neither figure.",
    ]


def _what_can(asked: Asked, hospital: Hospital) -> str:
    margin = asked.margin_that_can
    cases = f"{count(asked.local)} cases {WHO[asked.stated.metric]}"
    if margin is None or asked.highest_goal is None:
        return (
            f"The {cases} of {count(hospital.weeks)} weeks show nothing of {asked.stated.metric}."
        )
    points = percent(margin).removesuffix("%")
    return (
        f"The {cases} of {count(hospital.weeks)} weeks can show a {asked.stated.metric} above "
        f"{percent(asked.highest_goal)}: a margin of {points} points in place of "
        f"{_short(hospital.margin).removesuffix('%')}."
    )


def _with_bounds(asked: Asked) -> str:
    stated = asked.stated
    if stated.lower is None or stated.upper is None:
        return percent(stated.estimate)
    bounds = f"{percent(stated.lower).removesuffix('%')} to {percent(stated.upper)}"
    return f"{percent(stated.estimate)} ({bounds})"


def _short(share: float) -> str:
    """Write a share that somebody chose: without digits that were not typed.

    >>> _short(0.05), _short(0.975)
    ('5%', '97.5%')
    """
    return f"{100 * share:.4g}%"


def _number(needed: int | None) -> str:
    return f"more than {count(LARGEST)}" if needed is None else count(needed)
