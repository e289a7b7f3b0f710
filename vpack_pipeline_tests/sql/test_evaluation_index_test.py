"""Which attempt counts: the model over a few predictions, in DuckDB."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.evaluation.analysis import AnalysisSet
from vpack_pipeline.gate import check
from vpack_pipeline.io import models
from vpack_pipeline_tests.core.evaluation_world import INDEX_TEST

ASSET = "evaluation/index_test"
STAMP = pl.Datetime("us", "UTC")
ROW: dict[str, Any] = {
    "case_id": "a",
    "finding": "nodule",
    "model_id": "m-2",
    "attempt": 1,
    "status": "ok",
    "score": 0.5,
    "call": None,
    "received_at": datetime(2025, 7, 1, tzinfo=UTC),
    "produced_at": datetime(2025, 7, 2, tzinfo=UTC),
    "in_force": True,
}
SCHEMA = {
    "case_id": pl.String,
    "finding": pl.String,
    "model_id": pl.String,
    "attempt": pl.Int64,
    "status": pl.String,
    "score": pl.Float64,
    "call": pl.Boolean,
    "received_at": STAMP,
    "produced_at": STAMP,
    "in_force": pl.Boolean,
}


def run(tmp_path, rows, attempt="first_ok", cases=("a",), model_ids=("m-2",)):
    units = pl.DataFrame({"case_id": cases, "finding": "nodule", "patient_id": "p"})
    predictions = pl.DataFrame([{**ROW, **row} for row in rows], schema=SCHEMA)
    files = {}
    for name, frame in (
        ("adjudication/reference_standard", units),
        ("cohort/predictions", predictions),
    ):
        path = tmp_path / f"{name.partition('/')[2]}.parquet"
        frame.write_parquet(path)
        files[name] = [path]
    model = models.load()[ASSET]
    assert model.inputs == set(files)
    destination = tmp_path / "made.parquet"
    parameters = {"attempt": attempt, "models": list(model_ids)}
    models.run(model.sql, contracts.load()[ASSET], files, parameters, destination)
    return pl.read_parquet(destination)


ATTEMPTS = [
    {"attempt": 1, "status": "failed", "score": None},
    {"attempt": 2, "score": 0.2},
    {"attempt": 3, "score": 0.3},
    {"attempt": 4, "status": "refused", "score": None},
]


@pytest.mark.parametrize(("rule", "attempt"), [("first", 1), ("first_ok", 2), ("last", 4)])
def test_the_attempt_that_the_protocol_names_counts(tmp_path, rule, attempt):
    row = run(tmp_path, ATTEMPTS, rule).row(0, named=True)
    chosen = ATTEMPTS[attempt - 1]
    assert (row["attempt"], row["n_attempts"]) == (attempt, 4)
    assert (row["status"], row["score"]) == (chosen.get("status", "ok"), chosen["score"])


def test_first_ok_falls_back_to_the_first_attempt_where_none_succeeded(tmp_path):
    row = run(tmp_path, [ATTEMPTS[0], ATTEMPTS[3]]).row(0, named=True)
    assert (row["attempt"], row["status"]) == (1, "failed")


def test_case_without_a_prediction_is_missing_for_every_model(tmp_path):
    frame = run(tmp_path, [{}], cases=("a", "b"), model_ids=("m-2", "m-1"))
    statuses = dict(
        zip(zip(frame["case_id"], frame["model_id"], strict=True), frame["status"], strict=True)
    )
    assert statuses == {
        ("a", "m-2"): "ok",
        ("a", "m-1"): "missing",
        ("b", "m-2"): "missing",
        ("b", "m-1"): "missing",
    }
    assert frame.filter(pl.col("status") == "missing")["n_attempts"].to_list() == [0, 0, 0]


def test_superseded_rows_other_findings_and_unknown_models_do_not_count(tmp_path):
    rows = [{"in_force": False}, {"finding": "other"}, {"model_id": "m-9"}]
    assert run(tmp_path, rows)["status"].to_list() == ["missing"]


def test_output_of_an_attempt_that_did_not_complete_is_not_kept(tmp_path):
    frame = run(tmp_path, [{"status": "failed", "score": 0.9, "call": True}])
    assert frame["score"].null_count() == 1
    assert frame["call"].null_count() == 1


def test_what_the_model_makes_passes_the_gate_and_damage_does_not(tmp_path):
    frame = run(tmp_path, ATTEMPTS, cases=("a", "b"), model_ids=("m-2", "m-1"))
    path = tmp_path / "made.parquet"
    contract = contracts.load()[ASSET]
    assert {c.outcome for c in check.run(contract, [path], frame.height)} == {"pass"}
    damage = {
        "only_ok_has_output": frame.with_columns(pl.lit(0.5).alias("score")),
        "missing_has_no_attempt": frame.with_columns(pl.lit(1).alias("n_attempts")),
        "every_model": frame.head(3),
    }
    for expectation, damaged in damage.items():
        damaged.write_parquet(path)
        found = {c.id: c.outcome for c in check.run(contract, [path], damaged.height)}
        assert found[expectation] == "fail"


def test_every_column_of_the_model_has_a_source_or_a_parameter():
    lineage = models.column_lineage(ASSET)
    assert {name for name, sources in lineage.items() if not sources} == {"model_id"}


@pytest.mark.parametrize("kind", ["probability", "binary"])
def test_the_model_and_the_analysis_set_agree_on_what_a_usable_inference_is(tmp_path, kind):
    rows = [
        {"case_id": case, "status": status, "score": 0.7, "call": True}
        for case, status in zip("abc", ("ok", "failed", "refused"), strict=True)
    ]
    frame = run(tmp_path, rows, cases=tuple("abcd"))
    units = frame.select("case_id", "finding", "patient_id")
    analysis = AnalysisSet(
        index_test=INDEX_TEST.model_copy(
            update={"output": INDEX_TEST.output.model_copy(update={"kind": kind})}
        ),
        time_split=units.with_columns(
            window=pl.lit("prospective"), is_mature=True, is_included=True
        ),
        reference_standard=units.with_columns(label=pl.lit("positive")),
        inferences=frame,
    )
    found = analysis.cases("nodule", "m-2", "prospective")
    has_output = frame.sort("case_id").select(pl.col("score", "call").is_not_null())
    assert found.is_usable.tolist() == [True, False, False, False]
    assert has_output["score"].to_list() == has_output["call"].to_list() == found.is_usable.tolist()
