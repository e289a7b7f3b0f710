"""A contract's suite: the structural expectations derived from it and those of substance.

Great Expectations drops a misspelled entry in silence when a suite is loaded, so this module
builds each expectation by its class and refuses what it does not know.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from vpack_pipeline.contracts import DUCKDB_TYPES, Contract, codes
from vpack_pipeline.contracts.shapes import CODES, DETAIL
from vpack_pipeline.errors import ContractError

Severity = Literal["critical", "warning"]
UNEXPECTED_ROWS = "unexpected_rows"
NOT_NULL = "expect_column_values_to_not_be_null"
_JSON_TYPES: Final[Mapping[codes.ParameterType, tuple[str, ...]]] = {
    "integer": ("BIGINT", "UBIGINT"),
    "number": ("BIGINT", "UBIGINT", "DOUBLE"),
    "share": ("BIGINT", "UBIGINT", "DOUBLE"),
    "date": ("VARCHAR",),
    "name": ("VARCHAR",),
    "names": ("ARRAY",),
    "numbers": ("ARRAY",),
    "text": ("VARCHAR",),
    "word": ("VARCHAR",),
    "words": ("ARRAY",),
}
"""What DuckDB calls a parameter's type in JSON."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One expectation before it is built: GX type and arguments, how grave, why."""

    id: str
    type: str
    kwargs: dict[str, Any]
    severity: Severity
    why: str
    may_be_vacuous: str | None = None


def plan(contract: Contract) -> list[Planned]:
    """List every expectation of a contract, structural ones first."""
    substance = [
        Planned(e.id, e.type, e.kwargs, e.severity, e.why, e.may_be_vacuous)
        for e in contract.expectations
    ]
    return [*_structure(contract), *substance]


def _structure(contract: Contract) -> list[Planned]:
    names = [c.name for c in contract.columns]
    least = 0 if contract.may_be_empty else 1
    found = [
        Planned(
            "table_columns",
            "expect_table_columns_to_match_ordered_list",
            {"column_list": names},
            "critical",
            "The table has the contract's columns, in order.",
        ),
        Planned(
            "table_types",
            UNEXPECTED_ROWS,
            {"query": _types_query(contract)},
            "critical",
            "Every column has the contract's type.",
        ),
        Planned(
            "table_rows",
            "expect_table_row_count_to_be_between",
            {"min_value": least},
            "critical",
            "An empty table passes every other expectation.",
        ),
    ]
    found += [
        Planned(
            f"{c.name}_present",
            NOT_NULL,
            {"column": c.name},
            "critical",
            f"{c.name} is never null.",
            contract.may_be_empty,
        )
        for c in contract.columns
        if not c.null and c.held_by is None
    ]
    return [*found, _unique_key(contract), *_numbers(contract), *_codes(contract)]


def _numbers(contract: Contract) -> list[Planned]:
    """Refuse NaN: it passes comparisons where a file's statistics hide it."""
    floats = [c.name for c in contract.columns if c.type == "float"]
    if not floats:
        return []
    any_nan = " or ".join(f'isnan("{name}")' for name in floats)
    query = {"query": f'select "{contract.key[0]}" from {{batch}} where {any_nan}'}
    why = "What is not known is null, never NaN."
    return [Planned("no_nan", UNEXPECTED_ROWS, query, "critical", why)]


def _codes(contract: Contract) -> list[Planned]:
    """Refuse codes that are not declared, and parameters that are not those of the row's codes.

    Asked of a table that has the column of parameters.
    """
    names = [c.name for c in contract.columns]
    if DETAIL not in names:
        return []
    columns = [name for name in CODES if name in names]
    undeclared = " or ".join(
        f"not list_has_all({_listed('|', codes.of(kind))}, {_said(of_kind)})"
        for kind in dict.fromkeys(CODES.values())
        if (of_kind := [name for name in columns if CODES[name] == kind])
    )
    needed = _listed(
        "|",
        (
            f"{name} {name}.{parameter} {','.join(_JSON_TYPES[p.type])}"
            for name, declared in codes.load().items()
            for parameter, p in declared.parameters.items()
        ),
    )
    parts = ", ".join(
        f"split_part(told, ' ', {i}) as {part}"
        for i, part in enumerate(("code", "parameter", "types"), start=1)
    )
    given = f"coalesce(len(json_keys({DETAIL})), 0)"
    is_of_type = (
        f"list_contains(string_split(types, ','), json_type({DETAIL}, '$.\"' || parameter || '\"'))"
    )
    fits = (
        f"(select count(*) = {given} and count(*) filter (where {is_of_type}) = {given}"
        f" from (select {parts} from (select unnest({needed}) as told)) as p"
        f" where list_contains({_said(columns)}, code))"
    )
    key = ", ".join(f'"{name}"' for name in contract.key)
    wanted = {
        "codes_declared": (undeclared, "Every code is one that is declared."),
        "detail_of_codes": (
            f"not {fits}",
            "The parameters of a row are those of its codes, each of its type.",
        ),
    }
    return [
        Planned(
            name,
            UNEXPECTED_ROWS,
            {"query": f"select {key} from {{batch}} where {condition}"},
            "critical",
            why,
        )
        for name, (condition, why) in wanted.items()
    ]


