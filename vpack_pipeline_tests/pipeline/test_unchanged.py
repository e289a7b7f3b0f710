"""Before Dagster is started: would a build change anything?"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import by_function
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.assets.materialize import LIVE_INPUTS
from vpack_pipeline.assets.unchanged import unchanged
from vpack_pipeline.contracts import Contract
from vpack_pipeline.gate import digests
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE


def asked(root: Path) -> str | None:
    """The version that a build would keep."""
    found = unchanged(bench.bench(root, cut=LOOK))
    return None if found is None else found.pack.version


def test_a_built_site_is_unchanged_and_nothing_is_written(own: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in own.rglob("*.json") if "receipts" in p.parts}
    found = unchanged(bench.bench(own, cut=LOOK))
    assert found is not None
    assert found.pack.version == bench.versions(own)[-1]
    assert "nothing new was published" in found.pack.note
    assert [r.asset for r in found.receipts] == contracts.order(benches.dependencies())
    assert {p: p.stat().st_mtime_ns for p in before} == before


def edit_protocol(root: Path) -> None:
    bench.edit(root / bench.PROTOCOL, lambda p: p["about"].update(funded_by="Somebody else"))


def edit_site(root: Path) -> None:
    path = root / "data" / "sites" / SITE / "site.yaml"
    bench.edit(path, lambda s: s.update(title="Another title"))


def alter_delivery(root: Path) -> None:
    found = sorted((root / "data" / "demo" / SITE / "deliveries").rglob("*.csv"))
    found[0].chmod(0o644)
    found[0].write_bytes(found[0].read_bytes() + b"\n")


def alter_table(root: Path) -> None:
    path = bench.table_path(root, "adjudication/agreement", LOOK)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"\0")


def lose_table(root: Path) -> None:
    bench.table_path(root, "drift/plan", LOOK).unlink()


def lose_receipt(root: Path) -> None:
    bench.receipt_path(root, "cohort/reads", LOOK).unlink()


def forge_receipt(root: Path) -> None:
    path = bench.receipt_path(root, "cohort/reads", LOOK)
    path.write_text(path.read_text(encoding="utf-8").replace('"quarantined": ', '"quarantined": 1'))


def lose_pack(root: Path) -> None:
    for path in (root / "data" / "packs" / SITE / "versions").iterdir():
        if f"-{LOOK}-" in path.name and path.is_dir():
            shutil.rmtree(path)


def lose_link(root: Path) -> None:
    (root / "data" / "packs" / SITE / "latest").unlink()


@pytest.mark.parametrize(
    "change",
    [
        edit_protocol,
        edit_site,
        alter_delivery,
        alter_table,
        lose_table,
        lose_receipt,
        forge_receipt,
        lose_pack,
        lose_link,
    ],
)
def test_whatever_has_changed_is_left_to_the_build(
    own: Path, change: Callable[[Path], None]
) -> None:
    change(own)
    assert asked(own) is None


def test_what_can_change_unseen_is_read_again_and_nothing_else_is_computed(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    compute = by_function.compute

    def counted(at: Bench, contract: Contract, *given: Any) -> Any:
        computed.append(contract.asset)
        return compute(at, contract, *given)

    monkeypatch.setattr(by_function, "compute", counted)
    assert asked(own) is not None
    assert (
        set(computed)
        == {a for a, c in contracts.load().items() if LIVE_INPUTS & set(c.outside)}
        == {"cohort/deliveries", "cohort/files"}
    )


@pytest.mark.parametrize(
    ("asset", "part"),
    [
        ("cohort/reads", "compute"),
        ("eligibility/flow", "check"),
        ("pack/report", "words"),
        ("pack/validation_pack", "compute"),
    ],
)
def test_a_digest_that_is_no_longer_in_force_is_left_to_the_build(
    own: Path, monkeypatch: pytest.MonkeyPatch, asset: str, part: str
) -> None:
    known = digests.in_force

    def in_force(name: str) -> digests.Digests:
        return replace(known(name), **{part: "another"}) if name == asset else known(name)

    monkeypatch.setattr(digests, "in_force", in_force)
    assert asked(own) is None
