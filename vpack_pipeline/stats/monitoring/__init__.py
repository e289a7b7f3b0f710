"""Monitoring after release: binned comparisons, control charts, label-free proxies, one budget.

Limits are set from the null at the actual window size, never from fixed cut-offs. What does not
belong here: which monitor watches what (``core/drift``), single distances (``distances``).
"""

from vpack_pipeline.stats.monitoring.budget import MaxT, gaussian_null, max_t
from vpack_pipeline.stats.monitoring.charts import (
    cusum_arl,
    cusum_path,
    cusum_threshold,
    ewma_arl,
    ewma_path,
    ewma_width,
    p_chart_limits,
)
from vpack_pipeline.stats.monitoring.proxy import ExpectedPerformance, cbpe
from vpack_pipeline.stats.monitoring.windows import (
    bin_counts,
    binned_null_by_patient_resampling,
    null_by_patient_resampling,
    psi_null_expectation,
    psi_null_quantile,
    quantile_edges,
)

__all__ = [
    "ExpectedPerformance",
    "MaxT",
    "bin_counts",
    "binned_null_by_patient_resampling",
    "cbpe",
    "cusum_arl",
    "cusum_path",
    "cusum_threshold",
    "ewma_arl",
    "ewma_path",
    "ewma_width",
    "gaussian_null",
    "max_t",
    "null_by_patient_resampling",
    "p_chart_limits",
    "psi_null_expectation",
    "psi_null_quantile",
    "quantile_edges",
]
