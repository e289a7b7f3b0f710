"""Who is removed by which rule, as tables a clinician can read."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from vpack_pipeline.core.eligibility import stopping_problems
from vpack_pipeline.errors import DocumentError
from vpack_pipeline.protocol import Covariate

from .world import broken_expectations, spec, values

CASES = """
    | case_id | patient_id |
    | a1      | ann        |
    | a2      | ann        |
    | b1      | bob        |
    | c1      | cyd        |
"""
STUDIES = """
    | study_id | patient_id | age_years | modality | kvp |
    | sa1      | ann        | 60        | CT       | 120 |
    | sa2      | ann        | 61        | MR       |     |
    | sb1      | bob        | 17        | CT       | 120 |
    | sc1      | cyd        |           | CT       | 80  |
    | sd1      | dan        | 50        | CT       | 120 |
"""
INDEX = """
    | case_id | study_id | role  |
    | a1      | sa1      | index |
    | a2      | sa2      | index |
    | b1      | sb1      | index |
    | c1      | sc1      | index |
"""
RULES = """
    | id       | kind    | level   | when                | if_unknown |
    | adults   | include | case    | age_years >= 18     | exclude    |
    | ct       | include | study   | modality = 'CT'     | exclude    |
    | low_dose | exclude | study   | kvp < 100           | include    |
    | trained  | exclude | patient | in_development      | stop       |
