"""``vpack keygen`` and ``vpack sign``: who answers for a pack, with the base install alone.

What does not belong here: the format of signatures and where they lie (``pack_format``).
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from vpack_pipeline.cli.verify import refuse_what_cannot_be_read, signature_of
from vpack_pipeline.errors import Problem, UsageError, VerificationError
from vpack_pipeline.pack_format import signatures, signing_keys, ssh_signature
from vpack_pipeline.pack_format.roles import ROLES
from vpack_pipeline.pack_format.verification import is_like_a_pack
from vpack_pipeline.pack_format.verification import verify as find_problems


@click.command()
@click.argument("key", type=click.Path(path_type=Path))
@click.option(
    "--name",
    required=True,
    help="Whom others call its holder, such as builder@vendor.example.",
)
@click.pass_context
def keygen(ctx: click.Context, key: Path, name: str) -> None:
    """Make a key that signs packs: KEY, for its holder alone, and KEY.pub, for all others.

    KEY may not lie in a project's folder or in a pack.
    """
    made = signing_keys.make(key, name, _projects(ctx))
    click.echo(f"{key}: keep it to yourself; {key}.pub is for others")
    click.echo("in site.yaml, under signers, with your role (" + ", ".join(ROLES) + "):")
    click.echo(f"  - {{role: ROLE, fingerprint: {made.fingerprint}}}")
    click.echo("in a reviewer's file of allowed signers, sent by another way than the pack:")
    click.echo(f'  {name} namespaces="vpack" {ssh_signature.key_line(made.public)}')


@click.command()
@click.argument("target", metavar="PACK|FILE", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), help="Your private key.")
@click.option("--role", type=click.Choice(ROLES), help="In which role you sign a pack.")
@click.option(
    "--signature",
    "made",
    type=click.Path(path_type=Path),
    metavar="FILE.sig",
    help="Add a signature of PACK that ssh-keygen made, in place of --key.",
)
@click.pass_context
def sign(
    ctx: click.Context, target: Path, key: Path | None, role: str | None, made: Path | None
) -> None:
    """Sign PACK: add a signature to it, and change nothing else.

    Or sign a single FILE, such as a protocol or an attestation, into FILE.sig.
    """
    if (key is None) == (made is None):
        remedy = "give --key, or --signature where ssh-keygen has signed"
        raise UsageError(Problem("vpack sign", "one of --key and --signature is needed", remedy))
    if target.is_file():
        if key is None or role is not None:
            what, remedy = "is signed with --key alone", "--role and --signature are for packs"
            raise UsageError(Problem(str(target), what, remedy))
        _sign_file(target, signing_keys.read(key, _projects(ctx)))
        return
    refuse_what_cannot_be_read(target)
    if role is None:
        raise UsageError(
            Problem("--role", "is needed to sign a pack", f"one of {', '.join(ROLES)}")
        )
    pack = target.resolve()
    problems = find_problems(pack)
    if problems:
        raise VerificationError(problems)
    if key is not None:
        path, is_new = signatures.sign(pack, role, signing_keys.read(key, _projects(ctx)))
    else:
        assert made is not None
        path, is_new = signatures.add(pack, role, _text(made), str(made))
    click.echo(f"{'signed' if is_new else 'signed already'}: {target / path}")


def _projects(ctx: click.Context) -> list[Path]:
    """Give the project that this call names, be it one to look at or not."""
    named = [ctx.obj, os.environ.get("VPACK_ROOT")]
    return [Path(folder) for folder in named if folder]


def _sign_file(file: Path, key: signing_keys.SigningKey) -> None:
    """Write a single file's signature beside it.

    Raises
    ------
    UsageError
        The file is part of a pack, or has a signature of something else.
    """
    if any(is_like_a_pack(folder) for folder in file.resolve().parents):
        remedy = "sign the pack, or a copy of the file outside of it"
        raise UsageError(Problem(str(file), "is part of a pack, to which nothing is added", remedy))
    place, content = signature_of(file), file.read_bytes()
    text = key.sign(content)
    try:
        with place.open("xb") as opened:
            opened.write(text)
    except FileExistsError:
        if _text(place) != text:
            what = "is there already, and is no signature of this file by this key"
            raise UsageError(Problem(str(place), what, "move it away and sign again")) from None
    except OSError as error:
        what = f"cannot be written ({os.strerror(error.errno or 0)})"
        raise UsageError(Problem(str(place), what, "sign a copy elsewhere")) from None
    click.echo(f"signed: {place}, by {key.fingerprint}")


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(ssh_signature.LARGEST + 1)
    except OSError as error:
        what = f"cannot be read ({os.strerror(error.errno or 0)})"
        raise UsageError(Problem(str(path), what, "give the file of a signature")) from None
