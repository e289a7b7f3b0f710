"""What is known of each case × finding before any rule is applied: reads counted, sources ranked.

One read a reader and role counts; a reader's repeats (further sessions or arms) vote nowhere. What
does not belong here: which rule decides (``rules``), and how readers agreed (``agreement``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from vpack_pipeline.protocol import Adjudication, Finding

UNIT: Final = ("case_id", "finding")
POSITIVE: Final = "positive"
NEGATIVE: Final = "negative"
INDETERMINATE: Final = "indeterminate"
NON_DIAGNOSTIC: Final = "non_diagnostic"
ROLES: Final = ("independent", "tiebreak", "consensus")
ADJUDICATING: Final = ("tiebreak", "consensus")
"""Roles of reads that are to decide a case whose independent reads did not."""
OWN_TIEBREAK: Final = "own_tiebreak"
"""The role given to a tiebreak read by one of the case's own independent readers."""
_VOTE: Final = (*UNIT, "reader_id", "role", "class", "rating", "read_at")
READ_COLUMNS: Final = (
    *UNIT,
    "reader_id",
    "arm",
    "session",
    "purpose",
    "role",
    "saw_peers",
    "rating",
    "is_diagnostic",
    "read_at",
    "in_force",
)
"""What labels and agreement are made of, of cohort/reads."""
CLASSES: Final = (POSITIVE, NEGATIVE, INDETERMINATE, NON_DIAGNOSTIC)


def count_of(role: str, kind: str) -> str:
    """Name the column that counts a role's reads of a class."""
    return f"{role}_{kind}"


def classified(reads: pl.DataFrame, findings: Sequence[Finding]) -> pl.DataFrame:
    """Say of each read in force what it is once cut: its ``class``.

    Parameters
    ----------
    reads : cohort/reads; ``rating`` lies on the finding's scale or is null
    findings : the protocol's; a read of any other finding is left out

    Returns
    -------
    the reads in force, with ``class``: positive, negative, indeterminate or non_diagnostic (also
    where no rating was given)
    """
    rating = pl.col("rating")
    is_unsure = is_positive = pl.lit(value=False)
    for finding in findings:
        is_of = pl.col("finding") == finding.name
        is_unsure |= is_of & rating.is_in(finding.indeterminate)
        is_positive |= is_of & (rating >= finding.positive_from)
    known = pl.col("finding").is_in([f.name for f in findings])
    return reads.filter(pl.col("in_force") & known).with_columns(
        pl.when(~pl.col("is_diagnostic") | rating.is_null())
        .then(pl.lit(NON_DIAGNOSTIC))
        .when(is_unsure)
        .then(pl.lit(INDETERMINATE))
        .when(is_positive)
        .then(pl.lit(POSITIVE))
        .otherwise(pl.lit(NEGATIVE))
        .alias("class")
    )


def first_of_reader(reads: pl.DataFrame) -> pl.DataFrame:
    """Keep each reader's first read of a case × finding in a role: arm standard, lowest session."""
    of_one = (*UNIT, "role", "reader_id")
    # Rows are put in order by what decides it, and the others of their columns follow once.
    placed = reads.select(*of_one, "arm", "session").with_row_index("row")
    if reads["case_id"].is_sorted():
        # The number of a case then sorts as its pseudonym does, and much faster.
        placed = placed.with_columns(pl.col("case_id").rle_id())
    ordered = placed.sort(
        *of_one, pl.col("arm") != "standard", "arm", "session", maintain_order=True
    )
    is_first = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in of_one)
    return reads[ordered.filter(is_first | (pl.int_range(pl.len()) == 0))["row"]]


def evidence(
    cases: pl.DataFrame,
    reads: pl.DataFrame,
    reference: pl.DataFrame,
    findings: Sequence[Finding],
    adjudication: Adjudication,
) -> pl.DataFrame:
    """Gather what the rules may look at.

    Parameters
    ----------
    cases, reads, reference : tables of section cohort; rows not in force do not count

    Returns
    -------
    one row per case in force × finding, sorted so: ``patient_id``, ``index_date``; a count of each
    role and class (``independent_positive`` …); ``n_reads``, ``n_readers`` (distinct, of
    independent and consensus reads); ``n_own_tiebreak``, tiebreak reads by a reader who had an
    independent read of the case, which count nowhere else; ``median_low`` and ``median_high``
    (class of the two middle ratings of the independent reads, alike where their number is odd); the
    latest ``read_at`` of each role (``independent_at`` …), null where one of them has none; and the
    columns of :func:`independent_labels`
    """
    labels = independent_labels(cases, reference, findings, adjudication)
    return gathered(cases, votes(reads, findings), labels, findings)


