"""What the figures would be in the population that the site stated, or why that cannot be said.

Cases are weighted so that their mix of cells is the target's (poststratification: Holt & Smith
1979). That moves the case mix and nothing else: it assumes that within a cell the index test does
as well there as here. What does not belong here: how far the mix differs (``representativeness``).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Unpack

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.core.evaluation.analysis import (
    NO_AUC,
    NO_INFERENCE,
    Analysed,
    AnalysisSet,
    CaseSet,
    cells,
    intention_to_diagnose_score,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import (
    ITD,
    SHARES,
    per_thousand,
    share,
    tabulate,
)
from vpack_pipeline.core.figures import UNDEFINED
from vpack_pipeline.core.levels import NOT_JOINT, ONE_LEVEL, Description, describe
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.target import Target, read_target
from vpack_pipeline.core.variables import MISSING, binned
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Evaluation,
    Finding,
    IndexTest,
    OperatingPoint,
    Representativeness,
    Sampling,
)
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.distances import kish_ess
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, undefined
from vpack_pipeline.stats.weighted import WEIGHTED_AREA, weighted_auc, weighted_proportion

NO_TARGET: Final = Code("no_target")
MARGINS_ONLY: Final = Code("no_target_cell_states_all")
NO_CASES: Final = Code("no_mature_case")
NO_POINT: Final = "none"
"""Stands where an operating point does, for figures that need none."""
LEFT_OUT: Final = Code("cases_left_out")
_SUPPORT: Final = ("target_cells", "unsupported_cells", "unsupported_share")
_ZERO: Final = (
    "n_weight_zero",
    "share_weight_zero_missing_value",
    "share_weight_zero_not_in_target",
)


def transport(
    *,
    cases: pl.DataFrame,
    population: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    disclosure: Disclosure,
    levels: pl.DataFrame,
    included: pl.DataFrame,
    sampling: Sampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Weight cases towards the target population and give the figures again.

    A case weighs its cell's share of the target over the cell's share of the mature cases here,
    times its inverse sampling fraction (which the shares here take in too). Figures are ratios of
    weight within the reference class, with Kish's effective sample size beside them, and are
    refused where a cell of the target holds no case. Where the protocol declares no joint levels of
    the target's variables, one row says so: ``target_cells``. ``n`` counts cases of positive
    weight. Those of weight zero stand in ``n_weight_zero`` and, of the mature cases, in
    ``share_weight_zero_missing_value`` (a value is missing, and the target has no such cell) and
    ``share_weight_zero_not_in_target``.

    Parameters
    ----------
    population : cohort/population; ``cell`` is a JSON object variable → bin label
    levels : representativeness/levels
    included : eligibility/included
    """
    figures = WindowedFigures("evaluation/transport", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    known = describe(
        levels, cases, included, representativeness, covariates, evaluation, disclosure
    )
    target = _Target.read(population, cases, representativeness, covariates, known)
    sampled = SampledCases(cases, sampling)
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        keys = {"finding": finding, "model_id": model_id, "window": window}
        if target.reason == NOT_JOINT:
            figures.at(**keys, operating_point=NO_POINT).refuse("target_cells", NOT_JOINT)
            continue
        weighting = target.weigh(mature, sampled.weigh("nothing", finding, mature.case_id))
        place = figures.at(**keys, operating_point=NO_POINT)
        _give_support(place, weighting, mature)
        place.give("auc", _auc(weighting, mature, index_test, evaluation))
        for point in evaluation.operating_points:
            if (point.finding, point.model) == (finding, model_id):
                place = figures.at(**keys, operating_point=point.name)
                _give_point(place, weighting, mature, point, index_test, evaluation)
    return figures.frame()


@dataclass(frozen=True, slots=True)
class _Weighting:
    """Weights of the cases, or why there are none; and the support that was found."""

    weight: FloatArray | None
    reason: Code | None
    lacks_value: BoolArray | None = None
    """Cases in whose cell a value is missing."""
    n_cells: int | None = None
    n_unsupported: int | None = None
    unsupported_share: float | None = None

    def is_weighed(self, n: int) -> BoolArray:
        """Mark cases of positive weight; all ``n`` where there are no weights."""
        return np.ones(n, dtype=np.bool_) if self.weight is None else self.weight > 0

    @property
    def notes(self) -> Codes:
        """Say that some cases carry no weight."""
        return coded(None if self.weight is None or (self.weight > 0).all() else LEFT_OUT)


@dataclass(frozen=True, slots=True)
class _Target:
    """The target's share of each cell, and the cell of each case; or why there is neither."""

    share: pl.DataFrame
    cell_of: pl.DataFrame
    reason: Code | None = None

    @classmethod
    def read(
        cls,
        population: pl.DataFrame,
        cases: pl.DataFrame,
        representativeness: Representativeness,
        covariates: tuple[Covariate, ...],
        known: Mapping[str, Description],
    ) -> _Target:
        stated = read_target(population, representativeness.variables)
        if stated.total == 0:
            return _refused_target(NO_TARGET)
        names = sorted(stated.names)
        named = {v.name: v for v in representativeness.variables}
        if any(known[name].levels.is_personal for name in names):
            together = [d for d in known.values() if set(d.levels.names) == set(names)]
            if not together:
                return _refused_target(NOT_JOINT)
            return _printed_target(stated, together[0])
        counts = stated.cells(names)
        if counts is None:
            return _refused_target(MARGINS_ONLY)
        rows = sorted((json.dumps(list(cell)), n / stated.total) for cell, n in counts.items())
        columns = [binned(cases, named[name], covariates).to_list() for name in names]
        here = zip(*columns, strict=True) if columns else ((),) * cases.height
        return cls(
            _shares(rows),
            pl.DataFrame(
                {"case_id": cases["case_id"], "cell": [json.dumps(list(row)) for row in here]},
                schema_overrides={"cell": pl.String},
            ),
        )

    def weigh(self, mature: CaseSet, drawn: Weighing) -> _Weighting:
        """Weigh cases by target share over share here, times the inverse sampling fraction."""
        if self.reason is not None:
            return _Weighting(None, self.reason)
        why_not = drawn.why_not(under_weights=True)
        if why_not is not None:
            return _Weighting(None, why_not)
        sampling_weight = np.ones(mature.n) if drawn.weight is None else drawn.weight
        frame = pl.DataFrame(
            {
                "cell": mature.joined(self.cell_of, "cell"),
                "sampling": sampling_weight,
            }
        )
        seen = set(frame["cell"])
        lacking = self.share.filter(~pl.col("cell").is_in(list(seen)))
        lacks_value = np.array([MISSING in json.loads(c) for c in frame["cell"]], dtype=np.bool_)
        support = (lacks_value, self.share.height, lacking.height, float(lacking["target"].sum()))
        if mature.n == 0:
            return _Weighting(None, NO_CASES, *support)
        if lacking.height:
            reason = code(
                "cells_without_case",
                cells=lacking.height,
                of=self.share.height,
                share=support[-1],
            )
            return _Weighting(None, reason, *support)
        codes, totals = _cell_totals(frame)
        target = (
            frame.join(self.share, on="cell", how="left", maintain_order="left")["target"]
            .fill_null(0.0)
            .to_numpy()
        )
        here = totals[codes] / totals.sum()
        return _Weighting(sampling_weight * target / here, None, *support)


def _shares(rows: Sequence[tuple[str, float]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"cell": pl.String, "target": pl.Float64}, orient="row")


def _refused_target(reason: Code) -> _Target:
    return _Target(
        _shares([]), pl.DataFrame(schema={"case_id": pl.String, "cell": pl.String}), reason
    )


def _printed_target(target: Target, described: Description) -> _Target:
    """Give shares of printed cells, and the printed cell of each case."""
    persons = target.in_levels(described.levels)
    if not persons:
        return _refused_target(MARGINS_ONLY)
    if described.levels.is_one or described.has_few_persons(persons):
        return _refused_target(ONE_LEVEL if described.levels.is_one else described.is_too_small)
    rows = [(json.dumps([label]), n / persons.total()) for label, n in sorted(persons.items())]
    cells = described.cases.select(
        "case_id",
        pl.Series("cell", [json.dumps([label]) for label in described.cases["printed"]]),
    )
    return _Target(_shares(rows), cells)


def _cell_totals(frame: pl.DataFrame) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Code the cells and sum the sampling weight of each, in the order of the cases."""
    codes = np.unique(frame["cell"].to_numpy(), return_inverse=True)[1].reshape(-1)
    return codes, np.bincount(codes, weights=frame["sampling"].to_numpy()).astype(np.float64)


def _give_support(place: Place, weighting: _Weighting, mature: CaseSet) -> None:
    values = (weighting.n_cells, weighting.n_unsupported, weighting.unsupported_share)
    why = weighting.reason
    for metric, value in zip(_SUPPORT, values, strict=True):
        place.give(metric, value, method="target_cells", reason=why, notes=coded(why))
    if weighting.weight is None or weighting.lacks_value is None:
        for metric in ("effective_sample_size", *_ZERO):
            place.refuse(metric, why or UNDEFINED, n=mature.n)
        return
    is_zero = weighting.weight == 0
    size = kish_ess(weighting.weight)
    place.give(
        "effective_sample_size", size, n=mature.n - int(is_zero.sum()), method="kish_effective_size"
    )
    place.count("n_weight_zero", int(is_zero.sum()), mature.n)
    without = (weighting.lacks_value, ~weighting.lacks_value)
    for metric, lacks in zip(_ZERO[1:], without, strict=True):
        events = int((is_zero & lacks).sum())
        place.give(metric, events / mature.n, n=mature.n, events=events, method="share")


def _auc(
    weighting: _Weighting,
    mature: CaseSet,
    index_test: IndexTest,
    evaluation: Evaluation,
) -> Estimate:
    method = coded(WEIGHTED_AREA, "weights_held_fixed")
    among = mature.is_decided & weighting.is_weighed(mature.n)
    decided = mature.take(among)
    positive, n, events = decided.is_positive, decided.n, int(decided.is_positive.sum())
    reason = weighting.reason
    if index_test.output.kind == "binary":
        reason = NO_AUC
    elif reason is None and not decided.is_usable.any():
        reason = NO_INFERENCE
    if reason is not None or weighting.weight is None:
        return undefined(reason or UNDEFINED, method=method, n=n, events=events)
    if events in (0, n):
        return undefined("one_class_weighted", method=method, n=n, events=events)
    score = intention_to_diagnose_score(decided, index_test)
    weight, level = weighting.weight[among], evaluation.interval.level
    found = weighted_auc(score, positive, weight, decided.patient, level)
    notes = coded(found.notes, weighting.notes)
    return replace(found, method=method, notes=notes)


def _give_point(
    place: Place,
    weighting: _Weighting,
    mature: CaseSet,
    point: OperatingPoint,
    index_test: IndexTest,
    evaluation: Evaluation,
) -> None:
    reason = weighting.reason
    if reason is None and not mature.is_usable.any():
        reason = NO_INFERENCE
    table = tabulate(mature, point, index_test, ITD)
    for metric in SHARES:
        among, right = share(table, metric)
        if reason is not None or weighting.weight is None:
            n = int((among & weighting.is_weighed(mature.n)).sum())
            place.refuse(metric, reason or UNDEFINED, n=n)
            continue
        estimate = weighted_proportion(
            right, among, weighting.weight, mature.patient, evaluation.interval.level
        )
        found = per_thousand(estimate) if "_per_" in metric else estimate
        method = coded(found.method, "weighted")
        place.give(metric, found, method=method, notes=weighting.notes)
