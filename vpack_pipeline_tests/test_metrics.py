"""One declaration for each figure: what reads it, and that nothing stands beside it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import adjudication, evaluation
from vpack_pipeline.contracts import Contract, metrics
from vpack_pipeline.contracts.shapes import FIGURE, figure_columns
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.errors import ContractError, DocumentError
from vpack_pipeline.report import words
from vpack_pipeline.report.book import Row
from vpack_pipeline.report.rows import metrics_of
from vpack_pipeline.strict_yaml import validate

PACKAGE = Path(contracts.__file__).parents[1]
FIGURES = sorted(a for a, c in contracts.load().items() if c.shape == FIGURE)
FILE = PACKAGE / "contracts" / "metrics.yaml"
MANY = 10


def declared(text: str) -> metrics._File:
    return validate(text, metrics.FILE, metrics._File)


def one(**changed: str) -> str:
    given = {
        "name": "odd",
        "title": "Odd",
        "kind": "share",
        "meaning": "A figure.",
        "tables": "[evaluation/performance]",
    }
    entries = [f"{key}: {value}" for key, value in (given | changed).items()]
    return "  - " + "\n    ".join(entries) + "\n"


def test_every_table_that_holds_figures_has_their_shape_and_some_metric() -> None:
    named = {t for m in metrics.load() for t in m.tables}
    assert named == set(FIGURES)
    assert {a for a, c in contracts.load().items() if "metric" in c.key} == set(FIGURES)
    for asset in FIGURES:
        names = [c.name for c in contracts.load()[asset].columns]
        start = names.index("metric")
        assert tuple(names[start : start + len(figure_columns())]) == figure_columns()
        assert set(contracts.load()[asset].key) == set(names[: start + 1])


def test_a_figure_that_is_not_declared_cannot_be_given() -> None:
    figures = Figures("evaluation/operating_points")
    told = r"f1_score is no metric of this table; declare it in contracts/metrics\.yaml"
    with pytest.raises(ContractError, match=told):
        figures.give("f1_score", 0.5)
    for add in (figures.refuse, figures.withhold):
        with pytest.raises(ContractError, match=told):
            add("f1_score", "because")
    with pytest.raises(ContractError, match="auc"):
        figures.refuse("auc", "it is declared for other tables")


def test_a_family_stands_for_the_names_that_its_parameter_allows() -> None:
    assert metrics.find("adjudication/agreement", "path_majority").kind == "share"
    with pytest.raises(ContractError):
        metrics.find("adjudication/agreement", "path_guess")
    assert metrics.find("adjudication/reader_performance", "share_rating=2.5").prefix == (
        "share_rating="
    )
    assert words.METRICS["path_no_reads"] == "without a read or other source"
    assert words.METRICS["undecided_clear"] == "Undecided: Two or more readers, unanimous"


def test_a_metric_has_one_title_except_where_it_means_less() -> None:
    assert words.METRICS["n_failed"] == "Without a usable inference"
    assert words.METRICS_IN["evaluation/failures"]["n_failed"] == "Failed"
    assert words.METRICS_IN["evaluation/failures"]["n_cases"] == words.METRICS["n_cases"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (one() + one(), "declared twice: odd"),
        (one(kind="percentage"), "kind"),
        (one(values="{a: b}"), "has values and no parameter"),
        (one(name="'odd_{kind}'"), "does not name"),
        (one(titles="{evaluation/calibration: Even}"), "where it does not stand"),
        (one(tables="[]"), "tables"),
        (one(means="nothing"), "means"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_file_and_field(text: str, told: str) -> None:
    with pytest.raises(DocumentError, match=r"contracts/metrics\.yaml") as refused:
        declared(f"metrics:\n{text}")
    assert told in str(refused.value)


def test_a_table_of_figures_without_a_metric_or_with_another_key_is_refused() -> None:
    text = (
        "asset: evaluation/{name}\ndescription: d\ngrain: g\nkey: [finding, {last}]\n"
        "may_be_empty: null\ncomputed_by: core\nshape: figure\n"
        "columns: [finding]\n"
    )
    with pytest.raises(DocumentError, match=r"no metric of it is declared"):
        validate(text.format(name="odd", last="metric"), "odd", Contract)
    with pytest.raises(DocumentError, match="ends with metric"):
        validate(text.format(name="subgroups", last="stratum"), "odd", Contract)


@pytest.mark.parametrize("asset", FIGURES)
def test_the_json_schema_names_every_metric(asset: str) -> None:
    told = contracts.load()[asset].json_schema()["properties"]["metric"]["oneOf"]
    names = [name for m in metrics.of(asset) for name in m.names or (m.prefix,)]
    shown = [t.get("const") or re.sub(r"^\^|\.\+\$$", "", t["pattern"]) for t in told]
    assert shown == names


def test_what_dagster_shows_bears_the_titles_of_the_metrics() -> None:
    agreement = Figures("adjudication/agreement")
    others = {k: "all" for k in agreement.keys if k != "finding"}
    agreement.give("fleiss_kappa", 0.6254, finding="nodule", method="fleiss_kappa", **others)
    agreement.refuse("gwet_ac1", "one_reader", finding="nodule", **others)
    elsewhere = others | {"stratum": "size"}
    agreement.give("fleiss_kappa", 0.1, finding="nodule", method="fleiss_kappa", **elsewhere)
    assert adjudication._agreement(agreement.frame()) == {"Fleiss' kappa, nodule": 0.625}
    points = Figures("evaluation/operating_points")
    keys = {"model_id": "m", "operating_point": "rule_in", "window": "retrospective"}
    for finding, value in (("nodule", 0.9), ("mass", 0.8)):
        itd = {"finding": finding, "analysis": "intention_to_diagnose", **keys}
        points.give("sensitivity", value, method="wilson", **itd)
    assert evaluation._points(points.frame()) == {
        "Sensitivity, mass, m, rule_in, retrospective": 0.8,
        "Sensitivity, nodule, m, rule_in, retrospective": 0.9,
    }


def test_no_second_list_says_what_a_metric_is_called() -> None:
    """A title is written once: whatever maps a metric to it again would go its own way."""
    titles = {title for m in metrics.load() for title in (m.title, *m.titles.values())}
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in {".py", ".j2", ".yaml"} and path != FILE:
            text = path.read_text(encoding="utf-8")
            mapped = re.findall(r"""["'](\w+)["']: ?f?"([^"]+)"[,}\n]""", text)
            known = {name for m in metrics.load() for name in m.names}
            again = {name for name, said in mapped if name in known and said in titles}
            assert again == set(), path


def test_the_report_lists_metrics_in_no_order_of_its_own() -> None:
    """Some metrics are chosen by name; a long list would be a second order of print."""
    known = {name for m in metrics.load() for name in m.names}
    for path in sorted((PACKAGE / "report").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                said = [e.value for e in node.elts if isinstance(e, ast.Constant)]
                assert len(known.intersection(said)) < MANY, (path.name, node.lineno)


def test_metrics_of_a_table_are_printed_in_the_declared_order() -> None:
    asset = "evaluation/calibration"
    names = [name for m in metrics.of(asset) for name in m.names]
    rows = [Row(asset, {"metric": name}, {}) for name in sorted(names, reverse=True)]
    assert metrics_of(rows) == names
    assert metrics_of([]) == []
