"""``vpack upgrade``: shown as a diff, written only when asked to, comments and all else kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.old_names import OldName
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import read_model
from vpack_pipeline_tests.documents import project

GONE = "reader_names_are_pseudonyms: true  # as the site says\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose site was made when nothing read this field."""
    path = project(tmp_path) / "data/sites/harbour/site.yaml"
    path.write_text(f"# Harbour.\n{GONE}{path.read_text('utf-8')}", encoding="utf-8")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["--root", str(root), *words])
    said = capsys.readouterr()
    return int(str(left.value.code)), said.out, said.err


def site_of(root: Path) -> Path:
    return root / "data/sites/harbour/site.yaml"


def protocol_of(root: Path) -> Path:
    return root / "data/protocols/starter-0.1.yaml"


def test_a_site_with_a_field_that_is_gone_is_refused_with_the_remedy(root, capsys):
    code, _, err = run(capsys, root, "check", "harbour")
    assert code == 2
    assert (
        "site.yaml:2: unknown key 'reader_names_are_pseudonyms' — nothing reads it: remove it;"
        " `vpack upgrade` does so" in err
    )


def test_the_change_is_shown_and_nothing_is_written(root, capsys):
    before = site_of(root).read_bytes()
    code, out, err = run(capsys, root, "upgrade", "harbour")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "--- data/sites/harbour/site.yaml (as it is)",
        "+++ data/sites/harbour/site.yaml (upgraded)",
        "@@ -1,5 +1,4 @@",
        " # Harbour.",
        f"-{GONE.rstrip()}",
        *(f" {line}" for line in before.decode().splitlines()[2:5]),
        "nothing was written; to write it, give --write",
    ]
    assert site_of(root).read_bytes() == before


def test_what_was_shown_is_written_when_asked_for_and_then_nothing_is_left(root, capsys):
    before = site_of(root).read_text("utf-8")
    code, out, _ = run(capsys, root, "upgrade", "harbour", "--write")
    assert code == 0
    assert out.endswith("written; next: vpack check harbour\n")
    assert site_of(root).read_text("utf-8") == before.replace(GONE, "")
    assert read_model(site_of(root), Site).site_id == "harbour"
    assert run(capsys, root, "upgrade") == (0, "2 documents, nothing to change\n", "")


def test_an_old_name_in_a_protocol_is_rewritten_with_its_site(root, capsys, monkeypatch):
    old = (OldName(("disclosure", "fewest"), "smallest_group"),)
    monkeypatch.setattr(Protocol, "old_names", old)
    path = protocol_of(root)
    text = path.read_text("utf-8")
    assert "  smallest_group: 11" in text
    path.write_text(text.replace("  smallest_group: 11", "  fewest: 11"), encoding="utf-8")
    code, out, _ = run(capsys, root, "upgrade", "harbour", "--write")
    assert code == 0
    assert "-  fewest: 11" in out
    assert "+  smallest_group: 11" in out
    assert path.read_text("utf-8") == text


def test_a_site_leaves_the_protocols_of_others_alone_and_all_are_meant_without_one(
    root, capsys, monkeypatch
):
    monkeypatch.setattr(Protocol, "old_names", (OldName(("about", "name"), "title"),))
    other = protocol_of(root).with_name("other-1.0.yaml")
    other.write_text("about:\n  name: x\n", encoding="utf-8")
    assert "other-1.0" not in run(capsys, root, "upgrade", "harbour")[1]
    assert "+  title: x" in run(capsys, root, "upgrade")[1]


def test_what_has_to_be_changed_by_hand_is_told_and_nothing_is_written(root, capsys):
    site_of(root).write_text(
        "{site_id: harbour, reader_names_are_pseudonyms: true}\n", encoding="utf-8"
    )
    code, out, err = run(capsys, root, "upgrade", "harbour", "--write")
    assert (code, out) == (2, "")
    assert (
        "site.yaml:1: 'reader_names_are_pseudonyms' is read by nothing — remove it by hand" in err
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"a: [", "site.yaml:"), (b"\xff\xfe", "cannot be read as UTF-8"), (b"- a\n", "2 documents")],
)
def test_a_document_that_is_none_is_told(root, capsys, content, what):
    site_of(root).write_bytes(content)
    code, out, err = run(capsys, root, "upgrade", "harbour")
    assert what in out + err
    assert "Traceback" not in err
    assert code == (0 if what == "2 documents" else 2)


def test_a_site_that_does_not_exist_is_told_with_the_nearest(root, capsys):
    code, _, err = run(capsys, root, "upgrade", "harbor")
    assert code == 2
    assert "did you mean 'harbour'?" in err


def test_a_site_with_a_population_is_given_what_to_say_of_it(root, capsys):
    text = site_of(root).read_text("utf-8").replace(GONE, "").replace("population: null\n", "")
    text = text.replace("  # population:\n  #   file:", "  population:\n    file:", 1)
    site_of(root).write_text(text, encoding="utf-8")
    code, _, err = run(capsys, root, "check", "harbour")
    assert (code, "source, date, definition, counted_by" in err) == (2, True)
    assert run(capsys, root, "upgrade", "harbour", "--write")[0] == 0
    made = site_of(root).read_text("utf-8")
    assert made.startswith(text.rstrip())
    assert made.count("TODO: ") == text.count("TODO: ") + 4
    counted = read_model(site_of(root), Site).population
    assert counted is not None
    assert counted.counted_by == "TODO: who counted (a role)"
    assert run(capsys, root, "upgrade", "harbour")[1].endswith("nothing to change\n")


def test_a_site_in_braces_is_given_nothing(root, capsys):
    text = "{site_id: harbour, protocol: starter@0.1, inputs: {population: {file: p.csv}}}\n"
    site_of(root).write_text(text, encoding="utf-8")
    code, _, err = run(capsys, root, "upgrade", "harbour", "--write")
    assert code == 2
    assert "site.yaml:1: 'population' is to be stated — add it by hand" in err
    assert site_of(root).read_text("utf-8") == text
