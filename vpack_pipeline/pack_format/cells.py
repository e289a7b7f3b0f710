"""How a value stands in a CSV file of a pack, and how it is read from there.

Each value has exactly one text, so that a file can be held against its contract cell by cell. What
does not belong here: how a value is written in print (``text``).
"""

from __future__ import annotations

import csv
import datetime
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so as a formula."""
_DISARMED: Final = tuple(f"'{start}" for start in FORMULA_STARTS)
_MOST_DIGITS: Final = 19


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Write a table: UTF-8, LF, dots, ISO dates, nothing for null, formulas disarmed."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([written(value) for value in row])
    return made.getvalue().encode()


def written(value: Any) -> str:
    """Write one value.

    >>> written(True), written(None), written(0.5), written("=1+1"), written("'=1+1")
    ('true', '', '0.5', "'=1+1", "''=1+1")
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # The csv module leaves a lone CR unquoted, which readers take for a new line.
        return (f"'{value}" if _is_armed(value) else value).replace("\r", " ")
    # repr of a float is the shortest text that reads back as the same number.
    return repr(value) if isinstance(value, float) else str(value)


def string(text: str) -> str:
    """Read a text that :func:`written` may have disarmed.

    >>> string("'=1+1"), string("''=1+1"), string("'tis")
    ('=1+1', "'=1+1", "'tis")
    """
    return text[1:] if text.startswith("'") and _is_armed(text[1:]) else text


def _is_armed(value: str) -> bool:
    return value.startswith(FORMULA_STARTS) or value.startswith(_DISARMED)


def read(text: str, kind: str) -> Any:
    """Read a value of a type of contracts.

    >>> read("12", "int"), read("0.5", "float"), read("true", "bool")
    (12, 0.5, True)

    Raises
    ------
    ValueError
        It is not written as :func:`written` writes a value of this type.
    KeyError
        There is no such type.
    """
    value = _READERS[kind](text)
    if kind != "string" and written(value) != text:
        raise ValueError("written in another way")
    return value


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS + 1:
        raise ValueError("too long")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _bool(text: str) -> bool:
    return text == "true"


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "string": string,
    "int": _integer,
    "float": _number,
    "bool": _bool,
    "date": datetime.date.fromisoformat,
    "timestamp": datetime.datetime.fromisoformat,
}
"""By the types that columns of contracts have."""


def read_rows(text: str, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Read some columns of a table with their types; an empty cell is None.

    Parameters
    ----------
    columns : name → type, as :func:`read` knows it

    Raises
    ------
    KeyError
        The table has no such column.
    TypeError, ValueError
        A cell is not written as its type is.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for column in columns:
        if column not in (reader.fieldnames or ()):
            raise KeyError(column)
    for row in reader:
        yield {c: None if row[c] == "" else read(row[c], kind) for c, kind in columns.items()}
