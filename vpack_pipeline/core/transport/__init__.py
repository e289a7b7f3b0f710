"""What the figures would be in a target, from counts of this set's cells and the target's alone.

One function for the pipeline's table and for whoever holds a pack and a population of their own:
what goes in and what comes out is JSON (docs/transport.md). Everything is a loop over cells, in
their order, so that a script can be held to it. What does not belong here: files, frames, and the
formulas (``stats.transport``).
"""

from vpack_pipeline.core.transport.answer import (
    HERE,
    HIGHEST,
    IN_TARGET,
    LOWEST,
    OUTSIDE,
    Answer,
    Figure,
    Said,
    figures_in_target,
)
from vpack_pipeline.core.transport.cells import COUNTS, Group, PrintedCell, Target, TargetCell
from vpack_pipeline.core.transport.question import Question
from vpack_pipeline.core.transport.support import SUPPORT

__all__ = [
    "COUNTS",
    "HERE",
    "HIGHEST",
    "IN_TARGET",
    "LOWEST",
    "OUTSIDE",
    "SUPPORT",
    "Answer",
    "Figure",
    "Group",
    "PrintedCell",
    "Question",
    "Said",
    "Target",
    "TargetCell",
    "figures_in_target",
]
