"""What tables on labels and tables on the model count alike, and the few by which they differ.

What does not belong here: the sums within a table (``label_sums``), other links (``joint``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from vpack_pipeline.core.pack.disclosure.protect import Variable
from vpack_pipeline.core.pack.headline import WINDOWS

if TYPE_CHECKING:
    from vpack_pipeline.core.pack.disclosure.joint import Joint

_AGREEMENT, _READERS = "adjudication/agreement", "adjudication/reader_performance"
_PERFORMANCE = "evaluation/performance"
_SAME_LABELS: Final = {
    "label_positive": "n_positive",
    "label_negative": "n_negative",
    "label_indeterminate": "n_indeterminate",
    "label_none": "n_undecided",
}
"""Label of agreement → metric of performance that counts it among mature cases of a window."""


def link(joint: Joint) -> None:
    """Add the sums of labels and of adjudicating reads that tables share.

    Parameters
    ----------
    joint : with the cells of every table, before it is closed
    """
    counted = {
        (str(r["finding"]), str(r["metric"])): joint.cells[_AGREEMENT, i, "events"]
        for i, r in enumerate(joint.rows.get(_AGREEMENT, ()))
        if r["stratum"] == "all" and (_AGREEMENT, i, "events") in joint.cells
    }
    _link_windows(joint, counted)
    _link_adjudicating(joint, counted)


def _link_windows(joint: Joint, counted: dict[tuple[str, str], Variable]) -> None:
    """Labels of all included cases are those of both windows, and of the few counted in neither."""
    evaluated: dict[tuple[str, str, str], list[Variable]] = {}
    for i, row in enumerate(joint.rows.get(_PERFORMANCE, ())):
        cell = joint.cells.get((_PERFORMANCE, i, "events"))
        if cell is not None and row["stratum"] == "all" and row["window"] in WINDOWS:
            key = (str(row["finding"]), str(row["metric"]), str(row["model_id"]))
            evaluated.setdefault(key, []).append(cell)
    for (finding, metric, _), parts in evaluated.items():
        for label, same in _SAME_LABELS.items():
            whole = counted.get((finding, label))
            if whole is not None and same == metric and len(parts) == len(WINDOWS):
                # Not due yet, or of neither window: the same for every model.
                gap = _add_rest(joint, whole, parts, ("not evaluated", finding, metric))
                if 0 < gap < joint.smallest_cell:
                    # Rather labels of all cases are hidden than those that the model is held to.
                    joint.ranks |= {counted[k]: 1 for k in _usable(counted, finding)}


def _usable(counted: Mapping[tuple[str, str], Variable], finding: str) -> list[tuple[str, str]]:
    names = ("label_positive", "label_negative", "label_usable")
    return [(finding, name) for name in names if (finding, name) in counted]


def _link_adjudicating(joint: Joint, counted: dict[tuple[str, str], Variable]) -> None:
    """A further reader's reads decided a case each, or were not needed; consensus has the rest."""
    for i, row in enumerate(joint.rows.get(_READERS, ())):
        whole = joint.cells.get((_READERS, i, "events"))
        if row["reader_id"] == "all" and row["metric"] == "n_adjudicating_reads":
            finding = str(row["finding"])
            names = ("path_third_reader", "n_unused_tiebreak_reads")
            parts = [counted[finding, name] for name in names if (finding, name) in counted]
            if whole is not None and len(parts) == len(names):
                rest: Variable = ("other adjudicating reads", finding)
                if not _add_rest(joint, whole, parts, rest):
                    # Where nothing else is left, that there is no consensus may well be known.
                    joint.add([*((1, v) for v in parts), (-1, whole)])


def _add_rest(joint: Joint, whole: Variable, parts: list[Variable], rest: Variable) -> int:
    """Say that parts and a rest that stands nowhere make up a whole, where they can."""
    gap = joint.values[whole] - sum(joint.values[v] for v in parts)
    if gap >= 0 and joint.values.setdefault(rest, gap) == gap:
        joint.add([*((1, v) for v in parts), (1, rest), (-1, whole)])
    return gap
