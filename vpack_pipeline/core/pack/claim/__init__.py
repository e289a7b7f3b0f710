"""The CLAIM 2024 items of one study: status, where the report answers, checked or attested.

What does not belong here: the report's layout; a total, which would read as quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from vpack_pipeline.attestation import Attestation
from vpack_pipeline.contracts import codes
from vpack_pipeline.core.pack.claim.attested import attested_as_json, vouched
from vpack_pipeline.core.pack.claim.ground import Ground
from vpack_pipeline.core.pack.claim.items import ITEMS, Item
from vpack_pipeline.protocol import (
    About,
    Adjudication,
    AnySampling,
    Eligibility,
    Evaluation,
    IndexTest,
)

PACKAGE_DATA: Final = ("contracts/codes", "contracts/cohort/header_fields.yaml")
SCHEMA: Final = {
    "item": pl.Int64,
    "section": pl.String,
    "title": pl.String,
    "status": pl.String,
    "evidence": pl.String,
    "basis": pl.String,
    "attested": pl.String,
    "reason": pl.String,
    "notes": pl.String,
    "detail": pl.String,
}


def claim(
    *,
    about: About,
    index_test: IndexTest,
    eligibility: Eligibility,
    sampling: AnySampling,
    adjudication: Adjudication,
    evaluation: Evaluation,
    readers_agreed: bool,
    attested: Sequence[Attestation],
    **tables: pl.DataFrame,
) -> pl.DataFrame:
    """Judge the 44 items.

    Parameters
    ----------
    attested : what the site attests; ``about`` holds what the protocol does
    tables : ``section__table`` → the whole table

    Returns
    -------
    one row per item, 1 to 44: ``status`` met, partial, not_met or not_applicable; ``evidence`` the
    id of the place in the report that answers; ``reason`` says why an item is not simply met
    """
    ground = Ground(
        about=about,
        index_test=index_test,
        eligibility=eligibility,
        sampling=sampling,
        adjudication=adjudication,
        evaluation=evaluation,
        readers_agreed=readers_agreed,
        attested=(*about.attested, *attested),
        tables={name.replace("__", "/", 1): frame for name, frame in tables.items()},
    )
    return pl.DataFrame([_row(item, ground) for item in ITEMS], schema=SCHEMA)


def _row(item: Item, ground: Ground) -> dict[str, int | str | None]:
    is_attested = item.basis == "attested"
    judged = vouched(item.item, item.judge, ground) if is_attested else item.judge(ground)
    return {
        "item": item.item,
        "section": item.section,
        "title": item.title,
        "status": judged.status,
        "evidence": item.evidence,
        "basis": item.basis,
        "attested": attested_as_json(item.item, ground) if is_attested else None,
        **codes.cells(judged.reason, judged.notes),
    }


__all__ = ["ITEMS", "claim"]
