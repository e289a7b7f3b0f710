"""A share in every prespecified subgroup, in the order of the protocol, beside all cases and goal.

Two intervals a stratum, before and after the lock. What does not belong here: which subgroups
differ, which the table's p-values judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    pages = list(labelled.pages(groups, [Line("All cases", _given(shown.whole))]))
    title = f"{shown.metric.capitalize()} by subgroup"
    return labelled.parts(shown.name, title, _DESCRIPTION, pages, _Plot(shown).body)


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


def _given(rows: Sequence[Row]) -> list[Row]:
    return [r for r in rows if r["estimate"].number is not None]


def _lines(shown: Compared, variable: Variable) -> Iterator[Line]:
    for stratum in variable.strata:
        rows = _given(shown.of(variable, stratum))
        if rows:
            yield Line(stratum, rows, indent=labelled.INDENT)


@dataclass(frozen=True, slots=True)
class _Plot:
    shown: Compared

    @property
    def scale(self) -> labelled.Scale:
        """Of all that is drawn on any page."""
        rows = [*_given(self.shown.rows), *_given(self.shown.whole)]
        found = [r[c].number for r in rows for c in ("estimate", "lower")]
        values = [n for n in (*found, self.shown.goal) if n is not None]
        return labelled.Scale(labelled.tenth_below(values))

    def body(self, lines: Sequence[Line]) -> Markup:
        beside = labelled.Beside(self.shown.metric, self.shown.whole, self.shown.goal)
        return labelled.shares(self.scale, beside, lines, self._mark)

    def _mark(self, row: Row, y: float, style: str) -> Markup:
        estimate, lower, upper = (row[c].number for c in ("estimate", "lower", "upper"))
        across, made = self.scale.across, Markup("")
        if lower is not None and upper is not None:
            made += svg.line(across(lower), y, across(upper), y, f"bar {style}")
        return made + labelled.dot(across(estimate or 0.0), y, style)
