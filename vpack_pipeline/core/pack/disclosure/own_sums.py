"""The sums of single tables, beside those that every figure table has (``relations``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vpack_pipeline.core.pack.disclosure import label_sums
from vpack_pipeline.core.pack.disclosure.protect import DEAR, Variable
from vpack_pipeline.core.pack.disclosure.system import (
    Cell,
    Relation,
    Row,
    System,
    difference,
    totals,
)


def _flow(system: System, rows: Sequence[Row]) -> None:
    """Entered less removed is remaining, and enters the next rule; the whole is known."""
    for i, row in enumerate(rows):
        unit, order = str(row["unit"]), int(row["rule_order"])
        total: Variable = ("total", unit)
        before = total if order <= 1 else ("left", unit, order - 1)
        left = total if order == 0 else ("left", unit, order)
        system.bind((i, "total"), total, int(row["total"]))
        system.bind((i, "entered"), before, int(row["entered"]))
        system.bind((i, "remaining"), left, int(row["remaining"]))
        system.ranks[total] = 3
        if order > 0:  # the start removes nothing, as everyone knows
            removed = ("removed", unit, order)
            system.bind((i, "removed"), removed, int(row["removed"]))
            system.add([(1, before), (-1, removed), (-1, left)])
            _flow_limits(system, i, row, removed)
    last = max((int(r["rule_order"]) for r in rows), default=0)
    system.ranks |= {("left", str(r["unit"]), last): 3 for r in rows}


def _flow_limits(system: System, i: int, row: Row, removed: Variable) -> None:
    """Those of this rule alone are among the removed, and they among all whom it touches."""
    unit, order = removed[1:]
    for column, sign in (("marginal", 1), ("unique_to_rule", -1)):
        limit: Variable = (column, unit, order)
        system.bind((i, column), limit, int(row[column]))
        system.ranks[limit] = 0
        gap = sign * (int(row[column]) - int(row["removed"]))
        if gap >= 0:
            slack: Variable = ("slack", column, unit, order)
            system.values[slack] = gap
            system.add([(sign, limit), (-sign, removed), (-1, slack)])


def _profile(system: System, rows: Sequence[Row]) -> None:
    """Bins make up a set; included and excluded make up the cohort, bin by bin."""
    bins: dict[tuple[str, ...], list[Cell]] = {}
    for i, row in enumerate(rows):
        of_set, variable = str(row["set"]), str(row["variable"])
        if row["n"] is None:
            continue
        system.bind((i, "n"), (of_set, variable, int(row["bin_order"])), int(row["n"]))
        system.bind((i, "n_total"), ("total", of_set), int(row["n_total"]))
        bins.setdefault((of_set, variable), []).append((i, "n"))
    totals(system, bins.values())
    for variable, order in sorted({(str(r["variable"]), int(r["bin_order"])) for r in rows}):
        parts = [(of_set, variable, order) for of_set in ("included", "excluded", "cohort")]
        if not all(part in system.values for part in parts):
            continue
        system.add(list(zip((1, 1, -1), parts, strict=True)))
    sets = [("total", of_set) for of_set in ("included", "excluded", "cohort")]
    system.add(list(zip((1, 1, -1), sets, strict=True)))
    system.ranks |= dict.fromkeys(sets, 3)


def _baseline(system: System, rows: Sequence[Row]) -> None:
    """The bins of a monitor make up its reference."""
    parts: dict[str, list[Cell]] = {}
    for i, row in enumerate(rows):
        if row["share"] is not None and row["events"] is not None:
            system.bind((i, "events"), ("bin", i), int(row["events"]))
            parts.setdefault(str(row["monitor"]), []).append((i, "events"))
    totals(system, parts.values())


def _analyses(system: System, rows: Sequence[Row]) -> None:
    """Analyses of the same cases differ by cases that failed or lack a label: maybe by few."""
    names = sorted({str(row["analysis"]) for row in rows} - {PRIMARY_ANALYSIS})
    for variable in sorted(system.values):
        *group, analysis, role = variable
        base = (*group, PRIMARY_ANALYSIS, role)
        if analysis in names and base in system.values:
            system.ranks[variable] = 0
            if system.values[base] == system.values[variable]:
                # Some must be: a failed inference is no hit where it counts as an error.
                system.add([(1, base), (-1, variable)])
            else:
                difference(system, base, variable)


def _points(system: System, rows: Sequence[Row]) -> None:
    """Beside all that were flagged, bounds of missing labels would tell few misses or hits."""
    _analyses(system, rows)
    keys = ("finding", "model_id", "window", "operating_point")
    few = {
        tuple(str(row[k]) for k in keys)
        for row in rows
        if row["analysis"] == PRIMARY_ANALYSIS
        and row["metric"] in _CROSSED
        and 0 < (row["events"] or 0) < system.smallest_cell
    }
    for i, row in enumerate(rows):
        if row["analysis"] in _BOUNDS and tuple(str(row[k]) for k in keys) in few:
            system.barred |= {(i, "n"), (i, "events")}


_CROSSED: Final = ("tp", "fp", "fn", "tn")
_BOUNDS: Final = ("worst_case", "best_case")


def _relabelled(system: System, rows: Sequence[Row]) -> None:
    """Flipping undecided cases moves them from none to one class: maybe few."""
    for variable in sorted(system.values):
        *group, variation, _, role = variable
        base = (*group, "as_labelled", "all", role)
        if variation == "undecided" and base in system.values:
            system.ranks[variable] = 0
            difference(system, base, variable)


def _completed(system: System, rows: Sequence[Row]) -> None:
    """The AUC over completed inferences leaves out those that failed: maybe few."""
    for i, row in enumerate(rows):
        if row["metric"] != "auc_completed_only":
            continue
        group = tuple(str(row[k]) for k in ("finding", "model_id", "window", "stratum"))
        for column, role in (("n", "decided"), ("events", "positives")):
            if row[column] is not None and (*group, role) in system.values:
                system.bind((i, column), (*group, "completed", role), int(row[column]))
                difference(system, (*group, role), (*group, "completed", role))


def _audit(system: System, rows: Sequence[Row]) -> None:
    """A figure with a rule's few cases back in gives them away beside the figure without."""
    few: dict[tuple[str, ...], set[str]] = {}
    for row in rows:
        if row["metric"] in BARS and row["events"] and row["events"] < system.smallest_cell:
            few.setdefault(_audited(row), set()).update(BARS[row["metric"]])
    for i, row in enumerate(rows):
        if any(part in row["metric"] for part in few.get(_audited(row), ())):
            system.barred |= {(i, "n"), (i, "events")}


