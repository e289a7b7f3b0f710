"""The call of an output: the same for evaluation and monitoring, whichever way scores point."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from evaluation_world import EVALUATION, INDEX_TEST, POINT, Case, World

from vpack_pipeline.core.calls import calls_at, oriented, primary_point
from vpack_pipeline.core.drift.signals import values_of
from vpack_pipeline.core.evaluation.analysis import AnalysisSet, called
from vpack_pipeline.protocol import IndexTest, Monitor

NAN = float("nan")
SCORES = np.asarray([0.2, 0.5, 0.8, NAN])
OWN = np.asarray([1.0, 0.0, NAN, 1.0])
FLAGS = Monitor(
    name="flags",
    title="Flags",
    statistic="rate",
    layer="output",
    variable="call",
    finding="nodule",
    sees="x",
    blind_to="y",
)


def output_of(failed: str = "negative", **output: Any) -> IndexTest:
    made = INDEX_TEST.output.model_copy(update=output)
    return INDEX_TEST.model_copy(update={"output": made, "failed_counts_as": failed})


@pytest.mark.parametrize(
    ("higher_is", "expected"),
    [("positive", [0, 1, 1, NAN]), ("negative", [1, 1, 0, NAN])],
)
def test_at_or_beyond_the_threshold_is_flagged_in_the_direction_of_scores(
    higher_is: str, expected: list[float]
) -> None:
    test = output_of(higher_is=higher_is)
    found = calls_at(POINT, oriented(SCORES, test), OWN, test)
    np.testing.assert_array_equal(found, expected)


def test_the_own_call_stands_where_output_is_binary_or_no_point_is_stated() -> None:
    for point, test in ((POINT, output_of(kind="binary")), (None, output_of())):
        np.testing.assert_array_equal(calls_at(point, SCORES, OWN, test), OWN)


def test_the_primary_point_speaks_else_the_first_of_the_finding_and_model() -> None:
    low = POINT.model_copy(update={"name": "low", "primary": False})
    other = low.model_copy(update={"name": "other", "finding": "effusion"})

    def speaks(finding: str | None, *points: Any) -> str | None:
        stated = EVALUATION.model_copy(update={"operating_points": points})
        point = primary_point(stated, finding, POINT.model)
        return point.name if point else None

    assert speaks("nodule", low, POINT) == "locked"
    assert speaks("nodule", other, low) == "low"
    assert speaks(None, other, low) == "other"
    assert speaks("nodule", other) is None
    assert primary_point(EVALUATION, "nodule", "another") is None


@pytest.mark.parametrize("kind", ["probability", "binary"])
@pytest.mark.parametrize("higher_is", ["positive", "negative"])
@pytest.mark.parametrize("has_point", [True, False])
def test_evaluation_and_monitoring_call_every_output_alike(
    kind: str, higher_is: str, has_point: bool
) -> None:
    cases = [
        Case("positive", score, call=call)
        for score, call in ((0.2, True), (0.5, False), (0.8, True), (0.5, True))
    ]
    points = EVALUATION.operating_points if has_point else ()
    world = World(cases).but(
        index_test=output_of(kind=kind, higher_is=higher_is),
        evaluation=EVALUATION.model_copy(update={"operating_points": points}),
    )
    analysis = AnalysisSet(
        index_test=world.index_test,
        time_split=world.argument("time_split"),
        reference_standard=world.argument("reference_standard"),
        inferences=world.argument("inferences"),
    )
    counted = analysis.cases("nodule", POINT.model, "retrospective")
    point = primary_point(world.evaluation, "nodule", POINT.model)
    evaluated = called(counted, point, world.index_test).is_flagged
    watched = values_of(
        FLAGS,
        world.argument("cases").sort("case_id"),
        world.argument("inferences"),
        (),
        world.evaluation,
        world.index_test,
        words={},
    )
    assert counted.n == len(cases)
    np.testing.assert_array_equal(watched, evaluated.astype(float))


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ("negative", [False, False, False]),
        ("positive", [True, True, True]),
        ("incorrect", [False, True, False]),
    ],
)
def test_a_failed_inference_counts_as_the_protocol_says(failed: str, expected: list[bool]) -> None:
    world = World([Case(label, status="failed") for label in ("positive", "negative", None)])
    test = output_of(failed)
    analysis = AnalysisSet(
        index_test=test,
        time_split=world.argument("time_split"),
        reference_standard=world.argument("reference_standard"),
        inferences=world.argument("inferences"),
    )
    made = called(analysis.cases("nodule", POINT.model, "retrospective"), POINT, test)
    assert made.is_flagged.tolist() == expected
    assert made.is_wrong.tolist() == [False, False, failed == "incorrect"]


@pytest.mark.parametrize(("higher_is", "worst"), [("positive", 0.9), ("negative", 0.2)])
def test_a_case_of_several_findings_is_watched_by_the_one_that_looks_worst(
    higher_is: str, worst: float
) -> None:
    test = output_of(higher_is=higher_is)
    columns = {"finding": ["mass", "nodule"], "score": [0.2, 0.9], "call": [False, True]}
    outputs = pl.DataFrame({"case_id": "c", "model_id": POINT.model, "status": "ok", **columns})
    watched = FLAGS.model_copy(update={"variable": "score", "finding": None})
    cases = pl.DataFrame({"case_id": ["c"]})
    assert values_of(watched, cases, outputs, (), EVALUATION, test, {}).tolist() == [worst]
