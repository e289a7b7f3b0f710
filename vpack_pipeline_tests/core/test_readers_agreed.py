"""No reader stands alone unless the site states that the readers agreed; all together are as ever."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from vpack_pipeline.core.evaluation.label_sensitivity import label_sensitivity
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.core.evaluation_world import Case, World, reads
from vpack_pipeline_tests.core.label_worlds import small
from vpack_pipeline_tests.core.test_adjudication_agreement import table as agreement_of
from vpack_pipeline_tests.core.test_adjudication_readers import simulated
from vpack_pipeline_tests.core.test_adjudication_readers import table as readers_of

WHY = "readers_not_agreed"


def marked(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows that say why nobody stands alone."""
    said = pl.concat_str(pl.col("reason", "notes").fill_null(""), separator=";")
    return frame.filter(said.str.split(";").list.contains(WHY))


def panel_of_two_and_an_adjudicator() -> list[dict[str, Any]]:
    said = simulated(60, readers=2)
    return [*said, made.read("c00000", "late", "+", role="tiebreak")]


def test_all_readers_together_have_the_figures_that_they_had() -> None:
    rows = panel_of_two_and_an_adjudicator()
    whole = readers_of("reader_performance", rows)
    together = readers_of("reader_performance", rows, readers_agreed=False)
    assert set(whole["reader_id"]) == {"all", "late", "r0", "r1"}
    assert set(together["reader_id"]) == {"all"}
    same = whole.filter(reader_id="all")
    assert together.drop("notes").equals(same.drop("notes"))
    assert marked(whole).is_empty()
    assert marked(together)["metric"].to_list() == ["n_reads"]
    said = together.select("qualification", "specialty", "training", "conflicts")
    assert said.null_count().row(0) == (together.height,) * 4


@pytest.mark.parametrize("with_adjudicator", [True, False])
def test_one_reader_is_no_panel_and_has_no_figures(with_adjudicator: bool) -> None:
    alone = [r for r in panel_of_two_and_an_adjudicator() if r["reader_id"] != "r1"]
    if not with_adjudicator:
        alone = [r for r in alone if r["role"] == "independent"]
    together = readers_of("reader_performance", alone, readers_agreed=False)
    assert set(together["reader_id"]) == {"all"}
    assert set(together["reason"]) == {WHY}
    assert together.select("estimate", "n", "events").null_count().row(0) == (together.height,) * 3
    agreed = readers_of("reader_performance", alone)
    assert agreed.filter(reader_id="all")["metric"].to_list() == together["metric"].to_list()
    assert agreed.filter(reader_id="r0", status="given").height > 0


def test_without_a_reader_there_is_nobody_to_protect() -> None:
    comparator = [made.read("c0", "r0", "+", purpose="comparator")]
    nobody, agreed = (
        readers_of("reader_performance", comparator, readers_agreed=agreed)
        for agreed in (False, True)
    )
    assert nobody.drop("notes").equals(agreed.drop("notes"))


def test_pairs_of_readers_and_the_panel_without_one_are_left_out() -> None:
    rows = simulated(60)
    whole, together = (agreement_of(rows, readers_agreed=agreed) for agreed in (True, False))
    alone = ("reader_pair", "without_reader")
    assert set(alone) <= set(whole["stratum_kind"])
    kept = whole.filter(~pl.col("stratum_kind").is_in(alone))
    assert together.drop("notes").equals(kept.drop("notes"))
    assert marked(together)["metric"].to_list() == ["n_reader_pairs"]
    assert marked(whole).is_empty()


def test_labels_without_a_reader_are_refused_for_all_of_them() -> None:
    whole, together = (
        small(readers_agreed=agreed).run(label_sensitivity) for agreed in (True, False)
    )
    dropped = together.filter(variation="drop_reader")
    assert set(dropped["level_kind"]) == set(dropped["level"]) == {"all"}
    assert set(dropped.filter(window="retrospective")["reason"]) == {WHY}
    assert dropped["estimate"].null_count() == dropped.height
    others = pl.col("variation") != "drop_reader"
    assert together.filter(others).equals(whole.filter(others))


def comparators(*readers: str) -> pl.DataFrame:
    return reads(
        *(
            {"case_id": "c00000", "rating": 2.0, "reader_id": r, "purpose": "comparator"}
            for r in readers
        ),
        {"case_id": "c00001", "rating": 0.0, "reader_id": "r1", "purpose": "comparator"},
    )


def test_one_unaided_reader_is_not_shown_and_two_are() -> None:
    cases = [Case("positive", 0.9), Case("negative", 0.1)]

    def unaided(*readers: str, agreed: bool) -> pl.DataFrame:
        world = World(cases, given={"reads": comparators(*readers)}, readers_agreed=agreed)
        rows = world.run("performance").filter(model_id="unaided_readers", window="retrospective")
        return rows.filter(pl.col("metric").is_in(["sensitivity", "specificity"]))

    one = unaided("r1", agreed=False)
    assert one.select("status", "reason", "n").rows() == [("refused", WHY, None)] * 2
    assert set(unaided("r1", agreed=True)["status"]) == {"given"}
    two = unaided("r1", "r2", agreed=False)
    assert two.equals(unaided("r1", "r2", agreed=True).filter(stratum="all"))
    assert set(two["status"]) == {"given"}
