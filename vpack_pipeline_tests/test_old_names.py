"""Names that fields no longer have: told with the new one, read from packs, rewritten in place."""

from __future__ import annotations

from typing import ClassVar

import pytest

from vpack_pipeline.document import Document
from vpack_pipeline.errors import DocumentError
from vpack_pipeline.old_names import OldName, rewrite, with_new_names
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import parse, validate

OLD = (
    OldName(("colour",), "color"),
    OldName(("doors", "*", "key"), "lock"),
    OldName(("weight",), None),
)
TEXT = """\
# A house.
colour: red   # as the neighbours wish
weight: 7     # in tonnes
doors:
  - {key: "a", size: 2}
  - size: 3
    'key': b
note: |
  colour: not a key
"""


class Door(Document):
    lock: str
    size: int


class House(Document):
    old_names: ClassVar[tuple[OldName, ...]] = OLD

    color: str
    doors: tuple[Door, ...]
    note: str


def told(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        validate(text, "house.yaml", House)
    return [str(p) for p in caught.value.problems]


def test_a_document_with_old_names_is_refused_with_the_new_ones_and_nothing_else() -> None:
    assert sorted(told(TEXT)) == [
        "house.yaml:2: unknown key 'colour' — it is called 'color' now; `vpack upgrade` does so",
        "house.yaml:3: unknown key 'weight' — nothing reads it: remove it; `vpack upgrade` does so",
        "house.yaml:5: unknown key 'doors.0.key' — it is called 'lock' now; `vpack upgrade` does so",
        "house.yaml:7: unknown key 'doors.1.key' — it is called 'lock' now; `vpack upgrade` does so",
    ]


def test_a_name_is_old_in_its_place_alone() -> None:
    (elsewhere,) = told("color: red\nnote: a\ndoors: [{lock: a, size: 1, colour: red}]\n")
    assert "did you mean" in elsewhere or "remove it" in elsewhere
    assert "vpack upgrade" not in elsewhere


def test_what_is_missing_under_both_names_is_told() -> None:
    assert "'color' is missing" in "".join(told("doors: []\nnote: a\n"))


def test_a_rewritten_document_is_accepted_and_keeps_its_comments_and_order() -> None:
    made = rewrite(TEXT, "house.yaml", OLD)
    assert (
        made
        == """\
# A house.
color: red   # as the neighbours wish
doors:
  - {lock: "a", size: 2}
  - size: 3
    lock: b
note: |
  colour: not a key
"""
    )
    assert validate(made, "house.yaml", House).color == "red"
    assert rewrite(made, "house.yaml", OLD) == made


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_line_ends_and_a_last_line_without_one_are_kept(ending: str) -> None:
    text = ending.join(["a: 1", "colour: é", "weight: 2"])
    assert rewrite(text, "house.yaml", OLD) == f"a: 1{ending}color: é{ending}"


def test_plain_data_says_the_same_as_the_rewritten_text() -> None:
    data, _ = parse(TEXT, "house.yaml")
    rewritten, _ = parse(rewrite(TEXT, "house.yaml", OLD), "house.yaml")
    assert with_new_names(data, OLD) == rewritten


def test_plain_data_keeps_the_new_name_where_both_stand_and_skips_what_is_no_mapping() -> None:
    assert with_new_names({"colour": 1, "color": 2}, OLD) == {"color": 2}
    assert with_new_names({"doors": "none"}, OLD) == {"doors": "none"}
    assert with_new_names({"doors": ["none"]}, OLD) == {"doors": ["none"]}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("colour: a\ncolor: b\n", "house.yaml:1: 'colour' stands beside its new name 'color'"),
        ("{weight: 1, note: a}\n", "house.yaml:1: 'weight' is read by nothing"),
        ("weight:\n  in: tonnes\n", "house.yaml:1: 'weight' is read by nothing"),
        ("weight: >\n  much\n", "house.yaml:1: 'weight' is read by nothing"),
    ],
)
def test_what_cannot_be_rewritten_safely_is_left_to_a_person(text: str, what: str) -> None:
    with pytest.raises(DocumentError) as caught:
        rewrite(text, "house.yaml", OLD)
    (problem,) = caught.value.problems
    assert what in str(problem)
    assert "by hand" in problem.remedy


def test_every_old_name_of_a_site_is_none_of_its_fields() -> None:
    assert [old.path[-1] for old in Site.old_names] == ["reader_names_are_pseudonyms"]
    assert not {old.path[0] for old in Site.old_names} & set(Site.model_fields)
