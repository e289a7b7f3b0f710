"""A verdict is quoted only from the pack that this site published, and a forged pack is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets import publications
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.assets.standing import lock_problems, standing
from vpack_pipeline.assets.unchanged import unchanged
from vpack_pipeline.cli import main
from vpack_pipeline.errors import VerificationError
from vpack_pipeline.io import packs
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.pack_format import bag
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE
from vpack_pipeline_tests.pipeline.forger import ENDPOINTS, Forger

LATER = "2026-07-21"
QUOTING = "evaluation/endpoints"
Forgery = Callable[[Forger, str], Any]


def under_its_name(forger: Forger, name: str) -> None:
    forger.forge(name)


def under_a_fitting_name(forger: Forger, name: str) -> None:
    forger.forge(name, renamed=True)


def without_its_signature(forger: Forger, name: str) -> None:
    forger.unsign(forger.forge(name, renamed=True))


def with_the_digest_in_its_record(forger: Forger, name: str) -> None:
    made = forger.forge(name, renamed=True)
    digest = packs.summary(forger.folder / "versions" / made).payload_digest
    forger.edit_record(made, lambda r: r.update(payload_digest=digest))


def with_the_record_of_another(forger: Forger, name: str) -> None:
    (early,) = [n for n in bench.versions(forger.root) if EARLY in n]
    made = forger.forge(name, renamed=True)
    shutil.copy(forger.record(early), forger.record(made))


def copied_from_another_cut(forger: Forger, name: str) -> None:
    """A pack of this site, whole and signed for, in the place of that of the look."""
    (early,) = [n for n in bench.versions(forger.root) if EARLY in n]
    versions = forger.folder / "versions"
    shutil.rmtree(versions / name)
    shutil.copytree(versions / early, versions / name)


def of_another_sequence(forger: Forger, name: str) -> None:
    forger.edit_record(name, lambda r: r.update(sequence=9))


FORGERIES: list[Forgery] = [
    under_its_name,
    under_a_fitting_name,
    without_its_signature,
    with_the_digest_in_its_record,
    with_the_record_of_another,
    copied_from_another_cut,
    of_another_sequence,
]


def forged(root: Path, how: Forgery) -> Forger:
    forger = Forger(root)
    how(forger, bench.latest(root) or "")
    return forger


def quoted(root: Path) -> set[tuple[str, str, str]]:
    at = bench.bench(root, cut=LATER)
    made = steps.materialize(at, QUOTING).receipt
    table = at.warehouse.read(contracts.load()[QUOTING], SITE, made.files)
    said = table.filter(table["pack_version"].is_not_null())
    return set(said.select("endpoint", "verdict", "pack_version").iter_rows())


def carried_on(root: Path) -> None:
    """Bring all that the verdicts are read beside to the later cut."""
    at = bench.bench(root, cut=LATER)
    known = benches.dependencies()
    for asset in contracts.order(known):
        if asset == QUOTING:
            return
        if "published_looks" not in contracts.load()[asset].outside:
            steps.materialize(at, asset)


@pytest.fixture(scope="module")
def night(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The night after the look, as far as no verdict is read."""
    root = bench.copy(built, tmp_path_factory.mktemp("night") / "root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vpack_pipeline.gate.check.run", bench.assumed())
        carried_on(root)
    return root


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_pack_of_a_look_is_never_quoted(
    night: Path, tmp_path: Path, assume: Callable[..., None], how: Forgery
) -> None:
    assume()
    root = bench.copy(night, tmp_path / "root")
    forged(root, how)
    with pytest.raises(VerificationError, match="its verdict is quoted in every later pack"):
        quoted(root)
    assert not bench.receipt_path(root, QUOTING, LATER).exists()


def test_the_pack_that_was_published_is_quoted(
    night: Path, tmp_path: Path, assume: Callable[..., None]
) -> None:
    assume()
    root = bench.copy(night, tmp_path / "root")
    name = bench.latest(root)
    assert {version for *_, version in quoted(root)} == {name}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_pack_keeps_the_lock_of_its_cut_closed(own: Path, how: Forgery) -> None:
    forged(own, how)
    assert any("restore" in p.remedy for p in lock_problems(bench.bench(own, cut=LOOK)))
    assert unchanged(bench.bench(own, cut=LOOK)) is None


