"""The project as a Dagster resource. What does not belong here: where things lie in it."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from vpack_pipeline import study
from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.io.edge import Scanning
from vpack_pipeline.io.project import ProjectFolder


class Project(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One project root, found when a run asks for it and never at import."""

    root: str = ""
    """Empty: VPACK_ROOT, else the nearest folder above that holds data/sites."""
    scan_engine: str = ""
    """Who reads the image headers: see ``vpack scan --engine``. Empty: VPACK_SCAN_ENGINE."""
    scan_prefetch: int = 0
    """Threads that read heads ahead. 0: VPACK_SCAN_PREFETCH."""

    def open(self) -> ProjectFolder:
        """Find the project root."""
        given = Path(self.root) if self.root else None
        root = study.find_root(given, os.environ.get("VPACK_ROOT"), Path.cwd())
        engine = self.scan_engine or os.environ.get("VPACK_SCAN_ENGINE", "")
        return ProjectFolder(root, Scanning(engine, self.scan_prefetch or _prefetch()))


def _prefetch() -> int:
    written = os.environ.get("VPACK_SCAN_PREFETCH", "0")
    if not written.isdecimal() or int(written) > 64:
        raise UsageError(Problem("VPACK_SCAN_PREFETCH", "is no number of threads", "give 0 to 64"))
    return int(written)
