"""What voids a look: values that a verdict rests on, endpoint by endpoint; never words or order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest
from pydantic import BaseModel

from vpack_pipeline.core.evaluation.verdict_basis import changed_blocks, verdict_basis
from vpack_pipeline.protocol import Protocol, Sampling, SamplingByWindow
from vpack_pipeline_tests.documents import data_of

LOOK, SECOND = dt.date(2027, 3, 1), dt.date(2027, 6, 1)
NONE: frozenset[str] = frozenset()
ON_A = frozenset({"auc", "sensitivity", "kept"})
ALL = ON_A | {"specificity_b"}
Path = tuple[str | int, ...]


def study() -> Protocol:
    """Two findings, models and looks; covariate ``smoker`` is named by a rule, ``bmi`` is not."""
    data = data_of("protocol.yaml")
    first = data["findings"][0] | {"name": "a", "indeterminate": [0.0]}
    first["negative_follow_up"] = {"minimum_days": 365, "source": "a guideline"}
    data["findings"] = [first, {**first, "name": "b"}]
    model = data["index_test"]["models"][0]
    data["index_test"]["models"].append(model | {"id": "model-2", "primary": False})
    data["covariates"] = [
        {"name": "smoker", "title": "Smoker", "type": "bool"},
        {"name": "bmi", "title": "BMI", "type": "float"},
    ]
    rules = data["eligibility"]["rules"]
    rules.append(rules[0] | {"id": "never_smoked", "level": "case", "when": "not smoker"})
    data["sampling"] = {
        "method": "random",
        "strata": [{"name": "ward", "fraction": 0.5}, {"name": "clinic", "fraction": 0.25}],
        "depends_on": ["covariates", "label"],
        "note": "By day.",
    }
    data["adjudication"] |= {
        "precedence": ["independent_reference", "majority"],
        "reference_sources": ["pathology", "registry"],
        "blinding_note": "None.",
        "floor": {"statistic": "krippendorff_alpha", "value": 0.6},
    }
    evaluation = data["evaluation"]
    point = evaluation["operating_points"][0] | {"name": "p_a", "finding": "a"}
    other = {"name": "p_b", "finding": "b", "model": "model-2"}
    spare = {"name": "spare", "threshold": 0.9, "primary": False}
    evaluation["operating_points"] = [point, point | other, point | spare]
    claim = evaluation["endpoints"][0] | {"finding": "a", "operating_point": "p_a"}
    kept = {"id": "kept", "rank": "secondary", "comparison": "non_inferiority", "goal": None}
    evaluation["endpoints"] = [
        claim
        | {
            "id": "auc",
            "metric": "auc",
            "operating_point": None,
            "information_max": {"positives": 100, "negatives": 400},
        },
        claim,
        claim
        | {
            "id": "specificity_b",
            "metric": "specificity",
            "finding": "b",
            "operating_point": "p_b",
        },
        claim
        | kept
        | {
            "margin": 0.05,
            "margin_rationale": "Small.",
            "information_max": {"positives": 100},
            "information_max_retrospective": {"positives": 200},
        },
    ]
    data["amendments"] = [
        {"date": "2027-04-01", "what": "A.", "why": "B.", "seen": "Nothing."},
        {"date": "2027-05-01", "what": "C.", "why": "D.", "seen": "The first look."},
    ]
    looks = [{"cut": str(day), "information": t} for day, t in ((LOOK, 0.5), (SECOND, 1.0))]
    evaluation |= {"several_endpoints": "all_must_be_met", "looks": looks}
    evaluation |= {"maturity": {"panel": 30, "pathology": 60, "registry": 90}}
    return Protocol.model_validate(data)


STUDY = study()


def void(now: Protocol, then: Protocol = STUDY) -> dict[str, tuple[str, ...]]:
    """Give the endpoints of which the first look is void, with what has changed."""
    found = {e.id: changed_blocks(then, now, e.id, LOOK) for e in now.evaluation.endpoints}
    return {endpoint: blocks for endpoint, blocks in found.items() if blocks}


def changed(path: str, value: Any, of: Protocol = STUDY) -> Protocol:
    return _put(of, tuple(int(p) if p.isdigit() else p for p in path.split(".")), value)


def _put(node: Any, path: Path, value: Any) -> Any:
    """Set a value without asking whether the protocol would be accepted."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(node, BaseModel):
        return node.model_copy(update={step: _put(getattr(node, str(step)), rest, value)})
    assert isinstance(step, int)
    return (*node[:step], _put(node[step], rest, value), *node[step + 1 :])


