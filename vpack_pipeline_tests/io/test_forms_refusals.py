"""Which rows are refused and why: every code, and that nothing is lost or leaked."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from time import process_time

import polars as pl
import pytest
from forms_bench import DAY, READERS, READS, Bench, Tables, protocol
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.errors import ContractError, DeliveryError, InputError
from vpack_pipeline.gate.causes import POINTING
from vpack_pipeline.io import cohort
from vpack_pipeline.io.cohort.inputs import accounted
from vpack_pipeline.io.cohort.inputs.alone import rows_alone
from vpack_pipeline.io.edge import Loaded
from vpack_pipeline.io.forms import REASONS, read_form
from vpack_pipeline.protocol import FindingDetail, Sampling, Stratum
from vpack_pipeline.site import IdentifierForm, InputKind
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

READS_HEADER = "reader_id,case_id,finding,rating,session,read_at,duration_s,purpose\n"
SCORES_HEADER = "case_id,finding,model_id,score,status,attempt,produced_at\n"


def run(tmp_path: Path, inputs: dict[str, object] | None = None, **files: object) -> Tables:
    bench = Bench(tmp_path, inputs=inputs or {})
    bench.deliver_all(**files)
    tables = bench.tables()
    for kind, written in bench.site.inputs.items():
        # The files that every test delivers alike are held once, where nothing else is delivered.
        if not files or written.file.replace(".", "_") in files:
            hold_what_is_said_before_to_the_build(bench, kind, tables)
    return tables


def test_of_sound_files_nothing_is_said_before_a_build_or_by_it(tmp_path: Path) -> None:
    tables = run(tmp_path)
    assert all(tables.refused(kind) == [] for kind in ("cases", "readers", "reads", "predictions"))


OF_OTHER_TABLES = {*POINTING, "PATIENT_MISMATCH", "CHAIN_IN_PATIENT_MAP"}
REPEATED = {"DUPLICATE_ROW", "DUPLICATE_KEY"}


def hold_what_is_said_before_to_the_build(bench: Bench, kind: InputKind, tables: Tables) -> None:
    """What `check` and `deliver` say of a file's rows is what the build then says of them."""
    written = bench.site.inputs[kind]
    path = bench.root / "deliveries" / DAY / written.file
    if not path.is_file():
        return
    form = read_form(path, written.file, kind, written, bench.protocol)
    day = date.fromisoformat(DAY)
    faults = rows_alone(kind, form, written, bench.protocol, bench.ids, day).faults
    before = faults.select("line", "field", "reason").rows()
    refused = tables.refused(kind)
    assert {line for line, *_ in before} <= {line for line, *_ in refused}
    by_cells = [row for row in refused if row[2] not in OF_OTHER_TABLES | REPEATED | {"CYCLE"}]
    assert sorted(by_cells, key=str) == sorted(
        (row for row in before if row[2] not in REPEATED | {"CYCLE"}), key=str
    )
    if not OF_OTHER_TABLES & {row[2] for row in refused}:
        repeated = {row[0] for row in refused if row[2] in REPEATED}
        assert repeated == {row[0] for row in before if row[2] in REPEATED}


