"""Simulated panels of readers, on which intervals of agreement are judged.

Readers of .85/.97 are independent given the truth. Cases count alike, or were drawn by the call of
an index test and weigh as many as they stand for. ``benchmarks/simulations.py`` runs every design
by night. What does not belong here: targets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from benchmarks.interval_designs import Patients
from vpack_pipeline.stats.agreement import (
    agreement_jackknife,
    fleiss_kappa,
    gwet_ac,
    jackknifed,
    krippendorff_alpha,
    percent_agreement,
    specific_agreement,
)
from vpack_pipeline.stats.estimate import BoolArray, Estimate, FloatArray

SENSITIVITY, SPECIFICITY = 0.85, 0.97


class Read(NamedTuple):
    """Ratings of cases, for how many each case stands, and its patient."""

    ratings: FloatArray
    weight: FloatArray | None
    patient: Patients


class Design(Protocol):
    """A study that can be drawn again and again."""

    @property
    def cases(self) -> int: ...
    @property
    def prevalence(self) -> float: ...
    def drawn(self, rng: np.random.Generator) -> Read: ...


class Panels(NamedTuple):
    """Studies of readers of .85/.97 who are independent given the truth."""

    cases: int
    readers: int
    prevalence: float
    cases_each: int = 1
    """Of a patient; of half the patients all are alike."""

    def drawn(self, rng: np.random.Generator) -> Read:
        n, each = self.cases // self.cases_each, self.cases_each
        together = np.repeat(rng.random(n) < self.prevalence, each)
        is_alike = np.repeat(rng.random(n) < (each > 1) / 2, each)
        truth = np.where(is_alike, together, rng.random(self.cases) < self.prevalence)
        return Read(_said(rng, truth, self.readers), None, np.repeat(np.arange(n), each))

    def __str__(self) -> str:
        each = f", {self.cases_each} a patient" if self.cases_each > 1 else ""
        return f"{self.cases} cases{each}, {self.readers} readers, prevalence {self.prevalence:g}"


SMALL = (Panels(30, 3, 0.1), Panels(60, 3, 0.1))
PANELS = (
    *(Panels(cases, 3, 0.1) for cases in (60, 100, 200)),
    Panels(100, 2, 0.3),
    Panels(100, 2, 0.05),
    Panels(60, 3, 0.1, 4),
    Panels(200, 3, 0.1, 4),
    Panels(400, 3, 0.05, 4),
)


class TwoPhase(NamedTuple):
    """All that an index test of .85/.9 flagged and a share of the cleared, so many cases in all."""

    cases: int
    fraction: float
    readers: int = 3
    prevalence: float = 0.1
    cases_each: int = 1
    """Of a patient, before the draw; of half the patients all are alike."""
    weighs: bool = True
    """Whether a case counts as often as it stands for, or once."""

    def drawn(self, rng: np.random.Generator) -> Read:
        flagged_share = self.prevalence * 0.85 + (1 - self.prevalence) * 0.1
        share = flagged_share + self.fraction * (1 - flagged_share)
        n = int(2 * self.cases / share) + 100
        patient = np.arange(n) // self.cases_each
        together = (rng.random(n) < self.prevalence)[patient]
        is_alike = (rng.random(n) < (self.cases_each > 1) / 2)[patient]
        truth = np.where(is_alike, together, rng.random(n) < self.prevalence)
        flagged = rng.random(n) < np.where(truth, 0.85, 0.1)
        taken = rng.random(n) < np.where(flagged, 1.0, self.fraction)
        kept = np.flatnonzero(taken)[: self.cases]
        weight = np.where(flagged[kept], 1.0, 1 / self.fraction) if self.weighs else None
        return Read(_said(rng, truth[kept], self.readers), weight, patient[kept])

    def __str__(self) -> str:
        each = f", {self.cases_each} a patient" if self.cases_each > 1 else ""
        how = "" if self.weighs else ", unweighted"
        return f"{self.cases} cases{each}, {self.fraction:g} of the cleared{how}"


TWO_PHASE = (
    *(TwoPhase(cases, fraction) for cases in (60, 150) for fraction in (0.1, 0.3)),
    TwoPhase(152, 0.1, cases_each=4),
)


def _said(rng: np.random.Generator, truth: BoolArray, readers: int) -> FloatArray:
    chance = np.where(truth, SENSITIVITY, 1 - SPECIFICITY)[:, None]
    return (rng.random((truth.size, readers)) < chance).astype(np.float64)


COEFFICIENTS = ("fleiss_kappa", "gwet_ac1", "krippendorff_alpha_nominal")
AGREEING = (*COEFFICIENTS, "percent_agreement", "positive_agreement", "negative_agreement")


class Rates(NamedTuple):
    held: float
    """Of the intervals that are given."""
    lower_above: float
    without: float


def coverage(design: Design, runs: int, seed: int, *, is_free: bool = False) -> dict[str, Rates]:
    kappa, ac1 = two_readers(0.85, 0.97, design.prevalence)
    ill, well = np.array([0.15, 0.85]), np.array([0.97, 0.03])
    pair = design.prevalence * np.outer(ill, ill) + (1 - design.prevalence) * np.outer(well, well)
    negative, positive = np.diag(pair) / pair.sum(axis=0)
    values = (kappa, ac1, kappa, np.trace(pair), positive, negative)
    truths = dict(zip(AGREEING, values, strict=True))
    seen: dict[str, list[tuple[bool, bool, bool]]] = {name: [] for name in truths}
    for run in range(runs):
        ratings, weight, patient = design.drawn(np.random.default_rng([seed, run]))
        found = agreement_jackknife(ratings, [0, 1], patient, AGREEING, weight)
        for name, estimate in _points(ratings).items():
            made = jackknifed(estimate, found[name])
            if is_free:
                enough = found[name]._replace(minority=float(design.cases))
                made = jackknifed(replace(estimate, n=max(estimate.n, 60)), enough)
            is_given = made.lower is not None
            above, below = _misses(made, truths[name])
            seen[name].append((is_given, is_given and not (above or below), above))
    rates = {}
    for name, kept in seen.items():
        given, held, above = np.asarray(kept).sum(axis=0)
        rates[name] = Rates(held / max(1, given), above / max(1, given), 1 - given / runs)
    return rates


def _points(ratings: FloatArray) -> dict[str, Estimate]:
    positive, negative = specific_agreement(ratings)
    values = (
        fleiss_kappa(ratings, [0, 1]),
        gwet_ac(ratings, [0, 1]),
        krippendorff_alpha(ratings, [0, 1]),
        percent_agreement(ratings, [0, 1]),
        positive,
        negative,
    )
    return dict(zip(AGREEING, values, strict=True))


def _misses(found: Estimate, truth: float) -> tuple[bool, bool]:
    """Whether the truth lies below the interval, and above it."""
    if found.lower is None or found.upper is None:
        return False, False
    return found.lower > truth, found.upper < truth


def two_readers(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Population kappa (Fleiss' and Cohen's: the readers are alike) and AC1."""
    ill, well = np.array([1 - sensitivity, sensitivity]), np.array([specificity, 1 - specificity])
    joint = prevalence * np.outer(ill, ill) + (1 - prevalence) * np.outer(well, well)
    share, observed = joint.sum(axis=0), float(np.trace(joint))
    by_chance, gwet = float(share @ share), float(2 * share[0] * share[1])
    return (observed - by_chance) / (1 - by_chance), (observed - gwet) / (1 - gwet)
