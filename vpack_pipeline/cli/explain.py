"""``vpack explain``: where a printed figure comes from, down to the deliveries.

It reads the pack alone and runs on the base install. What does not belong here: what is found
(``pack_format.explained``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from vpack_pipeline.cli.verify import refuse_what_cannot_be_read
from vpack_pipeline.pack_format import explained
from vpack_pipeline.pack_format.expectations import OUTCOMES
from vpack_pipeline.pack_format.explained import Explained, Gate, Places
from vpack_pipeline.pack_format.figures import Figure
from vpack_pipeline.pack_format.opened import open_pack
from vpack_pipeline.pack_format.text import plain

_MOST_ROWS = 5
_MOST_IN_FULL = 5
"""Of more figures with the same text, each is one line."""


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.argument("figure")
@click.option(
    "--at", metavar="ID", help="Only where this chapter or place of the report prints it."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(pack: Path, figure: str, *, at: str | None, as_json: bool) -> None:
    """Say where FIGURE comes from: the anchor of a printed figure, or its text as printed.

    A text that stands in several places is explained in each, or listed where there are many. Put
    -- before a figure that begins with a hyphen.
    """
    refuse_what_cannot_be_read(pack)
    opened = open_pack(pack)
    places = Places(opened.page)
    found = explained.find(opened, places, figure, at)
    if as_json:
        told = [_data(explained.explain(opened, places, one)) for one in found]
        click.echo(json.dumps(told, indent=1, ensure_ascii=False, default=str))
        return
    for number, one in enumerate(found, start=1):
        if len(found) > 1:
            click.echo(f"{number} of {len(found)}")
        if len(found) > _MOST_IN_FULL:
            click.echo("\n".join(_short(one, places)))
            continue
        for line in _lines(explained.explain(opened, places, one)):
            click.echo(line)
        click.echo()
    if len(found) > _MOST_IN_FULL:
        click.echo("give one of these anchors in place of the text, or --at with a place")


def _data(one: Explained) -> dict[str, Any]:
    return {**dataclasses.asdict(one), "places": [p._asdict() for p in one.places]}


def _short(figure: Figure, places: Places) -> Iterator[str]:
    yield f"  {figure.anchor}"
    key = ", ".join(f"{n} {plain(v)}" for n, v in json.loads(figure.row_key).items())
    at = ", ".join(place.place for place in places.of(figure)) or "no place"
    yield f"  {figure.asset} {figure.column}: {key} (at {at})"


def _lines(one: Explained) -> Iterator[str]:
    figure = one.figure
    table, contract, receipt = explained.files_of(figure.asset)
    yield f"{figure.text}  ({figure.anchor})"
    yield f"stands in   report.html {', '.join(f'#{p.place}' for p in one.places) or 'nowhere'}"
    for item in one.items:
        yield f"answers     CLAIM item {item}"
    yield f"table       {table}: {one.table}"
    yield f"column      {one.column}"
    if one.metric:
        yield f"metric      {one.metric}"
    for row in one.rows[:_MOST_ROWS]:
        yield f"row         {_row(row)}"
    if len(one.rows) > _MOST_ROWS:
        yield f"            and {len(one.rows) - _MOST_ROWS} more rows"
    for column, sentence in one.said.items():
        yield f"{column:<12}{sentence}"
    yield f"computed by {one.code}"
    yield f"contract    {contract}"
    yield f"gate        {receipt}: {_gate(one.gate)}"
    for check in one.open_checks:
        yield f"            {OUTCOMES[check['outcome']]}: {check['why']}"
    yield f"in Dagster  asset {figure.asset}"
    yield "made from" if one.descent else "made from   no other table"
    for gate in one.descent:
        yield f"  {gate.asset}: {_gate(gate)}"


def _row(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {plain(value)}" for name, value in row.items() if value is not None)


def _gate(gate: Gate) -> str:
    return f"{gate.tally}, table {gate.digest[:12]}"
