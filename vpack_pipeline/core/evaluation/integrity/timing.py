"""Rules on the order of events: lock, receipt, score, label."""

from __future__ import annotations

import datetime

import polars as pl

from vpack_pipeline.core.evaluation.integrity.study import Outcome, Study, judged_by_case


def scored_by_locked_model(study: Study) -> Outcome:
    """No included case was scored before its model was locked."""
    locked = pl.DataFrame(
        {
            "model_id": [m.id for m in study.index_test.models],
            "locked_at": [m.locked_at.astimezone(datetime.UTC) for m in study.index_test.models],
        },
        schema={"model_id": pl.String, "locked_at": pl.Datetime("us", "UTC")},
    )
    scored = (
        study.inferences.filter(pl.col("status") == "ok")
        .join(study.included.select("case_id"), on="case_id", how="semi")
        .join(locked, on="model_id")
    )
    return judged_by_case(scored, pl.col("produced_at") < pl.col("locked_at"))


def received_before_scored(study: Study) -> Outcome:
    """No included prospective case was scored before it was received."""
    scored = study.prospective().filter(pl.col("status") == "ok")
    return judged_by_case(scored, pl.col("produced_at") < pl.col("received_at"))


def scored_before_labelled(study: Study) -> Outcome:
    """Every included prospective case was scored before its label was established."""
    labels = study.reference_standard.filter(pl.col("label").is_not_null())
    scored = (
        study.prospective()
        .filter(pl.col("status") == "ok")
        .join(labels.select("case_id", "finding", "established_at"), on=["case_id", "finding"])
    )
    return judged_by_case(scored, pl.col("produced_at") >= pl.col("established_at"))


def delivered_before_labels(study: Study) -> Outcome:
    """No included prospective score was first delivered after the first evidence for its label.

    Delivery dates cannot be written after the fact, unlike the times inside the files.
    """
    keys = ["case_id", "finding"]
    day = pl.col("delivery").str.head(10).min().alias("day")
    reads = study.reads.filter(pl.col("purpose") == "reference")
    evidence = pl.concat([frame.select(*keys, "delivery") for frame in (reads, study.reference)])
    scores = study.predictions.filter(
        (pl.col("model_id") == study.index_test.primary.id) & (pl.col("status") == "ok")
    )
    both = (
        study.prospective()
        .select(keys)
        .join(scores.group_by(keys).agg(day), on=keys)
        .join(evidence.group_by(keys).agg(day.alias("label_day")), on=keys)
    )
    return judged_by_case(both, pl.col("day") > pl.col("label_day"))
