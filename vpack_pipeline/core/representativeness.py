"""Whom the included cases stand for: their profile, and their distance to target and excluded.

A distance is printed beside its null and never judged: at n = 100 and no difference at all, |SMD|
exceeds 0.1 in a third of samples. What does not belong here: the distances (``stats.distances``),
the bins (``variables``), and figures weighted to the target (``evaluation/transport``).
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from vpack_pipeline.core.figures import Figures
from vpack_pipeline.core.variables import MISSING, OTHER, bin_labels, binned, value_of
from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.protocol import Covariate, Evaluation, Representativeness, Variable
from vpack_pipeline.stats import distances
from vpack_pipeline.stats.estimate import Estimate, FloatArray, undefined

ALL_CELLS: Final = "*all cells*"
SETS: Final = ("cohort", "included", "excluded", "target")
NO_TARGET: Final = "no population was delivered: there is no target to compare with"
NOT_STATED: Final = "the population does not state this variable"
UNSUPPORTED: Final = "a target cell has no case: no weight can stand in for it"
UNPLACED: Final = "cases with a missing value stand in no cell and are left out"
_AS_PATIENTS: Final = "; patients as the unit"

Cell = tuple[str, ...]
Outcomes = dict[str, Estimate]

_PROFILE: Final[dict[str, type[pl.DataType]]] = {
    "variable": pl.String,
    "title": pl.String,
    "bin": pl.String,
    "bin_order": pl.Int64,
    "set": pl.String,
    "n": pl.Int64,
    "n_total": pl.Int64,
    "share": pl.Float64,
}


def profile(
    *,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    excluded: pl.DataFrame,
    population: pl.DataFrame,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
) -> pl.DataFrame:
    """Count every bin of every variable in the cohort, the included, the excluded and the target.

    Parameters
    ----------
    cases : the case view; the cohort
    included, excluded : which of them are in and out, by ``case_id``
    population : cells of the target; rows not in force do not count

    Returns
    -------
    one row per variable, bin and set, zero counts too; ``share`` is null in an empty set

    Raises
    ------
    InputError
        A population label is none of a numeric variable's bins.
    """
    target = _target(population, representativeness.variables)
    sets = {
        "cohort": cases,
        "included": _those_of(cases, included),
        "excluded": _those_of(cases, excluded),
    }
    rows = []
    for place, variable in enumerate(representativeness.variables):
        counts = {name: Counter(binned(f, variable, covariates)) for name, f in sets.items()}
        counts["target"] = _margin(target, place)
        for order, label in enumerate(bin_labels(variable), start=1):
            for name in SETS:
                n, total = counts[name][label], counts[name].total()
                share = n / total if total else None
                row = (variable.name, variable.title, label, order, name, n, total, share)
                rows.append(row)
    frame = pl.DataFrame(rows, schema=_PROFILE, orient="row")
    return frame.sort("variable", "bin_order", "set")


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
    rng: np.random.Generator

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
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    evaluation: Evaluation,
) -> pl.DataFrame:
    """Measure how far the included lie from the target and from the excluded.

    Parameters
    ----------
    cases : the case view
    included, excluded : which cases are in and out, by ``case_id``
    population : cells of the target; without a row in force its figures are refused
    evaluation : gives the seed, the replicates and the interval's level

    Returns
    -------
    one row per variable, comparison and metric; the rows are fixed by the protocol. The draws of
    one variable do not depend on which other variables there are.

    Raises
    ------
    InputError
        A population label is none of a numeric variable's bins.
    """
    figures = Figures("representativeness/match")
    variables = representativeness.variables
    inside, outside = _those_of(cases, included), _those_of(cases, excluded)
    target = _target(population, variables)
    for place, variable in enumerate(variables):
        ours = _sample(inside, variable, covariates)
        others = {
            "included_target": _counted(_margin(target, place), variable),
            "included_excluded": _sample(outside, variable, covariates),
        }
        for name, theirs in others.items():
            seed = [evaluation.seed, zlib.crc32(f"{variable.name}/{name}".encode())]
            comparison = Comparison(ours, theirs, evaluation, np.random.default_rng(seed))
            outcomes: Outcomes = {}
            for distance in representativeness.distances:
                outcomes |= DISTANCES[distance](comparison)
            outcomes |= _support(ours.counts, theirs.counts)
            if name == "included_target":
                outcomes |= _effective_sample_size(ours.counts, theirs.counts)
                if theirs.n == 0:
                    reason = NOT_STATED if target else NO_TARGET
                    outcomes = _refused(outcomes, reason, ours.n)
            _put(figures, outcomes, variable.name, name)
    joint = _joint(inside, target, variables, covariates)
    _put(figures, joint, ALL_CELLS, "included_target")
    return figures.frame()


def smd(comparison: Comparison) -> Outcomes:
    """Standardised difference: of means where both sets have values, else of binned shares."""
    ours, theirs = comparison.included, comparison.other
    level = comparison.evaluation.interval.level
    if ours.values is None or theirs.values is None:
        found = distances.smd_categorical(ours.effective_counts, theirs.effective_counts, level)
    elif min(ours.n, theirs.n) < 2:
        found = undefined("a set has fewer than 2 known values", method="SMD", n=comparison.n)
    else:
        found = distances.smd(
            _moments(ours.values, ours.effective), _moments(theirs.values, theirs.effective), level
        )
    method = found.method + _AS_PATIENTS
    return {"smd": dataclasses.replace(found, n=comparison.n, method=method)}


def jensen_shannon(comparison: Comparison) -> Outcomes:
    """Jensen–Shannon divergence over bins, and what it stays below without any difference.

    The null draws both sets, at their effective sizes, from the pooled shares.
    """
    ours, theirs, n = comparison.included, comparison.other, comparison.n
    value = distances.jensen_shannon(ours.counts, theirs.counts)
    metrics = ("jensen_shannon", "jensen_shannon_null95")
    if value is None:
        empty = undefined("a set is empty", method="Jensen-Shannon", n=n)
        return dict.fromkeys(metrics, empty)
    null = distances.jensen_shannon_null(
        ours.effective_counts + theirs.effective_counts,
        max(1, int(ours.effective)),
        comparison.evaluation.replicates,
        comparison.rng,
        n_target=max(1, int(theirs.effective)),
    )
    drawn = f"multinomial null, {comparison.evaluation.replicates} draws{_AS_PATIENTS}"
    return {
        "jensen_shannon": _plain(value, n, "Jensen-Shannon, base 2"),
        "jensen_shannon_null95": _plain(null, n, drawn),
    }


def kolmogorov_smirnov(comparison: Comparison) -> Outcomes:
    """Largest distance of the cumulative distributions; needs single values in both sets."""
    ours, theirs = comparison.included, comparison.other
    method = "Kolmogorov-Smirnov"
    if ours.values is None or theirs.values is None:
        reason = "needs single numeric values in both sets"
        return {"kolmogorov_smirnov": undefined(reason, method=method, n=comparison.n)}
    found = distances.kolmogorov_smirnov(ours.values, theirs.values)
    if found.statistic is None:
        reason = found.reason or "undefined"
        return {"kolmogorov_smirnov": undefined(reason, method=method, n=comparison.n)}
    return {"kolmogorov_smirnov": _plain(found.statistic, comparison.n, method)}


def _moments(values: FloatArray, n: float) -> distances.Moments:
    return distances.Moments(float(values.mean()), float(values.std(ddof=1)), n)


def _plain(value: float, n: int, method: str, events: int | None = None) -> Estimate:
    return Estimate(value, None, None, n, events, method)


def _refused(outcomes: Outcomes, reason: str, n: int) -> Outcomes:
    return {metric: undefined(reason, method=e.method, n=n) for metric, e in outcomes.items()}


def _put(figures: Figures, outcomes: Outcomes, variable: str, comparison: str) -> None:
    for metric, estimate in outcomes.items():
        figures.give(metric, estimate, variable=variable, comparison=comparison)


def _support(ours: FloatArray, theirs: FloatArray) -> Outcomes:
    """Find cells of the other set in which no included case stands."""
    bare = (theirs > 0) & (ours == 0)
    total, without = int(theirs.sum()), int(theirs[bare].sum())
    if total == 0:
        empty = undefined("the other set has no known value", method="count", n=0)
        return {"unsupported_cells": empty, "unsupported_share": empty}
    return {
        "unsupported_cells": _plain(float(bare.sum()), total, "count"),
        "unsupported_share": _plain(without / total, total, "share", without),
    }


def _effective_sample_size(ours: FloatArray, target: FloatArray) -> Outcomes:
    """Kish's effective size of the included, weighted to the target's shares."""
    n = int(ours.sum())
    method = "Kish 1965, weights target share / included share"
    if n == 0 or ((target > 0) & (ours == 0)).any():
        reason = UNSUPPORTED if n else "no included case with a known value"
        return {"effective_sample_size": undefined(reason, method=method, n=n)}
    weights = np.divide(target, ours, out=np.zeros_like(target), where=ours > 0)
    ess = distances.kish_ess(np.repeat(weights, ours.astype(np.int64)))
    return {"effective_sample_size": _plain(ess, n, method)}


def _joint(
    inside: pl.DataFrame,
    target: Mapping[Cell, int],
    variables: Sequence[Variable],
    covariates: Sequence[Covariate],
) -> Outcomes:
    """Support and effective sample size over the cells of all variables together."""
    labels = [binned(inside, variable, covariates).to_list() for variable in variables]
    found = Counter(zip(*labels, strict=True))
    known = sorted(cell for cell in {*found, *target} if MISSING not in cell)
    ours = np.array([found[cell] for cell in known], dtype=np.float64)
    theirs = np.array([target.get(cell, 0) for cell in known], dtype=np.float64)
    outcomes = _support(ours, theirs) | _effective_sample_size(ours, theirs)
    n = int(ours.sum())
    if theirs.sum() == 0:
        no_cell = "no target cell states every variable"
        return _refused(outcomes, no_cell if target else NO_TARGET, n)
    if n < inside.height:
        name = "effective_sample_size"
        reason = outcomes[name].reason or UNPLACED
        outcomes[name] = dataclasses.replace(outcomes[name], reason=reason)
    return outcomes


def _those_of(cases: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    return cases.join(chosen.select("case_id"), on="case_id", how="semi").sort("case_id")


def _sample(cases: pl.DataFrame, variable: Variable, covariates: Sequence[Covariate]) -> Sample:
    labels = binned(cases, variable, covariates)
    known = labels != MISSING
    counts = Counter(labels)
    per_patient = cases.filter(known)["patient_id"].value_counts()["count"].to_numpy()
    values = None
    if variable.kind == "numeric":
        read = value_of(cases, variable.name, covariates).filter(known)
        values = read.cast(pl.Float64).to_numpy()
    effective = distances.kish_ess(per_patient.astype(np.float64))
    return Sample(_over_bins(counts, variable), effective, values)


def _counted(counts: Counter[str], variable: Variable) -> Sample:
    over_bins = _over_bins(counts, variable)
    return Sample(over_bins, float(over_bins.sum()))


def _over_bins(counts: Counter[str], variable: Variable) -> FloatArray:
    return np.array([counts[label] for label in bin_labels(variable)[:-1]], dtype=np.float64)


def _target(population: pl.DataFrame, variables: Sequence[Variable]) -> dict[Cell, int]:
    """Read the target's cells; cells that come to the same bins are added up."""
    found: Counter[Cell] = Counter()
    for row in population.filter("in_force").iter_rows(named=True):
        stated = json.loads(row["cell"])
        found[tuple(_label(stated.get(v.name), v) for v in variables)] += row["n"]
    return {cell: n for cell, n in sorted(found.items()) if n > 0}


def _label(stated: str | None, variable: Variable) -> str:
    labels = bin_labels(variable)
    if stated is None:
        return MISSING
    if stated in labels:
        return stated
    if variable.kind == "categorical":
        return OTHER
    raise InputError(
        Problem(
            f"population, column {variable.name}",
            "a label is none of the variable's bins",
            f"use {', '.join(labels)}",
        )
    )


def _margin(target: Mapping[Cell, int], place: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for cell, n in target.items():
        counts[cell[place]] += n
    return counts


DISTANCES: Final[Mapping[str, Callable[[Comparison], Outcomes]]] = {
    "smd": smd,
    "jensen_shannon": jensen_shannon,
    "kolmogorov_smirnov": kolmogorov_smirnov,
}
"""What ``representativeness.distances`` may name."""
