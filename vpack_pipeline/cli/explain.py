"""``vpack explain``: where a printed figure comes from, down to the deliveries.

It reads the pack alone and runs on the base install. What does not belong here: what is found
(``pack_format.explained``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from vpack_pipeline.cli.verify import refuse_what_cannot_be_read
from vpack_pipeline.pack_format import explained
from vpack_pipeline.pack_format.explained import Explained, Gate
from vpack_pipeline.pack_format.opened import open_pack
from vpack_pipeline.pack_format.text import plain

_MOST_ROWS = 5


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.argument("figure")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(pack: Path, figure: str, *, as_json: bool) -> None:
    """Say where FIGURE comes from: the anchor of a printed figure, or its text as printed.

    A text that stands in several places is explained in each.
    """
    refuse_what_cannot_be_read(pack)
    opened = open_pack(pack)
    found = [explained.explain(opened, one) for one in explained.find(opened, figure)]
    if as_json:
        told = [dataclasses.asdict(one) for one in found]
        click.echo(json.dumps(told, indent=1, ensure_ascii=False, default=str))
        return
    for number, one in enumerate(found, start=1):
        if len(found) > 1:
            click.echo(f"{number} of {len(found)}")
        for line in _lines(one):
            click.echo(line)
        click.echo()


def _lines(one: Explained) -> Iterator[str]:
    figure = one.figure
    table, contract, receipt = explained.files_of(figure.asset)
    yield f"{figure.text}  ({figure.anchor})"
    yield f"stands in   report.html#{one.places[-1]}" if one.places else "stands in   no place"
    for item in one.items:
        yield f"answers     CLAIM item {item}"
    yield f"table       {table}: {one.table}"
    yield f"column      {one.column}"
    for row in one.rows[:_MOST_ROWS]:
        yield f"row         {_row(row)}"
    if len(one.rows) > _MOST_ROWS:
        yield f"            and {len(one.rows) - _MOST_ROWS} more rows"
    yield f"computed by {one.code}"
    yield f"contract    {contract}"
    yield f"gate        {receipt}: {_gate(one.gate)}"
    yield f"in Dagster  asset {figure.asset}"
    yield "made from" if one.descent else "made from   no other table"
    for gate in one.descent:
        yield f"  {gate.asset}: {_gate(gate)}"


def _row(row: dict[str, Any] | Any) -> str:
    return ", ".join(f"{name} {plain(value)}" for name, value in row.items() if value is not None)


def _gate(gate: Gate) -> str:
    return f"{gate.passed} of {gate.checks} expectations passed, table {gate.digest[:12]}"
