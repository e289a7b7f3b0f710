"""Reader performance and label noise."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication.label_noise import label_noise
from vpack_pipeline.core.adjudication.panel_error import panel_error, positive_reads
from vpack_pipeline.core.adjudication.reader_performance import reader_performance
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

FIGURES = {"reader_performance": reader_performance, "label_noise": label_noise}


def table(
    name: str,
    reads: list[dict[str, Any]],
    *,
    reference: list[tuple[str, str, str, int | None]] = (),  # type: ignore[assignment]
    readers: pl.DataFrame | None = None,
    words: pl.DataFrame | None = None,
    cases: list[str] | None = None,
    readers_agreed: bool = True,
    **rules: Any,
) -> pl.DataFrame:
    known = made.cases_of(cases or sorted({r["case_id"] for r in reads}))
    names = sorted({r["reader_id"] for r in reads})
    protocol = made.adjudication(**{"follow_up_minimum_days": 0} | rules)
    roster = made.roster(*names) if readers is None else readers
    given_ = {
        "reads": made.reads_of(reads),
        "readers": roster,
        "printed_words": made.words_of(roster) if words is None else words,
        "readers_agreed": readers_agreed,
        "cases": known,
        "reference": made.reference_of(reference),
        "included": made.included_of(known),
        "findings": (made.NODULE,),
        "adjudication": protocol,
        "evaluation": made.EVALUATION,
    }
    rest = {k: given_[k] for k in ("cases", "reads", "reference", "findings", "adjudication")}
    given_["reference_standard"] = reference_standard(**rest)
    contract = contracts.load()[f"adjudication/{name}"]
    asked = {k: given_[k] for k in (*contract.inputs, *contract.protocol, *contract.site)}
    return contracts.conform(FIGURES[name](**asked), contract)


def row(figures: pl.DataFrame, metric: str, **keys: str) -> dict[str, Any]:
    if "stratum" in figures.columns:
        keys = {"stratum": "all"} | keys
    wanted = [pl.col(name) == value for name, value in ({"metric": metric} | keys).items()]
    return figures.row(by_predicate=pl.all_horizontal(wanted), named=True)


def simulated(
    n: int, seed: int = 3, readers: int = 3, correlation: float = 0.0
) -> list[dict[str, Any]]:
    """Readers of sensitivity .85 and specificity .95, 10% prevalence, latent errors correlated."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.1
    factor = np.sqrt(correlation) * rng.standard_normal((n, 1))
    latent = factor + np.sqrt(1 - correlation) * rng.standard_normal((n, readers))
    said = latent < ndtri(np.where(truth, 0.85, 0.05))[:, None]
    return [
        made.read(f"c{i:05}", f"r{j}", "+" if said[i, j] else "-")
        for i in range(n)
        for j in range(readers)
    ]


def test_a_reader_is_held_against_the_majority_of_the_others() -> None:
    said = [
        *made.panel("a", "+ + -"),
        *made.panel("b", "- - -"),
        *made.panel("c", "- + -"),
        *made.panel("d", "? - -"),
        *made.panel("e", "+ +"),
    ]
    found = table("reader_performance", said)
    third = row(found, "sensitivity_leave_one_out", reader_id="r2")
    assert (third["estimate"], third["n"]) == (0, 1)
    first = row(found, "specificity_leave_one_out", reader_id="r0")
    # b: right, d: indeterminate is right about nothing; c: the others tie; e: one other only.
    assert (first["events"], first["n"]) == (1, 2)
    pooled = row(found, "specificity_leave_one_out", reader_id="all")
    assert (pooled["events"], pooled["n"]) == (4 - 1, 3 + 1 + 1)
    assert pooled["notes"] == "these_readers_only;others_err_too"
    assert row(found, "share_indeterminate", reader_id="r0")["events"] == 1


