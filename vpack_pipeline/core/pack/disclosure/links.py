"""Which counts of several tables are the same count, or add up.

Found by what they count and by their value. What does not belong here: tables on readers and labels
(``label_links``), the system that they make (``joint``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from vpack_pipeline.core.pack.disclosure.joint import BASES, Joint, Place
from vpack_pipeline.core.pack.disclosure.label_links import link_labels
from vpack_pipeline.core.pack.disclosure.own_sums import PRIMARY_ANALYSIS
from vpack_pipeline.core.pack.disclosure.protect import Equation, Variable
from vpack_pipeline.core.pack.disclosure.system import Row, System
from vpack_pipeline.core.windows import WINDOWS

Context = tuple[str, str, str]
"""Finding, window and stratum."""
_DIFFERENCE: Final = "_difference"
_FLOW, _PROFILE = "eligibility/flow", "representativeness/profile"
_AUDIT, _INTEGRITY = "evaluation/exclusion_audit", "evaluation/integrity"
_WHOLE_METRICS: Final = ("n_", "sensitivity", "specificity", "prevalence", "auc", "flagged_per")


def join(systems: Mapping[str, System], rows: Mapping[str, Sequence[Row]], smallest: int) -> Joint:
    """Make one system of the systems of all tables.

    Parameters
    ----------
    systems, rows : by asset
    smallest : the smallest cell

    Returns
    -------
    the joint system; its variables begin with the asset that names them
    """
    joint = Joint(smallest, rows)
    for asset, system in sorted(systems.items()):
        joint.values |= {(asset, *v): n for v, n in system.values.items()}
        joint.ranks |= {(asset, *v): r for v, r in system.ranks.items()}
        # A barred cell is never printed: it helps no attacker and is no reason to hide another.
        shown = {place: v for place, v in system.cells.items() if place not in system.barred}
        joint.cells |= {(asset, i, c): (asset, *v) for (i, c), v in shown.items()}
        joint.equations += [
            Equation(tuple((c, (asset, *v)) for c, v in e.terms), e.total) for e in system.equations
        ]
    _link_cohort(joint)
    link_labels(joint)
    _link_differences(joint)
    _link_audit(joint)
    _link_integrity(joint)
    joint.close()
    # Only now, so that copies follow what is hidden and cause no hiding of their own.
    _link_figures(joint)
    return joint


def contexts(row: Row) -> Iterator[Context]:
    """Say of which cases a row may be: a row of a pair of windows, of either."""
    window, metric = str(row.get("window", "")), str(row["metric"])
    named = [w for w in WINDOWS if metric.endswith(w)] or [window]
    for one in named if named[0] in WINDOWS else WINDOWS:
        yield str(row["finding"]), one, str(row.get("stratum", "all"))


def figure_rows(joint: Joint) -> Iterator[tuple[str, int, Row]]:
    """Give the rows of figures on findings, those of the bases first."""
    order = {asset: i for i, asset in enumerate(BASES)}
    for asset in sorted(joint.rows, key=lambda a: (order.get(a, len(order)), a)):
        for i, row in enumerate(joint.rows[asset]):
            if {"finding", "metric", "n", "events"} <= row.keys():
                yield asset, i, row


def _link_figures(joint: Joint) -> None:
    """Find, by finding, window, stratum and value, which cells repeat a count of the bases."""
    pairs: dict[tuple[Context, int, int], tuple[Variable, Variable]] = {}
    wholes: dict[Context, dict[int, Variable]] = {}
    for asset, i, row in figure_rows(joint):
        is_base = asset in BASES and row.get("analysis", PRIMARY_ANALYSIS) == PRIMARY_ANALYSIS
        n, events = joint.cells.get((asset, i, "n")), joint.cells.get((asset, i, "events"))
        for context in contexts(row):
            known = wholes.setdefault(context, {})
            _unite_pair(joint, pairs, context, n, events)
            for variable in (n, events) if _counts_whole(row) else (n,):
                if variable is None or joint.values[variable] < joint.smallest_cell:
                    continue
                value = joint.values[variable]
                if value in known:
                    joint.unite(known[value], variable)
                elif is_base and _counts_whole(row):
                    known[value] = variable


def _counts_whole(row: Row) -> bool:
    return str(row["metric"]).startswith(_WHOLE_METRICS)


def _unite_pair(
    joint: Joint,
    pairs: dict[tuple[Context, int, int], tuple[Variable, Variable]],
    context: Context,
    n: Variable | None,
    events: Variable | None,
) -> None:
    if n is None or events is None or joint.values[n] < joint.smallest_cell:
        return
    ours = (n, events)
    theirs = pairs.setdefault((context, joint.values[n], joint.values[events]), ours)
    joint.unite(theirs[0], n)
    if joint.values[events] >= joint.smallest_cell:
        joint.unite(theirs[1], events)


def _link_cohort(joint: Joint) -> None:
    """Flow, profile and the cases of the windows are of the same cohort."""
    flow = joint.rows.get(_FLOW, ())
    last = max((int(r["rule_order"]) for r in flow), default=0)
    ends = {
        column: joint.cells[_FLOW, i, column]
        for i, r in enumerate(flow)
        for column in ("total", "remaining")
        if r["unit"] == "case" and int(r["rule_order"]) == last
    }
    windows = {
        (window, str(row["stratum"])): joint.cells[asset, i, "events"]
        for asset, i, row in figure_rows(joint)
        if asset in BASES and row["metric"] == "n_cases" and row["events"] is not None
        for window in [str(row["window"])]
        if "stratum" in row
    }
    for i, row in enumerate(joint.rows.get(_PROFILE, ())):
        of_set = str(row["set"])
        if row["n"] is None:
            continue
        end = {"cohort": "total", "included": "remaining"}.get(of_set)
        if end in ends:
            joint.unite(ends[end], joint.cells[_PROFILE, i, "n_total"])
        level = f"{row['variable']}={row['bin']}"
        parts = [windows[w, level] for w in WINDOWS if (w, level) in windows]
        if of_set == "included" and len(parts) == len(WINDOWS):
            joint.add([*((1, v) for v in parts), (-1, joint.cells[_PROFILE, i, "n"])])
    parts = [windows[w, "all"] for w in WINDOWS if (w, "all") in windows]
    if "remaining" in ends and len(parts) == len(WINDOWS):
        joint.add([*((1, v) for v in parts), (-1, ends["remaining"])])


def differences(joint: Joint) -> Iterator[tuple[Place, list[Place]]]:
    """Give each row of a difference with the rows of its two sides, columns left empty."""
    asset = "evaluation/comparison"
    rows = joint.rows.get(asset, ())
    where = {
        (r["finding"], r["model_id"], r["operating_point"], r["metric"]): i
        for i, r in enumerate(rows)
    }
    for (*group, metric), i in where.items():
        if metric.endswith(_DIFFERENCE):
            stem = metric.removesuffix(_DIFFERENCE)
            sides = [where.get((*group, f"{stem}_{w}")) for w in WINDOWS]
            yield (asset, i, ""), [(asset, s, "") for s in sides if s is not None]
    for asset, i, row in figure_rows(joint):
        if asset == "evaluation/endpoints" and row["metric"].endswith(_DIFFERENCE):
            for j, other in enumerate(rows):
                same = ("finding", "metric", "n", "events")
                if row["n"] and all(row[c] == other[c] for c in same):
                    yield (asset, i, ""), [("evaluation/comparison", j, "")]


def _link_differences(joint: Joint) -> None:
    """The counts of a difference are those of both sides together."""
    for (asset, i, _), sides in differences(joint):
        for column in ("n", "events"):
            places = [(a, j, column) for a, j, _ in sides]
            if (asset, i, column) in joint.cells and all(p in joint.cells for p in places):
                parts = [(1, joint.cells[p]) for p in places]
                joint.add([*parts, (-1, joint.cells[asset, i, column])])


def _link_audit(joint: Joint) -> None:
    """Cases that come back are positive, negative or lack a label or score: maybe few lack one."""
    groups: dict[tuple[str, ...], dict[str, int]] = {}
    for i, row in enumerate(joint.rows.get(_AUDIT, ())):
        group = tuple(str(row[k]) for k in ("rule", "finding", "model_id", "window"))
        groups.setdefault(group, {})[str(row["metric"])] = i
    for group, at in groups.items():
        back = joint.cells.get((_AUDIT, at.get("n_removed_only", -1), "events"))
        lost = [
            joint.cells.get((_AUDIT, at.get(f"n_{c}_lost", -1), "events"))
            for c in ("positives", "negatives")
        ]
        parts = [v for v in lost if v is not None]
        if back is None or len(parts) < len(lost):
            continue
        rest: Variable = ("unlabelled", *group)
        joint.values[rest] = joint.values[back] - sum(joint.values[v] for v in parts)
        joint.add([*((1, v) for v in parts), (1, rest), (-1, back)])
        for variant in ("observed", "worst_case", "best_case"):
            ns = [
                joint.cells.get((_AUDIT, at.get(f"{m}_{variant}", -1), "n"))
                for m in ("sensitivity", "specificity", "auc")
            ]
            if all(v is not None for v in ns):
                joint.add(list(zip((1, 1, -1), (v for v in ns if v is not None), strict=True)))


def _link_integrity(joint: Joint) -> None:
    """Rules look at nearly the same cases: the few by which they differ are failures and such."""
    own = {
        joint.cells[_INTEGRITY, i, "n"]
        for i, r in enumerate(joint.rows.get(_INTEGRITY, ()))
        if (_INTEGRITY, i, "n") in joint.cells
    }
    others = {
        joint.cells[asset, i, column]
        for asset, i, row in figure_rows(joint)
        if asset in BASES[:1] and row["metric"] in ("n_cases", "n_patients") and row["events"]
        for column in ("events",)
    }
    flow: Sequence[Row] = joint.rows.get(_FLOW, ())
    others |= {joint.cells[_FLOW, i, "remaining"] for i in range(max(0, len(flow) - 3), len(flow))}
    ordered = sorted(own, key=str)
    for k, one in enumerate(ordered):
        joint.ranks[one] = 0
        for other in [*ordered[k + 1 :], *sorted(others, key=str)]:
            if joint.values[one] == joint.values[other] >= joint.smallest_cell:
                joint.unite(other, one)
            else:
                joint.apart(one, other)
    _link_patients(joint)


def _link_patients(joint: Joint) -> None:
    """Patients of both windows are counted twice when the windows are added."""
    both = next(
        (
            i
            for i, r in enumerate(joint.rows.get(_INTEGRITY, ()))
            if r["rule"] == "disjoint_patients"
        ),
        None,
    )
    if both is None or any((_INTEGRITY, both, c) not in joint.cells for c in ("n", "events")):
        return
    by_window: dict[str, Variable] = {}
    for asset, i, row in figure_rows(joint):
        is_whole = asset == BASES[0] and row["stratum"] == "all" and row["metric"] == "n_patients"
        if is_whole and (asset, i, "events") in joint.cells:
            by_window.setdefault(str(row["window"]), joint.cells[asset, i, "events"])
    parts = [(1, v) for v in by_window.values()]
    whole = [(-1, joint.cells[_INTEGRITY, both, c]) for c in ("n", "events")]
    joint.add([*parts, *whole])
