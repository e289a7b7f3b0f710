"""What the planted readers and the pathologist make of each exam.

Readers err with the planted rates, together where an exam is hard; an adjudicator reads what they
disagree on. What does not belong here: how reads become labels (``core/adjudication``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import NormalDist

import numpy as np

from examples.demo_sites.plan import Plan, Reader
from examples.demo_sites.world import Exam, World, generator

ABSENT, EQUIVOCAL, PRESENT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Read:
    """One rating; None where the reader called the image not diagnostic."""

    exam: Exam
    reader: str
    rating: int | None
    read_at: datetime
    role: str = "independent"
    purpose: str = "reference"
    session: int = 1
    saw_index_test: bool = False
    saw_peers: bool = False
    duration_s: int = 60
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A label from outside the panel."""

    exam: Exam
    source: str
    label: str
    ascertained_by: str
    established_at: datetime
    knew_index_test: bool = False


def reads(world: World) -> list[Read]:
    """Read every exam by the panel, discordant ones by the adjudicator, some by a comparator."""
    plan = world.plan
    rng = generator(plan, "reads")
    panel = [r for r in plan.readers if r.role == "independent"]
    judge = next(r for r in plan.readers if r.role == "tiebreak")
    found: list[Read] = []
    for exam in world.exams:
        own = [_read(plan, reader, exam, rng) for reader in panel]
        if "non_diagnostic" in exam.quirks:
            blurred = set(rng.choice(len(own), len(own) - 1, replace=False).tolist())
            own = [replace(r, rating=None) if i in blurred else r for i, r in enumerate(own)]
        found += own
        if len({r.rating for r in own}) > 1 and "non_diagnostic" not in exam.quirks:
            found.append(_adjudicate(plan, judge, exam, own, rng))
    found = _with_breaches(plan, found, rng)
    return found + _repeated(plan, panel[0], found, rng) + _unaided(world, rng)


def _read(plan: Plan, reader: Reader, exam: Exam, rng: np.random.Generator) -> Read:
    day = exam.taken_at.replace(hour=8, minute=0) + timedelta(days=int(rng.integers(1, 13)))
    return Read(
        exam=exam,
        reader=reader.id,
        rating=_rating(plan, reader, exam, rng),
        read_at=day + timedelta(minutes=int(rng.integers(0, 560)), seconds=int(rng.integers(60))),
        duration_s=int(np.clip(rng.lognormal(3.9, 0.5), 8, 600)),
    )


def _rating(plan: Plan, reader: Reader, exam: Exam, rng: np.random.Generator) -> int:
    """A latent-normal error with the reader's own rate and the planted correlation."""
    shared = plan.error_correlation**0.5
    latent = shared * exam.hardness + (1 - shared**2) ** 0.5 * float(rng.normal())
    rate = reader.sensitivity if exam.is_positive else reader.specificity
    is_right = latent < NormalDist().inv_cdf(rate)
    if rng.random() < reader.equivocal:
        return EQUIVOCAL
    return PRESENT if is_right == exam.is_positive else ABSENT


def _adjudicate(
    plan: Plan, judge: Reader, exam: Exam, panel: list[Read], rng: np.random.Generator
) -> Read:
    last = max(r.read_at for r in panel)
    has_comment = rng.random() < 0.1
    return Read(
        exam=exam,
        reader=judge.id,
        rating=_rating(plan, judge, exam, rng),
        read_at=last.replace(hour=9) + timedelta(days=int(rng.integers(2, 9))),
        role="tiebreak",
        saw_peers=True,
        duration_s=int(np.clip(rng.lognormal(4.4, 0.4), 20, 900)),
        comment="talked over with the second reader" if has_comment else None,
    )


def _with_breaches(plan: Plan, found: list[Read], rng: np.random.Generator) -> list[Read]:
    pool = [
        i
        for i, r in enumerate(found)
        if r.exam.window == "prospective" and r.role == "independent" and not r.exam.quirks
    ]
    chosen = set(rng.choice(pool, plan.integrity.reads_that_saw_score, replace=False).tolist())
    return [replace(r, saw_index_test=True) if i in chosen else r for i, r in enumerate(found)]


def _repeated(
    plan: Plan, reader: Reader, found: list[Read], rng: np.random.Generator
) -> list[Read]:
    """The first reader reads some exams again, weeks later; who saw the score then has seen it."""
    own = [r for r in found if r.reader == reader.id and "non_diagnostic" not in r.exam.quirks]
    chosen = rng.choice(len(own), plan.repeat_reads, replace=False)
    return [
        replace(
            own[i],
            session=2,
            rating=_rating(plan, reader, own[i].exam, rng),
            read_at=own[i].read_at + timedelta(days=int(rng.integers(30, 45))),
        )
        for i in sorted(chosen.tolist())
    ]


def _unaided(world: World, rng: np.random.Generator) -> list[Read]:
    """A radiologist in routine reads some exams: what the index test is set beside."""
    plan = world.plan
    reader = next(r for r in plan.readers if r.role == "comparator")
    pool = [e for e in world.exams if e.window in {"retrospective", "prospective"}]
    chosen = rng.choice(len(pool), plan.comparator_cases, replace=False)
    return [
        replace(
            _read(plan, reader, pool[i], rng),
            purpose="comparator",
            read_at=pool[i].taken_at + timedelta(minutes=90),
        )
        for i in sorted(chosen.tolist())
    ]


def outside_labels(world: World) -> list[Finding]:
    """Pathology for a part, and follow-up for some of the others; both tell the truth."""
    plan = world.plan
    rng = generator(plan, "labels")
    found: list[Finding] = []
    for exam in world.exams:
        share = plan.labels.pathology_of_negatives
        if exam.is_positive:
            share = plan.labels.pathology_of_positives
        if rng.random() < share:
            found.append(_pathology(plan, exam, rng))
        elif rng.random() < plan.labels.follow_up_of_others:
            found.append(_follow_up(exam, rng))
    return found


def _pathology(plan: Plan, exam: Exam, rng: np.random.Generator) -> Finding:
    is_late = rng.random() < plan.labels.late
    days = int(rng.integers(92, 150)) if is_late else int(rng.integers(14, 75))
    label = "positive" if exam.is_positive else "negative"
    if rng.random() < 0.02:
        label = "indeterminate"
    return Finding(exam, "pathology", label, "Institut für Pathologie", _noon(exam, days))


def _follow_up(exam: Exam, rng: np.random.Generator) -> Finding:
    label = "positive" if exam.is_positive else "negative"
    return Finding(exam, "follow_up", label, "Tumorboard", _noon(exam, int(rng.integers(95, 118))))


def _noon(exam: Exam, days: int) -> datetime:
    return exam.taken_at.replace(hour=12, minute=0) + timedelta(days=days)
