"""The printed figures, found by table, row and column; the only way for a number into the HTML.

A figure that is not in ``pack/report`` is an error, never a blank. What does not belong here:
layout (``templates``), words for metrics (``words``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from markupsafe import Markup, escape

from vpack_pipeline import contracts
from vpack_pipeline.contracts import codes
from vpack_pipeline.contracts.shapes import CODES
from vpack_pipeline.core.pack.headline import SIZE
from vpack_pipeline.errors import ContractError
from vpack_pipeline.pack_format.text import NOTHING, TOO_SMALL
from vpack_pipeline.report import words

PACKAGE_DATA: Final = ("contracts",)


@dataclass(frozen=True, slots=True)
class Cell:
    """One printed figure; as HTML it carries its anchor, by which its origin is found."""

    anchor: str
    text: str
    codes: tuple[str, ...] = ()
    """The codes of which the text is made, where it is made of any."""
    parts: tuple[Cell, ...] = ()
    """The cells that stand here together, each printed under its own anchor; none of one alone."""

    def __html__(self) -> Markup:
        """Print the text under its anchor, nothing where there is nothing, a status in words."""
        if self.parts:
            return Markup("; ").join(self.parts)
        if self.text in words.STATUS_WORDS and self.anchor.endswith(".status"):
            return escape(words.STATUS_WORDS[self.text])
        # Some thousands stand in a page: Markup.format takes five times as long.
        return Markup(f'<span data-anchor="{escape(self.anchor)}">{escape(self.text)}</span>')

    def __str__(self) -> str:
        """The text alone."""
        return self.text

    def __bool__(self) -> bool:
        """Whether there is anything to print."""
        return self.text != NOTHING

    @property
    def number(self) -> float | None:
        """What the text says as a number, 0 where it is too small to be told; None where none."""
        if self.text in TOO_SMALL:
            return 0.0
        plain = (
            self.text.replace("−", "-").replace(",", "").removesuffix("%").removesuffix(" points")
        )
        try:
            return float(plain)
        except ValueError:
            return None


PRINTED: Final = ("anchor", "text", "codes")
"""What is printed of a cell: its anchor, its text, its codes as they stand in the table."""


class Cells(Mapping[str, Cell]):
    """The cells of a row by column, each made when it is asked for: a page shows one in twenty."""

    __slots__ = ("_columns", "_made", "_printed")

    def __init__(self, columns: Sequence[str], *printed: Sequence[Any]) -> None:
        """Take the columns of a row and, of each, its values of :data:`PRINTED`."""
        self._columns = columns
        self._printed = printed
        self._made: dict[str, Cell] = {}

    def __getitem__(self, column: str) -> Cell:
        if column not in self._made:
            if column not in self._columns:
                raise KeyError(column)
            at = self._columns.index(column)
            self._made[column] = _cell(*(values[at] for values in self._printed))
        return self._made[column]

    def __contains__(self, column: object) -> bool:
        return column in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def _cell(anchor: str, text: str, said: str | None) -> Cell:
    return Cell(anchor, text, tuple(codes.names(said)))


class Row:
    """A row of a table: its key, and its cells by column."""

    def __init__(self, asset: str, key: Mapping[str, Any], cells: Mapping[str, Cell]) -> None:
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
        if lower.number is None or upper.number is None:
            return estimate.__html__()
        bounds = f' <span class="ci">({escape(lower)} to {escape(upper)})</span>'
        return Markup(f"{escape(estimate)}{bounds}")

    @property
    def is_given(self) -> bool:
        """Whether the row has a figure in print."""
        return bool(self["estimate"])

    @property
    def note(self) -> Cell | None:
        """What is said beside the figure: the reason, then the notes; None where nothing is."""
        return _joined(self["reason"], self["notes"])

    def has_code(self, name: str) -> bool:
        """Whether a code stands in the row, as reason, note or method."""
        return any(name in self.cells[c].codes for c in CODES if c in self.cells)


def _joined(*cells: Cell) -> Cell | None:
    """Let cells of codes stand together; None where none says anything."""
    said = tuple(cell for cell in cells if cell)
    if len(said) < 2:
        return said[0] if said else None
    text = "; ".join(cell.text for cell in said)
    return Cell(said[0].anchor, text, tuple(c for cell in said for c in cell.codes), said)


class Book:
    """All printed figures of one pack."""

    def __init__(self, report: pl.DataFrame) -> None:
        self.tables_read: set[str] = set()
        """Tables that were asked for since this was last emptied."""
        is_first = pl.col("anchor").str.starts_with("first.")
        is_size = pl.col("anchor").str.starts_with(f"first.{SIZE}")
        first = report.filter(is_first & ~is_size)
        self._sizes = {
            (row.asset, _key(row.key)): row for row in _rows(report.filter(is_first & is_size))
        }
        self._first = {row[0]: _cell(*row) for row in first.select(PRINTED).iter_rows()}
        self._first_rows = {(row.asset, _key(row.key)): row.cells for row in _rows(first)}
        found: dict[str, list[Row]] = {}
        for row in _rows(report.filter(~is_first)):
            found.setdefault(row.asset, []).append(row)
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

    def first_note(self, name: str) -> Cell | None:
        """What is said beside a figure of the first page; None where nothing is."""
        return _joined(self.first(f"{name}reason"), self.first(f"{name}notes"))

    def on_first_page(self, row: Row) -> Row:
        """The row as the first page writes it: shares in percent."""
        cells = self._first_rows.get((row.asset, _key(row.key)), {})
        return Row(row.asset, row.key, {**row.cells, **cells})

    def size(self, row: Row) -> Row:
        """How far the figure of a row changed, without unit and sign.

        Raises
        ------
        ContractError
            It is no change that the first page may tell so.
        """
        key = row.asset, _key(row.key)
        if key not in self._sizes:
            raise ContractError(f"report: no size is printed of a row of {row.asset}")
        return self._sizes[key]

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
        self.tables_read.add(asset)
        found = self._tables.get(asset, [])
        for name, wanted in where.items():
            admitted = wanted if isinstance(wanted, tuple | list) else (wanted,)
            found = [r for r in found if _value(r, name) in admitted]
        return list(found)

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
        self.tables_read.add(asset)
        return list(dict.fromkeys(r.key[column] for r in self._tables.get(asset, [])))

    def __iter__(self) -> Iterator[str]:
        """Name the tables that have rows."""
        return iter(sorted(self._tables))


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _rows(report: pl.DataFrame) -> Iterator[Row]:
    """Give the rows of which cells are printed, in their order in the report."""
    cells = report.group_by("asset", "row_key", maintain_order=True).agg("column", *PRINTED)
    for asset, key, columns, *printed in cells.iter_rows():
        yield Row(asset, json.loads(key), Cells(columns, *printed))


def _ordered(asset: str, rows: Iterable[Row]) -> list[Row]:
    names = contracts.load()[asset].key
    return sorted(rows, key=lambda r: [r.key[name] for name in names])


def _value(row: Row, name: str) -> Any:
    return row.key[name] if name in row.key else row.says(name)
