"""The colours of the report, light and dark; a test holds text on its ground to 4.5:1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LIGHT: Final[Mapping[str, str]] = {
    "ground": "#ffffff",
    "panel": "#f5f7f9",
    "ink": "#17212b",
    "quiet": "#51606e",
    "rule": "#cfd7de",
    "strong": "#8a98a5",
    "accent": "#13507f",
    "good": "#1c6340",
    "bad": "#9c2a20",
    "open": "#775100",
    "warn-ground": "#fff4d6",
    "warn-ink": "#533a00",
}
DARK: Final[Mapping[str, str]] = {
    "ground": "#12171c",
    "panel": "#1a2128",
    "ink": "#e4e9ee",
    "quiet": "#a7b3be",
    "rule": "#37434e",
    "strong": "#70808e",
    "accent": "#8fc3ee",
    "good": "#82cfa4",
    "bad": "#f2a49b",
    "open": "#e6c26a",
    "warn-ground": "#3a2e0c",
    "warn-ink": "#f6dfa4",
}
TEXT_ON: Final = (
    *((ink, ground) for ink in ("ink", "quiet", "accent", "good", "bad", "open")
      for ground in ("ground", "panel")),
    ("warn-ink", "warn-ground"),
)  # fmt: skip
"""Which colour is printed on which."""


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two ``#rrggbb`` colours, 1 to 21 (WCAG 2.2).

    >>> round(contrast("#000000", "#ffffff"), 1)
    21.0
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
