"""The assets of section adjudication, and what the Dagster UI shows of each at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from vpack_pipeline.assets.factory import counts_of, section_assets, title_of


def assets() -> list[dg.AssetsDefinition]:
    """Make the section's assets."""
    return section_assets("adjudication", {"reference_standard": _methods, "agreement": _agreement})


def _methods(frame: pl.DataFrame) -> Mapping[str, Any]:
    return counts_of(frame, "method")


def _agreement(frame: pl.DataFrame) -> Mapping[str, Any]:
    wanted = {"percent_agreement", "fleiss_kappa", "gwet_ac1", "krippendorff_alpha"}
    given = frame.filter(pl.col("metric").is_in(wanted), status="given", stratum="all")
    return {
        f"{title_of('adjudication/agreement', r)}, {r['finding']}": round(r["estimate"], 3)
        for r in given.iter_rows(named=True)
    }
