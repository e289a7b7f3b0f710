"""How far readers agree if the line between negative and positive is drawn elsewhere.

One line a cut point, one shape a coefficient. What does not belong here: which cut is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import labelled
from vpack_pipeline.report.charts.labelled import Line
from vpack_pipeline.report.view import Drawing

SHAPES: Final[Mapping[str, str]] = {
    "fleiss_kappa": '<circle cx="{0:.1f}" cy="{1:.1f}" r="4.5" class="w2"/>',
    "gwet_ac1": '<path d="M{0:.1f} {1:.1f} m-4 -4 h8 v8 h-8 z" class="w2 open-dot"/>',
    "positive_agreement": '<path d="M{0:.1f} {1:.1f} m0 -6 l6 6 l-6 6 l-6 -6 z" class="w2"/>',
}
"""A coefficient → its shape: a circle, an open square, a diamond."""
_LEAST: Final = 2
_DESCRIPTION: Final = (
    "One line a cut point. Circles: Fleiss' kappa; open squares: Gwet's AC1; diamonds: agreement on"
    " positives; lines: their intervals, where they have any. The same figures stand in the table."
)


@dataclass(frozen=True, slots=True)
class Cut:
    """One place for the line: its words, its rows, whether it is the study's own."""

    words: str
    rows: Sequence[Row]
    is_own: bool


def cut_points(name: str, title: str, cuts: Sequence[Cut]) -> tuple[Drawing, ...]:
    """Draw coefficients over the cut points, from the lowest, in as many pictures as pages.

    There is none where fewer than two cut points have a figure.
    """
    shown = [(cut, [r for r in cut.rows if r["estimate"].number is not None]) for cut in cuts]
    lines = [
        Line(
            cut.words,
            rows,
            note="the study's line" if cut.is_own else "",
            style="head" if cut.is_own else "",
        )
        for cut, rows in shown
        if rows
    ]
    if len(lines) < _LEAST:
        return ()
    pages = list(labelled.pages([("", lines)]))
    return labelled.parts(name, title, _DESCRIPTION, pages, _Plot(lines).body)


@dataclass(frozen=True, slots=True)
class _Plot:
    """``lines`` are those of all pages, which share one scale."""

    lines: Sequence[Line]

    @property
    def scale(self) -> labelled.Scale:
        """From 0 to 1, or from −1 where any value is negative."""
        found = [
            row[c].number for line in self.lines for row in line.rows for c in ("estimate", "lower")
        ]
        is_negative = any(n is not None and n < 0 for n in found)
        return labelled.Scale(-1.0 if is_negative else 0.0, unit=1)

    def body(self, lines: Sequence[Line]) -> Markup:
        made = self.scale.drawn("Agreement", labelled.bottom(lines))
        for line, top in labelled.placed(lines):
            made += line.label(top)
            for row, y in zip(line.rows, line.heights(top), strict=True):
                made += self._mark(row, y)
        return made

    def _mark(self, row: Row, y: float) -> Markup:
        estimate, lower, upper = (row[c].number for c in ("estimate", "lower", "upper"))
        across, made = self.scale.across, Markup("")
        if lower is not None and upper is not None:
            made += svg.line(across(lower), y, across(upper), y, "lock")
        return made + Markup(SHAPES[row.key["metric"]]).format(across(estimate or 0.0), y)
