"""The difference of two packs in words: for a terminal and for the page.

What does not belong here: what differs (``core.diff``), and how the page is laid out
(``diff_page``).
"""

from __future__ import annotations

import itertools
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.contracts import metrics
from vpack_pipeline.core.diff.causes import Cause, Causes, Ground
from vpack_pipeline.core.diff.figures import NOT_ASKED, Difference, Pair, Value, Verdict
from vpack_pipeline.core.diff.protocol_fields import FieldChange
from vpack_pipeline.core.diff.strata import Incomparable, StratumPair
from vpack_pipeline.pack_format import text as print_as

Writer = Callable[[float], str]
WIDTH: Final = 100
_WIDEST: Final = 48
"""Characters of a cell; a longer one goes on in the next line."""
_MOST_NAMED: Final = 6
_LONGEST: Final = 60
"""Characters of a protocol's value that are printed."""
NOTHING: Final = "–"

CAUSE_TITLES: Final[Mapping[Cause, str]] = {
    "model": "Model",
    "data": "Data",
    "readers": "Readers",
    "protocol": "Protocol",
    "code": "Code",
}
GROUPS: Final = {
    "performance": "Primary operating point",
    "change": "Change after the lock",
    "counts": "Counts",
    "agreement": "Agreement of readers",
    "match": "Match with the target population",
    "exclusions": "Exclusions",
}
KINDS: Final = {
    "overall": "All endpoints",
    "endpoint": "Endpoint",
    "conduct": "Rule of conduct",
    "drift": "Gravest drift signal",
}
VERDICTS: Final = {
    **print_as.WORDS,
    NOT_ASKED: "not in the pack",
    "held": "held",
    "broken": "broken",
    "none": "no signal",
    "void": "void",
}
FLOW: Final = {"entered": "cases", "removed": "cases removed", "remaining": "cases remaining"}
WHY_INCOMPARABLE: Final = {
    "levels_not_told": "a pack does not tell its levels, since an earlier version made it",
    "levels_defined_otherwise": "the packs define its levels in different ways",
}
HEAD: Final = ("Figure", "A", "B", "B less A", "Due to")
VERDICT_HEAD: Final = ("What is judged", "A", "B", "Due to")
SAME_SITE: Final = (
    "Both packs are of one site and may hold the same patients. They do not tell how many, so no"
    " difference has an interval."
)
OTHER_SITES: Final = (
    "The packs are of two sites and are taken to share no patient. An interval of a difference"
    " follows from the intervals of both figures (MOVER)."
)
OTHER_STUDIES: Final = (
    "The packs are of two protocols. A figure of the same name can mean something else in each."
)
ONE_CAUSE: Final = "A change is attributed where a single cause differs behind its table."
SEVERAL: Final = "Where several are listed, nothing tells them apart and no change is attributed."
NOT_TOLD: Final = (
    "A question mark: the packs do not tell whether it differs. The settings of a site"
    " (site.yaml) never travel and are not compared."
)
STRATA: Final = (
    "Intervals of strata hold for all levels of a variable together, so differences have none."
    " Figures of joined levels are added up from their counts and have no interval."
)


@dataclass(frozen=True, slots=True)
class PackSide:
    """How a pack names itself."""

    identifier: str
    site: str
    protocol: str
    cut: str
    format: int
    digest: str
    synthetic: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PackDiff:
    """Everything that was found between two packs."""

    a: PackSide
    b: PackSide
    is_same_site: bool
    ground: Ground
    n_tables: int
    causes: Mapping[str, Causes]
    """By table."""
    verdicts: tuple[Verdict, ...]
    figures: tuple[Pair, ...]
    strata: tuple[StratumPair, ...]
    incomparable: tuple[Incomparable, ...]

    @property
    def sides(self) -> tuple[tuple[str, PackSide], ...]:
        """Both packs with their letters."""
        return ("A", self.a), ("B", self.b)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what follows: a table, then sentences."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...] = ()


def text(found: PackDiff, *, everything: bool) -> str:
    """Write a difference for a terminal."""
    return "\n".join(_lines(found, everything=everything))


