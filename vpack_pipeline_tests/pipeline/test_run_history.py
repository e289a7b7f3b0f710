"""Dagster's record of runs: few connections, the same files, bounded in what stays open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy
from sqlalchemy.pool import Pool

from vpack_pipeline import run_history
from vpack_pipeline.cli.home import dagster_home

SITES = dg.DynamicPartitionsDefinition(name="site")
TABLES = 6


def tables() -> list[dg.AssetsDefinition]:
    """A chain of checked assets by site, as the pipeline has them."""

    def make(number: int) -> dg.AssetsDefinition:
        key = dg.AssetKey(["some", f"table_{number}"])

        @dg.asset(
            key=key,
            deps=[dg.AssetKey(["some", f"table_{number - 1}"])] if number else [],
            partitions_def=SITES,
            check_specs=[dg.AssetCheckSpec("contract", asset=key, blocking=True)],
        )
        def table():  # type: ignore[no-untyped-def]  # Dagster would read an annotation as a type
            checked = dg.AssetCheckResult(passed=True, check_name="contract")
            return dg.MaterializeResult(metadata={"rows": number}, check_results=[checked])

        return table

    return [make(number) for number in range(TABLES)]


def run(instance: dg.DagsterInstance) -> str:
    if not instance.has_dynamic_partition("site", "a"):
        instance.add_dynamic_partitions("site", ["a"])
    done = dg.materialize(tables(), partition_key="a", instance=instance)
    assert done.success
    return done.run_id


def told(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [str(e.dagster_event_type) for e in instance.all_logs(run_id) if e.dagster_event_type]


@pytest.fixture
def connections() -> Iterator[list[str]]:
    """The connections that SQLAlchemy opens."""
    opened: list[str] = []

    def count(connection: sqlite3.Connection, _: object) -> None:
        opened.append(connection.execute("pragma database_list").fetchone()[2])

    sqlalchemy.event.listen(Pool, "connect", count)
    yield opened
    sqlalchemy.event.remove(Pool, "connect", count)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with dagster_home(tmp_path) as made:
        return made


def test_a_run_opens_few_connections_and_leaves_what_plain_dagster_reads(
    tmp_path: Path, home: Path, connections: list[str]
) -> None:
    with dagster_home(tmp_path), dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, run_history.PooledEvents)
        run(instance)  # the first one makes the files
        before = len(connections)
        run_id = run(instance)
        # One to the file of the run and to that over all runs, and one to ask for each table.
        assert len(connections) - before < 10
        events = told(instance, run_id)
    assert len(events) > 5 * TABLES
    with plain(home, tmp_path / "plain.yaml") as instance:
        assert not isinstance(instance.event_log_storage, run_history.PooledEvents)
        assert told(instance, run_id) == events
        key = dg.AssetKey(["some", f"table_{TABLES - 1}"])
        assert instance.get_materialized_partitions(key) == {"a"}
        other = run(instance)
    with dagster_home(tmp_path), dg.DagsterInstance.get() as instance:
        assert told(instance, other) == told(instance, run_id)
        assert {r.run_id for r in instance.get_runs()} >= {run_id, other}


def plain(home: Path, settings: Path) -> dg.DagsterInstance:
    """Open the same files with the storage that Dagster takes where nobody names one."""
    settings.write_text(f"storage:\n  sqlite:\n    base_dir: {home}\n", encoding="utf-8")
    return dg.DagsterInstance.from_config(str(settings.parent), settings.name)


def opened() -> set[str]:
    """The files of single runs that this process has open."""
    names = {p.resolve().name for p in Path("/proc/self/fd").iterdir() if p.exists()}
    return {name for name in names if name.startswith("run-") and name.endswith(".db")}


def test_files_of_single_runs_do_not_stay_open_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_history, "OPEN_FILES", 2)
    storage = run_history.PooledEvents(str(tmp_path))
    for number in range(4):
        assert storage.get_logs_for_run(f"run-{number}") == []
    assert opened() == {"run-2.db", "run-3.db"}
    assert storage.get_logs_for_run("run-0") == []
    storage.dispose()
    assert opened() == set()


def test_what_was_wiped_is_gone_and_runs_go_on(tmp_path: Path, home: Path) -> None:
    with dagster_home(tmp_path), dg.DagsterInstance.get() as instance:
        run_id = run(instance)
        instance.wipe()
        assert told(instance, run_id) == []
        assert told(instance, run(instance))


def test_settings_of_the_project_that_name_a_storage_are_left_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    given = "storage:\n  postgres:\n    postgres_url: {env: DATABASE}\n"
    (tmp_path / "dagster.yaml").write_text(given, encoding="utf-8")
    with dagster_home(tmp_path) as home:
        assert (home / "dagster.yaml").read_text(encoding="utf-8") == given
