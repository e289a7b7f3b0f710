"""The sensitivity and specificity that a pack states at an operating point, for a test elsewhere.

What does not belong here: what a hospital needs to see them hold (``core.acceptance``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

POINTS: Final = "evaluation/operating_points"
ANALYSIS: Final = "intention_to_diagnose"
METRICS: Final = ("sensitivity", "specificity")
WINDOWS: Final = ("prospective", "retrospective")
"""In the order in which figures of one are preferred: the later window first."""
_FIELDS: Final = ("metric", "estimate", "lower", "upper")
Row = Mapping[str, Any]


def rows_at(rows: Iterable[Row], finding: str, point: Row) -> list[Row]:
    """Choose the rows of one finding at one operating point, of a table that names both."""
    wanted = (finding, point["model"], point["name"])
    return [r for r in rows if (r["finding"], r["model_id"], r["operating_point"]) == wanted]


def stated_figures(
    rows: Iterable[Row], window: str | None = None
) -> tuple[str, list[dict[str, Any]]] | None:
    """Give both figures of the later window that has both, or of the one that is asked for.

    Parameters
    ----------
    rows : of ``evaluation/operating_points``, at one operating point

    Returns
    -------
    the window, and ``metric``, ``estimate``, ``lower`` and ``upper`` of each; None where no window
    has both
    """
    found = {(r["window"], r["metric"]): r for r in rows if r["analysis"] == ANALYSIS}
    for name in WINDOWS if window is None else (window,):
        both = [found.get((name, metric)) for metric in METRICS]
        given = [row for row in both if row is not None and row["estimate"] is not None]
        if len(given) == len(METRICS):
            return name, [{field: row[field] for field in _FIELDS} for row in given]
    return None
