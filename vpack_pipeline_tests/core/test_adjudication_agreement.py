from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication.agreement import agreement
from vpack_pipeline.core.adjudication.ambiguity import KINDS
from vpack_pipeline.core.adjudication.coefficients import STATISTICS
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.core.adjudication.rules import METHODS
from vpack_pipeline.protocol import (
    Adjudication,
    Disclosure,
    Evaluation,
    Finding,
    Floor,
    Sampling,
    Stratum,
)
from vpack_pipeline.stats import agreement as coefficients
from vpack_pipeline_tests.core import adjudication_cases as made

# Three readers of eight cases; the fourth read of c6 is not diagnostic.
SAID = {
    "c0": "- - -",
    "c1": "- - -",
    "c2": "- - +",
    "c3": "+ + +",
    "c4": "+ - +",
    "c5": "2 1 5",
    "c6": "4 5 x",
    "c7": "- 2 1",
}


CONSECUTIVE = Sampling(method="consecutive")


def table(
    reads: list[dict[str, Any]],
    *,
    finding: Finding = made.NODULE,
    protocol: Adjudication | None = None,
    patients: dict[str, str] | None = None,
    only: set[str] | None = None,
    evaluation: Evaluation = made.EVALUATION,
    readers_agreed: bool = True,
    sampling: Sampling = CONSECUTIVE,
    stratum: pl.Expr = pl.lit("all"),  # noqa: B008 - an expression is never changed
) -> pl.DataFrame:
    protocol = protocol or made.adjudication()
    cases = made.cases_of(patients or sorted({r["case_id"] for r in reads} | {"c0"}))
    included = made.included_of(cases)
    if only is not None:
        included = included.filter(pl.col("case_id").is_in(sorted(only)))
    frame = made.reads_of(reads)
    standard = reference_standard(
        cases=cases,
        reads=frame,
        reference=made.reference_of([]),
        findings=(finding,),
        adjudication=protocol,
    )
    figures = agreement(
        cases=cases.with_columns(stratum=stratum),
        sampling=sampling,
        reads=frame,
        included=included,
        reference_standard=standard,
        findings=(finding,),
        adjudication=protocol,
        evaluation=evaluation,
        disclosure=Disclosure(smallest_group=5),
        readers_agreed=readers_agreed,
    )
    return contracts.conform(figures, contracts.load()["adjudication/agreement"])


ALL = ("all", "all")
PAIR = ("reader_pair", "r-a|r-b")


@pytest.mark.parametrize("strata", [(), (Stratum(name="all", fraction=0.5),)])
def test_of_cases_drawn_by_score_the_reads_are_described_and_no_agreement_is_estimated(strata):
    reads = [made.read(c, r, "+") for c in ("c1", "c2", "c3") for r in ("r-a", "r-b")]
    plain = table(reads)
    protocol = made.adjudication(floor=Floor(statistic="gwet_ac1", value=0.1))
    drawn = Sampling(method="random", depends_on=("score",), strata=strata)
    found = table(reads, sampling=drawn, protocol=protocol)
    if strata:
        # All were drawn alike after all.
        assert found.equals(table(reads, protocol=protocol))
        return
    for metric in ("percent_agreement", "gwet_ac1", "prespecified_floor"):
        assert row(found, metric)["reason"] == "drawn_without_fractions"
    for metric in ("n_reads", "label_positive", "path_majority", "positive_read_share"):
        assert row(found, metric) == row(plain, metric)


def row(figures: pl.DataFrame, metric: str, stratum: tuple[str, str] = ALL) -> dict[str, Any]:
    kind, name = stratum
    of = (pl.col("stratum_kind") == kind) & (pl.col("stratum") == name)
    return figures.row(by_predicate=of & (pl.col("metric") == metric), named=True)


def reads(**changes: Any) -> list[dict[str, Any]]:
    return [r | changes for case, said in SAID.items() for r in made.panel(case, said)]


TIMES = 10
"""How often the cases are repeated where a coefficient is to have an interval."""


def many(**changes: Any) -> list[dict[str, Any]]:
    """The same reads of ten times as many cases; of 80, the last of c6 is not diagnostic."""
    return [r | {"case_id": f"{r['case_id']}-{i}"} for i in range(TIMES) for r in reads(**changes)]


TWO_PHASE = Sampling(
    method="random",
    depends_on=("score",),
    strata=(Stratum(name="flagged", fraction=1.0), Stratum(name="cleared", fraction=0.2)),
)
OF_TWO_PHASE = (
    pl.when(pl.col("case_id").str.ends_with("-0") | pl.col("case_id").str.ends_with("-1"))
    .then(pl.lit("flagged"))
    .otherwise(pl.lit("cleared"))
)
"""The first two of the ten repeats are flagged."""


def phases() -> tuple[np.ndarray, np.ndarray]:
    """The ratings of ``many`` cut at 4, and how many cases each stands for."""
    marks = {"-": 0.0, "+": 1.0, "x": np.nan}
    rows = [
        [marks[m] if m in marks else float(m >= "4") for m in said.split()]
        for said in SAID.values()
    ]
    return np.tile(np.array(rows), (TIMES, 1)), np.repeat([1, 5], [2 * len(SAID), 8 * len(SAID)])


