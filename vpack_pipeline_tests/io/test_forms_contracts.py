"""The contracts of the inputs hold for what the loaders make, and catch what they must never make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from forms_bench import DAY, ORDER, READS, Bench, Tables

from vpack_pipeline import contracts
from vpack_pipeline.gate import check
from vpack_pipeline.io import cohort

HEADERS = {
    "case_studies": "case_id,study\nC1,1.2.1\nC1,A1\nC2,1.2.2\n",
    "reference": "case_id,finding,source,label\nC1,nodule,pathology,positive\n",
    "development": "patient_id\nP1\nP7\n",
    "operations": "study,turnaround_s\nA1,30\n",
    "error_review": "case_id,finding,cause,reviewer_role\nC1,nodule,subtle,radiologist\n",
    "population": "sex,age_years,n\nF,<40,10\n",
    "patient_map": "patient_id,same_as\nP8,P9\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of all that is checked here: the gate opens a DuckDB a folder."""
    return tmp_path_factory.mktemp("checked")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    bench = Bench(
        tmp_path_factory.mktemp("delivered"),
        inputs={kind: {"file": f"{kind}.csv"} for kind in HEADERS},
    )
    bench.deliver_all(**{f"{kind}_csv": text for kind, text in HEADERS.items()})
    bench.deliver("2026-01-06", reads_csv=READS + "R9,C1,nodule,4\n")
    return bench.tables()


def failed(table: str, frame: pl.DataFrame, folder: Path) -> set[str]:
    path = folder / "table.parquet"
    frame.write_parquet(path, statistics=False)
    contract = contracts.load()[f"cohort/{table}"]
    return {c.id for c in check.run(contract, [path], frame.height) if c.outcome != "pass"}


def test_what_the_loaders_make_passes_every_expectation(tables: Tables, folder: Path) -> None:
    parts = {name: loaded.quarantine for name, loaded in tables.parts.items()}
    made = {name: tables[name] for name in ("deliveries", *ORDER)}
    made["quarantine"] = cohort.quarantine(edge=tables.edge, parts=parts)
    assert all(frame.height for frame in made.values())
    found = {name: failed(name, frame, folder) for name, frame in made.items()}
    assert found == {name: set() for name in made}


Change = Callable[[pl.DataFrame], pl.DataFrame]


def put(**values: object) -> Change:
    return lambda frame: frame.with_columns(
        pl.lit(v, dtype=frame.schema[k]).alias(k) for k, v in values.items()
    )


@pytest.mark.parametrize(
    ("table", "change", "expectation"),
    [
        ("reads", put(in_force=True, superseded_by=None), "one_in_force"),
        ("reads", put(in_force=True), "superseded_by_another"),
        ("reads", put(purpose="other"), "purpose_known"),
        ("reads", put(role="other"), "role_known"),
        ("reads", put(session=0), "session_from_one"),
        ("reads", put(rating=None), "rated_or_not_diagnostic"),
        ("reads", put(duration_s=-1.0), "duration_not_negative"),
        ("reads", put(is_on_roster=False), "reader_on_roster"),
        ("reference", put(source="other"), "source_known"),
        ("reference", put(label="other"), "label_known"),
        ("predictions", put(status="other"), "status_known"),
        ("predictions", put(attempt=0), "attempt_from_one"),
        ("predictions", put(score=float("inf")), "score_finite"),
        ("predictions", put(score=None), "ok_has_output"),
        ("cases", put(case_id="x"), "one_in_force"),
        ("case_studies", put(role="other"), "role_known"),
        ("development", put(patient_id=None), "names_something"),
        ("operations", put(turnaround_s=-1.0), "turnaround_not_negative"),
        ("error_review", put(cause="another"), "cause_known"),
        ("error_review", put(reviewer_role="another"), "role_known"),
        ("population", put(n=-1), "n_not_negative"),
        ("patient_map", put(patient_id="x", same_as="x"), "no_chain"),
        ("deliveries", put(mode="other"), "mode_known"),
        ("deliveries", put(sha256="short"), "digest_form"),
    ],
)
def test_an_expectation_sees_what_it_is_for(
    tables: Tables, folder: Path, table: str, change: Change, expectation: str
) -> None:
    assert DAY in set(tables["deliveries"]["delivery"])
    assert expectation in failed(table, change(tables[table]), folder)


def test_reads_go_with_the_reader_whom_a_later_roster_leaves_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all()
    assert bench.tables()["reads"]["is_on_roster"].to_list() == [True, True, True]
    bench.deliver("2026-01-06", readers_csv="reader_id,years_experience\nR1,5\n")
    tables = bench.tables()
    assert tables.refused("reads") == [(2, "reader_id", "UNKNOWN_READER")]
    assert set(tables["reads"]["reader_id"]) == {bench.ids.reader("R1")}
