"""The eligibility models against a second implementation in plain Python, on generated cohorts.

The oracle judges rules by Kleene's three-valued logic and finds every figure of the flow by
applying sets of rules again and again: it knows no masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.core.eligibility.rules import MOST_RULES
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

from .world import World, bits, broken_expectations, rules_of

Unit = Mapping[str, Any]
Value = bool | None
Judge = Callable[[Unit], Value]


def kleene_not(a: Value) -> Value:
    return None if a is None else not a


def kleene_and(a: Value, b: Value) -> Value:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def kleene_or(a: Value, b: Value) -> Value:
    return kleene_not(kleene_and(kleene_not(a), kleene_not(b)))


def leaf(column: str, test: Callable[[Any], bool]) -> Judge:
    return lambda unit: None if unit[column] is None else test(unit[column])


LEAVES: Mapping[str, Sequence[tuple[str, Judge]]] = {
    "patient": [
        ("in_development", leaf("in_development", bool)),
        ("sex = 'F'", leaf("sex", lambda v: v == "F")),
        ("n_cases > 1", leaf("n_cases", lambda v: v > 1)),
        ("sex is null", lambda u: u["sex"] is None),
    ],
    "study": [
        ("modality = 'CT'", leaf("modality", lambda v: v == "CT")),
        ("modality in ('MR', 'DX')", leaf("modality", lambda v: v in ("MR", "DX"))),
        ("kvp >= 100", leaf("kvp", lambda v: v >= 100)),
        ("study_rank = 1", leaf("study_rank", lambda v: v == 1)),
        ("coalesce(kvp, 120) > 100", lambda u: (120 if u["kvp"] is None else u["kvp"]) > 100),
    ],
    "case": [
        ("kvp between 80 and 110", leaf("kvp", lambda v: 80 <= v <= 110)),
        ("modality <> 'CT'", leaf("modality", lambda v: v != "CT")),
        ("has_prediction", leaf("has_prediction", bool)),
        ("case_rank = 1", leaf("case_rank", lambda v: v == 1)),
        ("is_diagnostic", leaf("is_diagnostic", bool)),
    ],
}


def conditions(level: str) -> st.SearchStrategy[tuple[str, Judge]]:
    def negated(made: tuple[str, Judge]) -> tuple[str, Judge]:
        sql, judge = made
        return f"not ({sql})", lambda unit: kleene_not(judge(unit))

    def joined(made: tuple[Any, ...]) -> tuple[str, Judge]:
        (left_sql, left), (word, logic), (right_sql, right) = made
        return (
            f"({left_sql}) {word} ({right_sql})",
            lambda unit: logic(left(unit), right(unit)),
        )

    words = st.sampled_from([("and", kleene_and), ("or", kleene_or)])
    return st.recursive(
        st.sampled_from(LEAVES[level]),
        lambda inner: st.one_of(inner.map(negated), st.tuples(inner, words, inner).map(joined)),
        max_leaves=4,
    )


@st.composite
def worlds(
    draw: st.DrawFn, people: int = 3, studies: int = 4, cases: int = 5, rules: int = 4
) -> tuple[World, list[Judge]]:
    """A cohort and rules, at most so many of each, with what judges each rule's condition."""
    patients = [f"p{n + 1}" for n in range(people)]
    made_studies = [
        {
            "study_id": f"s{i}",
            "patient_id": draw(st.sampled_from(patients)),
            "modality": draw(st.sampled_from(["CT", "MR", None])),
            "sex": draw(st.sampled_from(["F", "M", None])),
            "kvp": draw(st.sampled_from([80.0, 120.0, None])),
            "study_date": draw(st.sampled_from([date(2024, 1, 1), date(2024, 2, 1), None])),
        }
        for i in range(draw(st.integers(0, studies)))
    ]
    made_cases, links, predictions, reads = [], [], [], []
    for i in range(draw(st.integers(0, cases))):
        case = {"case_id": f"c{i}", "patient_id": draw(st.sampled_from(patients))}
        case["index_date"] = draw(st.sampled_from([date(2024, 1, 1), date(2024, 3, 1)]))
        case["in_force"] = draw(st.sampled_from([True, True, True, False]))
        made_cases.append(case)
        if made_studies and draw(st.booleans()):
            study = draw(st.sampled_from(made_studies))["study_id"]
            role = draw(st.sampled_from(["index", "index", "prior"]))
            links.append({"case_id": case["case_id"], "study_id": study, "role": role})
        if draw(st.booleans()):
            predictions.append({"case_id": case["case_id"], "status": "ok"})
        if draw(st.booleans()):
            is_diagnostic = draw(st.booleans())
            reads.append(
                {
                    "case_id": case["case_id"],
                    "reader_id": "r1",
                    "role": "independent",
                    "is_diagnostic": is_diagnostic,
                }
            )
    made_rules, judges = [], []
    for i in range(draw(st.integers(1, rules))):
        level = draw(st.sampled_from(["patient", "study", "case"]))
        when, judge = draw(conditions(level))
        made_rules.append(
            {
                "id": f"r{i}",
                "kind": draw(st.sampled_from(["include", "exclude"])),
                "level": level,
                "when": when,
                "if_unknown": draw(st.sampled_from(["include", "exclude", "stop"])),
            }
        )
        judges.append(judge)
    development = [{"patient_id": draw(st.sampled_from(patients))}] if draw(st.booleans()) else []
    tables = {
        "studies": made_studies,
        "cases": made_cases,
        "case_studies": links,
        "predictions": predictions,
        "reads": reads,
        "development": development,
    }
    return World(tables=tables, rules=rules_of(made_rules)), judges


