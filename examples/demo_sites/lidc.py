"""The site ``lidc``: real ratings and scan fields of LIDC-IDRI, everything else seeded.

Real: ratings, diameters, subtlety, scan fields, missing age and sex. Synthetic: scores, roster,
dates, pixels, UIDs, target population. What does not belong here: how the two real tables came out
of their sources (``derive_lidc``).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import polars as pl

from examples.demo_sites.dicom import CT_IMAGE, IMPLICIT, Value, file_of, uid
from examples.demo_sites.forms import Line, Table, write_delivery
from vpack_pipeline.core.variables import bin_labels
from vpack_pipeline.protocol import Protocol, Variable
from vpack_pipeline.site import Site

SEED: Final = 2011
SIDE: Final = 16
IMAGES_A_SCAN: Final = 3
ROSTER: Final = 12
DELIVERIES: Final = (date(2025, 4, 15), date(2025, 10, 15), date(2026, 2, 15))
TINY_SCANS: Final = 60
_FAILED: Final = 26
_LOCKED: Final = datetime(2025, 4, 1, 9, tzinfo=UTC)
_LAG: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Nodule:
    """A nodule that at least one reader marked."""

    name: str
    scan: int
    day: date
    diameter_mm: float
    subtlety: float
    ratings: tuple[int, ...]
    diameters: tuple[float, ...]
    subtleties: tuple[int, ...]


def generator(concern: str) -> np.random.Generator:
    """Give each concern its own stream."""
    return np.random.default_rng([SEED, zlib.crc32(concern.encode())])


def write(source: Path, folder: Path, site: Site, protocol: Protocol, tiny: bool) -> None:
    """Write archive and deliveries.

    Parameters
    ----------
    source : holds ``ratings.csv`` and ``scans.csv``
    folder : is given ``dicom`` and ``deliveries``
    tiny : the first 60 scans only
    """
    scans = pl.read_csv(source / "scans.csv", infer_schema_length=None)
    if tiny:
        scans = scans.head(TINY_SCANS)
    days = _days(scans, protocol)
    nodules = _nodules(source, scans, days)
    for path, made in files(scans, days):
        target = folder / "dicom" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(made)
    _write_deliveries(folder / "deliveries", site, protocol, scans, nodules)


def _days(scans: pl.DataFrame, protocol: Protocol) -> dict[int, date]:
    """Deal patients to days of the two windows; both scans of a patient fall into one window."""
    rng = generator("days")
    windows = (protocol.evaluation.retrospective, protocol.evaluation.prospective)
    patients = scans["patient"].unique(maintain_order=True).to_list()
    first: dict[str, date] = {}
    for patient in patients:
        window = windows[int(rng.random() < 0.45)]
        span = (window.end - window.start).days - 20
        first[patient] = window.start + timedelta(days=int(rng.integers(0, span)))
    seen: Counter[str] = Counter()
    days: dict[int, date] = {}
    for scan, patient in scans.select("scan", "patient").iter_rows():
        days[scan] = first[patient] + timedelta(days=14 * seen[patient])
        seen[patient] += 1
    return days


def _nodules(source: Path, scans: pl.DataFrame, days: Mapping[int, date]) -> list[Nodule]:
    ratings = pl.read_csv(source / "ratings.csv").filter(
        pl.col("scan").is_in(scans["scan"].implode())
    )
    grouped = (
        ratings.sort("scan", "nodule", "slot")
        .group_by("scan", "nodule", maintain_order=True)
        .agg("malignancy", "diameter_mm", "subtlety")
    )
    return [
        Nodule(
            name=nodule,
            scan=scan,
            day=days[scan],
            diameter_mm=round(float(np.median(diameters)), 2),
            subtlety=float(np.median(subtleties)),
            ratings=tuple(malignancy),
            diameters=tuple(diameters),
            subtleties=tuple(subtleties),
        )
        for scan, nodule, malignancy, diameters, subtleties in grouped.iter_rows()
    ]


def study_uid(scan: int) -> str:
    """A UID of our own: these are not the images that TCIA holds under the true one."""
    return uid("lidc", "study", scan)


def files(scans: pl.DataFrame, days: Mapping[int, date]) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Three slices a scan, with the true scan fields and noise for pixels."""
    rng = generator("pixels")
    for row in scans.iter_rows(named=True):
        shared = _header(row, days[row["scan"]])
        for i in range(IMAGES_A_SCAN):
            spacing = row["slice_thickness"]
            values = shared | {
                "SOPInstanceUID": uid("lidc", "image", row["scan"], i),
                "InstanceNumber": str(i + 1),
                "ImagePositionPatient": f"-180\\-180\\{i * spacing:g}",
                "PixelData": rng.integers(-1000, 400, SIDE * SIDE, dtype=np.int16)
                .astype("<i2")
                .tobytes(),
            }
            name = PurePosixPath(row["patient"], f"scan-{row['scan']:04d}", f"{i + 1}.dcm")
            yield name, file_of(values, IMPLICIT)