def test_ten_thousand_rows_are_read_in_a_second(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    rows = "".join(
        f"R{n % 7},C{n},nodule,4,2026-01-0{1 + n % 4}T10:00:00Z\n" for n in range(10_000)
    )
    header = "reader_id,case_id,finding,rating,read_at\n"
    folder = bench.deliver_all(reads_csv=header + rows)
    written = bench.site.inputs["reads"]
    started = process_time()
    form = read_form(folder / "reads.csv", "reads.csv", "reads", written, bench.protocol)
    day = date.fromisoformat(DAY)
    alone = rows_alone("reads", form, written, bench.protocol, bench.ids, day)
    assert process_time() - started < 1
    assert alone.rows.height == 10_000
    assert not alone.faults.height


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ("R1,C1,nodule,9,,,,", "rating", "UNKNOWN_RATING"),
        ("R1,C1,nodule,4.5,,,,", "rating", "UNKNOWN_RATING"),
        ("R1,C1,nodule,high,,,,", "rating", "UNKNOWN_RATING"),
        ("R1,C1,nodule,nan,,,,", "rating", "NOT_FINITE"),
        ("R1,C1,nodule,,,,,", "rating", "MISSING_VALUE"),
        (",C1,nodule,4,,,,", "reader_id", "MISSING_VALUE"),
        ("R1,,nodule,4,,,,", "case_id", "MISSING_VALUE"),
        ("R1,C1,,4,,,,", "finding", "MISSING_VALUE"),
        ("R1,C1,Nodule,4,,,,", "finding", "UNKNOWN_FINDING"),
        ("R9,C1,nodule,4,,,,", "reader_id", "UNKNOWN_READER"),
        ("R1,C9,nodule,4,,,,", "case_id", "UNKNOWN_CASE"),
        ("R1,C1,nodule,4,one,,,", "session", "BAD_NUMBER"),
        ("R1,C1,nodule,4,1.5,,,", "session", "BAD_NUMBER"),
        ("R1,C1,nodule,4,0,,,", "session", "OUT_OF_RANGE"),
        ("R1,C1,nodule,4,99999999999999999999,,,", "session", "BAD_NUMBER"),
        ("R1,C1,nodule,4,,,-3,", "duration_s", "OUT_OF_RANGE"),
        ("R1,C1,nodule,4,,,,training", "purpose", "UNKNOWN_CODE"),
        ("R1,C1,nodule,4,,2026-01-01T10:00:00,,", "read_at", "TIME_WITHOUT_ZONE"),
        ("R1,C1,nodule,4,,2026-01-06T14:00:01Z,,", "read_at", "EVENT_AFTER_DELIVERY"),
        ("R1,C1,nodule,4,,,", None, "RAGGED_ROW"),
        ("R1,C1,nodule,4,,,,,", None, "RAGGED_ROW"),
    ],
)
def test_a_read_that_cannot_be_taken_says_why(
    tmp_path: Path, row: str, field: str | None, reason: str
) -> None:
    good = "R2,C1,nodule,4,1,2026-01-05T09:00:00Z,12.5,reference\n"
    tables = run(tmp_path, reads_csv=READS_HEADER + good + row + "\n")
    assert tables.refused("reads") == [(2, field, reason)]
    assert tables["reads"].height == 1
    part = tables.parts["reads"].quarantine.row(0, named=True)
    assert part["position"] == f"{DAY}:2"
    assert part["remedy"] == REASONS[reason].remedy


def test_a_read_on_the_last_moment_of_its_day_anywhere_is_taken(tmp_path: Path) -> None:
    row = "R1,C1,nodule,4,,2026-01-06T14:00:00Z,,\n"
    assert run(tmp_path, reads_csv=READS_HEADER + row)["reads"].height == 1


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ("C1,nodule,m-1,1.01,,,", "score", "SCORE_RANGE"),
        ("C1,nodule,m-1,-0.01,,,", "score", "SCORE_RANGE"),
        ("C1,nodule,m-1,NaN,,,", "score", "NOT_FINITE"),
        ("C1,nodule,m-1,inf,,,", "score", "NOT_FINITE"),
        ("C1,nodule,m-1,1e999,,,", "score", "NOT_FINITE"),
        ("C1,nodule,m-1,,,,", "score", "MISSING_VALUE"),
        ("C1,nodule,m-2,0.5,,,", "model_id", "UNKNOWN_MODEL"),
        ("C1,nodule,m-1,0.5,maybe,,", "status", "UNKNOWN_CODE"),
        ("C1,nodule,m-1,0.5,,0,", "attempt", "OUT_OF_RANGE"),
        ("C9,nodule,m-1,0.5,,,", "case_id", "UNKNOWN_CASE"),
        ("C1,nodule,m-1,0.5,,,2026-02-01T00:00:00Z", "produced_at", "EVENT_AFTER_DELIVERY"),
    ],
)
def test_a_prediction_that_cannot_be_taken_says_why(
    tmp_path: Path, row: str, field: str, reason: str
) -> None:
    good = "C2,nodule,m-1,1,ok,1,2026-01-05T09:00:00Z\nC2,effusion,m-1,,failed,1,\n"
    tables = run(tmp_path, predictions_csv=SCORES_HEADER + good + row + "\n")
    assert tables.refused("predictions") == [(3, field, reason)]
    assert tables["predictions"]["status"].to_list() == ["ok", "failed"]


def test_a_binary_output_may_be_a_call_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, protocol=protocol("binary"))
    text = "case_id,finding,model_id,call\nC1,nodule,m-1,yes\nC2,nodule,m-1,\n"
    bench.deliver_all(predictions_csv=text)
    tables = bench.tables()
    assert tables["predictions"]["call"].to_list() == [True]
    assert tables.refused("predictions") == [(2, "score", "MISSING_VALUE")]


