"""``vpack keygen``, ``sign`` and ``verify --allowed-signers``: what is said, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import signing_keys
from vpack_pipeline_tests.io.signing_bench import (
    SSH_KEYGEN,
    allowed_line,
    key_file,
    needs_ssh_keygen,
    new_key,
    pack_of,
    signer_of,
    state_of,
)


@pytest.fixture
def vpack(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VPACK_ROOT", raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return int(str(left.value.code)), said.out, said.err

    return run


@pytest.fixture
def done(vpack):
    def run(*words: object) -> str:
        code, out, err = vpack(*words)
        assert (code, err) == (0, "")
        return out

    return run


@pytest.fixture
def named(tmp_path) -> Path:
    """A pack that names the holders of ``builder`` and ``clinician``, beside their keys."""
    keys = {role: new_key(tmp_path, role) for role in ("builder", "clinician")}
    lines = [allowed_line(key, f"{role}@test.example") for role, key in keys.items()]
    (tmp_path / "allowed").write_text("\n".join(lines) + "\n")
    return pack_of(tmp_path / "packs", *(signer_of(key, role) for role, key in keys.items()))


def test_a_key_is_made_and_what_others_need_of_it_is_told(done, tmp_path):
    out = done("keygen", "key", "--name", "builder@test.example")
    made = signing_keys.read(tmp_path / "key")
    assert f"  - {{role: ROLE, fingerprint: {made.fingerprint}}}\n" in out
    assert f"  {allowed_line(made, options=chr(34).join(('namespaces=', 'vpack', '')))}\n" in out
    assert (tmp_path / "key").read_text().splitlines()[1] not in out


def test_a_pack_is_signed_by_two_and_verified(done, named):
    out = done("verify", named)
    assert out.count("not signed: ") == 2
    assert done("sign", named, "--key", "builder", "--role", "builder").startswith("signed: ")
    out = done("verify", named.parent.parent / "latest")
    assert "\nsigned: builder SHA256:" in out
    assert "\nnot signed: clinician SHA256:" in out
    assert "\ncompare this digest with the one that the site sent by another way\n" in out
    done("sign", named, "--key", "clinician", "--role", "clinician")
    out = done("verify", named, "--allowed-signers", "allowed")
    assert " by builder@test.example\nsigned: clinician SHA256:" in out
    assert out.endswith(
        "\norigin: signed by builder@test.example, clinician@test.example, whom allowed allows\n"
    )
    again = done("sign", named, "--key", "clinician", "--role", "clinician")
    assert again.startswith("signed already: ")


def test_a_pack_that_not_all_have_signed_has_no_proved_origin(vpack, done, named):
    done("sign", named, "--key", "builder", "--role", "builder")
    code, out, err = vpack("verify", named, "--allowed-signers", "allowed")
    assert code == 1
    assert out.startswith("whole: ")
    assert "origin:" not in out
    assert "clinician SHA256:" in err
    assert "has not signed — ask the sender for the signature" in err


def test_json_says_who_has_signed_and_who_has_not(vpack, done, named):
    done("sign", named, "--key", "builder", "--role", "builder")
    code, out, _ = vpack("verify", named, "--allowed-signers", "allowed", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["is_whole"]
    assert [(s["role"], s["who"]) for s in told["signed"]] == [("builder", "builder@test.example")]
    assert [s["role"] for s in told["not_signed"]] == ["clinician"]
    assert told["unnamed"] == []
    assert [p["what"] for p in told["problems"]] == ["has not signed"]


def test_a_pack_that_names_nobody_says_so_and_who_signed_it(vpack, done, tmp_path):
    new_key(tmp_path, "builder")
    stranger = new_key(tmp_path, "stranger")
    pack = pack_of(tmp_path / "packs")
    assert "\nthe pack names nobody who is to sign it\n" in done("verify", pack)
    done("sign", pack, "--key", "stranger", "--role", "builder")
    out = done("verify", pack)
    # The role of an unnamed key stands in the name of a file alone.
    assert f"\nunknown: {stranger.fingerprint} (signature/builder-" in out
    (tmp_path / "allowed").write_text(allowed_line(stranger, "me@test.example") + "\n")
    out = done("verify", pack, "--allowed-signers", "allowed")
    assert f"\nsigned, and not named by the pack: {stranger.fingerprint} by me@test.example" in out
    assert "\norigin: signed by me@test.example, whom allowed allows\n" in out
    told = json.loads(done("verify", pack, "--json"))["unnamed"]
    assert [s["file"][:18] for s in told] == ["signature/builder-"]


def test_a_signature_that_is_none_of_the_pack_fails_a_plain_verification(vpack, done, named):
    done("sign", named, "--key", "builder", "--role", "builder")
    (path,) = named.glob("signature/*")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:80])
    code, out, err = vpack("verify", named)
    assert code == 1
    assert "\nnot signed: builder" in out
    assert f"signature/{path.name}: is cut off — remove it" in err


def test_what_is_not_whole_is_not_signed(vpack, named):
    (named / "data/claim.json").chmod(0o644)
    (named / "data/claim.json").write_bytes(b"[]")
    code, out, err = vpack("sign", named, "--key", "builder", "--role", "builder")
    assert (code, out) == (1, "")
    assert "data/claim.json: was changed" in err
    assert not (named / "signature").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--role", "builder"), "one of --key and --signature is needed"),
        (("--role", "builder", "--key", "builder", "--signature", "x"), "one of --key and"),
        (("--key", "builder"), "--role: is needed to sign a pack — one of builder, clinician"),
        (("--key", "builder", "--role", "king"), "'king' is not one of"),
        (("--key", "builder", "--role", "clinician"), "the pack does not name SHA256:"),
        (("--key", "nothing", "--role", "builder"), "nothing: cannot be read"),
        (("--signature", "nothing", "--role", "builder"), "nothing: cannot be read"),
        (("--signature", "builder", "--role", "builder"), "builder: is no SSH signature"),
        (("--key", "builder.pub", "--role", "builder"), "builder.pub: is a public key"),
    ],
)
def test_what_cannot_sign_is_refused_in_a_sentence(vpack, named, tmp_path, words, told):
    (tmp_path / "builder.pub").chmod(0o600)
    before = state_of(named)
    code, out, err = vpack("sign", named, *words)
    assert (code, out) == (2, "")
    assert told in err
    assert state_of(named) == before


@pytest.mark.parametrize(
    ("name", "mode", "told"),
    [
        ("rsa", 0o600, "is a key of another kind (ssh-rsa)"),
        ("ecdsa", 0o600, "is a key of another kind (ecdsa-sha2-nistp256)"),
        ("ed25519", 0o644, "others may read this private key — chmod 600 it"),
        ("passphrase", 0o600, "has a passphrase, and vpack asks for none — sign with `ssh-keygen"),
    ],
)
def test_a_key_that_may_not_sign_is_refused_with_the_remedy(vpack, tmp_path, name, mode, told):
    pack = pack_of(tmp_path / "packs")
    key_file(tmp_path, name, mode)
    code, out, err = vpack("sign", pack, "--key", name, "--role", "builder")
    assert (code, out) == (2, "")
    assert f"{name}: {told}" in err
    assert packs.verify(pack) == []
    assert not (pack / "signature").exists()


@pytest.mark.parametrize("how", ["nearest", "--root", "VPACK_ROOT"])
def test_no_key_lies_in_the_project(vpack, tmp_path, monkeypatch, how):
    project = tmp_path / "project"
    (project / ("data/sites" if how == "nearest" else "data/secrets")).mkdir(parents=True)
    if how == "VPACK_ROOT":
        monkeypatch.setenv("VPACK_ROOT", str(project))
    root = ("--root", project) if how == "--root" else ()
    key_file(project, "ed25519")
    pack = pack_of(tmp_path / "packs")
    for words in (
        ("keygen", project / "data/key", "--name", "b@test.example"),
        ("sign", pack, "--role", "builder", "--key", project / "ed25519"),
        ("sign", tmp_path / "file", "--key", project / "ed25519"),
    ):
        (tmp_path / "file").write_text("x")
        code, out, err = vpack(*root, *words)
        assert (code, out) == (2, "")
        assert "a signing key may not lie in a project folder — keep it in a folder" in err
    assert not (project / "data/key").exists()


def test_a_single_file_is_signed_beside_itself_and_verified(vpack, done, tmp_path):
    """A plan or an attestation, without a pack."""
    key = new_key(tmp_path, "clinician")
    (tmp_path / "plan.yaml").write_text("plan: 1\n")
    out = done("sign", "plan.yaml", "--key", "clinician")
    assert out == f"signed: plan.yaml.sig, by {key.fingerprint}\n"
    assert done("sign", "plan.yaml", "--key", "clinician") == out
    assert f"signed: {key.fingerprint}\n" in done("verify", "plan.yaml")
    (tmp_path / "allowed").write_text(allowed_line(key, "dr@test.example") + "\n")
    said = done("verify", "plan.yaml", "--allowed-signers", "allowed")
    assert said == f"signed: {key.fingerprint} by dr@test.example\n"
    told = json.loads(done("verify", "plan.yaml", "--allowed-signers", "allowed", "--json"))
    assert (told["who"], told["problems"]) == ("dr@test.example", [])
    (tmp_path / "plan.yaml").write_text("plan: 2\n")
    code, out, err = vpack("verify", "plan.yaml", "--json")
    assert code == 1
    assert json.loads(out)["problems"] == [
        {"where": "plan.yaml.sig", "what": "is a signature of something else"}
    ]
    assert "plan.yaml.sig: is a signature of something else" in err
    code, _, err = vpack("sign", "plan.yaml", "--key", "clinician")
    assert code == 2
    assert "is there already, and is no signature of this file by this key — move it" in err


def test_a_single_file_signed_by_somebody_else_is_told(vpack, done, tmp_path):
    new_key(tmp_path, "stranger")
    key = new_key(tmp_path, "clinician")
    (tmp_path / "plan.yaml").write_text("plan: 1\n")
    done("sign", "plan.yaml", "--key", "stranger")
    for line, told in (
        (allowed_line(key), "is by nobody in the file of allowed signers"),
        (
            allowed_line(signing_keys.read(tmp_path / "stranger"), "*"),
            "allowed:1: the signer is a pattern, which names nobody",
        ),
    ):
        (tmp_path / "allowed").write_text(line + "\n")
        code, out, err = vpack("verify", "plan.yaml", "--allowed-signers", "allowed")
        assert (code, out) == (1, "")
        assert told in err


def test_a_file_without_a_signature_is_no_pack(vpack, tmp_path):
    (tmp_path / "plan.yaml").write_text("plan: 1\n")
    code, _, err = vpack("verify", "plan.yaml")
    assert code == 2
    assert "or a file that has its signature beside it, as FILE.sig" in err


def test_a_file_of_a_pack_is_not_signed_alone(vpack, tmp_path):
    new_key(tmp_path, "builder")
    pack = pack_of(tmp_path / "packs")
    for name in ("data/drift/plan.json", "tagmanifest-sha256.txt"):
        code, _, err = vpack("sign", pack / name, "--key", "builder")
        assert code == 2
        assert "is part of a pack, to which nothing is added — sign the pack, or a copy" in err
    assert packs.verify(pack) == []
    (tmp_path / "plan.json").write_bytes((pack / "data/drift/plan.json").read_bytes())
    code, _, err = vpack("sign", "plan.json", "--key", "builder", "--role", "builder")
    assert code == 2
    assert "is signed with --key alone" in err


def test_a_file_of_allowed_signers_that_cannot_be_read_is_refused_first(vpack, tmp_path):
    pack = pack_of(tmp_path / "packs")
    (tmp_path / "allowed").write_text("builder@test.example ssh-ed25519 AAAA\n")
    code, out, err = vpack("verify", pack, "--allowed-signers", "allowed")
    assert (code, out) == (2, "")
    assert "allowed:1: has a key that is not whole — see ALLOWED SIGNERS in" in err


@needs_ssh_keygen
def test_stock_tools_check_origin_in_the_three_lines_of_the_documents(done, named, tmp_path):
    done("sign", named, "--key", "builder", "--role", "builder")
    document = (Path(__file__).parents[2] / "docs/signing.md").read_text("utf-8")
    (block,) = [b for b in document.split("```") if "ssh-keygen -Y verify" in b]
    lines = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    assert len(lines) == 3
    script = "set -e\n" + "\n".join(lines).replace("../allowed", str(tmp_path / "allowed"))
    (signature,) = named.glob("signature/builder-*")
    script = script.replace("signature/builder-0123456789abcdef.sig", f"signature/{signature.name}")
    script = script.replace("builder@vendor.example", "builder@test.example")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script],
            cwd=named,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    good = run()
    assert good.returncode == 0, good.stdout + good.stderr
    assert 'Good "vpack" signature for builder@test.example' in good.stdout
    for name in ("data/claim.json", "manifest-sha256.txt", "tagmanifest-sha256.txt"):
        content = (named / name).read_bytes()
        (named / name).chmod(0o644)
        (named / name).write_bytes(content[:-2] + b"\n")
        assert run().returncode != 0
        (named / name).write_bytes(content)


@needs_ssh_keygen
def test_a_key_with_a_passphrase_signs_by_way_of_ssh_keygen(done, tmp_path):
    """The remedy that a key with a passphrase is refused with, followed to the letter."""
    assert SSH_KEYGEN is not None
    new = [SSH_KEYGEN, "-q", "-t", "ed25519", "-N", "a passphrase", "-f", "passphrase"]
    subprocess.run(new, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    pack = pack_of(tmp_path / "packs")
    asked = tmp_path / "ask"
    asked.write_text("#!/bin/sh\necho 'a passphrase'\n")
    asked.chmod(0o700)
    script = (
        f"{SSH_KEYGEN} -Y sign -n vpack -f passphrase < {pack}/tagmanifest-sha256.txt > tag.sig"
    )
    subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={"SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    said = done("sign", pack, "--signature", "tag.sig", "--role", "builder")
    assert said.startswith("signed: ")
    assert "\nunknown: SHA256:" in done("verify", pack)


def test_verification_imports_cryptography_only_where_there_is_a_signature(tmp_path, done, named):
    code = (
        "import sys\n"
        "from vpack_pipeline.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit as left:\n"
        "    assert left.code == 0, left.code\n"
        "print({n.partition('.')[0] for n in sys.modules} & {'cryptography', 'pydantic', 'yaml'})\n"
    )

    def imported(*words: object) -> str:
        run = subprocess.run(
            [sys.executable, "-c", code, *map(str, words)],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        return run.stdout.splitlines()[-1]

    assert imported("verify", named) == "set()"
    done("sign", named, "--key", "builder", "--role", "builder")
    assert imported("verify", named) == "{'cryptography'}"
