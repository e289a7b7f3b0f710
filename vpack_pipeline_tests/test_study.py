"""Loading a study resolves every name: all problems at once, each with the nearest right one."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from documents import data_of, project, put

from vpack_pipeline import contracts, study
from vpack_pipeline.assets import by_function
from vpack_pipeline.errors import DocumentError, InputError, UsageError

ROOT = Path(__file__).parents[1]


def told(root: Path) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        study.load(root, "harbour")
    return [str(p) for p in caught.value.problems]


def changed(**changes: Any) -> Any:
    data = data_of("protocol.yaml")
    for path, value in changes.items():
        put(data, path.replace("__", "."), value)
    return data


@pytest.mark.parametrize("name", study.site_ids(ROOT))
def test_every_shipped_site_loads(name: str) -> None:
    assert study.load(ROOT, name).site.site_id == name


def test_the_starter_documents_load_together(tmp_path: Path) -> None:
    loaded = study.load(project(tmp_path), "harbour")
    assert loaded.protocol.reference == loaded.site.protocol


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        ("adjudication__precedence", ["majorty"], "no 'majorty' — did you mean 'majority'?"),
        ("representativeness__distances", ["smdd"], "no 'smdd' — did you mean 'smd'?"),
        ("drift__monitors__0__statistic", "volum", "no 'volum' — did you mean 'volume'?"),
        ("drift__monitors__1__variable", "manufacturr", "did you mean 'manufacturer'?"),
        ("drift__monitors__2__finding", "findin", "no 'findin' — did you mean 'finding'?"),
        ("drift__monitors__2__level", "L3", "nobody answers at level L3"),
        ("evaluation__endpoints__0__finding", "findin", "endpoints sensitivity.finding"),
        ("evaluation__endpoints__0__operating_point", "loked", "did you mean 'locked'?"),
        ("evaluation__operating_points__0__model", "model-2", "did you mean 'model-1'?"),
        ("evaluation__subgroups__variables", ["kvp"], "'kvp' is not profiled"),
        (
            "evaluation__operating_points__0__threshold",
            1.01,
            "locked.threshold: 1.01 lies outside output.minimum to output.maximum, 0 to 1",
        ),
        ("evaluation__operating_points__0__threshold", -0.1, "-0.1 lies outside"),
        ("evaluation__endpoints__0__goal", 1.0, "1 is no goal for sensitivity"),
        ("evaluation__endpoints__0__information_max", {"positives": 16}, "no sample could meet"),
        (
            "evaluation__stated_prevalence",
            [{"finding": "findin", "prevalence": 0.1, "source": "A registry."}],
            "stated_prevalence findin.finding: no 'findin' — did you mean 'finding'?",
        ),
        ("drift__window_days", 7, "7 days are finer than disclosure.date_granularity, a month"),
        ("drift__cadence_days", 27, "drift.cadence_days: 27 days are finer"),
        ("disclosure__date_granularity", "year", "use 364 or more, or a finer granularity"),
        ("representativeness__joint", [["age_years", "kvp"]], "joint: 'kvp' is not profiled"),
        (
            "finding_details",
            [
                {
                    "name": "rating",
                    "title": "x",
                    "source": "reads",
                    "kind": "categorical",
                    "levels": ["a"],
                }
            ],
            "'rating' is a column that reads have already",
        ),
        ("disclosure__technical", ["kvp"], "disclosure.technical: no covariate 'kvp'"),
        ("representativeness__variables__0__name", "age", "neither a column of the case view"),
        ("adjudication__reference_sources", ["pathology"], "'pathology' is missing"),
        ("evaluation__maturity", {}, "'panel' is missing — add its days"),
        ("eligibility__rules__0__when", "age_yers >= 18", "age_years"),
        ("eligibility__rules__0__when", "random() < 0.5", "function"),
        ("covariates", [{"name": "sex", "title": "x", "type": "string"}], "rename the covariate"),
    ],
)
def test_a_name_that_does_not_resolve_is_told_with_the_nearest(
    tmp_path: Path, path: str, value: Any, what: str
) -> None:
    found = told(project(tmp_path, changed(**{path: value})))
    assert any(what in f for f in found), found


@pytest.mark.parametrize("own", [True, False])
def test_a_label_is_waited_for_until_a_negative_follow_up_counts(tmp_path: Path, own: bool) -> None:
    """The finding may state days of its own, else those of adjudication hold."""
    data = changed(
        adjudication__reference_sources=["follow_up"],
        adjudication__follow_up_minimum_days=90 if own else 180,
        evaluation__maturity={"panel": 30, "follow_up": 179},
    )
    if own:
        data["findings"][0]["negative_follow_up"] = {"minimum_days": 180, "source": "A guideline"}
    (found,) = told(project(tmp_path / "short", data))
    assert "evaluation.maturity.follow_up: 179 days end before a negative follow-up" in found
    asked = (
        "findings finding.negative_follow_up.minimum_days"
        if own
        else ("adjudication.follow_up_minimum_days")
    )
    assert f"{asked} is 180" in found
    assert "wait at least 180 days" in found
    data["evaluation"]["maturity"]["follow_up"] = 180
    assert study.load(project(tmp_path / "enough", data), "harbour")
    # Where follow-up makes no label, nothing waits for it.
    data["evaluation"]["maturity"]["follow_up"] = 1
    data["adjudication"]["reference_sources"] = []
    assert study.load(project(tmp_path / "none", data), "harbour")


FLAGGED = {"name": "flagged", "fraction": 1.0}
CLEARED = {"name": "cleared", "fraction": 0.02}


@pytest.mark.parametrize(
    ("sampling", "what"),
    [
        (
            {"strata": [{"name": "flagged", "fraction": 0.0}, {"name": "cleared", "fraction": 0}]},
            "sampling.strata: every fraction is 0, so that no case was drawn — state the share",
        ),
        (
            {"strata": [FLAGGED, {"name": "cleared"}], "depends_on": ["score"]},
            "sampling.strata: no fraction of cleared, and others have one — state the share",
        ),
        (
            {"strata": [FLAGGED, {"name": "cleared"}], "depends_on": ["score"]},
            "endpoints sensitivity.metric: cases were drawn by score and no fractions are stated:"
            " sensitivity cannot be estimated — state sampling.strata with the share",
        ),
        ({"depends_on": ["score"]}, "cases were drawn by score and no fractions are stated"),
        ({"depends_on": ["label", "score"]}, "cases were drawn by label, score and no fractions"),
        ({"depends_on": ["covariates"]}, "cases were drawn by covariates and no fractions"),
        ({"depends_on": ["label"], "finding": "findin"}, "finding: no 'findin' — did you mean"),
    ],
)
def test_a_draw_that_cannot_estimate_what_is_claimed_is_refused(
    tmp_path: Path, sampling: dict[str, Any], what: str
) -> None:
    data = changed(sampling={"method": "random", **sampling})
    found = told(project(tmp_path, data))
    assert any(what in f for f in found), found


@pytest.mark.parametrize(
    ("fraction", "what"), [(-0.1, "greater than or equal to 0"), (1.5, "less than or equal to 1")]
)
def test_a_fraction_that_is_no_share_is_refused_with_its_place(
    tmp_path: Path, fraction: float, what: str
) -> None:
    strata = [{"name": "cleared", "fraction": fraction}]
    found = told(project(tmp_path, changed(sampling={"method": "random", "strata": strata})))
    assert any(what in f and "sampling.strata.0.fraction" in f for f in found), found


@pytest.mark.parametrize(
    "sampling",
    [
        {"depends_on": ["label"]},
        {"depends_on": ["score"], "strata": [FLAGGED, CLEARED]},
        {"depends_on": ["score"], "strata": [FLAGGED, {"name": "cleared", "fraction": 0.0}]},
        {"depends_on": ["label", "score"], "strata": [FLAGGED, CLEARED]},
    ],
)
def test_a_draw_that_can_is_accepted(tmp_path: Path, sampling: dict[str, Any]) -> None:
    study.load(project(tmp_path, changed(sampling={"method": "random", **sampling})), "harbour")


def test_each_window_may_be_drawn_otherwise_and_is_told_by_its_own_key(tmp_path: Path) -> None:
    whole = {"method": "consecutive"}
    unknown = {"method": "random", "depends_on": ["score"]}
    by_window = {"retrospective": unknown, "prospective": whole}
    assert data_of("protocol.yaml")["evaluation"]["endpoints"][0]["window"] == "prospective"
    study.load(project(tmp_path / "fine", changed(sampling=by_window)), "harbour")
    turned = {"retrospective": whole, "prospective": unknown}
    found = told(project(tmp_path / "refused", changed(sampling=turned)))
    assert any("cases were drawn by score and no fractions are stated" in f for f in found), found
    none_drawn = {"method": "random", "strata": [{"name": "cleared", "fraction": 0.0}]}
    both = {"retrospective": none_drawn, "prospective": whole}
    found = told(project(tmp_path / "none", changed(sampling=both)))
    assert any("sampling.retrospective.strata: every fraction is 0" in f for f in found), found
    found = told(project(tmp_path / "half", changed(sampling={"retrospective": whole})))
    assert any("'sampling.prospective' is missing" in f for f in found), found


def test_of_several_findings_the_one_that_was_drawn_by_is_named(tmp_path: Path) -> None:
    data = changed(sampling={"method": "random", "depends_on": ["label"]})
    data["findings"] = [*data["findings"], {**deepcopy(data["findings"][0]), "name": "other"}]
    found = told(project(tmp_path, data))
    what = "sampling.finding: cases were drawn by label, and it is not said of which finding"
    assert any(f"{what} — name one of finding, other" in f for f in found), found


def another_point() -> Any:
    return data_of("protocol.yaml")["evaluation"]["operating_points"][0]


def test_two_points_cannot_both_speak_for_a_finding_and_model(tmp_path: Path) -> None:
    data = changed()
    points = data["evaluation"]["operating_points"]
    points.append({**another_point(), "name": "lower", "threshold": 0.2})
    (found,) = told(project(tmp_path, data))
    assert "operating_points locked, lower.primary: 2 are primary for finding 'finding'" in found
    assert "leave one primary" in found


@pytest.mark.parametrize("is_primary", [True, False])
def test_further_points_and_those_of_other_findings_are_no_problem(
    tmp_path: Path, is_primary: bool
) -> None:
    data = changed()
    data["findings"].append({**data_of("protocol.yaml")["findings"][0], "name": "other"})
    points = data["evaluation"]["operating_points"]
    points.append({**another_point(), "name": "lower", "primary": False, "threshold": 0.0})
    other = {"name": "of_other", "finding": "other", "primary": is_primary}
    points.append({**another_point(), **other})
    assert study.load(project(tmp_path, data), "harbour").protocol.findings[1].name == "other"


def test_an_endpoint_that_the_output_cannot_give_is_refused(tmp_path: Path) -> None:
    data = changed(index_test__output__kind="binary")
    auc = {"id": "area", "metric": "auc", "operating_point": None, "rank": "secondary"}
    endpoints = data["evaluation"]["endpoints"]
    endpoints.append({**endpoints[0], **auc})
    (found,) = told(project(tmp_path / "binary", data))
    assert "endpoints area.metric: a binary output has no area under the ROC curve" in found
    data = changed()
    data["findings"].append({**data_of("protocol.yaml")["findings"][0], "name": "other"})
    put(data, "evaluation.endpoints.0.finding", "other")
    (found,) = told(project(tmp_path / "other", data))
    assert "endpoints sensitivity.operating_point: 'locked' is a threshold for 'finding'" in found
    assert "there are none" in found


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    data = changed(
        adjudication__precedence=["majorty"],
        drift__monitors__0__statistic="volum",
        evaluation__endpoints__0__finding="findin",
        evaluation__maturity={},
        eligibility__rules__0__when="age_yers >= 18",
    )
    put(data, "disclosure.technical", ["field_strength"])
    assert len(told(project(tmp_path, data))) == 6


def test_both_documents_are_told_at_once(tmp_path: Path) -> None:
    site = put(data_of("site.yaml"), "inputs.reads.mode", "replace")
    found = told(project(tmp_path, changed(index_test__attempt="third"), site))
    assert any(f.startswith("site.yaml:") and "inputs.reads.mode" in f for f in found)
    assert any(f.startswith("starter-0.1.yaml:") and "index_test.attempt" in f for f in found)


@pytest.mark.parametrize("protocol", [..., "no reference", ["a"]])
def test_a_site_that_names_no_protocol_is_told_alone(tmp_path: Path, protocol: Any) -> None:
    found = told(project(tmp_path, site_data=put(data_of("site.yaml"), "protocol", protocol)))
    assert len(found) == 1
    assert "'protocol'" in found[0]


def test_a_site_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "data/sites/harbour/site.yaml").write_text("a: [", encoding="utf-8")
    assert told(root)[0].startswith("site.yaml:")


def test_a_wide_form_names_findings_of_the_protocol(tmp_path: Path) -> None:
    wide = {"findings": {"findin": "Finding"}, "into": "rating"}
    site = put(data_of("site.yaml"), "inputs.reads.wide", wide)
    (found,) = told(project(tmp_path, site_data=site))
    assert "site.yaml inputs.reads.wide: no finding 'findin' — did you mean 'finding'?" in found


def test_an_unknown_site_is_told_with_the_nearest_and_no_echo(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'harbour'"):
        study.load(project(tmp_path), "harbor")
    with pytest.raises(UsageError, match="vpack init SITE"):
        study.load(project(tmp_path), "zzz")


def test_a_site_folder_of_another_name_is_refused(tmp_path: Path) -> None:
    site = put(data_of("site.yaml"), "site_id", "port")
    assert "site_id is not the folder's name" in told(project(tmp_path, site_data=site))[0]


def test_a_protocol_that_is_absent_or_there_twice_is_refused(tmp_path: Path) -> None:
    site = put(data_of("site.yaml"), "protocol", "starter@9")
    root = project(tmp_path, site_data=site)
    assert "no protocol is starter@9" in told(root)[0]
    own = project(tmp_path / "twice")
    protocols = own / "data/protocols"
    text = (protocols / "starter-0.1.yaml").read_text(encoding="utf-8")
    (protocols / "starter-0.1.yaml").rename(protocols / "a.yaml")
    (protocols / "b.yaml").write_text(text, encoding="utf-8")
    assert "more than one protocol is starter@0.1" in told(own)[0]


def test_a_broken_protocol_of_another_study_does_not_stop_this_one(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "data/protocols/other-1.yaml").write_text("id: [", encoding="utf-8")
    assert study.load(root, "harbour").site.site_id == "harbour"


def test_a_protocol_that_changed_on_disk_is_read_again(tmp_path: Path) -> None:
    root = project(tmp_path)
    before = study.load(root, "harbour").protocol.digest
    project(root, changed(about__title="A longer title than it was before"))
    assert study.load(root, "harbour").protocol.digest != before


def test_a_table_is_given_only_the_blocks_that_its_contract_declares(tmp_path: Path) -> None:
    loaded = study.load(project(tmp_path), "harbour")
    contract = contracts.load()["drift/plan"]
    assert set(by_function.blocks(loaded, contract)) == {*contract.protocol, *contract.site}


def test_sites_are_folders_with_a_site_document(tmp_path: Path) -> None:
    assert study.site_ids(tmp_path) == []
    root = project(tmp_path)
    (root / "data/sites/empty").mkdir()
    assert study.site_ids(root) == ["harbour"]


def test_the_root_is_the_given_one_then_the_variable_then_the_nearest_above(tmp_path: Path) -> None:
    root = project(tmp_path)
    deep = root / "a/b"
    deep.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    assert study.find_root(elsewhere, "x", deep) == elsewhere
    assert study.find_root(None, str(elsewhere), deep) == elsewhere
    assert study.find_root(None, None, deep) == root
    assert study.find_root(None, "", deep) == root


def test_without_a_project_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vpack init SITE"):
        study.find_root(None, None, tmp_path)
