"""Items that rest on an author's word: what answers, what does not apply, and who attests it."""

from __future__ import annotations

import json
from datetime import date

import polars as pl
import pytest
from report_bench import arguments, chapter, rendered, words_of

from vpack_pipeline import contracts
from vpack_pipeline.attestation import (
    MAY_NOT_APPLY,
    PROTOCOL_ITEMS,
    SITE_ITEMS,
    Attestation,
    NotApplicable,
)
from vpack_pipeline.core.pack.claim import ITEMS, claim
from vpack_pipeline.core.pack.claim.attested import FEWEST_WORDS

ACCOUNT = "Heat maps, each held against a reader's marks."
FIELDS = {
    3: "background",
    4: "aims",
    7: "data_held_by",
    9: "preprocessing",
    11: "deidentification",
    15: "reference_rationale",
    17: "annotation_tools",
    22: "model_description",
    23: "software",
    31: "explainability",
    34: "registration",
    41: "implications",
    43: "availability",
    44: "funded_by",
}
"""Item → the field that answers it alone."""
NAMING = {7, 23, 34, 44}
"""Items that one name answers."""


def made(study, *, site=None, **changed) -> pl.DataFrame:
    """Judge with other fields of ``about``, and with what the site attests."""
    given = arguments(study, "pack/claim")
    about = given["about"].model_copy(update={"not_applicable": ()} | changed)
    attested = given["attested"] if site is None else site
    return claim(**given | {"about": about, "attested": attested})


def row(study, item: int, **changed) -> dict:
    return made(study, **changed).row(item - 1, named=True)


def said(study, item: int, **changed) -> tuple[str, str | None]:
    found = row(study, item, **changed)
    return found["status"], found["reason"]


def test_each_attested_item_has_one_document_in_which_it_is_attested():
    attested = [i.item for i in ITEMS if i.basis == "attested"]
    assert sorted((*PROTOCOL_ITEMS, *SITE_ITEMS)) == attested
    assert set(MAY_NOT_APPLY) <= set(attested)


def test_the_table_says_who_attests_an_item_and_when(study):
    by_item = {r["item"]: r["attested"] for r in study.claim.to_dicts()}
    assert json.loads(by_item[3]) == [
        {"by": "the demonstration's statistician", "date": "2025-06-20"}
    ]
    assert json.loads(by_item[11]) == [
        {"by": "the data engineer of the demonstration", "date": "2026-01-12"}
    ]
    checked = [i.item for i in ITEMS if i.basis == "checked"]
    assert {by_item[item] for item in checked} == {None}


def test_everybody_who_attests_an_item_is_named_in_the_order_of_the_document(study):
    both = [
        Attestation(by=who, date=date(2026, 1, day), items=(3,))
        for who, day in (("b", 2), ("ä", 1))
    ]
    found = row(study, 3, attested=tuple(both))["attested"]
    assert found == '[{"by": "b", "date": "2026-01-02"}, {"by": "ä", "date": "2026-01-01"}]'


def test_no_item_is_settled_that_nobody_attests(study):
    bare = made(study, attested=(), site=()).filter(basis="attested")
    assert not set(bare["status"]) & {"met", "not_applicable"}
    assert bare["attested"].null_count() == bare.height
    assert said(study, 3, attested=()) == ("partial", "not_attested")
    assert said(study, 11, site=()) == ("partial", "not_attested")
    assert said(study, 11, attested=()) == ("met", None)


def test_what_is_partly_met_for_another_reason_says_too_that_nobody_attests_it(study):
    found = row(study, 25, attested=(), training="On 900 studies of two other hospitals.")
    assert (found["status"], found["reason"], found["notes"]) == (
        "partial",
        "one_statement_for_training",
        "not_attested",
    )


def test_what_is_not_stated_is_not_met_whoever_attests_it(study):
    assert said(study, 9, preprocessing=None) == ("not_met", "not_stated")
    assert row(study, 9, preprocessing=None, attested=())["notes"] is None


@pytest.mark.parametrize("item", sorted(set(FIELDS) - {34}))
@pytest.mark.parametrize("text", ["None.", "n/a", "Unknown", "not applicable", "Nothing."])
def test_none_answers_nothing(study, item, text):
    assert said(study, item, **{FIELDS[item]: text}) == ("partial", "answered_with_none")


