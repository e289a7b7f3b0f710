"""How far the included cases lie from the target and from the excluded, variable by variable.

A distance is printed beside its null and never judged: at n = 100 and no difference at all, |SMD|
exceeds 0.1 in a third of samples. Of a variable that describes people only printed counts are
used. What does not belong here: the distances (``stats.distances``), the sets (``sets``).
"""

from __future__ import annotations

import dataclasses
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.figures import UNDEFINED, Figures
from vpack_pipeline.core.levels import NOT_JOINT, ONE_LEVEL, TIMES, Description, describe
from vpack_pipeline.core.representativeness.sets import NOT_STATED, View, by_window, view_of
from vpack_pipeline.core.rules_on_people import personal_columns
from vpack_pipeline.core.target import Target, read_target
from vpack_pipeline.core.variables import MISSING, binned, value_of
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Eligibility,
    Evaluation,
    Representativeness,
    Variable,
)
from vpack_pipeline.stats import distances
from vpack_pipeline.stats.codes import Code, Coded, Codes, code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray, undefined

ALL_CELLS: Final = "*all cells*"
INCLUDED_TARGET: Final = "included_target"
NO_TARGET: Final = Code("no_target")
UNPLACED: Final = Code("missing_values_left_out")
_AS_PATIENTS: Final = "patients_as_unit"

Outcomes = dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Sample:
    """One set seen through one variable, over known values.

    ``counts`` are over the bins without ``missing``; ``values`` are None where the variable is
    categorical or the set has counts only. ``effective`` is the effective number of cases when
    patients, not cases, are the unit: (Σm)² / Σm² over each patient's m cases.
    """

    counts: FloatArray
    effective: float
    values: FloatArray | None = None

    @property
    def n(self) -> int:
        """Cases or persons with a known value."""
        return int(self.counts.sum())

    @property
    def effective_counts(self) -> FloatArray:
        """Counts scaled to the effective number."""
        return self.counts * (self.effective / self.n) if self.n else self.counts


@dataclass(frozen=True, slots=True)
class Comparison:
    """The included beside another set, through one variable."""

    included: Sample
    other: Sample
    evaluation: Evaluation
    seed: tuple[int, ...]

    def rng(self, of: str = "") -> np.random.Generator:
        """Give the draws of one distance, which do not depend on which others are asked for."""
        return np.random.default_rng([*self.seed, *([zlib.crc32(of.encode())] if of else [])])

    @property
    def n(self) -> int:
        """Cases and persons of both sets with a known value."""
        return self.included.n + self.other.n


def match(
    *,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    excluded: pl.DataFrame,
    population: pl.DataFrame,
    levels: pl.DataFrame,
    eligibility: Eligibility,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    evaluation: Evaluation,
    disclosure: Disclosure,
) -> pl.DataFrame:
    """Measure how far the included lie from the target and from the excluded.

    Parameters
    ----------
    cases : the case view
    included : which cases are in, by ``case_id``
    excluded : which are out, and by which rules
    population : cells of the target; without a row in force its figures are refused
    levels : representativeness/levels
    evaluation : gives the seed, the replicates and the interval's level

    Returns
    -------
    one row per variable, comparison and metric; where people are too few to be compared, one row
    says so. The draws of one variable do not depend on which other variables there are.

    Raises
    ------
    InputError
        A population label is none of a numeric variable's bins, or its counts do not agree.
    """
    figures = Figures("representativeness/match")
    variables = representativeness.variables
    target = read_target(population, variables)
    has_target = target.total > 0
    known = describe(
        levels, cases, included, representativeness, covariates, evaluation, disclosure
    )

    rules = personal_columns(eligibility, covariates, disclosure)
    windows = by_window(cases, included, evaluation)

    def seen(description: Description) -> View:
        return view_of(description, cases, included, excluded, target, rules, windows)

    for variable in variables:
        view = seen(known[variable.name])
        for name, other in ((INCLUDED_TARGET, "target"), ("included_excluded", "excluded")):
            seed = (evaluation.seed, zlib.crc32(f"{variable.name}/{name}".encode()))
            ours, theirs = (_sample(view, one, variable, covariates) for one in ("included", other))
            comparison = Comparison(ours, theirs, evaluation, seed)
            outcomes = _outcomes(comparison, representativeness.distances, name)
            absent = _absent(other, theirs.n, has_target)
            too_small = view.reasons.get("included") or view.reasons.get(other)
            if absent is not None:
                outcomes = _refused(outcomes, absent, ours.n)
            elif too_small is not None:
                outcomes = _not_shown(outcomes, too_small, ours.n)
            _put(figures, outcomes, variable.name, name)
    joints = {TIMES.join(names): names for names in representativeness.joint}
    for name, names in joints.items():
        is_all = len(names) == len(variables)
        cells = _printed_cells(seen(known[name]))
        _put(figures, cells.outcomes(has_target), ALL_CELLS if is_all else name, INCLUDED_TARGET)
    if all(len(names) < len(variables) for names in joints.values()):
        is_personal = any(known[v.name].levels.is_personal for v in variables)
        cells = (
            _NO_CELLS
            if is_personal
            else _plain_cells(cases, included, target, variables, covariates)
        )
        _put(figures, cells.outcomes(has_target), ALL_CELLS, INCLUDED_TARGET)
    return figures.frame()


