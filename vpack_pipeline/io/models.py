"""SQL models: where they lie, what they read, and how one runs.

A model is one SELECT in ``dbt_like_sql/<section>/<table>.sql``; it names its inputs as
``section.table`` and its parameters as ``$name``. It runs as one COPY in an in-memory DuckDB on
one thread, locked to the files it was given. What does not belong here: what a model decides.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import sqlglot
from sqlglot import exp

from vpack_pipeline.contracts import DUCKDB_TYPES, Contract
from vpack_pipeline.errors import ContractError
from vpack_pipeline.sections import SECTIONS

MODELS: Final = "dbt_like_sql"
"""The package of the models."""
MEMORY: Final = "2GB"
"""Beyond it, a model sorts and groups on disk: as much as any machine has, however many rows."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its text and the tables that it reads."""

    asset: str
    sql: str
    inputs: frozenset[str]


@functools.cache
def load() -> Mapping[str, Model]:
    """Load and parse every model of the package, by asset.

    Raises
    ------
    ContractError
        A file does not parse as one DuckDB SELECT, or names a table without its section.
    """
    root = resources.files(MODELS)
    found: dict[str, Model] = {}
    for section in SECTIONS:
        folder = root / section
        if not folder.is_dir():
            continue
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if entry.name.endswith(".sql"):
                asset = f"{section}/{entry.name.removesuffix('.sql')}"
                sql = entry.read_text(encoding="utf-8")
                found[asset] = Model(asset, sql, references(sql, asset))
    return found


def references(sql: str, asset: str) -> frozenset[str]:
    """List the tables that a SELECT reads, as assets.

    Examples
    --------
    >>> sorted(references("with a as (select 1 as x from cohort.reads) select * from a", "x/y"))
    ['cohort/reads']
    """
    file = f"dbt_like_sql/{asset}.sql"
    try:
        parsed = sqlglot.parse(sql, read="duckdb")
    except sqlglot.errors.ParseError as error:
        line = error.errors[0].get("line") if error.errors else None
        raise ContractError(f"{file}:{line or 1}: not DuckDB SQL") from None
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise ContractError(f"{file}: a model is exactly one SELECT")
    names = {cte.alias for cte in parsed[0].find_all(exp.CTE)}
    found = set()
    for table in parsed[0].find_all(exp.Table):
        if table.db:
            found.add(f"{table.db}/{table.name}")
        elif table.name and table.name not in names:
            raise ContractError(f"{file}: {table.name} must be named as section.table")
    return frozenset(found)


def source(asset: str) -> Traversable:
    """Name the file of a model."""
    return resources.files(MODELS).joinpath(f"{asset}.sql")


def without_comments(sql: str) -> str:
    """Give a model's words and signs, apart from comments and layout.

    Examples
    --------
    >>> without_comments("select 1 as x -- one") == without_comments("select 1\\n  as x")
    True
    """
    return "\n".join(f"{t.token_type.name} {t.text}" for t in sqlglot.tokenize(sql, read="duckdb"))


def run(
    sql: str,
    contract: Contract,
    inputs: Mapping[str, Sequence[Path]],
    parameters: Mapping[str, Any],
    destination: Path,
) -> int:
    """Run a model into one parquet file, in the order of the table's key.

    What does not fit in :data:`MEMORY` lies beside the destination until the model is done.

    Parameters
    ----------
    sql : one SELECT
    contract : gives the columns, their types and the key
    inputs : asset → exactly the parquet files of its receipt
    parameters : name → value of each ``$name``
    destination : the file to write

    Returns
    -------
    rows written
    """
    import duckdb

    spill = destination.with_suffix(".spill")
    connection = duckdb.connect()
    try:
        connection.execute("SET threads=1; SET TimeZone='UTC'")
        connection.execute(f"SET memory_limit='{MEMORY}'; SET temp_directory={_quoted(spill)}")
        for section in sorted({asset.partition("/")[0] for asset in inputs}):
            connection.execute(f'create schema "{section}"')
        for asset, files in inputs.items():
            connection.execute(_view(asset, files))
        folders = {_quoted(p.parent) for files in inputs.values() for p in files}
        folders.add(_quoted(destination.parent))
        connection.execute(f"SET allowed_directories=[{', '.join(sorted(folders))}]")
        connection.execute("SET enable_external_access=false; SET lock_configuration=true")
        connection.execute(_copy(sql, contract, destination), dict(parameters) or None)
        found = connection.execute(
            f"select count(*) from read_parquet({_quoted(destination)})"
        ).fetchone()
    finally:
        connection.close()
    return int(found[0]) if found else 0


