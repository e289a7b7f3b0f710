"""What a monitor computes: values become additive amounts per case, two sums become a statistic.

Because the amounts add up, a resampled reference or window is a weighted sum, and all monitors can
be resampled together: that is what lets one false-alarm budget cover the whole plan. What does not
belong here: where the values come from (``signals``), limits (``calibration``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from vpack_pipeline.protocol import Monitor
from vpack_pipeline.stats.distances import jensen_shannon_rows, psi_rows
from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.monitoring import quantile_edges

KS_BINS: Final = 50
SPREAD_FLOOR: Final = 1e-9
"""A variance below this part of the mean square is rounding, not spread."""
UNSEEN: Final = "not seen before"
MISSING: Final = "missing"
_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "number": frozenset({"int", "float"}),
    "yes_no": frozenset({"bool"}),
}
"""Need → contract types that meet it, where not any does."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How values of one monitor become amounts.

    Attributes
    ----------
    labels : name of each column of amounts
    encode : (values, shift) → (n, k) amounts; shift 0 is the truth, else the change to be detected
    unseen : column of the categories that the reference lacks, after those that it has; None where
        values are no categories
    """

    labels: tuple[str, ...]
    encode: Callable[[Any, float], FloatArray]
    unseen: int | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One entry of the registry.

    Attributes
    ----------
    prepare : (reference values, bins) → how to encode values
    statistic : (reference sums, window sums), each (r, k) → (r,), nan where undefined; the
        reference may be one row
    amounts : what is added up: ``bins``, cases in each bin; ``rate``, cases with something and
        those without it, counted or expected; ``moments``, sums of values; ``volume``, cases
    meaning : what it computes, in a sentence, with its source
    change : what ``minimum_detectable_change`` means for this kind, in words
    needs : what the variable must be: any, number, yes_no, probability, or none
    is_event : any value above zero is an action signal; no limit is calibrated
    is_proxy : stands in for labels, so that it is withheld before the first look
    """

    prepare: Callable[[Any, int], Encoding]
    statistic: Callable[[FloatArray, FloatArray], FloatArray]
    amounts: Literal["bins", "rate", "moments", "volume"]
    meaning: str
    change: str
    needs: Literal["any", "number", "yes_no", "probability", "none"] = "any"
    is_event: bool = False
    is_proxy: bool = False

    @property
    def is_volume(self) -> bool:
        """Whether reference sums are brought to the length of a window first."""
        return self.amounts == "volume"

    @property
    def is_parts(self) -> bool:
        """Whether amounts count cases and make up a whole, of which each is a share."""
        return self.amounts in {"bins", "rate"}

    def takes(self, type_: str) -> bool:
        """Say whether a variable of a contract type can be watched."""
        return self.needs not in _TYPES or type_ in _TYPES[self.needs]


def _is_numeric(values: Any) -> bool:
    # Numbers come as arrays, all else as lists, whatever happens to be missing.
    return isinstance(values, np.ndarray)


def _binned(values: Any, bins: int) -> Encoding:
    return _numeric_bins(values, bins) if _is_numeric(values) else _categories(values)


def _numeric_bins(reference: Any, bins: int) -> Encoding:
    numbers = np.asarray(reference, dtype=np.float64)
    known = numbers[~np.isnan(numbers)]
    edges = quantile_edges(known, bins) if known.size else np.empty(0)
    spread = float(known.std()) if known.size else 0.0
    cuts = [f"{e:.4g}" for e in edges]
    bounds = ["", *cuts, ""]
    labels = tuple(_interval(a, b) for a, b in itertools.pairwise(bounds))

    def encode(values: Any, shift: float) -> FloatArray:
        moved = np.asarray(values, dtype=np.float64) + shift * spread
        codes = np.searchsorted(edges, moved, side="left")
        codes[np.isnan(moved)] = len(labels)
        return np.eye(len(labels) + 1)[codes]

    return Encoding((*labels, MISSING), encode)


def _interval(low: str, high: str) -> str:
    if not low:
        return f"≤{high}" if high else "all"
    return f"{low}–{high}" if high else f">{low}"


def _categories(reference: Any) -> Encoding:
    texts = [_level(v) for v in reference if not _is_missing(v)]
    found, counts = np.unique(np.asarray(texts, dtype=object).astype(str), return_counts=True)
    # The most frequent first, so that a shift moves cases from the first to the second.
    order = np.argsort(-counts, kind="stable")
    labels = (*(str(found[i]) for i in order), UNSEEN, MISSING)
    position = {label: i for i, label in enumerate(labels[:-2])}
    width = len(labels)

    def encode(values: Any, shift: float) -> FloatArray:
        codes = np.asarray(
            [width - 1 if _is_missing(v) else position.get(_level(v), width - 2) for v in values],
            dtype=np.intp,
        )
        codes[_evenly(codes == 0, 1 - float(np.exp(-shift)))] = 1
        return np.eye(width)[codes]

    return Encoding(labels, encode, unseen=width - 2)


