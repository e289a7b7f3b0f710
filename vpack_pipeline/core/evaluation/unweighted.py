"""Figures of the evaluation that are not computed where cases carry sampling weights.

What does not belong here: whether a figure stands, is weighted or is refused (``core.sampling``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vpack_pipeline.contracts.metrics import Condition, condition_of
from vpack_pipeline.core.evaluation.analysis import CaseSet
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.stats.codes import coded
from vpack_pipeline.stats.estimate import BoolArray, Estimate


class UnweightedFigures:
    """Writes figures of one finding and window that are not computed under sampling weights.

    What the draw lets stand is written as it is given; anything else is refused, but for counts,
    which are of the cases that are there.

    Parameters
    ----------
    cases : those that the figures are of
    flagged : what a figure that is conditional on the score takes as drawn alike: the cases of
        one call; without it, no such figure is looked into
    """

    def __init__(
        self,
        figures: WindowedFigures,
        sampled: SampledCases,
        finding: str,
        cases: CaseSet,
        flagged: BoolArray | None = None,
    ) -> None:
        self._figures = figures
        everyone = np.ones(cases.n, dtype=np.bool_)
        groups: dict[Condition, tuple[BoolArray, ...]] = {
            "label": (cases.is_positive, cases.is_decided & ~cases.is_positive),
            "score": () if flagged is None else (flagged, ~flagged),
            "nothing": (everyone,),
            "sample": (),
        }
        self.weighed = {
            condition: sampled.weigh(condition, finding, cases.case_id, groups=masks)
            for condition, masks in groups.items()
        }

    def at(self, **keys: str) -> Place:
        """Give a writer for one cell of the table."""
        return _UnweightedPlace(self._figures, keys, self.weighed)


class _UnweightedPlace(Place):
    def __init__(
        self,
        figures: WindowedFigures,
        keys: Mapping[str, str],
        weighed: Mapping[Condition, Weighing],
    ) -> None:
        super().__init__(figures, keys)
        self._weighed = weighed

    def give(self, metric: str, value: Estimate | float | None, **rest: Any) -> None:
        """Add a figure, or refuse it for the way in which cases were drawn."""
        weighing = self._weighed[condition_of(metric)]
        why_not = weighing.why_not(under_weights=False)
        if why_not is not None:
            self.refuse(metric, why_not)
            return
        notes = coded(rest.pop("notes", ()), weighing.notes)
        super().give(metric, value, notes=notes, **rest)

    def count(self, metric: str, events: int, n: int) -> None:
        """Add a count of ``events`` among ``n``: of the cases that are there."""
        super().give(metric, events, n=n, events=events, method="count")
