"""One delivered file as typed rows, refused where they are wrong whatever other tables hold.

Such rows are kept from night to night (``kept_rows``), so what is decided here may depend on the
file, the day of its delivery, the site's form, the protocol and the secret, and on nothing else: no
other file, no other table, no cut. What does not belong here: rules that need any of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from vpack_pipeline.io.forms import AS_UID, Field, Form, fields_of, typed
from vpack_pipeline.site import InputForm, InputKind

if TYPE_CHECKING:
    from vpack_pipeline.io.identity import Pseudonyms
    from vpack_pipeline.protocol import Protocol

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
    own = _OWN_RULES.get(kind)
    return rows if own is None else own(rows, protocol)


def no_rows(kind: InputKind, protocol: Protocol, pseudonyms: Pseudonyms) -> pl.DataFrame:
    """Give the rows of no file: the columns that :func:`form_rows` gives."""
    cells = pl.DataFrame(schema={"line": pl.Int64, "finding_cell": pl.String})
    nothing = Form(kind, cells, (), frozenset())
    return typed(nothing, fields_of(kind, protocol), _NO_FORM, pseudonyms)


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


def _own_reads(rows: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
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


_OWN_RULES: Final[Mapping[InputKind, Callable[[pl.DataFrame, Protocol], pl.DataFrame]]] = {
    "reads": _own_reads,
    "predictions": _own_predictions,
    "development": _own_development,
    "patient_map": _own_patient_map,
}
"""What makes a row of a kind wrong that no cell alone shows, and no other table is needed for."""

_NO_FORM: Final = InputForm(file="none.csv")
