"""Signing keys: plain Ed25519, for their holder alone, in no project and no pack."""

from __future__ import annotations

import base64
import stat
import subprocess
from pathlib import Path

import pytest

from vpack_pipeline.errors import SigningKeyError
from vpack_pipeline.pack_format import signing_keys
from vpack_pipeline_tests.io.signing_bench import (
    SSH_KEYGEN,
    key_file,
    needs_ssh_keygen,
    new_key,
    pack_of,
    packed,
    private_key,
)


def refusal(path: Path, *projects: Path) -> str:
    with pytest.raises(SigningKeyError) as caught:
        signing_keys.read(path, projects)
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert problem.remedy
    return problem.what


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_for_its_holder_alone_and_read_again(tmp_path):
    made = new_key(tmp_path, "builder")
    assert mode(tmp_path / "builder") == 0o600
    again = signing_keys.read(tmp_path / "builder")
    assert again.fingerprint == made.fingerprint
    assert again.sign(b"x") == made.sign(b"x")
    kind, blob, name = (tmp_path / "builder.pub").read_text().split()
    assert (kind, base64.b64decode(blob), name) == (
        "ssh-ed25519",
        made.public,
        "builder@test.example",
    )


def test_two_keys_are_never_alike(tmp_path):
    assert new_key(tmp_path, "a").public != new_key(tmp_path, "b").public


@needs_ssh_keygen
def test_ssh_keygen_reads_a_key_that_was_made_here(tmp_path):
    key = new_key(tmp_path, "builder")
    words = [SSH_KEYGEN, "-Y", "sign", "-q", "-n", "vpack", "-f", str(tmp_path / "builder")]
    done = subprocess.run(words, input=b"x", capture_output=True, check=True)
    assert done.stdout == key.sign(b"x")


@pytest.mark.parametrize("taken", ["builder", "builder.pub"])
def test_no_key_is_overwritten(tmp_path, taken):
    (tmp_path / taken).write_text("kept")
    with pytest.raises(SigningKeyError, match=f"{taken}: exists already"):
        new_key(tmp_path, "builder")
    assert [p.name for p in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "kept"


@pytest.mark.parametrize("name", ["", "a b", "a,b", "*@x", "!a", '"a"', "#a", "a\n", "a" * 101])
def test_a_name_that_allowed_signers_would_read_otherwise_is_refused(tmp_path, name):
    with pytest.raises(SigningKeyError, match="is no plain name of a signer"):
        signing_keys.make(tmp_path / "key", name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SigningKeyError, match=r"cannot be written \(No such file"):
        new_key(tmp_path / "nothing", "builder")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("rsa", "is a key of another kind (ssh-rsa): packs are signed with ssh-ed25519"),
        ("ecdsa", "is a key of another kind (ecdsa-sha2-nistp256): packs are signed with ssh-ed25519"),
        ("passphrase", "has a passphrase, and vpack asks for none"),
        ("ed25519.pub", "is a public key"),
        ("message", "is no OpenSSH private key"),
        ("message.ed25519.sig", "is no OpenSSH private key"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_plain_ed25519_key_is_told_by_what_it_is(tmp_path, name, what):
    assert refusal(key_file(tmp_path, name)) == what


def test_a_key_on_a_token_is_of_another_kind(tmp_path):
    token = packed(b"sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:")
    blob = b"openssh-key-v1\0" + packed(b"none", b"none", b"") + b"\0\0\0\x01" + packed(token)
    path = tmp_path / "token"
    path.write_bytes(armour(blob))
    path.chmod(0o600)
    assert refusal(path).startswith("is a key of another kind (sk-ssh-ed25519@openssh.com)")


def armour(blob: bytes) -> bytes:
    begin, end = (f"-----{w} OPENSSH PRIVATE KEY-----\n".encode() for w in ("BEGIN", "END"))
    return begin + base64.encodebytes(blob) + end


@pytest.mark.parametrize("kept", [0, 20, 60, 120, 200])
def test_a_key_that_is_cut_off_is_told(tmp_path, kept):
    inner = b"".join(private_key("ed25519").splitlines()[1:-1])
    path = tmp_path / "cut"
    path.write_bytes(armour(base64.b64decode(inner)[:kept]))
    path.chmod(0o600)
    assert refusal(path) in {"is no OpenSSH private key", "is a damaged private key"}


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_key_that_others_may_touch_is_refused(tmp_path, bits):
    assert refusal(key_file(tmp_path, "ed25519", bits)) == "others may read this private key"


@pytest.mark.parametrize("bits", [0o600, 0o400])
def test_a_key_for_its_holder_alone_is_read(tmp_path, bits):
    assert signing_keys.read(key_file(tmp_path, "ed25519", bits)).fingerprint


def test_what_is_no_file_or_not_there_is_told(tmp_path):
    assert refusal(tmp_path / "nothing") == "cannot be read (No such file or directory)"
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "folder").startswith("cannot be read")


@pytest.fixture
def project(tmp_path) -> Path:
    root = tmp_path / "project"
    (root / "data/sites").mkdir(parents=True)
    (root / "data/secrets").mkdir()
    return root


@pytest.mark.parametrize("folder", [".", "data/secrets", "data/sites"])
def test_no_key_lies_in_a_project(project, folder):
    own = project / folder
    with pytest.raises(SigningKeyError, match="may not lie in a project folder — keep it in"):
        new_key(own, "builder")
    assert not (own / "builder").exists()
    assert refusal(key_file(own, "ed25519")) == "a signing key may not lie in a project folder"


def test_a_link_in_a_project_and_a_link_into_one_are_seen_through(tmp_path, project):
    outside = key_file(tmp_path, "ed25519")
    (project / "link").symlink_to(outside)
    assert "project folder" in refusal(project / "link")
    inside = key_file(project / "data/secrets", "ed25519")
    (tmp_path / "looks-outside").symlink_to(inside)
    assert "project folder" in refusal(tmp_path / "looks-outside")
    (tmp_path / "folder").symlink_to(project / "data/secrets")
    with pytest.raises(SigningKeyError, match="project folder"):
        new_key(tmp_path / "folder", "builder")
    assert signing_keys.read(outside).fingerprint


def test_a_project_that_is_named_need_not_look_like_one(tmp_path):
    (tmp_path / "bare").mkdir()
    path = key_file(tmp_path / "bare", "ed25519")
    assert signing_keys.read(path).fingerprint
    assert "project folder" in refusal(path, tmp_path / "bare")


def test_no_key_lies_in_a_pack(tmp_path):
    pack = pack_of(tmp_path)
    assert refusal(key_file(pack, "ed25519")) == "a signing key may not lie in a pack"
    with pytest.raises(SigningKeyError, match="in a pack"):
        new_key(pack / "data", "builder")
