"""What each column name means: every field, declared once in ``fields.yaml``.

A contract names its columns and says only what their fields do not: whether null may occur, and
rarely a narrower sentence. What does not belong here: null, key and order (the table's contract).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import StringConstraints, model_validator

from vpack_pipeline.document import Document, Text
from vpack_pipeline.errors import ContractError
from vpack_pipeline.strict_yaml import validate

FILE: Final = "contracts/fields.yaml"
ColumnType = Literal["string", "int", "float", "bool", "date", "timestamp"]
Level = Literal["row", "aggregate"]
_BASE: Final = "{field}"
_OVERRIDES: Final = ("type", "unit", "level", "disclosure", "description")


class Field(Document):
    """One column name, or a family of names made of those of other fields."""

    name: Annotated[str, StringConstraints(pattern=r"^(\{field\}_)?[a-z][a-z0-9_]*\z")]
    """A family has the other field's name in braces, as ``{field}_raw``."""
    type: ColumnType | None = None
    """Of a family without it, the type and unit are those of the other field."""
    unit: Text | None = None
    level: Level
    """Whether it is of one patient, reader, image or file, or an aggregate."""
    personal: bool | None = None
    """Of a row-level field, whether it describes a person; a family is as its other field."""
    disclosure: Literal["count", "figure"] | None = None
    """Of an aggregate, what is hidden where counts are small; else nothing is."""
    description: Text

    @property
    def suffix(self) -> str | None:
        """What a family adds to the name of another field; None for a single field."""
        return self.name.removeprefix(_BASE) if self.name.startswith(_BASE) else None

    def beside(self, other: Field) -> Field:
        """Give the member of this family that stands beside another field."""
        changes: dict[str, Any] = {"name": f"{other.name}{self.suffix}", "personal": other.personal}
        if self.type is None:
            changes |= {"type": other.type, "unit": other.unit}
        return self.model_copy(update=changes)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        is_family = self.suffix is not None
        if self.type is None and not is_family:
            raise ValueError(f"{self.name} has no type")
        says_whether = self.level == "row" and not is_family
        if says_whether and self.personal is None:
            raise ValueError(f"{self.name} is row-level and does not say whether it is personal")
        if self.personal is not None and not says_whether:
            raise ValueError(f"{self.name} is no single row-level field: personal says nothing")
        if self.level == "row" and self.disclosure is not None:
            raise ValueError(f"{self.name} is row-level: disclosure says nothing")
        return self


class _File(Document):
    fields: tuple[Field, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [f.name for f in self.fields]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"declared twice: {', '.join(repeated)}")
        return self


@functools.cache
def load() -> Mapping[str, Field]:
    """Load every field by name, families under the name with braces.

    Raises
    ------
    DocumentError
        The file does not fit its model.
    """
    text = (resources.files("vpack_pipeline.contracts") / "fields.yaml").read_text("utf-8")
    return {f.name: f for f in validate(text, FILE, _File).fields}


def find(name: str) -> Field:
    """Find the declaration of a column name, of a member of a family too.

    Raises
    ------
    ContractError
        Nothing of that name is declared.
    """
    known = load()
    if name in known and known[name].suffix is None:
        return known[name]
    for family in known.values():
        other = known.get(name.removesuffix(family.suffix)) if family.suffix else None
        if other is not None and name == f"{other.name}{family.suffix}":
            return family.beside(other)
    raise ContractError(f"{name} is no declared field; declare it in {FILE}")


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
    declared["disclosure"] = field.disclosure or "public"
    for key in _OVERRIDES:
        if key in given and given[key] == declared[key]:
            raise ValueError(f"{name}: its {key} is that of {FILE}; leave it out")
    made = {"null": False, **declared, **given, "name": name}
    level = made.pop("level")
    _check_level(name, level, given)
    return {**made, "disclosure": "row"} if level == "row" else made


def _check_level(name: str, level: object, given: Mapping[str, Any]) -> None:
    if level not in get_args(Level):
        raise ValueError(f"{name}: level is row or aggregate, not {level!r}")
    if "disclosure" in given and "row" in (level, given["disclosure"]):
        raise ValueError(f"{name}: what is row-level has level: row, and no disclosure")
