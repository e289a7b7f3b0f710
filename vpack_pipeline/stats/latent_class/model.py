"""The model of Dawid & Skene (1979) at its maximum likelihood.

What does not belong here: how far its figures may be off (``intervals``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.arguments import number, numbers, positions, whole
from vpack_pipeline.stats.codes import Code, Codes, coded
from vpack_pipeline.stats.estimate import BoolArray, FloatArray

METHOD = "dawid_skene"
FEW_READERS = Code("fewer_than_three_readers")
NO_RATINGS = Code("no_ratings")
NOT_BETTER = Code("classes_not_told_apart")
NOT_CONVERGED = Code("likelihood_not_settled")
UNEQUAL_CATEGORIES = "categories must be given, each once"
_TINY = 1e-300
_TIE = 1e-9

IndexArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LatentClasses:
    """The model at its maximum likelihood; classes in the order of the categories given.

    ``confusion[r, t, c]`` is the probability that reader r says category c of a unit of class t;
    nan for a class that no unit has, and for a reader without ratings. ``posteriors`` has a row for
    each unit, nan where it has no rating.
    """

    categories: FloatArray
    prevalences: FloatArray
    confusion: FloatArray
    posteriors: FloatArray
    log_likelihood: float
    iterations: int
    converged: bool

    def hard(self) -> FloatArray:
        """The likeliest category of each unit: (units,), nan where two tie or it has no rating."""
        best = np.argmax(np.nan_to_num(self.posteriors), axis=1)
        found = is_decided(self.posteriors)
        labels: FloatArray = np.where(found, self.categories[best], np.nan)
        return labels


@dataclass(frozen=True, slots=True)
class LatentClassFit:
    """A model, or None with the ``reason``; ``notes`` beside a model are cautions.

    ``n`` counts the units with a rating, ``n_identifying`` those rated three times or more.
    """

    model: LatentClasses | None
    n: int
    n_identifying: int
    method: Codes
    reason: Code | None = None
    notes: Codes = ()


class Patterns(NamedTuple):
    """Distinct rows of ratings: how often each reader gave each category, and whose rows they are.

    ``table`` (P, R, q); ``of_unit`` indexes the rated units' patterns, ``rated`` says which they
    are.
    """

    table: FloatArray
    of_unit: IndexArray
    rated: BoolArray

    def counts(self) -> FloatArray:
        """Count each pattern's units: (1, P)."""
        return np.bincount(self.of_unit, minlength=len(self.table)).astype(np.float64)[None, :]


class Parameters(NamedTuple):
    """Of B models at once: (B, q) and (B, R, q, q) [reader, true, said]."""

    prevalences: FloatArray
    confusion: FloatArray


class _Fitted(NamedTuple):
    parameters: Parameters
    log_likelihood: FloatArray
    iterations: IndexArray
    converged: BoolArray


