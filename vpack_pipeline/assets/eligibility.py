"""The assets of section eligibility, and what the Dagster UI shows of each at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from vpack_pipeline.assets.factory import section_assets


def assets() -> list[dg.AssetsDefinition]:
    """Make the section's assets."""
    return section_assets("eligibility", {"flow": _flow})


def _flow(frame: pl.DataFrame) -> Mapping[str, Any]:
    last = frame.filter(pl.col("rule_order") == pl.col("rule_order").max())
    return {f"{r['unit']}s remaining": r["remaining"] for r in last.iter_rows(named=True)}
