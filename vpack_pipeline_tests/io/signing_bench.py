"""Keys, signatures and packs for tests of origin; ``ssh-keygen`` where it is installed.

``ssh_files/`` holds what a real ``ssh-keygen`` (OpenSSH 9.2) made, so that tests agree with it
where there is none. No private key is stored: that of its Ed25519 signatures is published in
RFC 8032, section 7.1, test 1.
"""

from __future__ import annotations

import base64
import functools
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import bag, ssh_signature
from vpack_pipeline.pack_format.documents import REPORT
from vpack_pipeline.pack_format.signers import SIGNERS, Signer, list_signers
from vpack_pipeline.pack_format.signing_keys import SigningKey, make
from vpack_pipeline_tests.io.forging import Change, forge
from vpack_pipeline_tests.io.test_packs_formats import unpacked

SSH_FILES = Path(__file__).parent / "ssh_files"
PUBLISHED_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
SSH_KEYGEN = shutil.which("ssh-keygen")
needs_ssh_keygen = pytest.mark.skipif(SSH_KEYGEN is None, reason="no ssh-keygen is installed")
PAYLOAD = {
    "protocol.yaml": b"id: a\n",
    "claim.json": b"{}\n",
    "summary.pdf": b"%PDF-1.7\n",
    "codes.csv": b"code\n",
    "drift/plan.json": b"{}\n",
}


def stored(name: str) -> bytes:
    return (SSH_FILES / name).read_bytes()


@functools.cache
def private_key(name: str) -> bytes:
    """Give a private key as OpenSSH writes it; of ``passphrase`` what stands before its secret."""
    if name == "passphrase":
        public = base64.b64decode(stored("ed25519.pub").split()[1])
        head = packed(b"aes256-ctr", b"bcrypt", packed(bytes(16)) + struct.pack(">I", 16))
        blob = b"openssh-key-v1\0" + head + struct.pack(">I", 1) + packed(public, bytes(160))
        return armoured(blob, "OPENSSH PRIVATE KEY")
    made = {
        "ed25519": lambda: Ed25519PrivateKey.from_private_bytes(PUBLISHED_SEED),
        "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
        "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    }[name]()
    return made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def key_file(folder: Path, name: str, mode: int = 0o600) -> Path:
    """Write a private key of a kind, or what is stored under that name."""
    made = folder / name
    made.write_bytes(stored(name) if (SSH_FILES / name).exists() else private_key(name))
    made.chmod(mode)
    return made


def new_key(folder: Path, name: str) -> SigningKey:
    """Make a key, at ``folder/name``, of ``name@test.example``."""
    return make(folder / name, f"{name}@test.example")


def page_of(*signers: Signer) -> bytes:
    """A page that names signers as the report's first page does."""
    lines = (
        f'<p class="signer">{s.role}: <span class="code">{s.fingerprint}</span></p>'
        for s in signers
    )
    return "".join(["<!doctype html>", *lines]).encode()


def agreeing_pack(root: Path, *signers: Signer) -> Path:
    """Put a copy of the stored pack, which is whole in all its parts, to name signers."""
    pack = unpacked(bag.FORMAT, root)
    if signers:
        changes: dict[str, Change] = {
            REPORT: lambda page: page + page_of(*signers),
            SIGNERS: lambda _: list_signers(signers),
        }
        pack = forge(pack, changes)
    (pack.parent.parent / "latest").symlink_to(pack)
    return pack


def pack_of(root: Path, *signers: Signer, cut: str = "2026-01-05") -> Path:
    """Publish a bag that names signers, for what asks of its digests alone."""
    payload = {**PAYLOAD, "report.html": page_of(*signers)}
    if signers:
        payload[SIGNERS] = list_signers(signers)
    made = packs.publish(
        root_packs=root, site_id="site-a", protocol_version="1.0", cut=cut, payload=payload
    )
    return made.path


def signer_of(key: SigningKey, role: str = "builder") -> Signer:
    return Signer(role, key.fingerprint)


def allowed_line(key: SigningKey, who: str = "builder@test.example", options: str = "") -> str:
    return " ".join(filter(None, (who, options, ssh_signature.key_line(key.public))))


def packed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def armoured(blob: bytes, kind: str = "SSH SIGNATURE") -> bytes:
    text = base64.b64encode(blob)
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    begin, end = (f"-----{word} {kind}-----".encode() for word in ("BEGIN", "END"))
    return b"\n".join([begin, *lines, end, b""])


def stock_verdict(
    message: bytes, signature: Path, allowed: Path, who: str, namespace: str = "vpack"
) -> bool:
    """Ask the real ``ssh-keygen -Y verify``."""
    assert SSH_KEYGEN is not None
    words = ["-Y", "verify", "-n", namespace, "-f", str(allowed), "-I", who, "-s", str(signature)]
    done = subprocess.run(
        [SSH_KEYGEN, *words], input=message, capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0


def state_of(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything that can be seen of a folder's files: inode, mode, time, content."""
    return {
        p.relative_to(folder).as_posix(): (
            p.stat().st_ino,
            p.stat().st_mode,
            p.stat().st_mtime_ns,
            p.read_bytes() if p.is_file() else b"",
        )
        for p in sorted(folder.rglob("*"))
    }