def dawid_skene(
    ratings: FloatArray,
    categories: Sequence[float],
    *,
    reader: npt.NDArray[np.integer] | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 2000,
) -> LatentClassFit:
    """Maximum likelihood of the Dawid–Skene model by expectation maximisation.

    Started, as in the paper, from each unit's shares of votes, and without smoothing: a category
    that a reader never gave in a class keeps probability 0. Equal rows of ratings are taken
    together, so that the cost is that of the distinct ones.

    Parameters
    ----------
    ratings : (units, columns), nan = no rating
    categories : (q,) all values that a rating may take, in any order; a category never given has
        prevalence 0
    reader : (columns,) reader of each column, numbered from 0, where one reader rates a unit more
        than once; without it every column is a reader of its own
    tolerance : the log-likelihood has settled when an iteration changes it by less than this share
    max_iterations : >= 1

    Returns
    -------
    refused with fewer than three readers, without ratings, and where the readers together are no
    better than chance at a class. A model that had not converged carries a caution.

    Raises
    ------
    ValueError
        A rating is none of the categories, or they repeat; a reader index does not fit.
    """
    number("tolerance", tolerance, 0.0)
    whole("max_iterations", max_iterations)
    patterns = collapsed(ratings, categories, reader)
    n, ratings_each = len(patterns.of_unit), patterns.table.sum(axis=(1, 2))
    n_identifying = int((ratings_each[patterns.of_unit] >= 3).sum())
    if reason := _unfit(patterns):
        return LatentClassFit(None, n, n_identifying, coded(METHOD), reason)
    counts = patterns.counts()
    fitted = expectation_maximisation(
        patterns.table, counts, _majority(patterns.table, counts), tolerance, max_iterations
    )
    if not better_than_chance(fitted.parameters, patterns.table, counts)[0]:
        return LatentClassFit(None, n, n_identifying, coded(METHOD), NOT_BETTER)
    posterior, _ = expected(patterns.table, fitted.parameters)
    posteriors = np.full((len(patterns.rated), len(categories)), np.nan)
    posteriors[patterns.rated] = posterior[0][patterns.of_unit]
    model = LatentClasses(
        np.asarray(categories, dtype=np.float64),
        fitted.parameters.prevalences[0],
        named(fitted.parameters)[0],
        posteriors,
        float(fitted.log_likelihood[0]),
        int(fitted.iterations[0]),
        bool(fitted.converged[0]),
    )
    notes = coded(None if model.converged else NOT_CONVERGED)
    return LatentClassFit(model, n, n_identifying, coded(METHOD), notes=notes)


def is_decided(posteriors: FloatArray) -> BoolArray:
    """Whether one class is likelier than any other, of (..., q) posteriors; nan is undecided."""
    ordered = np.sort(posteriors, axis=-1)
    runner_up = ordered[..., -2] if ordered.shape[-1] > 1 else 0.0
    decided: BoolArray = ordered[..., -1] - runner_up > _TIE
    return decided


def collapsed(
    ratings: FloatArray, categories: Sequence[float], reader: npt.NDArray[np.integer] | None
) -> Patterns:
    """Take equal rows of ratings together."""
    values = numbers("ratings", ratings, missing=True)
    levels = numbers("categories", categories)
    if values.ndim != 2:
        raise ValueError("ratings need the shape (units, readers)")
    if levels.size == 0 or np.unique(levels).size != levels.size:
        raise ValueError(UNEQUAL_CATEGORIES)
    columns = np.arange(values.shape[1]) if reader is None else positions("reader", reader)
    if columns.shape != (values.shape[1],):
        raise ValueError("one reader number from 0 is needed for each column")
    said = values[:, :, None] == levels
    if said.sum() != (~np.isnan(values)).sum():
        raise ValueError("ratings: a rating is none of the declared categories")
    readers = int(columns.max(initial=-1)) + 1
    # As narrow as the most ratings of one reader allow: there may be millions of units.
    most = np.bincount(columns, minlength=1).max()
    table = np.zeros((len(values), readers, levels.size), dtype=np.min_scalar_type(most))
    for column, who in enumerate(columns):
        table[:, who] += said[:, column]
    rated = np.asarray(table.any(axis=(1, 2)))
    flat = table[rated].reshape(int(rated.sum()), readers * levels.size)
    distinct, of_unit = np.unique(flat, axis=0, return_inverse=True)
    patterns = distinct.reshape(len(distinct), readers, levels.size).astype(np.float64)
    return Patterns(patterns, of_unit.reshape(-1), rated)


def _unfit(patterns: Patterns) -> Code | None:
    if not len(patterns.table):
        return NO_RATINGS
    readers = np.count_nonzero(patterns.table.any(axis=(0, 2)))
    return FEW_READERS if readers < 3 else None


def _majority(table: FloatArray, counts: FloatArray) -> Parameters:
    """Parameters from each pattern's shares of votes, as if they were posteriors."""
    votes = table.sum(axis=1)
    shares = votes / votes.sum(axis=1, keepdims=True)
    return _maximised(table, counts, shares[None])


