"""What a function at the edge is given beside its input tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import polars as pl

from vpack_pipeline.document import Document
from vpack_pipeline.errors import ContractError
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import Site


class Narrowed:
    """A document of which only the declared blocks may be read."""

    def __init__(self, document: Document, blocks: Iterable[str]) -> None:
        self._document = document
        self._blocks = frozenset(blocks)

    def __getattr__(self, name: str) -> Any:
        """Give a declared block.

        Raises
        ------
        ContractError
            The block is not declared: the table would not be computed again when it changes.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._blocks:
            raise ContractError(f"the block {name!r} is read but not declared in the contract")
        return getattr(self._document, name)


@dataclass(frozen=True, slots=True)
class Scanning:
    """How this machine scans the archive: no table depends on it.

    ``engine``: as ``io.dicom.engines.choose`` names it. ``prefetch``: threads of each worker that
    read heads ahead; 0 for a local disk. ``is_deep``: every header is read again. ``listener`` is
    told of the progress.
    """

    engine: str = ""
    prefetch: int = 0
    is_deep: bool = False
    listener: Callable[[Any], None] = lambda _: None


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
    scanning: Scanning = field(default_factory=Scanning)

    @property
    def cut_date(self) -> date:
        """The date part of the cut."""
        if self.cut is None:
            raise ValueError("the cut is not fixed yet")
        return date.fromisoformat(self.cut.partition(".")[0])

    def narrowed(self, protocol: Iterable[str], site: Iterable[str]) -> Edge:
        """Give the same edge with only the declared blocks of both documents in sight."""
        return replace(
            self,
            protocol=cast(Protocol, Narrowed(self.protocol, protocol)),
            site=cast(Site, Narrowed(self.site, {*site, "site_id"})),
        )

    def resolve(self, path: str) -> Path:
        """Resolve a path of ``site.yaml`` against the project root."""
        return (self.root / path).resolve()


@dataclass(frozen=True, slots=True)
class Loaded:
    """An input as a typed table, and the rows that it could not take.

    A table that is bucketed may be lazy: it may not fit in memory.
    """

    table: pl.DataFrame | pl.LazyFrame
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
