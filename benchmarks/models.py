"""What each SQL model costs, beside copying its inputs once: time, memory, and what it spills.

    .venv/bin/python benchmarks/models.py [cases] [rules] [table …]

Inputs are simulated for so many cases (a million), the rules of eligibility too (fifty); a model of
eligibility reads what those before it made. Each runs in a process of its own, as in a build. With
tables, only these run and the models that they read. Exits with 1 when a model does not end within
``models.MEMORY``. The ratio to the baseline of the same run travels between machines; the seconds
do not.
"""

from __future__ import annotations

import graphlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from vpack_pipeline import contracts
from vpack_pipeline.contracts import DUCKDB_TYPES, Column
from vpack_pipeline.core.eligibility import compile_flags
from vpack_pipeline.io import models
from vpack_pipeline.protocol import Covariate, Eligibility, Rule

GENERATED = "eligibility/flags"
FLAGS = dict.fromkeys(
    ("lossy_image_compression", "burned_in_annotation", "breast_implant_present"),
    "case hash(i // 2) % 3 when 0 then 'yes' when 1 then 'no' else 'absent' end",
)
COVARIATES = (
    Covariate(name="weight_kg", title="Weight", type="float"),
    Covariate(name="smoker", title="Smoker", type="bool"),
)
RULES = {
    "case": "weight_kg % {number} < 2 or smoker and case_rank > {number}",
    "study": "exposure_index % {number} < 2",
    "patient": "date_diff('day', DATE '2016-01-01', first_study_date) % {number} < 2",
}
"""Remainders by numbers without a common divisor: nearly every unit has a mask of its own."""
PRIMES = [n for n in range(11, 400) if all(n % d for d in range(2, 20) if d < n)]


def _id(kind: str, number: str) -> str:
    return f"md5('{kind} ' || ({number}))"


class Input(NamedTuple):
    """A simulated table: rows a case, the unit within which a row's plain values are the same, and
    what is not plain, as SQL over the row's number ``i``."""

    rows: float
    unit: str
    columns: Mapping[str, str]


DELIVERED = {"delivery": "'2026-01-05'", "line": "i + 1", "in_force": "true"}
OF_CASE = {**DELIVERED, "finding": "'nodule'", "arm": "'standard'"}
INPUTS = {
    "cohort/instances": Input(
        2.2,
        "i // 2",
        {
            "instance_id": _id("instance", "i"),
            "series_id": _id("series", "case when i % 4 < 2 then i // 2 * 2 else i end"),
            "study_id": _id("study", "i // 2"),
            "patient_id": _id("patient", "i // 2 * 4 // 5"),
            "default_case_id": _id("case", "i // 2"),
            "exposure_index": "case when i % 32 < 30 then hash(i // 2) % 1000003 end",
            **FLAGS,
        },
    ),
    "cohort/files": Input(
        2.3,
        "i",
        {
            "file_id": _id("file", "i"),
            "outcome": "case when i % 25 = 0 then 'DUP_SOP_CONFLICT' else 'PARSED' end",
            "study_id": _id("study", "i // 2"),
        },
    ),
    "cohort/studies": Input(
        1.1,
        "i",
        {
            "study_id": _id("study", "i"),
            "patient_id": _id("patient", "i * 4 // 5"),
            "exposure_index": "case when i % 16 < 15 then hash(i) % 1000003 end",
            **FLAGS,
        },
    ),
    "cohort/cases": Input(
        1,
        "i",
        {
            **OF_CASE,
            "case_id": _id("case", "i"),
            "patient_id": _id("patient", "i * 4 // 5"),
            "covariates": """printf('{"smoker":%s,"weight_kg":%d.5}',"""
            " ['true', 'false', 'null'][i % 3 + 1], cast(hash(i, 7) % 1000003 as bigint))",
        },
    ),
    "cohort/case_studies": Input(
        0.98,
        "i",
        {
            **OF_CASE,
            "case_id": _id("case", "i"),
            "study_id": _id("study", "i"),
            "role": "'index'",
        },
    ),
    "cohort/development": Input(
        0.02,
        "i",
        {
            **DELIVERED,
            "patient_id": f"case when i % 2 = 0 then {_id('patient', 'i * 31')} end",
            "study_id": f"case when i % 2 = 1 then {_id('study', 'i * 37')} end",
        },
    ),
    "cohort/predictions": Input(
        1.1,
        "i",
        {
            **OF_CASE,
            "case_id": _id("case", "i * 10 // 11"),
            "model_id": "'m1'",
            "attempt": "i % 11 + 1",
            "status": "case when i % 40 = 0 then 'failed' else 'ok' end",
        },
    ),
    "cohort/reference": Input(0.4, "i", {**OF_CASE, "case_id": _id("case", "i * 2")}),
    "cohort/reads": Input(
        3,
        "i",
        {
            **OF_CASE,
            "case_id": _id("case", "i // 3"),
            "reader_id": _id("reader", "i % 3 + i % 5"),
            "session": "1",
            "purpose": "'reference'",
            "role": "'independent'",
            "is_diagnostic": "i % 17 <> 0",
        },
    ),
    "adjudication/reference_standard": Input(
        1,
        "i",
        {
            "case_id": _id("case", "i"),
            "finding": "'nodule'",
            "patient_id": _id("patient", "i * 4 // 5"),
        },
    ),
}
"""What the models of eligibility and evaluation read, and what those of the images read."""


