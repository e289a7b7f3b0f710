"""How readers agree two at a time, drawn as inline SVG: reader against reader.

What does not belong here: drawings of other chapters (``figures``), numbers not in the book.
"""

from __future__ import annotations

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
