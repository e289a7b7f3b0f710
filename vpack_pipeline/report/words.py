"""Words for names: metrics, windows, kinds of evidence, rules. No number stands here.

What does not belong here: layout (``templates``); what a figure means in full (the contract).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpack_pipeline.contracts import codes, metrics
from vpack_pipeline.core.sampling import draws, selection, standing
from vpack_pipeline.core.time_bands import WEEKDAYS
from vpack_pipeline.io.dicom.outcomes import REASONS, SET_ASIDE_KINDS
from vpack_pipeline.pack_format.text import WORDS
from vpack_pipeline.protocol import AnySampling, Sampling

METRICS: Final[Mapping[str, str]] = {
    name: metric.title_of(name) for metric in metrics.load() for name in metric.names
}
"""Metric → its name in print; a name that is not here is printed without its underscores."""

STATUS_WORDS: Final[Mapping[str, str]] = {"refused": "not computed"}
"""Status of a figure → what the page says of it, where that is another word."""
METRICS_IN: Final[Mapping[str, Mapping[str, str]]] = {
    asset: {**METRICS, **{m.name: m.titles[asset] for m in metrics.of(asset) if asset in m.titles}}
    for asset in {asset for metric in metrics.load() for asset in metric.titles}
}
"""The same in a table where some mean less."""

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
ORDER: Final[Mapping[str, str]] = {"retrospective": "earlier", "prospective": "later"}
"""Windows by their order in time, whatever the kind of evidence."""
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
BANDS: Final[Mapping[str, Mapping[str, str]]] = {
    "weekday": {day: day.capitalize() for day in WEEKDAYS},
    "part_of_week": {
        "monday_to_friday": "Monday to Friday",
        "saturday_and_sunday": "Saturday and Sunday",
    },
    "quarter_of_day": {
        "00_to_06": "0 to 6 h",
        "06_to_12": "6 to 12 h",
        "12_to_18": "12 to 18 h",
        "18_to_24": "18 to 24 h",
    },
    "half_of_day": {"06_to_18": "6 to 18 h", "18_to_06": "18 to 6 h"},
}
"""Kind of band in which a study began → band → the words for it."""
BREACHES: Final[Mapping[str, str]] = {
    "consecutive": "without a case",
    "days_and_hours": "with less than half of the cases to be expected",
    "delivered_before_labels": "with a score delivered after evidence for the label",
    "disjoint_patients": "in both windows",
    "every_case_accounted": "not accounted for",
    "every_study_has_case": "of the archive that belong to no case",
    "model_locked": "locked after the window opened",
    "no_accession_gap": "before which accession numbers are missing",
    "no_development_patient": "used to train or tune",
    "no_development_study": "used to train or tune",
    "no_near_duplicate": "with the device, second and exposure of a study used to train or tune",
    "no_tuning_patient": "used to tune",
    "protocol_registered": "fixed after the window opened",
    "readers_blind_to_index_test": "made with sight of the model",
    "readers_blind_to_peers": "made with sight of another",
    "readers_not_in_development": "who took part in development",
    "received_before_scored": "scored before they were received",
    "reference_blind_to_index_test": "given with knowledge of the model",
    "rules_before_window": "set after the window opened",
    "rules_blind": "set with sight of scores or labels",
    "scored_before_labelled": "scored after the label",
    "scored_by_locked_model": "scored before the lock",
    "thresholds_chosen_elsewhere": "chosen on the cases that judge them, or on data not named",
    "thresholds_fixed": "fixed after the window opened",
    "training_apart_from_tuning": "used both to train and to tune",
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
CHOSEN_ON: Final[Mapping[str, str]] = {
    "development": "data of training and tuning",
    "earlier_study": "cases of an earlier study",
    "no_data": "no data, by judgement alone",
    "retrospective": "cases of the earlier window",
    "prospective": "cases of the later window",
}
"""What a threshold may have been chosen on → the words for it."""
DRAWN: Final[Mapping[str, str]] = {
    "consecutive": "every case as it came (a consecutive sample)",
    "random": "cases drawn at random from those that came",
    "convenience": "the cases at hand (a convenience sample), which stand for no others",
}
POPULATION: Final[Mapping[str, str]] = {
    "stands": "Within the sample: drawing cases by {by} does not change this.",
    "weighted": "Of all cases that occurred: weighted for sampling by {by}.",
    "refused": "Not given: cases were drawn by {by} and no sampling fractions are stated.",
}
"""How a figure stands where cases were not drawn alike → whom it is of."""
FAILED: Final[Mapping[str, str]] = {
    "negative": "counts as not flagged",
    "positive": "counts as flagged",
    "incorrect": "counts as an error",
}
SETS: Final[Mapping[str, str]] = {
    "included": "Included",
    "excluded": "Excluded",
    "target": "Target population",
}
COMPARISONS: Final[Mapping[str, str]] = {
    "included_target": "Included against target",
    "included_excluded": "Included against excluded",
    "retrospective_prospective": "Before the lock against after it",
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
ERROR_KINDS: Final[Mapping[str, str]] = {
    "miss": "misses",
    "false_alarm": "false alarms",
    "no_error": "reviewed, and no error here",
}
SPEAKS_FOR: Final[Mapping[str, str]] = {
    "in_target": "in the target",
    "lowest_in_target": "lowest",
    "highest_in_target": "highest",
    "here": "here",
    "outside_target": "cases without a place in the target",
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
_CORRELATED: Final = "errors correlated by {level} ({mistake})"
ASSUMPTIONS: Final[Mapping[str, str]] = {
    "none": "unanimous readers are right",
    **{rho: _CORRELATED.format(level=rho, mistake=said) for rho, said in SAME_MISTAKE.items()},
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
    "all": "",
    "model": "",
    "reader": "{level}",
    "label": "{level}",
    "assumptions": "range over what is assumed",
    "error_correlation": _CORRELATED,
    "error_correlation_of_readers": "errors of readers alone correlated by {level} ({mistake})",
}
"""Kind of a variation's level → its words."""
RULES: Final = {
    **codes.load()["judged_by"].parameters["rule"].words,
    "single_endpoint": "one at most, judged on its own",
}
"""Rule for several primary endpoints → what it means for the reader."""

