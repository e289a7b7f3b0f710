"""Whom the included cases stand for: their profile, and their distance to target and excluded.

What does not belong here: the distances (``stats.distances``), how a value falls into a level
(``core.variables``), and figures weighted to the target (``evaluation/transport``).
"""

from vpack_pipeline.core.representativeness.match import DISTANCES

__all__ = ["DISTANCES"]
