"""Texts that people type are printed as they are only where the protocol or the site lists them."""

from __future__ import annotations

import hashlib
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline import contracts
from vpack_pipeline.core.drift.signals import values_of
from vpack_pipeline.core.printed_words import (
    ROSTER,
    PrintedText,
    numbered,
    printed_texts,
    words_of_cases,
    words_of_roster,
)
from vpack_pipeline.protocol import Covariate, Disclosure, Representativeness, Variable
from vpack_pipeline.site import InputForm
from vpack_pipeline_tests.core.drift_bench import Site, evaluation, index_test, monitor, plan_of

CODE = Covariate(name="exam_code", title="Code", type="string")
WARD = Covariate(name="ward", title="Ward", type="string")
TESLA = Covariate(name="tesla", title="Field", type="float")
MAKER = Variable(name="manufacturer", title="Maker", kind="categorical", levels=("A", "B"))
PROFILE = Representativeness(
    variables=(
        MAKER,
        Variable(name="ward", title="Ward", kind="categorical", levels=("x",)),
        Variable(name="sex", title="Sex", kind="categorical", levels=("F", "M")),
        Variable(name="tesla", title="Field", kind="numeric", edges=(2.0,)),
    )
)
TECHNICAL = Disclosure(technical=("exam_code", "tesla"))


def texts(covariates: tuple[Covariate, ...] = (CODE, WARD, TESLA)) -> dict[str, PrintedText]:
    return {t.field: t for t in printed_texts(PROFILE, covariates, TECHNICAL)}


def test_texts_are_those_of_the_roster_and_technical_ones_of_a_case() -> None:
    """People are described in levels, and a flag is no text."""
    made = texts()
    view = contracts.eligibility_views()["case"]
    is_text = {name for name, type_ in view.items() if type_ == "string"}
    assert set(made) - set(ROSTER) - {"exam_code"} < is_text
    assert set(ROSTER) | {"manufacturer", "model", "software", "modality", "exam_code"} < set(made)
    no_text = {"sex", "ward", "tesla", "burned_in_annotation", "study_description", "stratum"}
    assert not no_text & set(made)
    assert {made[name].kind for name in ROSTER} == {"readers"}
    assert (made["model"].kind, made["exam_code"].kind) == ("image", "cases")
    assert made["manufacturer"].levels == ("A", "B")
    # A covariate hides a header field of its name, whatever it holds.
    number = Covariate(name="model", title="Model", type="int")
    assert "model" not in texts((CODE, number))


def test_words_are_listed_by_the_protocol_and_by_what_a_site_maps_to() -> None:
    form = InputForm(
        file="x.csv",
        values={"exam_code": {"1": "chest", "2": 2, "3": None}, "training": ["two hours"]},
        constants={"specialty": "thorax", "qualification": 3},
    )
    maps = {"manufacturer": {"A GmbH": "A", "C": "C Medical"}, "model": {"m": "M 1"}}
    made = texts()

    def listed(name: str) -> set[str]:
        return set(made[name].listed({"cases": form, "readers": form}, maps))

    assert listed("manufacturer") == {"A", "B", "C Medical"}
    assert listed("model") == {"M 1"}
    assert listed("exam_code") == {"chest"}
    assert (listed("training"), listed("specialty")) == ({"two hours"}, {"thorax"})
    assert (listed("qualification"), listed("conflicts")) == (set(), set())
    assert made["model"].listed({}, {}) == frozenset()
    assert made["exam_code"].listed({}, {}) == frozenset()


def test_where_a_site_lists_words_is_said() -> None:
    places = {name: text.place for name, text in texts().items()}
    assert places["model"] == "value_maps.model"
    assert places["exam_code"] == "inputs.cases.values.exam_code"
    assert places["training"] == "inputs.readers.values.training"


def keyed(text: str) -> str:
    return hashlib.sha256(f"secret {text}".encode()).hexdigest()


@given(st.lists(st.text(max_size=4)), st.frozensets(st.text(max_size=4)))
def test_what_nobody_lists_is_numbered_in_an_order_that_tells_nothing(
    found: list[str], listed: frozenset[str]
) -> None:
    made = numbered(found, listed, keyed)
    assert made == numbered(reversed(found), listed, keyed)
    assert set(made) == set(found)
    unlisted = sorted(set(found) - listed, key=keyed)
    assert [made[t] for t in unlisted] == [f"unlisted {i + 1}" for i in range(len(unlisted))]
    assert all(made[t] == t for t in set(found) & listed)


def table(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    names = ("kind", "field", "word", "printed_word")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def test_every_column_that_may_be_printed_has_its_words_even_without_any() -> None:
    made = table(
        ("image", "model", "R", "Rover"),
        ("cases", "exam_code", "c", "unlisted 1"),
        ("readers", "training", "t", "unlisted 1"),
    )
    found = words_of_cases(made, PROFILE, (CODE, WARD, TESLA), TECHNICAL)
    assert {name: words for name, words in found.items() if words} == {
        "model": {"R": "Rover"},
        "exam_code": {"c": "unlisted 1"},
    }
    assert set(found) == texts().keys() - set(ROSTER)
    nothing: dict[str, dict[str, str]] = {name: {} for name in ROSTER}
    assert words_of_roster(made) == nothing | {"training": {"t": "unlisted 1"}}


def seen(name: str, words: dict[str, dict[str, str]], *values: str | None) -> list[Any]:
    cases = pl.DataFrame({"case_id": [f"c{i}" for i in range(len(values))], "model": values})
    watched = monitor("watched", "new_category", name)
    none = pl.DataFrame()
    return values_of(watched, cases, none, (), evaluation(), index_test(), words)


def test_a_monitor_sees_printed_words_and_fails_where_a_text_has_none() -> None:
    words = {"model": {"R": "Rover", "x": "unlisted 1"}}
    assert seen("model", words, "x", None, "R") == ["unlisted 1", None, "Rover"]
    with pytest.raises(KeyError):
        seen("model", {"model": {}}, "x")


def test_a_second_make_that_nobody_lists_is_a_new_category_like_any_other() -> None:
    plan = plan_of(monitor("device", "new_category", "model"))
    listed = Site(drift=plan, changes={"model": "C"})
    assert set(listed.status()["signal"]) == {"none"}
    bins = listed.baseline()["bin"].to_list()
    assert bins == ["A", "B", "C", "not seen before", "missing"]
    maker = Variable(name="model", title="Model", kind="categorical", levels=("A",))
    unlisted = Site(drift=plan, changes={"model": "D"}, variables=(maker,))
    assert set(unlisted.status()["signal"]) == {"action"}
    bins = unlisted.baseline()["bin"].to_list()
    assert bins == ["A", "unlisted 1", "unlisted 2", "not seen before", "missing"]
    # The same amounts as where every make is listed.
    assert unlisted.baseline()["amount"].equals(listed.baseline()["amount"])


def test_limits_do_not_depend_on_whether_a_text_is_listed() -> None:
    plan = plan_of(monitor("devices", "jensen_shannon", "model"), replicates=200)
    maker = Variable(name="model", title="Model", kind="categorical", levels=("A",))
    one, other = (Site(drift=plan, variables=(v,)) for v in (maker, Site.variables[0]))
    assert one.limits().equals(other.limits())
