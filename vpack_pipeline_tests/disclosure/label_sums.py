"""The sums of tables on reads and labels: who read, who agreed, whose label, and whose error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Final

from vpack_pipeline.core.pack.disclosure.protect import DEAR, Variable
from vpack_pipeline.core.pack.disclosure.system import (
    Cell,
    Row,
    System,
    difference,
    infer,
    totals,
)


def verification(system: System, rows: Sequence[Row]) -> None:
    """Calls part the mature cases; sources part the labels."""
    _by_source(system, rows)
    for i, row in enumerate(rows):
        if row["call"] == "all":
            continue
        here: Variable = (str(row["finding"]), str(row["window"]))
        call: Variable = (*here, str(row["call"]))
        name = str(row["metric"]).removeprefix("share_")
        whole, part = (*here, "mature"), (*call, "eligible")
        if name != "eligible":
            whole, part = part, (*call, name, str(row["source"]))
        for column, variable in (("n", whole), ("events", part)):
            if row[column] is not None:
                system.bind((i, column), variable, int(row[column]))
        system.ranks[(*here, "mature")] = 3
    here_and_calls = sorted({v[:3] for v in system.values if v[-1] == "eligible"})
    for here in sorted({v[:2] for v in here_and_calls}):
        parts = [(1, (*v, "eligible")) for v in here_and_calls if v[:2] == here]
        system.add([*parts, (-1, (*here, "mature"))])
    for call in here_and_calls:
        sources = [v for v in system.values if v[:3] == call and v[3:4] == ("labelled",)]
        parts = [(1, v) for v in sources if v[-1] != "any"]
        system.add([*parts, (-1, (*call, "labelled", "any"))])


def _by_source(system: System, rows: Sequence[Row]) -> None:
    """Sources part positives and negatives; a figure of both calls gives a small one away."""
    small = {_side(row) for row in rows if _has_few(row, system.smallest_cell)}
    parts: dict[tuple[str, ...], list[tuple[int, Variable]]] = {}
    for i, row in enumerate(rows):
        here, metric = _side(row), str(row["metric"])
        if row["call"] != "all":
            continue
        if metric not in ("sensitivity", "specificity"):
            if metric != "naive_is_headline" and small & {here, (*here[:2], "")}:
                system.barred |= {(i, "n"), (i, "events")}
            continue
        for column in ("n", "events"):
            if row[column] is not None:
                variable: Variable = ("by source", *here, metric, column)
                system.bind((i, column), variable, int(row[column]))
                sign = -1 if here[2] == "any" else 1
                parts.setdefault((*here[:2], metric, column), []).append((sign, variable))
    for terms in parts.values():
        system.add(terms)


def _side(row: Row) -> tuple[str, str, str]:
    """Finding, window and source; no source of the cases that any may be sought for."""
    source = "" if row["metric"] == "eligible" else str(row["source"])
    return str(row["finding"]), str(row["window"]), source


def _has_few(row: Row, smallest_cell: int) -> bool:
    """Whether few of either call are counted, or few are not; or few have no answer at all."""
    if row["call"] == "all" or (row["call"] == "none" and row["metric"] != "eligible"):
        return False
    counts = (row["events"] or 0, (row["n"] or 0) - (row["events"] or 0))
    return any(0 < count < smallest_cell for count in counts)


def attributed(system: System, rows: Sequence[Row]) -> None:
    """States of the panel make up all cases; misses and false alarms, the disagreements of each."""
    places: set[Variable] = set()
    for i, row in enumerate(rows):
        metric, state = str(row["metric"]), str(row["panel_state"])
        place: Variable = tuple(str(row[k]) for k in ("finding", "model_id", "window"))
        for column, (kind, of) in zip(("n", "events"), _ATTRIBUTED.get(metric, ()), strict=False):
            if row[column] is not None:
                variable = (*place, kind, of or state)
                system.bind((i, column), variable, int(row[column]))
                system.ranks[variable] = _NEED[kind]
                places.add(place)
    for place in sorted(places):
        for kind in ("cases", "wrong", "alarms", "misses"):
            parts = [(1, (*place, kind, state)) for state in _STATES]
            system.add([*parts, (-1, (*place, kind, "all"))])
        for state in ("all", *_STATES):
            errors = [(1, (*place, kind, state)) for kind in ("alarms", "misses")]
            system.add([*errors, (-1, (*place, "wrong", state))])
        open_cases = [(1, (*place, "wrong", state)) for state in _STATES[:2]]
        system.add([*open_cases, (-1, (*place, "open", "all"))])


_STATES: Final = ("split", "single_or_few", "unanimous", "independent_reference")
"""States of a panel, those first that leave it open who erred."""
_ATTRIBUTED: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "n_cases": (("cases", "all"), ("cases", "")),
    "disagreement": (("cases", ""), ("wrong", "")),
    "false_positives": (("cases", ""), ("alarms", "")),
    "false_negatives": (("cases", ""), ("misses", "")),
    "share_of_disagreements": (("wrong", "all"), ("wrong", "")),
    "share_not_separable": (("wrong", "all"), ("open", "")),
    "share_wrong_labels": (("cases", ""),),
}
"""Metric → what its ``n`` and ``events`` count, of which state; of the row's own where empty."""
_NEED: Final = {"cases": 3, "open": 2, "wrong": 1, "alarms": 0, "misses": 0}
"""How much a reader needs a count; see ``protect``."""


