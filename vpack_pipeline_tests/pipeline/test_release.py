"""``vpack release``: handed out once, held against what others hold, refused where it must be."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import quoted_tables
from vpack_pipeline.assets.quoted_tables import tables_about_people
from vpack_pipeline.assets.release import COVER_NOTE, release
from vpack_pipeline.core.pack.group_changes import Change
from vpack_pipeline.errors import GateClosedError, VerificationError
from vpack_pipeline.io import packs, releases
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.pack_format.figures import anchor, row_key
from vpack_pipeline.pack_format.quoted import is_made_of, quotes_of
from vpack_pipeline.pack_format.verification import verify
from vpack_pipeline_tests.disclosure.pack import PackBytes, says
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE
from vpack_pipeline_tests.pipeline.release_bench import (
    BOARD,
    bring,
    contents,
    hand_out,
    ledger_path,
    refusal,
    without_later_deliveries,
)


def test_the_first_release_is_the_nightly_pack_and_says_that_it_is_a_release(own: Path) -> None:
    made = hand_out(own)
    nightly = own / "data" / "packs" / SITE / "latest"
    theirs, ours = (
        {p.relative_to(f).as_posix(): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in (nightly.resolve() / "data", made.path / "data")
    )
    assert made.is_new
    assert made.quotes == {}
    assert ours.keys() - theirs.keys() == {"release.json"}
    # The crate lists every file.
    theirs["ro-crate-metadata.json"] = ours["ro-crate-metadata.json"]
    assert {name: ours[name] for name in theirs} == theirs
    assert made.path.parent == own / "data" / "releases" / SITE / "versions"
    assert verify(made.path) == []
    assert packs.summary(made.path).digest == made.digest
    assert quotes_of(made.path) == {}


def test_the_zip_holds_the_release_and_a_cover_note(own: Path, tmp_path: Path) -> None:
    made = hand_out(own)
    files = contents(made.zip)
    note = files.pop(COVER_NOTE).decode()
    assert f"- For: {BOARD}\n" in note
    assert made.version in note
    assert made.digest in note
    stored = {p for p in made.path.rglob("*") if p.is_file()}
    names = {f"{made.version}/{p.relative_to(made.path).as_posix()}": p for p in stored}
    assert files == {name: path.read_bytes() for name, path in names.items()}
    with zipfile.ZipFile(made.zip) as archive:
        archive.extractall(tmp_path / "out")
    assert verify(tmp_path / "out" / made.version) == []
    assert stat.S_IMODE(made.zip.stat().st_mode) == 0o440


def test_the_same_inputs_give_the_same_zip(own: Path, built: Path, tmp_path: Path) -> None:
    other = bench.copy(built, tmp_path / "other")
    one, two = hand_out(own), release(ProjectFolder(other), SITE, to=BOARD, on=date(2027, 1, 1))
    assert one.zip.name == two.zip.name
    assert one.zip.read_bytes() == two.zip.read_bytes()


def test_a_second_time_nothing_is_new_and_a_second_recipient_is_entered(own: Path) -> None:
    first = hand_out(own)
    ledger, zipped = ledger_path(own).read_bytes(), first.zip.read_bytes()
    again = hand_out(own)
    assert (again.is_new, again.version) == (False, first.version)
    assert ledger_path(own).read_bytes() == ledger
    assert first.zip.read_bytes() == zipped
    second = hand_out(own, to="Another board")
    assert (second.is_new, second.version) == (True, first.version)
    assert second.zip != first.zip
    (entered,) = json.loads(ledger_path(own).read_text())["releases"]
    assert [h["to"] for h in entered["handed_out"]] == [BOARD, "Another board"]
    mine, theirs = contents(first.zip), contents(second.zip)
    assert {n for n in mine if mine[n] != theirs[n]} == {COVER_NOTE}


@pytest.fixture
def own_early(early: Path, tmp_path: Path) -> Path:
    """A copy of the early root, beside that of the built one."""
    return bench.copy(early, tmp_path / "early")


@pytest.fixture
def later(own_early: Path, own: Path) -> Path:
    """The root at the look, whose early pack was handed out."""
    hand_out(without_later_deliveries(own_early))
    return bring(own_early, own)


def test_few_more_patients_and_the_tables_about_people_are_quoted(later: Path) -> None:
    """With every check run, as a site would."""
    made = hand_out(later)
    assert made.changes
    assert {c.kind for c in made.changes} <= {"few", "parted"}
    early = next(v for v in packs.versions(later / "data" / "releases", SITE) if v.cut == EARLY)
    assert set(made.quotes) == set(tables_about_people())
    assert {(q.release, q.cut) for q in made.quotes.values()} == {(early.name, EARLY)}
    assert {q.digest for q in made.quotes.values()} == {packs.summary(early.path).digest}
    assert verify(made.path) == []
    assert quotes_of(made.path) == made.quotes
    nightly = (later / "data" / "packs" / SITE / "latest").resolve()
    # The page tells of the receipts of this release, some of them quoted.
    made_anew = {"pack.claim.receipt.json", "index.html"}
    for path in sorted((made.path / "data").rglob("*.*")):
        inner = path.relative_to(made.path)
        asset = path.name.split(".csv")[0].split(".schema")[0].split(".receipt")[0]
        asset = asset.split(".contract")[0].replace(".", "/", 1)
        if inner.parts[1] in ("tables", "gates") and path.name not in made_anew:
            source = early.path if asset in made.quotes else nightly
            assert path.read_bytes() == (source / inner).read_bytes(), inner
    html = (made.path / "data" / "report.html").read_text()
    assert f"{early.name}, data cut {EARLY}" in html
    assert f"{EARLY}" in contents(made.zip)[COVER_NOTE].decode()


def test_figures_of_a_quoting_release_are_cells_of_its_own_tables(later: Path, assume) -> None:
    """The counts in the report's table 1 are those of the earlier cut, the flow that of this one."""
    assume()
    pack = PackBytes(hand_out(later).path)
    tables, cells = pack.tables, {}
    for asset, table in tables.items():
        key = contracts.load()[asset].key
        for row in table.iter_rows(named=True):
            at = row_key({name: row[name] for name in key})
            cells |= {anchor(asset, at, column): value for column, value in row.items()}
    n_checked = 0
    for said in pack.report:
        value = cells.get(said.anchor)
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert says(said.text, value), said
            n_checked += 1
    assert n_checked > 300
    plan = pack.json("drift/plan.json")
    assert plan["monitors"] == json.loads(json.dumps(tables["drift/plan"].to_dicts()))


