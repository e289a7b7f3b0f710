"""Where index test and reference standard disagree, and how sure the standard was there.

A disagreement against a split panel, or against one or two readers, may be the model's error or the
label's: nobody can tell. A unanimous panel can err too, where readers err together: how often, at
an assumed correlation, is said beside (``unanimous_doubt``). A failed inference is neither. What
does not belong here: how often panels err (``adjudication/label_noise``).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Final, Unpack

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.core.adjudication.basis import included_reads, read_basis
from vpack_pipeline.core.adjudication.common_factor import CORRELATIONS, SCENARIOS
from vpack_pipeline.core.adjudication.evidence import READ_COLUMNS
from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import (
    NO_POINT,
    Analysed,
    AnalysisSet,
    Called,
    called,
    cells,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.unanimous_doubt import Panels, Tallies, doubt
from vpack_pipeline.core.evaluation.unweighted import UnweightedFigures
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.protocol import AnySampling, Evaluation, Finding, IndexTest
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.estimate import BoolArray, Estimate
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
NO_CASES: Final = Code("no_decided_or_completed")
NO_UNANIMOUS: Final = Code("no_unanimous_panel")
NO_DISAGREEMENT: Final = Code("no_disagreement")
NOTES: Final = {
    "share_not_separable": "at_most_if_unanimous_wrong",
    "share_wrong_labels": "readers_alike",
}
"""Metric at an assumed correlation → what to know beside it."""
NONE: Final = {"assumption_kind": "none", "assumption": "none"}
CORRELATED: Final = tuple(
    {"assumption_kind": "error_correlation", "assumption": f"{rho:g}"} for rho in CORRELATIONS
)
"""What is assumed of a unanimous panel: that it is right, or how its readers' errors correlate."""

METRICS: Final = ("disagreement", "false_positives", "false_negatives", "share_of_disagreements")