def test_reference_needs_a_known_source_and_label(tmp_path: Path) -> None:
    text = "case_id,finding,source,label,established_at\n"
    text += "C1,nodule,pathology,positive,\nC2,nodule,autopsy,positive,\n"
    text += "C2,nodule,registry,perhaps,\nC2,nodule,follow_up,negative,2027-01-01T00:00:00Z\n"
    tables = run(tmp_path, {"reference": {"file": "reference.csv"}}, reference_csv=text)
    assert tables["reference"].height == 1
    assert tables.refused("reference") == [
        (2, "source", "UNKNOWN_CODE"),
        (3, "label", "UNKNOWN_CODE"),
        (4, "established_at", "EVENT_AFTER_DELIVERY"),
    ]


def test_the_same_row_twice_is_taken_once(tmp_path: Path) -> None:
    tables = run(tmp_path, reads_csv=READS + "R1,C1,nodule,4\n")
    assert tables.refused("reads") == [(4, "reader_id", "DUPLICATE_ROW")]
    assert tables["reads"]["line"].to_list() == [1, 2, 3]


def test_a_key_with_two_contents_is_taken_not_at_all(tmp_path: Path) -> None:
    tables = run(tmp_path, reads_csv=READS + "R1,C1,nodule,5\n")
    assert tables.refused("reads") == [
        (1, "reader_id", "DUPLICATE_KEY"),
        (4, "reader_id", "DUPLICATE_KEY"),
    ]
    assert tables["reads"]["line"].to_list() == [2, 3]


def test_a_reader_twice_in_the_roster_is_taken_not_at_all_and_their_reads_neither(
    tmp_path: Path,
) -> None:
    tables = run(tmp_path, readers_csv=READERS + "R1,30\n")
    assert {r for _, _, r in tables.refused("readers")} == {"DUPLICATE_KEY"}
    assert tables["readers"].height == 2
    assert {r for _, _, r in tables.refused("reads")} == {"UNKNOWN_READER"}
    assert tables["reads"].height == 1


def test_a_refused_row_still_contradicts_its_key(tmp_path: Path) -> None:
    tables = run(tmp_path, reads_csv=READS + "R1,C1,nodule,99\n")
    assert tables.refused("reads") == [
        (1, "reader_id", "DUPLICATE_KEY"),
        (4, "rating", "UNKNOWN_RATING"),
    ]


def test_revisions_are_no_duplicates_when_their_times_tell_them_apart(tmp_path: Path) -> None:
    header = "reader_id,case_id,finding,rating,read_at\n"
    timed = "R1,C1,nodule,4,2026-01-02T10:00:00Z\nR1,C1,nodule,2,2026-01-03T10:00:00Z\n"
    untimed = "R2,C1,nodule,4,2026-01-02T10:00:00Z\nR2,C1,nodule,2,\n"
    tables = run(tmp_path, reads_csv=header + timed + untimed)
    assert tables.in_force("reads")["rating"].to_list() == [2.0]
    assert {r for _, _, r in tables.refused("reads")} == {"DUPLICATE_KEY"}


def test_a_case_must_name_a_study_of_its_own_patient(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        archive=(("1.2.1", "P1", "A1"), ("1.2.2", "P2", "A2"), ("1.2.3", "P2", "A2")),
    )
    rows = "C1,P1,2025-12-01,1.2.1\nC2,P1,2025-12-01,1.2.2\nC3,P1,2025-12-01,9.9\n"
    rows += "C4,P2,2025-12-01,A2\nC5,P1,2025-12-01,A1\nC6,P1,2026-01-07,\n"
    bench.deliver_all(
        cases_csv="case_id,patient_id,index_date,study\n" + rows,
        reads_csv=None,
        predictions_csv=None,
    )
    tables = bench.tables()
    assert tables["cases"]["line"].to_list() == [1, 5]
    assert tables.refused("cases") == [
        (2, "study", "PATIENT_MISMATCH"),
        (3, "study", "UNMATCHED_KEY"),
        (4, "study", "AMBIGUOUS_KEY"),
        (6, "index_date", "EVENT_AFTER_DELIVERY"),
    ]
    assert tables["case_studies"].select("line", "role").rows() == [(1, "index"), (5, "index")]


