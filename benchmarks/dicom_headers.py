"""Headers per second on one core, against pydicom and against reading the bytes alone.

    .venv/bin/python benchmarks/dicom_headers.py FOLDER --files 20000

FOLDER holds the corpus (``dicom_corpus.py``, made where it is missing). Three ways over the same
files in one process, by CPU time: the first 16 KB of each file and nothing else; the scanner's
reader, from the open to the finished header row with its pseudonyms; and ``dcmread`` before the
pixels, of the same elements, with every value converted. The ratios travel between machines.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pydicom

from benchmarks import dicom_corpus
from vpack_pipeline.io.dicom import fields
from vpack_pipeline.io.dicom.reading import FileReader
from vpack_pipeline.io.identity import Pseudonyms

BY_PYDICOM = 2000
"""Of so many files pydicom's time is taken, evenly spread."""


def seconds(read: Callable[[bytes], object], paths: list[bytes]) -> float:
    """CPU seconds for each file."""
    started = time.process_time()
    for path in paths:
        read(path)
    return (time.process_time() - started) / len(paths)


def bytes_alone(path: bytes) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.pread(handle, 16 * 1024, 0)
    os.close(handle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=20_000)
    given = parser.parse_args()
    if not given.folder.is_dir() or not any(given.folder.iterdir()):
        dicom_corpus.write_corpus(given.folder, given.files)
    paths = sorted(os.fsencode(p) for p in given.folder.rglob("*") if p.is_file())
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    reader = FileReader(Pseudonyms(b"x" * 32, {}, None))
    engines: Counter[str | None] = Counter()
    wanted = list(fields.wanted())

    def ours(path: bytes) -> None:
        engines[reader.row("f", 1, path, 0)[8]] += 1

    def theirs(path: bytes) -> None:
        with contextlib.suppress(Exception):
            found = pydicom.dcmread(
                os.fsdecode(path), stop_before_pixels=True, specific_tags=wanted
            )
            for element in found:
                _ = element.value

    seconds(bytes_alone, paths)  # a warm cache for all
    alone = seconds(bytes_alone, paths)
    first, again = seconds(ours, paths), seconds(ours, paths)
    pydicoms = seconds(theirs, paths[:: max(1, len(paths) // BY_PYDICOM)])
    fallback = engines["pydicom"] / engines.total()
    print(f"{len(paths)} files, of which {fallback:.2%} needed pydicom")
    print(f"16 KB and nothing else {1 / alone:8.0f}/s")
    print(f"the reader             {1 / first:8.0f}/s, a second time {1 / again:.0f}/s")
    print(f"pydicom                {1 / pydicoms:8.0f}/s")
    print(f"against pydicom {pydicoms / first:.1f}x, a second time {pydicoms / again:.1f}x")
    print(f"against 16 KB {first / alone:.1f}x its time, a second time {again / alone:.1f}x")


if __name__ == "__main__":
    main()
