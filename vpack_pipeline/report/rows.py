"""Selecting and ordering rows of printed tables for the templates. No words and no numbers here."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpack_pipeline import contracts
from vpack_pipeline.contracts import metrics
from vpack_pipeline.core.evaluation.looks import DIFFERENCE
from vpack_pipeline.core.windows import OUTSIDE, WINDOWS
from vpack_pipeline.report import words
from vpack_pipeline.report.book import Cell, Row

PACKAGE_DATA: Final = ("contracts",)


class Notes(list[str]):
    """The notes below one table: each text once, in the order of mention.

    Their marks are letters, since a small digit after a count would be read as one of it.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.id = name
        self._marks: dict[str, str] = {}

    def mark(self, reason: Cell) -> str:
        """Give the letter of a note, adding it where it is new."""
        if reason.text not in self._marks:
            self.append(reason.__html__())
            self._marks[reason.text] = _letters(len(self))
        return self._marks[reason.text]

    def lettered(self) -> list[tuple[str, str]]:
        """List the notes, each after its letter."""
        return list(zip(self._marks.values(), self, strict=True))


def _letters(number: int) -> str:
    """Count in letters, as lists do: after z comes aa.

    >>> _letters(1), _letters(26), _letters(27)
    ('a', 'z', 'aa')
    """
    more, letter = divmod(number - 1, 26)
    return f"{_letters(more) if more else ''}{chr(ord('a') + letter)}"


def heading(column: str) -> str:
    """Name a key column in a table's head."""
    return {"model_id": "Model", "reader_id": "Reader"}.get(column, words.title({}, column))


def column_values(rows: Sequence[Row], column: str) -> list[Any]:
    """List the distinct values of a key column, windows in the order of time."""
    found = list(dict.fromkeys(r.key[column] for r in rows))
    return sorted(found, key=_WINDOW_ORDER.index) if column == "window" else found


def window_columns(
    rows: Sequence[Row], names: Mapping[str, str]
) -> list[tuple[dict[str, str], str, str]]:
    """The columns of a grid that has one for each window of the rows."""
    return [({"window": w}, names[w], "") for w in column_values(rows, "window")]


def pairs(rows: Sequence[Row], *columns: str) -> list[tuple[Any, ...]]:
    """List the distinct values of key columns taken together."""
    return list(dict.fromkeys(tuple(r.key[c] for c in columns) for r in rows))


def metrics_of(rows: Sequence[Row]) -> list[str]:
    """List the metrics of rows of one table in the order of print."""
    found = column_values(rows, "metric")
    declared = metrics.of(rows[0].asset) if rows else ()
    return [name for metric in declared for name in metric.names if name in found]


def pick(rows: Sequence[Row], **where: Any) -> list[Row]:
    """Select rows by their key."""
    found = list(rows)
    for name, value in where.items():
        found = [r for r in found if r.key[name] == value]
    return found


def largest_first(rows: Sequence[Row]) -> list[Row]:
    """Order rows by their figure, the largest first; those without one come last."""
    return sorted(rows, key=lambda r: -math.inf if (n := r["estimate"].number) is None else n)[::-1]


def fewest_and_most(rows: Sequence[Row]) -> tuple[Row, Row]:
    """Give the rows of the smallest and of the largest n."""
    ordered = sorted(rows, key=lambda r: r["n"].number or 0.0)
    return ordered[0], ordered[-1]


def but(rows: Sequence[Row], **where: Any) -> list[Row]:
    """Leave out rows by their key."""
    found = list(rows)
    for name, value in where.items():
        found = [r for r in found if r.key[name] != value]
    return found


def removing_rules(rows: Sequence[Row]) -> list[str]:
    """List the rules of the exclusion audit that remove a case, in any of the three counts."""
    counts = [r for r in rows if r.key["metric"].startswith("n_removed")]
    return list(dict.fromkeys(r.key["rule"] for r in counts if r.says("estimate") != "0"))


def goals_stated(rows: Sequence[Row]) -> list[str]:
    """List the figures of the exclusion audit for which an endpoint states a goal."""
    said = {m: pick(rows, metric=f"tipping_point_{m}") for m in ("sensitivity", "specificity")}
    return [m for m, found in said.items() if not all(r.has_code("no_goal_stated") for r in found)]


def goals_at_stake(rows: Sequence[Row]) -> list[str]:
    """List those of them of which rules say different things, or some how many errors it takes."""

    def differs(name: str) -> bool:
        said = pick(rows, metric=f"tipping_point_{name}")
        return any(r.is_given for r in said) or len({r.says("reason") for r in said}) > 1

    return [name for name in goals_stated(rows) if differs(name)]


def given_bands(rows: Sequence[Row]) -> list[str]:
    """List the kinds of bands of time to print: coarser ones where a window lacks the finer."""
    given = {r.key["stratum_kind"] for r in rows if r.is_given}
    lacking = {r.key["stratum_kind"] for r in rows if not r.is_given}
    kinds: Sequence[tuple[str, str | None]] = (
        ("weekday", None),
        ("part_of_week", "weekday"),
        ("quarter_of_day", None),
        ("half_of_day", "quarter_of_day"),
    )
    return [kind for kind, finer in kinds if kind in given and (finer is None or finer in lacking)]


def why_empty(asset: str) -> str:
    """Say why a table has no row."""
    reason = contracts.load()[asset].may_be_empty
    return f"Nothing to show: {reason}." if reason else "Nothing to show."


def moment(value: datetime.datetime) -> str:
    """Write a time to the minute, in UTC."""
    return value.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


_WINDOW_ORDER = (*WINDOWS, DIFFERENCE, OUTSIDE)

FUNCTIONS: Final = {
    "but": but,
    "column_values": column_values,
    "fewest_and_most": fewest_and_most,
    "given_bands": given_bands,
    "goals_at_stake": goals_at_stake,
    "goals_stated": goals_stated,
    "largest_first": largest_first,
    "metrics_of": metrics_of,
    "moment": moment,
    "notebook": Notes,
    "pairs": pairs,
    "pick": pick,
    "why_empty": why_empty,
    "window_columns": window_columns,
}
"""What templates call by these names."""
