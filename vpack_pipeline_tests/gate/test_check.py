"""The check: each structural expectation can fail, nothing passes on nothing, no value leaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Contract
from vpack_pipeline.errors import ContractError
from vpack_pipeline.gate import check, suite
from vpack_pipeline.strict_yaml import validate

CONTRACT = """
asset: adjudication/demo
description: A table for this test.
grain: one row per case
key: [case_id]
may_be_empty: {empty}
computed_by: core
columns:
  - case_id
  - {{name: score, null: true}}
  - {{name: label, null: true}}
expectations: {expectations}
"""
RANGE = (
    "[{id: score_range, type: expect_column_values_to_be_between,"
    " kwargs: {column: score, min_value: 0, max_value: 1}, severity: critical, why: scores are"
    " probabilities}]"
)


def contract(expectations: str = "[]", empty: str = "null") -> Contract:
    return validate(CONTRACT.format(expectations=expectations, empty=empty), "demo", Contract)


def frame(**columns: list[Any]) -> pl.DataFrame:
    given = {"case_id": ["a", "b"], "score": [0.1, None], "label": ["x", None], **columns}
    return pl.DataFrame(
        given, schema={"case_id": pl.String, "score": pl.Float64, "label": pl.String}
    )


def checked(made: Contract, table: pl.DataFrame, folder: Path) -> dict[str, check.Checked]:
    path = folder / "table.parquet"
    table.write_parquet(path, statistics=False)  # as the warehouse does
    return {c.id: c for c in check.run(made, [path], table.height)}


def test_a_sound_table_passes_every_expectation(tmp_path: Path) -> None:
    found = checked(contract(RANGE), frame(), tmp_path)
    assert {c.outcome for c in found.values()} == {"pass"}
    assert set(found) == {
        "table_columns",
        "table_types",
        "table_rows",
        "case_id_present",
        "key_unique",
        "no_nan",
        "score_range",
    }


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (frame(case_id=["a", None]), "case_id_present"),
        (frame(case_id=["a", "a"]), "key_unique"),
        (frame().rename({"label": "labels"}), "table_columns"),
        (frame().select("score", "case_id", "label"), "table_columns"),
        (frame().with_columns(pl.lit(1).cast(pl.Int64).alias("score")), "table_types"),
        (frame().clear(), "table_rows"),
        (frame(score=[0.1, 1.5]), "score_range"),
        (frame(score=[0.1, float("nan")]), "no_nan"),
    ],
)
def test_each_structural_expectation_can_fail(
    table: pl.DataFrame, expected: str, tmp_path: Path
) -> None:
    found = checked(contract(RANGE), table, tmp_path)
    assert found[expected].outcome == "fail"
    assert found[expected].closes


def test_an_empty_table_that_may_not_be_empty_closes_the_gate(tmp_path: Path) -> None:
    found = checked(contract(RANGE), frame().clear(), tmp_path)
    assert {c.outcome for c in found.values() if c.id in {"key_unique", "score_range"}} == {
        "vacuous"
    }
    assert all(found[name].closes for name in ("table_rows", "key_unique", "score_range"))


def test_an_empty_table_that_may_be_empty_opens_it_and_says_vacuous(tmp_path: Path) -> None:
    found = checked(contract(RANGE, empty="nobody came"), frame().clear(), tmp_path)
    assert found["score_range"].outcome == "vacuous"
    assert not any(c.closes for c in found.values())


def test_an_all_null_column_is_vacuous_and_closes_unless_the_contract_says_why(
    tmp_path: Path,
) -> None:
    table = frame(score=[None, None])
    assert checked(contract(RANGE), table, tmp_path)["score_range"].closes
    tolerant = RANGE.replace("severity", "may_be_vacuous: binary output has no score, severity")
    found = checked(contract(tolerant), table, tmp_path)["score_range"]
    assert (found.outcome, found.closes) == ("vacuous", False)


def test_a_row_condition_that_matches_nothing_is_vacuous(tmp_path: Path) -> None:
    condition = RANGE.replace(
        "max_value: 1}", "max_value: 1, row_condition: {column: label, equals: nobody}}"
    )
    found = checked(contract(condition), frame(), tmp_path)["score_range"]
    assert (found.outcome, found.closes) == ("vacuous", True)


def test_a_warning_is_reported_and_closes_nothing(tmp_path: Path) -> None:
    warning = RANGE.replace("critical", "warning")
    found = checked(contract(warning), frame(score=[0.1, 7.0]), tmp_path)["score_range"]
    assert (found.outcome, found.severity, found.closes) == ("fail", "warning", False)


def test_an_expectation_that_raises_is_an_error_and_closes(tmp_path: Path) -> None:
    raising = (
        "[{id: odd, type: unexpected_rows, kwargs: {query: 'select no_such_column from {batch}'},"
        " severity: critical, why: it raises}]"
    )
    found = checked(contract(raising), frame(), tmp_path)["odd"]
    assert (found.outcome, found.closes) == ("error", True)


def test_unexpected_rows_are_counted(tmp_path: Path) -> None:
    rows = (
        "[{id: labelled, type: unexpected_rows,"
        " kwargs: {query: 'select case_id from {batch} where label is null'},"
        " severity: critical, why: every case has a label}]"
    )
    found = checked(contract(rows), frame(), tmp_path)["labelled"]
    assert (found.outcome, found.unexpected_count, found.element_count) == ("fail", 1, 2)


def test_a_misspelled_expectation_is_refused_with_the_nearest_type() -> None:
    planned = suite.Planned("x", "expect_column_value_to_be_between", {}, "critical", "")
    with pytest.raises(ContractError, match="did you mean expect_column_values_to_be_between"):
        suite.build(planned)


def test_a_misspelled_severity_is_refused() -> None:
    with pytest.raises(Exception, match="severity"):
        contract(RANGE.replace("critical", "crticial"))


def test_arguments_that_do_not_fit_are_refused() -> None:
    planned = suite.Planned(
        "x", "expect_column_values_to_be_between", {"colum": "score"}, "critical", ""
    )
    with pytest.raises(ContractError, match="arguments do not fit"):
        suite.build(planned)


def test_a_query_with_a_comment_is_refused() -> None:
    query = {"query": "select 1 from {batch} -- all of it"}
    with pytest.raises(ContractError, match="without a comment"):
        suite.build(suite.Planned("x", "unexpected_rows", query, "critical", ""))


def test_no_value_of_a_failing_table_leaves_the_check(tmp_path: Path) -> None:
    canary = "CANARY-7d1f"
    in_set = (
        "[{id: label_known, type: expect_column_values_to_be_in_set,"
        " kwargs: {column: label, value_set: [x]}, severity: critical, why: known}]"
    )
    found = checked(contract(in_set), frame(label=[canary, canary]), tmp_path)
    assert found["label_known"].outcome == "fail"
    assert canary not in json.dumps([c.as_dict() for c in found.values()])


def test_every_contract_of_the_package_builds_its_whole_suite() -> None:
    for made in contracts.load().values():
        for planned in suite.plan(made):
            suite.build(planned)


def test_every_expectation_type_in_use_runs_through_the_adapter(tmp_path: Path) -> None:
    """The adapter overrides parts of Great Expectations: each type in use must not just error."""
    for made in contracts.load().values():
        empty = pl.DataFrame(schema=made.polars_schema)
        folder = tmp_path / made.section
        folder.mkdir(exist_ok=True)
        errors = [c.id for c in checked(made, empty, folder).values() if c.outcome == "error"]
        assert not errors, made.asset
