"""Which rules stop a build: those that are unknown of a unit where the protocol says stop.

What does not belong here: that the gate closes (the contract of ``flags``).
"""

from __future__ import annotations

import polars as pl

from vpack_pipeline.core.eligibility.compiler import VIEWS
from vpack_pipeline.errors import Problem
from vpack_pipeline.protocol import Eligibility


def stopping_problems(flags: pl.LazyFrame, eligibility: Eligibility) -> list[Problem]:
    """Name each rule that stops, and how many units of each level it is unknown of.

    Parameters
    ----------
    flags : eligibility/flags, made of these rules
    eligibility : the protocol's rules
    """
    stopped = flags.filter(pl.col("stopping_rules") != 0)
    counted = stopped.group_by("level", "stopping_rules").len().sort("level").collect()
    found = []
    for place, rule in enumerate(eligibility.rules):
        is_unknown = pl.col("stopping_rules") // 2**place % 2 == 1
        units = counted.filter(is_unknown).group_by("level", maintain_order=True).agg(pl.sum("len"))
        if units.height:
            of = ", ".join(f"{_units(level)}: {n}" for level, n in units.iter_rows())
            what = f"it is unknown where the protocol says stop ({of})"
            remedy = "mend the delivery, or decide in a new protocol version"
            found.append(Problem(f"eligibility rule {rule.id}", what, remedy))
    return found


def _units(level: str) -> str:
    """The plural of a level."""
    return VIEWS[level].partition("/")[2]
