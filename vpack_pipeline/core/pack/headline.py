"""The figures of the first page: which cell of which table opens the report, and how it is written.

Shares are written as percentages here; everything else has the text of its own table. What does
not belong here: the page's layout, or any figure that stands in no table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.contracts import metrics
from vpack_pipeline.contracts.shapes import CODES
from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.unaided import READERS
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.pack_format.figures import (
    COUNT_OF_DIFFERENT,
    COUNT_OF_ROWS,
    EARLIEST,
    row_key,
    shares,
    tally,
)
from vpack_pipeline.protocol import Evaluation, Finding, IndexTest

COUNTS: Final = (
    "n_patients",
    "n_cases",
    "n_positive",
    "n_negative",
    "n_indeterminate",
    "n_undecided",
    "n_failed",
    "n_immature",
)
SHARES: Final = ("sensitivity", "specificity")
BURDEN: Final = ("flagged_per_1000", "missed_per_1000", "false_alarms_per_1000")
FIGURE: Final = ("estimate", "lower", "upper", "n", "status", "reason", "notes")
IN_PERCENT: Final[Mapping[str, Callable[[Mapping[str, Any]], bool]]] = {
    "adjudication/agreement": lambda row: (
        row["stratum"] == "all"
        and row["metric"]
        in {"percent_agreement", "positive_agreement", "positive_read_share", "label_usable"}
    ),
    "evaluation/comparison": lambda row: (
        row["metric"] in {"sensitivity_difference", "specificity_difference"}
    ),
    "evaluation/endpoints": lambda row: (
        row["metric"] == "planned_power"
        or (row["is_headline"] and not row["metric"].startswith("auc"))
    ),
    "evaluation/error_attribution": lambda row: (
        row["metric"] == "share_not_separable"
        or (row["metric"] == "share_of_disagreements" and row["panel_state"] != "all")
    ),
    "evaluation/exclusion_audit": lambda row: row["metric"].startswith(
        (*SHARES, "tipping_share_", "missed_share_", "false_alarm_share_")
    ),
    "evaluation/predictive_values": lambda row: row["stratum_kind"] != "prevalence",
    "evaluation/subgroups": lambda row: row["metric"] in SHARES,
    "evaluation/transport": lambda row: row["metric"] == "share_weight_zero_not_in_target",
    "evaluation/verification": lambda row: (
        row["metric"] == "share_verified"
        and row["source"] not in {"any", "panel"}
        and row["call"] in {"positive", "negative"}
    ),
    "representativeness/match": lambda row: row["metric"] == "unsupported_share",
}
"""Rows of other tables that the first page, or a chapter's first lines, show as percentages."""
SIZE: Final = "size."
"""What names of changes begin with that are written without unit and sign."""

Line = tuple[str, str, str, str, str, str, str | None]


@dataclass(frozen=True, slots=True)
class Printed:
    """A table fit for print: per row its key as JSON, its values, its texts."""

    asset: str
    keys: tuple[str, ...]
    values: tuple[Mapping[str, Any], ...]
    texts: tuple[Mapping[str, str], ...]

    def find(self, **where: Any) -> int:
        """Find the one row with these values.

        Raises
        ------
        LookupError
            There is none, or there are several: the first page may not pass over a figure.
        """
        found = [
            i
            for i, row in enumerate(self.values)
            if all(row[name] == value for name, value in where.items())
        ]
        if len(found) != 1:
            raise LookupError(f"{self.asset} has {len(found)} rows with {where}")
        return found[0]


def headline(
    printed: Mapping[str, Printed],
    *,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
) -> Iterator[Line]:
    """Give the lines of ``pack/report`` that the first page is made of."""
    model = index_test.primary.id
    for finding in findings:
        point = primary_point(evaluation, finding.name, model)
        for window in WINDOWS:
            name = f"{finding.name}.{window}"
            at = {"finding": finding.name, "window": window}
            yield from _counts(printed, name, at, model)
            yield from _readers(printed, name, at)
            if point is not None:
                at |= {"model_id": model, "operating_point": point.name}
                yield from _at_threshold(printed, name, at)
    yield from _in_percent(printed)
    yield from _sizes(printed)
    yield from _conduct(printed)
    yield from _drift(printed)


def _in_percent(printed: Mapping[str, Printed]) -> Iterator[Line]:
    for asset, is_shown in IN_PERCENT.items():
        table = printed[asset]
        for i, row in enumerate(table.values):
            if is_shown(row):
                name = f"{asset.replace('/', '.')}.{_digest(table.keys[i])}"
                columns = [c for c in (*FIGURE, "goal") if c in row]
                yield from _lines(table, i, name, tuple(columns), is_share=True)


