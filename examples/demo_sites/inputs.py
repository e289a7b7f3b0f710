"""The deliveries of a radiograph site: which row arrives when, and in whose hands it was broken.

What does not belong here: how a row is written (``forms``), and broken rows (``broken_rows``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from examples.demo_sites import reading, scoring
from examples.demo_sites.broken_rows import BROKEN, Delivered
from examples.demo_sites.forms import Line, Row, Table, write_delivery
from examples.demo_sites.images import NEAR_DUPLICATE_KVP, NEAR_DUPLICATE_MAS, serial_number
from examples.demo_sites.plan import Plan
from examples.demo_sites.world import Exam, World, generator
from vpack_pipeline.core.error_causes import CAUSES
from vpack_pipeline.core.variables import bin_labels
from vpack_pipeline.protocol import Protocol, Variable
from vpack_pipeline.site import Site

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "cases": (
        *("case_id", "patient_id", "issuer", "index_date", "study", "setting", "portable"),
        "Ward",
    ),
    "readers": (
        *("reader_id", "qualification", "specialty", "years_experience", "training"),
        *("conflicts", "in_development"),
    ),
    "reads": (
        *("reader_id", "case_id", "session", "purpose", "role", "rating", "is_diagnostic"),
        *("saw_index_test", "saw_peers", "read_at", "duration_s", "discussion"),
    ),
    "reference": (
        *("case_id", "source", "label", "ascertained_by", "knew_index_test", "established_at"),
    ),
    "predictions": (
        *("case_id", "finding", "model_id", "attempt", "status", "score"),
        *("received_at", "produced_at"),
    ),
    "development": (
        *("patient_id", "device_id", "study_date", "study_time_s", "kvp", "exposure_mas"),
    ),
    "operations": ("study", "turnaround_s", "failure", "override", "opened_at"),
    "error_review": (
        *("case_id", "cause", "reviewer_role", "blinded", "label_upheld", "reviewed_at"),
    ),
    "patient_map": ("patient_id", "same_as"),
}
"""Input → our columns, in the order of the site's file."""

FINDING: Final = "nodule_or_mass"
_LAG: Final = timedelta(days=3)
"""From an event to the export that holds it."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A row and the day of the event that it tells of."""

    on: date
    row: Row


def write(world: World, site: Site, protocol: Protocol, folder: Path) -> None:
    """Write every delivery of a site."""
    plan = world.plan
    rng = generator(plan, "inputs")
    reads = reading.reads(world)
    labels = reading.outside_labels(world)
    predictions = scoring.predictions(world)
    rows = {
        "reads": [Timed(r.read_at.date(), _read_row(r)) for r in reads],
        "reference": [Timed(f.established_at.date(), _label_row(f)) for f in labels],
        "predictions": [_prediction_row(p) for p in predictions],
        "operations": _operations(world, rng),
        "error_review": _error_reviews(world, protocol, predictions),
    }
    always = {
        "readers": [_reader_row(r) for r in plan.readers],
        "development": [_development_row(world, mrn) for mrn in world.development],
    }
    before = date.min
    for number, day in enumerate(plan.deliveries.closed):
        tables = _tables(world, rows, before, day)
        tables["cases"] = _cases(world, day, withdrawn=day != plan.deliveries.closed[-1])
        tables |= {k: list(v) for k, v in always.items()}
        if number == 0:
            tables["population"] = _population(world, protocol)
            tables["patient_map"] = [
                {"patient_id": e.temporary_mrn.lower(), "same_as": _plain(e.patient.mrn)}
                for e in world.exams
                if e.temporary_mrn
            ]
            _break(world, tables, labels, rng)
        write_delivery(folder / day.isoformat(), site, _as_tables(tables, protocol))
        before = day
    name = f"{plan.deliveries.correction.isoformat()}.2"
    corrected = _corrections(plan, reads, labels, rng)
    write_delivery(folder / name, site, _as_tables(corrected, protocol))
    late = _tables(world, rows, before, plan.deliveries.unclosed)
    left = {"reference": late["reference"]}
    name = plan.deliveries.unclosed.isoformat()
    write_delivery(folder / name, site, _as_tables(left, protocol), closed=False)


def _as_tables(tables: Mapping[str, Sequence[Line]], protocol: Protocol) -> dict[str, Table]:
    variables = tuple(v.name for v in protocol.representativeness.variables)
    columns = dict(COLUMNS) | {"population": (*variables, "n")}
    return {kind: Table(columns[kind], lines) for kind, lines in tables.items()}


def _arrives(plan: Plan, event: date, exam_day: date) -> date | None:
    """Name the delivery that brings a row: the first one after event and case."""
    known = max(event, exam_day) + _LAG
    days = (*plan.deliveries.closed, plan.deliveries.unclosed)
    return next((d for d in days if d >= known), None)


