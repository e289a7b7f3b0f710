"""Where the primary model errs: misses and false alarms by variable, acquisition and finding.

What does not belong here: whether a stratum's sensitivity differs by more than chance
(``subgroups``), and whose fault an error is (``error_attribution``).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    generator,
)
from vpack_pipeline.core.evaluation.finding_details import by_finding_details
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import ITD, share, tabulate
from vpack_pipeline.core.evaluation.strata import Parting, acquired, planned
from vpack_pipeline.core.levels import MOSTLY_POSITIVE, describe, is_mostly
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.variables import with_typed_covariates
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import (
    AnySampling,
    Covariate,
    Disclosure,
    Evaluation,
    Finding,
    FindingDetail,
    IndexTest,
    Representativeness,
    Subgroups,
)
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.difference import Side, proportion_side
from vpack_pipeline.stats.estimate import BoolArray, IntArray
from vpack_pipeline.stats.ratio import ratio
from vpack_pipeline.stats.simultaneous import (
    deviations_from_whole,
    level_of,
    simultaneous_quantile,
)

EVERY: Final = "*"
"""Stands where a stratum does, for all strata of a variable together."""


class _Error(NamedTuple):
    """One kind of error, and the names of its figures."""

    of: str
    rate: str
    ratio: str
    share_of_errors: str
    share_of_class: str
    p: str


_ERRORS: Final = (
    _Error(
        "sensitivity",
        "miss_rate",
        "miss_ratio",
        "share_of_misses",
        "share_of_positives",
        "miss_p",
    ),
    _Error(
        "specificity",
        "false_alarm_rate",
        "false_alarm_ratio",
        "share_of_false_alarms",
        "share_of_negatives",
        "false_alarm_p",
    ),
)


def errors(
    *,
    cases: pl.DataFrame,
    printed_words: pl.DataFrame,
    reads: pl.DataFrame,
    reference: pl.DataFrame,
    findings: tuple[Finding, ...],
    finding_details: tuple[FindingDetail, ...],
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
    """Give rates of misses and false alarms in each stratum, beside what chance could do.

    ``stratum_kind`` is the variable, ``stratum`` its level. A rate's interval holds together with
    those of all strata (max-T), as does that of its ratio to all other cases of the class. Under
    the stratum ``*`` of a variable stands the smallest p of its strata's deviations from the whole,
    adjusted for the strata of all variables; strata are named there as erring more, or less, only
    if that p allows it. A stratum has figures as in ``subgroups``. Where cases were not drawn
    alike, rates are weighted or refused as ``sampling`` says, and nothing else is computed under
    weights.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    printed_words : cohort/printed_words
    reads, reference : cohort/reads and cohort/reference, for what they tell of the finding
    levels : representativeness/levels
    included : eligibility/included
    """
    figures = WindowedFigures("evaluation/errors", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    cases = with_typed_covariates(cases, covariates)
    known = describe(
        levels, cases, included, representativeness, covariates, evaluation, disclosure
    )
    partings = [
        *planned(cases, evaluation, representativeness, covariates, known),
        *acquired(cases, printed_words, included, representativeness, covariates, disclosure),
    ]
    model_id = index_test.primary.id
    sampled = SampledCases(cases, sampling, evaluation)
    for finding in findings:
        point = primary_point(evaluation, finding.name, model_id)
        told = by_finding_details(
            finding_details,
            finding.name,
            reads,
            reference,
            analysed["reference_standard"],
            disclosure,
        )
        for window in WINDOWS:
            mature = analysis.cases(finding.name, model_id, window)
            everyone = analysis.cases(finding.name, model_id, window, is_mature=None)
            keys = {"finding": finding.name, "model_id": model_id, "window": window}
            cells = [
                cell
                for parting in (*partings, *told)
                for cell in _cells(figures, keys, parting, mature, everyone)
            ]
            lacking = NO_POINT if point is None else None
            if not mature.is_usable.any():
                lacking = NO_INFERENCE
            if point is None or lacking is not None:
                _refuse_all(cells, lacking)
                continue
            table = tabulate(mature, point, index_test, ITD)
            for error in _ERRORS:
                among, right = share(table, error.of)
                rng = generator(evaluation.seed, "errors", error.of, finding.name, window)
                of_class = _OfClass(
                    among, ~right & among, table.is_flagged, mature, sampled, finding.name, error.of
                )
                _give(cells, error, of_class, evaluation, rng)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Cell:
    """A stratum, where its figures stand, and why it has none; ``*`` for those of a variable."""

    place: Place
    variable: str
    stratum: str
    members: BoolArray
    reason: Code | None = None


class _OfClass(NamedTuple):
    """Cases of one class, as masks of the mature cases, and how they were drawn."""

    among: BoolArray
    wrong: BoolArray
    is_flagged: BoolArray
    cases: CaseSet
    sampled: SampledCases
    finding: str
    of: str

    @property
    def patient(self) -> IntArray:
        """The patient of each mature case."""
        return self.cases.patient

    @property
    def everywhere(self) -> Weighing:
        """How cases count in what is of the whole class."""
        return self.weigh(np.ones(self.cases.n, dtype=np.bool_))

    def weigh(self, members: BoolArray) -> Weighing:
        """Say how the cases of a stratum count."""
        drawn = members & self.cases.is_decided
        condition = condition_of(self.of)
        return self.sampled.weigh(condition, self.finding, self.cases.case_id, drawn, (self.among,))

    def rate(self, members: BoolArray, level: float) -> Side:
        """Give how often cases of a stratum are wrong."""
        may_err = ~self.is_flagged if self.of == "sensitivity" else self.is_flagged
        inside, weighing = members & self.among, self.weigh(members)
        return weighing.share(self.wrong, inside, self.patient, level, may_err)


def _cells(
    figures: WindowedFigures,
    keys: dict[str, str],
    parting: Parting,
    mature: CaseSet,
    everyone: CaseSet,
) -> list[_Cell]:
    level = mature.joined(parting.level_of, "level")
    too_small = parting.too_small(everyone)
    made = []
    for stratum in parting.levels:
        members = (level == stratum).to_numpy()
        reason = too_small or parting.reason(stratum, int(members.sum()))
        decided = members & mature.is_decided
        positives = int((members & mature.is_positive).sum())
        if reason is None and parting.is_personal and is_mostly(positives, int(decided.sum())):
            reason = MOSTLY_POSITIVE
        place = figures.at(**keys, stratum_kind=parting.name, stratum=stratum)
        made.append(_Cell(place, parting.name, stratum, members, reason))
    place = figures.at(**keys, stratum_kind=parting.name, stratum=EVERY)
    return [*made, _Cell(place, parting.name, EVERY, np.zeros(0, dtype=np.bool_))]


def _names(error: _Error, cell: _Cell) -> tuple[str, ...]:
    if cell.stratum == EVERY:
        return (error.p,)
    return (error.rate, error.ratio, error.share_of_errors, error.share_of_class)


def _refuse_all(cells: Sequence[_Cell], reason: Code | None) -> None:
    for cell in cells:
        for error in _ERRORS:
            for metric in _names(error, cell):
                cell.place.refuse(metric, cell.reason or reason or NO_POINT)


def _few(error: _Error, rule: Subgroups, n: int) -> Code | None:
    """Say that a stratum has too few cases of the class."""
    is_miss = error.of == "sensitivity"
    fewest = rule.minimum_positives if is_miss else rule.minimum_negatives
    name = "few_positives" if is_miss else "few_negatives"
    return code(name, fewest=fewest) if n < fewest else None


def _give(
    cells: Sequence[_Cell],
    error: _Error,
    of_class: _OfClass,
    evaluation: Evaluation,
    rng: np.random.Generator,
) -> None:
    shown: list[tuple[_Cell, BoolArray]] = []
    for cell in cells:
        if cell.stratum == EVERY:
            continue
        inside = cell.members & of_class.among
        reason = cell.reason or _few(error, evaluation.subgroups, int(inside.sum()))
        if reason is None:
            shown.append((cell, inside))
            continue
        for metric in _names(error, cell):
            cell.place.refuse(metric, reason)
    nominal = evaluation.interval.level
    known = [cell.members for cell, _ in shown if of_class.weigh(cell.members).reason is None]
    sides = [of_class.rate(members, nominal) for members in known]
    quantile = simultaneous_quantile(sides, nominal, rng)
    at = nominal if len(sides) < 2 else level_of(quantile)
    said = code("max_t_over_levels", quantile=quantile, levels=len(sides), together=nominal)
    together = coded(said if len(sides) > 1 else None)
    for cell, _ in shown:
        rate = of_class.rate(cell.members, at).estimate
        cell.place.give(error.rate, replace(rate, method=coded(rate.method, together)))
    why_not = of_class.everywhere.why_not(under_weights=False)
    if why_not is not None:
        _refuse_beside(cells, shown, error, why_not)
        return
    for cell, inside in shown:
        _give_beside(cell.place, error, of_class, inside, at, together)
    _give_variables(cells, shown, error, of_class, 1 - nominal, rng)


def _refuse_beside(
    cells: Sequence[_Cell], shown: Sequence[tuple[_Cell, BoolArray]], error: _Error, why_not: Code
) -> None:
    """Refuse what holds strata beside others, where these do not count alike."""
    for cell, _ in shown:
        for metric in _names(error, cell)[1:]:
            cell.place.refuse(metric, why_not)
    for cell in cells:
        if cell.stratum == EVERY:
            cell.place.refuse(error.p, why_not)


def _give_variables(
    cells: Sequence[_Cell],
    shown: Sequence[tuple[_Cell, BoolArray]],
    error: _Error,
    of_class: _OfClass,
    most: float,
    rng: np.random.Generator,
) -> None:
    among, wrong = of_class.among, of_class.wrong
    order = np.cumsum(among) - 1
    groups: list[npt.NDArray[np.integer]] = [order[inside] for _, inside in shown]
    z, p = deviations_from_whole(wrong[among], of_class.patient[among], groups, rng)
    n, events = int(among.sum()), int(wrong.sum())
    for cell in cells:
        if cell.stratum == EVERY:
            own = [i for i, (other, _) in enumerate(shown) if other.variable == cell.variable]
            named = {shown[i][0].stratum: (float(z[i]), float(p[i])) for i in own}
            _give_variable(cell.place, error, named, n, events, len(shown), most)


def _give_beside(
    place: Place,
    error: _Error,
    of_class: _OfClass,
    inside: BoolArray,
    level: float,
    together: Codes,
) -> None:
    """Hold a stratum, whose cases count as all others do, beside the rest of its class."""
    among, wrong, patient = of_class.among, of_class.wrong, of_class.patient
    notes = of_class.everywhere.notes
    rest = among & ~inside
    both = [proportion_side(wrong[mask], patient[mask], level) for mask in (inside, rest)]
    apart = of_class.everywhere.said_of(ratio(*both))
    place.give(error.ratio, replace(apart, method=coded(apart.method, together)))
    for metric, part, whole in (
        (error.share_of_errors, wrong & inside, wrong),
        (error.share_of_class, inside, among),
    ):
        n, events = int(whole.sum()), int(part.sum())
        value = events / n if n else None
        place.give(
            metric, value, n=n, events=events, method="share", reason="no_cases", notes=notes
        )


def _give_variable(
    place: Place,
    error: _Error,
    strata: dict[str, tuple[float, float]],
    n: int,
    events: int,
    n_strata: int,
    most: float,
) -> None:
    if len(strata) < 2:
        place.refuse(error.p, "one_level_with_enough", n=n, events=events)
        return
    least = min(p for _, p in strata.values())
    more = tuple(s for s, (z, p) in strata.items() if p <= most and z > 0)
    fewer = tuple(s for s, (z, p) in strata.items() if p <= most and z < 0)
    notes = coded(
        code("errors_more_in", strata=more) if more else None,
        code("errors_fewer_in", strata=fewer) if fewer else None,
        None if more or fewer else Code("no_difference_beyond_chance"),
    )
    method = code("max_t_of_deviations", levels=n_strata)
    place.give(error.p, least, n=n, events=events, method=method, notes=notes)
