"""Whether acting on the model does more good than treating everybody or nobody.

What does not belong here: whether the probabilities are right (``calibration``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from vpack_pipeline.core.evaluation.decision_curve import STEPS
from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import axes
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Drawing

_TOP, _BOTTOM = 62.0, 272.0
_LOCKED: Final = f"{STEPS + 1:02d}"
"""The place of the locked threshold among those around it."""
_BELOW_ZERO: Final = 0.2
"""How far the scale goes below 0, as a share of what it goes above it: lines are seen to cross."""
_DESCRIPTION: Final = (
    "Net benefit by threshold probability: of the model with its pointwise band, of treating all"
    " and, at 0, of treating none. Treating all is cut where it falls below the scale. The vertical"
    " line is the locked threshold. The same figures stand in the table."
)


def decision_curve(name: str, title: str, rows: Sequence[Row], window: str) -> Drawing | None:
    """Draw net benefit in one window; None where the model has fewer than two figures there.

    Parameters
    ----------
    rows : of ``evaluation/decision_curve``, of one operating point at one prevalence, in both
        windows: their pictures share a scale
    """
    here = pick(rows, window=window)
    model, treat_all = _placed(here, "net_benefit"), _placed(here, "net_benefit_treat_all")
    if len({x for x, _ in model}) < 2:
        return None
    locked = next((x for x, r in model if r.key["stratum"] == _LOCKED), None)
    across = axes.Scale(model[0][0], model[-1][0], axes.LEFT + 6, axes.RIGHT)
    up = _scale(rows)
    body = axes.grid(across, up, up.ticks(5)) + _legend(window)
    body += svg.line(across.start, up.at(0), across.end, up.at(0), "link")
    body += axes.curve(across, up, model, window)
    heights = [(x, n) for x, r in treat_all if (n := r["estimate"].number) is not None]
    body += svg.polyline([(across.at(x), up.at(y)) for x, y in _above(heights, up.low)], "curve w2")
    if locked is not None:
        at = across.at(locked)
        body += svg.line(at, up.end - 16, at, up.start, "lock")
        body += svg.text(at + 4, up.end - 7, "locked", "tick")
    body += axes.foot(across, up.start, across.fitting(), "threshold probability")
    return Drawing(name, title, _DESCRIPTION, axes.WIDTH, _BOTTOM + 40, body)


def _placed(rows: Sequence[Row], metric: str) -> list[tuple[float, Row]]:
    """The rows of a metric that have a figure, each after its threshold, the lowest first."""
    at = {
        r.key["stratum"]: r["estimate"].number for r in pick(rows, metric="threshold_probability")
    }
    found = [(at.get(r.key["stratum"]), r) for r in pick(rows, metric=metric) if r.is_given]
    return [(x, r) for x, r in found if x is not None]


def _scale(rows: Sequence[Row]) -> axes.Scale:
    """Hold all of the model's figures, and those of treating all as far as they are near 0."""
    model = [n for r in pick(rows, metric="net_benefit") for n in _numbers(r)]
    treat_all = [n for r in pick(rows, metric="net_benefit_treat_all") for n in _numbers(r)[:1]]
    high = max(0.0, *model, *treat_all)
    low = min(-_BELOW_ZERO * high, *model)
    return axes.Scale(low, high if high > low else low + 1.0, _BOTTOM, _TOP)


def _numbers(row: Row) -> list[float]:
    numbers = (row[c].number for c in ("estimate", "lower", "upper"))
    return [n for n in numbers if n is not None]


def _above(points: Sequence[tuple[float, float]], low: float) -> list[tuple[float, float]]:
    """The points of a falling line down to where it leaves the scale."""
    kept = list(itertools.takewhile(lambda point: point[1] >= low, points))
    if kept and len(kept) < len(points):
        (x, y), (next_x, next_y) = kept[-1], points[len(kept)]
        kept.append((x + (next_x - x) * (y - low) / (y - next_y), low))
    return kept


def _legend(window: str) -> Markup:
    """Say which line is which."""
    made = svg.text(8, _TOP - 12, "net benefit", "tick")
    model = "curve after" if window == PROSPECTIVE else "curve before"
    x = axes.LEFT
    for words, style in (("model", model), ("treat all", "curve w2"), ("treat none", "link")):
        made += svg.polyline([(x, 14), (x + 26, 14)], style)
        made += svg.text(x + 32, 18, words, "tick")
        x += 50 + axes.CHARACTER * len(words)
    return made
