"""DICOM's character sets: bytes as text, or a refusal; never a guess.

The defined terms of SpecificCharacterSet (PS3.3 C.12.1.1.2) and code extensions by escape sequences
(PS3.5 6.1.2.5). pydicom falls back to Latin-1 where nothing is declared, takes undeclared sets, and
lets the bytes of one set pass as letters of another; here they are refused. What does not belong
here: what a text means (``values``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vpack_pipeline.io.dicom.outcomes import HeaderError

_HIGH: Final[Mapping[str, tuple[bytes, str, int]]] = {
    "100": (b"\x1b-A", "latin_1", 1),
    "101": (b"\x1b-B", "iso8859_2", 1),
    "109": (b"\x1b-C", "iso8859_3", 1),
    "110": (b"\x1b-D", "iso8859_4", 1),
    "126": (b"\x1b-F", "iso8859_7", 1),
    "127": (b"\x1b-G", "iso8859_6", 1),
    "138": (b"\x1b-H", "iso8859_8", 1),
    "144": (b"\x1b-L", "iso8859_5", 1),
    "148": (b"\x1b-M", "iso8859_9", 1),
    "166": (b"\x1b-T", "tis_620", 1),
    "203": (b"\x1b-b", "iso8859_15", 1),
    "13": (b"\x1b)I", "shift_jis", 1),
    "149": (b"\x1b$)C", "euc_kr", 2),
    "58": (b"\x1b$)A", "gb2312", 2),
}
"""Number of a set of high bytes (G1) → escape sequence, Python's codec, bytes of a character."""
_LOW: Final[Mapping[str, tuple[bytes, bytes]]] = {
    "87": (b"\x1b$B", b""),
    "159": (b"\x1b$(D", b"\x8f"),
}
"""Number of a set of two low bytes (G0) → escape sequence, what EUC-JP puts before a character."""
_ASCII: Final = b"\x1b(B"
_ROMAN: Final = b"\x1b(J"
"""The low half of JIS X 0201; it comes with ISO-IR 13 and is read as ASCII, as pydicom does."""

_TERMS: Final[Mapping[str, str]] = {
    "": "6",
    "ISO_IR 6": "6",
    "ISO 2022 IR 6": "6",
    "ISO 2022 58": "58",
    **{f"ISO_IR {n}": n for n, (_, _, width) in _HIGH.items() if width == 1},
    **{f"ISO 2022 IR {n}": n for n in (*_HIGH, *_LOW)},
}
"""Term → number of the set; ``ISO 2022 58`` stood in examples of the standard until 2013."""
_ALONE: Final[Mapping[str, str]] = {
    "ISO_IR 192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO 2022 GBK": "gbk",
}
"""Term → Python's codec, of the sets that have no code extensions."""
TERMS: Final = frozenset({*_TERMS, *_ALONE})

_PIECE: Final = re.compile(rb"\x1b[\x20-\x2f]+[\x30-\x7e]|[\x00-\x1a\x1c-\x7f]+|[\x80-\xff]+")
_RESETS: Final = frozenset(b"\t\n\f\r\\")
"""What ends a line or a value; the sets of the first term hold again behind it."""
_CONTROL: Final = re.compile("[\x80-\x9f\ufffd]")
# Above 0x9F these sets have signs where UTF-8 has its second byte: no word is written so.
_NEVER_UTF_8: Final = frozenset({"100", "148", "203"})
# An accented Latin-1 letter within a word takes the next letter for the half of a Chinese sign.
_LATIN_IN_GBK: Final = re.compile(
    rb"[A-Za-z][\x81-\xfe][A-Za-z](?![\x80-\xff])|(?<![\x80-\xff])[\x81-\xfe][A-Za-z][A-Za-z]"
)


