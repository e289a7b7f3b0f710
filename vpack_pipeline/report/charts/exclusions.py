"""What each exclusion did: a share with a rule's cases added back, beside the reported one.

The mark is the observed figure; the bar reaches from the worst to the best that labels or scores
which are missing could make of it. What does not belong here: how many errors lose a goal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import labelled
from vpack_pipeline.report.charts.labelled import Line
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Drawing

_DESCRIPTION: Final = (
    "One line a rule: the mark is the figure with its cases added back, the bar reaches from the"
    " worst to the best case where a label or score is missing. Open marks are from before the"
    " lock, filled ones from after it. Vertical lines show the reported figures and the goal. The"
    " same figures stand in the table."
)
_CASES: Final = ("observed", "worst_case", "best_case")


@dataclass(frozen=True, slots=True)
class Audited:
    """What one picture shows.

    ``rules`` are names and titles in the order of print; ``rows`` are of
    ``evaluation/exclusion_audit``, of one finding; ``whole`` holds the reported figures, at most
    one a window; ``goal`` lies on their scale.
    """

    name: str
    metric: str
    rules: Sequence[tuple[str, str]]
    rows: Sequence[Row]
    whole: Sequence[Row]
    goal: float | None


def exclusions(shown: Audited) -> tuple[Drawing, ...]:
    """Draw what each rule did to a share, in as many pictures as printed pages are needed.

    There is none where no rule has a figure.
    """
    plot = _Plot(shown)
    lines = [Line(title, rows) for name, title in shown.rules if (rows := plot.drawable(name))]
    if not lines:
        return ()
    whole = [r for r in shown.whole if r["estimate"].number is not None]
    pages = list(labelled.pages([("", lines)], [Line("As reported", whole, "head")]))
    title = f"{shown.metric.capitalize()} with excluded cases added back"
    return labelled.parts(shown.name, title, _DESCRIPTION, pages, plot.body)


@dataclass(frozen=True, slots=True)
class _Plot:
    shown: Audited

    def drawable(self, rule: str) -> list[Row]:
        """The rule's observed figures, in the order of time, of windows with anything to draw."""
        rows = pick(self.shown.rows, rule=rule, metric=f"{self.shown.metric}_observed")
        rows = sorted(rows, key=lambda r: WINDOWS.index(r.key["window"]))
        return [r for r in rows if any(n is not None for n in self._numbers(r))]

    def _numbers(self, row: Row) -> list[float | None]:
        """The observed figure, the worst and the best."""
        if "rule" not in row.key:
            return [row["estimate"].number]
        here = pick(self.shown.rows, rule=row.key["rule"], window=row.key["window"])
        found = [pick(here, metric=f"{self.shown.metric}_{case}") for case in _CASES]
        return [rows[0]["estimate"].number if rows else None for rows in found]

    @property
    def scale(self) -> labelled.Scale:
        """Of all that is drawn on any page."""
        rows = [row for name, _ in self.shown.rules for row in self.drawable(name)]
        found = [n for row in (*rows, *self.shown.whole) for n in self._numbers(row)]
        values = [n for n in (*found, self.shown.goal) if n is not None]
        return labelled.Scale(labelled.tenth_below(values))

    def body(self, lines: Sequence[Line]) -> Markup:
        beside = labelled.Beside(self.shown.metric, self.shown.whole, self.shown.goal)
        return labelled.shares(self.scale, beside, lines, self._mark)

    def _mark(self, row: Row, y: float, style: str) -> Markup:
        observed, *ends = self._numbers(row)
        reach = [self.scale.across(n) for n in ends if n is not None]
        made = Markup("")
        if len(reach) == 2 and reach[0] != reach[1]:
            made += svg.line(reach[0], y, reach[1], y, f"bar {style}")
            for x in reach:
                made += svg.line(x, y - 4, x, y + 4, f"bar {style}")
        return (
            made if observed is None else made + labelled.dot(self.scale.across(observed), y, style)
        )
