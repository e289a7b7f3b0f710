"""What is taken as correct and what is claimed: adjudication, windows, endpoints, looks.

What does not belong here: how a figure is computed (``core``).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vpack_pipeline.document import (
    Days,
    Document,
    Identifier,
    Name,
    Share,
    Text,
    Window,
    Zoned,
    refuse_repeated,
)

ReferenceSource = Literal["pathology", "follow_up", "registry"]
ChosenOn = Literal["development", "earlier_study", "no_data", "retrospective", "prospective"]


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
    """A negative follow-up counts after this many days, where its finding states no time."""
    verification_tolerance: Share
    """Largest tolerated difference, between index-test results, of shares verified or labelled."""
    labelled_minimum: Share = 0.8
    """Smallest share of completed inferences with a decided label for which the figure among them
    may be the headline."""

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
    chosen_on: tuple[ChosenOn, ...] = ()
    """Data that it was chosen on: of training and tuning, of an earlier study, of a window of this
    one; ``no_data``: by judgement alone. Where none is named, a rule of conduct is broken."""
    primary: bool = False


class Information(Document):
    """Patients of whom the figure of an endpoint is made, in one window, once all are in.

    A metric uses one or two of these classes: ``auc`` positives and negatives, ``sensitivity``
    positives, ``specificity`` negatives, ``ppv`` flagged, ``npv`` cleared.
    """

    positives: Annotated[int, Field(ge=1)] | None = None
    """Patients with a reference-positive case."""
    negatives: Annotated[int, Field(ge=1)] | None = None
    """Patients with a reference-negative case."""
    flagged: Annotated[int, Field(ge=1)] | None = None
    """Patients with a flagged case whose label is decided."""
    cleared: Annotated[int, Field(ge=1)] | None = None
    """Patients with a case that is not flagged and whose label is decided."""


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
    information_max: Information | None = None
    """Patients planned for the endpoint's window, which earlier looks are a share of; needed where
    there are several looks."""
    information_max_retrospective: Information | None = None
    """The same of the retrospective window; for non-inferiority alone."""

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

    @property
    def windows(self) -> tuple[str, ...]:
        """The windows whose cases it is judged on."""
        is_difference = self.comparison == "non_inferiority"
        return ("retrospective", "prospective") if is_difference else (self.window,)


class Look(Document):
    """A data cut at which a prospective verdict is given."""

    cut: date
    information: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Share of the planned information that is expected here, for the plan in words; what is spent
    follows from what is observed. The last look is taken as 1."""


class StatedPrevalence(Document):
    """How frequent a finding is where the index test is to be used, and who says so."""

    finding: Name
    prevalence: Annotated[float, Field(gt=0.0, lt=1.0)]
    source: Text
    """A registry, a publication, the site's own counts: nobody's guess."""


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


Several = Literal["all_must_be_met", "fixed_sequence", "holm"]


class Evaluation(Document):
    """Windows, operating points, endpoints and looks."""

    retrospective: Window
    prospective: Window
    maturity: dict[Literal["panel", "pathology", "follow_up", "registry"], Days]
    """Days after the index date by which a label of this source is to be had."""
    operating_points: tuple[OperatingPoint, ...]
    endpoints: Annotated[tuple[Endpoint, ...], Field(min_length=1)]
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.025
    """One-sided error: of all primary endpoints together, over all looks; and of each secondary one
    by itself."""
    several_endpoints: Several | None = None
    """How primary endpoints are judged together; needed where there are several. A fixed sequence
    is tested in the order in which they stand."""
    minimum_patients: Annotated[int, Field(ge=2)] = 10
    """Fewest patients in each class and window that an endpoint uses, for it to be met or not."""
    looks: Annotated[tuple[Look, ...], Field(min_length=1)]
    subgroups: Subgroups
    interval: Interval = Interval()
    replicates: Annotated[int, Field(ge=200, le=20_000)] = 2000
    seed: Annotated[int, Field(ge=0)]
    stated_prevalence: tuple[StatedPrevalence, ...] = ()
    """Of a finding, one for which predictive values and net benefit are given beside the set's."""

    @property
    def primary_endpoints(self) -> tuple[Endpoint, ...]:
        """Endpoints of rank primary, in order."""
        return tuple(e for e in self.endpoints if e.rank == "primary")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.prospective.start <= self.retrospective.end:
            raise ValueError("the prospective window must start after the retrospective one ends")
        cuts = [look.cut for look in self.looks]
        if cuts != sorted(set(cuts)):
            raise ValueError("looks must rise without repeats: put their cuts in order")
        names = [p.name for p in self.operating_points]
        if len(set(names)) != len(names):
            raise ValueError("operating point names repeat")
        refuse_repeated([stated.finding for stated in self.stated_prevalence])
        return self
