"""No public function of ``stats`` computes with a value that is none: it names the argument.

One property over the modules: each public function, found by import, is called with arguments that
it accepts, then with each of them spoilt in every way that its kind can be. A function with an
argument that ``ARGUMENTS`` does not know fails: say there what its value is.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import pytest

from vpack_pipeline import stats
from vpack_pipeline.stats.agreement import Jackknife, percent_agreement
from vpack_pipeline.stats.arguments import amounts, clusters, labels
from vpack_pipeline.stats.auc_interval import Area
from vpack_pipeline.stats.difference import proportion_side
from vpack_pipeline.stats.distances import Moments
from vpack_pipeline.stats.estimate import undefined
from vpack_pipeline.stats.label_error import Replicates
from vpack_pipeline.stats.latent_class import dawid_skene
from vpack_pipeline.stats.net_benefit import Flagged
from vpack_pipeline.stats.proportions import PatientSums, design_effect, effective_size
from vpack_pipeline.stats.resampling import patient_weights
from vpack_pipeline.stats.roc import auc_replicates, placements
from vpack_pipeline.stats.transport import Cell, JointCell
from vpack_pipeline.stats.verification_bias import VerifiedCounts
from vpack_pipeline.stats.weighted import Part

CHECKS: Final = "arguments"
"""The checks themselves."""

NAN, INFINITE = (np.nan,), (np.inf, -np.inf)
NARROW: Final = (np.int8, np.int16, np.int32, np.uint8, np.uint16, np.uint32)


def _leaves(sample: Any, change: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """Give the sample once for each change of each scalar or array that it is made of."""
    if is_dataclass(sample):
        for field in fields(sample):
            if isinstance(part := getattr(sample, field.name), np.ndarray):
                yield from (replace(sample, **{field.name: p}) for p in _leaves(part, change))
    elif isinstance(sample, Mapping):
        for key, part in sample.items():
            yield from ({**sample, key: p} for p in _leaves(part, change))
    elif isinstance(sample, (tuple, list)):
        for i, part in enumerate(sample):
            made = getattr(type(sample), "_make", type(sample))
            yield from (made([*sample[:i], p, *sample[i + 1 :]]) for p in _leaves(part, change))
    else:
        yield from change(sample)


def _with(value: Any) -> Callable[[Any], Iterator[Any]]:
    """Put a value in place of a scalar; in an array, first, last, and everywhere."""

    def change(leaf: Any) -> Iterator[Any]:
        if not isinstance(leaf, np.ndarray):
            yield value
            return
        for place in (0, -1, slice(None)):
            spoilt = leaf.astype(object if value is None else np.float64)
            spoilt.reshape(-1)[place] = value
            yield spoilt

    return change


def _as(dtype: type[np.generic]) -> Callable[[Any], Iterator[Any]]:
    """Give whole numbers with fewer bits."""
    return lambda leaf: iter([np.asarray(np.round(leaf)).astype(dtype)[()]])


def _zero(leaf: Any) -> Iterator[Any]:
    """Give nothing of anything."""
    yield np.zeros_like(leaf)


def _reversed(leaf: Any) -> Iterator[Any]:
    """Give an array in the order that it should not have."""
    yield leaf[::-1].copy()


def _one_more(leaf: Any) -> Iterator[Any]:
    """Give an array that is one longer than it should be."""
    yield np.concatenate([leaf, leaf[-1:]])


@dataclass(frozen=True)
class Argument:
    """A value that a function accepts, and what to make of it that no function does."""

    sample: Any
    changes: tuple[Callable[[Any], Iterator[Any]], ...] = ()
    called: str = ""
    """What a refusal calls it, where that is not its name."""
    wholes: tuple[Any, ...] = ()
    """Values that no function accepts, as they are."""

    def spoilt(self) -> list[Any]:
        changed = (bad for change in self.changes for bad in _leaves(self.sample, change))
        return [*changed, *self.wholes]


def _holding(sample: Any, *values: Any, also: tuple[Any, ...] = ()) -> Argument:
    return Argument(sample, (*map(_with, values), *also))


def _number(sample: Any, *values: float) -> Argument:
    return _holding(sample, *NAN, *INFINITE, *values)


def _share(sample: Any) -> Argument:
    return _number(sample, -0.1, 1.1)


def _count(sample: Any) -> Argument:
    return _holding(sample, *NAN, *INFINITE, -1, also=tuple(map(_as, NARROW)))


def _whole(sample: int) -> Argument:
    return _number(sample, -1, sample + 0.5)


def _label(sample: Any) -> Argument:
    return _holding(sample, *NAN, *INFINITE, -1, 2, 0.5, None, also=(_one_more,))


def _code(sample: Any, *values: Any) -> Argument:
    return _holding(sample, *NAN, *values, also=(_one_more,))


def _record(sample: Any, **parts: Argument) -> Argument:
    """A record of one of our own functions, with each part spoilt in turn."""
    change = sample._replace if hasattr(sample, "_replace") else partial(replace, sample)
    bad = (change(**{name: b}) for name, part in parts.items() for b in part.spoilt())
    return Argument(sample, wholes=tuple(bad))


def _among(record: Argument) -> Argument:
    """Two such records, of which either is spoilt."""
    good = record.sample
    bad = (pair for b in record.wholes for pair in ([b, good], [good, b]))
    return Argument([good, good], wholes=tuple(bad))


N: Final = 12
PATIENTS: Final = np.repeat(np.arange(6.0), 2)
PROB: Final = np.linspace(0.05, 0.95, N)
POSITIVE: Final = PROB * 7 % 1 > 0.4
RATINGS: Final = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0]] * 3, dtype=np.float64)
MATRIX: Final = np.array([[1.0, 0.3], [0.3, 1.0]])
SHARES: Final = np.array([[0.2, 0.8], [0.5, 0.5]])
PANEL: Final = np.array([[40.0, 8.0, 5.0, 90.0], [38.0, 9.0, 6.0, 90.0]])
RATES: Final = np.array([0.9, 0.92])

rating = _holding(RATINGS, *INFINITE, 7)
of_reader = _holding(RATINGS[:, 0], *INFINITE, 7, also=(_one_more,))
values = _number(np.linspace(-1, 2, N))
scores = replace(values, changes=(*values.changes, _one_more))
values_or_nan = _holding(np.linspace(-1, 2, N), *INFINITE)
counts = _count(np.array([30.0, 20.0, 5.0]))
share_rows = _holding(SHARES, *INFINITE, -1, also=tuple(map(_as, NARROW)))
rates_or_nan = _holding(RATES, *INFINITE, -0.1, 1.1)
size = _number(40.0, -1)
positive_size = _number(40.0, -1, 0)
label = _label(POSITIVE)
limit = _number(0.4)
influence = _number(PROB - PROB.mean())
influence = replace(influence, changes=(*influence.changes, _one_more))
side = {"influence": influence, "cluster": _code(PATIENTS, None)}
SIDE: Final = proportion_side(POSITIVE, PATIENTS)
side_with_limits = _record(
    SIDE,
    estimate=_record(SIDE.estimate, value=limit, lower=limit, upper=limit),
    **side,
)
one_area = _record(
    Area(0.9, 20.0, 60.0, 0.002, None, 80, 20),
    value=_share(0.9),
    positives=positive_size,
    negatives=positive_size,
    observed=_number(0.002, -1),
)

total_with_limits = _record(
    Part(3.0, 1.0, 6.0),
    total=_number(3.0, -1, 0, 7),
    lower=_number(1.0, -1, 4),
    upper=_number(6.0, -1, 2),
)

one_cell = _number(Cell(40.0, 9.0, 1.0, 30.0, 2.0, 1.0, 1.0), -1)
joint_cells = [JointCell((i, j), 0.09, 0.1, True) for i in (0, 1) for j in (0, 1)]
one_share = [
    c._replace(**{k: v})
    for c in joint_cells[:1]
    for k in ("success", "denominator")
    for v in (np.nan, -0.1, 1.1)
]

ARGUMENTS: Final[dict[tuple[str, str], Argument]] = {
    ("a", "Moments"): _number(Moments(3.0, 1.0, 20.0)),
    ("b", "Moments"): _number(Moments(2.0, 1.5, 30.0)),
    ("alpha", "float"): _share(0.05),
    ("among", "BoolArray"): replace(label, sample=PROB > 0.1),
    ("areas", "Sequence[Area]"): _among(one_area),
    ("arl", "float"): _number(500.0, -1),
    ("b", "int"): _count(3),
    ("base", "FloatArray | None"): Argument(PROB, (*_count(PROB).changes, _one_more)),
    ("bins", "int"): _whole(4),
    ("bounds", "tuple[float, float]"): Argument((-1.0, 1.0)),
    ("c", "int"): _count(5),
    ("categories", "Sequence[float]"): _number((0.0, 1.0)),
    ("categories", "tuple[float, ...]"): _number((0.0, 1.0)),
    ("cell", "npt.NDArray[np.integer]"): _code(np.tile([0, 1, 2], 4), -1, 0.5),
    ("cell", "Cell"): Argument(one_cell.sample, one_cell.changes, called="cells"),
    ("cells", "Sequence[Cell]"): Argument([one_cell.sample] * 2, one_cell.changes),
    ("cells", "Sequence[JointCell]"): Argument(
        joint_cells, wholes=tuple([bad, *joint_cells[1:]] for bad in one_share)
    ),
    ("chunk", "int"): _whole(4),
    ("cluster", "npt.NDArray[np.generic]"): _code(PATIENTS, None),
    ("cluster", "npt.NDArray[np.generic] | None"): _code(PATIENTS, None),
    ("codes", "npt.NDArray[np.intp] | None"): _code(PATIENTS.astype(np.intp), -1, 0.5),
    ("codes", "npt.NDArray[np.intp]"): _code(PATIENTS.astype(np.intp), -1, 0.5),
    ("correlation", "FloatArray"): _number(MATRIX, 2.0),
    ("correlation", "float"): _number(0.2, -2.0, 2.0),
    ("counts", "FloatArray"): _count(np.array([[30.0, 9, 20, 80, 5, 40], [31, 8, 21, 80, 5, 40]])),
    ("counts", "IntArray"): Argument(
        np.array([[2, 0], [1, 5]]),
        (_with(-1),),
        wholes=(np.array([1, 2]), np.eye(2), np.array([[-1, 0]])),
    ),
    ("counts", "VerifiedCounts"): _count(VerifiedCounts(30, 9, 20, 80, 5, 40)),
    ("counts_a", "FloatArray"): counts,
    ("counts_b", "FloatArray"): counts,
    ("design", "FloatArray"): _number(np.column_stack([np.ones(N), PROB])),
    ("df", "float | None"): _number(4.0, -1),
    ("dispersion", "float"): _number(1.5, -1),
    ("draws", "int | None"): _whole(5),
    ("edges", "FloatArray"): _holding(np.array([0.0, 1.0]), *NAN, *INFINITE, also=(_reversed,)),
    ("estimates", "FloatArray"): _holding(RATES, *INFINITE, also=(_one_more,)),
    ("events", "int | None"): _whole(3),
    ("first", "FloatArray"): rates_or_nan,
    ("first", "Side"): side_with_limits,
    ("flagged", "BoolArray"): label,
    ("first", "BoolArray"): label,
    ("flagged", "Flagged"): _count(Flagged(*(np.arange(4.0) + k for k in (1, 1, 2, 3)))),
    ("floor", "float"): _number(1e-4, -1, 0),
    ("failed", "Part"): total_with_limits,
    ("design_effect", "float"): _number(1.2, -1, 0.9),
    ("fn", "int"): _count(5),
    ("fp", "int"): _count(9),
    ("fpr_grid", "FloatArray"): _share(np.array([0.0, 0.1, 1.0])),
    ("goal", "float"): _share(0.8),
    # Its fields are spoilt one by one in test_jackknife.
    ("found", "Jackknife"): Argument(Jackknife(np.array([0.1, 0.3]), 2, 9.0, is_share=False)),
    ("grid", "FloatArray"): _share(np.array([0.2, 0.5])),
    ("group", "IntArray"): _code(np.repeat(np.arange(3), 4), -1),
    ("groups", "Sequence[npt.NDArray[np.integer]]"): _holding(
        [np.arange(4), np.arange(3, 9)], *NAN, -1, N, 0.5
    ),
    ("h", "float"): _number(4.0, -1),
    ("heaviest", "float"): _number(3.0, -1),
    ("half_width", "float"): _number(0.05, -1, 0),
    ("information_fraction", "float"): _share(0.5),
    ("information_fractions", "Sequence[float]"): _share((0.5, 1.0)),
    ("information", "Sequence[float] | None"): _number((50.0, 100.0), -1, 0),
    ("is_after", "BoolArray"): replace(label, sample=np.arange(N) >= N // 2),
    ("is_new", "BoolArray"): replace(label, sample=np.arange(N) == N - 1),
    ("k", "float"): _number(0.5),
    ("k", "int"): _count(12),
    ("k1", "float"): _count(12.0),
    ("k2", "float"): _count(9.0),
    ("left_out", "FloatArray"): values_or_nan,
    ("level", "float"): _share(0.95),
    ("may_succeed", "BoolArray | None"): replace(label, sample=PROB > 0.5),
    ("margin", "float"): _number(0.1, -1),
    ("margins", "Sequence[npt.NDArray[np.integer]]"): _code(
        [np.tile([0, 1], 6), np.tile([0, 1, 1], 4)], -1, 2
    ),
    ("margins", "Sequence[Sequence[float]]"): _number(((3.0, 1.0), (2.0, 2.0)), -1),
    ("max_iterations", "int"): _whole(50),
    ("maximum", "float"): positive_size,
    ("minimum", "int"): _whole(3),
    ("minimum_false_negatives", "int"): _whole(10),
    ("most_false_positive", "float"): _number(0.1, -1, 0, 1.1),
    ("mix", "Sequence[npt.NDArray[np.integer]]"): _code([np.tile([0, 1], 6)], -1, 0.5),
    ("month", "npt.NDArray[np.integer]"): _number(np.arange(N)),
    ("most_undefined", "float"): _share(0.5),
    ("most_without", "float"): _share(0.1),
    ("n", "int"): _whole(20),
    ("n", "float"): size,
    ("m", "float"): size,
    ("n1", "float"): _count(20.0),
    ("n2", "float"): _count(30.0),
    ("n_a", "int"): _whole(20),
    ("n_b", "int"): _whole(30),
    ("n_bins", "int"): _whole(4),
    ("n_neg", "float"): positive_size,
    ("n_patients", "int"): _whole(6),
    ("n_pos", "float"): positive_size,
    ("n_positives", "float"): size,
    ("n_reference", "float | None"): size,
    ("n_target", "int | None"): _whole(20),
    ("observed", "float"): size,
    ("null", "FloatArray"): _holding(
        np.arange(24.0).reshape(N, 2), *INFINITE, also=(lambda leaf: iter([leaf[:, :1]]),)
    ),
    ("odds", "float"): _number(1.5, -1, 0),
    ("odds", "FloatArray"): _holding(np.linspace(0, 3, N), *NAN, -1, also=(_one_more,)),
    ("other", "FloatArray | None"): of_reader,
    ("only_first", "float"): _count(3.0),
    ("only_second", "float"): _count(5.0),
    ("offset", "FloatArray"): replace(scores, sample=np.zeros(N)),
    ("outcome", "FloatArray"): _number(POSITIVE.astype(np.float64), -1, 2, 0.5),
    ("p", "FloatArray"): _share(PROB),
    ("p", "float"): _share(0.3),
    ("placed", "tuple[FloatArray, FloatArray]"): _share(placements(PROB, POSITIVE)),
    ("penalty", "FloatArray | None"): Argument(
        np.ones(2), (*_count(np.ones(2)).changes, _one_more)
    ),
    ("place", "npt.NDArray[np.integer]"): _holding(np.tile(np.arange(4), 3), *NAN, -1, 5),
    ("n_places", "int"): _whole(4),
    ("is_second", "BoolArray"): replace(label, changes=label.changes[:-1]),
    ("patient", "npt.NDArray[np.generic]"): _code(PATIENTS, None),
    ("positive", "BoolArray"): label,
    ("positive_a", "BoolArray"): label,
    ("positive_b", "BoolArray"): label,
    ("power", "float"): _share(0.8),
    ("prevalence", "float"): _share(0.3),
    ("prevalence", "float | None"): _share(0.3),
    ("prob", "FloatArray"): _share(PROB),
    ("proportion", "float"): _share(0.4),
    ("quantile", "float"): _share(0.95),
    ("ratings", "FloatArray"): rating,
    ("reader", "npt.NDArray[np.integer] | None"): _code(np.arange(3), -1),
    ("readers", "int"): _whole(3),
    ("reference", "FloatArray"): values_or_nan,
    ("reference_bins", "npt.NDArray[np.integer]"): _code(np.tile(np.arange(4), 3), -1, 4),
    ("reference_sensitivity", "FloatArray"): rates_or_nan,
    ("reference_specificity", "FloatArray"): rates_or_nan,
    ("reference_sensitivity", "float"): _share(0.9),
    ("reference_specificity", "float"): _share(0.9),
    ("replicates", "Replicates | None"): _holding(
        Replicates(PANEL, RATES, RATES), *INFINITE, -1, also=(_one_more,)
    ),
    ("replicates", "int"): _whole(4),
    ("score", "FloatArray"): scores,
    ("score_a", "FloatArray"): scores,
    ("score_b", "FloatArray"): replace(scores, sample=np.linspace(-1, 2, N) ** 2),
    ("se", "float"): _number(0.2, -1),
    ("se", "FloatArray"): _holding(RATES, *INFINITE, -1, also=(_one_more,)),
    ("second", "FloatArray"): rates_or_nan,
    ("second", "BoolArray"): replace(label, sample=~POSITIVE),
    ("second", "Side"): side_with_limits,
    ("sensitivity", "float"): _share(0.9),
    ("share", "float"): _number(0.3, -1, 0, 1.1),
    ("shares", "FloatArray"): Argument(counts.sample, (*counts.changes, _zero)),
    ("shares", "Mapping[str, float]"): _share({"positive": 0.3, "negative": 0.7}),
    ("shift", "float"): _number(0.5),
    ("taken", "Sequence[float]"): _share((0.3, 0.6)),
    ("truth", "float"): _share(0.95),
    ("sides", "Sequence[Side]"): _among(_record(SIDE, **side)),
    ("sizes", "FloatArray"): Argument(
        np.array([4.0, 2.0]), (*_count(np.array([4.0, 2.0])).changes, _zero, _one_more)
    ),
    ("smoothing", "float"): _share(0.2),
    ("specificity", "float"): _share(0.8),
    ("statistics", "FloatArray"): _number(np.array([1.0, 2.0])),
    ("success", "BoolArray"): replace(label, changes=label.changes[:-1]),
    ("successes", "FloatArray"): Argument(
        np.array([3.0, 0.0]), (*_count(np.array([3.0, 0.0])).changes, _with(4.5), _one_more)
    ),
    ("sums", "PatientSums"): _number(PatientSums(6.0, 12.0, 5.0, 9.0, 10.0, 24.0), -1),
    ("succeeded", "Part"): total_with_limits,
    ("targets", "Sequence[FloatArray]"): _holding(
        [np.array([6.0, 6.0]), np.array([4.0, 8.0])],
        *(*NAN, *INFINITE, -1),
        also=(*map(_as, NARROW), _zero),
    ),
    ("threshold", "float"): _number(0.5),
    ("tn", "int"): _count(40),
    ("tolerance", "float"): _number(1e-6, -1),
    ("total", "float | None"): _number(12.0, -1),
    ("tp", "int"): _count(30),
    ("two_by_two", "FloatArray"): Argument(PANEL, (*_count(PANEL).changes, _one_more)),
    ("value", "float"): _number(0.4),
    ("value", "float | None"): _number(0.4),
    ("values", "FloatArray"): values_or_nan,
    ("unseen", "float"): _number(2.0, -1, 0),
    ("weight", "FloatArray"): Argument(PROB, (*_count(PROB).changes, _one_more)),
    ("weight", "FloatArray | None"): Argument(PROB, (*_count(PROB).changes, _with(0), _one_more)),
    ("weight_matrix", "npt.NDArray[Any]"): _number(np.tile([1, 2, 0], (2, 4)).astype(np.int16), -1),
    ("weights", "FloatArray"): _count(np.array([1.0, 2.0, 0.0])),
    ("weights", "FloatArray | None"): Argument(PROB, (*_count(PROB).changes, _one_more)),
    ("width", "float"): _number(2.0, -1),
    ("window_n", "int"): _number(8, -1),
    ("z", "FloatArray"): values,
}
"""What an argument is, by its name and annotation."""
OF_FUNCTION: Final[dict[tuple[str, str], Argument]] = {
    ("cross_fitted_auc", "features"): _number(np.column_stack([PROB, PROB**2])),
    ("cross_fitted_auc", "fold"): Argument(
        np.arange(N) % 3, (*_code(np.arange(N) % 3, -1, 0.5).changes,)
    ),
    ("null_areas", "n_draws"): _number(3, -1, 0, 2.5),
    ("null_areas", "features"): _number(np.column_stack([PROB, PROB**2])),
    ("null_areas", "fold"): Argument(
        np.arange(N) % 3, (*_code(np.arange(N) % 3, -1, 0.5).changes,)
    ),
    ("folds_by_patient", "n_folds"): _number(2, -1, 1, 2.5),
    ("cohen_kappa", "a"): of_reader,
    ("cohen_kappa", "b"): of_reader,
    ("kolmogorov_smirnov", "a"): values,
    ("kolmogorov_smirnov", "b"): values,
    ("jensen_shannon_rows", "p"): share_rows,
    ("jensen_shannon_rows", "q"): share_rows,
    ("psi_rows", "p"): share_rows,
    ("psi_rows", "q"): share_rows,
    ("null_by_patient_resampling", "reference"): values,
    ("patient_codes", "cluster"): _holding(PATIENTS, *NAN, None),
    ("pair_jackknife", "a"): of_reader,
    ("pair_jackknife", "b"): of_reader,
    ("corrected_estimates", "two_by_two"): _count(PANEL[0]),
    ("icc_agreement", "ratings"): _holding(RATINGS, *INFINITE),
    ("leave_one_reader_out", "ratings"): _holding(RATINGS, *INFINITE),
    ("leave_one_reader_out", "statistic"): Argument(partial(percent_agreement, categories=(0, 1))),
    ("null_by_patient_resampling", "statistic"): Argument(lambda a, b: a.mean() - b.mean()),
    ("binned_null_by_patient_resampling", "statistic"): Argument(lambda a, b: a.sum() - b.sum()),
    ("level_of", "quantile"): _number(1.96, -1),
    ("mcnemar", "method"): Argument("exact"),
    ("lowest_ratio", "x"): _number(0.3, -1),
    ("lowest_ratio", "low"): _number(0.2, -1),
    ("lowest_ratio", "y"): _number(0.4, -1),
    ("lowest_ratio", "up"): _number(0.5, -1, 0),
    ("lowest_ratio", "r"): _number(0.1),
    ("midranks", "values"): values,
    ("net_benefit", "threshold"): _number(0.2, -0.1, 1.0, 1.1),
    ("proportions_differ", "values"): Argument(RATES, (*_share(RATES).changes, _one_more)),
    ("clopper_pearson", "n"): _count(40),
    ("tango_bounds", "n"): positive_size,
    ("right_among_flagged", "success"): label,
    ("wilson", "k"): _count(12.0),
    ("wilson", "n"): _count(40.0),
    ("wilson_bounds", "n"): positive_size,
    ("gamma_limits", "weights"): _holding(PROB, *NAN, *INFINITE, -1, 0),
    ("calibration", "weights"): _holding(PROB, *NAN, *INFINITE, -1, 0, also=(_one_more,)),
    ("guessed", "statistic"): Argument("percent_agreement"),
}
"""The same, where a name means something else in one function."""
NO_NUMBERS: Final[dict[str, Any]] = {
    "np.random.Generator": np.random.default_rng(0),
    "bool": True,
    "Sequence[str]": (),
    "str | None": None,
    "Coded": "name",
    "Coded | Codes": "name",
    "Coded | Codes | None": None,
    "Value": 1,
    "Estimate": undefined("no_cases", method=(), n=0),
    "Sequence[bool]": (False, True),
    "Sampled": "failures",
    "Callable[[int, float], bool]": lambda i, alpha: i > 0 and alpha > 0,
}
"""Annotations of arguments that hold no number."""
WORDS: Final = {
    "by": "mass",
    "figure": "sensitivity",
    "level_of_measurement": "nominal",
    "method": "holm",
    "name": "name",
    "rule": "holm",
}


def _public_functions() -> Iterator[Callable[..., Any]]:
    """Give what may be called from outside: of a package, what it exports."""
    for module in pkgutil.iter_modules(stats.__path__):
        if module.name == CHECKS:
            continue
        held = importlib.import_module(f"{stats.__name__}.{module.name}")
        names = held.__all__ if module.ispkg else [n for n in vars(held) if n[0] != "_"]
        for name in names:
            found = getattr(held, name)
            if inspect.isfunction(found) and found.__module__.startswith(held.__name__):
                yield found


def _argument(function: Callable[..., Any], parameter: inspect.Parameter) -> Argument:
    """Say what the argument is; whoever adds a function says so above."""
    name, annotation = parameter.name, str(parameter.annotation)
    if known := OF_FUNCTION.get((function.__name__, name)) or ARGUMENTS.get((name, annotation)):
        return known
    if annotation in NO_NUMBERS or annotation == "str":
        return Argument(WORDS[name] if annotation == "str" else NO_NUMBERS[annotation])
    raise LookupError(f"what is {name}: {annotation} of {function.__name__}? say so in ARGUMENTS")


def _arguments(function: Callable[..., Any]) -> dict[str, Argument]:
    return {
        parameter.name: _argument(function, parameter)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


def _call(function: Callable[..., Any], given: Mapping[str, Any]) -> object:
    found = function(**given)
    return list(found) if inspect.isgenerator(found) else found


@pytest.mark.parametrize("function", list(_public_functions()), ids=lambda f: f.__name__)
def test_a_spoilt_argument_is_refused_by_its_name(function):
    known = _arguments(function)
    accepted = {name: argument.sample for name, argument in known.items()}
    _call(function, accepted)

    for name, argument in known.items():
        called = re.escape(argument.called or name).replace("_", "[_ ]")
        named = rf"\b{called}\b"
        for bad in argument.spoilt():
            with pytest.raises(ValueError, match=named):
                pytest.fail(f"{name}={bad!r} gives {_call(function, {**accepted, name: bad})!r}")


def test_the_property_knows_every_function_and_the_module_that_it_leaves_out():
    def unheard_of(novelty: complex) -> None: ...

    with pytest.raises(LookupError, match="what is novelty: complex of unheard_of"):
        _arguments(unheard_of)
    assert len(list(_public_functions())) > 100
    importlib.import_module(f"{stats.__name__}.{CHECKS}")


def test_narrow_labels_and_any_codes_are_taken_as_they_are():
    assert labels("positive", np.array([1, 0], dtype=np.int8)).tolist() == [True, False]
    assert clusters("cluster", np.array(["b", "a"]), 2).tolist() == ["b", "a"]
    assert clusters("cluster", np.array(["b", 1], dtype=object)).size == 2
    with pytest.raises(ValueError, match="no code is missing"):
        clusters("cluster", np.array(["2026-01-01", "NaT"], dtype="datetime64[D]"))
    assert amounts("counts", np.array([2**40])).tolist() == [2.0**40]


def test_a_reader_may_rate_a_unit_more_often_than_a_byte_holds():
    rated = np.vstack([np.tile(RATINGS[:, [0]], 300).T, RATINGS[:, 1:].T]).T
    columns = np.array([0] * 300 + [1, 2])
    many = dawid_skene(rated, (0.0, 1.0), reader=columns)
    once = dawid_skene(RATINGS, (0.0, 1.0))
    assert many.n_identifying == N
    assert many.model is not None
    assert once.model is not None
    assert many.model.hard().tolist() == RATINGS[:, 0].tolist()


def test_a_patient_drawn_more_often_than_a_weight_holds_is_an_error():
    rng = np.random.default_rng(0)
    most = next(patient_weights(1, 1, rng, draws=32_767))
    assert most.tolist() == [[32_767]]
    with pytest.raises(ValueError, match="draws: a patient was drawn over 32767 times"):
        next(patient_weights(1, 1, rng, draws=32_768))
    assert next(patient_weights(2, 1, rng, draws=60_000)).sum() == 60_000


def test_what_holds_of_one_function_alone():
    refuse = partial(pytest.raises, ValueError)
    with refuse(match="both classes"):
        placements(PROB, np.ones(N, bool))
    with refuse(match="one unit or more"):
        effective_size(np.zeros(0, bool), np.zeros(0))
    with refuse(match="one patient or more"):
        design_effect(np.zeros(0), np.zeros(0))
    with refuse(match="has one unit or more"):
        design_effect(np.array([0.0]), np.array([0.5]))
    with refuse(match="at most as many as units"):
        design_effect(np.array([2.0]), np.array([1.0]))
    with refuse(match="each row needs one weight"):
        auc_replicates(PROB, POSITIVE, np.ones((2, N - 1)))
    with refuse(match="negative or not finite"):
        auc_replicates(PROB, POSITIVE, np.full((2, N), -1.0))
    # Rows of replicates are counts of draws, kept as they are.
    assert auc_replicates(PROB, POSITIVE, np.ones((2, N), dtype=np.int16)).size == 2
