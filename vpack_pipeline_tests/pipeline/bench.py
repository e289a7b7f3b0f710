"""Tiny project roots and runs of the real job over them, for the tests of this folder."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.storage.defs_state.base import set_defs_state_storage

from examples.demo_sites.sites import REPOSITORY, generate
from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.factory import AS_OF_TAG, CHECK
from vpack_pipeline.assets.materialize import materialize
from vpack_pipeline.assets.pack import NIGHTLY_TAG
from vpack_pipeline.assets.publish import PackAtCut, publish
from vpack_pipeline.automation import JOB
from vpack_pipeline.contracts import Contract
from vpack_pipeline.definitions import build_defs
from vpack_pipeline.gate import suite
from vpack_pipeline.gate.check import Checked
from vpack_pipeline.io import packs
from vpack_pipeline.io.deliveries import choose_cut
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.partitions import SITES
from vpack_pipeline.resources import Project
from vpack_pipeline_tests import once

SITE = "riverside"
PROTOCOL = Path("data/protocols/cxr-triage-1.0.yaml")
EARLY, LOOK = "2026-04-10.2", "2026-07-20"
"""The cuts of the two shared builds: one before the only look, one at it."""


def make_root(root: Path, *site_ids: str) -> Path:
    """Generate tiny sites under a protocol that has one of everything and little of it."""
    given = yaml.safe_load((REPOSITORY / PROTOCOL).read_text(encoding="utf-8"))
    path = root / PROTOCOL
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(trimmed(given), sort_keys=False), encoding="utf-8")
    for site_id in site_ids or (SITE,):
        generate(site_id, root, tiny=True)
    return root


def trimmed(protocol: dict[str, Any]) -> dict[str, Any]:
    """Keep one operating point, two monitors, two variables, one subgroup, few replicates."""
    evaluation, drift = protocol["evaluation"], protocol["drift"]
    evaluation["operating_points"] = [p for p in evaluation["operating_points"] if p.get("primary")]
    evaluation["subgroups"]["variables"] = ["sex"]
    evaluation["replicates"] = drift["replicates"] = 200
    protocol["representativeness"]["variables"] = [
        v for v in protocol["representativeness"]["variables"] if v["name"] in {"sex", "modality"}
    ]
    protocol["representativeness"]["joint"] = [["sex", "modality"]]
    drift["monitors"] = [m for m in drift["monitors"] if m["name"] in {"case_volume", "call_rate"}]
    return protocol


def copy(root: Path, to: Path) -> Path:
    """Copy a root with modification times, so that its archive need not be read again."""
    return once.copy(root, to)


def edit(path: Path, change: Any) -> None:
    """Change a YAML document in place."""
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(given)
    path.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")


def deliver(root: Path, name: str, site: str = SITE, **files: str | bytes) -> Path:
    """Put a closed delivery into a site."""
    folder = root / "data" / "demo" / site / "deliveries" / name
    folder.mkdir()
    for stem, content in files.items():
        target = folder / stem.replace("__", ".")
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "DONE").touch()
    return folder


@dataclass
class Ran:
    """A finished run of the job."""

    result: dg.ExecuteInProcessResult
    instance: dg.DagsterInstance
    recomputed: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for event in self.result.get_asset_materialization_events():
            told = event.step_materialization_data.materialization
            known = self.kept if told.metadata["kept"].value else self.recomputed
            known.add(told.asset_key.to_user_string())

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the finished run."""
        run = self.instance.get_run_by_id(self.result.run_id)
        assert run is not None
        return dict(run.tags)

    @property
    def checks(self) -> dict[str, bool]:
        """Each asset's check: whether it let pass what follows, with a warning or without."""
        found = self.result.get_asset_check_evaluations()
        assert {c.check_name for c in found} <= {CHECK}
        warning = dg.AssetCheckSeverity.WARN
        return {c.asset_key.to_user_string(): c.passed or c.severity == warning for c in found}

    @property
    def warnings(self) -> dict[str, str]:
        """Each asset whose check the UI shows as a warning, and what it says."""
        return {
            c.asset_key.to_user_string(): c.description or ""
            for c in self.result.get_asset_check_evaluations()
            if not c.passed and c.severity == dg.AssetCheckSeverity.WARN
        }

    @property
    def errors(self) -> list[str]:
        """The messages of the steps that failed, with their causes."""
        found = []
        for event in self.result.all_events:
            error = event.event_specific_data.error if event.is_step_failure else None
            while error is not None:
                found.append(error.message)
                error = error.cause
        return found

    def metadata(self, asset: str) -> dict[str, Any]:
        """The metadata of one asset's materialization."""
        (found,) = [
            event.step_materialization_data.materialization
            for event in self.result.get_asset_materialization_events()
            if event.asset_key.to_user_string() == asset
        ]
        return {name: value.value for name, value in found.metadata.items()}


