"""In which fields two protocols differ, and which of them are words alone."""

from __future__ import annotations

import copy
from fnmatch import fnmatch
from typing import Any

import pytest

from vpack_pipeline.core.diff.protocol_fields import (
    VALUES_OF_ABOUT,
    WORDING,
    changed_fields,
    is_wording,
)
from vpack_pipeline_tests.core import test_verdict_basis
from vpack_pipeline_tests.core.test_verdict_basis import STUDY, leaves

A = STUDY.model_dump(mode="json")


def changes(b: Any, a: Any = A) -> list[tuple[str, Any, Any]]:
    return [(".".join(f.path), f.a, f.b) for f in changed_fields(a, b)]


def altered(path: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(A)
    *steps, last = (int(p) if p.isdigit() else p for p in path.split("."))
    node: Any = made
    for step in steps:
        node = node[step]
    node[last] = value
    return made


def test_equals_and_names_of_versions_do_not_differ() -> None:
    assert changes(copy.deepcopy(A)) == []
    assert changes({**A, "id": "another", "version": "9"}) == []


def test_a_field_is_named_by_what_tells_items_apart() -> None:
    endpoint = A["evaluation"]["endpoints"][0]
    found = changes(altered("evaluation.endpoints.0.goal", 0.5))
    assert found == [(f"evaluation.endpoints.{endpoint['id']}.goal", endpoint["goal"], 0.5)]
    found = changes(altered("evaluation.maturity.panel", 1))
    assert found == [("evaluation.maturity.panel", 30, 1)]
    assert changes(altered("evaluation.looks.0.information", 0.4)) == [
        ("evaluation.looks.2027-03-01.information", 0.5, 0.4)
    ]


def test_an_item_that_one_protocol_lacks_is_one_change() -> None:
    less = altered("evaluation.looks", A["evaluation"]["looks"][:1])
    second = A["evaluation"]["looks"][1]
    assert changes(less) == [("evaluation.looks.2027-06-01", second, None)]
    assert changes(A, less) == [("evaluation.looks.2027-06-01", None, second)]


def test_another_order_is_a_change_of_its_own() -> None:
    turned = altered("evaluation.endpoints", A["evaluation"]["endpoints"][::-1])
    names = [e["id"] for e in A["evaluation"]["endpoints"]]
    assert changes(turned) == [("evaluation.endpoints.order", names, names[::-1])]


@pytest.mark.parametrize(
    ("a", "b", "path"),
    [
        (["x", "y"], ["y"], "list"),
        ("text", ["text"], "list"),
        ([{"name": "x"}, {"name": "x"}], [{"name": "x"}], "list"),
        ([{"what": "x"}], [{"what": "y"}], "list"),
        ([{"name": "x"}], ["x"], "list"),
        ({"x": 1}, 1, "list"),
    ],
)
def test_what_has_no_names_differs_as_a_whole(a: Any, b: Any, path: str) -> None:
    assert changes({"list": b}, {"list": a}) == [(path, a, b)]


def test_a_block_that_one_protocol_lacks_differs() -> None:
    assert changes({}, {"evaluation": 1}) == [("evaluation", 1, None)]


def test_no_field_that_a_verdict_rests_on_is_words() -> None:
    for path, _ in test_verdict_basis.FIELDS:
        rests = next(
            ends for pattern, ends in test_verdict_basis.RESTS_ON if fnmatch(path, pattern)
        )
        assert not (rests and is_wording(path)), path


def test_every_pattern_of_words_is_about_a_field() -> None:
    paths = [path for path, _ in leaves()]
    unused = [p for p in WORDING if not any(fnmatch(path, p) for path in paths)]
    # Written as one draw here, by window elsewhere; no prevalence is stated.
    assert unused == ["sampling.*.note", "evaluation.stated_prevalence.*.source"]
    assert set(VALUES_OF_ABOUT) <= set(paths)


def test_words_and_values_are_told_apart() -> None:
    found = changed_fields(A, altered("about.aims", "Another."))
    assert [(f.block, f.is_wording) for f in found] == [("about", True)]
    found = changed_fields(A, altered("about.registered_at", "2020-01-01T00:00:00Z"))
    assert [(f.block, f.is_wording) for f in found] == [("about", False)]
