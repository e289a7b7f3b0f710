"""A release that quotes says so in front and wherever a quoted table stands; its cover note too."""

from __future__ import annotations

import re

import pytest
from report_bench import rendered, words_of

from vpack_pipeline.errors import DocumentError
from vpack_pipeline.pack_format.quoted import Quote
from vpack_pipeline.report import wording
from vpack_pipeline.report.cover_note import cover_note

QUOTE = Quote("1.0-2026-04-10-0123456789ab", "2026-04-10", "d" * 64)
OTHER = Quote("1.0-2026-01-10-ba9876543210", "2026-01-10", "e" * 64)
PROFILE, FAILURES, AUDIT = (
    "representativeness/profile",
    "evaluation/failures",
    "evaluation/exclusion_audit",
)
NOTE = re.compile(r'<p class="quoted">(.*?)</p>', re.DOTALL)


def places(page: str) -> dict[str, set[str]]:
    """The quoted tables that each place names, by the id of the place before it."""
    found: dict[str, set[str]] = {}
    for note in NOTE.finditer(page):
        (name,) = re.findall(r'<(?:div|section) id="([^"]+)"', page[: note.start()])[-1:]
        found.setdefault(name, set()).update(re.findall(r">([a-z_]+/[a-z_]+)</a>", note[1]))
    return found


def test_each_place_that_shows_a_quoted_table_says_so(study):
    page = rendered(study, quotes=dict.fromkeys((PROFILE, FAILURES, AUDIT), QUOTE))
    found = places(page)
    assert found.pop("first") == set(), "in front: of all of them"
    assert found["profile-table"] == {PROFILE}
    assert found["failures"] == {FAILURES}
    assert AUDIT in set().union(*(found[name] for name in found if name.startswith("exclu")))
    assert set().union(*found.values()) == {PROFILE, FAILURES, AUDIT}
    assert "levels" not in found
    assert "operating-points" not in found
    said = [words_of(m[0]) for m in NOTE.finditer(page)]
    assert all(QUOTE.release in text and QUOTE.cut in text for text in said)
    links = re.findall(r'href="(gates/[^"]+)"', "".join(m[0] for m in NOTE.finditer(page)))
    assert set(links) == {
        f"gates/{a.replace('/', '.')}.receipt.json" for a in (PROFILE, FAILURES, AUDIT)
    }


def test_in_front_stands_why_and_of_which_cut_the_rest_is(study):
    page = rendered(study, quotes={PROFILE: QUOTE})
    front = words_of(NOTE.search(page)[0])
    assert page.index('<h2 id="first-head">') < page.index('<p class="quoted">')
    assert "fewer than 11 patients" in front
    assert f"All other tables are of the data cut {study.cut}." in front
    assert "those of quoted tables, at that of their release" in words_of(page)


def test_a_pack_that_quotes_nothing_says_nothing(study, page):
    assert not NOTE.search(page)
    assert rendered(study, quotes={}) == page
    assert "quoted tables" not in words_of(page)


def test_tables_of_two_releases_are_told_apart(study):
    page = rendered(study, quotes={PROFILE: QUOTE, FAILURES: OTHER})
    front = words_of(page[: page.index('<dl class="facts">')])
    assert QUOTE.release in front
    assert OTHER.release in front


def note(study, **changes) -> str:
    given = {
        "protocol": study.protocol,
        "site": study.site,
        "cut": study.cut,
        "release": QUOTE.release,
        "digest": "a" * 64,
        "recipient": "Imaging board, Harbour Hospital",
        "quotes": {},
        "is_signed": False,
    }
    return cover_note(**(given | changes)).decode()


def test_the_cover_note_says_what_it_is_for_whom_and_what_for(study):
    text = note(study)
    assert "- For: Imaging board, Harbour Hospital\n" in text
    assert f"- Release: {QUOTE.release}\n" in text
    assert "a" * 64 in text
    assert f"data cut {study.cut}" in text
    for part in ("data/report.html", "data/tables/", "data/protocol.yaml", "data/release.json"):
        assert f"- {part}: " in text
    assert "Not to be passed on or published" in text
    assert "at least 11 patients" in text
    assert "Synthetic data:" in text
    assert wording.BOUNDARY in text
    assert "earlier release" not in text.replace("those of an earlier one", "")
    assert max(len(sentence.split()) for sentence in re.split(r"[.:]\s", text)) < 70


def test_the_cover_note_names_quoted_tables(study):
    text = note(study, quotes={PROFILE: QUOTE, FAILURES: OTHER})
    assert f"- {FAILURES}: {OTHER.release} (data cut 2026-01-10)\n" in text
    assert f"- {PROFILE}: {QUOTE.release} (data cut 2026-04-10)\n" in text


def test_the_cover_note_says_how_to_check_signatures_where_there_are_some(study):
    assert "--allowed-signers" not in note(study)
    assert f"`vpack verify {QUOTE.release} --allowed-signers FILE`" in note(study, is_signed=True)


def test_a_release_for_nobody_named_says_so(study):
    assert "- For: nobody was named" in note(study, recipient="")


def test_a_recipient_is_text_and_no_markup(study):
    text = note(study, recipient="<b>A</b> [x](http://y) `z` *w* # v")
    line = next(line for line in text.splitlines() if line.startswith("- For: "))
    assert line == r"- For: \<b\>A\</b\> \[x\](http://y) \`z\` \*w\* \# v"


def test_a_cover_note_claims_no_status(study):
    site = study.site.model_copy(update={"title": "An FDA-cleared site"})
    with pytest.raises(DocumentError, match="claims no such status"):
        note(study, site=site)
