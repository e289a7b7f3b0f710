"""A file of counts, as a reviewer's spreadsheet writes it: one row a cell, one column a variable.

What does not belong here: what its levels mean (``core.transport.typed``).
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from vpack_pipeline.core.transport.rows import PrintedVariables
from vpack_pipeline.core.transport.typed import TypedRow
from vpack_pipeline.errors import InputError, Problem, UsageError
from vpack_pipeline.pack_format import cells

COUNT: Final = "n"
ALSO_COUNT: Final = ("count", "persons")
"""Other names that the column of counts may have."""
MOST_BYTES: Final = 5_000_000
_SEPARATORS: Final = (";", "\t", ",")
_SPACES: Final = re.compile(r"(?<=\d)[ '\u00a0\u2009\u202f](?=\d{3}\b)")
_DIGITS: Final = 12
# A spreadsheet may put quotation marks around a line, and separators behind it.
_COMMENT: Final = re.compile(r'"?\s*#')
_PROTOCOL: Final = re.compile(r'"?\s*#\s*protocol ([0-9a-f]{12})\b')
# Three decimals could be thousands.
_WHOLE: Final = re.compile(r"(\d+)(?:[.,]0{1,2})?")
_STATE_A_LEVEL: Final = "write `missing` where a value is not known, and leave out a row of totals"
_PERSONS: Final = "give whole numbers of persons, such as 1234"


def template(variables: PrintedVariables, protocol_digest: str, *, margins: bool) -> bytes:
    """Write a file to fill in: every product of printed levels, or each level by itself.

    Its first line is a comment with the digest of the protocol whose levels these are.
    """
    rows: list[list[str]] = []
    if margins:
        for place, levels in enumerate(variables.levels):
            for level in levels:
                row = [""] * (len(variables.names) + 1)
                row[place] = level
                rows.append(row)
    else:
        rows = [[*levels, ""] for levels in itertools.product(*variables.levels)]
    comment = f"# protocol {protocol_digest[:_DIGITS]}\n".encode()
    return comment + cells.to_csv([*variables.names, COUNT], rows)


def read_counts(
    path: Path, variables: PrintedVariables, others: Collection[str], protocol_digest: str
) -> list[TypedRow]:
    """Read a file of counts; rows without a count are not filled in.

    Parameters
    ----------
    others : further variables of the pack's profile; they may stand in the file, as they do in the
        one that a site delivers, and are added up over
    protocol_digest : of the pack's protocol; a file that states another one is refused

    Raises
    ------
    InputError
        The file cannot be read as such, or a cell of it; every problem of its rows at once.
    """
    where = path.name
    lines = _table(_text(path), where, protocol_digest)
    number, header = lines[0]
    names = [_column(name, [*variables.names, *others]) for name in header]
    _check_header(names, variables, others, f"{where}, line {number}")
    problems: list[Problem] = []
    rows: dict[tuple[str, ...], TypedRow] = {}
    for at, row in lines[1:]:
        if len(row) != len(names):
            what = "has more or fewer cells than the header"
            problems.append(Problem(f"{where}, line {at}", what, "write one cell a column"))
            continue
        named = dict(zip(names, (cell.strip() for cell in row), strict=True))
        text = named.pop(COUNT)
        if not text:
            continue
        count = _count(text)
        if isinstance(count, str):
            problems.append(Problem(f"{where}, line {at}, column {COUNT}", count, _PERSONS))
            continue
        key = tuple(named.values())
        if key in rows:
            what = f"counts the same cell as line {rows[key].line}"
            problems.append(Problem(f"{where}, line {at}", what, "write each cell once"))
        if not any(key):
            what = "states no level"
            problems.append(Problem(f"{where}, line {at}", what, _STATE_A_LEVEL))
        stated = {name: cells.string(level) for name, level in named.items() if level}
        rows[key] = TypedRow(at, {n: v for n, v in stated.items() if n in variables.names}, count)
    if problems:
        raise InputError(problems)
    return list(rows.values())


def _text(path: Path) -> str:
    if not path.is_file():
        raise UsageError(Problem(str(path), "is no file", "give a CSV file; --template writes one"))
    if path.stat().st_size > MOST_BYTES:
        raise InputError(Problem(path.name, "is too large for a table of counts", "sum it up"))
    raw = path.read_bytes()
    is_wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return raw.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        remedy = "save it as CSV UTF-8"
        raise InputError(Problem(path.name, "is no UTF-8 text", remedy)) from None


def _table(text: str, where: str, protocol_digest: str) -> list[tuple[int, list[str]]]:
    """Part the lines into cells; the separator is what ``sep=`` says, else the header's."""
    lines = text.splitlines()
    first, separator = 1, ""
    while lines and (_COMMENT.match(lines[0]) or lines[0].lower().startswith("sep=")):
        stated = _PROTOCOL.match(lines[0])
        if stated and not protocol_digest.startswith(stated[1]):
            remedy = "take the levels of this pack: --template writes the file"
            what = "says that the counts are for the cells of another protocol"
            raise InputError(Problem(f"{where}, line {first}", what, remedy))
        if not _COMMENT.match(lines[0]):
            separator = lines[0][4:5]
        lines, first = lines[1:], first + 1
    if not separator:
        header = lines[0] if lines else ""
        separator = max(_SEPARATORS, key=header.count)
    found = list(_numbered(lines, separator, first))
    if not found:
        raise InputError(Problem(where, "is empty", "--template writes the file to fill in"))
    return found


def _numbered(lines: Sequence[str], separator: str, first: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num + first - 1, row


def _column(typed: str, known: Collection[str]) -> str:
    """Give the column that a header means, whatever its case, and with spaces for underscores.

    >>> [_column(typed, ["kvp", "age_years"]) for typed in (" kVp", "Age years", "Count", "Sex")]
    ['kvp', 'age_years', 'n', 'Sex']
    """
    name = typed.strip()
    plain = name.lower().replace(" ", "_")
    same = [one for one in known if one.lower() == plain]
    if plain == COUNT or (plain in ALSO_COUNT and not same):
        return COUNT
    return name if name in known or len(same) != 1 else same[0]


def _check_header(
    names: Sequence[str], variables: PrintedVariables, others: Collection[str], where: str
) -> None:
    known = f"columns are {', '.join([*variables.names, COUNT])}"
    allowed = {*variables.names, *others, COUNT}
    if not allowed & set(names):
        raise InputError(Problem(where, "is no header: it names no column of this pack", known))
    problems = []
    if COUNT not in names:
        problems.append(Problem(where, f"there is no column {COUNT}", known))
    if len(set(names)) < len(names):
        problems.append(Problem(where, "a column stands there twice", known))
    if any(name not in allowed for name in names):
        place = next(i for i, name in enumerate(names, start=1) if name not in allowed)
        what = f"column {place} is no variable of this pack's protocol"
        problems.append(Problem(where, what, known))
    if not set(names) & set(variables.names):
        problems.append(Problem(where, "none of the pack's cells is counted by these", known))
    if problems:
        raise InputError(problems)


def _count(text: str) -> int | str:
    """Read a count, or say what is wrong with it.

    >>> _count("1 234"), _count("12,0"), _count("12,5"), _count("-1"), _count("12%")
    (1234, 12, 'is no whole number', 'is negative', 'is a percentage')
    """
    if "%" in text:
        return "is a percentage"
    if text.startswith(("-", "−", "'-")):
        return "is negative"
    found = _WHOLE.fullmatch(_SPACES.sub("", text))
    return "is no whole number" if found is None else int(found[1])
