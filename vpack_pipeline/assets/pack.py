"""The assets of section pack; the last of them opens the lock and publishes."""

# No postponed annotations here: Dagster reads those of a body as types, not as text.
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.factory import (
    asset_arguments,
    bench_of,
    report,
    run_tags,
    section_assets,
    tag_run,
)
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.errors import GateClosedError, Problem
from vpack_pipeline.resources import Project

VERSION_TAG = "vpack/pack_version"
NIGHTLY_TAG = "vpack/nightly"
CLOSED_BY = "closed by"
"""The metadata of a failed last step: one row a problem."""


def assets() -> list[dg.AssetsDefinition]:
    """Make the section's assets."""
    return [*section_assets("pack", {}, frozenset({"validation_pack"})), _validation_pack()]


def _validation_pack() -> dg.AssetsDefinition:
    contract = contracts.load()[benches.LAST]
    arguments = asset_arguments(contract)
    arguments["deps"] = [dg.AssetKey(name.split("/")) for name in sorted(leaves())]

    def body(context: dg.AssetExecutionContext, project: Project) -> Iterator[Any]:
        started = time.monotonic()
        try:
            with steps.only_foreseen(contract.asset):
                bench = bench_of(context, project)
                published = publish(bench, nightly=NIGHTLY_TAG in run_tags(context))
        except GateClosedError as closed:
            raise dg.Failure(
                description=f"The gate is closed, nothing was published: {closed.problems[0]}",
                metadata={CLOSED_BY: _table(closed.problems)},
                allow_retries=False,
            ) from None
        tag_run(context, {VERSION_TAG: published.version})
        seconds, warned = time.monotonic() - started, published.warned
        result = report(contract, published.made, bench, None, seconds, warned=warned)
        extra: dict[str, Any] = {"pack_version": published.version, "pack": published.note}
        if warned:
            extra["changed since"] = _table(warned)
        yield result._replace(metadata={**(result.metadata or {}), **extra})

    asset: dg.AssetsDefinition = dg.asset(**arguments)(body)
    return asset


def leaves() -> frozenset[str]:
    """List the tables that no other table reads, but the last: the pack waits for these."""
    known = benches.dependencies()
    read = {name for asset, names in known.items() if asset != benches.LAST for name in names}
    return frozenset(set(known) - read - {benches.LAST}) | known[benches.LAST]


def _table(problems: tuple[Problem, ...]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord({"table": p.where, "what": p.what, "remedy": p.remedy}) for p in problems]
    )
