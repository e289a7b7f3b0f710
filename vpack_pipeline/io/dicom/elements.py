"""What is known of elements before one is read: how they may be written, and what was met before.

What does not belong here: how bytes are walked (``walker``, ``by_pydicom``).
"""

from __future__ import annotations

import functools
import warnings
from collections import deque
from typing import Final, NamedTuple

from vpack_pipeline.io.dicom.structure import Elements, Wanted

TEXT: Final = frozenset(
    {b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"LO", b"LT", b"PN", b"SH", b"ST", b"TM"}
    | {b"UC", b"UI", b"UR", b"UT"}
)


@functools.lru_cache(4096)
def dictionary_vr(tag: int) -> str | None:
    """Give the value representation that DICOM's dictionary has for a tag; None if it has none."""
    from pydicom.datadict import dictionary_VR

    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return None


@functools.lru_cache(256)
def is_charset(written: bytes) -> bool:
    """Say whether pydicom can follow a SpecificCharacterSet, be it to a default."""
    from pydicom.charset import convert_encodings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            convert_encodings(written.decode("latin-1").rstrip("\0 ").split("\\"))
    except (ValueError, LookupError):
        return False
    return True


class Expected(NamedTuple):
    """What is known of the elements of a wanted tree.

    ``kinds``: the value representations in which a wanted element says what its tag means: a number
    where text is meant, or the reverse, would be read as another value; UN is raw bytes.
    ``heads``: first eight bytes of an element → tag and bytes to the next one, negative where the
    element is wanted; under explicit VR and under implicit. ``sequences``: the same of a sequence
    of undefined length → the last few as they were written, with what was found in them.
    """

    kinds: dict[int, frozenset[bytes]]
    heads: tuple[dict[bytes, tuple[int, int]], dict[bytes, tuple[int, int]]]
    sequences: dict[bytes, deque[tuple[bytes, Elements]]]


_EXPECTED: dict[int, tuple[Wanted, Expected]] = {}


def expected(wanted: Wanted) -> Expected:
    """Give what is known of a wanted tree; kept as long as the process lives."""
    known = _EXPECTED.get(id(wanted))
    if known is None or known[0] is not wanted:
        made = {tag: _kinds(tag, inner is not None) for tag, inner in wanted.items()}
        known = _EXPECTED[id(wanted)] = (wanted, Expected(made, ({}, {}), {}))
    return known[1]


def _kinds(tag: int, is_sequence: bool) -> frozenset[bytes]:
    if is_sequence:
        return frozenset({b"SQ"})
    named = {vr.encode() for vr in (dictionary_vr(tag) or "UN").split(" or ")}
    return frozenset((TEXT | named if named & TEXT else named) | {b"UN"})
