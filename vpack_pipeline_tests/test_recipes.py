"""What a change costs: a recipe followed costs the files it says, and each that is forgotten is named.

Three parts: nothing is forgotten of what there is; no name stands in more files than its recipe has;
and each recipe, followed by a newcomer, is complete, and incomplete without any one of its files.
"""

from __future__ import annotations

import functools
import re
import sys
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.contracts import fields, header_fields, metrics
from vpack_pipeline.contracts.shapes import FIGURE
from vpack_pipeline.core.representativeness import DISTANCES
from vpack_pipeline.errors import ContractError
from vpack_pipeline.report import chapters
from vpack_pipeline_tests import recipes
from vpack_pipeline_tests.core import evaluation_world
from vpack_pipeline_tests.newcomer import (
    CASE_MIX,
    HEADER,
    METRIC,
    MONITOR,
    OPERATING,
    PROTOCOL,
    SERIES,
    STUDIES,
    TABLE,
    Edit,
    followed,
)
from vpack_pipeline_tests.recipes import (
    HEADER_FIELDS,
    HEADER_TEST,
    METRICS,
    MONITOR_TEST,
    MONITORS,
    NOT_ASKED_FOR,
    TEMPLATES,
    Tree,
)
from vpack_pipeline_tests.report.pack_sample import sample

FILES = {"metric": 3, "monitor": 3, "header field": 4, "exported table": 4}
"""How many files each takes, a metric's changelog fragment apart."""
Emitted = Mapping[str, Collection[str]]


@pytest.fixture(scope="module")
def tree() -> Tree:
    return recipes.repository()


@pytest.fixture(scope="module")
def computed() -> dict[str, set[str]]:
    """The metrics of each table, by the real functions over a small made-up study."""
    tables = sample(n=400).tables
    figures = [a for a, c in contracts.load().items() if c.shape == FIGURE]
    return {asset: set(tables[asset]["metric"]) for asset in figures}


@pytest.fixture(scope="module")
def emitted(computed: dict[str, set[str]]) -> dict[str, set[str]]:
    made = {asset: set(names) for asset, names in computed.items()}
    for asset, name in NOT_ASKED_FOR:
        made[asset].add(name)
    return made


# --- nothing is forgotten of what there is ------------------------------------------------------


def test_nothing_is_forgotten_of_any_metric(tree: Tree, emitted: Emitted) -> None:
    found = list(recipes.forgotten_of_metrics(tree, emitted))
    assert not found, "\n".join(found)


def test_figures_that_are_not_asked_for_are_not_given(computed: dict[str, set[str]]) -> None:
    assert [(a, n) for a, n in NOT_ASKED_FOR if n in computed[a]] == []


def test_nothing_is_forgotten_of_any_monitor(tree: Tree) -> None:
    found = list(recipes.forgotten_of_monitors(tree))
    assert not found, "\n".join(found)


def test_nothing_is_forgotten_of_any_header_field(tree: Tree) -> None:
    found = list(recipes.forgotten_of_header_fields(tree))
    assert not found, "\n".join(found)


def test_nothing_is_forgotten_of_any_exported_table(tree: Tree) -> None:
    found = list(recipes.forgotten_of_tables(tree))
    assert not found, "\n".join(found)
    assert set(recipes.exported_tables(tree)) == {
        a for a, c in contracts.load().items() if c.export
    }


# --- no name stands in more files than its recipe has -------------------------------------------

