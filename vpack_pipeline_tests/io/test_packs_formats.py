"""Packs of every format that was ever written: read, quoted, and refused when of a newer one.

Each lies in ``packs/format-<N>.tar.xz``, put there by ``store_pack`` when its format was new: a
pack of a small synthetic site at a look, with a short page in the report's place. They are never
made anew: what is tested is that today's code reads them.
"""

from __future__ import annotations

import csv
import hashlib
import json
import tarfile
from pathlib import Path

import polars as pl
import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import bag
from vpack_pipeline.protocol import Protocol
from vpack_pipeline_tests.io.store_pack import store

STORED = Path(__file__).parent / "packs"
FORMATS = range(1, bag.FORMAT + 1)
SITE, LOOK = "riverside", "2026-07-20"


def unpacked(number: int, to: Path) -> Path:
    """Put the stored pack of a format into a folder of packs; give the pack."""
    with tarfile.open(STORED / f"format-{number}.tar.xz") as archive:
        archive.extractall(to, filter="data")
    (version,) = packs.versions(to, SITE)
    return version.path


def unpacked_once(number: int, to: Path) -> Path:
    """The same in a folder of its own, for tests that only read it."""
    folder = to / str(number)
    if not folder.exists():
        return unpacked(number, folder)
    (version,) = packs.versions(folder, SITE)
    return version.path


def protocol_of(pack: Path) -> Protocol:
    content = (pack / "data/protocol.yaml").read_bytes()
    return Protocol.of_pack(content, packs.summary(pack).format)


def restated(pack: Path, line: str) -> None:
    """State a format in a whole bag: the tag manifest is written anew, as its maker would."""
    info, manifest = pack / bag.INFO, pack / bag.TAG_MANIFEST
    kept = [x for x in info.read_text("utf-8").splitlines() if not x.startswith("Vpack-Format")]
    info.write_text("\n".join([*kept, line]) + "\n", encoding="utf-8")
    manifest.write_bytes(bag.manifest_text({t: (pack / t).read_bytes() for t in bag.TAGGED}))


def test_a_small_pack_of_every_format_is_kept() -> None:
    assert {p.name for p in STORED.iterdir()} == {f"format-{n}.tar.xz" for n in FORMATS}
    assert all(p.stat().st_size < 200_000 for p in STORED.iterdir())


@pytest.mark.parametrize("number", FORMATS)
def test_a_pack_of_any_format_is_verified(number, tmp_path, capsys):
    pack = unpacked(number, tmp_path)
    assert packs.verify(pack) == []
    assert packs.summary(pack).format == number
    with pytest.raises(SystemExit) as left:
        main(["verify", str(pack)])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert f"whole: {SITE}/1.0-{LOOK}-" in out
    assert (f"\nof format {number}, so that it was not held to: " in out) == (number < bag.FORMAT)
    # Stored packs have a short page in place of the one that is shipped.
    assert ("layout or script are not those of this vpack" in out) == (number >= 5)
    (pack / "data/claim.json").write_bytes(b"{}")
    assert next(str(p.where) for p in packs.verify(pack)) == "data/claim.json"


@pytest.mark.parametrize("number", FORMATS)
def test_the_look_of_a_pack_of_any_format_is_quoted(number, tmp_path):
    pack = unpacked(number, tmp_path)
    looks = packs.published_looks(tmp_path, SITE, protocol_of(pack), doubts=lambda _: [])
    with (pack / "data/tables/evaluation.endpoints.csv").open(encoding="utf-8", newline="") as file:
        said = {
            r["endpoint"]: r for r in csv.DictReader(file) if r["look"] == LOOK and r["verdict"]
        }
    assert len(said) == 4
    assert looks["changed"].null_count() == looks.height
    assert dict(looks.select("endpoint", "verdict").iter_rows()) == {
        endpoint: row["verdict"] for endpoint, row in said.items()
    }
    auc = looks.row(by_predicate=pl.col("endpoint") == "auc_after_lock", named=True)
    assert auc["estimate"] == float(said["auc_after_lock"]["estimate"])


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_what_a_look_spent_is_read_where_its_protocol_states_it_two_sided(number, tmp_path):
    pack = unpacked(number, tmp_path)
    assert b"alpha: 0.05" in (pack / "data/protocol.yaml").read_bytes()
    looks = packs.published_looks(tmp_path, SITE, protocol_of(pack), doubts=lambda _: [])
    assert set(looks["alpha"]) == {0.025}
    assert looks["information_share"].null_count() == looks.height


