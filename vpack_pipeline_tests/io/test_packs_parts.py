"""Tables, figures, page and crate of a pack, each forged in itself, and files that are no such files.

As in ``test_packs_agreement`` every digest is written anew; here it is asked of each part what
must hold of it, and that whatever stands in it is told and stops nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from vpack_pipeline.contracts import codes, load, metrics
from vpack_pipeline.gate.causes import ACCEPTED
from vpack_pipeline.gate.suite import plan
from vpack_pipeline.pack_format import agreement, bag, cells, contents, figures
from vpack_pipeline.pack_format import codes as pack_codes
from vpack_pipeline.pack_format.receipts import STRUCTURE, STRUCTURE_OF_SOME
from vpack_pipeline.pack_format.tables import _FAMILY
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn
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
from vpack_pipeline_tests.io.test_packs_formats import unpacked


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the stored pack of the newest format."""
    return writable(unpacked(bag.FORMAT, tmp_path))


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
    "nothing": ({f"{ENDPOINTS}.csv": cell(2, "goal", "")}, "line 3: goal is missing"),
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
    return next(p for p in page.split("\n") if "data-line" in p)


PAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "a figure left out": (lambda p: p.replace(a_figure(p), ""), "and not in the report"),
    "a figure printed twice, once otherwise": (
        lambda p: p + a_figure(p).replace(">", ">1", 1),
        "differs from figures.csv",
    ),
    "a figure of no table": (
        lambda p: p + '<span data-line="999999">yes</span>',
        "line 999999: is not in figures.csv",
    ),
    "a figure in other quotes": (
        lambda p: p + "<b data-line='2'>1</b>",
        "has a figure in another form than vpack prints",
    ),
    "a figure with another style": (
        lambda p: p.replace("<span data-line", '<span class="hidden" data-line', 1),
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
    "another name on the first page": (
        figure_lines(lambda f: [f"{f[0]}.x", *f[1:]] if f[0].startswith("first.ev") else f),
        "x: differs from the cell",
    ),
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


ITEM = ("status", "evidence", "basis", "title", "section", "reason", "notes")
BAD: dict[str, tuple[str, bytes, str]] = {
    "no JSON": ("claim.json", b"{", "is no JSON"),
    "JSON in depth": (
        LEAF,
        b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}",
        "is nested more deeply than any such file",
    ),
    "a code that is none": (
        "claim.json",
        json.dumps({"items": [{"item": 1, **dict.fromkeys(ITEM, "a"), "detail": None}]}).encode(),
        "item 1 has a code that codes.csv does not have",
    ),
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


def test_a_file_that_is_far_too_large_is_not_read(pack: Path, monkeypatch) -> None:
    monkeypatch.setattr(contents, "MOST_BYTES", 10_000)
    (told,) = found(pack)
    assert told == "data/gates/adjudication.agreement.contract.json: is larger than any such file"


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


@examples_drawn(40, unchecked=(HealthCheck.function_scoped_fixture,))
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
    assert ACCEPTED in STRUCTURE_OF_SOME
    for contract in load().values():
        structure = {p.id for p in plan(contract)} - {e.id for e in contract.expectations}
        columns = {f"{c.name}_present" for c in contract.columns}
        assert STRUCTURE <= structure <= STRUCTURE | STRUCTURE_OF_SOME | columns
