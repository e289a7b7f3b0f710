"""Does the index test do as well in every part of the cases? Strata fixed by the protocol.

What does not belong here: how a case falls into a stratum (``core.variables``).
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import NO_POINT, Analysed, AnalysisSet, CaseSet
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import ITD, share, tabulate
from vpack_pipeline.core.evaluation.performance import itd_auc
from vpack_pipeline.core.levels import (
    MOSTLY_POSITIVE,
    NO_RESULTS_OF_MISSING,
    describe,
    is_mostly,
)
from vpack_pipeline.core.variables import bin_labels, binned
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Evaluation,
    Finding,
    IndexTest,
    OperatingPoint,
    Representativeness,
    Variable,
)
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import Estimate, normal_quantile
from vpack_pipeline.stats.multiplicity import cochran_q, p_adjust
from vpack_pipeline.stats.proportions import clustered_proportion

METRICS: Final = ("auc", "sensitivity", "specificity")
_RESULTS: Final = ("n_positive", "n_negative", *METRICS)
_OPEN: Final = frozenset({"n_cases", "n_patients"})


def subgroups(
    *,
    cases: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    disclosure: Disclosure,
    levels: pl.DataFrame,
    included: pl.DataFrame,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the primary model's AUC, sensitivity and specificity in every stratum.

    A stratum with fewer positives or negatives than the protocol's minimum is counted and its
    figures are refused as insufficient. ``stratum_kind`` is the variable, ``stratum`` its level.
    Per variable (stratum ``*``) Cochran's Q asks whether the strata that have figures differ by
    more than chance; its p is adjusted by Holm over the variables. A patient may have cases in
    several strata; Q takes them as independent.

    A level that is printed as part of another (``representativeness/levels``) keeps its row and has
    no figures; nor has a missing value of a variable that describes people, nor a group of people
    nine tenths of whom are positive.

    Parameters
    ----------
    cases : the case view, with the header fields and covariates that variables name
    levels : representativeness/levels
    included : eligibility/included
    """
    figures = WindowedFigures(
        "evaluation/subgroups",
        evaluation,
        cut,
        published_looks,
        open_metrics=_OPEN,
    )
    analysis = AnalysisSet(index_test=index_test, **analysed)
    named = {v.name: v for v in representativeness.variables}
    variables = [named[name] for name in evaluation.subgroups.variables]
    level_of_case = {
        v.name: cases.select("case_id", binned(cases, v, covariates).alias("level"))
        for v in variables
    }
    known = describe(
        levels, cases, included, representativeness, covariates, evaluation, disclosure
    )
    model_id = index_test.primary.id
    for finding in findings:
        for window in WINDOWS:
            mature = analysis.cases(finding.name, model_id, window)
            everyone = analysis.cases(finding.name, model_id, window, is_mature=None)
            point = primary_point(evaluation, finding.name, model_id)
            group = _Group(index_test, evaluation, point)
            keys = {"finding": finding.name, "model_id": model_id, "window": window}
            found: dict[str, list[dict[str, Estimate]]] = {}
            shared: dict[str, bool] = {}
            for variable in variables:
                level_of = mature.joined(level_of_case[variable.name], "level")
                described = known[variable.name]
                too_small = described.too_small(everyone.case_id)
                shared[variable.name] = _share_patients(mature, level_of)
                found[variable.name] = []
                for level in bin_labels(variable):
                    stratum = mature.take((level_of == level).to_numpy())
                    reason = too_small or described.levels.reason(level, stratum.n)
                    place = figures.at(**keys, stratum_kind=variable.name, stratum=level)
                    found[variable.name].append(
                        group.give(place, stratum, reason, described.levels.is_personal)
                    )
            _give_heterogeneity(figures, keys, variables, found, shared, evaluation.interval.level)
    return figures.frame()


