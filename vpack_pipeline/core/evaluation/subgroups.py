"""Does the index test do as well in every part of the cases? Strata fixed by the protocol.

What does not belong here: how a case falls into a stratum (``core.variables``).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import (
    NO_POINT,
    Analysed,
    AnalysisSet,
    CaseSet,
    generator,
    intention_to_diagnose_score,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import (
    ITD,
    share,
    share_side,
    tabulate,
    weigh,
)
from vpack_pipeline.core.evaluation.performance import itd_area, weigh_area, why_no_auc
from vpack_pipeline.core.levels import (
    MOSTLY_POSITIVE,
    NO_RESULTS_OF_MISSING,
    describe,
    is_mostly,
)
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.variables import bin_labels, binned, with_typed_covariates
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import (
    AnySampling,
    Covariate,
    Disclosure,
    Evaluation,
    Finding,
    IndexTest,
    OperatingPoint,
    Representativeness,
    Variable,
)
from vpack_pipeline.stats.auc_interval import Area, area
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.difference import Side, auc_side, proportion_side
from vpack_pipeline.stats.estimate import BoolArray, Estimate, IntArray
from vpack_pipeline.stats.heterogeneity import areas_differ, proportions_differ
from vpack_pipeline.stats.multiplicity import Heterogeneity, p_adjust
from vpack_pipeline.stats.proportions import clustered_proportion, effective_size
from vpack_pipeline.stats.simultaneous import level_of, simultaneous_quantile

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
    sampling: AnySampling,
    levels: pl.DataFrame,
    included: pl.DataFrame,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give the primary model's AUC, sensitivity and specificity in every stratum.

    A stratum with fewer positives or negatives than the protocol's minimum is counted and its
    figures are refused as insufficient. ``stratum_kind`` is the variable, ``stratum`` its level.
    The intervals of a metric hold together over the strata of all variables (max-T). Per variable
    (stratum ``*``) Cochran's Q asks whether the strata that have figures differ by more than
    chance; its p is adjusted by Holm over the variables. A patient may have cases in several
    strata; Q takes them as independent. Where cases were not drawn alike, figures are weighted or
    refused as ``sampling`` says; Q is not computed under weights.

    A level that is printed as part of another (``representativeness/levels``) keeps its row and has
    no figures; nor has a missing value of a variable that describes people, nor a group of people
    nine tenths of whom are positive.

    Parameters
    ----------
    cases : the case view, with the header fields and covariates that variables name; its
        ``stratum`` is the sampling stratum
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
    cases = with_typed_covariates(cases, covariates)
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
    sampled = SampledCases(cases, sampling, evaluation)
    for finding in findings:
        for window in WINDOWS:
            mature = analysis.cases(finding.name, model_id, window)
            everyone = analysis.cases(finding.name, model_id, window, is_mature=None)
            point = primary_point(evaluation, finding.name, model_id)
            group = _Group(index_test, evaluation, point, sampled, finding.name)
            keys = {"finding": finding.name, "model_id": model_id, "window": window}
            found: dict[str, list[_Stratum]] = {}
            shared: dict[str, bool] = {}
            for variable in variables:
                level_of = mature.joined(level_of_case[variable.name], "level")
                described = known[variable.name]
                too_small = described.too_small(everyone.rows_in(cases["case_id"]))
                shared[variable.name] = _share_patients(mature, level_of)
                found[variable.name] = []
                for level in bin_labels(variable):
                    stratum = mature.take((level_of == level).to_numpy())
                    reason = too_small or described.levels.reason(level, stratum.n)
                    place = figures.at(**keys, stratum_kind=variable.name, stratum=level)
                    found[variable.name].append(
                        group.measure(place, stratum, reason, described.levels.is_personal)
                    )
            rng = generator(evaluation.seed, "subgroups", finding.name, window)
            _give_estimates(found, evaluation.interval.level, rng)
            _give_heterogeneity(figures, keys, variables, found, shared)
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
    sampled: SampledCases
    finding: str

    def measure(
        self, place: Place, stratum: CaseSet, reason: Code | None, is_personal: bool
    ) -> _Stratum:
        """Give the counts, and what the figures are made of; refuse what cannot be given."""
        if reason is not None and reason != NO_RESULTS_OF_MISSING:
            _refuse(place, ("n_cases", "n_patients", *_RESULTS), reason)
            return _Stratum(place, {})
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
            return _Stratum(place, {})
        place.count("n_positive", n_positive, stratum.n)
        place.count("n_negative", n_negative, stratum.n)
        if insufficient is not None:
            for metric in METRICS:
                place.refuse(metric, insufficient, n=stratum.n, events=n_positive)
            return _Stratum(place, {})
        return _Stratum(place, self._figures(place, stratum))

    def _figures(self, place: Place, stratum: CaseSet) -> dict[str, _Figure]:
        made: dict[str, _Figure] = {"auc": self._ranked(stratum.take(stratum.is_decided))}
        for metric in ("sensitivity", "specificity"):
            if self.point is None:
                place.refuse(metric, NO_POINT, n=stratum.n)
                continue
            table = tabulate(stratum, self.point, self.index_test, ITD)
            weighing = weigh(table, metric, self.sampled, self.finding)
            among, right = share(table, metric)
            why_not = weighing.why_not(under_weights=False)
            if why_not is None:
                made[metric] = _Share(right[among], stratum.patient[among], weighing)
            else:
                drawn = partial(share_side, table, metric, weighing)
                made[metric] = _Drawn(drawn, int(among.sum()), why_not)
        return made

    def _ranked(self, decided: CaseSet) -> _Figure:
        weighing = weigh_area(self.sampled, self.finding, decided)
        why_not = weighing.why_not(under_weights=False)
        if why_not is not None or why_no_auc(decided, self.index_test) is not None:
            drawn = partial(itd_area, decided, self.index_test, weighing=weighing)
            return _Drawn(drawn, decided.n, why_not)
        score = intention_to_diagnose_score(decided, self.index_test)
        ranked = score, decided.is_positive, decided.patient
        return _Ranked(area(*ranked), partial(auc_side, *ranked), weighing)

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


@dataclass(frozen=True, slots=True)
class _Share:
    """A proportion in one stratum, of cases that are right or wrong and count alike."""

    right: BoolArray
    patient: IntArray
    weighing: Weighing

    @property
    def n(self) -> int:
        return self.right.size

    def estimate(self, level: float) -> Estimate:
        return self.weighing.said_of(clustered_proportion(self.right, self.patient, level))

    def side(self, level: float) -> Side:
        return proportion_side(self.right, self.patient, level)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """An area under the ROC curve in one stratum, of cases that count alike."""

    area: Area | Estimate
    made_side: Callable[[float], Side]
    weighing: Weighing

    @property
    def n(self) -> int:
        return self.area.n

    def estimate(self, level: float) -> Estimate:
        found = self.area
        return self.weighing.said_of(
            found if isinstance(found, Estimate) else found.estimate(level)
        )

    def side(self, level: float) -> Side:
        return self.made_side(level)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A figure in one stratum of cases that count unlike, or why there is none."""

    side: Callable[[float], Side]
    n: int
    why_not: Code | None
    """Why strata cannot be held against one another, if it is for the way cases were drawn."""

    def estimate(self, level: float) -> Estimate:
        return self.side(level).estimate


