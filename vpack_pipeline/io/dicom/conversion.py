"""One header field: from the bytes of its sources to value, raw value and status.

A result depends on nothing but the field, the bytes of its sources, the character set and the byte
order, so that it may be kept and used again. What does not belong here: where the bytes stand
(``header``), what one value means by itself (``values``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from vpack_pipeline.contracts.header_fields import Source
from vpack_pipeline.io.dicom import values
from vpack_pipeline.io.dicom.charsets import Charset
from vpack_pipeline.io.dicom.fields import Field
from vpack_pipeline.io.dicom.outcomes import HeaderError

OK, MISSING, INVALID, COMPUTED = "ok", "missing", "invalid", "computed"
MAPPED, WITHHELD = "mapped", "withheld"
STATUSES: Final[Mapping[str, str]] = {
    OK: "as the header has it",
    MISSING: "the element is absent or empty",
    INVALID: "the element holds no such value, or bytes that are not of its character set",
    MAPPED: "as the site's value map names it",
    COMPUTED: "made from elements of another unit or meaning",
    WITHHELD: "free text that no value map of the site names",
}
"""How a value came to be; under missing, invalid and withheld there is none."""

Given = Sequence[bytes | None]
"""The bytes of each source of a field, in order; None where there are none."""

VIEWS: Final[Mapping[str, str]] = {
    "399348003": "AP", "R-10206": "AP",
    "272479007": "PA", "R-40888": "PA",
    "399173006": "LL", "R-10236": "LL",
    "399198007": "RL", "R-10232": "RL",
    "399135007": "LAO", "R-10220": "LAO",
    "399356000": "RAO", "R-40985": "RAO",
    "399006002": "LPO", "R-10212": "LPO",
    "399038007": "RPO", "R-10210": "RPO",
    "399260004": "ML", "R-10224": "ML",
    "399368009": "MLO", "R-10226": "MLO",
    "399352003": "LM", "R-10228": "LM",
    "399099002": "LMO", "R-10230": "LMO",
    "399162004": "CC", "R-10242": "CC",
    "399196006": "FB", "R-10244": "FB",
    "399188001": "SIO", "R-102D0": "SIO",
    "441555000": "ISO", "R-40AAA": "ISO",
    "399192008": "XCCL", "R-1024A": "XCCL",
    "399101009": "XCCM", "R-1024B": "XCCM",
}  # fmt: skip
"""Code of a view (SNOMED CT, or SRT as written before 2017; CID 4010 and 4014) → its short name."""
_SNOMED: Final = frozenset({"SCT", "SRT", "SNM3", "99SDM"})

LARGEST_AGE_GAP: Final = 1.5
_OLDEST: Final = 130.0
_CAPPED_AGES: Final = frozenset({"089Y", "090Y"})
_PLACEHOLDER_BIRTHS: Final = frozenset({date(1900, 1, 1)})
_FLAGS: Final = {"YES": "yes", "01": "yes", "NO": "no", "00": "no"}


def convert(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    """Convert one field.

    Parameters
    ----------
    entry : the field
    given : the bytes of its sources
    charset : what the file declares; None if DICOM does not define it
    order : ``<`` or ``>``, of binary numbers

    Returns
    -------
    (value,); of a tracked field (value, raw value, status); of free text (text, status)
    """
    return _KINDS[entry.kind](entry, given, charset, order)


def spread(entry: Field, frames: Iterable[bytes], order: str) -> tuple[float, float, int] | None:
    """Summarise a number over the frames of an image.

    Parameters
    ----------
    entry : a field with a per-frame source
    frames : the distinct bytes of that source, in any order

    Returns
    -------
    least, greatest and number of distinct values; None where they do not vary
    """
    source = entry.per_frame
    assert source is not None
    found = set()
    for value in frames:
        try:
            made = _bounded(entry, source, _written(entry, source, value, None, order))
        except HeaderError:
            continue
        if made is not None:
            found.add(made)
    return (min(found), max(found), len(found)) if len(found) > 1 else None


def _written(
    entry: Field, source: Source, value: bytes | None, charset: Charset | None, order: str
) -> str | None:
    """Read a source as text.

    Only text follows the declared character set. An item of a sequence may declare one of its own,
    so that text inside of one counts only where it is ASCII.

    Raises
    ------
    HeaderError
        BAD_CHARSET, or BAD_VR where a binary number is cut short.
    """
    if value and source.is_double:
        if len(value) < 8:
            raise HeaderError("BAD_VR")
        return repr(struct.unpack(f"{order}d", value[:8])[0])
    is_text = entry.kind == "text" and len(source.path) == 1
    made = values.text(value, charset if is_text else None)
    if made is None or source.part is None:
        return made
    found: str | None = getattr(values.date_time(_first(made)), source.part)
    return found


def _first_text(
    entry: Field, given: Given, charset: Charset | None, order: str
) -> tuple[str | None, bool]:
    """Read the first source that holds a text, and say whether one could not be read."""
    is_broken = False
    for source, value in zip(entry.sources, given, strict=True):
        try:
            made = _written(entry, source, value, charset, order)
        except HeaderError:
            is_broken = True
            continue
        if made is not None:
            return made, False
    return None, is_broken


def _first(written: str | None) -> str | None:
    found = values.parts(written) if written else []
    return found[0] if found else None


def _nothing(is_broken: bool) -> tuple[None, None, str]:
    return None, None, INVALID if is_broken else MISSING


def _text(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    written, is_broken = _first_text(entry, given, charset, order)
    if entry.is_free_text:
        return written, INVALID if is_broken else WITHHELD if written else MISSING
    joined = "\\".join(values.parts(written)) if written else None
    kept = values.raw(joined or None, "text")
    return (kept, kept, OK) if kept is not None else _nothing(is_broken or bool(joined))


def _code(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    written, _ = _first_text(entry, given, charset, order)
    joined = "\\".join(values.parts(written)) if written else None
    return (values.raw(joined or None, "code"),)


def _concept(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    return (values.raw(_first_text(entry, given, charset, order)[0], "concept"),)


def _view(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    (named,) = _code(entry, (given[0], None), charset, order)
    if named is not None:
        return (named,)
    coded = _first(_concept(entry, (None, given[1]), charset, order)[0])
    scheme, _, code = (coded or "").partition(":")
    return (VIEWS.get(code, coded) if scheme in _SNOMED else coded,)


def _flag(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    written, _ = _first_text(entry, given, charset, order)
    return (_FLAGS.get((written or "").upper(), "absent"),)


def _bounded(entry: Field, source: Source, written: str | None) -> float | None:
    return values.number(
        written,
        least=entry.least,
        is_open=entry.is_open,
        most=entry.most,
        factor=source.factor,
    )


def _number(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    first: str | None = None
    is_broken = False
    for source, value in zip(entry.sources, given, strict=True):
        try:
            written = _written(entry, source, value, charset, order)
        except HeaderError:
            is_broken = True
            continue
        made = _bounded(entry, source, written)
        if made is not None:
            status = OK if source.factor == 1.0 else COMPUTED
            return made, values.raw(written, "number"), status
        first = first or written
    return None, values.raw(first, "number"), INVALID if first or is_broken else MISSING


def _parsed(read: Callable[[str | None], Any], shape: str) -> _Converter:
    """Make the converter of a kind of which one function reads a value."""

    def convert_one(
        entry: Field, given: Given, charset: Charset | None, order: str
    ) -> tuple[Any, ...]:
        written, is_broken = _first_text(entry, given, charset, order)
        if written is None:
            return _nothing(is_broken)
        made = read(_first(written))
        return made, values.raw(written, shape), INVALID if made is None else OK

    return convert_one


def _sex(written: str | None) -> str | None:
    coded = (written or "").upper()
    return coded if coded in {"F", "M", "O"} else None


def _instant(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    try:
        whole, day, time, offset = (_first(values.text(g, None)) for g in given)
    except HeaderError:
        return _nothing(is_broken=True)
    parts = values.date_time(whole) if whole else values.DateTime(day, time, None)
    raw = values.raw(whole, "instant")
    if whole and values.day(parts.date) is None:
        return None, raw, INVALID
    zone = parts.zone or offset
    if parts.date is None or parts.time is None or zone is None:
        return None, raw, MISSING
    made = values.instant(values.day(parts.date), values.seconds(parts.time), values.zone(zone))
    if made is None:
        return None, raw, INVALID
    return made, raw, OK if parts.zone else COMPUTED


def _age(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    written, is_broken = _first_text(entry, (given[0], None, None), charset, order)
    study, birth = _day_of(given[1]), _day_of(given[2])
    reckoned = None
    # Anonymisers write the study date, or the start of the century, as the date of birth.
    if study and birth and birth != study and birth not in _PLACEHOLDER_BIRTHS:
        reckoned = (study - birth).days / 365.25
    written = _first(written)
    value, status = decide_age(written, reckoned, is_broken)
    return value, values.raw(written, "age"), status


def _day_of(value: bytes | None) -> date | None:
    try:
        return values.day(_first(values.text(value, None)))
    except HeaderError:
        return None


def decide_age(
    written: str | None, reckoned: float | None, is_broken: bool = False
) -> tuple[float | None, str]:
    """Decide the age at the study from PatientAge and from the two dates.

    Parameters
    ----------
    written : PatientAge as written, such as 042Y
    reckoned : StudyDate − PatientBirthDate, years; None if one is missing or a placeholder
    is_broken : PatientAge is there and cannot be decoded

    Returns
    -------
    years and status: ok (as written), computed (from the dates), missing, invalid

    Examples
    --------
    >>> decide_age("042Y", 42.7), decide_age("042Y", 24.7)
    ((42.0, 'ok'), (None, 'invalid'))
    >>> decide_age("090Y", 95.0), decide_age("64", 64.2), decide_age(None, 0.4)
    ((90.0, 'ok'), (64.0, 'computed'), (0.3333333333333333, 'computed'))
    """
    stated = values.age(written)
    stated = stated if stated is not None and stated <= _OLDEST else None
    if reckoned is not None and not 0 <= reckoned <= _OLDEST:
        return None, "invalid"
    if stated is None and reckoned is not None:
        return _completed(reckoned), "computed"
    if stated is None:
        return None, "invalid" if written or is_broken else "missing"
    is_capped = written in _CAPPED_AGES and reckoned is not None and reckoned >= stated
    if reckoned is None or is_capped or abs(stated - reckoned) <= LARGEST_AGE_GAP:
        return stated, "ok"
    return None, "invalid"


def _completed(years: float) -> float:
    """Coarsen to completed years, or months below two years: with the study date, a finer age
    would give the date of birth away.
    """
    return float(int(years)) if years >= 2 else int(years * 12) / 12


def _count(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    return (values.short(given[0], order),)


def _integer(entry: Field, given: Given, charset: Charset | None, order: str) -> tuple[Any, ...]:
    made = values.integer(_first_text(entry, given, charset, order)[0])
    return (made if made is not None and made >= entry.least else None,)


_Converter = Callable[[Field, Given, Charset | None, str], tuple[Any, ...]]
_KINDS: Final[Mapping[str, _Converter]] = {
    "text": _text,
    "code": _code,
    "concept": _concept,
    "view": _view,
    "flag": _flag,
    "sex": _parsed(_sex, "sex"),
    "number": _number,
    "count": _count,
    "integer": _integer,
    "age": _age,
    "date": _parsed(values.day, "date"),
    "time": _parsed(values.seconds, "time"),
    "zone": _parsed(values.zone, "zone"),
    "instant": _instant,
}
