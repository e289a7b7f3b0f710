"""Files that cannot be taken, one function a kind: each turns a sound image into a broken file.

The registry at the foot names the kinds of ``planted.yaml``. What does not belong here: which code
a kind should be given (``planted.yaml``).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from examples.demo_sites.dicom import DEFLATED, EXPLICIT, Value, dataset, element, file_of, meta

Values = Mapping[str, Value]

_PICTURE: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a4944415478da6360000000020001e221bc330000000049454e44ae426082"
)
_ITEM: Final = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
_EMPTY_ITEM: Final = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
_ITEM_END: Final = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
_SEQUENCE_END: Final = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
_SEQUENCE: Final = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)


def _head(values: Values, transfer_syntax: str = EXPLICIT) -> bytes:
    return meta(str(values["SOPClassUID"]), str(values["SOPInstanceUID"]), transfer_syntax)


def _without(values: Values, *keywords: str) -> dict[str, Value]:
    return {k: v for k, v in values.items() if k not in keywords}


def empty(_values: Values) -> bytes:
    """No bytes at all."""
    return b""


def picture(_values: Values) -> bytes:
    """A PNG under a DICOM name."""
    return _PICTURE


def note(_values: Values) -> bytes:
    """A text file under a DICOM name."""
    return b"please ask radiology to send this study again\n" * 6


def bare_without_uid(values: Values) -> bytes:
    """A bare data set that begins like DICOM and names no SOP instance."""
    return dataset(_without(values, "SOPInstanceUID"))


def cut_header(values: Values) -> bytes:
    """Ends in the middle of an element of the header."""
    return _head(values) + dataset(values)[:187]


def cut_pixels(values: Values) -> bytes:
    """Ends in the middle of the pixel data."""
    return file_of(values)[:-200]


def unknown_vr(values: Values) -> bytes:
    """An element whose value representation DICOM does not know."""
    made = file_of(values)
    at = made.index(struct.pack("<HH2s", 0x0008, 0x1090, b"LO"))
    return made[: at + 4] + b"ZZ" + made[at + 6 :]


def stray_item(values: Values) -> bytes:
    """An item outside any sequence."""
    return _head(values) + _EMPTY_ITEM + dataset(values)


def unknown_charset(values: Values) -> bytes:
    """An identifier beyond ASCII in a character set that does not exist."""
    changed = dict(values) | {"SpecificCharacterSet": "ISO_IR 999", "PatientID": "MÜ-4711"}
    return file_of(changed)


def damaged_deflate(values: Values) -> bytes:
    """A deflated data set with its first bytes overwritten."""
    packed = _deflate(dataset(values))
    return _head(values, DEFLATED) + b"\xff\xff\xff\xff" + packed[4:]


def deflate_bomb(values: Values) -> bytes:
    """A small file whose header inflates to 80 MB."""
    size = 80 * 1024 * 1024
    start = struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, size)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [packer.compress(_before_group_9(values) + start)]
    block = bytes(1024 * 1024)
    parts += [packer.compress(block) for _ in range(size // len(block))]
    return _head(values, DEFLATED) + b"".join(parts) + packer.flush()


def _before_group_9(values: Values) -> bytes:
    return dataset({k: values[k] for k in ("SOPClassUID", "SOPInstanceUID", "Modality")})


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def deep_nesting(values: Values) -> bytes:
    """A sequence inside a sequence, 300 times."""
    depth = 300
    nest = (_SEQUENCE + _ITEM) * depth + (_ITEM_END + _SEQUENCE_END) * depth
    return _head(values) + _before_group_9(values) + nest


def endless_items(values: Values) -> bytes:
    """A sequence of half a million empty items."""
    sequence = _SEQUENCE + _EMPTY_ITEM * 500_000 + _SEQUENCE_END
    return _head(values) + _before_group_9(values) + sequence


def no_instance_uid(values: Values) -> bytes:
    """A file whose data set names no SOP instance, nor does its file meta group."""
    head = meta(str(values["SOPClassUID"]), "", EXPLICIT)
    return head + dataset(_without(values, "SOPInstanceUID"))


def no_study_uid(values: Values) -> bytes:
    """An image of no study."""
    return file_of(_without(values, "StudyInstanceUID"))


def two_study_uids(values: Values) -> bytes:
    """An image that names two studies in one element."""
    study = str(values["StudyInstanceUID"])
    data = dataset(_without(values, "StudyInstanceUID"))
    at = data.index(struct.pack("<HH2s", 0x0020, 0x000E, b"UI"))
    two = element(0x0020000D, "UI", f"{study[:28]}\\{study[:27]}7")
    return _head(values) + data[:at] + two + data[at:]


BROKEN: Final[dict[str, Callable[[Values], bytes]]] = {
    "empty": empty,
    "picture": picture,
    "note": note,
    "bare_without_uid": bare_without_uid,
    "cut_header": cut_header,
    "cut_pixels": cut_pixels,
    "unknown_vr": unknown_vr,
    "stray_item": stray_item,
    "unknown_charset": unknown_charset,
    "damaged_deflate": damaged_deflate,
    "deflate_bomb": deflate_bomb,
    "deep_nesting": deep_nesting,
    "endless_items": endless_items,
    "no_instance_uid": no_instance_uid,
    "no_study_uid": no_study_uid,
    "two_study_uids": two_study_uids,
}
"""Kind of ``planted.yaml`` → how a sound image becomes such a file."""
