"""Signers from ``site.yaml`` to the pack; signed packs live on through later builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import signatures
from vpack_pipeline.pack_format.signers import named_signers
from vpack_pipeline_tests.io.signing_bench import allowed_line, new_key, signer_of, state_of
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE


def newest(root: Path) -> Path:
    found = packs.latest(root / "data/packs", SITE)
    assert found is not None
    return found.path


def test_a_sites_signers_sign_and_later_builds_leave_signed_packs_as_they_are(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    builder, stranger = new_key(keys, "builder"), new_key(keys, "stranger")
    at_look = newest(own)
    assert named_signers(at_look) == ()
    signatures.sign(at_look, "builder", stranger)
    signed_look = state_of(at_look)

    def name_builder(site: dict) -> None:
        site["signers"] = [{"role": "builder", "fingerprint": builder.fingerprint}]

    bench.edit(own / f"data/sites/{SITE}/site.yaml", name_builder)
    bench.build(own, LOOK)
    pack = newest(own)
    assert pack != at_look
    assert named_signers(pack) == (signer_of(builder),)
    assert packs.verify(pack) == []
    # The verdict of the look is that of its first pack, signed as it is now.
    assert state_of(at_look) == signed_look

    (tmp_path / "allowed").write_text(allowed_line(builder) + "\n")
    for words, code in (
        (("verify", pack, "--allowed-signers", tmp_path / "allowed"), 1),
        (("sign", pack, "--key", keys / "stranger", "--role", "builder"), 2),
        (("sign", pack, "--key", keys / "builder", "--role", "builder"), 0),
        (("verify", pack, "--allowed-signers", tmp_path / "allowed"), 0),
    ):
        with pytest.raises(SystemExit) as left:
            main(["--root", str(own), *map(str, words)])
        assert left.value.code == code, words
    assert "origin: signed by builder@test.example" in capsys.readouterr().out

    before = state_of(pack)
    bench.build(own, LOOK)
    assert newest(own) == pack
    assert state_of(pack) == before
