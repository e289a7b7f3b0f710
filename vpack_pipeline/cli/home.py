"""The Dagster home that ``vpack build`` and ``vpack ui`` share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path


@contextmanager
def dagster_home(root: Path) -> Iterator[Path]:
    """Point DAGSTER_HOME below the root, unless the environment names one."""
    given = os.environ.get("DAGSTER_HOME")
    if given:
        yield Path(given)
        return
    home = root / "data" / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(_settings(root), encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        yield home
    finally:
        del os.environ["DAGSTER_HOME"]


def _settings(root: Path) -> str:
    own = root / "dagster.yaml"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    shipped = resources.files("vpack_pipeline") / "dagster.yaml"
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    return (resources.files("vpack_pipeline") / ".." / "dagster.yaml").read_text(encoding="utf-8")
