"""The reference standard: the label of every case × finding, and how it came about.

What does not belong here: the rules themselves (``rules``), the counts they read (``evidence``).
"""

from __future__ import annotations

import polars as pl

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.adjudication.evidence import (
    INDETERMINATE,
    NEGATIVE,
    NON_DIAGNOSTIC,
    POSITIVE,
    UNIT,
    count_of,
    days_to_reference,
    evidence,
)
from vpack_pipeline.core.adjudication.rules import PANEL, RULES, Decision, first_to_decide
from vpack_pipeline.protocol import Adjudication, Finding

_KINDS = (POSITIVE, NEGATIVE, INDETERMINATE, NON_DIAGNOSTIC)


def reference_standard(
    *,
    cases: pl.DataFrame,
    reads: pl.DataFrame,
    reference: pl.DataFrame,
    findings: tuple[Finding, ...],
    adjudication: Adjudication,
) -> pl.DataFrame:
    """Apply the protocol's rules in their order of precedence; the first that decides does.

    Only what is in force at the cut is seen, and of reads only those whose purpose is reference.

    Parameters
    ----------
    cases, reads, reference : tables of section cohort

    Returns
    -------
    one row per case in force × finding. ``label`` null = undecided, with the codes of its
    ``reason``, as declared in order.
    ``days_to_reference`` runs from index date to ``established_at`` (UTC), and may be negative.

    Raises
    ------
    KeyError
        ``precedence`` names no rule; ``study.load`` refuses such a protocol.
    """
    known = _with_delivered(evidence(cases, reads, reference, findings, adjudication), cases, reads)
    rules = [RULES[name](adjudication) for name in adjudication.precedence]
    decided = known.with_columns(
        first_to_decide(rules, "label").alias("label"),
        first_to_decide(rules, "method").alias("decided_by"),
        first_to_decide(rules, "margin").alias("margin"),
        first_to_decide(rules, "source").alias("source"),
        first_to_decide(rules, "established_at").alias("established_at"),
        _reasons(rules).alias("reason"),
        *(pl.col(count_of("independent", kind)).alias(f"n_{kind}") for kind in _KINDS),
    )
    return decided.select(
        "case_id",
        "finding",
        "patient_id",
        "label",
        _method().alias("method"),
        "margin",
        "source",
        pl.coalesce("source", pl.lit(_expected_source(adjudication))).alias("expected_source"),
        "n_reads",
        pl.sum_horizontal(f"n_{kind}" for kind in _KINDS).alias("n_independent"),
        *(f"n_{kind}" for kind in _KINDS),
        _panel_state().alias("panel_state"),
        "established_at",
        days_to_reference().alias("days_to_reference"),
        _unused_tiebreaks().alias("n_unused_tiebreak"),
        pl.when(pl.col("label").is_null()).then(_stated("reason")).alias("reason"),
        "n_readers",
        "n_repeats",
        pl.lit(adjudication.minimum_readers, pl.Int64).alias("minimum_readers"),
        pl.lit(adjudication.quorum, pl.Int64).alias("quorum"),
        "n_reads_total",
        "n_cases_total",
    ).sort("case_id", "finding")


def _with_delivered(known: pl.DataFrame, cases: pl.DataFrame, reads: pl.DataFrame) -> pl.DataFrame:
    """Add what the reads themselves say: their repeats, and the totals that the gate adds up to.

    Counted past the evidence, so that a case or read which that lost or counted twice is noticed.
    """
    delivered = reads.filter(pl.col("in_force") & (pl.col("purpose") == "reference"))
    voices = pl.struct("reader_id", "role").n_unique()
    repeats = delivered.group_by(UNIT).agg((pl.len() - voices).alias("n_repeats"))
    totals = delivered.group_by("finding").agg(pl.len().alias("n_reads_total"))
    return (
        known.join(repeats, on=UNIT, how="left", maintain_order="left")
        .join(totals, on="finding", how="left", maintain_order="left")
        .with_columns(
            pl.col("n_repeats", "n_reads_total").fill_null(0).cast(pl.Int64),
            pl.lit(cases.filter("in_force").height, pl.Int64).alias("n_cases_total"),
        )
    )


def _reasons(rules: list[Decision]) -> pl.Expr:
    """Why no rule decided, each reason once, in the declared order."""
    declared = pl.Enum(codes.of("reason"))
    return (
        pl.concat_list([rule.why.cast(declared) for rule in rules])
        .list.drop_nulls()
        .list.unique()
        .list.sort()
        .cast(pl.List(pl.String))
        .list.join(codes.SEPARATOR)
    )


def _stated(reason: str) -> pl.Expr:
    return (
        pl.when(pl.col(reason) != "")
        .then(pl.col(reason))
        .when(pl.col("n_reads") > 0)
        .then(pl.lit("no_read_in_role"))
        .otherwise(pl.lit("no_read_no_source"))
    )


def _method() -> pl.Expr:
    return (
        pl.when(pl.col("label").is_not_null())
        .then(pl.col("decided_by"))
        .when(pl.col("n_reads") == 0)
        .then(pl.lit("no_reads"))
        .otherwise(pl.lit("unresolved"))
    )


def _panel_state() -> pl.Expr:
    diagnostic = pl.sum_horizontal("n_positive", "n_negative", "n_indeterminate")
    concurring = pl.max_horizontal("n_positive", "n_negative", "n_indeterminate")
    return (
        pl.when(diagnostic == 0)
        .then(pl.lit("none"))
        .when(diagnostic == 1)
        .then(pl.lit("single"))
        .when(concurring == diagnostic)
        .then(pl.lit("unanimous"))
        .otherwise(pl.lit("split"))
    )


def _unused_tiebreaks() -> pl.Expr:
    reads = pl.sum_horizontal(count_of("tiebreak", kind) for kind in _KINDS)
    is_used = (pl.col("decided_by") == "third_reader").fill_null(value=False)
    unused = pl.when(is_used).then(pl.lit(0)).otherwise(reads)
    return (unused + pl.col("n_own_tiebreak")).cast(pl.Int64)


def _expected_source(adjudication: Adjudication) -> str:
    """The source that the protocol trusts first."""
    for name in adjudication.precedence:
        if name != "independent_reference":
            return PANEL
        if adjudication.reference_sources:
            return adjudication.reference_sources[0]
    return PANEL
