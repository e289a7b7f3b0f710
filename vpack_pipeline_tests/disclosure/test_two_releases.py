"""Whoever holds two releases, and subtracts one from the other, finds no small group of people.

First that the attacker finds what is there to be found. Then that random sites that hand out two
packs, a night, a month, half a year or a version of the protocol apart, give no group away: what
has changed by too few is quoted.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import pytest

from vpack_pipeline.assets.quoted_tables import tables_about_people
from vpack_pipeline.core.pack.described_groups import DescribedPeople, described_people
from vpack_pipeline.core.pack.group_changes import Change, group_changes
from vpack_pipeline.protocol import Protocol, Variable
from vpack_pipeline_tests.disclosure.attack import READ, Found, attack
from vpack_pipeline_tests.disclosure.knowledge import FLOW, LEVELS, PROFILE
from vpack_pipeline_tests.disclosure.small_site import (
    Tables,
    added,
    attacked,
    changed,
    figure,
    flow,
    frame,
    profile_row,
    safe,
)
from vpack_pipeline_tests.disclosure.two_releases import Handed, attack_two
from vpack_pipeline_tests.report.pack_sample import documents, sample

ABOUT_PEOPLE = frozenset(tables_about_people())
EARLY = dt.date(2025, 11, 1)
NIGHT, MONTH, MONTHS = (EARLY + dt.timedelta(days=n) for n in (1, 30, 140))


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return documents()[0]


def counted(emergency: int, rest: int, n_excluded: int = 60) -> Tables:
    """The small site with other numbers of included cases; its profile and flow alone."""
    total = emergency + rest
    counts = {"emergency": emergency, "rest": rest, "missing": 0}
    whole = {a: safe()[a] for a in (LEVELS, PROFILE, "evaluation/performance")}
    whole |= {"evaluation/performance": whole["evaluation/performance"].clear()}

    def row(r: dict) -> dict:
        if r["set"] == "included":
            return {"n": counts[r["bin"]], "n_total": total}
        return {"n_total": n_excluded}

    return changed(whole, PROFILE, row) | {FLOW: flow(total, radiograph=n_excluded)}


def printed_as(tables: Tables, **levels: str) -> Tables:
    """The same tables with levels that stand as these; a reason where one is folded."""

    def row(r: dict) -> dict:
        shown = levels.get(r["level"], r["level"])
        folded = list(levels.values()).count(shown) > 1
        return {"printed_level": shown, "reason": "level_has_few_patients" if folded else None}

    return changed(tables, LEVELS, row)


def aparted(emergency: int, inpatient: int, outpatient: int) -> Tables:
    """The site when each level stands for itself."""
    total = emergency + inpatient + outpatient
    made = printed_as(counted(emergency, inpatient + outpatient))
    rows = zip(
        ("emergency", "inpatient", "outpatient", "missing"),
        (emergency, inpatient, outpatient, 0),
        strict=True,
    )
    profile = [profile_row(x, "included", n, total) for x, n in rows]
    return made | {PROFILE: frame(profile)}


def told(found: list[Found]) -> set[tuple[str, str]]:
    return {(f.level, f.set) for f in found}


def test_the_same_pack_twice_tells_nothing(protocol):
    pack = Handed(counted(80, 70), protocol)
    assert attack_two(pack, pack) == []


@pytest.mark.parametrize(("n", "is_found"), [(0, False), (3, True), (10, True), (11, False)])
def test_a_level_that_few_have_joined_is_found(protocol, n, is_found):
    found = attack_two(Handed(counted(80, 70), protocol), Handed(counted(80 + n, 90), protocol))
    assert (("emergency", "included, joined since") in told(found)) == is_found
    assert all((f.fewest, f.most) == (n, n) for f in found if f.set == "included, joined since")


def test_a_quoted_table_says_nothing_new(protocol):
    """The flow says that three have come; in which level they are, nothing says."""
    before, after = counted(80, 70), counted(83, 70)
    quoting = Handed({**after, PROFILE: before[PROFILE]}, protocol, ABOUT_PEOPLE)
    assert attack_two(Handed(before, protocol), quoting) == []
    assert attack_two(Handed(before, protocol), Handed(after, protocol))


def test_a_level_that_has_been_folded_since_tells_of_whom_it_holds(protocol):
    """Outpatients were 15, all before the lock; all others are enough: few have come after it."""
    patients = [
        figure(metric, n, n, window=w, stratum_kind="setting", stratum=x)
        for x, before, after in (("inpatient", 40, 26), ("outpatient", 15, 0))
        for w, n in (("retrospective", before), ("prospective", after))
        for metric in ("n_cases", "n_patients")
    ]
    windows = [
        figure("n_immature", 0, 0, window=w, stratum_kind="setting", stratum=x)
        for x in ("inpatient", "outpatient")
        for w in ("retrospective", "prospective")
    ]
    before = aparted(80, 66, 15) | {"evaluation/subgroups": frame(patients + windows)}
    after = counted(80, 81 + 30)
    found = told(attack_two(Handed(before, protocol), Handed(after, protocol)))
    assert ("outpatient", "prospective, later") in found
    assert told(attack_two(Handed(aparted(80, 66, 15), protocol), Handed(after, protocol))) == set()


def test_other_bins_tell_of_those_between_them(protocol):
    """Under 50 then, under 51 now."""

    def aged(edge: int, low: int) -> Handed:
        variable = Variable(name="age_years", title="Age", kind="numeric", edges=(edge,))
        profile = protocol.representativeness.model_copy(update={"variables": (variable,)})
        labels = (f"<{edge}", f"≥{edge}", "missing")
        levels = [
            {"variable": "age_years", "level": x, "printed_level": x, "is_personal": True, "reason": None}
            for x in labels
        ]  # fmt: skip
        rows = [
            profile_row(x, "included", n, 150, variable="age_years")
            for x, n in zip(labels, (low, 150 - low, 0), strict=True)
        ]
        tables = {LEVELS: frame(levels), PROFILE: frame(rows), FLOW: flow(150, radiograph=60)}
        return Handed(tables, protocol.model_copy(update={"representativeness": profile}))

    found = attack_two(aged(50, 60), aged(51, 64))
    assert ("<51 but <50", "included, joined since") in told(found)
    assert attack_two(aged(50, 60), aged(51, 80)) == []


def test_few_who_joined_a_window_of_monitoring_are_found(protocol):
    watched = {
        "drift/plan": frame([{"monitor": "mix", "statistic": "rate", "variable": "setting"}]),
        "drift/baseline": frame(
            [
                {"monitor": "mix", "bin_order": i, "bin": b, "amount": a, "events": None}
                for i, (b, a) in enumerate((("emergency", 150.0), ("rest", 50.0)))
            ]
        ),
    }

    def of(n: int, emergency: int) -> Handed:
        value = abs(emergency / n - 0.75)
        row = {"monitor": "mix", "window_start": "2025-07-01", "n": n, "value": value}
        return Handed(counted(180, 70) | watched | {"drift/status": frame([row])}, protocol)

    found = attack_two(of(50, 20), of(54, 24))
    assert Found("setting", "emergency", "mix from 2025-07-01", 4, 4) in found
    assert attack_two(of(50, 20), of(50, 20)) == []


def test_whom_a_rule_on_the_level_removed_is_a_limit_and_no_find(protocol):
    """Rule and flow say by how many the cohort has grown: the docs say so."""
    rule = protocol.eligibility.rules[1].model_copy(update={"when": "setting = 'emergency'", "kind": "exclude", "id": "adult"})  # fmt: skip
    named = protocol.model_copy(
        update={"eligibility": protocol.eligibility.model_copy(update={"rules": (rule,)})}
    )

    def of(n: int, under: Protocol, name: str) -> Handed:
        tables = changed(counted(0, 150), PROFILE, lambda r: {"n_total": 150} if r["set"] == "included" else {"n_total": n})  # fmt: skip
        tables = added(tables, PROFILE, profile_row("emergency", "cohort", n, 150 + n), profile_row("rest", "cohort", 150, 150 + n))  # fmt: skip
        return Handed(tables | {FLOW: flow(150, **{name: n})}, under)

    assert attack_two(of(40, named, "adult"), of(43, named, "adult")) == []
    found = told(attack_two(of(40, protocol, "radiograph"), of(43, protocol, "radiograph")))
    assert ("emergency", "cohort, joined since") in found


@dataclass(frozen=True)
class Site:
    """A random site as it stood on a day, and whom its pack describes."""

    tables: Tables
    people: DescribedPeople
    protocol: Protocol

    @classmethod
    def on(cls, day: dt.date, seed: int, n: int, protocol: Protocol | None = None) -> Site:
        made = sample(cut=day, until=day, n=n, seed=seed, protocol=protocol, wanted=READ)
        pool = made.tables
        people = described_people(
            cases=pool["eligibility/cases"],
            included=pool["eligibility/included"],
            excluded=pool["eligibility/excluded"],
            population=pool["cohort/population"],
            levels=pool["representativeness/levels"],
            baseline=pool["drift/baseline"],
            status=pool["drift/status"],
            protocol=made.protocol,
            cut=day,
        )
        return cls(attacked(pool), people, made.protocol)

    @property
    def handed(self) -> Handed:
        return Handed(self.tables, self.protocol)

    def changes(self, earlier: Site, *, may_part: bool = False) -> list[Change]:
        return group_changes(earlier.people, self.people, may_part=may_part)

    def quoting(self, earlier: Site) -> Handed:
        mixed = {a: earlier.tables[a] if a in ABOUT_PEOPLE else t for a, t in self.tables.items()}
        return Handed(mixed, self.protocol, ABOUT_PEOPLE)


@functools.lru_cache(maxsize=4)
def site_on(day: dt.date, seed: int, n: int) -> Site:
    """Give a site under the protocol as it is: several tests begin with the same."""
    return Site.on(day, seed, n)


def give_nothing_away(first: Site, second: Site, *, may_part: bool) -> None:
    """As ``vpack release`` does: the newer tables about people, or those of the first release."""
    has_changed = bool(second.changes(first, may_part=may_part))
    later = second.quoting(first) if has_changed else second.handed
    assert attack_two(first.handed, later) == []


@pytest.mark.parametrize(
    ("day", "n", "seed"),
    [pytest.param(NIGHT, 1500, 2, marks=pytest.mark.nightly), (MONTH, 600, 13)],
)
def test_what_is_quoted_is_what_the_attacker_finds_without_it(day, n, seed):
    first, second = (site_on(d, seed, n) for d in (EARLY, day))
    assert attack(first.tables, first.protocol) == []
    assert attack(second.tables, second.protocol) == [], "each is safe alone"
    assert second.changes(first)
    assert attack_two(first.handed, second.handed), "together they are not"
    assert attack_two(first.handed, second.quoting(first)) == []


@pytest.mark.parametrize("day", [NIGHT, MONTH, MONTHS], ids=["night", "month", "months"])
@pytest.mark.parametrize("seed", range(2))
def test_two_releases_of_a_random_site_give_no_group_away(day, seed):
    first, second = (site_on(d, seed, 700) for d in (EARLY, day))
    give_nothing_away(first, second, may_part=False)


def other_ages(protocol: Protocol) -> Protocol:
    variables = tuple(
        v.model_copy(update={"edges": (50.0, 75.0)}) if v.name == "age_years" else v
        for v in protocol.representativeness.variables
    )
    profile = protocol.representativeness.model_copy(update={"variables": variables})
    return protocol.model_copy(update={"version": "1.1", "representativeness": profile})


def larger_groups(protocol: Protocol) -> Protocol:
    disclosure = protocol.disclosure.model_copy(update={"smallest_group": 20})
    return protocol.model_copy(update={"version": "1.1", "disclosure": disclosure})


@pytest.mark.parametrize("change", [other_ages, larger_groups])
@pytest.mark.parametrize("day", [EARLY, MONTH], ids=["same day", "month"])
def test_two_versions_of_a_protocol_give_no_group_away(
    change: Callable[[Protocol], Protocol], day: dt.date, protocol: Protocol
) -> None:
    """Under a new version nothing may be left to quote; then nothing is released."""
    first, second = site_on(EARLY, 5, 700), Site.on(day, 5, 700, change(protocol))
    assert attack(second.tables, second.protocol) == []
    if not second.changes(first, may_part=True):
        assert attack_two(first.handed, second.handed) == []
    elif change is larger_groups:
        give_nothing_away(first, second, may_part=True)
    else:
        keys = [
            set(s.tables["evaluation/subgroups"].select("stratum_kind", "stratum").iter_rows())
            for s in (first, second)
        ]
        assert keys[0] != keys[1], "its rows are others: it cannot be quoted"


def test_a_site_that_has_grown_enough_hands_out_new_tables(protocol):
    """Else the law would keep everything back for ever."""
    profile = protocol.representativeness.model_copy(update={"joint": ()})
    singly = protocol.model_copy(update={"representativeness": profile})
    first, second = (Site.on(day, 2, 4000, singly) for day in (EARLY, MONTHS))
    assert second.changes(first) == []
    assert second.tables[PROFILE]["n_total"].max() > first.tables[PROFILE]["n_total"].max()
    assert attack_two(first.handed, second.handed) == []


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 40))
@pytest.mark.parametrize("day", [NIGHT, MONTH, MONTHS], ids=["night", "month", "months"])
@pytest.mark.parametrize("n", [250, 1500])
def test_two_releases_of_many_random_sites_give_no_group_away(day, seed, n):
    first, second = (site_on(d, seed, n) for d in (EARLY, day))
    give_nothing_away(first, second, may_part=seed % 2 == 1)


def test_the_sample_of_an_earlier_day_is_part_of_that_of_a_later():
    first, second = (site_on(d, 1, 250) for d in (EARLY, MONTH))
    ours, theirs = (set(s.people.cases["case_id"]) for s in (first, second))
    assert ours < theirs
    assert isinstance(first.people.cases, pl.DataFrame)
