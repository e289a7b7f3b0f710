"""``vpack explain``: a printed figure leads to its row, its code, its gate and its deliveries."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.errors import UsageError
from vpack_pipeline.pack_format.bag import FORMAT
from vpack_pipeline.pack_format.explained import Place, Places, code_of, find
from vpack_pipeline.pack_format.figures import Figure
from vpack_pipeline.pack_format.opened import open_pack
from vpack_pipeline.report.provenance import source_line
from vpack_pipeline_tests.io.test_packs_formats import unpacked_once


@pytest.fixture(scope="module")
def packs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("packs")


@pytest.fixture(scope="module")
def pack(packs: Path) -> Path:
    return unpacked_once(FORMAT, packs)


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
    text = next(t for t in texts if t and 1 < texts.count(t) <= 5)
    _, out, _ = run(capsys, str(pack), text)
    n = texts.count(text)
    assert f"1 of {n}\n" in out
    assert f"{n} of {n}\n" in out
    assert out.count("computed by ") == n


def test_of_a_text_that_stands_in_many_places_each_is_named_with_its_row(pack, capsys):
    alike = [f for f in figures(pack) if f["text"] == "0"]
    assert len(alike) > 5
    _, out, _ = run(capsys, str(pack), "0")
    assert f"{len(alike)} of {len(alike)}\n" in out
    assert "computed by " not in out
    for figure in alike:
        assert f"  {figure['anchor']}\n" in out
    assert "give one of these anchors" in out


def paged(pack: Path, *figures: dict[str, str]) -> Places:
    """A report that prints each figure in a place of its own, and the last in two chapters."""
    spans = [f'<span data-anchor="{f["anchor"]}">{f["text"]}</span>' for f in figures]
    divs = [f'<div id="place-{i}">{span}</div>' for i, span in enumerate(spans)]
    first = f'<section id="chapter-a">{"".join(divs)}</section>'
    return Places(f'{first}<section id="chapter-b">{spans[-1]}</section>')


def test_a_place_of_the_report_says_which_of_them_is_meant(pack):
    one, other = [f for f in figures(pack) if f["text"] == "0"][:2]
    places, opened = paged(pack, one, other), open_pack(pack)
    for at, wanted in {
        "place-0": [one],
        "place-1": [other],
        "chapter-a": [one, other],
        "chapter-b": [other],
    }.items():
        assert [f.anchor for f in find(opened, places, "0", at)] == [f["anchor"] for f in wanted]
    assert places.of(Figure(**other)) == (
        Place("chapter-a", "place-1"),
        Place("chapter-b", "chapter-b"),
    )


def test_a_place_that_does_not_print_it_is_refused_with_those_that_do(pack):
    one, other = [f for f in figures(pack) if f["text"] == "0"][:2]
    with pytest.raises(UsageError, match=r"chapter-c does not print '0'.*place-0, place-1, chap"):
        find(open_pack(pack), paged(pack, one, other), "0", "chapter-c")


def test_a_hyphen_is_taken_for_a_minus(pack, capsys):
    text = next(f["text"] for f in figures(pack) if f["text"].startswith("−"))
    code, out, _ = run(capsys, str(pack), "--", text.replace("−", "-"))
    assert code == 0
    assert f"{text}  (" in out


def test_metric_and_codes_are_told_in_words(pack, capsys):
    figure = next(f for f in figures(pack) if f["anchor"] == endpoint(pack)["anchor"])
    metric = json.loads(figure["row_key"])["metric"]
    _, out, _ = run(capsys, str(pack), figure["anchor"])
    schema = json.loads((pack / "data/tables/evaluation.endpoints.schema.json").read_bytes())
    told = next(m for m in schema["properties"]["metric"]["oneOf"] if m["const"] == metric)
    assert f"metric      {told['title']}: {told['description']}" in out
    method = out.split("method      ")[1].splitlines()[0]
    assert method
    assert "_" not in method


def test_what_met_no_value_upstream_is_told_apart(packs, capsys):
    _, out, _ = run(capsys, str(unpacked_once(6, packs)), "first.conduct.broken")
    assert "  cohort/accession_gaps: 3 of 6 passed, 3 met no value, table " in out


def test_the_code_is_the_file_that_the_report_names():
    contract = {"asset": "evaluation/roc", "computed_by": "core"}
    page = str(source_line({"evaluation/roc"}, [{"asset": "evaluation/roc", "checks": []}]))
    assert code_of(contract, page) == "core/evaluation/roc.py"
    assert code_of(contract, "") == "the function roc of vpack_pipeline.core.evaluation"


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
    code, _, err = run(capsys, str(unpacked_once(3, packs)), "1")
    assert code != 0
    assert "is of format 3, which does not list its figures" in err


@pytest.mark.parametrize("number", range(4, FORMAT + 1))
def test_packs_of_every_format_with_figures_are_explained(number, packs, capsys):
    code, out, _ = run(capsys, str(unpacked_once(number, packs)), "first.conduct.broken")
    assert code == 0
    assert "evaluation.integrity.csv" in out


def test_a_damaged_pack_is_not_explained(packs, capsys, tmp_path):
    pack = unpacked_once(FORMAT, tmp_path)
    (pack / "data/claim.json").write_bytes(b"{}")
    code, _, err = run(capsys, str(pack), "1")
    assert code != 0
    assert "claim.json" in err


def test_a_folder_that_is_no_pack_is_told(tmp_path, capsys):
    code, _, err = run(capsys, str(tmp_path), "1")
    assert code != 0
    assert "pack" in err
