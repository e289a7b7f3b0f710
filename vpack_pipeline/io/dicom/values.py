"""One element's bytes as text, number, date or age: strict, and a value that is wrong is said so.

What does not belong here: which element fills which column (``fields``, ``header``).
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from vpack_pipeline.io.dicom.charsets import Charset
from vpack_pipeline.io.dicom.outcomes import HeaderError

_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,12}", re.ASCII)
_DATE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})|(\d{4})\.(\d{2})\.(\d{2})", re.ASCII)
_TIME: Final = re.compile(
    r"(\d\d)(?:(\d\d)(?:(\d\d(?:\.\d{1,6})?))?)?|(\d\d):(\d\d)(?::(\d\d(?:\.\d{1,6})?))?",
    re.ASCII,
)
_ZONE: Final = re.compile(r"([+-])(\d\d)(\d\d)", re.ASCII)
_DATE_TIME: Final = re.compile(r"([0-9]{4,8})([0-9.]{0,13})([+-][0-9]{4})?", re.ASCII)
_AGE: Final = re.compile(r"(\d{1,3})([DWMY])", re.ASCII)
_UID: Final = re.compile(r"[0-9.]{1,64}")
_DAYS: Final = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}
_EARLIEST_ZONE, _LATEST_ZONE = -12 * 60, 14 * 60

# A raw value is kept as written only while it looks like what the element is for: an invalid one
# may be anything that somebody typed, and a long one is free text.
_CODE: Final = r"[A-Za-z0-9 _.&()+/:\-]{1,16}"
_CONCEPT: Final = r"[A-Za-z0-9_.\-]{1,16}:[A-Za-z0-9_.\-]{1,16}"
_RAW: Final = {
    "number": re.compile(r"[0-9eE+\-., \\]{1,64}"),
    "date": re.compile(r"[0-9./:\- ]{1,32}"),
    "time": re.compile(r"[0-9.: ]{1,16}"),
    "zone": re.compile(r"[0-9+\-: ]{1,8}"),
    "instant": re.compile(r"[0-9.+\- ]{1,26}"),
    "age": re.compile(r"[0-9]{1,4}[A-Za-z]?|[A-Za-z][/\-]?[A-Za-z]"),
    "sex": re.compile(r"[0-9A-Za-z]{1,8}"),
    "text": re.compile(r"[^\x00-\x1f\x7f]{1,64}"),
    "code": re.compile(rf"(?=.{{1,128}}\Z){_CODE}(?:\\{_CODE})*"),
    "concept": re.compile(rf"(?=.{{1,128}}\Z){_CONCEPT}(?:\\{_CONCEPT})*"),
}


def text(value: bytes | None, charset: Charset | None) -> str | None:
    """Decode text; None for nothing.

    Raises
    ------
    HeaderError
        BAD_CHARSET: the bytes are not of the declared character set, or that is unknown.

    Examples
    --------
    >>> from vpack_pipeline.io.dicom.charsets import declared
    >>> text(b"M\\xfcller ", declared(b"ISO_IR 100"))
    'Müller'
    """
    if not value:
        return None
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii").strip(" \x00") or None
    if charset is None:
        raise HeaderError("BAD_CHARSET")
    return charset.decode(value).strip(" \x00") or None


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


def number(
    written: str | None,
    *,
    least: float,
    is_open: bool,
    most: float = math.inf,
    factor: float = 1.0,
) -> float | None:
    """Read the first value of a DS or IS, times a factor; None unless finite and within bounds.

    Examples
    --------
    >>> number("1.25\\\\1.25", least=0.0, is_open=True), number("0", least=0.0, is_open=True)
    (1.25, None)
    """
    found = parts(written) if written else []
    if not found or not _NUMBER.fullmatch(found[0]):
        return None
    made = float(found[0]) * factor
    is_within = (made > least if is_open else made >= least) and made <= most
    return made if math.isfinite(made) and is_within else None


def short(value: bytes | None, order: str) -> int | None:
    """Read a US in a byte order, ``<`` or ``>``."""
    if not value or len(value) < 2:
        return None
    return int.from_bytes(value[:2], "little" if order == "<" else "big")


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


def seconds(written: str | None) -> float | None:
    """Read a TM, or its form before 1993 with colons, as seconds after midnight.

    Examples
    --------
    >>> seconds("101500.25"), seconds("10:15"), seconds("10"), seconds("2400")
    (36900.25, 36900.0, 36000.0, None)
    """
    found = _TIME.fullmatch(written or "")
    if found is None:
        return None
    hour, minute, second = (found[i] or found[i + 3] or "0" for i in (1, 2, 3))
    # A leap second is written as 60.
    if int(hour) > 23 or int(minute) > 59 or float(second) >= 61:
        return None
    return int(hour) * 3600 + int(minute) * 60 + float(second)


def zone(written: str | None) -> int | None:
    """Read an offset from UTC as minutes.

    Examples
    --------
    >>> zone("+0530"), zone("-0000"), zone("+2500")
    (330, None, None)
    """
    found = _ZONE.fullmatch(written or "")
    if found is None or written == "-0000":  # PS3.5 6.2: -0000 shall not be used
        return None
    size = int(found[2]) * 60 + int(found[3])
    made = -size if found[1] == "-" else size
    return made if int(found[3]) < 60 and _EARLIEST_ZONE <= made <= _LATEST_ZONE else None


class DateTime(NamedTuple):
    """The parts of a DT as written; an absent part is None."""

    date: str | None
    time: str | None
    zone: str | None


def date_time(written: str | None) -> DateTime:
    """Split a DT into its parts; what is none is a date that is none.

    Examples
    --------
    >>> date_time("20251202101500.5+0100")
    DateTime(date='20251202', time='101500.5', zone='+0100')
    """
    found = _DATE_TIME.fullmatch(written or "")
    if found is None:
        return DateTime(written, None, None)
    return DateTime(found[1], found[2] or None, found[3])


def instant(on: date | None, at: float | None, offset: int | None) -> datetime | None:
    """Put a day, seconds after midnight and minutes from UTC together; None where one is missing.

    Examples
    --------
    >>> instant(date(2025, 12, 2), 1800.0, 60)
    datetime.datetime(2025, 12, 1, 23, 30, tzinfo=datetime.timezone.utc)
    """
    if on is None or at is None or offset is None:
        return None
    midnight = datetime(on.year, on.month, on.day, tzinfo=UTC)
    return midnight + timedelta(seconds=at, minutes=-offset)


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
