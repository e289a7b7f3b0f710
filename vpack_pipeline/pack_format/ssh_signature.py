"""OpenSSH's signature format (SSHSIG) with Ed25519: written, read, and held against a message.

Bytes are those of ``ssh-keygen -Y sign``: stock tools verify what is made here, and the other way
round. The format is that of OpenSSH's ``PROTOCOL.sshsig``. ``cryptography`` is imported where a
signature is made or checked, and at no other time.
What does not belong here: private keys in files (``signing_keys``), whose key it is
(``allowed_signers``), where signatures of a pack lie (``signatures``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAMESPACE: Final = "vpack"
"""What these signatures are for; one that was made for e-mail or git proves nothing here."""
KIND: Final = "ssh-ed25519"
"""The one kind of key that is used."""
LARGEST: Final = 8192
"""A signature's file is never larger, in bytes; one of Ed25519 has about 300."""

_MAGIC: Final = b"SSHSIG"
_VERSION: Final = 1
_HASHES: Final = ("sha256", "sha512")
_OWN_HASH: Final = "sha512"
_BEGIN: Final = "-----BEGIN SSH SIGNATURE-----"
_END: Final = "-----END SSH SIGNATURE-----"
_LINE: Final = 70
_KIND = re.compile(rb"[a-z0-9@.-]{1,64}")


class SignatureFormatError(ValueError):
    """Bytes are no signature that this version can read; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it was read; nothing is proved yet."""

    key: bytes
    """The public key, as OpenSSH writes it on the wire."""
    namespace: str
    hash_name: str
    value: bytes


def fingerprint(key: bytes) -> str:
    """Name a public key as ``ssh-keygen -l`` does.

    >>> fingerprint(b"no key")
    'SHA256:oZncjM5U2FOML7ng9B5o5agmvi+y6V/OZUzup347MDk'
    """
    digest = hashlib.sha256(key).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def short_name(key: bytes) -> str:
    """Name a public key in a file's name: the first 16 hexadecimal digits of its sha256."""
    return hashlib.sha256(key).hexdigest()[:16]


def key_line(key: bytes) -> str:
    """Write a public key as one line of an OpenSSH file, without a comment."""
    return f"{KIND} {base64.b64encode(key).decode()}"


def public_key(key: Ed25519PrivateKey) -> bytes:
    """Give the public half of a key, as OpenSSH writes it on the wire."""
    return _packed(KIND.encode(), key.public_key().public_bytes_raw())


def sign(key: Ed25519PrivateKey, message: bytes) -> bytes:
    """Sign a message: the same key and message always give the same bytes."""
    to_sign = _to_sign(NAMESPACE, _OWN_HASH, message)
    value = _packed(KIND.encode(), key.sign(to_sign))
    blob = _packed(public_key(key), NAMESPACE.encode(), b"", _OWN_HASH.encode(), value)
    text = base64.b64encode(_MAGIC + struct.pack(">I", _VERSION) + blob).decode()
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return "\n".join([_BEGIN, *lines, _END, ""]).encode()


def read(text: bytes) -> Signature:
    """Read a signature.

    Parameters
    ----------
    text : a file as ``ssh-keygen -Y sign`` writes it, lines ended by LF or CRLF

    Raises
    ------
    SignatureFormatError
        It is cut off, no signature at all, or made with a key that is no plain Ed25519 key.
    """
    blob = _unarmoured(text)
    if blob[: len(_MAGIC)] != _MAGIC or len(blob) < len(_MAGIC) + 4:
        raise SignatureFormatError("is no SSH signature")
    (version,) = struct.unpack_from(">I", blob, len(_MAGIC))
    if version != _VERSION:
        raise SignatureFormatError("has a version of the SSH signature format that is not known")
    parts = list(_parts(blob[len(_MAGIC) + 4 :]))
    if len(parts) != 5:
        raise SignatureFormatError("is not whole")
    key, namespace, _, hash_name, value = parts
    checked_key(key)
    kind, *values = _parts(value)
    if kind != KIND.encode() or len(values) != 1 or len(values[0]) != 64:
        raise SignatureFormatError("is not whole")
    if hash_name.decode("latin-1") not in _HASHES:
        raise SignatureFormatError("names a hash that is neither SHA-256 nor SHA-512")
    return Signature(key, namespace.decode("latin-1"), hash_name.decode(), values[0])


def is_of(signature: Signature, message: bytes) -> bool:
    """Tell whether a signature's key made it over exactly this message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    _, raw = _parts(signature.key)
    try:
        key = Ed25519PublicKey.from_public_bytes(raw)
        key.verify(signature.value, _to_sign(signature.namespace, signature.hash_name, message))
    except InvalidSignature:
        return False
    return True


def checked_key(key: bytes) -> bytes:
    """Give back a public key that is a plain Ed25519 key.

    Raises
    ------
    SignatureFormatError
        It is of another kind (which is named), or not whole.
    """
    kind, *values = _parts(key)
    if kind != KIND.encode():
        name = kind.decode() if _KIND.fullmatch(kind) else "unknown"
        raise SignatureFormatError(f"has a key of another kind ({name}): only {KIND} is used")
    if len(values) != 1 or len(values[0]) != 32:
        raise SignatureFormatError("is not whole")
    return key


def kind_of(key: bytes) -> str:
    """Name the kind of a public key; ``unknown`` where it has none."""
    try:
        kind = next(_parts(key), b"")
    except SignatureFormatError:
        return "unknown"
    return kind.decode() if _KIND.fullmatch(kind) else "unknown"


def _to_sign(namespace: str, hash_name: str, message: bytes) -> bytes:
    digest = hashlib.new(hash_name, message).digest()
    return _MAGIC + _packed(namespace.encode("latin-1"), b"", hash_name.encode(), digest)


def _unarmoured(text: bytes) -> bytes:
    """Give what stands between the lines that begin and end a signature."""
    if len(text) > LARGEST:
        raise SignatureFormatError("is too large for a signature")
    lines = [line.rstrip("\r") for line in text.decode("latin-1").rstrip("\r\n").split("\n")]
    if lines[0] != _BEGIN:
        raise SignatureFormatError("is no SSH signature")
    if lines[-1] != _END:
        raise SignatureFormatError("is cut off")
    try:
        return base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error:
        raise SignatureFormatError("is not whole") from None


def _packed(*parts: bytes) -> bytes:
    """Write byte strings each behind its length, as SSH does."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _parts(blob: bytes) -> Iterator[bytes]:
    """Read byte strings each behind its length, to the end.

    Raises
    ------
    SignatureFormatError
        There are none, or the last one is cut off.
    """
    at = 0
    while at < len(blob) or at == 0:
        if at + 4 > len(blob):
            raise SignatureFormatError("is not whole")
        (length,) = struct.unpack_from(">I", blob, at)
        at += 4 + length
        if at > len(blob):
            raise SignatureFormatError("is not whole")
        yield blob[at - length : at]
