"""Words on readers, what they said of cases, and how far they agreed.

What does not belong here: words of other chapters (``words``), what is made of cells
(``adjudicated``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpack_pipeline.contracts import metrics

PLAIN: Final[Mapping[str, str]] = {
    m.name: m.plain for m in metrics.of("adjudication/agreement") if m.plain is not None
}
"""Metric of agreement → what it says, for those who do not work with it."""

AGREED: Final = (
    *PLAIN,
    "n_readers",
    "n_adjudicators",
    "n_further_readers",
    "n_reader_pairs",
    "n_cases",
    "n_reads",
    "n_indeterminate_reads",
    "n_non_diagnostic_reads",
    "share_consensus_discussed",
    "days_to_reference_median",
    "days_to_reference_p90",
)
"""Metrics of agreement in the order of print."""

_PATHS: Final = metrics.family("path_{method}")
PATHS: Final[Mapping[str, str]] = {name: _PATHS.title_of(name) for name in _PATHS.names}
"""Path → how a case came to its label, or came to none, in the order of print."""

LABELS: Final[Mapping[str, str]] = {
    "label_positive": "positive",
    "label_negative": "negative",
    "label_indeterminate": "indeterminate",
    "label_none": "without a label",
}
"""Share of cases by their label → what that is, in the order of print."""

VOTES: Final[Mapping[str, str]] = {
    "share_unanimous": "All votes alike (positive, negative or indeterminate)",
    "share_split": "Votes divided",
    "share_single": "A single vote",
    "share_none": "No vote",
}
"""State of a panel → what the votes on a case say, in the order of print."""

_MAJORITY: Final = "Of a majority of so many readers, all like this one and blind to each other."
MODELLED: Final[Mapping[str, str]] = {
    "misfit": "How far what is assumed is from the votes: the smaller the better.",
    "panel_error": _MAJORITY,
    "panel_sensitivity": _MAJORITY,
    "panel_specificity": _MAJORITY,
}
"""Metric of a model of readers → what it speaks of."""

_SEEN: Final = "Among the cases that a source settled, which may be unlike the others."
_STANDING_FOR: Final = "Those cases stand for the others that the panel called alike."
VERIFIED: Final[Mapping[str, str]] = {
    "panel_error": _SEEN,
    "panel_sensitivity": _SEEN,
    "panel_specificity": _SEEN,
    "panel_sensitivity_begg_greenes": _STANDING_FOR,
    "panel_specificity_begg_greenes": _STANDING_FOR,
}
"""Metric of a panel held against independent sources → which cases it speaks of."""

KINDS: Final[Mapping[str, str]] = metrics.family("cases_{kind}").values
"""Kind of case → what its readers said, the ambiguous first."""

SIGHT: Final[Mapping[str, str]] = {
    "all": ", having seen their reads",
    "none": ", without sight of their reads",
    "some": "; not of each read is it on record that it was made with, or without, sight of theirs",
    "not_recorded": "; no record says whether with sight of their reads",
}
"""Sight of peers of the reads that adjudicate → what their readers knew of the others."""

BASES: Final[Mapping[str, str]] = {
    "independent": "who read without sight of one another's reads",
    "after_sight_of_peers": "who had seen one another's reads, so that their agreement says less",
    "sight_of_peers_not_recorded": "of whom no record says whether they saw one another's reads",
}
"""Basis of the reads → what readers knew of one another."""
