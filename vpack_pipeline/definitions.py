"""What Dagster loads. Loading reads SQL and contracts only."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from vpack_pipeline import automation
from vpack_pipeline.resources import Project
from vpack_pipeline.sections import SECTIONS


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Make the definitions; tests override resources here."""
    with warnings.catch_warnings():
        # Partitioned checks are previews, code references a beta; the pin of dagster covers them.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [
            asset
            for section in SECTIONS
            for asset in importlib.import_module(f"vpack_pipeline.assets.{section}").assets()
        ]
    return dg.Definitions(
        assets=assets,
        jobs=[automation.job()],
        schedules=[automation.nightly()],
        sensors=[automation.new_deliveries()],
        resources={"project": Project(), **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Load lazily: importing this module builds nothing."""
    return build_defs()
