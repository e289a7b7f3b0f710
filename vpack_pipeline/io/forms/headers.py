"""Finds our columns in a site's file: nothing is guessed, and every misfit is named at once.

What does not belong here: what a cell means once its column is known (``cells``).
"""

from __future__ import annotations

import difflib
import functools
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl
import polars.exceptions

from vpack_pipeline.errors import DeliveryError, Problem
from vpack_pipeline.io.forms.fields import ONE_OF, Field, fields_of
from vpack_pipeline.io.forms.sheets import Sheet, read_sheet
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import InputForm, InputKind

_SPARSE: Final = ("rating", "label")


@dataclass(frozen=True, slots=True)
class Form:
    """A delivered file under our column names, every cell still text.

    ``cells`` has ``line`` (1-based data row), ``finding_cell`` (text: the finding of a wide
    form's column, null otherwise) and one text column per field that the file or a constant
    gives. ``typed`` names the fields whose cells are canonical, not in the site's form.
    """

    where: str
    cells: pl.DataFrame
    ragged: tuple[int, ...]
    typed: frozenset[str]

    @property
    def rows(self) -> int:
        """Rows of the long table that the file holds, ragged rows included."""
        return self.cells.height + len(self.ragged)


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is closest, as the end of a sentence; empty if none is close.

    >>> nearest("raeding", ["rating", "reading"])
    "did you mean 'reading'?"
    """
    found = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {found[0]!r}?" if found else ""


def read_form(path: Path, where: str, kind: InputKind, form: InputForm, protocol: Protocol) -> Form:
    """Read a delivered file and bring its columns under our names.

    Parameters
    ----------
    path : the file
    where : how errors call it, such as ``2026-01-05/reads.csv``
    kind, form : the kind of input, and how this site writes it

    Returns
    -------
    text cells by our names; a wide form is turned long. There an empty cell of ``rating`` or
    ``label`` is no row, unless every such cell of its line is empty: then all of them are.

    Raises
    ------
    DeliveryError
        A header is missing, unknown or doubly used; every problem of the file is listed.
    """
    fields = fields_of(kind, protocol)
    problems = form_problems(kind, form, protocol)
    if problems:
        raise DeliveryError(problems)
    sheet = read_sheet(path, where, form)
    problems = _misfits(sheet, kind, form, fields)
    if problems:
        raise DeliveryError(problems)
    return _wide(sheet, form, fields) if form.wide else _long(sheet, form, fields)


def form_problems(kind: InputKind, form: InputForm, protocol: Protocol) -> list[Problem]:
    """Find what is wrong with a form of ``site.yaml`` before any file is opened.

    Returns
    -------
    every problem; empty when the form can be used
    """
    where = f"site.yaml, inputs.{kind}"
    names = [f.name for f in fields_of(kind, protocol)]
    found = [
        Problem(f"{where}.{part}", f"{name} is no column of {kind}", nearest(name, names))
        for part, given in (
            ("columns", form.columns),
            ("constants", form.constants),
            ("values", form.values),
        )
        for name in given
        if name not in names
    ]
    found += [
        Problem(where, f"{name} has a header and a constant", "keep one of them")
        for name in form.columns
        if name in form.constants
    ]
    found += [
        Problem(f"{where}.ignore", f"header {h!r} is also read", "keep one of them")
        for h in form.ignore
        if h in form.columns.values()
    ]
    return [
        *found,
        *_wide_problems(where, form, names, protocol),
        *_convention_problems(where, form),
    ]


def _wide_problems(
    where: str, form: InputForm, names: Sequence[str], protocol: Protocol
) -> list[Problem]:
    if form.wide is None:
        return []
    known = [f.name for f in protocol.findings]
    found = [
        Problem(f"{where}.wide", f"{f} is no finding of the protocol", nearest(f, known))
        for f in form.wide.findings
        if f not in known
    ]
    if "finding" not in names or form.wide.into not in names:
        found.append(Problem(f"{where}.wide", f"no column {form.wide.into} by finding here"))
    if not form.wide.findings:
        found.append(Problem(f"{where}.wide", "names no finding"))
    found += [
        Problem(where, f"{name} comes from the wide columns and is mapped too", "keep one of them")
        for name in ("finding", form.wide.into)
        if name in form.columns or name in form.constants
    ]
    return found


def _convention_problems(where: str, form: InputForm) -> list[Problem]:
    found = []
    if form.separator in '"\r\n':
        found.append(Problem(f"{where}.separator", "a quote or line end cannot separate cells"))
    if form.separator == form.decimal and form.separator == ".":
        found.append(Problem(f"{where}.separator", "is the decimal point too"))
    if form.zone is not None and not _is_zone(form.zone):
        found.append(
            Problem(f"{where}.zone", "is no IANA time zone", "write it like Europe/Zurich")
        )
    if not _recovers(form.date_format):
        found.append(Problem(f"{where}.date_format", "gives no date", "write it like %d.%m.%Y"))
    if form.datetime_format != "iso8601" and not _recovers(form.datetime_format):
        remedy = "write it like %d.%m.%Y %H:%M, or iso8601"
        found.append(Problem(f"{where}.datetime_format", "gives no time", remedy))
    return found


@functools.cache
def _recovers(strptime: str) -> bool:
    """Write a known day in a form and read it back: a form without day or year cannot."""
    known = pl.Series([datetime(2021, 3, 4, 15, 6, 7, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
    try:
        written = known.dt.strftime(strptime)
        parsed = written.str.to_datetime(strptime, strict=False, time_unit="us")
    except polars.exceptions.PolarsError:
        return False
    return parsed.dt.date().to_list() == known.dt.date().to_list()


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _wanted(form: InputForm, fields: Sequence[Field]) -> dict[str, str]:
    """Our column → the header under which this site has it."""
    from_wide = {"finding", form.wide.into} if form.wide else set()
    return {
        f.name: form.columns.get(f.name, f.name)
        for f in fields
        if f.name not in form.constants and f.name not in from_wide
    }


def _misfits(
    sheet: Sheet, kind: InputKind, form: InputForm, fields: Sequence[Field]
) -> list[Problem]:
    wanted = _wanted(form, fields)
    wide = tuple(form.wide.findings.values()) if form.wide else ()
    known = {*wanted.values(), *wide, *form.ignore}
    if not known.intersection(sheet.headers):
        # Not a header row, perhaps: printing it could print a patient.
        return [
            Problem(
                sheet.where,
                f"the first row has {len(sheet.headers)} cells and none is a known header",
                f"begin with a header row such as {', '.join(wanted.values())}, and check"
                " `separator` and `encoding` in site.yaml",
            )
        ]
    return [
        *_missing(sheet, kind, form, fields, wanted),
        *_surplus(sheet, form, wanted, known),
        *_float_identifiers(sheet, fields, wanted),
    ]


def _missing(
    sheet: Sheet,
    kind: InputKind,
    form: InputForm,
    fields: Sequence[Field],
    wanted: dict[str, str],
) -> list[Problem]:
    there = ", ".join(sheet.headers)
    named = {f.name for f in fields if f.needed} | set(form.columns)
    lacking = [(n, h) for n, h in wanted.items() if n in named and h not in sheet.headers]
    if form.wide:
        into = form.wide.into
        lacking += [(into, h) for h in form.wide.findings.values() if h not in sheet.headers]
    found = [
        Problem(
            sheet.where,
            f"no column {header!r} for {name}; the file has {there}",
            nearest(header, set(sheet.headers) - set(wanted.values()))
            or f"add it, or map {name} under `columns` of inputs.{kind} in site.yaml",
        )
        for name, header in lacking
    ]
    group = ONE_OF.get(kind, ())
    if group and not any(wanted.get(n) in sheet.headers or n in form.constants for n in group):
        found.append(
            Problem(sheet.where, f"none of the columns {', '.join(group)}", "add one of them")
        )
    return found


def _surplus(
    sheet: Sheet, form: InputForm, wanted: dict[str, str], known: set[str]
) -> list[Problem]:
    absent = set(wanted.values()) - set(sheet.headers)
    found = [
        Problem(
            sheet.where,
            f"unknown column {header!r}",
            nearest(header, absent) or "map it under `columns`, or list it under `ignore`",
        )
        for header in sheet.headers
        if header not in known and header not in form.constants
    ]
    found += [
        Problem(
            sheet.where,
            f"has a column {name!r}, for which site.yaml declares a constant",
            "remove the constant, or list the column under `ignore`",
        )
        for name in form.constants
        if name in sheet.headers and name not in form.ignore and name not in wanted.values()
    ]
    return found


def _float_identifiers(
    sheet: Sheet, fields: Sequence[Field], wanted: dict[str, str]
) -> list[Problem]:
    identifiers = [f.name for f in fields if f.type in {"identifier", "study"}]
    return [
        Problem(
            sheet.where,
            f"column {wanted[name]!r} holds identifiers as floating-point numbers",
            "write identifiers as text: a float loses leading zeros and long digits",
        )
        for name in identifiers
        if wanted.get(name) in sheet.floats
    ]


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _long(sheet: Sheet, form: InputForm, fields: Sequence[Field]) -> Form:
    present = {n: h for n, h in _wanted(form, fields).items() if h in sheet.headers}
    cells = sheet.cells.select(
        "line",
        pl.lit(None, dtype=pl.String).alias("finding_cell"),
        *(pl.col(sheet.column(h)).alias(n) for n, h in present.items()),
        *(pl.lit(_text(v), dtype=pl.String).alias(n) for n, v in form.constants.items()),
    )
    typed = {n for n, h in present.items() if h in sheet.typed} | set(form.constants)
    return Form(sheet.where, cells, sheet.ragged, frozenset(typed))


def _wide(sheet: Sheet, form: InputForm, fields: Sequence[Field]) -> Form:
    if form.wide is None:
        raise ValueError("the form is not wide")
    narrow = _long(sheet, form, fields)
    headers = form.wide.findings
    typed = {h in sheet.typed for h in headers.values()}
    if len(typed) > 1:
        raise DeliveryError(
            Problem(sheet.where, "some wide columns are text and some are not", "write them alike")
        )
    long = [
        narrow.cells.drop("finding_cell").with_columns(
            pl.lit(finding).alias("finding_cell"),
            pl.lit(finding).alias("finding"),
            sheet.cells[sheet.column(header)].alias(form.wide.into),
        )
        for finding, header in headers.items()
    ]
    if form.wide.into in _SPARSE:
        empty = sheet.cells.select(_is_empty(sheet, h, form).alias(f) for f, h in headers.items())
        whole = empty.select(pl.all_horizontal(pl.all())).to_series()
        long = [
            part.filter(~empty[finding] | whole)
            for finding, part in zip(headers, long, strict=True)
        ]
    named = narrow.typed | {"finding"} | ({form.wide.into} if True in typed else set())
    cells = pl.concat(long).sort("line", maintain_order=True)
    return Form(sheet.where, cells, sheet.ragged, frozenset(named))


def _is_empty(sheet: Sheet, header: str, form: InputForm) -> pl.Expr:
    text = pl.col(sheet.column(header)).fill_null("").str.strip_chars()
    into = form.wide.into if form.wide else ""
    nothing = {"", *(n.strip() for n in form.nulls)} - set(form.values.get(into, {}))
    return text.is_in(sorted(nothing))
