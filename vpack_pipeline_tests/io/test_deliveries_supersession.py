"""Which row of a key counts: full and append files, revisions, and what they retract."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from forms_bench import CASES, PREDICTIONS, READS, Bench

from vpack_pipeline.io.cohort.inputs.supersession import supersede

D1, D2, D3 = "2026-01-05", "2026-01-06", "2026-01-07"
T = {n: f"2026-01-0{n}T08:00:00Z" for n in range(1, 5)}


def decided(
    steps: list[tuple[str, str, list[tuple[str, int | None]]]],
) -> list[tuple[str, str, str | None]]:
    """Run supersession over (delivery, mode, [(key, revision)]); revision 0 means no times."""
    rows = [
        {"delivery": d, "line": i, "k": k, "t": t}
        for d, _, content in steps
        for i, (k, t) in enumerate(content, start=1)
    ]
    frame = pl.DataFrame(
        rows, schema={"delivery": pl.String, "line": pl.Int64, "k": pl.String, "t": pl.Int64}
    )
    is_timed = any(t != 0 for _, _, content in steps for _, t in content)
    found = supersede(frame, [(d, m) for d, m, _ in steps], ["k"], "t" if is_timed else None)
    assert found.filter(pl.col("in_force") != pl.col("superseded_by").is_null()).height == 0
    return found.select("delivery", "k", "superseded_by").rows()


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            [("d1", "full", [("a", 0), ("b", 0)]), ("d2", "full", [("a", 0)])],
            [("d1", "a", "d2"), ("d1", "b", "d2"), ("d2", "a", None)],
        ),
        (
            [("d1", "append", [("a", 0), ("b", 0)]), ("d2", "append", [("a", 0)])],
            [("d1", "a", "d2"), ("d1", "b", None), ("d2", "a", None)],
        ),
        (
            [("d1", "full", [("a", 0)]), ("d2", "full", [])],
            [("d1", "a", "d2")],
        ),
        (
            [("d1", "append", [("a", 0)]), ("d2", "full", []), ("d3", "append", [("b", 0)])],
            [("d1", "a", "d2"), ("d3", "b", None)],
        ),
        # Revisions: the latest time, whichever delivery brought it.
        (
            [("d1", "append", [("a", 9)]), ("d2", "append", [("a", 5)])],
            [("d1", "a", None), ("d2", "a", "d1")],
        ),
        # Equal times: the later delivery.
        (
            [("d1", "append", [("a", 5)]), ("d2", "append", [("a", 5)])],
            [("d1", "a", "d2"), ("d2", "a", None)],
        ),
        # A time that is unknown cannot be compared: the later delivery.
        (
            [("d1", "append", [("a", 9)]), ("d2", "append", [("a", None)])],
            [("d1", "a", "d2"), ("d2", "a", None)],
        ),
        (
            [
                ("d1", "append", [("a", 9)]),
                ("d2", "append", [("a", None)]),
                ("d3", "append", [("a", 3)]),
            ],
            [("d1", "a", "d3"), ("d2", "a", "d3"), ("d3", "a", None)],
        ),
        # Two revisions in one file.
        (
            [("d1", "full", [("a", 9), ("a", 5)])],
            [("d1", "a", None), ("d1", "a", "d1")],
        ),
        # A full file stands for everything, a later revision before it included.
        (
            [("d1", "full", [("a", 9)]), ("d2", "full", [("a", 5)])],
            [("d1", "a", "d2"), ("d2", "a", None)],
        ),
    ],
)
def test_supersession(
    steps: list[tuple[str, str, list[tuple[str, int | None]]]],
    expected: list[tuple[str, str, str | None]],
) -> None:
    assert decided(steps) == expected


def test_the_tenth_delivery_of_a_day_is_later_than_the_second(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all(D1)
    for number, score in ((10, 0.1), (2, 0.2)):
        bench.deliver(f"{D1}.{number}", predictions_csv=PREDICTIONS.replace("0.91", str(score)))
    table = bench.tables().in_force("predictions")
    assert set(table["delivery"]) == {f"{D1}.10"}
    assert table["score"].to_list() == [0.1, 0.08]


def test_both_deliveries_are_kept_and_an_earlier_cut_sees_the_earlier(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs={"predictions": {"file": "predictions.csv", "mode": "append"}})
    bench.deliver_all(D1)
    first = bench.tables()
    bench.deliver(D2, predictions_csv="case_id,finding,model_id,score\nC1,nodule,m-1,0.5\n")
    later = bench.tables()
    assert later["predictions"].select("delivery", "superseded_by").rows() == [
        (D1, D2),
        (D1, None),
        (D2, None),
    ]
    assert bench.tables(D1)["predictions"].equals(first["predictions"])


def test_a_retracted_case_takes_its_reads_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all(D1)
    bench.deliver(D2, cases_csv=CASES.replace("C2,P2,2025-12-02\n", ""))
    tables = bench.tables()
    assert tables.in_force("cases").height == 1
    assert tables.refused("reads") == [(3, "case_id", "UNKNOWN_CASE")]


def test_a_read_is_revised_by_its_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs={"reads": {"file": "reads.csv", "mode": "append"}})
    header = "reader_id,case_id,finding,rating,read_at\n"
    bench.deliver_all(D1, reads_csv=f"{header}R1,C1,nodule,4,{T[4]}\nR2,C1,nodule,4,{T[1]}\n")
    bench.deliver(D2, reads_csv=f"{header}R1,C1,nodule,1,{T[3]}\nR2,C1,nodule,2,{T[1]}\n")
    tables = bench.tables()
    assert sorted(tables.in_force("reads").select("delivery", "rating").rows()) == [
        (D1, 4.0),
        (D2, 2.0),
    ]


def test_a_refused_row_supersedes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs={"reads": {"file": "reads.csv", "mode": "append"}})
    bench.deliver_all(D1)
    bench.deliver(D2, reads_csv="reader_id,case_id,finding,rating\nR1,C1,nodule,99\n")
    tables = bench.tables()
    assert tables.in_force("reads").height == READS.count("\n") - 1


def test_a_map_that_became_tangled_falls_back_to_what_it_superseded(tmp_path: Path) -> None:
    form = {"file": "patient_map.csv", "mode": "append"}
    bench = Bench(tmp_path, inputs={"patient_map": form})
    bench.deliver_all(D1, patient_map_csv="patient_id,same_as\nA,B\nC,D\n", reads_csv=None)
    bench.deliver(D2, patient_map_csv="patient_id,same_as\nA,C\n")
    tables = bench.tables()
    assert tables["patient_map"].select("delivery", "in_force").rows() == [(D1, True), (D1, True)]
    assert tables.refused("patient_map") == [(1, "same_as", "CHAIN_IN_PATIENT_MAP")]


def test_a_kind_that_was_not_delivered_is_an_empty_table(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all(D1, reads_csv=None, predictions_csv=None)
    tables = bench.tables()
    assert tables["reads"].height == tables["reference"].height == 0
    assert tables["cases"].height == 2
