"""The file of a page that a reviewer's command writes.

What does not belong here: what the page says (``acceptance_page``, ``compared_page``,
``diff_page``).
"""

from __future__ import annotations

from pathlib import Path

from vpack_pipeline.errors import Problem, UsageError


def write_html(file: Path, page: str) -> None:
    """Write a page to a file; one that is there is replaced.

    Raises
    ------
    UsageError
        The place is a folder, or lies in none.
    """
    if file.is_dir():
        raise UsageError(Problem(str(file), "is a folder", "give the name of a file in it"))
    if not file.parent.is_dir():
        remedy = "make the folder, or give a place in another one"
        raise UsageError(Problem(str(file), "lies in a folder that does not exist", remedy))
    file.write_text(page, encoding="utf-8")
