"""Stores a built pack as the small one that stands for its format, once, when a format is new.

``python -m vpack_pipeline_tests.io.store_pack ROOT`` takes the newest pack of ``riverside`` under a
root that ``pipeline/bench.py`` makes, built at its look; it publishes the same with short pages
in place of the report, its summary, the comparison and the page of expectations, and writes
``packs/format-<N>.tar.xz``. What is stored is never made anew once its format has been released. The
report's page holds what a reviewer's machine finds in a report: figures, of which some tables have
to be enough, and what it says of other files.
"""

from __future__ import annotations

import csv
import io
import json
import lzma
import re
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import astuple
from html import escape
from pathlib import Path

from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import cells, comparison, expectations, figures
from vpack_pipeline.pack_format.bag import FORMAT
from vpack_pipeline.pack_format.documents import CLAIM, REPORT, SUMMARY
from vpack_pipeline.pack_format.figures import Figure
from vpack_pipeline_tests.io.forging import digested_anew

SITE = "riverside"
TITLE = "<!doctype html><title>A short page in place of the report</title>"
EMPTY = comparison.EmptyPage(
    "@@policy@@<title>@@title@@</title><body>\n@@banner@@"
    '<script type="application/json" id="pack">@@data@@</script>\n<script>@@script@@</script>\n',
    "/* none */",
)
ELEMENT = re.compile(r'<span[^<>]* data-(anchor|states)="([^"]*)">[^<>]*</span>')
SHOWN = ("evaluation/endpoints", "evaluation/integrity", "drift/plan", "drift/status")
"""Tables whose figures stand in the short page."""


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
        made = packs.publish(
            root_packs=again,
            site_id=SITE,
            protocol_version=newest.protocol_version,
            cut=newest.cut,
            payload=shortened(payload),
            build=packs.build_record(newest),
        )
        assert packs.verify(made.path) == []
        content = archive(again)
    stored = target / f"format-{FORMAT}.tar.xz"
    with stored.open("xb") as file:
        file.write(content)
    return stored


def shortened(payload: Mapping[str, bytes]) -> dict[str, bytes]:
    """Put a short page in the report's place, and keep the figures that stand there."""
    header, *lines = csv.reader(io.StringIO(payload[figures.NAME].decode(), newline=""))
    page = figures.by_anchor(payload[REPORT].decode(), [Figure(*line) for line in lines])
    kept = [Figure(*line) for line in lines if line[1] in SHOWN]
    names = {escape(f.anchor) for f in kept}
    elements = [m[0] for m in ELEMENT.finditer(page) if m[1] == "states" or m[2] in names]
    places = {item["evidence"] for item in json.loads(payload[CLAIM])["items"]}
    ids = [f'<p id="{escape(place)}"></p>' for place in sorted(places)]
    made = "\n".join([TITLE, *ids, *dict.fromkeys(elements), ""])
    shown = figures.printed(made, kept)
    listed = cells.to_csv(header, [astuple(figure) for figure in shown])
    short = {**payload, REPORT: figures.by_line(made, shown).encode(), figures.NAME: listed}
    short[SUMMARY] = b"%PDF-1.7\n"
    asked = payload[expectations.NAME].decode()
    stated = dict.fromkeys(m[0] for m in ELEMENT.finditer(asked))
    short[expectations.NAME] = "\n".join([TITLE, *stated, ""]).encode()
    short[comparison.NAME] = comparison.page(EMPTY, comparison.data_of(payload))
    return short | digested_anew(short)


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
