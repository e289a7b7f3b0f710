"""A backfill as the UI asks for it: kept by an instance, driven by the daemon's own iterations."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.storage.defs_state.base import set_defs_state_storage
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from vpack_pipeline.partitions import SITES

OVER = {
    BulkActionStatus.COMPLETED_SUCCESS,
    BulkActionStatus.COMPLETED_FAILED,
    BulkActionStatus.FAILED,
}
ITERATIONS = 10
"""More than a backfill needs whose runs are over once launched."""


def _from(module: str, name: str) -> dict[str, str]:
    return {"module": f"dagster._core.{module}", "class": name}


IN_THIS_PROCESS: Mapping[str, Any] = {
    # A worker of its own would load every library again, run by run.
    "run_launcher": _from("launcher.sync_in_memory_run_launcher", "SyncInMemoryRunLauncher"),
    "run_coordinator": _from("run_coordinator", "QueuedRunCoordinator"),
    # Backfill and runs lie in SQLite; a file for each run's thousand events takes half of the time.
    "event_log_storage": _from("storage.event_log", "InMemoryEventLogStorage"),
}


def backfill(
    instance: dg.DagsterInstance,
    sites: Sequence[str],
    tags: Mapping[str, str],
    only: Sequence[str] = (),
) -> PartitionBackfill:
    """Backfill tables of the sites, all or some, from the definitions that a workspace loads.

    ``instance`` is made with :data:`IN_THIS_PROCESS`: a run is over when the queue has launched it.
    """
    instance.add_dynamic_partitions(str(SITES.name), list(sites))
    code = LoadableTargetOrigin(
        executable_path=sys.executable, module_name="vpack_pipeline.definitions"
    )
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(code, location_name="vpack"))
    with ExitStack() as stack:
        stack.enter_context(set_defs_state_storage(None))
        stack.enter_context(warnings.catch_warnings())
        # Dagster's backfill and code location call what Dagster itself deprecates or previews.
        for category in (DeprecationWarning, dg.BetaWarning, dg.PreviewWarning):
            warnings.filterwarnings("ignore", r"(Property|Function|Parameter|Class) `", category)
        process = stack.enter_context(create_test_daemon_workspace_context(target, instance))
        graph = process.create_request_context().asset_graph
        asked = PartitionBackfill.from_asset_partitions(
            backfill_id="-".join(sites),
            asset_graph=graph,
            partition_names=list(sites),
            asset_selection=[dg.AssetKey(name.split("/")) for name in only]
            or sorted(graph.materializable_asset_keys),
            backfill_timestamp=time.time(),
            tags=tags,
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
        instance.add_backfill(asked)
        logger, queue = logging.getLogger(__name__), QueuedRunCoordinatorDaemon(1)
        for _ in range(ITERATIONS):
            # What the daemon does by turns: ask for runs, and start those that wait.
            found = [*execute_backfill_iteration(process, logger), *queue.run_iteration(process)]
            errors = [error.message for error in found if error is not None]
            assert not errors, errors
            now = instance.get_backfill(asked.backfill_id)
            if now is not None and now.status in OVER:
                return now
        raise AssertionError(f"not over after {ITERATIONS} iterations")
