"""What each table is and what must hold of it: one YAML a table, loaded and linted here.

From a contract come the structural expectations of the gate, Dagster's column schema, the JSON
schemas in the pack, sqlglot's schema and the documentation: one source, no copies. What a column
means is said once for all tables (``fields``, ``header_fields``), what a figure is as well
(``metrics``).
What does not belong here: how a table is computed, or how an expectation is run (``gate``).
"""

from __future__ import annotations

import functools
import graphlib
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any, Final, Literal, Self, TypeVar

import polars as pl
from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from vpack_pipeline.contracts import codes, fields, header_fields, metrics
from vpack_pipeline.contracts.fields import ColumnType, Level
from vpack_pipeline.contracts.header_columns import with_header_fields
from vpack_pipeline.contracts.shapes import (
    CODES,
    DETAIL,
    FIGURE,
    METRIC,
    REASON,
    in_order,
    with_figure,
)
from vpack_pipeline.document import Document, Name, Text, digest_of
from vpack_pipeline.errors import ContractError, DocumentError
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.sections import SECTIONS, UPSTREAM
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import validate

COMPILER: Final = "vpack_pipeline.core.eligibility:compile_flags"
"""What makes a generated table's model from the protocol."""
POLARS_TYPES: Final[Mapping[str, Any]] = {
    "string": pl.String,
    "int": pl.Int64,
    "float": pl.Float64,
    "bool": pl.Boolean,
    "date": pl.Date,
    "timestamp": pl.Datetime("us", "UTC"),
}
DUCKDB_TYPES: Final[Mapping[str, str]] = {
    "string": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}
JSON_TYPES: Final[Mapping[str, dict[str, str]]] = {
    "string": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
}

Table = TypeVar("Table")
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+/[a-z_]+\z")]


class Column(Document):
    """One column: its type, whether null may occur, what it means, who may see it.

    What its field in ``fields.yaml`` says, and what the contract says of it beside.
    """

    name: Name
    type: ColumnType
    null: bool
    description: Text
    unit: Text | None = None
    level: Level
    """Whether it is of one patient, reader, image or file, and stays at the site."""
    held_by: Name | None = None
    """The expectation of substance that refuses null here, for many columns at once."""


class Expectation(Document):
    """An expectation of substance; structure is derived from columns and key."""

    id: Name
    type: Name
    """A Great Expectations type, or ``unexpected_rows``."""
    kwargs: dict[str, Any]
    severity: Literal["critical", "warning"]
    why: Text
    may_be_vacuous: Text | None = None
    """Why it may meet no value (all null, or no row fits its condition); else that closes."""


