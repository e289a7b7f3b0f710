"""Sites of known truth for figures under other labels: readers who err alike, and what they read."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtri

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication.label_noise import label_noise
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.core.evaluation.time_split import time_split
from vpack_pipeline.protocol import Adjudication, Evaluation, IndexTest, Sampling
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.core.evaluation_world import SAMPLING, published_looks
from vpack_pipeline_tests.core.test_adjudication_attribution import INDEX_TEST, POINT

CUT = datetime.date(2026, 7, 20)
ONE_MODEL = INDEX_TEST.model_copy(update={"models": INDEX_TEST.models[:1]})
EVALUATION = made.evaluation(operating_points=(POINT,), replicates=200)
CORRELATED = ("0", "0.3", "0.5")


def correlated(rho: str) -> dict[str, str]:
    """The level at which readers' errors, and the model's with them, are correlated so."""
    return {"level_kind": "error_correlation", "level": rho}


@dataclass(frozen=True)
class Site:
    """Frames of a site; ``score`` None of a case is a failed inference."""

    cases: pl.DataFrame
    reads: pl.DataFrame
    reference: pl.DataFrame
    score: list[float | None]
    adjudication: Adjudication
    evaluation: Evaluation = EVALUATION
    index_test: IndexTest = ONE_MODEL
    cut: datetime.date = CUT
    readers_agreed: bool = True
    sampling: Sampling = SAMPLING

    def run(self, function: Any) -> pl.DataFrame:
        included = made.included_of(self.cases)
        shared = {"findings": (made.PLAIN,), "adjudication": self.adjudication}
        labels = reference_standard(
            cases=self.cases, reads=self.reads, reference=self.reference, **shared
        )
        arguments: dict[str, Any] = {
            **shared,
            "reference_standard": labels,
            "cases": self.cases.with_columns(stratum=pl.lit("all")),
            "reads": self.reads,
            "reference": self.reference,
            "included": included,
            "index_test": self.index_test,
            "evaluation": self.evaluation,
            "sampling": self.sampling,
            "case_view": self.cases.with_columns(stratum=pl.lit("all")),
            "readers_agreed": self.readers_agreed,
            "published_looks": published_looks(),
            "cut": self.cut,
            "inferences": self._inferences(),
        }
        arguments["time_split"] = time_split(
            cases=self.cases,
            reference_standard=labels,
            included=included,
            adjudication=self.adjudication,
            evaluation=self.evaluation,
            cut=self.cut,
        )
        section = "adjudication" if function is label_noise else "evaluation"
        contract = contracts.load()[f"{section}/{function.__name__}"]
        asked = {*contract.inputs, *contract.protocol, *contract.site, *contract.outside}
        asked |= {"cut"} if contract.uses_cut else set()
        found = function(**{name: arguments[name] for name in asked})
        assert found.sort(contract.key).equals(found)
        return contracts.conform(found, contract)

    def _inferences(self) -> pl.DataFrame:
        return self.cases.select(
            "case_id",
            pl.lit("nodule").alias("finding"),
            pl.lit("new").alias("model_id"),
            pl.Series("status", ["failed" if s is None else "ok" for s in self.score]),
            pl.Series("score", self.score, dtype=pl.Float64),
            pl.lit(None, pl.Boolean).alias("call"),
        )


def simulated(
    n: int,
    *,
    readers: int,
    model: tuple[float, float] = (1.0, 1.0),
    correlation: float = 0.0,
    verified: float = 0.0,
    is_apart: bool = False,
    seed: int = 11,
    panel: int = 0,
    by_call: tuple[float, float] | None = None,
) -> Site:
    """10% prevalence, readers of 85/95; latent errors share one factor a case.

    The model's too, unless it is apart. Another panel of such readers sees the same cases.
    ``by_call`` has the shares of positive and of negative majorities that are verified.
    """
    rng = np.random.default_rng(seed)
    is_ill = rng.random(n) < 0.1
    factor = rng.standard_normal(n)

    others = np.random.default_rng([seed, panel])

    def said(
        sensitivity: float, specificity: float, rho: float = correlation, *, is_reader: bool = True
    ) -> Any:
        own = rng.standard_normal(n)
        if panel and is_reader:
            own = others.standard_normal(n)
        noise = np.sqrt(rho) * factor + np.sqrt(1 - rho) * own
        is_right = ndtri(np.where(is_ill, sensitivity, specificity)) + noise > 0
        return np.where(is_right, is_ill, ~is_ill)

    names = [f"c{i:06d}" for i in range(n)]
    plain = made.read("", "", "+")
    parts = [
        pl.DataFrame(
            {"case_id": names, "rating": np.where(said(0.85, 0.95), 5.0, 1.0)}
        ).with_columns(reader_id=pl.lit(f"r{reader}"))
        for reader in range(readers)
    ]
    rest = {k: v for k, v in plain.items() if k not in ("case_id", "rating", "reader_id")}
    reads = pl.concat(parts).with_columns(
        pl.lit(v, made.READS[k]).alias(k)
        for k, v in rest.items()  # type: ignore[arg-type]
    )
    sought = rng.random(n) < verified
    if by_call is not None:
        votes = reads.group_by("case_id").agg(pl.col("rating").median()).sort("case_id")
        sought = rng.random(n) < np.where(votes["rating"].to_numpy() == 5, *by_call)
    truth = [
        (name, "pathology", "positive" if ill else "negative", 5)
        for name, ill, has in zip(names, is_ill, sought, strict=True)
        if has
    ]
    return Site(
        cases=made.cases_of(names),
        reads=reads.select(list(made.READS)),
        reference=made.reference_of(truth),
        score=np.where(
            said(*model, 0.0 if is_apart else correlation, is_reader=False), 0.9, 0.1
        ).tolist(),
        adjudication=made.adjudication(precedence=("independent_reference", "majority")),
    )


def row(figures: pl.DataFrame, metric: str, **where: str) -> dict[str, Any]:
    return figures.row(
        by_predicate=pl.all_horizontal(
            pl.col(k) == v
            for k, v in {"window": "retrospective", "metric": metric, **where}.items()
        ),
        named=True,
    )


def noise_row(figures: pl.DataFrame, metric: str, **where: str) -> dict[str, Any]:
    wanted = [pl.col(k) == v for k, v in {"metric": metric, **where}.items()]
    return figures.row(by_predicate=pl.all_horizontal(wanted), named=True)


def small(**changes: Any) -> Site:
    """Fifty cases of three readers; r2 alone makes c a positive, d is undecided."""
    panels = {
        "a": ("+ + +", 0.9),
        "b": ("- - -", 0.1),
        "c": ("+ - +", 0.1),
        "d": ("+ -", 0.9),
        "e": ("- - x", None),
    } | {f"f{i:02}": ("+ + +" if i < 5 else "- - -", 0.8 if i < 5 else 0.2) for i in range(45)}
    settings: dict[str, Any] = {
        "cases": made.cases_of(sorted(panels)),
        "reads": made.reads_of([r for c, (said, _) in panels.items() for r in made.panel(c, said)]),
        "reference": made.reference_of([]),
        "score": [panels[c][1] for c in sorted(panels)],
        "adjudication": made.adjudication(minimum_readers=2, quorum=2),
    }
    return Site(**(settings | changes))
