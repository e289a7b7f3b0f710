"""The words that levels share, and how those of several variables are joined.

It imports nothing, so that a command can ask it at once. What does not belong here: which level a
value has (``variables``), and which is printed (``levels``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MISSING: Final = "missing"
OTHER: Final = "other"
TIMES: Final = " × "
"""Joins the names, and the labels, of variables that are described together."""


def joined(cell: Sequence[str]) -> str:
    """Write the levels of several variables as one; a missing one makes the whole missing."""
    return MISSING if MISSING in cell else TIMES.join(cell)
