"""What is tested and on what: the study itself, the index test, findings and covariates.

What does not belong here: whom the set holds (``population``), what is claimed (``claims``).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from vpack_pipeline.attestation import (
    MAY_NOT_APPLY,
    AttestedByProtocol,
    ItemsNotApplicable,
)
from vpack_pipeline.document import (
    Days,
    Document,
    Identifier,
    Name,
    Text,
    Zoned,
)

EvidenceKind = Literal[
    "retrospective", "temporal", "silent_prospective", "live_observational", "comparative"
]


class Amendment(Document):
    """A change of the protocol after it was fixed."""

    date: date
    """When it was decided; after ``about.registered_at``."""
    what: Text
    """What is changed."""
    why: Text
    """Why it is changed."""
    seen: Text
    """What of scores, labels and figures had been seen by those who decided it."""


class About(Document):
    """What the study is, who stands behind it and what it does not show."""

    title: Text
    intended_use: Text
    """What the index test is for, in whom, in one or two sentences."""
    workflow_place: Text
    """Where in the clinical workflow its output appears."""
    product: Text
    """The name under which the index test is offered."""
    registered_at: Zoned
    """When this version of the protocol was fixed."""
    registration: Text | None = None
    """Where it is registered, if anywhere."""
    built_by: Text
    funded_by: Text
    funder_role: Text | None = None
    """What say the funder had in design, analysis and publication (CLAIM 44)."""
    data_held_by: Text
    evidence_kind: EvidenceKind
    """Retrospective, temporal, silent prospective, live observational or comparative."""
    limitations: Annotated[tuple[Text, ...], Field(min_length=1)]
    """In order of weight: the first is printed on the first page."""
    does_not_show: Annotated[tuple[Text, ...], Field(min_length=1)]
    """What a reader might take from this pack and must not."""
    background: Text
    """The clinical problem and the role intended for the index test (CLAIM 3)."""
    aims: Text
    """Aims or hypotheses (CLAIM 4)."""
    model_description: Text
    """Architecture, inputs and outputs of the index test as its maker states them (CLAIM 22)."""
    training: Text | None = None
    """How the model was trained and chosen, as its maker states it (CLAIM 24 to 27)."""
    software: Text | None = None
    """Software the index test runs on (CLAIM 23)."""
    preprocessing: Text | None = None
    """What is done to images before the index test (CLAIM 9)."""
    explainability: Text | None = None
    """Methods that explain an output, and how they were checked (CLAIM 31)."""
    deidentification: Text | None = None
    """How data were de-identified (CLAIM 11)."""
    reference_rationale: Text
    """Why this reference standard was chosen (CLAIM 15)."""
    annotation_tools: Text | None = None
    """Software and steps with which readers worked (CLAIM 17)."""
    implications: Text
    """What follows for practice (CLAIM 41)."""
    availability: Text
    """Where protocol, code and data can be had, or why not (CLAIM 43)."""
    cadence_days: Annotated[int, Field(ge=1, le=3660)]
    """How many days after the data cut the next pack is due."""
    not_applicable: ItemsNotApplicable = ()
    """CLAIM items whose subject the study lacks, each with the reason."""
    attested: AttestedByProtocol = ()
    """Who attests what this protocol states, and when; what nobody attests is partly met."""

    def why_not_applicable(self, item: int) -> str | None:
        """Say why a CLAIM item does not apply; None where it does."""
        return next((one.reason for one in self.not_applicable if item in one.items), None)

    @model_validator(mode="after")
    def _stated_or_not_applicable(self) -> Self:
        for field in sorted(set(MAY_NOT_APPLY.values())):
            items = [item for item, answers in MAY_NOT_APPLY.items() if answers == field]
            if getattr(self, field) and all(self.why_not_applicable(item) for item in items):
                raise ValueError(
                    f"{field} is stated, and not_applicable names all that it answers: keep one"
                )
        return self


class IndexTestModel(Document):
    """One version of a model, locked at a moment."""

    id: Identifier
    version: Text
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}\z")]
    """Digest of the locked artefact."""
    locked_at: Zoned
    primary: bool = False


class Output(Document):
    """What the index test returns."""

    kind: Literal["probability", "ordinal", "binary"]
    minimum: float
    maximum: float
    higher_is: Literal["positive", "negative"] = "positive"

    @model_validator(mode="after")
    def _has_range(self) -> Self:
        if self.maximum <= self.minimum:
            raise ValueError("maximum must exceed minimum")
        if self.kind == "probability" and (self.minimum < 0 or self.maximum > 1):
            raise ValueError("a probability lies within 0 and 1")
        return self


class IndexTest(Document):
    """The model under test, its comparators and how its failures count."""

    models: Annotated[tuple[IndexTestModel, ...], Field(min_length=1)]
    output: Output
    attempt: Literal["first", "first_ok", "last"] = "first_ok"
    """Which attempt counts where a case was sent more than once."""
    failed_counts_as: Literal["negative", "positive", "incorrect"]
    """How a failed, refused or absent inference counts (intention to diagnose)."""

    @model_validator(mode="after")
    def _one_primary(self) -> Self:
        if sum(m.primary for m in self.models) != 1:
            raise ValueError("exactly one model is primary")
        if len({m.id for m in self.models}) != len(self.models):
            raise ValueError("model ids repeat")
        return self

    @property
    def primary(self) -> IndexTestModel:
        """The model whose figures stand on the first page."""
        return next(m for m in self.models if m.primary)

    @property
    def model_ids(self) -> tuple[str, ...]:
        """Every model, in the protocol's order, as SQL models take them."""
        return tuple(m.id for m in self.models)


class Category(Document):
    """One value of a rating scale."""

    value: float
    label: Text


class FollowUp(Document):
    """From when on a negative follow-up settles a finding, and who says so."""

    minimum_days: Days
    source: Text
    """A guideline or publication: nobody's guess is a reference standard."""


class Finding(Document):
    """What readers rate and the index test scores."""

    name: Name
    title: Text
    categories: Annotated[tuple[Category, ...], Field(min_length=2)]
    """In rising order of suspicion."""
    positive_from: float
    """A rating of this value or above is positive."""
    indeterminate: tuple[float, ...] = ()
    """Ratings that are neither positive nor negative."""
    negative_follow_up: FollowUp | None = None
    """Where none is stated, ``adjudication.follow_up_minimum_days`` holds."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        values = [c.value for c in self.categories]
        if values != sorted(set(values)):
            raise ValueError("categories must rise without repeats")
        if self.positive_from not in values:
            raise ValueError("positive_from is not a category")
        if not set(self.indeterminate) <= set(values):
            raise ValueError("an indeterminate rating is not a category")
        return self


class Covariate(Document):
    """A column that ``cases`` deliver beside the ones every site has."""

    name: Name
    title: Text
    type: Literal["string", "int", "float", "bool"]
