"""The order of the report: chapters, then appendices, and which block each of them shows.

A block is a macro of ``templates/<section>.html.j2`` that says its chapter, as
``{% macro failures(chapter='performance') %}``, and, by its name with hyphens, the id of a place in
the HTML. Blocks stand in the order of :data:`TEMPLATES`, then of their template. What does not
belong here: layout (``templates``).
"""

from __future__ import annotations

import functools
import itertools
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import jinja2

from vpack_pipeline.errors import ContractError
from vpack_pipeline.report.template_text import Templates

TEMPLATES: Final = (
    "study",
    "eligibility",
    "cohort",
    "representativeness",
    "adjudication",
    "headline",
    "evaluation",
    "drift",
    "pack",
)
"""The templates that hold blocks, in the order in which a chapter shows those of several."""
_BLOCK: Final = re.compile(r"""\{%-? macro (\w+)\(chapter=["']([\w-]+)["']\)""")


@dataclass(frozen=True, slots=True)
class Block:
    """One macro of a template."""

    template: str
    name: str

    @property
    def id(self) -> str:
        """The id of its place in the HTML."""
        return self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter or an appendix: its id, its number or letter, title, checklist items it answers."""

    id: str
    number: str
    title: str
    items: str = ""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What it shows, in the order of print."""
        return _placed()[self.id]


@dataclass(frozen=True, slots=True)
class Question:
    """A reviewer's question, the chapter that it opens, and the macro of
    ``templates/answers.html.j2`` that answers it."""

    text: str
    chapter: str
    answer: str


def _numbered(numbers: Iterable[str], *chapters: tuple[str, ...]) -> tuple[Chapter, ...]:
    return tuple(
        Chapter(name, number, *said)
        for number, (name, *said) in zip(numbers, chapters, strict=False)
    )


CHAPTERS: Final[tuple[Chapter, ...]] = _numbered(
    (str(n) for n in itertools.count(1)),
    ("study", "The study as planned", "3 to 11, 19 to 28, 31"),
    ("adjudication", "Who decided what is correct", "14 to 18"),
    ("flow", "Participant flow", "8, 35"),
    ("exclusions", "What leaving cases out did to the figures", "8, 12"),
    ("profile", "Whom the set stands for", "13, 36"),
    ("performance", "Performance, before and after the lock", "12, 28 to 30, 32, 33, 37 to 39"),
    ("drift", "How it will be watched", "30, 41"),
    ("limitations", "Limitations, and what follows", "40, 41"),
    ("gates", "What was checked", "18, 39"),
    ("availability", "Protocol, data, other evidence", "34, 42 to 44"),
    ("boundary", "What this pack is not"),
)
"""In the order of print, after the first page and the checklist: methods before results."""

APPENDICES: Final[tuple[Chapter, ...]] = _numbered(
    string.ascii_uppercase,
    ("flow-in-full", "Files, rules and times in full"),
    ("reads-in-full", "Readers, reads and labels in full"),
    ("set-in-full", "The set beside the target in full"),
    ("figures-in-full", "Figures at every threshold and beside others"),
    ("errors-in-full", "Errors, failures and doubtful labels, group by group"),
    ("monitors-in-full", "Every monitor and window"),
    ("checks-in-full", "Every table and its gate"),
)
"""What fills pages; it is printed only where a reader has opened it."""

QUESTIONS: Final[tuple[Question, ...]] = (
    Question("What was planned, and when?", "study", "planned"),
    Question("Who decided what is correct?", "adjudication", "decided"),
    Question("How was the set built?", "flow", "built"),
    Question("What did leaving cases out do?", "exclusions", "left_out"),
    Question("Does it stand for my patients?", "profile", "stands"),
    Question("Is this from before or after deployment?", "performance", "deployed"),
    Question("How will it hold?", "drift", "holds"),
    Question("What speaks against relying on it?", "limitations", "limits"),
    Question("Can I read it without you?", "gates", "readable"),
)
"""The question with which a chapter opens."""


def place_of(evidence: str) -> Chapter | None:
    """Find the chapter or appendix that holds a place of the report; None of the first page.

    Raises
    ------
    ContractError
        There is no such place.
    """
    for chapter in (*CHAPTERS, *APPENDICES):
        if evidence == chapter.id or evidence in (b.id for b in chapter.blocks):
            return chapter
    if evidence in {"first", "claim"}:
        return None
    raise ContractError(f"report: there is no place {evidence}")


def blocks() -> Iterator[Block]:
    """Every block, in the order of print."""
    for chapter in (*CHAPTERS, *APPENDICES):
        yield from chapter.blocks


@functools.cache
def _placed() -> Mapping[str, tuple[Block, ...]]:
    environment, load = jinja2.Environment(autoescape=True), Templates().get_source
    sources = {name: load(environment, f"{name}.html.j2")[0] for name in TEMPLATES}
    return placed(sources)


def placed(sources: Mapping[str, str]) -> dict[str, tuple[Block, ...]]:
    """Give the blocks of each chapter, from the text of each template.

    Raises
    ------
    ContractError
        A block says a chapter that there is not.
    """
    found: dict[str, tuple[Block, ...]] = {c.id: () for c in (*CHAPTERS, *APPENDICES)}
    for template, text in sources.items():
        for name, chapter in _BLOCK.findall(text):
            if chapter not in found:
                place = f"report/templates/{template}.html.j2"
                told = f"{name} says the chapter {chapter}; there are {', '.join(found)}"
                raise ContractError(f"{place}: {told}")
            found[chapter] += (Block(template, name),)
    return found
