"""Figures, verdicts and fields of two packs as rows of tables, in words.

What does not belong here: which rows are told and what stands around them (``diff_words``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from vpack_pipeline.contracts import metrics
from vpack_pipeline.core.diff.causes import Causes
from vpack_pipeline.core.diff.figures import NOT_ASKED, Pair, Value, Verdict
from vpack_pipeline.core.diff.protocol_fields import FieldChange
from vpack_pipeline.core.diff.strata import StratumPair
from vpack_pipeline.pack_format import text as print_as

Writer = Callable[[float], str]
VERDICT_HEAD: Final = ("What is judged", "A", "B", "Cause")
FIGURE_HEAD: Final = ("Figure", "A", "B", "B less A", "Cause")
FIELD_HEAD: Final = ("Field", "A", "B")
_LONGEST: Final = 60
"""Characters of a protocol's value that are printed."""
NOTHING: Final = "–"
NOT_THERE: Final = "not in the pack"
NOT_FROM_PARTS: Final = "does not add up from its parts"
KINDS: Final = {
    "overall": "All endpoints",
    "endpoint": "Endpoint",
    "conduct": "Rule of conduct",
    "drift": "Gravest drift signal",
}
VERDICTS: Final = {
    **print_as.WORDS,
    NOT_ASKED: NOT_THERE,
    "held": "held",
    "broken": "broken",
    "none": "no signal",
    "void": "void",
}
FLOW: Final = {
    "entered": "Cases in the cohort",
    "removed": "cases removed",
    "remaining": "Cases included",
}
SUBJECTS: Final = {"*all cells*": "all cells together"}
"""What tables call otherwise → in words."""
WITHOUT_VERDICT: Final = {"drift": "no window judged yet"}


def verdict_row(judged: Verdict, causes: Causes) -> tuple[str, ...]:
    """Write a verdict of both packs, under ``VERDICT_HEAD``."""
    return (
        f"{KINDS[judged.kind]}: {judged.title}",
        _judged(judged, judged.a, judged.a_figure),
        _judged(judged, judged.b, judged.b_figure),
        cause_of(causes) if judged.is_changed else "",
    )


def _judged(judged: Verdict, verdict: str | None, figure: Value | None) -> str:
    if verdict is None:
        return WITHOUT_VERDICT.get(judged.kind, "no verdict")
    said = VERDICTS.get(verdict, verdict)
    if judged.metric is None or figure is None or figure.estimate is None:
        return said
    return f"{said}, {with_interval(figure, _writer(judged.asset, judged.metric))}"


def field_row(field: FieldChange) -> tuple[str, str, str]:
    """Name a field in words, with both values."""
    where = (
        ": ".join([field.path[0], ", ".join(field.path[1:])]) if field.path[1:] else field.path[0]
    )
    return where.replace("_", " "), _short(field.a), _short(field.b)


def _short(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, Mapping) and "title" in value:
        return str(value["title"])
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"


def stratum_row(stratum: StratumPair, causes: Causes, *, names_finding: bool) -> tuple[str, ...]:
    """Write a figure of a common level, under ``FIGURE_HEAD``."""
    title, *cells = figure_row(stratum.pair, causes, names_finding=names_finding)
    for place, parts in enumerate((stratum.level.a, stratum.level.b)):
        if len(parts) > 1 and cells[place] == NOT_THERE:
            cells[place] = NOT_FROM_PARTS
    return (f"{stratum.variable} {_level(stratum)}: {title}", *cells)


def _level(stratum: StratumPair) -> str:
    level = stratum.level
    if not level.is_coarser:
        return level.label
    parts = [
        f"{name}: {', '.join(of)}" for name, of in (("A", level.a), ("B", level.b)) if len(of) > 1
    ]
    return f"{level.label} ({'; '.join(parts)})"


def figure_row(pair: Pair, causes: Causes, *, names_finding: bool) -> tuple[str, ...]:
    """Write a figure of both packs, under ``FIGURE_HEAD``."""
    write = _writer(pair.asset, pair.metric)
    return (
        _title(pair, names_finding=names_finding),
        _value(pair.a, write),
        _value(pair.b, write),
        _difference(pair),
        cause_of(causes) if pair.is_changed else "",
    )


def _title(pair: Pair, *, names_finding: bool) -> str:
    if pair.group == "exclusions":
        return ": ".join(part for part in (pair.subject, FLOW[pair.metric]) if part)
    name = metrics.find(pair.asset, pair.metric).title_of(pair.metric)
    subject = pair.subject if names_finding or pair.group == "match" else None
    subject = SUBJECTS.get(subject or "", subject)
    return ", ".join(part for part in (subject, name, pair.window) if part)


def _writer(asset: str, metric: str) -> Writer:
    """Give what writes a metric: a count, a share in percent, or a number."""
    if metric in FLOW:
        return print_as.count
    kind = metrics.find(asset, metric).kind
    if kind == "share" or (kind == "difference" and not metric.startswith("auc")):
        return print_as.percent
    return print_as.count if kind == "count" else print_as.number


def _value(value: Value | None, write: Writer) -> str:
    if value is None:
        return NOT_THERE
    if value.estimate is None:
        return value.why_not or NOTHING
    return with_interval(value, write)


def with_interval(value: Value, write: Writer) -> str:
    """Write a figure and, where it has one, its interval."""
    if value.estimate is None:
        return NOTHING
    if value.lower is None or value.upper is None:
        return write(value.estimate)
    return f"{write(value.estimate)} ({write(value.lower)} to {write(value.upper)})"


def _difference(pair: Pair) -> str:
    less = pair.difference
    if less is None:
        return NOTHING
    write = _writer(pair.asset, pair.metric)
    said = print_as.points(less.value) if write is print_as.percent else write(less.value)
    if less.lower is None or less.upper is None:
        return said
    low, high = (write(end).removesuffix("%") for end in (less.lower, less.upper))
    return f"{said} ({low} to {high})"


def cause_of(causes: Causes) -> str:
    """Name the cause of a change, or all that it can have where there are several.

    >>> cause_of(Causes(("data",), ())), cause_of(Causes(("data", "code"), ("readers",)))
    ('data', 'not attributed: data, code, readers?')
    """
    if causes.attributed is not None:
        return causes.attributed
    possible = [*causes.differ, *(f"{cause}?" for cause in causes.unknown)]
    return f"not attributed: {', '.join(possible) or 'the packs tell of no difference'}"
