"""How many excluded cases would have to be errors for an endpoint's goal to be lost.

What does not belong here: which cases come back, and the figures with them (``exclusion_audit``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.protocol import Endpoint, Evaluation, OperatingPoint
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray, IntArray
from vpack_pipeline.stats.proportions import clustered_proportion

NEVER_CLEARED: Final = Code("goal_never_cleared")
ALWAYS_CLEARED: Final = Code("goal_always_cleared")


@dataclass(frozen=True, slots=True)
class Goal:
    """What an endpoint asks of a proportion: that the lower bound at ``level`` lies above it."""

    goal: float
    level: float


def goals_of(
    evaluation: Evaluation,
    finding: str,
    window: str,
    point: OperatingPoint | None,
) -> dict[str, Goal]:
    """Give the goal of each proportion at the primary operating point; a primary endpoint's first.

    After the lock it is held to the interval of a single look that spends all of alpha.
    """

    def applies(endpoint: Endpoint) -> bool:
        asked = (endpoint.finding, endpoint.window, endpoint.operating_point)
        name = None if point is None else point.name
        return asked == (finding, window, name) and endpoint.goal is not None

    level = 1 - 2 * evaluation.alpha if window == PROSPECTIVE else evaluation.interval.level
    ordered = sorted(evaluation.endpoints, key=lambda e: e.rank == "primary")
    return {e.metric: Goal(e.goal or 0.0, level) for e in ordered if applies(e)}


def tipping_point(right: BoolArray, patient: IntArray, n_back: int, asked: Goal) -> int | Code:
    """Find the smallest number of errors among cases back in that loses the goal.

    Parameters
    ----------
    right : of the included cases of the class, whether the call is right
    patient : of those cases, then of the ``n_back`` that come back

    Returns
    -------
    that number; or why there is none: the goal is not cleared without any, or with all of them
    """

    def clears(n_wrong: int) -> bool:
        with_back = np.concatenate([right, np.arange(n_back) >= n_wrong])
        lower = clustered_proportion(with_back, patient, asked.level).lower
        return lower is not None and lower > asked.goal

    if not clears(0):
        return NEVER_CLEARED
    return ALWAYS_CLEARED if clears(n_back) else _first_failure(clears, n_back)


def _first_failure(clears: Callable[[int], bool], m: int) -> int:
    """Find the smallest number of errors that does not clear, between 0 (clears) and m (not)."""
    low, high = 0, m
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if clears(middle) else (low, middle)
    return high
