"""Bootstrap by patient: count weights in place of copied rows, and percentile intervals.

A patient is drawn with all of their units, so that repeated images never pose as independent ones
(cluster bootstrap: Davison & Hinkley 1997, section 3.8; Field & Welsh 2007). What does not belong
here: the statistics that are resampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.estimate import FloatArray, normal_quantile

WeightArray = npt.NDArray[np.int16]


class PercentileInterval(NamedTuple):
    """A bootstrap percentile interval, and how many replicates were undefined and left out."""

    lower: float | None
    upper: float | None
    n_undefined: int


def patient_codes(cluster: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.intp], int]:
    """Recode clusters as 0 … P-1 in the order of their codes, and count them."""
    codes, inverse = np.unique(np.asarray(cluster), return_inverse=True)
    return inverse.reshape(-1), int(codes.size)


def patient_weights(
    n_patients: int,
    replicates: int,
    rng: np.random.Generator,
    *,
    draws: int | None = None,
    chunk: int = 64,
) -> Iterator[WeightArray]:
    """How often each patient was drawn, in chunks of replicates.

    Parameters
    ----------
    n_patients : P, >= 1
    replicates : B, >= 1, over all chunks
    draws : patients drawn a replicate; P where not given
    chunk : replicates held in memory at once

    Yields
    ------
    (at most chunk, P) int16 counts; each row sums to ``draws``. The stream of draws does not depend
    on ``chunk``.
    """
    if n_patients < 1 or replicates < 1:
        raise ValueError("resampling needs at least one patient and one replicate")
    size = n_patients if draws is None else draws
    for start in range(0, replicates, chunk):
        weights = np.empty((min(chunk, replicates - start), n_patients), dtype=np.int16)
        for row in weights:
            # The counts of uniform draws are the multinomial sample, at a tenth of its cost.
            row[:] = np.bincount(rng.integers(0, n_patients, size), minlength=n_patients)
        yield weights


def cluster_weights(
    cluster: npt.NDArray[np.generic],
    replicates: int,
    rng: np.random.Generator,
    *,
    chunk: int = 64,
) -> Iterator[WeightArray]:
    """How often each unit enters each replicate when whole patients are drawn.

    Parameters
    ----------
    cluster : (n_units,) patient of each unit
    replicates : B, over all chunks

    Yields
    ------
    (at most chunk, n_units) int16; the units of a patient share one count
    """
    codes, n_patients = patient_codes(cluster)
    for weights in patient_weights(n_patients, replicates, rng, chunk=chunk):
        yield weights[:, codes]


def percentile_interval(values: FloatArray, level: float = 0.95) -> PercentileInterval:
    """Percentile interval of bootstrap replicates (Efron 1981); NaN marks an undefined replicate.

    Undefined replicates are left out and counted. Where they are the majority the interval would
    describe the unusual resamples only: both bounds are None.

    >>> percentile_interval(np.array([1.0, 2.0, 3.0, np.nan]), level=0.5)
    PercentileInterval(lower=1.5, upper=2.5, n_undefined=1)
    """
    normal_quantile(level)
    replicates = np.asarray(values, dtype=np.float64)
    defined = replicates[np.isfinite(replicates)]
    n_undefined = int(replicates.size - defined.size)
    if defined.size == 0 or n_undefined > defined.size:
        return PercentileInterval(None, None, n_undefined)
    lower, upper = np.quantile(defined, [0.5 - level / 2, 0.5 + level / 2])
    return PercentileInterval(float(lower), float(upper), n_undefined)