def test_delivered_case_studies_are_held_to_cases_and_archive(tmp_path: Path) -> None:
    text = "case_id,study,role\nC1,1.2.1,\nC1,A2,prior\nC9,1.2.1,\nC2,7.7,\nC2,1.2.2,later\n"
    tables = run(tmp_path, {"case_studies": {"file": "case_studies.csv"}}, case_studies_csv=text)
    assert tables["case_studies"].select("arm", "role").rows() == [("standard", "index")]
    assert tables.refused("case_studies") == [
        (2, "study", "PATIENT_MISMATCH"),
        (3, "case_id", "UNKNOWN_CASE"),
        (4, "study", "UNMATCHED_KEY"),
        (5, "role", "UNKNOWN_CODE"),
    ]


def test_a_site_without_cases_has_one_a_study(tmp_path: Path) -> None:
    bench = Bench(tmp_path, drop=("cases",))
    bench.deliver_all(
        cases_csv=None,
        reads_csv=READS.replace("C1", "1.2.1").replace("C2", "1.2.2") + "R3,1.2.9,nodule,1\n",
        predictions_csv=None,
    )
    undated = bench.studies().with_columns(
        pl.when(pl.col("accession_id") == bench.ids.accession("A1"))
        .then("study_date")
        .alias("study_date")
    )
    tables = bench.tables(studies=undated)
    assert tables["cases"]["case_id"].to_list() == [bench.ids.case("1.2.1")]
    assert tables["cases"]["delivery"].to_list() == [""]
    assert tables["case_studies"]["study_id"].to_list() == [bench.ids.study("1.2.1")]
    lost = tables.parts["cases"].quarantine.row(0, named=True)
    assert (lost["position"], lost["reason"]) == (bench.ids.study("1.2.2"), "MISSING_VALUE")
    assert {r for _, _, r in tables.refused("reads")} == {"UNMATCHED_KEY"}


def test_a_case_whose_identifier_is_its_study_needs_no_column(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    rows = "1.2.1,P1,2025-12-01\nA2,P2,2025-12-02\nZ,P2,2025-12-02\n1.2.2,P1,2025-12-02\n"
    bench.deliver_all(
        cases_csv="case_id,patient_id,index_date\n" + rows, reads_csv=None, predictions_csv=None
    )
    tables = bench.tables()
    assert tables["cases"]["line"].to_list() == [1, 2, 3]
    assert tables.refused("cases") == [(4, "study", "PATIENT_MISMATCH")]
    assert tables["case_studies"]["study_id"].to_list() == [
        bench.ids.study("1.2.1"),
        bench.ids.study("1.2.2"),
    ]


def test_covariates_are_typed_json_with_sorted_keys(tmp_path: Path) -> None:
    text = "case_id,patient_id,index_date,smoker,bmi,stratum\n"
    text += "C1,P1,2025-12-01,yes,21.50,clinic\nC2,P2,2025-12-01,,,\n"
    text += "C3,P2,2025-12-01,perhaps,,\nC4,P2,2025-12-01,,heavy,\nC5,P2,2025-12-01,,,ward\n"
    tables = run(tmp_path, cases_csv=text, reads_csv=None, predictions_csv=None)
    assert tables["cases"]["covariates"].to_list() == [
        '{"bmi":21.5,"smoker":true}',
        '{"bmi":null,"smoker":null}',
    ]
    assert tables["cases"]["stratum"].to_list() == ["clinic", "all"]
    assert tables.refused("cases") == [
        (3, "smoker", "UNKNOWN_CODE"),
        (4, "bmi", "BAD_NUMBER"),
        (5, "stratum", "UNKNOWN_CODE"),
    ]


def test_of_cases_drawn_by_score_each_has_a_stratum_that_was_drawn_from(tmp_path: Path) -> None:
    fractions = {"flagged": 1.0, "cleared": 0.02, "unread": 0.0}
    drawn = Sampling(
        method="random",
        strata=tuple(Stratum(name=name, fraction=f) for name, f in fractions.items()),
        depends_on=("score",),
    )
    bench = Bench(tmp_path, protocol=protocol(sampling=drawn))
    text = "case_id,patient_id,index_date,stratum\nC1,P1,2025-12-01,flagged\n"
    text += "C2,P2,2025-12-01,\nC3,P2,2025-12-01,ward\nC4,P2,2025-12-01,unread\n"
    text += "C5,P2,2025-12-01,all\n"
    bench.deliver_all(cases_csv=text, reads_csv=None, predictions_csv=None)
    tables = bench.tables()
    assert tables["cases"]["stratum"].to_list() == ["flagged"]
    assert tables.refused("cases") == [
        (2, "stratum", "MISSING_VALUE"),
        (3, "stratum", "UNKNOWN_CODE"),
        (4, "stratum", "UNKNOWN_CODE"),
        (5, "stratum", "UNKNOWN_CODE"),
    ]
    hold_what_is_said_before_to_the_build(bench, "cases", tables)


SIZE = FindingDetail(name="size_mm", title="Size", kind="numeric", edges=(6.0,), source="reads")
LOBE = FindingDetail(
    name="lobe", title="Lobe", kind="categorical", levels=("upper",), source="reference"
)


def test_what_rows_tell_of_a_finding_is_typed_json_and_quarantined_where_it_is_none(
    tmp_path: Path,
) -> None:
    bench = Bench(
        tmp_path,
        protocol=protocol(finding_details=(SIZE, LOBE)),
        inputs={"reference": {"file": "reference.csv"}},
    )
    head = "reader_id,case_id,finding,rating,size_mm\n"
    bench.deliver_all(
        reads_csv=head + "R1,C1,nodule,4,7.50\nR2,C1,nodule,4,\nR1,C2,nodule,4,large\n",
        reference_csv="case_id,finding,source,label,lobe\nC1,nodule,pathology,positive,upper\n",
    )
    tables = bench.tables()
    assert tables["reads"]["details"].to_list() == ['{"size_mm":7.5}', '{"size_mm":null}']
    assert tables.refused("reads") == [(3, "size_mm", "BAD_NUMBER")]
    assert tables["reference"]["details"].to_list() == ['{"lobe":"upper"}']


def test_merged_patients_are_one_and_tangles_are_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs={"patient_map": {"file": "patient_map.csv"}})
    pairs = "P2,P1\nA,B\nB,C\nX,Y\nY,X\nW,X\nS,S\n,P1\n"
    bench.deliver_all(patient_map_csv="patient_id,same_as\n" + pairs)
    tables = bench.tables(
        studies=bench.studies().with_columns(patient_id=pl.lit(bench.ids.patient("P1")))
    )
    assert set(tables["cases"]["patient_id"]) == {bench.ids.patient("P1")}
    assert tables["patient_map"]["line"].to_list() == [1, 3]
    assert tables.refused("patient_map") == [
        (2, "same_as", "CHAIN_IN_PATIENT_MAP"),
        (4, "same_as", "CYCLE"),
        (5, "same_as", "CYCLE"),
        (6, "same_as", "CHAIN_IN_PATIENT_MAP"),
        (7, "same_as", "CYCLE"),
        (8, "patient_id", "MISSING_VALUE"),
    ]


