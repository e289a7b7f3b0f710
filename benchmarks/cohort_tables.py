"""What the image tables cost, from simulated header rows, beside reading and writing them once.

    .venv/bin/python benchmarks/cohort_tables.py 1000000

Each step runs in a process of its own, which tells its peak memory. ``night`` adds 1% of new
studies, dated in the last weeks, and counts the files that differ from the day before. The ratio to
the baseline of the same run travels between machines; the seconds do not.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.io import cohort, models
from vpack_pipeline.io.dicom import state
from vpack_pipeline.io.dicom.outcomes import PARSED
from vpack_pipeline.io.dicom.state import HEADERS
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.warehouse import TableFile, Warehouse, digest_table
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import FolderSource, InputForm, Site

SITE = "simulated"
TABLES = ("files", "instances", "series", "studies")
PART_ROWS, GROUP_ROWS = 1_000_000, 20_000
"""Rows of a part as it is simulated, and of a row group, which is a shard of a scan."""
SERIES_SIZES = (1, 2, 2, 1, 60, 1, 2, 2, 250, 1)
"""Instances of one series after the other: mostly radiographs, and some slices."""
FIRST_DAY, DAYS, LAST_WEEKS = date(2016, 1, 1), 3650, 35
NO_MAP = {"patient_id": pl.String, "same_as": pl.String, "in_force": pl.Boolean}


def headers(rows: int, first: int, days: tuple[int, int]) -> pl.DataFrame:
    """Simulate header rows, numbered from ``first``, of studies within a span of days."""
    number = np.arange(first, first + rows)
    sizes = np.array(SERIES_SIZES)
    turn, place = np.divmod(number, sizes.sum())
    series = turn * len(sizes) + np.searchsorted(sizes.cumsum(), place, side="right")
    study = series // 2
    day = days[0] + study * 7919 % (days[1] - days[0])
    given = {
        **{f"{kind}_id": _identifiers(kind, number) for kind in ("file", "instance")},
        "series_id": _identifiers("series", series),
        "study_id": _identifiers("study", study),
        "patient_id": _identifiers("patient", study // 3),
        "device_id": _identifiers("device", study % 40),
        "accession_id": _identifiers("accession", study),
        "default_case_id": _identifiers("case", study),
        "header_digest": _identifiers("header", number),
        "bytes": pl.Series(number * 6151 % 10**7),
        "source": pl.repeat(1, rows, dtype=pl.Int64, eager=True),
        "outcome": pl.repeat(PARSED, rows, eager=True),
        "study_date": pl.Series(np.datetime64(FIRST_DAY) + day).cast(pl.Date),
        "exposure_mas": pl.Series(number % 89 / 8),
        "instance_number": pl.Series(number % 250),
    }
    settings = (n for n in HEADERS if n not in given and n != "version")
    given |= {name: _setting(name, n, series, HEADERS[name]) for n, name in enumerate(settings)}
    version = pl.concat_str("header_digest", pl.lit(":"), pl.col("bytes").cast(pl.String))
    kinds: Any = dict(HEADERS)
    return pl.DataFrame(given).with_columns(version=version).select(*HEADERS).cast(kinds)


def _identifiers(kind: str, number: Any) -> pl.Series:
    """32 hex characters a number, spread as pseudonyms are."""
    seed = int.from_bytes(kind[:6].encode())
    halves = [pl.Series(number).hash(seed + n).to_numpy() for n in (1, 2)]
    text = np.stack(halves, axis=1).tobytes().hex()
    return pl.Series([text[n : n + 32] for n in range(0, len(text), 32)])


def _setting(name: str, number: int, series: Any, kind: Any) -> pl.Series:
    """Few values a column, the same within a series; one in eight series has none."""
    choice = (series * 31 + series // 13 * number) % 8
    if name.endswith("_status"):
        return pl.repeat("ok", len(series), eager=True)
    values: dict[Any, list[Any]] = {
        pl.String: [f"{name} {n}" for n in range(7)],
        pl.Float64: [n / 8 for n in range(1, 8)],
        pl.Int64: list(range(1, 8)),
    }
    settings = pl.Series([*values.get(kind, [None] * 7), None], dtype=kind)
    return settings.gather(choice)


def simulate(folder: Path, rows: int, days: int = DAYS) -> None:
    """Write the header rows of the first day, and those that a night adds to so many days."""
    for n, first in enumerate(range(0, rows, PART_ROWS)):
        part = headers(min(PART_ROWS, rows - first), first, (0, days))
        part.write_parquet(folder / f"day-{n:03}.parquet", row_group_size=GROUP_ROWS)
    night = headers(rows // 100, 2 * rows, (days - LAST_WEEKS, days))
    night.write_parquet(folder / "night.parquet", row_group_size=GROUP_ROWS)


def copied(folder: Path) -> Iterator[str]:
    """The baseline: the same rows, read and written once."""
    rows = pl.scan_parquet(folder / "day-*.parquet")
    rows.sink_parquet(folder / "copy.parquet", compression="zstd", engine="streaming")
    yield "read and write"


def made(folder: Path, pattern: str = "day-*.parquet") -> Iterator[str]:
    """Make the tables as an asset does, and leave their files' names."""
    store = Warehouse(folder / "warehouse")
    rows = pl.scan_parquet(sorted(folder.glob(pattern)))
    state.scan_headers = lambda state: rows
    known = contracts.load()
    files: dict[str, list[TableFile]] = {}
    for name in TABLES:
        contract = known[f"cohort/{name}"]
        if name in {"series", "studies"}:
            files[name] = _modelled(store, contract, files)
        else:
            frame = _files(rows) if name == "files" else _instances(folder, store, files["files"])
            files[name] = store.write_buckets(frame, contract, SITE)
        yield name
    told = {name: [digest_table(found), [f.sha256 for f in found]] for name, found in files.items()}
    (folder / "made.json").write_text(json.dumps(told))


