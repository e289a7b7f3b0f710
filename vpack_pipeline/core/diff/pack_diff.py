"""Everything that was found between two packs, as one record.

What does not belong here: how it is found (the modules beside this one), and its words
(``cli.diff_words``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vpack_pipeline.core.diff.causes import Causes, Ground
from vpack_pipeline.core.diff.figures import Pair, Verdict
from vpack_pipeline.core.diff.strata import Incomparable, StratumPair


@dataclass(frozen=True, slots=True)
class PackSide:
    """How a pack names itself."""

    identifier: str
    site: str
    protocol: str
    cut: str
    format: int
    digest: str
    synthetic: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PackDiff:
    """Everything that was found between two packs."""

    a: PackSide
    b: PackSide
    is_same_site: bool
    ground: Ground
    n_tables: int
    causes: Mapping[str, Causes]
    """By table."""
    verdicts: tuple[Verdict, ...]
    figures: tuple[Pair, ...]
    strata: tuple[StratumPair, ...]
    incomparable: tuple[Incomparable, ...]
