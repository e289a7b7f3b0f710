"""What Dagster is told: assets, checks, job, schedule, sensor, tags, metadata."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from vpack_pipeline import automation, contracts
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.factory import CHECK, table_asset
from vpack_pipeline.definitions import build_defs
from vpack_pipeline.partitions import SITES
from vpack_pipeline.resources import Project
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE
from vpack_pipeline_tests.processes import end_group

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as made:
        made.add_dynamic_partitions(str(SITES.name), [SITE])
        yield made


def specs() -> list[Any]:
    return [spec for a in build_defs().assets or [] for spec in a.check_specs]


def test_every_table_is_one_asset_of_its_section_with_its_schema() -> None:
    known = contracts.load()
    assets = {a.key.to_user_string(): a for a in build_defs().assets or []}
    assert set(assets) == set(known)
    for name, asset in assets.items():
        key = asset.key
        assert asset.group_names_by_key[key] == known[name].section
        columns = asset.metadata_by_key[key]["dagster/column_schema"].columns
        assert [c.name for c in columns] == [c.name for c in known[name].columns]
        deps = {k.to_user_string() for k in asset.asset_deps[key]}
        assert steps.dependencies()[name] <= deps


def test_every_check_is_blocking_and_of_one_site() -> None:
    assert len(specs()) == len(contracts.load())
    assert all(s.blocking and s.partitions_def == SITES and s.name == CHECK for s in specs())


def test_every_table_is_partitioned_by_site() -> None:
    assert all(asset.partitions_def == SITES for asset in build_defs().assets or [])


def test_the_job_takes_every_table_and_runs_in_one_process() -> None:
    job = build_defs().resolve_job_def(automation.JOB)
    assert {k.to_user_string() for k in job.asset_layer.executable_asset_keys} == set(
        contracts.load()
    )
    assert job.executor_def.name == "in_process"


def test_schedule_and_sensor_are_shipped_stopped() -> None:
    defs = build_defs()
    (schedule,), (sensor,) = defs.schedules or (), defs.sensors or ()
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "0 2 * * *"
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_a_body_runs_without_a_run(own: Path, instance: dg.DagsterInstance) -> None:
    """Outside of a run there is no tag: the highest cut that has a first receipt is taken."""
    asset = table_asset(contracts.load()["drift/plan"])
    context = dg.build_asset_context(partition_key=SITE, instance=instance)
    # Called directly, Dagster does not count a check that a result carries: take the result only.
    made = next(asset(context, project=Project(root=str(own))))
    assert made.metadata["cut"] == LOOK
    assert made.metadata["kept"] is True
    assert made.data_version.value == bench.receipt(own, "drift/plan", LOOK)["table_digest"]
    (checked,) = made.check_results
    assert checked.passed


def test_materialize_of_single_tables_on_an_ephemeral_instance(
    own: Path, instance: dg.DagsterInstance
) -> None:
    wanted = ["cohort/deliveries", "cohort/readers"]
    done = dg.materialize(
        build_defs().assets or [],
        selection=[dg.AssetKey(name.split("/")) for name in wanted],
        partition_key=SITE,
        instance=instance,
        resources={"project": Project(root=str(own))},
        tags={"vpack/as_of": EARLY},
    )
    assert done.success
    told = {e.asset_key.to_user_string() for e in done.get_asset_materialization_events()}
    assert told == set(wanted)
    run = instance.get_run_by_id(done.run_id)
    assert run is not None
    assert run.tags["vpack/cut"] == EARLY


@pytest.fixture(scope="module")
def finished(built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bench.Ran]:
    """A copy of the built root, and a run over it: read them only."""
    root = bench.copy(built, tmp_path_factory.mktemp("finished") / "root")
    return root, bench.run(root, as_of=LOOK)


def test_the_run_carries_protocol_cut_and_pack_version(finished: tuple[Path, bench.Ran]) -> None:
    root, ran = finished
    named = {k: v for k, v in ran.tags.items() if k.startswith("vpack/")}
    assert named == {
        "vpack/as_of": LOOK,
        "vpack/cut": LOOK,
        "vpack/protocol": "cxr-triage@1.0",
        "vpack/pack_version": bench.latest(root),
    }


def test_a_cut_tag_that_is_no_cut_is_refused(own: Path, instance: dg.DagsterInstance) -> None:
    done = dg.materialize(
        build_defs().assets or [],
        selection=[dg.AssetKey(["drift", "plan"])],
        partition_key=SITE,
        instance=instance,
        resources={"project": Project(root=str(own))},
        tags={"vpack/cut": "../../../outside"},
        raise_on_error=False,
    )
    assert not done.success


def test_metadata_and_events_hold_counts_and_no_value_of_a_row(
    finished: tuple[Path, bench.Ran],
) -> None:
    root, ran = finished
    told = json.dumps(
        [
            e.event_specific_data.to_json() if hasattr(e.event_specific_data, "to_json") else str(e)
            for e in ran.result.all_events
        ]
    )
    folder = root / "data" / "demo" / SITE / "deliveries" / EARLY[:10]
    with (folder / "cases.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    values = {row[name] for row in rows for name in ("Case No", "MRN", "Accession")} - {""}
    values = {v for v in values if len(v) > 6}  # a shorter number stands in any digest
    assert len(values) > 100
    assert not {v for v in values if v in told}
    read = ran.metadata("cohort/reads")
    assert read["dagster/row_count"] == bench.receipt(root, "cohort/reads", LOOK)["rows"]
    assert isinstance(read["quarantined"], int)


def test_the_nightly_schedule_asks_for_each_site_a_missed_look_first(
    early: Path, instance: dg.DagsterInstance
) -> None:
    instance.add_dynamic_partitions(str(SITES.name), ["broken"])
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2026, 7, 25, 2, tzinfo=UTC),
        resources={"project": Project(root=str(early))},
    )
    found = list(automation.nightly()(context))
    asked = {r.run_key: (r.partition_key, r.tags) for r in found}
    look, day, broken = (
        asked[key]
        for key in (f"2026-07-25-{SITE}-look-{LOOK}", f"2026-07-25-{SITE}", "2026-07-25-broken")
    )
    assert len(asked) == 3
    assert look[0] == day[0] == SITE
    assert broken[0] == "broken"
    assert look[1]["vpack/as_of"] == LOOK
    assert int(look[1]["dagster/priority"]) > int(day[1].get("dagster/priority", "0"))
    assert "vpack/nightly" not in look[1]
    assert (day[1]["vpack/as_of"], day[1]["vpack/nightly"]) == ("2026-07-25", "true")


def test_the_sensor_registers_only_valid_sites_with_a_closed_delivery(
    own_early: Path, instance: dg.DagsterInstance
) -> None:
    sites, demo = own_early / "data" / "sites", own_early / "data" / "demo"
    for site in ("newcomer", "unclosed", "invalid"):
        shutil.copytree(sites / SITE, sites / site)
        path = sites / site / "site.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace(SITE, site), encoding="utf-8")
        delivered = demo / site / "deliveries" / "2026-07-01"
        delivered.mkdir(parents=True)
        (delivered / "readers.csv").write_text("x", encoding="utf-8")
        if site != "unclosed":
            (delivered / "DONE").touch()
    with (sites / "invalid" / "site.yaml").open("a", encoding="utf-8") as file:
        file.write("no_such_key: 1\n")
    context = dg.build_sensor_context(
        instance=instance,
        resources={"project": Project(root=str(own_early))},
    )
    found = automation.new_deliveries()(context)
    assert {(r.run_key, r.partition_key) for r in found.run_requests or []} == {
        ("newcomer-2026-07-01", "newcomer"),
        (f"{SITE}-{LOOK}", SITE),
    }
    (added,) = found.dynamic_partitions_requests or ()
    assert (added.partitions_def_name, list(added.partition_keys)) == ("site", ["newcomer"])


def test_the_sensor_says_why_it_asks_for_nothing(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "data" / "sites").mkdir(parents=True)
    context = dg.build_sensor_context(
        instance=instance, resources={"project": Project(root=str(tmp_path))}
    )
    found = automation.new_deliveries().evaluate_tick(context)
    assert not found.run_requests
    assert "no site has a valid site.yaml" in (found.skip_message or "")


def test_what_nobody_foresaw_reaches_dagster_as_type_and_place_only(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "CANARY-93b2"

    def raises(**_: object) -> None:
        raise ValueError(f"could not parse {canary}")

    monkeypatch.setattr("vpack_pipeline.core.drift.plan", raises)
    for path in bench.receipt_path(own, "drift/plan", LOOK).parent.glob("*.json"):
        path.unlink()
    ran = bench.run(own, as_of=LOOK)
    assert any("TableError: drift/plan: ValueError" in e for e in ran.errors)
    assert canary not in str(ran.result.all_events)


TICKING = """
    import sys
    from vpack_pipeline import automation
    automation.NIGHTLY_CRON = "* * * * *"
    automation.SENSOR_SECONDS = 1
    from vpack_pipeline.definitions import build_defs
    defs = build_defs()
