"""Which eligibility rules describe the people whom they remove: those that read a personal column.

Such a rule says who they are, and the participant flow how many. What does not belong here: the
results of a rule's cases (``evaluation``), which sets can be described (``levels``).
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from vpack_pipeline.core.eligibility import meaning
from vpack_pipeline.core.personal import is_personal
from vpack_pipeline.protocol import Covariate, Disclosure, Eligibility


def personal_columns(
    eligibility: Eligibility, covariates: Iterable[Covariate], disclosure: Disclosure
) -> dict[str, frozenset[str]]:
    """Give the personal columns of each rule that reads one."""
    declared = tuple(covariates)
    found = {}
    for rule in eligibility.rules:
        names = meaning(rule.when)[1]
        personal = frozenset(n for n in names if is_personal(n, declared, disclosure))
        if personal:
            found[rule.id] = personal
    return found


def removed_by(excluded: pl.DataFrame, rules: Iterable[str]) -> frozenset[str]:
    """Give the cases that some of these rules remove, whether first or not.

    Parameters
    ----------
    excluded : eligibility/excluded; ``all_rules``
    """
    names = list(rules)
    if not names:
        return frozenset()
    each = pl.col("all_rules").str.split("|")
    return frozenset(excluded.filter(each.list.set_intersection(names).list.len() > 0)["case_id"])
