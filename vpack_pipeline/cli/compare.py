"""``vpack compare``: a reviewer's own population against a pack, offline, with the base install.

What does not belong here: figures (``core.transport``), how they are written (``compared``), files
of counts (``counts_file``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from vpack_pipeline.cli import compared, counts_file
from vpack_pipeline.cli.html_file import write_html
from vpack_pipeline.cli.pack_cells import PackCells, Row, read_pack
from vpack_pipeline.cli.share import typed_share
from vpack_pipeline.core.transport import Question, Target, figures_in_target
from vpack_pipeline.core.transport.rows import Counted, PrintedVariables
from vpack_pipeline.core.transport.typed import typed_target
from vpack_pipeline.core.transport.what_if import what_would_change
from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.pack_format.comparison import CELLS
from vpack_pipeline.pack_format.contents import refusal
from vpack_pipeline.pack_format.documents import table_of
from vpack_pipeline.pack_format.planned import goals_at, points_of


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.argument("population", type=click.Path(path_type=Path), required=False)
@click.option("--template", is_flag=True, help="Write the file to fill in, and nothing else.")
@click.option("--margins", is_flag=True, help="With --template: each variable by itself.")
@click.option(
    "--prevalence",
    metavar="SHARE",
    help="How frequent the finding is there, such as 0.03 or 3%; needs joint counts.",
)
@click.option("--finding", help="Of a pack with several findings, the one to compare.")
@click.option("--all", "everything", is_flag=True, help="Every model and operating point.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page to print, too.")
def compare(
    pack: Path,
    population: Path | None,
    template: bool,
    margins: bool,
    prevalence: str | None,
    finding: str | None,
    everything: bool,
    as_json: bool,
    html: Path | None,
) -> None:
    """Say whether what PACK shows holds in a POPULATION of which you have counts.

    POPULATION is a CSV file: a column for each variable of the pack's cells, and the column n of
    persons. A row with every variable is a joint cell, a row with one a margin; --template writes
    the file. What is printed or written contains the counts you typed.
    """
    read = read_pack(pack)
    if not read.cells:
        what = "its protocol names no variable by which figures could be carried elsewhere"
        raise UsageError(
            Problem(str(pack), what, "ask the site to name representativeness.transport")
        )
    variables = PrintedVariables.of(read.levels, read.cells[0]["stratum_kind"])
    if template:
        click.echo(
            counts_file.template(variables, read.protocol_digest, margins=margins).decode(),
            nl=False,
        )
        return
    if population is None:
        what, remedy = "is missing", "give a CSV file; --template writes the one to fill in"
        raise UsageError(Problem("POPULATION", what, remedy))
    places = list(_places(read, finding, everything))
    others = {row["variable"] for row in read.levels} - {*variables.names}
    rows = counts_file.read_counts(population, variables, others, read.protocol_digest)
    target, not_stated = typed_target(rows, variables, population.name)
    share = None if prevalence is None else _prevalence(prevalence)
    found: compared.Comparison = {
        "pack": {
            "identifier": read.summary.identifier,
            "cut": read.summary.cut,
            "digest": read.summary.digest,
        },
        "unit": read.protocol["unit_of_analysis"],
        "population": {
            "file": population.name,
            "kind": "margins" if target["cells"] is None else "joint",
            "persons": sum(group["persons"] for group in target["levels"][0]),
            "variables": list(variables.names),
            "not_stated": not_stated,
            "prevalence": share,
        },
        "contains": compared.CONTAINS,
        "places": [_compared(place, read, variables, target, share) for place in places],
    }
    said = compared.with_sentences(found, read.sentences)
    if html is not None:
        from vpack_pipeline.cli.compared_page import page

        write_html(html, page(said))
    click.echo(json.dumps(said, ensure_ascii=False) if as_json else compared.text(said))


def _prevalence(text: str) -> float:
    """Read a prevalence.

    Raises
    ------
    UsageError
        It is no share above 0 and below 1.
    """
    value = typed_share(text)
    if value is None or not 0 < value < 1:
        remedy = "write a share such as 0.03, or 3%"
        raise UsageError(Problem("--prevalence", "is not above 0 and below 1", remedy))
    return value


def _places(read: PackCells, finding: str | None, everything: bool) -> Iterator[dict[str, Any]]:
    """Give the operating points to compare: of each finding the primary model's primary one.

    Raises
    ------
    UsageError
        There is no such finding.
    """
    protocol = read.protocol
    findings = {f["name"]: f["title"] for f in protocol["findings"]}
    if finding is not None and finding not in findings:
        remedy = f"use {', '.join(findings)}"
        raise UsageError(Problem("--finding", "is no finding of the pack", remedy))
    points = protocol["evaluation"].get("operating_points", ())
    for name, title in findings.items():
        own = [p for p in points if p["finding"] == name]
        for point in own if everything else (points_of(protocol, name) or own)[:1]:
            if finding in (None, name):
                yield {"point": point, "finding": name, "finding_title": title}


def _compared(
    place: Mapping[str, Any],
    read: PackCells,
    variables: PrintedVariables,
    target: Target,
    prevalence: float | None,
) -> compared.Place:
    """Answer for each window of one operating point."""
    point = place["point"]
    windows: dict[str, compared.Window] = {}
    for window in ("retrospective", "prospective"):
        rows = [
            row
            for row in read.cells
            if row["finding"] == place["finding"]
            and row["model_id"] == point["model"]
            and row["window"] == window
            and row["operating_point"] == point["name"]
        ]
        windows[window] = _answered(rows, read, variables, target, prevalence, point)
    return {
        "finding": place["finding"],
        "finding_title": place["finding_title"],
        "model": point["model"],
        "operating_point": point["name"],
        "point_title": point["title"],
        "goals": goals_at(read.protocol, point),
        "windows": windows,
    }


def _answered(
    rows: Sequence[Row],
    read: PackCells,
    variables: PrintedVariables,
    target: Target,
    prevalence: float | None,
    point: Mapping[str, Any],
) -> compared.Window:
    try:
        counted = Counted.of(rows, variables)
    except KeyError:
        raise refusal(table_of(CELLS), "lacks a cell, or its design effects") from None
    if counted.refusal is not None:
        reason, detail = counted.refusal["reason"], counted.refusal["detail"]
        return {"why_not": read.sentences(reason, detail), "answer": None, "what_if": None}
    evaluation = read.protocol["evaluation"]
    question = Question(
        cells=counted.cells,
        missing=counted.missing,
        design_effects=counted.design_effects,
        target=target,
        level=evaluation.get("interval", {}).get("level", 0.95),
        prevalence=prevalence,
        goals=goals_at(read.protocol, point),
    )
    answer = figures_in_target(question)
    what_if = what_would_change(question, answer)
    return {"why_not": None, "answer": answer, "what_if": what_if}
