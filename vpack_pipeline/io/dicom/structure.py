"""The structure of a DICOM file, walked element by element, so that nothing passes in silence.

pydicom accepts a header that is cut short, parses whole every sequence that nobody asked for, and
has no bound on depth, count or inflated size. This walker reads only what stands before the pixel
data, skips what is not wanted without parsing it, and says by a code what is wrong. It is held
against pydicom element by element in the tests. What does not belong here: what a value means
(``header``).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vpack_pipeline.io.dicom.outcomes import HeaderError

Wanted = Mapping[int, "Wanted | None"]
"""Tag → None for a value, or the tags that are wanted of each item of a sequence."""
Elements = dict[int, Any]
"""Tag → bytes of the value, or a list of the elements of each item of a sequence."""

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 400_000
MAX_VALUE: Final = 65_536
INFLATE_CAP: Final = 64 * 1024 * 1024
HEAD: Final = 16 * 1024

IMPLICIT: Final = "1.2.840.10008.1.2"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = frozenset(
    {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
)

_LONG: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_SHORT: Final = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN"}
    | {b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
_BYTES: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UC", b"UR", b"UT"})
_PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_UNDEFINED: Final = 0xFFFFFFFF
_FILE_META: Final[Wanted] = {0x00020002: None, 0x00020003: None, 0x00020010: None}
_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018


class Bytes(Protocol):
    """Random access to the bytes of a data set."""

    def reach(self, end: int) -> bool:
        """Say whether the data go at least as far as ``end``."""
        ...

    def take(self, start: int, count: int) -> bytes:
        """Give ``count`` bytes from ``start``; fewer only at the end of the data."""
        ...


class FileBytes:
    """A window over an open file: what is skipped is never read.

    Parameters
    ----------
    read : (offset, count) → bytes of the file
    size : of the file, bytes
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self.size = size
        self._start = 0
        self._window = read(0, HEAD)

    def reach(self, end: int) -> bool:
        """Compare with the size of the file."""
        return end <= self.size

    def take(self, start: int, count: int) -> bytes:
        """Read through the window."""
        at = start - self._start
        if at < 0 or at + count > len(self._window):
            self._window = self._read(start, max(count, HEAD))
            self._start = start
            at = 0
        return self._window[at : at + count]


class InflatedBytes:
    """A deflated data set, inflated only as far as the walk gets, and never past the cap."""

    def __init__(self, source: FileBytes, start: int) -> None:
        self._source = source
        self._next = start
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._made = bytearray()

    def reach(self, end: int) -> bool:
        """Inflate as far as ``end``."""
        if end > INFLATE_CAP:
            raise HeaderError("INFLATE_CAP")
        while len(self._made) < end and not self._stream.eof:
            given = self._stream.unconsumed_tail
            if not given:
                given = self._source.take(self._next, HEAD)
                self._next += len(given)
            try:
                made = self._stream.decompress(given, max(end - len(self._made), HEAD))
            except zlib.error:
                raise HeaderError("BAD_DEFLATE") from None
            if not given and not made:
                return False
            self._made += made
        return end <= len(self._made)

    def take(self, start: int, count: int) -> bytes:
        """Slice what has been inflated."""
        self.reach(start + count)
        return bytes(self._made[start : start + count])


@dataclass(frozen=True, slots=True)
class Structure:
    """The wanted elements of one file.

    ``pixels_at`` is where the header ends in the file: at the pixel data, else at the file's end.
    """

    meta: Elements
    elements: Elements
    little: bool
    transfer_syntax: str | None
    has_pixels: bool
    header_end: int


def walk(source: FileBytes, wanted: Wanted) -> Structure:
    """Walk a file up to its pixel data.

    Raises
    ------
    HeaderError
        EMPTY, NOT_DICOM, NO_PREAMBLE, TRUNCATED, BAD_VR, BAD_DEFLATE, INFLATE_CAP, DEPTH, TIMEOUT.
    """
    if source.size == 0:
        raise HeaderError("EMPTY")
    head = source.take(0, 132)
    if head[128:132] == b"DICM":
        return _part_10(source, 132, wanted)
    group = int.from_bytes(head[:2], "little")
    is_bare = len(head) >= 8 and (group in (0x0002, 0x0008) or _is_big_endian(head))
    if not is_bare:
        raise HeaderError("NOT_DICOM")
    return _bare(source, wanted, group)


def _bare(source: FileBytes, wanted: Wanted, group: int) -> Structure:
    """Read without the mark, only where both SOP UIDs result."""
    try:
        if group == 0x0002:
            found = _part_10(source, 0, wanted)
        else:
            found = _data_set(source, 0, None, {}, wanted)
    except HeaderError as error:
        raise HeaderError("NO_PREAMBLE", error.code) from None
    if not (found.elements.get(_SOP_CLASS) and found.elements.get(_SOP_INSTANCE)):
        raise HeaderError("NO_PREAMBLE")
    return found


def _part_10(source: FileBytes, start: int, wanted: Wanted) -> Structure:
    walker = _Walker(source, "<")
    meta: Elements = {}
    at = start
    while source.reach(at + 8) and source.take(at, 2) == b"\x02\x00":
        at = walker.element(at, None, False, _FILE_META, meta, 0)
    if not source.reach(at + 8):
        raise HeaderError("TRUNCATED", "HEADER")
    named = meta.get(0x00020010)
    syntax = named.rstrip(b"\x00 ").decode("ascii", "replace") if named else None
    return _data_set(source, at, syntax, meta, wanted)


