"""Turns text cells into typed, pseudonymous columns; a cell that cannot be read names its reason.

What does not belong here: rules that need another row or table (``cohort.inputs``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl
import polars.exceptions

from vpack_pipeline.errors import DeliveryError, Problem
from vpack_pipeline.io.forms.fields import Field, FieldType
from vpack_pipeline.io.forms.headers import Form
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.site import InputForm

AS_UID: Final = "_as_uid"
AS_ACCESSION: Final = "_as_accession"
"""Suffixes of the two pseudonyms of a cell that names a study in one of two ways."""

_EARLIEST: Final = date(1900, 1, 1)
_LATEST: Final = date(2200, 1, 1)
_ISO: Final = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?([.,][0-9]{1,9})?"
    r" ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)
_WORDS: Final = ("nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
_TRUE: Final = ("true", "yes", "1")
_FALSE: Final = ("false", "no", "0")
_MAXIMUM_OFFSET_MINUTES: Final = 14 * 60

Cell = tuple[pl.Expr, pl.Expr]
"""A typed value, null where there is none, and the reason code of a cell that has none."""


@dataclass(frozen=True, slots=True)
class Convention:
    """How numbers and times are written."""

    decimal: str
    date_format: str
    datetime_format: str
    zone: str | None


def typed(
    form: Form,
    fields: Sequence[Field],
    written: InputForm,
    pseudonyms: Pseudonyms,
) -> pl.DataFrame:
    """Type every cell and make every identifier a pseudonym.

    Parameters
    ----------
    form : text cells by our names
    fields : the columns of the kind; one that the form lacks is null or its default
    written : the site's conventions

    Returns
    -------
    ``line``, ``finding_cell``, one typed column per field (what names a study gives two pseudonyms,
    with the suffixes ``_as_uid`` and ``_as_accession``; issuers are left out), then ``reason`` and
    ``field``: null, or the code and column of the first cell of the row that cannot be used. No
    original identifier remains.

    Raises
    ------
    DeliveryError
        A declared date or time format is none.
    """
    cells = _present(form, fields, written)
    own = Convention(written.decimal, written.date_format, written.datetime_format, written.zone)
    canonical = Convention(".", "%Y-%m-%d", "iso8601", written.zone)
    values: list[pl.Expr] = []
    reasons: list[pl.Expr] = []
    for field in fields:
        is_mapped = f"{field.name}?" in cells.columns
        how = canonical if field.name in form.typed else own
        value, reason = _read(field, how, canonical if is_mapped else None)
        values.append(value.alias(field.name))
        reasons.append(reason.alias(f"{field.name}!"))
    try:
        frame = cells.select("line", "finding_cell", *values, *reasons)
    except polars.exceptions.PolarsError:
        raise DeliveryError(
            Problem(form.where, "a format of site.yaml cannot be used", "check its strptime codes")
        ) from None
    return _finish(_pseudonymous(frame, fields, pseudonyms), fields)


def typed_schema(fields: Sequence[Field]) -> dict[str, pl.DataType]:
    """Give the columns of :func:`typed`, in order."""
    left_out = {f.name for f in fields if f.type == "study"} | {f.issuer for f in fields}
    own = {f.name: _DTYPES[f.type] for f in fields if f.name not in left_out}
    named = [f.name for f in fields if f.type == "study" or f.also_study]
    ways = [name + way for name in named for way in (AS_UID, AS_ACCESSION)]
    after: dict[str, pl.DataType] = dict.fromkeys([*ways, "reason", "field"], pl.String())
    return {"line": pl.Int64(), "finding_cell": pl.String(), **own, **after}


def plain_text(form: Form, name: str, written: InputForm) -> pl.Series:
    """Give one column's cells before they are typed: trimmed, mapped, null where nothing stands.

    They are the site's own values: they may be compared, and never kept or printed.
    """
    cells = _present(form, (Field(name),), written)
    ways = [n for n in (f"{name}?", name) if n in cells.columns]
    return cells.select(pl.coalesce(ways).alias(name)).to_series()


def _present(form: Form, fields: Sequence[Field], written: InputForm) -> pl.DataFrame:
    """Trim cells; where the site maps some, split them into these (``name?``, canonical) and the
    others, as written.
    """
    nothing = sorted({"", *(n.strip() for n in written.nulls)})
    columns: list[pl.Expr] = []
    for field in fields:
        if field.name not in form.cells.columns:
            columns.append(pl.lit(None, dtype=pl.String).alias(field.name))
            continue
        text = pl.col(field.name).str.strip_chars()
        pairs = {k.strip(): v for k, v in written.values.get(field.name, {}).items()}
        if not pairs:
            columns.append(pl.when(~text.is_in(nothing)).then(text).alias(field.name))
            continue
        known = text.fill_null("").is_in(sorted(pairs))
        mapped = text.fill_null("").replace_strict(
            list(pairs),
            [_text(v) for v in pairs.values()],
            default=None,
            return_dtype=pl.String,
        )
        columns += [
            pl.when(~known & ~text.is_in(nothing)).then(text).alias(field.name),
            mapped.alias(f"{field.name}?"),
        ]
    return form.cells.select("line", "finding_cell", *columns)


def _text(value: str | float | bool | None) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(field: Field, own: Convention, mapped: Convention | None) -> Cell:
    """Read a column as it is written, and where some cells are mapped, these as they are."""
    parse = _PARSERS[field.type]
    value, reason = parse(pl.col(field.name), own)
    if mapped is not None:
        from_map, map_reason = parse(pl.col(f"{field.name}?"), mapped)
        value, reason = pl.coalesce(value, from_map), pl.coalesce(reason, map_reason)
    if field.bad:
        known_bad = reason.is_not_null() & (reason != "NOT_FINITE")
        reason = pl.when(known_bad).then(pl.lit(field.bad)).otherwise(reason)
    value, reason = _bounded(field, value, reason)
    if field.default is not None:
        nothing = value.is_null() & reason.is_null()
        value = pl.when(nothing).then(pl.lit(field.default)).otherwise(value)
    if field.filled:
        nothing = value.is_null() & reason.is_null()
        reason = pl.when(nothing).then(pl.lit("MISSING_VALUE")).otherwise(reason)
    return value, reason


def _bounded(field: Field, value: pl.Expr, reason: pl.Expr) -> Cell:
    if field.aliases:
        value = value.replace(dict(field.aliases))
    code, outside = "", pl.lit(False)
    if field.choices:
        code, outside = field.bad or "UNKNOWN_CODE", ~value.is_in(list(field.choices))
    elif field.minimum is not None or field.maximum is not None:
        code = field.out_of_range
        if field.minimum is not None:
            outside = outside | (value < field.minimum)
        if field.maximum is not None:
            outside = outside | (value > field.maximum)
    if not code:
        return value, reason
    return value, pl.when(outside.fill_null(False) & reason.is_null()).then(pl.lit(code)).otherwise(
        reason
    )


def _why(cell: pl.Expr, value: pl.Expr, code: str) -> pl.Expr:
    return pl.when(cell.is_not_null() & value.is_null()).then(pl.lit(code))


def _as_text(cell: pl.Expr, _how: Convention) -> Cell:
    return cell, pl.lit(None, dtype=pl.String)


def _as_float(cell: pl.Expr, how: Convention) -> Cell:
    point = "," if how.decimal == "," else r"\."
    form = rf"^[+-]?([0-9]+({point}[0-9]*)?|{point}[0-9]+)([eE][+-]?[0-9]+)?$"
    number = (
        pl.when(cell.str.contains(form))
        .then(cell.str.replace(",", ".", literal=True))
        .cast(pl.Float64, strict=False)
    )
    value = pl.when(number.is_finite()).then(number + 0.0)  # -0.0 would be another byte
    infinite = cell.str.to_lowercase().is_in(_WORDS) | number.is_infinite()
    reason = pl.when(infinite.fill_null(False)).then(pl.lit("NOT_FINITE"))
    return value, reason.otherwise(_why(cell, value, "BAD_NUMBER"))


def _as_int(cell: pl.Expr, how: Convention) -> Cell:
    point = "," if how.decimal == "," else r"\."
    value = (
        pl.when(cell.str.contains(rf"^[+-]?[0-9]+({point}0*)?$"))
        .then(cell.str.replace(rf"{point}0*$", "").str.replace(r"^\+", ""))
        .cast(pl.Int64, strict=False)
    )
    return value, _why(cell, value, "BAD_NUMBER")


def _as_bool(cell: pl.Expr, _how: Convention) -> Cell:
    low = cell.str.to_lowercase()
    value = pl.when(low.is_in(_TRUE)).then(True).when(low.is_in(_FALSE)).then(False)
    return value.otherwise(None), _why(cell, value.otherwise(None), "UNKNOWN_CODE")


def _as_presence(cell: pl.Expr, _how: Convention) -> Cell:
    written = pl.when(cell.is_not_null()).then(~cell.str.to_lowercase().is_in(_FALSE))
    return written, pl.lit(None, dtype=pl.String)


def _as_date(cell: pl.Expr, how: Convention) -> Cell:
    day = cell.str.to_date(how.date_format, strict=False)
    value = pl.when(day.is_between(_EARLIEST, _LATEST)).then(day)
    return value, _why(cell, value, "BAD_DATE")


def _as_timestamp(cell: pl.Expr, how: Convention) -> Cell:
    if how.datetime_format == "iso8601":
        local, offset = _iso_parts(cell)
        zoned = (local - offset).dt.replace_time_zone("UTC")
        has_zone = offset.is_not_null()
    elif "%z" in how.datetime_format or "%:z" in how.datetime_format:
        zoned = cell.str.to_datetime(how.datetime_format, strict=False, time_unit="us")
        local, has_zone = zoned.dt.replace_time_zone(None), zoned.is_not_null()
        zoned = zoned.dt.convert_time_zone("UTC")
    else:
        local = cell.str.to_datetime(how.datetime_format, strict=False, time_unit="us")
        zoned, has_zone = local.dt.replace_time_zone("UTC"), pl.lit(False)
    local = pl.when(local.dt.date().is_between(_EARLIEST, _LATEST)).then(local)
    placed = (
        zoned
        if how.zone is None
        else pl.when(has_zone)
        .then(zoned)
        .otherwise(
            local.dt.replace_time_zone(
                how.zone, ambiguous="null", non_existent="null"
            ).dt.convert_time_zone("UTC")
        )
    )
    value = pl.when(local.is_not_null() & (has_zone | pl.lit(how.zone is not None))).then(placed)
    lost = "TIME_WITHOUT_ZONE" if how.zone is None else "AMBIGUOUS_TIME"
    reason = pl.when(local.is_not_null() & value.is_null()).then(pl.lit(lost))
    return value, reason.otherwise(_why(cell, value, "BAD_DATE"))


def _iso_parts(cell: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Split ISO 8601 into its local time and its offset from UTC (null where none is written)."""
    parts = cell.str.extract_groups(_ISO).struct
    seconds = pl.coalesce(parts.field("3"), pl.lit(":00"))
    fraction = pl.coalesce(parts.field("4").str.replace(",", ".", literal=True), pl.lit(".0"))
    text = pl.concat_str(
        parts.field("1"), pl.lit("T"), parts.field("2"), seconds, fraction, ignore_nulls=False
    )
    # A leap second, or 24:00, would be carried over by the parser without a word.
    sane = ~seconds.is_in([":60"])
    local = pl.when(sane).then(
        text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
    )
    zone = parts.field("5")
    digits = zone.str.replace(":", "", literal=True)
    hours = digits.str.slice(1, 2).cast(pl.Int64, strict=False)
    minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    total = pl.when(zone.str.to_lowercase() == "z").then(0).otherwise(hours * 60 + minutes)
    signed = pl.when(zone.str.starts_with("-")).then(-total).otherwise(total)
    valid = zone.is_null() | ((total <= _MAXIMUM_OFFSET_MINUTES) & (minutes < 60))
    return pl.when(valid).then(local), pl.duration(minutes=signed, time_unit="us")


