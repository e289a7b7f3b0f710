"""Simulated figures against their targets: for the night, not for a test run.

    .venv/bin/python benchmarks/simulations.py [name …]

Prints each figure with its target, and exits with 1 when one is missed. Seeds are fixed, so that a
night repeats the one before unless the code has changed.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from benchmarks import (
    agreement_designs,
    curve_designs,
    endpoint_designs,
    interval_designs,
    sampling_designs,
    transport_designs,
)
from benchmarks.agreement_designs import AGREEING, COEFFICIENTS, PANELS, SMALL, TWO_PHASE, Panels
from vpack_pipeline.core.adjudication.common_factor import CORRELATIONS, rates_with_replicates
from vpack_pipeline.core.adjudication.panel_error import Votes, panel_error, positive_reads
from vpack_pipeline.core.evaluation.endpoint_figures import HIGHEST_GOAL_OF_AREA
from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.label_error import Replicates, corrected_estimates
from vpack_pipeline.stats.latent_class import dawid_skene_intervals
from vpack_pipeline.stats.quantiles import quantile_by_patient
from vpack_pipeline.stats.resampling import FEW_UNDEFINED, percentile_interval
from vpack_pipeline.stats.verification_bias import VerifiedCounts, begg_greenes


class Figure(NamedTuple):
    name: str
    value: float
    low: float
    high: float


RUNS = 2000
NOMINAL_LOWER = 0.035
"""What P(lower bound > truth) may reach, for a nominal .025; of areas .04."""
READERS = ((0.9, 0.95), (0.8, 0.9), (0.85, 0.92), (0.75, 0.97), (0.88, 0.9))


def reads(
    rng: np.random.Generator, n: int, rates: tuple[tuple[float, float], ...], prevalence: float
) -> FloatArray:
    """Reads that are independent given the truth: (n, readers)."""
    truth = rng.random(n) < prevalence
    chance = np.array([np.where(truth, se, 1 - sp) for se, sp in rates]).T
    return (rng.random(chance.shape) < chance).astype(np.float64)


def dawid_skene() -> Iterator[Figure]:
    """Five readers, 300 patients, prevalence .3; coverage averaged over rates and 200 seeds."""
    hits = []
    for seed in range(200):
        rng = np.random.default_rng([1979, seed])
        found = dawid_skene_intervals(
            reads(rng, 300, READERS, 0.3), [0, 1], np.arange(300), 500, rng
        )
        planted = [
            (found.prevalences[1], 0.3),
            *((e, r[0]) for e, r in zip(found.sensitivity, READERS, strict=True)),
            *((e, r[1]) for e, r in zip(found.specificity, READERS, strict=True)),
        ]
        hits.append([_holds((e.lower, e.upper), rate) for e, rate in planted])
    shares = np.mean(hits, axis=0)
    yield Figure("Dawid-Skene, mean coverage over rates", float(shares.mean()), 0.92, 0.98)
    yield Figure("  prevalence", float(shares[0]), 0.0, 1.0)
    yield Figure("  lowest of a reader's rates", float(shares[1:].min()), 0.0, 1.0)


def agreement() -> Iterator[Figure]:
    """Jackknife intervals of agreement, 2,000 studies a design.

    First with the least numbers of units and minority ratings not asked for, which shows why they
    are; then as they are printed, of the studies that have an interval.
    """
    for design in SMALL:
        found = agreement_designs.coverage(design, RUNS, 2014, is_free=True)["fleiss_kappa"]
        label = f"kappa, {design}, least numbers not asked"
        low = 0.93 if design.cases >= 60 else 0.0
        yield Figure(f"coverage of {label}", found.held, low, 1.0)
    highest = {"coefficients": 0.0, "shares": 0.0}
    for design in PANELS:
        rates = agreement_designs.coverage(design, RUNS, 2014)
        for name in AGREEING:
            yield Figure(f"coverage of {name}, {design}", rates[name].held, 0.92, 1.0)
            kind = "coefficients" if name in COEFFICIENTS else "shares"
            highest[kind] = max(highest[kind], rates[name].lower_above)
        yield Figure("  P(no interval) of kappa", rates["fleiss_kappa"].without, 0.0, 1.0)
    for kind, rate in highest.items():
        most = NOMINAL_LOWER + _two_errors(NOMINAL_LOWER, RUNS)
        yield Figure(f"{kind} of agreement: highest P(lower > truth)", rate, 0.0, most)


def weighted_agreement() -> Iterator[Figure]:
    """Agreement of all examinations, of those that an index test flagged and a share of the rest.

    Beside each design the same sample as if its cases counted alike, and as many drawn at random.
    """
    most = NOMINAL_LOWER + _two_errors(NOMINAL_LOWER, RUNS)
    for design in TWO_PHASE:
        rates = agreement_designs.coverage(design, RUNS, 2010)
        for name in AGREEING:
            yield Figure(f"coverage of weighted {name}, {design}", rates[name].held, 0.92, 1.0)
        highest = max(rates[name].lower_above for name in AGREEING)
        yield Figure("  highest P(lower > truth)", highest, 0.0, most)
        yield Figure("  P(no interval) of kappa", rates["fleiss_kappa"].without, 0.0, 1.0)
        at_random = Panels(design.cases, design.readers, design.prevalence, design.cases_each)
        for label, beside in (
            ("counted alike", design._replace(weighs=False)),
            ("drawn at random", at_random),
        ):
            held = agreement_designs.coverage(beside, RUNS // 4, 2010)["fleiss_kappa"].held
            yield Figure(f"  coverage of kappa, {label}", held, 0.0, 1.0)


def quantiles() -> Iterator[Figure]:
    """Median and 90th percentile of lognormal times, half their variance shared by a patient."""
    for patients, each in ((40, 1), (80, 1), (80, 4), (200, 4)):
        for share, normal in ((0.5, 0.0), (0.9, 1.2815515655446004)):
            held = []
            for seed in range(RUNS):
                rng = np.random.default_rng([1899, seed])
                patient = np.repeat(np.arange(patients), each)
                shared = np.repeat(rng.standard_normal(patients), each)
                own = rng.standard_normal(patient.size)
                made = quantile_by_patient(np.exp((shared + own) / 2**0.5), patient, share)
                held.append(_holds((made.lower, made.upper), math.exp(normal)))
            label = f"coverage of the quantile {share:g}, {patients} patients, {each} cases each"
            yield Figure(label, float(np.mean(held)), 0.92, 1.0)


def label_error() -> Iterator[Figure]:
    """An index test of .90/.92 against a reader of .85/.95; 2,000 cases, prevalence .3."""
    for correlation in (0.0, 0.3, 0.5):
        hits = []
        for seed in range(400):
            rng = np.random.default_rng([1981, seed])
            truth = rng.random((2000, 1)) < 0.3
            cut = np.where(truth, ndtri([0.9, 0.85]), ndtri([0.92, 0.95]))
            shared = rng.standard_normal((2000, 1)) * np.sqrt(correlation)
            latent = shared + rng.standard_normal((2000, 2)) * np.sqrt(1 - correlation)
            index, reference = ((latent < cut) == truth).T
            cells = ((index, reference), (index, ~reference), (~index, reference))
            counts = np.array([int((a & b).sum()) for a, b in cells], dtype=np.float64)
            counts = np.append(counts, 2000 - counts.sum())
            tables = rng.multinomial(2000, counts / 2000, 300).astype(np.float64)
            known = Replicates(tables, np.full(300, 0.85), np.full(300, 0.95))
            pair = corrected_estimates(
                counts, 0.85, 0.95, replicates=known, correlation=correlation
            )
            truths = zip(pair, (0.9, 0.92), strict=True)
            hits.append([_holds((e.lower, e.upper), v) for e, v in truths])
        for name, share in zip(("sensitivity", "specificity"), np.mean(hits, axis=0), strict=True):
            label = f"coverage of corrected {name}, error correlation {correlation:g}"
            yield Figure(label, float(share), 0.92, 0.98)


def verification() -> Iterator[Figure]:
    """1,000 cases, prevalence .2, test .80/.90; positives verified in 90%, negatives in 50%."""
    hits: list[list[bool]] = []
    for seed in range(2000):
        rng = np.random.default_rng([1983, seed])
        truth = rng.random(1000) < 0.2
        flagged = rng.random(1000) < np.where(truth, 0.8, 0.1)
        verified = rng.random(1000) < np.where(flagged, 0.9, 0.5)
        kinds = [
            int((verified & (flagged == f) & (truth == t)).sum())
            for f, t in ((True, True), (True, False), (False, True), (False, False))
        ]
        missing = [int((~verified & (flagged == f)).sum()) for f in (True, False)]
        pair = begg_greenes(VerifiedCounts(*kinds, *missing))
        if pair[0].value is not None:
            hits.append(
                [_holds((e.lower, e.upper), v) for e, v in zip(pair, (0.8, 0.9), strict=True)]
            )
    for name, share in zip(("sensitivity", "specificity"), np.mean(hits, axis=0), strict=True):
        yield Figure(f"coverage of Begg-Greenes {name}", float(share), 0.93, 0.97)
    yield Figure("  runs not refused", len(hits) / 2000, 0.0, 1.0)


def perfect_model() -> Iterator[Figure]:
    """A perfect model at 10% prevalence, against independent readers of .85/.95."""
    one = np.ones(1)
    for readers, low, high in ((1, 0.65, 0.658), (3, 0.93, 0.94)):
        majority = 2 * np.arange(readers + 1) > readers
        rates = [positive_reads(r * one, readers, 0.0)[0, majority].sum() for r in (0.85, 0.05)]
        apparent = (0.1 * rates[0] + 0.9 * rates[1]) * one
        found = panel_error(0.85 * one, 0.95 * one, apparent, readers, 0.0)
        label = f"apparent sensitivity of a perfect model, majority of {readers}"
        yield Figure(label, float(found.perfect_sensitivity[0]), low, high)
    share = float(found.unanimous_share[0])
    yield Figure("  of its apparent errors, against unanimous readers", share, 0.0, 0.05)


def fitted_readers() -> Iterator[Figure]:
    """Three readers of .85/.95 at 10% prevalence, 3,000 cases, 200 worlds of 300 replicates.

    At the correlation that was planted the fit covers; at another it answers for what it assumes,
    which is why the pack prints the range and never one of them alone.
    """
    panels = Votes(np.full(4, 3), np.arange(4))
    for planted in CORRELATIONS:
        ill, well = (positive_reads(np.array([r]), 3, planted)[0] for r in (0.85, 0.05))
        for assumed in CORRELATIONS:
            hits = []
            for seed in range(200):
                rng = np.random.default_rng([1996, seed])
                counts = rng.multinomial(3000, 0.1 * ill + 0.9 * well).astype(np.float64)
                drawn = rng.multinomial(3000, counts / 3000, 300).astype(np.float64)
                made = rates_with_replicates(panels, counts, drawn, assumed)
                bounds = [
                    percentile_interval(v[1:], 0.95, most_undefined=FEW_UNDEFINED) for v in made
                ]
                truths = zip(bounds, (0.1, 0.85, 0.95), strict=True)
                hits.append([_holds((i.lower, i.upper), value) for i, value in truths])
            names = ("prevalence", "sensitivity", "specificity")
            for name, share in zip(names, np.mean(hits, axis=0), strict=True):
                label = f"fitted {name}, correlation {planted:g}, assumed {assumed:g}"
                target = (0.92, 0.98) if assumed == planted else (0.0, 1.0)
                yield Figure(f"coverage of {label}", float(share), *target)


def two_readers() -> Iterator[Figure]:
    """Two independent readers of .85/.97 at 5% prevalence, in the population."""
    kappa, ac1 = agreement_designs.two_readers(0.85, 0.97, 0.05)
    yield Figure("kappa of two readers at 5% prevalence", kappa, 0.4835, 0.4845)
    yield Figure("AC1 of two readers at 5% prevalence", ac1, 0.9215, 0.9225)


def interval_proportion() -> Iterator[Figure]:
    """One proportion by patients, on every design of ``interval_designs``."""
    yield from _judged("proportion", interval_designs.proportions(), NOMINAL_LOWER, RUNS)


def interval_area() -> Iterator[Figure]:
    """One area; the normal interval that it replaced on the same designs, in fewer runs.

    *Not met* rests on the upper side, and is said of goals up to one that this shows to be safe.
    """
    groups = {
        "AUC, one case a patient": interval_designs.areas_one_case,
        "AUC, 1 to 6 cases a patient": interval_designs.areas_by_patient,
    }
    for name, designs in groups.items():
        upper = (NOMINAL_LOWER, HIGHEST_GOAL_OF_AREA)
        yield from _judged(name, designs(), 0.04, RUNS, *upper)
        yield _beside("normal interval", designs(interval_designs.normal_interval))


def interval_difference() -> Iterator[Figure]:
    """Non-inferiority at its margin: a truth that lies on it is met in .025 of studies."""
    groups = (
        ("difference of shares", interval_designs.proportion_differences(), NOMINAL_LOWER),
        ("difference of areas", interval_designs.area_differences(), 0.04),
    )
    for name, designs, most in groups:
        yield from _judged(name, designs, most, RUNS)


def sampled_proportion() -> Iterator[Figure]:
    """Sensitivity and predictive value of all examinations, from samples drawn by call or label.

    What was printed before, and limits that take the totals of strata as known, on the same designs
    in fewer runs. *Not met* rests on the upper side.
    """
    both = (NOMINAL_LOWER, RUNS, NOMINAL_LOWER)
    of_two = "sensitivity, all flagged and few cleared"
    yield from _judged(of_two, sampling_designs.two_phase_shares(), *both)
    of_few = "sensitivity, 10 to 40 positives"
    yield from _judged(of_few, sampling_designs.small_two_phase_shares(), *both)
    before = sampling_designs.two_phase_shares(sampling_designs.on_kish_size)
    yield _beside("Wilson on Kish's size", before)
    of_three = "sensitivity, three strata of scores"
    yield from _judged(of_three, sampling_designs.three_strata_shares(), *both)
    by_label = sampling_designs.enriched_predictive_values()
    yield from _judged("predictive value, drawn by label", by_label, *both)
    known = sampling_designs.enriched_predictive_values(sampling_designs.ppv_of_known_strata)
    yield _beside("totals of strata taken as known", known)


def sampled_area() -> Iterator[Figure]:
    """Areas of all examinations; limits on the scale of the area on the same designs."""
    yield from _judged("weighted AUC", sampling_designs.weighted_areas(), 0.04, RUNS // 2)
    normal = sampling_designs.weighted_areas(sampling_designs.area_on_the_scale)
    yield _beside("limits on the scale of the area", normal)


def sampled_difference() -> Iterator[Figure]:
    """Non-inferiority at its margin, pairs and calibrated probabilities, of cases not drawn alike.

    *Not met* rests on the upper side of a difference.
    """
    designs = sampling_designs.two_phase_differences()
    both = (NOMINAL_LOWER, RUNS, NOMINAL_LOWER)
    yield from _judged("difference of weighted shares", designs, *both)
    pairs = sampling_designs.two_phase_pairs()
    yield from _judged("paired difference of weighted shares", pairs, NOMINAL_LOWER, RUNS // 4)
    slopes = sampling_designs.weighted_calibrations()
    yield from _judged("slope of weighted calibration", slopes, 1.0, RUNS // 2)


def transported() -> Iterator[Figure]:
    """Figures carried to another mix of six cells; the plain delta method on the same designs."""
    groups = {
        "sensitivity in a target": transport_designs.sensitivities(),
        "sensitivity in a target, prevalence typed": transport_designs.typed_prevalences(),
        "PPV in a target, prevalence typed": transport_designs.typed_prevalences("ppv"),
    }
    for name, designs in groups.items():
        yield from _judged(name, designs, NOMINAL_LOWER, RUNS)
    plain = transport_designs.sensitivities(transport_designs.by_delta_method)
    yield _beside("plain delta method", plain)


def _beside(name: str, designs: Iterable[interval_designs.Design]) -> Figure:
    found = [interval_designs.rates(d, RUNS // 10, 2006).lower_above for d in designs]
    return Figure(f"  {name}: highest P(lower > truth)", max(found), 0.0, 1.0)


def heterogeneity() -> Iterator[Figure]:
    """Strata of one truth: how often Q says at .05 that they differ."""
    found = [interval_designs.false_alarms(a, RUNS // 2, 1954) for a in interval_designs.strata()]
    most = 0.05 + _two_errors(0.05, RUNS // 2)
    yield Figure(f"Q of like strata: highest P(p < .05), {len(found)} designs", max(found), 0, most)


def endpoint_rules() -> Iterator[Figure]:
    """Three claims under each rule, with one to three looks: how often a study claims too much."""
    runs = 5 * RUNS
    for rule, looks in endpoint_designs.ALL:
        found = [
            endpoint_designs.error(family, runs, 2013)
            for family in endpoint_designs.families(rule, looks)
        ]
        most = endpoint_designs.ALPHA
        label = f"{rule}, {looks} looks: highest family-wise error"
        yield Figure(label, max(found), 0.0, most + _two_errors(most, runs))
        shares = [
            endpoint_designs.error(family, RUNS, 2013, of_shares=True)
            for family in endpoint_designs.families(rule, looks)
        ]
        most = NOMINAL_LOWER + _two_errors(NOMINAL_LOWER, RUNS)
        yield Figure("  of shares of 240 patients", max(shares), 0.0, most)


def curve_band() -> Iterator[Figure]:
    """The band of the ROC curve at its worst point, a bootstrap beside it, and partial areas."""
    designs = list(curve_designs.curves())
    runs = RUNS // 4
    found = [curve_designs.missed(d, runs, 1976) for d in designs]
    most = NOMINAL_LOWER + _two_errors(NOMINAL_LOWER, runs)
    label = f"ROC band: highest P(lower > truth), {len(designs)} designs"
    yield Figure(label, max(low for low, _ in found), 0.0, most)
    yield Figure("  highest P(upper < truth)", max(high for _, high in found), 0.0, 1.0)
    few = [d for d in designs if d.per_patient == 1 and d.spread == 1.0]
    drawn = [curve_designs.missed(d, 100, 1979, curve_designs.of_bootstrap) for d in few]
    for name, misses in zip(
        ("lower > truth", "upper < truth"), zip(*drawn, strict=True), strict=True
    ):
        yield Figure(f"  percentile bootstrap: highest P({name})", max(misses), 0.0, 1.0)
    areas = [curve_designs.missed_areas(d, runs, 1989) for d in designs]
    yield Figure("partial AUC: highest P(lower > truth)", max(a for a, _ in areas), 0.0, most)
    yield Figure("  highest P(upper < truth)", max(b for _, b in areas), 0.0, 1.0)


def sampled_curve() -> Iterator[Figure]:
    """The band of the ROC curve of all examinations, from drawn ones, at its worst point."""
    runs, designs = RUNS // 8, list(curve_designs.two_phase_curves())
    found = [curve_designs.missed_weighted(d, runs, 1976) for d in designs]
    most = NOMINAL_LOWER + _two_errors(NOMINAL_LOWER, runs)
    label = f"weighted ROC band: highest P(lower > truth), {len(designs)} designs"
    yield Figure(label, max(low for low, _ in found), 0.0, most)
    yield Figure("  highest P(upper < truth)", max(high for _, high in found), 0.0, most)


def _judged(
    name: str,
    designs: Iterable[interval_designs.Design],
    most: float,
    runs: int,
    most_denied: float | None = None,
    up_to: float = 1.0,
) -> Iterator[Figure]:
    """Judge designs.

    ``most_denied`` is the target of the upper side, if a verdict rests on it, of truths ``up_to``
    which it may.
    """
    judged = list(designs)
    found = [interval_designs.rates(d, runs, 2008) for d in judged]
    label = f"{name}: highest P(lower > truth), {len(found)} designs"
    yield Figure(label, max(r.lower_above for r in found), 0.0, most + _two_errors(most, runs))
    yield Figure("  mean of it", float(np.mean([r.lower_above for r in found])), 0.0, 1.0)
    denied = 1.0 if most_denied is None else most_denied + _two_errors(most_denied, runs)
    upper = [(design.truth, r.upper_below) for design, r in zip(judged, found, strict=True)]
    below = [rate for truth, rate in upper if truth <= up_to + 1e-12]
    which = "" if up_to == 1 else f", truths up to {up_to:g}"
    yield Figure(f"  highest P(upper < truth){which}", max(below), 0.0, denied)
    if len(below) < len(upper):
        yield Figure("  highest P(upper < truth), all", max(rate for _, rate in upper), 0.0, 1.0)
    both = min(1 - r.lower_above - r.upper_below - r.without for r in found if r.without < 0.01)
    yield Figure("  lowest two-sided coverage", both, 0.0, 1.0)
    yield Figure("  highest P(no interval)", max(r.without for r in found), 0.0, 1.0)


def _two_errors(rate: float, runs: int) -> float:
    """Two Monte Carlo errors of a rate."""
    return 2 * math.sqrt(rate * (1 - rate) / runs)


def _holds(bounds: tuple[float | None, float | None], value: float) -> bool:
    """An interval that is not given does not hold the value."""
    lower, upper = bounds
    return lower is not None and upper is not None and lower <= value <= upper


SIMULATIONS: dict[str, Callable[[], Iterator[Figure]]] = {
    "two_readers": two_readers,
    "perfect_model": perfect_model,
    "verification": verification,
    "label_error": label_error,
    "fitted_readers": fitted_readers,
    "dawid_skene": dawid_skene,
    "agreement": agreement,
    "weighted_agreement": weighted_agreement,
    "quantiles": quantiles,
    "interval_proportion": interval_proportion,
    "interval_difference": interval_difference,
    "heterogeneity": heterogeneity,
    "endpoint_rules": endpoint_rules,
    "interval_area": interval_area,
    "sampled_proportion": sampled_proportion,
    "sampled_difference": sampled_difference,
    "sampled_area": sampled_area,
    "curve_band": curve_band,
    "transported": transported,
    "sampled_curve": sampled_curve,
}


def main(names: list[str]) -> int:
    missed = 0
    for name in names or list(SIMULATIONS):
        if name not in SIMULATIONS:
            sys.exit(f"known: {', '.join(SIMULATIONS)}")
        start = time.perf_counter()
        for figure in SIMULATIONS[name]():
            met = figure.low <= figure.value <= figure.high
            missed += not met
            target = f"target {figure.low:g} to {figure.high:g}"
            if (figure.low, figure.high) == (0.0, 1.0):
                target = "for information"
            verdict = "" if met else "  MISSED"
            print(f"{figure.name:<62} {figure.value:7.4f}  {target}{verdict}", flush=True)
        print(f"  ({name}: {time.perf_counter() - start:.0f} s)", flush=True)
    print("all targets met" if not missed else f"{missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
