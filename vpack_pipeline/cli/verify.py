"""``vpack verify``: offline, at a reviewer's desk, without any engine of the pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import click

from vpack_pipeline.errors import VerificationError


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(pack: Path, as_json: bool) -> None:
    """Check PACK: every file is there, none was added, none was altered."""
    from vpack_pipeline.io.packs import summary
    from vpack_pipeline.io.packs import verify as find_problems

    problems = find_problems(pack.resolve())
    if as_json:
        told = [{"where": p.where, "what": p.what} for p in problems]
        click.echo(json.dumps({"pack": str(pack), "is_whole": not problems, "problems": told}))
    if problems:
        raise VerificationError(problems)
    if not as_json:
        found = summary(pack.resolve())
        click.echo(f"whole: {found.identifier}, data cut {found.cut}, {found.files} files")
        click.echo(f"digest: {found.digest}")
        click.echo("compare this digest with the one that the site sent by another way")
