"""A comparison in words: what its JSON holds, its sentences, and the text of the command.

What does not belong here: any figure, and the page (``compared_page``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NotRequired, TypedDict

from vpack_pipeline.core.transport import HERE, HIGHEST, IN_TARGET, LOWEST, OUTSIDE, Answer
from vpack_pipeline.core.transport.answer import Figure, Said
from vpack_pipeline.core.transport.what_if import WhatIf
from vpack_pipeline.pack_format import codes
from vpack_pipeline.pack_format.text import count, number, percent
from vpack_pipeline.stats.transport import FIGURES

CONTAINS: Final = "the counts you typed"
ASSUMPTION: Final = (
    "This assumes that within a cell disease is as frequent, and the index test errs as often,"
    " there as here. Your counts can contradict neither."
)
NO_AREA: Final = (
    "The area under the ROC curve there: it does not follow from counts at a threshold."
)
_WRITTEN_OUT: Final = {
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
}
TITLES: Final[Mapping[str, str]] = {
    name: _WRITTEN_OUT.get(name, name.replace("_1000", " 1,000").replace("_", " ").capitalize())
    for name in FIGURES
}
"""The names of figures as words: a reviewer reads no abbreviation here."""
COLUMNS: Final[Mapping[str, str]] = {
    IN_TARGET: "your population",
    LOWEST: "lowest",
    HIGHEST: "highest",
    HERE: "this set",
    OUTSIDE: "cases without a place in it",
}
CELL_COLUMNS: Final = (
    "cell",
    "your persons",
    "share there",
    "cases here",
    "share here",
    "positives",
)
WINDOWS: Final = {"retrospective": "before the lock", "prospective": "after the lock"}


TIMES_APART: Final = 2.0
"""A cell whose share here is that many times the one there, or the other way round, is named."""
MOST_NAMED: Final = 3
_SAID_BESIDE: Final = frozenset({"same_within_cells", "cases_left_out"})
"""What the assumption, and the lines on whom the set stands for, say of all figures."""


class Window(TypedDict):
    """One window: why there is no answer, or the answer and what would change it."""

    why_not: str | None
    answer: Answer | None
    what_if: WhatIf | None
    notes: NotRequired[list[str]]
    """What cannot be said, and what to know beside the figures."""


class Place(TypedDict):
    """One operating point."""

    finding: str
    finding_title: str
    model: str
    operating_point: str
    point_title: str
    goals: Mapping[str, float]
    windows: dict[str, Window]


class Comparison(TypedDict):
    """What the command prints as JSON."""

    pack: dict[str, str]
    unit: str
    """What one case of the pack is."""
    population: dict[str, Any]
    contains: str
    places: list[Place]


def with_sentences(found: Comparison, sentences: codes.Sentences) -> Comparison:
    """Add to each window what its codes say, each sentence once."""
    for place in found["places"]:
        for window in place["windows"].values():
            answer = window["answer"]
            window["notes"] = [] if answer is None else list(_notes(answer, sentences))
    return found


def _notes(answer: Answer, sentences: codes.Sentences) -> Iterator[str]:
    """Say of which figures a refusal or note speaks; of all, where it does of all."""
    of: dict[str, list[str]] = {}
    for name, figure in answer["figures"][IN_TARGET].items():
        reason = figure["reason"]
        for said in [*figure["notes"], *([] if reason is None else [reason])]:
            if said["code"] not in _SAID_BESIDE:
                of.setdefault(_sentence(said, sentences), []).append(TITLES[name])
    for sentence, names in of.items():
        everywhere = len(names) == len(answer["figures"][IN_TARGET])
        yield f"{sentence}." if everywhere else f"{', '.join(names)}: {sentence}."
    yield NO_AREA


def _sentence(said: Said, sentences: codes.Sentences) -> str:
    detail = {f"{said['code']}.{name}": value for name, value in said["detail"].items()}
    written = sentences(said["code"], json.dumps(detail))
    return written[:1].upper() + written[1:]


def written(name: str, figure: Figure) -> str:
    """Write a figure with its interval; a dash where there is none."""
    if figure["estimate"] is None:
        return "–"
    write = number if name.endswith("_per_1000") else percent
    if figure["lower"] is None or figure["upper"] is None:
        return write(figure["estimate"])
    return f"{write(figure['estimate'])} ({write(figure['lower'])} to {write(figure['upper'])})"


def text(found: Comparison) -> str:
    """Write a comparison for a terminal."""
    return "\n".join(_lines(found))


def _lines(found: Comparison) -> Iterator[str]:
    yield f"Pack: {found['pack']['identifier']}, data cut {found['pack']['cut']}"
    yield f"Digest: {found['pack']['digest']} (`vpack verify` says whether the pack is whole)"
    yield population_line(found)
    yield unit_line(found["unit"])
    yield f"What follows contains {found['contains']}."
    for place in found["places"]:
        for name, window in place["windows"].items():
            yield ""
            yield heading(place, name)
            if window["answer"] is None:
                yield f"  Nothing can be said: {window['why_not']}."
                continue
            yield from _window(window, window["answer"], place["goals"])
    yield ""
    yield ASSUMPTION


def heading(place: Place, window: str) -> str:
    """Name one window of one operating point."""
    titles = f"{place['finding_title']}, {WINDOWS[window]}"
    return f"{titles}: {place['point_title']}, {place['model']}"


def population_line(found: Comparison) -> str:
    """Say what was compared."""
    of = found["population"]
    kind = "margins of" if of["kind"] == "margins" else "counts by"
    line = f"Population: {of['file']}, {count(of['persons'])} persons, {kind} "
    line += " and ".join(of["variables"])
    if of["not_stated"]:
        line += f"; {', '.join(of['not_stated'])} is not stated, so that its levels stand together"
    if of["prevalence"] is not None:
        line += f"; prevalence {percent(of['prevalence'])}, as typed"
    return line


def unit_line(unit: str) -> str:
    """Say what is to be counted.

    >>> unit_line("lesion")[:58]
    'One case of this pack is one lesion: count cases likewise.'
    """
    line = f"One case of this pack is one {unit}: count cases likewise."
    return f"{line} Counts of anything else stand for them only if each has as many in every cell."


def _window(window: Window, answer: Answer, goals: Mapping[str, float]) -> Iterator[str]:
    yield "  Whom this set stands for"
    yield from _table([CELL_COLUMNS, *cell_rows(answer)])
    yield from (f"    {line}" for line in support_lines(answer))
    yield "  Figures"
    yield from _table([("", *columns(answer).values()), *figure_rows(answer)])
    yield from (f"    {line}" for line in (*goal_lines(answer, goals), *beside_lines(answer)))
    changes = change_lines(window)
    if changes:
        yield "  What would change the answer"
        yield from (f"    {line}" for line in changes)
    yield "  What cannot be said, and what to know"
    yield from (f"    {line}" for line in window.get("notes", ()))


def cell_rows(answer: Answer) -> list[tuple[str, ...]]:
    """Give a row for each cell with persons or cases."""
    persons = sum(cell["persons"] for cell in answer["cells"])
    cases = sum(cell["cases"] or 0 for cell in answer["cells"])
    return [
        (
            cell["label"],
            count(cell["persons"]),
            _share(cell["persons"], persons),
            "none with results" if cell["cases"] is None else count(cell["cases"]),
            "" if cell["cases"] is None else _share(cell["cases"], cases),
            "" if cell["positives"] is None else count(cell["positives"]),
        )
        for cell in answer["cells"]
        if cell["persons"] or cell["cases"]
    ]


def _share(part: float, total: float) -> str:
    return percent(part / total) if total else "–"


def support_lines(answer: Answer) -> list[str]:
    """Say whom the set stands for, and whom not."""
    support = answer["support"]
    lacking, outside, missing = (
        support[name]["estimate"]
        for name in (
            "unsupported_share",
            "share_weight_zero_not_in_target",
            "share_weight_zero_missing_value",
        )
    )
    lines: list[str] = []
    if lacking is not None:
        lines.append(f"{percent(lacking)} of your population is in cells without a case here.")
    if outside is not None:
        lines.append(f"{percent(outside)} of the cases here have no place in your population.")
    if missing:
        lines.append(f"{percent(missing)} of the cases here lack a value and are in no cell.")
    return [*lines, *_uneven_lines(answer)]


def _uneven_lines(answer: Answer) -> Iterator[str]:
    """Name the cells whose share differs most between here and there."""
    persons = sum(cell["persons"] for cell in answer["cells"])
    cases = sum(cell["cases"] or 0 for cell in answer["cells"])
    shares = [
        (cell["label"], (cell["cases"] or 0) / cases, cell["persons"] / persons)
        for cell in answer["cells"]
        if cell["cases"] and cell["persons"]
    ]
    over = [(here / there, label, here, there) for label, here, there in shares]
    under = [(there / here, label, here, there) for label, here, there in shares]
    for side, times in (("Over-represented here", over), ("Under-represented here", under)):
        apart = [of for of in times if of[0] >= TIMES_APART]
        if apart:
            first = sorted(apart, key=lambda of: -of[0])[:MOST_NAMED]
            named = [f"{label} ({percent(a)} here, {percent(b)} there)" for _, label, a, b in first]
            more = len(apart) - len(first)
            rest = f", and {more} more" if more else ""
            yield f"{side}, at least twofold: {', '.join(named)}{rest}."


def goal_lines(answer: Answer, goals: Mapping[str, float]) -> list[str]:
    """Say where the figures in the target lie against the goals that the protocol states."""
    is_joint = LOWEST not in answer["figures"]
    inside = answer["figures"][IN_TARGET]
    lines = []
    for name, goal in goals.items():
        if name not in inside or inside[name]["estimate"] is None:
            continue
        low, high = inside[name]["lower"], inside[name]["upper"]
        if not is_joint:
            ends = (answer["figures"][end][name]["estimate"] for end in (LOWEST, HIGHEST))
            low, high = ends
        subject, beside = "the interval lies", ""
        if not is_joint:
            subject = "every joint table with these margins lies"
            beside = "; sampling error is not counted"
        if low is None or high is None:
            said = "there is no interval to hold against it"
        elif low > goal:
            said = f"{subject} above it{beside}"
        elif high < goal:
            said = f"{subject} below it{beside}"
        else:
            said = "it is neither shown nor ruled out"
        start = f"The goal for {TITLES[name].lower()} is {percent(goal)}"
        lines.append(f"{start}: in your population {said}.")
    return lines


def beside_lines(answer: Answer) -> list[str]:
    """Say where a figure reads better there than here because cases have no place there."""
    lines = []
    for name in ("sensitivity", "specificity"):
        there, here, outside = (answer["figures"][of][name] for of in (IN_TARGET, HERE, OUTSIDE))
        values = [figure["estimate"] for figure in (there, here, outside)]
        known = [v for v in values if v is not None]
        if len(known) == len(values) and known[0] > known[1] > known[2]:
            lines.append(
                f"{TITLES[name]} reads better there ({percent(known[0])}) than here"
                f" ({percent(known[1])}) also because cases without a place there are left out: of"
                f" these it is {percent(known[2])}."
            )
    return lines


def columns(answer: Answer) -> dict[str, str]:
    """Give the columns of the table of figures, by whom they speak for."""
    return {of: title for of, title in COLUMNS.items() if of in answer["figures"]}


def figure_rows(answer: Answer) -> list[tuple[str, ...]]:
    """Give a row for each figure."""
    return [
        (title, *(written(name, answer["figures"][of][name]) for of in columns(answer)))
        for name, title in TITLES.items()
    ]


def change_lines(window: Window) -> list[str]:
    """Say what another mix, or another prevalence, would make of the answer."""
    what_if = window["what_if"]
    if what_if is None:
        return []
    lines = []
    for name, mix in what_if["mixes"].items():
        ends = [
            f"{percent(mix[end]['estimate'])} of {count(mix[end]['n'])} in {mix[end]['cell']}"
            for end in ("lowest", "highest")
        ]
        lines.append(
            f"{TITLES[name]} goes from {ends[0]} to {ends[1]}: more of either moves it there."
        )
    for at in what_if["prevalences"]:
        told = [f"{TITLES[n].lower()} {written(n, f)}" for n, f in at["figures"].items()]
        lines.append(f"At a prevalence of {percent(at['prevalence'])}: {', '.join(told)}.")
    return lines


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "    " + _padded(row, widths).rstrip()


def _padded(row: Iterable[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