def test_patients_of_two_issuers_are_two(tmp_path: Path) -> None:
    bench = Bench(tmp_path, issuer="HOME")
    rows = "C1,7,2025-12-01,\nC2,7,2025-12-01,HOME\nC3,7,2025-12-01,AWAY\n"
    bench.deliver_all(
        cases_csv="case_id,patient_id,index_date,issuer\n" + rows,
        reads_csv=None,
        predictions_csv=None,
    )
    found = bench.tables()["cases"]["patient_id"].to_list()
    assert found[0] == found[1] != found[2]
    assert found[2] == bench.ids.patient("7", "AWAY")


def test_development_names_patients_or_studies(tmp_path: Path) -> None:
    text = "patient_id,study\nP1,\n,A2\n,5.5.5\n,\nP1,\n"
    tables = run(tmp_path, {"development": {"file": "development.csv"}}, development_csv=text)
    ids = Bench(tmp_path).ids
    assert tables["development"].select("patient_id", "study_id").rows() == [
        (ids.patient("P1"), None),
        (None, ids.study("1.2.2")),
        (None, ids.study("5.5.5")),
    ]
    assert tables.refused("development") == [
        (4, "patient_id", "MISSING_VALUE"),
        (5, "patient_id", "DUPLICATE_ROW"),
    ]


def test_development_needs_one_of_its_columns(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs={"development": {"file": "development.csv"}})
    bench.deliver_all(development_csv="issuer\nHOME\n")
    with pytest.raises(DeliveryError, match="none of the columns patient_id, study"):
        bench.tables()


