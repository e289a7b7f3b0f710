"""JSON schemas of the two documents, made from their models, for editors.

``python -m vpack_pipeline.cli.schema`` writes those of ``docs/schema``.
What does not belong here: the schemas of exported tables (``contracts``).
"""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import Site

FOLDER = Path("docs/schema")


def schemas() -> dict[str, str]:
    """Make each schema as the text of its file, by file name."""
    return {
        "protocol.schema.json": _text(Protocol),
        "site.schema.json": _text(Site),
    }


@functools.cache
def _text(model: type[BaseModel]) -> str:
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_for_editors(model.model_json_schema()),
    }
    return json.dumps(made, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _for_editors(node: Any) -> Any:
    r"""Write patterns as editors read them: they know no ``\z``, and ``$`` is the end there."""
    if isinstance(node, dict):
        # A pattern stands as a value, or as the key of patternProperties.
        return {_pattern(k): _for_editors(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_for_editors(v) for v in node]
    return _pattern(node) if isinstance(node, str) else node


def _pattern(text: str) -> str:
    return text.removesuffix(r"\z") + "$" if text.endswith(r"\z") else text


def write(folder: Path) -> None:
    """Write both schemas into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
