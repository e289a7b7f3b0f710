"""The DICOM JSON model (PS3.18 annex F) as the same ``Structure`` that the walk of a file gives.

Values become the bytes that they would be in Explicit VR Little Endian and UTF-8, so that one judge
reads files and servers alike. Where the two cannot be the same:

- a number of a DS or IS is written in the shortest decimal text of its value: ``1.250000`` in a
  file is ``1.25`` here. The typed value is equal, the raw one may differ;
- the server has decoded text by the character set of the file; what it could not decode (U+FFFD)
  or passed on as it was becomes bytes that are not UTF-8, so that the judge says BAD_CHARSET;
- metadata hold no pixels: an object with rows counts as having them;
- there is no file meta information; the transfer syntax is known only where the server names it.

What does not belong here: how the JSON is fetched (``query``), what a value means (``header``).
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vpack_pipeline.io.dicom import fields
from vpack_pipeline.io.dicom.outcomes import HeaderError
from vpack_pipeline.io.dicom.structure import MAX_VALUE, Elements, Structure, Wanted
from vpack_pipeline.io.dicom.walker import MAX_DEPTH

Item = Mapping[str, Any]
"""One instance, or one item of a sequence: tag as eight hexadecimal digits → vr, Value …"""

_BINARY: Final[Mapping[str, str]] = {
    "US": "<H", "SS": "<h", "UL": "<L", "SL": "<l", "UV": "<Q", "SV": "<q",
    "FL": "<f", "FD": "<d",
}  # fmt: skip
_TEXT: Final = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
_NO_VALUE: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN"})
"""Without InlineBinary there is nothing to be held of these."""
_UTF_8: Final = b"ISO_IR 192"
_SYNTAX: Final = 0x00083002
_ROWS: Final = "00280010"
_PIXELS: Final = ("7FE00008", "7FE00009", "7FE00010")
_OF_THE_SERVER: Final = frozenset(
    {"00080054", "00080056", "00081190", "00083002"}
    | {f"0020{n}" for n in ("1200", "1202", "1204", "1206", "1208", "1209")}
)
"""What a server adds: where and how it holds an object, and how much else it holds."""
_LARGEST_NESTING: Final = 3 * MAX_DEPTH + 8
"""Brackets around the deepest element that is read: an object, an array, a cell per level."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class MalformedError(ValueError):
    """A body that is no array of JSON objects, or is cut short."""


def objects(body: bytes) -> Iterator[Item]:
    """Give the objects of a JSON array one at a time, so that never all are held at once.

    One whose nesting is deeper than any that is read comes without its depths, and
    :func:`structure` says DEPTH of it; the others are not lost with it.

    Raises
    ------
    MalformedError

    Examples
    --------
    >>> list(objects(b'[{"00080018": {"vr": "UI"}}]'))
    [{'00080018': {'vr': 'UI'}}]
    """
    text = body.decode("utf-8-sig", "surrogateescape")
    if not text.strip():
        return
    decoder = json.JSONDecoder(parse_constant=str)
    at = _after(text, 0, "[")
    is_first = True
    while text[at : at + 1] != "]":
        at = at if is_first else _after(text, at, ",")
        is_first = False
        try:
            made, at = decoder.raw_decode(text, at)
        except RecursionError:
            pruned, at = _pruned(text, at)
            made = json.loads(pruned, parse_constant=str)
        except ValueError:
            raise MalformedError from None
        if not isinstance(made, dict):
            raise MalformedError
        yield made
        at = _after(text, at, "")
    if text[at + 1 :].strip():
        raise MalformedError


def _after(text: str, at: int, mark: str) -> int:
    """Pass white space, a mark and white space again."""
    at = _white(text, at)
    if not text.startswith(mark, at) or at >= len(text):
        raise MalformedError
    return _white(text, at + len(mark))


def _white(text: str, at: int) -> int:
    while text[at : at + 1] in {" ", "\t", "\r", "\n"}:
        at += 1
    return at


def _pruned(text: str, at: int) -> tuple[str, int]:
    """Copy one JSON object without what is nested too deep; say where it ends."""
    kept, depth, start = [], 0, at
    for token in _TOKEN.finditer(text, at):
        mark = token.group()
        if mark in {"[", "{"}:
            depth += 1
            if depth == _LARGEST_NESTING + 1:
                kept.append(text[start : token.start()] + "null")
        elif mark in {"]", "}"}:
            depth -= 1
            if depth == _LARGEST_NESTING:
                start = token.end()
            if not depth:
                return "".join([*kept, text[start : token.end()]]), token.end()
    raise MalformedError


