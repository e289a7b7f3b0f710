"""What each eligibility rule does to the figures: the same with its cases back in.

Observed where score and label exist, bounded where they do not. What does not belong here: who is
excluded by which rule (``eligibility``), which rules describe people (``rule_groups``).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
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
from vpack_pipeline.core.evaluation.excluded_cases import ALL_RULES, ExcludedCases
from vpack_pipeline.core.evaluation.exclusion_auc import OpenCases, auc_range
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.performance import why_no_auc
from vpack_pipeline.core.evaluation.rule_groups import RuleGroups
from vpack_pipeline.core.evaluation.tipping_point import Goal, goals_of, tipping_point
from vpack_pipeline.core.levels import describe
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.variables import with_typed_covariates
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import (
    AnySampling,
    Covariate,
    Disclosure,
    Eligibility,
    Evaluation,
    Finding,
    IndexTest,
    OperatingPoint,
    Representativeness,
)
from vpack_pipeline.stats.auc_interval import auc_by_inversion
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray, IntArray
from vpack_pipeline.stats.proportions import clustered_proportion
from vpack_pipeline.stats.roc import ONE_CLASS

CLASSES: Final = {"sensitivity": POSITIVE, "specificity": NEGATIVE}
VARIANTS: Final = ("observed", "worst_case", "best_case")
_AUC_RANGE: Final = ("auc_worst_case", "auc_best_case")
NO_GOAL: Final = Code("no_goal_stated")
_MARGINAL: Final = "n_removed_marginal"
_OPEN: Final = frozenset({"n_removed", _MARGINAL, "n_removed_only"})
_ERRORS: Final = {
    "sensitivity": "missed_share_included",
    "specificity": "false_alarm_share_included",
}
"""What stands beside a tipping point: the share of errors among the included cases of the class."""
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
    sampling: AnySampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the primary model's figures with each rule's cases back in.

    Without a rule only those cases come back that no other rule removes (``n_removed_only``); the
    row ``all rules`` brings back every one. ``n_removed`` counts rules in their order, and
    ``n_removed_marginal`` each as if it were the only one. Only mature cases are counted.

    ``*_observed`` adds the cases that have both score and label; ``*_worst_case`` and
    ``*_best_case`` add the others as well, set against and for the model, and so set the included
    cases without a decided label.
    ``tipping_point_*`` is the smallest number of added cases that are, or may be, of the class and
    would have to be called wrongly for an endpoint's goal no longer to be cleared; n is how many
    those are. ``tipping_share_*`` is that share of them, to be held against the share of errors
    among the included cases (``missed_share_included``, ``false_alarm_share_included``).

    A rule that reads a personal column describes the people whom it removed. Where they are too
    few, they are counted, as the participant flow counts them, and have no results; whom another
    rule removes too is not counted where that would describe few. Where cases
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
    sampled = SampledCases(cases, sampling, evaluation)
    for finding in findings:
        point = primary_point(evaluation, finding.name, model_id)
        outs = {
            window: analysis.cases(finding.name, model_id, window, is_included=False)
            for window in WINDOWS
        }
        uncounted = groups.uncounted(excluded, [out.case_id for out in outs.values()])
        for window in WINDOWS:
            at = (finding.name, model_id, window)
            base = analysis.cases(*at)
            out = ExcludedCases(outs[window], excluded)
            everyone = ExcludedCases(
                analysis.cases(*at, is_included=False, is_mature=None), excluded
            )
            goals = goals_of(evaluation, finding.name, window, point)
            audit = _Audit(
                base, index_test, point, goals, evaluation.interval.level, sampled, finding.name
            )
            n = base.n + out.cases.n
            for rule in (*(rule.id for rule in eligibility.rules), ALL_RULES):
                back = out.by_it_alone(rule)
                place = figures.at(
                    rule=rule, finding=finding.name, model_id=model_id, window=window
                )
                place.count("n_removed", out.in_order(rule), n)
                if rule in uncounted:
                    place.refuse(_MARGINAL, uncounted[rule])
                else:
                    place.count(_MARGINAL, out.whatever_others_do(rule), n)
                place.count("n_removed_only", back.n, n)
                # What is withheld until a look does not say how many there are.
                is_open = not figures.hides(window)
                reason = groups.reason(rule, everyone.by_it_alone(rule), back) if is_open else None
                audit.give(place, back, reason)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Audit:
    """The included cases of one finding and window, to which a rule's cases are added."""

    base: CaseSet
    index_test: IndexTest
    point: OperatingPoint | None
    goals: Mapping[str, Goal]
    level: float
    sampled: SampledCases
    finding: str

    def give(self, place: Place, back: CaseSet, reason: Code | None) -> None:
        self._give_score(place, "included", self.base)
        for metric, code in CLASSES.items():
            self._give_errors(place, _ERRORS[metric], code)
        if reason is not None:
            self._refuse(place, reason)
            return
        lost = (back.label == POSITIVE, back.label == NEGATIVE, ~back.is_decided, ~back.is_usable)
        for metric, among in zip(_LOST, lost, strict=True):
            place.count(metric, int(among.sum()), back.n)
        self._give_score(place, "excluded", back)
        self._give_auc(place, back)
        why_no_call = self._why_no_call()
        for metric, code in CLASSES.items():
            if why_no_call is not None:
                names = (*(f"{metric}_{variant}" for variant in VARIANTS), *_tipping(metric))
                for name in names:
                    place.refuse(name, why_no_call, n=self.base.n)
                continue
            sides = self._sides(back, code)
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
            for name in _tipping(metric):
                place.refuse(name, reason if has_goal else NO_GOAL)

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

    def _sides(self, back: CaseSet, code: int) -> dict[str, tuple[BoolArray, IntArray]]:
        """Right or wrong, and patient, of the cases of a class, with the rule's cases back in."""
        base_right = self._right(self.base, code)
        in_base, base_open = self.base.label == code, ~self.base.is_decided
        base_parts = {
            "observed": (in_base, base_right),
            "worst_case": (in_base | (base_open & ~base_right), base_right),
            "best_case": (in_base | (base_open & base_right), base_right),
        }
        right = self._right(back, code)
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
        still_open = OpenCases(
            base_score[~decided & ~is_wrong],
            int(is_wrong.sum()),
            score_ends(self.base, self.index_test),
        )
        found = auc_range(known, positive, back, still_open)
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

    def _give_errors(self, place: Place, name: str, code: int) -> None:
        """Give the share of errors among the included cases of a class."""
        in_class = self.base.label == code
        why_not = self._why_no_call()
        if why_not is not None:
            place.refuse(name, why_not, n=self.base.n)
            return
        weighing = self.sampled.weigh(
            condition_of(name), self.finding, self.base.case_id, self.base.is_decided, (in_class,)
        )
        why_not = weighing.why_not(under_weights=False)
        if why_not is not None:
            place.refuse(name, why_not, n=int(in_class.sum()))
            return
        wrong = ~self._right(self.base, code)
        patient = self.base.patient[in_class]
        estimate = clustered_proportion(wrong[in_class], patient, self.level)
        place.give(name, weighing.said_of(estimate))

    def _why_no_call(self) -> Code | None:
        if self.point is None:
            return NO_POINT
        return None if self.base.is_usable.any() else NO_INFERENCE

    def _right(self, cases: CaseSet, code: int) -> BoolArray:
        made = called(cases, self.point, self.index_test)
        return (made.is_flagged if code == POSITIVE else ~made.is_flagged) & ~made.is_wrong

    def _give_tipping_point(self, place: Place, back: CaseSet, metric: str, code: int) -> None:
        among = (back.label == code) | ~back.is_decided
        m = int(among.sum())
        found = self._tipping_point(back, among, metric, code)
        for name in _tipping(metric):
            if not isinstance(found, int):
                place.refuse(name, found, n=m)
            elif name.startswith("tipping_share_"):
                place.give(name, found / m, n=m, events=found, method="goal_against_lower_bound")
            else:
                place.give(name, found, n=m, method="goal_against_lower_bound")

    def _tipping_point(self, back: CaseSet, among: BoolArray, metric: str, code: int) -> int | Code:
        asked = self.goals.get(metric)
        if asked is None or self.point is None:
            return NO_GOAL
        why_not = self._weigh(f"tipping_point_{metric}", back).why_not(under_weights=False)
        if why_not is not None:
            return why_not
        in_base = self.base.label == code
        right = self._right(self.base, code)[in_base]
        patient = np.concatenate([self.base.patient[in_base], back.patient[among]])
        return tipping_point(right, patient, int(among.sum()), asked)


def _tipping(metric: str) -> tuple[str, str]:
    return f"tipping_point_{metric}", f"tipping_share_{metric}"