def _sizes(printed: Mapping[str, Printed]) -> Iterator[Line]:
    """How far each share changed after the lock: the words beside it say which way."""
    asset = "evaluation/comparison"
    table = printed[asset]
    for i, row in enumerate(table.values):
        if IN_PERCENT[asset](row) and row["estimate"] is not None:
            place = f"first.{SIZE}{asset.replace('/', '.')}.{_digest(table.keys[i])}"
            for column in ("estimate", "lower", "upper"):
                written = "" if row[column] is None else shares(row[column]).size
                yield (f"{place}.{column}", "first", asset, table.keys[i], column, written, None)


def _conduct(printed: Mapping[str, Printed]) -> Iterator[Line]:
    """How many rules of conduct are broken, and how many cannot be assessed, of how many."""
    rules = printed["evaluation/integrity"]
    yield _tally("conduct.broken", rules, {"verdict": "broken"}, COUNT_OF_ROWS)
    yield _tally("conduct.not_assessable", rules, {"verdict": "not_assessable"}, COUNT_OF_ROWS)
    yield _tally("conduct.rules", rules, {}, COUNT_OF_ROWS)


def _drift(printed: Mapping[str, Printed]) -> Iterator[Line]:
    """How many monitors ever gave an action signal, of how many, and since when."""
    status, monitors = printed["drift/status"], f"{COUNT_OF_DIFFERENT}monitor"
    acting = {"signal": "action"}
    yield _tally("drift.action", status, acting, monitors)
    yield _tally("drift.since", status, acting, f"{EARLIEST}window_start")
    yield _tally("drift.monitors", printed["drift/plan"], {}, monitors)


def _tally(name: str, table: Printed, where: Mapping[str, str], column: str) -> Line:
    """Write what the rows with these values give together."""
    rows = [row for row in table.values if where.items() <= row.items()]
    written = tally(column, rows)
    return (f"first.{name}", "first", table.asset, row_key(where), column, written, None)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _counts(
    printed: Mapping[str, Printed], name: str, at: Mapping[str, str], model: str
) -> Iterator[Line]:
    table = printed["evaluation/performance"]
    for metric in COUNTS:
        found = table.find(**at, model_id=model, metric=metric, stratum="all")
        yield from _lines(table, found, f"{name}.{metric}", ("estimate",))
    found = table.find(**at, model_id=model, metric="auc", stratum="all")
    yield from _lines(table, found, f"{name}.decided", ("n",))


def _readers(printed: Mapping[str, Printed], name: str, at: Mapping[str, str]) -> Iterator[Line]:
    table = printed["evaluation/performance"]
    for metric in SHARES:
        found = table.find(**at, model_id=READERS, metric=metric, stratum="all")
        yield from _lines(table, found, f"{name}.readers.{metric}", FIGURE, is_share=True)


def _at_threshold(
    printed: Mapping[str, Printed], name: str, at: Mapping[str, str]
) -> Iterator[Line]:
    table = printed["evaluation/operating_points"]
    for metric in SHARES:
        for analysis in ("intention_to_diagnose", "worst_case", "best_case"):
            found = table.find(**at, metric=metric, analysis=analysis)
            yield from _lines(table, found, f"{name}.{metric}.{analysis}", FIGURE, is_share=True)
    for metric in BURDEN:
        found = table.find(**at, metric=metric, analysis="intention_to_diagnose")
        yield from _lines(table, found, f"{name}.{metric}", FIGURE)


def _lines(
    table: Printed,
    row: int,
    name: str,
    columns: tuple[str, ...],
    *,
    is_share: bool = False,
) -> Iterator[Line]:
    for column in columns:
        written = table.texts[row][column]
        if is_share and column in ("estimate", "lower", "upper", "goal"):
            written = _as_percent(table, row, column)
        said = table.values[row][column] if column in CODES else None
        place = (f"first.{name}.{column}", "first", table.asset, table.keys[row], column)
        yield (*place, written, said)


def _as_percent(table: Printed, row: int, column: str) -> str:
    values = table.values[row]
    if values[column] is None:
        return table.texts[row][column]
    written = shares(values[column])
    if column in ("lower", "upper"):
        return written.bare
    is_difference = metrics.find(table.asset, values["metric"]).kind == "difference"
    is_margin = column == "goal" and values.get("comparison") == "non_inferiority"
    return written.points if is_difference or is_margin else written.percent
