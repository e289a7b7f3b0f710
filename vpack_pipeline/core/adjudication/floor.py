"""The agreement that the protocol asked for beforehand: whether it was reached, and by whom it is.

Poor agreement is a result and closes nothing. What does not belong here: how far readers agreed
(``coefficients``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from vpack_pipeline.core.adjudication.coefficients import (
    STATISTICS,
    Panel,
    class_shares,
    positive_reads,
)
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.protocol import Floor
from vpack_pipeline.stats import agreement as stats
from vpack_pipeline.stats.estimate import Estimate

NOT_REACHED: Final = "prespecified floor not reached"
REACHED_BY_GUESSING: Final = "reached, but readers who guess would reach it too"
UNCERTAIN: Final = "reached by the estimate, not by its lower bound"
REACHED: Final = "reached"
FLOOR: Final = "prespecified_floor"
BY_CHANCE: Final = "prespecified_floor_by_chance"
_GUESSING: Final = "of readers who answer at random, as often each class as these"


def put_floor(
    figures: Figures, panel: Panel, found: Mapping[str, Estimate], floor: Floor | None
) -> None:
    """Add the floor's statistic with the verdict, and what readers who guess would reach of it.

    Parameters
    ----------
    figures : of ``agreement``
    found : statistic → estimate, of the panel as it is
    """
    keys: dict[str, Any] = {"finding": panel.finding.name, "stratum": "all"}
    refusal = _refusal(found, floor)
    if floor is None or refusal is not None:
        for metric in (FLOOR, BY_CHANCE):
            figures.refuse(metric, refusal or "", **keys)
        return
    estimate = found[floor.statistic]
    by_chance = _put_by_chance(figures, panel, estimate, floor.statistic, **keys)
    method = f"{floor.statistic} of at least {floor.value:g}; {estimate.method}"
    reason = _verdict(estimate, floor.value, by_chance)
    figures.give(FLOOR, replace(estimate, method=method, reason=reason), **keys)


def _refusal(found: Mapping[str, Estimate], floor: Floor | None) -> str | None:
    if floor is None:
        return "the protocol asks for no floor of agreement"
    if floor.statistic not in found:
        return f"no statistic {floor.statistic!r}; there are {', '.join(STATISTICS)}"
    return None


def _put_by_chance(
    figures: Figures, panel: Panel, estimate: Estimate, statistic: str, **keys: Any
) -> float | None:
    if estimate.value is None:
        figures.refuse(BY_CHANCE, estimate.reason or "", n=0, **keys)
        return None
    value = stats.guessed(statistic, class_shares(panel))
    if value is None:
        reason = f"what readers who guess would reach of {statistic} is not worked out"
        figures.refuse(BY_CHANCE, reason, **keys)
        return None
    # Where it rests on how often readers say positive, that count stands with it.
    events, reads = positive_reads(panel, "all") if value else (None, None)
    method = f"{statistic} {_GUESSING}; {panel.basis.name}"
    figures.give(BY_CHANCE, value, n=reads, events=events, method=method, **keys)
    return value


def _verdict(estimate: Estimate, floor: float, by_chance: float | None) -> str | None:
    if estimate.value is None:
        return estimate.reason
    if estimate.value < floor:
        return NOT_REACHED
    if by_chance is not None and floor <= by_chance:
        return REACHED_BY_GUESSING
    if estimate.lower is not None and estimate.lower < floor:
        return UNCERTAIN
    return REACHED
