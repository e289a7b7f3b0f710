"""Reads a CSV or parquet file into text cells, with every data row accounted for.

Python's ``csv`` is used and not polars', which pads and cuts ragged rows without saying so.
What does not belong here: what the cells mean (``headers``, ``cells``).
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import polars as pl
import polars.exceptions

from vpack_pipeline.errors import DeliveryError, Problem
from vpack_pipeline.site import InputForm

MAXIMUM_ROWS: Final = 20_000_000
MAXIMUM_BYTES: Final = 4 * 2**30
"""Of a CSV file, or of a parquet file once unpacked: a small one can claim to hold far more."""

_CHUNK: Final = 20_000
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_PYTHON_CODECS: Final = {"utf-8": "utf-8-sig", "utf-16": "utf-16"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as it lies there.

    ``cells`` has the column ``line`` (1-based data row, blank lines not counted) and one text
    column per header, named ``h0``, ``h1`` … in the order of ``headers``. ``typed`` holds the
    headers whose cells were written by us in canonical form (parquet columns with a type);
    ``floats`` those of them that were floating point.
    """

    where: str
    headers: tuple[str, ...]
    cells: pl.DataFrame
    ragged: tuple[int, ...] = ()
    typed: frozenset[str] = frozenset()
    floats: frozenset[str] = frozenset()

    def column(self, header: str) -> str:
        """Name the column of ``cells`` that holds a header."""
        return f"h{self.headers.index(header)}"


def read_sheet(path: Path, where: str, form: InputForm) -> Sheet:
    """Read one delivered file as text cells.

    Parameters
    ----------
    path : a ``.parquet`` file, or anything else as CSV in the declared separator and encoding
    where : how errors call the file, such as ``2026-01-05/reads.csv``
    form : the site's form

    Raises
    ------
    DeliveryError
        The file cannot be read as a whole: no header, a header twice, another encoding, a quote
        that is never closed, too large, a column type that no input has.
    """
    sheet = (
        _read_parquet(path, where) if path.suffix == ".parquet" else _read_csv(path, where, form)
    )
    _check_headers(sheet)
    return sheet


def _refuse(where: str, what: str, remedy: str) -> DeliveryError:
    return DeliveryError(Problem(where, what, remedy))


def _check_headers(sheet: Sheet) -> None:
    unnamed = [i + 1 for i, h in enumerate(sheet.headers) if not h]
    # A repeated header could be a repeated value of a file without a header row: say where only.
    first: dict[str, int] = {}
    repeated = [i + 1 for i, h in enumerate(sheet.headers) if first.setdefault(h, i) != i]
    if unnamed:
        raise _refuse(
            sheet.where,
            f"column {unnamed[0]} of the header has no name",
            "name each column, and end no row with a separator",
        )
    if repeated:
        raise _refuse(
            sheet.where,
            f"column {repeated[0]} has the same header as a column before it",
            "name each column once",
        )


def _read_csv(path: Path, where: str, form: InputForm) -> Sheet:
    if path.stat().st_size > MAXIMUM_BYTES:
        raise _refuse(where, "larger than 4 GiB", "deliver it in parts, or as parquet")
    with path.open("rb") as binary:
        start = binary.read(3)
        binary.seek(0)
        _check_bom(start, where, form)
        codec = _PYTHON_CODECS.get(form.encoding, form.encoding)
        with io.TextIOWrapper(binary, encoding=codec, errors="strict", newline="") as text:
            return _parse_csv(text, where, form)


def _check_bom(start: bytes, where: str, form: InputForm) -> None:
    """Refuse a file whose byte order mark says that it is not in the declared encoding."""
    declared = {"utf-8": _BOMS[:1], "utf-16": _BOMS[1:]}.get(form.encoding, ())
    if start.startswith(tuple(b for b in _BOMS if b not in declared)):
        raise _refuse(
            where,
            f"its byte order mark says that it is not {form.encoding}",
            "set `encoding` of this input in site.yaml to utf-8 or utf-16",
        )


