"""What other labels make of the figures: the rows that have one, and why the others have none.

Everything comes from printed rows of ``evaluation/label_sensitivity``. What does not belong here:
layout (``templates``), words for names (``words``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vpack_pipeline.report import words
from vpack_pipeline.report.adjudicated import is_given, short
from vpack_pipeline.report.book import Cell, Row
from vpack_pipeline.report.rows import column_values, pairs, pick

_LEAST = 2
"""A lowest and a highest need as many."""
ANY_LEVEL: Mapping[str, str] = {"drop_reader": "without any one of the readers"}
"""Variation → its words where no level of it has a figure, unless they are its own."""


@dataclass(frozen=True, slots=True)
class Other:
    """One row of the table of other labels: the variation with its level and kind, its words."""

    variation: str
    kind: str
    level: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """The words for the labels."""
        if self.kind == "all" and self.variation in ANY_LEVEL:
            return ANY_LEVEL[self.variation]
        level = short(self.level) if self.kind == "reader" else self.level
        return f"{words.VARIATIONS[self.variation]} {words.level(self.kind, level)}".strip()


def others(rows: Sequence[Row]) -> list[Other]:
    """List the variations of one window in the order of print."""
    return [
        Other(name, kind, level, tuple(pick(here, level_kind=kind, level=level)))
        for name in words.VARIATIONS
        for here in [pick(rows, variation=name)]
        for kind, level in pairs(here, "level_kind", "level")
    ]


def given_others(rows: Sequence[Row]) -> list[Other]:
    """List the variations of one window that have any figure."""
    return [o for o in others(rows) if is_given(o.rows)]


def without_figure(rows: Sequence[Row]) -> list[tuple[str | None, Cell, list[str]]]:
    """Sort the variations that have no figure by window and reason.

    Levels stand as one where all of a variation lack a figure for one reason; what is so in every
    window alike stands once, under no window.
    """
    windows = column_values(rows, "window")
    by_window = {w: _by_reason(pick(rows, window=w)) for w in windows}
    made: list[tuple[str | None, Cell, list[str]]] = []
    for window, lines in by_window.items():
        for text, (reason, told) in lines.items():
            is_same = [text in by_window[w] and by_window[w][text][1] == told for w in windows]
            if not all(is_same):
                made.append((window, reason, told))
            elif window == windows[0]:
                made.append((None, reason, told))
    return made


def _by_reason(rows: Sequence[Row]) -> dict[str, tuple[Cell, list[str]]]:
    found: dict[str, tuple[Cell, list[str]]] = {}
    for reason, told in _lacking(rows):
        found.setdefault(reason.text, (reason, []))[1].append(told)
    return found


def _lacking(rows: Sequence[Row]) -> list[tuple[Cell, str]]:
    made: list[tuple[Cell, str]] = []
    for name in words.VARIATIONS:
        here = [o for o in others(pick(rows, variation=name)) if o.rows]
        lacking = [(o.rows[0]["reason"], o.title) for o in here if not is_given(o.rows)]
        is_all = len(lacking) == len(here) > 1 and len({r.text for r, _ in lacking}) == 1
        if is_all:
            said = ANY_LEVEL.get(name, words.VARIATIONS[name].removesuffix(":"))
            made.append((lacking[0][0], said))
        else:
            made += lacking
    return made


def span(rows: Sequence[Row], metric: str) -> tuple[Other, Row, Other, Row] | None:
    """Find the lowest and the highest figure of one window over all labels that give one.

    Returns
    -------
    the labels and row of the lowest, then of the highest; None where fewer than two are printed
    """
    found = [
        (number, other, row)
        for other in others(rows)
        for row in other.rows
        if row.key["metric"] in (metric, f"{metric}_corrected")
        and (number := row["estimate"].number) is not None
    ]
    if len(found) < _LEAST:
        return None
    low, high = min(found, key=lambda f: f[0]), max(found, key=lambda f: f[0])
    return low[1], low[2], high[1], high[2]


FUNCTIONS: Mapping[str, object] = {
    "given_others": given_others,
    "span": span,
    "without_figure": without_figure,
}
"""What templates may call."""
