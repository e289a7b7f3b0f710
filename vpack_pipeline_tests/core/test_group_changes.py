"""Whoever holds two packs can subtract: which groups differ by too few, and which levels may part."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

import polars as pl
import pytest

from vpack_pipeline.core.pack.described_groups import DUE, DescribedPeople, DescribedVariable
from vpack_pipeline.core.pack.group_changes import Change, group_changes, share_patients

APART = {"a": "a", "b": "b", "c": "c"}
FOLDED = {"a": "a", "b": "rest", "c": "rest"}
ALL_ONE = dict.fromkeys("abc", "all values")
DAY = dt.date(2026, 1, 1)

Case = tuple[str, str]
"""A case's identifier, which begins with its patient's, and its level."""


def cases(level: str, *numbers: int, visit: int = 0) -> list[Case]:
    """The cases of some patients in a level: one each, at a visit."""
    return [(f"p{n:03d}.{visit}", level) for n in numbers]


def of(level: str, n: int, start: int = 0) -> list[Case]:
    return cases(level, *range(start, start + n))


def variable(
    sets: Mapping[str, Iterable[Case]],
    printed: Mapping[str, str] = APART,
    persons: Mapping[str, int] | None = None,
    name: str = "ward",
) -> DescribedVariable:
    found = {case: level for chosen in sets.values() for case, level in chosen}
    ids = {of_set: frozenset(case for case, _ in chosen) for of_set, chosen in sets.items()}
    return DescribedVariable(name, printed, found, ids, persons or {})


def people(*variables: DescribedVariable, smallest: int = 11) -> DescribedPeople:
    ids = sorted({case for v in variables for case in v.levels})
    frame = pl.DataFrame(
        {"case_id": ids, "patient_id": [i.partition(".")[0] for i in ids]},
        schema={"case_id": pl.String, "patient_id": pl.String},
    ).with_columns(index_date=pl.lit(DAY))
    return DescribedPeople(frame, variables, smallest)


def changes(
    before: Iterable[Case],
    after: Iterable[Case],
    *,
    may_part: bool = False,
    then: Mapping[str, str] = APART,
    now: Mapping[str, str] = APART,
) -> set[tuple[str, str]]:
    """Which levels change, and how, where both packs describe one set."""
    packs = (people(variable({"included": c}, p)) for c, p in ((before, then), (after, now)))
    return {(c.level, c.kind) for c in group_changes(*packs, may_part=may_part)}


BASE = [*of("a", 40), *of("b", 30, 100), *of("c", 20, 200)]


@pytest.mark.parametrize(("n", "is_found"), [(0, False), (1, True), (10, True), (11, False)])
def test_a_level_that_one_to_ten_join_or_leave_is_found(n, is_found):
    more = [*BASE, *of("b", n, 300)]
    found = {("b", "few")} if is_found else set()
    assert changes(BASE, more) == changes(more, BASE) == found


def test_cases_are_counted_by_their_patients():
    visits = [case for visit in (1, 2, 3) for case in cases("a", *range(5), visit=visit)]
    assert changes(BASE, [*BASE, *visits]) == {("a", "few")}, "15 cases of 5 patients"
    once = cases("a", *range(11), visit=1)
    assert changes(BASE, [*BASE, *once]) == set()


def test_a_patient_who_comes_in_two_levels_counts_in_that_of_the_first_case():
    """Sixteen are new in b, and for six of them it is not the first new case."""
    first = cases("a", *range(300, 312), visit=0)
    assert changes(BASE, [*BASE, *first]) == set()
    then = [*BASE, *first, *cases("b", *range(306, 322), visit=1)]
    assert changes(BASE, then) == {("b", "few")}
    more = [*then, *cases("b", 322, visit=1)]
    assert changes(BASE, more) == set()


def test_who_moves_to_another_level_changes_both():
    moved = [("p000.0", "b"), *BASE[1:]]
    assert changes(BASE, moved) == {("a", "few"), ("b", "few")}


def test_many_who_come_and_go_change_a_printed_count_by_few():
    gone = [*of("a", 28, 12), *BASE[40:], *of("a", 15, 300)]
    assert changes(BASE, gone) == {("a", "few")}, "15 came and 12 went: three more are printed"
    assert changes(BASE, [*of("a", 25, 15), *BASE[40:], *of("a", 15, 300)]) == set()


def test_a_level_that_is_folded_now_is_still_looked_at_as_it_was_printed():
    """Nobody was in b: that it is folded now tells that some have come."""
    before = [*of("a", 40), *of("c", 40, 200)]
    after = [*before, *of("b", 3, 300), *of("c", 20, 400)]
    assert changes(before, after, now=FOLDED) == {("b", "few")}


def test_levels_may_coarsen_and_part_only_when_they_may():
    grown = [*BASE, *of("b", 12, 300), *of("c", 12, 400)]
    assert changes(BASE, grown, now=FOLDED) == set()
    assert changes(BASE, grown, then=FOLDED) == {("rest", "parted")}
    assert changes(BASE, grown, then=FOLDED, may_part=True) == set()


def test_a_level_that_parts_does_not_tell_that_it_was_small():
    """Of 24 in b or c, 20 are still in c: four were in b, which nobody was to know."""
    before = [*of("a", 40), *of("b", 4, 100), *of("c", 20, 200)]
    alone = [*before, *of("b", 12, 300)]
    assert changes(before, alone, then=FOLDED, may_part=True) == {("b", "few")}
    with_more = [*alone, *of("c", 11, 400)]
    assert changes(before, with_more, then=FOLDED, may_part=True) == set()


def test_where_all_levels_are_one_nothing_is_told():
    assert changes(BASE, [*BASE, *of("a", 3, 300)], then=ALL_ONE, now=ALL_ONE) == set()


def test_a_set_that_holds_another_is_compared_with_it():
    then = people(variable({"included": BASE}))
    later = [*BASE, *of("a", 3, 300)]
    now = people(variable({"retrospective": later, "included": [*later, *of("a", 60, 400)]}))
    found = group_changes(then, now, may_part=False)
    assert found == [Change("ward", "a", "retrospective beside included", "few")]


def test_cases_whose_label_is_due_are_compared_with_none_but_these():
    both = {"prospective": BASE, f"prospective{DUE}": BASE[:-3]}
    one = people(variable(both))
    assert group_changes(one, one, may_part=False) == []
    more = people(variable({**both, f"prospective{DUE}": BASE}))
    (found,) = group_changes(one, more, may_part=False)
    assert found == Change("ward", "c", f"prospective{DUE}", "few")


def test_sets_that_one_pack_does_not_describe_are_not_compared():
    then = people(variable({"included": BASE}))
    now = people(variable({"excluded": of("a", 3, 300), "included": BASE}))
    assert group_changes(then, now, may_part=False) == []


def of_ages(edge: int, ages: Mapping[str, int]) -> DescribedPeople:
    low, high = f"<{edge}", f"≥{edge}"
    found = {case: low if age < edge else high for case, age in ages.items()}
    sets = {"included": frozenset(found)}
    return people(DescribedVariable("age", {low: low, high: high}, found, sets))


def test_other_bins_are_compared_range_by_range():
    """Under 50 then, under 51 now: how many are 50 follows."""
    many = {f"p{i:03d}.0": 40 + i % 30 for i in range(330)}
    assert group_changes(of_ages(50, many), of_ages(51, many), may_part=True) == [], "11 of an age"
    few = {case: age for case, age in many.items() if case != "p010.0"}
    found = group_changes(of_ages(50, few), of_ages(51, few), may_part=True)
    assert {(c.level, c.kind) for c in found} == {("<51", "few"), ("≥51", "few")}


@pytest.mark.parametrize(
    ("now", "is_found"), [(300, False), (304, True), (290, True), (311, False)]
)
def test_the_target_is_compared_by_its_counts(now, is_found):
    then = people(variable({"included": BASE}, persons={"a": 300, "b": 200}))
    later = people(variable({"included": BASE}, persons={"a": now, "b": 200}))
    found = group_changes(then, later, may_part=False)
    assert found == ([Change("ward", "a", "target", "few")] if is_found else [])
    without = people(variable({"included": BASE}))
    assert group_changes(then, without, may_part=False) == []


def test_of_two_smallest_groups_the_larger_counts():
    then, more = variable({"included": BASE}), variable({"included": [*BASE, *of("a", 12, 300)]})
    assert group_changes(people(then), people(more), may_part=False) == []
    assert group_changes(people(then, smallest=20), people(more), may_part=False)
    assert group_changes(people(then), people(more, smallest=20), may_part=False)


def test_a_variable_that_one_pack_lacks_is_not_compared():
    then, now = variable({"included": BASE}), variable({"included": BASE[3:]}, name="sex")
    assert group_changes(people(then), people(now), may_part=False) == []


def test_packs_share_patients_or_do_not():
    one, other = (
        people(variable({"included": BASE})),
        people(variable({"included": of("a", 20, 500)})),
    )
    assert share_patients(one, one)
    assert not share_patients(one, other)
