"""Writes rows the way a site's own export does: its headers, codes, separators and dates.

``site.yaml`` says how an export is to be read; this is the same statement, run backwards. What does
not belong here: which rows there are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from vpack_pipeline.site import InputForm, Site

Row = dict[str, Any]
"""Our column → value; a key that the form ignores is a header of the site itself."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A cell that is written as it is, whatever the form says."""

    text: str


@dataclass(frozen=True, slots=True)
class Ragged:
    """A line with more or fewer cells than the header."""

    row: Mapping[str, Any]
    surplus: int


Line = Row | Ragged


def headers_of(form: InputForm, columns: Sequence[str]) -> list[str]:
    """Name our columns as the site does."""
    wide = form.wide
    names = dict(form.columns)
    if wide is not None:
        names[wide.into] = next(iter(wide.findings.values()))
    return [names.get(column, column) for column in columns]


def csv_bytes(form: InputForm, columns: Sequence[str], lines: Sequence[Line]) -> bytes:
    """Write a CSV file in a site's form.

    Parameters
    ----------
    form : the site's form; a wide one must have a single finding
    columns : our columns, in the order of the file; a key that a row lacks is an empty cell
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=form.separator, lineterminator="\n")
    writer.writerow(headers_of(form, columns))
    for line in lines:
        row = line.row if isinstance(line, Ragged) else line
        cells = [cell(form, column, row.get(column)) for column in columns]
        if isinstance(line, Ragged):
            cells = cells + ["surplus"] * line.surplus if line.surplus > 0 else cells[:-1]
        writer.writerow(cells)
    return text.getvalue().encode(form.encoding)


def cell(form: InputForm, column: str, value: Any) -> str:
    """Write one value in a site's form."""
    if isinstance(value, Raw):
        return value.text
    if value is None:
        return form.nulls[-1]
    for code, meaning in form.values.get(column, {}).items():
        if meaning == value and isinstance(meaning, bool) == isinstance(value, bool):
            return code
    return _plain(form, value)


def _plain(form: InputForm, value: Any) -> str:
    if isinstance(value, datetime):
        return _moment(form, value)
    if isinstance(value, date):
        return value.strftime(form.date_format)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace(".", form.decimal) if isinstance(value, float) else str(value)


def _moment(form: InputForm, value: datetime) -> str:
    local = value.astimezone(ZoneInfo(form.zone) if form.zone else UTC)
    if form.datetime_format == "iso8601":
        return local.isoformat(timespec="seconds")
    return local.strftime(form.datetime_format)


_TYPES: Final[dict[str, Any]] = {
    "attempt": pl.Int64,
    "score": pl.Float64,
    "received_at": pl.Datetime("us", "UTC"),
    "produced_at": pl.Datetime("us", "UTC"),
}


def parquet_bytes(form: InputForm, columns: Sequence[str], lines: Sequence[Line]) -> bytes:
    """Write a parquet file with the site's headers; numbers and times keep their type."""
    data = {}
    for column, header in zip(columns, headers_of(form, columns), strict=True):
        values = [line.get(column) for line in lines if not isinstance(line, Ragged)]
        kind = _TYPES.get(column, pl.String)
        data[header] = pl.Series(header, values, dtype=kind)
    made = io.BytesIO()
    pl.DataFrame(data).write_parquet(made, compression="zstd", statistics=False)
    return made.getvalue()


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one input in one delivery."""

    columns: tuple[str, ...]
    lines: Sequence[Line]


def write_delivery(
    folder: Path, site: Site, tables: Mapping[str, Table], closed: bool = True
) -> None:
    """Write one delivery: a file per input, and ``DONE`` where it is closed."""
    folder.mkdir(parents=True)
    for kind, table in sorted(tables.items()):
        form = {str(k): f for k, f in site.inputs.items()}[kind]
        write = parquet_bytes if form.file.endswith(".parquet") else csv_bytes
        (folder / form.file).write_bytes(write(form, table.columns, table.lines))
    if closed:
        (folder / "DONE").touch()
