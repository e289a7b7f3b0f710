"""What would change an answer: another mix of its cells, or another prevalence.

What does not belong here: the answer itself (``answer``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypedDict

from vpack_pipeline.core.transport.answer import IN_TARGET, Answer, Figure, figures_in_target
from vpack_pipeline.core.transport.question import Asked, Question, counted, counts_of
from vpack_pipeline.core.transport.support import FEWEST_POSITIVES
from vpack_pipeline.stats.transport import PREDICTIVE, pooled

OF_CELLS: Final = ("sensitivity", "specificity")
_TIMES: Final = (0.5, 2.0)


class OfCell(TypedDict):
    """A figure in one cell of the target."""

    cell: str
    estimate: float
    n: int


class Mixes(TypedDict):
    """The cells between whose figures every mix of the target's cells lies."""

    lowest: OfCell
    highest: OfCell


class AtPrevalence(TypedDict):
    """Figures in the target at another prevalence."""

    prevalence: float
    figures: dict[str, Figure]


class WhatIf(TypedDict):
    """What would change an answer."""

    mixes: dict[str, Mixes]
    prevalences: list[AtPrevalence]


def what_would_change(question: Question, answer: Answer) -> WhatIf:
    """Give the figures of the target's extreme cells, and those at half and twice its prevalence.

    Left out are cells with fewer than five cases in the denominator, and all of it where there is
    no figure in the target.
    """
    asked = Asked.of(question)
    there = answer["figures"][IN_TARGET]
    inside = [
        (cell.label, counts)
        for cell, of in zip(asked.common, answer["cells"], strict=True)
        if of["persons"] > 0 and (counts := counts_of(cell)) is not None
    ]
    mixes = {}
    for name in OF_CELLS:
        if there[name]["estimate"] is None:
            continue
        found = []
        for label, counts in inside:
            figure = pooled([counted(0.0, counts)], name)
            if figure.value is not None and figure.n >= FEWEST_POSITIVES:
                found.append(OfCell(cell=label, estimate=figure.value, n=figure.n))
        if len(found) > 1:
            found.sort(key=lambda of: of["estimate"])
            mixes[name] = Mixes(lowest=found[0], highest=found[-1])
    prevalence = there["prevalence"]["estimate"]
    return WhatIf(mixes=mixes, prevalences=_at(question, prevalence, asked.is_joint))


def _at(question: Question, prevalence: float | None, is_joint: bool) -> list[AtPrevalence]:
    if prevalence is None or not is_joint:
        return []
    made = []
    for wanted in _within([times * prevalence for times in _TIMES]):
        changed: Question = {**question, "prevalence": wanted}
        figures = figures_in_target(changed)["figures"][IN_TARGET]
        chosen = {name: figures[name] for name in PREDICTIVE}
        made.append(AtPrevalence(prevalence=wanted, figures=chosen))
    return made


def _within(prevalences: Sequence[float]) -> list[float]:
    return [p for p in prevalences if 0 < p < 1]
