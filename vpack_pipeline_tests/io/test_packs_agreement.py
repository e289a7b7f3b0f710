"""Parts of a pack that do not agree, although every digest of it was written anew.

Each test forges a copy of the stored pack: manifests, identifier and folder name are made to fit,
and so are the digests that crate and receipts tell. What is changed alike everywhere is noticed by
digest and signature alone, and a test says so.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from vpack_pipeline.cli import main
from vpack_pipeline.contracts import codes, load, metrics
from vpack_pipeline.gate.suite import plan
from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import agreement, bag, cells, figures
from vpack_pipeline.pack_format import codes as pack_codes
from vpack_pipeline.pack_format.receipts import STRUCTURE, STRUCTURE_OF_SOME
from vpack_pipeline.pack_format.tables import _FAMILY
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn
from vpack_pipeline_tests.io.forging import Change, forge, writable
from vpack_pipeline_tests.io.test_packs_formats import LOOK, SITE, unpacked

ENDPOINTS = "tables/evaluation.endpoints"
RECEIPT = "gates/evaluation.endpoints.receipt.json"
LEAF = "gates/drift.status.receipt.json"
CONTRACT = "gates/evaluation.endpoints.contract.json"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the stored pack of the newest format."""
    return writable(unpacked(bag.FORMAT, tmp_path))


def found(pack: Path) -> set[str]:
    """What does not agree in a pack whose digests all hold."""
    return {f"{p.where}: {p.what}" for p in packs.verify(pack)}


def swapped(old: str, new: str) -> Change:
    return lambda content: content.replace(old.encode(), new.encode(), 1)


def edited(change: Callable[[Any], object]) -> Change:
    """Change the data of a JSON file in place."""

    def done(content: bytes) -> bytes:
        data = json.loads(content)
        change(data)
        return json.dumps(data).encode()

    return done


