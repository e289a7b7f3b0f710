"""Printed levels: small ones are folded from core sets alone, any other set fits in or is left out.

The oracle is written from the rule, one patient and one fold at a time.
"""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline import contracts
from vpack_pipeline.core.evaluation import strata
from vpack_pipeline.core.levels import (
    NO_RESULTS_OF_MISSING,
    core_sets,
    describe,
    printed_levels,
)
from vpack_pipeline.core.personal import is_personal
from vpack_pipeline.core.representativeness.levels import (
    ALL,
    levels,
    top_coded,
)
from vpack_pipeline.core.variables import MISSING, OTHER, bin_labels
from vpack_pipeline.protocol import Covariate, Disclosure, Representativeness, Variable
from vpack_pipeline.stats.codes import code
from vpack_pipeline_tests.core.test_representativeness import evaluation

EVALUATION = evaluation()
RETRO, PRO = EVALUATION.retrospective.start, EVALUATION.prospective.start
OUTSIDE = dt.date(2026, 5, 1)
AGE = Variable(name="age_years", title="Age", kind="numeric", edges=(40, 50, 60))
WARD = Variable(name="ward", title="Ward", kind="categorical", levels=("a", "b", "c"))
COVARIATES = (Covariate(name="ward", title="Ward", type="string"),)
FIVE = Disclosure(smallest_group=5)

Case = tuple[str, dt.date, Any]
"""A patient, an index date and a value."""


TYPES = {
    "case_id": pl.String,
    "patient_id": pl.String,
    "index_date": pl.Date,
    "age_years": pl.Float64,
    "covariates": pl.String,
}


def frame(cases: list[Case], variable: Variable = AGE) -> pl.DataFrame:
    is_column = variable.name == "age_years"
    texts = [
        "{}" if v is None or is_column else f'{{"{variable.name}":"{v}"}}' for _, _, v in cases
    ]
    return pl.DataFrame(
        {
            "case_id": [f"c{i:05}" for i in range(len(cases))],
            "patient_id": [patient for patient, _, _ in cases],
            "index_date": [day for _, day, _ in cases],
            "age_years": [v if is_column else None for _, _, v in cases],
            "covariates": texts,
        },
        schema_overrides=TYPES,
    )


def table(
    cases: pl.DataFrame,
    variables: tuple[Variable, ...] = (AGE,),
    disclosure: Disclosure = FIVE,
    joint: tuple[tuple[str, ...], ...] = (),
    included: pl.DataFrame | None = None,
) -> pl.DataFrame:
    return levels(
        cases=cases,
        included=cases if included is None else included,
        representativeness=Representativeness(
            variables=variables, joint=joint, not_profiled=("age_years",)
        ),
        covariates=COVARIATES,
        evaluation=EVALUATION,
        disclosure=disclosure,
    )


def printed(cases: list[Case], variable: Variable = AGE, **asked: Any) -> dict[str, str]:
    made = table(frame(cases, variable), (variable,), **asked)
    return dict(made.select("level", "printed_level").iter_rows())


def people(**counts: int) -> list[Case]:
    """So many retrospective patients with each value of a ward."""
    return [
        (f"{value}{i}", RETRO, None if value == "none" else value)
        for value, n in counts.items()
        for i in range(n)
    ]


def aged(*counts: int, day: dt.date = RETRO, start: str = "p") -> list[Case]:
    """So many patients in each of the four bins of age."""
    ages = (30, 45, 55, 70)
    return [
        (f"{start}{age}-{i}", day, age)
        for age, n in zip(ages, counts, strict=True)
        for i in range(n)
    ]


def shown(*counts: int, **asked: Any) -> list[str]:
    return list(printed(aged(*counts), **asked).values())[:-1]


