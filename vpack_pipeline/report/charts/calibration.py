"""Whether a stated probability is the rate that is observed, with how many cases state it.

What does not belong here: figures of the curve's distance from the line of identity, which stand in
the table.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import axes
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Drawing

_ACROSS: Final = axes.Scale(0.0, 1.0, axes.LEFT, axes.RIGHT)
_UP: Final = axes.Scale(0.0, 1.0, 318.0, 26.0)
_TICKS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_LINE, _BARS = 13.0, 48.0
_DESCRIPTION: Final = (
    "Points: the observed share of positives in each bin of the stated probability, with its"
    " interval; the curve is smoothed, with its pointwise band; perfect calibration lies on the"
    " straight line. Bars: cases in each bin. The same figures stand in the table."
)


def calibration(name: str, title: str, rows: Sequence[Row]) -> Drawing | None:
    """Draw the reliability of one window; None where no bin has a figure.

    Parameters
    ----------
    rows : of ``evaluation/calibration``, of one finding, model and window
    """
    binned = pick(rows, stratum_kind="probability")
    observed = pick(binned, metric="observed_rate")
    mean = {r.key["stratum"]: r for r in pick(binned, metric="mean_probability")}
    points = [
        (x, row)
        for row in observed
        if (x := mean[row.key["stratum"]]["estimate"].number) is not None and row.is_given
    ]
    if not points:
        return None
    window = points[0][1].key["window"]
    smooth = [(float(r.key["stratum"]), r) for r in pick(rows, stratum_kind="curve") if r.is_given]
    body = axes.grid(_ACROSS, _UP, _TICKS)
    body += svg.text(_ACROSS.start - 40, _UP.end - 12, "observed share of positives", "tick")
    body += svg.line(_ACROSS.at(0), _UP.at(0), _ACROSS.at(1), _UP.at(1), "link")
    body += axes.curve(_ACROSS, _UP, smooth, window)
    for x, row in points:
        body += _point(_ACROSS.at(x), row, window)
    bars, bottom = _histogram(observed, window)
    body += bars + axes.foot(_ACROSS, bottom, _TICKS, "probability that the model states")
    return Drawing(name, title, _DESCRIPTION, axes.WIDTH, bottom + 40, body)


def _point(x: float, row: Row, window: str) -> Markup:
    share, lower, upper = (row[c].number for c in ("estimate", "lower", "upper"))
    made = Markup("")
    if lower is not None and upper is not None:
        made += svg.line(x, _UP.at(lower), x, _UP.at(upper), f"bar {axes.style_of(window)}")
    return made + axes.dot(x, _UP.at(share or 0.0), window)


def _histogram(bins: Sequence[Row], window: str) -> tuple[Markup, float]:
    """Draw how many cases each bin has, below their counts, and say where its axis lies."""
    step = 1 if _fit([r.says("n") for r in bins]) else 2
    top = _UP.start + 6 + step * _LINE
    bottom = top + 4 + _BARS
    most = max(r["n"].number or 0.0 for r in bins) or 1.0
    made = svg.text(_ACROSS.start - 6, bottom - _BARS / 2 + 4, "cases", "tick", "end")
    for i, row in enumerate(bins):
        low, high = (_ACROSS.at(float(end)) for end in row.key["stratum"].split("–"))
        height = (row["n"].number or 0.0) / most * _BARS
        y = _UP.start + 6 + _LINE * (1 + i % step) - 3
        made += svg.text((low + high) / 2, y, row.says("n"), "tick", "middle")
        style = f"field {axes.style_of(window)}"
        made += svg.area(low + 1, bottom - height, high - low - 2, height, style)
    return made + svg.line(_ACROSS.start, bottom, _ACROSS.end, bottom, "link"), bottom


def _fit(counts: Sequence[str]) -> bool:
    """Whether counts have room beside one another, one to a bin."""
    room = (_ACROSS.end - _ACROSS.start) / len(counts)
    needed = (axes.CHARACTER * (len(a) + len(b)) / 2 for a, b in itertools.pairwise(counts))
    return all(width < room for width in needed)
