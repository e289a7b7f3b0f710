"""The text of each page of a PDF that Chromium printed, with the standard library alone.

Enough for Skia's plain files: no object streams, no encryption. What does not belong here: PDFs of
other makers.
"""

from __future__ import annotations

import re
import zlib

_OBJECT = re.compile(rb"\n(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_FONT = re.compile(rb"/(F\d+) (\d+) 0 R")
_DRAWN = re.compile(rb"/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)> ?Tj|\[([^\]]*)\] ?TJ|(ET)\b")
_HEX = re.compile(rb"<([0-9A-Fa-f]+)>")


def pages(pdf: bytes) -> list[str]:
    """Give the text of each page, in the order of print, without spaces that only a gap draws."""
    objects = {int(m[1]): m[2] for m in _OBJECT.finditer(pdf)}
    tree = next(o for o in objects.values() if b"/Type /Pages" in o and b"/Parent" not in o)
    return [_text(objects, objects[page]) for page in _leaves(objects, tree)]


def _leaves(objects: dict[int, bytes], node: bytes) -> list[int]:
    kids = re.search(rb"/Kids \[([^\]]*)\]", node)
    assert kids is not None
    found: list[int] = []
    for number in (int(n) for n in re.findall(rb"(\d+) 0 R", kids[1])):
        is_branch = b"/Kids" in objects[number]
        found += _leaves(objects, objects[number]) if is_branch else [number]
    return found


def _text(objects: dict[int, bytes], page: bytes) -> str:
    content = re.search(rb"/Contents (\d+) 0 R", page)
    assert content is not None
    fonts = {name: _letters(objects, int(number)) for name, number in _FONT.findall(page)}
    said, width, letters = [], 4, {}
    for font, one, several, end in _DRAWN.findall(_stream(objects[int(content[1])])):
        if font:
            width, letters = fonts[font]
        for run in [one] if one else _HEX.findall(several):
            codes = (run[i : i + width] for i in range(0, len(run), width))
            said += [letters.get(int(code, 16), "") for code in codes]
        if end:
            said.append(" ")
    return re.sub(r"\s+", " ", "".join(said))


def _letters(objects: dict[int, bytes], font: int) -> tuple[int, dict[int, str]]:
    """Give how many hex digits a code has, and the text of each code."""
    named = re.search(rb"/ToUnicode (\d+) 0 R", objects[font])
    if named is None:
        return 4, {}
    table = _stream(objects[int(named[1])])
    space = re.search(rb"begincodespacerange\s*<([0-9A-Fa-f]+)>", table)
    assert space is not None
    found: dict[int, str] = {}
    for block in re.findall(rb"beginbfchar(.*?)endbfchar", table, re.DOTALL):
        given = _HEX.findall(block)
        found |= {int(c, 16): _utf16(t) for c, t in zip(given[::2], given[1::2], strict=True)}
    for block in re.findall(rb"beginbfrange(.*?)endbfrange", table, re.DOTALL):
        given = [int(h, 16) for h in _HEX.findall(block)]
        for first, last, text in zip(given[::3], given[1::3], given[2::3], strict=True):
            found |= {code: chr(text + code - first) for code in range(first, last + 1)}
    return len(space[1]), found


def _utf16(code: bytes) -> str:
    return bytes.fromhex(code.decode()).decode("utf-16-be")


def _stream(body: bytes) -> bytes:
    data = body.split(b"stream\n", 1)[1].rsplit(b"\nendstream", 1)[0]
    return zlib.decompress(data) if b"/FlateDecode" in body else data
