"""The report's drawings as inline SVG, made from printed texts alone.

Drawn by hand and not by a plotting library: text stays text, colours follow the reader's scheme,
and the bytes follow from the figures. Every drawing has a title and stands beside its table. What
does not belong here: numbers that are not in the book.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report.book import Cell, Row

_LINE: Final = 17
_WIDTH: Final = 720


@dataclass(frozen=True, slots=True)
class Step:
    """One rule of the participant flow, as printed."""

    title: str
    removed: tuple[tuple[Cell, str], ...]
    remaining: tuple[tuple[Cell, str], ...]


def _open(name: str, title: str, description: str, height: float, width: int = _WIDTH) -> Markup:
    return Markup(
        '<svg class="drawing" role="img" aria-labelledby="{0}-title {0}-desc" '
        'viewBox="0 0 {3} {4:.0f}" width="{3}" height="{4:.0f}">'
        '<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>'
    ).format(name, title, description, width, height)


def _text(x: float, y: float, content: object, style: str = "", anchor: str = "start") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}" text-anchor="{}">{}</text>').format(
        x, y, style, anchor, content
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(
        x1, y1, x2, y2, style
    )


def _box(x: float, y: float, width: float, lines: Sequence[tuple[str, str]]) -> Markup:
    height = _height(lines)
    made = Markup(
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="box"/>'
    ).format(x, y, width, height)
    for i, (content, style) in enumerate(lines):
        made += _text(x + 12, y + 21 + i * _LINE, content, style)
    return made


def _height(lines: Sequence[tuple[str, str]]) -> float:
    return 14 + len(lines) * _LINE


def _wrapped(title: str, width: int) -> list[tuple[str, str]]:
    return [(line, "head") for line in textwrap.wrap(title, width)]


def _counted(counts: Sequence[tuple[Cell, str]]) -> str:
    return ", ".join(f"{cell} {unit}" for cell, unit in counts)


def _arrow(x: float, y1: float, y2: float) -> Markup:
    head = Markup('<path d="M{0:.1f} {1:.1f} l-4 -7 h8 z" class="tip"/>').format(x, y2)
    return _line(x, y1, x, y2 - 6, "link") + head


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
    body = _box(0.5, 0.5, left, first)
    y = 0.5 + _height(first)
    for i, step in enumerate(steps, start=1):
        removed = [*_wrapped(f"{i}. {step.title}", 42), (f"removed: {_counted(step.removed)}", "")]
        remaining = [(f"after rule {i}", "quiet"), (_counted(step.remaining), "")]
        gap = _height(removed) + 16
        middle = y + gap / 2
        body += _arrow(left / 2, y, y + gap)
        body += _line(left / 2, middle, x, middle, "link")
        body += _box(x, middle - _height(removed) / 2, right, removed)
        y += gap
        if i == len(steps):
            remaining = [("Included", "head"), (_counted(step.remaining), "")]
        body += _box(0.5, y, left, remaining)
        if i == len(steps) and outside:
            aside = [(line, "head" if k == 0 else "") for k, line in enumerate(outside)]
            middle = y + _height(remaining) / 2
            body += _line(left, middle, x, middle, "link")
            body += _box(x, middle - _height(aside) / 2, right, aside)
        y += _height(remaining)
    body, y = _with_ends(body, ends, y, left)
    description = "From what was delivered to what was counted; the same counts stand in the table."
    return _open("drawing-flow", "Participant flow", description, y + 2) + body + Markup("</svg>")


def _with_ends(
    body: Markup, ends: Sequence[Sequence[str]], y: float, left: float
) -> tuple[Markup, float]:
    if not ends:
        return body, y
    width = (_WIDTH - 11) / 2
    middles = [0.5 + width / 2, 0.5 + width + 10 + width / 2][: len(ends)]
    body += _line(left / 2, y, left / 2, y + 16, "link")
    body += _line(min(*middles, left / 2), y + 16, max(*middles, left / 2), y + 16, "link")
    for middle in middles:
        body += _arrow(middle, y + 16, y + 34)
    y += 34
    for k in range(0, len(ends), 2):
        boxes = [_end_lines(lines) for lines in ends[k : k + 2]]
        for lines, middle in zip(boxes, middles, strict=False):
            body += _box(middle - width / 2, y, width, lines)
        y += max(_height(lines) for lines in boxes) + 10
    return body, y - 10


def _end_lines(lines: Sequence[str]) -> list[tuple[str, str]]:
    window, finding, *counts = lines
    titles = [(part, "quiet") for part in textwrap.wrap(finding, 48)]
    return [(window, "head"), *titles, *((line, "") for line in counts)]


def forest(
    name: str, title: str, groups: Sequence[tuple[str, Sequence[Row]]], label: str
) -> Markup:
    """Draw estimates with their intervals, one line each, on a scale from 0 to 1 or wider.

    Parameters
    ----------
    groups : the words for each line, and its rows (one per window, drawn one below the other)
    label : what the scale shows
    """
    left, right, top = 250.0, _WIDTH - 20.0, 30.0
    numbers = [
        n
        for _, rows in groups
        for row in rows
        for n in (row["estimate"].number, row["lower"].number, row["upper"].number)
        if n is not None
    ]
    low = min([1.0, *numbers])
    low = max(0.0, int(low * 10) / 10) if low >= 0 else low

    def place(value: float) -> float:
        return left + (right - left) * (value - low) / (1.0 - low or 1.0)

    body, y = Markup(""), top
    for words, rows in groups:
        height = max(1, len(rows)) * 15 + 9
        body += _text(0, y + height / 2, words, "")
        for k, row in enumerate(rows):
            body += _mark(row, place, y + 11 + k * 15, f"w{k}")
        y += height
    ticks = [low + (1 - low) * i / 5 for i in range(6)]
    for tick in ticks:
        body += _line(place(tick), top - 8, place(tick), y, "grid")
        body += _text(place(tick), top - 13, f"{tick:.2f}", "quiet", "middle")
    description = f"{label}; the same figures stand in the table."
    return _open(name, title, description, y + 6) + body + Markup("</svg>")


def _mark(row: Row, place: Callable[[float], float], y: float, style: str) -> Markup:
    estimate, lower, upper = (row[c].number for c in ("estimate", "lower", "upper"))
    if estimate is None:
        return _text(place(1.0), y + 4, _why_not(row), "quiet", "end")
    made = Markup("")
    if lower is not None and upper is not None:
        made += _line(place(lower), y, place(upper), y, f"bar {style}")
    shape = '<circle cx="{0:.1f}" cy="{1:.1f}" r="4.5" class="dot {2}"/>'
    if style == "w1":
        shape = '<rect x="{3:.1f}" y="{4:.1f}" width="8" height="8" class="dot {2}"/>'
    x = place(estimate)
    return made + Markup(shape).format(x, y, style, x - 4, y - 4)


def _why_not(row: Row) -> str:
    if row.is_given or row.says("status") in {"given", "hidden"}:
        return "hidden"
    return "withheld" if row.says("status") == "withheld" else "insufficient"


def reliability(name: str, title: str, bins: Sequence[tuple[Row, Row]]) -> Markup:
    """Draw observed shares against mean probabilities, bin by bin, beside the line of identity."""
    size, edge = 300.0, 46.0

    def at(x: float, y: float) -> tuple[float, float]:
        return edge + x * size, 12 + (1 - y) * size

    body = _line(*at(0, 0), *at(1, 1), "grid")
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x, _), (_, y) = at(tick, 0), at(0, tick)
        body += _text(x, 12 + size + 17, f"{tick:.2f}", "quiet", "middle")
        body += _text(edge - 8, y + 4, f"{tick:.2f}", "quiet", "end")
    body += _line(*at(0, 0), *at(1, 0), "link") + _line(*at(0, 0), *at(0, 1), "link")
    body += _text(edge + size / 2, 12 + size + 36, "mean probability", "quiet", "middle")
    body += _text(edge, 8, "observed share", "quiet")
    for probability, observed in bins:
        mean, share = probability["estimate"].number, observed["estimate"].number
        lower, upper = observed["lower"].number, observed["upper"].number
        if mean is None or share is None:
            continue
        if lower is not None and upper is not None:
            body += _line(*at(mean, lower), *at(mean, upper), "bar w0")
        body += Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4.5" class="dot w0"/>').format(
            *at(mean, share)
        )
    description = "Perfect calibration lies on the diagonal; the same figures stand in the table."
    return _open(name, title, description, size + 56, 380) + body + Markup("</svg>")


def bars(
    name: str, title: str, groups: Sequence[tuple[str, Sequence[tuple[str, Row]]]], what: str
) -> Markup:
    """Draw shares as bars, each with its count, in groups of one denominator each.

    Parameters
    ----------
    groups : the words above each group (empty: none), then for each bar its words and its row
    what : what a bar shows
    """
    left, right, y = 250.0, _WIDTH - 150.0, 4.0
    body = Markup("")
    for head, rows in groups:
        if head:
            body += _text(0, y + 16, head, "head")
            y += 24
        for words, row in rows:
            share, counted = row["estimate"].number, row["events"].number
            body += _text(0, y + 16, words)
            width = (right - left) * (share or 0.0)
            body += Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="16" class="w0"/>'
            ).format(left, y + 4, width)
            # What is hidden has no length that could be measured off the drawing.
            shown = row["events"].text if counted is not None else _why_not(row)
            if share is not None and counted is not None:
                shown = f"{shown} ({row['estimate']})"
            body += _text(left + width + 8, y + 16, shown)
            y += 25
        y += 6
    body = _line(left, 2, left, y - 6, "link") + body
    description = f"{what}; the same figures stand in the table."
    return _open(name, title, description, y) + body + Markup("</svg>")


def matrix(
    name: str, title: str, readers: Sequence[str], cells: Mapping[tuple[int, int], Row], what: str
) -> Markup:
    """Draw a figure of two readers at a time, reader against reader, darker where it is higher.

    Parameters
    ----------
    readers : their short names, in order
    cells : the row of each pair, by the places of its readers
    what : what a field shows
    """
    left, top = 84.0, 66.0
    size = min(76.0, (_WIDTH - left - 30) / len(readers))
    tall = min(size, 34.0)
    body = Markup("")
    for i, reader in enumerate(readers):
        x, y = left + i * size, top + i * tall
        body += _text(left - 8, y + tall / 2 + 4, reader, "code", "end")
        turned = '<text transform="translate({:.1f} {:.1f}) rotate(-40)" class="code">{}</text>'
        body += Markup(turned).format(x + size / 2, top - 8, reader)
        body += Markup(
            '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="box"/>'
        ).format(x, y, size - 2, tall - 2)
    for (i, j), row in cells.items():
        value = row["estimate"].number
        shade = 0.0 if value is None else min(0.4, max(0.0, 0.6 * value))
        shown = row["estimate"].text if value is not None else _why_not(row)[0]
        for a, b in ((i, j), (j, i)):
            x, y = left + b * size, top + a * tall
            body += Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="w0 field"'
                ' fill-opacity="{:.2f}"/>'
            ).format(x, y, size - 2, tall - 2, shade)
            middle = x + (size - 2) / 2
            body += _text(middle, y + tall / 2 + 3, shown, "small", "middle")
    description = f"{what}; the same figures stand in the table."
    height = top + len(readers) * tall + 4
    width = int(left + len(readers) * size + 30)
    return _open(name, title, description, height, width) + body + Markup("</svg>")


def stacked(
    name: str,
    title: str,
    parts: Sequence[tuple[str, str]],
    bars_of: Sequence[tuple[str, Sequence[Row]]],
    what: str,
) -> Markup:
    """Draw what makes up a whole as one bar in parts, darker from part to part.

    Parts whose count is hidden stand together at the end as one open field, so that no length
    tells more than the table does.

    Parameters
    ----------
    parts : the words for each part and its colour's class, in order
    bars_of : the words for each bar and its rows, one a part
    what : what a bar shows
    """
    left, right = 96.0, _WIDTH - 10.0
    shades = [
        (style, 0.06 + 0.5 * k / max(1, len(parts) - 1)) for k, (_, style) in enumerate(parts)
    ]
    body, y = _legend([words for words, _ in parts], shades)
    for words, rows in bars_of:
        body += _text(left - 8, y + 16, words, "code", "end")
        x = left
        for row, shade in zip(rows, shades, strict=True):
            share = row["estimate"].number if row["events"].number is not None else None
            width = (right - left) * (share or 0.0)
            if width:
                body += _field(x, y, width, 22, shade)
            if width >= _LEAST_WIDTH:
                body += _text(x + width / 2, y + 16, row["estimate"].text, "small", "middle")
            x += width
        if any(row.says("status") == "hidden" for row in rows):
            body += Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="22" class="open"/>'
            ).format(x, y, right - x)
        y += 30
    description = f"{what}; the same figures stand in the table."
    return _open(name, title, description, y) + body + Markup("</svg>")


_LEAST_WIDTH: Final = 34
"""A share takes as much."""


def _field(x: float, y: float, width: float, height: float, shade: tuple[str, float]) -> Markup:
    style, opacity = shade
    return Markup(
        '<rect x="{0:.1f}" y="{1:.1f}" width="{2:.1f}" height="{3:.0f}" class="{4} field"'
        ' fill-opacity="{5:.2f}"/><rect x="{0:.1f}" y="{1:.1f}" width="{2:.1f}" height="{3:.0f}"'
        ' class="edge"/>'
    ).format(x, y, width, height, style, opacity)


def _legend(parts: Sequence[str], shades: Sequence[tuple[str, float]]) -> tuple[Markup, float]:
    """Say which shade is which part, in as many lines as it takes; and where they end."""
    body, x, y = Markup(""), 0.5, 2.5
    for words, shade in zip(parts, shades, strict=True):
        width = 40 + 7.2 * len(words)
        if x > 1 and x + width > _WIDTH:
            x, y = 0.5, y + 22
        body += _field(x, y, 14, 14, shade) + _text(x + 20, y + 12, words)
        x += width
    return body, y + 30


def lines(
    name: str,
    title: str,
    places: Sequence[str],
    series: Sequence[tuple[str, Sequence[Row | None]]],
    what: str,
) -> Markup:
    """Draw some figures over a few places, one line each, told apart by shape and by name.

    Parameters
    ----------
    places : the words below each place, from left to right
    series : the words for each line and its row at every place, None where there is none
    what : what the lines show
    """
    left, right, top, height = 46.0, 480.0, 12.0, 220.0
    numbers = [n for _, rows in series for r in rows if r and (n := r["estimate"].number)]
    low = -1.0 if min([0.0, *numbers]) < 0 else 0.0

    def at(i: int, value: float) -> tuple[float, float]:
        step = (right - left - 80) / max(1, len(places) - 1)
        return left + 40 + i * step, top + height * (1 - (value - low) / (1 - low))

    body = Markup("")
    for k in range(6):
        tick = low + (1 - low) * k / 5
        _, y = at(0, tick)
        body += _line(left, y, right, y, "grid")
        body += _text(left - 8, y + 4, f"{tick:.1f}".replace("-", "−"), "quiet", "end")
    for i, words in enumerate(places):
        for k, part in enumerate(textwrap.wrap(words, 18)):
            x, _ = at(i, 0)
            body += _text(x, top + height + 18 + k * 15, part, "quiet", "middle")
    ends: list[tuple[float, str, str]] = []
    for k, (words, rows) in enumerate(series):
        marks = [
            (*at(i, value), f"w{k}")
            for i, row in enumerate(rows)
            if row is not None and (value := row["estimate"].number) is not None
        ]
        for (x1, y1, style), (x2, y2, _) in itertools.pairwise(marks):
            body += _line(x1, y1, x2, y2, f"bar {style}")
        for x, y, style in marks:
            body += _shape(x, y, style)
        if marks:
            ends.append((marks[-1][1], words, f"w{k}"))
    y = -20.0
    for end, words, style in sorted(ends):
        y = max(end, y + 18)
        body += _shape(right + 12, y, style) + _text(right + 24, y + 4, words)
    description = f"{what}; the same figures stand in the table."
    return _open(name, title, description, top + height + 54) + body + Markup("</svg>")


def _shape(x: float, y: float, style: str) -> Markup:
    """Mark a point: a circle, a square or a diamond, by the line that it belongs to."""
    shapes = {
        "w0": '<circle cx="{0:.1f}" cy="{1:.1f}" r="4.5" class="{2}"/>',
        "w1": '<path d="M{0:.1f} {1:.1f} m-4 -4 h8 v8 h-8 z" class="{2}"/>',
        "w2": '<path d="M{0:.1f} {1:.1f} m0 -6 l6 6 l-6 6 l-6 -6 z" class="{2}"/>',
    }
    return Markup(shapes[style]).format(x, y, style)