CHOOSING = {
    "vpack_pipeline/report/": "a page may choose what it shows first",
    "vpack_pipeline/core/pack/": "the first page and the checklist choose figures",
    "vpack_pipeline/assets/": "what Dagster shows of a table is chosen",
    "vpack_pipeline/protocol/": "what a protocol may ask for by name",
    "vpack_pipeline/cli/compared.py": "a comparison chooses what it says",
    "vpack_pipeline/core/diff/": "the figures that two packs are held against one another by are chosen",
    "vpack_pipeline/cli/templates/": "the protocol of a new site is an example",
    "vpack_pipeline/pack_format/coherence.py": "verification chooses which tables it holds together",
    "vpack_pipeline/pack_format/comparison.py": "the page that compares is made of three tables",
    "vpack_pipeline/pack_format/documents.py": "the plan of monitoring travels as one document too",
    "vpack_pipeline/io/dicom/header.py": "fields are grouped for speed; one in no group is last",
    "vpack_pipeline/stats/": "a statistic has the name of the figure that it gives",
    "vpack_pipeline/contracts/": "an expectation, an input and a code are recipes of their own",
}
"""Where a name may stand beside: whoever adds one need not come here."""
SEVERAL = {
    "auc": "differences, endpoints and subgroups are made of it",
    "sensitivity": "differences, endpoints and subgroups are made of it",
    "specificity": "differences, endpoints and subgroups are made of it",
    "prevalence": "the latent-class model is a module of its own",
    "percent_agreement": "of all readers, of pairs and of cuts: three modules",
    "reader_sensitivity": "of the fit and of readers against one another: two modules",
    "reader_specificity": "of the fit and of readers against one another: two modules",
    "panel_error": "by the reads and by independent sources: two modules",
    "panel_sensitivity": "by the reads and by independent sources: two modules",
    "panel_specificity": "by the reads and by independent sources: two modules",
    "jensen_shannon": "a distance, a metric and a monitor",
    "rows": "a word of many other things",
    "columns": "a word of many other things",
    "model": "a word of many other things",
    "study_date": "the months of large tables and the order of a patient's studies",
    "modality": "it says which other fields table 1 shows",
    "sex": "a kind of its own, and a column of patients",
    "study_time_s": "the list of development data states it, to find near-duplicates",
    "kvp": "the list of development data states it, to find near-duplicates",
    "exposure_mas": "the list of development data states it, to find near-duplicates",
    "evaluation/operating_points": "what an acceptance sheet takes from a pack",
}
"""Names in more files, and why."""


@dataclass(frozen=True)
class Counted:
    """A declared name: the files of the product in which its recipe writes it, and how many."""

    name: str
    allowed: int
    beside: tuple[str, ...]
    """Of :data:`CHOOSING`, what counts for this recipe."""


EVERYWHERE = tuple(CHOOSING)
NOT_CONTRACTS = tuple(place for place in CHOOSING if place != "vpack_pipeline/contracts/")


def counted(tree: Tree) -> Iterator[Counted]:
    """Each declared name, with what its recipe allows beside its test."""
    columns = fields.load()
    for metric in metrics.load():
        # A module for each table that holds it; its declaration lies among contracts.
        names = (name for name in metric.names if name not in columns)
        yield from (Counted(name, len(metric.tables), EVERYWHERE) for name in names)
    for name in recipes.monitor_names(tree):
        if name not in DISTANCES:
            yield Counted(name, FILES["monitor"] - 2, EVERYWHERE)
    for field in header_fields.load():
        yield Counted(field.name, FILES["header field"] - 1, NOT_CONTRACTS)
    for asset in recipes.exported_tables(tree):
        yield Counted(asset, 0, (*EVERYWHERE, str(recipes.place_of(tree, asset))))


def beyond(tree: Tree, beside: Callable[[Counted], tuple[str, ...]]) -> dict[str, list[str]]:
    """Names that stand in more files than their recipe has, with these files."""
    found = {}
    for one in counted(tree):
        files = [f for f in recipes.files_naming(tree, one.name) if not f.startswith(beside(one))]
        if len(files) > one.allowed:
            found[one.name] = sorted(files)
    return found


def test_no_name_stands_in_more_files_than_its_recipe_has(tree: Tree) -> None:
    found = beyond(tree, lambda one: one.beside)
    more = {name: files for name, files in found.items() if name not in SEVERAL}
    assert not more, "\n".join(f"{name} stands in {files}" for name, files in more.items())


