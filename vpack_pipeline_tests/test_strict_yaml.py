"""Documents are read as written: no guessed type, no alias, every problem at once with its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from vpack_pipeline.document import Document, Window
from vpack_pipeline.errors import DocumentError
from vpack_pipeline.strict_yaml import MAX_BYTES, parse, read_model, validate


class Square(Document):
    shape: Literal["square"]
    side: float


class Circle(Document):
    shape: Literal["circle"]
    radius: float


class Drawing(Document):
    title: str
    drawn_on: date
    is_final: bool = False
    shapes: tuple[Square | Circle, ...] = ()
    named: dict[str, Square] = {}
    window: Window | None = None
    depth: int = Field(default=1, ge=1)


GOOD = "title: plan\ndrawn_on: 2026-01-05\n"


def told(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        validate(text, "drawing.yaml", Drawing)
    return [str(p) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-01-05", "2026-01-05"),
        ("0x10", "0x10"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("True", "True"),
        ("NULL", "NULL"),
        (".inf", ".inf"),
        ("1.2.3", "1.2.3"),
        ("-12", -12),
        ("0.5", 0.5),
        ("-.5", -0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("|\n  12\n", "12\n"),
    ],
)
def test_only_plain_numbers_and_lower_case_words_have_a_type(written: str, read: Any) -> None:
    found = parse(f"a: {written}", "d.yaml")[0]["a"]
    assert found == read
    assert type(found) is type(read)


def test_every_key_and_item_knows_its_line() -> None:
    _, lines = parse("a:\n  - b: 1\n  - c:\n      d: 2\n", "d.yaml")
    assert lines[("a",)] == 1
    assert lines[("a", 0, "b")] == 2
    assert lines[("a", 1, "c", "d")] == 4


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: &x 1\nb: *x", 1, "anchors and aliases"),
        ("a: 1\nb: *x", 2, "anchors and aliases"),
        ("a: 1\n b: 2", 2, ""),
        ("a: 1\na: 2\n", 2, "key 'a' stands twice"),
        ("a: 'x\n", 2, ""),
        ("a: 1\n---\nb: 2\n", 2, ""),
    ],
)
def test_what_is_no_plain_document_is_refused_at_its_line(text: str, line: int, what: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text, "d.yaml")
    assert f"d.yaml:{line}:" in str(caught.value)
    assert what in str(caught.value)


def test_an_empty_document_is_refused() -> None:
    with pytest.raises(DocumentError, match="the document is empty"):
        parse("# nothing\n", "d.yaml")


def test_a_document_of_control_characters_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"not YAML text|special characters|control characters"):
        parse("a: \x00", "d.yaml")


def test_a_huge_document_is_refused_before_it_is_read() -> None:
    with pytest.raises(DocumentError, match="larger than 1 MB"):
        parse("a: " + "x" * MAX_BYTES, "d.yaml")


def test_every_repeated_key_is_told() -> None:
    with pytest.raises(DocumentError) as caught:
        parse("a: 1\na: 2\nb: {c: 1, c: 2}\n", "d.yaml")
    assert len(caught.value.problems) == 2


def test_strings_become_dates_in_the_model() -> None:
    made = validate(GOOD, "drawing.yaml", Drawing)
    assert made.drawn_on == date(2026, 1, 5)


def test_every_problem_is_told_at_once_with_its_line() -> None:
    found = told("titel: plan\ndrawn_on: soon\ndepth: 0\n")
    assert len(found) == 4
    assert any("drawing.yaml:1: unknown key 'titel' — did you mean 'title'?" in f for f in found)
    assert any("'title' is missing" in f for f in found)
    assert any(f.startswith("drawing.yaml:2: 'drawn_on'") for f in found)
    assert any(f.startswith("drawing.yaml:3: 'depth'") for f in found)


def test_an_unknown_key_within_lists_and_maps_has_the_nearest_right_one() -> None:
    text = (
        GOOD
        + "named:\n  a: {shape: square, sise: 1}\nwindow: {start: 2026-01-01, ende: 2026-02-01}\n"
    )
    found = told(text)
    assert any("'named.a.sise'" in f and "did you mean 'side'?" in f for f in found)
    assert any("'window.ende'" in f and "did you mean 'end'?" in f for f in found)


def test_an_unknown_key_like_no_other_is_to_be_removed() -> None:
    (found,) = told(GOOD + "zzzzzz: 1\n")
    assert "unknown key 'zzzzzz' — remove it" in found


def test_an_unknown_key_in_a_list_of_alternatives_is_told() -> None:
    found = told(GOOD + "shapes:\n  - shape: square\n    side: 1\n    radus: 2\n")
    assert any("radus" in f and "did you mean 'radius'?" in f for f in found)


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    (found,) = told(GOOD + "window: {start: 2026-02-01, end: 2026-01-01}\n")
    assert "the window ends before it starts" in found


def test_a_document_is_immutable() -> None:
    made = validate(GOOD, "drawing.yaml", Drawing)
    with pytest.raises(ValueError, match="frozen"):
        made.title = "another"  # type: ignore[misc]


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "drawing.yaml"
    path.write_text("\ufeff" + GOOD, encoding="utf-8")
    assert read_model(path, Drawing).title == "plan"


def test_a_file_that_is_absent_or_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "drawing.yaml"
    with pytest.raises(DocumentError, match=r"drawing\.yaml: no such file"):
        read_model(path, Drawing)
    path.write_bytes(b"title: \xff\xfe\n")
    with pytest.raises(DocumentError, match="cannot be read as UTF-8"):
        read_model(path, Drawing)
