"""What a night of the input tables costs, and whether that grows with the deliveries before it.

    .venv/bin/python benchmarks/nightly_deliveries.py
    .venv/bin/python benchmarks/nightly_deliveries.py --nights 1 10 60 100 --modes full

A site like lakeside delivers once a day; cases come as a full file each time, as there. Of each
night that is asked for, the nights just before it are brought to their cuts first, in one process.
Studies are simulated; images are neither scanned nor read. The ratio to the tenth night travels
between machines; the seconds do not.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import by_function
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.bench import Bench
from vpack_pipeline.gate import check, engine
from vpack_pipeline.io.edge import QUARANTINE_SCHEMA, Loaded
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.project import ProjectFolder

REPOSITORY = Path(__file__).resolve().parents[1]
SITE = "lakeside"
FIRST_DAY = date(2026, 1, 1)
BASE_CASES, NEW_CASES = 3000, 4
READERS = ("R-ALDER", "R-BIRCH", "R-CEDAR")
IMAGES = ("cohort/files", "cohort/studies")
TABLES = (
    "deliveries",
    "patient_map",
    "cases",
    "case_studies",
    "readers",
    "reads",
    "reference",
    "predictions",
    "development",
    "operations",
    "population",
    "quarantine",
)
"""The input tables, each after those that it is made from."""
MEASURED = 3
"""So many nights that end with the one asked for: medians of them are printed, a mean of bytes."""
RATIO = 1.3
"""So much of the tenth night's processor time may the hundredth take."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one table in one night, or of all of them; ``written``: bytes handed to files."""

    seconds: float
    processor: float
    written: int


