"""Who has signed a pack: the files below ``signature/``.

A signature is over the tag manifest, from which every file of the pack follows. It lies outside of
payload and manifests, so that it can be added to a published pack, of which nothing else changes.
The role in its file's name proves nothing: only the pack's list of signers says whose role a key
has.
What does not belong here: who was to sign (``signers``), the format of a signature
(``ssh_signature``), whom a reviewer trusts (``allowed_signers``).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vpack_pipeline.errors import Problem, UsageError
from vpack_pipeline.pack_format import bag, ssh_signature
from vpack_pipeline.pack_format.allowed_signers import AllowedSigners
from vpack_pipeline.pack_format.signers import SIGNERS, Signer, named_signers
from vpack_pipeline.pack_format.signing_keys import SigningKey


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that is of this pack; ``who`` is nothing unless a reviewer's file says it."""

    path: str
    signer: Signer
    who: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Who has signed a pack, of those that it names and beside them."""

    signed: tuple[Signed, ...]
    missing: tuple[Signer, ...]
    unnamed: tuple[Signed, ...]
    """Signatures of this pack by keys that it does not name in that role."""
    problems: tuple[Problem, ...]
    """Signatures that are none of this pack; with a file of allowed signers, also what keeps it
    from saying that each named signer has signed, or anyone at all where none is named."""


def origin(pack: Path, allowed: AllowedSigners | None = None, moment: float = 0.0) -> Origin:
    """Say who has signed a pack that is whole.

    Parameters
    ----------
    allowed : whom the reviewer trusts; without, a fingerprint is all that is known of a signer
    moment : at which it is asked, in seconds since 1970; counts where ``allowed`` has times
    """
    named = named_signers(pack)
    signed: list[Signed] = []
    unnamed: list[Signed] = []
    problems: list[Problem] = []
    distrusted: list[Problem] = []
    for path, key, objection in _signatures(pack):
        if objection:
            remedy = "remove it, or ask the signer for the file again"
            problems.append(Problem(path, objection, remedy))
            continue
        signer = Signer(bag.SIGNATURE_NAME.fullmatch(path)[1], ssh_signature.fingerprint(key))  # type: ignore[index]
        who = allowed.who(key, moment) if allowed else ""
        if allowed and (signer in named or not named):
            distrusted += _distrust(who, signer, allowed.name)
        made = Signed(path, signer, "" if isinstance(who, Problem) else who)
        (signed if signer in named else unnamed).append(made)
    there = {s.signer for s in signed}
    missing = tuple(signer for signer in named if signer not in there)
    if named or not any(s.who for s in unnamed):
        problems += distrusted
    if allowed:
        problems += _unsigned(missing, is_by_nobody=not signed and not unnamed)
    return Origin(tuple(signed), missing, tuple(unnamed), tuple(problems))


def sign(pack: Path, role: str, key: SigningKey) -> tuple[str, bool]:
    """Sign a pack that is whole: add the signature of its tag manifest.

    Parameters
    ----------
    pack : the pack's own folder, no link to it

    Returns
    -------
    the signature's path in the pack, and whether it is new

    Raises
    ------
    UsageError
        The pack names others in this role, or the signature cannot be written.
    """
    refuse_unnamed(named_signers(pack), role, key.fingerprint)
    return add(pack, role, key.sign((pack / bag.TAG_MANIFEST).read_bytes()), key.fingerprint)


def add(pack: Path, role: str, text: bytes, source: str) -> tuple[str, bool]:
    """Add a signature that was made elsewhere, by a stock tool, to a pack that is whole.

    It appears by one rename; nothing else in the pack is touched.

    Parameters
    ----------
    source : how to call the signature in an error, such as its file

    Returns
    -------
    the signature's path in the pack, and whether it is new

    Raises
    ------
    UsageError
        It is none of this pack, the pack names others in this role, or it cannot be written.
    """
    key, objection = judged(text, (pack / bag.TAG_MANIFEST).read_bytes())
    if objection:
        raise UsageError(Problem(source, objection, "sign tagmanifest-sha256.txt of this pack"))
    refuse_unnamed(named_signers(pack), role, ssh_signature.fingerprint(key))
    path = f"{bag.SIGNATURES}/{role}-{ssh_signature.short_name(key)}.sig"
    if not os.path.lexists(pack / path):
        _write(pack, path, text)
        return path, True
    _, damage = judged(_content(pack / path), (pack / bag.TAG_MANIFEST).read_bytes())
    if damage:
        raise UsageError(Problem(path, damage, "remove it and sign again"))
    return path, False


def judged(text: bytes, message: bytes) -> tuple[bytes, str]:
    """Give a signature's public key, and why it is no signature of a message, if so.

    The key is empty where there is none that could be read.
    """
    try:
        found = ssh_signature.read(text)
    except ssh_signature.SignatureFormatError as error:
        return b"", str(error)
    if found.namespace != ssh_signature.NAMESPACE:
        return found.key, f"was made for another purpose than {ssh_signature.NAMESPACE}"
    if not ssh_signature.is_of(found, message):
        return found.key, "is a signature of something else"
    return found.key, ""


def _signatures(pack: Path) -> Iterator[tuple[str, bytes, str]]:
    """Give each signature's path, key and what speaks against it."""
    folder = pack / bag.SIGNATURES
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    message = (pack / bag.TAG_MANIFEST).read_bytes()
    for path in (f"{bag.SIGNATURES}/{name}" for name in names):
        parts = bag.SIGNATURE_NAME.fullmatch(path)
        if parts is None:
            continue
        key, objection = judged(_content(pack / path), message)
        if not objection and ssh_signature.short_name(key) != parts[2]:
            objection = "is named after another key than the one that made it"
        yield path, key, objection


