"""How scores are distributed: the share of each label in each fixed part of the output's scale.

What does not belong here: what follows from a threshold (``thresholds``), how often an inference
fails and why (``failures``).
"""

from __future__ import annotations

import datetime
from typing import Final, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts.metrics import condition_of
from vpack_pipeline.core.calls import oriented
from vpack_pipeline.core.evaluation.analysis import (
    INDETERMINATE,
    NEGATIVE,
    POSITIVE,
    UNLABELLED,
    Analysed,
    AnalysisSet,
    CaseSet,
    cells,
)
from vpack_pipeline.core.evaluation.looks import Place, WindowedFigures
from vpack_pipeline.core.evaluation.score_grid import ScoreBins, score_bins
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.protocol import AnySampling, Evaluation, Finding, IndexTest
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray
from vpack_pipeline.stats.proportions import proportion_by_patient
from vpack_pipeline.stats.resampling import patient_codes

_SHARES: Final = {
    "share_of_positives": POSITIVE,
    "share_of_negatives": NEGATIVE,
    "share_of_indeterminate": INDETERMINATE,
    "share_of_unlabelled": UNLABELLED,
}
_NO_SCORE: Final = Code("binary_without_score")


def scores(
    *,
    cases: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Give for each label the share of its mature cases in each bin of the output's scale.

    ``stratum_kind`` is ``score`` with the place of a bin, from 1 (``score_from`` and ``score_to``
    say which scores); ``beyond_range`` with ``below`` or ``above``, for outputs that the protocol
    does not allow; or ``no_score``, for cases without a usable inference. The shares of a label add
    up to 1. Scores are as the output has them, whichever way suspicion rises. Where cases were not
    drawn alike, shares are weighted or refused as ``sampling`` says.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    """
    figures = WindowedFigures("evaluation/scores", evaluation, cut, published_looks)
    analysis = AnalysisSet(index_test=index_test, **analysed)
    level = evaluation.interval.level
    sampled = SampledCases(cases, sampling, evaluation)
    bins = score_bins(index_test.output)
    is_binary = index_test.output.kind == "binary"
    for finding, model_id, window in cells(findings, index_test):
        mature = analysis.cases(finding, model_id, window)
        parts = _Parts(mature, sampled, finding, level, _NO_SCORE if is_binary else None)
        keys = {"finding": finding, "model_id": model_id, "window": window}
        places = _places(mature, bins, index_test)
        for place, name in enumerate(bins.names):
            at = figures.at(**keys, stratum_kind="score", stratum=name)
            parts.give_range(at, bins, place)
            parts.give(at, places == place)
        for name, place in (("below", -1), ("above", len(bins.names))):
            at = figures.at(**keys, stratum_kind="beyond_range", stratum=name)
            parts.give(at, mature.is_usable & (places == place))
        without = figures.at(**keys, stratum_kind="no_score", stratum="no_score")
        parts.give(without, ~mature.is_usable)
    return figures.frame()


def _places(mature: CaseSet, bins: ScoreBins, index_test: IndexTest) -> np.ndarray:
    """The bin of each case; that of no bin where there is no usable score."""
    score = oriented(mature.score, index_test)
    found = bins.places(np.where(mature.is_usable, score, bins.lower[0]))
    return np.where(mature.is_usable, found, _NOWHERE)


_NOWHERE: Final = -2


class _Parts:
    """The cases of a window by label, the patients of each label recoded once."""

    def __init__(
        self,
        mature: CaseSet,
        sampled: SampledCases,
        finding: str,
        level: float,
        reason: Code | None,
    ) -> None:
        self._patient, self._level, self._reason = mature.patient, level, reason
        self._of_label = {
            metric: np.asarray(mature.label == label) for metric, label in _SHARES.items()
        }
        self._codes = {
            metric: patient_codes(mature.patient[is_of])[0]
            for metric, is_of in self._of_label.items()
        }

        everyone = np.ones(mature.n, dtype=np.bool_)
        self._weighed = {}
        for metric, is_of in self._of_label.items():
            condition = condition_of(metric)
            drawn = mature.is_decided if condition == "label" else everyone
            self._weighed[metric] = sampled.weigh(
                condition, finding, mature.case_id, drawn, (is_of,)
            )

    def give_range(self, place: Place, bins: ScoreBins, index: int) -> None:
        for metric, ends in (("score_from", bins.lower), ("score_to", bins.upper)):
            place.give(metric, float(ends[index]), method="output_range")

    def give(self, place: Place, within: BoolArray) -> None:
        for metric, is_of in self._of_label.items():
            codes = self._codes[metric]
            if self._reason is not None:
                place.refuse(metric, self._reason, n=codes.size)
                continue
            weighing = self._weighed[metric]
            if weighing.weight is not None or weighing.reason is not None:
                made = weighing.share(within, is_of, self._patient, self._level)
                place.give(metric, made.estimate)
                continue
            sizes = np.bincount(codes).astype(np.float64)
            successes = np.bincount(codes[within[is_of]], minlength=sizes.size).astype(np.float64)
            found = proportion_by_patient(successes, sizes, self._level)
            place.give(metric, weighing.said_of(found))
