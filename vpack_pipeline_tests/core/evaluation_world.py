"""A study small enough to compute by hand, as the frames and blocks that evaluation is given."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets.by_function import function_of
from vpack_pipeline.core.evaluation.time_split import time_split
from vpack_pipeline.core.representativeness.levels import levels
from vpack_pipeline.protocol import (
    About,
    Adjudication,
    Amendment,
    Covariate,
    Disclosure,
    Eligibility,
    Endpoint,
    Evaluation,
    Finding,
    FindingDetail,
    IndexTest,
    IndexTestModel,
    Look,
    OperatingPoint,
    Output,
    Representativeness,
    Rule,
    Sampling,
    Subgroups,
    Variable,
)
from vpack_pipeline.site import InputForm
from vpack_pipeline_tests.arguments import asked_by

UTC = datetime.UTC
BEFORE = datetime.date(2025, 3, 1)
"""An index date of the retrospective window."""
AFTER = datetime.date(2025, 9, 1)
"""An index date of the prospective window."""
LOOK = datetime.date(2026, 3, 1)


def at(date: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(date).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """One case; ``label`` None is undecided."""

    label: str | None
    score: float | None = None
    status: str = "ok"
    patient: str | None = None
    date: datetime.date = BEFORE
    excluded_by: tuple[str, ...] = ()
    stratum: str = "all"
    sex: str | None = "F"
    covariates: Mapping[str, Any] = field(default_factory=dict)
    call: bool | None = None
    expected_source: str = "panel"
    source: str | None = None
    n_independent: int = 2
    produced_at: datetime.datetime | None = None
    received_at: datetime.datetime | None = None
    established_at: datetime.datetime | None = None
    opened_at: datetime.datetime | None = None
    is_watched: bool = False
    """A row of operations was delivered of its study."""
    in_development: bool = False
    study_time_s: float | None = None
    """When its study began; None: at a second of its own."""
    second_score: float | None = None


def cases_of(n: int, label: str | None, score: float | None, **rest: Any) -> list[Case]:
    return [Case(label, score, **rest) for _ in range(n)]


FINDING = Finding.model_validate(
    {
        "name": "nodule",
        "title": "Nodule",
        "categories": [
            {"value": 0, "label": "absent"},
            {"value": 1, "label": "equivocal"},
            {"value": 2, "label": "present"},
        ],
        "positive_from": 2,
        "indeterminate": [1],
    }
)
MODEL = IndexTestModel(
    id="m-2", version="2", digest="sha256:" + "0" * 64, locked_at=at("2025-06-01"), primary=True
)
INDEX_TEST = IndexTest(
    models=(MODEL,),
    output=Output(kind="probability", minimum=0.0, maximum=1.0),
    failed_counts_as="negative",
)
POINT = OperatingPoint(
    name="locked",
    title="Locked",
    finding="nodule",
    model="m-2",
    threshold=0.5,
    fixed_at=at("2025-06-01"),
    chosen_on=("development",),
    primary=True,
)


def endpoint(**changes: Any) -> Endpoint:
    return Endpoint.model_validate(
        {
            "id": "sensitivity_after",
            "title": "Sensitivity",
            "estimand": "In words",
            "metric": "sensitivity",
            "finding": "nodule",
            "window": "prospective",
            "operating_point": "locked",
            "rank": "primary",
            "goal": 0.5,
            **changes,
        }
    )


EVALUATION = Evaluation.model_validate(
    {
        "retrospective": {"start": "2025-01-01", "end": "2025-06-30"},
        "prospective": {"start": "2025-07-01", "end": "2025-12-31"},
        "maturity": {"panel": 30, "pathology": 30},
        "operating_points": [POINT],
        "endpoints": [endpoint()],
        "looks": [Look(cut=LOOK)],
        "subgroups": Subgroups(variables=("sex",), minimum_positives=2, minimum_negatives=2),
        "replicates": 200,
        "seed": 7,
    }
)
ADJUDICATION = Adjudication(
    precedence=("independent_reference", "majority"),
    reference_sources=("pathology",),
    minimum_readers=2,
    quorum=2,
    indeterminate_counts_to_quorum=False,
    indeterminate_policy="indeterminate",
    non_diagnostic_policy="drop_read",
    blind_to_index_test=True,
    blind_to_peers=True,
    follow_up_minimum_days=90,
    verification_tolerance=0.1,
)


def rule(name: str, **changes: Any) -> Rule:
    return Rule.model_validate(
        {
            "id": name,
            "title": name,
            "kind": "exclude",
            "level": "case",
            "when": "false",
            "if_unknown": "include",
            "decided_at": "2025-05-01",
            "blind_to": ["scores", "labels"],
            "rationale": "Because.",
            **changes,
        }
    )


SAMPLING = Sampling(method="consecutive")
ELIGIBILITY = Eligibility(rules=(rule("blurred"), rule("bedside")))
PROFILE = Representativeness(
    variables=(Variable(name="sex", title="Sex", kind="categorical", levels=("F", "M")),),
    transport=("sex",),
)
FIVE = Disclosure(smallest_group=5)
ABOUT = About.model_construct(registered_at=at("2025-06-15"))


@dataclass(frozen=True)
class World:
    """Cases and blocks; ``run`` calls a table's function with what its contract declares."""

    cases: Sequence[Case]
    cut: datetime.date = LOOK
    evaluation: Evaluation = EVALUATION
    index_test: IndexTest = INDEX_TEST
    sampling: Sampling = SAMPLING
    eligibility: Eligibility = ELIGIBILITY
    adjudication: Adjudication = ADJUDICATION
    about: About = ABOUT
    findings: tuple[Finding, ...] = (FINDING,)
    representativeness: Representativeness = PROFILE
    covariates: tuple[Covariate, ...] = ()
    finding_details: tuple[FindingDetail, ...] = ()
    disclosure: Disclosure = FIVE
    amendments: tuple[Amendment, ...] = ()
    readers_agreed: bool = True
    are_people: bool = False
    """Whether variables describe people; else every level is printed as it is."""
    inputs: Mapping[str, InputForm] = field(default_factory=dict)
    """How the site's exports are written."""
    given: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Frames that stand in for those made from the cases."""

    def but(self, **changes: Any) -> World:
        return replace(self, **changes)

    def evaluated(self, **changes: Any) -> World:
        return self.but(evaluation=self.evaluation.model_copy(update=changes))

    def run(self, table: str) -> pl.DataFrame:
        contract = contracts.load()[f"evaluation/{table}"]
        function: Callable[..., pl.DataFrame] = function_of(contract)
        declared = {*contract.inputs, *contract.protocol, *contract.site, *contract.outside}
        asked, _ = asked_by(function)
        assert asked == declared | ({"cut"} if contract.uses_cut else set())
        made = function(**{name: self.argument(name) for name in sorted(asked)})
        assert made.sort(contract.key).equals(made), "not in the order of its key"
        assert not made.select(contract.key).is_duplicated().any()
        return contracts.conform(made, contract)

    def argument(self, name: str) -> Any:
        if name in self.given:
            return self.given[name]
        if name in {f.name for f in fields(self)} and name != "cases":
            return getattr(self, name)
        return getattr(self, f"_{name}")()

    def named(self) -> list[tuple[str, str, Case]]:
        return [
            (f"c{i:05d}", case.patient or f"p{i:05d}", case) for i, case in enumerate(self.cases)
        ]

    def _rows(self, make: Callable[[str, str, Case], Any], schema: Mapping[str, Any]) -> Any:
        rows = [make(*named) for named in self.named()]
        rows = [row for row in rows if row is not None]
        return pl.DataFrame(rows, schema=dict(schema), orient="row")

    def _cases(self) -> pl.DataFrame:
        return self._rows(
            lambda c, p, x: (
                c,
                p,
                x.date,
                x.stratum,
                json.dumps(dict(x.covariates), sort_keys=True),
                x.sex,
                x.date,
                self._second(c, x),
                True,
            ),
            {
                "case_id": pl.String,
                "patient_id": pl.String,
                "index_date": pl.Date,
                "stratum": pl.String,
                "covariates": pl.String,
                "sex": pl.String,
                "study_date": pl.Date,
                "study_time_s": pl.Float64,
                "in_force": pl.Boolean,
            },
        )

    @staticmethod
    def _second(case_id: str, case: Case) -> float:
        return 36_000.5 + int(case_id[1:]) if case.study_time_s is None else case.study_time_s

    def _case_view(self) -> pl.DataFrame:
        return self._cases()

    def _levels(self) -> pl.DataFrame:
        made = levels(
            cases=self._cases(),
            included=self._included(),
            representativeness=self.representativeness,
            covariates=self.covariates,
            evaluation=self.evaluation,
            disclosure=self.disclosure,
        )
        if self.are_people:
            return made
        return made.with_columns(
            printed_level="level", is_personal=pl.lit(False), reason=pl.lit(None, pl.String)
        )

    def _transport_cells(self) -> pl.DataFrame:
        return self.run("transport_cells")

    def _included(self) -> pl.DataFrame:
        return self._rows(
            lambda c, p, x: None if x.excluded_by else (c, p),
            {"case_id": pl.String, "patient_id": pl.String},
        )

    def _excluded(self) -> pl.DataFrame:
        return self._rows(
            lambda c, p, x: (
                (c, p, x.excluded_by[0], "|".join(x.excluded_by)) if x.excluded_by else None
            ),
            dict.fromkeys(("case_id", "patient_id", "first_rule", "all_rules"), pl.String),
        )

    def _reference_standard(self) -> pl.DataFrame:
        stamp = pl.Datetime("us", "UTC")
        return self._rows(
            lambda c, p, x: (
                c,
                self.findings[0].name,
                p,
                x.label,
                (x.source or "panel") if x.label else None,
                x.expected_source,
                x.n_independent,
                x.established_at,
                None if x.label is None else "majority",
                x.n_independent if x.label == "positive" else 0,
                x.n_independent if x.label == "negative" else 0,
                0,
            ),
            {
                "case_id": pl.String,
                "finding": pl.String,
                "patient_id": pl.String,
                "label": pl.String,
                "source": pl.String,
                "expected_source": pl.String,
                "n_independent": pl.Int64,
                "established_at": stamp,
                "method": pl.String,
                "n_positive": pl.Int64,
                "n_negative": pl.Int64,
                "n_indeterminate": pl.Int64,
            },
        )

    def _inferences(self) -> pl.DataFrame:
        stamp = pl.Datetime("us", "UTC")
        schema = {
            "case_id": pl.String,
            "finding": pl.String,
            "model_id": pl.String,
            "patient_id": pl.String,
            "status": pl.String,
            "score": pl.Float64,
            "call": pl.Boolean,
            "received_at": stamp,
            "produced_at": stamp,
        }
        parts = []
        for model in self.index_test.models:
            parts.append(
                self._rows(
                    lambda c, p, x, model=model: (
                        c,
                        self.findings[0].name,
                        model.id,
                        p,
                        x.status,
                        x.score if model.primary else x.second_score,
                        x.call,
                        x.received_at,
                        x.produced_at,
                    ),
                    schema,
                )
            )
        return pl.concat(parts)

    def _time_split(self) -> pl.DataFrame:
        return time_split(
            cases=self._cases(),
            reference_standard=self.argument("reference_standard"),
            included=self._included(),
            adjudication=self.adjudication,
            evaluation=self.evaluation,
            cut=self.cut,
        )

    def _patients(self) -> pl.DataFrame:
        return (
            self._rows(
                lambda _, p, x: (p, x.in_development),
                {"patient_id": pl.String, "in_development": pl.Boolean},
            )
            .group_by("patient_id")
            .agg(pl.col("in_development").any())
            .sort("patient_id")
        )

    def _studies(self) -> pl.DataFrame:
        return self._rows(
            lambda c, p, x: (
                f"s{c}",
                p,
                "scanner",
                x.date,
                self._second(c, x),
                120.0,
                2.0,
            ),
            STUDY_COLUMNS,
        )

    def _case_studies(self) -> pl.DataFrame:
        return self._rows(
            lambda c, _, x: (c, f"s{c}", "index", True),
            {
                "case_id": pl.String,
                "study_id": pl.String,
                "role": pl.String,
                "in_force": pl.Boolean,
            },
        )

    def _operations(self) -> pl.DataFrame:
        return self._rows(
            lambda c, _, x: (f"s{c}", x.opened_at, True) if x.is_watched else None,
            {
                "study_id": pl.String,
                "opened_at": pl.Datetime("us", "UTC"),
                "in_force": pl.Boolean,
            },
        )

    def _reviews(self) -> pl.DataFrame:
        return reviews()

    def _reads(self) -> pl.DataFrame:
        return reads()

    def _printed_words(self) -> pl.DataFrame:
        return printed_words({})

    def _readers(self) -> pl.DataFrame:
        return readers()

    def _reference(self) -> pl.DataFrame:
        return references()

    def _predictions(self) -> pl.DataFrame:
        return predictions()

    def _development(self) -> pl.DataFrame:
        return self.given.get("development", development("of-training"))

    def _population(self) -> pl.DataFrame:
        return population({})

    def _published_looks(self) -> pl.DataFrame:
        return published_looks()

    def _endpoints(self) -> pl.DataFrame:
        return self.run("endpoints")


def _frame(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{k: row.get(k) for k in schema} for row in rows], schema=dict(schema))


def reads(*rows: Mapping[str, Any]) -> pl.DataFrame:
    default = {
        "delivery": "2025-07-01",
        "finding": "nodule",
        "purpose": "reference",
        "role": "independent",
        "is_diagnostic": True,
        "in_force": True,
        "reader_id": "r1",
    }
    return _frame(
        [{**default, **row} for row in rows],
        {
            "delivery": pl.String,
            "reader_id": pl.String,
            "case_id": pl.String,
            "finding": pl.String,
            "purpose": pl.String,
            "role": pl.String,
            "saw_index_test": pl.Boolean,
            "saw_peers": pl.Boolean,
            "rating": pl.Float64,
            "is_diagnostic": pl.Boolean,
            "arm": pl.String,
            "session": pl.Int64,
            "read_at": pl.Datetime("us", "UTC"),
            "in_force": pl.Boolean,
        },
    )


def printed_words(words: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """Words of headers: field → text → the word that is printed."""
    rows = [
        {"kind": "image", "field": field, "word": word, "printed_word": printed}
        for field, of_field in words.items()
        for word, printed in of_field.items()
    ]
    return _frame(rows, dict.fromkeys(("kind", "field", "word", "printed_word"), pl.String))


def reviews(*rows: Mapping[str, Any]) -> pl.DataFrame:
    default = {
        "finding": "nodule",
        "cause": "subtle",
        "reviewer_role": "radiologist",
        "in_force": True,
    }
    schema = {
        "case_id": pl.String,
        "finding": pl.String,
        "cause": pl.String,
        "reviewer_role": pl.String,
        "blinded": pl.Boolean,
        "label_upheld": pl.Boolean,
        "in_force": pl.Boolean,
    }
    return _frame([{**default, **row} for row in rows], schema)


def readers(*rows: Mapping[str, Any]) -> pl.DataFrame:
    schema = {"reader_id": pl.String, "in_development": pl.Boolean, "in_force": pl.Boolean}
    return _frame([{"in_force": True, **row} for row in rows], schema)


def references(*rows: Mapping[str, Any]) -> pl.DataFrame:
    default = {
        "delivery": "2025-07-01",
        "finding": "nodule",
        "source": "pathology",
        "in_force": True,
    }
    return _frame(
        [{**default, **row} for row in rows],
        {
            "delivery": pl.String,
            "case_id": pl.String,
            "finding": pl.String,
            "source": pl.String,
            "knew_index_test": pl.Boolean,
            "label": pl.String,
            "established_at": pl.Datetime("us", "UTC"),
            "in_force": pl.Boolean,
        },
    )


def predictions(*rows: Mapping[str, Any]) -> pl.DataFrame:
    default = {"finding": "nodule", "model_id": "m-2", "status": "ok", "in_force": True}
    return _frame(
        [{**default, **row} for row in rows],
        {
            "delivery": pl.String,
            "case_id": pl.String,
            "finding": pl.String,
            "model_id": pl.String,
            "status": pl.String,
            "in_force": pl.Boolean,
        },
    )


def development(*patients: str) -> pl.DataFrame:
    return development_rows(*({"patient_id": patient} for patient in patients))


STUDY_COLUMNS = {
    "study_id": pl.String,
    "patient_id": pl.String,
    "device_id": pl.String,
    "study_date": pl.Date,
    "study_time_s": pl.Float64,
    "kvp": pl.Float64,
    "exposure_mas": pl.Float64,
}


def studies(*rows: Mapping[str, Any]) -> pl.DataFrame:
    return _frame(rows, STUDY_COLUMNS)


def development_rows(*rows: Mapping[str, Any]) -> pl.DataFrame:
    schema = {**STUDY_COLUMNS, "used_for": pl.String, "in_force": pl.Boolean}
    return _frame([{"in_force": True, **row} for row in rows], schema)


def population(counts: Mapping[str, int]) -> pl.DataFrame:
    rows = [{"cell": cell, "n": n, "in_force": True} for cell, n in counts.items()]
    return _frame(rows, {"cell": pl.String, "n": pl.Int64, "in_force": pl.Boolean})


def published_looks(*rows: Mapping[str, Any]) -> pl.DataFrame:
    return _frame(
        rows,
        {
            "endpoint": pl.String,
            "look": pl.String,
            "pack_version": pl.String,
            "pack_digest": pl.String,
            "estimate": pl.Float64,
            "lower": pl.Float64,
            "upper": pl.Float64,
            "n": pl.Int64,
            "events": pl.Int64,
            "verdict": pl.String,
            "alpha": pl.Float64,
            "information": pl.Float64,
            "information_share": pl.Float64,
            "changed": pl.List(pl.String),
        },
    )


def figure(frame: pl.DataFrame, metric: str, **keys: Any) -> dict[str, Any]:
    """The one row of a metric; ``window`` is retrospective unless said otherwise."""
    if "window" in frame.columns and "window" not in keys and frame["window"].n_unique() > 1:
        keys["window"] = "retrospective"
    found = frame.filter(pl.col("metric") == metric)
    for name, value in keys.items():
        found = found.filter(pl.col(name) == value)
    assert found.height == 1, f"{found.height} rows of {metric} {keys}"
    return found.row(0, named=True)


def value(frame: pl.DataFrame, metric: str, **keys: Any) -> float | None:
    return figure(frame, metric, **keys)["estimate"]
