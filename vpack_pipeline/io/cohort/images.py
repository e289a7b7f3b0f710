"""The image tables of the cohort: files, instances, series, studies.

``files`` scans the archive; ``instances`` takes the header rows that the scan left for exactly the
files that are in the table; series and studies say what their instances say most often. What does
not belong here: how a header is read (``io.dicom``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.dicom import scanner, state
from vpack_pipeline.io.dicom.fields import BY_COLUMN, FIELDS
from vpack_pipeline.io.dicom.outcomes import COPY, PARSED, REASONS, SET_ASIDE
from vpack_pipeline.io.edge import QUARANTINE_SCHEMA, Edge, Loaded
from vpack_pipeline.io.identity import Pseudonyms

_FILES: Final = (
    *("file_id", "source", "outcome", "detail", "bytes", "header_digest"),
    *("instance_id", "study_id", "first_seen"),
)
_PLACE: Final = ("instance_id", "series_id", "study_id", "patient_id", "file_id")
_FREE_TEXT: Final = tuple(f.column for f in FIELDS if f.is_free_text)
_MAPPABLE: Final = tuple(f.column for f in FIELDS if f.is_mappable)
_PER_FRAME: Final = tuple(f.column for f in FIELDS if f.per_frame is not None)
_FLAGS: Final = tuple(f.column for f in FIELDS if f.kind == "flag")
_BOUNDED: Final[Mapping[str, tuple[str, ...]]] = {
    "sex": ("F", "M", "O"),
    **dict.fromkeys(_FLAGS, ("yes", "no", "absent")),
}
"""Column → the only values that a value map may give it."""

SETTINGS: Final = (
    *("manufacturer", "model", "software", "kvp", "exposure_mas", "exposure_index"),
    *("deviation_index", "slice_thickness_mm", "spacing_between_slices_mm", "pixel_spacing_mm"),
    *("imager_pixel_spacing_mm", "convolution_kernel", "magnetic_field_strength_t"),
    *("radiopharmaceutical_code", "contrast_agent", "body_part", "view_position", "laterality"),
)
SERIES_SETTINGS: Final = (
    *("series_description", "protocol_name", "sequence_name", *SETTINGS),
    *("scanning_sequence", "repetition_time_ms", "echo_time_ms"),
)
ACQUISITION: Final = tuple(
    c for c in SERIES_SETTINGS if c not in {"exposure_mas", "exposure_index", "deviation_index"}
)
"""What tells one acquisition from another; dose modulation changes exposure within one."""
STUDY_FACTS: Final = (
    *("patient_id", "accession_id", "default_case_id", "device_id", "study_date", "age_years"),
    *("sex", "modality", "study_description", *SETTINGS),
)


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
    found = scanner.scan(edge).files
    day = pl.col("first_seen").str.slice(0, 10).str.to_date("%Y-%m-%d")
    table = found.with_columns(first_seen=day).select(*_FILES).sort("file_id")
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
    return Loaded(table, quarantine.select(*QUARANTINE_SCHEMA))


def instances(*, edge: Edge, files: pl.DataFrame, patient_map: pl.DataFrame) -> pl.DataFrame:
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
    parsed = files.filter(pl.col("outcome") == PARSED).select("file_id", _version())
    rows = parsed.join(state.read_headers(edge.state), on=["file_id", "version"], how="inner")
    if rows.height < parsed.height:
        raise InputError(
            Problem(
                "cohort/instances",
                f"the scanner's state lacks the headers of {parsed.height - rows.height} files",
                "materialize cohort/files again, on the machine that holds the state",
            )
        )
    mapped = _patients(rows, patient_map)
    for column in _MAPPABLE:
        if column in _FREE_TEXT:
            mapped = _name_texts(mapped, column, maps.get(column, {}), edge.pseudonyms)
        elif maps.get(column):
            mapped = _map_values(mapped, column, maps[column])
    return mapped.select(*_instance_columns()).sort("instance_id")


def _version() -> pl.Expr:
    """Rebuild the version under which the state keeps a header row."""
    text = pl.concat_str(pl.col("header_digest"), pl.lit(":"), pl.col("bytes").cast(pl.String))
    return text.alias("version")


def _instance_columns() -> list[str]:
    uids = ["modality", "sop_class_uid", "transfer_syntax_uid"]
    shown = [n for f in FIELDS for n in f.shown if n != "modality"]
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


def _patients(rows: pl.DataFrame, patient_map: pl.DataFrame) -> pl.DataFrame:
    merged = patient_map.filter(pl.col("in_force")).select("patient_id", "same_as")
    return (
        rows.join(merged, on="patient_id", how="left")
        .with_columns(patient_id=pl.coalesce("same_as", "patient_id"))
        .drop("same_as")
    )


def _map_values(rows: pl.DataFrame, column: str, names: Mapping[str, str]) -> pl.DataFrame:
    """Replace what a site's value map names; of a tracked field the raw value stays."""
    is_tracked = BY_COLUMN[column].is_tracked
    source = pl.col(f"{column}_raw") if is_tracked else pl.col(column)
    new = source.replace_strict(dict(names), default=None, return_dtype=pl.String)
    made = {column: pl.coalesce(new, pl.col(column))}
    if is_tracked:
        status = pl.col(f"{column}_status")
        made[f"{column}_status"] = pl.when(new.is_null()).then(status).otherwise(pl.lit("mapped"))
    return rows.with_columns(**made)


