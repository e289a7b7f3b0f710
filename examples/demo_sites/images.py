"""The image archive of a radiograph site: sound files, files to be set aside, copies and twins.

What does not belong here: files that no reader can take (``broken_files``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from examples.demo_sites.broken_files import BROKEN
from examples.demo_sites.dicom import (
    BASIC_TEXT_SR,
    CR_IMAGE,
    DX_FOR_PRESENTATION,
    DX_FOR_PROCESSING,
    KEY_OBJECT,
    PRESENTATION_STATE,
    SECONDARY_CAPTURE,
    Value,
    file_of,
    uid,
)
from examples.demo_sites.plan import Plan
from examples.demo_sites.world import Exam, World, generator
from vpack_pipeline.site import Site

SIDE: Final = 16
"""Rows and columns of the pixel noise."""

NEAR_DUPLICATE_KVP: Final = 118.5
NEAR_DUPLICATE_MAS: Final = 3
"""Exposure of an exam whose like is on the development list."""

File = tuple[PurePosixPath, bytes]


def files(world: World, site: Site) -> Iterator[File]:
    """Give every file of the archive with its path; no path occurs twice."""
    plan = world.plan
    spellings = _spellings(site)
    rng = generator(plan, "images")
    originals: list[tuple[Exam, bytes]] = []
    for exam in world.exams:
        values = image(plan, exam, spellings, rng)
        made = file_of(values)
        originals.append((exam, made))
        yield _place(exam, "1"), made
        if "sop_conflict" in exam.quirks:
            yield from _twins(plan, exam, values, rng)
    yield from _shared_accession(plan, world.exams[0], spellings, rng)
    yield from _copies(plan, originals, rng)
    yield from _set_aside(world, spellings, rng)
    yield from _broken(world, spellings, rng)


def _place(exam: Exam, name: str) -> PurePosixPath:
    return PurePosixPath(f"{exam.index_date:%Y/%m}", f"{exam.number + 1:06d}", f"{name}.dcm")


def serial_number(plan: Plan, exam: Exam) -> str:
    """Name the device as its headers do."""
    return f"SN-{plan.prefix}-{exam.room_name}"


def _spellings(site: Site) -> dict[str, list[str]]:
    """Manufacturer → the other ways in which the site's devices write it."""
    found: dict[str, list[str]] = {}
    for written, meant in site.value_maps.get("manufacturer", {}).items():
        found.setdefault(meant, []).append(written)
    return found


def image(
    plan: Plan, exam: Exam, spellings: Mapping[str, list[str]], rng: np.random.Generator
) -> dict[str, Value]:
    """One radiograph's header and pixels."""
    room = exam.room
    is_dx = room.modality == "DX"
    values: dict[str, Value] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": "ORIGINAL\\PRIMARY",
        "SOPClassUID": DX_FOR_PRESENTATION if is_dx else CR_IMAGE,
        "SOPInstanceUID": uid(plan.site, plan.seed, "image", exam.number),
        "StudyDate": f"{exam.index_date:%Y%m%d}",
        "AcquisitionDate": f"{exam.index_date:%Y%m%d}",
        "StudyTime": f"{exam.taken_at:%H%M%S}",
        "AccessionNumber": exam.accession,
        "Modality": room.modality,
        "PresentationIntentType": "FOR PRESENTATION",
        "Manufacturer": room.manufacturer,
        "InstitutionName": f"{plan.site.title()} Hospital (synthetic)",
        "StationName": f"{plan.prefix}{exam.room_name.upper()}",
        "StudyDescription": "THORAX",
        "ManufacturerModelName": room.model,
        "PatientName": f"SYNTHETIC^P{exam.patient.number:06d}",
        "PatientID": exam.temporary_mrn or exam.patient.mrn,
        "PatientSex": exam.patient.sex,
        "BodyPartExamined": "CHEST",
        "KVP": f"{room.kvp + float(rng.normal(0, 2)):.1f}",
        "DeviceSerialNumber": serial_number(plan, exam),
        "SoftwareVersions": room.software,
        "Exposure": str(int(np.clip(rng.lognormal(0.9, 0.4), 1, 20))),
        "ImagerPixelSpacing": f"{room.imager_pixel_spacing_mm}\\{room.imager_pixel_spacing_mm}",
        "ViewPosition": "AP" if exam.bedside else "PA",
        "StudyInstanceUID": exam.study_uid,
        "SeriesInstanceUID": uid(plan.site, plan.seed, "series", exam.number, 1),
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": SIDE,
        "Columns": SIDE,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "BurnedInAnnotation": "NO",
        "PixelData": pixels(rng),
    }
    values |= _age(exam, with_age=bool(rng.random() < 0.5))
    for quirk in sorted(exam.quirks & _QUIRKS.keys()):
        _QUIRKS[quirk](values, exam, spellings)
    if exam.patient.issuer:
        values["IssuerOfPatientID"] = exam.patient.issuer
    return values