def test_the_table_is_as_its_contract_has_it() -> None:
    made = table(frame(aged(9, 9, 3, 9)))
    assert made.equals(contracts.conform(made, contracts.load()["representativeness/levels"]))
    assert made.select("level_order", "level", "printed_level", "reason").rows() == [
        (1, "<40", "<40", None),
        (2, "40–50", "40–60", "level_has_few_patients"),
        (3, "50–60", "40–60", "level_has_few_patients"),
        (4, "≥60", "≥60", None),
        (5, "missing", "missing", None),
    ]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((9, 9, 9, 9), ["<40", "40–50", "50–60", "≥60"]),
        # The neighbour with fewer patients; of equal ones the first.
        ((9, 3, 8, 9), ["<40", "40–60", "40–60", "≥60"]),
        ((9, 3, 9, 9), ["<50", "<50", "50–60", "≥60"]),
        # Two small ones apart.
        ((2, 9, 9, 3), ["<50", "<50", "≥50", "≥50"]),
        # Two beside one another: the smaller first, and then they are enough.
        ((9, 2, 3, 9), ["<40", "40–60", "40–60", "≥60"]),
        # Nobody at all is small too.
        ((9, 9, 9, 0), ["<40", "40–50", "≥50", "≥50"]),
        # Every level small: still one level, which is large enough.
        ((2, 2, 2, 1), [ALL] * 4),
        ((4, 4, 4, 4), ["<50", "<50", "≥50", "≥50"]),
        # A set with a few, and one with nobody.
        ((1, 1, 1, 1), [ALL] * 4),
        ((0, 0, 0, 0), [ALL] * 4),
    ],
)
def test_small_levels_of_a_number_join_the_smaller_neighbour(
    counts: tuple[int, ...], expected: list[str]
) -> None:
    assert shown(*counts) == expected


def test_too_few_patients_in_every_window_are_said_to_be() -> None:
    for cases in (aged(1, 1, 1, 1), [], aged(9, 9, 9, 9, day=OUTSIDE)):
        made = table(frame(cases))
        assert made["reason"].to_list() == ["every_window_too_small"] * 4 + [None]
    # Two windows of four each are eight together, and neither can be told from the other.
    apart = aged(4, 0, 0, 0) + aged(0, 4, 0, 0, day=PRO)
    assert set(printed(apart).values()) == {ALL, MISSING}


def test_a_level_is_small_in_one_window_alone() -> None:
    cases = aged(9, 9, 9, 9) + aged(9, 2, 9, 9, day=PRO, start="q")
    assert list(printed(cases).values())[:2] == ["<50", "<50"]
    # Nobody in one window and enough in the other is not small.
    cases = aged(9, 9, 9, 9) + aged(9, 0, 9, 9, day=PRO, start="q")
    assert list(printed(cases).values())[:2] == ["<40", "40–50"]


def test_levels_do_not_yield_to_a_window_that_is_too_small() -> None:
    cases = aged(9, 9, 9, 9) + aged(1, 1, 1, 1, day=PRO, start="q")
    assert list(printed(cases).values())[:-1] == ["<40", "40–50", "50–60", "≥60"]


def test_levels_of_categories_join_other_the_smallest_first() -> None:
    assert printed(people(a=9, b=9, c=9), WARD) == {
        "a": "a",
        "b": "b",
        "c": "c",
        "other": "other",
        "missing": "missing",
    }
    # One folded level is too few for other by itself: the next smallest follows.
    few = printed(people(a=9, b=8, c=3), WARD)
    assert few == {"a": "a", "b": OTHER, "c": OTHER, "other": OTHER, "missing": MISSING}
    assert printed(people(a=9, b=2, c=3), WARD)["a"] == "a"
    # Ties in the protocol's order.
    tie = printed(people(a=9, b=9, c=3), WARD)
    assert (tie["a"], tie["b"]) == (OTHER, "b")
    # Other with a few is small itself; with nobody it takes nothing.
    assert printed(people(a=9, b=8, c=9, x=2), WARD)["b"] == OTHER
    assert printed(people(a=9, b=8, c=0), WARD)["b"] == "b"
    assert set(printed(people(a=2, b=2, c=2), WARD).values()) == {ALL, MISSING}
    assert set(printed([], WARD).values()) == {ALL, MISSING}


def test_a_missing_value_is_counted_and_never_folded_into() -> None:
    made = printed(people(a=9, b=9, c=3, none=2), WARD)
    assert made["missing"] == MISSING
    assert MISSING not in [shown for level, shown in made.items() if level != MISSING]
    assert printed(people(none=9), WARD)["a"] == ALL


