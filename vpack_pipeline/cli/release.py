"""``vpack release``: hand a site's newest pack out, checked against everything handed out before.

What does not belong here: what a release holds, and when it is refused (``assets.release``).
"""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING

import click

from vpack_pipeline.cli import SITE, project_root

if TYPE_CHECKING:
    from vpack_pipeline.assets.release import Released

_SHOWN = 5
"""So many changed groups are named."""


@click.command()
@SITE
@click.option("--to", metavar="RECIPIENT", help="Whom it is for; stands in ledger and cover note.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def release(ctx: click.Context, site: str, to: str | None, as_json: bool) -> None:
    """Release SITE's newest pack: one zip for its recipient, entered in the ledger.

    It is held against every earlier release of the same patients. Where a described group has
    changed by too few people, the tables about people are those of the last release.
    """
    from vpack_pipeline.assets.release import release as hand_out
    from vpack_pipeline.io.project import ProjectFolder
    from vpack_pipeline.io.releases import read_recipient

    named = "" if to is None else read_recipient(to)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    made = hand_out(ProjectFolder(project_root(ctx)), site, to=named, on=today)
    if as_json:
        _tell_json(site, made)
    else:
        _tell(made)


def _tell_json(site: str, made: Released) -> None:
    told = {
        "site": site,
        "release": made.version,
        "path": str(made.path),
        "zip": str(made.zip),
        "digest": made.digest,
        "is_new": made.is_new,
        "quoted": {asset: quote.release for asset, quote in made.quotes.items()},
        "changed": [f"{c.variable}, {c.level} ({c.set})" for c in made.changes],
    }
    click.echo(json.dumps(told, ensure_ascii=False))


def _tell(made: Released) -> None:
    if not made.is_new:
        click.echo(f"the same release as before: nothing new was entered; {made.version}")
    else:
        click.echo(f"released: {made.version}")
    if made.quotes:
        names = ", ".join(sorted({quote.release for quote in made.quotes.values()}))
        click.echo(f"{len(made.quotes)} tables about people are those of {names}, since which")
        click.echo("these described groups have changed by too few patients:")
        for change in made.changes[:_SHOWN]:
            click.echo(f"  {change.variable}, {change.level} ({change.set})")
        if len(made.changes) > _SHOWN:
            click.echo(f"  and {len(made.changes) - _SHOWN} more")
    click.echo(f"hand out: {made.zip}")
    click.echo(f"digest: {made.digest}")
    click.echo("send the digest by another way than the zip; back up data/state and data/releases")
