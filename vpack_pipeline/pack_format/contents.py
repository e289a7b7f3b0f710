"""The payload of a pack, read as data: a file that is not what its name says is refused by name.

A pack may come from anyone: nothing here trusts a size, a nesting or a type. What does not belong
here: whether files agree with one another (``agreement``).
"""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.pack_format import bag, codes

ASK: Final = "ask the sender for the pack again"
MOST_BYTES: Final = 64_000_000
"""No file of a pack that is read as data is nearly as large."""
_DEEPEST: Final = 30
"""Levels of nesting in a document: those of packs have a third of these."""

Data = TypeVar("Data")
Form = Any
"""A type, a tuple of forms that are all allowed, a list of one form, or a mapping of forms by key.

``*`` stands for any key.
"""


def refusal(name: str, what: str) -> VerificationError:
    """Make the error that says what is wrong with a file of the payload."""
    return VerificationError([problem(name, what)])


def problem(name: str, what: str) -> Problem:
    """Say what is wrong with a file of the payload."""
    return Problem(f"{bag.DATA}{name}", what, ASK)


def fits(value: Any, form: Form) -> bool:
    """Tell whether plain data has a form; keys that it does not name are let be.

    >>> fits({"a": ["x"], "b": 1}, {"a": [str]}), fits({"a": [1]}, {"a": [str]})
    (True, False)
    """
    if isinstance(form, tuple):
        return any(fits(value, one) for one in form)
    if isinstance(form, list):
        return isinstance(value, list) and all(fits(v, form[0]) for v in value)
    if isinstance(form, Mapping):
        return isinstance(value, dict) and all(
            all(fits(v, of) for v in value.values()) if key == "*" else fits(value.get(key), of)
            for key, of in form.items()
        )
    return isinstance(value, form) and (form is not int or not isinstance(value, bool))


class Contents:
    """The files below ``data/`` of a pack whose manifests hold."""

    def __init__(self, pack: Path, names: frozenset[str]) -> None:
        self._folder = pack / bag.DATA.rstrip("/")
        self.names = names
        """Path of each file below ``data/``."""
        self._read: dict[tuple[str, str], Any] = {}

    def raw(self, name: str) -> bytes:
        """Give a file's bytes.

        Raises
        ------
        VerificationError
            It is not there, or far too large.
        """
        return self._once(name, self._bytes)

    def text(self, name: str) -> str:
        """Give a file's text.

        Raises
        ------
        VerificationError
            It is no UTF-8 text.
        """
        return self._once(name, self._text)

    def json(self, name: str, form: Form) -> Any:
        """Give the data of a JSON file.

        Raises
        ------
        VerificationError
            It is no JSON, or of another form.
        """
        data = self._once(name, self._json)
        if not fits(data, form):
            raise refusal(name, "does not have the fields that such a file has")
        return data

    def rows(self, name: str, header: tuple[str, ...]) -> list[list[str]]:
        """Give the rows of a CSV file, each of as many cells as its header.

        Raises
        ------
        VerificationError
            It is no CSV, or has another header.
        """
        first, *rows = self._once(name, self._csv)
        if tuple(first) != header:
            raise refusal(name, "does not have the columns that it should, in their order")
        if any(len(row) != len(header) for row in rows):
            raise refusal(name, "has a row with more or fewer cells than columns")
        return rows

    def protocol(self) -> dict[str, Any]:
        """Give the data of the protocol that travels.

        Raises
        ------
        VerificationError
            It is not the YAML of a protocol.
        """
        return self._once("protocol.yaml", self._yaml)

    @functools.cached_property
    def sentences(self) -> codes.Sentences:
        """What the codes of this pack say.

        Raises
        ------
        VerificationError
            The file of codes is not as vpack writes it.
        """
        rows = self.rows(codes.NAME, codes.HEADER)
        try:
            return codes.Sentences([dict(zip(codes.HEADER, r, strict=True)) for r in rows])
        except ValueError:
            raise refusal(codes.NAME, "describes a parameter in another way") from None

    def _once(self, name: str, read: Callable[[str], Data]) -> Data:
        key = name, read.__name__
        if key not in self._read:
            self._read[key] = read(name)
        made: Data = self._read[key]
        return made

    def _bytes(self, name: str) -> bytes:
        if name not in self.names:
            raise refusal(name, "is required and not listed")
        path = self._folder / name
        if path.stat().st_size > MOST_BYTES:
            raise refusal(name, "is larger than any such file")
        return path.read_bytes()

    def _text(self, name: str) -> str:
        try:
            return self.raw(name).decode()
        except UnicodeDecodeError:
            raise refusal(name, "is no UTF-8 text") from None

    def _json(self, name: str) -> Any:
        try:
            data = json.loads(self.text(name))
        except (ValueError, RecursionError):
            raise refusal(name, "is no JSON") from None
        if not _is_flat(data):
            raise refusal(name, "is nested more deeply than any such file")
        return data

    def _csv(self, name: str) -> list[list[str]]:
        try:
            found = list(csv.reader(io.StringIO(self.text(name), newline=""), strict=True))
        except csv.Error:
            found = []
        if not found:
            raise refusal(name, "is no CSV")
        return found

    def _yaml(self, name: str) -> dict[str, Any]:
        import yaml

        # libyaml is ten times faster, and not in every build.
        loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
        try:
            text = self.text(name)
            is_plain = _is_plain(yaml.parse(text, Loader=loader), yaml)
            data = yaml.load(text, Loader=loader) if is_plain else None
        except yaml.YAMLError:
            data = None
        if not isinstance(data, dict):
            raise refusal(name, "is not the YAML of a protocol")
        return data


def _is_flat(data: Any) -> bool:
    """Tell whether plain data is so little nested that whatever reads it comes to its end."""
    level = [data]
    for _ in range(_DEEPEST):
        nested = [v for v in level if isinstance(v, dict | list)]
        level = [i for v in nested for i in (v.values() if isinstance(v, dict) else v)]
        if not level:
            return True
    return False


def _is_plain(events: Any, yaml: Any) -> bool:
    """Tell whether a document has no alias and is not nested deeply: neither ends in a crash."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            return False
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            return False
    return True