def test_a_case_of_which_one_in_five_was_drawn_counts_as_five() -> None:
    plain = made.NODULE.model_copy(update={"indeterminate": ()})
    protocol = made.adjudication(floor=Floor(statistic="percent_agreement", value=0.1))
    # One repeat says otherwise, so that weights matter.
    drawn = [
        r | {"rating": 5.0} if r["case_id"] == "c1-0" and r["reader_id"] == "r0" else r
        for r in many()
    ]
    found = table(drawn, finding=plain, protocol=protocol, sampling=TWO_PHASE, stratum=OF_TWO_PHASE)
    cut, weight = phases()
    cut[1, 0] = 1.0
    repeated = np.repeat(cut, weight, axis=0)
    expected = {
        "percent_agreement": coefficients.percent_agreement(repeated, [0, 1]),
        "fleiss_kappa": coefficients.fleiss_kappa(repeated, [0, 1]),
        "gwet_ac1": coefficients.gwet_ac(repeated, [0, 1]),
        "positive_agreement": coefficients.specific_agreement(repeated)[0],
        "negative_agreement": coefficients.specific_agreement(repeated)[1],
    }
    for metric, estimate in expected.items():
        given = row(found, metric)
        assert given["estimate"] == pytest.approx(estimate.value, abs=1e-12), metric
        assert given["n"] == 80
        assert given["lower"] < given["estimate"] < given["upper"]
        assert "unseen_units_of_largest_weight" in given["method"]
        assert "weighted_for_sampling" in given["method"]
    pair = coefficients.cohen_kappa(repeated[:, 0], repeated[:, 1], [0, 1])
    assert row(found, "cohen_kappa", ("reader_pair", "r0|r1"))["estimate"] == pytest.approx(
        pair.value, abs=1e-12
    )
    alike = np.mean(repeated[:, 0] == repeated[:, 1])
    given = row(found, "percent_agreement", ("reader_pair", "r0|r1"))
    assert given["estimate"] == pytest.approx(alike, abs=1e-12)
    assert "ratio_of_weighted_sums" in given["method"]
    kappas = [
        coefficients.cohen_kappa(repeated[:, i], repeated[:, j], [0, 1]).value
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    for metric, value in zip(
        ("pair_kappa_min", "pair_kappa_median", "pair_kappa_max"), sorted(kappas), strict=True
    ):
        assert row(found, metric)["estimate"] == pytest.approx(value, abs=1e-12)
        assert "weighted" in row(found, metric)["method"].split(";")
    without = row(found, "gwet_ac1", ("without_reader", "r2"))
    assert without["estimate"] == pytest.approx(
        coefficients.gwet_ac(repeated[:, :2], [0, 1]).value, abs=1e-12
    )
    shares = coefficients.mean_shares(repeated, (0.0, 1.0))
    by_chance = row(found, "prespecified_floor_by_chance")["estimate"]
    assert by_chance == pytest.approx(float(shares @ shares), abs=1e-12)
    assert (
        row(found, "prespecified_floor")["estimate"] == row(found, "percent_agreement")["estimate"]
    )


def test_agreement_that_lacks_a_stratum_is_refused() -> None:
    of_one = many()
    # Of the cleared no case was read twice; then by a and b alone.
    singly = [r for r in of_one if r["case_id"][-1] in "01" or r["reader_id"] == "r0"]
    found = table(singly, sampling=TWO_PHASE, stratum=OF_TWO_PHASE)
    for metric in ("percent_agreement", "fleiss_kappa", "pair_kappa_min"):
        assert row(found, metric)["reason"] == "sampled_stratum_without_case", metric
    assert row(found, "n_reads")["estimate"] == len(singly)
    by_two = [r for r in of_one if r["case_id"][-1] in "01" or r["reader_id"] != "r2"]
    found = table(by_two, sampling=TWO_PHASE, stratum=OF_TWO_PHASE)
    assert row(found, "fleiss_kappa")["estimate"] is not None
    assert row(found, "cohen_kappa", ("reader_pair", "r0|r1"))["estimate"] is not None
    for metric in ("cohen_kappa", "cohen_kappa_linear", "percent_agreement"):
        lacking = row(found, metric, ("reader_pair", "r0|r2"))
        assert lacking["reason"] == "sampled_stratum_without_case", metric
    without = row(found, "gwet_ac1", ("without_reader", "r0"))
    assert without["reason"] == "sampled_stratum_without_case"


def test_a_reader_with_themselves_is_weighted_as_the_case_is() -> None:
    once = [made.read(f"c{i}", "r0", "+" if i % 2 else "-") for i in range(40)]
    again = [
        made.read(f"c{i}", "r0", "+" if i in (1, 20) or i % 2 else "-", session=2)
        for i in range(40)
    ]
    fifth = pl.when(pl.col("case_id").str.len_chars() == 2).then(pl.lit("flagged"))
    stratum = fifth.otherwise(pl.lit("cleared"))
    found = row(table([*once, *again], sampling=TWO_PHASE, stratum=stratum), "repeat_agreement")
    # Of c0 to c9 all are alike, of the other thirty, which stand for five each, one is not.
    assert found["estimate"] == pytest.approx(155 / 160)
    flagged = [r for r in again if len(r["case_id"]) == 2]
    few = row(table([*once, *flagged], sampling=TWO_PHASE, stratum=stratum), "repeat_agreement")
    assert few["reason"] == "sampled_stratum_without_case"


def test_coefficients_are_those_of_the_cut_and_of_the_ratings() -> None:
    found = table(many(), finding=made.NODULE.model_copy(update={"indeterminate": ()}))
    marks = {"-": 1.0, "+": 5.0, "x": np.nan}
    rated = np.array([[marks.get(m) or float(m) for m in said.split()] for said in SAID.values()])
    rated = np.tile(rated, (TIMES, 1))
    cut = np.where(np.isnan(rated), np.nan, rated >= 4)
    scale = [1.0, 2.0, 3.0, 4.0, 5.0]
    positive, negative = coefficients.specific_agreement(cut)
    expected = {
        "percent_agreement": coefficients.percent_agreement(cut, [0, 1]),
        "positive_agreement": positive,
        "negative_agreement": negative,
        "fleiss_kappa": coefficients.fleiss_kappa(cut, [0, 1]),
        "gwet_ac1": coefficients.gwet_ac(cut, [0, 1]),
        "krippendorff_alpha_nominal": coefficients.krippendorff_alpha(cut, [0, 1]),
        "krippendorff_alpha": coefficients.krippendorff_alpha(
            rated, scale, level_of_measurement="ordinal"
        ),
    }
    for metric, estimate in expected.items():
        figure = row(found, metric)
        assert figure["estimate"] == pytest.approx(estimate.value), metric
        assert figure["n"] == estimate.n
        assert figure["lower"] < figure["estimate"] < figure["upper"]
        scale_of = "logit" if metric.endswith("_agreement") else "fisher_z"
        assert made.said_of(figure) >= {
            f"{scale_of}_jackknife_by_patient",
            "independent_reads",
        }
    assert "negative_agreement" in made.said_of(row(found, "negative_agreement"))
    assert "positive_agreement" not in made.said_of(row(found, "negative_agreement"))


def test_an_indeterminate_class_is_a_third_of_its_own() -> None:
    found = table([*made.panel("a", "? ?"), *made.panel("b", "+ ?"), *made.panel("c", "- -")])
    assert row(found, "percent_agreement")["estimate"] == pytest.approx(2 / 3)
    assert row(found, "negative_agreement")["estimate"] == 1
    assert row(found, "positive_agreement")["estimate"] == 0
    assert row(found, "n_indeterminate_reads")["events"] == 3


def test_unanimous_readers_have_no_kappa_but_full_agreement() -> None:
    found = table([*made.panel("a", "- -"), *made.panel("b", "- -")], finding=made.PLAIN)
    assert row(found, "percent_agreement")["estimate"] == 1
    kappa = row(found, "fleiss_kappa")
    assert kappa["status"] == "refused"
    assert kappa["reason"] == "one_category_used"
    assert row(found, "positive_agreement")["status"] == "refused"


def test_patients_not_cases_are_left_out() -> None:
    one = dict.fromkeys(SAID, "p")
    lone = row(table(reads(), patients=one), "percent_agreement")
    assert (lone["lower"], lone["upper"], lone["notes"]) == (None, None, "one_patient")
    each = row(table(reads()), "percent_agreement")
    assert each["lower"] < each["estimate"] < each["upper"]
    cases = sorted({r["case_id"] for r in many()})
    # The ten repeats of a case belong to one patient, then to ten.
    of_case = {case: case.split("-")[0] for case in [*cases, "c0"]}
    wide = row(table(many(), patients=of_case), "percent_agreement")
    narrow = row(table(many()), "percent_agreement")
    assert wide["estimate"] == narrow["estimate"]
    assert wide["upper"] - wide["lower"] > 2 * (narrow["upper"] - narrow["lower"])


def test_a_coefficient_of_few_cases_has_no_interval_and_says_so() -> None:
    figure = row(table(reads()), "fleiss_kappa")
    assert (figure["lower"], figure["upper"], figure["notes"]) == (
        None,
        None,
        "few_units_for_interval",
    )
    assert json.loads(figure["detail"])["few_units_for_interval.fewest"] == 60
    two = [*made.panel("a", "+ +"), *made.panel("b", "- -")]
    agreed = row(table(two, finding=made.PLAIN), "percent_agreement")
    assert (agreed["estimate"], agreed["lower"], agreed["notes"]) == (1, None, "figure_at_edge")


@pytest.mark.parametrize(("marks", "never"), [(["++"] * 6 + ["--"] * 9 + ["+-"], 1), (["--"], 2)])
def test_a_declared_class_that_was_never_used_is_named_and_left_out_beside(
    marks: list[str], never: int
) -> None:
    """Ratings 1 to 5, of which 3 is indeterminate; no reader used it."""
    found = table(by_reader(marks))
    ac1 = row(found, "gwet_ac1")
    assert "categories_never_used" in made.said_of(ac1)
    detail = json.loads(ac1["detail"])
    assert detail["categories_never_used.never"] == never
    assert detail["categories_never_used.of"] == 3
    assert "categories_never_used" in made.said_of(row(found, "gwet_ac2_quadratic"))
    used = row(found, "gwet_ac1_used")
    if never == 2:
        assert (used["status"], used["reason"]) == ("refused", "one_category_declared")
        return
    cut = np.array([[float(m == "+") for m in mark] for mark in marks])
    assert used["estimate"] == pytest.approx(coefficients.gwet_ac(cut, [0, 1]).value)
    assert used["estimate"] < ac1["estimate"]
    ac2 = row(found, "gwet_ac2_quadratic_used")
    # Two values used: their distance is the only one, so that AC2 is AC1.
    assert ac2["estimate"] == pytest.approx(used["estimate"])
    both = table(by_reader(marks), finding=made.PLAIN)
    assert row(both, "gwet_ac1_used")["reason"] == "all_categories_used"
    assert row(both, "gwet_ac2_quadratic_used")["reason"] == "two_categories"
    assert "categories_never_used" not in made.said_of(row(both, "gwet_ac1"))


def test_a_class_that_is_never_used_at_a_cut_or_without_a_reader_is_named() -> None:
    found = table(by_reader(["112", "111", "122", "212"], "abc"))
    at = {v: made.said_of(row(found, "gwet_ac1", ("cut", v))) for v in "25"}
    assert "categories_never_used" in at["5"]
    assert "categories_never_used" not in at["2"]
    without = row(found, "gwet_ac1", ("without_reader", "r-a"))
    assert json.loads(without["detail"])["categories_never_used.never"] == 2


def test_reads_without_sight_of_peers_are_preferred_and_the_others_labelled() -> None:
    seen = reads(saw_peers=True)
    found = table(seen)
    assert "reads_after_sight_of_peers" in made.said_of(row(found, "gwet_ac1"))
    assert row(found, "gwet_ac1")["status"] == "given"
    unknown = table(reads(saw_peers=None))
    assert "sight_of_peers_not_recorded" in made.said_of(row(unknown, "gwet_ac1"))
    mixed = table([*seen, *made.panel("d", "+ -")])
    assert row(mixed, "percent_agreement")["estimate"] == 0
    assert row(mixed, "n_cases")["estimate"] == 1


def test_only_independent_reference_reads_of_included_cases_enter() -> None:
    others = [
        made.read("c0", "t", "+", role="tiebreak"),
        made.read("c0", "q", "+", role="consensus"),
        made.read("c0", "k", "+", purpose="comparator"),
        made.read("c0", "gone", "+", in_force=False),
    ]
    plain, more = table(reads()), table(reads() + others)
    for metric in (*STATISTICS, "n_reads", "n_readers"):
        assert row(plain, metric) == row(more, metric)
    fewer = table(reads(), only={"c0", "c3"})
    assert row(fewer, "percent_agreement")["estimate"] == 1
    assert row(fewer, "path_agreement")["n"] == 2


@pytest.mark.parametrize(
    ("floor", "status", "verdict"),
    [
        (
            Floor(statistic="percent_agreement", value=0.05),
            "given",
            "floor_reached_by_guessing",
        ),
        (
            Floor(statistic="percent_agreement", value=0.6),
            "given",
            "floor_reached_uncertainly",
        ),
        (
            Floor(statistic="percent_agreement", value=0.99),
            "given",
            "floor_not_reached",
        ),
        (Floor(statistic="charm", value=0.5), "refused", "no_such_statistic"),
        (None, "refused", "no_floor"),
    ],
)
def test_floor_is_judged_and_never_hidden(floor: Floor | None, status: str, verdict: str) -> None:
    found = row(table(reads(), protocol=made.adjudication(floor=floor)), "prespecified_floor")
    assert found["status"] == status
    assert found["reason" if status == "refused" else "notes"] == verdict
    if status == "given":
        detail = {"floor_asked.least": floor.value, "floor_asked.statistic": "percent_agreement"}
        assert json.loads(found["detail"]) == detail
        assert found["estimate"] == row(table(reads()), "percent_agreement")["estimate"]


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        # Positive 14 of 50, indeterminate 0, negative 36 of 50, of a scale of three classes.
        ("percent_agreement", 0.28**2 + 0.72**2),
        ("positive_agreement", 0.28),
        ("negative_agreement", 0.72),
        ("gwet_ac1", (0.5968 - 0.2016) / (1 - 0.2016)),
        ("fleiss_kappa", 0.0),
        ("krippendorff_alpha", 0.0),
    ],
)
def test_what_readers_who_guess_would_reach_stands_beside_the_floor(
    statistic: str, value: float
) -> None:
    said = by_reader(["++"] * 6 + ["+-"] * 2 + ["--"] * 17)
    floor = Floor(statistic=statistic, value=0.01)
    found = table(said, protocol=made.adjudication(floor=floor))
    by_chance = row(found, "prespecified_floor_by_chance")
    assert by_chance["estimate"] == pytest.approx(value)
    assert "readers_who_guess" in made.said_of(by_chance)
    assert json.loads(by_chance["detail"]) == {"readers_who_guess.statistic": statistic}
    assert (by_chance["events"], by_chance["n"]) == ((14, 50) if value else (None, None))
    verdict = row(found, "prespecified_floor")["notes"]
    assert verdict == ("floor_reached_by_guessing" if value else "floor_reached_without_interval")


