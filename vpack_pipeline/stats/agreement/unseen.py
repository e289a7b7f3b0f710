"""Units that a sample might have held and did not: what weighted agreement is unsure of.

Of a stratum of which few units were taken, none of those seen may have parted the readers, though
one would weigh much. So two more units of the largest weight, each of a patient of its own, enter
what an interval rests on, and never the figure. What does not belong here: the interval itself
(``jackknife``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vpack_pipeline.stats.agreement.counts import rating_counts
from vpack_pipeline.stats.agreement.sums import RatedUnits
from vpack_pipeline.stats.estimate import FloatArray

UNSEEN: int = 2


def with_unseen(units: RatedUnits, *, by_all: bool) -> RatedUnits:
    """Add a unit on which one reader parts from the others, and one that all rate as that reader.

    Parameters
    ----------
    units : weighted; two of them rated alike or not by two readers or more
    by_all : whether every reader rates them, or as many as rate a unit on average

    Returns
    -------
    the units with these two at the end. The others say the category of most weight, the one reader
    that of the second most; both are one where no other was used
    """
    assert units.weight is not None
    raters = units.raters[units.is_paired]
    m = units.ratings.shape[1] if by_all else round(float(raters.mean()))
    common, rarer = (units.categories[k] for k in two_commonest(units.weight @ units.counts))
    rows = np.full((UNSEEN, units.ratings.shape[1]), np.nan)
    rows[0, :m], rows[0, 0], rows[1, :m] = common, rarer, rarer
    return replace(
        units,
        ratings=np.vstack([units.ratings, rows]),
        counts=np.vstack([units.counts, rating_counts(rows, units.categories)]),
        weight=np.append(units.weight, [units.weight.max()] * UNSEEN),
    )


def two_commonest(mass: FloatArray) -> tuple[int, int]:
    """Places of the category of most weight and of the second; one place where no other has any."""
    order = np.argsort(-mass, kind="stable")
    second = order[1] if mass.size > 1 and mass[order[1]] > 0 else order[0]
    return int(order[0]), int(second)