def test_a_reader_is_held_against_independent_sources() -> None:
    said = [*made.panel("a", "+ -"), *made.panel("b", "x -"), *made.panel("c", "+ +")]
    reference = [
        ("a", "pathology", "positive", 3),
        ("b", "follow_up", "negative", 3),
        ("c", "registry", "negative", 3),
    ]
    found = table("reader_performance", said, reference=reference)
    assert row(found, "sensitivity_independent", reader_id="r0")["estimate"] == 1
    assert row(found, "sensitivity_independent", reader_id="r1")["estimate"] == 0
    spoilt = row(found, "specificity_independent", reader_id="r0")
    assert (spoilt["estimate"], spoilt["n"]) == (0, 1)
    assert row(found, "share_non_diagnostic", reader_id="r0")["events"] == 1
    assert row(found, "sensitivity_independent", reader_id="all")["n"] == 2


def test_readers_who_saw_peers_are_not_judged_one_by_one() -> None:
    seen = [r | {"saw_peers": True} for r in made.panel("a", "+ + +")]
    found = table("reader_performance", seen, reference=[("a", "pathology", "positive", 3)])
    judged = found.filter(pl.col("metric").str.contains("sens|spec"))
    assert set(judged["status"]) == {"refused"}
    assert set(judged["reason"]) == {"reads_followed_peers"}
    assert row(found, "n_reads", reader_id="all")["estimate"] == 3
    unknown = [r | {"saw_peers": None} for r in seen]
    reason = row(table("label_noise", unknown), "reader_sensitivity")["reason"]
    assert reason == "independence_not_recorded"


def test_roster_stands_beside_the_readers_figures() -> None:
    readers = pl.concat([made.roster("r0"), made.roster("r1", years_experience=None)])
    found = table("reader_performance", made.panel("a", "+ + -"), readers=readers)
    assert row(found, "n_reads", reader_id="r0")["specialty"] == "thoracic radiology"
    assert row(found, "n_reads", reader_id="all")["specialty"] is None
    assert row(found, "years_experience", reader_id="r0")["estimate"] == 7
    assert row(found, "years_experience", reader_id="r1")["reason"] == "not_delivered"
    assert row(found, "years_experience", reader_id="all")["estimate"] == 7


@pytest.mark.parametrize("saw_peers", [False, True])
def test_a_readers_use_of_the_scale_makes_up_their_reads_whatever_the_basis(saw_peers) -> None:
    said = [
        *(made.read(c, "r0", v, saw_peers=saw_peers) for c, v in zip("abcd", "++-x", strict=True)),
        made.read("a", "r0", "-", session=2, saw_peers=saw_peers),
        made.read("a", "r1", "?", saw_peers=saw_peers),
    ]
    found = table("reader_performance", said)
    used = {
        reader: dict(
            found.filter(
                (pl.col("reader_id") == reader)
                & pl.col("metric").str.contains("share_rating=|share_non_diagnostic")
            )
            .select("metric", "events")
            .iter_rows()
        )
        for reader in ("r0", "r1", "all")
    }
    values = {1: "share_rating=1", 3: "share_rating=3", 5: "share_rating=5"}
    # The second session counts nowhere: it is a repeat.
    assert [used["r0"][m] for m in values.values()] == [1, 0, 2]
    assert used["r0"]["share_non_diagnostic"] == 1
    assert [used["r1"][m] for m in values.values()] == [0, 1, 0]
    assert {m: used["all"][m] for m in used["all"]} == {
        m: used["r0"][m] + used["r1"][m] for m in used["all"]
    }
    assert row(found, "share_rating=5", reader_id="r0")["estimate"] == 0.5


def test_pooled_row_stands_without_any_read() -> None:
    comparator = [made.read("a", "r0", "+", purpose="comparator")]
    found = table("reader_performance", comparator)
    assert found["reader_id"].unique().to_list() == ["all"]
    counts = pl.col("metric").is_in(["n_reads", "n_adjudicating_reads"])
    assert set(found.filter(counts)["estimate"]) == {0}
    assert set(found.filter(~counts)["status"]) == {"refused"}


