"""Words on readers, what they said of cases, and how far they agreed.

What does not belong here: words of other chapters (``words``), what is made of cells
(``adjudicated``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PLAIN: Final[Mapping[str, str]] = {
    "percent_agreement": (
        "How often two readers say the same of a case: positive, negative or indeterminate."
    ),
    "positive_agreement": "Where one reader says positive, how often another does too.",
    "negative_agreement": "Where one reader says negative, how often another does too.",
    "fleiss_kappa": (
        "Agreement beyond chance; zero is chance alone, one is perfect. Chance is reckoned from how"
        " often readers say positive: where a finding is rare, readers who guess agree often too,"
        " and kappa falls."
    ),
    "gwet_ac1": (
        "The same with another reckoning of chance, which falls where a finding is rare, so that"
        " AC1 rises there."
    ),
    "gwet_ac2_quadratic": "AC1 of the ratings as given: neighbouring ones count as nearly alike.",
    "krippendorff_alpha": (
        "Agreement beyond chance on the ratings as given, in their order, whatever the number of"
        " reads per case."
    ),
    "krippendorff_alpha_nominal": "The same on positive, negative and indeterminate alone.",
    "krippendorff_alpha_interval": "The same, with ratings twice as far apart counting more.",
    "icc": "How much of the difference between ratings is between cases and not between readers.",
    "pair_kappa_min": "The two readers who agree least.",
    "pair_kappa_median": "Half the pairs agree more, half less.",
    "pair_kappa_max": "The two readers who agree most.",
    "prespecified_floor": "The figure that the protocol asks for, and whether it was reached.",
    "prespecified_floor_by_chance": (
        "What readers would reach of that figure who answer at random, as often positive, negative"
        " and indeterminate as these. A floor below it asks for nothing."
    ),
    "repeat_agreement": "How often a reader who reads a case again says the same.",
    "positive_read_share": "The rarer a positive read, the lower kappa at the same agreement.",
    "share_read_again": "Of a case and a reader, how often that reader read it a second time.",
    "n_unused_tiebreak_reads": (
        "Further reads of cases on which the readers had agreed, or which another source decided."
    ),
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

PATHS: Final[Mapping[str, str]] = {
    "path_independent_reference": "by an independent source",
    "path_consensus": "by readers in consensus",
    "path_agreement": "by readers who all agreed",
    "path_majority": "by a majority of the readers",
    "path_median": "by the median rating",
    "path_third_reader": "by a further reader",
    "path_single_reader": "by one reader alone",
    "path_unresolved": "left undecided after reading",
    "path_no_reads": "without a read or other source",
}
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

KINDS: Final[Mapping[str, str]] = {
    "contradicted": "Some readers said positive, others negative",
    "unsure": "Some readers could not say, the others were unanimous",
    "indeterminate": "No reader could say",
    "not_diagnostic": "Not diagnostic to any reader",
    "partly_diagnostic": "Not diagnostic to some readers, the others were unanimous",
    "single": "One reader alone, who said positive or negative",
    "clear": "Two or more readers, unanimous",
    "unread": "No read of the panel",
}
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
