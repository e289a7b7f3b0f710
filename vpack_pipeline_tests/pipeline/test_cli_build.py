"""``vpack build`` as a user meets it: lines, exit codes, JSON, interruption, a full disk."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.bench import LAST, dependencies
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.cli import main
from vpack_pipeline.cli.build import _headlines
from vpack_pipeline.cli.home import dagster_home
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE

LINE = re.compile(
    r" +(\d+)/(\d+) ([a-z_]+/[a-z_]+) +([\d,]+) rows +[\d.]+ s +(kept|computed) +(pass|FAIL)"
)
NEW = "2026-07-25"


@pytest.fixture
def vpack_at_home(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run a command: its exit code, standard output and standard error."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    def run(root: Path, *arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["--root", str(root), *arguments])
        out, err = capsys.readouterr()
        return int(str(left.value.code)), out, err

    return run


@pytest.fixture
def vpack(
    vpack_at_home: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., tuple[int, str, str]]:
    """The same, with Dagster's history in memory: making a home takes seconds."""
    monkeypatch.setattr(dg.DagsterInstance, "get", lambda: bench.memory(tmp_path / "root"))
    return vpack_at_home


def test_a_build_prints_a_line_a_table_and_an_unchanged_one_leaves_one_event(
    own: Path, vpack_at_home: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = vpack_at_home(own, "build", SITE)
    assert (code, err) == (0, "")
    tables = LINE.findall(out)
    assert [int(number) for number, *_ in tables] == list(range(1, len(contracts.load()) + 1))
    assert {name for _, _, name, *_ in tables} == set(contracts.load())
    assert {(how, gate) for *_, how, gate in tables} == {("kept", "pass")}
    assert f"{SITE} at the cut {LOOK}" in out
    assert "nothing new was published" in out
    given = re.findall(r"^  \S+, .*: \S+% \(\S+ to \S+\)$", out, re.M)
    assert given, "figures at the threshold are printed whole, however small the site"
    assert not re.search(r"^  .*: *$", out, re.M)
    (report,) = re.findall(r"^report: (.+)$", out, re.M)
    assert Path(report).is_file()
    assert "\nverify: vpack verify " in out
    assert (own / "data" / "dagster" / "dagster.yaml").is_file()

    # From now on Dagster's record knows the pack: what is unchanged needs no run.
    code, again, err = vpack_at_home(own, "build", SITE)
    assert (code, err) == (0, "")
    assert [line[1:3] for line in LINE.findall(again)] == [line[1:3] for line in LINE.findall(out)]
    with dagster_home(own), dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 1
        (told,) = instance.fetch_observations(dg.AssetKey(LAST.split("/")), limit=9).records
    assert told.partition_key == SITE
    assert told.asset_observation is not None
    assert told.asset_observation.metadata["pack_version"].value == bench.latest(own)


@pytest.mark.parametrize(
    ("status", "value", "reason", "shown"),
    [
        ("given", "91.2%", "", "91.2% (85.0% to 96.1%)"),
        ("refused", "", "no positive case", "refused: no positive case"),
        ("withheld", "", "", "withheld"),
    ],
)
def test_a_figure_is_shown_as_the_first_page_prints_it_or_with_its_reason(
    status: str, value: str, reason: str, shown: str
) -> None:
    stem = "finding.locked.sensitivity.intention_to_diagnose"
    given = {"estimate": value, "lower": "85.0%", "upper": "96.1%", "status": status}
    figures = {f"{stem}.{k}": v for k, v in {**given, "reason": reason}.items()}
    assert _headlines(figures) == [f"finding, locked sensitivity: {shown}"]


def test_json_is_one_object_and_nothing_else_and_tells_of_the_pack_at_the_cut(
    own: Path, vpack: Callable[..., tuple[int, str, str]]
) -> None:
    """Of an earlier cut, whose pack is not the latest."""
    code, out, _ = vpack(own, "build", SITE, "--as-of", EARLY[:10], "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["site"], told["cut"]) == (SITE, EARLY)
    assert told["version"] in bench.versions(own)
    assert f"-{EARLY}-" in told["version"]
    assert told["version"] != bench.latest(own)
    assert {t["table"] for t in told["tables"]} == set(contracts.load())
    assert set(told["tables"][0]) == {"table", "rows", "seconds", "kept", "outcome"}
    assert told["first_page"]
    # Of three inputs fewer than nine rows in ten were accepted, as planted; none closes the gate.
    inputs = {line.partition(":")[0] for line in told["lost"]}
    assert inputs == {"cohort/files", "cohort/patient_map", "cohort/population"}


def test_a_missed_look_is_built_first_and_the_later_pack_quotes_its_verdict(
    own_early: Path, vpack: Callable[..., tuple[int, str, str]], assume: Callable[..., None]
) -> None:
    readers = own_early / "data" / "demo" / SITE / "deliveries" / "2026-01-15" / "readers.csv"
    bench.deliver(own_early, NEW, readers__csv=readers.read_bytes())
    assume()
    code, out, err = vpack(own_early, "build", SITE)
    assert (code, err) == (0, "")
    assert f"the look at {LOOK} has no pack yet: building it first" in out
    look, last = bench.versions(own_early)[1:]
    assert f"-{LOOK}-" in look
    assert f"-{NEW}-" in last
    assert bench.latest(own_early) == last
    at = bench.bench(own_early, cut=NEW)
    table = at.warehouse.read(
        contracts.load()["evaluation/endpoints"],
        SITE,
        steps.upstream(at, "evaluation/endpoints").files,
    )
    quoted = table.filter(pl.col("metric") != "planned_power", look=LOOK)
    assert set(quoted["pack_version"].drop_nulls()) == {look}
    assert quoted.filter(endpoint="auc_after_lock")["verdict"].is_not_null().all()


def test_a_closed_gate_exits_1_and_names_the_expectation(
    own: Path, vpack: Callable[..., tuple[int, str, str]], assume: Callable[..., None]
) -> None:
    assume("drift/plan")
    for path in bench.receipt_path(own, "drift/plan", LOOK).parent.glob("*.json"):
        path.unlink()
    known = bench.versions(own)
    code, out, err = vpack(own, "build", SITE)
    assert code == 1
    assert re.search(r"drift/plan .* computed +FAIL", out)
    assert "closed:\n  drift/plan: expectation table_columns failed for 1 of 2 rows — " in err
    assert "Traceback" not in out + err
    assert bench.versions(own) == known
    code, out, _ = vpack(own, "build", SITE, "--json")
    assert code == 1
    (reason,) = json.loads(out)["closed_by"]
    assert reason.startswith("drift/plan: expectation table_columns failed")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["riversde"], "did you mean 'riverside'?"),
        ([SITE, "--as-of", "yesterday"], "is no date"),
        ([SITE, "--as-of", "2026-04-10.7"], "no such delivery is closed"),
        ([SITE, "--as-of", "2020-01-01"], "no delivery counts at the cut 2020-01-01"),
    ],
)
def test_what_was_given_wrongly_exits_2_and_says_what_to_do(
    own: Path, vpack: Callable[..., tuple[int, str, str]], arguments: list[str], told: str
) -> None:
    code, out, err = vpack(own, "build", *arguments)
    assert code == 2
    assert told in err
    assert "Traceback" not in out + err


