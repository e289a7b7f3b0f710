"""In which levels people are described: small ones are folded before anything is described.

Levels are decided from the core sets (``core.levels``) alone, so that no other set can coarsen
them. What does not belong here: whether a set can be described in them (``core.levels``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import polars as pl

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.levels import TIMES, core_sets, joined
from vpack_pipeline.core.personal import is_age, is_personal
from vpack_pipeline.core.representativeness.profiled import with_people
from vpack_pipeline.core.transport_variables import transport_variables
from vpack_pipeline.core.variables import MISSING, OTHER, bin_labels, binned
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Evaluation,
    Representativeness,
    Variable,
)
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import BoolArray, IntArray

PACKAGE_DATA: Final = ("contracts/codes",)

ALL: Final = "all values"
"""The one printed level of a variable whose levels all had to be folded together."""

_SCHEMA: Final[dict[str, type[pl.DataType]]] = {
    "variable": pl.String,
    "level_order": pl.Int64,
    "level": pl.String,
    "printed_level": pl.String,
    "is_personal": pl.Boolean,
    "reason": pl.String,
    "detail": pl.String,
}
Row = tuple[str, int, str, str, bool, str | None, str | None]
Shown = tuple[str, str, Code | None]
"""A level, its printed level and the reason."""
Part = list[int]
"""Levels that are printed as one, by their place."""


def levels(
    *,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    representativeness: Representativeness,
    covariates: tuple[Covariate, ...],
    evaluation: Evaluation,
    disclosure: Disclosure,
) -> pl.DataFrame:
    """Decide the printed level of every level of every variable that may describe people.

    A level is small where, in some core set, 1 to ``smallest_group`` - 1 patients stand in it, or
    where nobody does in any. A patient stands in the level of the first case of the set; where
    only later cases of a few lie in a level, it is small too. Small levels of a numeric variable
    join the neighbour with fewer patients, those of a categorical one ``other``, the smallest
    first; if ``other`` is small itself, the next smallest level joins it.

    Parameters
    ----------
    cases : the case view
    included : which of them are in, by ``case_id``
    evaluation : gives the windows

    Returns
    -------
    one row per variable and level in the protocol's order, ``missing`` last; technical variables
    are printed as they are. For variables that are described together only the cells that are
    printed, since one that is not would tell that somebody is in it
    """
    own = cases.join(included.select("case_id"), on="case_id", how="semi")
    profiled = with_people(representativeness, covariates, cases.columns)
    decide = _Decision(own, covariates, evaluation, disclosure)
    rows: list[Row] = []
    found: dict[str, dict[str, str]] = {}
    for variable in profiled.variables:
        made = decide.rows_of(variable)
        found[variable.name] = {row[2]: row[3] for row in made}
        rows += made
    named = {v.name: v for v in representativeness.variables}
    for names in _together(representativeness):
        rows += decide.joint_rows([named[name] for name in names], found)
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row").sort("variable", "level_order")


def _together(representativeness: Representativeness) -> list[tuple[str, ...]]:
    """List the variables that are described together: those declared, and those of transport."""
    names = transport_variables(representativeness)
    declared = list(representativeness.joint)
    is_new = len(names) > 1 and all(set(names) != set(joint) for joint in declared)
    return [*declared, names] if is_new else declared


@dataclass(frozen=True, slots=True)
class _Decision:
    """Decides the levels of variables from the included cases."""

    own: pl.DataFrame
    covariates: tuple[Covariate, ...]
    evaluation: Evaluation
    disclosure: Disclosure

    def rows_of(self, variable: Variable) -> list[Row]:
        """Give the rows of one variable."""
        labels = bin_labels(variable)[:-1]
        if not self._is_personal(variable):
            rows: list[Shown] = [(label, label, None) for label in labels]
            return _rows(variable.name, [*rows, _MISSING_ROW], is_personal=False)
        tally = self._tally(labels, binned(self.own, variable, self.covariates))
        if variable.kind == "numeric":
            rows = self._ordered(variable, labels, tally)
        else:
            rows = _unordered(labels, tally)
        return _rows(variable.name, [*rows, _MISSING_ROW], is_personal=True)

    def joint_rows(
        self, variables: Sequence[Variable], printed: dict[str, dict[str, str]]
    ) -> list[Row]:
        """Give the rows of variables that are described together: products of printed levels."""
        name = TIMES.join(v.name for v in variables)
        columns = [
            [printed[v.name][label] for label in binned(self.own, v, self.covariates)]
            for v in variables
        ]
        cells = pl.Series([joined(cell) for cell in zip(*columns, strict=True)], dtype=pl.String)
        order = [_places(printed[v.name]) for v in variables]
        occupied = sorted(
            {cell for cell in zip(*columns, strict=True) if MISSING not in cell},
            key=lambda cell: [places[label] for places, label in zip(order, cell, strict=True)],
        )
        labels = [*(joined(cell) for cell in occupied), OTHER]
        is_personal = any(self._is_personal(v) for v in variables)
        if not is_personal:
            rows: list[Shown] = [(label, label, None) for label in labels]
            return _rows(name, [*rows, _MISSING_ROW], is_personal=False)
        made = _unordered(labels, self._tally(labels, cells))
        shown = [row for row in made[:-1] if row[0] == row[1]]
        return _rows(name, [*shown, made[-1], _MISSING_ROW], is_personal=True)

    def _is_personal(self, variable: Variable) -> bool:
        return is_personal(variable.name, self.covariates, self.disclosure)

    def _tally(self, labels: Sequence[str], values: pl.Series) -> Tally:
        known = self.own.with_columns(values.alias("level")).filter(pl.col("level") != MISSING)
        smallest = self.disclosure.smallest_group
        return Tally.of(core_sets(known, self.evaluation, smallest), labels, smallest)

    def _ordered(self, variable: Variable, labels: Sequence[str], tally: Tally) -> list[Shown]:
        start = [[place] for place in range(len(labels))]
        if is_age(variable.name):
            start = top_coded(variable.edges, self.disclosure.age_top_code)
        coded, top = start[-1], code("ages_top_coded", age=self.disclosure.age_top_code)
        rows: list[Shown] = []
        for part in fold_ordered(start, tally):
            printed = _range(labels, part)
            for place in part:
                reason = top if part == coded else tally.few_patients
                rows.append((labels[place], printed, reason if len(part) > 1 else None))
        return [(label, shown, tally.reason or why) for label, shown, why in rows]


_MISSING_ROW: Final[Shown] = (MISSING, MISSING, None)


def _rows(name: str, rows: Sequence[Shown], *, is_personal: bool) -> list[Row]:
    return [
        (name, order, level, printed, is_personal, *_said(reason))
        for order, (level, printed, reason) in enumerate(rows, start=1)
    ]


def _said(reason: Code | None) -> tuple[str | None, str | None]:
    cells = codes.cells(reason)
    return cells["reason"], cells["detail"]


def _places(printed: dict[str, str]) -> dict[str, int]:
    return {label: place for place, label in enumerate(dict.fromkeys(printed.values()))}


def _range(labels: Sequence[str], part: Part) -> str:
    """Label bins that follow one another as one range."""
    if len(part) == 1:
        return labels[part[0]]
    is_first, is_last = part[0] == 0, part[-1] == len(labels) - 1
    if is_first and is_last:
        return ALL
    low = labels[part[0]].partition("–")[0]
    high = labels[part[-1]].rpartition("–")[2]
    if is_first:
        return f"<{high}"
    return f"≥{low}" if is_last else f"{low}–{high}"


def top_coded(edges: Sequence[float], top: float) -> list[Part]:
    """Put the bins of the ages from a top code on into one part.

    Where no edge lies at the top code, the bin that holds it joins them: no printed bin may tell
    that somebody is older.
    """
    n_bins = len(edges) + 1
    lower = [-np.inf, *edges]
    upper = [*edges, np.inf]
    above = [place for place in range(n_bins) if lower[place] >= top]
    if above and lower[above[0]] > top:
        above = [place for place in range(n_bins) if upper[place] > top]
    rest = [[place] for place in range(n_bins) if place not in above]
    return [*rest, above] if above else rest


@dataclass(frozen=True, slots=True)
class Tally:
    """Patients by level in each core set, from which those of levels together are counted.

    Attributes
    ----------
    first : of each set, the level of each patient's first case
    pairs : of each set, every patient with every level of any case: (n, 2)
    n_levels : levels, without ``missing``
    """

    first: tuple[IntArray, ...]
    pairs: tuple[IntArray, ...]
    n_levels: int
    smallest: int

    @classmethod
    def of(cls, sets: Sequence[pl.DataFrame], labels: Sequence[str], smallest: int) -> Self:
        """Count the patients of the core sets; ``level`` is a case's level."""
        place = {label: i for i, label in enumerate(labels)}
        first, pairs = [], []
        for cases in sets:
            coded = cases.sort("index_date", "case_id").select(
                pl.col("patient_id").rank("dense").cast(pl.Int64) - 1,
                pl.col("level").replace_strict(place, return_dtype=pl.Int64),
            )
            one = coded.unique("patient_id", keep="first", maintain_order=True)
            first.append(one["level"].to_numpy())
            pairs.append(coded.unique().to_numpy())
        return cls(tuple(first), tuple(pairs), len(labels), smallest)

    @property
    def reason(self) -> Code | None:
        """Say that no core set is large enough; None where one is."""
        return None if self.first else code("every_window_too_small", fewest=self.smallest)

    @property
    def few_patients(self) -> Code:
        """Say of a level that it is folded because it is small."""
        return code("level_has_few_patients", fewest=self.smallest)

    def by_part(self, parts: Sequence[Part]) -> IntArray:
        """Count the patients of each part: two rows a set, by first case and with any."""
        part_of = np.zeros(self.n_levels, dtype=np.int64)
        for number, part in enumerate(parts):
            part_of[part] = number
        n = len(parts)
        rows = []
        for first, pairs in zip(self.first, self.pairs, strict=True):
            rows.append(np.bincount(part_of[first], minlength=n))
            placed = np.unique(pairs[:, 0] * n + part_of[pairs[:, 1]])
            rows.append(np.bincount(placed % n, minlength=n))
        return np.array(rows, dtype=np.int64).reshape(-1, n)

    def has_few(self, counts: IntArray) -> BoolArray:
        """Mark the parts that hold 1 to ``smallest`` - 1 patients in some set."""
        few = (counts > 0) & (counts < self.smallest)
        return np.asarray(few.any(axis=0))

    def is_small(self, counts: IntArray) -> BoolArray:
        """Mark the parts that hold too few in some set, or nobody in any."""
        made: BoolArray = self.has_few(counts) | np.all(counts == 0, axis=0)
        return made

    def sizes(self, counts: IntArray) -> list[int]:
        """Patients of each part by first case, in the core sets together."""
        made: list[int] = counts[-2].tolist() if self.first else [0] * counts.shape[1]
        return made