def test_a_floor_that_guessing_would_not_reach_is_just_reached() -> None:
    said = by_reader(["++"] * 19 + ["+-"] * 2 + ["--"] * 29)
    floor = Floor(statistic="positive_agreement", value=0.6)
    found = table(said, protocol=made.adjudication(floor=floor), finding=made.PLAIN)
    assert row(found, "prespecified_floor")["notes"] == "floor_reached"
    assert row(found, "prespecified_floor_by_chance")["estimate"] == pytest.approx(0.4)


def test_a_floor_is_not_shown_to_be_reached_by_a_figure_without_interval() -> None:
    said = by_reader(["++"] * 20 + ["--"] * 30)
    floor = Floor(statistic="positive_agreement", value=0.6)
    found = table(said, protocol=made.adjudication(floor=floor), finding=made.PLAIN)
    agreed = row(found, "positive_agreement")
    assert (agreed["estimate"], agreed["lower"], agreed["upper"]) == (1, None, None)
    assert "figure_at_edge" in made.said_of(agreed)
    assert row(found, "prespecified_floor")["notes"] == "floor_reached_without_interval"


def test_a_floor_is_reached_by_the_lower_bound_alone() -> None:
    said = by_reader(["++"] * 30 + ["+-"] * 6 + ["--"] * 34)
    kappa = row(table(said, finding=made.PLAIN), "fleiss_kappa")
    assert 0.6 < kappa["lower"] < 0.75 < kappa["estimate"]
    for least, verdict in ((0.6, "floor_reached"), (0.75, "floor_reached_uncertainly")):
        floor = Floor(statistic="fleiss_kappa", value=least)
        found = table(said, protocol=made.adjudication(floor=floor), finding=made.PLAIN)
        assert row(found, "prespecified_floor")["notes"] == verdict


