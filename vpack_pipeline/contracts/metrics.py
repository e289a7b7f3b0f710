"""What each figure is: every metric of every table, declared once in ``metrics.yaml``.

The order of the file is the order of print. A figure without a declaration can neither be given
(``core.figures``) nor pass the gate. What does not belong here: how a figure is computed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from vpack_pipeline.document import Document, Text, refuse_repeated
from vpack_pipeline.errors import ContractError
from vpack_pipeline.strict_yaml import validate

FILE: Final = "contracts/metrics.yaml"
Kind = Literal["count", "share", "coefficient", "difference", "score"]
Condition = Literal["label", "score", "nothing", "sample"]
RANGES: Final[Mapping[Kind, tuple[float | None, float | None]]] = {
    "count": (0.0, None),
    "share": (0.0, 1.0),
    "coefficient": (-1.0, 1.0),
    "difference": (-1.0, 1.0),
    "score": (None, None),
}
"""The lowest and highest value of each kind; None: without limit."""
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


class Metric(Document):
    """One figure, or a family of figures that differ in one parameter of their name."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+=?(\{[a-z]+\})?\z")]
    """A family has its parameter in braces, as ``path_{method}``."""
    title: Text
    """Its name in print."""
    titles: dict[str, Text] = {}
    """Its name in print in one table, where it means less there."""
    kind: Kind
    conditional_on: Condition | None = None
    """What a figure of the evaluation, or of agreement, is given of: cases of one label, cases of
    one score or call, or all cases. So it says which ways of drawing cases leave it as it is
    (``core.sampling``). ``sample``: it describes the cases that are there, and estimates
    nothing beyond them; so does every count, whatever it says.
    """
    unit: Text | None = None
    """Of a score or a count of something else than cases."""
    range: tuple[float | None, float | None] | None = None
    """Lowest and highest value, where they are not those of the kind."""
    n: Text | None = None
    """What the denominator counts."""
    events: Text | None = None
    """What the numerator counts."""
    meaning: Text
    source: Text = "by definition"
    """The paper or standard of the method."""
    tables: Annotated[tuple[str, ...], Field(min_length=1)]
    plain: Text | None = None
    """What it says, for those who do not work with it."""
    values: dict[str, Text] = {}
    """Of a family: what its parameter may be, with its words; without them the protocol says it."""

    @property
    def parameter(self) -> str | None:
        """The parameter of a family."""
        found = _PARAMETER.search(self.name)
        return found[1] if found else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it stands for; none of a family whose values the protocol says."""
        if self.parameter is None:
            return (self.name,)
        return tuple(_PARAMETER.sub(value, self.name) for value in self.values)

    @property
    def prefix(self) -> str | None:
        """What the names of a family begin with whose values the protocol says."""
        is_open = self.parameter is not None and not self.values
        return _PARAMETER.sub("", self.name) if is_open else None

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """The lowest and the highest value that an estimate may have."""
        return RANGES[self.kind] if self.range is None else self.range

    def json_schema(self) -> list[dict[str, str]]:
        """Describe each of its names, as the alternatives of a JSON schema."""
        told = {"description": self.meaning, "kind": self.kind}
        if self.prefix is not None:
            return [{"pattern": f"^{re.escape(self.prefix)}.+$", "title": self.title, **told}]
        return [{"const": name, "title": self.title_of(name), **told} for name in self.names]

    def title_of(self, name: str) -> str:
        """Name one of its figures in print."""
        if self.parameter is None:
            return self.title
        value = name.removeprefix(_PARAMETER.sub("", self.name))
        return _PARAMETER.sub(self.values.get(value, value), self.title)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.values and self.parameter is None:
            raise ValueError(f"{self.name} has values and no parameter")
        if self.parameter is not None and f"{{{self.parameter}}}" not in self.title:
            raise ValueError(f"the title of {self.name} does not name {{{self.parameter}}}")
        unknown = sorted(set(self.titles) - set(self.tables))
        if unknown:
            raise ValueError(f"{self.name} has a title in {unknown}, where it does not stand")
        return self


class _File(Document):
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeated([name for m in self.metrics for name in m.names or (m.name,)])
        return self


@functools.cache
def load() -> tuple[Metric, ...]:
    """Load every metric, in the order of print.

    Raises
    ------
    DocumentError
        The file does not fit its model.
    """
    text = (resources.files("vpack_pipeline.contracts") / "metrics.yaml").read_text("utf-8")
    return validate(text, FILE, _File).metrics


@functools.cache
def of(asset: str) -> tuple[Metric, ...]:
    """Give the metrics that a table may hold, in the order of print."""
    return tuple(m for m in load() if asset in m.tables)


def family(name: str) -> Metric:
    """Find a family by its name with the parameter in braces, as ``path_{method}``."""
    return next(m for m in load() if m.name == name)


@functools.cache
def condition_of(name: str) -> Condition:
    """Say what a figure is conditional on.

    Raises
    ------
    ContractError
        No figure of that name says so.
    """
    for metric in load():
        if name in metric.names and metric.conditional_on is not None:
            return metric.conditional_on
    raise ContractError(f"{name} does not say what it is conditional on; declare it in {FILE}")


@functools.cache
def _by_name(asset: str) -> Mapping[str, Metric]:
    return {name: m for m in of(asset) for name in m.names}


def find(asset: str, name: str) -> Metric:
    """Find the declaration of a figure of a table.

    Raises
    ------
    ContractError
        Nothing of that name is declared for the table.
    """
    known = _by_name(asset).get(name)
    if known is not None:
        return known
    for metric in of(asset):
        if metric.prefix is not None and name.startswith(metric.prefix):
            return metric
    raise ContractError(f"{asset}: {name} is no metric of this table; declare it in {FILE}")
