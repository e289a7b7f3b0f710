"""The exported tables of a pack, read with their contracts: columns, types, nulls, key, codes.

What does not belong here: expectations of substance, which a gate asked at the site (receipts tell
of them), and how cells stand in print (``figures``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.pack_format import cells, codes, figures
from vpack_pipeline.pack_format.contents import Contents, problem
from vpack_pipeline.pack_format.documents import (
    PLAN,
    PLANNED,
    Documents,
    receipt_of,
    schema_of,
    table_of,
)

_JSON_TYPES: Final[Mapping[str, tuple[str, str | None]]] = {
    "string": ("string", None),
    "int": ("integer", None),
    "float": ("number", None),
    "bool": ("boolean", None),
    "date": ("string", "date"),
    "timestamp": ("string", "date-time"),
}
_METRIC: Final = "metric"
_FAMILY: Final = re.compile(r"\^([^\\^$.*+?{}\[\]|()]+)\.\+\$")
"""The one pattern that schemas have for metrics that the protocol names."""
_REASON: Final = "reason"


@dataclass(frozen=True, slots=True)
class Table:
    """An exported table with its values."""

    asset: str
    rows: tuple[Mapping[str, Any], ...]
    by_key: Mapping[str, Mapping[str, Any]]
    """Rows by their key as JSON."""
    is_figures: bool
    kinds: Mapping[str, tuple[str, bool]]
    """Kind of each metric, and whether its name is whole or what such names begin with."""

    def kind_of(self, row: Mapping[str, Any]) -> str | None:
        """Name the kind of a row's figure, such as ``count`` or ``share``; None of another row."""
        name = row[_METRIC] if self.is_figures else None
        if name is None:
            return None
        kind, is_whole = self.kinds.get(name, (None, False))
        if is_whole:
            return kind
        begun = [n for n, (_, is_one) in self.kinds.items() if not is_one and name.startswith(n)]
        return self.kinds[max(begun, key=len)][0] if begun else None

    def is_count(self, row: Mapping[str, Any]) -> bool:
        """Tell whether the figure of a row is a number of something."""
        return self.kind_of(row) == "count"


def read(contents: Contents, documents: Documents) -> tuple[dict[str, Table], list[Problem]]:
    """Read every exported table; give those that can be read, and what is wrong with any."""
    tables, found = {}, []
    for asset in documents.exported:
        found += list(_schema_problems(asset, documents))
        try:
            table, wrong = read_table(contents, documents, asset)
        except VerificationError as error:
            found += error.problems
            continue
        found += wrong
        if not wrong:
            tables[asset] = table
    return tables, found


def _schema_problems(asset: str, documents: Documents) -> Iterator[Problem]:
    """Hold a schema against the contract from which it was made."""
    schema, columns = documents.schemas[asset], documents.contracts[asset]["columns"]
    names = [c["name"] for c in columns]
    if (
        schema["title"] != asset
        or schema["required"] != names
        or schema["properties"].keys() != {*names}
    ):
        yield problem(schema_of(asset), "does not have the columns of the contract")
        return
    for column in columns:
        if not _is_described_so(schema["properties"][column["name"]], column):
            what = f"describes {column['name']} in another way than the contract"
            yield problem(schema_of(asset), what)


def _is_described_so(said: Mapping[str, Any], column: Mapping[str, Any]) -> bool:
    kind, form = _JSON_TYPES.get(column["type"], ("", None))
    wanted = {
        "type": [kind, "null"] if column["null"] else kind,
        "format": form,
        "description": column["description"],
        "unit": column.get("unit"),
    }
    return all(said.get(name) == value for name, value in wanted.items())


def read_table(contents: Contents, documents: Documents, asset: str) -> tuple[Table, list[Problem]]:
    """Read one exported table, and say what is wrong with it.

    Raises
    ------
    VerificationError
        The file is no CSV with the columns of the contract.
    """
    contract, schema = documents.contracts[asset], documents.schemas[asset]
    columns = contract["columns"]
    name = table_of(asset)
    texts = contents.rows(name, tuple(c["name"] for c in columns))
    found, rows = [], []
    for number, row in enumerate(texts, start=2):
        values, wrong = _values(row, columns)
        rows.append(values)
        found += [problem(name, f"line {number}: {w}") for w in wrong]
    if found:
        return Table(asset, (), {}, False, {}), found
    by_key = {figures.row_key({k: row.get(k) for k in contract["key"]}): row for row in rows}
    if len(by_key) < len(rows):
        found.append(problem(name, "two rows have the same key"))
    if not rows and contract["may_be_empty"] is None:
        found.append(problem(name, "is empty, which its contract does not allow"))
    told = documents.receipts[asset]["rows"]
    if told != len(rows):
        found.append(
            problem(receipt_of(asset), "tells of another number of rows than the table has")
        )
    is_figures = contract.get("shape") == "figure"
    kinds = _kinds(schema) if is_figures else {}
    table = Table(asset, tuple(rows), by_key, is_figures, kinds)
    found += [problem(name, f"line {n}: {w}") for n, w in _undeclared(table, kinds, schema)]
    return table, found


def _values(row: list[str], columns: list[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for text, column in zip(row, columns, strict=True):
        name, kind = column["name"], column["type"]
        is_null = text == "" and (column["null"] or kind != "string")
        if is_null and not column["null"]:
            wrong.append(f"{name} is missing")
        try:
            values[name] = None if is_null else cells.read(text, kind)
        except (ValueError, KeyError):
            wrong.append(f"{name} is not written as a {kind} of a pack")
    return values, wrong


def _kinds(schema: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """Give the kind of each metric that the schema names, and whether the name is whole."""
    found = {}
    for one in schema["properties"].get(_METRIC, {}).get("oneOf", ()):
        family = _FAMILY.fullmatch(str(one.get("pattern", "")))
        name = one.get("const") if family is None else family[1]
        found[str(name)] = (str(one.get("kind")), family is None)
    return found


def _undeclared(
    table: Table, kinds: Mapping[str, tuple[str, bool]], schema: Mapping[str, Any]
) -> Iterator[tuple[int, str]]:
    """Find rows with a metric or a reason that the schema does not name."""
    families = tuple(name for name, (_, is_one) in kinds.items() if not is_one)
    reasons = schema["properties"].get(_REASON, {}).get("enum")
    for number, row in enumerate(table.rows, start=2):
        if kinds:
            name = row[_METRIC]
            if not (name in kinds and kinds[name][1]) and not name.startswith(families):
                yield number, "its metric is not one of this table"
        if codes.DETAIL in row and reasons is not None and row[_REASON] not in reasons:
            yield number, "its reason is no code that is declared"


def plan(documents: Documents, tables: Mapping[str, Table]) -> Iterator[Problem]:
    """Say where the plan differs from the protocol, or from the tables of plan and limits."""
    told, monitors = documents.plan, documents.plan["prespecified"]["monitors"]
    if told["prespecified"] != documents.protocol.get("drift"):
        yield problem(PLAN, "prespecifies something else than the protocol does")
    for field, asset in PLANNED.items():
        rows = [_as_json(row) for row in tables[asset].rows] if asset in tables else []
        if told[field] != rows:
            yield problem(PLAN, f"has other {field} than the table {asset}")
    unknown = {m.get("monitor") for m in told["monitors"]} - {m["name"] for m in monitors}
    if unknown:
        yield problem(PLAN, "has a monitor that the protocol does not declare")


def _as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        n: v if isinstance(v, bool | int | float | str | None) else str(v) for n, v in row.items()
    }
