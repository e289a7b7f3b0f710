"""The first engine: walks a header's structure in the file's first bytes, strictly and fast.

It reads Part 10 files in Implicit and Explicit VR Little Endian whose elements stand in ascending
order, which is nearly every file of an archive, and gives exactly what pydicom gives (the tests
hold it to that, value by value, over real, generated and damaged files). Whatever else it meets it
declines, and ``by_pydicom`` decides: it never guesses. What is not wanted is skipped unread. What
does not belong here: what a value means (``header``).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Container
from typing import Final

from vpack_pipeline.io.dicom.elements import TEXT, dictionary_vr, expected, is_charset
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
_SHORT: Final = (TEXT - _LONG) | {b"AT", b"FL", b"FD", b"SL", b"SS", b"UL", b"US"}
_START: Final = {**dict.fromkeys(_SHORT, 8), **dict.fromkeys(_LONG, 12)}
"""VR → bytes from an element's start to its value."""
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_DELIMITERS: Final = 0xFFFE0000
_META_LENGTH: Final = 0x00020000
_META: Final[Wanted] = dict.fromkeys((_META_LENGTH, *META))
_AFTER_META: Final = range(0x00030000, 1 << 32)
_NOTHING: Final[Wanted] = {}
_LONG_STEP: Final = 0
"""Instead of the bytes to the next element: four bytes more say how long this one is."""
_UNKNOWN: Final = -1
_LONGEST_KEPT: Final = 2048
_RECENT: Final = 8
_HEADS: Final = 65_536
"""So many heads of elements are kept; no archive has nearly as many."""

_explicit = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHL").unpack_from
_length = struct.Struct("<L").unpack_from
_tag = struct.Struct("<HH").unpack_from

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