_Figure = _Share | _Ranked | _Drawn


@dataclass(frozen=True, slots=True)
class _Stratum:
    """Where a stratum stands, and its figures by metric; those refused are not among them."""

    place: Place
    figures: dict[str, _Figure]


def _give_estimates(
    found: dict[str, list[_Stratum]], level: float, rng: np.random.Generator
) -> None:
    """Give the figures of all strata, with intervals that hold together for each metric."""
    for metric in METRICS:
        strata = [s for strata in found.values() for s in strata if metric in s.figures]
        sides = [s.figures[metric].side(level) for s in strata]
        bounded = [side for side in sides if side.estimate.lower is not None]
        quantile = simultaneous_quantile(bounded, level, rng)
        is_one = len(bounded) < 2
        said = code("max_t_over_levels", quantile=quantile, levels=len(bounded), together=level)
        for stratum in strata:
            made = stratum.figures[metric].estimate(level if is_one else level_of(quantile))
            method = coded(made.method, None if is_one or made.lower is None else said)
            stratum.place.give(metric, replace(made, method=method))


def _give_heterogeneity(
    figures: WindowedFigures,
    keys: dict[str, str],
    variables: list[Variable],
    found: dict[str, list[_Stratum]],
    shared: dict[str, bool],
) -> None:
    for metric in METRICS:
        tests = {
            v.name: _heterogeneity(
                [s.figures[metric] for s in found[v.name] if metric in s.figures]
            )
            for v in variables
        }
        adjusted = _holm({name: test.p for name, test in tests.items()})
        for variable in variables:
            test = tests[variable.name]
            place = figures.at(**keys, stratum_kind=variable.name, stratum=EVERY)
            how = coded("cochran_q", "variance_at_common_figure")
            rows = {
                f"heterogeneity_q_{metric}": (test.q, how),
                f"heterogeneity_p_{metric}": (test.p, coded(how, "chi_squared")),
                f"heterogeneity_p_adjusted_{metric}": (
                    adjusted.get(variable.name),
                    coded("holm_over_variables"),
                ),
            }
            notes = SHARED if shared[variable.name] and test.reason is None else None
            n = sum(s.figures[metric].n for s in found[variable.name] if metric in s.figures)
            for name, (value, method) in rows.items():
                place.give(name, value, n=n, method=method, reason=test.reason, notes=notes)


def _share_patients(cases: CaseSet, level_of: pl.Series) -> bool:
    """Whether a patient has cases in more than one stratum."""
    placed = pl.DataFrame({"patient": cases.patient, "level": level_of}).unique()
    return bool(placed["patient"].is_duplicated().any())


def _heterogeneity(figures: list[_Figure]) -> Heterogeneity:
    """Hold the strata of a variable against one another; those without an interval are left out."""
    refusals = [f.why_not for f in figures if isinstance(f, _Drawn) and f.why_not is not None]
    if refusals:
        return Heterogeneity(len(figures), reason=refusals[0])
    areas = [f.area for f in figures if isinstance(f, _Ranked) and isinstance(f.area, Area)]
    shares = [f for f in figures if isinstance(f, _Share) and f.right.size]
    if not shares:
        return areas_differ(areas)
    return proportions_differ(
        np.array([f.right.mean() for f in shares]),
        np.array([effective_size(f.right, f.patient) for f in shares]),
    )


def _holm(p: dict[str, float | None]) -> dict[str, float]:
    known = {name: value for name, value in p.items() if value is not None}
    adjusted = p_adjust(np.array(list(known.values()), dtype=np.float64), "holm")
    return dict(zip(known, adjusted.tolist(), strict=True))