def level_encoding(labels: Sequence[str], reference: Any, kind: Kind) -> Encoding:
    """Encode printed levels of a variable that describes people: cases in each, and none else.

    Parameters
    ----------
    labels : printed levels in order, without ``missing``
    reference : their values, None for missing
    kind : the change to be detected moves cases of the most frequent level to the next; an event
        counts as unseen what the reference lacks
    """
    unseen = len(labels) if kind.is_event else None
    columns = (*labels, *((UNSEEN,) if kind.is_event else ()), MISSING)
    position = {label: i for i, label in enumerate(columns)} | {None: len(columns) - 1}
    counts = np.bincount([position[v] for v in reference], minlength=len(columns))
    first, *others = np.argsort(-counts[: len(labels)], kind="stable").tolist()

    def encode(values: Any, shift: float) -> FloatArray:
        codes = np.asarray([position[v] for v in values], dtype=np.intp)
        if others:
            codes[_evenly(codes == first, 1 - float(np.exp(-shift)))] = others[0]
        return np.eye(len(columns))[codes]

    return Encoding(columns, encode, unseen)


def _level(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _evenly(among: npt.NDArray[np.bool_], part: float) -> npt.NDArray[np.bool_]:
    """Pick a part of the cases marked, spread evenly over them: whole cases, so that they vary."""
    order = np.cumsum(among)
    picked: npt.NDArray[np.bool_] = np.floor(order * part) > np.floor((order - 1) * part)
    return among & picked


def _yes_no(_reference: Any, _bins: int) -> Encoding:
    def encode(values: Any, shift: float) -> FloatArray:
        numbers = np.asarray([np.nan if v is None else float(v) for v in values])
        yes = np.nan_to_num(numbers)
        known = (~np.isnan(numbers)).astype(np.float64)
        return _raise_odds(np.stack([yes, known - yes], axis=1), shift)

    return Encoding(("yes", "no"), encode)


def _missing(_reference: Any, _bins: int) -> Encoding:
    def encode(values: Any, shift: float) -> FloatArray:
        missing = np.asarray([_is_missing(v) for v in values], dtype=np.float64)
        return _raise_odds(np.stack([missing, 1 - missing], axis=1), shift)

    return Encoding((MISSING, "present"), encode)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and bool(np.isnan(value)))


def _raise_odds(amounts: FloatArray, shift: float) -> FloatArray:
    """Move cases from the second column to the first until the odds have grown by exp(shift)."""
    yes, no = float(amounts[:, 0].sum()), float(amounts[:, 1].sum())
    if not shift or no == 0:
        return amounts
    odds = max(yes, 0.5) / no * np.exp(shift)
    part = max(0.0, (odds / (1 + odds) * (yes + no) - yes) / no)
    moved = _evenly(amounts[:, 1] == 1, part).astype(np.float64)
    return np.stack([amounts[:, 0] + moved, amounts[:, 1] - moved], axis=1)


def _moments(reference: Any, _bins: int) -> Encoding:
    numbers = np.asarray(reference, dtype=np.float64)
    known = numbers[~np.isnan(numbers)]
    spread = float(known.std()) if known.size else 0.0

    def encode(values: Any, shift: float) -> FloatArray:
        moved = np.asarray(values, dtype=np.float64) + shift * spread
        known = (~np.isnan(moved)).astype(np.float64)
        clean = np.nan_to_num(moved)
        return np.stack([known, clean, clean * clean], axis=1)

    return Encoding(("n", "sum", "sum of squares"), encode)


def _expected(reference: Any, _bins: int) -> Encoding:
    """Expected true and false positives and negatives of (score, call) pairs."""

    def encode(values: Any, shift: float) -> FloatArray:
        pairs = np.asarray(values, dtype=np.float64).reshape(-1, 2)
        known = (~np.isnan(pairs[:, 0] + pairs[:, 1])).astype(np.float64)
        p = np.clip(np.nan_to_num(pairs[:, 0]), 1e-6, 1 - 1e-6)
        p = known / (1 + (1 - p) / p * np.exp(shift))
        called = np.nan_to_num(pairs[:, 1])
        return np.stack([p * called, p * (1 - called)], axis=1)

    return Encoding(("expected found", "expected missed"), encode)


def _cases(_reference: Any, _bins: int) -> Encoding:
    def encode(values: Any, shift: float) -> FloatArray:
        gone = _evenly(np.ones(len(values), dtype=bool), 1 - float(np.exp(-shift)))
        return (~gone).astype(np.float64)[:, None]

    return Encoding(("cases",), encode)


