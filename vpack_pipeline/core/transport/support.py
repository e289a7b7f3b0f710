"""How far a set and a target hold the same cells, and when that is too little.

What does not belong here: figures of the index test (``answer``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vpack_pipeline.core.transport.question import NO_TARGET, Asked, unsupported
from vpack_pipeline.stats.codes import Code, Codes, code
from vpack_pipeline.stats.estimate import Estimate, undefined
from vpack_pipeline.stats.transport import ON_POSITIVES

MOST_UNSUPPORTED: Final = 0.1
"""Share of the target that may lie in cells without a case here."""
FEWEST_POSITIVES: Final = 5
"""A cell with fewer is named beside the figures that rest on positives."""
SUPPORT: Final = (
    "target_cells",
    "unsupported_cells",
    "unsupported_share",
    "share_few_positives",
    "effective_sample_size",
    "n_weight_zero",
    "share_weight_zero_missing_value",
    "share_weight_zero_not_in_target",
)
"""What is said of it; names are those of metrics."""

NO_CASES: Final = Code("no_mature_case")
ONE_CELL: Final = Code("one_common_cell")
LEFT_OUT: Final = Code("cases_left_out")
ASSUMED: Final = Code("same_within_cells")
SHIFTED: Final = Code("prevalence_typed")
NOT_WEIGHTED: Final = Code("not_computed_weighted")


@dataclass(frozen=True, slots=True)
class Support:
    """What of the target has cases here, and what of the cases has persons there.

    ``persons`` is None where they are not known by cell, and ``reason`` says why.
    """

    asked: Asked
    persons: Sequence[float] | None
    reason: Code | None

    @property
    def inside(self) -> list[int]:
        """Common cells with persons of the target."""
        return [k for k, n in enumerate(self.persons or ()) if n > 0]

    @property
    def outside(self) -> list[int]:
        """Common cells with cases here and nobody of the target."""
        of = enumerate(self.persons or ())
        return [k for k, n in of if not n and self.asked.common[k].has_results]

    @property
    def unsupported(self) -> list[int]:
        """Cells of the target without a case here."""
        return [k for k in self.inside if not self.asked.common[k].has_results]

    @property
    def few(self) -> list[int]:
        """Cells of the target with cases here, but few positives."""
        return [
            k for k in self.inside if self._cases(k) > 0 and self._positives(k) < FEWEST_POSITIVES
        ]

    @property
    def refusal(self) -> Code | None:
        """Say why there is no figure in the target."""
        if self.persons is None:
            return self.reason
        if not any(cell.has_results for cell in self.asked.common):
            return NO_CASES
        occupied = zip(self.asked.common, self.persons, strict=True)
        if sum(cell.has_results or n > 0 for cell, n in occupied) == 1:
            return ONE_CELL
        share = self._share(self.unsupported)
        return self._without_case if share > MOST_UNSUPPORTED else None

    def notes(self, figure: str) -> Codes:
        """Say what to know beside a figure in the target."""
        said = [ASSUMED]
        if self.asked.prevalence is not None:
            said.append(SHIFTED)
        if self.unsupported:
            said.append(self._without_case)
        if self.few and figure in ON_POSITIVES:
            named = tuple(self.asked.common[k].label for k in self.few)
            share = self._share(self.few)
            said.append(
                code("cells_with_few_positives", fewest=FEWEST_POSITIVES, cells=named, share=share)
            )
        if self.outside or self.asked.missing:
            said.append(LEFT_OUT)
        return tuple(said)

    def figures(self) -> dict[str, Estimate]:
        """Give the support as figures of their own."""
        here = math.fsum(self._cases(k) for k in range(len(self.asked.common)))
        cases = round(here + self.asked.missing)
        if self.persons is None:
            why = self.reason or NO_TARGET
            return {name: undefined(why, method=(), n=cases) for name in SUPPORT}
        n_inside = len(self.inside)
        missing = round(self.asked.missing)
        outside = round(math.fsum(self._cases(k) for k in self.outside))
        return {
            "target_cells": _count(n_inside, n_inside, "target_cells"),
            "unsupported_cells": _count(len(self.unsupported), n_inside, "target_cells"),
            "unsupported_share": self._of_target(self.unsupported),
            "share_few_positives": self._of_target(self.few),
            "effective_sample_size": self._size(cases - missing - outside),
            "n_weight_zero": _count(missing + outside, cases, "count"),
            "share_weight_zero_missing_value": _share(missing, cases),
            "share_weight_zero_not_in_target": _share(outside, cases),
        }

    @property
    def _without_case(self) -> Code:
        share = self._share(self.unsupported)
        return unsupported(len(self.unsupported), len(self.inside), share)

    def _cases(self, k: int) -> float:
        counts = self.asked.common[k].counts
        return 0.0 if counts is None else counts["n_cases"]

    def _positives(self, k: int) -> float:
        counts = self.asked.common[k].counts
        return 0.0 if counts is None else counts["n_positive"]

    def _share(self, of: Sequence[int]) -> float:
        persons = self.persons or ()
        return math.fsum(persons[k] for k in of) / math.fsum(persons)

    def _of_target(self, of: Sequence[int]) -> Estimate:
        persons = self.persons or ()
        inside, total = (math.fsum(p) for p in ([persons[k] for k in of], persons))
        return Estimate(inside / total, None, None, round(total), round(inside), (Code("share"),))

    def _size(self, n: int) -> Estimate:
        """Give Kish's size, where all cases of a cell weigh alike."""
        method = Code("kish_effective_size")
        why = self.refusal or (NOT_WEIGHTED if self.asked.is_weighted else None)
        if why is not None:
            return undefined(why, method=method, n=n)
        persons = self.persons or ()
        known = [(persons[k], self._cases(k)) for k in self.inside if self._cases(k)]
        size = math.fsum(p for p, _ in known) ** 2 / math.fsum(p**2 / of for p, of in known)
        return Estimate(size, None, None, n, None, (method,))


def _count(value: int, n: int, method: str) -> Estimate:
    return Estimate(float(value), None, None, n, value, (Code(method),))


def _share(events: int, n: int) -> Estimate:
    if not n:
        return undefined(NO_CASES, method="share", n=0, events=0)
    return Estimate(events / n, None, None, n, events, (Code("share"),))
