"""The analysis set: included × mature × window, with label, score, call and patient, joined once.

Every figure of the section starts here, so that two tables cannot disagree about who is counted.
What does not belong here: any figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.core.calls import calls_at, oriented, reaches
from vpack_pipeline.core.evaluation.case_index import ABSENT, CaseIndex, look_up
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import Finding, IndexTest, OperatingPoint
from vpack_pipeline.stats.codes import Code
from vpack_pipeline.stats.estimate import BoolArray, FloatArray, IntArray

POSITIVE: Final = 1
NEGATIVE: Final = 0
INDETERMINATE: Final = 2
UNLABELLED: Final = -1
_CODES: Final = {"positive": POSITIVE, "negative": NEGATIVE, "indeterminate": INDETERMINATE}

NO_INFERENCE: Final = Code("no_usable_inference")
NO_AUC: Final = Code("no_roc_curve")
NO_POINT: Final = Code("no_operating_point")


@dataclass(frozen=True)
class CaseSet:
    """Cases of one finding and model, as arrays of one length, in order of their pseudonyms.

    ``case`` numbers them in ``index``, which knows their pseudonyms. ``label`` is POSITIVE,
    NEGATIVE, INDETERMINATE or UNLABELLED. ``score`` rises with suspicion whatever the output's
    direction and is NaN where there is none; ``call`` is the output's own call, false where there
    is none. ``is_usable`` marks completed inferences. ``case`` and ``patient`` codes agree between
    sets of one :class:`AnalysisSet`.
    """

    index: CaseIndex
    case: IntArray
    patient: IntArray
    label: npt.NDArray[np.int8]
    status: pl.Series
    score: FloatArray
    call: BoolArray
    is_usable: BoolArray

    @cached_property
    def case_id(self) -> pl.Series:
        """Pseudonyms of the cases: looked up when asked for, since most figures need none."""
        return self.index.case_id.gather(self.case)

    @property
    def n(self) -> int:
        """Cases."""
        return int(self.label.size)

    @property
    def n_patients(self) -> int:
        """Patients."""
        return int(np.count_nonzero(np.bincount(self.patient)))

    @property
    def is_positive(self) -> BoolArray:
        """Reference-positive cases."""
        return np.asarray(self.label == POSITIVE)

    @property
    def is_decided(self) -> BoolArray:
        """Cases whose label is positive or negative."""
        return np.asarray((self.label == POSITIVE) | (self.label == NEGATIVE))

    def take(self, mask: BoolArray) -> CaseSet:
        """Keep the cases of a mask."""
        return CaseSet(
            self.index,
            self.case[mask],
            self.patient[mask],
            self.label[mask],
            self.status.filter(pl.Series(mask)),
            self.score[mask],
            self.call[mask],
            self.is_usable[mask],
        )

    def with_others(self, others: CaseSet) -> CaseSet:
        """Give these cases, then others of the same analysis set."""
        return CaseSet(
            self.index,
            np.concatenate([self.case, others.case]),
            np.concatenate([self.patient, others.patient]),
            np.concatenate([self.label, others.label]),
            pl.concat([self.status, others.status]),
            np.concatenate([self.score, others.score]),
            np.concatenate([self.call, others.call]),
            np.concatenate([self.is_usable, others.is_usable]),
        )

    def joined(self, frame: pl.DataFrame, column: str) -> pl.Series:
        """Look up a column of a frame keyed by ``case_id``, in the order of the cases."""
        return look_up(frame[column], self.index.rows_of(frame["case_id"])[self.case])

    def are_among(self, case_id: pl.Series) -> BoolArray:
        """Mark the cases that some pseudonyms, each given once, name."""
        return np.asarray(self.index.rows_of(case_id)[self.case] != ABSENT)

    def rows_in(self, case_id: pl.Series) -> BoolArray:
        """Mark which of some pseudonyms, each given once, name cases of the set."""
        rows = self.index.rows_of(case_id)[self.case]
        found = np.zeros(case_id.len(), dtype=np.bool_)
        found[rows[rows != ABSENT]] = True
        return found


def counts_in(window: str, *, is_mature: bool | None = True, is_included: bool = True) -> pl.Expr:
    """Say which rows of ``evaluation/time_split`` a figure of a window counts.

    ``is_mature`` None counts those whose label is not due as well.
    """
    counts = (pl.col("window") == window) & (pl.col("is_included") == is_included)
    return counts if is_mature is None else counts & (pl.col("is_mature") == is_mature)


class Analysed(TypedDict):
    """What an analysis set is made of: a figure's function is handed these and passes them on.

    ``time_split`` and ``reference_standard`` have one row per case × finding, ``inferences``
    (``evaluation/index_test``) one per case × finding × model.
    """

    time_split: pl.DataFrame
    reference_standard: pl.DataFrame
    inferences: pl.DataFrame


class AnalysisSet:
    """Every case × finding × model with its window, label and output.

    Parameters
    ----------
    analysed : the tables that it is made of

    Attributes
    ----------
    n_patients : P; patients are numbered from 0 in order of their pseudonyms
    """

    def __init__(self, *, index_test: IndexTest, **analysed: Unpack[Analysed]) -> None:
        self.index_test = index_test
        split = analysed["time_split"]
        self._index = CaseIndex(split["case_id"])
        self._patients = (
            split.select("patient_id").unique().sort("patient_id").with_row_index("patient")
        )
        self.n_patients = self._patients.height
        self._split = split.select(
            "case_id", "finding", "patient_id", "window", "is_mature", "is_included"
        ).join(self._patients, on="patient_id", how="left", maintain_order="left")
        self._reference = analysed["reference_standard"].select("case_id", "finding", "label")
        self._inferences = analysed["inferences"].select(
            "case_id", "finding", "model_id", "status", "score", "call"
        )
        self._outputs: dict[tuple[str, str], pl.DataFrame] = {}

    def cases(
        self,
        finding: str,
        model_id: str,
        window: str,
        *,
        is_mature: bool | None = True,
        is_included: bool = True,
    ) -> CaseSet:
        """Take the cases of one finding, model and window; ``is_mature`` None takes all."""
        outputs = self._outputs.get((finding, model_id))
        if outputs is None:
            outputs = self._outputs[finding, model_id] = self._joined(finding, model_id)
        counted = counts_in(window, is_mature=is_mature, is_included=is_included)
        return self._case_set(outputs.filter(counted))

    def numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Keep the rows of its cases, in their order, with numbers in place of pseudonyms.

        ``case_id`` and ``patient_id``, if there is one, are those of :class:`CaseSet`: they sort as
        the pseudonyms do, and are sorted and joined much faster.
        """
        found = self._index.numbered(frame)
        if "patient_id" not in frame.columns:
            return found
        found = found.join(self._patients, on="patient_id", how="left", maintain_order="left")
        return found.with_columns(pl.col("patient").alias("patient_id")).drop("patient")

    def _joined(self, finding: str, model_id: str) -> pl.DataFrame:
        """Put side by side what is known of each case that has a window, a label and an output."""
        of_finding = pl.col("finding") == finding
        parts = (
            self._split.filter(of_finding).drop("finding", "patient_id"),
            self._reference.filter(of_finding).select("case_id", "label"),
            self._inferences.filter(of_finding & (pl.col("model_id") == model_id)).select(
                "case_id", "status", "score", "call"
            ),
        )
        rows = [self._index.rows_of(part["case_id"]) for part in parts]
        case = np.flatnonzero(np.all([row != ABSENT for row in rows], axis=0))
        columns = [
            values.gather(row[case])
            for part, row in zip(parts, rows, strict=True)
            for values in part.drop("case_id")
        ]
        return pl.DataFrame([pl.Series("case", case), *columns])

    def _case_set(self, frame: pl.DataFrame) -> CaseSet:
        is_binary = self.index_test.output.kind == "binary"
        output = frame["call" if is_binary else "score"]
        score = frame["score"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        label = frame["label"].replace_strict(_CODES, default=UNLABELLED, return_dtype=pl.Int8)
        return CaseSet(
            index=self._index,
            case=frame["case"].to_numpy(),
            patient=frame["patient"].cast(pl.Int64).to_numpy(),
            label=label.to_numpy(),
            status=frame["status"],
            score=oriented(score, self.index_test),
            call=frame["call"].fill_null(value=False).to_numpy(),
            is_usable=((frame["status"] == "ok") & output.is_not_null()).to_numpy(),
        )


@dataclass(frozen=True, slots=True)
class Called:
    """A case set at an operating point, failed inferences counted as the protocol says.

    ``is_wrong`` marks what :func:`is_wrong_anyhow` does.
    """

    cases: CaseSet
    is_flagged: BoolArray
    is_wrong: BoolArray


def called(cases: CaseSet, point: OperatingPoint | None, index_test: IndexTest) -> Called:
    """Call every case at an operating point; without a point its own call stands for itself."""
    call = calls_at(point, cases.score, cases.call.astype(np.float64), index_test)
    return Called(cases, _flagged(cases, call == 1, index_test), is_wrong_anyhow(cases, index_test))


def flagged_at(cases: CaseSet, threshold: float, index_test: IndexTest) -> BoolArray:
    """Flag every case at a threshold that need be no operating point; failures as they count.

    Parameters
    ----------
    threshold : as the output has it
    """
    return _flagged(cases, reaches(threshold, cases.score, index_test), index_test)


def _flagged(cases: CaseSet, call: BoolArray, index_test: IndexTest) -> BoolArray:
    return np.where(cases.is_usable, call, failed_is_flagged(cases, index_test))


def failed_is_flagged(cases: CaseSet, index_test: IndexTest) -> BoolArray:
    """Say of each case whether it counts as flagged if its inference failed.

    As incorrect, it is flagged where that is wrong; where the label is undecided, it is not.
    """
    if index_test.failed_counts_as == "incorrect":
        return np.asarray(cases.label == NEGATIVE)
    return np.full(cases.n, index_test.failed_counts_as == "positive")


def is_wrong_anyhow(cases: CaseSet, index_test: IndexTest) -> BoolArray:
    """Mark failed inferences that are an error whatever their label turns out to be."""
    unknown = ~cases.is_usable & ~cases.is_decided
    return np.asarray(unknown & (index_test.failed_counts_as == "incorrect"))


def intention_to_diagnose_score(cases: CaseSet, index_test: IndexTest) -> FloatArray:
    """Scores in which a failed inference ranks as the protocol says.

    Counted as flagged it has the highest score that the output allows, else the lowest.
    """
    lowest, highest = score_ends(cases, index_test)
    as_failed = np.where(failed_is_flagged(cases, index_test), highest, lowest)
    return np.where(cases.is_usable, cases.score, as_failed)


def score_ends(cases: CaseSet, index_test: IndexTest) -> tuple[float, float]:
    """Give the lowest and highest score: those that the output allows, or that were seen beyond."""
    ends = oriented(np.array([index_test.output.minimum, index_test.output.maximum]), index_test)
    seen = cases.score[cases.is_usable]
    lowest = min(float(ends.min()), float(seen.min(initial=np.inf)))
    return lowest, max(float(ends.max()), float(seen.max(initial=-np.inf)))


def cells(findings: tuple[Finding, ...], index_test: IndexTest) -> Iterator[tuple[str, str, str]]:
    """Every finding × model × window, in the protocol's order."""
    for finding in findings:
        for model in index_test.models:
            for window in WINDOWS:
                yield finding.name, model.id, window


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for each figure, so that no figure depends on another's draws."""
    return np.random.default_rng([seed, *"/".join(names).encode()])
