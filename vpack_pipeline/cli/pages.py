"""The pages of the documentation that are made from registries: fields, forms, metrics, monitors.

``make docs`` writes them into ``docs``. Those of :data:`KEPT` are in the repository, for people who
need them before they install anything; the others repeat what one file declares, and are not.
What does not belong here: what the registries say (``contracts``, ``io``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from vpack_pipeline import contracts
from vpack_pipeline.cli.new_site import starter
from vpack_pipeline.contracts import codes, header_fields, metrics
from vpack_pipeline.contracts.header_fields import HeaderField, Kind, Source
from vpack_pipeline.contracts.metrics import Metric
from vpack_pipeline.core.drift.monitors import MONITORS
from vpack_pipeline.io import forms
from vpack_pipeline.io.dicom import outcomes
from vpack_pipeline.io.dicom.conversion import STATUSES
from vpack_pipeline.io.forms import reasons
from vpack_pipeline.io.forms.reasons import Reason
from vpack_pipeline.site import InputKind

FOLDER: Final = Path("docs")
KEPT: Final = ("forms.md", "reason-codes.md")
_MADE: Final = "*Made by `make docs`; do not edit.*"

_TYPES: Final[Mapping[Kind, str]] = {
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
*value* and *value, raw, status* fields are taken to identify nobody, and stay in tables of the
site: a pack prints a text only where the protocol's levels or the site's `value_maps` give that
word (a list names words as they are written: `model: [Rover]`), any other as *unlisted 1*,
*unlisted 2* …

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

Nothing is to be done; `outcome_part` in `cohort/files` says which kind it is.

{{kinds}}

## Rows of input files: quarantined

{{rows}}
"""


_FORMS: Final = f"""# Input forms

{_MADE}

What each file of a delivery holds. A site's own headers and codes are mapped in `site.yaml`
(`columns`, `values`, `constants`), so that no export has to be renamed. `vpack init` writes an
empty file of each kind into `forms/`.

**Required.** *yes*: the file has the column, or `site.yaml` a constant for it, and each cell is
filled. *column*: the file has it, and a cell may be empty. *no*: it may be left out. Identifiers
are written as the site's systems write them; they become pseudonyms when they are read. A flag is
`true`, `yes`, `1` or `false`, `no`, `0`. Dates and times are written as `date_format` and
`datetime_format` of `site.yaml` say; a time has a zone, or `site.yaml` names one.

What the roster says of a reader, and texts of covariates that the protocol calls technical, are
printed as they are only where `values` maps to them (or lists them: `training: [one day]`); any
other is printed as *unlisted 1*, *unlisted 2* … The roster is printed at all only where `site.yaml`
states `readers_agreed: true`.

A row with a cell that cannot be used is quarantined under a [reason code](reason-codes.md), which
`vpack check` and `vpack deliver` name beforehand.

{{kinds}}
"""

_METRICS: Final = f"""# Metrics

{_MADE}

Every figure of a pack, in the order of print, as `contracts/metrics.yaml` declares it. No table
holds another, and none outside of its range: the gate sees to it. *n* and *events* say what the
columns `n` and `events` count. [statistics.md](statistics.md) says how each is computed.

{{metrics}}
"""

_MONITORS: Final = f"""# Monitors

{_MADE}

What each statistic of a monitor computes, as its entry in `vpack_pipeline/core/drift/monitors.py`
says; a protocol names it under `drift.monitors`. *Watches* is what the variable must be;
*change to be detected* what `minimum_detectable_change` means for it.

{{monitors}}
"""

_WATCHES: Final[Mapping[str, str]] = {
    "any": "any column",
    "number": "numbers",
    "yes_no": "yes or no",
    "probability": "scores that are probabilities",
    "none": "how many cases there are",
}
"""What a monitor needs → in words."""

_CODES: Final = f"""# Codes

{_MADE}

What each code of a pack's tables says, in the order in which the codes of one cell stand, as
`contracts/codes` declares it; `data/codes.csv` of a pack says the same. A *reason* stands in
`reason`, alone, where a row has no figure, and in `notes` where it is to be known beside the row;
a *method* stands in `method`. Several codes of a cell are joined by `;`. The numbers and names in
braces are the row's: `detail` holds them as JSON, under `code.parameter`. A code is never renamed
and never used for another thing. Why a delivered file or row was not taken is another list:
[reason-codes.md](reason-codes.md).

{{codes}}
"""

_FORM_TYPES: Final[Mapping[str, str]] = {
    "text": "text",
    "int": "whole number",
    "float": "number",
    "bool": "flag",
    "date": "date",
    "timestamp": "time",
    "presence": "text, of which only is kept whether there is any",
    "identifier": "identifier",
    "study": "StudyInstanceUID or accession number",
}
_OF_PROTOCOL: Final[Mapping[str, str]] = {
    "UNKNOWN_FINDING": "a name of `findings` in the protocol",
    "UNKNOWN_MODEL": "an id of `index_test.models` in the protocol",
    "UNKNOWN_RATING": "a value of the finding's `categories` in the protocol",
    "SCORE_RANGE": "in the range of `index_test.output` of the protocol",
}
_MEANINGS: Final[Mapping[str, str]] = {
    "study": "The study, by either of its numbers.",
    "issuer": "Who issued the patient identifier, where several do.",
    "same_as_issuer": "Who issued the identifier that is kept.",
    "stratum": "The stratum of the sample that the case was drawn from.",
    "same_as": "The site's identifier that is kept.",
    "ascertained_by": "Who or what ascertained it; it may be written as a name.",
}


