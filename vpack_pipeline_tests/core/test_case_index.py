"""Cases are found by number wherever their pseudonyms stand, and sort as these do."""

from __future__ import annotations

import polars as pl
import pytest

from vpack_pipeline.core.evaluation.case_index import ABSENT, CaseIndex, look_up

INDEX = CaseIndex(pl.Series(["c", "a", "c", "b", "a"]))


def test_cases_are_numbered_in_order_of_their_pseudonyms() -> None:
    assert INDEX.case_id.to_list() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("known", "rows"),
    [
        (["a", "b", "c"], [0, 1, 2]),
        (["c", "b", "a"], [2, 1, 0]),
        (["x", "b", "a", "y"], [2, 1, ABSENT]),
        ([2, 0], [1, ABSENT, 0]),
        ([], [ABSENT] * 3),
    ],
)
def test_rows_are_those_of_the_same_pseudonym_or_number(
    known: list[str] | list[int], rows: list[int]
) -> None:
    dtype = pl.Int64 if known and isinstance(known[0], int) else pl.String
    assert INDEX.rows_of(pl.Series(known, dtype=dtype)).tolist() == rows


def test_a_value_is_null_where_a_case_is_absent() -> None:
    frame = pl.DataFrame({"case_id": ["c", "a"], "level": ["high", "low"]})
    rows = INDEX.rows_in(frame)
    assert look_up(frame["level"], rows).to_list() == ["low", None, "high"]
    assert look_up(frame["level"], rows[[2, 0]]).to_list() == ["high", "low"]


def test_rows_of_a_frame_are_looked_up_once_and_those_of_its_like_again() -> None:
    index = CaseIndex(pl.Series(["a", "b"]))
    frames = [pl.DataFrame({"case_id": [name]}) for name in "abxab"]
    found = [index.rows_in(frame) for frame in frames]
    assert [rows.tolist() for rows in found] == [[0, -1], [-1, 0], [-1, -1], [0, -1], [-1, 0]]
    assert index.rows_in(frames[4]) is found[4]
    # The first was forgotten for the others.
    assert index.rows_in(frames[0]) is not found[0]
    assert index.rows_in(frames[0]).tolist() == [0, -1]


def test_numbers_take_the_place_of_pseudonyms_in_the_order_of_the_rows() -> None:
    reads = pl.DataFrame({"case_id": ["b", "x", "a", "b"], "rating": [1, 2, 3, 4]})
    found = INDEX.numbered(reads)
    assert found.columns == reads.columns
    assert found.rows() == [(1, 1), (0, 3), (1, 4)]