def eligibility(rules: int) -> Eligibility:
    """Rules of every level, kind and policy for what is unknown."""
    made = []
    for number in range(rules):
        level = list(RULES)[number % len(RULES)]
        given: dict[str, Any] = {
            "id": f"rule_{number + 1}",
            "title": f"Rule {number + 1}",
            "kind": ("exclude", "exclude", "include")[number // 3 % 3],
            "level": level,
            "when": RULES[level].format(number=PRIMES[number]),
            "if_unknown": ("include", "exclude")[number // 9 % 2],
            "decided_at": date(2024, 1, 1),
            "rationale": "simulated",
        }
        if given["kind"] == "include":
            given["when"] = f"not ({given['when']})"
        made.append(Rule(**given))
    return Eligibility(rules=tuple(made))


def _plain(number: int, column: Column, unit: str) -> str:
    """A value that its type allows; one in eight is missing where the column may be null."""
    turn = f"hash({unit}, {number})"
    value = {
        "string": f"'{column.name} ' || ({turn} % 7)",
        "int": f"1 + {turn} % 7",
        "float": f"(1 + {turn} % 97) / 8",
        "bool": f"{turn} % 3 = 0",
        "date": f"DATE '2016-01-01' + cast({turn} % 3650 as integer)",
        "timestamp": f"TIMESTAMPTZ '2026-01-05 08:00:00Z' + to_minutes(cast({turn} % 999 as int))",
    }[column.type]
    return f"case when {turn} % 8 > 0 then {value} end" if column.null else value


def simulated(folder: Path, asset: str, cases: int) -> int:
    """Write a table of ``INPUTS``; returns its rows."""
    share, unit, given = INPUTS[asset]
    columns = contracts.load()[asset].columns
    values = [given.get(c.name) or _plain(n, c, unit) for n, c in enumerate(columns)]
    row = ", ".join(
        f'cast({value} as {DUCKDB_TYPES[c.type]}) as "{c.name}"'
        for c, value in zip(columns, values, strict=True)
    )
    rows = int(cases * share)
    connection = duckdb.connect()
    connection.execute("SET threads=1; SET memory_limit='2GB'; SET TimeZone='UTC'")
    path = _path(folder, asset)
    connection.execute(f"copy (select {row} from range({rows}) as r(i)) to '{path}'")
    return rows


def _path(folder: Path, asset: str) -> Path:
    return folder / f"{asset.replace('/', '.')}.parquet"


def sql_of(asset: str, rules: Eligibility) -> str:
    if asset == GENERATED:
        return compile_flags(rules, COVARIATES, contracts.eligibility_views())
    return models.load()[asset].sql


def inputs_of(asset: str, rules: Eligibility) -> list[str]:
    return sorted(models.references(sql_of(asset, rules), asset))


def order(rules: Eligibility, wanted: list[str]) -> list[str]:
    """Every model that is wanted, after the models that it reads; those of the images last."""
    read: dict[str, list[str]] = {}
    asked = wanted or [*models.load(), GENERATED]
    while asked:
        asset = asked.pop()
        read[asset] = [a for a in inputs_of(asset, rules) if a not in INPUTS]
        asked += [a for a in read[asset] if a not in read]
    return sorted(
        graphlib.TopologicalSorter(read).static_order(), key=lambda a: a.startswith("cohort/")
    )


def copied(folder: Path, asset: str, _: int) -> int:
    """The baseline: one table, read and written as it is."""
    connection = duckdb.connect()
    connection.execute(f"SET threads=1; SET memory_limit='{models.MEMORY}'")
    source, copy = _path(folder, asset), folder / "copy.parquet"
    connection.execute(f"copy (from '{source}') to '{copy}' (format parquet, compression zstd)")
    copy.unlink()
    return 0


def made(folder: Path, asset: str, n_rules: int) -> int | None:
    """Run a model as an asset does; returns its rows, None where its memory was not enough."""
    rules = eligibility(n_rules)
    contract = contracts.load()[asset]
    values = {
        "primary_model": "m1",
        "models": ["m1"],
        "attempt": "first_ok",
        "rules": rules.rules_json,
    }
    sql = sql_of(asset, rules)
    inputs = {name: [_path(folder, name)] for name in inputs_of(asset, rules)}
    given = {name: values[name] for name in contract.parameters}
    path = folder / "made.parquet"
    try:
        rows = models.run(sql, contract, inputs, given, path)
    except duckdb.OutOfMemoryException:
        return None
    if asset not in INPUTS:
        path.rename(_path(folder, asset))
    return rows


@contextmanager
def spilled(folder: Path) -> Iterator[list[int]]:
    """Watch how many bytes a model keeps beside its destination, twenty times a second."""
    most, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            try:
                sizes = [f.stat().st_size for f in folder.glob("*.spill/*")]
            except FileNotFoundError:
                continue
            most[0] = max(most[0], sum(sizes))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


STEPS = {"simulated": simulated, "copied": copied, "made": made}


class Cost(NamedTuple):
    """Seconds, processor seconds, bytes at the peak and on disk; rows, None where it failed."""

    seconds: float
    processor: float
    peak: int
    spill: int
    rows: int | None


def step(folder: Path, what: str, asset: str, number: int) -> None:
    """Run one step and print its cost."""
    with spilled(folder) as most:
        at, spent = time.perf_counter(), time.process_time()
        rows = STEPS[what](folder, asset, number)
        took = (time.perf_counter() - at, time.process_time() - spent)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(Cost(*took, peak, most[0], rows)))


def measured(folder: Path, what: str, asset: str, number: int) -> Cost:
    """Run a step in a process of its own.

    The system counts the memory of the process that started it, so that one holds no table.
    """
    command = [sys.executable, __file__, "step", str(folder), what, asset, str(number)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return Cost(*json.loads(done.stdout))


def main(cases: int, rules: int, wanted: list[str]) -> int:
    print(f"{cases} cases, {rules} rules, limit {models.MEMORY}; × copying what a model reads")
    given, failed = eligibility(rules), []
    copies: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for asset in order(given, wanted):
            inputs = inputs_of(asset, given)
            for i in set(inputs) & set(INPUTS) - set(copies):
                measured(folder, "simulated", i, cases)
            if any(not _path(folder, i).exists() for i in inputs):
                print(f"{asset:<22} not run: an input was not made")
                continue
            copies |= {i: measured(folder, "copied", i, 0) for i in set(inputs) - set(copies)}
            cost = measured(folder, "made", asset, rules)
            failed += [asset] if cost.rows is None else []
            _tell(asset, cost, [copies[i] for i in inputs])
    return 1 if failed else 0


def _tell(asset: str, cost: Cost, copies: list[Cost]) -> None:
    base, spent = sum(c.seconds for c in copies), sum(c.processor for c in copies)
    ended = "out of memory" if cost.rows is None else f"{cost.rows:>8} rows"
    print(
        f"{asset:<22} {ended}  {cost.seconds:6.1f} s ({cost.seconds / base:5.1f} ×)"
        f"  processor {cost.processor:6.1f} s ({cost.processor / spent:5.1f} ×)"
        f"  peak {cost.peak / 1e9:5.2f} GB  spill {cost.spill / 1e9:5.2f} GB",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["step"]:
        step(Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
        cases_asked, rules_asked = [*numbers, *(1_000_000, 50)[len(numbers) :]]
        sys.exit(main(cases_asked, rules_asked, [a for a in sys.argv[1:] if not a.isdigit()]))
