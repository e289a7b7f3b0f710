"""The figures of the first page: which cell of which table opens the report, and how it is written.

Shares are written as percentages here; everything else has the text of its own table. What does
not belong here: the page's layout, or any figure that stands in no table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.core.evaluation.analysis import primary_point
from vpack_pipeline.core.pack import text
from vpack_pipeline.protocol import Evaluation, Finding, IndexTest

WINDOWS: Final = ("retrospective", "prospective")
READERS: Final = "unaided_readers"
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
FIGURE: Final = ("estimate", "lower", "upper", "n", "status", "reason")

Line = tuple[str, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Printed:
    """A table fit for print: per row its key as JSON, its values after hiding, its texts."""

    asset: str
    keys: tuple[str, ...]
    values: tuple[Mapping[str, Any], ...]
    texts: tuple[Mapping[str, str], ...]
    ranges: Mapping[int, tuple[int, int]]

    def find(self, **where: Any) -> int | None:
        """Find the row with these values; None if there is not exactly one."""
        found = [
            i
            for i, row in enumerate(self.values)
            if all(row[name] == value for name, value in where.items())
        ]
        return found[0] if len(found) == 1 else None


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


def _counts(
    printed: Mapping[str, Printed], name: str, at: Mapping[str, str], model: str
) -> Iterator[Line]:
    table = printed["evaluation/performance"]
    for metric in COUNTS:
        found = table.find(**at, model_id=model, metric=metric, stratum="all")
        yield from _lines(table, found, f"{name}.{metric}", ("estimate",))


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
    row: int | None,
    name: str,
    columns: tuple[str, ...],
    *,
    is_share: bool = False,
) -> Iterator[Line]:
    if row is None:
        return
    for column in columns:
        written = table.texts[row][column]
        if is_share and column in ("estimate", "lower", "upper"):
            written = _as_percent(table, row, column)
        yield (f"first.{name}.{column}", "first", table.asset, table.keys[row], column, written)


def _as_percent(table: Printed, row: int, column: str) -> str:
    value = table.values[row][column]
    if value is not None:
        return text.percent(value)
    written = table.texts[row][column]
    low, dash, high = written.partition("–")
    if dash:
        return f"{text.percent(float(low))}–{text.percent(float(high))}"
    return written
