"""The one script of the comparison page: plain files, joined in order as they are.

Numbers first, then formulas, then words, the page last; each file may use those before it. What
does not belong here: the page around it (``report.comparison``).
"""

from __future__ import annotations

from importlib import resources
from typing import Final

PACKAGE_DATA: Final = ("report/scripts",)
FILES: Final = (
    "numbers",
    "programme",
    "transport",
    "compare",
    "acceptance",
    "text",
    "what_if",
    "printed",
    "counts",
    "comparison_words",
    "page",
)


def script() -> str:
    """Join the files into one strict script."""
    folder = resources.files(__package__)
    parts = ((folder / f"{name}.js").read_text("utf-8") for name in FILES)
    return '"use strict";\n' + "\n".join(parts)