def _parse_csv(text: IO[str], where: str, form: InputForm) -> Sheet:
    reader = csv.reader(text, delimiter=form.separator, strict=True)
    try:
        header = next((record for record in reader if record), None)
        if header is None:
            raise _refuse(where, "is empty", "a file without rows still has its header row")
        return _collect(reader, tuple(h.strip() for h in header), where)
    except UnicodeError:
        raise _refuse(
            where, f"is not {form.encoding}", "set `encoding` of this input in site.yaml"
        ) from None
    except csv.Error:
        raise _refuse(
            where,
            f"a quoted cell that ends near line {reader.line_num} of the file is not well formed",
            "close each quote, and double a quote inside a quoted cell",
        ) from None


def _collect(records: Iterator[list[str]], headers: tuple[str, ...], where: str) -> Sheet:
    width = len(headers)
    names = [f"h{i}" for i in range(width)]
    schema = dict.fromkeys(names, pl.String)
    frames = [pl.DataFrame(schema={"line": pl.Int64, **schema})]
    ragged: list[int] = []
    rows = filter(None, records)  # a blank line is no row
    delivered = 0
    while chunk := list(itertools.islice(rows, _CHUNK)):
        lines: Sequence[int] = range(delivered + 1, delivered + len(chunk) + 1)
        delivered += len(chunk)
        if delivered > MAXIMUM_ROWS:
            raise _refuse(where, f"more than {MAXIMUM_ROWS} rows", "deliver it in parts")
        if set(map(len, chunk)) != {width}:
            ragged += [n for n, r in zip(lines, chunk, strict=True) if len(r) != width]
            whole = [(n, r) for n, r in zip(lines, chunk, strict=True) if len(r) == width]
            lines, chunk = [n for n, _ in whole], [r for _, r in whole]
        columns = zip(*chunk, strict=True) if chunk else [()] * width
        cells = [pl.Series(n, c, dtype=pl.String) for n, c in zip(names, columns, strict=True)]
        frames.append(pl.DataFrame([pl.Series("line", lines, dtype=pl.Int64), *cells]))
    return Sheet(where, headers, pl.concat(frames), tuple(ragged))


def _read_parquet(path: Path, where: str) -> Sheet:
    import pyarrow.lib
    import pyarrow.parquet

    unreadable = _refuse(where, "cannot be read as parquet", "write it again")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            facts = file.metadata
            unpacked = sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups))
            rows = facts.num_rows
    except (pyarrow.lib.ArrowException, OSError):
        raise unreadable from None
    if rows > MAXIMUM_ROWS or unpacked > MAXIMUM_BYTES:
        raise _refuse(where, "holds more than can be read", "deliver it in parts")
    try:
        frame = pl.read_parquet(path, hive_partitioning=False)
    except polars.exceptions.PolarsError:
        raise unreadable from None
    return _sheet_of(frame, where)


def _sheet_of(frame: pl.DataFrame, where: str) -> Sheet:
    cells = [pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True).alias("line")]
    for i, name in enumerate(frame.columns):
        cells.append(_canonical(frame[name], name, where).alias(f"h{i}"))
    textual = (pl.String, pl.Categorical, pl.Enum, pl.Null)
    return Sheet(
        where,
        tuple(h.strip() for h in frame.columns),
        pl.DataFrame(cells),
        typed=frozenset(n.strip() for n, t in frame.schema.items() if t not in textual),
        floats=frozenset(n.strip() for n, t in frame.schema.items() if t.is_float()),
    )


def _canonical(values: pl.Series, name: str, where: str) -> pl.Series:
    """Write typed values as text: numbers with a point, ISO dates, times with their offset."""
    kind = values.dtype
    if kind.is_float():
        # 4.0 and 4 are one category; a value map knows it as 4.
        return values.cast(pl.Float64).cast(pl.String).str.replace(r"\.0$", "")
    if isinstance(kind, pl.Datetime):
        zoned = "%:z" if kind.time_zone else ""
        return values.dt.cast_time_unit("us").dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{zoned}")
    plain = (pl.String, pl.Categorical, pl.Enum, pl.Null, pl.Boolean, pl.Date)
    if kind.is_integer() or kind.is_decimal() or kind in plain:
        return values.cast(pl.String)
    raise _refuse(
        where,
        f"column {name} has the type {kind}, which no input has",
        "write it as text, number, bool, date or time",
    )
