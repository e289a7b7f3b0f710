"""One element's bytes as text, number, date or age: strict, and a value that is wrong is said so.

What does not belong here: which element fills which column (``fields``, ``header``).
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from datetime import date
from typing import Final

from vpack_pipeline.io.dicom.outcomes import HeaderError

MAX_TEXT: Final = 64
"""Longer is free text; it may name somebody, and no code or product name needs it."""

_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INTEGER: Final = re.compile(r"[+-]?\d{1,12}")
_DATE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})|(\d{4})\.(\d{2})\.(\d{2})")
_AGE: Final = re.compile(r"(\d{1,3})([DWMY])")
_UID: Final = re.compile(r"[0-9.]{1,64}")
_DAYS: Final = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}

# A raw value is kept as written only while it looks like what the element is for: an invalid one
# may be anything that somebody typed.
_RAW: Final = {
    "number": re.compile(r"[0-9eE+\-., \\]{1,64}"),
    "date": re.compile(r"[0-9./:\- ]{1,32}"),
    "age": re.compile(r"[0-9A-Za-z\-]{1,8}"),
    "sex": re.compile(r"[0-9A-Za-z]{1,8}"),
    "text": re.compile(r"[^\x00-\x1f\x7f]{1,64}"),
}


def encodings(value: bytes | None) -> tuple[str, ...] | None:
    """Give the Python encodings of a SpecificCharacterSet; None if one of them is unknown."""
    from pydicom.charset import convert_encodings, python_encoding

    terms = [t.strip() for t in (value or b"").decode("ascii", "replace").strip("\x00").split("\\")]
    if any(t not in python_encoding for t in terms):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its text quotes the value
        return tuple(convert_encodings(terms if len(terms) > 1 else terms[0]))


def text(value: bytes | None, charset: Sequence[str] | None) -> str | None:
    """Decode text; None for nothing.

    Raises
    ------
    HeaderError
        BAD_CHARSET: the bytes are not of the declared character set, or that is unknown.

    Examples
    --------
    >>> text(b"M\\xfcller ", ("latin_1",))
    'Müller'
    """
    if not value:
        return None
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii").strip(" \x00") or None
    if charset is None:
        raise HeaderError("BAD_CHARSET")
    if b"\x1b" not in value:
        try:
            return value.decode(charset[0]).strip(" \x00") or None
        except UnicodeError:
            raise HeaderError("BAD_CHARSET") from None
    from pydicom.charset import decode_bytes
    from pydicom.valuerep import TEXT_VR_DELIMS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = decode_bytes(value, list(charset), TEXT_VR_DELIMS)
    if "\ufffd" in made or "\x1b" in made:
        raise HeaderError("BAD_CHARSET")
    return made.strip(" \x00") or None


def parts(written: str) -> list[str]:
    """Split a multi-valued text; empty parts fall away.

    Examples
    --------
    >>> parts("0.5\\\\ 0.6")
    ['0.5', '0.6']
    """
    return [p for p in (part.strip(" \x00") for part in written.split("\\")) if p]


def raw(written: str | None, kind: str) -> str | None:
    """Keep a value as written if it looks like its kind, else drop it."""
    return written if written is not None and _RAW[kind].fullmatch(written) else None


def number(written: str | None, *, least: float, is_open: bool) -> float | None:
    """Read the first value of a DS or IS; None unless finite and within bounds.

    Examples
    --------
    >>> number("1.25\\\\1.25", least=0.0, is_open=True), number("0", least=0.0, is_open=True)
    (1.25, None)
    """
    found = parts(written) if written else []
    if not found or not _NUMBER.fullmatch(found[0]):
        return None
    made = float(found[0])
    is_within = made > least if is_open else made >= least
    return made if math.isfinite(made) and is_within else None


def integer(written: str | None) -> int | None:
    """Read the first value of an IS."""
    found = parts(written) if written else []
    return int(found[0]) if found and _INTEGER.fullmatch(found[0]) else None


def day(written: str | None) -> date | None:
    """Read a DA, or its form before 1993 with dots; None unless it is a day from 1850 on.

    Examples
    --------
    >>> day("20240229"), day("2024.02.29"), day("20230229")
    (datetime.date(2024, 2, 29), datetime.date(2024, 2, 29), None)
    """
    found = _DATE.fullmatch(written or "")
    if found is None:
        return None
    year, month, number_of_day = (int(g) for g in found.groups() if g is not None)
    try:
        made = date(year, month, number_of_day)
    except ValueError:
        return None
    return made if year >= 1850 else None


def age(written: str | None) -> float | None:
    """Read an AS as years of 365.25 days; fewer than three digits are forgiven.

    Zero years is a placeholder: an infant's age is written in days, weeks or months.

    Examples
    --------
    >>> age("042Y"), age("75Y"), age("018M"), age("64"), age("000Y")
    (42.0, 75.0, 1.5, None, None)
    """
    found = _AGE.fullmatch(written or "")
    if found is not None and found[2] == "Y" and not int(found[1]):
        return None
    return int(found[1]) * _DAYS[found[2]] / 365.25 if found else None


def uid(value: bytes | None) -> str | None:
    """Read a single UID; None if there is none, or several."""
    if not value:
        return None
    made = value.decode("latin-1").strip(" \x00")
    return made if made and "\\" not in made else None


def public_uid(value: str | None) -> str | None:
    """Keep a UID of a class or syntax as written only if it is formed like one."""
    return value if value is not None and _UID.fullmatch(value) else None
