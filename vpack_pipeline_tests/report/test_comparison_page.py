"""The comparison page as it is put together: what depends on the pack, and what may not."""

from __future__ import annotations

import base64
import hashlib
import json
import re

from vpack_pipeline.contracts import codes
from vpack_pipeline.pack_format import comparison
from vpack_pipeline.report.comparison import empty_comparison
from vpack_pipeline.report.scripts import script
from vpack_pipeline_tests.browser import comparison_pack

SAID_IN_OTHER_WORDS = {"same_within_cells", "cases_left_out"}
"""Notes that the page, as the command, says of all figures at once."""


def page(**changes) -> str:
    return comparison.page(empty_comparison(), comparison_pack.data() | changes).decode()


def test_sentences_travel_for_every_code_that_the_script_gives():
    given = set(re.findall(r'\bcode\("(\w+)"', script()))
    assert given <= codes.load().keys()
    reasons = {name for name in given if codes.load()[name].kind == "reason"}
    assert reasons - SAID_IN_OTHER_WORDS == set(comparison.GIVEN)
    assert reasons >= SAID_IN_OTHER_WORDS


def test_sentences_travel_for_every_reason_of_the_cells():
    known = comparison_pack.data()["codes"]
    assert known.keys() == {*comparison.GIVEN, "no_look_yet"}
    assert known["no_look_yet"][1] == {"first": {"type": "date"}}


def test_one_script_may_run_and_it_is_the_one_in_the_page():
    made = page()
    told = re.findall(r"script-src 'sha256-([^']+)'", made)
    scripts = re.findall(r"<script>(.*?)</script>", made, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert told == digests
    assert "default-src 'none'; base-uri 'none'; form-action 'none'" in made
    assert re.findall(r"<(?:link|img|iframe|form|object|embed)\b", made) == []
    assert re.findall(r"\son[a-z]+=", made.partition("<body>")[2].partition("<script>")[0]) == []


def test_no_text_of_a_pack_ends_the_data_or_becomes_html():
    made = page(site="</script><b>", synthetic=["<i>all</i>"])
    assert made.count("</script>") == 2
    assert "<b>" not in made
    assert "<i>" not in made
    (data,) = re.findall(r'id="pack">([^<]*)</script>', made)
    assert json.loads(data)["site"] == "</script><b>"


def test_only_title_banner_and_data_depend_on_the_pack():
    one, other = page().splitlines(), page(site="port", synthetic=[]).splitlines()
    differing = set(one) ^ set(other)
    assert len(differing) == 5
    assert {re.match(r"<(\w+)", line)[1] for line in differing} == {"title", "div", "script"}


def test_figures_of_acceptance_are_those_of_the_later_window_that_has_both():
    place, _ = comparison_pack.data()["places"]
    assert place["stated"]["window"] == "retrospective"
    assert [f["estimate"] for f in place["stated"]["figures"]] == [0.9, 0.85]
    assert place["goals"] == {"sensitivity": 0.76}


def test_a_count_that_is_given_does_not_tell_how_it_was_made():
    place, _ = comparison_pack.data()["places"]
    rows = [row for window in place["windows"].values() for row in window]
    assert {tuple(row[4:]) for row in rows if row[2] == "given"} == {(None, None)}
    assert {row[4] for row in rows if row[2] != "given"} == {"no_look_yet"}


def test_the_layout_and_script_that_are_shipped_are_known_by_their_digest():
    # After a change of the page: write this digest into SHIPPED.
    assert comparison.empty_digest(empty_comparison()) == comparison.SHIPPED


def test_a_page_is_as_shipped_whatever_the_pack_and_no_other_is():
    made = page()
    assert comparison.is_shipped(made)
    assert comparison.is_shipped(page(site="port", synthetic=[]))
    for old, new in (
        ("Does it hold here?</h1>", "It holds here!</h1>"),
        ("const MOST_UNSUPPORTED = 0.1;", "const MOST_UNSUPPORTED = 0.9;"),
        ("</body>", "<p>Sensitivity 99%</p></body>"),
    ):
        assert old in made
        assert not comparison.is_shipped(made.replace(old, new))
    assert not comparison.is_shipped("<html></html>")


def test_every_point_is_there_and_the_primary_one_first():
    places = comparison_pack.data()["places"]
    assert [(p["point"], p["primary"]) for p in places] == [("Locked", True), ("Lower", False)]
    assert [p["goals"] for p in places] == [{"sensitivity": 0.76}, {}]


def test_a_page_of_an_older_format_has_the_primary_point_alone():
    older = comparison_pack.data(pack_format=5)
    assert [p["point"] for p in older["places"]] == ["Locked"]
    assert not {"unit", "protocol_digest"} & older.keys()
    assert "primary" not in older["places"][0]