def _header(row: Mapping[str, Any], day: date) -> dict[str, Value]:
    scan = row["scan"]
    values: dict[str, Value] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": "ORIGINAL\\PRIMARY\\AXIAL",
        "SOPClassUID": CT_IMAGE,
        "StudyDate": f"{day:%Y%m%d}",
        "AcquisitionDate": f"{day:%Y%m%d}",
        "AccessionNumber": "",
        "Modality": row["modality"],
        "Manufacturer": row["manufacturer"],
        "ManufacturerModelName": row["model"],
        "SeriesDescription": "SYNTHETIC PIXELS",
        "PatientName": row["patient"],
        "PatientID": row["patient"],
        "PatientBirthDate": "",
        "PatientSex": row["sex"] or "",
        "BodyPartExamined": "CHEST",
        "SliceThickness": f"{row['slice_thickness']:g}",
        "KVP": "",
        "StudyInstanceUID": study_uid(scan),
        "SeriesInstanceUID": uid("lidc", "series", scan),
        "SeriesNumber": "1",
        "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
        "FrameOfReferenceUID": uid("lidc", "frame", scan),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": SIDE,
        "Columns": SIDE,
        "PixelSpacing": f"{row['pixel_spacing']}\\{row['pixel_spacing']}",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
    }
    if row["age"]:
        values["PatientAge"] = row["age"]
    if row["contrast_used"]:
        values["ContrastBolusAgent"] = "CONTRAST"
    return values


def _write_deliveries(
    folder: Path, site: Site, protocol: Protocol, scans: pl.DataFrame, nodules: list[Nodule]
) -> None:
    patients = dict(scans.select("scan", "patient").iter_rows())
    reads = _reads(nodules)
    scores = _scores(nodules)
    before = date.min
    for number, day in enumerate(DELIVERIES):
        tables = {
            "cases": Table(
                ("case_id", "patient_id", "index_date", "study", "diameter_mm", "subtlety"),
                [_case_row(n, patients) for n in nodules if n.day + _LAG <= day],
            ),
            "readers": Table(
                ("reader_id", "qualification", "specialty"),
                [_reader_row(i) for i in range(ROSTER)],
            ),
            "reads": Table(
                (
                    *("reader_id", "case_id", "rating", "read_at"),
                    *("Subtlety (1-5)", "Diameter (mm)"),
                ),
                [r for on, r in reads if before < on <= day],
            ),
            "predictions": Table(
                (
                    *("case_id", "model_id", "attempt", "status", "score"),
                    *("received_at", "produced_at"),
                ),
                [r for on, r in scores if before < on <= day],
            ),
        }
        if number == 0:
            tables["population"] = _population(protocol, scans, nodules)
        write_delivery(folder / day.isoformat(), site, tables)
        before = day


def _case_row(nodule: Nodule, patients: Mapping[int, str]) -> Line:
    return {
        "case_id": nodule.name,
        "patient_id": patients[nodule.scan],
        "index_date": nodule.day,
        "study": study_uid(nodule.scan),
        "diameter_mm": nodule.diameter_mm,
        "subtlety": nodule.subtlety,
    }


def _reader_row(i: int) -> Line:
    return {
        "reader_id": f"SYN-{i + 1:02d}",
        "qualification": "radiologist (synthetic entry)",
        "specialty": "thoracic radiology",
    }


Dated = tuple[date, dict[str, Any]]


