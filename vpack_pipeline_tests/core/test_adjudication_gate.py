"""What the gate asks of the reference standard: true of all that the rules make, and of little else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication.agreement import agreement
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.gate import check
from vpack_pipeline.protocol import Adjudication, Disclosure, Sampling
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.core.test_adjudication_rules import PROTOCOLS, SAID, Said, panels
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

CONTRACT = contracts.load()["adjudication/reference_standard"]
QUERIES = {e.id: e.kwargs["query"] for e in CONTRACT.expectations if "query" in e.kwargs}


def refused(frame: pl.DataFrame, folder: Path) -> set[str]:
    """Name the expectations that find a row."""
    path = folder / "table.parquet"
    contracts.conform(frame, CONTRACT).write_parquet(path)
    with duckdb.connect() as connection:
        batch = f"(select * from '{path}') as q"
        return {
            name
            for name, query in QUERIES.items()
            if connection.execute(query.replace("{batch}", batch)).fetchall()
        }


def standard(
    reads: list[Any], *cases: str, reference: Any = (), protocol: Adjudication | None = None
) -> pl.DataFrame:
    return reference_standard(
        cases=made.cases_of(cases or sorted({r["case_id"] for r in reads})),
        reads=made.reads_of(reads),
        reference=made.reference_of(reference),
        findings=(made.NODULE,),
        adjudication=protocol or made.adjudication(),
    )


# Each example writes over the file of the one before.
@examples_drawn(15, a_night=800, unchecked=(HealthCheck.function_scoped_fixture,))
@given(protocol=PROTOCOLS, said=SAID, again=st.sets(st.integers(0, 20)))
def test_whatever_the_rules_decide_passes(
    tmp_path: Path, protocol: Adjudication, said: Said, again: set[int]
) -> None:
    reads = panels(said)
    repeats = [r | {"session": 7} for i, r in enumerate(reads) if i in again]
    comparators = [r | {"session": 8, "purpose": "comparator"} for r in reads[:2]]
    cases = [f"c{i:04}" for i in range(len(said) + 1)]
    source = [("c0000", "pathology", "positive", 5)]
    found = standard([*reads, *repeats, *comparators], *cases, reference=source, protocol=protocol)
    assert found["n_repeats"].sum() == len(repeats)
    assert refused(found, tmp_path) == set()


def test_poor_agreement_and_undecided_cases_close_nothing(tmp_path: Path) -> None:
    split = [r for i in range(20) for r in made.panel(f"c{i:02}", "+ -" if i % 2 else "x ?")]
    found = standard(split, *(f"c{i:02}" for i in range(25)))
    assert found["label"].null_count() == 25
    assert refused(found, tmp_path) == set()


DECIDED: dict[str, tuple[list[Any], dict[str, Any], dict[str, int]]] = {
    "consensus": (
        made.panel("c", "+ -", "", "+ +"),
        {"precedence": ("consensus",), "minimum_readers": 2},
        {"minimum_readers": 3},
    ),
    "third_reader": (
        made.panel("c", "+ -", "+"),
        {"minimum_readers": 2},
        {"minimum_readers": 3},
    ),
    "agreement": (made.panel("c", "+ +"), {}, {"minimum_readers": 3}),
    "majority": (
        made.panel("c", "+ + -"),
        {"precedence": ("majority",), "quorum": 2},
        {"quorum": 3},
    ),
    "median": (
        made.panel("c", "+ + -"),
        {"precedence": ("majority",), "vote": "median_then_cut"},
        {"quorum": 4},
    ),
    "single_reader": (made.panel("c", "-"), {}, {"quorum": 2}),
}


@pytest.mark.parametrize("method", sorted(DECIDED))
def test_a_case_decided_by_fewer_reads_than_asked_is_refused(tmp_path: Path, method: str) -> None:
    reads, rules, more = DECIDED[method]
    found = standard(reads, protocol=made.adjudication(**rules))
    assert found["method"].to_list() == [method]
    assert refused(found, tmp_path) == set()
    asked = found.with_columns(pl.lit(n, pl.Int64).alias(name) for name, n in more.items())
    assert refused(asked, tmp_path) == {"enough_reads"}


def test_a_third_reader_who_never_read_is_refused(tmp_path: Path) -> None:
    found = standard(made.panel("c", "+ -", "+"))
    without = found.with_columns(pl.col("n_reads", "n_reads_total") - 1)
    assert refused(without, tmp_path) == {"enough_reads"}


def test_lost_and_repeated_rows_and_reads_are_refused(tmp_path: Path) -> None:
    reads = [*made.panel("a", "+ +"), *made.panel("b", "- -", "-"), *made.panel("d", "+")]
    whole = standard(reads)
    assert refused(whole, tmp_path) == set()
    assert refused(whole.slice(1), tmp_path) == {"every_case_has_a_row", "reads_reconcile"}
    blank = standard(reads, "a", "b", "d", "e")
    unread = blank.filter(pl.col("case_id") != "e")
    assert refused(unread, tmp_path) == {"every_case_has_a_row"}
    twice = pl.concat([whole, whole.head(1)])
    assert "reads_reconcile" in refused(twice, tmp_path)
    is_b = pl.col("case_id") == "b"
    uncounted = whole.with_columns(n_reads=pl.col("n_reads") - is_b.cast(pl.Int64))
    assert refused(uncounted, tmp_path) == {"reads_reconcile"}


def test_reads_of_a_case_that_is_not_there_do_not_reconcile(tmp_path: Path) -> None:
    reads = [*made.panel("a", "+ +"), *made.panel("gone", "- -")]
    assert refused(standard(reads, "a"), tmp_path) == {"reads_reconcile"}


def test_a_case_without_label_and_reason_is_refused(tmp_path: Path) -> None:
    found = standard(made.panel("c", "+ -"))
    silent = found.with_columns(reason=pl.lit(None, pl.String))
    assert refused(silent, tmp_path) == {"undecided_has_reason"}


def test_a_kappa_below_minus_one_passes(tmp_path: Path) -> None:
    """Twelve patients: one case of two reads, which differ, and eleven of a single negative one."""
    reads = [*made.panel("c00", "+ -"), *(r for i in range(11) for r in made.panel(f"d{i}", "-"))]
    cases = sorted({r["case_id"] for r in reads})
    found = agreement(
        cases=made.cases_of(cases),
        sampling=Sampling(method="consecutive"),
        reads=made.reads_of(reads),
        included=made.included_of(made.cases_of(cases)),
        reference_standard=standard(reads),
        findings=(made.NODULE,),
        adjudication=made.adjudication(),
        evaluation=made.EVALUATION,
        disclosure=Disclosure(smallest_group=5),
        readers_agreed=True,
    )
    kappa = found.filter(metric="fleiss_kappa", stratum="all").row(0, named=True)
    # Chance agreement (11.5² + 0.5²) / 12², observed none.
    chance = (11.5**2 + 0.5**2) / 144
    assert kappa["estimate"] == pytest.approx(-chance / (1 - chance))
    assert kappa["estimate"] < -10
    assert (kappa["lower"], kappa["notes"]) == (None, "one_unit;kappa_below_ac1")
    contract = contracts.load()["adjudication/agreement"]
    path = tmp_path / "table.parquet"
    contracts.conform(found, contract).write_parquet(path, statistics=False)
    assert [c.id for c in check.run(contract, [path], found.height) if c.closes] == []
