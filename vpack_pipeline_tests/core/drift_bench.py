"""A site whose stream of cases is drawn from one distribution, with changes planted at a date."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from vpack_pipeline.core import drift as section
from vpack_pipeline.core.printed_words import numbered, printed_texts
from vpack_pipeline.core.representativeness.levels import levels
from vpack_pipeline.document import Window
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Drift,
    Endpoint,
    Escalation,
    Evaluation,
    FalseAlarms,
    IndexTest,
    IndexTestModel,
    Look,
    Monitor,
    OperatingPoint,
    Output,
    Representativeness,
    Subgroups,
    Variable,
)

START = date(2024, 1, 1)
REFERENCE_END = date(2024, 12, 31)
LOOK = date(2025, 12, 1)
EVERY_KIND = (
    ("age_missing", "missing_rate", "age_years"),
    ("cases", "volume", None),
    ("device", "new_category", "model"),
    ("devices", "jensen_shannon", "model"),
    ("ages", "psi", "age_years"),
    ("sizes", "ks", "size_mm"),
    ("score_level", "mean_shift", "score"),
    ("flags", "rate", "call"),
    ("failures", "rate", "failure"),
    ("bedside", "rate", "bedside"),
    ("expected", "cbpe", None),
)


def monitor(name: str, statistic: str, variable: str | None, **more: Any) -> Monitor:
    layer = "proxy" if statistic == "cbpe" else "input"
    given = {"title": name, "layer": layer, "bins": 5, "level": "L1", "sees": "x", "blind_to": "y"}
    return Monitor(name=name, statistic=statistic, variable=variable, **{**given, **more})


def plan_of(*monitors: Monitor, **more: Any) -> Drift:
    given: dict[str, Any] = {
        "monitors": monitors or tuple(monitor(*m) for m in EVERY_KIND),
        "reference": Window(start=START, end=REFERENCE_END),
        "window_days": 60,
        "cadence_days": 60,
        "minimum_cases": 50,
        "minimum_detectable_change": 0.8,
        "escalation": (
            Escalation(
                level="L1",
                title="Look",
                owner="Data owner",
                response="5 days",
                action="Look",
                closes_with="A cause",
            ),
        ),
        "live_evidence": "nowhere",
        "replicates": 400,
        "seed": 5,
        "false_alarms": FalseAlarms(warnings_per_quarter=0.15, actions_per_two_years=0.6),
    }
    return Drift(**{**given, **more})


def evaluation(**more: Any) -> Evaluation:
    given: dict[str, Any] = {
        "retrospective": Window(start=START, end=REFERENCE_END),
        "prospective": Window(start=date(2025, 1, 1), end=date(2025, 12, 31)),
        "maturity": {"panel": 10},
        "operating_points": tuple(
            OperatingPoint(
                name=name,
                title=name,
                finding="nodule",
                model="m-1",
                threshold=threshold,
                fixed_at=datetime(2024, 1, 1, tzinfo=UTC),
                primary=primary,
            )
            for name, threshold, primary in (("low", 0.1, False), ("locked", 0.5, True))
        ),
        "endpoints": (
            Endpoint(
                id="auc",
                title="AUC",
                estimand="x",
                metric="auc",
                finding="nodule",
                window="prospective",
                rank="primary",
                goal=0.8,
            ),
        ),
        "looks": (Look(cut=LOOK),),
        "subgroups": Subgroups(variables=()),
        "seed": 1,
    }
    return Evaluation(**{**given, **more})


def index_test(kind: str = "probability", **output: Any) -> IndexTest:
    model = IndexTestModel(
        id="m-1",
        version="1",
        digest="sha256:" + "0" * 64,
        locked_at=datetime(2024, 1, 1, tzinfo=UTC),
        primary=True,
    )
    given = {"kind": kind, "minimum": 0.0, "maximum": 1.0, **output}
    return IndexTest(
        models=(model,), output=Output.model_validate(given), failed_counts_as="negative"
    )


COVARIATES = (
    Covariate(name="size_mm", title="Size", type="float"),
    Covariate(name="bedside", title="Bedside", type="bool"),
)


TECHNICAL = Disclosure(technical=("size_mm",))
DEVICE = Variable(name="model", title="Model", kind="categorical", levels=("A", "B", "C"))
AGE = Variable(name="age_years", title="Age", kind="numeric", edges=(50, 60, 70))
BEDSIDE = Variable(name="bedside", title="Bedside", kind="categorical", levels=("true", "false"))


def words_of(
    cases: pl.DataFrame, profile: Representativeness, disclosure: Disclosure
) -> pl.DataFrame:
    """Make cohort/printed_words of a site that lists nothing beside the protocol's levels."""
    rows = []
    for text in printed_texts(profile, COVARIATES, disclosure):
        if text.field in cases.columns:
            texts = cases[text.field].drop_nulls()
            made = numbered(texts, frozenset(text.levels), digest=str.lower)
            rows += [(text.kind, text.field, *pair) for pair in made.items()]
    names = ("kind", "field", "word", "printed_word")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