def _name_texts(
    rows: pl.DataFrame, column: str, names: Mapping[str, str], pseudonyms: Pseudonyms
) -> pl.DataFrame:
    """Name the free texts that a site's value map knows, by their keyed digests."""
    keyed = {pseudonyms.text(column, written): meant for written, meant in names.items()}
    key, status = pl.col(f"{column}_key"), pl.col(f"{column}_status")
    named = key.replace_strict(keyed, default=None, return_dtype=pl.String)
    return rows.with_columns(named.alias(column)).with_columns(
        pl.when(pl.col(column).is_null())
        .then(status)
        .otherwise(pl.lit("mapped"))
        .alias(f"{column}_status")
    )


def series(*, edge: Edge, instances: pl.DataFrame) -> pl.DataFrame:
    """Say of every series what its instances say most often.

    Parameters
    ----------
    edge : not used; every function of this section is given it
    instances : cohort/instances

    Returns
    -------
    one row per series; ``n_distinct_acquisitions`` counts distinct combinations of
    :data:`ACQUISITION`; a setting that may differ from frame to frame has its least, greatest and
    number of distinct values over images and frames
    """
    facts = ["study_id", "patient_id", "modality", *SERIES_SETTINGS]
    counted = instances.group_by("series_id").agg(
        n_instances=pl.len().cast(pl.Int64),
        n_frames=pl.col("n_frames").fill_null(1).sum(),
        **{name: made for c in _PER_FRAME for name, made in _over_frames(c).items()},
    )
    distinct = (
        instances.select("series_id", *ACQUISITION)
        .unique()
        .group_by("series_id")
        .agg(n_distinct_acquisitions=pl.len().cast(pl.Int64))
    )
    order = [
        *("series_id", "study_id", "patient_id", "modality", "n_instances", "n_frames"),
        *SERIES_SETTINGS,
        *(name for c in _PER_FRAME for name in _over_frames(c)),
        "n_distinct_acquisitions",
    ]
    made = _most_frequent(instances, "series_id", facts)
    return (
        made.join(counted, on="series_id", how="left")
        .join(distinct, on="series_id", how="left")
        .select(*order)
        .sort("series_id")
    )


def _over_frames(column: str) -> dict[str, pl.Expr]:
    """Summarise a setting over the images of a series and their frames.

    Which values an image has beside its least and greatest is not kept: the number of distinct ones
    is the larger of that among the images and that within one of them.
    """
    one, within = pl.col(column), pl.col(f"{column}_n_distinct")
    return {
        f"{column}_min": pl.min_horizontal(one.min(), pl.col(f"{column}_min").min()),
        f"{column}_max": pl.max_horizontal(one.max(), pl.col(f"{column}_max").max()),
        f"{column}_n_distinct": pl.max_horizontal(
            one.drop_nulls().n_unique().cast(pl.Int64), within.max()
        ),
    }


def studies(*, edge: Edge, files: pl.DataFrame, instances: pl.DataFrame) -> pl.DataFrame:
    """Say of every study what its instances say most often.

    Parameters
    ----------
    edge : not used; every function of this section is given it
    files : cohort/files; counts the study's files that are in conflict
    instances : cohort/instances

    Returns
    -------
    one row per study that has an instance; a flag such as ``burned_in_annotation`` is yes if any
    instance says so, no if all say no, else absent
    """
    counted = instances.group_by("study_id").agg(
        *(_any_or_all(flag) for flag in _FLAGS),
        n_series=pl.col("series_id").n_unique().cast(pl.Int64),
        n_instances=pl.len().cast(pl.Int64),
    )
    conflicts = (
        files.filter(pl.col("outcome") == "DUP_SOP_CONFLICT")
        .group_by("study_id")
        .agg(n_conflicts=pl.len().cast(pl.Int64))
    )
    order = [
        *("study_id", *STUDY_FACTS),
        *(*_FLAGS, "n_series", "n_instances", "n_conflicts"),
    ]
    return (
        _most_frequent(instances, "study_id", STUDY_FACTS)
        .join(counted, on="study_id", how="left")
        .join(conflicts, on="study_id", how="left")
        .with_columns(pl.col("n_conflicts").fill_null(0))
        .select(*order)
        .sort("study_id")
    )


def _any_or_all(flag: str) -> pl.Expr:
    said = pl.col(flag)
    return (
        pl.when((said == "yes").any())
        .then(pl.lit("yes"))
        .when((said == "no").all())
        .then(pl.lit("no"))
        .otherwise(pl.lit("absent"))
        .alias(flag)
    )


def _most_frequent(rows: pl.DataFrame, key: str, columns: Sequence[str]) -> pl.DataFrame:
    """Take the most frequent value of each column per key; ties go to the smallest, null last."""
    made: Any = rows.select(key).unique().sort(key)
    for column in columns:
        top = (
            rows.filter(pl.col(column).is_not_null())
            .group_by(key, column)
            .agg(n=pl.len())
            .sort([key, "n", column], descending=[False, True, False])
            .unique(key, keep="first", maintain_order=True)
            .select(key, column)
        )
        made = made.join(top, on=key, how="left")
    found: pl.DataFrame = made.sort(key)
    return found
