"""The primary model from period to period, with what happened meanwhile, and a test of time.

Periods are calendar months, merged until each can stand for itself. What does not belong here: the
two windows as wholes (``comparison``), and what a change is made of (``change``).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Unpack

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import (
    NO_INFERENCE,
    NO_POINT,
    Analysed,
    AnalysisSet,
    CaseSet,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import ITD, share, share_side, tabulate, weigh
from vpack_pipeline.core.evaluation.strata import Parting, acquired, codes_of, levels_of, planned
from vpack_pipeline.core.levels import describe
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.variables import with_typed_covariates
from vpack_pipeline.core.windows import PROSPECTIVE, WINDOWS
from vpack_pipeline.protocol import (
    AnySampling,
    Covariate,
    Disclosure,
    Evaluation,
    Finding,
    IndexTest,
    OperatingPoint,
    Representativeness,
)
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import BoolArray, IntArray
from vpack_pipeline.stats.trend import odds_ratio_per_quarter

FEWEST_POSITIVES: Final = 30
"""The fewest positives of a period that stands for itself."""
ALL: Final = "all"
LOCK: Final = "lock"
_SHARES: Final = ("sensitivity", "specificity")
_RESULTS: Final = ("n_positive", "n_negative", *_SHARES, "flagged_share", "mean_score")
_TESTS: Final = (
    "trend_odds_ratio_",
    "trend_p_",
    "trend_odds_ratio_adjusted_",
    "trend_p_adjusted_",
)
_OPEN: Final = frozenset(
    {
        "n_cases",
        "n_patients",
        "failure_share",
        "case_share",
        "cases_of_new_level",
        "cases_of_last_level",
        "cases_since_lock",
    }
)


def trend(
    *,
    cases: pl.DataFrame,
    printed_words: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    disclosure: Disclosure,
    levels: pl.DataFrame,
    included: pl.DataFrame,
    sampling: AnySampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the primary model's figures by period, events beside them, and a test of time.

    A period is one calendar month or several in a row of one window: merged until it has 30
    positives and the smallest group of patients. Where the window is still withheld, it is one
    period, since labels would decide its ends. Under the period ``all`` stands the odds ratio of a
    right call a quarter later, from the lock on, as it is and adjusted for the planned variables.
    Events are rows too: the cases of a level of a device in the first period in which it is seen
    (``cases_of_new_level``) and in the last, and the cases since the lock in the period that it
    lies in. Where cases were not drawn alike, figures are weighted or refused as ``sampling`` says;
    the odds ratio, the mean score and shares of devices are not computed under weights.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    printed_words : cohort/printed_words
    levels : representativeness/levels
    included : eligibility/included
    """
    figures = WindowedFigures(
        "evaluation/trend", evaluation, cut, published_looks, open_metrics=_OPEN
    )
    analysis = AnalysisSet(index_test=index_test, **analysed)
    cases = with_typed_covariates(cases, covariates)
    known = describe(
        levels, cases, included, representativeness, covariates, evaluation, disclosure
    )
    plan = planned(cases, evaluation, representativeness, covariates, known)
    headers = acquired(cases, printed_words, included, representativeness, covariates, disclosure)
    devices = [p for p in (*plan, *headers) if p.device is not None]
    dates = cases.select("case_id", "index_date")
    sampled = SampledCases(cases, sampling, evaluation)
    for finding in findings:
        study = _Study(
            figures,
            sampled,
            index_test,
            evaluation,
            primary_point(evaluation, finding.name, index_test.primary.id),
            finding.name,
            disclosure.smallest_group,
        )
        timed = [
            study.timed(analysis.cases(finding.name, index_test.primary.id, window), window, dates)
            for window in WINDOWS
        ]
        periods = [period for one in timed for period in study.periods(one)]
        for period in periods:
            study.give(period)
        for device in devices:
            study.give_device(periods, device)
        study.give_lock(periods)
        study.give_tests(timed[-1], plan)
    return figures.frame()


class _Timed(NamedTuple):
    """Mature cases of one window, with the day and the calendar month of each."""

    window: str
    cases: CaseSet
    day: npt.NDArray[np.datetime64]
    month: IntArray


class _Period(NamedTuple):
    """One period of a window: its name, its cases, and why it has no figures."""

    window: str
    name: str
    cases: CaseSet
    day: npt.NDArray[np.datetime64]
    reason: Code | None


