"""What a function at the edge is given beside its input tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import Site


@dataclass(frozen=True, slots=True)
class Edge:
    """One site of one study, at one cut, on one machine.

    ``state`` is the scanner's private folder (mode 700): not a table. ``cut`` names the last
    delivery counted, such as ``2026-01-05`` or ``2026-01-05.2``; None only while
    ``cohort/deliveries`` chooses it.
    """

    root: Path
    site: Site
    protocol: Protocol
    pseudonyms: Pseudonyms
    state: Path
    cut: str | None

    @property
    def cut_date(self) -> date:
        """The date part of the cut."""
        if self.cut is None:
            raise ValueError("the cut is not fixed yet")
        return date.fromisoformat(self.cut.partition(".")[0])

    def resolve(self, path: str) -> Path:
        """Resolve a path of ``site.yaml`` against the project root."""
        return (self.root / path).resolve()


@dataclass(frozen=True, slots=True)
class Loaded:
    """An input as a typed table, and the rows that it could not take."""

    table: pl.DataFrame
    quarantine: pl.DataFrame


QUARANTINE_SCHEMA: dict[str, type[pl.DataType]] = {
    "kind": pl.String,
    "position": pl.String,
    "delivery": pl.String,
    "line": pl.Int64,
    "field": pl.String,
    "reason": pl.String,
    "remedy": pl.String,
}