def digest(item: Item) -> tuple[bytes, int]:
    """Digest what an instance says of itself; give the length of its canonical text too.

    The order of keys, the spelling of numbers and what belongs to the server (addresses,
    availability, counts) make no difference.
    """
    own = {k: v for k, v in item.items() if k not in _OF_THE_SERVER}
    text = json.dumps(_placeless(own), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest(), len(text)


def _placeless(node: Any) -> Any:
    """Leave out where bulk data lie, at any depth: it names the server, not the object."""
    if isinstance(node, dict):
        return {k: True if k == "BulkDataURI" else _placeless(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_placeless(v) for v in node]
    return node


def structure(item: Item, wanted: Wanted) -> Structure:
    """Turn an instance into the structure that the walk of its file would give.

    Raises
    ------
    HeaderError
        BAD_VR: a cell is not of the model, or a value not of its VR; DEPTH.
    """
    _hold_depth(item, MAX_DEPTH)
    found = _elements(item, wanted)
    found[fields.CHARSET] = _UTF_8
    named = _elements(item, {_SYNTAX: None}).get(_SYNTAX)
    syntax = named.decode("ascii", "replace") if named and b"\\" not in named else None
    has_pixels = _ROWS in item or any(tag in item for tag in _PIXELS)
    return Structure({}, found, True, syntax, has_pixels, 0)


def _hold_depth(item: Item, left: int) -> None:
    for cell in item.values():
        inner = cell.get("Value") if isinstance(cell, dict) and cell.get("vr") == "SQ" else None
        for held in inner if isinstance(inner, list) else ():
            if not left:
                raise HeaderError("DEPTH")
            if isinstance(held, dict):
                _hold_depth(held, left - 1)


def _elements(item: Item, wanted: Wanted) -> Elements:
    found: Elements = {}
    for tag, inner in wanted.items():
        cell = item.get(_key(tag))
        if cell is None:
            continue
        if not isinstance(cell, dict):
            raise HeaderError("BAD_VR")
        if inner is None:
            found[tag] = _bytes(cell)
        else:
            found[tag] = [_elements(held, inner) for held in _items(cell)]
    return found


@functools.lru_cache(1024)
def _key(tag: int) -> str:
    return f"{tag:08X}"


def _items(cell: Item) -> Iterator[Item]:
    for held in _values(cell):
        if held is not None and not isinstance(held, dict):
            raise HeaderError("BAD_VR", "STRUCTURE")
        yield held or {}


def _values(cell: Item) -> list[Any]:
    given = cell.get("Value")
    if given is None:
        return []
    if not isinstance(given, list):
        raise HeaderError("BAD_VR")
    return given


def _bytes(cell: Item) -> bytes | None:
    """Give a value's bytes; None where they are longer than any value that is read, or elsewhere.

    Raises
    ------
    HeaderError
        BAD_VR.
    """
    vr = str(cell.get("vr"))
    if "InlineBinary" in cell:
        made = _inline(cell["InlineBinary"])
    elif "BulkDataURI" in cell or vr in _NO_VALUE:
        return None
    elif vr in _BINARY:
        made = b"".join(_packed(_BINARY[vr], v) for v in _values(cell) if v is not None)
    elif vr == "AT":
        made = b"".join(_tag(v) for v in _values(cell) if v is not None)
    elif vr == "PN":
        made = _encoded([_name(v) for v in _values(cell)])
    elif vr in _TEXT:
        made = _encoded([_written(v) for v in _values(cell)])
    else:
        raise HeaderError("BAD_VR")
    return made if len(made) <= MAX_VALUE else None


def _inline(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise HeaderError("BAD_VR") from None


def _packed(form: str, value: Any) -> bytes:
    """Pack a number, also one that is written as a string (as SV and UV may be)."""
    is_whole = form not in {"<f", "<d"}
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value) if not is_whole else int(value)
        if is_whole and isinstance(value, float) and number != value:
            raise ValueError
        return struct.pack(form, number)
    except (TypeError, ValueError, OverflowError, struct.error):
        raise HeaderError("BAD_VR") from None


def _tag(value: Any) -> bytes:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Fa-f]{8}", value):
        raise HeaderError("BAD_VR")
    return struct.pack("<HH", int(value[:4], 16), int(value[4:], 16))


def _name(value: Any) -> str:
    """Join the groups of a person's name."""
    if not isinstance(value, dict):
        return _written(value)
    groups = [_written(value.get(g)) for g in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(groups).rstrip("=")


def _written(value: Any) -> str:
    """Write a value as text; the float of a number's text is the number."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise HeaderError("BAD_VR")
    return repr(value).removesuffix(".0")


def _encoded(written: list[str]) -> bytes:
    """Encode as UTF-8; what the server could not decode becomes bytes that nobody can."""
    return "\\".join(written).replace("\ufffd", "\udcff").encode("utf-8", "surrogatepass")
