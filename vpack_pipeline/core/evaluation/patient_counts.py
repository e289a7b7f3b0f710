"""Counts of cases by patient, for tables that ask for many shares of the same cases.

What does not belong here: the interval of a share (``stats.proportions``), which cases are counted.
"""

from __future__ import annotations

import numpy as np

from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, IntArray
from vpack_pipeline.stats.proportions import proportion_by_patient
from vpack_pipeline.stats.resampling import patient_codes


class PatientCounts:
    """Patients of a set of cases, recoded once.

    Parameters
    ----------
    patient : (n,) patient of each case
    """

    def __init__(self, patient: IntArray) -> None:
        self._codes, self._n_patients = patient_codes(patient)

    def of(self, mask: BoolArray) -> FloatArray:
        """How many cases of a mask each patient has."""
        return np.bincount(self._codes[mask], minlength=self._n_patients).astype(np.float64)


def share_by_patient(successes: FloatArray, sizes: FloatArray, level: float) -> Estimate:
    """Give the proportion of counts by patient; who has no case of it enters nothing."""
    has_case = sizes > 0
    return proportion_by_patient(successes[has_case], sizes[has_case], level)
