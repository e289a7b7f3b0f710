"""Whoever holds a pack, and reckons with all that it prints, finds no small group of people.

First that the attacker finds what is there to be found: a leak of each kind in tables of a few
rows. Then that random small sites have none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from vpack_pipeline.core.levels import Description
from vpack_pipeline.core.representativeness.levels import Tally
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.stats.proportions import clopper_pearson
from vpack_pipeline_tests.disclosure import inversion
from vpack_pipeline_tests.disclosure.attack import READ, Found, attack
from vpack_pipeline_tests.disclosure.integers import ContradictionError, Integers
from vpack_pipeline_tests.disclosure.knowledge import (
    FLOW,
    LEVELS,
    MATCH,
    PROFILE,
    smallest_group,
)
from vpack_pipeline_tests.disclosure.small_site import (
    Tables,
    added,
    apart,
    changed,
    exported,
    figure,
    flow,
    frame,
    profile_row,
    safe,
)
from vpack_pipeline_tests.disclosure.two_releases import Handed, attack_two
from vpack_pipeline_tests.report.pack_sample import documents


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return documents()[0]


def test_a_folded_level_is_safe(protocol):
    assert attack(safe(), protocol) == []


EXCLUDED = {"emergency": 15, "rest": 45, "missing": 0}
"""Forty of the rest were bedside radiographs of the ward, and five were removed for another reason."""

LEAKS: dict[str, Callable[[], Tables]] = {
    "its count is printed": lambda: added(
        apart(), PROFILE, profile_row("outpatient", "included", 4, 150)
    ),
    "its share is printed": lambda: added(
        apart(), PROFILE, profile_row("outpatient", "included", None, 150, share=4 / 150)
    ),
    "all others are printed": lambda: changed(
        apart(), PROFILE, lambda r: {"n": 66} if (r["bin"], r["set"]) == ("inpatient", "included") else {}
    ),
    "its cases are printed in one window": lambda: added(
        apart(), "evaluation/subgroups", figure("n_cases", 4, 4, stratum_kind="setting", stratum="outpatient")
    ),
    "a refused figure keeps its n": lambda: added(
        apart(),
        "evaluation/subgroups",
        figure("sensitivity", 4, 1, stratum_kind="setting", stratum="outpatient", estimate=None, status="refused"),
    ),
    "those of a comparison of levels are all but it": lambda: added(
        apart(),
        "evaluation/subgroups",
        figure("n_positive", 90, 50),
        figure("n_negative", 90, 40),
        figure("n_indeterminate", 90, 0),
        figure("n_undecided", 90, 0),
        figure("auc", 50, 30, stratum_kind="setting", stratum="emergency"),
        figure("auc", None, None, stratum_kind="setting", stratum="inpatient", estimate=0.9),
        figure("heterogeneity_p_auc", 86, None, stratum_kind="setting", stratum="*"),
    ),
    "the cohort is printed and differs by few": lambda: added(
        safe(),
        PROFILE,
        *(profile_row(x, "cohort", n, 210) for x, n in (("emergency", 83), ("rest", 127))),
    ),
    "the excluded follow from a divergence": lambda: added(
        changed(
            safe() | {FLOW: flow(radiograph=12)},
            PROFILE, lambda r: {"n_total": 12} if r["set"] == "excluded" else {},
        ),
        MATCH,
        {
            "variable": "setting",
            "comparison": "included_excluded",
            "metric": "jensen_shannon",
            "n": 162,
            "estimate": inversion.value_of([5, 7], [80, 70], inversion.divergence),
        },
    ),
    "the excluded are printed beside whom a rule on them removed": lambda: (
        changed(safe(), PROFILE, lambda r: {"n": EXCLUDED[r["bin"]]} if r["set"] == "excluded" else {})
        | {FLOW: flow(radiograph=20, no_bedside_ward=40)}
    ),
    "no failure in a level has the interval of its patients": lambda: added(
        apart(),
        "evaluation/failures",
        figure(
            "failure_share", None, None, stratum_kind="setting", stratum="outpatient",
            lower=0.0, upper=clopper_pearson(0, 4).upper, method="clopper_pearson_on_patients",
        ),
    ),
    "a covariate that has no levels is counted": lambda: added(
        safe(), "evaluation/failures", figure("n_cases", 4, 4, stratum_kind="portable", stratum="true")
    ),
}  # fmt: skip
FEW = {
    "the cohort is printed and differs by few": {("emergency", "excluded")},
    "the excluded follow from a divergence": {("emergency", "excluded"), ("rest", "excluded")},
    "a covariate that has no levels is counted": {("true", "retrospective")},
    "the excluded are printed beside whom a rule on them removed": {
        ("rest", "removed by rules on something else")
    },
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_of_each_kind_is_found(leak, protocol):
    found = attack(LEAKS[leak](), protocol)
    groups = {(f.level, f.set) for f in found}
    assert FEW.get(leak, set()) <= groups
    assert leak in FEW or "outpatient" in {level for level, _ in groups}, found
    assert all(1 <= f.fewest <= f.most < smallest_group(protocol) for f in found)


THREE, TWO = ([80.0, 66.0, 40.0], [30, 17, 3]), ([40.0, 146.0], [3, 47])
INDICES = {
    "psi": (inversion.value_of(*THREE[::-1], inversion.stability), *THREE),
    "jensen_shannon": (inversion.value_of(*THREE[::-1], inversion.divergence), *THREE),
    "ks": (40 / 186 - 3 / 50, *TWO),
    "rate": (40 / 186 - 3 / 50, *TWO),
}


def test_few_of_a_covariate_that_describes_nobody_are_no_leak(protocol):
    declared = protocol.disclosure.model_copy(update={"technical": ("portable",)})
    tables = LEAKS["a covariate that has no levels is counted"]()
    assert attack(tables, protocol) != []
    assert attack(tables, protocol.model_copy(update={"disclosure": declared})) == []


@pytest.mark.parametrize("name", INDICES)
def test_few_of_a_window_follow_from_the_index_of_a_monitor(protocol, name):
    """Index and baseline are floats; only one way to part the window has this value."""
    value, reference, window = INDICES[name]
    bins = ("emergency", "inpatient", "outpatient")[-len(window) :]
    tables = safe() | {
        "drift/plan": frame([{"monitor": "mix", "statistic": name, "variable": "setting"}]),
        "drift/baseline": frame(
            [
                {"monitor": "mix", "bin_order": i, "bin": b, "amount": a, "events": None}
                for i, (b, a) in enumerate(zip(bins, reference, strict=True))
            ]
        ),
        "drift/status": frame([{"monitor": "mix", "window_start": "2025-07-01", "n": 50, "value": value}]),
    }  # fmt: skip
    few = bins[window.index(3)]
    assert attack(tables, protocol) == [Found("setting", few, "mix from 2025-07-01", 3, 3)]


def test_whom_a_rule_names_is_a_limit_and_no_find(protocol):
    """Who is younger than the rule's age is said by the rule and by how many it removed."""
    (adult,) = (r for r in protocol.eligibility.rules if r.id == "adult")
    assert adult.when == "age_years >= 18"
    rule = adult.model_copy(update={"when": "age_years >= 50"})
    rules = protocol.eligibility.model_copy(update={"rules": (rule,)})
    named = protocol.model_copy(update={"eligibility": rules})
    ages = ("<50", "50–70", "≥70", "missing")
    levels = [
        {"variable": "age_years", "level": x, "printed_level": x, "is_personal": True, "reason": None}
        for x in ages
    ]  # fmt: skip
    counts = {"included": (0, 80, 66, 0), "cohort": (4, 80, 66, 0)}
    profile = [
        profile_row(x, s, n, sum(of_set), variable="age_years")
        for s, of_set in counts.items()
        for x, n in zip(ages, of_set, strict=True)
    ]
    tables = {LEVELS: frame(levels), FLOW: flow(146, adult=4), PROFILE: frame(profile)}
    assert attack(tables, named) == []
    rows = attack(tables | {FLOW: flow(146, radiograph=4)}, protocol)
    assert {(f.level, f.set) for f in rows} == {("<50", "cohort"), ("<50", "excluded")}


