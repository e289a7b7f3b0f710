"""Codes: how a figure was made, why there is none, and what to know beside it.

A code is a short name with parameters. What it says in words is declared in ``contracts/codes`` and
nowhere else, so that no program ever reads a sentence. What does not belong here: sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

Value = str | int | float | tuple[str, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """One code, with its parameters by name."""

    name: str
    detail: tuple[tuple[str, Value], ...] = ()

    def __getitem__(self, parameter: str) -> Value:
        """Give a parameter's value.

        >>> Code("after", (("days", 3),))["days"]
        3
        """
        return dict(self.detail)[parameter]


Codes = tuple[Code, ...]
Coded = Code | str
"""A code; a name alone is one without parameters."""


def code(name: str, **detail: Value) -> Code:
    """Make a code with its parameters.

    >>> code("few_cases", fewest=10)["fewest"]
    10
    """
    return Code(name, tuple(sorted(detail.items())))


def coded(*found: Coded | Codes | None) -> Codes:
    """Join codes, each once, in the order of mention; None stands for no code.

    >>> [c.name for c in coded("wilson", None, coded("weighted", "wilson"))]
    ['wilson', 'weighted']
    """
    flat = (c for some in found for c in (some if isinstance(some, tuple) else (some,)))
    made = (Code(c) if isinstance(c, str) else c for c in flat if c is not None)
    return tuple(dict.fromkeys(made))
