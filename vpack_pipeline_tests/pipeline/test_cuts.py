"""Cuts, deliveries and looks: what a build knows, what it repeats, what it must not say yet."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.publish import looks_to_build
from vpack_pipeline.cli import main
from vpack_pipeline.errors import SecretError
from vpack_pipeline.gate import digests
from vpack_pipeline.io import packs
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE

NEW = "2026-07-25"


def read(root: Path, asset: str, cut: str) -> pl.DataFrame:
    at = bench.bench(root, cut=cut)
    receipt = benches.upstream(at, asset)
    return at.warehouse.read(contracts.load()[asset], SITE, receipt.files)


def contents(folder: Path) -> dict[str, str]:
    """Digest every file of a folder by its path."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def pack_at(root: Path, cut: str) -> Path:
    (found,) = [v for v in bench.versions(root) if f"-{cut}-" in v]
    return root / "data" / "packs" / SITE / "versions" / found


def delivered(root: Path, name: str) -> Path:
    return root / "data" / "demo" / SITE / "deliveries" / name


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def deliver_three_more(root: Path) -> None:
    """A correction of a rating, a retraction of a case, and one more of the same rating."""
    reads, cases = "reads.csv", "cases.csv"
    header, first, *_ = lines(delivered(root, EARLY[:10]) / reads)
    rating = next(r for r in ("present", "absent", "equivocal") if r in first)
    corrected = first.replace(rating, "absent" if rating == "present" else "present")
    bench.deliver(root, "2026-07-22", reads__csv=header + corrected)
    newest = [
        d
        for d in ("2026-01-15", "2026-04-10", EARLY, LOOK)
        if (delivered(root, d) / cases).exists()
    ][-1]
    kept = lines(delivered(root, newest) / cases)
    bench.deliver(root, "2026-07-23", cases__csv="".join(kept[:-1]))
    bench.deliver(root, NEW, reads__csv=header + first)


def test_a_row_delivered_later_is_not_seen_at_an_earlier_cut(built: Path) -> None:
    early, late = (read(built, "cohort/reads", cut) for cut in (EARLY, LOOK))
    assert set(early["delivery"].unique()) < set(late["delivery"].unique())
    assert early["delivery"].max() <= EARLY
    delivered_on = read(built, "cohort/deliveries", EARLY)["delivered_on"]
    assert delivered_on.max() == date(2026, 4, 10)


def test_yesterdays_pack_is_built_again_byte_for_byte_after_all_that_came_since(
    built: Path, own: Path, assume: Callable[..., None]
) -> None:
    """The published version, its receipts and every table of its cut are gone: only data is left."""
    deliver_three_more(own)
    old = pack_at(own, EARLY)
    shutil.rmtree(own / "data" / "warehouse")
    shutil.rmtree(old)
    old.with_name(f"{old.name}.build.json").unlink()
    assume()
    assert bench.build(own, EARLY).note == "published"
    assert contents(old) == contents(pack_at(built, EARLY))
    assert bench.latest(own) == bench.latest(built) == pack_at(built, LOOK).name


