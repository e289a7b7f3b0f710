"""Signatures of packs: the only thing that may be added, atomically, and never of another pack."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import unicodedata
import zipfile
from pathlib import Path

import pytest

from vpack_pipeline import contracts, source_digest
from vpack_pipeline.errors import UsageError
from vpack_pipeline.gate import digests
from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import (
    allowed_signers,
    bag,
    signatures,
    signing_keys,
    ssh_signature,
)
from vpack_pipeline.pack_format.allowed_signers import AllowedSigners
from vpack_pipeline.pack_format.signers import SIGNERS, Signer, list_signers, named_signers
from vpack_pipeline.pack_format.signing_keys import SigningKey
from vpack_pipeline_tests.io.signing_bench import (
    SSH_KEYGEN,
    allowed_line,
    armoured,
    key_file,
    needs_ssh_keygen,
    new_key,
    pack_of,
    packed,
    page_of,
    signer_of,
    state_of,
    stock_verdict,
    stored,
)
from vpack_pipeline_tests.io.test_packs_verify import rehash, whats

LISTED = f"data/{SIGNERS}"


@pytest.fixture(scope="module")
def builder(tmp_path_factory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("builder"), "builder")


@pytest.fixture(scope="module")
def clinician(tmp_path_factory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("clinician"), "clinician")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture
def pack(tmp_path, builder, clinician) -> Path:
    """A published pack that names a builder and a clinician."""
    return pack_of(tmp_path / "packs", signer_of(builder), signer_of(clinician, "clinician"))


def trusted(folder: Path, *lines: str) -> AllowedSigners:
    (folder / "allowed").write_text("\n".join(lines) + "\n")
    return allowed_signers.read(folder / "allowed")


def told(origin: signatures.Origin) -> tuple[list[str], list[str], list[str], list[str]]:
    return (
        [s.signer.role for s in origin.signed],
        [s.role for s in origin.missing],
        [s.signer.fingerprint for s in origin.unnamed],
        [f"{p.where}: {p.what}" for p in origin.problems],
    )


def place(pack: Path, key: SigningKey, role: str = "builder") -> Path:
    return pack / "signature" / f"{role}-{ssh_signature.short_name(key.public)}.sig"


def put(pack: Path, key: SigningKey, text: bytes, role: str = "builder") -> Path:
    path = place(pack, key, role)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    return path


def test_a_pack_says_whom_it_names_and_who_of_them_has_signed(pack, builder, clinician):
    assert named_signers(pack) == (signer_of(builder), signer_of(clinician, "clinician"))
    assert told(signatures.origin(pack)) == ([], ["builder", "clinician"], [], [])
    signatures.sign(pack, "clinician", clinician)
    assert told(signatures.origin(pack)) == (["clinician"], ["builder"], [], [])
    signatures.sign(pack, "builder", builder)
    assert told(signatures.origin(pack)) == (["builder", "clinician"], [], [], [])
    assert packs.verify(pack) == []


def test_a_signature_is_added_and_nothing_else_is_touched(pack, builder, clinician):
    before = state_of(pack)
    path, is_new = signatures.sign(pack, "builder", builder)
    assert is_new
    after = state_of(pack)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"signature", path}
    assert (pack / path).stat().st_mode == (pack / bag.TAG_MANIFEST).stat().st_mode
    assert (pack / "signature").stat().st_mode == pack.stat().st_mode
    signatures.sign(pack, "clinician", clinician)
    again = state_of(pack)
    assert {n: again[n] for n in after if n != "signature"} == {
        n: after[n] for n in after if n != "signature"
    }
    assert [p.name for p in pack.parent.iterdir() if p.name.startswith(".")] == []


def test_signing_twice_writes_nothing(pack, builder):
    signatures.sign(pack, "builder", builder)
    before = state_of(pack)
    _, is_new = signatures.sign(pack, "builder", builder)
    assert not is_new
    assert state_of(pack) == before


def test_signers_at_the_same_moment_all_find_their_signature(tmp_path):
    keys = [new_key(tmp_path, f"key-{i}") for i in range(8)]
    for turn in range(5):
        pack = pack_of(tmp_path / str(turn))
        start = threading.Barrier(len(keys))

        def sign(key: SigningKey, pack: Path = pack, start: threading.Barrier = start) -> None:
            start.wait()
            signatures.sign(pack, "builder", key)

        threads = [threading.Thread(target=sign, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {s.signer.fingerprint for s in signatures.origin(pack).unnamed} == {
            k.fingerprint for k in keys
        }
        assert packs.verify(pack) == []


CRASH = """
import os, sys
from pathlib import Path
from vpack_pipeline.pack_format import signatures, signing_keys
key = signing_keys.read(Path(sys.argv[2]))
calls = 0
def counted(real):
    def call(*words, **named):
        global calls
        calls += 1
        if calls > int(sys.argv[3]):
            os._exit(9)
        return real(*words, **named)
    return call