def cell(row: int, column: str, text: str) -> Change:
    """Write another text into a cell of a CSV file without quotes in it."""

    def done(content: bytes) -> bytes:
        lines = content.decode().split("\n")
        cells = lines[row].split(",")
        cells[lines[0].split(",").index(column)] = text
        lines[row] = ",".join(cells)
        return "\n".join(lines).encode()

    return done


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
    "codes.csv": (
        {"codes.csv": swapped("its own row holds the figure", "another row holds it")},
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
    changes = dict.fromkeys(files, lambda content: content.replace(b"inconclusive", b"met"))
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


TABLES: dict[str, tuple[dict[str, Change | None], str]] = {
    "no number": (
        {f"{ENDPOINTS}.csv": cell(1, "estimate", "high")},
        "line 2: estimate is not written as a float of a pack",
    ),
    "not a number": (
        {f"{ENDPOINTS}.csv": cell(1, "estimate", "nan")},
        "line 2: estimate is not written as a float of a pack",
    ),
    "a number in another way": (
        {f"{ENDPOINTS}.csv": cell(1, "n", "07")},
        "line 2: n is not written as a int of a pack",
    ),
    "a number without end": (
        {f"{ENDPOINTS}.csv": cell(1, "n", "1" * 5000)},
        "line 2: n is not written as a int of a pack",
    ),
    "nothing": ({f"{ENDPOINTS}.csv": cell(1, "goal", "")}, "line 2: goal is missing"),
    "no such metric": (
        {f"{ENDPOINTS}.csv": cell(1, "metric", "happiness")},
        "line 2: its metric is not one of this table",
    ),
    "no such reason": (
        {"tables/drift.limits.csv": cell(2, "reason", "because")},
        "line 3: its reason is no code that is declared",
    ),
    "a row twice": (
        {f"{ENDPOINTS}.csv": lambda c: c + c.split(b"\n")[1] + b"\n"},
        "two rows have the same key",
    ),
    "no row": (
        {f"{ENDPOINTS}.csv": lambda c: c.split(b"\n")[0] + b"\n"},
        "is empty, which its contract does not allow",
    ),
    "another column": (
        {f"{ENDPOINTS}.csv": swapped("estimate", "guess")},
        "does not have the columns that it should, in their order",
    ),
    "a cell more": (
        {f"{ENDPOINTS}.csv": lambda c: c + b"a,b\n"},
        "has a row with more or fewer cells than columns",
    ),
    "an open quote": ({f"{ENDPOINTS}.csv": lambda c: c + b'"'}, "is no CSV"),
    "no text": ({f"{ENDPOINTS}.csv": lambda c: c + b"\xff"}, "is no UTF-8 text"),
    "a column more in the schema": (
        {
            f"{ENDPOINTS}.schema.json": edited(
                lambda s: s["properties"].update(more={"type": "string"})
            )
        },
        "does not have the columns of the contract",
    ),
    "another baseline": (
        {"drift/baseline.csv": lambda c: c + b" "},
        "differs from the table of the same name",
    ),
    "another prespecified plan": (
        {"drift/plan.json": edited(lambda p: p["prespecified"].update(replicates=1))},
        "prespecifies something else than the protocol does",
    ),
    "other limits": (
        {"drift/plan.json": edited(lambda p: p["limits"].pop())},
        "has other limits than the table drift/limits",
    ),
    "a monitor that nobody declared": (
        {"drift/plan.json": edited(lambda p: p["monitors"][0].update(monitor="weather"))},
        "has a monitor that the protocol does not declare",
    ),
    "data not said to be synthetic": (
        {"drift/plan.json": edited(lambda p: p.pop("synthetic"))},
        "says another thing of synthetic data than claim.json",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_hold_their_contracts_and_the_plan_its_protocol(name: str, pack: Path) -> None:
    changes, what = TABLES[name]
    told = found(forge(pack, changes))
    assert any(what in problem for problem in told), told


def a_figure(page: str) -> str:
    return next(p for p in page.split("\n") if "data-anchor" in p and ".estimate" in p)


PAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "a figure left out": (lambda p: p.replace(a_figure(p), ""), "and not in the report"),
    "a figure printed twice, once otherwise": (
        lambda p: p + a_figure(p).replace(">", ">1", 1),
        "differs from figures.csv",
    ),
    "a figure of no table": (
        lambda p: p + '<span data-anchor="first.approved">yes</span>',
        "first.approved: is not in figures.csv",
    ),
    "a figure in other quotes": (
        lambda p: p + "<b data-anchor='x'>1</b>",
        "has a figure in another form than vpack prints",
    ),
    "a figure with another style": (
        lambda p: p.replace("<span data-anchor", '<span class="hidden" data-anchor', 1),
        "has a figure in another form than vpack prints",
    ),
    "a statement left out": (
        lambda p: p.replace('<span data-states="cut">2026-07-20</span>', ""),
        "cut: is in the documents of the pack and not in the report",
    ),
    "another site": (
        lambda p: p.replace('"site">riverside', '"site">lakeside'),
        "site: differs from the documents of the pack",
    ),
    "no banner": (
        lambda p: "\n".join(x for x in p.split("\n") if '"synthetic"' not in x),
        "synthetic: is in the documents of the pack and not in the report",
    ),
    "no place for an item": (
        lambda p: p.replace('<p id="study"></p>', ""),
        "points to no place in the report",
    ),
}


@pytest.mark.parametrize("name", PAGE)
def test_the_page_prints_the_figures_of_its_tables_and_what_documents_say(
    name: str, pack: Path
) -> None:
    change, what = PAGE[name]
    told = found(forge(pack, {"report.html": lambda c: change(c.decode()).encode()}))
    assert any(what in problem for problem in told), told


def figure_lines(change: Callable[[list[str]], list[str]]) -> Change:
    """Change the first line of ``figures.csv`` that a function does not leave as it is."""

    def done(content: bytes) -> bytes:
        header, *lines = csv.reader(io.StringIO(content.decode(), newline=""))
        changed = next(i for i, line in enumerate(lines) if change(line) != line)
        lines[changed] = change(lines[changed])
        return cells.to_csv(header, lines)

    return done


def on_first_page(line: list[str], *changed: str) -> list[str]:
    """Change row key and what follows it in a line of the first page."""
    is_cell = line[0].startswith("first.") and line[3] == "estimate"
    return [*line[:2], *changed, *line[2 + len(changed) :]] if is_cell else line


def _as_share(line: list[str]) -> list[str]:
    """Write a probability as a percentage where only the first page may."""
    is_one = not line[0].startswith("first.") and line[3] == "goal"
    return [*line[:4], "82.0%"] if is_one else line


FIGURES: dict[str, tuple[Change, str]] = {
    "a share beyond the first page": (figure_lines(_as_share), "goal: differs from the cell"),
    "another anchor": (
        figure_lines(
            lambda f: ["drift.plan.000000000000.method", *f[1:]] if f[1] == "drift/plan" else f
        ),
        "is not the name of its cell",
    ),
    "another table": (
        figure_lines(lambda f: [f[0], "cohort/reads", *f[2:]]),
        "is of no table of this pack",
    ),
    "another row": (figure_lines(lambda f: on_first_page(f, "{}")), "cannot be written"),
    "a key that is none": (figure_lines(lambda f: on_first_page(f, "[[")), "cannot be written"),
    "another count": (
        figure_lines(lambda f: [*f[:4], "17"] if f[3] == figures.COUNT_OF_ROWS else f),
        "differs from the cell",
    ),
    "a count in a cell's place": (
        figure_lines(lambda f: [*f[:3], figures.COUNT_OF_ROWS, "1"] if f[0][:5] != "first" else f),
        "is not the name of its cell",
    ),
    "an anchor twice": (lambda c: c + c.split(b"\n")[1] + b"\n", "has an anchor twice"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_made_again_from_the_cells_that_they_name(name: str, pack: Path) -> None:
    change, what = FIGURES[name]
    told = found(forge(pack, {"figures.csv": change}))
    assert any(what in problem for problem in told), told


CRATE: dict[str, tuple[Callable[[Any], object], str]] = {
    "a file left out": (lambda e: e["./"]["hasPart"].pop(), "lists other files"),
    "another date": (lambda e: e["./"].update(datePublished="2020-01-01"), "another date"),
    "another site": (lambda e: e["#site"].update(name="lakeside"), "names another site"),
    "another digest": (
        lambda e: e["claim.json"].update(sha256="0" * 64),
        "claim.json: has another size or digest there",
    ),
    "a source that does not travel": (
        lambda e: e["#made/figures.csv"].update(object=[{"@id": "secret.csv"}]),
        "tells of a file that is not in the pack",
    ),
    "no origin": (
        lambda e: [e.pop(name) for name in [*e] if name.startswith("#made/")],
        "tells of a file that is not in the pack",
    ),
}


@pytest.mark.parametrize("name", CRATE)
def test_the_crate_describes_this_pack(name: str, pack: Path) -> None:
    change, what = CRATE[name]

    def done(crate: Any) -> None:
        entities = {e["@id"]: e for e in crate["@graph"]}
        change(entities)
        crate["@graph"] = list(entities.values())

    told = found(forge(pack, {"ro-crate-metadata.json": edited(done)}))
    assert any(what in problem for problem in told), told


BAD: dict[str, tuple[str, bytes, str]] = {
    "no JSON": ("claim.json", b"{", "is no JSON"),
    "JSON without end": (RECEIPT, b"[" * 100_000, "is no JSON"),
    "a list": ("drift/plan.json", b"[]", "does not have the fields that such a file has"),
    "nothing": (CONTRACT, b"null", "does not have the fields that such a file has"),
    "a bomb of aliases": (
        "protocol.yaml",
        b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "is not the YAML of a protocol",
    ),
    "YAML without end": ("protocol.yaml", b"[" * 100_000, "is not the YAML of a protocol"),
    "a program": (
        "protocol.yaml",
        b"!!python/object/apply:os.getcwd []",
        "is not the YAML of a protocol",
    ),
    "a table of codes": ("codes.csv", b"", "is no CSV"),
    "parameters": (
        "codes.csv",
        b"code,kind,sentence,parameters\na,reason,it is {n},n of something\n",
        "describes a parameter in another way",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_what_its_name_says_is_refused_and_nothing_else_happens(
    name: str, pack: Path
) -> None:
    file, content, what = BAD[name]
    forged = forge(pack, {file: lambda _: content}, within=False)
    assert any(f"data/{file}: {what}" in problem for problem in found(forged)), found(forged)


DOCUMENTS = (
    "claim.json",
    "drift/plan.json",
    f"{ENDPOINTS}.schema.json",
    CONTRACT,
    RECEIPT,
    "ro-crate-metadata.json",
)
JUNK = st.sampled_from([None, True, 7, -0.5, "", "\x1b", "=1", [], ["a"], {}, {"@id": 3}])


@st.composite
def places(draw: st.DrawFn, data: Any) -> tuple[Any, Any]:
    """Choose a place in plain data: the mapping or list, and the key within."""
    node = data
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = draw(st.sampled_from(keys))
        inner = node[key]
        if not (isinstance(inner, dict | list) and inner) or draw(st.integers(0, 3)) == 0:
            return node, key
        node = inner


@examples_drawn(60, unchecked=(HealthCheck.function_scoped_fixture,))
@given(st.data())
def test_no_value_in_any_place_of_a_document_makes_verification_fail_by_itself(
    pack: Path, data: st.DataObject
) -> None:
    """Whatever stands there is either told or changes nothing; the crate's words may be any."""
    file = data.draw(st.sampled_from(DOCUMENTS))
    path = pack / "data" / file
    before = path.read_bytes()
    made = json.loads(before)
    node, key = data.draw(places(made))
    node[key] = data.draw(JUNK.filter(lambda v: v != node[key]))
    try:
        path.write_bytes(json.dumps(made).encode())
        payload = [p.relative_to(pack / "data").as_posix() for p in (pack / "data").rglob("*.*")]
        told = [str(p) for p in agreement.find(pack, payload)]
        assert all(problem.isprintable() for problem in told)
        assert told or file == "ro-crate-metadata.json"
    finally:
        path.write_bytes(before)


def test_every_code_is_read_from_what_the_pack_says_of_it() -> None:
    rows = codes.table()
    assert {r["code"]: pack_codes.parameters_of(r["parameters"]) for r in rows} == {
        name: declared.printed for name, declared in codes.load().items()
    }


def test_every_family_of_metrics_is_found_by_the_name_that_schemas_give_it() -> None:
    told = [entry for metric in metrics.load() for entry in metric.json_schema()]
    families = {m[1] for t in told if (m := _FAMILY.fullmatch(t.get("pattern", "")))}
    assert families == {m.prefix for m in metrics.load() if m.prefix is not None}
    assert all("kind" in t for t in told)


def test_every_expectation_of_structure_is_one_that_verification_knows() -> None:
    for contract in load().values():
        structure = {p.id for p in plan(contract)} - {e.id for e in contract.expectations}
        columns = {f"{c.name}_present" for c in contract.columns}
        assert STRUCTURE <= structure <= STRUCTURE | STRUCTURE_OF_SOME | columns
