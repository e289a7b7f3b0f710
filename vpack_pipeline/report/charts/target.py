"""The set against the target: the share of each level in both, and what only one of them has.

What does not belong here: distances between the two (``representativeness/match``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import labelled
from vpack_pipeline.report.charts.labelled import Line
from vpack_pipeline.report.view import Drawing

SET, TARGET = "included", "target"
_DESCRIPTION: Final = (
    "One line a level: a filled dot for its share of the included cases, an open diamond for its"
    " share of the target, a line between them for the difference. The same figures stand in"
    " table 1."
)


def target(
    name: str, variables: Sequence[tuple[str, Sequence[Mapping[str, Row]]]]
) -> tuple[Drawing, ...]:
    """Draw shares of levels, in as many pictures as printed pages are needed.

    There is none where no variable is counted in the target.

    Parameters
    ----------
    variables : the title of each, and of each of its levels the rows of
        ``representativeness/profile`` by set
    """
    groups = [(title, list(_lines(levels))) for title, levels in variables]
    groups = [(title, lines) for title, lines in groups if lines]
    if not groups:
        return ()
    title = "Included cases against the target"
    pages = list(labelled.pages(groups))
    return labelled.parts(name, title, _DESCRIPTION, pages, _Plot(groups).body)


def _lines(levels: Sequence[Mapping[str, Row]]) -> Iterator[Line]:
    """Give the levels that either of them has, of a variable that the target counts."""
    for level in levels:
        ours, theirs = level.get(SET), level.get(TARGET)
        if ours is None or theirs is None or not theirs["n_total"].number:
            continue
        here, there = ours["n"].number, theirs["n"].number
        if here == 0 and there == 0:
            continue
        note = "not in the target" if there == 0 else "not in the set" if here == 0 else ""
        yield Line(
            ours.says("bin"),
            [ours, theirs],
            note=note,
            indent=labelled.INDENT,
            marks_one_height=True,
        )


@dataclass(frozen=True, slots=True)
class _Plot:
    groups: Sequence[tuple[str, Sequence[Line]]]

    @property
    def scale(self) -> labelled.Scale:
        """From nothing to all that is drawn on any page."""
        rows = [row for _, lines in self.groups for line in lines for row in line.rows]
        shares = [n for row in rows if (n := row["share"].number) is not None]
        return labelled.Scale(0.0, labelled.tenth_above(shares))

    def body(self, lines: Sequence[Line]) -> Markup:
        made = self.scale.drawn("Share, %", labelled.bottom(lines))
        for line, top in labelled.placed(lines):
            made += line.label(top)
            if line.rows:
                made += self._marks(*line.rows, y=line.middle(top))
        return made

    def _marks(self, ours: Row, theirs: Row, *, y: float) -> Markup:
        here, there = (self._across(row) for row in (ours, theirs))
        made = Markup("")
        if here is not None and there is not None:
            made += svg.line(here, y, there, y, "lock")
        if there is not None:
            diamond = '<path d="M{:.1f} {:.1f} l6 6 l-6 6 l-6 -6 z" class="w2 open-dot"/>'
            made += Markup(diamond).format(there, y - 6)
        if here is not None:
            made += svg.dot(here, y, 4.0, "w2")
        return made

    def _across(self, row: Row) -> float | None:
        share = row["share"].number
        return None if share is None else self.scale.across(share)
