"""``vpack ui`` as an auditor and an engineer meet it: real servers, asked over GraphQL and seen."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.definitions import build_defs
from vpack_pipeline.sections import SECTIONS, UPSTREAM
from vpack_pipeline_tests.browser.chromium import Page
from vpack_pipeline_tests.browser.conftest import SITE
from vpack_pipeline_tests.processes import end_group, living

SECONDS = 120.0
WINDOW = (1600, 1000)
CALL = "from vpack_pipeline.cli import run; run()"
LOCATION = "vpack_pipeline.definitions"
ASSETS = """{ assetNodes { assetKey { path } groupName description dependencyKeys { path }
  assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } }"""
AUTOMATION = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
  location { name } schedules { name scheduleState { status } }
  sensors { name sensorState { status } } } } } }"""
REGISTER = """mutation { addDynamicPartition(partitionsDefName: "site", partitionKey: "%s",
  repositorySelector: { repositoryName: "__repository__", repositoryLocationName: "%s" })
  { __typename } }"""
SITES = """{ assetNodeOrError(assetKey: { path: ["cohort", "deliveries"] }) {
  ... on AssetNode { partitionKeys } } }"""
LAUNCH = """mutation { launchRun(executionParams: { mode: "default", selector: {
  repositoryName: "__repository__", repositoryLocationName: "%s", pipelineName: "validation_pack",
  assetSelection: [{ path: ["pack", "validation_pack"] }] }, executionMetadata: { tags: [
  { key: "dagster/partition", value: "%s" }] } }) { __typename
  ... on LaunchRunSuccess { run { runId } } } }"""
RUN = """{ runOrError(runId: "%s") { ... on Run { status } } }"""


@dataclass
class Server:
    """A web server that answers."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            told = json.load(answer)
        assert "errors" not in told, told
        data: dict[str, Any] = told["data"]
        return data


@contextmanager
def served(root: Path, log: Path, *options: str) -> Iterator[Server]:
    """Run ``vpack ui`` in a process group of its own; no process of it is left behind."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    words = ["--root", str(root), "ui", "--port", str(port), *options]
    environment = {k: v for k, v in os.environ.items() if k not in {"DAGSTER_HOME", "VPACK_ROOT"}}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", CALL, *words],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            server = Server(port, process)
            _wait(server, log)
            yield server
        finally:
            end_group(process)
    assert living(process.pid) == []


def _wait(server: Server, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert server.process.poll() is None, log.read_text(errors="replace")
        try:
            with urllib.request.urlopen(f"{server.url}/server_info", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise AssertionError(log.read_text(errors="replace"))


@pytest.fixture(scope="module")
def auditor(site_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(site_root, tmp_path_factory.mktemp("ui") / "log", "--read-only") as server:
        yield server


@pytest.fixture(scope="module")
def engineer(site_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(site_root, tmp_path_factory.mktemp("ui") / "log") as server:
        yield server


def test_every_table_is_an_asset_of_its_section_with_one_blocking_check(auditor: Server) -> None:
    nodes = {"/".join(n["assetKey"]["path"]): n for n in auditor.ask(ASSETS)["assetNodes"]}
    known = contracts.load()
    assert set(nodes) == set(known)
    for asset, node in nodes.items():
        assert node["groupName"] == known[asset].section
        assert node["description"].startswith(known[asset].description[:40])
        assert [c["blocking"] for c in node["assetChecksOrError"]["checks"]] == [True], asset


def test_every_arrow_runs_from_an_upstream_section(auditor: Server) -> None:
    arrows = {
        (upstream["path"][0], node["groupName"])
        for node in auditor.ask(ASSETS)["assetNodes"]
        for upstream in node["dependencyKeys"]
    }
    assert len(arrows) > len(SECTIONS)
    assert [(a, b) for a, b in arrows if a != b and a not in UPSTREAM[b]] == []


def test_an_auditor_can_change_nothing(auditor: Server) -> None:
    told = auditor.ask(REGISTER % ("harbour", LOCATION))
    assert told["addDynamicPartition"]["__typename"] == "UnauthorizedError"
    assert "harbour" not in auditor.ask(SITES)["assetNodeOrError"]["partitionKeys"]


def test_an_engineer_can(engineer: Server) -> None:
    told = engineer.ask(REGISTER % ("port", LOCATION))
    assert told["addDynamicPartition"]["__typename"] == "AddDynamicPartitionSuccess"
    assert "port" in engineer.ask(SITES)["assetNodeOrError"]["partitionKeys"]


def test_the_pack_alone_started_in_the_ui_opens_no_gate(
    engineer: Server, auditor: Server, site_root: Path
) -> None:
    """Nothing of this site was built yet; an auditor cannot even try."""
    refused = auditor.ask(LAUNCH % (LOCATION, SITE))["launchRun"]
    assert refused["__typename"] == "UnauthorizedError"
    engineer.ask(REGISTER % (SITE, LOCATION))
    launched = engineer.ask(LAUNCH % (LOCATION, SITE))["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess"
    end = time.monotonic() + SECONDS
    status = ""
    while status not in {"SUCCESS", "FAILURE"} and time.monotonic() < end:
        time.sleep(0.5)
        status = engineer.ask(RUN % launched["run"]["runId"])["runOrError"]["status"]
    assert status == "FAILURE"
    assert not (site_root / "data" / "packs").exists()


def test_schedule_and_sensor_are_shipped_stopped(engineer: Server) -> None:
    (repository,) = engineer.ask(AUTOMATION)["repositoriesOrError"]["nodes"]
    found = {s["name"]: s["scheduleState"]["status"] for s in repository["schedules"]}
    found |= {s["name"]: s["sensorState"]["status"] for s in repository["sensors"]}
    assert found == {"nightly": "STOPPED", "new_deliveries": "STOPPED"}


def test_the_code_location_has_one_name_however_it_is_loaded(engineer: Server) -> None:
    (repository,) = engineer.ask(AUTOMATION)["repositoriesOrError"]["nodes"]
    text = (Path(__file__).parents[2] / "workspace.yaml").read_text(encoding="utf-8")
    named = re.search(r"location_name: (\S+)", text)
    assert named is not None
    assert named[1] == repository["location"]["name"] == LOCATION


def test_only_this_machine_is_served(auditor: Server) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", auditor.port), timeout=5).close()


def test_no_description_loses_words_to_markup() -> None:
    for asset in build_defs().resolve_asset_graph().asset_nodes:
        schema: dg.TableSchema = asset.metadata["dagster/column_schema"]
        for column in schema.columns:
            assert not re.search(r"(?<!\\)<\w", column.description or ""), asset.key


@pytest.mark.browser
def test_the_lineage_reads_from_left_to_right(browser: Page, auditor: Server) -> None:
    browser.size(*WINDOW)
    browser.open(f"{auditor.url}/asset-groups")
    places = """Object.fromEntries([...document.querySelectorAll("foreignObject div")]
      .filter(e => !e.children.length && e.textContent)
      .map(e => [e.textContent, e.getBoundingClientRect().x]))"""
    browser.until(lambda: len(browser.ask(places)) >= len(SECTIONS))
    found = browser.ask(places)
    chain = ["cohort", "eligibility", "adjudication", "evaluation", "drift", "pack"]
    across = [found[section] for section in chain]
    assert across == sorted(across)
    assert len(set(across)) == len(across)
