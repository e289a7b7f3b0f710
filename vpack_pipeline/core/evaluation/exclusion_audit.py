"""What each eligibility rule does to the figures: the same with its cases back in.

Observed where score and label exist, bounded where they do not. What does not belong here: who is
excluded by which rule (``eligibility``), which rules describe people (``rule_groups``).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import (
    NEGATIVE,
    NO_INFERENCE,
    NO_POINT,
    POSITIVE,
    Analysed,
    AnalysisSet,
    CaseSet,
    called,
    intention_to_diagnose_score,
    is_wrong_anyhow,
    score_ends,
)
from vpack_pipeline.core.evaluation.bounds import auc_bounds, best_with_errors
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.performance import why_no_auc
from vpack_pipeline.core.evaluation.rule_groups import RuleGroups
from vpack_pipeline.core.levels import describe
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.variables import with_typed_covariates
from vpack_pipeline.core.windows import PROSPECTIVE, WINDOWS
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Eligibility,
    Endpoint,
    Evaluation,
    Finding,
    IndexTest,
    OperatingPoint,
    Representativeness,
    Sampling,
)
from vpack_pipeline.stats.auc_interval import auc_by_inversion
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray, FloatArray, IntArray
from vpack_pipeline.stats.proportions import clustered_proportion
from vpack_pipeline.stats.roc import ONE_CLASS

ALL_RULES: Final = "all rules"
"""Stands where a rule's id does, for the cases of every rule at once; no id holds a space."""
CLASSES: Final = {"sensitivity": POSITIVE, "specificity": NEGATIVE}
VARIANTS: Final = ("observed", "worst_case", "best_case")
_AUC_RANGE: Final = ("auc_worst_case", "auc_best_case")
NO_GOAL: Final = Code("no_goal_stated")
_OPEN: Final = frozenset({"n_removed", "n_removed_only"})
_LOST: Final = ("n_positives_lost", "n_negatives_lost", "n_undecided", "n_without_score")
_WITH_CASES: Final = (
    *_LOST,
    "mean_score_excluded",
    *(f"{metric}_{variant}" for metric in ("auc", *CLASSES) for variant in VARIANTS),
)
"""Figures of a rule's cases, or with them added back, beside the tipping points."""


