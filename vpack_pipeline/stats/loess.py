"""A smooth curve through outcomes by local quadratic regression, as R's ``loess`` draws it.

Cleveland & Devlin 1988: span .75, degree 2, tricube weights. As in the reference, the regression is
solved at few vertices (Cleveland & Grosse 1991), where cells of a fifth of the span's cases meet,
and between these goes the cubic that has their values and slopes: so the cost does not grow with
the square of the cases. What does not belong here: what is read from the curve
(``calibration_curve``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.arguments import numbers
from vpack_pipeline.stats.estimate import FloatArray

SPAN: Final = 0.75
_CELL: Final = 0.2
"""A cell that holds no more than this share of the span's cases is not parted."""
_MARGIN: Final = 0.005
"""By this share of the range the first and the last vertex lie beyond the cases."""


@dataclass(frozen=True, slots=True)
class Loess:
    """The curve as a linear function of the outcomes, for cases at fixed places.

    Attributes
    ----------
    vertices : (V,) in increasing order
    solved : (2V, n) what turns the outcomes into values, then slopes, at the vertices
    """

    vertices: FloatArray
    solved: FloatArray

    @classmethod
    def at(cls, place: FloatArray) -> Self | None:
        """Solve the regression at the vertices of cases at ``place``.

        Returns
        -------
        None where too few cases or places are distinct for a quadratic at every vertex
        """
        x = numbers("place", place)
        nearest = int(np.floor(x.size * SPAN + 1e-5))
        if nearest < 3 or np.ptp(x) == 0:
            return None
        vertices = _vertices(np.sort(x), int(np.floor(x.size * SPAN * _CELL)))
        solved = np.empty((2 * vertices.size, x.size))
        for i, vertex in enumerate(vertices):
            row = _local(x, float(vertex), nearest)
            if row is None:
                return None
            solved[i], solved[vertices.size + i] = row
        return cls(vertices, solved)

    def through(self, outcome: FloatArray) -> FloatArray:
        """Give values, then slopes, of the curve at the vertices."""
        found: FloatArray = self.solved @ numbers("outcome", outcome)
        return found

    def basis(self, place: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray]:
        """Say what the curve is made of at each place: the cell, and weights of its two vertices.

        Returns
        -------
        (m,) index of the vertex before, and (4, m) weights of the value before, the value after,
        the slope before and the slope after
        """
        x, v = numbers("place", place), self.vertices
        left = np.clip(np.searchsorted(v, x, side="right") - 1, 0, v.size - 2)
        width = v[left + 1] - v[left]
        u = (x - v[left]) / width
        weights = np.array(
            [
                (1 - u) ** 2 * (1 + 2 * u),
                u**2 * (3 - 2 * u),
                width * u * (1 - u) ** 2,
                -width * u**2 * (1 - u),
            ]
        )
        return left, weights

    @staticmethod
    def curve(basis: tuple[npt.NDArray[np.intp], FloatArray], through: FloatArray) -> FloatArray:
        """Give the curve at places: of :meth:`basis` and :meth:`through`."""
        left, weights = basis
        values, slopes = np.split(numbers("through", through), 2)
        corners = np.array([values[left], values[left + 1], slopes[left], slopes[left + 1]])
        found: FloatArray = (weights * corners).sum(axis=0)
        return found


def _vertices(ordered: FloatArray, largest: int) -> FloatArray:
    """Part the cases at medians until no cell holds more than ``largest``."""
    apart = _MARGIN * (ordered[-1] - ordered[0])
    found = [ordered[0] - apart, ordered[-1] + apart]
    open_cells = [(0, ordered.size - 1)]
    while open_cells:
        first, last = open_cells.pop()
        if last - first + 1 <= largest:
            continue
        middle = _between_values(ordered, first, last)
        # Where all cases of a cell lie at one place, nothing parts it.
        if middle is None or ordered[middle] in found:
            continue
        found.append(ordered[middle])
        open_cells += [(first, middle), (middle + 1, last)]
    return np.sort(np.array(found))


def _between_values(ordered: FloatArray, first: int, last: int) -> int | None:
    """Give the position nearest to the middle after which the value changes."""
    changes = np.flatnonzero(np.diff(ordered[first : last + 1]) > 0) + first
    if not changes.size:
        return None
    middle = (first + last) // 2
    # Of two that are as near, the reference takes the later one.
    return int(changes[::-1][np.abs(changes[::-1] - middle).argmin()])


def _local(x: FloatArray, vertex: float, nearest: int) -> tuple[FloatArray, FloatArray] | None:
    """Give what turns outcomes into value and slope at a vertex; None where places are too few."""
    away = np.abs(x - vertex)
    reach = float(np.partition(away, nearest - 1)[nearest - 1])
    if reach == 0:
        return None
    near = np.flatnonzero(away < reach)
    u = (x[near] - vertex) / reach
    weight = (1 - np.abs(u) ** 3) ** 3
    powers = np.array([np.ones(u.size), u, u * u])
    moments = (powers * weight) @ powers.T
    if np.linalg.matrix_rank(moments, tol=1e-10 * np.abs(moments).max(), hermitian=True) < 3:
        return None
    solved = np.linalg.solve(moments, powers * weight)
    value, slope = np.zeros(x.size), np.zeros(x.size)
    value[near], slope[near] = solved[0], solved[1] / reach
    return value, slope
