"""Error attribution, and the gate over every table of this section."""

from __future__ import annotations

import datetime
import functools
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication.agreement import agreement
from vpack_pipeline.core.adjudication.label_noise import label_noise
from vpack_pipeline.core.adjudication.reader_performance import reader_performance
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.core.evaluation.error_attribution import (
    ALL,
    METRICS,
    STATES,
    error_attribution,
)
from vpack_pipeline.core.evaluation.time_split import time_split
from vpack_pipeline.protocol import Disclosure, Evaluation, IndexTest, Sampling
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.core.evaluation_world import published_looks

INDEX_TEST = IndexTest.model_validate(
    {
        "models": [
            {
                "id": name,
                "version": "1",
                "digest": f"sha256:{'0' * 64}",
                "locked_at": "2025-06-01T00:00:00Z",
                "primary": name == "new",
            }
            for name in ("new", "old")
        ],
        "output": {"kind": "probability", "minimum": 0, "maximum": 1},
        "failed_counts_as": "negative",
    }
)
POINT = {
    "name": "locked",
    "title": "Locked",
    "finding": "nodule",
    "model": "new",
    "threshold": 0.5,
    "fixed_at": "2025-06-01T00:00:00Z",
}
EVALUATION = made.evaluation(operating_points=(POINT,))
AFTER_LOOK = datetime.date(2026, 7, 20)
BEFORE_LOOK = datetime.date(2026, 1, 10)

# Case: independent, tiebreak, consensus, pathology, score of the model (None: failed).
CASES: dict[str, tuple[str, str, str, str, float | None]] = {
    "a": ("+ + +", "", "", "", 0.9),
    "b": ("- - -", "", "", "", 0.9),
    "c": ("+ - -", "", "", "", 0.9),
    "d": ("+ -", "+", "", "", 0.1),
    "e": ("+ +", "", "", "", None),
    "f": ("- -", "", "", "", 0.1),
    "g": ("- - -", "", "", "+", 0.1),
    "h": ("+ -", "", "", "", 0.9),
    "i": ("- - -", "", "+ + +", "", 0.1),
    "j": ("? ? ?", "", "", "", 0.9),
}


def tables(patients: dict[str, str] | None = None) -> dict[str, pl.DataFrame]:
    cases = made.cases_of(patients or dict.fromkeys(CASES) | {c: f"p-{c}" for c in CASES})
    reads = [r for c, (own, tie, both, *_) in CASES.items() for r in made.panel(c, own, tie, both)]
    reference = [(c, "pathology", "positive", 5) for c, row in CASES.items() if row[3]]
    frames = {"cases": cases, "reads": made.reads_of(reads)}
    frames["reference"] = made.reference_of(reference)
    frames["included"] = made.included_of(cases)
    return frames


PROTOCOL = made.adjudication(
    precedence=("independent_reference", "consensus", "third_reader", "majority"),
    indeterminate_policy="indeterminate",
)