def test_a_patient_stands_in_the_level_of_the_first_case() -> None:
    """A patient in three levels over time counts once, and a level of later cases is small too."""
    moving = [
        (f"m{i}", RETRO + dt.timedelta(days=day), age)
        for i in range(6)
        for day, age in ((2, 55), (0, 30), (1, 45))
    ]
    # Six patients have cases in three levels, and all begin in the first.
    assert shown_of(moving + aged(0, 0, 0, 9)) == ["<40", "40–50", "50–60", "≥60"]
    # Three of nine go on to the second level: nobody begins there, and three would be seen there.
    few = [*aged(9, 0, 9, 9), *[(f"p30-{i}", RETRO + dt.timedelta(days=9), 45) for i in range(3)]]
    assert shown_of(few)[:2] == ["<50", "<50"]
    # On one day the identifier of the case decides, whatever the order of rows.
    cases = frame([("p", RETRO, 30), ("p", RETRO, 45), *aged(5, 9, 9, 9)])
    made = table(cases)
    assert made.equals(table(cases.reverse()))


def shown_of(cases: list[Case]) -> list[str]:
    return list(printed(cases).values())[:-1]


def test_technical_variables_are_printed_as_they_are() -> None:
    declared = Disclosure(smallest_group=5, technical=("ward",))
    made = table(frame(people(a=1), WARD), (WARD,), declared)
    assert made["level"].equals(made["printed_level"].alias("level"))
    assert made["is_personal"].to_list() == [False] * 5
    assert made["reason"].null_count() == 5
    assert is_personal("ward", COVARIATES, FIVE)
    assert not is_personal("ward", COVARIATES, declared)
    assert [is_personal(n, (), FIVE) for n in ("sex", "stratum", "manufacturer")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ((50, 70), [[0], [1], [2]]),
        ((50, 90), [[0], [1], [2]]),
        ((80, 90, 95, 100), [[0], [1], [2, 3, 4]]),
        # No edge at the top code: the bin that holds it joins, or 95 years would be told.
        ((80, 85, 95), [[0], [1], [2, 3]]),
        ((95,), [[0, 1]]),
    ],
)
def test_ages_from_the_top_code_on_are_one_level(edges, expected) -> None:
    assert top_coded(edges, 90) == expected


def test_a_top_coded_level_says_so_unless_more_was_folded_into_it() -> None:
    old = AGE.model_copy(update={"edges": (60.0, 90.0, 95.0)})
    ages = [30] * 9 + [70] * 9 + [92] * 9 + [99] * 9
    cases = frame([(f"p{i}", RETRO, age) for i, age in enumerate(ages)], old)
    rows = table(cases, (old,)).select("printed_level", "reason").rows()
    assert rows[:-1] == [("<60", None), ("60–90", None), *[("≥90", "ages_top_coded")] * 2]
    fewer = cases.filter(pl.col("age_years") < 92).vstack(cases.filter(age_years=99).head(3))
    assert table(fewer, (old,))["reason"].to_list()[1:4] == ["level_has_few_patients"] * 3
    # Of another number nothing is coded.
    size = Variable(name="size", title="Size", kind="numeric", edges=(60.0, 90.0, 95.0))
    sized = cases.with_columns(
        pl.concat_str(pl.lit('{"size":'), "age_years", pl.lit("}")).alias("covariates")
    )
    made = levels(
        cases=sized,
        included=sized,
        representativeness=Representativeness(variables=(size,), not_profiled=("age_years",)),
        covariates=(Covariate(name="size", title="Size", type="float"),),
        evaluation=EVALUATION,
        disclosure=FIVE,
    )
    assert made["reason"].null_count() == 5


def test_one_level_stands_for_itself_or_for_all() -> None:
    one = Variable(name="ward", title="Ward", kind="categorical", levels=("a",))
    assert printed(people(a=9), one) == {"a": "a", "other": OTHER, "missing": MISSING}
    assert set(printed(people(a=4), one).values()) == {ALL, MISSING}
    # A few others would be told apart from it.
    assert set(printed(people(a=9, x=2), one).values()) == {ALL, MISSING}
    edge = AGE.model_copy(update={"edges": (40.0,)})
    assert set(printed(aged(9, 0, 0, 0), edge).values()) == {ALL, MISSING}