def leaves(node: Any = STUDY, path: Path = ()) -> Iterator[tuple[str, Any]]:
    if isinstance(node, BaseModel):
        for name in type(node).model_fields:
            yield from leaves(getattr(node, name), (*path, name))
    elif isinstance(node, tuple) and node and isinstance(node[0], BaseModel):
        for number, item in enumerate(node):
            yield from leaves(item, (*path, number))
    else:
        yield ".".join(map(str, path)), node


def another(value: Any) -> Any:
    """Give another value of the same type; none of them has to make sense."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, dt.date):
        return value + dt.timedelta(days=1)
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, tuple):
        return value[1:] or (*value, "more")
    if isinstance(value, dict):
        return {key: days + 100 for key, days in value.items()}
    return "more" if value is None else f"{value}_more"


# The first that fits a field says which endpoints lose their look if its value changes.
RESTS_ON: tuple[tuple[str, frozenset[str]], ...] = (
    ("id", NONE),
    ("version", NONE),
    ("about.*", NONE),
    ("drift.*", NONE),
    ("amendments.*", NONE),
    ("finding_details", NONE),
    ("disclosure.*", NONE),
    ("representativeness.*", NONE),
    ("*.title", NONE),
    ("unit_of_analysis", ALL),
    ("covariates.0.*", ALL),
    ("covariates.1.*", NONE),
    ("eligibility.rules.*.id", NONE),
    ("eligibility.rules.*.rationale", NONE),
    ("eligibility.rules.*", ALL),
    ("sampling.note", NONE),
    ("sampling.*", ALL),
    ("adjudication.blinding_note", NONE),
    ("adjudication.floor.*", NONE),
    ("adjudication.*", ALL),
    ("findings.*.categories.*.label", NONE),
    ("findings.*.negative_follow_up.source", NONE),
    ("findings.0.*", ON_A),
    ("findings.1.*", ALL - ON_A),
    ("index_test.models.0.*", ON_A),
    ("index_test.models.1.*", ALL - ON_A),
    ("index_test.*", ALL),
    ("evaluation.retrospective.*", ALL),
    ("evaluation.prospective.*", ALL),
    ("evaluation.maturity", ALL),
    ("evaluation.operating_points.*.chosen_on", NONE),
    ("evaluation.operating_points.0.*", ON_A),
    ("evaluation.operating_points.1.*", ALL - ON_A),
    ("evaluation.operating_points.2.*", NONE),
    ("evaluation.endpoints.*.estimand", NONE),
    ("evaluation.endpoints.*.margin_rationale", NONE),
    ("evaluation.endpoints.0.*", frozenset({"auc"})),
    ("evaluation.endpoints.1.*", frozenset({"sensitivity"})),
    ("evaluation.endpoints.2.*", frozenset({"specificity_b"})),
    ("evaluation.endpoints.3.*", frozenset({"kept"})),
    ("evaluation.alpha", ALL),
    ("evaluation.several_endpoints", ALL - {"kept"}),
    ("evaluation.minimum_patients", ALL),
    ("evaluation.looks.0.information", NONE),
    ("evaluation.looks.1.*", NONE),
    ("evaluation.subgroups.*", NONE),
    ("evaluation.interval.level", NONE),
    ("evaluation.interval.cluster", ALL),
    ("evaluation.replicates", frozenset()),
    ("evaluation.seed", frozenset()),
    ("evaluation.stated_prevalence", frozenset()),
)
# Names that something else refers to, and flags of which exactly one is set: tested by themselves.
BY_THEMSELVES = (
    "index_test.models.*.primary",
    "index_test.models.*.id",
    "evaluation.operating_points.*.name",
    "evaluation.operating_points.*.primary",
    "evaluation.endpoints.*.id",
    "evaluation.endpoints.0.operating_point",  # an AUC has none
    "evaluation.looks.0.cut",
)
FIELDS = [
    (path, value) for path, value in leaves() if not any(fnmatch(path, p) for p in BY_THEMSELVES)
]


@pytest.mark.parametrize(("path", "value"), FIELDS, ids=[path for path, _ in FIELDS])
def test_every_field_is_said_to_void_a_look_or_not(path: str, value: Any) -> None:
    expected = next((ends for pattern, ends in RESTS_ON if fnmatch(path, pattern)), None)
    assert expected is not None, f"say in RESTS_ON whether a verdict rests on {path}"
    found = void(changed(path, another(value)))
    assert set(found) == expected
    block = path.partition(".")[0]
    assert all(block in blocks for blocks in found.values())


def test_every_rule_of_this_test_is_about_a_field() -> None:
    paths = [path for path, _ in leaves()]
    patterns = [pattern for pattern, _ in RESTS_ON] + list(BY_THEMSELVES)
    assert [p for p in patterns if not any(fnmatch(path, p) for path in paths)] == []


def test_a_draw_of_each_window_voids_looks_at_endpoints_of_that_window_alone() -> None:
    draw = STUDY.sampling.prospective
    other = draw.model_copy(update={"method": "convenience"})

    def by_window(retrospective: Sampling, prospective: Sampling) -> Protocol:
        made = SamplingByWindow(retrospective=retrospective, prospective=prospective)
        return changed("sampling", made)

    assert void(by_window(draw, draw)) == {}
    found = void(by_window(other, draw))
    # Non-inferiority alone is judged on the archive as well.
    assert set(found) == {"kept"}
    assert set(void(by_window(draw, other))) == ALL


@pytest.mark.parametrize(
    "path",
    [
        "findings",
        "covariates",
        "eligibility.rules",
        "eligibility.rules.0.blind_to",
        "sampling.strata",
        "sampling.depends_on",
        "index_test.models",
        "evaluation.operating_points",
        "evaluation.endpoints",
        "evaluation.looks",
    ],
)
def test_an_order_that_decides_nothing_voids_nothing(path: str) -> None:
    node: Any = STUDY
    for step in path.split("."):
        node = node[int(step)] if step.isdigit() else getattr(node, step)
    assert len(node) > 1
    assert void(changed(path, node[::-1])) == {}


@pytest.mark.parametrize("path", ["adjudication.precedence", "adjudication.reference_sources"])
def test_the_order_in_which_rules_and_sources_are_trusted_is_a_value(path: str) -> None:
    _, name = path.split(".")
    turned = changed(path, getattr(STUDY.adjudication, name)[::-1])
    assert void(turned) == dict.fromkeys(ALL, ("adjudication",))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("not  smoker", NONE),
        ("NOT smoker -- as asked", NONE),
        ("not smoker or smoker is null", ALL),
        ("not not smoker", ALL),
        ("not (", ALL),
    ],
)
def test_a_condition_counts_by_what_it_says_and_not_by_how_it_is_written(
    when: str, expected: frozenset[str]
) -> None:
    assert set(void(changed("eligibility.rules.2.when", when))) == expected


def test_a_condition_that_cannot_be_read_is_compared_as_it_is_written() -> None:
    broken = changed("eligibility.rules.2.when", "not (")
    assert void(broken, then=broken) == {}


def test_a_rule_added_or_left_out_voids_every_endpoint() -> None:
    fewer = changed("eligibility.rules", STUDY.eligibility.rules[:2])
    assert void(fewer) == dict.fromkeys(ALL, ("covariates", "eligibility"))
    assert void(STUDY, then=fewer) == void(fewer)


def test_another_primary_model_voids_what_is_about_the_primary_model() -> None:
    turned = changed("index_test.models.0.primary", False)
    turned = changed("index_test.models.1.primary", True, turned)
    assert set(void(turned)) == {"auc"}


@pytest.mark.parametrize("column", ["has_prediction", "has_reference", "n_reads", "is_diagnostic"])
def test_a_rule_on_what_was_delivered_ties_every_endpoint_to_what_is_accepted(column: str) -> None:
    asked = changed("eligibility.rules.2.when", f"{column} is not null")
    third = STUDY.findings[0].model_copy(update={"name": "c"})
    more = changed("findings", (*STUDY.findings, third), asked)
    assert void(changed("findings", (*STUDY.findings, third))) == {}
    assert void(more, then=asked) == dict.fromkeys(ALL, ("findings",))
    turned = changed("index_test.models.0.primary", False, asked)
    turned = changed("index_test.models.1.primary", True, turned)
    assert set(void(turned, then=asked)) == (ALL if column == "has_prediction" else {"auc"})


def test_a_point_may_be_renamed_and_loses_no_look() -> None:
    renamed = changed("evaluation.operating_points.0.name", "renamed")
    for number in (1, 3):
        renamed = changed(f"evaluation.endpoints.{number}.operating_point", "renamed", renamed)
    assert void(renamed) == {}


def test_the_point_that_judges_the_labels_of_an_auc_is_a_value_of_it() -> None:
    turned = changed("evaluation.operating_points.0.primary", False)
    turned = changed("evaluation.operating_points.2.primary", True, turned)
    assert set(void(turned)) == {"auc"}


def test_an_endpoint_that_names_another_point_or_model_is_another_claim() -> None:
    path = "evaluation.endpoints.1.operating_point"
    assert void(changed(path, "spare")) == {"sensitivity": ("evaluation",)}
    alike = changed("evaluation.operating_points.2.threshold", 0.5, changed(path, "spare"))
    assert void(alike) == {}, "a point of the same values is the same point"
    of_model_2 = changed("evaluation.operating_points.0.model", "model-2")
    assert void(of_model_2)["sensitivity"] == ("evaluation", "index_test")


@pytest.mark.parametrize(("path", "index"), [("endpoints", 1), ("looks", 0)])
def test_an_endpoint_or_a_look_that_was_not_there_is_a_change(path: str, index: int) -> None:
    known = getattr(STUDY.evaluation, path)
    fewer = changed(f"evaluation.{path}", (*known[:index], *known[index + 1 :]))
    expected = {"sensitivity"} if path == "endpoints" else ALL
    assert void(STUDY, then=fewer) == dict.fromkeys(expected, ("evaluation",))
    assert verdict_basis(fewer, "sensitivity", LOOK) is None


def test_days_that_no_case_waits_for_void_nothing() -> None:
    maturity = STUDY.evaluation.maturity
    assert void(changed("evaluation.maturity", maturity | {"panel": 40, "follow_up": 400})) == {}
    assert set(void(changed("evaluation.maturity", maturity | {"panel": 91}))) == ALL


def test_the_same_moment_in_another_zone_is_the_same_value() -> None:
    moment = STUDY.index_test.models[0].locked_at
    east = moment.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert east.isoformat() != moment.isoformat()
    assert void(changed("index_test.models.0.locked_at", east)) == {}


def test_under_a_rule_that_lets_others_decide_the_level_their_claims_are_part_of_it() -> None:
    def voided(rule: str, number: int) -> set[str]:
        study = changed("evaluation.several_endpoints", rule)
        higher = changed(f"evaluation.endpoints.{number}.goal", 0.7, study)
        return set(void(higher, then=study))

    primary = ["auc", "sensitivity", "specificity_b"]
    for number, name in enumerate(primary):
        assert voided("all_must_be_met", number) == {name}
        assert voided("fixed_sequence", number) == set(primary[number:])
        assert voided("holm", number) == set(primary)
    holm = changed("evaluation.several_endpoints", "holm")
    turned = changed("evaluation.endpoints", STUDY.evaluation.endpoints[::-1], holm)
    assert void(turned, then=holm) == {}
    sequence = changed("evaluation.several_endpoints", "fixed_sequence")
    turned = changed("evaluation.endpoints", STUDY.evaluation.endpoints[::-1], sequence)
    assert set(void(turned, then=sequence)) == set(primary)


def test_a_look_that_was_the_last_is_not_voided_by_one_that_is_added_nor_by_a_plan() -> None:
    alone = changed("evaluation.looks", STUDY.evaluation.looks[:1])
    assert void(STUDY, then=alone) == {}
    path = "evaluation.endpoints.0.information_max.positives"
    assert void(changed(path, 150), then=alone) == {}
    assert set(void(changed(path, 150))) == {"auc"}
