"""What the change of a share after the lock is made of: its parts, one bar after the other.

Each bar begins where the one before it ends, and the last is the whole change. What does not
belong here: which cells are like (``core.evaluation.change``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.view import Drawing

PARTS: Final[Mapping[str, str]] = {
    "mix_": "another mix of cases",
    "like_": "like cases",
    "new_cells_": "cells seen only after the lock",
    "lost_cells_": "cells seen only before it",
    "new_device_": "a device new after the lock",
    "": "the whole change",
}
"""What stands between *change_* and the share in a metric → the words for the part."""
WIDTH: Final = 560
_LEFT, _RIGHT, _ROW = 190.0, 500.0, 26.0
_DESCRIPTION: Final = (
    "Each bar begins where the one before it ends; the thin line is the interval of the part. The"
    " same figures stand in the table."
)


def change(name: str, title: str, rows: Sequence[Row], metric: str) -> Drawing | None:
    """Draw the parts of a change; None where the whole change has no figure.

    Parameters
    ----------
    rows : of ``evaluation/change``, of one way to part cases into cells
    metric : the share whose change it is
    """
    found = {
        part: row
        for part in PARTS
        for row in rows
        if row.key["metric"] == f"change_{part}{metric}" and row["estimate"].number is not None
    }
    if "" not in found or len(found) < 2:
        return None
    bars = _bars(found)
    ends = [v for start, end, row in bars.values() for v in (start, end, *_bounds(start, row))]
    low, high = min(0.0, *ends), max(0.0, *ends)
    span = (high - low) or 1.0

    def across(value: float) -> float:
        return _LEFT + (value - low) / span * (_RIGHT - _LEFT)

    body = svg.line(across(0), 6, across(0), 12 + len(bars) * _ROW, "lock")
    for i, (part, (start, end, row)) in enumerate(bars.items()):
        y = 14 + i * _ROW
        body += svg.text(_LEFT - 8, y + 12, PARTS[part], "" if part else "head", "end")
        left, right = sorted((across(start), across(end)))
        style = "w1" if end < start else "w0"
        body += svg.area(left, y, max(right - left, 1.0), 16, style)
        bounds = _bounds(start, row)
        if len(bounds) == 2:
            body += svg.line(across(bounds[0]), y + 8, across(bounds[1]), y + 8, "marked")
        body += svg.text(WIDTH - 4, y + 12, row.says("estimate"), "", "end")
    return Drawing(name, title, _DESCRIPTION, WIDTH, 18 + len(bars) * _ROW, body)


def _bars(found: Mapping[str, Row]) -> dict[str, tuple[float, float, Row]]:
    """Where each bar begins and ends: the parts in a row, the whole from zero."""
    made, at = {}, 0.0
    for part, row in found.items():
        value = row["estimate"].number or 0.0
        made[part] = (at, at + value, row) if part else (0.0, value, row)
        at += value
    return made


def _bounds(start: float, row: Row) -> tuple[float, ...]:
    lower, upper = row["lower"].number, row["upper"].number
    return () if lower is None or upper is None else (start + lower, start + upper)
