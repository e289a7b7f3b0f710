"""Sums over patients at every place of a threshold, from one walk over the cases.

A case has a place: how many of a series of falling demands it meets, so that at demand j those of a
place above j are flagged. What does not belong here: intervals of the shares (``intervals``), and
which threshold belongs to which demand.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.arguments import clusters, labels, positions, whole
from vpack_pipeline.stats.estimate import BoolArray, FloatArray
from vpack_pipeline.stats.proportions.intervals import PatientSums
from vpack_pipeline.stats.resampling import patient_codes


def flagged_among_all(
    place: npt.NDArray[np.integer], cluster: npt.NDArray[np.generic], n_places: int
) -> list[PatientSums]:
    """Sums of the share of units that are flagged, at each of ``n_places`` demands.

    Parameters
    ----------
    place : (n,) demands that each unit meets, 0 to ``n_places``
    cluster : (n,) patient of each unit

    Returns
    -------
    one entry a demand, 0 to ``n_places`` - 1
    """
    place, codes = _checked(place, cluster, n_places)
    sizes = np.bincount(codes).astype(np.float64)
    fixed = (float(sizes.size), float(place.size))
    order = np.argsort(-place, kind="stable")
    codes = codes[order]
    before = _of_same_patient(codes, np.ones(codes.size))
    squares, products = _running(2 * before + 1), _running(sizes[codes])
    squared_sizes = float(sizes @ sizes)
    return [
        PatientSums(*fixed, float(k), squares[k], products[k], squared_sizes)
        for k in _flagged(place, n_places)
    ]


def right_among_flagged(
    place: npt.NDArray[np.integer],
    success: BoolArray,
    cluster: npt.NDArray[np.generic],
    n_places: int,
) -> list[PatientSums]:
    """Sums of the share of successes among the units that are flagged, at each demand.

    Parameters
    ----------
    place, cluster : as of :func:`flagged_among_all`
    success : (n,) outcome of each unit
    """
    outcome = labels("success", success)
    place, codes = _checked(place, cluster, n_places)
    if outcome.shape != place.shape:
        raise ValueError("place and success: one outcome is needed for each unit")
    order = np.argsort(-place, kind="stable")
    codes, hit = codes[order], outcome[order].astype(np.float64)
    units = _of_same_patient(codes, np.ones(codes.size))
    hits = _of_same_patient(codes, hit)
    patients, successes = _running(units == 0), _running(hit)
    squared_successes = _running(hit * (2 * hits + 1))
    products = _running(hits + hit * (units + 1))
    squared_units = _running(2 * units + 1)
    return [
        PatientSums(
            patients[k], float(k), successes[k], squared_successes[k], products[k], squared_units[k]
        )
        for k in _flagged(place, n_places)
    ]


def _checked(
    place: npt.NDArray[np.integer], cluster: npt.NDArray[np.generic], n_places: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    met = positions("place", place, whole("n_places", n_places) + 1)
    return met, patient_codes(clusters("cluster", cluster, met.size))[0]


def _flagged(place: npt.NDArray[np.intp], n_places: int) -> npt.NDArray[np.intp]:
    """How many units are flagged at each demand."""
    counts = np.bincount(place, minlength=n_places + 1)
    return np.asarray(place.size - np.cumsum(counts)[:-1])


def _of_same_patient(codes: npt.NDArray[np.intp], amount: FloatArray) -> FloatArray:
    """Sum of the amounts of a patient's units that stand before each unit."""
    order = np.argsort(codes, kind="stable")
    ordered = amount[order]
    before = np.cumsum(ordered) - ordered
    first = np.diff(codes[order], prepend=-1) != 0
    start = np.maximum.accumulate(np.where(first, np.arange(codes.size), 0))
    found = np.empty(codes.size)
    found[order] = before - before[start]
    return found


def _running(amount: npt.NDArray[np.generic]) -> FloatArray:
    """Sum of the amounts of the first 0, 1 … units."""
    return np.append(0.0, np.cumsum(amount, dtype=np.float64))
