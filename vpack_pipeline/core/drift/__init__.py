"""Section drift: the baseline, its limits, the executable plan, what windows have shown so far.

``monitors``: what is computed; ``signals``: of which values; ``calibration``: within which limits.
"""

from vpack_pipeline.core.drift.checks import check_monitors
from vpack_pipeline.core.drift.monitors import MONITORS
from vpack_pipeline.core.drift.tables import baseline, limits, status

__all__ = ["MONITORS", "baseline", "check_monitors", "limits", "status"]
