"""The assets of section cohort; the first of them fixes the run's cut, the second is watched."""

# No postponed annotations here: Dagster reads those of a body as types, not as text.
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
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
    asset_arguments,
    bench_of,
    counts_of,
    report,
    run_tags,
    section_assets,
    tag_run,
)
from vpack_pipeline.io.deliveries import choose_cut
from vpack_pipeline.io.dicom.progress import Milestones, Progress
from vpack_pipeline.resources import Project

scan_progress = logging.getLogger("vpack_pipeline.progress.scan")
scan_progress.propagate = False


def assets() -> list[dg.AssetsDefinition]:
    """Make the section's assets."""
    own = frozenset({"deliveries", "files"})
    key_figures = {"quarantine": _reasons, "outcomes": _counted}
    return [_deliveries(), _files(), *section_assets("cohort", key_figures, own)]


def _outcomes(frame: pl.LazyFrame) -> Mapping[str, Any]:
    return counts_of(frame, "outcome")


def _reasons(frame: pl.DataFrame) -> Mapping[str, Any]:
    return counts_of(frame, "reason")


def _counted(frame: pl.DataFrame) -> Mapping[str, Any]:
    wholes = frame.filter(outcome_part="all").select("outcome", "n_files")
    return dict(wholes.iter_rows())


class Watcher:
    """Hears how far the scan has come: for the run's log, the metadata, and the command line."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._milestones = Milestones(log)
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Take one step."""
        self._last = progress
        self._milestones(progress)
        scan_progress.info("scan", extra={"progress": progress})

    def metadata(self) -> Mapping[str, Any]:
        """Say what the scan did: what another scan would have done otherwise stands in no table."""
        last = self._last
        if last is None:
            return {}
        return {
            "files listed": last.files,
            "files read": last.read,
            "bytes of files read": last.bytes,
            "seconds of reading": round(last.seconds, 3),
        }


def _files() -> dg.AssetsDefinition:
    contract = contracts.load()["cohort/files"]

    def body(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
        started = time.monotonic()
        with steps.only_foreseen(contract.asset):
            bench = bench_of(context, project)
            watcher = Watcher(context.log.info)
            scanning = replace(bench.edge.scanning, listener=watcher)
            bench = replace(bench, edge=replace(bench.edge, scanning=scanning))
            made = steps.materialize(bench, contract.asset)
            seconds = time.monotonic() - started
            result = report(contract, made, bench, _outcomes, seconds, watcher.metadata())
        yield result

    asset: dg.AssetsDefinition = dg.asset(**asset_arguments(contract))(body)
    return asset


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
