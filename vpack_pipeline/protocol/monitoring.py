"""How the index test is watched, and what keeps a patient from being recognised.

What does not belong here: what a monitor computes (``core.drift``).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vpack_pipeline.document import (
    Document,
    Name,
    Text,
    Window,
)


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