def test_who_only_adjudicates_stands_beside_the_readers_and_is_not_judged() -> None:
    said = [
        *made.panel("a", "+ + -", "+"),
        *made.panel("b", "+ -", "+", "- -"),
        *made.panel("c", "- -", "=-"),
        made.read("b", "t0", "+", role="tiebreak", session=2),
    ]
    readers = pl.concat([made.roster("r0", "r1", "r2"), made.roster("t0", years_experience=20.0)])
    found = table("reader_performance", said, readers=readers)
    counted = {
        reader: row(found, "n_adjudicating_reads", reader_id=reader)["estimate"]
        for reader in ("r0", "r1", "r2", "t0", "all")
    }
    # A further session of the same reader is a repeat; r0's own tiebreak and consensus count.
    assert counted == {"r0": 2, "r1": 1, "r2": 0, "t0": 2, "all": 5}
    adjudicator = found.filter(pl.col("reader_id") == "t0")
    assert adjudicator["metric"].to_list() == found.filter(reader_id="r0")["metric"].to_list()
    assert set(adjudicator["specialty"]) == {"thoracic radiology"}
    assert row(found, "n_reads", reader_id="t0")["estimate"] == 0
    assert row(found, "years_experience", reader_id="t0")["estimate"] == 20
    assert row(found, "years_experience", reader_id="all")["estimate"] == 7
    refused = adjudicator.filter(pl.col("status") == "refused")
    assert set(refused["reason"]) == {"adjudicated_only"}
    assert refused.height == adjudicator.height - 3


def test_a_reader_whose_reads_all_followed_sight_of_peers_is_named_as_such() -> None:
    said = [*made.panel("a", "+ + -"), made.read("a", "late", "+", saw_peers=True)]
    found = table("reader_performance", said)
    assert row(found, "n_reads", reader_id="late")["estimate"] == 0
    why = row(found, "sensitivity_independent", reader_id="late")["reason"]
    assert why == "not_without_sight_of_peers"


def test_readers_are_fitted_and_their_comparison_with_one_another_is_a_reference_line() -> None:
    """Tolerances are three standard errors."""
    found = table("label_noise", simulated(5000, seed=5))
    line = row(found, "reader_sensitivity")
    assert line["notes"] == "apparent_accuracy"
    at_zero = {"stratum_kind": "error_correlation", "stratum": "0"}
    for metric, planted, tolerance in (
        ("reader_sensitivity", 0.85, 0.035),
        ("reader_specificity", 0.95, 0.006),
        ("true_prevalence", 0.1, 0.015),
        ("panel_sensitivity", 0.939, 0.025),
        ("panel_specificity", 0.993, 0.002),
        ("perfect_model_sensitivity", 0.935, 0.02),
        ("perfect_model_specificity", 0.993, 0.004),
        ("perfect_model_accuracy", 0.9876, 0.004),
    ):
        figure = row(found, metric, **at_zero)
        assert figure["estimate"] == pytest.approx(planted, abs=tolerance), metric
        assert figure["lower"] < planted < figure["upper"], metric
        assert "reads_alone" in made.said_of(figure)
    # Of the panels that three of the readers could have been, as of those that were planted.
    of_panels = row(found, "panel_positive_share")
    assert of_panels["estimate"] == pytest.approx(0.1 * 0.939 + 0.9 * 0.007, abs=0.01)
    panel = row(found, "panel_error", **at_zero)
    assert made.said_of(panel) >= {"majority_latent_class", "common_factor_probit"}
    told = {"majority_latent_class.size": 3, "common_factor_probit.correlation": 0.0}
    assert json.loads(panel["detail"]) == told
    assert line["estimate"] < row(found, "reader_sensitivity", **at_zero)["estimate"]


