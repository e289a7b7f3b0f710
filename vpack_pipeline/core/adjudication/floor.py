"""The agreement that the protocol asked for beforehand: whether it was reached, and by whom it is.

Poor agreement is a result and closes nothing. What does not belong here: how far readers agreed
(``coefficients``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from vpack_pipeline.core.adjudication.coefficients import (
    ALL,
    STATISTICS,
    Panel,
    class_shares,
    positive_reads,
)
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.protocol import Floor
from vpack_pipeline.stats import agreement as stats
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import Estimate

FLOOR: Final = "prespecified_floor"
BY_CHANCE: Final = "prespecified_floor_by_chance"


def put_floor(
    figures: Figures, panel: Panel, found: Mapping[str, Estimate], floor: Floor | None
) -> None:
    """Add the floor's statistic with the verdict, and what readers who guess would reach of it.

    Parameters
    ----------
    figures : of ``agreement``
    found : statistic → estimate, of the panel as it is
    """
    keys: dict[str, Any] = {"finding": panel.finding.name, **ALL.keys}
    if floor is None or floor.statistic not in found:
        refusal = _refusal(floor)
        for metric in (FLOOR, BY_CHANCE):
            figures.refuse(metric, refusal, **keys)
        return
    estimate = found[floor.statistic]
    by_chance = _put_by_chance(figures, panel, estimate, floor.statistic, **keys)
    asked = code("floor_asked", statistic=floor.statistic, least=floor.value)
    notes = coded(_verdict(estimate, floor.value, by_chance), panel.weighing.notes)
    made = replace(estimate, method=coded(asked, estimate.method), notes=notes)
    figures.give(FLOOR, made, **keys)


def _refusal(floor: Floor | None) -> Code:
    if floor is None:
        return Code("no_floor")
    return code("no_such_statistic", statistic=floor.statistic, statistics=STATISTICS)


def _put_by_chance(
    figures: Figures, panel: Panel, estimate: Estimate, statistic: str, **keys: Any
) -> float | None:
    if estimate.value is None:
        figures.give(BY_CHANCE, None, n=0, reason=estimate.reason, **keys)
        return None
    value = stats.guessed(statistic, class_shares(panel))
    if value is None:
        figures.refuse(BY_CHANCE, code("guessing_not_worked_out", statistic=statistic), **keys)
        return None
    # Where it rests on how often readers say positive, that count stands with it.
    events, reads = positive_reads(panel, ALL) if value else (None, None)
    guess = code("readers_who_guess", statistic=statistic)
    is_weighted = value and panel.weighing.weight is not None
    method = coded(guess, "weighted" if is_weighted else None, panel.basis.name)
    figures.give(BY_CHANCE, value, n=reads, events=events, method=method, **keys)
    return value


def _verdict(estimate: Estimate, floor: float, by_chance: float | None) -> str | None:
    if estimate.value is None:
        return None
    if estimate.value < floor:
        return "floor_not_reached"
    if by_chance is not None and floor <= by_chance:
        return "floor_reached_by_guessing"
    if estimate.lower is None:
        return "floor_reached_without_interval"
    return "floor_reached" if estimate.lower >= floor else "floor_reached_uncertainly"
