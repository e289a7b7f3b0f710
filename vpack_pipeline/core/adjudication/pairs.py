"""Two readers at a time: how far each pair agreed, and how far pairs differ.

What does not belong here: the panel as a whole (``coefficients``), which of two readers is right
(``reader_performance``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from vpack_pipeline.core.adjudication.basis import NOT_AGREED
from vpack_pipeline.core.adjudication.coefficients import ALL, MOST_READERS, Panel, Stratum
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.core.sampling import LACKS_STRATUM, Weighing
from vpack_pipeline.stats import agreement as stats
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, IntArray, undefined

RANGE: Final = ("pair_kappa_min", "pair_kappa_median", "pair_kappa_max")
ALIKE: Final = 0.99
"""Share of identical ratings from which two readers may be one, or have seen one another."""
ALIKE_CASES: Final = 50
"""Cases that both rated, below which sameness says little."""
NO_READER_PAIR: Final = Code("no_case_of_two_readers")
LACKED: Final = Weighing(None, LACKS_STRATUM)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two readers' diagnostic reads of the cases that both read."""

    stratum: Stratum
    cut: tuple[FloatArray, FloatArray]
    rated: tuple[FloatArray, FloatArray]
    patient: IntArray
    weighing: Weighing

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
    kappas = [_kappa(pair, pair.cut, panel.classes) for pair in pairs]
    n_pairs = readers * (readers - 1) // 2
    figures.give(
        "n_reader_pairs",
        n_pairs,
        method=coded("count", panel.basis.name),
        notes=_why_not_listed(panel, n_pairs),
        finding=finding,
        **ALL.keys,
    )
    _put_range(figures, panel, list(zip(pairs, kappas, strict=True)), fewest_cases)
    for pair, kappa in zip(pairs, kappas, strict=True):
        if panel.listed_readers:
            _put_pair(figures, panel, pair, kappa, level)


def _why_not_listed(panel: Panel, n_pairs: int) -> Code | None:
    if not panel.readers_agreed:
        return NOT_AGREED
    readers = len(panel.matrix.readers)
    if readers <= MOST_READERS:
        return None
    return code("pairs_not_listed", readers=readers, pairs=n_pairs, most=MOST_READERS)


def _pairs(panel: Panel) -> Iterator[_Pair]:
    cut, rated, readers = panel.cut, panel.rated, panel.matrix.readers
    for i, j in combinations(range(len(readers)), 2):
        both = ~np.isnan(rated[:, i]) & ~np.isnan(rated[:, j])
        yield _Pair(
            Stratum("reader_pair", f"{readers[i]}|{readers[j]}"),
            (cut[both, i], cut[both, j]),
            (rated[both, i], rated[both, j]),
            panel.matrix.patient[both],
            _weigh(panel.weighing, both),
        )


def _weigh(weighing: Weighing, both: BoolArray) -> Weighing:
    """Say how the cases that two readers read count; they may lack a stratum that others have."""
    if weighing.weight is None:
        return weighing
    strata = (np.unique(weight).size for weight in (weighing.weight, weighing.weight[both]))
    return weighing.of_reads(np.flatnonzero(both)) if len({*strata}) == 1 else LACKED


def _kappa(
    pair: _Pair,
    ratings: tuple[FloatArray, FloatArray],
    categories: tuple[float, ...],
    weights: str | None = None,
) -> Estimate:
    """Give kappa; of weighted cases, which the jackknife weighs, with its interval."""
    kappa = stats.cohen_kappa(*ratings, categories, weights)
    if pair.weighing.reason is not None:
        return undefined(pair.weighing.reason, method=kappa.method, n=kappa.n)
    if pair.weighing.weight is None:
        return kappa
    return _with_interval(kappa, pair, ratings, categories, weights=weights)


def _put_range(
    figures: Figures, panel: Panel, pairs: list[tuple[_Pair, Estimate]], fewest_cases: int
) -> None:
    keys: dict[str, Any] = {"finding": panel.finding.name, **ALL.keys}
    met = [kappa for pair, kappa in pairs if pair.n >= fewest_cases]
    values = [kappa.value for kappa in met if kappa.value is not None]
    if not values:
        none = code("no_pair_with_cases", fewest=fewest_cases)
        for metric in RANGE:
            figures.refuse(metric, NO_READER_PAIR if not pairs else none, **keys)
        return
    # Readers are no patients: the number of pairs stands in the method.
    of = {"given": len(values), "pairs": len(pairs), "fewest": fewest_cases}
    is_weighted = panel.weighing.weight is not None
    method = coded(
        code("kappa_of_pairs", **of), "weighted" if is_weighted else None, panel.basis.name
    )
    for metric, value in zip(RANGE, (min(values), np.median(values), max(values)), strict=True):
        notes = coded(panel.basis.caution, panel.weighing.notes)
        figures.give(metric, float(value), method=method, notes=notes, **keys)


def _put_pair(figures: Figures, panel: Panel, pair: _Pair, kappa: Estimate, level: float) -> None:
    keys: dict[str, Any] = {"finding": panel.finding.name, **pair.stratum.keys}
    method = coded("count", panel.basis.name)
    figures.give("n_cases", pair.n, n=pair.n, events=pair.n, method=method, **keys)
    alike = pair.cut[0] == pair.cut[1]
    found = {
        "percent_agreement": pair.weighing.proportion(
            alike, np.ones(pair.n, dtype=np.bool_), pair.patient, level
        ),
        "cohen_kappa": _with_interval(kappa, pair, pair.cut, panel.classes, level),
    }
    if panel.is_ordered:
        found |= {
            f"cohen_kappa_{weights}": _with_interval(
                _kappa(pair, pair.rated, panel.scale, weights),
                pair,
                pair.rated,
                panel.scale,
                level,
                weights,
            )
            for weights in ("linear", "quadratic")
        }
    for metric, estimate in found.items():
        method = coded(estimate.method, panel.basis.name)
        figures.give(metric, estimate, method=method, **keys)
    if panel.is_ordered:
        _put_identical(figures, panel, pair, **keys)


def _with_interval(
    kappa: Estimate,
    pair: _Pair,
    ratings: tuple[FloatArray, FloatArray],
    categories: tuple[float, ...],
    level: float = 0.95,
    weights: str | None = None,
) -> Estimate:
    weight = pair.weighing.weight
    left_out = stats.pair_jackknife(*ratings, categories, pair.patient, weights, weight)
    return pair.weighing.said_of(stats.jackknifed(kappa, left_out, level))


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
        method=coded("share", "ratings_as_given", panel.basis.name),
        notes=code("reads_identical", fewest=ALIKE_CASES, share=ALIKE) if is_alike else None,
        **keys,
    )
