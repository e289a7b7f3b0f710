"""Every table of evaluation on studies that leave it little or nothing to say.

Each figure is there with a value within its metric's range and bounds around it, or says why not.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts import metrics
from vpack_pipeline.protocol import IndexTest, Output, Sampling, Stratum
from vpack_pipeline_tests.core.evaluation_world import (
    AFTER,
    BEFORE,
    FINDING,
    INDEX_TEST,
    LOOK,
    POINT,
    Case,
    World,
    figure,
    value,
)

TABLES = sorted(
    contract.table
    for contract in contracts.load().values()
    if contract.section == "evaluation"
    and contract.computed_by == "core"
    and contract.shape == "figure"
)
LATER = LOOK + datetime.timedelta(days=1)
BINARY = Output(kind="binary", minimum=0.0, maximum=1.0)
FIVE_STEPS = Output(kind="ordinal", minimum=1.0, maximum=5.0)
REVERSED = Output(kind="probability", minimum=0.0, maximum=1.0, higher_is="negative")


def scored(positives: int, negatives: int, date: datetime.date, seed: int = 1) -> list[Case]:
    """Cases whose scores overlap, from .05 to .95."""
    rng = np.random.default_rng(seed)
    parts = [("positive", positives, 0.6), ("negative", negatives, 0.35)]
    return [
        Case(label, round(float(np.clip(rng.normal(mean, 0.2), 0.05, 0.95)), 3), date=date)
        for label, n, mean in parts
        for _ in range(n)
    ]


def both(positives: int, negatives: int) -> list[Case]:
    return scored(positives, negatives, BEFORE) + scored(positives, negatives, AFTER, seed=2)


def with_output(output: Output) -> IndexTest:
    return INDEX_TEST.model_copy(update={"output": output})


def usual() -> World:
    return World(both(20, 60), cut=LATER)


def one_positive() -> World:
    return World(both(1, 30), cut=LATER)


def no_positive() -> World:
    return World(both(0, 30), cut=LATER)


def nobody() -> World:
    return World([], cut=LATER)


def all_tied() -> World:
    return World([*_all(both(12, 30), score=0.5)], cut=LATER)


def no_negatives_after() -> World:
    return World(scored(15, 30, BEFORE) + scored(15, 0, AFTER), cut=LATER)


def no_labels() -> World:
    return World([*_all(both(12, 30), label=None)], cut=LATER)


def no_inference() -> World:
    return World([*_all(both(12, 30), score=None, status="failed")], cut=LATER)


def one_patient_of_many_cases() -> World:
    cases = both(12, 30)
    return World([*cases, *_all(scored(3000, 7000, AFTER, 3), patient="p-of-many")], cut=LATER)


def one_patient_alone() -> World:
    return World([*_all(both(12, 30), patient="p-alone")], cut=LATER)


def two_findings_one_unlabelled() -> World:
    world = usual()
    second = FINDING.model_copy(update={"name": "effusion", "title": "Effusion"})
    labels, inferences = world.argument("reference_standard"), world.argument("inferences")
    other = {"finding": pl.lit("effusion")}
    nothing = {"label": pl.lit(None, pl.String), "source": pl.lit(None, pl.String)}
    given = {
        "reference_standard": pl.concat([labels, labels.with_columns(**other, **nothing)]),
        "inferences": pl.concat([inferences, inferences.with_columns(**other)]),
    }
    point = POINT.model_copy(update={"name": "effusion", "finding": "effusion", "primary": True})
    return world.but(findings=(FINDING, second), given=given).evaluated(
        operating_points=(POINT, point)
    )


def five_steps() -> World:
    cases = [Case(c.label, float(round(1 + 4 * (c.score or 0))), date=c.date) for c in both(20, 60)]
    point = POINT.model_copy(update={"threshold": 3.0})
    world = World(cases, cut=LATER, index_test=with_output(FIVE_STEPS))
    return world.evaluated(operating_points=(point,))


def binary() -> World:
    cases = [Case(c.label, None, call=(c.score or 0) >= 0.5, date=c.date) for c in both(20, 60)]
    point = POINT.model_copy(update={"threshold": None})
    world = World(cases, cut=LATER, index_test=with_output(BINARY))
    return world.evaluated(operating_points=(point,))


def higher_is_negative() -> World:
    cases = [Case(c.label, round(1 - (c.score or 0), 3), date=c.date) for c in both(20, 60)]
    return World(cases, cut=LATER, index_test=with_output(REVERSED))


def two_phase_with_a_stratum_never_sampled() -> World:
    """All flagged cases and a tenth of the cleared; of portables none, and one came all the same.

    Before the lock all are of sampled strata; after it one is not, and has no weight.
    """
    strata = {"flagged": 1.0, "cleared": 0.1, "portable": 0.0}
    sampling = Sampling(
        method="random",
        depends_on=("score",),
        strata=tuple(Stratum(name=name, fraction=share) for name, share in strata.items()),
    )
    cases = [
        Case(c.label, c.score, date=c.date, stratum="flagged" if c.score >= 0.5 else "cleared")
        for c in both(20, 60)
        if c.score is not None
    ]
    stray = Case("negative", 0.2, date=AFTER, stratum="portable")
    return World([*cases, stray], cut=LATER, sampling=sampling)


def _all(cases: list[Case], **changes: object) -> list[Case]:
    return [Case(**{**_fields(case), **changes}) for case in cases]  # type: ignore[arg-type]


def _fields(case: Case) -> dict[str, object]:
    return {name: getattr(case, name) for name in case.__dataclass_fields__}


WORLDS: dict[str, Callable[[], World]] = {
    make.__name__: make
    for make in (
        usual,
        one_positive,
        no_positive,
        nobody,
        all_tied,
        no_negatives_after,
        no_labels,
        no_inference,
        one_patient_of_many_cases,
        one_patient_alone,
        two_findings_one_unlabelled,
        five_steps,
        binary,
        higher_is_negative,
        two_phase_with_a_stratum_never_sampled,
    )
}


@pytest.fixture(scope="module", params=sorted(WORLDS))
def world(request: pytest.FixtureRequest) -> World:
    return WORLDS[request.param]()


@pytest.mark.parametrize("table", TABLES)
def test_each_figure_is_sound_or_says_why_there_is_none(world: World, table: str) -> None:
    made = world.run(table)
    assert made.height, "a table is never empty by accident"
    for row in made.iter_rows(named=True):
        at = f"{table} {row}"
        values = [row[name] for name in ("estimate", "lower", "upper") if row[name] is not None]
        assert all(math.isfinite(v) for v in values), at
        assert (
            (row["estimate"] is None) == (row["reason"] is not None) == (row["status"] != "given")
        ), at
        if row["estimate"] is None:
            assert row["lower"] is row["upper"] is None, at
            continue
        low, high = metrics.find(f"evaluation/{table}", row["metric"]).limits
        assert all((low is None or v >= low) and (high is None or v <= high) for v in values), at
        if row["lower"] is not None and row["upper"] is not None:
            assert row["lower"] <= row["upper"], at


def test_a_stratum_of_fraction_0_is_named_and_a_case_of_it_has_no_weight() -> None:
    frame = two_phase_with_a_stratum_never_sampled().run("performance")
    before, after = (figure(frame, "auc", window=w) for w in ("retrospective", "prospective"))
    assert (before["status"], before["notes"]) == ("given", "strata_not_sampled")
    assert (after["status"], after["reason"]) == ("refused", "no_sampling_fraction")


def test_higher_is_negative_gives_what_the_mirrored_score_gives() -> None:
    plain, mirrored = usual(), higher_is_negative()
    for table in ("performance", "operating_points", "comparison"):
        a, b = plain.run(table), mirrored.run(table)
        assert a["metric"].equals(b["metric"])
        for name in ("estimate", "lower", "upper"):
            assert a[name].to_list() == pytest.approx(b[name].to_list(), abs=1e-9), table


def test_a_patient_of_ten_thousand_cases_counts_as_one() -> None:
    many = one_patient_of_many_cases().run("operating_points")
    few = World(both(12, 30), cut=LATER).run("operating_points")
    at = {
        "window": "prospective",
        "analysis": "intention_to_diagnose",
        "operating_point": "locked",
    }
    wide, narrow = (figure(frame, "sensitivity", **at) for frame in (many, few))
    assert wide["n"] == 3012
    assert wide["upper"] - wide["lower"] > narrow["upper"] - narrow["lower"]


def test_a_finding_without_labels_takes_nothing_from_the_other() -> None:
    alone, beside = usual().run("performance"), two_findings_one_unlabelled().run("performance")
    for metric in ("auc", "prevalence"):
        at = {"window": "prospective", "finding": "nodule", "model_id": "m-2"}
        assert value(beside, metric, **at) == value(alone, metric, **at)
        assert value(beside, metric, **at | {"finding": "effusion"}) is None