def _integrity(system: System, rows: Sequence[Row]) -> None:
    """Beside totals of other tables, the units of a rule would give away its few violations."""
    for i, row in enumerate(rows):
        if row["n"] is not None and row["events"] and row["events"] < system.smallest_cell:
            system.barred.add((i, "n"))


def _audited(row: Row) -> tuple[str, ...]:
    return tuple(str(row[k]) for k in ("rule", "finding", "model_id", "window"))


def _statuses(system: System, rows: Sequence[Row]) -> None:
    """Every case has one status of inference."""
    groups: dict[tuple[str, ...], dict[str, Cell]] = {}
    for i, row in enumerate(rows):
        if str(row["metric"]).startswith("n_") and row["events"] is not None:
            group = tuple(str(row[k]) for k in ("finding", "model_id", "window", "stratum"))
            system.bind((i, "events"), (*group, str(row["metric"])), int(row["events"]))
            groups.setdefault(group, {})[str(row["metric"])] = (i, "events")
            if row["n"] is not None:
                system.bind((i, "n"), (*group, "n_cases"), int(row["n"]))
    for group, cells in groups.items():
        whole = (*group, "n_cases")
        system.ranks[whole] = 3
        parts = [(1, system.cells[c]) for m, c in cells.items() if m != "n_cases"]
        system.add([*parts, (-1, whole)])


def _transport(system: System, rows: Sequence[Row]) -> None:
    """Mature cases have a weight or none, and those without it lack a value or a cell."""
    part = "share_weight_zero_"
    for i, row in enumerate(rows):
        group = tuple(str(row[k]) for k in ("finding", "model_id", "window", "operating_point"))
        metric = str(row["metric"])
        if metric == "effective_sample_size" and row["status"] == "given":
            system.bind((i, "n"), (*group, "weighed"), int(row["n"]))
        elif metric == "n_weight_zero" and row["events"] is not None:
            system.bind((i, "n"), (*group, "mature"), int(row["n"]))
            system.bind((i, "events"), (*group, "zero"), int(row["events"]))
            system.ranks[(*group, "mature")] = 3
            system.add([(1, (*group, v)) for v in ("weighed", "zero")] + [(-1, (*group, "mature"))])
            parts = [(1, (*group, part + v)) for v in ("missing_value", "not_in_target")]
            system.add([*parts, (-1, (*group, "zero"))])
        elif metric.startswith(part) and row["events"] is not None:
            system.bind((i, "n"), (*group, "mature"), int(row["n"]))
            system.bind((i, "events"), (*group, metric), int(row["events"]))


