"""Two classes of known likelihoods, mixed in unknown shares: how likely a unit is positive.

Maximum likelihood by expectation maximisation (Dempster, Laird & Rubin 1977). What does not belong
here: where the likelihoods come from (``latent_class``).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from vpack_pipeline.stats.arguments import positions
from vpack_pipeline.stats.estimate import FloatArray, IntArray

_ROUNDS: Final = 500
_ENOUGH: Final = 1e-8


def class_chances(odds: FloatArray, group: IntArray) -> FloatArray:
    """Chance that each unit is positive, where each group has a share of positives of its own.

    A test's result as the group makes this the joint model of test and readers who err
    independently given the class: with P(D) free and P(T | D) free, P(D | T) is free in each T,
    so that Bayes' theorem takes both to be the share of positives of the group.

    Parameters
    ----------
    odds : (n,) likelihood of a unit's reads among positives over that among negatives; 0 and inf
        settle a unit
    group : (n,) codes 0 … G-1

    Returns
    -------
    (n,) in [0, 1]; means within a group are its share of positives at the maximum

    Examples
    --------
    Reads tell all in one group and nothing in the other:

    >>> class_chances(np.array([np.inf, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 1])).tolist()
    [1.0, 0.0, 0.5, 0.5]
    """
    if np.isnan(odds).any() or (odds < 0).any():
        raise ValueError("odds are not negative, and none is missing")
    group = positions("group", group)
    if group.shape != odds.shape:
        raise ValueError("group: one code is needed for each of the odds")
    sizes = np.maximum(np.bincount(group), 1)
    settled = ~np.isfinite(odds)
    ratio = np.where(settled, 0.0, odds)
    share = np.full(sizes.size, 0.5)
    chance: FloatArray = np.zeros(odds.size)
    for _ in range(_ROUNDS):
        at = share[group]
        mass = at * ratio
        chance = np.where(settled, 1.0, mass / np.maximum(mass + (1 - at), 1e-300))
        # Rounding must make no share, and so no chance, more than 1.
        sums = np.bincount(group, chance, minlength=sizes.size)
        before, share = share, np.minimum(sums / sizes, 1.0)
        if np.abs(share - before).max(initial=0.0) < _ENOUGH:
            break
    return chance
