"""Which monitors watch a variable that describes people, and in which printed levels.

The share of missing values describes nobody. What does not belong here: the levels themselves
(``core.levels``), and how amounts are made of them (``monitors``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from vpack_pipeline.core.drift.monitors import kind_of
from vpack_pipeline.core.levels import Description
from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.protocol import Monitor
from vpack_pipeline.stats.codes import Code

_YES: Final = "true"


def shows_levels(monitor: Monitor) -> bool:
    """Say whether a monitor's amounts are counts by level of its variable."""
    kind = kind_of(monitor)
    return kind.amounts == "bins" or kind.needs == "yes_no"


@dataclass(frozen=True, slots=True)
class People:
    """Descriptions of the profile's variables, by name."""

    known: Mapping[str, Description] = field(default_factory=dict)

    def description(self, monitor: Monitor) -> Description | None:
        """Give the levels in which people are watched; None where nobody is described."""
        found = self.known.get(str(monitor.variable))
        if found is None or not found.levels.is_personal or not shows_levels(monitor):
            return None
        return found

    def levels(self, monitor: Monitor) -> tuple[str, ...] | None:
        """Give the printed levels that are the bins of a monitor; None where it has its own."""
        found = self.description(monitor)
        if found is None or kind_of(monitor).amounts != "bins":
            return None
        return tuple(label for label in found.levels.labels if label != MISSING)

    def reason(self, monitor: Monitor, case_ids: Iterable[str]) -> Code | None:
        """Say why a set of cases cannot be watched; None where it can."""
        found = self.description(monitor)
        if found is None:
            return None
        among = list(case_ids)
        is_rate = kind_of(monitor).needs == "yes_no"
        folded = found.levels.reason(_YES, len(among)) if is_rate else None
        return folded or found.too_small(among)
