"""For each expectation of substance: rows that it passes, and the fewest rows that trip it.

A row is written as what differs from a plain row of its contract. What follows from an
expectation's type or from an identifier that many contracts share is derived; the rest stands in
``SOUND`` and ``CORRUPT``, by table and expectation.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from vpack_pipeline.contracts import Contract, Expectation, metrics
from vpack_pipeline.contracts.shapes import FIGURE
from vpack_pipeline.gate.suite import Planned
from vpack_pipeline.io.dicom.fields import FIELDS

Rows = list[dict[str, Any]]

PLAIN = {
    "string": "x",
    "int": 1,
    "float": 0.5,
    "bool": True,
    "date": date(2026, 1, 5),
    "timestamp": datetime(2026, 1, 5, 12, tzinfo=UTC),
}
BY_NAME: dict[str, Any] = {
    "superseded_by": None,
    "reason": None,
    "notes": None,
    "detail": None,
    "method": "count",
    "lower": 0.4,
    "upper": 0.6,
    "n": 10,
    "events": 5,
    "sha256": "a" * 64,
}

FLAGS = {f.column: "no" for f in FIELDS if f.kind == "flag"}
BY_TABLE: dict[str, dict[str, Any]] = {
    "cohort/instances": {
        **FLAGS,
        **{f"{f.column}_status": "ok" for f in FIELDS if f.is_tracked},
        **{f"{f.column}_status": "mapped" for f in FIELDS if f.is_free_text},
        **{f"{f.column}_max": 1.0 for f in FIELDS if f.per_frame},
        **{f"{f.column}_n_distinct": 2 for f in FIELDS if f.per_frame},
    },
    "cohort/files": {"engine": "walker", "checked": "same"},
    "cohort/studies": FLAGS,
}
"""What a plain row of a table holds where its type alone does not say it."""

FIRST_DAY, LATER = date(2026, 1, 5), date(2026, 2, 5)
LATER_AT = datetime(2026, 2, 5, 12, tzinfo=UTC)
UNITS = ("patient", "study", "case")


def counted(**parts: tuple[int, int]) -> Rows:
    """Rows of a figure table that say counts: metric → (estimate, n)."""
    return [
        {
            "metric": metric,
            "estimate": float(count),
            "lower": None,
            "upper": None,
            "events": count,
            "n": n,
        }
        for metric, (count, n) in parts.items()
    ]


def shared(**parts: tuple[int, int]) -> Rows:
    """Rows of a figure table that say shares: metric → (events, n)."""
    return [{**row, "estimate": row["events"] / row["n"]} for row in counted(**parts)]


def flow(*places: dict[str, int]) -> Rows:
    """Rows of the flow: the start and each rule, for all three units alike."""
    plain = {"removed": 0, "marginal": 0, "unique_to_rule": 0, "unknown": 0, "total": 5}
    return [
        {**plain, "rule_order": order, "rule": f"r{order}", "unit": unit, **place}
        for order, place in enumerate(places)
        for unit in UNITS
    ]


def fate(outcome: str, n: int, part: str = "all", **other: int) -> dict[str, Any]:
    """A row of the outcomes of files: all of them read by the walker, unless it is said otherwise."""
    columns = ("n_pydicom", "n_dicomweb", "n_unread", "n_checked", "n_differed")
    nothing = dict.fromkeys(columns, 0)
    return {
        **nothing,
        "outcome": outcome,
        "outcome_part": part,
        "n_files": n,
        "n_walker": n,
        **other,
    }


START = {"entered": 5, "remaining": 5}
UNREAD = {"n_walker": 0, "n_unread": 1}


def of(kind: str, stratum: str = "") -> dict[str, object]:
    """The stratum of a row: one of a kind without others is named as its kind."""
    return {"stratum_kind": kind, "stratum": stratum or kind}


FEW = {"reason": "level_has_few_patients", "detail": '{"level_has_few_patients.fewest":11}'}
ALL = of("all")
PAIR = of("reader_pair", "a|b")

CURVE: Rows = [
    {
        **of("false_positive_fraction", f"{k / 100:.2f}"),
        "metric": "sensitivity",
        "estimate": (k / 100) ** 0.5,
        "lower": None,
        "upper": None,
    }
    for k in range(101)
]


def score_from(name: str) -> dict[str, Any]:
    """A row that says where a bin of the score begins."""
    nothing = dict.fromkeys(("lower", "upper", "n", "events"))
    return {**of("score", name), "metric": "score_from", "estimate": int(name) / 10, **nothing}


PARTS: Rows = [
    {**of(*part), "metric": "share_of_positives", "estimate": k / 10, "events": k, "n": 10}
    | {"lower": None, "upper": None}
    for part, k in ((("score", "01"), 3), (("score", "02"), 6), (("no_score",), 1))
] + [score_from(name) for name in ("01", "02")]


def swept(*thresholds: tuple[float, float, float]) -> Rows:
    """Rows of a sweep: each threshold with its sensitivity and specificity."""
    nothing = dict.fromkeys(("lower", "upper", "n", "events"))
    metrics = ("threshold", "sensitivity", "specificity")
    return [
        {**of("threshold", f"{place:03d}"), "metric": metric, "estimate": value, **nothing}
        for place, values in enumerate(thresholds, start=1)
        for metric, value in zip(metrics, values, strict=True)
    ]


def at(prevalence: str, ppv: float, npv: float) -> Rows:
    """Rows of predictive values at a prevalence."""
    values = {"prevalence": float(prevalence), "ppv": ppv, "npv": npv}
    bare = {"lower": None, "upper": None}
    return [
        {**of("prevalence", prevalence), "metric": metric, "estimate": value, **bare}
        for metric, value in values.items()
    ]


def benefit(name: str, of_all: float, none: float = 0.0) -> Rows:
    """Rows of net benefit at a threshold: of treating all, and of treating none."""
    values = {"net_benefit_treat_all": of_all, "net_benefit_treat_none": none}
    bare = {"lower": None, "upper": None}
    return [
        {**of("own", name), "metric": metric, "estimate": value, **bare}
        for metric, value in values.items()
    ]


SOUND: dict[str, Rows] = {
    "cohort/deliveries": [{"mode": "full"}],
    "cohort/outcomes": [
        fate("DELIVERED", 6, n_walker=5, n_unread=1, n_checked=2),
        fate("PARSED", 3, n_checked=1),
        fate("COPY", 1),
        fate("SET_ASIDE", 1, n_checked=1),
        fate("SET_ASIDE", 1, "SR", n_checked=1),
        fate("QUARANTINED", 1, **UNREAD),
        fate("QUARANTINED", 1, "EMPTY", **UNREAD),
    ],
    "cohort/patient_map": [{"same_as": "y"}],
    "cohort/quarantine": [{"reason": "UNMATCHED_KEY"}],
    "eligibility/excluded": [{"first_rule": "r1", "all_rules": "r1"}],
    "eligibility/flags": [{"stopping_rules": 0}],
    "eligibility/flow": flow(
        START,
        {"entered": 5, "removed": 1, "remaining": 4, "marginal": 2, "unique_to_rule": 1},
    ),
    "representativeness/levels": [
        {"level_order": 1, "level": "<50", "printed_level": "all values", **FEW},
        {"level_order": 2, "level": "≥50", "printed_level": "all values", **FEW},
        {"level_order": 3, "level": "missing", "printed_level": "missing"}
        | {"reason": None, "detail": None},
    ],
    "representativeness/profile": [
        {"set": "cohort", "n": 3, "n_total": 3, "share": 1.0},
        {"set": "included", "n": 2, "n_total": 2, "share": 1.0},
        {"set": "excluded", "n": 1, "n_total": 1, "share": 1.0},
    ],
    "adjudication/agreement": [
        *shared(path_majority=(6, 10), path_no_reads=(4, 10)),
        *({"metric": "percent_agreement", **s} for s in (ALL, of("cut", "1"), PAIR)),
        *({"metric": f"pair_kappa_{w}", **ALL} for w in ("min", "median", "max")),
    ],
    "adjudication/label_noise": [
        *shared(share_unanimous=(6, 10), share_split=(4, 10)),
        *(
            {"metric": metric, **of("dawid_skene")}
            for metric in ("n_cases", "share_uncertain", "share_label_differs")
        ),
        *(
            {"metric": metric, **of("error_correlation", "0.3")}
            for metric in ("panel_error", "reader_sensitivity", "reader_specificity")
        ),
    ],
    "adjudication/reader_performance": [
        {"metric": f"agreement_with_others_{which}", "estimate": value}
        for which, value in (("first_half", 0.5), ("second_half", 0.55), ("change", 0.05))
    ],
    "adjudication/reference_standard": [
        {
            "n_reads": 3,
            "n_independent": 3,
            "n_positive": 3,
            "n_negative": 0,
            "n_indeterminate": 0,
            "n_non_diagnostic": 0,
            "n_unused_tiebreak": 0,
            "panel_state": "unanimous",
            "n_repeats": 1,
            "n_reads_total": 4,
        }
    ],
    "evaluation/decision_curve": [*benefit("01", 0.1), *benefit("02", 0.05)],
    "evaluation/endpoints": [{"verdict": "inconclusive", "alpha": 0.025}],
    "evaluation/error_attribution": [
        {**row, "panel_state": state}
        for state, n in (("all", 10), ("unanimous", 6), ("split", 4))
        for row in counted(n_cases=(n, n))
    ],
    "evaluation/failures": counted(n_cases=(10, 10), n_ok=(9, 10), n_failed=(1, 10)),
    "evaluation/integrity": [{"verdict": "held", "estimate": 0.0, "lower": None, "upper": None}],
    "evaluation/study_times": counted(n_begun=(4, 10), n_begun_included=(3, 8)),
    "evaluation/label_sensitivity": [
        {"variation": "as_labelled", "metric": "auc"},
        {"variation": "resampled_panel", "metric": "auc"},
    ],
    "evaluation/operating_points": counted(tp=(4, 10), fp=(1, 10), fn=(1, 10), tn=(4, 10)),
    "evaluation/overall_verdict": [{"verdict": "not_shown", **counted(n_endpoints_met=(1, 2))[0]}],
    "evaluation/timeliness": [
        *(
            {"metric": "n_cases", "estimate": float(n), "events": n, "call_kind": call}
            for call, n in (("all", 10), ("positive", 3), ("negative", 6), ("none", 1))
        ),
        {"metric": "received_to_produced_median", "call_kind": "all", "estimate": 5.0},
        {"metric": "received_to_produced_p90", "call_kind": "all", "estimate": 9.0},
    ],
    "evaluation/error_review": [
        {"metric": metric, "error_kind": "miss", "estimate": value, "events": 4}
        for metric, value in (
            ("n_reviewed", 4.0),
            ("cause_subtle", 1.0),
            ("reviewer_radiologist", 1.0),
        )
    ],
    "cohort/error_review": [{"cause": "subtle", "reviewer_role": "radiologist"}],
    "evaluation/performance": counted(n_cases=(10, 10), n_positive=(3, 10), n_negative=(7, 10)),
    "evaluation/roc": CURVE,
    "evaluation/scores": PARTS,
    "evaluation/thresholds": swept((0.1, 0.9, 0.4), (0.2, 0.7, 0.8)),
    "evaluation/predictive_values": [*at("0.100", 0.3, 0.9), *at("0.200", 0.5, 0.8)],
    "drift/baseline": [{"share": 1.0}],
    "drift/status": [{"signal": "quiet"}],
    "pack/claim": [{"item": item, "attested": None} for item in range(1, 45)],
    "pack/report": [{"chapter": "first"}],
    "pack/validation_pack": [
        {"path": path}
        for path in (
            "report.html",
            "summary.pdf",
            "protocol.yaml",
            "claim.json",
            "codes.csv",
            "drift/plan.json",
        )
    ],
}

ANY_TABLE: dict[str, Rows] = {
    # input tables
    "one_in_force": [{}, {"line": 2}],
    "superseded_by_another": [{"in_force": True, "superseded_by": "2026-02-05"}],
    # figures
    "given_has_figure": [{"status": "given", "estimate": None}],
    "given_has_method": [{"method": None}],
    "absence_has_reason": [
        {"status": "refused", "estimate": None, "lower": None, "upper": None, "reason": None}
    ],
    "withheld_shows_nothing": [
        {
            "status": "withheld",
            "estimate": None,
            "lower": None,
            "upper": None,
            "reason": "undefined",
        }
    ],
    "bounds_in_order": [{"lower": 0.7, "upper": 0.6}],
    "events_within_n": [{"events": 11, "n": 10}],
    "metric_declared": [{"metric": "of_nothing"}],
    "refusal_has_reason": [{"status": "refused", "reason": None}],
    # codes
    "codes_declared": [{"reason": "of_nothing"}],
    "detail_of_codes": [{"detail": '{"few_cases_in_window.minimum":5}'}],
}

CORRUPT: dict[tuple[str, str], Rows] = {
    ("cohort/development", "names_something"): [{"patient_id": None, "study_id": None}],
    ("cohort/files", "engine_known"): [{"engine": "another"}],
    ("cohort/files", "engines_agree"): [{"engine": "walker", "checked": "differs"}],
    ("cohort/files", "image_placed"): [{"outcome": "COPY", "instance_id": None}],
    ("cohort/files", "image_has_study"): [{"outcome": "PARSED", "study_id": None}],
    ("cohort/files", "instance_once"): [{}, {"file_id": "y"}],
    ("cohort/files", "copy_has_original"): [{"outcome": "COPY"}],
    ("cohort/files", "conflict_has_two_sides"): [{"outcome": "DUP_SOP_CONFLICT"}],
    ("cohort/files", "set_aside_has_kind"): [{"outcome": "SET_ASIDE", "outcome_part": None}],
    ("cohort/instances", "study_of_one_patient"): [{}, {"instance_id": "y", "patient_id": "y"}],
    ("cohort/instances", "series_of_one_study"): [{}, {"instance_id": "y", "study_id": "y"}],
    ("cohort/instances", "statuses_known"): [{"kvp_status": "perhaps"}],
    ("cohort/instances", "values_agree"): [{"kvp": None}],
    ("cohort/instances", "numbers_in_range"): [{"kvp": 0.0}],
    ("cohort/instances", "frames_agree"): [{"kvp_min": None}],
    ("cohort/instances", "times_and_frames"): [{"study_time_s": -1.0}],
    ("cohort/instances", "flags_known"): [{"burned_in_annotation": "perhaps"}],
    ("cohort/operations", "turnaround_not_negative"): [{"turnaround_s": -1.0}],
    ("cohort/outcomes", "detail_known"): [{"outcome": "SET_ASIDE", "outcome_part": "EMPTY"}],
    ("cohort/outcomes", "five_wholes"): [fate("DELIVERED", 0)],
    ("cohort/outcomes", "outcomes_sum"): [fate("DELIVERED", 1)],
    ("cohort/outcomes", "details_sum"): [fate("SET_ASIDE", 1)],
    ("cohort/outcomes", "engines_sum"): [fate("PARSED", 1, n_walker=0)],
    ("cohort/outcomes", "taken_was_read"): [fate("PARSED", 1, **UNREAD)],
    ("cohort/outcomes", "checked_within_walker"): [fate("PARSED", 1, n_checked=2)],
    ("cohort/outcomes", "no_count_negative"): [fate("PARSED", -1)],
    ("cohort/printed_words", "words_apart"): [{}, {"word": "y"}],
    ("cohort/printed_words", "word_or_number"): [{"printed_word": "unlisted"}],
    ("cohort/patient_map", "no_chain"): [
        {"patient_id": "x", "same_as": "y"},
        {"line": 2, "patient_id": "y", "same_as": "z"},
    ],
    ("cohort/predictions", "score_finite"): [{"score": float("inf")}],
    ("cohort/predictions", "ok_has_output"): [{"status": "ok", "score": None, "call": None}],
    ("cohort/reads", "blind_after_sight"): [
        {"saw_index_test": True},
        {"line": 2, "session": 2, "saw_index_test": False, "read_at": LATER_AT},
    ],
    ("cohort/reads", "reader_on_roster"): [{"is_on_roster": False}],
    ("cohort/reads", "rated_or_not_diagnostic"): [{"rating": None, "is_diagnostic": True}],
    ("cohort/reads", "duration_not_negative"): [{"duration_s": -1.0}],
    ("cohort/series", "acquisitions_within_instances"): [
        {"n_distinct_acquisitions": 2, "n_instances": 1}
    ],
    ("cohort/series", "frames_within_images"): [{"n_frames": 1, "n_instances": 2}],
    ("cohort/series", "frames_agree"): [{"kvp_min": 0.5, "kvp_max": 0.6}],
    ("cohort/studies", "flags_known"): [{"burned_in_annotation": "perhaps"}],
    ("cohort/studies", "counts_agree"): [{"n_series": 2, "n_instances": 1}],
    ("cohort/studies", "case_of_one_study"): [{}, {"study_id": "y"}],
    ("eligibility/cases", "ranks_run"): [{"case_rank": 2}],
    ("eligibility/cases", "header_needs_study"): [{"study_id": None}],
    ("eligibility/excluded", "mask_has_first"): [{"mask": 3, "first_rule_order": 2}],
    ("eligibility/excluded", "mask_fits_rules"): [{"mask": 3, "all_rules": "x"}],
    ("eligibility/flags", "no_rule_stops"): [{"stopping_rules": 1}],
    ("eligibility/flags", "stop_is_unknown"): [{"stopping_rules": 4, "unknown_rules": 3}],
    ("eligibility/flow", "start_is_cohort"): flow({"entered": 4, "remaining": 4}),
    ("eligibility/flow", "rows_balance"): flow({"entered": 5, "remaining": 4}),
    ("eligibility/flow", "rows_chain"): flow(START, {"entered": 4, "remaining": 4}),
    ("eligibility/flow", "sums_to_total"): flow(START, {"entered": 5, "remaining": 4}),
    ("eligibility/flow", "unique_is_part"): flow({**START, "unique_to_rule": 1}),
    ("eligibility/flow", "case_falls_alone"): flow(
        START, {"entered": 5, "removed": 1, "remaining": 4}
    ),
    ("eligibility/flow", "three_units"): flow(START)[:2],
    ("eligibility/patients", "patient_has_something"): [{"n_studies": 0, "n_cases": 0}],
    ("eligibility/studies", "ranks_run"): [{"study_rank": 2}],
    ("representativeness/levels", "orders_run"): [{"level_order": 2}],
    ("representativeness/levels", "missing_is_last"): [{"level_order": 1, "level": "a"}],
    ("representativeness/levels", "folded_says_why"): [
        {"level": "a", "printed_level": "b", "reason": None}
    ],
    ("representativeness/levels", "technical_as_it_is"): [
        {"is_personal": False, "level": "a", "printed_level": "b"}
    ],
    ("representativeness/profile", "bins_sum"): [{"n": 2, "n_total": 3, "share": 2 / 3}],
    ("representativeness/profile", "parts_fit"): [
        {"set": "cohort", "n": 3, "n_total": 3},
        {"set": "included", "n": 4, "n_total": 4},
    ],
    ("representativeness/profile", "windows_fit"): [
        {"set": "included", "n": 3, "n_total": 3},
        {"set": "prospective", "n": 4, "n_total": 4},
    ],
    ("representativeness/profile", "refused_says_why"): [{"n": None, "reason": None}],
    ("representativeness/profile", "share_fits"): [{"n": 1, "n_total": 2, "share": 0.6}],
    ("adjudication/agreement", "pairs_named_once"): [of("reader_pair", "b|a")],
    ("adjudication/agreement", "pair_range_in_order"): [
        {"metric": f"pair_kappa_{which}", **ALL, "estimate": value}
        for which, value in (("min", 0.2), ("median", 0.5), ("max", 0.4))
    ],
    ("adjudication/agreement", "cuts_share_cases"): [
        {"metric": "percent_agreement", **stratum, "n": n}
        for stratum, n in ((ALL, 10), (of("cut", "1"), 10), (of("cut", "2"), 9))
    ],
    ("adjudication/agreement", "paths_sum"): shared(path_majority=(6, 10), path_no_reads=(3, 10)),
    ("adjudication/agreement", "kinds_sum"): [
        {**row, **ALL}
        for row in shared(path_unresolved=(2, 10), cases_clear=(10, 10), undecided_clear=(1, 10))
    ],
    ("adjudication/agreement", "labels_sum"): [
        {**row, **ALL}
        for row in shared(label_positive=(2, 10), label_negative=(5, 10), label_none=(2, 10))
    ],
    ("adjudication/label_noise", "soft_labels_within_cases"): [
        {"metric": metric, **of("dawid_skene"), "n": n}
        for metric, n in (("n_cases", 10), ("share_uncertain", 10), ("share_label_differs", 11))
    ],
    ("adjudication/label_noise", "panel_rests_on_readers"): [
        {"metric": metric, **of("error_correlation", "0.3")}
        for metric in ("panel_error", "reader_sensitivity")
    ],
    ("adjudication/label_noise", "states_sum"): shared(
        share_unanimous=(6, 10), share_split=(3, 10)
    ),
    ("adjudication/reader_performance", "change_is_of_halves"): [
        {"metric": f"agreement_with_others_{which}", "estimate": value}
        for which, value in (("first_half", 0.5), ("second_half", 0.6), ("change", 0.2))
    ],
    ("adjudication/reader_performance", "ratings_make_up_reads"): [
        {"metric": metric, "n": 10, "events": events}
        for metric, events in (("share_rating=0", 6), ("share_non_diagnostic", 3))
    ],
    ("adjudication/reader_performance", "readers_make_up_all"): [
        {"reader_id": reader, "metric": "share_rating=0", "n": 10, "events": 10}
        for reader in ("all", "a", "b")
    ],
    ("adjudication/reader_performance", "adjudicating_reads_make_up_all"): [
        {"reader_id": reader, "metric": "n_adjudicating_reads", "n": 10, "events": 10}
        for reader in ("all", "a", "b")
    ],
    ("adjudication/reader_performance", "each_reader_has_each_metric"): [
        {"reader_id": reader, "metric": metric}
        for reader, metric in (("all", "n_reads"), ("all", "sensitivity"), ("a", "n_reads"))
    ],
    ("adjudication/reference_standard", "undecided_has_reason"): [{"label": None}],
    ("adjudication/reference_standard", "reasons_known"): [{"reason": "no_majority;because"}],
    ("adjudication/reference_standard", "enough_reads"): [
        {"method": "majority", "label": "positive", "n_positive": 2, "quorum": 3}
    ],
    ("adjudication/reference_standard", "every_case_has_a_row"): [{"n_cases_total": 2}],
    ("adjudication/reference_standard", "reads_reconcile"): [
        {"n_reads": 3, "n_repeats": 0, "n_reads_total": 4}
    ],
    ("adjudication/reference_standard", "reads_add_up"): [
        {"n_reads": 3, "n_independent": 3, "n_positive": 2, "n_negative": 0}
    ],
    ("adjudication/reference_standard", "panel_state_follows_reads"): [
        {"n_positive": 2, "n_negative": 1, "panel_state": "unanimous"}
    ],
    ("adjudication/reference_standard", "source_is_expected"): [
        {"source": "panel", "expected_source": "pathology"}
    ],
    ("evaluation/decision_curve", "treating_all_loses_value"): [
        *benefit("01", 0.1),
        *benefit("02", 0.2),
    ],
    ("evaluation/decision_curve", "treating_none_is_nothing"): benefit("01", 0.1, none=0.1),
    ("evaluation/endpoints", "verdict_known"): [{"verdict": "splendid"}],
    ("evaluation/endpoints", "void_shows_nothing"): [{"verdict": "void", "status": "given"}],
    ("evaluation/endpoints", "one_headline"): [{}, {"look": "y"}],
    ("evaluation/endpoints", "headline_has_verdict"): [{"verdict": None}],
    ("evaluation/endpoints", "verdict_fits_bounds"): [{"verdict": "met", "lower": 0.4}],
    ("evaluation/endpoints", "alpha_of_what_was_judged"): [{"alpha": 0.5}],
    ("evaluation/endpoints", "not_taken_shows_nothing"): [{"verdict": "not_taken"}],
    ("evaluation/overall_verdict", "verdict_of_all_known"): [{"verdict": "inconclusive"}],
    ("evaluation/overall_verdict", "met_is_all_met"): [{"verdict": "met"}],
    ("evaluation/error_attribution", "states_sum"): [
        {**counted(n_cases=(10, 10))[0], "panel_state": "all"},
        {**counted(n_cases=(9, 9))[0], "panel_state": "split"},
    ],
    ("evaluation/calibration", "parts_make_up_the_brier_score"): [
        {"metric": "brier", "estimate": 0.2},
        {"metric": "brier_miscalibration", "estimate": 0.1},
        {"metric": "brier_discrimination", "estimate": 0.1},
        {"metric": "brier_uncertainty", "estimate": 0.25},
    ],
    ("evaluation/change", "parts_add_up_to_the_change"): [
        {"metric": f"change_{part}sensitivity", "estimate": 0.1}
        for part in (
            "",
            "mix_",
            "like_",
            "new_cells_",
            "lost_cells_",
            "new_device_",
            "mix_reversed_",
            "like_reversed_",
        )
    ],
    ("evaluation/errors", "ratio_is_of_the_rest"): [
        {"metric": "miss_rate", "estimate": 0.5, "n": 10, "events": 5},
        {"metric": "miss_ratio", "estimate": 3.0, "n": 20, "events": 10},
    ],
    ("evaluation/errors", "named_strata_need_their_p"): [{"metric": "miss_p", "notes": None}],
    ("evaluation/paired", "paired_difference_is_of_both"): [
        {"metric": "primary_auc", "estimate": 0.9},
        {"metric": "comparator_auc", "estimate": 0.8},
        {"metric": "paired_difference_auc", "estimate": 0.2},
    ],
    ("evaluation/paired", "discordant_units_make_the_difference"): [
        {"metric": "only_primary_right_sensitivity", "estimate": 3.0, "n": 10, "events": 3},
        {"metric": "only_comparator_right_sensitivity", "estimate": 1.0, "n": 10, "events": 1},
        {"metric": "paired_difference_sensitivity", "estimate": 0.3, "n": 10, "events": 4},
    ],
    ("evaluation/trend", "device_shares_make_up_a_period"): [
        {"metric": "case_share", "stratum": "a", "estimate": 0.5, "n": 10, "events": 5},
        {"metric": "case_share", "stratum": "b", "estimate": 0.4, "n": 10, "events": 4},
    ],
    ("evaluation/trend", "periods_make_up_their_classes"): [
        {
            "metric": metric,
            "stratum_kind": "all",
            "estimate": estimate,
            "n": n,
            "events": 5,
        }
        for metric, estimate, n in (("n_positive", 5.0, 10), ("sensitivity", 0.5, 6))
    ],
    ("evaluation/failures", "statuses_sum"): counted(n_cases=(10, 10), n_ok=(9, 10)),
    ("evaluation/transport_cells", "labels_add_up"): counted(
        n_cases=(10, 10), n_positive=(4, 10), n_negative=(4, 10), undecided_cases=(1, 10)
    ),
    ("evaluation/transport_cells", "called_within_their_label"): counted(
        n_positive=(4, 10), tp=(5, 10)
    ),
    ("evaluation/study_times", "included_are_cases"): counted(
        n_begun=(3, 10), n_begun_included=(4, 8)
    ),
    ("evaluation/index_test", "only_ok_has_output"): [{"status": "failed"}],
    ("evaluation/index_test", "missing_has_no_attempt"): [{"status": "ok", "n_attempts": 0}],
    ("evaluation/index_test", "every_model"): [
        {"model_id": "a"},
        {"model_id": "b"},
        {"case_id": "y", "model_id": "a"},
    ],
    ("evaluation/integrity", "verdict_fits"): [{"verdict": "held", "estimate": 2.0}],
    ("evaluation/label_sensitivity", "one_headline"): [{"variation": "posterior", "metric": "auc"}],
    ("evaluation/label_sensitivity", "counts_are_the_headlines"): [
        {"variation": "as_labelled", "metric": "auc"},
        {"variation": "posterior", "metric": "auc", "events": 4},
    ],
    ("evaluation/operating_points", "cells_sum"): counted(
        tp=(4, 10), fp=(1, 10), fn=(1, 10), tn=(3, 10)
    ),
    ("evaluation/timeliness", "call_known"): [{"metric": "n_cases", "call_kind": "perhaps"}],
    ("evaluation/timeliness", "calls_sum"): [
        {"metric": "n_cases", "call_kind": "all", "events": 4},
        {"metric": "n_cases", "call_kind": "none", "events": 5},
    ],
    ("evaluation/timeliness", "quantiles_in_order"): [
        {"metric": "received_to_opened_median", "call_kind": "all", "estimate": 9.0},
        {"metric": "received_to_opened_p90", "call_kind": "all", "estimate": 5.0},
    ],
    ("evaluation/error_review", "kind_known"): [{"metric": "n_errors", "error_kind": "odd"}],
    ("evaluation/error_review", "causes_sum"): [
        {"metric": "n_reviewed", "error_kind": "miss", "events": 4},
        {"metric": "cause_subtle", "error_kind": "miss", "events": 3},
        {"metric": "reviewer_radiologist", "error_kind": "miss", "events": 4},
    ],
    ("cohort/error_review", "cause_known"): [{"cause": "another"}],
    ("evaluation/performance", "classes_sum"): counted(
        n_cases=(10, 10), n_positive=(3, 10), n_negative=(6, 10)
    ),
    ("evaluation/predictive_values", "values_follow_prevalence"): [
        *at("0.100", 0.3, 0.9),
        *at("0.200", 0.2, 0.8),
    ],
    ("evaluation/predictive_values", "has_prevalence"): at("0.100", 0.3, 0.9)[1:],
    ("evaluation/roc", "curve_whole"): CURVE[1:],
    ("evaluation/roc", "curve_never_falls"): [*CURVE[:-1], {**CURVE[-1], "estimate": 0.1}],
    ("evaluation/roc", "curve_ends_at_one"): [*CURVE[:-1], {**CURVE[-1], "estimate": 0.9}],
    ("evaluation/scores", "parts_make_up_label"): PARTS[1:],
    ("evaluation/scores", "bins_adjoin"): [
        {**score_from(name), "estimate": 0.3} for name in ("01", "02")
    ],
    ("evaluation/thresholds", "thresholds_rise"): swept((0.2, 0.9, 0.4), (0.1, 0.7, 0.8)),
    ("evaluation/thresholds", "one_costs_the_other"): swept((0.1, 0.9, 0.4), (0.2, 0.7, 0.3)),
    ("evaluation/time_split", "matures_later"): [{"index_date": LATER, "mature_on": FIRST_DAY}],
    ("evaluation/time_split", "included_whole"): [
        {"is_included": True},
        {"finding": "y", "is_included": False},
    ],
    ("evaluation/verification", "bounds_hold_figure"): [
        {"metric": "sensitivity_bounds", "estimate": 0.3}
    ],
    ("drift/baseline", "shares_add_up"): [{"share": 0.5}, {"bin_order": 2, "share": 0.4}],
    ("drift/limits", "action_not_below_warning"): [{"warning_limit": 0.5, "action_limit": 0.4}],
    ("drift/limits", "rate_has_spread"): [{"warning_rate": 0.1, "warning_rate_spread": None}],
    ("drift/status", "signal_only_if_given"): [{"status": "given", "signal": None}],
    ("drift/status", "reason_if_not_given"): [{"status": "refused", "reason": None}],
    ("pack/claim", "attested_has_author"): [{"basis": "checked", "attested": "[]"}],
    ("pack/claim", "not_met_has_reason"): [{"status": "partial", "reason": None}],
    ("pack/report", "first_page_present"): [{"chapter": "second"}],
    ("pack/report", "origin_one_text"): [
        {"chapter": "second"},
        {"chapter": "second", "anchor": "y"},
    ],
    ("pack/report", "no_bare_nan"): [{"text": "NaN"}],
    ("pack/validation_pack", "required_files"): [{"path": "report.html"}],
    ("pack/validation_pack", "small_enough"): [{"path": "report.html", "bytes": 1_200_000}],
}


def sound(contract: Contract) -> pl.DataFrame:
    """A small table that meets its contract."""
    return _table(contract, SOUND.get(contract.asset, [{}]))


def corrupted(contract: Contract, expectation: Expectation | Planned) -> pl.DataFrame | None:
    """The smallest table that an expectation refuses; None if nobody wrote one."""
    rows = CORRUPT.get((contract.asset, expectation.id)) or _derived(expectation)
    if expectation.id == "figure_in_range":
        rows = _out_of_range(contract)
    return None if rows is None else _table(contract, rows)


def _derived(expectation: Expectation | Planned) -> Rows | None:
    kwargs = expectation.kwargs
    column = kwargs.get("column", "")
    by_type: dict[str, Rows] = {
        "expect_column_values_to_be_in_set": [{column: "no such thing"}],
        "expect_column_values_to_match_regex": [{column: "no such form"}],
        "expect_table_row_count_to_equal": [{}],
    }
    if expectation.type in by_type:
        return by_type[expectation.type]
    if expectation.type == "expect_column_values_to_be_between":
        return [{column: kwargs["min_value"] - 1}]
    return ANY_TABLE.get(expectation.id)


def _out_of_range(contract: Contract) -> Rows:
    """A figure below the least that its metric can be."""
    ranges = [(name, m.limits[0]) for m in metrics.of(contract.asset) for name in m.names]
    name, lowest = next((name, low) for name, low in ranges if low is not None)
    return [{"metric": name, "estimate": lowest - 1, "lower": None, "upper": None}]


def _table(contract: Contract, rows: Rows) -> pl.DataFrame:
    plain = _plain(contract)
    for row in rows:
        unknown = set(row) - set(plain)
        assert not unknown, f"{contract.asset} has no column {sorted(unknown)}"
    made = [{**plain, **row} for row in rows]
    return pl.DataFrame(made, schema=contract.polars_schema, orient="row")


def _plain(contract: Contract) -> dict[str, Any]:
    named = BY_NAME | BY_TABLE.get(contract.asset, {})
    made = {c.name: named.get(c.name, PLAIN[c.type]) for c in contract.columns}
    for expectation in contract.expectations:
        allowed = expectation.kwargs.get("value_set")
        if allowed:
            made[expectation.kwargs["column"]] = allowed[0]
    if contract.shape == FIGURE:
        made["metric"] = metrics.of(contract.asset)[0].names[0]
    return made