"""
DAEMON = """
    import sys
    from dagster._daemon.cli import main
    from dagster._scheduler import scheduler
    # Dagster looks for due schedules at each full minute only.
    scheduler._get_next_scheduler_iteration_time = lambda start: start + 1
    sys.argv = ["dagster-daemon", "run", "-f", "ticking.py"]
    main()
"""
STARTED_A_MINUTE_AGO = """
    import sys, time
    from dagster._core.test_utils import freeze_time
    from dagster._cli import main
    sys.argv = ["dagster", "schedule", "start", "nightly", "-f", "ticking.py"]
    with freeze_time(time.time() - 60):
        main()
"""


def test_the_daemon_runs_what_sensor_and_schedule_ask_for(own: Path, tmp_path: Path) -> None:
    """The schedule ticks every minute here; both must end up as runs of the site."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", home / "dagster.yaml")
    (tmp_path / "ticking.py").write_text(textwrap.dedent(TICKING), encoding="utf-8")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "VPACK_ROOT": str(own),
        "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}",
    }

    def dagster(*words: str) -> None:
        command = [sys.executable, *words]
        subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)

    dagster("-m", "dagster", "sensor", "start", "new_deliveries", "-f", "ticking.py")
    with (tmp_path / "daemon.log").open("w") as log_file:
        daemon = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(DAEMON)],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=log_file,
            start_new_session=True,
        )
    of_sensor = f"{SITE}-{LOOK}"
    try:
        keys, _ = _wait(daemon, home, lambda keys, _: of_sensor in keys)
        assert keys == {of_sensor}, (tmp_path / "daemon.log").read_text()[-2000:]
        # The site is registered now; a minute is due since the schedule was started.
        dagster("-c", textwrap.dedent(STARTED_A_MINUTE_AGO))
        keys, statuses = _wait(
            daemon, home, lambda keys, found: len(keys) >= 2 and "SUCCESS" in found
        )
    finally:
        end_group(daemon)
    log = (tmp_path / "daemon.log").read_text()[-2000:]
    assert any(k != of_sensor and k.endswith(SITE) for k in keys), log
    assert "SUCCESS" in statuses, log


def _wait(
    daemon: subprocess.Popen[bytes], home: Path, is_done: Callable[[set[str], set[str]], bool]
) -> tuple[set[str], set[str]]:
    """Look for keys and statuses of runs until they are as wanted, at most four minutes."""
    end = time.monotonic() + 240
    keys: set[str] = set()
    statuses: set[str] = set()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        while not is_done(keys, statuses) and time.monotonic() < end:
            assert daemon.poll() is None, "the daemon has ended"
            time.sleep(0.5)
            runs = instance.get_runs()
            keys = {run.tags.get("dagster/run_key", "") for run in runs} - {""}
            statuses = {run.status.value for run in runs}
    return keys, statuses