for name in ("mkdir", "fsync", "chmod", "rename", "open"):
    setattr(os, name, counted(getattr(os, name)))
signatures.sign(Path(sys.argv[1]), "builder", key)
"""


def test_a_crash_at_any_moment_leaves_a_whole_pack_signed_or_not(tmp_path):
    new_key(tmp_path, "builder")
    outcomes = []
    for moment in range(40):
        root = tmp_path / f"packs-{moment}"
        pack = pack_of(root)
        words = [sys.executable, "-c", CRASH, str(pack), str(tmp_path / "builder"), str(moment)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 9), done.stderr
        assert packs.verify(pack) == []
        origin = signatures.origin(pack)
        assert origin.problems == ()
        outcomes.append((done.returncode, len(origin.unnamed)))
        pack_of(root, cut="2026-01-06")
        assert not list(pack.parent.glob(".signing-*"))
        if done.returncode == 0:
            break
    assert outcomes[-1] == (0, 1)
    assert (9, 0) in outcomes
    assert (9, 1) in outcomes


def test_a_key_that_the_pack_does_not_name_signs_in_no_role(pack, builder, stranger):
    for key, role in ((stranger, "builder"), (builder, "clinician"), (builder, "statistician")):
        with pytest.raises(UsageError, match=re.escape(f"does not name {key.fingerprint} as")):
            signatures.sign(pack, role, key)
    assert not (pack / "signature").exists()


def test_where_nobody_is_named_anybody_may_sign_and_is_told_as_unnamed(tmp_path, stranger):
    pack = pack_of(tmp_path)
    signatures.sign(pack, "builder", stranger)
    assert told(signatures.origin(pack)) == ([], [], [stranger.fingerprint], [])


def test_the_role_in_the_name_of_a_file_proves_nothing(pack, builder):
    """Whoever renames a builder's signature makes nobody a clinician."""
    path, _ = signatures.sign(pack, "builder", builder)
    (pack / path).rename(place(pack, builder, "clinician"))
    assert packs.verify(pack) == []
    assert told(signatures.origin(pack)) == (
        [],
        ["builder", "clinician"],
        [builder.fingerprint],
        [],
    )


def test_a_signature_of_another_pack_is_none_of_this_one(pack, tmp_path, builder):
    other = pack_of(tmp_path / "other", signer_of(builder), cut="2026-02-02")
    path, _ = signatures.sign(other, "builder", builder)
    copied = put(pack, builder, (other / path).read_bytes())
    assert packs.verify(pack) == []
    signed, missing, _, problems = told(signatures.origin(pack))
    assert (signed, missing) == ([], ["builder", "clinician"])
    assert problems == [f"{copied.relative_to(pack)}: is a signature of something else"]
    with pytest.raises(UsageError, match="remove it and sign again"):
        signatures.sign(pack, "builder", builder)


def test_a_signature_of_the_payloads_manifest_is_none_of_the_pack(pack, builder):
    put(pack, builder, builder.sign((pack / bag.MANIFEST).read_bytes()))
    assert told(signatures.origin(pack))[3][0].endswith("is a signature of something else")


