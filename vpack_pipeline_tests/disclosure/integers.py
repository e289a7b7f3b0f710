"""Integer unknowns and what is known of them; which values they can still have.

Sums, bounds and alternatives, solved by integer programming. What does not belong here: which sums
hold in a pack (``knowledge``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

Name = tuple[str, ...]
"""An unknown count: of whom, in which level, in which set."""


class ContradictionError(AssertionError):
    """What is taken for known cannot all be true: the attacker would find nothing at all."""


@dataclass(slots=True)
class Integers:
    """Unknown counts from 0 to ``most`` and linear knowledge of them."""

    most: int
    _place: dict[Name, int] = field(default_factory=dict)
    _sums: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[float, float]] = field(
        default_factory=dict
    )
    _known: list[np.ndarray] = field(default_factory=list)

    def __contains__(self, name: Name) -> bool:
        """Whether anything was said of a count."""
        return name in self._place

    def between(self, terms: Mapping[Name, int], low: int | None, high: int | None) -> None:
        """Say that Σ coefficient × count lies from ``low`` to ``high``; None: no limit."""
        found = sorted((self._at(name), c) for name, c in terms.items())
        places, factors = tuple(p for p, _ in found), tuple(c for _, c in found)
        before = self._sums.get((places, factors), (-np.inf, np.inf))
        limits = (-np.inf if low is None else low, np.inf if high is None else high)
        self._sums[places, factors] = (max(before[0], limits[0]), min(before[1], limits[1]))
        self._known.clear()

    def equal(self, names: Iterable[Name], total: int) -> None:
        """Say that counts add up to a number."""
        self.between(dict.fromkeys(names, 1), total, total)

    def same(self, whole: Name, parts: Iterable[Name]) -> None:
        """Say that a count is the sum of others."""
        self.between({whole: -1} | dict.fromkeys(parts, 1), 0, 0)

    def within(self, part: Name, whole: Name) -> None:
        """Say that a count is at most another."""
        self.between({part: -1, whole: 1}, 0, None)

    def certain_range(self, names: Iterable[Name], small: int) -> tuple[int, int] | None:
        """Give the fewest and most of some counts together, if those are from 1 to ``small`` - 1.

        None says that somebody might be in none of them, or as many as ``small`` could be.
        """
        places = [self._at(name) for name in names]
        row = np.zeros(len(self._place))
        row[places] = 1
        if any(not 0 < round(float(row @ known)) < small for known in self._witnesses()):
            return None
        # HiGHS' presolve has lost counts that fit: what it finds is held against a plain search.
        for is_presolved in (True, False):
            most = round(float(row @ self._solve(-row, is_presolved=is_presolved)))
            if most >= small:
                return None
            fewest = round(float(row @ self._solve(row, is_presolved=is_presolved)))
            if fewest < 1:
                return None
        return fewest, most

    def least_of(self, terms: Mapping[Name, int]) -> int:
        """Give the least that Σ coefficient × count can be."""
        row = np.zeros(len(self._place))
        for name, factor in terms.items():
            row[self._at(name)] = factor
        return round(float(row @ self._solve(row)))

    def said_by(self, pack: str) -> Integers:
        """Give what one of several packs says: its counts have names of their own."""
        return OfPack(self.most, self._place, self._sums, self._known, pack=pack)

    def _at(self, name: Name) -> int:
        return self._place.setdefault(name, len(self._place))

    def _witnesses(self) -> list[np.ndarray]:
        """Values that fit all that is known: first the largest and the smallest of all."""
        if not self._known:
            everything = np.ones(len(self._place))
            self._solve(-everything)
            self._solve(everything)
        return self._known

    def _solve(self, cost: np.ndarray, *, is_presolved: bool = True) -> np.ndarray:
        n = len(self._place)
        at = [
            (i, p, c) for i, (ps, cs) in enumerate(self._sums) for p, c in zip(ps, cs, strict=True)
        ]
        rows, columns, factors = zip(*at, strict=True)
        matrix = csr_array((factors, (rows, columns)), shape=(len(self._sums), n))
        low, high = zip(*self._sums.values(), strict=True)
        found = milp(
            cost,
            integrality=np.ones(n),
            bounds=Bounds(0, self.most),
            constraints=LinearConstraint(matrix, low, high),
            options={"presolve": is_presolved},
        )
        if found.x is None and is_presolved:
            return self._solve(cost, is_presolved=False)
        if found.x is None:
            raise ContradictionError(f"no counts fit what is known: {found.message}")
        solution: np.ndarray = np.round(found.x)
        self._known.append(solution)
        return solution


@dataclass(slots=True)
class OfPack(Integers):
    """What one pack says, in the system of all: each name begins with the pack's."""

    pack: str = ""

    def __contains__(self, name: Name) -> bool:
        return (self.pack, *name) in self._place

    def _at(self, name: Name) -> int:
        return self._place.setdefault((self.pack, *name), len(self._place))
