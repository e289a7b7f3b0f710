"""The order of the report: its chapters, and which block of which template each of them shows.

A block is a macro of ``templates/<section>.html.j2`` that says its chapter, as
``{% macro failures(chapter='performance') %}``, and, by its name with hyphens, the id of a place in
the HTML. Blocks stand in the order of :data:`TEMPLATES`, then of their template. What does not
belong here: layout (``templates``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
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
    "evaluation",
    "drift",
    "pack",
)
"""The templates that hold blocks, in the order in which a chapter shows those of several."""
_BLOCK: Final = re.compile(r"""\{%-? macro (\w+)\(chapter=["'](\w+)["']\)""")


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
    """A chapter: its id, title, the checklist items it answers."""

    id: str
    title: str
    items: str

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What it shows, in the order of print."""
        return _placed()[self.id]


@dataclass(frozen=True, slots=True)
class Question:
    """A reviewer's question, the chapter that it leads to, and the macro of
    ``templates/answers.html.j2`` with which that chapter opens."""

    text: str
    chapter: str
    answer: str


CHAPTERS: Final[tuple[Chapter, ...]] = (
    Chapter("study", "The study as planned", "3 to 7, 9 to 11, 19 to 27, 31"),
    Chapter("flow", "Participant flow", "8, 35"),
    Chapter("profile", "Whom the set stands for (table 1)", "13, 36"),
    Chapter("exclusions", "Exclusions, and what they did to the figures", "8, 12, 35"),
    Chapter("adjudication", "Who decided what is correct", "14 to 18"),
    Chapter("performance", "Performance, before and after the lock", "12, 28 to 33, 37 to 39"),
    Chapter("drift", "How it will be watched", "30, 41"),
    Chapter("limitations", "Limitations, and what follows", "40, 41"),
    Chapter("gates", "What was checked", "18, 39"),
    Chapter("availability", "Protocol, data, other evidence", "34, 42 to 44"),
    Chapter("boundary", "What this pack is not", ""),
)
"""In the order of print, after the first page and the checklist."""

QUESTIONS: Final[tuple[Question, ...]] = (
    Question("How was the set built?", "flow", "built"),
    Question("Who decided what is correct?", "adjudication", "decided"),
    Question("Is this from before or after deployment?", "performance", "deployed"),
    Question("How will it hold?", "drift", "holds"),
    Question("Can I read it without you?", "gates", "readable"),
)
"""The reviewer's five questions."""


def blocks() -> Iterator[Block]:
    """Every block, in the order of print."""
    for chapter in CHAPTERS:
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
    found: dict[str, tuple[Block, ...]] = {chapter.id: () for chapter in CHAPTERS}
    for template, text in sources.items():
        for name, chapter in _BLOCK.findall(text):
            if chapter not in found:
                place = f"report/templates/{template}.html.j2"
                told = f"{name} says the chapter {chapter}; there are {', '.join(found)}"
                raise ContractError(f"{place}: {told}")
            found[chapter] += (Block(template, name),)
    return found