@pytest.mark.parametrize("kept", [0, 1, 40, 150, 290])
def test_a_truncated_signature_is_told_by_name(pack, builder, kept):
    text = builder.sign((pack / bag.TAG_MANIFEST).read_bytes())
    path = put(pack, builder, text[:kept])
    (problem,) = signatures.origin(pack).problems
    assert problem.where == path.relative_to(pack).as_posix()
    assert problem.what in {"is cut off", "is no SSH signature"}


@pytest.mark.parametrize(
    ("namespace", "is_ours"), [(b"git", False), (b"file", False), (b"vpack", True)]
)
def test_a_signature_under_another_namespace_is_none(pack, builder, namespace, is_ours):
    digest = hashlib.sha512((pack / bag.TAG_MANIFEST).read_bytes()).digest()
    to_sign = b"SSHSIG" + packed(namespace, b"", b"sha512", digest)
    value = packed(b"ssh-ed25519", builder.private.sign(to_sign))
    rest = packed(builder.public, namespace, b"", b"sha512", value)
    put(pack, builder, armoured(b"SSHSIG\0\0\0\x01" + rest))
    signed, _, _, problems = told(signatures.origin(pack))
    assert signed == ["builder"][: int(is_ours)]
    assert [p.partition(": ")[2] for p in problems] == [
        "was made for another purpose than vpack"
    ] * (not is_ours)


@pytest.mark.parametrize("name", ["message.rsa.sig", "message.ecdsa.sig"])
def test_a_signature_with_a_key_of_another_kind_is_told(pack, builder, name):
    put(pack, builder, stored(name))
    assert "has a key of another kind" in told(signatures.origin(pack))[3][0]


def test_a_signature_named_after_another_key_is_told(pack, builder, clinician):
    put(pack, builder, clinician.sign((pack / bag.TAG_MANIFEST).read_bytes()))
    assert told(signatures.origin(pack))[3][0].endswith(
        "is named after another key than the one that made it"
    )


@pytest.mark.parametrize(
    "name",
    [
        "signature/builder-0123456789abcde.sig",
        "signature/builder-0123456789abcdeg.sig",
        "signature/Builder-0123456789abcdef.sig",
        "signature/reader-0123456789abcdef.sig",
        "signature/builder-0123456789abcdef.sig.txt",
        "signature/deeper/builder-0123456789abcdef.sig",
        "signature/.builder-0123456789abcdef.sig",
        "signature/readme.txt",
        "signatures/builder-0123456789abcdef.sig",
        "builder-0123456789abcdef.sig",
        "data/signature/builder-0123456789abcdef.sig",
    ],
)
def test_nothing_but_a_signatures_name_is_accepted(pack, name):
    (pack / name).parent.mkdir(parents=True, exist_ok=True)
    (pack / name).write_text("x")
    assert f"{name}: is not part of the pack" in whats(pack)


def test_a_signature_is_no_link(pack, builder, tmp_path):
    text = builder.sign((pack / bag.TAG_MANIFEST).read_bytes())
    (tmp_path / "s").write_bytes(text)
    put(pack, builder, b"").unlink()
    place(pack, builder).symlink_to(tmp_path / "s")
    assert any("is a link or no regular file" in what for what in whats(pack))


def test_a_signed_file_below_signature_cannot_be_hidden_in_the_manifest(pack, builder):
    path = put(pack, builder, b"x").relative_to(pack).as_posix()
    with (pack / bag.MANIFEST).open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write(f"{'0' * 64}  {path}\n{text}")
    assert {f"{path}: was changed", f"{path}: lies outside the payload"} <= whats(pack)


