"""Ask many expectations in one query, which finds nothing exactly where each of them passes.

Great Expectations evaluates an expectation in milliseconds of its own, whatever the table; most
pass. What does not belong here: what follows where the one query finds something (``check``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.gate.suite import NOT_NULL, UNEXPECTED_ROWS, Planned, as_subselect


@dataclass(frozen=True, slots=True)
class Asked:
    """What an expectation asks, each part as SQL that is true, or finds a row, where it may fail.

    ``rows``: of one row, of which ``columns`` are selected. ``whole``: of counts over the whole
    table, of which there is one row. ``queries``: what neither can say.
    """

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("1",)
    whole: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()


def fold(planned: Sequence[Planned]) -> tuple[Planned | None, list[Planned]]:
    """Ask many expectations in one query.

    Returns
    -------
    the one, None where there are not two to fold; and those that it stands for. It finds a row
    where any of them fails, and where one meets no value, which is no pass either.
    """
    asked = [(p, _ask(p)) for p in planned]
    folded = [(p, a) for p, a in asked if a is not None]
    if len(folded) < 2:
        return None, []
    query = {"query": _query([a for _, a in folded])}
    one = Planned("all_at_once", UNEXPECTED_ROWS, query, "critical", "")
    return one, [p for p, _ in folded]


def queries(planned: Sequence[Planned]) -> dict[str, str]:
    """Give for each expectation, by its id, a query that finds a row where it may fail.

    Of one that only Great Expectations knows there is none.
    """
    asked = {p.id: _ask(p) for p in planned}
    return {name: _query([a]) for name, a in asked.items() if a is not None}


def _query(asked: Sequence[Asked]) -> str:
    found = [q for a in asked for q in a.queries]
    rows = " or ".join(c for a in asked for c in a.rows)
    if rows:
        # Each column by its name, so that one which is not there raises as it would alone.
        columns = ", ".join(dict.fromkeys(name for a in asked for name in a.columns))
        found.append(f"select {columns} from {{batch}} where {rows}")
    whole = " or ".join(c for a in asked for c in a.whole)
    if whole:
        found.append(f"select 1 from {{batch}} having {whole}")
    union = " union all ".join(f"select 1 as found from ({q}) as part" for q in found)
    return f"select found from ({union}) as found_in_any"


def _ask(planned: Planned) -> Asked | None:
    """Say an expectation in SQL; None where only Great Expectations knows what it means."""
    if planned.type == UNEXPECTED_ROWS:
        return _of_query(planned)
    known = KNOWN.get(planned.type)
    return None if known is None else known(planned.kwargs)


def _of_query(planned: Planned) -> Asked:
    whole = as_subselect(planned)
    plain = PLAIN.fullmatch(" ".join(str(planned.kwargs["query"]).split()))
    if plain is None or CLAUSE.search(plain["condition"]):
        return Asked(queries=(whole,))
    return Asked(rows=(f"({plain['condition']})",), columns=tuple(plain["columns"].split(", ")))


def _not_null(kwargs: Mapping[str, Any]) -> Asked | None:
    if set(kwargs) != {"column"}:
        return None
    return Asked(rows=(f"{_name(kwargs['column'])} is null",))


def _in_set(kwargs: Mapping[str, Any]) -> Asked | None:
    if set(kwargs) != {"column", "value_set"} or not _are_texts(kwargs["value_set"]):
        return None
    name = _name(kwargs["column"])
    listed = ", ".join(_text(value) for value in kwargs["value_set"])
    return Asked(rows=(f"{name} not in ({listed})",), whole=(_meets_nothing(name),))


def _matches(kwargs: Mapping[str, Any]) -> Asked | None:
    if set(kwargs) != {"column", "regex"} or not _is_text(kwargs["regex"]):
        return None
    name = _name(kwargs["column"])
    unmatched = f"not regexp_matches({name}, {_text(kwargs['regex'])})"
    return Asked(rows=(unmatched,), whole=(_meets_nothing(name),))


def _between(kwargs: Mapping[str, Any]) -> Asked | None:
    limits = [kwargs.get(side) for side in ("min_value", "max_value") if side in kwargs]
    is_plain = set(kwargs) <= {"column", "min_value", "max_value"} and "column" in kwargs
    if not is_plain or not limits or not all(_is_number(limit) for limit in limits):
        return None
    name = _name(kwargs["column"])
    held = [f"{name} {sign} {kwargs[side]!r}" for side, sign in SIDES.items() if side in kwargs]
    return Asked(rows=(f"not ({' and '.join(held)})",), whole=(_meets_nothing(name),))


def _unique(kwargs: Mapping[str, Any]) -> Asked | None:
    if set(kwargs) != {"column"}:
        return None
    return _unique_together([kwargs["column"]])


def _compound_unique(kwargs: Mapping[str, Any]) -> Asked | None:
    if set(kwargs) != {"column_list"}:
        return None
    return _unique_together(kwargs["column_list"])


def _unique_together(columns: Sequence[str]) -> Asked:
    # A row with a null is one to ask about: what it means for a key is not said here.
    names = [_name(column) for column in columns]
    repeated = f"select 1 from {{batch}} group by {', '.join(names)} having count(*) > 1"
    return Asked(rows=tuple(f"{name} is null" for name in names), queries=(repeated,))


def _row_count(kwargs: Mapping[str, Any]) -> Asked | None:
    if set(kwargs) != {"min_value"} or not _is_number(kwargs["min_value"]):
        return None
    return Asked(whole=(f"count(*) < {kwargs['min_value']!r}",))


def _row_count_equals(kwargs: Mapping[str, Any]) -> Asked | None:
    if set(kwargs) != {"value"} or not _is_number(kwargs["value"]):
        return None
    return Asked(whole=(f"count(*) <> {kwargs['value']!r}",))


def _columns(kwargs: Mapping[str, Any]) -> Asked | None:
    if set(kwargs) != {"column_list"} or not _are_texts(kwargs["column_list"]):
        return None
    listed = ", ".join(_text(name) for name in kwargs["column_list"])
    described = "(describe select * from {batch}) as d"
    return Asked(queries=(f"select 1 from {described} having list(column_name) <> [{listed}]",))


KNOWN: Final[Mapping[str, Callable[[Mapping[str, Any]], Asked | None]]] = {
    NOT_NULL: _not_null,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_match_regex": _matches,
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _compound_unique,
    "expect_table_row_count_to_be_between": _row_count,
    "expect_table_row_count_to_equal": _row_count_equals,
    "expect_table_columns_to_match_ordered_list": _columns,
}
"""The types that are said in SQL, with the plain arguments that contracts give them."""
PLAIN: Final = re.compile(
    r'select (?P<columns>"?\w+"?(?:, "?\w+"?)*) from \{batch\} where (?P<condition>.+)'
)
"""A query that asks of each row by itself, unless a :data:`CLAUSE` follows."""
CLAUSE: Final = re.compile(
    r"\b(except|fetch|from|group|having|intersect|join|limit|offset|order|over|qualify|sample|select"
    r"|union|using|window)\b",
    re.IGNORECASE,
)
SIDES: Final = {"min_value": ">=", "max_value": "<="}


def _meets_nothing(name: str) -> str:
    return f"(count({name}) = 0 and count(*) > 0)"


def _are_texts(values: Any) -> bool:
    return isinstance(values, list | tuple) and bool(values) and all(map(_is_text, values))


def _is_text(value: Any) -> bool:
    # SQLAlchemy would take what follows a colon for a parameter, the driver a per cent sign.
    return isinstance(value, str) and not set(value) & set(":%")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    # Great Expectations formats a query: a brace of its own is written twice.
    return "'" + value.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"