def test_a_smallest_group_larger_than_the_set_leaves_one_level() -> None:
    largest = Disclosure(smallest_group=1000)
    made = table(frame(aged(99, 99, 99, 99)), disclosure=largest)
    assert made["printed_level"].to_list() == [ALL] * 4 + [MISSING]
    assert made["reason"].to_list() == ["every_window_too_small"] * 4 + [None]


def test_three_hundred_levels_are_folded() -> None:
    many = Variable(
        name="ward",
        title="Ward",
        kind="categorical",
        levels=tuple(f"w{i}" for i in range(300)),
    )
    cases = [(f"p{i}-{j}", RETRO, f"w{i}") for i in range(300) for j in range(1 + i % 9)]
    made = printed(cases, many)
    assert [
        level for level, to in made.items() if to == level and level not in (OTHER, MISSING)
    ] == [f"w{i}" for i in range(300) if 1 + i % 9 >= 5]
    edges = Variable(name="age_years", title="Age", kind="numeric", edges=tuple(range(1, 300)))
    cases = [(f"p{i}-{j}", RETRO, i / 3) for i in range(300) for j in range(1 + i % 9)]
    assert len(set(printed(cases, edges).values())) > 20


# Several variables together.


def cross(counts: dict[tuple[Any, str], int]) -> pl.DataFrame:
    rows = [(age, ward) for (age, ward), n in counts.items() for _ in range(n)]
    cases = frame([(f"p{i}", RETRO, age) for i, (age, _) in enumerate(rows)])
    texts = [f'{{"ward":"{ward}"}}' for _, ward in rows]
    return cases.with_columns(pl.Series("covariates", texts))


TOGETHER = (("age_years", "ward"),)


def test_cells_that_are_printed_stand_alone_and_others_are_one() -> None:
    cases = cross({(30, "a"): 9, (30, "b"): 6, (45, "a"): 3, (45, "b"): 9, (55, "a"): 8})
    made = table(cases, (AGE, WARD), joint=TOGETHER)
    joint = made.filter(pl.col("variable").str.contains("×"))
    assert joint.select("level", "printed_level", "reason").rows() == [
        ("<40 × a", "<40 × a", None),
        ("40–50 × b", "40–50 × b", None),
        ("≥50 × a", "≥50 × a", None),
        ("other", "other", "level_has_few_patients"),
        ("missing", "missing", None),
    ]
    # Nine of them are other: three alone were too few, and the next smallest cell joined them.
    known = printed_levels(made, Representativeness(variables=(AGE, WARD), joint=TOGETHER))
    label = known["age_years × ward"].label(cases, COVARIATES)
    assert label.value_counts().sort("printed")["count"].to_list() == [9, 9, 9, 8]
    assert known["age_years × ward"].of((MISSING, "a")) == MISSING


def test_cells_of_technical_variables_are_printed_as_they_are() -> None:
    maker = Variable(name="manufacturer", title="Maker", kind="categorical", levels=("x",))
    cases = cross({(30, "a"): 1}).with_columns(manufacturer=pl.lit("x"))
    made = table(
        cases,
        (WARD, maker),
        Disclosure(smallest_group=5, technical=("ward",)),
        (("ward", "manufacturer"),),
    ).filter(pl.col("variable").str.contains("×"))
    assert made["printed_level"].to_list() == ["a × x", "other", "missing"]


# Any other set.


def description(cases: pl.DataFrame, included: pl.DataFrame | None = None) -> Any:
    chosen = cases if included is None else included
    made = table(cases, included=chosen)
    asked = Representativeness(variables=(AGE,))
    return describe(made, cases, chosen, asked, COVARIATES, EVALUATION, FIVE)["age_years"]


def ids(cases: pl.DataFrame, *patients: str) -> frozenset[str]:
    start = tuple(patients)
    return frozenset(
        c for c, p in cases.select("case_id", "patient_id").iter_rows() if p.startswith(start)
    )


