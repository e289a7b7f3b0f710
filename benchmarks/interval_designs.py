"""Simulated studies of known truth, on which intervals are judged: proportions, areas, differences.

``benchmarks/simulations.py`` runs every design by night, and a test a few of them. A *false met* is
a lower bound above the truth. What does not belong here: targets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from vpack_pipeline.stats.auc_interval import Area, area, auc_by_inversion
from vpack_pipeline.stats.difference import Side, auc_side, difference, proportion_side
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray
from vpack_pipeline.stats.heterogeneity import areas_differ, proportions_differ
from vpack_pipeline.stats.proportions import clustered_proportion, effective_size
from vpack_pipeline.stats.roc import auc_clustered

Patients = npt.NDArray[np.int64]
Scored = tuple[FloatArray, BoolArray, Patients]


class Design(NamedTuple):
    """A study that can be drawn again and again; ``truth`` is what its estimate is of."""

    name: str
    truth: float
    draw: Callable[[np.random.Generator], Estimate]


class Rates(NamedTuple):
    """How often the bounds of one design missed its truth, and how often there were none."""

    lower_above: float
    upper_below: float
    without: float
    width: float


def rates(design: Design, runs: int, seed: int) -> Rates:
    """Draw a design and count; runs without an interval claim nothing."""
    rng = np.random.default_rng([seed, *design.name.encode()])
    above = below = without = 0
    width = 0.0
    for _ in range(runs):
        found = design.draw(rng)
        if found.lower is None or found.upper is None:
            without += 1
            continue
        above += found.lower > design.truth
        below += found.upper < design.truth
        width += found.upper - found.lower
    return Rates(above / runs, below / runs, without / runs, width / max(runs - without, 1))


# --- one proportion ---


def proportions() -> Iterator[Design]:
    """10 to 100 patients of 1 to 6 cases, alike by .1 to .8."""
    sizes = ((1, 1), (1, 2), (1, 4), (4, 4), (1, 6))
    for patients, most, alike, p in product(
        (10, 15, 25, 50, 100), sizes, (0.1, 0.3, 0.8), (0.8, 0.9, 0.95)
    ):
        yield _proportion(patients, most, alike, p)


def _proportion(patients: int, sizes: tuple[int, int], alike: float, p: float) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        return clustered_proportion(*outcomes(rng, patients, sizes, alike, p))

    return Design(f"{patients} patients of {sizes}, alike {alike}, {p}", p, draw)


def outcomes(
    rng: np.random.Generator, patients: int, sizes: tuple[int, int], alike: float, p: float
) -> tuple[BoolArray, Patients]:
    """Beta-binomial outcomes, and the patient of each."""
    patient = np.repeat(np.arange(patients), rng.integers(sizes[0], sizes[1] + 1, patients))
    spread = (1 - alike) / alike
    own = rng.beta(p * spread, (1 - p) * spread, patients)
    return rng.random(patient.size) < own[patient], patient


# --- one area ---

KINDS = ("equal", "unequal", "exponential", "missed", "ordinal")
_MISSED = 0.15
_CUTS = np.array([0.5, 1.0, 1.5, 2.2])
Interval = Callable[[FloatArray, BoolArray, Patients], Estimate]


def areas_one_case(interval: Interval = auc_by_inversion) -> Iterator[Design]:
    """One case a patient, 10/10 to 100/900, of five kinds of scores."""
    sizes = ((10, 10), (10, 40), (15, 60), (30, 100), (100, 900))
    for (m, n), a, kind in product(sizes, (0.6, 0.8, 0.9, 0.95, 0.99), KINDS):
        if kind != "missed" or a <= 0.9:
            yield _area(Scores(kind, a, 1.0, (1, 1)), m, n, interval)


def areas_by_patient(interval: Interval = auc_by_inversion) -> Iterator[Design]:
    """1 to 6 cases a patient, alike by .3 or .8, ill as patients or case by case."""
    sizes = ((10, 10), (10, 40), (15, 60), (30, 100), (50, 200))
    for (m, n), a, alike, kind, is_by_case in product(
        sizes, (0.7, 0.9, 0.95, 0.98), (0.3, 0.8), KINDS, (False, True)
    ):
        if kind in ("exponential", "missed") and (is_by_case or alike < 0.5 or a > 0.9):
            continue
        yield _area(Scores(kind, a, alike, (1, 6), is_by_case), m, n, interval)


class Scores(NamedTuple):
    """How scores come about; with one case a patient ``alike`` does not matter."""

    kind: str
    area: float
    alike: float
    sizes: tuple[int, int]
    is_by_case: bool = False

    def truth(self) -> float:
        if self.kind != "ordinal":
            return self.area
        ill, well = (np.diff([0.0, *ndtr(_CUTS - at), 1.0]) for at in (self._shift(), 0.0))
        return float(sum(p * (well[:i].sum() + well[i] / 2) for i, p in enumerate(ill)))

    def _shift(self) -> float:
        reach = math.sqrt(5) if self.kind == "unequal" else math.sqrt(2)
        # Those who are missed are as the well, so that the others must be told apart the better.
        told = (self.area - _MISSED / 2) / (1 - _MISSED) if self.kind == "missed" else self.area
        return float(reach * ndtri(told))

    def draw(self, rng: np.random.Generator, m: int, n: int, first: int = 0) -> Scored:
        """Cases of m patients with and n without the finding; patients are counted from first."""
        patient = np.repeat(np.arange(m + n), rng.integers(self.sizes[0], self.sizes[1] + 1, m + n))
        is_ill = np.arange(m + n) < m
        positive = rng.random(patient.size) < m / (m + n) if self.is_by_case else is_ill[patient]
        own, each = rng.normal(size=m + n)[patient], rng.normal(size=patient.size)
        normal = math.sqrt(self.alike) * own + math.sqrt(1 - self.alike) * each
        return self._scores(rng, normal, positive, patient), positive, patient + first

    def _scores(
        self, rng: np.random.Generator, normal: FloatArray, positive: BoolArray, patient: Patients
    ) -> FloatArray:
        if self.kind == "exponential":
            scale = np.where(positive, self.area / (1 - self.area), 1.0)
            return np.asarray(-scale * np.log(ndtr(-normal)), dtype=np.float64)
        told = positive
        if self.kind == "missed":
            told = positive & ~(rng.random(int(patient.max()) + 1) < _MISSED)[patient]
        spread = np.where(told & (self.kind == "unequal"), 2.0, 1.0)
        score = np.asarray(spread * normal + self._shift() * told, dtype=np.float64)
        return np.searchsorted(_CUTS, score).astype(np.float64) if self.kind == "ordinal" else score


def _area(scores: Scores, m: int, n: int, interval: Interval) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        return interval(*scores.draw(rng, m, n))

    return Design(f"{m}/{n}, {scores}", scores.truth(), draw)


def normal_interval(score: FloatArray, positive: BoolArray, patient: Patients) -> Estimate:
    """The normal interval on Obuchowski's variance, which the score interval has replaced."""
    return auc_clustered(score, positive, patient)


