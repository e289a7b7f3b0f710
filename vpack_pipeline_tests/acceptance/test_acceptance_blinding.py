"""A breach of blinding that is told is a result; reads that contradict one another close the gate."""

from __future__ import annotations

import csv
import io

from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.standing import lock_problems
from vpack_pipeline.contracts import order
from vpack_pipeline_tests.acceptance.site_bench import Built, Copied, at_cut, needed

LATE = "2026-07-21"


def with_second_session(riverside: Copied, saw: str) -> Built:
    """Deliver that a reader saw the score of a case, and read it again a week later."""
    path = riverside.delivery("2026-01-15") / "reads.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))
    rated = {"absent", "present"}
    read = next(r for r in rows if r["Nodule or mass"] in rated and r["Session"] == "1")
    made = io.StringIO(newline="")
    writer = csv.DictWriter(made, list(read), lineterminator="\n")
    writer.writeheader()
    writer.writerow(read | {"Session": "8", "Saw Score": "Y", "Read At": "2026-07-01 09:00:00"})
    writer.writerow(read | {"Session": "9", "Saw Score": saw, "Read At": "2026-07-08 09:00:00"})
    riverside.deliver(LATE, reads__csv=made.getvalue().encode())
    built = at_cut(riverside.root, riverside.site)
    for asset in order(benches.dependencies()):
        if asset in needed(("cohort/reads",)):
            steps.materialize(built.bench, asset)
    return built


def of_reads(built: Built) -> list[tuple[str, str]]:
    return [(p.what, p.remedy) for p in lock_problems(built.bench) if p.where == "cohort/reads"]


def test_a_read_marked_blind_after_sight_of_the_score_closes_the_gate(riverside: Copied) -> None:
    built = with_second_session(riverside, saw="N")
    assert not built.receipt("cohort/reads").passed
    ((what, remedy),) = of_reads(built)
    assert what.startswith("expectation blind_after_sight failed for 1 of ")
    assert "saw_index_test true, or correct the earlier read" in remedy


def test_a_read_that_owns_up_to_the_score_closes_nothing(riverside: Copied) -> None:
    built = with_second_session(riverside, saw="Y")
    assert built.receipt("cohort/reads").passed
    assert of_reads(built) == []