class Export:
    """What the site's systems export: rows of some cases, in the form that lakeside declares."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, night: int, modes: str) -> None:
        """Deliver one night: the first brings the base, each later one what is new."""
        self.folder.mkdir(parents=True)
        known = BASE_CASES + NEW_CASES * (night - 1)
        every = range(known)
        new = range(known - NEW_CASES, known) if night > 1 else every
        full = every if modes != "append" else new
        added = every if modes == "full" else new
        self._csv("cases.csv", CASES, (case_row(n) for n in full))
        self._csv("reads.csv", READS, (read_row(n, r) for n in added for r in READERS))
        self._csv("befunde.csv", LABELS, (label_row(n) for n in added if n % 3 == 0), ";")
        self._csv("ris_laufzeiten.csv", RUNS, (run_row(n) for n in added), ";")
        pl.DataFrame(
            [score_row(n) for n in added], schema=list(SCORES), orient="row"
        ).write_parquet(self.folder / "predictions.parquet")
        self._csv("readers.csv", ROSTER, (reader_row(r) for r in READERS))
        if night == 1:
            self._csv("development.csv", ("MRN",), ((f"{60000 + n}",) for n in range(150)))
            merged = ((f"t{n:07}", f"{10000 + n}") for n in range(15))
            self._csv("merged_patients.csv", ("Temporary MRN", "MRN"), merged)
        (self.folder / "DONE").touch()

    def _csv(
        self,
        name: str,
        header: Sequence[str],
        rows: Iterator[Sequence[str]],
        separator: str = ",",
    ) -> None:
        encoding = "cp1252" if separator == ";" else "utf-8"
        with (self.folder / name).open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=separator)
            writer.writerow(header)
            writer.writerows(rows)


CASES = ("Case No", "MRN", "MRN Issuer", "Exam Date", "Accession", "Setting", "Bedside", "Ward")
READS = (
    *("Reader", "Case No", "Session", "Use", "Role", "Nodule or mass", "Diagnostic"),
    *("Saw Score", "Saw Peers", "Read At", "Seconds", "Comment"),
)
LABELS = ("Fallnummer", "Quelle", "Ergebnis", "Erhoben durch", "KI bekannt", "Befundzeit")
RUNS = ("Auftragsnummer", "Laufzeit (s)", "Fehler", "Reihenfolge geändert")
ROSTER = (
    *("Reader", "Qualification", "Specialty", "Years", "Training", "Interests"),
    "Took Part In Development",
)
SCORES = ("case_id", "finding", "model_id", "attempt", "status", "score")


def exam_day(n: int) -> date:
    """Cases of the base lie within the year before the first delivery, later ones on its day."""
    if n < BASE_CASES:
        return FIRST_DAY - timedelta(days=1 + n % 365)
    return FIRST_DAY + timedelta(days=(n - BASE_CASES) // NEW_CASES)


def case_row(n: int) -> tuple[str, ...]:
    setting, bedside = "EIO"[n % 3], "YN"[n % 2]
    return (
        f"L-{n:06}",
        f"{10000 + n // 2}",
        "",
        f"{exam_day(n)}",
        f"LX{n:08}",
        setting,
        bedside,
        "",
    )


def read_row(n: int, reader: str) -> tuple[str, ...]:
    rating = ("absent", "present", "absent", "equivocal")[(n + len(reader)) % 4]
    at = f"{exam_day(n)} 12:{n % 60:02}:00"
    return (reader, f"L-{n:06}", "1", "REF", "IND", rating, "Y", "N", "N", at, "85", "n/a")


def label_row(n: int) -> tuple[str, ...]:
    at = f"{exam_day(n):%d.%m.%Y} 18:00"
    return (f"L-{n:06}", "Verlauf", ("gutartig", "bösartig")[n % 2], "Tumorboard", "nein", at)


def run_row(n: int) -> tuple[str, ...]:
    return (f"LX{n:08}", f"{1000 + n % 997},5", "nein", "nein")


def score_row(n: int) -> tuple[Any, ...]:
    return (f"L-{n:06}", "nodule_or_mass", "nodule-2", 1, "ok", n % 997 / 997)


def reader_row(reader: str) -> tuple[str, ...]:
    years = f"{len(reader)}"
    return (reader, "board certified radiologist", "chest", years, "two hours", "none", "N")


def make_root(root: Path, modes: str) -> None:
    """Copy lakeside's documents; without ``mixed``, every input has one mode."""
    data = root / "data"
    (data / "dicom").mkdir(parents=True)
    shutil.copytree(REPOSITORY / "data" / "protocols", data / "protocols")
    given = yaml.safe_load((REPOSITORY / "data" / "sites" / SITE / "site.yaml").read_text("utf-8"))
    given["sources"] = [{"kind": "folder", "path": "data/dicom"}]
    given["deliveries"] = "data/deliveries"
    for form in given["inputs"].values() if modes != "mixed" else ():
        form["mode"] = modes
    given |= {"secret": "data/secret", "published_secret": False}
    (data / "secret").write_bytes(b"simulated" * 4)
    (data / "secret").chmod(0o600)
    folder = data / "sites" / SITE
    folder.mkdir(parents=True)
    (folder / "site.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")


def studies(ids: Pseudonyms, known: int) -> pl.DataFrame:
    """Simulate the archive: one study a case."""
    schema: Any = contracts.load()["cohort/studies"].polars_schema
    rows = [
        {
            "study_id": ids.study(f"1.2.{n}"),
            "patient_id": ids.patient(f"{10000 + n // 2}"),
            "accession_id": ids.accession(f"LX{n:08}"),
            "default_case_id": ids.case(f"1.2.{n}"),
            "study_date": exam_day(n),
            **dict.fromkeys(("n_series", "n_instances"), 1),
            "n_conflicts": 0,
        }
        for n in range(known)
    ]
    made = pl.DataFrame(rows).lazy()
    absent = (pl.lit(None, kind).alias(n) for n, kind in schema.items() if n not in rows[0])
    return made.with_columns(*absent).select(*schema).cast(schema).collect()


def sign_images(bench: Bench, night: int) -> None:
    """Sign for the tables of images as if they had been scanned and checked."""
    ids = bench.edge.pseudonyms
    no_files = pl.LazyFrame(schema=contracts.load()["cohort/files"].polars_schema)
    frames: dict[str, Loaded | pl.LazyFrame] = {
        "cohort/files": Loaded(no_files, pl.DataFrame(schema=QUARANTINE_SCHEMA)),
        "cohort/studies": studies(ids, BASE_CASES + NEW_CASES * (night - 1)).lazy(),
    }
    real = check.run
    check.run = lambda *_, **__: []
    try:
        for asset in IMAGES:
            contract = contracts.load()[asset]
            files = by_function.write(bench, contract, frames[asset])
            steps.sign(bench, contract, files, {}, f"simulated {night}")
    finally:
        check.run = real