class Oracle:
    """Flags, removals and flow from the three views, by brute force."""

    def __init__(self, world: World, judges: Sequence[Judge], made: Mapping[str, Any]) -> None:
        self.rules = world.rules.rules
        self.judges = judges
        self.units = {
            "patient": {u["patient_id"]: u for u in made["patients"].to_dicts()},
            "study": {u["study_id"]: u for u in made["studies"].to_dicts()},
            "case": {u["case_id"]: u for u in made["cases"].to_dicts()},
        }

    def value(self, place: int, unit: Unit) -> Value:
        return self.judges[place](unit)

    def removes(self, place: int, value: Value) -> bool:
        rule = self.rules[place]
        if value is None:
            return rule.if_unknown == "exclude"
        return not value if rule.kind == "include" else value

    def judged(self, place: int, level: str, unit: Unit) -> list[Value]:
        """What a rule says of a unit: by itself, its study, its patient; empty: nothing."""
        rule = self.rules[place]
        if rule.level == level:
            return [self.value(place, unit)]
        if rule.level == "patient":
            return [self.value(place, self.units["patient"][unit["patient_id"]])]
        if rule.level == "study" and level == "case":
            study = unit["study_id"]
            return [None if study is None else self.value(place, self.units["study"][study])]
        return []

    def flags(self) -> dict[tuple[str, str], tuple[list[int], ...]]:
        """Of every unit the rules that remove it, that are unknown of it and that stop."""
        found = {}
        for level, units in self.units.items():
            for key, unit in units.items():
                asked = {
                    place + 1: self.judged(place, level, unit)[0]
                    for place, rule in enumerate(self.rules)
                    if rule.level == level
                    or (rule.level == "study" and level == "case" and unit["study_id"] is None)
                }
                unknown = [order for order, value in asked.items() if value is None]
                found[level, key] = (
                    [order for order, value in asked.items() if self.removes(order - 1, value)],
                    unknown,
                    [order for order in unknown if self.rules[order - 1].if_unknown == "stop"],
                )
        return found

    def _stands(self, level: str, unit: Unit, places: Iterable[int]) -> bool:
        return not any(
            self.removes(p, value) for p in places for value in self.judged(p, level, unit)
        )

    def parts(self, level: str, key: str) -> list[tuple[str, Unit]]:
        """What must fall for a unit to fall."""
        cases = [u for u in self.units["case"].values() if u[f"{level}_id"] == key]
        if cases:
            return [("case", u) for u in cases]
        if level == "study":
            return [("study", self.units["study"][key])]
        return [("study", u) for u in self.units["study"].values() if u["patient_id"] == key]

    def remaining(self, level: str, places: Sequence[int]) -> set[str]:
        return {
            key
            for key in self.units[level]
            if any(self._stands(kind, unit, places) for kind, unit in self.parts(level, key))
        }

    def flow(self) -> set[tuple[Any, ...]]:
        found = set()
        every = list(range(len(self.rules)))
        for level, units in self.units.items():
            found.add((0, level, len(units), 0, len(units), 0, 0, 0, len(units)))
            for k in every:
                before, after = (self.remaining(level, every[:n]) for n in (k, k + 1))
                alone = set(units) - self.remaining(level, [k])
                without = self.remaining(level, [p for p in every if p != k])
                unknown = [
                    key
                    for key in units
                    if any(None in self.judged(k, kind, u) for kind, u in self.parts(level, key))
                ]
                found.add(
                    (
                        k + 1,
                        level,
                        len(before),
                        len(before - after),
                        len(after),
                        len(alone),
                        len(alone & without),
                        len(unknown),
                        len(units),
                    )
                )
        return found


