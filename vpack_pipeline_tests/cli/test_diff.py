"""``vpack diff`` on stored packs: in words, as data, as a page, and what it refuses."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.pack_format.bag import FORMAT

STORED = Path(__file__).resolve().parents[1] / "io/packs"


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packs")


def unpacked(number: int, to: Path) -> Path:
    folder = to / str(number)
    if not folder.exists():
        with tarfile.open(STORED / f"format-{number}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    (pack,) = folder.glob("*/versions/*/data")
    return pack.parent


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["diff", *map(str, arguments)])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_a_change_of_code_alone_is_told_and_nothing_else(packs, capsys):
    code, out, err = run(capsys, unpacked(6, packs), unpacked(5, packs))
    assert (code, err) == (0, "")
    assert "Model     the same: nodule-2 2.0.0" in out
    assert "Data      the same" in out
    assert "Readers   the same" in out
    assert "Protocol  the same" in out
    assert "Code      other code computed " in out
    assert "33 of 33 verdicts are the same." in out


@pytest.mark.parametrize("number", range(1, FORMAT))
def test_any_format_is_held_against_the_newest(number, packs, capsys):
    code, out, _ = run(capsys, unpacked(number, packs), unpacked(FORMAT, packs), "--json")
    assert code == 0
    told = json.loads(out)
    (auc,) = (
        f
        for f in told["figures"]
        if (f["metric"], f["window"], f["group"]) == ("auc", "prospective", "performance")
    )
    assert auc["a"]["estimate"] == pytest.approx(auc["b"]["estimate"])
    assert auc["difference"]["value"] == pytest.approx(0)
    assert auc["difference"]["lower"] is None
    assert told["is_same_site"] is True
