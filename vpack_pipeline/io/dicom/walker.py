"""The first engine: walks a header's structure in the file's first bytes, strictly and fast.

It reads Part 10 files in Implicit and Explicit VR Little Endian whose elements stand in ascending
order, which is nearly every file of an archive, and gives exactly what pydicom gives (the tests
hold it to that, value by value, over real, generated and damaged files). Whatever else it meets it
declines, and ``by_pydicom`` decides: it never guesses. What is not wanted is skipped unread. What
does not belong here: what a value means (``header``).
"""

from __future__ import annotations

import functools
import struct
import warnings
from collections.abc import Callable
from typing import Final

from vpack_pipeline.io.dicom.outcomes import HeaderError
from vpack_pipeline.io.dicom.structure import (
    BIG_ENDIAN,
    CHARSET,
    DEFLATED,
    IMPLICIT,
    MAX_VALUE,
    META,
    PIXELS,
    TRANSFER_SYNTAX,
    UNDEFINED,
    Elements,
    Structure,
    Wanted,
    syntax_of,
)

HEAD: Final = 16 * 1024
"""Bytes read at once; most headers end within them."""
MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 400_000
"""Elements inside sequences that one header may make us walk."""

_LONG: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
TEXT: Final = frozenset(
    {b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"LO", b"LT", b"PN", b"SH", b"ST", b"TM"}
    | {b"UC", b"UI", b"UR", b"UT"}
)
_SHORT: Final = (TEXT - _LONG) | {b"AT", b"FL", b"FD", b"SL", b"SS", b"UL", b"US"}
_START: Final = {**dict.fromkeys(_SHORT, 8), **dict.fromkeys(_LONG, 12)}
"""VR → bytes from an element's start to its value."""
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_LAST: Final = 0x7FE00008
_DELIMITERS: Final = 0xFFFE0000
_META_LENGTH: Final = 0x00020000
_META: Final[Wanted] = dict.fromkeys(META)

_explicit = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHL").unpack_from
_length = struct.Struct("<L").unpack_from

Read = Callable[[int, int], bytes]
"""(offset, count) → bytes of a file; fewer only at its end."""


