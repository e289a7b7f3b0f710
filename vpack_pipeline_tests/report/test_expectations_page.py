"""The page of what was asked of the data: each expectation in words, and what came of it."""

from __future__ import annotations

import copy
import re

import pytest
from report_bench import rendered, words_of

from vpack_pipeline import contracts
from vpack_pipeline.errors import DocumentError
from vpack_pipeline.pack_format import expectations
from vpack_pipeline.pack_format.figures import STATES, in_page
from vpack_pipeline.report.expectations import expectations_page

EMPTY = "cohort/operations"
WARNED = "cohort/patient_map"
WARNING = "Every row that was delivered is accepted."


def laid_out(study, receipts=None, **other) -> str:
    given = {"protocol": study.protocol, "site": study.site, "cut": study.cut} | other
    return expectations_page(receipts=receipts or study.receipts, **given).decode()


@pytest.fixture(scope="module")
def receipts(study) -> list[dict]:
    """The study's: one input not delivered, one check that met no value, one warning."""
    made = copy.deepcopy(study.receipts)
    for receipt in made:
        for check in receipt["checks"]:
            asked_of_rows = check["id"] not in {"table_columns", "table_types", "table_rows"}
            if receipt["asset"] == EMPTY and asked_of_rows:
                check["outcome"] = "vacuous"
            if receipt["asset"] == "cohort/studies" and check["id"] == "sex_known":
                check["outcome"] = "vacuous"
        if receipt["asset"] == WARNED:
            told = {"id": "accepted", "severity": "warning", "outcome": "fail", "closes": False}
            receipt["checks"].append(told | {"type": "accepted", "why": WARNING})
    return made


@pytest.fixture(scope="module")
def asked(study, receipts) -> str:
    return laid_out(study, receipts)


def test_each_expectation_stands_in_words_with_its_outcome(asked, receipts):
    shown = dict(in_page(asked, STATES))
    for receipt in (r for r in receipts if r["asset"] != EMPTY):
        at = f"receipt.{receipt['asset']}"
        present = shown.get(f"{at}.never_null", "").split(", ")
        for check in receipt["checks"]:
            if check["id"].endswith("_present") and check["outcome"] == "pass":
                assert check["id"].removesuffix("_present") in present
            else:
                assert shown[f"{at}.{check['id']}.why"] == check["why"]
                assert shown[f"{at}.{check['id']}.outcome"] == expectations.OUTCOMES[check["outcome"]]  # fmt: skip


def test_the_page_states_what_receipts_tell_and_nothing_else(asked, receipts):
    shown = {name: said for name, said in in_page(asked, STATES) if name != "synthetic"}
    assert shown == dict(expectations.stated(receipts))


def test_what_met_no_value_is_told_apart_from_what_passed(asked):
    first = asked[asked.index('<section id="open"') : asked.index("<h3>Tables without rows")]
    assert words_of(first).count("met no value") == 2  # the caption, and the one check
    assert "F, M or O." in first
    n = len(contracts.load()["cohort/studies"].expectations)
    assert n > 0
    assert re.search(r'cohort/studies.tally">\d+ of \d+ passed, 1 met no value</span>', asked)


def test_an_input_that_was_not_delivered_is_one_line(asked):
    (line,) = (line for line in asked.splitlines() if f"<strong>{EMPTY}</strong>" in line)
    assert "the input is optional" in line
    assert re.search(r"3 of \d+ passed, \d+ met no value", line)
    assert f"{EMPTY}.key_unique" not in asked


def test_a_warning_that_found_something_stands_in_front(asked):
    first = asked[asked.index('<section id="open"') : asked.index("<h3>Tables without rows")]
    assert f"{WARNED} {WARNING} found something" in words_of(first)
    assert 'class="verdict warning"' in first


def test_where_everything_passed_the_page_says_so(study):
    made = [r for r in study.receipts if all(c["outcome"] == "pass" for c in r["checks"])]
    page = laid_out(study, made)
    assert "Every expectation of every table with rows passed." in page
    assert "Every table has rows." in page


def test_the_page_says_what_is_synthetic_and_has_no_script(asked, study):
    assert study.site.synthetic
    assert "Synthetic data:" in asked
    assert "<script" not in asked
    real = study.site.model_copy(update={"synthetic": ()})
    assert "Synthetic data:" not in laid_out(study, site=real)


def test_a_claim_that_no_pack_can_make_is_refused(study):
    site = study.site.model_copy(update={"title": "An FDA-cleared site"})
    with pytest.raises(DocumentError):
        laid_out(study, site=site)


def test_links_lead_to_files_of_the_pack_and_to_places_of_the_page(asked, receipts):
    found = re.findall(r' id="([^"]+)"', asked)
    places = set(found)
    assert len(found) == len(places)
    assert set(re.findall(r'href="#([^"]+)"', asked)) <= places
    files = {r["asset"].replace("/", ".") for r in receipts}
    linked = re.findall(r'href="\.\./gates/([^"]+)\.(?:contract|receipt)\.json"', asked)
    assert set(linked) == files


def test_the_report_names_tables_without_rows_in_one_sentence(study, receipts):
    page = rendered(study, receipts=receipts)
    chapter = page[page.index('<section id="gates"') :]
    assert f"only the structure could be asked: {EMPTY}." in words_of(chapter)
    assert 'href="gates/index.html"' in chapter
    table = chapter[chapter.index("open-checks-caption") :]
    assert EMPTY not in table[: table.index("</table>")]