def test_only_the_planted_correlation_holds_what_was_planted() -> None:
    """Readers of 85/95 who share half of their latent errors; a majority of three by simulation."""
    found = table("label_noise", simulated(12_000, seed=8, correlation=0.5))
    apart, alike = ({"stratum": rho} for rho in ("0", "0.5"))
    ill, well = (positive_reads(np.array([r]), 3, 0.5)[0] for r in (0.85, 0.05))
    hit, alarm = 0.1 * ill[2:].sum(), 0.9 * well[2:].sum()
    for metric, planted in (
        ("reader_specificity", 0.95),
        ("panel_sensitivity", ill[2:].sum()),
        ("panel_specificity", well[:2].sum()),
        ("panel_error", 0.1 - hit + alarm),
        ("true_prevalence", 0.1),
        ("perfect_model_sensitivity", hit / (hit + alarm)),
    ):
        right, wrong = row(found, metric, **alike), row(found, metric, **apart)
        assert right["lower"] < planted < right["upper"], metric
        assert not wrong["lower"] < planted < wrong["upper"], metric
    reader = row(found, "reader_sensitivity", **alike)
    assert reader["lower"] < 0.85 < reader["upper"]
    # Held against one another, readers who err together look better than they are.
    assert row(found, "reader_sensitivity")["lower"] > 0.85 or (
        row(found, "reader_specificity")["lower"] > 0.95
    )


def test_a_fit_at_its_bounds_says_so() -> None:
    """Nearly no positive majority: what is there looks like chance."""
    said = [
        *(r for i in range(40) for r in made.panel(f"a{i:02}", "- - -")),
        *(r for i in range(5) for r in made.panel(f"b{i}", "+ - -")),
        *made.panel("c", "+ + -"),
    ]
    found = table("label_noise", said)
    poor = row(found, "reader_sensitivity", stratum="0")
    assert poor["estimate"] == pytest.approx(0.5)
    assert "fit_at_bound" in made.said_of(poor)
    absent = row(found, "panel_error", stratum="0.5")
    assert (absent["status"], absent["n"]) == ("refused", 46)
    assert absent["reason"] == "class_never_read"
    assert row(found, "reader_specificity")["status"] == "given"


def test_the_more_readers_err_alike_the_more_a_panel_errs() -> None:
    found = table("label_noise", simulated(600))
    strata = ("0", "0.3", "0.5")
    errors = [row(found, "panel_error", stratum=s)["estimate"] for s in strata]
    hidden = [row(found, "perfect_model_errors_unanimous", stratum=s)["estimate"] for s in strata]
    assert errors == sorted(errors)
    assert hidden == sorted(hidden)
    assert errors[0] < errors[2]


def test_panel_states_are_shares_of_included_cases() -> None:
    said = [
        *made.panel("a", "+ + +"),
        *made.panel("b", "+ - +"),
        *made.panel("c", "-"),
        *made.panel("d", "x"),
    ]
    found = table("label_noise", said)
    for state in ("unanimous", "split", "single", "none"):
        figure = row(found, f"share_{state}")
        assert (figure["events"], figure["n"]) == (1, 4)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([*made.panel("a", "+ +"), *made.panel("b", "+ - ?")], "no_case_with_three_votes"),
        ([*made.panel("a", "- - -"), *made.panel("b", "- - -")], "class_never_read"),
        (
            [*made.panel("a", "+ + - -"), *made.panel("b", "+ + - -"), *made.panel("c", "- - + +")],
            "readers_by_chance",
        ),
        ([*made.panel("a", "- - -"), *made.panel("b", "+ + +")], "panel_never_wrong"),
    ],
)
def test_noise_that_cannot_be_known_is_refused_with_its_reason(
    said: list[dict[str, Any]], why: str
) -> None:
    found = table("label_noise", said)
    figure = row(found, "perfect_model_errors_unanimous", stratum="0.3")
    assert figure["status"] == "refused"
    assert figure["reason"] == why


