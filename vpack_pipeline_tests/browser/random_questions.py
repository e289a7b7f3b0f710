"""Seeded questions to the page's script: sets, targets and hospitals of every kind.

What does not belong here: what the answers must be (the Python functions that are asked as well).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from vpack_pipeline.core.transport import COUNTS, Question

METRICS = ("sensitivity", "specificity")


def question(seed: int) -> Question:
    """Make up a set in printed cells, and a target of margins or joint cells."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, size=rng.integers(1, 4)).tolist()
    cells = _cells(rng, sizes)
    groups = [_groups(rng, size) for size in sizes]
    is_joint = bool(rng.random() < 0.6)
    persons = _persons(rng, tuple(map(len, groups)))
    levels = []
    for variable, of in enumerate(groups):
        others = tuple(v for v in range(len(groups)) if v != variable)
        margin = persons.sum(axis=others).tolist()
        levels.append(
            [
                {"label": f"g{variable}{k}", "levels": at, "persons": n}
                for k, (at, n) in enumerate(zip(of, margin, strict=True))
            ]
        )
    joint = [
        {"groups": list(at), "persons": float(n)} for at, n in np.ndenumerate(persons) if n > 0
    ]
    made: dict[str, Any] = {
        "cells": cells,
        "missing": float(rng.integers(0, 3)),
        "design_effects": {
            name: float(1 + rng.choice([0.0, rng.random()]))
            for name in ("positives", "negatives", "cases")
        },
        "target": {"levels": levels, "cells": joint if is_joint else None},
        "level": float(rng.choice([0.8, 0.95, 0.99])),
    }
    if rng.random() < (0.5 if is_joint else 0.1):
        made["prevalence"] = float(rng.choice([0.001, 0.03, 0.2, 0.5, 0.9]))
    if rng.random() < 0.5:
        made["goals"] = {name: float(rng.choice([0.3, 0.6, 0.8])) for name in METRICS}
    asked: Question = made  # type: ignore[assignment]
    return asked


def _cells(rng: np.random.Generator, sizes: list[int]) -> list[dict[str, Any]]:
    """Spread all combinations of levels over cells; some without results, some empty."""
    products = list(itertools.product(*map(range, sizes)))
    folded = rng.choice([0.0, 0.1, 0.4])
    cell_of: dict[int, list[list[int]]] = {}
    for k, at in enumerate(products):
        cell_of.setdefault(0 if rng.random() < folded else k + 1, []).append(list(at))
    is_weighted = rng.random() < 0.15
    made = []
    for label, combinations in cell_of.items():
        counts = None if rng.random() < 0.05 else _counts(rng)
        weighted = None
        if is_weighted and counts is not None:
            factor = float(rng.choice([1.0, 1.0, 4.0]))
            weighted = {name: factor * n for name, n in counts.items()}
        made.append(
            {
                "label": f"cell {label}",
                "combinations": combinations,
                "counts": counts,
                "weighted": weighted,
            }
        )
    return made


def _counts(rng: np.random.Generator) -> dict[str, float]:
    if rng.random() < 0.07:
        return dict.fromkeys(COUNTS, 0.0)
    size = int(rng.choice([3, 30, 300]))
    positive, negative = (int(rng.integers(0, size)) if rng.random() < 0.9 else 0 for _ in range(2))
    undecided = int(rng.integers(0, 3))
    tp, tn, flagged = (int(rng.binomial(n, 0.8)) for n in (positive, negative, undecided))
    numbers = (positive + negative + undecided, positive, tp, negative, tn, undecided, flagged)
    return dict(zip(COUNTS, map(float, numbers), strict=True))


def _groups(rng: np.random.Generator, size: int) -> list[list[int]]:
    """Give levels of a target: printed ones, several together, and ones that no case here has."""
    if rng.random() < 0.1:
        return [list(range(size))]
    of = rng.integers(0, size, size=size) if rng.random() < 0.3 else np.arange(size)
    groups = [np.flatnonzero(of == k).tolist() for k in range(size) if (of == k).any()]
    return [*groups, []] if rng.random() < 0.15 else groups


def _persons(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    if rng.random() < 0.02:
        return np.zeros(shape)
    weights = rng.dirichlet(np.full(int(np.prod(shape)), rng.choice([0.3, 3.0, 30.0])))
    return rng.multinomial(int(rng.choice([7, 200, 5000])), weights).reshape(shape).astype(float)


def hospital(seed: int) -> dict[str, Any]:
    """Make up a pack's figures and a hospital; some are refused."""
    rng = np.random.default_rng(seed)
    stated = [
        {
            "metric": metric,
            "estimate": float(np.round(rng.uniform(0.7, 1.0), 4)),
            "lower": None if rng.random() < 0.1 else 0.6,
            "upper": 1.0,
        }
        for metric in METRICS
    ]
    told = {
        "cases_a_week": float(rng.choice([0.5, 12, 120, 700])),
        "prevalence": float(rng.choice([0.01, 0.03, 0.2, 0.5, 1.0], p=[0.2, 0.3, 0.25, 0.2, 0.05])),
        "weeks": int(rng.choice([1, 13, 52, 200])),
        "margin": float(rng.choice([0.02, 0.05, 0.1, 0.75], p=[0.25, 0.35, 0.35, 0.05])),
        "power": float(rng.choice([0.4, 0.8, 0.9])),
        "level": float(rng.choice([0.9, 0.95])),
        "design_effect": float(rng.choice([0.9, 1, 1.3], p=[0.05, 0.6, 0.35])),
    }
    truths = {}
    if rng.random() < 0.3:
        truths["sensitivity"] = float(np.round(rng.uniform(0.7, 0.99), 3))
    return {"stated": stated, "hospital": told, "truths": truths}
