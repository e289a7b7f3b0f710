from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication import agreement, reference_standard
from vpack_pipeline.core.adjudication.agreement import STATISTICS
from vpack_pipeline.core.adjudication.rules import METHODS
from vpack_pipeline.protocol import Adjudication, Evaluation, Finding, Floor
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


def table(
    reads: list[dict[str, Any]],
    *,
    finding: Finding = made.NODULE,
    protocol: Adjudication | None = None,
    patients: dict[str, str] | None = None,
    only: set[str] | None = None,
    evaluation: Evaluation = made.EVALUATION,
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
        reads=frame,
        included=included,
        reference_standard=standard,
        findings=(finding,),
        adjudication=protocol,
        evaluation=evaluation,
    )
    return contracts.conform(figures, contracts.load()["adjudication/agreement"])


def row(figures: pl.DataFrame, metric: str) -> dict[str, Any]:
    return figures.row(by_predicate=pl.col("metric") == metric, named=True)


def reads(**changes: Any) -> list[dict[str, Any]]:
    return [r | changes for case, said in SAID.items() for r in made.panel(case, said)]


def test_coefficients_are_those_of_the_cut_and_of_the_ratings() -> None:
    found = table(reads(), finding=made.NODULE.model_copy(update={"indeterminate": ()}))
    marks = {"-": 1.0, "+": 5.0, "x": np.nan}
    rated = np.array([[marks.get(m) or float(m) for m in said.split()] for said in SAID.values()])
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
        assert figure["lower"] <= figure["estimate"] <= figure["upper"]
        assert "patient bootstrap" in figure["method"]
        assert figure["method"].endswith("basis=independent")
    assert row(found, "negative_agreement")["method"].startswith("negative agreement")


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
    assert "one category" in kappa["reason"]
    assert row(found, "positive_agreement")["status"] == "refused"


def test_patients_not_cases_are_resampled() -> None:
    one = dict.fromkeys(SAID, "p")
    lone = row(table(reads(), patients=one), "percent_agreement")
    assert lone["lower"] == pytest.approx(lone["estimate"])
    assert lone["upper"] == pytest.approx(lone["estimate"])
    each = row(table(reads()), "percent_agreement")
    assert each["lower"] < each["estimate"] < each["upper"]


def test_mostly_undefined_replicates_leave_no_interval() -> None:
    # Half of all resamples of these two patients hold one category only, and have no kappa.
    two = [*made.panel("a", "+ +"), *made.panel("b", "- -")]
    found = [
        row(table(two, finding=made.PLAIN, evaluation=made.evaluation(seed=seed)), "fleiss_kappa")
        for seed in range(8)
    ]
    assert {figure["estimate"] for figure in found} == {1.0}
    without = [figure for figure in found if figure["lower"] is None]
    assert without
    assert all("replicates are undefined" in figure["reason"] for figure in without)


def test_reads_without_sight_of_peers_are_preferred_and_the_others_labelled() -> None:
    seen = reads(saw_peers=True)
    found = table(seen)
    assert row(found, "gwet_ac1")["method"].endswith("basis=after_sight_of_peers")
    assert row(found, "gwet_ac1")["status"] == "given"
    unknown = table(reads(saw_peers=None))
    assert row(unknown, "gwet_ac1")["method"].endswith("basis=sight_of_peers_not_recorded")
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
        (Floor(statistic="percent_agreement", value=0.05), "given", "reached"),
        (
            Floor(statistic="percent_agreement", value=0.6),
            "given",
            "reached by the estimate, not by its lower bound",
        ),
        (Floor(statistic="percent_agreement", value=0.99), "given", "not reached"),
        (Floor(statistic="charm", value=0.5), "refused", "no statistic 'charm'; there are percent"),
        (None, "refused", "the protocol asks for no floor of agreement"),
    ],
)
def test_floor_is_judged_and_never_hidden(floor: Floor | None, status: str, verdict: str) -> None:
    found = row(table(reads(), protocol=made.adjudication(floor=floor)), "prespecified_floor")
    assert found["status"] == status
    assert found["reason"].startswith(verdict)
    if status == "given":
        assert found["reason"] == verdict
        assert found["method"].startswith(f"percent_agreement of at least {floor.value:g}")
        assert found["estimate"] == row(table(reads()), "percent_agreement")["estimate"]


def test_undefined_statistic_gives_no_verdict() -> None:
    floor = Floor(statistic="fleiss_kappa", value=0.4)
    found = table([], protocol=made.adjudication(floor=floor))
    assert row(found, "prespecified_floor")["status"] == "refused"
    assert row(found, "prespecified_floor")["reason"] == row(found, "fleiss_kappa")["reason"]


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
    assert row(found, "gwet_ac1") == row(table(reads()), "gwet_ac1")
    blind = [made.read("a", "r0", "x"), made.read("a", "r0", "-", session=2)]
    assert row(table(blind), "repeat_agreement")["status"] == "refused"


def test_discussion_is_counted_among_consensus_reads() -> None:
    said = made.panel("a", "+ -", "", "+ +")
    said[2]["discussion"] = True
    found = row(table(said), "share_consensus_discussed")
    assert (found["estimate"], found["n"]) == (0.5, 2)


def test_rows_are_fixed_by_the_protocol() -> None:
    empty, full = table([]), table(reads())
    keys = ["finding", "stratum", "metric"]
    assert empty.select(keys).equals(full.select(keys))
    assert set(empty.filter(pl.col("metric").is_in(STATISTICS))["status"]) == {"refused"}
    none = table(reads(), only=set())
    assert none.select(keys).equals(full.select(keys))
    assert row(none, "path_agreement")["reason"] == "no case is included"


def test_same_inputs_give_the_same_figures_whatever_the_row_order() -> None:
    assert table(reads()).equals(table(reads()[::-1]))
