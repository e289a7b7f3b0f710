"""What a rule may say: deterministic operators and functions over typed columns, nothing else.

A rule is parsed as DuckDB SQL and read node by node. A node that is not listed here is refused, so
that no sub-select, clock, random number or file access can stand in a protocol. What does not
belong here: which columns a level has (``rules``), the SQL that is made of a rule (``compiler``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from sqlglot import exp

Kind = Literal["number", "text", "bool", "date"]
"""What a value is; values of different kinds are never compared."""

KINDS: Final[Mapping[str, Kind]] = {
    "string": "text",
    "int": "number",
    "float": "number",
    "bool": "bool",
    "date": "date",
}
"""Kind by contract or covariate type; other types cannot be read by a rule."""


class RefusedError(Exception):
    """A part of a rule is not allowed: ``what`` is wrong, and the ``remedy``."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a rule may call: its name, argument kinds by sqlglot's names, result."""

    name: str
    arguments: Mapping[str, Kind]
    result: Kind
    optional: frozenset[str] = frozenset()


Columns = Mapping[str, Kind]
Reader = Callable[[Any, Columns], Kind]


def kind_of(node: exp.Expression, columns: Columns) -> Kind:
    """Find what kind of value an expression gives.

    Raises
    ------
    RefusedError
        A node is not allowed, a column is unknown, or kinds do not fit.
    """
    function = FUNCTIONS.get(type(node))
    if function is not None:
        return _function(node, function, columns)
    reader = READERS.get(type(node))
    if reader is None:
        raise _not_allowed(node)
    return reader(node, columns)