def _tables(
    world: World, rows: Mapping[str, Sequence[Timed]], after: date, until: date
) -> dict[str, list[Line]]:
    """Select what a delivery adds."""
    exam_days = {e.case_id: e.index_date for e in world.exams} | {
        e.accession: e.index_date for e in world.exams
    }
    found: dict[str, list[Line]] = {}
    for kind, timed in rows.items():
        chosen: list[Line] = []
        for one in timed:
            exam_day = exam_days[one.row.get("case_id") or one.row["study"]]
            day = _arrives(world.plan, one.on, exam_day)
            if day is not None and after < day <= until:
                chosen.append(dict(one.row))
        found[kind] = chosen
    return found


def _plain(mrn: str) -> str:
    """Write an MRN as the hospital's tables do, which take it for a number."""
    return mrn.lstrip("0") or mrn


def _cases(world: World, day: date, withdrawn: bool) -> list[Line]:
    """List all cases so far; until the last file also some that were registered in error."""
    found: list[Line] = [_case_row(e) for e in world.exams if e.index_date + _LAG <= day]
    if withdrawn:
        first = sorted(world.exams, key=lambda e: (e.index_date, e.number))
        for i, exam in enumerate(first[: world.plan.deliveries.withdrawn_cases]):
            found.append(_case_row(exam) | {"case_id": f"{world.plan.prefix}-W{i + 1:05d}"})
    return found


def _case_row(exam: Exam) -> Row:
    return {
        "case_id": exam.case_id,
        "patient_id": _plain(exam.patient.mrn),
        "issuer": exam.patient.issuer,
        "index_date": exam.index_date,
        "study": exam.accession.lower() if exam.number % 50 == 0 else exam.accession,
        "setting": exam.setting,
        "portable": exam.bedside,
        "Ward": f"W{exam.number % 9}" if exam.setting == "inpatient" else "",
    }


def _development_row(world: World, mrn: str) -> Row:
    """Name a patient; of a near duplicate also what the header of its image says."""
    row: Row = {"patient_id": _plain(mrn)}
    exam = world.near_duplicates.get(mrn)
    if exam is None:
        return row
    at = exam.taken_at
    return row | {
        "device_id": serial_number(world.plan, exam),
        "study_date": exam.index_date,
        "study_time_s": 3600 * at.hour + 60 * at.minute + at.second,
        "kvp": NEAR_DUPLICATE_KVP,
        "exposure_mas": NEAR_DUPLICATE_MAS,
    }


def _reader_row(reader: Any) -> Row:
    return {
        "reader_id": reader.id,
        "qualification": "board certified radiologist",
        "specialty": reader.specialty,
        "years_experience": reader.years,
        "training": "two hours with 40 example cases",
        "conflicts": "none stated",
        "in_development": False,
    }


def _read_row(read: reading.Read) -> Row:
    return {
        "reader_id": read.reader,
        "case_id": read.exam.case_id,
        "session": read.session,
        "purpose": read.purpose,
        "role": read.role,
        "rating": read.rating,
        "is_diagnostic": read.rating is not None,
        "saw_index_test": read.saw_index_test,
        "saw_peers": read.saw_peers,
        "read_at": read.read_at,
        "duration_s": read.duration_s,
        "discussion": read.comment,
    }


def _label_row(found: reading.Finding) -> Row:
    return {
        "case_id": found.exam.case_id,
        "source": found.source,
        "label": found.label,
        "ascertained_by": found.ascertained_by,
        "knew_index_test": found.knew_index_test,
        "established_at": found.established_at,
    }


def _prediction_row(made: scoring.Prediction) -> Timed:
    row = {
        "case_id": made.exam.case_id,
        "finding": FINDING,
        "model_id": made.model,
        "attempt": made.attempt,
        "status": made.status,
        "score": made.score,
        "received_at": made.received_at,
        "produced_at": made.produced_at,
    }
    return Timed((made.produced_at or made.exam.taken_at).date(), row)


def _operations(world: World, rng: np.random.Generator) -> list[Timed]:
    """Turnaround and first opening of seven exams in ten; nobody waits for a silent index test."""
    found: list[Timed] = []
    opening = generator(world.plan, "opened")
    for exam in world.exams:
        waited = min(float(opening.lognormal(7.5, 1.0)), 86_400.0)
        is_opened = opening.random() < 0.985
        if rng.random() < 0.7:
            row = {
                "study": exam.accession,
                "turnaround_s": round(float(rng.lognormal(8.2, 0.8)), 1),
                "failure": bool(rng.random() < 0.01),
                "override": bool(rng.random() < 0.04),
                "opened_at": exam.taken_at + timedelta(seconds=waited) if is_opened else None,
            }
            found.append(Timed(exam.index_date, row))
    return found