class Contract(Document):
    """What a table is and what must hold of it."""

    asset: TableName
    description: Text
    grain: Text
    key: Annotated[tuple[Name, ...], Field(min_length=1)]
    may_be_empty: Text | None
    rows_vary: Text | None = None
    """Of a table of figures: why its rows are not those of every site under the protocol."""
    export: bool = False
    chapter: Name | None = None
    """The chapter of the report that shows it, where that is not its section's."""
    bucket: Name | None = None
    """A date column: the table is one file for each of its months, each in the key's order."""
    split_by: Name | None = None
    """A column of the key and of every input: a large model runs over some of its values at a time,
    which must change no row."""
    computed_by: Literal["core", "sql", "io", "generated"]
    shape: Literal["figure"] | None = None
    """What its columns and expectations begin with, as ``shapes`` has it."""
    inputs: dict[Name, TableName] = {}
    reads_exported: bool = False
    """Every table that travels is an input, as ``section__table``, before those written out."""
    inputs_part: Literal["table", "quarantine"] = "table"
    protocol: tuple[Name, ...] = ()
    site: tuple[Name, ...] = ()
    parameters: dict[Name, Text] = {}
    uses_cut: bool = False
    outside: tuple[Name, ...] = ()
    columns: Annotated[
        tuple[Annotated[Column, BeforeValidator(fields.joined)], ...], Field(min_length=1)
    ]
    expectations: tuple[Expectation, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _with_shape(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return with_figure(given) if given.get("shape") == FIGURE else with_header_fields(given)

    @field_validator("columns")
    @classmethod
    def _in_order(cls, columns: tuple[Column, ...], info: ValidationInfo) -> tuple[Column, ...]:
        if info.data.get("shape") is None:
            return columns
        by_name = {c.name: c for c in columns}
        return tuple(by_name[name] for name in in_order(list(by_name), info.data.get("key", ())))

    @property
    def section(self) -> str:
        """The section's name."""
        return self.asset.partition("/")[0]

    @property
    def table(self) -> str:
        """The table's name within its section."""
        return self.asset.partition("/")[2]

    @property
    def package(self) -> str | None:
        """The package that gives the function of the table's name; None for a model."""
        if self.computed_by in {"sql", "generated"}:
            return None
        section = "packs" if self.section == "pack" and self.computed_by == "io" else self.section
        return f"vpack_pipeline.{self.computed_by}.{section}"

    @property
    def digest(self) -> str:
        """sha256 over the canonical form."""
        return digest_of(self.model_dump(mode="json"))

    @property
    def computing(self) -> dict[str, Any]:
        """What decides the table itself: how it is computed and written, no words, no checks."""
        named = {"asset", "key", "bucket", "computed_by", "inputs", "inputs_part"}
        given = {"protocol", "site", "parameters", "uses_cut", "outside"}
        columns = [(c.name, c.type, c.null) for c in self.columns]
        return self.model_dump(mode="json", include=named | given) | {"columns": columns}

    @property
    def polars_schema(self) -> dict[str, Any]:
        """Polars types by column, in order."""
        return {c.name: POLARS_TYPES[c.type] for c in self.columns}

    def column(self, name: str) -> Column:
        """Find a column by name."""
        return next(c for c in self.columns if c.name == name)

    def json_schema(self) -> dict[str, Any]:
        """Describe one row of the exported table as JSON schema."""
        properties: dict[str, Any] = {}
        for c in self.columns:
            entry: dict[str, Any] = {**JSON_TYPES[c.type], "description": c.description}
            if c.null:
                entry["type"] = [entry["type"], "null"]
            properties[c.name] = entry | ({"unit": c.unit} if c.unit else {})
        if DETAIL in properties:
            for name in CODES.keys() & properties.keys():
                properties[name] |= codes.json_schema(CODES[name], is_one=name == REASON)
            properties[DETAIL]["contentMediaType"] = "application/json"
        if self.shape == FIGURE:
            declared = [m for metric in metrics.of(self.asset) for m in metric.json_schema()]
            properties[METRIC]["oneOf"] = declared
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.asset,
            "description": f"{self.description} Grain: {self.grain}.",
            "type": "object",
            "properties": properties,
            "required": [c.name for c in self.columns],
            "additionalProperties": False,
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*_column_problems(self), *_block_problems(self), *_expectation_problems(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _column_problems(contract: Contract) -> list[str]:
    names = [c.name for c in contract.columns]
    found = [f"column {n} repeats" for n in set(names) if names.count(n) > 1]
    found += [f"key {k} is no column" for k in contract.key if k not in names]
    found += [
        f"key {c.name} may be null" for c in contract.columns if c.name in contract.key and c.null
    ]
    if contract.bucket not in {None, *(c.name for c in contract.columns if c.type == "date")}:
        found.append(f"bucket {contract.bucket} is no column of dates")
    if contract.split_by is not None and (
        contract.computed_by != "sql" or contract.split_by not in contract.key
    ):
        found.append(f"split_by {contract.split_by} is no key of a model")
    if contract.export:
        found += [f"{c.name} is row-level" for c in contract.columns if c.level == "row"]
    return found


def _block_problems(contract: Contract) -> list[str]:
    found = [f"no protocol block {b}" for b in contract.protocol if b not in Protocol.model_fields]
    found += [f"no site block {b}" for b in contract.site if b not in Site.model_fields]
    # A function at the edge is given its blocks within ``edge``, not as arguments.
    blocks = () if contract.computed_by == "io" else (*contract.protocol, *contract.site)
    outside = () if contract.computed_by == "io" else contract.outside
    arguments = [*contract.inputs, *blocks, *outside]
    found += [f"argument {a} repeats" for a in set(arguments) if arguments.count(a) > 1]
    if contract.computed_by in {"sql", "generated"} and contract.inputs:
        found.append("a model's inputs come from its SQL")
    return found


def _expectation_problems(contract: Contract) -> list[str]:
    ids = [e.id for e in contract.expectations]
    names = {c.name for c in contract.columns}
    found = [f"expectation {i} repeats" for i in set(ids) if ids.count(i) > 1]
    for e in contract.expectations:
        column = e.kwargs.get("column")
        if column is not None and column not in names:
            found.append(f"expectation {e.id}: {column} is no column")
    found += [
        f"column {c.name}: held by {c.held_by}, which is no expectation"
        for c in contract.columns
        if c.held_by is not None and c.held_by not in ids
    ]
    return found


@functools.cache
def load() -> Mapping[str, Contract]:
    """Load every contract of the package, by asset.

    Raises
    ------
    ContractError
        A contract does not fit its model, or its section is unknown.
    """
    found: dict[str, Contract] = {}
    root = resources.files(__name__)
    for section in SECTIONS:
        folder = root / section
        if not folder.is_dir():
            continue
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            is_contract = f"contracts/{section}/{entry.name}" != header_fields.FILE
            if is_contract and entry.name.endswith(".yaml"):
                contract = _load_one(section, entry.name, entry.read_text(encoding="utf-8"))
                found[contract.asset] = contract
    travelling = {asset.replace("/", "__"): asset for asset in exported(found, found)}
    return {
        asset: contract.model_copy(update={"inputs": travelling | contract.inputs})
        if contract.reads_exported
        else contract
        for asset, contract in found.items()
    }


def exported(tables: Mapping[str, Table], known: Mapping[str, Contract]) -> dict[str, Table]:
    """Keep what travels in a pack, by asset: a contract's ``export`` alone says so.

    >>> sorted(exported({"drift/plan": 1, "cohort/reads": 2}, load()))
    ['drift/plan']
    """
    return {asset: table for asset, table in tables.items() if known[asset].export}


def _load_one(section: str, file: str, text: str) -> Contract:
    asset = f"{section}/{file.removesuffix('.yaml')}"
    name = f"contracts/{section}/{file}"
    try:
        return validate(f"{text}\nasset: {asset}\n", name, Contract)
    except DocumentError as error:
        raise ContractError(str(error)) from None


def conform(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Hold a computed frame to its contract: exact columns, types and the key's order.

    Raises
    ------
    ContractError
        Columns are missing, surplus or of another type.
    """
    if list(frame.columns) != list(contract.polars_schema):
        missing = sorted(set(contract.polars_schema) - set(frame.columns))
        surplus = sorted(set(frame.columns) - set(contract.polars_schema))
        raise ContractError(
            f"{contract.asset}: columns differ from the contract"
            f" (missing {missing}, surplus {surplus}, or another order)"
        )
    wrong = [n for n, t in contract.polars_schema.items() if frame.schema[n] not in (t, pl.Null)]
    if wrong:
        raise ContractError(f"{contract.asset}: columns {wrong} are not of the contract's type")
    types: Any = contract.polars_schema
    return frame.cast(types).sort(contract.key, maintain_order=True)


def eligibility_views() -> dict[str, dict[str, str]]:
    """Give the columns, with their types, that rules of each level may read."""
    known = load()
    tables = {"patient": "patients", "study": "studies", "case": "cases"}
    return {
        level: {c.name: c.type for c in known[f"eligibility/{table}"].columns}
        for level, table in tables.items()
    }


def order(dependencies: Mapping[str, frozenset[str]]) -> list[str]:
    """Order tables so that each comes after its inputs, sections first, then by name.

    Raises
    ------
    ContractError
        A missing input, a cycle, or an arrow against the order of sections.
    """
    problems = [
        f"{asset}: input {name} has no contract"
        for asset, names in dependencies.items()
        for name in sorted(names)
        if name not in dependencies
    ]
    problems += [
        f"{asset}: may not read {name}: {name.partition('/')[0]} is not upstream"
        for asset, names in dependencies.items()
        for name in sorted(names)
        if not _may_read(asset, name)
    ]
    if problems:
        raise ContractError("\n".join(problems))
    sorter = graphlib.TopologicalSorter(
        {asset: sorted(names) for asset, names in sorted(dependencies.items())}
    )
    try:
        return list(sorter.static_order())
    except graphlib.CycleError as error:
        raise ContractError(f"tables form a cycle: {' → '.join(error.args[1])}") from None


def _may_read(asset: str, name: str) -> bool:
    section, other = asset.partition("/")[0], name.partition("/")[0]
    return other == section or other in UPSTREAM[section]
