"""What a review of misses and false alarms found: how many were reviewed, by whom, and the cause.

What does not belong here: where errors lie (``error_attribution``), and what causes there are
(``core.error_causes``).
"""

from __future__ import annotations

import datetime
from typing import Final, Unpack

import polars as pl

from vpack_pipeline.core.error_causes import CAUSES, REVIEWERS
from vpack_pipeline.core.evaluation.analysis import Analysed, AnalysisSet, called
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import Evaluation, IndexTest
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray

MISS: Final = "miss"
FALSE_ALARM: Final = "false_alarm"
NO_ERROR: Final = "no_error"
NOT_REVIEWED: Final = Code("not_reviewed")
NO_SUCH_ERROR: Final = Code("no_such_error")
NOT_STATED: Final = Code("not_stated_by_review")
_SAID: Final = {"blinded": "blinded_review_share", "label_upheld": "label_upheld_share"}
"""What a review answers with yes or no, and its figure."""
_OF_REVIEWED: Final = {
    **{f"cause_{cause}": pl.col("cause") == cause for cause in CAUSES},
    **{f"reviewer_{role}": pl.col("reviewer_role") == role for role in REVIEWERS},
}
"""Shares of the reviewed errors, which make up all of them twice."""


def error_review(
    *,
    reviews: pl.DataFrame,
    index_test: IndexTest,
    evaluation: Evaluation,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Count misses and false alarms at each operating point, and what their review says.

    Of included, mature cases with a positive or negative label; a failed inference counts as the
    protocol says, so that the errors are those of the headline.

    Parameters
    ----------
    reviews : cohort/error_review; rows in force count

    Returns
    -------
    figures by finding, model, window, operating point and ``error_kind``. Shares describe what was
    reviewed, which nobody drew at random, and so have no interval. Under ``no_error`` stands
    how many decided cases were reviewed that are no error here. Without any review every row says
    ``not_reviewed``. The prospective window is withheld before the first look.
    """
    figures = WindowedFigures("evaluation/error_review", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    in_force = reviews.filter("in_force")
    for point in evaluation.operating_points:
        own = in_force.filter(pl.col("finding") == point.finding)
        for window in WINDOWS:
            mature = analysis.cases(point.finding, point.model, window)
            decided = mature.take(mature.is_decided & mature.is_usable.any())
            is_flagged = called(decided, point, index_test).is_flagged
            kinds = {
                MISS: decided.is_positive & ~is_flagged,
                FALSE_ALARM: ~decided.is_positive & is_flagged,
                NO_ERROR: decided.is_positive == is_flagged,
            }
            for kind, mask in kinds.items():
                place = figures.at(
                    finding=point.finding,
                    model_id=point.model,
                    window=window,
                    operating_point=point.name,
                    error_kind=kind,
                )
                found = own.filter(pl.col("case_id").is_in(_chosen(decided.case_id, mask)))
                if kind == NO_ERROR:
                    _give_apart(place, found, int(mask.sum()), any_review=in_force.height > 0)
                else:
                    _give(place, found, int(mask.sum()), any_review=in_force.height > 0)
    return figures.frame()


def _chosen(case_id: pl.Series, mask: BoolArray) -> list[str]:
    return case_id.filter(pl.Series(mask, dtype=pl.Boolean)).to_list()


def _give_apart(place: Place, found: pl.DataFrame, n: int, *, any_review: bool) -> None:
    if not any_review:
        place.refuse("n_reviewed", NOT_REVIEWED, n=n)
        return
    place.count("n_reviewed", found.height, n)


def _give(place: Place, found: pl.DataFrame, errors: int, *, any_review: bool) -> None:
    notes = () if any_review else (NOT_REVIEWED,)
    place.give("n_errors", errors, n=errors, events=errors, method="count", notes=notes)
    if any_review:
        place.count("n_reviewed", found.height, errors)
        _share(place, "reviewed_share", found.height, errors, NO_SUCH_ERROR)
    else:
        place.refuse("n_reviewed", NOT_REVIEWED, n=errors)
        place.refuse("reviewed_share", NOT_REVIEWED, n=errors)
    for metric, is_so in _OF_REVIEWED.items():
        _share(place, metric, found.filter(is_so).height, found.height, NOT_REVIEWED)
    for column, metric in _SAID.items():
        said = found.drop_nulls(column)
        why = NOT_STATED if found.height else NOT_REVIEWED
        _share(place, metric, said.filter(column).height, said.height, why)


def _share(place: Place, metric: str, events: int, n: int, why_none: Code) -> None:
    if n:
        place.give(metric, events / n, n=n, events=events, method="share")
    else:
        place.refuse(metric, why_none, n=0, events=0)
