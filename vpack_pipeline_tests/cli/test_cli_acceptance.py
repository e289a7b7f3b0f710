"""``vpack acceptance`` on a stored pack: in words, as data, as a page, and what it refuses."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vpack_pipeline.cli.acceptance import acceptance
from vpack_pipeline.errors import UsageError, VerificationError

STORED = Path(__file__).parents[1] / "io" / "packs"
HERE = ("--cases-a-week", "120", "--prevalence", "14%")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("received"), 4)


def unpacked(folder: Path, pack_format: int) -> Path:
    with tarfile.open(STORED / f"format-{pack_format}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    (pack,) = (p for p in folder.glob("*/versions/*") if p.is_dir())
    return pack


def asked(*arguments: str | Path) -> Result:
    return CliRunner().invoke(acceptance, [str(a) for a in arguments])


def refused(*arguments: str | Path) -> str:
    found = asked(*arguments).exception
    assert isinstance(found, UsageError)
    return str(found)


def test_the_words_and_the_data_say_the_same(pack: Path) -> None:
    said = asked(pack, *HERE, "--margin", "20%")
    assert said.exit_code == 0, said.output
    (told,) = json.loads(asked(pack, *HERE, "--margin", "20%", "--json").output)
    for figure in told["figures"]:
        assert f"{figure['together']:,} with" in said.output
        assert f"{figure['local']:,} in 52 weeks" in said.output
    assert told["hospital"]["prevalence"] == pytest.approx(0.14)
    assert "This can be shown here" in said.output
    assert told["can_be_shown"] is True


def test_what_a_small_hospital_cannot_show_is_said_with_what_it_can(pack: Path) -> None:
    said = " ".join(asked(pack, "--cases-a-week", "20", "--prevalence", "0.03").output.split())
    assert "This cannot be shown here in 52 weeks. It would take " in said
    assert re.search(r"can show a sensitivity above \d+\.\d%: a margin of \d+\.\d points", said)
    few = asked(pack, "--cases-a-week", ".1", "--prevalence", "3%", "--margin", "0.0004").output
    few = " ".join(few.split())
    assert "No number of weeks that can be foreseen would do." in few
    assert "show nothing of sensitivity" in few
    assert "more than 1,000,000 with the finding" in few


def test_several_cases_a_patient_are_said(pack: Path) -> None:
    said = " ".join(asked(pack, *HERE, "--design-effect", "1.3").output.split())
    assert "make the number needed 1.3 times" in said


def test_the_page_needs_nothing_else_and_has_lines_to_sign(pack: Path, tmp_path: Path) -> None:
    page = tmp_path / "here.html"
    said = asked(pack, *HERE, "--html", page)
    assert said.exit_code == 0, said.output
    html = page.read_text("utf-8")
    assert "default-src 'none'" in html
    assert not re.search(r"<script|https?://", html)
    assert html.count("<td></td>") == 16
    (answer,) = (line for line in said.output.splitlines() if line.startswith("This can"))
    assert " ".join(answer.split()) in " ".join(html.split())


def test_options_choose_finding_point_and_window(pack: Path) -> None:
    (told,) = json.loads(asked(pack, *HERE, "--window", "retrospective", "--json").output)
    assert told["subject"]["window"] == "retrospective"
    assert "none of this pack" in refused(pack, *HERE, "--finding", "fracture")
    assert "no operating point" in refused(pack, *HERE, "--point", "elsewhere")


@pytest.mark.parametrize("text", ["a", "", "3 percent"])
def test_a_share_that_is_none_is_refused(pack: Path, text: str) -> None:
    said = asked(pack, "--cases-a-week", "100", "--prevalence", text)
    assert said.exit_code == 2
    assert "write 3% or 0.03" in said.output


def test_a_prevalence_of_three_is_asked_for_again(pack: Path) -> None:
    told = refused(pack, "--cases-a-week", "100", "--prevalence", "3")
    assert "write 3% as 0.03 or as 3%" in told


def test_a_pack_of_the_first_format_is_refused_by_name(tmp_path: Path) -> None:
    assert "is of format 1" in refused(unpacked(tmp_path, 1), *HERE)


def test_a_pack_that_was_altered_is_not_read(tmp_path: Path) -> None:
    pack = unpacked(tmp_path, 4)
    table = pack / "data/tables/evaluation.operating_points.csv"
    table.chmod(0o644)
    table.write_bytes(table.read_bytes().replace(b"0.9", b"0.8", 1))
    assert isinstance(asked(pack, *HERE).exception, VerificationError)
