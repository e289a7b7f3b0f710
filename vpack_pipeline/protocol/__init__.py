"""The study as prespecified: identical at every site, versioned, its digest in every pack.

What does not belong here: anything that a site refills (``site``), and what a name in a registry
does (``core``); ``study.load`` resolves those names.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from vpack_pipeline.document import Document, Identifier, refuse_repeated
from vpack_pipeline.old_names import OldName
from vpack_pipeline.protocol.claims import (
    Adjudication,
    Endpoint,
    Evaluation,
    Floor,
    Information,
    Interval,
    Look,
    OperatingPoint,
    ReferenceSource,
    StatedPrevalence,
    Subgroups,
)
from vpack_pipeline.protocol.monitoring import (
    Disclosure,
    Drift,
    Escalation,
    FalseAlarms,
    Monitor,
)
from vpack_pipeline.protocol.one_sided_alpha import with_one_sided_alpha
from vpack_pipeline.protocol.population import (
    AnySampling,
    Eligibility,
    FindingDetail,
    Representativeness,
    Rule,
    Sampling,
    SamplingByWindow,
    Stratum,
    Variable,
)
from vpack_pipeline.protocol.subject import (
    About,
    Amendment,
    Category,
    Covariate,
    EvidenceKind,
    Finding,
    FollowUp,
    IndexTest,
    IndexTestModel,
    Output,
)
from vpack_pipeline.protocol.travelling import from_yaml, to_yaml

__all__ = [
    "About",
    "Adjudication",
    "Amendment",
    "AnySampling",
    "Category",
    "Covariate",
    "Disclosure",
    "Drift",
    "Eligibility",
    "Endpoint",
    "Escalation",
    "Evaluation",
    "EvidenceKind",
    "FalseAlarms",
    "Finding",
    "FindingDetail",
    "Floor",
    "FollowUp",
    "IndexTest",
    "IndexTestModel",
    "Information",
    "Interval",
    "Look",
    "Monitor",
    "OperatingPoint",
    "Output",
    "Protocol",
    "ReferenceSource",
    "Representativeness",
    "Rule",
    "Sampling",
    "SamplingByWindow",
    "StatedPrevalence",
    "Stratum",
    "Subgroups",
    "Variable",
]


class Protocol(Document):
    """The whole study; its top-level keys are the blocks that contracts name."""

    old_names = (
        OldName(("disclosure", "smallest_cell"), "smallest_group"),
        OldName(
            ("evaluation", "looks", "*", "alpha"),
            None,
            moved="half of the sum over the looks is evaluation.alpha, which is one-sided",
        ),
    )
    rewrites = (with_one_sided_alpha,)

    id: Identifier
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+){0,2}\z")]
    about: About
    index_test: IndexTest
    findings: Annotated[tuple[Finding, ...], Field(min_length=1)]
    unit_of_analysis: Literal["patient", "study", "breast", "lesion"]
    """What a case is; the patient is the cluster, always."""
    covariates: tuple[Covariate, ...] = ()
    finding_details: tuple[FindingDetail, ...] = ()
    """Columns that ``reads`` or ``reference`` deliver beside the ones every site has."""
    eligibility: Eligibility
    sampling: AnySampling
    representativeness: Representativeness
    adjudication: Adjudication
    evaluation: Evaluation
    drift: Drift
    disclosure: Disclosure = Disclosure()
    amendments: tuple[Amendment, ...] = ()
    """Changes since the protocol was fixed, oldest first."""

    @model_validator(mode="after")
    def _amended_in_order(self) -> Self:
        dates = [amendment.date for amendment in self.amendments]
        if dates != sorted(dates):
            raise ValueError("amendments stand oldest first: put their dates in order")
        fixed = self.about.registered_at.date()
        if dates and dates[0] < fixed:
            raise ValueError(
                f"the amendment of {dates[0]} is older than the protocol, fixed {fixed}"
                " (about.registered_at)"
            )
        return self

    @model_validator(mode="after")
    def _details_once(self) -> Self:
        refuse_repeated([detail.name for detail in self.finding_details])
        return self

    @property
    def reference(self) -> str:
        """``id@version``, as a site names it."""
        return f"{self.id}@{self.version}"

    @property
    def as_travels(self) -> bytes:
        """The bytes of ``protocol.yaml`` in every pack of this protocol."""
        return to_yaml(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """sha256 of the ``protocol.yaml`` that travels: what ``sha256sum`` says of it."""
        return hashlib.sha256(self.as_travels).hexdigest()

    @classmethod
    def of_pack(cls, text: bytes, pack_format: int) -> Self:
        """Read the ``protocol.yaml`` of a pack of any format.

        Raises
        ------
        ValueError
            It is no protocol that this version can read.
        """
        return cls.model_validate(from_yaml(text, pack_format, old_names=cls.old_names))