def test_where_guessing_is_not_worked_out_that_is_said() -> None:
    floor = Floor(statistic="icc", value=0.99)
    found = table(reads(), protocol=made.adjudication(floor=floor))
    by_chance = row(found, "prespecified_floor_by_chance")
    assert (by_chance["status"], by_chance["reason"]) == ("refused", "guessing_not_worked_out")
    assert row(found, "prespecified_floor")["notes"] == "floor_not_reached"


def test_undefined_statistic_gives_no_verdict() -> None:
    floor = Floor(statistic="fleiss_kappa", value=0.4)
    found = table([], protocol=made.adjudication(floor=floor))
    assert row(found, "prespecified_floor")["status"] == "refused"
    for metric in ("prespecified_floor", "prespecified_floor_by_chance"):
        assert row(found, metric)["reason"] == row(found, "fleiss_kappa")["reason"]


def test_every_case_has_one_path_and_unused_tiebreaks_are_counted() -> None:
    said = [
        *made.panel("a", "+ +", "-"),
        *made.panel("b", "+ -", "-"),
        *made.panel("c", "+ -"),
        *made.panel("d", "+"),
    ]
    found = table(said)
    shares = {m: row(found, f"path_{m}")["events"] for m in METHODS}
    expected = {"agreement": 1, "third_reader": 1, "unresolved": 1, "single_reader": 1}
    assert shares == dict.fromkeys(METHODS, 0) | expected | {"no_reads": 1}
    assert row(found, "n_unused_tiebreak_reads")["estimate"] == 1
    assert row(found, "days_to_reference_median")["estimate"] == 1
    assert row(found, "days_to_reference_p90")["estimate"] == 1


