"""What is a case, which studies belong to it, and which patients are one.

What does not belong here: which cases are included (``eligibility``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.io.cohort.inputs.form_rows import INDEX, NAMES_STUDY, refuse
from vpack_pipeline.io.cohort.inputs.loading import (
    BOOKKEEPING,
    finish,
    map_patients,
    quarantined,
    read_rows,
    refuse_duplicates,
    refuse_unknown,
    sequence,
)
from vpack_pipeline.io.cohort.inputs.studies import match_studies, refuse_unmatched
from vpack_pipeline.io.cohort.inputs.supersession import supersede
from vpack_pipeline.io.edge import Edge, Loaded
from vpack_pipeline.io.forms import AS_ACCESSION, AS_UID

PACKAGE_DATA: Final = ("contracts/cohort",)


def patient_map(*, edge: Edge, deliveries: pl.DataFrame) -> Loaded:
    """Read which patient identifiers are the same patient.

    A row whose target is mapped itself is a chain, rows that lead back are a cycle: both are
    quarantined, and what they superseded counts again.
    """
    rows = read_rows("patient_map", edge, deliveries)
    key = ["patient_id"]
    content = ["patient_id", "same_as"]
    rows = refuse_duplicates(rows.select(*BOOKKEEPING, *content), content, key, None)
    while True:
        good = rows.filter(pl.col("reason").is_null())
        now = supersede(good, sequence(deliveries, "patient_map"), key)
        bad = _tangled(now.filter(pl.col("in_force")))
        if not bad.height:
            return finish("patient_map", rows, deliveries, key)
        rows = rows.join(bad, on=["delivery", "line"], how="left", maintain_order="left")
        for code in ("CYCLE", "CHAIN_IN_PATIENT_MAP"):
            rows = refuse(rows, code, "same_as", pl.col("tangle") == code)
        rows = rows.drop("tangle")


def cases(
    *, edge: Edge, deliveries: pl.DataFrame, studies: pl.LazyFrame, patient_map: pl.DataFrame
) -> Loaded:
    """Read the cases; a site that delivers none has one case a study.

    Parameters
    ----------
    studies : ``cohort/studies``: an index study that a case names must be among them, and belong
        to the patient of the case
    patient_map : ``cohort/patient_map``, applied to every patient identifier
    """
    if "cases" not in edge.site.inputs:
        return _one_case_a_study(studies)
    rows = map_patients(read_rows("cases", edge, deliveries), patient_map)
    rows = refuse_unmatched(match_studies(rows, studies, INDEX), pl.col(NAMES_STUDY))
    rows = refuse(
        rows,
        "PATIENT_MISMATCH",
        "study",
        pl.col("study_patient_id") != pl.col("patient_id"),
    )
    return finish("cases", rows, deliveries, ["case_id"])


def case_studies(
    *, edge: Edge, deliveries: pl.DataFrame, cases: pl.DataFrame, studies: pl.LazyFrame
) -> Loaded:
    """Read which studies belong to which case.

    A site that delivers no such file has the index study that ``cases`` names in its column
    ``study``, or else the study whose UID or accession number is the case's identifier, or, where
    it delivers no cases either, one case a study.
    """
    if "case_studies" not in edge.site.inputs:
        return Loaded(_default_case_studies(edge, deliveries, cases, studies), _no_quarantine())
    known = cases.filter(pl.col("in_force"))
    rows = read_rows("case_studies", edge, deliveries)
    rows = refuse_unknown(rows, "UNKNOWN_CASE", "case_id", known["case_id"])
    rows = refuse_unmatched(match_studies(rows, studies))
    rows = rows.join(
        known.select("case_id", "patient_id"), on="case_id", how="left", maintain_order="left"
    )
    rows = refuse(
        rows,
        "PATIENT_MISMATCH",
        "study",
        pl.col("study_patient_id") != pl.col("patient_id"),
    )
    return finish("case_studies", rows, deliveries, ["case_id", "study_id", "arm"])


def _tangled(pairs: pl.DataFrame) -> pl.DataFrame:
    """Find rows of a map in force that lie on a cycle or lead to a mapped identifier."""
    target = dict(pairs.select("patient_id", "same_as").iter_rows())
    found: list[tuple[str, int, str]] = []
    for delivery, line, start, step in pairs.select(
        "delivery", "line", "patient_id", "same_as"
    ).iter_rows():
        if step in target:
            found.append((delivery, line, _tangle(start, target)))
    schema = {"delivery": pl.String, "line": pl.Int64, "tangle": pl.String}
    return pl.DataFrame(found, schema=schema, orient="row")


def _tangle(start: str, target: dict[str, str]) -> str:
    seen = {start}
    step = target[start]
    while step in target and step not in seen:
        seen.add(step)
        step = target[step]
    return "CYCLE" if step == start else "CHAIN_IN_PATIENT_MAP"


def _one_case_a_study(studies: pl.LazyFrame) -> Loaded:
    contract = contracts.load()["cohort/cases"]
    facts = studies.select("study_id", "patient_id", "default_case_id", "study_date")
    numbered = facts.sort("study_id").with_row_index("line", offset=1).collect()
    table = numbered.filter(pl.col("study_date").is_not_null()).select(
        pl.lit("").alias("delivery"),
        pl.col("line").cast(pl.Int64),
        pl.col("default_case_id").alias("case_id"),
        "patient_id",
        pl.col("study_date").alias("index_date"),
        pl.lit("all").alias("stratum"),
        pl.lit("{}").alias("covariates"),
        pl.lit(True).alias("in_force"),
        pl.lit(None, dtype=pl.String).alias("superseded_by"),
    )
    undated = numbered.filter(pl.col("study_date").is_null()).select(
        pl.lit(None, dtype=pl.String).alias("finding_cell"),
        pl.lit(None, dtype=pl.String).alias("delivery"),
        pl.lit(None, dtype=pl.Int64).alias("line"),
        pl.lit("MISSING_VALUE").alias("reason"),
        pl.lit("study_date").alias("field"),
        "study_id",
    )
    # No row of an input: the study itself is the position.
    return Loaded(
        contracts.conform(table, contract), quarantined("cases", undated, pl.col("study_id"))
    )


def _no_quarantine() -> pl.DataFrame:
    nothing = dict.fromkeys(("finding_cell", "delivery", "reason", "field"), pl.String)
    return quarantined("case_studies", pl.DataFrame(schema={**nothing, "line": pl.Int64}))


def _default_case_studies(
    edge: Edge, deliveries: pl.DataFrame, cases: pl.DataFrame, studies: pl.LazyFrame
) -> pl.DataFrame:
    contract = contracts.load()["cohort/case_studies"]
    if "cases" in edge.site.inputs:
        told = read_rows("cases", edge, deliveries, [INDEX + AS_UID, INDEX + AS_ACCESSION])
        named = match_studies(told, studies, INDEX)
        names = [name for name, _ in sequence(deliveries, "cases")]
        linked = _beside(cases, named.select("delivery", "line", "study_id"), names)
    else:
        own = studies.select(pl.col("default_case_id").alias("case_id"), "study_id").collect()
        linked = cases.join(own, on="case_id", how="left", maintain_order="left")
    table = linked.filter(pl.col("study_id").is_not_null()).select(
        "delivery",
        "line",
        "case_id",
        "study_id",
        pl.lit("standard").alias("arm"),
        pl.lit("index").alias("role"),
        "in_force",
        "superseded_by",
    )
    return contracts.conform(table, contract)


def _beside(rows: pl.DataFrame, other: pl.DataFrame, deliveries: Sequence[str]) -> pl.DataFrame:
    """Put beside each row what another frame says of the same delivered line."""
    # One number joins much faster than a name and a number.
    places = {name: place for place, name in enumerate(deliveries)}
    place = pl.col("delivery").replace_strict(places, return_dtype=pl.Int64)
    numbered = [f.with_columns(_number=place * 2**32 + pl.col("line")) for f in (rows, other)]
    return (
        numbered[0]
        .join(numbered[1].drop("delivery", "line"), on="_number", how="left", maintain_order="left")
        .drop("_number")
    )
