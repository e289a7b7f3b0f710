"""The study as prespecified: identical at every site, versioned, its digest in every pack.

What does not belong here: anything that a site refills (``site``), and what a name in a registry
does (``core``); ``study.load`` resolves those names.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from vpack_pipeline.document import (
    Days,
    Document,
    Identifier,
    Name,
    Share,
    Text,
    Window,
    Zoned,
)

ReferenceSource = Literal["pathology", "follow_up", "registry"]
EvidenceKind = Literal[
    "retrospective", "temporal", "silent_prospective", "live_observational", "comparative"
]


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


class Rule(Document):
    """One eligibility rule, applied in order."""

    id: Name
    title: Text
    kind: Literal["include", "exclude"]
    """``include`` keeps units for which ``when`` is true, ``exclude`` removes them."""
    level: Literal["patient", "study", "case"]
    when: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    """A SQL boolean over the columns of the level's view."""
    if_unknown: Literal["include", "exclude", "stop"]
    """What happens to a unit for which ``when`` is null. There is no default."""
    partition: Literal["before", "after"] = "before"
    """Applied before or after the set was partitioned."""
    decided_at: date
    blind_to: tuple[Literal["scores", "labels", "reads"], ...] = ()
    """What those who set the rule had not seen."""
    rationale: Text


class Eligibility(Document):
    """Ordered inclusion and exclusion rules."""

    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        if len({r.id for r in self.rules}) != len(self.rules):
            raise ValueError("rule ids repeat")
        return self

    @property
    def rules_json(self) -> str:
        """The rules as JSON text: how a SQL model is given a list."""
        return json.dumps([r.model_dump(mode="json") for r in self.rules], sort_keys=True)


class Stratum(Document):
    """A sampling stratum and the share of it that was taken."""

    name: Text
    fraction: Annotated[float, Field(gt=0.0, le=1.0)]


class Sampling(Document):
    """How cases were drawn from those that occurred."""

    method: Literal["consecutive", "random", "convenience"]
    strata: tuple[Stratum, ...] = ()
    """Empty: everything was taken."""
    depends_on: tuple[Literal["label", "score", "covariates"], ...] = ()
    note: Text | None = None


class Variable(Document):
    """A variable of the profile: a column of the case view or a covariate."""

    name: Name
    title: Text
    kind: Literal["categorical", "numeric"]
    edges: tuple[float, ...] = ()
    """Numeric: rising inner bin edges; a bin holds its lower edge."""
    levels: tuple[Text, ...] = ()
    """Categorical: the levels printed; all others are ``other``."""

    @model_validator(mode="after")
    def _binned(self) -> Self:
        if self.kind == "numeric" and not self.edges:
            raise ValueError("a numeric variable needs edges")
        if self.kind == "categorical" and not self.levels:
            raise ValueError("a categorical variable needs levels")
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must rise without repeats")
        return self


class Representativeness(Document):
    """What is profiled, and how distance to the target is measured."""

    variables: Annotated[tuple[Variable, ...], Field(min_length=1)]
    distances: Annotated[tuple[Name, ...], Field(min_length=1)] = ("smd", "jensen_shannon")


class Floor(Document):
    """An agreement that was asked for beforehand; missing it is printed and closes nothing."""

    statistic: Name
    value: float


class Adjudication(Document):
    """How reads become a reference standard."""

    precedence: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Rules in order; the first that decides a case gives its label."""
    reference_sources: tuple[ReferenceSource, ...] = ()
    """Independent sources in order of trust."""
    minimum_readers: Annotated[int, Field(ge=1)]
    """Independent reads that a case needs before a panel rule may decide it."""
    quorum: Annotated[int, Field(ge=1)]
    """Concurring reads that a majority needs."""
    vote: Literal["cut_then_vote", "median_then_cut"] = "cut_then_vote"
    indeterminate_counts_to_quorum: bool
    indeterminate_policy: Literal["undecided", "indeterminate"]
    """What a case is whose deciding reads are indeterminate."""
    non_diagnostic_policy: Literal["drop_read", "undecided"]
    """A non-diagnostic read is left out, or leaves the case undecided."""
    blind_to_index_test: bool
    blind_to_peers: bool
    blinding_note: Text | None = None
    floor: Floor | None = None
    follow_up_minimum_days: Days
    """A negative follow-up counts after this many days."""
    verification_tolerance: Share
    """Largest tolerated difference of verified shares between index-test results."""

    @property
    def label_sources(self) -> tuple[str, ...]:
        """Where a label may come from, by this rule: independent sources and the panel."""
        is_independent = "independent_reference" in self.precedence
        found: tuple[str, ...] = self.reference_sources if is_independent else ()
        return found if set(self.precedence) == {"independent_reference"} else (*found, "panel")


class OperatingPoint(Document):
    """A threshold on the index test's output, fixed before evaluation."""

    name: Name
    title: Text
    finding: Name
    model: Identifier
    threshold: float
    """Positive at or beyond this score, in the direction of ``output.higher_is``."""
    fixed_at: Zoned
    primary: bool = False


class Endpoint(Document):
    """A claim with a goal that its confidence bound must clear."""

    id: Name
    title: Text
    estimand: Text
    """In words: population, unit, index test, reference standard, how failures count."""
    metric: Literal["auc", "sensitivity", "specificity", "ppv", "npv"]
    finding: Name
    window: Literal["retrospective", "prospective"]
    operating_point: Name | None = None
    rank: Literal["primary", "secondary"]
    comparison: Literal["absolute", "non_inferiority"] = "absolute"
    goal: Share | None = None
    """Absolute: the lower confidence bound must lie above."""
    margin: Share | None = None
    """Non-inferiority of prospective to retrospective: largest loss; it has no default."""
    margin_rationale: Text | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.comparison == "absolute" and self.goal is None:
            raise ValueError("an absolute endpoint needs a goal")
        if self.comparison == "non_inferiority":
            if self.margin is None or self.margin_rationale is None:
                raise ValueError("non-inferiority needs margin and margin_rationale")
            if self.rank == "primary":
                raise ValueError("the primary claim is against an absolute goal")
        if self.metric != "auc" and self.operating_point is None:
            raise ValueError(f"{self.metric} needs an operating_point")
        return self


