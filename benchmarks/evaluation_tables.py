"""What each table of section evaluation costs at many cases: seconds and peak memory, a line each.

    .venv/bin/python -m examples.demo_sites && .venv/bin/vpack build lakeside
    .venv/bin/python benchmarks/evaluation_tables.py [cases] [table …]

The tables that the last build of lakeside read are copied under other identifiers of patients,
studies and cases until so many included cases (a hundred thousand) are there. Each table is made in
a process of its own, which tells its peak memory; reading and copying its inputs is not in its
seconds, and is in its memory. As in a build, linear algebra has one thread. Beside them stands what
scikit-learn takes for the interval of one area under the curve, from 1,000 resamples of patients:
the ratio to it travels between machines, the seconds do not.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import by_function
from vpack_pipeline.assets.materialize import outside_of
from vpack_pipeline.contracts import Contract
from vpack_pipeline.io.project import ProjectFolder

ROOT = Path(__file__).resolve().parents[1]
SITE, SECTION = "lakeside", "evaluation"
COPIED = ("case_id", "study_id", "patient_id", "unit_id", "default_case_id", "same_as")
RESAMPLES, TIMED = 1000, 5
"""Resamples of patients of the loop over scikit-learn, and how many of them are run and timed."""
AREA = "area by scikit-learn"


def tables() -> list[str]:
    """List the section's tables that a function makes, in the order in which they are made."""
    known = contracts.load()
    order = contracts.order(benches.dependencies())
    return [a for a in order if a.startswith(f"{SECTION}/") and known[a].computed_by == "core"]


def opened() -> benches.Bench:
    """Open the last build of the site."""
    project = ProjectFolder(ROOT)
    return benches.open_bench(project, SITE, benches.newest_cut(project, SITE))


def copied(frame: pl.DataFrame, copies: int) -> pl.DataFrame:
    """Repeat a table under other identifiers; one that has none stays as it is."""
    names = [name for name in COPIED if name in frame.columns]
    if not names:
        return frame
    numbers = [pl.lit(f"-{number}") for number in range(copies)]
    return pl.concat([frame.with_columns(pl.col(names) + number) for number in numbers])


def arguments_of(bench: benches.Bench, contract: Contract, cases: int) -> dict[str, Any]:
    """Give what the table's function is called with, its inputs copied to so many cases."""
    included = by_function.read(bench, benches.upstream(bench, "eligibility/included")).lazy()
    here = included.select(pl.col("case_id").n_unique()).collect().item()
    copies = max(1, round(cases / here))
    found: dict[str, Any] = {}
    for argument, asset in contract.inputs.items():
        frame = by_function.read(bench, benches.upstream(bench, asset)).lazy().collect()
        key = list(contracts.load()[asset].key)
        found[argument] = copied(frame, copies).sort(key)
    found |= outside_of(bench, contract) | by_function.blocks(bench.study, contract)
    return found | ({"cut": bench.edge.cut_date} if contract.uses_cut else {})


def measure(asset: str, cases: int) -> None:
    """Make one table, and print its seconds, processor seconds, peak memory and rows."""
    bench, contract = opened(), contracts.load()[asset]
    arguments = arguments_of(bench, contract, cases)
    at, spent = time.perf_counter(), time.process_time()
    with threadpool_limits(limits=1, user_api="blas"):
        made = contracts.conform(by_function.function_of(contract)(**arguments), contract)
    seconds, processor = time.perf_counter() - at, time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps([seconds, processor, peak, made.height]))


def measure_area(cases: int) -> None:
    """Time the loop over scikit-learn on so many cases of one finding, one in ten positive."""
    from sklearn.metrics import roc_auc_score

    from vpack_pipeline.stats.auc_interval import auc_by_inversion

    rng = np.random.default_rng(7)
    positive = rng.random(cases) < 0.1
    score = rng.normal(positive * 1.5)
    patient = np.arange(cases) // 2
    at = time.perf_counter()
    with threadpool_limits(limits=1, user_api="blas"):
        auc_by_inversion(score, positive, patient, 0.95)
    ours = time.perf_counter() - at
    starts = np.searchsorted(patient, np.arange(patient[-1] + 2))
    at = time.perf_counter()
    for _ in range(TIMED):
        drawn = rng.integers(0, patient[-1] + 1, patient[-1] + 1)
        members = np.concatenate([np.arange(starts[p], starts[p + 1]) for p in drawn])
        roc_auc_score(positive[members], score[members])
    theirs = (time.perf_counter() - at) / TIMED * RESAMPLES
    print(json.dumps([ours, theirs]))


def run(name: str, cases: int) -> list[Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, str(cases), f"--measure={name}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return list(json.loads(done.stdout.splitlines()[-1]))


def main(cases: int, names: list[str]) -> None:
    ours, theirs = run(AREA, cases)
    ratio = f"{theirs / ours:,.0f} times as long as by inversion, {ours:.3f} s"
    print(f"{cases} cases. An area's interval by scikit-learn: {theirs:.1f} s, {ratio}.")
    total, peak = np.zeros(2), 0.0
    for asset in names or tables():
        seconds, processor, memory, rows = run(asset, cases)
        total, peak = total + np.array([seconds, processor]), max(peak, memory)
        line = f"{asset:<34} {seconds:7.2f} s  processor {processor:7.2f} s"
        print(f"{line}  peak {memory:5.2f} GB  {rows:6} rows", flush=True)
    print(f"{'together':<34} {total[0]:7.2f} s  processor {total[1]:7.2f} s  peak {peak:5.2f} GB")


if __name__ == "__main__":
    given = sys.argv[1:]
    size = int(given[0]) if given else 100_000
    asked = [name.removeprefix("--measure=") for name in given[1:]]
    if not any(name.startswith("--measure=") for name in given):
        main(size, asked)
    elif asked == [AREA]:
        measure_area(size)
    else:
        measure(asked[0], size)
