"""Parts of a pack that do not agree, although every digest of it was written anew.

Each test forges a copy of the stored pack: manifests, identifier and folder name are made to fit,
and so are the digests that crate and receipts tell. What is changed alike everywhere is noticed by
digest and signature alone, and a test says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import bag
from vpack_pipeline_tests.io.forging import (
    CONTRACT,
    ENDPOINTS,
    LEAF,
    RECEIPT,
    Change,
    cell,
    edited,
    forge,
    found,
    swapped,
    writable,
)
from vpack_pipeline_tests.io.test_packs_formats import LOOK, SITE, unpacked


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the stored pack of the newest format."""
    return writable(unpacked(bag.FORMAT, tmp_path))


ROWS: dict[str, tuple[dict[str, Change | None], dict[str, Any], str]] = {
    "table": (
        {f"{ENDPOINTS}.csv": cell(1, "estimate", "0.999")},
        {},
        f"estimate: differs from the cell of {ENDPOINTS}.csv",
    ),
    "schema": (
        {f"{ENDPOINTS}.schema.json": edited(lambda s: s["properties"]["n"].update(type="string"))},
        {},
        f"data/{ENDPOINTS}.schema.json: describes n in another way than the contract",
    ),
    "report": (
        {"report.html": swapped(">inconclusive<", ">met<")},
        {},
        "differs from figures.csv",
    ),
    "figures.csv": (
        {"figures.csv": swapped(",inconclusive\n", ",met\n")},
        {},
        "differs from the cell of",
    ),
    "receipt": (
        {LEAF: edited(lambda r: r.update(compute="0" * 64))},
        {},
        "data/report.html: receipt.drift/status.digest: differs from the documents of the pack",
    ),
    "contract": (
        {CONTRACT: edited(lambda c: c["expectations"].pop())},
        {},
        "does not tell of each expectation of its contract, and of no other",
    ),
    "plan": (
        {"drift/plan.json": edited(lambda p: p["monitors"][0].update(window_days=9))},
        {},
        "data/drift/plan.json: has other monitors than the table drift/plan",
    ),
    "protocol": (
        {"protocol.yaml": swapped("smallest_group: 11", "smallest_group: 12")},
        {},
        "data/drift/plan.json: has another digest than the protocol that travels",
    ),
    "claim.json": (
        {"claim.json": swapped('"not_met"', '"met"')},
        {},
        "differs from the documents of the pack",
    ),
    "who attests, in claim.json": (
        {"claim.json": swapped("the author of the generator", "the author of the product")},
        {},
        "data/report.html: claim.22.attested: differs from the documents of the pack",
    ),
    "who attests, in the report": (
        {"report.html": swapped("the author of the generator", "the author of the product")},
        {},
        "data/report.html: claim.22.attested: differs from the documents of the pack",
    ),
    "what nobody attests any more": (
        {"claim.json": edited(lambda c: c["items"][2].update(attested=[]))},
        {},
        "data/report.html: claim.3.attested: is not in the documents of the pack",
    ),
    "what compare.html holds": (
        {"compare.html": swapped('"level":0.95', '"level":0.9')},
        {},
        "data/compare.html: has another data than this pack's tables and protocol give",
    ),
    "title of compare.html": (
        {"compare.html": swapped("<title>Does it hold", "<title>It holds")},
        {},
        "data/compare.html: has another title than this pack's tables and protocol give",
    ),
    "banner of compare.html": (
        {"compare.html": swapped("No figure here is evidence about any product.", "")},
        {},
        "data/compare.html: has another banner than this pack's tables and protocol give",
    ),
    "script of compare.html": (
        {"compare.html": swapped("/* none */", "/* other */")},
        {},
        "data/compare.html: has another policy than the one that allows its one script alone",
    ),
    "policy of compare.html": (
        {"compare.html": swapped("default-src 'none'", "default-src *")},
        {},
        "data/compare.html: has another policy than the one that allows its one script alone",
    ),
    "another script in compare.html": (
        {"compare.html": swapped("<body>", "<body><SCRIPT>1</script>")},
        {},
        "data/compare.html: is no page with one block of data and one script",
    ),
    "no compare.html": (
        {"compare.html": None},
        {},
        "data/compare.html: is required and not listed",
    ),
    "outcome on the page of expectations": (
        {"gates/index.html": swapped(">found something<", ">passed<")},
        {},
        "outcome: differs from the receipts of the pack",
    ),
    "tally on the page of expectations": (
        {"gates/index.html": swapped(">3 of 26 passed, 23 met no value<", ">26 of 26 passed<")},
        {},
        "tally: differs from the receipts of the pack",
    ),
    "expectation that its page leaves out": (
        {"gates/index.html": swapped("key_unique.why", "key_unique.said")},
        {},
        "key_unique.why: is in the receipts of the pack and not in the page of expectations",
    ),
    "no page of expectations": (
        {"gates/index.html": None},
        {},
        "data/gates/index.html: is required and not listed",
    ),
    "protocol of compare.html": (
        {"protocol.yaml": swapped("operating_points:", "other_points:")},
        {},
        "data/compare.html: has another data than this pack's tables and protocol give",
    ),
    "codes.csv": (
        {"codes.csv": swapped("see its own row", "see another row")},
        {},
        "differs from the cell of",
    ),
    "cut": ({}, {"cut": "2026-07-21"}, "is of another data cut than the pack"),
    "identifier": ({}, {"site": "lakeside"}, "is of another site than the pack"),
    "added file": (
        {"tables/notes.csv": lambda _: b"a\n"},
        {},
        "data/tables/notes.csv: is no file that a pack of these receipts has",
    ),
    "removed file": (
        {f"{ENDPOINTS}.csv": None},
        {},
        f"data/{ENDPOINTS}.csv: is required and not listed",
    ),
}
"""What is forged → files changed, names changed, what verification says among other things."""


