"""What ``vpack check`` found: what is fine, what a reader should know, what is to be mended.

What does not belong here: the checks themselves (``checkup``, ``delivered``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from vpack_pipeline.errors import InputError, Problem, UsageError


@dataclass
class Findings:
    """What was found: what is fine, what a reader should know, what is to be mended."""

    fine: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Turn a foreseen error into problems, so that the checks after it still run."""
        try:
            yield
        except UsageError:
            raise
        except InputError as error:
            self.problems += [p for p in error.problems if p not in self.problems]

    def as_dict(self, site_id: str) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "site": site_id,
            "clean": not self.problems,
            "fine": self.fine,
            "notes": self.notes,
            "problems": [
                {"where": p.where, "what": p.what, "remedy": p.remedy} for p in self.problems
            ],
        }