def expected(table: FloatArray, parameters: Parameters) -> tuple[FloatArray, FloatArray]:
    """Posteriors (B, P, q) and log-likelihoods (B, P) of the patterns under B models."""
    n_patterns, readers, q = table.shape
    logs = np.log(np.maximum(parameters.confusion, _TINY)).swapaxes(2, 3)
    joint = table.reshape(n_patterns, -1) @ logs.reshape(-1, readers * q, q)
    joint += np.log(np.maximum(parameters.prevalences, _TINY))[:, None, :]
    top = joint.max(axis=2, keepdims=True)
    np.subtract(joint, top, out=joint)
    np.exp(joint, out=joint)
    total = joint.sum(axis=2, keepdims=True)
    joint /= total
    return joint, (top + np.log(total))[:, :, 0]


def _maximised(table: FloatArray, counts: FloatArray, posterior: FloatArray) -> Parameters:
    """Parameters that fit B sets of posteriors, each pattern counting (B, P) times."""
    n_patterns, readers, q = table.shape
    mass = counts[:, :, None] * posterior
    prevalences = mass.sum(axis=1) / counts.sum(axis=1, keepdims=True)
    said = table.reshape(n_patterns, -1).T @ mass
    confusion = said.reshape(-1, readers, q, q).swapaxes(2, 3)
    total = confusion.sum(axis=3, keepdims=True)
    return Parameters(
        prevalences,
        np.divide(confusion, total, out=np.zeros_like(confusion), where=total > 0),
    )


def expectation_maximisation(
    table: FloatArray,
    counts: FloatArray,
    start: Parameters,
    tolerance: float,
    max_iterations: int,
) -> _Fitted:
    """Fit B models side by side; one that has settled is not touched again."""
    prevalences, confusion = (np.array(part) for part in start)
    likelihood = np.full(len(counts), -np.inf)
    iterations = np.zeros(len(counts), dtype=np.intp)
    converged = np.zeros(len(counts), dtype=np.bool_)
    active = np.arange(len(counts))
    for _ in range(max_iterations):
        posterior, logs = expected(table, Parameters(prevalences[active], confusion[active]))
        now = (logs * counts[active]).sum(axis=1)
        settled = np.abs(now - likelihood[active]) <= tolerance * np.abs(now)
        likelihood[active], converged[active] = now, settled
        active, posterior = active[~settled], posterior[~settled]
        if active.size == 0:
            break
        iterations[active] += 1
        prevalences[active], confusion[active] = _maximised(table, counts[active], posterior)
    return _Fitted(Parameters(prevalences, confusion), likelihood, iterations, converged)


def better_than_chance(parameters: Parameters, table: FloatArray, counts: FloatArray) -> BoolArray:
    """Whether each class is named more often in its own cases than in those of any other: (B,).

    Over all readers, each with the weight of their ratings; a class that no unit has is passed by.
    Guards against classes that have changed places (label switching).
    """
    # A reader without a rating in a class says nothing of it.
    weight = np.einsum("bp,prc->br", counts, table)[:, :, None] * (
        parameters.confusion.sum(axis=3) > 0
    )
    total = np.maximum(weight.sum(axis=1), _TINY)
    pooled = np.einsum("brt,brtc->btc", weight, parameters.confusion) / total[:, :, None]
    present = parameters.prevalences > 0
    pooled = np.where(present[:, :, None], pooled, -np.inf)
    q = pooled.shape[1]
    own = np.diagonal(pooled, axis1=1, axis2=2)
    others = np.where(np.eye(q, dtype=np.bool_), -np.inf, pooled).max(axis=1)
    better: BoolArray = ((own > others + _TIE) | ~present).all(axis=1)
    return better


def named(parameters: Parameters) -> FloatArray:
    """Confusion matrices with nan rows where nothing was rated in a class."""
    empty = parameters.confusion.sum(axis=3, keepdims=True) == 0
    named: FloatArray = np.where(empty, np.nan, parameters.confusion)
    return named
