"""What readers, laboratories, the index test and the sites' systems said: one function a table.

What does not belong here: what follows from it (``adjudication``, ``evaluation``).
"""

from __future__ import annotations

import polars as pl

from vpack_pipeline.core.target import read_target
from vpack_pipeline.io.cohort.inputs.form_rows import refuse
from vpack_pipeline.io.cohort.inputs.loading import (
    finish,
    map_patients,
    read_rows,
    refuse_unknown,
)
from vpack_pipeline.io.cohort.inputs.studies import match_studies, refuse_unmatched
from vpack_pipeline.io.edge import Edge, Loaded
from vpack_pipeline.io.forms import AS_UID


def readers(*, edge: Edge, deliveries: pl.DataFrame) -> Loaded:
    """Read the roster."""
    return finish("readers", read_rows("readers", edge, deliveries), deliveries, ["reader_id"])


def reads(
    *, edge: Edge, deliveries: pl.DataFrame, readers: pl.DataFrame, cases: pl.DataFrame
) -> Loaded:
    """Read what readers said: a rating of the finding's scale, or that the case is not diagnostic.

    Parameters
    ----------
    readers, cases : those in force; a read of another is quarantined
    """
    rows = read_rows("reads", edge, deliveries)
    roster = readers.filter(pl.col("in_force"))["reader_id"]
    rows = refuse_unknown(rows, "UNKNOWN_READER", "reader_id", roster)
    rows = _refuse_unknown_cases(rows, edge, cases)
    on_roster = pl.col("reader_id").is_in(roster.unique().implode()).fill_null(value=False)
    rows = rows.with_columns(on_roster.alias("is_on_roster"))
    key = ["reader_id", "case_id", "finding", "arm", "session"]
    return finish("reads", rows, deliveries, key, "read_at")


def reference(*, edge: Edge, deliveries: pl.DataFrame, cases: pl.DataFrame) -> Loaded:
    """Read labels of independent sources: pathology, follow-up, registry."""
    rows = _refuse_unknown_cases(read_rows("reference", edge, deliveries), edge, cases)
    return finish("reference", rows, deliveries, ["case_id", "finding", "source"], "established_at")


def predictions(*, edge: Edge, deliveries: pl.DataFrame, cases: pl.DataFrame) -> Loaded:
    """Read what the index test returned, failures included.

    An attempt that went well has a score, or, where the output is binary, a score or a call.
    """
    rows = read_rows("predictions", edge, deliveries)
    rows = _refuse_unknown_cases(rows, edge, cases)
    key = ["case_id", "finding", "model_id", "attempt"]
    return finish("predictions", rows, deliveries, key)


def development(
    *, edge: Edge, deliveries: pl.DataFrame, patient_map: pl.DataFrame, studies: pl.LazyFrame
) -> Loaded:
    """Read which patients and studies the index test was trained or tuned on.

    A study outside the archive is kept under the pseudonym of its UID: that it is outside is what
    one hopes for. An accession number that no study or several studies have cannot be matched
    later, and stays a pseudonym that fits nothing.
    """
    rows = map_patients(read_rows("development", edge, deliveries), patient_map)
    rows = match_studies(rows, studies)
    rows = refuse(
        rows,
        "AMBIGUOUS_KEY",
        "study",
        pl.col("study_id").is_null() & (pl.col("n_by_accession") > 1),
    )
    rows = rows.with_columns(pl.coalesce("study_id", "study" + AS_UID).alias("study_id"))
    return finish("development", rows, deliveries, ["patient_id", "study_id", "used_for"])


def operations(*, edge: Edge, deliveries: pl.DataFrame, studies: pl.LazyFrame) -> Loaded:
    """Read how the index test ran in the workflow."""
    rows = match_studies(read_rows("operations", edge, deliveries), studies)
    return finish("operations", refuse_unmatched(rows), deliveries, ["study_id"])


def error_review(*, edge: Edge, deliveries: pl.DataFrame, cases: pl.DataFrame) -> Loaded:
    """Read what a review of the index test's errors said."""
    rows = _refuse_unknown_cases(read_rows("error_review", edge, deliveries), edge, cases)
    return finish("error_review", rows, deliveries, ["case_id", "finding"], "reviewed_at")


def population(*, edge: Edge, deliveries: pl.DataFrame) -> Loaded:
    """Read the target population: counts by margin or joint cell of the profile's variables.

    Raises
    ------
    InputError
        Margins and joint cells do not agree.
    """
    rows = read_rows("population", edge, deliveries)
    loaded = finish("population", rows, deliveries, ["cell"])
    read_target(loaded.table.lazy().collect(), edge.protocol.representativeness.variables)
    return loaded


def _refuse_unknown_cases(rows: pl.DataFrame, edge: Edge, cases: pl.DataFrame) -> pl.DataFrame:
    """Refuse rows of a case that is not in force; without delivered cases it is a study's UID."""
    code = "UNKNOWN_CASE" if "cases" in edge.site.inputs else "UNMATCHED_KEY"
    return refuse_unknown(rows, code, "case_id", cases.filter(pl.col("in_force"))["case_id"])
