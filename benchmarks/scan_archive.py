"""What a scan costs: against a bare walk, against a full scan, on two cores, and in memory.

    .venv/bin/python benchmarks/scan_archive.py FOLDER --files 20000
    .venv/bin/python benchmarks/scan_archive.py FOLDER --files 1000000 --simulated

FOLDER holds the corpus (``dicom_corpus.py``, made where it is missing) and what the scans leave.
Each figure is a ratio of two times of the same run, which travels between machines; the seconds
do not. Where others use the machine, read the ratio of CPU times beside it; that of two cores to
one needs two that are free. ``--simulated`` makes that many empty files and gives each a header
without opening it: it measures what the scan itself takes, and its peak memory. Every scan is a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
CUTS: Final = ("2026-01-05", "2026-01-06")


class Simulated:
    """A reader that gives every file a header of its own without opening it."""

    def __init__(self, pseudonyms: Any) -> None:
        from vpack_pipeline.io.dicom.state import HEADERS

        self._names = list(HEADERS)
        self._given = {"outcome": "PARSED", "engine": "walker", "modality": "CT", "kvp": 120.0}

    def row(self, file_id: str, source: int, path: bytes, size: int) -> tuple[Any, ...]:
        given = self._given | {
            "file_id": file_id,
            "version": f"{file_id}:{size}",
            "source": source,
            "bytes": size,
            "header_digest": file_id,
            "instance_id": file_id[::-1],
            "study_id": file_id[:4] * 8,
            "series_id": file_id[:5] + file_id[5:] + "0",
            "patient_id": file_id[:3] * 10,
        }
        return tuple(given.get(name) for name in self._names)


def edge_of(root: Path, archive: Path, cut: str, engine: str, prefetch: int = 0) -> Any:
    from vpack_pipeline.io.edge import Edge, Scanning
    from vpack_pipeline.io.identity import Pseudonyms
    from vpack_pipeline.protocol import Protocol
    from vpack_pipeline.site import FolderSource, InputForm, Site

    site = Site(
        site_id="bench",
        title="Bench",
        protocol="bench@1",
        sources=(FolderSource(path=str(archive)),),
        deliveries="deliveries",
        inputs={k: InputForm(file=f"{k}.csv") for k in ("reads", "readers", "predictions")},
    )
    ids = Pseudonyms(b"b" * 32, {}, None)
    state = root / "state"
    scanning = Scanning(engine, prefetch)
    return Edge(root, site, Protocol.model_construct(), ids, state, cut, scanning)


def child(task: dict[str, Any]) -> None:
    """Run one scan and print what it took."""
    from vpack_pipeline.io.dicom import scanner
    from vpack_pipeline.io.dicom.reading import FileReader

    edge = edge_of(
        Path(task["root"]), Path(task["archive"]), task["cut"], task["engine"], task["prefetch"]
    )
    walked, walked_cpu = [], []
    for _ in range(3):
        cpu = time.process_time()
        walked.append(bare_walk(Path(task["archive"])))
        walked_cpu.append(time.process_time() - cpu)
    reader = Simulated if task["simulated"] else FileReader
    took = took_cpu = float("inf")
    rows = read = 0
    for _ in range(task["repeat"]):
        started, cpu = time.perf_counter(), time.process_time()
        found = scanner.scan(edge, reader=reader)
        took = min(took, time.perf_counter() - started)
        took_cpu = min(took_cpu, time.process_time() - cpu)
        rows, read = found.files.height, found.read
        del found  # or two scans' tables would be in memory at once
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    told = {"seconds": took, "walk": min(walked), "read": read, "files": rows, "mb": peak}
    told |= {"cpu": took_cpu, "walk_cpu": min(walked_cpu)}
    print(json.dumps(told))


def bare_walk(root: Path) -> float:
    """Walk and stat, and nothing else."""
    started = time.perf_counter()
    folders = [os.fspath(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    os.lstat(entry.path)
    return time.perf_counter() - started


def scan(root: Path, archive: Path, **how: Any) -> dict[str, Any]:
    task = {"root": str(root), "archive": str(archive), "cut": CUTS[0], "engine": "process"}
    task |= {"simulated": False, "prefetch": 0, "repeat": 1} | how
    done = subprocess.run(
        [sys.executable, __file__, "--child", json.dumps(task)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def fresh(root: Path) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    return root


def tell(what: str, ratio: float, reach: str, more: str) -> None:
    print(f"{what:<44} {ratio:8.3f}   reach {reach:<8} {more}")


def measure_corpus(folder: Path, n_files: int) -> None:
    sys.path.insert(0, str(HERE.parent))
    from benchmarks.dicom_corpus import write_corpus

    archive = folder / "corpus"
    if not archive.is_dir() or not any(archive.iterdir()):
        write_corpus(archive, n_files)
    shutil.rmtree(archive / "new", ignore_errors=True)
    base = folder / "one"
    full = scan(fresh(base), archive)
    second = scan(base, archive, repeat=3)
    per_file = f"full: {full['files'] / full['seconds']:,.0f} files/s of {full['files']:,}"
    tell("second scan / walk + stat", second["seconds"] / second["walk"], "<= 1.5",
         f"CPU {second['cpu'] / second['walk_cpu']:.2f}, {per_file}")  # fmt: skip
    write_corpus(archive / "new", n_files // 100, seed=7)
    shutil.rmtree(archive / "new" / "pydicom")
    after = scan(base, archive)
    tell("1% new / full", after["seconds"] / full["seconds"], "<= 0.06",
         f"CPU {after['cpu'] / full['cpu']:.3f}, {after['read']} read")  # fmt: skip
    night = scan(base, archive, cut=CUTS[1])
    tell("next cut, 1/90 read again / full", night["seconds"] / full["seconds"], "",
         f"CPU {night['cpu'] / full['cpu']:.3f}, {night['read']} read")  # fmt: skip
    one = scan(fresh(base), archive)
    two = scan(fresh(base), archive, engine="pool:2")
    tell("one core / two cores", one["seconds"] / two["seconds"], ">= 1.6",
         f"{one['seconds']:.2f} s, {two['seconds']:.2f} s")  # fmt: skip
    for threads in (0, 8, 16):
        forget_cache(archive)
        cold = scan(fresh(base), archive, prefetch=threads)
        rate = cold["files"] / cold["seconds"]
        print(f"cold cache, {threads:>2} threads of prefetch: {rate:,.0f} files/s")
    size = sum(p.stat().st_size for p in base.rglob("*") if p.is_file())
    print(f"state: {size / one['files']:.0f} bytes a file")


def forget_cache(archive: Path) -> None:
    """Ask the system to drop the archive's pages: what is clean needs no privilege."""
    for path in archive.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def measure_simulated(folder: Path, n_files: int) -> None:
    archive = folder / f"empty-{n_files}"
    for number in range(n_files):
        if number % 1000 == 0:
            (archive / f"{number // 100_000:04d}" / f"{number // 1000:06d}").mkdir(
                parents=True, exist_ok=True
            )
        path = archive / f"{number // 100_000:04d}" / f"{number // 1000:06d}" / f"{number:09d}.dcm"
        if number % 1000 == 0 and path.exists():
            continue
        os.close(os.open(path, os.O_CREAT, 0o644))
    print("the files must be two minutes old, or they are read again at every scan")
    time.sleep(max(0.0, archive.stat().st_mtime + 150 - time.time()))
    for engine in ("process", "pool:2"):
        root = fresh(folder / "simulated")
        first = scan(root, archive, simulated=True, engine=engine)
        tell(f"{n_files:,} files, {engine}: GB at its peak", first["mb"] / 1024, "< 1",
             f"{first['files'] / first['seconds']:,.0f} files/s")  # fmt: skip
    second = scan(root, archive, simulated=True, repeat=3)
    tell("second scan / walk + stat", second["seconds"] / second["walk"], "<= 1.5",
         f"CPU {second['cpu'] / second['walk_cpu']:.2f}, {second['mb']:.0f} MB")  # fmt: skip
    night = scan(root, archive, simulated=True, cut=CUTS[1])
    tell("next cut / walk + stat", night["seconds"] / night["walk"], "",
         f"{night['mb']:.0f} MB, {night['read']} read")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(json.loads(given.child))
    elif given.folder is None:
        parser.error("name a folder")
    elif given.simulated:
        measure_simulated(given.folder.resolve(), given.files)
    else:
        measure_corpus(given.folder.resolve(), given.files)


if __name__ == "__main__":
    main()