def test_receipts_of_a_quoting_release_descend_from_one_another(later: Path, assume) -> None:
    """Also that of the checklist, made again; a quoted table's own inputs are of its own cut."""
    assume()
    made = hand_out(later)
    paths = (made.path / "data" / "gates").glob("*.receipt.json")
    receipts = {r["asset"]: r for r in (json.loads(p.read_bytes()) for p in paths)}
    n_quoted = 0
    for asset, receipt in receipts.items():
        for source, digest in receipt["inputs"].items():
            if is_made_of(made.quotes, asset, source):
                assert receipts[source]["table_digest"] == digest, (asset, source)
                n_quoted += source in made.quotes
    assert receipts["pack/claim"]["inputs"].keys() > made.quotes.keys()
    assert n_quoted > len(made.quotes)
    nightly = later / "data" / "packs" / SITE / "latest" / "data" / "gates"
    before = json.loads((nightly / "pack.claim.receipt.json").read_bytes())
    assert before["inputs"] != receipts["pack/claim"]["inputs"]
    assert {c["outcome"] for c in receipts["pack/claim"]["checks"]} == {"pass"}


def test_a_release_that_quotes_is_the_same_a_second_time(later: Path, assume) -> None:
    assume()
    first = hand_out(later)
    again = hand_out(later)
    assert (again.is_new, again.version, again.quotes) == (False, first.version, first.quotes)
    ledger = json.loads(ledger_path(later).read_text())["releases"]
    assert ledger[1]["people"] == ledger[0]["name"] != ledger[1]["name"]
    people = list(ledger_path(later).parent.glob("*.people.parquet"))
    assert [p.name for p in people] == [f"{ledger[0]['name']}.people.parquet"]


