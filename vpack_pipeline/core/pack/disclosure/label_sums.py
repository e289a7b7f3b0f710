"""The sums of tables on reads and labels: who read, who agreed, whose label, and whose error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Final

from vpack_pipeline.core.pack.disclosure.protect import Variable
from vpack_pipeline.core.pack.disclosure.system import (
    Cell,
    Relation,
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


def _parted(over: str, whole: str) -> Relation:
    """Make the relation of a table whose rows part, level by level, what one row holds whole."""

    def relation(system: System, rows: Sequence[Row]) -> None:
        groups: dict[tuple[str, ...], list[Cell]] = {}
        for i, row in enumerate(rows):
            group = tuple(str(row[k]) for k in _PARTED_KEYS if k in row and k != over)
            for column in ("n", "events"):
                if row[column] is not None:
                    variable = ("parted", *group, column, str(row[over]))
                    system.bind((i, column), variable, int(row[column]))
                    groups.setdefault((*group, column), []).append((i, column))
        for cells in groups.values():
            signs = [-1 if str(rows[i][over]) == whole else 1 for i, _ in cells]
            if len(set(signs)) == 2:
                system.add([(s, system.cells[cell]) for s, cell in zip(signs, cells, strict=True)])

    return relation


def attributed(system: System, rows: Sequence[Row]) -> None:
    """States of the panel make up all cases; misses and false alarms, the disagreements of each."""
    _parted("panel_state", "all")(system, rows)
    keys = (*_ATTRIBUTED_KEYS, "metric")
    at = {tuple(str(row[k]) for k in keys): i for i, row in enumerate(rows)}
    for *place, state, assumption in sorted({key[:-1] for key in at}):
        here, whole = (*place, state, assumption), (*place, "all", assumption)
        for sums in (
            ((1, here, "false_positives", "events"), (1, here, "false_negatives", "events")),
            ((1, here, "share_of_disagreements", "events"),),
        ):
            _balance(system, at, (*sums, (-1, here, "disagreement", "events")))
        share = (1, here, "share_of_disagreements", "n")
        _balance(system, at, (share, (-1, whole, "disagreement", "events")))
        cases = (1, here, "n_cases", "events")
        _balance(system, at, (cases, (-1, here, "disagreement", "n")))


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


def readers(system: System, rows: Sequence[Row]) -> None:
    """Readers make up all readers; and the same reads stand by label of the others and by half."""
    _parted("reader_id", "all")(system, rows)
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


def agreement(system: System, rows: Sequence[Row]) -> None:
    """Paths and kinds part the cases; panels that differ by a reader or a cut may by few."""
    _paths(system, rows)
    _kinds(system, rows)
    cases: dict[str, set[Variable]] = {}
    positives: dict[str, dict[str, Variable]] = {}
    for i, row in enumerate(rows):
        finding, metric, stratum = (str(row[k]) for k in ("finding", "metric", "stratum"))
        if metric == "positive_read_share" and row["events"] is not None:
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
_PARTED_KEYS: Final = (
    "finding",
    "model_id",
    "window",
    "metric",
    "panel_state",
    "assumption",
    "reader_id",
)
_ATTRIBUTED_KEYS: Final = ("finding", "model_id", "window", "panel_state", "assumption")
