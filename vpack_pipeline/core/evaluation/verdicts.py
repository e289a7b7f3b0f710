"""What a verdict is: met, not met, inconclusive, or why there is none; of one endpoint and of all.

What does not belong here: the figure that is judged and at which level (``endpoints``), how claims
share the error (``stats.several_endpoints``).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import NO_WIDTH, Estimate

MET: Final = "met"
NOT_MET: Final = "not_met"
INCONCLUSIVE: Final = "inconclusive"
NOT_TESTED: Final = "not_tested"
"""An endpoint before it in the sequence is not met."""
NOT_TAKEN: Final = "not_taken"
"""The look brings too little, or nothing that is still open."""
WITHHELD: Final = "withheld"
REFUSED: Final = "refused"
NOT_SHOWN: Final = "not_shown"
"""Of all primary endpoints together: neither are all met, nor is one not met."""
JUDGED: Final = frozenset({MET, NOT_MET, INCONCLUSIVE, NOT_TESTED})
"""Verdicts of a look that was taken: it has spent its error."""

MOST_WRONGLY_DENIED: Final = 0.035
"""How often *not met* may be said of a truth that reaches the goal."""
DENIAL_NOT_SHOWN: Final = Code("denial_not_shown")


def is_look_untaken(verdicts: Collection[str]) -> bool:
    """Whether no endpoint took a look, so that whatever is seen at its cut is exploratory.

    Parameters
    ----------
    verdicts : of this look, one of each endpoint that is judged at looks; none where the cut is no
        look

    >>> is_look_untaken([NOT_TAKEN, NOT_TAKEN]), is_look_untaken([NOT_TAKEN, MET])
    (True, False)
    >>> is_look_untaken([])
    False
    """
    return bool(verdicts) and all(verdict == NOT_TAKEN for verdict in verdicts)


class Judged(NamedTuple):
    """A figure with what a verdict needs beside its interval.

    ``fewest`` counts the patients of the smallest class and window that it uses.
    ``wrongly_denied`` is the chance of so low a figure, were the truth the goal; 0 where the
    simulated intervals say that it is small enough, 1 where nothing says so.
    """

    estimate: Estimate
    fewest: int
    wrongly_denied: float


def verdict_of(judged: Judged, goal: float, minimum: int) -> tuple[str, Code | None]:
    """Judge a figure by its interval against the goal that the interval must clear.

    *Not met* is the mirror image of *met*: it spends no error, and is given only where its own is
    small enough. An interval that is missing or has no width cannot speak: inconclusive.

    Parameters
    ----------
    minimum : fewest patients in each class and window that an endpoint uses

    Returns
    -------
    the verdict, and what of it is not in the interval
    """
    estimate = judged.estimate
    if estimate.value is None:
        return REFUSED, None
    if judged.fewest < minimum:
        return INCONCLUSIVE, code("few_patients_for_verdict", minimum=minimum)
    side = _side(estimate, goal)
    if side == NOT_MET and judged.wrongly_denied > MOST_WRONGLY_DENIED:
        return INCONCLUSIVE, DENIAL_NOT_SHOWN
    return side, None


def _side(estimate: Estimate, goal: float) -> str:
    """Say on which side of the goal an interval lies."""
    lower, upper = estimate.lower, estimate.upper
    if lower is None or upper is None or NO_WIDTH in estimate.notes or not lower < upper:
        return INCONCLUSIVE
    if lower > goal:
        return MET
    return NOT_MET if upper < goal else INCONCLUSIVE


def verdict_of_all(verdicts: Collection[str | None]) -> str:
    """Judge primary endpoints together: met where each is, not met where one is not.

    Whatever is neither, for whatever reason, was not shown.

    >>> verdict_of_all(["met", "met"]), verdict_of_all(["met", "void"])
    ('met', 'not_shown')
    """
    if NOT_MET in verdicts:
        return NOT_MET
    return MET if verdicts and set(verdicts) == {MET} else NOT_SHOWN
