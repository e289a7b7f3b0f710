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

from vpack_pipeline.core.adjudication.evidence import NEGATIVE, POSITIVE, evidence
from vpack_pipeline.core.adjudication.rules import RULES, first_to_decide
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.protocol import Adjudication, Finding
from vpack_pipeline.stats.proportions.intervals import clustered_proportion
from vpack_pipeline.stats.verification_bias import VerifiedCounts, begg_greenes

STRATUM: Final = "independent_reference"
_SOURCE_RULE: Final = "independent_reference"
SELECTED: Final = (
    "among verified cases: included ones that an independent source settled and that the panel had"
    " decided from its reads alone; who is verified may depend on the reads, so that they are a"
    " selected sample; a read made after the source's result may have known it"
)
IF_BY_CALL: Final = (
    "holds only if whether a case was verified depends on the panel's call and on nothing else that"
    " has to do with the finding"
)
INDEPENDENT_CASES: Final = "cases are taken as independent; n and events are of verified cases"
NO_PANEL: Final = "the protocol has no rule by which readers decide"
NO_SOURCE: Final = "the protocol names no independent source"
NONE_VERIFIED: Final = "no included case has both an independent label and one of the panel"
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
    keys: dict[str, Any] = {"finding": finding, "stratum": STRATUM}
    all_cases = panel.filter(pl.col("finding") == finding)
    of_finding = all_cases.filter(pl.col("reference_label").is_in([POSITIVE, NEGATIVE]))
    both = of_finding.filter(pl.col("panel_label").is_in([POSITIVE, NEGATIVE]))
    refusal = _refusal(adjudication) or (NONE_VERIFIED if both.is_empty() else None)
    if refusal is not None:
        for metric in ("n_cases", *_SIDES, *(f"{m}_begg_greenes" for m in _CORRECTED)):
            figures.refuse(metric, refusal, **keys)
        return
    counted = "count of those that the panel decided, of those with an independent label"
    figures.give(
        "n_cases", both.height, n=of_finding.height, events=both.height, method=counted, **keys
    )
    rules = [name for name in adjudication.precedence if name != _SOURCE_RULE]
    against = (
        f"{_listed(rules)} from reads alone, against {_listed(adjudication.reference_sources)}"
    )
    for metric, labels in _SIDES.items():
        met = both.filter(pl.col("reference_label").is_in(labels))
        is_right = (met["panel_label"] == met["reference_label"]).to_numpy().astype(np.bool_)
        counts = ~is_right if metric == "panel_error" else is_right
        estimate = clustered_proportion(counts, np.asarray(met["patient_id"].to_list()), level)
        reason = SELECTED if estimate.reason is None else f"{estimate.reason}; {SELECTED}"
        if met.is_empty():
            reason = f"no such case is {labels[0]} by an independent source"
        method = f"{against}; {estimate.method}"
        figures.give(metric, replace(estimate, method=method, reason=reason), **keys)
    corrected = begg_greenes(verified_counts(all_cases), level=level)
    for metric, estimate in zip(_CORRECTED, corrected, strict=True):
        met = both.filter(pl.col("reference_label").is_in(_SIDES[metric]))
        right = int((met["panel_label"] == met["reference_label"]).sum())
        made = replace(estimate, n=met.height, method=f"{against}; {estimate.method}")
        if estimate.value is not None:
            parts = (estimate.reason, IF_BY_CALL, INDEPENDENT_CASES)
            made = replace(made, reason="; ".join(text for text in parts if text))
        figures.give(f"{metric}_begg_greenes", made, events=right, **keys)


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


def _refusal(adjudication: Adjudication) -> str | None:
    if set(adjudication.precedence) <= {_SOURCE_RULE}:
        return NO_PANEL
    return None if adjudication.reference_sources else NO_SOURCE


def _listed(names: Sequence[str]) -> str:
    return " or ".join(name.replace("_", " ") for name in names)
