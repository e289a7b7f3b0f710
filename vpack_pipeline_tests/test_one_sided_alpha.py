"""An alpha of each look, two-sided, becomes one alpha of all, one-sided: in packs and documents."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from vpack_pipeline.cli import main
from vpack_pipeline.errors import DocumentError
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.protocol.one_sided_alpha import with_one_sided_alpha
from vpack_pipeline.protocol.travelling import alpha_of_old_look, to_yaml
from vpack_pipeline.strict_yaml import parse, validate
from vpack_pipeline_tests.documents import data_of, project, protocol, text_of

FIRST, SECOND = datetime.date(2027, 3, 1), datetime.date(2027, 6, 1)


def old(*alphas: float, primary: int = 1) -> bytes:
    """Write the starter protocol as packs of before hold it."""
    data = protocol().model_dump(mode="json")
    evaluation = data["evaluation"]
    del evaluation["alpha"], evaluation["several_endpoints"], evaluation["minimum_patients"]
    looks = zip((FIRST, SECOND), alphas, strict=False)
    evaluation["looks"] = [{"cut": str(cut), "alpha": alpha} for cut, alpha in looks]
    claim = evaluation["endpoints"][0]
    evaluation["endpoints"] = [claim | {"id": f"claim_{i}"} for i in range(primary)]
    return to_yaml(data)


@pytest.mark.parametrize("pack_format", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("alphas", "alpha"), [((0.05,), 0.025), ((0.01, 0.04), 0.025), ((0.02,), 0.01)]
)
def test_a_pack_of_before_is_read_with_half_of_what_its_looks_spent(pack_format, alphas, alpha):
    evaluation = Protocol.of_pack(old(*alphas), pack_format).evaluation
    assert evaluation.alpha == alpha
    assert len(evaluation.looks) == len(alphas)
    assert evaluation.several_endpoints is None


def test_primary_endpoints_of_before_were_judged_each_at_the_whole_alpha():
    evaluation = Protocol.of_pack(old(0.05, primary=2), 4).evaluation
    assert evaluation.several_endpoints == "all_must_be_met"


def test_a_pack_of_the_same_format_that_has_it_already_is_left_as_it_is():
    made = protocol(evaluation__alpha=0.01)
    assert Protocol.of_pack(made.as_travels, 4) == made


def test_what_a_look_of_before_spent_is_still_to_be_had():
    text = old(0.01, 0.04)
    assert alpha_of_old_look(text, FIRST) == 0.005
    assert alpha_of_old_look(text, SECOND) == 0.02
    assert alpha_of_old_look(text, FIRST + datetime.timedelta(days=1)) is None
    assert alpha_of_old_look(protocol().as_travels, FIRST) is None


# --- documents ----------------------------------------------------------------------------------

LOOKS = "  alpha: 0.025\n"


def document(looks: str) -> str:
    """The starter protocol's text with the looks of before."""
    text = text_of("protocol.yaml")
    assert text.count(LOOKS) == 1
    assert text.count("    - {cut: 2027-03-01}  # TODO\n") == 1
    return text.replace(LOOKS, "").replace("    - {cut: 2027-03-01}  # TODO\n", looks)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ("    - {cut: 2027-03-01, alpha: 0.05}  # why\n", "    - {cut: 2027-03-01}  # why\n"),
        ("    - {alpha: 0.05, cut: 2027-03-01}\n", "    - {cut: 2027-03-01}\n"),
        (
            "    - cut: 2027-03-01  # first\n      alpha: 0.01  # little\n"
            "    - alpha: 0.04\n      cut: 2027-06-01\n",
            "    - cut: 2027-03-01  # first\n    - cut: 2027-06-01\n",
        ),
    ],
)
def test_a_document_loses_the_alpha_of_looks_and_nothing_else(looks, expected):
    text = document(looks)
    made = with_one_sided_alpha(text, "protocol.yaml")
    assert made == document(expected)
    assert validate(made, "protocol.yaml", Protocol).evaluation.alpha == 0.025
    assert with_one_sided_alpha(made, "protocol.yaml") == made


def test_another_alpha_and_the_rule_that_was_followed_are_stated():
    text = document("    - {cut: 2027-03-01, alpha: 0.02}\n")
    start = text.index("    - id: sensitivity\n")
    claim = text[start : text.index("  # One-sided error of all")]
    text = text.replace(claim, claim + claim.replace("id: sensitivity", "id: again"))
    made = with_one_sided_alpha(text, "protocol.yaml")
    stated = "  alpha: 0.01\n  several_endpoints: all_must_be_met\n  looks:\n"
    assert made.replace(stated, "  looks:\n") == text.replace(", alpha: 0.02", "")
    evaluation = validate(made, "protocol.yaml", Protocol).evaluation
    assert (evaluation.alpha, evaluation.several_endpoints) == (0.01, "all_must_be_met")


def test_a_document_of_before_is_refused_with_what_to_do():
    text = document("    - {cut: 2027-03-01, alpha: 0.05}\n")
    with pytest.raises(DocumentError) as caught:
        validate(text, "protocol.yaml", Protocol)
    problem = next(p for p in caught.value.problems if "alpha" in p.what)
    assert str(problem).endswith(
        "unknown key 'evaluation.looks.0.alpha' — half of the sum over the looks is"
        " evaluation.alpha, which is one-sided; `vpack upgrade` writes it"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("evaluation:\n  alpha: 0.025\n  looks:\n    - {cut: x, alpha: 0.05}\n", "stands beside"),
        ("evaluation:\n  looks:\n    - {cut: x, alpha: much}\n", "no number"),
    ],
)
def test_what_cannot_be_rewritten_is_told(text, what):
    with pytest.raises(DocumentError, match=what):
        with_one_sided_alpha(text, "protocol.yaml")


@pytest.mark.parametrize("text", ["a: 1\n", "evaluation: 3\n", "evaluation: {looks: 4}\n", "[]\n"])
def test_a_text_without_such_looks_is_left_as_it_is(text):
    assert with_one_sided_alpha(text, "protocol.yaml") == text


def test_upgrade_shows_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = project(tmp_path) / "data/protocols/starter-0.1.yaml"
    path.write_text(document("    - {cut: 2027-03-01, alpha: 0.05}\n"), encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["--root", str(tmp_path), "upgrade", "harbour", "--write"])
    assert "-    - {cut: 2027-03-01, alpha: 0.05}" in capsys.readouterr().out
    data, _ = parse(path.read_text("utf-8"), path.name)
    assert data["evaluation"]["looks"] == [{"cut": "2027-03-01"}]
    assert "alpha" not in data["evaluation"]
    assert data_of("protocol.yaml")["evaluation"]["alpha"] == 0.025