FLOW = [
    "rule_order",
    "unit",
    "entered",
    "removed",
    "remaining",
    "marginal",
    "unique_to_rule",
    "unknown",
    "total",
]


def assert_agrees(world: World, judges: Sequence[Judge]) -> Mapping[str, Any]:
    """Hold every eligibility table of a world to the oracle; returns the tables."""
    made = world.run()
    oracle = Oracle(world, judges, made)
    flags = {(level, key): tuple(map(bits, masks)) for level, key, *masks in made["flags"].rows()}
    assert flags == oracle.flags()
    assert set(made["flow"].select(FLOW).rows()) == oracle.flow()
    every = list(range(len(judges)))
    assert set(made["included"]["case_id"]) == oracle.remaining("case", every)
    removed = {
        (key, place)
        for key, unit in oracle.units["case"].items()
        for place in every
        if not oracle._stands("case", unit, [place])
    }
    by_case = {k: [p for _, p in v] for k, v in groupby(sorted(removed), key=lambda r: r[0])}
    assert made["excluded"].drop("patient_id").rows() == [
        (
            key,
            places[0] + 1,
            f"r{places[0]}",
            "|".join(f"r{p}" for p in places),
            sum(1 << p for p in places),
        )
        for key, places in sorted(by_case.items())
    ]
    stops = bool(made["flags"]["stopping_rules"].sum())
    for table in ("patients", "studies", "cases", "flags", "flow", "excluded"):
        allowed = ["no_rule_stops"] if table == "flags" and stops else []
        assert broken_expectations(f"eligibility/{table}", made[table]) == allowed
    return made


@given(worlds(people=5, studies=8, cases=10, rules=8))
@examples_drawn(10, a_night=400)
def test_sql_agrees_with_the_oracle(drawn: tuple[World, list[Judge]]) -> None:
    assert_agrees(*drawn)


@pytest.mark.nightly
@given(worlds())
@examples_drawn(50, a_night=2000)
def test_sql_agrees_with_the_oracle_on_many_small_cohorts(drawn: tuple[World, list[Judge]]) -> None:
    assert_agrees(*drawn)


def strata_rule(place: int) -> tuple[dict[str, str], Judge]:
    """A rule that removes the cases of one stratum: by what it says, or by not knowing."""
    own = f"s{place}"
    rule = {"id": f"r{place}", "level": "case", "if_unknown": "exclude"}
    if place % 2 == 0:
        return rule | {"kind": "exclude", "when": f"stratum = '{own}'"}, leaf("stratum", own.__eq__)
    unknown = rule | {"kind": "include", "when": f"nullif(stratum, '{own}') <> ''"}
    return unknown, lambda unit: None if unit["stratum"] == own else True


def test_as_many_rules_as_a_mask_holds_agree_with_the_oracle() -> None:
    places = range(MOST_RULES)
    drawn, judges = zip(*map(strata_rule, places), strict=True)
    cases = [{"case_id": f"c{n:02}", "patient_id": "p1", "stratum": f"s{n}"} for n in places]
    made = assert_agrees(World(tables={"cases": cases}, rules=rules_of(drawn)), judges)
    assert made["excluded"]["mask"].to_list() == [1 << place for place in places]
    assert made["flow"].filter(unit="case", rule_order=MOST_RULES).row(0, named=True) == {
        "rule_order": MOST_RULES,
        "rule": f"r{MOST_RULES - 1}",
        "title": f"r{MOST_RULES - 1}",
        "kind": "include",
        "level": "case",
        "unit": "case",
        "entered": 1,
        "removed": 1,
        "remaining": 0,
        "marginal": 1,
        "unique_to_rule": 1,
        "unknown": 1,
        "total": MOST_RULES,
    }