def test_labels_are_counted_and_those_of_use_together() -> None:
    said = [
        *made.panel("a", "+ +"),
        *made.panel("b", "- -"),
        *made.panel("c", "- -"),
        *made.panel("d", "? ?"),
        *made.panel("e", "+ -"),
    ]
    found = table(said, protocol=made.adjudication(indeterminate_policy="indeterminate"))
    labels = {m: row(found, f"label_{m}") for m in ("positive", "negative", "indeterminate")}
    assert {m: r["events"] for m, r in labels.items()} == {
        "positive": 1,
        "negative": 2,
        "indeterminate": 1,
    }
    # Case c0 was never read.
    assert row(found, "label_none")["events"] == 2
    usable = row(found, "label_usable")
    assert (usable["events"], usable["n"], usable["estimate"]) == (3, 6, 0.5)
    nobody = table(said, only=set())
    assert row(nobody, "label_usable")["reason"] == "no_case_included"


@pytest.mark.parametrize(
    ("saw", "said"),
    [
        ((True, True), "all"),
        ((False, False), "none"),
        ((None, None), "not_recorded"),
        ((True, None), "some"),
    ],
)
def test_who_adjudicates_is_counted_with_what_they_had_seen(saw: Any, said: str) -> None:
    deciding = [
        made.read("c2", "t", "+", role="tiebreak", saw_peers=saw[0]),
        made.read("c4", "t", "+", role="tiebreak", saw_peers=saw[1]),
        made.read("c5", "r0", "+", role="consensus", saw_peers=saw[0]),
    ]
    found = table(reads() + deciding)
    assert row(found, "n_adjudicators")["estimate"] == 2
    assert row(found, "n_further_readers")["estimate"] == 1
    assert row(found, "n_adjudicators")["method"] == f"count;saw_peers_{said}"
    assert row(found, "n_readers")["estimate"] == 3
    alone = row(table(reads()), "n_adjudicators")
    assert (alone["estimate"], alone["method"]) == (0, "count")


