"""The templates as they are rendered: without the comments of their style sheets.

What does not belong here: what a template is given (``rendering``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from importlib import resources
from typing import Any, Final

import jinja2

PACKAGE_DATA: Final = ("report/templates", "report/fonts")
FONTS: Final = resources.files(__package__) / "fonts"
"""The folder of the fonts of the first page for paper."""
SYNTAX: Final[dict[str, Any]] = {"trim_blocks": True, "lstrip_blocks": True}
"""How a template is read; a comment on a line of its own leaves nothing behind."""
_STYLE: Final = ".css.j2"
LAYOUT: Final = "summary.typ"
"""How the first page is laid out for paper."""
_CSS: Final = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|^[ \t]*/\*(?:(?!\*/).)*\*/[ \t]*\n|/\*.*?\*/""",
    re.DOTALL | re.MULTILINE,
)


class Templates(jinja2.BaseLoader):
    """Loads the package's templates; a style sheet's comments are for us, not for the reader."""

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Read one template."""
        path = resources.files(__package__) / "templates" / template
        if not path.is_file():
            raise jinja2.TemplateNotFound(template)
        text = path.read_text(encoding="utf-8")
        return without_css_comments(text) if template.endswith(_STYLE) else text, template, None


class _Compiled(jinja2.BytecodeCache):
    """Templates compiled once a process: pages differ in what templates are given."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


COMPILED: Final = _Compiled()


def without_css_comments(text: str) -> str:
    """Take the comments out of a style sheet.

    Examples
    --------
    >>> without_css_comments('a { top: 0; } /* why */\\n  /* alone */\\nb { content: "/*"; }')
    'a { top: 0; } \\nb { content: "/*"; }'
    """
    return _CSS.sub(lambda found: found["string"] or "", text)


def template_sources() -> dict[str, str]:
    """Give every template of the package as it is rendered, without comments of any kind."""
    environment = jinja2.Environment(loader=Templates(), autoescape=True, **SYNTAX)
    folder = resources.files(__package__) / "templates"
    return {
        name: _without_comments(environment, name)
        for name in sorted(entry.name for entry in folder.iterdir())
        if name.endswith(".j2")
    } | {LAYOUT: layout(), "fonts": _digest_of_fonts()}


def layout() -> str:
    """Give the layout of the first page for paper."""
    return (resources.files(__package__) / "templates" / LAYOUT).read_text(encoding="utf-8")


def _digest_of_fonts() -> str:
    made = hashlib.sha256()
    for font in sorted(FONTS.iterdir(), key=lambda entry: entry.name):
        made.update(font.name.encode() + font.read_bytes())
    return made.hexdigest()


def _without_comments(environment: jinja2.Environment, name: str) -> str:
    source, _, _ = Templates().get_source(environment, name)
    kept, is_comment = [], False
    for _, kind, text in environment.lex(source, name):
        is_comment = is_comment or kind == "comment_begin"
        if not is_comment:
            kept.append(text)
        is_comment = is_comment and kind != "comment_end"
    return "".join(kept)
