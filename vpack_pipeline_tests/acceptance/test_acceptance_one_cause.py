"""Where a site's input is lost whole, one cause is told first, and what follows from it in a line."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.factory import check_result
from vpack_pipeline.assets.standing import lock_problems, losses, standing, told_of
from vpack_pipeline.contracts import Contract
from vpack_pipeline.errors import Problem
from vpack_pipeline.gate import check
from vpack_pipeline.gate.causes import ACCEPTED, REASONS_TOLD
from vpack_pipeline.gate.check import Checked
from vpack_pipeline.io.dicom.outcomes import REASONS as OUTCOMES
from vpack_pipeline.io.forms import REASONS
from vpack_pipeline_tests.acceptance.site_bench import Built, Copied, at_cut, folder
from vpack_pipeline_tests.pipeline.bench import assumed

NEWEST = "2026-07-20"
COUNTED = re.compile(r"(\d+) expectations of (\d+) tables? met no rows because (\S+) (.+)")


@pytest.fixture(autouse=True)
def _only_empty_tables_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Great Expectations says of whole tables is not asked here, and takes most of the time."""
    run, assume = check.run, assumed()

    def run_or_assume(
        contract: Contract, files: Sequence[Path], rows: int, within: Path | None = None
    ) -> list[Checked]:
        given: list[Checked] = (assume if rows else run)(contract, files, rows, within)
        return given

    monkeypatch.setattr(check, "run", run_or_assume)


def attempted(copied: Copied) -> Built:
    """Make each table whose inputs passed, as a run does, until nothing more can be made."""
    built = at_cut(copied.root, copied.site)
    known, passed = benches.dependencies(), set[str]()
    for asset in contracts.order(known):
        is_next = known[asset] <= passed and not asset.startswith("pack/")
        if is_next and steps.materialize(built.bench, asset).receipt.passed:
            passed.add(asset)
    return built


def closing_checks(built: Built) -> int:
    """Count the expectations that close the gate: what a user was told line by line."""
    made = [built.bench.receipt(asset) for asset in contracts.load() if asset != benches.LAST]
    return sum(c["closes"] for receipt in made if receipt for c in receipt.checks)


def cell_values(copied: Copied) -> set[str]:
    """What stands in the cases' cells that would tell a patient or a day."""
    with (copied.delivery(NEWEST) / "cases.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row[name] for row in rows for name in ("Case No", "Accession", "Exam Date")} - {""}


def assert_one_cause(built: Built, asset: str, n: int, problems: list[Problem]) -> None:
    """The cause leads; every expectation that closes is in the line of those that met nothing."""
    assert problems[0].where == asset
    assert f"{n} of {n} " in problems[0].what
    told = [COUNTED.fullmatch(p.what) for p in problems]
    (counted,) = [match for match in told if match]
    assert int(counted[1]) == closing_checks(built) > 10
    assert counted[3] == asset
    assert counted[4].startswith(f"kept 0 of {n}")
    # The loss, what it took with it, what met nothing, and a line for each reason.
    assert len(problems) <= 4 + REASONS_TOLD


def test_all_images_cut_short_are_one_cause(riverside: Copied) -> None:
    images = [p for p in (riverside.data / "dicom").rglob("*") if p.is_file()]
    for path in images:
        path.write_bytes(path.read_bytes()[:300])
    built = attempted(riverside)
    problems = lock_problems(built.bench)
    assert_one_cause(built, "cohort/files", len(images), problems)
    cut_short = built.quarantine("image").filter(reason="TRUNCATED").height
    assert cut_short > 0.9 * len(images)
    assert f": {cut_short} TRUNCATED" in problems[0].what
    assert problems[0].remedy == OUTCOMES["TRUNCATED"].remedy
    stands = standing(folder(riverside.root), riverside.site)
    assert stands["closed_by"] == [(p.where, p.what, p.remedy) for p in problems]
    closed = f"the gate is closed at the cut {built.bench.cut}, no deliveries came since"
    assert stands["summary"].endswith(closed)
    assert not built.table("cohort/files").filter(outcome="PARSED").height


def test_one_wrong_date_format_of_the_newest_cases_is_one_cause(riverside: Copied) -> None:
    """Earlier deliveries were sound; the newest is full, so that nothing of them is in force."""
    rewrite_dates(riverside.delivery(NEWEST) / "cases.csv")
    built = attempted(riverside)
    loss, positions, unmade = lock_problems(built.bench)
    n = built.table("cohort/deliveries").filter(kind="cases", delivery=NEWEST)["rows"].item()
    assert loss.where == "cohort/cases"
    assert built.table("cohort/cases").height > 0
    assert f"{n} of {n} rows delivered since {NEWEST} were refused: {n} BAD_DATE" in loss.what
    assert loss.remedy == REASONS["BAD_DATE"].remedy
    assert "not made, for a table that they are computed from did not pass" in unmade.what
    told = f"{loss}\n{positions}\n{unmade}"
    assert not {value for value in cell_values(riverside) if value in told}
    receipt = built.receipt("cohort/cases")
    assert [c["id"] for c in receipt.checks if c["closes"]] == [ACCEPTED]
    shown = check_result(receipt, [str(p) for p in told_of(built.bench, receipt)])
    assert shown.description is not None
    assert shown.description.startswith(str(loss))


def rewrite_dates(path: Path) -> None:
    """Write days as DD.MM.YYYY, which site.yaml does not declare."""
    content = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3.\2.\1", content), encoding="utf-8")


def test_predictions_that_match_no_case_close_the_gate(riverside: Copied) -> None:
    """A case without a prediction stays in the denominator; predictions that are lost do not."""
    for path in riverside.data.rglob("predictions.parquet"):
        frame = pl.read_parquet(path)
        frame.with_columns(case_id=pl.lit("X-") + pl.col("case_id")).write_parquet(path)
    built = attempted(riverside)
    deliveries = built.table("cohort/deliveries").filter(kind="predictions")
    n = deliveries["rows"].sum()
    refused = built.quarantine("predictions")
    unmatched = refused.filter(reason="UNKNOWN_CASE").height
    assert refused.height == n
    found = [p for p in losses(built.bench) if p.where == "cohort/predictions"]
    lost, *reasons = found
    at = re.compile(r"UNKNOWN_CASE in case_id: \S+/predictions.parquet:\d")
    assert any(at.match(p.what) for p in reasons)
    assert lost.where == "cohort/predictions"
    assert (
        f"{n} of {n} rows delivered were refused: {unmatched} UNKNOWN_CASE in case_id" in lost.what
    )
    assert lost.remedy == REASONS["UNKNOWN_CASE"].remedy
    receipt = built.receipt("cohort/predictions")
    assert ACCEPTED in {c["id"] for c in receipt.checks if c["closes"]}
    assert told_of(built.bench, receipt) == found
    assert lost in lock_problems(built.bench)


def test_a_sound_site_lost_nothing_that_closes_the_gate(riverside: Copied) -> None:
    built = riverside.built("cohort/quarantine")
    assert built.table("cohort/quarantine").height > 0
    told = losses(built.bench)
    assert {p.where for p in told} == {"cohort/patient_map", "cohort/population"}
    assert all(built.receipt(p.where).passed for p in told)