def test_the_pack_that_is_forged_here_agrees_in_all_its_parts(pack: Path) -> None:
    assert found(pack) == set()


def test_a_forger_who_changes_nothing_leaves_a_pack_that_agrees(pack: Path) -> None:
    assert found(forge(pack, {})) == set()


@pytest.mark.parametrize("name", ROWS)
def test_a_change_of_one_part_is_noticed_although_every_digest_was_written_anew(
    name: str, pack: Path
) -> None:
    changes, names, what = ROWS[name]
    told = found(forge(pack, changes, **names))
    assert any(what in problem for problem in told), told


OF_EACH_KIND = (
    "report.html",
    "protocol.yaml",
    "claim.json",
    "codes.csv",
    "figures.csv",
    "drift/plan.json",
    "drift/baseline.csv",
    f"{ENDPOINTS}.csv",
    f"{ENDPOINTS}.schema.json",
    CONTRACT,
    RECEIPT,
)
"""But the crate, which nothing describes: its own content is held."""


@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_one_byte_more_in_any_file_is_noticed_where_manifests_alone_are_written_anew(
    name: str, pack: Path
) -> None:
    told = found(forge(pack, {name: lambda content: content + b" "}, within=False))
    assert told, name


def test_sentences_of_the_report_are_held_by_digests_alone(pack: Path) -> None:
    """No figure is touched: who also writes crate and receipts anew is not noticed."""
    changes = {"report.html": swapped("A short page", "Approved by everybody: a page")}
    forged = forge(pack, changes, within=False)
    assert found(forged) == {
        "data/report.html: is not the file that the receipt of its table was written for",
        "data/ro-crate-metadata.json: report.html: has another size or digest there",
    }
    assert found(forge(forged, {})) == set()


def test_what_is_changed_alike_everywhere_is_noticed_by_its_digest_alone(pack: Path) -> None:
    before = packs.summary(pack).digest
    files = ("report.html", "figures.csv", f"{ENDPOINTS}.csv")
    # Not "met": that its bound would contradict.
    changes = dict.fromkeys(files, lambda content: content.replace(b"inconclusive", b"void"))
    forged = forge(pack, changes)
    assert found(forged) == set()
    assert packs.summary(forged).digest != before


