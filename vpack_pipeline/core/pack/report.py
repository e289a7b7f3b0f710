"""Every figure that the report prints, written as text, each with its origin.

The HTML gets its numbers from this table and from nowhere else. What does not belong here: words
and layout (``vpack_pipeline.report``), which figures open the report (``headline``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract, codes, metrics
from vpack_pipeline.contracts.shapes import CODES, FIGURE, METRIC
from vpack_pipeline.core.pack.headline import Printed, headline
from vpack_pipeline.errors import ContractError
from vpack_pipeline.pack_format.figures import row_anchor, row_key, row_texts
from vpack_pipeline.protocol import Evaluation, Finding, IndexTest

PACKAGE_DATA: Final = ("contracts",)

SCHEMA: Final = {
    "anchor": pl.String,
    "chapter": pl.String,
    "asset": pl.String,
    "row_key": pl.String,
    "column": pl.String,
    "text": pl.String,
    "codes": pl.String,
}
SECTION_CHAPTERS: Final[Mapping[str, str]] = {
    "cohort": "flow",
    "eligibility": "flow",
    "representativeness": "profile",
    "adjudication": "adjudication",
    "evaluation": "performance",
    "drift": "drift",
}
"""Section → the chapter that shows its tables, where a contract says no other."""


def report(
    *,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
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
    printed = {asset: print_table(frame, known[asset]) for asset, frame in sorted(frames.items())}
    rows = [cell for table in printed.values() for cell in _cells(table)]
    rows += list(headline(printed, findings=findings, index_test=index_test, evaluation=evaluation))
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("anchor")
    if frame["anchor"].n_unique() < frame.height:
        raise ContractError("pack/report: two figures have one anchor")
    return frame


def print_table(frame: pl.DataFrame, contract: Contract) -> Printed:
    """Write a table as text."""
    values = frame.to_dicts()
    texts = [_row_texts(row, contract) for row in values]
    keys = [row_key({name: row[name] for name in contract.key}) for row in values]
    return Printed(contract.asset, tuple(keys), tuple(values), tuple(texts))


def _row_texts(row: Mapping[str, Any], contract: Contract) -> dict[str, str]:
    is_count = (
        contract.shape == FIGURE and metrics.find(contract.asset, row[METRIC]).kind == "count"
    )
    return row_texts(row, is_count=is_count, sentences=codes.sentences)


def _cells(table: Printed) -> Iterator[tuple[str | None, ...]]:
    section = table.asset.partition("/")[0]
    chapter = contracts.load()[table.asset].chapter or SECTION_CHAPTERS[section]
    for key, raw, texts in zip(table.keys, table.values, table.texts, strict=True):
        row = row_anchor(table.asset, key)
        for column, written in texts.items():
            said = raw[column] if column in CODES else None
            place = (f"{row}.{column}", chapter, table.asset, key, column)
            yield (*place, written, said)
