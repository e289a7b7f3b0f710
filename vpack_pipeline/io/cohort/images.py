"""The image tables of the cohort that come from the archive: files and instances.

``files`` scans the archive; ``instances`` takes the header rows that the scan left for exactly the
files that are in the table. Both may have more rows than fit in memory and are given lazily. What
does not belong here: how a header is read (``io.dicom``), what the instances of a series or study
say together (``dbt_like_sql/cohort``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.dicom import scanner, state
from vpack_pipeline.io.dicom.fields import BY_COLUMN, FIELDS
from vpack_pipeline.io.dicom.outcomes import COPY, PARSED, REASONS, SET_ASIDE
from vpack_pipeline.io.edge import QUARANTINE_SCHEMA, Edge, Loaded
from vpack_pipeline.io.identity import Pseudonyms

_FILES: Final = (
    *("file_id", "source", "outcome", "outcome_part", "bytes", "header_digest", "engine"),
    *("checked", "instance_id", "study_id", "study_date", "first_seen"),
)
_PLACE: Final = ("instance_id", "series_id", "study_id", "patient_id", "file_id")
_FREE_TEXT: Final = tuple(f.column for f in FIELDS if f.is_free_text)
_MAPPABLE: Final = tuple(f.column for f in FIELDS if f.is_mappable)
_FLAGS: Final = tuple(f.column for f in FIELDS if f.kind == "flag")
_BOUNDED: Final[Mapping[str, tuple[str, ...]]] = {
    "sex": ("F", "M", "O"),
    **dict.fromkeys(_FLAGS, ("yes", "no", "absent")),
}
"""Column → the only values that a value map may give it."""


def files(*, edge: Edge, deliveries: pl.DataFrame) -> Loaded:
    """Give every image file that the cut knows its one outcome.

    Parameters
    ----------
    edge : its state is brought up to the archive
    deliveries : its receipt fixes the cut, which the edge names; nothing of it is used

    Returns
    -------
    one row per file; the quarantine holds the files that are neither PARSED, COPY nor SET_ASIDE,
    so that delivered = PARSED + COPY + SET_ASIDE + quarantined

    Raises
    ------
    InputError
        See :func:`vpack_pipeline.io.dicom.scanner.scan`.
    """
    found = scanner.scan(edge).files.lazy()
    day = pl.col("first_seen").str.slice(0, 10).str.to_date("%Y-%m-%d")
    table = found.with_columns(first_seen=day).rename({"detail": "outcome_part"}).select(*_FILES)
    bad = found.filter(~pl.col("outcome").is_in([PARSED, COPY, SET_ASIDE])).sort("file_id")
    remedies = {code: reason.remedy for code, reason in REASONS.items()}
    quarantine = bad.select(
        kind=pl.lit("image"),
        position="file_id",
        delivery=pl.lit(None, pl.String),
        line=pl.lit(None, pl.Int64),
        field="field",
        reason="outcome",
        remedy=pl.col("outcome").replace_strict(remedies, return_dtype=pl.String),
    )
    return Loaded(table, quarantine.select(*QUARANTINE_SCHEMA).collect())


def instances(*, edge: Edge, files: pl.LazyFrame, patient_map: pl.DataFrame) -> pl.LazyFrame:
    """Give the header of every parsed file, under the site's names and the patient map.

    Parameters
    ----------
    edge : gives the scanner's state and ``site.value_maps``
    files : cohort/files
    patient_map : patient_id, same_as, in_force; applied where in force

    Returns
    -------
    one row per SOP instance; header fields with value, raw value and status

    Raises
    ------
    InputError
        ``value_maps`` names no column that can be mapped or gives a value it cannot hold; the
        scanner's state no longer holds the header of a file.
    """
    maps = edge.site.value_maps
    _check_maps(maps)
    rows = _patients(parsed_headers(edge, files), patient_map.lazy())
    for column in _MAPPABLE:
        if column in _FREE_TEXT:
            rows = _name_texts(rows, column, maps.get(column, {}), edge.pseudonyms)
        elif maps.get(column):
            rows = _map_values(rows, column, maps[column])
    return rows.select(*_instance_columns())


def parsed_headers(edge: Edge, files: pl.LazyFrame) -> pl.LazyFrame:
    """Give the header rows that the scan left of the parsed files, as the state holds them.

    Raises
    ------
    InputError
        The scanner's state no longer holds the header of a file.
    """
    headers = state.scan_headers(edge.state)
    parsed = files.filter(pl.col("outcome") == PARSED).select("file_id", _version())
    _refuse_lost(parsed, headers)
    # The narrow side is held, the wide one streams; left to itself, polars may hold the wide one.
    return headers.join(parsed, on=state.KEY, how="semi", build_side="force_right")


def _refuse_lost(parsed: pl.LazyFrame, headers: pl.LazyFrame) -> None:
    known = headers.select(state.KEY)
    lost = parsed.join(known, on=state.KEY, how="anti", build_side="force_right")
    n_lost = lost.select(pl.len()).collect(engine="streaming").item()
    if n_lost:
        raise InputError(
            Problem(
                "cohort/instances",
                f"the scanner's state lacks the headers of {n_lost} files",
                "materialize cohort/files again, on the machine that holds the state",
            )
        )


def _version() -> pl.Expr:
    """Rebuild the version under which the state keeps a header row."""
    text = pl.concat_str(pl.col("header_digest"), pl.lit(":"), pl.col("bytes").cast(pl.String))
    return text.alias("version")


def _instance_columns() -> list[str]:
    uids, shown = ["sop_class_uid", "transfer_syntax_uid"], [n for f in FIELDS for n in f.shown]
    return [*_PLACE, *uids, *shown, "device_id", "accession_id", "default_case_id"]


def _check_maps(maps: Mapping[str, Mapping[str, str]]) -> None:
    problems = [
        Problem(
            f"site.yaml value_maps.{column}",
            "is no header column that can be mapped",
            f"name one of {', '.join(_MAPPABLE)}",
        )
        for column in sorted(set(maps) - set(_MAPPABLE))
    ]
    problems += [
        Problem(
            f"site.yaml value_maps.{column}",
            "maps to a value that the column cannot hold",
            f"map to one of {', '.join(known)}",
        )
        for column, known in _BOUNDED.items()
        if not set(maps.get(column, {}).values()) <= set(known)
    ]
    if problems:
        raise InputError(problems)


def _patients(rows: pl.LazyFrame, patient_map: pl.LazyFrame) -> pl.LazyFrame:
    merged = patient_map.filter(pl.col("in_force")).select("patient_id", "same_as")
    return (
        rows.join(merged, on="patient_id", how="left", build_side="force_right")
        .with_columns(patient_id=pl.coalesce("same_as", "patient_id"))
        .drop("same_as")
    )


def _map_values(rows: pl.LazyFrame, column: str, names: Mapping[str, str]) -> pl.LazyFrame:
    """Replace what a site's value map names; of a tracked field the raw value stays."""
    is_tracked = BY_COLUMN[column].is_tracked
    source = f"{column}_raw" if is_tracked else column
    made = {column: pl.coalesce("named", column)}
    if is_tracked:
        status = pl.col(f"{column}_status")
        made[f"{column}_status"] = (
            pl.when(pl.col("named").is_null()).then(status).otherwise(pl.lit("mapped"))
        )
    return _named(rows, source, names).with_columns(**made).drop("named")


def _name_texts(
    rows: pl.LazyFrame, column: str, names: Mapping[str, str], pseudonyms: Pseudonyms
) -> pl.LazyFrame:
    """Name the free texts that a site's value map knows, by their keyed digests."""
    if not names:
        return rows.with_columns(pl.lit(None, pl.String).alias(column))
    keyed = {pseudonyms.text(column, written): meant for written, meant in names.items()}
    status = pl.col(f"{column}_status")
    made = {
        column: pl.col("named"),
        f"{column}_status": pl.when(pl.col("named").is_null())
        .then(status)
        .otherwise(pl.lit("mapped")),
    }
    return _named(rows, f"{column}_key", keyed).with_columns(**made).drop("named")


def _named(rows: pl.LazyFrame, source: str, names: Mapping[str, str]) -> pl.LazyFrame:
    """Look a column up; by a join, since replace_strict would hold all rows in memory."""
    known = pl.LazyFrame(
        {source: list(names), "named": list(names.values())},
        schema={source: pl.String, "named": pl.String},
    )
    return rows.join(known, on=source, how="left", build_side="force_right")