@dataclass
class Site:
    """Cases of a seeded stream; a change that is named begins at ``changed_on``."""

    seed: int = 0
    per_day: float = 3.0
    until: date = date(2025, 6, 30)
    changed_on: date = date(2025, 1, 1)
    changes: dict[str, Any] = field(default_factory=dict)
    drift: Drift = field(default_factory=plan_of)
    evaluation: Evaluation = field(default_factory=evaluation)
    index_test: IndexTest = field(default_factory=index_test)
    excluded_share: float = 0.0
    variables: tuple[Variable, ...] = (DEVICE,)
    """Of the profile: without those that describe people, nobody is described."""
    disclosure: Disclosure = TECHNICAL

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        rows, scores = [], []
        for day in range((self.until - START).days + 1):
            on = START + timedelta(days=day)
            now = self.changes if on >= self.changed_on else {}
            for _ in range(rng.poisson(self.per_day * now.get("volume", 1.0))):
                number = len(rows)
                # A third of the patients come twice: cases are not independent.
                patient = number if rng.random() > 0.3 or not rows else rng.integers(number)
                rows.append(self._case(rng, on, number, int(patient), now))
                scores.append(self._score(rng, number, now))
        self.cases = pl.DataFrame(rows, schema=_CASES, orient="row")
        self.scores = pl.DataFrame(scores, schema=_SCORES, orient="row")
        keep = rng.random(len(rows)) >= self.excluded_share
        self.included = self.cases.filter(pl.Series(keep)).select("case_id", "patient_id")
        self.levels = levels(
            cases=self.cases,
            included=self.included,
            representativeness=Representativeness(variables=self.variables),
            covariates=COVARIATES,
            evaluation=self.evaluation,
            disclosure=self.disclosure,
        )

    def _case(
        self, rng: np.random.Generator, on: date, number: int, patient: int, now: dict[str, Any]
    ) -> tuple[Any, ...]:
        age = rng.normal(60 + now.get("age", 0), 12)
        missing = rng.random() < now.get("missing", 0.1)
        model = now.get("model") or rng.choice(["A", "B", "C"], p=[0.6, 0.3, 0.1])
        size = rng.lognormal(2 + now.get("size", 0), 0.5)
        bedside = "null" if rng.random() < 0.05 else str(bool(rng.random() < 0.2)).lower()
        covariates = f'{{"size_mm":{size:.3f},"bedside":{bedside}}}'
        identity = (f"case-{number:06}", f"patient-{patient:06}", on)
        return (*identity, None if missing else float(age), str(model), covariates)

    @staticmethod
    def _score(rng: np.random.Generator, number: int, now: dict[str, Any]) -> tuple[Any, ...]:
        has_failed = rng.random() < now.get("failure", 0.03)
        latent = rng.normal(-1 + now.get("score", 0), 1.5)
        score = None if has_failed else float(1 / (1 + np.exp(-latent)))
        status = "failed" if has_failed else "ok"
        call = None if score is None else score >= 0.3
        return (f"case-{number:06}", "nodule", "m-1", status, score, call)

    @property
    def _given(self) -> dict[str, Any]:
        profile = Representativeness(variables=self.variables)
        return {
            "cases": self.cases,
            "included": self.included,
            "scores": self.scores,
            "levels": self.levels,
            "printed_words": words_of(self.cases, profile, self.disclosure),
            "covariates": COVARIATES,
            "representativeness": profile,
            "disclosure": self.disclosure,
            "evaluation": self.evaluation,
            "index_test": self.index_test,
            "drift": self.drift,
        }

    def baseline(self) -> pl.DataFrame:
        return section.baseline(**self._given)

    def limits(self) -> pl.DataFrame:
        return section.limits(**self._given)

    def status(
        self, cut: date = date(2025, 7, 1), limits: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        given = self.limits() if limits is None else limits
        return section.status(**self._given, limits=given, cut=cut)


_CASES = {
    "case_id": pl.String,
    "patient_id": pl.String,
    "index_date": pl.Date,
    "age_years": pl.Float64,
    "model": pl.String,
    "covariates": pl.String,
}
_SCORES = {
    "case_id": pl.String,
    "finding": pl.String,
    "model_id": pl.String,
    "status": pl.String,
    "score": pl.Float64,
    "call": pl.Boolean,
}
