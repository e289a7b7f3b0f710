"""The documents say what there is: every name, every command, every path, and nothing that is not."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from vpack_pipeline import cli, contracts
from vpack_pipeline.cli import pages
from vpack_pipeline.cli.new_site import starter
from vpack_pipeline.contracts import header_fields
from vpack_pipeline.core.adjudication.rules import RULES as READER_RULES
from vpack_pipeline.core.drift.monitors import MONITORS
from vpack_pipeline.core.evaluation.integrity import RULES as INTEGRITY_RULES
from vpack_pipeline.core.representativeness import DISTANCES
from vpack_pipeline.io import forms
from vpack_pipeline.io.dicom import outcomes
from vpack_pipeline.io.dicom.conversion import STATUSES
from vpack_pipeline.io.forms import reasons
from vpack_pipeline.sections import SECTIONS

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING, OPERATING = "README.md", "CONTRIBUTING.md", "docs/operating.md"
SIGNING = "docs/signing.md"
CHAPTERS = {
    "Reader rules": set(READER_RULES),
    "Distances": set(DISTANCES),
    "Rules of integrity": set(INTEGRITY_RULES),
}
# What a build or the user makes, and asset keys.
MADE = (
    "data/dagster",
    "data/packs",
    "data/releases",
    "data/secrets",
    "data/state",
    "data/warehouse",
    "data/sites/SITE",
    "pack/validation_pack",
    "section/table",
    "signature/",
)
IN_A_PACK = re.compile(
    r"data/((report|compare)\.html|summary\.pdf|protocol\.yaml|claim\.json|(codes|figures)\.csv|ro-crate-metadata\.json"
    r"|(release|signers)\.json"
    r"|tables|gates|drift)\b"
)


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def chapter(title: str) -> str:
    _, _, rest = text("GLOSSARY.md").partition(f"## {title}\n")
    return rest.partition("\n## ")[0]


def defined(part: str) -> set[str]:
    entries = re.findall(r"^- \*\*([a-z0-9_, ]+)\.\*\*", part, re.MULTILINE)
    return {name for entry in entries for name in entry.split(", ")}


@pytest.mark.parametrize("title", CHAPTERS)
def test_the_glossary_defines_what_a_protocol_may_name_and_no_more(title: str) -> None:
    assert defined(chapter(title)) == CHAPTERS[title]


def test_the_glossary_states_each_rule_of_integrity_in_the_words_of_the_report() -> None:
    words = " ".join(chapter("Rules of integrity").split())
    for name, (asked, _) in INTEGRITY_RULES.items():
        assert f"**{name}.** {asked}" in words


def test_every_command_is_shown_in_the_documents() -> None:
    said = "".join(map(text, (README, CONTRIBUTING, OPERATING)))
    assert [name for name in cli.COMMANDS if f"vpack {name}" not in said] == []
    assert set(cli.SUMMARIES) == set(cli.COMMANDS)


@pytest.mark.parametrize("document", [README, CONTRIBUTING, OPERATING, SIGNING])
def test_documents_name_only_commands_and_options_that_exist(document: str) -> None:
    calls = re.findall(r"(?:`|\$ )vpack (.+?)(?:`|  |$)", text(document), re.MULTILINE)
    assert calls
    for call in calls:
        name, *words = call.split()
        command = cli.cli.get_command(click.Context(cli.cli), name)
        assert command is not None, call
        known = {o for p in command.params for o in p.opts}
        assert {w for w in words if w.startswith("--")} <= known, call


@pytest.mark.parametrize("document", [README, CONTRIBUTING, OPERATING])
def test_documents_name_only_places_that_exist(document: str) -> None:
    named = re.findall(r"[(`]((?:[\w.-]+/)+[\w.-]*)[)`]", text(document))
    assert named
    for place in named:
        if place.startswith(MADE) or IN_A_PACK.match(place):
            continue
        assert any((base / place).exists() for base in (ROOT, ROOT / "vpack_pipeline")), place


def test_the_documents_name_every_make_target_of_tests_and_none_that_is_not() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text("Makefile"), re.MULTILINE))
    named = {d: set(re.findall(r"`make ([a-z-]+)`", text(d))) for d in (README, CONTRIBUTING)}
    assert named[CONTRIBUTING] | named[README] <= targets
    parts = {name for name in targets if name.startswith("nightly-")}
    (all_parts,) = re.findall(r"^nightly: (.+)$", text("Makefile"), re.MULTILINE)
    assert parts == set(all_parts.split())
    assert named[CONTRIBUTING] >= parts | {"quick", "test", "nightly"}
    assert named[README] >= {"quick", "test", "nightly"}
    assert text(CONTRIBUTING).startswith("# Contributing\n\n`make quick` ")


def test_every_command_has_help() -> None:
    for name in cli.COMMANDS:
        command = cli.cli.get_command(click.Context(cli.cli), name)
        assert command is not None
        assert command.help, name


def test_a_recipe_is_short_and_says_which_files_it_touches() -> None:
    recipes = text(CONTRIBUTING).partition("## Recipes\n")[2].partition("\n## ")[0]
    _, *found = re.split(r"\n\n(?=\*\*)", recipes.strip())
    assert [r.partition(".**")[0].lstrip("*") for r in found] == [
        "A site", "An exported table", "A header field", "An expectation", "A reader rule", "A metric", "A reason or a method", "A formula of the comparison page", "A monitor", "A distance", "A section",
    ]  # fmt: skip
    for recipe in found:
        assert len(recipe.splitlines()) < 10, recipe
        assert re.search(r"`[\w./<>-]+`", recipe), recipe


def test_every_section_is_named_where_the_grid_is_explained() -> None:
    assert set(SECTIONS) == {c.section for c in contracts.load().values()}
    assert "vpack_pipeline/sections.py" in text(CONTRIBUTING)


@pytest.mark.parametrize("name", sorted(pages.pages()))
def test_pages_of_the_registries_are_committed_as_they_are_made_or_ignored(name: str) -> None:
    assert f"{name}" in text(OPERATING)
    if name in pages.KEPT:
        assert text(f"docs/{name}") == pages.pages()[name], "run: make docs"
    else:
        assert f"/docs/{name}\n" in text(".gitignore"), f"docs/{name} is made, and not committed"


def test_the_page_of_monitors_defines_each_with_its_source() -> None:
    made = pages.pages()["monitors.md"]
    for name, kind in MONITORS.items():
        assert f"| `{name}` | {kind.meaning} |" in made
        assert kind.meaning.endswith(".")
    assert all(source in made for source in ("Yurdakul 2018", "Lin 1991", "NannyML"))


def test_the_page_of_forms_names_every_column_with_a_meaning() -> None:
    made = pages.pages()["forms.md"]
    for kind in forms.KINDS:
        rows = made.partition(f"## {kind}\n")[2].partition("\n## ")[0].splitlines()
        told = [row.strip("| ").split(" | ") for row in rows if row.startswith("| `")]
        named = {cells[0].strip("`") for cells in told}
        of_protocol = {
            "cases": {"each covariate"},
            "population": {"each variable"},
            "reads": {"each detail of the finding"},
            "reference": {"each detail of the finding"},
        }
        names = {f.name for f in forms.fields_of(kind, starter())}
        assert names >= named - of_protocol.get(kind, set())
        assert kind in {"cases", "population"} or names == named - of_protocol.get(kind, set())
        assert all(cells[-1].endswith(".") or "protocol" in cells[-1] for cells in told)
    assert "docs/forms.md" in text(README)
    assert "a name of `findings` in the protocol" in made


def test_the_pages_name_every_field_status_outcome_and_remedy() -> None:
    made = pages.pages()
    fields, codes = made["header-fields.md"], made["reason-codes.md"]
    assert all(f"| `{f.name}` |" in fields for f in header_fields.load())
    assert all(f"| `{status}` |" in fields for status in STATUSES)
    assert "KVP (0018,0060)" in fields
    assert "ViewCodeSequence/ViewModifierCodeSequence (0054,0220)/(0054,0222)" in fields
    for code, reason in {**outcomes.REASONS, **reasons.REASONS}.items():
        assert f"| `{code}` |" in codes
        assert reason.remedy.replace("<", "&lt;") in codes
    assert all(f"| `{kind}` |" in codes for kind in outcomes.SET_ASIDE_KINDS)
    assert set(header_fields.TYPES) == set(pages._TYPES)


@pytest.mark.parametrize(
    "picture", ["docs/first-page.png", "docs/performance.png", "docs/lineage.png"]
)
def test_pictures_are_there_and_light(picture: str) -> None:
    content = (ROOT / picture).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 400_000
    assert f"]({picture})" in text(README)
