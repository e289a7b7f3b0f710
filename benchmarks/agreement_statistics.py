"""What agreement costs: 10⁵ cases and five readers, every statistic bootstrapped by patient.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/agreement_statistics.py

One core, in seconds of processor time, which a busy machine stretches less than the clock's; exits
with 1 where a budget is missed. The baseline is scikit-learn's Cohen kappa of every
pair, replicate by replicate on copied rows: a few replicates are measured and the rest taken to
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
from vpack_pipeline.stats.estimate import FloatArray
from vpack_pipeline.stats.latent_class import dawid_skene

UNITS, READERS, REPLICATES = 100_000, 5, 2000
MEASURED = 3
STATISTICS_SECONDS, LATENT_SECONDS, GIGABYTES, RATIO = 20.0, 5.0, 2.0, 20.0
ALSO = ("gwet_ac2_linear", "gwet_ac2_quadratic", "icc")


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


def bootstrap(values: FloatArray, categories: list[float]) -> None:
    agreement.agreement_bootstrap(
        values, categories, np.arange(UNITS), REPLICATES, np.random.default_rng(1), also=ALSO
    )


def pairs(values: FloatArray, categories: list[float]) -> None:
    agreement.pairwise_kappa_bootstrap(
        values, categories, np.arange(UNITS), REPLICATES, np.random.default_rng(1)
    )


def sklearn_loop(values: FloatArray, categories: list[float]) -> float:
    """Seconds of one replicate, measured over a few."""
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(1)
    coded = np.where(np.isnan(values), -1, values).astype(np.int64)
    start = time.process_time()
    for _ in range(MEASURED):
        copied = coded[rng.integers(0, UNITS, UNITS)]
        for i, j in combinations(range(READERS), 2):
            both = (copied[:, i] >= 0) & (copied[:, j] >= 0)
            cohen_kappa_score(copied[both, i], copied[both, j], labels=[int(c) for c in categories])
    return (time.process_time() - start) / MEASURED


def main() -> int:
    # The threads of a linear algebra library that was not told to use one share this core.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    missed = []
    print(f"{UNITS} cases, {READERS} readers, {REPLICATES} patient replicates, one core")
    for q in (2, 5):
        values, categories = ratings(q), [float(c) for c in range(q)]
        spent = {
            name: timed(work, values, categories)
            for name, work in (("points", points), ("bootstrap", bootstrap), ("pairs", pairs))
        }
        total = sum(spent.values())
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent.items())
        print(f"{q} categories: all statistics {total:6.1f} s ({parts}); budget 20 s")
        latent = timed(dawid_skene, values, categories)
        print(f"{q} categories: Dawid-Skene {latent:6.2f} s; budget 5 s")
        loop = sklearn_loop(values, categories)
        ratio = loop * REPLICATES / spent["pairs"]
        print(
            f"{q} categories: pairwise kappas {spent['pairs']:.1f} s; scikit-learn {loop:.2f} s a"
            f" replicate, {loop * REPLICATES:.0f} s for {REPLICATES} (extrapolated from"
            f" {MEASURED}): {ratio:.0f} × ; target 20 ×"
        )
        missed += [total > STATISTICS_SECONDS, latent > LATENT_SECONDS, ratio < RATIO]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.2f} GB; budget 2 GB")
    missed.append(peak > GIGABYTES)
    print("all budgets met" if not any(missed) else f"{sum(missed)} missed")
    return 1 if any(missed) else 0


if __name__ == "__main__":
    sys.exit(main())