def fold_ordered(parts: Sequence[Part], tally: Tally) -> list[Part]:
    """Fold small parts into the neighbour with fewer patients, the smallest first.

    Parameters
    ----------
    parts : levels that follow one another; those of one part stay together

    Returns
    -------
    parts in order, none of which is small unless it is the only one
    """
    made = [list(part) for part in parts]
    while len(made) > 1:
        counts = tally.by_part(made)
        sizes, small = tally.sizes(counts), tally.is_small(counts)
        if not small.any():
            break
        at = min(np.flatnonzero(small).tolist(), key=lambda i: (sizes[i], i))
        beside = [i for i in (at - 1, at + 1) if 0 <= i < len(made)]
        to = min(beside, key=lambda i: (sizes[i], i))
        low, high = sorted((at, to))
        made[low : high + 1] = [made[low] + made[high]]
    return made


def fold_unordered(tally: Tally) -> tuple[Part, Part]:
    """Fold small levels into ``other``, the last; then the next smallest while it has too few.

    Returns
    -------
    the levels that stand for themselves, and those that are ``other``, itself the last
    """
    other = tally.n_levels - 1
    counts = tally.by_part([[i] for i in range(tally.n_levels)])
    sizes, small = tally.sizes(counts), tally.is_small(counts)
    kept = [i for i in range(other) if not small[i]]
    while kept:
        folded = [i for i in range(tally.n_levels) if i not in kept]
        if not tally.has_few(tally.by_part([*([i] for i in kept), folded]))[-1]:
            break
        kept.remove(min(kept, key=lambda i: (sizes[i], i)))
    return kept, [i for i in range(tally.n_levels) if i not in kept]


def _unordered(labels: Sequence[str], tally: Tally) -> list[Shown]:
    kept, folded = fold_unordered(tally)
    printed = OTHER if kept else ALL
    reason = tally.reason or (tally.few_patients if len(folded) > 1 else None)
    return [
        (label, label, tally.reason) if place in kept else (label, printed, reason)
        for place, label in enumerate(labels)
    ]