def _outcomes(comparison: Comparison, asked: Sequence[str], name: str) -> Outcomes:
    outcomes: Outcomes = {}
    for distance in asked:
        outcomes |= DISTANCES[distance](comparison)
    ours, theirs = comparison.included.counts, comparison.other.counts
    outcomes |= _support(ours, theirs) | _unmatched(ours, theirs)
    if name == INCLUDED_TARGET:
        outcomes |= _effective_sample_size(ours, theirs)
    return outcomes


def _absent(other: str, n_other: int, has_target: bool) -> Code | None:
    """Say why there is nothing to compare with; None where there is."""
    if other != "target" or n_other > 0:
        return None
    return NOT_STATED if has_target else NO_TARGET


def smd(comparison: Comparison) -> Outcomes:
    """Standardised difference: of means where both sets have values, else of binned shares.

    That of means has a sign and an interval. That of shares has neither: it has a name of its own,
    and beside it what it stays below without any difference, drawn as for Jensen and Shannon.
    """
    ours, theirs = comparison.included, comparison.other
    if ours.values is None or theirs.values is None:
        return _unsigned(comparison)
    level = comparison.evaluation.interval.level
    if min(ours.n, theirs.n) < 2:
        found = undefined("few_known_values", method="smd", n=comparison.n)
    else:
        found = distances.smd(
            _moments(ours.values, ours.effective), _moments(theirs.values, theirs.effective), level
        )
    method = coded(found.method, _AS_PATIENTS)
    return {"smd": dataclasses.replace(found, n=comparison.n, method=method)}


def _unsigned(comparison: Comparison) -> Outcomes:
    ours, theirs, n = comparison.included, comparison.other, comparison.n
    found = distances.smd_categorical(ours.effective_counts, theirs.effective_counts)
    found = dataclasses.replace(found, n=n, method=coded(found.method, _AS_PATIENTS))
    if found.value is None:
        return {"smd_unsigned": found, "smd_unsigned_null95": found}
    null = distances.smd_categorical_null(
        ours.effective_counts + theirs.effective_counts,
        max(1, int(ours.effective)),
        max(1, int(theirs.effective)),
        comparison.evaluation.replicates,
        comparison.rng("smd_unsigned"),
    )
    method = _drawn(comparison)
    return {
        "smd_unsigned": found,
        "smd_unsigned_null95": undefined("null_without_overlap", method=method, n=n)
        if null is None
        else _plain(null, n, method),
    }


def _drawn(comparison: Comparison) -> Codes:
    return coded(code("multinomial_null", draws=comparison.evaluation.replicates), _AS_PATIENTS)


