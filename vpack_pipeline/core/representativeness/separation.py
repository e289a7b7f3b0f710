"""How well a classifier tells the cases of two sets apart, and by which variables.

Of people it is given printed levels alone, and its figures stand to two digits: they are no
functions of printed counts. What does not belong here: the classifier (``stats.two_sample``),
distances variable by variable (``match``).
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.core.figures import Figures
from vpack_pipeline.core.representativeness.profiled import table_one
from vpack_pipeline.core.representativeness.sets import View
from vpack_pipeline.core.target import Target
from vpack_pipeline.core.variables import codes_of, value_of
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Drift,
    Eligibility,
    Evaluation,
    Representativeness,
)
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, IntArray, undefined
from vpack_pipeline.stats.two_sample import (
    cross_fitted_auc,
    folds_by_patient,
    null_areas,
)

ALL: Final = "*all variables*"
COMPARISONS: Final[Mapping[str, tuple[str, str]]] = {
    "retrospective_prospective": WINDOWS,
    "included_excluded": ("included", "excluded"),
}
N_FOLDS: Final = 5
FEWEST_DRAWS: Final = 1_000
MOST_DRAWS: Final = 10_000
FIRM: Final = 0.0025
"""Standard error of the null's percentile by its draws that is sought: half of the second digit."""
MOST_PATIENTS: Final = 2000
"""Of a larger pair of sets so many patients are drawn."""
_OF_ALL: Final = ("separation_auc", "separation_auc_null95")
_OF_ONE: Final = ("separation_auc_alone", "separation_auc_without")


def separation(
    *,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    excluded: pl.DataFrame,
    levels: pl.DataFrame,
    printed_words: pl.DataFrame,
    eligibility: Eligibility,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    evaluation: Evaluation,
    disclosure: Disclosure,
    drift: Drift,
) -> pl.DataFrame:
    """Tell the windows apart, and the included from the excluded, by the variables of Table 1.

    A variable in which one of the two sets is too small to describe is left out and says so; where
    a set has fewer patients than the smallest group, nothing is given.

    Parameters
    ----------
    cases : the case view
    included : which of them are in, by ``case_id``
    excluded : which are out, and by which rules
    levels : representativeness/levels
    printed_words : cohort/printed_words
    evaluation : gives the windows and the seed
    drift : what its monitors read is used

    Returns
    -------
    one row per variable (all of them together first), comparison and metric
    """
    figures = Figures("representativeness/separation")
    views = list(
        table_one(
            cases=cases,
            included=included,
            excluded=excluded,
            target=Target({}),
            levels=levels,
            printed_words=printed_words,
            eligibility=eligibility,
            representativeness=representativeness,
            covariates=covariates,
            evaluation=evaluation,
            disclosure=disclosure,
            drift=drift,
        )
    )
    for name, sets in COMPARISONS.items():
        seed = (evaluation.seed, zlib.crc32(f"separation/{name}".encode()))
        pair = _Pair.of(views, sets, covariates, np.random.default_rng(seed))
        reason = pair.too_small(disclosure.smallest_group)
        for metric, estimate in pair.together(reason).items():
            figures.give(metric, estimate, variable=ALL, comparison=name)
        for view in views:
            variable = view.levels.names[0]
            why = reason or next((view.reasons[s] for s in sets if s in view.reasons), None)
            for metric, estimate in pair.of_one(variable, why).items():
                figures.give(metric, estimate, variable=variable, comparison=name)
    return figures.frame()


