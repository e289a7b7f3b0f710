"""Tables and figures of a page, numbered in the order of reading, and the list of them.

What does not belong here: what a caption says (``templates``).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

_CAPTION: Final = re.compile(
    r'<(?P<tag>caption|figcaption) id="(?P<id>[^"]+)-caption"[^>]*>(?P<said>.*?)</(?P=tag)>',
    re.DOTALL,
)
_KINDS: Final = {"caption": "Table", "figcaption": "Figure"}
_TAG: Final = re.compile(r"<[^>]+>")
_LONGEST: Final = 90
"""As many characters of a caption stand in the list."""


@dataclass(frozen=True, slots=True)
class Caption:
    """One table or figure: the id of its place, ``Table 3``, and how its caption begins."""

    id: str
    number: str
    title: str


def numbered(page: str) -> tuple[str, tuple[Caption, ...]]:
    """Number the captions of a page.

    Returns
    -------
    the page, and its captions in the order of reading

    Examples
    --------
    >>> page, found = numbered('<caption id="flow-caption">Cases. By rule.</caption>')
    >>> page
    '<caption id="flow-caption"><strong>Table 1.</strong> Cases. By rule.</caption>'
    >>> found
    (Caption(id='flow', number='Table 1', title='Cases'),)
    """
    captions: list[Caption] = []
    counts = dict.fromkeys(_KINDS.values(), 0)
    made = "".join(_made(page, counts, captions))
    return made, tuple(captions)


def _made(page: str, counts: dict[str, int], captions: list[Caption]) -> Iterator[str]:
    end = 0
    for found in _CAPTION.finditer(page):
        kind = _KINDS[found["tag"]]
        counts[kind] += 1
        number = f"{kind} {counts[kind]}"
        captions.append(Caption(found["id"], number, _title(found["said"])))
        yield page[end : found.start("said")]
        yield Markup("<strong>{}.</strong> ").format(number)
        end = found.start("said")
    yield page[end:]


def _title(said: str) -> str:
    text = " ".join(html.unescape(_TAG.sub("", said)).split())
    first = text.partition(". ")[0].rstrip(".")
    return first if len(first) <= _LONGEST else f"{first[:_LONGEST].rsplit(' ', 1)[0]} …"
