"""Which counts of tables on readers, labels and errors are one count, or add up.

What does not belong here: tables of cases and figures (``links``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpack_pipeline.core.pack.disclosure.joint import Joint
from vpack_pipeline.core.pack.disclosure.label_sums import RATING, rated_as
from vpack_pipeline.core.pack.disclosure.own_sums import PRIMARY_ANALYSIS
from vpack_pipeline.core.pack.disclosure.protect import Variable

from vpack_pipeline.core.windows import WINDOWS

_AGREEMENT, _READERS = "adjudication/agreement", "adjudication/reader_performance"
_NOISE = "adjudication/label_noise"
_KINDS_OF_STATES: Final = (
    (("contradicted", "unsure"), ("split",)),
    (("not_diagnostic", "unread"), ("none",)),
    (("indeterminate", "partly_diagnostic", "single", "clear"), ("single", "unanimous")),
)
"""Kinds of case → states of a panel that they make up together."""
_SAME_READS: Final = {
    "n_indeterminate_reads": "share_indeterminate",
    "n_non_diagnostic_reads": "share_non_diagnostic",
}
"""Metric of agreement → metric of all readers that counts the same reads."""
_ATTRIBUTION, _POINTS = "evaluation/error_attribution", "evaluation/operating_points"
_SAME_ERRORS: Final = {"false_positives": "fp", "false_negatives": "fn"}
"""Metric of error attribution → of operating points."""
_PERFORMANCE = "evaluation/performance"
_SAME_LABELS: Final = {
    "label_positive": "n_positive",
    "label_negative": "n_negative",
    "label_indeterminate": "n_indeterminate",
    "label_none": "n_undecided",
}
"""Label of agreement → metric of performance that counts it among mature cases of a window."""


def link_labels(joint: Joint) -> None:
    """Add what a reader of several such tables knows."""
    _link_ratings(joint)
    _link_kinds(joint)
    _link_attribution(joint)
    counted = _counted(joint)
    _link_windows(joint, counted)
    _link_adjudicating(joint, counted)


def _counted(joint: Joint) -> dict[tuple[str, str], Variable]:
    """Find the counts of agreement over all cases, by finding and metric."""
    return {
        (str(r["finding"]), str(r["metric"])): joint.cells[_AGREEMENT, i, "events"]
        for i, r in enumerate(joint.rows.get(_AGREEMENT, ()))
        if r["stratum"] == "all" and (_AGREEMENT, i, "events") in joint.cells
    }


def _link_ratings(joint: Joint) -> None:
    """How all readers use the scale stands by value in one table and from each cut up in another.

    So do reads that are not diagnostic, or indeterminate.
    """
    readers = joint.rows.get(_READERS, ())
    pooled = {
        (str(r["finding"]), str(r["metric"])): joint.cells[_READERS, i, "events"]
        for i, r in enumerate(readers)
        if r["reader_id"] == "all" and (_READERS, i, "events") in joint.cells
    }
    for i, row in enumerate(joint.rows.get(_AGREEMENT, ())):
        finding, metric = str(row["finding"]), str(row["metric"])
        same = pooled.get((finding, _SAME_READS.get(metric, "")))
        mine = joint.cells.get((_AGREEMENT, i, "events"))
        if mine is not None and same is not None:
            joint.unite(same, mine)
        if mine is not None and metric == "positive_read_share":
            rated = sorted(
                ((rated_as(m), v) for (f, m), v in pooled.items() if f == finding and RATING in m),
                reverse=True,
            )
            unsure = pooled.get((finding, "share_indeterminate"))
            # Which value is the protocol's cut is not known here: only sums that hold are kept.
            for k in range(1, len(rated) + 1):
                some = [*((1, v) for _, v in rated[:k]), (-1, mine)]
                joint.add(some)
                if unsure is not None:
                    joint.add([*some, (-1, unsure)])


def _link_kinds(joint: Joint) -> None:
    """States of panels, in one table, are made up of the kinds of case in another."""
    kinds = {
        (str(r["finding"]), str(r["metric"])): joint.cells[_AGREEMENT, i, "events"]
        for i, r in enumerate(joint.rows.get(_AGREEMENT, ()))
        if str(r["metric"]).startswith("cases_") and (_AGREEMENT, i, "events") in joint.cells
    }
    states = {
        (str(r["finding"]), str(r["metric"])): joint.cells[_NOISE, i, "events"]
        for i, r in enumerate(joint.rows.get(_NOISE, ()))
        if r["stratum"] == "all" and (_NOISE, i, "events") in joint.cells
    }
    for finding in sorted({f for f, _ in kinds}):
        for of_kinds, of_states in _KINDS_OF_STATES:
            parts = [kinds.get((finding, f"cases_{k}")) for k in of_kinds]
            whole = [states.get((finding, f"share_{s}")) for s in of_states]
            if all(v is not None for v in (*parts, *whole)):
                signed = [*((1, v) for v in parts), *((-1, v) for v in whole)]
                joint.add([(sign, v) for sign, v in signed if v is not None])


def _link_attribution(joint: Joint) -> None:
    """Misses and false alarms are parted by panel in one table and stand whole in another.

    They are those of the headline but for failed inferences, which may be few.
    """
    points: dict[tuple[str, ...], dict[str, int]] = {}
    for i, row in enumerate(joint.rows.get(_POINTS, ())):
        if row["analysis"] == PRIMARY_ANALYSIS:
            at = tuple(str(row[k]) for k in ("finding", "model_id", "window", "operating_point"))
            points.setdefault(at, {})[str(row["metric"])] = i
    whole: dict[tuple[str, ...], dict[str, int]] = {}
    for i, row in enumerate(joint.rows.get(_ATTRIBUTION, ())):
        if row["panel_state"] == "all" and row["metric"] in _SAME_ERRORS:
            at = tuple(str(row[k]) for k in ("finding", "model_id", "window"))
            whole.setdefault(at, {})[str(row["metric"])] = i
    for at, ours in whole.items():
        pairs = [
            [
                (
                    joint.cells.get((_POINTS, theirs[_SAME_ERRORS[metric]], column)),
                    joint.cells.get((_ATTRIBUTION, i, column)),
                )
                for metric, i in ours.items()
                if _SAME_ERRORS[metric] in theirs
                for column in ("n", "events")
            ]
            for point, theirs in points.items()
            if point[:3] == at
        ]
        known = [
            [(a, b) for a, b in of_point if a is not None and b is not None] for of_point in pairs
        ]
        # Which operating point the table is of is not said: the nearest.
        nearest = min(
            (of_point for of_point in known if of_point),
            key=lambda found: sum(abs(joint.values[a] - joint.values[b]) for a, b in found),
            default=[],
        )
        for theirs_is, ours_is in nearest:
            if joint.values[theirs_is] == joint.values[ours_is]:
                joint.unite(theirs_is, ours_is)
            else:
                joint.apart(theirs_is, ours_is)


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
