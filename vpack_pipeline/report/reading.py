"""Words on readers, what they said of cases, and how far they agreed.

What does not belong here: words of other chapters (``words``), what is made of cells
(``adjudicated``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpack_pipeline.contracts import metrics


def _family(name: str) -> dict[str, str]:
    family = metrics.family(name)
    return {one: family.title_of(one) for one in family.names}


PLAIN: Final[Mapping[str, str]] = {m.name: m.plain for m in metrics.load() if m.plain is not None}
"""Metric → what it says, for those who do not work with it."""

AGREED: Final = tuple(m.name for m in metrics.of("adjudication/agreement") if m.parameter is None)
"""Metrics of agreement but for families, in the order of print."""

NOISE: Final = tuple(name for m in metrics.of("adjudication/label_noise") for name in m.names)
"""Metrics of label noise, in the order of print."""

PATHS: Final[Mapping[str, str]] = _family("path_{method}")
"""Path → how a case came to its label, or came to none, in the order of print."""

LABELS: Final[Mapping[str, str]] = _family("label_{label}")
"""Share of cases by their label → what that is, in the order of print; those usable first."""

VOTES: Final[Mapping[str, str]] = _family("share_{state}")
"""State of a panel → what the votes on a case say, in the order of print."""

KINDS: Final[Mapping[str, str]] = metrics.family("cases_{kind}").values
"""Kind of case → what its readers said, the ambiguous first."""

SIGHT: Final[Mapping[str, str]] = {
    "saw_peers_all": ", having seen their reads",
    "saw_peers_none": ", without sight of their reads",
    "saw_peers_some": (
        "; not of each read is it on record that it was made with, or without, sight of theirs"
    ),
    "saw_peers_not_recorded": "; no record says whether with sight of their reads",
}
"""Sight of peers of the reads that adjudicate → what their readers knew of the others."""

BASES: Final[Mapping[str, str]] = {
    "independent_reads": "who read without sight of one another's reads",
    "reads_after_sight_of_peers": (
        "who had seen one another's reads, so that their agreement says less"
    ),
    "sight_of_peers_not_recorded": ("of whom no record says whether they saw one another's reads"),
}
"""Basis of the reads → what readers knew of one another."""
