"""Where index test and reference standard disagree, and how sure the standard was there.

A disagreement against a split panel, or against one or two readers, may be the model's error or the
label's: nobody can tell. A failed inference is neither. What does not belong here: how often panels
err (``adjudication/label_noise``).
"""

from __future__ import annotations

import datetime
from typing import Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import included_reads, read_basis
from vpack_pipeline.core.evaluation.analysis import (
    AnalysisSet,
    Called,
    called,
    cells,
    primary_point,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.protocol import Evaluation, Finding, IndexTest
from vpack_pipeline.stats.estimate import BoolArray
from vpack_pipeline.stats.proportions import clustered_proportion

ALL: Final = "all"
INDEPENDENT: Final = "independent_reference"
UNANIMOUS: Final = "unanimous"
SPLIT: Final = "split"
FEW: Final = "single_or_few"
STATES: Final = (INDEPENDENT, UNANIMOUS, SPLIT, FEW)
"""How sure a label is: an independent source; three or more independent reads, all alike; reads
that differ from one another or from the label, whoever decided; fewer than three independent reads,
or none (consensus alone)."""

NOT_SEPARABLE: Final = (SPLIT, FEW)
NO_POINT: Final = "the protocol fixes no operating point for this model and finding"
NO_CASES: Final = "no mature case with a decided label and a completed inference"
AT_LEAST: Final = (
    "at least: readers' errors are taken as independent; with correlated errors it is more"
)
NO_DISAGREEMENT: Final = "index test and reference standard do not disagree"
METRICS: Final = ("disagreement", "false_positives", "false_negatives", "share_of_disagreements")


def error_attribution(
    *,
    time_split: pl.DataFrame,
    reference_standard: pl.DataFrame,
    inferences: pl.DataFrame,
    reads: pl.DataFrame,
    included: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    published_looks: pl.DataFrame,
    cut: datetime.date,
) -> pl.DataFrame:
    """Sort disagreements of index test and reference standard by the state of the panel.

    Of included, mature cases with a positive or negative label and a completed inference, at the
    operating point that speaks for the model (the primary one, else its first). Failed inferences
    are no disagreement, whatever the protocol counts them as: ``n_failed`` has them.

    Parameters
    ----------
    time_split, reference_standard, inferences : one row per case × finding (× model)
    reads : cohort/reads; says whether readers saw what their peers had said
    included : eligibility/included

    Returns
    -------
    figures by finding, model, window and panel_state (``all`` and each of :data:`STATES`).
    ``disagreement`` is the share of the state's cases; ``share_of_disagreements`` the state's part
    of all disagreements; ``share_not_separable`` (state ``all`` only) the part against split
    panels and fewer than three reads, a lower bound. The prospective window is withheld before the
    first look.
    """
    figures = WindowedFigures(
        ["finding", "model_id", "window", "panel_state"], evaluation, cut, published_looks
    )
    analysis = AnalysisSet(
        time_split=time_split,
        reference_standard=reference_standard,
        inferences=inferences,
        index_test=index_test,
    )
    known = included_reads(reads, included, findings)
    basis = {f.name: read_basis(known, f.name).caution for f in findings}
    for finding, model_id, window in cells(findings, index_test):
        place = {"finding": finding, "model_id": model_id, "window": window}
        point = primary_point(evaluation, finding, model_id)
        if point is None:
            _refuse(figures, place)
            continue
        cases = analysis.cases(finding, model_id, window)
        state = cases.joined(_states(reference_standard, finding), "state")
        decided = cases.is_decided
        verdicts = called(cases.take(decided), point, index_test)
        _give(
            figures,
            place,
            verdicts,
            state.filter(pl.Series(decided)).to_numpy(),
            f"at {point.name}",
            evaluation.interval.level,
            "; ".join(text for text in (AT_LEAST, basis[finding]) if text),
        )
    return figures.frame()


def _states(reference_standard: pl.DataFrame, finding: str) -> pl.DataFrame:
    reads = pl.sum_horizontal("n_positive", "n_negative", "n_indeterminate")
    concurring = pl.when(pl.col("label") == "positive").then("n_positive").otherwise("n_negative")
    return reference_standard.filter(pl.col("finding") == finding).select(
        "case_id",
        pl.when(pl.col("method") == INDEPENDENT)
        .then(pl.lit(INDEPENDENT))
        .when(concurring < reads)
        .then(pl.lit(SPLIT))
        .when(reads >= 3)
        .then(pl.lit(UNANIMOUS))
        .otherwise(pl.lit(FEW))
        .alias("state"),
    )


def _refuse(figures: WindowedFigures, place: dict[str, str]) -> None:
    for state in (ALL, *STATES):
        at = figures.at(**place, panel_state=state)
        for metric in (
            "n_cases",
            "n_failed",
            *METRICS,
            *(["share_not_separable"] if state == ALL else []),
        ):
            at.refuse(metric, NO_POINT)


def _give(
    figures: WindowedFigures,
    place: dict[str, str],
    verdicts: Called,
    state: np.ndarray[tuple[int], np.dtype[np.object_]],
    note: str,
    level: float,
    caution: str,
) -> None:
    cases = verdicts.cases
    completed = cases.is_usable
    n_completed = int(completed.sum())
    is_wrong = completed & (verdicts.is_flagged != cases.is_positive)
    for name in (ALL, *STATES):
        at = figures.at(**place, panel_state=name)
        within = np.ones(cases.n, dtype=np.bool_) if name == ALL else np.asarray(state == name)
        n_failed = int((within & ~completed).sum())
        # Without its denominator: beside n_cases that would give a small number away.
        at.give("n_failed", n_failed, events=n_failed, method="count; failed or missing inferences")
        within &= completed
        at.count("n_cases", int(within.sum()), n_completed)
        sides = {
            "disagreement": is_wrong,
            "false_positives": is_wrong & ~cases.is_positive,
            "false_negatives": is_wrong & cases.is_positive,
        }
        for metric, side in sides.items():
            _share(at, metric, side, within, cases.patient, note, level, NO_CASES)
        arguments = (is_wrong, cases.patient, note, level, NO_DISAGREEMENT)
        _share(at, "share_of_disagreements", within, *arguments)
        if name == ALL:
            doubtful = np.isin(state.astype(str), NOT_SEPARABLE)
            _share(at, "share_not_separable", doubtful, *arguments, caution)


def _share(
    at: Place,
    metric: str,
    success: BoolArray,
    among: BoolArray,
    patient: np.ndarray[tuple[int], np.dtype[np.int64]],
    note: str,
    level: float,
    empty: str,
    caution: str | None = None,
) -> None:
    if not among.any():
        at.refuse(metric, empty, n=0, events=0)
        return
    estimate = clustered_proportion(success[among], patient[among], level)
    reason = "; ".join(text for text in (estimate.reason, caution) if text) or None
    at.give(metric, estimate, method=f"{estimate.method}; {note}", reason=reason)
