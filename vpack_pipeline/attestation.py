"""Who vouches for the CLAIM items that rest on an author's word, and which items do not apply.

The protocol is the same at every site, so its author attests what it states of the study and of the
model. What was done with a site's own data only that site can attest. What does not belong here:
how an item is judged (``core.pack.claim``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints

from vpack_pipeline.document import Document, Text, refuse_repeated

PROTOCOL_ITEMS: Final = (3, 4, 9, 15, 22, 23, 24, 25, 26, 27, 31, 34, 40, 41, 43, 44)
"""Items that the protocol's author attests, in its ``about.attested``."""
SITE_ITEMS: Final = (7, 10, 11, 17)
"""Items on a site's own data: their source, their selection, de-identification, labelling."""
MAY_NOT_APPLY: Final = {
    9: "preprocessing",
    11: "deidentification",
    17: "annotation_tools",
    **dict.fromkeys((24, 25, 26, 27), "training"),
    31: "explainability",
}
"""Items whose subject a study may lack → the field of ``about`` that otherwise answers."""


class Attestation(Document):
    """One author's word that what a document states of some items is so."""

    by: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\r\n]*\z"
        ),
    ]
    """Who attests: a role or a name, as it is to be printed."""
    date: dt.date
    """The day of the attestation."""
    items: Annotated[tuple[int, ...], Field(min_length=1)]
    """Numbers of the CLAIM items that are attested."""


class NotApplicable(Document):
    """Items of CLAIM whose subject this study lacks."""

    items: Annotated[tuple[int, ...], Field(min_length=1)]
    """Numbers of the items."""
    reason: Text
    """Why they do not apply, printed beside each."""


def _attests(allowed: tuple[int, ...], elsewhere: str) -> AfterValidator:
    def check(given: tuple[Attestation, ...]) -> tuple[Attestation, ...]:
        _refuse_others((i for one in given for i in one.items), allowed, elsewhere)
        refuse_repeated([f"item {i} by {one.by}" for one in given for i in one.items])
        return given

    return AfterValidator(check)


def _may_lack(given: tuple[NotApplicable, ...]) -> tuple[NotApplicable, ...]:
    items = [i for one in given for i in one.items]
    _refuse_others(items, tuple(MAY_NOT_APPLY), "every study answers them")
    refuse_repeated([f"item {i}" for i in items])
    return given


def _refuse_others(items: Iterable[int], allowed: tuple[int, ...], others: str) -> None:
    wrong = sorted({i for i in items if i not in allowed})
    if wrong:
        raise ValueError(
            f"CLAIM items {_listed(wrong)} do not belong here: tables decide them, or {others};"
            f" here stand only {_listed(allowed)}"
        )


def _listed(items: Iterable[int]) -> str:
    return ", ".join(map(str, items))


AttestedByProtocol = Annotated[
    tuple[Attestation, ...],
    _attests(PROTOCOL_ITEMS, "each site attests them (attested in site.yaml)"),
]
AttestedBySite = Annotated[
    tuple[Attestation, ...], _attests(SITE_ITEMS, "the protocol attests them (about.attested)")
]
ItemsNotApplicable = Annotated[tuple[NotApplicable, ...], AfterValidator(_may_lack)]


def not_attested(given: Iterable[Attestation], items: Iterable[int]) -> list[int]:
    """Name the items that nobody attests.

    >>> given = Attestation(by="the statistician", date=dt.date(2025, 6, 20), items=(3,))
    >>> not_attested([given], (3, 4))
    [4]
    """
    known = {i for one in given for i in one.items}
    return [i for i in items if i not in known]