def test_every_exception_of_the_count_is_needed(tree: Tree) -> None:
    assert set(SEVERAL) <= set(beyond(tree, lambda one: one.beside))
    for place in CHOOSING:
        others = functools.partial(_apart_from, place)
        assert set(beyond(tree, others)) - set(SEVERAL), f"{place} need not be excepted"


def _apart_from(place: str, one: Counted) -> tuple[str, ...]:
    return tuple(other for other in one.beside if other != place)


# --- each recipe, followed by a newcomer --------------------------------------------------------


@pytest.fixture
def declaring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Tree], None]]:
    """Take the metrics that a tree declares for those of the package."""
    derived = (metrics.of, metrics._by_name)

    def forget() -> None:
        for cached in derived:
            cached.cache_clear()

    def declare(tree: Tree) -> None:
        declared = recipes.declared_metrics(tree)
        monkeypatch.setattr(metrics, "load", lambda: declared)
        forget()

    yield declare
    monkeypatch.undo()
    forget()


def given_by(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Run the tree's own function of a table; give the metrics that it holds."""
    module = types.ModuleType("operating_points_of_a_newcomer")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(tree.texts[OPERATING], OPERATING, "exec"), module.__dict__)
    function: Any = module.__dict__["operating_points"]
    monkeypatch.setattr(evaluation_world, "function_of", lambda _: function)
    cases = [evaluation_world.Case(label, 0.5) for label in ("positive", "negative")]
    return set(evaluation_world.World(cases).run("operating_points")["metric"])


NEVER_GIVEN = f"{METRICS} declares wrong_calls for evaluation/operating_points, and {OPERATING}"
WITHOUT_METRIC = {
    METRICS: r"wrong_calls is no metric of this table; declare it in contracts/metrics\.yaml",
    OPERATING: rf"^{NEVER_GIVEN} never gives it$",
    "vpack_pipeline_tests/core/test_evaluation_performance.py": (
        rf"^{METRICS} declares wrong_calls: no vpack_pipeline_tests/\*\*/\*\.py names it$"
    ),
    "changelog/wrong-calls.md": (
        r"^wrong_calls is new in evaluation/operating_points: no changelog/\*\.md names `wrong_calls`$"
    ),
}


