"""How far figures of the model of Dawid & Skene may be off: patients drawn, the model fitted anew.

What does not belong here: the model (``model``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.arguments import clusters, number, numbers, whole
from vpack_pipeline.stats.codes import Code, Codes, code, coded
from vpack_pipeline.stats.estimate import Estimate, FloatArray, normal_quantile, undefined
from vpack_pipeline.stats.latent_class.model import (
    METHOD,
    Parameters,
    Patterns,
    better_than_chance,
    collapsed,
    dawid_skene,
    expectation_maximisation,
    expected,
    is_decided,
    named,
)
from vpack_pipeline.stats.resampling import (
    FEW_UNDEFINED,
    patient_codes,
    patient_weights,
    percentile_interval,
)

CERTAIN: Final = 0.9
"""Probability of its likeliest class from which a unit's soft label is no longer uncertain."""
NO_OTHER_LABEL: Final = Code("no_other_label")
NOT_IDENTIFIED_REPLICATES: Final = code("replicates_not_told_apart", share=FEW_UNDEFINED)


@dataclass(frozen=True, slots=True)
class LatentClassIntervals:
    """Prevalence of each category, and of two categories each reader's accuracy for the second.

    ``pooled`` is the mean sensitivity and the mean specificity of the readers, each with the weight
    of their ratings; empty unless the categories are two. ``uncertain`` is the share of rated units
    whose likeliest class has a probability below ``CERTAIN``; ``differs`` the share of those with
    another label, and a likeliest class, whose class is not that label.
    """

    prevalences: tuple[Estimate, ...]
    sensitivity: tuple[Estimate, ...]
    specificity: tuple[Estimate, ...]
    pooled: tuple[Estimate, ...]
    uncertain: Estimate
    differs: Estimate


def dawid_skene_intervals(
    ratings: FloatArray,
    categories: Sequence[float],
    cluster: npt.NDArray[np.generic],
    replicates: int,
    rng: np.random.Generator,
    *,
    reader: npt.NDArray[np.integer] | None = None,
    other: FloatArray | None = None,
    level: float = 0.95,
    minimum: int = 30,
    tolerance: float = 1e-8,
    max_iterations: int = 2000,
) -> LatentClassIntervals:
    """Percentile intervals by patient, each replicate started from the point estimate.

    Parameters
    ----------
    ratings, categories, reader : see ``dawid_skene``
    cluster : (units,) patient of each unit
    other : (units,) a label from elsewhere that ``differs`` is about: a category, nan = none
    minimum : units with three ratings or more, below which all is refused
    tolerance : of the replicates; the point estimate is ``dawid_skene``'s

    Returns
    -------
    sensitivity and specificity, a reader each, where the categories are two, the second being
    positive; else empty. Replicates whose classes cannot be told apart are left out, and where
    they are more than 5% there is no interval. ``n`` counts units with a rating, for a reader
    those that the reader rated.
    """
    normal_quantile(level)
    number("tolerance", tolerance, 0.0)
    whole("replicates", replicates)
    whole("minimum", minimum, 0)
    patterns = collapsed(ratings, categories, reader)
    codes, n_patients = patient_codes(clusters("cluster", cluster, len(patterns.rated)))
    labelled = _labelled(patterns, categories, other)
    fit = dawid_skene(ratings, categories, reader=reader, max_iterations=max_iterations)
    q, readers, n_rated = len(categories), patterns.table.shape[1], _rated_by_reader(patterns)
    if fit.model is None or fit.n_identifying < minimum:
        nothing = fit.reason or code("few_units_with_three_ratings", fewest=minimum)
        every = undefined(nothing, method=METHOD, n=fit.n)
        each = [undefined(nothing, method=METHOD, n=n) for n in n_rated]
        return _arranged([every] * q, [*each, *each, every, every], (every, every))
    start = Parameters(fit.model.prevalences, np.nan_to_num(fit.model.confusion))
    found, shares = [], []
    for weights in patient_weights(n_patients, replicates, rng):
        drawn = labelled.counts(weights[:, codes[patterns.rated]])
        values, shared = _replicates(patterns.table, drawn, start, tolerance, max_iterations)
        found.append(values)
        shares.append(shared)
    values = _with_pooled(np.concatenate(found), q, n_rated)
    model = Parameters(start.prevalences[None], fit.model.confusion[None])
    point = _with_pooled(_figures(model), q, n_rated)[0]
    sizes = [fit.n] * q + [*n_rated, *n_rated, fit.n, fit.n]
    estimates = [
        _estimate(float(v), column, n, level, fit.notes)
        for v, column, n in zip(point, values.T, sizes, strict=False)
    ]
    fitted = Parameters(start.prevalences[None], start.confusion[None])
    itself = _soft_counts(patterns.table, fitted, labelled.counts(np.ones((1, fit.n))))[0]
    uncertain, differs = (
        _share(counts, column, level, fit.notes)
        for counts, column in zip(itself, np.concatenate(shares).T, strict=True)
    )
    accuracy = estimates[q : q + 2 * readers + 2]
    return _arranged(estimates[:q], accuracy, (uncertain, differs))


class _Labelled(NamedTuple):
    """Each rated unit's pattern and other label, as one code; (P, q + 1) codes, the last of a
    pattern those without another label."""

    code: npt.NDArray[np.intp]
    shape: tuple[int, int]

    def counts(self, weights: npt.NDArray[np.number]) -> FloatArray:
        """Say how often each pattern enters each replicate, by other label: (B, P, q + 1)."""
        size = self.shape[0] * self.shape[1]
        counted: FloatArray = np.stack([np.bincount(self.code, w, size) for w in weights])
        return counted.reshape(-1, *self.shape)


