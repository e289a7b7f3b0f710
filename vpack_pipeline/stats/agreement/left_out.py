"""How far one reader carries a coefficient: each reader left out in turn.

What does not belong here: which reader is right (``reader_performance`` in ``core``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vpack_pipeline.stats.arguments import numbers
from vpack_pipeline.stats.estimate import Estimate, FloatArray


def leave_one_reader_out(
    ratings: FloatArray, statistic: Callable[[FloatArray], Estimate]
) -> tuple[Estimate, ...]:
    """The statistic without each reader, in the order of the columns.

    Parameters
    ----------
    ratings : (units, readers), nan = no rating
    statistic : of ratings of the same form, such as ``partial(gwet_ac, categories=(0, 1))``
    """
    values = numbers("ratings", ratings, missing=True)
    return tuple(statistic(np.delete(values, r, axis=1)) for r in range(values.shape[1]))
