"""What agreement costs: 10⁵ cases and five readers, every statistic with its interval by patient.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/agreement_statistics.py

One core, in seconds of processor time, which a busy machine stretches less than the clock's; exits
with 1 where a budget is missed. The baseline is scikit-learn's Cohen kappa of every
pair without one patient after the other: a few patients are measured and the rest taken to
cost the same. The ratio travels between machines; the seconds do not.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from vpack_pipeline.stats import agreement
from vpack_pipeline.stats.agreement.sums import STATISTICS
from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.latent_class import dawid_skene

UNITS, READERS = 100_000, 5
MEASURED = 3
STATISTICS_SECONDS, LATENT_SECONDS, GIGABYTES, RATIO = 20.0, 5.0, 2.0, 20.0


def ratings(q: int, missing: float = 0.05) -> FloatArray:
    rng = np.random.default_rng(q)
    truth = rng.integers(0, q, UNITS) * (rng.random(UNITS) < 0.5)
    drawn = rng.integers(0, q, (UNITS, READERS))
    said = np.where(rng.random(drawn.shape) < 0.8, truth[:, None], drawn).astype(np.float64)
    said[rng.random(said.shape) < missing] = np.nan
    return said


def points(values: FloatArray, categories: list[float]) -> None:
    """The point estimate of every coefficient, weighted ones and pairs included."""
    for weights in (None, "linear", "quadratic"):
        for coefficient in (
            agreement.percent_agreement,
            agreement.fleiss_kappa,
            agreement.gwet_ac,
            agreement.brennan_prediger,
        ):
            coefficient(values, categories, weights=weights)
        agreement.pairwise_kappas(values, categories, weights=weights)
    for scale in ("nominal", "ordinal", "interval"):
        agreement.krippendorff_alpha(values, categories, level_of_measurement=scale)
    agreement.icc_agreement(values)
    agreement.leave_one_reader_out(values, lambda rest: agreement.gwet_ac(rest, categories))


def timed(work: Callable[..., Any], *given: Any) -> float:
    start = time.process_time()
    work(*given)
    return time.process_time() - start


def intervals(values: FloatArray, categories: list[float]) -> None:
    """Every coefficient without each patient; positive and negative agreement of two categories."""
    names = [n for n in STATISTICS if len(categories) == 2 or not n.endswith("tive_agreement")]
    agreement.agreement_jackknife(values, categories, np.arange(UNITS), names)


def pairs(values: FloatArray, categories: list[float]) -> None:
    for i, j in combinations(range(READERS), 2):
        agreement.pair_jackknife(values[:, i], values[:, j], categories, np.arange(UNITS))


def sklearn_loop(values: FloatArray, categories: list[float]) -> float:
    """Seconds without one patient, measured over a few."""
    from sklearn.metrics import cohen_kappa_score

    coded = np.where(np.isnan(values), -1, values).astype(np.int64)
    start = time.process_time()
    for patient in range(MEASURED):
        rest = np.delete(coded, patient, axis=0)
        for i, j in combinations(range(READERS), 2):
            both = (rest[:, i] >= 0) & (rest[:, j] >= 0)
            cohen_kappa_score(rest[both, i], rest[both, j], labels=[int(c) for c in categories])
    return (time.process_time() - start) / MEASURED


def main() -> int:
    # The threads of a linear algebra library that was not told to use one share this core.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    missed = []
    print(f"{UNITS} cases, {READERS} readers, each patient left out, one core")
    for q in (2, 5):
        values, categories = ratings(q), [float(c) for c in range(q)]
        spent = {
            name: timed(work, values, categories)
            for name, work in (("points", points), ("intervals", intervals), ("pairs", pairs))
        }
        total = sum(spent.values())
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent.items())
        print(f"{q} categories: all statistics {total:6.1f} s ({parts}); budget 20 s")
        latent = timed(dawid_skene, values, categories)
        print(f"{q} categories: Dawid-Skene {latent:6.2f} s; budget 5 s")
        loop = sklearn_loop(values, categories)
        ratio = loop * UNITS / spent["pairs"]
        print(
            f"{q} categories: pairwise kappas {spent['pairs']:.1f} s; scikit-learn {loop:.2f} s a"
            f" patient, {loop * UNITS:.0f} s for {UNITS} (extrapolated from {MEASURED}):"
            f" {ratio:.0f} × ; target 20 ×"
        )
        missed += [total > STATISTICS_SECONDS, latent > LATENT_SECONDS, ratio < RATIO]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GB; budget 2 GB")
    missed.append(peak > GIGABYTES)
    print("all budgets met" if not any(missed) else f"{sum(missed)} missed")
    return 1 if any(missed) else 0


if __name__ == "__main__":
    sys.exit(main())
