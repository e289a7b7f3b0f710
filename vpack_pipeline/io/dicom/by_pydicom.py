"""The second engine: pydicom reads what the walker declines, and nothing passes in silence.

pydicom accepts a header that is cut short, keeps the last of two elements with one tag, and has no
bound on inflated size; here each of these ends in a code. It still may hang or exhaust memory on
hostile bytes, so it runs in a contained process (``containment``). What does not belong here: what
a value means (``header``).
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO, Final, cast

from vpack_pipeline.io.dicom.elements import expected, is_charset
from vpack_pipeline.io.dicom.outcomes import HeaderError
from vpack_pipeline.io.dicom.structure import (
    CHARSET,
    DEFLATED,
    INFLATE_CAP,
    MAX_VALUE,
    META,
    PIXELS,
    SOP_CLASS,
    SOP_INSTANCE,
    TRANSFER_SYNTAX,
    UNDEFINED,
    Elements,
    Structure,
    Wanted,
    syntax_of,
)

_CHUNK: Final = 64 * 1024
_SEARCH: Final = 8192
"""How much pydicom reads at once where it looks for a delimiter; the file may end within."""
_PREAMBLE: Final = 128


def read(file: BinaryIO, size: int, wanted: Wanted) -> Structure:
    """Read a file up to its pixel data.

    Parameters
    ----------
    file : at its start
    size : of the file, bytes

    Raises
    ------
    HeaderError
        NO_PREAMBLE, TRUNCATED, BAD_VR, BAD_DEFLATE, INFLATE_CAP, DEPTH, OOM; CRASH, naming the type
        of what pydicom raised.
    """
    file.seek(128)
    is_bare = file.read(4) != b"DICM"
    file.seek(0)
    try:
        found = _read(file, size, wanted)
    except HeaderError as error:
        if is_bare and error.code not in {"DEPTH", "OOM"}:
            raise HeaderError("NO_PREAMBLE", error.code) from None
        raise
    # Without the mark any bytes may be read as something.
    if is_bare and not (found.elements.get(SOP_CLASS) and found.elements.get(SOP_INSTANCE)):
        raise HeaderError("NO_PREAMBLE")
    return found


def _cut() -> HeaderError:
    return HeaderError("TRUNCATED", "HEADER")


def _read(file: BinaryIO, size: int, wanted: Wanted) -> Structure:
    watched = _Watched(file, size)
    try:
        return _read_watched(watched, wanted)
    except HeaderError:
        raise
    except RecursionError:
        raise HeaderError("DEPTH") from None
    except MemoryError:
        raise HeaderError("OOM") from None
    except (EOFError, OSError, struct.error):
        if watched.is_cut or watched.tell() >= watched.size:
            raise _cut() from None
        raise HeaderError("BAD_VR", "STRUCTURE") from None
    except NotImplementedError:
        raise HeaderError("BAD_VR") from None
    except Exception as error:  # noqa: BLE001  pydicom raises many kinds, and each is an outcome
        if watched.is_cut:
            raise _cut() from None
        raise HeaderError("CRASH", type(error).__name__) from None


class _Watched(io.RawIOBase):
    """A file that notices when something is asked of it that lies past its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size
        self.is_cut = False

    def read(self, count: int = -1) -> bytes:
        """Read; what is there in part, or begins past the end, is a cut."""
        at = self._file.tell()
        found = self._file.read(count)
        is_end = not found and count <= 8  # pydicom looks whether another element follows
        is_end |= at == 0 and count == _PREAMBLE
        if at > self.size or (len(found) < count != _SEARCH and not is_end):
            self.is_cut = True
        return found

    def some(self, count: int) -> bytes:
        """Read as much as there is, up to ``count``."""
        return self._file.read(count)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Say where the file stands."""
        return self._file.tell()


class _Observer:
    """Sees every element at the top level as pydicom meets it, and stops it at the pixel data."""

    def __init__(self, file: _Watched, wanted: Wanted) -> None:
        self._file = file
        self._allowed = expected(wanted).kinds
        self._seen: dict[int, bytes | int] = {}
        self.has_met = False
        self.pixels: tuple[int, int] | None = None
        """Where the value of the pixel data starts, and the length that it declares."""

    def __call__(self, tag: int, vr: str | None, length: int) -> bool:
        """Note an element; say whether to stop."""
        if not self.has_met and length == 0 and tag not in PIXELS:
            # Perhaps only pydicom's first look at how the data set is encoded.
            self.has_met = True
            return False
        self.has_met = True
        if tag in PIXELS:
            if vr not in {None, "OB", "OW", "OF", "OD", "UN"}:
                raise HeaderError("BAD_VR", "PIXEL_DATA")
            self.pixels = (self._file.tell(), length)
            return True
        if tag >> 16 == 0xFFFE:
            raise HeaderError("BAD_VR", "STRUCTURE")
        allowed = self._allowed.get(tag)
        if allowed is not None:
            if vr is not None and vr.encode("latin-1") not in allowed:
                raise HeaderError("BAD_VR")
            value = self._peek(length)
            if tag == CHARSET and not (isinstance(value, bytes) and is_charset(value)):
                raise HeaderError("BAD_CHARSET", None, "SpecificCharacterSet")
            # pydicom would keep the last of them in silence.
            if self._seen.setdefault(tag, value) != value:
                raise HeaderError("BAD_VR", "DUPLICATE")
        return False

    def charset(self) -> bytes | None:
        """Give SpecificCharacterSet as written: pydicom keeps its own reading of it."""
        found = self._seen.get(CHARSET, b"")
        return found if isinstance(found, bytes) else None

    def _peek(self, length: int) -> bytes | int:
        at = self._file.tell()
        if length != UNDEFINED and at + length > self._file.size:
            raise _cut()
        if length > MAX_VALUE:
            return length
        found = self._file.read(length)
        self._file.seek(at)
        return found


def _read_watched(file: _Watched, wanted: Wanted) -> Structure:
    from pydicom.filereader import _read_file_meta_info, read_dataset, read_partial, read_preamble

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        read_preamble(cast(BinaryIO, file), True)
        meta = _kept(_read_file_meta_info(cast(BinaryIO, file)), dict.fromkeys(META))
        syntax = syntax_of(meta.get(TRANSFER_SYNTAX))
        data = file
        if syntax in DEFLATED:
            data = _inflated(file)
        else:
            file.seek(0)
        observer = _Observer(data, wanted)
        tags = list(wanted)
        source = cast(BinaryIO, data)
        if syntax in DEFLATED:
            ds: Any = read_dataset(source, False, True, stop_when=observer, specific_tags=tags)
        else:
            ds = read_partial(source, observer, force=True, specific_tags=tags)
        end = data.tell()
        elements = _kept(ds, wanted)
        if CHARSET in elements:
            elements[CHARSET] = observer.charset()
    _hold(data, said, end, observer, syntax in DEFLATED)
    has_pixels = observer.pixels is not None
    header_end = file.size if syntax in DEFLATED or not has_pixels else end
    return Structure(meta, elements, ds.original_encoding[1], syntax, has_pixels, header_end)


def _hold(
    data: _Watched, said: Iterable[Any], end: int, observer: _Observer, is_inflated: bool
) -> None:
    """Refuse what pydicom took although it ends too soon, or leaves bytes unread."""
    if data.is_cut or any("End of file" in str(w.message) for w in said):
        raise _cut()
    if observer.pixels is None:
        if end > data.size or not observer.has_met:
            raise _cut()
        if end < data.size:
            raise HeaderError("BAD_VR", "STRUCTURE")
    elif not is_inflated:
        start, length = observer.pixels
        if length != UNDEFINED and start + length - 1 > data.size:
            raise HeaderError("TRUNCATED", "PIXEL_DATA")


def _kept(ds: Any, wanted: Wanted) -> Elements:
    """Take the bytes of the wanted elements; of a sequence, those of every item."""
    found: Elements = {}
    for tag, inner in wanted.items():
        if tag not in ds:
            continue
        if inner is not None:
            items = ds[tag].value
            found[tag] = [_kept(item, inner) for item in items or ()]
            continue
        raw = ds.get_item(tag)
        value = raw.value or b""
        if not isinstance(value, bytes):  # the character set, converted as it was read
            value = "\\".join([value] if isinstance(value, str) else value).encode("latin-1")
        elif getattr(raw, "length", 0) not in (UNDEFINED, len(value)):
            raise _cut()
        found[tag] = value if len(value) <= MAX_VALUE else None
    return found


def _inflated(file: _Watched) -> _Watched:
    """Inflate a data set, never past the cap."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    made = bytearray()
    given = b""
    while not stream.eof:
        given = stream.unconsumed_tail or file.some(_CHUNK)
        if not given:
            raise _cut()
        try:
            made += stream.decompress(given, INFLATE_CAP + 1 - len(made))
        except zlib.error:
            raise HeaderError("BAD_DEFLATE") from None
        if len(made) > INFLATE_CAP:
            raise HeaderError("INFLATE_CAP")
    return _Watched(io.BytesIO(bytes(made)), len(made))
