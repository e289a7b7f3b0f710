"""What the planted index test makes of each exam: scores, failures and their times.

What does not belong here: how predictions are delivered (``inputs``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from examples.demo_sites.plan import Plan
from examples.demo_sites.world import Exam, World, generator


@dataclass(frozen=True, slots=True)
class Prediction:
    """One attempt of one model on one exam."""

    exam: Exam
    model: str
    attempt: int
    status: str
    score: float | None
    received_at: datetime | None
    produced_at: datetime | None


def predictions(world: World) -> list[Prediction]:
    """Score every exam with every model; exact numbers of exams fail in each planted way."""
    found: list[Prediction] = []
    for model in world.plan.model:
        found += _of_model(world, model)
    return found


def _of_model(world: World, model: str) -> list[Prediction]:
    plan = world.plan
    rng = generator(plan, f"scores {model}")
    fates = _fates(plan, model, world.exams, rng)
    late = _late(world, rng) if model == next(iter(plan.model)) else set()
    found: list[Prediction] = []
    for exam in world.exams:
        score = _score(plan, model, exam, rng)
        received = _received(plan, model, exam, rng)
        fate = fates.get(exam.number, "ok")
        if exam.number in late:
            received = exam.taken_at.astimezone(UTC) + timedelta(days=26)
        found += _attempts(exam, model, fate, score, received)
    return found


def _fates(plan: Plan, model: str, exams: list[Exam], rng: np.random.Generator) -> dict[int, str]:
    pool = [e.number for e in exams if e.window in {"retrospective", "prospective"}]
    order = iter(rng.permutation(pool).tolist())
    return {
        next(order): fate for fate, n in plan.failures[model].model_dump().items() for _ in range(n)
    }


def _late(world: World, rng: np.random.Generator) -> set[int]:
    """Choose prospective exams that were scored again after they had been read."""
    pool = [e.number for e in world.exams if e.window == "prospective" and not e.quirks]
    n = world.plan.integrity.predictions_after_reads
    return set(rng.choice(pool, n, replace=False).tolist())


def _score(plan: Plan, model: str, exam: Exam, rng: np.random.Generator) -> float:
    """Binormal latent value, turned to a probability at the prior that it was tuned for."""
    how = plan.model[model]
    change = plan.replacement
    is_primary = model == next(iter(plan.model))
    is_changed = is_primary and exam.room_name == change.by
    separation = change.separation if is_changed else how.separation
    if exam.is_flattered:
        separation = how.flattered_separation
    shared = plan.model_error_correlation**0.5
    noise = shared * exam.hardness + (1 - shared**2) ** 0.5 * float(rng.normal())
    is_swapped = rng.random() < how.swapped and exam.window == "prospective"
    believed = exam.is_positive != is_swapped
    latent = separation - noise if believed else noise
    # Calibrated at the nominal separation: what the model was tuned on.
    nominal = how.separation
    prior = np.log(how.prior / (1 - how.prior))
    logit = how.slope * (nominal * latent - nominal**2 / 2 + prior)
    logit += change.shift if is_changed else 0.0
    return round(float(1 / (1 + np.exp(-logit))), 6)


def _received(plan: Plan, model: str, exam: Exam, rng: np.random.Generator) -> datetime:
    """The primary model ran over the archive after its lock, and live from then on."""
    delay = timedelta(seconds=int(rng.integers(40, 900)))
    lock = datetime.combine(plan.windows.prospective.start, datetime.min.time(), UTC)
    taken = exam.taken_at.astimezone(UTC)
    is_primary = model == next(iter(plan.model))
    if is_primary and exam.window in {"before", "retrospective"}:
        return lock + timedelta(hours=6, seconds=20 * exam.number) + delay
    return taken + delay


def _attempts(
    exam: Exam, model: str, fate: str, score: float, received: datetime
) -> list[Prediction]:
    produced = received + timedelta(seconds=9)
    if fate == "absent":
        return []
    if fate == "not_sent":
        return [Prediction(exam, model, 1, "not_sent", None, None, None)]
    if fate in {"failed", "refused"}:
        return [Prediction(exam, model, 1, fate, None, received, produced)]
    if fate == "failed_then_ok":
        again = received + timedelta(hours=1)
        return [
            Prediction(exam, model, 1, "failed", None, received, produced),
            Prediction(exam, model, 2, "ok", score, again, again + timedelta(seconds=9)),
        ]
    return [Prediction(exam, model, 1, "ok", score, received, produced)]