STATUSES: Final = WORDS
"""Status or verdict → its words, those by which a pack is verified."""


def windows(evidence: str) -> Mapping[str, str]:
    """Name the windows by the kind of evidence.

    >>> windows("temporal")["prospective"], windows("silent_prospective")["prospective"]
    ('After the lock (later period)', 'Prospective')
    """
    return {**WINDOWS, **LATER} if evidence in ("retrospective", "temporal") else WINDOWS


def sets(evidence: str) -> Mapping[str, str]:
    """Name the sets of cases that Table 1 describes, in the order of its columns.

    >>> list(sets("temporal").values())[:3]
    ['Included', 'Before the lock', 'After the lock (later period)']
    """
    names = windows(evidence)
    return {"included": SETS["included"], **{w: names[w] for w in ORDER}, **SETS}


def title(words: Mapping[str, str], name: str) -> str:
    """Find the words for a name; one that is unknown loses its underscores.

    >>> title(METRICS, "auc"), title(METRICS, "n_of_something")
    ('AUC', 'N of something')
    """
    return words.get(name, name.replace("_", " ").capitalize())


def level(kind: str, name: str) -> str:
    """Write a variation's level.

    >>> level("label", "positive"), level("all", "all")
    ('positive', '')
    """
    return LEVELS[kind].format(level=name, mistake=SAME_MISTAKE.get(name, ""))


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


def population(sampling: AnySampling, metric: str, finding: str) -> str:
    """Say whom a figure is of, of each window where draws differ; nothing where none was made."""
    said = [(window, _population(draw, metric, finding)) for window, draw in draws(sampling)]
    return " ".join(
        f"In the {ORDER[window]} window: {line}" if window else line
        for window, line in said
        if line
    )


def drawn(sampling: AnySampling) -> str:
    """Say how the protocol plans to take cases.

    >>> drawn(Sampling(method="consecutive"))
    'As planned, the site took every case as it came (a consecutive sample).'
    """
    said = [(window, DRAWN[draw.method]) for window, draw in draws(sampling)]
    parts = [f"{line} in the {ORDER[window]} window" if window else line for window, line in said]
    return f"As planned, the site took {listed(parts)}."


def _population(sampling: Sampling, metric: str, finding: str) -> str:
    by = sorted(selection(sampling))
    if not by:
        return ""
    found = standing(sampling, metrics.condition_of(metric), finding)
    line = POPULATION[found].format(by=listed(by))
    never = [s.name for s in sampling.strata if s.fraction == 0]
    return f"{line} Not of {listed(never)}: none was sampled." if never else line


def chosen_on(names: tuple[str, ...]) -> str:
    """Say what a threshold was chosen on.

    >>> chosen_on(("development", "earlier_study"))
    'data of training and tuning and cases of an earlier study'
    >>> chosen_on(())
    'data that the protocol does not name'
    """
    return listed([CHOSEN_ON[name] for name in names]) or "data that the protocol does not name"


NOT_HELD: Final = ("A justification of the sample size by the width of an interval.",)
"""What a reviewer may look for and will not find."""
