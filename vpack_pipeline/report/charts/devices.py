"""Which devices made the images of each period: one bar a period, in parts.

What does not belong here: whether a device changes the figures (``subgroups``, ``change``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts.trend import Frame, dates, lock_between
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Drawing

_MOST: Final = 6
"""As many levels are told apart; all others make up the rest of a bar."""
_FRAME: Final = Frame(svg.NARROW, 160, style="quiet")
_LETTER: Final = 14.0
"""A part needs as much room, across and up, for its letter."""
_DESCRIPTION: Final = (
    "One bar a period, from its first part at the foot; each part is the share of one level and"
    " bears its letter where there is room."
)


def devices(name: str, title: str, rows: Sequence[Row]) -> Drawing | None:
    """Draw shares of cases by period; None where there is no share, or one level alone.

    Parameters
    ----------
    rows : of ``evaluation/trend``, ``case_share`` of one finding and one variable
    """
    given = [r for r in rows if r["estimate"].number]
    levels = list(dict.fromkeys(r.key["stratum"] for r in given))
    if len(levels) < 2:
        return None
    levels.sort(key=lambda s: -sum(r["events"].number or 0.0 for r in pick(given, stratum=s)))
    made = _Devices(given, levels[:_MOST], has_rest=len(levels) > _MOST)
    key, height = made.key()
    return Drawing(name, title, _DESCRIPTION, _FRAME.width, height, made.bars() + key)


@dataclass(frozen=True, slots=True)
class _Devices:
    rows: Sequence[Row]
    levels: Sequence[str]
    has_rest: bool

    @property
    def periods(self) -> list[tuple[str, str]]:
        """Periods with their windows, in the order of time."""
        return sorted({(str(r.key["period"]), str(r.key["window"])) for r in self.rows})

    def opacity(self, i: int) -> float:
        return 0.04 + 0.36 * i / max(1, len(self.levels) - 1)

    def up(self, share: float) -> float:
        return _FRAME.bottom - share * (_FRAME.bottom - _FRAME.top)

    def bars(self) -> Markup:
        made, left, periods = Markup(""), _FRAME.left, self.periods
        for share in (0.0, 0.5, 1.0):
            y = self.up(share)
            made += svg.line(left, y, _FRAME.right, y, "grid")
            made += svg.text(left - 5, y + 4, f"{100 * share:.0f}", "quiet", "end")
        room = (_FRAME.right - left) / len(periods)
        for i, (period, window) in enumerate(periods):
            here = pick(self.rows, period=period, window=window)
            made += self._bar(here, left + (i + 0.1) * room, 0.8 * room)
        made += lock_between(_FRAME, [window == PROSPECTIVE for _, window in periods])
        return made + dates(_FRAME, [period for period, _ in periods])

    def _bar(self, here: Sequence[Row], x: float, width: float) -> Markup:
        made, share = Markup(""), 0.0
        for i, level in enumerate(self.levels):
            part = sum(r["estimate"].number or 0.0 for r in pick(here, stratum=level))
            if part:
                top, height = self.up(share + part), self.up(share) - self.up(share + part)
                made += _part(x, top, width, height, self.opacity(i))
                if min(width, height) >= _LETTER:
                    middle = top + height / 2 + 4
                    made += svg.text(x + width / 2, middle, _letter(i), "small", "middle")
                share += part
        return made

    def key(self) -> tuple[Markup, float]:
        """Say which letter is which level, below the bars; and where that ends."""
        made, y = Markup(""), _FRAME.height + 6.0
        for i, level in enumerate(self.levels):
            said = svg.wrapped(f"{_letter(i)}: {level}", _FRAME.right - _FRAME.left - 22)
            made += _part(_FRAME.left, y, 14, 14, self.opacity(i))
            made += svg.paragraph(_FRAME.left + 22, y + 12, said)
            y += len(said) * svg.LINE + 3
        if self.has_rest:
            made += svg.text(_FRAME.left + 22, y + 12, "the rest of a bar: all others", "quiet")
            y += svg.LINE + 3
        return made, y + 2


def _part(x: float, y: float, width: float, height: float, opacity: float) -> Markup:
    shape = (
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="part"'
        ' fill-opacity="{:.2f}"/>'
    )
    return Markup(shape).format(x, y, width, height, opacity)


def _letter(i: int) -> str:
    return "ABCDEF"[i]
