"""Private keys that sign: made, read, and kept apart from what they sign.

A key is an OpenSSH file of its own, readable by its owner alone, outside of every project and
pack: a project is backed up, shared and copied, and who holds the key is the signer.
What does not belong here: signatures themselves (``ssh_signature``), public keys that a reviewer
trusts (``allowed_signers``).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vpack_pipeline.errors import Problem, SigningKeyError
from vpack_pipeline.pack_format import bag, ssh_signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LARGEST: Final = 65_536
"""A key's file is never larger, in bytes."""
SITES: Final = Path("data/sites")
"""A folder that holds this is a project."""

_MAGIC: Final = b"openssh-key-v1\0"
_ARMOUR = re.compile(
    rb"\s*-----BEGIN OPENSSH PRIVATE KEY-----"
    rb"([A-Za-z0-9+/=\s]+)"
    rb"-----END OPENSSH PRIVATE KEY-----\s*"
)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MAKE: Final = "make one with `vpack keygen`"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._+-]{0,99}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; its public half and name stand beside it."""

    private: Ed25519PrivateKey
    public: bytes

    @property
    def fingerprint(self) -> str:
        """Name the key, as ``ssh-keygen -l`` does."""
        return ssh_signature.fingerprint(self.public)

    def sign(self, message: bytes) -> bytes:
        """Sign a message."""
        return ssh_signature.sign(self.private, message)


def make(path: Path, name: str, projects: Sequence[Path] = ()) -> SigningKey:
    """Make a key: the private half at ``path``, mode 600, the public one beside it as ``.pub``.

    Parameters
    ----------
    name : whom lists of allowed signers call the key's holder; the comment of the public key
    projects : folders that are projects, beside those that show it

    Raises
    ------
    SigningKeyError
        The place lies in a project or a pack, or is taken; the name is no plain name.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not _NAME.fullmatch(name):
        what = "is no plain name of a signer"
        remedy = "give one without spaces, commas or wildcards, such as builder@vendor.example"
        raise SigningKeyError(Problem("--name", what, remedy))
    refuse_projects(path, projects)
    private = Ed25519PrivateKey.generate()
    public = ssh_signature.public_key(private)
    content = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    beside = path.with_name(f"{path.name}.pub")
    if os.path.lexists(beside):
        raise SigningKeyError(Problem(str(beside), "exists already", "choose another name"))
    _write_new(path, content, 0o600)
    _write_new(beside, f"{ssh_signature.key_line(public)} {name}\n".encode(), 0o644)
    return SigningKey(private, public)


def read(path: Path, projects: Sequence[Path] = ()) -> SigningKey:
    """Read a private key.

    Parameters
    ----------
    projects : folders that are projects, beside those that show it

    Raises
    ------
    SigningKeyError
        It lies in a project or a pack, others may read it, it is no OpenSSH private key, it has a
        passphrase, or it is of another kind than Ed25519.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    refuse_projects(path, projects)
    content = _content(path)
    _refuse_other_kinds(path, content)
    try:
        private = serialization.load_ssh_private_key(content, None)
    except (ValueError, TypeError):
        raise SigningKeyError(Problem(str(path), "is a damaged private key", _MAKE)) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningKeyError(Problem(str(path), "is a damaged private key", _MAKE))
    return SigningKey(private, ssh_signature.public_key(private))


def refuse_projects(path: Path, projects: Sequence[Path] = ()) -> None:
    """Refuse a key in a project's folder or in a pack, links followed.

    Raises
    ------
    SigningKeyError
        It lies, or would lie, there.
    """
    known = {folder.resolve() for folder in projects}
    # As the path is written, and where a link in it leads.
    for place in (Path(os.path.abspath(path)), path.resolve()):
        for folder in place.parents:
            is_pack = any(os.path.lexists(folder / n) for n in (bag.DECLARATION, bag.MANIFEST))
            if is_pack or folder in known or (folder / SITES).is_dir():
                what = f"a signing key may not lie in a {'pack' if is_pack else 'project folder'}"
                remedy = "keep it in a folder of its holder alone, such as ~/.ssh"
                raise SigningKeyError(Problem(str(path), what, remedy))


def _content(path: Path) -> bytes:
    """Read a key's file, if it is one that its owner alone may read."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise SigningKeyError(Problem(str(path), "is no file", _MAKE))
            # On Windows these bits say nothing.
            if os.name == "posix" and state.st_mode & _OTHERS:
                raise SigningKeyError(
                    Problem(str(path), "others may read this private key", "chmod 600 it")
                )
            return file.read(LARGEST + 1)
    except OSError as error:
        what = f"cannot be read ({os.strerror(error.errno or 0)})"
        raise SigningKeyError(Problem(str(path), what, _MAKE)) from None


def _refuse_other_kinds(path: Path, content: bytes) -> None:
    """Say of a file that is no plain Ed25519 private key what it is; its header tells."""
    if content.lstrip().startswith((b"ssh-", b"ecdsa-", b"sk-")):
        what, remedy = "is a public key", "give the private key, whose file has no .pub"
        raise SigningKeyError(Problem(str(path), what, remedy))
    kind, has_passphrase = _header(path, content)
    if kind != ssh_signature.KIND:
        what = f"is a key of another kind ({kind}): packs are signed with {ssh_signature.KIND}"
        raise SigningKeyError(Problem(str(path), what, _MAKE))
    if has_passphrase:
        what = "has a passphrase, and vpack asks for none"
        remedy = (
            "sign with `ssh-keygen -Y sign -n vpack -f KEY < FILE > FILE.sig`, of a pack its"
            " tagmanifest-sha256.txt, and add that with"
            " `vpack sign PACK --role ROLE --signature FILE.sig`"
        )
        raise SigningKeyError(Problem(str(path), what, remedy))


def _header(path: Path, content: bytes) -> tuple[str, bool]:
    """Give the kind of a private key and whether it has a passphrase: neither is a secret."""
    found = _ARMOUR.fullmatch(content) if len(content) <= LARGEST else None
    try:
        blob = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
        if not blob.startswith(_MAGIC):
            raise ValueError
        cipher, _, _, public = _leading(blob[len(_MAGIC) :])
    except (ValueError, binascii.Error, struct.error):
        raise SigningKeyError(Problem(str(path), "is no OpenSSH private key", _MAKE)) from None
    return ssh_signature.kind_of(public), cipher != b"none"


def _leading(blob: bytes) -> Iterator[bytes]:
    """Read what stands before the private part: cipher, its key's making, settings, public key."""
    at = 0
    for name in ("cipher", "kdf", "options", "public"):
        if name == "public":
            at += 4  # how many keys there are: always one
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4 + length
        if at > len(blob):
            raise ValueError
        yield blob[at - length : at]


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet, with its mode from the first byte on."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise SigningKeyError(Problem(str(path), "exists already", "choose another name")) from None
    except OSError as error:
        what = f"cannot be written ({os.strerror(error.errno or 0)})"
        raise SigningKeyError(Problem(str(path), what, "give another folder")) from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