def _data_set(
    source: FileBytes, start: int, syntax: str | None, meta: Elements, wanted: Wanted
) -> Structure:
    data: Bytes = InflatedBytes(source, start) if syntax in DEFLATED else source
    at = 0 if syntax in DEFLATED else start
    head = data.take(at, 8)
    little = not (syntax == BIG_ENDIAN or _is_big_endian(head))
    implicit = head[4:6] not in _LONG | _SHORT  # what stands there counts, not what was declared
    walker = _Walker(data, "<" if little else ">")
    found: Elements = {}
    has_pixels = False
    while data.reach(at + 1):
        tag = walker.tag(at)
        if tag in _PIXELS:
            has_pixels = True
            _hold_pixels(walker, at, implicit, syntax)
            break
        at = walker.element(at, None, implicit, wanted, found, 0)
    end = source.size if syntax in DEFLATED or not has_pixels else at
    return Structure(meta, found, little, syntax, has_pixels, end)


def _hold_pixels(walker: _Walker, at: int, implicit: bool, syntax: str | None) -> None:
    """Refuse pixel data that end before the length they declare; a lost pad byte is forgiven."""
    if syntax in DEFLATED:
        return
    _, length, start = walker.header(at, implicit)
    if length != _UNDEFINED and not walker.data.reach(start + length - 1):
        raise HeaderError("TRUNCATED", "PIXEL_DATA")


def _is_big_endian(head: bytes) -> bool:
    return head[:2] == b"\x00\x08" and head[4:6] in _LONG | _SHORT


class _Walker:
    """Walks elements in one byte order, with a budget of elements for the whole file."""

    def __init__(self, data: Bytes, order: str) -> None:
        self.data = data
        self._tag = struct.Struct(f"{order}HH")
        self._short = struct.Struct(f"{order}H")
        self._long = struct.Struct(f"{order}L")
        self._left = MAX_ELEMENTS

    def tag(self, at: int) -> int:
        """Read a tag."""
        group, element = self._tag.unpack(self._need(at, 4))
        return int(group) << 16 | int(element)

    def header(self, at: int, implicit: bool) -> tuple[bytes | None, int, int]:
        """Read VR (None: implicit), length and where the value starts."""
        head = self._need(at, 8)
        if implicit or head[:2] in (b"\xfe\xff", b"\xff\xfe"):
            return None, self._long.unpack_from(head, 4)[0], at + 8
        vr = head[4:6]
        if vr in _SHORT:
            return vr, self._short.unpack_from(head, 6)[0], at + 8
        if vr in _LONG:
            return vr, self._long.unpack(self._need(at + 8, 4))[0], at + 12
        raise HeaderError("BAD_VR")

    def element(
        self,
        at: int,
        limit: int | None,
        implicit: bool,
        wanted: Wanted,
        found: Elements,
        depth: int,
    ) -> int:
        """Walk one element; put it in ``found`` if it is wanted; give where the next one starts."""
        self._spend()
        tag = self.tag(at)
        vr, length, start = self.header(at, implicit)
        if tag in (_ITEM_END, _SEQUENCE_END):  # a stray delimiter at the top level
            return start
        if tag == _ITEM:
            raise HeaderError("BAD_VR", "STRUCTURE")
        inner = wanted.get(tag)
        if length == _UNDEFINED:
            if vr in _BYTES:
                return self._fragments(start)
            return self._sequence(start, None, implicit or vr == b"UN", inner, found, tag, depth)
        end = start + length
        self._hold(end, limit)
        if tag not in wanted:
            return end
        if inner is not None:
            self._sequence(start, end, implicit or vr == b"UN", inner, found, tag, depth)
        else:
            found[tag] = self._need(start, length) if length <= MAX_VALUE else None
        return end

    def _sequence(
        self,
        at: int,
        end: int | None,
        implicit: bool,
        wanted: Wanted | None,
        found: Elements,
        tag: int,
        depth: int,
    ) -> int:
        """Walk the items of a sequence; keep what is wanted of each."""
        if depth >= MAX_DEPTH:
            raise HeaderError("DEPTH")
        items: list[Elements] = []
        if wanted is not None:
            found[tag] = items
        while end is None or at < end:
            self._spend()
            mark = self.tag(at)
            _, length, start = self.header(at, True)
            if mark == _SEQUENCE_END:
                return start
            if mark != _ITEM:
                raise HeaderError("BAD_VR", "STRUCTURE")
            kept: Elements = {}
            at = self._item(start, length, end, implicit, wanted or {}, kept, depth)
            if wanted is not None:
                items.append(kept)
        return at

    def _item(
        self,
        at: int,
        length: int,
        limit: int | None,
        implicit: bool,
        wanted: Wanted,
        found: Elements,
        depth: int,
    ) -> int:
        if length != _UNDEFINED:
            end = at + length
            self._hold(end, limit)
            while wanted and at < end:
                at = self.element(at, end, implicit, wanted, found, depth + 1)
            return end
        while self.tag(at) != _ITEM_END:
            at = self.element(at, limit, implicit, wanted, found, depth + 1)
        return at + 8

    def _fragments(self, at: int) -> int:
        """Pass over encapsulated bytes: items of defined length up to the delimiter."""
        while True:
            self._spend()
            mark = self.tag(at)
            _, length, start = self.header(at, True)
            if mark == _SEQUENCE_END:
                return start
            if mark != _ITEM or length == _UNDEFINED:
                raise HeaderError("BAD_VR", "STRUCTURE")
            at = start + length
            self._hold(at, None)

    def _hold(self, end: int, limit: int | None) -> None:
        if limit is not None and end > limit:
            raise HeaderError("BAD_VR", "STRUCTURE")
        if not self.data.reach(end):
            raise HeaderError("TRUNCATED", "HEADER")

    def _need(self, at: int, count: int) -> bytes:
        found = self.data.take(at, count)
        if len(found) < count:
            raise HeaderError("TRUNCATED", "HEADER")
        return found

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise HeaderError("TIMEOUT")
