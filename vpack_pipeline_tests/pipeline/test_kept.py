"""A table is computed again exactly when something that it is computed from has changed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.errors import GateClosedError
from vpack_pipeline.gate import digests
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE

TABLES = contracts.order(benches.dependencies())
BEFORE_PACK = [asset for asset in TABLES if not asset.startswith("pack/")]


def rebuilt(root: Path, cut: str = LOOK) -> set[str]:
    """Bring every table but the pack's to the cut; name those that were computed again."""
    at = bench.bench(root, cut=cut)
    return {asset for asset in BEFORE_PACK if not steps.materialize(at, asset).kept}


def table_digests(root: Path, cut: str = LOOK) -> dict[str, str]:
    return {a: bench.receipt(root, a, cut)["table_digest"] for a in BEFORE_PACK}


def declaring(block: str, *, of: str) -> set[str]:
    """The tables that are given a block, or a parameter out of it."""
    return {a for a in BEFORE_PACK if block in getattr(contracts.load()[a], of)}


def test_an_unchanged_rebuild_keeps_every_table_and_still_reports_each(
    built: Path, own: Path
) -> None:
    ran = bench.run(own, as_of=LOOK)
    assert ran.result.success, ran.errors
    assert ran.recomputed == set()
    assert ran.kept == set(ran.checks) == set(TABLES)
    assert all(ran.checks.values())
    versions = {
        event.asset_key.to_user_string(): event.step_materialization_data.materialization.tags
        for event in ran.result.get_asset_materialization_events()
    }
    assert {a: tags["dagster/data_version"] for a, tags in versions.items()} == {
        a: bench.receipt(own, a, LOOK)["table_digest"] for a in TABLES
    }
    assert bench.versions(own) == bench.versions(built)
    assert "nothing new was published" in ran.metadata(benches.LAST)["pack"]


def set_operating_point(protocol: dict[str, Any]) -> None:
    protocol["evaluation"]["operating_points"][0]["threshold"] = 0.2


def set_seed(protocol: dict[str, Any]) -> None:
    protocol["evaluation"]["seed"] = 7


def set_drift_budget(protocol: dict[str, Any]) -> None:
    protocol["drift"]["false_alarms"]["warnings_per_quarter"] = 2.0


def set_title(protocol: dict[str, Any]) -> None:
    protocol["about"]["title"] = "Another title"


@pytest.mark.parametrize(
    ("change", "block"),
    [
        (set_operating_point, "evaluation"),
        (set_seed, "evaluation"),
        (set_drift_budget, "drift"),
        (set_title, "about"),
    ],
)
def test_a_changed_protocol_recomputes_what_is_given_the_block_and_what_follows(
    own: Path, assume: Callable[..., None], change: Callable[..., None], block: str
) -> None:
    assume()
    before = table_digests(own)
    bench.edit(own / bench.PROTOCOL, change)
    recomputed = rebuilt(own)
    changed = {a for a, digest in table_digests(own).items() if before[a] != digest}
    following = {a for a in BEFORE_PACK if benches.dependencies()[a] & changed}
    assert recomputed == declaring(block, of="protocol") | following
    assert changed <= recomputed < set(BEFORE_PACK)
    assert not {a for a in recomputed if a.startswith("cohort/")}


def test_a_changed_threshold_changes_figures_and_leaves_eligibility_and_labels(
    own: Path, assume: Callable[..., None]
) -> None:
    assume()
    before = table_digests(own)
    bench.edit(own / bench.PROTOCOL, set_operating_point)
    recomputed = rebuilt(own)
    assert "evaluation/operating_points" in {
        a for a, d in table_digests(own).items() if d != before[a]
    }
    assert not {a for a in recomputed if a.startswith(("cohort/", "eligibility/"))}
    assert not recomputed & {"adjudication/reference_standard", "evaluation/index_test"}


def test_a_changed_column_map_recomputes_inputs_and_only_what_follows_from_a_change(
    own: Path, assume: Callable[..., None]
) -> None:
    assume()
    before = table_digests(own)

    def ignore_seconds(site: dict[str, Any]) -> None:
        del site["inputs"]["reads"]["columns"]["duration_s"]
        site["inputs"]["reads"]["ignore"] = ["Seconds"]

    bench.edit(own / "data" / "sites" / SITE / "site.yaml", ignore_seconds)
    recomputed = rebuilt(own)
    changed = {a for a, digest in table_digests(own).items() if before[a] != digest}
    following = {a for a in BEFORE_PACK if benches.dependencies()[a] & changed}
    assert "cohort/reads" in changed
    assert recomputed == declaring("inputs", of="site") | following
    spared = {"cohort/instances", "cohort/studies", "drift/plan"}
    assert recomputed & spared == set()


def changing(monkeypatch: pytest.MonkeyPatch, part: str, *assets: str) -> None:
    """Put other digests in force for the named tables."""
    known = digests.in_force

    def in_force(asset: str) -> digests.Digests:
        now = known(asset)
        return replace(now, **{part: f"another {part}"}) if asset in assets else now

    monkeypatch.setattr(digests, "in_force", in_force)


