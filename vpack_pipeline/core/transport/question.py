"""One question: this set's cells, a target, and how the target's persons spread over the cells.

What does not belong here: figures (``answer``), and how far set and target match (``support``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NotRequired, Self, TypedDict

import numpy as np

from vpack_pipeline.core.transport.cells import (
    COUNTS,
    Combination,
    CommonCell,
    Counts,
    PrintedCell,
    Target,
    common_cells,
)
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.distances import raking
from vpack_pipeline.stats.transport import Cell

NO_TARGET: Final = Code("no_target")
NO_TABLE: Final = Code("no_table_with_margins")


class Question(TypedDict):
    """What is asked: one finding, model, window and locked point, and one target."""

    cells: Sequence[PrintedCell]
    missing: float
    """Cases here that lack a variable's value; they are in no cell."""
    design_effects: Mapping[str, float]
    """Of ``positives``, ``negatives`` and ``cases``; 1 or more."""
    target: Target
    level: NotRequired[float]
    """Of intervals; .95 where not given."""
    prevalence: NotRequired[float | None]
    """Of the target, where it is typed."""
    goals: NotRequired[Mapping[str, float]]
    """Figure → the least that an endpoint asks of it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the cells that set and target have in common."""

    printed: Sequence[PrintedCell]
    common: Sequence[CommonCell]
    target: Target
    missing: float
    design_effects: Mapping[str, float]
    level: float
    prevalence: float | None
    goals: Mapping[str, float]

    @classmethod
    def of(cls, question: Question) -> Self:
        """Bring the cells together."""
        return cls(
            question["cells"],
            common_cells(question["cells"], question["target"]),
            question["target"],
            question["missing"],
            question["design_effects"],
            question.get("level", 0.95),
            question.get("prevalence"),
            question.get("goals", {}),
        )

    @property
    def is_joint(self) -> bool:
        """Whether the target has joint cells."""
        return self.target["cells"] is not None

    @property
    def is_weighted(self) -> bool:
        """Whether cases count unlike."""
        return any(c.get("weighted") not in (None, c["counts"]) for c in self.printed)

    @property
    def margins(self) -> list[list[float]]:
        """Persons by level of each variable."""
        return [[group["persons"] for group in levels] for levels in self.target["levels"]]

    def spread(self) -> tuple[list[float] | None, Code | None]:
        """Give the target's persons in each common cell, or say why they are not known."""
        margins = self.margins
        if not margins or not math.fsum(margins[0]):
            return None, NO_TARGET
        if self.target["cells"] is None:
            return self._nearest(margins)
        owner_of = self._owner_of()
        persons = [0.0] * len(self.common)
        for cell in self.target["cells"]:
            persons[owner_of[tuple(cell["groups"])]] += cell["persons"]
        return persons, None

    def products(self) -> tuple[list[Combination], list[int], list[float]]:
        """Give the target's combinations of levels, the common cell of each, and its cases.

        The cases of a common cell that is several combinations are taken to be equally many in
        each.
        """
        owner_of = self._owner_of()
        products = list(itertools.product(*(range(len(v)) for v in self.target["levels"])))
        owner = [owner_of[product] for product in products]
        base = []
        for k in owner:
            counts = counts_of(self.common[k])
            cases = 0.0 if counts is None else counts["n_cases"]
            base.append(cases / len(self.common[k].products))
        return products, owner, base

    def _owner_of(self) -> dict[Combination, int]:
        return {product: k for k, cell in enumerate(self.common) for product in cell.products}

    def _nearest(self, margins: list[list[float]]) -> tuple[list[float] | None, Code | None]:
        """Spread margins as the joint table does that is nearest to this set's cases.

        Persons in a level that no case here has are put into a cell without results; the others
        are spread as the rest of their margin is.
        """
        products, owner, base = self.products()
        held = [[0.0] * len(margin) for margin in margins]
        for product, cases in zip(products, base, strict=True):
            for variable, at in enumerate(product):
                held[variable][at] += cases
        known = [
            [n if cases else 0.0 for n, cases in zip(margin, of, strict=True)]
            for margin, of in zip(margins, held, strict=True)
        ]
        total = math.fsum(margins[0])
        inside = min(math.fsum(margin) for margin in known)
        if not inside:
            return None, unsupported(len(products), len(products), 1.0)
        codes = [np.array([p[v] for p in products]) for v in range(len(margins))]
        made = raking(
            codes,
            [np.array(margin) for margin in known],
            inside,
            base=np.array(base),
            tolerance=1e-13,
            max_iterations=10_000,
        )
        if made.weights is None:
            return None, NO_TABLE
        persons = [0.0] * len(self.common)
        for k, n in zip(owner, made.weights.tolist(), strict=True):
            persons[k] += n
        if total > inside:
            lacking = (
                k
                for product, k in zip(products, owner, strict=True)
                if any(margins[v][at] > held[v][at] == 0 for v, at in enumerate(product))
            )
            persons[next(lacking)] += total - inside
        return persons, None


def counts_of(cell: CommonCell) -> Counts | None:
    """Give the counts that stand for those who occurred: weighted ones where there are any."""
    return cell.counts if cell.weighted is None else cell.weighted


def counted(persons: float, counts: Counts) -> Cell:
    """Make a cell of the formulas from the counts that travel."""
    _, positive, tp, negative, tn, undecided, flagged = (counts[name] for name in COUNTS)
    return Cell(persons, tp, positive - tp, tn, negative - tn, flagged, undecided - flagged)


def unsupported(cells: int, of: int, share: float) -> Code:
    """Say what part of the target lies in cells without a case."""
    return code("cells_without_case", cells=cells, of=of, share=share)
