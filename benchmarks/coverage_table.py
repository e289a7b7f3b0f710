"""How often printed intervals miss the truth, on either side: the table of ``docs/coverage.md``.

    .venv/bin/python -m benchmarks.coverage_table

Shares of patients with one case each are enumerated, everything else is drawn. Exits with 1 where a
lower bound lies above the truth, or an interval misses it, more often than may be. What does not
belong here: designs that try to break an interval (``simulations``).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from benchmarks.interval_designs import Design, Rates, Scores, outcomes, rates
from vpack_pipeline.stats.auc_interval import auc_by_inversion
from vpack_pipeline.stats.difference import difference, proportion_side
from vpack_pipeline.stats.estimate import Estimate
from vpack_pipeline.stats.proportions import (
    clustered_proportion,
    effective_size,
    predictive_values,
)
from vpack_pipeline.stats.ratio import ratio

PAGE = Path(__file__).resolve().parents[1] / "docs" / "coverage.md"
RUNS, SEED = 2000, 1927
PATIENTS = (10, 15, 50, 200)
"""Patients with positives; four times as many have none."""
CASES = (1, 4)
TRUTHS = (0.5, 0.8, 0.9, 0.95, 0.98)
ALIKE = 0.3
"""Intraclass correlation of the cases of a patient."""
PREVALENCE, SPECIFICITY = 0.1, 0.9
FALSE_MET, FALSE_MET_OF_AREA, COVERAGE, COVERED_FROM = 0.035, 0.04, 0.92, 15
"""What P(lower > truth) may reach, and what P(covered) must from so many patients on."""
HEAD = """# How often printed intervals miss the truth

