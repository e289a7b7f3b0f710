"""How the index test did, before and after it was locked: one function a table.

What does not belong here: how an interval is made (``stats``), what is correct (``adjudication``),
who belongs to the set (``eligibility``).
"""

from vpack_pipeline.core.evaluation.calibration import calibration
from vpack_pipeline.core.evaluation.comparison import comparison
from vpack_pipeline.core.evaluation.endpoints import endpoints
from vpack_pipeline.core.evaluation.error_attribution import error_attribution
from vpack_pipeline.core.evaluation.exclusion_audit import exclusion_audit
from vpack_pipeline.core.evaluation.failures import failures
from vpack_pipeline.core.evaluation.integrity import integrity
from vpack_pipeline.core.evaluation.label_sensitivity import label_sensitivity
from vpack_pipeline.core.evaluation.operating_points import operating_points
from vpack_pipeline.core.evaluation.performance import performance
from vpack_pipeline.core.evaluation.subgroups import subgroups
from vpack_pipeline.core.evaluation.time_split import time_split
from vpack_pipeline.core.evaluation.transport import transport
from vpack_pipeline.core.evaluation.verification import verification

__all__ = [
    "calibration",
    "comparison",
    "endpoints",
    "error_attribution",
    "exclusion_audit",
    "failures",
    "integrity",
    "label_sensitivity",
    "operating_points",
    "performance",
    "subgroups",
    "time_split",
    "transport",
    "verification",
]
