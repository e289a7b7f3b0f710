"""Which variables describe people: fields say it of columns, the protocol of covariates.

What does not belong here: the levels in which they are printed (``levels``).
"""

from __future__ import annotations

from collections.abc import Iterable

from vpack_pipeline.contracts import fields, header_fields
from vpack_pipeline.protocol import Covariate, Disclosure


def is_personal(name: str, covariates: Iterable[Covariate], disclosure: Disclosure) -> bool:
    """Say whether a variable describes a person: a covariate does unless declared technical.

    Examples
    --------
    >>> is_personal("sex", (), Disclosure()), is_personal("kvp", (), Disclosure())
    (True, False)
    """
    if name in {c.name for c in covariates}:
        return name not in disclosure.technical
    # What does not say so may describe a person.
    return fields.find(name).personal is not False


def is_age(name: str) -> bool:
    """Say whether a variable is an age in years, as an image's header states it.

    Examples
    --------
    >>> is_age("age_years"), is_age("kvp")
    (True, False)
    """
    return any(field.name == name and field.kind == "age" for field in header_fields.load())
