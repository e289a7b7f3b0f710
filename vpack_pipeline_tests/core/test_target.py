"""The target: margins and joint cells of one population, from rows of any kind."""

from __future__ import annotations

import itertools
import json
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.core.target import Target, read_target
from vpack_pipeline.errors import InputError
from vpack_pipeline.protocol import Variable

LEVELS = {"age": ("<50", "≥50", "missing"), "sex": ("F", "M"), "room": ("A", "B")}
JOINT = [
    ({"age": "<50", "sex": "F"}, 10),
    ({"age": "<50", "sex": "M"}, 20),
    ({"age": "≥50", "sex": "F"}, 5),
    ({"age": "missing", "sex": "F"}, 1),
]


def test_joint_cells_give_their_margins():
    target = Target.of(JOINT, LEVELS)
    assert target.margin("sex") == {"F": 16, "M": 20}
    assert target.margin("age") == {"<50": 30, "missing": 1, "≥50": 5}
    assert target.margin("room") == {}
    assert (target.total, target.names) == (36, ["age", "sex"])


def test_cells_come_in_the_order_asked_for_and_only_where_rows_state_them_together():
    margins = [({"room": "A"}, 30), ({"room": "B"}, 6)]
    target = Target.of([*JOINT, *margins], LEVELS)
    assert target.cells(["sex", "age"]) == {
        ("F", "<50"): 10,
        ("F", "missing"): 1,
        ("F", "≥50"): 5,
        ("M", "<50"): 20,
    }
    assert target.cells(["room"]) == {("A",): 30, ("B",): 6}
    assert target.cells(["room", "sex"]) is None
    assert target.cells([]) == {(): 36}


def test_rows_of_one_cell_are_added_up_and_empty_cells_left_out():
    target = Target.of(
        [({"sex": "F"}, 2), ({"sex": "F", "age": None}, 3), ({"sex": "M"}, 0)], LEVELS
    )
    assert target.tables == {("sex",): {("F",): 5}}


def test_no_rows_and_rows_of_nobody_are_no_target():
    for rows in ([], [({"sex": "F"}, 0)]):
        target = Target.of(rows, LEVELS)
        assert (target.total, target.margin("sex"), target.cells(["age", "sex"])) == (0, {}, None)


@pytest.mark.parametrize("n", [-1, 2.5, math.nan, math.inf, True])
def test_what_is_no_count_is_refused_with_its_row(n):
    with pytest.raises(InputError, match=r"sheet, row 2: .*no whole number.* shares or percent"):
        Target.of([({"sex": "F"}, 3), ({"sex": "M"}, n)], LEVELS, "sheet")


def test_unknown_variables_and_levels_are_refused_without_the_text():
    with pytest.raises(InputError, match="column ward: is not profiled — use age, sex, room"):
        Target.of([({"ward": "secret"}, 3)], LEVELS)
    with pytest.raises(InputError, match=r"column sex: a label is none .* use F, M") as told:
        Target.of([({"sex": "secret"}, 3)], LEVELS)
    assert "secret" not in str(told.value)


def test_tables_of_different_totals_are_named_both():
    with pytest.raises(InputError) as told:
        Target.of([*JOINT, ({"sex": "F"}, 16), ({}, 37)], LEVELS)
    assert [p.what for p in told.value.problems] == [
        "rows of the total add up to 37 persons, rows by sex to 16",
        "rows of the total add up to 37 persons, rows by age × sex to 36",
        "rows by sex add up to 16 persons, rows by age × sex to 36",
    ]
    assert "write `missing`" in told.value.problems[0].remedy


def test_margins_that_differ_from_joint_cells_are_named_with_the_level():
    with pytest.raises(InputError, match="rows by sex and rows by age × sex do not agree on sex F"):
        Target.of([*JOINT, ({"sex": "F"}, 17), ({"sex": "M"}, 19)], LEVELS)


def test_joint_tables_that_share_a_variable_have_to_agree_on_it():
    others = [({"sex": "F", "room": "A"}, 17), ({"sex": "M", "room": "B"}, 19)]
    with pytest.raises(InputError, match="age × sex and rows by sex × room do not agree on sex F"):
        Target.of([*JOINT, *others], LEVELS)


@given(
    st.lists(
        st.tuples(*(st.sampled_from(v) for v in LEVELS.values()), st.integers(0, 9)), max_size=12
    )
)
def test_every_margin_of_a_joint_table_agrees_with_it(rows):
    """Whatever is stated beside joint cells changes nothing, if it was counted from them."""
    names = list(LEVELS)
    joint = [(dict(zip(names, cell, strict=True)), n) for *cell, n in rows]
    alone = Target.of(joint, LEVELS)
    stated = list(joint)
    for size in range(len(names)):
        for some in itertools.combinations(names, size):
            stated += [({k: row[k] for k in some}, n) for row, n in joint]
    both = Target.of(stated, LEVELS)
    assert both.total == alone.total == sum(n for *_, n in rows)
    for size in range(1, len(names) + 1):
        for some in itertools.combinations(names, size):
            found = (both.cells(some) or {}, alone.cells(some) or {})
            by_hand = {}
            for row, n in joint:
                key = tuple(row[k] for k in some)
                by_hand[key] = by_hand.get(key, 0) + n
            assert found[0] == found[1] == {k: n for k, n in by_hand.items() if n}


def test_a_delivered_population_is_read_in_force_and_unlisted_levels_are_other():
    room = Variable(name="room", title="Room", kind="categorical", levels=("A",))
    rows = [("A", 3, True), ("C", 4, True), ("A", 9, False)]
    table = pl.DataFrame(
        {
            "cell": [json.dumps({"room": level}) for level, *_ in rows],
            "n": [n for _, n, _ in rows],
            "in_force": [is_in for *_, is_in in rows],
        }
    )
    assert read_target(table, [room]).margin("room") == {"A": 3, "other": 4}