def test_changed_code_recomputes_its_table_and_what_follows_only_from_a_change(
    own: Path, assume: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assume()
    before = table_digests(own)
    changing(monkeypatch, "compute", "eligibility/flow", "adjudication/reference_standard")
    assert rebuilt(own) == {"eligibility/flow", "adjudication/reference_standard"}
    assert table_digests(own) == before
    assert rebuilt(own) == set()


def test_changed_expectations_check_a_table_again_and_keep_it(
    own: Path, assume: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    changing(monkeypatch, "check", "eligibility/flow")
    assume()
    at = bench.bench(own, cut=LOOK)
    found = {asset: steps.materialize(at, asset) for asset in BEFORE_PACK}
    assert all(made.kept for made in found.values())
    again = {asset for asset, made in found.items() if made.checked_again}
    assert again == {"eligibility/flow"}
    assert found["eligibility/flow"].receipt.check == "another check"
    assert not steps.materialize(at, "eligibility/flow").checked_again


def test_a_check_that_fails_now_closes_the_gate_of_a_kept_table(
    own: Path, assume: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    changing(monkeypatch, "check", "eligibility/flow")
    assume("eligibility/flow")
    at = bench.bench(own, cut=LOOK)
    for asset in BEFORE_PACK:
        if asset.startswith(("cohort/", "eligibility/")) and asset != "eligibility/flow":
            assert steps.materialize(at, asset).kept
    assert not steps.materialize(at, "eligibility/flow").receipt.passed
    with pytest.raises(GateClosedError, match="its check did not pass"):
        benches.upstream(at, "eligibility/flow")


def test_changed_words_make_the_pack_anew_and_nothing_else(
    own: Path, assume: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_pack = [asset for asset in TABLES if asset.startswith("pack/")]
    changing(monkeypatch, "words", *in_pack)
    assume()
    at = bench.bench(own, cut=LOOK)
    tables = {a for a in TABLES if a != benches.LAST and not steps.materialize(at, a).kept}
    assert tables == set(in_pack) - {benches.LAST}
    assert not publish(at).made.kept


def test_receipts_of_the_first_format_are_made_anew_once_and_looks_stay_quoted(
    own: Path, assume: Callable[..., None]
) -> None:
    """What another version of this package left is no receipt; the packs that it left are packs."""
    for asset, cut in itertools.product(TABLES, (bench.EARLY, LOOK)):
        path = bench.receipt_path(own, asset, cut)
        old = json.loads(path.read_text(encoding="utf-8"))
        for name in ("compute", "check", "words"):
            del old[name]
        path.write_text(json.dumps(old | {"format": 1, "code": "", "contract": ""}))
    before = bench.versions(own)
    assume()
    assert rebuilt(own) == set(BEFORE_PACK)
    assert rebuilt(own) == set()
    rebuilt(own, "2026-07-21")
    at = bench.bench(own, cut="2026-07-21")
    endpoints = at.warehouse.read(
        contracts.load()["evaluation/endpoints"],
        SITE,
        benches.upstream(at, "evaluation/endpoints").files,
    )
    assert set(endpoints["pack_version"].drop_nulls()) == {before[-1]}


def test_a_table_is_kept_across_cuts_where_the_cut_is_no_input(own: Path) -> None:
    """The receipt is carried over: signed for its new cut, with the same files and checks."""
    early, late = (bench.receipt(own, "cohort/instances", cut) for cut in (bench.EARLY, LOOK))
    assert early["fingerprint"] == late["fingerprint"]
    assert early["files"] == late["files"]
    assert early["mac"] != late["mac"]


def test_a_night_without_news_computes_only_what_is_given_the_cut(
    own: Path, assume: Callable[..., None]
) -> None:
    """The first night after a look quotes its verdict, which is news; the second has none."""
    assume()
    given_the_cut = {a for a in BEFORE_PACK if contracts.load()[a].uses_cut}
    known = table_digests(own)
    for night in ("2026-07-21", "2026-07-22"):
        recomputed = rebuilt(own, night)
        before, known = known, table_digests(own, night)
        changed = {a for a in BEFORE_PACK if before[a] != known[a]}
        following = {a for a in BEFORE_PACK if benches.dependencies()[a] & changed}
        assert recomputed == given_the_cut | following
        assert not {a for a in recomputed if a.startswith("cohort/")} - {
            "cohort/deliveries",
            "cohort/files",
        }
        assert changed <= {a for a in BEFORE_PACK if a.startswith("evaluation/")}
    assert changed == set()


def test_every_parameter_of_a_model_is_declared() -> None:
    """An undeclared block would not be in the fingerprint: the table would be kept wrongly."""
    for contract in contracts.load().values():
        for path in contract.parameters.values():
            block = path.partition(".")[0]
            if block == "cut":
                assert contract.uses_cut, contract.asset
            else:
                assert block in {*contract.protocol, *contract.site}, contract.asset
