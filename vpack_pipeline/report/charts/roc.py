"""The ROC curve of both windows, with the locked thresholds and readers where there are any.

Curves on the fixed grid of ``evaluation/roc``; the bands are pointwise. What does not belong here:
the area below them, which stands in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.windows import PROSPECTIVE, WINDOWS
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Drawing

CURVE: Final = "false_positive_fraction"
_SIZE: Final = 320.0
_LEFT, _TOP = 46.0, 14.0
WIDTH: Final = 400
HEIGHT: Final = 384.0
_DESCRIPTION: Final = (
    "Sensitivity against the false-positive fraction: the dashed curve and open marks are from"
    " before the lock, the whole curve and filled marks from after it. The same figures stand in"
    " the table."
)


def roc(name: str, title: str, rows: Sequence[Row]) -> Drawing | None:
    """Draw the curves of a model; None where neither window has one.

    Parameters
    ----------
    rows : of ``evaluation/roc``, of one finding: the model's curve and locked thresholds, and the
        readers taken together
    """
    body = _frame()
    curves = {w: _points(pick(rows, window=w, stratum_kind=CURVE)) for w in WINDOWS}
    if not any(curves.values()):
        return None
    for window in WINDOWS:
        body += _band(pick(rows, window=window, stratum_kind=CURVE), window)
    for window, points in curves.items():
        style = "curve after" if window == PROSPECTIVE else "curve before"
        body += svg.polyline([_at(x, y) for x, y in points], style)
    for window in WINDOWS:
        for kind in ("operating_point", "readers"):
            body += _marks(pick(rows, window=window, stratum_kind=kind), window, kind)
    return Drawing(name, title, _DESCRIPTION, WIDTH, HEIGHT, body)


def _at(x: float, y: float) -> tuple[float, float]:
    return _LEFT + x * _SIZE, _TOP + (1.0 - y) * _SIZE


def _frame() -> Markup:
    made = svg.line(*_at(0, 0), *_at(1, 1), "grid")
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        (x, bottom), (left, y) = _at(tick, 0), _at(0, tick)
        made += svg.line(left, y, _LEFT + _SIZE, y, "grid")
        made += svg.text(x, bottom + 15, f"{100 * tick:.0f}", "tick", "middle")
        made += svg.text(left - 6, y + 4, f"{100 * tick:.0f}", "tick", "end")
    made += svg.line(*_at(0, 0), *_at(1, 0), "link") + svg.line(*_at(0, 0), *_at(0, 1), "link")
    middle = _LEFT + _SIZE / 2
    words = "% of negatives that are flagged"
    made += svg.text(middle, _TOP + _SIZE + 34, words, "tick", "middle")
    return made + svg.text(_LEFT, _TOP - 4, "% of positives that are flagged", "tick")


def _points(rows: Sequence[Row]) -> list[tuple[float, float]]:
    return [(float(r.key["stratum"]), n) for r in rows if (n := r["estimate"].number) is not None]


def _band(rows: Sequence[Row], window: str) -> Markup:
    upper = [(float(r.key["stratum"]), n) for r in rows if (n := r["upper"].number) is not None]
    lower = [(float(r.key["stratum"]), n) for r in rows if (n := r["lower"].number) is not None]
    if not upper or not lower:
        return Markup("")
    style = "w1" if window == PROSPECTIVE else "w0"
    return svg.polygon([_at(x, y) for x, y in (*upper, *lower[::-1])], f"shade {style}")


def _marks(rows: Sequence[Row], window: str, kind: str) -> Markup:
    """Mark where flags lie: thresholds as dots, readers as squares, open before the lock."""
    made = Markup("")
    style = "w1" if window == PROSPECTIVE else "w0 open-dot"
    for name in dict.fromkeys(r.key["stratum"] for r in rows):
        shown = {r.key["metric"]: r["estimate"].number for r in rows if r.key["stratum"] == name}
        sensitivity, specificity = shown.get("sensitivity"), shown.get("specificity")
        if sensitivity is None or specificity is None:
            continue
        x, y = _at(1.0 - specificity, sensitivity)
        if kind == "readers":
            made += svg.area(x - 4.5, y - 4.5, 9, 9, f"dot {style}")
        else:
            made += svg.dot(x, y, 5.0, style)
    return made