def test_whoever_quotes_a_quoting_release_names_the_first(later: Path, assume) -> None:
    """The tables keep their own cut through any number of releases."""
    assume()
    first = hand_out(later)
    path = later / "data" / "releases" / SITE / "versions" / first.version
    ledger = releases.read_ledger(
        later / "data" / "state" / SITE,
        later / "data" / "releases",
        SITE,
        bench.bench(later).edge.pseudonyms,
    )
    assert ledger.last is not None
    quoted = quoted_tables.Quoted.of(path, ledger.last)
    assert quoted.quotes == first.quotes
    assert {q.cut for q in quoted.quotes.values()} == {EARLY}


def no_changes(monkeypatch: pytest.MonkeyPatch, *changes: Change) -> None:
    monkeypatch.setattr("vpack_pipeline.assets.release.group_changes", lambda *_, **__: [*changes])


def test_where_groups_have_changed_by_enough_nothing_is_quoted(
    later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_changes(monkeypatch)
    made = hand_out(later)
    assert made.quotes == {}
    ledger = json.loads(ledger_path(later).read_text())["releases"]
    assert [r["people"] for r in ledger] == [r["name"] for r in ledger]


def test_levels_may_part_at_a_look_and_under_another_version(
    later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def changes(*_, may_part: bool) -> list[Change]:
        asked.append(may_part)
        return []

    monkeypatch.setattr("vpack_pipeline.assets.release.group_changes", changes)
    hand_out(later)
    assert asked == [True], "the look lies between the two cuts"
    hand_out(later)
    assert asked[1:] == [True, False], "none lies between this release and itself"


def test_another_site_of_the_same_patients_is_held_against_it_and_cannot_quote(
    later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new version of the protocol in a folder of its own: it has nothing to quote."""
    other, data = "riverside-2", later / "data"
    secret = bench.bench(later).edge.pseudonyms
    ledger = releases.read_ledger(data / "state" / SITE, data / "releases", SITE, secret)
    (data / "state" / other).mkdir()
    ledger_path(later).parent.rename(data / "state" / other / "releases")
    (data / "releases" / SITE).rename(data / "releases" / other)
    assert "another site's" in refusal(later, VerificationError), "a ledger is of one site"
    folder = data / "state" / other / "releases"
    releases.write_ledger(folder, dataclasses.replace(ledger, site=other), secret)
    told = refusal(later)
    assert f"since {other}/" in told
    assert "no release whose tables could stand in their place" in told
    assert "sex, " in told
    monkeypatch.setattr("vpack_pipeline.assets.release.share_patients", lambda *_: False)
    assert hand_out(later).quotes == {}, "of other patients nothing can be subtracted"


def test_tables_of_another_protocol_cannot_be_quoted_and_the_groups_are_named(
    later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quoted_tables, "_has_same_rows", lambda ours, *_: False)
    told = refusal(later)
    assert "has rows of another protocol" in told
    assert "sex, F (prospective, label due): has changed by fewer than" in told


def test_a_table_with_other_columns_cannot_be_quoted(
    later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quoted_tables, "from_csv", lambda *_: None)
    assert "has other columns than today's" in refusal(later)


def test_a_long_list_of_groups_is_cut_and_counted(
    later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [Change("age", f"level {i}", "included", "few") for i in range(7)]
    no_changes(monkeypatch, *many, Change("sex", "other", "all", "parted"))
    monkeypatch.setattr(quoted_tables, "_has_same_rows", lambda *_: False)
    told = refusal(later)
    assert "3 more described groups" in told
    assert "level 4" in told
    assert "level 5" not in told


def test_a_release_that_does_not_pass_its_check_is_not_released(later: Path, assume) -> None:
    def failing(contract, paths, rows, within=None):
        made = bench.assumed(frozenset({contract.asset}))(contract, paths, rows, within)
        return made if contract.asset == "pack/report" else []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vpack_pipeline.assets.quoted_tables.check.run", failing)
        told = refusal(later)
    assert "pack/report: made with quoted tables, it does not pass" in told


def test_a_quoted_release_that_was_altered_is_not_quoted(later: Path) -> None:
    path = next((later / "data" / "releases" / SITE / "versions").glob("*/data/claim.json"))
    path.chmod(0o644)
    path.write_bytes(b"{}")
    told = refusal(later, VerificationError)
    assert "is not the release that the ledger names" in told
    assert "restore it from a backup" in told


def test_whom_an_earlier_release_describes_must_not_be_lost(later: Path) -> None:
    (path,) = ledger_path(later).parent.glob("*.people.parquet")
    path.unlink()
    told = refusal(later, VerificationError)
    assert f"{path.name}: whom this release describes is missing" in told


def test_a_lost_ledger_is_refused_with_what_to_do(later: Path) -> None:
    ledger_path(later).unlink()
    told = refusal(later, VerificationError)
    assert "the ledger of releases is lost" in told
    assert "restore data/state from the newest backup" in told


def test_an_edited_ledger_is_refused_with_what_to_do(later: Path) -> None:
    path = ledger_path(later)
    path.chmod(0o600)
    path.write_text(path.read_text().replace(BOARD, "Another board"))
    told = refusal(later, VerificationError)
    assert "the ledger of releases was edited" in told
    assert "restore data/state from the newest backup" in told


def test_a_closed_gate_releases_nothing(own: Path) -> None:
    path = bench.table_path(own, "evaluation/performance", LOOK)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")
    assert "evaluation/performance: a file was changed after its check" in refusal(own)


def test_an_older_cut_is_not_released(own_early: Path, own: Path) -> None:
    """A delivery has come and was not built; or the packs are those of an old backup."""
    told = refusal(own_early)
    assert f"the latest pack is of the cut {EARLY}, and {LOOK} came since" in told
    assert f"vpack build {SITE}" in told
    hand_out(own)
    bring(own, without_later_deliveries(own_early))
    told = refusal(own_early)
    assert f"the latest pack is of the cut {EARLY}, and {LOOK} was released already" in told


def test_what_was_never_built_is_not_released(own_early: Path) -> None:
    root = without_later_deliveries(own_early)
    shutil.rmtree(root / "data" / "packs")
    assert "there is no pack yet" in refusal(root)


def test_documents_that_changed_since_are_built_first(own: Path) -> None:
    bench.edit(own / "data/sites" / SITE / "site.yaml", lambda site: site.update(title="Another"))
    told = refusal(own)
    assert "documents and code in force" in told or "materialize it" in told, "whoever says it"


def test_a_pack_of_other_receipts_than_those_in_force_is_built_first(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table was made again by hand, and nothing was published of it yet."""
    monkeypatch.setattr("vpack_pipeline.assets.release.published", lambda *_: None)
    told = refusal(own)
    assert f"the pack of the cut {LOOK} is not of the documents and code in force" in told
    assert f"vpack build {SITE} --as-of {LOOK}" in told


def test_a_newer_state_that_was_checked_is_built_first_unless_it_brings_no_news(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quiet night checks everything at a newer cut and publishes nothing."""
    newer = "2026-07-21"
    for receipt in sorted((own / "data" / "warehouse").rglob(f"receipts/{LOOK}.json")):
        shutil.copy(receipt, receipt.with_name(f"{newer}.json"))
    with pytest.raises(GateClosedError, match="belongs to another table, site or cut"):
        hand_out(own)
    monkeypatch.setattr("vpack_pipeline.assets.release.lock_problems", lambda *_: [])
    monkeypatch.setattr("vpack_pipeline.assets.release.brings_news", lambda *_: True)
    assert f"{newer} has been checked since" in refusal(own)
    monkeypatch.setattr("vpack_pipeline.assets.release.brings_news", lambda *_: False)
    assert hand_out(own).version.startswith(f"1.0-{LOOK}")


def test_the_command_says_what_to_hand_out(
    own: Path, vpack: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = vpack(own, "release", SITE, "--to", BOARD)
    assert (code, err) == (0, "")
    assert out.startswith(f"released: 1.0-{LOOK}-")
    (path,) = [line.partition(": ")[2] for line in out.splitlines() if line.startswith("hand out")]
    assert Path(path).is_file()
    (digest,) = [line.partition(": ")[2] for line in out.splitlines() if "digest:" in line]
    tag = contents(Path(path))[
        f"{Path(path).name.split(f'{SITE}-', 1)[1].split('-for-')[0]}/tagmanifest-sha256.txt"
    ]
    assert hashlib.sha256(tag).hexdigest() == digest
    code, out, _ = vpack(own, "release", SITE, "--to", BOARD)
    assert (code, out.startswith("released before, for the same recipient: ")) == (0, True)
    code, out, _ = vpack(own, "release", SITE, "--json")
    told = json.loads(out)
    assert (told["is_new"], told["quoted"], told["changed"]) == (True, {}, [])


def test_the_command_names_the_groups_for_which_it_quotes(
    later: Path, vpack: Callable[..., tuple[int, str, str]], assume
) -> None:
    assume()
    code, out, _ = vpack(later, "release", SITE)
    assert code == 0
    assert "17 tables about people are those of 1.0-2026-04-10.2-" in out
    assert "  sex, F (prospective, label due)\n" in out
    told = json.loads(vpack(later, "release", SITE, "--json")[1])
    assert "sex, F (prospective, label due)" in told["changed"]
    assert set(told["quoted"]) == set(tables_about_people())


@pytest.mark.parametrize("to", ["x" * 10_000, "Board\x07", " "])
def test_a_recipient_that_cannot_be_is_refused_before_anything_is_read(
    own: Path, vpack: Callable[..., tuple[int, str, str]], to: str
) -> None:
    code, out, err = vpack(own, "release", SITE, "--to", to)
    assert (code, out) == (2, "")
    assert err.startswith("1 to mend:\n  --to: ")
    assert len(err) < 200
    assert not (own / "data" / "releases").exists()


def test_refusals_have_the_exit_code_of_a_closed_gate(
    own_early: Path, vpack: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = vpack(own_early, "release", SITE)
    assert (code, out) == (1, "")
    assert err.startswith("closed:\n")


def test_status_says_when_the_last_release_was_and_what_has_changed(
    own: Path, later: Path, vpack: Callable[..., tuple[int, str, str]]
) -> None:
    _, out, _ = vpack(own, "status", SITE)
    assert "  last release 1.0-2026-04-10.2-" in out
    assert f"on 2026-08-01, to {BOARD}; since then: 1 delivery, " in out
    told = json.loads(vpack(own, "status", SITE, "--json")[1])[0]["release"]
    assert (told["cut"], told["deliveries"], told["protocol"]) == (EARLY, [LOOK], False)
    assert "evaluation/performance" in told["tables"]
    assert f"{len(told['tables'])} tables differ" in out


def test_status_of_a_site_that_released_nothing_or_lost_its_ledger(
    own: Path, vpack: Callable[..., tuple[int, str, str]]
) -> None:
    assert "  nothing was released yet\n" in vpack(own, "status", SITE)[1]
    hand_out(own)
    _, out, _ = vpack(own, "status", SITE)
    assert "since then: nothing new\n" in out
    ledger_path(own).unlink()
    code, out, err = vpack(own, "status", SITE)
    assert code == 0
    assert "what was released cannot be told:" in err
    assert "the ledger of releases is lost" in err


def test_a_reviewer_checks_what_was_unzipped_with_stock_tools(own: Path, tmp_path: Path) -> None:
    made = hand_out(own)
    with zipfile.ZipFile(made.zip) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / made.version
    for manifest in ("tagmanifest-sha256.txt", "manifest-sha256.txt"):
        subprocess.run(["sha256sum", "--quiet", "--check", manifest], cwd=folder, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "vpack_pipeline", "verify", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert made.digest in done.stdout


def test_no_identifier_and_no_recipient_is_in_what_is_handed_out(own: Path) -> None:
    """The ledger and whom a release describes stay in the site's private state."""
    made = hand_out(own)
    people = next(ledger_path(own).parent.glob("*.people.parquet")).read_bytes()
    assert people[:4] == b"PAR1"
    files = contents(made.zip)
    assert not any("people" in name or "ledger" in name for name in files)
    assert not any(
        BOARD.encode() in content for name, content in files.items() if name != COVER_NOTE
    )
    folder = own / "data" / "releases"
    assert not [p for p in folder.rglob("*") if "people" in p.name or "ledger" in p.name]
    assert stat.S_IMODE(ledger_path(own).parent.stat().st_mode) == 0o700