def standard(frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    return reference_standard(
        cases=frames["cases"],
        reads=frames["reads"],
        reference=frames["reference"],
        findings=(made.NODULE,),
        adjudication=PROTOCOL,
    )


def attributed(
    *,
    cut: datetime.date = AFTER_LOOK,
    index_date: datetime.date = made.INDEX_DATE,
    evaluation: Evaluation = EVALUATION,
    index_test: IndexTest = INDEX_TEST,
    patients: dict[str, str] | None = None,
    saw_peers: bool | None = False,
    looks: pl.DataFrame | None = None,
) -> pl.DataFrame:
    frames = tables(patients)
    cases = frames["cases"].with_columns(index_date=pl.lit(index_date))
    labels = standard(frames)
    inferences = pl.DataFrame(
        [
            {
                "case_id": case,
                "finding": "nodule",
                "model_id": model.id,
                "status": "failed" if row[4] is None else "ok",
                "score": row[4],
                "call": None,
            }
            for case, row in CASES.items()
            for model in index_test.models
        ],
        schema_overrides={"call": pl.Boolean},
    )
    figures = error_attribution(
        cases=cases.with_columns(stratum=pl.lit("all")),
        sampling=Sampling(method="consecutive"),
        time_split=time_split(
            cases=cases,
            reference_standard=labels,
            included=frames["included"],
            adjudication=PROTOCOL,
            evaluation=evaluation,
            cut=cut,
        ),
        reference_standard=labels,
        inferences=inferences,
        reads=frames["reads"].with_columns(saw_peers=pl.lit(saw_peers, pl.Boolean)),
        included=frames["included"],
        findings=(made.NODULE,),
        index_test=index_test,
        evaluation=evaluation,
        published_looks=published_looks() if looks is None else looks,
        cut=cut,
    )
    return contracts.conform(figures, contracts.load()["evaluation/error_attribution"])


def row(
    figures: pl.DataFrame,
    metric: str,
    state: str = ALL,
    model: str = "new",
    window: str = "",
    assumption: str = "none",
) -> dict[str, Any]:
    return figures.row(
        by_predicate=(pl.col("metric") == metric)
        & (pl.col("panel_state") == state)
        & (pl.col("model_id") == model)
        & (pl.col("window") == (window or "retrospective"))
        & (pl.col("assumption") == assumption),
        named=True,
    )


def test_disagreements_are_sorted_by_how_sure_the_standard_was() -> None:
    found = attributed()
    # h is unresolved and j indeterminate: eight cases can be disagreed with, e by failing.
    assert row(found, "n_cases")["estimate"] == 8
    counted = {
        s: (row(found, "disagreement", s)["events"], row(found, "n_cases", s)["events"])
        for s in STATES
    }
    assert counted == {
        "independent_reference": (1, 1),
        "unanimous": (1, 2),
        # c and d, and i, whose consensus overrode its readers.
        "split": (3, 3),
        "single_or_few": (1, 2),
    }
    assert row(found, "disagreement")["events"] == 6


@pytest.mark.parametrize(
    ("counts_as", "missed"), [("negative", 1), ("positive", 0), ("incorrect", 1)]
)
def test_errors_are_those_of_the_headline_a_failed_inference_among_them(
    counts_as: str, missed: int
) -> None:
    other = INDEX_TEST.model_copy(update={"failed_counts_as": counts_as})
    found = attributed(index_test=other)
    assert row(found, "false_positives")["events"] == 2
    assert row(found, "false_negatives")["events"] == 3 + missed
    assert row(found, "false_negatives", "single_or_few")["events"] == missed


def test_share_not_separable_is_that_against_split_and_few() -> None:
    found = row(attributed(), "share_not_separable")
    assert (found["events"], found["n"]) == (4, 6)
    assert found["lower"] < found["estimate"] < found["upper"]
    assert "at_point" in found["method"].split(";")
    assert json.loads(found["detail"])["at_point.point"] == "locked"
    shares = [row(attributed(), "share_of_disagreements", s)["events"] for s in STATES]
    assert sum(shares) == 6


def test_share_not_separable_is_a_lower_bound_and_says_what_the_reads_rest_on() -> None:
    for saw_peers, more in (
        (False, set()),
        (True, {"agreement_after_peers"}),
        (None, {"agreement_peers_not_recorded"}),
    ):
        found = row(attributed(saw_peers=saw_peers), "share_not_separable")
        assert (found["status"], set(found["notes"].split(";"))) == (
            "given",
            {"at_least_if_unanimous_right"} | more,
        )


def test_wrong_labels_of_unanimous_panels_are_added_at_each_correlation() -> None:
    found = attributed()
    least = row(found, "share_not_separable")["estimate"]
    for rho in ("0", "0.3", "0.5"):
        most = row(found, "share_not_separable", assumption=rho)
        wrong = row(found, "share_wrong_labels", "unanimous", assumption=rho)
        assert most["assumption_kind"] == wrong["assumption_kind"] == "error_correlation"
        assert least <= most["estimate"] <= 1
        assert 0 <= wrong["estimate"] <= 1
        assert json.loads(most["detail"])["common_factor_probit.correlation"] == float(rho)
        assert (most["events"], most["n"]) == (4, 6)
        assert "at_most_if_unanimous_wrong" in most["notes"].split(";")
        seen = attributed(saw_peers=True)
        refused = row(seen, "share_wrong_labels", "unanimous", assumption=rho)
        assert (refused["status"], refused["reason"]) == ("refused", "reads_followed_peers")
    agreeing = attributed(
        evaluation=made.evaluation(operating_points=(POINT | {"threshold": 0.0},))
    )
    assert row(agreeing, "share_not_separable", assumption=rho)["status"] == "given"


def test_patients_are_the_clusters() -> None:
    each = row(attributed(), "disagreement")
    pairs = {c: f"p{i // 2}" for i, c in enumerate(sorted(CASES))}
    clustered = row(attributed(patients=pairs), "disagreement")
    assert clustered["estimate"] == each["estimate"]
    assert clustered["upper"] - clustered["lower"] >= each["upper"] - each["lower"]


def test_a_model_without_an_operating_point_is_refused() -> None:
    found = attributed()
    old = row(found, "share_not_separable", model="old")
    assert (old["status"], old["reason"]) == ("refused", "no_operating_point")


def test_nothing_to_attribute_is_refused_with_its_reason() -> None:
    found = attributed()
    later = row(found, "disagreement", window="prospective")
    assert (later["status"], later["reason"]) == ("refused", "no_decided_or_completed")
    agreeing = made.evaluation(operating_points=(POINT | {"threshold": 2.0},))
    negative_only = attributed(evaluation=agreeing)
    assert row(negative_only, "false_positives")["events"] == 0
    share = row(found, "share_not_separable", window="prospective")
    assert share["reason"] == "no_disagreement"


def test_prospective_window_is_withheld_before_the_first_look() -> None:
    day = datetime.date(2025, 8, 1)
    found = attributed(cut=BEFORE_LOOK, index_date=day)
    prospective = found.filter(pl.col("window") == "prospective")
    assert set(prospective["status"]) == {"withheld"}
    assert prospective["n"].null_count() == prospective.height
    after = attributed(cut=AFTER_LOOK, index_date=day)
    assert row(after, "disagreement", window="prospective")["events"] == 6


def test_at_a_void_look_prospective_disagreements_are_exploratory() -> None:
    void = published_looks({"endpoint": "auc", "look": str(AFTER_LOOK), "verdict": "void"})
    found = attributed(index_date=datetime.date(2025, 8, 1), looks=void)
    is_exploratory = pl.col("notes").fill_null("").str.contains("exploratory_look_void")
    is_prospective = pl.col("window") == "prospective"
    assert found.filter(is_exploratory).equals(found.filter(is_prospective))
    assert row(found, "disagreement", window="prospective")["events"] == 6


def test_immature_cases_do_not_enter() -> None:
    # Labels of the panel are due after 30 days, of pathology after 60: all cases wait for both.
    early = attributed(cut=made.INDEX_DATE + datetime.timedelta(days=31))
    assert row(early, "n_cases")["estimate"] == 0
    due = attributed(cut=made.INDEX_DATE + datetime.timedelta(days=91))
    assert row(due, "n_cases")["estimate"] == row(attributed(), "n_cases")["estimate"] > 6


def test_attribution_rows_are_fixed_by_the_protocol() -> None:
    per_cell = (len(METRICS) + 1) * (len(STATES) + 1) + 1
    found = attributed()
    assert found.height == 2 * 2 * (per_cell + 2 * 3)
    assert (
        not found.select(contracts.load()["evaluation/error_attribution"].key).is_duplicated().any()
    )


@functools.cache
def gate_tables() -> dict[str, pl.DataFrame]:
    frames = tables()
    shared: dict[str, Any] = {
        "reads": frames["reads"],
        "included": frames["included"],
        "findings": (made.NODULE,),
        "evaluation": EVALUATION,
    }
    labels = standard(frames)
    roster = made.roster("r0", "r1", "r2")
    return {
        "adjudication/reference_standard": labels,
        "adjudication/agreement": agreement(
            **shared,
            cases=frames["cases"].with_columns(stratum=pl.lit("all")),
            sampling=Sampling(method="consecutive"),
            reference_standard=labels,
            adjudication=PROTOCOL,
            disclosure=Disclosure(),
            readers_agreed=True,
        ),
        "adjudication/reader_performance": reader_performance(
            **shared,
            readers=roster,
            printed_words=made.words_of(roster),
            readers_agreed=True,
            cases=frames["cases"],
            reference=frames["reference"],
            adjudication=PROTOCOL,
        ),
        "adjudication/label_noise": label_noise(
            **shared,
            cases=frames["cases"],
            reference=frames["reference"],
            reference_standard=labels,
            adjudication=PROTOCOL,
        ),
        "evaluation/error_attribution": attributed(),
    }


@pytest.mark.parametrize("asset", sorted(gate_tables()))
def test_computed_table_passes_its_own_gate(asset: str, tmp_path: Path) -> None:
    from vpack_pipeline.gate import check

    contract = contracts.load()[asset]
    frame = contracts.conform(gate_tables()[asset], contract)
    file = tmp_path / "table.parquet"
    frame.write_parquet(file)
    failed = [c for c in check.run(contract, [file], frame.height) if c.closes]
    assert failed == []
