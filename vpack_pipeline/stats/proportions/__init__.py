"""Proportions: intervals, the figures of a 2×2 table, comparisons and sample sizes.

``clustered_proportion`` is the default wherever a patient may give several units. What does not
belong here: discrimination over all thresholds (``roc``), agreement between readers.
"""

from vpack_pipeline.stats.proportions.comparisons import (
    farrington_manning,
    mcnemar,
    newcombe_difference,
)
from vpack_pipeline.stats.proportions.diagnostic import diagnostic_table, predictive_values
from vpack_pipeline.stats.proportions.intervals import (
    PatientSums,
    clopper_pearson,
    clustered_proportion,
    design_effect,
    effective_size,
    proportion_by_patient,
    proportion_of_sums,
    sample_size_proportion,
    wilson,
    wilson_bounds,
)
from vpack_pipeline.stats.proportions.paired import paired_proportions, tango_bounds
from vpack_pipeline.stats.proportions.sweep import flagged_among_all, right_among_flagged

__all__ = [
    "PatientSums",
    "clopper_pearson",
    "clustered_proportion",
    "design_effect",
    "diagnostic_table",
    "effective_size",
    "farrington_manning",
    "flagged_among_all",
    "mcnemar",
    "newcombe_difference",
    "paired_proportions",
    "predictive_values",
    "proportion_by_patient",
    "proportion_of_sums",
    "right_among_flagged",
    "sample_size_proportion",
    "tango_bounds",
    "wilson",
    "wilson_bounds",
]
