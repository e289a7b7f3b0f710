"""Every way around the gate that somebody could try, one test each."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import by_function
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.factory import AS_OF_TAG
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.assets.standing import lock_problems, told_of
from vpack_pipeline.contracts import Expectation
from vpack_pipeline.errors import GateClosedError
from vpack_pipeline.gate import digests
from vpack_pipeline_tests.once import once
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.backfill_bench import IN_THIS_PROCESS, backfill
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE

LATER = "2026-08-01"
FAILING = "evaluation/time_split"
TOLD = "told.json"
OTHER, BAD = "hillcrest", "brookside"


def problems(root: Path, cut: str = LOOK) -> list[tuple[str, str]]:
    return [(p.where, p.what) for p in lock_problems(bench.bench(root, cut=cut))]


@dataclass(frozen=True)
class Three:
    """Three sites after one backfill."""

    root: Path
    instance: dg.DagsterInstance
    done: PartitionBackfill


def descendants(asset: str) -> set[str]:
    known = benches.dependencies()
    found: set[str] = set()
    queue = [asset]
    while queue:
        name = queue.pop()
        following = {a for a, inputs in known.items() if name in inputs} - found
        found |= following
        queue += following
    return found


@pytest.fixture(scope="session")
def failed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built root, with a table that failed its check at a later cut, and what that run told."""

    def make(root: Path) -> None:
        bench.copy(built, root)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vpack_pipeline.gate.check.run", bench.assumed(frozenset({FAILING})))
            ran = bench.run(root, as_of=LATER)
        made = sorted(ran.recomputed | ran.kept)
        told = {"success": ran.result.success, "checks": ran.checks, "made": made}
        (root / TOLD).write_text(json.dumps(told))

    return once(tmp_path_factory, "failed", make)


def test_a_failing_check_stops_what_follows_in_its_run_and_publishes_nothing(
    built: Path, failed: Path
) -> None:
    told = json.loads((failed / TOLD).read_text())
    assert told["success"] is False
    assert told["checks"][FAILING] is False
    assert FAILING in told["made"]
    assert not set(told["made"]) & (descendants(FAILING) | {benches.LAST})
    assert bench.versions(failed) == bench.versions(built)
    assert bench.latest(failed) == bench.latest(built)


def test_the_pack_alone_in_a_later_run_is_refused_and_says_by_what(
    built: Path, failed: Path, tmp_path: Path
) -> None:
    root = bench.copy(failed, tmp_path / "root")
    ran = bench.run(root, only=[benches.LAST])
    assert not ran.result.success
    assert bench.versions(root) == bench.versions(built)
    (failure,) = [e for e in ran.result.all_events if e.is_step_failure]
    told = failure.event_specific_data.user_failure_data
    rows = [r.data for r in told.metadata["closed by"].records]
    assert {
        "table": FAILING,
        "what": "expectation table_columns failed for 1 of 188 rows",
    }.items() <= next(r for r in rows if r["table"] == FAILING).items()
    assert all(r["remedy"] for r in rows)


def test_a_rule_that_is_unknown_where_the_protocol_says_stop_closes_and_is_named(own: Path) -> None:
    def stop(protocol: dict[str, Any]) -> None:
        rule = next(r for r in protocol["eligibility"]["rules"] if r["id"] == "adult")
        rule |= {"when": "kvp is not null and age_years / 0 >= 18", "if_unknown": "stop"}

    bench.edit(own / bench.PROTOCOL, stop)
    opened = bench.bench(own, cut=LOOK)
    receipt = steps.materialize(opened, "eligibility/flags").receipt
    assert [c["id"] for c in receipt.checks if c["closes"]] == ["no_rule_stops"]
    named = [p for p in told_of(opened, receipt) if p.where == "eligibility rule adult"]
    assert re.search(r"unknown where the protocol says stop \(.*studies: \d+\)", named[0].what)
    assert named[0] in lock_problems(opened)