"""


@pytest.fixture
def clinic(world):
    return world(
        cases=CASES,
        studies=STUDIES,
        case_studies=INDEX,
        rules=RULES,
        development="|patient_id|\n|bob|",
    )


@pytest.mark.parametrize(
    ("kind", "if_unknown", "true", "false", "unknown", "stops"),
    [
        ("include", "exclude", "stays", "removed", "removed", False),
        ("include", "include", "stays", "removed", "stays", False),
        ("include", "stop", "stays", "removed", "stays", True),
        ("exclude", "exclude", "removed", "stays", "removed", False),
        ("exclude", "include", "removed", "stays", "stays", False),
        ("exclude", "stop", "removed", "stays", "stays", True),
    ],
)
def test_three_values_of_a_rule(world, kind, if_unknown, true, false, unknown, stops):
    made = world(
        cases="|case_id|patient_id|\n|c60|ann|\n|c17|bob|\n|c_|cyd|",
        studies="""
            | study_id | patient_id | age_years |
            | s60      | ann        | 60        |
            | s17      | bob        | 17        |
            | s_       | cyd        |           |
        """,
        case_studies="""
            | case_id | study_id | role  |
            | c60     | s60      | index |
            | c17     | s17      | index |
            | c_      | s_       | index |
        """,
        rules=f"""
            | id     | kind   | level | when            | if_unknown   |
            | adults | {kind} | case  | age_years >= 18 | {if_unknown} |
        """,
    )
    flags = made.run()["flags"]
    cases = {r["unit_id"]: r for r in flags.filter(level="case").iter_rows(named=True)}
    found = {unit: "removed" if r["removing_rules"] else "stays" for unit, r in cases.items()}
    assert found == {"c60": true, "c17": false, "c_": unknown}
    assert values(made.rules, flags) == [
        ("case", "c17", "adults", "false"),
        ("case", "c60", "adults", "true"),
        ("case", "c_", "adults", "unknown"),
    ]
    assert flags.filter(pl.col("stopping_rules") > 0)["unit_id"].to_list() == ["c_"] * stops
    assert broken_expectations("eligibility/flags", flags) == ["no_rule_stops"] * stops


def test_every_unit_of_the_level_meets_every_rule(clinic):
    flags = clinic.run()["flags"]
    counts = Counter(rule for _, _, rule, _ in values(clinic.rules, flags))
    assert counts == {"adults": 4, "ct": 5, "low_dose": 5, "trained": 4}
    assert dict(flags.group_by("level").len().iter_rows()) == {"patient": 4, "study": 5, "case": 4}


def test_flow_counts_patients_studies_and_cases(clinic):
    flow = clinic.run()["flow"]
    columns = ["entered", "removed", "remaining", "marginal", "unique_to_rule", "unknown", "total"]
    found = {
        (r["rule"], r["unit"]): tuple(r[c] for c in columns) for r in flow.iter_rows(named=True)
    }
    expected = {
        (r["rule"], r["unit"]): tuple(int(r[c]) for c in columns)
        for r in spec(
            """
            | rule     | unit    | entered | removed | remaining | marginal | unique_to_rule | unknown | total |
            | start    | case    | 4       | 0       | 4         | 0        | 0              | 0       | 4     |
            | start    | patient | 4       | 0       | 4         | 0        | 0              | 0       | 4     |
            | start    | study   | 5       | 0       | 5         | 0        | 0              | 0       | 5     |
            | adults   | case    | 4       | 2       | 2         | 2        | 0              | 1       | 4     |
            | adults   | patient | 4       | 2       | 2         | 2        | 0              | 1       | 4     |
            | adults   | study   | 5       | 2       | 3         | 2        | 0              | 1       | 5     |
            | ct       | case    | 2       | 1       | 1         | 1        | 1              | 0       | 4     |
            | ct       | patient | 2       | 0       | 2         | 0        | 0              | 0       | 4     |
            | ct       | study   | 3       | 1       | 2         | 1        | 1              | 0       | 5     |
            | low_dose | case    | 1       | 0       | 1         | 1        | 0              | 1       | 4     |
            | low_dose | patient | 2       | 0       | 2         | 1        | 0              | 1       | 4     |
            | low_dose | study   | 2       | 0       | 2         | 1        | 0              | 1       | 5     |
            | trained  | case    | 1       | 0       | 1         | 1        | 0              | 0       | 4     |
            | trained  | patient | 2       | 0       | 2         | 1        | 0              | 0       | 4     |
            | trained  | study   | 2       | 0       | 2         | 1        | 0              | 0       | 5     |
            """
        )
    }
    assert found == expected
    assert broken_expectations("eligibility/flow", flow) == []


def test_excluded_cases_carry_all_their_rules(clinic):
    made = clinic.run()
    assert made["excluded"].drop("patient_id").rows() == [
        ("a2", 2, "ct", "ct", 0b0010),
        ("b1", 1, "adults", "adults|trained", 0b1001),
        ("c1", 1, "adults", "adults|low_dose", 0b0101),
    ]
    assert made["included"].rows() == [("a1", "ann", "sa1")]


def test_patient_whose_cases_fall_to_different_rules_falls_at_the_last_and_uniquely_to_none(world):
    flow = world(
        cases="|case_id|patient_id|stratum|\n|c1|ann|x|\n|c2|ann|y|",
        rules="""
            | id | kind    | level | when          | if_unknown |
            | r1 | exclude | case  | stratum = 'x' | exclude    |
            | r2 | exclude | case  | stratum = 'y' | exclude    |
        """,
    ).run()["flow"]
    patients = flow.filter(pl.col("unit") == "patient")
    columns = ("rule", "removed", "marginal", "unique_to_rule")
    assert patients.select(columns).rows()[1:] == [("r1", 0, 0, 0), ("r2", 1, 0, 0)]


def test_case_removed_by_no_rule_but_its_own_study_rule_is_unknown_without_index_study(world):
    for if_unknown, included in [("exclude", []), ("include", ["c1"]), ("stop", ["c1"])]:
        clinic = world(
            cases="|case_id|patient_id|\n|c1|ann|",
            rules=f"""
                | id | kind    | level | when            | if_unknown   |
                | ct | include | study | modality = 'CT' | {if_unknown} |
            """,
        )
        made = clinic.run()
        assert values(clinic.rules, made["flags"]) == [("case", "c1", "ct", "unknown")]
        assert made["included"]["case_id"].to_list() == included
        assert made["flags"]["stopping_rules"].sum() == (if_unknown == "stop")


def test_a_rule_that_stops_is_named_with_the_units_it_is_unknown_of(clinic):
    rules = [
        r.model_copy(update={"if_unknown": "stop"} if r.level == "study" else {})
        for r in clinic.rules.rules
    ]
    clinic.rules = clinic.rules.model_copy(update={"rules": tuple(rules)})
    clinic.tables["cases"].append({"case_id": "d1", "patient_id": "dan"})
    flags = clinic.run()["flags"]
    assert [(p.where, p.what) for p in stopping_problems(flags.lazy(), clinic.rules)] == [
        ("eligibility rule ct", "it is unknown where the protocol says stop (cases: 1)"),
        (
            "eligibility rule low_dose",
            "it is unknown where the protocol says stop (cases: 1, studies: 1)",
        ),
    ]
    nothing = flags.with_columns(stopping_rules=pl.lit(0, dtype=pl.Int64))
    assert stopping_problems(nothing.lazy(), clinic.rules) == []


def test_prior_study_stays_until_a_rule_removes_it_or_its_patient(world):
    made = world(
        cases="|case_id|patient_id|\n|c1|ann|",
        studies="""
            | study_id | patient_id | modality |
            | index    | ann        | CT       |
            | prior    | ann        | MR       |
            | other    | ann        | CT       |
        """,
        case_studies="|case_id|study_id|role|\n|c1|index|index|\n|c1|prior|prior|",
        rules="""
            | id  | kind    | level | when            | if_unknown |
            | ct  | include | study | modality = 'CT' | exclude    |
            | out | exclude | case  | n_reads = 0     | exclude    |
        """,
    ).run()
    rows = made["flow"].select("rule", "unit", "remaining").rows()
    assert ("ct", "study", 2) in rows
    assert ("out", "study", 1) in rows  # "other" belongs to no case
    assert ("out", "patient", 0) in rows


def test_flow_is_whole_when_a_rule_meets_no_unit(world):
    made = world(
        studies="|study_id|patient_id|\n|s1|ann|",
        rules="""
            | id | kind    | level | when        | if_unknown |
            | r1 | exclude | case  | n_reads = 0 | exclude    |
        """,
    ).run()
    masks = made["flags"].select("removing_rules", "unknown_rules", "stopping_rules")
    assert masks.sum().row(0) == (0, 0, 0)
    assert made["excluded"].height == made["included"].height == 0
    assert made["flow"].select("unit", "remaining", "total").rows()[3:] == [
        ("case", 0, 0),
        ("patient", 1, 1),
        ("study", 1, 1),
    ]


@pytest.mark.parametrize(
    ("when", "value"),
    [
        ("bmi > 20", "true"),
        ("parity = 2", "true"),
        ("smoker", "true"),
        ("not smoker", "false"),
        ("site_code = 'x y'", "true"),
        ("parity / (parity - 2) > 0", "unknown"),
        ("parity % 0 = 0", "unknown"),
        ("10 / (parity / 2) = 10", "true"),
        ("absent is null", "true"),
        ("absent > 3 or parity = 2", "true"),
        ("absent > 3 or parity = 3", "unknown"),
        ("absent > 3 and parity = 3", "false"),
        ("absent in (1, 2)", "unknown"),
        ("coalesce(absent, 7) = 7", "true"),
        ("absent is distinct from 3", "true"),
        ("try_cast(site_code as bigint) = 1", "unknown"),
        ("index_date between '2024-01-01' and DATE '2024-12-31'", "true"),
        ("date_diff('day', DATE '2023-12-30', index_date) = 2", "true"),
        ("regexp_matches(site_code, '^x')", "true"),
        ("regexp_full_match(site_code, 'x')", "false"),
        ("site_code not like 'x%'", "false"),
        ("site_code ilike 'X%'", "true"),
        ("substr(upper(site_code), 1, 1) = 'X' and length(trim(site_code)) = 3", "true"),
        ("case when parity > 1 then smoker else false end", "true"),
        ("nullif(parity, 2) = 2", "unknown"),
        ("year(index_date) = 2024 and month(index_date) = 1 and day(index_date) = 1", "true"),
        ("round(bmi, 1) = 21.5 and floor(bmi) = 21 and ceil(-bmi) = -21 and abs(-bmi) > 1", "true"),
        ("smoker is not true", "false"),
        ("contains(site_code, ' ') and starts_with(site_code, 'x')", "true"),
        ("ends_with(site_code, 'y') -- a remark", "true"),
    ],
)
def test_what_a_rule_says_of_a_case(world, when, value):
    covariates = [
        ("bmi", "float"),
        ("parity", "int"),
        ("smoker", "bool"),
        ("site_code", "string"),
        ("absent", "int"),
    ]
    made = world(
        covariates=tuple(Covariate(name=n, title=n, type=t) for n, t in covariates),
        cases="|case_id|patient_id|\n|c1|ann|",
        rules="|id|kind|level|when|if_unknown|\n|r|include|case|true|exclude|",
    )
    rule = made.rules.rules[0].model_copy(update={"when": when})
    made.rules = made.rules.model_copy(update={"rules": (rule,)})
    text = '{"absent":null,"bmi":21.5,"parity":2,"site_code":"x y","smoker":true}'
    made.tables["cases"][0]["covariates"] = text
    assert values(made.rules, made.run()["flags"]) == [("case", "c1", "r", value)]


def test_compiling_a_faulty_protocol_names_every_rule_at_fault(world):
    made = world(
        rules="""
            | id | kind    | level | when         | if_unknown |
            | r1 | exclude | case  | now() > 1    | exclude    |
            | r2 | exclude | case  | agee > 18    | exclude    |
        """,
    )
    with pytest.raises(DocumentError) as caught:
        made.sql("flags")
    assert [p.where for p in caught.value.problems] == [
        "eligibility rule r1",
        "eligibility rule r2",
    ]


FLOW_FAULTS = [
    ("start_is_cohort", {"rule_order": 0, "unit": "case", "total": 5}),
    ("rows_balance", {"rule_order": 1, "unit": "case", "removed": 1}),
    ("rows_chain", {"rule_order": 2, "unit": "study", "entered": 4}),
    ("sums_to_total", {"rule_order": 4, "unit": "patient", "remaining": 1}),
    ("unique_is_part", {"rule_order": 3, "unit": "case", "unique_to_rule": 1}),
    ("case_falls_alone", {"rule_order": 2, "unit": "case", "marginal": 0}),
    ("three_units", {"rule_order": 2, "unit": "case", "rule_order_to": 9}),
]


@pytest.mark.parametrize(("expectation", "fault"), FLOW_FAULTS)
def test_flow_contract_sees_a_miscount(clinic, expectation, fault):
    flow = clinic.run()["flow"]
    at = (pl.col("rule_order") == fault["rule_order"]) & (pl.col("unit") == fault["unit"])
    changed = {
        name.removesuffix("_to"): value
        for name, value in fault.items()
        if name not in ("rule_order", "unit")
    }
    broken = flow.with_columns(
        pl.when(at).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in changed.items()
    )
    assert expectation in broken_expectations("eligibility/flow", broken)
