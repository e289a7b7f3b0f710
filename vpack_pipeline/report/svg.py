"""The strokes that the report's drawings are made of: text, lines, boxes, fields, legends.

What does not belong here: a drawing (``figures``, ``reader_figures``), or any number.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report.book import Row

LINE: Final = 17
WIDTH: Final = 720
NARROW: Final = 460
"""A drawing of this width or less scales to a phone, where its text stays 9 px high."""
TALLEST: Final = 860.0
"""A drawing as high, with its caption, fits on one printed page."""


def opened(name: str, title: str, description: str, height: float, width: int = WIDTH) -> Markup:
    """Open a drawing with its title and what it shows."""
    return Markup(
        '<svg class="drawing" role="img" aria-labelledby="{0}-title {0}-desc" '
        'viewBox="0 0 {3} {4:.0f}" width="{3}" height="{4:.0f}">'
        '<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>'
    ).format(name, title, description, width, height)


def text(x: float, y: float, content: object, style: str = "", anchor: str = "start") -> Markup:
    """Write a text."""
    kind = Markup(' class="{}"').format(style) if style else ""
    place = Markup(' text-anchor="{}"').format(anchor) if anchor != "start" else ""
    return Markup('<text x="{:.1f}" y="{:.1f}"{}{}>{}</text>').format(x, y, kind, place, content)


def text_width(words: str) -> float:
    """Estimate the width of a text of 13 px, in pixels; rather too wide than too narrow.

    >>> text_width("ii") < text_width("肺肺") < text_width("MM")
    True
    """
    return sum(_character_width(c) for c in words)


def _character_width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 13.5
    if character in "MW%@—→":
        return 14.5
    if character in "mw":
        return 12.0
    return 10.0 if character.isupper() else 7.2


def wrapped(words: str, room: float) -> list[str]:
    """Break a text into lines that are no wider than the room, words too long for it as well.

    >>> wrapped("a lung nodule", 50)
    ['a lung', 'nodule']
    """
    lines, current = [], ""
    for word in words.split():
        longer = f"{current} {word}" if current else word
        if text_width(longer) <= room:
            current = longer
            continue
        if current:
            lines.append(current)
        current = ""
        for character in word:
            if current and text_width(current + character) > room:
                lines.append(current)
                current = ""
            current += character
    return [*lines, current] if current else lines


def paragraph(x: float, y: float, lines: Sequence[str], style: str = "") -> Markup:
    """Write lines of text, the first one on the base line ``y``."""
    made = Markup("")
    for i, words in enumerate(lines):
        made += text(x, y + i * LINE, words, style)
    return made


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    """Draw a straight line."""
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(
        x1, y1, x2, y2, style
    )


def box(x: float, y: float, width: float, lines: Sequence[tuple[str, str]]) -> Markup:
    """Draw a box around lines of text, each with its class."""
    height = height_of(lines)
    made = Markup(
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="box"/>'
    ).format(x, y, width, height)
    for i, (content, style) in enumerate(lines):
        made += text(x + 12, y + 21 + i * LINE, content, style)
    return made


def height_of(lines: Sequence[tuple[str, str]]) -> float:
    """Tell how high a box of these lines is."""
    return 14 + len(lines) * LINE


def arrow(x: float, y1: float, y2: float) -> Markup:
    """Draw an arrow downwards."""
    head = Markup('<path d="M{0:.1f} {1:.1f} l-4 -7 h8 z" class="tip"/>').format(x, y2)
    return line(x, y1, x, y2 - 6, "link") + head


def why_not(row: Row) -> str:
    """Say in one word what stands where a row has no figure to draw."""
    return "withheld" if row.says("status") == "withheld" else "insufficient"


def field(x: float, y: float, width: float, height: float, shade: tuple[str, float]) -> Markup:
    """Draw a field of one shade with an edge around it."""
    style, opacity = shade
    return Markup(
        '<rect x="{0:.1f}" y="{1:.1f}" width="{2:.1f}" height="{3:.0f}" class="{4} field"'
        ' fill-opacity="{5:.2f}"/><rect x="{0:.1f}" y="{1:.1f}" width="{2:.1f}" height="{3:.0f}"'
        ' class="edge"/>'
    ).format(x, y, width, height, style, opacity)


def legend(parts: Sequence[str], shades: Sequence[tuple[str, float]]) -> tuple[Markup, float]:
    """Say which shade is which part, in as many lines as it takes; and where they end."""
    body, x, y = Markup(""), 0.5, 2.5
    for words, shade in zip(parts, shades, strict=True):
        width = 40 + 7.2 * len(words)
        if x > 1 and x + width > WIDTH:
            x, y = 0.5, y + 22
        body += field(x, y, 14, 14, shade) + text(x + 20, y + 12, words)
        x += width
    return body, y + 30


def area(x: float, y: float, width: float, height: float, style: str) -> Markup:
    """Fill an area without an edge."""
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}"/>').format(
        x, y, width, height, style
    )


def dot(x: float, y: float, radius: float, style: str) -> Markup:
    """Draw a dot."""
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" class="dot {}"/>').format(
        x, y, radius, style
    )


def polyline(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """Draw a line through points; nothing where there are fewer than two."""
    if len(points) < 2:
        return Markup("")
    return Markup('<polyline points="{}" class="{}"/>').format(_placed(points), style)


def polygon(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """Fill what points enclose."""
    return Markup('<polygon points="{}" class="{}"/>').format(_placed(points), style)


def _placed(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
