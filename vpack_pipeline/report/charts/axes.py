"""The axes of a chart: where a value lies, which ticks are written, and the lines of the grid.

What does not belong here: what a chart shows (the other modules of this package).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row

WIDTH: Final = 360
"""Of a chart that stands beside another, in pixels: on a phone it is shown as wide."""
LEFT, RIGHT = 48.0, 340.0
FOOT: Final = 17.0
"""How far below an axis its values are written, in pixels."""
CHARACTER: Final = 6.5
"""Room that a character of a tick takes, in pixels."""
_MOST_OF_LOG: Final = 8
_EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values lie along a line of the picture: ``low`` at ``start``, ``high`` at ``end``.

    ``low`` is less than ``high``, and above 0 where the scale is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """Place a value, in pixels."""
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """List round values within the scale: ``most`` steps or fewer, unless it is logarithmic.

        >>> Scale(0.0, 0.93, 0, 100).ticks()
        [0.0, 0.2, 0.4, 0.6, 0.8]
        >>> Scale(0.005, 0.5, 0, 100, is_log=True).ticks()
        [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
        >>> Scale(0.001, 0.5, 0, 100, is_log=True).ticks()
        [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
        """
        if self.is_log:
            fine = self._powers(1, 2, 5)
            return fine if len(fine) <= _MOST_OF_LOG else self._powers(1, 3)
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span / most))
        step = next(m * power for m in (1, 2, 5, 10) if span / (m * power) <= most + _EPSILON)
        first = math.ceil(self.low / step - _EPSILON)
        last = math.floor(self.high / step + _EPSILON)
        return [round(i * step, 12) for i in range(first, last + 1)]

    def _powers(self, *multiples: int) -> list[float]:
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        found = [round(m * 10.0**k, 12) for k in exponents for m in multiples]
        return [v for v in found if self.low <= v <= self.high]

    def fitting(self) -> list[float]:
        """List as many round values as have room to be written beside one another."""
        for most in (6, 4, 3, 2):
            found = self.ticks(most)
            room = abs(self.at(found[1]) - self.at(found[0])) if len(found) > 1 else math.inf
            if room >= CHARACTER * (1 + max(len(written(v)) for v in found)):
                return found
        return self.ticks(1)


def written(value: float) -> str:
    """Write the value of a tick, with no more digits than it has.

    >>> written(0.30000000000000004), written(-0.05), written(0.0)
    ('0.3', '−0.05', '0')
    """
    return f"{value:g}".replace("-", "−")


def grid(
    across: Scale,
    up: Scale,
    ticks: Sequence[float],
    writes: Callable[[float], str] = written,
) -> Markup:
    """Draw a line for each tick of ``up``, with its value, and both axes."""
    made = Markup("")
    for tick in ticks:
        y = up.at(tick)
        made += svg.line(across.start, y, across.end, y, "grid")
        made += svg.text(across.start - 6, y + 4, writes(tick), "tick", "end")
    made += svg.line(across.start, up.start, across.end, up.start, "link")
    return made + svg.line(across.start, up.start, across.start, up.end, "link")


def foot(across: Scale, y: float, ticks: Sequence[float], words: str) -> Markup:
    """Write the values of the ticks below ``y``, and what the axis shows below them."""
    made = Markup("")
    for tick in ticks:
        x = across.at(tick)
        made += svg.line(x, y, x, y + 4, "link")
        made += svg.text(x, y + FOOT, written(tick), "tick", "middle")
    return made + svg.text((across.start + across.end) / 2, y + FOOT + 17, words, "tick", "middle")


def curve(across: Scale, up: Scale, rows: Sequence[tuple[float, Row]], window: str) -> Markup:
    """Draw the estimates of rows as a curve and their intervals as a band around it.

    Parameters
    ----------
    rows : each after its place on ``across``, in the order of places
    window : dashed before the lock, whole after it
    """
    line, upper, lower = (
        [(across.at(x), up.at(n)) for x, r in rows if (n := r[column].number) is not None]
        for column in ("estimate", "upper", "lower")
    )
    made = Markup("")
    if len(upper) > 1 and len(lower) > 1:
        made += svg.polygon([*upper, *lower[::-1]], f"shade {style_of(window)}")
    return made + svg.polyline(line, "curve after" if window == PROSPECTIVE else "curve before")


def style_of(window: str) -> str:
    """Name the class of a window's marks."""
    return "w1" if window == PROSPECTIVE else "w0"


def dot(x: float, y: float, window: str, radius: float = 4.0) -> Markup:
    """Mark a place: open before the lock, filled after it."""
    return svg.dot(x, y, radius, "w1" if window == PROSPECTIVE else "w0 open-dot")