def _balance(
    system: System,
    at: Mapping[tuple[str, ...], int],
    terms: Sequence[tuple[int, tuple[str, ...], str, str]],
) -> None:
    """Add a sum of cells that comes to nothing, where all of them are printed."""
    cells = [
        (sign, (at.get((*place, metric), -1), column)) for sign, place, metric, column in terms
    ]
    if all(cell in system.cells for _, cell in cells):
        system.add([(sign, system.cells[cell]) for sign, cell in cells])


def _readers_make_up_all(system: System, rows: Sequence[Row]) -> None:
    groups: dict[tuple[str, ...], list[tuple[int, Variable]]] = {}
    for i, row in enumerate(rows):
        for column in ("n", "events"):
            if row[column] is not None:
                group = (str(row["finding"]), str(row["metric"]), column)
                variable = ("parted", *group, str(row["reader_id"]))
                system.bind((i, column), variable, int(row[column]))
                sign = -1 if row["reader_id"] == "all" else 1
                groups.setdefault(group, []).append((sign, system.cells[i, column]))
    for terms in groups.values():
        if len({sign for sign, _ in terms}) == 2:
            system.add(terms)


def readers(system: System, rows: Sequence[Row]) -> None:
    """Readers make up all readers; and the same reads stand by label of the others and by half."""
    _readers_make_up_all(system, rows)
    keys = ("finding", "reader_id", "metric")
    at = {tuple(str(row[k]) for k in keys): i for i, row in enumerate(rows)}
    for finding, reader in sorted({key[:2] for key in at}):
        for column in ("n", "events"):
            for one, other in _READER_SUMS:
                terms = [
                    (sign, (finding, reader), metric, column)
                    for sign, metrics in ((1, one), (-1, other))
                    for metric in metrics
                ]
                _balance(system, at, terms)
        _ratings(system, rows, at, (finding, reader))


def _ratings(
    system: System,
    rows: Sequence[Row],
    at: Mapping[tuple[str, ...], int],
    who: tuple[str, ...],
) -> None:
    """The ratings of a scale make up a reader's reads, and some of them what is indeterminate."""
    by_value = {
        rated_as(key[-1]): key[-1] for key in at if key[:2] == who and key[-1].startswith(RATING)
    }
    values = [metric for _, metric in sorted(by_value.items())]
    whole = [(at.get((*who, metric), -1), "events") for metric in (*values, "share_non_diagnostic")]
    if values and all(cell in system.cells for cell in whole):
        totals(system, [whole])
    for first in range(len(values)):
        for last in range(first + 1, len(values) + 1):
            some = [(1, who, metric, "events") for metric in values[first:last]]
            _balance(system, at, [*some, (-1, who, "share_indeterminate", "events")])
    for metric in (*values, "share_indeterminate"):
        _balance(system, at, [(1, who, metric, "n"), (-1, who, "share_non_diagnostic", "n")])


RATING: Final = "share_rating="
"""What the metric of a rating's share begins with."""


def rated_as(metric: str) -> float:
    """Give the value of a rating's metric or of a cut's stratum.

    >>> rated_as("share_rating=3"), rated_as("cut=2")
    (3.0, 2.0)
    """
    return float(metric.partition("=")[2])