_PARSERS: Final[Mapping[FieldType, Callable[[pl.Expr, Convention], Cell]]] = {
    "text": _as_text,
    "identifier": _as_text,
    "study": _as_text,
    "float": _as_float,
    "int": _as_int,
    "bool": _as_bool,
    "date": _as_date,
    "timestamp": _as_timestamp,
    "presence": _as_presence,
}

_DTYPES: Final[Mapping[FieldType, pl.DataType]] = {
    "text": pl.String(),
    "identifier": pl.String(),
    "study": pl.String(),
    "float": pl.Float64(),
    "int": pl.Int64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
    "presence": pl.Boolean(),
}


def _pseudonymous(
    frame: pl.DataFrame, fields: Sequence[Field], pseudonyms: Pseudonyms
) -> pl.DataFrame:
    """Replace identifiers; a cell that normalises to nothing becomes null."""
    made: list[pl.Series] = []
    for field in fields:
        cells = frame[field.name]
        if field.type == "study" or field.also_study:
            made += [
                _each(cells, "study", pseudonyms).alias(field.name + AS_UID),
                _each(cells, "accession", pseudonyms).alias(field.name + AS_ACCESSION),
            ]
        if field.identifier is not None:
            issuers = frame[field.issuer] if field.issuer else None
            made.append(_each(cells, field.identifier, pseudonyms, issuers))
    done_with = {f.name for f in fields if f.type == "study"} | {f.issuer for f in fields}
    return frame.with_columns(made).drop(sorted(filter(None, done_with)))