def pixels(rng: np.random.Generator) -> bytes:
    """Noise of 12 bits; it shows nothing and nothing reads it."""
    return rng.integers(0, 4096, SIDE * SIDE, dtype=np.uint16).astype("<u2").tobytes()


def _birth(exam: Exam) -> date:
    return exam.index_date - timedelta(days=int(exam.age * 365.25))


def _age(exam: Exam, with_age: bool) -> dict[str, Value]:
    values: dict[str, Value] = {"PatientBirthDate": f"{_birth(exam):%Y%m%d}"}
    if with_age:
        values["PatientAge"] = f"{int(exam.age):03d}Y"
    return values


def _no_age(values: dict[str, Value], _exam: Exam, _spellings: Mapping[str, list[str]]) -> None:
    values["PatientBirthDate"] = ""
    values.pop("PatientAge", None)


def _two_ages(values: dict[str, Value], exam: Exam, _spellings: Mapping[str, list[str]]) -> None:
    values["PatientAge"] = f"{int(exam.age) + 21:03d}Y"


def _placeholder(values: dict[str, Value], exam: Exam, _spellings: Mapping[str, list[str]]) -> None:
    values["PatientBirthDate"] = "19000101"
    values.pop("PatientAge", None)


def _respelt(values: dict[str, Value], exam: Exam, spellings: Mapping[str, list[str]]) -> None:
    other = spellings.get(exam.room.manufacturer)
    if other:
        values["Manufacturer"] = other[exam.number % len(other)]


def _set(keyword: str, value: str) -> Callable[[dict[str, Value], Exam, object], None]:
    def apply(values: dict[str, Value], _exam: Exam, _spellings: object) -> None:
        values[keyword] = value

    return apply


def _drop(keyword: str) -> Callable[[dict[str, Value], Exam, object], None]:
    def apply(values: dict[str, Value], _exam: Exam, _spellings: object) -> None:
        values.pop(keyword, None)

    return apply


def _expose(values: dict[str, Value], _exam: Exam, _spellings: Mapping[str, list[str]]) -> None:
    values["KVP"] = f"{NEAR_DUPLICATE_KVP}"
    values["Exposure"] = f"{NEAR_DUPLICATE_MAS}"


_QUIRKS: Final[dict[str, Callable[[dict[str, Value], Exam, Mapping[str, list[str]]], None]]] = {
    "lateral": _set("ViewPosition", "LL"),
    "view_absent": _set("ViewPosition", ""),
    "burned_in": _set("BurnedInAnnotation", "YES"),
    "burned_in_unsaid": _drop("BurnedInAnnotation"),
    "age_absent": _no_age,
    "age_disagrees": _two_ages,
    "birth_placeholder": _placeholder,
    "kvp_invalid": _set("KVP", "auto"),
    "sex_invalid": _set("PatientSex", "0000"),
    "other_spelling": _respelt,
    "near_duplicate": _expose,
}


def _twins(
    plan: Plan, exam: Exam, values: Mapping[str, Value], rng: np.random.Generator
) -> Iterator[File]:
    """Two different images under one SOP Instance UID, beside a sound image of the study."""
    shared = dict(values) | {
        "SOPInstanceUID": uid(plan.site, plan.seed, "twin", exam.number),
        "InstanceNumber": "2",
    }
    yield _place(exam, "2"), file_of(shared | {"PixelData": pixels(rng)})
    yield _place(exam, "2b"), file_of(shared | {"ViewPosition": "LL", "PixelData": pixels(rng)})


