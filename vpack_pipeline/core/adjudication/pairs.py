"""Two readers at a time: how far each pair agreed, and how far pairs differ.

What does not belong here: the panel as a whole (``coefficients``), which of two readers is right
(``reader_performance``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

import numpy as np

from vpack_pipeline.core.adjudication.coefficients import MOST_READERS, Panel
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.stats import agreement as stats
from vpack_pipeline.stats.estimate import Estimate, FloatArray

RANGE: Final = ("pair_kappa_min", "pair_kappa_median", "pair_kappa_max")
ALIKE: Final = 0.99
"""Share of identical ratings from which two readers may be one, or have seen one another."""
ALIKE_CASES: Final = 50
"""Cases that both rated, below which sameness says little."""
NO_READER_PAIR: Final = "no two readers rated the same case"
_ANALYTIC: Final = "analytic standard error, cases taken as independent"


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two readers' diagnostic reads of the cases that both read."""

    name: str
    cut: tuple[FloatArray, FloatArray]
    rated: tuple[FloatArray, FloatArray]

    @property
    def n(self) -> int:
        return len(self.cut[0])


def put_pairs(figures: Figures, panel: Panel, fewest_cases: int, level: float) -> None:
    """Add what two readers at a time say: each pair, and the range of kappa over pairs.

    Parameters
    ----------
    figures : of ``agreement``: by finding, stratum and metric
    fewest_cases : cases that a pair needs to enter the range, in which its kappa may be read off
    """
    finding = panel.finding.name
    readers = len(panel.matrix.readers)
    pairs = list(_pairs(panel))
    kappas = [stats.cohen_kappa(*pair.cut, panel.classes, level=level) for pair in pairs]
    is_listed = readers <= MOST_READERS
    n_pairs = readers * (readers - 1) // 2
    figures.give(
        "n_reader_pairs",
        n_pairs,
        method=f"count; {panel.basis.name}",
        reason=None if is_listed else _too_many(readers, n_pairs),
        finding=finding,
        stratum="all",
    )
    _put_range(figures, panel, list(zip(pairs, kappas, strict=True)), fewest_cases)
    for pair, kappa in zip(pairs, kappas, strict=True):
        if is_listed:
            _put_pair(figures, panel, pair, kappa, level)


def _too_many(readers: int, n_pairs: int) -> str:
    return (
        f"{readers} readers make {n_pairs} pairs; pairs, and the panel without each reader, are"
        f" listed for up to {MOST_READERS} readers"
    )


def _pairs(panel: Panel) -> Iterator[_Pair]:
    cut, rated, readers = panel.cut, panel.rated, panel.matrix.readers
    for i, j in combinations(range(len(readers)), 2):
        both = ~np.isnan(rated[:, i]) & ~np.isnan(rated[:, j])
        yield _Pair(
            f"pair={readers[i]}|{readers[j]}",
            (cut[both, i], cut[both, j]),
            (rated[both, i], rated[both, j]),
        )


def _put_range(
    figures: Figures, panel: Panel, pairs: list[tuple[_Pair, Estimate]], fewest_cases: int
) -> None:
    keys: dict[str, Any] = {"finding": panel.finding.name, "stratum": "all"}
    met = [kappa for pair, kappa in pairs if pair.n >= fewest_cases]
    values = [kappa.value for kappa in met if kappa.value is not None]
    if not values:
        none = f"no kappa of two readers with {fewest_cases} cases or more in common"
        for metric in RANGE:
            figures.refuse(metric, NO_READER_PAIR if not pairs else none, **keys)
        return
    # Readers are no patients: the number of pairs stands in the method, so that it is not hidden.
    method = (
        f"Cohen kappa of {len(values)} of {len(pairs)} pairs, those with {fewest_cases} cases or"
        f" more; {panel.basis.name}"
    )
    for metric, value in zip(RANGE, (min(values), np.median(values), max(values)), strict=True):
        figures.give(metric, float(value), method=method, reason=panel.basis.caution, **keys)


def _put_pair(figures: Figures, panel: Panel, pair: _Pair, kappa: Estimate, level: float) -> None:
    keys: dict[str, Any] = {"finding": panel.finding.name, "stratum": pair.name}
    basis = panel.basis.name
    figures.give("n_cases", pair.n, n=pair.n, events=pair.n, method=f"count; {basis}", **keys)
    found = {
        "percent_agreement": stats.percent_agreement(
            np.column_stack(pair.cut), panel.classes, level=level
        ),
        "cohen_kappa": kappa,
    }
    if panel.is_ordered:
        found |= {
            f"cohen_kappa_{weights}": stats.cohen_kappa(*pair.rated, panel.scale, weights, level)
            for weights in ("linear", "quadratic")
        }
    for metric, estimate in found.items():
        method = f"{estimate.method}; {_ANALYTIC}; {basis}"
        figures.give(metric, replace(estimate, method=method), **keys)
    if panel.is_ordered:
        _put_identical(figures, panel, pair, **keys)


def _put_identical(figures: Figures, panel: Panel, pair: _Pair, **keys: Any) -> None:
    """Two people who rate on several categories part now and then; two copies never do."""
    if not pair.n:
        figures.refuse("identical_reads_share", NO_READER_PAIR, n=0, events=0, **keys)
        return
    same = int((pair.rated[0] == pair.rated[1]).sum())
    is_alike = pair.n >= ALIKE_CASES and same >= ALIKE * pair.n
    figures.give(
        "identical_reads_share",
        same / pair.n,
        n=pair.n,
        events=same,
        method=f"share of ratings as given; {panel.basis.name}",
        reason=_alike() if is_alike else None,
        **keys,
    )


def _alike() -> str:
    return (
        f"ratings of {ALIKE_CASES} cases or more are the same in {ALIKE:.0%} or more of them: are"
        " these two readers, and did neither see the other's?"
    )
