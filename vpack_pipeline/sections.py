"""The one list of sections, their order and what each is for."""

from __future__ import annotations

from typing import Final

SECTIONS: Final[dict[str, str]] = {
    "cohort": "What was delivered: image files, reads, labels and scores, typed and counted.",
    "eligibility": "Which cases belong: ordered rules, who was removed by which, and why.",
    "representativeness": "Whom the set stands for: its profile and its match to the site's own.",
    "adjudication": "What is correct: who read, which rule decided, how well they agreed.",
    "evaluation": "How the index test did, before and after it was locked.",
    "drift": "How it will be watched: monitors, limits, alarms and who answers.",
    "pack": "What the reviewer holds: the report, the CLAIM items, the manifest.",
}

UPSTREAM: Final[dict[str, frozenset[str]]] = {
    "cohort": frozenset(),
    "eligibility": frozenset({"cohort"}),
    "representativeness": frozenset({"cohort", "eligibility"}),
    "adjudication": frozenset({"cohort", "eligibility"}),
    "evaluation": frozenset({"cohort", "eligibility", "representativeness", "adjudication"}),
    "drift": frozenset(
        {"cohort", "eligibility", "representativeness", "adjudication", "evaluation"}
    ),
    "pack": frozenset(
        {"cohort", "eligibility", "representativeness", "adjudication", "evaluation", "drift"}
    ),
}
"""Which sections a section may read, apart from itself: a graph without cycles."""
