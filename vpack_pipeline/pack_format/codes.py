"""What codes say: sentences with a row's parameters put in, and ``codes.csv``, which holds them.

A pack is read with the sentences that travel in it. What does not belong here: which codes there
are (``contracts.codes``), which one a figure gets (``core``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

NAME: Final = "codes.csv"
HEADER: Final = ("code", "kind", "sentence", "parameters")
COLUMNS: Final[Mapping[str, Literal["reason", "method"]]] = {
    "reason": "reason",
    "notes": "reason",
    "method": "method",
}
"""The columns of a table that hold codes, and of which kind."""
DETAIL: Final = "detail"
"""The column of their parameters; in a table without it these columns are plain text."""
SEPARATOR: Final = ";"
"""Between several codes of one cell."""
_PLACE: Final = re.compile(r"\{(\w+)\}")
_PARAMETER: Final = re.compile(r"(\w+): (\w+)(?: \(([^()]+)\))?(?:; (?=\w)|\Z)")
_WORD: Final = re.compile(r"(\w+) = (.+?)(?:, (?=\w+ = )|\Z)")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one parameter of a code may be, as far as its text depends on it."""

    type: str
    words: Mapping[str, str] = field(default_factory=dict)
    """Of a word: what it may be, with what stands for it in the sentence."""

    def written(self, value: Any) -> str:
        """Write a value as the sentence has it.

        >>> Parameter("share").written(0.05), Parameter("names").written(["a", "b"])
        ('5%', 'a, b')
        """
        if isinstance(value, list | tuple):
            return ", ".join(self.written(v) for v in value)
        if self.type == "share":
            return f"{100 * value:.3g}%"
        if self.type in ("integer", "number", "numbers"):
            return f"{value:,}" if isinstance(value, int) else f"{value:g}"
        return self.words.get(value, str(value))


def described(parameters: Mapping[str, Parameter]) -> str:
    """Write parameters as ``codes.csv`` has them.

    >>> described({"n": Parameter("integer"), "w": Parameter("word", {"a": "an a", "b": "b"})})
    'n: integer; w: word (a = an a, b = b)'
    """
    return "; ".join(f"{name}: {p.type}{_words(p)}" for name, p in parameters.items())


def _words(parameter: Parameter) -> str:
    told = ", ".join(f"{word} = {text}" for word, text in parameter.words.items())
    return f" ({told})" if told else ""


def parameters_of(text: str) -> dict[str, Parameter]:
    """Read what :func:`described` wrote.

    >>> parameters_of("w: word (a = an a, or b, b = b)")["w"].words
    {'a': 'an a, or b', 'b': 'b'}

    Raises
    ------
    ValueError
        It is of another form.
    """
    found, end = {}, 0
    while end < len(text):
        match = _PARAMETER.match(text, end)
        if match is None:
            raise ValueError("no parameters of a code")
        found[match[1]] = Parameter(match[2], dict(_WORD.findall(match[3] or "")))
        end = match.end()
    return found


def told(sentence: str, name: str, parameters: Mapping[str, Parameter], detail: str | None) -> str:
    """Write the sentence of a code with the parameters of one row.

    Parameters
    ----------
    name : the code
    detail : the row's parameters as JSON, keys ``code.parameter``

    Raises
    ------
    KeyError
        The row does not give a parameter.
    ValueError
        The row's parameters are no JSON, or one is not of its type.
    """
    given = json.loads(detail) if detail else {}
    return _PLACE.sub(lambda m: parameters[m[1]].written(given[f"{name}.{m[1]}"]), sentence)


class Sentences:
    """The sentences of one ``codes.csv``."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._known = {r["code"]: (r["sentence"], parameters_of(r["parameters"])) for r in rows}
        self._written: dict[tuple[str, str | None], str] = {}

    def __call__(self, cell: str | None, detail: str | None) -> str:
        """Write what the codes of a cell say, joined by semicolons.

        Raises
        ------
        KeyError
            A code or one of its parameters is not there.
        ValueError
            A parameter is not of its type.
        """
        names = cell.split(SEPARATOR) if cell else ()
        return "; ".join(self._one(name, detail) for name in names)

    def _one(self, name: str, detail: str | None) -> str:
        if (name, detail) not in self._written:
            sentence, parameters = self._known[name]
            self._written[name, detail] = told(sentence, name, parameters, detail)
        return self._written[name, detail]