def _outcomes(system: System, rows: Sequence[Row]) -> None:
    """Outcomes make up what was delivered, kinds and reasons an outcome, engines each of them."""
    for i, row in enumerate(rows):
        here: Variable = (str(row["outcome"]), str(row["detail"]))
        files: Variable = ("n_files", *here)
        for column in ("n_files", *_OF_ENGINES):
            count = int(row[column])
            # What one engine read alone is one count, not two that tell each other.
            is_same = column in _OF_ENGINES and count == row["n_files"] > 0
            system.bind((i, column), files if is_same else (column, *here), count)
            if not is_same:
                system.ranks[column, *here] = 0 if count else DEAR
        system.ranks[files] = 3 if here[1] == "all" else 1
        engines = [system.cells[i, column] for column in _OF_ENGINES]
        if files not in engines:
            system.add([*((1, v) for v in engines), (-1, files)])
        if here[1] == CONFLICT:
            # The files of a conflict are two at least: half of them tells how many images it took.
            twos, odd = divmod(int(row["n_files"]), 2)
            system.values["twos", *here] = twos
            system.add([(2, ("twos", *here)), (-1, files)], -odd)
    for i, row in enumerate(rows):
        if row["detail"] == "all":
            parts = [j for j, other in enumerate(rows) if _is_part(other, row)]
            for column in ("n_files", *_OF_ENGINES) if parts else ():
                terms = [(1, system.cells[j, column]) for j in parts]
                system.add([*terms, (-1, system.cells[i, column])])


def _is_part(row: Row, of: Row) -> bool:
    """Whether a row is part of one that is whole."""
    if of["outcome"] == DELIVERED:
        return bool(row["outcome"] != DELIVERED and row["detail"] == "all")
    return bool(row["outcome"] == of["outcome"] and row["detail"] != "all")


_OF_ENGINES: Final = ("n_walker", "n_pydicom", "n_dicomweb", "n_unread")
DELIVERED, CONFLICT = "DELIVERED", "DUP_SOP_CONFLICT"
OWN_VARIABLES: Final = frozenset({"evaluation/verification", "evaluation/failures"})
"""Tables whose relation names all their counts."""
PRIMARY_ANALYSIS: Final = "intention_to_diagnose"
_OPEN_CASES: Final = (
    "_worst_case",
    "_best_case",
    "tipping_point",
    "mean_score_excluded",
    "s_lost",
    "n_removed_only",
)
BARS: Final[Mapping[str, tuple[str, ...]]] = {
    "n_removed": ("_observed", "_case", "tipping_point", "mean_score_excluded"),
    "n_removed_only": ("_observed", "_case", "tipping_point", "mean_score_excluded"),
    "n_positives_lost": ("sensitivity", "auc"),
    "n_negatives_lost": ("specificity", "auc"),
    "n_undecided": _OPEN_CASES,
    "n_without_score": _OPEN_CASES,
}
"""Count of cases put back by the exclusion audit → parts of the names of metrics that would give a
small one away."""

RELATIONS: Final[Mapping[str, Relation]] = {
    "adjudication/agreement": label_sums.agreement,
    "adjudication/label_noise": label_sums.label_noise,
    "adjudication/reader_performance": label_sums.readers,
    "evaluation/error_attribution": label_sums.attributed,
    "evaluation/failures": _statuses,
    "evaluation/transport": _transport,
    "evaluation/verification": label_sums.verification,
    "cohort/outcomes": _outcomes,
    "drift/baseline": _baseline,
    "eligibility/flow": _flow,
    "evaluation/exclusion_audit": _audit,
    "evaluation/integrity": _integrity,
    "evaluation/label_sensitivity": _relabelled,
    "evaluation/operating_points": _points,
    "evaluation/performance": _completed,
    "representativeness/profile": _profile,
}
"""Asset → its sums, beside those that every figure table has."""
