"""The way of every input from delivered files to an accepted table and its quarantine.

Read the files of the deliveries that count, refuse rows for a reason, refuse duplicates, say what
is in force, count. What does not belong here: what is particular to one kind (its own module).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
from pydantic import TypeAdapter

from vpack_pipeline import contracts, source_digest
from vpack_pipeline.document import digest_of
from vpack_pipeline.errors import ContractError, DeliveryError, Problem
from vpack_pipeline.io import deliveries as folder
from vpack_pipeline.io.cohort.inputs import kept_rows
from vpack_pipeline.io.cohort.inputs.form_rows import form_rows, no_rows, refuse
from vpack_pipeline.io.cohort.inputs.kept_rows import KeptRows
from vpack_pipeline.io.cohort.inputs.supersession import supersede
from vpack_pipeline.io.edge import QUARANTINE_SCHEMA, Edge, Loaded
from vpack_pipeline.io.forms import REASONS, read_form
from vpack_pipeline.site import InputKind

PACKAGE_DATA: Final = ("contracts/cohort",)
READING: Final = (
    "vpack_pipeline.io.forms:read_form",
    "vpack_pipeline.io.cohort.inputs.form_rows",
)
"""What makes typed rows of a delivered file: when it changes, every delivery is read again."""

BOOKKEEPING: Final = ("delivery", "line", "finding_cell", "reason", "field")


def sequence(deliveries: pl.DataFrame, kind: InputKind) -> list[tuple[str, str]]:
    """List the deliveries of one kind that this cut counts, in order, with their mode."""
    of_kind = deliveries.filter(pl.col("kind") == kind).select("delivery", "mode")
    return sorted(of_kind.rows(), key=lambda row: folder.moment(row[0]))


def kept_of(kind: InputKind, edge: Edge) -> KeptRows:
    """Find what is kept of the deliveries of a kind, as this site's form is read today."""
    blocks = contracts.load()[f"cohort/{kind}"].protocol
    decides: dict[str, Any] = {
        "code": source_digest.digest_of(READING),
        # Whether a file replaces or adds is decided when it is held against the others.
        "form": edge.site.inputs[kind].model_dump(mode="json", exclude={"mode"}),
        "protocol": {name: getattr(edge.protocol, name) for name in blocks},
        "identifiers": edge.pseudonyms.convention,
    }
    plain = TypeAdapter(Any).dump_python(decides, mode="json")
    return KeptRows(edge.state, kind, digest_of(plain), edge.pseudonyms)


def clean_kept(edge: Edge) -> int:
    """Remove kept rows that are of no use any more, and give the number of files removed."""
    return kept_rows.clean(edge.state, [kept_of(kind, edge) for kind in edge.site.inputs])


def read_file(kind: InputKind, edge: Edge, delivery: str, sha256: str) -> pl.DataFrame:
    """Read one delivered file, held to its digest before and after.

    Returns
    -------
    as ``form_rows``, with ``delivery``

    Raises
    ------
    DeliveryError
        The file is gone, is not the one that was counted, or cannot be read.
    """
    written = edge.site.inputs[kind]
    where = f"{delivery}/{written.file}"
    path = edge.resolve(edge.site.deliveries) / delivery / written.file
    altered = Problem(
        where,
        "is not the file that cohort/deliveries counted",
        "restore it as it was, and send what has changed as a new delivery",
    )
    if not path.is_file() or folder.sha256_of(path) != sha256:
        raise DeliveryError(altered)
    form = read_form(path, where, kind, written, edge.protocol)
    # Its rows are kept under this digest: what was exchanged meanwhile must not be among them.
    if folder.sha256_of(path) != sha256:
        raise DeliveryError(altered)
    day = folder.moment(delivery)[0]
    rows = form_rows(kind, form, written, edge.protocol, edge.pseudonyms, day)
    return rows.with_columns(pl.lit(delivery).alias("delivery"))


def read_rows(
    kind: InputKind, edge: Edge, deliveries: pl.DataFrame, only: Sequence[str] = ()
) -> pl.DataFrame:
    """Give all delivered rows of a kind, typed and pseudonymous: kept ones, or read from the files.

    Parameters
    ----------
    only : columns of the kind that are wanted beside ``delivery`` and ``line``; empty: all

    Returns
    -------
    one row per delivered row, by delivery and line: ``delivery``, ``line``, ``finding_cell``, the
    kind's columns, ``reason`` and ``field`` (null where the row can be taken so far)

    Raises
    ------
    DeliveryError
        A file that has to be read is gone, is not the one that ``cohort/deliveries`` counted, or
        cannot be read.
    """
    of_kind = deliveries.filter(pl.col("kind") == kind).select("delivery", "sha256")
    files: dict[str, str] = dict(of_kind.iter_rows())
    nothing = no_rows(kind, edge.protocol).with_columns(delivery=pl.lit(""))
    if only:
        nothing = nothing.select("delivery", "line", *only)
    if not files:
        return nothing
    kept = kept_of(kind, edge)
    parts, taken = kept.take(files, nothing.columns)
    new = [name for name in files if name not in taken]
    read = {name: read_file(kind, edge, name, files[name]) for name in new}
    kept.keep(files, read)
    parts += [rows.select(nothing.columns) for rows in read.values()]
    rows = pl.concat([nothing, *parts], rechunk=True)
    return _in_sequence(rows, [name for name, _ in sequence(deliveries, kind)])


def _in_sequence(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Order rows by delivery as deliveries follow one another; rows of each keep their order."""
    places = {name: place for place, name in enumerate(names)}
    place = rows["delivery"].replace_strict(places, return_dtype=pl.Int64)
    return rows if place.is_sorted() else rows.sort(place, maintain_order=True)


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

    Parameters
    ----------
    rows : as of :func:`read_rows`: those of a delivery lie side by side
    content : the columns of the table, the key among them
    key, revision : as of ``supersede``
    """
    is_double = rows.select(pl.col("delivery").rle_id(), *key).is_duplicated()
    if not is_double.any():
        return rows
    # Most keys stand once in a file, and only those that do not have to be looked at.
    place = pl.int_range(pl.len(), dtype=pl.Int64).alias("_place")
    numbered = rows.with_columns(place)
    double = _refuse_double(numbered.filter(is_double), content, key, revision)
    return pl.concat([numbered.filter(~is_double), double]).sort("_place").drop("_place")


def _refuse_double(
    rows: pl.DataFrame, content: Sequence[str], key: Sequence[str], revision: str | None
) -> pl.DataFrame:
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
