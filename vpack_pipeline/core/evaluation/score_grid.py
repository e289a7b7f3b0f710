"""The fixed places of an output's scale at which scores are counted and thresholds are tried.

They follow from the protocol alone, so that tables of all sites have the same rows. A place is
named by its number, in constant width, so that names stand in the order of the places; which score
it is, is a figure of its row. What does not belong here: what is counted at a place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vpack_pipeline.protocol import Output
from vpack_pipeline.stats.estimate import FloatArray

N_BINS: Final = 20
N_THRESHOLDS: Final = 101


@dataclass(frozen=True, slots=True)
class ScoreBins:
    """Adjacent parts of a scale; ``lower`` and ``upper`` have one entry each and are of it."""

    lower: FloatArray
    upper: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        """The place of each bin, from 1."""
        return _names(self.lower.size)

    def places(self, score: FloatArray) -> npt.NDArray[np.intp]:
        """The bin of each score, from 0; -1 below the scale, and as many as there are above it."""
        place = np.searchsorted(self.lower, score, side="right") - 1
        return np.where(score > self.upper[-1], self.lower.size, place)


def score_bins(output: Output) -> ScoreBins:
    """Divide the scale: an ordinal output of few whole steps by step, else into 20 equal bins.

    A bin holds its lower end, the last one its upper end too.
    """
    steps = _steps(output, N_BINS)
    if steps is not None:
        return ScoreBins(steps, steps)
    edges = _evenly(output, N_BINS + 1)
    return ScoreBins(edges[:-1], edges[1:])


def threshold_grid(output: Output) -> tuple[tuple[str, float], ...]:
    """Name the thresholds to try: whole steps of an ordinal output, else 101 equally far apart."""
    steps = _steps(output, N_THRESHOLDS)
    if steps is None:
        steps = _evenly(output, N_THRESHOLDS)
    return tuple(zip(_names(steps.size), steps.tolist(), strict=True))


def _steps(output: Output, most: int) -> FloatArray | None:
    """The whole steps of an ordinal output; None where there are too many, or no whole ones."""
    is_whole = output.minimum == int(output.minimum) and output.maximum == int(output.maximum)
    if output.kind != "ordinal" or not is_whole or output.maximum - output.minimum >= most:
        return None
    return np.arange(output.minimum, output.maximum + 1)


def _evenly(output: Output, n: int) -> FloatArray:
    # A score of 0.15 lies at 0.15, not below 0.15000000000000002.
    return np.round(np.linspace(output.minimum, output.maximum, n), 12)


def _names(n: int) -> tuple[str, ...]:
    width = len(str(n))
    return tuple(f"{place:0{width}d}" for place in range(1, n + 1))