def test_operations_are_matched_with_the_archive(tmp_path: Path) -> None:
    text = "study,turnaround_s,failure\nA1,30,no\n1.2.2,-1,no\n8.8,30,yes\n"
    tables = run(tmp_path, {"operations": {"file": "operations.csv"}}, operations_csv=text)
    assert tables["operations"]["study_id"].to_list() == [Bench(tmp_path).ids.study("1.2.1")]
    assert tables.refused("operations") == [
        (2, "turnaround_s", "OUT_OF_RANGE"),
        (3, "study", "UNMATCHED_KEY"),
    ]


def test_population_cells_are_bins_of_the_profile(tmp_path: Path) -> None:
    text = "sex,age_years,n\nF,<40,10\nM,40-65,20\nF,40–65,5\nmissing,>=65,7\nX,<40,1\nM,50,1\nM,<40,-1\n"
    tables = run(tmp_path, {"population": {"file": "population.csv"}}, population_csv=text)
    assert tables["population"]["cell"].to_list() == [
        '{"age_years":"<40","sex":"F"}',
        '{"age_years":"40–65","sex":"M"}',
        '{"age_years":"40–65","sex":"F"}',
        '{"age_years":"≥65","sex":"missing"}',
    ]
    assert tables.refused("population") == [
        (5, "sex", "UNKNOWN_CODE"),
        (6, "age_years", "UNKNOWN_CODE"),
        (7, "n", "OUT_OF_RANGE"),
    ]


POPULATION = {"population": {"file": "population.csv"}}