def run(
    root: Path,
    site: str = SITE,
    *,
    as_of: str | None = None,
    nightly: bool = False,
    only: Sequence[str] = (),
    instance: dg.DagsterInstance | None = None,
) -> Ran:
    """Run the job of one site in this process, on an instance that remembers nothing."""
    instance = instance or memory(root)
    if not instance.has_dynamic_partition(str(SITES.name), site):
        instance.add_dynamic_partitions(str(SITES.name), [site])
    tags = ({AS_OF_TAG: as_of} if as_of else {}) | ({NIGHTLY_TAG: "true"} if nightly else {})
    project = Project(root=str(root))
    # A part of a job takes no other project than the one that the job was made for.
    job, resources = (_made(project), None) if only else (_job(), {"project": project})
    result = job.execute_in_process(
        resources=resources,
        partition_key=site,
        instance=instance,
        tags=tags,
        asset_selection=[dg.AssetKey(name.split("/")) for name in only] or None,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return Ran(result, instance)


@functools.cache
def _job() -> dg.JobDefinition:
    """Make the real job once a process, of no project yet: Dagster takes a second to resolve it."""
    return _made(Project(root=""))


def _made(project: Project) -> dg.JobDefinition:
    # Dagster keeps the last instance's storage as a global, after that instance is gone.
    with set_defs_state_storage(None):
        return build_defs({"project": project}).resolve_job_def(JOB)


def build(root: Path, cut: str, site: str = SITE) -> PackAtCut:
    """Bring all tables and the pack to a cut without Dagster, which takes as long as a kept build.

    What a run of the job adds to it is its own subject (``test_dagster``).
    """
    at = bench(root, site, cut)
    for asset in contracts.order(benches.dependencies()):
        if asset != benches.LAST:
            materialize(at, asset)
    return publish(at)


def memory(root: Path) -> dg.DagsterInstance:
    """An instance that starts without any history."""
    folder = root.parent / "memory"
    folder.mkdir(exist_ok=True)
    return dg.DagsterInstance.ephemeral(tempdir=str(folder))


def bench(root: Path, site: str = SITE, cut: str | None = None) -> Bench:
    """Open a bench at a cut, or at the newest closed delivery."""
    folder = ProjectFolder(root)
    chosen = cut or choose_cut(folder.edge(folder.study(site), None))
    return benches.open_bench(folder, site, chosen)


def latest(root: Path, site: str = SITE) -> str | None:
    """Name the version that ``latest`` points to."""
    link = root / "data" / "packs" / site / packs.LATEST
    return Path(os.readlink(link)).name if link.is_symlink() else None


def versions(root: Path, site: str = SITE) -> list[str]:
    """Name the published versions, in the order of their publication."""
    return [v.name for v in packs.versions(root / "data" / "packs", site)]


def withdraw(root: Path, cut: str, site: str = SITE) -> None:
    """Take the last version of a cut away with all that tells of it, as before its publication."""
    (name,) = [v.name for v in packs.versions(root / "data" / "packs", site) if v.cut == cut]
    folder = root / "data" / "packs" / site / "versions"
    shutil.rmtree(folder / name)
    (folder / f"{name}.build.json").unlink()
    (root / "data" / "packs" / site / packs.LATEST).unlink()
    receipt_path(root, benches.LAST, cut, site).unlink()


def receipt_path(root: Path, asset: str, cut: str, site: str = SITE) -> Path:
    """Where a receipt lies."""
    return root / "data" / "warehouse" / asset / f"site={site}" / "receipts" / f"{cut}.json"


def receipt(root: Path, asset: str, cut: str, site: str = SITE) -> dict[str, Any]:
    """Read a receipt as plain data."""
    made: dict[str, Any] = json.loads(receipt_path(root, asset, cut, site).read_text())
    return made


def table_path(root: Path, asset: str, cut: str, site: str = SITE) -> Path:
    """Where the first file of a table lies."""
    name = receipt(root, asset, cut, site)["files"][0]["sha256"]
    return receipt_path(root, asset, cut, site).parents[1] / f"{name}.parquet"


def assumed(failing: frozenset[str] = frozenset()) -> Any:
    """Stand in for the check where its outcome is given and only what follows is asked.

    ``failing`` names tables, or one site's table as ``table@site``.
    """

    def check_run(
        contract: Contract, files: Sequence[Path], rows: int, within: Path | None = None
    ) -> list[Checked]:
        site = files[0].parent.name.removeprefix("site=")
        names = {contract.asset, f"{contract.asset}@{site}"}
        return [
            Checked(
                planned.id,
                planned.type,
                planned.severity,
                "fail" if is_failing else "pass",
                is_failing,
                planned.why,
                rows,
                1 if is_failing else 0,
            )
            for number, planned in enumerate(suite.plan(contract))
            for is_failing in [number == 0 and bool(failing & names)]
        ]

    return check_run
