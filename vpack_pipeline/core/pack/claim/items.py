"""The 44 items of CLAIM 2024 in words of our own, and how each is judged for one study.

Source: CLAIM 2024 update, doi 10.1148/ryai.240300; the checklist's own wording is not shipped. An
item is *checked* where tables or fixed fields decide it and *attested* where an author's statement
does. There is no total: completeness is no quality.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from vpack_pipeline.core.pack.claim import judgements as by
from vpack_pipeline.core.pack.claim.ground import Ground, Judged
from vpack_pipeline.stats.codes import Code, coded

TITLE, INTRODUCTION, METHODS = "Title and summary", "Introduction", "Methods"
RESULTS, DISCUSSION, OTHER = "Results", "Discussion", "Other"


@dataclass(frozen=True, slots=True)
class Item:
    """One item: where it stands in the checklist, what it asks, where the report answers."""

    item: int
    section: str
    title: str
    evidence: str
    basis: Literal["checked", "attested"]
    judge: Callable[[Ground], Judged]


ITEMS: Final[tuple[Item, ...]] = (
    Item(
        1,
        TITLE,
        "The title says that AI is tested, and of what kind",
        "first",
        "checked",
        by.names_technique,
    ),
    Item(2, TITLE, "A structured summary opens the report", "first", "checked", by.summary),
    Item(
        3,
        INTRODUCTION,
        "Clinical background and the role intended for the test",
        "study",
        "attested",
        by.told("background"),
    ),
    Item(4, INTRODUCTION, "Aims or hypotheses", "study", "attested", by.told("aims")),
    Item(5, METHODS, "Prospective or retrospective", "study-design", "checked", by.design),
    Item(6, METHODS, "What the study sets out to decide", "study-endpoints", "checked", by.goal),
    Item(
        7, METHODS, "Where the data come from", "study-data", "attested", by.named("data_held_by")
    ),
    Item(
        8, METHODS, "Who was eligible, and how cases were drawn", "rules", "checked", by.eligibility
    ),
    Item(
        9,
        METHODS,
        "What is done to images beforehand",
        "study-data",
        "attested",
        by.told("preprocessing"),
    ),
    Item(10, METHODS, "How parts of the data were selected", "study-data", "attested", by.subsets),
    Item(
        11,
        METHODS,
        "How data were de-identified",
        "study-data",
        "attested",
        by.told("deidentification"),
    ),
    Item(12, METHODS, "What happened to missing data", "figures", "checked", by.missing_data),
    Item(13, METHODS, "How images were acquired", "profile", "checked", by.acquisition),
    Item(
        14,
        METHODS,
        "How the reference standard is obtained",
        "reference",
        "checked",
        by.reference,
    ),
    Item(
        15,
        METHODS,
        "Why this reference standard",
        "reference",
        "attested",
        by.told("reference_rationale"),
    ),
    Item(16, METHODS, "Who gave the reference standard", "readers", "checked", by.readers),
    Item(
        17,
        METHODS,
        "How the test set was labelled, with which tools",
        "reference",
        "attested",
        by.told("annotation_tools"),
    ),
    Item(
        18,
        METHODS,
        "How far readers vary, and how that is resolved",
        "agreement",
        "checked",
        by.variability,
    ),
    Item(
        19, METHODS, "How data were assigned to partitions", "study-design", "checked", by.partition
    ),
    Item(
        20,
        METHODS,
        "At which level partitions are disjoint",
        "study-design",
        "checked",
        by.partition,
    ),
    Item(
        21, METHODS, "Why the test set is as large as it is", "study-endpoints", "checked", by.size
    ),
    Item(
        22, METHODS, "The model described", "study-model", "attested", by.told("model_description")
    ),
    Item(
        23,
        METHODS,
        "Software that the model runs on",
        "study-model",
        "attested",
        by.named("software"),
    ),
    Item(24, METHODS, "How the model was initialised", "study-model", "attested", by.training),
    Item(25, METHODS, "How the model was trained", "study-model", "attested", by.training),
    Item(26, METHODS, "How the final model was chosen", "study-model", "attested", by.training),
    Item(27, METHODS, "Whether models were combined", "study-model", "attested", by.training),
    Item(28, METHODS, "Which metrics are used", "performance", "checked", by.metrics),
    Item(29, METHODS, "How uncertainty is expressed", "figures", "checked", by.uncertainty),
    Item(30, METHODS, "How robustness was examined", "subgroups", "checked", by.robustness),
    Item(
        31,
        METHODS,
        "Whether and how outputs are explained",
        "study-model",
        "attested",
        by.told("explainability"),
    ),
    Item(32, METHODS, "Testing on data of the same source", "performance", "checked", by.internal),
    Item(
        33,
        METHODS,
        "Testing on data of another source or time",
        "performance",
        "checked",
        by.external,
    ),
    Item(
        34,
        METHODS,
        "Registration of the study",
        "availability",
        "attested",
        by.registration,
    ),
    Item(
        35,
        RESULTS,
        "Who was included and excluded, with a flow chart",
        "flow",
        "checked",
        lambda _g: Judged("met"),
    ),
    Item(
        36,
        RESULTS,
        "Characteristics of the cases in each part",
        "profile",
        "checked",
        by.characteristics,
    ),
    Item(37, RESULTS, "Performance with its uncertainty", "figures", "checked", by.results),
    Item(
        38,
        RESULTS,
        "Diagnostic estimates, calibration, best and worst subgroups",
        "subgroups",
        "checked",
        by.diagnostic,
    ),
    Item(
        39,
        RESULTS,
        "Failures examined",
        "failures",
        "checked",
        lambda _g: Judged("partial", Code("wrong_results_not_reviewed")),
    ),
    Item(40, DISCUSSION, "Limitations", "limitations", "attested", by.limitations),
    Item(
        41,
        DISCUSSION,
        "What follows for practice",
        "limitations",
        "attested",
        by.told("implications"),
    ),
    Item(
        42,
        OTHER,
        "Where the protocol can be read",
        "availability",
        "checked",
        lambda _g: Judged("met", notes=coded("protocol_travels")),
    ),
    Item(
        43,
        OTHER,
        "Availability of code, model and data",
        "availability",
        "attested",
        by.told("availability"),
    ),
    Item(44, OTHER, "Funding and who had a say", "study-data", "attested", by.funding),
)
"""In the order of the checklist."""
