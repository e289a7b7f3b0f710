"""``vpack acceptance``: how many cases a hospital needs to see a pack's figures hold there.

It reads the pack alone and runs on the base install. What does not belong here: what is needed
(``core.acceptance``), its words (``cli.acceptance_words``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from vpack_pipeline.cli import acceptance_words as words
from vpack_pipeline.cli.html_file import write_html
from vpack_pipeline.cli.share import typed_share
from vpack_pipeline.cli.verify import refuse_what_cannot_be_read
from vpack_pipeline.core.acceptance import (
    AcceptanceSheet,
    Hospital,
    Stated,
    acceptance_sheet,
    check_hospital,
)
from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.pack_format.opened import OpenedPack, open_pack
from vpack_pipeline.pack_format.planned import points_of, primary_model
from vpack_pipeline.pack_format.stated import POINTS, WINDOWS, rows_at, stated_figures
from vpack_pipeline.pack_format.text import count, percent


def share(value: str | float) -> float:
    """Read a share, written as 0.03 or as 3%."""
    found = typed_share(str(value))
    if found is None:
        raise click.BadParameter(f"{value!r} is no share; write 3% or 0.03")
    return found


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--cases-a-week", type=float, required=True, help="Cases that come here in a week.")
@click.option(
    "--prevalence", type=share, required=True, help="Share of them with the finding, as 3% or 0.03."
)
@click.option("--weeks", type=int, default=52, show_default=True, help="How long cases are taken.")
@click.option(
    "--margin", type=share, default=0.05, show_default=True,
    help="By how much a figure may lie below the pack's.",
)  # fmt: skip
@click.option("--power", type=share, default=0.8, show_default=True, help="Power of both together.")
@click.option("--sensitivity", type=share, help="Assumed here; the pack's where not given.")
@click.option("--specificity", type=share, help="Assumed here; the pack's where not given.")
@click.option(
    "--design-effect", type=float, default=1.0, show_default=True,
    help="Above 1 where patients have several cases each.",
)  # fmt: skip
@click.option("--finding", help="One finding; all where not given.")
@click.option("--point", help="An operating point; the primary one where not given.")
@click.option("--window", type=click.Choice(WINDOWS), help="Whose figures; the later where given.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE",
    help="Write a page to print and sign.",
)  # fmt: skip
def acceptance(
    pack: Path,
    sensitivity: float | None,
    specificity: float | None,
    finding: str | None,
    point: str | None,
    window: str | None,
    as_json: bool,
    html: Path | None,
    **told: Any,
) -> None:
    """Say how many cases a test of PACK's index test needs at your hospital.

    The goal of each figure is the pack's less the margin; what your volume can show is said beside.
    """
    hospital = Hospital(**told)
    check_hospital(hospital)
    refuse_what_cannot_be_read(pack)
    opened = open_pack(pack)
    truths = {"sensitivity": sensitivity, "specificity": specificity}
    assumed = {metric: truth for metric, truth in truths.items() if truth is not None}
    typed = (
        f"As you typed: {count(hospital.cases_a_week)} cases a week, "
        f"{percent(hospital.prevalence)} of them with the finding."
    )
    made = []
    for place in _places(opened, finding, point):
        subject, stated = _stated(opened, place, window)
        made.append((subject, acceptance_sheet(stated, hospital, assumed)))
    if html is not None:
        _write(html, typed, made, hospital)
    if as_json:
        click.echo(json.dumps([_as_data(subject, sheet, hospital) for subject, sheet in made]))
        return
    for subject, sheet in made:
        _tell(subject, typed, sheet, hospital)


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """One operating point of the primary model, and its finding."""

    finding: Mapping[str, Any]
    model: str
    point: Mapping[str, Any]


def _places(opened: OpenedPack, finding: str | None, point: str | None) -> Iterator[_Place]:
    protocol = opened.protocol
    model = primary_model(protocol)
    findings = [f for f in protocol["findings"] if finding in (None, f["name"])]
    if not findings:
        known = ", ".join(f["name"] for f in protocol["findings"])
        raise UsageError(Problem("--finding", f"{finding!r} is none of this pack", f"use {known}"))
    for one in findings:
        own = points_of(protocol, one["name"])
        named = [p for p in own if p["name"] == point]
        if point is not None and not named:
            known = ", ".join(p["name"] for p in own)
            what = f"{point!r} is no operating point of {model} for {one['name']}"
            raise UsageError(Problem("--point", what, f"use {known}"))
        first = named or own
        if not first:
            what = f"{model} has no operating point for {one['name']}"
            raise UsageError(Problem("--finding", what, "choose another finding"))
        yield _Place(one, model, first[0])


def _stated(
    opened: OpenedPack, place: _Place, window: str | None
) -> tuple[words.Subject, tuple[Stated, ...]]:
    """Find the figures of the later window that gives both, or of the one that was asked for."""
    rows = rows_at(opened.rows(POINTS), place.finding["name"], place.point)
    found, summary = stated_figures(rows, window), opened.summary
    if found is None:
        what = "gives no sensitivity and specificity at this point"
        where = f"{summary.identifier}{f', {window} window' if window else ''}"
        raise UsageError(Problem(where, what, "choose another point or window"))
    name, figures = found
    subject = words.Subject(
        summary.identifier,
        summary.cut,
        place.finding["title"],
        place.model,
        place.point["title"],
        name,
        ", ".join(one.partition(":")[0] for one in opened.synthetic),
    )
    return subject, tuple(Stated(**figure) for figure in figures)


def _tell(subject: words.Subject, typed: str, sheet: AcceptanceSheet, hospital: Hospital) -> None:
    if subject.synthetic:
        click.echo(f"Synthetic data: {subject.synthetic}.")
    click.echo(f"{subject.title}\n{subject.source} {typed}\n")
    rows = [words.HEAD, *words.table(sheet, hospital)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
    click.echo()
    for sentence in (*words.answer(sheet, hospital), "", *words.assumptions(sheet, hospital)):
        click.echo(click.wrap_text(sentence, 96))
    click.echo()


def _write(
    file: Path,
    typed: str,
    made: list[tuple[words.Subject, AcceptanceSheet]],
    hospital: Hospital,
) -> None:
    from vpack_pipeline.cli.acceptance_page import render

    if len(made) > 1:
        what = f"{len(made)} findings do not go on one page"
        raise UsageError(Problem("--html", what, "choose one with --finding"))
    write_html(file, render(*made[0][:1], typed, made[0][1], hospital))
    click.echo(f"written: {file}", err=True)


def _as_data(subject: words.Subject, sheet: AcceptanceSheet, hospital: Hospital) -> dict[str, Any]:
    return {
        "subject": dataclasses.asdict(subject),
        "hospital": dataclasses.asdict(hospital),
        "figures": [
            {
                **dataclasses.asdict(asked),
                "can_be_shown": asked.can_be_shown,
                "margin_that_can": asked.margin_that_can,
            }
            for asked in sheet.asked
        ],
        "power_of_each": sheet.power_of_each,
        "can_be_shown": sheet.can_be_shown,
        "weeks": sheet.weeks,
        "two_phase": None if sheet.two_phase is None else dataclasses.asdict(sheet.two_phase),
    }