@pytest.fixture(scope="module")
def three(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    """Three sites of one backfill of the daemon; the one in the middle fails its check.

    Dagster's record of it lies in this process: another would have to make its own.
    """
    from examples.demo_sites.sites import generate

    folder = tmp_path_factory.mktemp("three")
    root = bench.copy(built, folder / "root")
    for site in (BAD, OTHER):
        generate(site, root, tiny=True)
    failing = frozenset({f"cohort/cases@{BAD}"})
    (folder / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(folder / "home"), IN_THIS_PROCESS) as instance:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vpack_pipeline.gate.check.run", bench.assumed(failing))
            patch.setenv("VPACK_ROOT", str(root))
            done = backfill(instance, (SITE, BAD, OTHER), {AS_OF_TAG: LOOK})
        yield Three(root, instance, done)


def test_one_bad_site_of_three_keeps_the_other_two_from_nothing(three: Three) -> None:
    assert three.done.status == BulkActionStatus.COMPLETED_FAILED
    runs = three.instance.get_runs()
    assert {run.tags["dagster/backfill"] for run in runs} == {three.done.backfill_id}
    assert sorted((run.tags["dagster/partition"], run.status.value) for run in runs) == [
        (BAD, "FAILURE"),
        (OTHER, "SUCCESS"),
        (SITE, "SUCCESS"),
    ]
    assert bench.latest(three.root, BAD) is None
    assert f"-{LOOK}-" in (bench.latest(three.root, SITE) or "")
    assert f"-{LOOK}-" in (bench.latest(three.root, OTHER) or "")


def test_a_backfill_of_the_packs_alone_opens_no_gate(
    three: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every check that Dagster remembers of other sites has passed."""
    before = [bench.versions(three.root, site) for site in (OTHER, SITE)]
    monkeypatch.setenv("VPACK_ROOT", str(three.root))
    done = backfill(three.instance, (BAD, OTHER), {}, only=[benches.LAST])
    assert done.status == BulkActionStatus.COMPLETED_FAILED
    runs = three.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": done.backfill_id}))
    assert sorted((run.tags["dagster/partition"], run.status.value) for run in runs) == [
        (BAD, "FAILURE"),
        (OTHER, "SUCCESS"),
    ]
    assert bench.latest(three.root, BAD) is None
    assert [bench.versions(three.root, site) for site in (OTHER, SITE)] == before


def test_a_pack_of_another_site_is_no_pack_of_this(three: Three, tmp_path: Path) -> None:
    """Whole, and published with a record that another site's secret signed."""
    root = bench.copy(three.root, tmp_path / "root")
    mine, theirs = (root / "data" / "packs" / site / "versions" for site in (SITE, OTHER))
    name, other = bench.latest(root), bench.latest(root, OTHER)
    shutil.rmtree(mine / f"{name}")
    shutil.copytree(theirs / f"{other}", mine / f"{name}")
    shutil.copy(theirs / f"{other}.build.json", mine / f"{name}.build.json")
    assert any(name in p.where for p in lock_problems(bench.bench(root, cut=LOOK)))


def test_tables_with_receipts_of_another_site_close(three: Three, tmp_path: Path) -> None:
    """The whole warehouse of one site in the place of another's: all of it fits together."""
    root = bench.copy(three.root, tmp_path / "root")
    for asset in contracts.load():
        mine = bench.receipt_path(root, asset, LOOK, SITE).parents[1]
        theirs = bench.receipt_path(root, asset, LOOK, OTHER).parents[1]
        shutil.rmtree(mine)
        shutil.copytree(theirs, mine)
    what = "its receipt was not signed by this site's secret, or was edited"
    found = problems(root)
    assert {asset for asset, said in found if said == what} >= {"cohort/cases", "pack/report"}


def test_another_sites_pass_does_not_open_this_sites_gate(three: Three) -> None:
    """Dagster's own record shows the asset's last check, whichever site it was of."""
    again = bench.run(three.root, BAD, only=[benches.LAST], instance=three.instance)
    assert not again.result.success
    assert bench.latest(three.root, BAD) is None


def test_a_file_changed_after_its_check_closes_and_a_build_heals(
    own: Path, assume: Callable[..., None]
) -> None:
    path = bench.table_path(own, "adjudication/agreement", LOOK)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert problems(own) == [("adjudication/agreement", "a file was changed after its check")]
    with pytest.raises(GateClosedError, match="changed after the check"):
        benches.upstream(bench.bench(own), "adjudication/agreement")
    assume()
    steps.materialize(bench.bench(own), "adjudication/agreement")
    assert problems(own) == []


def test_a_missing_file_closes(own: Path) -> None:
    bench.table_path(own, "drift/plan", LOOK).unlink()
    assert problems(own) == [("drift/plan", "a file that was checked is missing")]


@pytest.mark.parametrize(
    ("part", "what"),
    [
        ("compute", "the code that computes it, or a library, has changed since"),
        ("check", "its expectations, or the gate, have changed since it was checked"),
        ("words", "the words of the report have changed since"),
    ],
)
def test_a_digest_that_is_no_longer_in_force_closes_the_pack_alone(
    built: Path, monkeypatch: pytest.MonkeyPatch, part: str, what: str
) -> None:
    known = digests.in_force

    def in_force(asset: str) -> digests.Digests:
        now = known(asset)
        return replace(now, **{part: "another"}) if asset == "drift/plan" else now

    monkeypatch.setattr(digests, "in_force", in_force)
    assert problems(built) == [("drift/plan", what)]


def test_a_changed_protocol_closes_the_pack_alone(own: Path) -> None:
    bench.edit(own / bench.PROTOCOL, lambda p: p["about"].update(funded_by="Somebody else"))
    assert {what for _, what in problems(own)} == {"its receipt belongs to another protocol"}


def test_old_and_new_tables_cannot_be_mixed(own: Path, assume: Callable[..., None]) -> None:
    """A table made again from other rows, all checks passed, under what was made from the old."""
    at = bench.bench(own, cut=LOOK)
    contract = contracts.load()["eligibility/included"]
    old = at.receipt(contract.asset)
    assert old is not None
    table = at.warehouse.read(contract, SITE, old.files)
    assume()
    files = by_function.write(at, contract, table.head(table.height - 1))
    inputs = {name: benches.upstream(at, name).table_digest for name in old.inputs}
    steps.sign(at, contract, files, inputs, old.fingerprint)
    readers = {a for a, inputs in benches.dependencies().items() if contract.asset in inputs}
    what = "it was made from another version of eligibility/included"
    assert set(problems(own)) == {(asset, what) for asset in readers}
    assert len(readers) > 3


def test_a_deleted_receipt_closes(own: Path) -> None:
    bench.receipt_path(own, "cohort/reads", LOOK).unlink()
    assert problems(own) == [("cohort/reads", f"there is no receipt at the cut {LOOK}")]


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "pass", "checks": []},
        {"rows": 1_000_000},
        {"inputs": {}},
        {"mac": "0" * 64},
        {"compute": "0" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_edited_receipt_closes(own: Path, change: dict[str, object]) -> None:
    path = bench.receipt_path(own, "cohort/reads", LOOK)
    path.write_text(json.dumps(bench.receipt(own, "cohort/reads", LOOK) | change))
    what = "its receipt was not signed by this site's secret, or was edited"
    assert ("cohort/reads", what) in problems(own)
    with pytest.raises(GateClosedError, match="was edited"):
        benches.upstream(bench.bench(own), "cohort/reads")


def test_a_receipt_of_another_cut_closes(own: Path) -> None:
    """It is authentic: only its own words say that it is of another cut."""
    shutil.copy(
        bench.receipt_path(own, "cohort/reads", EARLY),
        bench.receipt_path(own, "cohort/reads", LOOK),
    )
    what = "its receipt belongs to another table, site or cut"
    assert ("cohort/reads", what) in problems(own)
    with pytest.raises(GateClosedError, match="another table, site or cut"):
        benches.upstream(bench.bench(own, cut=LOOK), "cohort/reads")


def test_a_receipt_of_another_site_closes(three: Three, tmp_path: Path) -> None:
    root = bench.copy(three.root, tmp_path / "root")
    for asset in ("cohort/cases", "cohort/deliveries"):
        shutil.copy(
            bench.receipt_path(root, asset, LOOK, OTHER),
            bench.receipt_path(root, asset, LOOK, SITE),
        )
    what = "its receipt was not signed by this site's secret, or was edited"
    assert {("cohort/cases", what), ("cohort/deliveries", what)} <= set(problems(root))


def test_a_receipt_of_a_site_with_the_same_secret_closes(
    own: Path, assume: Callable[..., None]
) -> None:
    """Two studies of one hospital may share a secret, so that each other's receipts are authentic."""
    at = bench.bench(own, cut=LOOK)
    found = at.receipt("cohort/reads")
    assert found is not None
    forged = replace(found, site="another-study").signed(at.edge.pseudonyms)
    at.warehouse.write_receipt("cohort/reads", SITE, LOOK, forged.as_dict())
    what = "its receipt belongs to another table, site or cut"
    assert ("cohort/reads", what) in problems(own)
    assume()
    assert not steps.materialize(at, "cohort/reads").kept
    assert problems(own) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0}'])
def test_a_damaged_receipt_only_means_that_the_table_is_made_again(
    own: Path, assume: Callable[..., None], text: str
) -> None:
    bench.receipt_path(own, "cohort/readers", LOOK).write_text(text)
    with pytest.raises(GateClosedError, match="cohort/readers"):
        publish(bench.bench(own, cut=LOOK))
    assume()
    steps.materialize(bench.bench(own, cut=LOOK), "cohort/readers")
    assert problems(own) == []


def test_the_gate_needs_nothing_of_a_lost_dagster_home(own: Path) -> None:
    """An instance that knows no run at all: the receipts open the lock, and closed they stay."""
    ran = bench.run(own, only=[benches.LAST])
    assert ran.result.success
    assert ran.metadata(benches.LAST)["pack_version"] == bench.latest(own)
    bench.receipt_path(own, "drift/status", LOOK).unlink()
    assert not bench.run(own, only=[benches.LAST]).result.success


@pytest.mark.parametrize(
    "where", ["Warehouse.write_receipt", "Warehouse.adopt"], ids=["before_receipt", "before_rename"]
)
def test_kill_9_between_table_and_receipt_is_recovered(
    own: Path, assume: Callable[..., None], where: str
) -> None:
    asset = "cohort/readers"
    folder = bench.receipt_path(own, asset, LOOK).parents[1]
    before = {p.name for p in folder.glob("*.parquet")}
    for path in folder.glob("receipts/*.json"):
        path.unlink()
    code = f"""
        import os, signal
        from pathlib import Path
        from vpack_pipeline.assets import bench as benches
        from vpack_pipeline.assets import materialize as steps
        from vpack_pipeline.gate import check
        from vpack_pipeline.io.project import ProjectFolder
        from vpack_pipeline.io.warehouse import Warehouse
        check.run = lambda *_, **__: []
        def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
        {where} = die
        at = benches.open_bench(ProjectFolder(Path({str(own)!r})), {SITE!r}, {LOOK!r})
        steps.materialize(at, {asset!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert problems(own) == [(asset, f"there is no receipt at the cut {LOOK}")]
    assume()
    assert not steps.materialize(bench.bench(own, cut=LOOK), asset).kept
    assert problems(own) == []
    bench.bench(own).warehouse.clean(asset, SITE, 3)
    left = {p.name for p in folder.iterdir() if p.is_file()}
    assert left == {f"{f['sha256']}.parquet" for f in bench.receipt(own, asset, LOOK)["files"]}
    assert left <= before


def test_an_expectation_that_raises_closes_the_lock_and_says_so(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = dict(contracts.load())
    raising = Expectation(
        id="odd",
        type="unexpected_rows",
        kwargs={"query": "select no_such_column from {batch}"},
        severity="critical",
        why="It raises.",
    )
    changed = known["drift/plan"].model_copy(update={"expectations": (raising,)})
    monkeypatch.setattr(contracts, "load", lambda: known | {"drift/plan": changed})
    monkeypatch.setattr(digests, "in_force", digests.in_force.__wrapped__)
    receipt = steps.materialize(bench.bench(own, cut=LOOK), "drift/plan").receipt
    assert receipt.outcome == "fail"
    assert problems(own)[-1] == ("drift/plan", "expectation odd could not be evaluated")


def test_a_warning_is_shown_and_closes_nothing(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vpack_pipeline.assets.factory import check_result

    known = dict(contracts.load())
    warning = Expectation(
        id="few_monitors",
        type="expect_table_row_count_to_equal",
        kwargs={"value": 99},
        severity="warning",
        why="It never holds.",
    )
    changed = known["drift/plan"].model_copy(update={"expectations": (warning,)})
    monkeypatch.setattr(contracts, "load", lambda: known | {"drift/plan": changed})
    monkeypatch.setattr(digests, "in_force", digests.in_force.__wrapped__)
    receipt = steps.materialize(bench.bench(own, cut=LOOK), "drift/plan").receipt
    assert receipt.passed
    (found,) = [c for c in receipt.checks if c["id"] == "few_monitors"]
    assert (found["outcome"], found["closes"]) == ("fail", False)
    told = check_result(receipt)
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    (row,) = told.metadata["not passed"].records
    assert (row.data["expectation"], row.data["severity"]) == ("few_monitors", "warning")
    assert problems(own) == []


def test_a_warning_and_quarantined_rows_are_shown_as_warnings_and_block_nothing(
    own: Path, assume: Callable[..., None]
) -> None:
    """Dagster goes on behind a blocking check that fails with the severity of a warning."""
    assume()
    chain = ["cohort/patient_map", "cohort/cases", "cohort/reads", "cohort/quarantine"]
    ran = bench.run(own, only=chain)
    assert ran.result.success
    assert ran.checks == dict.fromkeys(chain, True)
    assert "cohort/quarantine" not in ran.warnings
    assert "13 rows were quarantined; the gate stays open" in ran.warnings["cohort/reads"]
    assert "2 of 3 rows delivered since" in ran.warnings["cohort/patient_map"]


def test_the_root_user_of_these_tests_could_have_written_the_files(own: Path) -> None:
    """Table files are read-only: what changes them does so on purpose."""
    path = bench.table_path(own, "cohort/reads", LOOK)
    assert os.stat(path).st_mode & 0o222 == 0
