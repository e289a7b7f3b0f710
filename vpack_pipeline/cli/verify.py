"""``vpack verify``: offline, at a reviewer's desk, with the base install alone.

It imports nothing beyond click, ``pack_format`` and PyYAML, so that it answers at once;
import-linter and a test hold this.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from vpack_pipeline.errors import Problem, UsageError, VerificationError
from vpack_pipeline.pack_format.verification import (
    is_like_a_pack,
    nearest_pack,
    newer_format,
    summary,
)
from vpack_pipeline.pack_format.verification import verify as find_problems


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(pack: Path, as_json: bool) -> None:
    """Check PACK: every file is there, none was added or altered, and its parts agree."""
    _refuse_what_cannot_be_read(pack)
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


def _refuse_what_cannot_be_read(path: Path) -> None:
    """Tell a wrong path, or a pack of the future, apart from a pack that is not whole.

    Raises
    ------
    UsageError
        Nothing lies there, or neither of the files by which a pack is known; or only a newer vpack
        can read it.
    """
    if not path.is_dir():
        what = "is no folder" if path.exists() else "does not exist"
        raise UsageError(Problem(str(path), what, "give the folder of a pack"))
    if is_like_a_pack(path):
        newer = newer_format(path)
        if newer is not None:
            raise UsageError(newer)
        return
    near = nearest_pack(path)
    remedy = f"did you mean {str(near)!r}?" if near else "give the folder that holds bagit.txt"
    raise UsageError(Problem(str(path), "is no pack", remedy))
