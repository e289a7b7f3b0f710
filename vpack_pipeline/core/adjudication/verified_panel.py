"""How often the panel errs where an independent source says so: its own labels, from reads alone.

The label in force of such a case is the independent source's, so that the panel's is decided here
anew, by the protocol's rules without that source; the standard held against itself would never err.
Who is verified follows the panel's call as a rule, so that the figures among verified cases stand
beside those that Begg & Greenes (1983) make of them (``stats/verification_bias``). What does not
belong here: what the reads alone let us suspect (``label_noise``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.coefficients import Stratum
from vpack_pipeline.core.adjudication.evidence import NEGATIVE, POSITIVE, evidence
from vpack_pipeline.core.adjudication.rules import RULES, first_to_decide
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.protocol import Adjudication, Finding
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.proportions.intervals import clustered_proportion
from vpack_pipeline.stats.verification_bias import VerifiedCounts, begg_greenes

_SOURCE_RULE: Final = "independent_reference"
STRATUM: Final = Stratum(_SOURCE_RULE, _SOURCE_RULE)
IF_BY_CALL: Final = Code("if_verified_by_call")
NO_PANEL: Final = Code("no_panel_rule")
NO_SOURCE: Final = Code("no_independent_source")
NONE_VERIFIED: Final = Code("none_verified")
_SIDES: Final = {
    "panel_error": (POSITIVE, NEGATIVE),
    "panel_sensitivity": (POSITIVE,),
    "panel_specificity": (NEGATIVE,),
}
_CORRECTED: Final = ("panel_sensitivity", "panel_specificity")
KINDS: Final = (
    (POSITIVE, POSITIVE),
    (POSITIVE, NEGATIVE),
    (NEGATIVE, POSITIVE),
    (NEGATIVE, NEGATIVE),
    (POSITIVE, None),
    (NEGATIVE, None),
)
"""Label of the panel and of the source, in the order of ``VerifiedCounts``."""


def panel_cases(
    *,
    cases: pl.DataFrame,
    reads: pl.DataFrame,
    reference: pl.DataFrame,
    included: pl.DataFrame,
    findings: Sequence[Finding],
    adjudication: Adjudication,
) -> pl.DataFrame:
    """Set the panel's label beside the independent one, for all included cases.

    Parameters
    ----------
    cases, reads, reference : tables of section cohort
    included : eligibility/included

    Returns
    -------
    one row per case × finding: ``case_id``, ``finding``, ``patient_id``, ``reference_label`` (of
    the independent source, null without one), ``panel_label`` (by the rules of the protocol's
    precedence that look at reads; null or indeterminate where they do not decide)
    """
    rules = [RULES[n](adjudication) for n in adjudication.precedence if n != _SOURCE_RULE]
    known = evidence(cases, reads, reference, findings, adjudication)
    return (
        known.join(included.select("case_id"), on="case_id", how="semi")
        .select(
            "case_id",
            "finding",
            "patient_id",
            "reference_label",
            first_to_decide(rules, "label").cast(pl.String).alias("panel_label"),
        )
        .sort("case_id", "finding")
    )


def put_verified(
    figures: Figures,
    panel: pl.DataFrame,
    finding: str,
    adjudication: Adjudication,
    level: float,
) -> None:
    """Add the panel's error, sensitivity and specificity against the independent sources.

    Among verified cases, and with these standing for the others of the same call. The latter have
    the counts of the former.

    Parameters
    ----------
    figures : of ``label_noise``: by finding, stratum and metric
    panel : of :func:`panel_cases`
    level : of the interval, clustered by patient, in (0, 1)
    """
    keys: dict[str, Any] = {"finding": finding, **STRATUM.keys}
    all_cases = panel.filter(pl.col("finding") == finding)
    of_finding = all_cases.filter(pl.col("reference_label").is_in([POSITIVE, NEGATIVE]))
    both = of_finding.filter(pl.col("panel_label").is_in([POSITIVE, NEGATIVE]))
    refusal = _refusal(adjudication) or (NONE_VERIFIED if both.is_empty() else None)
    if refusal is not None:
        for metric in ("n_cases", *_SIDES, *(f"{m}_begg_greenes" for m in _CORRECTED)):
            figures.refuse(metric, refusal, **keys)
        return
    counted = coded("count", "panel_of_source_labelled")
    figures.give(
        "n_cases", both.height, n=of_finding.height, events=both.height, method=counted, **keys
    )
    rules = tuple(name for name in adjudication.precedence if name != _SOURCE_RULE)
    sources = tuple(adjudication.reference_sources)
    against = code("panel_against_sources", rules=rules, sources=sources)
    for metric, labels in _SIDES.items():
        met = both.filter(pl.col("reference_label").is_in(labels))
        is_right = (met["panel_label"] == met["reference_label"]).to_numpy().astype(np.bool_)
        counts = ~is_right if metric == "panel_error" else is_right
        estimate = clustered_proportion(counts, np.asarray(met["patient_id"].to_list()), level)
        method = coded(against, estimate.method)
        if met.is_empty():
            estimate = replace(estimate, reason=code("no_case_of_class", label=labels[0]))
        notes = None if met.is_empty() else "verified_are_selected"
        figures.give(metric, estimate, method=method, notes=notes, **keys)
    corrected = begg_greenes(verified_counts(all_cases), level=level)
    for metric, estimate in zip(_CORRECTED, corrected, strict=True):
        met = both.filter(pl.col("reference_label").is_in(_SIDES[metric]))
        right = int((met["panel_label"] == met["reference_label"]).sum())
        figures.give(
            f"{metric}_begg_greenes",
            estimate,
            n=met.height,
            events=right,
            method=coded(against, estimate.method),
            notes=None if estimate.value is None else coded(IF_BY_CALL, "counts_of_verified"),
            **keys,
        )


def verified_counts(panel: pl.DataFrame) -> VerifiedCounts:
    """Count cases that the panel decided, by its call and the source's label: ``KINDS``."""
    label = pl.col("panel_label")
    source = pl.col("reference_label")
    found = panel.select(
        ((label == mine) & (source.is_null() if other is None else source == other))
        .sum()
        .alias(f"{at}")
        for at, (mine, other) in enumerate(KINDS)
    )
    return VerifiedCounts(*(int(count) for count in found.row(0)))


def _refusal(adjudication: Adjudication) -> Code | None:
    if set(adjudication.precedence) <= {_SOURCE_RULE}:
        return NO_PANEL
    return None if adjudication.reference_sources else NO_SOURCE
