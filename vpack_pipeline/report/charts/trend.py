"""A figure by period, before and after the lock, beside its goal and what happened meanwhile.

Points with their intervals; the band is the interval of the whole window before the lock, within
which a period is expected to lie where nothing changes. What does not belong here: tests of time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from markupsafe import Markup

from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.view import Drawing

_STEP: Final = 0.1
_LOCKED, _NEW = "locked", "new device"
_DESCRIPTION: Final = (
    "One point a period with its interval, open before the lock and filled after it; the same"
    " figures stand in the table of periods."
)


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


@dataclass(frozen=True, slots=True)
class Frame:
    """The room for a picture, in pixels; what happened is named where there is room for words.

    ``style`` is the class of its small texts.
    """

    width: int = 352
    height: int = 168
    has_words: bool = True
    style: str = "tick"

    left: ClassVar[float] = 34.0
    top: ClassVar[float] = 20.0

    @property
    def right(self) -> float:
        """Where the scale of time ends."""
        return self.width - 8.0

    @property
    def bottom(self) -> float:
        """Where the scale of values ends."""
        return self.height - 24.0

    @property
    def dates(self) -> int:
        """How many dates have room below one another's side."""
        return self.width // 85

    def across(self, i: float, n: int) -> float:
        """Where the middle of a period lies, of ``n``."""
        return self.left + (i + 0.5) * (self.right - self.left) / n

    def fits(self, x: float, said: str) -> bool:
        """Whether a word has room to the right of a line."""
        return x + 3 + svg.text_width(said) <= self.width

    def word(self, x: float, said: str, y: float) -> Markup:
        """Name a line on its right, or on its left where there is no room."""
        if not self.has_words:
            return Markup("")
        if self.fits(x, said):
            return svg.text(x + 3, y, said, self.style)
        return svg.text(x - 3, y, said, self.style, "end")


SMALL: Final = Frame(180, 112, has_words=False)
"""Of which four stand beside one another."""


def trend(series: Series, frame: Frame | None = None) -> Drawing | None:
    """Draw a share by period; None where fewer than two periods have a figure."""
    rows = [r for r in series.periods if r["estimate"].number is not None]
    if len(rows) < 2:
        return None
    made = _Trend(series, rows, frame or Frame())
    at = made.frame
    return Drawing(series.name, series.title, _DESCRIPTION, at.width, at.height, made.body())


@dataclass(frozen=True, slots=True)
class _Trend:
    series: Series
    rows: Sequence[Row]
    frame: Frame

    def body(self) -> Markup:
        made = self._grid() + self._band() + self._new_device()
        made += lock_between(self.frame, self.is_after) + self._goal()
        for i, row in enumerate(self.rows):
            made += self._point(row, self.across(i))
        return made + dates(self.frame, [str(row.key["period"]) for row in self.rows])

    @property
    def is_after(self) -> list[bool]:
        """Whether each period lies after the lock."""
        return [row.key["window"] == PROSPECTIVE for row in self.rows]

    @property
    def low(self) -> float:
        """The lowest value of the scale: a tenth at or below all that is drawn."""
        shown = [r[c].number for r in self.rows for c in ("estimate", "lower")]
        least = min(n for n in (*shown, self.series.goal) if n is not None)
        return max(0.0, min(0.9, math.floor(least / _STEP) * _STEP))

    def up(self, value: float) -> float:
        at = self.frame
        return at.bottom - (value - self.low) / (1.0 - self.low) * (at.bottom - at.top)

    def across(self, i: float) -> float:
        return self.frame.across(i, len(self.rows))

    def _grid(self) -> Markup:
        steps = round((1.0 - self.low) / _STEP)
        made = Markup("")
        for i in range(0, steps + 1, 1 if steps <= 5 and self.frame.has_words else 2):
            y = self.up(1.0 - i * _STEP)
            made += svg.line(self.frame.left, y, self.frame.right, y, "grid")
            made += svg.text(self.frame.left - 5, y + 4, f"{100 - 10 * i}", self.frame.style, "end")
        return made

    def _band(self) -> Markup:
        before, at = self.series.before, self.frame
        lower, upper = (before[c].number for c in ("lower", "upper")) if before else (None, None)
        if lower is None or upper is None:
            return Markup("")
        height = self.up(lower) - self.up(upper)
        return svg.area(at.left, self.up(upper), at.right - at.left, height, "band")

    def _new_device(self) -> Markup:
        found = [i for i, r in enumerate(self.rows) if r.key["period"] == self.series.new_from]
        if not found:
            return Markup("")
        at = self.frame
        start = self.across(found[0] - 0.5)
        made = svg.area(start, at.top, at.right - start, at.bottom - at.top, "event")
        # Beside the word for the lock, or at the foot where there is no room for both.
        lock = lock_at(at, self.is_after)
        is_near = lock is not None and abs(start - lock) < svg.text_width(_LOCKED) + 4
        beside = at.fits(start, _NEW) and not is_near
        return made + at.word(start, _NEW, at.top - 6 if beside else at.bottom - 6)

    def _goal(self) -> Markup:
        if self.series.goal is None:
            return Markup("")
        y = self.up(self.series.goal)
        return svg.line(self.frame.left, y, self.frame.right, y, "goal")

    def _point(self, row: Row, x: float) -> Markup:
        style = "w1" if row.key["window"] == PROSPECTIVE else "w0"
        estimate, lower, upper = (row[c].number for c in ("estimate", "lower", "upper"))
        made = Markup("")
        if lower is not None and upper is not None:
            made += svg.line(x, self.up(lower), x, self.up(upper), f"bar {style}")
        mark = style if style == "w1" else f"{style} open-dot"
        return made + svg.dot(x, self.up(estimate or 0.0), 4.0, mark)


def dates(frame: Frame, periods: Sequence[str]) -> Markup:
    """Name the first month of the first period and of some after it."""
    each = max(1, math.ceil(len(periods) / frame.dates))
    made = Markup("")
    for i in range(0, len(periods), each):
        month = periods[i][:7]
        x = min(frame.across(i, len(periods)), frame.width - svg.text_width(month) / 2)
        made += svg.text(x, frame.bottom + 18, month, frame.style, "middle")
    return made


def lock_at(frame: Frame, is_after: Sequence[bool]) -> float | None:
    """Where the model was locked; None where all periods lie on one side."""
    first = is_after.index(True) if any(is_after) else 0
    return frame.across(first - 0.5, len(is_after)) if first else None


def lock_between(frame: Frame, is_after: Sequence[bool]) -> Markup:
    """Draw a line where the model was locked, with the word for it."""
    x = lock_at(frame, is_after)
    if x is None:
        return Markup("")
    line = svg.line(x, frame.top - 14, x, frame.bottom, "lock")
    return line + frame.word(x, _LOCKED, frame.top - 6)
