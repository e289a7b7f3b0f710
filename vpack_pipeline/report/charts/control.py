"""A control chart: what one monitor showed in each window, beside its limits.

A value says how far a window lies from the reference, so that the scale begins at zero. What does
not belong here: where limits come from (``core.drift``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.view import Drawing

WIDTH: Final = 304
_HEIGHT: Final = 132.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 294.0, 12.0, 108.0
_DESCRIPTION: Final = (
    "One mark a window: a circle without a signal, a triangle at a warning, a square at an action,"
    " a cross where there is no value. The dashed line is the limit of warnings, the whole line"
    " that of actions. The same figures stand in the table."
)
_LIMITS: Final = (("warning_limit", "marked"), ("action_limit", "lock"))


def control(name: str, title: str, rows: Sequence[Row]) -> Drawing | None:
    """Draw one monitor; None where no window has a value.

    Parameters
    ----------
    rows : of ``drift/status``, of one monitor
    """
    if all(row["value"].number is None for row in rows):
        return None
    ordered = sorted(rows, key=lambda r: str(r.key["window_start"]))
    return Drawing(name, title, _DESCRIPTION, WIDTH, _HEIGHT, _Control(ordered).body())


@dataclass(frozen=True, slots=True)
class _Control:
    rows: Sequence[Row]

    def body(self) -> Markup:
        made = self._scale() + self._limits() + self._between()
        for i, row in enumerate(self.rows):
            made += self._mark(row, self.across(i))
        return made + self._dates()

    @property
    def highest(self) -> float:
        """The highest of all values and limits."""
        columns = ("value", *(column for column, _ in _LIMITS))
        return max(n for r in self.rows for c in columns if (n := r[c].number) is not None)

    @property
    def step(self) -> float:
        """The distance of ticks: 1, 2 or 5 times a power of ten."""
        if self.highest <= 0:
            return 0.5
        power = 10.0 ** math.floor(math.log10(self.highest))
        steps = (part * power for part in (0.5, 1.0, 2.0, 5.0))
        return next(step for step in steps if self.highest / step <= 4.0)

    @property
    def high(self) -> float:
        """Where the scale ends: at the first tick above all that is drawn."""
        return self.step * max(2, math.ceil(self.highest / self.step - 1e-9))

    def up(self, value: float) -> float:
        return _BOTTOM - value / self.high * (_BOTTOM - _TOP)

    def across(self, i: int) -> float:
        return _LEFT + (i + 0.5) * (_RIGHT - _LEFT) / len(self.rows)

    def _scale(self) -> Markup:
        made = Markup("")
        for i in range(round(self.high / self.step) + 1):
            y = self.up(i * self.step)
            made += svg.line(_LEFT, y, _RIGHT, y, "grid")
            made += svg.text(_LEFT - 6, y + 4, f"{i * self.step:g}", "quiet", "end")
        return made

    def _limits(self) -> Markup:
        """Draw the limits as steps, since a plan may change them from window to window."""
        made, width = Markup(""), (_RIGHT - _LEFT) / len(self.rows)
        for column, style in _LIMITS:
            limits = enumerate(row[column].number for row in self.rows)
            for limit, run in itertools.groupby(limits, lambda p: p[1]):
                windows = [i for i, _ in run]
                if limit is not None:
                    start, end = _LEFT + windows[0] * width, _LEFT + (windows[-1] + 1) * width
                    made += svg.line(start, self.up(limit), end, self.up(limit), style)
        return made

    def _between(self) -> Markup:
        """Join the values of windows that follow one another."""
        made = Markup("")
        numbered = enumerate(row["value"].number for row in self.rows)
        for is_given, run in itertools.groupby(numbered, lambda p: p[1] is not None):
            if is_given:
                places = [f"{self.across(i):.1f},{self.up(value or 0.0):.1f}" for i, value in run]
                joined = '<polyline points="{}" class="curve link"/>'
                made += Markup(joined).format(" ".join(places))
        return made

    def _mark(self, row: Row, x: float) -> Markup:
        value = row["value"].number
        if value is None:
            cross = '<path d="M{:.1f} {:.1f} l6 6 m0 -6 l-6 6" class="link"/>'
            return Markup(cross).format(x - 3, _BOTTOM - 6)
        y = self.up(value)
        match row.says("signal"):
            case "action":
                return svg.area(x - 4.5, y - 4.5, 9, 9, "alarm")
            case "warning":
                shape = '<path d="M{:.1f} {:.1f} l5 9 h-10 z" class="w1"/>'
                return Markup(shape).format(x, y - 5.5)
            case _:
                return svg.dot(x, y, 3.5, "w1")

    def _dates(self) -> Markup:
        first, last = (str(self.rows[i].key["window_start"])[:7] for i in (0, -1))
        made = svg.text(_LEFT, _BOTTOM + 18, first, "quiet")
        end = svg.text(_RIGHT, _BOTTOM + 18, last, "quiet", "end")
        return made + end if last != first else made