def _shares(sums: FloatArray) -> FloatArray:
    total = sums.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        made: FloatArray = sums / total
    return made


def _psi(reference: FloatArray, window: FloatArray) -> FloatArray:
    return psi_rows(_shares(reference), _shares(window))


def _jensen_shannon(reference: FloatArray, window: FloatArray) -> FloatArray:
    return jensen_shannon_rows(_shares(reference), _shares(window))


def _ks(reference: FloatArray, window: FloatArray) -> FloatArray:
    a, b = (np.cumsum(_shares(s[:, :-1]), axis=1) for s in (reference, window))
    made: FloatArray = np.abs(a - b).max(axis=1)
    return made


def _unseen(_reference: FloatArray, window: FloatArray) -> FloatArray:
    made: FloatArray = _shares(window)[:, -2]
    return made


def _rate_change(reference: FloatArray, window: FloatArray) -> FloatArray:
    made: FloatArray = np.abs(_shares(window)[:, 0] - _shares(reference)[:, 0])
    return made


def _mean_shift(reference: FloatArray, window: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_a, mean_b = reference[:, 1] / reference[:, 0], window[:, 1] / window[:, 0]
        mean_square = reference[:, 2] / reference[:, 0]
        variance = mean_square - mean_a**2
        spread = np.where(variance > SPREAD_FLOOR * mean_square, variance, np.nan)
        made: FloatArray = np.abs(mean_b - mean_a) / np.sqrt(spread)
    return made


def _volume(reference: FloatArray, window: FloatArray) -> FloatArray:
    """Absolute log ratio of window volume to the reference's mean volume of a window."""
    # Half a case on both sides, so that an empty window is far from the reference, not undefined.
    made: FloatArray = np.abs(np.log((window[:, 0] + 0.5) / (reference[:, 0] + 0.5)))
    return made


def _psi_bins(reference: Any, bins: int) -> Encoding:
    return _binned(reference, bins)


def _ks_bins(reference: Any, _bins: int) -> Encoding:
    return _numeric_bins(reference, KS_BINS)


def _category_bins(reference: Any, _bins: int) -> Encoding:
    return _categories(reference)


_IN_SD = "values move by this many standard deviations; exp(−change) of the first category stays"
_IN_ODDS = "the odds grow by exp(change)"
_EVENT = "one case of a new category"
_MOVED = "values move by this many standard deviations; exp(−change) of the first level stays"
_THINNED = "volume falls to exp(−change)"
_PROXY = "the odds of disease fall by exp(change)"

MONITORS: Final[Mapping[str, Kind]] = {
    "psi": Kind(
        _psi_bins,
        _psi,
        "bins",
        "Population stability index over equal-probability bins. Its null depends on both sample"
        " sizes (Yurdakul 2018), so that limits are resampled, never 0.1 or 0.25.",
        _IN_SD,
    ),
    "jensen_shannon": Kind(
        _psi_bins,
        _jensen_shannon,
        "bins",
        "Jensen–Shannon divergence in bits (Lin 1991).",
        _IN_SD,
    ),
    "ks": Kind(
        _ks_bins,
        _ks,
        "bins",
        "Largest difference of cumulative shares, over 50 quantile bins of the reference"
        " (Kolmogorov, Smirnov).",
        _MOVED,
        needs="number",
    ),
    "new_category": Kind(
        _category_bins,
        _unseen,
        "bins",
        "Share of cases in a category that the reference does not have; the first is an event.",
        _EVENT,
        is_event=True,
    ),
    "missing_rate": Kind(
        _missing,
        _rate_change,
        "rate",
        "Absolute change of the share of missing values.",
        _IN_ODDS,
    ),
    "rate": Kind(
        _yes_no,
        _rate_change,
        "rate",
        "Absolute change of the share of cases with yes.",
        _IN_ODDS,
        needs="yes_no",
    ),
    "mean_shift": Kind(
        _moments,
        _mean_shift,
        "moments",
        "Absolute change of the mean in standard deviations of the reference.",
        _MOVED,
        needs="number",
    ),
    "volume": Kind(
        _cases,
        _volume,
        "volume",
        "Absolute log ratio of cases in the window to those expected.",
        _THINNED,
        needs="none",
    ),
    "cbpe": Kind(
        _expected,
        _rate_change,
        "rate",
        "Change of the sensitivity expected from calibrated scores (confidence-based performance"
        " estimation, NannyML). It needs no labels, and cannot see a change in what scores mean.",
        _PROXY,
        needs="probability",
        is_proxy=True,
    ),
}
"""Statistic → how it is encoded and computed; a protocol names these."""


def kind_of(monitor: Monitor) -> Kind:
    """Give the kind of a monitor: whoever asks about its amounts asks this, never its name."""
    return MONITORS[monitor.statistic]
