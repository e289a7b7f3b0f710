"""The Dagster home that ``vpack build`` and ``vpack ui`` share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

from vpack_pipeline.io import private

STORAGE: Final = """
# The record of runs, with connections that stay open (vpack_pipeline/run_history.py).
storage:
  custom:
    module: vpack_pipeline.run_history
    class: PooledSqliteStorage
    config:
      base_dir:
        env: DAGSTER_HOME
"""
"""Not in the project's own settings: without DAGSTER_HOME, Dagster keeps its record elsewhere."""


@contextmanager
def dagster_home(root: Path) -> Iterator[Path]:
    """Point DAGSTER_HOME below the root, unless the environment names one.

    What is written while it is open, also by a program that this one becomes, is for this account
    alone: Dagster's own files too.
    """
    mask = os.umask(private.OTHERS)
    try:
        with _dagster_home(root) as home:
            yield home
    finally:
        os.umask(mask)


@contextmanager
def _dagster_home(root: Path) -> Iterator[Path]:
    given = os.environ.get("DAGSTER_HOME")
    if given:
        yield Path(given)
        return
    home = private.make_folder(root / "data" / "dagster")
    private.close_to_others(home)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(_with_storage(_settings(root)), encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        yield home
    finally:
        del os.environ["DAGSTER_HOME"]


def _with_storage(settings: str) -> str:
    """Add where the record of runs lies, unless the project's own settings say it."""
    is_given = any(line.startswith("storage:") for line in settings.splitlines())
    return settings if is_given else settings + STORAGE


def _settings(root: Path) -> str:
    own = root / "dagster.yaml"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    shipped = resources.files("vpack_pipeline") / "dagster.yaml"
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    return (resources.files("vpack_pipeline") / ".." / "dagster.yaml").read_text(encoding="utf-8")
