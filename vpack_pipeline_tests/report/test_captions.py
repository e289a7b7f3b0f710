"""Tables and figures: numbered in the order of reading, and listed at the end."""

from __future__ import annotations

import re

from report_bench import chapter, words_of

from vpack_pipeline.report.captions import numbered

PAGE = (
    '<figure><figcaption id="flow-caption" class="notes">Who was <b>counted</b>.</figcaption></figure>'
    '<caption id="a-caption">First. More of it.</caption><caption id="b-caption">Second</caption>'
)


def test_tables_and_figures_count_apart() -> None:
    made, found = numbered(PAGE)
    assert [(c.id, c.number, c.title) for c in found] == [
        ("flow", "Figure 1", "Who was counted"),
        ("a", "Table 1", "First"),
        ("b", "Table 2", "Second"),
    ]
    assert words_of(made).startswith("Figure 1. Who was counted .")


def test_a_long_caption_is_listed_by_its_beginning() -> None:
    _, (found,) = numbered(f'<caption id="x-caption">{"word " * 40}</caption>')
    assert found.title.endswith("word …")
    assert len(found.title) < 100


def test_the_report_lists_every_table_and_figure_once_in_order(page) -> None:
    listed = re.findall(
        r'<a href="#([^"]+)-caption">((?:Table|Figure) \d+)</a>', chapter(page, "list")
    )
    numbers = [int(n.split()[1]) for _, n in listed if n.startswith("Table")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 40
    for name, number in listed:
        assert f'id="{name}-caption"' in page
        assert f"<strong>{number}.</strong>" in page
    assert len({name for name, _ in listed}) == len(listed)
