"""Odd reads, rosters and cases, from the delivered file to the label: what is left of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from forms_bench import CASES, DAY, READERS, READS, Bench, Tables, finding

from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.site import IdentifierForm
from vpack_pipeline_tests.core.adjudication_cases import adjudication

RULES = adjudication(precedence=("third_reader", "majority"), minimum_readers=2)


def labels(tables: Tables, bench: Bench) -> dict[str, tuple[str | None, str]]:
    """Label and method of each case, by the identifiers of the files."""
    frame = reference_standard(
        cases=tables["cases"],
        reads=tables["reads"],
        reference=tables["reference"],
        findings=(finding("nodule"),),
        adjudication=RULES,
    )
    named = {bench.ids.case(name): name for name in ("C1", "C2")}
    rows = frame.select("case_id", "label", "method").iter_rows()
    return {named[case]: (label, method) for case, label, method in rows}


def test_reads_after_the_cut_are_seen_nowhere(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs={"reads": {"file": "reads.csv", "mode": "append"}})
    bench.deliver_all()
    before = labels(bench.tables(), bench)
    assert before["C1"] == (None, "unresolved")
    later = "reader_id,case_id,finding,rating,role\nR3,C1,nodule,4,tiebreak\n"
    bench.deliver("2026-01-06", reads_csv=later)
    assert labels(bench.tables(), bench)["C1"] == ("positive", "third_reader")
    at_cut = bench.tables(as_of=DAY)
    assert set(at_cut["reads"]["delivery"]) == {DAY}
    assert labels(at_cut, bench) == before


def test_a_read_twice_with_two_ratings_makes_no_label(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all(reads_csv=READS + "R2,C2,nodule,1\nR2,C2,nodule,5\n")
    tables = bench.tables()
    assert [reason for *_, reason in tables.refused("reads")] == ["DUPLICATE_KEY"] * 2
    assert labels(tables, bench)["C2"] == (None, "unresolved")
    bench.deliver("2026-01-06", reads_csv=READS + "R2,C2,nodule,1\n")
    assert labels(bench.tables(), bench)["C2"] == ("negative", "agreement")


@pytest.mark.parametrize("rating", ["9", "0", "-1", "3.5", "4.5", "4,5", "1e9", "nan"])
def test_a_rating_off_the_scale_is_never_rounded_onto_it(tmp_path: Path, rating: str) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all(reads_csv=READS + f'R2,C2,nodule,"{rating}"\n')
    tables = bench.tables()
    ((line, field, reason),) = tables.refused("reads")
    assert (line, field) == (4, "rating")
    assert reason in {"UNKNOWN_RATING", "NOT_FINITE"}
    assert labels(tables, bench)["C2"] == (None, "unresolved")


def test_a_case_without_a_study_keeps_its_reads_and_its_label(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    header, first, second, _ = CASES.split("\n")
    cases = f"{header},study\n{first},1.2.1\n{second},\n"
    bench.deliver_all(cases_csv=cases, reads_csv=READS + "R2,C2,nodule,1\n")
    tables = bench.tables()
    assert set(tables["case_studies"]["case_id"]) == {bench.ids.case("C1")}
    assert tables["cases"].height == 2
    assert tables["reads"].height == 4
    assert labels(tables, bench)["C2"] == ("negative", "agreement")


def with_roster(tmp_path: Path, more: str) -> tuple[Tables, Bench]:
    forms: dict[str, Any] = {"reader": IdentifierForm(case="upper")}
    bench = Bench(tmp_path, identifiers=forms)
    bench.deliver_all(readers_csv=READERS + more + "\n")
    return bench.tables(), bench


@pytest.mark.parametrize("again", ["R1,30", "r1,30", " R1 ,9"])
def test_a_pseudonym_twice_in_the_roster_is_no_reader_however_it_is_spelt(
    tmp_path: Path, again: str
) -> None:
    tables, bench = with_roster(tmp_path, again)
    assert tables.refused("readers") == [
        (1, "reader_id", "DUPLICATE_KEY"),
        (4, "reader_id", "DUPLICATE_KEY"),
    ]
    assert {reason for *_, reason in tables.refused("reads")} == {"UNKNOWN_READER"}
    assert labels(tables, bench)["C2"] == (None, "no_reads")


def test_a_row_of_the_roster_written_twice_is_one_reader(tmp_path: Path) -> None:
    tables, _ = with_roster(tmp_path, "r1,5")
    assert tables.refused("readers") == [(4, "reader_id", "DUPLICATE_ROW")]
    assert tables.refused("reads") == []
