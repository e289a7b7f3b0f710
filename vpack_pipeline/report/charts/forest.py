"""A share in every prespecified subgroup, in the order of the protocol, beside all cases and goal.

Two intervals a stratum, before and after the lock. What does not belong here: which subgroups
differ, which the table's p-values judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.windows import PROSPECTIVE, RETROSPECTIVE, WINDOWS
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Drawing

_LEFT, _RIGHT, _TOP = 180.0, 444.0, 26.0
_INDENT, _APART, _GAP = 10.0, 12.0, 8.0
_FOOT: Final = 20.0
_LEAST_STRATA: Final = 2
_DESCRIPTION: Final = (
    "One line a subgroup, with its interval: open marks are from before the lock, filled ones from"
    " after it. Vertical lines show all cases, dashed before the lock and solid after it, and the"
    " goal. The same figures stand in the table."
)


@dataclass(frozen=True, slots=True)
class Variable:
    """The strata of one variable, in the order of print."""

    name: str
    title: str
    strata: Sequence[str]


@dataclass(frozen=True, slots=True)
class Compared:
    """What one forest shows.

    ``rows`` are of ``evaluation/subgroups`` and ``whole`` of all cases, at most one a window, both
    of one finding and metric; ``goal`` lies on their scale.
    """

    name: str
    metric: str
    variables: Sequence[Variable]
    rows: Sequence[Row]
    whole: Sequence[Row]
    goal: float | None

    def of(self, variable: Variable, stratum: str) -> list[Row]:
        """The rows of a stratum, in the order of time."""
        found = pick(self.rows, stratum_kind=variable.name, stratum=stratum)
        return sorted(found, key=lambda r: WINDOWS.index(r.key["window"]))


def forest(shown: Compared) -> tuple[Drawing, ...]:
    """Draw a share by subgroup, in as many pictures as printed pages are needed.

    There is none where fewer than two strata have a figure.
    """
    groups = [(v.title, list(_lines(shown, v))) for v in shown.variables]
    groups = [(title, lines) for title, lines in groups if lines]
    if sum(len(lines) for _, lines in groups) < _LEAST_STRATA:
        return ()
    pages = list(_pages(groups, _Line("All cases", _given(shown.whole))))
    title = f"{shown.metric.capitalize()} by subgroup"
    made = []
    for i, lines in enumerate(pages, start=1):
        plot = _Plot(shown, lines)
        name = shown.name if i == 1 else f"{shown.name}-{i}"
        told = title if len(pages) == 1 else f"{title}, part {i} of {len(pages)}"
        made.append(Drawing(name, told, _DESCRIPTION, svg.NARROW, plot.height, plot.body()))
    return tuple(made)


def without_figure(shown: Compared) -> list[tuple[str, list[tuple[str, str]]]]:
    """List variables with their strata of which the picture lacks a figure.

    Beside a stratum stands the window in which it has none; no window where it has none in any.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for variable in shown.variables:
        for stratum in variable.strata:
            rows = shown.of(variable, stratum)
            lacking = [r.key["window"] for r in rows if r["estimate"].number is None]
            if lacking:
                window = lacking[0] if len(lacking) < len(rows) else ""
                found.setdefault(variable.title, []).append((stratum, window))
    return list(found.items())


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the picture: a heading has no rows."""

    words: str
    rows: Sequence[Row] = ()
    style: str = ""

    @property
    def said(self) -> list[str]:
        return svg.wrapped(self.words, _LEFT - _GAP - (_INDENT if self.rows else 0.0))

    @property
    def height(self) -> float:
        return max(len(self.said) * svg.LINE, len(self.rows) * _APART) + _GAP


def _given(rows: Sequence[Row]) -> list[Row]:
    return [r for r in rows if r["estimate"].number is not None]


def _lines(shown: Compared, variable: Variable) -> Iterator[_Line]:
    for stratum in variable.strata:
        rows = _given(shown.of(variable, stratum))
        if rows:
            yield _Line(stratum, rows)


def _pages(groups: Sequence[tuple[str, list[_Line]]], whole: _Line) -> Iterator[list[_Line]]:
    """Part lines so that each picture fits on a page; each begins with all cases."""
    room = svg.TALLEST - _TOP - _FOOT
    page = [whole]
    for title, lines in groups:
        head = _Line(title, style="head")
        due = [head]
        for line in lines:
            needed = sum(one.height for one in (*due, line))
            if len(page) > 1 and sum(one.height for one in page) + needed > room:
                yield page
                page, due = [whole], [head]
            page += [*due, line]
            due = []
    yield page


@dataclass(frozen=True, slots=True)
class _Plot:
    shown: Compared
    lines: Sequence[_Line]

    @property
    def bottom(self) -> float:
        return _TOP + sum(line.height for line in self.lines)

    @property
    def height(self) -> float:
        return self.bottom + _FOOT

    @property
    def low(self) -> float:
        """Where the scale begins: a tenth at or below all that is drawn, on every page."""
        rows = [*_given(self.shown.rows), *_given(self.shown.whole)]
        found = [r[c].number for r in rows for c in ("estimate", "lower")]
        least = min(n for n in (*found, self.shown.goal, 0.9) if n is not None)
        return max(0.0, math.floor(least * 10 + 1e-9) / 10)

    def across(self, value: float) -> float:
        return _LEFT + (value - self.low) / (1.0 - self.low) * (_RIGHT - _LEFT)

    def body(self) -> Markup:
        made = self._scale() + self._references()
        y = _TOP
        for line in self.lines:
            indent = _INDENT if line.style != "head" and line is not self.lines[0] else 0.0
            top = y + (line.height - _GAP - len(line.said) * svg.LINE) / 2
            made += svg.paragraph(indent, top + 13, line.said, line.style)
            middle = y + (line.height - _GAP) / 2
            for i, row in enumerate(line.rows):
                made += self._mark(row, middle + (i - (len(line.rows) - 1) / 2) * _APART)
            y += line.height
        return made

    def _scale(self) -> Markup:
        steps = round((1.0 - self.low) * 10)
        made = svg.text(0, 14, f"{self.shown.metric.capitalize()}, %", "quiet")
        for i in range(0, steps + 1, 1 if steps <= 5 else 2):
            x = self.across(1.0 - i / 10)
            made += svg.line(x, _TOP - 6, x, self.bottom, "grid")
            made += svg.text(x, 14, f"{100 - 10 * i}", "quiet", "middle")
        return made

    def _references(self) -> Markup:
        """Draw the lines of all cases and of the goal."""
        made = Markup("")
        for row in _given(self.shown.whole):
            x = self.across(row["estimate"].number or 0.0)
            style = "after" if row.key["window"] == PROSPECTIVE else "before"
            made += svg.line(x, _TOP - 6, x, self.bottom, style)
        if self.shown.goal is not None:
            x = self.across(self.shown.goal)
            made += svg.line(x, _TOP - 6, x, self.bottom + 2, "goal")
            made += svg.text(x, self.bottom + 15, "goal", "quiet", "middle")
        return made

    def _mark(self, row: Row, y: float) -> Markup:
        estimate, lower, upper = (row[c].number for c in ("estimate", "lower", "upper"))
        is_before = row.key["window"] == RETROSPECTIVE
        style = "w0" if is_before else "w1"
        made = Markup("")
        if lower is not None and upper is not None:
            made += svg.line(self.across(lower), y, self.across(upper), y, f"bar {style}")
        mark = f"{style} open-dot" if is_before else style
        return made + svg.dot(self.across(estimate or 0.0), y, 4.0, mark)