def test_a_set_is_described_if_it_and_what_it_lacks_have_enough_or_nobody() -> None:
    cases = frame(aged(9, 9, 9, 9) + aged(7, 0, 0, 2, day=OUTSIDE, start="q"))
    inside = cases.filter(pl.col("patient_id").str.starts_with("p"))
    made = description(cases, inside)
    assert made.core == ids(cases, "p")
    # A part of the core: what it lacks of it is asked as well.
    assert made.is_allowed(ids(cases, "p30"))
    assert made.is_allowed(ids(cases, "p30", "p45"))
    assert made.is_allowed([])
    of_few = sorted(ids(cases, "p30"))[:4]
    assert not made.is_allowed(of_few)
    assert not made.is_allowed(sorted(ids(cases, "p30"))[:5])
    # What it adds to the core.
    assert made.is_allowed(ids(cases, "p", "q30"))
    assert not made.is_allowed(ids(cases, "p", "q"))
    assert made.is_allowed(ids(cases, "q30"))
    assert not made.is_allowed(ids(cases, "q70"))
    # And to or of another set that is printed.
    assert not made.is_allowed(ids(cases, "q30"), ids(cases, "q"))


def test_a_level_without_results_says_what_it_is_a_part_of() -> None:
    made = printed_levels(table(frame(aged(9, 9, 9, 3))), Representativeness(variables=(AGE,)))
    known = made["age_years"]
    assert known.labels == ["<40", "40–50", "≥50", "missing"]
    assert known.reason("<40", 9) is None
    assert known.reason("≥60", 3) == code("level_folded", level="≥50")
    assert known.reason("missing", 1) == NO_RESULTS_OF_MISSING
    assert known.reason("missing", 0) is None
    maker = Variable(name="kvp", title="kVp", kind="numeric", edges=(70,))
    cases = frame(aged(1, 0, 0, 0)).with_columns(kvp=pl.lit(60.0))
    technical = table(cases, (maker,))
    read = printed_levels(technical, Representativeness(variables=(maker,)))["kvp"]
    assert read.reason("missing", 1) is None
    made = describe(
        technical,
        cases,
        cases,
        Representativeness(variables=(maker,)),
        COVARIATES,
        EVALUATION,
        FIVE,
    )
    assert made["kvp"].is_allowed(["c00000"])
    assert made["kvp"].core == frozenset()


# The rule once more, by hand.


class ByHand:
    """The rule, read off one list of cases."""

    def __init__(self, cases: list[Case], place: Any) -> None:
        known = [(p, d, i, place(v)) for i, (p, d, v) in enumerate(cases) if v is not None]
        windows = []
        for window in (EVALUATION.retrospective, EVALUATION.prospective):
            own = [c for c in known if window.start <= c[1] <= window.end]
            if len({c[0] for c in own}) >= 5:
                windows.append(own)
        self.sets = [*windows, windows[0] + windows[1]] if len(windows) == 2 else windows

    def patients(self, part: list[int], own: list[Any]) -> tuple[int, int]:
        first: dict[str, int] = {}
        for p, _, _, level in sorted(own, key=lambda c: (c[1], c[2])):
            first.setdefault(p, level)
        begun = sum(level in part for level in first.values())
        return begun, len({c[0] for c in own if c[3] in part})

    def few(self, part: list[int]) -> bool:
        return any(0 < n < 5 for own in self.sets for n in self.patients(part, own))

    def small(self, part: list[int]) -> bool:
        nobody = all(self.patients(part, own) == (0, 0) for own in self.sets)
        return nobody or self.few(part)

    def size(self, part: list[int]) -> int:
        return self.patients(part, self.sets[-1])[0] if self.sets else 0

    def unordered(self, n: int) -> list[list[int]]:
        """Parts that are printed as one; the last is ``other``."""
        kept = [[i] for i in range(n - 1) if not self.small([i])]
        while kept and self.few([i for i in range(n) if [i] not in kept]):
            kept.remove(min(kept, key=lambda p: (self.size(p), p)))
        return [*kept, [i for i in range(n) if [i] not in kept]]

    def ordered(self, n: int) -> list[list[int]]:
        """Parts that follow one another."""
        parts = [[i] for i in range(n)]
        while len(parts) > 1 and any(self.small(p) for p in parts):
            small = [i for i, p in enumerate(parts) if self.small(p)]
            at = min(small, key=lambda i: (self.size(parts[i]), i))
            beside = [i for i in (at - 1, at + 1) if 0 <= i < len(parts)]
            to = min(beside, key=lambda i: (self.size(parts[i]), i))
            low, high = min(at, to), max(at, to)
            parts[low : high + 1] = [parts[low] + parts[high]]
        return parts


