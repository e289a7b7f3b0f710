"""Whom a release is for, as the command line takes it.

What does not belong here: what a recipient may do with it (``report.cover_note``).
"""

from __future__ import annotations

import unicodedata
from typing import Final

from vpack_pipeline.errors import Problem, UsageError

LONGEST: Final = 200
"""Characters of a recipient's name."""
_WHERE: Final = "--to"


def read_recipient(text: str) -> str:
    """Read a recipient: one line of text, in its composed form.

    >>> read_recipient("  Imaging board, Harbour Hospital ")
    'Imaging board, Harbour Hospital'

    Raises
    ------
    UsageError
        It is empty, too long, or holds a character that prints nothing or turns text around.
    """
    named = unicodedata.normalize("NFC", text).strip()
    if not named:
        raise UsageError(Problem(_WHERE, "names nobody", "name a hospital, a board or a person"))
    if len(named) > LONGEST:
        what = f"has {len(named)} characters, and {LONGEST} are the most"
        raise UsageError(Problem(_WHERE, what, "give a shorter name"))
    # Other, and separators of lines: controls, bidirectional marks, lone surrogates.
    unseen = {c for c in named if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"}
    if unseen:
        listed = ", ".join(f"U+{ord(c):04X}" for c in sorted(unseen))
        what = f"holds characters that are no text: {listed}"
        raise UsageError(Problem(_WHERE, what, "leave them out"))
    return named
