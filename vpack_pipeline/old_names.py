"""Fields of a document that had another name or are gone: told, read and rewritten.

A document that people write is refused with the new name, and ``vpack upgrade`` rewrites it; the
protocol of an older pack is read as if it had the new one. What does not belong here: the lists
themselves, which each document declares as ``old_names``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from vpack_pipeline.errors import DocumentError, Problem

Where = tuple[str | int, ...]
"""Keys and indices from the root of a document."""


@dataclass(frozen=True, slots=True)
class OldName:
    """A name that a field no longer has."""

    path: tuple[str, ...]
    """Keys from the document's root to the old name; ``*`` stands for any key or item."""
    now: str | None
    """Its name today, in the same place; None where the field is gone."""
    moved: str | None = None
    """Where its value stands today, in words, if not in the same place: a migration of packs and a
    rewrite of documents bring it there."""

    def stands_at(self, where: Where) -> bool:
        """Tell whether a place in a document is that of this name."""
        return len(where) == len(self.path) and all(
            step in ("*", key) for step, key in zip(self.path, where, strict=True)
        )

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if self.moved:
            return f"{self.moved}; `vpack upgrade` writes it"
        what = f"it is called {self.now!r} now" if self.now else "nothing reads it: remove it"
        return f"{what}; `vpack upgrade` does so"


def with_new_names(data: dict[str, Any], old_names: Iterable[OldName]) -> dict[str, Any]:
    """Give plain data under today's names; where the new name stands as well, it is kept.

    >>> with_new_names({"a": [{"b": 1, "c": 2}]}, [OldName(("a", "*", "b"), "d")])
    {'a': [{'d': 1, 'c': 2}]}
    """
    made: dict[str, Any] = data
    for old in old_names:
        if not old.moved:
            made = _renamed(made, old.path, old.now)
    return made


def _renamed(node: Any, path: tuple[str, ...], now: str | None) -> Any:
    step, *rest = path
    if isinstance(node, list):
        return [_renamed(item, tuple(rest), now) if step == "*" else item for item in node]
    if not isinstance(node, dict):
        return node
    if rest:
        return {
            key: _renamed(value, tuple(rest), now) if step in ("*", key) else value
            for key, value in node.items()
        }
    if now is None or now in node:
        return {key: value for key, value in node.items() if key != step}
    return {now if key == step else key: value for key, value in node.items()}


def rewrite(text: str, name: str, old_names: Sequence[OldName]) -> str:
    """Write a document's text under today's names; comments and all else stay as they are.

    Parameters
    ----------
    text : YAML that :func:`strict_yaml.parse` accepts
    name : of the file, for messages

    Raises
    ------
    DocumentError
        A name has to be changed by hand: its new name stands beside it, or a field that is gone
        does not stand in lines of its own.
    """
    edits: list[tuple[int, int, str]] = []
    problems: list[Problem] = []
    for key, value, where, siblings in _keys(yaml.compose(text, Loader=yaml.SafeLoader), ()):
        old = next((o for o in old_names if o.stands_at(where)), None)
        if old is None or old.moved:
            continue
        place = f"{name}:{key.start_mark.line + 1}"
        if old.now in siblings:
            what = f"{where[-1]!r} stands beside its new name {old.now!r}"
            problems.append(Problem(place, what, "keep one, by hand"))
        elif old.now is not None:
            edits.append((key.start_mark.index, key.end_mark.index, old.now))
        elif _has_own_line(text, key, value):
            edits.append((_line_start(key), _line_end(text, value), ""))
        else:
            problems.append(
                Problem(place, f"{where[-1]!r} is read by nothing", "remove it by hand")
            )
    if problems:
        raise DocumentError(problems)
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _keys(
    node: yaml.Node | None, where: Where
) -> Iterator[tuple[yaml.Node, yaml.Node, Where, set[str]]]:
    """Give every key with its value, its place and the keys beside it."""
    if isinstance(node, yaml.MappingNode):
        siblings = {str(key.value) for key, _ in node.value}
        for key, value in node.value:
            place = (*where, str(key.value))
            yield key, value, place, siblings
            yield from _keys(value, place)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _keys(item, (*where, number))


def _has_own_line(text: str, key: yaml.Node, value: yaml.Node) -> bool:
    """Tell whether key and value stand in one line, with nothing else but a comment."""
    before = text[_line_start(key) : key.start_mark.index].strip()
    after = text[value.end_mark.index : _line_end(text, value)].strip()
    is_one_line = value.end_mark.line == key.start_mark.line
    is_alone = not before and (not after or after.startswith("#"))
    return isinstance(value, yaml.ScalarNode) and is_one_line and is_alone


def _line_start(node: yaml.Node) -> int:
    start: int = node.start_mark.index - node.start_mark.column
    return start


def _line_end(text: str, node: yaml.Node) -> int:
    end = text.find("\n", node.end_mark.index)
    return len(text) if end < 0 else end + 1
