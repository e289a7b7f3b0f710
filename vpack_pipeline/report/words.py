"""Words for names: metrics, windows, kinds of evidence, rules. No number stands here.

What does not belong here: layout (``templates``); what a figure means in full (the contract).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpack_pipeline.io.dicom.outcomes import REASONS, SET_ASIDE_KINDS

_AS_LABELLED: Final = (
    "if cases without a label are like the labelled ones of the same call (Begg–Greenes);"
    " completed inferences only"
)
_BOUNDED: Final = "with bounds for unlabelled cases; completed inferences only"
METRICS: Final[Mapping[str, str]] = {
    "agreement_jump_after_index_test": "Agreement with the others, model seen less not seen",
    "agreement_with_others_change": "Agreement with the others, second half less first",
    "agreement_with_others_first_half": "Agreement with the others, first half of the reads",
    "agreement_with_others_second_half": "Agreement with the others, second half of the reads",
    "auc": "AUC",
    "auc_best_case": "AUC, best case",
    "auc_completed_only": "AUC, completed inferences only",
    "auc_difference": "AUC, difference",
    "auc_prospective": "AUC, prospective",
    "auc_retrospective": "AUC, retrospective",
    "auc_worst_case": "AUC, worst case",
    "brier": "Brier score",
    "citl": "Calibration in the large",
    "cohen_kappa": "Cohen's kappa of two readers",
    "cohen_kappa_linear": "Cohen's kappa, weighted by distance",
    "cohen_kappa_quadratic": "Cohen's kappa, weighted by squared distance",
    "days_to_reference_median": "Days from case to label, median",
    "days_to_reference_p90": "Days from case to label, 90th percentile",
    "difference_labelled": "Flagged less unflagged, share labelled",
    "difference_verified": "Flagged less unflagged, share sought",
    "disagreement": "Disagreement of model and label",
    "effective_sample_size": "Effective sample size",
    "expected_calibration_error": "Expected calibration error",
    "expected_calibration_error_null95": "the same under perfect calibration, 95th percentile",
    "failure_share": "Share without a usable inference",
    "false_alarms_per_1000": "False alarms per 1,000",
    "false_negatives": "Misses",
    "false_positives": "False alarms",
    "flagged_per_1000": "Flagged per 1,000",
    "fleiss_kappa": "Fleiss' kappa",
    "fn": "Missed (false negative)",
    "fp": "False alarm (false positive)",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2_quadratic": "Gwet's AC2, weighted by squared distance",
    "icc": "Intraclass correlation of one reader's ratings",
    "identical_reads_share": "Ratings on which two readers are identical",
    "jensen_shannon": "Jensen–Shannon divergence, bits",
    "jensen_shannon_null95": "the same without any difference, 95th percentile",
    "kolmogorov_smirnov": "Kolmogorov–Smirnov distance",
    "krippendorff_alpha": "Krippendorff's alpha, as ordered",
    "krippendorff_alpha_interval": "Krippendorff's alpha, by distance",
    "krippendorff_alpha_nominal": "Krippendorff's alpha, unordered",
    "label_indeterminate": "Labelled indeterminate",
    "label_negative": "Labelled negative",
    "label_none": "Without a label",
    "label_positive": "Labelled positive",
    "label_usable": "Usable: labelled positive or negative",
    "misfit": "Misfit to the votes, deviance",
    "missed_per_1000": "Missed per 1,000",
    "n_adjudicating_reads": "Adjudicating reads",
    "n_adjudicators": "Readers who adjudicated",
    "n_cases": "Cases",
    "n_clipped": "Probabilities of exactly 0 or 1",
    "n_failed": "Without a usable inference",
    "n_further_readers": "Readers who adjudicated only",
    "n_immature": "Not yet mature",
    "n_implausibly_quick": "Reads faster than a look takes",
    "n_indeterminate": "Indeterminate",
    "n_indeterminate_reads": "Indeterminate reads",
    "n_missing": "No answer on record",
    "n_negative": "Negative",
    "n_non_diagnostic_reads": "Non-diagnostic reads",
    "n_not_sent": "Not sent",
    "n_ok": "Answered",
    "n_patients": "Patients",
    "n_positive": "Positive",
    "n_reader_pairs": "Pairs of readers",
    "n_readers": "Readers",
    "n_reads": "Reads",
    "n_refused": "Refused",
    "n_undecided": "Without a label",
    "n_unused_tiebreak_reads": "Adjudications that were not needed",
    "naive_is_headline": "May the figure among labelled cases stand alone?",
    "negative_agreement": "Agreement on negatives",
    "npv": "NPV",
    "observed_expected": "Observed over expected positives",
    "pair_kappa_max": "Kappa of two readers, highest pair",
    "pair_kappa_median": "Kappa of two readers, median pair",
    "pair_kappa_min": "Kappa of two readers, lowest pair",
    "panel_error": "Error of the panel",
    "panel_positive_share": "Labels positive by the panel",
    "panel_sensitivity": "Sensitivity of the panel",
    "panel_sensitivity_begg_greenes": "Sensitivity of the panel, corrected (Begg–Greenes)",
    "panel_size": "Votes in a panel",
    "panel_specificity": "Specificity of the panel",
    "panel_specificity_begg_greenes": "Specificity of the panel, corrected (Begg–Greenes)",
    "percent_agreement": "Agreement of pairs of readers",
    "perfect_model_accuracy": "Apparent accuracy of a perfect model",
    "perfect_model_errors_unanimous": "A perfect model's disagreements with unanimous panels",
    "perfect_model_sensitivity": "Apparent sensitivity of a perfect model",
    "perfect_model_specificity": "Apparent specificity of a perfect model",
    "planned_power": "Planned power",
    "positive_agreement": "Agreement on positives",
    "positive_read_share": "Reads that are positive",
    "ppv": "PPV",
    "prespecified_floor": "The agreement asked for beforehand",
    "prespecified_floor_by_chance": "The same, if readers guessed",
    "reader_sensitivity": "Sensitivity of a reader",
    "reader_specificity": "Specificity of a reader",
    "repeat_agreement": "A reader with themselves, on repeated reads",
    "seconds_per_read": "Seconds a read, median",
    "sensitivity_begg_greenes": f"Sensitivity, {_AS_LABELLED}",
    "sensitivity_bounds": f"Sensitivity, {_BOUNDED}",
    "sensitivity_corrected": "Sensitivity, corrected for label error",
    "sensitivity_dawid_skene": "Sensitivity, if readers err independently",
    "sensitivity_difference": "Sensitivity, difference",
    "sensitivity_independent": "Sensitivity, against independent sources",
    "sensitivity_leave_one_out": "Sensitivity, against the other readers",
    "share_consensus_discussed": "Consensus with a recorded discussion",
    "share_indeterminate": "Indeterminate",
    "share_label_differs": "Labels that the soft label contradicts",
    "share_non_diagnostic": "Non-diagnostic",
    "share_none": "Cases without votes",
    "share_not_separable": "share of disagreements that cannot be told from mistakes of the label",
    "share_of_disagreements": "Share of all disagreements",
    "share_read_again": "Reads that were repeats",
    "share_single": "Cases with one vote",
    "share_split": "Readers divided",
    "share_unanimous": "Readers unanimous",
    "share_uncertain": "Cases whose soft label is uncertain",
    "share_wrong_labels": "Labels of unanimous readers that are wrong",
    "smd": "Standardised mean difference",
    "specificity_begg_greenes": f"Specificity, {_AS_LABELLED}",
    "specificity_bounds": f"Specificity, {_BOUNDED}",
    "specificity_corrected": "Specificity, corrected for label error",
    "specificity_dawid_skene": "Specificity, if readers err independently",
    "specificity_difference": "Specificity, difference",
    "specificity_independent": "Specificity, against independent sources",
    "specificity_leave_one_out": "Specificity, against the other readers",
    "spiegelhalter_p": "Spiegelhalter's test, p",
    "spiegelhalter_z": "Spiegelhalter's test, z",
    "tn": "Rightly not flagged (true negative)",
    "tp": "Rightly flagged (true positive)",
    "true_prevalence": "Prevalence that would explain the labels",
    "unsupported_cells": "Target cells without a case",
    "unsupported_share": "Share of the target in them",
    "years_experience": "Years of experience",
}
"""Metric → its name in print; a name that is not here is printed without its underscores."""

STATUS_WORDS: Final[Mapping[str, str]] = {"refused": "not computed"}
"""Status of a figure → what the page says of it, where that is another word."""
STATUS_METRICS: Final[Mapping[str, str]] = {**METRICS, "n_failed": "Failed"}
"""The same where failures are told apart by status, so that one status is not the total."""

WINDOWS: Final[Mapping[str, str]] = {
    "retrospective": "Retrospective",
    "prospective": "Prospective",
    "prospective_minus_retrospective": "Prospective minus retrospective",
    "all": "Both windows",
    "outside": "Outside both windows",
}
LATER: Final[Mapping[str, str]] = {
    "retrospective": "Before the lock",
    "prospective": "After the lock (later period)",
    "prospective_minus_retrospective": "After the lock minus before it",
}
"""Windows of a study whose cases existed before the model was run on them."""
ANALYSES: Final[Mapping[str, str]] = {
    "intention_to_diagnose": "Intention to diagnose (primary)",
    "completed_only": "Completed inferences only",
    "worst_case": "Worst case for missing labels",
    "best_case": "Best case for missing labels",
}
EVIDENCE: Final[Mapping[str, str]] = {
    "retrospective": (
        "Retrospective, as planned: cases and labels existed before the model was run on them"
    ),
    "temporal": "Temporal, as planned: cases of a later period than those the model was made from",
    "silent_prospective": (
        "Silent prospective, as planned: the model runs on cases as they come, and its output"
        " reaches nobody"
    ),
    "live_observational": (
        "Live observational, as planned: the output is in use, and labels may be influenced by it"
    ),
    "comparative": "Comparative, as planned: reading with the model beside reading without it",
}
BREACHES: Final[Mapping[str, str]] = {
    "consecutive": "without a case",
    "delivered_before_labels": "delivered after evidence for the label",
    "disjoint_patients": "in both windows",
    "every_case_accounted": "not accounted for",
    "every_study_has_case": "of the archive that belong to no case",
    "model_locked": "locked after the window opened",
    "no_development_patient": "used to train or tune",
    "protocol_registered": "fixed after the window opened",
    "readers_blind_to_index_test": "made with sight of the model",
    "readers_blind_to_peers": "made with sight of another",
    "readers_not_in_development": "who took part in development",
    "received_before_scored": "made before the case was received",
    "reference_blind_to_index_test": "given with knowledge of the model",
    "rules_before_window": "set after the window opened",
    "rules_blind": "set with sight of scores or labels",
    "scored_before_labelled": "made after the label",
    "scored_by_locked_model": "made before the lock",
    "thresholds_fixed": "fixed after the window opened",
    "verification_alike": "whose labels were not sought alike",
}
"""Rule of conduct → what is wrong with the units that break it."""
DEPLOYMENT: Final[Mapping[str, str]] = {
    "retrospective": (
        "Before deployment: cases and labels existed before the model was run on them, and nothing"
        " here shows it in use"
    ),
    "temporal": (
        "Before deployment: the cases are of a later period than those the model was made from, and"
        " nothing here shows it in use"
    ),
    "silent_prospective": (
        "Before deployment: as planned, the model ran on cases as they came, and nobody saw or"
        " acted on its output"
    ),
    "live_observational": (
        "After deployment: the output was in use, so that labels may be influenced by it"
    ),
    "comparative": (
        "In a comparison, which is no everyday use: reading with the model stands beside reading"
        " without it"
    ),
}
"""Kind of evidence → whether that is before or after deployment."""
DRAWN: Final[Mapping[str, str]] = {
    "consecutive": "every case as it came (a consecutive sample)",
    "random": "cases drawn at random from those that came",
    "convenience": "the cases at hand (a convenience sample), which stand for no others",
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
    "any": "any source",
}
CALLS: Final[Mapping[str, str]] = {
    "positive": "flagged",
    "negative": "not flagged",
    "none": "no answer",
}
STATES: Final[Mapping[str, str]] = {
    "all": "all",
    "independent_reference": "independent source",
    "unanimous": "readers unanimous",
    "split": "readers divided",
    "single_or_few": "fewer than three reads",
}
FATES: Final[Mapping[str, str]] = {
    "PARSED": "Taken: an image that counts",
    "COPY": "A copy: the same as another file, byte for byte",
    "SET_ASIDE": "Set aside: sound, but no image to be read",
    "QUARANTINED": "Quarantined: cannot be taken",
    "DELIVERED": "Delivered",
}
"""What became of an image file → its words, in the order of print."""
FILES: Final[Mapping[str, str]] = {
    code: f"{what[0].upper()}{what[1:]}"
    for code, what in (*SET_ASIDE_KINDS.items(), *((c, r.what) for c, r in REASONS.items()))
}
"""Kind of a file that was set aside, or reason code → what it means, as the registry has it."""
SAME_MISTAKE: Final[Mapping[str, str]] = {
    "0": "the same mistake by chance alone",
    "0.3": "sometimes the same mistake",
    "0.5": "often the same mistake",
}
"""Correlation of readers' errors → what that is in words."""
ASSUMPTIONS: Final[Mapping[str, str]] = {
    "none": "unanimous readers are right",
    "error_correlation=0": f"errors correlated by 0 ({SAME_MISTAKE['0']})",
    "error_correlation=0.3": f"errors correlated by 0.3 ({SAME_MISTAKE['0.3']})",
    "error_correlation=0.5": f"errors correlated by 0.5 ({SAME_MISTAKE['0.5']})",
}
VARIATIONS: Final[Mapping[str, str]] = {
    "as_labelled": "by the prespecified rule (the headline)",
    "drop_reader": "without the reader",
    "resampled_panel": "another panel of such readers,",
    "undecided": "cases without a decided label taken as",
    "posterior": "cases weighted by their chance of being positive, by reads and model",
    "panel_labels": "the panel’s own labels, from reads alone",
    "corrected_by_independent_sources": "corrected, panel error by independent sources:",
    "corrected_by_reads": "corrected, panel error by the reads alone:",
}
LEVELS: Final[Mapping[str, str]] = {
    **ASSUMPTIONS,
    "error_correlation=0.3;model_independent": (
        f"errors of readers alone correlated by 0.3 ({SAME_MISTAKE['0.3']})"
    ),
    "error_correlation=0.5;model_independent": (
        f"errors of readers alone correlated by 0.5 ({SAME_MISTAKE['0.5']})"
    ),
    "all": "",
    "range": "range over what is assumed",
    "dawid_skene": "",
    "positive": "positive",
    "negative": "negative",
}
STATUSES: Final[Mapping[str, str]] = {
    "met": "met",
    "partial": "partly met",
    "not_met": "not met",
    "not_applicable": "not applicable",
    "not_assessable": "cannot be assessed",
    "inconclusive": "inconclusive",
}


