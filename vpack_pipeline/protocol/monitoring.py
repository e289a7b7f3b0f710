"""How the index test is watched, and what keeps a patient from being recognised.

What does not belong here: what a monitor computes (``core.drift``).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from vpack_pipeline.document import (
    Document,
    Name,
    Text,
    Window,
    refuse_repeated,
)

SMALLEST_GROUP: Final = 5
"""The smallest group that any protocol may state."""


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

    smallest_group: Annotated[int, Field(ge=SMALLEST_GROUP, le=1000)] = 11
    """The fewest patients that a printed level describes; a level of nobody folds too."""
    technical: tuple[Name, ...] = ()
    """Covariates that describe no person, so that their levels are printed as they are."""
    date_granularity: Literal["day", "month", "quarter", "year"] = "month"
    """The finest period that people are watched by: no window of monitoring is shorter."""
    age_top_code: Annotated[int, Field(ge=60, le=120)] = 90
    """Ages from here on are one printed level, in years."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeated(self.technical)
        return self