def test_noise_rows_are_fixed_by_the_protocol() -> None:
    keys = ["finding", "stratum_kind", "stratum", "metric"]
    empty = table("label_noise", made.panel("a", "+"))
    assert empty.select(keys).equals(table("label_noise", simulated(40)).select(keys))
    nobody = label_noise(
        reads=made.reads_of([]),
        cases=made.cases_of([]),
        reference=made.reference_of([]),
        adjudication=made.adjudication(),
        included=made.included_of(made.cases_of([])),
        reference_standard=reference_standard(
            cases=made.cases_of([]),
            reads=made.reads_of([]),
            reference=made.reference_of([]),
            findings=(made.NODULE,),
            adjudication=made.adjudication(),
        ),
        findings=(made.NODULE,),
        evaluation=made.EVALUATION,
    )
    assert nobody.select(keys).equals(empty.select(keys))
    assert set(nobody["status"]) == {"refused"}


PLANTED = [
    *made.panel("hit", "+ + -", "+"),
    *made.panel("miss", "- - -"),
    *made.panel("saved", "+ -", "+"),
    *made.panel("clear", "- - +", "-"),
    *made.panel("alarm", "+ + +"),
    *made.panel("torn", "+ -"),
    *made.panel("unverified", "+ + +"),
    *made.panel("early", "+ + +"),
]
SOURCES = [
    ("hit", "pathology", "positive", 5),
    ("miss", "pathology", "positive", 5),
    ("saved", "pathology", "positive", 5),
    ("clear", "follow_up", "negative", 200),
    ("alarm", "pathology", "negative", 5),
    ("torn", "pathology", "positive", 5),
    ("early", "follow_up", "negative", 3),
]
VERIFIED = {"stratum": "independent_reference"}


def test_the_panel_is_held_against_independent_sources_by_its_reads_alone() -> None:
    """The label in force of these cases is the source's own, which would never be wrong."""
    quorate = {"quorum": 2, "minimum_readers": 2, "follow_up_minimum_days": 90}
    found = table("label_noise", PLANTED, reference=SOURCES, **quorate)
    counts = {
        metric: (row(found, metric, **VERIFIED)["events"], row(found, metric, **VERIFIED)["n"])
        for metric in ("n_cases", "panel_error", "panel_sensitivity", "panel_specificity")
    }
    # Of six verified cases the panel decides all but the torn one, and errs on miss and alarm.
    assert counts == {
        "n_cases": (5, 6),
        "panel_error": (2, 5),
        "panel_sensitivity": (2, 3),
        "panel_specificity": (1, 2),
    }
    error = row(found, "panel_error", **VERIFIED)
    assert error["estimate"] == pytest.approx(0.4)
    assert error["lower"] < 0.4 < error["upper"]
    assert json.loads(error["detail"]) == {
        "panel_against_sources.rules": ["third_reader", "majority"],
        "panel_against_sources.sources": ["pathology", "follow_up"],
    }
    assert error["notes"] == "verified_are_selected"


def test_without_an_independent_source_the_panel_is_held_against_nothing() -> None:
    alone = table("label_noise", PLANTED)
    assert row(alone, "panel_error", **VERIFIED)["reason"] == "none_verified"
    unnamed = table("label_noise", PLANTED, reference=SOURCES, reference_sources=())
    assert row(unnamed, "panel_error", **VERIFIED)["reason"] == "no_independent_source"
    no_panel = {"precedence": ("independent_reference",)}
    only = table("label_noise", PLANTED, reference=SOURCES, **no_panel)
    assert row(only, "panel_error", **VERIFIED)["reason"] == "no_panel_rule"
    one_sided = table("label_noise", PLANTED, reference=SOURCES[:3])
    assert row(one_sided, "panel_sensitivity", **VERIFIED)["n"] == 3
    gone = row(one_sided, "panel_specificity", **VERIFIED)
    assert (gone["status"], gone["reason"]) == ("refused", "no_case_of_class")
    assert json.loads(gone["detail"]) == {"no_case_of_class.label": "negative"}


