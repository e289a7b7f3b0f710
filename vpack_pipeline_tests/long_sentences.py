"""Lists sentences of more than 25 words, for ``make prose``.

Read are the documents, the text of templates, and every sentence of contracts and codes. A list in
a sentence counts, code and what templates fill in do not. It lists and refuses nothing: a sentence
that is longer for a reason may stay.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

MOST_WORDS: Final = 25
ROOT: Final = Path(__file__).parents[1]
_DOCUMENTS: Final = ("README.md", "CONTRIBUTING.md", "GLOSSARY.md", "docs/*.md", "changelog/*.md")
_TEMPLATES: Final = "vpack_pipeline/report/templates/*.html.j2"
_CONTRACTS: Final = "vpack_pipeline/contracts/**/*.yaml"
_SAID: Final = re.compile(
    r"""\b(?:why|description|sentence|text|title|may_be_empty): (?P<quote>["'])(.+?)(?P=quote)""",
    re.DOTALL,
)
_WORD: Final = re.compile(r"[^\W_][\w’'.-]*")
_END: Final = re.compile(r"(?<=[.!?])\s+|(?<=[:;])\s+(?=[A-Z“‘(*`])|\n\s*\n|\n(?=[-|#>])")


def sentences(text: str) -> Iterator[str]:
    """Part a text into sentences; a colon or semicolon before a capital ends one too.

    >>> list(sentences("One is. Two are: they do."))
    ['One is.', 'Two are: they do.']
    """
    for part in _END.split(text):
        if said := " ".join(part.split()):
            yield said


def words_in(sentence: str) -> int:
    """Count the words of a sentence.

    >>> words_in("It's 0.5 of `all`, isn't it?")
    6
    """
    return len(_WORD.findall(sentence))


def of_markdown(text: str) -> str:
    """Give the prose of a document: no code, no table, no target of a link."""
    bare = re.sub(r"```.*?```", "\n\n", text, flags=re.DOTALL)
    bare = re.sub(r"^\|.*$", "", bare, flags=re.MULTILINE)
    bare = re.sub(r"\]\([^)]*\)", "]", bare)
    return re.sub(r"`[^`]*`", "x", bare)


def of_template(text: str) -> str:
    """Give the words of a template; what it fills in counts as one, a block ends a sentence."""
    bare = re.sub(r"\{#.*?#\}|<style>.*?</style>", "", text, flags=re.DOTALL)
    bare = re.sub(r"\{\{.*?\}\}", "x", bare, flags=re.DOTALL)
    bare = re.sub(r"\{%.*?%\}", "\n\n", bare, flags=re.DOTALL)
    bare = re.sub(
        r"</?(?:p|li|td|th|dd|dt|div|h\d|caption|figcaption|summary)\b[^>]*>", "\n\n", bare
    )
    return html.unescape(re.sub(r"<[^>]+>", "", bare))


def long_sentences() -> Iterator[tuple[Path, int, str]]:
    """Find every sentence that is too long: its file, its number of words, and itself."""
    for path, text in _texts():
        for said in sentences(text):
            if (n := words_in(said)) > MOST_WORDS:
                yield path.relative_to(ROOT), n, said


def _texts() -> Iterator[tuple[Path, str]]:
    for pattern in _DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            yield path, of_markdown(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.glob(_TEMPLATES)):
        yield path, of_template(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.glob(_CONTRACTS)):
        for found in _SAID.finditer(path.read_text(encoding="utf-8")):
            yield path, re.sub(r"\{[^}]*\}", "x", found[2])


if __name__ == "__main__":
    for where, number, told in long_sentences():
        click.echo(f"{where}: {number} words: {told}")
