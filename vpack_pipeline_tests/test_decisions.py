"""Each decision is taken in one place: whoever else needs it calls that place's function.

A decision is known by what its code must read; a module that reads it too takes it a second time.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import vpack_pipeline
from vpack_pipeline.core.drift import MONITORS
from vpack_pipeline.core.representativeness import DISTANCES

PACKAGE = Path(vpack_pipeline.__file__).parent
JUDGING = ("core", "io", "gate", "assets", "report")


@functools.cache
def parsed() -> dict[str, tuple[ast.AST, ...]]:
    """Every node of every module, by its path."""
    return {
        path.relative_to(PACKAGE).as_posix(): tuple(ast.walk(ast.parse(path.read_text("utf-8"))))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def modules(*layers: str) -> Iterator[tuple[str, tuple[ast.AST, ...]]]:
    for name, nodes in parsed().items():
        if name.partition("/")[0] in layers:
            yield name, nodes


def reading(attribute: str, *layers: str) -> set[str]:
    """The modules that read an attribute of this name."""
    return {
        name
        for name, nodes in modules(*layers)
        if any(isinstance(n, ast.Attribute) and n.attr == attribute for n in nodes)
    }


def naming(texts: set[str], *layers: str) -> set[str]:
    """The modules in which one of the texts stands as it is."""
    return {
        name
        for name, nodes in modules(*layers)
        if any(isinstance(n, ast.Constant) and n.value in texts for n in nodes)
    }


@pytest.mark.parametrize(
    ("attribute", "places"),
    [
        # The report prints what it is, and decides nothing by it; so for failures.
        ("threshold", {"core/calls.py", "report/sheet.py"}),
        ("higher_is", {"core/calls.py"}),
        ("failed_counts_as", {"core/evaluation/analysis.py", "report/sheet.py"}),
        ("maturity", {"core/windows.py"}),
        ("retrospective", {"core/windows.py"}),
        # The report draws a mark at the place where the scale is cut.
        ("positive_from", {"core/adjudication/evidence.py", "report/adjudicated.py"}),
    ],
)
def test_what_a_decision_rests_on_is_read_where_it_is_taken(
    attribute: str, places: set[str]
) -> None:
    assert reading(attribute, *JUDGING) == places


def test_dates_are_compared_with_a_window_in_one_place() -> None:
    assert reading("is_between", "core") == {"core/windows.py"}


def test_maturity_and_inclusion_are_asked_for_in_one_place() -> None:
    columns = naming({"is_included"}, "core")
    assert columns == {"core/evaluation/analysis.py", "core/evaluation/time_split.py"}


def test_every_figure_makes_its_analysis_set_of_the_same_group_of_inputs() -> None:
    made = {
        name: ast.unparse(node)
        for name, nodes in modules("core")
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "AnalysisSet"
    }
    of_study = made.pop("core/evaluation/integrity/study.py")
    assert "self.time_split" in of_study
    assert len(made) == 23
    assert set(made.values()) == {"AnalysisSet(index_test=index_test, **analysed)"}


INTERVALS = {
    "share": {"clopper_pearson", "wilson", "wilson_bounds"},
    "area": {"auc_clustered", "auc_delong", "symmetric"},
    "difference": {"newcombe_difference", "clustered_difference"},
}
"""Functions that would make an interval of a share, an area or a difference a second time."""


@pytest.mark.parametrize("of", INTERVALS)
def test_the_interval_of_a_figure_is_made_in_one_place(of: str) -> None:
    """In ``stats``: clustered_proportion, auc_by_inversion and Area.estimate, difference; of cases
    that carry weights weighted_proportion and weighted_auc."""
    using = {
        name
        for name, nodes in modules("core")
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in INTERVALS[of]
    }
    assert using == set()


DECIDING = {
    "claims_at_look": "core/evaluation/endpoints.py",
    "verdict_of": "core/evaluation/endpoints.py",
    "verdict_of_all": "core/evaluation/overall_verdict.py",
}
"""What decides about endpoints → the one module that asks it."""


@pytest.mark.parametrize("name", DECIDING)
def test_a_verdict_is_decided_in_one_place(name: str) -> None:
    asking = {
        module
        for module, nodes in modules("core")
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name
    }
    assert asking == {DECIDING[name]}


def test_nothing_asks_for_a_monitor_by_its_name() -> None:
    # A distance of the same name is another registry's; so is a layer called rate or volume.
    own = set(MONITORS) - set(DISTANCES)
    assert naming(own, *JUDGING) == {"core/drift/monitors.py"}
    templates = (PACKAGE / "report" / "templates").rglob("*.j2")
    asked = [f"'{name}'" for name in own] + [f'"{name}"' for name in own]
    assert not [t.name for t in templates if any(a in t.read_text("utf-8") for a in asked)]


def test_the_registry_of_monitors_is_read_by_name_in_one_place() -> None:
    looked_up = {
        name
        for name, nodes in modules("core")
        for node in nodes
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "MONITORS"
    }
    assert looked_up == {"core/drift/monitors.py"}
