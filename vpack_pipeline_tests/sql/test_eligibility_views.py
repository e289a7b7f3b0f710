"""What the three views say of a patient, a study and a case, as tables a clinician can read."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest


def shown(frame: pl.DataFrame, key: str, *columns: str) -> dict[Any, tuple[Any, ...]]:
    return {row[0]: tuple(row[1:]) for row in frame.select(key, *columns).iter_rows()}


STUDIES = """
    | study_id | patient_id | study_date | sex |
    | s1       | ann        | 2024-03-01 | F   |
    | s2       | ann        | 2024-01-01 | F   |
    | s3       | ann        |            |     |
    | s4       | bob        | 2024-01-01 | M   |
    | s5       | bob        | 2024-01-01 | F   |
"""


def test_patients_come_from_studies_and_from_cases_in_force(world):
    made = world(
        studies=STUDIES,
        cases="""
            | case_id | patient_id | in_force |
            | c1      | ann        | yes      |
            | c2      | cyd        | yes      |
            | c3      | dan        | no       |
        """,
    ).run()
    assert shown(made["patients"], "patient_id", "sex", "n_studies", "n_cases") == {
        "ann": ("F", 3, 1),
        "bob": (None, 2, 0),  # his studies disagree on his sex
        "cyd": (None, 0, 1),
    }
    assert made["cases"]["case_id"].to_list() == ["c1", "c2"]


def test_studies_rank_by_date_then_pseudonym_and_undated_ones_last(world):
    made = world(studies=STUDIES, cases="|case_id|patient_id|\n|c1|ann|").run()
    ranks = {k: v[0] for k, v in shown(made["studies"], "study_id", "study_rank").items()}
    assert ranks == {"s1": 2, "s2": 1, "s3": 3, "s4": 1, "s5": 2}


@pytest.mark.parametrize(
    ("patient", "study", "in_force", "ann", "s1", "s2", "case"),
    [
        (None, None, "yes", False, False, False, False),
        ("ann", None, "yes", True, True, True, True),
        ("ann", None, "no", False, False, False, False),
        (None, "s1", "yes", True, True, False, True),  # the index study
        (None, "s2", "yes", True, False, True, True),  # a prior of the case
        (None, "s3", "yes", True, False, False, False),  # a study of hers outside the case
        ("bob", "s4", "yes", False, False, False, False),
    ],
)
def test_development_reaches_patient_study_and_case(
    world, patient, study, in_force, ann, s1, s2, case
):
    made = world(
        studies=STUDIES,
        cases="|case_id|patient_id|\n|c1|ann|",
        case_studies="""
            | case_id | study_id | role  |
            | c1      | s1       | index |
            | c1      | s2       | prior |
        """,
        development=f"""
            | patient_id    | study_id    | in_force   |
            | {patient or ""} | {study or ""} | {in_force} |
        """,
    ).run()
    assert shown(made["patients"], "patient_id", "in_development")["ann"] == (ann,)
    studies = shown(made["studies"], "study_id", "in_development")
    assert (studies["s1"], studies["s2"]) == ((s1,), (s2,))
    assert made["cases"]["in_development"].to_list() == [case]


def test_index_study_is_the_standard_arms_earliest_of_the_same_patient(world):
    made = world(
        studies=STUDIES,
        cases="""
            | case_id | patient_id | index_date |
            | late    | ann        | 2024-06-01 |
            | early   | ann        | 2024-05-01 |
            | alien   | ann        | 2024-07-01 |
            | prior   | ann        | 2024-08-01 |
            | retired | ann        | 2024-09-01 |
        """,
        case_studies="""
            | case_id | study_id | role  | arm      | in_force |
            | late    | s2       | index | aided    | yes      |
            | late    | s1       | index | standard | yes      |
            | early   | s1       | index | standard | yes      |
            | early   | s2       | index | standard | yes      |
            | alien   | s4       | index | standard | yes      |
            | prior   | s1       | prior | standard | yes      |
            | retired | s1       | index | standard | no       |
        """,
    ).run()
    assert shown(made["cases"], "case_id", "study_id", "study_rank", "case_rank") == {
        "late": ("s1", 2, 2),
        "early": ("s2", 1, 1),
        "alien": (None, None, 3),  # another patient's study never describes a case
        "prior": (None, None, 4),
        "retired": (None, None, 5),
    }


def test_what_exists_for_a_case_is_counted_but_no_score_or_label_is_shown(world):
    made = world(
        studies=STUDIES,
        cases="""
            | case_id | patient_id |
            | full    | ann        |
            | bare    | ann        |
        """,
        predictions="""
            | case_id | model_id | status  | in_force |
            | full    | m1       | failed  | yes      |
            | full    | m1       | ok      | yes      |
            | bare    | m2       | ok      | yes      |
            | bare    | m1       | refused | yes      |
            | bare    | m1       | ok      | no       |
        """,
        reference="""
            | case_id | in_force |
            | full    | yes      |
            | bare    | no       |
        """,
        reads="""
            | case_id | reader_id | finding  | purpose    | role        | session | is_diagnostic |
            | full    | r1        | nodule   | reference  | independent | 1       | yes           |
            | full    | r1        | effusion | reference  | independent | 1       | yes           |
            | full    | r1        | nodule   | reference  | independent | 2       | yes           |
            | full    | r2        | nodule   | reference  | independent | 1       | no            |
            | full    | r3        | nodule   | reference  | tiebreak    | 1       | no            |
            | bare    | r4        | nodule   | comparator | independent | 1       | yes           |
        """,
    ).run()["cases"]
    columns = ("has_prediction", "has_reference", "n_reads", "is_diagnostic")
    assert shown(made, "case_id", *columns) == {
        "full": (True, True, 3, True),
        "bare": (False, False, 0, None),
    }
    assert not {"score", "call", "label", "rating"} & set(made.columns)


def test_half_of_the_reads_is_no_majority(world):
    made = world(
        cases="|case_id|patient_id|\n|c1|ann|",
        reads="""
            | case_id | reader_id | role        | is_diagnostic |
            | c1      | r1        | independent | yes           |
            | c1      | r2        | independent | no            |
        """,
    ).run()["cases"]
    assert made["is_diagnostic"].to_list() == [False]
