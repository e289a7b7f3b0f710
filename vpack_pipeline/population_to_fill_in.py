"""A site document from before the target population said where its counts come from, brought on.

What does not belong here: what the fields mean (``site``).
"""

from __future__ import annotations

from typing import Final

import yaml

from vpack_pipeline.errors import DocumentError, Problem

_TO_FILL_IN: Final = """\
population:
  source: "TODO: what was counted, such as a register or an archive"
  date: "TODO: when it was counted, and of which period"
  definition: "TODO: who counts, and what one of them is"
  counted_by: "TODO: who counted (a role)"
"""


def with_population_to_fill_in(text: str, name: str) -> str:
    """Add ``population`` to a site's text, each field to be filled in, where ``inputs`` has one.

    Parameters
    ----------
    text : YAML that :func:`strict_yaml.parse` accepts
    name : of the file, for messages

    Raises
    ------
    DocumentError
        The document stands in braces, so that no lines can be added.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    named = _named(root)
    if "population" in named or "population" not in _named(named.get("inputs")):
        return text
    if isinstance(root, yaml.MappingNode) and root.flow_style:
        what, remedy = "'population' is to be stated", "add it by hand"
        raise DocumentError(Problem(f"{name}:1", what, remedy))
    return f"{text.rstrip()}\n{_TO_FILL_IN}"


def _named(node: yaml.Node | None) -> dict[str, yaml.Node]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return {str(key.value): value for key, value in pairs}