@pytest.mark.parametrize(
    "listed",
    [
        b"",
        b"{}",
        b"[]",
        b'{"signers": []}',
        b'{"signers": [{"role": "builder"}]}',
        b'{"signers": [{"role": "king", "fingerprint": "SHA256:' + b"A" * 43 + b'"}]}',
        b'{"signers": [{"role": "builder", "fingerprint": 7}]}',
        b'{"signers": [{"role": "builder", "fingerprint": "SHA256:AAAA"}]}',
        b'{"signers": ' + b"[" * 100_000,
    ],
)
def test_a_list_of_signers_that_is_none_is_told(pack, listed):
    (pack / LISTED).chmod(0o644)
    (pack / LISTED).write_bytes(listed)
    assert f"{LISTED}: is no list of signers" in whats(pack)


def test_a_list_and_a_first_page_that_differ_are_told_even_hashed_anew(pack, builder):
    """A forger takes the clinician from the list, or from the page, or turns them round."""
    page, listed = (pack / "data/report.html"), pack / LISTED
    both = named_signers(pack)
    whole = (page.read_bytes(), listed.read_bytes())
    for path in pack.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    for forged_page, forged_list in (
        (page_of(*both), list_signers(both[:1])),
        (page_of(*both[:1]), list_signers(both)),
        (page_of(), list_signers(both)),
        (page_of(*reversed(both)), list_signers(both)),
        (page_of(*both), None),
    ):
        page.write_bytes(forged_page)
        listed.unlink(missing_ok=True)
        if forged_list is not None:
            listed.write_bytes(forged_list)
        rehash(pack)
        assert f"{LISTED}: names other signers than the report's first page" in whats(pack)
    page.write_bytes(whole[0])
    listed.write_bytes(whole[1])
    rehash(pack)
    assert packs.verify(pack) == []


def test_a_list_that_is_a_link_is_not_followed(pack, tmp_path):
    (pack / LISTED).rename(tmp_path / "list")
    (pack / LISTED).symlink_to(tmp_path / "list")
    assert f"{LISTED}: is no list of signers" in whats(pack)


def test_a_payload_that_was_changed_and_hashed_anew_has_lost_its_signatures(pack, builder):
    """What agrees in itself is noticed by signature alone."""
    signatures.sign(pack, "builder", builder)
    for path in pack.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    (pack / "data/claim.json").write_bytes(b"[]\n")
    rehash(pack)
    signed, missing, _, problems = told(signatures.origin(pack))
    assert (signed, missing) == ([], ["builder", "clinician"])
    assert problems[0].endswith("is a signature of something else")


def test_a_file_of_allowed_signers_says_who_signed(pack, tmp_path, builder, clinician, stranger):
    both = [allowed_line(builder), allowed_line(clinician, "dr@test.example")]
    signatures.sign(pack, "builder", builder)
    found = signatures.origin(pack, trusted(tmp_path, *both))
    assert [(s.signer.role, s.who) for s in found.signed] == [("builder", "builder@test.example")]
    assert told(found)[3] == [f"clinician {clinician.fingerprint}: has not signed"]
    signatures.sign(pack, "clinician", clinician)
    found = signatures.origin(pack, trusted(tmp_path, *both))
    assert [s.who for s in found.signed] == ["builder@test.example", "dr@test.example"]
    assert found.problems == ()
    # Who is not in the file is not known, whatever the pack says of itself.
    found = signatures.origin(pack, trusted(tmp_path, both[0]))
    assert told(found)[3] == [f"clinician {clinician.fingerprint}: is not in {tmp_path}/allowed"]
    found = signatures.origin(pack, trusted(tmp_path, allowed_line(stranger)))
    assert len(found.problems) == 2


def test_a_pack_whose_maker_named_himself_is_known_to_nobody(tmp_path, builder, stranger):
    """A forger builds a pack of his own, names himself, and signs it."""
    pack = pack_of(tmp_path / "packs", signer_of(stranger))
    signatures.sign(pack, "builder", stranger)
    assert told(signatures.origin(pack)) == (["builder"], [], [], [])
    found = signatures.origin(pack, trusted(tmp_path, allowed_line(builder)))
    assert told(found)[3] == [f"builder {stranger.fingerprint}: is not in {tmp_path}/allowed"]


