"""Nothing has changed: asked without Dagster, and answered as a whole build would answer."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.assets.unchanged import Unchanged, unchanged
from vpack_pipeline.cli import main
from vpack_pipeline.cli.home import dagster_home
from vpack_pipeline.definitions import build_defs
from vpack_pipeline.errors import GateClosedError
from vpack_pipeline.gate import digests
from vpack_pipeline.io import packs
from vpack_pipeline.io.dicom import scanner
from vpack_pipeline.resources import Project
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE

TABLES = contracts.order(benches.dependencies())
SOME = "eligibility/included"
DELIVERIES = Path("data/demo") / SITE / "deliveries"
SITE_YAML = Path("data/sites") / SITE / "site.yaml"
Change = Callable[[Path, pytest.MonkeyPatch], contextlib.AbstractContextManager[None]]


def asked(root: Path, cut: str = LOOK) -> Unchanged | None:
    return unchanged(bench.bench(root, cut=cut))


@pytest.fixture(scope="module")
def settled(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the built root; each test leaves it as it was."""
    root = bench.copy(built, tmp_path_factory.mktemp("settled") / "root")
    yield root
    assert asked(root) is not None, "a change was not undone"


def test_an_unchanged_root_is_told_with_every_receipt_and_its_pack(settled: Path) -> None:
    found = asked(settled)
    assert found is not None
    assert [r.asset for r in found.receipts] == TABLES
    assert all(r.as_dict() == bench.receipt(settled, r.asset, LOOK) for r in found.receipts)
    assert found.pack.version == bench.latest(settled)
    assert "nothing new was published" in found.pack.note


def test_a_pack_of_an_earlier_cut_is_told_as_well(settled: Path) -> None:
    found = asked(settled, EARLY)
    assert found is not None
    assert f"-{EARLY}-" in found.pack.version


def test_a_cut_that_was_never_built_is_no_unchanged_one(settled: Path) -> None:
    assert asked(settled, "2026-07-21") is None


