"""The project as a Dagster resource. What does not belong here: where things lie in it."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from vpack_pipeline import study
from vpack_pipeline.io.project import ProjectFolder


class Project(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One project root, found when a run asks for it and never at import."""

    root: str = ""
    """Empty: VPACK_ROOT, else the nearest folder above that holds data/sites."""

    def open(self) -> ProjectFolder:
        """Find the project root."""
        given = Path(self.root) if self.root else None
        return ProjectFolder(study.find_root(given, os.environ.get("VPACK_ROOT"), Path.cwd()))