class Declined(Exception):  # noqa: N818  it is no error: the other engine reads the file
    """Not for this engine; ``reason`` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def walk(read: Read, size: int, wanted: Wanted, head: bytes | None = None) -> Structure:
    """Walk a file up to its pixel data.

    Parameters
    ----------
    read : gives the file's bytes
    size : of the file, bytes
    wanted : what to keep of the data set
    head : the file's first bytes, if they were read already

    Raises
    ------
    HeaderError
        EMPTY, NOT_DICOM, TRUNCATED or TIMEOUT: no engine would say otherwise.
    Declined
        Anything that this engine does not read.
    """
    if size == 0:
        raise HeaderError("EMPTY")
    walker = _Walker(read, size, read(0, HEAD) if head is None else head)
    if walker.window[128:132] != b"DICM":
        raise Declined("NO_PREAMBLE") if _may_be_bare(walker.window) else HeaderError("NOT_DICOM")
    meta, at = walker.meta()
    syntax = syntax_of(meta.get(TRANSFER_SYNTAX))
    if syntax is None or syntax == BIG_ENDIAN or syntax in DEFLATED:
        raise Declined("SYNTAX")
    return walker.data_set(at, meta, syntax, wanted)


def _may_be_bare(head: bytes) -> bool:
    """Say whether a file without the mark starts as a data set does, in either byte order."""
    group = head[:2]
    return len(head) >= 8 and (
        group in (b"\x02\x00", b"\x08\x00") or (group == b"\x00\x08" and head[4:6] in _START)
    )


def _looks_explicit(vr: bytes) -> bool:
    """Say whether two bytes are capitals, as pydicom does to tell how a data set is encoded."""
    return vr.isalpha() and vr.isupper()


class _Walker:
    """A window over one file; what lies beyond it is read only when the walk gets there."""

    def __init__(self, read: Read, size: int, head: bytes) -> None:
        self.window = head
        self._read = read
        self._size = size
        self._base = 0
        self._left = MAX_ELEMENTS

    def meta(self) -> tuple[Elements, int]:
        """Read the file meta information; say where the data set starts."""
        meta: Elements = {}
        at, last = 132, 0
        while self._take(at, 2) == b"\x02\x00":
            group, number, vr, length = _explicit(self._need(at, 8))
            tag = group << 16 | number
            if tag <= last or vr not in _START:
                raise Declined("META")
            if tag == _META_LENGTH and length != 4:
                raise Declined("META")
            last = tag
            start = at + _START[vr]
            if vr in _LONG:
                (length,) = _length(self._need(at + 8, 4))
            if tag in _META:
                meta[tag] = self._need(start, min(length, MAX_VALUE))
            at = start + length
            self._hold(at)
        if self._size - at < 8:
            raise HeaderError("TRUNCATED", "HEADER")
        return meta, at

    def data_set(self, at: int, meta: Elements, syntax: str, wanted: Wanted) -> Structure:
        """Walk the data set."""
        is_implicit = syntax == IMPLICIT
        if is_implicit == _looks_explicit(self._take(at, 6)[4:]):
            raise Declined("SYNTAX")
        found: Elements = {}
        walk = self._implicit if is_implicit else self._explicit
        end, has_pixels = walk(at, wanted, found)
        if has_pixels:
            self._hold_pixels(end, is_implicit)
        return Structure(meta, found, True, syntax, has_pixels, end)

    def _explicit(self, at: int, wanted: Wanted, found: Elements) -> tuple[int, bool]:
        """Walk the top level: the loop that all speed depends on, hence flat.

        Returns
        -------
        where it ended, and whether at the pixel data
        """
        window, base, size = self.window, self._base, self._size
        kinds = expected(wanted)
        pos, last, length_read = at - base, 0, len(window)
        while True:
            if pos + 12 > length_read:
                at = base + pos
                if at == size:
                    return at, False
                self._hold(at)
                # An element of 8 bytes may be the file's last.
                self._need(at, max(8, min(12, size - at)))
                window, base = self.window, self._base
                pos, length_read = at - base, len(window)
            group, number, vr, length = _explicit(window, pos)
            tag = group << 16 | number
            if tag <= last:
                raise Declined("ORDER")
            last = tag
            if tag >= _LAST:
                if tag in PIXELS:
                    return base + pos, True
                if tag >= _DELIMITERS:
                    raise Declined("STRUCTURE")
            skip = _START.get(vr)
            if skip is None:
                raise Declined("VR")
            allowed = kinds.get(tag)
            if allowed is not None and vr not in allowed:
                raise Declined("VR")
            start = pos + skip
            if skip == 12:
                (length,) = _length(self._need(base + pos + 8, 4))
                if length == UNDEFINED:
                    if vr != b"SQ":
                        raise Declined("UNDEFINED_LENGTH")
                    end = self._sequence(base + start, None, False, wanted.get(tag), found, tag, 0)
                    window, base = self.window, self._base
                    pos, length_read = end - base, len(window)
                    continue
            pos = start + length
            if allowed is None:
                continue
            if pos <= length_read and vr != b"SQ" and tag != CHARSET:
                found[tag] = window[start:pos] if length <= MAX_VALUE else None
                continue
            end = base + pos
            if vr == b"SQ":
                self._sequence(base + start, end, False, wanted[tag], found, tag, 0)
            else:
                found[tag] = self._value(tag, base + start, length)
            window, base = self.window, self._base
            pos, length_read = end - base, len(window)

    def _implicit(self, at: int, wanted: Wanted, found: Elements) -> tuple[int, bool]:
        last, size = 0, self._size
        while at < size:
            group, number, _ = _implicit(self._need(at, 8))
            tag = group << 16 | number
            if tag <= last:
                raise Declined("ORDER")
            if tag in PIXELS:
                return at, True
            if tag >= _DELIMITERS:
                raise Declined("STRUCTURE")
            last = tag
            at = self._element(at, None, True, wanted, found, 0)
        if at > size:
            raise HeaderError("TRUNCATED", "HEADER")
        return at, False

    def _hold_pixels(self, at: int, is_implicit: bool) -> None:
        """Refuse pixel data that end before the length they declare; a lost pad byte is forgiven."""
        vr, length, start = self._header(at, is_implicit)
        if vr is not None and vr not in {b"OB", b"OW", b"OF", b"OD", b"UN"}:
            raise Declined("VR")
        if length != UNDEFINED and start + length - 1 > self._size:
            raise HeaderError("TRUNCATED", "PIXEL_DATA")

    def _header(self, at: int, is_implicit: bool) -> tuple[bytes | None, int, int]:
        """Read VR (None: implicit), length and where the value starts."""
        head = self._need(at, 8)
        if is_implicit:
            return None, _implicit(head)[2], at + 8
        _, _, vr, length = _explicit(head)
        skip = _START.get(vr)
        if skip is None:
            raise Declined("VR")
        return vr, length if skip == 8 else _length(self._need(at + 8, 4))[0], at + skip

    def _element(
        self,
        at: int,
        limit: int | None,
        is_implicit: bool,
        wanted: Wanted,
        found: Elements,
        depth: int,
    ) -> int:
        """Walk one element; put it in ``found`` if it is wanted; give where the next one starts."""
        self._spend()
        tag = self._tag(at)
        vr, length, start = self._header(at, is_implicit)
        if length == UNDEFINED:
            if vr != b"SQ" and not (vr is None and self._is_sequence(tag, start)):
                raise Declined("UNDEFINED_LENGTH")
            return self._sequence(start, None, is_implicit, wanted.get(tag), found, tag, depth)
        end = start + length
        if limit is not None and end > limit:
            raise Declined("STRUCTURE")
        if tag not in wanted:
            if tag == CHARSET:  # pydicom reads it wherever it stands
                self._value(tag, start, length)
            return end
        inner = wanted[tag]
        if vr is not None and vr not in expected(wanted)[tag]:
            raise Declined("VR")
        if inner is not None:
            self._sequence(start, end, is_implicit, inner, found, tag, depth)
        else:
            found[tag] = self._value(tag, start, length)
        return end

    def _value(self, tag: int, at: int, length: int) -> bytes | None:
        self._hold(at + length)
        found = self._need(at, length) if length <= MAX_VALUE else None
        if tag == CHARSET and (found is None or not is_charset(found)):
            raise Declined("CHARSET")
        return found

    def _is_sequence(self, tag: int, start: int) -> bool:
        """Ask the dictionary; of a tag that is not in it, the first bytes of its value."""
        named = _dictionary_vr(tag)
        return named == "SQ" or (named is None and self._tag(start) == _ITEM)

    def _sequence(
        self,
        at: int,
        end: int | None,
        is_implicit: bool,
        wanted: Wanted | None,
        found: Elements,
        tag: int,
        depth: int,
    ) -> int:
        """Walk the items of a sequence; keep what is wanted of each.

        Raises
        ------
        Declined
            Also where the file ends: a wrong length inside a sequence looks the same.
        """
        if depth >= MAX_DEPTH:
            raise Declined("DEPTH")
        items: list[Elements] = []
        try:
            if end is not None:
                self._hold(end)
            while end is None or at < end:
                self._spend()
                mark, length, start = self._tag(at), _implicit(self._need(at, 8))[2], at + 8
                if mark == _SEQUENCE_END and end is None:
                    at = start
                    break
                if mark != _ITEM:
                    raise Declined("STRUCTURE")
                items.append({})
                at = self._item(start, length, end, is_implicit, wanted or {}, items[-1], depth)
        except HeaderError as error:
            raise Declined("TRUNCATED") if error.code == "TRUNCATED" else error from None
        if wanted is not None:
            found[tag] = items
        return at

    def _item(
        self,
        at: int,
        length: int,
        limit: int | None,
        is_implicit: bool,
        wanted: Wanted,
        found: Elements,
        depth: int,
    ) -> int:
        if length != UNDEFINED:
            end = at + length
            if limit is not None and end > limit:
                raise Declined("STRUCTURE")
            self._hold(end)
            limit = end
        last = 0
        self._fits(at, limit, is_implicit)
        while length == UNDEFINED or at < end:
            tag = self._tag(at)
            if tag == _ITEM_END and length == UNDEFINED:
                if self._need(at + 4, 4) != bytes(4):
                    raise Declined("STRUCTURE")
                return at + 8
            if tag <= last or tag >= _DELIMITERS:
                raise Declined("ORDER")
            last = tag
            at = self._element(at, limit, is_implicit, wanted, found, depth + 1)
        return at

    def _fits(self, at: int, limit: int | None, is_implicit: bool) -> None:
        """Decline an item whose first element is not encoded as the data set is."""
        if limit is not None and limit - at < 8:
            return
        head = self._need(at, 8)
        if head[:2] != b"\xfe\xff" and is_implicit == _looks_explicit(head[4:6]):
            raise Declined("SYNTAX")

    def _tag(self, at: int) -> int:
        head = self._need(at, 4)
        return int.from_bytes(head[:2], "little") << 16 | int.from_bytes(head[2:], "little")

    def _hold(self, end: int) -> None:
        if end > self._size:
            raise HeaderError("TRUNCATED", "HEADER")

    def _need(self, at: int, count: int) -> bytes:
        found = self._take(at, count)
        if len(found) < count:
            raise HeaderError("TRUNCATED", "HEADER")
        return found

    def _take(self, at: int, count: int) -> bytes:
        start = at - self._base
        if start < 0 or start + count > len(self.window):
            self.window = self._read(at, max(count, HEAD))
            self._base = at
            start = 0
        return self.window[start : start + count]

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise HeaderError("TIMEOUT")


@functools.lru_cache(4096)
def _dictionary_vr(tag: int) -> str | None:
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag)
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


_EXPECTED: dict[int, tuple[Wanted, dict[int, frozenset[bytes]]]] = {}


def expected(wanted: Wanted) -> dict[int, frozenset[bytes]]:
    """Give the value representations in which a wanted element says what its tag means.

    A number where text is meant, or the reverse, would be read as another value; UN is raw bytes.
    """
    known = _EXPECTED.get(id(wanted))
    if known is None or known[0] is not wanted:
        made = {tag: _kinds(tag, inner is not None) for tag, inner in wanted.items()}
        known = _EXPECTED[id(wanted)] = (wanted, made)
    return known[1]


def _kinds(tag: int, is_sequence: bool) -> frozenset[bytes]:
    if is_sequence:
        return frozenset({b"SQ"})
    named = {vr.encode() for vr in (_dictionary_vr(tag) or "UN").split(" or ")}
    return frozenset((TEXT | named if named & TEXT else named) | {b"UN"})