@pytest.mark.parametrize("without", [None, *METRIC])
def test_a_metric_costs_three_files_and_a_fragment(
    without: str | None,
    tree: Tree,
    emitted: Emitted,
    declaring: Callable[[Tree], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(METRIC) == FILES["metric"] + 1
    changed = followed(tree, METRIC, without)
    declaring(changed)
    if without == METRICS:
        with pytest.raises(ContractError, match=WITHOUT_METRIC[without]):
            given_by(changed, monkeypatch)
        return
    given = {**emitted, "evaluation/operating_points": given_by(changed, monkeypatch)}
    found = list(recipes.forgotten_of_metrics(changed, given))
    assert len(found) == (without is not None), found
    if without is not None:
        assert re.search(WITHOUT_METRIC[without], found[0]), found


Forgotten = Callable[[Tree], Iterator[str]]
RECIPES: dict[str, tuple[Mapping[str, Edit], Forgotten]] = {
    "monitor": (MONITOR, recipes.forgotten_of_monitors),
    "header field": (HEADER, recipes.forgotten_of_header_fields),
    "exported table": (TABLE, recipes.forgotten_of_tables),
}
TOLD: dict[str, str | list[str]] = {
    MONITORS: f"{PROTOCOL}: busy watches with busy_days, of which {MONITORS} has no entry",
    MONITOR_TEST: f"{MONITORS} has busy_days: {MONITOR_TEST} does not name it",
    PROTOCOL: f"{MONITORS} has busy_days: no data/protocols/*.yaml watches with it",
    HEADER_FIELDS: [
        f"{path} carries focal_spot_mm, which {HEADER_FIELDS} does not declare"
        for path in (SERIES, STUDIES)
    ],
    SERIES: f"{HEADER_FIELDS} says focal_spot_mm of a series: {SERIES} does not carry it",
    STUDIES: f"{HEADER_FIELDS} says focal_spot_mm of a study: {STUDIES} does not carry it",
    HEADER_TEST: f"{HEADER_FIELDS} declares focal_spot_mm: {HEADER_TEST} does not name it",
    CASE_MIX: f"{TEMPLATES}evaluation.html.j2 asks for evaluation/case_mix: there is no {CASE_MIX}",
    "vpack_pipeline/core/evaluation/case_mix.py": (
        f"{CASE_MIX}: neither vpack_pipeline/core/evaluation/case_mix.py nor"
        " dbt_like_sql/evaluation/case_mix.sql computes it"
    ),
    "vpack_pipeline_tests/core/test_case_mix.py": (
        f"{CASE_MIX}: no vpack_pipeline_tests/**/*.py names case_mix"
    ),
    f"{TEMPLATES}evaluation.html.j2": (
        f"{CASE_MIX}: no block of {TEMPLATES}evaluation.html.j2 shows it in a chapter"
    ),
}
"""Forgotten file → what is said."""


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_costs_as_many_files_as_it_says_and_is_then_complete(
    name: str, tree: Tree
) -> None:
    recipe, forgotten = RECIPES[name]
    assert len(recipe) == FILES[name]
    assert list(forgotten(followed(tree, recipe))) == []


@pytest.mark.parametrize(
    ("name", "without"), [(name, path) for name, (recipe, _) in RECIPES.items() for path in recipe]
)
def test_what_is_forgotten_of_a_recipe_is_named(name: str, without: str, tree: Tree) -> None:
    recipe, forgotten = RECIPES[name]
    told = TOLD[without]
    expected = [told] if isinstance(told, str) else told
    assert list(forgotten(followed(tree, recipe, without))) == expected


@pytest.mark.parametrize("name", FILES)
def test_contributing_lists_the_files_of_each_recipe(name: str) -> None:
    text = (recipes.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    article = "An" if name[0] in "aeiou" else "A"
    told = text.partition(f"**{article} {name}.** ")[2].partition("\n\n")[0]
    assert told.startswith(f"{FILES[name]} files")
    listed = re.findall(r"^\d\. (.*)$", told, re.MULTILINE)
    written = METRIC if name == "metric" else RECIPES[name][0]
    assert len(listed) == len(written)
    # A place may stand as its folder, or with a name that is to be put in.
    for path in written:
        folder = path.rpartition("/")[0]
        general = re.sub(r"(evaluation)\b", "<section>", path)
        assert any(p in told for p in (path, folder, general.rpartition("/")[0])), path


def test_a_block_that_says_no_chapter_shows_nothing(tree: Tree) -> None:
    path = f"{TEMPLATES}evaluation.html.j2"
    unplaced = TABLE[path][1].replace("chapter='performance'", "")
    changed = followed(tree, {**TABLE, path: ("", unplaced)})
    assert list(recipes.forgotten_of_tables(changed)) == [TOLD[path]]


def test_what_a_newcomer_writes_is_read_by_the_package() -> None:
    made = contracts._load_one("evaluation", "case_mix.yaml", TABLE[CASE_MIX][1])
    assert made.export
    block = TABLE[f"{TEMPLATES}evaluation.html.j2"][1]
    placed = chapters.placed({"evaluation": block})["performance"]
    assert placed == (chapters.Block("evaluation", "case_mix"),)
    with pytest.raises(ContractError, match=r"evaluation\.html\.j2: case_mix says the chapter odd"):
        chapters.placed({"evaluation": block.replace("performance", "odd")})