DAYS = (RETRO, RETRO + dt.timedelta(days=1), PRO, PRO + dt.timedelta(days=1), OUTSIDE)
PATIENTS = st.integers(0, 40).map(lambda i: f"p{i:02}")
NUMBERS = st.lists(
    st.tuples(PATIENTS, st.sampled_from(DAYS), st.sampled_from((None, 30, 45, 55, 70))),
    max_size=150,
)
WORDS = st.lists(
    st.tuples(PATIENTS, st.sampled_from(DAYS), st.sampled_from((None, "a", "b", "c", "x"))),
    max_size=150,
)


def parts_of(made: dict[str, str], labels: list[str]) -> list[list[int]]:
    by_printed: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        by_printed.setdefault(made[label], []).append(place)
    return list(by_printed.values())


@given(NUMBERS)
def test_levels_of_a_number_are_those_of_the_rule(cases: list[Case]) -> None:
    labels = bin_labels(AGE)[:-1]
    expected = ByHand(cases, (30, 45, 55, 70).index).ordered(len(labels))
    assert parts_of(printed(cases), labels) == expected


@given(WORDS)
def test_levels_of_categories_are_those_of_the_rule(cases: list[Case]) -> None:
    labels = bin_labels(WARD)[:-1]
    expected = ByHand(cases, "abcx".index).unordered(len(labels))
    found = parts_of(printed(cases, WARD), labels)
    assert sorted(found) == sorted(p for p in expected if p)


@given(st.one_of(NUMBERS.map(lambda c: (c, AGE)), WORDS.map(lambda c: (c, WARD))))
def test_no_core_set_has_a_printed_level_of_a_few_patients(
    told: tuple[list[Case], Variable],
) -> None:
    cases, variable = told
    made = frame(cases, variable)
    table_ = table(made, (variable,))
    read = printed_levels(table_, Representativeness(variables=(variable,)))[variable.name]
    placed = made.with_columns(read.label(made, COVARIATES)).filter(pl.col("printed") != MISSING)
    for own in core_sets(placed, EVALUATION, 5):
        first = own.sort("index_date", "case_id").unique("patient_id", keep="first")
        for each in (first, own):
            counts = each.group_by("printed").agg(pl.col("patient_id").n_unique())
            assert counts["patient_id"].min() in (None, *range(5, 100))
    # The order of rows does not matter, nor does folding what is folded change anything.
    shuffled = made.sample(fraction=1, shuffle=True, seed=1)
    assert table_.equals(table(shuffled, (variable,)))


@given(NUMBERS)
def test_folding_again_what_was_folded_changes_nothing(cases: list[Case]) -> None:
    labels = list(dict.fromkeys(shown_of(cases)))
    if labels == [ALL]:
        return
    edges = tuple(float(label.lstrip("<≥").split("–")[0]) for label in labels[1:])
    again = AGE.model_copy(update={"edges": edges})
    assert list(printed(cases, again).values())[:-1] == (labels if edges else [ALL])


@given(NUMBERS, st.sets(st.integers(0, 149)))
def test_a_set_that_is_described_has_no_level_of_a_few(cases: list[Case], chosen: set[int]) -> None:
    made = frame(cases)
    told = description(made)
    picked = frozenset(made["case_id"].gather([i for i in sorted(chosen) if i < len(cases)]))
    if not told.is_allowed(picked):
        return
    known = told.cases.filter(pl.col("printed") != MISSING)
    of = {
        c: (p, level)
        for c, p, level in known.select("case_id", "patient_id", "printed").iter_rows()
    }
    picked &= frozenset(of)
    sets = [frozenset(told.cases["case_id"].filter(rows)) for rows in told.sets]
    nested = [s for s in sets if s <= picked or picked <= s]
    for gap in (picked, *(s ^ picked for s in nested)):
        people_of = sorted({(of[c][1], of[c][0]) for c in gap})
        for _, group in itertools.groupby(people_of, key=lambda pair: pair[0]):
            assert len(list(group)) >= 5


def test_of_no_set_there_is_no_level() -> None:
    """As of the periods of a window in which none has enough patients."""
    assert strata.levels_of([], pl.DataFrame({"case_id": ["a"], "level": ["x"]})) == []