def _each(
    cells: pl.Series, kind: str, pseudonyms: Pseudonyms, issuers: pl.Series | None = None
) -> pl.Series:
    """Make pseudonyms, each once however often its identifier stands there."""
    issuer = pl.lit(None, dtype=pl.String) if issuers is None else issuers
    pairs = pl.DataFrame({"cell": cells}).with_columns(issuer.alias("issuer"))
    unique = pairs.unique()
    made = [None if c is None else pseudonyms.of(kind, c, i) for c, i in unique.iter_rows()]
    known = unique.with_columns(pl.Series("made", made, dtype=pl.String))
    joined = pairs.join(
        known, on=["cell", "issuer"], how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["made"].alias(cells.name)


def _finish(frame: pl.DataFrame, fields: Sequence[Field]) -> pl.DataFrame:
    """Reduce the reasons of a row's cells to the first, in column order."""
    found: list[pl.Expr] = []
    for field in fields:
        reason = pl.col(f"{field.name}!")
        if field.type == "identifier" and field.filled:
            reason = pl.coalesce(
                reason, pl.when(pl.col(field.name).is_null()).then(pl.lit("MISSING_VALUE"))
            )
        found.append(
            pl.when(reason.is_not_null()).then(
                pl.struct(reason.alias("reason"), pl.lit(field.name).alias("field"))
            )
        )
    first = pl.coalesce(found).alias("first")
    return (
        frame.with_columns(first)
        .with_columns(pl.col("first").struct.field("reason"), pl.col("first").struct.field("field"))
        .drop("first", *(f"{f.name}!" for f in fields))
    )
