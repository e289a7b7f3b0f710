"""Pseudonyms: stable, keyed, apart by kind and issuer, equal where a site says spellings are."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vpack_pipeline.errors import SecretError
from vpack_pipeline.io.identity import MINIMUM_SECRET_BYTES, Pseudonyms
from vpack_pipeline.site import IdentifierForm

SECRET = b"0123456789abcdef0123456789abcdef"
KINDS = (
    "patient", "accession", "study", "series", "instance", "frame", "case", "reader", "device",
    "path",
)  # fmt: skip


def ids(secret: bytes = SECRET, issuer: str | None = None, **forms: IdentifierForm) -> Pseudonyms:
    return Pseudonyms(secret, forms, issuer)


def maker(kind: str) -> Callable[[str], str]:
    made: Callable[[str], str] = getattr(ids(), kind)
    return made


def test_a_pseudonym_is_the_keyed_digest_of_kind_scope_and_value() -> None:
    message = b"patient\x1fHOSPITAL\x1f123"
    expected = hmac.new(SECRET, message, hashlib.sha256).hexdigest()[:32]
    assert ids(issuer="HOSPITAL").patient("123") == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_pseudonym_is_32_hex_characters_and_stable(kind: str) -> None:
    found = maker(kind)("123")
    assert len(found) == 32
    assert int(found, 16) >= 0
    assert found == maker(kind)("123")


def test_one_value_has_another_pseudonym_for_each_kind_and_secret() -> None:
    assert len({maker(kind)("123") for kind in KINDS}) == len(KINDS)
    assert ids().case("1") != ids(SECRET[::-1]).case("1")


def test_patients_of_two_issuers_are_two_and_the_sites_issuer_is_the_default() -> None:
    own = ids(issuer="A")
    assert own.patient("1", "B") != own.patient("1", "A") == own.patient("1")
    assert own.patient("1", "") == own.patient("1")
    assert own.case("1") == ids(issuer="B").case("1")


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "path"])
@pytest.mark.parametrize("spelling", [" 123", "123 \t", "１２３", "123\x00", " 123 \x00"])
def test_spellings_of_one_identifier_match(kind: str, spelling: str) -> None:
    assert maker(kind)(spelling) == maker(kind)("123")


def test_case_and_leading_zeros_differ_unless_the_site_says_otherwise() -> None:
    assert ids().patient("ab1") != ids().patient("AB1")
    assert ids().patient("7") != ids().patient("007")
    padded = ids(patient=IdentifierForm(zero_pad=3, case="upper"))
    assert padded.patient("7") == padded.patient("007")
    assert padded.patient("ab1") == padded.patient("AB1")
    assert padded.patient("a7") != padded.patient("a07")  # only whole numbers are padded
    assert ids(case=IdentifierForm(case="lower")).normalise("case", " AB") == "ab"
    assert padded.case("7") != padded.case("007")  # the rule is one kind's


def test_a_path_keeps_its_bytes_whatever_they_are() -> None:
    assert ids().path("a ") != ids().path("a")
    assert len(ids().path("scan-\udcff.dcm")) == 32


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(SecretError, match="shorter than 32 bytes"):
        ids(b"x" * (MINIMUM_SECRET_BYTES - 1))


def test_the_fingerprint_tells_secrets_apart_and_is_no_pseudonym() -> None:
    assert ids().fingerprint == ids(issuer="other").fingerprint
    assert ids().fingerprint != ids(SECRET[::-1]).fingerprint
    assert len(ids().fingerprint) == 16
    assert SECRET.decode() not in ids().fingerprint


def test_derived_keys_differ_by_purpose_and_from_the_secret() -> None:
    assert len({ids().derive("receipt"), ids().derive("content"), SECRET}) == 3
    assert ids().content(b"header") != ids(SECRET[::-1]).content(b"header")
    assert len(ids().content(b"header")) == 32


WRITTEN = st.text(max_size=40) | st.text("0017１２aAbBßΐΣςǰ \t\x00", max_size=5)
"""Anything, and short identifiers of which many differ only in how they are written."""
FORMS = st.builds(
    IdentifierForm,
    zero_pad=st.integers(0, 6),
    case=st.sampled_from(["keep", "upper", "lower"]),
)


@given(WRITTEN, FORMS)
@example("\x00 \x001", IdentifierForm())
@example("ΐ", IdentifierForm(case="upper"))
def test_normalising_twice_changes_nothing(value: str, form: IdentifierForm) -> None:
    own = ids(patient=form)
    once = own.normalise("patient", value)
    assert own.normalise("patient", once) == once


@given(WRITTEN, WRITTEN, FORMS)
def test_pseudonyms_match_exactly_where_normal_forms_do(
    a: str, b: str, form: IdentifierForm
) -> None:
    own = ids(case=form)
    assert (own.case(a) == own.case(b)) == (own.normalise("case", a) == own.normalise("case", b))


@given(WRITTEN, FORMS, st.text(" \t\x00", max_size=3), st.text(" \t\x00", max_size=3))
def test_spellings_that_a_site_calls_one_match(
    value: str, form: IdentifierForm, before: str, after: str
) -> None:
    own = ids(case=form)
    spelled = f"{before}{value}{after}"
    if form.zero_pad and value.isascii() and value.isdigit():
        spelled = f"{before}{value.zfill(form.zero_pad)}{after}"
    if form.case != "keep" and value.isascii():
        spelled = spelled.swapcase()
    assert own.case(spelled) == own.case(value)
