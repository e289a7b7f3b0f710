"""What a public function of ``stats`` accepts, checked once where the value comes in.

A figure of a value that is none would look like any other. So each check gives the value in the
form that is computed with, or raises a ``ValueError`` that names the argument. A function that
gives nan a meaning says so and asks for ``missing=True``. What does not belong here: what holds of
one function alone, such as the order of its categories, and whether a figure may be shown.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_WIDE: Final = np.dtype(np.int64).itemsize


def numbers(
    name: str,
    values: npt.ArrayLike,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    missing: bool = False,
) -> npt.NDArray[np.float64]:
    """Give finite numbers from ``low`` to ``high``; with ``missing``, nan among them.

    >>> numbers("score", [0.2, float("nan")])
    Traceback (most recent call last):
    ValueError: score: every value is a finite number
    """
    given = np.asarray(values, dtype=np.float64)
    known = given[~np.isnan(given)] if missing else given
    if known.size and not _lie_within(known, low, high):
        or_nan = " or missing (nan)" if missing else ""
        raise ValueError(f"{name}: every value is {_wanted(low, high)}{or_nan}")
    return given


def number(name: str, value: float, low: float = -math.inf, high: float = math.inf) -> float:
    """Give one finite number from ``low`` to ``high``."""
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} is {_wanted(low, high)}")
    return float(value)


def positive_number(name: str, value: float, high: float = math.inf) -> float:
    """Give one finite number above 0, up to ``high``."""
    if number(name, value, 0.0, high) == 0:
        raise ValueError(f"{name} is above 0")
    return float(value)


def amount(name: str, value: float) -> float:
    """Give one count or weight, as :func:`amounts` does."""
    if isinstance(value, np.integer):
        _refuse_narrow(name, value.dtype)
    return number(name, value, 0.0)


def count(name: str, value: float) -> int:
    """Give one count, which is whole."""
    return whole(name, amount(name, value), 0)


def amounts(name: str, values: npt.ArrayLike, *, missing: bool = False) -> npt.NDArray[np.float64]:
    """Give counts or weights: finite, none negative.

    Integers of fewer than 64 bits are refused: whoever adds or multiplies them first, as a total of
    counts is, may have passed their largest value without a sign of it. What the function itself
    sums as float64, such as weights of resamples, it takes by :func:`numbers` from 0.

    >>> amounts("counts", np.array([100, 27], dtype=np.int8))
    Traceback (most recent call last):
    ValueError: counts: integers of int8 overflow; give them as int64 or float64
    """
    given = np.asarray(values)
    _refuse_narrow(name, given.dtype)
    return numbers(name, given, 0.0, missing=missing)


def labels(name: str, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Give labels of two kinds: bool, or numbers that are all 0 or 1.

    >>> labels("positive", [0, 1, -1])
    Traceback (most recent call last):
    ValueError: positive: every label is true or false, or 1 or 0
    """
    given: npt.NDArray[Any] = np.asarray(values)
    if given.dtype != np.bool_ and not ((given == 0) | (given == 1)).all():
        raise ValueError(f"{name}: every label is true or false, or 1 or 0")
    return given.astype(np.bool_, copy=False)


def labelled_scores(
    score: npt.ArrayLike,
    positive: npt.ArrayLike,
    names: tuple[str, str] = ("score", "positive"),
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Give finite scores with as many labels; ``names`` are those of the arguments.

    >>> labelled_scores([0.2, 0.7], [1])
    Traceback (most recent call last):
    ValueError: score and positive: one score is needed for each reference label
    """
    values, outcome = numbers(names[0], score), labels(names[1], positive)
    if values.shape != outcome.shape:
        both = " and ".join(names)
        raise ValueError(f"{both}: one score is needed for each reference label")
    return values, outcome


def clusters(name: str, values: npt.NDArray[np.generic], n: int | None = None) -> npt.NDArray[Any]:
    """Give the patient of each of ``n`` units; none is missing.

    >>> clusters("cluster", np.array([1.0, np.nan]))
    Traceback (most recent call last):
    ValueError: cluster: no code is missing, since each unit has a patient
    """
    given: npt.NDArray[Any] = np.asarray(values)
    if n is not None and given.shape != (n,):
        raise ValueError(f"{name}: one patient code is needed for each unit")
    # What is missing equals not even itself (nan, NaT), or is None.
    absent = np.not_equal(given, given)
    if given.dtype == np.object_:
        absent |= np.equal(given, np.array(None))
    if absent.any():
        raise ValueError(f"{name}: no code is missing, since each unit has a patient")
    return given


def positions(name: str, values: npt.ArrayLike, size: int | None = None) -> npt.NDArray[np.intp]:
    """Give codes 0, 1, … (below ``size`` where given), as integers.

    >>> positions("group", [0, 3], 3)
    Traceback (most recent call last):
    ValueError: group: every code is one of 0 to 2
    """
    given: npt.NDArray[Any] = np.asarray(values)
    known = numbers(name, given, 0.0)
    if (known != np.floor(known)).any() or (size is not None and (known >= size).any()):
        among = "a whole number from 0" if size is None else f"one of 0 to {size - 1}"
        raise ValueError(f"{name}: every code is {among}")
    return given.astype(np.intp, copy=False)


def whole(name: str, value: float, low: int = 1) -> int:
    """Give a whole number of at least ``low``."""
    if not math.isfinite(value) or value != int(value) or value < low:
        raise ValueError(f"{name} is a whole number of at least {low}")
    return int(value)


def _lie_within(known: npt.NDArray[np.float64], low: float, high: float) -> bool:
    least, most = float(known.min()), float(known.max())
    # Where one value is nan, least and most are, and each comparison with them is false.
    return low <= least and most <= high and math.isfinite(least) and math.isfinite(most)


def _refuse_narrow(name: str, dtype: np.dtype[Any]) -> None:
    if dtype.kind in "iu" and dtype.itemsize < _WIDE:
        raise ValueError(f"{name}: integers of {dtype} overflow; give them as int64 or float64")


def _wanted(low: float, high: float) -> str:
    if low == -math.inf:
        return "a finite number"
    return f"a number in [{low:g}, {'∞)' if high == math.inf else f'{high:g}]'}"
