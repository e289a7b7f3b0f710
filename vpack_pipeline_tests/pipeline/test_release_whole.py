"""A release is whole, signed where a key is, for those whom the site names, and never half made."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vpack_pipeline.assets.release import COVER_NOTE
from vpack_pipeline.errors import VerificationError
from vpack_pipeline.io import packs
from vpack_pipeline.io.packs import store
from vpack_pipeline_tests.io.signing_bench import allowed_line, new_key, signer_of
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE
from vpack_pipeline_tests.pipeline.release_bench import (
    BOARD,
    contents,
    hand_out,
    ledger_path,
    refusal,
)

Vpack = Callable[..., tuple[int, str, str]]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    return folder


def test_a_release_is_signed_before_it_is_zipped(
    own: Path, keys: Path, tmp_path: Path, vpack: Vpack
) -> None:
    key = new_key(keys, "builder")
    code, out, _ = vpack(
        own, "release", SITE, "--to", BOARD, "--key", str(keys / "builder"), "--role", "builder"
    )
    assert code == 0
    assert f"signed, and not named by the pack: {key.fingerprint}\n" in out
    (zipped,) = (own / "data/releases" / SITE).glob("*.zip")
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path / "out")
    note = (tmp_path / "out" / COVER_NOTE).read_text()
    assert "--allowed-signers FILE` says whose they are" in note
    (folder,) = (p for p in (tmp_path / "out").iterdir() if p.is_dir())
    (tmp_path / "allowed").write_text(allowed_line(key) + "\n")
    code, out, _ = vpack(own, "verify", str(folder), "--allowed-signers", str(tmp_path / "allowed"))
    assert code == 0
    assert "origin: signed by builder@test.example" in out


def test_named_signers_sign_a_release_one_after_another(
    own: Path, keys: Path, vpack: Vpack, assume: Callable[..., None]
) -> None:
    assume()
    builder, clinician = new_key(keys, "builder"), new_key(keys, "clinician")
    new_key(keys, "stranger")
    named = [("builder", builder), ("clinician", clinician)]
    bench.edit(
        own / "data/sites" / SITE / "site.yaml",
        lambda site: site.update(
            signers=[{"role": role, "fingerprint": key.fingerprint} for role, key in named]
        ),
    )
    ran = bench.run(own, as_of=LOOK)
    assert ran.result.success, ran.errors
    words = ("release", SITE, "--key", str(keys / "stranger"), "--role", "builder")
    code, _, err = vpack(own, *words)
    assert code == 2
    assert "the pack does not name" in err
    assert not (own / "data/releases").exists(), "refused before anything was made"
    assert not ledger_path(own).exists()
    words = ("release", SITE, "--key", str(keys / "builder"), "--role", "builder")
    code, out, _ = vpack(own, *words)
    assert code == 0
    assert f"signed: {signer_of(builder)}\n" in out
    assert f"not signed: {signer_of(clinician, 'clinician')}\n" in out
    (sign,) = [line.strip() for line in out.splitlines() if "vpack sign" in line]
    ready = sign.removeprefix("vpack ").replace("KEY", str(keys / "clinician")).split()
    assert vpack(own, *ready)[0] == 0
    code, out, _ = vpack(own, "release", SITE)
    assert (code, out.startswith("released before")) == (0, True)
    assert "not signed" not in out
    told = json.loads(vpack(own, "release", SITE, "--json")[1])
    assert told["signed"] == [f"{role} {key.fingerprint}" for role, key in named]
    assert told["not_signed"] == []
    signed = {name for name in contents(Path(told["zip"])) if "/signature/" in name}
    assert len(signed) == 2


BAD_KEYS = {
    "no role": (("--key", "{key}"), "--role: is needed to sign a release"),
    "no key": (("--role", "builder"), "give --key too"),
    "in the project": (("--key", "{inside}", "--role", "builder"), "may not lie in a project"),
    "not there": (("--key", "{key}.no", "--role", "builder"), "cannot be read"),
}


@pytest.mark.parametrize("bad", BAD_KEYS)
def test_a_key_that_cannot_sign_is_refused_before_anything_is_made(
    own: Path, keys: Path, vpack: Vpack, bad: str
) -> None:
    new_key(keys, "builder")
    inside = own / "data" / "builder"
    shutil.copy(keys / "builder", inside)
    words, told = BAD_KEYS[bad]
    given = [w.format(key=keys / "builder", inside=inside) for w in words]
    code, out, err = vpack(own, "release", SITE, *given)
    assert (code, out) == (2, "")
    assert told in err
    assert not (own / "data" / "releases").exists()


def test_what_was_put_into_a_release_is_not_handed_out(own: Path) -> None:
    made = hand_out(own)
    zipped = made.zip.read_bytes()
    (made.path / "notes.txt").write_text("x")
    assert "notes.txt: is not part of the pack" in refusal(own, VerificationError)
    (made.path / "notes.txt").unlink()
    (made.path / "signature").mkdir()
    forged = made.path / "signature" / "builder-0123456789abcdef.sig"
    forged.write_bytes(b"signed")
    assert "signature/builder-0123456789abcdef.sig" in refusal(own, VerificationError)
    assert made.zip.read_bytes() == zipped
    forged.unlink()
    (made.path / "signature").rmdir()
    assert hand_out(own).zip.read_bytes() == zipped


@pytest.mark.parametrize(
    ("named", "of_file", "of_folder"),
    [(None, 0o440, 0o750), ("owner", 0o400, 0o700), ("everyone", 0o444, 0o755)],
)
def test_a_release_is_for_those_whom_the_site_names_and_its_ledger_for_one_account(
    own: Path, named: str | None, of_file: int, of_folder: int
) -> None:
    if named is not None:
        path = own / "data/sites" / SITE / "site.yaml"
        bench.edit(path, lambda site: site.update(pack_mode=named))
    before = os.umask(0)
    try:
        made = hand_out(own)
    finally:
        os.umask(before)
    assert {mode(p) for p in made.path.rglob("*") if p.is_file()} | {mode(made.zip)} == {of_file}
    folders = {made.path, made.path.parent, made.path.parent.parent}
    assert {mode(p) for p in folders} == {of_folder}
    state = ledger_path(own).parent
    assert mode(state) == 0o700
    assert {mode(p) for p in state.iterdir()} == {0o400}
    assert mode(own / "data/state/.releases.lock") == 0o600


def failing(*_: object, **__: object) -> None:
    raise VerificationError([])


def test_a_release_that_was_never_whole_is_not_in_the_ledger(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next one would have to quote what nobody has."""
    monkeypatch.setattr(store, "_demand_whole", failing)
    with pytest.raises(VerificationError):
        hand_out(own)
    assert not ledger_path(own).exists()
    monkeypatch.undo()
    assert hand_out(own).is_new


def test_a_ledger_that_cannot_be_written_keeps_the_release_from_appearing(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vpack_pipeline.assets.release.releases.write_ledger", failing)
    with pytest.raises(VerificationError):
        hand_out(own)
    assert packs.versions(own / "data/releases", SITE) == []
    assert not list((own / "data/releases").rglob("*.zip"))
    monkeypatch.undo()
    assert hand_out(own).is_new


def test_a_full_disk_is_said_and_leaves_nothing(
    own: Path, vpack: Vpack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "_write", full)
    code, out, err = vpack(own, "release", SITE)
    assert (code, out) == (3, "")
    assert "No space left on device" in err
    assert not ledger_path(own).exists()
    monkeypatch.undo()
    assert hand_out(own).is_new


def test_a_release_is_no_pack_of_the_site(own: Path) -> None:
    """Moved among the published packs it is a stranger there: no record of it is signed."""
    made = hand_out(own)
    target = own / "data/packs" / SITE / "versions"
    shutil.copytree(made.path, target / made.version)
    shutil.copy(made.path.with_name(f"{made.version}.build.json"), target)
    assert made.version in refusal(own)
