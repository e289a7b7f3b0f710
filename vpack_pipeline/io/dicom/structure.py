"""What a header gives, whichever engine read it: the wanted elements, and where the header ends.

Two engines fill a :class:`Structure`: ``walker`` (fast, strict, declines what is unusual) and
``by_pydicom`` (everything else). What does not belong here: how bytes are walked, or what a value
means (``header``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Wanted = Mapping[int, "Wanted | None"]
"""Tag → None for a value, or the wanted tags inside the items of a sequence."""
Elements = dict[int, Any]
"""Tag → bytes of the value (None: too long to be wanted), or a list of the items' elements."""

MAX_VALUE: Final = 65_536
"""Bytes; no code, name or number that we want is longer."""
INFLATE_CAP: Final = 64 * 1024 * 1024
"""Bytes of an inflated data set."""

IMPLICIT: Final = "1.2.840.10008.1.2"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
)
PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
UNDEFINED: Final = 0xFFFFFFFF

CHARSET: Final = 0x00080005
SOP_CLASS: Final = 0x00080016
SOP_INSTANCE: Final = 0x00080018
MEDIA_SOP_CLASS: Final = 0x00020002
MEDIA_SOP_INSTANCE: Final = 0x00020003
TRANSFER_SYNTAX: Final = 0x00020010
META: Final = (MEDIA_SOP_CLASS, MEDIA_SOP_INSTANCE, TRANSFER_SYNTAX)


@dataclass(frozen=True, slots=True)
class Structure:
    """The wanted elements of one file.

    Attributes
    ----------
    meta : of the file meta information, the elements of :data:`META`
    elements : of the data set, the wanted ones
    little : byte order of the data set
    transfer_syntax : as named in the meta information; None if it names none
    has_pixels : whether pixel data follow, whole as far as their length says
    header_end : where the header ends in the file, bytes: at the pixel data, else at the file's end
    """

    meta: Elements
    elements: Elements
    little: bool
    transfer_syntax: str | None
    has_pixels: bool
    header_end: int


def syntax_of(named: bytes | None) -> str | None:
    """Read a TransferSyntaxUID."""
    return named.rstrip(b"\x00 ").decode("ascii", "replace") if named else None