def test_an_altered_delivery_exits_2_and_names_the_file(
    own: Path, vpack: Callable[..., tuple[int, str, str]]
) -> None:
    path = own / "data" / "demo" / SITE / "deliveries" / LOOK / "reads.csv"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    code, _, err = vpack(own, "build", SITE)
    assert code == 2
    assert f"deliveries/{LOOK}/reads.csv: altered after it was closed" in err


def test_an_input_error_inside_a_step_exits_2_as_well(
    own: Path, vpack: Callable[..., tuple[int, str, str]]
) -> None:
    (own / "data" / "demo" / SITE / "dicom").rename(own / "data" / "demo" / SITE / "elsewhere")
    code, out, err = vpack(own, "build", SITE)
    assert code == 2
    assert "sources[1]" in err
    assert "Traceback" not in out + err


def test_what_nobody_foresaw_exits_3_with_type_and_table(
    own: Path, vpack: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(**_: object) -> None:
        raise ValueError("CANARY-51aa")

    monkeypatch.setattr("vpack_pipeline.core.drift.plan", raises)
    for path in bench.receipt_path(own, "drift/plan", LOOK).parent.glob("*.json"):
        path.unlink()
    code, out, err = vpack(own, "build", SITE)
    assert code == 3
    assert err.startswith("internal: drift/plan: ValueError")
    assert "CANARY" not in out + err


def test_a_full_disk_while_publishing_leaves_latest_whole_and_says_so(
    own: Path, vpack: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = own / "data" / "packs" / SITE
    before = bench.versions(own)
    newest = site / "versions" / before[-1]
    for path in (newest, newest.with_name(f"{newest.name}.build.json")):
        path.rename(own / path.name)
    (site / "latest").unlink()
    (site / "latest").symlink_to(f"versions/{before[0]}")
    real = os.fsync

    def full(handle: int) -> None:
        if ".staging" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code, out, err = vpack(own, "build", SITE)
    assert code == 3
    assert err.startswith("stopped: pack/validation_pack: No space left on device — free some")
    assert "Traceback" not in out + err
    assert bench.versions(own) == before[:1]
    assert bench.latest(own) == before[0]
    code, _, _ = vpack(own, "verify", str(site / "latest"))
    assert code == 0
    assert bench.build(own, LOOK).note == "published"
    assert bench.latest(own) == before[-1]


def test_ctrl_c_in_the_middle_of_a_build_and_the_next_build_goes_on(own: Path) -> None:
    """A real process: stopped at its first tables, then started again."""
    for path in (own / "data" / "warehouse" / "drift").rglob("receipts/*.json"):
        path.unlink()
    command = [sys.executable, "-u", "-m", "vpack_pipeline", "--root", str(own), "build", SITE]
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=own
    )
    assert started.stdout is not None
    for line in started.stdout:
        if LINE.match(line):
            started.send_signal(signal.SIGINT)
            break
    out, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert "stopped; a later build goes on from what is complete" in err
    assert "Traceback" not in out + err
    at = bench.bench(own, cut=LOOK)
    tables = [a for a in contracts.order(dependencies()) if a != LAST]
    assert {steps.materialize(at, asset).kept for asset in tables} == {True, False}
    publish(at)


def test_clean_removes_old_cuts_and_rows_that_were_read_in_another_way(
    own: Path, vpack: Callable[..., tuple[int, str, str]]
) -> None:
    kept = own / "data" / "state" / SITE / "typed_rows"
    kinds = {folder.name for folder in kept.iterdir() if list(folder.glob("*.parquet"))}
    assert {"cases", "reads", "predictions"} <= kinds
    bench.edit(
        own / "data" / "sites" / SITE / "site.yaml",
        lambda site: site["inputs"]["reads"].update(zone="Europe/Zurich"),
    )
    code, out, err = vpack(own, "clean", SITE, "--keep", "1")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"removed \d+ files\n", out)
    assert not bench.receipt_path(own, "cohort/reads", bench.EARLY).exists()
    assert bench.receipt_path(own, "cohort/reads", LOOK).exists()
    assert {f.name for f in kept.iterdir() if list(f.glob("*.parquet"))} == kinds - {"reads"}
    assert vpack(own, "clean", SITE, "--keep", "1") == (0, "removed 0 files\n", "")
