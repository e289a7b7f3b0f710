"""``vpack verify``: offline, at a reviewer's desk, with the base install alone.

It imports nothing beyond click, ``pack_format`` and PyYAML, so that it answers at once;
import-linter and a test hold this. ``cryptography`` is imported where there is a signature to
check.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from vpack_pipeline.errors import Problem, UsageError, VerificationError
from vpack_pipeline.pack_format import (
    agreement,
    allowed_signers,
    bag,
    comparison,
    signatures,
    ssh_signature,
)
from vpack_pipeline.pack_format.allowed_signers import AllowedSigners
from vpack_pipeline.pack_format.signatures import Origin, Signed
from vpack_pipeline.pack_format.verification import (
    is_like_a_pack,
    nearest_pack,
    newer_format,
    summary,
)
from vpack_pipeline.pack_format.verification import verify as find_problems

OURS = f"{comparison.NAME}: layout and script are those of this vpack"
NOT_OURS = (
    f"{comparison.NAME}: layout or script are not those of this vpack. Another version made the"
    " page, or somebody changed it: `vpack compare` runs your own copy"
)


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option(
    "--allowed-signers",
    "trusted",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Whom you trust, as ssh-keygen reads it: fail unless all whom the pack names have signed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(pack: Path, trusted: Path | None, as_json: bool) -> None:
    """Check PACK: nothing was added or altered, its parts agree; and say who has signed it.

    Of a single FILE that was signed with `vpack sign`, check the signature FILE.sig.
    """
    allowed = allowed_signers.read(trusted) if trusted else None
    if pack.is_file() and signature_of(pack).is_file():
        _verify_file(pack, allowed, as_json)
        return
    refuse_what_cannot_be_read(pack)
    problems = find_problems(pack.resolve())
    origin = None if problems else signatures.origin(pack.resolve(), allowed, time.time())
    wrong = [*problems, *(origin.problems if origin else ())]
    if as_json:
        told = [{"where": p.where, "what": p.what} for p in wrong]
        made = {"pack": str(pack), "is_whole": not problems, "problems": told}
        click.echo(json.dumps(made | (_as_data(origin) if origin else {})))
    elif origin:
        _tell(pack.resolve(), origin, allowed)
    if wrong:
        raise VerificationError(wrong)


def signature_of(file: Path) -> Path:
    """Give the place of a single file's signature."""
    return file.with_name(f"{file.name}.sig")


def _tell(pack: Path, origin: Origin, allowed: AllowedSigners | None) -> None:
    found = summary(pack)
    click.echo(f"whole: {found.identifier}, data cut {found.cut}, {found.files} files")
    click.echo(f"digest: {found.digest}")
    page = pack / bag.DATA / comparison.NAME
    if page.is_file():
        click.echo(OURS if comparison.is_shipped(page.read_text("utf-8")) else NOT_OURS)
    unheld = agreement.unheld(found.format)
    if unheld:
        click.echo(f"of format {found.format}, so that it was not held to: {unheld}")
    for signed in origin.signed:
        click.echo(f"signed: {signed.signer}{_by(signed)}")
    for signer in origin.missing:
        click.echo(f"not signed: {signer}")
    for signed in origin.unnamed:
        # The role in the file's name is left out: the pack does not say it.
        how = "signed, and not named by the pack" if signed.who else "unknown"
        click.echo(f"{how}: {signed.signer.fingerprint}{_by(signed)} ({signed.path})")
    if not origin.signed and not origin.missing:
        click.echo("the pack names nobody who is to sign it")
    if allowed is None:
        click.echo("compare this digest with the one that the site sent by another way")
    if allowed is None and (origin.signed or origin.unnamed):
        click.echo("or give --allowed-signers with the public keys of those whom you trust")
    if allowed is not None and not origin.problems:
        found_by = sorted({s.who for s in origin.signed or origin.unnamed if s.who})
        click.echo(f"origin: signed by {', '.join(found_by)}, whom {allowed.name} allows")


def _by(signed: Signed) -> str:
    return f" by {signed.who}" if signed.who else ""


def _as_data(origin: Origin) -> dict[str, Any]:
    def signed(found: Signed) -> dict[str, str]:
        signer = found.signer
        return {"role": signer.role, "fingerprint": signer.fingerprint, "who": found.who}

    return {
        "signed": [signed(s) for s in origin.signed],
        "not_signed": [{"role": s.role, "fingerprint": s.fingerprint} for s in origin.missing],
        "unnamed": [signed(s) | {"file": s.path} for s in origin.unnamed],
    }


def _verify_file(file: Path, allowed: AllowedSigners | None, as_json: bool) -> None:
    """Check the signature beside a single file.

    Raises
    ------
    VerificationError
        It is none of this file, or not by anybody who is allowed.
    """
    place = signature_of(file)
    with place.open("rb") as opened:
        text = opened.read(ssh_signature.LARGEST + 1)
    key, objection = signatures.judged(text, file.read_bytes())
    problem = Problem(str(place), objection, "ask the signer for both files again")
    who: str | Problem = ""
    if not objection and allowed:
        who = allowed.who(key, time.time())
        objection = "" if who else "is by nobody in the file of allowed signers"
        problem = who if isinstance(who, Problem) else Problem(str(place), objection)
    wrong = bool(objection) or isinstance(who, Problem)
    name = ssh_signature.fingerprint(key) if key else ""
    if as_json:
        problems = [{"where": problem.where, "what": problem.what}] if wrong else []
        told = {"file": str(file), "fingerprint": name, "who": "" if wrong else who}
        click.echo(json.dumps({**told, "problems": problems}))
    if wrong:
        raise VerificationError([problem])
    if not as_json:
        click.echo(f"signed: {name}{f' by {who}' if who else ''}")
        if not allowed:
            click.echo("compare this fingerprint with the one that the signer sent by another way")


def refuse_what_cannot_be_read(path: Path) -> None:
    """Tell a wrong path, or a pack of the future, apart from a pack that is not whole.

    Raises
    ------
    UsageError
        Nothing lies there, or neither of the files by which a pack is known; or only a newer vpack
        can read it.
    """
    if not path.is_dir():
        what = "is no folder" if path.exists() else "does not exist"
        remedy = (
            "give the folder of a pack, or a file that has its signature beside it, as FILE.sig"
        )
        raise UsageError(Problem(str(path), what, remedy))
    if is_like_a_pack(path):
        newer = newer_format(path)
        if newer is not None:
            raise UsageError(newer)
        return
    near = nearest_pack(path)
    remedy = f"did you mean {str(near)!r}?" if near else "give the folder that holds bagit.txt"
    raise UsageError(Problem(str(path), "is no pack", remedy))
