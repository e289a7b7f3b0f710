"""``vpack explain``: a printed figure leads to its row, its code, its gate and its deliveries."""

from __future__ import annotations

import csv
import json
import tarfile
from pathlib import Path

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.pack_format.bag import FORMAT

STORED = Path(__file__).resolve().parents[1] / "io/packs"


@pytest.fixture(scope="module")
def packs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("packs")


def unpacked(number: int, to: Path) -> Path:
    folder = to / str(number)
    if not folder.exists():
        with tarfile.open(STORED / f"format-{number}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    (pack,) = folder.glob("*/versions/*/data")
    return pack.parent


@pytest.fixture(scope="module")
def pack(packs: Path) -> Path:
    return unpacked(FORMAT, packs)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["explain", *arguments])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def figures(pack: Path) -> list[dict[str, str]]:
    with (pack / "data/figures.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def endpoint(pack: Path) -> dict[str, str]:
    return next(f for f in figures(pack) if f["asset"] == "evaluation/endpoints" and f["text"])


def test_a_figure_leads_to_its_row_code_gate_and_deliveries(pack, capsys):
    figure = endpoint(pack)
    code, out, _ = run(capsys, str(pack), figure["anchor"])
    assert code == 0
    for said in (
        f"{figure['text']}  ({figure['anchor']})",
        "tables/evaluation.endpoints.csv: ",
        f"column      {figure['column']}: ",
        "the function endpoints of vpack_pipeline.core.evaluation",
        "gates/evaluation.endpoints.receipt.json: ",
        "in Dagster  asset evaluation/endpoints",
        "  cohort/deliveries: ",
    ):
        assert said in out
    for name, value in json.loads(figure["row_key"]).items():
        assert f"{name} {value}" in out


def test_a_text_is_explained_in_every_place_that_prints_it(pack, capsys):
    texts = [f["text"] for f in figures(pack)]
    text = next(t for t in texts if t and texts.count(t) > 1)
    _, out, _ = run(capsys, str(pack), text)
    n = texts.count(text)
    assert f"1 of {n}\n" in out
    assert f"{n} of {n}\n" in out


def test_a_count_of_rows_shows_the_rows_and_no_more_than_a_few(pack, capsys):
    _, out, _ = run(capsys, str(pack), "first.conduct.rules")
    assert "column      count of rows with these values" in out
    assert out.count("row         ") == 5
    assert " more rows" in out


def test_the_same_is_there_as_data(pack, capsys):
    figure = endpoint(pack)
    _, out, _ = run(capsys, str(pack), figure["anchor"], "--json")
    (told,) = json.loads(out)
    assert told["figure"]["anchor"] == figure["anchor"]
    assert len(told["rows"]) == 1
    assert {g["asset"] for g in told["descent"]} >= {"cohort/reads", "cohort/deliveries"}
    assert all(0 < g["passed"] <= g["checks"] for g in told["descent"])


def test_a_figure_that_is_not_printed_is_refused_with_a_remedy(pack, capsys):
    code, _, err = run(capsys, str(pack), "99.999%")
    assert code != 0
    assert "prints no figure with the anchor or text '99.999%'" in err
    assert "figures.csv" in err


def test_a_pack_of_a_format_that_does_not_list_its_figures_is_told(packs, capsys):
    code, _, err = run(capsys, str(unpacked(3, packs)), "1")
    assert code != 0
    assert "is of format 3, which does not list its figures" in err


@pytest.mark.parametrize("number", range(4, FORMAT + 1))
def test_packs_of_every_format_with_figures_are_explained(number, packs, capsys):
    code, out, _ = run(capsys, str(unpacked(number, packs)), "first.conduct.broken")
    assert code == 0
    assert "evaluation.integrity.csv" in out


def test_a_damaged_pack_is_not_explained(packs, capsys, tmp_path):
    pack = unpacked(FORMAT, tmp_path)
    (pack / "data/claim.json").write_bytes(b"{}")
    code, _, err = run(capsys, str(pack), "1")
    assert code != 0
    assert "claim.json" in err


def test_a_folder_that_is_no_pack_is_told(tmp_path, capsys):
    code, _, err = run(capsys, str(tmp_path), "1")
    assert code != 0
    assert "pack" in err
