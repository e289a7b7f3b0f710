"""OpenSSH's signature format: byte for byte that of ``ssh-keygen``, and nothing else is read."""

from __future__ import annotations

import base64
import random
import subprocess

import pytest

from vpack_pipeline.pack_format import signing_keys, ssh_signature
from vpack_pipeline.pack_format.signatures import judged
from vpack_pipeline.pack_format.ssh_signature import SignatureFormatError
from vpack_pipeline_tests.io.signing_bench import (
    SSH_KEYGEN,
    allowed_line,
    armoured,
    key_file,
    needs_ssh_keygen,
    new_key,
    packed,
    stock_verdict,
    stored,
)

MESSAGE = stored("message")
ED25519 = stored("ed25519.pub").split()
KEY = base64.b64decode(ED25519[1])


def reason(text: bytes, message: bytes = MESSAGE) -> str:
    return judged(text, message)[1]


def test_a_signature_has_the_very_bytes_of_ssh_keygen(tmp_path):
    key = signing_keys.read(key_file(tmp_path, "ed25519"))
    assert key.public == KEY
    assert key.sign(MESSAGE) == stored("message.ed25519.sig")


@pytest.mark.parametrize("name", ["message.ed25519.sig", "message.sha256.sig"])
def test_a_signature_that_ssh_keygen_made_is_read_with_either_hash(name):
    assert judged(stored(name), MESSAGE) == (KEY, "")
    assert reason(stored(name), MESSAGE + b"\n") == "is a signature of something else"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("message.file.sig", "was made for another purpose than vpack"),
        ("message.rsa.sig", "has a key of another kind (ssh-rsa): only ssh-ed25519 is used"),
        ("message.ecdsa.sig", "has a key of another kind (ecdsa-sha2-nistp256): only ssh-ed25519 is used"),
        ("ed25519.pub", "is no SSH signature"),
        ("message", "is no SSH signature"),
    ],
)  # fmt: skip
def test_what_is_no_signature_of_ours_is_told_by_what_it_is(name, why):
    assert reason(stored(name)) == why


def test_a_key_on_a_token_is_of_another_kind():
    token = packed(b"sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:")
    value = packed(b"sk-ssh-ed25519@openssh.com", bytes(64)) + b"\x01\0\0\0\x01"
    blob = b"SSHSIG\0\0\0\x01" + packed(token, b"vpack", b"", b"sha512", value)
    assert "another kind (sk-ssh-ed25519@openssh.com)" in reason(armoured(blob))


def test_a_name_of_a_kind_is_printed_only_where_it_is_plain():
    key = packed(b"\x1b[2J", bytes(32))
    blob = b"SSHSIG\0\0\0\x01" + packed(key, b"vpack", b"", b"sha512", packed(b"x", b""))
    assert "another kind (unknown)" in reason(armoured(blob))


@pytest.mark.parametrize("at", range(len(stored("message.ed25519.sig").rstrip())))
def test_a_signature_that_is_cut_off_anywhere_is_none(at):
    assert reason(stored("message.ed25519.sig")[:at])


def parts(**changed: bytes) -> bytes:
    """A signature's bytes, with one of its parts changed."""
    found = ssh_signature.read(stored("message.ed25519.sig"))
    given = {
        "magic": b"SSHSIG",
        "version": b"\0\0\0\x01",
        "key": packed(found.key),
        "namespace": packed(b"vpack"),
        "reserved": packed(b""),
        "hash": packed(b"sha512"),
        "value": packed(packed(b"ssh-ed25519", found.value)),
        "rest": b"",
    }
    return armoured(b"".join((given | changed).values()))


def test_the_parts_put_together_again_are_the_signature():
    assert parts() == stored("message.ed25519.sig")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"magic": b"SSHSIX"}, "is no SSH signature"),
        ({"version": b"\0\0\0\x02"}, "has a version"),
        ({"hash": packed(b"md5")}, "names a hash that is neither SHA-256 nor SHA-512"),
        ({"hash": packed(b"sha256")}, "is a signature of something else"),
        ({"namespace": packed(b"git")}, "was made for another purpose than vpack"),
        ({"rest": b"\0"}, "is not whole"),
        ({"rest": packed(b"more")}, "is not whole"),
        ({"key": packed(packed(b"ssh-ed25519", bytes(31)))}, "is not whole"),
        ({"key": packed(packed(b"ssh-ed25519", bytes(32)))}, "is a signature of something else"),
        ({"key": packed(b"")}, "is not whole"),
        ({"value": packed(packed(b"ssh-ed25519", bytes(63)))}, "is not whole"),
        ({"value": packed(packed(b"ssh-rsa", bytes(64)))}, "is not whole"),
        ({"value": packed(packed(b"ssh-ed25519", bytes(64)))}, "is a signature of something else"),
        ({"value": b"\xff\xff\xff\xff"}, "is not whole"),
    ],
)
def test_a_signature_with_any_part_changed_is_told(changed, why):
    assert reason(parts(**changed)).startswith(why)


@needs_ssh_keygen
def test_what_stands_in_the_reserved_part_is_passed_over_as_by_ssh_keygen(tmp_path):
    text = parts(reserved=packed(b"x"))
    (tmp_path / "m.sig").write_bytes(text)
    (tmp_path / "allowed").write_bytes(b"who " + b" ".join(ED25519[:2]) + b"\n")
    assert reason(text) == ""
    assert stock_verdict(MESSAGE, tmp_path / "m.sig", tmp_path / "allowed", "who")


def test_lines_may_end_as_windows_ends_them_and_nothing_else_may_change():
    text = stored("message.ed25519.sig")
    assert reason(text.replace(b"\n", b"\r\n")) == ""
    assert reason(b" " + text) == "is no SSH signature"
    assert reason(text.replace(b"U1NI", b"U1N*", 1)) == "is not whole"
    assert reason(text + b"x" * ssh_signature.LARGEST) == "is too large for a signature"


def test_a_key_is_read_only_where_it_is_plain():
    assert ssh_signature.checked_key(KEY) == KEY
    assert ssh_signature.fingerprint(KEY).startswith("SHA256:")
    assert ssh_signature.kind_of(b"\0") == "unknown"
    with pytest.raises(SignatureFormatError, match="another kind"):
        ssh_signature.checked_key(packed(b"ssh-rsa", b"\x03", bytes(128)))


@needs_ssh_keygen
def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path):
    key = new_key(tmp_path, "builder")
    words = [SSH_KEYGEN, "-l", "-f", str(tmp_path / "builder.pub")]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.split()[1:3] == [key.fingerprint, "builder@test.example"]


@needs_ssh_keygen
def test_whatever_we_accept_ssh_keygen_accepts_too(tmp_path):
    """Signatures with a byte changed, added or taken away: never are we more lenient."""
    key = new_key(tmp_path, "builder")
    allowed = tmp_path / "allowed"
    allowed.write_text(allowed_line(key) + "\n")
    place = tmp_path / "m.sig"
    good = key.sign(MESSAGE)
    place.write_bytes(good)
    assert reason(good) == ""
    assert stock_verdict(MESSAGE, place, allowed, "builder@test.example")
    drawn = random.Random(14)
    accepted = 0
    for _ in range(300):
        text = bytearray(good)
        at = drawn.randrange(len(text))
        text[at : at + drawn.randrange(2)] = drawn.choice((b"", b"\r", b"\n", b"A", b"=", b" "))
        if bytes(text) == good or reason(bytes(text)):
            continue
        accepted += 1
        place.write_bytes(text)
        assert stock_verdict(MESSAGE, place, allowed, "builder@test.example"), bytes(text)
    assert accepted
