"""``vpack release``: hand a site's newest pack out, checked against everything handed out before.

What does not belong here: what a release holds, and when it is refused (``assets.release``).
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpack_pipeline.cli import SITE, project_root
from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.pack_format.roles import ROLES

if TYPE_CHECKING:
    from vpack_pipeline.assets.release import Released, Signing

_SHOWN = 5
"""So many changed groups are named."""


@click.command()
@SITE
@click.option("--to", metavar="RECIPIENT", help="Whom it is for; stands in ledger and cover note.")
@click.option("--key", type=click.Path(path_type=Path), help="Sign it with your private key.")
@click.option("--role", type=click.Choice(ROLES), help="In which role you sign it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def release(
    ctx: click.Context, site: str, to: str | None, key: Path | None, role: str | None, as_json: bool
) -> None:
    """Release SITE's newest pack: one zip for its recipient, entered in the ledger.

    It is held against every earlier release of the same patients. Where a described group has
    changed by too few people, the tables about people are those of the last release.
    """
    from vpack_pipeline.assets.release import release as hand_out
    from vpack_pipeline.io.project import ProjectFolder
    from vpack_pipeline.io.releases import read_recipient

    root = project_root(ctx)
    named = "" if to is None else read_recipient(to)
    signing = _signing(key, role, root)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    made = hand_out(ProjectFolder(root), site, to=named, on=today, signing=signing)
    if as_json:
        _tell_json(site, made)
    else:
        _tell(made)


def _signing(key: Path | None, role: str | None, root: Path) -> Signing | None:
    """Read the key before anything is made.

    Raises
    ------
    UsageError
        It cannot sign, or one of key and role is not given.
    """
    from vpack_pipeline.assets.release import Signing
    from vpack_pipeline.pack_format import signing_keys

    if key is None and role is None:
        return None
    if key is None:
        raise UsageError(Problem("--role", "says in which role a key signs", "give --key too"))
    if role is None:
        remedy = f"one of {', '.join(ROLES)}"
        raise UsageError(Problem("--role", "is needed to sign a release", remedy))
    return Signing(role, signing_keys.read(key, [root]))


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
        "signed": [str(s.signer) for s in made.origin.signed],
        "not_signed": [str(signer) for signer in made.origin.missing],
    }
    click.echo(json.dumps(told, ensure_ascii=False))


def _tell(made: Released) -> None:
    if not made.is_new:
        click.echo(f"released before, for the same recipient: {made.version}")
        click.echo("nothing new was entered in the ledger")
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
    _tell_signers(made)
    click.echo(f"hand out: {made.zip}")
    click.echo(f"digest: {made.digest}")
    click.echo("send the digest by another way than the zip; back up data/state and data/releases")


def _tell_signers(made: Released) -> None:
    for signed in made.origin.signed:
        click.echo(f"signed: {signed.signer}")
    for signed in made.origin.unnamed:
        click.echo(f"signed, and not named by the pack: {signed.signer.fingerprint}")
    for signer in made.origin.missing:
        click.echo(f"not signed: {signer}")
    if made.origin.missing:
        click.echo(f"  vpack sign {made.path} --key KEY --role {made.origin.missing[0].role}")
        click.echo(
            "  and the same vpack release again: the zip is written anew, with the signature"
        )