class Look(Document):
    """A data cut at which a prospective verdict is given."""

    cut: date
    alpha: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Share of the two-sided alpha spent here."""


class Subgroups(Document):
    """Strata of a subgroup analysis."""

    variables: tuple[Name, ...]
    """Names of representativeness variables."""
    minimum_positives: Annotated[int, Field(ge=2)] = 10
    minimum_negatives: Annotated[int, Field(ge=2)] = 10


class Interval(Document):
    """How confidence intervals are made."""

    level: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    cluster: Literal["patient"] = "patient"


class Evaluation(Document):
    """Windows, operating points, endpoints and looks."""

    retrospective: Window
    prospective: Window
    maturity: dict[Literal["panel", "pathology", "follow_up", "registry"], Days]
    """Days after the index date by which a label of this source is to be had."""
    operating_points: tuple[OperatingPoint, ...]
    endpoints: Annotated[tuple[Endpoint, ...], Field(min_length=1)]
    looks: Annotated[tuple[Look, ...], Field(min_length=1)]
    subgroups: Subgroups
    interval: Interval = Interval()
    replicates: Annotated[int, Field(ge=200, le=20_000)] = 2000
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.prospective.start <= self.retrospective.end:
            raise ValueError("the prospective window must start after the retrospective one ends")
        if sum(look.alpha for look in self.looks) > 1 - self.interval.level + 1e-9:
            raise ValueError("looks spend more alpha than the interval level leaves")
        cuts = [look.cut for look in self.looks]
        if cuts != sorted(set(cuts)):
            raise ValueError("looks must rise without repeats")
        names = [p.name for p in self.operating_points]
        if len(set(names)) != len(names):
            raise ValueError("operating point names repeat")
        return self


class Monitor(Document):
    """One thing watched after deployment."""

    name: Name
    title: Text
    statistic: Name
    """A name of ``core.drift.MONITORS``."""
    layer: Literal[
        "input", "acquisition", "population", "output", "proxy", "operations", "truth_audit"
    ]
    variable: Name | None = None
    """A column of the case view, a covariate, ``score``, ``call`` or ``failure``."""
    finding: Name | None = None
    bins: Annotated[int, Field(ge=2, le=50)] = 10
    level: Literal["L1", "L2", "L3"] = "L2"
    """The escalation level that an action signal starts."""
    sees: Text
    """What this monitor can see."""
    blind_to: Text
    """What it cannot see."""


class Escalation(Document):
    """A level of response."""

    level: Literal["L0", "L1", "L2", "L3", "L4"]
    title: Text
    owner: Text
    response: Text
    """How soon, in words such as ``1 working day``."""
    action: Text
    closes_with: Text
    """The evidence that closes it, and what lets the index test restart."""


class FalseAlarms(Document):
    """What the whole plan may cry without cause."""

    warnings_per_quarter: Annotated[float, Field(gt=0)] = 1.0
    actions_per_two_years: Annotated[float, Field(gt=0)] = 1.0


class Drift(Document):
    """The plan by which the index test is watched."""

    monitors: Annotated[tuple[Monitor, ...], Field(min_length=1)]
    reference: Window
    """Index dates that the baseline is made from."""
    window_days: Annotated[int, Field(ge=1, le=366)]
    cadence_days: Annotated[int, Field(ge=1, le=366)]
    minimum_cases: Annotated[int, Field(ge=1)] = 50
    """A window with fewer cases gives no signal and says so."""
    false_alarms: FalseAlarms = FalseAlarms()
    minimum_detectable_change: Annotated[float, Field(gt=0)]
    """The shift, in the monitor's own terms, whose detection power is printed."""
    escalation: Annotated[tuple[Escalation, ...], Field(min_length=1)]
    live_evidence: Text
    """Where live evidence will be found."""
    replicates: Annotated[int, Field(ge=200, le=20_000)] = 1000
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        if len({m.name for m in self.monitors}) != len(self.monitors):
            raise ValueError("monitor names repeat")
        return self


class Disclosure(Document):
    """What keeps a patient from being recognised in a pack."""

    smallest_cell: Annotated[int, Field(ge=1, le=1000)] = 11
    date_granularity: Literal["month", "quarter", "year"] = "month"
    age_top_code: Annotated[int, Field(ge=60, le=120)] = 90


class Protocol(Document):
    """The whole study; its top-level keys are the blocks that contracts name."""

    id: Identifier
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+){0,2}\z")]
    about: About
    index_test: IndexTest
    findings: Annotated[tuple[Finding, ...], Field(min_length=1)]
    unit_of_analysis: Literal["patient", "study", "breast", "lesion"]
    """What a case is; the patient is the cluster, always."""
    covariates: tuple[Covariate, ...] = ()
    eligibility: Eligibility
    sampling: Sampling
    representativeness: Representativeness
    adjudication: Adjudication
    evaluation: Evaluation
    drift: Drift
    disclosure: Disclosure = Disclosure()

    @property
    def reference(self) -> str:
        """``id@version``, as a site names it."""
        return f"{self.id}@{self.version}"

    @property
    def digest(self) -> str:
        """sha256 over the canonical form."""
        return digest_of(self.model_dump(mode="json"))


def digest_of(value: Any) -> str:
    """Digest plain data by its canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
