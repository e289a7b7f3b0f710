"""What a user is told first where a gate is closed: a spec of small chains of tables."""

from __future__ import annotations

from typing import Any

import pytest

from vpack_pipeline.gate import causes, receipts
from vpack_pipeline.gate.causes import FOLLOWS, Intake, Refusal
from vpack_pipeline.gate.receipts import Receipt

CHAIN = {
    "cohort/cases": (),
    "cohort/reads": ("cohort/cases",),
    "eligibility/cases": ("cohort/cases", "cohort/reads"),
    "drift/plan": (),
}
DATE = Refusal("BAD_DATE", "index_date", 97, "check `date_format`")
POINTS = Refusal("UNKNOWN_CASE", "case_id", 50, "deliver the case")


def check(identifier: str, outcome: str, **more: Any) -> dict[str, Any]:
    given = {"id": identifier, "outcome": outcome, "closes": outcome != "pass", "why": "Why."}
    return {"element_count": None, "unexpected_count": None, **given, **more}


def receipt(asset: str, rows: int, *checks: dict[str, Any]) -> Receipt:
    return Receipt(
        **dict.fromkeys(("site", "protocol", "protocol_digest", "cut", "table_digest"), ""),
        **dict.fromkeys(
            ("compute", "check", "words", "fingerprint", "secret", "normalisation"), ""
        ),
        format=receipts.FORMAT,
        asset=asset,
        files=(),
        rows=rows,
        quarantined=0,
        inputs={},
        outcome="fail" if any(c["closes"] for c in checks) else "pass",
        checks=checks,
    )


def empty(asset: str, vacuous: int) -> Receipt:
    asks = check("table_rows", "fail", element_count=0)
    return receipt(asset, 0, asks, *(check(f"e{n}", "vacuous") for n in range(vacuous)))


def told(*receipts: Receipt, intakes: tuple[Intake, ...] = ()) -> list[tuple[str, str, str]]:
    found = causes.closing({r.asset: r for r in receipts}, intakes, CHAIN)
    return [(p.where, p.what, p.remedy) for p in found]


def lost(asset: str, delivered: int, *refusals: Refusal, since: str | None = None) -> Intake:
    return Intake(asset, "rows", since, delivered, refusals)


def test_nothing_closes_where_everything_passed() -> None:
    assert told(receipt("drift/plan", 3, check("a", "pass"))) == []


def test_a_loss_leads_and_what_met_nothing_is_one_line() -> None:
    cases = lost("cohort/cases", 100, DATE, Refusal("RAGGED_ROW", None, 3, "quote"), since="D")
    assert told(empty("cohort/cases", 4), empty("eligibility/cases", 6), intakes=(cases,)) == [
        (
            "cohort/cases",
            "100 of 100 rows delivered since D were refused: 97 BAD_DATE in index_date,"
            " 3 RAGGED_ROW",
            "check `date_format`",
        ),
        ("cohort/cases", "RAGGED_ROW", "quote"),
        (
            "cohort/cases",
            "12 expectations of 2 tables met no rows because cohort/cases kept 0 of 100 rows",
            FOLLOWS,
        ),
    ]


def test_an_input_that_points_to_a_lost_one_is_no_cause() -> None:
    cases, reads = lost("cohort/cases", 100, DATE), lost("cohort/reads", 50, POINTS)
    found = told(empty("eligibility/cases", 1), intakes=(cases, reads))
    assert [what for _, what, _ in found] == [
        "97 of 100 rows delivered were refused: 97 BAD_DATE in index_date",
        "inputs that point to it lost their rows with it: cohort/reads",
        "2 expectations of 1 table met no rows because cohort/cases kept 3 of 100 rows",
    ]


def test_an_input_lost_for_a_reason_of_its_own_stands_beside_another() -> None:
    intakes = (lost("cohort/cases", 100, DATE), lost("cohort/reads", 97, DATE))
    assert [p.where for p in causes.losses(intakes, CHAIN)] == ["cohort/cases", "cohort/reads"]


def test_a_loss_above_no_table_that_met_nothing_leads_nothing() -> None:
    failed = receipt("drift/plan", 3, check("a", "fail", element_count=3, unexpected_count=1))
    assert told(failed, intakes=(lost("cohort/cases", 100, DATE),)) == [
        ("drift/plan", "expectation a failed for 1 of 3 rows", "Why.")
    ]


def test_some_refused_rows_are_no_loss() -> None:
    some = lost("cohort/cases", 970, DATE)
    assert causes.losses((some,), CHAIN) == []
    assert told(empty("eligibility/cases", 2), intakes=(some,))[0] == (
        "eligibility/cases",
        "has no row",
        "deliver what it is made of",
    )


