"""Stores a built pack as the small one that stands for its format, once, when a format is new.

``python -m vpack_pipeline_tests.io.store_pack ROOT`` takes the newest pack of ``riverside`` under a
root that ``pipeline/bench.py`` makes, built at its look; it publishes the same with a short page
in the report's place, and writes ``packs/format-<N>.tar.xz``. What is stored is never made anew.
"""

from __future__ import annotations

import io
import lzma
import sys
import tarfile
import tempfile
from pathlib import Path

from vpack_pipeline.io import packs
from vpack_pipeline.pack_format.bag import FORMAT

SITE = "riverside"
REPORT = b"<!doctype html><title>A short page in place of the report</title>\n"


def store(root: Path, target: Path) -> Path:
    """Store the newest pack of a project's small site in a folder.

    Raises
    ------
    FileExistsError
        A pack of this format is stored already.
    """
    newest = packs.latest(root / "data/packs", SITE)
    assert newest is not None, f"build {SITE} first"
    data = newest.path / "data"
    payload = {p.relative_to(data).as_posix(): p.read_bytes() for p in data.rglob("*.*")}
    with tempfile.TemporaryDirectory() as temporary:
        again = Path(temporary)
        packs.publish(
            root_packs=again,
            site_id=SITE,
            protocol_version=newest.protocol_version,
            cut=newest.cut,
            payload=payload | {"report.html": REPORT},
            build=packs.build_record(newest),
        )
        content = archive(again)
    made = target / f"format-{FORMAT}.tar.xz"
    with made.open("xb") as file:
        file.write(content)
    return made


def archive(folder: Path) -> bytes:
    """Pack the versions below a folder: the same files give the same bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(p for p in folder.glob("*/versions/**/*") if p.is_file()):
            told = tarfile.TarInfo(path.relative_to(folder).as_posix())
            told.size, told.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                tar.addfile(told, file)
    return lzma.compress(raw.getvalue(), preset=9 | lzma.PRESET_EXTREME)


if __name__ == "__main__":
    store(Path(sys.argv[1]), Path(__file__).parent / "packs")