def _tag_at(window: bytes, pos: int) -> int:
    group, number = _tag(window, pos)
    return int(group) << 16 | int(number)


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
        at = self._top(132, False, _META, meta, _AFTER_META)
        if len(meta.get(_META_LENGTH, bytes(4))) != 4:
            raise Declined("META")
        if self._size - at < 8:
            raise HeaderError("TRUNCATED", "HEADER")
        return {tag: meta[tag] for tag in META if tag in meta}, at

    def data_set(self, at: int, meta: Elements, syntax: str, wanted: Wanted) -> Structure:
        """Walk the data set."""
        is_implicit = syntax == IMPLICIT
        if is_implicit == _looks_explicit(self._take(at, 6)[4:]):
            raise Declined("SYNTAX")
        found: Elements = {}
        end = self._top(at, is_implicit, wanted, found, PIXELS)
        has_pixels = end < self._size
        if has_pixels:
            self._hold_pixels(end, is_implicit)
        return Structure(meta, found, True, syntax, has_pixels, end)

    def _top(  # noqa: C901  flat, for speed
        self, at: int, is_implicit: bool, wanted: Wanted, found: Elements, until: Container[int]
    ) -> int:
        """Walk the top level to a tag of ``until`` or the file's end: all speed depends on it.

        The same eight bytes of tag, VR and length begin an element in file after file; what they
        mean is kept.
        """
        heads = expected(wanted).heads[is_implicit]
        window, base, size = self.window, self._base, self._size
        pos, last, length_read = at - base, 0, len(window)
        limit = length_read - 12
        while True:
            if pos > limit:
                if base + pos == size:
                    return size
                window, pos = self._at(base + pos)
                base, length_read = self._base, len(window)
                limit = length_read - 12
            try:
                tag, step = heads[window[pos : pos + 8]]
            except KeyError:
                tag, step = _tag_at(window, pos), _UNKNOWN
            if tag > last:
                if step > 0:
                    pos += step
                    last = tag
                    continue
                if step < _UNKNOWN and pos - step <= length_read:
                    found[tag] = window[pos + 8 : pos - step]
                    pos -= step
                    last = tag
                    continue
            if tag in until:
                return base + pos
            if tag <= last or tag >= _DELIMITERS:
                raise Declined("ORDER")
            last = tag
            if step == _LONG_STEP:
                pos += self._long(window, pos)
                continue
            at = self._first(base + pos, is_implicit, wanted, found)
            window, base = self.window, self._base
            pos, length_read = at - base, len(window)
            limit = length_read - 12

    def _first(self, at: int, is_implicit: bool, wanted: Wanted, found: Elements) -> int:
        """Take an element that begins as none before, and keep what its head means."""
        head = self._need(at, 8)
        kinds, heads, sequences = expected(wanted)
        for written, again in sequences.get(head, ()):
            if self.window.startswith(written, at - self._base):
                found |= again
                return at + len(written)
        tag, vr, length, start = self._next(at, is_implicit)
        allowed = kinds.get(tag)
        if allowed is not None and vr is not None and vr not in allowed:
            raise Declined("VR")
        step = 8 + length if start == at + 8 else _LONG_STEP
        is_kept = length != UNDEFINED and vr != b"SQ"
        if allowed is not None:
            step = -step
            is_kept &= wanted[tag] is None and length <= MAX_VALUE and step != _LONG_STEP
            is_kept &= tag != CHARSET  # of which the value is looked at as well
        if is_kept and len(heads[is_implicit]) < _HEADS:
            heads[is_implicit][head] = (tag, step)
        if allowed is None and length != UNDEFINED:
            return start + length
        end = self._known(tag, vr, length, start, is_implicit, wanted, found, 0)
        if length == UNDEFINED and at - self._base >= 0 and end - at <= _LONGEST_KEPT:
            recent = sequences.setdefault(head, deque(maxlen=_RECENT))
            recent.append((self._need(at, end - at), {tag: found[tag]} if tag in found else {}))
        return end

    @staticmethod
    def _long(window: bytes, pos: int) -> int:
        """Give the length of an unwanted element whose length stands behind eight bytes."""
        if len(window) - pos < 12:  # the window ends here only where the file does
            raise HeaderError("TRUNCATED", "HEADER")
        (length,) = _length(window, pos + 8)
        if length == UNDEFINED:
            raise Declined("UNDEFINED_LENGTH")
        return 12 + int(length)

    def _hold_pixels(self, at: int, is_implicit: bool) -> None:
        """Refuse pixel data shorter than they declare; a lost pad byte is forgiven."""
        _, vr, length, start = self._next(at, is_implicit)
        if vr is not None and vr not in {b"OB", b"OW", b"OF", b"OD", b"UN"}:
            raise Declined("VR")
        if length != UNDEFINED and start + length - 1 > self._size:
            raise HeaderError("TRUNCATED", "PIXEL_DATA")

    def _known(
        self,
        tag: int,
        vr: bytes | None,
        length: int,
        start: int,
        is_implicit: bool,
        wanted: Wanted,
        found: Elements,
        depth: int,
    ) -> int:
        """Take an element that is wanted or of undefined length; give where the next starts."""
        inner = wanted.get(tag)
        if length == UNDEFINED:
            if vr != b"SQ" and not (vr is None and self._is_sequence(tag, start)):
                raise Declined("UNDEFINED_LENGTH")
            return self._sequence(start, None, is_implicit, inner, found, tag, depth)
        end = start + length
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
        named = dictionary_vr(tag)
        return named == "SQ" or (named is None and self._need(start, 4) == b"\xfe\xff\x00\xe0")

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
        # One tree for all that nobody wants: what is expected of a tree is kept.
        inner = _NOTHING if wanted is None else wanted
        try:
            if end is not None:
                self._hold(end)
            while end is None or at < end:
                mark, _, length, start = self._next(at, True)
                if mark == _SEQUENCE_END and end is None:
                    at = start
                    break
                if mark != _ITEM:
                    raise Declined("STRUCTURE")
                items.append({})
                if length == 0 and (end is None or start <= end):
                    at = start
                    continue
                at = self._item(start, length, end, is_implicit, inner, items[-1], depth)
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
        """Walk one item; an element may not reach beyond it, nor it beyond its sequence."""
        end = None if length == UNDEFINED else at + length
        if end is not None:
            if limit is not None and end > limit:
                raise Declined("STRUCTURE")
            self._hold(end)
            limit = end
        kinds, last = expected(wanted).kinds, 0
        self._fits(at, limit, is_implicit)
        while end is None or at < end:
            tag, vr, size, start = self._next(at, is_implicit)
            if tag == _ITEM_END and end is None and size == 0:
                return start
            if tag <= last or tag >= _DELIMITERS:
                raise Declined("ORDER")
            last = tag
            if tag in wanted and vr is not None and vr not in kinds[tag]:
                raise Declined("VR")
            if size != UNDEFINED and limit is not None and start + size > limit:
                raise Declined("STRUCTURE")
            if tag in wanted or size == UNDEFINED:
                at = self._known(tag, vr, size, start, is_implicit, wanted, found, depth + 1)
                continue
            if tag == CHARSET:  # pydicom reads it wherever it stands
                self._value(tag, start, size)
            at = start + size
        return at

    def _fits(self, at: int, limit: int | None, is_implicit: bool) -> None:
        """Decline an item whose first element is not encoded as the data set is."""
        if limit is not None and limit - at < 8:
            return
        head = self._need(at, 8)
        if head[:2] != b"\xfe\xff" and is_implicit == _looks_explicit(head[4:6]):
            raise Declined("SYNTAX")

    def _next(self, at: int, is_implicit: bool) -> tuple[int, bytes | None, int, int]:
        """Read an element's tag, VR (None: implicit, or a delimiter), length and value's start."""
        self._left -= 1
        if self._left < 0:
            raise HeaderError("TIMEOUT")
        window, pos = self._at(at)
        if is_implicit:
            group, number, length = _implicit(window, pos)
            return group << 16 | number, None, length, at + 8
        group, number, vr, length = _explicit(window, pos)
        skip = _START.get(vr)
        if skip == 8:
            return group << 16 | number, vr, length, at + 8
        if group == 0xFFFE:
            return group << 16 | number, None, _implicit(window, pos)[2], at + 8
        if skip is None:
            raise Declined("VR")
        return group << 16 | number, vr, _length(self._need(at + 8, 4))[0], at + 12

    def _at(self, at: int) -> tuple[bytes, int]:
        """Have the head of an element in the window; say where in it."""
        pos = at - self._base
        if pos < 0 or pos + 12 > len(self.window):
            self._hold(at)
            # An element of 8 bytes may be the file's last.
            self._need(at, max(8, min(12, self._size - at)))
            pos = at - self._base
        return self.window, pos

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
