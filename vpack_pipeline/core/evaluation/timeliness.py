"""How soon the index test answered, and how soon somebody looked: flagged against cleared cases.

No label is read, so nothing is withheld. What does not belong here: whether times are in the order
that the study claims (``integrity``).
"""

from __future__ import annotations

import datetime
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import Condition, condition_of
from vpack_pipeline.core.calls import calls_at
from vpack_pipeline.core.evaluation.analysis import Analysed, AnalysisSet, CaseSet
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import AnySampling, Disclosure, Evaluation, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray
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
    cases: pl.DataFrame,
    operations: pl.DataFrame,
    case_studies: pl.DataFrame,
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    disclosure: Disclosure,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the times from images to output to a reader's eyes, by call at each operating point.

    Of all included cases, mature or not. ``call_kind`` is the call of the completed inference:
    ``positive`` and ``negative`` at the operating point, ``none`` where there is none, and ``all``.
    A case is opened when the first of its index studies is.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    operations : cohort/operations; ``opened_at`` of the studies in force
    case_studies : cohort/case_studies; index studies in force count

    Returns
    -------
    figures by finding, model, window, operating point and call. Spans are in seconds, the median
    and 90th percentile of cases that have both times; a case that was never opened has no time
    until then, and stands in ``never_opened_share`` alone. Where no case of the window has both
    times, or no time of opening was delivered at all, the figure is refused; so is a quantile of
    fewer patients than the smallest group, since it is the time of one of them; and so are spans
    until the opening where half the cases were opened before the index test received them, since
    it was run after the fact. Where cases were not drawn alike, shares are weighted or refused as
    ``sampling`` says, and times are not computed under weights.
    """
    figures = WindowedFigures("evaluation/timeliness", evaluation, cut, open_metrics=_OPEN)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    opened = _opened(operations, case_studies)
    sampled = SampledCases(cases, sampling, evaluation)
    for point in evaluation.operating_points:
        times = _times(analysed["inferences"], point, opened)
        for window in WINDOWS:
            everyone = analysis.cases(point.finding, point.model, window, is_mature=None)
            of_call = _of_call(everyone, point, index_test)
            for call in (ALL, *CALLS):
                place = figures.at(
                    finding=point.finding,
                    model_id=point.model,
                    window=window,
                    operating_point=point.name,
                    call_kind=call,
                )
                own = everyone.take(of_call[call])
                place.count("n_cases", own.n, everyone.n)
                weighing = _weigh(sampled, point.finding, call, own)
                timed = _Timed(own, weighing, times, disclosure.smallest_group)
                timed.give_spans(place, evaluation.interval.level)
                timed.give_shares(place, evaluation.interval.level)
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


def _weigh(sampled: SampledCases, finding: str, call: str, own: CaseSet) -> Weighing:
    """Say how the cases of a call count: what is of one call is conditional on the score."""
    is_of_score = call in ("positive", "negative")
    condition: Condition = "score" if is_of_score else condition_of("never_opened_share")
    return sampled.weigh(condition, finding, own.case_id, groups=(np.ones(own.n, dtype=np.bool_),))


class _Timed:
    """Cases of one call with their times, and how they count."""

    def __init__(
        self, cases: CaseSet, weighing: Weighing, times: pl.DataFrame, smallest: int
    ) -> None:
        self._n, self._weighing, self._smallest = cases.n, weighing, smallest
        self._known = pl.DataFrame({"case_id": cases.case_id, "patient": cases.patient}).join(
            times, on="case_id", how="left", maintain_order="left"
        )

    def give_spans(self, place: Place, level: float) -> None:
        why_not = self._weighing.why_not(under_weights=False)
        is_late = _is_run_after_opening(self._known)
        for span, times_of in SPANS.items():
            both = self._known.drop_nulls(times_of)
            for name, share in QUANTILES.items():
                metric = f"{span}_{name}"
                if not both.height:
                    place.refuse(metric, self._why_none, n=0)
                elif both["patient"].n_unique() < self._smallest:
                    place.refuse(metric, code("few_patients_for_quantile", fewest=self._smallest))
                elif why_not is not None:
                    place.refuse(metric, why_not)
                elif is_late and "opened_at" in times_of:
                    place.refuse(metric, RUN_AFTER_OPENING, n=both.height)
                else:
                    seconds, patient = _seconds(both, *times_of), both["patient"].to_numpy()
                    found = quantile_by_patient(seconds, patient, share, level)
                    self._give(place, metric, self._weighing.said_of(found))

    def give_shares(self, place: Place, level: float) -> None:
        watched = pl.col("is_watched").fill_null(value=False)
        has_both = pl.col("opened_at").is_not_null() & pl.col("produced_at").is_not_null()
        shares = {
            "never_opened_share": (watched, pl.col("opened_at").is_null()),
            "opened_before_output_share": (
                watched & has_both,
                pl.col("opened_at") < pl.col("produced_at"),
            ),
        }
        patient = self._known["patient"].to_numpy()
        for metric, masks in shares.items():
            among, held = (
                self._known.select(mask.fill_null(value=False).alias("is_so"))["is_so"].to_numpy()
                for mask in masks
            )
            if not among.any():
                place.refuse(metric, self._why_none, n=0, events=0)
                continue
            found = self._weighing.share(held, among, patient, level)
            self._give(place, metric, found.estimate)

    @property
    def _why_none(self) -> Code:
        return NOT_DELIVERED if self._n else NO_CASE

    def _give(self, place: Place, metric: str, found: Estimate) -> None:
        place.give(metric, found, notes=LEFT_OUT if found.n < self._n else None)


def _is_run_after_opening(known: pl.DataFrame) -> bool:
    """Whether half the cases or more had been opened when the index test received them."""
    both = known.drop_nulls(["received_at", "opened_at"])
    return bool(both.height) and bool((both["opened_at"] < both["received_at"]).mean() >= 0.5)  # type: ignore[operator]


def _seconds(both: pl.DataFrame, begin: str, end: str) -> FloatArray:
    micro: FloatArray = (
        (both[end] - both[begin]).dt.total_microseconds().cast(pl.Float64).to_numpy()
    )
    return micro / 1e6