@dataclass(frozen=True, slots=True)
class Charset:
    """What a file declares: a set that stands alone, or the first set and those it may change to.

    ``alone``: Python's codec. ``first``: number of the first set. ``escapes``: what may be invoked.
    """

    alone: str | None = None
    first: str = "6"
    escapes: frozenset[bytes] = frozenset({_ASCII})

    def decode(self, value: bytes) -> str:
        """Decode bytes.

        Raises
        ------
        HeaderError
            BAD_CHARSET: the bytes are not of the declared sets, or are certainly of another.

        Examples
        --------
        >>> declared(b"\\\\ISO 2022 IR 87").decode(b"Yamada=\\x1b$B;3ED\\x1b(B")
        'Yamada=山田'
        """
        try:
            made = self._alone(value, self.alone) if self.alone else self._extended(value)
        except UnicodeError:
            raise HeaderError("BAD_CHARSET") from None
        if _CONTROL.search(made):
            raise HeaderError("BAD_CHARSET")
        return made

    def _alone(self, value: bytes, codec: str) -> str:
        made = value.decode(codec)
        is_latin = codec != "utf_8" and _LATIN_IN_GBK.search(value)
        if is_latin or "\x1b" in made or made.encode(codec) != value:
            raise HeaderError("BAD_CHARSET")
        return made

    def _extended(self, value: bytes) -> str:
        if self.first in _NEVER_UTF_8 and b"\x1b" not in value and _is_utf_8(value):
            raise HeaderError("BAD_CHARSET")
        first = _HIGH.get(self.first, (b"",))[0]
        low, high = _ASCII, first
        made: list[str] = []
        at = 0
        for piece in _PIECE.finditer(value):
            if piece.start() != at:
                raise HeaderError("BAD_CHARSET")
            found, at = piece.group(), piece.end()
            if found[0] == 0x1B:
                low, high = self._invoke(found, low, high)
            elif found[0] >= 0x80:
                made.append(_high(found, high))
            else:
                made.append(_low(found, low))
                if low in (_ASCII, _ROMAN) and not _RESETS.isdisjoint(found):
                    high = first
        if at != len(value):
            raise HeaderError("BAD_CHARSET")
        return "".join(made)

    def _invoke(self, escape: bytes, low: bytes, high: bytes) -> tuple[bytes, bytes]:
        if escape not in self.escapes:
            raise HeaderError("BAD_CHARSET")
        return (low, escape) if escape in _BY_ESCAPE else (escape, high)


_BY_ESCAPE: Final = {escape: (codec, width) for escape, codec, width in _HIGH.values()}
_PREFIXES: Final = dict(_LOW.values())


def _high(found: bytes, escape: bytes) -> str:
    """Decode high bytes in the set that stands in G1."""
    if escape not in _BY_ESCAPE:
        raise HeaderError("BAD_CHARSET")
    codec, width = _BY_ESCAPE[escape]
    is_katakana = codec == "shift_jis"
    if (width == 2 and min(found) < 0xA1) or (is_katakana and not set(found) <= _KATAKANA):
        raise HeaderError("BAD_CHARSET")
    return found.decode(codec)


_KATAKANA: Final = frozenset(range(0xA1, 0xE0))


def _low(found: bytes, escape: bytes) -> str:
    """Decode low bytes in the set that stands in G0."""
    if escape in (_ASCII, _ROMAN):
        return found.decode("ascii")
    if len(found) % 2 or min(found) < 0x21:
        raise HeaderError("BAD_CHARSET")
    prefix, high = _PREFIXES[escape], bytes(b | 0x80 for b in found)
    return b"".join(prefix + high[i : i + 2] for i in range(0, len(high), 2)).decode("euc_jp")


def _is_utf_8(value: bytes) -> bool:
    try:
        value.decode("utf_8")
    except UnicodeError:
        return False
    return True


@functools.lru_cache(256)
def declared(value: bytes | None) -> Charset | None:
    """Read a SpecificCharacterSet; None if it names a set that DICOM does not define.

    Nothing declared is ISO-IR 6: seven bits.
    """
    terms = [t.strip(" \x00") for t in (value or b"").decode("latin_1").split("\\")]
    if len(terms) == 1 and terms[0] in _ALONE:
        return Charset(alone=_ALONE[terms[0]])
    if any(t not in _TERMS for t in terms):
        return None
    numbers = [_TERMS[t] for t in terms]
    escapes = {_ASCII} | {_HIGH[n][0] for n in numbers if n in _HIGH}
    escapes |= {_LOW[n][0] for n in numbers if n in _LOW}
    return Charset(None, numbers[0], frozenset(escapes | ({_ROMAN} if "13" in numbers else set())))