@pytest.mark.parametrize(
    ("delivered", "refused", "at_least", "is_short"),
    [
        (100, 10, 0.9, False),
        (100, 11, 0.9, True),
        (1000, 101, 0.9, True),
        (100, 50, 0.5, False),
        (100, 51, 0.5, True),
        (100, 89, 0.0, False),
        (100, 100, 0.0, True),
        (3, 6, 0.9, True),
        (1, 0, 1.0, False),
        (1000, 1, 1.0, True),
    ],
)
def test_an_input_is_lost_below_the_share_that_has_to_be_accepted(
    delivered: int, refused: int, at_least: float, is_short: bool
) -> None:
    """A row may be refused more than once in a wide form; nothing accepted is always a loss."""
    why = Refusal("BAD_DATE", "index_date", refused, "check `date_format`")
    given = Intake("cohort/cases", "rows", None, delivered, (why,), accept_at_least=at_least)
    assert given.is_short == is_short
    assert bool(causes.losses((given,), CHAIN)) == is_short


def test_an_input_that_is_short_leads_and_is_told_once() -> None:
    """Its own check closes; what met nothing elsewhere is not for so small a loss."""
    some = lost("cohort/cases", 110, DATE)
    short = check(causes.ACCEPTED, "fail", element_count=110, unexpected_count=97)
    closed = receipt("cohort/cases", 13, short)
    assert told(closed, empty("drift/plan", 1), intakes=(some,)) == [
        (
            "cohort/cases",
            "97 of 110 rows delivered were refused: 97 BAD_DATE in index_date",
            "check `date_format`",
        ),
        ("drift/plan", "has no row", "deliver what it is made of"),
        (
            "drift/plan",
            "2 expectations of 1 table met no rows because drift/plan has none",
            FOLLOWS,
        ),
    ]
    assert told(closed)[0][:2] == (
        "cohort/cases",
        "expectation accepted failed for 97 of 110 rows",
    )


def test_without_a_loss_the_first_empty_table_is_the_cause() -> None:
    assert told(empty("eligibility/cases", 2), empty("cohort/cases", 1)) == [
        ("cohort/cases", "has no row", "deliver what it is made of"),
        (
            "cohort/cases",
            "5 expectations of 2 tables met no rows because cohort/cases has none",
            FOLLOWS,
        ),
    ]


def test_what_failed_or_met_nothing_in_a_table_with_rows_is_listed() -> None:
    found = told(
        receipt("drift/plan", 3, check("a", "vacuous"), check("b", "error")),
        empty("cohort/cases", 1),
    )
    assert found[-2:] == [
        ("drift/plan", "expectation a met no value at all", "Why."),
        ("drift/plan", "expectation b could not be evaluated", "Why."),
    ]


def test_a_full_delivery_of_no_rows_is_a_loss() -> None:
    found = told(empty("eligibility/cases", 1), intakes=(lost("cohort/cases", 0, since="D"),))
    assert found[0] == ("cohort/cases", "nothing was delivered since D", "deliver it")
    assert found[1][1].endswith("because cohort/cases has none")


def test_further_reasons_are_summed_up() -> None:
    refusals = [Refusal(code, None, 25, "mend") for code in ("A", "B", "C", "D")]
    told_of = lost("cohort/cases", 100, *refusals).as_problem().what
    assert told_of.endswith("25 A, 25 B, 25 C, 25 for other reasons")


def test_each_reason_has_its_remedy_and_its_first_rows() -> None:
    at = tuple(f"2026-01-05/cases.csv:{n}" for n in range(1, 6))
    dated = Refusal("BAD_DATE", "index_date", 97, "check `date_format`", at)
    mismatched = Refusal("PATIENT_MISMATCH", "study", 3, "correct the study", at[:3])
    found = causes.losses((lost("cohort/cases", 100, dated, mismatched),), CHAIN)
    assert [str(p) for p in found[1:]] == [
        f"cohort/cases: BAD_DATE in index_date: {', '.join(at)} and 92 more — check `date_format`",
        f"cohort/cases: PATIENT_MISMATCH in study: {', '.join(at[:3])} — correct the study",
    ]


def test_a_study_of_another_patient_is_a_cause_beside_lost_cases() -> None:
    mismatch = Refusal("PATIENT_MISMATCH", "study", 50, "correct the study")
    intakes = (lost("cohort/cases", 100, DATE), lost("cohort/reads", 50, mismatch))
    assert [p.where for p in causes.losses(intakes, CHAIN)] == ["cohort/cases", "cohort/reads"]
