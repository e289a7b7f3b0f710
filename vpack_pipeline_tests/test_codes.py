"""One declaration for each code: what may be declared, given and stored, and who gives it."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from vpack_pipeline import contracts
from vpack_pipeline.cli.pages import pages
from vpack_pipeline.contracts import codes
from vpack_pipeline.contracts.shapes import CODES, DETAIL
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.errors import ContractError, DocumentError
from vpack_pipeline.gate import check
from vpack_pipeline.gate.suite import plan
from vpack_pipeline.pack_format.codes import told
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.strict_yaml import validate

PACKAGE = Path(contracts.__file__).parents[1]
GIVEN = Path(__file__).parent / "codes_given.csv"
"""Every code that was ever declared, with its kind and its parameters, and whether it is retired.

It grows and never shrinks: packs that were published hold these codes.
"""

# --- what may be declared -----------------------------------------------------------------------


def declared(entries: str) -> codes._All:
    return validate(f"codes:\n{entries}", "contracts/codes/odd.yaml", codes._All)


def test_every_file_of_declarations_is_read_and_there_is_no_other() -> None:
    found = {p.stem for p in (PACKAGE / codes.FOLDER).glob("*.yaml")}
    assert found == set(codes.FILES)
    assert len(codes.FILES) == len(found)


def test_no_two_codes_say_the_same() -> None:
    said: dict[str, str] = {}
    for name, found in codes.load().items():
        other = said.setdefault(found.sentence, name)
        assert other == name, f"{name} says what {other} says: use that one"


def test_a_sentence_fits_into_a_line_of_others() -> None:
    for name, found in codes.load().items():
        assert not found.sentence.endswith((".", ";", ":")), f"{name} ends with a stop"
        assert found.sentence == found.sentence.strip(), name


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ('- {code: a, kind: reason, sentence: "few"}\n' * 2, "declared twice: a"),
        ('- {code: a, kind: reason, sentence: "fewer than {n}"}', r"says \['n'\] and has \[\]"),
        ('- {code: a, kind: reason, sentence: "few", parameters: {n: integer}}', "has .'n'."),
        ('- {code: a, kind: reason, sentence: "few", paramters: {n: integer}}', "paramters"),
        ('- {code: a, kind: caution, sentence: "few"}', "kind"),
        ('- {code: A-b, kind: reason, sentence: "few"}', "code"),
        (
            '- {code: a, kind: reason, sentence: "{n}", parameters: {n: sentence}}',
            "'integer', 'number'",
        ),
        ('- {code: a, kind: reason, sentence: "{n}", parameters: {n: word}}', "words are declared"),
        (
            '- {code: a, kind: reason, sentence: "{n}", parameters: {n: {type: name, words: {b: c}}}}',
            "words are declared",
        ),
        ('- {code: a, kind: method, sentence: "few", protects_people: true}', "a is a method"),
    ],
)
def test_a_declaration_that_does_not_say_what_it_holds_is_refused(entries: str, told: str) -> None:
    with pytest.raises(DocumentError, match=told):
        declared(entries)


# --- what may be given --------------------------------------------------------------------------

OF_EACH_TYPE = {
    "integer": (12_000, "12,000", [12.0, "12", True]),
    "number": (0.0625, "0.0625", ["1", True]),
    "share": (0.125, "12.5%", ["1", True]),
    "date": ("2026-07-20", "2026-07-20", ["20.07.2026", "2026-7-20", 20260720]),
    "name": ("reader-1", "reader-1", [1, ("reader-1",)]),
    "names": (("a", "b"), "a, b", ["a", (1,)]),
    "numbers": ((1.5, 2), "1.5, 2", [1.5, ("a",)]),
    "text": ("Nothing was trained.", "Nothing was trained.", [1, ("a",)]),
    "{type: word, words: {up: rises}}": ("up", "rises", ["down", 1]),
    "{type: words, words: {up: rises, down: falls}}": (
        ("up", "down"),
        "rises, falls",
        ["up", ("on",)],
    ),
}


@pytest.mark.parametrize("type_", OF_EACH_TYPE)
def test_a_parameter_holds_its_type_alone_and_is_printed_as_it(type_: str) -> None:
    value, printed, wrong = OF_EACH_TYPE[type_]
    (made,) = declared(
        f'- {{code: a, kind: reason, sentence: "it is {{n}}", parameters: {{n: {type_}}}}}'
    ).codes
    assert made.parameters["n"].holds(value)
    detail = json.dumps({"a.n": value})
    assert told(made.sentence, "a", made.printed, detail) == f"it is {printed}"
    assert not any(made.parameters["n"].holds(other) for other in wrong)


FEW = code("few_false_negatives_verified", fewest=10)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("of_nothing", "of_nothing is no reason; declare it in contracts/codes"),
        ("too few cases", "too few cases is no reason"),
        ("wilson", "wilson is no reason"),
        (Code(FEW.name), r"few_false_negatives_verified has \[\], declared are \['fewest'\]"),
        (code(FEW.name, fewest=10, most=12), r"has \['fewest', 'most'\]"),
        (code(FEW.name, fewest="ten"), "fewest is no integer"),
        (code(FEW.name, fewest=10.0), "fewest is no integer"),
        (code(FEW.name, fewest=True), "fewest is no integer"),
    ],
)
def test_a_code_that_is_not_declared_so_cannot_be_given(reason: Code | str, told: str) -> None:
    figures = Figures("evaluation/operating_points")
    # What is equal and of another type is no less refused for what was accepted before.
    figures.refuse("sensitivity", code(FEW.name, fewest=1))
    figures.refuse("sensitivity", FEW)
    with pytest.raises(ContractError, match=told):
        figures.refuse("sensitivity", reason)
    with pytest.raises(ContractError, match=told):
        figures.withhold("sensitivity", reason)
    with pytest.raises(ContractError, match=told):
        figures.give("sensitivity", 0.5, method="wilson", notes=reason)


def test_a_reason_is_no_method() -> None:
    with pytest.raises(ContractError, match="no_cases is no method"):
        Figures("evaluation/operating_points").give("sensitivity", 0.5, method="no_cases")


def test_a_code_stands_in_a_row_once_with_its_parameters() -> None:
    figures = Figures("evaluation/operating_points")
    other = code(FEW.name, fewest=20)
    for notes in ((FEW, other), (other, FEW)):
        with pytest.raises(ContractError, match="stands in one row with two values of fewest"):
            figures.give("sensitivity", 0.5, method="wilson", notes=notes)
    with pytest.raises(ContractError, match="two values of fewest"):
        figures.refuse("sensitivity", FEW, notes=other)


def test_a_row_says_its_codes_in_the_declared_order_and_their_parameters_as_json() -> None:
    figures = Figures("evaluation/operating_points")
    notes = coded(FEW, "no_cases", code("replicates_not_told_apart", share=0.05), "no_cases")
    method = coded("percentile_bootstrap", "staquet")
    figures.give("sensitivity", 0.5, method=method, notes=notes)
    figures.refuse("specificity", FEW, notes=coded(FEW, "one_patient"))
    given, refused = figures.frame().to_dicts()
    assert given["reason"] is None
    assert given["notes"] == "no_cases;few_false_negatives_verified;replicates_not_told_apart"
    assert given["method"] == "staquet;percentile_bootstrap"
    assert given["detail"] == (
        '{"few_false_negatives_verified.fewest":10,"replicates_not_told_apart.share":0.05}'
    )
    assert codes.sentences(given["notes"], given["detail"]) == (
        "no cases in the denominator; fewer than 10 false negatives among the verified cases;"
        " in more than 5% of bootstrap replicates the classes cannot be told apart"
    )
    assert (refused["reason"], refused["notes"]) == (FEW.name, "one_patient")
    with pytest.raises(ContractError, match="of_nothing is no code"):
        codes.sentence("of_nothing", None)


# --- what the gate refuses ----------------------------------------------------------------------

LIMIT = {
    "monitor": "ages",
    "window_n": 90,
    "reference_n": 900,
    "status": "refused",
    "reason": "window_below_minimum",
    "detail": '{"window_below_minimum.cases":9,"window_below_minimum.minimum":50}',
}
NOTED = {
    "notes": "budget_per_window;mean_of_splits",
    "detail": json.dumps(
        {
            "budget_per_window.action": 0.05,
            "budget_per_window.warning": 1,
            "mean_of_splits.repeats": 2,
            "mean_of_splits.splits": 10,
        }
    ),
}
TROUBLE = {
    "an undeclared code": ({"reason": "of_nothing", "detail": None}, "codes_declared"),
    "a sentence": ({"reason": "too few cases", "detail": None}, "codes_declared"),
    "two reasons' separator": ({"notes": "no_cases; one_class"}, "codes_declared"),
    "a method as a reason": ({"reason": "wilson", "detail": None}, "codes_declared"),
    "no parameters": ({"detail": None}, "detail_of_codes"),
    "one parameter of two": ({"detail": '{"window_below_minimum.cases":9}'}, "detail_of_codes"),
    "a parameter of no code": ({"reason": "undefined"}, "detail_of_codes"),
    "text for a number": ({"detail": LIMIT["detail"].replace("9", '"9"')}, "detail_of_codes"),
    "a fraction for a count": ({"detail": LIMIT["detail"].replace("9", "9.5")}, "detail_of_codes"),
    "null for a number": ({"detail": LIMIT["detail"].replace("9", "null")}, "detail_of_codes"),
    "a parameter twice": (
        {"detail": LIMIT["detail"].replace("{", '{"window_below_minimum.cases":8,')},
        "detail_of_codes",
    ),
    "a text that is no JSON": ({"detail": "minimum: 50"}, "detail_of_codes"),
    "a list for a word": (
        {"status": "given", "reason": None, "notes": "budget_exceeded"}
        | {"detail": '{"budget_exceeded.levels":"warning"}'},
        "detail_of_codes",
    ),
}


def refused_by_gate(row: dict[str, Any], folder: Path) -> set[str]:
    contract = contracts.load()["drift/limits"]
    path = folder / "table.parquet"
    schema: Any = contract.polars_schema
    made = pl.DataFrame([dict.fromkeys(schema) | LIMIT | row], schema=schema)
    made.write_parquet(path, statistics=False)
    checked = check.run(contract, [path], made.height)
    return {c.id for c in checked if c.closes and c.id in {"codes_declared", "detail_of_codes"}}


@pytest.mark.parametrize("row", [{}, {"reason": None, "status": "given"} | NOTED])
def test_the_gate_passes_codes_as_they_are_declared(row: dict[str, Any], tmp_path: Path) -> None:
    assert refused_by_gate(row, tmp_path) == set()


@pytest.mark.parametrize("name", TROUBLE)
def test_the_gate_closes_on_codes_that_are_not_declared_so(name: str, tmp_path: Path) -> None:
    row, expectation = TROUBLE[name]
    assert expectation in refused_by_gate(row, tmp_path)


def test_every_table_that_says_codes_is_held_to_them() -> None:
    for contract in contracts.load().values():
        names = {c.name for c in contract.columns}
        has_codes = DETAIL in names
        held = {p.id for p in plan(contract)} >= {"codes_declared", "detail_of_codes"}
        assert has_codes == held, contract.asset
        said = names & CODES.keys() if contract.export else set()
        assert has_codes or not said, f"{contract.asset} has {said} without {DETAIL}"


# --- where codes are given ----------------------------------------------------------------------

POSITIONS = {"Code": 0, "code": 0, "undefined": 0, "refuse": 1, "withhold": 1}
"""Function or method → the place of the argument that is a code."""
KEYWORDS = frozenset({"reason", "notes", "method"})
OUTSIDE = frozenset({"np"})
"""Modules whose functions have a keyword of the same name."""


def spoken(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be; of one that is made of parts, its first part and a *."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        first = node.values[0]
        yield f"{first.value if isinstance(first, ast.Constant) else ''}*"
    elif isinstance(node, ast.IfExp):
        yield from (*spoken(node.body), *spoken(node.orelse))
    elif isinstance(node, ast.BoolOp | ast.Tuple | ast.List):
        for part in node.values if isinstance(node, ast.BoolOp) else node.elts:
            yield from spoken(part)


def at_codes(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of a call that are codes."""
    name = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
    base = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(base, ast.Name) and base.id in OUTSIDE:
        return
    place = POSITIONS.get(str(name))
    yield from call.args if name == "coded" else ()
    yield from call.args[place : place + 1] if place is not None else ()
    yield from (k.value for k in call.keywords if k.arg in KEYWORDS)


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("stats", "core"):
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            yield path.relative_to(PACKAGE).as_posix(), tree