def exclusion_audit(
    *,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    excluded: pl.DataFrame,
    levels: pl.DataFrame,
    eligibility: Eligibility,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    disclosure: Disclosure,
    sampling: Sampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the primary model's figures with each rule's cases back in.

    Without a rule only those cases come back that no other rule removes (``n_removed_only``); the
    row ``all rules`` brings back every one. Only mature cases are counted. ``*_observed`` adds the
    cases that have both score and label; ``*_worst_case`` and ``*_best_case`` add the others as
    well, set against and for the model, and so set the included cases without a decided label.
    ``tipping_point_*`` is the smallest number of added cases that are, or may be, of the class and
    would have to be called wrongly for an endpoint's goal no longer to be cleared; n is how many
    those are.

    A rule that reads a personal column describes the people whom it removed. Where they are too
    few, they are counted, as the participant flow counts them, and have no results. Where cases
    were not drawn alike, figures with the rule's cases are refused as ``sampling`` says, or, where
    they would be weighted, as not computed.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    included : eligibility/included
    excluded : eligibility/excluded; ``first_rule`` and ``all_rules``
    levels : representativeness/levels
    """
    figures = WindowedFigures(
        "evaluation/exclusion_audit",
        evaluation,
        cut,
        published_looks,
        open_metrics=_OPEN,
    )
    analysis = AnalysisSet(index_test=index_test, **analysed)
    cases = with_typed_covariates(cases, covariates)
    known = describe(
        levels, cases, included, representativeness, covariates, evaluation, disclosure
    )
    groups = RuleGroups.of(eligibility, covariates, disclosure, known)
    model_id = index_test.primary.id
    sampled = SampledCases(cases, sampling)
    for finding in findings:
        point = primary_point(evaluation, finding.name, model_id)
        for window in WINDOWS:
            at = (finding.name, model_id, window)
            base = analysis.cases(*at)
            out = _Removed(analysis.cases(*at, is_included=False), excluded)
            everyone = _Removed(analysis.cases(*at, is_included=False, is_mature=None), excluded)
            goals = _goals(evaluation, finding.name, window, point)
            audit = _Audit(
                base, index_test, point, goals, evaluation.interval.level, sampled, finding.name
            )
            n = base.n + out.cases.n
            for rule in (*(rule.id for rule in eligibility.rules), ALL_RULES):
                back = out.by_it_alone(rule)
                place = figures.at(
                    rule=rule, finding=finding.name, model_id=model_id, window=window
                )
                place.count("n_removed", out.first(rule), n)
                place.count("n_removed_only", back.n, n)
                # What is withheld until a look does not say how many there are.
                is_open = not figures.hides(window)
                reason = groups.reason(rule, everyone.by_it_alone(rule), back) if is_open else None
                audit.give(place, back, reason)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Removed:
    """Excluded cases of one finding and window, and which rules removed each."""

    cases: CaseSet
    excluded: pl.DataFrame

    def first(self, rule: str) -> int:
        """Count the cases of which a rule is the first that removed them."""
        if rule == ALL_RULES:
            return self.cases.n
        return int((self.cases.joined(self.excluded, "first_rule") == rule).sum())

    def by_it_alone(self, rule: str) -> CaseSet:
        """Take the cases that no other rule removes."""
        if rule == ALL_RULES:
            return self.cases
        return self.cases.take((self.cases.joined(self.excluded, "all_rules") == rule).to_numpy())


@dataclass(frozen=True, slots=True)
class _Goal:
    """What an endpoint asks of a proportion."""

    goal: float
    level: float


def _goals(
    evaluation: Evaluation,
    finding: str,
    window: str,
    point: OperatingPoint | None,
) -> dict[str, _Goal]:
    """The goal of each proportion at the primary operating point; a primary endpoint's first.

    After the lock it is held to the interval of a single look that spends all of alpha.
    """

    def applies(endpoint: Endpoint) -> bool:
        asked = (endpoint.finding, endpoint.window, endpoint.operating_point)
        name = None if point is None else point.name
        return asked == (finding, window, name) and endpoint.goal is not None

    level = 1 - 2 * evaluation.alpha if window == PROSPECTIVE else evaluation.interval.level
    ordered = sorted(evaluation.endpoints, key=lambda e: e.rank == "primary")
    return {e.metric: _Goal(e.goal or 0.0, level) for e in ordered if applies(e)}


@dataclass(frozen=True, slots=True)
class _Audit:
    """The included cases of one finding and window, to which a rule's cases are added."""

    base: CaseSet
    index_test: IndexTest
    point: OperatingPoint | None
    goals: Mapping[str, _Goal]
    level: float
    sampled: SampledCases
    finding: str

    def give(self, place: Place, back: CaseSet, reason: Code | None) -> None:
        self._give_score(place, "included", self.base)
        if reason is not None:
            self._refuse(place, reason)
            return
        lost = (back.label == POSITIVE, back.label == NEGATIVE, ~back.is_decided, ~back.is_usable)
        for metric, among in zip(_LOST, lost, strict=True):
            place.count(metric, int(among.sum()), back.n)
        self._give_score(place, "excluded", back)
        self._give_auc(place, back)
        for metric, code in CLASSES.items():
            if self.point is None or not self.base.is_usable.any():
                reason = NO_POINT if self.point is None else NO_INFERENCE
                for variant in VARIANTS:
                    place.refuse(f"{metric}_{variant}", reason, n=self.base.n)
                place.refuse(f"tipping_point_{metric}", reason, n=self.base.n)
                continue
            sides = self._sides(back, self.point, code)
            for variant, (right, patient) in sides.items():
                weighing = self._weigh(f"{metric}_{variant}", back)
                why_not = weighing.why_not(under_weights=False)
                if why_not is not None:
                    place.refuse(f"{metric}_{variant}", why_not, n=right.size)
                    continue
                estimate = clustered_proportion(right, patient, self.level)
                place.give(f"{metric}_{variant}", weighing.said_of(estimate))
            self._give_tipping_point(place, back, metric, code)

    def _weigh(self, metric: str, back: CaseSet) -> Weighing:
        """Say how cases count with the rule's back in, by the way in which they were drawn."""
        if self.sampled.are_all_alike:
            return Weighing(None)
        cases = self.base.with_others(back)
        is_observed = metric.endswith("_observed")
        return self.sampled.weigh(
            condition_of("auc_observed" if cases.is_decided.all() else metric),
            self.finding,
            cases.case_id,
            cases.is_decided if is_observed else None,
            (cases.is_positive, np.asarray(cases.label == NEGATIVE)),
        )

    def _refuse(self, place: Place, reason: Code) -> None:
        """Give no figure with the rule's cases; that a goal is lacking needs none."""
        for metric in _WITH_CASES:
            place.refuse(metric, reason)
        for metric in CLASSES:
            has_goal = metric in self.goals and self.point is not None
            place.refuse(f"tipping_point_{metric}", reason if has_goal else NO_GOAL)

    def _give_score(self, place: Place, name: str, cases: CaseSet) -> None:
        scored = cases.is_usable & np.isfinite(cases.score)
        metric, n = f"mean_score_{name}", int(scored.sum())
        weighing = self.sampled.weigh(
            condition_of(metric), self.finding, cases.case_id, scored, (scored,)
        )
        why_not = weighing.why_not(under_weights=False)
        if why_not is not None:
            place.refuse(metric, why_not, n=n)
            return
        value = float(cases.score[scored].mean()) if n else None
        how = {"method": "mean_suspicion", "reason": "no_score", "notes": weighing.notes}
        place.give(metric, value, n=n, **how)

    def _sides(
        self, back: CaseSet, point: OperatingPoint, code: int
    ) -> dict[str, tuple[BoolArray, IntArray]]:
        """Right or wrong, and patient, of the cases of a class, with the rule's cases back in."""
        base_right = _right(self.base, point, self.index_test, code)
        in_base, base_open = self.base.label == code, ~self.base.is_decided
        base_parts = {
            "observed": (in_base, base_right),
            "worst_case": (in_base | (base_open & ~base_right), base_right),
            "best_case": (in_base | (base_open & base_right), base_right),
        }
        right = _right(back, point, self.index_test, code)
        in_class, usable, open_label = back.label == code, back.is_usable, ~back.is_decided
        against = open_label & ~(usable & right)
        in_favour = open_label & ~(usable & ~right)
        parts = {
            "observed": (in_class & usable, right),
            "worst_case": (in_class | against, right & usable & in_class),
            "best_case": (in_class | in_favour, right | ~usable | open_label),
        }
        return {
            name: (
                np.concatenate([base_values[base_among], values[among]]),
                np.concatenate([self.base.patient[base_among], back.patient[among]]),
            )
            for (name, (among, values)), (base_among, base_values) in zip(
                parts.items(), base_parts.values(), strict=True
            )
        }

    def _give_auc(self, place: Place, back: CaseSet) -> None:
        n = self.base.n + back.n
        without = why_no_auc(self.base, self.index_test)
        weighed = {f"auc_{variant}": self._weigh(f"auc_{variant}", back) for variant in VARIANTS}
        for metric, weighing in weighed.items():
            reason = without or weighing.why_not(under_weights=False)
            if reason is not None:
                place.refuse(metric, reason, n=n)
                weighed = {m: w for m, w in weighed.items() if m != metric}
        if not weighed:
            return
        decided = self.base.is_decided
        base = self.base.take(decided)
        base_score = intention_to_diagnose_score(self.base, self.index_test)
        is_wrong = is_wrong_anyhow(self.base, self.index_test)
        seen = back.take(back.is_decided & back.is_usable)
        score = np.concatenate([intention_to_diagnose_score(base, self.index_test), seen.score])
        known = np.concatenate([base_score[decided], seen.score])
        positive = np.concatenate([base.is_positive, seen.is_positive])
        patient = np.concatenate([base.patient, seen.patient])
        if "auc_observed" in weighed:
            observed = auc_by_inversion(score, positive, patient, self.level)
            place.give("auc_observed", weighed["auc_observed"].said_of(observed))
        still_open = _Open(
            base_score[~decided & ~is_wrong],
            int(is_wrong.sum()),
            score_ends(self.base, self.index_test),
        )
        found = _auc_range(known, positive, back, still_open)
        for metric, value in zip(_AUC_RANGE, found, strict=True):
            if metric not in weighed:
                continue
            place.give(
                metric,
                value,
                n=n,
                events=back.n - seen.n + int((~decided).sum()),
                method="all_labels_and_scores_tried",
                reason=ONE_CLASS,
                notes=weighed[metric].notes,
            )

    def _give_tipping_point(self, place: Place, back: CaseSet, metric: str, code: int) -> None:
        name = f"tipping_point_{metric}"
        among = (back.label == code) | ~back.is_decided
        m = int(among.sum())
        asked = self.goals.get(metric)
        if asked is None or self.point is None:
            place.refuse(name, NO_GOAL, n=m)
            return
        why_not = self._weigh(name, back).why_not(under_weights=False)
        if why_not is not None:
            place.refuse(name, why_not, n=m)
            return
        in_base = self.base.label == code
        base_right = _right(self.base, self.point, self.index_test, code)[in_base]
        patient = np.concatenate([self.base.patient[in_base], back.patient[among]])

        def clears(n_wrong: int) -> bool:
            right = np.concatenate([base_right, np.arange(m) >= n_wrong])
            lower = clustered_proportion(right, patient, asked.level).lower
            return lower is not None and lower > asked.goal

        if not clears(0):
            place.refuse(name, "goal_never_cleared", n=m)
        elif clears(m):
            place.refuse(name, "goal_always_cleared", n=m)
        else:
            found = _first_failure(clears, m)
            place.give(name, found, n=m, method="goal_against_lower_bound")


def _right(cases: CaseSet, point: OperatingPoint, index_test: IndexTest, code: int) -> BoolArray:
    made = called(cases, point, index_test)
    return (made.is_flagged if code == POSITIVE else ~made.is_flagged) & ~made.is_wrong


@dataclass(frozen=True, slots=True)
class _Open:
    """Included cases without a decided label: their scores, how many are errors whatever it is, and
    the ends of the scale."""

    score: FloatArray
    n_errors: int
    ends: tuple[float, float]


def _auc_range(
    score: FloatArray, positive: BoolArray, back: CaseSet, base: _Open
) -> tuple[float | None, float | None]:
    """Worst and best AUC: labelled cases without a score go to the end that hurts, or helps."""
    unscored = back.take(back.is_decided & ~back.is_usable)
    unlabelled = np.concatenate([base.score, back.score[~back.is_decided & back.is_usable]])
    n_free = int((~back.is_decided & ~back.is_usable).sum())

    def with_ends(sign: float) -> tuple[FloatArray, BoolArray]:
        ends = np.where(unscored.is_positive, sign, -sign) * np.inf
        labels = np.concatenate([positive, unscored.is_positive])
        return np.concatenate([score, ends]), labels

    worst = auc_bounds(*with_ends(-1.0), unlabelled, n_free + base.n_errors).worst
    if base.n_errors == 0:
        return worst, auc_bounds(*with_ends(1.0), unlabelled, n_free).best
    # A free case that helps lies at the end that its label asks for: every number is tried.
    best = []
    for k in range(n_free + 1):
        classes = np.arange(n_free) < k
        scores, labels = with_ends(1.0)
        made = best_with_errors(
            np.concatenate([scores, np.where(classes, np.inf, -np.inf)]),
            np.concatenate([labels, classes]),
            unlabelled,
            base.n_errors,
            base.ends,
        )
        best += [] if made is None else [made]
    return worst, max(best, default=None)


def _first_failure(clears: Callable[[int], bool], m: int) -> int:
    """Find the smallest number of errors that does not clear, between 0 (clears) and m (not)."""
    low, high = 0, m
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if clears(middle) else (low, middle)
    return high