def _included(system: System, rows: Sequence[Row]) -> None:
    """Paths, kinds and labels are of all included cases, whose number stands elsewhere too."""
    for i, row in enumerate(rows):
        if str(row["metric"]).startswith(("path_", "cases_", "label_")) and row["n"] is not None:
            whole: Variable = (str(row["finding"]), "included")
            system.bind((i, "n"), whole, int(row["n"]))
            system.ranks[whole] = 4


def _paths(system: System, rows: Sequence[Row]) -> None:
    """Every case took one path to its label."""
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for i, row in enumerate(rows):
        if str(row["metric"]).startswith("path_") and row["events"] is not None:
            group = (str(row["finding"]), str(row["stratum"]))
            system.bind((i, "events"), (*group, str(row["metric"])), int(row["events"]))
            groups.setdefault(group, []).append((i, "events"))
    totals(system, groups.values())


def _kinds(system: System, rows: Sequence[Row]) -> None:
    """Every case is of one kind; those without a label are so by kind and by path."""
    kinds: dict[str, list[Cell]] = {}
    unlabelled: dict[str, list[tuple[int, Variable]]] = {}
    for i, row in enumerate(rows):
        finding, metric = str(row["finding"]), str(row["metric"])
        what, _, kind = metric.partition("_")
        if row["events"] is None or what not in ("cases", "undecided", "path"):
            continue
        if what == "cases":
            system.bind((i, "events"), (finding, "kind", kind), int(row["events"]))
            kinds.setdefault(finding, []).append((i, "events"))
        elif what == "undecided":
            system.bind((i, "n"), (finding, "kind", kind), int(row["n"]))
            variable: Variable = (finding, "undecided", kind)
            system.bind((i, "events"), variable, int(row["events"]))
            unlabelled.setdefault(finding, []).append((1, variable))
        elif metric in ("path_unresolved", "path_no_reads"):
            unlabelled.setdefault(finding, []).append((-1, system.cells[i, "events"]))
    totals(system, kinds.values())
    for terms in unlabelled.values():
        system.add(terms)


def _labels(system: System, rows: Sequence[Row]) -> None:
    """Labels part the cases; those without one are so by path and by kind too."""
    labels: dict[str, dict[str, Cell]] = {}
    without: dict[tuple[str, str], list[tuple[int, Variable]]] = {}
    for i, row in enumerate(rows):
        finding, metric = str(row["finding"]), str(row["metric"])
        if row["events"] is None:
            continue
        if metric.startswith("label_"):
            system.bind((i, "events"), (finding, metric), int(row["events"]))
            labels.setdefault(finding, {})[metric] = (i, "events")
        elif metric in ("path_unresolved", "path_no_reads"):
            without.setdefault((finding, "path"), []).append((1, system.cells[i, "events"]))
        elif metric.startswith("undecided_"):
            without.setdefault((finding, "kind"), []).append((1, system.cells[i, "events"]))
    for finding, cells in labels.items():
        at = {metric: system.cells[cell] for metric, cell in cells.items()}
        totals(system, [[c for m, c in cells.items() if m != "label_usable"]])
        if "label_usable" in at:
            parts = [(1, v) for m, v in at.items() if m in ("label_positive", "label_negative")]
            system.add([*parts, (-1, at["label_usable"])])
        _rank_labels(system, at)
        for how in ("path", "kind"):
            if "label_none" in at:
                system.add([*without.get((finding, how), []), (-1, at["label_none"])])


def _rank_labels(system: System, at: Mapping[str, Variable]) -> None:
    """Hide usable labels last, as performance does, which counts the same ones.

    Of the others none is hidden first where any is few: performance hides that, too.
    """
    others = [v for m, v in at.items() if m in ("label_indeterminate", "label_none")]
    is_few = any(0 < system.values[v] < system.smallest_cell for v in others)
    for variable in at.values():
        is_first = is_few or system.values[variable] > 0
        system.ranks[variable] = 4 if variable not in others else 0 if is_first else DEAR