@dataclass(frozen=True)
class _Pair:
    """The cases of two sets, as the classifier sees them.

    Attributes
    ----------
    columns : variable → (n, p) its columns
    """

    columns: Mapping[str, FloatArray]
    is_second: BoolArray
    patient: npt.NDArray[np.generic]
    fold: IntArray
    rng: np.random.Generator
    notes: Codes = ()
    """Says that not all patients were taken."""

    @classmethod
    def of(
        cls,
        views: Sequence[View],
        sets: tuple[str, str],
        covariates: Sequence[Covariate],
        rng: np.random.Generator,
    ) -> _Pair:
        shown = [v for v in views if not any(s in v.reasons for s in sets)]
        placed = [_placed(view, sets) for view in shown]
        ids = [frozenset(frame["case_id"]) for frame in placed]
        common = sorted(frozenset.intersection(*ids)) if ids else []
        if not common:
            nobody = np.zeros(0, dtype=np.bool_)
            return cls({}, nobody, np.zeros(0), np.zeros(0, dtype=np.int64), rng)
        whole = pl.Series(common)
        patients = _of_cases(placed[0], whole)["patient_id"]
        known = patients.unique().sort()
        taken = known.gather(np.sort(rng.permutation(known.len())[:MOST_PATIENTS]))
        chosen = whole.filter(patients.is_in(taken.implode()))
        is_all = taken.len() == known.len()
        notes = () if is_all else coded(code("patients_drawn", patients=MOST_PATIENTS))
        rows = [_of_cases(frame, chosen) for frame in placed]
        columns = {
            view.levels.names[0]: np.column_stack([*_columns(view, frame, covariates)])
            for view, frame in zip(shown, rows, strict=True)
        }
        is_second = (rows[0]["set"] == sets[1]).to_numpy()
        patient = codes_of(rows[0]["patient_id"])[0].to_numpy()
        fold = folds_by_patient(patient, is_second, N_FOLDS, rng)
        return cls(columns, is_second, patient, fold, rng, notes)

    def too_small(self, smallest: int) -> Code | None:
        """Say that a set has too few patients; None where both have enough."""
        few = min(self._patients) < smallest
        return code("too_few_to_tell_apart", fewest=smallest) if few else None

    @property
    def _patients(self) -> tuple[int, int]:
        """Patients with a case of each set."""
        first, second = (np.unique(self.patient[self.is_second == s]).size for s in (False, True))
        return first, second

    @property
    def n_draws(self) -> int:
        """Draws of the null that make its 95th percentile firm to :data:`FIRM`.

        The standard error of that percentile of N draws is 2.11 standard deviations over the root
        of N where they are normal; the deviation is Hanley and McNeil's at one half. Cross-fitting
        doubles its variance, since folds that score one another are drawn together.
        """
        first, second = self._patients
        variance = 2 * (first + second + 1) / (12 * first * second)
        wanted = math.ceil((2.11 / FIRM) ** 2 * variance)
        return max(FEWEST_DRAWS, min(MOST_DRAWS, wanted))

    def together(self, reason: Code | None) -> dict[str, Estimate]:
        """Give the area of all variables together, and its 95th percentile without a difference."""
        if reason is not None:
            return {metric: self._refused(reason, _method()) for metric in _OF_ALL}
        everything = np.column_stack([*self.columns.values()])
        found = cross_fitted_auc(everything, self.is_second, self.fold)
        drawn = null_areas(
            everything, self.is_second, self.patient, self.fold, self.n_draws, self.rng
        )
        null95 = float(np.quantile(drawn, 0.95)) if drawn.size else None
        null = coded(code("sets_drawn_by_patient", draws=self.n_draws), _method())
        methods = (_method(), null)
        return {
            metric: self._given(value, method)
            for metric, value, method in zip(_OF_ALL, (found, null95), methods, strict=True)
        }

    def of_one(self, variable: str, reason: Code | None) -> dict[str, Estimate]:
        """Give the area of one variable alone, and that of all others together."""
        if reason is not None:
            return {metric: self._refused(reason, _method()) for metric in _OF_ONE}
        others = [block for name, block in self.columns.items() if name != variable]
        without = np.column_stack(others) if others else np.zeros((self.is_second.size, 1))
        return {
            metric: self._given(cross_fitted_auc(x, self.is_second, self.fold), _method())
            for metric, x in zip(_OF_ONE, (self.columns[variable], without), strict=True)
        }

    def _given(self, value: float | None, method: Codes) -> Estimate:
        if value is None:
            return self._refused(Code("one_set_alone_in_every_fold"), method)
        events = int(self.is_second.sum())
        n = self.is_second.size
        return Estimate(round(value, 2), None, None, n, events, method, notes=self.notes)

    def _refused(self, reason: Code, method: Codes) -> Estimate:
        events = int(self.is_second.sum())
        return undefined(reason, method=method, n=self.is_second.size, events=events)


@functools.cache
def _method() -> Codes:
    return coded(code("cross_fitted_logistic", folds=N_FOLDS), "two_digits")


def _placed(view: View, sets: tuple[str, str]) -> pl.DataFrame:
    """Give the cases of two sets, with the set that each is of."""
    return pl.concat(view.cases[s].with_columns(pl.lit(s).alias("set")) for s in sets)


def _of_cases(placed: pl.DataFrame, case_ids: pl.Series) -> pl.DataFrame:
    return case_ids.alias("case_id").to_frame().join(placed, on="case_id", maintain_order="left")


def _columns(
    view: View, frame: pl.DataFrame, covariates: Sequence[Covariate]
) -> Iterator[FloatArray]:
    """Give one column a printed level, and of a technical number its value beside them."""
    for level in view.levels.labels:
        yield (frame["printed"] == level).to_numpy().astype(np.float64)
    variable = view.levels.variables[0]
    if variable.kind == "numeric" and not view.levels.is_personal:
        values = value_of(frame, variable.name, covariates).cast(pl.Float64)
        mean, sd = values.mean(), values.std()
        if isinstance(mean, float) and isinstance(sd, float) and sd > 0:
            # A missing value has its own column, and lies at the mean here.
            yield ((values - mean) / sd).fill_null(0.0).fill_nan(0.0).to_numpy()