def fits(name: str, text: str) -> bool:
    return name == text or (len(text) > 4 and text[-2:] == "_*" and name.startswith(text[:-1]))


def test_every_code_that_is_given_is_declared() -> None:
    known = codes.load()
    odd = [
        f"{file}:{argument.lineno} {text}"
        for file, tree in parsed()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for argument in at_codes(call)
        for text in spoken(argument)
        if not any(fits(name, text) for name in known)
    ]
    assert not odd, f"declare in contracts/codes: {odd}"


def test_every_code_that_is_declared_is_given() -> None:
    texts = {
        text
        for _, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant | ast.JoinedStr)
        for text in spoken(node)
    }
    prefixes = {text for text in texts if text.endswith("_*")}
    unused = [n for n in codes.load() if n not in texts and not any(fits(n, p) for p in prefixes)]
    assert not unused, f"nothing gives {unused}: take out the declaration, and see {GIVEN.name}"


def test_what_says_that_people_are_not_shown_is_marked_so() -> None:
    """Whatever ``core/levels`` gives is given so that nobody is described in too small a group."""
    tree = dict(parsed())["core/levels.py"]
    calls = [call for call in ast.walk(tree) if isinstance(call, ast.Call)]
    given = {text for c in calls for argument in at_codes(c) for text in spoken(argument)}
    assert {"set_too_small", "level_folded"} <= given
    assert all(codes.load()[name].protects_people for name in given)


