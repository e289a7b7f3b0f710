"""A seeded study, small and whole: every exported table by the real functions, over made-up cases.

Its figures are nobody's; it exists so that report, checklist and payload are tested on tables of
their true shape.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench
from vpack_pipeline.assets.by_function import function_of
from vpack_pipeline.core.error_causes import CAUSES, REVIEWERS
from vpack_pipeline.core.printed_words import ROSTER
from vpack_pipeline.protocol import Protocol, StatedPrevalence
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import read_model
from vpack_pipeline_tests.acceptance.site_bench import needed

ROOT = Path(__file__).resolve().parents[2]
CUT = dt.date(2026, 7, 20)
MODELS = ("nodule-1-4", "nodule-2")
FINDING = "nodule_or_mass"
COMPUTED = [
    asset
    for asset in contracts.order(bench.dependencies())
    if contracts.load()[asset].computed_by == "core" and not asset.startswith("pack/")
]
"""The tables of the real functions, each after those that it is computed from."""


def documents() -> tuple[Protocol, Site]:
    protocol = read_model(ROOT / "data/protocols/cxr-triage-1.0.yaml", Protocol)
    site = read_model(ROOT / "data/sites/lakeside/site.yaml", Site)
    stated = StatedPrevalence(finding=FINDING, prevalence=0.02, source="A registry of 2024.")
    changes = {"replicates": 200, "stated_prevalence": (stated,)}
    evaluation = protocol.evaluation.model_copy(update=changes)
    drift = protocol.drift.model_copy(update={"replicates": 200})
    # Joint levels of the variables that the target below is counted by.
    profile = protocol.representativeness.model_copy(update={"joint": (("sex", "setting"),)})
    changes = {"evaluation": evaluation, "drift": drift, "representativeness": profile}
    return protocol.model_copy(update=changes), site


def typed(asset: str, rows: list[dict]) -> pl.DataFrame:
    contract = contracts.load()[asset]
    filled = []
    for line, row in enumerate(rows, start=1):
        made = dict.fromkeys(contract.polars_schema)
        if "line" in made:
            made |= {"delivery": "2026-07-01", "line": line, "in_force": True}
        filled.append(made | row)
    return pl.DataFrame(filled, schema=contract.polars_schema).sort(contract.key)


def sample(
    cut: dt.date = CUT,
    n: int = 900,
    seed: int = 1,
    *,
    until: dt.date = dt.date.max,
    protocol: Protocol | None = None,
    wanted: Collection[str] = COMPUTED,
) -> SimpleNamespace:
    """Make documents and the wanted tables, with those that they are computed from.

    Of one seed, those until an earlier day are among those until a later one.
    """
    given, site = documents()
    protocol = protocol or given
    pool = _upstream(protocol, np.random.default_rng(seed), n, until)
    for asset in filter(needed(wanted).__contains__, COMPUTED):
        pool[asset] = computed(asset, pool, protocol, site, cut)
    return SimpleNamespace(protocol=protocol, site=site, tables=pool, cut=cut.isoformat())


def computed(
    asset: str, pool: dict[str, pl.DataFrame], protocol: Protocol, site: Site, cut: dt.date = CUT
) -> pl.DataFrame:
    """Compute one table from those that are there."""
    published = pl.DataFrame(
        schema={
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
        }
    )
    contract = contracts.load()[asset]
    arguments = {name: pool[source] for name, source in contract.inputs.items()}
    arguments |= {name: getattr(protocol, name) for name in contract.protocol}
    arguments |= {name: getattr(site, name) for name in contract.site}
    arguments |= dict.fromkeys(contract.outside, published)
    if contract.uses_cut:
        arguments["cut"] = cut
    return contracts.conform(function_of(contract)(**arguments), contract)


def _upstream(
    protocol: Protocol, rng: np.random.Generator, n: int, until: dt.date
) -> dict[str, pl.DataFrame]:
    first = dt.date(2024, 7, 1)
    cases, reads, reference, predictions, readers = [], [], [], [], []
    patients = rng.integers(0, int(n * 0.8), n)
    for i in range(n):
        day = first + dt.timedelta(days=int(rng.integers(0, 630)))
        late = day >= dt.date(2025, 7, 1)
        positive = rng.random() < 0.22
        setting = str(rng.choice(["emergency", "inpatient", "outpatient"]))
        portable = bool(setting == "inpatient" and rng.random() < 0.45)
        case = {
            "case_id": f"{i:032x}",
            "patient_id": f"{10**6 + int(patients[i]):032x}",
            "study_id": f"{2 * 10**6 + i:032x}",
            "index_date": day,
            "stratum": "default",
            "covariates": json.dumps({"portable": portable, "setting": setting}),
            "study_date": day,
            "age_years": float(round(rng.normal(61, 14))) if rng.random() > 0.03 else None,
            "sex": str(rng.choice(["F", "M"])),
            "modality": str(rng.choice(["CR", "DX"])),
            "manufacturer": str(
                rng.choice(["Corvus Medical", "Helion Health"] if late else ["Meridian Imaging", "Corvus Medical"])
            ),
            "model": str(rng.choice(["C1", "H2"])),
            "kvp": float(rng.choice([110.0, 120.0, 125.0])),
            "burned_in_annotation": "absent",
            "view_position": "PA",
            "n_series": 1,
            "n_instances": 1,
            "n_conflicts": 0,
            "study_rank": 1,
            "case_rank": 1,
            "in_development": bool(rng.random() < 0.02),
            "has_prediction": True,
            "has_reference": False,
            "n_reads": 3,
            "is_diagnostic": bool(rng.random() > 0.02),
        }  # fmt: skip
        cases.append(case)
        truth = rng.normal(2.0 if positive else 0.0)
        for k in range(3):
            seen = truth + rng.normal(0, 0.7)
            rating = 2.0 if seen > 1.1 else (1.0 if seen > 0.8 else 0.0)
            reads.append(_read(case, k, rating, "reference", "independent"))
        if rng.random() < 0.35:
            reads.append(_read(case, 3, 2.0 if truth > 1 else 0.0, "comparator", "independent"))
        reads.append(_read(case, 4, 2.0 if truth > 1 else 0.0, "reference", "tiebreak"))
        if positive and rng.random() < 0.4:
            reference.append(
                {
                    "case_id": case["case_id"],
                    "finding": FINDING,
                    "source": "pathology",
                    "label": "positive",
                    "knew_index_test": False,
                    "established_at": _at(day + dt.timedelta(days=20)),
                }
            )
        for model, noise in zip(MODELS, (1.1, 0.6), strict=True):
            failed = rng.random() < 0.03
            logit = 2.4 * (truth + rng.normal(0, noise)) - 4.2
            predictions.append(
                {
                    "case_id": case["case_id"],
                    "finding": FINDING,
                    "model_id": model,
                    "patient_id": case["patient_id"],
                    "status": "failed" if failed else "ok",
                    "score": None if failed else float(1 / (1 + np.exp(-logit))),
                    "attempt": 1,
                    "n_attempts": 1,
                    "received_at": _at(day),
                    "produced_at": _at(day),
                }
            )
    cases = [c for c in cases if c["index_date"] < until]
    there = {c["case_id"] for c in cases}
    reads, reference, predictions = (
        [row for row in rows if row["case_id"] in there] for rows in (reads, reference, predictions)
    )
    for k in range(5):
        readers.append(
            {
                "reader_id": f"{3 * 10**6 + k:032x}",
                "qualification": "radiologist",
                "specialty": "thoracic",
                "years_experience": 5.0 + k,
                "training": "study training" if k else None,
                "conflicts": "none",
                "in_development": False,
            }
        )
    rules = protocol.eligibility.rules
    excluded = _excluded(cases, rules)
    out = {e["case_id"] for e in excluded}
    included = [c for c in cases if c["case_id"] not in out]
    population = [
        {"cell": json.dumps({"sex": s, "setting": t}), "n": int(rng.integers(200, 900))}
        for s in ("F", "M")
        for t in ("emergency", "inpatient", "outpatient")
    ]
    return {
        "eligibility/cases": typed("eligibility/cases", cases),
        "eligibility/included": typed("eligibility/included", [_keep(c, ("case_id", "patient_id", "study_id")) for c in included]),
        "eligibility/excluded": typed("eligibility/excluded", excluded),
        "cohort/outcomes": _outcomes(max(len(cases), 21)),
        "eligibility/flow": _flow(cases, excluded, rules),
        "eligibility/patients": typed(
            "eligibility/patients",
            [
                {"patient_id": p, "n_studies": 1, "n_cases": 1, "in_development": False}
                for p in sorted({c["patient_id"] for c in cases})
            ],
        ),
        "eligibility/studies": typed(
            "eligibility/studies",
            [_keep(c, contracts.load()["eligibility/studies"].polars_schema) for c in cases],
        ),
        "evaluation/index_test": typed("evaluation/index_test", predictions),
        "cohort/cases": typed("cohort/cases", [_keep(c, ("case_id", "patient_id", "index_date", "stratum", "covariates")) for c in cases]),
        "cohort/studies": typed(
            "cohort/studies",
            [_keep(c, contracts.load()["cohort/studies"].polars_schema) for c in cases],
        ),
        "cohort/case_studies": typed(
            "cohort/case_studies",
            [_keep(c, ("case_id", "study_id")) | {"arm": "standard", "role": "index"} for c in cases],
        ),
        "cohort/reads": typed("cohort/reads", reads),
        "cohort/readers": typed("cohort/readers", readers),
        "cohort/printed_words": typed("cohort/printed_words", _words(readers, cases)),
        "cohort/reference": typed("cohort/reference", reference),
        "cohort/predictions": typed(
            "cohort/predictions",
            [_keep(p, ("case_id", "finding", "model_id", "attempt", "status", "score", "received_at", "produced_at")) for p in predictions],
        ),
        "cohort/operations": typed("cohort/operations", [_operation(c, i) for i, c in enumerate(cases)]),
        "cohort/error_review": typed("cohort/error_review", [_review(c, i) for i, c in enumerate(cases[::3])]),
        "cohort/development": typed("cohort/development", [{"patient_id": cases[0]["patient_id"]}]),
        "cohort/population": typed("cohort/population", population),
    }  # fmt: skip


def _words(readers: list[dict], cases: list[dict]) -> list[dict]:
    """Every text that may be printed, each of them listed."""
    found = {("readers", name, r[name]) for r in readers for name in ROSTER if r[name]}
    found |= {
        ("image", name, c[name]) for c in cases for name in ("modality", "manufacturer", "model")
    }
    return [{"kind": k, "field": f, "word": w, "printed_word": w} for k, f, w in sorted(found)]


def _operation(case: dict, i: int) -> dict:
    opened = None if i % 20 == 0 else _at(case["index_date"]) + dt.timedelta(minutes=5 + i % 90)
    return {"study_id": case["study_id"], "turnaround_s": 60.0, "opened_at": opened}


def _review(case: dict, i: int) -> dict:
    said = {"cause": CAUSES[i % len(CAUSES)], "reviewer_role": REVIEWERS[i % len(REVIEWERS)]}
    told = {"blinded": i % 2 == 0, "label_upheld": i % 9 > 0}
    return {"case_id": case["case_id"], "finding": FINDING} | said | told


def _keep(row: dict, names) -> dict:
    return {name: row[name] for name in names if name in row}


def _at(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, 9, tzinfo=dt.UTC)


def _read(case: dict, reader: int, rating: float, purpose: str, role: str) -> dict:
    return {
        "reader_id": f"{3 * 10**6 + reader:032x}",
        "case_id": case["case_id"],
        "finding": FINDING,
        "arm": "standard",
        "session": 1,
        "purpose": purpose,
        "role": role,
        "saw_index_test": False,
        "saw_peers": role == "tiebreak",
        "rating": rating,
        "is_diagnostic": True,
        "read_at": _at(case["index_date"] + dt.timedelta(days=5)),
        "duration_s": 40.0,
    }


def _excluded(cases: list[dict], rules) -> list[dict]:
    found = []
    order = {rule.id: i for i, rule in enumerate(rules, start=1)}
    for case in cases:
        covariates = json.loads(case["covariates"])
        reasons = [
            name
            for name, applies in (
                ("not_in_development", case["in_development"]),
                ("diagnostic", not case["is_diagnostic"]),
                (
                    "no_bedside_ward",
                    covariates["setting"] == "inpatient" and covariates["portable"],
                ),
            )
            if applies
        ]
        if reasons:
            found.append(
                {
                    "case_id": case["case_id"],
                    "patient_id": case["patient_id"],
                    "first_rule_order": order[reasons[0]],
                    "first_rule": reasons[0],
                    "all_rules": "|".join(reasons),
                    "mask": sum(1 << (order[r] - 1) for r in reasons),
                }
            )
    return found


def _outcomes(n: int) -> pl.DataFrame:
    """What became of the files: an image a case, some set aside, few of any reason quarantined."""
    parts = {
        ("PARSED", "all"): {"n_files": n, "n_walker": n - 20, "n_pydicom": 20, "n_checked": 12},
        ("COPY", "all"): {"n_files": 15, "n_walker": 15},
        ("SET_ASIDE", "FOR_PROCESSING"): {"n_files": 400, "n_walker": 400},
        ("SET_ASIDE", "SR"): {"n_files": 4, "n_walker": 4},
        ("SET_ASIDE", "RT"): {"n_files": 1, "n_walker": 1},
        ("QUARANTINED", "EMPTY"): {"n_files": 3, "n_unread": 3},
        ("QUARANTINED", "TRUNCATED"): {"n_files": 14, "n_unread": 14},
        ("QUARANTINED", "DUP_SOP_CONFLICT"): {"n_files": 16, "n_walker": 16, "n_checked": 3},
    }
    names = [n for n in contracts.load()["cohort/outcomes"].polars_schema if n.startswith("n_")]
    rows: dict[tuple[str, str], dict] = {}
    for (outcome, detail), counts in parts.items():
        for place in {("DELIVERED", "all"), (outcome, "all"), (outcome, detail)}:
            row = rows.setdefault(place, dict.fromkeys(names, 0))
            for name, count in counts.items():
                row[name] += count
    return typed(
        "cohort/outcomes",
        [{"outcome": o, "outcome_part": d, **row} for (o, d), row in rows.items()],
    )


def _flow(cases: list[dict], excluded: list[dict], rules) -> pl.DataFrame:
    by_case = {e["case_id"]: e for e in excluded}
    rows = []
    for unit, field in (("case", "case_id"), ("patient", "patient_id"), ("study", "study_id")):
        total = len({c[field] for c in cases})
        left = {c["case_id"] for c in cases}
        before = total
        start = {"rule": "start", "title": "Delivered", "kind": "start", "level": "all"}
        ordered = [(0, start)] + [
            (i, {"rule": r.id, "title": r.title, "kind": r.kind, "level": r.level})
            for i, r in enumerate(rules, start=1)
        ]
        for order, words in ordered:
            gone = {c for c, e in by_case.items() if e["first_rule_order"] == order}
            left -= gone
            after = len({c[field] for c in cases if c["case_id"] in left})
            alone = sum(words["rule"] in e["all_rules"].split("|") for e in excluded)
            only = sum(words["rule"] == e["all_rules"] for e in excluded)
            rows.append(
                {
                    "rule_order": order,
                    **words,
                    "unit": unit,
                    "entered": before,
                    "removed": before - after,
                    "remaining": after,
                    "marginal": alone,
                    "unique_to_rule": only,
                    "unknown": 0,
                    "total": total,
                }
            )
            before = after
    return typed("eligibility/flow", rows)
