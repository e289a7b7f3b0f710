"""Both engines over damaged headers: no hang, no crash, no mismatch, no memory.

    .venv/bin/python benchmarks/dicom_mutations.py --count 1000000

Each header is a small sound one with some bytes changed, cut out, put in or cut off. What the
walker answers, pydicom must answer as well: the same elements, or the same reason to refuse.
"""

from __future__ import annotations

import argparse
import io
import logging
import random
import resource
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence

from vpack_pipeline.io.dicom import by_pydicom, fields, walker
from vpack_pipeline.io.dicom.outcomes import HeaderError

WANTED: Final = fields.wanted()
SYNTAXES: Final = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_SPLICES: Final = (
    b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0",
    b"SQ", b"UN", b"OB\0\0", b"\0\0\0\0", b"\xff\xff", b"\xe0\x7f\x10\x00",
)  # fmt: skip


def sound() -> list[bytes]:
    """Write small CT headers: both syntaxes, sequences of both kinds of length."""
    made = []
    for syntax in SYNTAXES:
        for is_undefined in (False, True):
            made.append(_written(_image(is_undefined), syntax))
    return made


def _image(is_undefined: bool) -> Dataset:
    view, other = Dataset(), Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "R-10206", "SRT", "AP"
    other.ReferencedSOPClassUID, other.ReferencedSOPInstanceUID = "1.2.3", "1.2.3.4.5"
    ds = Dataset()
    given: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "SOPInstanceUID": "1.2.3.1",
        "StudyDate": "20251201",
        "AccessionNumber": "A1",
        "Modality": "CT",
        "Manufacturer": "SIEMENS",
        "ReferencedImageSequence": Sequence([other, other]),
        "PatientID": "P1",
        "PatientAge": "042Y",
        "KVP": "120",
        "StudyInstanceUID": "1.2.1",
        "SeriesInstanceUID": "1.2.1.1",
        "Rows": 4,
        "Columns": 6,
        "PixelSpacing": ["0.5", "0.5"],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "PixelRepresentation": 0,
        "ViewCodeSequence": Sequence([view]),
        "PixelData": bytes(48),
    }
    for keyword, value in given.items():
        setattr(ds, keyword, value)
    ds["PixelData"].VR = "OW"
    ds.add_new(0x00090010, "LO", "CREATOR")
    ds.add_new(0x00091001, "LO", "private")
    for keyword in ("ReferencedImageSequence", "ViewCodeSequence"):
        ds[keyword].is_undefined_length = is_undefined
        for item in ds[keyword].value:
            item.is_undefined_length_sequence_item = is_undefined
    return ds


def _written(ds: Dataset, syntax: str) -> bytes:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    stream = io.BytesIO()
    dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def mutated(seed: int, count: int) -> Iterator[bytes]:
    """Damage sound headers, the same ones for the same seed."""
    rng = random.Random(seed)
    headers = sound()
    for _ in range(count):
        data = bytearray(rng.choice(headers))
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            _damage(data, rng)
        yield bytes(data)


def _damage(data: bytearray, rng: random.Random) -> None:
    if len(data) < 140:
        return
    at = rng.randrange(128 if rng.random() < 0.9 else 0, len(data))
    kind = rng.randrange(6)
    if kind == 0:
        data[at] = rng.randrange(256)
    elif kind == 1:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del data[at : at + rng.randrange(1, 9)]
    elif kind == 3:
        data[at:at] = rng.randbytes(rng.randrange(1, 9))
    elif kind == 4:
        del data[at:]
    else:
        spliced = rng.choice(_SPLICES)
        data[at : at + len(spliced)] = spliced


def compare(data: bytes) -> tuple[str, bool]:
    """Read one header with both engines; say what the walker said, and whether they agree."""
    first = _answer(lambda: walker.walk(lambda at, n: data[at : at + n], len(data), WANTED))
    second = _answer(lambda: by_pydicom.read(io.BytesIO(data), len(data), WANTED))
    if isinstance(first, str):
        return first, first in {"DECLINED", "EMPTY", "NOT_DICOM"} or first == second
    return "PARSED", first == second


def _answer(read: Any) -> Any:
    try:
        return read()
    except walker.Declined:
        return "DECLINED"
    except HeaderError as error:
        return error.code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sound()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said: Counter[str] = Counter()
    mismatches, slowest, started = 0, 0.0, time.perf_counter()
    for data in mutated(given.seed, given.count):
        at = time.perf_counter()
        answer, agrees = compare(data)
        slowest = max(slowest, time.perf_counter() - at)
        said[answer] += 1
        mismatches += not agrees
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"{given.count} headers in {time.perf_counter() - started:.0f} s, {mismatches} mismatches"
    )
    print(f"slowest {slowest * 1000:.0f} ms, memory grown by {grown / 1024:.0f} MB")
    print(dict(said.most_common()))


if __name__ == "__main__":
    main()
