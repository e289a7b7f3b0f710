"""One delivered file as typed rows, refused where they are wrong whatever other tables hold.

Such rows are kept from night to night (``kept_rows``), so what is decided here may depend on the
file, the day of its delivery, the site's form, the protocol and the secret, and on nothing else: no
other file, no other table, no cut. What does not belong here: rules that need any of these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from vpack_pipeline.io.forms import (
    AS_ACCESSION,
    AS_UID,
    Field,
    Form,
    fields_of,
    typed,
    typed_schema,
)
from vpack_pipeline.site import InputForm, InputKind

if TYPE_CHECKING:
    from vpack_pipeline.io.identity import Pseudonyms
    from vpack_pipeline.protocol import Protocol

INDEX: Final = "index"
"""Of cases: the prefix of the two pseudonyms by which the index study is looked for."""
NAMES_STUDY: Final = "names_study"
"""Of cases: the row names its index study itself."""
_LATEST_ZONE: Final = timedelta(hours=14)
"""How far a delivery's day can lie from UTC's."""


def form_rows(
    kind: InputKind,
    form: Form,
    written: InputForm,
    protocol: Protocol,
    pseudonyms: Pseudonyms,
    delivered_on: date,
) -> pl.DataFrame:
    """Type the rows of one file and refuse those that are wrong whatever other tables hold.

    Returns
    -------
    one row per delivered row, in the order of the file: ``line``, ``finding_cell``, the kind's
    columns, ``reason`` and ``field`` (null where the row can be taken so far)
    """
    fields = fields_of(kind, protocol)
    rows = typed(form, fields, written, pseudonyms)
    ragged = pl.DataFrame(
        {"line": form.ragged, "reason": ["RAGGED_ROW"] * len(form.ragged)},
        schema={"line": pl.Int64, "reason": pl.String},
    )
    rows = _refuse_events(rows, fields, delivered_on)
    rows = pl.concat([rows, ragged], how="diagonal").sort("line", maintain_order=True)
    return _by_own_rules(kind, rows, protocol)


def _by_own_rules(kind: InputKind, rows: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    own = _OWN_RULES.get(kind)
    return rows if own is None else own(rows, protocol)


def no_rows(kind: InputKind, protocol: Protocol) -> pl.DataFrame:
    """Give the rows of no file: the columns that :func:`form_rows` gives."""
    rows = pl.DataFrame(schema=typed_schema(fields_of(kind, protocol)))
    return _by_own_rules(kind, rows, protocol)


def refuse(rows: pl.DataFrame, code: str, field: str, when: pl.Expr) -> pl.DataFrame:
    """Give rows their reason, unless they have one already."""
    hit = pl.col("reason").is_null() & when.fill_null(False)
    return rows.with_columns(
        pl.when(hit).then(pl.lit(code)).otherwise(pl.col("reason")).alias("reason"),
        pl.when(hit).then(pl.lit(field)).otherwise(pl.col("field")).alias("field"),
    )


def _refuse_events(rows: pl.DataFrame, fields: Sequence[Field], delivered_on: date) -> pl.DataFrame:
    midnight = datetime(delivered_on.year, delivered_on.month, delivered_on.day, tzinfo=UTC)
    end = midnight + timedelta(days=1) + _LATEST_ZONE
    for field in fields:
        if field.is_event:
            limit = end if field.type == "timestamp" else delivered_on + timedelta(days=1)
            rows = refuse(rows, "EVENT_AFTER_DELIVERY", field.name, pl.col(field.name) > limit)
    return rows


def _own_cases(rows: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Write covariates as they are stored; say which study may be the index study.

    Only where the export names no study may the identifier of the case stand for it.
    """
    names = [c.name for c in protocol.covariates]
    names_study = pl.col("study" + AS_UID).is_not_null()
    ways = [AS_UID, AS_ACCESSION]
    return (
        rows.with_columns(
            _as_json(rows, names).alias("_covariates"),
            names_study.alias(NAMES_STUDY),
            *(
                pl.when(names_study).then("study" + w).otherwise("case_id" + w).alias(INDEX + w)
                for w in ways
            ),
        )
        .drop(names, *(name + w for name in ("study", "case_id") for w in ways))
        .rename({"_covariates": "covariates"})
    )


def _own_population(rows: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    names = sorted(v.name for v in protocol.representativeness.variables)
    # A cell names the variables that it states and no other.
    return rows.with_columns(_as_json(rows, names, with_nulls=False).alias("cell")).drop(names)


def _with_details(rows: pl.DataFrame, protocol: Protocol, kind: InputKind) -> pl.DataFrame:
    """Write what is told of a finding as it is stored."""
    names = [d.name for d in protocol.finding_details if d.source == kind]
    return rows.with_columns(_as_json(rows, names).alias("details")).drop(names)


def _own_reference(rows: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    return _with_details(rows, protocol, "reference")


def _own_reads(rows: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    rows = _with_details(rows, protocol, "reads")
    unrated = pl.col("rating").is_null() & pl.col("is_diagnostic")
    rows = refuse(rows, "MISSING_VALUE", "rating", unrated)
    for finding in protocol.findings:
        scale = [c.value for c in finding.categories]
        outside = (pl.col("finding") == finding.name) & ~pl.col("rating").is_in(scale)
        rows = refuse(rows, "UNKNOWN_RATING", "rating", outside)
    return rows


def _own_predictions(rows: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    silent = pl.col("score").is_null()
    if protocol.index_test.output.kind == "binary":
        silent = silent & pl.col("call").is_null()
    return refuse(rows, "MISSING_VALUE", "score", silent & (pl.col("status") == "ok"))


def _own_development(rows: pl.DataFrame, _protocol: Protocol) -> pl.DataFrame:
    neither = pl.col("patient_id").is_null() & pl.col("study" + AS_UID).is_null()
    return refuse(rows, "MISSING_VALUE", "patient_id", neither)


def _own_patient_map(rows: pl.DataFrame, _protocol: Protocol) -> pl.DataFrame:
    return refuse(rows, "CYCLE", "same_as", pl.col("patient_id") == pl.col("same_as"))


def _as_json(rows: pl.DataFrame, names: Sequence[str], *, with_nulls: bool = True) -> pl.Series:
    """Write some columns of each row as a JSON object with sorted keys."""
    if not names:
        return pl.repeat("{}", rows.height, dtype=pl.String, eager=True)
    unique = rows.select(names).unique()
    texts = [
        json.dumps(
            {name: value for name, value in row.items() if with_nulls or value is not None},
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        for row in unique.iter_rows(named=True)
    ]
    known = unique.with_columns(pl.Series("_json", texts, dtype=pl.String))
    joined = rows.select(names).join(
        known, on=list(names), how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["_json"]


_OWN_RULES: Final[Mapping[InputKind, Callable[[pl.DataFrame, Protocol], pl.DataFrame]]] = {
    "cases": _own_cases,
    "reads": _own_reads,
    "reference": _own_reference,
    "predictions": _own_predictions,
    "development": _own_development,
    "population": _own_population,
    "patient_map": _own_patient_map,
}
"""What follows from the cells of a row of a kind together, and needs no other row or table."""
