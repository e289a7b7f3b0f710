"""Words for names: metrics, windows, kinds of evidence, rules. No number stands here.

What does not belong here: layout (``templates``); what a figure means in full (the contract).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

METRICS: Final[Mapping[str, str]] = {
    "ac1": "Gwet's AC1",
    "ac2": "Gwet's AC2",
    "auc": "AUC",
    "auc_best_case": "AUC, best case",
    "auc_completed_only": "AUC, completed inferences only",
    "auc_difference": "AUC, difference",
    "auc_prospective": "AUC, prospective",
    "auc_retrospective": "AUC, retrospective",
    "auc_worst_case": "AUC, worst case",
    "brier": "Brier score",
    "citl": "Calibration in the large",
    "expected_calibration_error": "Expected calibration error",
    "expected_calibration_error_null95": "the same under perfect calibration, 95th percentile",
    "false_alarms_per_1000": "False alarms per 1,000",
    "flagged_per_1000": "Flagged per 1,000",
    "fleiss_kappa": "Fleiss' kappa",
    "fn": "Missed (false negative)",
    "fp": "False alarm (false positive)",
    "jensen_shannon": "Jensen–Shannon divergence, bits",
    "jensen_shannon_null95": "the same without any difference, 95th percentile",
    "kolmogorov_smirnov": "Kolmogorov–Smirnov distance",
    "krippendorff_alpha": "Krippendorff's alpha",
    "missed_per_1000": "Missed per 1,000",
    "n_cases": "Cases",
    "n_clipped": "Probabilities of exactly 0 or 1",
    "n_failed": "Without a usable inference",
    "n_immature": "Not yet mature",
    "n_indeterminate": "Indeterminate",
    "n_negative": "Negative",
    "n_patients": "Patients",
    "n_positive": "Positive",
    "n_reads": "Reads",
    "n_undecided": "Without a label",
    "npv": "NPV",
    "observed_expected": "Observed over expected positives",
    "ppv": "PPV",
    "smd": "Standardised mean difference",
    "spiegelhalter_p": "Spiegelhalter's test, p",
    "spiegelhalter_z": "Spiegelhalter's test, z",
    "tn": "Rightly not flagged (true negative)",
    "tp": "Rightly flagged (true positive)",
}
"""Metric → its name in print; a name that is not here is printed without its underscores."""

WINDOWS: Final[Mapping[str, str]] = {
    "retrospective": "Retrospective",
    "prospective": "Prospective",
    "prospective_minus_retrospective": "Prospective minus retrospective",
    "all": "Both windows",
}
ANALYSES: Final[Mapping[str, str]] = {
    "intention_to_diagnose": "Intention to diagnose (primary)",
    "completed_only": "Completed inferences only",
    "worst_case": "Worst case for missing labels",
    "best_case": "Best case for missing labels",
}
EVIDENCE: Final[Mapping[str, str]] = {
    "retrospective": "Retrospective: cases and labels existed before the model was run on them.",
    "temporal": "Temporal: cases of a later period than those the model was made from.",
    "silent_prospective": (
        "Silent prospective: the model ran on cases as they came, and its output reached nobody."
    ),
    "live_observational": (
        "Live observational: the output was in use. Labels may be influenced by the model."
    ),
    "comparative": "Comparative: reading with the model beside reading without it.",
}
FAILED: Final[Mapping[str, str]] = {
    "negative": "counts as not flagged",
    "positive": "counts as flagged",
    "incorrect": "counts as an error",
}
SETS: Final[Mapping[str, str]] = {
    "cohort": "Delivered",
    "included": "Included",
    "excluded": "Excluded",
    "target": "Target population",
}
COMPARISONS: Final[Mapping[str, str]] = {
    "included_target": "Included against target",
    "included_excluded": "Included against excluded",
}
SOURCES: Final[Mapping[str, str]] = {
    "pathology": "pathology",
    "follow_up": "follow-up",
    "registry": "a registry",
    "panel": "a panel of readers",
}
STATUSES: Final[Mapping[str, str]] = {
    "met": "met",
    "partial": "partly met",
    "not_met": "not met",
    "not_applicable": "not applicable",
    "inconclusive": "inconclusive",
}


def title(words: Mapping[str, str], name: str) -> str:
    """Find the words for a name; one that is unknown loses its underscores.

    >>> title(METRICS, "auc"), title(METRICS, "n_of_something")
    ('AUC', 'N of something')
    """
    return words.get(name, name.replace("_", " ").capitalize())


def stratum(name: str, titles: Mapping[str, str]) -> str:
    """Write a stratum with the title of its variable.

    >>> stratum("sex=F", {"sex": "Sex"}), stratum("all", {})
    ('Sex: F', 'All')
    """
    variable, has_level, level = name.partition("=")
    if not has_level:
        return name.capitalize()
    return f"{titles.get(variable, title({}, variable))}: {level}"


def listed(items: list[str]) -> str:
    """Join items as prose.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
