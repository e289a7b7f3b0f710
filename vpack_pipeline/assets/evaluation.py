"""The assets of section evaluation, and what the Dagster UI shows of each at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from vpack_pipeline.assets.factory import counts_of, section_assets, title_of


def assets() -> list[dg.AssetsDefinition]:
    """Make the section's assets."""
    return section_assets(
        "evaluation", {"operating_points": _points, "endpoints": _endpoints, "index_test": _status}
    )


def _points(frame: pl.DataFrame) -> Mapping[str, Any]:
    given = frame.filter(
        pl.col("metric").is_in({"sensitivity", "specificity"}),
        pl.col("analysis") == "intention_to_diagnose",
        pl.col("status") == "given",
    )
    asset, keys = (
        "evaluation/operating_points",
        ("finding", "model_id", "operating_point", "window"),
    )
    return {
        ", ".join([title_of(asset, r), *(r[k] for k in keys)]): round(r["estimate"], 3)
        for r in given.iter_rows(named=True)
    }


def _endpoints(frame: pl.DataFrame) -> Mapping[str, Any]:
    return {f"{r['endpoint']} at {r['look']}": r["verdict"] for r in frame.iter_rows(named=True)}


def _status(frame: pl.DataFrame) -> Mapping[str, Any]:
    return counts_of(frame, "status")
