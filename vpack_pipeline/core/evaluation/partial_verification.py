"""What it does to the figures where labels were not sought, or not found, in every case.

Performance among the cases that each source labelled; and of all cases the difference of the shares
labelled, what the unlabelled can do at worst and at best, and what they do if they are as those
labelled of the same call (Begg & Greenes 1983). What does not belong here: who was verified
(``verification``), what the study allows (``integrity``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from vpack_pipeline.core.evaluation.analysis import NO_POINT, CaseSet
from vpack_pipeline.core.evaluation.looks import Place
from vpack_pipeline.core.evaluation.missing_labels import why_not_alone
from vpack_pipeline.core.evaluation.operating_points import ITD, share, tabulate
from vpack_pipeline.protocol import Adjudication, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.difference import MOVER, difference, proportion_side
from vpack_pipeline.stats.estimate import BoolArray, Estimate, undefined
from vpack_pipeline.stats.proportions import clustered_proportion
from vpack_pipeline.stats.verification_bias import (
    FigureBounds,
    VerifiedCounts,
    begg_greenes,
    verification_bounds,
)

SIDES: Final = ("sensitivity", "specificity")
NO_CALLS: Final = Code("not_both_calls")


@dataclass(frozen=True, slots=True)
class Sought:
    """Mature cases of a window with the primary model's calls."""

    mature: CaseSet
    calls: npt.NDArray[np.str_]
    point: OperatingPoint | None
    index_test: IndexTest
    level: float
    adjudication: Adjudication


def give_by_source(place: Place, sought: Sought, labelled: BoolArray) -> None:
    """Give sensitivity and specificity among the cases that a source labelled."""
    cases = sought.mature.take(labelled)
    if sought.point is None:
        for metric in SIDES:
            place.refuse(metric, NO_POINT)
        return
    table = tabulate(cases, sought.point, sought.index_test, ITD)
    for metric in SIDES:
        among, right = share(table, metric)
        place.give(metric, clustered_proportion(right[among], cases.patient[among], sought.level))


def give_difference(place: Place, sought: Sought, verified: BoolArray) -> None:
    """Give the share verified of flagged cases less that of unflagged ones."""
    place.give("difference_verified", _difference(sought, verified))


def give_whole(place: Place, sought: Sought) -> None:
    """Say whether the naive figure may stand alone, and give what stands in for it if not.

    ``difference_labelled`` is that of the shares with a decided label; ``naive_is_headline`` is 1
    where :mod:`missing_labels` has nothing against it. Bounds and the figures of Begg and Greenes
    are of completed inferences.
    """
    decided = sought.mature.is_decided
    difference = _difference(sought, decided)
    place.give("difference_labelled", difference)
    if difference.value is None:
        for metric in ("naive_is_headline", *(f"{m}_{k}" for m in SIDES for k in _KINDS)):
            place.refuse(metric, NO_CALLS if sought.point else NO_POINT)
        return
    flagged, cleared = sought.calls == "positive", sought.calls == "negative"
    why = why_not_alone(decided, flagged, cleared, sought.adjudication)
    asked = sought.adjudication
    place.give(
        "naive_is_headline",
        float(why is None),
        method=code(
            "labelled_enough_and_alike",
            share=asked.labelled_minimum,
            tolerance=asked.verification_tolerance,
        ),
        notes="naive_is_headline" if why is None else coded(why, "bounds_are_headline"),
    )
    counts = _counts(sought)
    n, verified = sum(counts), sum(counts[:4])
    naive = (_share(counts.tp, counts.fn), _share(counts.tn, counts.fp))
    corrected = begg_greenes(counts, level=sought.level)
    for metric, value, bounds, estimate in zip(
        SIDES, naive, verification_bounds(counts), corrected, strict=True
    ):
        place.give(f"{metric}_bounds", _bounded(value, bounds, n, verified))
        needed = coded(None if why else "beside_headline", "if_labelled_by_call")
        notes = () if estimate.value is None else needed
        place.give(f"{metric}_begg_greenes", estimate, events=verified, notes=notes)


_KINDS: Final = ("bounds", "begg_greenes")


def _difference(sought: Sought, found: BoolArray) -> Estimate:
    """Share of flagged cases less that of cleared ones."""
    method = coded("difference_of_shares")
    masks = [sought.calls == call for call in ("positive", "negative")]
    if not all(mask.any() for mask in masks):
        n = sum(int(mask.sum()) for mask in masks)
        events = sum(int(found[mask].sum()) for mask in masks)
        reason = NO_CALLS if sought.point else NO_POINT
        return undefined(reason, method=coded(method, MOVER), n=n, events=events)
    made = difference(
        *(proportion_side(found[m], sought.mature.patient[m], sought.level) for m in masks)
    )
    return replace(made, method=coded(method, made.method))


def _counts(sought: Sought) -> VerifiedCounts:
    cases = sought.mature
    flagged, cleared = sought.calls == "positive", sought.calls == "negative"
    ill = cases.is_positive
    well = cases.is_decided & ~ill
    unlabelled = ~cases.is_decided
    pairs = (
        (flagged, ill),
        (flagged, well),
        (cleared, ill),
        (cleared, well),
        (flagged, unlabelled),
        (cleared, unlabelled),
    )
    return VerifiedCounts(*(int((call & label).sum()) for call, label in pairs))


def _bounded(value: float | None, bounds: FigureBounds, n: int, verified: int) -> Estimate:
    method = coded("worst_and_best_of_unlabelled", "completed_inferences")
    if value is None:
        return undefined("none_labelled_and_completed", method=method, n=n, events=verified)
    notes = coded("bounds_no_interval")
    return Estimate(value, bounds.worst, bounds.best, n, verified, method, notes=notes)


def _share(right: int, wrong: int) -> float | None:
    return right / (right + wrong) if right + wrong else None