@pytest.mark.parametrize("number", FORMATS)
def test_a_pack_of_any_format_loses_its_look_where_its_verdict_rests_on_another_value(
    number, tmp_path
):
    protocol = protocol_of(unpacked(number, tmp_path))
    test = protocol.index_test.model_copy(update={"failed_counts_as": "positive"})
    other = protocol.model_copy(update={"index_test": test})
    looks = packs.published_looks(tmp_path, SITE, other, doubts=lambda _: [])
    assert set(looks["verdict"]) == {"void"}
    assert looks["changed"].to_list() == [["index_test"]] * looks.height


@pytest.mark.parametrize("number", FORMATS)
def test_from_format_2_on_the_digest_of_the_protocol_is_that_of_its_file(number, tmp_path):
    pack = unpacked(number, tmp_path)
    digest = hashlib.sha256((pack / "data/protocol.yaml").read_bytes()).hexdigest()
    told = {json.loads((pack / "data/drift/plan.json").read_bytes())["protocol_digest"]}
    told |= {
        json.loads(path.read_bytes())["protocol_digest"]
        for path in (pack / "data/gates").glob("*.receipt.json")
    }
    assert len(told) == 1
    assert (told == {digest}) == (number >= 2)


@pytest.mark.parametrize("number", [1, 2])
def test_a_smallest_cell_in_a_stored_pack_is_a_smallest_group_and_voids_no_look(number, tmp_path):
    pack = unpacked(number, tmp_path)
    assert "smallest_cell: 11" in (pack / "data/protocol.yaml").read_text("utf-8")
    now = protocol_of(pack)
    assert now.disclosure.smallest_group == 11
    other = now.disclosure.model_copy(update={"smallest_group": 20, "age_top_code": 80})
    looks = packs.published_looks(
        tmp_path, SITE, now.model_copy(update={"disclosure": other}), doubts=lambda _: []
    )
    assert looks["changed"].null_count() == looks.height > 0


@pytest.mark.parametrize("number", [bag.FORMAT + 1, 400])
def test_a_pack_of_a_newer_format_is_refused_with_the_remedy_and_nothing_else(
    number, tmp_path, capsys
):
    pack = unpacked(1, tmp_path)
    restated(pack, f"Vpack-Format: {number}")
    (pack / "added.txt").write_text("of no meaning to this version", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["verify", str(pack)])
    said = capsys.readouterr()
    assert left.value.code == 2
    assert said.out == ""
    assert said.err == (
        "1 to mend:\n  bag-info.txt: the pack was made by a newer vpack: its format is"
        f" {number}, not 1 to {bag.FORMAT} — update vpack\n"
    )
    (problem,) = packs.verify(pack)
    assert problem.remedy == "update vpack"


@pytest.mark.parametrize("stated", ["two", "0", "-1", "2.0", "", "1" * 40])
def test_a_format_that_is_no_whole_number_is_none(stated, tmp_path):
    pack = unpacked(1, tmp_path)
    restated(pack, f"Vpack-Format: {stated}")
    assert "bag-info.txt: states no valid format" in {
        f"{p.where}: {p.what}" for p in packs.verify(pack)
    }


def test_a_format_that_was_struck_out_or_changed_is_noticed(tmp_path):
    pack = unpacked(bag.FORMAT, tmp_path)
    info = pack / bag.INFO
    info.write_text(info.read_text("utf-8").replace(f"Vpack-Format: {bag.FORMAT}\n", ""))
    assert "bag-info.txt: was changed" in {f"{p.where}: {p.what}" for p in packs.verify(pack)}


def test_a_pack_is_stored_whole_and_once(tmp_path):
    unpacked(bag.FORMAT, tmp_path / "data/packs")
    made = store(tmp_path, tmp_path)
    with tarfile.open(made) as again, tarfile.open(STORED / made.name) as stored:
        assert again.getnames() == stored.getnames()
        for name in stored.getnames():
            file, kept = again.extractfile(name), stored.extractfile(name)
            assert file is not None
            assert kept is not None
            assert file.read() == kept.read()
    with pytest.raises(FileExistsError):
        store(tmp_path, tmp_path)