def _distrust(who: str | Problem, signer: Signer, file: str) -> list[Problem]:
    """Say why a reviewer's file does not know a signer, if so."""
    if isinstance(who, Problem):
        return [who]
    what, remedy = f"is not in {file}", "ask the signer for the public key, and add it there"
    return [] if who else [Problem(str(signer), what, remedy)]


def _unsigned(missing: tuple[Signer, ...], *, is_by_nobody: bool) -> list[Problem]:
    """Say which signatures a pack lacks."""
    remedy = "ask the sender for the signature"
    if not missing and is_by_nobody:
        return [Problem(f"{bag.SIGNATURES}/", "nobody has signed this pack", remedy)]
    return [Problem(str(signer), "has not signed", remedy) for signer in missing]


def refuse_unnamed(named: Sequence[Signer], role: str, fingerprint: str) -> None:
    """Refuse a key that is not among those whom a pack names, where it names any.

    Raises
    ------
    UsageError
        Others are named in this role.
    """
    if named and Signer(role, fingerprint) not in named:
        listed = ", ".join(map(str, named))
        what = f"the pack does not name {fingerprint} as its {role}, but {listed}"
        remedy = "sign with a key that it names; a new key is named in site.yaml before the build"
        raise UsageError(Problem(f"{bag.DATA}{SIGNERS}", what, remedy))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(ssh_signature.LARGEST + 1)


def _write(pack: Path, path: str, text: bytes) -> None:
    """Put a file below ``signature/``, whole or not at all, with the modes of the pack.

    It is made beside the pack: what a crash leaves there is no part of it, and the store sweeps it.

    Raises
    ------
    UsageError
        The folder of the pack, or the one that holds it, cannot be written to.
    """
    folder = pack / bag.SIGNATURES
    try:
        draft = Path(tempfile.mkdtemp(prefix=bag.UNFINISHED, dir=pack.parent))
        try:
            file = draft / Path(path).name
            with file.open("xb") as made:
                made.write(text)
                made.flush()
                os.fsync(made.fileno())
            file.chmod((pack / bag.TAG_MANIFEST).stat().st_mode & 0o777)
            draft.chmod(pack.stat().st_mode & 0o777)
            if not _becomes(draft, folder):
                file.rename(folder / file.name)
            _sync(folder)
            _sync(pack)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        what = f"the signature cannot be written ({os.strerror(error.errno or 0)})"
        remedy = f"sign a copy of the pack, and put its {path} here"
        raise UsageError(Problem(pack.name, what, remedy)) from None


def _becomes(draft: Path, folder: Path) -> bool:
    """Let the first signature appear with its folder; False where the folder is there."""
    if folder.is_dir():
        return False
    try:
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        return False  # another signer was quicker
    return True


def _sync(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
