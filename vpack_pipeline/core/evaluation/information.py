"""How much an endpoint's figure rests on: patients of the classes that its metric uses.

Counted from labels, and for predictive values calls, never from whether a call is right. What does
not belong here: what is spent on it (``stats.sequential``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from vpack_pipeline.core.evaluation.analysis import NEGATIVE, POSITIVE, CaseSet
from vpack_pipeline.core.evaluation.operating_points import ITD, share, tabulate
from vpack_pipeline.protocol import Endpoint, IndexTest, Information, OperatingPoint

CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "auc": ("positives", "negatives"),
    "sensitivity": ("positives",),
    "specificity": ("negatives",),
    "ppv": ("flagged",),
    "npv": ("cleared",),
}
"""Classes that a metric uses, by the names of ``information_max``."""


def patients_in_classes(
    cases: CaseSet, metric: str, point: OperatingPoint | None, index_test: IndexTest
) -> tuple[int, ...]:
    """Count the patients in each class that a metric uses, in the order of ``CLASSES``.

    Parameters
    ----------
    cases : mature cases of one window
    point : the operating point; None for the AUC
    """
    if point is None:
        masks = [cases.label == POSITIVE, cases.label == NEGATIVE]
    else:
        masks = [share(tabulate(cases, point, index_test, ITD), metric)[0]]
    return tuple(int(np.unique(cases.patient[mask]).size) for mask in masks)


def combined(parts: Iterable[float]) -> float:
    """Give the information of a figure made of two parts: 1 over the sum of 1 over each.

    So the classes of an AUC combine, and the windows of a difference.

    >>> combined([100]), combined([30, 60]), combined([30, 0])
    (100.0, 20.0, 0.0)
    """
    amounts = list(parts)
    return 1 / sum(1 / amount for amount in amounts) if all(amounts) else 0.0


def planned_information(endpoint: Endpoint) -> float | None:
    """Give the most information that an endpoint plans for; None where it states none."""
    windows = [endpoint.information_max]
    if endpoint.comparison == "non_inferiority":
        windows.append(endpoint.information_max_retrospective)
    parts = [planned_patients(endpoint.metric, planned) for planned in windows]
    if any(part is None for part in parts):
        return None
    return combined(combined(part) for part in parts if part is not None)


def planned_patients(metric: str, planned: Information | None) -> tuple[int, ...] | None:
    """Give the patients planned for each class that a metric uses; None where one is not stated."""
    if planned is None:
        return None
    stated = {
        "positives": planned.positives,
        "negatives": planned.negatives,
        "flagged": planned.flagged,
        "cleared": planned.cleared,
    }
    found = [stated[name] for name in CLASSES[metric]]
    complete = tuple(n for n in found if n is not None)
    return complete if len(complete) == len(found) else None