def agreement(system: System, rows: Sequence[Row]) -> None:
    """Paths, kinds and labels part the cases; panels a reader or a cut apart may differ by few."""
    _included(system, rows)
    _paths(system, rows)
    _kinds(system, rows)
    _labels(system, rows)
    # To hide that there is none of a kind helps little: it is hidden only where nothing else helps.
    zeros = [v for v, count in system.values.items() if count == 0]
    system.ranks |= {v: DEAR + 1 for v in zeros if v not in system.ranks}
    cases: dict[str, set[Variable]] = {}
    positives: dict[str, dict[str, Variable]] = {}
    for i, row in enumerate(rows):
        finding, metric, stratum = (str(row[k]) for k in ("finding", "metric", "stratum"))
        if metric in _OF_POSITIVE_READS and row["events"] is not None:
            variable: Variable = (finding, "positive_reads", int(row["events"]))
            system.bind((i, "events"), variable, int(row["events"]))
            positives.setdefault(finding, {})[stratum] = variable
        elif metric in _OF_PANELS and row["n"] is not None:
            # Panels of as many cases may be of the same: one is not shown where another is hidden.
            variable = (finding, "rated", int(row["n"]))
            system.bind((i, "n"), variable, int(row["n"]))
            cases.setdefault(finding, set()).add(variable)
    for same in cases.values():
        whole, *others = sorted(same, key=lambda v: -system.values[v])
        for other in others:
            difference(system, whole, other)
    for by_cut in positives.values():
        ordered = sorted(set(by_cut.values()), key=lambda v: -system.values[v])
        for more, fewer in pairwise(ordered):
            difference(system, more, fewer)


def label_noise(system: System, rows: Sequence[Row]) -> None:
    """Panels of enough votes are among the cases with any; and see :func:`_verified_panel`."""
    voted: dict[str, set[Variable]] = {}
    for i, row in enumerate(rows):
        stratum, _, level = str(row["stratum"]).partition("=")
        is_panel = stratum == "all" and row["metric"] in _OF_VOTES
        if (level or is_panel or stratum == "dawid_skene") and row["n"] is not None:
            variable: Variable = (str(row["finding"]), "voted", int(row["n"]))
            for column in ("n", "events"):
                if row[column] == row["n"]:
                    system.bind((i, column), variable, int(row["n"]))
            voted.setdefault(str(row["finding"]), set()).add(variable)
    for same in voted.values():
        for one, other in combinations(sorted(same, key=lambda v: -system.values[v]), 2):
            difference(system, one, other)
    _verified_panel(system, rows)


def _verified_panel(system: System, rows: Sequence[Row]) -> None:
    """What the panel got wrong is what it missed and what it called falsely."""
    for i, row in enumerate(rows):
        roles = _PANEL_ROLES.get(str(row["metric"]))
        if roles is None or row["stratum"] != "independent_reference":
            continue
        group: Variable = (str(row["finding"]), "independent_reference")
        for column, role in zip(("n", "events"), roles, strict=True):
            if row[column] is not None:
                system.bind((i, column), (*group, role), int(row[column]))
        parts = [("positives", "tp", "fn"), ("negatives", "tn", "fp"), ("wrong", "fn", "fp")]
        for whole, *terms in [*parts, ("mature", "positives", "negatives")]:
            system.add([*((1, (*group, term)) for term in terms), (-1, (*group, whole))])
        infer(system.values, group)


_OF_VOTES: Final = ("n_cases", "panel_positive_share")
"""Metrics of label noise whose ``n`` are the cases with enough votes."""
_OF_PANELS: Final = ("fleiss_kappa", "gwet_ac1", "krippendorff_alpha", "percent_agreement")
"""Statistics whose ``n`` are the cases that a whole, a reduced or a paired panel rated."""
_OF_POSITIVE_READS: Final = ("positive_read_share", "prespecified_floor_by_chance")
"""Metrics whose ``events`` are the reads that are positive."""
_READER_SUMS: Final = (
    (
        ("sensitivity_leave_one_out", "specificity_leave_one_out"),
        ("agreement_with_others_first_half", "agreement_with_others_second_half"),
    ),
    (
        ("agreement_with_others_first_half", "agreement_with_others_second_half"),
        ("agreement_with_others_change",),
    ),
)
"""Metrics whose counts come to the same: reads that others can be held against."""
_PANEL_ROLES: Final = {
    "panel_error": ("mature", "wrong"),
    "panel_sensitivity": ("positives", "tp"),
    "panel_specificity": ("negatives", "tn"),
    "panel_sensitivity_begg_greenes": ("positives", "tp"),
    "panel_specificity_begg_greenes": ("negatives", "tn"),
}
"""As in ``FIGURE_ROLES``, of the panel held against independent sources."""
