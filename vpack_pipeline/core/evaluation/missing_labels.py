"""When the figure among labelled cases may not stand alone, and what a verdict rests on then.

Where few cases are labelled, or flagged and cleared ones in unlike shares, the figure of the
labelled may be far from that of all, and its interval speaks of chance alone: bounds take its
place. Labels that are many and came alike show that less can hide in the others, never that the
others are as those. What does not belong here: who was verified (``verification``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from vpack_pipeline.core.evaluation.analysis import CaseSet, called
from vpack_pipeline.core.evaluation.operating_points import BEST, WORST, Crossed, tabulate
from vpack_pipeline.protocol import Adjudication, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import BoolArray, Estimate

TOO_FEW: Final = Code("few_labelled")
UNLIKE: Final = Code("labelled_unlike")
ON_BOUNDS: Final = Code("verdict_on_bounds")
NO_INTERVAL: Final = Code("no_interval_for_verdict")
_ROUNDING: Final = 1e-12
"""Shares are ratios of counts: one that equals a limit lies within it."""


def labelled_apart(decided: BoolArray, flagged: BoolArray, cleared: BoolArray) -> float | None:
    """Share of flagged cases with a decided label less that of cleared ones; None without both.

    Parameters
    ----------
    decided, flagged, cleared : (n,) masks
    """
    if not (flagged.any() and cleared.any()):
        return None
    return float(decided[flagged].mean() - decided[cleared].mean())


def is_within(difference: float, tolerance: float) -> bool:
    """Whether a difference of shares lies within a tolerance."""
    return abs(difference) <= tolerance + _ROUNDING


def why_not_alone(
    decided: BoolArray, flagged: BoolArray, cleared: BoolArray, adjudication: Adjudication
) -> Code | None:
    """Say why the figure among labelled cases is not the headline, or nothing.

    Parameters
    ----------
    decided, flagged, cleared : (n,) masks of mature cases; completed inferences are one or other
    adjudication : ``labelled_minimum`` of the completed inferences must have a decided label, and
        the shares of flagged and cleared ones differ by no more than ``verification_tolerance``
    """
    completed = flagged | cleared
    if completed.any():
        share = float(decided[completed].mean())
        if share < adjudication.labelled_minimum - _ROUNDING:
            return TOO_FEW
    difference = labelled_apart(decided, flagged, cleared)
    if difference is None or is_within(difference, adjudication.verification_tolerance):
        return None
    return UNLIKE


def why_not_alone_at(
    mature: CaseSet,
    point: OperatingPoint | None,
    index_test: IndexTest,
    adjudication: Adjudication,
) -> Code | None:
    """Say so at an operating point; without one only the share labelled can be judged."""
    usable = mature.is_usable
    flagged = usable if point is None else called(mature, point, index_test).is_flagged & usable
    return why_not_alone(mature.is_decided, flagged, usable & ~flagged, adjudication)


def on_bounds(
    naive: Estimate,
    mature: CaseSet,
    point: OperatingPoint,
    index_test: IndexTest,
    proportion: Callable[[Crossed], Estimate],
    why: Code,
) -> Estimate:
    """Put the bounds of a proportion in place of its interval.

    Lower is the lower bound of the interval with every missing label against the model, upper the
    upper bound with every one for it: the union of the intervals over the identified set covers it
    (Horowitz & Manski 2000, J Am Stat Assoc 95:77).

    Parameters
    ----------
    proportion : the estimate of a table, at the level of the verdict
    why : of :func:`why_not_alone`
    """
    worst, best = (proportion(tabulate(mature, point, index_test, a)) for a in (WORST, BEST))
    ends = [e for e in (worst.lower, best.upper, naive.lower, naive.upper) if e is not None]
    if worst.lower is None or best.upper is None or naive.value is None:
        return without_interval(naive, why)
    return replace(naive, lower=min(ends), upper=max(ends), notes=coded(why, ON_BOUNDS))


def without_interval(naive: Estimate, why: Code) -> Estimate:
    """Take away an interval that speaks of chance alone."""
    if naive.value is None:
        return naive
    return replace(naive, lower=None, upper=None, notes=coded(why, NO_INTERVAL))