def _said(columns: Sequence[str]) -> str:
    """List in SQL the codes that stand in some columns of a row."""
    return " || ".join(f"coalesce(string_split({c}, '{codes.SEPARATOR}'), [])" for c in columns)


def _listed(separator: str, names: Iterable[str]) -> str:
    """Write a list in SQL as one text; DuckDB plans hundreds of literals slower than it checks."""
    return f"string_split('{separator.join(names)}', '{separator}')"


def _unique_key(contract: Contract) -> Planned:
    single = len(contract.key) == 1
    kind = "expect_column_values_to_be_unique" if single else "expect_compound_columns_to_be_unique"
    kwargs: dict[str, Any] = (
        {"column": contract.key[0]} if single else {"column_list": list(contract.key)}
    )
    why = f"One row per {', '.join(contract.key)}."
    return Planned("key_unique", kind, kwargs, "critical", why, contract.may_be_empty)


def _types_query(contract: Contract) -> str:
    allowed = ", ".join(f"'{c.name}:{DUCKDB_TYPES[c.type]}'" for c in contract.columns)
    return (
        "select column_name from (describe select * from {batch}) as d"
        f" where column_name || ':' || column_type not in ({allowed})"
    )


def build(planned: Planned) -> Any:
    """Make the Great Expectations object.

    Raises
    ------
    ContractError
        The type does not exist, or its arguments do not fit.
    """
    import great_expectations.expectations as gxe

    meta = {"id": planned.id}
    try:
        if planned.type == UNEXPECTED_ROWS:
            query = as_subselect(planned)
            return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, meta=meta)
        kwargs = dict(planned.kwargs)
        if "row_condition" in kwargs:
            kwargs["row_condition"] = _condition(kwargs["row_condition"])
        return _expectation_class(planned)(**kwargs, meta=meta)
    except (TypeError, ValueError, KeyError) as error:
        raise ContractError(
            f"expectation {planned.id}: arguments do not fit {planned.type}"
            f" ({type(error).__name__})"
        ) from None


def _condition(given: Mapping[str, Any]) -> Any:
    """Make a row condition of ``{column, equals}``, ``{column, is_in}`` or ``{column, is_null}``.

    Great Expectations' own text form is deprecated and drops what it cannot parse.
    """
    from great_expectations.expectations.row_conditions import Column

    column = Column(str(given["column"]))
    (word,) = set(given) - {"column"}
    if word == "equals":
        return column == given[word]
    if word == "is_in":
        return column.is_in(given[word])
    if word == "is_null":
        return column.is_null() if given[word] else column.is_not_null()
    raise ValueError(word)


def as_subselect(planned: Planned) -> str:
    """Give the query of an expectation over ``{batch}``, as Great Expectations can take it.

    Raises
    ------
    ContractError
        It is not one query over ``{batch}``, or holds a comment.
    """
    query = str(planned.kwargs.get("query", "")).strip()
    if set(planned.kwargs) != {"query"} or "{batch}" not in query or "--" in query:
        raise ContractError(
            f"expectation {planned.id}: give one query over {{batch}} without a comment"
        )
    # GX replaces {batch} by a name or a sub-select; an alias of our own serves both.
    return (
        query.replace("{batch}", "(select * from {batch}) as q") if " as d" not in query else query
    )


def _expectation_class(planned: Planned) -> Any:
    import great_expectations.expectations as gxe

    known = _types()
    if planned.type not in known:
        near = difflib.get_close_matches(planned.type, [*known, UNEXPECTED_ROWS], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ContractError(f"expectation {planned.id}: no type {planned.type!r}{hint}")
    return getattr(gxe, known[planned.type])


@functools.cache
def _types() -> Mapping[str, str]:
    """Map each type of expectation to its class's name."""
    import great_expectations.expectations as gxe

    return {_snake(n): n for n in dir(gxe) if n.startswith("Expect")}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
