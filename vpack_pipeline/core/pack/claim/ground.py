"""What the judgement of a CLAIM item may look at: the study's documents and the tables' figures.

What does not belong here: the items (``items``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from vpack_pipeline.attestation import Attestation
from vpack_pipeline.protocol import (
    About,
    Adjudication,
    AnySampling,
    Eligibility,
    Evaluation,
    IndexTest,
)
from vpack_pipeline.stats.codes import Code, Codes, coded

Status = Literal["met", "partial", "not_met", "not_applicable"]


@dataclass(frozen=True, slots=True)
class Judged:
    """The status of one item, why it is not simply met, and what to know beside."""

    status: Status
    reason: Code | None = None
    notes: Codes = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """One study's protocol blocks and whole tables, by ``section/table``.

    ``readers_agreed``: whether each reader stands alone in these; ``attested``: by protocol and
    site, in this order.
    """

    about: About
    index_test: IndexTest
    eligibility: Eligibility
    sampling: AnySampling
    adjudication: Adjudication
    evaluation: Evaluation
    readers_agreed: bool
    attested: Sequence[Attestation]
    tables: Mapping[str, pl.DataFrame]

    def rows(self, asset: str, **where: Any) -> pl.DataFrame:
        """Select rows of a table."""
        frame = self.tables[asset]
        for column, value in where.items():
            wanted = value if isinstance(value, list | tuple) else [value]
            frame = frame.filter(pl.col(column).is_in(list(wanted)))
        return frame

    def share_given(self, asset: str, **where: Any) -> float | None:
        """Share of the selected figures that have a value; None where none was asked for."""
        found = self.rows(asset, **where)
        if found.height == 0:
            return None
        return found.filter(pl.col("status") == "given").height / found.height

    def all_or_some(self, asset: str, missing: Code, **where: Any) -> Judged:
        """Judge by how many of the selected figures have a value."""
        share = self.share_given(asset, **where)
        if not share:
            return Judged("not_met", missing)
        if share < 1:
            return Judged("partial", missing, coded("in_part"))
        return Judged("met")
