"""Great Expectations over parquet through DuckDB: the thin adapter, and nothing else.

Stock ``duckdb-engine`` fails on most expectations: Great Expectations closes the connection before
it fetches. Here each result is buffered, and regular expressions use DuckDB's own function. It
overrides parts that Great Expectations does not promise to keep, so the version is pinned and a
contract test runs every expectation in use.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

VIEW = "checked_table"
RESULT_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
_ONE_TABLE: Final = threading.Lock()
_OPEN: Final[dict[Path, Any]] = {}
"""The one DuckDB that is open, by the folder that it reaches."""
LOCKED: Final[ContextVar[Any]] = ContextVar("LOCKED")
"""The DuckDB connection of the check at hand."""


@functools.cache
def context() -> Any:
    """Start one quiet, ephemeral Great Expectations context a process."""
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    made = gx.get_context(mode="ephemeral")
    made.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return made


@functools.cache
def engine_class() -> Any:
    """Make the execution engine's class; importing Great Expectations takes seconds."""
    import sqlalchemy as sa
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.metrics.map_metric_provider import (
        ColumnMapMetricProvider,
        column_condition_partial,
    )
    from great_expectations.expectations.metrics.metric_provider import metric_value
    from great_expectations.expectations.metrics.query_metric_provider import QueryMetricProvider
    from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

    class ParquetExecutionEngine(SqlAlchemyExecutionEngine):  # type: ignore[misc]
        """Buffers each result before Great Expectations closes the connection."""

        def execute_query(self, query: Any) -> Any:
            with self.get_connection() as connection:
                return connection.execute(query).freeze()()

        def execute_query_in_transaction(self, query: Any) -> Any:
            return self.execute_query(query)

    class ColumnValuesMatchRegex(ColumnMapMetricProvider):  # type: ignore[misc]
        """Regular expressions through DuckDB's own function."""

        condition_metric_name = "column_values.match_regex"
        condition_value_keys = ("regex",)

        @column_condition_partial(engine=ParquetExecutionEngine)  # type: ignore[untyped-decorator]
        def _duckdb(cls: Any, column: Any, regex: str, **_: Any) -> Any:  # noqa: N805
            return sa.func.regexp_matches(column, regex)

    class ColumnTypes(TableMetricProvider):  # type: ignore[misc]
        """Names and types in one query; SQLAlchemy's reflection asks for keys and comments too."""

        metric_name = "table.column_types"
        value_keys = ("include_nested",)
        default_kwarg_values = {"include_nested": True}

        @metric_value(engine=ParquetExecutionEngine)  # type: ignore[untyped-decorator]
        def _duckdb(cls: Any, execution_engine: Any, **_: Any) -> Any:  # noqa: N805
            described = execution_engine.execute_query(sa.text(f"describe {VIEW}"))
            return [{"name": row[0], "type": row[1]} for row in described]

    class UnexpectedRows(QueryMetricProvider):  # type: ignore[misc]
        """None of them: they are counted by another metric, and no value is to be fetched."""

        metric_name = "unexpected_rows_query.table"
        value_keys = ("unexpected_rows_query",)

        @metric_value(engine=ParquetExecutionEngine)  # type: ignore[untyped-decorator]
        def _duckdb(cls: Any, **_: Any) -> Any:  # noqa: N805
            return []

    return ParquetExecutionEngine


def validate(files: Sequence[Path], suite: Any, within: Path) -> list[Any]:
    """Evaluate a suite over exactly these parquet files; results come in no order.

    Nothing outside the folder ``within`` can be read by an expectation.
    """
    with _table(files, within) as connection:
        return _results(connection, suite)


def find(files: Sequence[Path], queries: Mapping[str, str], within: Path) -> set[str]:
    """Tell which queries over ``{batch}`` find a row in these parquet files, or cannot run."""
    import duckdb

    found: set[str] = set()
    with _table(files, within) as connection:
        for name, query in queries.items():
            try:
                if connection.execute(query.format(batch=VIEW)).fetchone() is not None:
                    found.add(name)
            except duckdb.Error:
                found.add(name)
    return found


def _locked_to(folder: Path) -> Any:
    """Give the DuckDB that reaches one folder alone; a start takes longer than most checks.

    One is open at a time: that of another folder is closed.
    """
    import duckdb

    if folder not in _OPEN:
        _close()
        connection = duckdb.connect()
        connection.execute("SET threads=1; SET TimeZone='UTC'")
        connection.execute(f"SET allowed_directories=[{_quoted(folder)}]")
        connection.execute("SET enable_external_access=false; SET lock_configuration=true")
        _OPEN[folder] = connection
    return _OPEN[folder]


def _close() -> None:
    while _OPEN:
        _OPEN.popitem()[1].close()


@contextmanager
def _table(files: Sequence[Path], within: Path) -> Iterator[Any]:
    """Connect to a DuckDB whose one view is a table; one table at a time."""
    with _ONE_TABLE:
        connection = _locked_to(within).cursor()
        try:
            names = ", ".join(_quoted(f) for f in files)
            read = f"read_parquet([{names}], hive_partitioning=false)"
            connection.execute(f"create or replace view {VIEW} as select * from {read}")
            yield connection
        finally:
            connection.execute(f"drop view if exists {VIEW}")
            connection.close()


@functools.cache
def _sql_engine() -> Any:
    """Make SQLAlchemy's engine once a process: its dialect asks DuckDB for every keyword first.

    What it connects to is the connection that the check at hand has locked, each time anew.
    """
    import sqlalchemy as sa
    from duckdb_engine import ConnectionWrapper

    # A cursor, or the end of a query would close the connection under the view.
    return sa.create_engine(
        "duckdb:///:memory:",
        creator=lambda: ConnectionWrapper(LOCKED.get().cursor()),
        poolclass=sa.NullPool,
    )


def _results(connection: Any, suite: Any) -> list[Any]:
    from great_expectations.core.batch import Batch
    from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
    from great_expectations.validator.validator import Validator

    token = LOCKED.set(connection)
    try:
        engine = engine_class()(engine=_sql_engine(), create_temp_table=False)
        data = SqlAlchemyBatchData(
            execution_engine=engine, table_name=VIEW, create_temp_table=False
        )
        engine.load_batch_data(VIEW, data)
        validator = Validator(
            execution_engine=engine, data_context=context(), batches=[Batch(data=data)]
        )
        # Not validate(): it merges two expectations of one type that name no column.
        found: list[Any] = validator.graph_validate(
            suite.expectation_configurations,
            {"catch_exceptions": True, "result_format": RESULT_FORMAT},
        )
        return found
    finally:
        LOCKED.reset(token)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