def test_modelled_panel_error_rests_on_reads_and_on_no_label() -> None:
    """Independent labels, right or upside down, move nothing but the rows that name them."""
    said = simulated(60)
    upside_down = [
        (f"c{i:05}", "pathology", "positive" if i % 2 else "negative", 5) for i in range(60)
    ]
    about_labels = pl.col("metric") == "share_label_differs"
    apart = (pl.col("stratum") != "independent_reference") & ~about_labels
    plain, labelled = table("label_noise", said), table("label_noise", said, reference=upside_down)
    assert plain.filter(apart).equals(labelled.filter(apart))
    assert not plain.equals(labelled)
    modelled = row(plain, "panel_error", stratum="0")
    assert "reads_alone" in made.said_of(modelled)


def test_of_two_usual_panel_sizes_the_smaller_is_taken() -> None:
    said = [*made.panel("a", "+ + +"), *made.panel("b", "- - - -"), *made.panel("c", "- -")]
    assert row(table("label_noise", said), "panel_size")["estimate"] == 3


@pytest.mark.parametrize(
    ("rho", "readers", "sensitivity", "unanimous"),
    [(0.0, 1, 0.654, None), (0.0, 3, 0.935, 0.036), (0.5, 3, 0.79, 0.22), (0.7, 3, 0.73, 0.35)],
)
def test_a_perfect_model_looks_as_simulated_at_ten_per_cent_prevalence(
    rho: float, readers: int, sensitivity: float, unanimous: float | None
) -> None:
    """Reference: the project's own simulation, readers of .85 and .95, prevalence .10."""
    one = np.ones(1)
    apparent = np.array([0.1, 0.9]) @ [
        positive_reads(rate * one, readers, rho)[0, np.arange(readers + 1) * 2 > readers].sum()
        for rate in (0.85, 0.05)
    ]
    found = panel_error(0.85 * one, 0.95 * one, apparent * one, readers, rho)
    assert found.prevalence[0] == pytest.approx(0.1)
    assert found.perfect_sensitivity[0] == pytest.approx(sensitivity, abs=0.006)
    if unanimous is not None:
        assert found.unanimous_share[0] == pytest.approx(unanimous, abs=0.01)


def test_common_factor_model_agrees_with_drawing_readers() -> None:
    rng = np.random.default_rng(11)
    rate, rho, k, n = 0.3, 0.4, 4, 200_000
    shared = rng.standard_normal((n, 1)) * np.sqrt(rho)
    latent = shared + rng.standard_normal((n, k)) * np.sqrt(1 - rho)
    counts = np.bincount((latent < -0.5244005127080407).sum(axis=1), minlength=k + 1) / n
    assert positive_reads(np.array([rate]), k, rho)[0] == pytest.approx(counts, abs=0.004)


@examples_drawn(60)
@given(rate=st.floats(0, 1), k=st.integers(1, 7), rho=st.floats(0, 0.9))
def test_positive_reads_are_a_distribution_with_the_readers_mean(
    rate: float, k: int, rho: float
) -> None:
    found = positive_reads(np.array([rate]), k, rho)[0]
    assert found.sum() == pytest.approx(1)
    assert (found >= -1e-15).all()
    assert found @ np.arange(k + 1) == pytest.approx(k * rate, abs=2e-3 * k)


def test_an_even_panel_may_tie_and_then_decides_nothing() -> None:
    one = np.ones(1)
    found = panel_error(0.8 * one, 0.8 * one, 0.32 * one, 2, 0.0)
    # Of positives .64 are called so, .32 tie, .04 are missed.
    assert found.sensitivity[0] == pytest.approx(0.64 / 0.68)
    assert found.specificity[0] == pytest.approx(0.64 / 0.68)


def test_details_hold_no_number_of_a_patient() -> None:
    found = table("label_noise", simulated(40))
    details = found["detail"].drop_nulls()
    assert len(details) > 0
    assert not any(re.search(r"c\d{5}", text) for text in details)