def test_a_readers_repeats_are_held_against_themselves() -> None:
    again = [
        made.read("c0", "r0", "-", session=2),
        made.read("c3", "r1", "-", session=2),
        made.read("c4", "r1", "-", session=2, arm="abbreviated"),
    ]
    found = table(reads() + again)
    assert row(found, "repeat_agreement")["estimate"] == 0.5
    assert row(found, "repeat_agreement")["n"] == 2
    assert row(found, "share_read_again")["events"] == 2
    assert row(found, "share_read_again")["notes"] is None
    rare = row(table(reads() + again[:1]), "share_read_again")
    assert rare["notes"] == "few_repeats"
    assert row(found, "gwet_ac1") == row(table(reads()), "gwet_ac1")
    blind = [made.read("a", "r0", "x"), made.read("a", "r0", "-", session=2)]
    assert row(table(blind), "repeat_agreement")["status"] == "refused"


def test_discussion_is_counted_among_consensus_reads() -> None:
    said = made.panel("a", "+ -", "", "+ +")
    said[2]["discussion"] = True
    found = row(table(said), "share_consensus_discussed")
    assert (found["estimate"], found["n"]) == (0.5, 2)


def test_rows_are_fixed_by_the_protocol() -> None:
    # But for pairs of readers, and the panel without each: those are the site's own.
    own = pl.col("stratum_kind").is_in(["reader_pair", "without_reader"])
    empty, full = table([]), table(reads()).filter(~own)
    keys = ["finding", "stratum_kind", "stratum", "metric"]
    assert empty.select(keys).equals(full.select(keys))
    assert set(empty.filter(pl.col("metric").is_in(STATISTICS))["status"]) == {"refused"}
    none = table(reads(), only=set())
    assert none.select(keys).equals(full.select(keys))
    assert row(none, "path_agreement")["reason"] == "no_case_included"


def test_same_inputs_give_the_same_figures_whatever_the_row_order() -> None:
    assert table(reads()).equals(table(reads()[::-1]))


def by_reader(marks: list[str], readers: str = "ab") -> list[dict[str, Any]]:
    """A case for each mark: what each reader said of it, ``.`` = nothing."""
    return [
        made.read(f"c{i:04}", f"r-{reader}", said)
        for i, mark in enumerate(marks)
        for reader, said in zip(readers, mark, strict=True)
        if said != "."
    ]


def test_where_a_rare_finding_parts_kappa_from_ac1_a_note_says_so() -> None:
    """The expected table of two independent readers of sensitivity .85 and specificity .97 at a
    prevalence of .05: both positive .03698, one only .03402 each way, of 50,000 cases.
    """
    rare = by_reader(["++"] * 1849 + ["+-"] * 1701 + ["-+"] * 1701 + ["--"] * 44749)
    found = table(rare, finding=made.PLAIN, evaluation=made.evaluation(replicates=200))
    expected = {
        "percent_agreement": 0.932,
        "fleiss_kappa": 0.484,
        "gwet_ac1": 0.922,
        "positive_agreement": 0.521,
    }
    for metric, value in expected.items():
        assert row(found, metric)["estimate"] == pytest.approx(value, abs=5e-4)
    kappa = row(found, "fleiss_kappa")
    assert kappa["notes"] == "kappa_below_ac1"
    told = {"kappa_below_ac1.by": 0.2, "kappa_below_ac1.often": "rare"}
    assert json.loads(kappa["detail"]) == told
    assert row(found, "gwet_ac1")["notes"] is None
    share = row(found, "positive_read_share")
    assert (share["events"], share["n"]) == (2 * 1849 + 2 * 1701, 100_000)


def test_where_a_finding_is_common_the_note_says_that() -> None:
    common = by_reader(["--"] * 9 + ["+-"] * 9 + ["-+"] * 9 + ["++"] * 223)
    kappa = row(table(common, finding=made.PLAIN), "fleiss_kappa")
    assert json.loads(kappa["detail"])["kappa_below_ac1.often"] == "common"
    even = by_reader(["++"] * 45 + ["+-"] * 5 + ["-+"] * 5 + ["--"] * 45)
    assert row(table(even, finding=made.PLAIN), "fleiss_kappa")["notes"] is None


def test_a_missing_interval_keeps_its_note_beside_that_of_the_parting() -> None:
    said = by_reader(["+-"] + ["--"] * 30)
    kappa = row(table(said, finding=made.PLAIN), "fleiss_kappa")
    assert kappa["notes"] == "few_units_for_interval;kappa_below_ac1"