# --- differences at the margin ---


def proportion_differences() -> Iterator[Design]:
    """Prospective less retrospective at a truth that lies on a margin of .05."""
    patients = ((40, 10), (60, 15), (100, 15), (100, 30), (200, 60))
    windows = ((0.95, 0.90), (0.98, 0.93), (0.85, 0.80))
    for (before, after), (p, q), most, shared in product(patients, windows, (1, 4), (0.0, 0.5)):
        yield _proportion_difference(before, after, (p, q), (1, most), shared)


def _proportion_difference(
    before: int, after: int, p: tuple[float, float], sizes: tuple[int, int], shared: float
) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        # Patients of both windows keep what makes their cases easy or hard.
        common = round(shared * after)
        ease = rng.normal(size=before + after - common)
        sides = []
        for start, patients, rate in ((0, before, p[0]), (before - common, after, p[1])):
            who = np.arange(start, start + patients)
            patient = np.repeat(who, rng.integers(sizes[0], sizes[1] + 1, patients))
            latent = math.sqrt(0.4) * ease[patient] + math.sqrt(0.6) * rng.normal(size=patient.size)
            sides.append(proportion_side(latent < ndtri(rate), patient))
        return difference(sides[1], sides[0])

    name = f"{before} then {after} patients of {sizes}, {p}, shared {shared}"
    return Design(name, p[1] - p[0], draw)


def area_differences() -> Iterator[Design]:
    """The same of areas; ``shared`` of the later patients are earlier ones too."""
    classes = (((40, 120), (10, 40)), ((60, 200), (15, 60)), ((100, 300), (40, 120)))
    windows = ((0.95, 0.90), (0.9, 0.85), (0.98, 0.93))
    for (before, after), (a, b), most in product(classes, windows, (1, 4)):
        yield _area_difference(before, after, (a, b), (1, most))


def _area_difference(
    before: tuple[int, int], after: tuple[int, int], a: tuple[float, float], sizes: tuple[int, int]
) -> Design:
    def side(rng: np.random.Generator, which: int, of: tuple[int, int], first: int) -> Side:
        return auc_side(*Scores("equal", a[which], 0.4, sizes).draw(rng, *of, first))

    def draw(rng: np.random.Generator) -> Estimate:
        return difference(side(rng, 1, after, sum(before)), side(rng, 0, before, 0))

    return Design(f"{before} then {after}, {a}, {sizes}", a[1] - a[0], draw)


# --- strata that do not differ ---


class Alike(NamedTuple):
    """Strata of one truth; ``p`` draws them and gives the p value of their heterogeneity."""

    name: str
    p: Callable[[np.random.Generator], float | None]


def strata() -> Iterator[Alike]:
    """Two to five strata of 10 to 100 positives."""
    groups = (((10, 40), (20, 60), (40, 100)), ((10, 10),) * 5, ((15, 60), (100, 400)))
    for classes, a, most in product(groups, (0.8, 0.9, 0.95), (1, 4)):
        yield _alike_areas(classes, a, most)
    for sizes, p, most in product(((10, 20, 40), (15,) * 5), (0.8, 0.9, 0.95), (1, 4)):
        yield _alike_proportions(sizes, p, most)


def _alike_areas(classes: Sequence[tuple[int, int]], a: float, most: int) -> Alike:
    scores = Scores("equal", a, 0.5, (1, most))

    def p(rng: np.random.Generator) -> float | None:
        found = [area(*scores.draw(rng, m, n)) for m, n in classes]
        return areas_differ([one for one in found if isinstance(one, Area)]).p

    return Alike(f"areas {classes}, {a}, {most}", p)


def _alike_proportions(sizes: Sequence[int], truth: float, most: int) -> Alike:
    def p(rng: np.random.Generator) -> float | None:
        made = [outcomes(rng, n, (1, most), 0.3, truth) for n in sizes]
        values = np.array([right.mean() for right, _ in made])
        return proportions_differ(values, np.array([effective_size(*one) for one in made])).p

    return Alike(f"proportions {sizes}, {truth}, {most}", p)


def false_alarms(alike: Alike, runs: int, seed: int) -> float:
    """Share of runs in which strata seem to differ at .05."""
    rng = np.random.default_rng([seed, *alike.name.encode()])
    found = [alike.p(rng) for _ in range(runs)]
    return sum(p is not None and p < 0.05 for p in found) / runs
