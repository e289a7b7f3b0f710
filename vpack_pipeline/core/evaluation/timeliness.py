"""How soon the index test answered, and how soon somebody looked: flagged against cleared cases.

No label is read, so nothing is withheld. What does not belong here: whether times are in the order
that the study claims (``integrity``).
"""

from __future__ import annotations

import datetime
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.calls import calls_at
from vpack_pipeline.core.evaluation.analysis import Analysed, AnalysisSet, CaseSet
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import Evaluation, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import BoolArray, FloatArray
from vpack_pipeline.stats.proportions import clustered_proportion
from vpack_pipeline.stats.quantiles import quantile_by_patient

ALL: Final = "all"
CALLS: Final = ("positive", "negative", "none")
SPANS: Final = {
    "received_to_produced": ("received_at", "produced_at"),
    "produced_to_opened": ("produced_at", "opened_at"),
    "received_to_opened": ("received_at", "opened_at"),
}
"""Span → the times at which it begins and ends."""
QUANTILES: Final = {"median": 0.5, "p90": 0.9}
NOT_DELIVERED: Final = Code("not_delivered")
NO_CASE: Final = Code("no_case_of_call")
RUN_AFTER_OPENING: Final = Code("run_after_opening")
LEFT_OUT: Final = Code("cases_without_times_left_out")
_OPEN: Final = frozenset(
    {
        "n_cases",
        "never_opened_share",
        "opened_before_output_share",
        *(f"{span}_{name}" for span in SPANS for name in QUANTILES),
    }
)


def timeliness(
    *,
    operations: pl.DataFrame,
    case_studies: pl.DataFrame,
    index_test: IndexTest,
    evaluation: Evaluation,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the times from images to output to a reader's eyes, by call at each operating point.

    Of all included cases, mature or not. ``call_kind`` is the call of the completed inference:
    ``positive`` and ``negative`` at the operating point, ``none`` where there is none, and ``all``.
    A case is opened when the first of its index studies is.

    Parameters
    ----------
    operations : cohort/operations; ``opened_at`` of the studies in force
    case_studies : cohort/case_studies; index studies in force count

    Returns
    -------
    figures by finding, model, window, operating point and call. Spans are in seconds, the median
    and 90th percentile of cases that have both times; a case that was never opened has no time
    until then, and stands in ``never_opened_share`` alone. Where no case of the window has both
    times, or no time of opening was delivered at all, the figure is refused; and so are spans until
    the opening where half the cases were opened before the index test received them, since it was
    run after the fact.
    """
    figures = WindowedFigures("evaluation/timeliness", evaluation, cut, open_metrics=_OPEN)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    opened = _opened(operations, case_studies)
    for point in evaluation.operating_points:
        times = _times(analysed["inferences"], point, opened)
        for window in WINDOWS:
            cases = analysis.cases(point.finding, point.model, window, is_mature=None)
            of_call = _of_call(cases, point, index_test)
            for call in (ALL, *CALLS):
                place = figures.at(
                    finding=point.finding,
                    model_id=point.model,
                    window=window,
                    operating_point=point.name,
                    call_kind=call,
                )
                _give(place, cases.take(of_call[call]), cases.n, times, evaluation.interval.level)
    return figures.frame()


def _opened(operations: pl.DataFrame, case_studies: pl.DataFrame) -> pl.DataFrame:
    """When each case was first opened; ``is_watched`` where that would have been delivered."""
    rows = operations.filter("in_force").select("study_id", "opened_at")
    index = case_studies.filter(pl.col("in_force") & (pl.col("role") == "index"))
    is_delivered = rows["opened_at"].is_not_null().any()
    return (
        index.select("case_id", "study_id")
        .join(rows, on="study_id")
        .group_by("case_id")
        .agg(pl.col("opened_at").min())
        .with_columns(pl.lit(is_delivered).alias("is_watched"))
    )


def _times(inferences: pl.DataFrame, point: OperatingPoint, opened: pl.DataFrame) -> pl.DataFrame:
    """The three times of each case: of the attempt that counts, and of its opening."""
    own = inferences.filter(
        (pl.col("finding") == point.finding) & (pl.col("model_id") == point.model)
    )
    return own.select("case_id", "received_at", "produced_at").join(
        opened, on="case_id", how="left"
    )


def _of_call(cases: CaseSet, point: OperatingPoint, index_test: IndexTest) -> dict[str, BoolArray]:
    call = calls_at(point, cases.score, cases.call.astype(np.float64), index_test)
    flagged, cleared = (cases.is_usable & (call == said) for said in (1, 0))
    masks = (np.ones(cases.n, dtype=np.bool_), flagged, cleared, ~(flagged | cleared))
    return dict(zip((ALL, *CALLS), masks, strict=True))


def _give(place: Place, cases: CaseSet, n_all: int, times: pl.DataFrame, level: float) -> None:
    place.count("n_cases", cases.n, n_all)
    known = pl.DataFrame({"case_id": cases.case_id, "patient": cases.patient}).join(
        times, on="case_id", how="left", maintain_order="left"
    )
    is_late = _is_run_after_opening(known)
    for span, times_of in SPANS.items():
        both = known.drop_nulls(times_of)
        for name, share in QUANTILES.items():
            metric = f"{span}_{name}"
            if not both.height:
                place.refuse(metric, NOT_DELIVERED if cases.n else NO_CASE, n=0)
            elif is_late and "opened_at" in times_of:
                place.refuse(metric, RUN_AFTER_OPENING, n=both.height)
            else:
                patient = both["patient"].to_numpy()
                estimate = quantile_by_patient(_seconds(both, *times_of), patient, share, level)
                notes = LEFT_OUT if both.height < cases.n else None
                place.give(metric, estimate, notes=coded(notes))
    watched = known.filter(pl.col("is_watched"))
    shares = {
        "never_opened_share": (watched, pl.col("opened_at").is_null()),
        "opened_before_output_share": (
            watched.drop_nulls(["opened_at", "produced_at"]),
            pl.col("opened_at") < pl.col("produced_at"),
        ),
    }
    for metric, (among, is_so) in shares.items():
        if not among.height:
            place.refuse(metric, NOT_DELIVERED if cases.n else NO_CASE, n=0, events=0)
            continue
        held = among.select(is_so.alias("held"))["held"].to_numpy()
        estimate = clustered_proportion(held, among["patient"].to_numpy(), level)
        notes = LEFT_OUT if among.height < cases.n else None
        place.give(metric, estimate, notes=coded(notes))


def _is_run_after_opening(known: pl.DataFrame) -> bool:
    """Whether half the cases or more had been opened when the index test received them."""
    both = known.drop_nulls(["received_at", "opened_at"])
    return bool(both.height) and bool((both["opened_at"] < both["received_at"]).mean() >= 0.5)  # type: ignore[operator]


def _seconds(both: pl.DataFrame, begin: str, end: str) -> FloatArray:
    micro: FloatArray = (
        (both[end] - both[begin]).dt.total_microseconds().cast(pl.Float64).to_numpy()
    )
    return micro / 1e6
