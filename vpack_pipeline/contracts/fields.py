"""What each column name means: every field, declared once in ``fields.yaml``.

Those of an image's header are declared once too, where they are read from (``header_fields``).
A contract names its columns and says only what their fields do not: whether null may occur, and
rarely a narrower sentence. What does not belong here: null, key and order (the table's contract).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final, Literal, Self

from pydantic import model_validator

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.document import Document, Name, Text, refuse_repeated
from vpack_pipeline.errors import ContractError, DocumentError, Problem
from vpack_pipeline.strict_yaml import validate

FILE: Final = "contracts/fields.yaml"
ColumnType = Literal["string", "int", "float", "bool", "date", "timestamp"]
Level = Literal["row", "aggregate"]
_OVERRIDES: Final = ("type", "unit", "level", "description")


class Field(Document):
    """One column name."""

    name: Name
    type: ColumnType
    unit: Text | None = None
    level: Level
    """Whether it is of one patient, reader, image or file, or an aggregate."""
    personal: bool | None = None
    """Of a row-level field, whether it describes a person."""
    description: Text

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        is_row = self.level == "row"
        if is_row and self.personal is None:
            raise ValueError(f"{self.name} is row-level and does not say whether it is personal")
        if not is_row and self.personal is not None:
            raise ValueError(f"{self.name} is an aggregate: personal says nothing")
        return self


class _File(Document):
    fields: tuple[Field, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        refuse_repeated([f.name for f in self.fields])
        return self


@functools.cache
def load() -> Mapping[str, Field]:
    """Load every field by name, those of an image's header too.

    Raises
    ------
    DocumentError
        A file does not fit its model, or both declare a name.
    """
    text = (resources.files("vpack_pipeline.contracts") / "fields.yaml").read_text("utf-8")
    return _with_header_fields(validate(text, FILE, _File).fields)


def _with_header_fields(declared: tuple[Field, ...]) -> dict[str, Field]:
    repeated = [f.name for f in declared if f.name in _of_headers()]
    if repeated:
        told = f"{', '.join(repeated)}: declared in {header_fields.FILE} too"
        raise DocumentError(Problem(FILE, told, "declare each once"))
    return {f.name: f for f in declared} | _of_headers()


@functools.cache
def _of_headers() -> dict[str, Field]:
    return {
        c.name: Field.model_validate(
            {
                "name": c.name,
                "type": c.type,
                "unit": c.unit,
                "level": "row",
                "personal": c.personal,
                "description": c.description,
            }
        )
        for columns in header_fields.columns().values()
        for c in columns
    }


def find(name: str) -> Field:
    """Find the declaration of a column name.

    Raises
    ------
    ContractError
        Nothing of that name is declared.
    """
    known = load().get(name)
    if known is None:
        raise ContractError(f"{name} is no declared field; declare it in {FILE}")
    return known


def name_of(said: str | Mapping[str, Any]) -> str:
    """Name a column as a contract has it: its name alone, or with what is said of it."""
    return said if isinstance(said, str) else str(said.get("name"))


def joined(said: Any) -> Any:
    """Join what a contract says of a column with its field.

    Parameters
    ----------
    said : the column's name, or a mapping with ``name`` and what the field does not say; anything
        else is left to the model of a column

    Raises
    ------
    ValueError
        No such field, or an override that says what the field says.
    """
    if not isinstance(said, str | Mapping):
        return said
    given = {} if isinstance(said, str) else dict(said)
    name = name_of(said)
    try:
        field = find(name)
    except ContractError as error:
        raise ValueError(str(error)) from None
    declared = field.model_dump(include=set(_OVERRIDES))
    for key in _OVERRIDES:
        if key in given and given[key] == declared[key]:
            file = header_fields.FILE if name in _of_headers() else FILE
            raise ValueError(f"{name}: its {key} is that of {file}; leave it out")
    return {"null": False, **declared, **given, "name": name}