def test_a_population_row_states_the_variables_that_are_filled_in(tmp_path: Path) -> None:
    text = "sex,age_years,n\nF,,30\nM,,10\n,<40,15\n,40-65,25\nF,<40,15\nF,40-65,15\nM,40-65,10\n,,40\n"
    stated = run(tmp_path, POPULATION, population_csv=text)["population"]["cell"].to_list()
    assert stated[:1] + stated[-2:] == ['{"sex":"F"}', '{"age_years":"40–65","sex":"M"}', "{}"]
    alone = run(tmp_path / "alone", POPULATION, population_csv="sex,n\nF,30\nM,10\n")
    assert alone["population"]["cell"].to_list() == ['{"sex":"F"}', '{"sex":"M"}']


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        ("F,<40,-3\n", (1, "n", "OUT_OF_RANGE")),
        ("F,<40,2.5\n", (1, "n", "BAD_NUMBER")),
        ("F,<40,37%\n", (1, "n", "BAD_NUMBER")),
        ('F,<40,"2,5"\n', (1, "n", "BAD_NUMBER")),
        ("F,<40,\n", (1, "n", "MISSING_VALUE")),
        ("W,<40,3\n", (1, "sex", "UNKNOWN_CODE")),
        ("F,<50,3\n", (1, "age_years", "UNKNOWN_CODE")),
    ],
)
def test_a_population_row_that_is_no_count_of_a_level_is_refused(
    tmp_path: Path, rows: str, refused: tuple[int, str, str]
) -> None:
    tables = run(tmp_path, POPULATION, population_csv="sex,age_years,n\n" + rows)
    assert tables.refused("population") == [refused]
    assert tables["population"].is_empty()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("F,,30\nM,,10\n,<40,41\n", "rows by age_years add up to 41 persons, rows by sex to 40"),
        ("F,,30\nM,,10\nF,<40,20\nM,<40,20\n", "rows by sex and rows by age_years × sex"),
    ],
)
def test_margins_that_do_not_agree_stop_a_build_and_are_told_before_one(
    tmp_path: Path, rows: str, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        run(tmp_path, POPULATION, population_csv="sex,age_years,n\n" + rows)
    bench = Bench(tmp_path, inputs=POPULATION)
    written = bench.site.inputs["population"]
    path = bench.root / "deliveries" / DAY / written.file
    form = read_form(path, written.file, "population", written, bench.protocol)
    with pytest.raises(InputError, match=told):
        rows_alone("population", form, written, bench.protocol, bench.ids, date.fromisoformat(DAY))


def test_a_population_as_excel_saves_it_is_read(tmp_path: Path) -> None:
    text = "\ufeffsex;age_years;n\r\nF;<40;30\r\nM;<40;10\r\n"
    form = {"population": {"file": "population.csv", "separator": ";", "decimal": ","}}
    tables = run(tmp_path, form, population_csv=text)
    assert tables["population"]["n"].to_list() == [30, 10]
    with pytest.raises(DeliveryError, match=r"population\.csv"):
        run(tmp_path / "sep", form, population_csv="sep=;\r\n" + text[1:])


def test_declared_padding_and_case_make_identifiers_match(tmp_path: Path) -> None:
    cases = "case_id,patient_id,index_date\n0007,P1,2025-12-01\nabc,P2,2025-12-02\n"
    reads = "reader_id,case_id,finding,rating\nr1,7,nodule,4\nR1,ABC,nodule,4\nR1,77,nodule,4\n"
    files = {"cases_csv": cases, "reads_csv": reads, "predictions_csv": None}
    assert run(tmp_path / "plain", **files)["reads"].height == 0
    forms = {
        "case": IdentifierForm(zero_pad=4, case="lower"),
        "reader": IdentifierForm(case="upper"),
    }
    bench = Bench(tmp_path / "declared", identifiers=forms)
    bench.deliver_all(**files)
    assert bench.tables().refused("reads") == [(3, "case_id", "UNKNOWN_CASE")]


def test_the_quarantine_is_the_union_of_its_parts(tmp_path: Path) -> None:
    tables = run(tmp_path, reads_csv=READS + "R1,C1,nodule,99,\n", readers_csv=READERS + ",3\n")
    parts = {name: loaded.quarantine for name, loaded in tables.parts.items()}
    united = cohort.quarantine(edge=tables.edge, parts=parts)
    assert united.select("kind", "position", "reason").rows() == [
        ("readers", f"{DAY}:4", "MISSING_VALUE"),
        ("reads", f"{DAY}:4", "RAGGED_ROW"),
    ]
    assert cohort.quarantine(edge=tables.edge, parts={}).height == 0


def test_nothing_that_identifies_leaves_a_loader(tmp_path: Path) -> None:
    tables = run(tmp_path, reads_csv=READS + "R9,C1,nodule,4\nR1,C9,nodule,4\n")
    for table, loaded in tables.parts.items():
        text = loaded.table.write_csv() + loaded.quarantine.write_csv()
        cells = set(text.replace("\n", ",").split(","))
        assert not cells & {"R1", "R9", "C1", "C9", "P1", "P2", "1.2.1", "A1"}, table


def test_a_row_that_got_lost_would_be_noticed(tmp_path: Path) -> None:
    from vpack_pipeline.io.cohort.inputs.loading import check_balance

    tables = run(tmp_path)
    whole = tables.parts["reads"]
    check_balance("reads", tables["deliveries"], whole)
    with pytest.raises(ContractError, match=f"not those delivered in {DAY}"):
        check_balance("reads", tables["deliveries"], Loaded(whole.table.head(1), whole.quarantine))


cell = st.sampled_from(
    [
        "",
        "R1",
        "C1",
        "C2",
        "nodule",
        "effusion",
        "4",
        "9",
        "nan",
        "2026-01-01T00:00Z",
        "x,y",
        'a"b',
        "l\nm",
    ]
)
TIMES = ["", "2026-01-01T00:00Z", "2026-01-02T00:00Z"]


@st.composite
def forms_of_reads(draw: st.DrawFn) -> tuple[bool, list[list[list[str]]]]:
    """Whether ratings stand in a column for each finding, and the lines of two deliveries.

    Few keys, so that lines repeat one another; most of them sound, some likely mistakes, some not
    even as long as the header.
    """
    wide = draw(st.booleans())
    ratings = (
        (st.sampled_from(["1", "4"]), st.sampled_from(["1", "4"]))
        if wide
        else (st.sampled_from(["nodule", "effusion"]), st.sampled_from(["1", "4"]))
    )
    who = (st.sampled_from(["R1", "R2"]), st.sampled_from(["C1", "C2"]))
    sound = st.tuples(*who, *ratings, st.sampled_from(TIMES)).map(list)
    likely = st.tuples(
        st.sampled_from(["R1", "R2", "R9"]),
        st.sampled_from(["C1", "C2", "C9"]),
        st.sampled_from(["nodule", "effusion", "other"]),
        st.sampled_from(["1", "4", "9", ""]),
        st.sampled_from([*TIMES, "2027-01-02T00:00Z", "noon"]),
    ).map(list)
    line = sound | sound | sound | likely | st.lists(cell, min_size=1, max_size=7)
    return wide, [draw(st.lists(line, max_size=12)) for _ in range(2)]


@examples_drawn(12, a_night=600)
@given(drawn=forms_of_reads(), mode=st.sampled_from(["full", "append"]))
def test_accepted_and_quarantined_are_delivered(
    drawn: tuple[bool, list[list[list[str]]]], mode: str
) -> None:
    wide, (first, second) = drawn
    header = ["reader_id", "case_id", "finding", "rating", "read_at"]
    form: dict[str, object] = {"file": "reads.csv", "mode": mode}
    if wide:
        header = ["reader_id", "case_id", "e", "n", "read_at"]
        form["wide"] = {"into": "rating", "findings": {"nodule": "n", "effusion": "e"}}

    def text(rows: list[list[str]]) -> str:
        quoted = [[f'"{c.replace(chr(34), chr(34) * 2)}"' for c in r] for r in [header, *rows]]
        return "".join(",".join(r) + "\n" for r in quoted)

    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), inputs={"reads": form})
        bench.deliver_all(reads_csv=text(first))
        bench.deliver("2026-01-06", reads_csv=text(second))
        tables = bench.tables()
        loaded = tables.parts["reads"]
        counts = accounted("reads", tables["deliveries"], loaded)
        assert (counts["accepted"] + counts["quarantined"]).equals(counts["delivered"])
        # No line is lost, and none is both taken and refused.
        for name, rows in ((DAY, first), ("2026-01-06", second)):
            of_day = pl.col("delivery") == name
            taken = set(loaded.table.filter(of_day)["line"])
            refused = set(loaded.quarantine.filter(of_day)["line"])
            assert taken | refused == set(range(1, len(rows) + 1))
            assert wide or not taken & refused
        assert loaded.quarantine["position"].is_unique().all()
        in_force = tables.in_force("reads")
        key = ["reader_id", "case_id", "finding", "arm", "session"]
        assert in_force.select(key).is_unique().all()
        assert (
            loaded.table.filter(pl.col("in_force") != pl.col("superseded_by").is_null()).height == 0
        )


