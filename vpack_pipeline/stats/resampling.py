"""Bootstrap by patient: count weights in place of copied rows, and intervals of replicates.

A patient is drawn with all of their units, so that repeated images never pose as independent ones
(cluster bootstrap: Davison & Hinkley 1997, section 3.8; Field & Welsh 2007). What does not belong
here: the statistics that are resampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.arguments import clusters, number, numbers, whole
from vpack_pipeline.stats.estimate import FloatArray, IntArray, normal_quantile

FEW_UNDEFINED: Final = 0.05
"""Share of replicates that may be refused for what they say before an interval is."""

WeightArray = npt.NDArray[np.int16]
_COUNTED: Final = 8
"""Codes up to so many times as many as there are values are counted, not sorted."""
_MOST_DRAWN: Final = np.iinfo(np.int16).max


class PercentileInterval(NamedTuple):
    """A bootstrap interval, and how many replicates were undefined and left out."""

    lower: float | None
    upper: float | None
    n_undefined: int


def patient_codes(cluster: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.intp], int]:
    """Recode clusters as 0 … P-1 in the order of their codes, and count them."""
    return _dense_codes(clusters("cluster", cluster))


def _dense_codes(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], int]:
    """Number the distinct values from 0 in their order, and say how many there are."""
    if values.dtype.kind in "iu" and np.can_cast(values.dtype, np.int64) and values.size:
        least, most = int(values.min()), int(values.max())
        if least >= 0 and most < _COUNTED * values.size:
            # Few enough to be counted, which takes a tenth of the time of sorting them.
            number = np.cumsum(np.bincount(values) > 0) - 1
            return number[values], int(number[-1]) + 1
    distinct, code = np.unique(values, return_inverse=True)
    return code.reshape(-1), int(distinct.size)


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

    Raises
    ------
    ValueError
        A number is no whole one of at least 1, or a patient was drawn more often than a weight of
        int16 can say.
    """
    for name, value in (("n_patients", n_patients), ("replicates", replicates), ("chunk", chunk)):
        whole(name, value)
    size = n_patients if draws is None else whole("draws", draws)
    for start in range(0, replicates, chunk):
        weights = np.empty((min(chunk, replicates - start), n_patients), dtype=np.int16)
        for row in weights:
            # The counts of uniform draws are the multinomial sample, at a tenth of its cost.
            drawn = np.bincount(rng.integers(0, n_patients, size), minlength=n_patients)
            if size > _MOST_DRAWN and drawn.max() > _MOST_DRAWN:
                raise ValueError(f"draws: a patient was drawn over {_MOST_DRAWN} times")
            row[:] = drawn
        yield weights


@dataclass(frozen=True, slots=True)
class PatientKinds:
    """Bootstrap of patients who are drawn by kind: those of whom the same is counted are alike.

    How many patients of each kind a replicate holds is one draw of a multinomial, whatever their
    number: the cluster bootstrap itself, at the cost of the kinds.

    Attributes
    ----------
    kind : (P,) code of each patient's kind, 0 to K-1
    weights : (1 + B, K) patients of each kind in the sample and in each replicate
    """

    kind: IntArray
    weights: FloatArray

    @classmethod
    def drawn(cls, counts: IntArray, replicates: int, rng: np.random.Generator) -> Self:
        """Sort patients by what is counted of them, and draw as many as there are.

        Parameters
        ----------
        counts : (P, C) whole numbers, such as the cases of each patient by cell; C >= 1
        replicates : B, >= 1

        Raises
        ------
        ValueError
            ``counts`` is no such array, or ``replicates`` no whole number of at least 1.
        """
        whole("replicates", replicates)
        kind, size = alike(counts)
        weights = np.empty((1 + replicates, size.size))
        weights[0] = size
        if size.size:
            weights[1:] = rng.multinomial(kind.size, size / kind.size, size=replicates)
        return cls(kind, weights)

    def totals(self, counts: IntArray, rng: np.random.Generator) -> FloatArray:
        """Add up further counts of the patients, in the sample and in the same replicates.

        Within a kind those who differ in these counts are drawn in turn.

        Parameters
        ----------
        counts : (P, D) whole numbers

        Returns
        -------
        (1 + B, D)
        """
        further = _whole_rows(counts)
        if len(further) != self.kind.size:
            raise ValueError("counts: there must be one row for each patient")
        part, size = _alike([self.kind, *np.asfortranarray(further).T])
        of_part = np.empty((size.size, further.shape[1]))
        of_part[part] = further
        kind = np.empty(size.size, dtype=np.int64)
        kind[part] = self.kind
        weights = np.empty((len(self.weights), size.size))
        weights[0] = size
        order = np.argsort(kind, kind="stable")
        starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
        for parts in np.split(order, starts)[1:]:
            drawn = self.weights[1:, kind[parts[0]]].astype(np.int64)
            weights[1:, parts] = (
                drawn[:, None]
                if parts.size == 1
                else rng.multinomial(drawn, size[parts] / size[parts].sum())
            )
        return weights @ of_part


def _whole_rows(counts: IntArray) -> IntArray:
    given = np.asarray(counts)
    if given.ndim != 2 or not given.shape[1] or not np.issubdtype(given.dtype, np.integer):
        raise ValueError("counts: each row needs whole numbers")
    if given.size and given.min() < 0:
        raise ValueError("counts holds a negative number")
    return given.astype(np.int64, copy=False)


def alike(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Number the distinct rows of whole numbers, and say how many of each there are.

    Parameters
    ----------
    counts : (n, C), from 0 on; C >= 1

    Returns
    -------
    the code of each row (n,), 0 to K-1, and how many rows have each (K,)

    >>> alike(np.array([[2, 0], [1, 5], [2, 0]]))
    (array([1, 0, 1]), array([1, 2]))
    """
    return _alike(np.asfortranarray(_whole_rows(counts)).T)


def _alike(columns: Sequence[IntArray] | IntArray) -> tuple[IntArray, IntArray]:
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        # Numbered anew at each column, so that no product overflows.
        value, n_values = _dense_codes(column)
        if n_values > 1:
            code = _dense_codes(code * n_values + value)[0]
    return code, np.bincount(code)


def percentile_interval(
    values: FloatArray, level: float = 0.95, *, most_undefined: float = 0.5
) -> PercentileInterval:
    """Percentile interval of bootstrap replicates (Efron 1981); NaN marks an undefined replicate.

    Undefined replicates are left out and counted. Where their share is above ``most_undefined`` the
    interval would describe the resamples that are not: both bounds are None. What is undefined at
    random may be half of them; what is refused for lying beyond a bound may be ``FEW_UNDEFINED``,
    since it would have made a tail of the interval.

    >>> percentile_interval(np.array([1.0, 2.0, 3.0, np.nan]), level=0.5)
    PercentileInterval(lower=1.5, upper=2.5, n_undefined=1)
    """
    normal_quantile(level)
    number("most_undefined", most_undefined, 0.0, 1.0)
    replicates = numbers("values", values, missing=True)
    defined = replicates[~np.isnan(replicates)]
    n_undefined = int(replicates.size - defined.size)
    if defined.size == 0 or n_undefined > most_undefined * replicates.size:
        return PercentileInterval(None, None, n_undefined)
    lower, upper = np.quantile(defined, [0.5 - level / 2, 0.5 + level / 2])
    return PercentileInterval(float(lower), float(upper), n_undefined)
