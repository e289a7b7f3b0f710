"""The way of every input from delivered files to an accepted table and its quarantine.

Read the files of the deliveries that count, refuse rows for a reason, refuse duplicates, say what
is in force, count. What does not belong here: what is particular to one kind (its own module).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.errors import ContractError, DeliveryError, Problem
from vpack_pipeline.io import deliveries as folder
from vpack_pipeline.io.cohort.inputs.supersession import supersede
from vpack_pipeline.io.edge import QUARANTINE_SCHEMA, Edge, Loaded
from vpack_pipeline.io.forms import AS_UID, REASONS, Field, Form, fields_of, read_form, typed
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import InputForm, InputKind

PACKAGE_DATA: Final = ("contracts/cohort",)

_LATEST_ZONE: Final = timedelta(hours=14)
"""How far a delivery's day can lie from UTC's."""

BOOKKEEPING: Final = ("delivery", "line", "finding_cell", "reason", "field")


def sequence(deliveries: pl.DataFrame, kind: InputKind) -> list[tuple[str, str]]:
    """List the deliveries of one kind that this cut counts, in order, with their mode."""
    of_kind = deliveries.filter(pl.col("kind") == kind).select("delivery", "mode")
    return sorted(of_kind.rows(), key=lambda row: folder.moment(row[0]))


def read_forms(
    kind: InputKind, edge: Edge, deliveries: pl.DataFrame
) -> Iterable[tuple[str, InputForm, Form]]:
    """Read each delivered file of a kind, in order, and hold it to its digest.

    Raises
    ------
    DeliveryError
        A file is gone, is not the one that ``cohort/deliveries`` counted, or cannot be read.
    """
    digests = dict(
        deliveries.filter(pl.col("kind") == kind).select("delivery", "sha256").iter_rows()
    )
    root = edge.resolve(edge.site.deliveries)
    for delivery, _ in sequence(deliveries, kind):
        written = edge.site.inputs[kind]
        where = f"{delivery}/{written.file}"
        path = root / delivery / written.file
        if not path.is_file() or folder.sha256_of(path) != digests[delivery]:
            raise DeliveryError(
                Problem(
                    where,
                    "is not the file that cohort/deliveries counted",
                    "restore it as it was, and send what has changed as a new delivery",
                )
            )
        yield delivery, written, read_form(path, where, kind, written, edge.protocol)


def read_rows(
    kind: InputKind, edge: Edge, deliveries: pl.DataFrame, as_study: Iterable[str] = ()
) -> pl.DataFrame:
    """Read all delivered rows of a kind, typed and pseudonymous.

    Returns
    -------
    one row per delivered row: ``delivery``, ``line``, ``finding_cell``, the kind's columns,
    ``reason`` and ``field`` (null where the row can be taken so far)
    """
    fields = fields_of(kind, edge.protocol)
    nothing = typed(_empty_form(kind), fields, _NO_FORM, edge.pseudonyms, as_study)
    parts = [nothing.with_columns(pl.lit("", dtype=pl.String).alias("delivery"))]
    for delivery, written, form in read_forms(kind, edge, deliveries):
        day = folder.moment(delivery)[0]
        rows = form_rows(kind, form, written, edge.protocol, edge.pseudonyms, day, as_study)
        parts.append(rows.with_columns(pl.lit(delivery).alias("delivery")))
    return pl.concat(parts)


def form_rows(
    kind: InputKind,
    form: Form,
    written: InputForm,
    protocol: Protocol,
    pseudonyms: Pseudonyms,
    delivered_on: date,
    as_study: Iterable[str] = (),
) -> pl.DataFrame:
    """Type the rows of one file and refuse those that are wrong whatever other tables hold.

    Returns
    -------
    as :func:`read_rows`, without ``delivery``
    """
    fields = fields_of(kind, protocol)
    rows = typed(form, fields, written, pseudonyms, as_study)
    ragged = pl.DataFrame(
        {"line": form.ragged, "reason": ["RAGGED_ROW"] * len(form.ragged)},
        schema={"line": pl.Int64, "reason": pl.String},
    )
    rows = _refuse_events(rows, fields, delivered_on)
    rows = pl.concat([rows, ragged], how="diagonal").sort("line", maintain_order=True)
    own = _OWN_RULES.get(kind)
    return rows if own is None else own(rows, protocol)


def refuse(rows: pl.DataFrame, code: str, field: str, when: pl.Expr) -> pl.DataFrame:
    """Give rows their reason, unless they have one already."""
    hit = pl.col("reason").is_null() & when.fill_null(False)
    return rows.with_columns(
        pl.when(hit).then(pl.lit(code)).otherwise(pl.col("reason")).alias("reason"),
        pl.when(hit).then(pl.lit(field)).otherwise(pl.col("field")).alias("field"),
    )


def refuse_unknown(rows: pl.DataFrame, code: str, field: str, known: pl.Series) -> pl.DataFrame:
    """Refuse rows whose key is none of those known."""
    return refuse(rows, code, field, ~pl.col(field).is_in(known.unique().implode()))


def finish(
    kind: InputKind,
    rows: pl.DataFrame,
    deliveries: pl.DataFrame,
    key: Sequence[str],
    revision: str | None = None,
) -> Loaded:
    """Refuse duplicates, say what is in force, and divide rows into table and quarantine.

    Parameters
    ----------
    rows : as of :func:`read_rows`, with every column of the table
    key, revision : as of ``supersede``

    Raises
    ------
    ContractError
        Accepted and quarantined rows do not add up to those delivered: a defect of this package.
    """
    contract = contracts.load()[f"cohort/{kind}"]
    columns = [c for c in contract.polars_schema if c not in {"delivery", "line"}]
    content = [c for c in columns if c not in {"in_force", "superseded_by"}]
    rows = rows.select(*BOOKKEEPING, *content)
    rows = refuse_duplicates(rows, content, key, revision)
    accepted = rows.filter(pl.col("reason").is_null()).drop("reason", "field", "finding_cell")
    table = supersede(accepted, sequence(deliveries, kind), key, revision)
    loaded = Loaded(
        contracts.conform(table.select(list(contract.polars_schema)), contract),
        quarantined(kind, rows),
    )
    check_balance(kind, deliveries, loaded)
    return loaded


def refuse_duplicates(
    rows: pl.DataFrame, content: Sequence[str], key: Sequence[str], revision: str | None
) -> pl.DataFrame:
    """Refuse repeated rows but the first, and every row of a key that a delivery states twice.

    Two rows of one key are revisions, not duplicates, where both have a time and times differ.
    """
    is_ok = pl.col("reason").is_null()
    again = pl.int_range(pl.len()).over(["delivery", is_ok, *content]) > 0
    rows = refuse(rows, "DUPLICATE_ROW", key[0], again)
    # A refused row still says that its key was written twice; a repeated or ragged one does not.
    told = pl.col("reason").is_null() | ~pl.col("reason").is_in(["DUPLICATE_ROW", "RAGGED_ROW"])
    group = ["delivery", told, *key]
    if revision is None:
        return refuse(rows, "DUPLICATE_KEY", key[0], pl.len().over(group) > 1)
    same_time = pl.len().over([*group, revision]) > 1
    untimed = (pl.len().over(group) > 1) & pl.col(revision).is_null().any().over(group)
    return refuse(rows, "DUPLICATE_KEY", key[0], same_time | untimed)


def quarantined(kind: str, rows: pl.DataFrame, position: pl.Expr | None = None) -> pl.DataFrame:
    """Write refused rows in the quarantine's columns.

    ``position`` names what was refused; without it that is delivery and line, and the finding
    where the form is wide.
    """
    line = pl.concat_str("delivery", pl.lit(":"), "line")
    cell = pl.concat_str(pl.lit(":"), "finding_cell").fill_null("")
    remedies = {code: reason.remedy for code, reason in REASONS.items()}
    bad = rows.filter(pl.col("reason").is_not_null()).select(
        pl.lit(kind).alias("kind"),
        (pl.concat_str(line, cell) if position is None else position).alias("position"),
        "delivery",
        "line",
        "field",
        "reason",
        pl.col("reason")
        .replace_strict(list(remedies), list(remedies.values()), return_dtype=pl.String)
        .alias("remedy"),
    )
    return bad.cast(pl.Schema(QUARANTINE_SCHEMA)).sort("kind", "position")


def accounted(kind: InputKind, deliveries: pl.DataFrame, loaded: Loaded) -> pl.DataFrame:
    """Count what was made of each delivered file.

    Returns
    -------
    one row per delivery of the kind: ``delivery``, ``delivered``, ``accepted``, ``quarantined``
    """
    delivered = deliveries.filter(pl.col("kind") == kind).select(
        "delivery", pl.col("rows").alias("delivered")
    )
    for frame, name in ((loaded.table, "accepted"), (loaded.quarantine, "quarantined")):
        counts = frame.lazy().group_by("delivery").agg(pl.len().cast(pl.Int64).alias(name))
        delivered = delivered.join(counts.collect(), on="delivery", how="left")
    return delivered.fill_null(0).sort("delivery")


def check_balance(kind: InputKind, deliveries: pl.DataFrame, loaded: Loaded) -> None:
    """Hold a loader to ``accepted + quarantined = delivered``, file by file.

    Raises
    ------
    ContractError
        They differ.
    """
    counts = accounted(kind, deliveries, loaded)
    off = counts.filter(pl.col("accepted") + pl.col("quarantined") != pl.col("delivered"))
    if off.height:
        raise ContractError(
            f"cohort/{kind}: accepted and quarantined rows are not those delivered in"
            f" {', '.join(off['delivery'])}"
        )


def map_patients(frame: pl.DataFrame, patient_map: pl.DataFrame) -> pl.DataFrame:
    """Replace patient identifiers that the patient map in force gives another name."""
    pairs = patient_map.filter(pl.col("in_force")).select("patient_id", "same_as")
    return (
        frame.join(pairs, on="patient_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("same_as", "patient_id").alias("patient_id"))
        .drop("same_as")
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


def _empty_form(kind: str) -> Form:
    cells = pl.DataFrame(schema={"line": pl.Int64, "finding_cell": pl.String})
    return Form(kind, cells, (), frozenset())
