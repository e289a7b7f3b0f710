"""Where the scores of positives and of negatives lie, back to back.

What does not belong here: what follows from a threshold (``roc``, ``predictive_values``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import axes
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Drawing

_POSITIVES, _NEGATIVES = "share_of_positives", "share_of_negatives"
_SHARES: Final = (_POSITIVES, _NEGATIVES)
_TOP, _BOTTOM = 54.0, 284.0
_GAP: Final = 20.0
_BESIDE: Final = 48.0
"""Room that a bar beside the scale takes with its word, in pixels."""
_BAR: Final = 14.0
BESIDE: Final[Mapping[str, str]] = {"below": "below", "above": "above", "no_score": "no score"}
"""What lies off the scale → its words below its bar."""
_DESCRIPTION: Final = (
    "Bars above the line: the share of positives in each part of the scale; bars below it: the"
    " share of negatives. The vertical line is the locked threshold. The same figures stand in the"
    " table."
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """The locked threshold, on the output's scale, and whether higher scores are flagged."""

    value: float
    is_flagged_above: bool


def scores(
    name: str, title: str, rows: Sequence[Row], window: str, locked: Threshold | None
) -> Drawing | None:
    """Draw the scores of both labels in one window; None where no share of it is given.

    Parameters
    ----------
    rows : of ``evaluation/scores``, of one finding and model, in both windows: their pictures share
        a scale
    """
    shown = {m: pick(rows, metric=m, window=window) for m in _SHARES}
    if not any(r.is_given for found in shown.values() for r in found):
        return None
    made = _Scores.of(rows, window)
    body = axes.grid(made.across, made.up, made.up.ticks(8), lambda v: axes.written(abs(v)))
    for y, metric, words in (
        (14, _POSITIVES, "above the line: share of {} positives"),
        (29, _NEGATIVES, "below it: share of {} negatives"),
    ):
        body += svg.text(8, y, words.format(shown[metric][0].says("n")), "tick")
    for row in (*shown[_POSITIVES], *shown[_NEGATIVES]):
        body += made.bar(row)
    body += svg.line(axes.LEFT, made.up.at(0), axes.RIGHT, made.up.at(0), "link")
    body += made.locked(locked) + made.foot()
    return Drawing(name, title, _DESCRIPTION, axes.WIDTH, _BOTTOM + 40, body)


@dataclass(frozen=True, slots=True)
class _Scores:
    """Where bars lie: ``parts`` are the ends of each part of the scale, alike where it is a step.

    ``beside`` names what lies off the scale in either window.
    """

    window: str
    parts: Mapping[str, tuple[float, float]]
    beside: Sequence[str]
    across: axes.Scale
    up: axes.Scale

    @classmethod
    def of(cls, rows: Sequence[Row], window: str) -> _Scores:
        ends = {
            m: {r.key["stratum"]: r["estimate"].number or 0.0 for r in pick(rows, metric=m)}
            for m in ("score_from", "score_to")
        }
        parts = {s: (low, ends["score_to"][s]) for s, low in ends["score_from"].items()}
        is_stepped = all(low == high for low, high in parts.values())
        most = {m: max((_share(r) for r in pick(rows, metric=m)), default=0.0) for m in _SHARES}
        beside = [
            s
            for s in BESIDE
            if any(_share(r) for m in _SHARES for r in pick(rows, stratum=s, metric=m))
        ]
        right = axes.RIGHT - (_GAP + _BESIDE * len(beside) if beside else 0.0)
        low, high = min(e for e, _ in parts.values()), max(e for _, e in parts.values())
        if is_stepped:
            low, high = 0.0, float(len(parts))
        up = axes.Scale(-most[_NEGATIVES], most[_POSITIVES] or 1.0, _BOTTOM, _TOP)
        return cls(window, parts, beside, axes.Scale(low, high, axes.LEFT, right), up)

    @property
    def is_stepped(self) -> bool:
        return all(low == high for low, high in self.parts.values())

    def bar(self, row: Row) -> Markup:
        """Draw the share of a label in one part, or beside the scale."""
        stratum, share = row.key["stratum"], _share(row)
        if not share:
            return Markup("")
        left, right = self.ends(stratum)
        y, zero = self.up.at(share if row.key["metric"] == _POSITIVES else -share), self.up.at(0)
        style = f"field {axes.style_of(self.window)}"
        return svg.area(left + 0.5, min(y, zero), max(right - left - 1, 0.5), abs(y - zero), style)

    def ends(self, stratum: str) -> tuple[float, float]:
        """Where the bar of a part begins and ends."""
        if stratum not in self.parts:
            middle = self.across.end + _GAP + _BESIDE * (self.beside.index(stratum) + 0.5)
            return middle - _BAR / 2, middle + _BAR / 2
        low, high = self.parts[stratum]
        if self.is_stepped:
            low = float(list(self.parts).index(stratum))
            high = low + 1
        return self.across.at(low), self.across.at(high)

    def locked(self, threshold: Threshold | None) -> Markup:
        """Draw the locked threshold; nothing where there is none on the scale."""
        place = None if threshold is None else self._place(threshold)
        if threshold is None or place is None:
            return Markup("")
        x = self.across.at(place)
        is_right = x > (axes.LEFT + axes.RIGHT) / 2
        said = f"locked: {axes.written(threshold.value)}"
        made = svg.line(x, _TOP - 12, x, _BOTTOM, "lock")
        return made + svg.text(
            x - 4 if is_right else x + 4, _TOP - 4, said, "tick", "end" if is_right else "start"
        )

    def _place(self, threshold: Threshold) -> float | None:
        if not self.is_stepped:
            return (
                threshold.value if self.across.low <= threshold.value <= self.across.high else None
            )
        steps = [low for low, _ in self.parts.values()]
        if threshold.is_flagged_above:
            return float(sum(step < threshold.value for step in steps))
        return float(sum(step <= threshold.value for step in steps))

    def foot(self) -> Markup:
        """Write the scores below the scale, and what the bars beside it are."""
        ticks = [] if self.is_stepped else self.across.fitting()
        made = axes.foot(self.across, _BOTTOM, ticks, "score")
        named = [(BESIDE[s], s) for s in self.beside]
        if self.is_stepped:
            names = {s: axes.written(low) for s, (low, _) in self.parts.items()}
            room = (self.across.end - self.across.start) / len(names)
            widest = axes.CHARACTER * (1 + max(len(name) for name in names.values()))
            named += [(name, s) for s, name in names.items()][:: math.ceil(widest / room)]
        for words, stratum in named:
            middle = sum(self.ends(stratum)) / 2
            made += svg.text(middle, _BOTTOM + axes.FOOT, words, "tick", "middle")
        return made


def _share(row: Row) -> float:
    return row["estimate"].number or 0.0