Made by `.venv/bin/python -m benchmarks.coverage_table`; `make nightly` makes it again. Each cell
gives P(lower bound above the truth) and P(upper bound below it), nominally .025 each, and in
brackets P(no interval) where there was one. Patients are those with positives; of areas and
predictive values four times as many have none, and of differences four times as many came before.
Cases of a patient are alike by .3. Shares of patients with one case each are enumerated; everything
else was drawn {runs:,} times, so that a rate of .025 is known to about .007. No lower bound may lie
above the truth in more than .035 of studies (areas .04), give or take two Monte Carlo errors, and
from 15 patients on .92 of intervals must hold the truth. Discrete results leave no interval at .95
exactly; between the truths of the table the lower bound of an enumerated share lies above it in up
to .044 of studies (10 patients, a truth of .595; .041 at 15, .033 at 50).
"""


class Printed(NamedTuple):
    """One kind of interval: its name, a study of so many patients, and whether it ranks scores."""

    name: str
    made: Callable[[int, int, float], Design]
    is_area: bool = False


def share(patients: int, cases: int, truth: float) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        return clustered_proportion(*outcomes(rng, patients, (cases, cases), ALIKE, truth))

    return Design(f"share {patients} {cases} {truth}", truth, draw)


def enumerated(patients: int, truth: float) -> Rates:
    """The same of patients with one case each, exactly."""
    who = np.arange(patients)
    chance = binom.pmf(np.arange(patients + 1), patients, truth)
    above = below = without = 0.0
    for k, p in enumerate(chance):
        found = clustered_proportion(who < k, who)
        if found.lower is None or found.upper is None:
            without += p
            continue
        above += p * (found.lower > truth)
        below += p * (found.upper < truth)
    return Rates(float(above), float(below), float(without), 0.0)


def area(patients: int, cases: int, truth: float) -> Design:
    scores = Scores("equal", truth, ALIKE, (cases, cases))

    def draw(rng: np.random.Generator) -> Estimate:
        return auc_by_inversion(*scores.draw(rng, patients, 4 * patients))

    return Design(f"area {patients} {cases} {truth}", truth, draw)


def change(patients: int, cases: int, truth: float) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        sides = []
        for n, first in ((patients, 0), (4 * patients, patients)):
            right, patient = outcomes(rng, n, (cases, cases), ALIKE, truth)
            sides.append(proportion_side(right, patient + first))
        return difference(*sides)

    return Design(f"difference {patients} {cases} {truth}", 0.0, draw)


def times(patients: int, cases: int, truth: float) -> Design:
    def draw(rng: np.random.Generator) -> Estimate:
        sides = []
        for n, first in ((patients, 0), (4 * patients, patients)):
            wrong, patient = outcomes(rng, n, (cases, cases), ALIKE, 1 - truth)
            sides.append(proportion_side(wrong, patient + first))
        return ratio(*sides)

    return Design(f"ratio {patients} {cases} {truth}", 1.0, draw)


def predictive(patients: int, cases: int, truth: float) -> Design:
    odds = PREVALENCE * truth / ((1 - PREVALENCE) * (1 - SPECIFICITY))

    def draw(rng: np.random.Generator) -> Estimate:
        hit = outcomes(rng, patients, (cases, cases), ALIKE, truth)
        cleared = outcomes(rng, 4 * patients, (cases, cases), ALIKE, SPECIFICITY)
        found = predictive_values(
            float(hit[0].mean()),
            float(cleared[0].mean()),
            PREVALENCE,
            effective_size(*hit),
            effective_size(*cleared),
        )
        return found[0]

    return Design(f"predictive value {patients} {cases} {truth}", odds / (1 + odds), draw)


PRINTED = (
    Printed("share: sensitivity, specificity, PPV, NPV and others", share),
    Printed("area under the ROC curve", area, is_area=True),
    Printed("difference of two windows' shares", change),
    Printed("ratio of a stratum's misses to the rest's", times),
    Printed(f"PPV at a prevalence of {PREVALENCE:g}", predictive),
)


def rows() -> Iterator[tuple[list[str], int]]:
    """Give each row as its cells, and how many of them are missed."""
    for printed, cases, patients in product(PRINTED, CASES, PATIENTS):
        cells, missed = [printed.name, f"{cases}", f"{patients}"], 0
        for truth in TRUTHS:
            is_exact = printed.made is share and cases == 1
            found = (
                enumerated(patients, truth)
                if is_exact
                else rates(printed.made(patients, cases, truth), RUNS, SEED)
            )
            runs = math.inf if is_exact else RUNS
            holds = is_met(printed, patients, found, runs)
            missed += not holds
            none = f" ({found.without:.3f})" if found.without else ""
            told = f"{found.lower_above:.3f} / {found.upper_below:.3f}{none}"
            cells.append(told if holds else f"**{told}**")
        yield cells, missed


def is_met(printed: Printed, patients: int, found: Rates, runs: float) -> bool:
    """Say whether an interval misses no more often than may be, Monte Carlo errors allowed."""
    most = FALSE_MET_OF_AREA if printed.is_area else FALSE_MET
    covered = 1 - found.lower_above - found.upper_below - found.without
    told = covered / (1 - found.without) if found.without < 1 else 1.0
    errors = [2 * math.sqrt(p * (1 - p) / runs) for p in (most, COVERAGE)]
    is_covered = patients < COVERED_FROM or told >= COVERAGE - errors[1]
    return found.lower_above <= most + errors[0] and is_covered


def main() -> int:
    head = ["interval", "cases a patient", "patients", *(f"truth {t:g}" for t in TRUTHS)]
    lines, missed = [_line(head), _line(["---"] * len(head))], 0
    for cells, wrong in rows():
        lines.append(_line(cells))
        missed += wrong
        print(lines[-1], flush=True)
    text = f"{HEAD.format(runs=RUNS)}\n" + "\n".join(lines) + "\n"
    told = f"Missed, in bold: {missed}." if missed else "None is missed."
    PAGE.write_text(f"{text}\n{told}\n", encoding="utf-8")
    print(told)
    return 1 if missed else 0


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