def _error_reviews(
    world: World, protocol: Protocol, predictions: Sequence[scoring.Prediction]
) -> list[Timed]:
    """A review of six in ten errors of the primary model, and of a few right answers."""
    rng = generator(world.plan, "error review")
    model = next(iter(world.plan.model))
    (point,) = (p for p in protocol.evaluation.operating_points if p.primary and p.model == model)
    found: list[Timed] = []
    for made in predictions:
        if made.model != model or made.score is None:
            continue
        is_error = made.exam.is_positive != (made.score >= point.threshold)
        seen, cause, role, yes, doubt = rng.random(5).tolist()
        if seen >= (0.6 if is_error else 0.005):
            continue
        causes = CAUSES[:4] if made.exam.is_positive else CAUSES[3:7]
        when = made.exam.taken_at + timedelta(days=45)
        row = {
            "case_id": made.exam.case_id,
            "cause": causes[int(cause * len(causes))],
            "reviewer_role": "radiologist" if role < 0.8 else "reference_reader",
            "blinded": yes < 0.5,
            "label_upheld": None if doubt < 0.05 else doubt < 0.9,
            "reviewed_at": when,
        }
        found.append(Timed(when.date(), row))
    return found


def _break(
    world: World,
    tables: dict[str, list[Line]],
    labels: Iterable[reading.Finding],
    rng: np.random.Generator,
) -> None:
    """Put the planted broken rows among the sound ones of the first delivery."""
    sound = {kind: tuple(lines) for kind, lines in tables.items()}
    delivered = Delivered(world, sound, frozenset(f.exam.case_id for f in labels))
    for kind, fault in world.plan.rows.items():
        make = BROKEN[kind]
        broken = make(delivered, fault.n)
        for line in broken:
            # A repeated row counts as such only after the row that it repeats.
            floor = len(tables[fault.input]) // 2 if kind != "case_twice_alike" else None
            at = len(tables[fault.input])
            if floor is not None:
                at = int(rng.integers(floor, at + 1))
            tables[fault.input].insert(at, line)


def _corrections(
    plan: Plan,
    reads: Sequence[reading.Read],
    labels: Sequence[reading.Finding],
    rng: np.random.Generator,
) -> dict[str, list[Line]]:
    """Revise some reads and settle some indeterminate pathology, a few days later."""
    day = plan.deliveries.correction
    known = [
        r
        for r in reads
        if r.session == 1
        and r.role == "independent"
        and r.purpose == "reference"
        and r.rating is not None
        and r.read_at.date() + _LAG <= day - timedelta(days=10)
    ]
    chosen = rng.choice(len(known), plan.deliveries.corrected_reads, replace=False)
    revised = [
        replace(
            known[i],
            rating=reading.ABSENT if known[i].rating == reading.PRESENT else reading.PRESENT,
            read_at=known[i].read_at + timedelta(days=6),
        )
        for i in sorted(chosen.tolist())
    ]
    later = timedelta(days=9)
    unsettled = [
        f
        for f in labels
        if f.source == "pathology" and f.established_at.date() + later + _LAG <= day
    ]
    unsettled.sort(key=lambda f: (f.label != "indeterminate", f.exam.number))
    settled = [
        replace(
            f,
            label="positive" if f.exam.is_positive else "negative",
            established_at=f.established_at + later,
        )
        for f in unsettled[: plan.deliveries.corrected_reference]
    ]
    return {
        "reads": [_read_row(r) for r in revised],
        "reference": [_label_row(f) for f in settled],
    }


def _population(world: World, protocol: Protocol) -> list[Line]:
    """Counts of a made-up target: cells that both windows hold, tilted to older ward patients."""
    variables = protocol.representativeness.variables
    cells: dict[str, Counter[tuple[str, ...]]] = {
        "retrospective": Counter(),
        "prospective": Counter(),
    }
    for exam in world.exams:
        if exam.window in cells and not exam.is_flattered and not exam.quirks:
            labels = tuple(_label(v, exam) for v in variables)
            cells[exam.window][labels] += 1
    least = 5 if world.plan.patients > 1000 else 2
    both = sorted(
        cell
        for cell, n in cells["retrospective"].items()
        if n >= least and cells["prospective"][cell] >= least
    )
    return [
        dict(zip((v.name for v in variables), cell, strict=True))
        | {"n": _tilted(cell, cells["retrospective"][cell])}
        for cell in both
    ]


def _tilted(cell: tuple[str, ...], n: int) -> int:
    weight = 40.0
    weight *= {"<50": 0.7, "≥70": 1.3}.get(cell[0], 1.0)
    weight *= 1.4 if "inpatient" in cell else 1.0
    return round(weight * n)


_READ: Final[Mapping[str, Callable[[Exam], str | float]]] = {
    "age_years": lambda e: e.age,
    "sex": lambda e: e.patient.sex,
    "setting": lambda e: e.setting,
    "modality": lambda e: e.room.modality,
    "manufacturer": lambda e: e.room.manufacturer,
}


def _label(variable: Variable, exam: Exam) -> str:
    value = _READ[variable.name](exam)
    if isinstance(value, str):
        return value
    return bin_labels(variable)[sum(value >= edge for edge in variable.edges)]
