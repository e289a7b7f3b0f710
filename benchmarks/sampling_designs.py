"""Simulated studies whose cases were not drawn alike, on which weighted intervals are judged.

Of all examinations of a service some are drawn: all that the index test flagged and few of those
that it cleared, or by label. The truth is that of all examinations. ``benchmarks/simulations.py``
runs every design by night, and a test a few of them. What does not belong here: targets, designs in
which all cases count alike (``interval_designs``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from benchmarks.interval_designs import Design, Patients
from vpack_pipeline.stats.calibration import calibration
from vpack_pipeline.stats.difference import Side, difference
from vpack_pipeline.stats.distances import kish_ess
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray, symmetric
from vpack_pipeline.stats.proportions import clustered_proportion, wilson_bounds
from vpack_pipeline.stats.weighted import (
    Part,
    proportion_limits,
    weighted_auc,
    weighted_auc_side,
    weighted_paired_difference,
    weighted_proportion,
    weighted_proportion_side,
)

SPECIFICITY = 0.9
_CUT = float(ndtri(SPECIFICITY))


class Drawn(NamedTuple):
    """Cases that were drawn; ``flagged`` are those above the threshold of the index test."""

    score: FloatArray
    flagged: BoolArray
    positive: BoolArray
    weight: FloatArray
    patient: Patients


class Service(NamedTuple):
    """Examinations of patients, each with 1 to ``most`` of them that are alike by .4."""

    examinations: int
    prevalence: float
    shift: float
    """By how much positives score higher, in standard deviations."""
    most: int = 1

    @classmethod
    def of_sensitivity(
        cls, examinations: int, prevalence: float, sensitivity: float, most: int = 1
    ) -> Service:
        return cls(examinations, prevalence, _CUT + float(ndtri(sensitivity)), most)

    @classmethod
    def of_area(cls, examinations: int, prevalence: float, area: float, most: int = 1) -> Service:
        return cls(examinations, prevalence, math.sqrt(2) * float(ndtri(area)), most)

    @property
    def sensitivity(self) -> float:
        return float(ndtr(self.shift - _CUT))

    def draw(
        self, rng: np.random.Generator, fraction: Callable[[FloatArray, BoolArray], FloatArray]
    ) -> Drawn:
        """Take each examination with a probability that its score and label give."""
        patients = 2 * self.examinations // (1 + self.most)
        patient = np.repeat(np.arange(patients), rng.integers(1, self.most + 1, patients))
        positive = rng.random(patient.size) < self.prevalence
        own, each = rng.normal(size=patients)[patient], rng.normal(size=patient.size)
        score = math.sqrt(0.4) * own + math.sqrt(0.6) * each + self.shift * positive
        taken = fraction(score, positive)
        kept = rng.random(patient.size) < taken
        score, positive = score[kept], positive[kept]
        return Drawn(score, score > _CUT, positive, 1 / taken[kept], patient[kept])


Judge = Callable[[Drawn], Estimate]


def _share(drawn: Drawn) -> Estimate:
    return weighted_proportion(
        drawn.flagged, drawn.positive, drawn.weight, drawn.patient, may_succeed=drawn.flagged
    )


def _ppv(drawn: Drawn) -> Estimate:
    return weighted_proportion(
        drawn.positive, drawn.flagged, drawn.weight, drawn.patient, may_succeed=drawn.positive
    )


def ppv_of_known_strata(drawn: Drawn) -> Estimate:
    """Limits from the share in each stratum times its total, as if totals were fixed."""
    parts = []
    for label in (True, False):
        stratum = drawn.positive == label
        share = clustered_proportion(drawn.flagged[stratum], drawn.patient[stratum])
        ends = (share.value or 0.0, share.lower or 0.0, share.upper or 0.0)
        parts.append(Part(*(float(drawn.weight[stratum].sum()) * end for end in ends)))
    lower, upper = proportion_limits(*parts)
    value = parts[0].total / (parts[0].total + parts[1].total)
    return Estimate(value, lower, upper, drawn.positive.size, None, ())


def on_kish_size(drawn: Drawn) -> Estimate:
    """Wilson's interval on Kish's size, which was printed before."""
    w, right = drawn.weight[drawn.positive], drawn.flagged[drawn.positive]
    value = float(w @ right / w.sum())
    bounds = wilson_bounds(min(value, 1.0), kish_ess(w))
    return Estimate(value, *bounds, w.size, None, ())


SERVICES = tuple(product((1000, 4000, 20_000), (0.02, 0.05), (0.8, 0.95), (1, 4)))


def two_phase_shares(judge: Judge = _share) -> Iterator[Design]:
    """Sensitivity: all flagged, and of the cleared as many as hold .6 to 10 misses on average."""
    for (n, prevalence, sensitivity, most), misses in product(SERVICES, (0.6, 1.0, 3.0, 10.0)):
        service = Service.of_sensitivity(n, prevalence, sensitivity, most)
        fraction = misses / (n * prevalence * (1 - sensitivity))
        if fraction <= 0.5:
            yield _of_share(service, fraction, judge)


def small_two_phase_shares() -> Iterator[Design]:
    """Sensitivity: all flagged and a share of the cleared, of about 10 to 40 positives in all."""
    sensitivities = (0.8, 0.9, 0.95, 0.98)
    for n, sensitivity, most, fraction in product(
        (250, 500, 800), sensitivities, (1, 4), (0.1, 0.3, 0.5, 0.8)
    ):
        service = Service.of_sensitivity(n, 0.05, sensitivity, most)
        yield _of_share(service, fraction, _share)


def _of_share(service: Service, fraction: float, judge: Judge) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        return judge(service.draw(rng, lambda s, _: np.where(s > _CUT, 1.0, fraction)))

    return Design(f"{service}, {fraction:.4f} of the cleared", service.sensitivity, draw)


def three_strata_shares() -> Iterator[Design]:
    """Sensitivity: all flagged, a tenth or a half just below the threshold, and few of the rest."""
    for (n, prevalence, sensitivity, most), near in product(SERVICES, (0.1, 0.5)):
        service = Service.of_sensitivity(n, prevalence, sensitivity, most)
        yield _of_three_strata(service, near)


def _of_three_strata(service: Service, near: float) -> Design:
    def fraction(score: FloatArray, _: BoolArray) -> FloatArray:
        return np.select([score > _CUT, score > _CUT - 1], [1.0, near], near / 5)

    def draw(rng: np.random.Generator) -> Estimate:
        return _share(service.draw(rng, fraction))

    return Design(f"{service}, {near} near", service.sensitivity, draw)


def enriched_predictive_values(judge: Judge = _ppv) -> Iterator[Design]:
    """Positive predictive value: all positives, and a share of the negatives."""
    for (n, prevalence, sensitivity, most), few in product(SERVICES, (0.02, 0.1)):
        service = Service.of_sensitivity(n, prevalence, sensitivity, most)
        yield _of_label(service, few, judge)


def _of_label(service: Service, few: float, judge: Judge) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        return judge(service.draw(rng, lambda _, y: np.where(y, 1.0, few)))

    hits = service.prevalence * service.sensitivity
    truth = hits / (hits + (1 - service.prevalence) * (1 - SPECIFICITY))
    return Design(f"{service}, {few} of the negatives", truth, draw)


def _area(drawn: Drawn) -> Estimate:
    return weighted_auc(drawn.score, drawn.positive, drawn.weight, drawn.patient)


def area_on_the_scale(drawn: Drawn) -> Estimate:
    """Limits about the area itself, with the variance that the pseudo-cases give."""
    d, found = drawn, _area(drawn)
    if found.value is None or found.lower is None:
        return found
    heaviest = float(d.weight.max())
    middle = float(np.median(d.score[d.weight == heaviest]))
    side = weighted_auc_side(
        np.append(d.score, [middle, middle]),
        np.append(d.positive, [True, False]),
        np.append(d.weight, [heaviest, heaviest]),
        np.append(d.patient, [-1, -2]),
    )
    codes = np.unique(side.cluster, return_inverse=True)[1]
    by_patient = np.bincount(codes, weights=side.influence)
    se = math.sqrt(by_patient.size / (by_patient.size - 1) * float(by_patient @ by_patient))
    return symmetric(found.value, se, n=found.n, method=(), level=0.95, bounds=(0.0, 1.0))


def weighted_areas(judge: Judge = _area) -> Iterator[Design]:
    """All above a score, and 2 to 30% of the rest; 2 to 20% are positive."""
    services = ((1000, 0.05), (4000, 0.05), (4000, 0.02), (400, 0.2))
    designs = product(services, (0.7, 0.8, 0.9, 0.95, 0.98), (0.02, 0.1, 0.3), (0.5, 1.5), (1, 4))
    for (n, prevalence), area, few, above, most in designs:
        yield _of_area(Service.of_area(n, prevalence, area, most), (area, few, above), judge)


def _of_area(service: Service, of: tuple[float, float, float], judge: Judge) -> Design:
    area, few, above = of

    def draw(rng: np.random.Generator) -> Estimate:
        return judge(service.draw(rng, lambda s, _: np.where(s > above, 1.0, few)))

    return Design(f"{service}, {few} below {above}", area, draw)


def two_phase_differences() -> Iterator[Design]:
    """Sensitivity after less before, at a truth that lies on the margin."""
    for n, (before, after), misses in product(
        (4000, 20_000), ((0.95, 0.9), (0.98, 0.93), (0.85, 0.8)), (1.0, 5.0)
    ):
        yield _of_difference(n, before, after, misses)


def _of_difference(n: int, before: float, after: float, misses: float) -> Design:
    def side(rng: np.random.Generator, sensitivity: float, first: int) -> Side:
        service = Service.of_sensitivity(n, 0.05, sensitivity)
        fraction = min(misses / (n * 0.05 * (1 - sensitivity)), 1.0)
        d = service.draw(rng, lambda s, _: np.where(s > _CUT, 1.0, fraction))
        return weighted_proportion_side(
            d.flagged, d.positive, d.weight, d.patient + first, may_succeed=d.flagged
        )

    def draw(rng: np.random.Generator) -> Estimate:
        return difference(side(rng, after, n), side(rng, before, 0))

    return Design(f"{n}, {before} then {after}, {misses} misses", after - before, draw)


def two_phase_pairs() -> Iterator[Design]:
    """Sensitivity of two index tests on the same cases; all that the first flagged were taken."""
    rates = ((0.9, 0.85), (0.9, 0.9), (0.85, 0.95), (0.97, 0.94))
    for (n, few), (one, two), alike, most in product(
        ((1000, 0.1), (4000, 0.02)), rates, (0.7, 0.98), (1, 4)
    ):
        yield _of_pair(Service(n, 0.05, 0.0, most), (one, two), alike, few)


def _of_pair(service: Service, rates: tuple[float, float], alike: float, few: float) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        patients = 2 * service.examinations // (1 + service.most)
        patient = np.repeat(np.arange(patients), rng.integers(1, service.most + 1, patients))
        positive = rng.random(patient.size) < service.prevalence
        own = math.sqrt(0.4) * rng.normal(size=patients)[patient]
        shared = own + math.sqrt(0.6) * rng.normal(size=patient.size)
        first, second = (
            math.sqrt(alike) * shared
            + math.sqrt(1 - alike) * rng.normal(size=patient.size)
            + (_CUT + float(ndtri(rate))) * positive
            > _CUT
            for rate in rates
        )
        taken = np.where(first, 1.0, few)
        kept = rng.random(patient.size) < taken
        return weighted_paired_difference(
            first[kept],
            second[kept],
            positive[kept],
            1 / taken[kept],
            patient[kept],
            heaviest=1 / few,
        )

    name = f"{service}, {rates}, alike {alike}, {few} of the cleared"
    return Design(name, rates[0] - rates[1], draw)


def weighted_calibrations() -> Iterator[Design]:
    """Slope of calibrated probabilities, of cases that were drawn by label and score."""
    for n, few, most in product((1000, 4000, 20_000), (0.05, 0.3), (1, 4)):
        yield _of_slope(n, few, most)


def _of_slope(n: int, few: float, most: int) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        service = Service(n, 0.1, 1.5, most)

        def fraction(score: FloatArray, positive: BoolArray) -> FloatArray:
            return np.where(positive | (score > _CUT), 1.0, few)

        d = service.draw(rng, fraction)
        odds = math.log(0.1 / 0.9) + 1.5 * d.score - 1.5**2 / 2
        prob = 1 / (1 + np.exp(-odds))
        return calibration(prob, d.positive, d.patient, weights=d.weight).slope

    return Design(f"{n}, {few}, {most}", 1.0, draw)
