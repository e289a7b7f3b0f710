"""The assets of section evaluation, and what the Dagster UI shows of each at a glance."""

from __future__ import annotations

import dagster as dg

from vpack_pipeline.assets.factory import section_assets


def assets() -> list[dg.AssetsDefinition]:
    """Make the section's assets."""
    return section_assets("evaluation", {})
