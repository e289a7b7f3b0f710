"""What a look at one endpoint may spend: whether it is taken, and at which level.

What does not belong here: the figure (``endpoint_figures``), how endpoints share alpha
(``stats.several_endpoints``), what is said of it (``endpoints``).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vpack_pipeline.core.evaluation.endpoint_figures import EndpointFigure
from vpack_pipeline.core.evaluation.information import planned_information
from vpack_pipeline.core.evaluation.looks import is_judged_at_looks
from vpack_pipeline.core.evaluation.verdicts import JUDGED, MET
from vpack_pipeline.protocol import Evaluation
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.sequential import LEAST_SHARE, look_levels, share_of_information

_LEAST: float = 1e-9
"""Stands for information that was counted as none, which cannot be compared."""


@dataclass(frozen=True)
class EndpointLooks:
    """The looks at one endpoint, up to a cut.

    Parameters
    ----------
    published : what packs of looks before the cut say of the endpoint, in order of looks
    """

    figure: EndpointFigure
    evaluation: Evaluation
    cut: datetime.date
    published: Sequence[Mapping[str, Any]]

    @property
    def is_single(self) -> bool:
        """Whether one verdict is all: it spends everything."""
        return len(self.evaluation.looks) == 1 or not is_judged_at_looks(self.figure.endpoint)

    @cached_property
    def _taken(self) -> list[Mapping[str, Any]]:
        """Looks that have spent their level."""
        return [row for row in self.published if row["verdict"] in JUDGED]

    @property
    def was_met(self) -> bool:
        """Whether the goal was met at an earlier look: it stays met."""
        return any(row["verdict"] == MET for row in self._taken)

    @cached_property
    def share(self) -> float | None:
        """Share of the planned information at which a look at this cut spends; None if at none."""
        if self.is_single:
            return 1.0
        maximum = planned_information(self.figure.endpoint)
        is_last = self.evaluation.looks[-1].cut <= self.cut
        if maximum is None:
            return 1.0 if is_last else None
        shares = [row["information_share"] for row in self._taken]
        taken = [share for share in shares if share is not None]
        return share_of_information(self.figure.information, maximum, taken, is_last=is_last)

    def why_not_taken(self) -> Code | None:
        """Say why a look at this cut is not taken, if it is one; it spends nothing then."""
        if self.is_single:
            return None
        if self.was_met:
            return code("met_at_earlier_look")
        return None if self.share is not None else self._why_no_share()

    def _why_no_share(self) -> Code:
        maximum = planned_information(self.figure.endpoint)
        if maximum is None:
            return code("no_information_planned")
        if any(row["information_share"] == 1 for row in self._taken):
            return code("information_complete")
        share = min(self.figure.information / maximum, 1.0)
        if share < LEAST_SHARE:
            return code("look_too_early", share=share, least=LEAST_SHARE)
        return code("look_adds_little", share=share)

    def level(self, alpha: float) -> float | None:
        """Give the one-sided level of a look at this cut, of so much error over all looks.

        Looks that were taken before the information was kept have spent their level, whatever the
        law of all looks (union bound). None where they left nothing.
        """
        if self.is_single:
            return alpha
        kept = [row for row in self._taken if row["information_share"] is not None]
        left = alpha - sum(row["alpha"] or alpha for row in self._taken if row not in kept)
        if left <= 0 or self.share is None:
            return None
        shares = [row["information_share"] for row in kept] + [self.share]
        observed = [row["information"] for row in kept] + [self.figure.information]
        return look_levels(left, shares, [max(amount, _LEAST) for amount in observed])[-1]
