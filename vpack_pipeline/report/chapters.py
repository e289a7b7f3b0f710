"""The order of the report: which chapter shows which block of which section's template.

A block is a macro of ``templates/<section>.html.j2`` and, by its name with hyphens, the id of a
place in the HTML. What does not belong here: layout (``templates``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


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
    """A chapter: its id, title, the checklist items it answers, its blocks."""

    id: str
    title: str
    items: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A reviewer's question, the chapter that it leads to, and the macro of
    ``templates/answers.html.j2`` with which that chapter opens."""

    text: str
    chapter: str
    answer: str


def _blocks(*names: str) -> tuple[Block, ...]:
    return tuple(Block(*name.split(".")) for name in names)


CHAPTERS: Final[tuple[Chapter, ...]] = (
    Chapter(
        "study",
        "The study as planned",
        "3 to 7, 9 to 11, 19 to 27, 31",
        _blocks(
            "study.study_design",
            "study.study_endpoints",
            "study.study_model",
            "study.study_data",
        ),
    ),
    Chapter(
        "flow",
        "Participant flow",
        "8, 35",
        _blocks(
            "eligibility.flow_chart",
            "eligibility.flow_table",
            "eligibility.rules",
            "cohort.image_files",
        ),
    ),
    Chapter(
        "profile",
        "Whom the set stands for (table 1)",
        "13, 36",
        _blocks(
            "representativeness.profile_table",
            "representativeness.levels",
            "representativeness.match",
        ),
    ),
    Chapter(
        "exclusions",
        "Exclusions, and what they did to the figures",
        "8, 12, 35",
        _blocks("evaluation.exclusion_audit"),
    ),
    Chapter(
        "adjudication",
        "Who decided what is correct",
        "14 to 18",
        _blocks(
            "adjudication.reference",
            "adjudication.paths",
            "adjudication.readers",
            "adjudication.answers",
            "adjudication.agreement",
            "adjudication.cuts",
            "adjudication.pairs",
            "adjudication.certainty",
            "adjudication.label_noise",
            "adjudication.reader_doubts",
            "evaluation.verification",
        ),
    ),
    Chapter(
        "performance",
        "Performance, before and after the lock",
        "12, 28 to 33, 37 to 39",
        _blocks(
            "evaluation.integrity",
            "evaluation.endpoints",
            "evaluation.ranking",
            "evaluation.operating_points",
            "evaluation.comparison",
            "evaluation.calibration",
            "evaluation.subgroups",
            "evaluation.error_attribution",
            "evaluation.label_sensitivity",
            "evaluation.transport",
            "evaluation.failures",
        ),
    ),
    Chapter(
        "drift",
        "How it will be watched",
        "30, 41",
        _blocks(
            "drift.plan",
            "drift.limits",
            "drift.escalation",
            "drift.status",
            "drift.baseline",
        ),
    ),
    Chapter(
        "limitations",
        "Limitations, and what follows",
        "40, 41",
        _blocks("study.limits_of_evidence", "study.implications"),
    ),
    Chapter("gates", "What was checked", "18, 39", _blocks("pack.gates_table")),
    Chapter(
        "availability",
        "Protocol, data, other evidence",
        "34, 42 to 44",
        _blocks("pack.documents", "pack.companions", "pack.attribution"),
    ),
    Chapter("boundary", "What this pack is not", "", _blocks("pack.boundary_statement")),
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
