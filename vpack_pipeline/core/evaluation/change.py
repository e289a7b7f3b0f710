"""What the primary model's change after the lock is made of: other cases, or other results.

What does not belong here: the change itself with its interval (``comparison``), its course
(``trend``).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import (
    NO_INFERENCE,
    NO_POINT,
    Analysed,
    AnalysisSet,
    CaseSet,
    generator,
)
from vpack_pipeline.core.evaluation.looks import DIFFERENCE, Place, WindowedFigures
from vpack_pipeline.core.evaluation.operating_points import (
    ITD,
    Crossed,
    share,
    share_side,
    tabulate,
    weigh,
)
from vpack_pipeline.core.evaluation.strata import (
    Parting,
    acquired,
    described_together,
    levels_of,
    planned,
)
from vpack_pipeline.core.levels import ONE_LEVEL, describe
from vpack_pipeline.core.sampling import SampledCases, Weighing, without_size
from vpack_pipeline.core.variables import MISSING, with_typed_covariates
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import (
    AnySampling,
    Covariate,
    Disclosure,
    Evaluation,
    Finding,
    IndexTest,
    Representativeness,
)
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.difference import difference
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, IntArray
from vpack_pipeline.stats.mix_change import change_by_cells

MOST_REPLICATES: Final = 500
"""Enough for a spread that is known to a thirtieth; each costs a draw of every pattern."""
_SHARES: Final = ("sensitivity", "specificity")
_PARTS: Final = {
    "total": "change_",
    "mix": "change_mix_",
    "like": "change_like_",
    "new_cells": "change_new_cells_",
    "lost_cells": "change_lost_cells_",
    "new_device": "change_new_device_",
    "mix_reversed": "change_mix_reversed_",
    "like_reversed": "change_like_reversed_",
}
"""Part of :class:`Change` → what its metric begins with."""


def change(
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
    """Part the change of sensitivity and specificity into mix, like cases and what is new or lost.

    ``stratum_kind`` names the cells: the printed levels of a planned variable, of those that the
    protocol describes together, or of what made the image. In each row set the parts add up to the
    whole change. A device that no included case of the retrospective window has is new, by any
    header field that names a machine; its cases are a part of their own. Where cases were not drawn
    alike, shares and proportions are of weight, and parts have no interval; or they are refused, as
    ``sampling`` says.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    printed_words : cohort/printed_words
    levels : representativeness/levels
    included : eligibility/included
    """
    figures = WindowedFigures("evaluation/change", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    cases = with_typed_covariates(cases, covariates)
    known = describe(
        levels, cases, included, representativeness, covariates, evaluation, disclosure
    )
    plan = planned(cases, evaluation, representativeness, covariates, known)
    headers = acquired(cases, printed_words, included, representativeness, covariates, disclosure)
    devices = [p for p in headers if p.device is not None]
    machines = [p for p in (*plan, *headers) if p.device == "machine"]
    model_id = index_test.primary.id
    sampled = SampledCases(cases, sampling, evaluation)
    for finding in findings:
        point = primary_point(evaluation, finding.name, model_id)
        sides = [analysis.cases(finding.name, model_id, window) for window in WINDOWS]
        everyone = [
            analysis.cases(finding.name, model_id, window, is_mature=None) for window in WINDOWS
        ]
        lacking = NO_POINT if point is None else None
        if not all(side.is_usable.any() for side in sides):
            lacking = NO_INFERENCE
        tables = []
        if point is not None and lacking is None and not figures.hides(DIFFERENCE):
            tables = [tabulate(side, point, index_test, ITD) for side in sides]
        weighed = {
            metric: [weigh(table, metric, sampled, finding.name) for table in tables]
            for metric in _SHARES
        }
        new = _is_new(everyone[0], sides[1], machines)
        for parting in (*plan, *described_together(known, representativeness), *devices):
            place = figures.at(
                finding=finding.name,
                model_id=model_id,
                window=DIFFERENCE,
                stratum_kind=parting.name,
            )
            reason = lacking or _undescribed(parting, everyone)
            if reason is not None or not tables:
                _refuse(place, reason or NO_POINT)
                continue
            rng = generator(evaluation.seed, "change", finding.name, parting.name)
            _give(place, tables, weighed, parting, new, evaluation, rng)
    return figures.frame()


def _undescribed(parting: Parting, everyone: Sequence[CaseSet]) -> Code | None:
    """Say why the cells of a variable may not be compared between windows."""
    if parting.described is not None and parting.is_personal and parting.described.levels.is_one:
        return ONE_LEVEL
    for side in everyone:
        reason = parting.too_small(side)
        if reason is not None:
            return reason
    return None


def _is_new(before: CaseSet, after: CaseSet, machines: Sequence[Parting]) -> BoolArray:
    """Mark the later cases whose device no earlier case has, by any field that names it."""
    is_new = np.zeros(after.n, dtype=np.bool_)
    for parting in machines:
        known = {*before.joined(parting.level_of, "level").to_list(), MISSING}
        level = after.joined(parting.level_of, "level")
        is_new |= (~level.is_in(list(known))).to_numpy()
    return is_new


def _refuse(place: Place, reason: Code) -> None:
    for stem in _PARTS.values():
        for metric in _SHARES:
            place.refuse(f"{stem}{metric}", reason)


def _give(
    place: Place,
    tables: Sequence[Crossed],
    weighed: Mapping[str, Sequence[Weighing]],
    parting: Parting,
    new: BoolArray,
    evaluation: Evaluation,
    rng: np.random.Generator,
) -> None:
    cell = _cells([table.cases for table in tables], parting)
    is_new = [np.zeros(tables[0].cases.n, dtype=np.bool_), new]
    for metric in _SHARES:
        reasons = [weighing.why_not(under_weights=True) for weighing in weighed[metric]]
        why_not = next((reason for reason in reasons if reason is not None), None)
        if why_not is not None:
            for stem in _PARTS.values():
                place.refuse(f"{stem}{metric}", why_not)
            continue
        masks = [share(table, metric) for table in tables]
        used = [among for among, _ in masks]
        found = change_by_cells(
            np.concatenate([right[among] for among, right in masks]),
            np.repeat([False, True], [int(among.sum()) for among in used]),
            np.concatenate([c[among] for c, among in zip(cell, used, strict=True)]),
            np.concatenate([c[among] for c, among in zip(is_new, used, strict=True)]),
            np.concatenate([t.cases.patient[among] for t, among in zip(tables, used, strict=True)]),
            min(evaluation.replicates, MOST_REPLICATES),
            rng,
            evaluation.interval.level,
            _weights(weighed[metric], used),
        )
        notes = coded(*(weighing.notes for weighing in weighed[metric]))
        whole = _difference(tables, metric, weighed[metric], evaluation.interval.level)
        is_weighted = any(weighing.weight is not None for weighing in weighed[metric])
        for part, stem in _PARTS.items():
            made = whole if part == "total" else found._asdict()[part]
            method = coded(made.method, "weighted" if is_weighted else None)
            said = notes if made.value is not None else ()
            place.give(f"{stem}{metric}", made, method=method, notes=said)


def _weights(weighed: Sequence[Weighing], used: Sequence[BoolArray]) -> FloatArray | None:
    """Weights of the cases used; None where all count alike."""
    if all(weighing.weight is None for weighing in weighed):
        return None
    sides = [
        np.ones(int(among.sum())) if w.weight is None else w.weight[among]
        for w, among in zip(weighed, used, strict=True)
    ]
    return np.concatenate(sides)


def _difference(
    tables: Sequence[Crossed], metric: str, weighed: Sequence[Weighing], level: float
) -> Estimate:
    """Give the whole change, with the interval that it has in ``comparison``."""
    before, after = (
        without_size(share_side(table, metric, weighing, level))
        for table, weighing in zip(tables, weighed, strict=True)
    )
    found = difference(after, before)
    return replace(found, method=coded("difference", found.method))


def _cells(sides: Sequence[CaseSet], parting: Parting) -> list[IntArray]:
    """Give the code of each case's printed level, the same on both sides."""
    levels = levels_of(sides, parting.shown_of)
    joined = pl.concat(levels).rank("dense").cast(pl.Int64).to_numpy() - 1
    return [joined[: sides[0].n], joined[sides[0].n :]]
