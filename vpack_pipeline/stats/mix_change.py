"""What the change of a proportion is made of: other cases, or other results in like cases.

A decomposition by cells, as of rates by Kitagawa (1955), with the cells that only one side has as
parts of their own. What does not belong here: which cells (``core.evaluation.change``), the
interval of a plain difference (``difference``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from vpack_pipeline.stats.arguments import amounts, clusters, labels, positions, whole
from vpack_pipeline.stats.codes import Code, coded
from vpack_pipeline.stats.estimate import (
    BoolArray,
    Estimate,
    FloatArray,
    normal_quantile,
    undefined,
)
from vpack_pipeline.stats.resampling import patient_codes

NO_LIKE: Final = Code("no_cell_on_both_sides")
FEW_DEFINED: Final = Code("few_replicates_with_like")
NOTHING_VARIES: Final = Code("no_case_gives_this_part")
WEIGHTED: Final = Code("no_interval_of_weighted_part")
BY_CELL: Final = coded("decomposed_by_cell")
METHOD: Final = coded("decomposed_by_cell", "bootstrap_spread_with_pseudo_patients")
_CHUNK: Final = 64


class Change(NamedTuple):
    """The parts of a change; ``mix`` to ``new_device`` add up to ``total``.

    ``mix_reversed`` and ``like_reversed`` stand in place of ``mix`` and ``like`` where results are
    weighted in the other order: like cases by the shares before, the mix by the results after.
    """

    total: Estimate
    mix: Estimate
    like: Estimate
    new_cells: Estimate
    lost_cells: Estimate
    new_device: Estimate
    mix_reversed: Estimate
    like_reversed: Estimate


def change_by_cells(
    success: BoolArray,
    is_after: BoolArray,
    cell: npt.NDArray[np.integer],
    is_new: BoolArray,
    cluster: npt.NDArray[np.generic],
    replicates: int,
    rng: np.random.Generator,
    level: float = 0.95,
    weight: FloatArray | None = None,
) -> Change:
    """Part the change of a proportion from before to after into what it is made of.

    Over cells S that both sides have, with shares w and proportions p of them: ``mix``
    Σ(w₁ − w₀)p₀, ``like`` Σw₁(p₁ − p₀). Then ``new_cells`` p₁ − p₁ˢ and ``lost_cells`` p₀ˢ − p₀:
    what cells add that one side alone has. Cases of a new device have no like before: what they
    add to the proportion after is ``new_device``, and cells are those of all other cases.

    Parameters
    ----------
    success, cluster : (n,) outcome and patient of each case of either side
    is_after : (n,) which side a case is of
    cell : (n,) code of its cell, from 0
    is_new : (n,) cases of a new device, all of them after
    replicates : of a bootstrap by patient
    weight : (n,) above 0, the inverse of each case's sampling fraction; shares and proportions are
        of weight then, and no part has an interval: in simulated samples of all flagged cases and a
        tenth of the others, a miss that was not seen left the mix's interval short of its truth in
        up to .4 of studies

    Returns
    -------
    intervals are the part plus or minus the normal quantile times the spread of replicates. Two
    pseudo-patients a side of Σk²/Σk cases in its own mix, one all success and one all failure, are
    drawn with the others, so that no spread is 0 for want of errors. No part, with a reason,
    where a side has no case, or none with a like on the other; no interval of a part that no
    replicate varies
    """
    y, after, new = (
        labels("success", success),
        labels("is_after", is_after),
        labels("is_new", is_new),
    )
    n = y.size
    codes, n_patients = patient_codes(clusters("cluster", cluster, n))
    cells = positions("cell", cell)
    if any(a.shape != (n,) for a in (after, new, cells)) or (new & ~after).any():
        raise ValueError("success, is_after, cell and is_new: one each; a new device comes after")
    mass = None if weight is None else amounts("weight", weight)
    if mass is not None and (mass.shape != (n,) or (mass == 0).any()):
        raise ValueError("weight: one weight above 0 is needed for each case")
    whole("replicates", replicates)
    z, size, events = normal_quantile(level), n, int(y.sum())
    if after.all() or not after.any():
        nothing = undefined("no_cases", method=METHOD, n=size, events=events)
        return Change(*[nothing] * len(Change._fields))
    n_cells = int(cells.max()) + 1
    # A column a side, cell (the last is that of new devices) and outcome.
    column = (after * (n_cells + 1) + np.where(new, n_cells, cells)) * 2 + y
    width = 4 * (n_cells + 1)
    values = _parts(np.bincount(column, mass, width).astype(np.float64)[None, :])[0]
    if np.isnan(values).any():
        nothing = undefined(NO_LIKE, method=METHOD, n=size, events=events)
        total = undefined(NO_LIKE, method=METHOD, n=size, events=events, value=float(values[0]))
        return Change(total, *[nothing] * (len(Change._fields) - 1))
    if mass is not None:
        given = [
            undefined(WEIGHTED, method=BY_CELL, n=n, events=events, value=float(v)) for v in values
        ]
        return Change(*given)
    drawn = np.concatenate(
        [
            _parts(counts)
            for counts in _replicates(column, width, codes, n_patients, replicates, rng)
        ]
    )
    return Change(
        *(
            _estimate(float(v), z * _spread(of_part), size, events)
            for v, of_part in zip(values, drawn.T, strict=True)
        )
    )


def _spread(drawn: FloatArray) -> float:
    """Standard deviation of replicates; nan where fewer than half, or than two, are defined."""
    defined = drawn[~np.isnan(drawn)]
    if defined.size < max(2.0, drawn.size / 2):
        return math.nan
    return float(defined.std(ddof=1))


def _estimate(value: float, reach: float, n: int, events: int) -> Estimate:
    if not math.isfinite(reach):
        return undefined(FEW_DEFINED, method=METHOD, n=n, events=events, value=value)
    if reach == 0:
        return undefined(NOTHING_VARIES, method=METHOD, n=n, events=events, value=value)
    return Estimate(value, max(value - reach, -1.0), min(value + reach, 1.0), n, events, METHOD)


def _parts(counts: FloatArray) -> FloatArray:
    """Give the parts of each row of counts, in the order of :class:`Change`; nan where undefined.

    Parameters
    ----------
    counts : (B, 4 (C + 1)) by side, cell and outcome
    """
    by_side = counts.reshape(len(counts), 2, -1, 2)
    n, k = by_side.sum(axis=3), by_side[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        before, after = (k[:, side].sum(axis=1) / n[:, side].sum(axis=1) for side in (0, 1))
        n, k = n[:, :, :-1], k[:, :, :-1]
        old = k[:, 1].sum(axis=1) / n[:, 1].sum(axis=1)
        shared = (n > 0).all(axis=1, keepdims=True)
        n, k = np.where(shared, n, 0.0), np.where(shared, k, 0.0)
        total = n.sum(axis=2)
        w, p = n / total[:, :, None], np.where(n > 0, k / np.maximum(n, 1e-300), 0.0)
        like_before, like_after = k.sum(axis=2).T / total.T
        apart, moved = p[:, 1] - p[:, 0], w[:, 1] - w[:, 0]
        parts = (
            after - before,
            (moved * p[:, 0]).sum(axis=1),
            (w[:, 1] * apart).sum(axis=1),
            old - like_after,
            like_before - before,
            after - old,
            (moved * p[:, 1]).sum(axis=1),
            (w[:, 0] * apart).sum(axis=1),
        )
    return np.column_stack(parts)


def _replicates(
    column: npt.NDArray[np.integer],
    width: int,
    codes: npt.NDArray[np.intp],
    n_patients: int,
    replicates: int,
    rng: np.random.Generator,
) -> Iterator[FloatArray]:
    """Give counts by column of resampled patients, pseudo-patients among them.

    Patients who are alike are drawn together: how many of each pattern is a multinomial draw.
    """
    patterns, alike = _patterns(column, width, codes, n_patients)
    pseudo = _pseudo_patients(column, width, codes)
    rows = np.vstack([patterns, pseudo])
    number = np.concatenate([alike, np.ones(len(pseudo))])
    share = number / number.sum()
    for start in range(0, replicates, _CHUNK):
        size = min(_CHUNK, replicates - start)
        drawn = rng.multinomial(n_patients + len(pseudo), share, size=size)
        yield drawn.astype(np.float64) @ rows


def _patterns(
    column: npt.NDArray[np.integer], width: int, codes: npt.NDArray[np.intp], n_patients: int
) -> tuple[FloatArray, FloatArray]:
    """Give each pattern of counts that a patient has, and how many patients have it."""
    # Patients are alike where sums of a random 64-bit number a column agree: two patterns share
    # one with a chance of 1e-19.
    key = np.random.default_rng(0).integers(0, 2**63, width, dtype=np.uint64) * np.uint64(2)
    key += np.uint64(1)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sums = np.add.reduceat(key[column[order]], starts)
    _, first, alike = np.unique(sums, return_index=True, return_counts=True)
    of_pattern = np.full(n_patients, -1)
    of_pattern[first] = np.arange(first.size)
    chosen = of_pattern[codes] >= 0
    place = of_pattern[codes[chosen]] * width + column[chosen]
    rows = np.bincount(place, minlength=first.size * width).reshape(first.size, width)
    return rows.astype(np.float64), alike.astype(np.float64)


def _pseudo_patients(
    column: npt.NDArray[np.integer], width: int, codes: npt.NDArray[np.intp]
) -> FloatArray:
    """Two patients a side, in its mix: all success, and all failure."""
    made = []
    for side in (0, 1):
        own = column // (width // 2) == side
        sizes = np.unique(codes[own], return_counts=True)[1].astype(np.float64)
        cases = np.bincount(column[own], minlength=width).reshape(-1, 2).sum(axis=1)
        mix = cases / cases.sum() * (sizes @ sizes / sizes.sum())
        for outcome in (0, 1):
            row = np.zeros((width // 2, 2))
            row[:, outcome] = mix
            made.append(row.ravel())
    return np.array(made)