def _not_allowed(node: exp.Expression) -> RefusedError:
    if isinstance(node, exp.Query | exp.Subquery | exp.Exists):
        return RefusedError("a sub-select", "a rule reads its own row only")
    names = sorted([*(f.name for f in FUNCTIONS.values()), "coalesce", "date_diff", "nullif"])
    if isinstance(node, exp.Func):
        name = (str(node.this) if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        near = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        return RefusedError(f"function {name}", f"{hint}allowed functions: {', '.join(names)}")
    return RefusedError(
        f"{type(node).__name__}",
        "use comparisons, and, or, not, in, between, like, is null, + - * / %, case when",
    )


def _expect(node: exp.Expression, wanted: Kind, columns: Columns, where: str) -> None:
    found = kind_of(node, columns)
    if found != wanted:
        raise RefusedError(f"{where} needs {wanted}, found {found}", "compare like with like")


def _function(node: exp.Expression, function: Function, columns: Columns) -> Kind:
    given = {name: value for name, value in node.args.items() if value}
    surplus = sorted(set(given) - set(function.arguments))
    missing = sorted(set(function.arguments) - set(given) - function.optional)
    if surplus or missing:
        raise RefusedError(f"arguments of {function.name}", "give its plain form")
    for name, value in given.items():
        _expect(value, function.arguments[name], columns, function.name)
    if isinstance(node, exp.RegexpLike | exp.RegexpFullMatch):
        _check_pattern(node.expression)
    return function.result


def _check_pattern(pattern: exp.Expression) -> None:
    if not isinstance(pattern, exp.Literal):
        raise RefusedError("a pattern that is not a literal", "write the pattern into the rule")
    try:
        re.compile(pattern.name)
    except re.error:
        raise RefusedError("a pattern that does not compile", "mend the pattern") from None
    if re.search(r"\(\?[=!<P]|\\[1-9]", pattern.name):
        raise RefusedError("a look-around, group name or back-reference", "RE2 patterns have none")


def _column(node: exp.Column, columns: Columns) -> Kind:
    if node.table:
        raise RefusedError(f"column {node.sql()}", f"write {node.name}: a rule reads one view")
    if node.name not in columns:
        near = difflib.get_close_matches(node.name, columns, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"the view has {', '.join(sorted(columns))}"
        raise RefusedError(f"no column {node.name}", hint)
    return columns[node.name]


def _literal(node: exp.Literal, _columns: Columns) -> Kind:
    return "text" if node.is_string else "number"


def _boolean(_node: exp.Boolean, _columns: Columns) -> Kind:
    return "bool"


def _null(_node: exp.Null, _columns: Columns) -> Kind:
    raise RefusedError("a bare null", "nothing equals null: write is null")


def _paren(node: exp.Paren, columns: Columns) -> Kind:
    return kind_of(node.this, columns)


def _logic(node: exp.Expression, columns: Columns) -> Kind:
    for part in node.iter_expressions():
        _expect(part, "bool", columns, type(node).__name__.lower())
    return "bool"


def _comparison(node: exp.Expression, columns: Columns) -> Kind:
    if any(isinstance(part, _COMPARISONS) for part in node.iter_expressions()):
        raise RefusedError("a chain of comparisons", "join two comparisons by and, or use brackets")
    _alike(list(node.iter_expressions()), columns)
    return "bool"


def _like(node: exp.Like | exp.ILike, columns: Columns) -> Kind:
    for part in node.iter_expressions():
        _expect(part, "text", columns, "like")
    return "bool"


def _in(node: exp.In, columns: Columns) -> Kind:
    if not node.expressions or node.args.get("query") or node.args.get("unnest"):
        raise RefusedError("in without a list of values", "write in ('a', 'b')")
    _alike([node.this, *node.expressions], columns)
    return "bool"


def _is(node: exp.Is, columns: Columns) -> Kind:
    if isinstance(node.expression, exp.Boolean):
        _expect(node.this, "bool", columns, "is true")
    elif isinstance(node.expression, exp.Null):
        kind_of(node.this, columns)
    else:
        raise RefusedError("is with something else", "is takes null, true or false")
    return "bool"


def _arithmetic(node: exp.Expression, columns: Columns) -> Kind:
    for part in node.iter_expressions():
        if kind_of(part, columns) != "number":
            raise RefusedError(
                "arithmetic needs numbers", "for dates use date_diff('day', from, to)"
            )
    return "number"


def _date_diff(node: exp.DateDiff, columns: Columns) -> Kind:
    unit = node.args.get("unit")
    if unit is None or unit.name.upper() != "DAY":
        raise RefusedError(
            "date_diff in another unit than day",
            "count days: months and years count the boundaries crossed, not the time elapsed",
        )
    for part in (node.this, node.expression):
        _expect(part, "date", columns, "date_diff")
    return "number"


def _cast(node: exp.Cast, _columns: Columns) -> Kind:
    is_date = node.to.is_type(exp.DataType.Type.DATE) and isinstance(node.this, exp.Literal)
    if not is_date:
        raise RefusedError("cast", "use try_cast: what does not parse becomes unknown")
    _check_date(node.this)
    return "date"


def _try_cast(node: exp.TryCast, columns: Columns) -> Kind:
    kind = _CASTS.get(node.to.this)
    if kind is None or node.args.get("format"):
        raise RefusedError(
            "try_cast to this type", "cast to bigint, double, date, boolean or varchar"
        )
    kind_of(node.this, columns)
    return kind


def _case(node: exp.Case, columns: Columns) -> Kind:
    if node.this is not None:
        raise RefusedError("case with an operand", "write case when …")
    for branch in node.args["ifs"]:
        _expect(branch.this, "bool", columns, "case when")
    values = [branch.args["true"] for branch in node.args["ifs"]]
    default = node.args.get("default")
    return _alike([*values, default] if default is not None else values, columns)


def _coalesce(node: exp.Coalesce, columns: Columns) -> Kind:
    return _alike([node.this, *node.expressions], columns)


def _nullif(node: exp.Nullif, columns: Columns) -> Kind:
    return _alike([node.this, node.expression], columns)


def _alike(nodes: list[exp.Expression], columns: Columns) -> Kind:
    """Hold all values to one kind; a text literal beside a date must be a date."""
    kinds = [kind_of(node, columns) for node in nodes]
    if "date" in kinds and set(kinds) <= {"date", "text"}:
        for node, kind in zip(nodes, kinds, strict=True):
            if kind == "text":
                _check_date(node)
        return "date"
    if len(set(kinds)) > 1:
        raise RefusedError(f"{' with '.join(sorted(set(kinds)))}", "compare like with like")
    return kinds[0]


def _check_date(node: exp.Expression) -> None:
    try:
        if not isinstance(node, exp.Literal) or len(node.name) != 10:
            raise ValueError
        date.fromisoformat(node.name)
    except ValueError:
        raise RefusedError("a date that is none", "write DATE 'YYYY-MM-DD'") from None


_COMPARISONS: Final = (
    exp.EQ,
    exp.NEQ,
    exp.LT,
    exp.LTE,
    exp.GT,
    exp.GTE,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
    exp.Between,
    exp.Like,
    exp.ILike,
    exp.In,
    exp.Is,
)

_CASTS: Final[Mapping[Any, Kind]] = {
    exp.DataType.Type.INT: "number",
    exp.DataType.Type.BIGINT: "number",
    exp.DataType.Type.DOUBLE: "number",
    exp.DataType.Type.DATE: "date",
    exp.DataType.Type.BOOLEAN: "bool",
    exp.DataType.Type.VARCHAR: "text",
    exp.DataType.Type.TEXT: "text",
}

FUNCTIONS: Final[Mapping[type[exp.Expression], Function]] = {
    exp.Abs: Function("abs", {"this": "number"}, "number"),
    exp.Round: Function(
        "round", {"this": "number", "decimals": "number"}, "number", frozenset({"decimals"})
    ),
    exp.Floor: Function("floor", {"this": "number"}, "number"),
    exp.Ceil: Function("ceil", {"this": "number"}, "number"),
    exp.Lower: Function("lower", {"this": "text"}, "text"),
    exp.Upper: Function("upper", {"this": "text"}, "text"),
    exp.Trim: Function("trim", {"this": "text"}, "text"),
    exp.Length: Function("length", {"this": "text"}, "number"),
    exp.Substring: Function(
        "substr",
        {"this": "text", "start": "number", "length": "number"},
        "text",
        frozenset({"length"}),
    ),
    exp.Contains: Function("contains", {"this": "text", "expression": "text"}, "bool"),
    exp.StartsWith: Function("starts_with", {"this": "text", "expression": "text"}, "bool"),
    exp.EndsWith: Function("ends_with", {"this": "text", "expression": "text"}, "bool"),
    exp.RegexpLike: Function("regexp_matches", {"this": "text", "expression": "text"}, "bool"),
    exp.RegexpFullMatch: Function(
        "regexp_full_match", {"this": "text", "expression": "text"}, "bool"
    ),
    exp.Year: Function("year", {"this": "date"}, "number"),
    exp.Month: Function("month", {"this": "date"}, "number"),
    exp.Day: Function("day", {"this": "date"}, "number"),
}
"""The functions of one plain form; ``READERS`` has those whose arguments depend on each other."""

READERS: Final[Mapping[type[exp.Expression], Reader]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.Paren: _paren,
    exp.And: _logic,
    exp.Or: _logic,
    exp.Not: _logic,
    exp.EQ: _comparison,
    exp.NEQ: _comparison,
    exp.LT: _comparison,
    exp.LTE: _comparison,
    exp.GT: _comparison,
    exp.GTE: _comparison,
    exp.NullSafeEQ: _comparison,
    exp.NullSafeNEQ: _comparison,
    exp.Between: _comparison,
    exp.Like: _like,
    exp.ILike: _like,
    exp.In: _in,
    exp.Is: _is,
    exp.Add: _arithmetic,
    exp.Sub: _arithmetic,
    exp.Mul: _arithmetic,
    exp.Div: _arithmetic,
    exp.Mod: _arithmetic,
    exp.Neg: _arithmetic,
    exp.DateDiff: _date_diff,
    exp.Cast: _cast,
    exp.TryCast: _try_cast,
    exp.Case: _case,
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
}
