"""The report's drawings as inline SVG, made from printed texts alone.

Drawn by hand and not by a plotting library: text stays text, colours follow the reader's scheme,
and the bytes follow from the figures. Every drawing has a title and stands beside its table. What
does not belong here: numbers that are not in the book; how readers agree (``reader_figures``).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Cell, Row


@dataclass(frozen=True, slots=True)
class Step:
    """One rule of the participant flow, as printed."""

    title: str
    removed: tuple[tuple[Cell, str], ...]
    remaining: tuple[tuple[Cell, str], ...]


def _wrapped(title: str, width: int) -> list[tuple[str, str]]:
    return [(line, "head") for line in textwrap.wrap(title, width)]


def _counted(counts: Sequence[tuple[Cell, str]]) -> str:
    return ", ".join(f"{cell} {unit}" for cell, unit in counts)


def flow(
    start: Sequence[tuple[Cell, str]],
    steps: Sequence[Step],
    ends: Sequence[Sequence[str]],
    outside: Sequence[str] = (),
) -> Markup:
    """Draw the participant flow: what remains on the left, what each rule removed on the right.

    Parameters
    ----------
    start : counts delivered, each with its unit
    steps : the rules in order
    ends : one box per window, two in a row: window, finding, then its lines
    outside : what is included and stands in no window, beside the last box; empty: no box
    """
    left, right, x = 300, 320, 390
    first = [("Delivered", "head"), (_counted(start), "")]
    body = svg.box(0.5, 0.5, left, first)
    y = 0.5 + svg.height_of(first)
    for i, step in enumerate(steps, start=1):
        removed = [*_wrapped(f"{i}. {step.title}", 42), (f"removed: {_counted(step.removed)}", "")]
        remaining = [(f"after rule {i}", "quiet"), (_counted(step.remaining), "")]
        gap = svg.height_of(removed) + 16
        middle = y + gap / 2
        body += svg.arrow(left / 2, y, y + gap)
        body += svg.line(left / 2, middle, x, middle, "link")
        body += svg.box(x, middle - svg.height_of(removed) / 2, right, removed)
        y += gap
        if i == len(steps):
            remaining = [("Included", "head"), (_counted(step.remaining), "")]
        body += svg.box(0.5, y, left, remaining)
        if i == len(steps) and outside:
            aside = [(line, "head" if k == 0 else "") for k, line in enumerate(outside)]
            middle = y + svg.height_of(remaining) / 2
            body += svg.line(left, middle, x, middle, "link")
            body += svg.box(x, middle - svg.height_of(aside) / 2, right, aside)
        y += svg.height_of(remaining)
    body, y = _with_ends(body, ends, y, left)
    description = "From what was delivered to what was counted; the same counts stand in the table."
    return (
        svg.opened("drawing-flow", "Participant flow", description, y + 2) + body + Markup("</svg>")
    )


def _with_ends(
    body: Markup, ends: Sequence[Sequence[str]], y: float, left: float
) -> tuple[Markup, float]:
    if not ends:
        return body, y
    width = (svg.WIDTH - 11) / 2
    middles = [0.5 + width / 2, 0.5 + width + 10 + width / 2][: len(ends)]
    body += svg.line(left / 2, y, left / 2, y + 16, "link")
    body += svg.line(min(*middles, left / 2), y + 16, max(*middles, left / 2), y + 16, "link")
    for middle in middles:
        body += svg.arrow(middle, y + 16, y + 34)
    y += 34
    for k in range(0, len(ends), 2):
        boxes = [_end_lines(lines) for lines in ends[k : k + 2]]
        for lines, middle in zip(boxes, middles, strict=False):
            body += svg.box(middle - width / 2, y, width, lines)
        y += max(svg.height_of(lines) for lines in boxes) + 10
    return body, y - 10


def _end_lines(lines: Sequence[str]) -> list[tuple[str, str]]:
    window, finding, *counts = lines
    titles = [(part, "quiet") for part in textwrap.wrap(finding, 48)]
    return [(window, "head"), *titles, *((line, "") for line in counts)]


def stacked(
    name: str,
    title: str,
    parts: Sequence[tuple[str, str]],
    bars_of: Sequence[tuple[str, Sequence[Row]]],
    what: str,
) -> Markup:
    """Draw what makes up a whole as one bar in parts, darker from part to part.

    Parameters
    ----------
    parts : the words for each part and its colour's class, in order
    bars_of : the words for each bar and its rows, one a part
    what : what a bar shows
    """
    left, right = 96.0, svg.WIDTH - 10.0
    shades = [
        (style, 0.06 + 0.5 * k / max(1, len(parts) - 1)) for k, (_, style) in enumerate(parts)
    ]
    body, y = svg.legend([words for words, _ in parts], shades)
    for words, rows in bars_of:
        body += svg.text(left - 8, y + 16, words, "code", "end")
        x = left
        for row, shade in zip(rows, shades, strict=True):
            width = (right - left) * (row["estimate"].number or 0.0)
            if width:
                body += svg.field(x, y, width, 22, shade)
            if width >= _LEAST_WIDTH:
                body += svg.text(x + width / 2, y + 16, row["estimate"].text, "small", "middle")
            x += width
        y += 30
    description = f"{what}; the same figures stand in the table."
    return svg.opened(name, title, description, y) + body + Markup("</svg>")


_LEAST_WIDTH: Final = 34
"""A share takes as much."""