SHARED: Final = Code("strata_share_patients")
EVERY: Final = "*"
"""Stands where a stratum does, for all strata of a variable together."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Gives the figures of one stratum."""

    index_test: IndexTest
    evaluation: Evaluation
    point: OperatingPoint | None

    def give(
        self, place: Place, stratum: CaseSet, reason: Code | None, is_personal: bool
    ) -> dict[str, Estimate]:
        if reason is not None and reason != NO_RESULTS_OF_MISSING:
            _refuse(place, ("n_cases", "n_patients", *_RESULTS), reason)
            return {}
        n_positive = int(stratum.is_positive.sum())
        n_negative = int(stratum.is_decided.sum()) - n_positive
        place.count("n_cases", stratum.n, stratum.n)
        place.count("n_patients", stratum.n_patients, stratum.n)
        if is_personal and is_mostly(n_positive, n_positive + n_negative):
            reason = reason or MOSTLY_POSITIVE
        insufficient = self._insufficient(n_positive, n_negative)
        if reason is not None:
            _refuse(place, ("n_positive", "n_negative"), reason)
            # Nine tenths of a few are too few of a class: then there would be no figure anyhow.
            is_few = reason == MOSTLY_POSITIVE and insufficient is not None
            _refuse(place, METRICS, (is_few and insufficient) or reason)
            return {}
        place.count("n_positive", n_positive, stratum.n)
        place.count("n_negative", n_negative, stratum.n)
        reason = insufficient
        if reason is not None:
            for metric in METRICS:
                place.refuse(metric, reason, n=stratum.n, events=n_positive)
            return {}
        return self._give_estimates(place, stratum)

    def _give_estimates(self, place: Place, stratum: CaseSet) -> dict[str, Estimate]:
        level = self.evaluation.interval.level
        decided = stratum.take(stratum.is_decided)
        estimates = {"auc": itd_auc(decided, self.index_test, level)}
        if self.point is not None:
            table = tabulate(stratum, self.point, self.index_test, ITD)
            for metric in ("sensitivity", "specificity"):
                among, right = share(table, metric)
                patient = stratum.patient[among]
                estimates[metric] = clustered_proportion(right[among], patient, level)
        for metric in METRICS:
            if metric in estimates:
                place.give(metric, estimates[metric])
            else:
                place.refuse(metric, NO_POINT, n=stratum.n)
        return estimates

    def _insufficient(self, n_positive: int, n_negative: int) -> Code | None:
        rule = self.evaluation.subgroups
        if n_positive >= rule.minimum_positives and n_negative >= rule.minimum_negatives:
            return None
        return code(
            "few_positives_or_negatives",
            positives=rule.minimum_positives,
            negatives=rule.minimum_negatives,
        )


def _refuse(place: Place, metrics: Iterable[str], reason: Code) -> None:
    for metric in metrics:
        place.refuse(metric, reason)


def _give_heterogeneity(
    figures: WindowedFigures,
    keys: dict[str, str],
    variables: list[Variable],
    found: dict[str, list[dict[str, Estimate]]],
    shared: dict[str, bool],
    level: float,
) -> None:
    for metric in METRICS:
        tests = {
            v.name: _heterogeneity([e[metric] for e in found[v.name] if metric in e], level)
            for v in variables
        }
        adjusted = _holm({name: test.p for name, test in tests.items()})
        for variable in variables:
            test = tests[variable.name]
            place = figures.at(**keys, stratum_kind=variable.name, stratum=EVERY)
            rows = {
                f"heterogeneity_q_{metric}": (test.q, coded("cochran_q")),
                f"heterogeneity_p_{metric}": (test.p, coded("cochran_q", "chi_squared")),
                f"heterogeneity_p_adjusted_{metric}": (
                    adjusted.get(variable.name),
                    coded("holm_over_variables"),
                ),
            }
            notes = SHARED if shared[variable.name] and test.reason is None else None
            for name, (value, method) in rows.items():
                place.give(name, value, n=test.n, method=method, reason=test.reason, notes=notes)


def _share_patients(cases: CaseSet, level_of: pl.Series) -> bool:
    """Whether a patient has cases in more than one stratum."""
    placed = pl.DataFrame({"patient": cases.patient, "level": level_of}).unique()
    return bool(placed["patient"].is_duplicated().any())


@dataclass(frozen=True, slots=True)
class _Heterogeneity:
    q: float | None
    p: float | None
    n: int
    reason: Code | None


def _heterogeneity(estimates: list[Estimate], level: float) -> _Heterogeneity:
    values = np.array([math.nan if e.value is None else e.value for e in estimates])
    errors = np.array([standard_error(e, level) for e in estimates])
    test = cochran_q(values, errors)
    return _Heterogeneity(test.q, test.p, sum(e.n for e in estimates), test.reason)


def standard_error(estimate: Estimate, level: float) -> float:
    """Read the standard error off an interval; NaN where the interval has no width.

    A normal interval that was cut at 0 or 1 is read from its other side. Wilson's interval is not
    symmetric: half its width stands for the error, as it does at the middle of the scale.
    """
    if estimate.value is None or estimate.lower is None or estimate.upper is None:
        return math.nan
    z = normal_quantile(level)
    below, above = estimate.value - estimate.lower, estimate.upper - estimate.value
    is_cut = estimate.lower <= 0 or estimate.upper >= 1
    reach = max(below, above) if is_cut else (below + above) / 2
    return reach / z if reach > 0 else math.nan


def _holm(p: dict[str, float | None]) -> dict[str, float]:
    known = {name: value for name, value in p.items() if value is not None}
    adjusted = p_adjust(np.array(list(known.values()), dtype=np.float64), "holm")
    return dict(zip(known, adjusted.tolist(), strict=True))
