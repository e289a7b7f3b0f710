"""What is planted in a synthetic radiograph site: the shape of ``planted.yaml``.

The generator obeys this document and the tests ask tables and pack for it, so that neither holds a
figure of its own. What does not belong here: how a plan is carried out (``world`` and the rest).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import Field

from vpack_pipeline.document import Document, Share, Text, Window

Count = Annotated[int, Field(ge=0)]
Verdict = Literal["met", "not_met", "inconclusive"]


class Room(Document):
    """An x-ray device."""

    modality: Literal["CR", "DX"]
    manufacturer: Text
    model: Text
    software: Text
    kvp: float
    imager_pixel_spacing_mm: float


class Replacement(Document):
    """The scanner that takes the place of ``room`` on a day inside the prospective window."""

    on: date
    room: Text
    by: Text
    separation: float
    """Distance of the score's two latent means from that day on, in standard deviations."""
    shift: float
    """Added to the score's logit from that day on."""


class ScoreModel(Document):
    """A binormal score, of mean 0 without the finding, turned to a probability."""

    separation: float
    """Its mean with the finding, in standard deviations."""
    flattered_separation: float
    """On bedside radiographs of ward patients, which a late rule excludes."""
    slope: float = 1.0
    """Factor on the logit: above 1 the score is overconfident."""
    prior: Share
    """The prevalence that it was tuned for: what makes its probabilities calibrated."""
    swapped: Share = 0.0
    """Share of prospective cases that are scored as if the truth were the opposite."""


class Failures(Document):
    """Inferences that gave no score, as exact counts of cases."""

    failed: Count
    failed_then_ok: Count
    refused: Count
    not_sent: Count
    absent: Count
    """Cases without any row."""


class Reader(Document):
    """A reader's true error rates, of reads that are not equivocal."""

    id: Text
    role: Literal["independent", "tiebreak", "comparator"]
    sensitivity: Share
    specificity: Share
    equivocal: Share
    specialty: Text
    years: float


class Labels(Document):
    """Which cases get an outside label, and how late."""

    pathology_of_positives: Share
    pathology_of_negatives: Share
    follow_up_of_others: Share
    late: Share
    """Share of pathology that comes after the protocol's maturity."""


class Windows(Document):
    """Index dates."""

    period: Window
    retrospective: Window
    prospective: Window


class Headers(Document):
    """Studies with an odd header, as exact counts of disjoint sets of studies."""

    child: Count
    lateral: Count
    view_absent: Count
    burned_in: Count
    burned_in_unsaid: Count
    age_absent: Count
    age_disagrees: Count
    birth_placeholder: Count
    kvp_invalid: Count
    sex_invalid: Count
    other_spelling: Count
    other_issuer: Count
    sop_conflict: Count


class Integrity(Document):
    """Breaches of how the study should have been run, as exact counts."""

    development_list: Count
    development_overlap: Count
    near_duplicates: Count
    """Images of other patients on the development list with the header of an exam of this site."""
    accession_numbers_missing: Count
    """In one gap inside the prospective window; else numbers run on within a year."""
    patients_in_both_windows: Count
    reads_that_saw_score: Count
    predictions_after_reads: Count


class Deliveries(Document):
    """When rows arrive."""

    closed: Annotated[tuple[date, ...], Field(min_length=1)]
    correction: date
    """A second delivery on this day corrects reads and reference."""
    unclosed: date
    corrected_reads: Count
    corrected_reference: Count
    withdrawn_cases: Count
    """Cases of the first deliveries that the last full file no longer holds."""
    merged_patients: Count
    """Images under a temporary MRN that the patient map resolves."""


class Fault(Document):
    """A kind of broken file or row: how many there are, and the code that each should be given."""

    n: Count
    reason: Text
    detail: Text | None = None
    """Of a file that is set aside: the kind."""


class RowFault(Document):
    """A kind of broken row: its input, how many there are, and the code each should be given."""

    input: Text
    n: Count
    reason: Text


class Plan(Document):
    """Everything that is planted in one site."""

    site: Text
    seed: Count
    patients: Annotated[int, Field(ge=20)]
    repeat_shares: tuple[Share, Share]
    """Shares of patients with two and with three studies."""
    prevalence: Share
    windows: Windows
    settings: dict[Literal["emergency", "inpatient", "outpatient"], Share]
    bedside: dict[Literal["emergency", "inpatient", "outpatient"], Share]
    plate_of_outpatients: Share
    rooms: dict[Text, Room]
    replacement: Replacement
    flattering_rule: Text
    """The eligibility rule whose removed cases the index test gets wrong most."""
    flattered_prevalence: Share
    model: dict[Text, ScoreModel]
    failures: dict[Text, Failures]
    readers: tuple[Reader, ...]
    error_correlation: Share
    """Of the latent errors of two readers on one case."""
    model_error_correlation: Share
    """Of the latent errors of reader and score on one case."""
    repeat_reads: Count
    comparator_cases: Count
    non_diagnostic_cases: Count
    labels: Labels
    headers: Headers
    integrity: Integrity
    deliveries: Deliveries
    copies: Count
    """Files that lie in the archive twice."""
    files: dict[Text, Fault]
    """Broken files by kind."""
    set_aside: dict[Text, Fault]
    rows: dict[Text, RowFault]
    """Broken rows by kind; all of them are in the first delivery."""
    verdicts: dict[Text, Verdict] = {}
    """Endpoint → the verdict at the look that follows from what is planted."""

    @property
    def prefix(self) -> str:
        """Of case and accession numbers."""
        return self.site[:4].upper()


TINY_PATIENTS: Final = 150
SMALL_PREVALENCE: Final = 0.35
"""So that a small site has positives enough for its figures to be given."""


def shrunk(plan: Plan, site: str, seed: int) -> Plan:
    """Make a plan for a small site: every kind of fault once, other counts in proportion."""
    share = TINY_PATIENTS / plan.patients

    def few(part: Document) -> dict[str, object]:
        return {
            name: max(1, round(value * share)) if type(value) is int and value else value
            for name, value in part.model_dump().items()
        }

    data = plan.model_dump()
    data |= {
        "site": site,
        "seed": seed,
        "patients": TINY_PATIENTS,
        "headers": few(plan.headers),
        "integrity": few(plan.integrity),
        "deliveries": few(plan.deliveries),
        "failures": {k: few(v) for k, v in plan.failures.items()},
        "prevalence": SMALL_PREVALENCE,
        "flattered_prevalence": SMALL_PREVALENCE,
        "verdicts": {},
    }
    for name in ("repeat_reads", "comparator_cases", "non_diagnostic_cases", "copies"):
        data[name] = max(1, round(data[name] * share))
    for name in ("files", "set_aside", "rows"):
        data[name] = {k: v | {"n": min(v["n"], 2)} for k, v in data[name].items()}
    return Plan.model_validate(data)


def failing(plan: Plan) -> Plan:
    """Turn a plan into one whose index test misses every goal after the lock."""
    data = plan.model_dump()
    for model in data["model"].values():
        model |= {"swapped": 0.9}
    data["verdicts"] = {
        "auc_after_lock": "not_met",
        "sensitivity_after_lock": "not_met",
        "specificity_after_lock": "not_met",
        "sensitivity_kept": "not_met",
    }
    return Plan.model_validate(data)
