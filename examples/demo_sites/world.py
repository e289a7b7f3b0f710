"""The planted world of a radiograph site: patients, examinations, and what is true of them.

What does not belong here: what readers and the index test make of it (``reading``,
``scoring``), and how it is written down (``images``, ``inputs``).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from examples.demo_sites.dicom import uid
from examples.demo_sites.plan import Plan, Room
from vpack_pipeline.document import Window

ZONE: Final = ZoneInfo("Europe/Berlin")


@dataclass
class Patient:
    """A made-up patient; ``mrn`` is unique within its issuer only."""

    number: int
    mrn: str
    sex: str
    age: float
    is_positive: bool
    issuer: str | None = None


@dataclass
class Exam:
    """One radiograph of one patient: a case. ``hardness`` is the difficulty that all share."""

    number: int
    patient: Patient
    case_id: str
    accession: str
    study_uid: str
    taken_at: datetime
    window: str
    setting: str
    bedside: bool
    room: Room
    room_name: str
    age: float
    is_positive: bool
    hardness: float
    quirks: set[str] = field(default_factory=set)
    temporary_mrn: str | None = None

    @property
    def index_date(self) -> date:
        """The day of the examination, local."""
        return self.taken_at.date()

    @property
    def is_flattered(self) -> bool:
        """Whether the late rule excludes it."""
        return self.bedside and self.setting == "inpatient"


@dataclass
class World:
    """All exams of a site, in the order of their numbers."""

    plan: Plan
    exams: list[Exam]
    development: list[str]
    """MRNs of the development list."""
    near_duplicates: dict[str, Exam]
    """MRN of the development list → the exam that its image could be taken for."""

    def with_quirk(self, quirk: str) -> list[Exam]:
        """List the exams that carry a planted quirk."""
        return [e for e in self.exams if quirk in e.quirks]


def generator(plan: Plan, concern: str) -> np.random.Generator:
    """Give each concern its own stream, so that a change to one leaves the others alone."""
    return np.random.default_rng([plan.seed, zlib.crc32(concern.encode())])


def build(plan: Plan) -> World:
    """Make the world that a plan describes."""
    exams = _exams(plan)
    _deal_quirks(plan, exams)
    _number(plan, exams)
    chosen = [e.patient.mrn for e in exams if "development" in e.quirks]
    absent = plan.integrity.development_list - len(chosen)
    others = [f"{50_000_000 + 37 * i:08d}" for i in range(max(absent, 0))]
    alike = [e for e in exams if "near_duplicate" in e.quirks]
    near_duplicates = dict(zip(others, alike, strict=False))
    return World(plan, exams, sorted(chosen + others), near_duplicates)


def _exams(plan: Plan) -> list[Exam]:
    rng = generator(plan, "exams")
    exams: list[Exam] = []
    counts = rng.choice(
        [1, 2, 3], plan.patients, p=[1 - sum(plan.repeat_shares), *plan.repeat_shares]
    )
    straddling = set(
        rng.choice(plan.patients, plan.integrity.patients_in_both_windows, replace=False).tolist()
    )
    for i, drawn in enumerate(counts.tolist()):
        patient = _patient(plan, rng, i)
        days = _straddle(plan, rng) if i in straddling else _days(plan, rng, drawn)
        for day in days:
            exams.append(_exam(plan, rng, patient, len(exams), day))
    return exams


def _patient(plan: Plan, rng: np.random.Generator, i: int) -> Patient:
    return Patient(
        number=i,
        mrn=_mrn(i),
        sex="F" if rng.random() < 0.48 else "M",
        age=float(np.clip(rng.normal(61, 16), 18.5, 97)),
        is_positive=bool(rng.random() < plan.prevalence),
    )


def window_of(plan: Plan, day: date) -> str:
    """Say in which window a day lies, or between which."""
    windows = plan.windows
    if day < windows.retrospective.start:
        return "before"
    if day <= windows.retrospective.end:
        return "retrospective"
    return "prospective" if day <= windows.prospective.end else "after"


def _days(plan: Plan, rng: np.random.Generator, count: int) -> list[date]:
    """Draw days of one patient in one window: windows share only the patients planted so."""
    first = _day(rng, plan.windows.period)
    days = [first]
    for _ in range(count - 1):
        later = days[-1] + timedelta(days=int(rng.integers(2, 60)))
        if window_of(plan, later) == window_of(plan, first):
            days.append(later)
    return days


def _straddle(plan: Plan, rng: np.random.Generator) -> list[date]:
    return [_day(rng, plan.windows.retrospective), _day(rng, plan.windows.prospective)]


def _day(rng: np.random.Generator, window: Window) -> date:
    return window.start + timedelta(days=int(rng.integers(0, (window.end - window.start).days + 1)))


def _exam(plan: Plan, rng: np.random.Generator, patient: Patient, i: int, day: date) -> Exam:
    setting = str(rng.choice(list(plan.settings), p=list(plan.settings.values())))
    bedside = bool(rng.random() < dict(plan.bedside)[setting])  # type: ignore[index]
    name = _room(plan, rng, setting, bedside, day)
    is_positive = patient.is_positive
    if bedside and setting == "inpatient":
        is_positive = bool(rng.random() < plan.flattered_prevalence)
    elif rng.random() < 0.1:
        is_positive = bool(rng.random() < plan.prevalence)
    minutes = int(rng.integers(7 * 60, 19 * 60))
    return Exam(
        number=i,
        patient=patient,
        case_id=f"{plan.prefix}-{i + 1:06d}",
        accession="",
        study_uid=uid(plan.site, plan.seed, "study", i),
        taken_at=datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=ZONE),
        window=window_of(plan, day),
        setting=setting,
        bedside=bedside,
        room=plan.rooms[name],
        room_name=name,
        age=patient.age,
        is_positive=is_positive,
        hardness=float(rng.normal()),
    )


def _room(plan: Plan, rng: np.random.Generator, setting: str, bedside: bool, day: date) -> str:
    if bedside:
        return "bedside"
    if setting == "outpatient" and rng.random() < plan.plate_of_outpatients:
        return "plate"
    change = plan.replacement
    return change.by if day >= change.on else change.room


def _deal_quirks(plan: Plan, exams: list[Exam]) -> None:
    """Give disjoint sets of ordinary exams their quirks, so that counts stay exact."""
    rng = generator(plan, "quirks")
    times: dict[int, int] = {}
    for exam in exams:
        times[exam.patient.number] = times.get(exam.patient.number, 0) + 1
    pool = [
        e
        for e in exams
        if e.window in {"retrospective", "prospective"}
        and times[e.patient.number] == 1
        and not e.is_flattered
    ]
    wanted: dict[str, int] = plan.headers.model_dump() | {
        "development": plan.integrity.development_overlap,
        "non_diagnostic": plan.non_diagnostic_cases,
        "merged": plan.deliveries.merged_patients,
        "near_duplicate": plan.integrity.near_duplicates,
    }
    order = iter(rng.permutation(len(pool)).tolist())
    for quirk, n in wanted.items():
        for number in range(n):
            try:
                exam = pool[next(order)]
            except StopIteration:
                raise ValueError(f"{plan.site}: too few ordinary exams for {quirk}") from None
            exam.quirks.add(quirk)
            _apply(quirk, exam, number, rng)


def _number(plan: Plan, exams: list[Exam]) -> None:
    """Give exams accession numbers as they come, from 1 in each year, with the planted gap."""
    in_order = sorted(exams, key=lambda e: (e.taken_at, e.number))
    later = [e for e in in_order if e.window == "prospective"]
    after_gap = later[len(later) // 2]
    reached: dict[int, int] = {}
    for exam in in_order:
        year = exam.index_date.year
        step = 1 + (plan.integrity.accession_numbers_missing if exam is after_gap else 0)
        reached[year] = reached.get(year, 0) + step
        exam.accession = f"{plan.prefix[0]}X{exam.index_date:%y}{reached[year]:07d}"


def _apply(quirk: str, exam: Exam, number: int, rng: np.random.Generator) -> None:
    if quirk == "child":
        exam.age = float(rng.uniform(4.2, 17.5))
    elif quirk == "other_issuer":
        # The number of a patient of this hospital, issued elsewhere: another person.
        exam.patient.mrn = _mrn(number)
        exam.patient.issuer = "NORTHBAY"
    elif quirk == "merged":
        exam.temporary_mrn = f"T{exam.number + 1:07d}"


def _mrn(i: int) -> str:
    return f"{10_000 + 613 * i:08d}"