def jensen_shannon(comparison: Comparison) -> Outcomes:
    """Jensen–Shannon divergence over bins, and what it stays below without any difference.

    The null draws both sets, at their effective sizes, from the pooled shares.
    """
    ours, theirs, n = comparison.included, comparison.other, comparison.n
    value = distances.jensen_shannon(ours.counts, theirs.counts)
    metrics = ("jensen_shannon", "jensen_shannon_null95")
    if value is None:
        empty = undefined("set_empty", method="jensen_shannon", n=n)
        return dict.fromkeys(metrics, empty)
    null = distances.jensen_shannon_null(
        ours.effective_counts + theirs.effective_counts,
        max(1, int(ours.effective)),
        comparison.evaluation.replicates,
        comparison.rng(),
        n_target=max(1, int(theirs.effective)),
    )
    return {
        "jensen_shannon": _plain(value, n, "jensen_shannon"),
        "jensen_shannon_null95": _plain(null, n, _drawn(comparison)),
    }


def kolmogorov_smirnov(comparison: Comparison) -> Outcomes:
    """Largest distance of the cumulative distributions; needs single values in both sets."""
    ours, theirs = comparison.included, comparison.other
    method = "kolmogorov_smirnov"
    if ours.values is None or theirs.values is None:
        nothing = undefined("single_values_not_read", method=method, n=comparison.n)
        return {"kolmogorov_smirnov": nothing}
    found = distances.kolmogorov_smirnov(ours.values, theirs.values)
    if found.statistic is None:
        reason = found.reason or UNDEFINED
        return {"kolmogorov_smirnov": undefined(reason, method=method, n=comparison.n)}
    return {"kolmogorov_smirnov": _plain(found.statistic, comparison.n, method)}


def _moments(values: FloatArray, n: float) -> distances.Moments:
    return distances.Moments(float(values.mean()), float(values.std(ddof=1)), n)


def _plain(value: float, n: int, method: Coded | Codes, events: int | None = None) -> Estimate:
    return Estimate(value, None, None, n, events, coded(method))


def _refused(outcomes: Outcomes, reason: Code, n: int) -> Outcomes:
    return {metric: undefined(reason, method=e.method, n=n) for metric, e in outcomes.items()}


def _not_shown(outcomes: Outcomes, reason: Code, n: int) -> Outcomes:
    """Say once, in the row of the first metric, why people are not compared."""
    first = next(iter(outcomes))
    return _refused({first: outcomes[first]}, reason, n)


def _put(figures: Figures, outcomes: Outcomes, variable: str, comparison: str) -> None:
    for metric, estimate in outcomes.items():
        figures.give(metric, estimate, variable=variable, comparison=comparison)


def _support(ours: FloatArray, theirs: FloatArray) -> Outcomes:
    """Find cells of the other set in which no included case stands."""
    bare = (theirs > 0) & (ours == 0)
    total, without = int(theirs.sum()), int(theirs[bare].sum())
    if total == 0:
        empty = undefined("other_set_without_known_value", method="count", n=0)
        return {"unsupported_cells": empty, "unsupported_share": empty}
    return {
        "unsupported_cells": _plain(float(bare.sum()), total, "count"),
        "unsupported_share": _plain(without / total, total, "share", without),
    }


def _unmatched(ours: FloatArray, theirs: FloatArray) -> Outcomes:
    """Find cells of the included in which nobody of the other set stands."""
    bare = (ours > 0) & (theirs == 0)
    total, without = int(ours.sum()), int(ours[bare].sum())
    if total == 0:
        empty = undefined("no_included_with_known_value", method="count", n=0)
        return {"unmatched_cells": empty, "unmatched_share": empty}
    return {
        "unmatched_cells": _plain(float(bare.sum()), total, "count"),
        "unmatched_share": _plain(without / total, total, "share", without),
    }


