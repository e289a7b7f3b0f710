"""Whom the set holds: eligibility rules, sampling, the profile that is compared.

What does not belong here: how a rule is compiled (``core.eligibility``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from vpack_pipeline.document import (
    Document,
    Name,
    Text,
    refuse_repeated,
)


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
    fraction: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """None: not known. 0: none was taken, so that no figure speaks for the stratum."""


class Sampling(Document):
    """How cases were drawn from those that occurred."""

    method: Literal["consecutive", "random", "convenience"]
    strata: tuple[Stratum, ...] = ()
    """Empty: everything was taken."""
    depends_on: tuple[Literal["label", "score", "covariates"], ...] = ()
    finding: Name | None = None
    """Whose label or score the draw depended on; where the study has one finding, it is that."""
    note: Text | None = None

    @model_validator(mode="after")
    def _each_stratum_once(self) -> Self:
        refuse_repeated([stratum.name for stratum in self.strata])
        return self

    @property
    def retrospective(self) -> Sampling:
        """How cases of the retrospective window were drawn: as all were."""
        return self

    @property
    def prospective(self) -> Sampling:
        """How cases of the prospective window are drawn: as all are."""
        return self

    @property
    def by_window(self) -> Mapping[str, Sampling]:
        """The draw of each window."""
        return {"retrospective": self, "prospective": self}


class SamplingByWindow(Document):
    """How cases of each window are drawn, where one is drawn otherwise than the other."""

    retrospective: Sampling
    prospective: Sampling

    @property
    def by_window(self) -> Mapping[str, Sampling]:
        """The draw of each window."""
        return {"retrospective": self.retrospective, "prospective": self.prospective}


def _is_by_window(value: object) -> Literal["by_window", "one"]:
    if isinstance(value, dict):
        return "by_window" if value.keys() & SamplingByWindow.model_fields.keys() else "one"
    return "by_window" if isinstance(value, SamplingByWindow) else "one"


AnySampling = Annotated[
    Annotated[Sampling, Tag("one")] | Annotated[SamplingByWindow, Tag("by_window")],
    Discriminator(_is_by_window),
]
"""One draw of all cases, or one of each window; either has both windows."""


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


class FindingDetail(Variable):
    """What reads or reference labels say of a finding beside it, such as its size or its site.

    Errors are shown by it (``evaluation/errors``); no label rests on it.
    """

    source: Literal["reads", "reference"]
    """The input that delivers the column."""


class Representativeness(Document):
    """What is profiled, and how distance to the target is measured."""

    variables: Annotated[tuple[Variable, ...], Field(min_length=1)]
    also_profiled: tuple[Variable, ...] = ()
    """What Table 1 shows beside them: other covariates, or default fields in other bins. The target
    does not state them."""
    not_profiled: tuple[Name, ...] = ()
    """What Table 1 shows by default and is left out: age, sex, flags, fields of the acquisition."""
    joint: tuple[Annotated[tuple[Name, ...], Field(min_length=2)], ...] = ()
    """Names of variables that are described together, list by list; without it each is alone."""
    distances: Annotated[tuple[Name, ...], Field(min_length=1)] = ("smd", "jensen_shannon")
    transport: tuple[Name, ...] = ()
    """Names of variables whose cells figures are carried to a target by; without it the setting and
    the machine, where they are profiled."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeated([v.name for v in (*self.variables, *self.also_profiled)])
        for names in self.joint:
            refuse_repeated(names)
        refuse_repeated([" ".join(sorted(names)) for names in self.joint])
        refuse_repeated(self.transport)
        return self
