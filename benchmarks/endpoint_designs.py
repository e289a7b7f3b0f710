"""Simulated studies with several claims and looks: how often one is met that is not true.

A claim that is not true lies at its goal; one that is true lies far above it. All are judged by the
functions that judge endpoints. ``benchmarks/simulations.py`` runs every design by night, and a test
a few of them. What does not belong here: targets.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import product
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.proportions import clopper_pearson, wilson_bounds
from vpack_pipeline.stats.sequential import look_levels
from vpack_pipeline.stats.several_endpoints import RULES, claims_at_look

ALPHA: Final = 0.025
GOAL: Final = 0.85
PATIENTS: Final = 240
"""Behind each claim at the last look."""
_ALIKE: Final = 0.3
"""Correlation of a patient's results on two claims."""


class Family(NamedTuple):
    """Claims that are tested together; ``is_true`` has one entry a claim, in order."""

    rule: str
    looks: int
    is_true: tuple[bool, ...]

    @property
    def name(self) -> str:
        told = "".join("+" if one else "0" for one in self.is_true)
        return f"{self.rule}, {self.looks} looks, claims {told}"


def families(rule: str, looks: int) -> Iterator[Family]:
    """Three claims of which one, two or all are not true, in every order."""
    for is_true in product((False, True), repeat=3):
        if not all(is_true):
            yield Family(rule, looks, is_true)


def error(family: Family, runs: int, seed: int, *, of_shares: bool = False) -> float:
    """Share of studies that claim too much.

    Where all must be met that is a study all of whose claims are met; else one with any that is
    met and not true.

    Parameters
    ----------
    of_shares : whether claims are about shares of patients, judged by their intervals; else about
        normal means, of which the levels are exact
    """
    rng = np.random.default_rng([seed, *family.name.encode()])
    draw = _shares if of_shares else _means
    return float(np.mean([_claims_too_much(family, draw(family, rng)) for _ in range(runs)]))


IsAbove = Callable[[int, int, float], bool]
"""Whether a claim clears its goal at a look at a one-sided level."""


def _claims_too_much(family: Family, is_above: IsAbove) -> bool:
    met = [False] * len(family.is_true)
    for look in range(family.looks):

        def is_met(i: int, alpha: float, look: int = look) -> bool:
            return is_above(i, look, _levels(alpha, family.looks)[look])

        met = [one.is_met for one in claims_at_look(family.rule, ALPHA, met, is_met)]
    if family.rule == "all_must_be_met":
        return all(met)
    return any(m and not true for m, true in zip(met, family.is_true, strict=True))


def _levels(alpha: float, looks: int) -> tuple[float, ...]:
    return look_levels(alpha, _steps(looks))


@functools.cache
def _steps(looks: int) -> tuple[float, ...]:
    return tuple((i + 1) / looks for i in range(looks))


def _results(family: Family, rng: np.random.Generator) -> FloatArray:
    """Standard normal results of each patient on each claim."""
    shared = rng.standard_normal((PATIENTS, 1))
    own = rng.standard_normal((PATIENTS, len(family.is_true)))
    made: FloatArray = np.sqrt(_ALIKE) * shared + np.sqrt(1 - _ALIKE) * own
    return made


def _sizes(family: Family) -> npt.NDArray[np.int64]:
    return np.array([round(PATIENTS * t) for t in _steps(family.looks)])


def _means(family: Family, rng: np.random.Generator) -> IsAbove:
    sizes = _sizes(family)
    sums = np.cumsum(_results(family, rng), axis=0)[sizes - 1]
    # Six standard errors at the last look: met, whatever the level.
    shift = 6 * np.sqrt(sizes[:, None] / PATIENTS) * np.array(family.is_true)
    z = sums / np.sqrt(sizes)[:, None] + shift
    return lambda i, look, level: bool(z[look, i] > _cut(level))


@functools.cache
def _cut(level: float) -> float:
    return -float(ndtri(level))


def _shares(family: Family, rng: np.random.Generator) -> IsAbove:
    sizes = _sizes(family)
    truth = np.where(family.is_true, 0.99, GOAL)
    right = np.cumsum(_results(family, rng) < ndtri(truth), axis=0)[sizes - 1]
    return lambda i, look, level: bool(right[look, i] >= _fewest_right(int(sizes[look]), level))


@functools.cache
def _fewest_right(n: int, level: float) -> int:
    """Fewest of n patients that must be right for the lower bound to clear the goal."""
    both = 1 - 2 * level
    above = [k for k in range(1, n) if wilson_bounds(k / n, n, both)[0] > GOAL]
    if above:
        return above[0]
    return n if (clopper_pearson(n, n, both).lower or 0.0) > GOAL else n + 1


ALL: Final = tuple((rule, looks) for rule in RULES for looks in (1, 2, 3))
"""Every rule with one to three looks."""
