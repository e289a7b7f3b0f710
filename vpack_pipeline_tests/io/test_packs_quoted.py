"""A release states by name which of its tables are of an earlier one, and verify accepts no other.

Each test forges a copy of the stored pack, every digest written anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline.pack_format import bag
from vpack_pipeline.pack_format.documents import receipt_digest, receipt_of
from vpack_pipeline.pack_format.quoted import NAME, Quote, quotes_of, read, written
from vpack_pipeline_tests.io.forging import Change, edited, forge, found, swapped, writable
from vpack_pipeline_tests.io.test_packs_formats import SITE, unpacked

BEFORE, STATUS = "2026-01-05", "drift/status"
QUOTE = Quote(f"1.0-{BEFORE}-0123456789ab", BEFORE, "d" * 64)
RECEIPT = receipt_of(STATUS)
OTHER_CUT = f"data/{RECEIPT}: is of another data cut than the pack"
NOT_AS_SAID = f"data/{RECEIPT}: is of another site or cut than {NAME} says"
OTHER_PROTOCOL = f"data/{RECEIPT}: names another protocol than its release"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return writable(unpacked(bag.FORMAT, tmp_path))


def stating(quotes: dict[str, Quote], site: str = SITE) -> dict[str, Change | None]:
    return {NAME: lambda _: written(site, quotes)}


def receipted(pack: Path, **changes: Any) -> dict[str, Change | None]:
    """Change the receipt of a table and what the page prints of it."""
    before = json.loads((pack / "data" / RECEIPT).read_bytes())
    after = {**before, **changes}
    digests = (receipt_digest(one)[:16] for one in (before, after))
    return {RECEIPT: edited(lambda r: r.update(changes)), "report.html": swapped(*digests)}


def test_a_release_that_quotes_nothing_says_so_and_a_nightly_pack_says_nothing(pack: Path) -> None:
    assert (found(pack), quotes_of(pack)) == (set(), None)
    release = forge(pack, stating({}))
    assert (found(release), quotes_of(release)) == (set(), {})


def test_a_release_states_what_it_quotes(pack: Path) -> None:
    """Whatever the quoted table was made of: its own inputs lie in its own release."""
    before = json.loads((pack / "data" / RECEIPT).read_bytes())["inputs"]
    changes = receipted(pack, cut=BEFORE, inputs=dict.fromkeys(before, "0" * 64))
    release = forge(pack, changes | stating({STATUS: QUOTE}))
    assert (found(release), quotes_of(release)) == (set(), {STATUS: QUOTE})


WRONG: dict[str, tuple[Callable[[Path], dict[str, Change | None]], str]] = {
    "a table of another cut that is not named": (
        lambda pack: receipted(pack, cut=BEFORE) | stating({}),
        OTHER_CUT,
    ),
    "one of another cut in a nightly pack": (lambda pack: receipted(pack, cut=BEFORE), OTHER_CUT),
    "a named table of the pack's own cut": (lambda _: stating({STATUS: QUOTE}), NOT_AS_SAID),
    "a named table of a third cut": (
        lambda pack: receipted(pack, cut="2025-12-01") | stating({STATUS: QUOTE}),
        NOT_AS_SAID,
    ),
    "a named table of another site": (
        lambda pack: receipted(pack, cut=BEFORE, site="inlet") | stating({STATUS: QUOTE}),
        NOT_AS_SAID,
    ),
    "a named table of another version of the protocol": (
        lambda pack: (
            receipted(pack, cut=BEFORE)
            | stating({STATUS: replace(QUOTE, release=QUOTE.release.replace("1.0-", "0.9-"))})
        ),
        OTHER_PROTOCOL,
    ),
    "a named table that changed its digest of the plan's": (
        lambda pack: receipted(pack, cut=BEFORE) | stating({STATUS: QUOTE, "drift/plan": QUOTE}),
        f"data/{receipt_of('drift/plan')}: is of another site or cut than {NAME} says",
    ),
    "a table that is not there": (
        lambda _: stating({"drift/weather": QUOTE}),
        f"data/{NAME}: quotes drift/weather, which is not there",
    ),
    "a table that does not travel": (
        lambda _: stating({"cohort/reads": QUOTE}),
        f"data/{NAME}: quotes cohort/reads, which is not there",
    ),
    "quotes of another site": (
        lambda _: stating({}, site="inlet"),
        f"data/{NAME}: is of another site than the pack",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_quote_that_is_not_as_it_is_stated_is_told(pack: Path, case: str) -> None:
    changes, told = WRONG[case]
    assert told in found(forge(pack, changes(pack)))


def test_tables_of_one_release_are_of_one_protocol(pack: Path) -> None:
    """Two tables that are said to be of the same release cannot be of two texts of a protocol."""
    other = receipt_of("drift/limits")
    known = {n: json.loads((pack / "data" / n).read_bytes()) for n in (RECEIPT, other)}
    page = (pack / "data/report.html").read_bytes()
    changes: dict[str, Change | None] = {}
    for at, (name, before) in enumerate(known.items()):
        change = {"cut": BEFORE, "protocol_digest": str(at) * 64}
        digests = [receipt_digest(one)[:16].encode() for one in (before, before | change)]
        page = page.replace(*digests)
        changes[name] = edited(lambda r, c=change: r.update(c))
    changes["report.html"] = lambda _: page
    quotes = {STATUS: QUOTE, "drift/limits": QUOTE}
    assert OTHER_PROTOCOL in found(forge(pack, changes | stating(quotes)))


def said(**changes: object) -> bytes:
    quote = {"release": QUOTE.release, "cut": BEFORE, "digest": QUOTE.digest, **changes}
    data = {"quoted": {STATUS: quote}, "site": SITE}
    return f"{json.dumps(data, indent=1, sort_keys=True)}\n".encode()


FORMS = {
    "no JSON": b"{",
    "a list": b"[]\n",
    "nested beyond reading": b"[" * 200_000,
    "without its tables": f'{{\n "site": "{SITE}"\n}}\n'.encode(),
    "written otherwise": said().replace(b" ", b""),
    "of another form of name": said(release="one"),
    "of a release of another cut": said(cut="2026-01-06"),
    "with no digest": said(digest="d"),
    "with a number for a digest": said(digest=1),
    "with something more": said(more=""),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_does_not_list_quotes_is_a_problem(pack: Path, form: str) -> None:
    with pytest.raises(ValueError, match="not the quotes"):
        read(FORMS[form])
    forged = forge(pack, {NAME: lambda _: FORMS[form]})
    assert found(forged) == {f"data/{NAME}: does not list quoted tables"}


def test_the_forms_above_differ_from_one_that_is_read() -> None:
    assert read(said()).tables == {STATUS: QUOTE}
    assert read(said()).site == SITE