def _shared_accession(
    plan: Plan, exam: Exam, spellings: Mapping[str, list[str]], rng: np.random.Generator
) -> Iterator[File]:
    """Two studies of nobody's case under one accession number."""
    for i in range(2):
        values = image(plan, exam, spellings, rng) | {
            "AccessionNumber": shared_accession(plan),
            "PatientID": f"9900{i:04d}",
            "PatientName": f"SYNTHETIC^X{i}",
            "SOPInstanceUID": uid(plan.site, plan.seed, "shared image", i),
            "SeriesInstanceUID": uid(plan.site, plan.seed, "shared series", i),
            "StudyInstanceUID": uid(plan.site, plan.seed, "shared study", i),
        }
        yield PurePosixPath("shared", f"{i}.dcm"), file_of(values)


def shared_accession(plan: Plan) -> str:
    """The accession number that two studies carry."""
    return f"{plan.prefix[0]}XSHARED"


def _copies(
    plan: Plan, originals: list[tuple[Exam, bytes]], rng: np.random.Generator
) -> Iterator[File]:
    for i in sorted(rng.choice(len(originals), plan.copies, replace=False).tolist()):
        exam, made = originals[i]
        yield PurePosixPath("resent", f"{exam.number + 1:06d}.dcm"), made


def _set_aside(
    world: World, spellings: Mapping[str, list[str]], rng: np.random.Generator
) -> Iterator[File]:
    """Sound files that are no image to be read, each in the study of an ordinary exam."""
    plan = world.plan
    pool = [e for e in world.exams if e.room.modality == "DX" and not e.quirks]
    for kind, fault in plan.set_aside.items():
        if fault.n > len(pool):
            raise ValueError(f"{plan.site}: too few exams for {kind}")
        for i in sorted(rng.choice(len(pool), fault.n, replace=False).tolist()):
            values = image(plan, pool[i], spellings, rng) | {
                "SOPInstanceUID": uid(plan.site, plan.seed, kind, pool[i].number),
                "SeriesInstanceUID": uid(plan.site, plan.seed, kind, "series", pool[i].number),
                "SeriesNumber": "9",
            }
            yield _place(pool[i], kind), file_of(_ASIDE[kind](values))


def _object(values: dict[str, Value], sop_class: str, modality: str) -> dict[str, Value]:
    images_only = {
        *("ImageType", "Rows", "Columns", "PixelData", "SamplesPerPixel", "BitsAllocated"),
        *("BitsStored", "HighBit", "PixelRepresentation", "PhotometricInterpretation"),
        *("PresentationIntentType", "ImagerPixelSpacing", "BurnedInAnnotation", "KVP"),
    }
    kept = {k: v for k, v in values.items() if k not in images_only}
    return kept | {"SOPClassUID": sop_class, "Modality": modality}


_ASIDE: Final[dict[str, Callable[[dict[str, Value]], dict[str, Value]]]] = {
    "for_processing": lambda v: (
        v | {"SOPClassUID": DX_FOR_PROCESSING, "PresentationIntentType": "FOR PROCESSING"}
    ),
    "report": lambda v: _object(v, BASIC_TEXT_SR, "SR"),
    "key_objects": lambda v: _object(v, KEY_OBJECT, "KO"),
    "presentation_state": lambda v: _object(v, PRESENTATION_STATE, "PR"),
    "screenshot": lambda v: v | {"SOPClassUID": SECONDARY_CAPTURE, "Modality": "OT"},
    "derived": lambda v: v | {"ImageType": "DERIVED\\SECONDARY"},
}
"""Kind of ``planted.yaml`` → how a radiograph becomes such a file."""


def _broken(
    world: World, spellings: Mapping[str, list[str]], rng: np.random.Generator
) -> Iterator[File]:
    plan = world.plan
    for kind, fault in plan.files.items():
        if kind == "conflicting_twin":  # written beside the image that they belong to
            continue
        for i in range(fault.n):
            exam = world.exams[int(rng.integers(0, len(world.exams)))]
            values = image(plan, exam, spellings, rng) | {
                "SOPInstanceUID": uid(plan.site, plan.seed, kind, i),
                "SeriesInstanceUID": uid(plan.site, plan.seed, kind, "series", i),
                "StudyInstanceUID": uid(plan.site, plan.seed, kind, "study", i),
            }
            yield PurePosixPath("inbox", f"{kind}-{i + 1}.dcm"), BROKEN[kind](values)
