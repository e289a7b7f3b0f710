"""One query asks for many expectations: it finds what each of them finds, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.gate import check
from vpack_pipeline.gate.fold import KNOWN, fold
from vpack_pipeline.gate.suite import UNEXPECTED_ROWS, Planned, plan

TABLES = list(contracts.load().values())


def test_every_expectation_of_every_contract_is_folded() -> None:
    """Else each build would ask it by itself."""
    alone = {f"{c.asset}:{p.id}" for c in TABLES for p in plan(c) if p not in fold(plan(c))[1]}
    assert alone == set()


KEY = Planned("key", "expect_column_values_to_not_be_null", {"column": "key"}, "critical", "")


def planned(kind: str, **kwargs: Any) -> Planned:
    return Planned("asked", kind, kwargs, "critical", "")


IN_SET = planned(
    "expect_column_values_to_be_in_set", column="text", value_set=["a", "it's", "{b}", 'q"']
)
REGEX = planned("expect_column_values_to_match_regex", column="text", regex="^[a-c']{1,3}$")
BETWEEN = planned(
    "expect_column_values_to_be_between", column="number", min_value=-0.5, max_value=1
)
AT_LEAST = planned("expect_column_values_to_be_between", column="number", min_value=0)
AT_MOST = planned("expect_column_values_to_be_between", column="number", max_value=1e-5)
UNIQUE = planned("expect_column_values_to_be_unique", column="text")
TOGETHER = planned("expect_compound_columns_to_be_unique", column_list=["text", "number"])
PRESENT = planned("expect_column_values_to_not_be_null", column="text")
ROWS = planned("expect_table_row_count_to_be_between", min_value=2)
EQUAL = planned("expect_table_row_count_to_equal", value=3)
COLUMNS = planned(
    "expect_table_columns_to_match_ordered_list", column_list=["key", "text", "number"]
)
SWAPPED = planned(
    "expect_table_columns_to_match_ordered_list", column_list=["key", "number", "text"]
)
QUERY = planned(UNEXPECTED_ROWS, query="select key from {batch} where number > 1 or text = 'x'")
MISSING = planned(UNEXPECTED_ROWS, query="select nobody from {batch} where number > 100")
WINDOW = planned(
    UNEXPECTED_ROWS,
    query="select key from {batch} where true qualify count(*) over (partition by text) > 1",
)
ASKED = [
    IN_SET,
    REGEX,
    BETWEEN,
    AT_LEAST,
    AT_MOST,
    UNIQUE,
    TOGETHER,
    PRESENT,
    ROWS,
    EQUAL,
    COLUMNS,
    SWAPPED,
    QUERY,
    MISSING,
    WINDOW,
]
NAN = float("nan")
CELLS: dict[str, tuple[list[str | None], list[float | None]]] = {
    "sound": (["a", "it's", "b"], [0.0, 1.0, -0.5]),
    "values of every kind": (["a", "{b}", 'q"'], [0.5, 1e-5, 0.0]),
    "nulls": (["a", None, None], [None, 1.0, None]),
    "nothing but nulls": ([None, None, None], [None, None, None]),
    "not a number": (["a", "b", "c"], [0.0, NAN, 1.0]),
    "beyond both limits": (["a", "b", "c"], [-0.6, 1.1, 0.0]),
    "repeated": (["a", "a", "b"], [1.0, 1.0, 0.0]),
    "repeated with nulls": (["a", "a", None], [None, None, None]),
    "other texts": (["x", "A", "a "], [0.0, 0.0, 2.0]),
    "two rows": (["a", "it's"], [0.0, 0.5]),
    "one row": (["a"], [0.0]),
    "no row": ([], []),
}


@pytest.fixture(params=list(CELLS))
def cells(request: pytest.FixtureRequest) -> pl.DataFrame:
    texts, numbers = CELLS[request.param]
    given = {"key": [str(n) for n in range(len(texts))], "text": texts, "number": numbers}
    return pl.DataFrame(given, schema={"key": pl.String, "text": pl.String, "number": pl.Float64})


def test_folded_or_not_each_expectation_has_the_same_outcome_and_counts(
    cells: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each type in each kind of column, two at a time, against Great Expectations alone."""
    assert {p.type for p in ASKED} == {*KNOWN, UNEXPECTED_ROWS}
    path = tmp_path / "table.parquet"
    cells.write_parquet(path, statistics=False)

    def found(*asked: Planned, may_be_empty: bool) -> list[check.Checked]:
        return check.evaluate(asked, [path], cells.height, may_be_empty=may_be_empty)

    named = [replace(one, id=f"asked_{place}") for place, one in enumerate(ASKED)]
    for may_be_empty in (True, False) if cells.is_empty() else (False,):
        folded = [found(KEY, one, may_be_empty=may_be_empty)[1] for one in named]
        with monkeypatch.context() as patch:
            patch.setattr(check, "fold", lambda planned: (None, []))
            alone = found(*named, may_be_empty=may_be_empty)
        assert folded == alone


@pytest.mark.parametrize(
    "odd",
    [
        planned("expect_column_values_to_be_in_set", column="text", value_set=[1, 2]),
        planned("expect_column_values_to_be_in_set", column="text", value_set=[]),
        planned("expect_column_values_to_be_in_set", column="text", value_set=["a:b"]),
        planned("expect_column_values_to_be_in_set", column="text", value_set=["a"], mostly=0.9),
        planned("expect_column_values_to_match_regex", column="text", regex="50%"),
        planned("expect_column_values_to_match_regex", column="text", regex="a", mostly=0.9),
        planned("expect_column_values_to_be_between", column="text"),
        planned("expect_column_values_to_be_between", column="text", min_value="a"),
        planned(
            "expect_column_values_to_be_between", column="number", min_value=0, strict_min=True
        ),
        planned("expect_column_values_to_be_unique", column="text", mostly=0.9),
        planned("expect_column_values_to_not_be_null", column="text", mostly=0.9),
        planned(
            "expect_compound_columns_to_be_unique",
            column_list=["text", "number"],
            ignore_row_if="never",
        ),
        planned("expect_table_row_count_to_be_between", min_value=0, max_value=3),
        planned("expect_table_row_count_to_equal", value="3"),
        planned("expect_table_columns_to_match_ordered_list", column_list=["a:b"]),
        planned("expect_column_values_to_be_increasing", column="number"),
    ],
    ids=lambda p: f"{p.type}-{sorted(p.kwargs)}",
)
def test_what_only_great_expectations_knows_is_left_to_it(odd: Planned) -> None:
    assert fold([KEY, KEY, odd])[1] == [KEY, KEY]


def test_one_expectation_is_asked_as_it_is() -> None:
    assert fold([KEY]) == (None, [])
