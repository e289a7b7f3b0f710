"""The difference of two packs in words: for a terminal and for the page.

What does not belong here: what differs (``core.diff``), rows of tables (``diff_rows``), how the
page is laid out (``diff_page``).
"""

from __future__ import annotations

import itertools
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpack_pipeline.cli import diff_rows
from vpack_pipeline.core.diff.causes import CAUSES, Cause, Ground
from vpack_pipeline.core.diff.pack_diff import PackDiff, PackSide
from vpack_pipeline.errors import printable

WIDTH: Final = 100
_WIDEST: Final = 48
"""Characters of a cell; a longer one goes on in the next line."""
_MOST_NAMED: Final = 6

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
WHY_INCOMPARABLE: Final = {
    "levels_not_told": "a pack does not tell its levels, since an earlier version made it",
    "levels_defined_otherwise": "the packs define its levels in different ways",
}
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
NOT_COMPARABLE: Final = "cannot be told: the packs make digests of tables in different ways"
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
class Section:
    """A heading with what follows: a table, then sentences."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...] = ()


def sides(found: PackDiff) -> tuple[tuple[str, PackSide], ...]:
    """Give both packs with their letters."""
    return ("A", found.a), ("B", found.b)


def text(found: PackDiff, *, everything: bool) -> str:
    """Write a difference for a terminal, which obeys nothing in it."""
    return "\n".join(printable(line) for line in _lines(found, everything=everything))


def _lines(found: PackDiff, *, everything: bool) -> Iterator[str]:
    for name, side in sides(found):
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
        Section("In short", (), (), tuple(summary(found))),
        _verdicts(found, everything=everything),
        _ground(found),
        *_fields(found),
        *_figures(found, everything=everything),
        *_strata(found, everything=everything),
        Section("How to read this", (), (), tuple(_notes(found))),
    ]


def summary(found: PackDiff) -> Iterator[str]:
    """Say how much changed, and what it is attributed to."""
    verdicts, figures = (
        [one.asset for one in of if one.is_changed] for of in (found.verdicts, found.figures)
    )
    yield (
        f"{len(verdicts)} of {len(found.verdicts)} verdicts and {len(figures)} of"
        f" {len(found.figures)} figures of interest changed."
    )
    if not verdicts and not figures:
        return
    tally = Counter(found.causes[asset].attributed for asset in (*verdicts, *figures))
    for cause in (*CAUSES, None):
        if not tally[cause]:
            continue
        many = f"{tally[cause]} of {tally.total()} changes"
        if cause is None:
            yield f"Not attributed: {many}. Behind them more than one thing differs, or may."
        else:
            yield f"Due to the {cause}: {many}. Nothing else differs behind them."


def _notes(found: PackDiff) -> Iterator[str]:
    yield SAME_SITE if found.is_same_site else OTHER_SITES
    if found.a.protocol.partition("@")[0] != found.b.protocol.partition("@")[0]:
        yield OTHER_STUDIES
    yield f"{ONE_CAUSE} {SEVERAL}"
    yield NOT_TOLD


def _verdicts(found: PackDiff, *, everything: bool) -> Section:
    shown = [v for v in found.verdicts if everything or v.is_changed]
    rows = tuple(diff_rows.verdict_row(v, found.causes[v.asset]) for v in shown)
    title = "Verdicts" if everything else "Verdicts that changed"
    return Section(title, diff_rows.VERDICT_HEAD, rows, () if rows else ("None.",))


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
        yield "readers", NOT_COMPARABLE
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
        yield NOT_COMPARABLE
    elif ground.data:
        yield f"other content: {_named(ground.data)}"


def _named(assets: Sequence[str]) -> str:
    names = [asset.partition("/")[2] for asset in assets]
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _protocols(ground: Ground, a: PackSide, b: PackSide) -> str:
    is_other = a.protocol != b.protocol
    parts = [f"{a.protocol} in A, {b.protocol} in B"] if is_other else []
    if ground.fields and not is_other:
        parts.append(f"both are named {a.protocol}, and differ")
    values = Counter(field.block for field in ground.fields if not field.is_wording)
    wording = sum(field.is_wording for field in ground.fields)
    if values:
        blocks = ", ".join(f"{block} {n}" for block, n in values.items())
        parts.append(f"fields with other values: {blocks}")
    if wording:
        parts.append(f"fields with other words alone: {wording}")
    if not ground.fields:
        parts.append("the same but for its name" if is_other else "the same")
    return "; ".join(parts)


def _fields(found: PackDiff) -> Iterator[Section]:
    titles = {
        False: "Protocol: fields with other values",
        True: "Protocol: fields with other words, of which no figure is made",
    }
    for is_wording, title in titles.items():
        rows = tuple(
            diff_rows.field_row(field)
            for field in found.ground.fields
            if field.is_wording == is_wording
        )
        if rows:
            yield Section(title, diff_rows.FIELD_HEAD, rows)


def _figures(found: PackDiff, *, everything: bool) -> Iterator[Section]:
    shown = [pair for pair in found.figures if everything or pair.is_changed]
    subjects = {pair.subject for pair in found.figures if pair.group == "performance"}
    is_alone = len(subjects) == 1
    for group, title in GROUPS.items():
        rows = tuple(
            diff_rows.figure_row(p, found.causes[p.asset], names_finding=not is_alone)
            for p in shown
            if p.group == group
        )
        if rows:
            yield Section(title, diff_rows.FIGURE_HEAD, rows)


def _strata(found: PackDiff, *, everything: bool) -> Iterator[Section]:
    shown = [s for s in found.strata if everything or s.pair.is_changed]
    is_alone = len({s.pair.subject for s in found.strata}) == 1
    rows = tuple(
        diff_rows.stratum_row(s, found.causes[s.pair.asset], names_finding=not is_alone)
        for s in shown
    )
    cannot = tuple(
        f"{one.variable} is not compared: {WHY_INCOMPARABLE[one.why_not]}."
        for one in found.incomparable
    )
    if rows or cannot:
        yield Section("Subgroups at common levels", diff_rows.FIGURE_HEAD, rows, (*cannot, STRATA))