def test_how_many_are_in_a_set_describes_nobody(protocol):
    """A window of few in which all levels are one: the flow says how many they are."""
    made = changed(safe(), LEVELS, lambda r: {} if r["level"] == "missing" else {"printed_level": "all values"})  # fmt: skip
    few = added(
        made | {PROFILE: made[PROFILE].clear()},
        PROFILE,
        *(profile_row(x, "excluded", n, 5) for x, n in (("all values", 5), ("missing", 0))),
    )
    tables = few | {FLOW: flow(radiograph=5)}
    tables.pop("evaluation/subgroups")
    assert attack(tables, protocol) == []


def test_knowledge_that_cannot_be_true_is_no_safety(protocol):
    tables = added(safe(), PROFILE, profile_row("emergency", "included", 81, 150))
    with pytest.raises(ContradictionError):
        attack(tables, protocol)


def test_only_what_is_certain_is_found():
    known = Integers(100)
    a, b, c = ("a",), ("b",), ("c",)
    known.equal([a, b, c], 20)
    known.between({a: 1}, 12, None)
    assert known.certain_range([b, c], 11) is None, "there may be nobody in either"
    known.between({b: 1}, 1, None)
    assert known.certain_range([b, c], 11) == (1, 8)
    assert known.certain_range([b], 11) == (1, 8)
    assert known.certain_range([a], 11) is None


class Asked(dict):
    """Tables that know which of them were asked for."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def __getitem__(self, name: str) -> pl.DataFrame:
        self.names.add(name)
        return super().__getitem__(name)


def test_the_attacker_reads_the_tables_that_random_sites_have_and_no_other():
    tables, protocol = exported(0)
    asked = Asked(tables)
    attack(asked, protocol)
    attack_two(Handed(asked, protocol), Handed(asked, protocol))
    assert asked.names == READ == tables.keys()


def small_counts(tables: Tables, protocol: Protocol) -> int:
    of_people = tables[PROFILE].filter(pl.col("bin") != "missing")
    return of_people["n"].is_between(1, smallest_group(protocol) - 1).sum()


@pytest.mark.parametrize("seed", [1, 2])
def test_where_nothing_is_folded_small_groups_are_given_away(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the law keeps back is what the attacker finds without it."""
    monkeypatch.setattr(Tally, "has_few", lambda _, counts: np.zeros(counts.shape[1], dtype=bool))
    monkeypatch.setattr(Tally, "is_small", lambda _, counts: np.zeros(counts.shape[1], dtype=bool))
    monkeypatch.setattr(Description, "is_allowed", lambda *_: True)
    monkeypatch.setattr(Description, "has_few_persons", lambda *_: False)
    tables, protocol = exported(seed)
    assert small_counts(tables, protocol)
    assert attack(tables, protocol)


@pytest.mark.parametrize("seed", range(10))
def test_a_random_small_site_gives_no_group_away(seed):
    tables, protocol = exported(seed)
    assert attack(tables, protocol) == []


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10, 200))
def test_many_random_small_sites_give_no_group_away(seed):
    tables, protocol = exported(seed)
    assert attack(tables, protocol) == []