@pytest.mark.parametrize(
    ("options", "who", "why"),
    [
        ('valid-before="20200101"', "builder", "the key is no longer valid (valid-before)"),
        ("cert-authority", "builder", "the key is there only for certificates (cert-authority)"),
        ('namespaces="git"', "builder", "the key may not sign for vpack (namespaces)"),
        ("", "*@test.example", "the signer is a pattern, which names nobody"),
    ],
)
def test_a_line_that_does_not_allow_a_signer_is_told_by_its_number(
    tmp_path, builder, options, who, why
):
    pack = pack_of(tmp_path / "packs", signer_of(builder))
    signatures.sign(pack, "builder", builder)
    allowed = trusted(tmp_path, "# one", allowed_line(builder, who, options))
    found = signatures.origin(pack, allowed, moment=1_800_000_000.0)
    assert told(found)[3] == [f"{tmp_path}/allowed:2: {why}"]


def test_of_a_pack_that_names_nobody_one_allowed_signature_is_enough(tmp_path, builder, stranger):
    pack = pack_of(tmp_path / "packs")
    allowed = trusted(tmp_path, allowed_line(builder))
    assert told(signatures.origin(pack, allowed))[3] == ["signature/: nobody has signed this pack"]
    signatures.sign(pack, "builder", stranger)
    assert told(signatures.origin(pack, allowed))[3] == [
        f"builder {stranger.fingerprint}: is not in {tmp_path}/allowed"
    ]
    signatures.sign(pack, "builder", builder)
    found = signatures.origin(pack, allowed)
    assert found.problems == ()
    assert {s.who for s in found.unnamed} == {"builder@test.example", ""}


@needs_ssh_keygen
def test_ssh_keygen_says_the_same_of_a_pack_and_of_a_forged_one(pack, tmp_path, builder, stranger):
    path, _ = signatures.sign(pack, "builder", builder)
    message = (pack / bag.TAG_MANIFEST).read_bytes()
    trusted(tmp_path, allowed_line(builder, options='namespaces="vpack"'))
    who, allowed = "builder@test.example", tmp_path / "allowed"
    assert stock_verdict(message, pack / path, allowed, who)
    assert not stock_verdict(message + b"\n", pack / path, allowed, who)
    assert not stock_verdict(message, pack / path, allowed, "stranger@test.example")
    assert not stock_verdict(message, pack / path, allowed, who, namespace="file")
    forged = tmp_path / "forged.sig"
    forged.write_bytes(stranger.sign(message))
    assert not stock_verdict(message, forged, allowed, who)


