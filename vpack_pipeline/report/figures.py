"""The report's drawings as inline SVG, made from printed texts alone.

Drawn by hand and not by a plotting library: text stays text, colours follow the reader's scheme,
and the bytes follow from the figures. Every drawing has a title and stands beside its table. What
does not belong here: numbers that are not in the book; how readers agree (``reader_figures``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row


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
