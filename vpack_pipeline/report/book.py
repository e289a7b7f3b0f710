"""The printed figures, found by table, row and column; the only way for a number into the HTML.

A figure that is not in ``pack/report`` is an error, never a blank. What does not belong here:
layout (``templates``), words for metrics (``words``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from vpack_pipeline import contracts
from vpack_pipeline.core.pack.text import HIDDEN, NOTHING
from vpack_pipeline.errors import ContractError


@dataclass(frozen=True, slots=True)
class Cell:
    """One printed figure; as HTML it carries its anchor, by which its origin is found."""

    anchor: str
    text: str

    def __html__(self) -> Markup:
        """Print the text under its anchor, a dash where there is nothing."""
        shown = self.text if self.text != NOTHING else "–"
        return Markup('<span data-anchor="{}">{}</span>').format(self.anchor, shown)

    def __str__(self) -> str:
        """The text alone."""
        return self.text

    def __bool__(self) -> bool:
        """Whether there is anything to print."""
        return self.text != NOTHING

    @property
    def number(self) -> float | None:
        """What the text says as a number; None where it is none (hidden, a range, nothing)."""
        plain = self.text.replace("−", "-").replace(",", "").removesuffix("%")
        try:
            return float(plain)
        except ValueError:
            return None


class Row:
    """A row of a table: its key, and its cells by column."""

    def __init__(self, asset: str, key: Mapping[str, Any], cells: dict[str, Cell]) -> None:
        self.asset = asset
        self.key = key
        self.cells = cells

    def __getitem__(self, column: str) -> Cell:
        """Find a cell.

        Raises
        ------
        ContractError
            The table has no such column.
        """
        if column not in self.cells:
            raise ContractError(f"report: {self.asset} has no printed column {column!r}")
        return self.cells[column]

    def says(self, column: str) -> str:
        """The text of a cell."""
        return self[column].text

    @property
    def interval(self) -> Markup:
        """Estimate and bounds, or the estimate's own text where there are no bounds."""
        estimate, lower, upper = (self[c] for c in ("estimate", "lower", "upper"))
        has_bounds = lower.number is not None and upper.number is not None
        bounds = Markup(' <span class="ci">({} to {})</span>').format(lower, upper)
        return Markup("{}{}").format(estimate, bounds if has_bounds else "")

    @property
    def is_given(self) -> bool:
        """Whether the row has a figure in print."""
        return bool(self["estimate"]) and self["estimate"].text != HIDDEN


class Book:
    """All printed figures of one pack."""

    def __init__(self, report: pl.DataFrame) -> None:
        found: dict[str, dict[str, dict[str, Cell]]] = {}
        self._first: dict[str, Cell] = {}
        for row in report.iter_rows(named=True):
            cell = Cell(row["anchor"], row["text"])
            if row["anchor"].startswith("first."):
                self._first[row["anchor"]] = cell
            else:
                table = found.setdefault(row["asset"], {})
                table.setdefault(row["row_key"], {})[row["column"]] = cell
        self._tables = {asset: _ordered(asset, rows) for asset, rows in found.items()}

    def first(self, name: str) -> Cell:
        """Find a figure of the first page.

        Raises
        ------
        ContractError
            There is none of that name.
        """
        anchor = f"first.{name}"
        if anchor not in self._first:
            raise ContractError(f"report: there is no printed figure {anchor}")
        return self._first[anchor]

    def rows(self, asset: str, /, **where: Any) -> list[Row]:
        """List a table's rows in the order of its key; ``where`` holds values of key or text.

        A tuple or list in ``where`` admits any of its values.

        Raises
        ------
        ContractError
            No exported table has that name, or no column.
        """
        if asset not in contracts.load():
            raise ContractError(f"report: there is no table {asset}")
        return [r for r in self._tables.get(asset, []) if _fits(r, where)]

    def row(self, asset: str, /, **key: Any) -> Row:
        """Find exactly one row.

        Raises
        ------
        ContractError
            There is none, or more than one.
        """
        found = self.rows(asset, **key)
        if len(found) != 1:
            what = "no" if not found else f"{len(found)} printed rows, not one,"
            raise ContractError(f"report: {asset} has {what} row for {sorted(key)}")
        return found[0]

    def cell(self, asset: str, key: Mapping[str, Any], column: str) -> Cell:
        """Find one figure.

        Raises
        ------
        ContractError
            There is none.
        """
        return self.row(asset, **key)[column]

    def values(self, asset: str, column: str) -> list[Any]:
        """List the distinct values of a key column, in the order of the table."""
        return list(dict.fromkeys(r.key[column] for r in self._tables.get(asset, [])))

    def __iter__(self) -> Iterator[str]:
        """Name the tables that have rows."""
        return iter(sorted(self._tables))


def _ordered(asset: str, rows: Mapping[str, dict[str, Cell]]) -> list[Row]:
    made = [Row(asset, json.loads(key), cells) for key, cells in rows.items()]
    names = contracts.load()[asset].key
    return sorted(made, key=lambda r: [r.key[name] for name in names])


def _fits(row: Row, where: Mapping[str, Any]) -> bool:
    for name, wanted in where.items():
        value = row.key[name] if name in row.key else row.says(name)
        if value not in (wanted if isinstance(wanted, tuple | list) else (wanted,)):
            return False
    return True