def _reads(nodules: list[Nodule]) -> list[Dated]:
    """Deal four of twelve made-up readers to each scan; a slot names nobody in the source."""
    rng = generator("roster")
    dealt: dict[int, list[int]] = {}
    found: list[Dated] = []
    for nodule in nodules:
        if nodule.scan not in dealt:
            dealt[nodule.scan] = rng.permutation(ROSTER)[:4].tolist()
        start = datetime(nodule.day.year, nodule.day.month, nodule.day.day, 8, tzinfo=UTC)
        for slot, rating in enumerate(nodule.ratings):
            minutes = int(rng.integers(0, 560))
            at = start + timedelta(days=int(rng.integers(1, 12)), minutes=minutes)
            row = {
                "reader_id": f"SYN-{dealt[nodule.scan][slot] + 1:02d}",
                "case_id": nodule.name,
                "rating": rating,
                "read_at": at,
                "Subtlety (1-5)": nodule.subtleties[slot],
                "Diameter (mm)": nodule.diameters[slot],
            }
            found.append((_delivered(at.date(), nodule.day), row))
    return found


def _delivered(event: date, exam: date) -> date:
    known = max(event, exam) + _LAG
    return next(d for d in DELIVERIES if d >= known)


def _scores(nodules: list[Nodule]) -> list[Dated]:
    """A score from mean rating and diameter with noise; some nodules get none at first, or ever."""
    rng = generator("scores")
    failing = rng.permutation(len(nodules))[: max(1, _FAILED * len(nodules) // 2668)].tolist()
    fates = {number: i % 3 for i, number in enumerate(failing)}
    found: list[Dated] = []
    for number, nodule in enumerate(nodules):
        pull = 0.9 * (float(np.mean(nodule.ratings)) - 3) + 0.04 * (nodule.diameter_mm - 10)
        latent = 0.1 + pull + float(rng.normal(0, 0.85))
        score = round(float(100 / (1 + np.exp(-latent))), 2)
        evening = datetime(nodule.day.year, nodule.day.month, nodule.day.day, 18, tzinfo=UTC)
        at = max(_LOCKED, evening) + timedelta(seconds=int(rng.integers(0, 3600)))
        rows = [_score_row(nodule, 1, at, score)]
        if number in fates:
            rows = [_score_row(nodule, 1, at, None)]
            if fates[number] == 0:
                rows.append(_score_row(nodule, 2, at + timedelta(hours=2), score))
        found += [(_delivered(at.date(), nodule.day), row) for row in rows]
    return found


def _score_row(nodule: Nodule, attempt: int, at: datetime, score: float | None) -> dict[str, Any]:
    return {
        "case_id": nodule.name,
        "model_id": "suspicion-1",
        "attempt": attempt,
        "status": "ok" if score is not None else "failed",
        "score": score,
        "received_at": at,
        "produced_at": at + timedelta(seconds=4),
    }


def _population(protocol: Protocol, scans: pl.DataFrame, nodules: list[Nodule]) -> Table:
    """Counts of a made-up target: the cells of the site, tilted to small nodules."""
    rows = {row["scan"]: row for row in scans.iter_rows(named=True)}
    variables = protocol.representativeness.variables
    cells = Counter(
        tuple(_label(v, n, rows[n.scan]) for v in variables)
        for n in sorted(nodules, key=lambda n: n.name)
    )
    lines: list[Line] = [
        dict(zip((v.name for v in variables), cell, strict=True))
        | {"n": round(12 * n * {"<6": 1.6, "≥20": 0.5}.get(cell[0], 1.0))}
        for cell, n in sorted(cells.items())
    ]
    return Table((*(v.name for v in variables), "n"), lines)


_MAKERS: Final = {"GE MEDICAL SYSTEMS": "GE", "SIEMENS": "Siemens", "TOSHIBA": "Canon"}


def _label(variable: Variable, nodule: Nodule, row: Mapping[str, Any]) -> str:
    values: dict[str, str | float | None] = {
        "diameter_mm": nodule.diameter_mm,
        "manufacturer": _MAKERS.get(row["manufacturer"], row["manufacturer"]),
        "slice_thickness_mm": row["slice_thickness"],
        "contrast_agent": "given" if row["contrast_used"] else None,
        "sex": row["sex"],
        "age_years": float(row["age"][:3]) if row["age"] else None,
    }
    value = values[variable.name]
    if value is None:
        return "missing"
    if isinstance(value, str):
        return value
    return bin_labels(variable)[sum(value >= edge for edge in variable.edges)]