def test_every_cut_of_an_ordered_scale_has_its_coefficients() -> None:
    found = table(many())
    marks = {"-": 1.0, "+": 5.0, "x": np.nan}
    rated = np.array([[marks.get(m) or float(m) for m in said.split()] for said in SAID.values()])
    rated = np.tile(rated, (TIMES, 1))
    for value in (2.0, 3.0, 4.0, 5.0):
        at = np.where(np.isnan(rated), np.nan, rated >= value)
        stratum = ("cut", f"{value:g}")
        positive, negative = coefficients.specific_agreement(at)
        for metric, estimate in {
            "percent_agreement": coefficients.percent_agreement(at, [0, 1]),
            "fleiss_kappa": coefficients.fleiss_kappa(at, [0, 1]),
            "gwet_ac1": coefficients.gwet_ac(at, [0, 1]),
            "positive_agreement": positive,
            "negative_agreement": negative,
        }.items():
            figure = row(found, metric, stratum)
            assert figure["estimate"] == pytest.approx(estimate.value), (metric, value)
            assert figure["lower"] <= figure["estimate"] <= figure["upper"]
        share = row(found, "positive_read_share", stratum)
        assert share["events"] == int(np.nansum(at))
    plain = table(by_reader(["++", "--"]), finding=made.PLAIN)
    assert "cut" not in set(plain["stratum_kind"])


def test_a_scale_of_two_categories_has_no_distances() -> None:
    found = table(by_reader(["++", "--", "+-"]), finding=made.PLAIN)
    for metric in ("gwet_ac2_quadratic", "krippendorff_alpha_interval", "icc"):
        assert row(found, metric)["status"] == "refused"
        assert row(found, metric)["reason"] == "two_categories"
    pair = found.filter(pl.col("stratum_kind") == "reader_pair")["metric"].to_list()
    assert pair == ["cohen_kappa", "n_cases", "percent_agreement"]


def test_ordered_ratings_have_weighted_coefficients() -> None:
    found = table(many())
    rated = np.array(
        [[1, 1, 1], [1, 1, 1], [1, 1, 5], [5, 5, 5], [5, 1, 5], [2, 1, 5], [1, 2, 1.0]]
    )
    scale = [1.0, 2.0, 3.0, 4.0, 5.0]
    rated = np.tile(rated, (TIMES, 1))
    whole = np.vstack([rated, [[4.0, 5.0, np.nan]] * TIMES])
    ac2 = coefficients.gwet_ac(whole, scale, weights="quadratic")
    assert row(found, "gwet_ac2_quadratic")["estimate"] == pytest.approx(ac2.value)
    icc = row(found, "icc")
    assert icc["estimate"] == pytest.approx(coefficients.icc_agreement(rated).value)
    assert icc["n"] == 7 * TIMES
    assert icc["lower"] < icc["estimate"] < icc["upper"]
    lone = row(table(by_reader(["+.", ".-", "+-"])), "icc")
    assert lone["status"] == "refused"
    assert lone["reason"] == "one_unit_rated_by_all"


def test_two_readers_at_a_time_are_compared_on_the_cases_that_both_read() -> None:
    found = table(many())
    pair = ("reader_pair", "r0|r1")
    a, b = np.array([[1, 1], [1, 1], [1, 1], [5, 5], [5, 1], [2, 1], [4, 5], [1, 2.0]] * TIMES).T
    cut = [np.select([x >= 4, x == 3], [2.0, 1.0], 0.0) for x in (a, b)]
    kappa = row(found, "cohen_kappa", pair)
    want = coefficients.cohen_kappa(*cut, [0, 1, 2])
    assert kappa["estimate"] == pytest.approx(want.value)
    left_out = coefficients.pair_jackknife(*cut, [0, 1, 2], np.arange(len(a)))
    want = coefficients.jackknifed(want, left_out)
    assert (kappa["lower"], kappa["upper"]) == pytest.approx((want.lower, want.upper))
    assert "fisher_z_jackknife_by_patient" in made.said_of(kappa)
    for metric, weights in (
        ("cohen_kappa_linear", "linear"),
        ("cohen_kappa_quadratic", "quadratic"),
    ):
        weighted = coefficients.cohen_kappa(a, b, [1, 2, 3, 4, 5], weights)
        assert row(found, metric, pair)["estimate"] == pytest.approx(weighted.value)
    assert row(found, "n_cases", pair)["estimate"] == 8 * TIMES
    assert row(found, "n_cases", ("reader_pair", "r0|r2"))["estimate"] == 7 * TIMES
    alike = row(found, "percent_agreement", pair)
    assert (alike["events"], alike["n"]) == (7 * TIMES, 8 * TIMES)
    # Wilson's interval: one case a patient.
    assert (alike["lower"], alike["upper"]) == pytest.approx((0.785, 0.931), abs=5e-4)
    same = row(found, "identical_reads_share", pair)
    assert (same["events"], same["n"], same["notes"]) == (4 * TIMES, 8 * TIMES, None)


