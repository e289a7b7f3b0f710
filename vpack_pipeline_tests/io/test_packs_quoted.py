"""A release states by name which of its tables are of an earlier cut, and verify accepts no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vpack_pipeline.io import packs
from vpack_pipeline.pack_format.quoted import NAME, Quote, quotes_of, written
from vpack_pipeline.pack_format.verification import verify

CUT, BEFORE = "2026-02-05.2", "2026-01-05"
QUOTE = Quote(f"1.0-{BEFORE}-0123456789ab", BEFORE, "d" * 64)
PLAN, STATUS = "drift/plan", "drift/status"


def pack(
    root: Path,
    quotes: dict[str, Quote] | None,
    cuts: dict[str, str],
    text: bytes | None = None,
    tables: tuple[str, ...] = (PLAN, STATUS),
) -> Path:
    payload = {
        "claim.json": b"{}",
        "codes.csv": b"code\n",
        "drift/plan.json": b"{}",
        "protocol.yaml": b"id: a\n",
        "report.html": b"<p>",
    }
    for asset, cut in cuts.items():
        name = f"gates/{asset.replace('/', '.')}.receipt.json"
        payload[name] = json.dumps({"asset": asset, "cut": cut}).encode()
    payload |= {f"tables/{asset.replace('/', '.')}.csv": b"a\n1\n" for asset in tables}
    if quotes is not None:
        payload[NAME] = written("harbour", quotes)
    if text is not None:
        payload[NAME] = text
    made = packs.publish(
        root_packs=root, site_id="harbour", protocol_version="1.0", cut=CUT, payload=payload
    )
    return made.path


def accept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store take a pack that would not be whole, as a forger's tools do."""
    monkeypatch.setattr("vpack_pipeline.io.packs.store._demand_whole", lambda _: None)


def test_a_release_states_what_it_quotes(tmp_path: Path) -> None:
    path = pack(tmp_path, {STATUS: QUOTE}, {PLAN: CUT, STATUS: BEFORE})
    assert verify(path) == []
    assert quotes_of(path) == {STATUS: QUOTE}


def test_a_release_that_quotes_nothing_says_so_and_a_nightly_pack_says_nothing(
    tmp_path: Path,
) -> None:
    release = pack(tmp_path / "releases", {}, {PLAN: CUT, STATUS: CUT})
    nightly = pack(tmp_path / "packs", None, {PLAN: CUT, STATUS: CUT})
    assert (verify(release), quotes_of(release)) == ([], {})
    assert (verify(nightly), quotes_of(nightly)) == ([], None)


CUTS = {
    "a table of another cut that is not named": ({}, {PLAN: CUT, STATUS: BEFORE}, STATUS),
    "a named table of the pack's own cut": ({STATUS: QUOTE}, {PLAN: CUT, STATUS: CUT}, STATUS),
    "a named table of a third cut": ({STATUS: QUOTE}, {PLAN: CUT, STATUS: "2025-12-01"}, STATUS),
}


@pytest.mark.parametrize("case", CUTS)
def test_a_receipt_of_a_cut_that_is_not_stated_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    quotes, cuts, asset = CUTS[case]
    accept(monkeypatch)
    (problem,) = verify(pack(tmp_path, quotes, cuts))
    assert problem.where == f"data/gates/{asset.replace('/', '.')}.receipt.json"
    assert "is of another cut" in problem.what


@pytest.mark.parametrize(
    ("cuts", "tables"), [({PLAN: CUT}, (PLAN, STATUS)), ({PLAN: CUT, STATUS: BEFORE}, (PLAN,))]
)
def test_a_quoted_table_is_there_with_its_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: dict, tables: tuple
) -> None:
    accept(monkeypatch)
    (problem,) = verify(pack(tmp_path, {STATUS: QUOTE}, cuts, tables=tables))
    assert (problem.where, problem.what) == (f"data/{NAME}", f"quotes {STATUS}, which is not there")


def said(**changes: object) -> bytes:
    quote = {"release": QUOTE.release, "cut": BEFORE, "digest": QUOTE.digest, **changes}
    return f"{json.dumps({'quoted': {STATUS: quote}, 'site': 'harbour'}, indent=1, sort_keys=True)}\n".encode()


FORMS = {
    "no JSON": b"{",
    "a list": b"[]\n",
    "nested beyond reading": b"[" * 200_000,
    "without its tables": b'{\n "site": "harbour"\n}\n',
    "written otherwise": said().replace(b" ", b""),
    "of another form of name": said(release="one"),
    "of a release of another cut": said(cut="2026-01-06"),
    "with no digest": said(digest="d"),
    "with a number for a digest": said(digest=1),
    "with something more": said(more=""),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_does_not_list_quotes_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    accept(monkeypatch)
    path = pack(tmp_path, None, {PLAN: CUT, STATUS: BEFORE}, text=FORMS[form])
    with pytest.raises(ValueError, match="not the quotes"):
        quotes_of(path)
    assert [p.where for p in verify(path)] == [f"data/{NAME}"]


def test_quotes_of_another_site_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(monkeypatch)
    path = pack(tmp_path, None, {PLAN: CUT, STATUS: BEFORE}, text=written("inlet", {STATUS: QUOTE}))
    assert [p.what for p in verify(path)] == ["is of another site than the pack"]


def test_the_forms_above_differ_from_one_that_is_read(tmp_path: Path) -> None:
    path = pack(tmp_path, None, {PLAN: CUT, STATUS: BEFORE}, text=said())
    assert quotes_of(path) == {STATUS: QUOTE}


def test_a_damaged_receipt_is_a_problem_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(monkeypatch)
    path = pack(tmp_path, {}, {PLAN: CUT})
    receipt = path / "data/gates/drift.plan.receipt.json"
    receipt.chmod(0o644)
    receipt.write_bytes(b"[" * 200_000)
    assert {p.what for p in verify(path)} >= {"was changed"}