def merged_months(
    month: IntArray, is_positive: BoolArray, patient: IntArray, *, positives: int, patients: int
) -> list[tuple[int, int]]:
    """Merge calendar months until each period has enough positives and patients.

    Parameters
    ----------
    month, is_positive, patient : (n,) of each case; months are whole numbers that count on

    Returns
    -------
    first and last month of each period, in order, without a gap; what is left at the end joins the
    last. One period, which may have too few, where there is no more
    """
    if not month.size:
        return []
    found: list[tuple[int, int]] = []
    start, last = int(month.min()), int(month.max())
    for end in range(start, last + 1):
        inside = (month >= start) & (month <= end)
        enough = int(is_positive[inside].sum()) >= positives
        if enough and np.unique(patient[inside]).size >= patients:
            found.append((start, end))
            start = end + 1
    if not found:
        return [(start, last)]
    if start <= last:
        found[-1] = (found[-1][0], last)
    return found


def _named(first: int, last: int) -> str:
    """Write a period by its months: 2025-03, or 2025-03–2025-05."""
    ends = [f"{m // 12:04d}-{m % 12 + 1:02d}" for m in (first, last)]
    return ends[0] if first == last else "–".join(ends)


@dataclass(frozen=True, slots=True)
class _Study:
    """One finding of the primary model."""

    figures: WindowedFigures
    sampled: SampledCases
    index_test: IndexTest
    evaluation: Evaluation
    point: OperatingPoint | None
    finding: str
    smallest: int

    def at(self, window: str, period: str, kind: str = ALL, stratum: str = ALL) -> Place:
        return self.figures.at(
            finding=self.finding,
            model_id=self.index_test.primary.id,
            window=window,
            period=period,
            stratum_kind=kind,
            stratum=stratum,
        )

    def timed(self, mature: CaseSet, window: str, dates: pl.DataFrame) -> _Timed:
        date = mature.joined(dates, "index_date")
        month = (date.dt.year().cast(pl.Int64) * 12 + date.dt.month().cast(pl.Int64) - 1).to_numpy()
        return _Timed(window, mature, date.to_numpy(), month)

    def periods(self, timed: _Timed) -> Iterator[_Period]:
        """Part a window's cases into periods."""
        window, cases, day, month = timed
        # Before a look labels decide nothing that is shown, the ends of periods included.
        shut = self.figures.hides(window)
        ends = [(int(month.min()), int(month.max()))] if shut and cases.n else []
        if not shut:
            ends = merged_months(
                month,
                cases.is_positive,
                cases.patient,
                positives=FEWEST_POSITIVES,
                patients=self.smallest,
            )
        for first, last in ends:
            inside = (month >= first) & (month <= last)
            own = cases.take(inside)
            few = own.n_patients < self.smallest
            reason = code("set_too_small", fewest=self.smallest) if few else None
            yield _Period(window, _named(first, last), own, day[inside], reason)

    def give(self, period: _Period) -> None:
        """Give the counts and figures of one period."""
        place, cases = self.at(period.window, period.name), period.cases
        if period.reason is not None:
            for metric in ("n_cases", "n_patients", *_RESULTS, "failure_share"):
                place.refuse(metric, period.reason)
            return
        level = self.evaluation.interval.level
        place.count("n_cases", cases.n, cases.n)
        place.count("n_patients", cases.n_patients, cases.n)
        place.count("n_positive", int(cases.is_positive.sum()), cases.n)
        place.count("n_negative", int((cases.is_decided & ~cases.is_positive).sum()), cases.n)
        self._give_share(place, "failure_share", ~cases.is_usable, cases)
        self._give_calls(place, cases, level)
        self._give_score(place, cases)

    def _give_calls(self, place: Place, cases: CaseSet, level: float) -> None:
        lacking = NO_POINT if self.point is None else None
        if not cases.is_usable.any():
            lacking = NO_INFERENCE
        if self.point is None or lacking is not None:
            for metric in (*_SHARES, "flagged_share"):
                place.refuse(metric, lacking or NO_POINT, n=cases.n)
            return
        table = tabulate(cases, self.point, self.index_test, ITD)
        for metric in _SHARES:
            weighing = weigh(table, metric, self.sampled, self.finding)
            place.give(metric, share_side(table, metric, weighing, level).estimate)
        self._give_share(place, "flagged_share", table.is_flagged, cases)

    def _give_share(self, place: Place, metric: str, success: BoolArray, cases: CaseSet) -> None:
        everyone = np.ones(cases.n, dtype=np.bool_)
        level = self.evaluation.interval.level
        found = self._weigh(metric, cases, everyone).share(success, everyone, cases.patient, level)
        place.give(metric, found.estimate)

    def _weigh(self, metric: str, cases: CaseSet, among: BoolArray) -> Weighing:
        return self.sampled.weigh(
            condition_of(metric), self.finding, cases.case_id, among, (among,)
        )

    def _give_score(self, place: Place, cases: CaseSet) -> None:
        used = cases.score[cases.is_usable]
        has_score = self.index_test.output.kind != "binary"
        mean = float(used.mean()) if used.size and has_score else None
        reason = NO_INFERENCE if has_score else Code("no_score")
        weighing = self._weigh("mean_score", cases, cases.is_usable)
        why_not = weighing.why_not(under_weights=False)
        if mean is not None and why_not is not None:
            place.refuse("mean_score", why_not)
            return
        how = {"method": "mean_suspicion", "reason": reason, "notes": weighing.notes}
        place.give("mean_score", mean, n=int(used.size), **how)

    def give_device(self, periods: Sequence[_Period], device: Parting) -> None:
        """Give each level's share of a period's cases, and when it is first and last seen."""
        level_of = levels_of([p.cases for p in periods], device.level_of)
        for level in device.levels:
            counts = [int((own == level).sum()) for own in level_of]
            seen = [i for i, count in enumerate(counts) if count]
            for i, period in enumerate(periods):
                place = self.at(period.window, period.name, device.name, level)
                if period.reason is not None:
                    place.refuse("case_share", period.reason)
                    continue
                n = period.cases.n
                self._give_case_share(place, counts[i], period.cases)
                if seen and i == seen[0] and i > 0:
                    place.count("cases_of_new_level", counts[i], n)
                if seen and i == seen[-1] and i < len(periods) - 1:
                    place.count("cases_of_last_level", counts[i], n)

    def _give_case_share(self, place: Place, events: int, cases: CaseSet) -> None:
        weighing = self._weigh("case_share", cases, np.ones(cases.n, dtype=np.bool_))
        why_not = weighing.why_not(under_weights=False)
        if why_not is not None:
            place.refuse("case_share", why_not)
            return
        how = {"method": "share", "notes": weighing.notes}
        place.give("case_share", events / cases.n, n=cases.n, events=events, **how)

    def give_lock(self, periods: Sequence[_Period]) -> None:
        """Say in which period the primary model was locked."""
        model = self.index_test.primary
        lock = np.datetime64(model.locked_at.date())
        for period in periods:
            since = int((period.day >= lock).sum())
            if since and period.reason is None:
                place = self.at(period.window, period.name, LOCK, model.id)
                place.count("cases_since_lock", since, period.cases.n)
                return

    def give_tests(self, timed: _Timed, plan: Sequence[Parting]) -> None:
        """Ask whether right calls became more or less frequent from the lock on."""
        place = self.at(PROSPECTIVE, ALL)
        cases = timed.cases
        lacking = NO_POINT if self.point is None else None
        if not cases.is_usable.any():
            lacking = NO_INFERENCE
        if self.point is None or lacking is not None or self.figures.hides(PROSPECTIVE):
            for name in (f"{stem}{metric}" for stem in _TESTS for metric in _SHARES):
                place.refuse(name, lacking or NO_POINT, n=cases.n)
            return
        since = timed.day >= np.datetime64(self.index_test.primary.locked_at.date())
        table = tabulate(cases, self.point, self.index_test, ITD)
        mix = [codes_of(cases, parting) for parting in plan]
        for metric in _SHARES:
            among, right = share(table, metric)
            used = among & since
            weighing = weigh(table, metric, self.sampled, self.finding)
            why_not = weighing.why_not(under_weights=False)
            if why_not is not None:
                for stem in _TESTS:
                    place.refuse(f"{stem}{metric}", why_not)
                continue
            for suffix, adjusted in (("", []), ("adjusted_", mix)):
                ratio, p = odds_ratio_per_quarter(
                    right[used],
                    timed.month[used],
                    cases.patient[used],
                    [codes[used] for codes in adjusted],
                    self.evaluation.interval.level,
                )
                place.give(f"trend_odds_ratio_{suffix}{metric}", weighing.said_of(ratio))
                place.give(
                    f"trend_p_{suffix}{metric}",
                    p,
                    n=ratio.n,
                    events=ratio.events,
                    method=ratio.method,
                    reason=ratio.reason,
                    notes=weighing.notes if p is not None else (),
                )
