"""Drawings of how readers agree, as inline SVG: reader against reader, and over the cut points.

What does not belong here: drawings of other chapters (``figures``), numbers not in the book.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row

_FAINT, _STRONG = 0.05, 0.4


def matrix(
    name: str, title: str, readers: Sequence[str], cells: Mapping[tuple[int, int], Row], what: str
) -> Markup:
    """Draw a figure of two readers at a time, the stronger the colour, the higher it is.

    Shades run from the lowest to the highest value shown, as the key above the fields says.

    Parameters
    ----------
    readers : their short names, in order
    cells : the row of each pair, by the places of its readers
    what : what a field shows
    """
    known = {n: row for row in cells.values() if (n := row["estimate"].number) is not None}
    low, high = min(known, default=0.0), max(known, default=0.0)
    ends = [("least alike", low), ("most alike", high)] if known else []
    key, top = svg.legend(
        [f"{words}: {known[value]['estimate']}" for words, value in ends],
        [("w0", _shade(value, low, high)) for _, value in ends],
    )
    left, top = 84.0, top + 66.0
    size = min(76.0, (svg.WIDTH - left - 30) / len(readers))
    tall = min(size, 34.0)
    body = key
    for i, reader in enumerate(readers):
        x, y = left + i * size, top + i * tall
        body += svg.text(left - 8, y + tall / 2 + 4, reader, "code", "end")
        turned = '<text transform="translate({:.1f} {:.1f}) rotate(-40)" class="code">{}</text>'
        body += Markup(turned).format(x + size / 2, top - 8, reader)
        body += Markup(
            '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="box"/>'
        ).format(x, y, size - 2, tall - 2)
    for (i, j), row in cells.items():
        value = row["estimate"].number
        shade = 0.0 if value is None else _shade(value, low, high)
        shown = row["estimate"].text if value is not None else svg.why_not(row)[0]
        for a, b in ((i, j), (j, i)):
            x, y = left + b * size, top + a * tall
            body += Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="w0 field"'
                ' fill-opacity="{:.2f}"/>'
            ).format(x, y, size - 2, tall - 2, shade)
            middle = x + (size - 2) / 2
            body += svg.text(middle, y + tall / 2 + 3, shown, "small", "middle")
    description = f"{what}; the same figures stand in the table."
    height = top + len(readers) * tall + 4
    width = max(360, int(left + len(readers) * size + 30))
    return svg.opened(name, title, description, height, width) + body + Markup("</svg>")


def _shade(value: float, low: float, high: float) -> float:
    """How strong a colour is: faint at the lowest value, and never too strong for a text on it."""
    return _FAINT + (_STRONG - _FAINT) * (value - low) / (high - low) if high > low else _STRONG


def lines(
    name: str,
    title: str,
    places: Sequence[str],
    series: Sequence[tuple[str, Sequence[Row | None]]],
    what: str,
    marked: tuple[int, str] | None = None,
) -> Markup:
    """Draw some figures over a few places, one line each, told apart by shape and by name.

    Parameters
    ----------
    places : the words below each place, from left to right
    series : the words for each line and its row at every place, None where there is none
    what : what the lines show
    marked : the number of a place through which a dashed line is drawn, and the words above it
    """
    left, right, top, height = 46.0, 480.0, 34.0 if marked else 12.0, 220.0
    numbers = [n for _, rows in series for r in rows if r and (n := r["estimate"].number)]
    low = -1.0 if min([0.0, *numbers]) < 0 else 0.0

    def at(i: int, value: float) -> tuple[float, float]:
        step = (right - left - 80) / max(1, len(places) - 1)
        return left + 40 + i * step, top + height * (1 - (value - low) / (1 - low))

    body = Markup("")
    for k in range(6):
        tick = low + (1 - low) * k / 5
        _, y = at(0, tick)
        body += svg.line(left, y, right, y, "grid")
        body += svg.text(left - 8, y + 4, f"{tick:.1f}".replace("-", "−"), "quiet", "end")
    for i, words in enumerate(places):
        body += _below(words, at(i, low))
    if marked is not None:
        body += _through(marked[1], at(marked[0], low)[0], top, top + height)
    ends: list[tuple[float, str, str]] = []
    for k, (words, rows) in enumerate(series):
        numbered = [(i, row["estimate"].number) for i, row in enumerate(rows) if row is not None]
        marks = [(*at(i, value), f"w{k}") for i, value in numbered if value is not None]
        for (x1, y1, style), (x2, y2, _) in itertools.pairwise(marks):
            body += svg.line(x1, y1, x2, y2, f"bar {style}")
        for x, y, style in marks:
            body += _shape(x, y, style)
        if marks:
            ends.append((marks[-1][1], words, f"w{k}"))
    y = -20.0
    for end, words, style in sorted(ends):
        y = max(end, y + 18)
        body += _shape(right + 12, y, style) + svg.text(right + 24, y + 4, words)
    description = f"{what}; the same figures stand in the table."
    return svg.opened(name, title, description, top + height + 54) + body + Markup("</svg>")


def _below(words: str, at: tuple[float, float]) -> Markup:
    """Write the words below a place, in as many lines as they take."""
    x, y = at
    made = Markup("")
    for k, part in enumerate(textwrap.wrap(words, 18)):
        made += svg.text(x, y + 18 + k * 15, part, "quiet", "middle")
    return made


def _through(words: str, x: float, top: float, bottom: float) -> Markup:
    """Draw a dashed line through a place, with words above it."""
    return svg.line(x, top - 8, x, bottom, "marked") + svg.text(x, top - 15, words, "", "middle")


def _shape(x: float, y: float, style: str) -> Markup:
    """Mark a point: a circle, a square or a diamond, by the line that it belongs to."""
    shapes = {
        "w0": '<circle cx="{0:.1f}" cy="{1:.1f}" r="4.5" class="{2}"/>',
        "w1": '<path d="M{0:.1f} {1:.1f} m-4 -4 h8 v8 h-8 z" class="{2}"/>',
        "w2": '<path d="M{0:.1f} {1:.1f} m0 -6 l6 6 l-6 6 l-6 -6 z" class="{2}"/>',
    }
    return Markup(shapes[style]).format(x, y, style)
