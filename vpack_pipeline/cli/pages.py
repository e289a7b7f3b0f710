"""The pages of the documentation that are made from registries: header fields and reason codes.

``python -m vpack_pipeline.cli.pages`` writes those of ``docs``.
What does not belong here: what the registries say (``io.dicom``, ``io.forms.reasons``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from vpack_pipeline.io.dicom import outcomes
from vpack_pipeline.io.dicom.conversion import STATUSES
from vpack_pipeline.io.dicom.fields import FIELDS, Field, Source
from vpack_pipeline.io.forms import reasons
from vpack_pipeline.io.forms.reasons import Reason

FOLDER: Final = Path("docs")
_MADE: Final = "*Made by `python -m vpack_pipeline.cli.pages`; do not edit.*"

_TYPES: Final[Mapping[str, str]] = {
    "text": "text",
    "code": "code",
    "concept": "scheme:code",
    "view": "code",
    "flag": "yes, no, absent",
    "sex": "F, M, O",
    "number": "number",
    "count": "whole number",
    "integer": "whole number",
    "age": "number",
    "date": "date",
    "time": "number",
    "zone": "whole number",
    "instant": "time, UTC",
}
"""Kind of a field → its type in words."""

_FIELDS: Final = f"""# Header fields

{_MADE}

Each field is a column of `cohort/instances`. The first element that holds a value fills it, unless
the notes say otherwise; elements in functional groups are those of enhanced multi-frame images,
`[1]` is the first frame.

**Kept.** *value*: the column alone. *value, raw, status*: also `<column>_raw` as the header has it
(dropped where it does not look like what the element is for) and `<column>_status`. *frames*: also
`<column>_min`, `<column>_max` and `<column>_n_distinct` over the frames of the image, where they
differ. *by value map*: the text may name somebody and is stored nowhere; the column holds what
`value_maps` in `site.yaml` says that it means, or nothing, and `<column>_status`. Values of
*value* and *value, raw, status* fields are taken to identify nobody.

Codes, numbers and dates are read as ASCII, whatever the file declares; texts in the declared
character set, inside a sequence only as ASCII. Bytes that are not of it make the value invalid;
where an identifier holds such bytes the file is quarantined as [BAD_CHARSET](reason-codes.md).

## Status

{{statuses}}

## Fields

{{fields}}
"""

_REASONS: Final = f"""# Reason codes

{_MADE}

Every image file has one outcome in `cohort/files`, and delivered = PARSED + COPY + SET_ASIDE +
quarantined. PARSED is an image that counts. COPY is another file of the same SOP instance, the
same byte for byte. SET_ASIDE is sound, but no image to be read. All else is quarantined: a row in
`cohort/quarantine` names the file by its pseudonym, which `vpack check SITE --file PSEUDONYM`
resolves. A row of an input file is accepted or quarantined; it is named by delivery, file and
line. `cohort/outcomes` counts the image files of each outcome, kind and reason, and travels in the
pack.

## Image files: quarantined

{{files}}

## Image files: set aside

Nothing is to be done; `detail` in `cohort/files` says which kind it is.

{{kinds}}

## Rows of input files: quarantined

{{rows}}
"""


def pages() -> dict[str, str]:
    """Make each page as the text of its file, by file name."""
    statuses = _table(("status", "meaning"), STATUSES.items())
    head = ("column", "type", "elements", "kept", "what it is")
    fields = _table(head, (_described(f) for f in FIELDS))
    kinds = _table(("kind", "what it is"), outcomes.SET_ASIDE_KINDS.items())
    return {
        "header-fields.md": _FIELDS.format(statuses=statuses, fields=fields),
        "reason-codes.md": _REASONS.format(
            files=_reasons(outcomes.REASONS), kinds=kinds, rows=_reasons(reasons.REASONS)
        ),
    }


def _described(field: Field) -> tuple[str, ...]:
    unit = f", {field.unit}" if field.unit else ""
    kept = "by value map" if field.is_free_text else "value"
    kept += ", raw, status" if field.is_tracked else ""
    kept += "; frames" if field.per_frame else ""
    elements = "; ".join(_named(source) for source in field.sources)
    told = f"{field.description.rstrip('.')}. {field.misleads}".strip()
    return field.column, _TYPES[field.kind] + unit, elements, kept, told


def _named(source: Source) -> str:
    tags = "/".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in source.path)
    part = f", its {source.part}" if source.part else ""
    factor = f" × {source.factor:g}" if source.factor != 1.0 else ""
    return f"{source.keyword} {tags}{part}{factor}"


def _reasons(registry: Mapping[str, Reason]) -> str:
    rows = ((code, reason.what, reason.remedy) for code, reason in registry.items())
    return _table(("code", "what is wrong", "what to do"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; the first cell of a row is code."""
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row([f"`{first}`", *map(_escaped, rest)]) for first, *rest in rows]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