NAMES: dict[str, tuple[str, str | None]] = {
    "a name of the reviewer's own": ("desk/the pack of riverside", None),
    "among a site's versions by another name": ("riverside/versions/old", None),
    "in a folder of releases": ("lakeside/{version}", None),
    "the name of another version": (
        "desk/1.0-2026-07-20-0123456789ab",
        "the folder has the name of another version",
    ),
    "the name at another cut": (
        "desk/1.0-2026-07-21-{digest}",
        "the folder has the name of another version",
    ),
    "among the versions of another site": (
        "lakeside/versions/{version}",
        "the pack lies among the versions of another site",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_where_a_pack_lies_is_told_only_where_it_claims_something(
    name: str, pack: Path, tmp_path: Path
) -> None:
    place, what = NAMES[name]
    to = tmp_path / "elsewhere" / place.format(version=pack.name, digest=pack.name[-12:])
    to.parent.mkdir(parents=True)
    pack.rename(to)
    assert found(to) == ({f"{to.name}: {what}"} if what else set())


def test_a_pack_is_the_same_through_a_link(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(pack)
    assert found(tmp_path / "latest") == set()


def restated(pack: Path, change: Change) -> Path:
    """Change ``bag-info.txt`` and write the tag manifest anew."""
    info = pack / bag.INFO
    info.write_bytes(change(info.read_bytes()))
    tags = {name: (pack / name).read_bytes() for name in bag.TAGGED}
    (pack / bag.TAG_MANIFEST).write_bytes(bag.manifest_text(tags))
    return pack


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (swapped(f"Date: {LOOK}", "Date: 2026-07-21"), "has another date than the data cut"),
        (swapped(f"{SITE}/1.0", "../1.0"), "does not identify a site and a version"),
        (swapped("Vpack", "Approved-By: all\nVpack"), "has a line that no pack has, or one twice"),
        (swapped("Vpack", "Bagging-Date: 2020-01-01\nVpack"), "has a line that no pack has"),
    ],
)
def test_the_bags_own_lines_are_those_of_a_pack(change: Change, what: str, pack: Path) -> None:
    told = {f"{p.where}: {p.what}" for p in packs.verify(restated(pack, change))}
    assert any(f"bag-info.txt: {what}" in problem for problem in told), told


@pytest.mark.parametrize("line", ["", "Vpack-Format: 2\n", "Vpack-Format: 3\n"])
def test_a_pack_that_states_an_older_format_to_be_asked_less_is_told(line: str, pack: Path) -> None:
    forged = forge(pack, {f"{ENDPOINTS}.csv": cell(1, "estimate", "0.999")}, within=False)
    restated(forged, swapped(f"Vpack-Format: {bag.FORMAT}\n", line))
    assert "bag-info.txt: states an older format than 7, with which files in it came" in found(
        forged
    )


def test_an_empty_folder_is_told(pack: Path) -> None:
    (pack / "data/tables/more").mkdir()
    (pack / "signatures").mkdir()
    assert {f"{p.where}: {p.what}" for p in packs.verify(pack)} == {
        "data/tables/more: is an empty folder",
        "signatures: is an empty folder",
    }


def test_a_name_that_a_terminal_would_obey_is_printed_as_codes(pack: Path, capsys) -> None:
    names = ["\x1b[2J\x1b[32mwhole", "a\nwhole: riverside", "\u202ecod.exe"]
    for name in names:
        (pack / name).write_text("x")
    (Path(os.fsdecode(os.fsencode(pack) + b"/\xff"))).write_text("x")
    with pytest.raises(SystemExit) as left:
        main(["verify", str(pack)])
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert said.replace("\n", "").isprintable()
    assert not any(line.startswith("whole") for line in said.splitlines())
    for shown in (r"\x1b[2J\x1b[32mwhole", r"a\nwhole: riverside", r"\u202ecod.exe", r"\udcff"):
        assert f"{shown}: is not part of the pack" in said
    with pytest.raises(SystemExit):
        main(["verify", "--json", str(pack)])
    assert capsys.readouterr().out.rstrip("\n").isprintable()


def first_check(receipt: Any) -> Any:
    return receipt["checks"][0]


RECEIPTS: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "failed": (LEAF, lambda r: r.update(outcome="fail"), "has not passed"),
    "a check that closes": (LEAF, lambda r: first_check(r).update(closes=True), "has not passed"),
    "a failure said to be none": (
        LEAF,
        lambda r: first_check(r).update(outcome="error"),
        "has not passed",
    ),
    "a check told twice": (
        LEAF,
        lambda r: r["checks"].append(first_check(r)),
        "tells of an expectation twice",
    ),
    "a check of nothing": (
        LEAF,
        lambda r: r["checks"].append(first_check(r) | {"id": "approved"}),
        "does not tell of each expectation of its contract, and of no other",
    ),
    "a check of another kind": (
        RECEIPT,
        lambda r: r["checks"][-1].update(why="Nothing."),
        "does not tell of each expectation of its contract, and of no other",
    ),
    "another protocol": (
        LEAF,
        lambda r: r.update(protocol="cxr-triage@2.0"),
        "names another protocol than the one that travels",
    ),
    "another site": (LEAF, lambda r: r.update(site="lakeside"), "is of another site"),
    "another cut": (LEAF, lambda r: r.update(cut="2026-07-19"), "is of another data cut"),
    "another table of the same name": (
        "gates/drift.limits.receipt.json",
        lambda r: r.update(table_digest="0" * 64),
        "was made from another drift/limits than the one of this pack",
    ),
    "an input without a receipt": (
        LEAF,
        lambda r: r["inputs"].update({"cohort/rumours": "0" * 64}),
        "was made from a table without a receipt",
    ),
    "an input left out": (
        LEAF,
        lambda r: r["inputs"].pop("drift/limits"),
        "does not tell of each input that its contract names",
    ),
    "another normalisation": (
        LEAF,
        lambda r: r.update(normalisation="none"),
        "receipts are of several ways to normalise identifiers",
    ),
    "another number of rows": (
        LEAF,
        lambda r: r.update(rows=1),
        "tells of another number of rows than the table has",
    ),
    "another table": (LEAF, lambda r: r.update(asset="drift/limits"), "is of another table"),
    "files of its own choice": (
        LEAF,
        lambda r: r["pack_files"].popitem(),
        "does not tell the digest of each file of its table",
    ),
    "another contract": (
        "gates/drift.status.contract.json",
        lambda c: c.update(asset="drift/limits"),
        "is of another table than its name says",
    ),
}


@pytest.mark.parametrize("name", RECEIPTS)
def test_receipts_have_passed_and_descend_from_one_another(name: str, pack: Path) -> None:
    file, change, what = RECEIPTS[name]
    told = found(forge(pack, {file: edited(change)}))
    assert any(what in problem for problem in told), told


def test_the_receipt_of_the_checklist_is_asked_for(pack: Path) -> None:
    gone = {f"gates/pack.claim.{kind}.json": None for kind in ("receipt", "contract")}
    assert "data/gates/pack.claim.receipt.json: is required and not listed" in found(
        forge(pack, gone)
    )
