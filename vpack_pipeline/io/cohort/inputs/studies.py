"""Matches what an input calls a study, by UID or accession number, with the archive's studies.

What does not belong here: how identifiers are normalised (``identity``).
"""

from __future__ import annotations

import polars as pl

from vpack_pipeline.io.cohort.inputs.form_rows import refuse
from vpack_pipeline.io.forms import AS_ACCESSION, AS_UID


def match_studies(rows: pl.DataFrame, studies: pl.LazyFrame, field: str = "study") -> pl.DataFrame:
    """Find the study that a cell names.

    Parameters
    ----------
    rows : with the two pseudonyms of ``field``
    studies : ``cohort/studies``

    Returns
    -------
    ``rows`` in their order with ``study_id`` (null: none, or not one alone), ``study_patient_id``
    and ``n_by_accession``
    """
    uid, accession = field + AS_UID, field + AS_ACCESSION
    known = studies.select("study_id", "patient_id", "accession_id").collect()
    by_uid = known.select(
        pl.col("study_id").alias(uid),
        pl.col("study_id").alias("_uid_study"),
        pl.col("patient_id").alias("_uid_patient"),
    )
    by_accession = (
        known.filter(pl.col("accession_id").is_not_null())
        .group_by(pl.col("accession_id").alias(accession))
        .agg(
            pl.col("study_id").min().alias("_accession_study"),
            pl.col("patient_id").sort_by("study_id").first().alias("_accession_patient"),
            pl.len().cast(pl.Int64).alias("n_by_accession"),
        )
    )
    is_one = pl.col("n_by_accession") == 1
    return (
        rows.join(by_uid, on=uid, how="left", maintain_order="left")
        .join(by_accession, on=accession, how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("_uid_study", pl.when(is_one).then("_accession_study")).alias("study_id"),
            pl.coalesce("_uid_patient", pl.when(is_one).then("_accession_patient")).alias(
                "study_patient_id"
            ),
            pl.when(pl.col("_uid_study").is_null()).then("n_by_accession").fill_null(0),
        )
        .drop("_uid_study", "_uid_patient", "_accession_study", "_accession_patient")
    )


def refuse_unmatched(rows: pl.DataFrame, names_study: pl.Expr | None = None) -> pl.DataFrame:
    """Refuse rows that name a study which is not found, or not alone.

    Parameters
    ----------
    names_study : whether a row names one; None: where its column ``study`` is filled
    """
    if names_study is None:
        names_study = pl.col("study" + AS_UID).is_not_null()
    lost = names_study & pl.col("study_id").is_null()
    rows = refuse(rows, "AMBIGUOUS_KEY", "study", lost & (pl.col("n_by_accession") > 1))
    return refuse(rows, "UNMATCHED_KEY", "study", lost)
