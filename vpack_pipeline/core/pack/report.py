"""Every figure that the report prints: small cells hidden, written as text, each with its origin.

The HTML gets its numbers from this table and from nowhere else. What does not belong here: words
and layout (``vpack_pipeline.report``), which figures open the report (``headline``).
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract
from vpack_pipeline.core.pack.disclosure import (
    SMALL,
    STATUS,
    Suppressed,
    is_count_row,
    suppress_all,
)
from vpack_pipeline.core.pack.headline import Printed, headline
from vpack_pipeline.errors import ContractError
from vpack_pipeline.pack_format import text
from vpack_pipeline.protocol import Disclosure, Evaluation, Finding, IndexTest

PACKAGE_DATA: Final = ("contracts",)

SCHEMA: Final = {
    "anchor": pl.String,
    "chapter": pl.String,
    "asset": pl.String,
    "row_key": pl.String,
    "column": pl.String,
    "text": pl.String,
}
CHAPTERS: Final[Mapping[str, str]] = {
    "eligibility/flow": "flow",
    "representativeness/levels": "profile",
    "representativeness/profile": "profile",
    "representativeness/match": "profile",
    "evaluation/exclusion_audit": "exclusions",
    "evaluation/transport": "performance",
    "evaluation/verification": "adjudication",
}
"""Asset → the chapter that shows it, where it is not its section's own."""
SECTION_CHAPTERS: Final[Mapping[str, str]] = {
    "cohort": "flow",
    "eligibility": "flow",
    "representativeness": "profile",
    "adjudication": "adjudication",
    "evaluation": "performance",
    "drift": "drift",
}
RANGE: Final = "given as a range: a count below {smallest} is hidden"


def report(
    *,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    disclosure: Disclosure,
    **tables: pl.DataFrame,
) -> pl.DataFrame:
    """Write every cell of every exported table as text.

    Parameters
    ----------
    tables : ``section__table`` → the whole table

    Returns
    -------
    one row per printed cell: its anchor, the chapter, where it comes from, its text; anchors that
    begin with ``first.`` are the figures of the first page
    """
    known = contracts.load()
    frames = {name.replace("__", "/", 1): frame for name, frame in tables.items()}
    smallest = disclosure.smallest_group
    suppressed = suppress_all(frames, known, smallest)
    printed = {
        asset: print_table(frame, known[asset], suppressed[asset], smallest)
        for asset, frame in sorted(frames.items())
    }
    rows = [cell for table in printed.values() for cell in _cells(table)]
    rows += list(headline(printed, findings=findings, index_test=index_test, evaluation=evaluation))
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("anchor")
    if frame["anchor"].n_unique() < frame.height:
        raise ContractError("pack/report: two figures have one anchor")
    return frame


def print_table(
    frame: pl.DataFrame, contract: Contract, suppressed: Suppressed, smallest_cell: int
) -> Printed:
    """Write what small cells leave of a table as text."""
    raw = suppressed.frame.to_dicts()
    texts = [_row_texts(row, i, suppressed, frame, smallest_cell) for i, row in enumerate(raw)]
    keys = [row_key({name: row[name] for name in contract.key}) for row in raw]
    return Printed(contract.asset, tuple(keys), tuple(raw), tuple(texts), suppressed.ranges)


def _row_texts(
    row: Mapping[str, Any], i: int, suppressed: Suppressed, frame: pl.DataFrame, smallest: int
) -> dict[str, str]:
    is_count = is_count_row(row)
    texts: dict[str, str] = {}
    has_hidden = False
    for name, value in row.items():
        mark = suppressed.marks[name][i]
        if mark is not None:
            texts[name] = f"<{smallest}" if mark == SMALL else text.HIDDEN
            has_hidden = has_hidden or mark != SMALL
        elif is_count and name in ("estimate", "lower", "upper") and value is not None:
            texts[name] = text.count(value)
        else:
            texts[name] = text.plain(value)
    if is_count and suppressed.marks["events"][i] == SMALL:
        texts["estimate"] = texts["events"]
    elif has_hidden and "reason" in texts:
        _explain(texts, i, suppressed, frame, smallest)
    return texts


def _explain(
    texts: dict[str, str], i: int, suppressed: Suppressed, frame: pl.DataFrame, smallest: int
) -> None:
    """Give the range that its counts leave a hidden share, and say so."""
    limits = suppressed.ranges.get(i)
    known = frame.row(i, named=True)
    n, estimate = known.get("n"), known.get("estimate")
    if limits and n and estimate is not None and abs(estimate - known["events"] / n) < 1e-9:
        texts["estimate"] = f"{text.number(limits[0] / n)}–{text.number(limits[1] / n)}"
        if texts.get("status") == STATUS:
            parts = [text.plain(known["reason"]), RANGE.format(smallest=smallest)]
            texts["reason"] = "; ".join(p for p in parts if p)


def row_key(values: Mapping[str, Any]) -> str:
    """Write a row's key as canonical JSON."""
    return json.dumps(
        values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_as_text
    )


def _as_text(value: Any) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in a key")


def anchor(asset: str, key: str, column: str) -> str:
    """Name a cell: stable for the same row of the same table in every pack."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{asset.replace('/', '.')}.{digest}.{column}"


def _cells(table: Printed) -> Iterator[tuple[str, ...]]:
    section = table.asset.partition("/")[0]
    chapter = CHAPTERS.get(table.asset, SECTION_CHAPTERS[section])
    for key, texts in zip(table.keys, table.texts, strict=True):
        for column, written in texts.items():
            yield anchor(table.asset, key, column), chapter, table.asset, key, column, written
