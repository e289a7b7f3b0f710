"""No reader is blind to an index test that they have seen: which delivered reads contradict that."""

from __future__ import annotations

from pathlib import Path

import pytest
from forms_bench import Bench

from vpack_pipeline import contracts
from vpack_pipeline.gate import causes, check, receipts
from vpack_pipeline.gate.receipts import Receipt

HEADER = "reader_id,case_id,finding,session,arm,purpose,role,saw_index_test,rating,read_at\n"
RULE = "blind_after_sight"
SEEN = "R1 C1 nodule 1 standard reference independent true 03T10"
BLIND = "R1 C1 nodule 2 standard reference independent false 04T10"


def row(said: str) -> str:
    *cells, at = (cell.strip("-") for cell in said.split())
    return ",".join([*cells, "4", f"2026-01-{at}:00:00Z" if at else ""]) + "\n"


def checked(tmp_path: Path, *deliveries: list[str], mode: str = "append") -> list[check.Checked]:
    """Check cohort/reads after these deliveries, a day between them."""
    form = {"file": "reads.csv", "mode": mode}
    bench = Bench(tmp_path, inputs={"reads": form, "predictions": {"file": "p.csv"}})
    for number, rows in enumerate(deliveries):
        text = HEADER + "".join(map(row, rows))
        if number == 0:
            bench.deliver_all("2026-01-05", reads_csv=text, predictions_csv=None)
        else:
            bench.deliver(f"2026-01-{5 + number:02}", reads_csv=text)
    table = bench.tables()["reads"]
    assert table.height == sum(map(len, deliveries))
    path = tmp_path / "table.parquet"
    table.write_parquet(path, statistics=False)
    return check.run(contracts.load()["cohort/reads"], [path], table.height)


def refused(found: list[check.Checked]) -> int:
    """Count the reads that the rule refuses; every other rule holds."""
    assert {c.id for c in found if c.closes} <= {RULE}
    (rule,) = [c for c in found if c.id == RULE]
    return rule.unexpected_count or 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SEEN, BLIND),
        (SEEN, "R1 C1 nodule 2 standard reference independent - 04T10"),
        (SEEN, "R1 C1 effusion 1 standard reference independent false 04T10"),
        (SEEN, "R1 C1 nodule 1 other reference independent false 04T10"),
        ("R1 C1 nodule 1 aided comparator independent true 03T10", BLIND),
        ("R1 C1 nodule 1 standard reference tiebreak true 03T10", BLIND),
        ("R1 C1 effusion 1 standard reference consensus true 03T10", BLIND),
        ("R1 C1 nodule 1 standard reference independent true 04T09", BLIND),
    ],
    ids=["session", "unstated", "finding", "arm", "comparator", "tiebreak", "consensus", "an hour"],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_a_blind_read_after_sight_of_the_index_test_is_refused(
    tmp_path: Path, first: str, second: str, turn: int
) -> None:
    assert refused(checked(tmp_path, [first, second][::turn])) == 1


@pytest.mark.parametrize(
    "other",
    [
        "R1 C1 nodule 2 standard reference independent true 04T10",
        "R1 C1 nodule 2 standard reference independent false 02T10",
        "R1 C1 effusion 1 standard reference independent false 03T10",
        "R1 C1 nodule 2 standard reference independent false -",
        "R2 C1 nodule 1 standard reference independent false 04T10",
        "R1 C2 nodule 1 standard reference independent false 04T10",
        "R1 C1 nodule 1 unaided comparator independent false 04T10",
        "R1 C1 nodule 2 standard reference tiebreak false 04T10",
        "R1 C1 nodule 2 standard reference consensus false 04T10",
    ],
    ids=[
        *("honest", "before", "at once", "undated", "reader", "case"),
        *("washout", "tiebreak", "consensus"),
    ],
)
def test_sight_that_is_admitted_or_did_not_come_before_is_refused_nowhere(
    tmp_path: Path, other: str
) -> None:
    assert refused(checked(tmp_path, [SEEN, other])) == 0


def test_a_read_of_unknown_time_proves_no_order(tmp_path: Path) -> None:
    undated = "R1 C1 nodule 1 standard reference independent true -"
    assert refused(checked(tmp_path, [undated, BLIND])) == 0


def test_the_first_draft_of_a_read_speaks_as_long_as_its_delivery_does(tmp_path: Path) -> None:
    again = "R1 C1 nodule 1 standard reference independent false 04T10"
    assert refused(checked(tmp_path / "drafts", [SEEN, again])) == 1
    # A later delivery has the last word on what it states again.
    assert refused(checked(tmp_path / "corrected", [SEEN], [again])) == 0
    assert refused(checked(tmp_path / "both", [SEEN, again], [again])) == 0


@pytest.mark.parametrize("mode", ["append", "full"])
@pytest.mark.parametrize(
    ("wrong", "right"),
    [(BLIND, BLIND.replace("false", "true")), (SEEN, SEEN.replace("true", "false"))],
)
def test_either_side_can_be_corrected_by_a_later_delivery(
    tmp_path: Path, mode: str, wrong: str, right: str
) -> None:
    kept = [r for r in (SEEN, BLIND) if r != wrong]
    later = [right, *kept] if mode == "full" else [right]
    assert refused(checked(tmp_path / "before", [SEEN, BLIND], mode=mode)) == 1
    assert refused(checked(tmp_path / "after", [SEEN, BLIND], later, mode=mode)) == 0


def test_the_closed_gate_says_what_to_deliver(tmp_path: Path) -> None:
    found = checked(tmp_path, [SEEN, BLIND, BLIND.replace("nodule 2", "nodule 3")])
    empty = dict.fromkeys(("site", "protocol", "protocol_digest", "cut", "table_digest"), "")
    known = dict.fromkeys(
        ("compute", "check", "words", "fingerprint", "secret", "normalisation"), ""
    )
    receipt = Receipt(
        **empty,
        **known,
        format=receipts.FORMAT,
        asset="cohort/reads",
        files=(),
        rows=3,
        quarantined=0,
        inputs={},
        outcome="fail",
        checks=tuple(c.as_dict() for c in found),
    )
    (told,) = causes.closing({"cohort/reads": receipt}, (), {"cohort/reads": ()})
    assert told.what == f"expectation {RULE} failed for 2 of 3 rows"
    assert "Deliver the later reads with saw_index_test true" in told.remedy
    assert "or correct the earlier read" in told.remedy
