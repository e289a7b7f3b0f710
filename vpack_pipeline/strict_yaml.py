"""YAML as a reviewed document: no aliases, no duplicate keys, no guessed types, line numbers kept.

YAML 1.1 turns ``no`` into False and ``12:30`` into 750; here a plain scalar is a string unless
it is an integer, a decimal number, ``true``, ``false`` or ``null``. Models turn strings to dates.
"""

from __future__ import annotations

import difflib
import functools
import re
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError

from vpack_pipeline.errors import DocumentError, Problem
from vpack_pipeline.old_names import OldName, Where

MAX_BYTES = 1_000_000
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(
    r"[-+]?(0|[1-9][0-9]*)?\.[0-9]+([eE][-+]?[0-9]+)?\Z|[-+]?[0-9]+[eE][-+]?[0-9]+\Z"
)
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}

Model = TypeVar("Model", bound=BaseModel)


class _Reader:
    """Turns a node tree into plain data, noting the line of every key and item."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Where, int] = {(): 1}
        self.problems: list[Problem] = []

    def read(self, node: yaml.Node, where: Where) -> Any:
        self.lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*where, i)) for i, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = str(key_node.value)
            if key in made:
                self.problems.append(
                    Problem(f"{self.name}:{line}", f"key {key!r} stands twice", "keep one")
                )
            self.lines[(*where, key)] = line
            made[key] = self.read(value_node, (*where, key))
        return made


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    if getattr(node, "style", None):  # plain is None or "", by loader
        return text
    if text.lower() in _WORDS and text in {"true", "false", "null", "~", ""}:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    if _DECIMAL.match(text):
        return float(text)
    return text


def parse(text: str, name: str) -> tuple[Any, dict[Where, int]]:
    """Read one document; return its data and the line of every key.

    Raises
    ------
    DocumentError
        Not YAML, an alias or anchor, a duplicate key, more than 1 MB.

    Examples
    --------
    >>> parse("a: no", "demo.yaml")[0]
    {'a': 'no'}
    """
    if len(text.encode()) > MAX_BYTES:
        raise DocumentError(Problem(name, "larger than 1 MB", "split or shorten the document"))
    try:
        for event in yaml.parse(text, Loader=LOADER):
            _refuse_alias(event, name)
        node = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = error.problem or "not YAML"
        raise DocumentError(Problem(f"{name}:{line}", message, "mend the YAML")) from None
    except yaml.YAMLError:
        raise DocumentError(Problem(name, "not YAML text", "save it as UTF-8 YAML")) from None
    if node is None:
        raise DocumentError(Problem(name, "the document is empty"))
    reader = _Reader(name)
    data = reader.read(node, ())
    if reader.problems:
        raise DocumentError(reader.problems)
    return data, reader.lines


def _refuse_alias(event: yaml.Event, name: str) -> None:
    is_alias = isinstance(event, yaml.AliasEvent)
    if is_alias or getattr(event, "anchor", None) is not None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        raise DocumentError(
            Problem(f"{name}:{line}", "anchors and aliases are not allowed", "write it out")
        )


def read_model(path: Path, model: type[Model]) -> Model:
    """Read a file into a pydantic model; every problem at once, each with its line.

    Raises
    ------
    DocumentError
        As :func:`parse`, or the document does not fit the model.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DocumentError(Problem(path.name, "no such file", f"create {path.name}")) from None
    except (OSError, UnicodeDecodeError):
        raise DocumentError(Problem(path.name, "cannot be read as UTF-8 text")) from None
    return cast(Model, _read_once(text, path.name, model))


@functools.lru_cache(maxsize=64)
def _read_once(text: str, name: str, model: type[BaseModel]) -> BaseModel:
    """Read a text once a process: every table of a run asks for the same two documents."""
    return validate(text, name, model)


def validate(text: str, name: str, model: type[Model]) -> Model:
    """Check the text of a document against a model; see :func:`read_model`."""
    data, lines = parse(text, name)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        errors = [e for e in error.errors() if not _has_old_name(e, lines, model)]
        found = [_problem(e, lines, name, model) for e in errors]
        # Alternatives that fail alike say it once.
        raise DocumentError(list(dict.fromkeys(found))) from None


def _has_old_name(error: Any, lines: dict[Where, int], model: type[BaseModel]) -> bool:
    """Tell whether what is missing stands there under an old name, which is told instead."""
    if error["type"] != "missing":
        return False
    at = _written(tuple(error["loc"]), lines)
    return any(
        old.now == error["loc"][-1] and old.stands_at(was) and was in lines
        for old in _old_names(model)
        for was in [(*at, old.path[-1])]
    )


def _old_names(model: type[BaseModel]) -> tuple[OldName, ...]:
    known: tuple[OldName, ...] = getattr(model, "old_names", ())
    return known


def _problem(error: Any, lines: dict[Where, int], name: str, model: type[BaseModel]) -> Problem:
    at = _written(tuple(error["loc"]), lines)
    where = (*at, error["loc"][-1]) if error["type"] == "missing" else at
    field = ".".join(str(part) for part in where) or "document"
    place = f"{name}:{lines[at]}"
    if error["type"] == "extra_forbidden":
        old = next((o for o in _old_names(model) if o.stands_at(where)), None)
        if old is not None:
            return Problem(place, f"unknown key {field!r}", old.remedy)
        near = difflib.get_close_matches(str(where[-1]), _known_keys(model, where[:-1]), 1, 0.5)
        remedy = f"did you mean {near[0]!r}?" if near else "remove it"
        return Problem(place, f"unknown key {field!r}", remedy)
    if error["type"] == "missing":
        return Problem(place, f"{field!r} is missing", "add it")
    return Problem(place, f"{field!r}: {error['msg']}")


def _written(where: Where, lines: dict[Where, int]) -> Where:
    """Leave out what pydantic adds to a path, such as the alternative that it tried."""
    at: Where = ()
    for part in where:
        if (*at, part) in lines:
            at = (*at, part)
    return at


def _known_keys(model: type[BaseModel], where: Where) -> list[str]:
    """List the keys that may stand at a place, by walking the JSON schema."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for part in where:
        nodes = [n for node in nodes for n in _step(node, part, definitions)]
    keys: list[str] = []
    for node in nodes:
        for option in _expand(node, definitions):
            keys.extend(option.get("properties", {}))
    return keys


def _expand(node: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        return _expand(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    options = node.get("anyOf") or node.get("oneOf")
    if options:
        return [e for option in options for e in _expand(option, definitions)]
    return [node]


def _step(
    node: dict[str, Any], part: str | int, definitions: dict[str, Any]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for option in _expand(node, definitions):
        if isinstance(part, int):
            found.extend([option["items"]] if isinstance(option.get("items"), dict) else [])
        elif part in option.get("properties", {}):
            found.append(option["properties"][part])
        elif isinstance(option.get("additionalProperties"), dict):
            found.append(option["additionalProperties"])
    return found
