"""Digests: anything added, changed, removed or re-hashed is named; what agrees is asked elsewhere."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.io import packs
from vpack_pipeline.pack_format.bag import FORMAT
from vpack_pipeline_tests.io.test_packs_formats import LOOK, unpacked

PAYLOAD = {
    "report.html": b"<!doctype html>",
    "protocol.yaml": b"id: a\n",
    "claim.json": b"{}\n",
    "summary.pdf": b"%PDF-1.7\n",
    "codes.csv": b"code\n",
    "drift/plan.json": b"{}\n",
}


@pytest.fixture
def pack(tmp_path) -> Path:
    made = packs.publish(
        root_packs=tmp_path,
        site_id="site-a",
        protocol_version="1.0",
        cut="2026-01-05.2",
        payload=PAYLOAD,
    )
    for path in made.path.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return made.path


def whats(pack: Path) -> set[str]:
    return {f"{p.where}: {p.what}" for p in packs.whole(pack)}


def rehash(pack: Path) -> None:
    """Write both manifests anew, as a forger would."""
    for name, files in (
        ("manifest-sha256.txt", sorted(p for p in (pack / "data").rglob("*") if p.is_file())),
        (
            "tagmanifest-sha256.txt",
            [pack / n for n in ("bag-info.txt", "bagit.txt", "manifest-sha256.txt")],
        ),
    ):
        lines = [
            f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(pack).as_posix()}\n"
            for p in files
        ]
        (pack / name).write_text("".join(lines))


def test_a_whole_pack_has_no_problem_and_says_what_it_is(pack):
    assert packs.whole(pack) == []
    said = packs.summary(pack)
    assert said.identifier == f"site-a/{pack.name}"
    assert (said.cut, said.files) == ("2026-01-05", 6)
    assert said.payload_digest[:12] == pack.name[-12:]


def test_a_changed_file_is_named(pack):
    (pack / "data/report.html").write_bytes(b"<!doctype htmL>")
    assert whats(pack) == {"data/report.html: was changed"}


def test_a_file_that_was_removed_is_named(pack):
    (pack / "data/claim.json").unlink()
    assert "data/claim.json: is missing" in whats(pack)


@pytest.mark.parametrize("name", ["extra.txt", "data/extra.txt", "data/tables/.hidden"])
def test_a_file_that_was_added_is_named(pack, name):
    (pack / name).parent.mkdir(exist_ok=True)
    (pack / name).write_text("x")
    assert whats(pack) == {f"{name}: is not part of the pack"}


def test_a_link_is_named_even_where_it_leads_to_the_same_bytes(pack, tmp_path):
    (tmp_path / "copy").write_bytes(PAYLOAD["report.html"])
    (pack / "data/report.html").unlink()
    os.symlink(tmp_path / "copy", pack / "data/report.html")
    assert "data/report.html: is a link or no regular file" in whats(pack)


def test_a_linked_folder_is_named(pack, tmp_path):
    (tmp_path / "folder").mkdir()
    os.symlink(tmp_path / "folder", pack / "data/tables")
    assert whats(pack) == {"data/tables: is a link or no regular file"}


def test_a_pack_without_its_tag_manifest_is_no_pack(pack):
    (pack / "tagmanifest-sha256.txt").unlink()
    assert "tagmanifest-sha256.txt: is missing: this is no whole pack" in whats(pack)


def test_a_pack_with_its_payload_forged_and_hashed_anew_still_names_another_version(pack):
    (pack / "data/report.html").write_bytes(b"forged")
    rehash(pack)
    found = whats(pack)
    assert "bag-info.txt: names another version than the payload gives" in found
    assert "bag-info.txt: states another size or number of files" in found


@pytest.mark.parametrize("name", ["claim.json", "codes.csv"])
def test_a_payload_file_left_out_of_both_manifests_is_required(pack, name):
    (pack / "data" / name).unlink()
    rehash(pack)
    assert f"data/{name}: is required and not listed" in whats(pack)


@pytest.mark.parametrize(
    "text",
    [
        b"0" * 64 + b" data/report.html\n",
        b"0" * 64 + b"  data/../../etc/passwd\n",
        b"0" * 64 + b"  /etc/passwd\n",
        b"no digest\n",
        b"\xff\n",
        b"0" * 64 + b"  data/a\n" + b"0" * 64 + b"  data/A\n",
    ],
)
def test_a_manifest_of_another_form_is_refused_and_no_path_is_followed(pack, text):
    (pack / "manifest-sha256.txt").write_bytes(text)
    assert "manifest-sha256.txt: is not a list of digests and plain paths" in whats(pack)


def test_another_declaration_is_named(pack):
    (pack / "bagit.txt").write_text("BagIt-Version: 0.97\n")
    assert "bagit.txt: does not declare a BagIt 1.0 bag" in whats(pack)


def test_what_is_no_folder_is_no_pack(tmp_path):
    assert packs.whole(tmp_path / "nothing")


def said(capsys, *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left:
        main(["verify", *words])
    return int(str(left.value.code)), capsys.readouterr().err


def test_a_folder_that_holds_packs_is_no_pack_and_the_latest_is_suggested(pack, tmp_path, capsys):
    code, err = said(capsys, str(tmp_path))
    assert code == 2
    assert f"{tmp_path}: is no pack — did you mean '{tmp_path}/site-a/latest'?" in err
    assert len(err.splitlines()) == 2


def test_a_pack_is_verified_through_the_link_to_the_latest(tmp_path, capsys):
    (tmp_path / "latest").symlink_to(unpacked(FORMAT, tmp_path))
    assert said(capsys, str(tmp_path / "latest"))[0] == 0


def test_a_folder_without_any_pack_and_a_path_that_does_not_exist_are_told(tmp_path, capsys):
    assert said(capsys, str(tmp_path)) == (
        2,
        f"1 to mend:\n  {tmp_path}: is no pack — give the folder that holds bagit.txt\n",
    )
    code, err = said(capsys, f"{tmp_path}/nothing")
    assert code == 2
    assert f"{tmp_path}/nothing: does not exist" in err


def test_a_pack_that_lost_one_of_its_files_is_still_a_pack(pack, capsys):
    (pack / "bagit.txt").unlink()
    code, err = said(capsys, str(pack))
    assert code == 1
    assert "bagit.txt: is missing" in err


def test_verification_imports_no_library_but_that_of_yaml(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from vpack_pipeline.pack_format.verification import summary, verify\n"
        "assert verify(Path(sys.argv[1])) == []\n"
        "print(summary(Path(sys.argv[1])).cut)\n"
        "known = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names\n"
        "print(sorted(n for n in known if not n.startswith(('_', 'cython_runtime'))))\n"
    )
    pack = str(unpacked(FORMAT, tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", code, pack], capture_output=True, text=True, check=True
    )
    cut, libraries = done.stdout.splitlines()
    assert cut == LOOK
    assert libraries == "['vpack_pipeline', 'yaml']"
