"""Reads and standards that are thin, odd or against the plan: refused with a reason, never guessed.

What a loader refuses (ratings off the scale, half ratings, duplicates, reads after their delivery)
is tested beside the loaders.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication.agreement import agreement
from vpack_pipeline.core.adjudication.evidence import independent_labels
from vpack_pipeline.core.adjudication.label_noise import label_noise
from vpack_pipeline.core.adjudication.reader_performance import reader_performance
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.protocol import Disclosure, FollowUp, Sampling
from vpack_pipeline_tests.core import adjudication_cases as made

FIGURES = {
    "agreement": agreement,
    "label_noise": label_noise,
    "reader_performance": reader_performance,
}


def tables(
    reads: list[dict[str, Any]], reference: tuple[Any, ...] = (), **rules: Any
) -> dict[str, pl.DataFrame]:
    """All four tables of the section, held to their contracts."""
    cases = made.cases_of(sorted({r["case_id"] for r in reads} | {"unread"}))
    roster = made.roster(*sorted({r["reader_id"] for r in reads}))
    known: dict[str, Any] = {
        "reads": made.reads_of(reads),
        "readers": roster,
        "printed_words": made.words_of(roster),
        "readers_agreed": True,
        "cases": cases,
        "reference": made.reference_of(reference),
        "included": made.included_of(cases),
        "findings": (made.NODULE,),
        "adjudication": made.adjudication(**rules),
        "evaluation": made.EVALUATION,
        "sampling": Sampling(method="consecutive"),
        "disclosure": Disclosure(smallest_group=5),
    }
    asked = ("cases", "reads", "reference", "findings", "adjudication")
    known["reference_standard"] = reference_standard(**{k: known[k] for k in asked})
    found = {"reference_standard": known["reference_standard"]}
    for name, function in FIGURES.items():
        contract = contracts.load()[f"adjudication/{name}"]
        frame = function(
            **{k: known[k] for k in (*contract.inputs, *contract.protocol, *contract.site)}
        )
        found[name] = contracts.conform(frame, contract)
    return found


def figure(found: dict[str, pl.DataFrame], table: str, metric: str, **keys: str) -> dict[str, Any]:
    wanted = {"metric": metric, **keys}
    row = pl.all_horizontal(pl.col(name) == value for name, value in wanted.items())
    return found[table].row(by_predicate=row, named=True)


def label(found: dict[str, pl.DataFrame], case: str) -> dict[str, Any]:
    return found["reference_standard"].row(by_predicate=pl.col("case_id") == case, named=True)


def odd_panels() -> dict[str, list[dict[str, Any]]]:
    usual = [r for i in range(6) for r in made.panel(f"c{i}", "+ + -" if i % 2 else "- - -")]
    return {
        "no read at all": [],
        "one reader only": [r for i in range(5) for r in made.panel(f"c{i}", "+" if i else "-")],
        "one category only": [r for i in range(5) for r in made.panel(f"c{i}", "- - -")],
        "every read of a case missing": [*usual, *made.panel("blank", "x x x")],
        "every read missing": [r for i in range(3) for r in made.panel(f"c{i}", "x x")],
        "a reader with one read": [*usual, made.read("c0", "once", "+")],
        "indeterminate reads only": [r for i in range(4) for r in made.panel(f"c{i}", "? ? ?")],
        "one case": made.panel("c0", "+ -"),
    }


@pytest.mark.parametrize("name", sorted(odd_panels()))
def test_no_figure_is_nan_and_every_absence_has_a_reason(name: str) -> None:
    for table, frame in tables(odd_panels()[name]).items():
        if table == "reference_standard":
            assert frame.filter(pl.col("label").is_null())["reason"].null_count() == 0
            continue
        for column in ("estimate", "lower", "upper"):
            assert not frame[column].is_nan().any(), (table, column)
        absent = frame.filter(pl.col("status") != "given")
        assert absent["reason"].null_count() == 0
        assert absent["estimate"].null_count() == absent.height


def test_one_reader_has_no_agreement_no_pair_and_no_soft_label() -> None:
    found = tables(odd_panels()["one reader only"])
    assert figure(found, "agreement", "gwet_ac1", stratum="all")["status"] == "refused"
    assert figure(found, "agreement", "n_reader_pairs", stratum="all")["estimate"] == 0
    assert "reader_pair" not in set(found["agreement"]["stratum_kind"])
    assert figure(found, "label_noise", "prevalence", stratum="dawid_skene")["status"] == "refused"
    alone = figure(found, "reader_performance", "sensitivity_leave_one_out", reader_id="r0")
    assert alone["status"] == "refused"
    assert label(found, "c1")["method"] == "single_reader"


def test_one_category_leaves_kappa_undefined_and_never_1() -> None:
    found = tables(odd_panels()["one category only"])
    for stratum in ("all", "4", "r0"):
        kappa = figure(found, "agreement", "fleiss_kappa", stratum=stratum)
        assert kappa["status"] == "refused"
        assert kappa["reason"] == "one_category_used"
    assert figure(found, "agreement", "cohen_kappa", stratum="r0|r1")["status"] == "refused"
    assert figure(found, "agreement", "pair_kappa_max", stratum="all")["status"] == "refused"
    assert figure(found, "agreement", "percent_agreement", stratum="all")["estimate"] == 1


def test_a_case_whose_every_read_is_missing_is_undecided_and_counted() -> None:
    found = tables(odd_panels()["every read of a case missing"])
    assert (label(found, "blank")["label"], label(found, "blank")["method"]) == (None, "unresolved")
    assert label(found, "unread")["method"] == "no_reads"
    spoilt = figure(found, "agreement", "n_non_diagnostic_reads", stratum="all")
    assert spoilt["events"] == 3
    assert figure(found, "agreement", "percent_agreement", stratum="all")["n"] == 6


def test_a_reader_with_one_read_makes_pairs_of_one_case() -> None:
    found = tables(odd_panels()["a reader with one read"])
    assert figure(found, "agreement", "n_cases", stratum="once|r0")["estimate"] == 1
    lone = figure(found, "agreement", "cohen_kappa", stratum="once|r0")
    assert lone["n"] == 1
    kappa = figure(found, "agreement", "pair_kappa_median", stratum="all")
    told = {"given": 3, "pairs": 6, "fewest": 5}
    assert json.loads(kappa["detail"]) == {f"kappa_of_pairs.{k}": v for k, v in told.items()}
    once = figure(found, "reader_performance", "n_reads", reader_id="once")
    assert once["estimate"] == 1
    change = figure(found, "reader_performance", "agreement_with_others_change", reader_id="once")
    assert change["status"] == "refused"


def test_reads_that_are_not_in_force_at_the_cut_are_seen_nowhere() -> None:
    usual = odd_panels()["a reader with one read"]
    late = [
        made.read("c0", "late", "+", in_force=False),
        made.read("c1", "r0", "-", in_force=False),
    ]
    plain, more = tables(usual), tables(usual + late)
    for name, frame in plain.items():
        assert frame.equals(more[name]), name


def test_an_adjudicator_who_had_read_the_case_breaks_no_tie() -> None:
    own = made.read("c", "r0", "+", role="tiebreak", session=2)
    found = label(tables([*made.panel("c", "+ -"), own]), "c")
    assert (found["label"], found["n_unused_tiebreak"], found["n_reads"]) == (None, 1, 3)
    assert found["reason"] == "own_tiebreak;no_majority"
    other = made.read("c", "r0", "+", role="tiebreak", session=2)
    elsewhere = [*made.panel("c", "+ -", "-"), *made.panel("d", "+"), other | {"case_id": "e"}]
    assert label(tables(elsewhere), "c")["label"] == "negative"


def test_a_third_read_where_none_was_needed_is_counted_and_decides_nothing() -> None:
    found = tables(made.panel("c", "- -", "+"))
    assert (label(found, "c")["label"], label(found, "c")["method"]) == ("negative", "agreement")
    unused = figure(found, "agreement", "n_unused_tiebreak_reads", stratum="all")
    assert unused["estimate"] == 1


def test_a_tie_of_four_is_broken_by_nobody() -> None:
    found = label(tables(made.panel("c", "+ + - -")), "c")
    assert (found["label"], found["panel_state"]) == (None, "split")
    assert found["reason"] == "no_tiebreak;no_majority"


@pytest.mark.parametrize("quorum", [1, 2, 3])
@pytest.mark.parametrize("vote", ["cut_then_vote", "median_then_cut"])
def test_a_tie_of_four_is_broken_by_no_order_and_no_quorum(vote: str, quorum: int) -> None:
    orders = [" ".join(said) for said in sorted(set(itertools.permutations("++--")))]
    reads = [read for said in orders for read in made.panel(said, said)]
    rules = {"precedence": ("third_reader", "majority"), "vote": vote, "quorum": quorum}
    found = tables(reads, **rules)
    for said in orders:
        decided = label(found, said)
        assert (decided["label"], decided["method"]) == (None, "unresolved"), said


def test_not_diagnostic_to_one_and_positive_to_another_is_as_the_protocol_says() -> None:
    reads = made.panel("c", "x +")
    dropped = label(tables(reads), "c")
    assert (dropped["label"], dropped["method"]) == ("positive", "single_reader")
    spoilt = label(tables(reads, non_diagnostic_policy="undecided"), "c")
    assert spoilt["label"] is None
    assert spoilt["reason"] == "non_diagnostic_read"


def test_a_standard_older_than_the_image_is_dated_and_an_old_follow_up_counts_not() -> None:
    old = (("c", "pathology", "positive", -30), ("d", "follow_up", "negative", -30))
    found = tables([*made.panel("c", "- -"), *made.panel("d", "+ +")], old)
    assert (label(found, "c")["label"], label(found, "c")["days_to_reference"]) == ("positive", -30)
    assert (label(found, "d")["label"], label(found, "d")["source"]) == ("positive", "panel")


def test_a_follow_up_shorter_than_asked_settles_nothing() -> None:
    short = (("c", "follow_up", "negative", 89),)
    found = label(tables(made.panel("c", "+ -"), short), "c")
    assert found["label"] is None
    assert found["reason"] == "follow_up_too_short;no_tiebreak;no_majority"


@pytest.mark.parametrize(("stated", "days"), [(None, 90), (30, 30), (730, 730)])
def test_a_finding_may_state_after_how_many_days_a_negative_follow_up_settles_it(
    stated: int | None, days: int
) -> None:
    """The protocol asks for 90 days of every finding that states nothing of its own."""
    own = None if stated is None else FollowUp(minimum_days=stated, source="a guideline")
    finding = made.NODULE.model_copy(update={"negative_follow_up": own})
    reference = made.reference_of(
        [("c", "follow_up", "negative", days - 1), ("d", "follow_up", "negative", days)]
    )
    cases = made.cases_of(["c", "d"])
    found = independent_labels(cases, reference, [finding], made.adjudication())
    assert dict(found.select("case_id", "reference_label").iter_rows()) == {
        "c": None,
        "d": "negative",
    }


@pytest.mark.parametrize("discussion", [True, False, None])
def test_whether_a_consensus_was_discussed_changes_no_label(discussion: bool | None) -> None:
    reads = made.panel("c", "+ -", "", "- -")
    said = [r | {"discussion": discussion if r["role"] == "consensus" else None} for r in reads]
    found = tables(said, precedence=("consensus",), minimum_readers=2)
    assert (label(found, "c")["label"], label(found, "c")["method"]) == ("negative", "consensus")
    share = figure(found, "agreement", "share_consensus_discussed", stratum="all")
    assert share["events"] == (2 if discussion else 0)


def test_a_corrected_standard_replaces_what_it_corrects() -> None:
    reference = made.reference_of(
        [("c", "pathology", "positive", 5), ("c", "pathology", "negative", 9)]
    ).with_columns(pl.Series("in_force", [False, True]))
    frame = reference_standard(
        cases=made.cases_of(["c"]),
        reads=made.reads_of(made.panel("c", "+ +")),
        reference=reference,
        findings=(made.NODULE,),
        adjudication=made.adjudication(),
    )
    assert frame.select("label", "days_to_reference").row(0) == ("negative", 9)
