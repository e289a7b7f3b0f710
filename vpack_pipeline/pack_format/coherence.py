"""Whether the tables of a pack can be true side by side: bounds, shares, verdicts, limits, counts.

A gate asked most of this at the site; here a reviewer asks it of the tables that came. Nothing is
computed that a table does not hold. What does not belong here: what one table is (``tables``), and
what the page prints of it (``statements``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from vpack_pipeline.errors import Problem
from vpack_pipeline.pack_format.contents import problem
from vpack_pipeline.pack_format.documents import Documents, table_of
from vpack_pipeline.pack_format.tables import Table

Row = Mapping[str, Any]
Tables = Mapping[str, Table]

ENDPOINTS: Final = "evaluation/endpoints"
LIMITS: Final = "drift/limits"
STATUS: Final = "drift/status"
FLOW: Final = "eligibility/flow"
AGREEMENT: Final = "adjudication/agreement"
_LIMITS: Final = ("warning_limit", "action_limit")
_FIGURE: Final = ("estimate", "lower", "upper")
_FLOW: Final = ("total", "entered", "removed", "remaining")
_LABELS: Final = ("label_usable", "label_none")


def find(documents: Documents, tables: Tables) -> Iterator[Problem]:
    """Say which rows of the tables contradict themselves, or a row of another table.

    Parameters
    ----------
    tables : those that could be read, by asset
    """
    for table in tables.values():
        if table.is_figures:
            yield from _told(table, _bounds)
            yield from _told(table, _shares)
        if table.asset == ENDPOINTS:
            yield from _told(table, _verdict)
    yield from _flow(tables)
    if _are_of_one_cut(documents, STATUS, LIMITS):
        yield from _limits(tables)
    if _are_of_one_cut(documents, FLOW, AGREEMENT):
        yield from _labelled(tables)


def _told(table: Table, ask: Callable[[Table, Row], str | None]) -> Iterator[Problem]:
    for line, row in enumerate(table.rows, start=2):
        what = ask(table, row)
        if what is not None:
            yield problem(table_of(table.asset), f"line {line}: {what}")


def _bounds(_table: Table, row: Row) -> str | None:
    lower, upper = _number(row, "lower"), _number(row, "upper")
    if lower is not None and upper is not None and lower > upper:
        return "its lower bound lies above its upper one"
    return None


def _shares(table: Table, row: Row) -> str | None:
    if table.kind_of(row) != "share":
        return None
    values = [v for name in _FIGURE if (v := _number(row, name)) is not None]
    return None if all(0 <= v <= 1 for v in values) else "a share lies outside of 0 to 1"


def _verdict(_table: Table, row: Row) -> str | None:
    goal = _number(row, "goal")
    bounds = {"met": _number(row, "lower"), "not_met": _number(row, "upper")}
    verdict = row.get("verdict")
    if goal is None or verdict not in bounds:
        return None
    bound = bounds[verdict]
    if bound is None or (bound <= goal if verdict == "met" else bound >= goal):
        return "its verdict is not that of its bound and its goal"
    return None


def _flow(tables: Tables) -> Iterator[Problem]:
    """Hold what each rule left against what the next one was given, and all of it to its sum."""
    left: dict[Any, float] = {}
    # Rows stand in the order of rules, whatever the unit.
    for line, row in enumerate(_rows(tables, FLOW), start=2):
        unit, counts = row.get("unit"), [n for c in _FLOW if (n := _number(row, c)) is not None]
        if len(counts) < len(_FLOW):
            continue
        total, entered, removed, remaining = counts
        if entered != left.get(unit, total) or entered - removed != remaining:
            what = f"line {line}: its counts are not what the rule before left"
            yield problem(table_of(FLOW), what)
        left[unit] = remaining


def _limits(tables: Tables) -> Iterator[Problem]:
    """Hold each signal against its value and its limits, and these against the plan's."""
    planned = {row.get("monitor"): row for row in _rows(tables, LIMITS)}
    for line, row in enumerate(_rows(tables, STATUS), start=2):
        where, own = table_of(STATUS), planned.get(row.get("monitor"))
        if own is None or any(row.get(name) != own.get(name) for name in _LIMITS):
            yield problem(where, f"line {line}: its limits are not those of {LIMITS}")
        elif _signal(row) not in (None, row.get("signal")):
            yield problem(where, f"line {line}: its signal is not that of its value and limits")


def _signal(row: Row) -> str | None:
    value, warning, action = (_number(row, name) for name in ("value", *_LIMITS))
    if value is None or warning is None or action is None:
        return None
    return "action" if value > action else "warning" if value > warning else "none"


def _labelled(tables: Tables) -> Iterator[Problem]:
    """Hold the cases that labels are counted among against those that the rules left."""
    left = [r.get("remaining") for r in _rows(tables, FLOW) if r.get("unit") == "case"]
    for line, row in enumerate(_rows(tables, AGREEMENT), start=2):
        is_of_all = row.get("metric") in _LABELS and row.get("stratum") == "all"
        if left and is_of_all and row.get("n") not in (None, left[-1]):
            yield problem(table_of(AGREEMENT), f"line {line}: is of other cases than {FLOW} left")


def _rows(tables: Tables, asset: str) -> tuple[Row, ...]:
    return tables[asset].rows if asset in tables else ()


def _are_of_one_cut(documents: Documents, one: str, other: str) -> bool:
    """Tell whether no table is of another release than the other."""
    return documents.quotes.get(one) == documents.quotes.get(other)


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
