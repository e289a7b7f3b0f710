"""The index test at its locked thresholds in each cell: what figures in a target are made from.

Counts alone travel, by printed cell, so that whoever holds a pack can carry its figures to their
own population. What does not belong here: any figure in a target (``transport``).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.evaluation.analysis import NO_INFERENCE, Analysed, AnalysisSet
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import ITD, SHARES, Crossed, share, tabulate
from vpack_pipeline.core.levels import (
    MOSTLY_POSITIVE,
    NO_RESULTS_OF_MISSING,
    Description,
    describe,
    is_mostly,
)
from vpack_pipeline.core.sampling import SampledCases, Weighing
from vpack_pipeline.core.transport import COUNTS
from vpack_pipeline.core.transport.rows import DESIGN_EFFECT, EVERY, WEIGHTED
from vpack_pipeline.core.transport_variables import transport_variables
from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import (
    AnySampling,
    Covariate,
    Disclosure,
    Evaluation,
    IndexTest,
    Representativeness,
)
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray, FloatArray
from vpack_pipeline.stats.proportions import effective_size

PSEUDO_PATIENTS: Final = Code("design_effect_with_pseudo_patients")
_OPEN: Final = frozenset({"n_cases"})
_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "positives": ("sensitivity",),
    "negatives": ("specificity",),
    "cases": SHARES[2:],
}
"""Which shares a design effect is of; the largest of several."""


def transport_cells(
    *,
    cases: pl.DataFrame,
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
    """Count cases by label and call in each printed cell, at each operating point.

    ``stratum_kind`` names the variables, ``stratum`` is the cell. Failed inferences count as in
    the primary analysis. Where cases were not drawn alike, each count stands beside its sum of
    inverse sampling fractions. Under the stratum ``*`` stand the design effects: patients with
    several cases do not add up over cells. The cell ``missing`` is counted and has no results, nor
    has a cell of people nine tenths of whom are positive.

    Parameters
    ----------
    cases : the case view; its ``stratum`` is the sampling stratum
    levels : representativeness/levels
    included : eligibility/included
    """
    figures = WindowedFigures(
        "evaluation/transport_cells", evaluation, cut, published_looks, open_metrics=_OPEN
    )
    names = transport_variables(representativeness)
    if not names:
        return figures.frame()
    known = describe(
        levels, cases, included, representativeness, covariates, evaluation, disclosure
    )
    described = next(d for d in known.values() if set(d.levels.names) == set(names))
    kind = next(name for name, d in known.items() if d is described)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(cases, sampling, evaluation)
    for point in evaluation.operating_points:
        for window in WINDOWS:
            mature = analysis.cases(point.finding, point.model, window)
            everyone = analysis.cases(point.finding, point.model, window, is_mature=None)
            table = tabulate(mature, point, index_test, ITD)
            weighing = sampled.weigh("nothing", point.finding, mature.case_id)
            reason = described.too_small(everyone.case_id)
            cell_of = mature.joined(described.cases, "printed")
            for label in described.levels.labels:
                place = figures.at(
                    finding=point.finding,
                    model_id=point.model,
                    window=window,
                    operating_point=point.name,
                    stratum_kind=kind,
                    stratum=label,
                )
                members = (cell_of == label).to_numpy()
                counted = _counts(table, members)
                why = reason or _why_no_results(table, members, label, described)
                _give(place, counted, reason, why)
                if not sampled.are_all_alike:
                    _give_weighted(place, counted, weighing, reason, why)
            place = figures.at(
                finding=point.finding,
                model_id=point.model,
                window=window,
                operating_point=point.name,
                stratum_kind=kind,
                stratum=EVERY,
            )
            for name in _OF:
                _give_design_effect(place, name, table)
    return figures.frame()


def _counts(table: Crossed, members: BoolArray) -> dict[str, BoolArray]:
    """Mark the cases of a cell that each count is of."""
    undecided = members & ~table.cases.is_decided
    found = (
        members,
        members & table.positive,
        members & table.hit,
        members & table.negative,
        members & table.cleared,
        undecided,
        undecided & table.is_flagged,
    )
    return dict(zip(COUNTS, found, strict=True))


def _why_no_results(
    table: Crossed, members: BoolArray, label: str, described: Description
) -> Code | None:
    if label == MISSING:
        return NO_RESULTS_OF_MISSING
    if not table.cases.is_usable.any():
        return NO_INFERENCE
    positives = int((members & table.positive).sum())
    is_told = is_mostly(positives, int((members & table.counted).sum()))
    return MOSTLY_POSITIVE if is_told and described.levels.is_personal else None


def _give(
    place: Place, counted: Mapping[str, BoolArray], too_small: Code | None, why: Code | None
) -> None:
    n = int(counted["n_cases"].sum())
    for name, mask in counted.items():
        reason = too_small if name == "n_cases" else why
        if reason is None:
            place.count(name, int(mask.sum()), n)
        else:
            place.refuse(name, reason)


def _give_weighted(
    place: Place,
    counted: Mapping[str, BoolArray],
    weighing: Weighing,
    too_small: Code | None,
    why: Code | None,
) -> None:
    """Give the sums of inverse sampling fractions; each case counts once where all are alike."""
    cannot = weighing.reason if weighing.weight is None else weighing.why_not(under_weights=True)
    weight: FloatArray = (
        np.ones(counted["n_cases"].size) if weighing.weight is None else weighing.weight
    )
    for name, mask in counted.items():
        reason = cannot or (too_small if name == "n_cases" else why)
        if reason is None:
            n = int(counted["n_cases"].sum())
            total, events = float(weight[mask].sum()), int(mask.sum())
            place.give(f"{WEIGHTED}{name}", total, n=n, events=events, method="weighted")
        else:
            place.refuse(f"{WEIGHTED}{name}", reason)


def _give_design_effect(place: Place, name: str, table: Crossed) -> None:
    """Give by how much patients with several cases widen the variance of a share; at least 1."""
    effects, n = [1.0], 0
    for metric in _OF[name]:
        among, right = share(table, metric)
        size = int(among.sum())
        n = max(n, size)
        if size:
            patient = table.cases.patient[among]
            effects.append(size / effective_size(right[among], patient))
    place.give(f"{DESIGN_EFFECT}{name}", max(effects), n=n, method=PSEUDO_PATIENTS)