def written() -> int:
    """Bytes that this process has handed to files so far (Linux)."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def bring(folder: ProjectFolder, night: int) -> dict[str, Cost]:
    """Bring every input table to the cut of a night."""
    cut = f"{day_of(night)}"
    bench = benches.open_bench(folder, SITE, cut)
    sign_images(bench, night)
    found = {}
    for table in TABLES:
        at, spent, before = time.perf_counter(), time.process_time(), written()
        made = steps.materialize(bench, f"cohort/{table}")
        found[table] = Cost(
            time.perf_counter() - at, time.process_time() - spent, written() - before
        )
        if not made.receipt.passed:
            failed = [c["id"] for c in made.receipt.checks if c["closes"]]
            sys.exit(f"night {night}: {table} did not pass: {', '.join(failed)}")
    return found


def age(root: Path, night: int) -> None:
    """Leave receipts of every night up to one, as if each had been built: copies of the last."""
    for table in TABLES:
        folder = root / "data" / "warehouse" / "cohort" / table / f"site={SITE}" / "receipts"
        last = max(folder.iterdir())
        for past in range(1, night + 1):
            path = folder / f"{day_of(past)}.json"
            if not path.exists():
                shutil.copyfile(last, path)


def day_of(night: int) -> date:
    return FIRST_DAY + timedelta(days=night - 1)


def main(nights: Sequence[int], modes: str) -> None:
    # What starts once a process is no cost of a night.
    engine.context()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_root(root, modes)
        folder = ProjectFolder(root)
        found: dict[int, Cost] = {}
        tables: dict[int, dict[str, float]] = {}
        delivered = 0
        for asked in nights:
            first = max(1, asked - MEASURED + 1)
            costs: list[dict[str, Cost]] = []
            for night in range(delivered + 1, asked + 1):
                Export(root / "data" / "deliveries" / f"{day_of(night)}").write(night, modes)
                if night == first - 1:
                    bring(folder, night)
                    age(root, night)
                elif night >= first:
                    costs.append(bring(folder, night))
            delivered = asked
            tables[asked] = {t: statistics.median(c[t].processor for c in costs) for t in TABLES}
            found[asked] = Cost(
                statistics.median(sum(x.seconds for x in c.values()) for c in costs),
                sum(tables[asked].values()),
                round(statistics.mean(sum(x.written for x in c.values()) for c in costs)),
            )
        show(found, tables)


def show(found: dict[int, Cost], tables: dict[int, dict[str, float]]) -> None:
    print(f"{'processor seconds of night':<28}" + "".join(f"{n:>9}" for n in found))
    for table in TABLES:
        print(f"{table:<28}" + "".join(f"{t[table]:9.2f}" for t in tables.values()))
    lines = {
        "all, processor seconds": [f"{c.processor:9.2f}" for c in found.values()],
        "all, seconds": [f"{c.seconds:9.2f}" for c in found.values()],
        "written, MB": [f"{c.written / 1e6:9.2f}" for c in found.values()],
    }
    if 10 in found:
        base = found[10].processor
        lines["ratio to the tenth night"] = [f"{c.processor / base:9.2f}" for c in found.values()]
    for label, cells in lines.items():
        print(f"{label:<28}" + "".join(cells))
    if {10, 100} <= set(found):
        ratio = found[100].processor / found[10].processor
        print(f"the hundredth night takes {ratio:.2f} of the tenth; at most {RATIO} is aimed at")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--nights", type=int, nargs="+", default=[1, 10, 60, 100])
    arguments.add_argument("--modes", choices=["mixed", "full", "append"], default="mixed")
    given = arguments.parse_args()
    main(sorted(given.nights), given.modes)