def _files(rows: pl.LazyFrame) -> pl.LazyFrame:
    columns = contracts.load()["cohort/files"].polars_schema
    day = pl.lit(date(2026, 1, 5))
    return rows.rename({"detail": "outcome_part"}).with_columns(first_seen=day).select(*columns)


def _instances(folder: Path, store: Warehouse, files: list[TableFile]) -> pl.LazyFrame:
    site = Site(
        site_id=SITE,
        title="Simulated",
        protocol="demo@1",
        sources=(FolderSource(path="dicom"),),
        deliveries="deliveries",
        value_maps={"manufacturer": {"manufacturer_raw 1": "Maker"}},
        inputs={k: InputForm(file=f"{k}.csv") for k in ("reads", "readers", "predictions")},
    )
    ids = Pseudonyms(b"simulated" * 4, {}, None)
    edge = Edge(folder, site, Protocol.model_construct(), ids, folder, "2026-01-05")
    scanned = store.scan(contracts.load()["cohort/files"], SITE, files)
    return cohort.instances(edge=edge, files=scanned, patient_map=pl.DataFrame(schema=NO_MAP))


def _modelled(
    store: Warehouse, contract: contracts.Contract, files: dict[str, list[TableFile]]
) -> list[TableFile]:
    model = models.load()[contract.asset]
    inputs = {a: store.paths(a, SITE, files[a.partition("/")[2]], "table") for a in model.inputs}
    destination = store.staging(contract.asset, SITE)
    models.run(model.sql, contract, inputs, {}, destination)
    found = store.write_buckets(pl.scan_parquet(destination), contract, SITE)
    destination.unlink()
    return found


def gated(folder: Path) -> Iterator[str]:
    """Run the gate over the tables, for comparison: simulated values may fail it."""
    from vpack_pipeline.gate import check

    store = Warehouse(folder / "warehouse")
    for name, (_, digests) in json.loads((folder / "made.json").read_text()).items():
        contract = contracts.load()[f"cohort/{name}"]
        place = store.folder(contract.asset, SITE)
        paths = [place / f"{digest}.parquet" for digest in digests]
        check.run(contract, paths, pl.scan_parquet(paths).select(pl.len()).collect().item())
        yield f"gate of {name}"


STEPS: dict[str, Callable[[Path], Iterator[str]]] = {
    "copied": copied,
    "made": made,
    "gated": gated,
    "night": lambda folder: made(folder, "*[0-9t].parquet"),
}


def step(folder: Path, name: str) -> None:
    """Run one step and print seconds, processor seconds and peak memory of each of its parts."""
    at, spent = time.perf_counter(), time.process_time()
    for part in STEPS[name](folder):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        figures = (time.perf_counter() - at, time.process_time() - spent, peak)
        print(json.dumps([part, *figures]))
        at, spent = time.perf_counter(), time.process_time()


def measured(folder: Path, name: str) -> list[list[Any]]:
    """Run a step in a process of its own."""
    command = [sys.executable, __file__, str(folder), name]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, __file__, name, f"simulate={rows}"], check=True)
        ((_, base, base_spent, base_peak),) = measured(folder, "copied")
        (folder / "copy.parquet").unlink()
        print(f"{rows} header rows; baseline: reading and writing them once {base:.1f} s,")
        print(f"{base_spent:.1f} s of processor time, {base_peak:.2f} GB")
        parts = measured(folder, "made")
        parts.append(["tables together", *(sum(p[n] for p in parts) for n in (1, 2)), parts[-1][3]])
        parts += measured(folder, "gated")
        for part, seconds, spent, peak in parts:
            ratio = f"{seconds / base:5.1f} × baseline, processor {spent / base_spent:5.1f} ×"
            print(f"{part:<18} {seconds:7.1f} s  {ratio}  peak so far {peak:5.2f} GB")
        before = json.loads((folder / "made.json").read_text())
        measured(folder, "night")
        after = json.loads((folder / "made.json").read_text())
        for table, (_, digests) in after.items():
            new = set(digests) - set(before[table][1])
            print(f"1% new studies: {table:<10} {len(new):4} of {len(digests)} files are new")


if __name__ == "__main__":
    if len(sys.argv) <= 2:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
    elif sys.argv[2].startswith("simulate="):
        simulate(Path(sys.argv[1]), *map(int, sys.argv[2].partition("=")[2].split(",")))
    else:
        step(Path(sys.argv[1]), sys.argv[2])
