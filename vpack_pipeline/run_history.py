"""Dagster's record of runs in SQLite, over connections that stay open.

Dagster opens a connection for each question that it asks of SQLite, thousands a run, and closing
the last one to a file makes SQLite write its journal back: most of what a run costs beside its
tables. The files are the same, so what another Dagster wrote is read here, and the other way
round. It overrides parts that Dagster does not promise to keep, so the version is pinned and a
test counts connections. What does not belong here: where the record lies (``cli.home``).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy.engine import Connection, Engine

OPEN_FILES: Final = 8
"""Of the files of single runs, so many stay open: a server reads thousands in time."""


def _pooled(address: str) -> Engine:
    # Without a pool class: SQLAlchemy then keeps connections to a file open.
    made: Engine = create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
    return made


class PooledRuns(SqliteRunStorage):
    """Runs and their tags."""

    def __init__(self, conn_string: str, inst_data: Any = None) -> None:
        super().__init__(conn_string, inst_data)
        self._engine = _pooled(conn_string)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give a connection in a transaction."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        """Close the file."""
        self._engine.dispose()


class PooledEvents(SqliteEventLogStorage):
    """Events: a file a run, and one over all runs."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine_of(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine_of(self, shard: str) -> Engine:
        if shard not in self._engines:
            if len(self._engines) >= OPEN_FILES:
                self._engines.popitem(last=False)[1].dispose()
            self._engines[shard] = _pooled(self.conn_string_for_shard(shard))
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def has_table(self, table_name: str) -> bool:
        """Tell whether the file over all runs has a table; one that it has stays there."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def wipe(self) -> None:
        """Remove every event."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close the files."""
        super().dispose()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


class PooledSqliteStorage(DagsterSqliteStorage):
    """What ``dagster.yaml`` names: the record of runs below ``base_dir``, where Dagster has it."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        history = os.path.join(base_dir, "history", "")
        self._run_storage = PooledRuns.from_local(history)
        self._event_log_storage = PooledEvents(os.path.join(history, "runs", ""))

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> PooledSqliteStorage:
        """Make it of its block in ``dagster.yaml``."""
        return cls.from_local(inst_data=inst_data, **config_value)
