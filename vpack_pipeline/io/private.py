"""Folders and files that no other account of this machine may read: they hold rows of patients.

What does not belong here: packs, whose readers site.yaml names (``io.packs.store``).
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

FOLDER: Final = stat.S_IRWXU
FILE: Final = stat.S_IRUSR
"""A file that is written once."""
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def make_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for this account alone."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER, exist_ok=True)
    return path


def close_to_others(folder: Path) -> None:
    """Take a folder that others may enter from them, with all that lies below it."""
    mode = folder.stat().st_mode
    if mode & OTHERS:
        folder.chmod(stat.S_IMODE(mode) & ~OTHERS)


def is_open_to_others(path: Path) -> bool:
    """Tell whether another account could read what lies there."""
    return bool(path.stat().st_mode & OTHERS)
