"""Which document may attest which CLAIM items, and what may be declared not to apply."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from vpack_pipeline.attestation import Attestation, not_attested
from vpack_pipeline.protocol import About, Protocol
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import read_model

ROOT = Path(__file__).resolve().parents[1]


def about(**changed) -> About:
    protocol = read_model(ROOT / "data/protocols/cxr-triage-1.0.yaml", Protocol)
    return About.model_validate(protocol.about.model_dump() | changed)


def site(**changed) -> Site:
    given = read_model(ROOT / "data/sites/lakeside/site.yaml", Site)
    return Site.model_validate(given.model_dump() | changed)


def attests(*items: int, by: str = "the statistician") -> dict:
    return {"by": by, "date": "2026-01-05", "items": items}


def test_documents_without_attestations_are_valid():
    assert about(attested=(), not_applicable=()).attested == ()
    assert site(attested=()).attested == ()


def test_two_may_attest_one_item():
    given = about(attested=[attests(3, 4), attests(4, by="the sponsor")]).attested
    assert [one.by for one in given] == ["the statistician", "the sponsor"]
    assert given[0].date == date(2026, 1, 5)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ((7,), r"CLAIM items 7 do not.* each site attests them \(attested in site.yaml\)"),
        ((37, 3, 45), "CLAIM items 37, 45 do not.*here stand only 3, 4, 9"),
        ((3, 3), "declared twice: item 3 by the statistician"),
        ((), "at least 1 item"),
    ],
)
def test_a_protocol_attests_only_what_it_states_once(items, message):
    with pytest.raises(ValidationError, match=message):
        about(attested=[attests(*items)])


def test_a_site_attests_only_what_was_done_with_its_data():
    with pytest.raises(
        ValidationError,
        match=r"CLAIM items 3 do not .*the protocol attests them \(about.attested\)",
    ):
        site(attested=[attests(3, 7)])


@pytest.mark.parametrize("by", ["", "  ", "two\nlines", "x" * 121])
def test_who_attests_stands_in_one_printable_line(by):
    with pytest.raises(ValidationError, match="by"):
        about(attested=[attests(3, by=by)])


def test_an_attestation_without_a_date_is_none():
    with pytest.raises(ValidationError, match=r"attested.0.date\n"):
        about(attested=[{"by": "the statistician", "items": [3]}])


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        (
            [{"items": [3], "reason": "There is none."}],
            "every study answers them",
        ),
        ([{"items": [31]}], "reason"),
        ([{"items": [31], "reason": " "}], "at least 1"),
        ([{"items": [31, 31], "reason": "There is none."}], "declared twice: item 31"),
        (
            [{"items": [11], "reason": "There is nobody."}],
            "deidentification is stated, and not_applicable names all",
        ),
        (
            [{"items": [24, 25, 26, 27], "reason": "Nothing was trained."}],
            "training is stated, and not_applicable names all",
        ),
    ],
)
def test_what_does_not_apply_may_be_lacking_and_has_a_reason(lacking, message):
    with pytest.raises(ValidationError, match=message):
        about(not_applicable=lacking, training="On 900 studies of two other hospitals.")


def test_a_part_of_training_may_not_apply_beside_the_statement():
    lacking = [{"items": [27], "reason": "One model alone is under test."}]
    given = about(not_applicable=lacking, training="On 900 studies of two other hospitals.")
    assert given.why_not_applicable(27) == "One model alone is under test."
    assert given.why_not_applicable(26) is None


def test_what_nobody_attests_is_named_in_order():
    given = [Attestation.model_validate(attests(4, 3))]
    assert not_attested(given, (3, 4, 9, 15)) == [9, 15]