def test_two_builds_in_two_folders_are_byte_identical(
    early: Path, tmp_path: Path, assume: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another path, time zone and umask, and later deliveries that lie there already."""
    root = bench.make_root(tmp_path / "elsewhere" / "another root")
    deliver_three_more(root)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    assume()
    before = os.umask(0o077)
    try:
        bench.build(root, EARLY)
    finally:
        os.umask(before)
    assert contents(pack_at(root, EARLY)) == contents(pack_at(early, EARLY))


def test_a_later_build_sees_the_retraction_and_the_correction(
    own: Path, assume: Callable[..., None]
) -> None:
    deliver_three_more(own)
    assume()
    at = bench.bench(own)
    assert at.cut == NEW
    for asset in contracts.order(benches.dependencies()):
        if asset.startswith("cohort/"):
            steps.materialize(at, asset)
    before, after = (read(own, "cohort/cases", cut) for cut in (LOOK, NEW))
    in_force = [frame.filter("in_force")["case_id"] for frame in (before, after)]
    assert len(set(in_force[0]) - set(in_force[1])) == 1
    reads = read(own, "cohort/reads", NEW)
    (corrected,) = reads.filter(pl.col("delivery") == "2026-07-22").rows(named=True)
    assert corrected["superseded_by"] is not None


def test_a_prospective_verdict_before_its_look_is_withheld_with_the_reason(built: Path) -> None:
    primary = pl.col("endpoint") == "auc_after_lock"
    (before,) = (
        read(built, "evaluation/endpoints", EARLY).filter(primary, "is_headline").rows(named=True)
    )
    assert before["verdict"] == before["status"] == "withheld"
    assert before["reason"] == "no_look_yet"
    assert json.loads(before["detail"]) == {"no_look_yet.first": LOOK}
    assert [before[k] for k in ("estimate", "lower", "upper", "n")] == [None] * 4
    (after,) = (
        read(built, "evaluation/endpoints", LOOK).filter(primary, "is_headline").rows(named=True)
    )
    assert after["verdict"] in {"met", "not_met", "inconclusive"}


def test_latest_never_moves_to_a_lower_cut(
    own: Path, assume: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other code makes another version of an earlier cut: published, and not the latest."""
    before, known = bench.latest(own), bench.versions(own)
    assume()
    now = digests.in_force
    monkeypatch.setattr(digests, "in_force", lambda a: replace(now(a), compute="f" * 64))
    assert bench.build(own, EARLY).note == "published"
    assert len(bench.versions(own)) == len(known) + 1
    assert f"-{EARLY}-" in bench.versions(own)[-1]
    assert bench.latest(own) == before


def test_a_look_is_not_taken_again_under_a_protocol_that_changed_after_it(
    own: Path, assume: Callable[..., None]
) -> None:
    def set_method(protocol: dict[str, dict[str, object]]) -> None:
        protocol["sampling"]["method"] = "random"

    bench.edit(own / bench.PROTOCOL, set_method)
    assume()
    at = bench.bench(own, cut=LOOK)
    for asset in contracts.order(benches.dependencies()):
        if asset.startswith(("cohort/", "eligibility/", "adjudication/", "evaluation/")):
            steps.materialize(at, asset)
    endpoints = read(own, "evaluation/endpoints", LOOK)
    assert set(endpoints.filter(look=LOOK)["verdict"].drop_nulls()) == {"void"}
    performance = read(own, "evaluation/performance", LOOK)
    (auc,) = performance.filter(
        window="prospective", metric="auc", model_id=endpoints["model_id"][0], stratum="all"
    ).rows(named=True)
    assert "exploratory_look_void" in auc["notes"].split(";")
    assert json.loads(auc["detail"])["exploratory_look_void.look"] == LOOK


def test_a_look_that_was_missed_is_to_be_built_first(early: Path, built: Path) -> None:
    assert looks_to_build(ProjectFolder(early), SITE, NEW) == [LOOK]
    assert looks_to_build(ProjectFolder(early), SITE, LOOK) == []
    assert looks_to_build(ProjectFolder(early), SITE, f"{LOOK}.2") == []
    assert looks_to_build(ProjectFolder(built), SITE, NEW) == []


def test_a_look_on_a_day_of_several_deliveries_is_built_once(
    own_early: Path, assume: Callable[..., None]
) -> None:
    def look_at_second_delivery(protocol: dict[str, dict[str, object]]) -> None:
        protocol["evaluation"]["looks"] = [{"cut": date(2026, 4, 10)}]

    bench.edit(own_early / bench.PROTOCOL, look_at_second_delivery)
    assert looks_to_build(ProjectFolder(own_early), SITE, NEW) == []


def test_a_night_without_news_ends_without_a_pack_and_says_so(
    own: Path, assume: Callable[..., None]
) -> None:
    known = bench.versions(own)
    assume()
    ran = bench.run(own, as_of="2026-07-21", nightly=True)
    assert ran.result.success, ran.errors
    assert bench.versions(own) == known
    told = ran.metadata(benches.LAST)
    assert told["pack"].startswith("no new delivery, file, mature case or due look since")
    assert told["kept"] is True
    assert ran.tags["vpack/pack_version"] == bench.latest(own)
    assert ran.tags["vpack/cut"] == "2026-07-21"


def test_a_night_with_a_delivery_publishes(own: Path, assume: Callable[..., None]) -> None:
    deliver_three_more(own)
    assume()
    ran = bench.run(own, as_of=NEW, nightly=True)
    assert ran.result.success, ran.errors
    assert f"-{NEW}-" in (bench.latest(own) or "")


def test_another_secret_is_refused_before_anything_is_made(own: Path) -> None:
    key = own / "data" / "sites" / SITE / "published.key"
    key.write_text("another secret of sufficient length, and not the one before\n")
    with pytest.raises(SecretError, match="not the secret that made the earlier tables"):
        bench.bench(own, cut=LOOK)
    ran = bench.run(own)
    assert not ran.result.success
    assert any("SecretError" in e for e in ran.errors)


def test_a_delivery_closed_after_its_cut_was_published_is_known_from_the_next(
    own: Path, assume: Callable[..., None]
) -> None:
    header, first, *_ = lines(delivered(own, EARLY[:10]) / "reads.csv")
    bench.deliver(own, f"{LOOK}.2", reads__csv=header + first)
    at = bench.bench(own, cut=LOOK)
    assume()
    steps.materialize(at, "cohort/deliveries")
    assert f"{LOOK}.2" not in set(read(own, "cohort/deliveries", LOOK)["delivery"])


def test_a_crash_between_the_version_and_its_link_is_mended_by_the_next_build(own: Path) -> None:
    newest = bench.latest(own)
    link = own / "data" / "packs" / SITE / "latest"
    link.unlink()
    link.symlink_to(f"versions/{pack_at(own, EARLY).name}")
    ran = bench.run(own, only=[benches.LAST])
    assert ran.result.success, ran.errors
    assert bench.latest(own) == newest


def test_two_cuts_differ_in_what_came_between_them_and_in_nothing_else(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early, look = (v.path for v in packs.versions(built / "data/packs", SITE))
    with pytest.raises(SystemExit) as left:
        main(["diff", str(early), str(look), "--json"])
    assert left.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["a"]["cut"], told["b"]["cut"]) == (EARLY, LOOK)
    assert told["differ"] == ["data", "readers"]
    assert told["ground"]["code"] == told["ground"]["fields"] == []
    assert {f["difference"]["lower"] for f in told["figures"] if f["difference"]} == {None}
    verdicts = {v["name"]: (v["a"], v["b"]) for v in told["verdicts"] if v["kind"] == "endpoint"}
    assert verdicts["auc_after_lock"] == ("withheld", "met")
