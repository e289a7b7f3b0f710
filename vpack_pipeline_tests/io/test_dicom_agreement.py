"""The walker answers as pydicom does, or declines: over real, generated and damaged files."""

from __future__ import annotations

import logging
import resource
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from benchmarks import dicom_corpus, dicom_mutations
from vpack_pipeline.io.dicom import values
from vpack_pipeline.io.dicom.charsets import declared
from vpack_pipeline.io.dicom.structure import CHARSET, Structure
from vpack_pipeline_tests.untraced import untraced

INSTALLED = Path(pydicom.__file__).parent / "data"
SHARED = Path(__file__).parents[3] / "shared" / "data"
LARGEST = 50_000_000
MUTATIONS = 100_000
PARTS = 20
HANGS = 2.0
"""Seconds for one header of under a kilobyte: a hundred times what the slowest takes."""
MEMORY_MB = 200


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def said_of(folder: Path) -> Counter[str]:
    """Compare both engines over a folder; every mismatch is an error."""
    said: Counter[str] = Counter()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.stat().st_size <= LARGEST:
            answer, agrees = dicom_mutations.compare(path.read_bytes())
            assert agrees, path.name
            said[answer] += 1
    return said


def test_over_the_files_that_come_with_pydicom() -> None:
    said = said_of(INSTALLED)
    assert said["PARSED"] > 100
    assert said["DECLINED"] < 25


@pytest.mark.skipif(not SHARED.is_dir(), reason="the openly licensed files are not at hand")
def test_over_openly_licensed_files() -> None:
    said = said_of(SHARED)
    assert said["PARSED"] > 100
    assert said["DECLINED"] < 10


def test_over_a_generated_archive_of_every_kind_few_are_declined(tmp_path: Path) -> None:
    dicom_corpus.write_corpus(tmp_path, 1500, seed=3)
    said = said_of(tmp_path)
    assert said["PARSED"] > 1200
    assert said["DECLINED"] < 0.02 * said.total()


@pytest.fixture
def _uncounted() -> Iterator[None]:
    with untraced():
        yield


@pytest.mark.usefixtures("_uncounted")
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(p, marks=pytest.mark.nightly) for p in range(1, PARTS))]
)
def test_over_damaged_headers_without_a_hang_or_a_leak(part: int) -> None:
    dicom_mutations.sound()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said: Counter[str] = Counter()
    for data in dicom_mutations.mutated(seed=part, count=MUTATIONS // PARTS):
        started = time.process_time()
        answer, agrees = dicom_mutations.compare(data)
        assert agrees, data.hex()
        assert time.process_time() - started < HANGS, data.hex()
        said[answer] += 1
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEMORY_MB
    assert min(said[a] for a in ("PARSED", "DECLINED", "TRUNCATED")) > said.total() / 25


def test_text_is_what_pydicom_makes_of_it() -> None:
    # Value by value: every text at the top level of pydicom's own files, in their character sets.
    compared = 0
    for path in sorted(INSTALLED.rglob("*.dcm")):
        found = dicom_mutations._answer(lambda path=path: walked(path))
        if not isinstance(found, Structure):
            continue
        ds = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        charset = declared(found.elements.get(CHARSET))
        for tag, value in found.elements.items():
            theirs = ds[tag].value if isinstance(value, bytes) and ds[tag].VR in TEXTS else None
            if not theirs:
                continue
            ours = values.text(value, charset)
            assert values.parts(ours or "") == as_parts(theirs), (path.name, hex(tag))
            compared += 1
    assert compared > 1000


TEXTS = {"AE", "AS", "CS", "DA", "LO", "SH", "TM", "UI"}


def as_parts(value: object) -> list[str]:
    many = value if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
    return [p for p in (str(v).strip(" \x00") for v in many) if p]


def walked(path: Path) -> Structure:
    data = path.read_bytes()
    return dicom_mutations.walker.walk(
        lambda at, n: data[at : at + n], len(data), dicom_mutations.WANTED
    )
