"""What each code says: every reason, note and method, declared once, in one file a section.

A code is never renamed and never used for another thing: packs that were published hold it. Its
sentence stands here, in the report and in a pack's ``codes.csv``, and nowhere else. The order of
the files, and within them, is the order in which the codes of a row stand. What does not belong
here: which code a figure gets (``core``, ``stats``).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from importlib import resources
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from vpack_pipeline.document import Document, Name, Text, digest_of, refuse_repeated
from vpack_pipeline.errors import ContractError
from vpack_pipeline.pack_format import codes as pack_codes
from vpack_pipeline.stats.codes import Code, Codes, Value
from vpack_pipeline.strict_yaml import validate

FOLDER: Final = "contracts/codes"
FILES: Final = ("statistics", "adjudication", "evaluation", "representativeness", "drift", "pack")
"""The files of declarations, in order: what statistics say of themselves, then each section."""
Kind = Literal["reason", "method"]
ParameterType = Literal[
    "integer", "number", "share", "date", "name", "names", "numbers", "text", "word", "words"
]
SEPARATOR: Final = pack_codes.SEPARATOR
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def _long_form(said: Any) -> Any:
    return {"type": said} if isinstance(said, str) else said


class Parameter(Document):
    """What one parameter of a code may be."""

    type: ParameterType
    """name: a name of the protocol; text: what an author wrote; word: one of ``words``; names,
    numbers, words: several."""
    words: dict[str, Text] = {}
    """Of a word: what it may be, with what stands for it in the sentence."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.words) != (self.type in ("word", "words")):
            raise ValueError("words are declared of a word, and of nothing else")
        return self

    def holds(self, value: Value) -> bool:
        """Tell whether a value is one that the parameter may have."""
        if self.type in ("names", "numbers", "words"):
            each = value if isinstance(value, tuple) else None
            return each is not None and all(self._holds_one(v) for v in each)
        return self._holds_one(value)

    def _holds_one(self, value: Any) -> bool:
        if self.type == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        if self.type in ("number", "numbers", "share"):
            return isinstance(value, int | float) and not isinstance(value, bool)
        if not isinstance(value, str):
            return False
        if self.type == "date":
            return _is_date(value)
        return self.type in ("name", "names", "text") or value in self.words

    @property
    def printed(self) -> pack_codes.Parameter:
        """What its text depends on: all that a pack says of it."""
        return pack_codes.Parameter(self.type, self.words)


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


class Declared(Document):
    """One code."""

    code: Name
    kind: Kind
    """reason: why there is no figure, or what to know beside one; method: how it was made."""
    sentence: Text
    """What it says, with its parameters in braces."""
    parameters: dict[Name, Annotated[Parameter, BeforeValidator(_long_form)]] = {}
    protects_people: bool = False
    """Whether a row has no figure so that nobody is described in too small a group."""

    @model_validator(mode="after")
    def _says_its_parameters(self) -> Self:
        said = set(_PARAMETER.findall(self.sentence))
        if said != set(self.parameters):
            raise ValueError(f"{self.code} says {sorted(said)} and has {sorted(self.parameters)}")
        if self.protects_people and self.kind != "reason":
            raise ValueError(f"{self.code} is a method: it is no reason why people are not shown")
        return self

    @property
    def printed(self) -> dict[str, pack_codes.Parameter]:
        """Its parameters as its sentence writes them."""
        return {name: p.printed for name, p in self.parameters.items()}


class _File(Document):
    codes: tuple[Declared, ...]