def error_attribution(
    *,
    cases: pl.DataFrame,
    reads: pl.DataFrame,
    included: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Sort disagreements of index test and reference standard by the state of the panel.

    Of included, mature cases with a positive or negative label, at the operating point that speaks
    for the model (the primary one, else its first); a failed inference counts as the protocol says,
    so that the errors are those of the headline.

    Parameters
    ----------
    analysed : what the analysis set is made of
    cases : the case view; ``stratum`` is the sampling stratum
    reads : cohort/reads; says whether readers saw what their peers had said
    included : eligibility/included

    Returns
    -------
    figures by finding, model, window, panel_state (``all`` and each of :data:`STATES`) and
    assumption. ``disagreement`` is the share of the state's cases; ``share_of_disagreements`` the
    state's part of all disagreements; ``share_not_separable`` (state ``all`` only) the part against
    split panels and fewer than three reads, a lower bound. At each error correlation stand
    ``share_wrong_labels`` (state ``unanimous``) and ``share_not_separable`` with these labels
    added (:func:`unanimous_doubt.doubt`): the result is the range from the lower bound over the
    correlations. What the way in which cases were drawn does not let stand is refused
    (``sampling``). The prospective window is withheld before the first look.
    """
    figures = WindowedFigures(
        "evaluation/error_attribution",
        evaluation,
        cut,
        published_looks,
    )
    analysis = AnalysisSet(index_test=index_test, **analysed)
    sampled = SampledCases(cases, sampling, evaluation)
    known = included_reads(
        analysis.numbered(reads.select(READ_COLUMNS)),
        analysis.numbered(included.select("case_id", "patient_id")),
        findings,
    )
    basis = {f.name: read_basis(known, f.name) for f in findings}
    panels = {name: Panels.of(b, name, analysis, evaluation) for name, b in basis.items()}
    for finding, model_id, window in cells(findings, index_test):
        place = {"finding": finding, "model_id": model_id, "window": window}
        point = primary_point(evaluation, finding, model_id)
        if point is None:
            _refuse(figures, place)
            continue
        mature = analysis.cases(finding, model_id, window)
        state = mature.joined(_states(analysed["reference_standard"], finding), "state")
        sorted_cases = _Sorted(
            called(mature, point, index_test),
            state.to_numpy().astype(str),
            code("at_point", point=point.name),
            evaluation.interval.level,
        )
        unweighted = UnweightedFigures(figures, sampled, finding, mature)
        _give(
            unweighted,
            place,
            sorted_cases,
            coded("at_least_if_unanimous_right", basis[finding].caution),
        )
        _give_doubt(unweighted, place, sorted_cases, panels[finding])
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
        at = figures.at(**place, panel_state=state, **NONE)
        for metric in ("n_cases", *METRICS):
            at.refuse(metric, NO_POINT)
    figures.at(**place, panel_state=ALL, **NONE).refuse("share_not_separable", NO_POINT)
    _refuse_doubt(figures, place, NO_POINT)


def _refuse_doubt(
    figures: WindowedFigures | UnweightedFigures, place: dict[str, str], why: Code
) -> None:
    for assumed in CORRELATED:
        in_panels = figures.at(**place, panel_state=UNANIMOUS, **assumed)
        in_panels.refuse("share_wrong_labels", why)
        figures.at(**place, panel_state=ALL, **assumed).refuse("share_not_separable", why)


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The mature cases of a window at an operating point, with the state of each one's panel."""

    verdicts: Called
    state: npt.NDArray[np.str_]
    point: Code
    level: float

    @property
    def counted(self) -> BoolArray:
        """Cases with a decided label; none where no inference was completed."""
        cases = self.verdicts.cases
        return np.asarray(cases.is_decided & cases.is_usable.any())

    @property
    def is_wrong(self) -> BoolArray:
        """Those of them where index test and label disagree."""
        cases = self.verdicts.cases
        return np.asarray(self.counted & (self.verdicts.is_flagged != cases.is_positive))

    @property
    def doubtful(self) -> BoolArray:
        """Cases whose panel leaves it open who erred."""
        return np.asarray(np.isin(self.state, NOT_SEPARABLE))


def _give(figures: UnweightedFigures, place: dict[str, str], of: _Sorted, notes: Codes) -> None:
    cases, counted, is_wrong = of.verdicts.cases, of.counted, of.is_wrong
    for name in (ALL, *STATES):
        at = figures.at(**place, panel_state=name, **NONE)
        within = np.ones(cases.n, dtype=np.bool_) if name == ALL else np.asarray(of.state == name)
        within &= counted
        at.count("n_cases", int(within.sum()), int(counted.sum()))
        sides = {
            "disagreement": is_wrong,
            "false_positives": is_wrong & ~cases.is_positive,
            "false_negatives": is_wrong & cases.is_positive,
        }
        for metric, side in sides.items():
            _share(at, metric, side, within, of, NO_CASES)
        _share(at, "share_of_disagreements", within, is_wrong, of, NO_DISAGREEMENT)
        if name == ALL:
            _share(at, "share_not_separable", of.doubtful, is_wrong, of, NO_DISAGREEMENT, notes)


def _give_doubt(
    figures: UnweightedFigures, place: dict[str, str], of: _Sorted, panels: Panels
) -> None:
    """Add what the labels of unanimous panels leave open at each correlation."""
    if panels.refusal is not None:
        _refuse_doubt(figures, place, panels.refusal)
        return
    unanimous = of.counted & (of.state == UNANIMOUS)
    tallies = Tallies.of(panels, of.verdicts.cases, unanimous, of.is_wrong, of.doubtful)
    for which, assumed in enumerate(CORRELATED):
        in_panels = figures.at(**place, panel_state=UNANIMOUS, **assumed)
        in_all = figures.at(**place, panel_state=ALL, **assumed)
        found = doubt(panels, which, tallies, of.level)
        _assumed(in_panels, "share_wrong_labels", found.wrong_labels, of.point, NO_UNANIMOUS)
        _assumed(in_all, "share_not_separable", found.not_separable, of.point, NO_DISAGREEMENT)


def _assumed(at: Place, metric: str, estimate: Estimate, point: Code, empty: Code) -> None:
    is_given = bool(estimate.n) and estimate.reason is None
    notes = coded(NOTES[metric], SCENARIOS) if is_given else ()
    method = coded(estimate.method, point)
    at.give(metric, replace(estimate, method=method), reason=empty, notes=notes)


def _share(
    at: Place,
    metric: str,
    success: BoolArray,
    among: BoolArray,
    of: _Sorted,
    empty: Code,
    notes: Codes = (),
) -> None:
    if not among.any():
        at.refuse(metric, empty, n=0, events=0)
        return
    patient = of.verdicts.cases.patient[among]
    estimate = clustered_proportion(success[among], patient, of.level)
    at.give(metric, estimate, method=coded(estimate.method, of.point), notes=notes)