def _labelled(
    patterns: Patterns, categories: Sequence[float], other: FloatArray | None
) -> _Labelled:
    q = len(categories)
    label = np.full(len(patterns.rated), np.nan)
    if other is not None:
        label = numbers("other", other, missing=True)
    if label.shape != patterns.rated.shape:
        raise ValueError("one other label is needed for each unit")
    label = label[patterns.rated]
    which = np.full(len(label), q)
    for i, category in enumerate(categories):
        which[label == category] = i
    if (which == q).sum() != np.isnan(label).sum():
        raise ValueError("an other label is none of the declared categories")
    return _Labelled(patterns.of_unit * (q + 1) + which, (len(patterns.table), q + 1))


def _soft_counts(table: FloatArray, parameters: Parameters, counts: FloatArray) -> FloatArray:
    """Count uncertain and all units, and those that differ and all with both labels: (B, 2, 2)."""
    posterior, _ = expected(table, parameters)
    every, other = counts.sum(axis=2), counts[:, :, :-1]
    uncertain = every * (posterior.max(axis=2) < CERTAIN)
    both = other.sum(axis=2) * is_decided(posterior)
    best = posterior.argmax(axis=2)[:, :, None]
    differs = both - np.take_along_axis(other, best, axis=2)[:, :, 0] * is_decided(posterior)
    found: FloatArray = np.stack([uncertain, every, differs, both], axis=2).sum(axis=1)
    return found.reshape(-1, 2, 2)


def _share(counts: FloatArray, replicates: FloatArray, level: float, notes: Codes) -> Estimate:
    events, n = (int(count) for count in counts)
    if n == 0:
        return undefined(NO_OTHER_LABEL, method=METHOD, n=0, events=0)
    return replace(_estimate(events / n, replicates, n, level, notes), events=events)


def _replicates(
    table: FloatArray,
    drawn: FloatArray,
    start: Parameters,
    tolerance: float,
    max_iterations: int,
) -> tuple[FloatArray, FloatArray]:
    """Figures and (B, 2) shares of each replicate; nan where its classes cannot be told apart."""
    counts = drawn.sum(axis=2)
    # Replicates without a rated unit have nothing to fit.
    held = counts.sum(axis=1) > 0
    repeated = Parameters(*(np.repeat(part[None], held.sum(), axis=0) for part in start))
    fitted = expectation_maximisation(table, counts[held], repeated, tolerance, max_iterations)
    good = better_than_chance(fitted.parameters, table, counts[held])[:, None]
    figures = _figures(Parameters(fitted.parameters.prevalences, named(fitted.parameters)))
    soft = _soft_counts(table, fitted.parameters, drawn[held])
    with np.errstate(invalid="ignore"):
        shares = soft[:, :, 0] / soft[:, :, 1]
    found = []
    for some in (figures, shares):
        values = np.full((len(counts), some.shape[1]), np.nan)
        values[held] = np.where(good, some, np.nan)
        found.append(values)
    return found[0], found[1]


def _figures(parameters: Parameters) -> FloatArray:
    """(B, q) prevalences; of two categories also each reader's sensitivity, then specificity."""
    confusion = parameters.confusion
    if confusion.shape[2] != 2:
        return parameters.prevalences
    return np.hstack([parameters.prevalences, confusion[:, :, 1, 1], confusion[:, :, 0, 0]])


def _with_pooled(figures: FloatArray, q: int, n_rated: list[int]) -> FloatArray:
    """Figures with the readers' mean sensitivity and specificity behind, weighted by ratings.

    A reader who rated no unit of the class is left out; a row without any stays nan.
    """
    if q != 2:
        return figures
    pooled = []
    for own in np.split(figures[:, q:], 2, axis=1):
        weight = np.where(np.isnan(own), 0.0, np.asarray(n_rated, dtype=np.float64))
        total = weight.sum(axis=1)
        mean = (weight * np.nan_to_num(own)).sum(axis=1) / np.maximum(total, 1.0)
        pooled.append(np.where(total > 0, mean, np.nan))
    return np.column_stack([figures, *pooled])


def _rated_by_reader(patterns: Patterns) -> list[int]:
    rated = patterns.table.sum(axis=2) > 0
    return [int(n) for n in patterns.counts()[0] @ rated]


def _arranged(
    prevalences: list[Estimate], accuracy: list[Estimate], shares: tuple[Estimate, Estimate]
) -> LatentClassIntervals:
    if len(prevalences) != 2:
        return LatentClassIntervals(tuple(prevalences), (), (), (), *shares)
    each, pooled = accuracy[:-2], tuple(accuracy[-2:])
    half = len(each) // 2
    return LatentClassIntervals(
        tuple(prevalences), tuple(each[:half]), tuple(each[half:]), pooled, *shares
    )


def _estimate(value: float, replicates: FloatArray, n: int, level: float, notes: Codes) -> Estimate:
    method = coded(METHOD, "percentile_bootstrap_by_patient")
    if np.isnan(value):
        return undefined("no_rating_in_class", method=method, n=n)
    interval = percentile_interval(replicates, level, most_undefined=FEW_UNDEFINED)
    if interval.lower is None:
        return undefined(NOT_IDENTIFIED_REPLICATES, method=method, n=n, value=value)
    return Estimate(value, interval.lower, interval.upper, n, None, method, notes=notes)