def votes(reads: pl.DataFrame, findings: Sequence[Finding]) -> pl.DataFrame:
    """Keep the reads that vote: reference reads in force, one a reader and role, with ``class``."""
    voting = classified(reads, findings).filter(pl.col("purpose") == "reference")
    return _apart(first_of_reader(voting.select(*_VOTE, "arm", "session")).select(_VOTE))


def gathered(
    cases: pl.DataFrame,
    voting: pl.DataFrame,
    labels: pl.DataFrame,
    findings: Sequence[Finding],
) -> pl.DataFrame:
    """Gather as :func:`evidence` does, from votes and independent labels that are known.

    Parameters
    ----------
    cases : cohort/cases
    voting : what :func:`votes` gives, or the rows of some readers
    labels : what :func:`independent_labels` gives
    """
    units = (
        cases.filter("in_force")
        .select("case_id", "patient_id", "index_date")
        .join(pl.DataFrame({"finding": sorted(f.name for f in findings)}), how="cross")
    )
    counted = _counted(voting)
    counts = [count_of(role, kind) for role in ROLES for kind in CLASSES]
    return (
        units.join(counted, on=UNIT, how="left")
        .join(labels, on=UNIT, how="left")
        .with_columns(
            pl.col("n_reads", "n_readers", "n_own_tiebreak", *counts).fill_null(0).cast(pl.Int64)
        )
        .sort(UNIT)
    )


def _apart(voting: pl.DataFrame) -> pl.DataFrame:
    """Set a tiebreak apart whose reader is one of those who differ: it adds no third opinion."""
    by_reader = [*UNIT, "reader_id"]
    placed = voting.select(*by_reader, "role").with_row_index("row")
    tiebreaks = placed.filter(pl.col("role") == "tiebreak")
    independent = placed.filter(pl.col("role") == "independent")
    both = independent.join(tiebreaks, on=by_reader, how="semi")
    own = tiebreaks.join(both, on=by_reader, how="semi")["row"]
    return voting.with_columns(voting["role"].scatter(own, OWN_TIEBREAK))


def _counted(voting: pl.DataFrame) -> pl.DataFrame:
    """Count the reads of each unit, and find the classes of its two middle independent ratings.

    Parameters
    ----------
    voting : the reads of a unit stand together, as :func:`votes` gives them
    """
    role, kind, at = pl.col("role"), pl.col("class"), pl.col("read_at")
    is_tiebreak = role.is_in(["tiebreak", OWN_TIEBREAK])
    # What is asked of each read is worked out before reads are grouped: much faster than within.
    marks = {"n_own_tiebreak": role == OWN_TIEBREAK}
    for r in ROLES:
        marks |= {count_of(r, k): (role == r) & (kind == k) for k in CLASSES}
    told = {r: (role == r) & (kind != NON_DIAGNOSTIC) for r in ROLES}
    reads = _in_units(voting).with_columns(
        **marks,
        **{f"{r}_at": pl.when(is_told).then(at) for r, is_told in told.items()},
        **{f"{r}_undated": is_told & at.is_null() for r, is_told in told.items()},
        n_readers=_is_new_reader(pl.when(~is_tiebreak).then("reader_id")),
    )
    counts = reads.group_by("unit", maintain_order=True).agg(
        pl.col(UNIT).first(),
        pl.len().alias("n_reads"),
        pl.col("n_readers", *marks).sum(),
        *(pl.when(~pl.col(f"{r}_undated").any()).then(pl.col(f"{r}_at").max()) for r in ROLES),
    )
    middle = _middle(reads.filter(told["independent"]))
    return counts.join(middle, on="unit", how="left", maintain_order="left").drop("unit")


def _in_units(voting: pl.DataFrame) -> pl.DataFrame:
    """Number the units, whose rows stand together: grouped by one number, not by two texts."""
    starts = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in UNIT)
    return voting.with_columns(unit=starts.cum_sum().set_sorted())


