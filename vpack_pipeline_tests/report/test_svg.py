"""Texts within drawings keep to their room."""

from __future__ import annotations

import pytest

from vpack_pipeline.report import svg


@pytest.mark.parametrize("words", ["A" * 200, "肺结节" * 40, "a short name", "one " * 50])
def test_lines_keep_to_their_room_and_lose_nothing(words):
    lines = svg.wrapped(words, 120)
    assert all(svg.text_width(line) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")


def test_nothing_is_no_line():
    assert svg.wrapped("  ", 100) == []


def test_lines_of_a_paragraph_stand_below_one_another():
    made = svg.paragraph(3, 20, ["one", "<two>"], "quiet")
    assert 'y="20.0"' in made
    assert f'y="{20 + svg.LINE:.1f}"' in made
    assert "&lt;two&gt;" in made
