"""How the study was run: one rule a row, held, broken or not assessable, with counts.

A broken rule is a result: it is printed and closes no gate. ``prespecification``: what was fixed
beforehand; ``timing``: the order of events; ``leaks``: what development and test share;
``enrolment``: who is in the study; ``sampling``: how cases were drawn; ``labelling``: how labels
came. What does not belong here: whether the tables are what they say they are (contracts and gate).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl

from vpack_pipeline.core.evaluation.integrity.enrolment import (
    disjoint_patients,
    every_case_accounted,
    every_study_has_case,
)
from vpack_pipeline.core.evaluation.integrity.labelling import (
    readers_blind_to_index_test,
    readers_blind_to_peers,
    readers_not_in_development,
    reference_blind_to_index_test,
    verification_alike,
)
from vpack_pipeline.core.evaluation.integrity.leaks import (
    no_development_patient,
    no_development_study,
    no_near_duplicate,
    no_tuning_patient,
    training_apart_from_tuning,
)
from vpack_pipeline.core.evaluation.integrity.prespecification import (
    model_locked,
    protocol_registered,
    rules_before_window,
    rules_blind,
    thresholds_chosen_elsewhere,
    thresholds_fixed,
)
from vpack_pipeline.core.evaluation.integrity.sampling import (
    consecutive,
    days_and_hours,
    no_accession_gap,
)
from vpack_pipeline.core.evaluation.integrity.study import OF_STUDIES, Outcome, Study
from vpack_pipeline.core.evaluation.integrity.timing import (
    delivered_before_labels,
    received_before_scored,
    scored_before_labelled,
    scored_by_locked_model,
)
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.protocol import (
    About,
    Adjudication,
    AnySampling,
    Eligibility,
    Evaluation,
    Finding,
    IndexTest,
)
from vpack_pipeline.site import AccessionNumbers, InputForm, InputKind
from vpack_pipeline.stats.codes import code, coded

HELD: Final = "held"
BROKEN: Final = "broken"
NOT_ASSESSABLE: Final = "not_assessable"
WITHHELD: Final = "withheld"

_NOT_PEOPLE: Final = frozenset(
    {
        *("protocols", "models", "operating_points", "rules"),
        *("weeks", "days_and_parts", "findings_and_sources"),
    }
)
"""Units of the protocol or the calendar: their numbers count no patients."""


def integrity(
    *,
    time_split: pl.DataFrame,
    reference_standard: pl.DataFrame,
    inferences: pl.DataFrame,
    included: pl.DataFrame,
    cases: pl.DataFrame,
    patients: pl.DataFrame,
    studies: pl.LazyFrame,
    case_studies: pl.DataFrame,
    reads: pl.DataFrame,
    readers: pl.DataFrame,
    reference: pl.DataFrame,
    predictions: pl.DataFrame,
    development: pl.DataFrame,
    accession_gaps: pl.DataFrame,
    about: About,
    index_test: IndexTest,
    findings: tuple[Finding, ...],
    eligibility: Eligibility,
    sampling: AnySampling,
    adjudication: Adjudication,
    evaluation: Evaluation,
    inputs: Mapping[InputKind, InputForm],
    accession_numbers: AccessionNumbers | None,
    cut: datetime.date,
) -> pl.DataFrame:
    """Check how the study was run, rule by rule; :data:`RULES` says what each asks.

    ``n`` is how many units could be checked, ``events`` and ``estimate`` how many broke the rule;
    ``method`` names the unit (``count_of``), and how many were checked (``units_checked``) where
    units are no cases or people. A rule that no unit can be held to, or without the evidence that
    it asks for, is refused as not assessable, and so is one whose only evidence is a constant of
    the site's form (``inputs``); a note says where some units
    lacked the needed time or answer.

    Parameters
    ----------
    studies : cohort/studies
    accession_gaps : cohort/accession_gaps
    """
    study = Study(
        time_split=time_split,
        reference_standard=reference_standard,
        inferences=inferences,
        included=included,
        cases=cases,
        patients=patients,
        studies=studies.lazy().select(OF_STUDIES).sort("study_id").collect(),
        case_studies=case_studies,
        reads=reads,
        readers=readers,
        reference=reference,
        predictions=predictions,
        development=development,
        accession_gaps=accession_gaps,
        about=about,
        index_test=index_test,
        findings=findings,
        eligibility=eligibility,
        sampling=sampling,
        adjudication=adjudication,
        evaluation=evaluation,
        inputs=inputs,
        accession_numbers=accession_numbers,
        cut=cut,
    )
    figures = Figures("evaluation/integrity")
    for name, (title, check) in RULES.items():
        _give(figures, name, title, check(study))
    return figures.frame()


def _give(figures: Figures, rule: str, title: str, found: Outcome) -> None:
    keys: dict[str, Any] = {"rule": rule, "title": title}
    if found.is_withheld and found.reason is not None:
        figures.withhold("violations", found.reason, **keys, verdict=WITHHELD)
        return
    # Without the number, which stands in no column.
    notes = coded(found.reason, "some_not_checkable" if found.has_unknown else None)
    if found.n == 0:
        why, *others = notes or coded("nothing_to_check")
        verdict = NOT_ASSESSABLE
        figures.refuse("violations", why, notes=tuple(others), n=0, **keys, verdict=verdict)
        return
    is_public = found.unit in _NOT_PEOPLE
    figures.give(
        "violations",
        found.violations,
        n=None if is_public else found.n,
        events=None if is_public else found.violations,
        method=coded(
            code("count_of", unit=found.unit),
            code("units_checked", n=found.n) if is_public else None,
        ),
        notes=notes,
        **keys,
        verdict=BROKEN if found.violations else HELD,
    )


RULES: Final[Mapping[str, tuple[str, Callable[[Study], Outcome]]]] = {
    "protocol_registered": (
        "The protocol was fixed before the later window opened.",
        protocol_registered,
    ),
    "model_locked": ("Every model was locked before the later window opened.", model_locked),
    "thresholds_fixed": (
        "Every operating point was fixed before the later window opened.",
        thresholds_fixed,
    ),
    "thresholds_chosen_elsewhere": (
        "Every operating point was fixed outside the windows that judge it, on other, named data.",
        thresholds_chosen_elsewhere,
    ),
    "rules_before_window": (
        "Every eligibility rule was decided before the later window opened.",
        rules_before_window,
    ),
    "rules_blind": (
        "Every eligibility rule was decided without sight of scores and labels.",
        rules_blind,
    ),
    "scored_by_locked_model": (
        "No included case was scored before its model was locked.",
        scored_by_locked_model,
    ),
    "received_before_scored": (
        "No included case of the later window was scored before it was received.",
        received_before_scored,
    ),
    "scored_before_labelled": (
        "Every included case of the later window was scored before its label was established.",
        scored_before_labelled,
    ),
    "delivered_before_labels": (
        "No included score of the later window was first delivered after the first evidence for"
        " its label.",
        delivered_before_labels,
    ),
    "no_development_patient": (
        "No included patient was used to train or tune.",
        no_development_patient,
    ),
    "no_tuning_patient": ("No included patient was used to tune.", no_tuning_patient),
    "training_apart_from_tuning": (
        "No patient was used both to train and to tune.",
        training_apart_from_tuning,
    ),
    "no_development_study": (
        "No included study was used to train or tune.",
        no_development_study,
    ),
    "no_near_duplicate": (
        "No included study has the device, second and exposure of another one used to train or"
        " tune.",
        no_near_duplicate,
    ),
    "disjoint_patients": ("No patient has included cases in both windows.", disjoint_patients),
    "consecutive": (
        "No week of the later window lacks a case, where cases come often enough to tell.",
        consecutive,
    ),
    "days_and_hours": (
        "No weekday and no quarter of the day has less than half of the cases that the archive's"
        " studies lead one to expect, where there are enough to tell.",
        days_and_hours,
    ),
    "no_accession_gap": (
        "No accession number is missing before that of a study of the archive in the later window.",
        no_accession_gap,
    ),
    "every_study_has_case": (
        "Every study of the archive in the later window belongs to a case.",
        every_study_has_case,
    ),
    "every_case_accounted": (
        "Every included mature case of the later window was sent to the index test, or is reported"
        " as not.",
        every_case_accounted,
    ),
    "verification_alike": (
        "Labels were sought alike, of any source and of each, whatever the index test said.",
        verification_alike,
    ),
    "readers_blind_to_index_test": (
        "No read that makes a label was made with sight of the index test.",
        readers_blind_to_index_test,
    ),
    "readers_blind_to_peers": (
        "No independent read that makes a label was made with sight of another.",
        readers_blind_to_peers,
    ),
    "reference_blind_to_index_test": (
        "Nobody who gave an independent reference knew the index test.",
        reference_blind_to_index_test,
    ),
    "readers_not_in_development": (
        "No reader whose reads make labels took part in development.",
        readers_not_in_development,
    ),
}
"""Rule → what it asks, as the report prints it, and its check."""