def _lines(found: PackDiff, *, everything: bool) -> Iterator[str]:
    for name, side in found.sides:
        yield f"{name}  {side_line(side)}"
        yield f"   digest {side.digest}"
    for section in sections(found, everything=everything):
        yield ""
        yield section.title
        yield from _table([section.head, *section.rows] if section.rows else [])
        for sentence in section.sentences:
            yield from textwrap.wrap(sentence, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    wrapped = [[textwrap.wrap(cell, _WIDEST) or [""] for cell in row] for row in rows]
    columns = zip(*wrapped, strict=True)
    widths = [max(len(line) for cell in column for line in cell) for column in columns]
    for row in wrapped:
        for lines in itertools.zip_longest(*row, fillvalue=""):
            parts = (line.ljust(width) for line, width in zip(lines, widths, strict=True))
            yield f"  {'  '.join(parts).rstrip()}"


def side_line(side: PackSide) -> str:
    """Name a pack."""
    made_up = ", synthetic" if side.synthetic else ""
    return (
        f"{side.identifier}, data cut {side.cut}, protocol {side.protocol},"
        f" format {side.format}{made_up}"
    )


def sections(found: PackDiff, *, everything: bool) -> list[Section]:
    """Give all that is told, verdicts before figures, and what both rest on between them."""
    return [
        _verdicts(found, everything=everything),
        _ground(found),
        *_fields(found),
        *_figures(found, everything=everything),
        *_strata(found, everything=everything),
        Section("How to read this", (), (), tuple(_notes(found))),
    ]


def _notes(found: PackDiff) -> Iterator[str]:
    yield SAME_SITE if found.is_same_site else OTHER_SITES
    if found.a.protocol.partition("@")[0] != found.b.protocol.partition("@")[0]:
        yield OTHER_STUDIES
    yield f"{ONE_CAUSE} {SEVERAL}"
    yield NOT_TOLD


def _verdicts(found: PackDiff, *, everything: bool) -> Section:
    shown = [v for v in found.verdicts if everything or v.is_changed]
    rows = tuple(
        (
            f"{KINDS[v.kind]}: {v.title}",
            _judged(v, v.a, v.a_figure),
            _judged(v, v.b, v.b_figure),
            due_to(found.causes[v.asset]) if v.is_changed else "",
        )
        for v in shown
    )
    n_same = sum(not v.is_changed for v in found.verdicts)
    title = "Verdicts" if everything else "Verdicts that changed"
    sentences = () if everything else (f"{n_same} of {len(found.verdicts)} verdicts are the same.",)
    return Section(title, VERDICT_HEAD, rows, sentences)


def _judged(judged: Verdict, verdict: str | None, figure: Value | None) -> str:
    said = "no verdict" if verdict is None else VERDICTS.get(verdict, verdict)
    if judged.metric is None or figure is None or figure.estimate is None:
        return said
    return f"{said}, {with_interval(figure, _writer(judged.asset, judged.metric))}"


def _ground(found: PackDiff) -> Section:
    rows = tuple((CAUSE_TITLES[cause], line) for cause, line in ground_lines(found))
    return Section("What the packs rest on", ("Cause", "What differs"), rows)


def ground_lines(found: PackDiff) -> Iterator[tuple[Cause, str]]:
    """Say of each cause what differs in it."""
    ground, a, b = found.ground, found.a, found.b
    first, second = ground.model
    yield "model", _models(first, second)
    yield "data", "; ".join(_data_said(found)) or "the same"
    if not found.is_same_site:
        yield "readers", "another site, with readers of its own"
    elif "readers" in ground.unknown:
        yield "readers", _not_comparable(found)
    else:
        yield (
            "readers",
            f"other content: {_named(ground.readers)}" if ground.readers else "the same",
        )
    yield "protocol", _protocols(ground, a, b)
    if "code" in ground.unknown:
        yield "code", "cannot be told: a pack of format 1 does not tell the code of each table"
    else:
        many = f"other code computed {len(ground.code)} of {found.n_tables} tables"
        yield "code", many if ground.code else "the same"


def _models(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    first, second = (f"{m['id']} {m['version']}" for m in (a, b))
    if a == b:
        return f"the same: {first}"
    if first != second:
        return f"{first} in A, {second} in B"
    what = "digest" if a["digest"] != b["digest"] else "entry"
    return f"{first} in both, with another {what}"


def _data_said(found: PackDiff) -> Iterator[str]:
    ground = found.ground
    if found.a.cut != found.b.cut:
        yield f"data cut {found.a.cut} in A, {found.b.cut} in B"
    elif ground.cuts:
        yield f"tables of the data cuts {', '.join(ground.cuts)}"
    if not found.is_same_site:
        yield "another site, with patients and devices of its own"
    elif "data" in ground.unknown:
        yield _not_comparable(found)
    elif ground.data:
        yield f"other content: {_named(ground.data)}"


def _not_comparable(found: PackDiff) -> str:
    return (
        f"cannot be told: digests of formats {found.a.format} and {found.b.format} are not"
        " comparable"
    )


def _named(assets: Sequence[str]) -> str:
    names = [asset.partition("/")[2] for asset in assets]
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _protocols(ground: Ground, a: PackSide, b: PackSide) -> str:
    parts = [] if a.protocol == b.protocol else [f"{a.protocol} in A, {b.protocol} in B"]
    values = Counter(field.block for field in ground.fields if not field.is_wording)
    wording = sum(field.is_wording for field in ground.fields)
    if values:
        blocks = ", ".join(f"{block} {n}" for block, n in values.items())
        parts.append(f"fields with other values: {blocks}")
    if wording:
        parts.append(f"fields with other words alone: {wording}")
    if not ground.fields:
        parts.append("the same but for its version" if parts else "the same")
    return "; ".join(parts)


def _fields(found: PackDiff) -> Iterator[Section]:
    titles = {
        False: "Protocol: fields with other values",
        True: "Protocol: fields with other words, of which no figure is made",
    }
    for is_wording, title in titles.items():
        rows = tuple(
            field_row(field) for field in found.ground.fields if field.is_wording == is_wording
        )
        if rows:
            yield Section(title, ("Field", "A", "B"), rows)


def field_row(field: FieldChange) -> tuple[str, str, str]:
    """Name a field in words, with both values."""
    where = (
        ": ".join([field.path[0], ", ".join(field.path[1:])]) if field.path[1:] else field.path[0]
    )
    return where.replace("_", " "), _short(field.a), _short(field.b)


def _short(value: Any) -> str:
    if value is None:
        return NOTHING
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"


def _figures(found: PackDiff, *, everything: bool) -> Iterator[Section]:
    shown = [pair for pair in found.figures if everything or pair.is_changed]
    subjects = {pair.subject for pair in found.figures if pair.group == "performance"}
    is_alone = len(subjects) == 1
    for group, title in GROUPS.items():
        rows = tuple(
            figure_row(p, found.causes[p.asset], names_finding=not is_alone)
            for p in shown
            if p.group == group
        )
        if rows:
            yield Section(title, HEAD, rows)
    n_same = sum(not pair.is_changed for pair in found.figures)
    said = f"{n_same} of {len(found.figures)} figures of interest are the same."
    yield Section("Figures in all", (), (), (said,))


def _strata(found: PackDiff, *, everything: bool) -> Iterator[Section]:
    shown = [s for s in found.strata if everything or s.pair.is_changed]
    is_alone = len({s.pair.subject for s in found.strata}) == 1
    rows = []
    for one in shown:
        causes = found.causes[one.pair.asset]
        title, *cells = figure_row(one.pair, causes, names_finding=not is_alone)
        rows.append((f"{one.variable} {_level(one)}: {title}", *cells))
    cannot = tuple(
        f"{one.variable} is not compared: {WHY_INCOMPARABLE[one.why_not]}."
        for one in found.incomparable
    )
    if rows or cannot:
        yield Section("Subgroups at common levels", HEAD, tuple(rows), (*cannot, STRATA))


def _level(stratum: StratumPair) -> str:
    level = stratum.level
    if not level.is_coarser:
        return level.label
    parts = [
        f"{name}: {', '.join(of)}" for name, of in (("A", level.a), ("B", level.b)) if len(of) > 1
    ]
    return f"{level.label} ({'; '.join(parts)})"


def figure_row(pair: Pair, causes: Causes, *, names_finding: bool) -> tuple[str, ...]:
    """Write a figure of both packs, under ``HEAD``."""
    write = _writer(pair.asset, pair.metric)
    return (
        _title(pair, names_finding=names_finding),
        _value(pair.a, write),
        _value(pair.b, write),
        _difference(pair),
        due_to(causes) if pair.is_changed else "",
    )


def _title(pair: Pair, *, names_finding: bool) -> str:
    if pair.group == "exclusions":
        return f"{pair.subject}, {FLOW[pair.metric]}"
    name = metrics.find(pair.asset, pair.metric).title_of(pair.metric)
    subject = pair.subject if names_finding or pair.group == "match" else None
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
        return "not in the pack"
    if value.estimate is None:
        return value.why_not or NOTHING
    return with_interval(value, write)


def with_interval(value: Value | Difference, write: Writer) -> str:
    """Write a figure and, where it has one, its interval."""
    estimate = value.value if isinstance(value, Difference) else value.estimate
    if estimate is None:
        return NOTHING
    if value.lower is None or value.upper is None:
        return write(estimate)
    return f"{write(estimate)} ({write(value.lower)} to {write(value.upper)})"


def _difference(pair: Pair) -> str:
    if pair.difference is None:
        return NOTHING
    write = _writer(pair.asset, pair.metric)
    return with_interval(pair.difference, print_as.points if write is print_as.percent else write)


def due_to(causes: Causes) -> str:
    """Say what a change can be due to; a single cause is what it is due to.

    >>> due_to(Causes(("data",), ())), due_to(Causes(("data", "code"), ("readers",)))
    ('data', 'data, code or readers?')
    """
    said = [*causes.differ, *(f"{cause}?" for cause in causes.unknown)]
    if len(said) > 1:
        return f"{', '.join(said[:-1])} or {said[-1]}"
    return said[0] if said else "nothing that the packs tell"
