"""The columns of header fields, and what must hold of them, in the contracts that ask for them.

A contract writes ``{header_fields: study}`` where the columns stand, and the bare name of each
expectation that is made of them. What does not belong here: what a field is (``header_fields``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.contracts.header_fields import HeaderField

ENTRY: Final = "header_fields"
"""The key of an entry that stands for many columns; its value says of what."""
Thing = Literal["image", "series", "study"]


def is_entry(said: Any) -> bool:
    """Tell whether an entry among a contract's columns stands for those of header fields."""
    return isinstance(said, Mapping) and ENTRY in said


def with_header_fields(contract: Mapping[str, Any]) -> dict[str, Any]:
    """Put the columns of header fields, and what must hold of them, into a contract as written.

    Parameters
    ----------
    contract : may have an entry ``{header_fields: …}`` among its columns; with ``null: true`` in it
        each of its columns may be null, else all but flags and those that an expectation holds; a
        column that the contract writes itself is left to it

    Raises
    ------
    ValueError
        Header fields of no such thing, or an expectation that cannot be made of them.
    """
    columns, asked = list(contract.get("columns", ())), list(contract.get("expectations", ()))
    place = next((i for i, said in enumerate(columns) if is_entry(said)), None)
    entry = {} if place is None else columns[place]
    named = [said for said in asked if isinstance(said, str)]
    unknown = [name for name in named if place is None or name not in _MADE]
    if unknown:
        raise ValueError(f"expectation {unknown[0]} cannot be made of header fields: write it out")
    if place is None:
        return dict(contract)
    thing, own = entry[ENTRY], {_name(said) for said in columns}
    if thing not in get_args(Thing) or not entry.keys() <= {ENTRY, "null"}:
        raise ValueError(f"{ENTRY} says one of {', '.join(get_args(Thing))}, and beside it null")
    carried = _carried(thing)
    made = [
        said
        for field in carried
        for said in _columns(field, thing, named, may_be_null=entry.get("null") is True)
        if said["name"] not in own
    ]
    first_of_key = next(iter(contract.get("key") or ()), "")
    return {
        **contract,
        "columns": [*columns[:place], *made, *columns[place + 1 :]],
        "expectations": [
            _expectation(said, thing, carried, first_of_key) if isinstance(said, str) else said
            for said in asked
        ],
    }


def _name(said: Any) -> Any:
    return said.get("name") if isinstance(said, Mapping) else said


def _carried(thing: Thing) -> list[HeaderField]:
    return [f for f in header_fields.load() if thing == "image" or thing in f.also_of]


def _columns(
    field: HeaderField, thing: Thing, named: Sequence[str], *, may_be_null: bool
) -> Iterable[dict[str, Any]]:
    holding = {"_status": "statuses_known", "_n_distinct": "frames_agree"}
    for column in header_fields.columns()[field.name]:
        if thing != "image" and thing not in column.also_of:
            continue
        suffix = column.name.removeprefix(field.name)
        held_by = "flags_known" if field.kind == "flag" else holding.get(suffix)
        # Of an image whose frames do not differ, nothing is said of them.
        if held_by in named and (thing, suffix) != ("image", "_n_distinct"):
            yield {"name": column.name, "held_by": held_by}
        else:
            yield {"name": column.name, "null": may_be_null or field.kind != "flag"}


def _statuses_known(field: HeaderField, _thing: Thing) -> str:
    status = f"{field.name}_status"
    known: tuple[str, ...] = ("ok", "missing", "invalid", "mapped", "computed")
    if field.free_text:
        known = ("missing", "invalid", "mapped", "withheld")
    listed = ", ".join(f"'{name}'" for name in known)
    has_status = field.tracked or field.free_text
    return f"{status} is null or {status} not in ({listed})" if has_status else ""


def _values_agree(field: HeaderField, _thing: Thing) -> str:
    name = field.name
    if field.free_text:
        return f"({name} is null) <> ({name}_status <> 'mapped')"
    return f"({name} is null) <> ({name}_status in ('missing', 'invalid'))" if field.tracked else ""


def _times_and_frames(field: HeaderField, _thing: Thing) -> str:
    name = field.name
    if field.kind == "time":
        return f"{name} not between 0 and 86401"
    if field.kind == "zone":
        return f"{name} not between -720 and 840"
    is_bounded = field.kind == "integer" and field.least is not None
    return f"{name} < {field.least:g}" if is_bounded else ""


def _numbers_in_range(field: HeaderField, _thing: Thing) -> str:
    name = field.name
    if field.kind != "number":
        return ""
    beyond = [
        "" if field.above is None else f"{name} <= {field.above:g}",
        "" if field.least is None else f"{name} < {field.least:g}",
        f"isnan({name})",
        f"isinf({name})",
        "" if field.most is None else f"{name} > {field.most:g}",
    ]
    return " or ".join(condition for condition in beyond if condition)


def _frames_agree(field: HeaderField, thing: Thing) -> str:
    if not field.is_per_frame:
        return ""
    n, least, most = (f"{field.name}{suffix}" for suffix in ("_n_distinct", "_min", "_max"))
    if thing == "image":
        return (
            f"({n} is null) <> ({least} is null) or ({n} is null) <> ({most} is null)"
            f" or {n} < 2 or {least} >= {most}"
        )
    return (
        f"{n} is null or {n} < 0 or ({least} is null) <> ({n} = 0) or ({most} is null) <> ({n} = 0)"
        f" or ({n} = 1 and {least} <> {most}) or ({n} > 1 and {least} >= {most})"
    )


def _flags_known(field: HeaderField, _thing: Thing) -> str:
    name = field.name
    return (
        f"{name} is null or {name} not in ('yes', 'no', 'absent')" if field.kind == "flag" else ""
    )


_Condition = Callable[[HeaderField, Thing], str]
_MADE: Final[Mapping[str, tuple[_Condition, str]]] = {
    "statuses_known": (_statuses_known, "A value says how it came to be."),
    "values_agree": (_values_agree, "There is a value exactly where the status says so."),
    "numbers_in_range": (
        _numbers_in_range,
        "What lies outside stands for unknown, or is of another unit: invalid and null.",
    ),
    "frames_agree": (
        _frames_agree,
        "Least, greatest and number of distinct values over frames say the same.",
    ),
    "times_and_frames": (
        _times_and_frames,
        "A time of day lies within a day, an offset within those in use, and an image has a frame.",
    ),
    "flags_known": (_flags_known, "Absent is not no."),
}
"""Expectation → when a field violates it, in SQL (empty: never), and why it is asked."""


def _expectation(
    name: str, thing: Thing, carried: Iterable[HeaderField], key: str
) -> dict[str, Any]:
    violated, why = _MADE[name]
    conditions = [condition for field in carried if (condition := violated(field, thing))]
    query = f"select {key} from {{batch}} where {' or '.join(conditions)}"
    return {
        "id": name,
        "type": "unexpected_rows",
        "kwargs": {"query": query},
        "severity": "critical",
        "why": why,
    }