def _copy(sql: str, contract: Contract, destination: Path) -> str:
    columns = ",\n  ".join(
        f'cast("{c.name}" as {DUCKDB_TYPES[c.type]}) as "{c.name}"' for c in contract.columns
    )
    key = ", ".join(f'"{name}"' for name in contract.key)
    return (
        f"copy (select\n  {columns}\nfrom (\n{sql.rstrip().rstrip(';')}\n) as model order by {key})"
        f" to {_quoted(destination)} (format parquet, compression zstd)"
    )


def _view(asset: str, files: Sequence[Path]) -> str:
    section, _, table = asset.partition("/")
    names = ", ".join(_quoted(path) for path in files)
    return (
        f'create view "{section}"."{table}" as'
        f" select * from read_parquet([{names}], hive_partitioning=false)"
    )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


@functools.cache
def _schema_of(names: frozenset[str]) -> dict[str, dict[str, dict[str, str]]]:
    from vpack_pipeline import contracts

    known = contracts.load()
    made: dict[str, dict[str, dict[str, str]]] = {}
    for asset in sorted(names):
        section, _, table = asset.partition("/")
        columns = {c.name: DUCKDB_TYPES[c.type] for c in known[asset].columns}
        made.setdefault(section, {})[table] = columns
    return made


@functools.cache
def column_lineage(asset: str) -> Mapping[str, frozenset[tuple[str, str]]]:
    """Trace each column of a model to the columns it is made of.

    Returns
    -------
    column → {(asset, column)}; a column made of nothing (such as ``count(*)``) has no source

    Raises
    ------
    ContractError
        The model names a column that an input does not have.
    """
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope
    from sqlglot.schema import MappingSchema

    from vpack_pipeline import contracts

    model = load()[asset]
    # Made once: each column would turn plain names into a schema again.
    schema = MappingSchema(_schema_of(model.inputs), dialect="duckdb")
    try:
        qualified = qualify(
            sqlglot.parse_one(model.sql, read="duckdb"), schema=schema, dialect="duckdb"
        )
        # The scope is given, or each column would qualify the model again; and nothing is trimmed,
        # which would copy the whole model for each step of each column.
        scope = build_scope(qualified)
        traced = lineage(
            None,
            qualified,
            schema=schema,
            dialect="duckdb",
            scope=scope,
            trim_selects=False,
            copy=False,
        )
    except (sqlglot.errors.SqlglotError, ValueError) as error:
        raise ContractError(f"dbt_like_sql/{asset}.sql: {error}") from None
    columns = [c.name for c in contracts.load()[asset].columns]
    lost = sorted(set(columns) - set(traced))
    if lost:
        raise ContractError(f"dbt_like_sql/{asset}.sql: no column {', '.join(lost)}")
    return {name: frozenset(_sources(traced[name])) for name in columns}


def _sources(node: Any) -> set[tuple[str, str]]:
    found = set()
    for step in node.walk():
        table = step.expression if isinstance(step.expression, exp.Table) else None
        if table is not None and table.db and not step.downstream:
            found.add((f"{table.db}/{table.name}", step.name.rpartition(".")[2].strip('"')))
    return found