def _effective_sample_size(ours: FloatArray, target: FloatArray) -> Outcomes:
    """Kish's effective size of the included, weighted to the target's shares."""
    n = int(ours.sum())
    method = "kish_target_over_included"
    if n == 0 or ((target > 0) & (ours == 0)).any():
        reason = "target_cell_without_case" if n else "no_included_with_known_value"
        return {"effective_sample_size": undefined(reason, method=method, n=n)}
    weights = np.divide(target, ours, out=np.zeros_like(target), where=ours > 0)
    ess = distances.kish_ess(np.repeat(weights, ours.astype(np.int64)))
    return {"effective_sample_size": _plain(ess, n, method)}


@dataclass(frozen=True, slots=True)
class _Cells:
    """Cells of several variables together: what stands in each that states them all."""

    ours: Mapping[Any, int]
    theirs: Mapping[Any, int]
    n_cases: int
    reason: Code | None = None

    def outcomes(self, has_target: bool) -> Outcomes:
        """Give support and effective sample size over the cells."""
        known = sorted({*self.ours, *self.theirs})
        ours = np.array([self.ours.get(cell, 0) for cell in known], dtype=np.float64)
        theirs = np.array([self.theirs.get(cell, 0) for cell in known], dtype=np.float64)
        outcomes = _support(ours, theirs) | _unmatched(ours, theirs)
        outcomes |= _effective_sample_size(ours, theirs)
        n = int(ours.sum())
        if not has_target:
            return _refused(outcomes, NO_TARGET, n)
        if self.reason is not None:
            return _not_shown(outcomes, self.reason, n)
        if theirs.sum() == 0:
            return _refused(outcomes, Code("no_target_cell_states_all"), n)
        if n < self.n_cases:
            size = outcomes["effective_sample_size"]
            unplaced = dataclasses.replace(size, notes=coded(size.notes, UNPLACED))
            outcomes["effective_sample_size"] = unplaced
        return outcomes


_NO_CELLS: Final = _Cells({}, {}, 0, NOT_JOINT)


def _printed_cells(view: View) -> _Cells:
    ours, theirs = view.counts("included"), view.counts("target")
    n_cases = ours.total()
    del ours[MISSING], theirs[MISSING]
    reason = view.reasons.get("included") or view.reasons.get("target")
    if view.levels.is_one:
        reason = ONE_LEVEL
    return _Cells({} if reason else ours, theirs, n_cases, reason)


def _plain_cells(
    cases: pl.DataFrame,
    included: pl.DataFrame,
    target: Target,
    variables: Sequence[Variable],
    covariates: Sequence[Covariate],
) -> _Cells:
    """Cells of technical variables alone: their levels are printed as they are."""
    inside = cases.join(included.select("case_id"), on="case_id", how="semi").sort("case_id")
    labels = [binned(inside, variable, covariates).to_list() for variable in variables]
    found = Counter(zip(*labels, strict=True))
    all_stated = target.cells([v.name for v in variables]) or {}
    stated = {cell: n for cell, n in all_stated.items() if MISSING not in cell}
    ours = {cell: n for cell, n in found.items() if MISSING not in cell}
    return _Cells(ours, stated, inside.height)


def _sample(view: View, name: str, variable: Variable, covariates: Sequence[Covariate]) -> Sample:
    """See one set through a variable; single values are read of a technical one alone."""
    levels = view.levels.labels[:-1]
    counts = view.counts(name)
    over_levels = np.array([counts[label] for label in levels], dtype=np.float64)
    if name == "target":
        return Sample(over_levels, float(over_levels.sum()))
    cases = view.cases[name]
    known = cases["printed"] != MISSING
    per_patient = cases.filter(known)["patient_id"].value_counts()["count"].to_numpy()
    values = None
    if variable.kind == "numeric" and not view.levels.is_personal:
        read = value_of(cases, variable.name, covariates).filter(known)
        values = read.cast(pl.Float64).to_numpy()
    effective = distances.kish_ess(per_patient.astype(np.float64))
    return Sample(over_levels, effective, values)


DISTANCES: Final[Mapping[str, Callable[[Comparison], Outcomes]]] = {
    "smd": smd,
    "jensen_shannon": jensen_shannon,
    "kolmogorov_smirnov": kolmogorov_smirnov,
}
"""What ``representativeness.distances`` may name."""