@contextlib.contextmanager
def content(path: Path, made: bytes | None) -> Iterator[None]:
    """Let a file hold something else, or be away, for a while."""
    before, times, mode = path.read_bytes(), path.stat(), path.stat().st_mode
    path.chmod(0o644)
    path.unlink() if made is None else path.write_bytes(made)
    try:
        yield
    finally:
        path.write_bytes(before)
        path.chmod(mode)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def flipped(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    return bytes(data)


def away(find: Callable[[Path], Path]) -> Change:
    return lambda root, _: content(find(root), None)


def damaged(find: Callable[[Path], Path]) -> Change:
    return lambda root, _: content(find(root), flipped(find(root)))


def of_receipt(asset: str) -> Callable[[Path], Path]:
    return lambda root: bench.receipt_path(root, asset, LOOK)


def of_table(asset: str) -> Callable[[Path], Path]:
    return lambda root: bench.table_path(root, asset, LOOK)


def version(root: Path) -> Path:
    return root / "data" / "packs" / SITE / "versions" / str(bench.latest(root))


def resigned(asset: str, **fields: Any) -> Change:
    """Another receipt that this site's secret signed."""

    @contextlib.contextmanager
    def change(root: Path, _: pytest.MonkeyPatch) -> Iterator[None]:
        at = bench.bench(root, cut=LOOK)
        found = at.receipt(asset)
        assert found is not None
        made = replace(found, **fields).signed(at.edge.pseudonyms)
        with content(bench.receipt_path(root, asset, LOOK), json.dumps(made.as_dict()).encode()):
            yield

    return change


def other_digest(part: str, asset: str) -> Change:
    @contextlib.contextmanager
    def change(_: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        known = digests.in_force

        def in_force(name: str) -> digests.Digests:
            now = known(name)
            return replace(now, **{part: "another"}) if name == asset else now

        with monkeypatch.context() as patch:
            patch.setattr(digests, "in_force", in_force)
            yield

    return change


def edited(path: Path, edit: Callable[[dict[str, Any]], None]) -> Change:
    @contextlib.contextmanager
    def change(root: Path, _: pytest.MonkeyPatch) -> Iterator[None]:
        with content(root / path, (root / path).read_bytes()):
            bench.edit(root / path, edit)
            yield

    return change


@contextlib.contextmanager
def other_look(_: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A verdict of a past look that the tables have not quoted."""
    real = packs.published_looks

    def looks(*arguments: Any) -> pl.DataFrame:
        row = {"endpoint": "auc_after_lock", "look": "2026-01-01", "verdict": "met"}
        made: pl.DataFrame = pl.concat([real(*arguments), pl.DataFrame([row])], how="diagonal")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(packs, "published_looks", looks)
        yield


@contextlib.contextmanager
def other_link(root: Path, _: pytest.MonkeyPatch) -> Iterator[None]:
    link = root / "data" / "packs" / SITE / "latest"
    before = os.readlink(link)
    link.unlink()
    link.symlink_to(f"versions/{bench.versions(root)[0]}")
    try:
        yield
    finally:
        link.unlink()
        link.symlink_to(before)


@contextlib.contextmanager
def moved(root: Path, _: pytest.MonkeyPatch) -> Iterator[None]:
    """The archive's folder is not there: a build refuses, so nothing is told as unchanged."""
    archive = root / "data" / "demo" / SITE / "dicom"
    archive.rename(archive.with_name("elsewhere"))
    try:
        yield
    finally:
        archive.with_name("elsewhere").rename(archive)


def image(root: Path) -> Path:
    """An image file that was taken."""
    folder = root / "data" / "demo" / SITE / "dicom"
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


CHANGES: dict[str, Change] = {
    "a receipt away": away(of_receipt(SOME)),
    "a receipt damaged": damaged(of_receipt(SOME)),
    "a receipt edited": lambda root, _: content(
        of_receipt(SOME)(root), of_receipt(SOME)(root).read_bytes().replace(b"pass", b"fail", 1)
    ),
    "a check that failed": resigned(SOME, outcome="fail"),
    "a receipt of another cut": lambda root, _: content(
        of_receipt(SOME)(root), bench.receipt_path(root, SOME, EARLY).read_bytes()
    ),
    "a receipt of another protocol": resigned(SOME, protocol_digest="another"),
    "a receipt of another site": resigned(SOME, site="elsewhere"),
    "a table made from something else": resigned(SOME, fingerprint="another"),
    "a table other than its readers read": resigned(SOME, files=(), table_digest="another"),
    "a table's file away": away(of_table(SOME)),
    "a table's file damaged": damaged(of_table(SOME)),
    "other code of a table": other_digest("compute", SOME),
    "other expectations of a table": other_digest("check", SOME),
    "other words of the report": other_digest("words", "pack/report"),
    "other code of the pack": other_digest("compute", benches.LAST),
    "a block of the protocol": edited(bench.PROTOCOL, lambda p: p["evaluation"].update(seed=7)),
    "words of the protocol": edited(bench.PROTOCOL, lambda p: p["about"].update(title="Another")),
    "a block of the site": edited(SITE_YAML, lambda s: s["inputs"]["reads"]["columns"].popitem()),
    "words of the site": edited(SITE_YAML, lambda s: s.update(title="Another")),
    "another look quoted": other_look,
    "a delivery altered": damaged(lambda root: root / DELIVERIES / LOOK / "reads.csv"),
    "a delivered file away": away(lambda root: root / DELIVERIES / LOOK / "reads.csv"),
    "the archive away": moved,
    "a file of the pack away": away(lambda root: version(root) / "data" / "report.html"),
    "a file of the pack damaged": damaged(lambda root: version(root) / "data" / "report.html"),
    "the pack's record away": away(
        lambda root: version(root).with_name(f"{version(root).name}.build.json")
    ),
    "the link to another version": other_link,
    "the pack's receipt away": away(of_receipt(benches.LAST)),
    "the pack's receipt damaged": damaged(of_receipt(benches.LAST)),
    "the pack's manifest away": away(of_table(benches.LAST)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_has_changed_is_found(
    name: str, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CHANGES[name](settled, monkeypatch):
        assert asked(settled) is None


def late_image(root: Path) -> None:
    shutil.copy(image(root), image(root).with_name("late.dcm"))


def late_delivery(root: Path) -> None:
    reads = root / DELIVERIES / LOOK / "reads.csv"
    bench.deliver(root, f"{LOOK}.2", reads__csv=reads.read_bytes())


def comment(root: Path) -> None:
    with (root / bench.PROTOCOL).open("a", encoding="utf-8") as file:
        file.write("# a comment\n")


def touch(root: Path) -> None:
    for path in (root / DELIVERIES / LOOK).iterdir():
        os.utime(path)


def vanished_image(root: Path) -> None:
    image(root).unlink()


def other_image(root: Path) -> None:
    """Another header in the place of one: cut off, so that it is refused."""
    image(root).write_bytes(image(root).read_bytes()[:400])


@pytest.mark.parametrize(
    "change", [late_image, other_image, vanished_image, late_delivery, comment, touch]
)
def test_what_a_build_at_this_cut_would_not_see_changes_nothing(
    own: Path, assume: Callable[..., None], change: Callable[[Path], None]
) -> None:
    """A whole build is the judge: it keeps every table, and the pack."""
    change(own)
    found = asked(own)
    assert found is not None
    assume()
    at = bench.bench(own, cut=LOOK)
    made = [steps.materialize(at, asset) for asset in TABLES if asset != benches.LAST]
    assert all(m.kept and not m.checked_again for m in made)
    assert [m.receipt for m in made] == list(found.receipts[:-1])
    pack = publish(at)
    assert (pack.made.kept, pack.version, pack.note) == (
        True,
        found.pack.version,
        found.pack.note,
    )


def test_a_lost_ledger_of_first_seen_files_is_found(own: Path) -> None:
    """Files that were known at this cut are not any longer: a build would make other tables."""
    shutil.rmtree(own / "data" / "state" / SITE)
    assert asked(own) is None


def test_the_archive_is_not_read_where_anything_else_has_changed(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build will read it, and it is what takes long."""
    read: list[str] = []
    real = scanner.scan
    monkeypatch.setattr(scanner, "scan", lambda *a, **k: (read.append("archive"), real(*a, **k))[1])
    assert asked(own) is not None
    assert read == ["archive"]
    bench.receipt_path(own, "pack/claim", LOOK).unlink()
    assert asked(own) is None
    assert read == ["archive"]


def test_a_damaged_pack_is_told_by_a_build_and_never_said_to_be_unchanged(own: Path) -> None:
    report = version(own) / "data" / "report.html"
    report.chmod(0o644)
    report.write_bytes(flipped(report))
    told = "was changed — restore this version and its record from a backup"
    with pytest.raises(GateClosedError, match=told):
        publish(bench.bench(own, cut=LOOK))


def test_a_second_build_leaves_one_event_and_no_run_until_dagsters_record_is_another(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    key = dg.AssetKey(benches.LAST.split("/"))

    def build() -> tuple[list[dict[str, Any]], int, int]:
        """Build: what was told of each table but its seconds, then the runs and observations."""
        with pytest.raises(SystemExit) as left:
            main(["--root", str(own), "build", SITE, "--json"])
        assert left.value.code == 0
        tables = json.loads(capsys.readouterr().out)["tables"]
        with dagster_home(own), dg.DagsterInstance.get() as instance:
            seen = instance.fetch_observations(key, limit=10).records
            for record in seen:
                observed = record.asset_observation
                assert observed is not None
                assert observed.partition == SITE
                assert observed.metadata["pack_version"].value == bench.latest(own)
            told = [{k: v for k, v in t.items() if k != "seconds"} for t in tables]
            return told, instance.get_runs_count(), len(seen)

    first, *counts = build()
    assert counts == [1, 0], "without a record, Dagster is told of every table"
    again, *counts = build()
    assert (again, counts) == (first, [1, 1])
    with dagster_home(own), dg.DagsterInstance.get() as instance:
        dg.materialize(
            build_defs().assets or [],
            selection=[dg.AssetKey(["drift", "plan"])],
            partition_key=SITE,
            instance=instance,
            resources={"project": Project(root=str(own))},
        )
    again, *counts = build()
    assert (again, counts) == (first, [3, 1]), "the last run was not of the whole pack"
