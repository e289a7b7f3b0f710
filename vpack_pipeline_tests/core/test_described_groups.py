"""Whom a pack describes is what its tables print: level by level, set by set."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from types import SimpleNamespace

import polars as pl
import pytest

from vpack_pipeline.core.pack.described_groups import (
    DUE,
    REFERENCE,
    REMOVED,
    DescribedPeople,
    DescribedVariable,
    described_people,
)
from vpack_pipeline.core.pack.group_changes import group_changes
from vpack_pipeline_tests.report.pack_sample import sample

CUT = dt.date(2026, 2, 1)
JOINT = "sex × setting"
ASKED = frozenset(
    {
        "drift/baseline",
        "drift/plan",
        "drift/status",
        "evaluation/failures",
        "evaluation/study_times",
        "evaluation/subgroups",
        "representativeness/levels",
        "representativeness/profile",
    }
)
"""The tables, beside what cases there are, that a test here reads."""


@pytest.fixture(scope="module", params=[(220, 3), (1400, 4)], ids=["small", "large"])
def made(request: pytest.FixtureRequest) -> SimpleNamespace:
    n, seed = request.param
    return sample(n=n, seed=seed, cut=CUT, until=CUT, wanted=ASKED)


@pytest.fixture(scope="module")
def people(made: SimpleNamespace) -> DescribedPeople:
    return of(made)


def of(made: SimpleNamespace) -> DescribedPeople:
    names = ("cases", "included", "excluded")
    return described_people(
        **{name: made.tables[f"eligibility/{name}"] for name in names},
        population=made.tables["cohort/population"],
        levels=made.tables["representativeness/levels"],
        baseline=made.tables["drift/baseline"],
        status=made.tables["drift/status"],
        protocol=made.protocol,
        cut=CUT,
    )


@pytest.fixture(scope="module")
def variables(people: DescribedPeople) -> dict[str, DescribedVariable]:
    return {v.name: v for v in people.variables}


def counts(variable: DescribedVariable, of_set: str) -> Counter[str]:
    among = variable.sets[of_set] & variable.levels.keys()
    return Counter(variable.printed[variable.levels[case]] for case in among)


def test_each_variable_that_describes_people_is_there_and_no_other(made, variables):
    rows = made.tables["representativeness/levels"].filter("is_personal")
    of_rules = {name for name in variables if name.startswith("rule ")}
    of_times = {name for name in variables if name.startswith("time ")}
    assert set(variables) - of_rules - of_times == set(rows["variable"])
    assert JOINT in variables
    assert of_rules == {"rule adult", "rule no_bedside_ward"}


def test_sets_are_those_that_the_profile_counts(made, variables):
    n_described = 0
    table = made.tables["representativeness/profile"].filter(pl.col("bin") != "missing")
    for row in table.filter(pl.col("set") != "target").iter_rows(named=True):
        if row["variable"] not in variables:
            continue
        one = variables[row["variable"]]
        if row["n"] is None:
            assert row["set"] not in one.sets
        else:
            n_described += 1
            found = counts(one, row["set"])[row["bin"]] if row["set"] in one.sets else 0
            assert found == row["n"], row
    assert n_described > 8


def test_bands_of_time_hold_the_cases_that_are_counted_in_them(made, variables):
    table = made.tables["evaluation/study_times"].filter(status="given")
    sets = {"n_begun": "all cases", "n_begun_included": "included"}
    for row in table.iter_rows(named=True):
        of_set = f"{row['window']}, {sets[row['metric']]}"
        one = variables[f"time {row['stratum_kind']}"]
        assert counts(one, of_set)[row["stratum"]] == row["estimate"]
    # Bands of a site of some hundred cases are too small to count.
    is_small = made.tables["eligibility/cases"].height < 500
    assert bool(table.height) is not is_small


def test_the_target_is_what_the_profile_counts(made, variables):
    table = made.tables["representativeness/profile"].filter(set="target")
    for row in table.filter(pl.col("bin") != "missing").iter_rows(named=True):
        one = variables.get(row["variable"])
        if one is not None and row["n"] is not None:
            persons = (n for x, n in one.persons.items() if one.printed[x] == row["bin"])
            assert sum(persons) == row["n"]
    assert sum(variables["sex"].persons.values()) > 1000
    assert sum(variables[JOINT].persons.values()) == sum(variables["sex"].persons.values())


@pytest.mark.parametrize(
    ("asset", "ending"), [("evaluation/failures", ""), ("evaluation/subgroups", DUE)]
)
def test_windows_hold_the_cases_that_results_are_of(made, variables, asset, ending):
    n_given = 0
    rows = made.tables[asset].filter(metric="n_cases", model_id="nodule-2", status="given")
    for row in rows.filter(pl.col("stratum") != "missing").iter_rows(named=True):
        one = variables.get(row["stratum_kind"])
        if one is not None and row["estimate"]:
            found = counts(one, f"{row['window']}{ending}")
            assert found[one.printed[row["stratum"]]] == row["estimate"]
            n_given += 1
    assert n_given


def test_a_window_that_is_too_small_is_not_described(made, variables):
    rows = made.tables["evaluation/failures"].filter(metric="n_cases", status="refused")
    few = rows.filter(pl.col("reason") == "set_too_small").select("stratum_kind", "window").unique()
    for name, window in few.iter_rows():
        assert window not in variables[name].sets
        assert f"{window}{DUE}" not in variables[name].sets


def monitors_of_people(made: SimpleNamespace, variables) -> pl.DataFrame:
    return made.tables["drift/plan"].filter(pl.col("variable").is_in(list(variables)))


def test_the_reference_of_monitoring_holds_what_its_baseline_counts(made, variables):
    n_bins = 0
    for monitor in monitors_of_people(made, variables).iter_rows(named=True):
        one = variables[monitor["variable"]]
        for row in made.tables["drift/baseline"].filter(monitor=monitor["monitor"]).to_dicts():
            if row["events"] is not None and row["bin"] in one.printed.values():
                assert counts(one, REFERENCE)[row["bin"]] == row["events"]
                n_bins += 1
    assert n_bins


def test_a_window_of_monitoring_is_described_where_its_value_is_shown(made, variables):
    monitor = monitors_of_people(made, variables).filter(variable="setting")["monitor"][0]
    status = made.tables["drift/status"]
    assert status.filter(monitor=monitor)["value"].null_count() == 7, "too few in each"
    assert {s for s in variables["setting"].sets if "monitoring" in s} == {REFERENCE}
    start = dt.date(2025, 7, 1)
    is_shown = (pl.col("monitor") == monitor) & (pl.col("window_start") == start)
    shown = status.with_columns(value=pl.when(is_shown).then(0.1).otherwise("value"))
    told = of(SimpleNamespace(tables=made.tables | {"drift/status": shown}, protocol=made.protocol))
    sets = {v.name: v.sets for v in told.variables}
    (n,) = status.filter(is_shown)["n"]
    assert len(sets["setting"][f"monitoring from {start}"]) == n
    assert not any(s.startswith("monitoring from") for s in sets["age_years"])
    assert not any(s.startswith("monitoring") for s in sets["sex"]), "nothing watches it"


def test_cells_of_the_protocol_lead_to_the_printed_cells(made, variables):
    printed = made.tables["representativeness/levels"].filter(variable=JOINT)
    shown = set(printed["printed_level"]) - {"missing"}
    joint = variables[JOINT]
    assert set(joint.printed.values()) <= shown
    assert (
        joint.levels.keys() == variables["sex"].levels.keys() & variables["setting"].levels.keys()
    )
    case = next(iter(joint.levels))
    assert joint.levels[case] == " × ".join(variables[v].levels[case] for v in ("sex", "setting"))


def test_a_rule_on_people_describes_whom_it_alone_removed(made, people, variables):
    ward = variables["rule no_bedside_ward"]
    assert set(ward.levels.values()) == {REMOVED}
    excluded = made.tables["eligibility/excluded"].filter(all_rules="no_bedside_ward")
    assert set(ward.levels) == set(excluded["case_id"])
    cases = made.tables["eligibility/cases"]
    for name, ids in ward.sets.items():
        of_window = cases.filter(pl.col("case_id").is_in(list(ids)))
        assert name.endswith(DUE) or of_window["patient_id"].n_unique() >= people.smallest
    assert variables["rule adult"].sets == {}, "it removed nobody"


def test_a_pack_beside_itself_tells_nothing(people):
    assert group_changes(people, people, may_part=False) == []


def test_a_case_fewer_is_found(made, people):
    """Of the whole site, one included case is left out."""
    (gone,) = made.tables["eligibility/included"]["case_id"].head(1)
    left = {
        name: table.filter(pl.col("case_id") != gone)
        for name, table in made.tables.items()
        if name in ("eligibility/cases", "eligibility/included", "eligibility/excluded")
    }
    before = of(SimpleNamespace(tables=made.tables | left, protocol=made.protocol))
    found = group_changes(before, people, may_part=True)
    assert {c.kind for c in found} == {"few"}
    assert {"sex", "setting"} <= {c.variable for c in found}
