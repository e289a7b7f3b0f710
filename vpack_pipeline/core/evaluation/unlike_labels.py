"""What a verdict rests on where labels came unlike by the model's call: bounds, not the figure.

The figure among labelled cases may then be far from that of all cases, and its interval speaks of
chance alone. What does not belong here: how unlike they came (``partial_verification``), who was
verified (``verification``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from vpack_pipeline.core.evaluation.analysis import CaseSet, called
from vpack_pipeline.core.evaluation.operating_points import BEST, WORST, Crossed, tabulate
from vpack_pipeline.protocol import IndexTest, OperatingPoint
from vpack_pipeline.stats.estimate import BoolArray, Estimate

JUDGED_ON_BOUNDS: Final = (
    "cases were labelled unlike by the model's call, beyond the tolerance: the verdict rests on the"
    " bounds of every missing label against, and for, the model, each with its interval"
)
NO_INTERVAL: Final = (
    "cases were labelled unlike by the model's call, beyond the tolerance: the figure among"
    " labelled cases has no interval that a verdict could rest on"
)


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
    """Whether shares lie within a tolerance, to the rounding of their ratios."""
    return abs(difference) <= tolerance + 1e-12


def are_unlike(
    mature: CaseSet, point: OperatingPoint, index_test: IndexTest, tolerance: float
) -> bool:
    """Whether completed inferences were labelled unlike by their call at an operating point."""
    flagged = called(mature, point, index_test).is_flagged
    usable = mature.is_usable
    found = labelled_apart(mature.is_decided, flagged & usable, ~flagged & usable)
    return found is not None and not is_within(found, tolerance)


def on_bounds(
    naive: Estimate,
    mature: CaseSet,
    point: OperatingPoint,
    index_test: IndexTest,
    proportion: Callable[[Crossed], Estimate],
) -> Estimate:
    """Put the bounds of a proportion in place of its interval.

    Lower is the lower bound of the interval with every missing label against the model, upper the
    upper bound with every one for it: the union of the intervals over the identified set covers it
    (Horowitz & Manski 2000, J Am Stat Assoc 95:77).

    Parameters
    ----------
    proportion : the estimate of a table, at the level of the verdict
    """
    worst, best = (proportion(tabulate(mature, point, index_test, a)) for a in (WORST, BEST))
    ends = [e for e in (worst.lower, best.upper, naive.lower, naive.upper) if e is not None]
    if worst.lower is None or best.upper is None or naive.value is None:
        return without_interval(naive)
    return replace(naive, lower=min(ends), upper=max(ends), reason=JUDGED_ON_BOUNDS)


def without_interval(naive: Estimate) -> Estimate:
    """Take away an interval that speaks of chance alone."""
    if naive.value is None:
        return naive
    return replace(naive, lower=None, upper=None, reason=NO_INTERVAL)
