"""Shares of cases as bars, each with its count, in groups of one denominator each.

What does not belong here: which cases are counted (``adjudicated``), reads of single readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import labelled
from vpack_pipeline.report.charts.labelled import Line
from vpack_pipeline.report.view import Drawing

_LONGEST: Final = 150.0
"""A bar of all cases, beside which its count has room."""
_DESCRIPTION: Final = (
    "One bar a line: its share of the cases, with their number and the share after it. The same"
    " figures stand in the tables."
)

Group = tuple[str, Sequence[tuple[str, Row]]]
"""A heading, and the words and the row of each bar."""


def counted(name: str, title: str, groups: Sequence[Group]) -> Drawing | None:
    """Draw shares of cases; None where there is no case."""
    groups = [(head, rows) for head, rows in groups if any(r["n"].number for _, r in rows)]
    if not groups:
        return None
    lines = []
    for head, rows in groups:
        lines.append(Line(head, style="head"))
        lines += [Line(words, [row], indent=labelled.INDENT) for words, row in rows]
    made = svg.line(labelled.LEFT, 4, labelled.LEFT, labelled.bottom(lines) - _MARGIN, "link")
    for line, top in labelled.placed(lines):
        y = top - _MARGIN
        made += line.label(y)
        for row in line.rows:
            made += _bar(row, line.middle(y))
    height = labelled.bottom(lines) - _MARGIN
    return Drawing(name, title, _DESCRIPTION, svg.NARROW, height, made)


_MARGIN: Final = labelled.TOP - 4
"""There is no scale above the bars."""


def _bar(row: Row, y: float) -> Markup:
    width = _LONGEST * (row["estimate"].number or 0.0)
    made = svg.field(labelled.LEFT, y - 8, width, 16, ("w2", 0.35)) if width else Markup("")
    said = f"{row['events']} ({row['estimate']})" if row.is_given else svg.why_not(row)
    return made + svg.text(labelled.LEFT + width + 6, y + 5, said)