@pytest.mark.parametrize("item", sorted(FIELDS))
def test_a_place_to_fill_in_is_no_statement(study, item):
    text = "TODO: what is asked here, in as many words as an account has"
    assert said(study, item, **{FIELDS[item]: text}) == ("not_met", "not_stated")


@pytest.mark.parametrize("item", sorted(set(FIELDS) - NAMING))
def test_an_account_of_fewer_words_than_one_needs_is_thin(study, item):
    thin, whole = ("word " * n for n in (FEWEST_WORDS - 1, FEWEST_WORDS))
    found = row(study, item, **{FIELDS[item]: thin})
    assert (found["status"], found["reason"]) == ("partial", "thin_statement")
    assert json.loads(found["detail"]) == {
        "thin_statement.fewest": FEWEST_WORDS,
        "thin_statement.n_words": FEWEST_WORDS - 1,
    }
    assert said(study, item, **{FIELDS[item]: whole}) == ("met", None)


@pytest.mark.parametrize("item", sorted(NAMING))
def test_a_name_answers_where_a_name_is_asked_for(study, item):
    assert said(study, item, **{FIELDS[item]: "NCT00000000"}) == ("met", None)


def test_limitations_of_a_word_or_two_are_thin(study):
    assert said(study, 40, limitations=("One hospital.",)) == ("partial", "thin_statement")
    assert said(study, 40, limitations=("One hospital.", "No follow-up of any case.")) == (
        "met",
        None,
    )


def test_who_paid_does_not_say_what_say_they_had(study):
    assert said(study, 44, funder_role=None) == ("partial", "funder_role_not_stated")
    assert said(study, 44, funder_role="None.") == ("partial", "answered_with_none")
    assert said(study, 44) == ("met", None)


def test_training_that_the_maker_answers_with_none_is_not_stated_in_part(study):
    assert said(study, 24, training="Unknown.") == ("partial", "answered_with_none")
    assert said(study, 24, training=None) == ("not_met", "not_stated_by_maker")


# --- what does not apply ------------------------------------------------------------------------


def lacks(item: int, reason: str) -> dict:
    return {"not_applicable": (NotApplicable(items=(item,), reason=reason),)}


@pytest.mark.parametrize("item", sorted(MAY_NOT_APPLY))
def test_what_does_not_apply_says_why(study, item):
    why = "The score reads no image, so that there is none."
    found = row(study, item, **lacks(item, why), **{MAY_NOT_APPLY[item]: None})
    assert (found["status"], found["reason"]) == ("not_applicable", "does_not_apply")
    assert json.loads(found["detail"]) == {"does_not_apply.why": why}


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("As usual.", "partial", "thin_statement"),
        ("None.", "partial", "answered_with_none"),
        ("TODO: why it does not apply here", "not_met", "not_stated"),
    ],
)
def test_a_reason_that_gives_none_leaves_the_item_open(study, reason, status, why):
    assert said(study, 31, **lacks(31, reason)) == (status, why)


def test_what_does_not_apply_is_attested_as_well(study):
    found = row(study, 31, **lacks(31, ACCOUNT), attested=())
    assert (found["status"], found["reason"], found["notes"]) == (
        "partial",
        "not_attested",
        "does_not_apply",
    )


# --- in print -----------------------------------------------------------------------------------


def test_the_report_says_who_attests_an_item_and_when(page):
    contents = words_of(chapter(page, "claim"))
    assert "attested by the demonstration's statistician, 2025-06-20" in contents
    assert "attested by the data engineer of the demonstration, 2026-01-12" in contents
    assert "does not apply: No explanation of outputs is offered" in contents


def test_the_report_of_a_protocol_without_attestations_names_nobody(study):
    bare = contracts.conform(made(study, attested=(), site=()), contracts.load()["pack/claim"])
    contents = chapter(rendered(study, claim=bare), "claim")
    assert ".attested" not in contents
    assert "nobody attests it by role or name, and date" in contents


def test_what_the_study_lacks_stands_where_it_would_be_told(study, page):
    for reason in (one.reason for one in study.protocol.about.not_applicable):
        assert reason in words_of(chapter(page, "study"))