def test_a_review_of_errors_names_a_case_and_a_cause_of_the_list(tmp_path: Path) -> None:
    text = (
        "case_id,finding,cause,reviewer_role,blinded,label_upheld,reviewed_at\n"
        "C1,nodule,subtle,radiologist,true,,2026-01-02T10:00:00Z\n"
        "C2,nodule,subtile,radiologist,true,true,\n"
        "C2,nodule,subtle,,true,true,\n"
        "C9,nodule,subtle,radiologist,true,true,\n"
        "C2,mass,subtle,radiologist,true,true,\n"
        "C2,effusion,device,vendor,,,2026-03-02T10:00:00Z\n"
        "C2,effusion,device,vendor,false,false,2026-01-03T10:00:00Z\n"
    )
    form = {"file": "error_review.csv", "accept_at_least": 0.0}
    tables = run(tmp_path, {"error_review": form}, error_review_csv=text)
    made = tables["error_review"].select("line", "finding", "cause", "label_upheld", "in_force")
    assert made.rows() == [
        (1, "nodule", "subtle", None, True),
        (7, "effusion", "device", False, True),
    ]
    assert tables.refused("error_review") == [
        (2, "cause", "UNKNOWN_CODE"),
        (3, "reviewer_role", "MISSING_VALUE"),
        (4, "case_id", "UNKNOWN_CASE"),
        (5, "finding", "UNKNOWN_FINDING"),
        (6, "reviewed_at", "EVENT_AFTER_DELIVERY"),
    ]


def test_of_two_reviews_of_a_case_the_later_one_counts(tmp_path: Path) -> None:
    head = "case_id,finding,cause,reviewer_role,reviewed_at\n"
    rows = (
        "C1,nodule,subtle,radiologist,2026-01-02T10:00:00Z\n",
        "C1,nodule,device,vendor,2026-01-03T10:00:00Z\n",
    )
    form = {"file": "error_review.csv"}
    tables = run(tmp_path, {"error_review": form}, error_review_csv=head + "".join(rows))
    in_force = tables["error_review"].filter("in_force")
    assert in_force["cause"].to_list() == ["device"]
    assert tables["error_review"].height == 2


def test_when_a_study_was_opened_is_read_as_a_time_that_the_delivery_can_know(
    tmp_path: Path,
) -> None:
    text = "study,opened_at\nA1,2026-01-02T10:00:00Z\nA2,2026-03-02T10:00:00Z\n"
    form = {"file": "operations.csv", "accept_at_least": 0.0}
    tables = run(tmp_path, {"operations": form}, operations_csv=text)
    assert tables["operations"]["opened_at"].to_list() == [datetime(2026, 1, 2, 10, tzinfo=UTC)]
    assert tables.refused("operations") == [(2, "opened_at", "EVENT_AFTER_DELIVERY")]
