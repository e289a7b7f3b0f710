"""What a call says about a patient where the finding is more or less frequent than here.

What does not belong here: another mix of patients, which may change sensitivity and specificity.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

from vpack_pipeline.core.windows import PROSPECTIVE, WINDOWS
from vpack_pipeline.report import svg
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.charts import axes
from vpack_pipeline.report.rows import pick
from vpack_pipeline.report.view import Drawing

_UP: Final = axes.Scale(0.0, 1.0, 294.0, 44.0)
_TICKS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_LINE: Final = 15.0
_CHARACTERS: Final = 58
"""As many have room in a line of the key."""
_GAP: Final = 4.0
"""Room between two texts, in pixels."""
PLACES: Final[Mapping[str, str]] = {
    "own": "as among these cases",
    "stated": "as stated",
    "target": "as in the target population",
}
"""Kind of a prevalence that is marked → its words."""
_DESCRIPTION: Final = (
    "The predictive value by prevalence, on a logarithmic scale: the dashed curve and open marks"
    " are from before the lock, the whole curve and filled marks from after it; bands are pointwise"
    " intervals. Letters mark prevalences named below. The same figures stand in the table."
)


def predictive_values(name: str, title: str, rows: Sequence[Row], metric: str) -> Drawing | None:
    """Draw a predictive value by prevalence; None where neither window has a curve.

    Parameters
    ----------
    rows : of ``evaluation/predictive_values``, of one operating point
    metric : ``ppv`` or ``npv``
    """
    curves = {w: _placed(pick(rows, window=w, stratum_kind="prevalence"), metric) for w in WINDOWS}
    marked = [
        (x, row)
        for kind in PLACES
        for w in WINDOWS
        for x, row in _placed(pick(rows, window=w, stratum_kind=kind), metric)
    ]
    shown = [x for points in curves.values() for x, _ in points]
    if len(set(shown)) < 2:
        return None
    shown += [x for x, _ in marked]
    across = axes.Scale(min(shown), max(shown), axes.LEFT, axes.RIGHT, is_log=True)
    body = axes.grid(across, _UP, _TICKS) + svg.text(8, _UP.end - 28, metric.upper(), "head")
    for window, points in curves.items():
        body += axes.curve(across, _UP, points, window)
    letters = {x: chr(ord("A") + i) for i, x in enumerate(sorted({x for x, _ in marked}))}
    for x in letters:
        body += svg.line(across.at(x), _UP.end - 6, across.at(x), _UP.start, "link")
    for x, row in marked:
        at = _UP.at(row["estimate"].number or 0.0)
        body += axes.dot(across.at(x), at, row.key["window"])
    for x, said in _together([(across.at(x), letter) for x, letter in letters.items()]):
        body += svg.text(x, _UP.end - 10, said, "tick", "middle")
    body += axes.foot(across, _UP.start, across.ticks(), "prevalence (logarithmic scale)")
    y = _UP.start + 54
    for x, letter in letters.items():
        for line in _key(letter, [row for at, row in marked if at == x], rows):
            body += svg.text(8, y, line, "tick")
            y += _LINE
    return Drawing(name, title, _DESCRIPTION, axes.WIDTH, y - 8, body)


def _placed(rows: Sequence[Row], metric: str) -> list[tuple[float, Row]]:
    """The rows of a metric that have a figure, each after its prevalence, the lowest first."""
    at = {_place(r): r["estimate"].number for r in pick(rows, metric="prevalence")}
    found = [(at.get(_place(r)), r) for r in pick(rows, metric=metric) if r.is_given]
    return sorted(((x, r) for x, r in found if x), key=lambda placed: placed[0])


def _place(row: Row) -> tuple[str, str, str]:
    return row.key["window"], row.key["stratum_kind"], row.key["stratum"]


def _together(letters: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Let letters stand together that would stand on one another, each group at its middle."""
    groups: list[tuple[float, float, str]] = []
    for x, letter in sorted(letters):
        first, last, said = x, x, letter
        while groups and (first + last - groups[-1][0] - groups[-1][1]) / 2 < _room(
            groups[-1][2], said
        ):
            first, _, before = groups.pop()
            said = f"{before}, {said}"
        groups.append((first, last, said))
    return [((first + last) / 2, said) for first, last, said in groups]


def _room(*said: str) -> float:
    """How far apart the middles of two texts must lie, in pixels."""
    return _GAP + sum(axes.CHARACTER * len(text) for text in said) / 2


def _key(letter: str, marked: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """Say which prevalence a letter marks, and the value there in each window that has one."""
    parts = []
    for kind in dict.fromkeys(row.key["stratum_kind"] for row in marked):
        here = pick(marked, stratum_kind=kind)
        said = " and ".join(f"{row['estimate']} {_side(row)}" for row in here)
        parts.append(f"{PLACES[kind]}: {said} the lock")
    at = pick(rows, metric="prevalence")
    prevalence = next(r for r in at if _place(r) == _place(marked[0]))["estimate"]
    return textwrap.wrap(f"{letter} {prevalence}, {'; '.join(parts)}", _CHARACTERS)


def _side(row: Row) -> str:
    return "after" if row.key["window"] == PROSPECTIVE else "before"
