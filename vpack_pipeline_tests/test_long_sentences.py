"""Sentences that the report says in templates have 25 words or fewer; the list finds longer ones."""

from __future__ import annotations

from vpack_pipeline_tests import long_sentences
from vpack_pipeline_tests.long_sentences import MOST_WORDS, of_markdown, of_template, sentences

LONG = " ".join(["word"] * MOST_WORDS)


def test_no_sentence_of_the_report_is_too_long() -> None:
    found = [
        f"{path.name}: {said}"
        for path, _, said in long_sentences.long_sentences()
        if path.suffix == ".j2"
    ]
    assert found == []


def test_a_sentence_of_one_word_more_is_too_long() -> None:
    told = of_template(f"<p>{LONG}.</p><p>One {{{{ more }}}} {LONG}.</p>{{# {LONG} {LONG} #}}")
    assert [long_sentences.words_in(s) for s in sentences(told)] == [MOST_WORDS, MOST_WORDS + 2]


def test_code_tables_and_targets_are_no_words() -> None:
    told = of_markdown(f"See [it](https://example.org).\n\n```\n{LONG}\n```\n\n| {LONG} |\n")
    assert list(sentences(told)) == ["See [it]."]
