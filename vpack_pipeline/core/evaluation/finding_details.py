"""What reads and reference labels tell of a finding beside it, as one level a case.

What does not belong here: whether the finding is there (``adjudication``), any figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from vpack_pipeline.core.evaluation.strata import Parting
from vpack_pipeline.core.variables import MISSING, bin_labels, labels_of
from vpack_pipeline.protocol import Disclosure, FindingDetail


def by_finding_details(
    details: Sequence[FindingDetail],
    finding: str,
    reads: pl.DataFrame,
    reference: pl.DataFrame,
    reference_standard: pl.DataFrame,
    disclosure: Disclosure,
) -> list[Parting]:
    """Give each declared detail as a variable by which cases of a finding are parted.

    Of several reference reads of a case a numeric detail is the median, a categorical one what most
    of them say; where no level leads, it is missing. Of several reference labels that of the source
    which gave the case's label counts, else the latest.

    Parameters
    ----------
    reads, reference : the typed inputs, with their JSON column ``details``
    reference_standard : ``source`` of each label

    Returns
    -------
    one a detail: a set is shown by it only if each level has the smallest group of patients, or
    none
    """
    of_finding = (pl.col("finding") == finding) & pl.col("in_force")
    made = []
    for detail in details:
        if detail.source == "reads":
            rows = reads.filter(of_finding, pl.col("purpose") == "reference")
            level_of = _of_reads(_valued(rows, detail), detail)
        else:
            labels = reference_standard.filter(finding=finding)
            level_of = _of_reference(_valued(reference.filter(of_finding), detail), labels)
        levels = level_of.select(
            "case_id", pl.Series("level", labels_of(level_of["value"], detail))
        )
        everyone = reference_standard.filter(finding=finding).select("case_id")
        placed = everyone.join(levels, on="case_id", how="left").with_columns(
            pl.col("level").fill_null(MISSING)
        )
        fewest = disclosure.smallest_group
        made.append(Parting(detail.name, tuple(bin_labels(detail)), placed, fewest=fewest))
    return made


def _valued(rows: pl.DataFrame, detail: FindingDetail) -> pl.DataFrame:
    """Read the detail of each row; rows that say nothing of it are left out."""
    kind = pl.Float64 if detail.kind == "numeric" else pl.String
    decoded = rows["details"].str.json_decode(pl.Struct({detail.name: kind}))
    value = decoded.struct.field(detail.name).alias("value")
    return rows.with_columns(value).filter(pl.col("value").is_not_null())


def _of_reads(rows: pl.DataFrame, detail: FindingDetail) -> pl.DataFrame:
    if detail.kind == "numeric":
        return rows.group_by("case_id").agg(pl.col("value").median()).sort("case_id")
    counts = rows.group_by("case_id", "value").len()
    leads = counts.filter(pl.col("len") == pl.col("len").max().over("case_id"))
    return (
        leads.group_by("case_id")
        .agg(
            pl.when(pl.len() == 1).then(pl.col("value").first()).otherwise(None).alias("value"),
        )
        .sort("case_id")
    )


def _of_reference(rows: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    source = labels.select("case_id", pl.col("source").alias("label_source"))
    return (
        rows.join(source, on="case_id", how="left")
        .with_columns((pl.col("source") == pl.col("label_source")).fill_null(False).alias("own"))
        .sort("own", "established_at", "source", nulls_last=False)
        .unique("case_id", keep="last", maintain_order=True)
        .select("case_id", "value")
        .sort("case_id")
    )