def pages() -> dict[str, str]:
    """Make each page as the text of its file, by file name."""
    statuses = _table(("status", "meaning"), STATUSES.items())
    head = ("column", "type", "elements", "kept", "what it is")
    fields = _table(head, (_described(f) for f in header_fields.load()))
    kinds = _table(("kind", "what it is"), outcomes.SET_ASIDE_KINDS.items())
    said = ((c["code"], c["kind"], c["sentence"], c["parameters"]) for c in codes.table())
    return {
        "codes.md": _CODES.format(codes=_table(("code", "kind", "sentence", "parameters"), said)),
        "forms.md": _FORMS.format(kinds="\n\n".join(_form(kind) for kind in forms.KINDS)),
        "header-fields.md": _FIELDS.format(statuses=statuses, fields=fields),
        "metrics.md": _METRICS.format(metrics=_metrics()),
        "monitors.md": _MONITORS.format(monitors=_monitors()),
        "reason-codes.md": _REASONS.format(
            files=_reasons(outcomes.REASONS), kinds=kinds, rows=_reasons(reasons.REASONS)
        ),
    }


def _monitors() -> str:
    rows = ((name, k.meaning, _WATCHES[k.needs], k.change) for name, k in MONITORS.items())
    return _table(("monitor", "what it computes", "watches", "change to be detected"), rows)


def _metrics() -> str:
    head = ("metric", "in print", "kind", "range", "n", "events", "what it is", "source", "tables")
    return _table(head, (_metric(m) for m in metrics.load()))


def _metric(metric: Metric) -> tuple[str, ...]:
    lowest, highest = ("" if limit is None else f"{limit:g}" for limit in metric.limits)
    reach = f"{lowest} to {highest}" if lowest and highest else f"from {lowest}"
    reach = reach if lowest else f"up to {highest}"
    kind = f"{metric.kind}, {metric.unit}" if metric.unit else metric.kind
    told = metric.meaning
    if metric.values:
        values = "; ".join(f"{value} ({said})" for value, said in metric.values.items())
        told = f"{told} {metric.parameter}: {values}."
    also = "".join(f"; in {asset} {title}" for asset, title in metric.titles.items())
    return (
        metric.name,
        f"{metric.title}{also}",
        kind,
        reach if lowest or highest else "any",
        metric.n or "",
        metric.events or "",
        told,
        metric.source,
        ", ".join(metric.tables),
    )


def _form(kind: InputKind) -> str:
    contract = contracts.load()[f"cohort/{kind}"]
    meant = {c.name: c for c in contract.columns}
    protocol = starter()
    own = {c.name for c in protocol.covariates} if kind == "cases" else set()
    own |= {v.name for v in protocol.representativeness.variables} if kind == "population" else own
    rows = [_column(f, meant.get(f.name)) for f in forms.fields_of(kind, protocol)]
    rows = [row for row in rows if row[0] not in own]
    if kind == "cases":
        told = "A name of `covariates` in the protocol."
        rows.append(("each covariate", "no", "as declared", "", told))
    if kind in ("reads", "reference"):
        told = "A name of `finding_details` in the protocol whose source is this input."
        rows.append(("each detail of the finding", "no", "as declared", "", told))
    if kind == "population":
        told = (
            "A name of `representativeness.variables` in the protocol; empty: the row does not"
            " state it; not known: `missing`."
        )
        codes = "its levels, or its bins such as 40–59 (40-59 is read too)"
        rows.insert(0, ("each variable", "no", "text", codes, told))
    head = ("column", "required", "type", "allowed", "meaning")
    needed = forms.ONE_OF.get(kind, ())
    note = f"\n\nAt least one of {', '.join(f'`{n}`' for n in needed)} is there." if needed else ""
    return f"## {kind}\n\n{contract.description}{note}\n\n{_table(head, rows)}"


def _column(field: forms.Field, stored: contracts.Column | None) -> tuple[str, ...]:
    required = "yes" if field.filled else "column" if field.needed else "no"
    unit = f", {stored.unit}" if stored is not None and stored.unit else ""
    told = _MEANINGS.get(field.name) or (stored.description if stored is not None else "")
    told = told.replace("Pseudonym of the", "The site's identifier of the")
    told = told.replace("null", "empty").replace(
        ", within the issuer and after the patient map", ""
    )
    told = told.replace("of the identifier that is", "that is")
    return field.name, required, _FORM_TYPES[field.type] + unit, _allowed(field), told


def _allowed(field: forms.Field) -> str:
    found = _OF_PROTOCOL.get(field.bad) or _OF_PROTOCOL.get(field.out_of_range, "")
    if field.name == "stratum":
        found = "a name of `sampling.strata` in the protocol, or all"
    elif not found and field.choices:
        found = ", ".join(field.choices)
    elif not found and field.minimum is not None:
        found = f"{field.minimum:g} or more"
    if field.default is None:
        return found
    default = str(field.default).lower() if isinstance(field.default, bool) else field.default
    return f"{found}; empty: {default}".removeprefix("; ")


def _described(field: HeaderField) -> tuple[str, ...]:
    unit = f", {field.unit}" if field.unit else ""
    kept = "by value map" if field.free_text else "value"
    kept += ", raw, status" if field.tracked else ""
    kept += "; frames" if field.is_per_frame else ""
    elements = "; ".join(_named(source) for source in field.sources)
    return field.name, _TYPES[field.kind] + unit, elements, kept, field.told


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