@needs_ssh_keygen
@pytest.mark.parametrize("hash_name", ["sha512", "sha256"])
def test_a_signature_that_ssh_keygen_made_is_added(tmp_path, hash_name):
    """So a key with a passphrase, or in an agent, can sign as well."""
    assert SSH_KEYGEN is not None
    path = key_file(tmp_path, "ed25519")
    key = signing_keys.read(path)
    pack = pack_of(tmp_path / "packs", signer_of(key))
    done = subprocess.run(
        [SSH_KEYGEN, "-Y", "sign", "-q", "-n", "vpack", "-O", f"hashalg={hash_name}", "-f", path],
        input=(pack / bag.TAG_MANIFEST).read_bytes(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    added, is_new = signatures.add(pack, "builder", done.stdout, "stock.sig")
    assert is_new
    assert (pack / added).read_bytes() == done.stdout
    assert told(signatures.origin(pack)) == (["builder"], [], [], [])
    assert signatures.sign(pack, "builder", key) == (added, False)


def test_a_signature_of_something_else_or_by_another_is_not_added(pack, stranger):
    message = (pack / bag.TAG_MANIFEST).read_bytes()
    for text, why in (
        (stranger.sign(b"x"), "given.sig: is a signature of something else"),
        (stored("message.file.sig"), "given.sig: was made for another purpose than vpack"),
        (stored("message"), "given.sig: is no SSH signature"),
        (stranger.sign(message), f"the pack does not name {stranger.fingerprint} as"),
    ):
        with pytest.raises(UsageError, match=re.escape(why)):
            signatures.add(pack, "builder", text, "given.sig")
    assert not (pack / "signature").exists()


def unzipped(pack: Path, to: Path, rename=str) -> Path:
    """Send a pack as a ZIP file: modes, times and links are lost; names may be changed."""
    archive = to / "pack.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(pack.rglob("*")):
            if path.is_file():
                file.writestr(rename(path.relative_to(pack).as_posix()), path.read_bytes())
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            # As it stands: zipfile itself would turn a backslash only where Windows runs.
            target = to / "received" / info.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read(info))
            target.chmod(0o777)
    return to / "received"


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


@pytest.mark.parametrize("rename", [str, decomposed], ids=["as it is", "as macOS writes names"])
def test_a_pack_that_was_zipped_and_unzipped_elsewhere_is_as_signed_as_before(
    pack, tmp_path, builder, clinician, rename
):
    signatures.sign(pack, "builder", builder)
    signatures.sign(pack, "clinician", clinician)
    received = unzipped(pack, tmp_path, rename)
    assert packs.verify(received) == []
    lines = [allowed_line(builder), allowed_line(clinician, "dr@test.example")]
    found = signatures.origin(received, trusted(tmp_path, *lines))
    assert told(found) == (["builder", "clinician"], [], [], [])


def test_a_signature_whose_lines_windows_ended_is_as_good(pack, tmp_path, builder):
    path, _ = signatures.sign(pack, "builder", builder)
    received = unzipped(pack, tmp_path)
    (received / path).write_bytes((pack / path).read_bytes().replace(b"\n", b"\r\n"))
    assert packs.verify(received) == []
    assert told(signatures.origin(received))[0] == ["builder"]


@pytest.mark.parametrize(
    ("rename", "expected"),
    [
        (str.upper, {"bagit.txt: is missing: this is no whole pack"}),
        (
            lambda name: name.replace("-", "_"),
            {"manifest-sha256.txt: is missing: this is no whole pack"},
        ),
        (
            lambda name: name.replace("/", "\\"),
            {"data/claim.json: is missing", "data\\claim.json: is not part of the pack"},
        ),
    ],
    ids=["upper case", "no hyphens", "backslashes"],
)
def test_names_that_a_tool_changed_are_told(pack, tmp_path, builder, rename, expected):
    signatures.sign(pack, "builder", builder)
    assert expected <= whats(unzipped(pack, tmp_path, rename))


def test_a_pack_on_a_full_or_read_only_disk_says_so_and_is_left_as_it_was(
    pack, builder, monkeypatch
):
    before = state_of(pack)
    for refused in ("mkdir", "rename", "fsync"):
        with monkeypatch.context() as patched:
            patched.setattr(os, refused, _refuse)
            with pytest.raises(UsageError, match=r"cannot be written \(No space left") as caught:
                signatures.sign(pack, "builder", builder)
        assert "sign a copy of the pack" in caught.value.problems[0].remedy
        assert state_of(pack) == before
        assert not list(pack.parent.glob(".signing-*"))


def _refuse(*_words: object, **_named: object) -> None:
    raise OSError(28, "No space left on device")


def test_the_payload_lists_signers_only_where_some_are_named(tmp_path, builder):
    named = pack_of(tmp_path / "a", signer_of(builder))
    assert json.loads((named / LISTED).read_bytes()) == {
        "signers": [{"role": "builder", "fingerprint": builder.fingerprint}]
    }
    assert not (pack_of(tmp_path / "b") / LISTED).exists()
    assert named_signers(pack_of(tmp_path / "b")) == ()
    assert str(Signer("builder", "SHA256:x")) == "builder SHA256:x"


def test_no_table_is_computed_again_because_signing_has_changed():
    signing = {
        f"vpack_pipeline.pack_format.{m}" for m in ("signatures", "ssh_signature", "signing_keys")
    }
    for asset, contract in contracts.load().items():
        assert not signing & source_digest.closure(digests.roots(contract)), asset