def windows(evidence: str) -> Mapping[str, str]:
    """Name the windows by the kind of evidence.

    >>> windows("temporal")["prospective"], windows("silent_prospective")["prospective"]
    ('After the lock (later period)', 'Prospective')
    """
    return {**WINDOWS, **LATER} if evidence in ("retrospective", "temporal") else WINDOWS


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


def capital(text: str) -> str:
    """Begin with a capital and leave the rest as it is.

    >>> capital("from AUC on"), capital("")
    ('From AUC on', '')
    """
    return f"{text[:1].upper()}{text[1:]}"


def small(text: str) -> str:
    """Begin with a small letter, unless a name of capitals begins.

    >>> small("Before the lock"), small("AUC, worst case")
    ('before the lock', 'AUC, worst case')
    """
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"


def listed(items: list[str]) -> str:
    """Join items as prose.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


NOT_HELD: Final = (
    "A table of characteristics per window, and a trend by month.",
    "A report of leaks between studies that are near duplicates of one another.",
    "A justification of the sample size by the width of an interval.",
    "A random sample read again after deployment, which alone could see a fall in sensitivity.",
    "A signature: digests detect change and prove no origin.",
    "The page on which a reviewer enters their own population; counts can be delivered instead.",
)
"""What a reviewer may look for and will not find."""
