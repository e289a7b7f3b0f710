"""A figure by period, before and after the lock, beside its goal and what happened meanwhile.

Points with their intervals; the band is the interval of the whole window before the lock, within
which a period is expected to lie where nothing changes. What does not belong here: tests of time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.view import Drawing

WIDTH: Final = 352
HEIGHT: Final = 168
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, WIDTH - 8.0, 20.0, HEIGHT - 24.0
_STEP: Final = 0.1


@dataclass(frozen=True, slots=True)
class Series:
    """What one picture shows.

    ``periods`` are rows of ``evaluation/trend`` in the order of time; ``before`` is the row of the
    whole window before the lock; ``goal`` lies on the scale of the estimates; ``new_from`` is the
    first period in which a device is seen that was not there before.
    """

    name: str
    title: str
    periods: Sequence[Row]
    before: Row | None
    goal: float | None
    new_from: str | None


def trend(series: Series) -> Drawing | None:
    """Draw a share by period; None where fewer than two periods have a figure."""
    rows = [r for r in series.periods if r["estimate"].number is not None]
    if len(rows) < 2:
        return None
    low = _lowest(series, rows)

    def up(value: float) -> float:
        return _BOTTOM - (value - low) / (1.0 - low) * (_BOTTOM - _TOP)

    def across(i: int) -> float:
        return _LEFT + (i + 0.5) * (_RIGHT - _LEFT) / len(rows)

    body = _grid(low, up) + _band(series, up) + _new_device(series, rows, across)
    body += _lock(rows, across)
    if series.goal is not None:
        body += svg.line(_LEFT, up(series.goal), _RIGHT, up(series.goal), "goal")
    for i, row in enumerate(rows):
        body += _point(row, across(i), up)
    body += _dates(rows, across)
    description = (
        "One point a period with its interval, open before the lock and filled after it; the same"
        " figures stand in the table of periods."
    )
    return Drawing(series.name, series.title, description, WIDTH, HEIGHT, body)


def _lowest(series: Series, rows: Sequence[Row]) -> float:
    numbers = [n for r in rows for c in ("estimate", "lower") if (n := r[c].number) is not None]
    numbers += [series.goal] if series.goal is not None else []
    return max(0.0, min(0.9, math.floor(min(numbers) / _STEP) * _STEP))


def _grid(low: float, up: svg.Scale) -> Markup:
    steps = round((1.0 - low) / _STEP)
    each = 1 if steps <= 5 else 2
    made = Markup("")
    for i in range(0, steps + 1, each):
        value = 1.0 - i * _STEP
        made += svg.line(_LEFT, up(value), _RIGHT, up(value), "grid")
        made += svg.text(_LEFT - 5, up(value) + 4, f"{100 * value:.0f}", "tick", "end")
    return made


def _band(series: Series, up: svg.Scale) -> Markup:
    if series.before is None:
        return Markup("")
    lower, upper = series.before["lower"].number, series.before["upper"].number
    if lower is None or upper is None:
        return Markup("")
    return svg.area(_LEFT, up(upper), _RIGHT - _LEFT, up(lower) - up(upper), "band")


def _new_device(series: Series, rows: Sequence[Row], across: svg.Place) -> Markup:
    found = [i for i, r in enumerate(rows) if r.key["period"] == series.new_from]
    if not found:
        return Markup("")
    start = (across(found[0]) + across(found[0] - 1)) / 2 if found[0] else _LEFT
    made = svg.area(start, _TOP, _RIGHT - start, _BOTTOM - _TOP, "event")
    return made + svg.text(start + 3, _TOP - 6, "new device", "tick")


def _lock(rows: Sequence[Row], across: svg.Place) -> Markup:
    after = [i for i, r in enumerate(rows) if r.key["window"] == PROSPECTIVE]
    if not after or after[0] == 0:
        return Markup("")
    x = (across(after[0]) + across(after[0] - 1)) / 2
    return svg.line(x, _TOP - 14, x, _BOTTOM, "lock") + svg.text(x + 3, _TOP - 6, "locked", "tick")


def _point(row: Row, x: float, up: svg.Scale) -> Markup:
    style = "w1" if row.key["window"] == PROSPECTIVE else "w0"
    estimate, lower, upper = (row[c].number for c in ("estimate", "lower", "upper"))
    made = Markup("")
    if lower is not None and upper is not None:
        made += svg.line(x, up(lower), x, up(upper), f"bar {style}")
    filled = style if style == "w1" else f"{style} open-dot"
    return made + svg.dot(x, up(estimate or 0.0), 4.0, filled)


def _dates(rows: Sequence[Row], across: svg.Place) -> Markup:
    """Name the first month of the first, the last and some periods between."""
    each = max(1, math.ceil(len(rows) / 4))
    made = Markup("")
    for i in range(0, len(rows), each):
        month = str(rows[i].key["period"])[:7]
        made += svg.text(across(i), _BOTTOM + 16, month, "tick", "middle")
    return made
