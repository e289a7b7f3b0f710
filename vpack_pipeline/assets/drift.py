"""The assets of section drift, and what the Dagster UI shows of each at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from vpack_pipeline.assets.factory import counts_of, section_assets


def assets() -> list[dg.AssetsDefinition]:
    """Make the section's assets."""
    return section_assets("drift", {"status": _signals})


def _signals(frame: pl.DataFrame) -> Mapping[str, Any]:
    return counts_of(frame.with_columns(pl.col("signal").fill_null(pl.col("status"))), "signal")