def test_the_range_of_pairs_leaves_out_pairs_of_a_few_cases() -> None:
    said = by_reader(["++.", "--.", "+-.", "-+.", ".++", ".--"] * 3, "abc")
    found = table(said, finding=made.PLAIN)
    assert row(found, "n_reader_pairs")["estimate"] == 3
    assert [row(found, f"pair_kappa_{w}")["estimate"] for w in ("min", "median", "max")] == [
        0,
        0.5,
        1,
    ]
    told = {"given": 2, "pairs": 3, "fewest": 5}
    assert json.loads(row(found, "pair_kappa_min")["detail"]) == {
        f"kappa_of_pairs.{name}": count for name, count in told.items()
    }
    # Readers a and c share no case: they stand there, and say nothing.
    assert row(found, "n_cases", ("reader_pair", "r-a|r-c"))["estimate"] == 0
    assert row(found, "cohen_kappa", ("reader_pair", "r-a|r-c"))["status"] == "refused"
    few = table(by_reader(["++"]), finding=made.PLAIN)
    assert row(few, "pair_kappa_max")["reason"] == "no_pair_with_cases"
    assert row(table([]), "pair_kappa_min")["reason"] == "no_case_of_two_readers"
    apart = table(by_reader(["+.", ".-"]))
    assert row(apart, "identical_reads_share", PAIR)["status"] == "refused"


def test_ratings_that_never_differ_are_flagged() -> None:
    marks = [str(1 + i % 5) * 2 for i in range(50)]
    found = row(table(by_reader(marks)), "identical_reads_share", PAIR)
    assert found["notes"] == "reads_identical"
    fewer = row(table(by_reader(marks[:49])), "identical_reads_share", PAIR)
    assert (fewer["estimate"], fewer["notes"]) == (1, None)


def test_each_reader_is_left_out_in_turn() -> None:
    found = table(many())
    kappa = row(found, "fleiss_kappa", ("without_reader", "r2"))
    a, b = np.array([[1, 1], [1, 1], [1, 1], [5, 5], [5, 1], [2, 1], [4, 5], [1, 2.0]] * TIMES).T
    cut = np.column_stack([np.select([x >= 4, x == 3], [2.0, 1.0], 0.0) for x in (a, b)])
    assert kappa["estimate"] == pytest.approx(coefficients.fleiss_kappa(cut, [0, 1, 2]).value)
    assert kappa["lower"] <= kappa["estimate"] <= kappa["upper"]
    alpha = coefficients.krippendorff_alpha(
        np.column_stack([a, b]), [1, 2, 3, 4, 5], level_of_measurement="ordinal"
    )
    assert row(found, "krippendorff_alpha", ("without_reader", "r2"))["estimate"] == pytest.approx(
        alpha.value
    )
    two = table(by_reader(["++", "--"]))
    alone = row(two, "fleiss_kappa", ("without_reader", "r-a"))
    assert alone["reason"] == "no_pair_of_ratings"


def test_many_readers_are_not_listed_pair_by_pair() -> None:
    readers = "abcdefghijklmnop"
    found = table(by_reader(["+" * 16, "-" * 16, "+-" * 8] * 2, readers), finding=made.PLAIN)
    assert set(found["stratum_kind"]) == {"all"}
    count = row(found, "n_reader_pairs")
    assert count["estimate"] == 120
    told = {"readers": 16, "pairs": 120, "most": 15}
    assert json.loads(count["detail"]) == {f"pairs_not_listed.{k}": v for k, v in told.items()}
    assert row(found, "pair_kappa_max")["estimate"] == 1


def test_reads_after_sight_of_peers_are_labelled_in_every_stratum() -> None:
    found = table(reads(saw_peers=True))
    other = found.filter((pl.col("stratum_kind") != "all") & (pl.col("status") == "given"))
    panel = other.filter(pl.col("metric") != "positive_read_share")
    assert panel["method"].str.contains("reads_after_sight_of_peers").all()
    assert row(found, "pair_kappa_min")["notes"] == "agreement_after_peers"


def test_figures_do_not_depend_on_the_order_of_rows_in_any_stratum() -> None:
    shuffled = list(np.random.default_rng(5).permutation(np.array(reads(), dtype=object)))
    assert table(reads()).equals(table(shuffled))


def test_every_case_is_of_one_kind_and_its_missing_label_is_counted_there() -> None:
    said = {
        "contradicted": "+ - +",
        "unsure": "+ ? +",
        "indeterminate": "? ? x",
        "not_diagnostic": "x x",
        "partly_diagnostic": "+ + x",
        "single": "+",
        "clear": "- -",
    }
    reads = [r for case, marks in said.items() for r in made.panel(case, marks)]
    reads += made.panel("clear2", "+ + +")
    # c0, without any read, is there too.
    found = table(reads, protocol=made.adjudication(minimum_readers=2, quorum=2))
    counts = {k: row(found, f"cases_{k}")["events"] for k in KINDS}
    assert counts == dict.fromkeys(KINDS, 1) | {"clear": 2}
    assert {row(found, f"cases_{k}")["n"] for k in KINDS} == {9}
    without = {k for k in KINDS if row(found, f"undecided_{k}")["events"]}
    assert without == {"indeterminate", "not_diagnostic", "single", "unread"}
    open_paths = ("path_unresolved", "path_no_reads")
    assert sum(row(found, p)["events"] for p in open_paths) == len(without)
    none = table(reads, only=set())
    assert row(none, "cases_clear")["reason"] == "no_case_included"
    assert row(none, "undecided_clear")["reason"] == "no_case_of_kind"