def test_a_forged_pack_is_told_by_a_build_without_news(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And by the status; nothing is published beside it."""
    forged(own, without_its_signature)
    before = bench.versions(own)
    assert standing(ProjectFolder(own), SITE)["closed_by"]
    with pytest.raises(SystemExit) as left:
        main(["--root", str(own), "build", SITE, "--as-of", LOOK])
    assert left.value.code == 1
    said = capsys.readouterr()
    assert "closed:" in said.err
    assert LOOK in said.err
    assert "restore" in said.err
    assert "report:" not in said.out
    assert bench.versions(own) == before


def test_a_forged_pack_that_is_no_look_is_told_by_a_build_of_its_cut(
    own_early: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forger = Forger(own_early)
    name = bench.latest(own_early) or ""
    forger.forge(name, lambda payload: payload | {"report.html": b"<!doctype html>forged"})
    assert standing(ProjectFolder(own_early), SITE)["altered"]
    with pytest.raises(VerificationError, match="holds another payload than was published"):
        publish(bench.bench(own_early, cut=EARLY))


def of_a_later_cut(forger: Forger, name: str) -> None:
    """Whole, and under the name that fits it; ``latest`` leads to the highest cut."""
    record = json.loads(forger.record(name).read_text())
    del record["mac"], record["payload_digest"]
    path = forger.folder / "versions" / name
    data = path / "data"
    payload = {
        p.relative_to(data).as_posix(): p.read_bytes() for p in data.rglob("*") if p.is_file()
    }
    later = packs.version_name("1.0", "2026-12-01", payload)
    files = bag.lay_out(payload, identifier=f"{SITE}/{later}", bagged="2026-12-01")
    for relative, content in files.items():
        target = path.with_name(later) / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    forger.record(later).write_text(json.dumps(record | forger.given))
    link = forger.folder / packs.LATEST
    link.unlink()
    link.symlink_to(f"versions/{later}")


@pytest.mark.parametrize("sequence", [0, 1, 10**9])
@pytest.mark.parametrize("are_old", [False, True])
def test_a_pack_that_was_put_among_the_published_closes_the_gate_and_is_told(
    own: Path, sequence: int, are_old: bool
) -> None:
    forger, name = Forger(own, given={"sequence": sequence}), bench.latest(own) or ""
    if are_old:
        forger.unsign(next(n for n in bench.versions(own) if EARLY in n))
    of_a_later_cut(forger, name)
    told = [p for p in lock_problems(bench.bench(own, cut=LOOK)) if "2026-12-01" in p.where]
    assert [(p.what, p.remedy) for p in told] == [
        (
            "lies among the published versions, and its record was signed by nobody",
            "move it away with its record",
        )
    ]
    assert unchanged(bench.bench(own, cut=LOOK)) is None
    assert standing(ProjectFolder(own), SITE)["altered"]


def test_packs_from_before_records_were_signed_are_no_strangers(own: Path) -> None:
    """The look is adopted, and packs before and after it are left as they are."""
    for version in bench.versions(own):
        Forger(own).unsign(version)
    assert publications.strangers(bench.bench(own, cut=LOOK)) == []
    publications.adopt(bench.bench(own, cut=LOOK))
    assert [packs.record_of(v).is_adopted for v in packs.versions(own / "data/packs", SITE)] == [
        False,
        True,
    ]
    assert publications.strangers(bench.bench(own, cut=LOOK)) == []


def test_a_first_pack_cannot_change_places_with_its_revision(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revision is authentic too: only its place in the order says that it is not quoted."""
    first = bench.latest(own) or ""
    bench.edit(own / "data" / "sites" / SITE / "site.yaml", lambda s: s.update(title="Another"))
    monkeypatch.setattr("vpack_pipeline.gate.check.run", bench.assumed())
    at = bench.bench(own, cut=LOOK)
    for asset in ("pack/claim", "pack/report"):
        steps.materialize(at, asset)
    revision = publish(at).version
    assert revision != first
    forger = Forger(own)
    numbers = [json.loads(forger.record(n).read_text())["sequence"] for n in (first, revision)]
    forger.edit_record(first, lambda r: r.update(sequence=numbers[1]))
    forger.edit_record(revision, lambda r: r.update(sequence=numbers[0]))
    with pytest.raises(VerificationError, match="record of its publication was edited"):
        steps.materialize(bench.bench(own, cut=LATER.replace("21", "20")), QUOTING)


def test_a_look_from_before_records_were_signed_is_adopted_once(
    night: Path, tmp_path: Path, assume: Callable[..., None]
) -> None:
    """The authentic receipt of its cut vouches for it, and is needed no more afterwards."""
    assume()
    root = bench.copy(night, tmp_path / "root")
    forger, name = Forger(root), bench.latest(root) or ""
    for version in bench.versions(root):
        forger.unsign(version)
    receipt = bench.receipt_path(root, benches.LAST, LOOK)
    before = receipt.read_bytes()
    assert {version for *_, version in quoted(root)} == {name}
    main_clean(root)
    assert packs.record_of(packs.versions(forger.folder.parent, SITE)[-1]).is_signed
    receipt.unlink()
    bench.receipt_path(root, QUOTING, LATER).unlink()
    assert {version for *_, version in quoted(root)} == {name}
    receipt.write_bytes(before)
    forger.forge(name)
    bench.receipt_path(root, QUOTING, LATER).unlink()
    with pytest.raises(VerificationError, match="holds another payload"):
        quoted(root)


@pytest.fixture(scope="module")
def again(night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A look whose cut was built once more after the next night, by code that signed no records."""
    root = bench.copy(night, tmp_path_factory.mktemp("again") / "root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vpack_pipeline.gate.check.run", bench.assumed())
        bench.build(root, LATER)
        bench.edit(root / f"data/sites/{SITE}/site.yaml", lambda s: s.update(title="Other"))
        bench.build(root, LOOK)
    bench.receipt_path(root, QUOTING, LATER).unlink()
    forger = Forger(root)
    for version in bench.versions(root):
        forger.unsign(version)
    return root


def first_of(root: Path) -> str:
    """The look's pack; its cut has the receipt of the other."""
    known = packs.versions(root / "data" / "packs", SITE)
    first, _ = (v.name for v in known if v.cut == LOOK)
    return first


def quoting(root: Path) -> str:
    (name,) = (v for v in bench.versions(root) if LATER in v)
    return name


def test_a_look_whose_cut_was_built_again_is_vouched_for_by_the_pack_that_quotes_it(
    again: Path, tmp_path: Path, assume: Callable[..., None]
) -> None:
    assume()
    root = bench.copy(again, tmp_path / "root")
    first = first_of(root)
    assert {version for *_, version in quoted(root)} == {first}
    main_clean(root)
    adopted = [
        v.name
        for v in packs.versions(root / "data" / "packs", SITE)
        if packs.record_of(v).is_adopted
    ]
    assert adopted == [first]


@pytest.mark.parametrize("is_the_quoting_one", [False, True])
def test_a_forged_look_is_vouched_for_by_nobody(
    again: Path, tmp_path: Path, assume: Callable[..., None], is_the_quoting_one: bool
) -> None:
    """Neither one that was changed itself, nor one that a changed pack quotes."""
    assume()
    root = bench.copy(again, tmp_path / "root")
    Forger(root).forge(quoting(root) if is_the_quoting_one else first_of(root))
    with pytest.raises(VerificationError, match="holds another payload than was published"):
        quoted(root)


def main_clean(root: Path) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--root", str(root), "clean", SITE, "--keep", "9"])
    assert left.value.code == 0


def test_a_look_without_record_and_receipt_closes_with_what_to_do(
    night: Path, tmp_path: Path, assume: Callable[..., None]
) -> None:
    assume()
    root = bench.copy(night, tmp_path / "root")
    Forger(root).unsign(bench.latest(root) or "")
    bench.receipt_path(root, benches.LAST, LOOK).unlink()
    with pytest.raises(VerificationError, match="restore the receipt of pack/validation_pack"):
        quoted(root)


def test_an_unsigned_pack_is_held_against_the_manifest_of_its_receipt(
    night: Path, tmp_path: Path, assume: Callable[..., None]
) -> None:
    assume()
    root = bench.copy(night, tmp_path / "root")
    forger, name = Forger(root), bench.latest(root) or ""
    forger.unsign(name)
    other = bench.receipt(root, benches.LAST, LOOK) | {"cut": LATER}
    bench.receipt_path(root, benches.LAST, LOOK).write_text(json.dumps(other))
    with pytest.raises(VerificationError, match="neither a signed record nor an authentic"):
        quoted(root)


def test_the_endpoints_are_where_the_forger_looks_for_them(built: Path) -> None:
    latest = built / "data" / "packs" / SITE / packs.LATEST
    assert b"met" in (latest / "data" / ENDPOINTS).read_bytes()