class _All(Document):
    codes: Annotated[tuple[Declared, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeated([c.code for c in self.codes])
        return self


@functools.cache
def load() -> Mapping[str, Declared]:
    """Load every code by name, in the declared order.

    Raises
    ------
    DocumentError
        A file does not fit its model, or a code is declared twice.
    """
    found = [declared for name in FILES for declared in _read(name).codes]
    return {c.code: c for c in _All(codes=tuple(found)).codes}


def _read(name: str) -> _File:
    text = (resources.files("vpack_pipeline.contracts") / "codes" / f"{name}.yaml").read_text(
        "utf-8"
    )
    return validate(text, f"contracts/codes/{name}.yaml", _File)


@functools.cache
def of(kind: Kind) -> tuple[str, ...]:
    """Name the codes of one kind, in the declared order."""
    return tuple(name for name, declared in load().items() if declared.kind == kind)


def check(code: Code, kind: Kind) -> None:
    """Refuse a code that is not declared, or not so.

    Raises
    ------
    ContractError
        No such code of the kind, or its parameters are not those declared.
    """
    declared = load().get(code.name)
    if declared is None or declared.kind != kind:
        raise ContractError(f"{code.name} is no {kind}; declare it in contracts/codes")
    detail = dict(code.detail)
    if set(detail) != set(declared.parameters):
        told = f"{code.name} has {sorted(detail)}, declared are {sorted(declared.parameters)}"
        raise ContractError(told)
    wrong = [name for name, p in declared.parameters.items() if not p.holds(detail[name])]
    if wrong:
        told = ", ".join(f"{name} is no {declared.parameters[name].type}" for name in wrong)
        raise ContractError(f"{code.name}: {told}")


def json_schema(kind: Kind, *, is_one: bool) -> dict[str, Any]:
    """Describe a cell that holds one code of a kind, or several, as JSON schema."""
    if is_one:
        return {"enum": [*of(kind), None]}
    return {"pattern": f"^[a-z0-9_]+({SEPARATOR}[a-z0-9_]+)*$"}


def in_order(codes: Iterable[Code]) -> Codes:
    """Order codes as they are declared."""
    places = _places()
    return tuple(sorted(codes, key=lambda c: places[c.name]))


@functools.cache
def _places() -> Mapping[str, int]:
    return {name: place for place, name in enumerate(load())}


def cell(codes: Iterable[Code]) -> str | None:
    """Write the codes of one cell, in the declared order; None where there are none."""
    return SEPARATOR.join(c.name for c in in_order(codes)) or None


def names(cell: str | None) -> list[str]:
    """Read the codes of one cell."""
    return cell.split(SEPARATOR) if cell else []


def detail(codes: Iterable[Code]) -> str | None:
    """Write the parameters of a row's codes as canonical JSON, keys ``code.parameter``.

    Raises
    ------
    ContractError
        One code stands in the row twice, with other parameters.
    """
    found: dict[str, Value] = {}
    for c in codes:
        for name, value in c.detail:
            key = f"{c.name}.{name}"
            if found.setdefault(key, value) != value:
                raise ContractError(f"{c.name} stands in one row with two values of {name}")
    if not found:
        return None
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def cells(reason: Code | None, notes: Codes = (), method: Codes = ()) -> dict[str, str | None]:
    """Write the codes of one row: its cells ``reason``, ``notes``, ``method`` and ``detail``.

    Raises
    ------
    ContractError
        A code is not declared so, or stands in the row twice with other parameters.
    """
    why = () if reason is None else (reason,)
    kinds: tuple[tuple[Codes, Kind], ...] = ((why, "reason"), (notes, "reason"), (method, "method"))
    for found, kind in kinds:
        for each in found:
            check(each, kind)
    return {
        "reason": cell(why),
        "notes": cell(notes),
        "method": cell(method),
        "detail": detail((*why, *notes, *method)),
    }


def sentence(name: str, detail: str | None) -> str:
    """Write what a code of a row says, with the row's parameters.

    Parameters
    ----------
    name : the code
    detail : the row's parameters, as :func:`detail` writes them

    Raises
    ------
    ContractError
        No such code is declared.
    """
    declared = load().get(name)
    if declared is None:
        raise ContractError(f"{name} is no code; declare it in contracts/codes")
    return pack_codes.told(declared.sentence, name, declared.printed, detail)


def sentences(cell: str | None, detail: str | None) -> str:
    """Write what the codes of one cell say, joined by semicolons."""
    return "; ".join(sentence(name, detail) for name in names(cell))


@functools.cache
def digest() -> str:
    """Digest what decides the cells of a row: the codes in order with their parameters, no words.

    What each code says is in :func:`table`, which decides about what prints it.
    """
    aside = {"sentence", "protects_people"}
    return digest_of([c.model_dump(mode="json", exclude=aside) for c in load().values()])


def table() -> list[dict[str, str]]:
    """List every code with kind, sentence and parameters, as ``codes.csv`` has them."""
    return [
        {
            "code": name,
            "kind": declared.kind,
            "sentence": declared.sentence,
            "parameters": pack_codes.described(declared.printed),
        }
        for name, declared in load().items()
    ]
