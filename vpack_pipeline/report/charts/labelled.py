"""Lines of words beside one scale of shares: what such pictures have in common.

What does not belong here: what stands on a line (each picture's own module).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.view import Drawing

LEFT, RIGHT, TOP = 180.0, 444.0, 26.0
"""Where the scale begins and ends, and the first line begins."""
FOOT: Final = 20.0
APART: Final = 12.0
"""The distance of the marks of one line."""
_GAP: Final = 8.0
INDENT: Final = 10.0
"""How far lines below a heading are moved in."""
_MOST_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a picture: its words, what is said quietly below them, and what is marked.

    A heading has no rows.
    """

    words: str
    rows: Sequence[Row] = ()
    style: str = ""
    note: str = ""
    indent: float = 0.0
    marks_one_height: bool = False
    """Whether its marks lie beside one another, not one below the other."""

    @property
    def room(self) -> float:
        """How wide its words may be."""
        return LEFT - _GAP - self.indent

    @property
    def height(self) -> float:
        """What it takes, with the gap below it."""
        said = len(svg.wrapped(self.words, self.room)) + len(svg.wrapped(self.note, self.room))
        marks = min(1, len(self.rows)) if self.marks_one_height else len(self.rows)
        return max(said * svg.LINE, marks * APART) + _GAP

    def middle(self, top: float) -> float:
        """Where its marks lie, of a line that begins at ``top``."""
        return top + (self.height - _GAP) / 2

    def heights(self, top: float) -> list[float]:
        """Where each of its marks lies, one below the other."""
        first = self.middle(top) - (len(self.rows) - 1) / 2 * APART
        return [first + i * APART for i in range(len(self.rows))]

    def label(self, top: float) -> Markup:
        """Write its words, in the middle of its height."""
        said, note = svg.wrapped(self.words, self.room), svg.wrapped(self.note, self.room)
        y = self.middle(top) - (len(said) + len(note)) * svg.LINE / 2 + 13
        made = svg.paragraph(self.indent, y, said, self.style)
        return made + svg.paragraph(self.indent, y + len(said) * svg.LINE, note, "quiet")


def bottom(lines: Sequence[Line]) -> float:
    """Where the last line ends."""
    return TOP + sum(line.height for line in lines)


def placed(lines: Sequence[Line]) -> Iterator[tuple[Line, float]]:
    """Give each line with its top."""
    y = TOP
    for line in lines:
        yield line, y
        y += line.height


def pages(
    groups: Sequence[tuple[str, Sequence[Line]]], first: Sequence[Line] = ()
) -> Iterator[list[Line]]:
    """Part lines so that each picture fits on a page; each begins with ``first``.

    The heading of a group, where it has one, stands again where it goes on.
    """
    page = list(first)
    for title, lines in groups:
        head = Line(title, style="head")
        due = [head] if title else []
        for line in lines:
            if len(page) > len(first) and bottom([*page, *due, line]) + FOOT > svg.TALLEST:
                yield page
                page, due = list(first), [head] if title else []
            page += [*due, line]
            due = []
    yield page


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale from ``low`` to ``high``, both tenths; ``unit`` 100 writes shares in percent."""

    low: float
    high: float = 1.0
    unit: int = 100

    def across(self, value: float) -> float:
        """Where a share lies."""
        return LEFT + (value - self.low) / (self.high - self.low) * (RIGHT - LEFT)

    def drawn(self, title: str, end: float) -> Markup:
        """Draw ticks, from zero or else back from the end, each with a line down to ``end``."""
        steps = round((self.high - self.low) * 10)
        made = svg.text(0, 14, title, "quiet")
        for i in range(0, steps + 1, next(n for n in (1, 2, 5) if steps / n < _MOST_TICKS)):
            tick = self.high - i / 10 if self.low else i / 10
            x = self.across(tick)
            made += svg.line(x, TOP - 6, x, end, "grid")
            made += svg.text(x, 14, _written(self.unit * tick), "quiet", "middle")
        return made


def _written(value: float) -> str:
    """Write a tick.

    >>> _written(-0.5), _written(100 * 0.3), _written(1.0)
    ('−0.5', '30', '1')
    """
    return f"{round(value, 1):g}".replace("-", "−")


@dataclass(frozen=True, slots=True)
class Beside:
    """What lines of a share are held against: it of all cases, a row a window, and its goal."""

    metric: str
    whole: Sequence[Row]
    goal: float | None


def shares(
    scale: Scale, beside: Beside, lines: Sequence[Line], mark: Callable[[Row, float, str], Markup]
) -> Markup:
    """Draw a share line by line, on its scale, beside all cases and the goal."""
    end = bottom(lines)
    made = scale.drawn(f"{beside.metric.capitalize()}, %", end) + _references(scale, beside, end)
    for line, top in placed(lines):
        made += line.label(top) + _marks(line, top, mark)
    return made


def _references(scale: Scale, beside: Beside, end: float) -> Markup:
    """Draw vertical lines at the figures of all cases and at the goal."""
    made = Markup("")
    for row in beside.whole:
        estimate = row["estimate"].number
        if estimate is not None:
            x = scale.across(estimate)
            style = "after" if row.key["window"] == PROSPECTIVE else "before"
            made += svg.line(x, TOP - 6, x, end, style)
    if beside.goal is not None:
        x = scale.across(beside.goal)
        made += svg.line(x, TOP - 6, x, end + 2, "goal")
        made += svg.text(x, end + 15, "goal", "quiet", "middle")
    return made


def _marks(line: Line, top: float, mark: Callable[[Row, float, str], Markup]) -> Markup:
    """Draw a mark for each row of a line, one below the other, in the colour of its window."""
    made = Markup("")
    for row, y in zip(line.rows, line.heights(top), strict=True):
        made += mark(row, y, "w1" if row.key["window"] == PROSPECTIVE else "w0")
    return made


def dot(x: float, y: float, style: str) -> Markup:
    """Draw a dot: filled after the lock, open before it."""
    return svg.dot(x, y, 4.0, style if style == "w1" else f"{style} open-dot")


def parts(
    name: str,
    title: str,
    description: str,
    pages_of: Sequence[Sequence[Line]],
    body: Callable[[Sequence[Line]], Markup],
) -> tuple[Drawing, ...]:
    """Make one drawing a page, each with a name and title of its own."""
    made = []
    for i, lines in enumerate(pages_of, start=1):
        named = name if i == 1 else f"{name}-{i}"
        told = title if len(pages_of) == 1 else f"{title}, part {i} of {len(pages_of)}"
        height = bottom(lines) + FOOT
        made.append(Drawing(named, told, description, svg.NARROW, height, body(lines)))
    return tuple(made)


def tenth_below(values: Iterable[float]) -> float:
    """Give the highest tenth at or below all values, 0.9 at most.

    >>> tenth_below([0.95, 0.71]), tenth_below([])
    (0.7, 0.9)
    """
    return max(0.0, math.floor(min([0.9, *values]) * 10 + 1e-9) / 10)


def tenth_above(values: Iterable[float]) -> float:
    """Give the lowest tenth at or above all values, 0.1 at least.

    >>> tenth_above([0.31, 0.02]), tenth_above([])
    (0.4, 0.1)
    """
    return min(1.0, math.ceil(max([0.1, *values]) * 10 - 1e-9) / 10)
