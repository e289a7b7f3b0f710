"""The assets of section cohort; the first of them fixes the run's cut."""

# No postponed annotations here: Dagster reads those of a body as types, not as text.
import time
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.factory import (
    AS_OF_TAG,
    CUT_TAG,
    PROTOCOL_TAG,
    KeyFigures,
    asset_arguments,
    counts_of,
    report,
    run_tags,
    section_assets,
    tag_run,
)
from vpack_pipeline.io.deliveries import choose_cut
from vpack_pipeline.resources import Project


def assets() -> list[dg.AssetsDefinition]:
    """Make the section's assets."""
    key_figures: dict[str, KeyFigures] = {"files": _outcomes, "quarantine": _reasons}
    return [_deliveries(), *section_assets("cohort", key_figures, frozenset({"deliveries"}))]


def _outcomes(frame: pl.LazyFrame) -> Mapping[str, Any]:
    return counts_of(frame, "outcome")


def _reasons(frame: pl.DataFrame) -> Mapping[str, Any]:
    return counts_of(frame, "reason")


def _deliveries() -> dg.AssetsDefinition:
    contract = contracts.load()[benches.FIRST]

    def body(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
        started = time.monotonic()
        with steps.only_foreseen(contract.asset):
            folder = project.open()
            asked = benches.open_bench(folder, context.partition_key, None)
            cut = choose_cut(asked.edge, run_tags(context).get(AS_OF_TAG))
            bench = benches.open_bench(folder, context.partition_key, cut)
        tag_run(context, {CUT_TAG: cut, PROTOCOL_TAG: asked.study.protocol.reference})
        made = steps.materialize(bench, contract.asset)
        yield report(contract, made, bench, None, time.monotonic() - started)

    asset: dg.AssetsDefinition = dg.asset(**asset_arguments(contract))(body)
    return asset