def _is_new_reader(reader: pl.Expr) -> pl.Expr:
    """Mark the first row of each unit and reader; none where the reader is null."""
    code = reader.cast(pl.Categorical).to_physical().cast(pl.Int64)
    pair = pl.col("unit").cast(pl.Int64) * (code.max() + 1) + code
    return pair.is_not_null() & pair.is_first_distinct()


def _middle(rated: pl.DataFrame) -> pl.DataFrame:
    """Find the classes of the two middle ratings of each unit; one rating is of one class."""
    ranked = (
        rated.select("unit", "rating", "class").sort("rating").sort("unit", maintain_order=True)
    )
    sizes = (
        ranked.group_by("unit", maintain_order=True)
        .len("n")
        .with_columns(pl.col("n").cast(pl.Int64))
    )
    before, n = pl.col("n").cum_sum() - pl.col("n"), pl.col("n")
    low, high = sizes.select(before + (n - 1) // 2, high=before + n // 2)
    kinds = ranked["class"]
    return sizes.select("unit", median_low=kinds.gather(low), median_high=kinds.gather(high))


def independent_labels(
    cases: pl.DataFrame,
    reference: pl.DataFrame,
    findings: Sequence[Finding],
    adjudication: Adjudication,
) -> pl.DataFrame:
    """Choose the label of the most trusted independent source that counts.

    A source counts that the protocol lists, and whose rows say one thing, positive or negative. A
    negative follow-up counts once the days that its finding states (``negative_follow_up``), else
    ``follow_up_minimum_days``, lie between index date and ``established_at`` (its date in UTC);
    without ``established_at`` it does not count.

    Returns
    -------
    one row per case × finding that has a row of a listed source: ``reference_label``,
    ``reference_source``, ``reference_at`` (all null where none counts) and ``reference_why``
    (why none counts, a code)
    """
    order = {source: rank for rank, source in enumerate(adjudication.reference_sources)}
    least = {f.name: follow_up_days(f, adjudication) for f in findings}
    needed = pl.col("finding").replace_strict(least, default=None, return_dtype=pl.Int64)
    dates = cases.filter("in_force").select("case_id", "index_date")
    known = (
        reference.filter(pl.col("in_force") & pl.col("source").is_in(list(order)))
        .join(dates, on="case_id")
        .with_columns(days_to_reference().alias("days"))
    )
    is_short = (
        (pl.col("source") == "follow_up")
        & (pl.col("label") == NEGATIVE)
        & (pl.col("days") < needed).fill_null(value=True)
    )
    by_source = (
        known.group_by([*UNIT, "source"], maintain_order=True)
        .agg(
            pl.col("label").n_unique().alias("n_labels"),
            pl.col("label").min(),
            pl.col("established_at").max(),
            is_short.any().alias("is_short"),
        )
        .with_columns(
            pl.col("source").replace_strict(order, default=None, return_dtype=pl.Int64).alias("at")
        )
        .with_columns(_WHY_NOT.alias("why"))
        .sort(*UNIT, "at")
    )
    counts = pl.col("why").is_null()
    return by_source.group_by(UNIT, maintain_order=True).agg(
        pl.col("label").filter(counts).first().alias("reference_label"),
        pl.col("source").filter(counts).first().alias("reference_source"),
        pl.col("established_at").filter(counts).first().alias("reference_at"),
        pl.when(~counts.any()).then(pl.col("why").first()).alias("reference_why"),
    )


def follow_up_days(finding: Finding, adjudication: Adjudication) -> int:
    """Days after which a negative follow-up settles a finding."""
    own = finding.negative_follow_up
    return adjudication.follow_up_minimum_days if own is None else own.minimum_days


def days_to_reference() -> pl.Expr:
    """Days from the index date to the date of ``established_at`` in UTC; they may be negative."""
    return (pl.col("established_at").dt.date() - pl.col("index_date")).dt.total_days()


_WHY_NOT: Final = (
    pl.when(pl.col("n_labels") > 1)
    .then(pl.lit("source_contradicts_itself"))
    .when(pl.col("label") == INDETERMINATE)
    .then(pl.lit("source_indeterminate"))
    .when("is_short")
    .then(pl.lit("follow_up_too_short"))
)