# --- codes are never renamed or reused ----------------------------------------------------------


def test_no_code_was_renamed_or_changed() -> None:
    with GIVEN.open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    stored = {row["code"]: row for row in listed}
    assert len(stored) == len(listed)
    now = {
        name: {
            "code": name,
            "kind": found.kind,
            "parameters": " ".join(f"{p}:{of.type}" for p, of in found.parameters.items()),
            "retired": "",
        }
        for name, found in codes.load().items()
    }
    gone = [name for name, row in stored.items() if not row["retired"] and name not in now]
    assert not gone, (
        f"{gone} stand in published packs and may not get another name. Where nothing gives one any"
        f" more, write yes under `retired` in {GIVEN.name}: its name stays taken"
    )
    changed = [name for name, row in now.items() if stored.get(name, row) != row]
    assert not changed, (
        f"{changed} had another kind or other parameters in published packs, or are retired: give"
        " what is meant now a name of its own"
    )
    added = [",".join(row.values()) for name, row in now.items() if name not in stored]
    assert not added, "\n".join([f"add to {GIVEN.name}, at its end:", *added])


def test_the_page_of_codes_lists_every_code() -> None:
    page = pages()["codes.md"]
    assert all(f"\n| `{name}` |" in page for name in codes.load())


def test_a_parameter_of_a_code_is_read_by_its_name():
    assert Code("after", (("days", 3),))["days"] == 3
